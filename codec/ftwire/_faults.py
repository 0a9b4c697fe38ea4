"""Find the place where a body stops making sense.

protobuf's errors have no position; those of its JSON reader have the name of a field only. The functions here run only
after a failure, so they are written to be clear, not fast.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]  # undocumented, there since 2.6
from typing import TYPE_CHECKING, Any, NamedTuple

from ftwire._protobuf import is_repeated
from ftwire._varints import read_varint

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

# What upb, the parser behind every protobuf for Python, allows: messages and groups inside each other.
MAX_DEPTH = 100

VARINT, I64, LEN, START_GROUP, END_GROUP, I32 = range(6)

# FieldDescriptor.TYPE_*, by the wire type of one unpacked value.
_FIXED_WIDTH = {1: 8, 2: 4, 6: 8, 7: 4, 15: 4, 16: 8}
_VARINT_TYPES = {3, 4, 5, 8, 13, 14, 17, 18}
_TYPE_MESSAGE = 11
_TYPE_GROUP = 10


class Fault(NamedTuple):
    """One place where bytes contradict the wire format."""

    offset: int
    """Of the tag of the innermost field that is wrong, in bytes from the start of the body."""
    reason: str
    """Which field, and what is wrong with it."""


class _Walk:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def message(
        self, at: int, end: int, descriptor: Descriptor | None, depth: int, group: int, path: str
    ) -> tuple[int, Fault | None]:
        """Read fields up to ``end``, or to the end of ``group``; return the position after them, or the fault."""
        while at < end:
            start = at
            read = read_varint(self.data, at, end)
            # A tag is a u32: five bytes at most.
            if read is None or read[0] >= 1 << 32 or read[1] - at > 5:
                return at, Fault(start, f"{path}: the tag of a field is no number of 1 to 5 bytes")
            tag, at = read
            number, wire = tag >> 3, tag & 7
            if number == 0:
                return at, Fault(start, f"{path}: a field has number 0")
            if wire == END_GROUP:
                if number == group:
                    return at, None
                return at, Fault(start, f"{path}: field {number} ends a group that was not started")
            field = None if descriptor is None else descriptor.fields_by_number.get(number)
            name = f"{path}.{field.name}" if field is not None else f"{path}.{number}"
            at, fault = self.value(start, at, end, wire, number, field, depth, name)
            if fault:
                return at, fault
        if group:
            return at, Fault(at, f"{path}: the group does not end")
        return at, None

    def value(
        self,
        start: int,
        at: int,
        end: int,
        wire: int,
        number: int,
        field: FieldDescriptor | None,
        depth: int,
        name: str,
    ) -> tuple[int, Fault | None]:
        if wire == VARINT:
            read = read_varint(self.data, at, end)
            if read is None:
                return at, Fault(start, f"{name}: a number does not end within ten bytes or before its message")
            return read[1], None
        if wire in (I64, I32):
            width = 8 if wire == I64 else 4
            if at + width > end:
                return at, Fault(start, f"{name}: takes {width} bytes, {end - at} are left")
            return at + width, None
        if wire == START_GROUP:
            if depth + 1 > MAX_DEPTH:
                return at, Fault(start, f"{name}: nested deeper than {MAX_DEPTH} messages")
            known = field is not None and field.type == _TYPE_GROUP
            inner = field.message_type if field is not None and known else None
            return self.message(at, end, inner, depth + 1, number, name)
        if wire == LEN:
            return self.delimited(start, at, end, field, depth, name)
        return at, Fault(start, f"{name}: there is no wire type {wire}")

    def delimited(
        self, start: int, at: int, end: int, field: FieldDescriptor | None, depth: int, name: str
    ) -> tuple[int, Fault | None]:
        read = read_varint(self.data, at, end)
        if read is None:
            return at, Fault(start, f"{name}: its length does not end within ten bytes or before its message")
        length, at = read
        if length > end - at:
            return at, Fault(start, f"{name}: takes {length} bytes, {end - at} are left")
        stop = at + length
        if field is None:
            return stop, None
        if field.type == _TYPE_MESSAGE:
            if depth + 1 > MAX_DEPTH:
                return at, Fault(start, f"{name}: nested deeper than {MAX_DEPTH} messages")
            return self.message(at, stop, field.message_type, depth + 1, 0, name)
        if width := _FIXED_WIDTH.get(field.type):
            # A packed list; a single number sent as bytes is skipped as unknown.
            if length % width and is_repeated(field):
                return at, Fault(start, f"{name}: a list of {width}-byte numbers in {length} bytes")
            return stop, None
        if field.type in _VARINT_TYPES and is_repeated(field):
            while at < stop:
                item = read_varint(self.data, at, stop)
                if item is None:
                    return at, Fault(start, f"{name}: a number in the list does not end")
                at = item[1]
        return stop, None


def find_fault(body: bytes, descriptor: Any) -> Fault | None:
    """Return the first place where ``body`` is not wire format of such a message; ``None`` if there is none."""
    return _Walk(body).message(0, len(body), descriptor, 0, 0, descriptor.full_name)[1]


def json_offset(text: str, path: Sequence[str | int]) -> int | None:
    """Return where in a JSON text, in characters, the value at ``path`` starts; ``None`` if there is none."""
    decode = json.JSONDecoder().raw_decode
    at = _skip(text, 0)
    for step in path:
        if at >= len(text) or text[at] != ("[" if isinstance(step, int) else "{"):
            return None
        at = _skip(text, at + 1)
        found: int | None = None
        index = 0
        while at < len(text) and text[at] not in "]}":
            key: str | int = index
            if isinstance(step, str):
                key, at = scanstring(text, at + 1, True)
                at = _skip(text, _skip(text, at) + 1)  # the colon
            if key == step:
                found = at  # of equal keys the last counts, as for json.loads
                if isinstance(step, int):
                    break
            at = _skip(text, decode(text, at)[1])
            if at < len(text) and text[at] == ",":
                at = _skip(text, at + 1)
            index += 1
        if found is None:
            return None
        at = found
    return at


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\n\r":
        at += 1
    return at
