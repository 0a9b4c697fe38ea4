"""What the readers hand on: one packet as it was captured, the interface it came from, and our limits.

Times are integers, nanoseconds since 1970-01-01 00:00:00 UTC: exact for every resolution the formats know
(a float of seconds loses the last three digits of a nanosecond time).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeAlias

__all__ = ["Interface", "Limits", "LinkType", "Packet", "Record", "Secrets", "Sliced"]


class LinkType(IntEnum):
    """The link types that are taken apart here, by the number a capture file gives them.

    Source: https://www.tcpdump.org/linktypes.html; 12 and 14 are ``DLT_RAW`` as some systems wrote it into
    their files before 101 was assigned.
    """

    NULL = 0
    """BSD loopback: a 4-byte address family in the byte order of the capturing machine."""
    ETHERNET = 1
    """Ethernet II or 802.3, with or without 802.1Q and 802.1ad tags."""
    DLT_RAW = 12
    """IPv4 or IPv6, no link header."""
    DLT_RAW_OPENBSD = 14
    """IPv4 or IPv6, no link header."""
    RAW = 101
    """IPv4 or IPv6, no link header."""
    LOOP = 108
    """OpenBSD loopback: a 4-byte address family, big-endian."""
    LINUX_SLL = 113
    """Linux "cooked" header of 16 bytes, as ``tcpdump -i any`` wrote it before libpcap 1.10."""
    IPV4 = 228
    """IPv4, no link header."""
    IPV6 = 229
    """IPv6, no link header."""
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


Record: TypeAlias = tuple[int, int, int, int, Interface]
"""A packet that still lies in its buffer: time in ns, start, captured length, original length, interface."""

Sliced: TypeAlias = tuple[int, bytes, int, int, int, bytes]
"""A TCP segment that the compiled core has taken out of its packet: time in ns, key of its direction, sequence and
acknowledgement number, bytes of its IP packet, payload. It has no flag set but ACK and such as mean nothing here."""

Acknowledged: TypeAlias = tuple[int, bytes, int, int]
"""The same of a segment without payload: time in ns, key of its direction, acknowledgement number, bytes of its IP
packet."""

Skipped: TypeAlias = tuple[int, int]
"""TCP segments behind each other that the compiled core has passed over: the last one's time in ns, how many."""

Scanned: TypeAlias = Record | Sliced | Acknowledged | Skipped
"""What a scan finds."""

Known: TypeAlias = set[bytes] | dict[bytes, int]
"""Keys of directions whose segments the core passes over; in a dict, it adds the bytes of their IP packets up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a capture may cost, whatever its lengths, sequence numbers and addresses claim.

    The defaults keep a dissector within some tens of MiB. All are inclusive; each must be at least 1.
    """

    max_record: int = 16 << 20
    """Largest record of a pcap file or block of a pcapng file, in bytes. A longer one is a
    :class:`~ftwire.errors.CaptureFormatError` as soon as its length is read."""
    max_secrets: int = 1 << 20
    """Bytes of decryption secrets kept, those of a file together; what comes beyond is passed over."""
    max_flows: int = 16384
    """TCP connections tracked at a time. For one more the one that closed first is forgotten, or else the one that
    has been idle longest goes, with a :class:`FlowClosed` event."""
    max_flow_segments: int = 8192
    """Segments waiting for an earlier piece, in one direction of one flow."""
    max_flow_bytes: int = 16 << 20
    """Bytes of such segments, with 128 for the keeping of each."""
    max_buffered_bytes: int = 48 << 20
    """The same, over all flows; beyond it the piece that has been waited for longest is given up."""
    patience_packets: int = 32
    """Once the receiver has acknowledged a missing piece, the sender will not repeat it, but the capture may
    still have stored it late: wait for this many more packets of the flow,"""
    patience_ns: int = 1_000_000_000
    """or this long in packet time, whichever is first."""
    max_fragmented: int = 1024
    """IP datagrams waiting for fragments."""
    max_fragment_bytes: int = 8 << 20
    """Bytes of such fragments, with 128 for the keeping of each."""
    fragment_timeout_ns: int = 60_000_000_000
    """Packet time a datagram may take to become whole; RFC 8200 section 4.5 says 60 seconds."""
