"""The pieces of a stream that wait for earlier bytes: intervals that are sorted and never overlap."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
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

    Adding takes logarithmic time to find the place, a step for each part that is new, and of captured bytes a step for
    each piece that they are compared with. Bytes that were cut off are compared with nothing: a header of 54 bytes may
    claim 64 KiB of them, and so many pieces may wait there.

    :ivar cost: bytes of memory that all pieces take, about.
    """

    __slots__ = ("_edges", "cost")

    def __init__(self) -> None:
        self.cost = 0
        # Start and end of every run of pieces without a hole in it: an even number of positions, each once, ascending.
        self._edges: list[int] = []

    def add(self, piece: WaitingPiece) -> list[ConflictingBytes]:
        """Keep the parts of a piece that no other covers; return where its bytes differ from those kept before."""
        start, end, data, _, _ = piece
        edges = self._edges

        # It starts behind the end of all others. Nearly every piece does: after a loss the rest comes in order.
        if not edges or edges[-1] <= start:
            if edges and edges[-1] == start:
                edges[-1] = end
            else:
                edges.append(start)
                edges.append(end)
            self.append(piece)
            self.cost += len(data) + _OVERHEAD
            return []

        # At an odd place in the list it starts inside a run or right behind it; likewise for where it ends.
        first, last = bisect_left(edges, start), bisect_right(edges, end)
        bounds = edges[first:last]
        if not first % 2:
            bounds.insert(0, start)
        if not last % 2:
            bounds.append(end)
        edges[first:last] = bounds[:1] * (1 - first % 2) + bounds[-1:] * (1 - last % 2)

        # Where captured bytes came before, its bytes are a repetition, or differ.
        differences = self._compare(piece) if data else []

        # The holes between the runs are where its bytes are new.
        for low, high in zip(bounds[::2], bounds[1::2], strict=True):
            if low < high:
                part = piece if (low, high) == (start, end) else piece.part(low, high)
                self.insert(bisect_right(self, low, key=_start_of), part)
                self.cost += len(part.data) + _OVERHEAD
        return differences

    def _compare(self, piece: WaitingPiece) -> list[ConflictingBytes]:
        """Return where captured bytes that wait differ from those of a piece."""
        differences: list[ConflictingBytes] = []
        # Only the last piece that starts in front of it may reach it.
        at = max(0, bisect_right(self, piece.start, key=_start_of) - 1)
        while at < len(self) and self[at].start < piece.end:
            other = self[at]
            low, high = max(piece.start, other.start), min(piece.end, other.end)
            if low < high and other.data:
                kept, refused = other.part(low, high).data, piece.part(low, high).data
                if kept != refused:
                    differences.append(ConflictingBytes(low, kept, refused))
            at += 1
        return differences

    def take(self, position: int) -> list[WaitingPiece]:
        """Remove and return the first pieces, as far as nothing is missing between ``position`` and their ends."""
        edges = self._edges
        if len(edges) == 2 and edges[0] <= position:
            # One run, which is all there is: as after most losses.
            taken = self[:]
            self.clear()
            edges.clear()
            self.cost = 0
            return taken
        runs = 0
        while runs < len(edges) and edges[runs] <= position:
            position = max(position, edges[runs + 1])
            runs += 2
        if not runs:
            return []
        del edges[:runs]
        count = bisect_left(self, position, key=_start_of)
        taken = self[:count]
        del self[:count]
        self.cost -= sum(len(piece.data) + _OVERHEAD for piece in taken)
        return taken
