"""TCP connections: which flow a segment belongs to, when a flow begins and ends, how many there may be.

Source: RFC 9293 (handshake section 3.5, closing 3.6). A connection is looked up by the raw bytes of its
addresses and ports as they stand in the packet, once for each direction.
"""

from __future__ import annotations

from collections.abc import Container
from heapq import heapify, heappop, heappush, heapreplace

from ftwire.errors import PacketError
from ftwire.pcap.context import PacketContext
from ftwire.pcap.events import CloseReason, Direction, Endpoint, Flow, FlowClosed, FlowOpened, MissingReason
from ftwire.pcap.records import Limits
from ftwire.pcap.stream import SEQUENCE_MASK, WINDOW, HalfStream, Pool, sequence_distance

__all__ = ["ACK", "FIN", "RST", "SYN", "Reassembler"]

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

# A SYN-ACK acknowledges the SYN, and with TCP Fast Open (RFC 7413) the bytes that came with it.
_LARGEST_SYN_DATA = 0xFFFF


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
        # Every open flow, by the segment it delivered last; that number may be out of date, and the flow gone.
        self._idle: list[tuple[int, int, HalfStream]] = []
        # Closed flows in the order they closed, kept only to recognise the stragglers of their last packets.
        self._closed: dict[HalfStream, None] = {}

    def segment(self, key: bytes, seq: int, ack: int, flags: int, data: bytes, missing: int) -> None:
        """Take the segment of the current packet, report what comes of it.

        ``missing`` is how many bytes behind ``data`` the capture cut off. The payload of a RST is a text for
        humans (RFC 9293 section 3.5.3) and not part of the stream. Segments without bytes that belong to no
        known flow open none and are no event.
        """
        half = self.halves.get(key)
        if flags & SYN and not flags & RST:
            half = self._handshake(half, key, seq, ack, flags)
            if half is None:
                return
            seq = (seq + 1) & SEQUENCE_MASK
        elif half is None or half.closed:
            if not (data or missing) or flags & RST:
                return
            if half is not None and not self._outlives(half, seq, len(data) + missing):
                return
            half = self._open(key, True, False)
            if half is None:
                return
        peer = half.peer
        if flags & ACK and ack != peer.acked:
            peer.acknowledge(ack)
        if flags & RST:
            self._close(half, CloseReason.RST, MissingReason.CLOSED)
            return
        if data or missing or flags & FIN:
            half.receive(seq, data, missing, flags & FIN != 0)
        if half.waiting:
            half.give_up_acknowledged()
        if peer.waiting:
            peer.give_up_acknowledged()
        if half.fin == half.offset and peer.fin == peer.offset:
            self._close(half, CloseReason.FIN, MissingReason.CLOSED)
            return
        half.settle()
        pool = self._pool
        while pool.buffered > pool.limits.max_buffered_bytes:
            oldest = next(iter(pool.waiting))
            oldest.give_up(MissingReason.LIMIT)
            oldest.settle()

    def close(self) -> None:
        """End every flow, in the order they began: the capture ended with the current packet."""
        for half in self.halves.values():
            if not half.closed:
                self._close(half, CloseReason.END, MissingReason.END)
        self.halves.clear()
        self._idle.clear()
        self._closed.clear()

    def _handshake(self, half: HalfStream | None, key: bytes, seq: int, ack: int, flags: int) -> HalfStream | None:
        """Find the flow of a SYN or SYN-ACK; open one unless it repeats or answers the present one's."""
        first = (seq + 1) & SEQUENCE_MASK
        if half is not None:
            if half.start_seq >= 0:
                same = half.start_seq == first
            else:
                answered = (ack - half.peer.start_seq) & SEQUENCE_MASK
                same = bool(flags & ACK) and half.peer.start_seq >= 0 and answered <= _LARGEST_SYN_DATA
            if same and half.closed:
                return None
            if not same:
                if not half.closed:
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

    def _outlives(self, half: HalfStream, seq: int, length: int) -> bool:
        """Return whether bytes behind the end of a flow belong to another, whose start was not captured."""
        if half.next_seq < 0:
            return True
        beyond = sequence_distance(half.next_seq, seq + length)
        if not -WINDOW <= beyond <= WINDOW:
            return True
        if beyond > 0:
            self._packet.skip(PacketError(f"{length} bytes after their connection was closed"))
        return False

    def _open(self, key: bytes, from_a: bool, client_known: bool) -> HalfStream | None:
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
        flow = Flow(self._flows, a, b, client_known)
        self._flows += 1
        there = HalfStream(flow, Direction.A_TO_B if from_a else Direction.B_TO_A, key, self._pool)
        here = HalfStream(flow, there.direction.opposite, back, self._pool)
        there.peer, here.peer = here, there
        self.halves[key], self.halves[back] = there, here
        self._watch(there)
        packet = self._packet
        packet.events.append(FlowOpened(flow, packet.number, packet.time_ns))
        return there

    def _close(self, half: HalfStream, reason: CloseReason, missing: MissingReason) -> None:
        """End a flow; ``missing`` is why bytes that still lack are no longer waited for."""
        first, second = (half, half.peer) if half.direction == Direction.A_TO_B else (half.peer, half)
        for side in (first, second):
            side.finish(missing)
            side.closed = True
        half.settle()
        self._closed[first] = None
        packet = self._packet
        packet.events.append(FlowClosed(half.flow, reason, packet.number, packet.time_ns))

    def _watch(self, half: HalfStream) -> None:
        """Note a new flow among those that may have to make room."""
        idle = self._idle
        if len(idle) > 2 * self._pool.limits.max_flows:
            # Closed flows are removed only when their turn comes; where there is room for all, it never does.
            idle[:] = [entry for entry in idle if not entry[2].closed]
            heapify(idle)
        heappush(idle, (half.last, half.flow.index, half))

    def _evict(self) -> None:
        """Remove the flow that closed first, or else the one that has delivered nothing for longest."""
        if self._closed:
            self._forget(next(iter(self._closed)))
            return
        idle = self._idle
        while True:
            noted, index, half = idle[0]
            if half.closed:
                heappop(idle)
                continue
            last = max(half.last, half.peer.last)
            if last == noted:
                heappop(idle)
                break
            # Delivering does not update this list: a flow is put in its place when its turn seems to have come.
            heapreplace(idle, (last, index, half))
        self._close(half, CloseReason.EVICTED, MissingReason.CLOSED)
        self._forget(half)

    def _forget(self, half: HalfStream) -> None:
        """Take a closed flow from the table, and its directions from each other.

        Left as a cycle, they would stay in memory until the garbage collector comes around.
        """
        peer = half.peer
        self._closed.pop(half, None)
        self._closed.pop(peer, None)
        del self.halves[half.key], self.halves[peer.key], half.peer, peer.peer


def _ends(key: bytes) -> tuple[Endpoint, Endpoint]:
    """Return source and destination of a direction."""
    width = (len(key) - 4) // 2
    source = Endpoint(key[:width], int.from_bytes(key[-4:-2], "big"))
    return source, Endpoint(key[width : 2 * width], int.from_bytes(key[-2:], "big"))
