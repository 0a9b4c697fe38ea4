from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import permutations

import dpkt  # type: ignore[import-untyped]  # has no annotations
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftwire.errors import PacketError, UnsupportedLinkError
from ftwire.pcap import (
    Data,
    Direction,
    Dissector,
    Event,
    Interface,
    Limits,
    LinkType,
    MissingBytes,
    MissingReason,
    Packet,
    PacketSkipped,
    PcapWriter,
    TcpConversation,
    ip_packet,
    link_frame,
    tcp_segment,
)
from ftwire.pcap.ip import decode_ipv4, decode_ipv6
from ftwire.pcap.link import network_layer
from support.pcap_model import A6, ACK, B6, ETHERNET, PSH, A, B, dissect, dissect_damaged, frame, pcap, texts

TCP = tcp_segment(A, B, seq=100, flags=ACK | PSH, data=b"payload")
TCP6 = tcp_segment(A6, B6, seq=100, flags=ACK | PSH, data=b"payload")
IPV4 = ip_packet(A.packed, B.packed, TCP)
IPV6 = ip_packet(A6.packed, B6.packed, TCP6)


def take(data: bytes, link_type: int = LinkType.ETHERNET, original_length: int | None = None) -> list[Event]:
    """The events of one packet alone, by the chain and by the fast path."""
    packet = Packet(1, 0, data, original_length or len(data), Interface(0, link_type, 0))
    chain = Dissector().packet(packet)
    writer = PcapWriter(link_type)
    file = writer.header() + writer.packet(0, data, original_length)
    assert texts(Dissector().feed(file)) == texts(chain)
    return chain


def payload(events: list[Event]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Data))


def skipped(events: list[Event]) -> str:
    (event,) = events
    assert isinstance(event, PacketSkipped)
    assert isinstance(event.error, PacketError)
    return event.error.reason


@pytest.mark.parametrize("link_type", LinkType)
@pytest.mark.parametrize("packet", [IPV4, IPV6], ids=["IPv4", "IPv6"])
def test_every_link_type(link_type: LinkType, packet: bytes) -> None:
    wrong_version = {LinkType.IPV4: IPV6, LinkType.IPV6: IPV4}.get(link_type)
    events = take(link_frame(link_type, packet), link_type)
    if packet == wrong_version:
        assert "header starts with" in skipped(events)
    else:
        assert payload(events) == b"payload"


@pytest.mark.parametrize("family", [2, 10, 23, 24, 28, 30])
@pytest.mark.parametrize("order", ["little", "big"])
def test_loopback_families_in_both_byte_orders(family: int, order: str) -> None:
    head = struct.pack("<I" if order == "little" else ">I", family)
    assert payload(take(head + (IPV4 if family == 2 else IPV6), LinkType.NULL)) == b"payload"


@pytest.mark.parametrize("vlans", [(1,), (1, 2), (1, 2, 3)])
def test_vlan_tags_are_passed_over(vlans: tuple[int, ...]) -> None:
    assert payload(take(link_frame(LinkType.ETHERNET, IPV4, vlans=vlans))) == b"payload"


def test_the_old_number_of_qinq() -> None:
    plain = link_frame(LinkType.ETHERNET, IPV4)
    assert payload(take(plain[:12] + bytes.fromhex("9100000581000006") + plain[12:])) == b"payload"


def test_ethernet_padding_is_not_payload() -> None:
    empty = link_frame(LinkType.ETHERNET, ip_packet(A.packed, B.packed, tcp_segment(A, B, seq=1, flags=ACK)))
    assert take(empty + bytes(6)) == []
    assert payload(take(link_frame(LinkType.ETHERNET, IPV4) + bytes(6))) == b"payload"


def test_ip_options_are_passed_over() -> None:
    packet = ip_packet(A.packed, B.packed, TCP, options=b"\x94\x04\0\0" * 2)
    assert payload(take(link_frame(LinkType.ETHERNET, packet))) == b"payload"


