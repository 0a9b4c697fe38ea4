"""Frames out of the byte stream of one direction of a live connection, whatever its chunking.

What does not look like a frame is fatal here, since nothing after it can be trusted. For captures, ``ResyncDecoder``
(``ftwire.resync``) looks for the next good frame instead.

The work is linear in the bytes fed. Memory is bounded by twice the largest body allowed plus one chunk.
"""

from __future__ import annotations

from typing import Final

from ftwire._renamed import renamed_keyword
from ftwire.cipher import NONE, Cipher
from ftwire.errors import BadMagicError, BodyTooLargeError, HeaderError, RemoteProtocolError
from ftwire.frame import Frame, Role, open_frame
from ftwire.framing import FrameReader
from ftwire.header import HEADER_SIZE, MAGIC, unpack_packed_header
from ftwire.protocols import Registry, registry

__all__ = ["DEFAULT_MAX_BODY", "FrameDecoder"]

DEFAULT_MAX_BODY: Final = 64 * 1024 * 1024
"""Largest body taken by default, in bytes. OpenD's own limit is unknown; clients chose 10 to 100 MiB."""


class FrameDecoder(FrameReader[Frame]):
    """Frames of one direction of a live connection.

    ``for frame in decoder.feed(chunk)`` yields every frame that is whole by then. A frame whose digest or padding is
    wrong comes as a ``BadFrame`` and costs nothing but itself, as in the vendor's SDK. Wrong magic and a body above
    ``max_body`` raise ``BadMagicError`` and ``BodyTooLargeError`` from the iteration, after the frames that came
    before; from then on the decoder raises the same error.

    Setting ``cipher`` when an InitConnect frame has come is how a connection goes from RSA to AES: frames behind it in
    the same chunk are decrypted with the new one.
    """

    @renamed_keyword("known", "registry")
    def __init__(
        self,
        sender: Role = Role.SERVER,
        *,
        cipher: Cipher = NONE,
        max_body: int = DEFAULT_MAX_BODY,
        registry: Registry = registry,
    ) -> None:
        super().__init__(sender, cipher, max_body, registry)
        self.failure: HeaderError | None = None
        """The fatal error, once there was one."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.offset} bytes of whole frames, {self.pending} of the next>"

    def close(self) -> None:
        """Note that the stream has ended, and drop what was not taken.

        Raises ``RemoteProtocolError`` where the stream ends inside a frame.
        """
        pending = self.pending
        self.buffer.clear()
        self._unread = iter(())
        if pending and self.failure is None:
            raise RemoteProtocolError(f"the stream ends {pending} bytes into a frame")

    def _read_on(self) -> list[Frame]:
        """Return the frame that is not in order, or nothing where too little of it is there; raise what is fatal."""
        if self.failure is not None:
            # Nothing is kept. ``lacking`` is 0, so that the next chunk, however small, raises the error again.
            self.buffer.consume(self.pending)
            self.buffer.lacking = 0
            raise self.failure
        buffer = self.buffer
        data, at = buffer.data, buffer.start
        if buffer.lacking > 0:
            return []
        if not data.startswith(MAGIC, at):
            actual = data[at : at + len(MAGIC)]
            if len(actual) == len(MAGIC):
                raise self._fail(BadMagicError(actual=actual, offset=self.offset))
            # The error quotes two bytes, however the stream was cut.
            buffer.consume(0, len(MAGIC))
            return []
        header = unpack_packed_header(data, at)
        frame_type, length = self.classes.frame_types[header[0]], header[2]
        if length > self.max_body:
            raise self._fail(
                BodyTooLargeError(limit=self.max_body, actual=length, proto_id=frame_type.proto_id, offset=self.offset)
            )
        size = HEADER_SIZE + length
        buffer.consume(size)
        self.offset += size
        return [open_frame(header, data[at + HEADER_SIZE : at + size], self.cipher, frame_type)]

    def _fail(self, error: HeaderError) -> HeaderError:
        self.failure = error
        self._in_step = False
        return error
