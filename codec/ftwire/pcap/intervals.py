"""The pieces of a stream that wait for earlier bytes: intervals that are sorted and never overlap."""

from __future__ import annotations

from bisect import bisect_right
from operator import itemgetter
from typing import NamedTuple

__all__ = ["ConflictingBytes", "WaitingPiece", "WaitingPieces"]

# What keeping a piece costs besides its bytes: a tuple of five, a bytes object, integers, a list slot.
_OVERHEAD = 128


class WaitingPiece(NamedTuple):
    """Bytes of a stream that came before bytes in front of them. Positions count from the start of the stream."""

    start: int
    end: int
    data: bytes
    """Empty where the capture's snap length cut the bytes off: they were sent, and never come."""
    packet_number: int
    """The packet they came in."""
    time_ns: int

    def part(self, start: int, end: int) -> WaitingPiece:
        """Return the piece between two positions inside it."""
        data = self.data[start - self.start : end - self.start]
        return WaitingPiece(start, end, data, self.packet_number, self.time_ns)


class ConflictingBytes(NamedTuple):
    """A place for which two pieces brought different bytes."""

    start: int
    kept: bytes
    """What came first."""
    refused: bytes
    """What came later, as long as ``kept``."""


_start_of = itemgetter(0)


class WaitingPieces(list[WaitingPiece]):
    """A list of pieces in the order of the stream, without overlaps: where two come for one place, the first stays.

    Adding takes logarithmic time to find the place, and then a step for each piece that the new one overlaps.

    :ivar cost: bytes of memory that all pieces take, about.
    """

    __slots__ = ("cost",)

    def __init__(self) -> None:
        self.cost = 0

    def add(self, piece: WaitingPiece) -> list[ConflictingBytes]:
        """Keep the parts of a piece that no other covers; return where its bytes differ from those kept before."""
        # It starts behind the end of all others. Nearly every piece does: after a loss the rest comes in order.
        if not self or self[-1].end <= piece.start:
            self.append(piece)
            self.cost += len(piece.data) + _OVERHEAD
            return []

        # Pieces that end in front of it are left alone. Only the last one that starts in front of it may reach it.
        first = bisect_right(self, piece.start, key=_start_of)
        if first and self[first - 1].end > piece.start:
            first -= 1

        # It lies in front of the next one: packets came in reversed order.
        if piece.end <= self[first].start:
            self.insert(first, piece)
            self.cost += len(piece.data) + _OVERHEAD
            return []

        differences: list[ConflictingBytes] = []
        fresh: list[WaitingPiece] = []
        position, behind = piece.start, first
        while behind < len(self) and self[behind].start < piece.end:
            other = self[behind]

            # Up to the start of the other piece, its bytes are new.
            if position < other.start:
                fresh.append(piece.part(position, other.start))
                position = other.start

            # Inside the other piece, its bytes are a repetition, or differ. Those that were cut off may be either.
            until = min(piece.end, other.end)
            kept, refused = other.part(position, until).data, piece.part(position, until).data
            if kept and refused and kept != refused:
                differences.append(ConflictingBytes(position, kept, refused))
            position = until
            behind += 1

        # Behind the last piece that it overlaps, its bytes are new.
        if position < piece.end:
            fresh.append(piece.part(position, piece.end))

        # One assignment for all of them: each single insertion would move everything behind it.
        self[first:behind] = sorted(self[first:behind] + fresh, key=_start_of)
        self.cost += sum(len(part.data) + _OVERHEAD for part in fresh)
        return differences

    def take(self, position: int) -> list[WaitingPiece]:
        """Remove and return the first pieces, as far as nothing is missing between ``position`` and their ends."""
        count = cost = 0
        for start, end, data, _, _ in self:
            if start > position:
                break
            position = end
            cost += len(data) + _OVERHEAD
            count += 1
        taken = self[:count]
        del self[:count]
        self.cost -= cost
        return taken
