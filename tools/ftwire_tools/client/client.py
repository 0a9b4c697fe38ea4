"""An asyncio client of OpenD.

::

    async with Client("127.0.0.1", 11111) as client:
        await client.subscribe("HK.00700", "RT")
        print(await client.get_rt_data("HK.00700"))
        async with client.pushes("Qot_UpdateRT") as pushes:
            async for frame in pushes:
                print(frame.message.s2c)

The protocol is in ``ftwire.Connection``; here are the socket, the waiting, and what lasts longer than a connection:
when one is lost a new one is made, the subscriptions are requested again, and push streams go on. Requests without a
reply fail with ``ConnectionLostError``. They are never sent again by the client, since the gateway may have carried
them out. All errors are in ``ftwire_tools.client.errors``.

Memory is bounded. When the pushes that wait in a stream reach ``max_buffered`` bytes, nothing more is read from the
socket until a quarter of them is taken, so that the gateway has to wait. While a reply is awaited, reading goes on for
as many bytes more (4 MiB at least), since that reply comes after the pushes; then it stops, and the request times out
unless somebody takes pushes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from ftwire._renamed import renamed_keyword
from ftwire.connection import CLIENT_SILENCE, SECOND
from ftwire.header import BodyFormat
from ftwire.protocols import Registry, registry
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire_tools.client.connecting import ConnectionSettings, LastingConnection
from ftwire_tools.client.errors import ClientError, RequestTimeoutError
from ftwire_tools.client.push_router import PushRouter
from ftwire_tools.client.replies import Reply, read_reply
from ftwire_tools.client.rt_table import Columns, rt_table
from ftwire_tools.client.subscriptions import QOT_SUB, SUBSCRIBING, SubscriptionsToRestore
from ftwire_tools.messages.request_builder import build_request

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire._schema.typed import AsyncRequests
    from ftwire.cipher import PacketEncAlgo, RsaKey
    from ftwire.events import Connected
    from ftwire_tools.client.events import ClientEvent
    from ftwire_tools.client.push_stream import PushStream

else:
    AsyncRequests = object

__all__ = ["Client"]


class Client(AsyncRequests):
    """A client of one gateway.

    ``key`` is the RSA private key, where the gateway has one. ``timeout`` is how long connecting, the handshake and
    each reply may take; ``silence`` how long the gateway may send nothing at all; ``reconnect`` the longest pause
    between two attempts to restore a lost connection, ``None`` to leave it lost. All are in seconds, with the defaults
    of the vendor's SDK. ``reconnect_attempts`` limits the attempts. ``max_buffered`` and ``max_body`` are in bytes.
    ``init`` are further arguments of ``Connection.initiate``. ``on_event`` is called with what happens to the
    connection.

    The first connection is made, or fails with ``ConnectError``, on entering the block or in ``open``.
    """

    @renamed_keyword("known", "registry")
    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 11111,
        *,
        key: RsaKey | None = None,
        client_id: str = "ftwire",
        packet_enc_algo: PacketEncAlgo | None = None,
        body_format: BodyFormat = BodyFormat.PROTOBUF,
        timeout: float = 12.0,
        silence: float = CLIENT_SILENCE / SECOND,
        reconnect: float | None = 6.0,
        reconnect_attempts: int | None = None,
        max_buffered: int = 8 * 1024 * 1024,
        max_body: int = DEFAULT_MAX_BODY,
        registry: Registry = registry,
        init: Mapping[str, Any] | None = None,
        on_event: Callable[[ClientEvent], None] | None = None,
    ) -> None:
        self.host: Final = host
        self.port: Final = port
        self.body_format: Final = body_format
        """Of requests, replies and pushes."""
        self._timeout: Final = timeout
        self._registry: Final = registry
        self._subscriptions: Final = SubscriptionsToRestore()
        self._router: Final = PushRouter(max_buffered)
        settings = ConnectionSettings(
            host=host,
            port=port,
            key=key,
            init={
                "client_id": client_id,
                "packet_enc_algo": packet_enc_algo,
                "push_format": body_format,
                "body_format": body_format,
                **(init or {}),
            },
            timeout=timeout,
            silence=silence,
            reconnect=reconnect,
            reconnect_attempts=reconnect_attempts,
            max_body=max_body,
            registry=registry,
            body_format=body_format,
        )
        report = on_event or (lambda _: None)
        self._lasting: Final = LastingConnection(settings, self._router, self._subscriptions, report)

    def __repr__(self) -> str:
        state = "connected" if self._lasting.is_open and self.connected is not None else "not connected"
        return f"<{type(self).__name__} of {self.host}:{self.port}, {state}>"

    @property
    def connected(self) -> Connected | None:
        """The result of the latest handshake."""
        return self._lasting.connected

    async def __aenter__(self) -> Client:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect. Raises ``ConnectError``."""
        await self._lasting.open()

    async def close(self) -> None:
        """Close the connection: requests that wait fail, push streams end."""
        await self._lasting.close()

    # Requests

    async def exchange(
        self, protocol: int | str, message: Message | Mapping[str, Any] | bytes, *, timeout: float | None = None
    ) -> Reply:
        """Send a request and return its reply, whatever its ``retType``, with the time it took.

        ``message`` is a message, its values (see ``ftwire_tools.messages.request_builder``), or a plain body in the
        client's format. ``timeout`` in seconds, at most the client's, includes waiting for a connection.
        """
        entry = self._registry[protocol]
        if isinstance(message, Mapping):
            message = build_request(entry, message)
        seconds = self._timeout if timeout is None else min(timeout, self._timeout)
        transport = None
        try:
            async with asyncio.timeout(seconds):
                transport = await self._lasting.current()
                reply = await transport.request(entry.proto_id, message, self.body_format)
        except RequestTimeoutError:
            raise
        except TimeoutError:
            raise RequestTimeoutError(entry.name, seconds, was_sent=transport is not None) from None
        if entry.proto_id in SUBSCRIBING:
            self._note_subscription(entry.proto_id, message, reply)
        return reply

    if not TYPE_CHECKING:  # for type checkers AsyncRequests has a signature for each protocol

        async def request(
            self, protocol: int | str, message: Message | Mapping[str, Any] | bytes, *, timeout: float | None = None
        ) -> Any:
            """Send a request and return the message of its reply.

            Arguments and errors are those of ``exchange``; raises ``ReplyError`` for a ``retType`` other than 0, and
            ``ReplyDamagedError`` for a body that cannot be decoded. Type checkers know the class of the reply.
            """
            entry = self._registry[protocol]
            reply = await self.exchange(entry.proto_id, message, timeout=timeout)
            return read_reply(reply.frame, entry.name)

    async def subscribe(
        self,
        codes: str | Iterable[str],
        types: str | int | Iterable[str | int],
        *,
        push: bool = True,
        **flags: Any,
    ) -> None:
        """Subscribe to securities (``HK.00700``) and types (``RT`` or 5, of ``Qot_Common.SubType``).

        ``push`` is whether pushes are wanted; without, the data can only be requested. ``flags`` are further fields of
        ``Qot_Sub.C2S``. The subscription is requested again on each new connection, until ``unsubscribe``.
        """
        await self.request(QOT_SUB, _sub(codes, types, isSubOrUnSub=True, isRegOrUnRegPush=push, **flags))

    async def unsubscribe(self, codes: str | Iterable[str], types: str | int | Iterable[str | int]) -> None:
        """End subscriptions. OpenD allows that one minute after they began."""
        await self.request(QOT_SUB, _sub(codes, types, isSubOrUnSub=False))

    async def unsubscribe_all(self) -> None:
        """End every subscription of this client."""
        await self.request(QOT_SUB, {"isSubOrUnSub": False, "isUnsubAll": True})

    async def get_rt_data(self, code: str) -> Columns:
        """Return today's time-share points of a security, which needs a subscription (``RT``).

        A table with the columns ``code``, ``name``, ``time``, ``is_blank``, ``opened_mins``, ``cur_price``,
        ``last_close``, ``avg_price``, ``volume`` and ``turnover``: a pandas ``DataFrame`` where pandas is
        installed, an ``RtTable`` where it is not. ``data["turnover"][0]`` works on both.
        """
        return rt_table(await self.request("Qot_GetRT", {"security": code}))

    def pushes(self, *protocols: int | str) -> PushStream:
        """Return a stream that collects pushes from now on: of these protocols, or of all where none is given.

        Raises ``UnknownProtocolError``.
        """
        stream = self._router.add({self._registry[protocol].proto_id for protocol in protocols})
        if self._lasting.over is not None and self._lasting.is_open:
            stream.end(self._lasting.over)
        return stream

    def _note_subscription(self, proto_id: int, message: Message | bytes, reply: Reply) -> None:
        if isinstance(message, bytes):
            return
        with suppress(ClientError):
            read_reply(reply.frame, str(proto_id))
            self._subscriptions.note(proto_id, message)


def _sub(codes: str | Iterable[str], types: str | int | Iterable[str | int], **fields: Any) -> dict[str, Any]:
    return {
        "securityList": [codes] if isinstance(codes, str) else list(codes),
        "subTypeList": [types] if isinstance(types, str | int) else list(types),
        **fields,
    }
