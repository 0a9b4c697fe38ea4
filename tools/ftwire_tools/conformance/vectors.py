"""The golden vectors: where they are, and how they are read: groups of cases, each a JSON object."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["Vector", "VectorFilesError", "default_folder", "read_groups", "with_ids"]

Vector = dict[str, Any]
"""One case, as ``vectors.schema.json`` describes it."""


class VectorFilesError(Exception):
    """A folder holds no vectors, or a file that is none; the message names it."""


def default_folder() -> Path:
    """Return where the vectors are: in the installed package, or in the source tree it was installed from."""
    here = Path(__file__).resolve()
    installed = here.parents[1] / "golden"
    return installed if installed.is_dir() else here.parents[3] / "fixtures" / "vectors"


def read_groups(folder: Path) -> dict[str, list[Vector]]:
    """Return the vectors of every group in a folder. Raises ``VectorFilesError``."""
    groups: dict[str, list[Vector]] = {}
    for path in sorted(folder.glob("*.json")):
        if path.name.endswith(".schema.json"):
            continue
        try:
            file = json.loads(path.read_text(encoding="utf-8"))
            groups[file["group"]] = file["tests"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise VectorFilesError(f"{path}: no file of vectors: {error}") from None
    if not groups:
        raise VectorFilesError(f"{folder}: no files of vectors")
    return groups


def with_ids(groups: Mapping[str, Sequence[Vector]], ids: Collection[str]) -> dict[str, list[Vector]]:
    """Return the vectors that have one of these ids, in groups that have any. Raises ``KeyError`` for an unknown id."""
    found = {group: [vector for vector in vectors if vector["id"] in ids] for group, vectors in groups.items()}
    known = {vector["id"] for vectors in found.values() for vector in vectors}
    for each in ids:
        if each not in known:
            raise KeyError(each)
    return {group: vectors for group, vectors in found.items() if vectors}
