"""A value or a documented error, in bounded memory and time, for every decoder: properties over hostile input."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ftwire.body import encode_body
from ftwire.cipher import NONE, AesCbc, Cipher, FtAesEcb
from ftwire.frame import Frame, Kind, Role
from ftwire.header import BodyFormat
from ftwire.resync import ResyncDecoder, UndecodedBytes
from ftwire.strategies import (
    Mutation,
    SegmentSchedule,
    Session,
    chunkings,
    conversations,
    frames,
    messages,
    mutations,
    segment_schedules,
)
from ftwire.websocket_resync import WebSocketResyncDecoder
from support.command import FTWIRE
from support.contracts import AES, CONTRACTS, IV, MAX_BODY, classes, key, seeds
from support.places import ROOT

SEEDS = seeds()
CORPUS = ROOT / "fixtures" / "corpus"
QUIET = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
TURN = b"\0\xff\0\xff"


def test_every_contract_has_seeds_and_keeps_them() -> None:
    assert set(SEEDS) == set(CONTRACTS)
    for name, found in SEEDS.items():
        for seed in found:
            CONTRACTS[name](seed)


@pytest.mark.parametrize("name", CONTRACTS)
def test_what_fuzzing_found_worth_keeping(name: str) -> None:
    paths = sorted((CORPUS / name).glob("*"))
    assert paths
    for path in paths:
        CONTRACTS[name](path.read_bytes())


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(mutation=conversations(key(), max_steps=3).flatmap(mutations))
def test_dump_as_a_process(mutation: Mutation) -> None:
    """Whatever the capture, the exit code is a documented one, and no traceback is printed."""
    done = subprocess.run(
        [*FTWIRE, "dump", "--json", "-"],
        input=mutation.data, capture_output=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode in (0, 1, 3), done.stderr
    assert b"Traceback" not in done.stderr
    for line in done.stdout.splitlines():
        json.loads(line)


@pytest.mark.parametrize("name", CONTRACTS)
@given(data=st.data())
def test_any_bytes(name: str, data: st.DataObject) -> None:
    CONTRACTS[name](data.draw(st.binary(max_size=400)))


@pytest.mark.parametrize("name", CONTRACTS)
@QUIET
@given(data=st.data())
def test_damaged_input(name: str, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(SEEDS[name]))
    CONTRACTS[name](data.draw(mutations(seed, min_changes=1, max_changes=6)).data)


# The same on what the strategies make. Atheris runs these too, see tests/fuzz.

STREAMS = st.lists(frames(), min_size=1, max_size=4).map(lambda made: b"".join(frame.encode() for frame in made))


@QUIET
@given(STREAMS.flatmap(mutations), st.integers(0, 7))
def test_damaged_streams(mutation: Mutation, cut: int) -> None:
    data = bytes((cut,)) + mutation.data
    CONTRACTS["frame_decoder"](data)
    CONTRACTS["resync_decoder"](data)


@QUIET
@given(conversations(key(), max_steps=4), st.data())
def test_damaged_sessions(session: Session, data: st.DataObject) -> None:
    said = [each.frame.encode() for each in session.sent]
    at = data.draw(st.integers(0, len(said) - 1))
    said[at] = data.draw(mutations(said[at])).data
    CONTRACTS["observer"](TURN.join(said))
    CONTRACTS["conversation"](TURN.join(said))
    CONTRACTS["connection"](b"\0" + b"".join(said))


@QUIET
@given(conversations(max_steps=3), st.booleans(), st.data())
def test_damaged_captures(session: Session, pcapng: bool, data: st.DataObject) -> None:
    mutation = data.draw(mutations(session.capture(pcapng=pcapng)))
    CONTRACTS["capture"](bytes((data.draw(st.integers(0, 7)),)) + mutation.data)


@QUIET
@given(st.binary(min_size=1, max_size=200).flatmap(segment_schedules), st.data())
def test_damaged_schedules(schedule: SegmentSchedule, data: st.DataObject) -> None:
    mutation = data.draw(mutations(schedule))
    CONTRACTS["capture"](b"\0" + mutation.data)


@QUIET
@given(st.sampled_from([3008, 3001, 1001, 2201, 3203, 3215]), st.sampled_from(BodyFormat), st.data())
def test_damaged_bodies(proto_id: int, body_format: BodyFormat, data: st.DataObject) -> None:
    message = data.draw(messages(proto_id, Kind.RESPONSE, unknown=False))
    body = data.draw(mutations(encode_body(message, body_format) or b"\0")).data
    name = "json_body" if body_format is BodyFormat.JSON else "protobuf_body"
    CONTRACTS[name](classes().index(type(message)).to_bytes(2, "little") + body)


@QUIET
@given(st.booleans(), mutations(SEEDS["websocket"][0][1:] * 3), st.data())
def test_damaged_envelopes_are_the_same_in_any_chunking(upgrade: bool, mutation: Mutation, data: st.DataObject) -> None:
    def told(parts: list[bytes]) -> list[str]:
        scanner = WebSocketResyncDecoder(Role.CLIENT, max_body=MAX_BODY)
        return [repr(item) for part in parts for item in scanner.feed(part)] + [repr(item) for item in scanner.close()]

    stream = (b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n" if upgrade else b"") + mutation.data
    assert told(data.draw(chunkings(stream))) == told([stream])


# Nothing lost that could be decoded: a corrupted frame costs that frame, and nothing after it.


CIPHERS: dict[str, Callable[[], Cipher]] = {
    "plain": lambda: NONE,
    "ftaes_ecb": lambda: FtAesEcb(AES),
    "aes_cbc": lambda: AesCbc(AES, IV),
}


def verifies_beyond(damaged: bytes, rest: bytes, cipher: Cipher) -> bool:
    """Whether the last frame in these bytes takes bytes of the rest, and verifies with them."""
    items = list(ResyncDecoder(cipher=cipher).feed(damaged + rest))
    at = 0
    for item in items:
        size = item.length if isinstance(item, UndecodedBytes) else len(item)
        if at < len(damaged) < at + size:
            return isinstance(item, Frame) and item.error is None
        at += size
    return False


@pytest.mark.parametrize("name", CIPHERS)
@QUIET
@given(made=st.lists(frames(kind=Kind.RESPONSE), min_size=1, max_size=4), data=st.data())
def test_damage_costs_one_frame(name: str, made: list[Frame], data: st.DataObject) -> None:
    """Whatever happens to the bytes of one frame, its neighbours are found: in step before it, by search after."""
    cipher = CIPHERS[name]()
    before, after = (
        [
            Frame.build(
                frame.proto_id, serial, frame.body, sender=Role.SERVER, body_format=frame.body_format, cipher=cipher
            )
            for serial, frame in enumerate(made, start)
        ]
        for start in (100, 200)
    )
    damaged = data.draw(mutations(data.draw(st.sampled_from(before)), min_changes=1)).data
    rest = b"".join(frame.encode() for frame in after)
    # FTAES_ECB's last block is under no digest but for its last byte: cut off there, a frame still verifies, with
    # bytes of the next one for the block's end (ResyncDecoder says so).
    assume(name != "ftaes_ecb" or not verifies_beyond(damaged, rest, CIPHERS[name]()))
    stream = b"".join(frame.encode() for frame in before) + damaged + rest
    scanner = ResyncDecoder(cipher=CIPHERS[name]())
    items = [item for chunk in data.draw(chunkings(stream)) for item in scanner.feed(chunk)]
    items += scanner.close()
    found = [item for item in items if isinstance(item, Frame) and item.error is None]
    assert found[: len(before)] == before
    assert found[len(found) - len(after) :] == after
