"""The gateway's log: one line for each event, as text or as JSON, and the thread that writes it."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from ftwire_tools.terminal.times import Clock

__all__ = ["JsonLog", "Log", "LogOutput", "LogWriter", "OncePer", "TextLog", "json_line"]

MAX_WAITING: Final = 1 << 20
"""Characters of the log that wait for a reader; lines beyond are counted instead."""
CLOSING_SECONDS: Final = 1.0
"""Seconds that a reader has at the end to take what waits."""
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


class LogOutput:
    """Writes lines to standard error in a thread of its own.

    Whoever started a gateway may never read its log, and a full pipe would stop whoever writes to it. Then the thread
    waits, and lines beyond ``MAX_WAITING`` are left out: how many they were is the next line.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._size = 0
        self._lost = 0
        self._some: Final = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    def put(self, line: str) -> None:
        """Take a line, without its end. Returns at once."""
        with self._some:
            if self._size > MAX_WAITING:
                self._lost += 1
                return
            if self._lost:
                self._lines.append(f"--- {self._lost} lines of the log are left out: nobody has read it")
                self._lost = 0
            self._lines.append(line)
            self._size += len(line)
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            self._some.notify()

    def close(self) -> None:
        """Wait a moment until what there is has been written."""
        with self._some:
            self._closing = True
            self._some.notify()
        if self._thread is not None:
            self._thread.join(CLOSING_SECONDS)

    def _run(self) -> None:
        write = _writer()
        while True:
            with self._some:
                while not self._lines:
                    if self._closing:
                        return
                    self._some.wait()
                lines, self._lines = self._lines, []
            with suppress(OSError, ValueError):  # the log is not readable any more; clients are served all the same
                write("\n".join((*lines, "")))
            with self._some:
                self._size -= sum(map(len, lines))


def _writer() -> Callable[[str], None]:
    """Return what writes to standard error and returns when all is written."""
    stream = sys.stderr
    try:
        descriptor = stream.fileno()
        # Windows' console would show bytes in the system's code page.
        takes_bytes = sys.platform != "win32" or not stream.isatty()
    except (AttributeError, OSError, ValueError):  # not a file: a test's
        takes_bytes = False
    if not takes_bytes:
        return lambda text: print(text, end="", file=stream, flush=True)

    def write(text: str) -> None:
        # Not by the stream, whose lock a waiting thread would hold when the interpreter ends.
        data = memoryview(text.encode(errors="backslashreplace"))
        while data:
            data = data[os.write(descriptor, data) :]

    return write


def json_line(event: str, facts: dict[str, object]) -> str:
    """Return an event that happens now as a JSON object."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": now, "event": event, **facts}, default=str)


class TextLog:
    """Writes events as lines of text; a line in front has the date."""

    def __init__(self, put: Callable[[str], None]) -> None:
        """``put`` takes lines."""
        self._put: Final = put
        self._clock: Final = Clock()

    def __call__(self, event: str, facts: dict[str, object]) -> None:
        """Write an event."""
        rest = " ".join(f"{name}={_shown(value)}" for name, value in facts.items())
        self.line(f"{event} {rest}".rstrip())

    def line(self, text: str) -> None:
        """Write a line with the time of day in front."""
        now = time.time_ns()
        day = self._clock.new_day(now)
        if day is not None:
            self._put(f"--- {day}")
        self._put(f"{self._clock.time(now)[:12]} {text}")


class JsonLog:
    """Writes events as JSON objects, one a line."""

    def __init__(self, put: Callable[[str], None]) -> None:
        """``put`` takes lines."""
        self._put: Final = put

    def __call__(self, event: str, facts: dict[str, object]) -> None:
        """Write an event."""
        self._put(json_line(event, facts))


def _shown(value: object) -> str:
    text = str(value)
    # Some texts come from clients: quoting escapes line breaks and terminal sequences.
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
