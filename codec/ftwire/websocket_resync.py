"""Envelopes out of one direction of a captured WebSocket connection.

The counterpart of ``ftwire.resync``: in step while WebSocket frames follow each other, otherwise searching for the
next one that begins an envelope; the bytes before it are reported as ``UndecodedBytes``. The HTTP upgrade and control
frames are neither: they are not reported.

What can be found again after missing bytes, or without the upgrade:

- plain messages of either side: a masked frame carries its mask in front of the bytes to be tried;
- compressed messages that refer to nothing before them: the first of a connection, and all of a side that
  compresses without context takeover. Each of the others is a ``BadEnvelope`` once the frames are in step again, and
  part of the undecoded bytes until then. None is ever inflated to something it was not: a reference to bytes that are
  not there is an error in the compressed data.

Needs the package ``websockets`` (extra ``websocket``), whose parser unmasks and checks the frames and whose
permessage-deflate inflates them. That parser cannot report how many bytes it waits for, and stops at the first fault,
so where frames begin and end is found here.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from ftwire._renamed import renamed_keyword
from ftwire.errors import EnvelopeError, WireError
from ftwire.frame import MessageClasses, Role
from ftwire.framing import StreamDecoder
from ftwire.header import ENVELOPE_MAGIC
from ftwire.protocols import Registry, registry
from ftwire.resync import UndecodedBytes
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire.websocket import CLIENT_HEADER_SIZE, SERVER_HEADER_SIZE, BadEnvelope, Envelope, open_envelope

if TYPE_CHECKING:
    from typing_extensions import Buffer
    from websockets.extensions.permessage_deflate import PerMessageDeflate
    from websockets.frames import Frame as WebSocketFrame

__all__ = ["WebSocketResyncDecoder", "find_envelope"]

_INFLATER_SIZE: Final = 40 * 1024
"""Bytes that inflating takes: a window of 32 KiB, and zlib's state."""
MAX_HEAD: Final = 16 * 1024
"""Largest HTTP head waited for, in bytes; common servers and clients allow 8 to 16 KiB."""
INFLATE_TRIED: Final = 512
"""Bytes of a compressed message that are enough to inflate the eight of the magic: more than any code table takes."""

_HEAD_STARTS: Final = {Role.CLIENT: b"GET ", Role.SERVER: b"HTTP/1.1 "}
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_UPGRADES: Final = {
    Role.CLIENT: re.compile(rb"\nupgrade[ \t]*:[^\n]*\bwebsocket\b", re.IGNORECASE),
    Role.SERVER: re.compile(rb"\AHTTP/1\.1 101\b"),
}

_TEXT: Final = 1
_BINARY: Final = 2
_FIN: Final = 0x80
_COMPRESSED: Final = 0x40
_MASKED: Final = 0x80
_LONGEST_HEADER: Final = 14

# The first byte of a binary frame (whole or first of several, plain or compressed), and a length below 4 GiB. Plain
# frames without a mask have the magic itself behind it; in the others the first byte of the payload is compared next.
# What follows the first byte is matched by lookahead: it may be a first byte itself.
_LENGTH: Final = rb"(?:[\x01-\x7d]|\x7e..|\x7f\0{4}.{4})"
_SERVER_STARTS: Final = re.compile(
    rb"[\x02\x82](?=" + _LENGTH + re.escape(ENVELOPE_MAGIC) + rb")|[\x42\xc2](?=(" + _LENGTH + rb"))", re.DOTALL
)
_CLIENT_STARTS: Final = re.compile(rb"[\x02\x42\x82\xc2](?=([\x81-\xfd]|\xfe..|\xff\0{4}.{4}))", re.DOTALL)
_ANY_STARTS: Final = re.compile(rb"[\x02\x42\x82\xc2]")

