"""Describe messages and enums: as objects for JSON, and as lines of text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.messages.descriptors import label_of
from ftwire_tools.messages.enums import enum_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

__all__ = ["enum_facts", "enum_lines", "field_facts", "field_line", "message_facts", "message_lines", "type_of"]

# FieldDescriptor.TYPE_*
_SCALARS: Final = {
    1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 6: "fixed64", 7: "fixed32", 8: "bool",
    9: "string", 10: "group", 11: "message", 12: "bytes", 13: "uint32", 14: "enum", 15: "sfixed32",
    16: "sfixed64", 17: "sint32", 18: "sint64",
}  # fmt: skip


def type_of(field: FieldDescriptor) -> str:
    """The type as ``.proto`` text has it: ``int32``, or a full name."""
    if field.message_type is not None:
        return str(field.message_type.full_name)
    if field.enum_type is not None:
        return str(field.enum_type.full_name)
    return _SCALARS[field.type]


def _default(field: FieldDescriptor) -> Any:
    """The default a schema states, as JSON can hold it; None where it states none."""
    if not field.has_default_value:
        return None
    value = field.default_value
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return named.name if named is not None else value
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def field_facts(field: FieldDescriptor) -> dict[str, Any]:
    """A field as an object; ``enum`` is the one an integer holds, whether it is declared so or not."""
    facts = {
        "name": field.name,
        "number": field.number,
        "label": label_of(field),
        "type": type_of(field),
        "json_name": field.json_name,
    }
    if field.has_default_value:
        facts["default"] = _default(field)
    if (enum := enum_of(field)) is not None:
        facts["enum"] = enum.full_name
    return facts


def message_facts(message: Descriptor) -> dict[str, Any]:
    """A message as an object."""
    return {"name": message.full_name, "fields": [field_facts(field) for field in message.fields]}


def enum_facts(enum: EnumDescriptor) -> dict[str, Any]:
    """An enum as an object."""
    return {"name": enum.full_name, "values": {value.name: value.number for value in enum.values}}


def field_line(field: FieldDescriptor, kind_width: int = 0, name_width: int = 0) -> str:
    """A field as a line: label, type, name, number; its default, and the enum that an integer holds."""
    notes = ""
    if field.has_default_value:
        notes += f"  [default = {json.dumps(_default(field))}]"
    enum = enum_of(field)
    if enum is not None and field.enum_type is None:
        notes += f"  {enum.full_name}"
    return f"{label_of(field)}  {type_of(field):{kind_width}}  {field.name:{name_width}} = {field.number}{notes}"


def message_lines(message: Descriptor) -> Iterator[str]:
    """A message as lines of text."""
    yield f"message {message.full_name}"
    if not message.fields:
        return
    kind_width = max(len(type_of(field)) for field in message.fields)
    name_width = max(len(field.name) for field in message.fields)
    for field in message.fields:
        yield f"  {field_line(field, kind_width, name_width)}"


def enum_lines(enums: Iterable[EnumDescriptor]) -> Iterator[str]:
    """Enums as lines of text."""
    for enum in enums:
        yield ""
        yield f"enum {enum.full_name}"
        width = max(len(value.name) for value in enum.values)
        for value in enum.values:
            yield f"  {value.name:{width}} = {value.number}"
