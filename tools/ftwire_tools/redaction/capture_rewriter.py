"""Writes a capture anew from its frames: redacted bodies in new frames, these in new packets, with the old times.

Nothing of the old file is copied: headers, digests, checksums and sequence numbers are made for the new bytes. A body
that cannot be read cannot be redacted either: its frame keeps the header, with zeros in place of the body. Connections
that are no conversations with OpenD, and packets that are no TCP, are left out.
"""

from __future__ import annotations

import heapq
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha1
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from ftwire import __version__
from ftwire.body import to_json
from ftwire.capture import (
    CaptureReader,
    ConversationClosed,
    ConversationOpened,
    DissectedBytes,
    DissectedFrame,
    UnrecognisedConnection,
)
from ftwire.cipher import NONE, AesCbc, AesEcb, Cipher, FtAesEcb, Rsa, RsaKey
from ftwire.connection import INIT_CONNECT
from ftwire.errors import DigestError, WireError
from ftwire.frame import Role, UnknownBody, encode_frame
from ftwire.header import BodyFormat
from ftwire.pcap import CloseReason, Direction, Endpoint, PcapngWriter, TcpConversation
from ftwire.websocket import ENVELOPE_MAGIC, BadEnvelope, Envelope
from ftwire_tools.messages.sensitive_fields import Category
from ftwire_tools.terminal.times import SECOND

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.capture import Dissected
    from ftwire.frame import Frame
    from ftwire_tools.redaction.redactor import Redaction

__all__ = ["Rewriter"]

HELD_NS: Final = 2_000_000_000
"""Capture time for which packets are held back, so that they come out in the order of their times."""
CLOCK_SPAN: Final = 1 << 34
"""Seconds that one interface counts from its offset on, in nanoseconds of 64 bits: those take 2**34.1 s."""
LAST_OFFSET: Final = (1 << 63) - 1
"""Largest offset of an interface, in seconds. A damaged capture has times from -2**63 s to 3 * 2**63 s."""
MAX_INTERFACES: Final = 64
"""Interfaces in one section of the new capture: a damaged capture needs a few, one made to do so any number."""
MAX_HELD: Final = 4096
"""Largest number of packets held back."""

_APPLICATION, _COMMENT, _END = 4, 1, 0
_DIGEST: Final = slice(16, 36)
_WEBSOCKET_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_WEBSOCKET_KEY: Final = b64encode(b"ftwire redacted.")


class _Connection:
    """One conversation in the new capture."""

    def __init__(self, packets: TcpConversation) -> None:
        self.packets: Final = packets
        self.ciphers: dict[tuple[Role, str], Cipher] = {}
        self.secrets: tuple[str, str] | None = None  # AES key and IV as they are in the new capture