_PLAIN_FIRST: Final = frozenset(ENVELOPE_MAGIC[:1])
_DEFLATED_FIRST: Final = frozenset(
    # RFC 1951, 3.2: bit 0 marks the last block, bits 1 and 2 are its type.
    first
    for first in range(256)
    if first <= 1  # stored
    or first & 0b1111_1110 == 0b0100_1010  # fixed codes, then five bits of 10010110, the code of "f"
    or (first & 0b110 == 0b100 and first >> 3 < 30)  # codes of its own, 257 to 286 of them
)
"""What a compressed message that begins with the magic can begin with."""


class _Frame(NamedTuple):
    """Where a frame's payload is, from its first two to fourteen bytes."""

    header: int
    length: int
    opcode: int
    final: bool
    compressed: bool


def _measure(data: bytes | bytearray, at: int, sender: Role, max_size: int) -> _Frame | int | None:
    """Return the frame at ``at``; or how many bytes from there are needed to decide; or ``None`` for no frame."""
    if len(data) < at + 2:
        return 2
    first, second = data[at], data[at + 1]
    opcode = first & 0x0F
    final = bool(first & _FIN)
    compressed = bool(first & _COMPRESSED)
    if first & 0x30 or opcode not in (0, 1, 2, 8, 9, 10) or bool(second & _MASKED) is not (sender is Role.CLIENT):
        return None
    length = second & 0x7F
    # Control frames are whole, plain and at most 125 bytes; only the first frame of a message is marked compressed.
    if (opcode >= 8 and (not final or compressed or length > 125)) or (opcode == 0 and compressed):
        return None
    extended = {126: 2, 127: 8}.get(length, 0)
    header = 2 + extended + (4 if second & _MASKED else 0)
    if len(data) < at + header:
        return header
    if extended:
        length = int.from_bytes(data[at + 2 : at + 2 + extended], "big")
    return _Frame(header, length, opcode, final, compressed) if length <= max_size else None


def _unmask(data: bytes, mask: bytes) -> bytes:
    size = len(data)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def _begins_envelope(data: bytes | bytearray, at: int, sender: Role, max_size: int) -> bool | None:
    """Return whether a frame at ``at`` begins an envelope; ``None`` where more bytes are needed."""
    frame = _measure(data, at, sender, max_size)
    if not isinstance(frame, _Frame):
        return None if frame else False
    least = CLIENT_HEADER_SIZE if sender is Role.CLIENT else SERVER_HEADER_SIZE
    if not frame.compressed and frame.length < (least if frame.final else len(ENVELOPE_MAGIC)):
        return False
    begin = at + frame.header
    size = min(frame.length, INFLATE_TRIED if frame.compressed else len(ENVELOPE_MAGIC))
    payload = bytes(data[begin : begin + size])
    if sender is Role.CLIENT:
        payload = _unmask(payload, bytes(data[begin - 4 : begin]))
    start = payload
    if frame.compressed:
        try:
            start = zlib.decompressobj(-zlib.MAX_WBITS).decompress(payload, len(ENVELOPE_MAGIC))
        except zlib.error:
            return False
    if start == ENVELOPE_MAGIC:
        return True
    return None if ENVELOPE_MAGIC.startswith(start) and len(payload) < size else False


def find_envelope(data: bytes | bytearray, start: int, sender: Role, max_size: int, *, final: bool) -> tuple[int, bool]:
    """Return the offset of the first WebSocket frame that begins an envelope of ``sender``, and ``True``.

    Without one, return the place from which on more bytes may complete one, and ``False``.
    """
    # Where a header may not be whole, every possible first byte is a candidate.
    sure = max(start, len(data) - _LONGEST_HEADER - len(ENVELOPE_MAGIC))
    masked = sender is Role.CLIENT
    for match in (_CLIENT_STARTS if masked else _SERVER_STARTS).finditer(data, start):
        at, after = match.start(), match.end(1)
        if at >= sure:
            break
        compressed = data[at] & _COMPRESSED
        if masked:
            first = data[after] ^ data[after + 4]
        elif compressed:
            first = data[after]
        else:
            first = ENVELOPE_MAGIC[0]
        if first in (_DEFLATED_FIRST if compressed else _PLAIN_FIRST):
            found = _begins_envelope(data, at, sender, max_size)
            if found or (found is None and not final):
                return at, bool(found)
    for match in _ANY_STARTS.finditer(data, sure):
        found = _begins_envelope(data, match.start(), sender, max_size)
        if found or (found is None and not final):
            return match.start(), bool(found)
    return len(data), False


