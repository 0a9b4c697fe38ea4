"""The record of one protocol in a set of message definitions."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ProtocolRow"]


class ProtocolRow(NamedTuple):
    """The declaration of one protocol in a ``.proto`` file, by the option ``(ftwire.protocol)``."""

    proto_id: int
    """Number in the frame header."""
    name: str
    """Current name."""
    file: str
    """The ``.proto`` file with the declaration."""
    request: str | None
    """Full name of the request message; none for a push."""
    response: str
    """Full name of the reply's or the push's message."""
    since: str | None
    """First SDK release that lists the ID, when that is not the oldest one published (3.6.3)."""
    last: str | None
    """Last SDK release that lists the ID, when that is not the newest: the protocol is retired."""
    websocket: bool
    """Used in the WebSocket envelope only."""
    formerly: tuple[str, ...]
    """Names the same ID had in older SDK releases."""
