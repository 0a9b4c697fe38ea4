"""Framing: what ``take`` returns, in Python and in the core, and what waits between two chunks."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire import framing
from ftwire.cipher import KEY_UNKNOWN, NONE, AesCbc, AesEcb, Cipher, FtAesEcb
from ftwire.errors import BadMagicError, BodyTooLargeError, DecryptionError, DigestError
from ftwire.frame import BadFrame, Frame, MessageClasses, Role, encode_frame
from ftwire.framing import ReceiveBuffer, python_take
from ftwire.header import HEADER_SIZE, pack_packed_header
from ftwire.resync import ResyncDecoder
from ftwire.stream import FrameDecoder
from support.cores import Reversing, needs_core, streams
from support.frames import fed, response

LARGE = st.integers(0, 5000).map(lambda size: response(body=bytes(range(251)) * (size // 251) + bytes(size % 251)))
"""Below and above what is copied when its chunk ends."""
KINDS = st.sampled_from([bytes, bytearray, memoryview])
READERS = pytest.mark.parametrize("make", [FrameDecoder, ResyncDecoder])


@READERS
@given(frames=st.lists(LARGE, min_size=1, max_size=4), data=st.data())
def test_large_frames_in_few_chunks(
    make: Callable[[], FrameDecoder | ResyncDecoder], frames: list[Frame], data: st.DataObject
) -> None:
    stream = b"".join(frame.encode() for frame in frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = make()
    seen: list[object] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        before = reader.pending
        taken = list(reader.feed(data.draw(KINDS)(stream[start:end])))
        seen += taken
        assert reader.pending == before + end - start - sum(len(frame) for frame in taken if isinstance(frame, Frame))
        assert reader.offset + reader.pending == end
    assert seen == frames
    assert reader.pending == 0


@READERS
@pytest.mark.parametrize("size", [1, 7, 100, 1100])
def test_a_frame_that_trickles_in_is_looked_at_when_it_may_be_whole(
    make: Callable[[], FrameDecoder | ResyncDecoder], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For its magic, for its header, for its body: what it costs does not grow with the number of chunks."""
    looks: list[int] = []

    def counted(buffer: bytes, max_body: int, cipher: Cipher, frame_types: Any, start: int = 0) -> Any:
        looks.append(len(buffer) - start)
        return python_take(buffer, max_body, cipher, frame_types, start)

    monkeypatch.setattr("ftwire.framing.take", counted)
    reader = make()
    frame = response(body=bytes(20_000))
    stream = frame.encode()
    assert fed(reader.feed, [stream[at : at + size] for at in range(0, len(stream), size)]) == [frame]
    assert len(looks) <= 4
    assert looks[-1] == len(stream)


@READERS
@pytest.mark.parametrize("cut", [1, 2, 20, 43])
def test_a_frame_without_a_body_comes_with_its_last_byte(
    make: Callable[[], FrameDecoder | ResyncDecoder], cut: int
) -> None:
    reader = make()
    frame = response(1004, 5, b"")
    stream = frame.encode()
    for _ in range(2):
        assert list(reader.feed(stream[:cut])) == []
        assert list(reader.feed(stream[cut:])) == [frame]


@pytest.mark.parametrize("size", [1, 50, 6000, 10_000, 30_000])
def test_errors_say_where_in_the_stream_they_stand(size: int) -> None:
    """In chunks that end a large frame and go on, too."""
    before = response(serial=1, body=bytes(9000)).encode() + response(serial=2, body=bytes(1000)).encode()
    lying = response(3009).encode()[:12] + b"\xff\xff\xff\x7f" + bytes(28)
    for wrong, kind in ((lying, BodyTooLargeError), (b"ft" + bytes(60), BadMagicError)):
        stream = before + wrong
        decoder = FrameDecoder()
        seen: list[Frame] = []
        with pytest.raises(kind) as caught:  # noqa: PT012 - the loop is what raises
            for at in range(0, len(stream), size):
                for frame in decoder.feed(stream[at : at + size]):
                    seen.append(frame)  # noqa: PERF402 - keeps what came before the error
        assert [frame.serial for frame in seen] == [1, 2]
        assert isinstance(caught.value, BodyTooLargeError | BadMagicError)
        assert caught.value.offset == len(before)
        assert decoder.failure is caught.value
        if isinstance(caught.value, BodyTooLargeError):
            assert (caught.value.proto_id, caught.value.actual) == (3009, 0x7FFFFFFF)


