"""Which mistake explains given bytes: one vector a mistake and more, and nothing in what is right."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from hashlib import sha1
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import faulty, make_mistakes
from ftwire.cipher import NONE, AesCbc, AesEcb, Cipher, FtAesEcb, Rsa, RsaKey
from ftwire.diagnosis import MISTAKES, ConversationChecker, Piece
from ftwire.diagnosis.digests import MAX_HASHED, MAX_SEARCHES, MAX_STEPS
from ftwire.diagnosis.header_layouts import MAX_LAYOUTS
from ftwire.diagnosis.other_encryptions import EncryptionSearch
from ftwire.diagnosis.payloads import SessionKeys
from ftwire.errors import EnvelopeError
from ftwire.frame import Frame, MessageClasses, Role
from ftwire.protocols import registry
from ftwire.strategies import messages
from ftwire.websocket import BadEnvelope, Envelope
from support.frames import init_response, rt_request
from support.places import ROOT

FIXTURES = ROOT / "fixtures"
SECOND = 1_000_000_000

Found = tuple[str, str | None, tuple[int, ...]]


def vectors() -> Iterator[Any]:
    for path in sorted((FIXTURES / "vectors" / "mistakes").glob("*.json")):
        yield from json.loads(path.read_text(encoding="utf-8"))["vectors"]


VECTORS = list(vectors())


def keys_of(vector: Any) -> list[RsaKey]:
    return [RsaKey.from_pem((FIXTURES / vector["key"]).read_bytes())] if vector["key"] else []


def envelope_of(data: bytes, sender: Role) -> Envelope:
    try:
        return Envelope.decode(data, sender=sender)
    except EnvelopeError as error:
        return BadEnvelope(MessageClasses(sender), error)


def grouped(pieces: list[Piece], late: list[tuple[int, Any]]) -> set[Found]:
    groups: dict[tuple[str, str | None], list[int]] = {}
    everything = [(piece.number, finding) for piece in pieces for finding in piece.findings]
    for number, finding in everything + late:
        sender = finding.sender.value if finding.sender else None
        groups.setdefault((finding.mistake.id, sender), []).append(number + 1)
    return {(mistake, sender, tuple(numbers)) for (mistake, sender), numbers in groups.items()}


def of_the_wire(found: set[Found]) -> set[Found]:
    """Leave out what is said of codes: they are drawn without regard to their market, or empty."""
    return {one for one in found if one[0] not in ("market_for_code", "security_unset", "text_in_utf16")}


def expected_of(vector: Any) -> set[Found]:
    return {(one["mistake"], one["sender"], tuple(one["frames"])) for one in vector["expected"]}


def check(vector: Any, *, tell_sender: bool = True) -> set[Found]:
    session = ConversationChecker(keys=keys_of(vector), alone=vector["alone"])
    pieces: list[Piece] = []
    time = 0
    for step in vector["steps"]:
        sender, data, time = Role(step["sender"]), bytes.fromhex(step["hex"]), int(step["time"] * SECOND)
        if vector["transport"] == "websocket":
            pieces.append(session.check_envelope(envelope_of(data, sender), time))
        else:
            pieces += session.read(data, sender if tell_sender else None, time)
    return grouped(pieces, session.close(time, ended=vector["ended"]))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_the_right_mistake_and_only_it_is_named(vector: Any) -> None:
    assert check(vector) == expected_of(vector)


def test_every_mistake_has_a_vector() -> None:
    assert {one["mistake"] for vector in VECTORS for one in vector["expected"]} == set(MISTAKES)
    assert len({vector["id"] for vector in VECTORS}) == len(VECTORS)


def test_what_is_said_of_a_mistake_is_a_sentence_each() -> None:
    for mistake in MISTAKES.values():
        for text in (mistake.title, mistake.remedy):
            assert text.endswith(".")
            assert ". " not in text


def test_the_vectors_are_what_their_script_makes() -> None:
    made = make_mistakes.texts()
    assert set(made) == {path.name for path in make_mistakes.OUT.glob("*.json")}
    for name, text in made.items():
        assert (make_mistakes.OUT / name).read_text(encoding="utf-8") == text


def sendable(known: Any) -> bool:
    return not known.is_websocket_only and known.proto_id not in (1001, 1004)


ASKED = [known.proto_id for known in registry if sendable(known) and not known.is_push]
PUSHED = [known.proto_id for known in registry if sendable(known) and known.is_push]
KEY = RsaKey.from_pem((FIXTURES / "keys" / "TEST-ONLY-1024.pem").read_bytes())
CONN_ID = 7262309301
AES_KEY, AES_IV = "0123456789ABCDEF", "FEDCBA9876543210"


def handshake(algorithm: int | None, iv: str | None, cipher: Cipher) -> list[Frame]:
    from ftwire.messages import InitConnect

    asks = InitConnect.Request()
    asks.c2s.clientVer = 1011
    asks.c2s.clientID = "healthy"
    if algorithm is not None:
        asks.c2s.packetEncAlgo = algorithm
    gives = init_response(AES_KEY, iv)
    gives.s2c.connID = CONN_ID
    return [
        Frame.build(1001, 1, asks, sender=Role.CLIENT, cipher=cipher),
        Frame.build(1001, 1, gives, sender=Role.SERVER, cipher=cipher),
    ]


@st.composite
def conversations(draw: st.DrawFn) -> list[Frame]:
    """Frames of both sides as an SDK and OpenD send them: any mode, any message, replies in any order."""
    modes: list[tuple[int | None, str | None, Cipher, Cipher]] = [
        (None, None, NONE, NONE),
        (2, AES_IV, NONE, NONE),
        (-1, None, Rsa(KEY), NONE),
        (None, None, Rsa(KEY), FtAesEcb(AES_KEY)),
        (0, None, Rsa(KEY), FtAesEcb(AES_KEY)),
        (1, "", Rsa(KEY), AesEcb(AES_KEY)),
        (2, AES_IV, Rsa(KEY), AesCbc(AES_KEY, AES_IV)),
    ]
    algorithm, iv, rsa, cipher = draw(st.sampled_from(modes))
    body_format: int = draw(st.sampled_from([0, 0, 1]))
    frames = handshake(algorithm, iv, rsa)
    waiting: list[Frame] = []
    packet_id = 0

    def add(proto_id: int, serial: int, sender: Role) -> None:
        nonlocal packet_id
        made_of = registry.message_class(proto_id, is_request=sender is Role.CLIENT)
        assert made_of is not None
        body: Any = draw(messages(made_of, max_depth=3, max_items=2, finite=True))
        c2s = getattr(body, "c2s", None)
        if c2s is not None and "packetID" in c2s.DESCRIPTOR.fields_by_name and c2s.HasField("packetID"):
            packet_id += draw(st.integers(1, 9))
            c2s.packetID.serialNo = packet_id
            c2s.packetID.connID = CONN_ID
        frame = Frame.build(proto_id, serial, body, sender=sender, body_format=body_format, cipher=cipher)
        frames.append(frame)
        if sender is Role.CLIENT:
            waiting.append(frame)

    for serial in range(2, 2 + draw(st.integers(1, 6))):
        add(draw(st.sampled_from(ASKED)), serial, Role.CLIENT)
        if draw(st.booleans()):
            add(draw(st.sampled_from(PUSHED)), draw(st.integers(0, 2**32 - 1)), Role.SERVER)
        answers: int = draw(st.integers(0, len(waiting)))
        for _ in range(answers):
            asked = waiting.pop(draw(st.integers(0, len(waiting) - 1)))
            add(asked.proto_id, asked.serial, Role.SERVER)
    return frames


@given(conversations(), st.booleans())
def test_nothing_is_found_in_what_is_right(frames: list[Frame], tell_sender: bool) -> None:
    # `make explore` makes this some 8,000 frames.
    watched, lone = ConversationChecker(keys=[KEY]), ConversationChecker(keys=[KEY], alone=True)
    seen: list[Piece] = []
    read: list[Piece] = []
    for count, frame in enumerate(frames, 1):
        seen += watched.check_frame(frame.header, frame.payload, frame.sender, count * SECOND)
        read += lone.read(frame.encode(), frame.sender if tell_sender else None, count * SECOND)
    assert of_the_wire(grouped(seen, watched.close(len(frames) * SECOND))) == set()
    assert of_the_wire(grouped(read, lone.close())) == set()
    for pieces in (seen, read):
        assert [piece.raw for piece in pieces] == [frame.encode() for frame in frames]
        assert [piece.body for piece in pieces] == [frame.body for frame in frames]
        assert [piece.sender for piece in pieces] == [frame.sender for frame in frames]


@given(conversations())
def test_without_the_key_nothing_is_found_either(frames: list[Frame]) -> None:
    session = ConversationChecker()
    pieces = [piece for frame in frames for piece in session.check_frame(frame.header, frame.payload, frame.sender)]
    assert of_the_wire(grouped(pieces, session.close())) == set()


@given(st.data())
def test_any_bytes_are_read_to_their_end(data: st.DataObject) -> None:
    frames = [frame.encode() for frame in data.draw(conversations())]
    stream = bytearray(b"".join(frames))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(stream) - 1))
        stream[place] = data.draw(st.integers(0, 255))
    session = ConversationChecker(keys=[KEY], alone=True)
    pieces = list(session.read(bytes(stream)))
    assert b"".join(piece.raw for piece in pieces) == bytes(stream)
    session.close()


# Who sent it is what these are about, or the frame cannot be read at all.
OF_UNKNOWN_SENDERS = {"request_for_response", "response_for_request", "frame_cut", "no_frame", "envelope_on_tcp"}
OF_KNOWN_SENDERS = [
    vector
    for vector in VECTORS
    if vector["transport"] != "websocket" and not OF_UNKNOWN_SENDERS & {one["mistake"] for one in vector["expected"]}
]


@pytest.mark.parametrize("vector", OF_KNOWN_SENDERS, ids=lambda vector: vector["id"])
def test_the_sender_is_recognised_from_the_frames_where_that_can_be(vector: Any) -> None:
    found = check(vector, tell_sender=False)
    assert {(mistake, frames) for mistake, _, frames in found} == {
        (one["mistake"], tuple(one["frames"])) for one in vector["expected"]
    }


@given(conversations(), st.integers(2, 1000))
def test_nothing_is_found_in_envelopes_that_are_right(frames: list[Frame], section: int) -> None:
    session = ConversationChecker()
    start = Envelope.build(1, section, b"\x0a\x00", sender=Role.CLIENT)
    pieces = [session.check_envelope(start)]
    for frame in frames[2:]:
        body: Any = frame.message
        command, number = frame.proto_id, frame.serial + section
        built = Envelope.build(command, number, body, sender=frame.sender)
        pieces.append(session.check_envelope(Envelope.decode(built.encode(), sender=frame.sender)))
    assert of_the_wire(grouped(pieces, session.close())) == set()


def test_frames_inside_each_other_end_in_bounded_work() -> None:
    count = 20_000
    stream = b"".join(
        Frame.build(3008, place, b"", sender=Role.CLIENT).encode()[:12]
        + ((count - place - 1) * 44).to_bytes(4, "little")
        + bytes(28)
        for place in range(count)
    )
    pieces = list(ConversationChecker(keys=[KEY], alone=True).read(stream))
    assert b"".join(piece.raw for piece in pieces) == stream
    assert len(pieces) < 20


def test_an_end_of_nothing_is_nothing() -> None:
    session = ConversationChecker()
    assert list(session.read(b"")) == []
    assert session.close() == []


def hostile() -> Iterator[tuple[str, bytes]]:
    """Inputs of a size that are made to cost much, none of whose digests is found."""
    body = Random(1).randbytes(SIZE)  # noqa: S311 - the same bytes every time
    yield "one frame of random bytes", with_wrong_digest(body + b"\1")
    yield "one frame of text", with_wrong_digest(b"a" * (SIZE + 1))
    yield "one frame of zeros", with_wrong_digest(bytes(SIZE + 1))
    yield "one frame of JSON", with_wrong_digest(b'{"c2s":"' + b"x" * SIZE + b'"}', body_format=1)
    yield "no frame", body
    yield "many beginnings", b"FT" * (SIZE // 2)
    small = with_wrong_digest(rt_request().SerializeToString())
    yield "many small frames", small * (SIZE // 8 // len(small))
    yield "many headers of another layout", (b"TF" + struct.pack("<IBBII", 3008, 0, 0, 1, 0) + bytes(28)) * 2000


SIZE = 1 << 20


def with_wrong_digest(body: bytes, body_format: int = 0) -> bytes:
    return b"FT" + struct.pack("<IBBII", 3008, body_format, 0, 2, len(body)) + b"\x12\x34" * 10 + bytes(8) + body


@pytest.mark.parametrize(("name", "data"), list(hostile()), ids=lambda value: value if isinstance(value, str) else "")
def test_a_search_in_vain_ends_in_bounded_work(name: str, data: bytes) -> None:
    session = ConversationChecker(alone=True)
    pieces = list(session.read(data))
    assert b"".join(piece.raw for piece in pieces) == data, name
    work = session.work
    # The header is hashed with the body, which counts where bodies are small.
    assert work.hashed <= MAX_HASHED * (len(data) + 44 * len(pieces))
    assert work.steps <= MAX_STEPS
    assert work.searches <= MAX_SEARCHES
    assert work.layouts <= MAX_LAYOUTS


def test_searches_in_vain_are_counted_and_end() -> None:
    lost = with_wrong_digest(rt_request().SerializeToString())
    session = ConversationChecker(alone=True)
    pieces = list(session.read(lost * (MAX_SEARCHES + 10)))
    assert {finding.mistake.id for piece in pieces for finding in piece.findings} == {"unexplained_digest"}
    assert session.work.searches == MAX_SEARCHES


def test_more_rsa_blocks_than_needed_are_no_mistake() -> None:
    body = faulty.init_request(2)
    data = faulty.frame(1001, 1, faulty.rsa(body, chunk=16), plain=body)
    (piece,) = ConversationChecker(keys=[KEY]).read(data, Role.CLIENT)
    assert piece.findings == ()
    assert piece.body == body


@pytest.mark.parametrize("key", [b"\xff" * 16, "\u00e9".encode() * 8, b"short", bytes(24), b"0" * 32])
@pytest.mark.parametrize("is_encrypted", [True, False])
def test_a_key_of_any_bytes_is_read_without_an_error(key: bytes, is_encrypted: bool) -> None:
    asks, body = faulty.init_request(2), faulty.rt_request()
    s2c = b"\x22" + bytes([len(key)]) + key + b"\x32\x10" + key[:16].ljust(16)  # connAESKey, aesCBCiv
    gives = b"\x08\x00\x22" + bytes([len(s2c)]) + s2c
    session = ConversationChecker(keys=[KEY])
    for role, serial, plain in ((Role.CLIENT, 1, asks), (Role.SERVER, 1, gives)):
        payload = faulty.rsa(plain) if is_encrypted else plain
        list(session.read(faulty.frame(1001, serial, payload, plain=plain), role))
    (piece,) = session.read(faulty.frame(3008, 2, faulty.cbc(faulty.pkcs7(body)), plain=body), Role.CLIENT)
    assert piece.findings


def test_a_mistake_made_in_every_frame_is_searched_for_once() -> None:
    session = ConversationChecker(alone=True)
    found = set()
    for code in range(700, 2000):
        body = rt_request(f"{code:05}").SerializeToString()
        hashed = sha1(body.hex().encode(), usedforsecurity=False).digest()
        raw = with_wrong_digest(body)
        found |= {
            finding.mistake.id
            for piece in session.read(raw[:16] + hashed + raw[36:], Role.CLIENT)
            for finding in piece.findings
            if finding.mistake.id not in ("init_missing", "serial_reused")
        }
    assert found == {"sha1_of_hex"}
    assert session.work.searches == 1


def test_a_way_to_encrypt_that_was_found_is_tried_first() -> None:
    bodies = [rt_request(f"{code:05}").SerializeToString() for code in range(3)]
    payloads = [AesCbc(AES_IV, AES_KEY).encrypt(body) for body in bodies]
    digests = [sha1(body, usedforsecurity=False).digest() for body in bodies]
    search = EncryptionSearch("aes_cbc", SessionKeys(AES_KEY, AES_IV))
    assert search.find(payloads[0], digests[0], only_likely=True) == (None, False)
    first, searched = search.find(payloads[0], digests[0])
    assert first is not None
    assert searched
    assert first[::2] == ("aes_other_key", bodies[0])
    for payload, digest, body in zip(payloads[1:], digests[1:], bodies[1:], strict=True):
        assert search.find(payload, digest, only_likely=True) == ((*first[:2], body), False)
    assert search.find(payloads[0], digests[1]) == (None, True)
