"""Reassembly at its edges: numbers that are zero, limits that are just met, pieces that were cut off."""

from __future__ import annotations

import pytest

from ftwire.pcap import Conflict, Data, Event, Late, Limits, MissingBytes, MissingReason
from support.pcap_model import ACK, END, FIN, HANDSHAKE, SYN, A, B, Snapped, a, after_handshake, b, frame, run


def cut(packet: bytes, missing: int) -> Snapped:
    """A packet of which the capture lacks the last bytes."""
    return Snapped(packet, len(packet) - missing)


def of(kind: type[Event], events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]


# --- what was acknowledged and never seen ---------------------------------------------------------------------


@pytest.mark.parametrize("ack", [3, 4, 5, 6, 100])
def test_a_hole_is_given_up_when_its_end_is_acknowledged(ack: int) -> None:
    """Not only when what waits behind it is."""
    limits = Limits(patience_packets=2)
    acks = [b(0, ack=ack)] * 3
    assert after_handshake(a(3, b"def"), *acks, a(0, b"abc"), limits=limits)[:3] == [
        ("missing", "A", 0, 3, "acked"),
        ("data", "A", 3, b"def", 1),
        ("late", 0, b"abc"),
    ]


@pytest.mark.parametrize("hole", [1, 2, 3])
def test_patience_is_counted_from_the_first_packet_that_acknowledges(hole: int) -> None:
    limits = Limits(patience_packets=2)
    acks = [b(0, ack=hole)] * 2
    assert after_handshake(a(hole, b"x"), *acks, a(0, b"abc"[:hole]), limits=limits)[0][0] == "data"
    # And anew for the next hole.
    again = [a(hole + 1 + hole, b"y"), *[b(0, ack=2 * hole + 1)] * 2, a(hole + 1, b"def"[:hole])]
    events = after_handshake(a(hole, b"x"), *acks, a(0, b"abc"[:hole]), *again, limits=limits)
    assert [event[0] for event in events] == ["data"] * 4 + ["closed"]


def test_every_hole_that_was_acknowledged_is_given_up_at_once() -> None:
    limits = Limits(patience_packets=1)
    acks = [b(0, ack=7)] * 2
    assert after_handshake(a(2, b"c"), a(5, b"f"), a(9, b"j"), *acks, limits=limits)[:4] == [
        ("missing", "A", 0, 2, "acked"),
        ("data", "A", 2, b"c", 1),
        ("missing", "A", 3, 2, "acked"),
        ("data", "A", 5, b"f", 2),
    ]


def test_patience_in_time_is_a_difference() -> None:
    """Packets are 1000 ns apart, and the first to acknowledge comes after 4000."""
    acks = [b(0, ack=6)] * 4
    in_time = after_handshake(a(3, b"def"), *acks[:3], a(0, b"abc"), limits=Limits(patience_ns=4000))
    assert in_time[0] == ("data", "A", 0, b"abc", 5)
    too_late = after_handshake(a(3, b"def"), *acks, a(0, b"abc"), limits=Limits(patience_ns=3000))
    assert too_late[0] == ("missing", "A", 0, 3, "acked")


def test_an_acknowledgement_number_may_be_zero() -> None:
    """The number of the byte behind the last one, when the numbers wrap just there."""
    start = 0xFFFFFFFF - 5
    opening = [frame(A, B, start - 1, flags=SYN), frame(B, A, 4, flags=SYN | ACK, ack=start)]
    acks = [frame(B, A, 5, ack=0)] * 3
    waiting = run(*opening, frame(A, B, start + 3, b"def"), *acks, limits=Limits(patience_packets=1))
    assert [
        (lost.offset, lost.length, lost.reason) for lost in of(MissingBytes, waiting) if isinstance(lost, MissingBytes)
    ] == [(0, 3, MissingReason.ACKED)]
    tail = run(*opening, *acks)
    assert [
        (lost.offset, lost.length, lost.reason) for lost in of(MissingBytes, tail) if isinstance(lost, MissingBytes)
    ] == [(0, 6, MissingReason.END)]


def test_a_first_sequence_number_may_be_zero() -> None:
    opening = [frame(A, B, 0xFFFFFFFF, flags=SYN), frame(B, A, 4, flags=SYN | ACK, ack=0)]
    events = run(*opening, frame(B, A, 5, ack=10))
    assert [(lost.offset, lost.length) for lost in of(MissingBytes, events) if isinstance(lost, MissingBytes)] == [
        (0, 10)
    ]
    events = run(*opening, frame(A, B, 0, b"abc"), frame(B, A, 5, ack=3))
    assert not of(MissingBytes, events)


