"""FrameScanner: streams that began in the middle, lost bytes or were damaged."""

import struct
from hashlib import sha1
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames import FRAMES, chunked, fed, response
from ftwire.cipher import NONE, SEALED, AesCbc, Cipher, FtAesEcb
from ftwire.errors import BadMagicError, BodyTooLargeError, DigestError, HeaderError, KeyRequiredError
from ftwire.frame import BadFrame, Frame, Role
from ftwire.scan import FrameScanner, Gap
from ftwire.stream import DEFAULT_MAX_BODY

KEY, IV = "0123456789ABCDEF", "FEDCBA9876543210"
NO_FRAME = st.binary(max_size=80).filter(lambda raw: b"FT" not in raw and not raw.endswith(b"F"))


def scan(chunks: list[bytes], scanner: FrameScanner | None = None) -> list[Frame | Gap]:
    """What a scanner makes of these chunks, without why gaps begin."""
    scanner = scanner or FrameScanner()
    items = fed(scanner.feed, chunks)
    items.extend(scanner.close())
    assert scanner.pending == 0
    return [item._replace(error=None) if isinstance(item, Gap) else item for item in items]


@given(st.lists(FRAMES, max_size=8), st.data())
def test_a_clean_stream(frames: list[Frame], source: st.DataObject) -> None:
    assert scan(chunked(b"".join(frame.encode() for frame in frames), source)) == frames


@given(st.lists(st.tuples(NO_FRAME, FRAMES), max_size=5), NO_FRAME, st.data())
def test_garbage_between_frames_is_reported_and_passed_over(
    parts: list[tuple[bytes, Frame]], tail: bytes, source: st.DataObject
) -> None:
    expected: list[Frame | Gap] = []
    data = b""
    for garbage, frame in parts:
        if garbage:
            expected.append(Gap(len(data), len(garbage), 0, truncated=False))
        data += garbage
        expected.append(frame)
        data += frame.encode()
    if tail:
        expected.append(Gap(len(data), len(tail), 0, truncated=False))
    assert scan(chunked(data + tail, source)) == expected


@given(st.lists(FRAMES, min_size=1, max_size=4), st.data(), st.data())
def test_a_capture_that_starts_in_the_middle(frames: list[Frame], data: st.DataObject, source: st.DataObject) -> None:
    first = response(body=bytes(60)).encode()
    start = data.draw(st.integers(1, len(first)))
    stream = first[start:] + b"".join(frame.encode() for frame in frames)
    expected = [Gap(0, len(first) - start, 0, truncated=False), *frames] if start < len(first) else frames
    assert scan(chunked(stream, source)) == expected


def test_a_cut_frame_is_cut_whatever_its_body_looks_like() -> None:
    """Found by the property below: a magic in the body took the cut frame's place."""
    raw = response(body=b"FT" + bytes(60)).encode()
    for end in range(1, len(raw)):
        assert scan([raw[:end]]) == [Gap(0, end, 0, truncated=True)]


@given(FRAMES, st.data())
def test_a_stream_cut_inside_a_frame(frame: Frame, data: st.DataObject) -> None:
    raw = frame.encode()
    end = data.draw(st.integers(1, len(raw) - 1))
    assert scan([response().encode() + raw[:end]]) == [response(), Gap(len(response()), end, 0, truncated=True)]


@given(st.data(), st.integers(44, 200))
def test_a_corrupted_body_costs_its_frame_alone(source: st.DataObject, where: int) -> None:
    frames = [response(serial=serial) for serial in range(3)]
    bad = bytearray(frames[1].encode())
    bad[min(where, len(bad) - 1)] ^= 0x55
    items = scan(chunked(frames[0].encode() + bytes(bad) + frames[2].encode(), source))
    assert items[::2] == frames[::2]
    assert isinstance(items[1], BadFrame)
    assert isinstance(items[1].error, DigestError)


