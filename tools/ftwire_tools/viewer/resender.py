"""Sends a request that the page shows again, on a connection of its own to the same gateway."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.capture import read_body
from ftwire.connection import INIT_CONNECT
from ftwire.errors import WireError
from ftwire.frame import Kind
from ftwire.websocket import INIT
from ftwire_tools.client import Client
from ftwire_tools.client.errors import ClientError, ConnectError
from ftwire_tools.client.events import ConnectionLost
from ftwire_tools.messages.trading import trades
from ftwire_tools.replaying.id_translation import IdTranslation
from ftwire_tools.terminal.addresses import parse_address

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.capture import DissectedFrame
    from ftwire.cipher import RsaKey
    from ftwire_tools.client.events import ClientEvent
    from ftwire_tools.terminal.addresses import Address

__all__ = ["NotSentError", "Resender", "Route"]

MAX_KEPT: Final = 16 << 20
"""Bytes of the requests that are kept; the oldest are forgotten."""
OVERHEAD: Final = 1 << 10
"""Bytes that a request takes beside its body, about."""
SECONDS: Final = 8.0
"""How long connecting and the reply may take together: less than a request of the page may."""
NAME: Final = "ftwire view"
"""The ``clientID`` of these connections."""


class NotSentError(Exception):
    """A request that was not sent, or not answered; its text is for the user."""


class Route(NamedTuple):
    """A way to a gateway."""

    gateway: Address
    """Where the gateway is, as it was given."""
    through: Address
    """Where a client connects to reach it, so that what it sends is seen."""


class _Kept(NamedTuple):
    proto_id: int
    name: str
    message: Message
    server: str
    """Address of the gateway that it was sent to."""
    is_websocket: bool
    is_encrypted: bool
    size: int


class Resender:
    """Keeps the latest requests, and sends them again.

    ``routes`` are the ways to the gateways, ``keys`` the RSA private keys that these may hold. A connection, once made,
    stays: what has been subscribed to on it counts for the next request. Requests that trade (see
    ``ftwire_tools.messages.trading``) are sent only with ``allow_trading``.
    """

    def __init__(self, routes: Sequence[Route], keys: Sequence[RsaKey] = (), *, allow_trading: bool) -> None:
        self._routes: Final = routes
        self._keys: Final = keys
        self._allow_trading: Final = allow_trading
        self._kept: Final[OrderedDict[int, _Kept]] = OrderedDict()
        self._size = 0
        self._clients: Final[dict[tuple[Address, bool], Client]] = {}
        self._lost: Final[set[tuple[Address, bool]]] = set()
        self._lock: Final = asyncio.Lock()

    def watch(self, frame: DissectedFrame) -> None:
        """Keep a request."""
        found = frame.frame
        if frame.kind is not Kind.REQUEST:
            return
        message, _ = read_body(found)
        entry = found.protocol
        if message is None or entry is None:
            return
        kept = _Kept(
            found.proto_id,
            entry.name,
            message,
            frame.conversation.server,
            frame.conversation.transport == "websocket",
            # On WebSocket nothing is, whatever it is on TCP.
            frame.observation.encryption != "none" or frame.conversation.transport == "websocket",
            len(found.payload) + OVERHEAD,
        )
        self._kept[frame.number] = kept
        self._size += kept.size
        while self._size > MAX_KEPT and len(self._kept) > 1:
            self._size -= self._kept.popitem(last=False)[1].size

    def refusal(self, proto_id: int) -> str | None:
        """Return why requests of a protocol are not sent again; ``None`` where they are."""
        if proto_id in {INIT_CONNECT, INIT}:
            return "each connection makes its own handshake: send another request"
        reason = None if self._allow_trading else trades(proto_id)
        return None if reason is None else f"it may trade: {reason} (--allow-trading)"

    async def send(self, number: int) -> dict[str, Any]:
        """Send the request with the number of its frame again; return what is known of the reply.

        Raises ``NotSentError``.
        """
        kept = self._kept.get(number)
        if kept is None:
            raise NotSentError(
                f"frame {number} is no request that is still here: it cannot be read, or too much came after it"
            )
        if (reason := self.refusal(kept.proto_id)) is not None:
            raise NotSentError(reason)
        # A PacketID is made anew by the connection.
        request = IdTranslation(conn_id=(0, 0), user_id=(0, 0)).request(kept.message)
        address = self._address(kept)
        try:
            async with asyncio.timeout(SECONDS):
                client = await self._client(address, is_encrypted=kept.is_encrypted)
                reply = await client.exchange(kept.proto_id, request)
        except TimeoutError:
            raise NotSentError(f"{kept.name} was sent, and there was no reply in {SECONDS:g} s") from None
        except (ClientError, WireError) as error:
            raise NotSentError(f"{kept.name}: {error}") from None
        message = read_body(reply.frame)[0]
        return {
            "proto_id": kept.proto_id,
            "proto": kept.name,
            "serial": reply.frame.serial,
            "latency_ns": reply.latency,
            "ret_type": getattr(message, "retType", None),
        }

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.close()

    def _address(self, kept: _Kept) -> Address:
        """Return where to send a request. Raises ``NotSentError``."""
        to = parse_address(kept.server)
        same = [route for route in self._routes if route.gateway == to]
        found = same or [route for route in self._routes if route.gateway.port == to.port] or self._routes
        ways = {route.through for route in found}
        if len(ways) != 1:
            raise NotSentError("to which of the gateways it went cannot be told from the address")
        if kept.is_websocket and found[0].gateway.port == to.port:
            raise NotSentError("it was sent on WebSocket, and requests are sent again on TCP only")
        return ways.pop()

    async def _client(self, address: Address, *, is_encrypted: bool) -> Client:
        """Return an open client. Raises ``ConnectError``."""
        place = address, is_encrypted

        def note(event: ClientEvent) -> None:
            if isinstance(event, ConnectionLost):
                self._lost.add(place)

        async with self._lock:
            if place in self._lost:
                self._lost.discard(place)
                await self._clients.pop(place).close()
            if place in self._clients:
                return self._clients[place]
            failures: list[ConnectError] = []
            for key in (is_encrypted and self._keys) or (None,):
                client = Client(*address, key=key, client_id=NAME, timeout=SECONDS, reconnect=None, on_event=note)
                try:
                    await client.open()
                except ConnectError as error:
                    failures.append(error)
                else:
                    self._clients[place] = client
                    return client
            raise failures[0]
