"""Compare two schemas, not counting definitions of old releases that a tree keeps on purpose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftwire_tools.schemas.changelog import built_in_changes, built_in_history
from ftwire_tools.schemas.schema_diff import Change, compare
from ftwire_tools.terminal.style import Paint, printable

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    from ftwire_tools.schemas.sources import Definitions

__all__ = ["Drift", "change_lines", "drift_between", "tally"]

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_DIRECTIONS = {("old_to_new",): "old to new", ("new_to_old",): "new to old"}


@dataclass(frozen=True, slots=True)
class Drift:
    """The differences between two schemas."""

    changes: list[Change]
    kept: list[str]
    """Files, types and protocols that only one side has, kept from older SDKs."""


def drift_between(old: Definitions, new: Definitions) -> Drift:
    """Compare two schemas, leaving out what one of them keeps from older releases, or has in addition to all SDKs."""
    old_files, old_ids, old_kept = _without_kept(old, new)
    new_files, new_ids, new_kept = _without_kept(new, old)
    return Drift(compare(old_files, new_files, old_ids, new_ids), sorted({*old_kept, *new_kept}))


def _without_kept(one: Definitions, other: Definitions) -> tuple[list[FileDescriptorProto], dict[int, str], list[str]]:
    if one.is_release:
        # An SDK keeps nothing of older ones: every difference counts.
        return list(one.files.values()), dict(one.ids), []
    history = built_in_history()
    newest = history.releases[history.newest]
    files, left_out = built_in_changes().without_dropped(one.files.values(), other.files.values())
    websocket = {row.file for row in one.rows if row.websocket}
    empty = {
        file.name for file in files if file.message_type and not any(message.field for message in file.message_type)
    }
    beside = {file.name for file in files if file.name not in other.files and file.name in websocket | empty}
    files = [file for file in files if file.name not in beside]
    ids = dict(one.ids)
    for proto_id in ids.keys() - other.ids.keys() - newest.keys():
        left_out.append(f"{proto_id} {ids.pop(proto_id)}")
    return files, ids, [*left_out, *beside]


def tally(changes: Iterable[Change]) -> str:
    """Return the number of changes of each kind, and of those that break the wire, as text."""
    changes = list(changes)
    counts = {kind: sum(change.kind == kind for change in changes) for kind in _SIGNS}
    breaking = sum(change.is_breaking for change in changes)
    parts = [f"{count} {kind}" for kind, count in counts.items() if count]
    return f"{', '.join(parts)}; {breaking or 'none'} wire-breaking" if parts else "no change"


def change_lines(changes: Iterable[Change], paint: Paint) -> Iterator[str]:
    """Yield a line for each change."""
    for change in changes:
        what = f"{_SIGNS[change.kind]} {change.subject:8}  {printable(change.name)}"
        if change.aspect:
            what += f"  {change.aspect}: {printable(change.before)} -> {printable(change.after)}"
        elif change.before or change.after:
            what += f"  {printable(change.before or change.after)}"
        if not change.is_breaking:
            yield what
            continue
        formats = [name for name, broken in (("protobuf", change.protobuf), ("JSON", change.json)) if broken]
        directions = change.protobuf or change.json
        where = f" ({_DIRECTIONS[directions]})" if directions in _DIRECTIONS else ""
        yield f"{what}  {paint.bad}breaks {' and '.join(formats)}{where}{paint.reset}"
