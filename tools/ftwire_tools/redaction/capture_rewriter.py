"""Writes a capture anew from its frames: redacted bodies in new frames, these in new packets, with the old times.

Nothing of the old file is copied: headers, digests, checksums and sequence numbers are made for the new bytes. A body
that cannot be read cannot be redacted either: its frame keeps the header, with zeros in place of the body. Connections
that are no conversations with OpenD, and packets that are no TCP, are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Final

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
from ftwire.errors import CaptureError, DigestError, WireError
from ftwire.frame import Role, UnknownBody, encode_frame
from ftwire.header import BodyFormat
from ftwire.pcap import Endpoint
from ftwire.websocket import ENVELOPE_MAGIC, BadEnvelope, Envelope
from ftwire_tools.captures.account_text import outside_frames
from ftwire_tools.captures.frame_packets import FramePackets
from ftwire_tools.messages.sensitive_fields import Category

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.capture import Dissected
    from ftwire.frame import Frame
    from ftwire_tools.redaction.redactor import Redaction

__all__ = ["Rewriter"]

_DIGEST: Final = slice(16, 36)


class _Connection:
    """One conversation in the new capture."""

    def __init__(self) -> None:
        self.ciphers: dict[tuple[Role, str], Cipher] = {}
        self.secrets: tuple[str, str] | None = None  # AES key and IV as they are in the new capture


class Rewriter:
    """Takes chunks of a capture and returns chunks of the redacted one.

    ``keys`` decrypt what is encrypted. The new capture is plain, or with ``new_key`` encrypted where the old one was.
    ``chosen`` is given the number of each frame, and returns whether it is in the new capture; without it, all are, and
    bytes that are in no frame, too. ``comment`` stands in the file.
    """

    def __init__(
        self,
        redaction: Redaction,
        *,
        keys: Sequence[RsaKey] = (),
        new_key: RsaKey | None = None,
        chosen: Callable[[int], bool] | None = None,
        comment: str = "redacted by ftwire redact",
    ) -> None:
        self._redaction: Final = redaction
        self._new_key: Final = new_key
        self._chosen: Final = chosen
        self._reader: Final = CaptureReader(keys=keys, raw=False)
        self._packets: Final = FramePackets(comment)
        self._connections: Final[dict[int, _Connection]] = {}
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

    @property
    def not_read(self) -> list[str]:
        """Sentences about what the new capture lacks, or has as zeros, because it could not be read."""
        account = self._reader.account
        return [*outside_frames(account.undecoded_bytes, account.missing_bytes), *account.unread()]

    def header(self) -> bytes:
        """Return what the new capture begins with."""
        return self._packets.header()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take the next bytes of the old capture. Raises ``CaptureError``."""
        for report in self._reader.feed(chunk):
            self._write(report)
            yield from self._packets.release(report.time)

    def read(self, stream: BinaryIO, progress: Callable[[int], None] | None = None) -> Iterator[bytes]:
        """Take the whole old capture, in order of time. Raises ``CaptureError`` after everything was returned.

        ``progress`` is called with the bytes read so far. Raises ``OSError``, too.
        """
        return self._to_the_end(self._reader.read_files([stream], progress=progress, at_once=False))

    def close(self) -> Iterator[bytes]:
        """Take note that the old capture has ended. Raises ``CaptureError``, after everything was returned."""
        return self._to_the_end(self._reader.close())

    def _to_the_end(self, reports: Iterator[Dissected]) -> Iterator[bytes]:
        try:
            for report in reports:
                self._write(report)
                yield from self._packets.release(report.time)
        except (CaptureError, OSError):
            yield from self._packets.release(None)
            raise
        yield from self._packets.release(None)

    def _write(self, report: Dissected) -> None:
        """Hold the packets that a report makes."""
        if isinstance(report, ConversationOpened):
            self._open(report)
            return
        if isinstance(report, UnrecognisedConnection):
            # Left out, and counted as such: nothing in it could be told from a secret.
            return
        if self._chosen is not None and (
            isinstance(report, DissectedBytes)
            or (isinstance(report, DissectedFrame) and not self._chosen(report.number))
        ):
            return
        packets, number, time = self._packets, report.conversation.number, report.time
        if isinstance(report, DissectedFrame):
            frame = report.frame
            if isinstance(frame, Envelope):
                packets.send_message(number, report.sender, self._envelope(frame), time)
            else:
                packets.send(
                    number, report.sender, self._frame(self._connections[number], frame, report.encryption), time
                )
        elif isinstance(report, DissectedBytes):
            undecoded, sender = report.observation.undecoded, report.observation.sender
            packets.send(number, sender, bytes(undecoded.length - undecoded.missing), time)
            packets.skip(number, sender, undecoded.missing)
        elif isinstance(report, ConversationClosed):
            del self._connections[number]
            packets.close(number, report.reason, time)

    def _open(self, opened: ConversationOpened) -> None:
        """Begin a connection of the new capture: addresses replaced, with a handshake where the old one has it."""
        if opened.client is None or opened.server is None:
            raise ValueError("a stream without packets has no addresses to be written")
        number, transport = opened.conversation.number, opened.conversation.transport
        client, server = self._endpoint(opened.client), self._endpoint(opened.server)
        self._connections[number] = _Connection()
        self._packets.open(number, client, server, opened.time, from_start=opened.from_start, transport=transport)

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
