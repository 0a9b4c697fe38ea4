"""WebSocket: a client's socket, from TLS and the upgrade on, and its session."""

from __future__ import annotations

import asyncio
import ssl
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode, Frame, Opcode

from ftwire.connection import INIT_CONNECT, State
from ftwire.errors import WireError
from ftwire.header import BodyFormat
from ftwire.protocols import registry
from ftwire.websocket import INIT, Envelope
from ftwire.websocket_connection import WebSocketConnection
from ftwire_tools.gateway.answer_source import RET_FAILED, failure
from ftwire_tools.gateway.session import ClientSession
from ftwire_tools.gateway.settings import prepare
from ftwire_tools.gateway.transport import address_of

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from websockets.asyncio.server import Server
    from websockets.protocol import Event
    from websockets.server import ServerProtocol

    from ftwire.diagnosis import Finding
    from ftwire.frame import BaseFrame
    from ftwire_tools.gateway.push import Push
    from ftwire_tools.gateway.session_context import SessionContext
    from ftwire_tools.gateway.settings import Settings

__all__ = ["ClientSocket", "WebSocketSession", "WebSocketTransport"]

DATA: Final = (Opcode.CONT, Opcode.TEXT, Opcode.BINARY)
"""Frames that messages are made of."""
PIECE: Final = 4096
"""Bytes decoded at a time: compressed, they can be a thousand times as many."""
HIGH_WATER: Final = 256 * 1024
"""Bytes in the queue above which ``drained`` waits."""


class WebSocketTransport:
    """A client's WebSocket, with a queue of the messages that it has not taken yet."""

    is_stream = False

    def __init__(self, socket: ClientSocket) -> None:
        self._socket: Final = socket
        self._messages: Final[deque[bytes]] = deque()
        self._size = 0
        self._some: Final = asyncio.Event()
        self._room: Final = asyncio.Event()
        self._room.set()
        self._closing = False
        self._taken_at = time.monotonic_ns()

    def write(self, data: bytes) -> None:
        """Send one message."""
        if not self._messages:
            self._taken_at = time.monotonic_ns()
        self._messages.append(data)
        self._size += len(data)
        self._some.set()
        if self._size > HIGH_WATER:
            self._room.clear()

    def unsent(self) -> int:
        """Return the bytes that wait for the client to read."""
        return self._size

    @property
    def is_stuck(self) -> bool:
        """Whether the queue is full."""
        return not self._room.is_set()

    def is_stuck_since(self, earlier: int) -> bool:
        """Return whether the queue is full and the client has taken no message since a monotonic time."""
        return self.is_stuck and self._taken_at < earlier

    def stop_reading(self) -> None:
        """Do nothing: the server reads one message at a time and waits for ``drained`` after each."""

    def close(self) -> None:
        """Send what is left, then close."""
        self._closing = True
        self._some.set()

    def abort(self) -> None:
        """Close at once."""
        self._messages.clear()
        self._socket.abort()
        self.close()

    async def drained(self) -> None:
        """Wait until the queue has room."""
        await self._room.wait()

    async def run(self) -> None:
        """Send the queue until the socket is closed."""
        try:
            while True:
                while self._messages:
                    message = self._messages.popleft()
                    await self._socket.send(message)
                    self._taken_at = time.monotonic_ns()
                    self._size -= len(message)
                    if self._size <= HIGH_WATER:
                        self._room.set()
                if self._closing:
                    await self._socket.close()
                    return
                self._some.clear()
                await self._some.wait()
        except ConnectionClosed:
            return
        finally:
            self._messages.clear()
            self._room.set()


