"""One frame: what it holds, what it is equal to, and which class reads its body."""

from __future__ import annotations

import json
from hashlib import sha1

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.json_format import MessageToJson
from hypothesis import given

from ftwire.cipher import KEY_UNKNOWN, NONE, AesEcb, Cipher
from ftwire.errors import BodyError, DecryptionError, DigestError, KeyRequiredError, UnknownProtocolError
from ftwire.frame import (
    BadFrame,
    Frame,
    Kind,
    MessageClasses,
    Role,
    UnknownBody,
    body_digest,
    encode_frame,
)
from ftwire.header import BodyFormat, Header
from ftwire.messages import Qot_GetRT
from ftwire.protocols import Registry, registry
from ftwire.schema import Schema
from ftwire.stream import FrameDecoder
from support.frames import FRAMES, fed, opened, request, response, rt_request, rt_response

KEY = "0123456789ABCDEF"


def own_schema(proto_id: int, field: str = "word") -> Schema:
    """A user's protocol under this ID, whose request and response are one required string."""
    file = FileDescriptorProto(name="Own.proto", package="Own", syntax="proto2")
    for name in ("Request", "Response"):
        kind = FieldDescriptorProto
        file.message_type.add(name=name).field.add(
            name=field, number=1, type=kind.TYPE_STRING, label=kind.LABEL_REQUIRED
        )
    return Schema.from_descriptor_set(FileDescriptorSet(file=[file]).SerializeToString(), {proto_id: "Own"})


@given(FRAMES)
def test_the_bytes_of_a_frame_are_its_header_and_its_payload(frame: Frame) -> None:
    data = frame.encode()
    header = Header.decode(data)
    assert (frame.proto_id, frame.serial, frame.body_format) == (header.proto_id, header.serial, header.body_format)
    assert frame.header == header
    assert header.sha1 == sha1(frame.body, usedforsecurity=False).digest() == body_digest(frame.body)
    assert data == header.encode() + frame.payload
    assert len(frame) == len(data)
    assert data == encode_frame(frame.proto_id, frame.serial, frame.body, body_format=frame.body_format)
    assert data[36:44] == bytes(8)


def test_odd_header_fields_are_kept() -> None:
    body = b"\x08\0"
    header = Header(3008, 9, len(body), body_digest(body), body_format=0, version=3, reserved=b"reserved")
    classes = MessageClasses(Role.SERVER)
    frame = opened(header, body, classes)
    assert frame.header == header
    assert (frame.frame_type.proto_id, frame.frame_type.body_format, frame.frame_type.version) == (3008, 0, 3)
    assert frame.encode() == header.encode() + body
    assert frame.message == Qot_GetRT.Response(retType=0)
    with pytest.raises(ValueError, match=r"^a header starts with b'FT', not b'ft'$"):
        classes.frame_types[int.from_bytes(b"ft" + header.encode()[2:8], "little")]


@pytest.mark.parametrize("body_format", BodyFormat)
def test_a_frame_is_built_of_a_message_or_of_bytes(body_format: BodyFormat) -> None:
    made = Frame.build(3008, 7, rt_response(), sender=Role.SERVER, body_format=body_format, cipher=AesEcb(KEY))
    again = Frame.build(3008, 7, made.body, sender=Role.SERVER, body_format=body_format, cipher=AesEcb(KEY))
    assert made == again
    assert made.body_format == body_format
    assert made.payload == AesEcb(KEY).encrypt(made.body)
    assert made.message == rt_response()
    assert (made.body[:1] == b"{") is (body_format is BodyFormat.JSON)
    assert encode_frame(3008, 7, made.body, body_format=body_format, cipher=AesEcb(KEY)) == made.encode()
    for proto_id, serial in ((1 << 32, 1), (1, 1 << 32)):
        with pytest.raises(ValueError, match="holds 0 to 4294967295"):
            Frame.build(proto_id, serial, b"", sender=Role.SERVER)


def test_frames_are_equal_when_all_that_is_on_the_wire_is_and_the_side() -> None:
    frame = response(serial=5)
    same = response(serial=5)
    assert frame == same
    assert hash(frame) == hash(same)
    others = [
        response(serial=6),
        response(3009, 5),
        response(serial=5, body=b"\x08\0"),
        response(serial=5, cipher=AesEcb(KEY)),
        Frame.build(3008, 5, frame.body, sender=Role.CLIENT),
        BadFrame(frame.packed_header, frame.payload, frame.frame_type, "none", DigestError(expected=b"", actual=b"")),
    ]
    for other in others:
        assert frame != other
    assert len({frame, same, *others}) == len(others) + 1
    # A set of them is no list: serials tell them apart.
    assert len({hash(response(serial=serial)) for serial in range(100)}) > 90
    assert frame != frame.encode()
    assert frame.__eq__(1) is NotImplemented


def test_a_frame_says_what_it_is() -> None:
    encrypted = response(1004, 9, b"", cipher=AesEcb(KEY))
    assert repr(response(serial=5, body=b"\x08\0")) == "<Frame 3008 Qot_GetRT response serial=5 2 bytes>"
    assert repr(encrypted) == "<Frame 1004 KeepAlive response serial=9 16 bytes>"
    assert repr(Frame.build(5, 1, b"", sender=Role.CLIENT)) == "<Frame 5 unknown request serial=1 0 bytes>"


