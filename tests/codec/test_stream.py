"""FrameDecoder: a live stream, in any chunking."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire.cipher import AesCbc, AesEcb, Cipher, FtAesEcb
from ftwire.errors import BadMagicError, BodyTooLargeError, DecryptionError, DigestError, RemoteProtocolError
from ftwire.frame import BadFrame, Frame, Kind, Role, UnknownBody
from ftwire.stream import FrameDecoder
from support.frames import FRAMES, chunked, fed, request, response

KEY, IV = "0123456789ABCDEF", "FEDCBA9876543210"


@given(st.lists(FRAMES, max_size=8), st.data())
def test_any_chunking_gives_the_same_frames(frames: list[Frame], source: st.DataObject) -> None:
    data = b"".join(frame.encode() for frame in frames)
    decoder = FrameDecoder()
    assert fed(decoder.feed, chunked(data, source)) == frames
    assert decoder.pending == 0
    decoder.close()


def test_whole_byte_by_byte_and_with_a_tail() -> None:
    frames = [response(serial=1), response(1004, 2, b""), response(3009, 0)]
    data = b"".join(frame.encode() for frame in frames)
    assert fed(FrameDecoder().feed, [data]) == frames
    assert fed(FrameDecoder().feed, [bytes((byte,)) for byte in data]) == frames
    decoder = FrameDecoder()
    assert fed(decoder.feed, [data + data[:100]]) == frames
    assert decoder.pending == 100
    with pytest.raises(RemoteProtocolError, match="100 bytes into a frame"):
        decoder.close()
    # Nothing is kept.
    assert decoder.pending == 0
    decoder.close()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_will_do(kind: type) -> None:
    data = response().encode()
    assert fed(FrameDecoder().feed, [kind(data[:50]), kind(data[50:])]) == [response()]


def test_bytes_are_counted_where_a_buffer_has_larger_items() -> None:
    frame = response(body=bytes(range(200)))
    data = frame.encode()
    decoder = FrameDecoder()
    assert list(decoder.feed(data[:44])) == []
    assert list(decoder.feed(memoryview(data[44:104]).cast("I"))) == []
    assert decoder.pending == 104
    assert list(decoder.feed(data[104:])) == [frame]


def test_a_buffer_may_be_reused_by_its_owner() -> None:
    data = bytearray(response().encode())
    decoder = FrameDecoder()
    frames = decoder.feed(data)
    data[:] = bytes(len(data))
    assert list(frames) == [response()]


@given(st.lists(FRAMES, min_size=2, max_size=6), st.integers(0, 7), st.data())
def test_nothing_is_lost_when_an_iterator_is_dropped(frames: list[Frame], take: int, data: st.DataObject) -> None:
    stream = b"".join(frame.encode() for frame in frames)
    at = data.draw(st.integers(0, len(stream)))
    decoder = FrameDecoder()
    taken = list(islice(decoder.feed(stream[:at]), take))
    assert taken + list(decoder.feed(stream[at:])) == frames


def test_an_iterator_not_even_started() -> None:
    decoder = FrameDecoder()
    decoder.feed(response(serial=1).encode())
    assert [frame.serial for frame in decoder.feed(response(serial=2).encode())] == [1, 2]


@given(st.data())
def test_a_wrong_digest_costs_one_frame(source: st.DataObject) -> None:
    good = response(serial=2).encode()
    bad = bytearray(response(serial=1).encode())
    bad[-1] ^= 1
    first, second = fed(FrameDecoder().feed, chunked(bytes(bad) + good, source))
    assert isinstance(first, BadFrame)
    assert isinstance(first.error, DigestError)
    assert first.error.frame is first
    assert first.error.expected == response().header.sha1 != first.error.actual
    assert first.encode() == bytes(bad)
    with pytest.raises(DigestError):
        _ = first.body
    with pytest.raises(DigestError):
        _ = first.message
    assert second == response(serial=2)


@given(st.data())
def test_wrong_magic_is_fatal_after_the_frames_before_it(source: st.DataObject) -> None:
    good = response().encode()
    decoder = FrameDecoder()
    seen: list[Frame] = []
    with pytest.raises(BadMagicError) as caught:  # noqa: PT012 - the loop is what raises
        for chunk in chunked(good + b"XY" + good, source):
            for frame in decoder.feed(chunk):
                seen.append(frame)  # noqa: PERF402 - keeps what came before the error
    assert seen == [response()]
    assert (caught.value.actual, caught.value.offset) == (b"XY", len(good))
    with pytest.raises(BadMagicError):
        list(decoder.feed(good))


def test_wrong_magic_is_told_from_two_bytes_however_they_are_cut() -> None:
    for chunks in ([b"F\0"], [b"F", b"\0"], [b"F", b"", b"\0"], [b"X", b"Y"]):
        with pytest.raises(BadMagicError):
            fed(FrameDecoder().feed, chunks)


@given(st.data())
def test_a_4_gib_length_is_refused_before_the_body(source: st.DataObject) -> None:
    lying = bytearray(response().encode())[:44]
    lying[12:16] = b"\xff\xff\xff\xff"
    decoder = FrameDecoder()
    with pytest.raises(BodyTooLargeError) as caught:
        fed(decoder.feed, chunked(bytes(lying), source))
    assert (caught.value.limit, caught.value.actual, caught.value.proto_id) == (64 << 20, 2**32 - 1, 3008)


def test_the_limit_counts_bytes_on_the_wire() -> None:
    frame = response(body=bytes(1000))
    assert fed(FrameDecoder(max_body=1000).feed, [frame.encode()]) == [frame]
    with pytest.raises(BodyTooLargeError):
        fed(FrameDecoder(max_body=999).feed, [frame.encode()])


@pytest.mark.parametrize("make", [lambda: FtAesEcb(KEY), lambda: AesEcb(KEY), lambda: AesCbc(KEY, IV)])
def test_encrypted(make: type[Cipher]) -> None:
    frames = [response(serial=serial, cipher=make()) for serial in range(3)]
    decoded = fed(FrameDecoder(cipher=make()).feed, [b"".join(frame.encode() for frame in frames)])
    assert decoded == frames
    assert [frame.body for frame in decoded] == [response().body] * 3
    assert decoded[0].message == response().message


def test_a_payload_no_cipher_makes_costs_one_frame() -> None:
    frames = [response(serial=1), response(serial=2, cipher=AesEcb(KEY))]
    first, second = fed(FrameDecoder(cipher=AesEcb(KEY)).feed, [b"".join(frame.encode() for frame in frames)])
    assert isinstance(first.error, DecryptionError)
    assert second.error is None


def test_a_damaged_frame_counts_in_offsets_and_may_be_as_large_as_the_limit() -> None:
    bad = bytearray(response(body=bytes(100)).encode())
    bad[-1] ^= 1
    decoder = FrameDecoder(max_body=100)
    for count in (1, 2):
        (frame,) = decoder.feed(bad)
        assert isinstance(frame, BadFrame)
        assert decoder.offset == count * len(bad)
    with pytest.raises(BadMagicError) as caught:
        list(decoder.feed(b"XY"))
    assert caught.value.offset == 2 * len(bad)


def test_the_cipher_may_change_behind_a_handshake_in_a_chunk() -> None:
    decoder = FrameDecoder()
    seen = []
    for frame in decoder.feed(response(1001).encode() + response(3008, 2, cipher=AesCbc(KEY, IV)).encode()):
        decoder.cipher = AesCbc(KEY, IV)
        seen.append(frame.error)
    assert seen == [None, None]


def test_a_body_is_parsed_on_first_touch_only() -> None:
    (frame,) = FrameDecoder().feed(response().encode())
    first = frame.message
    assert frame.message is first
    assert frame.kind is Kind.RESPONSE
    assert frame.protocol is not None
    assert frame.protocol.name == "Qot_GetRT"


def test_unknown_protocols_and_formats_are_values() -> None:
    unknown = Frame.build(99999, 1, b"abc", sender=Role.SERVER)
    odd = Frame.build(3008, 1, b"abc", sender=Role.SERVER, body_format=7)
    for frame, seen in zip([unknown, odd], fed(FrameDecoder().feed, [unknown.encode() + odd.encode()]), strict=True):
        assert seen == frame
        assert seen.message == UnknownBody(frame.proto_id, frame.body_format, b"abc")
    assert unknown.protocol is None
    assert repr(unknown).startswith("<Frame 99999 unknown")


def test_which_side_sent_it_decides_the_class() -> None:
    (frame,) = FrameDecoder(Role.CLIENT).feed(request().encode())
    assert frame.kind is Kind.REQUEST
    assert frame.message == request().message


@given(st.binary(max_size=200), st.data())
def test_any_bytes_give_frames_or_a_header_error_whatever_the_chunking(raw: bytes, source: st.DataObject) -> None:
    def outcome(chunks: list[bytes]) -> tuple[list[Frame], object]:
        seen: list[Frame] = []
        decoder = FrameDecoder(max_body=1000)
        try:
            for chunk in chunks:
                for frame in decoder.feed(chunk):
                    seen.append(frame)  # noqa: PERF402 - keeps what came before the error
        except (BadMagicError, BodyTooLargeError) as error:
            return seen, (type(error), error.args)
        return seen, decoder.pending

    whole = response().encode() * 2
    data = whole[: source.draw(st.sampled_from([0, 1, 40, 44, 100, len(whole) // 2, len(whole)]))] + raw
    assert outcome([data]) == outcome(chunked(data, source))
