"""An asyncio client of OpenD.

::

    async with Client("127.0.0.1", 11111) as client:
        await client.subscribe("HK.00700", "RT")
        print(await client.get_rt_data("HK.00700"))
        async with client.pushes("Qot_UpdateRT") as pushes:
            async for frame in pushes:
                print(frame.message.s2c)

The protocol is ``ftwire.Connection``'s; here are the socket, the waiting, and what must outlive a connection:
when one is lost a new one is made, the subscriptions are asked for again, and push streams go on. Requests that
were under way fail with ``ConnectionLostError`` and are never sent twice by themselves: they may have been
carried out. All errors are in ``ftwire_tools.client.errors``.

Memory is bounded. When the pushes that wait in a stream come to ``max_buffered`` bytes, nothing more is read
from the socket until a quarter of them is taken, and the gateway has to wait. While a reply is awaited reading
goes on a while, for that reply stands behind the pushes; after ``max_buffered`` (4 MiB at least) more, it
stops all the same, and the request times out unless somebody takes pushes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.connection import CLIENT_SILENCE, Connection
from ftwire.errors import WireError
from ftwire.events import Connected, FrameDamaged, UnmatchedReply
from ftwire.frame import Frame, Role, UnknownBody
from ftwire.header import BodyFormat
from ftwire.protocols import Registry, registry
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire_tools.client.errors import (
    ClientClosedError,
    ClientError,
    ConnectError,
    ConnectionLostError,
    HandshakeError,
    ReplyDamagedError,
    ReplyError,
    RequestTimeoutError,
)
from ftwire_tools.client.push_stream import PushStream
from ftwire_tools.client.rt_table import Columns, rt_table
from ftwire_tools.client.subscriptions import QOT_SUB, SUBSCRIBING, Subscriptions
from ftwire_tools.client.transport import SECOND, Link, Reply, open_link
from ftwire_tools.messages.masking import message_of
from ftwire_tools.messages.request_builder import build_request

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.cipher import PacketEncAlgo, RsaKey

__all__ = ["Client", "ClientEvent", "ConnectionLost", "ConnectionRestored", "Reply", "SubscriptionRefused"]

FIRST_RETRY: Final = 0.25
"""Seconds before the second attempt to reconnect; each next one waits twice as long."""
SLACK: Final = 4 * 1024 * 1024
"""Bytes read beyond ``max_buffered``, at least, while a reply is awaited."""


class ConnectionLost(NamedTuple):
    """The connection ended; a new one is being made if the client reconnects."""

    reason: str


class ConnectionRestored(NamedTuple):
    """A new connection is up and the subscriptions are there again."""

    attempts: int
    """How many it took."""
    subscriptions: int
    """How many requests brought the subscriptions back."""


class SubscriptionRefused(NamedTuple):
    """The gateway did not grant a subscription again that an earlier connection had."""

    error: ClientError


ClientEvent = ConnectionLost | ConnectionRestored | SubscriptionRefused | FrameDamaged | UnmatchedReply
"""What ``on_event`` is told. The last two are the library's: they cost one frame, the connection goes on."""


