"""What a protocol's messages look like: fields, types, enum values, and a request to start from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ftwire_tools.messages.descriptors import is_repeated, is_required, label_of
from ftwire_tools.messages.enums import enum_names

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    from ftwire.protocols import Protocol

__all__ = ["describe", "description", "kind_of", "template"]

SECURITY = "Qot_Common.Security"


def kind_of(protocol: Protocol) -> str:
    """Say what a protocol is: a push, or a request with its reply."""
    return "push" if protocol.is_push else "request"


def describe(protocol: Protocol) -> str:
    """Return the protocol's messages as text."""
    facts = [f"{protocol.proto_id} {protocol.name}: {kind_of(protocol)}"]
    if protocol.is_websocket_only:
        facts.append("WebSocket only")
    if protocol.former_names:
        facts.append(f"formerly {', '.join(protocol.former_names)}")
    if protocol.since:
        facts.append(f"since SDK {protocol.since}")
    if protocol.last:
        facts.append(f"until SDK {protocol.last}")
    lines = ["; ".join(facts)]
    seen = _messages(protocol)
    for descriptor in seen:
        lines += ["", f"message {descriptor.full_name}"]
        lines += _aligned([_row(field) for field in descriptor.fields]) or ["  (no fields)"]
    lists: dict[str, dict[int, str]] = {}
    for descriptor in seen:
        for field in descriptor.fields:
            names = enum_names(field)
            if names:
                lists.setdefault(_enum_title(names), names)
    for title, names in lists.items():
        lines += ["", f"enum {title}"]
        lines += [f"  {number:>4}  {name}" for number, name in sorted(names.items())]
    if not protocol.is_push:
        lines += ["", "request template (c2s may be left out)", json.dumps(template(protocol), indent=2)]
    return "\n".join(lines) + "\n"


def description(protocol: Protocol) -> dict[str, Any]:
    """Return the same as plain values, for ``--json``."""
    seen = _messages(protocol)
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
            each.full_name: [
                {
                    "name": field.name,
                    "number": field.number,
                    "label": label_of(field),
                    "type": _type(field),
                    "enum": {str(number): name for number, name in (enum_names(field) or {}).items()} or None,
                }
                for field in each.fields
            ]
            for each in seen
        },
        "template": None if protocol.is_push else template(protocol),
    }


def template(protocol: Protocol) -> dict[str, Any]:
    """Return a request with every field in it, as ``ftwire call`` takes it; optional ones are ``null``."""
    message_class = protocol.request
    if message_class is None:
        return {}
    descriptor: Any = message_class.DESCRIPTOR
    c2s = descriptor.fields_by_name.get("c2s")
    made = _template(descriptor if c2s is None or c2s.message_type is None else c2s.message_type, ())
    # The connection fills it in.
    made.pop("packetID", None)
    return made


def _template(descriptor: Descriptor, above: tuple[Descriptor, ...]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for field in descriptor.fields:
        if not is_repeated(field) and not is_required(field):
            made[field.name] = None
        elif field.message_type in above:
            made[field.name] = [] if is_repeated(field) else {}
        else:
            value = _example(field, (*above, descriptor))
            made[field.name] = [value] if is_repeated(field) else value
    return made


def _example(field: FieldDescriptor, above: tuple[Descriptor, ...]) -> Any:
    inner = field.message_type
    if inner is not None:
        return "HK.00700" if inner.full_name == SECURITY else _template(inner, above)
    names = enum_names(field)
    if names:
        return next((number for number in names if number), 0)
    if field.cpp_type == field.CPPTYPE_STRING:
        return ""
    if field.cpp_type == field.CPPTYPE_BOOL:
        return False
    if field.cpp_type in {field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT}:
        return 0.0
    return 0


def _messages(protocol: Protocol) -> list[Descriptor]:
    """Return the request and the response, each with the messages in it, outer before inner."""
    seen: list[Any] = []

    def add(descriptor: Any) -> None:
        if descriptor in seen:
            return
        seen.append(descriptor)
        for field in descriptor.fields:
            if field.message_type is not None:
                add(field.message_type)

    for message_class in (protocol.request, protocol.response):
        if message_class is not None:
            add(message_class.DESCRIPTOR)
    return seen


def _row(field: FieldDescriptor) -> tuple[str, str, str, str]:
    note = ""
    names = enum_names(field)
    if names:
        note = f"enum {_enum_title(names)}"
    elif field.message_type is not None and field.message_type.full_name == SECURITY:
        note = 'or "HK.00700"'
    return f"{label_of(field)} {_type(field)}", field.name, f"= {field.number}", note


def _aligned(rows: list[tuple[str, str, str, str]]) -> list[str]:
    widths = [max((len(row[index]) for row in rows), default=0) for index in range(3)]
    return [
        "  " + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip()
        for row in rows
    ]


def _type(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        name: str = field.message_type.full_name
        return name
    return _SCALARS.get(field.type, "?")


_SCALARS = {
    1: "double",
    2: "float",
    3: "int64",
    4: "uint64",
    5: "int32",
    6: "fixed64",
    7: "fixed32",
    8: "bool",
    9: "string",
    12: "bytes",
    13: "uint32",
    14: "enum",
    15: "sfixed32",
    16: "sfixed64",
    17: "sint32",
    18: "sint64",
}
"""Numbers of ``FieldDescriptorProto.Type`` to their names in a ``.proto`` file."""


def _enum_title(names: dict[int, str]) -> str:
    """Name an enum by what its values begin with, the vendor's custom."""
    first = next(iter(names.values()))
    return first.partition("_")[0]
