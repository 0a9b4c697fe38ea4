"""Frames out of the byte stream of one direction, whatever its chunking.

``FrameDecoder`` is for a live connection: what does not look like a frame there is fatal, since nothing after
it can be trusted. For captures, ``FrameScanner`` (``ftwire.scan``) looks for the next good frame instead.

Cost is linear in the input: a chunk is copied while the frame it belongs to is incomplete, and each payload
once out of it. Memory is bounded by the largest body allowed plus one chunk.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ftwire.cipher import NONE, Cipher, codec_of
from ftwire.errors import BadMagicError, BodyTooLargeError, HeaderError, RemoteProtocolError, WireError
from ftwire.frame import NOTHING_HASHED, Frame, MessageClasses, Role, open_frame
from ftwire.header import HEADER_SIZE, MAGIC, CompactFields, unpack_compact, unpack_header
from ftwire.protocols import Registry, registry

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["DEFAULT_MAX_BODY", "FrameDecoder"]

DEFAULT_MAX_BODY: Final = 64 * 1024 * 1024
"""Largest body taken by default, in bytes. OpenD's own limit is unknown; clients chose 10 to 100 MiB."""

WORTH_WAITING: Final = 1024
"""Bytes of an incomplete frame that are not copied when its chunk ends, but kept in that chunk."""

SMALL_CHUNK: Final = 4 * 1024
"""Bytes of a chunk up to which it is copied behind what is kept: cutting two buffers costs more than that."""

FIRST_BATCH: Final = 4 * 1024
"""Bytes of frames that the compiled core verifies ahead at first: who wants just one has not paid for a chunk."""
BATCH: Final = 16 * 1024
"""The same from then on: as much as is still in the processor's cache when its messages are parsed."""

_NOTHING: Final[Iterator[Any]] = iter(())
"""What a chunk gives that completes nothing: an iterator at its end stays there."""

Item = TypeVar("Item")