def test_tcp_options_are_passed_over() -> None:
    segment = tcp_segment(A, B, seq=1, flags=ACK, data=b"payload", options=b"\1" * 12)
    assert payload(take(link_frame(LinkType.ETHERNET, ip_packet(A.packed, B.packed, segment)))) == b"payload"


def test_a_total_length_of_zero_is_the_frames() -> None:
    packet = IPV4[:2] + b"\0\0" + IPV4[4:]
    assert payload(take(link_frame(LinkType.ETHERNET, packet))) == b"payload"


def test_a_payload_length_of_zero_is_the_frames() -> None:
    packet = IPV6[:4] + b"\0\0" + IPV6[6:]
    assert payload(take(link_frame(LinkType.ETHERNET, packet))) == b"payload"


EXTENSIONS: dict[str, tuple[int, Callable[[int], bytes]]] = {
    "hop-by-hop": (0, lambda after: bytes((after, 0)) + bytes(6)),
    "routing": (43, lambda after: bytes((after, 2)) + bytes(22)),
    "destination": (60, lambda after: bytes((after, 1)) + bytes(14)),
    "authentication": (51, lambda after: bytes((after, 4)) + bytes(22)),
    "atomic fragment": (44, lambda after: bytes((after, 0)) + bytes(6)),
}


@pytest.mark.parametrize("names", [*permutations(EXTENSIONS, 1), *permutations(EXTENSIONS, 3)], ids="+".join)
def test_ipv6_extension_headers(names: tuple[str, ...]) -> None:
    body, after = TCP6, 6
    for name in reversed(names):
        number, make = EXTENSIONS[name]
        body, after = make(after) + body, number
    packet = ip_packet(A6.packed, B6.packed, body, protocol=after)
    assert payload(take(link_frame(LinkType.ETHERNET, packet))) == b"payload"


def ethernet(ethertype: int, *rest: bytes) -> bytes:
    return bytes(12) + ethertype.to_bytes(2, "big") + b"".join(rest)


def patched(packet: bytes, at: int, value: bytes) -> bytes:
    return link_frame(1, packet[:at] + value + packet[at + len(value) :])


