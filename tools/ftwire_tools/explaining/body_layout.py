"""Draw a plain body: the tree of its fields with their offsets, or its JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from ftwire.diagnosis import WIRE_TYPES, Node
from ftwire_tools.messages.enums import enum_name
from ftwire_tools.messages.masking import Hidden
from ftwire_tools.render.hexdump import hexdump
from ftwire_tools.terminal.json_text import readable_json

if TYPE_CHECKING:
    from ftwire_tools.explaining.piece_view import PieceView
    from ftwire_tools.terminal.style import Paint

__all__ = ["body_json", "body_lines"]

MAX_HEX_LINES: Final = 16
"""Largest number of lines of bytes without a meaning."""


def body_lines(view: PieceView, paint: Paint) -> Iterator[str]:
    """Yield the lines of the body of a piece that has one."""
    size = len(view.piece.body or b"")
    name = "unknown message" if view.descriptor is None else view.descriptor.full_name
    if view.is_json:
        yield f"  body: JSON, {name}, {size} bytes"
        yield from _json_lines(view)
    else:
        yield f"  body: protobuf, {name}, {size} bytes"
        yield from _tree_lines(view, view.fields(), paint, 0)


def _tree_lines(view: PieceView, nodes: Iterable[Node], paint: Paint, depth: int) -> Iterator[str]:
    for node in nodes:
        indent = "  " * depth
        wire = _wire_name(node) + (f" {node.end - node.start}" if node.wire == 2 else "")
        tag = f"{node.number} {wire}" if node.number else "?"
        bytes_text = view.first_bytes(node).hex(" ")
        label = _label(node, paint)
        yield f"  {paint.faint}{node.offset:04x}{paint.reset}  {bytes_text:<23}  {tag:<11}  {indent}{label}"
        yield from _tree_lines(view, node.children, paint, depth + 1)


def _wire_name(node: Node) -> str:
    # A tag has three bits for the wire type, and there are six of them.
    return WIRE_TYPES[node.wire] if node.wire < len(WIRE_TYPES) else f"wire {node.wire}"


def _label(node: Node, paint: Paint) -> str:
    name = node.field.name if node.field is not None else f"field {node.number}"
    if node.problem is not None and not node.children:
        where = f"{name}: " if node.number else ""
        return f"{paint.bad}{where}{node.problem}{paint.reset}"
    kind = node.type
    if node.value is None:
        return f"{paint.request}{name}{paint.reset}: {kind}"
    return f"{paint.request}{name}{paint.reset}: {kind} = {paint.response}{_value_text(node)}{paint.reset}"


def _value_text(node: Node) -> str:
    value = node.value
    if isinstance(value, Hidden):
        return str(value)
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


def _json_lines(view: PieceView) -> Iterator[str]:
    try:
        value = view.json()
    except (ValueError, RecursionError):
        if view.body is None:
            yield "  withheld: no JSON, and it may hold keys, passwords or accounts (--show-secrets shows it)"
            return
        for line in hexdump(view.body)[:MAX_HEX_LINES]:
            yield f"  {line[4:]}"
        return
    for line in readable_json(value, indent=2).splitlines():
        yield f"    {line}"


def body_json(view: PieceView) -> Any:
    """Return a body as a JSON value: the tree of a protobuf body, the value of a JSON one."""
    if view.piece.body is None:
        return None
    if not view.is_json:
        return [_node_json(node) for node in view.fields()]
    try:
        return view.json()
    except (ValueError, RecursionError):
        return None


def _json_value(value: Any) -> Any:
    """Return a value for JSON: bytes in hexadecimal, numbers that are not finite by name."""
    if isinstance(value, tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value.hex() if isinstance(value, bytes) else value


def _node_json(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = {
        "offset": node.offset,
        "end": node.end,
        "number": node.number,
        "wire": _wire_name(node),
        "name": node.field.name if node.field is not None else None,
        "type": node.type,
    }
    if node.value is not None:
        found["value"] = _json_value(node.value)
    if node.children:
        found["fields"] = [_node_json(child) for child in node.children]
    if node.problem:
        found["problem"] = node.problem
    return found
