"""How far a long read has come, on a terminal that shows nothing else meanwhile."""

from __future__ import annotations

import sys
import time
from typing import Final

__all__ = ["Progress"]

INTERVAL: Final = 0.5
"""Seconds between two reports, and before the first: short reads stay silent."""

_ERASE: Final = "\r\x1b[K"


class Progress:
    """A line on standard error that is written over and over."""

    def __init__(self, total: int) -> None:
        """``total`` is the size of the input in bytes, 0 when it is not known."""
        self._total: Final = total
        self._wanted: Final = sys.stderr.isatty() and not sys.stdout.isatty()
        self._next = time.monotonic() + INTERVAL
        self._shown = False

    def update(self, done: int, frames: int) -> None:
        """Report, if it is time to."""
        if not self._wanted or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + INTERVAL
        of = f" of {self._total / 1e6:.0f}" if self._total else ""
        sys.stderr.write(f"{_ERASE}{done / 1e6:.0f}{of} MB, {frames} frames")
        sys.stderr.flush()
        self._shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write(_ERASE)
            sys.stderr.flush()
            self._shown = False
