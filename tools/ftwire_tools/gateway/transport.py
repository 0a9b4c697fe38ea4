"""What a session needs of its client's socket; ``tcp`` and ``websocket`` implement it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["ClientTransport", "address_of"]


class ClientTransport(Protocol):
    """The socket of one client: TCP or WebSocket."""

    is_stream: bool
    """Whether it carries a stream of bytes (TCP) and not messages (WebSocket)."""

    def write(self, data: bytes) -> None:
        """Send bytes of the stream, or one message; returns at once."""
        ...

    def unsent(self) -> int:
        """Return the bytes that wait for the client to read."""
        ...

    @property
    def is_stuck(self) -> bool:
        """Whether so much waits for the client that nothing more should be sent for now."""
        ...

    def stop_reading(self) -> None:
        """Read nothing from the client until it has read what waits for it."""
        ...

    def close(self) -> None:
        """Send what is left, then close."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...

    async def drained(self) -> None:
        """Wait until the client has read enough for more to be sent."""
        ...


def address_of(peer: object) -> str:
    """Return a socket's address as text."""
    if isinstance(peer, tuple) and len(peer) > 1:
        return f"[{peer[0]}]:{peer[1]}" if ":" in str(peer[0]) else f"{peer[0]}:{peer[1]}"
    return "unknown"
