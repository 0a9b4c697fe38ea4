"""Bodies as JSON and plain values: the compiled core, the Python walk and protobuf itself agree."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.json_format import MessageToDict, MessageToJson
from google.protobuf.message import DecodeError, Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftwire.body import (
    body_to_dict,
    body_to_json,
    missing_fields,
    to_dict,
    to_dict_in_python,
    to_json,
    to_json_in_python,
)
from ftwire.errors import BodyError, DigestError, UnknownProtocolError
from ftwire.frame import BaseFrame, Frame, MessageClasses, Role
from ftwire.header import Header
from ftwire.messages import InitConnect, Qot_GetRT, TestCmd
from ftwire.projection import Projection
from ftwire.protocols import registry
from ftwire.schema import Schema, is_repeated
from ftwire.strategies import messages
from ftwire.websocket import Envelope
from support.cores import needs_core
from support.frames import opened, rt_request, rt_response

CLASSES = [
    message_class
    for entry in registry
    for message_class in (entry.request, entry.response)
    if message_class is not None
]

F = FieldDescriptorProto
OPTIONAL, REPEATED = F.LABEL_OPTIONAL, F.LABEL_REPEATED


def schema(*, syntax: str = "proto2", change: Callable[[DescriptorProto], object] | None = None) -> type[Message]:
    """A message with a field of every type, single, repeated and packed, that holds itself and nothing else."""
    file = FileDescriptorProto(name="All.proto", package="All", syntax=syntax)
    enum = file.enum_type.add(name="Side")
    for name, number in (("None", 0), ("Buy", 1), ("Sell", 2), ("Beyond", -1), ("Purchase", 1)):
        enum.value.add(name=name, number=number)
    enum.options.allow_alias = True
    whole = file.message_type.add(name="Response")
    number = 1
    for kind in (*range(1, 10), *range(11, 19)):
        for label, packed in ((OPTIONAL, False), (REPEATED, False), (REPEATED, True)):
            if packed and kind in (F.TYPE_STRING, F.TYPE_MESSAGE, F.TYPE_BYTES):
                continue
            if number == 14:
                number = 16_000  # tags of one, two and three bytes
            field = whole.field.add(name=f"field_{number}", number=number, type=kind, label=label)
            if packed:
                field.options.packed = True
            if kind in (F.TYPE_MESSAGE, F.TYPE_ENUM):
                field.type_name = ".All.Response" if kind == F.TYPE_MESSAGE else ".All.Side"
            number += 1 if number != 40 else 60
    if change is not None:
        change(whole)
    files = FileDescriptorSet(file=[file]).SerializeToString()
    return Schema.from_descriptor_set(files).message("All.Response")


EVERYTHING = schema()
ANY_CLASS = st.sampled_from([*CLASSES, *[EVERYTHING] * (len(CLASSES) // 4)])
ANY_MESSAGE = ANY_CLASS.flatmap(messages)


def check(body: bytes, message_class: type[Message]) -> bool:
    """Compare what the core makes of a body with the parsed message's; return whether it made anything."""
    made = False
    for lower_camel in (False, True):
        text = body_to_json(body, message_class, lower_camel=lower_camel)
        values = body_to_dict(body, message_class, lower_camel=lower_camel)
        assert (text is None) == (values is None)
        if text is None:
            continue
        made = True
        message = message_class.FromString(body)
        assert text == to_json_in_python(message, lower_camel=lower_camel)
        # repr: a NaN is not equal to itself, and the order counts.
        assert repr(values) == repr(to_dict_in_python(message, lower_camel=lower_camel))
        for indent in (0, 2):
            indented = body_to_json(body, message_class, lower_camel=lower_camel, indent=indent)
            assert indented == to_json_in_python(message, lower_camel=lower_camel, indent=indent)
    return made


