"""Framing: whole frames at the front of a buffer, and the buffer that a stream is received into.

``take`` is a pure function over bytes that returns the frames which are in order. It exists twice, with one signature
and one result: ``python_take`` below, the reference, and ``take`` in the compiled core, used where that is installed.
``FrameDecoder`` (``ftwire.stream``) and ``ResyncDecoder`` (``ftwire.resync``) differ in what they do where it stops.

**The handshake.** InitConnect decides which cipher the frames after it are encrypted with, and whoever reads a stream
learns that from the InitConnect frame itself. Therefore ``take`` never goes past one: it is the last frame of its
result, and the frames behind it are taken by another call, with the cipher of that time. Frames of other protocols
never change the cipher, so any number of them is taken at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from ftwire._core import core
from ftwire.cipher import NONE, Cipher
from ftwire.errors import WireError
from ftwire.frame import NOTHING_HASHED, Frame, FrameType, MessageClasses, Role
from ftwire.header import HEADER_SIZE, MAGIC, unpack_packed_header
from ftwire.protocols import Registry

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ftwire.body_columns import BodyColumns

__all__ = [
    "BATCH",
    "INIT_CONNECT",
    "FrameReader",
    "ReceiveBuffer",
    "StreamDecoder",
    "python_take",
    "take",
]

INIT_CONNECT: Final = 1001
"""Protocol ID of the handshake, the first request of every connection."""

BATCH: Final = 16 * 1024
"""Bytes of frames after which ``take`` returns by default: they are still in the processor's cache when their messages
are parsed, and the memory for frames does not grow with the chunk."""

_MAGIC_NUMBER: Final = int.from_bytes(MAGIC, "little")


def python_take(
    buffer: bytes,
    max_body: int,
    cipher: Cipher,
    frame_types: Mapping[int, FrameType],
    start: int = 0,
    most: int = BATCH,
) -> tuple[list[Frame], int, int]:
    """Return ``(frames, consumed, needed)``: the frames at ``start`` of a buffer that are in order.

    In order are frames that are whole, whose body has at most ``max_body`` bytes on the wire, decrypts with ``cipher``
    and agrees with its digest. It stops at the first frame that is not so, behind an InitConnect, and once it has
    ``most`` bytes of frames. ``consumed`` is how many bytes the frames take. ``needed`` is how many bytes from there on
    the next frame needs, judged by its beginning: 0 where nothing is left, where no such frame begins, and where
    more frames may follow at once. ``frame_types`` is that of the sender's ``MessageClasses``.
    """
    frames: list[Frame] = []
    is_plain = cipher is NONE
    at, size, enough = start, len(buffer), start + most
    while (body_at := at + HEADER_SIZE) <= size:
        header = unpack_packed_header(buffer, at)
        end = body_at + header[2]
        if header[0] & 0xFFFF != _MAGIC_NUMBER or header[2] > max_body:
            return frames, at - start, 0
        if end > size:
            return frames, at - start, end - at
        payload = buffer[body_at:end]
        try:
            body = payload if is_plain else cipher.decrypt(payload)
        except WireError:
            return frames, at - start, 0
        hashed = NOTHING_HASHED.copy()
        hashed.update(body)
        if hashed.digest() != header[3]:
            return frames, at - start, 0
        frames.append(Frame(header, payload, body, frame_types[header[0]], cipher.name))
        at = end
        if at >= enough or header[0] >> 16 & 0xFFFF_FFFF == INIT_CONNECT:
            return frames, at - start, 0
    if at == size:
        return frames, at - start, 0
    if buffer.startswith(MAGIC, at):
        return frames, at - start, HEADER_SIZE
    return frames, at - start, len(MAGIC) if buffer[at:] == MAGIC[:1] else 0


class _Take(Protocol):
    def __call__(
        self,
        buffer: bytes,
        max_body: int,
        cipher: Cipher,
        frame_types: Mapping[int, FrameType],
        start: int = ...,
        most: int = ...,
    ) -> tuple[list[Frame], int, int]: ...


take: _Take = python_take if core is None else core.take
"""``python_take``, or the compiled core's function of the same signature and result."""


