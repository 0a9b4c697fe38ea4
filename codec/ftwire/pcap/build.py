"""Building packets: link, IP and TCP headers with correct lengths and checksums.

Recorders, redactors and tests put them into capture files. Addresses are packed, 4 or 16 bytes, as in
:class:`~ftwire.pcap.events.Endpoint`.
"""

from __future__ import annotations

from struct import Struct

from ftwire.errors import UnsupportedLinkError
from ftwire.pcap.events import Endpoint
from ftwire.pcap.link import ETHERTYPE_IPV4, ETHERTYPE_IPV6
from ftwire.pcap.records import LinkType

__all__ = ["checksum", "ip_packet", "link_frame", "tcp_segment"]

_IPV4 = Struct(">BBHHHBBH4s4s")
_IPV6 = Struct(">IHBB16s16s")
_TCP = Struct(">HHIIHHHH")
_NFLOG_ATTRIBUTE = Struct("<HH")
_PKTAP = Struct("<III24s72x")
_TCP_PROTOCOL = 6
_TTL = 64
# Locally administered unicast addresses: no device was made with them.
_MACS = bytes.fromhex("020000000002020000000001")


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071): the complement of the ones'-complement sum of 16-bit words.

    That sum is the remainder by 65535, with 65535 rather than 0 for anything but zeros.
    """
    number = int.from_bytes(data + bytes(len(data) % 2), "big")
    return 0xFFFF - (number % 0xFFFF or (0xFFFF if number else 0))


def tcp_segment(
    source: Endpoint,
    destination: Endpoint,
    *,
    seq: int,
    ack: int = 0,
    flags: int,
    data: bytes = b"",
    window: int = 65535,
    options: bytes = b"",
) -> bytes:
    """Return a TCP segment (RFC 9293 section 3.1), its checksum over the pseudo-header of either IP version.

    ``flags``: FIN 1, SYN 2, RST 4, PSH 8, ACK 16. Sequence numbers wrap by themselves.

    :raises ValueError: options that are not a multiple of 4 bytes, or more than 40.
    """
    if len(options) % 4 or len(options) > 40:
        raise ValueError(f"TCP options take 0 to 40 bytes in fours, not {len(options)}")
    head = [
        source.port,
        destination.port,
        seq & 0xFFFFFFFF,
        ack & 0xFFFFFFFF,
        (5 + len(options) // 4) << 12 | flags,
        window,
    ]
    segment = _TCP.pack(*head, 0, 0) + options + data
    pseudo = source.packed + destination.packed + Struct(">II").pack(len(segment), _TCP_PROTOCOL)
    return _TCP.pack(*head, checksum(pseudo + segment), 0) + options + data


def ip_packet(
    source: bytes,
    destination: bytes,
    payload: bytes,
    *,
    protocol: int = _TCP_PROTOCOL,
    identification: int = 0,
    fragment_offset: int = 0,
    more_fragments: bool = False,
    options: bytes = b"",
) -> bytes:
    """Return an IPv4 or IPv6 packet, by the length of its addresses.

    :param fragment_offset: in bytes, a multiple of 8; IPv4 only, as are ``identification``,
        ``more_fragments`` and ``options`` (in IPv6 these are extension headers, part of the payload).
    :raises ValueError: addresses of different or unknown lengths, or more payload than a packet takes.
    """
    if len(source) != len(destination) or len(source) not in (4, 16):
        raise ValueError("addresses are 4 bytes each, or 16 bytes each")
    length = len(payload)
    if len(source) == 16:
        if length > 0xFFFF:
            raise ValueError(f"{length} bytes do not fit an IPv6 packet")
        return _IPV6.pack(6 << 28, length, protocol, _TTL, source, destination) + payload
    header = 20 + len(options)
    if length + header > 0xFFFF:
        raise ValueError(f"{length} bytes do not fit an IPv4 packet")
    fragment = fragment_offset // 8 | (0x2000 if more_fragments else 0)
    fields = [0x40 | header // 4, 0, header + length, identification & 0xFFFF, fragment, _TTL, protocol]
    bare = _IPV4.pack(*fields, 0, source, destination) + options
    return _IPV4.pack(*fields, checksum(bare), source, destination) + options + payload


def link_frame(link_type: int, packet: bytes, *, vlans: tuple[int, ...] = ()) -> bytes:
    """Put an IP packet behind the link header that ``link_type`` asks for.

    :param vlans: Ethernet only: 802.1Q tags, outermost first; all but the last are marked 802.1ad.
    :raises UnsupportedLinkError: a link type that is not a :class:`~ftwire.pcap.records.LinkType`.
    """
    version6 = packet[0] >> 4 == 6
    ethertype = (ETHERTYPE_IPV6 if version6 else ETHERTYPE_IPV4).to_bytes(2, "big")
    ppp = b"\0\x57" if version6 else b"\0\x21"
    if link_type == LinkType.ETHERNET:
        tags = b"".join(
            (0x8100 if position == len(vlans) - 1 else 0x88A8).to_bytes(2, "big") + vlan.to_bytes(2, "big")
            for position, vlan in enumerate(vlans)
        )
        return _MACS + tags + ethertype + packet
    if link_type == LinkType.NULL:
        return (30 if version6 else 2).to_bytes(4, "little") + packet
    if link_type == LinkType.LOOP:
        return (24 if version6 else 2).to_bytes(4, "big") + packet
    if link_type == LinkType.LINUX_SLL:
        # Sent to us, from an Ethernet-like device (ARPHRD 1), whose 6-byte address is padded to 8.
        return b"\0\0\0\x01\0\x06" + _MACS[6:] + bytes(2) + ethertype + packet
    if link_type == LinkType.LINUX_SLL2:
        return ethertype + bytes(2) + b"\0\0\0\x01\0\x01\0\x06" + _MACS[6:] + bytes(2) + packet
    if link_type in (LinkType.PPP, LinkType.PPP_HDLC):
        return b"\xff\x03" + ppp + packet
    if link_type == LinkType.PPP_ETHER:
        # Version and type 1, code 0 (a session), its number, the length of what follows (RFC 2516 section 4).
        return b"\x11\0\0\x01" + (len(packet) + 2).to_bytes(2, "big") + ppp + packet
    if link_type == LinkType.C_HDLC:
        return b"\x0f\0" + ethertype + packet
    if link_type == LinkType.NFLOG:
        # Version 0, resource 0; then one attribute, the packet, of type 9 and its length in the writer's byte order.
        return bytes((10 if version6 else 2, 0, 0, 0)) + _NFLOG_ATTRIBUTE.pack(4 + len(packet), 9) + packet
    if link_type in (LinkType.PKTAP, LinkType.DLT_PKTAP):
        # Its length, "a packet follows", the link type of that, a name; the rest names a process.
        return _PKTAP.pack(_PKTAP.size, 1, LinkType.DLT_RAW, b"utun0") + packet
    if link_type in tuple(LinkType):
        return packet
    raise UnsupportedLinkError(f"link type {link_type} cannot be written")
