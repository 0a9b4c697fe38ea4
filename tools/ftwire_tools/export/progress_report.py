"""How far an export is: files, frames, MB/s and the time left, on a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ftwire_tools.export.manifest import ExportOutcome

__all__ = ["ExportProgress"]

INTERVAL: Final = 0.5
"""Seconds between two reports, and before the first."""

_ERASE: Final = "\r\x1b[K"


class ExportProgress:
    """A line on standard error that is overwritten twice a second, where standard error is a terminal."""

    def __init__(self, files: int, size: int) -> None:
        """``files`` are to be exported, ``size`` bytes in all."""
        self._files: Final = files
        self._size: Final = size
        self._start: Final = time.monotonic()
        self._wanted: Final = sys.stderr.isatty()
        self._next = self._start + INTERVAL
        self._shown = False
        self._done_files = self._done_size = self._done_frames = 0

    def finished(self, outcome: ExportOutcome) -> None:
        """Count an input that has ended."""
        self._done_files += 1
        self._done_size += outcome.size
        self._done_frames += outcome.frames

    def update(self, size: int, frames: int) -> None:
        """Write the line if it is time to; ``size`` bytes and ``frames`` are done of inputs that have not ended."""
        now = time.monotonic()
        if not self._wanted or now < self._next:
            return
        self._next = now + INTERVAL
        sys.stderr.write(_ERASE + self.line(size, frames, now - self._start))
        sys.stderr.flush()
        self._shown = True

    def line(self, size: int, frames: int, seconds: float) -> str:
        """Return the line, ``seconds`` after the start."""
        size += self._done_size
        rate = size / seconds if seconds else 0.0
        left = f", {_duration((self._size - size) / rate)} left" if rate and size < self._size else ""
        return (
            f"{self._done_files} of {self._files} files, {size / 1e6:.0f} of {self._size / 1e6:.0f} MB, "
            f"{frames + self._done_frames} frames, {rate / 1e6:.1f} MB/s{left}"
        )

    def clear(self) -> None:
        """Erase the line."""
        if self._shown:
            sys.stderr.write(_ERASE)
            sys.stderr.flush()
            self._shown = False


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
