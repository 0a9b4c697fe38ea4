"""What waits between two chunks: large frames, buffers of any kind, and how often they are looked at."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire.cipher import AesEcb
from ftwire.errors import BadMagicError, BodyTooLargeError, DecryptionError, DigestError, RemoteProtocolError
from ftwire.frame import BadFrame, Frame, Role, encode_frame
from ftwire.header import HEADER_SIZE
from ftwire.resync import ResyncDecoder
from ftwire.stream import FrameDecoder
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
    reader: Any = make()
    cut, feed_core = type(reader)._cut, type(reader)._feed_core

    def counted(self: Any, *, final: bool) -> Any:
        looks.append(self.pending)
        return cut(self, final=final)

    def counted_too(self: Any, data: bytes) -> Any:
        found = feed_core(self, data)
        if found is not None:
            looks.append(self.pending)
        return found

    monkeypatch.setattr(type(reader), "_cut", counted)
    monkeypatch.setattr(type(reader), "_feed_core", counted_too)
    frame = response(body=bytes(20_000))
    stream = frame.encode()
    assert fed(reader.feed, [stream[at : at + size] for at in range(0, len(stream), size)]) == [frame]
    assert len(looks) <= 5
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
    for more in (b"x", b"", bytearray(b"y"), bytes(2000)):
        with pytest.raises(BadMagicError) as again:
            list(decoder.feed(more))
        assert again.value is caught.value


def test_a_bad_frame_has_its_own_header_wherever_in_a_chunk_it_stands() -> None:
    sealed = [response(serial=serial, cipher=AesEcb("0123456789ABCDEF")) for serial in range(4)]
    parts = [bytearray(frame.encode()) for frame in sealed]
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
        reader = make(Role.SERVER, known=Nothing())
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


def test_what_nobody_has_taken_is_there_at_the_end() -> None:
    decoder = FrameDecoder()
    frame = response(1004, 5, b"")
    assert next(decoder.feed(frame.encode() * 2)) == frame
    with pytest.raises(RemoteProtocolError, match="ends 44 bytes into a frame"):
        decoder.close()


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


@pytest.mark.parametrize("count", [1, 2])
def test_what_nobody_took_comes_before_what_is_missing_and_at_the_end(count: int) -> None:
    stream = b"".join(response(serial=serial).encode() for serial in range(count))
    scanner = ResyncDecoder()
    scanner.feed(stream)
    assert [item.serial for item in scanner.skip(5) if isinstance(item, Frame)] == list(range(count))
    scanner = ResyncDecoder()
    scanner.feed(stream)
    assert [item.serial for item in scanner.close() if isinstance(item, Frame)] == list(range(count))
    decoder = FrameDecoder()
    decoder.feed(stream)
    with pytest.raises(RemoteProtocolError, match=f"{len(stream)} bytes"):
        decoder.close()
