"""The pcapng files that a recorder writes: private, rotated, and readable even if the recorder is killed.

What is appended is written at once, in whole blocks and with one call, so a killed recorder leaves a file that
reads to its last block: it has its name from the first block on, as other recorders' files have. One of that name that
may be overwritten is replaced only then. A file that cannot be written any more (disk full) is cut back to its last
whole packet.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import Final

from ftwire_tools.terminal.output_file import OutputFile

__all__ = ["CaptureFiles"]

_SECOND: Final = 1_000_000_000
# Where a block of a recording says how long it is: behind its type.
_LENGTH_AT: Final = 4
_LENGTH: Final = Struct("<I").unpack_from


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
        self._file: OutputFile | None = None
        self._size = 0
        self._header_size = 0
        self._began_ns = 0
        self.paths: Final[list[Path]] = []
        """The files that exist, oldest first."""
        self.count = 0
        """Files begun."""
        self.packets = 0
        """Packets appended, whole ones."""

    def begin(self, header: bytes, time_ns: int) -> None:
        """Begin a file with ``header``. Raises ``OSError``."""
        self.close()
        path = Path(self._path)
        if self._path != "-" and (self._max_size or self._max_age_ns):
            path = path.with_name(f"{path.stem}-{self.count + 1:04}{path.suffix}")
        file = OutputFile(self._path if self._path == "-" else path, overwrite=self._overwrite, private=True)
        try:
            file.write(header)
            file.publish()
        except BaseException:
            file.discard()
            raise
        self._file = file
        if self._path != "-":
            self.paths.append(path)
        self.count += 1
        self._size = len(header)
        self._began_ns = time_ns
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
        """Write packets, each a block. Raises ``OSError``, after which nothing more can be written."""
        file, start = self._file, self._size
        if file is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        try:
            file.write(blocks)
        except OSError:
            if file.is_regular:
                with suppress(OSError):
                    size, packets = _whole(blocks, os.fstat(file.fileno()).st_size - start)
                    os.ftruncate(file.fileno(), start + size)
                    self.packets += packets
            self.close()
            raise
        self._size = start + len(blocks)
        self.packets += _whole(blocks, len(blocks))[1]

    def close(self) -> None:
        """End the present file."""
        if self._file is not None:
            self._file.close()
        self._file = None


def _whole(blocks: bytes, size: int) -> tuple[int, int]:
    """Return the bytes that whole blocks take of the first ``size``, and how many they are."""
    end = number = 0
    while end + _LENGTH_AT < size and (following := end + _LENGTH(blocks, end + _LENGTH_AT)[0]) <= size:
        end = following
        number += 1
    return end, number