@pytest.mark.parametrize(
    ("beyond", "missing"), [(0, 0), (1, 0), (2, 2), (1 << 30, 1 << 30), ((1 << 30) + 1, 0), (-1, 0), (-3, 0)]
)
def test_what_is_acknowledged_beyond_the_last_byte(beyond: int, missing: int) -> None:
    """One number more is a FIN that was not captured; and more than a window is no acknowledgement."""
    events = after_handshake(a(0, b"abc"), b(0, ack=3 + beyond))
    assert events == [("data", "A", 0, b"abc", 1), *([("missing", "A", 3, missing, "end")] if missing else []), END]


def test_nothing_is_missing_behind_a_fin_or_in_a_direction_never_seen() -> None:
    assert after_handshake(a(0, flags=ACK | FIN), b(0, ack=10)) == [END]
    events = run(b(100, b"push", ack=20), b(104, b"more", ack=30))
    assert not of(MissingBytes, events)
    assert len(of(Data, events)) == 2


# --- pieces that wait -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high"), [(low, high) for low in range(1, 13) for high in range(low + 1, 15)])
def test_a_piece_over_any_part_of_three_that_wait(low: int, high: int) -> None:
    """The same bytes come twice or the second time: no conflict, no byte twice, none lost."""
    stream = b"abcdefghijklmnop"
    waiting = [a(start, stream[start : start + 2]) for start in (2, 6, 10)]
    events = after_handshake(*waiting, a(low, stream[low:high]), a(0, stream))
    data = [event for event in events if event[0] == "data"]
    assert b"".join(event[3] for event in data if isinstance(event[3], bytes)) == stream
    assert [event[0] for event in events] == ["data"] * len(data) + ["closed"]
    # And other bytes are refused exactly where something waits.
    refused = bytes(byte ^ 0x20 for byte in stream)
    events = after_handshake(*waiting, a(low, refused[low:high]), a(0, stream[:1]))
    places: set[int] = set()
    for event in events:
        if event[0] == "conflict":
            _, offset, mine, _ = event
            assert isinstance(offset, int)
            assert isinstance(mine, bytes)
            places |= set(range(offset, offset + len(mine)))
    assert places == {at for at in (2, 3, 6, 7, 10, 11) if low <= at < high}


def test_a_cut_piece_waits_and_what_it_lacks_stays_missing() -> None:
    """Whoever comes first has come: bytes that the capture lacks are not taken from a repetition behind a hole."""
    first, again = a(3, b"defghi"), a(2, b"cdefghij")
    missing = [("missing", "A", 6, 3, "snapped")]
    assert after_handshake(cut(first, 3), a(0, b"abc")) == [
        ("data", "A", 0, b"abc", 2),
        ("data", "A", 3, b"def", 1),
        *missing,
        END,
    ]
    assert after_handshake(cut(first, 3), again, a(0, b"ab")) == [
        ("data", "A", 0, b"ab", 3),
        ("data", "A", 2, b"c", 2),
        ("data", "A", 3, b"def", 1),
        *missing,
        ("data", "A", 9, b"j", 2),
        END,
    ]
    # The other way round nothing is missing: only where the cut piece is longer.
    assert after_handshake(first, cut(again, 5), a(0, b"ab")) == [
        ("data", "A", 0, b"ab", 3),
        ("data", "A", 2, b"c", 2),
        ("data", "A", 3, b"defghi", 1),
        ("missing", "A", 9, 1, "snapped"),
        END,
    ]


def test_a_piece_of_which_nothing_was_captured_waits_too() -> None:
    """Its bytes are missing where they would stand, and there is no event without bytes."""
    assert after_handshake(cut(a(3, b"def"), 3), a(0, b"abc"), a(6, b"ghi")) == [
        ("data", "A", 0, b"abc", 2),
        ("missing", "A", 3, 3, "snapped"),
        ("data", "A", 6, b"ghi", 3),
        END,
    ]


# --- what waiting costs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [Limits(max_flow_bytes=2200), Limits(max_buffered_bytes=2200)])
def test_the_cost_of_waiting_is_bytes_and_some_for_each_piece(limits: Limits) -> None:
    """128 for each: 2 * 1128 is too much, 1128 + 1072 is just enough."""
    large = bytes(1000)
    assert after_handshake(a(10, large), a(2000, bytes(944)), limits=limits)[0] == ("missing", "A", 0, 10, "end")
    assert after_handshake(a(10, large), a(2000, bytes(945)), limits=limits)[0] == ("missing", "A", 0, 10, "limit")
    # The same for the parts of a piece on both sides of one that waits: 138, 1028, and 128 with the rest.
    for rest, reason in ((906, "end"), (907, "limit")):
        around = [a(1000, bytes(10)), a(100, bytes(910 + rest))]
        assert after_handshake(*around, limits=limits)[0] == ("missing", "A", 0, 100, reason)


