"""The golden vectors: where they are, and how they are read: groups of cases, each a JSON object."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

__all__ = ["Vector", "VectorFilesError", "VectorGroup", "default_folder", "question", "read_groups", "with_ids"]

Vector = dict[str, Any]
"""One case, as ``vectors.schema.json`` describes it."""

_MEMBERS: Final = {
    "id": str, "comment": str, "flags": list, "operation": str, "input": dict, "result": str, "origin": str,
}  # fmt: skip
"""What every vector has, and of which type."""


@dataclass(frozen=True, slots=True)
class VectorGroup:
    """The vectors of one file."""

    name: str
    description: str
    """What they are about, in a sentence."""
    flags: Mapping[str, str]
    """Flag -> what it means."""
    vectors: Sequence[Vector]


class VectorFilesError(Exception):
    """A folder holds no vectors, or a file that is none; the message names it."""


def default_folder() -> Path:
    """Return where the vectors are: in the installed package, or in the source tree it was installed from."""
    here = Path(__file__).resolve()
    installed = here.parents[1] / "golden"
    return installed if installed.is_dir() else here.parents[3] / "fixtures" / "vectors"


def read_groups(folder: Path) -> dict[str, VectorGroup]:
    """Return the groups in a folder by their names. Raises ``VectorFilesError``."""
    groups: dict[str, VectorGroup] = {}
    for path in sorted(folder.glob("*.json")):
        if path.name.endswith(".schema.json"):
            continue
        try:
            file = json.loads(path.read_text(encoding="utf-8"))
            group = VectorGroup(file["group"], file.get("description", ""), file.get("flags", {}), file["tests"])
            for vector in group.vectors:
                _check(vector)
            groups[group.name] = group
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise VectorFilesError(f"{path}: no file of vectors: {error}") from None
    if not groups:
        raise VectorFilesError(f"{folder}: no files of vectors")
    return groups


def with_ids(groups: Mapping[str, VectorGroup], ids: Collection[str]) -> dict[str, VectorGroup]:
    """Return the groups that have vectors of these ids, with these alone. Raises ``KeyError`` for an unknown id."""
    known = {vector["id"] for group in groups.values() for vector in group.vectors}
    for each in ids:
        if each not in known:
            raise KeyError(each)
    found = {
        name: replace(group, vectors=[vector for vector in group.vectors if vector["id"] in ids])
        for name, group in groups.items()
    }
    return {name: group for name, group in found.items() if group.vectors}


def question(group: str, vector: Vector) -> dict[str, Any]:
    """Return what a program is asked: the vector without anything that gives the answer away."""
    return {"id": vector["id"], "operation": vector["operation"], "input": vector["input"], "group": group}


def _check(vector: Vector) -> None:
    for member, kind in _MEMBERS.items():
        if not isinstance(vector[member], kind):
            raise TypeError(f"{member!r} of a vector is {vector[member]!r}")
    if vector["result"] == "invalid":
        vector["error"]
    elif not isinstance(vector["expected"], dict):
        raise TypeError(f"'expected' of {vector['id']} is {vector['expected']!r}")