class WebSocketSession(ClientSession):
    """The session of one client on WebSocket."""

    def __init__(self, number: int, peer: str, socket: ClientSocket, context: SessionContext) -> None:
        self.transport: Final = WebSocketTransport(socket)
        super().__init__(number, peer, self.transport, context)
        self._socket: Final = socket
        self._connection: Final = WebSocketConnection(
            key=context.settings.ws_key, max_body=context.settings.max_request
        )

    @property
    def _push_format(self) -> BodyFormat:
        return BodyFormat.PROTOBUF

    def _send_reply(self, request: Any, body: Message | bytes) -> None:
        self._connection.reply(request, body)

    def _send_push(self, push: Push) -> None:
        self._connection.push_encoded(push.envelope)

    def _send_spoiled(self, proto_id: int, body: bytes) -> None:
        self._connection.push(proto_id, body)

    def _take(self) -> list[bytes]:
        return self._connection.messages_to_send()

    def _pending(self) -> int:
        return self._socket.pending

    def _release(self) -> None:
        self._connection.close()
        self._socket.drop()

    def _not_logged_in(self) -> str:
        return f"no {self._socket.awaited}"

    def received(self, *, whole: bool, more: bool) -> None:
        """Take note of bytes from the client: see ``_note_received``."""
        if not self.is_over:
            self._note_received(whole=whole, more=more)

    def tick(self, now: int) -> None:
        """Cut the client off if it has taken too long for something; ``now`` is monotonic, in nanoseconds."""
        super().tick(now)
        if not self.is_over and self.transport.is_stuck_since(now - self._settings.silence_ns):
            self.cut_off(f"slow reader for {self._settings.silence:g} s")

    def receive(self, message: bytes) -> None:
        """Decode a message from the client and answer it."""
        if self.is_over:
            return
        try:
            request = self._connection.receive_message(message)
            if self._loses(request):
                return
            self._note_request(request)
            if request.proto_id == INIT:
                self._handshake(request)
            else:
                self._responder.handle(self, request)
        except WireError as error:
            self.cut_off(self._diagnose(lambda: self._mistakes.in_message(message)) or str(error))

    def _find_in(self, request: BaseFrame) -> Finding | None:
        return self._mistakes.in_message(request.encode()) if isinstance(request, Envelope) else None

    def _handshake(self, request: Envelope) -> None:
        if self._connection.state is not State.NEW:
            self._connection.refuse(request, "connected already")
            self._note_answer(request, None, failure="connected already")
            self.flush()
            return
        if not self._connection.knows_key(request):
            self._log("wrong-key", client=self.number)
            self._connection.refuse(request, "wrong key")
            self._note_answer(request, None, failure="wrong key")
            self.flush()
            return
        if self._context.is_full():
            self._connection.refuse(request, "too many clients")
            self._note_answer(request, None, failure="too many clients")
            self.refuses_when_full()
            return
        rule = self._refused_by(INIT_CONNECT)
        if rule is not None:
            if rule.ret_msg or rule.err_code or rule.ret_type != RET_FAILED:
                refusal = failure(registry[INIT], rule.ret_msg, rule.ret_type, rule.err_code)
                self._connection.reply(request, refusal)
                self._note_answer(request, refusal)
            else:
                self._connection.refuse(request, "refused")
                self._note_answer(request, None, failure="refused")
            self.flush()
            self.end("refused, as a fault")
            return
        self.conn_id = self._context.credentials(self.number).conn_id
        self._connection.accept(request, conn_id=self.conn_id, server_time=int(time.time()))
        if self._faults is not None:
            self._send_with_faults(INIT, is_push=False)
        self.flush()
        self._note_answer(request, None)
        asked: Any = request.message
        self._opened(notify=True, language=asked.c2s.programmingLanguage, encryption="none")


