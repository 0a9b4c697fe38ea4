"""A check: what was looked at, how it stands, and what to do about it."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

__all__ = ["Check", "Status"]


class Status(Enum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """It works, and something about it may surprise."""
    FAILED = "failed"


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    """Stable name, for programs: ``reachable``, ``transport``, ``key``, ..."""
    status: Status
    text: str
    """What was found, in one sentence."""
    remedy: str = ""
    """What to do about it, in one sentence; empty for what is fine."""
    facts: dict[str, object] = {}  # noqa: RUF012 - never changed
    """The same for programs: numbers, texts, booleans."""
