"""ResyncDecoder: streams that began in the middle, lost bytes or were damaged."""

import struct
from collections.abc import Iterator
from contextlib import nullcontext
from hashlib import sha1
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire.cipher import KEY_UNKNOWN, NONE, AesCbc, Cipher, FtAesEcb
from ftwire.errors import (
    BadMagicError,
    BodyTooLargeError,
    DigestError,
    HeaderError,
    KeyRequiredError,
    TruncatedHeaderError,
)
from ftwire.frame import BadFrame, Frame, Role, encode_frame
from ftwire.header import Header
from ftwire.resync import ResyncDecoder, UndecodedBytes
from ftwire.stream import DEFAULT_MAX_BODY
from support.cores import needs_core, pure
from support.frames import FRAMES, chunked, fed, response

KEY, IV = "0123456789ABCDEF", "FEDCBA9876543210"
NO_FRAME = st.binary(max_size=80).filter(lambda raw: b"FT" not in raw and not raw.endswith(b"F"))


def scan(chunks: list[bytes], decoder: ResyncDecoder | None = None) -> list[Frame | UndecodedBytes]:
    """Return the frames and the undecoded bytes of these chunks, without the errors of the latter."""
    decoder = decoder or ResyncDecoder()
    items = fed(decoder.feed, chunks)
    items.extend(decoder.close())
    assert decoder.pending == 0
    return [item._replace(error=None) if isinstance(item, UndecodedBytes) else item for item in items]


@given(st.lists(FRAMES, max_size=8), st.data())
def test_a_clean_stream(frames: list[Frame], source: st.DataObject) -> None:
    assert scan(chunked(b"".join(frame.encode() for frame in frames), source)) == frames


@given(st.lists(st.tuples(NO_FRAME, FRAMES), max_size=5), NO_FRAME, st.data())
def test_garbage_between_frames_is_reported_and_passed_over(
    parts: list[tuple[bytes, Frame]], tail: bytes, source: st.DataObject
) -> None:
    expected: list[Frame | UndecodedBytes] = []
    data = b""
    for garbage, frame in parts:
        if garbage:
            expected.append(UndecodedBytes(len(data), len(garbage), 0, truncated=False))
        data += garbage
        expected.append(frame)
        data += frame.encode()
    if tail:
        expected.append(UndecodedBytes(len(data), len(tail), 0, truncated=False))
    assert scan(chunked(data + tail, source)) == expected


@given(st.lists(FRAMES, min_size=1, max_size=4), st.data(), st.data())
def test_a_capture_that_starts_in_the_middle(frames: list[Frame], data: st.DataObject, source: st.DataObject) -> None:
    first = response(body=bytes(60)).encode()
    start = data.draw(st.integers(1, len(first)))
    stream = first[start:] + b"".join(frame.encode() for frame in frames)
    expected = [UndecodedBytes(0, len(first) - start, 0, truncated=False), *frames] if start < len(first) else frames
    assert scan(chunked(stream, source)) == expected


def test_a_cut_frame_is_cut_whatever_its_body_looks_like() -> None:
    """Found by the property below: a magic in the body took the cut frame's place."""
    raw = response(body=b"FT" + bytes(60)).encode()
    for end in range(1, len(raw)):
        assert scan([raw[:end]]) == [UndecodedBytes(0, end, 0, truncated=True)]


@given(FRAMES, st.data())
def test_a_stream_cut_inside_a_frame(frame: Frame, data: st.DataObject) -> None:
    raw = frame.encode()
    end = data.draw(st.integers(1, len(raw) - 1))
    assert scan([response().encode() + raw[:end]]) == [
        response(),
        UndecodedBytes(len(response()), end, 0, truncated=True),
    ]


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
    items = scan([b"".join(raw)], ResyncDecoder(cipher=cipher))
    assert [item.serial if isinstance(item, Frame) else item.length for item in items] == [0, len(raw[1]), 2, 3]


