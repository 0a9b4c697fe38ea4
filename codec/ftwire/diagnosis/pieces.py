"""The parts that a conversation is cut into, each with its findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ftwire.diagnosis.mistakes import Finding
    from ftwire.frame import Role
    from ftwire.header import Header
    from ftwire.websocket import Envelope

__all__ = ["Piece"]


class Piece(NamedTuple):
    """A part of a conversation: a frame, an envelope, or bytes that are neither."""

    number: int
    """Index among the pieces of its conversation, from 0."""
    offset: int
    """Where it begins, in bytes from the start of what was read."""
    sender: Role | None
    """The side that sent it, if known."""
    raw: bytes
    """All its bytes."""
    header: Header | None
    """The TCP header as captured; ``None`` for bytes without one."""
    payload: bytes
    """The bytes after the header: ciphertext when encrypted."""
    cipher: str
    """Its cipher: ``none``, ``rsa``, ``ftaes_ecb``, ``aes_ecb``, ``aes_cbc``; ``unknown`` if none opened it."""
    body: bytes | None
    """The plain body."""
    findings: tuple[Finding, ...]
    """The mistakes found in it."""
    key_unknown: bool = False
    """It seems to be encrypted, and the key is not known."""
    envelope: Envelope | None = None
    """The envelope, on WebSocket."""
    proto_id: int = 0
    """Protocol ID, corrected where the header has it wrong."""
