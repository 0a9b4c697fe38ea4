"""What a gateway says about itself: one line an event, as text or as JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

__all__ = ["Log", "Said", "as_json", "as_text"]

_PLAIN: Final = re.compile(r"[\w.:/#+@\[\]-]+", re.ASCII)

Said = Callable[[str, dict[str, object]], None]
"""Takes an event's name and its facts."""


class Log:
    """Where a gateway's events go."""

    def __init__(self, said: Said) -> None:
        self._said: Final = said

    def __call__(self, event: str, **facts: object) -> None:
        """Say that something happened. Facts are plain values."""
        self._said(event, facts)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def as_text(event: str, facts: dict[str, object]) -> None:
    """Write a line for people to standard error."""
    rest = " ".join(f"{name}={_shown(value)}" for name, value in facts.items())
    _write(f"{_now()} {event} {rest}".rstrip())


def as_json(event: str, facts: dict[str, object]) -> None:
    """Write a JSON object to standard error."""
    _write(json.dumps({"time": _now(), "event": event, **facts}, default=str))


def _shown(value: object) -> str:
    text = str(value)
    # What clients say about themselves is in here too: no line breaks, no terminal sequences.
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _write(line: str) -> None:
    with suppress(OSError, ValueError):  # nobody reads our log any more: clients are served all the same
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
