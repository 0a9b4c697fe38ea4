"""List the changes from one schema to another, and which of them break the wire.

A change breaks a direction when bodies written with one schema are not read the same with the other
(``ftwire_tools.schemas.compatibility`` defines "the same"). Not compared is what does not affect the wire: the order
of declarations, imports, language options, comments; nor services and extensions, which the vendor does not use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    EnumValueDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from ftwire_tools.schemas.compatibility import Reads, Types, label_reads, match_fields, type_reads

__all__ = ["NEW_TO_OLD", "OLD_TO_NEW", "Change", "compare"]

OLD_TO_NEW: Final = "old_to_new"
"""A body written with the old schema is not read the same with the new one."""
NEW_TO_OLD: Final = "new_to_old"
"""A body written with the new schema is not read the same with the old one."""

_BOTH: Final = (OLD_TO_NEW, NEW_TO_OLD)
_F = FieldDescriptorProto
_LABELS: Final = {number: name.removeprefix("LABEL_").lower() for name, number in _F.Label.items()}
_SCALARS: Final = {number: name.removeprefix("TYPE_").lower() for name, number in _F.Type.items()}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference."""

    kind: str
    """``added``, ``removed`` or ``changed``."""
    subject: str
    """``protocol``, ``file``, ``message``, ``field``, ``enum`` or ``value``."""
    name: str
    """Full name in the new schema; for a protocol its ID and name."""
    aspect: str = ""
    """What changed: ``name``, ``number``, ``label``, ``type``, ``default``, ``packed``, ``oneof``, ``syntax``."""
    before: str = ""
    after: str = ""
    protobuf: tuple[str, ...] = ()
    """Directions in which protobuf bodies break: ``OLD_TO_NEW``, ``NEW_TO_OLD``."""
    json: tuple[str, ...] = ()
    """Directions in which JSON bodies break."""

    @property
    def is_breaking(self) -> bool:
        """Bodies of one side are not read the same by the other, in either format."""
        return bool(self.protobuf or self.json)

    def facts(self) -> dict[str, Any]:
        """Return the change as an object for ``--json``."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"breaking": self.is_breaking} | found


def compare(
    old: Iterable[FileDescriptorProto],
    new: Iterable[FileDescriptorProto],
    old_ids: Mapping[int, str] | None = None,
    new_ids: Mapping[int, str] | None = None,
) -> list[Change]:
    """Return every change from ``old`` to ``new``: protocols by ID, then the rest by name."""
    old_files, new_files = {file.name: file for file in old}, {file.name: file for file in new}
    old_ids, new_ids = old_ids or {}, new_ids or {}
    moved = _renamed_files(old_files, new_files, old_ids, new_ids)
    packages = {old_files[before].package: new_files[after].package for before, after in moved.items()}
    old_types, new_types = Types(old_files.values(), packages), Types(new_files.values())
    found = [*_protocols(old_ids, new_ids)]
    rest: list[Change] = []
    for name, file in old_files.items():
        if name not in new_files and name not in moved:
            rest.append(Change("removed", "file", name, before=_contents(file)))
        elif (after := new_files[moved.get(name, name)]).syntax != file.syntax:
            before_syntax, after_syntax = file.syntax or "proto2", after.syntax or "proto2"
            if before_syntax != after_syntax:
                # Presence, closed enums and default packing differ: one change, since no release has done it.
                rest.append(Change("changed", "file", name, "syntax", before_syntax, after_syntax, _BOTH, _BOTH))
    for name, file in new_files.items():
        if name not in old_files and name not in moved.values():
            rest.append(Change("added", "file", name, after=_contents(file)))
    for before, after_name in moved.items():
        rest.append(Change("changed", "file", after_name, "name", before, after_name))
    covered = {change.name for change in rest if change.subject == "file" and change.kind != "changed"}
    rest += _types(old_types, new_types, covered)
    return found + sorted(rest, key=lambda change: (change.name, change.aspect, change.kind))


def _renamed_files(
    old: Mapping[str, FileDescriptorProto],
    new: Mapping[str, FileDescriptorProto],
    old_ids: Mapping[int, str],
    new_ids: Mapping[int, str],
) -> dict[str, str]:
    """Return the files of protocols that have another name and the same ID."""
    pairs = ((f"{name}.proto", f"{new_ids.get(proto_id, '')}.proto") for proto_id, name in old_ids.items())
    return {
        before: after
        for before, after in pairs
        if before in old and after in new and before not in new and after not in old
    }


def _protocols(old: Mapping[int, str], new: Mapping[int, str]) -> Iterator[Change]:
    for proto_id in sorted(old.keys() | new.keys()):
        before, after = old.get(proto_id), new.get(proto_id)
        if before == after:
            continue
        if before is None:
            yield Change("added", "protocol", f"{proto_id} {after}")
        elif after is None:
            # Its frames can no longer be decoded.
            yield Change("removed", "protocol", f"{proto_id} {before}", "", "", "", (OLD_TO_NEW,), (OLD_TO_NEW,))
        else:
            yield Change("changed", "protocol", f"{proto_id} {after}", "name", before, after)


def _contents(file: FileDescriptorProto) -> str:
    return f"{len(file.message_type)} messages, {len(file.enum_type)} enums"


def _types(old: Types, new: Types, covered: set[str]) -> Iterator[Change]:
    for subject, before, after in (("message", old.messages, new.messages), ("enum", old.enums, new.enums)):
        for name in before.keys() | after.keys():
            one, other = before.get(name), after.get(name)
            if one is not None and other is not None:
                if isinstance(one, DescriptorProto) and isinstance(other, DescriptorProto):
                    yield from _fields(name, one, other, old, new)
                elif isinstance(one, EnumDescriptorProto) and isinstance(other, EnumDescriptorProto):
                    yield from _values(name, one, other, old, new)
                continue
            # Contents of a file or message that was added or removed as a whole are not listed again.
            here, there = (old, new) if other is None else (new, old)
            outer = name.rpartition(".")[0]
            if here.home[name] in covered or (outer in here.messages and outer not in there.messages):
                continue
            yield Change("removed" if other is None else "added", subject, name)


def _fields(name: str, before: DescriptorProto, after: DescriptorProto, old: Types, new: Types) -> Iterator[Change]:
    for one, other in match_fields(before.field, after.field):
        if one is not None and other is not None:
            oneofs = _oneof(one, before), _oneof(other, after)
            yield from _field(f"{name}.{other.name}", one, other, old, new)
            if oneofs[0] != oneofs[1]:
                yield Change("changed", "field", f"{name}.{other.name}", "oneof", *oneofs, _BOTH, _BOTH)
        elif one is not None:
            breaks = (NEW_TO_OLD,) if one.label == _F.LABEL_REQUIRED else ()
            text = _declaration(one, old)
            yield Change("removed", "field", f"{name}.{one.name}", before=text, protobuf=breaks, json=breaks)
        elif other is not None:
            breaks = (OLD_TO_NEW,) if other.label == _F.LABEL_REQUIRED else ()
            text = _declaration(other, new)
            yield Change("added", "field", f"{name}.{other.name}", after=text, protobuf=breaks, json=breaks)


def _field(name: str, one: _F, other: _F, old: Types, new: Types) -> Iterator[Change]:
    if one.name != other.name:
        yield Change("changed", "field", name, "name", one.name, other.name, json=_BOTH)
    if one.number != other.number:
        yield Change("changed", "field", name, "number", str(one.number), str(other.number), protobuf=_BOTH)
    if one.label != other.label:
        directions = label_reads(one.label, other.label), label_reads(other.label, one.label)
        yield _changed(name, "label", _LABELS[one.label], _LABELS[other.label], *directions)
    before, after = _type(one, old), _type(other, new)
    if before != after:
        directions = type_reads(one, other, old, new), type_reads(other, one, new, old)
        yield _changed(name, "type", before, after, *directions)
    if (one.HasField("default_value"), one.default_value) != (other.HasField("default_value"), other.default_value):
        # A default is never sent: an absent field is absent to both sides.
        yield Change("changed", "field", name, "default", _default(one), _default(other))
    if (one.options.packed, one.label) != (other.options.packed, other.label) and one.label == other.label:
        yield Change("changed", "field", name, "packed", str(one.options.packed), str(other.options.packed))


def _changed(name: str, aspect: str, before: str, after: str, forward: Reads, backward: Reads) -> Change:
    broken = [
        tuple(direction for direction, reads in ((OLD_TO_NEW, ahead), (NEW_TO_OLD, back)) if not reads)
        for ahead, back in zip(forward, backward, strict=True)
    ]
    return Change("changed", "field", name, aspect, before, after, *broken)


def _values(
    name: str, before: EnumDescriptorProto, after: EnumDescriptorProto, old: Types, new: Types
) -> Iterator[Change]:
    one = {value.name: value for value in before.value}
    other = {value.name: value for value in after.value}
    gone = [value for value in before.value if value.name not in other]
    came = {value.number: value for value in after.value if value.name not in one}
    # By name where a field is declared with the enum; otherwise integers carry it, in JSON bodies too.
    by_name = name in old.used & new.used
    for value in before.value:
        if (same := other.get(value.name)) is not None and same.number != value.number:
            numbers = str(value.number), str(same.number)
            yield Change(
                "changed", "value", f"{name}.{value.name}", "number", *numbers, _BOTH, () if by_name else _BOTH
            )
    for value in gone:
        renamed: EnumValueDescriptorProto | None = came.pop(value.number, None)
        if renamed is not None:
            names, breaks = (value.name, renamed.name), _BOTH if by_name else ()
            yield Change("changed", "value", f"{name}.{renamed.name}", "name", *names, json=breaks)
            continue
        lost = (OLD_TO_NEW,) if name in new.required else ()
        yield Change("removed", "value", f"{name}.{value.name}", before=str(value.number), protobuf=lost, json=lost)
    for value in came.values():
        lost = (NEW_TO_OLD,) if name in old.required else ()
        yield Change("added", "value", f"{name}.{value.name}", after=str(value.number), protobuf=lost, json=lost)


def _type(field: _F, types: Types) -> str:
    return types.type_name(field) or _SCALARS[field.type]


def _declaration(field: _F, types: Types) -> str:
    default = f" [default = {field.default_value}]" if field.HasField("default_value") else ""
    return f"{_LABELS[field.label]} {_type(field, types)} {field.name} = {field.number}{default}"


def _default(field: _F) -> str:
    return field.default_value if field.HasField("default_value") else "none"


def _oneof(field: _F, message: DescriptorProto) -> str:
    return message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else "none"