class ReceiveBuffer:
    """Bytes of a stream, from the first on that is not settled.

    Plan, so that the work is linear in the bytes received whatever the chunking:

    - what can be looked at is ``data`` from ``start`` on; settling bytes moves ``start`` and copies nothing;
    - as long as ``lacking`` bytes are still to come, nobody looks: chunks are appended to ``later``, which costs
      their length (a ``bytearray`` grows by a share of its size);
    - the chunk that brings what was lacking is joined with what is left of ``data`` and with ``later``. What is left
      of ``data`` then is part of the one frame that was waited for, so that a byte is copied a few times at most.

    Memory is bounded by twice what is waited for and one chunk: a large ``data`` is not kept for a few bytes at its
    end.
    """

    __slots__ = ("data", "lacking", "later", "start")

    def __init__(self) -> None:
        self.data = b""
        """The bytes that can be looked at, and in front of ``start`` some that are settled."""
        self.start = 0
        """Where in ``data`` the first byte is that is not settled."""
        self.lacking = 1
        """Bytes still to come before it is worth looking; 0 or less when it is."""
        self.later = bytearray()
        """Chunks that came while bytes were lacking."""

    def __len__(self) -> int:
        return len(self.data) - self.start + len(self.later)

    def add(self, data: Buffer) -> None:
        """Append the next bytes of the stream."""
        chunk = data if type(data) is bytes else bytes(data)
        self.lacking = lacking = self.lacking - len(chunk)
        if lacking > 0:
            self.later += chunk
            return
        if self.later or self.start < len(self.data):
            chunk = b"".join((memoryview(self.data)[self.start :], self.later, chunk))
            self.later = bytearray()
        self.data = chunk
        self.start = 0

    def consume(self, count: int, needed: int = 0) -> None:
        """Settle the first ``count`` bytes; it is worth looking at the rest when there are ``needed`` bytes of it."""
        self.start = start = self.start + count
        rest = len(self.data) - start
        # Behind nothing at all, one byte is needed.
        self.lacking = lacking = (needed or 1) - rest
        if lacking > 0 and rest < start:
            self.data = self.data[start:]
            self.start = 0

    def clear(self) -> None:
        """Forget all bytes received, settled or not."""
        self.data, self.start, self.lacking, self.later = b"", 0, 1, bytearray()

    @property
    def memory(self) -> int:
        """Bytes of memory that the bytes received take."""
        return len(self.data) + len(self.later)

    def join(self) -> None:
        """Make all bytes received part of ``data``, whatever is lacking: for the end of a stream."""
        self.lacking = 0
        self.add(b"")


Item = TypeVar("Item")