@pytest.mark.sampled(6)
@needs_core
@pytest.mark.parametrize("message_class", [*CLASSES, EVERYTHING], ids=lambda cls: cls.DESCRIPTOR.full_name)
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_whatever_protobuf_writes_is_read(message_class: type[Message], data: st.DataObject) -> None:
    message = data.draw(messages(message_class))
    check(message.SerializePartialToString(), message_class)
    assert to_json(message, lower_camel=True) == MessageToJson(message, indent=None)
    assert repr(to_dict(message, lower_camel=True)) == repr(MessageToDict(message))
    # An enum value that the class does not know is no field of the message: such bodies are left to protobuf.
    message.DiscardUnknownFields()
    assert check(message.SerializePartialToString(), message_class)


def damaged(body: bytes, chance: Random) -> bytes:
    data = bytearray(body)
    for _ in range(chance.randint(1, 3)):
        at, to = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
        change = chance.randrange(6)
        if change == 0 and data:
            data[at % len(data)] = chance.choice((0, 1, 2, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif change == 1:
            del data[at : min(to, at + 8)]
        elif change == 2:
            data[at:at] = data[at:to]  # fields twice, lists that go on elsewhere
        elif change == 3:
            data[at:at] = chance.randbytes(chance.randint(1, 11))
        elif change == 4:
            data = data[at:to] + data[:at] + data[to:]
        elif data:
            data[at % len(data)] ^= 1 << chance.randrange(8)
    return bytes(data)


@needs_core
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(message=ANY_MESSAGE, seed=st.integers(0, 2**32))
def test_a_damaged_body_is_read_as_protobuf_reads_it_or_left_to_it(message: Message, seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - damage, not a secret
    body = message.SerializePartialToString()
    for _ in range(40):
        check(damaged(body, chance), type(message))


@needs_core
@given(message_class=ANY_CLASS, body=st.binary(max_size=200))
def test_arbitrary_bytes_are_read_as_protobuf_reads_them_or_left_to_it(
    message_class: type[Message], body: bytes
) -> None:
    check(body, message_class)


def varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def field(number: int, wire_type: int, value: bytes) -> bytes:
    return varint(number << 3 | wire_type) + value


@needs_core
@pytest.mark.parametrize(
    ("body", "is_read"),
    [
        ("", True),
        ("0800 1200 1800 2200", True),
        ("0800 c03e05 d23e0161", True),  # fields that the class does not have, after its own
        ("c03e05 0800 d23e0161 1200", True),  # and among them
        ("0800 0801", False),  # twice
        ("1200 0800", False),  # out of order
        ("0d00000000", False),  # not the wire type that is declared
        ("08ffffffffffffffffff01", True),
        ("08ffffffffffffffffff02", False),  # more than 64 bits
        ("088080808080808080808000", False),
        ("888000 00", True),  # a tag of more bytes than it needs
        ("8880808000 00", True),
        ("888080808000 00", False),  # of more than any needs
        ("12818000 61", True),  # the same of a length
        ("128180808000 61", True),
        ("12818080808000 61", False),
        ("8880808010 00", False),  # of more than 32 bits
        ("0800 f306 f406", False),  # a group
        ("0800 f306", False),
        ("0800 00", False),
        ("0800 02", False),
        ("08", False),
        ("1202 ff", False),
        ("1201 ff", False),  # no UTF-8
        ("1203 eda080", False),  # half a surrogate pair
        ("12fffffffff0ffffffff01", False),
        ("2204 0a020801", True),
        ("2202 0a00 2202 1200", False),  # a message in two parts
        ("2202 1200 2a00", True),
    ],
)
def test_what_is_read_and_what_is_left(body: str, is_read: bool) -> None:
    assert check(bytes.fromhex(body), Qot_GetRT.Response) is is_read


def numbers(kind: int) -> list[int]:
    """The repeated fields of one type in ``EVERYTHING``: declared unpacked, and packed."""
    descriptor: Any = EVERYTHING.DESCRIPTOR
    return [each.number for each in descriptor.fields if each.type == kind and is_repeated(each)]


@needs_core
@pytest.mark.parametrize(
    ("kind", "wire_type", "values"),
    [
        (F.TYPE_BOOL, 0, ("01", "00", "8001")),
        (F.TYPE_ENUM, 0, ("01", "ffffffffffffffffff01", "02")),
        (F.TYPE_INT32, 0, ("01", "ffffffffffffffffff01", "8080808010")),
        (F.TYPE_SINT64, 0, ("01", "ffffffffffffffffff01", "02")),
        (F.TYPE_DOUBLE, 1, ("000000000000f87f", "0000000000000080", "9a9999999999b93f")),
        (F.TYPE_SFIXED32, 5, ("ffffffff", "00000080", "01000000")),
    ],
)
def test_lists_are_read_packed_and_unpacked_whatever_is_declared(
    kind: int, wire_type: int, values: tuple[str, ...]
) -> None:
    items = [bytes.fromhex(value) for value in values]
    for number in numbers(kind):
        apart = b"".join(field(number, wire_type, item) for item in items)
        block = b"".join(items)
        packed = field(number, 2, varint(len(block)) + block)
        for body in (apart, packed, apart + packed, packed + apart, packed + packed):
            assert check(body, EVERYTHING)
        assert not check(field(number, 2, b"\0"), EVERYTHING)  # a list without values is not there
        assert not check(packed[:-1], EVERYTHING)
        assert not check(field(number, 2, varint(len(block) - 1) + block), EVERYTHING) or wire_type == 0


@needs_core
def test_values_that_an_enum_does_not_have_are_left_to_protobuf() -> None:
    for number in numbers(F.TYPE_ENUM):
        for value in (3, 2**31, 2**64 - 2):
            body = field(number, 0, b"\1") + field(number, 0, varint(value))
            assert not check(body, EVERYTHING)
            message = EVERYTHING.FromString(body)
            assert to_json(message) == MessageToJson(message, preserving_proto_field_name=True, indent=None)


def test_of_an_enums_aliases_protobufs_is_written() -> None:
    message = EVERYTHING.FromString(field(numbers(F.TYPE_ENUM)[0], 0, b"\1"))
    assert "Buy" in to_json(message)
    written = MessageToJson(message, preserving_proto_field_name=True, indent=None)
    assert to_json(message) == to_json_in_python(message) == written


FLOATS = [
    *(sign * 2.0**power for power in range(-1074, 1024) for sign in (1, -1)),
    *(math.nextafter(2.0**power, way) for power in range(-1022, 1024) for way in (0, math.inf)),
    *(float(f"{digits}e{power}") for power in range(-324, 309) for digits in (1, 1.7, 9.5, 123)),
    *(0.0, -0.0, math.nan, math.inf, -math.inf, 1e16, 9999999999999998.0, 1e-4, 9.999e-5, 2.0**53, 2.0**53 - 1),
]


@needs_core
def test_floats_are_written_as_python_writes_them() -> None:
    double, single = (next(n for n in numbers(kind)) for kind in (F.TYPE_DOUBLE, F.TYPE_FLOAT))
    assert check(b"".join(field(double, 1, struct.pack("<d", value)) for value in FLOATS), EVERYTHING)
    some = [*range(0, 2**32, 999_983), *(power << 23 | more for power in range(512) for more in (0, 1, 0x7FFFFF))]
    assert check(b"".join(field(single, 5, struct.pack("<I", bits)) for bits in some), EVERYTHING)


@needs_core
@given(st.floats())
def test_any_float_is_written_as_python_writes_it(value: float) -> None:
    assert check(field(numbers(F.TYPE_DOUBLE)[0], 1, struct.pack("<d", value)), EVERYTHING)


def without_some(message: Any, chance: Random) -> Any:
    """The message, with a few of its fields removed at whatever depth."""
    for field, value in message.ListFields():
        if chance.random() < 0.1:
            message.ClearField(field.name)
        elif field.message_type is not None:
            for item in value if is_repeated(field) else [value]:
                without_some(item, chance)
    return message


@needs_core
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(message_class=st.sampled_from(CLASSES), seed=st.integers(0, 2**32), data=st.data())
def test_a_body_that_lacks_a_required_field_is_left_to_python_where_that_is_asked_for(
    message_class: type[Message], seed: int, data: st.DataObject
) -> None:
    message = without_some(data.draw(messages(message_class)), Random(seed))  # noqa: S311 - a choice, not a secret
    message.DiscardUnknownFields()
    body = message.SerializePartialToString()
    lacks = bool(missing_fields(message))
    whole = body_to_json(body, message_class, lower_camel=True)
    assert whole == to_json_in_python(message, lower_camel=True)
    assert body_to_json(body, message_class, lower_camel=True, complete=True) == (None if lacks else whole)
    # What is not asked for is checked, too, in whatever order its fields come.
    names = [field.name for field in message_class.DESCRIPTOR.fields]
    for paths in ((), names[:1], names):
        assert (Projection(message_class, paths).decode_plain(body) is None) is lacks


@needs_core
@given(st.permutations(range(4)), st.sets(st.integers(0, 3)))
def test_required_fields_count_in_any_order_and_by_their_wire_type(order: list[int], wrong: set[int]) -> None:
    # Qot_Common.Security has two required fields; here inside a message that nothing is wanted of.
    parts = [b"\x08\x01", b"\x12\x05" + b"00700", b"\x08\x02", b"\xa0\x06\x00"]
    for at in wrong:
        # A number in place of text and the reverse are fields that the class does not have.
        parts[at] = [b"\x0a\x00", b"\x10\x01", b"\x0d\0\0\0\0", b""][at]
    security = b"".join(parts[at] for at in order)
    body = field(1, 2, varint(len(outer := field(1, 2, varint(len(security)) + security))) + outer)
    is_whole = not missing_fields(Qot_GetRT.Request.FromString(body))
    assert (Projection(Qot_GetRT.Request, ()).decode_plain(body) is not None) is is_whole


@needs_core
@given(st.text())
def test_any_text_is_written_as_python_writes_it(text: str) -> None:
    assert check(TestCmd.Response(retMsg=text).SerializePartialToString(), TestCmd.Response)


@needs_core
@given(st.binary())
def test_any_bytes_are_written_as_python_writes_them(data: bytes) -> None:
    assert check(field(numbers(F.TYPE_BYTES)[0], 2, varint(len(data)) + data), EVERYTHING)


@needs_core
@pytest.mark.parametrize("depth", [1, 63, 64, 99, 100, 101, 5000])
def test_nesting_has_a_limit(depth: int) -> None:
    number = numbers(F.TYPE_MESSAGE)[0]
    body = b""
    for _ in range(depth):
        body = field(number, 2, varint(len(body)) + body)
    assert check(body, EVERYTHING) is (depth < 64)
    if depth <= 100:
        message = EVERYTHING.FromString(body)
        assert to_json(message) == MessageToJson(message, preserving_proto_field_name=True, indent=None)
    else:
        with pytest.raises(DecodeError):
            EVERYTHING.FromString(body)


@needs_core
def test_bodies_and_texts_of_great_length_are_left_to_python() -> None:
    number = numbers(F.TYPE_BOOL)[1]
    for length, is_read in ((2**20, True), (2**24 - 10, False), (2**24, False)):
        # Seven characters of text for a byte.
        body = field(number, 2, varint(length) + bytes(length))
        assert (body_to_json(body, EVERYTHING, lower_camel=False) is not None) is is_read
        assert body_to_json(body[:-1], EVERYTHING, lower_camel=False) is None
    assert body_to_dict(body, EVERYTHING, lower_camel=False) is None
    for indent in (-1, 17):
        assert body_to_json(b"", EVERYTHING, lower_camel=False, indent=indent) is None


@needs_core
def test_what_no_message_class_has_is_refused() -> None:
    import ftwire_core

    with pytest.raises(ValueError, match="type 10"):
        ftwire_core.JsonWriter([[(1, 10, 1, "group", 0, [])]])
    with pytest.raises(ValueError, match="nested"):
        ftwire_core.JsonWriter([[(1, 11, 1, "inner", 1, [])]])
    with pytest.raises(ValueError, match="numbered"):
        ftwire_core.JsonWriter([[(0, 5, 1, "zero", 0, [])]])
    nothing = ftwire_core.JsonWriter([])
    assert nothing.text(b"") is None
    assert nothing.values(b"") is None


def with_oneof(message: DescriptorProto) -> None:
    message.oneof_decl.add(name="either")
    message.field[0].oneof_index = message.field[3].oneof_index = 0


def with_group(message: DescriptorProto) -> None:
    message.nested_type.add(name="Group")
    message.field.add(name="group", number=100, type=F.TYPE_GROUP, label=OPTIONAL, type_name=".All.Response.Group")


def with_map(message: DescriptorProto) -> None:
    entry = message.nested_type.add(name="PricesEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=F.TYPE_STRING, label=OPTIONAL)
    entry.field.add(name="value", number=2, type=F.TYPE_DOUBLE, label=OPTIONAL)
    message.field.add(
        name="prices", number=100, type=F.TYPE_MESSAGE, label=REPEATED, type_name=".All.Response.PricesEntry"
    )


@pytest.mark.parametrize(
    "message_class",
    [
        schema(syntax="proto3", change=lambda message: message.field[0].ClearField("label")),
        schema(change=with_oneof),
        schema(change=with_group),
        schema(change=with_map),
        schema(change=lambda message: message.extension_range.add(start=100, end=200)),
    ],
    ids=["no presence", "oneof", "group", "map", "extensions"],
)
def test_classes_with_rules_of_their_own_are_left_to_python(message_class: type[Message]) -> None:
    assert body_to_json(b"", message_class, lower_camel=False) is None
    assert body_to_dict(b"", message_class, lower_camel=False) is None
    assert Projection(message_class, ()).decode_plain(b"") is None
    body = field(1, 1, bytes(8)) + field(4, 5, bytes(4))
    message = message_class.FromString(body)
    assert to_json(message) == MessageToJson(message, preserving_proto_field_name=True, indent=None)
    assert to_dict(message) == MessageToDict(message, preserving_proto_field_name=True)


def json_of(frame: BaseFrame) -> str:
    """What ``to_json`` should give."""
    message = frame.message
    assert isinstance(message, Message)
    return to_json(message, lower_camel=True)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(entry=st.sampled_from(list(registry)), seed=st.integers(0, 2**32), data=st.data())
def test_a_frame_is_read_as_its_message_is(entry: Any, seed: int, data: st.DataObject) -> None:
    body = data.draw(messages(entry.response)).SerializePartialToString()
    for _ in range(10):
        for make in (Frame.build, Envelope.build):
            frame = make(entry.proto_id, 7, body, sender=Role.SERVER)
            again = make(entry.proto_id, 7, body, sender=Role.SERVER)
            try:
                expected = json_of(again)
            except BodyError as error:
                with pytest.raises(BodyError) as caught:
                    frame.to_json(lower_camel=True)
                assert str(caught.value) == str(error)
            else:
                assert frame.to_json(lower_camel=True) == again.to_json(lower_camel=True) == expected
        body = damaged(body, Random(seed))  # noqa: S311


def test_a_frame_without_a_message_has_no_json() -> None:
    body = rt_request().SerializeToString()
    for unknown in (
        Frame.build(9999, 1, body, sender=Role.CLIENT),
        Frame.build(3008, 1, body, sender=Role.CLIENT, body_format=7),
        Envelope.build(2, 1, b"", sender=Role.SERVER),
    ):
        with pytest.raises(UnknownProtocolError):
            unknown.to_json()
    with pytest.raises(DigestError):
        opened(Header(3008, 1, 0, bytes(20)), b"", MessageClasses(Role.CLIENT)).to_json()


def test_json_bodies_are_read_too() -> None:
    message = rt_response()
    frame = Frame.build(3008, 1, message, sender=Role.SERVER, body_format=1)
    assert frame.to_json() == to_json(message)
    assert frame.to_json(lower_camel=True) == MessageToJson(message, indent=None)


def test_a_message_that_was_read_is_what_is_written() -> None:
    frame = Frame.build(1001, 1, InitConnect.Response(retType=0), sender=Role.SERVER)
    message: Any = frame.message
    message.retMsg = "changed"
    assert frame.to_json() == '{"retType": 0, "retMsg": "changed"}'
