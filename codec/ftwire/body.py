"""Plain bodies to messages and back.

Both formats of the wire are here. Protobuf is the rule. JSON is protobuf's JSON mapping:

- names are written in lowerCamel; the names in the ``.proto`` file, which the vendor's Python SDK writes, are read too
  (they differ in the few fields that are not lowerCamel there);
- 64-bit integers are strings when written; numbers are read too, exactly;
- a member that the message does not have is ignored, ``null`` means absent, and the last of equal keys counts. What is
  ignored is not in the message, but it is still in the body that the frame keeps.

Unknown fields of a protobuf body stay in the message and are written again by ``encode_body``.
A string that is not UTF-8 is no error on this wire (proto2): protobuf returns it as ``bytes``.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from google.protobuf.message import DecodeError, EncodeError, Message

from ftwire._faults import find_fault, json_offset
from ftwire._json import body_to_dict, body_to_json, to_dict, to_dict_in_python, to_json, to_json_in_python
from ftwire.errors import BodyError, MissingFieldsError
from ftwire.header import BodyFormat
from ftwire.schema import is_repeated

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

__all__ = [
    "body_to_dict",
    "body_to_json",
    "decode_body",
    "encode_body",
    "find_fault",
    "missing_fields",
    "to_dict",
    "to_dict_in_python",
    "to_json",
    "to_json_in_python",
]

MessageT = TypeVar("MessageT", bound=Message)


def decode_body(
    body: bytes | bytearray | memoryview,
    message_class: type[MessageT],
    body_format: int = BodyFormat.PROTOBUF,
    *,
    check_required: bool = True,
) -> MessageT:
    """Decode a plain body into a message of ``message_class``.

    ``check_required=False`` takes a message whose required fields are missing. The check visits every field:
    for a small push it costs a fraction of a microsecond, for a reply of 25 KB as much as parsing it.

    Raises ``BodyError`` for a body that does not parse (with the offset where, in bytes, or for JSON in
    characters), or has a format that is neither 0 nor 1, and ``MissingFieldsError`` for one that lacks required fields.
    """
    if body_format == BodyFormat.PROTOBUF:
        try:
            message = message_class.FromString(bytes(body))  # protobuf 4 takes no other buffer
        except DecodeError as error:
            fault = find_fault(bytes(body), message_class.DESCRIPTOR)
            raise BodyError(
                message=message_class.DESCRIPTOR.full_name,
                body=bytes(body),
                offset=fault.offset if fault else None,
                reason=fault.reason if fault else str(error),
            ) from None
    elif body_format == BodyFormat.JSON:
        message = _decode_json(bytes(body), message_class)
    else:
        raise BodyError(
            message=message_class.DESCRIPTOR.full_name,
            body=bytes(body),
            offset=None,
            reason=f"body format {body_format} is neither 0 (protobuf) nor 1 (JSON)",
        )
    if check_required and (missing := missing_fields(message)):
        raise MissingFieldsError(message=message_class.DESCRIPTOR.full_name, body=bytes(body), fields=missing)
    return message


def encode_body(message: Message, body_format: int = BodyFormat.PROTOBUF) -> bytes:
    """Encode a message as a plain body.

    Raises ``MissingFieldsError`` when required fields are missing, ``BodyError`` for a format that is neither 0 nor 1.
    """
    name = message.DESCRIPTOR.full_name
    if body_format == BodyFormat.PROTOBUF:
        try:
            return message.SerializeToString()
        except EncodeError as error:
            if missing := missing_fields(message):
                raise MissingFieldsError(message=name, body=b"", fields=missing) from None
            raise BodyError(message=name, body=b"", offset=None, reason=str(error)) from None
    if body_format != BodyFormat.JSON:
        reason = f"body format {body_format} is neither 0 (protobuf) nor 1 (JSON)"
        raise BodyError(message=name, body=b"", offset=None, reason=reason)
    if missing := missing_fields(message):
        raise MissingFieldsError(message=name, body=b"", fields=missing)
    return to_json(message, lower_camel=True).encode()


def missing_fields(message: Message) -> list[str]:
    """Return the paths of required fields that are not set, e.g. ``s2c.rtList[3].time``; empty if all are set."""
    try:
        # Serializing checks on its way, natively: three times as fast as IsInitialized on a 25 KB reply.
        message.SerializeToString()
    except EncodeError:
        # An upb method that protobuf's type stubs do not list.
        found: list[str] = message.FindInitializationErrors()  # type: ignore[attr-defined]
        return found
    return []


_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_SINGLE = struct.Struct("<f")
_INTEGER = re.compile(r"-?\d+")
_INTEGRAL = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_LONG_NUMBER = re.compile(r"\d{4301,}")  # what int() refuses to read, see sys.set_int_max_str_digits

# Type numbers of FieldDescriptor, and what values they hold.
_RANGES = {
    3: (-(1 << 63), (1 << 63) - 1),  # int64
    4: (0, (1 << 64) - 1),  # uint64
    5: (-(1 << 31), (1 << 31) - 1),  # int32
    6: (0, (1 << 64) - 1),  # fixed64
    7: (0, (1 << 32) - 1),  # fixed32
    13: (0, (1 << 32) - 1),  # uint32
    15: (-(1 << 31), (1 << 31) - 1),  # sfixed32
    16: (-(1 << 63), (1 << 63) - 1),  # sfixed64
    17: (-(1 << 31), (1 << 31) - 1),  # sint32
    18: (-(1 << 63), (1 << 63) - 1),  # sint64
}
_DOUBLE, _FLOAT, _BOOL, _STRING, _GROUP, _MESSAGE, _BYTES, _ENUM = 1, 2, 8, 9, 10, 11, 12, 14

_ABSENT = object()


class _MisfitError(Exception):
    """A JSON value that does not fit its field; each message that it passes through adds to the path."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.path: list[str | int] = []


