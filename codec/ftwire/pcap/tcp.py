"""TCP connections: which flow a segment belongs to, when a flow begins and ends, how many there may be.

Source: RFC 9293 (handshake section 3.5, closing 3.6) and RFC 5961 (numbers of a RST or SYN). A connection is looked up
by the raw bytes of its addresses and ports as they stand in the packet, once for each direction.

What would begin or end a connection may be stale or forged. The rules of a receiver are not enough for an observer,
who does not know what reached it and what the capture lacks; therefore what follows decides, wherever it can: a
connection that goes on behind its end had not ended (see :mod:`ftwire.pcap.stream`), one that goes on behind a SYN was
not replaced (see :mod:`ftwire.pcap.handshake`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container
from heapq import heapify, heappop, heappush, heapreplace

from ftwire.errors import PacketError, SequenceError
from ftwire.pcap.context import PacketContext
from ftwire.pcap.events import CloseReason, Direction, Endpoint, Flow, FlowClosed, FlowOpened, MissingReason
from ftwire.pcap.handshake import LARGEST_SYN_DATA, DoubtfulHandshake
from ftwire.pcap.records import Limits
from ftwire.pcap.stream import SEQUENCE_MASK, WINDOW, DoubtfulReset, HalfStream, Pool, sequence_distance

__all__ = ["ACK", "FIN", "RST", "SYN", "Reassembler"]

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

# Handshakes in the middle of connections that wait for data: each may carry 64 KiB.
_MOST_DOUBTFUL = 64
# How far behind the end of a flow bytes still continue it. Windows are rarely larger, initial numbers rarely nearer.
_FURTHEST = 1 << 24
# Ends that no packet of the flow itself tells of, and ends that its own packets bring about.
_UNTOLD = frozenset((CloseReason.END, CloseReason.EVICTED))
_BY_THEMSELVES = frozenset((CloseReason.FIN, CloseReason.RST))


class Reassembler:
    """All connections of a capture.

    :ivar halves: key of a direction to its stream. The key is source address, destination address, source
        port, destination port in network order: 12 bytes for IPv4, 36 for IPv6.
    """

    def __init__(self, limits: Limits, packet: PacketContext, ports: Container[int] | None = None) -> None:
        self.halves: dict[bytes, HalfStream] = {}
        self._packet = packet
        self._pool = Pool(limits, packet)
        self._ports = ports
        self._flows = 0
        # Open flows in the order they opened, from which room is made first if they have not delivered anything yet.
        # Ordered dictionaries: finding the first key of a plain one walks over all that were removed in front of it.
        self._silent: OrderedDict[HalfStream, None] = OrderedDict()
        # The other open flows, by the segment they delivered last; that number may be out of date, and the flow gone.
        self._idle: list[tuple[int, int, HalfStream]] = []
        # Closed flows in the order they closed, kept only to recognise the stragglers of their last packets.
        self._closed: OrderedDict[HalfStream, None] = OrderedDict()
        # Handshakes in the middle of a connection, by the index of its flow.
        self._doubtful: OrderedDict[int, DoubtfulHandshake] = OrderedDict()

    @property
    def memory(self) -> int:
        """Bytes of memory that pieces take which wait for others, about."""
        return self._pool.buffered

    def segment(self, key: bytes, seq: int, ack: int, flags: int, data: bytes, missing: int) -> None:
        """Take the segment of the current packet, report what comes of it.

        ``missing`` is how many bytes behind ``data`` the capture cut off. The payload of a RST is a text for
        humans (RFC 9293 section 3.5.3) and not part of the stream. Segments without bytes that belong to no
        known flow open none and are no event.
        """
        half = self.halves.get(key)
        if flags & RST:
            if half is not None and not half.closed:
                self._reset(half, seq, ack, flags)
            return
        if flags & SYN:
            half = self._handshake(half, key, seq, ack, flags, data, missing)
            if half is None:
                return
            seq = (seq + 1) & SEQUENCE_MASK
        else:
            syn = self._doubtful.get(half.flow.index) if self._doubtful and half is not None else None
            if syn is not None and half is not None and syn.is_followed_by(half, seq):
                if not (data or missing):
                    return
                half = self._believe(syn, half)
            if half is None or half.closed:
                half = self._revive(half, key, seq, ack, flags, data, missing)
                if half is None:
                    return
        peer, events = half.peer, self._packet.events
        begin = len(events)
        if flags & ACK and ack != peer.acked:
            peer.acknowledge(ack)
            if peer.acknowledges_held(ack):
                peer.resume()
        if data or missing or flags & FIN:
            if peer.waiting and flags & ACK:
                half.defer(ack)
            half.receive(seq, data, missing, flags & FIN != 0)
        if half.waiting:
            half.give_up_acknowledged()
        if peer.waiting:
            peer.give_up_acknowledged()
        if half.behind >= 0 or peer.behind >= 0:
            half.release(begin)
        if half.fin == half.offset and peer.fin == peer.offset:
            self._close(half, CloseReason.FIN, MissingReason.CLOSED)
            return
        half.settle()
        pool = self._pool
        while pool.buffered > pool.limits.max_buffered_bytes:
            oldest, begin = next(iter(pool.waiting)), len(events)
            oldest.give_up(MissingReason.LIMIT)
            oldest.release(begin)
            oldest.settle()

    def close(self) -> None:
        """End every flow, in the order they began: the capture ended with the current packet."""
        for half in self.halves.values():
            if not half.closed:
                self._close(half, CloseReason.END, MissingReason.END)
            half.drop_held()
        while self._doubtful:
            self._doubt_no_more(next(iter(self._doubtful)))
        self.halves.clear()
        self._silent.clear()
        self._idle.clear()
        self._closed.clear()

    def _handshake(
        self, half: HalfStream | None, key: bytes, seq: int, ack: int, flags: int, data: bytes, missing: int
    ) -> HalfStream | None:
        """Find the flow of a SYN or SYN-ACK; open one unless it repeats or answers the present one's.

        In the middle of a connection it opens none before data follow it: it may be stale or forged.
        """
        first = (seq + 1) & SEQUENCE_MASK
        if half is not None:
            if half.start_seq >= 0:
                same = half.start_seq == first
            else:
                answered = (ack - half.peer.start_seq) & SEQUENCE_MASK
                same = bool(flags & ACK) and half.peer.start_seq >= 0 and answered <= LARGEST_SYN_DATA
            if same and half.closed:
                return None
            if not same:
                if not half.closed:
                    if half.is_established:
                        syn = DoubtfulHandshake.of(half, first, ack if flags & ACK else -1, data, missing, self._packet)
                        self._doubt(half.flow.index, syn)
                        return None
                    self._close(half, CloseReason.REUSE, MissingReason.CLOSED)
                half = None
        if half is None:
            half = self._open(key, not flags & ACK, True)
        if half is not None:
            if half.start_seq < 0:
                half.begin(first)
            if flags & ACK and half.peer.start_seq < 0:
                half.peer.begin(ack)
        return half

    def _doubt(self, flow: int, syn: DoubtfulHandshake) -> None:
        """Keep a handshake in the middle of a connection until data follow it, in place of an earlier one."""
        present = self._doubtful.get(flow)
        if present is not None:
            joined = present.joined_with(syn)
            if joined is not None:
                self._doubtful[flow] = joined
                return
            self._doubt_no_more(flow)
        self._doubtful[flow] = syn
        if len(self._doubtful) > _MOST_DOUBTFUL:
            self._doubt_no_more(next(iter(self._doubtful)))

    def _doubt_no_more(self, flow: int) -> None:
        """Report a handshake that no data followed as skipped."""
        syn = self._doubtful.pop(flow)
        error = SequenceError("a SYN in the middle of a connection", length=len(syn.data) + syn.missing)
        with self._packet.earlier(syn.packet_number, syn.time_ns):
            self._packet.skip(error, syn.flow)

    def _believe(self, syn: DoubtfulHandshake, half: HalfStream) -> HalfStream | None:
        """Begin the connection of a handshake that data follow; return the stream in the same direction as ``half``."""
        del self._doubtful[half.flow.index]
        if not half.closed:
            self._close(half, CloseReason.REUSE, MissingReason.CLOSED)
        key = half.key
        with self._packet.earlier(syn.packet_number, syn.time_ns):
            sender = self._open(syn.key, syn.from_client, True)
            if sender is None:
                return None
            sender.begin(syn.first)
            if syn.back >= 0:
                sender.peer.begin(syn.back)
            if syn.data or syn.missing:
                sender.receive(syn.first, syn.data, syn.missing, False)
        return self.halves[key]

    def _reset(self, half: HalfStream, seq: int, ack: int, flags: int) -> None:
        """Take a reset, which ends the flow at once only with the number that comes next (RFC 5961 section 3.2).

        The capture may lack packets in front of one with another number. If nothing follows in either direction, that
        ended the flow, too; if anything does, it was stale or forged.
        """
        peer = half.peer
        if half.next_seq >= 0 or half.acked >= 0:
            is_next = half.expects(seq)
        else:
            # The answer to a SYN, or of a direction that is not in the capture (RFC 9293 section 3.10.7.3).
            answered = (ack - peer.start_seq) & SEQUENCE_MASK <= LARGEST_SYN_DATA and peer.start_seq >= 0
            is_next = flags & ACK != 0 and (answered or ack == peer.next_seq)
        if is_next:
            if flags & ACK and ack != peer.acked:
                peer.acknowledge(ack)
            self._close(half, CloseReason.RST, MissingReason.CLOSED)
            return
        half.refuse_reset()
        packet = self._packet
        half.reset = DoubtfulReset(max(half.last, peer.last), packet.number, packet.time_ns)

    def _revive(
        self, half: HalfStream | None, key: bytes, seq: int, ack: int, flags: int, data: bytes, missing: int
    ) -> HalfStream | None:
        """Return the stream of a segment that belongs to no open flow; ``None`` where it is to be ignored, or held."""
        length = len(data) + missing
        if half is None:
            return self._open(key, True, False) if length else None
        is_next = half.peer.acknowledges_held(ack) if flags & ACK else False
        if length:
            if half.next_seq < 0:
                return self._open(key, True, False)
            beyond = sequence_distance(half.next_seq, seq + length)
            if not -WINDOW <= beyond <= WINDOW:
                return self._open(key, True, False)
            # One byte with the number of the FIN is a keep-alive probe (RFC 9293 section 3.8.4).
            if beyond > 0 and not (half.fin >= 0 and beyond == length == 1):
                error = SequenceError(f"{length} bytes after their connection was closed", length=length)
                fin = flags & FIN != 0
                is_next = is_next or half.peer.held is not None or half.hold(seq, data, missing, fin, error)
        return self._go_on(half) if is_next else None

    def _go_on(self, half: HalfStream) -> HalfStream | None:
        """Open a flow that continues a closed one, with the segments that were held behind its end."""
        sides = (half, half.peer)
        held = [side.take_held() for side in sides]
        first = min((each for each in held if each is not None), key=lambda each: each.packet_number)
        # Far from where the stream ended, they are of another connection with the same ports.
        same = all(
            each is None or sequence_distance(side.next_seq, each.seq) <= _FURTHEST
            for side, each in zip(sides, held, strict=True)
        )
        with self._packet.earlier(first.packet_number, first.time_ns):
            flow = half.flow
            opened = self._open(
                half.key, half.direction == Direction.A_TO_B, same and flow.client_known, flow.index if same else None
            )
        if opened is None:
            return None
        for side, before, each in zip((opened, opened.peer), sides, held, strict=True):
            if same:
                side.next_seq, side.start_seq, side.acked = before.next_seq, before.start_seq, before.acked
            if each is not None:
                side.replay(each)
        return opened

    def _open(self, key: bytes, from_a: bool, client_known: bool, continues: int | None = None) -> HalfStream | None:
        """Begin a flow with the current packet, unless its ports are not asked for or its ends are the same."""
        source, destination = _ends(key)
        ports = self._ports
        if ports is not None and source.port not in ports and destination.port not in ports:
            return None
        back = destination.packed + source.packed + key[-2:] + key[-4:-2]
        if back == key:
            # Forged, or a socket connected to itself: nothing in its packets says which way the bytes go.
            self._packet.skip(PacketError(f"both ends of the connection are {source}"))
            return None
        # A flow that was closed, or is being replaced, leaves the table here: the new one is to be the last in it.
        if (replaced := self.halves.get(key)) is not None:
            self._forget(replaced)
        if len(self.halves) >= 2 * self._pool.limits.max_flows:
            self._evict()
        a, b = (source, destination) if from_a else (destination, source)
        flow = Flow(self._flows, a, b, client_known, continues)
        self._flows += 1
        there = HalfStream(flow, Direction.A_TO_B if from_a else Direction.B_TO_A, key, self._pool)
        here = HalfStream(flow, there.direction.opposite, back, self._pool)
        there.peer, here.peer = here, there
        self.halves[key], self.halves[back] = there, here
        self._silent[there] = None
        packet = self._packet
        packet.events.append(FlowOpened(flow, packet.number, packet.time_ns))
        return there

    def _close(self, half: HalfStream, reason: CloseReason, missing: MissingReason) -> None:
        """End a flow; ``missing`` is why bytes that still lack are no longer waited for."""
        packet = self._packet
        number, time_ns = packet.number, packet.time_ns
        first, second = (half, half.peer) if half.direction == Direction.A_TO_B else (half.peer, half)
        for side in (first, second):
            reset = side.reset
            if reset and reason in _UNTOLD and max(first.last, second.last) == reset.last:
                reason, number, time_ns = CloseReason.RST, reset.packet_number, reset.time_ns
                side.reset = None
        begin = len(packet.events)
        for side in (first, second):
            side.finish(missing)
            side.closed = True
            self._silent.pop(side, None)
            side.refuse_reset()
            if reason not in _BY_THEMSELVES:
                side.drop_held()
        half.release(begin)
        half.settle()
        self._closed[first] = None
        packet.events.append(FlowClosed(half.flow, reason, number, time_ns))

    def _watch(self, half: HalfStream) -> None:
        """Note a flow that has delivered something among those that may have to make room."""
        idle = self._idle
        if len(idle) > 2 * self._pool.limits.max_flows:
            # Closed flows are removed only when their turn comes; where there is room for all, it never does.
            idle[:] = [entry for entry in idle if not entry[2].closed]
            heapify(idle)
        heappush(idle, (max(half.last, half.peer.last), half.flow.index, half))

    def _evict(self) -> None:
        """Make room for a flow: remove the one that closed first, or else end one.

        That is the oldest of those that have delivered nothing, as all half-open ones; or else the one that has
        delivered nothing for longest.
        """
        if self._closed:
            self._forget(next(iter(self._closed)))
            return
        while self._silent:
            half, _ = self._silent.popitem(last=False)
            if not (half.offset or half.peer.offset):
                break
            # It has delivered something since it was opened.
            self._watch(half)
        else:
            half = self._idlest()
        self._close(half, CloseReason.EVICTED, MissingReason.CLOSED)
        self._forget(half)

    def _idlest(self) -> HalfStream:
        """Return, and watch no more, the flow that has delivered nothing for longest."""
        idle = self._idle
        while True:
            noted, index, half = idle[0]
            if half.closed:
                heappop(idle)
                continue
            last = max(half.last, half.peer.last)
            if last == noted:
                heappop(idle)
                return half
            # Delivering does not update this list: a flow is put in its place when its turn seems to have come.
            heapreplace(idle, (last, index, half))

    def _forget(self, half: HalfStream) -> None:
        """Take a closed flow from the table, and its directions from each other.

        Left as a cycle, they would stay in memory until the garbage collector comes around.
        """
        peer = half.peer
        half.drop_held()
        peer.drop_held()
        if half.flow.index in self._doubtful:
            self._doubt_no_more(half.flow.index)
        self._closed.pop(half, None)
        self._closed.pop(peer, None)
        del self.halves[half.key], self.halves[peer.key], half.peer, peer.peer


def _ends(key: bytes) -> tuple[Endpoint, Endpoint]:
    """Return source and destination of a direction."""
    width = (len(key) - 4) // 2
    source = Endpoint(key[:width], int.from_bytes(key[-4:-2], "big"))
    return source, Endpoint(key[width : 2 * width], int.from_bytes(key[-2:], "big"))
