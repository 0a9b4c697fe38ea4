"""Frames out of the byte stream of one direction, whatever its chunking.

``FrameDecoder`` is for a live connection: what does not look like a frame there is fatal, since nothing after
it can be trusted. For captures, ``ResyncDecoder`` (``ftwire.resync``) looks for the next good frame instead.

Cost is linear in the input: a chunk is copied while the frame it belongs to is incomplete, and each payload
once out of it. Memory is bounded by the largest body allowed plus one chunk.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from ftwire.cipher import NONE, Cipher, codec_of
from ftwire.cutting import BATCH, FIRST_BATCH, FrameReader
from ftwire.errors import BadMagicError, BodyTooLargeError, HeaderError, RemoteProtocolError, WireError
from ftwire.frame import NOTHING_HASHED, Frame, Role, open_frame
from ftwire.header import HEADER_SIZE, MAGIC, PackedHeader, unpack_compact, unpack_header
from ftwire.protocols import Registry, registry

__all__ = ["DEFAULT_MAX_BODY", "FrameDecoder"]

DEFAULT_MAX_BODY: Final = 64 * 1024 * 1024
"""Largest body taken by default, in bytes. OpenD's own limit is unknown; clients chose 10 to 100 MiB."""


class FrameDecoder(FrameReader[Frame]):
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
        super().__init__(sender, cipher, max_body, known)
        self.failure: HeaderError | None = None
        """The fatal error, once there was one."""

    def close(self) -> None:
        """Say that the stream has ended; raises ``RemoteProtocolError`` where it ends inside a frame."""
        self._stop()
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
        frame_types = self.classes.frame_types
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
                    compact = unpack_compact(data, at)
                    frame_type = frame_types[compact[0]]
                    end = body_at + compact[2]
                    if frame_type is None or (
                        end > fitting and not self._is_whole(compact, at - start, size - body_at)
                    ):
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
                    frame.frame_type = frame_type
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

    def _is_whole(self, compact: PackedHeader, consumed: int, available: int) -> bool:
        """Say whether the body of a frame is there, and note what it waits for; raise where it is too large."""
        first, length = compact[0], compact[2]
        if length > self.max_body:
            frame_type = self.classes.frame_types[first]
            proto_id = 0 if frame_type is None else frame_type.proto_id
            offset = self.offset + consumed
            raise self._fail(BodyTooLargeError(limit=self.max_body, actual=length, proto_id=proto_id, offset=offset))
        if length <= available:
            return True
        self._want = HEADER_SIZE + length
        return False

    def _fail(self, error: HeaderError) -> HeaderError:
        self.failure = error
        self._in_step = False
        self._want = 0  # whatever comes next, however little, is answered with the error
        return error
