"""A client's socket for WebSocket: TLS, the upgrade, messages."""

from __future__ import annotations

import asyncio
import ssl
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode, Frame, Opcode

from ftwire_tools.gateway.settings import prepare
from ftwire_tools.gateway.transport import address_of

if TYPE_CHECKING:
    from websockets.asyncio.server import Server
    from websockets.protocol import Event
    from websockets.server import ServerProtocol

    from ftwire_tools.gateway.settings import Settings
    from ftwire_tools.gateway.tapped import TappedTransport, Tapping
    from ftwire_tools.gateway.websocket import WebSocketSession

__all__ = ["ClientSocket"]

DATA: Final = (Opcode.CONT, Opcode.TEXT, Opcode.BINARY)
"""Frames that messages are made of."""
PIECE: Final = 4096
"""Bytes decoded at a time: compressed, they can be a thousand times as many."""


class ClientSocket(ServerConnection):
    """A client's connection to the port for WebSocket: TLS where there is a certificate, the upgrade, then messages.

    ``begin`` returns the session, ``end`` is called with it when all is closed. ``tapping`` reports the bytes of both
    sides, as they are inside TLS.

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
        tapping: Tapping | None = None,
        **options: Any,
    ) -> None:
        super().__init__(protocol, server, **options)
        self.awaited = "upgrade to WebSocket" if settings.tls is None else "TLS handshake"
        """What the client has to do next to log in."""
        self._settings: Final = settings
        self._begin: Final = begin
        self._end: Final = end
        self._tapping: Final = tapping
        self._tapped: TappedTransport | None = None
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
        if self._tapped is not None:
            self._tapped.received(data)
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
        if self._tapped is not None:
            self._tapped.lost(exc)
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
        self._tapped = self._tapping.tapped(transport) if self._tapping is not None else None
        super().connection_made(transport if self._tapped is None else cast("asyncio.Transport", self._tapped))

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
