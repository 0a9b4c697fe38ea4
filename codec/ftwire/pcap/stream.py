"""One direction of a TCP connection: segments in any order in, bytes in order out.

Positions are counted from the first byte of the stream and do not wrap; only :meth:`HalfStream.receive`
knows sequence numbers. A segment is *old*, *next*, or *ahead*, or a mixture of these:

- next: it starts where the stream stands. Delivered at once, and with it whatever waited for it.
- ahead: there is a hole in front of it. It waits, sorted, without overlaps: what came first stays.
- old: the stream has passed it. Compared with what was delivered, if that is still at hand.

A hole is given up, as a gap, only when its bytes cannot come any more or waiting costs too much.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from operator import itemgetter
from typing import TypeAlias

from ftwire.errors import PacketError
from ftwire.pcap.events import Conflict, Data, Direction, Event, Flow, Late, MissingBytes, MissingReason, PacketSkipped
from ftwire.pcap.records import Limits

__all__ = ["HALF_SPACE", "HISTORY", "SEQUENCE_MASK", "WINDOW", "HalfStream", "Pool"]

SEQUENCE_MASK = 0xFFFFFFFF
HALF_SPACE = 0x80000000
WINDOW = 1 << 30
"""No sender may be further ahead: 65535 << 14, RFC 7323 section 2.3."""
HISTORY = 256
"""Delivered segments that are kept for comparison."""

_HISTORY_DEPTH = 32
_REMEMBERED_HOLES = 8
# What keeping a piece costs besides its bytes: a tuple of five, a bytes object, integers, a list slot.
_OVERHEAD = 128

# Start, end, bytes (None: cut off by the snap length), packet number and time of a waiting piece.
_Piece: TypeAlias = tuple[int, int, bytes | None, int, int]
_start_of = itemgetter(0)


class Pool:
    """What all streams of a capture share.

    :ivar buffered: cost of all waiting pieces, in bytes.
    :ivar waiting: the streams that have some, in the order in which their present hole opened.
    :ivar delivered: segments delivered so far; each is known by how many there were before it.
    :ivar history: at ``n % HISTORY``, segment ``n`` and the one before it in the same direction.
    """

    __slots__ = ("buffered", "delivered", "history", "limits", "waiting")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.buffered = 0
        self.waiting: dict[HalfStream, None] = {}
        self.delivered = 0
        self.history: list[tuple[Data, int] | None] = [None] * HISTORY


class HalfStream:
    """One direction of one flow.

    :ivar fast_seq: the sequence number that needs no thought, -1 when every segment does. The dissector's
        fast path delivers a segment with this number by itself, keeping ``offset``, ``next_seq`` and
        ``last`` as :meth:`_deliver` does.
    :ivar acked: highest acknowledgement number seen from the other side, -1 before the first.
    :ivar last: the segment delivered last, of this flow; before the first, of any flow.
    :ivar fin: position of the end of the stream, once a FIN was seen; -1 before.
    """

    __slots__ = (
        "_cost",
        "_covered_since",
        "_covered_time",
        "_covered_to",
        "_holes",
        "_pool",
        "acked",
        "closed",
        "direction",
        "fast_seq",
        "fin",
        "flow",
        "key",
        "last",
        "next_seq",
        "offset",
        "peer",
        "pending",
        "start_seq",
    )

    peer: HalfStream

    def __init__(self, flow: Flow, direction: Direction, key: bytes, pool: Pool) -> None:
        self.flow, self.direction, self.key, self._pool = flow, direction, key, pool
        self.last = pool.delivered - 1
        self.fast_seq = self.next_seq = self.start_seq = self.acked = self.fin = -1
        self.offset = 0
        self.closed = False
        self.pending: list[_Piece] = []
        self._cost = 0
        self._covered_to = -1
        self._covered_since = self._covered_time = 0
        self._holes: tuple[tuple[int, int], ...] = ()

    def begin(self, seq: int) -> None:
        """Give the first byte of the stream its sequence number."""
        self.start_seq = self.next_seq = seq
        self.settle()

    def settle(self) -> None:
        """Decide whether the fast path may take the next segment."""
        self.fast_seq = -1 if self.pending or self.fin >= 0 or self.closed else self.next_seq

    def receive(
        self, seq: int, data: bytes, missing: int, fin: bool, number: int, time_ns: int, out: list[Event]
    ) -> None:
        """Take one segment: its bytes, how many behind them the capture cut off, whether it has a FIN."""
        if self.next_seq < 0:
            self.begin(seq)
        offset = self.offset
        ahead = ((seq - self.next_seq + HALF_SPACE) & SEQUENCE_MASK) - HALF_SPACE
        if not -WINDOW <= ahead <= WINDOW:
            _skip(number, time_ns, f"a segment {ahead} bytes from where its stream stands", out)
            return
        start = offset + ahead
        end = start + len(data) + missing
        if end <= offset and not fin:
            if start + 1 == end == offset:
                # A keep-alive probe: one byte of any value in front of the next (RFC 9293 section 3.8.4).
                return
            self._compare_delivered(start, data, number, time_ns, out)
            return
        if fin and self.fin < 0:
            if end < offset or (self.pending and end < self.pending[-1][1]):
                _skip(number, time_ns, "a FIN before bytes already seen", out)
            else:
                self.fin = end
        if 0 <= self.fin < end:
            _skip(number, time_ns, f"{end - max(self.fin, start)} bytes behind the FIN", out)
            end = max(self.fin, start)
            data = data[: end - start]
        if start < offset and start < end:
            self._compare_delivered(start, data[: offset - start], number, time_ns, out)
            data, start = data[offset - start :], offset
        if start >= end:
            return
        pending = self.pending
        if start > offset or (pending and pending[0][0] < end):
            captured = start + len(data)
            if captured > start:
                self._keep(start, captured, data, number, time_ns, out)
            if captured < end:
                self._keep(captured, end, None, number, time_ns, out)
            if pending[0][0] <= offset:
                self._drain(out)
            limits = self._pool.limits
            while len(pending) > limits.max_flow_segments or self._cost > limits.max_flow_bytes:
                self.give_up(pending[0][0], MissingReason.LIMIT, number, time_ns, out)
        else:
            if data:
                self._deliver(data, number, time_ns, out)
            if self.offset < end:
                self._gap(end, MissingReason.SNAPPED, number, time_ns, out)
            if pending and pending[0][0] <= self.offset:
                self._drain(out)

    def be_patient(self, number: int, time_ns: int, out: list[Event]) -> None:
        """Give up the holes whose bytes the receiver has and the capture has not, when patience runs out.

        Called for each packet of the flow, either direction, as long as something waits.
        """
        if self.acked < 0:
            return
        covered = self.offset + ((self.acked - self.next_seq + HALF_SPACE) & SEQUENCE_MASK) - HALF_SPACE
        hole_end = self.pending[0][0]
        if covered < hole_end:
            return
        if self._covered_to < hole_end:
            self._covered_to, self._covered_since, self._covered_time = covered, 0, time_ns
            return
        self._covered_since += 1
        limits = self._pool.limits
        if self._covered_since < limits.patience_packets and time_ns - self._covered_time < limits.patience_ns:
            return
        while self.pending and self.pending[0][0] <= self._covered_to:
            self.give_up(self.pending[0][0], MissingReason.ACKED, number, time_ns, out)

    def give_up(self, end: int, reason: MissingReason, number: int, time_ns: int, out: list[Event]) -> None:
        """Report everything up to ``end`` missing, and deliver what waited for it."""
        self._gap(end, reason, number, time_ns, out)
        self._drain(out)

    def flush(self, reason: MissingReason, number: int, time_ns: int, out: list[Event]) -> None:
        """Nothing more comes: deliver what waits, report what is known to be missing."""
        while self.pending:
            self.give_up(self.pending[0][0], reason, number, time_ns, out)
        if self.fin >= 0:
            end = self.fin
        elif self.acked >= 0 and self.next_seq >= 0:
            tail = ((self.acked - self.next_seq + HALF_SPACE) & SEQUENCE_MASK) - HALF_SPACE
            # A FIN takes a sequence number as a byte does: one acknowledged number that never came is a
            # lost FIN far more often than a lost byte.
            end = self.offset + tail if 1 < tail <= WINDOW else self.offset
        else:
            return
        if end > self.offset:
            self._gap(end, reason, number, time_ns, out)

    def _deliver(self, data: bytes, number: int, time_ns: int, out: list[Event]) -> None:
        offset = self.offset
        # What the NamedTuple's own constructor does after sorting its arguments out.
        event = tuple.__new__(Data, (self.flow, self.direction, data, number, time_ns, offset))
        out.append(event)
        pool = self._pool
        delivered = pool.delivered
        pool.history[delivered % HISTORY] = (event, self.last)
        self.last = delivered
        pool.delivered = delivered + 1
        self.offset = offset + len(data)
        self.next_seq = (self.next_seq + len(data)) & SEQUENCE_MASK

    def _gap(self, end: int, reason: MissingReason, number: int, time_ns: int, out: list[Event]) -> None:
        length = end - self.offset
        out.append(MissingBytes(self.flow, self.direction, self.offset, length, number, time_ns, reason))
        self._holes = (*self._holes[1 - _REMEMBERED_HOLES :], (self.offset, end))
        self.offset = end
        self.next_seq = (self.next_seq + length) & SEQUENCE_MASK

    def _keep(self, start: int, end: int, data: bytes | None, number: int, time_ns: int, out: list[Event]) -> None:
        """Let a piece wait, or those parts of it that nothing waiting covers."""
        pending = self.pending
        if not pending:
            self._pool.waiting[self] = None
            self._covered_to = -1
        elif start < pending[-1][1]:
            at = bisect_right(pending, start, key=_start_of)
            if at and pending[at - 1][1] > start:
                at -= 1
            fresh: list[tuple[int, int]] = []
            position = start
            while position < end and at < len(pending) and pending[at][0] < end:
                kept_start, kept_end, kept, _, _ = pending[at]
                if kept_start > position:
                    fresh.append((position, kept_start))
                    position = kept_start
                until = min(kept_end, end)
                if kept is not None and data is not None:
                    ours = kept[position - kept_start : until - kept_start]
                    theirs = data[position - start : until - start]
                    if ours != theirs:
                        out.append(Conflict(self.flow, self.direction, position, ours, theirs, number, time_ns))
                position = until
                at += 1
            if position < end:
                fresh.append((position, end))
            for low, high in fresh:
                part = None if data is None else data[low - start : high - start]
                insort(pending, (low, high, part, number, time_ns), key=_start_of)
                self._pay(part)
            return
        pending.append((start, end, data, number, time_ns))
        cost = _OVERHEAD if data is None else len(data) + _OVERHEAD
        self._cost += cost
        self._pool.buffered += cost

    def _pay(self, data: bytes | None) -> None:
        cost = _OVERHEAD if data is None else len(data) + _OVERHEAD
        self._cost += cost
        self._pool.buffered += cost

    def _drain(self, out: list[Event]) -> None:
        """Deliver the pieces that wait for nothing any more."""
        pending, done, before = self.pending, 0, self._cost
        cost = before
        for start, end, data, number, time_ns in pending:
            if start > self.offset:
                break
            if data is None:
                self._gap(end, MissingReason.SNAPPED, number, time_ns, out)
                cost -= _OVERHEAD
            else:
                self._deliver(data, number, time_ns, out)
                cost -= len(data) + _OVERHEAD
            done += 1
        self._cost = cost
        del pending[:done]
        pool = self._pool
        pool.buffered += self._cost - before
        del pool.waiting[self]
        if pending:
            pool.waiting[self] = None

    def _compare_delivered(self, start: int, data: bytes, number: int, time_ns: int, out: list[Event]) -> None:
        """Bytes for a place the stream has passed: late, different, or a repetition."""
        end = start + len(data)
        if start < 0 or self._holes:
            for low, high in ((-WINDOW, 0), *self._holes):
                first, last = max(start, low), min(end, high)
                if first < last:
                    part = data[first - start : last - start]
                    out.append(Late(self.flow, self.direction, first, part, number, time_ns))
        history, at, oldest = self._pool.history, self.last, self._pool.delivered - HISTORY
        for _ in range(_HISTORY_DEPTH):
            entry = history[at % HISTORY]
            if entry is None or at < oldest:
                return
            event, at = entry
            if event.flow is not self.flow or event.direction is not self.direction:
                return
            if event.offset == start and event.data == data:
                return
            first, last = max(start, event.offset), min(end, event.offset + len(event.data))
            if first < last:
                kept = event.data[first - event.offset : last - event.offset]
                refused = data[first - start : last - start]
                if kept != refused:
                    out.append(Conflict(self.flow, self.direction, first, kept, refused, number, time_ns))
            if event.offset <= start:
                return


def _skip(number: int, time_ns: int, reason: str, out: list[Event]) -> None:
    out.append(PacketSkipped(number, time_ns, PacketError(reason)))
