"""What the readers return: one packet as it was captured, the interface it came from; and the limits.

Times are integers, nanoseconds since 1970-01-01 00:00:00 UTC: exact for every resolution the formats know
(a float of seconds loses the last three digits of a nanosecond time).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple, TypeAlias

__all__ = [
    "Followed",
    "Interface",
    "Limits",
    "LinkType",
    "Packet",
    "Record",
    "Secrets",
    "Segment",
    "Stop",
    "in_order_of_time",
]


class LinkType(IntEnum):
    """The link types that can be decoded, by their numbers in capture files.

    Source: https://www.tcpdump.org/linktypes.html; 12 and 14 are ``DLT_RAW`` as some systems wrote it into
    their files before 101 was assigned. 149 is ``DLT_PKTAP`` in the same way.
    """

    NULL = 0
    """BSD loopback: a 4-byte address family in the byte order of the capturing machine."""
    ETHERNET = 1
    """Ethernet II or 802.3, with or without 802.1Q and 802.1ad tags."""
    PPP = 9
    """PPP, with or without the address and control bytes of HDLC."""
    DLT_RAW = 12
    """IPv4 or IPv6, no link header."""
    DLT_RAW_OPENBSD = 14
    """IPv4 or IPv6, no link header."""
    PPP_HDLC = 50
    """PPP over a serial line, or Cisco HDLC, told apart by the first byte."""
    PPP_ETHER = 51
    """PPPoE without its Ethernet header."""
    RAW = 101
    """IPv4 or IPv6, no link header."""
    C_HDLC = 104
    """Cisco HDLC: address, control, an EtherType."""
    LOOP = 108
    """OpenBSD loopback: a 4-byte address family, big-endian."""
    LINUX_SLL = 113
    """Linux "cooked" header of 16 bytes, as ``tcpdump -i any`` wrote it before libpcap 1.10."""
    DLT_PKTAP = 149
    """PKTAP as Darwin writes it into its files; elsewhere this number is free for any use."""
    IPV4 = 228
    """IPv4, no link header."""
    IPV6 = 229
    """IPv6, no link header."""
    NFLOG = 239
    """What Linux' netfilter logs (``tcpdump -i nflog``): attributes, one of which is an IP packet."""
    PKTAP = 258
    """Darwin's PKTAP: a header that names interface and process, and the link type of what follows."""
    LINUX_SLL2 = 276
    """Linux "cooked" header of 20 bytes, which names the interface too."""


@dataclass(frozen=True, slots=True)
class Interface:
    """Where packets were captured: a pcapng interface description, or the one a pcap header implies."""

    index: int
    """Position within its pcapng section, from 0; 0 in a pcap file."""
    link_type: int
    """One of :class:`LinkType`, or a number of https://www.tcpdump.org/linktypes.html unknown to it."""
    snap_length: int
    """Most bytes of a packet the capture kept; 0: no limit stated."""


class Packet(NamedTuple):
    """One captured packet, link header first."""

    number: int
    """Position in the file, from 1, as packet analysers count."""
    time_ns: int
    """Nanoseconds since the epoch; 0 where the record carries no time (pcapng simple packet blocks)."""
    data: bytes
    """The bytes the capture kept."""
    original_length: int
    """Bytes the packet had on the wire; more than ``len(data)`` when the capture cut it."""
    interface: Interface
    """Where it was captured."""

    @property
    def link_type(self) -> int:
        """Link type of its interface."""
        return self.interface.link_type


class Secrets(NamedTuple):
    """A Decryption Secrets Block of a pcapng file: what somebody put there for reading the packets behind it."""

    kind: int
    """What it is, by the numbers of draft-ietf-opsawg-pcapng section 4.7."""
    data: bytes


Record: TypeAlias = tuple[int, bytes, int, Interface]
"""A packet in a capture file: what :class:`Packet` has, but for the number."""

Segment: TypeAlias = tuple[int, bytes, int, int, bytes]
"""A plain TCP segment: time in ns, key of its direction, sequence number, acknowledgement number, payload.

It has the flag ACK and none of SYN, FIN and RST. The key is source address, destination address, source port and
destination port as they stand in the packet: 12 bytes for IPv4, 36 for IPv6."""


