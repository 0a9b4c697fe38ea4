"""Describe protocols, messages and enums: as objects for JSON, as lines of text, and by a request to start from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.messages.descriptors import descriptor_of, label_of
from ftwire_tools.messages.enums import enum_names, enum_of
from ftwire_tools.schemas.lookup import reachable
from ftwire_tools.schemas.templates import filled

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

    from ftwire.protocols import Protocol

__all__ = [
    "describe",
    "description",
    "enum_facts",
    "field_facts",
    "field_line",
    "kind_of",
    "message_facts",
    "outline",
    "protocol_facts",
    "template",
    "type_of",
]

# FieldDescriptor.TYPE_*
_SCALARS: Final = {
    1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 6: "fixed64", 7: "fixed32", 8: "bool",
    9: "string", 10: "group", 11: "message", 12: "bytes", 13: "uint32", 14: "enum", 15: "sfixed32",
    16: "sfixed64", 17: "sint32", 18: "sint64",
}  # fmt: skip


def type_of(field: FieldDescriptor) -> str:
    """Return the type as ``.proto`` text has it: ``int32``, or a full name."""
    if field.message_type is not None:
        return str(field.message_type.full_name)
    if field.enum_type is not None:
        return str(field.enum_type.full_name)
    return _SCALARS[field.type]


def _default(field: FieldDescriptor) -> Any:
    """Return the default a schema declares, as JSON can hold it; ``None`` where it declares none."""
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
    """Return a field as an object; ``enum`` is the one an integer holds, whether it is declared so or not."""
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
    """Return a message as an object."""
    return {"name": message.full_name, "fields": [field_facts(field) for field in message.fields]}


def enum_facts(enum: EnumDescriptor) -> dict[str, Any]:
    """Return an enum as an object."""
    return {"name": enum.full_name, "values": {value.name: value.number for value in enum.values}}


def field_line(field: FieldDescriptor, kind_width: int = 0, name_width: int = 0) -> str:
    """Return a field as a line: label, type, name, number; its default, and the enum that an integer holds."""
    notes = ""
    if field.has_default_value:
        notes += f"  [default = {json.dumps(_default(field))}]"
    enum = enum_of(field)
    if enum is not None and field.enum_type is None:
        notes += f"  {enum.full_name}"
    return f"{label_of(field)}  {type_of(field):{kind_width}}  {field.name:{name_width}} = {field.number}{notes}"


def _message_lines(message: Descriptor) -> Iterator[str]:
    """Give a message as lines of text."""
    yield f"message {message.full_name}"
    if not message.fields:
        return
    kind_width = max(len(type_of(field)) for field in message.fields)
    name_width = max(len(field.name) for field in message.fields)
    for field in message.fields:
        yield f"  {field_line(field, kind_width, name_width)}"


def _enum_lines(enums: Iterable[EnumDescriptor]) -> Iterator[str]:
    """Give enums as lines of text."""
    for enum in enums:
        yield ""
        yield f"enum {enum.full_name}"
        width = max(len(value.name) for value in enum.values)
        for value in enum.values:
            yield f"  {value.name:{width}} = {value.number}"


def protocol_facts(protocol: Protocol) -> dict[str, Any]:
    """Return a protocol as an object."""
    return {
        "id": protocol.proto_id,
        "name": protocol.name,
        "kind": kind_of(protocol),
        "file": protocol.file,
        "request": protocol.request_name,
        "response": protocol.response_name,
        "since": protocol.since,
        "last": protocol.last,
        "websocket_only": protocol.is_websocket_only,
        "former_names": list(protocol.former_names),
    }


def kind_of(protocol: Protocol) -> str:
    """Return ``push``, or ``request`` for a protocol with request and reply."""
    return "push" if protocol.is_push else "request"


def outline(protocol: Protocol | None, messages: Iterable[Descriptor], enums: Iterable[EnumDescriptor]) -> str:
    """Return a protocol, if there is one, messages and enums as text."""
    lines: list[str] = []
    if protocol is not None:
        line = (
            f"protocol {protocol.proto_id} {protocol.name}, {kind_of(protocol)}, since SDK {protocol.since or '3.6.3'}"
        )
        if protocol.last:
            line += f", last in {protocol.last}"
        if protocol.is_websocket_only:
            line += ", WebSocket only"
        if protocol.former_names:
            line += f", formerly {', '.join(protocol.former_names)}"
        lines.append(line)
    for message in messages:
        lines += ["", *_message_lines(message)]
    lines += _enum_lines(enums)
    return "\n".join(lines).strip("\n")


def _messages_of(protocol: Protocol) -> list[Descriptor]:
    return [descriptor_of(each) for each in (protocol.request, protocol.response) if each is not None]


def describe(protocol: Protocol) -> str:
    """Return a protocol with all that its messages hold as text, and a request to start from."""
    from ftwire.schema import schema

    text = outline(protocol, *reachable(_messages_of(protocol), schema))
    if not protocol.is_push:
        text += f"\n\nrequest template (c2s may be left out)\n{json.dumps(template(protocol), indent=2)}"
    return f"{text}\n"


def description(protocol: Protocol) -> dict[str, Any]:
    """Return the same as plain values, for ``--json``."""
    from ftwire.schema import schema

    messages, _ = reachable(_messages_of(protocol), schema)
    return {
        "proto_id": protocol.proto_id,
        "proto": protocol.name,
        "kind": kind_of(protocol),
        "former_names": list(protocol.former_names),
        "since": protocol.since,
        "last": protocol.last,
        "websocket_only": protocol.is_websocket_only,
        "request": protocol.request_name,
        "response": protocol.response_name,
        "messages": {
            message.full_name: [
                {
                    **field_facts(field),
                    "enum": {str(number): name for number, name in (enum_names(field) or {}).items()} or None,
                }
                for field in message.fields
            ]
            for message in messages
        },
        "template": None if protocol.is_push else template(protocol),
    }


def template(protocol: Protocol) -> dict[str, Any]:
    """Return a request as ``ftwire call`` takes it; fields that may be left out are ``None``."""
    message_class = protocol.request
    if message_class is None:
        return {}
    descriptor: Any = message_class.DESCRIPTOR
    c2s = descriptor.fields_by_name.get("c2s")
    return filled(descriptor if c2s is None or c2s.message_type is None else c2s.message_type, for_call=True)
