"""Whether bodies written with one schema are read the same with another: by label, by type, in protobuf and in JSON.

A field or enum value that the reader does not have is ignored and not counted as a difference: it stays in the bytes,
and every schema grows in this way. All others have to arrive as the same value. Types follow
https://protobuf.dev/programming-guides/proto2/#updating, but exactly: ``int64`` reads every ``int32``, not the
reverse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

__all__ = ["Reads", "Types", "label_reads", "match_fields", "type_reads"]

_F = FieldDescriptorProto
_VARINT: Final = {_F.TYPE_INT32, _F.TYPE_INT64, _F.TYPE_UINT32, _F.TYPE_UINT64, _F.TYPE_BOOL, _F.TYPE_ENUM}
_RANGES: Final[dict[int, tuple[int, int]]] = {
    _F.TYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    _F.TYPE_SINT32: (-(1 << 31), (1 << 31) - 1),
    _F.TYPE_SFIXED32: (-(1 << 31), (1 << 31) - 1),
    _F.TYPE_UINT32: (0, (1 << 32) - 1),
    _F.TYPE_FIXED32: (0, (1 << 32) - 1),
    _F.TYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    _F.TYPE_SINT64: (-(1 << 63), (1 << 63) - 1),
    _F.TYPE_SFIXED64: (-(1 << 63), (1 << 63) - 1),
    _F.TYPE_UINT64: (0, (1 << 64) - 1),
    _F.TYPE_FIXED64: (0, (1 << 64) - 1),
    _F.TYPE_BOOL: (0, 1),
}
# Groups of types with the same layout; a type in none of them is compatible with itself only.
_LAYOUTS: Final = (_VARINT, {_F.TYPE_SINT32, _F.TYPE_SINT64})


class Reads(NamedTuple):
    """Whether a reader gets the value that was written, by body format."""

    protobuf: bool
    json: bool

    def __and__(self, other: Reads) -> Reads:
        """Combine two results: both must hold."""
        return Reads(self.protobuf and other.protobuf, self.json and other.json)


ALL: Final = Reads(True, True)
NOTHING: Final = Reads(False, False)


class Types:
    """The messages and enums of one schema by full name, without a leading dot."""

    def __init__(self, files: Iterable[FileDescriptorProto], renamed: Mapping[str, str] | None = None) -> None:
        """``renamed`` maps packages to their names here."""
        self.messages: Final[dict[str, DescriptorProto]] = {}
        self.enums: Final[dict[str, EnumDescriptorProto]] = {}
        self.home: Final[dict[str, str]] = {}
        """Full name to the file that defines it."""
        self._renamed: Final = renamed or {}
        for file in files:
            scope = self._renamed.get(file.package, file.package)
            prefix = f"{scope}." if scope else ""
            self._add(file.name, prefix, file.message_type, file.enum_type)
        self.used: Final = set(self._enums_of(required_only=False))
        """Enums that a field is declared with."""
        self.required: Final = set(self._enums_of(required_only=True))
        """Enums that a required field is declared with: a value unknown to it leaves the message incomplete."""

    def type_name(self, field: FieldDescriptorProto) -> str:
        """The full name of a field's message or enum; empty for a scalar."""
        name = field.type_name.removeprefix(".")
        package, dot, rest = name.partition(".")
        return f"{self._renamed.get(package, package)}{dot}{rest}"

    def _add(
        self,
        file: str,
        prefix: str,
        messages: Iterable[DescriptorProto],
        enums: Iterable[EnumDescriptorProto],
    ) -> None:
        for enum in enums:
            self.enums[f"{prefix}{enum.name}"] = enum
            self.home[f"{prefix}{enum.name}"] = file
        for message in messages:
            full_name = f"{prefix}{message.name}"
            self.messages[full_name] = message
            self.home[full_name] = file
            self._add(file, f"{full_name}.", message.nested_type, message.enum_type)

    def _enums_of(self, *, required_only: bool) -> Iterator[str]:
        for message in self.messages.values():
            for field in message.field:
                if field.type == _F.TYPE_ENUM and (field.label == _F.LABEL_REQUIRED or not required_only):
                    yield self.type_name(field)


