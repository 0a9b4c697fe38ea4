"""Envelopes on WebSocket: the transport of a hostile side, and the messages and frames of a step.

What is received is read by the library ``websockets``, which also makes the upgrade and answers pings. What is sent is
written here: no library writes wrong frames (RFC 6455, 5.2), and with one mask for all the same steps make the same
bytes. No extension is agreed on: nothing is compressed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Final

from websockets.client import ClientProtocol
from websockets.exceptions import ProtocolError
from websockets.frames import Close, Opcode
from websockets.frames import Frame as WebSocketFrame
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import WebSocketURI
from websockets.utils import apply_mask

from ftwire.body_mutations import mutate_body
from ftwire.envelope_mutations import mutate_envelope
from ftwire.errors import EnvelopeError
from ftwire.frame import Role
from ftwire.header import CLIENT_ENVELOPE_STRUCT
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire.websocket import INIT, Envelope, websocket_key_digest
from ftwire_tools.captures.websocket_frames import FIN, websocket_frame
from ftwire_tools.fuzz.bodies import CLASSES
from ftwire_tools.fuzz.steps import BROKEN_WEBSOCKET, FuzzStep
from ftwire_tools.fuzz.transport import CloseReceived, FuzzTransport, PongReceived, Rendered, UpgradeReceived

__all__ = ["EnvelopeTransport", "asked_in", "frames_of", "messages_of"]

_QUIET: Final = logging.Logger("ftwire.fuzz")
_QUIET.addHandler(logging.NullHandler())
_CONTROLS: Final = {"ping": Opcode.PING, "pong": Opcode.PONG, "bye": Opcode.CLOSE}
"""The control frames, by the steps that send them."""
_MASK: Final = b"\x37\xfa\x21\x3d"
"""The mask of RFC 6455's examples."""
_BETWEEN: Final = b"between"
"""Content of a ping between the fragments of a message."""


class EnvelopeTransport(FuzzTransport):
    """Envelopes on one WebSocket connection. ``key`` is the one that the gateway's clients have."""

    init = INIT
    init_name = "InitWebSocket"
    first_serial = 2
    is_websocket = True
    is_ready = False

    def __init__(self, role: Role, address: tuple[str, int], key: str = "") -> None:
        super().__init__(role)
        self._key: Final = key
        self._protocol: Final = (
            ClientProtocol(WebSocketURI(False, *address, "/", ""), max_size=DEFAULT_MAX_BODY, logger=_QUIET)
            if role is Role.CLIENT
            else ServerProtocol(max_size=DEFAULT_MAX_BODY, logger=_QUIET)
        )
        self._parts: list[bytes] = []
        self._is_text = False

    def opening(self) -> bytes:
        """Return the request to upgrade."""
        if isinstance(self._protocol, ClientProtocol):
            self._protocol.send_request(self._protocol.connect())
        return self.outgoing()

    def outgoing(self) -> bytes:
        """See ``FuzzTransport``. Nothing comes after a close frame."""
        data = b"".join(self._protocol.data_to_send())
        return b"" if self.sent_close else data

    def stamp(self, step: FuzzStep, conn_id: int, serial: int) -> bytes:
        """See ``FuzzTransport``; the handshake gets the digest of the key."""
        if step.proto != self.init:
            return super().stamp(step, conn_id, serial)
        message = CLASSES[Role.CLIENT][self.init].FromString(bytes.fromhex(step.body))
        if self._key and not message.c2s.websocketKey:
            message.c2s.websocketKey = websocket_key_digest(self._key)
        return bytes(message.SerializePartialToString())

    def render(self, step: FuzzStep, body: bytes = b"", serial: int = 0) -> Rendered:
        """See ``FuzzTransport``."""
        content = bytes.fromhex(step.data)
        if step.do in {"raw", "upgrade"}:
            return Rendered(content, None)
        if step.do in _CONTROLS:
            is_close = step.do == "bye"
            self.sent_close = self.sent_close or is_close
            data = _frame(FIN | _CONTROLS[step.do], content, masked=self.role is Role.CLIENT)
            return Rendered(data, (content,) if step.do == "ping" else (), ends=is_close and _is_legal_close(content))
        messages = messages_of(step, body, serial, self.role)
        data = frames_of(step, messages, self.role)
        if any(mutation.name in BROKEN_WEBSOCKET for mutation in step.mutations):
            return Rendered(data, None)
        pings = (_BETWEEN,) if step.ping and step.fragments > 1 else ()
        return Rendered(data, (*pings, *asked_in(step, messages, serial)))

    def feed(self, data: bytes) -> Iterator[Any]:
        """See ``FuzzTransport``. What is no WebSocket is an ``EnvelopeError``, too."""
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
        failure = protocol.handshake_exc or protocol.parser_exc
        if protocol.handshake_exc is not None and self.role is Role.CLIENT:
            self.refused = str(failure)
        if failure is not None and not isinstance(failure, EOFError):
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
                yield Envelope.decode(message, sender=self.role.peer)


