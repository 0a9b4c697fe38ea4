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
from ftwire.errors import BadMagicError, BodyTooLargeError, HeaderError, RemoteProtocolError
from ftwire.frame import Frame, MessageClasses, Role, open_frame
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
        self._data: bytes | None = None  # taken from _kept, for a generator that has not started yet
        self._running: Generator[Item] | None = None

    @property
    def pending(self) -> int:
        """Bytes fed that are not part of anything returned yet."""
        return len(self._kept) + len(self._data or b"")

    def feed(self, data: Buffer) -> Iterator[Item]:
        """Take the next bytes of the stream, in any chunking; iterate over what they complete."""
        self._stop()
        kept = self._kept
        if kept:
            kept += data
            if len(kept) < self._want:
                return iter(())
            self._data = bytes(kept)
            kept.clear()
        else:
            self._data = data if type(data) is bytes else bytes(data)
        self._running = running = self._cut(final=False)
        return running

    def _stop(self) -> None:
        """Take back what the last generator, if any, has not taken."""
        if self._running is not None:
            self._running.close()
            self._running = None
            if self._data is not None:
                self._kept += self._data
                self._data = None

    def _start(self) -> bytes:
        """Hand the waiting bytes to a generator that now begins."""
        data = self._data or b""
        self._data = None
        return data

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
        """Stream offset of the first byte that no frame returned so far has taken."""

    def close(self) -> None:
        """Say that the stream has ended; raises ``RemoteProtocolError`` where it ends inside a frame."""
        if self.pending and self.failure is None:
            raise RemoteProtocolError(f"the stream ends {self.pending} bytes into a frame")

    def _cut(self, *, final: bool) -> Generator[Frame]:  # noqa: ARG002 - a live stream knows no last chunk
        data = self._start()
        size = len(data)
        at = 0
        max_body = self.max_body
        classes = self.classes
        try:
            if self.failure is not None:
                raise self.failure
            while at + HEADER_SIZE <= size:
                fields = unpack_header(data, at)
                if fields[0] != MAGIC:
                    break
                body_at = at + HEADER_SIZE
                length = fields[5]
                if length > max_body:
                    raise self._fail(
                        BodyTooLargeError(limit=max_body, actual=length, proto_id=fields[1], offset=self.offset)
                    )
                end = body_at + length
                if end > size:
                    self._want = end - at
                    return
                frame = open_frame(fields, data[body_at:end], self.cipher, classes)
                self.offset += end - at
                at = end
                yield frame
            self._want = HEADER_SIZE
            magic = data[at : at + 2]
            if len(magic) == 2 and magic != MAGIC:
                raise self._fail(BadMagicError(actual=magic, offset=self.offset))
        finally:
            self._kept += data[at:]

    def _fail(self, error: HeaderError) -> HeaderError:
        self.failure = error
        return error
