"""How a hostile peer speaks, whatever the transport. Copied into saved tests, see ``steps``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ftwire_tools.fuzz.steps import Step

__all__ = ["Farewell", "Pong", "Rendered", "Upgrade", "Wire"]


class Rendered(NamedTuple):
    """Bytes to write."""

    data: bytes
    asks: tuple[tuple[int, int], ...] | None
    """(protocol, serial) of what may be found in them; ``None`` where nobody can tell where the next begins."""
    pings: tuple[bytes, ...] = ()
    """Content of pings that have to be answered."""
    ends: bool = False
    """Whether the peer has to end the connection for it."""


class Pong(NamedTuple):
    """WebSocket's answer to a ping, or none's."""

    data: bytes


class Farewell(NamedTuple):
    """WebSocket's close frame."""


class Upgrade(NamedTuple):
    """A client's request to speak WebSocket; the answer to it is what ``outgoing`` gives next."""


class Wire:
    """One connection, from one side: frames on TCP, or envelopes on WebSocket."""

    init: int
    """Protocol ID of the handshake."""
    init_name: str
    first_serial: int
    speaks_alone: bool
    """Whether a client has to say something by itself again and again."""
    is_encrypted = False
    is_ready = True
    """Whether frames may be sent: the transport's own handshake is done."""
    refused = ""
    """Why there will be none."""

    def opening(self) -> bytes:
        """Return what a client begins with."""
        return b""

    def hello(self) -> Any:
        """Return the message of a client's handshake, without secrets."""
        raise NotImplementedError

    def stamped(self, step: Step, body: bytes, conn_id: int, serial: int) -> bytes:
        """Return a client's body with what only the connection knows."""
        raise NotImplementedError

    def render(self, step: Step, body: bytes, serial: int) -> Rendered:
        """Return what a step sends, wrong in the ways that it says."""
        raise NotImplementedError

    def raw(self, step: Step) -> Rendered:
        """Return the bytes of a step that is no frame or envelope: ``raw``, ``ping``, ``pong`` or ``bye``."""
        raise NotImplementedError

    def feed(self, data: bytes) -> Iterable[Any]:
        """Take bytes; gives frames, envelopes and the records above. Raises ``WireError`` for what is none."""
        raise NotImplementedError

    def end(self) -> None:
        """Take note that the peer has ended."""

    def outgoing(self) -> bytes:
        """Return what the transport has to answer by itself, once."""
        return b""

    def farewell(self) -> bytes:
        """Return what a legal end begins with."""
        return b""

    def beat(self) -> bytes:
        """Return what asks a client whether it is there, nothing where it says so by itself."""
        return b""

    def agree(self, request: Any, response: Any) -> None:
        """Use what a client's handshake was granted. Raises ``WireError``."""
