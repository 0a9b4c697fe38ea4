"""A capture written anew from what was said in it: redacted bodies in frames, frames in packets, times kept.

Nothing of the old file is copied: headers, digests, checksums and sequence numbers are made for the new bytes.
What cannot be read cannot be redacted either: such frames keep their header, and zeros stand for their body;
connections that do not speak to OpenD, and packets that are no TCP, are left out.
"""

from __future__ import annotations

import heapq
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha1
from typing import TYPE_CHECKING, Any, Final

from ftwire import __version__
from ftwire.body import to_json
from ftwire.cipher import NONE, AesCbc, AesEcb, Cipher, FtAesEcb, Rsa, RsaKey
from ftwire.connection import INIT_CONNECT
from ftwire.conversation import ConversationObserver
from ftwire.errors import DigestError, WireError
from ftwire.events import FrameObserved, UndecodedObserved
from ftwire.frame import Role, UnknownBody, encode_frame
from ftwire.header import BodyFormat
from ftwire.pcap import (
    CloseReason,
    Data,
    Direction,
    Dissector,
    Endpoint,
    Flow,
    FlowClosed,
    FlowOpened,
    MissingBytes,
    PacketSkipped,
    PcapngWriter,
    TcpConversation,
)
from ftwire.websocket import BadEnvelope, Envelope
from ftwire_tools.captures.embedded_key import embedded_keys
from ftwire_tools.messages.sensitive_fields import Category

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.events import Observation
    from ftwire.frame import Frame
    from ftwire_tools.redaction.redactor import Redaction

__all__ = ["Rewriter"]

HELD_NS: Final = 2_000_000_000
"""Capture time for which packets are held back, so that they come out in the order of their times."""
LATEST_NS: Final = (1 << 64) - 1
"""Latest time of a pcapng file with nanoseconds."""
MAX_HELD: Final = 4096
"""Most packets held back."""

_APPLICATION, _COMMENT, _END = 4, 1, 0
_DIGEST: Final = slice(16, 36)
_WEBSOCKET_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_WEBSOCKET_KEY: Final = b64encode(b"ftwire redacted.")


class _Connection:
    """One TCP connection of the old capture and, once it turns out to be OpenD's, of the new one."""

    def __init__(self, opened: FlowOpened, conversation: ConversationObserver) -> None:
        self.flow: Final = opened.flow
        self.opened_ns: Final = opened.time_ns
        self.conversation: Final = conversation
        self.talk: TcpConversation | None = None
        self.ciphers: dict[tuple[Role, str], Cipher] = {}
        self.secrets: tuple[str, str] | None = None  # AES key and IV as they stand in the new capture


