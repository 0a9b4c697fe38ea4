"""The gateway's log: one line for each event, as text or as JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

__all__ = ["Log", "LogWriter", "OncePer", "as_json", "as_text"]

_PLAIN: Final = re.compile(r"[\w.:/#+@\[\]-]+", re.ASCII)

LogWriter = Callable[[str, dict[str, object]], None]
"""Writes an event: its name and its facts."""


class Log:
    """Passes a gateway's events to a writer."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer: Final = writer

    def __call__(self, event: str, **facts: object) -> None:
        """Log an event. Facts are numbers, texts, booleans or dictionaries of these."""
        self._writer(event, facts)


class OncePer:
    """Whether something that repeats is due to be reported: at most once in ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds: Final = seconds
        self._last: float | None = None

    def is_due(self, now: float) -> bool:
        """Return whether it is; ``now`` is in seconds of a steady clock."""
        if self._last is not None and now - self._last < self._seconds:
            return False
        self._last = now
        return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def as_text(event: str, facts: dict[str, object]) -> None:
    """Write an event as a line of text to standard error."""
    rest = " ".join(f"{name}={_shown(value)}" for name, value in facts.items())
    _write(f"{_now()} {event} {rest}".rstrip())


def as_json(event: str, facts: dict[str, object]) -> None:
    """Write an event as a JSON object to standard error."""
    _write(json.dumps({"time": _now(), "event": event, **facts}, default=str))


def _shown(value: object) -> str:
    text = str(value)
    # Some texts come from clients: quoting escapes line breaks and terminal sequences.
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _write(line: str) -> None:
    with suppress(OSError, ValueError):  # the log is not readable any more; clients are served all the same
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
