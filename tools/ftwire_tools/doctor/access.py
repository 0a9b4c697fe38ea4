"""Requests to a gateway on TCP and on WebSocket, for what only reads a few replies."""

from __future__ import annotations

import asyncio
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from ftwire.errors import WireError
from ftwire.frame import Role
from ftwire.protocols import registry
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire.websocket import INIT, Envelope, EnvelopeStatus, websocket_key_digest
from ftwire_tools.client import Client
from ftwire_tools.client.errors import ClientError, ConnectError, ConnectionLostError
from ftwire_tools.client.replies import read_reply
from ftwire_tools.doctor.port_probe import CLIENT_ID, insecure_tls
from ftwire_tools.messages.request_builder import build_request

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from ftwire.cipher import RsaKey
    from ftwire_tools.terminal.addresses import Address

__all__ = ["Access", "AccessError", "WrongKeyError", "tcp_access", "websocket_access"]

FIRST_SECTION: Final = 2
"""Section of the first request on WebSocket, as the vendor's JavaScript client counts."""


class AccessError(Exception):
    """A request has no reply that can be used; the message is the reason."""

    def __init__(self, reason: str, *, is_over: bool = False) -> None:
        super().__init__(reason)
        self.is_over: Final = is_over
        """Whether the connection ended."""


class WrongKeyError(AccessError):
    """The gateway's WebSocket refuses the key, or the lack of one."""


class Access(ABC):
    """A connection that is logged in."""

    @abstractmethod
    async def request(self, protocol: str, values: Mapping[str, Any]) -> tuple[Any, int]:
        """Return the ``s2c`` of a reply, and its latency in nanoseconds. Raises ``AccessError``."""


class _TcpAccess(Access):
    def __init__(self, client: Client) -> None:
        self._client: Final = client

    async def request(self, protocol: str, values: Mapping[str, Any]) -> tuple[Any, int]:
        """See ``Access``."""
        try:
            reply = await self._client.exchange(protocol, values)
            return read_reply(reply.frame, protocol).s2c, reply.latency
        except (ClientError, WireError) as error:
            raise AccessError(str(error), is_over=isinstance(error, ConnectionLostError)) from error


@asynccontextmanager
async def tcp_access(address: Address, key: RsaKey | None, seconds: float) -> AsyncIterator[Access]:
    """Log in on TCP. Raises ``AccessError``."""
    client = Client(address.host, address.port, key=key, client_id=CLIENT_ID, timeout=seconds, reconnect=None)
    try:
        await client.open()
    except ConnectError as error:
        raise AccessError(str(error)) from error
    try:
        yield _TcpAccess(client)
    finally:
        await client.close()


class _WebSocketAccess(Access):
    def __init__(self, connection: ClientConnection, seconds: float) -> None:
        self._connection: Final = connection
        self._seconds: Final = seconds
        self._section = FIRST_SECTION - 1

    async def request(self, protocol: str, values: Mapping[str, Any]) -> tuple[Any, int]:
        """See ``Access``."""
        envelope, latency = await self.exchange(registry[protocol].proto_id, protocol, values)
        if envelope.error_code:
            raise AccessError(f"{protocol}: error {envelope.error_code} {envelope.error_text}".rstrip())
        message = _message_of(envelope, protocol)
        if message.retType:
            raise AccessError(f"{protocol} failed: retType {message.retType} {message.retMsg}".rstrip())
        return message.s2c, latency

    async def exchange(self, command: int, name: str, values: Mapping[str, Any]) -> tuple[Envelope, int]:
        """Return the envelope that answers a request, and its latency in nanoseconds. Raises ``AccessError``."""
        from websockets.exceptions import ConnectionClosed

        self._section += 1
        request = build_request(registry[command], values)
        start = time.monotonic_ns()
        try:
            async with asyncio.timeout(self._seconds):
                await self._connection.send(
                    Envelope.build(command, self._section, request, sender=Role.CLIENT).encode()
                )
                while True:
                    data = await self._connection.recv()
                    if isinstance(data, str):
                        raise AccessError("a text message came, OpenD sends binary ones")
                    envelope = Envelope.decode(data, sender=Role.SERVER)
                    if (envelope.command, envelope.section) == (command, self._section):
                        return envelope, time.monotonic_ns() - start
        except TimeoutError:
            raise AccessError(f"no reply to {name} within {self._seconds:g} s") from None
        except ConnectionClosed as error:
            reason = f"the gateway closed the connection instead of answering {name}"
            raise AccessError(reason, is_over=True) from error
        except WireError as error:
            raise AccessError(f"the answer to {name} is no envelope of OpenD") from error


def _message_of(reply: Envelope, name: str) -> Any:
    try:
        return reply.message
    except WireError as error:
        raise AccessError(f"the reply to {name} cannot be read: {error}") from error


@asynccontextmanager
async def websocket_access(address: Address, key: str, seconds: float, *, tls: bool) -> AsyncIterator[Access]:
    """Log in on WebSocket. Raises ``AccessError``, and ``ImportError`` where ``websockets`` is not installed."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidHandshake

    where = f"{'wss' if tls else 'ws'}://{address}/"
    try:
        # A socket of our own: without one, websockets would go through a proxy that the environment names.
        opened = await asyncio.to_thread(socket.create_connection, address, seconds)
        opened.setblocking(False)
        connection = await connect(
            where,
            sock=opened,
            ssl=insecure_tls() if tls else None,
            server_hostname=address.host if tls else None,
            open_timeout=seconds,
            close_timeout=1,
            max_size=DEFAULT_MAX_BODY,
        )
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise AccessError(f"no WebSocket connection: {error}") from error
    try:
        access = _WebSocketAccess(connection, seconds)
        init = {"websocketKey": websocket_key_digest(key), "clientID": CLIENT_ID, "programmingLanguage": "Python"}
        reply, _ = await access.exchange(INIT, "InitWebSocket", init)
        if reply.error_code and reply.error_code not in {*EnvelopeStatus}:
            raise AccessError("the answer to InitWebSocket is no envelope of OpenD")
        if reply.error_code:
            raise WrongKeyError(f"error {reply.error_code} {reply.error_text}".rstrip())
        message = _message_of(reply, "InitWebSocket")
        if message.retType:
            raise WrongKeyError(f"retType {message.retType} {message.retMsg}".rstrip())
        yield access
    finally:
        await connection.close()
