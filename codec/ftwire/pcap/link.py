"""Link headers: from the start of a packet to its network layer, through tags, labels and PPP in between.

Source of the layouts: https://www.tcpdump.org/linktypes.html and the pages it links to; of the EtherTypes,
the IEEE registry; of MPLS RFC 3032 and 4448, of PPP RFC 1661 and 1662, of PPPoE RFC 2516.
"""

from __future__ import annotations

from struct import Struct

from ftwire.errors import CutPacketError, PacketError, UnsupportedLinkError
from ftwire.pcap.records import LinkType

__all__ = ["ETHERTYPE_ETHERNET", "ETHERTYPE_IPV4", "ETHERTYPE_IPV6", "network_layer", "over_ppp", "unwrap"]

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_IPV6 = 0x86DD
ETHERTYPE_ETHERNET = 0x6558
"""A whole Ethernet frame ("transparent Ethernet bridging"), as tunnels carry it."""

MAX_WRAPPINGS = 32
"""Largest number of headers between link header and network layer; a stack of MPLS labels is one."""

# 802.1Q, 802.1ad, and the numbers QinQ had before that was assigned: four bytes, the last two an EtherType.
_VLAN_TAGS = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
_MPLS = frozenset({0x8847, 0x8848})
_PPPOE_SESSION = 0x8864
_PROVIDER_BACKBONE = 0x88E7
# Below this an EtherType is the length of an 802.3 frame, and LLC follows.
_SMALLEST_ETHERTYPE = 0x600
_SNAP = b"\xaa\xaa\x03\0\0\0"
_FAMILY_IPV4 = 2
# AF_INET6 is 10 on Linux, 23 on Windows, 24 on NetBSD and OpenBSD, 28 on FreeBSD, 30 on Darwin.
_FAMILIES_IPV6 = frozenset({10, 23, 24, 28, 30})
_IP_OF_FAMILY = {_FAMILY_IPV4: ETHERTYPE_IPV4, **dict.fromkeys(_FAMILIES_IPV6, ETHERTYPE_IPV6)}
_ETHERTYPE_OF_PPP = {0x0021: ETHERTYPE_IPV4, 0x0057: ETHERTYPE_IPV6, 0x0281: 0x8847, 0x0283: 0x8848}
_HDLC_ADDRESS_AND_CONTROL = b"\xff\x03"
# Cisco HDLC in place of PPP: address "unicast" or "multicast", control 0, an EtherType.
_CISCO_HDLC = (b"\x0f\0", b"\x8f\0")
_NFLOG_PACKET_HEADER, _NFLOG_PAYLOAD = 1, 9
_PKTAP_DLT = 12

_U16 = Struct(">H").unpack_from
_U32 = Struct(">I").unpack_from
_U32_LITTLE = Struct("<I").unpack_from
# Link type -> where its EtherType stands, where the network layer starts.
_WITH_ETHERTYPE: dict[int, tuple[int, int]] = {
    LinkType.ETHERNET: (12, 14),
    LinkType.C_HDLC: (2, 4),
    LinkType.LINUX_SLL: (14, 16),
    LinkType.LINUX_SLL2: (0, 20),
}
_NAMES = {
    105: "802.11",
    119: "802.11 with a Prism header",
    127: "802.11 with a radiotap header",
    163: "802.11 with an AVS header",
    189: "USB",
    192: "802.11 with a PPI header",
    220: "USB",
    249: "USB",
    253: "netlink",
}
"""Link types that are met in captures and not taken apart; of 802.11 most payloads are encrypted."""


