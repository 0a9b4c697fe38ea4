"""JSON and bytes of bodies, packed in chunks that the page opens one at a time."""

from __future__ import annotations

import gzip
import struct
from typing import Final

__all__ = ["BodyChunks", "packed"]

ROWS: Final = 2000
"""Frames in a chunk."""
SIZE: Final = 4 << 20
"""Bytes after which a chunk ends: a page opens it in some tens of milliseconds."""
NONE: Final = (1 << 32) - 1
"""Length of a part that there is not."""
_LENGTHS: Final = struct.Struct("<4I")


def packed(data: bytes) -> bytes:
    """Return bytes compressed with gzip; the same for the same bytes."""
    return gzip.compress(data, 6, mtime=0)


class BodyChunks:
    """Collects bodies. A chunk is: lengths of four parts for each frame, then the parts, frame after frame.

    The parts are JSON, header, body, and what is wrong with the frame.
    """

    def __init__(self) -> None:
        self.chunks: Final[list[tuple[int, bytes]]] = []
        """Number of the first row, and the compressed chunk."""
        self.size = 0
        """Bytes of them."""
        self._lengths = bytearray()
        self._parts = bytearray()
        self._first = self._rows = 0

    def add(self, json: str | None, header: bytes | None, body: bytes | None, why: str) -> None:
        """Add the body of the next row."""
        text = None if json is None else json.encode("utf-8", "replace")
        reason = why.encode("utf-8", "replace") if why else None
        parts = (text, header, body, reason)
        self._lengths += _LENGTHS.pack(*(NONE if part is None else len(part) for part in parts))
        for part in parts:
            if part:
                self._parts += part
        self._rows += 1
        if self._rows - self._first >= ROWS or len(self._parts) >= SIZE:
            self.close()

    @property
    def firsts(self) -> list[int]:
        """Numbers of the first rows of all chunks, with the one that is being collected."""
        firsts = [first for first, _ in self.chunks]
        return [*firsts, self._first] if self._rows > self._first else firsts

    def chunk(self, number: int) -> bytes:
        """Return a chunk, as far as it is collected. Raises ``IndexError``."""
        if number < len(self.chunks):
            return self.chunks[number][1]
        if number > len(self.chunks) or self._rows == self._first:
            raise IndexError(number)
        return self._collected()

    def close(self) -> None:
        """End the chunk that is being collected."""
        if self._rows == self._first:
            return
        chunk = self._collected()
        self.chunks.append((self._first, chunk))
        self.size += len(chunk)
        self._lengths, self._parts, self._first = bytearray(), bytearray(), self._rows

    def _collected(self) -> bytes:
        return packed(struct.pack("<I", self._rows - self._first) + self._lengths + self._parts)
