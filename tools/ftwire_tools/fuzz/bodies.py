"""What is wrong with a body, before it goes into a frame or an envelope. Copied into saved tests, see ``steps``."""

from __future__ import annotations

from typing import Any, Final

from ftwire.body import decode_body
from ftwire.errors import WireError
from ftwire.header import BodyFormat
from ftwire.protocols import registry
from ftwire_tools.messages.descriptors import is_repeated, is_required
from ftwire_tools.messages.varints import varint

__all__ = ["flip", "message_class_of", "spoil_body", "stamp_packet_id"]

UNKNOWN_FIELD: Final = 500
"""A field number that no message of the protocol has."""


def message_class_of(proto_id: int, *, of_gateway: bool) -> Any:
    """Return the class of what one side sends under a protocol ID, ``None`` where there is none."""
    entry = registry.get(proto_id)
    if entry is None:
        return None
    return entry.response if of_gateway else entry.request


def stamp_packet_id(proto_id: int, body: bytes, conn_id: int, serial: int) -> bytes:
    """Return a request's body with the ``packetID`` that trading requests carry, others as they are."""
    message_class = message_class_of(proto_id, of_gateway=False)
    if message_class is None:
        return body
    field = message_class.DESCRIPTOR.fields_by_name.get("c2s")
    if field is None or "packetID" not in field.message_type.fields_by_name:
        return body
    message = message_class.FromString(body)
    message.c2s.packetID.connID, message.c2s.packetID.serialNo = conn_id, serial
    return bytes(message.SerializePartialToString())


def flip(data: bytes, bit: int) -> bytes:
    """Return the bytes with one bit inverted, counted from the first byte's lowest and around the end."""
    if not data:
        return data
    at, place = divmod(bit % (len(data) * 8), 8)
    return data[:at] + bytes((data[at] ^ 1 << place,)) + data[at + 1 :]


def spoil_body(name: str, value: int | str, body: bytes, body_format: int, message_class: Any) -> bytes:
    """Return a body with what mutation ``name`` does to it; as it is for those that do nothing to bodies.

    ``message_class`` is the body's, ``None`` where there is none.
    """
    if name == "empty body":
        return b""
    if name == "cut body":
        return body[: int(value) % len(body)] if body else body
    if name == "flip body":
        return flip(body, int(value))
    if name == "random body":
        return bytes.fromhex(str(value))
    if name == "grow body":
        size = int(value)
        if body_format != BodyFormat.PROTOBUF:
            return body + b" " * size
        return body + varint(UNKNOWN_FIELD << 3 | 2) + varint(size) + bytes(size)
    if name not in {"missing field", "unknown enum", "extreme number", "odd string"}:
        return body
    if body_format != BodyFormat.PROTOBUF or message_class is None:
        return body
    try:
        message = decode_body(body, message_class, check_required=False)
    except WireError:
        return body
    places = list(_places(message, name))
    if not places:
        return body
    parent, field = places[int(value) % len(places)]
    if name == "missing field":
        parent.ClearField(field.name)
    else:
        setattr(parent, field.name, _odd_value(field, name, int(value)))
    return bytes(message.SerializePartialToString())


def _places(message: Any, name: str) -> Any:
    """Give (message, field) of every field that is set and can be spoiled in this way."""
    for field, value in message.ListFields():
        if is_repeated(field):
            if field.cpp_type == field.CPPTYPE_MESSAGE:
                for each in value:
                    yield from _places(each, name)
            continue
        if name == "missing field" and is_required(field):
            yield message, field
        if field.cpp_type == field.CPPTYPE_MESSAGE:
            yield from _places(value, name)
        elif field.cpp_type == field.CPPTYPE_STRING:
            if name == "odd string" and field.type != field.TYPE_BYTES:
                yield message, field
        elif name == "extreme number" and field.cpp_type not in {field.CPPTYPE_BOOL, field.CPPTYPE_ENUM}:
            yield message, field
        elif name == "unknown enum" and field.cpp_type == field.CPPTYPE_INT32:
            # The schema has most of its enums as int32.
            yield message, field


_ENDS: Final = {
    1: (-(1 << 31), (1 << 31) - 1),  # int32
    2: (-(1 << 63), (1 << 63) - 1),  # int64
    3: (0, (1 << 32) - 1),  # uint32
    4: (0, (1 << 64) - 1),  # uint64
    5: (float("nan"), float("inf"), -1e308, 5e-324),  # double
    6: (float("nan"), float("-inf")),  # float
}
_STRINGS: Final = ("", "\0", "a" * 70_000, "\U0001f409", "../../etc/passwd", "%n%s", "' OR 1=1 --", "\ufeff\u202e")


def _odd_value(field: Any, name: str, value: int) -> Any:
    if name == "odd string":
        return _STRINGS[value % len(_STRINGS)]
    if name == "unknown enum":
        return 9999 if value % 2 else -7
    ends = _ENDS[field.cpp_type]
    return ends[value % len(ends)]