def extended(body: bytes) -> bytes:
    return link_frame(1, ip_packet(A6.packed, B6.packed, body, protocol=0))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes(5), "a link header of 14 bytes cut to 5"),
        (ethernet(0x0806, bytes(28)), "not IP: EtherType 0x0806"),
        (ethernet(38, bytes(38)), "not IP: EtherType 0x0026"),
        (ethernet(0x8100, b"\0"), "a VLAN tag cut short"),
        (link_frame(1, IPV4)[:30], "an IPv4 header cut to 16 bytes"),
        (patched(IPV4, 0, b"\x44"), "an IPv4 header starts with 0x44"),
        (patched(IPV4, 2, b"\0\x13"), "an IPv4 packet of 19 bytes, header of 20, in a frame with 47"),
        (patched(IPV4, 2, b"\xff\xff"), "an IPv4 packet of 65535 bytes, header of 20, in a frame with 47"),
        (patched(IPV4, 9, b"\x11"), "not TCP: IP protocol 17"),
        (patched(IPV4, 32, b"\x40"), "a TCP header of 16 bytes in an IP payload of 27"),
        (patched(IPV4, 32, b"\xf0"), "a TCP header of 60 bytes in an IP payload of 27"),
        (link_frame(1, ip_packet(A.packed, B.packed, TCP[:19])), "a TCP header cut to 19 bytes"),
        (link_frame(1, IPV6)[:40], "an IPv6 header cut to 26 bytes"),
        (ethernet(0x86DD, b"\x50", IPV6[1:]), "an IPv6 header starts with 0x50"),
        (patched(IPV6, 4, b"\xff\xff"), "an IPv6 payload of 65535 bytes in a frame with 27"),
        (extended(b"\6\xff" + TCP6), "an IPv6 extension header longer than its packet"),
        (extended(b"\6\0"), "an IPv6 extension header (0) cut to 2 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_headers_that_do_not_hold_together(data: bytes, reason: str) -> None:
    assert skipped(take(data)) == reason


@pytest.mark.parametrize(
    ("link_type", "data"), [(LinkType.NULL, b"\x07\0\0\0"), (LinkType.RAW, b""), (LinkType.RAW, b"\x50")]
)
def test_link_headers_of_no_network_layer(link_type: int, data: bytes) -> None:
    skipped(take(data, link_type))


def test_a_link_type_we_do_not_take_apart() -> None:
    (event,) = take(IPV4, 147)
    assert isinstance(event, PacketSkipped)
    assert isinstance(event.error, UnsupportedLinkError)


# --- packets cut by the capture -----------------------------------------------------------------------------


def test_bytes_the_capture_cut_off_are_missing_and_count() -> None:
    frames = [frame(A, B, 100 + 7 * at, b"payload") for at in range(3)]
    writer = PcapWriter()
    file = writer.header() + b"".join(
        writer.packet(0, data[:-5] if at == 1 else data, len(data)) for at, data in enumerate(frames)
    )
    _, *events, _ = dissect([file])
    assert [(event.offset, event.packet_number) for event in events if isinstance(event, Data)] == [
        (0, 1),
        (7, 2),
        (14, 3),
    ]
    (lost,) = [event for event in events if isinstance(event, MissingBytes)]
    assert (lost.offset, lost.length, lost.packet_number, lost.reason) == (9, 5, 2, MissingReason.SNAPPED)


def test_zero_bytes_behind_the_last_packet_are_packets_without_bytes_and_not_cut() -> None:
    file = pcap([frame(A, B, 100, b"payload")]) + bytes(64)
    *_, skipped = (event for event in dissect([file]) if isinstance(event, PacketSkipped))
    assert type(skipped.error) is PacketError
    assert str(skipped.error) == "a packet without bytes"


def test_a_cut_packet_that_waits_still_lacks_its_end() -> None:
    frames = [frame(A, B, 99, flags=2), frame(A, B, 107, b"payload"), frame(A, B, 100, b"payload")]
    writer = PcapWriter()
    file = writer.header() + b"".join(
        writer.packet(0, data[:-5] if at == 1 else data, len(data)) for at, data in enumerate(frames)
    )
    shape = [
        (type(event).__name__, event.offset) for event in dissect([file]) if isinstance(event, Data | MissingBytes)
    ]
    assert shape == [("Data", 0), ("Data", 7), ("MissingBytes", 9)]


def test_a_packet_cut_in_its_tcp_options_is_missing_altogether() -> None:
    segment = tcp_segment(A, B, seq=1, flags=ACK, data=b"payload", options=b"\1" * 12)
    whole = link_frame(1, ip_packet(A.packed, B.packed, segment))
    _, lost = take(whole[:60], original_length=len(whole))
    assert isinstance(lost, MissingBytes)
    assert lost.length == 7


# --- fragments ----------------------------------------------------------------------------------------------

LONG = tcp_segment(A, B, seq=100, flags=ACK, data=bytes(range(200)))
LONG6 = tcp_segment(A6, B6, seq=100, flags=ACK, data=bytes(range(200)))


def fragment(start: int, end: int, identification: int = 7, body: bytes = LONG) -> bytes:
    part = body[start:end]
    return link_frame(
        1,
        ip_packet(
            A.packed,
            B.packed,
            part,
            identification=identification,
            fragment_offset=start,
            more_fragments=end < len(body),
        ),
    )


def fragment6(start: int, end: int) -> bytes:
    head = struct.pack(">BBHI", 6, 0, start | (end < len(LONG6)), 7)
    return link_frame(1, ip_packet(A6.packed, B6.packed, head + LONG6[start:end], protocol=44))


@pytest.mark.parametrize("make", [fragment, fragment6])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_fragments_in_any_order(make: type, order: tuple[int, ...]) -> None:
    edges = [(0, 24), (24, 104), (104, 220)]
    events = dissect([pcap([make(*edges[at]) for at in order])])
    assert payload(events) == bytes(range(200))
    (data,) = [event for event in events if isinstance(event, Data)]
    assert data.packet_number == 3


def test_a_repeated_fragment_is_ignored() -> None:
    events = dissect([pcap([fragment(0, 24), fragment(0, 24), fragment(24, 220)])])
    assert payload(events) == bytes(range(200))


@pytest.mark.parametrize(
    ("frames", "reasons"),
    [
        ([fragment(0, 32), fragment(24, 220)], ["fragments that overlap at 24"]),
        ([fragment(24, 220), fragment(0, 32)], ["fragments that overlap at 0"]),
        ([fragment(208, 220), fragment(216, 224, body=bytes(300))], ["fragments that overlap at 216"]),
        ([fragment(208, 220), fragment(224, 232, body=bytes(300))], ["a fragment behind the last one"]),
        ([fragment(0, 24)], ["a fragment: the other fragments are not in the capture"]),
        ([fragment(0, 25, body=LONG)], ["a fragment of 25 bytes at 0"]),
    ],
)
def test_fragments_that_do_not_fit(frames: list[bytes], reasons: list[str]) -> None:
    events = dissect([pcap(frames)])
    assert [event.error.reason for event in events if isinstance(event, PacketSkipped)] == reasons
    assert not payload(events)


def test_fragments_that_come_too_late() -> None:
    events = dissect([pcap([fragment(0, 24), fragment(24, 220)], step_ns=60_000_000_001)])
    reasons = [event.error.reason for event in events if isinstance(event, PacketSkipped)]
    assert reasons == [
        "a fragment: the other fragments did not come in time",
        "a fragment: the other fragments are not in the capture",
    ]
    in_time = dissect([pcap([fragment(0, 24), fragment(24, 220)], step_ns=60_000_000_000)])
    assert payload(in_time) == bytes(range(200))


@pytest.mark.parametrize("limits", [Limits(max_fragmented=2), Limits(max_fragment_bytes=350)])
def test_too_many_fragments_drop_the_oldest(limits: Limits) -> None:
    frames = [fragment(0, 24, number) for number in range(3)] + [fragment(24, 220, number) for number in (0, 1, 2)]
    events = dissect([pcap(frames)], Dissector(limits))
    first = next(event for event in events if isinstance(event, PacketSkipped))
    assert (first.packet_number, first.error.reason) == (1, "a fragment: too many fragments are waiting")


def test_a_fragment_cut_by_the_capture_is_skipped() -> None:
    whole = fragment(0, 104)
    assert skipped(take(whole[:60], original_length=len(whole))) == "a fragment cut to the capture's snap length"


# --- builders and mutations ---------------------------------------------------------------------------------


@given(st.binary(max_size=80), st.sampled_from([b"", b"\1" * 4, b"\1" * 40]), st.booleans())
def test_checksums_are_what_dpkt_computes(data: bytes, options: bytes, version6: bool) -> None:
    source, destination = (A6, B6) if version6 else (A, B)
    segment = tcp_segment(source, destination, seq=1, ack=2, flags=ACK, data=data, options=options)
    packet = ip_packet(source.packed, destination.packed, segment)
    ip = dpkt.ip6.IP6(packet) if version6 else dpkt.ip.IP(packet)
    assert ip.data.data == data
    ip.data.sum = 0
    if not version6:
        ip.sum = 0
    assert bytes(ip) == packet


def test_builders_refuse_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="in fours"):
        tcp_segment(A, B, seq=0, flags=ACK, options=b"\1")
    with pytest.raises(ValueError, match="4 bytes each"):
        ip_packet(A.packed, B6.packed, b"")
    with pytest.raises(ValueError, match="IPv4"):
        ip_packet(A.packed, B.packed, bytes(65516))
    with pytest.raises(ValueError, match="IPv6"):
        ip_packet(A6.packed, B6.packed, bytes(65536))
    with pytest.raises(UnsupportedLinkError):
        link_frame(147, IPV4)