class ChunkReader(Generic[Item]):
    """Chunks in, items out, nothing lost in between.

    ``feed`` returns an iterator over what became whole. It may be dropped before its first step or half-way:
    what it did not take comes first in the next one.
    """

    def __init__(self) -> None:
        self._kept = bytearray()
        self._rest: tuple[bytes, int] | None = None  # what is kept, when that is the end of one large buffer
        self._want = 0  # bytes from the start of what is kept without which there is nothing to do; 0 while cutting
        self._lack = 0  # how many of those are still to come, where all else is in _kept
        self._parts: list[tuple[bytes, int]] = []  # buffers to cut next, each from an offset on
        self._running: Generator[Item] | None = None

    @property
    def pending(self) -> int:
        """Bytes fed that are not part of anything returned yet."""
        rest = 0 if self._rest is None else len(self._rest[0]) - self._rest[1]
        return rest + len(self._kept) + sum(len(data) - at for data, at in self._parts)

    def feed(self, data: Buffer) -> Iterator[Item]:
        """Take the next bytes of the stream, in any chunking; iterate over what they complete."""
        if type(data) is bytes and (lack := self._lack - len(data)) > 0:
            # Small chunks, for a frame that is far from whole: nothing else is to be done.
            self._lack = lack
            kept = self._kept
            kept += data
            return _NOTHING
        if self._running is not None:
            self._running.close()
            self._running = None
            if self._parts:
                self._take_back()
        self._lack = 0
        if type(data) is not bytes:
            data = bytes(data)
        at = 0
        kept = self._kept
        if kept or self._rest is not None:
            rest = kept if self._rest is None else memoryview(self._rest[0])[self._rest[1] :]
            missing = self._want - len(rest)
            if missing > len(data):
                if self._rest is not None:
                    self._gather()
                kept += data
                self._lack = missing - len(data)
                return _NOTHING
            if self._want > HEADER_SIZE and missing > 0 and len(data) > SMALL_CHUNK:
                # Only the frame that is known to end here is joined; the rest of the chunk stays where it is.
                at = missing
                self._parts.append((b"".join((rest, memoryview(data)[:missing])), 0))
                self._rest = None
                kept.clear()
            elif len(kept) + len(data) <= HEADER_SIZE and (want := self._awaited(kept + data)):
                kept += data
                self._want = want
                self._lack = want - len(kept)
                return _NOTHING
        if at < len(data) or not self._parts:
            self._parts.append((data, at))
        self._want = 0
        self._running = running = self._cut(final=False)
        return running

    def _awaited(self, start: bytearray) -> int:  # noqa: ARG002 - this one looks at nothing
        """Say how many bytes are needed when there are these, a header's at most; 0 where that takes cutting."""
        return 0

    def _stop(self) -> None:
        """Take back what the last generator, if any, has not taken."""
        if self._running is not None:
            self._running.close()
            self._running = None
        self._take_back()

    def _take_back(self) -> None:
        """Have all that waits in ``_kept``."""
        self._want = self._lack = 0
        self._gather()
        for data, at in self._parts:
            self._kept += data[at:]
        self._parts.clear()

    def _keep(self, data: bytes, at: int) -> None:
        """Keep the end of a buffer, or nothing, for the next call."""
        kept = self._kept
        if at < len(data):
            if len(data) - at > WORTH_WAITING and not kept:
                self._rest = data, at
                return
            kept += data[at:]
        self._lack = self._want - len(kept)

    def _gather(self) -> None:
        """Have all that is kept in ``_kept``."""
        if self._rest is not None:
            data, at = self._rest
            self._rest = None
            self._kept += memoryview(data)[at:]

    def _whole(self) -> bytes:
        """Return all that waits to be cut as one buffer, for a reader to which parts mean nothing."""
        self._take_back()
        whole = bytes(self._kept)
        self._kept.clear()
        return whole

    def _next_part(self) -> tuple[bytes, int]:
        """Return the next buffer to cut and where to begin in it, after what was kept of the last one."""
        data, at = self._parts.pop(0)
        if self._rest is not None:
            self._gather()
        kept = self._kept
        if kept:
            data, at = b"".join((kept, memoryview(data)[at:] if at else data)), 0
            kept.clear()
            self._want = self._lack = 0
        return data, at

    def _cut(self, *, final: bool) -> Generator[Item]:
        raise NotImplementedError