def _decode_json(body: bytes, message_class: type[MessageT]) -> MessageT:
    def fail(offset: int | None, reason: str, path: str = "") -> NoReturn:
        name = message_class.DESCRIPTOR.full_name
        raise BodyError(message=name, body=body, offset=offset, reason=reason, path=path) from None

    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        fail(len(body[: error.start].decode()), f"byte {error.start} is not UTF-8")
    message = message_class()
    try:
        _fill(message, json.loads(text))
    except json.JSONDecodeError as error:
        fail(error.pos, f"no JSON: {error.msg}")
    except RecursionError:
        fail(None, "nested too deeply")
    except _MisfitError as misfit:
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in misfit.path)
        path = path.lstrip(".")
        fail(json_offset(text, misfit.path), f"{path or 'the body'}: {misfit.reason}", path)
    except ValueError:
        # json.loads itself: a number of more digits than int() takes.
        long = _LONG_NUMBER.search(text)
        fail(long.start() if long else None, "a number of more than 4300 digits")
    return message


def _fill(message: Message, value: object) -> None:
    if not isinstance(value, dict):
        raise _MisfitError(f"an object is expected, here is {_kind(value)}")
    fields = _fields(message.DESCRIPTOR)
    for key, item in value.items():
        known = fields.get(key)
        if known is None or item is None:
            continue
        try:
            known(message, item)
        except _MisfitError as misfit:
            misfit.path.insert(0, key)
            raise


_Setter = Callable[[Message, Any], None]
_setters: dict[str, tuple[Any, dict[str, _Setter]]] = {}


def _fields(descriptor: Any) -> dict[str, _Setter]:
    # By name, checked by identity: other pools may hold another message of the same name.
    found = _setters.get(descriptor.full_name)
    if found is None or found[0] is not descriptor:
        table: dict[str, _Setter] = {}
        for field in descriptor.fields:
            table[field.json_name] = table[field.name] = _setter(field)
        found = _setters[descriptor.full_name] = (descriptor, table)
    return found[1]


def _setter(field: FieldDescriptor) -> _Setter:
    name = field.name
    if is_repeated(field):
        if field.type in (_MESSAGE, _GROUP):
            return lambda message, value: _fill_messages(getattr(message, name), value)
        read = _reader(field)
        return lambda message, value: _fill_values(getattr(message, name), value, read)
    if field.type in (_MESSAGE, _GROUP):

        def fill_one(message: Message, value: object) -> None:
            inner = getattr(message, name)
            inner.SetInParent()
            _fill(inner, value)

        return fill_one
    read = _reader(field)

    def set_one(message: Message, value: object) -> None:
        converted = read(value)
        if converted is not _ABSENT:
            setattr(message, name, converted)

    return set_one


