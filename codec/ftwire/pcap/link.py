"""Link headers: from the start of a packet to its network layer.

Source of the layouts: https://www.tcpdump.org/linktypes.html and the pages it links to; of the EtherTypes,
the IEEE registry.
"""

from __future__ import annotations

from struct import Struct

from ftwire.errors import PacketError, UnsupportedLinkError
from ftwire.pcap.records import LinkType

__all__ = ["ETHERTYPE_IPV4", "ETHERTYPE_IPV6", "network_layer"]

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_IPV6 = 0x86DD

# 802.1Q, 802.1ad, and the number QinQ had before that was assigned: four bytes, the last two an EtherType.
_VLAN_TAGS = frozenset({0x8100, 0x88A8, 0x9100})
_FAMILY_IPV4 = 2
# AF_INET6 is 10 on Linux, 23 on Windows, 24 on NetBSD and OpenBSD, 28 on FreeBSD, 30 on Darwin.
_FAMILIES_IPV6 = frozenset({10, 23, 24, 28, 30})

_U16 = Struct(">H").unpack_from
_U32 = Struct(">I").unpack_from
_U32_LITTLE = Struct("<I").unpack_from
# Link type -> where its EtherType stands, where the network layer starts.
_WITH_ETHERTYPE: dict[int, tuple[int, int]] = {
    LinkType.ETHERNET: (12, 14),
    LinkType.LINUX_SLL: (14, 16),
    LinkType.LINUX_SLL2: (0, 20),
}


def network_layer(link_type: int, data: bytes, start: int, end: int) -> tuple[int, int]:
    """Return the EtherType of the packet ``data[start:end]``, and the offset in ``data`` at which its payload starts.

    Tags of 802.1Q and 802.1ad are skipped. A number below 0x600 is an 802.3 length: LLC, no EtherType.

    :raises PacketError: fewer bytes than the link header takes, or a loopback packet of an unknown family.
    :raises UnsupportedLinkError: a link type that is not a :class:`~ftwire.pcap.records.LinkType`.
    """
    if link_type in _WITH_ETHERTYPE:
        at, header = _WITH_ETHERTYPE[link_type]
        position = start + header
        if position > end:
            raise PacketError(f"a link header of {header} bytes cut to {end - start}")
        (ethertype,) = _U16(data, start + at)
        while ethertype in _VLAN_TAGS:
            if position + 4 > end:
                raise PacketError("a VLAN tag cut short")
            (ethertype,) = _U16(data, position + 2)
            position += 4
        return ethertype, position
    if link_type in (LinkType.NULL, LinkType.LOOP):
        if start + 4 > end:
            raise PacketError(f"a loopback header of 4 bytes cut to {end - start}")
        (family,) = _U32(data, start)
        if family > 0xFFFF and link_type == LinkType.NULL:
            # Address families are small numbers: one this large is in the other byte order.
            (family,) = _U32_LITTLE(data, start)
        if family == _FAMILY_IPV4:
            return ETHERTYPE_IPV4, start + 4
        if family in _FAMILIES_IPV6:
            return ETHERTYPE_IPV6, start + 4
        raise PacketError(f"a loopback packet of address family {family}")
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
    if link_type < 0:
        raise UnsupportedLinkError("a packet of an interface beyond the largest number of them that is kept")
    raise UnsupportedLinkError(f"link type {link_type} is not taken apart here")