@pytest.mark.parametrize("limits", [Limits(max_flow_bytes=500), Limits(max_buffered_bytes=500)])
@pytest.mark.parametrize("missing", [0, 50])
def test_what_was_delivered_waits_no_more(limits: Limits, missing: int) -> None:
    """Holes that open and close cost nothing that stays, and leave no credit either."""
    exchange: list[bytes | Snapped] = []
    for at in range(0, 4000, 100):
        ahead = a(at + 50, bytes(50))
        exchange += [cut(ahead, missing) if missing else ahead, a(at, bytes(50))]
    events = after_handshake(*exchange, limits=limits)
    assert not [event for event in events if event[-1] == "limit"]
    three = [a(4000 + at, b"x") for at in (10, 20, 30)]
    assert not [event for event in after_handshake(*exchange, *three, limits=limits) if event[-1] == "limit"]
    four = [*three, a(4040, b"x")]
    assert ("missing", "A", 4000, 10, "limit") in after_handshake(*exchange, *four, limits=limits)


# --- what the stream has passed -------------------------------------------------------------------------------


def test_bytes_for_a_hole_given_up_are_late_and_only_these() -> None:
    limits = Limits(max_flow_segments=1)
    events = after_handshake(a(0, b"abc"), a(6, b"ghi"), a(12, b"m"), a(1, b"bcdefghi"), limits=limits)
    assert events[:3] == [("data", "A", 0, b"abc", 1), ("missing", "A", 3, 3, "limit"), ("data", "A", 6, b"ghi", 2)]
    assert events[3] == ("late", 3, b"def")


def test_the_last_eight_holes_are_remembered() -> None:
    exchange = [a(0, b"x")]
    for hole in range(9):
        exchange += [a(10 * hole + 10, b"x" * 5)]
    holes = [(10 * hole + (1 if hole == 0 else 5), 10 * hole + 10) for hole in range(9)]
    fill = [a(start, b"y" * (end - start)) for start, end in holes]
    events = after_handshake(*exchange, a(200, b"z"), *fill, limits=Limits(max_flow_segments=1))
    late = [(event[1], len(event[2])) for event in events if event[0] == "late"]  # type: ignore[arg-type]
    assert late == [(start, end - start) for start, end in holes[1:]]


def test_a_repetition_is_compared_by_its_place_not_by_its_bytes() -> None:
    assert after_handshake(a(0, b"abc"), a(3, b"xyz"), a(2, b"xyz")) == [
        ("data", "A", 0, b"abc", 1),
        ("data", "A", 3, b"xyz", 2),
        ("conflict", 3, b"xy", b"yz"),
        ("conflict", 2, b"c", b"x"),
        END,
    ]


def test_only_what_a_direction_itself_delivered_is_compared() -> None:
    """The other direction's segments, and those of other connections, stand in the same history."""
    ours: list[bytes | Snapped] = [a(0, b"abc"), cut(b(0, b"uvw", ack=3), 3), b(0, b"xyz", ack=3)]
    assert after_handshake(*ours) == [
        ("data", "A", 0, b"abc", 1),
        ("missing", "B", 0, 3, "snapped"),
        ("late", 0, b"xyz"),
        END,
    ]
    other = A._replace(port=50001)
    theirs: list[bytes | Snapped] = [
        frame(other, B, 99, flags=SYN),
        cut(frame(other, B, 100, b"uvw"), 3),
        frame(other, B, 100, b"xyz"),
    ]
    events = run(*HANDSHAKE, a(0, b"abc"), *theirs)
    assert not of(Conflict, events)
    assert len(of(Late, events)) == 1


@pytest.mark.parametrize(("others", "remembered"), [(255, True), (256, False)])
def test_the_last_256_segments_are_remembered(others: int, remembered: bool) -> None:
    other = A._replace(port=50001)
    between = [frame(other, B, 100 + at, b"x") for at in range(others)]
    events = run(*HANDSHAKE, a(0, b"abc"), *between, a(0, b"aXc"))
    assert bool(of(Conflict, events)) is remembered


# --- the place of a segment ------------------------------------------------------------------------------------