class _Phase(Enum):
    HEAD = "the HTTP upgrade comes first, if it was captured"
    FRAMES = "in step"
    SEARCH = "out of step"


class WebSocketResyncDecoder(StreamDecoder["Envelope | UndecodedBytes"]):
    """Envelopes and undecoded bytes of one direction of a captured WebSocket connection.

    ``for item in decoder.feed(chunk)``, ``skip(n)`` where the capture lacks bytes, ``close()`` at the end, as
    with ``ResyncDecoder``. Never raises on account of the bytes: a message that is no envelope is a
    ``BadEnvelope``. No message is taken, nor inflated, beyond ``max_body`` bytes and a header.

    Raises ``ImportError`` when made without the package ``websockets``.
    """

    @renamed_keyword("known", "registry")
    def __init__(
        self,
        sender: Role = Role.SERVER,
        *,
        max_body: int = DEFAULT_MAX_BODY,
        registry: Registry = registry,
    ) -> None:
        try:
            from websockets.exceptions import WebSocketException
            from websockets.frames import Frame
            from websockets.streams import StreamReader
        except ImportError as error:
            raise ImportError('WebSocket traffic is read with the package "websockets": pip install ftwire') from error
        super().__init__()
        self.max_body: Final = max_body
        """Largest body taken, in bytes."""
        self.classes: Final = MessageClasses(sender, registry)
        """Message classes of what ``sender`` sends."""
        self.complete = False
        """The HTTP upgrade was captured, and every byte since then, without damage."""
        self._max_message: Final = max_body + SERVER_HEADER_SIZE
        self._phase = _Phase.HEAD
        self._undecoded = 0  # bytes passed over and not yet reported; they end at offset
        self._missing = 0  # how many of those were never captured
        self._error: WireError | None = None  # why bytes were given up, until they are reported
        self._pass = 0  # bytes still to come of a frame that is passed over, since others of it are missing
        self._tried = 0  # 1 when the byte at offset is known to start no envelope
        self._message: bytearray | None = None  # the parts so far of a message in several frames
        self._message_at = 0
        self._opcode = 0
        self._compressed = False
        self._inflater: PerMessageDeflate | None = None  # made when a compressed message comes: it takes 40 KiB
        self._reader = StreamReader()
        self._parser = Frame.parse
        self._refusal = WebSocketException

    @staticmethod
    def _new_inflater() -> PerMessageDeflate:
        from websockets.extensions.permessage_deflate import PerMessageDeflate

        # The largest window with context takeover inflates whatever parameters were agreed on.
        return PerMessageDeflate(
            remote_no_context_takeover=False,
            local_no_context_takeover=True,  # nothing is sent: saves the compressor
            remote_max_window_bits=zlib.MAX_WBITS,
            local_max_window_bits=zlib.MAX_WBITS,
        )

    def skip(self, length: int) -> Iterator[Envelope | UndecodedBytes]:
        """Take note that the capture lacks the next ``length`` bytes; iterate over the items that this completes."""
        if length <= 0:
            return
        yield from self._read_all()
        buffer, frame = self.buffer, self._begun()
        held = len(buffer)
        if frame is not None and held + length <= frame.header + frame.length:
            # The missing bytes are within one frame, and where that ends is known: still in step.
            self._lose()
            self._pass = frame.header + frame.length - held
            self._pass_over(held)
            buffer.consume(held)
        elif length > self._pass:
            yield from self._settle(final=True)
            self._lose()
            self._phase = _Phase.SEARCH
            self._tried = 0
        self._pass = max(0, self._pass - length)
        self._pass_over(length)
        self._missing += length

    def _begun(self) -> _Frame | None:
        """Return the frame that the bytes held begin with, where its length is known."""
        buffer = self.buffer
        buffer.join()
        if self._phase is not _Phase.FRAMES or not len(buffer):
            return None
        frame = _measure(buffer.data, buffer.start, self.classes.sender, self._max_message)
        return frame if isinstance(frame, _Frame) else None

    @property
    def memory(self) -> int:
        """Bytes of memory, about, that is held for messages to come."""
        message = len(self._message) if self._message is not None else 0
        return self.buffer.memory + message + (_INFLATER_SIZE if self._inflater is not None else 0)

    def give_up(self, error: WireError) -> Iterator[Envelope | UndecodedBytes]:
        """Pass over the bytes that wait for the rest of their message, for this reason; return what that leaves."""
        buffer, frame = self.buffer, self._begun()
        held = len(buffer)
        if frame is not None:
            # Still in step: where the frame ends is known.
            self._pass = frame.header + frame.length - held
        elif held:
            self._phase = _Phase.SEARCH
            self._tried = 0
        self._lose()
        self._pass_over(held)
        buffer.clear()
        self._error = error
        if self._undecoded:
            yield self._report()
            self._error = error

    def close(self) -> Iterator[Envelope | UndecodedBytes]:
        """Take note that the stream has ended; iterate over the items that are left of it."""
        yield from self._read_all()
        self.buffer.join()
        truncated = self._phase is _Phase.FRAMES and (len(self.buffer) > 0 or self._message is not None)
        for item in self._settle(final=True):
            truncated = False
            yield item
        self._lose()
        if self._undecoded:
            yield self._report(truncated=truncated)

    def read(self, data: Buffer | None = None) -> list[Envelope | UndecodedBytes]:
        """Take the next bytes of the stream, if any; return all items that are complete."""
        if data is not None:
            self.buffer.add(data)
        return [] if self.buffer.lacking > 0 else self._settle(final=False)

    def _pass_over(self, length: int) -> None:
        self._undecoded += length
        self.offset += length

    def _report(self, *, truncated: bool = False) -> UndecodedBytes:
        undecoded = UndecodedBytes(
            self.offset - self._undecoded, self._undecoded, self._missing, truncated, self._error
        )
        self._undecoded = self._missing = 0
        self._error = None
        return undecoded

    def _lose(self) -> None:
        """Give up the message that has begun, and what later ones refer to: bytes are missing here, or damaged."""
        if self._message is not None:
            self._undecoded = max(self._undecoded, self.offset - self._message_at)
            self._message = None
        self._inflater = None
        self.complete = False

    def _settle(self, *, final: bool) -> list[Envelope | UndecodedBytes]:
        """Return the items that are complete; keep the bytes after them, unless the stream has ended."""
        buffer = self.buffer
        data, start = buffer.data, buffer.start
        size = len(data)
        sender = self.classes.sender
        items: list[Envelope | UndecodedBytes] = []
        at = start
        needed = 0
        while True:
            if self._pass:
                passed = min(self._pass, size - at)
                self._pass -= passed
                self._pass_over(passed)
                at += passed
            if at == size:
                break
            if self._phase is _Phase.HEAD:
                end = self._end_of_head(data, at, final=final)
                if end is None:
                    needed = size - at + 1
                    break
                self.offset += end - at
                at = end
                continue
            if self._phase is _Phase.SEARCH:
                candidate, found = find_envelope(data, at + self._tried, sender, self._max_message, final=final)
                self._pass_over(candidate - at)
                at = candidate
                self._tried = 0
                if not found:
                    needed = size - at + 1
                    break
                self._phase = _Phase.FRAMES
            frame = _measure(data, at, sender, self._max_message)
            length = frame if isinstance(frame, int) else frame and frame.header + frame.length
            if length is None or (final and at + length > size):
                self._lose()
                self._phase = _Phase.SEARCH
                self._tried = 1
                continue
            if not isinstance(frame, _Frame) or at + length > size:
                needed = length
                break
            if frame.opcode == 0 and self._message is None:
                # The rest of a message whose beginning is missing or was refused.
                self._lose()
                self._pass_over(length)
                at += length
                continue
            if frame.opcode in (_TEXT, _BINARY) and self._message is not None:
                self._lose()
            if self._undecoded:
                items.append(self._report())
            raw = data[at : at + length]
            before = self.offset
            at += length
            self.offset += length
            if frame.opcode >= 8:
                continue
            item = self._take(frame, raw, before)
            if item is not None:
                items.append(item)
        buffer.consume(at - start, needed)
        return items

    def _end_of_head(self, data: bytes, at: int, *, final: bool) -> int | None:
        """Return where the HTTP head at ``at`` ends, ``at`` where there is none; ``None`` to wait for more."""
        sender = self.classes.sender
        start = _HEAD_STARTS[sender]
        beginning = data[at : at + len(start)]
        if beginning == start:
            end = _HEAD_END.search(data, at, at + MAX_HEAD)
            if end is not None:
                if _UPGRADES[sender].search(data, at, end.end()):
                    self._phase = _Phase.FRAMES
                    self.complete = True
                return end.end()
            possible = len(data) - at < MAX_HEAD
        else:
            possible = start.startswith(beginning)
        if possible and not final:
            return None
        self._phase = _Phase.SEARCH
        return at

    def _take(self, frame: _Frame, raw: bytes, before: int) -> Envelope | None:
        """Take a data frame; return the envelope, good or bad, that it completes."""
        if frame.opcode:
            self._message = bytearray()
            self._message_at = before
            self._opcode = frame.opcode
            self._compressed = frame.compressed
        message = self._message
        if message is None:
            return None
        parsed = self._parse(raw)
        if self._compressed:
            parsed.rsv1 = frame.compressed
            room = self._max_message - len(message)
            if self._inflater is None:
                self._inflater = self._new_inflater()
            try:
                # zlib takes a limit of 0 for no limit.
                parsed = self._inflater.decode(parsed, max_size=max(room, 1))
            except self._refusal as error:
                reason = f"a compressed message that cannot be inflated: {str(error) or type(error).__name__}"
                if not self.complete:
                    reason += " (it may refer to messages that are missing or were not read)"
                self._message = None
                self._lose()
                return self._bad(reason, bytes(parsed.data))
            if self._inflater.decoder.eof:
                # After a message whose last block is marked as the last, which RFC 7692 (7.2.3.4) allows, begin anew.
                self._inflater = None
        message += parsed.data
        if len(message) > self._max_message:
            self._message = None
            self._lose()
            return self._bad(f"a message of more than {self._max_message} bytes, the limit", bytes(message))
        if not frame.final:
            return None
        self._message = None
        whole = bytes(message)
        if self._opcode == _TEXT:
            return self._bad("a text message, envelopes are binary", whole)
        try:
            return open_envelope(whole, self.classes, self.max_body)
        except EnvelopeError as error:
            return BadEnvelope(self.classes, error)

    def _parse(self, raw: bytes) -> WebSocketFrame:
        """Return these bytes as a frame, unmasked but still compressed."""
        if raw[0] & _COMPRESSED:
            # The parser takes that bit for an error until the extension has removed it.
            raw = bytes((raw[0] & ~_COMPRESSED,)) + raw[1:]
        self._reader.feed_data(raw)
        try:
            next(self._parser(self._reader.read_exact, mask=self.classes.sender is Role.CLIENT))
        except StopIteration as stop:
            parsed: WebSocketFrame = stop.value
            return parsed
        raise AssertionError("a whole frame was measured")

    def _bad(self, reason: str, data: bytes) -> BadEnvelope:
        return BadEnvelope(self.classes, EnvelopeError(reason=reason, data=data))
