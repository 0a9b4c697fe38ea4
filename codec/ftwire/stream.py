"""Frames out of the byte stream of one direction, whatever its chunking.

``FrameDecoder`` is for a live connection: what does not look like a frame there is fatal, since nothing after
it can be trusted. For captures, ``FrameScanner`` (``ftwire.scan``) looks for the next good frame instead.

Cost is linear in the input: a chunk is copied while the frame it belongs to is incomplete, and each payload
once out of it. Memory is bounded by the largest body allowed plus one chunk.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from ftwire.cipher import NONE, Cipher
from ftwire.errors import BadMagicError, BodyTooLargeError, HeaderError, RemoteProtocolError, WireError
from ftwire.frame import NOTHING_HASHED, BadFrame, Frame, MessageClasses, Role, open_frame
from ftwire.header import HEADER_SIZE, MAGIC, unpack_header
from ftwire.protocols import Registry, registry

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["DEFAULT_MAX_BODY", "FrameDecoder"]

DEFAULT_MAX_BODY: Final = 64 * 1024 * 1024
"""Largest body taken by default, in bytes. OpenD's own limit is unknown; clients chose 10 to 100 MiB."""

Item = TypeVar("Item")


class ChunkReader(Generic[Item]):
    """Chunks in, items out, nothing lost in between.

    ``feed`` returns an iterator over what became whole. It may be dropped before its first step or half-way:
    what it did not take comes first in the next one.
    """

    def __init__(self) -> None:
        self._kept = bytearray()
        self._want = 0  # bytes from the start of _kept without which there is nothing to do
        self._parts: list[tuple[bytes, int]] = []  # buffers to cut next, each from an offset on
        self._running: Generator[Item] | None = None

    @property
    def pending(self) -> int:
        """Bytes fed that are not part of anything returned yet."""
        return len(self._kept) + sum(len(data) - at for data, at in self._parts)

    def feed(self, data: Buffer) -> Iterator[Item]:
        """Take the next bytes of the stream, in any chunking; iterate over what they complete."""
        if self._running is not None:
            self._stop()
        if type(data) is not bytes:
            data = bytes(data)
        kept = self._kept
        at = 0
        if kept:
            missing = self._want - len(kept)
            if missing > len(data):
                kept += data
                return iter(())
            if self._want > HEADER_SIZE and missing > 0:
                # Only the frame that is known to end here is joined; the rest of the chunk stays where it is.
                at = missing
                kept += data[:missing]
                self._parts.append((bytes(kept), 0))
                kept.clear()
        self._parts.append((data, at))
        self._running = running = self._cut(final=False)
        return running

    def _stop(self) -> None:
        """Take back what the last generator, if any, has not taken."""
        if self._running is not None:
            self._running.close()
            self._running = None
        while (part := self._next_part()) is not None:
            self._kept += part[0][part[1] :]

    def _whole(self) -> bytes:
        """Return all that waits to be cut as one buffer, for a reader to which parts mean nothing."""
        whole = bytearray()
        while (part := self._next_part()) is not None:
            whole += part[0][part[1] :]
        return bytes(whole)

    def _next_part(self) -> tuple[bytes, int] | None:
        """Return the next buffer to cut and where to begin in it, after what was kept of the last one."""
        if not self._parts:
            return None
        data, at = self._parts.pop(0)
        kept = self._kept
        if kept:
            kept += data[at:]
            data, at = bytes(kept), 0
            kept.clear()
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

    def _cut(self, *, final: bool) -> Generator[Frame]:  # noqa: ARG002 - a live stream knows no last chunk
        if self.failure is not None:
            raise self.failure
        max_body = self.max_body
        classes = self.classes
        new = Frame.__new__
        nothing_hashed = NOTHING_HASHED
        while (part := self._next_part()) is not None:
            data, at = part
            start, size = at, len(data)
            try:
                while (body_at := at + HEADER_SIZE) <= size:
                    fields = unpack_header(data, at)
                    if fields[0] != MAGIC:
                        break
                    length = fields[5]
                    if length > max_body:
                        offset = self.offset + at - start
                        raise self._fail(
                            BodyTooLargeError(limit=max_body, actual=length, proto_id=fields[1], offset=offset)
                        )
                    end = body_at + length
                    if end > size:
                        self._want = end - at
                        break
                    payload = data[body_at:end]
                    at = end
                    cipher = self.cipher
                    # From here on this is open_frame and Frame(...), written out: calls are what costs here.
                    if cipher is NONE:
                        body = payload
                    else:
                        try:
                            body = cipher.decrypt(payload)
                        except WireError as error:
                            yield BadFrame(fields, payload, classes, error)
                            continue
                    hashed = nothing_hashed.copy()
                    hashed.update(body)
                    if hashed.digest() != fields[6]:
                        yield open_frame(fields, payload, cipher, classes)
                        continue
                    frame = new(Frame)
                    frame._fields = fields
                    frame.payload = payload
                    frame.body = body
                    frame.classes = classes
                    frame._message = None
                    yield frame
                else:
                    self._want = HEADER_SIZE
                magic = data[at : at + 2]
                if len(magic) == 2 and magic != MAGIC:
                    raise self._fail(BadMagicError(actual=magic, offset=self.offset + at - start))
            finally:
                self.offset += at - start
                self._kept += data[at:]

    def _fail(self, error: HeaderError) -> HeaderError:
        self.failure = error
        return error