def match_fields(
    old: Iterable[FieldDescriptorProto], new: Iterable[FieldDescriptorProto]
) -> list[tuple[FieldDescriptorProto | None, FieldDescriptorProto | None]]:
    """Return pairs of the same field, by name or else by number; removed and added ones have no partner."""
    by_name = {field.name: field for field in new}
    pairs: list[tuple[FieldDescriptorProto | None, FieldDescriptorProto | None]] = []
    gone: list[FieldDescriptorProto] = []
    for field in old:
        same = by_name.pop(field.name, None)
        if same is None:
            gone.append(field)
        else:
            pairs.append((field, same))
    by_number = {field.number: field for field in by_name.values()}
    pairs += [(field, by_number.pop(field.number, None)) for field in gone]
    pairs += [(None, field) for field in by_number.values()]
    return pairs


def label_reads(writer: int, reader: int) -> Reads:
    """Return whether values written under one label are read under another."""
    if writer == reader:
        return ALL
    if reader == _F.LABEL_REQUIRED and writer == _F.LABEL_OPTIONAL:
        return NOTHING
    if writer == _F.LABEL_REPEATED:
        return NOTHING
    # On the wire one value is a list of one; in JSON a list has brackets.
    return Reads(True, reader != _F.LABEL_REPEATED)


def type_reads(
    writer: FieldDescriptorProto,
    reader: FieldDescriptorProto,
    written: Types,
    read: Types,
    seen: frozenset[tuple[str, str]] = frozenset(),
) -> Reads:
    """Return whether every value of one field's type is read the same as another's, labels aside."""
    if writer.type == reader.type:
        if writer.type in {_F.TYPE_MESSAGE, _F.TYPE_GROUP}:
            return _message_reads(written.type_name(writer), read.type_name(reader), written, read, seen)
        if writer.type == _F.TYPE_ENUM:
            return _enum_reads(_values(writer, written), _values(reader, read))
        return ALL
    return Reads(_protobuf_reads(writer, reader, written, read), _json_reads(writer.type, reader.type))


def _protobuf_reads(writer: FieldDescriptorProto, reader: FieldDescriptorProto, written: Types, read: Types) -> bool:
    if (writer.type, reader.type) == (_F.TYPE_STRING, _F.TYPE_BYTES):
        return True
    if not any({writer.type, reader.type} <= layout for layout in _LAYOUTS):
        return False
    if writer.type == _F.TYPE_ENUM:
        values: Iterable[int] = _values(writer, written).values()
    else:
        values = _RANGES[writer.type]
    if reader.type == _F.TYPE_ENUM:
        return writer.type == _F.TYPE_BOOL and {0, 1} <= set(_values(reader, read).values())
    low, high = _RANGES[reader.type]
    return all(low <= value <= high for value in values)


def _json_reads(writer: int, reader: int) -> bool:
    if _F.TYPE_BOOL in {writer, reader} or writer not in _RANGES:
        return False
    if reader == _F.TYPE_DOUBLE:
        return _RANGES[writer][1] < 1 << 32
    if reader not in _RANGES:
        return False
    (written_low, written_high), (low, high) = _RANGES[writer], _RANGES[reader]
    return low <= written_low and written_high <= high


def _values(field: FieldDescriptorProto, types: Types) -> dict[str, int]:
    enum = types.enums.get(types.type_name(field))
    return {value.name: value.number for value in enum.value} if enum is not None else {}


def _enum_reads(writer: Mapping[str, int], reader: Mapping[str, int]) -> Reads:
    return Reads(set(writer.values()) <= set(reader.values()), writer.items() <= reader.items())


def _message_reads(writer: str, reader: str, written: Types, read: Types, seen: frozenset[tuple[str, str]]) -> Reads:
    found = ALL
    old, new = written.messages.get(writer), read.messages.get(reader)
    # A message that contains itself is compatible if the rest of it is.
    if (writer, reader) in seen or old is None or new is None:
        return ALL if (writer, reader) in seen else NOTHING
    seen |= {(writer, reader)}
    for sent, taken in match_fields(old.field, new.field):
        # Another message is another version of this one only if it has all of its fields.
        if taken is None or (sent is None and taken.label == _F.LABEL_REQUIRED):
            return NOTHING
        if sent is None:
            continue
        found &= Reads(sent.number == taken.number, sent.name == taken.name)
        found &= label_reads(sent.label, taken.label)
        found &= type_reads(sent, taken, written, read, seen)
    return found
