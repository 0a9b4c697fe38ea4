"""A real gateway, asked what the capture does not hold.

One connection to it for each client, opened when it is first needed. Requests that trade
(``ftwire_tools.messages.trading``) are not forwarded unless that is allowed: whoever talks to a stand-in may believe
that nothing is at stake.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from ftwire.connection import SECOND, Connection, State
from ftwire.errors import WireError
from ftwire.events import Connected, FrameDamaged, PeerSilent, PushReceived, Refused, ReplyReceived, RequestTimedOut
from ftwire.frame import Role
from ftwire_tools.gateway.answer_source import Answer, failure
from ftwire_tools.gateway.push import Push
from ftwire_tools.messages.masking import message_of
from ftwire_tools.messages.trading import trades

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.cipher import RsaKey
    from ftwire.events import Event
    from ftwire.protocols import Protocol as Entry
    from ftwire_tools.gateway.answer_source import Client
    from ftwire_tools.gateway.log import Log

__all__ = ["Forward"]

CONNECT_SECONDS: Final = 6.0
READ: Final = 1 << 16


class ForwardError(Exception):
    """The real gateway gives no answer; the sentence says why."""


class Forward:
    """The way to a real gateway."""

    def __init__(self, host: str, port: int, *, key: RsaKey | None, allow_trading: bool, log: Log) -> None:
        self._address: Final = host, port
        self._key: Final = key
        self._allow_trading: Final = allow_trading
        self._log: Final = log
        self._lines: Final[dict[int, _Line]] = {}

    async def ask(self, client: Client, entry: Entry, request: Message) -> Answer:
        """Return the real gateway's answer, or one that says why there is none."""
        reason = None if self._allow_trading else trades(entry.proto_id)
        if reason is not None:
            return Answer(failure(entry, f"not in the capture, and not forwarded, for it is trading: {reason}"))
        line = self._lines.get(client.number)
        if line is None or line.is_over:
            line = self._lines[client.number] = _Line(client, self._key)
        try:
            return Answer(await line.ask(self._address, entry, request))
        except (ForwardError, OSError, WireError) as error:
            self._log("forward-failed", client=client.number, proto=entry.proto_id, reason=str(error))
            return Answer(failure(entry, f"the gateway behind gives no answer: {error}"))

    def leave(self, client: Client) -> None:
        """Hang up for a client that has gone."""
        line = self._lines.pop(client.number, None)
        if line is not None:
            line.stop()


class _Line:
    """One client's connection to the real gateway."""

    def __init__(self, client: Client, key: RsaKey | None) -> None:
        self._client: Final = client
        self._connection: Final = Connection(Role.CLIENT, key=key)
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._opening: Final = asyncio.Lock()
        self._connected: asyncio.Future[None] | None = None
        self._waiting: Final[dict[tuple[int, int], asyncio.Future[Message]]] = {}
        self.is_over = False

    async def ask(self, address: tuple[str, int], entry: Entry, request: Any) -> Message:
        """Return the reply to a request."""
        async with self._opening:
            if self._writer is None:
                await self._open(address)
        copy: Any = type(request)()
        copy.CopyFrom(request)
        if "packetID" in copy.c2s.DESCRIPTOR.fields_by_name:
            copy.c2s.ClearField("packetID")  # of the connection here; the one behind gets its own
        if self._connection.state is not State.OPEN:
            raise ForwardError("it has closed the connection")
        serial = self._connection.request(entry.proto_id, copy, time.monotonic_ns())
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[entry.proto_id, serial] = future
        self._send()
        return await future

    def stop(self) -> None:
        """Hang up."""
        self._end(ForwardError("the client has gone"))
        if self._task is not None:
            self._task.cancel()

    async def _open(self, address: tuple[str, int]) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            try:
                reader, self._writer = await asyncio.open_connection(*address)
                loop = asyncio.get_running_loop()
                self._connected = loop.create_future()
                self._connection.initiate(time.monotonic_ns(), client_id="ftwire")
                self._send()
                self._task = loop.create_task(self._run(reader))
                await self._connected
            except (TimeoutError, OSError, WireError, ForwardError):
                self._end(ForwardError("it cannot be reached"))
                raise

    def _send(self) -> None:
        if self._writer is not None:
            self._writer.write(self._connection.data_to_send())

    async def _run(self, reader: asyncio.StreamReader) -> None:
        reading = asyncio.ensure_future(reader.read(READ))
        try:
            while True:
                due = self._connection.next_timer()
                wait = None if due is None else max(0.0, (due - time.monotonic_ns()) / SECOND)
                await asyncio.wait({reading}, timeout=wait)
                now = time.monotonic_ns()
                for event in self._connection.handle_timer(now):
                    self._take(event)
                if reading.done():
                    data = reading.result()
                    if not data:
                        raise ForwardError("it has closed the connection")
                    for event in self._connection.receive_data(data, now):
                        self._take(event)
                    reading = asyncio.ensure_future(reader.read(READ))
                self._send()
        except (ForwardError, OSError, WireError) as error:
            self._end(error if isinstance(error, ForwardError) else ForwardError(str(error)))
        finally:
            reading.cancel()

    def _take(self, event: Event) -> None:
        if isinstance(event, Connected):
            if self._connected is not None and not self._connected.done():
                self._connected.set_result(None)
        elif isinstance(event, Refused):
            raise ForwardError(f"it refuses the connection: {event.ret_msg}")
        elif isinstance(event, PeerSilent):
            raise ForwardError("it has been silent for too long")
        elif isinstance(event, ReplyReceived):
            future = self._waiting.pop((event.frame.proto_id, event.frame.serial), None)
            if future is not None and not future.done():
                try:
                    future.set_result(message_of(event.frame))  # type: ignore[arg-type]  # of a known protocol
                except WireError as error:
                    future.set_exception(ForwardError(str(error)))
        elif isinstance(event, RequestTimedOut | FrameDamaged) and event.request is not None:
            future = self._waiting.pop((event.request.proto_id, event.request.serial), None)
            if future is not None and not future.done():
                reason = "no reply in time" if isinstance(event, RequestTimedOut) else str(event.frame.error)
                future.set_exception(ForwardError(reason))
        elif isinstance(event, PushReceived) and event.frame.protocol is not None:
            try:
                self._client.push(Push(event.frame.proto_id, event.frame.message))  # type: ignore[arg-type]
            except WireError:
                return

    def _end(self, error: ForwardError) -> None:
        self.is_over = True
        for future in (self._connected, *self._waiting.values()):
            if future is not None and not future.done():
                future.set_exception(error)
        self._waiting.clear()
        if self._writer is not None:
            self._writer.close()