class Client:
    """A client of one gateway.

    ``key`` is the RSA private key, where the gateway has one. ``timeout`` is how long connecting, the handshake
    and each reply may take; ``silence`` how long the gateway may say nothing at all; ``reconnect`` the longest
    pause between two attempts to restore a lost connection, ``None`` to leave it lost: all in seconds, their
    defaults those of the vendor's SDK. ``reconnect_attempts`` limits them. ``max_buffered`` and ``max_body``
    are in bytes. ``init`` are further arguments of ``Connection.initiate``.

    The first connection is made, or fails with ``ConnectError``, on entering the block or in ``open``.
    """

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
        known: Registry = registry,
        init: Mapping[str, Any] | None = None,
        on_event: Callable[[ClientEvent], None] | None = None,
    ) -> None:
        self.host: Final = host
        self.port: Final = port
        self.body_format: Final = body_format
        """Of requests, replies and pushes."""
        self._key: Final = key
        self._init: Final[dict[str, Any]] = {
            "client_id": client_id,
            "packet_enc_algo": packet_enc_algo,
            "push_format": body_format,
            "body_format": body_format,
            **(init or {}),
        }
        self._timeout: Final = timeout
        self._silence: Final = silence
        self._reconnect: Final = reconnect
        self._reconnect_attempts: Final = reconnect_attempts
        self._max_buffered: Final = max_buffered
        self._max_body: Final = max_body
        self._known: Final = known
        self._on_event: Final = on_event
        self._subscriptions: Final = Subscriptions()
        self._streams: Final[list[PushStream]] = []
        # By protocol ID, what takes its pushes; a stream of all pushes is in every entry, and in the last one.
        self._puts: Final[dict[int, list[Callable[[Frame], None]]]] = {}
        self._puts_of_any: Final[list[Callable[[Frame], None]]] = []
        self._link: Link | None = None
        self._ready: Final = asyncio.Event()  # a link is up and subscribed, or there will never be one again
        self._over: ClientError | None = ClientClosedError()
        self._keeper: asyncio.Task[None] | None = None
        self._held = False
        self.connected: Connected | None = None
        """What the latest handshake gave."""

    # Life

    async def __aenter__(self) -> Client:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect. Raises ``ConnectError``."""
        if self._keeper is not None:
            return
        link = await self._connect()
        self._over = None
        self._link = link
        self._ready.set()
        self._keeper = asyncio.create_task(self._keep(link))

    async def close(self) -> None:
        """Close the connection: requests that wait fail, streams end."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
        self._finish(ClientClosedError(), for_streams=None)
        if self._link is not None:
            self._link.close()
            self._link = None
            await asyncio.sleep(0)  # the transport closes its socket in the loop's next round

    # Asking

    async def exchange(
        self, protocol: int | str, message: Message | Mapping[str, Any] | bytes, *, timeout: float | None = None
    ) -> Reply:
        """Send a request and return its reply, whatever it says, with the time it took.

        ``message`` is a message, its values (see ``ftwire_tools.messages.request_builder``), or a plain body in the
        client's format. ``timeout`` in seconds, at most the client's, includes waiting for a connection.
        """
        entry = self._known[protocol]
        if isinstance(message, Mapping):
            message = build_request(entry, message)
        seconds = self._timeout if timeout is None else min(timeout, self._timeout)
        link = None
        try:
            async with asyncio.timeout(seconds):
                link = await self._current()
                reply = await link.request(entry.proto_id, message, self.body_format)
        except RequestTimeoutError:
            raise
        except TimeoutError:
            raise RequestTimeoutError(entry.name, seconds, was_sent=link is not None) from None
        if entry.proto_id in SUBSCRIBING:
            self._note(entry.proto_id, message, reply)
        return reply

    async def request(
        self, protocol: int | str, message: Message | Mapping[str, Any] | bytes, *, timeout: float | None = None
    ) -> Any:
        """Send a request and return the message of its reply; raises ``ReplyError`` if it says no.

        Arguments and further errors as with ``exchange``, and ``ReplyDamagedError`` for a body that cannot be
        read.
        """
        entry = self._known[protocol]
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

        ``push`` asks for pushes; without, the data can only be asked for. ``flags`` are further fields of
        ``Qot_Sub.C2S``. Asked for again on every new connection, until ``unsubscribe``.
        """
        await self.request(QOT_SUB, _sub(codes, types, isSubOrUnSub=True, isRegOrUnRegPush=push, **flags))

    async def unsubscribe(self, codes: str | Iterable[str], types: str | int | Iterable[str | int]) -> None:
        """End subscriptions. OpenD grants it a minute after they began."""
        await self.request(QOT_SUB, _sub(codes, types, isSubOrUnSub=False))

    async def unsubscribe_all(self) -> None:
        """End every subscription of this client."""
        await self.request(QOT_SUB, {"isSubOrUnSub": False, "isUnsubAll": True})

    async def get_rt_data(self, code: str) -> Columns:
        """Return today's time-share points of a security that is subscribed to (``RT``).

        A table with the columns ``code``, ``name``, ``time``, ``is_blank``, ``opened_mins``, ``cur_price``,
        ``last_close``, ``avg_price``, ``volume`` and ``turnover``: a pandas ``DataFrame`` where pandas is
        installed, an ``RtTable`` where it is not. ``data["turnover"][0]`` works on both.
        """
        return rt_table(await self.request("Qot_GetRT", {"security": code}))

    def pushes(self, *protocols: int | str) -> PushStream:
        """Collect pushes of these protocols, of all without any, from now on; raises ``UnknownProtocolError``."""
        stream = PushStream(self._regulate, self._forget)
        if protocols:
            for proto_id in {self._known[protocol].proto_id for protocol in protocols}:
                self._puts.setdefault(proto_id, list(self._puts_of_any)).append(stream.put)
        else:
            for puts in (*self._puts.values(), self._puts_of_any):
                puts.append(stream.put)
        self._streams.append(stream)
        if self._over is not None and self._keeper is not None:
            stream.end(self._over)
        return stream

    # The connection

    async def _connect(self) -> Link:
        def make() -> Link:
            connection = Connection(
                Role.CLIENT,
                key=self._key,
                known=self._known,
                max_body=self._max_body,
                request_timeout=int(self._timeout * SECOND),
                silence=int(self._silence * SECOND),
            )
            return Link(
                connection,
                (self.host, self.port),
                has_key=self._key is not None,
                timeout=int(self._timeout * SECOND),
                puts=self._puts,
                puts_of_any=self._puts_of_any,
                on_chunk=self._chunk_is_dealt_with,
                on_oddity=self._tell,
            )

        link = await open_link(make, (self.host, self.port), timeout=self._timeout, init=self._init)
        self.connected = link.opened.result()
        return link

    async def _keep(self, link: Link) -> None:
        """Follow the connection for as long as the client lives."""
        while True:
            lost = await asyncio.shield(link.lost)
            self._ready.clear()
            self._tell(ConnectionLost(str(lost)))
            restored = await self._restore(lost)
            if restored is None:
                return
            link = restored

    async def _restore(self, lost: ClientError) -> Link | None:
        """Make a new connection; ``None`` when that is given up."""
        attempts, pause = 0, FIRST_RETRY
        while self._reconnect is not None and attempts != self._reconnect_attempts:
            if attempts:
                await asyncio.sleep(min(pause, self._reconnect))
                pause *= 2
            attempts += 1
            try:
                link = await self._connect()
            except HandshakeError as error:
                # Cut off in the handshake may pass; a reply that cannot be read will not become readable.
                lost = error
                if isinstance(error.__cause__, WireError):
                    break
                continue
            except ConnectError as error:
                lost = error
                continue
            self._link = link
            try:
                count = await self._subscribe_again(link)
            except ClientError as error:
                link.close()
                lost = error
                continue
            self._ready.set()
            self._tell(ConnectionRestored(attempts, count))
            return link
        final = lost if isinstance(lost, ConnectionLostError) else ConnectionLostError(str(lost))
        self._finish(final, for_streams=final)
        return None

    async def _subscribe_again(self, link: Link) -> int:
        count = 0
        for proto_id, message in list(self._subscriptions.requests()):
            reply = await link.request(proto_id, message, self.body_format)
            try:
                read_reply(reply.frame, self._known[proto_id].name)
            except ReplyError as error:
                self._tell(SubscriptionRefused(error))
            else:
                count += 1
        return count

    async def _current(self) -> Link:
        while True:
            if self._over is not None:
                raise self._over
            if self._ready.is_set() and self._link is not None and not self._link.lost.done():
                return self._link
            self._ready.clear()  # the keeper has not yet heard of the loss
            await self._ready.wait()

    def _finish(self, error: ClientError, *, for_streams: ClientError | None) -> None:
        self._over = error
        self._ready.set()
        for stream in self._streams:
            stream.end(for_streams)

    def _note(self, proto_id: int, message: Message | bytes, reply: Reply) -> None:
        if isinstance(message, bytes):
            return
        with suppress(ClientError):
            read_reply(reply.frame, str(proto_id))
            self._subscriptions.note(proto_id, message)

    def _tell(self, event: ClientEvent) -> None:
        if self._on_event is not None:
            self._on_event(event)

    # Pushes

    def _chunk_is_dealt_with(self) -> None:
        for stream in self._streams:
            stream.commit()
        self._regulate()

    def _forget(self, stream: PushStream) -> None:
        if stream in self._streams:
            self._streams.remove(stream)
        for puts in (*self._puts.values(), self._puts_of_any):
            if stream.put in puts:
                puts.remove(stream.put)
        self._regulate()

    def _regulate(self) -> None:
        """Stop reading where too much waits, go on where little enough does."""
        if self._link is None:
            return
        waiting = max((stream.size for stream in self._streams), default=0)
        limit = self._max_buffered
        if self._link.is_waiting:
            limit += max(limit, SLACK)
        held = waiting > (limit * 3 // 4 if self._held else limit)
        if held != self._held:
            self._held = held
        self._link.pause(held)


def read_reply(frame: Frame, name: str) -> Any:
    """Return the message of a reply that says yes. Raises ``ReplyDamagedError`` and ``ReplyError``."""
    try:
        message: Any = message_of(frame)
    except WireError as error:
        raise ReplyDamagedError(name, frame.serial, str(error)) from error
    if isinstance(message, UnknownBody):
        raise ReplyDamagedError(name, frame.serial, f"its body format is {message.body_format}")
    if message.retType:
        raise ReplyError(name, message)
    return message


def _sub(codes: str | Iterable[str], types: str | int | Iterable[str | int], **fields: Any) -> dict[str, Any]:
    return {
        "securityList": [codes] if isinstance(codes, str) else list(codes),
        "subTypeList": [types] if isinstance(types, str | int) else list(types),
        **fields,
    }