SAMPLES = [
    *(link_frame(1, packet, vlans=vlans) for packet in (IPV4, IPV6) for vlans in ((), (5,), (5, 6))),
    fragment(0, 24),
    fragment(24, 220),
    fragment6(0, 24),
    fragment6(24, 220),
    frame(B, A, 7, b"answer", ack=107),
]


@given(st.data())
@settings(max_examples=4 * settings().max_examples)
def test_mutated_packets_give_events_and_both_paths_the_same(data: st.DataObject) -> None:
    frames = []
    for sample in data.draw(st.lists(st.sampled_from(SAMPLES), min_size=1, max_size=8)):
        packet = bytearray(sample)
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(packet) - 1))
            packet[at] = data.draw(st.integers(0, 255))
        frames.append(bytes(packet[: data.draw(st.integers(0, len(packet)))] if data.draw(st.booleans()) else packet))
    dissector = Dissector()
    chain: list[Event] = []
    for at, packet_bytes in enumerate(frames):
        chain += dissector.packet(Packet(at + 1, 1000 * at, packet_bytes, len(packet_bytes), ETHERNET))
    chain += dissector.close()
    assert texts(dissect([pcap(frames)])) == texts(chain)


@given(st.data())
@settings(max_examples=3 * settings().max_examples)
def test_mutated_files_give_events_or_a_documented_error(data: st.DataObject) -> None:
    file = bytearray(pcap(SAMPLES))
    for _ in range(data.draw(st.integers(1, 6))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    whole, error = dissect_damaged([bytes(file)])
    pieces, same = dissect_damaged([bytes((byte,)) for byte in file])
    assert texts(whole) == texts(pieces)
    assert repr(error) == repr(same)


@given(
    st.sampled_from(list(LinkType)),
    st.binary(max_size=300),
    st.lists(st.tuples(st.sampled_from(Direction), st.binary(max_size=70)), max_size=4),
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    st.booleans(),
)
def test_a_conversations_packets_are_those_that_the_layers_make(
    link: LinkType, first: bytes, sent: list[tuple[Direction, bytes]], isns: tuple[int, int], is_ipv6: bool
) -> None:
    if link in (LinkType.IPV4, LinkType.IPV6):
        is_ipv6 = link is LinkType.IPV6
    client, server = (A6, B6) if is_ipv6 else (A, B)
    conversation = TcpConversation(client, server, link_type=link, isns=isns, mss=31)
    packets = conversation.open()
    for direction, data in [(Direction.A_TO_B, first), *sent]:
        packets += conversation.send(direction, data)
    packets += conversation.close()
    seen = [0, 0]
    for made in packets:
        ethertype, at = network_layer(link, made, 0, len(made))
        datagram = (decode_ipv6 if is_ipv6 else decode_ipv4)(made, at, len(made), len(made))
        segment = made[datagram.start :]
        source = client if segment[:2] == client.port.to_bytes(2, "big") else server
        destination = server if source is client else client
        seen[source is server] += 1
        seq, ack = (int.from_bytes(segment[low : low + 4], "big") for low in (4, 8))
        again = tcp_segment(source, destination, seq=seq, ack=ack, flags=segment[13], data=segment[20:])
        packet = ip_packet(source.packed, destination.packed, again, identification=seen[source is server])
        assert made == link_frame(link, packet)
        assert ethertype == (0x86DD if is_ipv6 else 0x0800)
