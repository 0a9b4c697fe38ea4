"""Frames out of a captured stream, which may have begun in the middle, lost bytes or been damaged.

A ``ResyncDecoder`` is *in step* while frames follow each other. Where they do not, it searches for the next place whose
magic, length and digest agree, and reports the bytes before it as ``UndecodedBytes``. No frame that verifies is lost:
a frame with a wrong length costs itself, not the frames that this length spans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from ftwire._renamed import renamed_keyword
from ftwire.cipher import NONE, Cipher
from ftwire.errors import BadMagicError, BodyTooLargeError, KeyRequiredError, TruncatedHeaderError, WireError
from ftwire.frame import BadFrame, Frame, Role, open_frame
from ftwire.framing import FrameReader
from ftwire.header import HEADER_SIZE, MAGIC, BodyFormat, PackedHeader, unpack_packed_header
from ftwire.protocols import Registry, registry
from ftwire.stream import DEFAULT_MAX_BODY

__all__ = ["ResyncDecoder", "UndecodedBytes"]

SPARE_WORK: Final = 8
"""Bytes that may be hashed or copied in vain for each byte fed, before candidates are passed over unchecked."""

SPARE_WORK_FLOOR: Final = 1 << 20
"""The same, in bytes, before anything was fed."""

Recover = Callable[[BadFrame], Frame]
"""Called with a frame that did not open; returns it opened in another way, or as it was."""


class UndecodedBytes(NamedTuple):
    """Bytes of a stream that are part of no frame."""

    offset: int
    """Where in the stream they begin, in bytes from its start."""
    length: int
    """How many, those never captured included."""
    missing: int
    """How many of them were never captured."""
    truncated: bool
    """The stream ended here, inside a frame that began in step."""
    error: WireError | None = None
    """Why there is no frame where they begin: ``None`` where bytes are missing, or the stream began or ended in the
    middle of a frame."""


class ResyncDecoder(FrameReader["UndecodedBytes"]):
    """Frames and undecoded bytes of one direction of a captured connection.

    ``for item in decoder.feed(chunk)`` as with ``FrameDecoder``; ``skip(n)`` where the capture lacks bytes; ``close()``
    at the end, which also returns items. Never raises on account of the bytes.

    A frame in step that does not open is a ``BadFrame`` where the next frame follows it, and otherwise a candidate that
    failed. Out of step, a frame counts only if it verifies, or (encrypted, the key being unknown) if its header could
    be sent today and another frame follows.

    One kind of damage costs the next frame too: of FTAES_ECB's last block only the last byte is checked (as by the
    vendor's SDK), so a frame cut off in that block verifies with the next one's first bytes in its place.

    The work is linear: for each byte fed, ``SPARE_WORK`` bytes of failing candidates are hashed or copied. Beyond that,
    which only a stream made for this purpose reaches, candidates are passed over unchecked.
    """

    @renamed_keyword("known", "registry")
    def __init__(
        self,
        sender: Role = Role.SERVER,
        *,
        cipher: Cipher = NONE,
        max_body: int = DEFAULT_MAX_BODY,
        registry: Registry = registry,
        recover: Recover | None = None,
    ) -> None:
        super().__init__(sender, cipher, max_body, registry)
        self._recover = recover
        self._final = False  # no bytes follow those received
        self._undecoded = 0  # bytes passed over and not yet reported; they end at offset
        self._missing = 0  # how many of those were never captured
        self._error: WireError | None = None  # why the frames in step ended before them
        self._tried = 0  # 1 when the byte at offset is known to start no frame
        self._skipped = 0  # bytes never captured, of those before offset
        self._spent = 0  # bytes of work done in vain
        self._cut_off = False  # the last candidate in step would be a frame, had the stream not ended in it
        self.unconfirmed = 0
        """Bytes of the frame in step, whole and at the end of what was received, that does not open and that waits for
        the next frame's magic; 0 where none does."""

    def skip(self, length: int) -> Iterator[Frame | UndecodedBytes]:
        """Take note that the capture lacks the next ``length`` bytes; iterate over the items that this completes."""
        if length <= 0:
            return
        yield from self._flush()
        self._pass_over(length)
        self._missing += length
        self._skipped += length
        self._in_step = False
        self._error = None

    def give_up(self, error: WireError) -> Iterator[Frame | UndecodedBytes]:
        """Pass over the bytes that wait for the rest of their frame, for this reason; iterate over what that leaves."""
        length = self.pending
        if not length:
            return
        self.buffer.clear()
        self._pass_over(length)
        self._in_step = False
        self._tried = 0
        self._error = error
        yield self._report()
        # The rest of that frame is still to come.
        self._error = error

    def settle(self) -> Sequence[Frame]:
        """Return the ``unconfirmed`` frame, if there is one, without waiting for what follows it.

        For a reader of both directions: whoever is answered has sent all there is for now.
        """
        unconfirmed, self.unconfirmed = self.unconfirmed, 0
        if not unconfirmed or unconfirmed != self.pending:
            return ()
        self.buffer.join()
        self._final = True
        frame = self._look()
        self._final = False
        if not isinstance(frame, Frame):
            self.buffer.consume(0, unconfirmed + len(MAGIC))
            return ()
        self.buffer.consume(unconfirmed)
        self.offset += unconfirmed
        return (frame,)

    def close(self) -> Iterator[Frame | UndecodedBytes]:
        """Take note that the stream has ended; iterate over the items that are left of it."""
        self._cut_off = False
        for item in self._flush():
            self._cut_off = False
            yield item
        if self._undecoded:
            yield self._report(truncated=self._cut_off)

    def _flush(self) -> Iterator[Frame | UndecodedBytes]:
        """Settle all bytes received as if nothing followed them; those that start no frame are passed over."""
        yield from self._read_all()
        self.buffer.join()
        self._final = True
        while self.pending:
            yield from self.read()
        self._final = False

    def _read_on(self) -> list[Frame | UndecodedBytes]:
        buffer = self.buffer
        if buffer.lacking > 0 and not self._final:
            return []
        self.unconfirmed = 0
        while True:
            if not self._in_step:
                self._search()
            if buffer.start == len(buffer.data):
                buffer.consume(0)
                return []
            found = self._look()
            if isinstance(found, int):
                buffer.consume(0, found)
                return []
            if found is not None:
                break
            self._in_step = False
            self._tried = 1
        buffer.consume(len(found))
        items: list[Frame | UndecodedBytes] = [self._report(), found] if self._undecoded else [found]
        self.offset += len(found)
        self._in_step = True
        return items

    def _search(self) -> None:
        """Pass over bytes up to the next that may start a frame, or all of them."""
        data, at = self.buffer.data, self.buffer.start
        found = data.find(MAGIC, at + self._tried)
        if found < 0:
            # A last "F" may be the first half of a magic.
            found = len(data) - (not self._final and data.endswith(b"F", at + self._tried))
        self.buffer.consume(found - at)
        self._pass_over(found - at)
        self._tried = 0

    def _look(self) -> Frame | int | None:
        """Return the frame at the front of the buffer, or how many bytes are needed to decide, or that there is none.

        In step, that is the frame at which ``take`` stopped.
        """
        data, at, final = self.buffer.data, self.buffer.start, self._final
        available = len(data) - at
        magic = data[at : at + len(MAGIC)]
        if not MAGIC.startswith(magic):
            return self._refused(BadMagicError(actual=magic, offset=self.offset))
        if available < HEADER_SIZE:
            if not final:
                return HEADER_SIZE if magic == MAGIC else len(MAGIC)
            self._cut_off |= self._in_step
            return self._refused(TruncatedHeaderError(expected=HEADER_SIZE, actual=available))
        header: PackedHeader = unpack_packed_header(data, at)
        frame_type, body_length = self.classes.frame_types[header[0]], header[2]
        if body_length > self.max_body:
            proto_id, offset = frame_type.proto_id, self.offset
            return self._refused(
                BodyTooLargeError(limit=self.max_body, actual=body_length, proto_id=proto_id, offset=offset)
            )
        length = HEADER_SIZE + body_length
        if available < length:
            self._cut_off |= final and self._in_step
            # Waiting copies the bytes that are there once more.
            return length if not final and (self._in_step or self._pay(available)) else None
        if self._in_step:
            self._spent += body_length  # take has hashed it in vain
        if not self._pay(length):
            return None
        end = at + length
        frame = open_frame(header, data[at + HEADER_SIZE : end], self.cipher, frame_type)
        if self._recover is not None and isinstance(frame, BadFrame):
            frame = self._recover(frame)
        error = frame.error
        key_unknown = isinstance(error, KeyRequiredError)
        if error is None or (key_unknown and self._in_step):
            self._spent -= length
            return frame
        if not self._in_step and not (key_unknown and _could_be_sent_today(frame)):
            return None
        if data.startswith(MAGIC, end) or (final and available == length):
            if self._in_step and self._holds_a_frame(data, at + len(MAGIC), end):
                return self._refused(error)
            self._spent -= length
            return frame
        if final or not MAGIC.startswith(data[end : end + len(MAGIC)]):
            return self._refused(error)
        self.unconfirmed = length if self._in_step and available == length else 0
        return length + len(MAGIC)

    def _holds_a_frame(self, data: bytes, start: int, end: int) -> bool:
        """Return whether a frame that verifies is in these bytes: if so, the outer frame's length is wrong.

        It may end where a later frame does, and begin in the bytes that were read as the outer frame's header.
        """
        while (start := data.find(MAGIC, start, end)) >= 0:
            body_at = start + HEADER_SIZE
            if body_at > end:
                break
            header = unpack_packed_header(data, start)
            body_end = body_at + header[2]
            if body_end <= end:
                if not self._pay(HEADER_SIZE + header[2]):
                    break
                frame_type = self.classes.frame_types[header[0]]
                if open_frame(header, data[body_at:body_end], self.cipher, frame_type).error is None:
                    return True
            start += 1
        return False

    def _pass_over(self, length: int) -> None:
        self._undecoded += length
        self.offset += length

    def _report(self, *, truncated: bool = False) -> UndecodedBytes:
        length = self._undecoded
        undecoded = UndecodedBytes(self.offset - length, length, self._missing, truncated, self._error)
        self._undecoded = self._missing = 0
        self._error = None
        return undecoded

    def _pay(self, work: int) -> bool:
        """Take ``work`` bytes from the budget; return whether so many were left."""
        received = self.offset + len(self.buffer) - self._skipped
        if self._spent + work > SPARE_WORK_FLOOR + SPARE_WORK * received:
            return False
        self._spent += work
        return True

    def _refused(self, error: WireError) -> Frame | None:
        """Return that there is no frame, and keep the reason if the frames in step end here."""
        if self._in_step:
            self._error = error
        return None


def _could_be_sent_today(frame: Frame) -> bool:
    """Return whether a header that cannot be verified has a known format and version, and no reserved bits."""
    frame_type = frame.frame_type
    return frame_type.body_format <= BodyFormat.JSON and frame_type.version == 0 and frame.packed_header[4] == 0
