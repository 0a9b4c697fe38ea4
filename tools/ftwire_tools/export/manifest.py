"""What became of each input: a JSON file each in ``_manifest``, written when the input's tables are complete."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ftwire_tools.export.store import Store

__all__ = [
    "ALL",
    "COLUMNS",
    "DONE",
    "FAILED",
    "QUARANTINED",
    "SCHEMA",
    "SDK",
    "ExportOutcome",
    "any_recorded",
    "record",
    "recorded",
]

DONE: Final = "done"
ALL: Final = "all"
SDK: Final = "sdk"
COLUMNS: Final = (ALL, SDK)
"""Which columns tables have."""
SCHEMA: Final = 2
"""Version of the names and types of columns.

1: ``capture_time``, ``connection``, ``frame``.
2: ``time``, ``conversation``, ``number``, as in ``ftwire dump --json``; ``src``, ``dst``, ``proto_id``, ``request``,
``latency_ns`` and the request's parameters.
"""

FAILED: Final = "failed"
"""The input cannot be read at all. The next run tries it again."""
QUARANTINED: Final = "quarantined"
"""The process that read the input died. It is tried again only with ``--retry-quarantined``."""


_DIRECTORY: Final = "_manifest"
_ENDING: Final = ".json"


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


def any_recorded(store: Store) -> ExportOutcome | None:
    """Return the entry of some input that has files here; ``None`` where none has."""
    for name in store.names(_DIRECTORY):
        found = recorded(store, name.removesuffix(_ENDING))
        if found is not None and found.files:
            return found
    return None


def recorded(store: Store, task: str) -> ExportOutcome | None:
    """Return the entry of a task; ``None`` where there is none, or none that can be read."""
    data = store.read(_name(task))
    if data is None:
        return None
    try:
        return ExportOutcome(**json.loads(data))
    except (TypeError, ValueError):
        return None


def record(store: Store, outcome: ExportOutcome) -> None:
    """Write the entry of a task."""
    store.write(_name(outcome.task), json.dumps(asdict(outcome), indent=1).encode() + b"\n")


def _name(task: str) -> str:
    return f"{_DIRECTORY}/{task}{_ENDING}"