class ClientSocket(ServerConnection):
    """A client's connection to the port for WebSocket: TLS where there is a certificate, the upgrade, then messages.

    ``begin`` returns the session, ``end`` is called with it when all is closed.

    Two things are done here that ``websockets`` would do, so that the limits of any client hold. TLS is agreed on here,
    since the session begins with the connection and not after TLS. Messages are joined here, since a ``recv`` that has
    failed keeps the frames that it had until the garbage collector comes.
    """

    def __init__(
        self,
        protocol: ServerProtocol,
        server: Server,
        *,
        settings: Settings,
        begin: Callable[[ClientSocket, str], WebSocketSession],
        end: Callable[[WebSocketSession], None],
        **options: Any,
    ) -> None:
        super().__init__(protocol, server, **options)
        self.awaited = "upgrade to WebSocket" if settings.tls is None else "TLS handshake"
        """What the client has to do next to log in."""
        self._settings: Final = settings
        self._begin: Final = begin
        self._end: Final = end
        self._session: WebSocketSession | None = None
        self._is_made = False
        self._early: list[bytes] = []
        self._securing: asyncio.Task[None] | None = None
        self._fragments: Final[list[bytes]] = []
        self._messages: Final[deque[bytes]] = deque()
        self._queued = 0  # bytes of both
        self._last = 0  # bytes of the last frame
        self._some: Final = asyncio.Event()

    @property
    def pending(self) -> int:
        """Bytes that wait here: of a frame or an HTTP request that is not whole, and of messages.

        The last frame, which the parser of ``websockets`` keeps until the next, is one of them.
        """
        return len(self.protocol.reader.buffer) + self._queued + self._last

    @staticmethod
    async def serve_client(socket: ServerConnection) -> None:
        """Answer the messages of a client that has been upgraded: the handler for ``websockets``."""
        await cast("ClientSocket", socket)._serve()

    async def _serve(self) -> None:
        session = self._session
        if session is None or session.refuses_when_full():
            return
        self.awaited = "InitWebSocket"
        transport = session.transport
        sender = asyncio.get_running_loop().create_task(transport.run())
        try:
            while True:
                while self._messages:
                    message = self._messages.popleft()
                    self._queued -= len(message)
                    session.receive(message)
                    await transport.drained()
                if session.is_over:
                    return
                self.transport.resume_reading()
                self._some.clear()
                await self._some.wait()
        finally:
            session.over()
            transport.close()
            with suppress(ConnectionClosed, asyncio.CancelledError):
                await sender

    # asyncio.Protocol, and a method of websockets

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a session."""
        self.transport = cast("asyncio.Transport", transport)
        prepare(transport.get_extra_info("socket"), self._settings)
        self._session = self._begin(self, address_of(transport.get_extra_info("peername")))
        if self._settings.tls is None:
            self._make(self.transport)
        else:
            self._securing = asyncio.get_running_loop().create_task(self._secure())

    def data_received(self, data: bytes) -> None:
        """Take bytes of the upgrade or of messages."""
        if not self._is_made:
            self._early.append(data)
            return
        for at in range(0, len(data), PIECE):
            if self.transport.is_closing():
                return
            count = len(self._messages)
            super().data_received(data[at : at + PIECE])
            if self._session is not None:
                more = bool(self.protocol.reader.buffer) or bool(self._fragments)
                self._session.received(whole=len(self._messages) > count, more=more)

    def process_event(self, event: Event) -> None:
        """Take a frame, or the request for the upgrade, which comes first."""
        if not isinstance(event, Frame) or event.opcode not in DATA:
            super().process_event(event)
        elif self._session is not None and not self._session.is_over:
            self._last = len(event.data)
            self._queued += self._last
            self._fragments.append(bytes(event.data))
            if event.fin:
                self._messages.append(b"".join(self._fragments))
                self._fragments.clear()
                self._some.set()
                self.transport.pause_reading()

    def abort(self) -> None:
        """Close at once, and let go of the last frame, which the parser keeps."""
        if not self.transport.is_closing():
            self.protocol.fail(CloseCode.POLICY_VIOLATION)
        self._last = 0
        self.transport.abort()

    def drop(self) -> None:
        """Drop what has been received."""
        self._fragments.clear()
        self._messages.clear()
        self._queued = 0
        self.protocol.reader.buffer.clear()
        self._some.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the session."""
        if self._is_made:
            super().connection_lost(exc)
        self._lose()

    # TLS

    async def _secure(self) -> None:
        """Agree on TLS, then go on as without it."""
        tls = self._settings.tls
        try:
            secured = await asyncio.get_running_loop().start_tls(
                self.transport, self, cast("ssl.SSLContext", tls), server_side=True
            )
        except OSError as error:
            if self._session is not None and not self._session.is_over:
                self._session.cut_off(f"no TLS: {error.strerror or error}")
            self._lose()
            return
        finally:
            self._securing = None
        if secured is None or secured.is_closing():  # the client has gone in the middle of it
            self._lose()
            return
        self.awaited = "upgrade to WebSocket"
        self._make(secured)
        for data in self._early:
            self.data_received(data)
        self._early.clear()

    def _make(self, transport: asyncio.Transport) -> None:
        self._is_made = True
        super().connection_made(transport)

    def _lose(self) -> None:
        if self._session is not None:
            self._session.over()
            self._end(self._session)
            self._session = None
        # Parser and protocol hold each other, and the last frame: they would wait for the garbage collector, as would
        # the parser's error, which holds the parser.
        self.protocol.parser.close()
        if self.protocol.parser_exc is not None:
            traceback.clear_frames(self.protocol.parser_exc.__traceback__)
        self.drop()