def test_requests_responses_and_pushes() -> None:
    assert Frame.build(3008, 1, b"", sender=Role.CLIENT).kind is Kind.REQUEST
    assert Frame.build(3008, 1, b"", sender=Role.SERVER).kind is Kind.RESPONSE
    assert Frame.build(3009, 1, b"", sender=Role.SERVER).kind is Kind.PUSH
    # A client does not push; what it sends under a push's ID is a request that nobody knows.
    odd = Frame.build(3009, 1, b"x", sender=Role.CLIENT)
    assert odd.kind is Kind.REQUEST
    assert odd.message == UnknownBody(3009, 0, b"x")
    assert Frame.build(5, 1, b"", sender=Role.SERVER).kind is Kind.RESPONSE
    assert (Role.CLIENT.peer, Role.SERVER.peer) == (Role.SERVER, Role.CLIENT)


@pytest.mark.parametrize("sender", Role)
def test_who_sends_unknown_ids_formats_and_versions_leaves_nothing_behind(sender: Role) -> None:
    classes = MessageClasses(sender)
    for number in range(100):
        body = b"x"
        for proto_id, body_format, version in ((100_000 + number, 0, 0), (3008, 2 + number, 0), (3008, 0, 1 + number)):
            header = Header(proto_id, 1, 1, body_digest(body), body_format, version)
            frame = opened(header, body, classes)
            assert frame.encode() == header.encode() + body
            assert frame.kind is (Kind.REQUEST if sender is Role.CLIENT else Kind.RESPONSE)
            if version == 0:
                assert isinstance(frame.message, UnknownBody)
    assert set(classes) <= {3008}
    assert set(classes.kinds) <= {3008}
    assert len(classes.frame_types) == 0


def test_known_frame_types_are_looked_up_once() -> None:
    classes = MessageClasses(Role.SERVER)
    header = Header(3008, 1, 2, body_digest(b"\x08\0"))
    first, second = (opened(header, b"\x08\0", classes) for _ in range(2))
    assert first.message == second.message == Qot_GetRT.Response(retType=0)
    assert type(first.message) is type(second.message)
    assert list(classes) == [3008]
    assert list(classes.kinds) == [3008]
    (frame_type,) = classes.frame_types.values()
    assert (frame_type.proto_id, frame_type.body_format, frame_type.kind) == (3008, 0, Kind.RESPONSE)
    # From here on a body takes one call.
    assert frame_type.parse(b"\x08\0") == first.message


def test_json_is_never_given_to_the_parser_of_protobuf() -> None:
    classes = MessageClasses(Role.SERVER)
    for _ in range(2):
        made = Frame.build(3008, 1, rt_response(), sender=Role.SERVER, body_format=1)
        frame = opened(made.header, made.payload, classes)
        assert frame.message == rt_response()
    assert len(classes.frame_types) == 1
    bad = Frame.build(3008, 1, b"\x08\0", sender=Role.SERVER, body_format=1)
    with pytest.raises(BodyError):
        opened(bad.header, bad.payload, classes).message  # noqa: B018


def test_a_body_that_is_no_message_is_an_error_each_time_it_is_asked_for() -> None:
    frame = Frame.build(3008, 1, b"\x08\0\x12\xff", sender=Role.SERVER)
    for _ in range(2):
        with pytest.raises(BodyError):
            frame.message  # noqa: B018
    # What a class requires may be missing.
    assert Frame.build(3008, 1, b"\x12\x01x", sender=Role.SERVER).message == Qot_GetRT.Response(retMsg="x")


def test_an_id_with_two_meanings_is_read_with_the_one_that_fits() -> None:
    """The newer first, complete; then the others; and where none fits, as the newer says it is wrong."""
    known = registry.beside(own_schema(3008))
    newer, former = known.all(3008)
    words = {entry.name: entry for entry in (newer, former)}
    assert list(words) == ["Own", "Qot_GetRT"]
    own = words["Own"].response(word="x")
    both = [(rt_response(), words["Qot_GetRT"]), (own, words["Own"])]
    for message, entry in both * 2:
        frame = Frame.build(3008, 1, message.SerializeToString(), sender=Role.SERVER, registry=known)
        assert type(frame.message) is entry.response
        assert frame.message == message
        text = Frame.build(3008, 1, message, sender=Role.SERVER, body_format=BodyFormat.JSON, registry=known)
        assert type(text.message) is entry.response
        assert text.message == message
    # To a string any message is one.
    asks = Frame.build(3008, 1, rt_request(), sender=Role.CLIENT, registry=known)
    assert newer.request is not None
    assert asks.message == newer.request(word=rt_request().c2s.SerializeToString().decode())
    with pytest.raises(BodyError) as caught:
        Frame.build(3008, 1, b"\xff", sender=Role.SERVER, registry=known).message  # noqa: B018
    assert newer.name in str(caught.value)


