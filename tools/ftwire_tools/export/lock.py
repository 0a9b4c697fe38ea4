"""A lock file that one process holds, and that ends with it however it ends.

The lock is the operating system's on an open file (``flock``; a locked byte on Windows), not the file's existence: what
a killed process leaves behind locks nothing. Such locks hold among the processes of one machine.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["BusyError", "locked"]

BUSY: Final = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})
"""What an attempt fails with where another process holds the lock."""


class BusyError(Exception):
    """Another process holds a lock file."""

    def __init__(self, path: Path, holder: int | None) -> None:
        super().__init__(path, holder)
        self.path: Final = path
        self.holder: Final = holder
        """Number of that process, as far as it is known."""

    def __str__(self) -> str:
        """Return what is locked, and by whom."""
        return f"{self.path} is locked" + (f" by process {self.holder}" if self.holder else "")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file while the block runs; make it if need be, and delete it afterwards.

    Raises ``BusyError`` where another process holds it, and ``OSError`` where it cannot be made or locked.
    """
    file = _acquire(path)
    try:
        os.truncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        yield
    finally:
        if sys.platform != "win32":
            # Before it is free: whoever opened it meanwhile finds that it is no longer the file of this name.
            path.unlink(missing_ok=True)
        os.close(file)


def _acquire(path: Path) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(file)
            if _is_at(file, path):
                return file
        except OSError as error:
            holder = _holder(path)
            os.close(file)
            if error.errno in BUSY:
                raise BusyError(path, holder) from None
            raise
        os.close(file)


def _lock(file: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        # A byte behind the text, which others may read.
        os.lseek(file, 1 << 20, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_at(file: int, path: Path) -> bool:
    """Return whether an open file is the one of this name: its last holder may have deleted it."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _holder(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