@given(st.data(), st.integers(0, 2**32 - 1))
def test_a_lying_length_costs_its_frame_alone(source: st.DataObject, length: int) -> None:
    frames = [response(serial=serial) for serial in range(4)]
    raw = [frame.encode() for frame in frames]
    raw[1] = raw[1][:12] + struct.pack("<I", length) + raw[1][16:]
    items = scan(chunked(b"".join(raw), source))
    good = [item for item in items if isinstance(item, Frame) and item.error is None]
    assert [frame.serial for frame in good if len(frame.body) > 0] in ([0, 2, 3], [0, 1, 2, 3])
    assert good[-2:] == frames[2:]


@pytest.mark.parametrize("swallowed", [1, 2])
@pytest.mark.parametrize("cipher", [NONE, AesCbc(KEY, IV)], ids=["plain", "cbc"])
def test_a_lying_length_that_ends_where_a_later_frame_does(swallowed: int, cipher: Cipher) -> None:
    """The bytes up to there decrypt, and a frame or the end of the stream follows: all but the digest agrees."""
    frames = [response(serial=serial, cipher=cipher) for serial in range(4)]
    raw = [frame.encode() for frame in frames]
    lie = len(raw[1]) - 44 + sum(map(len, raw[2 : 2 + swallowed]))
    raw[1] = raw[1][:12] + struct.pack("<I", lie) + raw[1][16:]
    items = scan([b"".join(raw)], FrameScanner(cipher=cipher))
    assert [item.serial if isinstance(item, Frame) else item.length for item in items] == [0, len(raw[1]), 2, 3]


def test_a_gap_at_the_end_is_the_same_however_its_first_bytes_were_cut() -> None:
    assert scan([b"F", b"F", b"F"]) == scan([b"FFF"]) == [Gap(0, 3, 0, truncated=False)]
    # A frame whose digest is wrong, and one byte more: not the beginning of another frame.
    bad = response(body=b"").encode()[:-9] + b"x" + bytes(8)
    assert scan([bad, b"y"]) == scan([bad + b"y"])
    assert scan([b"F", b"T"]) == scan([b"FT"]) == [Gap(0, 2, 0, truncated=True)]


def spans(items: list[Frame | Gap]) -> list[tuple[int, int]]:
    """Where each item stands in the stream."""
    at, found = 0, []
    for item in items:
        length = item.length if isinstance(item, Gap) else len(item)
        if isinstance(item, Gap):
            assert item.offset == at
        found.append((at, at + length))
        at += length
    return found


@given(st.lists(st.one_of(FRAMES.map(Frame.encode), st.binary(max_size=60)), max_size=8), st.data())
def test_any_bytes_are_accounted_for_whatever_the_chunking(parts: list[bytes], source: st.DataObject) -> None:
    data = b"".join(parts)
    items = scan([data])
    assert scan(chunked(data, source)) == items
    ends = spans(items)
    assert all(before[1] == after[0] for before, after in pairwise(ends))
    assert (ends[-1][1] if ends else 0) == len(data)
    for (start, end), item in zip(ends, items, strict=True):
        if isinstance(item, Frame):
            assert item.encode() == data[start:end]


@given(st.integers(1, 500), st.integers(0, 300), st.data())
def test_missing_bytes(missing: int, start: int, source: st.DataObject) -> None:
    frames = [response(serial=serial) for serial in range(4)]
    data = b"".join(frame.encode() for frame in frames)
    start = min(start, len(data) - 1)
    end = min(start + missing, len(data))
    scanner = FrameScanner()
    items = fed(scanner.feed, chunked(data[:start], source))
    items.extend(scanner.skip(end - start))
    items.extend(fed(scanner.feed, chunked(data[end:], source)))
    items.extend(scanner.close())
    size = len(frames[0])
    whole = [frame for i, frame in enumerate(frames) if (i + 1) * size <= start or i * size >= end]
    assert [item for item in items if isinstance(item, Frame)] == whole
    gaps = [item for item in items if isinstance(item, Gap)]
    assert sum(gap.missing for gap in gaps) == end - start
    assert spans(items)[-1][1] == len(data)


