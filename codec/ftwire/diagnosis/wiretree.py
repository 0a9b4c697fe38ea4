"""A protobuf body as a tree of its fields, each with its position in the bytes.

Reads bodies that a parser refuses, as far as possible. Fields that the schema has are named, the type of others is
guessed. Where the wire type of a field is not the schema's, the wire type counts.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire._varints import read_varint
from ftwire.schema import is_repeated

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = ["TOO_MANY", "WIRE_TYPES", "Node", "is_exact", "wire_tree"]

WIRE_TYPES: Final = ("varint", "i64", "len", "sgroup", "egroup", "i32")
"""Names of the wire types, by number (https://protobuf.dev/programming-guides/encoding/)."""

VARINT, I64, LEN, START_GROUP, END_GROUP, I32 = range(6)

MAX_DEPTH: Final = 100
"""Nesting depth of messages, that of protobuf's own parser."""
MAX_GUESSED_DEPTH: Final = 12
"""Nesting depth without a schema: what is nested deeper, and only looks like messages, is shown as bytes."""
MAX_NODES: Final = 200_000
"""Largest number of fields in one tree."""
TOO_MANY: Final = "more fields than are shown"
"""The problem of a tree's last node where there are more."""

# FieldDescriptor.TYPE_* by number.
_DOUBLE, _FLOAT, _BOOL, _STRING, _GROUP, _MESSAGE, _BYTES = 1, 2, 8, 9, 10, 11, 12
_TYPE_NAMES: Final = (
    "",
    "double",
    "float",
    "int64",
    "uint64",
    "int32",
    "fixed64",
    "fixed32",
    "bool",
    "string",
    "group",
    "message",
    "bytes",
    "uint32",
    "enum",
    "sfixed32",
    "sfixed64",
    "sint32",
    "sint64",
)
_WIRE_OF: Final = {1: I64, 2: I32, 6: I64, 7: I32, 9: LEN, 10: START_GROUP, 11: LEN, 12: LEN, 15: I32, 16: I64}
_FIXED: Final = {1: "<d", 2: "<f", 6: "<Q", 7: "<I", 15: "<i", 16: "<q"}

Value = int | float | bool | str | bytes | tuple[int | float | bool, ...] | None


class Node(NamedTuple):
    """One field of a body."""

    offset: int
    """Offset of its tag, in bytes from the start of the body."""
    start: int
    """Offset of its value: after the tag, and after the length if there is one."""
    end: int
    """Offset of the end of its value."""
    number: int
    """Field number, 0 where the tag could not be read."""
    wire: int
    """Wire type: see ``WIRE_TYPES``."""
    field: FieldDescriptor | None
    """Its descriptor; ``None`` for a field that the schema lacks, or that has another wire type there."""
    type: str
    """Its type in the schema, or a guess such as ``message?``."""
    value: Value
    """Its value; ``None`` for a message, and for bytes that could not be read."""
    children: tuple[Node, ...] = ()
    """The fields of a message."""
    problem: str | None = None
    """Why the bytes from here on cannot be read."""


def wire_tree(body: bytes, descriptor: Descriptor | None = None, *, max_nodes: int = MAX_NODES) -> tuple[Node, ...]:
    """Return the fields of ``body``, read with the schema of ``descriptor`` or without one.

    Bytes that cannot be read are in the last node, with the reason in its ``problem``. Never raises on account of
    the bytes; work and memory are linear in them.
    """
    nodes, _ = _Reader(body, max_nodes).message(0, len(body), descriptor, 0, 0, guessing=False)
    return nodes


def is_exact(nodes: tuple[Node, ...]) -> bool:
    """Return whether the schema has every field of a tree, and every byte could be read."""
    return all(node.problem is None and node.field is not None and is_exact(node.children) for node in nodes)


class _Reader:
    def __init__(self, data: bytes, max_nodes: int) -> None:
        self.data = data
        self.left = max_nodes

    def _read_varint(self, at: int, end: int) -> tuple[int, int] | None:
        read = read_varint(self.data, at, end)
        return None if read is None else (read[0] & 0xFFFF_FFFF_FFFF_FFFF, read[1])

    def message(
        self, at: int, end: int, descriptor: Descriptor | None, depth: int, group: int, *, guessing: bool
    ) -> tuple[tuple[Node, ...], int]:
        """Return the fields up to ``end``, or up to the end of ``group``, and the place after them."""
        nodes: list[Node] = []
        while at < end:
            if self.left <= 0:
                nodes.append(Node(at, at, end, 0, 0, None, "", None, problem=TOO_MANY))
                return tuple(nodes), end
            self.left -= 1
            node = self.field(at, end, descriptor, depth, group, guessing=guessing)
            if node is None:  # the group ends here
                tag = self._read_varint(at, end)
                assert tag is not None  # noqa: S101 - for the type checker: field() has just read it
                return tuple(nodes), tag[1]
            nodes.append(node)
            at = node.end
            if node.problem is not None:
                return tuple(nodes), end
        if group:
            nodes.append(Node(at, at, at, 0, END_GROUP, None, "", None, problem=f"group {group} does not end"))
        return tuple(nodes), at

    def field(
        self, offset: int, end: int, descriptor: Descriptor | None, depth: int, group: int, *, guessing: bool
    ) -> Node | None:
        def fail(problem: str, number: int = 0, wire: int = 0, field: FieldDescriptor | None = None) -> Node:
            return Node(offset, offset, end, number, wire, field, "", None, problem=problem)

        read = self._read_varint(offset, end)
        if read is None or read[0] >= 1 << 32 or read[1] - offset > 5:
            return fail("no tag: not a number of 1 to 5 bytes")
        tag, at = read
        number, wire = tag >> 3, tag & 7
        if number == 0:
            return fail("field number 0")
        if wire == END_GROUP:
            return None if group and number == group else fail("ends a group that was not started", number, wire)
        if wire > I32:
            return fail(f"there is no wire type {wire}", number, wire)
        known = None if descriptor is None else descriptor.fields_by_number.get(number)
        field = known if known is not None and _fits(known, wire) else None
        if wire == VARINT:
            read = self._read_varint(at, end)
            if read is None:
                return fail("a number that does not end", number, wire, field)
            return Node(offset, at, read[1], number, wire, field, *_varint(field, read[0]))
        if wire in (I64, I32):
            width = 8 if wire == I64 else 4
            if at + width > end:
                return fail(f"takes {width} bytes, {end - at} are left", number, wire, field)
            return Node(offset, at, at + width, number, wire, field, *_fixed(field, self.data[at : at + width]))
        if depth >= MAX_DEPTH:
            return fail(f"nested deeper than {MAX_DEPTH} messages", number, wire, field)
        if wire == START_GROUP:
            inner = None if field is None else field.message_type
            children, after = self.message(at, end, inner, depth + 1, number, guessing=guessing)
            problem = next((child.problem for child in children if child.problem), None)
            return Node(offset, at, after, number, wire, field, "group", None, children, problem)
        read = self._read_varint(at, end)
        if read is None:
            return fail("a length that does not end", number, wire, field)
        length, start = read
        if length > end - start:
            return fail(f"takes {length} bytes, {end - start} are left", number, wire, field)
        stop = start + length
        return Node(offset, start, stop, number, wire, field, *self.delimited(start, stop, field, depth, guessing))

    def delimited(
        self, start: int, stop: int, field: FieldDescriptor | None, depth: int, guessing: bool
    ) -> tuple[str, Value, tuple[Node, ...]]:
        raw = self.data[start:stop]
        if field is None:
            return self.guess(start, stop, depth)
        if field.type == _MESSAGE:
            children, _ = self.message(start, stop, field.message_type, depth + 1, 0, guessing=guessing)
            return "message", None, children
        if field.type == _STRING:
            try:
                return "string", raw.decode(), ()
            except UnicodeDecodeError:
                return "string (no UTF-8)", raw, ()
        if field.type == _BYTES:
            return "bytes", raw, ()
        items = self.packed(start, stop, field)
        return (f"packed {_TYPE_NAMES[field.type]}", items, ()) if items is not None else ("bytes", raw, ())

    def packed(self, start: int, stop: int, field: FieldDescriptor) -> tuple[Any, ...] | None:
        code = _FIXED.get(field.type)
        if code:
            width = struct.calcsize(code)
            if (stop - start) % width:
                return None
            return tuple(value for (value,) in struct.iter_unpack(code, self.data[start:stop]))
        items = []
        at = start
        while at < stop:
            read = self._read_varint(at, stop)
            if read is None:
                return None
            items.append(_varint(field, read[0])[1])
            at = read[1]
        return tuple(items)

    def guess(self, start: int, stop: int, depth: int) -> tuple[str, Value, tuple[Node, ...]]:
        """Guess the type of bytes that are in no schema: text, a message, or plain bytes."""
        raw = self.data[start:stop]
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = ""
        if text.isprintable() and text:
            return "string?", text, ()
        if raw and depth < MAX_GUESSED_DEPTH:
            left = self.left
            children, _ = self.message(start, stop, None, depth + 1, 0, guessing=True)
            if not any(child.problem for child in children):
                return "message?", None, children
            self.left = left
        return "bytes?" if raw else "empty", raw, ()


def _fits(field: FieldDescriptor, wire: int) -> bool:
    """Return whether a parser accepts this wire type for a field of the schema."""
    wanted = _WIRE_OF.get(field.type, VARINT)
    return wire == wanted or (wire == LEN and wanted in (VARINT, I64, I32) and is_repeated(field))


def _varint(field: FieldDescriptor | None, value: int) -> tuple[str, Value]:
    if field is None:
        return "varint?", value
    kind = field.type
    name = _TYPE_NAMES[kind]
    if kind == _BOOL:
        return name, bool(value)
    if kind in (17, 18):  # sint32, sint64
        return name, (value >> 1) ^ -(value & 1)
    if kind == 13:  # uint32
        return name, value & 0xFFFF_FFFF
    if kind in (5, 14):  # int32, enum
        return name, ((value & 0xFFFF_FFFF) ^ 0x8000_0000) - 0x8000_0000
    if kind == 3:  # int64
        return name, (value ^ (1 << 63)) - (1 << 63)
    return name, value


def _fixed(field: FieldDescriptor | None, raw: bytes) -> tuple[str, Value]:
    if field is not None:
        return _TYPE_NAMES[field.type], struct.unpack(_FIXED[field.type], raw)[0]
    if len(raw) == 8:
        return "double?", struct.unpack("<d", raw)[0]
    return "fixed32?", struct.unpack("<I", raw)[0]
