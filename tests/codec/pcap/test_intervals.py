"""The pieces that wait for earlier bytes: every case by name, and any sequence as a byte-by-byte model has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire.pcap.intervals import ConflictingBytes, WaitingPiece, WaitingPieces

STREAM = b"abcdefghijklmnopqrstuvwxyz"


def piece(start: int, data: bytes, length: int = 0, number: int = 1) -> WaitingPiece:
    """A piece; without data one of that length, cut off by the snap length."""
    return WaitingPiece(start, start + (len(data) or length), data, number, 1000 * number)


def waiting(*pieces: WaitingPiece) -> WaitingPieces:
    found = WaitingPieces()
    for each in pieces:
        assert found.add(each) == []
    return found


def held(pieces: WaitingPieces) -> list[tuple[int, bytes, int]]:
    """Start, bytes and packet of everything that waits, in order; nothing waits afterwards."""
    found: list[tuple[int, bytes, int]] = []
    while pieces:
        found += [(each.start, each.data, each.packet_number) for each in pieces.take(pieces[0].start)]
    return found


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (piece(0, b"ab", number=2), [(0, b"ab", 2), (4, b"efg", 1), (10, b"klm", 1)]),
        (piece(1, b"bcd", number=2), [(1, b"bcd", 2), (4, b"efg", 1), (10, b"klm", 1)]),
        (piece(7, b"hij", number=2), [(4, b"efg", 1), (7, b"hij", 2), (10, b"klm", 1)]),
        (piece(13, b"no", number=2), [(4, b"efg", 1), (10, b"klm", 1), (13, b"no", 2)]),
        (piece(20, b"uv", number=2), [(4, b"efg", 1), (10, b"klm", 1), (20, b"uv", 2)]),
        (piece(4, b"efg", number=2), [(4, b"efg", 1), (10, b"klm", 1)]),
        (piece(5, b"f", number=2), [(4, b"efg", 1), (10, b"klm", 1)]),
        (piece(2, b"cdef", number=2), [(2, b"cd", 2), (4, b"efg", 1), (10, b"klm", 1)]),
        (piece(6, b"gh", number=2), [(4, b"efg", 1), (7, b"h", 2), (10, b"klm", 1)]),
        (piece(12, b"mn", number=2), [(4, b"efg", 1), (10, b"klm", 1), (13, b"n", 2)]),
        (
            piece(2, STREAM[2:16], number=2),
            [(2, b"cd", 2), (4, b"efg", 1), (7, b"hij", 2), (10, b"klm", 1), (13, b"nop", 2)],
        ),
        (piece(2, b"", 7, number=2), [(2, b"", 2), (4, b"efg", 1), (7, b"", 2), (10, b"klm", 1)]),
    ],
    ids=[
        "in front of all",
        "up to the first",
        "between two, touching both",
        "at the end of all",
        "behind all",
        "a repetition",
        "inside another",
        "into the start of another",
        "out of the end of another",
        "out of the end of the last",
        "over all of them",
        "cut off by the snap length",
    ],
)
def test_the_first_to_come_stays_and_the_rest_is_kept(
    new: WaitingPiece, expected: list[tuple[int, bytes, int]]
) -> None:
    pieces = waiting(piece(4, b"efg"), piece(10, b"klm"))
    assert pieces.add(new) == []
    assert held(pieces) == expected


def test_different_bytes_are_refused_and_returned() -> None:
    pieces = waiting(piece(4, b"efg"), piece(10, b"klm"), piece(7, b"", 2))
    assert pieces.add(piece(3, b"DEFGHIJKL", number=2)) == [
        ConflictingBytes(4, b"efg", b"EFG"),
        ConflictingBytes(10, b"kl", b"KL"),
    ]
    assert held(pieces) == [(3, b"D", 2), (4, b"efg", 1), (7, b"", 1), (9, b"J", 2), (10, b"klm", 1)]


def test_what_is_taken_ends_at_the_next_missing_byte() -> None:
    pieces = waiting(piece(4, b"efg"), piece(7, b"", 2), piece(9, b"j"), piece(11, b"l"))
    assert (pieces[0].start, pieces[-1].end, len(pieces)) == (4, 12, 4)
    assert pieces.take(3) == []
    assert pieces.take(4) == [piece(4, b"efg"), piece(7, b"", 2), piece(9, b"j")]
    assert (pieces[0].start, pieces[-1].end, len(pieces)) == (11, 12, 1)


def test_the_cost_is_the_bytes_and_128_for_each_piece() -> None:
    pieces = waiting(piece(4, b"efg"))
    assert pieces.cost == 128 + 3
    pieces.add(piece(2, STREAM[2:10]))
    assert pieces.cost == 3 * 128 + 8
    pieces.add(piece(20, b"", 1000))
    assert pieces.cost == 4 * 128 + 8
    pieces.take(2)
    assert pieces.cost == 128
    pieces.take(20)
    assert (pieces.cost, len(pieces)) == (0, 0)


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.binary(min_size=1, max_size=12) | st.integers(1, 12), st.integers(0, 9)),
        max_size=20,
    )
)
def test_any_pieces_in_any_order(steps: list[tuple[int, bytes | int, int]]) -> None:
    """A dictionary of positions gives the same: what came first, which bytes differ, what can be taken, its cost."""
    pieces, model = WaitingPieces(), dict[int, tuple[int | None, int]]()
    for number, (start, data, take) in enumerate(steps):
        new = piece(start, b"", data, number) if isinstance(data, int) else piece(start, data, number=number)
        expected = set()
        for at in range(new.start, new.end):
            byte = new.data[at - start] if new.data else None
            kept, _ = model.setdefault(at, (byte, number))
            if None not in (kept, byte) and kept != byte:
                expected.add((at, kept, byte))
        different = {
            (at, one, other)
            for first, kept_bytes, refused in pieces.add(new)
            for at, (one, other) in enumerate(zip(kept_bytes, refused, strict=True), first)
            if one != other
        }
        assert different == expected
        if not take:
            position = min(model)
            for taken in pieces.take(position):
                assert taken.start == position
                for at in range(taken.start, taken.end):
                    byte = taken.data[at - taken.start] if taken.data else None
                    assert model.pop(at) == (byte, taken.packet_number)
                position = taken.end
            assert position not in model
        assert bool(pieces) == bool(model)
        if model:
            assert (pieces[0].start, pieces[-1].end) == (min(model), max(model) + 1)
        captured = sum(byte is not None for byte, _ in model.values())
        assert pieces.cost == captured + 128 * len(pieces)
