"""Draw a plain body: the tree of its fields with their offsets, or its JSON.

Secret fields are masked, and so is everything that may be one: unknown fields of messages that may hold secrets.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from ftwire.diagnosis import WIRE_TYPES, Node, wire_tree
from ftwire.frame import Role
from ftwire.header import BodyFormat
from ftwire.protocols import registry
from ftwire_tools.messages.descriptors import descriptor_of
from ftwire_tools.messages.enums import enum_name
from ftwire_tools.messages.masking import MASK, SECRET_FIELDS, is_secret, may_hold_secrets
from ftwire_tools.render.hexdump import hexdump
from ftwire_tools.terminal.json_text import readable_json

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from ftwire.diagnosis import Piece
    from ftwire_tools.terminal.style import Paint

__all__ = ["body_json", "body_lines"]

MAX_HEX_LINES: Final = 16
"""Largest number of lines of bytes without a meaning."""
TAG_BYTES: Final = 8
"""Bytes shown in front of a field: its tag and length, and its value if it is short."""


def _class_of(piece: Piece) -> Descriptor | None:
    """Return the class of the message that the body is, or should be."""
    found = registry.message_class(piece.proto_id, is_request=piece.sender is Role.CLIENT)
    wrong = {finding.mistake.id for finding in piece.findings}
    if wrong & {"request_for_response", "response_for_request"}:
        found = registry.message_class(piece.proto_id, is_request=piece.sender is not Role.CLIENT)
    return None if found is None else descriptor_of(found)


def _format_of(piece: Piece) -> int:
    """Return the real format of the body, whatever its header has."""
    wrong = {finding.mistake.id for finding in piece.findings}
    if "json_for_protobuf" in wrong:
        return BodyFormat.JSON
    if "protobuf_for_json" in wrong or piece.header is None:
        return BodyFormat.PROTOBUF
    return piece.header.body_format


def body_lines(piece: Piece, paint: Paint, *, show_secrets: bool) -> Iterator[str]:
    """Yield the lines of the body of a piece that has one."""
    body = piece.body or b""
    descriptor = _class_of(piece)
    name = "unknown message" if descriptor is None else descriptor.full_name
    if _format_of(piece) == BodyFormat.JSON:
        yield f"  body: JSON, {name}, {len(body)} bytes"
        yield from _json_lines(body, descriptor, show_secrets=show_secrets)
        return
    yield f"  body: protobuf, {name}, {len(body)} bytes"
    secret = not show_secrets and _may_be_secret(descriptor)
    yield from _tree_lines(body, wire_tree(body, descriptor), paint, 0, secret)


def _tree_lines(body: bytes, nodes: Iterable[Node], paint: Paint, depth: int, secret: bool) -> Iterator[str]:
    for node in nodes:
        hidden = _is_hidden(node, secret)
        head = body[node.offset : node.start]
        value_there = not node.children and node.value is not None and node.end - node.start + len(head) <= TAG_BYTES
        raw = body[node.offset : node.end] if value_there and not hidden else head
        if node.problem is not None and not node.children:
            raw = b"" if secret else body[node.offset : node.offset + TAG_BYTES]
        indent = "  " * depth
        wire = WIRE_TYPES[node.wire] + (f" {node.end - node.start}" if node.wire == 2 else "")
        tag = f"{node.number} {wire}" if node.number else "?"
        bytes_text = raw.hex(" ")
        label = _label(node, paint, hidden=hidden)
        yield f"  {paint.faint}{node.offset:04x}{paint.reset}  {bytes_text:<23}  {tag:<11}  {indent}{label}"
        yield from _tree_lines(body, node.children, paint, depth + 1, secret)


def _is_hidden(node: Node, secret: bool) -> bool:
    """Return whether a value must be hidden: a secret field, or one that may be."""
    if not secret:
        return False
    return node.field is None or is_secret(node.field)


def _label(node: Node, paint: Paint, *, hidden: bool) -> str:
    name = node.field.name if node.field is not None else f"field {node.number}"
    if node.problem is not None and not node.children:
        where = f"{name}: " if node.number else ""
        return f"{paint.bad}{where}{node.problem}{paint.reset}"
    kind = node.type
    if node.value is None:
        return f"{paint.request}{name}{paint.reset}: {kind}"
    text = MASK if hidden else _value_text(node)
    return f"{paint.request}{name}{paint.reset}: {kind} = {paint.response}{text}{paint.reset}"


def _value_text(node: Node) -> str:
    value = node.value
    if isinstance(value, str):
        return readable_json(value)
    if isinstance(value, bytes):
        return f"hex {value[:64].hex()}{'...' if len(value) > 64 else ''}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value[:32]))}{', ...' if len(value) > 32 else ''}]"
    named = enum_name(node.field, value) if node.field is not None and isinstance(value, int) else None
    return str(value) if named is None else f"{value} ({named})"


def _json_lines(body: bytes, descriptor: Descriptor | None, *, show_secrets: bool) -> Iterator[str]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        if not show_secrets and _may_be_secret(descriptor):
            yield "  withheld: no JSON, and it may hold keys, passwords or accounts (--show-secrets shows it)"
            return
        for line in hexdump(body)[:MAX_HEX_LINES]:
            yield f"  {line[4:]}"
        return
    if not show_secrets:
        value = _without_secrets(value, descriptor)
    for line in readable_json(value, indent=2).splitlines():
        yield f"    {line}"


def _may_be_secret(descriptor: Descriptor | None) -> bool:
    """Return whether bodies of a class may hold secrets; those of an unknown protocol may."""
    return descriptor is None or may_hold_secrets(descriptor)


def _without_secrets(value: Any, descriptor: Descriptor | None) -> Any:
    return _all_masked(value) if descriptor is None else _masked(value, descriptor, _secret_names(descriptor))


def _all_masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _all_masked(item) for name, item in value.items()}
    return [_all_masked(item) for item in value] if isinstance(value, list) else MASK


def _secret_names(descriptor: Descriptor) -> frozenset[str]:
    """Return the names of JSON members to mask: those secret in this message or in any other."""
    names = set(SECRET_FIELDS)
    seen = [descriptor]
    for each in seen:
        names.update(name for field in each.fields if is_secret(field) for name in (field.name, field.json_name))
        inner = (field.message_type for field in each.fields)
        seen.extend(message for message in inner if message is not None and message not in seen)
    return frozenset(names)


def _masked(value: Any, descriptor: Descriptor | None, names: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_masked(item, descriptor, names) for item in value]
    if not isinstance(value, dict):
        return value
    if descriptor is None or not may_hold_secrets(descriptor):
        return {name: MASK if name in names else _masked(item, None, names) for name, item in value.items()}
    fields = {name: field for field in descriptor.fields for name in (field.name, field.json_name)}
    return {
        name: MASK if name in names or name not in fields else _masked(item, fields[name].message_type, names)
        for name, item in value.items()
    }


def body_json(piece: Piece, *, show_secrets: bool) -> Any:
    """Return a body as a JSON value: the tree of a protobuf body, the value of a JSON one."""
    body = piece.body
    if body is None:
        return None
    descriptor = _class_of(piece)
    if _format_of(piece) == BodyFormat.JSON:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            return None
        return value if show_secrets else _without_secrets(value, descriptor)
    secret = not show_secrets and _may_be_secret(descriptor)
    return [_node_json(node, secret) for node in wire_tree(body, descriptor)]


def _json_value(value: Any) -> Any:
    """Return a value for JSON: bytes in hexadecimal, numbers that are not finite by name."""
    if isinstance(value, tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value.hex() if isinstance(value, bytes) else value


def _node_json(node: Node, secret: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "offset": node.offset,
        "end": node.end,
        "number": node.number,
        "wire": WIRE_TYPES[node.wire],
        "name": node.field.name if node.field is not None else None,
        "type": node.type,
    }
    if node.value is not None:
        value = MASK if _is_hidden(node, secret) else node.value
        found["value"] = _json_value(value)
    if node.children:
        found["fields"] = [_node_json(child, secret) for child in node.children]
    if node.problem:
        found["problem"] = node.problem
    return found