def test_after_a_fatal_error_the_next_byte_is_answered_with_it() -> None:
    """The decoder still waited for a whole header then, and said nothing for 42 bytes."""
    decoder = FrameDecoder()
    with pytest.raises(BadMagicError) as caught:
        fed(decoder.feed, [b"f", b"t"])
    good = response().encode()
    for more in (b"x", b"", bytearray(b"y"), bytes(2000), good, good, good[:50], good[50:]):
        for take in (lambda data: list(decoder.feed(data)), decoder.read):
            with pytest.raises(BadMagicError) as again:
                take(more)
            assert again.value is caught.value
        assert decoder.pending == 0


def test_a_bad_frame_has_its_own_header_wherever_in_a_chunk_it_stands() -> None:
    encrypted = [response(serial=serial, cipher=AesEcb("0123456789ABCDEF")) for serial in range(4)]
    parts = [bytearray(frame.encode()) for frame in encrypted]
    parts[1][16] ^= 1  # the digest
    parts[2][-1] ^= 1  # the padding
    decoder = FrameDecoder(cipher=AesEcb("0123456789ABCDEF"))
    found = fed(decoder.feed, [b"".join(parts)])
    assert [frame.serial for frame in found] == [0, 1, 2, 3]
    assert [type(frame.error) for frame in found] == [type(None), DigestError, DecryptionError, type(None)]
    assert [frame.encode() for frame in found] == parts
    assert [isinstance(frame, BadFrame) for frame in found] == [False, True, True, False]


@pytest.mark.parametrize("limit", [0, 1, 2999, 3000, 100_000])
@pytest.mark.parametrize("size", [44, 3044, 50_000])
def test_the_limit_holds_in_chunks_larger_and_smaller_than_it(limit: int, size: int) -> None:
    frames = [response(serial=1, body=b""), response(serial=2, body=bytes(3000)), response(serial=3, body=b"")]
    stream = b"".join(frame.encode() for frame in frames)
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    decoder = FrameDecoder(max_body=limit)
    if limit >= 3000:
        assert fed(decoder.feed, chunks) == frames
        return
    with pytest.raises(BodyTooLargeError) as caught:
        fed(decoder.feed, chunks)
    assert (caught.value.limit, caught.value.actual, caught.value.offset) == (limit, 3000, HEADER_SIZE)


def test_what_is_known_of_protocols_is_the_callers() -> None:
    class Nothing(type(response().classes.registry)):  # type: ignore[misc]
        def get(self, proto_id: int, default: object = None) -> object:  # noqa: ARG002 - a mapping's
            return default

    for make in (FrameDecoder, ResyncDecoder):
        reader = make(Role.SERVER, registry=Nothing())
        (frame,) = reader.feed(response().encode())
        assert isinstance(frame, Frame)
        assert frame.protocol is None
        assert frame.classes.registry is reader.classes.registry


def test_what_was_whole_is_not_waited_for_again() -> None:
    # The buffer is larger than the limit, its frames are not; whoever takes them stops after each.
    stream = b"".join(encode_frame(3008, serial, bytes(size)) for serial, size in enumerate((0, 32, 0), 1))
    decoder, serials = FrameDecoder(max_body=48), []
    for at in range(0, len(stream), 7):
        for frame in decoder.feed(stream[at : at + 7]):
            serials.append(frame.serial)
            break
    assert serials == [1, 2, 3]


@READERS
@pytest.mark.parametrize("count", [1, 2])
def test_an_empty_chunk_gives_what_nobody_took(make: Callable[[], FrameDecoder | ResyncDecoder], count: int) -> None:
    frames = [response(serial=serial) for serial in range(count)]
    reader = make()
    reader.feed(b"".join(frame.encode() for frame in frames))
    assert list(reader.feed(b"")) == frames
    reader.feed(frames[0].encode())
    assert list(reader.feed(frames[0].encode()[:50])) == frames[:1]
    assert reader.pending == 50


