"""The files that commands write: beside their names, which they get when they are complete.

A file that was there stays until then, and stays for good if writing fails or is interrupted: it may be the only copy,
or the input itself. A process that is killed leaves ``.NAME.….part`` beside it, and never half a file under the name.
Standard output, devices and pipes have no such place and are written to as they are.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import Final, Self

__all__ = ["PRIVATE", "OutputFile", "write_file"]

PRIVATE: Final = 0o600
"""Mode of files with account data or keys in them."""

_FLAGS: Final = os.O_WRONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_DESCRIPTOR: Final = re.compile(r"/(?:dev|proc/self)/fd/(\d{1,9})|/dev/std(out|err)", re.ASCII)
_MAX_STEM: Final = 60
"""Characters of the name in that of the partial file: with their escapes, fewer bytes than a name may have."""


class OutputFile:
    """One file that is being written.

    A context manager: the file gets its name where the block ends, and is removed where it ends with an exception.
    """

    def __init__(self, path: str | Path, *, overwrite: bool, private: bool = False) -> None:
        """Begin to write ``path``, "-" for standard output.

        A file that exists is refused (``FileExistsError``) unless it may be overwritten; behind a symbolic link it is
        the file that is written, not the link. ``private``: only the owner may read it; otherwise it has the mode of
        the file that it replaces, or a new one's. Raises ``OSError``.
        """
        name = os.fspath(path)
        self._fd = -1
        self._target: Path | None = None
        self._partial: Path | None = None
        self._overwrite: Final = overwrite
        descriptor = _DESCRIPTOR.fullmatch(name)
        if name == "-" or descriptor:
            # A copy of the descriptor goes on where it stands; a file opened anew would begin at its start.
            number = sys.stdout.fileno() if descriptor is None else int(descriptor[1] or 1 + (descriptor[2] == "err"))
            self._fd = os.dup(number)
            return
        target = Path(os.path.realpath(path))
        try:
            mode: int | None = target.stat().st_mode
        except FileNotFoundError:
            mode = None
        if mode is not None and stat.S_ISDIR(mode):
            raise IsADirectoryError(21, "Is a directory", name)
        if mode is not None and not stat.S_ISREG(mode):
            self._fd = os.open(path, _FLAGS)
            return
        if mode is not None and not overwrite:
            raise FileExistsError(17, "File exists", name)
        # Noted before it is made: an interrupt in between would leave it behind.
        self._partial = target.with_name(f".{target.name[:_MAX_STEM]}.{token_hex(8)}.part")
        try:
            self._fd = os.open(self._partial, _FLAGS | os.O_CREAT | os.O_EXCL, PRIVATE)
        except OSError as error:
            self._partial = None
            # The name that was asked for, not one that was made up.
            raise type(error)(error.errno, error.strerror, name) from None
        self._target = target
        if not private and hasattr(os, "fchmod"):
            os.fchmod(self._fd, _new_mode() if mode is None else stat.S_IMODE(mode))

    @property
    def is_regular(self) -> bool:
        """Whether it is a file, not standard output, a device or a pipe."""
        return self._target is not None

    def fileno(self) -> int:
        """Return the descriptor, open until the file is closed or discarded."""
        return self._fd

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write bytes at once. Raises ``OSError``."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def publish(self) -> None:
        """Give the file its name now; what is written after that is appended to it. Raises ``OSError``."""
        if self._partial is None or self._target is None:
            return
        if self._overwrite:
            # Content first, or a power cut could leave the new name without it, and the old content is gone.
            os.fsync(self._fd)
        if sys.platform == "win32":
            self._close()  # an open file cannot be renamed there
        if self._overwrite:
            self._partial.replace(self._target)
        else:
            try:
                os.link(self._partial, self._target)
            except FileExistsError:
                raise
            except OSError:  # a file system without hard links
                self._partial.rename(self._target)
            else:
                self._partial.unlink()
        self._partial = None
        if sys.platform == "win32":
            self._fd = os.open(self._target, _FLAGS | os.O_APPEND)

    def close(self) -> None:
        """End the file and give it its name. Raises ``OSError``, after which it is discarded."""
        try:
            self.publish()
        except BaseException:
            self.discard()
            raise
        self._close()

    def discard(self) -> None:
        """End the file and remove it, unless it has its name already."""
        self._close()
        if self._partial is not None:
            with suppress(OSError):
                self._partial.unlink()
            self._partial = None

    def __del__(self) -> None:
        """Remove a file whose block was never entered: an interrupt came first."""
        self.discard()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


def write_file(path: str | Path, data: bytes, *, overwrite: bool, private: bool = False) -> None:
    """Write a file with this content. Raises ``OSError``, after which the one that was there is as it was."""
    with OutputFile(path, overwrite=overwrite, private=private) as file:
        file.write(data)


def _new_mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
