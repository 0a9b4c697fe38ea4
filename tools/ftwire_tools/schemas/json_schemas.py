"""JSON Schema (draft 2020-12) of JSON bodies.

Accepts what protobuf's JSON mapping writes, and the other forms that every reader of it accepts: 64-bit integers
as strings or numbers, enum values by name or number, fields by their lowerCamel or original name. Members that
a message does not have are ignored on this wire; ``strict`` refuses them, to find misspelt names.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.messages.descriptors import is_repeated, is_required

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = ["json_schema"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_FLOATS: Final[dict[str, Any]] = {"type": ["number", "string"], "pattern": r"^(NaN|-?Infinity)$"}
_BYTES: Final[dict[str, Any]] = {
    "type": "string",
    "contentEncoding": "base64",
    # protobuf reads both alphabets, with or without padding.
    "pattern": r"^[A-Za-z0-9+/_-]*={0,2}$",
}


def json_schema(roots: Iterable[Descriptor], messages: Iterable[Descriptor], *, strict: bool = False) -> dict[str, Any]:
    """Return the schema of bodies that are one of ``roots``; ``messages`` are these and all they can contain."""
    choices = [{"$ref": f"#/$defs/{message.full_name}"} for message in roots]
    found: dict[str, Any] = {"$schema": DIALECT}
    found |= choices[0] if len(choices) == 1 else {"anyOf": choices}
    found["$defs"] = {message.full_name: _message(message, strict) for message in messages}
    return found


def _message(message: Descriptor, strict: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    either: list[dict[str, Any]] = []
    for field in message.fields:
        names = list(dict.fromkeys((field.json_name, field.name)))
        properties.update(dict.fromkeys(names, _field(field)))
        if is_required(field):
            if len(names) == 1:
                required += names
            else:
                either.append({"anyOf": [{"required": [name]} for name in names]})
    found: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        found["required"] = required
    if either:
        found["allOf"] = either
    if strict:
        found["additionalProperties"] = False
    return found


def _field(field: FieldDescriptor) -> dict[str, Any]:
    one = _value(field)
    if not is_repeated(field):
        # null means absent, so it is allowed where absence is.
        return one if is_required(field) else {"anyOf": [one, {"type": "null"}]}
    return {"type": ["array", "null"], "items": one}


def _value(field: FieldDescriptor) -> dict[str, Any]:
    if field.message_type is not None:
        return {"$ref": f"#/$defs/{field.message_type.full_name}"}
    if field.enum_type is not None:
        return {"anyOf": [{"enum": [value.name for value in field.enum_type.values]}, {"type": "integer"}]}
    kind = field.cpp_type
    if kind == field.CPPTYPE_BOOL:
        return {"type": "boolean"}
    if kind == field.CPPTYPE_STRING:
        return _BYTES if field.type == field.TYPE_BYTES else {"type": "string"}
    if kind in {field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT}:
        return _FLOATS
    is_signed = kind in {field.CPPTYPE_INT32, field.CPPTYPE_INT64}
    bits = 64 if kind in {field.CPPTYPE_INT64, field.CPPTYPE_UINT64} else 32
    return {
        "type": ["integer", "string"],
        "minimum": -(1 << bits - 1) if is_signed else 0,
        "maximum": (1 << bits - is_signed) - 1,
        "pattern": r"^-?[0-9]+$" if is_signed else r"^[0-9]+$",
    }
