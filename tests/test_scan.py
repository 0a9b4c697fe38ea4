"""FrameScanner: streams that began in the middle, lost bytes or were damaged."""

import struct
from hashlib import sha1
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames import CHUNKINGS, FRAMES, cut, fed, response
from ftwire.cipher import SEALED, AesCbc, FtAesEcb
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


@given(st.lists(FRAMES, max_size=8), CHUNKINGS)
def test_a_clean_stream(frames: list[Frame], sizes: list[int]) -> None:
    assert scan(list(cut(b"".join(frame.encode() for frame in frames), sizes))) == frames


@given(st.lists(st.tuples(NO_FRAME, FRAMES), max_size=5), NO_FRAME, CHUNKINGS)
def test_garbage_between_frames_is_reported_and_passed_over(
    parts: list[tuple[bytes, Frame]], tail: bytes, sizes: list[int]
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
    assert scan(list(cut(data + tail, sizes))) == expected


@given(st.lists(FRAMES, min_size=1, max_size=4), st.data(), CHUNKINGS)
def test_a_capture_that_starts_in_the_middle(frames: list[Frame], data: st.DataObject, sizes: list[int]) -> None:
    first = response(body=bytes(60)).encode()
    start = data.draw(st.integers(1, len(first)))
    stream = first[start:] + b"".join(frame.encode() for frame in frames)
    expected = [Gap(0, len(first) - start, 0, truncated=False), *frames] if start < len(first) else frames
    assert scan(list(cut(stream, sizes))) == expected


@given(FRAMES, st.data())
def test_a_stream_cut_inside_a_frame(frame: Frame, data: st.DataObject) -> None:
    raw = frame.encode()
    end = data.draw(st.integers(1, len(raw) - 1))
    assert scan([response().encode() + raw[:end]]) == [response(), Gap(len(response()), end, 0, truncated=True)]


@given(CHUNKINGS, st.integers(44, 200))
def test_a_corrupted_body_costs_its_frame_alone(sizes: list[int], where: int) -> None:
    frames = [response(serial=serial) for serial in range(3)]
    bad = bytearray(frames[1].encode())
    bad[min(where, len(bad) - 1)] ^= 0x55
    items = scan(list(cut(frames[0].encode() + bytes(bad) + frames[2].encode(), sizes)))
    assert items[::2] == frames[::2]
    assert isinstance(items[1], BadFrame)
    assert isinstance(items[1].error, DigestError)


@given(CHUNKINGS, st.integers(0, 2**32 - 1))
def test_a_lying_length_costs_its_frame_alone(sizes: list[int], length: int) -> None:
    frames = [response(serial=serial) for serial in range(4)]
    raw = [frame.encode() for frame in frames]
    raw[1] = raw[1][:12] + struct.pack("<I", length) + raw[1][16:]
    items = scan(list(cut(b"".join(raw), sizes)))
    good = [item for item in items if isinstance(item, Frame) and item.error is None]
    assert [frame.serial for frame in good if len(frame.body) > 0] in ([0, 2, 3], [0, 1, 2, 3])
    assert good[-2:] == frames[2:]


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


@given(st.lists(st.one_of(FRAMES.map(Frame.encode), st.binary(max_size=60)), max_size=8), CHUNKINGS)
def test_any_bytes_are_accounted_for_whatever_the_chunking(parts: list[bytes], sizes: list[int]) -> None:
    data = b"".join(parts)
    items = scan([data])
    assert scan(list(cut(data, sizes))) == items
    ends = spans(items)
    assert all(before[1] == after[0] for before, after in pairwise(ends))
    assert (ends[-1][1] if ends else 0) == len(data)
    for (start, end), item in zip(ends, items, strict=True):
        if isinstance(item, Frame):
            assert item.encode() == data[start:end]


@given(st.integers(1, 500), st.integers(0, 300), CHUNKINGS)
def test_missing_bytes(missing: int, start: int, sizes: list[int]) -> None:
    frames = [response(serial=serial) for serial in range(4)]
    data = b"".join(frame.encode() for frame in frames)
    start = min(start, len(data) - 1)
    end = min(start + missing, len(data))
    scanner = FrameScanner()
    items = fed(scanner.feed, cut(data[:start], sizes))
    items.extend(scanner.skip(end - start))
    items.extend(fed(scanner.feed, cut(data[end:], sizes)))
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