def network_layer(link_type: int, data: bytes, start: int, end: int) -> tuple[int, int]:
    """Return the EtherType of the packet ``data[start:end]``, and the offset in ``data`` at which its payload starts.

    Headers between link and network layer are skipped, see :func:`unwrap`.

    :raises CutPacketError: fewer bytes than the headers take.
    :raises PacketError: a loopback packet of an unknown family, or headers that contradict each other.
    :raises UnsupportedLinkError: a link type that is not a :class:`~ftwire.pcap.records.LinkType`.
    """
    if link_type in _WITH_ETHERTYPE:
        at, header = _WITH_ETHERTYPE[link_type]
        position = start + header
        if position > end:
            raise CutPacketError(f"a link header of {header} bytes cut to {end - start}")
        (ethertype,) = _U16(data, start + at)
        if ethertype in (ETHERTYPE_IPV4, ETHERTYPE_IPV6):
            return ethertype, position
        return unwrap(ethertype, data, position, end)
    if link_type in (LinkType.NULL, LinkType.LOOP):
        if start + 4 > end:
            raise CutPacketError(f"a loopback header of 4 bytes cut to {end - start}")
        (family,) = _U32(data, start)
        if family > 0xFFFF and link_type == LinkType.NULL:
            # Address families are small numbers: one this large is in the other byte order.
            (family,) = _U32_LITTLE(data, start)
        if family not in _IP_OF_FAMILY:
            raise PacketError(f"a loopback packet of address family {family}")
        return _IP_OF_FAMILY[family], start + 4
    if link_type in (LinkType.RAW, LinkType.DLT_RAW, LinkType.DLT_RAW_OPENBSD):
        if start >= end:
            raise PacketError("an empty packet")
        version = data[start] >> 4
        if version not in (4, 6):
            raise PacketError(f"a raw IP packet of version {version}")
        return (ETHERTYPE_IPV4 if version == 4 else ETHERTYPE_IPV6), start
    if link_type == LinkType.IPV4:
        return ETHERTYPE_IPV4, start
    if link_type == LinkType.IPV6:
        return ETHERTYPE_IPV6, start
    if link_type in (LinkType.PPP, LinkType.PPP_HDLC):
        if data.startswith(_CISCO_HDLC, start, end):
            return network_layer(LinkType.C_HDLC, data, start, end)
        return over_ppp(data, start, end)
    if link_type == LinkType.PPP_ETHER:
        return unwrap(_PPPOE_SESSION, data, start, end)
    if link_type == LinkType.NFLOG:
        return _over_nflog(data, start, end)
    if link_type in (LinkType.PKTAP, LinkType.DLT_PKTAP):
        return _over_pktap(link_type, data, start, end)
    raise UnsupportedLinkError(_unsupported(link_type))


def unwrap(ethertype: int, data: bytes, at: int, end: int) -> tuple[int, int]:
    """Skip what stands between an EtherType and the network layer; return its EtherType and where it starts.

    Skipped are VLAN tags (802.1Q, 802.1ad, QinQ), backbone tags (802.1ah), MPLS labels, PPPoE, LLC with SNAP, and
    headers of Ethernet inside of these. A returned number below 0x600 is an 802.3 length: other LLC, no EtherType.

    :raises CutPacketError: fewer bytes than these headers take.
    :raises PacketError: too many of them, or other contents than packets.
    """
    for _ in range(MAX_WRAPPINGS):
        if ethertype in _VLAN_TAGS:
            following = at + 4
            if following > end:
                raise CutPacketError("a VLAN tag cut short")
        elif ethertype == ETHERTYPE_ETHERNET:
            following = at + 14
            if following > end:
                raise CutPacketError("an Ethernet header in a tunnel cut short")
        elif ethertype in _MPLS:
            ethertype, at = _over_mpls(data, at, end)
            continue
        elif ethertype == _PPPOE_SESSION:
            if at + 6 > end:
                raise CutPacketError("a PPPoE header cut short")
            if data[at + 1]:
                raise PacketError(f"not IP: PPPoE code {data[at + 1]:#04x}")
            return over_ppp(data, at + 6, end)
        elif ethertype == _PROVIDER_BACKBONE:
            # Four bytes of tag, then the inner frame's addresses and EtherType.
            following = at + 18
            if following > end:
                raise CutPacketError("a backbone tag cut short")
        elif ethertype < _SMALLEST_ETHERTYPE and data.startswith(_SNAP, at, end):
            following = at + 8
            if following > end:
                raise CutPacketError("a SNAP header cut short")
        else:
            return ethertype, at
        (ethertype,) = _U16(data, following - 2)
        at = following
    raise PacketError(f"more than {MAX_WRAPPINGS} headers in front of the network layer")


