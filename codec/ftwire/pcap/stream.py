"""One direction of a TCP connection: segments in any order in, bytes in order out.

Positions are counted from the first byte of the stream and do not wrap; only :meth:`HalfStream.receive`
uses sequence numbers. A segment is *old*, *next*, or *ahead*, or a mixture of these:

- next: it starts where the delivered bytes end. It is delivered at once, and with it what waited for it.
- ahead: bytes in front of it are missing. It waits, see :mod:`ftwire.pcap.intervals`.
- old: its place has been delivered or given up. It is compared with what was delivered, if that is still kept.

Missing bytes are given up, and reported, only when they cannot come any more or waiting costs too much.

A segment that acknowledges bytes of the other direction was sent after them. Where those wait for missing ones, what
comes of the segment is reported behind them: a response behind its request.

Bytes behind the end of a stream (its FIN, or the close of its flow) are held until they show what they are. One such
segment alone may be a straggler of an older connection, and is reported as skipped. A second one, or an
acknowledgement of the first by the other side, shows that the end was none: the FIN was stale or forged.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import NamedTuple

from ftwire.errors import SequenceError
from ftwire.pcap.context import PacketContext
from ftwire.pcap.events import Conflict, Data, Direction, Event, Flow, Late, MissingBytes, MissingReason
from ftwire.pcap.intervals import WaitingPiece, WaitingPieces
from ftwire.pcap.records import Limits

__all__ = ["SEQUENCE_MASK", "WINDOW", "HalfStream", "Pool", "sequence_distance"]

SEQUENCE_MASK = 0xFFFFFFFF
WINDOW = 1 << 30
"""No sender may be further ahead: 65535 << 14, RFC 7323 section 2.3."""

_HALF_SPACE = 0x80000000
# Delivered segments that are kept for comparison, of all directions together and of one.
_HISTORY = 256
_HISTORY_OF_ONE = 32
_REMEMBERED_GAPS = 8
# What the objects around a deferred event take, besides its bytes.
_OVERHEAD = 128
# Segments held behind the end of their streams, of all flows together: 64 of at most 64 KiB.
_MOST_HELD = 64
_new_tuple = tuple.__new__


def sequence_distance(start: int, end: int) -> int:
    """Return how far one sequence number is ahead of another, -2**31 to 2**31 - 1: they wrap (RFC 9293 section 3.4)."""
    return ((end - start + _HALF_SPACE) & SEQUENCE_MASK) - _HALF_SPACE


def _numbered(events: list[Event]) -> list[tuple[int, Event]]:
    """Return events of a direction with the numbers of their packets; missing bytes have that of what follows them."""
    number, found = -1, []
    for event in reversed(events):
        if number < 0 or not isinstance(event, MissingBytes):
            number = event.packet_number
        found.append((number, event))
    return found[::-1]


def _cost(event: Event) -> int:
    """Return the bytes of memory that an event takes, about."""
    if isinstance(event, Conflict):
        return _OVERHEAD + 2 * len(event.kept)
    return _OVERHEAD + len(event.data) if isinstance(event, Data | Late) else _OVERHEAD


class HeldSegment(NamedTuple):
    """A segment behind the end of its stream, held until it is certain whether the stream goes on."""

    seq: int
    data: bytes
    missing: int
    """Bytes behind ``data`` that the capture cut off."""
    fin: bool
    error: SequenceError
    """What it is if the stream does not go on."""
    packet_number: int
    time_ns: int

    @property
    def end(self) -> int:
        """The sequence number behind its last byte."""
        return (self.seq + len(self.data) + self.missing) & SEQUENCE_MASK


class DoubtfulReset(NamedTuple):
    """A reset whose sequence number is not the next: it ends its flow only if nothing more follows."""

    last: int
    """The segment that the flow had delivered last when it came."""
    packet_number: int
    time_ns: int


class Pool:
    """What all streams of a capture share.

    :ivar packet: the packet being taken apart, and the events.
    :ivar buffered: cost of all waiting pieces and deferred events, in bytes.
    :ivar waiting: the streams that have some, in the order in which they began to wait for their next byte.
    :ivar held: the streams that hold a segment behind their end, in the order in which those came.
    :ivar delivered: segments delivered so far; each is known by how many there were before it.
    :ivar history: at ``n % 256``, segment ``n`` and the number of the one before it in the same direction.
    """

    __slots__ = ("buffered", "delivered", "held", "history", "limits", "packet", "waiting")

    def __init__(self, limits: Limits, packet: PacketContext) -> None:
        self.limits, self.packet = limits, packet
        self.buffered = 0
        # Ordered dictionaries: finding the first key of a plain one walks over all that were removed in front of it.
        self.waiting: OrderedDict[HalfStream, None] = OrderedDict()
        self.held: OrderedDict[HalfStream, None] = OrderedDict()
        self.delivered = 0
        self.history: list[tuple[Data, int] | None] = [None] * _HISTORY


class HalfStream:
    """One direction of one flow.

    :ivar waiting: the pieces that came before bytes in front of them.
    :ivar expected_seq: a segment of this sequence number, with no flag but ACK, can be delivered without a look at
        anything else; -1 when no segment can.
    :ivar acked: highest acknowledgement number seen from the other side, -1 before the first.
    :ivar last: the segment delivered last, of this flow; before the first, of any flow.
    :ivar fin: position of the end of the stream, once a FIN was seen; -1 before.
    :ivar held: a segment behind that end, or behind the close of the flow.
    :ivar reset: the newest reset of this side whose number was not the next.
    :ivar behind: up to where the other direction is to be reported before the next event of this one; -1 where that
        does not matter.
    :ivar deferred: events that are to be reported behind bytes of the other direction: each with the number of the
        packet it belongs to, and up to where those bytes go.
    """

    __slots__ = (
        "_acked_since",
        "_acked_time",
        "_acked_to",
        "_gaps",
        "_packet",
        "_pool",
        "acked",
        "behind",
        "closed",
        "deferred",
        "direction",
        "expected_seq",
        "fin",
        "flow",
        "held",
        "key",
        "last",
        "next_seq",
        "offset",
        "peer",
        "reset",
        "start_seq",
        "waiting",
    )

    peer: HalfStream

    def __init__(self, flow: Flow, direction: Direction, key: bytes, pool: Pool) -> None:
        self.flow, self.direction, self.key = flow, direction, key
        self._pool, self._packet = pool, pool.packet
        self.last = pool.delivered - 1
        self.expected_seq = self.next_seq = self.start_seq = self.acked = self.fin = -1
        self.offset = 0
        self.closed = False
        self.held: HeldSegment | None = None
        self.reset: DoubtfulReset | None = None
        self.deferred: deque[tuple[int, int, Event]] = deque()
        self.behind = -1
        self.waiting = WaitingPieces()
        # Patience: up to where the receiver has acknowledged bytes that are missing, for how many packets, since when.
        self._acked_to = -1
        self._acked_since = self._acked_time = 0
        self._gaps: tuple[tuple[int, int], ...] = ()

    @property
    def is_established(self) -> bool:
        """Whether both sides of the flow have begun, or either has delivered something."""
        peer = self.peer
        return (self.next_seq >= 0 and peer.next_seq >= 0) or self.offset > 0 or peer.offset > 0

    def begin(self, seq: int) -> None:
        """Set the sequence number of the first byte of the stream."""
        self.start_seq = self.next_seq = seq
        self.settle()

    def settle(self) -> None:
        """Decide for both directions which segment may be delivered without a look at anything else.

        None while something waits, in whichever direction: each segment acknowledges bytes of the other one.
        """
        peer = self.peer
        waiting = self.waiting or peer.waiting or self.held is not None or peer.held is not None
        self.expected_seq = -1 if waiting or self.fin >= 0 or self.closed else self.next_seq
        peer.expected_seq = -1 if waiting or peer.fin >= 0 or peer.closed else peer.next_seq

    def acknowledge(self, ack: int) -> None:
        """Note up to where the other side has acknowledged this stream, unless it has acknowledged more before."""
        if self.acked < 0 or (ack - self.acked) & SEQUENCE_MASK < _HALF_SPACE:
            self.acked = ack

    def deliver(self, data: bytes, number: int, time_ns: int) -> None:
        """Report the next bytes of the stream, which came in packet ``number``.

        Every byte of every stream is delivered here. It must be the expected segment, or :meth:`settle` be called
        later.
        """
        pool, offset = self._pool, self.offset
        # What the constructor of a NamedTuple does once it has sorted out its arguments.
        event = _new_tuple(Data, (self.flow, self.direction, data, number, time_ns, offset))
        if self.behind < 0:
            self._packet.events.append(event)
        else:
            self._report(event, number)
        delivered = pool.delivered
        pool.history[delivered % _HISTORY] = (event, self.last)
        self.last = delivered
        pool.delivered = delivered + 1
        length = len(data)
        self.offset = offset + length
        self.expected_seq = self.next_seq = (self.next_seq + length) & SEQUENCE_MASK

    def defer(self, ack: int) -> None:
        """Report what comes from now on behind the other direction's bytes up to ``ack``, if those will be given up.

        That is where missing ones in front of them are acknowledged: :meth:`give_up_acknowledged` bounds the time.
        """
        peer = self.peer
        acked_to = min(peer.offset + sequence_distance(peer.next_seq, ack), peer.waiting[-1].end)
        if acked_to >= peer.waiting[0].start:
            self.behind = max(self.behind, acked_to)

    def release(self, begin: int) -> None:
        """Report what was deferred in both directions, in the order of packets, until bytes in front of it still wait.

        From ``begin`` on the events hold what the present packet has brought of either direction.
        """
        peer = self.peer
        events = self._packet.events
        reported: deque[tuple[int, Event]] | None = None
        while side := self._next_deferred():
            if not side._is_due(side.deferred[0][1]):
                break
            if reported is None:
                reported = deque(_numbered(events[begin:]))
                del events[begin:]
            while reported and reported[0][0] < side.deferred[0][0]:
                events.append(reported.popleft()[1])
            _, _, event = side.deferred.popleft()
            events.append(event)
            self._pool.buffered -= _cost(event)
        if reported:
            events += [event for _, event in reported]
        for side in (self, peer):
            if not side.deferred and side._is_due(side.behind):
                side.behind = -1

    def _next_deferred(self) -> HalfStream | None:
        """Return the direction whose deferred event came first."""
        peer = self.peer
        if self.deferred and peer.deferred:
            return self if self.deferred[0][0] < peer.deferred[0][0] else peer
        return self if self.deferred else peer if peer.deferred else None

    def _is_due(self, behind: int) -> bool:
        """Return whether what is to be reported behind this position of the other direction may be."""
        return self.peer.offset >= behind or not self.peer.waiting

    def _report(self, event: Data | MissingBytes | Late | Conflict, number: int) -> None:
        """Report an event that belongs to packet ``number``, now or when its turn comes."""
        if self.behind < 0:
            self._packet.events.append(event)
        else:
            self.deferred.append((number, self.behind, event))
            self._pool.buffered += _cost(event)

    def receive(self, seq: int, data: bytes, missing: int, fin: bool) -> None:
        """Take one segment: its bytes, how many behind them the capture cut off, whether it has a FIN."""
        if self.next_seq < 0:
            self.begin(seq)
        distance = 0 if seq == self.next_seq else sequence_distance(self.next_seq, seq)
        if not -WINDOW <= distance <= WINDOW:
            length = len(data) + missing
            error = SequenceError(f"a segment {distance} bytes from where its stream stands", length=length)
            self._packet.skip(error, self.flow)
            return
        start = self.offset + distance
        end = start + len(data) + missing

        # Old. A keep-alive probe, one byte of any value in front of the next, means nothing (RFC 9293 section 3.8.4).
        if end <= self.offset and not fin:
            if not start + 1 == end == self.offset:
                self._compare_delivered(start, data)
            return

        # The end of the stream, and bytes behind it.
        if fin and end != self.fin:
            self._end(start, end)
        if 0 <= self.fin < end:
            if self._goes_on(seq, start, data, missing, fin):
                self.resume()
                self.receive(seq, data, missing, fin)
                return
            end = max(self.fin, start)
            data = data[: end - start]

        # Old in its first part.
        if start < self.offset and start < end:
            self._compare_delivered(start, data[: self.offset - start])
            data, start = data[self.offset - start :], self.offset
        if start >= end:
            return

        # Next, and in front of everything that waits.
        if start == self.offset and not (self.waiting and self.waiting[0].start < end):
            packet = self._packet
            if data:
                self.deliver(data, packet.number, packet.time_ns)
            if self.offset < end:
                self._report_missing(end, MissingReason.SNAPPED, packet.number, packet.time_ns)
            if self.waiting and self.waiting[0].start <= self.offset:
                self._deliver_waiting()
            return

        # Ahead, at least in part.
        captured = start + len(data)
        if captured > start:
            self._wait(start, captured, data)
        if captured < end:
            self._wait(captured, end, b"")
        if start == self.offset:
            self._deliver_waiting()
        limits = self._pool.limits
        while len(self.waiting) > limits.max_flow_segments or self.waiting.cost > limits.max_flow_bytes:
            self.give_up(MissingReason.LIMIT)

    def _end(self, start: int, end: int) -> None:
        """Take a FIN at the end of a segment for the end of the stream, unless its number says that it cannot be."""
        if self.fin >= 0:
            # Of two FINs the one that comes in order counts: its receiver has not got as far as the other.
            if start <= self.offset <= end < self.fin and not self.waiting:
                self._refuse(f"a FIN {self.fin - end} bytes behind the end of its stream")
                self.fin = end
        elif end < self.offset or (self.waiting and end < self.waiting[-1].end):
            self._refuse("a FIN before bytes already seen")
        else:
            self.fin = end

    def _goes_on(self, seq: int, start: int, data: bytes, missing: int, fin: bool) -> bool:
        """Return whether a segment that reaches behind the FIN shows that this was not the end; otherwise hold it."""
        behind, before = start + len(data) + missing - max(self.fin, start), max(self.fin - start, 0)
        seq = (seq + before) & SEQUENCE_MASK
        if not behind:
            # A FIN further on, which is where the held bytes end.
            return self.held is not None and self.held.end == seq
        if behind == 1 and start + before == self.fin and not fin:
            # A keep-alive probe has the number before the next, which is the FIN's (RFC 9293 section 3.8.4).
            return False
        rest = data[before:]
        error = SequenceError(f"{behind} bytes behind the FIN", length=behind)
        return self.hold(seq, rest, behind - len(rest), fin, error)

    def hold(self, seq: int, data: bytes, missing: int, fin: bool, error: SequenceError) -> bool:
        """Hold the current segment, which is behind the end; return whether it is the second that is there."""
        if self.held is not None:
            return self.held.seq != seq
        packet, held = self._packet, self._pool.held
        self.held = HeldSegment(seq, data, missing, fin, error, packet.number, packet.time_ns)
        held[self] = None
        if len(held) > _MOST_HELD:
            next(iter(held)).drop_held()
        return False

    def acknowledges_held(self, ack: int) -> bool:
        """Return whether an acknowledgement of the other side covers bytes that are held."""
        # A FIN takes a sequence number, as a byte does.
        return self.held is not None and (self.fin >= 0) < sequence_distance(self.held.seq, ack) <= WINDOW

    def take_held(self) -> HeldSegment | None:
        """Remove and return the segment that is held."""
        held, self.held = self.held, None
        self._pool.held.pop(self, None)
        return held

    def drop_held(self) -> None:
        """Report the segment that is held as skipped: the stream did not go on."""
        if (held := self.take_held()) is not None:
            with self._packet.earlier(held.packet_number, held.time_ns):
                self._packet.skip(held.error, self.flow)

    def replay(self, held: HeldSegment) -> None:
        """Take a segment that was held."""
        with self._packet.earlier(held.packet_number, held.time_ns):
            self.receive(held.seq, held.data, held.missing, held.fin)

    def resume(self) -> None:
        """Take back the FIN, and go on with the segment that is held."""
        self.fin = -1
        self._refuse("a FIN in front of bytes that follow it")
        if (held := self.take_held()) is not None:
            self.replay(held)

    def refuse_reset(self) -> None:
        """Report the reset that did not end the flow as skipped."""
        if (reset := self.reset) is not None:
            self.reset = None
            with self._packet.earlier(reset.packet_number, reset.time_ns):
                self._refuse("a RST whose sequence number is not the next")

    def expects(self, seq: int) -> bool:
        """Return whether the receiver's next number is this, by what was delivered, acknowledged and is waiting."""
        if self.next_seq < 0:
            return seq == self.acked
        ahead = sequence_distance(self.next_seq, seq)
        acked = sequence_distance(self.next_seq, self.acked) if self.acked >= 0 else 0
        waiting = self.waiting[-1].end - self.offset if self.waiting else 0
        # A FIN takes a number, and what it acknowledges may be in flight.
        fin = self.fin - self.offset + 1 if self.fin >= 0 else 0
        return ahead in (0, max(acked, 0), waiting, fin)

    def _refuse(self, reason: str) -> None:
        self._packet.skip(SequenceError(reason), self.flow)

    def give_up_acknowledged(self) -> None:
        """Give up bytes that the receiver has acknowledged and the capture lacks, when patience runs out.

        To be called for each packet of the flow, of either direction, as long as something waits.
        """
        if self.acked < 0 or self.acked == self.next_seq:
            return
        acked_to = self.offset + sequence_distance(self.next_seq, self.acked)
        if acked_to < self.waiting[0].start:
            return
        packet, limits = self._packet, self._pool.limits
        if self._acked_to < self.waiting[0].start:
            self._acked_to, self._acked_since, self._acked_time = acked_to, 0, packet.time_ns
            return
        self._acked_since += 1
        if self._acked_since < limits.patience_packets and packet.time_ns - self._acked_time < limits.patience_ns:
            return
        while self.waiting and self.waiting[0].start <= self._acked_to:
            self.give_up(MissingReason.ACKED)

    def give_up(self, reason: MissingReason) -> None:
        """Report the bytes in front of the first waiting piece missing, and deliver what waited for them."""
        self._report_missing(self.waiting[0].start, reason, self._packet.number, self._packet.time_ns)
        self._deliver_waiting()

    def finish(self, reason: MissingReason) -> None:
        """End the stream: deliver what waits, report what is known to be missing."""
        while self.waiting:
            self.give_up(reason)
        if self.fin >= 0:
            end = self.fin
        elif self.acked >= 0 and self.next_seq >= 0:
            tail = sequence_distance(self.next_seq, self.acked)
            # A FIN takes a sequence number as a byte does: one acknowledged number that never came is a
            # lost FIN far more often than a lost byte.
            end = self.offset + tail if 1 < tail <= WINDOW else self.offset
        else:
            return
        if end > self.offset:
            self._report_missing(end, reason, self._packet.number, self._packet.time_ns)

    def _report_missing(self, end: int, reason: MissingReason, number: int, time_ns: int) -> None:
        """Report the bytes up to ``end`` missing; what comes of them now is late."""
        length = end - self.offset
        missing = MissingBytes(self.flow, self.direction, self.offset, length, number, time_ns, reason)
        # What a packet lacks belongs to it, what was waited for to the piece that waited.
        waited = self.waiting and reason is not MissingReason.SNAPPED
        self._report(missing, self.waiting[0].packet_number if waited else number)
        self._gaps = (*self._gaps[1 - _REMEMBERED_GAPS :], (self.offset, end))
        self.offset = end
        self.next_seq = (self.next_seq + length) & SEQUENCE_MASK

    def _wait(self, start: int, end: int, data: bytes) -> None:
        """Let a piece wait for the bytes in front of it, as far as nothing else waits in its place."""
        packet, waiting = self._packet, self.waiting
        pool, cost = self._pool, waiting.cost
        if not waiting:
            pool.waiting[self] = None
            self._acked_to = -1
        piece = _new_tuple(WaitingPiece, (start, end, data, packet.number, packet.time_ns))
        for at, kept, refused in waiting.add(piece):
            self._report_conflict(at, kept, refused)
        pool.buffered += waiting.cost - cost

    def _deliver_waiting(self) -> None:
        """Deliver the waiting pieces that have nothing missing in front of them any more."""
        waiting, pool = self.waiting, self._pool
        cost = waiting.cost
        for _, end, data, number, time_ns in waiting.take(self.offset):
            if data:
                self.deliver(data, number, time_ns)
            else:
                self._report_missing(end, MissingReason.SNAPPED, number, time_ns)
        pool.buffered += waiting.cost - cost
        if waiting:
            # What still waits, waits for other bytes, and for those not as long as other streams have waited.
            pool.waiting.move_to_end(self)
        else:
            del pool.waiting[self]

    def _compare_delivered(self, start: int, data: bytes) -> None:
        """Report bytes for an old place that are late, or differ from what was delivered there."""
        end, packet = start + len(data), self._packet
        if start < 0 or self._gaps:
            for low, high in ((-WINDOW, 0), *self._gaps):
                first, last = max(start, low), min(end, high)
                if first < last:
                    part = data[first - start : last - start]
                    late = Late(self.flow, self.direction, first, part, packet.number, packet.time_ns)
                    self._report(late, packet.number)
        history, at, oldest = self._pool.history, self.last, self._pool.delivered - _HISTORY
        for _ in range(_HISTORY_OF_ONE):
            entry = history[at % _HISTORY]
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
                    self._report_conflict(first, kept, refused)
            if event.offset <= start:
                return

    def _report_conflict(self, offset: int, kept: bytes, refused: bytes) -> None:
        packet = self._packet
        conflict = Conflict(self.flow, self.direction, offset, kept, refused, packet.number, packet.time_ns)
        self._report(conflict, packet.number)
