"""Mistakes in WebSocket messages."""

from __future__ import annotations

from hashlib import sha1
from typing import Final

from ftwire.diagnosis.mistakes import MISTAKES, Finding
from ftwire.frame import Role
from ftwire.header import ENVELOPE_MAGIC, HEADER_SIZE, MAGIC, Header
from ftwire.protocols import Registry

__all__ = ["envelope_finding"]

COMMANDS: Final = (1, 2)
"""Commands that are no protocol IDs: InitWebSocket, and the push that OpenD has lost its connection."""
_HEADER: Final = {Role.CLIENT: 20, Role.SERVER: 44}


def envelope_finding(message: bytes, sender: Role, registry: Registry) -> Finding | None:
    """Return the mistake in one WebSocket message; ``None`` for an envelope with a known command."""
    if message.startswith(MAGIC) and len(message) >= HEADER_SIZE:
        header = Header.decode(message)
        body = message[HEADER_SIZE : HEADER_SIZE + header.body_length]
        verified = sha1(body, usedforsecurity=False).digest() == header.sha1
        if verified or header.proto_id in registry:
            proof = f'The message begins with "FT" and nProtoID {header.proto_id}'
            proof += ", and the SHA-1 of the TCP header agrees." if verified else ", as on TCP."
            return Finding(MISTAKES["envelope_ft_fields"], proof, sender, proven=verified)
    if not message.startswith(ENVELOPE_MAGIC) or len(message) < _HEADER[sender]:
        start = message[:8].hex(" ") or "nothing"
        unquoted = (
            'The message does not begin as an envelope does, with "ft-v1.0" and a zero byte.' if message else None
        )
        return Finding(MISTAKES["no_envelope"], f"The message begins with {start}.", sender, unquoted=unquoted)
    command = int.from_bytes(message[8:12], "big")
    if _is_known(command, registry):
        return _glued(message, sender, registry)
    little = int.from_bytes(message[8:12], "little")
    if not _is_known(little, registry):
        return None
    # nProtoID, nProtoFmtType, nProtoVer, nSerialNo, nBodyLen, SHA-1, reserved: the TCP header after "FT".
    rest = len(ENVELOPE_MAGIC) + HEADER_SIZE - len(MAGIC)
    if len(message) >= rest and message[rest - 28 : rest - 8] == _sha1(message[rest:]):
        proof = f"After the magic stand the fields of the TCP header (nProtoID {little}), and their SHA-1 agrees."
        return Finding(MISTAKES["envelope_ft_fields"], proof, sender)
    section = int.from_bytes(message[12:20], "little")
    proof = f"Command is {command}, which is none; in little-endian it is {little}, and section is {section}."
    return Finding(MISTAKES["envelope_little_endian"], proof, sender)


def _sha1(data: bytes) -> bytes:
    return sha1(data, usedforsecurity=False).digest()


def _is_known(command: int, registry: Registry) -> bool:
    return command in COMMANDS or command in registry


def _glued(message: bytes, sender: Role, registry: Registry) -> Finding | None:
    at = message.find(ENVELOPE_MAGIC, _HEADER[sender])
    if at < 0 or len(message) - at < _HEADER[sender]:
        return None
    command = int.from_bytes(message[at + 8 : at + 12], "big")
    if not _is_known(command, registry):
        return None
    proof = f"At offset {at} of the message another envelope begins (command {command})."
    return Finding(MISTAKES["envelopes_glued"], proof, sender)
