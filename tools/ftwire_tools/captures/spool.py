"""A capture that comes only once, kept so that it can be read again while it grows."""

from __future__ import annotations

from tempfile import TemporaryFile
from threading import Lock
from typing import Final

__all__ = ["Spool"]


class Spool:
    """Keeps bytes in a file without a name until the program ends. One thread appends, others read."""

    def __init__(self) -> None:
        """Raises ``OSError``."""
        self._file: Final = TemporaryFile()  # noqa: SIM115 - it is there as long as this is
        self._lock: Final = Lock()
        self._size = 0
        self.has_ended = False
        """Whether nothing more comes."""
        self.error: OSError | None = None
        """Why it has ended, where that was an error."""

    def append(self, data: bytes) -> None:
        """Keep the next bytes. Raises ``OSError``, after which nothing more can be kept."""
        with self._lock:
            try:
                self._file.seek(self._size)
                self._file.write(data)
                self._file.flush()
            except OSError as error:
                self.end(error)
                raise
            self._size += len(data)

    def end(self, error: OSError | None = None) -> None:
        """Take note that nothing more comes."""
        self.error = error
        self.has_ended = True

    def read(self, start: int, length: int) -> bytes:
        """Return bytes, fewer where there are no more yet. Raises ``OSError``."""
        with self._lock:
            self._file.seek(start)
            return self._file.read(min(length, max(self._size - start, 0)))