def test_a_gap_at_the_end_is_the_same_however_its_first_bytes_were_cut() -> None:
    assert scan([b"F", b"F", b"F"]) == scan([b"FFF"]) == [UndecodedBytes(0, 3, 0, truncated=False)]
    # A frame whose digest is wrong, and one byte more: not the beginning of another frame.
    bad = response(body=b"").encode()[:-9] + b"x" + bytes(8)
    assert scan([bad, b"y"]) == scan([bad + b"y"])
    assert scan([b"F", b"T"]) == scan([b"FT"]) == [UndecodedBytes(0, 2, 0, truncated=True)]


def spans(items: list[Frame | UndecodedBytes]) -> list[tuple[int, int]]:
    """The place of each item in the stream."""
    at, found = 0, []
    for item in items:
        length = item.length if isinstance(item, UndecodedBytes) else len(item)
        if isinstance(item, UndecodedBytes):
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
    decoder = ResyncDecoder()
    items = fed(decoder.feed, chunked(data[:start], source))
    items.extend(decoder.skip(end - start))
    items.extend(fed(decoder.feed, chunked(data[end:], source)))
    items.extend(decoder.close())
    size = len(frames[0])
    whole = [frame for i, frame in enumerate(frames) if (i + 1) * size <= start or i * size >= end]
    assert [item for item in items if isinstance(item, Frame)] == whole
    undecoded = [item for item in items if isinstance(item, UndecodedBytes)]
    assert sum(part.missing for part in undecoded) == end - start
    assert spans(items)[-1][1] == len(data)


def test_skipping_nothing_changes_nothing() -> None:
    decoder = ResyncDecoder()
    assert list(decoder.feed(response().encode()[:50])) == []
    assert list(decoder.skip(0)) == []
    assert list(decoder.feed(response().encode()[50:])) == [response()]


def test_frames_that_no_key_opens_are_listed_and_gaps_between_them_found() -> None:
    cipher = AesCbc(KEY, IV)
    raw = [response(serial=serial, cipher=cipher).encode() for serial in range(4)]
    items = scan([raw[0] + raw[1][30:] + raw[2] + raw[3]], ResyncDecoder(cipher=KEY_UNKNOWN))
    assert [item.serial if isinstance(item, Frame) else item for item in items] == [
        0,
        UndecodedBytes(len(raw[0]), len(raw[1]) - 30, 0, truncated=False),
        2,
        3,
    ]
    assert all(isinstance(item.error, KeyRequiredError) for item in items if isinstance(item, Frame))


