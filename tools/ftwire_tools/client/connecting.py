"""Makes connections to a gateway: the first one, and new ones when one is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ftwire.connection import SECOND, Connection
from ftwire.errors import WireError
from ftwire.frame import Role
from ftwire_tools.client.errors import (
    ClientClosedError,
    ClientError,
    ConnectError,
    ConnectionLostError,
    HandshakeError,
    ReplyError,
)
from ftwire_tools.client.events import ConnectionLost, ConnectionRestored, SubscriptionRefused
from ftwire_tools.client.replies import read_reply
from ftwire_tools.client.transport import GatewayTransport

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire.events import Connected
    from ftwire.header import BodyFormat
    from ftwire.protocols import Registry
    from ftwire_tools.client.events import ClientEvent
    from ftwire_tools.client.push_router import PushRouter
    from ftwire_tools.client.subscriptions import SubscriptionsToRestore

__all__ = ["ConnectionSettings", "LastingConnection"]

FIRST_RETRY: Final = 0.25
"""Seconds before the second attempt to reconnect; each next one waits twice as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """How to connect; the fields are described at ``Client``. Times are in seconds."""

    host: str
    port: int
    key: RsaKey | None
    init: dict[str, Any]
    timeout: float
    silence: float
    reconnect: float | None
    reconnect_attempts: int | None
    max_body: int
    registry: Registry
    body_format: BodyFormat


class LastingConnection:
    """A connection to a gateway that is replaced by a new one when it is lost, with its subscriptions."""

    def __init__(
        self,
        settings: ConnectionSettings,
        router: PushRouter,
        subscriptions: SubscriptionsToRestore,
        report: Callable[[ClientEvent], None],
    ) -> None:
        self.connected: Connected | None = None
        """The result of the latest handshake."""
        self.over: ClientError | None = ClientClosedError()
        """Why there is no connection and will be none; ``None`` while there is one or may be one again."""
        self._settings: Final = settings
        self._router: Final = router
        self._subscriptions: Final = subscriptions
        self._report: Final = report
        self._ready: Final = asyncio.Event()  # a connection is up and subscribed, or there will be none again
        self._keeper: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether ``open`` was called, and ``close`` was not."""
        return self._keeper is not None

    async def open(self) -> None:
        """Connect. Raises ``ConnectError``."""
        if self._keeper is not None:
            return
        transport = await self._connect()
        self.over = None
        self._router.transport = transport
        self._ready.set()
        self._keeper = asyncio.create_task(self._keep(transport))

    async def close(self) -> None:
        """Close the connection: requests that wait fail, push streams end."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
        self._finish(ClientClosedError(), for_streams=None)
        if self._router.transport is not None:
            self._router.transport.close()
            self._router.transport = None
            await asyncio.sleep(0)  # asyncio closes the socket in the next round of its loop

    async def current(self) -> GatewayTransport:
        """Return the transport, waiting for a new one where it is lost. Raises ``ClientError``."""
        while True:
            if self.over is not None:
                raise self.over
            transport = self._router.transport
            if self._ready.is_set() and transport is not None and not transport.lost.done():
                return transport
            self._ready.clear()  # ``_keep`` has not reacted to the loss yet
            await self._ready.wait()

    async def _connect(self) -> GatewayTransport:
        """Connect and shake hands; the time-out holds for each. Raises ``ConnectError``."""
        settings, router = self._settings, self._router
        host, port, timeout = settings.host, settings.port, settings.timeout

        def make() -> GatewayTransport:
            connection = Connection(
                Role.CLIENT,
                key=settings.key,
                registry=settings.registry,
                max_body=settings.max_body,
                request_timeout=int(timeout * SECOND),
                silence=int(settings.silence * SECOND),
            )
            return GatewayTransport(
                connection,
                (host, port),
                has_key=settings.key is not None,
                timeout=timeout,
                puts=router.puts,
                puts_of_any=router.puts_of_any,
                on_chunk=router.commit,
                on_oddity=self._report,
            )

        try:
            async with asyncio.timeout(timeout):
                _, transport = await asyncio.get_running_loop().create_connection(make, host, port)
        except TimeoutError:
            raise ConnectError(host, port, f"no answer within {timeout:g} s") from None
        except OSError as error:
            raise ConnectError(host, port, _os_reason(error)) from error
        try:
            transport.start(**settings.init)
            self.connected = await transport.opened
        except BaseException:
            transport.close()
            raise
        return transport

    async def _keep(self, transport: GatewayTransport) -> None:
        """Replace the connection whenever it is lost."""
        while True:
            lost = await asyncio.shield(transport.lost)
            self._ready.clear()
            self._report(ConnectionLost(str(lost)))
            restored = await self._restore(lost)
            if restored is None:
                return
            transport = restored

    async def _restore(self, lost: ClientError) -> GatewayTransport | None:
        """Make a new connection; return ``None`` after the last attempt."""
        longest, most = self._settings.reconnect, self._settings.reconnect_attempts
        attempts, pause = 0, FIRST_RETRY
        while longest is not None and attempts != most:
            if attempts:
                await asyncio.sleep(min(pause, longest))
                pause *= 2
            attempts += 1
            try:
                transport = await self._connect()
            except HandshakeError as error:
                lost = error
                if isinstance(error.__cause__, WireError):
                    break  # a reply that cannot be read now cannot be read later
                continue
            except ConnectError as error:
                lost = error
                continue
            self._router.transport = transport
            try:
                count = await self._subscribe_again(transport)
            except ClientError as error:
                transport.close()
                lost = error
                continue
            self._ready.set()
            self._report(ConnectionRestored(attempts, count))
            return transport
        final = lost if isinstance(lost, ConnectionLostError) else ConnectionLostError(str(lost))
        self._finish(final, for_streams=final)
        return None

    async def _subscribe_again(self, transport: GatewayTransport) -> int:
        count = 0
        for proto_id, message in list(self._subscriptions.requests()):
            reply = await transport.request(proto_id, message, self._settings.body_format)
            try:
                read_reply(reply.frame, self._settings.registry[proto_id].name)
            except ReplyError as error:
                self._report(SubscriptionRefused(error))
            else:
                count += 1
        return count

    def _finish(self, error: ClientError, *, for_streams: ClientError | None) -> None:
        self.over = error
        self._ready.set()
        self._router.end(for_streams)


def _os_reason(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "refused, nobody listens there"
    # asyncio writes the addresses into strerror, and joins several attempts into one text.
    return error.strerror or str(error) or type(error).__name__