def over_ppp(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return EtherType and start of the IP packet in a PPP packet, with or without HDLC's address and control.

    :raises CutPacketError: fewer bytes than its header takes.
    :raises PacketError: something else than IP or MPLS.
    """
    if data.startswith(_HDLC_ADDRESS_AND_CONTROL, at, end):
        at += 2
    # The number's first byte is even and its last one odd: a first 0 may be left out (RFC 1661 section 6.5).
    size = 1 if at < end and data[at] & 1 else 2
    if at + size > end:
        raise CutPacketError("a PPP header cut short")
    protocol = int.from_bytes(data[at : at + size], "big")
    if protocol not in _ETHERTYPE_OF_PPP:
        raise PacketError(f"not IP: PPP protocol {protocol:#06x}")
    ethertype, at = _ETHERTYPE_OF_PPP[protocol], at + size
    return unwrap(ethertype, data, at, end)


def _over_mpls(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return EtherType and start of what is behind a stack of labels, which does not say what that is."""
    bottom = False
    while not bottom:
        if at + 4 > end:
            raise CutPacketError("an MPLS label cut short")
        bottom = bool(data[at + 2] & 1)
        at += 4
    if at >= end:
        raise CutPacketError("no bytes behind an MPLS label")
    version = data[at] >> 4
    if version == 6 or (version == 4 and data[at] >= 0x45):
        return (ETHERTYPE_IPV4 if version == 4 else ETHERTYPE_IPV6), at
    # A pseudowire of Ethernet, with a control word that begins with four zero bits (RFC 4448 section 4.6), or without.
    for start in (at + 4, at):
        if start + 14 <= end:
            (ethertype,) = _U16(data, start + 12)
            if ethertype in (ETHERTYPE_IPV4, ETHERTYPE_IPV6) or ethertype in _VLAN_TAGS:
                return ETHERTYPE_ETHERNET, start
    raise PacketError("not IP: something else behind an MPLS label")


def _over_nflog(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return EtherType and start of a packet that Linux' netfilter logged: a header of 4 bytes, then attributes."""
    if at + 4 > end:
        raise CutPacketError("an NFLOG header cut short")
    family = data[at]
    ethertype = _IP_OF_FAMILY.get(family)
    at += 4
    while at + 4 <= end:
        # In the byte order of the capturing machine. Types are small numbers, of which one byte is 0 but for flags.
        order = "little" if data[at + 2] & 0x3F else "big"
        length = int.from_bytes(data[at : at + 2], order)  # type: ignore[arg-type]
        kind = int.from_bytes(data[at + 2 : at + 4], order) & 0x3FFF  # type: ignore[arg-type]
        if length < 4:
            raise PacketError(f"an NFLOG attribute of {length} bytes")
        if kind == _NFLOG_PACKET_HEADER and ethertype is None and at + 6 <= end:
            # What was logged on a bridge has that family, and its EtherType here.
            (ethertype,) = _U16(data, at + 4)
        if kind == _NFLOG_PAYLOAD:
            if ethertype is None:
                raise PacketError(f"not IP: an NFLOG packet of address family {family}")
            return unwrap(ethertype, data, at + 4, end)
        at += length + 3 & ~3
    raise CutPacketError("an NFLOG packet without its payload")


def _over_pktap(link_type: int, data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return EtherType and start of a packet behind Darwin's PKTAP header, which has a length and a link type."""
    if at + _PKTAP_DLT > end:
        raise CutPacketError("a PKTAP header cut short")
    length, following, inner = (_U32_LITTLE(data, at + field)[0] for field in (0, 4, 8))
    if length > 0xFFFF:
        length, following, inner = (_U32(data, at + field)[0] for field in (0, 4, 8))
    is_pktap = _PKTAP_DLT <= length <= 0xFFFF and following <= 1
    if not is_pktap and link_type == LinkType.DLT_PKTAP:
        # Anywhere but on Darwin this number is free for any use.
        raise UnsupportedLinkError(_unsupported(link_type))
    if not is_pktap or inner in (LinkType.PKTAP, LinkType.DLT_PKTAP):
        raise PacketError(f"a PKTAP header of {length} bytes in front of link type {inner}")
    # The second field is 1 where a packet follows; 0 stands there also where one does.
    if at + length == end and not following:
        raise PacketError("not IP: a PKTAP header without a packet")
    if at + length > end:
        raise CutPacketError("a PKTAP header cut short")
    return network_layer(inner, data, at + length, end)


def _unsupported(link_type: int) -> str:
    name = f" ({_NAMES[link_type]})" if link_type in _NAMES else ""
    return (
        f"link type {link_type}{name} is not taken apart here; capture on another interface, or ask for another type: "
        "tcpdump -L lists what there is, -y EN10MB chooses"
    )
