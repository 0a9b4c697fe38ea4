"""Messages and protobuf bodies as plain Python values and as JSON text.

The result is that of protobuf's ``MessageToDict`` and ``MessageToJson``, which look up the type of every field in every
message. Here it is looked up once per class: ``_Writers`` keep the name and the converter of each field.

Where the compiled core is installed it reads the serialized body, which takes less time than reading the fields of a
message. It reads only bodies as every serializer of protobuf writes them: fields in order, repeated ones together, text
in UTF-8, no unknown enum values. For any other it returns ``None``, and the message is walked here.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Callable
from json.encoder import encode_basestring_ascii as _quote
from typing import TYPE_CHECKING, Any

from google.protobuf.message import EncodeError

from ftwire._core import core
from ftwire._fields import describe_messages, enum_names, is_special
from ftwire.schema import is_64_bit, is_repeated

if TYPE_CHECKING:
    from ftwire_core import JsonWriter
    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.message import Message

__all__ = ["body_to_dict", "body_to_json", "to_dict", "to_dict_in_python", "to_json", "to_json_in_python"]

# FieldDescriptor.TYPE_*
_DOUBLE, _FLOAT, _BOOL, _STRING, _GROUP, _MESSAGE, _BYTES, _ENUM = 1, 2, 8, 9, 10, 11, 12, 14


def to_dict(message: Message, *, lower_camel: bool = False) -> dict[str, Any]:
    """Return the fields that are set, as values that JSON has: what ``MessageToDict`` returns.

    Names are those of the ``.proto`` file, or lowerCamel. 64-bit integers are decimal strings, enum values
    their names, bytes base64, floats that are no number ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``.
    """
    if core is not None and (body := _serialized(message)) is not None:
        values = body_to_dict(body, type(message), lower_camel=lower_camel)
        if values is not None:
            return values
    return to_dict_in_python(message, lower_camel=lower_camel)


def to_json(message: Message, *, lower_camel: bool = False, indent: int | None = None) -> str:
    """Return JSON text of ``to_dict``, ASCII only, on one line or with ``indent`` spaces a level."""
    if core is not None and (body := _serialized(message)) is not None:
        text = body_to_json(body, type(message), lower_camel=lower_camel, indent=indent)
        if text is not None:
            return text
    return to_json_in_python(message, lower_camel=lower_camel, indent=indent)


def body_to_dict(body: bytes, message_class: type[Message], *, lower_camel: bool) -> dict[str, Any] | None:
    """Return ``to_dict`` of the message in a protobuf body; ``None`` where that takes the message."""
    writer = _core_writers[lower_camel][message_class.DESCRIPTOR]
    return None if writer is None else writer.values(body)


def body_to_json(
    body: bytes, message_class: type[Message], *, lower_camel: bool, indent: int | None = None, complete: bool = False
) -> str | None:
    """Return ``to_json`` of the message in a protobuf body; ``None`` where that takes the message.

    With ``complete`` it takes the message, too, where the body lacks a required field.
    """
    writer = _core_writers[lower_camel][message_class.DESCRIPTOR]
    return None if writer is None else writer.text(body, indent, complete=complete)


def to_dict_in_python(message: Message, *, lower_camel: bool = False) -> dict[str, Any]:
    """Do what ``to_dict`` does without the core."""
    found: dict[str, Any] = (_camel_dicts if lower_camel else _dicts)[message.DESCRIPTOR](message)
    return found


def to_json_in_python(message: Message, *, lower_camel: bool = False, indent: int | None = None) -> str:
    """Do what ``to_json`` does without the core."""
    if indent is None:
        try:
            text: str = (_camel_texts if lower_camel else _texts)[message.DESCRIPTOR](message)
        except TypeError:
            # A string field holds bytes that are not UTF-8. That is so rare that nothing checks for it before.
            pass
        else:
            return text
    return json.dumps(to_dict_in_python(message, lower_camel=lower_camel), indent=indent)


def _serialized(message: Message) -> bytes | None:
    try:
        return message.SerializePartialToString()
    except EncodeError:
        # Nested more deeply than protobuf writes.
        return None


class _CoreWriters(dict[Any, "JsonWriter | None"]):
    """The core's writer of each message class, made on first use; ``None`` where Python has to do it."""

    __slots__ = ("_lower_camel",)

    def __init__(self, *, lower_camel: bool) -> None:
        super().__init__()
        self._lower_camel = lower_camel

    def __missing__(self, descriptor: Any) -> JsonWriter | None:
        messages = None if core is None else describe_messages(descriptor, lower_camel=self._lower_camel)
        found = self[descriptor] = None if core is None or messages is None else core.JsonWriter(messages)
        return found


_core_writers = {lower_camel: _CoreWriters(lower_camel=lower_camel) for lower_camel in (False, True)}

Converter = Callable[[Any], Any]
"""Makes a dict or JSON text of a message, or a plain value or JSON text of the value of a field."""

Table = dict[Any, tuple[str, Converter]]
"""Field to the key it is written with, and what converts its value."""


