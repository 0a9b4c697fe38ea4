"""Both sides of a conversation as one stream: each frame is told apart, and observed as in two streams."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import ftwire
from fixtures.make_goldens import captures
from fixtures.make_keys import TEST_KEY
from ftwire.capture import CaptureReader, DissectedBytes, DissectedFrame
from ftwire.cipher import RsaKey
from ftwire.errors import DigestError, NotACaptureError
from ftwire.events import FrameObserved
from ftwire.frame import Role
from ftwire.observer import Observer
from ftwire.pcap import Data, Dissector
from ftwire.strategies import Session, chunkings, conversations, mutations
from support.captures import answered, asked, push, session
from support.cores import pure
from support.frames import rt_request, rt_response

KEY = RsaKey.from_pem(TEST_KEY.read_text())


def facts(frames: list[DissectedFrame]) -> list[object]:
    return [
        (
            each.sender,
            each.kind,
            each.proto_id,
            each.frame.serial,
            each.encryption,
            type(each.error),
            each.request and each.request.serial,
        )
        for each in frames
    ]


def read(data: bytes, **options: object) -> list[DissectedFrame]:
    return list(ftwire.read(data, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("capture", list(captures()), ids=lambda capture: capture[0].name)
@pytest.mark.parametrize("with_key", [True, False])
@pytest.mark.parametrize("core", [True, False])
def test_recorded_conversations_saved_as_one_stream(
    capture: tuple[Path, Path | None], with_key: bool, core: bool
) -> None:
    path, key = capture
    keys = [key.read_bytes()] if key is not None and with_key else []
    frames = [frame for frame in ftwire.read(path, keys=keys) if frame.conversation.transport == "tcp"]
    for _, group in groupby(sorted(frames, key=lambda frame: frame.conversation), lambda frame: frame.conversation):
        own = list(group)
        with nullcontext() if core else pure():
            assert facts(read(b"".join(frame.frame.encode() for frame in own), keys=keys)) == facts(own)
            for role in Role:
                one_side = b"".join(frame.frame.encode() for frame in own if frame.sender is role)
                assert facts(read(one_side, keys=keys)) == facts(read(one_side, keys=keys, sender=role))


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(conversations(), st.data())
def test_any_session_is_observed_as_in_two_streams(drawn: Session, source: st.DataObject) -> None:
    keys = [] if drawn.key is None else [drawn.key]
    observer = Observer(keys=keys)
    expected = [
        seen
        for each in drawn.sent
        for seen in observer.receive(each.sender, each.frame.encode())
        if isinstance(seen, FrameObserved)
    ]
    stream = b"".join(each.frame.encode() for each in drawn.sent)
    reader = CaptureReader(keys=keys)
    found = [
        report
        for chunk in source.draw(chunkings(stream))
        for report in reader.feed(chunk)
        if isinstance(report, DissectedFrame)
    ]
    found += [report for report in reader.close() if isinstance(report, DissectedFrame)]
    assert [(each.frame, each.sender, each.kind, each.request) for each in found] == [
        (each.frame, each.sender, each.kind, each.request) for each in expected
    ]
    assert (reader.account.undecoded_bytes, reader.account.missing_bytes) == (0, 0)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(conversations(), st.data())
def test_every_byte_of_a_damaged_stream_is_in_a_frame_or_counted(drawn: Session, source: st.DataObject) -> None:
    stream = source.draw(mutations(b"".join(each.frame.encode() for each in drawn.sent), max_changes=4)).data
    assume(stream[:6] == b"FT\xe9\x03\0\0")  # otherwise it may hold nothing that resembles a frame
    reader = CaptureReader(keys=[] if drawn.key is None else [drawn.key])
    frames = [report.frame for report in reader.read([stream]) if isinstance(report, DissectedFrame)]
    assert sum(map(len, frames)) + reader.account.undecoded_bytes == len(stream)
    chunked = CaptureReader(keys=[] if drawn.key is None else [drawn.key])
    again = chunked.read(source.draw(chunkings(stream)))
    assert [report.frame for report in again if isinstance(report, DissectedFrame)] == frames
    assert chunked.account == reader.account


def test_frames_that_say_nothing_are_told_apart_by_what_was_asked() -> None:
    said = [
        *session()[:2],
        asked(3008, 2, b""),
        asked(3008, 3, rt_request()),
        answered(3008, 2, b""),
        answered(3008, 3, b""),
    ]
    found = read(b"".join(each.data for each in said))
    assert [each.sender for each in found] == [each.sender for each in said]
    assert [None if each.request is None else each.request.serial for each in found] == [None, 1, None, None, 2, 3]
    assert {each.latency for each in found} == {None}, "a stream has no times"


def test_a_damaged_response_is_the_servers() -> None:
    damaged = bytearray(answered(3008, 2, rt_response()).data)
    damaged[-1] ^= 1
    said = session()
    stream = b"".join([*(each.data for each in said[:3]), bytes(damaged), said[4].data])
    found = read(stream)
    assert [(each.sender, type(each.error)) for each in found if each.error] == [(Role.SERVER, DigestError)]


def test_bytes_in_no_frame_count_for_the_side_before_them() -> None:
    said = session()
    reports = list(CaptureReader().read([said[0].data, said[1].data, b"junk" * 9, said[2].data, said[3].data]))
    (left,) = [report for report in reports if isinstance(report, DissectedBytes)]
    assert (left.observation.sender, left.observation.undecoded.length) == (Role.SERVER, 36)
    assert [report.sender for report in reports if isinstance(report, DissectedFrame)] == [
        each.sender for each in said[:4]
    ]


@pytest.mark.parametrize("count", [3, 200])
def test_an_encrypted_stream_of_one_side_is_that_of_the_side_its_pushes_have(count: int) -> None:
    said = [each for each in session(KEY) if each.sender is Role.SERVER]
    cipher_of = read(b"".join(each.data for each in session(KEY)), keys=[KEY])[-1]
    assert cipher_of.encryption == "aes_cbc"
    # The handshake is missing: nothing can be opened.
    encrypted = [said[1].data[:8] + serial.to_bytes(4, "little") + said[1].data[12:] for serial in range(2, 2 + count)]
    found = read(b"".join(encrypted) + said[-1].data)
    assert {each.sender for each in found} == {Role.SERVER}
    assert len(found) == count + 1
    assert {each.sender for each in read(b"".join(encrypted))} == {Role.CLIENT}, "nothing says otherwise"


def test_frames_are_reported_as_soon_as_their_side_is_known() -> None:
    reader = CaptureReader()
    for number, each in enumerate(session(), 1):
        reports = list(reader.feed(each.data))
        assert [report.number for report in reports if isinstance(report, DissectedFrame)] == [number]


def test_the_side_that_is_named_has_sent_everything() -> None:
    stream = b"".join(each.data for each in session())
    assert {each.sender for each in read(stream, sender=Role.CLIENT)} == {Role.CLIENT}


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_both_sides_of_a_websocket_connection_are_refused(step: int) -> None:
    (path,) = (path for path, _ in captures() if path.name == "npm-futu-api-10.11-websocket.pcapng")
    dissector = Dissector()
    events = [*dissector.feed(path.read_bytes()), *dissector.close()]
    stream = b"".join(event.data for event in events if isinstance(event, Data))
    reader = CaptureReader()
    with pytest.raises(NotACaptureError, match="save each side by itself"):
        list(reader.read(stream[at : at + step] for at in range(0, len(stream), step)))
    assert isinstance(reader.account.damage, NotACaptureError)
    one_side = b"".join(event.data for event in events if isinstance(event, Data) and event.direction == 0)
    assert {each.sender for each in read(one_side)} == {Role.CLIENT}


def test_few_frames_wait_for_their_side() -> None:
    # After a push, frames that say nothing may be the server's, or those of a client whose responses will come.
    frame = answered(3008, 1, b"").data
    reader = CaptureReader()
    assert len([each for each in reader.feed(answered(3009, 0, push()).data) if isinstance(each, DissectedFrame)]) == 1
    waiting = most = 0
    for serial in range(200):
        data = frame[:8] + serial.to_bytes(4, "little") + frame[12:]
        waiting += 1 - sum(isinstance(each, DissectedFrame) for each in reader.feed(data))
        most = max(most, waiting)
    assert (most, waiting) == (64, 0)


def test_pushes_alone_are_the_servers() -> None:
    assert {each.kind for each in read(answered(3009, 0, push()).data * 3)} == {"push"}