@READERS
@pytest.mark.parametrize("taken", [0, 1, 2])
def test_what_nobody_took_comes_before_what_comes_next(
    make: Callable[[], FrameDecoder | ResyncDecoder], taken: int
) -> None:
    """Who serves many stops in between, and goes on with an empty chunk or with the next."""
    frames = [response(serial=serial) for serial in range(4)]
    stream = b"".join(frame.encode() for frame in frames)
    for more in (b"", response(serial=4).encode()):
        reader = make()
        first = list(islice(reader.feed(stream), taken))
        assert [*first, *reader.feed(more)] == [*frames, response(serial=4)][: 4 + bool(more)]


def test_what_nobody_took_comes_before_what_is_missing_and_at_the_end() -> None:
    stream = b"".join(response(serial=serial).encode() for serial in range(2))
    for settle in (lambda decoder: decoder.skip(5), ResyncDecoder.close):
        decoder = ResyncDecoder()
        decoder.feed(stream)
        assert [item.serial for item in settle(decoder) if isinstance(item, Frame)] == [0, 1]


# --- take ------------------------------------------------------------------------------------------------------

KEY, IV = "0123456789ABCDEF", "FEDCBA9876543210"
TAKES = pytest.mark.parametrize("take", [python_take, pytest.param(framing.take, marks=needs_core)])
TYPES = MessageClasses(Role.SERVER).frame_types
CIPHERS: dict[str, Callable[[], Cipher]] = {
    "none": lambda: NONE,
    "ftaes_ecb": lambda: FtAesEcb(KEY),
    "aes_ecb": lambda: AesEcb(KEY),
    "aes_cbc": lambda: AesCbc(KEY, IV),
    "unknown": lambda: KEY_UNKNOWN,
    "own": Reversing,
}


def summary(result: Any) -> tuple[list[tuple[int, bytes]], int, int]:
    """Serial and body of the frames that were taken, and the rest."""
    frames, consumed, needed = result
    return [(frame.serial, frame.body) for frame in frames], consumed, needed


@TAKES
def test_take_stops_where_bytes_are_lacking_and_returns_how_many_are_needed(take: Any) -> None:
    one, two = encode_frame(3009, 1, b"abc"), encode_frame(3009, 2, b"")
    first, both = [(1, b"abc")], [(1, b"abc"), (2, b"")]
    assert summary(take(b"", 100, NONE, TYPES)) == ([], 0, 0)
    assert summary(take(one + two, 100, NONE, TYPES)) == (both, 91, 0)
    for end in range(len(one), len(one + two)):
        rest = end - len(one)
        needed = 0 if not rest else 2 if rest == 1 else 44
        assert summary(take((one + two)[:end], 100, NONE, TYPES)) == (first, 47, needed)
    for end in (44, 45, 46):
        assert summary(take(one[:end], 100, NONE, TYPES)) == ([], 0, 47)


@TAKES
@pytest.mark.parametrize("wrong", [b"X", b"FX", b"XT", b"ft" + bytes(42), b"X" + encode_frame(3009, 1, b"")])
def test_take_stops_where_no_frame_begins(take: Any, wrong: bytes) -> None:
    assert summary(take(wrong, 100, NONE, TYPES)) == ([], 0, 0)
    assert summary(take(encode_frame(3009, 1, b"") + wrong, 100, NONE, TYPES)) == ([(1, b"")], 44, 0)


@TAKES
@pytest.mark.parametrize("name", CIPHERS)
def test_take_stops_at_what_does_not_decrypt_or_verify(take: Any, name: str) -> None:
    cipher = CIPHERS[name]()
    if name == "unknown":
        assert summary(take(encode_frame(3009, 1, bytes(16)), 100, cipher, TYPES)) == ([], 0, 0)
        return
    good = encode_frame(3009, 1, b"abcd", cipher=cipher)
    for at in range(16, len(good)):
        if 36 <= at < 44 or (name in {"ftaes_ecb", "own"} and 60 <= at < 75):
            continue  # reserved bytes, and those of FTAES_ECB's last block that nobody checks
        bad = bytearray(good)
        bad[at] ^= 0x21
        assert summary(take(good + bytes(bad), 100, cipher, TYPES)) == ([(1, b"abcd")], len(good), 0)


