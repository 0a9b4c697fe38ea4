"""A client on WebSocket."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from websockets.exceptions import ConnectionClosed

from ftwire.connection import State
from ftwire.errors import WireError
from ftwire.header import BodyFormat
from ftwire.websocket import INIT
from ftwire.websocket_connection import WebSocketConnection
from ftwire_tools.gateway.session import Session

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from websockets.asyncio.server import ServerConnection

    from ftwire.websocket import Envelope
    from ftwire_tools.gateway.push import Push
    from ftwire_tools.gateway.server import Gateway

__all__ = ["WebSocketLink", "WebSocketSession"]

HIGH_WATER: Final = 256 * 1024
"""Bytes that wait for a client before it is given more only when it reads."""


class WebSocketLink:
    """A client's WebSocket: messages wait here until it has taken those before."""

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
        """Bytes that wait until the client reads."""
        return self._size

    def stop_reading(self) -> None:
        """Do nothing: messages are taken one at a time, each after ``drained``."""

    def close(self) -> None:
        """Send what there is, then close."""
        self._closing = True
        self._some.set()

    def abort(self) -> None:
        """Close at once."""
        self._messages.clear()
        self._socket.transport.abort()
        self.close()

    async def drained(self) -> None:
        """Wait until there is room for more."""
        await self._room.wait()

    async def run(self) -> None:
        """Send until closed."""
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


class WebSocketSession(Session):
    """One client on WebSocket."""

    def __init__(self, number: int, peer: str, link: WebSocketLink, gateway: Gateway) -> None:
        super().__init__(number, peer, link, gateway.world, gateway.settings, gateway.log)
        self._gateway: Final = gateway
        self._connection: Final = WebSocketConnection(
            key=gateway.settings.ws_key, max_body=gateway.settings.max_request
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
        """Take a message from the client, and answer what it asks."""
        try:
            if isinstance(message, str):
                message = message.encode()
            request = self._connection.receive_message(message)
            if request.proto_id == INIT:
                self._init(request)
            else:
                self.handle(request)
        except WireError as error:
            self.cut_off(str(error))

    def _init(self, request: Envelope) -> None:
        if self._connection.state is not State.NEW:
            self._connection.refuse(request, "connected already")
            self.flush()
            return
        if not self._connection.knows_key(request):
            self._log("wrong-key", client=self.number)
            self._connection.refuse(request, "wrong key")
            self.flush()
            return
        if self._refuses():
            self._connection.refuse(request, "refused")
            for data in self._take():
                self._link.write(data)
            self.end("refused, as a fault")
            return
        self.conn_id = self._gateway.new_conn_id()
        self._connection.accept(request, conn_id=self.conn_id, server_time=int(time.time()))
        if self._faults is None:
            self.flush()
        else:
            self._send_with_faults(INIT, is_push=False)
        asked: Any = request.message
        self._opened(notify=True, language=asked.c2s.programmingLanguage, encryption="none")