def messages_of(step: FuzzStep, body: bytes, section: int, role: Role) -> list[bytes]:
    """Return the messages of a step: one envelope, but for its mutations."""
    values: dict[str, Any] = dict(step.mutations)
    body = mutate_body(body, step.mutations, 0, CLASSES[role][step.proto])
    envelope = Envelope.build(step.proto, section, body, sender=role)
    messages = [mutate_envelope(envelope.encode(), step.mutations, role)]
    if "split" in values and messages[0]:
        at = values["split"] % len(messages[0])
        messages = [messages[0][:at], messages[0][at:]]
    if "empty message" in values:
        messages.insert(0, b"")
    return messages * 2 if "twice" in values else messages


def asked_in(step: FuzzStep, messages: list[bytes], section: int) -> tuple[tuple[int, int], ...]:
    """Return (command, section) of everything that a gateway may read in a client's messages, strict or not."""
    values: dict[str, Any] = dict(step.mutations)
    found = {(int(values.get("protocol", step.proto)), int(values.get("serial", section)))}
    for message in messages:
        # A message that is cut short, as a reader sees it that does not look at its length.
        _, command, number = CLIENT_ENVELOPE_STRUCT.unpack_from(message.ljust(CLIENT_ENVELOPE_STRUCT.size, b"\0"))
        found.add((command, number))
    return tuple(sorted(found))


def frames_of(step: FuzzStep, messages: list[bytes], role: Role) -> bytes:
    """Return the WebSocket frames of a step's messages, in as many fragments as it says, with its mutations."""
    values: dict[str, Any] = dict(step.mutations)
    masked = (role is Role.CLIENT) != ("mask" in values)
    data = b""
    if "long ping" in values:
        data += _frame(FIN | Opcode.PING, bytes(126 + values["long ping"] % 1000), masked=masked)
    if "split ping" in values:
        data += _frame(Opcode.PING, b"split", masked=masked)
    first = Opcode.TEXT if "text" in values else Opcode.BINARY
    first = Opcode.CONT if "continuation" in values else values.get("reserved opcode", first) & 15
    first |= values.get("reserved bits", 0) << 4 & 0x70
    for number, message in enumerate(messages, start=1):
        if "unfinished" in values:
            data += _frame(Opcode.BINARY, message[: len(message) // 2], masked=masked)
        if "frame length" in values and number == len(messages):
            data += _frame(FIN | first, message, masked=masked, longer=values["frame length"])
        else:
            data += _fragments(step, first, message, masked=masked)
    return data[: values["cut frame"] % len(data)] if "cut frame" in values else data


def _fragments(step: FuzzStep, first: int, message: bytes, *, masked: bool) -> bytes:
    count = min(max(step.fragments, 1), 100)
    size = -(-len(message) // count) or 1
    firsts = [first, *[Opcode.CONT] * (count - 1)]
    firsts[-1] |= FIN
    parts = [
        _frame(each, message[number * size : (number + 1) * size], masked=masked) for number, each in enumerate(firsts)
    ]
    if step.ping and count > 1:
        parts.insert(1, _frame(FIN | Opcode.PING, _BETWEEN, masked=masked))
    return b"".join(parts)


def _frame(first: int, data: bytes, *, masked: bool, longer: int = 0) -> bytes:
    content = apply_mask(data, _MASK) if masked else data
    return websocket_frame(first, content, masked=masked, mask=_MASK, longer=longer)


def _is_legal_close(content: bytes) -> bool:
    """Return whether a close frame may have this content (RFC 6455, 5.5.1 and 7.4)."""
    try:
        Close.parse(content)
    except (ProtocolError, UnicodeDecodeError):
        return False
    return True
