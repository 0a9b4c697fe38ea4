"""Inputs read in chunks: a file, a pipe or standard input."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["CHUNK", "Input", "open_input", "read_file"]

CHUNK: Final = 128 * 1024
"""Largest number of bytes read at a time. A pipe may return fewer."""


class Input:
    """An open input."""

    def __init__(self, name: str, stream: BinaryIO | FileIO) -> None:
        self.name: Final = name
        """Its name in messages."""
        self._stream: Final = stream
        self.size: Final = _size(stream)
        """Bytes of a regular file, 0 of anything else."""

    def chunks(self) -> Iterator[bytes]:
        """Return the bytes to the end of the input. Raises ``OSError``."""
        # read1 returns what a pipe holds now; read would wait until a whole chunk is there.
        read = getattr(self._stream, "read1", self._stream.read)
        while chunk := read(CHUNK):
            yield chunk


@contextmanager
def open_input(path: str) -> Iterator[Input]:
    """Open a file, or standard input for ``-``. Raises ``OSError``."""
    if path == "-":
        yield Input("standard input", sys.stdin.buffer)
        return
    # Importing pathlib would take as long as reading a small capture.
    with FileIO(path) as stream:
        yield Input(path, stream)


def read_file(path: str) -> bytes:
    """Return the whole content of a small file. Raises ``OSError``."""
    with FileIO(path) as stream:
        return stream.readall()


def _size(stream: BinaryIO | FileIO) -> int:
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0
