"""IPv4 and IPv6 headers: where a datagram's payload lies, and how long it really is.

Lengths are the IP header's, never the frame's: Ethernet pads short frames with bytes that are no part of the packet.
Checksums are not verified, since network cards fill them in after the packet was captured.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from ftwire.errors import CutPacketError, PacketError

__all__ = ["Datagram", "decode_ipv4", "decode_ipv6", "walk_extensions"]

_IPV4 = Struct(">BxHHHxBxx8s").unpack_from
_IPV6 = Struct(">IHBx32s").unpack_from
_FRAGMENT = Struct(">BxHI").unpack_from

_HOP_BY_HOP, _ROUTING, _FRAGMENT_HEADER, _AUTHENTICATION, _DESTINATION = 0, 43, 44, 51, 60


class Datagram(NamedTuple):
    """An IP packet in its buffer, headers taken off."""

    addresses: bytes
    """Source, then destination: 8 bytes for IPv4, 32 for IPv6."""
    protocol: int
    """What the payload is: 6 for TCP."""
    start: int
    """Where the payload starts in the buffer."""
    length: int
    """Bytes the payload has on the wire; the capture may hold fewer."""
    identification: int
    """The same number in all fragments of a datagram."""
    fragment_offset: int
    """Where in the datagram this payload belongs, in bytes."""
    more_fragments: bool
    """Whether it is a fragment and not the last."""

    @property
    def is_fragment(self) -> bool:
        """Whether it is only a part of a datagram."""
        return self.more_fragments or self.fragment_offset > 0


def decode_ipv4(data: bytes, start: int, end: int, wire_end: int, *, in_tunnel: bool = False) -> Datagram:
    """Decode the header of the IPv4 packet at ``data[start:]`` (RFC 791 section 3.1).

    ``end`` is where the captured bytes end, ``wire_end`` where the packet ended on the wire. A total length of 0 is
    left for a network card that does the segmentation to fill in: then the packet ends at ``wire_end``. A packet
    ``in_tunnel`` may be longer: whoever mirrors packets may cut them before they are sent on.

    :raises CutPacketError: cut within its header, or longer than its frame.
    :raises PacketError: not version 4, or lengths that contradict each other.
    """
    if end - start < 20:
        raise CutPacketError(f"an IPv4 header cut to {end - start} bytes")
    first, total, identification, fragment, protocol, addresses = _IPV4(data, start)
    header = (first & 0x0F) * 4
    if first >> 4 != 4 or header < 20:
        raise PacketError(f"an IPv4 header starts with {first:#04x}")
    if total == 0:
        total = wire_end - start
    if total < header:
        raise PacketError(f"an IPv4 packet of {total} bytes, header of {header}, in a frame with {wire_end - start}")
    if start + total > wire_end and not in_tunnel:
        raise CutPacketError(f"an IPv4 packet of {total} bytes, header of {header}, in a frame with {wire_end - start}")
    return Datagram(
        addresses,
        protocol,
        start + header,
        total - header,
        identification,
        (fragment & 0x1FFF) * 8,
        bool(fragment & 0x2000),
    )


def decode_ipv6(data: bytes, start: int, end: int, wire_end: int, *, in_tunnel: bool = False) -> Datagram:
    """Decode the headers of the IPv6 packet at ``data[start:]`` (RFC 8200 section 3).

    ``end`` is where the captured bytes end, ``wire_end`` where the packet ended on the wire. Extension headers are
    skipped up to the payload, or up to the fragment header of a real fragment. A payload length of 0 is a jumbogram's,
    or left for a network card that does the segmentation to fill in: then the packet ends at ``wire_end``.
    ``in_tunnel`` as for :func:`decode_ipv4`.

    :raises CutPacketError: cut within its headers, or longer than its frame.
    :raises PacketError: not version 6, or lengths that contradict each other.
    """
    if end - start < 40:
        raise CutPacketError(f"an IPv6 header cut to {end - start} bytes")
    first, length, protocol, addresses = _IPV6(data, start)
    if first >> 28 != 6:
        raise PacketError(f"an IPv6 header starts with {first >> 24:#04x}")
    payload = start + 40
    if length == 0:
        length = wire_end - payload
    if payload + length > wire_end and not in_tunnel:
        raise CutPacketError(f"an IPv6 payload of {length} bytes in a frame with {wire_end - payload}")
    return walk_extensions(addresses, protocol, data, payload, min(end, payload + length), payload + length)


def walk_extensions(addresses: bytes, protocol: int, data: bytes, start: int, end: int, wire_end: int) -> Datagram:
    """Skip the IPv6 extension headers at ``data[start:end]`` (RFC 8200 section 4; AH: RFC 4302).

    A fragment header with offset 0 and no more fragments marks a datagram that is whole (RFC 6946).

    :raises CutPacketError: cut within an extension header.
    :raises PacketError: an extension header longer than the packet.
    """
    while protocol in (_HOP_BY_HOP, _ROUTING, _FRAGMENT_HEADER, _AUTHENTICATION, _DESTINATION):
        if start + 8 > end:
            raise CutPacketError(f"an IPv6 extension header ({protocol}) cut to {max(end - start, 0)} bytes")
        if protocol == _FRAGMENT_HEADER:
            protocol, fragment, identification = _FRAGMENT(data, start)
            start += 8
            if fragment & 0xFFF9:
                offset, more = fragment & 0xFFF8, bool(fragment & 1)
                return Datagram(addresses, protocol, start, wire_end - start, identification, offset, more)
            continue
        # In units of 8 bytes, the first not counted; AH counts units of 4, the first two not.
        units, following = data[start + 1], data[start]
        start += (units + 2) * 4 if protocol == _AUTHENTICATION else (units + 1) * 8
        protocol = following
        if start > wire_end:
            raise PacketError("an IPv6 extension header longer than its packet")
    return Datagram(addresses, protocol, start, wire_end - start, 0, 0, False)