def test_a_frame_tells_the_class_of_its_body_where_that_is_certain() -> None:
    known = registry.beside(own_schema(3009))
    built = [
        Frame.build(proto_id, 1, b"", sender=sender, body_format=body_format, registry=known)
        for proto_id in (3008, 3009, 99999)
        for sender in (Role.CLIENT, Role.SERVER)
        for body_format in (0, 1, 2)
    ]
    certain = [Qot_GetRT.Request, None, None, Qot_GetRT.Response, None, None, *[None] * 12]
    for body in (b"", b"not the digest's"):
        for frame, found in zip(built, certain, strict=True):
            again = opened(frame.header, body, frame.classes)
            assert frame.body_class is again.body_class is found
    # A body that was read before is of the same.
    read = opened(built[3].header, b"", MessageClasses(Role.SERVER, known))
    assert type(read.message) is read.body_class is Qot_GetRT.Response


@pytest.mark.parametrize("body_format", BodyFormat)
@pytest.mark.parametrize("read_before", [False, True])
def test_the_json_of_a_frame_is_what_protobuf_makes_of_its_message(body_format: BodyFormat, read_before: bool) -> None:
    known = Registry(own_schema(9001, "some_word"))
    response_class = known[9001].response
    assert response_class is not None
    message = response_class(some_word="x\u00e9")
    frame = Frame.build(9001, 1, message, sender=Role.SERVER, body_format=body_format, registry=known)
    for lower_camel in (False, True):
        found = opened(frame.header, frame.payload, frame.classes)
        if read_before:
            assert found.message == message
        wanted = MessageToJson(message, preserving_proto_field_name=not lower_camel, indent=None)
        assert json.loads(found.to_json(lower_camel=lower_camel)) == json.loads(wanted)
        assert ("someWord" in wanted) is lower_camel
    assert found.to_json() == found.to_json(lower_camel=False) != found.to_json(lower_camel=True)


def test_what_is_no_message_has_no_json() -> None:
    with pytest.raises(UnknownProtocolError, match="99999"):
        Frame.build(99999, 1, b"", sender=Role.SERVER).to_json()
    with pytest.raises(BodyError):
        Frame.build(3008, 1, b"\xff", sender=Role.SERVER).to_json()


def test_what_is_known_is_the_registrys_given() -> None:
    known = Registry(own_schema(9001))
    frame = Frame.build(9001, 1, b"\x0a\x01x", sender=Role.SERVER, registry=known)
    assert frame.protocol is not None
    assert (frame.protocol.name, frame.message.word) == ("Own", "x")  # type: ignore[union-attr]
    assert isinstance(Frame.build(3008, 1, b"", sender=Role.SERVER, registry=known).message, UnknownBody)
    assert Frame.build(9001, 1, b"", sender=Role.SERVER).protocol is None


def test_a_bad_frame_gives_its_bytes_and_nothing_else() -> None:
    good = response(serial=3)
    wrong = Header(3008, 3, len(good.payload), bytes(20))
    bad = opened(wrong, good.payload, good.classes)
    assert isinstance(bad, BadFrame)
    assert isinstance(bad.error, DigestError)
    assert (bad.error.expected, bad.error.actual, bad.error.frame) == (bytes(20), body_digest(good.body), bad)
    assert bad.encode() == wrong.encode() + good.payload
    assert repr(bad) == f"<BadFrame 3008 Qot_GetRT response serial=3 {len(good.payload)} bytes>"
    same = bad.packed_header, bad.payload, bad.frame_type, "none"
    assert bad == BadFrame(*same, DecryptionError(cipher="rsa", reason=""))
    # An error that has its frame keeps it.
    BadFrame(*same, bad.error)
    assert bad.error.frame is bad
    for read in ("body", "message"):
        with pytest.raises(DigestError) as caught:
            getattr(bad, read)
        assert caught.value is bad.error
    encrypted = opened(good.header, good.payload, good.classes, KEY_UNKNOWN)
    assert isinstance(encrypted.error, KeyRequiredError)
    with pytest.raises(KeyRequiredError):
        encrypted.message  # noqa: B018


def test_frames_decoded_and_frames_built_are_the_same() -> None:
    for role, frame in ((Role.CLIENT, request()), (Role.SERVER, response())):
        (decoded,) = fed(FrameDecoder(role).feed, [frame.encode()])
        assert decoded == frame
        assert decoded.sender is frame.sender is role
        assert decoded.message == frame.message


@pytest.mark.parametrize("cipher", [NONE, AesEcb(KEY), KEY_UNKNOWN], ids=lambda cipher: cipher.name)
def test_a_frame_has_the_name_of_the_cipher_that_opened_it_or_did_not(cipher: Cipher) -> None:
    good = response(cipher=NONE if cipher is KEY_UNKNOWN else cipher)
    frame = opened(good.header, good.payload, good.classes, cipher)
    assert frame.encryption == cipher.name
    assert opened(good.header, good.payload + bytes(16), good.classes, cipher).encryption == cipher.name
    assert (frame.error is None) is (cipher is not KEY_UNKNOWN)
    if frame.error is None:
        assert good.encryption == cipher.name
