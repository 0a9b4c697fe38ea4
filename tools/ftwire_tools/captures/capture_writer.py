"""The pcapng files that a recorder writes: private, rotated, and readable even if the recorder is killed.

What is appended is written at once, in whole blocks and with one call, so a killed recorder leaves a file that
reads to its last block. A file that cannot be written any more (disk full) is cut back to its last whole block.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["PRIVATE", "CaptureFiles", "create_private"]

PRIVATE: Final = 0o600
"""Mode of what is written: captures hold account data, and keys if asked."""

_SECOND: Final = 1_000_000_000
_FLAGS: Final = os.O_WRONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def create_private(path: Path, *, overwrite: bool) -> tuple[int, bool]:
    """Open a new file that only its owner can read; returns its descriptor, and whether it is a regular file.

    One that exists is refused, or emptied and made private with ``overwrite``. A pipe or a device is opened as
    it is. Raises ``OSError``.
    """
    try:
        return os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, PRIVATE), True
    except FileExistsError:
        regular = path.is_file()
        if regular and not overwrite:
            raise
    found = os.open(path, _FLAGS)
    if regular:
        # Private before the first byte is written. Only files: never change the mode of /dev/null.
        if hasattr(os, "fchmod"):
            os.fchmod(found, PRIVATE)
        os.ftruncate(found, 0)
    return found, regular


class CaptureFiles:
    """One file or, with a limit, one after the other.

    ``path`` is the file, ``-`` for standard output, or a pipe or device that exists. With ``max_size`` (bytes)
    or ``max_age`` (seconds) files are numbered (``out-0001.pcapng``); ``is_full`` then is true when it is time
    to ``begin`` another. ``keep`` is how many of them stay, 0 for all; the oldest are removed.
    """

    def __init__(
        self,
        path: str,
        *,
        max_size: int = 0,
        max_age: float = 0,
        keep: int = 0,
        overwrite: bool = False,
    ) -> None:
        self._path: Final = path
        self._max_size: Final = max_size
        self._max_age_ns: Final = int(max_age * _SECOND)
        self._keep: Final = keep
        self._overwrite: Final = overwrite
        self._fd = -1
        self._regular = False
        self._size = 0
        self._header_size = 0
        self._began_ns = 0
        self.paths: Final[list[Path]] = []
        """The files that exist, oldest first."""
        self.count = 0
        """Files begun."""

    def begin(self, header: bytes, time_ns: int) -> None:
        """Begin a file with ``header``. Raises ``OSError``."""
        self.close()
        if self._path == "-":
            self._fd = sys.stdout.fileno()
        else:
            path = Path(self._path)
            if self._max_size or self._max_age_ns:
                path = path.with_name(f"{path.stem}-{self.count + 1:04}{path.suffix}")
            self._fd, self._regular = create_private(path, overwrite=self._overwrite)
            self.paths.append(path)
        self.count += 1
        self._size = 0
        self._began_ns = time_ns
        self._write(header)
        self._header_size = len(header)
        while self._keep and len(self.paths) > self._keep:
            with suppress(FileNotFoundError):
                self.paths[0].unlink()
            del self.paths[0]

    def is_full(self, waiting: int, more: int, time_ns: int) -> bool:
        """Return whether ``more`` bytes, behind those ``waiting``, belong into another file.

        The header does not count, and no file is left with nothing else.
        """
        size = self._size - self._header_size + waiting
        if not size:
            return False
        if self._max_size and size + more > self._max_size:
            return True
        return bool(self._max_age_ns) and time_ns - self._began_ns >= self._max_age_ns

    def append(self, blocks: bytes) -> None:
        """Write whole blocks. Raises ``OSError``, after which nothing more can be written."""
        self._write(blocks)

    def close(self) -> None:
        """End the present file."""
        if self._path != "-" and self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _write(self, data: bytes) -> None:
        start = self._size
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            if self._regular:
                with suppress(OSError):
                    os.ftruncate(self._fd, start)
            self.close()
            raise
        self._size = start + len(data)