class _Writers(dict[Any, Converter]):
    """The writer of each message class, made on first use; ``_Dicts`` and ``_Texts`` have the two kinds."""

    __slots__ = ("_lower_camel",)

    def __init__(self, *, lower_camel: bool) -> None:
        super().__init__()
        self._lower_camel = lower_camel

    def __missing__(self, descriptor: Any) -> Converter:
        if is_special(descriptor):
            self[descriptor] = self.special
            return self.special
        table: Table = {}
        # Stored before the table is filled: a message may hold messages of its own class.
        writer = self[descriptor] = self.writer(table)
        for field in descriptor.fields:
            convert = self.converter(field)
            if is_repeated(field):
                convert = self.list_of(convert)
            table[field] = self.key(field.json_name if self._lower_camel else field.name), convert
        return writer

    def message_to_dict(self, message: Message) -> dict[str, Any]:
        """Let protobuf convert messages that have rules of their own."""
        from google.protobuf.json_format import MessageToDict

        return MessageToDict(message, preserving_proto_field_name=not self._lower_camel)

    def special(self, message: Message) -> Any:
        raise NotImplementedError

    def writer(self, table: Table) -> Converter:
        """Return what writes a message, with the key and the converter of each field in a table."""
        raise NotImplementedError

    def key(self, name: str) -> str:
        raise NotImplementedError

    def converter(self, field: FieldDescriptor) -> Converter:
        """Return what converts one value of a field."""
        raise NotImplementedError

    def list_of(self, convert: Converter) -> Converter:
        raise NotImplementedError


class _Dicts(_Writers):
    def special(self, message: Message) -> Any:
        return self.message_to_dict(message)

    def writer(self, table: Table) -> Converter:
        def write(message: Any) -> dict[str, Any]:
            values = {}
            for field, value in message.ListFields():
                key, convert = table[field]
                values[key] = convert(value)
            return values

        return write

    def key(self, name: str) -> str:
        return name

    def converter(self, field: FieldDescriptor) -> Converter:
        kind = field.type
        if kind in (_MESSAGE, _GROUP):
            return self[field.message_type]
        if kind == _ENUM:
            names = enum_names(field.enum_type)
            return lambda number: names.get(number, number)
        if is_64_bit(field):
            return str
        converters: dict[int, Converter] = {
            _DOUBLE: _double, _FLOAT: _float, _STRING: _string, _BYTES: _base64, _BOOL: bool
        }  # fmt: skip
        return converters.get(kind, int)

    def list_of(self, convert: Converter) -> Converter:
        return lambda values: [convert(value) for value in values]


class _Texts(_Writers):
    def special(self, message: Message) -> Any:
        return json.dumps(self.message_to_dict(message))

    def writer(self, table: Table) -> Converter:
        def write(message: Any) -> str:
            parts = []
            for field, value in message.ListFields():
                key, convert = table[field]
                parts.append(key + convert(value))
            return f"{{{', '.join(parts)}}}"

        return write

    def key(self, name: str) -> str:
        return f"{_quote(name)}: "

    def converter(self, field: FieldDescriptor) -> Converter:
        kind = field.type
        if kind in (_MESSAGE, _GROUP):
            return self[field.message_type]
        if kind == _ENUM:
            names = {number: _quote(name) for number, name in enum_names(field.enum_type).items()}
            return lambda number: names.get(number) or str(number)
        if is_64_bit(field):
            return lambda number: f'"{number}"'
        if kind == _DOUBLE:
            return lambda value: repr(value) if value - value == 0.0 else _quote(_not_finite(value))
        if kind == _FLOAT:
            return lambda value: json.dumps(_float(value))
        if kind == _BYTES:
            return lambda value: f'"{_base64(value)}"'
        if kind == _BOOL:
            return ("false", "true").__getitem__
        return _quote if kind == _STRING else str

    def list_of(self, convert: Converter) -> Converter:
        return lambda values: f"[{', '.join(map(convert, values))}]"


_dicts, _camel_dicts = (_Dicts(lower_camel=lower_camel) for lower_camel in (False, True))
_texts, _camel_texts = (_Texts(lower_camel=lower_camel) for lower_camel in (False, True))


def _string(value: str | bytes) -> str:
    """Return text; of bytes that are not UTF-8, which proto2 takes for text, their Python spelling."""
    return value if isinstance(value, str) else str(value)


def _double(value: float) -> float | str:
    # Infinity and NaN are the values whose difference to themselves is not zero.
    return value if value - value == 0.0 else _not_finite(value)


def _float(value: float) -> float | str:
    return _shortest(value) if value - value == 0.0 else _not_finite(value)


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _shortest(value: float) -> float:
    """Return the number with the fewest digits that is this one in four bytes: 0.9, not 0.8999999762."""
    for digits in range(6, 9):
        short = float(f"{value:.{digits}g}")
        try:
            if struct.unpack("<f", struct.pack("<f", short))[0] == value:
                return short
        except OverflowError:
            # Rounded up beyond the largest four-byte float.
            continue
    # Nine digits are different for any two four-byte floats.
    return float(f"{value:.9g}")


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
