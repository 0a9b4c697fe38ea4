"""The gateway's side of a WebSocket connection, without a socket: messages in, requests and messages out.

::

    connection = WebSocketConnection(key="the shared key")
    request = connection.receive_message(received)      # accept, refuse or reply
    for message in connection.messages_to_send():
        send(message)

It has the methods of ``Connection`` in the server's role. A WebSocket library does the rest: handshake, frames,
compression, ping. There is no timer here: the vendor's JavaScript client sends no KeepAlive, so that silence means
nothing; WebSocket's own ping shows whether it is still there.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, Final

from ftwire._renamed import renamed_keyword
from ftwire.body import encode_body
from ftwire.connection import State
from ftwire.errors import BodyError, LocalProtocolError, RemoteProtocolError, WireError
from ftwire.frame import MessageClasses, Role
from ftwire.header import SERVER_ENVELOPE_STRUCT, BodyFormat
from ftwire.protocols import Registry, registry
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire.websocket import (
    ENVELOPE_MAGIC,
    INIT,
    Envelope,
    EnvelopeStatus,
    open_envelope,
    websocket_key_digest,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["WebSocketConnection"]

_NO_TEXT: Final = bytes(20)


class WebSocketConnection:
    """One client on WebSocket, as the gateway sees it.

    ``key`` is the key that clients must send, empty for none. ``max_body`` is in bytes.
    """

    @renamed_keyword("known", "registry")
    def __init__(self, *, key: str = "", registry: Registry = registry, max_body: int = DEFAULT_MAX_BODY) -> None:
        self.state = State.NEW
        """``NEW``, ``OPEN`` after ``accept``, ``CLOSED`` after an error."""
        self.conn_id = 0
        """``connID`` of the handshake."""
        self._digest: Final = websocket_key_digest(key)
        self._registry: Final = registry
        self._classes: Final = MessageClasses(Role.CLIENT, registry)
        self._max_body: Final = max_body
        self._out: list[bytes] = []

    def messages_to_send(self) -> list[bytes]:
        """Return the binary messages to send, once."""
        messages, self._out = self._out, []
        return messages

    def receive_message(self, data: bytes) -> Envelope:
        """Take one binary message and return it as a request.

        Raises ``EnvelopeError`` for one that is no envelope, and ``RemoteProtocolError`` for a first one that is
        not ``InitWebSocket``: the connection is over then.
        """
        if self.state is State.CLOSED:
            raise LocalProtocolError("the connection is closed")
        try:
            envelope = open_envelope(data, self._classes, self._max_body)
            if self.state is State.NEW and envelope.command != INIT:
                raise RemoteProtocolError(
                    f"the first request is command {envelope.command}, it must be InitWebSocket ({INIT})"
                )
        except WireError:
            self.state = State.CLOSED
            raise
        return envelope

    def knows_key(self, request: Envelope) -> bool:
        """Return whether an ``InitWebSocket`` carries the right ``websocketKey``; without a key, any is right.

        Raises ``RemoteProtocolError`` for a body that cannot be read, and ``LocalProtocolError`` for another request.
        """
        if request.command != INIT:
            raise LocalProtocolError("the key is in InitWebSocket, the first request")
        try:
            asked: Any = request.message
        except WireError as error:
            # It holds the key, which the reason may quote.
            text = error.unquoted if isinstance(error, BodyError) else str(error)
            raise RemoteProtocolError(f"the handshake cannot be read: {text}") from error
        offered = asked.c2s.websocketKey
        return not self._digest or hmac.compare_digest(offered.encode(), self._digest.encode())

    def accept(self, request: Envelope, *, conn_id: int, server_time: int) -> None:
        """Answer ``InitWebSocket`` with success. ``server_time`` is in seconds since 1970."""
        if self.state is not State.NEW or request.command != INIT:
            raise LocalProtocolError("accept answers the InitWebSocket that opens a connection")
        response: Any = self._registry[INIT].response()
        response.retType = 0
        response.s2c.serverTime = server_time
        response.s2c.connID = conn_id
        self.reply(request, response)
        self.conn_id = conn_id
        self.state = State.OPEN

    def refuse(self, request: Envelope, text: str, *, error_code: int = EnvelopeStatus.TIMEOUT) -> None:
        """Answer with an error in the envelope and no body. ``text`` has at most 20 bytes."""
        envelope = Envelope.build(
            request.command, request.section, b"", sender=Role.SERVER, error_code=error_code, error_text=text
        )
        self._out.append(envelope.encode())

    def reply(self, request: Envelope, message: Message | bytes) -> None:
        """Answer a request, with its command and section."""
        self._send(request.command, request.section, message)

    def push(self, protocol: int | str, message: Message | bytes) -> None:
        """Send a push. Raises ``LocalProtocolError`` before the handshake and for a protocol that is no push."""
        entry = self._registry[protocol]
        if not entry.is_push:
            raise LocalProtocolError(f"{entry.name} is not a push")
        if self.state is not State.OPEN:
            raise LocalProtocolError(f"no push while the connection is {self.state.value}")
        self._send(entry.proto_id, 0, message)

    def push_encoded(self, envelope: bytes) -> None:
        """Send a push that is an envelope already, so that many clients share one encoding."""
        if self.state is not State.OPEN:
            raise LocalProtocolError(f"no push while the connection is {self.state.value}")
        self._out.append(envelope)

    def close(self) -> None:
        """Take note that the connection is over, and drop what is to be sent."""
        self.state = State.CLOSED
        self._out = []

    def _send(self, command: int, section: int, message: Message | bytes) -> None:
        if self.state is State.CLOSED:
            raise LocalProtocolError("the connection is closed")
        body = message if isinstance(message, bytes) else encode_body(message, BodyFormat.PROTOBUF)
        head = SERVER_ENVELOPE_STRUCT.pack(ENVELOPE_MAGIC, command, section, EnvelopeStatus.OK, _NO_TEXT)
        self._out.append(head + body)
