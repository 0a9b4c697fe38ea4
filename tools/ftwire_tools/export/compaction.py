"""Many small files of an export into few: ``ftwire export --compact``.

Parquet files of one partition are joined, in the order of their names, until a file has ``TARGET`` bytes; their rows
stay as they are, and each input's in their order. The entries of the manifest become one table, which names the new
files.

Nothing is lost whenever the process ends. The new files are made below ``.partial``. Then the plan is written, in one
step: which files are new, which are replaced, and all entries. What the plan says can be done twice, so that whoever
comes next does it again from its beginning: the new files get their names, the plan becomes the table of the manifest,
the replaced files and entries are deleted. Until then a reader may find rows twice, in the old and in the new files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ftwire_tools.export.formats import GROUP_ROWS, parquet_options
from ftwire_tools.export.manifest import COMPACTED, ExportOutcome, entries_of, remove_entries, write_table

if TYPE_CHECKING:
    from ftwire_tools.export.store import Store

__all__ = ["Compacted", "NotCompactableError", "compact", "entries_at_last", "recover"]

TARGET: Final = 128 << 20
"""Bytes of Parquet files that are joined into one; larger ones stay as they are."""
_TASK: Final = "compaction"
_PLAN: Final = "_manifest/compaction.plan"


class NotCompactableError(Exception):
    """The directory has no files, or others, than can be joined."""


class Compacted(NamedTuple):
    """What a compaction has done."""

    before: int
    """Files of tables before."""
    after: int
    """Files of tables now."""
    entries: int
    """Inputs in the manifest, which is one file now."""


def compact(root: str, store: Store, target: int = TARGET) -> Compacted:
    """Join the small files of an export in a directory that this process has locked.

    Raises ``NotCompactableError`` where there are no tables, or not in Parquet, ``pyarrow.ArrowException`` for a file
    that cannot be read, and ``OSError``.
    """
    recover(store)
    entries = list(entries_of(store))
    if not entries:
        raise NotCompactableError("there is no export")
    names = sorted({name for entry in entries for name in entry.files})
    if not all(name.endswith(".parquet") for name in names):
        raise NotCompactableError("only tables in Parquet can be compacted")
    replaced: dict[str, str] = {}
    for group in _groups(Path(root), names, target):
        digest = hashlib.sha256("\n".join(group).encode()).hexdigest()[:16]
        new = f"{group[0].rpartition('/')[0]}/{COMPACTED}{digest}.parquet"
        with store.create(_TASK, new) as stream:
            _join([Path(root, name) for name in group], stream)
        replaced |= dict.fromkeys(group, new)
    for entry in entries:
        entry.files = list(dict.fromkeys(replaced.get(name, name) for name in entry.files))
    joined = sorted(set(replaced.values()))
    plan = {
        "new": joined,
        "old": sorted(replaced),
        "entries": [asdict(entry) for entry in entries],
    }
    store.write(_PLAN, json.dumps(plan).encode())
    recover(store)
    return Compacted(len(names), len(names) - len(replaced) + len(joined), len(entries))


def recover(store: Store) -> None:
    """Finish a compaction that was stopped, or drop what one has left behind before its plan was written."""
    data = store.read(_PLAN)
    if data is None:
        store.abandon(_TASK)
        return
    plan: dict[str, Any] = json.loads(data)
    store.complete_some(_TASK, plan["new"])
    write_table(store, plan["entries"])
    store.remove(plan["old"])
    remove_entries(store, [entry["task"] for entry in plan["entries"]])
    store.remove([_PLAN])


def entries_at_last(store: Store) -> Iterator[ExportOutcome]:
    """Return the entries of an export whose files are there, whatever a compaction that was stopped has left to do."""
    data = store.read(_PLAN)
    plan: dict[str, Any] = {} if data is None else json.loads(data)
    if plan and all(store.stamp(name) for name in plan["new"]):
        yield from (ExportOutcome(**entry) for entry in plan["entries"])
    else:
        yield from entries_of(store)


def _groups(root: Path, names: Sequence[str], target: int) -> Iterator[list[str]]:
    """Return the files that are to be joined: two or more of one partition and one schema."""
    waiting: dict[tuple[str, Any], tuple[list[str], int]] = {}
    for name in names:
        size = (root / name).stat().st_size
        if size >= target:
            continue
        key = name.rpartition("/")[0], _schema_key(root / name)
        group, total = waiting.get(key, ([], 0))
        if group and total + size > target:
            if len(group) > 1:
                yield group
            group, total = [], 0
        waiting[key] = [*group, name], total + size
    yield from (group for group, _ in waiting.values() if len(group) > 1)


def _schema_key(path: Path) -> str:
    return str(pq.read_schema(path).remove_metadata())


def _join(paths: Sequence[Path], stream: Any) -> None:
    """Write the rows of Parquet files of one schema to one, some row groups at a time."""
    schema = pq.read_schema(paths[0])
    with pq.ParquetWriter(stream, schema, **parquet_options(schema)) as writer:
        held: list[Any] = []
        rows = 0
        for path in paths:
            with pq.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    held.append(file.read_row_group(group).replace_schema_metadata(schema.metadata))
                    rows += len(held[-1])
                    if rows >= GROUP_ROWS:
                        writer.write_table(_together(held))
                        held, rows = [], 0
        if held:
            writer.write_table(_together(held))


def _together(tables: Sequence[Any]) -> Any:
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()
