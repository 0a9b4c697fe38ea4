"""The queue of messages to a client on WebSocket, and what it and the session need of the client's socket."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final, Protocol

from websockets.exceptions import ConnectionClosed

__all__ = ["Socket", "WebSocketTransport"]

HIGH_WATER: Final = 256 * 1024
"""Bytes in the queue above which ``drained`` waits."""


class Socket(Protocol):
    """A client's WebSocket, as its session and its queue need it."""

    awaited: str
    """What the client has to do next to log in."""

    @property
    def pending(self) -> int:
        """Bytes received that no message has been taken of."""
        ...

    async def send(self, message: bytes) -> None:
        """Send a message. Raises ``ConnectionClosed``."""
        ...

    async def close(self) -> None:
        """Close with a closing handshake."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...

    def drop(self) -> None:
        """Drop what has been received."""
        ...


class WebSocketTransport:
    """A client's WebSocket, with a queue of the messages that it has not taken yet."""

    is_stream = False

    def __init__(self, socket: Socket) -> None:
        self._socket: Final = socket
        self._messages: Final[deque[bytes]] = deque()
        self._size = 0
        self._some: Final = asyncio.Event()
        self._room: Final = asyncio.Event()
        self._room.set()
        self._closing = False
        self._taken_at = time.monotonic_ns()

    def write(self, data: bytes) -> None:
        """Send one message."""
        if not self._messages:
            self._taken_at = time.monotonic_ns()
        self._messages.append(data)
        self._size += len(data)
        self._some.set()
        if self._size > HIGH_WATER:
            self._room.clear()

    def unsent(self) -> int:
        """Return the bytes that wait for the client to read."""
        return self._size

    @property
    def is_stuck(self) -> bool:
        """Whether the queue is full."""
        return not self._room.is_set()

    def is_stuck_since(self, earlier: int) -> bool:
        """Return whether the queue is full and the client has taken no message since a monotonic time."""
        return self.is_stuck and self._taken_at < earlier

    def stop_reading(self) -> None:
        """Do nothing: the server reads one message at a time and waits for ``drained`` after each."""

    def close(self) -> None:
        """Send what is left, then close."""
        self._closing = True
        self._some.set()

    def abort(self) -> None:
        """Close at once."""
        self._messages.clear()
        self._socket.abort()
        self.close()

    async def drained(self) -> None:
        """Wait until the queue has room."""
        await self._room.wait()

    async def run(self) -> None:
        """Send the queue until the socket is closed."""
        try:
            while True:
                while self._messages:
                    message = self._messages.popleft()
                    await self._socket.send(message)
                    self._taken_at = time.monotonic_ns()
                    self._size -= len(message)
                    if self._size <= HIGH_WATER:
                        self._room.set()
                if self._closing:
                    await self._socket.close()
                    return
                self._some.clear()
                await self._some.wait()
        except ConnectionClosed:
            return
        finally:
            self._messages.clear()
            self._room.set()
