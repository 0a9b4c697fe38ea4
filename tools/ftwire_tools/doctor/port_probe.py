"""What answers at a port: OpenD on TCP, a WebSocket, HTTP, TLS, another service, or nothing.

The handshake is sent as any client does, and the first answer is looked at. Where that is no frame of this protocol,
an upgrade to WebSocket and a TLS handshake are tried on connections of their own.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from ftwire.connection import Connection
from ftwire.diagnosis import ConversationChecker, Finding
from ftwire.errors import WireError
from ftwire.events import Connected, FrameDamaged, Refused
from ftwire.frame import Role
from ftwire.header import MAGIC

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire_tools.terminal.addresses import Address

__all__ = [
    "CLIENT_ID",
    "HandshakeAnswer",
    "ProbeAnswer",
    "Service",
    "insecure_tls",
    "probe_handshake",
    "probe_service",
    "reason_of",
]

CLIENT_ID: Final = "ftwire doctor"
"""``clientID`` of its connections."""
MAX_ANSWER: Final = 1 << 20
"""Most bytes of an answer to InitConnect that are read; a real one has a few hundred."""
SECOND_LOOK: Final = 3.0
"""Longest time, in seconds, for an upgrade or a TLS handshake, which are tried where something is wrong anyway."""
_UPGRADE: Final = (
    "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class ProbeAnswer(Enum):
    """How the first answer to InitConnect ended."""

    CONNECTED = "connected"
    REFUSED = "refused"
    """An error in a reply that can be read."""
    UNREADABLE = "unreadable"
    """A frame that cannot be decrypted or verified."""
    OTHER_BYTES = "other bytes"
    """Bytes that begin no frame."""
    CUT = "cut"
    """The connection ended within a frame."""
    CLOSED = "closed"
    """The connection ended without an answer."""
    SILENT = "silent"


class HandshakeAnswer(NamedTuple):
    """The answer to one InitConnect."""

    answer: ProbeAnswer
    connect_ms: float
    """Milliseconds that the connection took."""
    data: bytes = b""
    """What was received."""
    encryption: str = "none"
    """Name of the cipher that was agreed, where the handshake succeeded."""
    ret_msg: str = ""
    """Text of a refusal."""
    finding: Finding | None = None
    """The known mistake that explains a frame that cannot be read."""


class Service(Enum):
    """What else listens at a port."""

    WEBSOCKET = "WebSocket"
    SECURE_WEBSOCKET = "WebSocket over TLS"
    HTTP = "HTTP"
    TLS = "TLS"
    UNKNOWN = "unknown"


async def probe_handshake(address: Address, key: RsaKey | None, seconds: float) -> HandshakeAnswer:
    """Connect, send InitConnect and return the answer. ``seconds`` is for each of the two.

    Raises ``OSError``, and ``TimeoutError`` where connecting takes too long.
    """
    start = time.monotonic_ns()
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection(*address)
    connect_ms = (time.monotonic_ns() - start) / 1e6
    try:
        connection = Connection(Role.CLIENT, key=key)
        connection.initiate(time.monotonic_ns(), client_id=CLIENT_ID)
        request = connection.data_to_send()
        writer.write(request)
        return await _first_answer(reader, connection, request, key, seconds, connect_ms)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _first_answer(
    reader: asyncio.StreamReader,
    connection: Connection,
    request: bytes,
    key: RsaKey | None,
    seconds: float,
    connect_ms: float,
) -> HandshakeAnswer:
    received = bytearray()
    deadline = asyncio.get_running_loop().time() + seconds
    while len(received) < MAX_ANSWER:
        try:
            async with asyncio.timeout_at(deadline):
                data = await reader.read(1 << 16)
        except TimeoutError:
            # A frame that never becomes whole is no better than none.
            kind = ProbeAnswer.CUT if received else ProbeAnswer.SILENT
            return HandshakeAnswer(kind, connect_ms, bytes(received))
        except OSError:
            data = b""
        if not data:
            kind = ProbeAnswer.CUT if received else ProbeAnswer.CLOSED
            return HandshakeAnswer(kind, connect_ms, bytes(received))
        received += data
        if not MAGIC.startswith(received[:2]):
            return HandshakeAnswer(ProbeAnswer.OTHER_BYTES, connect_ms, bytes(received))
        try:
            for event in connection.receive_data(data, time.monotonic_ns()):
                if isinstance(event, Connected):
                    return HandshakeAnswer(
                        ProbeAnswer.CONNECTED, connect_ms, bytes(received), encryption=connection.encryption
                    )
                if isinstance(event, Refused):
                    return HandshakeAnswer(ProbeAnswer.REFUSED, connect_ms, bytes(received), ret_msg=event.ret_msg)
                if isinstance(event, FrameDamaged):
                    return _unreadable(request, bytes(received), key, connect_ms)
        except WireError:
            return _unreadable(request, bytes(received), key, connect_ms)
    return HandshakeAnswer(ProbeAnswer.OTHER_BYTES, connect_ms, bytes(received))


def _unreadable(request: bytes, received: bytes, key: RsaKey | None, connect_ms: float) -> HandshakeAnswer:
    """Return the answer with the first finding of its diagnosis."""
    checker = ConversationChecker(keys=[key] if key is not None else [], alone=True)
    list(checker.read(request, Role.CLIENT))
    findings = [found for piece in checker.read(received, Role.SERVER) for found in piece.findings]
    best = min(findings, key=lambda found: found.mistake.rank, default=None)
    return HandshakeAnswer(ProbeAnswer.UNREADABLE, connect_ms, received, finding=best)


async def probe_service(address: Address, seconds: float) -> Service:
    """Find out what listens at a port that does not answer InitConnect with a frame."""
    most = min(seconds, SECOND_LOOK)
    plain, secure = await asyncio.gather(_upgrade(address, most, None), _upgrade(address, most, insecure_tls()))
    if plain is not None and _is_switching(plain):
        return Service.WEBSOCKET
    if secure is not None:
        return Service.SECURE_WEBSOCKET if _is_switching(secure) else Service.TLS
    if plain is not None and _is_http(plain):
        return Service.HTTP
    return Service.UNKNOWN


def insecure_tls() -> ssl.SSLContext:
    """Return a TLS context that accepts every certificate: only what answers is to be found out."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _upgrade(address: Address, seconds: float, tls: ssl.SSLContext | None) -> bytes | None:
    """Ask for a WebSocket; return the beginning of the answer, ``None`` where no connection (or no TLS) comes about."""
    writer = None
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(*address, ssl=tls)
    except (OSError, TimeoutError):  # ssl.SSLError is an OSError
        return None
    try:
        async with asyncio.timeout(seconds):
            writer.write(_UPGRADE.format(host=address).encode())
            return await reader.read(4096)
    except (OSError, TimeoutError):
        return b""
    finally:
        writer.transport.abort()


def _is_switching(answer: bytes) -> bool:
    return answer.startswith((b"HTTP/1.1 101", b"HTTP/1.0 101"))


def _is_http(answer: bytes) -> bool:
    return answer.startswith(b"HTTP/") or answer[:64].lstrip().lower().startswith((b"<!doctype", b"<html"))


def reason_of(error: OSError) -> str:
    """Return why no connection comes about, in a few words."""
    if isinstance(error, socket.gaierror):
        return f"the name is not known ({error.strerror})"
    if isinstance(error, ConnectionRefusedError):
        return "refused, nothing listens there"
    if isinstance(error, TimeoutError):
        return "no answer"
    return error.strerror or str(error) or type(error).__name__
