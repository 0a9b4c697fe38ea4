"""A SYN in the middle of a connection: the beginning of another one with the same ports, or stale, or forged.

Its receiver would not believe it either: it asks back with an acknowledgement (RFC 5961 section 4). An observer does
not see what comes of that and decides by what follows: bytes with the numbers that the SYN announced.
"""

from __future__ import annotations

from typing import NamedTuple

from ftwire.pcap.context import PacketContext
from ftwire.pcap.events import Flow
from ftwire.pcap.stream import SEQUENCE_MASK, HalfStream, sequence_distance

__all__ = ["LARGEST_SYN_DATA", "DoubtfulHandshake"]

LARGEST_SYN_DATA = 0xFFFF
"""A SYN-ACK acknowledges the SYN, and with TCP Fast Open (RFC 7413) the bytes that came with it."""

# First bytes that the capture lacks: what is further from the announced number than this does not follow it.
_NEAR = 1 << 20


class DoubtfulHandshake(NamedTuple):
    """The SYN, or the SYN-ACK, or both, that came in the middle of a connection."""

    flow: Flow
    """The connection in the middle of which it came."""
    key: bytes
    """Key of its direction."""
    from_client: bool
    """It is a SYN, which the other side may have answered; otherwise only the SYN-ACK came."""
    first: int
    """Sequence number of the first byte behind it."""
    back: int
    """The same of the other direction, where a SYN-ACK says so; -1 otherwise."""
    data: bytes
    missing: int
    packet_number: int
    time_ns: int

    @classmethod
    def of(
        cls, half: HalfStream, first: int, ack: int, data: bytes, missing: int, packet: PacketContext
    ) -> DoubtfulHandshake:
        """Make one of a segment of this stream; ``ack`` is -1 unless it is a SYN-ACK."""
        return cls(half.flow, half.key, ack < 0, first, ack, data, missing, packet.number, packet.time_ns)

    def joined_with(self, other: DoubtfulHandshake) -> DoubtfulHandshake | None:
        """Return this with what a later one adds, if that repeats or answers it."""
        if other.key == self.key:
            return self if other.first == self.first else None
        if self.from_client and not other.from_client:
            answered = (other.back - self.first) & SEQUENCE_MASK
            return self._replace(back=other.first) if answered <= LARGEST_SYN_DATA else None
        return None

    def is_followed_by(self, half: HalfStream, seq: int) -> bool:
        """Return whether a segment of this stream is what comes next behind the handshake, and not in the flow."""
        sent_it = half.key == self.key
        begin = self.first if sent_it else self.back
        if begin < 0 or seq == half.next_seq:
            return False
        ahead = sequence_distance(begin, seq)
        if ahead == 0 or (sent_it and ahead == len(self.data) + self.missing):
            return True
        return 0 < ahead <= _NEAR and (half.next_seq < 0 or abs(sequence_distance(half.next_seq, seq)) > _NEAR)
