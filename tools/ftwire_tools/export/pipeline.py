"""A capture to batches of all tables, in bounded memory.

Bodies are kept until there are enough of them, then converted, all classes at once: what comes out later was
captured later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ftwire.errors import CaptureError, NotACaptureError
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire_tools.captures.source import ENOUGH_TO_TELL, NEITHER, NothingFoundError, open_source
from ftwire_tools.export.frame_columns import Reading, Sifter
from ftwire_tools.export.table_builder import ERRORS, Gatherer, TableBatch

if TYPE_CHECKING:
    from ftwire.capture import Conversation as Talk
    from ftwire.cipher import RsaKey
    from ftwire.events import Observation
    from ftwire_tools.captures.source import Source

__all__ = ["ERRORS", "Counts", "Reading", "TableBatch", "Watch", "read_blocks", "tables"]


@dataclass(slots=True)
class Counts:
    """What was seen of one input so far."""

    bytes: int = 0
    frames: int = 0
    undecoded: int = 0
    """Frames, gaps and damage that are only in the table of errors, or of which a converter complained."""
    notes: list[str] = field(default_factory=list)
    """Damage of the file itself."""


def tables(
    paths: Iterable[str],
    *,
    keys: Sequence[RsaKey] = (),
    protocols: frozenset[int] | None = None,
    explode: bool = False,
    levels: int = 10,
    show_secrets: bool = False,
    converter: str = "auto",
    max_body: int = DEFAULT_MAX_BODY,
) -> Iterator[TableBatch]:
    """Give the rows of captures as Arrow batches, in bounded memory; paths may be anything fsspec knows.

    Within a capture, batches of one table come in the order of capture. What cannot be decoded is in the table
    ``errors``. ``protocols`` are IDs. Account numbers, keys and passwords are masked without ``show_secrets``.

    Raises ``OSError`` for a file that cannot be read, ``NothingFoundError`` for one that is no capture, and
    ``ImportError`` for a package that is missing.
    """
    from ftwire_tools.export.store import open_source_file

    reading = Reading(tuple(keys), protocols, explode, levels, show_secrets, converter, max_body)
    for path in paths:
        with open_source_file(path) as chunks:
            for _, found in read_blocks(chunks, path, reading, Counts()):
                yield found


def read_blocks(
    chunks: Iterable[bytes],
    name: str,
    reading: Reading,
    counts: Counts,
    progress: Callable[[Counts], None] | None = None,
) -> Iterator[tuple[int, TableBatch]]:
    """Give the rows of one input, called ``name`` in them, each with its block, and count in ``counts``."""
    sifter, gatherer = Sifter(reading), Gatherer(name, reading)
    watch = Watch(reading, counts, sifter.damaged)
    now = 0

    def flush() -> Iterator[tuple[int, TableBatch]]:
        for found in gatherer.gather(sifter.taken(), sifter.keys):
            yield now, found
        counts.frames, counts.undecoded = sifter.frames, sifter.faults + gatherer.refused

    for block, observed in watch.through(chunks):
        if block > now:
            yield from flush()
            now = block
        for talk, seen in observed:
            sifter.take(talk, seen)
            if sifter.is_full:
                yield from flush()
        if sifter.is_full:  # of damage, that comes behind everything observed
            yield from flush()
        counts.frames = sifter.frames
        if progress is not None:
            progress(counts)
    yield from flush()


class Watch:
    """What is observed in one input, and the damage of its file."""

    def __init__(
        self,
        reading: Reading,
        counts: Counts,
        damaged: Callable[[str, str], None],
        opened: Callable[[bytes], Source] | None = None,
    ) -> None:
        """``damaged`` is told of damage when it is its turn; ``opened`` makes a source of an input's first bytes."""
        self.at_end = False
        """The input has ended; what is observed now follows from that."""
        self._block: Final = reading.block
        self._counts: Final = counts
        self._damaged: Final = damaged
        self._opened: Final = opened or (lambda head: open_source(head, keys=reading.keys, max_body=reading.max_body))

    def through(self, chunks: Iterable[bytes]) -> Iterator[tuple[int, Iterator[tuple[Talk, Observation]]]]:
        """Give what is observed, piece by piece, each with its block; all of it is to be taken.

        Raises ``NothingFoundError`` where there is no capture, and whatever ``chunks`` raises.
        """
        source: Source | None = None
        head = b""
        counts = self._counts
        for piece in self._cut(chunks):
            if source is None:
                head += piece
                if len(head) < ENOUGH_TO_TELL:
                    continue
                source, piece = self._opened(head), head
            before = len(counts.notes)
            yield self._now, self._guarded(source.feed(piece))
            if len(counts.notes) > before:
                break
        if source is None:
            source = self._opened(head)
            yield self._now, self._guarded(source.feed(head))
        self.at_end = True
        yield self._now, self._guarded(source.close())
        for reason, count in source.passed_over.items():
            self._damage("PacketSkipped", f"{count} packets passed over: {reason}")
            yield self._now, iter(())

    @property
    def _now(self) -> int:
        """The block of the bytes that came last."""
        return max(self._counts.bytes - 1, 0) // self._block

    def _cut(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Give the chunks, cut where blocks end, and count them."""
        size, counts = self._block, self._counts
        for chunk in chunks:
            left = size - counts.bytes % size
            at = 0
            while left < len(chunk) - at:
                counts.bytes += left
                yield chunk[at : at + left]
                at, left = at + left, size
            counts.bytes += len(chunk) - at
            yield chunk[at:] if at else chunk

    def _guarded(self, observed: Iterator[tuple[Talk, Observation]]) -> Iterator[tuple[Talk, Observation]]:
        try:
            yield from observed
        except NotACaptureError as error:
            # Only gzip hides for so long what it holds.
            raise NothingFoundError(f"{NEITHER}: {error}") from None
        except CaptureError as error:
            self._damage(type(error).__name__, str(error))

    def _damage(self, kind: str, text: str) -> None:
        self._counts.notes.append(text)
        self._damaged(kind, text)