class Rewriter:
    """Takes chunks of a capture, gives those of the new one.

    ``keys`` decrypt what is encrypted. The new capture is not, or with ``new_key`` everything that was is again.
    """

    def __init__(self, redaction: Redaction, *, keys: Sequence[RsaKey] = (), new_key: RsaKey | None = None) -> None:
        self._redaction: Final = redaction
        self._keys = list(keys)
        self._new_key: Final = new_key
        self._dissector: Final = Dissector()
        self._writer: Final = PcapngWriter()
        self._connections: Final[dict[int, _Connection]] = {}
        self._held: Final[list[tuple[int, int, bytes]]] = []
        self._order = 0
        self._secrets = 0
        self.frames = 0
        """Frames written."""
        self.unreadable = 0
        """Frames whose body could not be read, and is zeros now."""
        self.reasons: Final[dict[str, int]] = {}
        """Why, and how often."""
        self.left_out = 0
        """Connections and packets that are not in the new capture."""

    def header(self) -> bytes:
        """Return what the new capture begins with."""
        writer = self._writer
        texts = ((_APPLICATION, f"ftwire {__version__}"), (_COMMENT, "redacted by ftwire redact"), (_END, ""))
        options = b"".join(writer.option(code, text.encode()) for code, text in texts)
        return writer.section(options=options) + writer.interface()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take the next bytes of the old capture. Raises ``CaptureError``."""
        for event in self._dissector.feed(chunk):
            yield from self._event(event)

    def close(self) -> Iterator[bytes]:
        """Say that the old capture has ended. Raises ``CaptureError`` at last."""
        try:
            for event in self._dissector.close():
                yield from self._event(event)
        finally:
            yield from self._release(None)

    def _event(self, event: object) -> Iterator[bytes]:
        if isinstance(event, Data):
            connection = self._connections[event.flow.index]
            seen = connection.conversation.receive(
                event.direction.value, event.data, event.time_ns, event.packet_number
            )
        elif isinstance(event, MissingBytes):
            connection = self._connections[event.flow.index]
            seen = connection.conversation.skip(event.direction.value, event.length, event.time_ns, event.packet_number)
        elif isinstance(event, FlowOpened):
            self._connections[event.flow.index] = _Connection(event, self._conversation(event.flow))
            return
        elif isinstance(event, FlowClosed):
            connection = self._connections.pop(event.flow.index)
            self._observe(connection, connection.conversation.close(event.time_ns, event.packet_number))
            self._end(connection, event)
            yield from self._release(event.time_ns)
            return
        else:
            self.left_out += isinstance(event, PacketSkipped)
            return
        self._observe(connection, seen)
        yield from self._release(event.time_ns)

    def _conversation(self, flow: Flow) -> ConversationObserver:
        secrets = self._dissector.secrets
        if len(secrets) > self._secrets:
            self._keys += embedded_keys(secrets[self._secrets :])
            self._secrets = len(secrets)
        return ConversationObserver(keys=self._keys, client=0 if flow.client_known else None)

    def _observe(self, connection: _Connection, observations: Iterable[Observation]) -> None:
        for seen in observations:
            talk = connection.talk or self._begin(connection)
            if isinstance(seen, FrameObserved):
                self.frames += 1
                direction = Direction.A_TO_B if seen.sender is Role.CLIENT else Direction.B_TO_A
                if isinstance(seen.frame, Envelope):
                    data = _websocket_frame(self._envelope(seen.frame), masked=seen.sender is Role.CLIENT)
                else:
                    data = self._frame(connection, seen.frame, seen.encryption)
                self._hold(seen.time, talk.send(direction, data))
            elif isinstance(seen, UndecodedObserved):
                direction = Direction.A_TO_B if seen.sender is Role.CLIENT else Direction.B_TO_A
                self._hold(seen.time, talk.send(direction, bytes(seen.undecoded.length - seen.undecoded.missing)))
                talk.skip(direction, seen.undecoded.missing)

    def _begin(self, connection: _Connection) -> TcpConversation:
        """Begin a connection of the new capture: addresses replaced, handshake where the old one has it."""
        flow, conversation = connection.flow, connection.conversation
        client, server = (flow.a, flow.b) if conversation.client == 0 else (flow.b, flow.a)
        # Far from each other, so that no connection is taken for an earlier one of the same ports.
        start = (flow.index + 1) * 0x0100_0001
        talk = TcpConversation(self._endpoint(client), self._endpoint(server), isns=(start, start + 0x8000_0000))
        connection.talk = talk
        if flow.client_known:
            self._hold(connection.opened_ns, talk.open())
            if conversation.transport == "websocket":
                self._hold(connection.opened_ns, talk.send(Direction.A_TO_B, _upgrade(self._endpoint(server))))
                self._hold(connection.opened_ns, talk.send(Direction.B_TO_A, _UPGRADED))
        return talk

    def _end(self, connection: _Connection, event: FlowClosed) -> None:
        talk = connection.talk
        if talk is None:
            self.left_out += 1
        elif event.reason is CloseReason.FIN:
            self._hold(event.time_ns, talk.close())
        elif event.reason is CloseReason.RST:
            self._hold(event.time_ns, talk.reset(Direction.A_TO_B))

    def _endpoint(self, end: Endpoint) -> Endpoint:
        if Category.ADDRESS not in self._redaction.categories:
            return end
        packed = self._redaction.pseudonyms.address(end.packed)
        if packed != end.packed:
            self._redaction.note("address of a connection", Category.ADDRESS)
        return Endpoint(packed, end.port)

    def _frame(self, connection: _Connection, frame: Frame, encryption: str) -> bytes:
        body, message = self._body(frame)
        if body is None:
            data = encode_frame(frame.proto_id, frame.serial, bytes(len(frame.payload)), body_format=frame.body_format)
            if isinstance(frame.error, DigestError):
                # It did not verify, and does not now: that may be just what is to be shown.
                data = data[: _DIGEST.start] + bytes(20) + data[_DIGEST.stop :]
            return data
        cipher = self._cipher(connection, frame.sender, encryption)
        if message is not None and frame.proto_id == INIT_CONNECT and frame.sender is Role.SERVER:
            secrets: Any = message
            connection.secrets = secrets.s2c.connAESKey, secrets.s2c.aesCBCiv
        return encode_frame(frame.proto_id, frame.serial, body, body_format=frame.body_format, cipher=cipher)

    def _cipher(self, connection: _Connection, sender: Role, encryption: str) -> Cipher:
        if self._new_key is None or encryption == NONE.name:
            return NONE
        cipher = connection.ciphers.get((sender, encryption))
        if cipher is None:
            if encryption == Rsa.name:
                cipher = Rsa(self._new_key)
            else:
                # Frames are decrypted with what InitConnect said, so it was there.
                key, iv = connection.secrets or ("", "")
                cipher = (
                    AesCbc(key, iv)
                    if encryption == AesCbc.name
                    else AesEcb(key)
                    if encryption == AesEcb.name
                    else FtAesEcb(key)
                )
            connection.ciphers[sender, encryption] = cipher
        return cipher

    def _envelope(self, envelope: Envelope) -> bytes:
        body, _ = self._body(envelope)
        if isinstance(envelope, BadEnvelope):
            return bytes(len(envelope))
        text = envelope.error_text
        if text and Category.TEXT in self._redaction.categories:
            text = self._redaction.pseudonyms.text(Category.TEXT, text)
            self._redaction.note("error text of an envelope", Category.TEXT)
        made = Envelope.build(
            envelope.command,
            envelope.section,
            bytes(len(envelope.payload)) if body is None else body,
            sender=envelope.sender,
            error_code=envelope.error_code,
            error_text=text,
        )
        return made.encode()

    def _body(self, frame: Frame | Envelope) -> tuple[bytes | None, Message | None]:
        """Return the redacted body, and the message it is; nothing where it cannot be read."""
        if frame.error is None and not frame.body:
            return b"", None
        try:
            found = frame.message
        except WireError as error:
            return self._unreadable(type(error).__name__)
        if isinstance(found, UnknownBody):
            return self._unreadable("UnknownProtocolError")
        # The observer still needs its own: keys are in it.
        message = type(found)()
        message.CopyFrom(found)
        self._redaction.message(message)
        if frame.body_format == BodyFormat.JSON:
            return to_json(message, lower_camel=True).encode(), message
        return message.SerializePartialToString(), message

    def _unreadable(self, reason: str) -> tuple[None, None]:
        self.unreadable += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        return None, None

    def _hold(self, time_ns: int, frames: list[bytes]) -> None:
        for frame in frames:
            self._order += 1
            heapq.heappush(self._held, (time_ns, self._order, frame))

    def _release(self, time_ns: int | None) -> Iterator[bytes]:
        """Give the packets that nothing earlier can come before any more, or without a time all."""
        held = self._held
        while held and (time_ns is None or held[0][0] <= time_ns - HELD_NS or len(held) > MAX_HELD):
            at, _, frame = heapq.heappop(held)
            # Damaged captures have times that no file can say.
            yield self._writer.packet(min(max(at, 0), LATEST_NS), frame)


def _upgrade(server: Endpoint) -> bytes:
    """Return an HTTP upgrade that says nothing of the one that was captured."""
    return (
        b"GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n" % (str(server).encode(), _WEBSOCKET_KEY)
    )


_UPGRADED: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %s\r\n\r\n"
    % b64encode(sha1(_WEBSOCKET_KEY + _WEBSOCKET_GUID, usedforsecurity=False).digest())
)


def _websocket_frame(message: bytes, *, masked: bool) -> bytes:
    """Return a message as one uncompressed binary frame (RFC 6455 section 5.2); the mask, if any, is zeros."""
    length, mask = len(message), 0x80 if masked else 0
    if length < 126:
        size = bytes((mask | length,))
    elif length < 1 << 16:
        size = bytes((mask | 126,)) + length.to_bytes(2)
    else:
        size = bytes((mask | 127,)) + length.to_bytes(8)
    return b"\x82" + size + (bytes(4) if masked else b"") + message
