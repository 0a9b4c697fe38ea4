"""Bytes kept for a diagnosis: those in no frame, and the first of connections that were not recognised."""

from __future__ import annotations

from typing import Final

from ftwire.capture.dissected import SentBytes
from ftwire.frame import Role

__all__ = ["ConnectionHead", "PendingBytes"]

MAX_PENDING: Final = 80 * 1024 * 1024
"""Bytes of one direction kept until a frame or undecoded bytes account for them: a body of the largest size, and
what may come in front of it."""
MAX_HEAD: Final = 64 * 1024
"""Bytes kept of a connection that was not recognised."""
MAX_PARTS: Final = 1024
"""Changes of the sending side among them."""


class PendingBytes:
    """Captured bytes of one direction that no report has accounted for yet.

    Beyond ``MAX_PENDING`` bytes it only counts, until those in front were taken.
    """

    __slots__ = ("_data", "_uncounted")

    def __init__(self) -> None:
        self._data = bytearray()
        self._uncounted = 0

    def add(self, data: bytes) -> None:
        """Append bytes."""
        if self._uncounted or len(self._data) + len(data) > MAX_PENDING:
            self._uncounted += len(data)
        else:
            self._data += data

    @property
    def memory(self) -> int:
        """Bytes kept."""
        return len(self._data)

    def forget(self) -> None:
        """Drop the bytes, and count them until they are taken."""
        self._uncounted += len(self._data)
        self._data = bytearray()

    def take(self, size: int) -> bytes:
        """Remove the next ``size`` bytes and return as many of them as were kept."""
        taken = bytes(self._data[:size])
        del self._data[:size]
        self._uncounted -= min(size - len(taken), self._uncounted)
        return taken

    def clear(self) -> None:
        """Forget everything."""
        self._data.clear()
        self._uncounted = 0


class ConnectionHead:
    """The first bytes of a connection, as long as it is not certain that it carries something else."""

    __slots__ = ("_parts", "_room")

    def __init__(self) -> None:
        self._parts: list[tuple[int, bytearray, int, int]] = []
        self._room = MAX_HEAD

    def add(self, endpoint: int, data: bytes, time: int, packet: int) -> None:
        """Append what an endpoint (0 or 1) sent."""
        if self._room <= 0:
            return
        self._room -= len(data)
        if self._parts and self._parts[-1][0] == endpoint:
            self._parts[-1][1].extend(data)
        elif len(self._parts) < MAX_PARTS:
            self._parts.append((endpoint, bytearray(data), time, packet))

    @property
    def memory(self) -> int:
        """Bytes kept, about."""
        return MAX_HEAD - self._room if self._parts else 0

    def clear(self) -> None:
        """Forget everything, and take no more: the connection was recognised, or carries something else."""
        self._parts.clear()
        self._room = 0

    def sent(self) -> tuple[SentBytes, ...]:
        """Return what was sent, endpoint 0 taken for the client."""
        return tuple(
            SentBytes(Role.SERVER if endpoint else Role.CLIENT, bytes(data), time, packet)
            for endpoint, data, time, packet in self._parts
        )
