"""The packets of a TCP connection, made from nothing but the bytes that its two sides sent.

A proxy sees bytes and never segments: this turns what it saw into packets that any analyser opens, handshake and
acknowledgements included.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from ftwire.pcap.build import ip_packet, link_frame, tcp_segment
from ftwire.pcap.events import Direction, Endpoint
from ftwire.pcap.records import LinkType
from ftwire.pcap.tcp import ACK, FIN, RST, SYN

__all__ = ["TcpConversation"]

_PSH = 0x08
# IPv4 and TCP, neither with options.
_HEADERS = Struct(">BBHHHBBH8sHHIIHHHH")
_HEADERS_SIZE = 40
_WINDOW = 65535
# The headers of all other link types state the packet's length.
_SAME_HEADER = frozenset(LinkType) - {LinkType.NFLOG, LinkType.PPP_ETHER}


class TcpConversation:
    """The packets of one connection, ``client`` to ``server``, in the order of the calls.

    Each call returns the packets it causes, link header first, to be written with the time of the call::

        connection = TcpConversation(client, server)
        for packet in connection.open():
            file.write(writer.packet(time_ns, packet))

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
        # The link header is the same for all packets; None where it is not, or each packet is made layer by layer.
        is_ipv4 = len(client.packed) == len(server.packed) == 4
        self._link = link_frame(link_type, b"\x45")[:-1] if is_ipv4 and link_type in _SAME_HEADER else None
        # The part of the checksums that all packets of this connection share, of either direction: see _packet.
        ends = _words(client.packed + server.packed)
        self._sums = (0x4500 + 0x4006 + ends, ends + 6 + client.port + server.port + _WINDOW)

    def open(self) -> list[bytes]:
        """Return the three packets of the handshake."""
        client, server = Direction.A_TO_B, Direction.B_TO_A
        return [self._packet(client, SYN), self._packet(server, SYN | ACK), self._packet(client, ACK)]

    def send(self, direction: Direction, data: bytes) -> list[bytes]:
        """Return the segments of ``data``, and the acknowledgement of the last of them."""
        frames = []
        for start in range(0, len(data), self._mss):
            last = start + self._mss >= len(data)
            part = data[start : start + self._mss]
            frames.append(self._packet(direction, ACK | (_PSH if last else 0), part))
        if frames:
            frames.append(self._packet(direction.opposite, ACK))
        return frames

    def skip(self, direction: Direction, length: int) -> None:
        """Count bytes as sent that no packet carries, as in a capture that lacks them."""
        self._next[direction] += length

    def finish(self, by: Direction) -> list[bytes]:
        """Return the packets by which one side ends its stream; the other may go on."""
        return [self._packet(by, FIN | ACK), self._packet(by.opposite, ACK)]

    def close(self, by: Direction = Direction.A_TO_B) -> list[bytes]:
        """Return the packets of an orderly end, begun by the side that sends in direction ``by``."""
        return [
            self._packet(by, FIN | ACK),
            self._packet(by.opposite, FIN | ACK),
            self._packet(by, ACK),
        ]

    def reset(self, by: Direction) -> list[bytes]:
        """Return the packet of a disorderly end."""
        return [self._packet(by, RST | ACK)]

    def frames(self, sent: Iterable[tuple[Direction, bytes, int]]) -> list[tuple[int, bytes]]:
        """Return a whole connection, from handshake to end: ``(time_ns, frame)`` of each packet.

        ``sent`` is what each side sent and when, in order; handshake and end take the first and last time.
        """
        frames: list[tuple[int, bytes]] = []
        time_ns = 0
        for direction, data, time_ns in sent:
            if not frames:
                frames += [(time_ns, frame) for frame in self.open()]
            frames += [(time_ns, frame) for frame in self.send(direction, data)]
        if not frames:
            frames += [(time_ns, frame) for frame in self.open()]
        return frames + [(time_ns, frame) for frame in self.close()]

    def _packet(self, direction: Direction, flags: int, data: bytes = b"") -> bytes:
        source, destination = self._ends[direction], self._ends[direction.opposite]
        seq = self._next[direction] & 0xFFFFFFFF
        ack = self._next[direction.opposite] & 0xFFFFFFFF if flags & ACK else 0
        self._next[direction] += len(data) + bool(flags & (SYN | FIN))
        self._packets[direction] += 1
        identification = self._packets[direction] & 0xFFFF
        length = _HEADERS_SIZE + len(data)
        if self._link is None or length > 0xFFFF:
            segment = tcp_segment(source, destination, seq=seq, ack=ack, flags=flags, data=data)
            packet = ip_packet(source.packed, destination.packed, segment, identification=identification)
            return link_frame(self._link_type, packet)
        # The same as the three functions above, in one go: recorders and load generators make nothing else.
        ip_sum, tcp_sum = self._sums
        offset_and_flags = 5 << 12 | flags
        ip_sum += length + identification
        tcp_sum += (seq >> 16) + (seq & 0xFFFF) + (ack >> 16) + (ack & 0xFFFF) + offset_and_flags + length - 20
        headers = _HEADERS.pack(
            0x45,
            0,
            length,
            identification,
            0,
            64,
            6,
            # Neither sum is 0, so a remainder of 0 stands for 65535 (RFC 1071).
            0xFFFF - (ip_sum % 0xFFFF or 0xFFFF),
            source.packed + destination.packed,
            source.port,
            destination.port,
            seq,
            ack,
            offset_and_flags,
            _WINDOW,
            0xFFFF - ((tcp_sum + _words(data)) % 0xFFFF or 0xFFFF),
            0,
        )
        return b"".join((self._link, headers, data))


def _words(data: bytes) -> int:
    """Return the sum of the 16-bit words modulo 65535, which is all that a checksum needs."""
    return int.from_bytes(data if len(data) % 2 == 0 else data + b"\0", "big") % 0xFFFF