def test_a_stream_that_stands_at_zero_has_begun() -> None:
    opening = [frame(A, B, 0xFFFFFFFF, flags=SYN), frame(B, A, 4, flags=SYN | ACK, ack=0)]
    events = run(*opening, frame(A, B, 3, b"def"), frame(A, B, 0, b"abc"))
    assert [(event.offset, event.data) for event in events if isinstance(event, Data)] == [(0, b"abc"), (3, b"def")]
    # Two billion sequence numbers further on it is there again, at another offset.
    wrapped = [frame(A, B, 0xFFFFFFFD, flags=SYN), frame(A, B, 0xFFFFFFFE, b"yz")]
    events = run(*wrapped, frame(A, B, 3, b"def"), frame(A, B, 0, b"abc"))
    assert [event.offset for event in events if isinstance(event, Data)] == [0, 2, 5]


@pytest.mark.parametrize(("offset", "kind"), [(1 << 30, "missing"), (-(1 << 30), "late")])
def test_a_window_away_is_the_furthest(offset: int, kind: str) -> None:
    assert after_handshake(a(offset, b"xy"))[0][0] == kind
    beyond = offset + (1 if offset > 0 else -1)
    assert after_handshake(a(beyond, b"xy"))[0] == (
        "skipped",
        1,
        f"a segment {beyond} bytes from where its stream stands",
    )


def test_bytes_before_the_stream_and_next_in_one_segment() -> None:
    events = run(b(100, b"push"), b(90, b"0123456789pushmore"))
    assert [event.data for event in events if isinstance(event, Late)] == [b"0123456789"]
    assert [event.data for event in events if isinstance(event, Data)] == [b"push", b"more"]
    # All of it that the stream has passed is compared.
    events = run(b(100, b"push"), b(90, b"0123456789puSHmore"))
    assert [(event.kept, event.refused) for event in events if isinstance(event, Conflict)] == [(b"push", b"puSH")]


# --- the end --------------------------------------------------------------------------------------------------


def test_a_fin_at_the_very_beginning_ends_the_stream_there() -> None:
    events = after_handshake(a(0, flags=ACK | FIN), a(0, b"abc"), a(5, flags=ACK | FIN))
    assert events[0] == ("skipped", 2, "3 bytes behind the FIN")
    assert not [event for event in events if event[0] in {"data", "missing"}]


def test_a_fin_at_the_very_beginning_holds_after_the_other_side_has_spoken() -> None:
    events = after_handshake(a(0, flags=ACK | FIN), b(0, b"xyz"), b(0, b"xyz"), a(0, b"abc"))
    assert events == [("data", "B", 0, b"xyz", 2), ("skipped", 4, "3 bytes behind the FIN"), END]


def test_no_sequence_number_is_the_next_by_chance_while_the_other_side_waits() -> None:
    """Not the number 1, either: what has it here is a hundred bytes in front of the stream."""
    opening = [frame(A, B, 100, flags=SYN), frame(B, A, 4, flags=SYN | ACK, ack=101)]
    events = run(*opening, frame(B, A, 8, b"ahead"), frame(A, B, 1, b"old"), frame(A, B, 101, b"new"))
    assert [(event.offset, event.data) for event in of(Late, events) if isinstance(event, Late)] == [(-100, b"old")]
    from_a = [event.data for event in of(Data, events) if isinstance(event, Data) and event.data != b"ahead"]
    assert from_a == [b"new"]


def test_bytes_on_both_sides_of_the_fin() -> None:
    events = after_handshake(a(0, b"abc"), a(5, flags=ACK | FIN), a(3, b"defghi"))
    assert events == [
        ("data", "A", 0, b"abc", 1),
        ("data", "A", 3, b"de", 3),
        ("skipped", 3, "4 bytes behind the FIN"),
        END,
    ]


@pytest.mark.parametrize("waiting", [1, 2, 3])
def test_a_fin_that_comes_again_with_the_last_piece_that_waits(waiting: int) -> None:
    pieces = [a(3 * at + 3, b"def") for at in range(waiting)]
    last = 3 * waiting
    events = after_handshake(*pieces, a(last, b"def", flags=ACK | FIN), b(0, flags=ACK | FIN), a(0, b"abc"))
    assert [event[0] for event in events] == ["data"] * (waiting + 1) + ["closed"]
    assert events[-1] == ("closed", "fin")
    # One byte earlier it cannot be true.
    events = after_handshake(*pieces, a(last, b"de", flags=ACK | FIN), a(0, b"abc"))
    assert events[0] == ("skipped", waiting + 1, "a FIN before bytes already seen")