def test_skipping_nothing_changes_nothing() -> None:
    scanner = FrameScanner()
    assert list(scanner.feed(response().encode()[:50])) == []
    assert list(scanner.skip(0)) == []
    assert list(scanner.feed(response().encode()[50:])) == [response()]


def test_sealed_frames_are_listed_and_gaps_between_them_found() -> None:
    cipher = AesCbc(KEY, IV)
    raw = [response(serial=serial, cipher=cipher).encode() for serial in range(4)]
    items = scan([raw[0] + raw[1][30:] + raw[2] + raw[3]], FrameScanner(cipher=SEALED))
    assert [item.serial if isinstance(item, Frame) else item for item in items] == [
        0,
        Gap(len(raw[0]), len(raw[1]) - 30, 0, truncated=False),
        2,
        3,
    ]
    assert all(isinstance(item.error, KeyRequiredError) for item in items if isinstance(item, Frame))


def test_recover_is_asked_about_frames_that_do_not_open() -> None:
    frame = response(cipher=FtAesEcb(KEY))

    def recover(fields: object, payload: bytes, bad: BadFrame) -> Frame:
        assert bad.header.fields == fields
        assert payload == frame.payload
        return frame

    assert scan([frame.encode()], FrameScanner(recover=recover)) == [frame]


@pytest.mark.parametrize("lie", [0, 200, 5_000, 10**9])
@pytest.mark.parametrize("between", [b"", Frame.build(1004, 1, b"", sender=Role.SERVER).encode()])
def test_work_stays_linear_on_streams_made_to_prevent_it(
    lie: int, between: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers that each claim the rest of the stream would be hashed n/44 times over without a budget."""
    header = struct.pack("<2sIBBII20s8s", b"FT", 3008, 0, 0, 1, lie, bytes(20), bytes(8))
    data = (header + between) * 20_000
    hashed = 0

    class Counting:
        def copy(self) -> "Counting":
            self.hash = sha1(usedforsecurity=False)
            return self

        def update(self, body: bytes) -> None:
            nonlocal hashed
            hashed += len(body)
            self.hash.update(body)

        def digest(self) -> bytes:
            return self.hash.digest()

    for module in ("frame", "scan"):
        monkeypatch.setattr(f"ftwire.{module}.NOTHING_HASHED", Counting())
    items = scan([data[i : i + 1448] for i in range(0, len(data), 1448)], FrameScanner(max_body=1 << 30))
    assert hashed <= 10 * len(data) + (1 << 20)
    assert spans(items)[-1][1] == len(data)
    if between and not lie:
        assert sum(isinstance(item, Frame) and item.error is None for item in items) == 20_000


@pytest.mark.parametrize(
    ("spoilt", "error"),
    [
        (b"XX" + response().encode()[2:], BadMagicError(actual=b"XX", offset=len(response()))),
        (
            response().encode()[:12] + b"\xff" * 4 + response().encode()[16:],
            BodyTooLargeError(limit=DEFAULT_MAX_BODY, actual=0xFFFF_FFFF, proto_id=3008, offset=len(response())),
        ),
    ],
)
def test_a_gap_says_why_no_frame_stands_there(spoilt: bytes, error: HeaderError) -> None:
    scanner = FrameScanner()
    items = [*scanner.feed(response().encode() + spoilt + response().encode()), *scanner.close()]
    gap = next(item for item in items if isinstance(item, Gap))
    assert (gap.offset, gap.length) == (len(response()), len(spoilt))
    assert (type(gap.error), str(gap.error)) == (type(error), str(error))


def test_a_gap_of_missing_bytes_has_no_other_reason() -> None:
    scanner = FrameScanner()
    raw = response().encode()
    items = [*scanner.feed(raw + raw[:30]), *scanner.skip(len(raw) - 30), *scanner.feed(raw), *scanner.close()]
    assert [item.error for item in items] == [None] * 3
    assert isinstance(items[1], Gap)
