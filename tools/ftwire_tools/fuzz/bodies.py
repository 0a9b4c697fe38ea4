"""Plain bodies: the message classes of both sides, and bodies with something wrong in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from ftwire.body import decode_body
from ftwire.errors import WireError
from ftwire.frame_mutations import NamedMutation, flip_bit
from ftwire.header import BodyFormat
from ftwire.protocols import registry
from ftwire_tools.fuzz.mutations import BODY_MUTATIONS
from ftwire_tools.messages.descriptors import is_repeated, is_required
from ftwire_tools.messages.varints import varint

__all__ = ["message_class_of", "mutate_body", "stamp_packet_id"]

UNKNOWN_FIELD: Final = 500
"""A field number that no message of the protocol has."""
_ENDS: Final = {  # by FieldDescriptor.cpp_type
    1: (-(1 << 31), (1 << 31) - 1),  # int32
    2: (-(1 << 63), (1 << 63) - 1),  # int64
    3: (0, (1 << 32) - 1),  # uint32
    4: (0, (1 << 64) - 1),  # uint64
    5: (float("nan"), float("inf"), -1e308, 5e-324),  # double
    6: (float("nan"), float("-inf")),  # float
}
_STRINGS: Final = ("", "\0", "a" * 70_000, "\U0001f409", "../../etc/passwd", "%n%s", "' OR 1=1 --", "\ufeff\u202e")


def message_class_of(proto_id: int, *, of_gateway: bool) -> Any:
    """Return the class of what one side sends under a protocol ID, ``None`` where there is none."""
    entry = registry.get(proto_id)
    if entry is None:
        return None
    return entry.response if of_gateway else entry.request


def stamp_packet_id(proto_id: int, body: bytes, conn_id: int, serial: int) -> bytes:
    """Return a request's body with the ``packetID`` that trading requests carry, others unchanged."""
    message_class = message_class_of(proto_id, of_gateway=False)
    field = None if message_class is None else message_class.DESCRIPTOR.fields_by_name.get("c2s")
    if field is None or "packetID" not in field.message_type.fields_by_name:
        return body
    message = message_class.FromString(body)
    message.c2s.packetID.connID, message.c2s.packetID.serialNo = conn_id, serial
    return bytes(message.SerializePartialToString())


def mutate_body(body: bytes, mutations: Iterable[NamedMutation], body_format: int, message_class: Any) -> bytes:
    """Return a plain body with these things wrong; mutations of frames do nothing here.

    ``message_class`` is the body's, ``None`` where there is none. Mutations of fields need one, and protobuf.
    """
    values: dict[str, Any] = dict(mutations)
    for name in BODY_MUTATIONS:
        if name in values:
            body = _mutated(body, name, values[name], body_format, message_class)
    return body


def _mutated(body: bytes, name: str, value: Any, body_format: int, message_class: Any) -> bytes:
    if name == "empty body":
        return b""
    if name == "cut body":
        return body[: int(value) % len(body)] if body else body
    if name == "flip body":
        return flip_bit(body, value)
    if name == "random body":
        return bytes.fromhex(value)
    if name == "grow body":
        if body_format != BodyFormat.PROTOBUF:
            return body + b" " * int(value)
        return body + varint(UNKNOWN_FIELD << 3 | 2) + varint(value) + bytes(value)
    if body_format != BodyFormat.PROTOBUF or message_class is None:
        return body
    try:
        message = decode_body(body, message_class, check_required=False)
    except WireError:
        return body
    if places := list(_places(message, name)):
        parent, field = places[value % len(places)]
        if name == "missing field":
            parent.ClearField(field.name)
        else:
            setattr(parent, field.name, _odd_value(field, name, value))
    return bytes(message.SerializePartialToString())


def _places(message: Any, name: str) -> Iterator[tuple[Any, Any]]:
    """Give (message, field) of every field that is set and that the mutation applies to."""
    for field, value in message.ListFields():
        is_message = field.cpp_type == field.CPPTYPE_MESSAGE
        if not is_repeated(field) and _applies(name, field):
            yield message, field
        if is_message:
            for each in value if is_repeated(field) else [value]:
                yield from _places(each, name)


def _applies(name: str, field: Any) -> bool:
    if name == "missing field":
        return is_required(field)
    if name == "odd string":
        return bool(field.type == field.TYPE_STRING)
    if name == "unknown enum":
        # The schema has most of its enums as int32.
        return bool(field.cpp_type == field.CPPTYPE_INT32)
    return field.cpp_type in _ENDS


def _odd_value(field: Any, name: str, value: int) -> Any:
    if name == "odd string":
        return _STRINGS[value % len(_STRINGS)]
    if name == "unknown enum":
        return 9999 if value % 2 else -7
    ends = _ENDS[field.cpp_type]
    return ends[value % len(ends)]
