"""Envelopes of both directions: bytes from the facts, round trips, and messages that are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire.errors import BodyError, EnvelopeError
from ftwire.frame import Kind, Role, UnknownBody
from ftwire.header import CLIENT_ENVELOPE, CLIENT_ENVELOPE_STRUCT, SERVER_ENVELOPE, SERVER_ENVELOPE_STRUCT
from ftwire.protocols import registry
from ftwire.websocket import (
    CLIENT_HEADER_SIZE,
    DISCONNECTED,
    INIT,
    SERVER_HEADER_SIZE,
    BadEnvelope,
    Envelope,
    EnvelopeStatus,
    websocket_key_digest,
)

ROLES = pytest.mark.parametrize("sender", list(Role))

# "ft-v1.0" NUL, command 3008, section 7, then the body.
REQUEST = bytes.fromhex("66742d76312e3000 00000bc0 0000000000000007") + b"\x0a\x00"
# The same, error 1, "time out" and twelve NUL, no body.
REPLY = bytes.fromhex("66742d76312e3000 00000bc0 0000000000000007 00000001") + b"time out" + bytes(12)
# Error -1 is no unsigned 4294967295.
NEGATIVE = bytes.fromhex("66742d76312e3000 00000bc0 0000000000000007 ffffffff") + bytes(20)


def test_a_request_is_read_by_its_big_endian_fields() -> None:
    envelope = Envelope.decode(REQUEST, sender=Role.CLIENT)
    assert (envelope.command, envelope.section, envelope.body) == (3008, 7, b"\x0a\x00")
    assert (envelope.proto_id, envelope.serial, envelope.payload) == (3008, 7, b"\x0a\x00")
    assert (envelope.kind, envelope.sender, envelope.body_format) == (Kind.REQUEST, Role.CLIENT, 0)
    assert (envelope.error, envelope.error_code, envelope.error_text, envelope.error_bytes) == (None, 0, "", b"")
    assert envelope.protocol is registry[3008]
    assert len(envelope) == len(REQUEST) == 22
    assert envelope.encode() == REQUEST
    assert repr(envelope) == "<Envelope 3008 Qot_GetRT request section=7 2 bytes>"


def test_a_reply_carries_what_went_wrong() -> None:
    envelope = Envelope.decode(REPLY, sender=Role.SERVER)
    assert envelope.error_code is EnvelopeStatus.TIMEOUT or envelope.error_code == EnvelopeStatus.TIMEOUT
    assert (envelope.error_text, envelope.body, envelope.kind) == ("time out", b"", Kind.RESPONSE)
    assert envelope.encode() == REPLY
    assert Envelope.decode(NEGATIVE, sender=Role.SERVER).error_code == -1


def test_the_header_sizes_are_those_of_the_vendors_client() -> None:
    assert (CLIENT_HEADER_SIZE, SERVER_HEADER_SIZE) == (20, 44)


@given(command=st.integers(0, 2**32 - 1), section=st.integers(0, 2**64 - 1))
def test_the_fast_path_writes_what_the_declaration_writes(command: int, section: int) -> None:
    fields = {"command": command, "section": section}
    assert CLIENT_ENVELOPE.build(fields) == CLIENT_ENVELOPE_STRUCT.pack(b"ft-v1.0\0", command, section)
    signed, text = command - 2**31, section.to_bytes(20, "little")
    assert SERVER_ENVELOPE.build({**fields, "error_code": signed, "error_text": text}) == SERVER_ENVELOPE_STRUCT.pack(
        b"ft-v1.0\0", command, section, signed, text
    )


@ROLES
@given(rest=st.binary(max_size=80))
def test_every_message_that_decodes_encodes_to_its_bytes(sender: Role, rest: bytes) -> None:
    data = b"ft-v1.0\0" + rest
    try:
        envelope = Envelope.decode(data, sender=sender)
    except EnvelopeError as error:
        assert len(rest) < (12 if sender is Role.CLIENT else 36)
        assert error.data == data
        return
    assert envelope.encode() == data
    assert len(envelope) == len(data)
    assert envelope == Envelope.decode(memoryview(data), sender=sender)
    assert hash(envelope) == hash(Envelope.decode(bytearray(data), sender=sender))


@given(
    command=st.integers(0, 2**32 - 1),
    section=st.integers(0, 2**64 - 1),
    body=st.binary(max_size=50),
    error_code=st.integers(-(2**31), 2**31 - 1),
    error_text=st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=5),
)
def test_what_the_server_builds_is_read_back(
    command: int, section: int, body: bytes, error_code: int, error_text: str
) -> None:
    built = Envelope.build(command, section, body, sender=Role.SERVER, error_code=error_code, error_text=error_text)
    read = Envelope.decode(built.encode(), sender=Role.SERVER)
    assert read == built
    assert (read.command, read.section, read.body, read.error_code, read.error_text) == (
        command,
        section,
        body,
        error_code,
        error_text,
    )


@given(command=st.integers(0, 2**32 - 1), section=st.integers(0, 2**64 - 1), body=st.binary(max_size=50))
def test_what_the_client_builds_is_read_back(command: int, section: int, body: bytes) -> None:
    built = Envelope.build(command, section, body, sender=Role.CLIENT)
    read = Envelope.decode(built.encode(), sender=Role.CLIENT)
    assert read == built
    assert (read.command, read.section, read.body) == (command, section, body)


@ROLES
@given(data=st.binary(max_size=60))
def test_any_message_gives_an_envelope_or_an_envelope_error(sender: Role, data: bytes) -> None:
    try:
        assert Envelope.decode(data, sender=sender).encode() == data
    except EnvelopeError as error:
        assert error.data == data
        assert str(error)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "here is nothing"),
        (b"FT" + bytes(42), "here is 4654000000000000"),
        (b"ft-v1.0", "here is 66742d76312e30"),
        (b"ft-v1.0\0" + bytes(35), "the header of an envelope from the server is 44 bytes, here are 43"),
        (b"ft-v1.0\0" + bytes(36 + 101), "a body of 101 bytes, the limit is 100"),
    ],
)
def test_what_is_no_envelope_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(EnvelopeError, match=reason):
        Envelope.decode(data, sender=Role.SERVER, max_body=100)


@pytest.mark.parametrize(
    ("sender", "fields", "named"),
    [
        (Role.CLIENT, {"command": 2**32}, "command"),
        (Role.CLIENT, {"command": -1}, "command"),
        (Role.CLIENT, {"section": 2**64}, "section"),
        (Role.SERVER, {"error_code": 2**31}, "error_code"),
        (Role.SERVER, {"error_text": "21 bytes are too many"}, "error_text"),
        (Role.SERVER, {"error_text": "超过二十个字节"}, "21"),
        (Role.CLIENT, {"error_code": 1}, "no field for an error"),
        (Role.CLIENT, {"error_text": "no"}, "no field for an error"),
    ],
)
def test_what_a_field_cannot_hold_is_refused(sender: Role, fields: dict[str, int | str], named: str) -> None:
    arguments: dict[str, object] = {"command": 3008, "section": 2, "body": b"", **fields}
    with pytest.raises(ValueError, match=named):
        Envelope.build(sender=sender, **arguments)  # type: ignore[arg-type]


def test_error_text_that_is_not_utf8_keeps_its_bytes() -> None:
    data = REPLY[:24] + b"\xff\xfe" + bytes(17) + b"x"
    envelope = Envelope.decode(data, sender=Role.SERVER)
    assert envelope.error_text == "\ufffd\ufffd"
    assert envelope.error_bytes == b"\xff\xfe" + bytes(17) + b"x"
    assert envelope.encode() == data


def test_the_body_is_the_message_of_its_direction() -> None:
    request_class = registry[INIT].request
    assert request_class is not None
    request = request_class()
    request.c2s.websocketKey = websocket_key_digest("secret")
    sent = Envelope.build(INIT, 2, request, sender=Role.CLIENT)
    assert Envelope.decode(sent.encode(), sender=Role.CLIENT).message == request

    reply = registry[INIT].response(retType=0)
    reply.s2c.connID = 5
    answered = Envelope.build(INIT, 2, reply, sender=Role.SERVER)
    assert answered.message == reply
    assert answered.kind is Kind.RESPONSE


def test_pushes_are_known_by_their_command() -> None:
    assert Envelope.build(3009, 0, b"", sender=Role.SERVER).kind is Kind.PUSH
    assert Envelope.build(DISCONNECTED, 0, b"", sender=Role.SERVER).kind is Kind.PUSH
    assert Envelope.build(3008, 0, b"", sender=Role.SERVER).kind is Kind.RESPONSE


def test_an_unknown_command_carries_its_raw_body() -> None:
    assert Envelope.build(99, 2, b"raw", sender=Role.SERVER).message == UnknownBody(99, 0, b"raw")
    with pytest.raises(BodyError):
        _ = Envelope.build(3008, 2, b"\xff", sender=Role.SERVER).message


def test_a_bad_envelope_reads_like_one_but_for_its_body() -> None:
    error = EnvelopeError(reason="why", data=b"what came")
    good = Envelope.build(3008, 2, b"", sender=Role.SERVER)
    bad = BadEnvelope(good.classes, error)
    assert (bad.command, bad.section, bad.payload, bad.encode(), len(bad)) == (0, 0, b"what came", b"what came", 9)
    assert (bad.error, bad.protocol, bad.sender, bad.kind) == (error, None, Role.SERVER, Kind.RESPONSE)
    assert repr(bad) == "<BadEnvelope response 9 bytes: why>"
    for read in (lambda: bad.body, lambda: bad.message):
        with pytest.raises(EnvelopeError) as caught:
            read()
        assert caught.value is error
    assert bad != good


def test_the_shared_key_travels_as_its_md5() -> None:
    assert websocket_key_digest("abc") == websocket_key_digest(b"abc") == "900150983cd24fb0d6963f7d28e17f72"
    assert websocket_key_digest("") == websocket_key_digest(b"") == websocket_key_digest(None) == ""
