"""Bodies in columns: the core and its twin, and captures read with columns and without."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire.body import decode_body
from ftwire.body_check import refused_bodies
from ftwire.body_columns import BodyColumns, PythonBodyColumns, TakenColumns, frame_type_number
from ftwire.capture import CaptureReader, CollectedFrames, DissectedFrame
from ftwire.cipher import NONE, RsaKey
from ftwire.errors import BodyError, CaptureError, WireError
from ftwire.frame import Frame, Role, encode_frame
from ftwire.protocols import registry
from ftwire.resync import ResyncDecoder, UndecodedBytes
from ftwire.strategies import messages
from support.captures import Said, answered, asked, pcap, push, session
from support.cores import MAKERS, needs_core, streams
from support.frames import rt_request, rt_response
from support.places import ROOT

PUSHES = sorted({entry.proto_id for entry in registry if entry.is_push and not registry.all(entry.proto_id)[1:]})
SOME = {frame_type_number(proto_id): place for place, proto_id in enumerate((1004, 3009, 3013, 2208))}
CAPTURES = sorted(path for path in (ROOT / "fixtures/captures").rglob("*") if path.suffix in {".pcap", ".pcapng"})
EVERY = [found for entry in registry for found in (entry.request, entry.response) if found is not None]


def rows(found: list[Any]) -> Iterator[tuple[int, int, int, int, int, bytes]]:
    """Place, number, time, conversation, serial and body of each frame in columns."""
    for taken in map(TakenColumns._make, found):
        wide = [array("q", bytes(part)) for part in (taken.numbers, taken.times, taken.conversations)]
        serials, offsets = array("I", taken.serials), array("i", taken.offsets)
        assert offsets[0] == 0
        assert offsets[-1] == len(taken.bodies)
        assert len(offsets) == len(serials) + 1
        for at, (number, time, conversation, serial) in enumerate(zip(*wide, serials, strict=True)):
            body = taken.bodies[offsets[at] : offsets[at + 1]]
            yield taken.place, number, time, conversation, serial, body


@needs_core
@given(stream=streams(), start=st.integers(0, 60), max_body=st.sampled_from([50, 1 << 20]), data=st.data())
def test_the_core_keeps_what_python_keeps(
    stream: tuple[bytes, str], start: int, max_body: int, data: st.DataObject
) -> None:
    buffer, name = stream
    seen = {int.from_bytes(buffer[at : at + 8], "little") for at in (start, start + 44) if len(buffer) >= at + 8}
    places = SOME | {first: data.draw(st.integers(-1, 2)) for first in sorted(seen)}
    core, twin = BodyColumns(places), PythonBodyColumns(places)
    for number, time in ((7, -5), (9, 5), (1, 0)):
        found = core.take(buffer, max_body, MAKERS[name](), number, 2, time, start)
        assert found == twin.take(buffer, max_body, MAKERS[name](), number, 2, time, start)
        assert (core.size, core.frames) == (twin.size, twin.frames)
        if data.draw(st.booleans()):
            assert core.taken() == twin.taken()
            assert (core.size, core.frames) == (twin.size, twin.frames) == (0, 0)
    assert core.taken() == twin.taken()


@pytest.mark.parametrize("make", [BodyColumns, PythonBodyColumns])
def test_numbers_above_64_bits_are_refused(make: type[PythonBodyColumns]) -> None:
    frame = encode_frame(1004, 1, b"body")
    columns = make(SOME)
    for number, conversation, time in ((1 << 63, 1, 0), (1, 1 << 63, 0), (1, 1, 1 << 63)):
        with pytest.raises(OverflowError):
            columns.take(frame, 100, NONE, number, conversation, time)
    assert columns.taken() == []


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
@pytest.mark.parametrize("kept", [True, False])
def test_a_capture_has_the_same_frames_with_columns(capture: Any, kept: bool) -> None:
    """Every frame, with its number, time and conversation, is either reported or in the columns."""
    keys = [RsaKey.from_pem(path.read_bytes()) for path in sorted((ROOT / "fixtures/keys").glob("*.pem"))]
    compare(capture.read_bytes(), keys=keys, kept=kept)


@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8))
def test_a_damaged_capture_has_the_same_frames_with_columns(changes: list[tuple[float, int]]) -> None:
    spoilt = bytearray((ROOT / "fixtures/captures/futu-api-9.6-quotes.pcapng").read_bytes())
    for place, value in changes:
        spoilt[int(place * len(spoilt))] = value
    compare(bytes(spoilt))


def spoilt(said: Said) -> Said:
    """The same with the last byte of its body changed."""
    return replace(said, data=said.data[:-1] + bytes([said.data[-1] ^ 1]))


SAID = [asked(3008, 3, rt_request()), answered(3008, 3, rt_response()), answered(3009, 0, push())]


@given(st.lists(st.sampled_from([*SAID, *map(spoilt, SAID)]), max_size=12))
def test_frames_that_wait_for_what_follows_have_the_same_numbers_with_columns(said: list[Said]) -> None:
    compare(pcap([*session(), *said]))


def compare(data: bytes, *, keys: list[RsaKey] | None = None, kept: bool = True) -> None:
    """Read a capture with columns and without."""
    plain = CaptureReader(keys=keys or [])
    wanted = {report.number: facts(report) for report in frames_of(plain, [data])}
    places = {frame_type_number(proto_id): place if kept else -1 for place, proto_id in enumerate(PUSHES)}
    columns = BodyColumns(places)
    reader = CaptureReader(keys=keys or [], columns=columns)
    reports = frames_of(reader, [data[at : at + 1000] for at in range(0, len(data), 1000)])
    found = {report.number: facts(report) for report in reports}
    reported = len(found)
    for place, number, time, conversation, serial, body in rows(columns.taken()):
        found[number] = PUSHES[place], Role.SERVER, time, conversation, serial, body
    assert reader.account.frames == plain.account.frames == len(wanted)
    assert found == {number: wanted[number] for number in (wanted if kept else found)}
    assert len(found) == reported or kept
    assert (columns.size, columns.frames) == (0, 0)


def frames_of(reader: CaptureReader, chunks: list[bytes]) -> list[DissectedFrame]:
    """The frames that are reported; frames in columns are counted as they should be."""
    found, collected = [], 0
    try:
        for report in reader.read(chunks):
            if isinstance(report, DissectedFrame):
                found.append(report)
            elif isinstance(report, CollectedFrames):
                collected += report.frames
    except CaptureError:
        pass
    assert len(found) + collected == reader.account.frames
    return found


def facts(report: DissectedFrame) -> tuple[Any, ...]:
    frame = report.frame
    body = frame.body if frame.error is None else frame.payload
    return report.proto_id, report.sender, report.time, report.conversation.number, frame.serial, body


def test_some_capture_has_frames_for_the_columns() -> None:
    columns = BodyColumns({frame_type_number(proto_id): 0 for proto_id in PUSHES})
    reader = CaptureReader(columns=columns)
    reports = list(reader.read([(ROOT / "fixtures/captures/futu-api-9.6-quotes.pcapng").read_bytes()]))
    assert sum(report.frames for report in reports if isinstance(report, CollectedFrames)) == columns.frames > 0
    assert not any(isinstance(report, DissectedFrame) and report.proto_id in PUSHES for report in reports)


@given(stream=streams(), cuts=st.lists(st.integers(0, 2000), max_size=6))
def test_what_is_damaged_is_reported_as_without_columns(stream: tuple[bytes, str], cuts: list[int]) -> None:
    """However the stream is cut: the same frames and undecoded bytes in the same places, those in columns counted."""
    data, name = stream
    seen = {int.from_bytes(data[at : at + 8], "little") for at in range(len(data) - 8) if data[at : at + 2] == b"FT"}
    wanted = walked(ResyncDecoder(cipher=MAKERS[name]()), data, cuts)
    places = {first: 0 for at, first in enumerate(sorted(seen)) if at % 2 == 0 and first >> 16 & 0xFFFFFFFF != 1001}
    assert walked(ResyncDecoder(cipher=MAKERS[name]()), data, cuts, BodyColumns(places)) == wanted


def walked(decoder: ResyncDecoder, data: bytes, cuts: list[int], columns: BodyColumns | None = None) -> list[Any]:
    """Undecoded bytes as they are, and how many frames lie between them, in columns or not."""
    found: list[Any] = []
    frames = 0

    def note(items: Iterable[Frame | UndecodedBytes]) -> None:
        nonlocal frames
        for item in items:
            if isinstance(item, UndecodedBytes):
                found.extend((frames, repr(item)))
                frames = 0
            else:
                frames += 1

    places = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    for start, end in pairwise(places):
        chunk = data[start:end]
        if columns is not None:
            frames += decoder.read_into(columns, chunk, 1, 1, 0)
            if decoder.buffer.lacking > 0:
                continue
            chunk = b""
        note(decoder.feed(chunk))
    note(decoder.close())
    return [*found, frames]


@given(st.data())
def test_bodies_are_refused_that_protobuf_refuses(data: st.DataObject) -> None:
    message_class: Any = data.draw(st.sampled_from(EVERY))
    bodies: list[bytes] = []
    for message in data.draw(st.lists(messages(message_class), max_size=4)):
        spoilt = bytearray(message.SerializePartialToString())
        for at, value in data.draw(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=2)):
            if spoilt:
                spoilt[at % len(spoilt)] = value
        bodies.append(bytes(spoilt))
    wanted: dict[int, WireError] = {}
    for at, body in enumerate(bodies):
        try:
            decode_body(body, message_class, check_required=False)
        except BodyError as error:
            wanted[at] = error
    offsets = array("i", [sum(map(len, bodies[:at])) for at in range(len(bodies) + 1)])
    found = refused_bodies(b"".join(bodies), offsets.tobytes(), message_class)
    assert {at: str(error) for at, error in found.items()} == {at: str(error) for at, error in wanted.items()}
