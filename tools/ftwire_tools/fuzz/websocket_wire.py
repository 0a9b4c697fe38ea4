"""Envelopes on WebSocket. Copied into saved tests, see ``steps``.

What comes is read by the library ``websockets``, which makes the handshake, too, and answers pings; what is sent is
written by ``websocket_frames``. No extension is agreed on: nothing is compressed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Final

from websockets.client import ClientProtocol
from websockets.exceptions import WebSocketException
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import WebSocketURI

from ftwire.errors import EnvelopeError
from ftwire.frame import Role
from ftwire.websocket import Envelope, websocket_key_digest
from ftwire_tools.fuzz.bodies import message_class_of, stamp_packet_id
from ftwire_tools.fuzz.envelopes import asked_in, render_messages
from ftwire_tools.fuzz.steps import Step
from ftwire_tools.fuzz.valid_messages import hello_websocket
from ftwire_tools.fuzz.websocket_frames import (
    BETWEEN,
    BROKEN,
    CLOSE,
    PING,
    PONG,
    control_frame,
    is_legal_close,
    message_frames,
)
from ftwire_tools.fuzz.wire_format import Farewell, Pong, Rendered, Upgrade, Wire

__all__ = ["EnvelopeWire"]

LARGEST: Final = {Role.CLIENT: 64 << 20, Role.SERVER: 16 << 20}
"""Largest message that is read as one, by whom."""
_QUIET: Final = logging.Logger("ftwire.fuzz")
_QUIET.addHandler(logging.NullHandler())


class EnvelopeWire(Wire):
    """One WebSocket connection, from ``us``. ``key`` is the one that the gateway's clients have."""

    init = 1
    init_name = "InitWebSocket"
    first_serial = 2
    speaks_alone = False

    def __init__(self, us: Role, address: tuple[str, int] = ("127.0.0.1", 33333), key: str = "") -> None:
        self.us: Final = us
        self.peer: Final = Role.SERVER if us is Role.CLIENT else Role.CLIENT
        self.is_ready = False
        self._key: Final = key
        self._masked: Final = us is Role.CLIENT
        uri = WebSocketURI(False, *address, "/", "")
        self._protocol: Final[ClientProtocol | ServerProtocol] = (
            ClientProtocol(uri, max_size=LARGEST[us], logger=_QUIET)
            if us is Role.CLIENT
            else ServerProtocol(max_size=LARGEST[us], logger=_QUIET)
        )
        self._parts: list[bytes] = []
        self._is_text = self._said_goodbye = False

    def opening(self) -> bytes:
        """Return the request to upgrade."""
        protocol = self._protocol
        if isinstance(protocol, ClientProtocol):
            protocol.send_request(protocol.connect())
        return self.outgoing()

    def hello(self) -> Any:
        """See ``Wire``: without the key's digest."""
        return hello_websocket()

    def stamped(self, step: Step, body: bytes, conn_id: int, serial: int) -> bytes:
        """Put in the digest of the key, the connection's ID and the section, where they have a place."""
        if step.proto != self.init:
            return stamp_packet_id(step.proto, body, conn_id, serial & 0xFFFF_FFFF)
        if not self._key:
            return body
        made: Any = message_class_of(self.init, of_gateway=False)
        message = made.FromString(body)
        if not message.c2s.websocketKey:
            message.c2s.websocketKey = websocket_key_digest(self._key)
        return bytes(message.SerializePartialToString())

    def render(self, step: Step, body: bytes, serial: int) -> Rendered:
        """See ``Wire``."""
        of_gateway = self.us is Role.SERVER
        messages = render_messages(
            step, body, serial, message_class_of(step.proto, of_gateway=of_gateway), of_gateway=of_gateway
        )
        data = message_frames(step, messages, masked=self._masked)
        lost = not BROKEN.isdisjoint(step.wrong)
        pings = (BETWEEN,) if step.ping and step.fragments > 1 else ()
        return Rendered(data, None if lost else asked_in(step, messages, serial), pings)

    def raw(self, step: Step) -> Rendered:
        """See ``Wire``."""
        content = bytes.fromhex(step.data)
        if step.do == "ping":
            return Rendered(control_frame(PING, content, masked=self._masked), (), (content,))
        if step.do == "pong":
            return Rendered(control_frame(PONG, content, masked=self._masked), ())
        if step.do == "bye":
            self._said_goodbye = True
            return Rendered(control_frame(CLOSE, content, masked=self._masked), (), ends=is_legal_close(content))
        return Rendered(content, None)

    def feed(self, data: bytes) -> Iterator[Any]:
        """See ``Wire``. A ``WireError`` is an ``EnvelopeError`` also for what is no WebSocket."""
        protocol = self._protocol
        if protocol.state is State.CLOSED:
            return
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, WebSocketFrame):
                yield from self._take(event)
            elif isinstance(event, Request):
                self._accept(event)
                yield Upgrade()
            elif isinstance(event, Response):
                self.is_ready = protocol.handshake_exc is None
        if self._failure is not None:
            raise EnvelopeError(reason=f"no WebSocket: {self._failure}", data=b"")

    @property
    def _failure(self) -> Exception | None:
        protocol = self._protocol
        if protocol.handshake_exc is not None:
            self.refused = str(protocol.handshake_exc)
            return protocol.handshake_exc
        return None if isinstance(protocol.parser_exc, EOFError) else protocol.parser_exc

    def _accept(self, request: Request) -> None:
        protocol = self._protocol
        if isinstance(protocol, ServerProtocol):
            response = protocol.accept(request)
            protocol.send_response(response)
            self.is_ready = protocol.handshake_exc is None

    def _take(self, frame: WebSocketFrame) -> Iterator[Any]:
        if frame.opcode is Opcode.PONG:
            yield Pong(bytes(frame.data))
        elif frame.opcode is Opcode.CLOSE:
            yield Farewell()
        elif frame.opcode is not Opcode.PING:
            if frame.opcode is not Opcode.CONT:
                self._parts, self._is_text = [], frame.opcode is Opcode.TEXT
            self._parts.append(bytes(frame.data))
            if frame.fin:
                message, self._parts = b"".join(self._parts), []
                if self._is_text:
                    raise EnvelopeError(reason="an envelope is a binary message, here is text", data=message)
                yield Envelope.decode(message, sender=self.peer, max_body=LARGEST[self.us])

    def end(self) -> None:
        """See ``Wire``."""
        try:
            self._protocol.receive_eof()
        except (WebSocketException, EOFError):
            return
        if not self.is_ready and self._protocol.handshake_exc is not None:
            self.refused = self.refused or str(self._protocol.handshake_exc)

    def outgoing(self) -> bytes:
        """See ``Wire``. Nothing comes after a close frame."""
        data = b"".join(self._protocol.data_to_send())
        return b"" if self._said_goodbye else data

    def farewell(self) -> bytes:
        """See ``Wire``."""
        if self._said_goodbye or not self.is_ready or self._protocol.state is not State.OPEN:
            return b""
        self._said_goodbye = True
        return control_frame(CLOSE, b"\x03\xe8", masked=self._masked)

    def beat(self) -> bytes:
        """See ``Wire``: a client that waits for pushes answers pings and says nothing else."""
        return control_frame(PING, b"beat", masked=self._masked) if self.is_ready and not self._said_goodbye else b""
