"""WebSocket: a client's socket and its session."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from websockets.exceptions import ConnectionClosed

from ftwire.connection import INIT_CONNECT, State
from ftwire.errors import WireError
from ftwire.header import BodyFormat
from ftwire.websocket import INIT
from ftwire.websocket_connection import WebSocketConnection
from ftwire_tools.gateway.session import ClientSession

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from websockets.asyncio.server import ServerConnection

    from ftwire.websocket import Envelope
    from ftwire_tools.gateway.push import Push
    from ftwire_tools.gateway.session_context import SessionContext

__all__ = ["WebSocketSession", "WebSocketTransport"]

HIGH_WATER: Final = 256 * 1024
"""Bytes in the queue above which ``drained`` waits."""


class WebSocketTransport:
    """A client's WebSocket, with a queue of the messages that it has not taken yet."""

    is_stream = False

    def __init__(self, socket: ServerConnection) -> None:
        self._socket: Final = socket
        self._messages: Final[deque[bytes]] = deque()
        self._size = 0
        self._some: Final = asyncio.Event()
        self._room: Final = asyncio.Event()
        self._room.set()
        self._closing = False

    def write(self, data: bytes) -> None:
        """Send one message."""
        self._messages.append(data)
        self._size += len(data)
        self._some.set()
        if self._size > HIGH_WATER:
            self._room.clear()

    def unsent(self) -> int:
        """Return the bytes that wait for the client to read."""
        return self._size

    def stop_reading(self) -> None:
        """Do nothing: the server reads one message at a time and waits for ``drained`` after each."""

    def close(self) -> None:
        """Send what is left, then close."""
        self._closing = True
        self._some.set()

    def abort(self) -> None:
        """Close at once."""
        self._messages.clear()
        self._socket.transport.abort()
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
            self._room.set()


class WebSocketSession(ClientSession):
    """The session of one client on WebSocket."""

    def __init__(self, number: int, peer: str, transport: WebSocketTransport, context: SessionContext) -> None:
        super().__init__(number, peer, transport, context)
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

    def receive(self, message: str | bytes) -> None:
        """Decode a message from the client and answer it."""
        try:
            if isinstance(message, str):
                message = message.encode()
            request = self._connection.receive_message(message)
            self._note_request(request)
            if request.proto_id == INIT:
                self._handshake(request)
            else:
                self._responder.handle(request)
        except WireError as error:
            self.cut_off(str(error))

    def _handshake(self, request: Envelope) -> None:
        if self._connection.state is not State.NEW:
            self._connection.refuse(request, "connected already")
            self.flush()
            return
        if not self._connection.knows_key(request):
            self._log("wrong-key", client=self.number)
            self._connection.refuse(request, "wrong key")
            self.flush()
            return
        if self._refuses(INIT_CONNECT):
            self._connection.refuse(request, "refused")
            for data in self._take():
                self._transport.write(data)
            self.end("refused, as a fault")
            return
        self.conn_id = self._context.credentials(self.number).conn_id
        self._connection.accept(request, conn_id=self.conn_id, server_time=int(time.time()))
        if self._faults is None:
            self.flush()
        else:
            self._send_with_faults(INIT, is_push=False)
        asked: Any = request.message
        self._opened(notify=True, language=asked.c2s.programmingLanguage, encryption="none")
