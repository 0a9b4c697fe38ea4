"""The changes of each SDK release, message by message, and the file that holds them.

``proto/changes.json`` is made by ``proto/generate.py``, or one release at a time by ``ftwire schema update``;
the build puts a copy, and one of ``proto/history.json``, into ``ftwire_tools/data``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from ftwire_tools.schemas.proto_tree import HISTORY_FILE, History
from ftwire_tools.schemas.schema_diff import NEW_TO_OLD, OLD_TO_NEW, Change, compare
from ftwire_tools.schemas.sdk import Release, version_key

__all__ = ["CHANGES_FILE", "ChangeLog", "built_in_changes", "built_in_history"]

CHANGES_FILE: Final = "changes.json"
"""Name, under ``proto/``, of the file that ``ChangeLog`` reads and writes."""

_DATA: Final = Path(__file__).parents[1] / "data"
_SIGNS: Final = {"+": "added", "-": "removed", "~": "changed"}
_KINDS: Final = {kind: sign for sign, kind in _SIGNS.items()}


@dataclass(frozen=True, slots=True)
class ChangeLog:
    """Release to its changes, oldest first; the first one, 3.6.3, has none."""

    releases: Mapping[str, Sequence[Change]]

    @classmethod
    def of(cls, releases: Iterable[Release]) -> ChangeLog:
        """Return the changes between these releases, given in any order."""
        ordered = sorted(releases, key=lambda release: version_key(release.version))
        found: dict[str, Sequence[Change]] = {}
        before: Release | None = None
        for release in ordered:
            found[release.version] = [] if before is None else _between(before, release)
            before = release
        return cls(found)

    @classmethod
    def from_json(cls, text: str) -> ChangeLog:
        """Read the text that ``to_json`` wrote."""
        return cls({version: [_change(row) for row in rows] for version, rows in json.loads(text).items()})

    def to_json(self) -> str:
        """A line for each change: sign, subject, name, aspect, before, after, what breaks in protobuf and JSON.

        Empty values at the end of a line are left out; broken directions are bits: 1 old to new, 2 new to old.
        """
        blocks = []
        for version, changes in self.releases.items():
            rows = ",\n".join(f"  {json.dumps(_row(change))}" for change in changes)
            blocks.append(f" {json.dumps(version)}: [\n{rows}\n ]" if rows else f" {json.dumps(version)}: []")
        return "{\n" + ",\n".join(blocks) + "\n}\n"

    def followed_by(self, version: str, changes: Sequence[Change]) -> ChangeLog:
        """Return the log with one more release."""
        return ChangeLog({**self.releases, version: changes})

    def dropped(self) -> set[tuple[str, str]]:
        """Return subject and name of every file, message and enum that the newest release no longer has."""
        last: dict[tuple[str, str], str] = {}
        for changes in self.releases.values():
            for change in changes:
                if change.subject in {"file", "message", "enum"}:
                    last[change.subject, change.name] = change.kind
        return {key for key, kind in last.items() if kind == "removed"}

    def without_dropped(
        self, files: Iterable[FileDescriptorProto], keep: Iterable[FileDescriptorProto] = ()
    ) -> tuple[list[FileDescriptorProto], list[str]]:
        """Return ``files`` without what the newest release dropped and ``keep`` lacks, and the names left out.

        A tree made from many releases keeps dropped definitions, so that old captures can be read.
        """
        dropped = self.dropped()
        kept_files = {file.name: file for file in keep}
        found: list[FileDescriptorProto] = []
        left_out: list[str] = []
        for file in files:
            other = kept_files.get(file.name)
            if other is None and ("file", file.name) in dropped:
                left_out.append(file.name)
                continue
            trimmed = FileDescriptorProto()
            trimmed.CopyFrom(file)
            for subject, types, others in (
                ("message", trimmed.message_type, other.message_type if other else ()),
                ("enum", trimmed.enum_type, other.enum_type if other else ()),
            ):
                known = {one.name for one in others}
                for index in reversed(range(len(types))):
                    name = types[index].name
                    if (subject, f"{file.package}.{name}") in dropped and name not in known:
                        left_out.append(f"{file.package}.{name}")
                        del types[index]
            found.append(trimmed)
        return found, left_out


def _between(before: Release, after: Release) -> list[Change]:
    return compare(before.own_files.values(), after.own_files.values(), before.ids, after.ids)


def _row(change: Change) -> list[Any]:
    directions = (OLD_TO_NEW, NEW_TO_OLD)
    bits = [
        sum(1 << place for place, direction in enumerate(directions) if direction in broken)
        for broken in (change.protobuf, change.json)
    ]
    row = [_KINDS[change.kind], change.subject, change.name, change.aspect, change.before, change.after, *bits]
    while not row[-1]:
        row.pop()
    return row


def _change(row: list[Any]) -> Change:
    # The first three values are always there; others may have been left out.
    padded = [*row, *("", "", "", 0, 0)[len(row) - 3 :]]
    sign, subject, name, aspect, before, after, protobuf, in_json = padded
    return Change(_SIGNS[sign], subject, name, aspect, before, after, _directions(protobuf), _directions(in_json))


def _directions(bits: int) -> tuple[str, ...]:
    return tuple(direction for place, direction in enumerate((OLD_TO_NEW, NEW_TO_OLD)) if bits >> place & 1)


@cache
def built_in_changes() -> ChangeLog:
    """Return the changes up to the release that our definitions were made from."""
    return ChangeLog.from_json((_DATA / CHANGES_FILE).read_text(encoding="utf-8"))


@cache
def built_in_history() -> History:
    """Return the protocol IDs of every release up to the one that our definitions were made from."""
    return History.from_json((_DATA / HISTORY_FILE).read_text(encoding="utf-8"))