def test_recover_is_asked_about_frames_that_do_not_open() -> None:
    frame = response(cipher=FtAesEcb(KEY))

    def recover(bad: BadFrame) -> Frame:
        assert (bad.header, bad.payload) == (frame.header, frame.payload)
        return frame

    assert scan([frame.encode()], ResyncDecoder(recover=recover)) == [frame]


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The number of bytes of each hash that is taken, without the core."""
    sizes: list[int] = []

    class Counting:
        def copy(self) -> "Counting":
            self.hash = sha1(usedforsecurity=False)
            return self

        def update(self, body: bytes) -> None:
            sizes.append(len(body))
            self.hash.update(body)

        def digest(self) -> bytes:
            return self.hash.digest()

    for module in ("frame", "framing"):
        monkeypatch.setattr(f"ftwire.{module}.NOTHING_HASHED", Counting())
    with pure():
        yield sizes


@pytest.mark.parametrize("lie", [0, 200, 5_000, 10**9])
@pytest.mark.parametrize("between", [b"", Frame.build(1004, 1, b"", sender=Role.SERVER).encode()])
def test_work_stays_linear_on_streams_made_to_prevent_it(lie: int, between: bytes, hashed: list[int]) -> None:
    """Headers that each claim the rest of the stream would be hashed n/44 times over without a budget."""
    data = (lying(lie) + between) * 2_000
    hashed.clear()
    items = scan([data[i : i + 1448] for i in range(0, len(data), 1448)], ResyncDecoder(max_body=1 << 30))
    assert sum(hashed) <= 10 * len(data) + (1 << 20)
    assert spans(items)[-1][1] == len(data)
    if between and not lie:
        assert sum(isinstance(item, Frame) and item.error is None for item in items) == 2_000


@pytest.mark.parametrize(("outer", "inner"), [(1, 2_000), (20, 500)])
def test_work_stays_linear_on_headers_inside_a_frame_that_all_end_with_it(
    outer: int, inner: int, hashed: list[int]
) -> None:
    """Each is hashed to see whether the outer length is wrong: n/44 times the frame over without a budget."""
    body = b"".join(lying(44 * left) for left in reversed(range(inner)))
    data = (lying(len(body)) + body) * outer + GOOD
    hashed.clear()
    items = scan([data])
    assert sum(hashed) <= 10 * len(data) + (1 << 20)
    assert spans(items)[-1][1] == len(data)


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
    decoder = ResyncDecoder()
    items = [*decoder.feed(response().encode() + spoilt + response().encode()), *decoder.close()]
    part = next(item for item in items if isinstance(item, UndecodedBytes))
    assert (part.offset, part.length) == (len(response()), len(spoilt))
    assert (type(part.error), str(part.error)) == (type(error), str(error))


def test_a_gap_of_missing_bytes_has_no_other_reason() -> None:
    decoder = ResyncDecoder()
    raw = response().encode()
    items = [*decoder.feed(raw + raw[:30]), *decoder.skip(len(raw) - 30), *decoder.feed(raw), *decoder.close()]
    assert [item.error for item in items] == [None] * 3
    assert isinstance(items[1], UndecodedBytes)


# Cases that mutants survived: the properties above meet them too rarely.


GOOD, SIZE = response().encode(), len(response())


def reasons(items: list[Frame | UndecodedBytes]) -> list[object]:
    """Frames by their serial, undecoded bytes by their place, their end and the type of their reason."""
    return [
        item.serial if isinstance(item, Frame) else (item.offset, item.length, item.truncated, type(item.error))
        for item in items
    ]


def spoilt(body: bytes | None = None) -> bytes:
    """A frame whose digest is wrong."""
    raw = bytearray(response(serial=9, body=body).encode())
    raw[20] ^= 1
    return bytes(raw)


def lying(length: int) -> bytes:
    """A header that claims this many bytes."""
    return response(serial=9).encode()[:12] + struct.pack("<I", length) + bytes(28)


def test_a_gap_comes_as_soon_as_the_next_frame_does() -> None:
    decoder = ResyncDecoder()
    assert reasons(list(decoder.feed(GOOD + spoilt() + b"X" + GOOD))) == [1, (SIZE, SIZE + 1, False, DigestError), 1]
    assert list(decoder.close()) == []
    # Two bytes behind it tell.
    decoder = ResyncDecoder()
    assert reasons(list(decoder.feed(GOOD + spoilt()))) == [1]
    assert list(decoder.feed(b"F")) == []
    assert reasons(list(decoder.feed(b"X" + GOOD))) == [(SIZE, SIZE + 2, False, DigestError), 1]


def test_garbage_that_claims_much_is_passed_over_at_once() -> None:
    """Where a length would stand, were it a header."""
    garbage = b"XX" + lying(1 << 20)[2:]
    assert reasons(list(ResyncDecoder().feed(GOOD + garbage + GOOD))) == [1, (SIZE, 44, False, BadMagicError), 1]


def test_messages_come_out_of_frames_in_one_chunk() -> None:
    found = [frame.message for frame in ResyncDecoder().feed(GOOD * 3) if isinstance(frame, Frame)]
    assert found == [response().message] * 3


def test_garbage_to_the_end_is_not_a_cut_frame() -> None:
    decoder = ResyncDecoder()
    assert list(decoder.feed(b"garbage" * 10)) == []
    (part,) = decoder.close()
    assert isinstance(part, UndecodedBytes)
    assert part == UndecodedBytes(0, 70, 0, False, part.error)
    assert part.truncated is False
    assert isinstance(part.error, BadMagicError)


def test_a_cut_frame_has_no_reason_of_an_earlier_place() -> None:
    decoder = ResyncDecoder()
    items = [*decoder.feed(GOOD + b"garbage" + GOOD + GOOD[:50]), *decoder.close()]
    assert reasons(items) == [1, (SIZE, 7, False, BadMagicError), 1, (2 * SIZE + 7, 50, True, type(None))]


def test_garbage_behind_what_only_the_end_settles_is_not_a_cut_frame() -> None:
    decoder = ResyncDecoder()
    items = [*decoder.feed(lying(1 << 20) + GOOD + b"garbage"), *decoder.close()]
    assert reasons(items) == [(0, 44, False, type(None)), 1, (44 + SIZE, 7, False, BadMagicError)]


@pytest.mark.parametrize("size", [2, 10, 43])
def test_a_stream_that_ends_in_a_header_says_so(size: int) -> None:
    """Also where something was passed over in the same last bytes."""
    for before, shown in ((GOOD, [1]), (lying(1 << 20) + GOOD, [(0, 44, False, type(None)), 1])):
        decoder = ResyncDecoder()
        items = [*decoder.feed(before + GOOD[:size]), *decoder.close()]
        *others, part = items
        assert reasons(others) == shown
        assert isinstance(part, UndecodedBytes)
        assert (part.offset, part.length, part.truncated) == (len(before), size, True)
        assert isinstance(part.error, TruncatedHeaderError)
        assert (part.error.expected, part.error.actual) == (44, size)


@pytest.mark.parametrize("inner", [b"FT" + bytes(60), lying(1 << 20), lying(5) + lying(1 << 20), b"F" * 50])
def test_a_cut_frame_is_cut_whatever_looks_like_a_header_in_it(inner: bytes) -> None:
    raw = response(body=inner + bytes(200)).encode()
    for end in range(44, len(raw)):
        assert scan([raw[:end]]) == [UndecodedBytes(0, end, 0, truncated=True)]


def test_what_looks_like_a_header_out_of_step_is_no_cut_frame() -> None:
    for candidate in (lying(1 << 20), GOOD[:30], GOOD[:-1]):
        decoder = ResyncDecoder()
        stream = b"garbage" + candidate
        items = [*decoder.feed(stream), *decoder.close()]
        assert reasons(items) == [(0, len(stream), False, BadMagicError)]


@pytest.mark.parametrize("cut", [1, 20, 44, 60])
def test_the_limit_is_inclusive_however_a_frame_is_cut(cut: int) -> None:
    frame = response(body=bytes(100))
    raw = frame.encode()
    assert scan([raw[:cut], raw[cut:]], ResyncDecoder(max_body=100)) == [frame]
    assert scan([b"garbage" + raw[:cut], raw[cut:]], ResyncDecoder(max_body=100))[1] == frame
    assert scan([raw[:cut], raw[cut:]], ResyncDecoder(max_body=99)) == [UndecodedBytes(0, len(raw), 0, truncated=False)]


def test_bytes_missing_at_the_start_and_twice_in_a_row() -> None:
    decoder = ResyncDecoder()
    items = [*decoder.skip(5), *decoder.feed(GOOD), *decoder.close()]
    assert items == [UndecodedBytes(0, 5, 5, truncated=False), response()]
    decoder = ResyncDecoder()
    items = [*decoder.skip(5), *decoder.skip(7), *decoder.feed(GOOD), *decoder.close()]
    assert items == [UndecodedBytes(0, 12, 12, truncated=False), response()]
    decoder = ResyncDecoder()
    items = [*decoder.skip(5), *decoder.feed(b"xyz"), *decoder.skip(7), *decoder.feed(GOOD), *decoder.close()]
    assert items == [UndecodedBytes(0, 15, 12, truncated=False), response()]


@pytest.mark.parametrize("stray", [b"", b"FT", b"xFTFT", b"F"])
@pytest.mark.parametrize("behind", [b"", b"FT", b"xFT" + bytes(50)])
@pytest.mark.parametrize("inner", [response(body=b""), response()], ids=["empty", "body"])
def test_a_length_that_lies_over_frames_is_found_out_whatever_else_it_covers(
    stray: bytes, behind: bytes, inner: Frame
) -> None:
    swallowed = stray + inner.encode() + behind
    stream = GOOD + lying(len(swallowed)) + swallowed + GOOD
    decoder = ResyncDecoder()
    # What stray bytes announce may have to be waited for.
    items = [*decoder.feed(stream), *decoder.close()]
    found = [item for item in items if isinstance(item, Frame)]
    assert found == [response(), inner, response()]
    part = items[1]
    assert isinstance(part, UndecodedBytes)
    assert (part.offset, part.length) == (SIZE, 44 + len(stray))
    assert isinstance(part.error, DigestError)
    # A magic behind the lie's end is not in it.
    bad = spoilt()
    assert reasons(scan([GOOD + bad + GOOD + inner.encode()])) == [1, 9, 1, inner.serial]


def test_frames_among_much_garbage_are_all_found() -> None:
    """What is tried in vain is paid for by what was fed, not by what was fed before."""
    part = b"FT garbage " * 40 + GOOD
    items = scan([part * 20] * 80)
    assert sum(isinstance(item, Frame) for item in items) == 1600


@pytest.mark.parametrize(
    ("change", "listed"),
    [
        ({}, True),
        ({"body_format": 1}, True),
        ({"body_format": 2}, False),
        ({"version": 1}, False),
        ({"reserved": b"\1" + bytes(7)}, False),
        ({"body_format": 2, "version": 1}, False),
        ({"body_format": 2, "reserved": b"\1" + bytes(7)}, False),
    ],
)
def test_out_of_step_a_frame_that_no_key_opens_is_one_if_it_looks_like_those_sent_today(
    change: dict[str, object], listed: bool
) -> None:
    header = Header(**({"proto_id": 3008, "serial": 5, "body_length": 16, "sha1": bytes(20)} | change))  # type: ignore[arg-type]
    raw = header.encode() + bytes(16)
    items = scan([b"garbage" + raw + GOOD], ResyncDecoder(cipher=KEY_UNKNOWN))
    assert [item.serial for item in items if isinstance(item, Frame)] == ([5, 1] if listed else [1])
    # In step it is one, whatever it looks like.
    in_step = scan([GOOD + raw + GOOD], ResyncDecoder(cipher=KEY_UNKNOWN))
    assert [item.serial for item in in_step if isinstance(item, Frame)] == [1, 5, 1]


def test_a_lying_header_that_holds_the_start_of_a_frame_does_not_cost_it() -> None:
    # A frame cut off in its header: what follows makes the header whole, and ends where its length says.
    whole = encode_frame(3008, 1, b"x" * 64)
    after = [encode_frame(3008, serial, b"y" * 32) for serial in (2, 3)]
    items = list(ResyncDecoder().feed(whole[:32] + b"".join(after)))
    assert [item.serial for item in items if isinstance(item, Frame)] == [2, 3]


# --- read: the same without an iterator -----------------------------------------------------------------------


def read(decoder: ResyncDecoder, data: bytes) -> list[Frame | UndecodedBytes]:
    """As the observer does: one call for a packet that is a frame, more for others."""
    items = [*decoder.read(data)]
    while decoder.buffer.lacking <= 0:
        items += decoder.read()
    return items


CHANGES = st.sampled_from([lambda raw: raw] * 5 + [lambda raw: raw[:-1], lambda raw: raw + b"F", lambda raw: raw[1:]])


@pytest.mark.parametrize("in_core", [False, pytest.param(True, marks=needs_core)])
@given(st.lists(st.tuples(FRAMES.map(Frame.encode), CHANGES, st.integers(0, 400)), max_size=8), st.integers(0, 300))
def test_read_returns_what_feed_gives(in_core: bool, parts: list[tuple[bytes, Any, int]], max_body: int) -> None:
    reading, fed = ResyncDecoder(max_body=max_body), ResyncDecoder(max_body=max_body)
    with nullcontext() if in_core else pure():
        for frame, change, spoilt_at in parts:
            raw = bytearray(frame)
            if spoilt_at < len(raw):
                raw[spoilt_at] ^= 1
            chunk = bytes(change(bytes(raw)))
            assert reasons(read(reading, chunk)) == reasons(list(fed.feed(chunk)))
            assert (reading.offset, reading.pending) == (fed.offset, fed.pending)
        assert reasons(list(reading.close())) == reasons(list(fed.close()))


@pytest.mark.parametrize("cipher", [NONE, FtAesEcb(KEY), AesCbc(KEY, IV)], ids=["plain", "ftaes", "cbc"])
@pytest.mark.parametrize("body", [b"", bytes(range(200))], ids=["empty", "body"])
def test_one_call_reads_a_packet_that_is_a_frame(cipher: Cipher, body: bytes) -> None:
    decoder = ResyncDecoder(cipher=cipher)
    sent = response(serial=5, body=body, cipher=cipher)
    for count in (1, 2):
        (frame,) = decoder.read(sent.encode())
        assert isinstance(frame, Frame)
        assert frame == sent
        assert (frame.header, frame.payload, frame.body, frame.sender, frame.encryption) == (
            sent.header,
            sent.payload,
            body,
            Role.SERVER,
            cipher.name,
        )
        assert frame.error is None
        assert (decoder.offset, decoder.pending) == (count * len(sent), 0)


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_any_buffer_can_be_read(kind: type) -> None:
    assert list(ResyncDecoder().read(kind(GOOD))) == [response()]


def test_frames_that_were_read_pay_for_what_is_tried_later() -> None:
    """Eight bytes for each that was fed, and a megabyte besides."""
    size = 20_000
    stream = b"X" + lying(size) * 100 + response(serial=7, body=bytes(size)).encode()
    for before, found in ((GOOD, []), (response(body=bytes(200_000)).encode(), [7])):
        for take in (ResyncDecoder.read, ResyncDecoder.feed):
            decoder = ResyncDecoder()
            assert len(list(take(decoder, before))) == 1
            items = [*decoder.feed(stream), *decoder.close()]
            assert [item.serial for item in items if isinstance(item, Frame)] == found


def test_the_budget_is_met_to_the_byte() -> None:
    """It pays for a hundred candidates in vain, and for the frame behind them."""
    size = 20_004
    stream = b"X" + lying(size) * 100 + response(serial=7, body=bytes(size)).encode()
    enough, rest = divmod(101 * (44 + size) - (1 << 20), 8)
    assert rest == 0
    for fed_bytes, found in ((enough, [7]), (enough - 1, [])):
        decoder = ResyncDecoder()
        assert len(list(decoder.feed(response(body=bytes(fed_bytes - len(stream) - 44)).encode()))) == 1
        items = [*decoder.feed(stream), *decoder.close()]
        assert [item.serial for item in items if isinstance(item, Frame)] == found


@pytest.mark.parametrize(("size", "found"), [(100_000, []), (130_000, [7])])
def test_a_bad_frame_pays_for_itself_once(size: int, found: list[int]) -> None:
    """It was hashed once in vain: seven of the eight bytes for each of its own are left for others."""
    lie = 20_000
    stream = b"X" + lying(lie) * 100 + response(serial=7, body=bytes(lie)).encode()
    decoder = ResyncDecoder()
    assert reasons(list(decoder.feed(spoilt(body=bytes(size)) + GOOD))) == [9, 1]
    items = [*decoder.feed(stream), *decoder.close()]
    assert [item.serial for item in items if isinstance(item, Frame)] == found


def test_bytes_never_captured_pay_for_nothing() -> None:
    size = 20_000
    stream = b"X" + lying(size) * 100 + response(serial=7, body=bytes(size)).encode()
    decoder = ResyncDecoder()
    items = [*decoder.skip(1 << 30), *decoder.skip(1), *decoder.feed(stream), *decoder.close()]
    assert not [item for item in items if isinstance(item, Frame)]