@TAKES
@pytest.mark.parametrize(("max_body", "taken"), [(-1, 0), (0, 1), (99, 1), (100, 3), (1 << 40, 3), (1 << 70, 3)])
def test_take_stops_at_a_body_above_the_limit(take: Any, max_body: int, taken: int) -> None:
    frames = [encode_frame(3009, serial, bytes(size)) for serial, size in enumerate((0, 100, 1))]
    found, consumed, needed = summary(take(b"".join(frames), max_body, NONE, TYPES))
    assert (len(found), consumed, needed) == (taken, len(b"".join(frames[:taken])), 0)
    # Also where it is not there: its header is enough.
    assert summary(take(frames[1][:44], max_body, NONE, TYPES))[2] == (144 if max_body >= 100 else 0)


@TAKES
def test_take_never_goes_past_the_handshake(take: Any) -> None:
    frames = [encode_frame(proto_id, serial, b"") for serial, proto_id in enumerate((3009, 1001, 1001, 3009))]
    data = b"".join(frames)
    assert [summary(take(data, 0, NONE, TYPES, start))[1] for start in (0, 44, 88, 132)] == [88, 44, 44, 44]


@TAKES
@pytest.mark.parametrize(("most", "taken"), [(0, 1), (1, 1), (44, 1), (45, 2), (88, 2), (1000, 5)])
def test_take_returns_once_it_has_enough(take: Any, most: int, taken: int) -> None:
    data = b"".join(encode_frame(3009, serial, b"") for serial in range(5))
    assert summary(take(b"xy" + data, 0, NONE, TYPES, 2, most)) == ([(at, b"") for at in range(taken)], 44 * taken, 0)
    # By itself it does so, too.
    many = encode_frame(3009, 1, bytes(956)) * 100
    assert summary(take(many, 1000, NONE, TYPES))[1] == 17_000


@TAKES
def test_take_returns_frames_with_header_payload_body_and_type(take: Any) -> None:
    cipher = AesCbc(KEY, IV)
    data = encode_frame(3009, 7, b"abc", cipher=cipher, body_format=1)
    (frame,), _, _ = take(data, 100, cipher, TYPES)
    assert type(frame) is Frame
    assert pack_packed_header(*frame.packed_header) + frame.payload == data
    assert (frame.body, frame.encryption) == (b"abc", "aes_cbc")
    assert frame.frame_type is TYPES[frame.packed_header[0]]


@needs_core
@given(streams(), st.data())
def test_the_core_takes_what_python_takes(stream: tuple[bytes, str], source: st.DataObject) -> None:
    data, name = stream
    cipher = source.draw(st.sampled_from([CIPHERS[name], *CIPHERS.values()]))()
    start = source.draw(st.integers(0, len(data) + 1) | st.just(0))
    arguments = (
        source.draw(st.sampled_from([1 << 26, 64, 16, 0, -1])),
        cipher,
        TYPES,
        start,
        source.draw(st.sampled_from([1 << 16, 100, 0])),
    )
    found, expected = framing.take(data, *arguments), python_take(data, *arguments)
    assert found == expected
    for one, other in zip(found[0], expected[0], strict=True):
        assert (one.body, one.encryption, one.kind) == (other.body, other.encryption, other.kind)


# --- the receive buffer ----------------------------------------------------------------------------------------


@given(st.data())
def test_the_buffer_keeps_what_is_not_settled(source: st.DataObject) -> None:
    buffer, kept = ReceiveBuffer(), b""
    for number in range(source.draw(st.integers(1, 30))):
        chunk = bytes([number]) * source.draw(st.integers(0, 40))
        buffer.add(chunk)
        kept += chunk
        assert len(buffer) == len(kept)
        if buffer.lacking <= 0:
            assert buffer.data[buffer.start :] == kept
            count = source.draw(st.integers(0, len(kept)))
            needed = source.draw(st.integers(0, 60))
            buffer.consume(count, needed)
            kept = kept[count:]
            assert buffer.lacking == max(needed, 1) - len(kept) or needed == 0
    buffer.join()
    assert buffer.data[buffer.start :] == kept


def test_a_large_chunk_is_not_kept_for_a_few_bytes() -> None:
    buffer = ReceiveBuffer()
    buffer.add(bytes(1 << 20))
    buffer.consume((1 << 20) - 10, 50)
    assert (len(buffer.data), len(buffer)) == (10, 10)
    buffer.add(bytes(40))
    buffer.consume(50)
    assert (len(buffer.data), len(buffer)) == (0, 0)
