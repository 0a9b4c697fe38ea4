"""TCP inside tunnels, tags and labels: packets built here byte by byte, and read by tshark as well."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire.errors import ClosedTunnelError, CutPacketError, PacketError, UnsupportedLinkError
from ftwire.pcap import (
    Data,
    Dissector,
    LinkType,
    MissingBytes,
    MissingReason,
    Packet,
    PacketSkipped,
    PcapWriter,
    ip_packet,
    tcp_segment,
)
from ftwire.strategies import mutations
from support.cores import pure
from support.pcap_model import A6, ACK, B6, ETHERNET, A, B, Snapped, by_packet, dissect, pcap, texts
from support.programs import Program

PAYLOAD = b"the bytes of a stream"
MAC_A, MAC_B = bytes.fromhex("02000000000a"), bytes.fromhex("02000000000b")
# Addresses of manufacturers: by them tshark knows that Ethernet is behind MPLS. The first four bits are those of a
# control word.
ZERO_MACS = bytes.fromhex("001b21000001") + bytes.fromhex("005056000002")
OUTER4 = bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])
OUTER6 = bytes.fromhex("20010db8" + "00" * 11 + "01"), bytes.fromhex("20010db8" + "00" * 11 + "02")
INNER = {
    4: ip_packet(A.packed, B.packed, tcp_segment(A, B, seq=77, ack=5, flags=ACK, data=PAYLOAD)),
    6: ip_packet(A6.packed, B6.packed, tcp_segment(A6, B6, seq=77, ack=5, flags=ACK, data=PAYLOAD)),
}
Wrap = Callable[[bytes], bytes]


def ethertype(packet: bytes) -> bytes:
    return b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\0"


def ether(packet: bytes, kind: bytes | None = None, macs: bytes = MAC_B + MAC_A) -> bytes:
    return macs + (kind or ethertype(packet)) + packet


def ip4(payload: bytes, protocol: int) -> bytes:
    return ip_packet(*OUTER4, payload, protocol=protocol)


def ip6(payload: bytes, protocol: int) -> bytes:
    return ip_packet(*OUTER6, payload, protocol=protocol)


def udp(payload: bytes, port: int) -> bytes:
    return struct.pack(">HHHH", 51234, port, 8 + len(payload), 0) + payload


def gre(flags: int, kind: int, payload: bytes) -> bytes:
    """GRE of version 0; its checksum is left 0, as network cards that fill it in leave it in captures."""
    optional = b"\0\0\0\0" if flags & 0xC000 else b""
    optional += b"\0\0\x12\x34" if flags & 0x2000 else b""
    optional += b"\0\0\0\x07" if flags & 0x1000 else b""
    # One source route of IPv4 with an address, then the end.
    optional += b"\x08\0\0\x04" + OUTER4[0] + bytes(4) if flags & 0x4000 else b""
    return ether(ip4(struct.pack(">HH", flags, kind) + optional + payload, 47))


def kind_of(packet: bytes) -> int:
    return int.from_bytes(ethertype(packet), "big")


def gre_with(flags: int) -> Wrap:
    return lambda packet: gre(flags, kind_of(packet), packet)


def label(number: int, *, bottom: bool) -> bytes:
    return (number << 12 | bottom << 8 | 64).to_bytes(4, "big")


def ppp(packet: bytes) -> bytes:
    return (b"\0\x57" if packet[0] >> 4 == 6 else b"\0\x21") + packet


def pppoe(packet: bytes) -> bytes:
    inner = ppp(packet)
    return ether(b"\x11\0\0\x05" + len(inner).to_bytes(2, "big") + inner, b"\x88\x64")


def vxlan(packet: bytes) -> bytes:
    return b"\x08\0\0\0\0\0\x2a\0" + ether(packet)


def erspan_3(packet: bytes, *, subheader: bool) -> bytes:
    head = struct.pack(">HHIHH", 0x2001, 7, 123456, 0, subheader)
    return head + (struct.pack(">II", 3 << 26, 0) if subheader else b"") + ether(packet)


def gre_pptp(packet: bytes) -> bytes:
    inner = b"\xff\x03" + ppp(packet)
    # Key, sequence and acknowledgement number; version 1.
    return ether(ip4(struct.pack(">HHHHII", 0x3081, 0x880B, len(inner), 9, 1, 1) + inner, 47))


def snap(packet: bytes) -> bytes:
    inner = b"\xaa\xaa\x03\0\0\0" + ethertype(packet) + packet
    return ether(inner, len(inner).to_bytes(2, "big"))


ETHERNET_TUNNELS: dict[str, Wrap] = {
    "802.1Q": lambda packet: ether(b"\0\x07" + ethertype(packet) + packet, b"\x81\0"),
    "802.1ad": lambda packet: ether(b"\0\x07\x81\0\0\x08" + ethertype(packet) + packet, b"\x88\xa8"),
    "QinQ": lambda packet: ether(b"\0\x07\x81\0\0\x08" + ethertype(packet) + packet, b"\x91\0"),
    "802.1ah": lambda packet: ether(b"\0\0\0\x09" + ether(packet), b"\x88\xe7"),
    "SNAP": snap,
    "MPLS": lambda packet: ether(label(100, bottom=True) + packet, b"\x88\x47"),
    "MPLS of three labels": lambda packet: ether(
        label(100, bottom=False) + label(200, bottom=False) + label(300, bottom=True) + packet, b"\x88\x47"
    ),
    "MPLS pseudowire": lambda packet: ether(
        label(100, bottom=True) + bytes(4) + ether(packet, macs=ZERO_MACS), b"\x88\x47"
    ),
    "MPLS pseudowire without a control word": lambda packet: ether(
        label(100, bottom=True) + ether(packet, macs=ZERO_MACS), b"\x88\x47"
    ),
    "PPPoE": pppoe,
    "PPPoE in a VLAN": lambda packet: ether(b"\0\x07\x88\x64" + pppoe(packet)[14:], b"\x81\0"),
    "4 in 4 or 6 in 4": lambda packet: ether(ip4(packet, 4 if packet[0] >> 4 == 4 else 41)),
    "4 in 6 or 6 in 6": lambda packet: ether(ip6(packet, 4 if packet[0] >> 4 == 4 else 41)),
    "in 6 behind an extension header": lambda packet: ether(
        ip6(bytes((4 if packet[0] >> 4 == 4 else 41, 0, 1, 4, 0, 0, 0, 0)) + packet, 60)
    ),
    **{
        f"GRE {flags:#06x}": gre_with(flags)
        for flags in (0, 0x8000, 0x2000, 0x1000, 0xA000, 0x9000, 0x3000, 0xB000, 0x4000, 0xF000)
    },
    "GRE over IPv6": lambda packet: ether(ip6(struct.pack(">HH", 0, kind_of(packet)) + packet, 47)),
    "GRE of Ethernet": lambda packet: gre(0x2000, 0x6558, ether(packet)),
    "GRE of a VLAN": lambda packet: gre(0, 0x6558, ether(b"\0\x07" + ethertype(packet) + packet, b"\x81\0")),
    "GRE of MPLS": lambda packet: gre(0, 0x8847, label(5, bottom=True) + packet),
    "GRE of PPP (PPTP)": gre_pptp,
    "ERSPAN I": lambda packet: gre(0, 0x88BE, ether(packet)),
    "ERSPAN II": lambda packet: gre(0x1000, 0x88BE, struct.pack(">HHI", 0x1001, 7, 0) + ether(packet)),
    "ERSPAN III": lambda packet: gre(0x1000, 0x22EB, erspan_3(packet, subheader=False)),
    "ERSPAN III with a subheader": lambda packet: gre(0x1000, 0x22EB, erspan_3(packet, subheader=True)),
    "EtherIP": lambda packet: ether(ip4(b"\x30\0" + ether(packet), 97)),
    "MPLS in IP": lambda packet: ether(ip4(label(5, bottom=True) + packet, 137)),
    "VXLAN": lambda packet: ether(ip4(udp(vxlan(packet), 4789), 17)),
    "VXLAN over IPv6": lambda packet: ether(ip6(udp(vxlan(packet), 4789), 17)),
    "VXLAN of Linux": lambda packet: ether(ip4(udp(vxlan(packet), 8472), 17)),
    "VXLAN-GPE of Ethernet": lambda packet: ether(ip4(udp(b"\x0c\0\0\x03\0\0\x2a\0" + ether(packet), 4790), 17)),
    "VXLAN-GPE of IP": lambda packet: ether(
        ip4(udp(bytes((0x0C, 0, 0, 1 if packet[0] >> 4 == 4 else 2, 0, 0, 0x2A, 0)) + packet, 4790), 17)
    ),
    "GENEVE": lambda packet: ether(ip4(udp(b"\0\0\x65\x58\0\0\x2a\0" + ether(packet), 6081), 17)),
    "GENEVE with options": lambda packet: ether(
        ip4(udp(b"\x02\0" + ethertype(packet) + b"\0\0\x2a\0" + b"\1\2\3\1" + bytes(4) + packet, 6081), 17)
    ),
    "VXLAN in GRE in a VLAN": lambda packet: ether(
        b"\0\x07\x08\0" + gre(0x1000, 0x0800, ip4(udp(vxlan(packet), 4789), 17))[14:], b"\x81\0"
    ),
}
# Link types whose header is neither of ours nor of Ethernet.
LINKS: dict[str, tuple[int, Wrap]] = {
    "PPP with HDLC": (LinkType.PPP, lambda packet: b"\xff\x03" + ppp(packet)),
    "PPP without HDLC": (LinkType.PPP, ppp),
    "PPP with a short protocol": (LinkType.PPP, lambda packet: b"\xff\x03" + ppp(packet)[1:]),
    "PPP of MPLS": (LinkType.PPP, lambda packet: b"\xff\x03\x02\x81" + label(5, bottom=True) + packet),
    "PPP on a serial line": (LinkType.PPP_HDLC, lambda packet: b"\xff\x03" + ppp(packet)),
    "Cisco HDLC on a serial line": (LinkType.PPP_HDLC, lambda packet: b"\x0f\0" + ethertype(packet) + packet),
    "Cisco HDLC": (LinkType.C_HDLC, lambda packet: b"\x8f\0" + ethertype(packet) + packet),
    "PPPoE alone": (LinkType.PPP_ETHER, lambda packet: pppoe(packet)[14:]),
    "NFLOG": (
        LinkType.NFLOG,
        # Packet header and a prefix of odd length in front of the packet, a time behind it.
        lambda packet: (
            bytes((10 if packet[0] >> 4 == 6 else 2, 0, 0, 5))
            + struct.pack("<HH", 8, 1)
            + ethertype(packet)
            + b"\1\0"
            + struct.pack("<HH", 7, 10)
            + b"in\0\0"
            + struct.pack("<HH", 4 + len(packet), 9)
            + packet
            + bytes(-len(packet) % 4)
            + struct.pack("<HHQQ", 20, 3, 0, 0)
        ),
    ),
    "NFLOG of a bridge": (
        LinkType.NFLOG,
        lambda packet: (
            b"\x07\0\0\5"
            + b"\x08\0\1\0"
            + ethertype(packet)
            + b"\4\0"
            + struct.pack("<HH", 4 + len(packet), 9)
            + packet
        ),
    ),
    "PKTAP": (LinkType.PKTAP, lambda packet: struct.pack("<III24s72x", 108, 1, 1, b"en0") + ether(packet)),
    "PKTAP of loopback": (
        LinkType.PKTAP,
        lambda packet: (
            struct.pack("<III24s72x", 108, 1, 0, b"lo0")
            + (30 if packet[0] >> 4 == 6 else 2).to_bytes(4, "little")
            + packet
        ),
    ),
}
EVERY: dict[str, tuple[int, Wrap]] = {
    **{name: (int(LinkType.ETHERNET), wrap) for name, wrap in ETHERNET_TUNNELS.items()},
    **LINKS,
}


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("name", EVERY)
def test_the_segment_in_a_tunnel_is_found(name: str, version: int) -> None:
    link_type, wrap = EVERY[name]
    file = pcap([wrap(INNER[version])], link_type)
    (opened, data, _) = dissect([file])
    assert isinstance(data, Data)
    assert data.data == PAYLOAD
    assert (data.flow.a, data.flow.b) == ((A, B) if version == 4 else (A6, B6))
    with pure():
        assert dissect([file])[:2] == [opened, data]


@pytest.mark.parametrize("link_type", sorted({link_type for link_type, _ in EVERY.values()}))
def test_tshark_finds_the_same_segment_in_these_tunnels(tshark: Program, tmp_path: Path, link_type: int) -> None:
    wraps = {name: wrap for name, (each, wrap) in EVERY.items() if each == link_type}
    path = tmp_path / "tunnels.pcap"
    path.write_bytes(pcap([wrap(INNER[version]) for wrap in wraps.values() for version in (4, 6)], link_type))
    known = ("-d", "udp.port==8472,vxlan", "-d", "tcp.port==0-65535,data")
    fields = ("tcp.srcport", "tcp.dstport", "tcp.seq_raw", "tcp.payload")
    listed = tshark("-n", "-r", path, *known, "-T", "fields", *(part for field in fields for part in ("-e", field)))
    expected = [str(A.port), str(B.port), "77", PAYLOAD.hex()]
    names = [(name, version) for name in wraps for version in (4, 6)]
    theirs = dict(zip(names, (line.split("\t") for line in listed.splitlines()), strict=True))
    assert theirs == dict.fromkeys(names, expected)


def test_a_conversation_may_come_partly_inside_a_tunnel() -> None:
    """As where a capture is taken on all interfaces of a host: a packet outside, its repetition inside a tunnel."""
    first, second = (
        ip_packet(A.packed, B.packed, tcp_segment(A, B, seq=seq, flags=ACK, data=data))
        for seq, data in ((1, b"one "), (5, b"two"))
    )
    wrap = ETHERNET_TUNNELS["VXLAN"]
    events = dissect([pcap([ether(first), wrap(first), wrap(second), ether(second)])])
    assert [event.data for event in events if isinstance(event, Data)] == [b"one ", b"two"]
    assert len({event.flow.index for event in events if isinstance(event, Data)}) == 1


@pytest.mark.parametrize("name", ["ERSPAN II", "VXLAN", "GRE 0x0000", "GENEVE"])
def test_what_a_mirror_cut_before_it_went_into_the_tunnel_is_snapped(name: str) -> None:
    inner = INNER[4][:-5]
    _, data, missing, _ = dissect([pcap([ETHERNET_TUNNELS[name](inner)])])
    assert isinstance(data, Data)
    assert isinstance(missing, MissingBytes)
    assert (data.data, missing.length, missing.reason) == (PAYLOAD[:-5], 5, MissingReason.SNAPPED)


@pytest.mark.parametrize("name", EVERY)
def test_a_packet_cut_anywhere_is_told_from_one_of_something_else(name: str) -> None:
    """Cut in its headers nothing shows what it carries; cut behind them, the missing bytes are known."""
    link_type, wrap = EVERY[name]
    whole = wrap(INNER[4])
    payload = whole.index(PAYLOAD)
    for captured in range(1, len(whole)):
        events = dissect([pcap([Snapped(whole, captured)], link_type)])
        if captured < payload:
            kinds = {type(event.error) if isinstance(event, PacketSkipped) else type(event) for event in events}
            headers_are_whole = MissingBytes in kinds
            assert headers_are_whole or kinds <= {CutPacketError, PacketError}, (captured, events)
        else:
            length = sum(event.length for event in events if isinstance(event, MissingBytes))
            assert length == max(payload + len(PAYLOAD) - captured, 0)


def test_tunnels_inside_each_other_are_bounded() -> None:
    def nested(depth: int) -> bytes:
        packet = INNER[4]
        for _ in range(depth):
            packet = ip4(packet, 4)
        return ether(packet)

    events = dissect([pcap([nested(8), nested(9), nested(2000)])])
    assert [event.data for event in events if isinstance(event, Data)] == [PAYLOAD]
    skipped = [event for event in events if isinstance(event, PacketSkipped)]
    assert [str(event.error) for event in skipped] == ["more than 8 tunnels inside each other"] * 2


def test_headers_below_the_network_layer_are_bounded() -> None:
    (skipped,) = dissect([pcap([ether(b"\0\x07\x81\0" * 15000, b"\x81\0")])])
    assert isinstance(skipped, PacketSkipped)
    assert "more than 32 headers" in str(skipped.error)


@pytest.mark.parametrize(
    ("packet", "name"),
    [
        (ip4(bytes(40), 50), "IPsec (ESP)"),
        (ip6(bytes(40), 50), "IPsec (ESP)"),
        (ip4(bytes(40), 115), "L2TP"),
        (ip4(udp(bytes(40), 51820), 17), "WireGuard"),
        (ip4(udp(bytes(40), 4500), 17), "IPsec (ESP)"),
    ],
)
def test_a_tunnel_that_is_not_looked_into_is_named(packet: bytes, name: str) -> None:
    (skipped,) = dissect([pcap([ether(packet)])])
    assert isinstance(skipped, PacketSkipped)
    assert isinstance(skipped.error, ClosedTunnelError)
    assert skipped.error.tunnel == name


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (ether(ip4(udp(b"a query", 53), 17)), "not TCP: IP protocol 17"),
        (ether(ip4(udp(b"short", 4789), 17)), "not TCP: IP protocol 17"),
        (ether(ip4(udp(bytes(60), 4789), 17)), "not TCP: IP protocol 17"),
        (ether(ip4(udp(b"\x40" + bytes(60), 6081), 17)), "not TCP: IP protocol 17"),
        (ether(ip4(bytes(8), 1)), "not TCP: IP protocol 1"),
        (ether(ip4(b"\0\x02" + bytes(40), 47)), "GRE of version 2"),
        (gre(0x1000, 0x88BE, b"\xf0" + bytes(60)), "ERSPAN of version 15"),
        (gre(0, 0x0806, bytes(28)), "not IP: EtherType 0x0806"),
        (ether(b"\x11\x09" + bytes(10), b"\x88\x64"), "not IP: PPPoE code 0x09"),
        (ether(b"\x11\0\0\x01\0\x0a\xc0\x21" + bytes(8), b"\x88\x64"), "not IP: PPP protocol 0xc021"),
        (ether(label(5, bottom=True) + b"\x10" * 40, b"\x88\x47"), "not IP: something else behind an MPLS label"),
        (ether(b"\xe0\xe0\x03" + bytes(40), b"\0\x2b"), "not IP: EtherType 0x002b"),
    ],
)
def test_something_else_than_a_tunnel_of_tcp_is_skipped(packet: bytes, reason: str) -> None:
    (skipped,) = dissect([pcap([packet])])
    assert isinstance(skipped, PacketSkipped)
    assert (type(skipped.error), str(skipped.error)) == (PacketError, reason)


@pytest.mark.parametrize(
    ("link_type", "packet", "error"),
    [
        (LinkType.DLT_PKTAP, b"some use of its own", UnsupportedLinkError),
        (LinkType.PKTAP, b"\xff" * 120, PacketError),
        (LinkType.PKTAP, struct.pack("<III24s72x", 108, 1, 258, b"en0") * 2, PacketError),
        (LinkType.PKTAP, struct.pack("<III24s72x", 108, 1, 147, b"en0") + b"?", UnsupportedLinkError),
        (LinkType.PKTAP, struct.pack("<III24s72x", 108, 0, 1, b"en0"), PacketError),
        (LinkType.NFLOG, b"\x07\0\0\0\x05\0\x09\0?", PacketError),
        (LinkType.NFLOG, b"\x02\0\0\0\0\0\x09\0", PacketError),
    ],
)
def test_link_headers_that_hold_something_else(link_type: int, packet: bytes, error: type[Exception]) -> None:
    (skipped,) = dissect([pcap([packet], link_type)])
    assert isinstance(skipped, PacketSkipped)
    assert type(skipped.error) is error


def test_nflog_and_pktap_of_a_machine_of_the_other_byte_order() -> None:
    packet = INNER[4]
    nflog = b"\x02\0\0\0" + struct.pack(">HH", 4 + len(packet), 9) + packet
    pktap = struct.pack(">III24s72x", 108, 1, 1, b"en0") + ether(packet)
    for link_type, data in ((LinkType.NFLOG, nflog), (LinkType.PKTAP, pktap)):
        assert [event.data for event in dissect([pcap([data], link_type)]) if isinstance(event, Data)] == [PAYLOAD]


def test_fragments_of_a_tunnel_are_put_together() -> None:
    outer = udp(vxlan(INNER[4]), 4789)
    pieces = [
        ip_packet(*OUTER4, outer[:64], protocol=17, identification=3, more_fragments=True),
        ip_packet(*OUTER4, outer[64:], protocol=17, identification=3, fragment_offset=64),
    ]
    events = dissect([pcap(list(map(ether, pieces)))])
    assert [event.data for event in events if isinstance(event, Data)] == [PAYLOAD]


@given(st.sampled_from(sorted(EVERY)), st.sampled_from([4, 6]), st.data())
def test_damaged_tunnels_give_events_whichever_way_they_are_read(
    name: str, version: int, source: st.DataObject
) -> None:
    link_type, wrap = EVERY[name]
    whole = wrap(INNER[version])
    packets = [
        Snapped(damaged, source.draw(st.integers(1, len(damaged))))
        for damaged in (source.draw(mutations(whole, max_changes=3)).data or b"?" for _ in range(3))
    ]
    file = pcap(packets, link_type)
    expected = texts(dissect([file]))
    with pure():
        assert texts(dissect([file])) == expected
    assert texts(dissect([gzip.compress(file)])) == expected
    if link_type == LinkType.ETHERNET:
        assert texts(by_packet(packets, Dissector())) == expected


def test_a_packet_given_alone_is_looked_into() -> None:
    data = ETHERNET_TUNNELS["VXLAN"](INNER[4])
    events = Dissector().packet(Packet(1, 0, data, len(data), ETHERNET))
    assert [event.data for event in events if isinstance(event, Data)] == [PAYLOAD]


@pytest.mark.parametrize("link_type", LinkType)
def test_what_is_written_for_a_link_type_is_read(link_type: LinkType) -> None:
    from ftwire.pcap import link_frame

    for version in (4, 6):
        if link_type != (LinkType.IPV6 if version == 4 else LinkType.IPV4):
            writer = PcapWriter(link_type)
            file = writer.header() + writer.packet(0, link_frame(link_type, INNER[version]))
            assert [event.data for event in dissect([file]) if isinstance(event, Data)] == [PAYLOAD]