class Rewriter:
    """Takes chunks of a capture and returns chunks of the redacted one.

    ``keys`` decrypt what is encrypted. The new capture is plain, or with ``new_key`` encrypted where the old one was.
    """

    def __init__(self, redaction: Redaction, *, keys: Sequence[RsaKey] = (), new_key: RsaKey | None = None) -> None:
        self._redaction: Final = redaction
        self._new_key: Final = new_key
        self._reader: Final = CaptureReader(keys=keys, raw=False)
        self._writer: Final = PcapngWriter()
        self._connections: Final[dict[int, _Connection]] = {}
        self._held: Final[list[tuple[int, int, bytes]]] = []
        self._order = 0
        self._interfaces: Final[dict[int, int]] = {0: 0}  # offset in seconds to number; the header has the first
        self.unreadable = 0
        """Frames whose body could not be read, and is zeros now."""
        self.reasons: Final[dict[str, int]] = {}
        """Why, and how often."""

    @property
    def frames(self) -> int:
        """Frames written."""
        return self._reader.account.frames

    @property
    def left_out(self) -> int:
        """Connections and packets that are not in the new capture."""
        account = self._reader.account
        return account.other_connections + account.other_packets + sum(account.unsupported_links.values())

    @property
    def unrecognised(self) -> int:
        """Those of them that look like this protocol, without a frame in them."""
        return self._reader.account.unrecognised

    def header(self) -> bytes:
        """Return what the new capture begins with."""
        writer = self._writer
        texts = ((_APPLICATION, f"ftwire {__version__}"), (_COMMENT, "redacted by ftwire redact"), (_END, ""))
        options = b"".join(writer.option(code, text.encode()) for code, text in texts)
        return writer.section(options=options) + writer.interface()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take the next bytes of the old capture. Raises ``CaptureError``."""
        for report in self._reader.feed(chunk):
            self._write(report)
            yield from self._release(report.time)

    def read(self, stream: BinaryIO, progress: Callable[[int], None] | None = None) -> Iterator[bytes]:
        """Take the whole old capture, in order of time. Raises ``CaptureError`` after everything was returned.

        ``progress`` is called with the bytes read so far. Raises ``OSError``, too.
        """
        try:
            for report in self._reader.read_files([stream], progress=progress, at_once=False):
                self._write(report)
                yield from self._release(report.time)
        finally:
            yield from self._release(None)

    def close(self) -> Iterator[bytes]:
        """Take note that the old capture has ended. Raises ``CaptureError``, after everything was returned."""
        try:
            for report in self._reader.close():
                self._write(report)
                yield from self._release(report.time)
        finally:
            yield from self._release(None)

    def _write(self, report: Dissected) -> None:
        """Hold the packets that a report makes."""
        if isinstance(report, ConversationOpened):
            self._open(report)
            return
        if isinstance(report, UnrecognisedConnection):
            # Left out, and counted as such: nothing in it could be told from a secret.
            return
        connection = self._connections[report.conversation.number]
        packets = connection.packets
        if isinstance(report, DissectedFrame):
            frame, direction = report.frame, _direction(report.sender)
            if isinstance(frame, Envelope):
                data = _websocket_frame(self._envelope(frame), masked=report.sender is Role.CLIENT)
            else:
                data = self._frame(connection, frame, report.encryption)
            self._hold(report.time, packets.send(direction, data))
        elif isinstance(report, DissectedBytes):
            undecoded, direction = report.observation.undecoded, _direction(report.observation.sender)
            self._hold(report.time, packets.send(direction, bytes(undecoded.length - undecoded.missing)))
            packets.skip(direction, undecoded.missing)
        elif isinstance(report, ConversationClosed):
            del self._connections[report.conversation.number]
            if report.reason is CloseReason.FIN:
                self._hold(report.time, packets.close())
            elif report.reason is CloseReason.RST:
                self._hold(report.time, packets.reset(Direction.A_TO_B))

    def _open(self, opened: ConversationOpened) -> None:
        """Begin a connection of the new capture: addresses replaced, with a handshake where the old one has it."""
        if opened.client is None or opened.server is None:
            raise ValueError("a stream without packets has no addresses to be written")
        client, server = self._endpoint(opened.client), self._endpoint(opened.server)
        # Far from each other, so that no connection is taken for an earlier one of the same ports.
        start = opened.conversation.number * 0x0100_0001
        packets = TcpConversation(client, server, isns=(start, start + 0x8000_0000))
        self._connections[opened.conversation.number] = _Connection(packets)
        if opened.from_start:
            self._hold(opened.time, packets.open())
            if opened.conversation.transport == "websocket":
                self._hold(opened.time, packets.send(Direction.A_TO_B, _upgrade(server)))
                self._hold(opened.time, packets.send(Direction.B_TO_A, _UPGRADED))

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
                # Frames could only be decrypted because the reply to InitConnect came before.
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
        command, section = envelope.command, envelope.section
        payload = bytes(len(envelope.payload)) if body is None else body
        if envelope.sender is Role.CLIENT:
            return Envelope((ENVELOPE_MAGIC, command, section), payload, envelope.classes).encode()
        # The bytes themselves where they are kept: they need not be UTF-8. What is behind a NUL is not shown.
        text = envelope.error_bytes.partition(b"\0")[0]
        if text and Category.TEXT in self._redaction.categories:
            text = self._redaction.pseudonyms.text(Category.TEXT, envelope.error_text).encode()
            self._redaction.note("error text of an envelope", Category.TEXT)
        field = text.ljust(len(envelope.error_bytes), b"\0")
        fields = (ENVELOPE_MAGIC, command, section, envelope.error_code, field)
        return Envelope(fields, payload, envelope.classes).encode()

    def _body(self, frame: Frame | Envelope) -> tuple[bytes | None, Message | None]:
        """Return the redacted body and its message; twice ``None`` where it cannot be read."""
        if frame.error is None and not frame.body:
            return b"", None
        try:
            found = frame.message
        except WireError as error:
            return self._unreadable(type(error).__name__)
        if isinstance(found, UnknownBody):
            return self._unreadable("UnknownProtocolError")
        # A copy, since the observer reads keys from the original.
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
        """Return the held packets that are ``HELD_NS`` older than this time; all of them without a time."""
        held = self._held
        while held and (time_ns is None or held[0][0] <= time_ns - HELD_NS or len(held) > MAX_HELD):
            at, _, frame = heapq.heappop(held)
            yield self._packet(at, frame)

    def _packet(self, time_ns: int, frame: bytes) -> bytes:
        """Return a packet, and before it an interface whose clock has this time, where there is none yet."""
        # Times before 1970 and after 2514 are on interfaces of their own, those after LAST_OFFSET in whole seconds.
        offset, resolution = time_ns // SECOND // CLOCK_SPAN * CLOCK_SPAN, 9
        if offset > LAST_OFFSET:
            offset, resolution = LAST_OFFSET, 0
        before = b""
        interface = self._interfaces.get(offset)
        if interface is None:
            if len(self._interfaces) == MAX_INTERFACES:
                self._interfaces.clear()
                before = self._writer.section()
            interface = self._interfaces[offset] = len(self._interfaces)
            before += self._writer.interface(resolution=resolution, offset_s=offset)
        return before + self._writer.packet(time_ns, frame, interface=interface)


def _direction(sender: Role) -> Direction:
    return Direction.A_TO_B if sender is Role.CLIENT else Direction.B_TO_A


def _upgrade(server: Endpoint) -> bytes:
    """Return an HTTP upgrade request that has nothing of the captured one but the address."""
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
