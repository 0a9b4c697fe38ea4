"""Tunnels: IP packets, and whole Ethernet frames, inside the payload of an IP packet.

Sources: IP in IP RFC 2003, 4213 and 2473; GRE RFC 2784, 2890, 1701 and 2637 (version 1); ERSPAN
draft-foschiano-erspan; EtherIP RFC 3378; MPLS in IP RFC 4023; VXLAN RFC 7348 and draft-ietf-nvo3-vxlan-gpe; GENEVE
RFC 8926.
"""

from __future__ import annotations

from struct import Struct

from ftwire.errors import ClosedTunnelError, CutPacketError, PacketError
from ftwire.pcap.link import ETHERTYPE_ETHERNET, ETHERTYPE_IPV4, ETHERTYPE_IPV6, over_ppp, unwrap

__all__ = ["MAX_TUNNELS", "tunnelled"]

MAX_TUNNELS = 8
"""Largest number of tunnels inside each other."""

_IPV4, _UDP, _IPV6, _GRE, _ETHERIP, _MPLS = 4, 17, 41, 47, 97, 137
_ETHERTYPE_MPLS = 0x8847
_ETHERTYPE_PPP, _ERSPAN, _ERSPAN_3 = 0x880B, 0x88BE, 0x22EB
_GRE_CHECKSUM, _GRE_ROUTING, _GRE_KEY, _GRE_SEQUENCE, _GRE_ACKNOWLEDGEMENT = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080
# The assigned port of VXLAN, the one that Linux had before and still has by default, and that of its extension.
_VXLAN_PORTS, _VXLAN_GPE_PORT, _GENEVE_PORT = frozenset({4789, 8472}), 4790, 6081
_CLOSED = {50: "IPsec (ESP)", 115: "L2TP"}
_CLOSED_BY_PORT = {1194: "OpenVPN", 1701: "L2TP", 2152: "GTP", 4500: "IPsec (ESP)", 51820: "WireGuard"}
_VXLAN_VALID, _VXLAN_NEXT_PROTOCOL = 0x08, 0x04
_ETHERTYPE_OF_GPE = {1: ETHERTYPE_IPV4, 2: ETHERTYPE_IPV6, 3: ETHERTYPE_ETHERNET, 5: _ETHERTYPE_MPLS}

_U16 = Struct(">H").unpack_from
_TWO = Struct(">HH").unpack_from


def tunnelled(protocol: int, data: bytes, start: int, end: int) -> tuple[int, int]:
    """Return EtherType and start of the packet inside the IP payload ``data[start:end]``.

    Headers in front of its network layer are skipped, see :func:`~ftwire.pcap.link.unwrap`.

    :raises CutPacketError: a tunnel's header is not captured whole.
    :raises ClosedTunnelError: a tunnel that is encrypted, or of a kind that is not looked into.
    :raises PacketError: no tunnel that is known.
    """
    if protocol == _IPV4:
        return ETHERTYPE_IPV4, start
    if protocol == _IPV6:
        return ETHERTYPE_IPV6, start
    if protocol == _UDP:
        return _over_udp(data, start, end)
    if protocol == _GRE:
        return _over_gre(data, start, end)
    if protocol == _ETHERIP:
        _require(start + 2, end, "EtherIP")
        return unwrap(ETHERTYPE_ETHERNET, data, start + 2, end)
    if protocol == _MPLS:
        return unwrap(_ETHERTYPE_MPLS, data, start, end)
    if protocol in _CLOSED:
        raise ClosedTunnelError(_CLOSED[protocol])
    raise PacketError(f"not TCP: IP protocol {protocol}")


def _over_udp(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Look for VXLAN or GENEVE, by the port that a datagram is sent to; the other port only spreads the load."""
    payload = start + 8
    # A datagram that is too short for ports or a tunnel's header is one of another service.
    port, length = _TWO(data, start + 2) if start + 6 <= end else (0, 0)
    if length < 16:
        port = 0
    if port in _VXLAN_PORTS or port == _VXLAN_GPE_PORT:
        _require(payload + 8, end, "VXLAN")
        flags = data[payload]
        if flags & _VXLAN_VALID:
            ethertype: int | None = ETHERTYPE_ETHERNET
            if port == _VXLAN_GPE_PORT and flags & _VXLAN_NEXT_PROTOCOL:
                ethertype = _ETHERTYPE_OF_GPE.get(data[payload + 3])
            if ethertype is not None:
                return unwrap(ethertype, data, payload + 8, end)
    elif port == _GENEVE_PORT:
        _require(payload + 8, end, "GENEVE")
        version, options = data[payload] >> 6, (data[payload] & 0x3F) * 4
        if version == 0:
            _require(payload + 8 + options, end, "GENEVE")
            return unwrap(_U16(data, payload + 2)[0], data, payload + 8 + options, end)
    elif port in _CLOSED_BY_PORT:
        raise ClosedTunnelError(_CLOSED_BY_PORT[port])
    raise PacketError(f"not TCP: IP protocol {_UDP}")


def _over_gre(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Skip a GRE header of version 0, or of version 1, which carries PPP."""
    _require(start + 4, end, "GRE")
    flags, ethertype = _TWO(data, start)
    version, at = flags & 7, start + 4
    if version > 1:
        raise PacketError(f"GRE of version {version}")
    routed = bool(flags & _GRE_ROUTING and version == 0)
    # Version 1 has no checksum; its "key" is a length and a number, its acknowledgement number has a flag of its own.
    if (flags & _GRE_CHECKSUM and version == 0) or routed:
        at += 4
    if flags & _GRE_KEY:
        at += 4
    if flags & _GRE_SEQUENCE:
        at += 4
    if flags & _GRE_ACKNOWLEDGEMENT and version == 1:
        at += 4
    if routed:
        at = _behind_routes(data, at, end)
    _require(at, end, "GRE")
    if ethertype == _ETHERTYPE_PPP:
        return over_ppp(data, at, end)
    if ethertype in (_ERSPAN, _ERSPAN_3):
        # Type I has no header, and its GRE header no sequence number.
        at = _behind_erspan(data, at, end) if flags & _GRE_SEQUENCE else at
        return unwrap(ETHERTYPE_ETHERNET, data, at, end)
    return unwrap(ethertype, data, at, end)


def _behind_routes(data: bytes, at: int, end: int) -> int:
    """Return where the source routes of a GRE header end (RFC 1701): family, offset and length, the last one zeros."""
    while True:
        _require(at + 4, end, "GRE")
        family, size = _U16(data, at)[0], data[at + 3]
        at += 4 + size
        if not family and not size:
            return at


def _behind_erspan(data: bytes, at: int, end: int) -> int:
    """Return where the Ethernet frame behind an ERSPAN header of type II or III starts."""
    _require(at + 4, end, "ERSPAN")
    version = data[at] >> 4
    if version == 1:
        size = 8
    elif version == 2:
        _require(at + 12, end, "ERSPAN")
        # The last bit announces 8 bytes more, about the platform.
        size = 20 if data[at + 11] & 1 else 12
    else:
        raise PacketError(f"ERSPAN of version {version}")
    _require(at + size, end, "ERSPAN")
    return at + size


def _require(at: int, end: int, header: str) -> None:
    if at > end:
        raise CutPacketError(f"a {header} header cut short")