def _items(value: object) -> Iterator[tuple[int, object]]:
    if not isinstance(value, list):
        raise _MisfitError(f"a list is expected, here is {_kind(value)}")
    return enumerate(value)


def _fill_messages(target: Any, value: object) -> None:
    for index, item in _items(value):
        try:
            _fill(target.add(), item)
        except _MisfitError as misfit:
            misfit.path.insert(0, index)
            raise


def _fill_values(target: Any, value: object, read: Callable[[Any], object]) -> None:
    for index, item in _items(value):
        try:
            converted = read(item)
        except _MisfitError as misfit:
            misfit.path.insert(0, index)
            raise
        if converted is not _ABSENT:
            target.append(converted)


def _reader(field: FieldDescriptor) -> Callable[[Any], object]:
    kind = field.type
    if kind in _RANGES:
        low, high = _RANGES[kind]
        return lambda value: _integer(value, low, high)
    if kind in (_DOUBLE, _FLOAT):
        return lambda value: _float(value, single=kind == _FLOAT)
    if kind == _ENUM:
        enum = field.enum_type
        return lambda value: _enum(value, enum)  # type: ignore[arg-type]  # an enum field has one
    return {_BOOL: _bool, _STRING: _string, _BYTES: _bytes}[kind]


def _kind(value: object) -> str:
    if isinstance(value, str):
        return f"the string {json.dumps(value if len(value) <= 40 else value[:40] + '...')}"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return json.dumps(value) if value is None or isinstance(value, bool) else f"the number {value!r:.50}"


def _integer(value: object, low: int, high: int) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value) and len(value) <= 4300:
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        # protobuf takes 1.0 and "1e3" for integers too.
        text = value if isinstance(value, str) else repr(value) if isinstance(value, float) else ""
        floating = float(text) if _INTEGRAL.fullmatch(text) else math.nan
        if not floating.is_integer():
            raise _MisfitError(f"an integer is expected, here is {_kind(value)}")
        number = int(floating)
    if not low <= number <= high:
        raise _MisfitError(f"{_kind(value)} is not between {low} and {high}")
    return number


def _float(value: object, *, single: bool) -> float:
    if isinstance(value, str):
        if value in _FLOATS:
            return _FLOATS[value]
        if not _INTEGRAL.fullmatch(value):
            raise _MisfitError(f"a number is expected, here is {_kind(value)}")
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise _MisfitError(f"a number is expected, here is {_kind(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    # NaN and infinity have a spelling of their own, as strings: a bare one is no JSON, or too large a number.
    if math.isfinite(number):
        if not single:
            return number
        with suppress(OverflowError):
            # Rounded here: the shortest spelling of the largest float, 3.4028235e38, is a little larger, and protobuf
            # 3.20 takes that for infinity.
            return _SINGLE.unpack(_SINGLE.pack(number))[0]  # type: ignore[no-any-return]
    raise _MisfitError(f"{_kind(value)} is no number that fits")


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise _MisfitError(f"true or false is expected, here is {_kind(value)}")
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise _MisfitError(f"a string is expected, here is {_kind(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _MisfitError("the string holds half a surrogate pair") from None
    return value


def _bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise _MisfitError(f"a string in base64 is expected, here is {_kind(value)}")
    standard = value.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise _MisfitError("the string is not base64") from None


def _enum(value: object, enum: EnumDescriptor) -> object:
    if isinstance(value, str):
        # Names are ASCII. Half a surrogate pair, which JSON can hold, protobuf refuses to look up.
        named = enum.values_by_name.get(value) if value.isascii() else None
        if named is not None:
            return named.number
        if not _INTEGER.fullmatch(value):
            # A name newer than this schema: as in a protobuf body, an unknown value is not in the field.
            return _ABSENT
    number = _integer(value, *_RANGES[5])
    return number if number in enum.values_by_number else _ABSENT
