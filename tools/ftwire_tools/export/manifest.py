"""What was done with each input: a JSON file each in ``_manifest``, written when its output is complete."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ftwire_tools.export.store import Store

__all__ = ["DONE", "FAILED", "QUARANTINED", "Outcome", "record", "recorded"]

DONE: Final = "done"
FAILED: Final = "failed"
"""It cannot be read at all: tried again the next time."""
QUARANTINED: Final = "quarantined"
"""It ended the process that read it: not tried again unless that is asked for."""


@dataclass(slots=True)
class Outcome:
    """What became of one input."""

    source: str
    task: str
    """Names its files and its entry."""
    status: str = DONE
    error: str | None = None
    """Why it is not done, or what is damaged in it."""
    size: int = 0
    changed: str = ""
    """What changes when the input does: the time of its last change, or an object store's tag."""
    sha256: str = ""
    """Digest of the input's bytes."""
    version: str = ""
    """ftwire's."""
    settings: str = ""
    """Digest of everything asked for."""
    frames: int = 0
    undecoded: int = 0
    """Frames, gaps and damage in the table of errors."""
    rows: dict[str, int] = field(default_factory=dict)
    """Table to its rows."""
    files: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Done, and everything decoded."""
        return self.status == DONE and not self.undecoded


def _name(task: str) -> str:
    return f"_manifest/{task}.json"


def recorded(store: Store, task: str) -> Outcome | None:
    """Return what was recorded of a task; ``None`` where there is nothing that can be read."""
    data = store.read(_name(task))
    if data is None:
        return None
    try:
        return Outcome(**json.loads(data))
    except (TypeError, ValueError):
        return None


def record(store: Store, outcome: Outcome) -> None:
    """Write down what became of a task."""
    store.write(_name(outcome.task), json.dumps(asdict(outcome), indent=1).encode() + b"\n")
