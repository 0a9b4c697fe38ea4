"""Frames out of a captured stream, which may have begun in the middle, lost bytes or been damaged.

A scanner is *in step* while frames follow each other. Where they do not, it looks for the next place whose
magic, length and digest agree, and reports what it passed over as ``UndecodedBytes``. Nothing that verifies is lost:
a frame with a lying length costs itself, not those it claims to contain.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from ftwire.cipher import NONE, Cipher, codec_of
from ftwire.cutting import BATCH, FIRST_BATCH, FrameReader
from ftwire.errors import BadMagicError, BodyTooLargeError, KeyRequiredError, TruncatedHeaderError, WireError
from ftwire.frame import NOTHING_HASHED, BadFrame, Frame, Role, body_digest, open_frame
from ftwire.header import (
    HEADER_SIZE,
    MAGIC,
    BodyFormat,
    HeaderFields,
    unpack_compact,
    unpack_header,
)
from ftwire.protocols import Registry, registry
from ftwire.stream import DEFAULT_MAX_BODY

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ResyncDecoder", "UndecodedBytes"]

SPARE_WORK: Final = 8
"""Bytes that may be hashed or copied in vain for each byte fed, before candidates are passed over unchecked."""

SPARE_WORK_FLOOR: Final = 1 << 20
"""The same, in bytes, before anything was fed."""

_RESERVED: Final = bytes(8)

Recover = Callable[[HeaderFields, bytes, BadFrame], Frame]
"""Called with a frame that did not open; returns it opened another way, or as it was."""


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
    """Why no frame stands where the gap begins: ``None`` where bytes are missing, or the stream began or ended
    in the middle of a frame."""


class ResyncDecoder(FrameReader["Frame | UndecodedBytes"]):
    """Frames and gaps of one direction of a captured connection.

    ``for item in scanner.feed(chunk)`` as with ``FrameDecoder``; ``skip(n)`` where the capture lacks bytes;
    ``close()`` at the end, which also returns items. Never raises on account of the bytes.

    A frame in step that does not open is a ``BadFrame`` where the next frame follows it, and otherwise a
    candidate that failed. Out of step, a frame counts only if it verifies, or (sealed, the key being unknown)
    if it looks like one and another follows.

    One kind of damage costs the next frame too: of FTAES_ECB's last block only the last byte is looked at (as by
    the vendor's SDK), so a frame cut off in that block verifies with the next one's first bytes in its place.

    Work is linear: candidates that fail are paid from a budget of ``SPARE_WORK`` bytes for each byte fed, and
    passed over unchecked once that is spent, which only a stream made for that purpose brings about.
    """

    def __init__(
        self,
        sender: Role = Role.SERVER,
        *,
        cipher: Cipher = NONE,
        max_body: int = DEFAULT_MAX_BODY,
        known: Registry = registry,
        recover: Recover | None = None,
    ) -> None:
        super().__init__(sender, cipher, max_body, known)
        self._recover = recover
        self._gap = 0  # bytes passed over and not yet reported; they end at offset
        self._missing = 0
        self._error: WireError | None = None  # what ended the step of frames before the gap
        self._tried = 0  # 1 when the byte at offset is known to start no frame
        self._spare = SPARE_WORK_FLOOR
        self._cut_off = False  # what was last looked at in step would be a frame, had it not ended here

    def feed(self, data: Buffer) -> Iterator[Frame | UndecodedBytes]:
        """Take the next bytes of the stream, in any chunking; iterate over what they settle."""
        if type(data) is not bytes:
            data = bytes(data)
        self._spare += SPARE_WORK * len(data)
        return super().feed(data)

    def whole(self, data: bytes) -> Frame | None:
        """Return the one frame that these next bytes of the stream are, where nothing waits and all is in order.

        Most packets of a capture are one push: this is what ``feed`` would come to, without its generator.
        ``None``: nothing was taken, ``feed`` tells.
        """
        for frame in self._single:
            self._put_back(frame)
        if self._running is not None or not self._in_step or self._kept or self._rest is not None or self._parts:
            return None
        size = len(data)
        cipher = self.cipher
        if cipher is not self._codec_cipher:
            self._codec_cipher = cipher
            self._codec = codec_of(cipher)
        codec = self._codec
        if codec is not None:
            cut = codec.one(data, self.max_body)
            if cut is None:
                return None
            compact, payload, body = cut
            frame_type = self.classes.frame_types[compact[0]]
        else:
            if size < HEADER_SIZE:
                return None
            compact = unpack_compact(data)
            length = compact[2]
            frame_type = self.classes.frame_types[compact[0]]
            if HEADER_SIZE + length != size or frame_type is None or length > self.max_body:
                return None
            body = payload = data[HEADER_SIZE:]
            if cipher is not NONE:
                try:
                    body = cipher.decrypt(payload)
                except WireError:
                    return None
            if body_digest(body) != compact[3]:
                return None
        self._spare += SPARE_WORK * size
        self.offset += size
        frame = Frame.__new__(Frame)
        frame._compact = compact
        frame.frame_type = frame_type  # type: ignore[assignment]  # its magic is right
        frame.payload = payload
        frame.body = body
        frame._message = None
        return frame

    def skip(self, length: int) -> Iterator[Frame | UndecodedBytes]:
        """Say that the capture lacks the next ``length`` bytes; iterate over what that settles."""
        if length <= 0:
            return
        yield from self._flush()
        self._gap += length
        self._missing += length
        self.offset += length
        self._in_step = False
        self._error = None

    def close(self) -> Iterator[Frame | UndecodedBytes]:
        """Say that the stream has ended; iterate over what is left of it."""
        self._cut_off = False
        for item in self._flush():
            self._cut_off = False
            yield item
        if self._gap:
            yield self._report(truncated=self._cut_off)

    def _flush(self) -> Iterator[Frame | UndecodedBytes]:
        """Settle everything pending as if nothing followed it; what starts no frame joins the gap."""
        self._stop()
        self._parts.append((b"", 0))  # behind what is kept
        return self._cut(final=True)

    def _open(self, fields: HeaderFields, payload: bytes) -> Frame:
        frame = open_frame(fields, payload, self.cipher, self.classes)
        if self._recover is not None and isinstance(frame, BadFrame):
            return self._recover(fields, payload, frame)
        return frame

    def _pay(self, work: int) -> bool:
        """Take ``work`` bytes from the budget; say whether they were there."""
        if work > self._spare:
            return False
        self._spare -= work
        return True

    def _report(self, *, truncated: bool = False) -> UndecodedBytes:
        gap = UndecodedBytes(self.offset - self._gap, self._gap, self._missing, truncated, self._error)
        self._gap = self._missing = 0
        self._error = None
        return gap

    def _cut(self, *, final: bool) -> Generator[Frame | UndecodedBytes]:
        frame_types = self.classes.frame_types
        max_body = self.max_body
        new = Frame.__new__
        nothing_hashed = NOTHING_HASHED
        parts = self._parts
        cipher = self.cipher
        codec = codec_of(cipher)
        ahead = FIRST_BATCH
        while parts:
            data, at = parts.pop(0) if self._rest is None and not self._kept else self._next_part()
            start, size = at, len(data)
            stuck = -1  # where the core has given up
            try:
                while True:
                    body_at = at + HEADER_SIZE
                    if self._in_step and body_at <= size:
                        if self.cipher is not cipher:
                            cipher = self.cipher
                            codec = codec_of(cipher)
                            stuck = -1
                        if codec is not None and at != stuck:
                            enough = at + ahead
                            for compact, payload, body in codec.cut(data, at, min(max_body, self._spare), ahead):
                                at += HEADER_SIZE + compact[2]
                                frame = new(Frame)
                                frame._compact = compact
                                frame.frame_type = frame_types[compact[0]]  # type: ignore[assignment]  # its magic is right
                                frame.payload = payload
                                frame.body = body
                                frame._message = None
                                yield frame
                                if self.cipher is not cipher:
                                    break
                            ahead = BATCH
                            if at < enough:
                                stuck = at
                            continue
                        # What _look, open_frame and Frame(...) do for a good frame in step, written out.
                        compact = unpack_compact(data, at)
                        frame_type = frame_types[compact[0]]
                        length = compact[2]
                        end = body_at + length
                        if end <= size and length <= max_body and length <= self._spare and frame_type is not None:
                            payload = data[body_at:end]
                            try:
                                body = payload if cipher is NONE else cipher.decrypt(payload)
                                hashed = nothing_hashed.copy()
                                hashed.update(body)
                                opened = hashed.digest() == compact[3]
                            except WireError:
                                opened = False
                            if opened:
                                at = end
                                frame = new(Frame)
                                frame._compact = compact
                                frame.frame_type = frame_type
                                frame.payload = payload
                                frame.body = body
                                frame._message = None
                                yield frame
                                continue
                            self._spare -= length
                        elif end > size and length <= max_body and frame_type is not None and not final:
                            self._want = HEADER_SIZE + length
                            break
                    self.offset += at - start
                    start = at
                    if not self._in_step:
                        at = self._find(data, at, final=final)
                        start = at
                    if at == size:
                        self._want = 0
                        break
                    found = self._look(data, at, final=final)
                    if isinstance(found, int):
                        self._want = found
                        break
                    if found is None:
                        self._in_step = False
                        self._tried = 1
                        continue
                    if self._gap:
                        yield self._report()
                    self._in_step = True
                    at += len(found)
                    yield found
            finally:
                self.offset += at - start
                self._keep(data, at)
        self._running = None

    def _find(self, data: bytes, at: int, *, final: bool) -> int:
        """Pass over what starts no frame; return where one may start, or the end of the data."""
        start = data.find(MAGIC, at + self._tried)
        if start < 0:
            # A last "F" may be the first half of a magic.
            start = len(data) - (not final and data.endswith(b"F", at + self._tried))
        self._gap += start - at
        self.offset += start - at
        self._tried = 0
        return start

    def _look(self, data: bytes, at: int, *, final: bool) -> Frame | int | None:
        """Return the frame at ``at``; how many bytes from there are needed to tell; or that there is none."""
        size = len(data)
        magic = data[at : at + 2]
        if magic != MAGIC and not MAGIC.startswith(magic):
            self._refuse(BadMagicError(actual=magic, offset=self.offset))
            return None
        if at + HEADER_SIZE > size:
            if not final:
                return HEADER_SIZE if len(magic) == len(MAGIC) else len(MAGIC)
            self._cut_off |= self._in_step
            self._refuse(TruncatedHeaderError(expected=HEADER_SIZE, actual=size - at))
            return None
        fields: HeaderFields = unpack_header(data, at)
        length = HEADER_SIZE + fields[5]
        if fields[5] > self.max_body:
            if self._in_step:
                self._refuse(
                    BodyTooLargeError(limit=self.max_body, actual=fields[5], proto_id=fields[1], offset=self.offset)
                )
            return None
        end = at + length
        if end > size:
            self._cut_off |= final and self._in_step
            # Waiting copies what is pending once more.
            return length if not final and (self._in_step or self._pay(size - at)) else None
        if not self._pay(length):
            return None
        frame = self._open(fields, data[at + HEADER_SIZE : end])
        error = frame.error
        if error is None:
            self._spare += length
            return frame
        sealed = isinstance(error, KeyRequiredError)
        if sealed and self._in_step:
            self._spare += length
            return frame
        if not self._in_step and not (sealed and _plausible(fields)):
            return None
        if data.startswith(MAGIC, end) or (final and end == size):
            if self._in_step and self._holds_a_frame(data, at + len(MAGIC), end):
                self._refuse(error)
                return None
            self._spare += length
            return frame
        if final or not MAGIC.startswith(data[end : end + 2]):
            self._refuse(error)
            return None
        return length + len(MAGIC)

    def _holds_a_frame(self, data: bytes, start: int, end: int) -> bool:
        """Say whether a frame that verifies stands in these bytes: then they were none, and a length lied.

        A lie may well end where some later frame does, and that frame begin in what looked like the header.
        """
        classes = self.classes
        while (start := data.find(MAGIC, start, end)) >= 0:
            body_at = start + HEADER_SIZE
            if body_at > end:
                break
            fields: HeaderFields = unpack_header(data, start)
            body_end = body_at + fields[5]
            if body_end <= end:
                if not self._pay(HEADER_SIZE + fields[5]):
                    break
                if open_frame(fields, data[body_at:body_end], self.cipher, classes).error is None:
                    return True
            start += 1
        return False

    def _refuse(self, error: WireError) -> None:
        """Keep the reason for which the frames in step end here."""
        if self._in_step:
            self._error = error


def _plausible(fields: HeaderFields) -> bool:
    """Say whether a header that cannot be verified looks like those that are sent today."""
    return fields[2] <= BodyFormat.JSON and fields[3] == 0 and fields[7] == _RESERVED
