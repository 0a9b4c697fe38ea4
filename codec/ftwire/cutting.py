"""What cuts frames from a stream, be it live or captured: cipher, limit, and the way through the compiled core.

Small chunks, as sockets and packets have them, are given to the core whole, together with what was kept: cutting
them one frame at a time costs more than the frames do. What is not in order it leaves, and ``_cut`` tells.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from operator import length_hint
from typing import TYPE_CHECKING, Final

from ftwire.chunks import NOTHING, SMALL_CHUNK, ChunkReader, Item
from ftwire.cipher import Cipher, codec_of
from ftwire.frame import Frame, MessageClasses, Role
from ftwire.header import HEADER_SIZE, PackedHeader, pack_compact
from ftwire.protocols import Registry

if TYPE_CHECKING:
    from ftwire_core import Codec

__all__ = ["BATCH", "FIRST_BATCH", "FrameReader"]

FIRST_BATCH: Final = 4 * 1024
"""Bytes of frames that the compiled core verifies ahead at first: who wants just one has not paid for a chunk."""
BATCH: Final = 16 * 1024
"""The same from then on: as much as is still in the processor's cache when its messages are parsed."""

_Cut = tuple[PackedHeader, bytes, bytes]
"""Header, payload and body of a frame that is in order."""


class FrameReader(ChunkReader[Item]):
    """Chunks of one direction in, frames and whatever else ``Item`` is out."""

    def __init__(self, sender: Role, cipher: Cipher, max_body: int, known: Registry) -> None:
        super().__init__()
        self.cipher = cipher
        """Decrypts the frames from here on; read anew for every frame."""
        self.max_body: Final = max_body
        """Largest body taken, in bytes on the wire."""
        self.classes: Final = MessageClasses(sender, known)
        """Message classes of what ``sender`` sends."""
        self.offset = 0
        """Stream offset of the first byte kept for the next call."""
        self._in_step = True  # a frame is what comes next, as far as is known
        self._codec: Codec | None = None
        self._codec_cipher: Cipher | None = None  # whose codec that is
        # What the core has cut and nobody has taken yet: one frame, which counts in offset, or any number, and the
        # stream offset where they end.
        self._single: Iterator[Frame] = NOTHING
        self._single_size = 0
        self._ready: Iterator[_Cut] = NOTHING
        self._ready_to = 0

    @property
    def pending(self) -> int:
        """Bytes fed that are not part of anything returned yet."""
        ready = max(self._ready_to - self.offset, 0) + length_hint(self._single) * self._single_size
        return super().pending + ready

    def _feed_core(self, data: bytes) -> Iterator[Item] | None:
        for frame in self._single:
            self._put_back(frame)
        if len(data) > SMALL_CHUNK:
            return None
        cipher = self.cipher
        if cipher is not self._codec_cipher:
            self._codec_cipher = cipher
            self._codec = codec_of(cipher)
        codec = self._codec
        if codec is None or self._running is not None or not self._in_step or self._rest is not None or self._parts:
            return None
        kept = self._kept
        if not kept and len(data) >= HEADER_SIZE and (cut := codec.one(data, self.max_body)) is not None:
            # So it is with most packets of a capture: they are one push.
            compact, payload, body = cut
            frame = Frame.__new__(Frame)
            frame._compact = compact
            frame.frame_type = self.classes.frame_types[compact[0]]  # type: ignore[assignment]  # its magic is right
            frame.payload = payload
            frame.body = body
            frame._message = None
            self._single_size = size = len(data)
            self.offset += size
            self._single = single = iter((frame,))
            return single  # type: ignore[return-value]  # an Item is a Frame or more; cast would be a call
        joined = b"".join((kept, data)) if kept else data
        frames, end, want = codec.take(joined, self.max_body)
        if not frames and want:
            kept += data
            self._want = want
            self._lack = want - len(joined)
            return NOTHING
        kept[:] = joined[end:]
        self._ready = iter(frames)
        self._ready_to = self.offset + end
        self._want = self._lack = 0
        self._running = running = self._hand_out(cipher, want)
        return running

    def _hand_out(self, cipher: Cipher, want: int) -> Generator[Item]:
        """Give the frames that are ready, and go on behind them in whatever way that takes."""
        frame_types = self.classes.frame_types
        new = Frame.__new__
        for compact, payload, body in self._ready:
            self.offset += HEADER_SIZE + compact[2]
            frame = new(Frame)
            frame._compact = compact
            frame.frame_type = frame_types[compact[0]]  # type: ignore[assignment]  # its magic is right
            frame.payload = payload
            frame.body = body
            frame._message = None
            yield frame  # type: ignore[misc]  # the same
            if self.cipher is not cipher:
                self._take_back()
                break
        else:
            if want or not self._kept:
                self._want = want
                self._lack = want - len(self._kept)
                self._running = None
                return
        self._parts.append((b"", 0))  # behind what is kept
        yield from self._cut(final=False)

    def _take_back(self) -> None:
        super()._take_back()
        ready = b"".join(pack_compact(*compact) + payload for compact, payload, _ in self._ready)
        self._ready_to = 0
        self._kept[:0] = ready
        for frame in self._single:
            self._put_back(frame)

    def _put_back(self, frame: Frame) -> None:
        """Keep a frame that nobody has taken, in front of what is kept."""
        self._kept[:0] = frame.encode()
        self.offset -= len(frame)
