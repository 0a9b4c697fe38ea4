"""The transport: the library's ``Connection`` with a socket, a timer, and the replies that are awaited.

A transport lives as long as its socket; for a new connection ``connecting`` makes a new one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from ftwire.connection import KEEP_ALIVE, SECOND
from ftwire.errors import WireError
from ftwire.events import (
    Connected,
    FrameDamaged,
    PeerSilent,
    PushReceived,
    Refused,
    ReplyReceived,
    RequestTimedOut,
    SentRequest,
    UnmatchedReply,
)
from ftwire_tools.client.errors import (
    ClientError,
    ConnectError,
    ConnectionLostError,
    HandshakeError,
    RefusedError,
    ReplyDamagedError,
    RequestTimeoutError,
)
from ftwire_tools.client.replies import AwaitedReplies, Reply
from ftwire_tools.messages.masking import error_text

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.connection import Connection
    from ftwire.events import Event
    from ftwire.header import BodyFormat
    from ftwire_tools.client.push_stream import Put

__all__ = ["GatewayTransport"]

READ_SIZE: Final = 64 * 1024
"""Bytes read at once. With the 256 KiB that asyncio reads by itself, frames have left the processor's cache when
they are taken: 10 to 20 % slower for small pushes."""

# Wall-clock time at the start plus steady time since: a clock that is set does not time requests out.
_EPOCH: Final = time.time_ns() - time.monotonic_ns()


def now_ns() -> int:
    """Return the time in nanoseconds since 1970, never running backwards."""
    return _EPOCH + time.monotonic_ns()


class GatewayTransport(asyncio.BufferedProtocol):
    """The socket of one ``Connection`` to a gateway.

    ``puts`` maps a protocol ID to the functions that take its pushes, ``puts_of_any`` take those of all other
    protocols;
    ``on_chunk`` is called after each piece of the stream; ``on_oddity`` gets damaged frames and replies that are not
    awaited. ``timeout``, in seconds, is that of the connection's requests.
    """

    def __init__(
        self,
        connection: Connection,
        address: tuple[str, int],
        *,
        has_key: bool,
        timeout: float,
        puts: Mapping[int, Sequence[Put]],
        puts_of_any: Sequence[Put],
        on_chunk: Callable[[], None],
        on_oddity: Callable[[FrameDamaged | UnmatchedReply], None],
    ) -> None:
        self._loop: Final = asyncio.get_running_loop()
        self._connection: Final = connection
        self._address: Final = address
        self._has_key: Final = has_key
        self._timeout: Final = timeout
        self._puts: Final = puts
        self._puts_of_any: Final = puts_of_any
        self._on_chunk: Final = on_chunk
        self._on_oddity: Final = on_oddity
        self._transport: asyncio.Transport | None = None
        self._buffer: Final = memoryview(bytearray(READ_SIZE))
        self._writable: Final = asyncio.Event()
        self._writable.set()
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._awaited: Final = AwaitedReplies()
        self.opened: Final[asyncio.Future[Connected]] = self._loop.create_future()
        """Done when the handshake is; fails with a ``ConnectError``."""
        self.lost: Final[asyncio.Future[ClientError]] = self._loop.create_future()
        """Done when the connection is over; its result is the reason."""

    @property
    def is_waiting(self) -> bool:
        """Whether a reply is awaited."""
        return bool(self._awaited)

    def start(self, **init: Any) -> None:
        """Send InitConnect; ``init`` are the arguments of ``Connection.initiate``."""
        self._connection.initiate(now_ns(), **init)
        self._flush()

    async def request(self, proto_id: int, message: Message | bytes, body_format: BodyFormat) -> Reply:
        """Send a request and wait for its reply. Raises ``ClientError``, and ``WireError`` without sending."""
        while not self._writable.is_set() and not self.lost.done():
            await self._writable.wait()
        if self.lost.done():
            raise ConnectionLostError(_reason(self.lost.result()))
        serial = self._connection.request(proto_id, message, now_ns(), body_format=body_format)
        future = self._awaited.expect(proto_id, serial)
        self._flush()
        self._on_chunk()
        try:
            return await future
        finally:
            self._awaited.forget(proto_id, serial)

    def pause(self, paused: bool) -> None:
        """Stop reading from the socket, or go on; while stopped, the gateway's send buffer fills."""
        if self._transport is None or paused == self._paused or self._transport.is_closing():
            return
        self._paused = paused
        if paused:
            self._transport.pause_reading()
        else:
            self._reset_silence()
            self._transport.resume_reading()

    def close(self) -> None:
        """Close the socket; requests that wait fail."""
        self._end(ConnectionLostError("the client was closed"))

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        self._transport = cast("asyncio.Transport", transport)  # what create_connection makes for TCP

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return the buffer for the next bytes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Decode bytes from the socket."""
        if self.lost.done():
            return
        data = bytes(self._buffer[:nbytes])
        puts_of, puts_of_any = self._puts.get, self._puts_of_any
        try:
            for event in self._connection.receive_data(data, now_ns()):
                if type(event) is PushReceived:
                    frame = event.frame
                    for put in puts_of(frame.proto_id, puts_of_any):
                        put(frame)
                else:
                    self._react(event)
        except WireError as error:
            self._on_chunk()  # what came before is good
            self._end(ConnectionLostError(str(error)), error)
            return
        self._flush()
        self._on_chunk()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection: the socket is closed."""
        if self.lost.done():
            return
        reason = "closed by the gateway" if exc is None else str(exc) or type(exc).__name__
        try:
            self._connection.close()
        except WireError as error:
            reason = f"{reason}: {error}"
        self._end(ConnectionLostError(reason), exc)

    def pause_writing(self) -> None:
        """Hold requests back, since the gateway does not read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Send requests again."""
        self._writable.set()

    # Events of the connection

    def _react(self, event: Event) -> None:
        if isinstance(event, ReplyReceived):
            self._awaited.resolve(event.request, Reply(event.frame, event.latency))
        elif isinstance(event, Connected):
            if not self.opened.done():
                self.opened.set_result(event)
        elif isinstance(event, Refused):
            self._end(RefusedError(*self._address, event.ret_type, event.ret_msg))
        elif isinstance(event, RequestTimedOut):
            self._time_out(event.request)
        elif isinstance(event, FrameDamaged):
            self._damaged(event)
        elif isinstance(event, PeerSilent):
            seconds = (now_ns() - event.since) / SECOND
            self._end(ConnectionLostError(f"the gateway was silent for {seconds:.0f} s"))
        elif isinstance(event, UnmatchedReply) and event.frame.proto_id != KEEP_ALIVE:
            # Replies to KeepAlive are late whenever reading was stopped for long.
            self._on_oddity(event)

    def _time_out(self, request: SentRequest) -> None:
        if not self.opened.done():
            self._end(ConnectionLostError(f"no answer to InitConnect within {self._timeout:g} s"))
            return
        self._awaited.fail(request, RequestTimeoutError(self._name(request), self._timeout))

    def _damaged(self, event: FrameDamaged) -> None:
        error = event.frame.error
        if not self.opened.done():
            reason = "" if error is None else error_text(error, event.frame)
            self._end(ConnectionLostError(f"the answer to InitConnect cannot be read: {reason}"), error)
            return
        request = event.request
        if request is not None:
            failure = ReplyDamagedError(self._name(request), request.serial, str(error))
            failure.__cause__ = error
            if self._awaited.fail(request, failure):
                return
        self._on_oddity(event)

    def _name(self, request: SentRequest) -> str:
        protocol = self._connection.registry.get(request.proto_id)
        return protocol.name if protocol else str(request.proto_id)

    def _flush(self) -> None:
        data = self._connection.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
        self._schedule()

    # Time

    def _schedule(self) -> None:
        due = self._connection.next_timer()
        if due is None or self.lost.done():
            return
        when = self._loop.time() + max(due - now_ns(), 0) / SECOND
        if self._timer is not None:
            # Waking up once for nothing costs less than moving the timer with every chunk.
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._wake)

    def _wake(self) -> None:
        self._timer = None
        if self.lost.done():
            return
        if self._paused:
            self._reset_silence()
        try:
            for event in self._connection.handle_timer(now_ns()):
                self._react(event)
        except WireError as error:
            self._end(ConnectionLostError(str(error)), error)
            return
        self._flush()

    def _reset_silence(self) -> None:
        """Restart the measurement of the gateway's silence: while reading is stopped, nothing can come."""
        if not self.lost.done():
            for event in self._connection.receive_data(b"", now_ns()):
                self._react(event)

    def _end(self, error: ClientError, cause: BaseException | None = None) -> None:
        if self.lost.done():
            return
        error.__cause__ = cause
        self.lost.set_result(error)
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            # Not close, which would wait for the gateway to read what is unsent.
            self._transport.abort()
        if not self.opened.done():
            if not isinstance(error, ConnectError):
                reason = f"{_reason(error)} (in the handshake)" if cause is None else _reason(error)
                error = HandshakeError(*self._address, reason, has_key=self._has_key)
                error.__cause__ = cause
            self.opened.set_exception(error)
            self.opened.exception()  # so that asyncio does not report an error that is not awaited
        self._awaited.fail_all(_reason(error), cause)
        self._writable.set()


def _reason(error: ClientError) -> str:
    return error.reason if isinstance(error, ConnectionLostError) else str(error)
