"""Chunks in, items out: what every reader of a byte stream has in common, whatever its items are."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ftwire._core import compiled
from ftwire.header import HEADER_SIZE

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["NOTHING", "SMALL_CHUNK", "ChunkReader", "Item"]

WORTH_WAITING: Final = 1024
"""Bytes of an incomplete frame that are not copied when its chunk ends, but kept in that chunk."""

SMALL_CHUNK: Final = 4 * 1024
"""Bytes of a chunk up to which it is copied behind what is kept: cutting two buffers costs more than that."""

NOTHING: Final[Iterator[Any]] = iter(())
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
        if type(data) is not bytes:
            data = bytes(data)
        if (lack := self._lack - len(data)) > 0:
            # Small chunks, for a frame that is far from whole: nothing else is to be done.
            self._lack = lack
            kept = self._kept
            kept += data
            return NOTHING
        if compiled and (found := self._feed_core(data)) is not None:
            return found
        if self._running is not None:
            self._running.close()
            self._running = None
            self._take_back()
        self._lack = 0
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
                return NOTHING
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
                return NOTHING
        if at < len(data) or not self._parts:
            self._parts.append((data, at))
        self._want = 0
        self._running = running = self._cut(final=False)
        return running

    def _feed_core(self, data: bytes) -> Iterator[Item] | None:  # noqa: ARG002 - this one knows no core
        """Do the same by means of the compiled core; ``None`` where that is not to be done."""
        return None

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
                self._lack = 0  # counts only where all that is kept is in _kept
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
