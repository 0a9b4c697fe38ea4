"""The progress of an export, over all its inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ftwire_tools.terminal.progress import Progress

if TYPE_CHECKING:
    from ftwire_tools.export.manifest import ExportOutcome

__all__ = ["ExportProgress"]


class ExportProgress:
    """Adds up files, bytes and frames, and shows them on a terminal."""

    def __init__(self, files: int, size: int) -> None:
        """``files`` are to be exported, ``size`` bytes in all."""
        self._files: Final = files
        self._display: Final = Progress(size, prints=False)
        self._done_files = self._done_size = self._done_frames = 0

    def finished(self, outcome: ExportOutcome) -> None:
        """Count an input that has ended."""
        self._done_files += 1
        self._done_size += outcome.size
        self._done_frames += outcome.frames

    def update(self, size: int, frames: int) -> None:
        """Show the sums; ``size`` bytes and ``frames`` are done of inputs that have not ended."""
        text = f"{self._done_files} of {self._files} files, {frames + self._done_frames} frames"
        self._display.show(text, size + self._done_size)

    def clear(self) -> None:
        """Remove the display."""
        self._display.clear()
