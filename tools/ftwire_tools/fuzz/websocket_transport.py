"""Envelopes on WebSocket.

What is received is read by the library ``websockets``, which also makes the upgrade and answers pings; what is sent is
written by ``websocket_frames``. No extension is agreed on: nothing is compressed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Final

from websockets.client import ClientProtocol
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import WebSocketURI

from ftwire.errors import EnvelopeError
from ftwire.frame import Role
from ftwire.websocket import INIT, Envelope, websocket_key_digest
from ftwire_tools.fuzz.bodies import message_class_of, stamp_packet_id
from ftwire_tools.fuzz.mutations import BROKEN_WEBSOCKET
from ftwire_tools.fuzz.steps import FuzzStep
from ftwire_tools.fuzz.transport import MAX_BODY, CloseReceived, PongReceived, Rendered, UpgradeReceived
from ftwire_tools.fuzz.valid_messages import init_websocket
from ftwire_tools.fuzz.websocket_frames import (
    BETWEEN,
    CONTROLS,
    asked_in,
    control_frame,
    frames_of,
    is_legal_close,
    messages_of,
)

__all__ = ["EnvelopeTransport"]

_QUIET: Final = logging.Logger("ftwire.fuzz")
_QUIET.addHandler(logging.NullHandler())


class EnvelopeTransport:
    """Envelopes on one WebSocket connection. ``key`` is the one that the gateway's clients have."""

    init = INIT
    init_name = "InitWebSocket"
    first_serial = 2
    has_keep_alive = False
    is_encrypted = False

    def __init__(self, role: Role, address: tuple[str, int], key: str = "") -> None:
        self.role: Final = role
        self.is_ready = self.sent_close = False
        self.refused = ""
        self._key: Final = key
        self._protocol: Final = (
            ClientProtocol(WebSocketURI(False, *address, "/", ""), max_size=MAX_BODY[role], logger=_QUIET)
            if role is Role.CLIENT
            else ServerProtocol(max_size=MAX_BODY[role], logger=_QUIET)
        )
        self._parts: list[bytes] = []
        self._is_text = False

    def opening(self) -> bytes:
        """See ``FrameTransport``: the request to upgrade."""
        if isinstance(self._protocol, ClientProtocol):
            self._protocol.send_request(self._protocol.connect())
        return self.outgoing()

    def init_message(self) -> Any:
        """See ``FrameTransport``: without the key's digest."""
        return init_websocket()

    def stamp(self, step: FuzzStep, body: bytes, conn_id: int, serial: int) -> bytes:
        """See ``FrameTransport``: the digest of the key, or the connection's ID and the section."""
        if step.proto != self.init:
            return stamp_packet_id(step.proto, body, conn_id, serial & 0xFFFF_FFFF)
        message = message_class_of(self.init, of_gateway=False).FromString(body)
        if self._key and not message.c2s.websocketKey:
            message.c2s.websocketKey = websocket_key_digest(self._key)
        return bytes(message.SerializePartialToString())

    def render(self, step: FuzzStep, body: bytes = b"", serial: int = 0) -> Rendered:
        """See ``FrameTransport``."""
        content = bytes.fromhex(step.data)
        if step.do in {"raw", "upgrade"}:
            return Rendered(content, None)
        if step.do in CONTROLS:
            self.sent_close = self.sent_close or step.do == "bye"
            pings = (content,) if step.do == "ping" else ()
            ends = step.do == "bye" and is_legal_close(content)
            return Rendered(control_frame(step.do, content, self.role), (), pings, ends)
        messages = messages_of(step, body, serial, self.role)
        data = frames_of(step, messages, self.role)
        is_broken = any(mutation.name in BROKEN_WEBSOCKET for mutation in step.mutations)
        pings = (BETWEEN,) if step.ping and step.fragments > 1 else ()
        return Rendered(data, None if is_broken else asked_in(step, messages, serial), pings)

    def feed(self, data: bytes) -> Iterator[Any]:
        """See ``FrameTransport``. What is no WebSocket is an ``EnvelopeError``, too."""
        protocol = self._protocol
        if protocol.state is State.CLOSED:
            return
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, WebSocketFrame):
                yield from self._take(event)
            elif isinstance(event, Request) and isinstance(protocol, ServerProtocol):
                protocol.send_response(protocol.accept(event))
                self.is_ready = protocol.handshake_exc is None
                yield UpgradeReceived()
            elif isinstance(event, Response):
                self.is_ready = protocol.handshake_exc is None
        failure = protocol.handshake_exc
        if failure is not None:
            self.refused = str(failure)
        elif not isinstance(protocol.parser_exc, EOFError):
            failure = protocol.parser_exc
        if failure is not None:
            raise EnvelopeError(reason=f"no WebSocket: {failure}", data=b"")

    def _take(self, frame: WebSocketFrame) -> Iterator[Any]:
        if frame.opcode is Opcode.PONG:
            yield PongReceived(bytes(frame.data))
        elif frame.opcode is Opcode.CLOSE:
            yield CloseReceived()
        elif frame.opcode is not Opcode.PING:
            if frame.opcode is not Opcode.CONT:
                self._parts, self._is_text = [], frame.opcode is Opcode.TEXT
            self._parts.append(bytes(frame.data))
            if frame.fin:
                message, self._parts = b"".join(self._parts), []
                if self._is_text:
                    raise EnvelopeError(reason="an envelope is a binary message, here is text", data=message)
                yield Envelope.decode(message, sender=self.role.peer, max_body=MAX_BODY[self.role])

    def outgoing(self) -> bytes:
        """See ``FrameTransport``. Nothing comes after a close frame."""
        data = b"".join(self._protocol.data_to_send())
        return b"" if self.sent_close else data

    def agree(self, request: Any, response: Any) -> None:
        """See ``FrameTransport``: nothing is encrypted."""