class Stop(StrEnum):
    """Why packets that follow each other in time end."""

    MORE = "more"
    """The buffer ends."""
    PACKET = "packet"
    """The next packet is earlier than the one before it, or later than those asked for."""
    STATE = "state"
    """A block states how the packets behind it are to be read."""


class Followed(NamedTuple):
    """Packets in a buffer that follow each other in time."""

    first_ns: int | None
    """Time of the first; ``None`` where none has a time."""
    latest_ns: int
    """Time of the last, or what was given where none has a time."""
    begin: int
    """Where the packets begin in the buffer: behind the header of a file."""
    end: int
    """Where they end."""
    stop: Stop
    following: int = 0
    """After ``Stop.STATE``: where the block ends."""
    next_ns: int = 0
    """After ``Stop.PACKET``: time of the next packet."""


def in_order_of_time(
    packets: Iterable[tuple[int, ...]], at: int, latest: int, until: int
) -> tuple[int | None, int, int]:
    """Return the first and the latest time of packets that follow each other in time, and where they end.

    They end before one that is earlier than the one before (or than ``latest``) or later than ``until``. A time of 0 is
    none: such a packet follows any other. A packet's tuple begins with its time and ends with the place of its end; the
    first packet is at ``at``.
    """
    first: int | None = None
    for packet in packets:
        time_ns = packet[0]
        if time_ns:
            if not latest <= time_ns <= until:
                break
            latest = time_ns
            if first is None:
                first = time_ns
        at = packet[-1]
    return first, latest, at


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a capture may cost, whatever its lengths, sequence numbers and addresses claim.

    The defaults keep a dissector within some tens of MiB, and a reader of frames (``ftwire.capture``) within
    ``max_memory`` besides. All are inclusive; each must be at least 1.
    """

    max_memory: int = 256 << 20
    """Bytes that all connections of a capture together make wait: packets in front of which others are missing,
    fragments, frames that are not whole, requests without an answer. Beyond it the connections that take most are made
    to give up what waits (:class:`~ftwire.errors.MemoryLimitError`), until a quarter is free again. Must leave room
    for a body of the largest size, or none such is read."""

    max_record: int = 16 << 20
    """Largest record of a pcap file or block of a pcapng file, in bytes. A longer one is a
    :class:`~ftwire.errors.CaptureFormatError` as soon as its length is read."""
    max_secrets: int = 1 << 20
    """Bytes of decryption secrets kept from one file, and at most 4096 of them; a block that does not fit any more is
    ignored."""
    max_interfaces: int = 16384
    """Interfaces kept of a section of a pcapng file. Packets of others are skipped as of an unknown link type."""
    max_flows: int = 16384
    """TCP connections tracked at a time. To make room for one more, the one that closed first is forgotten; where
    none has closed, the oldest that never delivered a byte is ended with a :class:`FlowClosed` event, or else the one
    that delivered none for longest."""
    max_flow_segments: int = 8192
    """Pieces that wait for earlier bytes, in one direction of one flow."""
    max_flow_bytes: int = 16 << 20
    """Bytes of such pieces, and 128 more for each: what the objects around it take."""
    max_buffered_bytes: int = 48 << 20
    """The same, over all flows; beyond it the missing bytes that have been waited for longest are given up."""
    patience_packets: int = 32
    """Once the receiver has acknowledged missing bytes, the sender will not repeat them, but the capture may still
    have stored their packet late: they are waited for until this many more packets of the flow have come,"""
    patience_ns: int = 1_000_000_000
    """or this much time has passed between packets, whichever is first."""
    max_fragmented: int = 1024
    """IP datagrams waiting for fragments."""
    max_fragment_bytes: int = 8 << 20
    """Bytes of such fragments, and 128 more for each."""
    fragment_timeout_ns: int = 60_000_000_000
    """Time between the first fragment of a datagram and the last; RFC 8200 section 4.5 says 60 seconds."""
