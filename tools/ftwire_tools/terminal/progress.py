"""A progress display on standard error, for work that may take long: one for all commands.

rich draws it, and is imported when the display first appears: not at all where standard error is no terminal, or
the work is done before.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final

from ftwire_tools.terminal.style import PLAIN, paint_for

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

__all__ = ["Progress"]

INTERVAL: Final = 0.5
"""Seconds between two updates, and before the first: short work shows nothing."""


class Progress:
    """A line that is updated in place and removed at the end.

    It is drawn on a terminal only, and not where TERM is "dumb". Its colours are chosen as those of other text.
    """

    def __init__(self, total: int = 0, *, prints: bool = True) -> None:
        """``total`` is how many bytes there are to work on, 0 when that is not known.

        ``prints`` is whether the command writes to standard output meanwhile: if that is a terminal too, there is no
        display, since the two would overwrite each other.
        """
        self._total: Final = total
        drawable = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._wanted: Final = drawable and not (prints and sys.stdout.isatty())
        self._next = time.monotonic() + INTERVAL
        self._display: RichProgress | None = None

    def update(self, done: int, frames: int) -> None:
        """Show how many bytes and frames are done, if the last update is long enough ago."""
        self.show(f"{frames} frames", done)

    def show(self, text: str, done: int = 0) -> None:
        """Show any text, and ``done`` bytes of the total as a bar, if the last update is long enough ago."""
        if not self._wanted or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + INTERVAL
        if done:
            of = f" of {self._total / 1e6:.0f}" if self._total else ""
            text = f"{done / 1e6:.0f}{of} MB, {text}"
        display, self._display = self._display, self._display or _display(self._total)
        self._display.update(self._display.task_ids[0], completed=done, description=text)
        if display is None:
            self._display.start()
        self._display.refresh()

    def clear(self) -> None:
        """Remove the line; a later update shows it again."""
        if self._display is not None:
            self._display.stop()
            self._display = None


def _display(total: int) -> RichProgress:
    """Return a display of one task, not on the screen yet: text alone, or text, bar, rate and time left."""
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as RichProgress

    columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False)]
    if total:
        columns += [BarColumn(bar_width=20), TransferSpeedColumn(), TimeRemainingColumn(compact=True)]
    display = RichProgress(
        *columns,
        console=Console(file=sys.stderr, no_color=paint_for(sys.stderr) is PLAIN),
        # No thread draws, and standard streams are not replaced.
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
        transient=True,
        get_time=time.monotonic,
    )
    display.add_task("", total=total or None)
    return display
