"""Plain TCP segments, taken out of their packets in one step: the Python twin of the compiled core.

Nearly all packets of real captures are whole, unfragmented, without IP options or extension headers, and carry a TCP
segment with no flag but ACK. One ``unpack_from`` over link, IP and TCP header reads such a packet. Every other packet
is left as it is, for :mod:`ftwire.pcap.dissect` to take apart layer by layer; a property test shows that both ways
give the same for a packet that both can read.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from ftwire.pcap.records import Interface, LinkType, Record, Segment

__all__ = ["Place", "packets_at", "segments_at"]

Place: TypeAlias = tuple[int, int, int, int, Interface]
"""A packet in its buffer: time in ns, where it starts, bytes captured, bytes on the wire, interface."""

_IPV4_MARK, _IPV6_MARK = b"\x08\x00", b"\x86\xdd"
# Link type -> length of its header, format of that header, the values in it that say "IPv4 follows" and "IPv6 follows".
_LINKS: Final[dict[int, tuple[int, str, tuple[bytes, ...], tuple[bytes, ...]]]] = {
    LinkType.ETHERNET: (14, "12x2s", (_IPV4_MARK,), (_IPV6_MARK,)),
    LinkType.LINUX_SLL: (16, "14x2s", (_IPV4_MARK,), (_IPV6_MARK,)),
    LinkType.LINUX_SLL2: (20, "2s18x", (_IPV4_MARK,), (_IPV6_MARK,)),
    LinkType.NULL: (4, "4s", (b"\x02\0\0\0", b"\0\0\0\x02"), ()),
    LinkType.LOOP: (4, "4s", (b"\0\0\0\x02",), ()),
    LinkType.RAW: (0, "0s", (b"",), (b"",)),
    LinkType.DLT_RAW: (0, "0s", (b"",), (b"",)),
    LinkType.DLT_RAW_OPENBSD: (0, "0s", (b"",), (b"",)),
    LinkType.IPV4: (0, "0s", (b"",), ()),
    LinkType.IPV6: (0, "0s", (), (b"",)),
}
# IPv4: version and header length, total length, flags and fragment offset, protocol. IPv6: version, payload length,
# next header. Then addresses and ports, which are next to each other: the key of the direction. Then the rest of TCP:
# sequence number, acknowledgement number, header length and flags.
_IPV4_TCP, _IPV6_TCP = "BxH2xHxBxx12sIIH6x", "B3xHBx36sIIH6x"
_IPV4_HEADER, _IPV6_HEADER, _TCP_HEADER = 20, 40, 20
_PROTOCOL_TCP = 6
_NO_OPTIONS = 0x45
# Every flag but "don't fragment", and the offset.
_FRAGMENTED = 0xBFFF
# FIN, SYN, RST and ACK: only ACK may be set.
_CONTROL, _ONLY_ACK = 0x17, 0x10
_SMALLEST_DATA_OFFSET = 5 << 12


class _Unpack(Protocol):
    def __call__(self, data: bytes, offset: int = 0, /) -> tuple[Any, ...]: ...


class _Link(NamedTuple):
    """How to read packets of one link type."""

    header: int
    unpack_ipv4: _Unpack
    ipv4_marks: tuple[bytes, ...]
    unpack_ipv6: _Unpack
    ipv6_marks: tuple[bytes, ...]


def packets_at(data: bytes, places: Sequence[Place]) -> list[Record | Segment]:
    """Return the packets that lie in ``data`` at these places."""
    return [
        (time_ns, data[start : start + captured], original, interface)
        for time_ns, start, captured, original, interface in places
    ]


def segments_at(data: bytes, places: Sequence[Place]) -> list[Record | Segment]:
    """Return the packets that lie in ``data`` at these places, the plain ones as segments."""
    found: list[Record | Segment] = []
    append = found.append
    present: Interface | None = None
    for time_ns, start, captured, original, interface in places:
        if interface is not present:
            present = interface
            link = _link(interface.link_type)
            header, unpack, marks, _, _ = link
            shortest = header + _IPV4_HEADER + _TCP_HEADER
        if captured >= shortest:
            mark, version, total, fragment, protocol, key, seq, ack, flags = unpack(data, start)
            if (
                version == _NO_OPTIONS
                and protocol == _PROTOCOL_TCP
                and mark in marks
                and not fragment & _FRAGMENTED
                and flags & _CONTROL == _ONLY_ACK
                and flags >= _SMALLEST_DATA_OFFSET
            ):
                payload = start + header + _IPV4_HEADER + (flags >> 12) * 4
                # Link layers pad short packets: the IP header says where the segment ends.
                end = start + header + total
                if payload <= end <= start + captured:
                    append((time_ns, key, seq, ack, data[payload:end]))
                    continue
            elif version >> 4 == 6 and (segment := _segment_in_ipv6(link, data, start, captured, time_ns)):
                append(segment)
                continue
        append((time_ns, data[start : start + captured], original, interface))
    return found


def _segment_in_ipv6(link: _Link, data: bytes, start: int, captured: int, time_ns: int) -> Segment | None:
    """Return the segment of an IPv6 packet if it is plain."""
    if captured < link.header + _IPV6_HEADER + _TCP_HEADER:
        return None
    mark, _, length, protocol, key, seq, ack, flags = link.unpack_ipv6(data, start)
    payload = start + link.header + _IPV6_HEADER + (flags >> 12) * 4
    # A jumbogram states a length of 0, which no TCP header fits into.
    end = start + link.header + _IPV6_HEADER + length
    is_plain = (
        protocol == _PROTOCOL_TCP
        and mark in link.ipv6_marks
        and flags & _CONTROL == _ONLY_ACK
        and flags >= _SMALLEST_DATA_OFFSET
        and payload <= end <= start + captured
    )
    return (time_ns, key, seq, ack, data[payload:end]) if is_plain else None


@lru_cache(maxsize=32)
def _link(link_type: int) -> _Link:
    """Return how to read packets of a link type; of an unknown one, no packet is plain."""
    header, mark, ipv4_marks, ipv6_marks = _LINKS.get(link_type, (0, "0s", (), ()))
    return _Link(
        header,
        Struct(f">{mark}{_IPV4_TCP}").unpack_from,
        ipv4_marks,
        Struct(f">{mark}{_IPV6_TCP}").unpack_from,
        ipv6_marks,
    )
