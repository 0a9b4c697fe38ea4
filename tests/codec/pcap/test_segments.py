"""Plain segments in one step and packets layer by layer, by the compiled core and without it: the same events."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire.errors import CaptureError, NotACaptureError
from ftwire.pcap import (
    Dissector,
    Event,
    Interface,
    Limits,
    LinkType,
    PacketReader,
    PacketSkipped,
    PcapngWriter,
    PcapWriter,
    ip_packet,
    link_frame,
    tcp_segment,
)
from ftwire.pcap.pcapfile import scan_pcap, scan_pcap_in_python
from ftwire.pcap.pcapngfile import scan_pcapng, scan_pcapng_in_python
from ftwire.strategies import SegmentSchedule, Session, chunkings, conversations, mutations, segment_schedules
from support.cores import needs_core, pure
from support.pcap_model import A6, B6, A, B


def dissected(chunks: list[bytes], limits: Limits | None = None) -> list[object]:
    """All events, with the chunk they came in, and how the file ended."""
    dissector = Dissector(limits)
    log: list[object] = []
    try:
        for at, chunk in enumerate(chunks):
            for event in dissector.feed(chunk):
                log.append((at, comparable(event)))  # noqa: PERF401 - what came before an error must be kept
        log += map(comparable, dissector.close())
    except CaptureError as error:
        log.append((type(error), str(error)))
        log += map(comparable, dissector.close())
    return log


def layer_by_layer(chunks: list[bytes], limits: Limits | None = None) -> list[object]:
    """The same by the general way alone: each packet of the file through every layer."""
    reader, dissector = PacketReader(limits), Dissector(limits)
    log: list[object] = []
    try:
        for at, chunk in enumerate(chunks):
            for packet in reader.feed(chunk):
                log += [(at, comparable(event)) for event in dissector.packet(packet)]
    except CaptureError as error:
        log.append((type(error), str(error)))
    # A dissector that was given no packet has been given an empty file.
    with suppress(NotACaptureError):
        log += map(comparable, dissector.close())
    try:
        reader.close()
    except CaptureError as error:
        log.append((type(error), str(error)))
    return log


def comparable(event: Event) -> object:
    """An event that equals another of the same contents: no two errors are equal."""
    if isinstance(event, PacketSkipped):
        return (*event[:2], type(event.error), str(event.error))
    return type(event), event


def check(chunks: list[bytes], limits: Limits | None = None) -> None:
    expected = layer_by_layer(chunks, limits)
    assert dissected(chunks, limits) == expected
    with pure():
        assert layer_by_layer(chunks, limits) == expected
        assert dissected(chunks, limits) == expected


@given(st.binary(max_size=300).flatmap(segment_schedules), st.booleans(), st.data())
def test_segments_of_a_bad_day(schedule: SegmentSchedule, pcapng: bool, source: st.DataObject) -> None:
    damaged = source.draw(mutations(schedule.capture(pcapng=pcapng), max_changes=3))
    limits = source.draw(st.sampled_from([None, Limits(max_record=90, max_flow_bytes=300, max_flows=1)]))
    check(list(source.draw(chunkings(damaged.data))), limits)


@given(conversations(), st.data())
def test_conversations(session: Session, source: st.DataObject) -> None:
    check(list(source.draw(chunkings(source.draw(mutations(session.capture(), max_changes=3)).data))))


SECOND = 1_000_000_000
U32 = st.integers(0, 0xFFFF_FFFF)
CLOCKS = [(9, 0), (6, 0), (6, 1000), (3, -1000), (0x80 | 10, 0), (0, 1)]
"""How pcapng interfaces count: ``if_tsresol`` and the second they begin with."""
ORIGINAL_LENGTHS = st.sampled_from([None, None, None, 0, 2000])


@st.composite
def packets(draw: st.DrawFn, link_type: int) -> bytes:
    """A packet that is plain, or nearly."""
    source, destination = draw(st.sampled_from([(A, B), (B, A), (A6, B6), (A, B)]))
    segment = tcp_segment(
        source,
        destination,
        seq=draw(st.integers(0, 30) | st.sampled_from([0xFFFF_FFFF])),
        ack=draw(st.integers(0, 30)),
        flags=draw(st.sampled_from([0x10, 0x18, 0x10, 0x18, 0x02, 0x12, 0x11, 0x14, 0x30, 0x00])),
        data=draw(st.binary(max_size=10)),
        options=draw(st.sampled_from([b"", b"", b"\1" * 12])),
    )
    network = ip_packet(source.packed, destination.packed, segment)
    packet = bytearray(link_frame(link_type, network))
    # Anything that makes it uncommon: a byte of the IP header, or of the TCP header's length and flags.
    header = 40 if source in (A6, B6) else 20
    uncommon = st.integers(0, header - 1) | st.sampled_from([0, 2, 4, 6, 7, 9, header + 12, header + 13])
    for at, value in draw(st.dictionaries(uncommon, st.integers(0, 255), max_size=1)).items():
        packet[len(packet) - len(network) + at] = value
    if draw(st.integers(0, 7)) == 0:
        packet[draw(st.integers(0, len(packet) - 1))] ^= draw(st.integers(1, 255))
    return bytes(packet[: draw(st.just(len(packet)) | st.integers(0, len(packet)))]) + draw(st.binary(max_size=3))


@given(st.data(), st.sampled_from(LinkType))
def test_pcap_of_packets_that_are_nearly_plain(source: st.DataObject, link_type: LinkType) -> None:
    said = source.draw(st.sampled_from([link_type, link_type, 147]))
    writer = PcapWriter(said, nanoseconds=source.draw(st.booleans()), big_endian=source.draw(st.booleans()))
    file = writer.header()
    for at, packet in enumerate(source.draw(st.lists(packets(link_type), max_size=8))):
        file += writer.packet(at * 1000, packet, source.draw(ORIGINAL_LENGTHS))
    check(list(source.draw(chunkings(file))))


@given(st.data(), st.sampled_from(LinkType), st.lists(st.sampled_from(CLOCKS), min_size=1, max_size=3))
def test_pcapng_of_packets_that_are_nearly_plain(
    source: st.DataObject, link_type: LinkType, clocks: list[tuple[int, int]]
) -> None:
    writer = PcapngWriter(big_endian=source.draw(st.booleans()))
    file = writer.section()
    for resolution, offset_s in clocks:
        file += writer.interface(link_type, resolution=resolution, offset_s=offset_s)
    for at, packet in enumerate(source.draw(st.lists(packets(link_type), max_size=8))):
        interface = source.draw(st.integers(0, len(clocks) - 1))
        original = source.draw(ORIGINAL_LENGTHS)
        if source.draw(st.integers(0, 7)) == 0:
            file += writer.old_packet(SECOND * (2000 + at), packet, interface=interface, original_length=original)
        else:
            made = bytearray(writer.packet(SECOND * (2000 + at), packet, interface=interface, original_length=original))
            if source.draw(st.integers(0, 7)) == 0:
                made[12:20] = source.draw(st.binary(min_size=8, max_size=8))  # any time at all
            file += made
    check(list(source.draw(chunkings(file))))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("version", [4, 6])
def test_every_value_of_every_byte_of_the_headers(version: int) -> None:
    plain = link_frame(LinkType.ETHERNET, packet_of(version, 0))
    writer = PcapWriter()
    for at in range(len(plain) - 1):
        changed = (plain[:at] + bytes((value,)) + plain[at + 1 :] for value in range(256))
        check([writer.header() + b"".join(writer.packet(at, packet) for packet in changed)])


@pytest.mark.parametrize("scan", [scan_pcap, scan_pcap_in_python])
@pytest.mark.parametrize("version", [4, 6])
def test_plain_segments_of_a_pcap_file_come_without_their_headers(scan: Callable[..., object], version: int) -> None:
    packet, interface = link_frame(LinkType.ETHERNET, packet_of(version, 7)), Interface(0, LinkType.ETHERNET, 0)
    data = PcapWriter().packet(1_000_000_007, packet) + PcapWriter().packet(0, packet[:30], 99)
    key = packet[26:38] if version == 4 else packet[22:58]
    rest = (0, packet[:30], 99, interface)
    assert scan(data, 0, "<", 1, 16, 1 << 20, interface, True) == (
        [(1_000_000_007, key, 7, 0, b"x"), rest],
        len(data),
    )
    assert scan(data, 0, "<", 1, 16, 1 << 20, interface, False) == (
        [(1_000_000_007, packet, len(packet), interface), rest],
        len(data),
    )


@needs_core
@given(st.data(), st.binary(max_size=200), st.booleans())
def test_the_core_scans_pcap_as_python_does(source: st.DataObject, noise: bytes, segments: bool) -> None:
    order, unit = source.draw(st.sampled_from("<>")), source.draw(st.sampled_from([1, 1000]))
    header = source.draw(st.sampled_from([16, 24]))
    link_type = source.draw(st.sampled_from([*LinkType, 147]))
    data = b""
    for packet in source.draw(st.lists(packets(link_type if link_type in list(LinkType) else 1), max_size=4)):
        words = source.draw(st.tuples(U32, U32)), (len(packet), source.draw(U32))
        data += struct.pack(order + "IIII", *words[0], *words[1]) + bytes(header - 16) + packet
    data += source.draw(st.sampled_from([b"", noise]))
    interface = Interface(0, link_type, 0)
    at, largest = source.draw(st.integers(0, len(data) + 1)), source.draw(st.sampled_from([60, 0xFFFF_FFFF]))
    arguments = (data, source.draw(st.sampled_from([0, at])), order, unit, header, largest, interface, segments)
    assert scan_pcap(*arguments) == scan_pcap_in_python(*arguments)


@needs_core
@given(st.data(), st.binary(max_size=200), st.booleans())
def test_the_core_scans_pcapng_as_python_does(source: st.DataObject, noise: bytes, segments: bool) -> None:
    big_endian = source.draw(st.booleans())
    writer = PcapngWriter(big_endian=big_endian)
    interfaces, clocks = [], []
    for index in range(source.draw(st.integers(1, 3))):
        interfaces.append(Interface(index, source.draw(st.sampled_from(LinkType)), 0))
        # The extremes of if_tsresol and if_tsoffset.
        divisor, offset_s = source.draw(st.integers(1, 1 << 94)), source.draw(st.integers(-(1 << 63), (1 << 63) - 1))
        clocks.append((source.draw(st.integers(1, 1_000_000_000)), divisor, offset_s * SECOND))
    data = b""
    for _ in range(source.draw(st.integers(0, 4))):
        index = source.draw(st.integers(0, len(interfaces)))
        packet = source.draw(packets(interfaces[min(index, len(interfaces) - 1)].link_type))
        head = struct.pack(
            ">IIIII" if big_endian else "<IIIII", index, *source.draw(st.tuples(U32, U32)), len(packet), 0
        )
        data += writer.block(6, head + packet)
    data = source.draw(st.just(data) | mutations(data, max_changes=1).map(lambda mutation: mutation.data)) + noise
    at, largest = source.draw(st.integers(0, len(data) + 1)), source.draw(st.sampled_from([100, 0xFFFF_FFFF]))
    order = ">" if big_endian else "<"
    arguments = (data, source.draw(st.sampled_from([0, at])), order, largest, interfaces, clocks, segments)
    assert scan_pcapng(*arguments) == scan_pcapng_in_python(*arguments)


def packet_of(version: int, seq: int) -> bytes:
    source, destination = (A, B) if version == 4 else (A6, B6)
    segment = tcp_segment(source, destination, seq=seq, flags=0x10, data=b"x")
    return ip_packet(source.packed, destination.packed, segment)