class StreamDecoder(Generic[Item]):
    """Chunks of a byte stream in, items out: what the decoders of frames and of envelopes have in common.

    ``for item in decoder.feed(chunk)`` is the usual way. Without an iterator it is ``decoder.read(chunk)``, then
    ``decoder.read()`` as long as ``decoder.buffer.lacking <= 0``.
    """

    def __init__(self) -> None:
        self.buffer: Final = ReceiveBuffer()
        """The bytes that are not part of any item made so far."""
        self.offset = 0
        """Stream offset of the first of them."""
        self._unread: Iterator[Item] = iter(())

    @property
    def pending(self) -> int:
        """Bytes received that are not part of any item made so far."""
        return len(self.buffer)

    def read(self, data: Buffer | None = None) -> Sequence[Item]:
        """Take the next bytes of the stream, if any; return items that are complete: some of them, in order.

        None only where more bytes are needed. More may be complete as long as ``buffer.lacking`` is 0 or less.
        """
        raise NotImplementedError

    def feed(self, data: Buffer) -> Iterator[Item]:
        """Take the next bytes of the stream, in any chunking; iterate over what they complete.

        Take all of it before feeding more. What was not taken comes first in the next iteration.
        """
        buffer = self.buffer
        if type(data) is bytes and (lacking := buffer.lacking - len(data)) > 0:
            # Far from whole: buffer.add without a call, for streams that come byte by byte.
            buffer.lacking = lacking
            buffer.later += data
            return self._unread
        for item in self._unread:
            # The last iteration was left half-way.
            self._unread = iter([item, *self._unread])
            buffer.add(data)
            return self._read_all()
        try:
            self._unread = unread = iter(self.read(data))
        except WireError:
            # The iteration raises it again.
            return self._read_all()
        # A generator is made only where it has more to read: it costs as much as a small frame.
        return unread if buffer.lacking > 0 else self._read_all()

    def _read_all(self) -> Iterator[Item]:
        yield from self._unread
        while self.buffer.lacking <= 0:
            self._unread = unread = iter(self.read())
            yield from unread


class FrameReader(StreamDecoder["Frame | Item"], Generic[Item]):
    """Chunks of one direction in, frames and whatever else ``Item`` is out."""

    def __init__(self, sender: Role, cipher: Cipher, max_body: int, registry: Registry) -> None:
        super().__init__()
        self.cipher = cipher
        """Decrypts the frames that are not taken yet. To be set behind an InitConnect: see ``ftwire.framing``."""
        self.max_body: Final = max_body
        """Largest body taken, in bytes on the wire."""
        self.classes: Final = MessageClasses(sender, registry)
        """Message classes of what ``sender`` sends."""
        self._in_step = True  # a frame is what comes next, as far as is known

    def read(self, data: Buffer | None = None) -> Sequence[Frame | Item]:
        """Take the next bytes of the stream, if any; return items that are complete: some of them, in order.

        None only where more bytes are needed. More may be complete as long as ``buffer.lacking`` is 0 or less.
        """
        buffer, frame_types = self.buffer, self.classes.frame_types
        if buffer.data or type(data) is not bytes or not self._in_step:
            if data is not None:
                buffer.add(data)
            if buffer.lacking > 0 or not self._in_step:
                return self._read_on()
            frames, consumed, needed = take(buffer.data, self.max_body, self.cipher, frame_types, buffer.start)
            buffer.consume(consumed, needed)
        else:
            # Nothing waits: what is whole in this chunk need not go through the buffer, which takes 0.3 us.
            frames, consumed, needed = take(data, self.max_body, self.cipher, frame_types)
            if consumed < len(data):
                buffer.add(data)
                buffer.consume(consumed, needed)
        if not frames:
            return self._read_on()
        self.offset += consumed
        return frames

    def read_into(self, columns: BodyColumns, data: bytes, number: int, conversation: int, time: int) -> int:
        """Take the next bytes of the stream; put the frames that ``columns`` wants there, and return how many.

        It stops at the first frame that it does not want, or that is damaged: ``read`` goes on from there, where
        ``buffer.lacking`` is 0 or less. The frames get running numbers from ``number`` on.
        """
        buffer = self.buffer
        if buffer.data or not self._in_step:
            buffer.add(data)
            if buffer.lacking > 0 or not self._in_step:
                return 0
            count, consumed, needed = columns.take(
                buffer.data, self.max_body, self.cipher, number, conversation, time, buffer.start
            )
            buffer.consume(consumed, needed)
        else:
            # As in ``read``: nothing waits.
            count, consumed, needed = columns.take(data, self.max_body, self.cipher, number, conversation, time)
            if consumed < len(data):
                buffer.add(data)
                buffer.consume(consumed, needed)
        self.offset += consumed
        return count

    def _read_on(self) -> Sequence[Frame | Item]:
        """Return what there is where ``take`` has found no frame."""
        raise NotImplementedError
