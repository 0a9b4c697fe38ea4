"""What a conversation is read as: pieces, each with what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ftwire.diagnosis.mistakes import Finding
    from ftwire.frame import Role
    from ftwire.header import Header
    from ftwire.websocket import Envelope

__all__ = ["Piece"]


class Piece(NamedTuple):
    """Bytes of a conversation, read: a frame, an envelope, or what is neither."""

    number: int
    """Its place among the pieces of its session, from 0."""
    offset: int
    """Where it begins, in bytes from the start of what was read."""
    sender: Role | None
    """Who sent it, as far as is known."""
    raw: bytes
    """All its bytes."""
    header: Header | None
    """The header as it stands on the wire; ``None`` for what has none of TCP."""
    payload: bytes
    """What follows the header: ciphertext when encrypted."""
    cipher: str
    """What opened it: ``none``, ``rsa``, ``ftaes_ecb``, ``aes_ecb``, ``aes_cbc``; ``unknown`` where nothing did."""
    body: bytes | None
    """The plain body."""
    findings: tuple[Finding, ...]
    """What is wrong with it."""
    sealed: bool = False
    """It is encrypted as far as can be told, and the key for it is not known."""
    envelope: Envelope | None = None
    """The envelope, on WebSocket."""
    proto_id: int = 0
    """Protocol ID, as it was meant."""
