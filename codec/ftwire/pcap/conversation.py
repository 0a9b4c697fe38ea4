"""A TCP connection as packets, made from nothing but what was said.

A program that relays a connection sees bytes and never segments: this turns what it saw into packets any
analyser opens, handshake and acknowledgements included.
"""

from __future__ import annotations

from collections.abc import Iterable

from ftwire.pcap.build import ip_packet, link_frame, tcp_segment
from ftwire.pcap.events import Direction, Endpoint
from ftwire.pcap.records import LinkType
from ftwire.pcap.tcp import ACK, FIN, RST, SYN

__all__ = ["TcpConversation"]

_PSH = 0x08


class TcpConversation:
    """The packets of one connection, ``client`` to ``server``, in the order of the calls.

    Each call gives the packets it causes, link header first, to be written with the time it was given::

        talk = TcpConversation(client, server)
        for frame in talk.open():
            file.write(writer.packet(time_ns, frame))

    :param mss: most bytes in one segment.
    :param isns: initial sequence numbers of client and server.
    """

    def __init__(
        self,
        client: Endpoint,
        server: Endpoint,
        *,
        link_type: int = LinkType.ETHERNET,
        mss: int = 1448,
        isns: tuple[int, int] = (1000, 5000),
    ) -> None:
        self._ends = (client, server)
        self._link_type = link_type
        self._mss = mss
        self._next = list(isns)
        self._packets = [0, 0]

    def open(self) -> list[bytes]:
        """Give the three packets of the handshake."""
        client, server = Direction.A_TO_B, Direction.B_TO_A
        return [self._packet(client, SYN), self._packet(server, SYN | ACK), self._packet(client, ACK)]

    def send(self, direction: Direction, data: bytes) -> list[bytes]:
        """Give the segments of ``data``, and the acknowledgement of the last of them."""
        frames = []
        for start in range(0, len(data), self._mss):
            last = start + self._mss >= len(data)
            part = data[start : start + self._mss]
            frames.append(self._packet(direction, ACK | (_PSH if last else 0), part))
        if frames:
            frames.append(self._packet(direction.opposite, ACK))
        return frames

    def skip(self, direction: Direction, length: int) -> None:
        """Count bytes as sent that no packet carries: what a capture lacks."""
        self._next[direction] += length

    def finish(self, by: Direction) -> list[bytes]:
        """Give the packets by which one side says that it has sent everything; the other may go on."""
        return [self._packet(by, FIN | ACK), self._packet(by.opposite, ACK)]

    def close(self, by: Direction = Direction.A_TO_B) -> list[bytes]:
        """Give the packets of an orderly end, begun by the side that sends in direction ``by``."""
        return [
            self._packet(by, FIN | ACK),
            self._packet(by.opposite, FIN | ACK),
            self._packet(by, ACK),
        ]

    def reset(self, by: Direction) -> list[bytes]:
        """Give the packet of a disorderly end."""
        return [self._packet(by, RST | ACK)]

    def frames(self, said: Iterable[tuple[Direction, bytes, int]]) -> list[tuple[int, bytes]]:
        """Give a whole connection, from handshake to end: ``(time_ns, frame)`` of each packet.

        ``said`` is what each side sent and when, in order; handshake and end take the first and last time.
        """
        frames: list[tuple[int, bytes]] = []
        time_ns = 0
        for direction, data, time_ns in said:
            if not frames:
                frames += [(time_ns, frame) for frame in self.open()]
            frames += [(time_ns, frame) for frame in self.send(direction, data)]
        if not frames:
            frames += [(time_ns, frame) for frame in self.open()]
        return frames + [(time_ns, frame) for frame in self.close()]

    def _packet(self, direction: Direction, flags: int, data: bytes = b"") -> bytes:
        source, destination = self._ends[direction], self._ends[direction.opposite]
        segment = tcp_segment(
            source,
            destination,
            seq=self._next[direction],
            ack=self._next[direction.opposite] if flags & ACK else 0,
            flags=flags,
            data=data,
        )
        self._next[direction] += len(data) + bool(flags & (SYN | FIN))
        self._packets[direction] += 1
        packet = ip_packet(source.packed, destination.packed, segment, identification=self._packets[direction])
        return link_frame(self._link_type, packet)
