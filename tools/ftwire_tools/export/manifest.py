"""What became of each input: an entry in ``_manifest``, written when the input's tables are complete.

A new entry is a JSON file; ``--compact`` makes one table of all entries, a line each.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftwire_tools.export.store import Store

__all__ = [
    "ALL",
    "COLUMNS",
    "COMPACTED",
    "DONE",
    "FAILED",
    "QUARANTINED",
    "SCHEMA",
    "SDK",
    "ExportOutcome",
    "any_recorded",
    "entries_of",
    "forget_names",
    "is_compacted",
    "keep_names",
    "names_kept",
    "record",
    "recorded",
    "remove_entries",
    "write_table",
]

DONE: Final = "done"
ALL: Final = "all"
SDK: Final = "sdk"
COLUMNS: Final = (ALL, SDK)
"""Which columns tables have."""
SCHEMA: Final = 3
"""Version of the names of tables, and of the names and types of columns.

1: ``capture_time``, ``connection``, ``frame``.
2: ``time``, ``conversation``, ``number``, as in ``ftwire dump --json``; ``src``, ``dst``, ``proto_id``, ``request``,
``latency_ns`` and the request's parameters.
3: K-lines in a table for each period and adjustment, not all in ``kline``; in paths ``market=none`` and
``date=1970-01-01`` where there is none.
"""

FAILED: Final = "failed"
"""The input cannot be read at all. The next run tries it again."""
QUARANTINED: Final = "quarantined"
"""The process that read the input died. It is tried again only with ``--retry-quarantined``."""


_DIRECTORY: Final = "_manifest"
_ENDING: Final = ".json"
_TABLE: Final = f"{_DIRECTORY}/entries.jsonl"
COMPACTED: Final = "compacted-"
"""Beginning of the names of files that have rows of several."""


@dataclass(slots=True)
class ExportOutcome:
    """What became of one input: an entry of the manifest, and an object of ``ftwire export --json``."""

    source: str
    task: str
    """Name of this entry, and beginning of the names of the input's files."""
    status: str = DONE
    error: str | None = None
    """Why it is not done, or what is damaged in it."""
    notes: list[str] = field(default_factory=list)
    """What else is to be said of it: connections that look like this protocol, or that it holds no conversation."""
    size: int = 0
    """Bytes of the input."""
    changed: str = ""
    """What changes with the input: its modification time in nanoseconds, or an object store's tag."""
    sha256: str = ""
    """Digest of the input's bytes."""
    version: str = ""
    """ftwire's."""
    settings: str = ""
    """``ExportSettings.digest``."""
    frames: int = 0
    undecoded: int = 0
    """Rows of the table ``errors``, without those of commands that need no body."""
    rows: dict[str, int] = field(default_factory=dict)
    """Table to its rows."""
    times_differ: dict[str, int] = field(default_factory=dict)
    """Table to its rows with a local time that is not that of its timestamp; the instant is the timestamp's."""
    files: list[str] = field(default_factory=list)
    """Names in the output directory."""
    without_request: int = 0
    """Responses whose request was not captured: ``request`` and the request's parameters are null in their rows."""
    schema: int = 1
    """Version of the tables' columns, see ``SCHEMA``; entries of before it was recorded are of version 1."""
    columns: str = ALL
    """Which columns the tables have: ``all``, or ``sdk`` for those of the vendor's SDK."""

    @property
    def is_clean(self) -> bool:
        """Return whether it is done and everything was decoded."""
        return self.status == DONE and not self.undecoded


def is_compacted(name: str) -> bool:
    """Return whether a file of a table has the rows of several files, and maybe of several inputs."""
    return name.rpartition("/")[2].startswith(COMPACTED)


def any_recorded(store: Store) -> ExportOutcome | None:
    """Return the entry of some input that has files here; ``None`` where none has."""
    return next((found for found in entries_of(store) if found.files), None)


def entries_of(store: Store) -> Iterator[ExportOutcome]:
    """Return all entries that can be read: those of the table first, but for inputs that have a newer one."""
    tasks = [name.removesuffix(_ENDING) for name in store.names(_DIRECTORY) if name.endswith(_ENDING)]
    newer = frozenset(tasks)
    yield from (entry for task, entry in _table(store).items() if task not in newer)
    for task in tasks:
        found = recorded(store, task)
        if found is not None:
            yield found


def recorded(store: Store, task: str) -> ExportOutcome | None:
    """Return the entry of a task; ``None`` where there is none, or none that can be read."""
    data = store.read(_name(task))
    if data is None:
        found = _table(store).get(task)
        return None if found is None else replace(found)
    try:
        return ExportOutcome(**json.loads(data))
    except (TypeError, ValueError):
        return None


def record(store: Store, outcome: ExportOutcome) -> None:
    """Write the entry of a task."""
    store.write(_name(outcome.task), json.dumps(asdict(outcome), indent=1).encode() + b"\n")


def keep_names(store: Store, task: str, names: Iterable[str]) -> None:
    """Note the files of a task that has no entry for them yet, which ``names_kept`` returns."""
    store.write(_names(task), "\n".join(sorted(names)).encode())


def names_kept(store: Store, task: str) -> list[str]:
    """Return the files that a task may have left behind as its process ended."""
    return (store.read(_names(task)) or b"").decode().splitlines()


def forget_names(store: Store, task: str) -> None:
    """Delete the note: the entry of the task names its files."""
    store.remove([_names(task)])


def write_table(store: Store, entries: Iterable[dict[str, Any]]) -> None:
    """Write entries to the table of the manifest, which has those alone then."""
    store.write(_TABLE, b"".join(json.dumps(entry).encode() + b"\n" for entry in entries))


def remove_entries(store: Store, tasks: Iterable[str]) -> None:
    """Delete the files of entries that are in the table."""
    store.remove(map(_name, tasks))


_tables: dict[str, tuple[str, dict[str, ExportOutcome]]] = {}
"""Tables of manifests that were read: directory to what changes with the file, and its entries by task."""


def _table(store: Store) -> dict[str, ExportOutcome]:
    """Return the entries of the table. The last one that was read is kept: it is asked once for each input."""
    stamp = store.stamp(_TABLE)
    if stamp is None:
        return {}
    known = _tables.get(store.place)
    if known is not None and known[0] == stamp:
        return known[1]
    entries = {}
    for line in (store.read(_TABLE) or b"").splitlines():
        try:
            entry = ExportOutcome(**json.loads(line))
        except (TypeError, ValueError):
            continue
        entries[entry.task] = entry
    _tables.clear()
    _tables[store.place] = stamp, entries
    return entries


def _names(task: str) -> str:
    return f"{_DIRECTORY}/{task}.files"


def _name(task: str) -> str:
    return f"{_DIRECTORY}/{task}{_ENDING}"
