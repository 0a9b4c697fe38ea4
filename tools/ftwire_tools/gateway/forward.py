"""Forwarding: sends requests to a real gateway that the captures do not answer (``serve --on-miss forward``).

Each client has its own connection to the real gateway, opened with its first request. Requests that trade (see
``ftwire_tools.messages.trading``) are forwarded only where that is allowed: users of a replaying gateway do not expect
that their requests have consequences.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from ftwire.errors import WireError
from ftwire.frame import UnknownBody
from ftwire_tools.client import Client
from ftwire_tools.client.errors import ClientError
from ftwire_tools.gateway.answer_source import Answer, content_of, failure
from ftwire_tools.gateway.push import Push
from ftwire_tools.messages.masking import message_of
from ftwire_tools.messages.trading import trades

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.cipher import RsaKey
    from ftwire.protocols import Protocol as ProtocolEntry
    from ftwire_tools.gateway.answer_source import Subscriber
    from ftwire_tools.gateway.log import Log

__all__ = ["Forward"]


class Forward:
    """Sends requests to the gateway at an address; ``key`` is its RSA private key."""

    def __init__(self, host: str, port: int, *, key: RsaKey | None, allow_trading: bool, log: Log) -> None:
        self._host: Final = host
        self._port: Final = port
        self._key: Final = key
        self._allow_trading: Final = allow_trading
        self._log: Final = log
        self._routes: Final[dict[int, _Route]] = {}
        self._closing: Final[set[asyncio.Task[None]]] = set()

    async def ask(self, client: Subscriber, entry: ProtocolEntry, request: Message) -> Answer:
        """Return the real gateway's answer, or a failure whose ``retMsg`` is the reason why there is none."""
        reason = None if self._allow_trading else trades(entry.proto_id)
        if reason is not None:
            return Answer(failure(entry, f"not in the capture, and not forwarded, for it is trading: {reason}"))
        route = self._routes.get(client.number)
        if route is None:
            upstream = Client(self._host, self._port, key=self._key)
            route = self._routes[client.number] = _Route(client, upstream)
        try:
            return Answer(await route.ask(entry, request))
        except (ClientError, WireError) as error:
            self._log("forward-failed", client=client.number, proto=entry.proto_id, reason=str(error))
            return Answer(failure(entry, f"the gateway behind gives no answer: {error}"))

    def leave(self, client: Subscriber) -> None:
        """Close the connection of a client that has gone."""
        route = self._routes.pop(client.number, None)
        if route is not None:
            task = asyncio.get_running_loop().create_task(route.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


class _Route:
    """A client of ours and its connection to the real gateway, ``upstream``."""

    def __init__(self, client: Subscriber, upstream: Client) -> None:
        self._client: Final = client
        self._upstream: Final = upstream
        self._opening: Final = asyncio.Lock()
        self._pushing: asyncio.Task[None] | None = None

    async def ask(self, entry: ProtocolEntry, request: Any) -> Message:
        """Return the reply to a request. Raises ``ClientError`` and ``WireError``."""
        async with self._opening:
            if self._pushing is None:
                await self._upstream.open()
                self._pushing = asyncio.get_running_loop().create_task(self._push())
        copy: Any = type(request)()
        copy.CopyFrom(request)
        c2s = content_of(copy)
        if "packetID" in c2s.DESCRIPTOR.fields_by_name:
            c2s.ClearField("packetID")  # belongs to a connection: the client fills in its own
        reply = await self._upstream.exchange(entry.proto_id, copy)
        message = message_of(reply.frame)
        if isinstance(message, UnknownBody):
            raise ClientError(f"its reply has the unknown body format {message.body_format}")
        return message

    async def close(self) -> None:
        """Close the connection to the real gateway."""
        if self._pushing is not None:
            self._pushing.cancel()
        await self._upstream.close()

    async def _push(self) -> None:
        """Pass pushes on until the connection is lost for good."""
        async for frame in self._upstream.pushes():
            try:
                message = frame.message
            except WireError:
                continue
            if not isinstance(message, UnknownBody):
                self._client.push(Push(frame.proto_id, message))