class FrameDecoder(ChunkReader[Frame]):
    """Frames of one direction of a live connection.

    ``for frame in decoder.feed(chunk)`` gives every frame that is whole by then. A frame whose digest or
    padding is wrong comes as a ``BadFrame`` and costs nothing but itself, as in the vendor's SDK. Wrong magic
    and a body above ``max_body`` raise ``BadMagicError`` and ``BodyTooLargeError`` from the iteration, after
    the frames that came before; the decoder then raises the same error for ever.

    ``cipher`` is read anew for every frame: setting it between two frames of one chunk is how a connection
    goes from RSA to AES.
    """

    def __init__(
        self,
        sender: Role = Role.SERVER,
        *,
        cipher: Cipher = NONE,
        max_body: int = DEFAULT_MAX_BODY,
        known: Registry = registry,
    ) -> None:
        super().__init__()
        self.cipher = cipher
        """Decrypts the frames from here on."""
        self.max_body: Final = max_body
        """Largest body taken, in bytes on the wire."""
        self.classes: Final = MessageClasses(sender, known)
        """Message classes of what ``sender`` sends."""
        self.failure: HeaderError | None = None
        """The fatal error, once there was one."""
        self.offset = 0
        """Stream offset of the first byte kept for the next call."""

    def close(self) -> None:
        """Say that the stream has ended; raises ``RemoteProtocolError`` where it ends inside a frame."""
        if self.pending and self.failure is None:
            raise RemoteProtocolError(f"the stream ends {self.pending} bytes into a frame")

    def _awaited(self, start: bytearray) -> int:
        if not start.startswith(MAGIC):
            return 0
        if len(start) < HEADER_SIZE:
            return HEADER_SIZE
        length = unpack_compact(start)[2]
        return HEADER_SIZE + length if 0 < length <= self.max_body else 0

    def _cut(self, *, final: bool) -> Generator[Frame]:  # noqa: ARG002 - a live stream knows no last chunk
        if self.failure is not None:
            raise self.failure
        shapes = self.classes.shapes
        new = Frame.__new__
        copy_hash = NOTHING_HASHED.copy
        parts = self._parts
        largest = self.max_body
        cipher = self.cipher
        codec = codec_of(cipher)
        ahead = FIRST_BATCH
        while parts:
            data, at = parts.pop(0) if self._rest is None and not self._kept else self._next_part()
            start, size = at, len(data)
            stuck = -1  # where the core has given up
            # What fits in here is within the limit, unless the buffer itself is larger than the limit.
            fitting = size if size <= largest else -1
            try:
                while (body_at := at + HEADER_SIZE) <= size:
                    if self.cipher is not cipher:
                        cipher = self.cipher
                        codec = codec_of(cipher)
                        stuck = -1
                    if codec is not None and at != stuck:
                        enough = at + ahead
                        for compact, payload, body in codec.cut(data, at, largest, ahead):
                            at += HEADER_SIZE + compact[2]
                            frame = new(Frame)
                            frame._compact = compact
                            frame._shape = shapes[compact[0]]  # type: ignore[assignment]  # its magic is right
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
                    compact = unpack_compact(data, at)
                    shape = shapes[compact[0]]
                    end = body_at + compact[2]
                    if shape is None or (end > fitting and not self._is_whole(compact, at - start, size - body_at)):
                        break
                    payload = data[body_at:end]
                    # From here on this is open_frame and Frame(...), written out: calls are what costs here.
                    if cipher is NONE:
                        body = payload
                    else:
                        try:
                            body = cipher.decrypt(payload)
                        except WireError:
                            fields = unpack_header(data, at)
                            at = end
                            yield open_frame(fields, payload, cipher, self.classes)
                            continue
                    hashed = copy_hash()
                    hashed.update(body)
                    if hashed.digest() != compact[3]:
                        fields = unpack_header(data, at)
                        at = end
                        yield open_frame(fields, payload, cipher, self.classes)
                        continue
                    at = end
                    frame = new(Frame)
                    frame._compact = compact
                    frame._shape = shape
                    frame.payload = payload
                    frame.body = body
                    frame._message = None
                    yield frame
                else:
                    # A wrong magic shows in two bytes: the verdict must not depend on how they were cut.
                    self._want = HEADER_SIZE if size - at >= len(MAGIC) else len(MAGIC)
                if at < size - 1 and not data.startswith(MAGIC, at):
                    raise self._fail(BadMagicError(actual=data[at : at + 2], offset=self.offset + at - start))
            finally:
                self.offset += at - start
                if at < size:
                    self._keep(data, at)
                else:
                    self._lack = self._want
        self._running = None

    def _is_whole(self, compact: CompactFields, consumed: int, available: int) -> bool:
        """Say whether the body of a frame is there, and note what it waits for; raise where it is too large."""
        first, length = compact[0], compact[2]
        if length > self.max_body:
            shape = self.classes.shapes[first]
            proto_id = 0 if shape is None else shape.proto_id
            offset = self.offset + consumed
            raise self._fail(BodyTooLargeError(limit=self.max_body, actual=length, proto_id=proto_id, offset=offset))
        if length <= available:
            return True
        self._want = HEADER_SIZE + length
        return False

    def _fail(self, error: HeaderError) -> HeaderError:
        self.failure = error
        self._want = 0  # whatever comes next, however little, is answered with the error
        return error
