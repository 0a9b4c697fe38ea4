"""Captures by the compiled core and by the Python code: the same events, chunk for chunk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire.errors import CaptureError
from ftwire.pcap import (
    Dissector,
    Endpoint,
    Event,
    Limits,
    LinkType,
    PacketSkipped,
    PcapngWriter,
    PcapWriter,
    Survey,
    ip_packet,
    link_frame,
    tcp_segment,
)
from ftwire.strategies import SegmentSchedule, Session, chunkings, conversations, mutations, segment_schedules
from support.cores import needs_core, pure
from support.pcap_model import A6, B6, A, B

pytestmark = needs_core


def dissected(
    chunks: list[bytes], limits: Limits | None = None, wanted: Callable[[Endpoint, Endpoint], bool] | None = None
) -> list[object]:
    """All events, with the chunk they came in, and how it ended."""
    dissector = Dissector(limits, wanted=wanted)
    log: list[object] = []
    try:
        for at, chunk in enumerate(chunks):
            log += [(at, told(event)) for event in dissector.feed(chunk)]
        log += map(told, dissector.close())
    except CaptureError as error:
        log.append((type(error), str(error)))
        log += map(told, dissector.close())
    return log


def surveyed(chunks: list[bytes]) -> dict[tuple[Endpoint, Endpoint], int]:
    """What each connection has, as far as the file can be read."""
    survey = Survey()
    with suppress(CaptureError):
        for chunk in chunks:
            survey.feed(chunk)
    return survey.connections


def is_wanted(one: Endpoint, other: Endpoint) -> bool:
    """Some connections, in either order of their ends."""
    return (one.port + other.port + len(one.packed)) % 2 == 0


def told(event: Event) -> object:
    return (
        (*event[:2], type(event.error), str(event.error)) if isinstance(event, PacketSkipped) else (type(event), event)
    )


def check(chunks: list[bytes], limits: Limits | None = None) -> None:
    compiled = dissected(chunks, limits), dissected(chunks, limits, is_wanted), surveyed(chunks)
    with pure():
        assert (dissected(chunks, limits), dissected(chunks, limits, is_wanted), surveyed(chunks)) == compiled


@given(st.binary(max_size=300).flatmap(segment_schedules), st.booleans(), st.data())
def test_segments_of_a_bad_day(schedule: SegmentSchedule, pcapng: bool, source: st.DataObject) -> None:
    damaged = source.draw(mutations(schedule.capture(pcapng=pcapng), max_changes=3))
    limits = source.draw(st.sampled_from([None, Limits(max_record=90, max_flow_bytes=300, max_flows=1)]))
    check(list(source.draw(chunkings(damaged.data))), limits)


@given(conversations(), st.data())
def test_conversations(session: Session, source: st.DataObject) -> None:
    check(list(source.draw(chunkings(source.draw(mutations(session.capture(), max_changes=3)).data))))


SECOND = 1_000_000_000
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


@pytest.mark.parametrize("version", [4, 6])
def test_every_value_of_every_byte_of_the_headers(version: int) -> None:
    plain = link_frame(LinkType.ETHERNET, _packet(version, 0))
    writer = PcapWriter()
    for at in range(len(plain) - 1):
        changed = (plain[:at] + bytes((value,)) + plain[at + 1 :] for value in range(256))
        check([writer.header() + b"".join(writer.packet(at, packet) for packet in changed)])


def test_the_core_is_really_what_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    packets = [link_frame(LinkType.ETHERNET, _packet(version, at)) for at in range(9) for version in (4, 6)]
    writer, ng = PcapWriter(), PcapngWriter()
    files = [
        writer.header() + b"".join(writer.packet(at, packet) for at, packet in enumerate(packets)),
        ng.section() + ng.interface() + b"".join(ng.packet(at, packet) for at, packet in enumerate(packets)),
    ]
    expected = [dissected([file]) for file in files]
    # What every packet goes through that is not sliced.
    monkeypatch.setattr("ftwire.pcap.dissect.network_layer", None)
    monkeypatch.setattr("ftwire.pcap.dissect.plain_link", None)
    assert [dissected([file]) for file in files] == expected
    for file in files:
        with pytest.raises(TypeError), pure():
            dissected([file])


def _packet(version: int, seq: int) -> bytes:
    source, destination = (A, B) if version == 4 else (A6, B6)
    segment = tcp_segment(source, destination, seq=seq, flags=0x10, data=b"x")
    return ip_packet(source.packed, destination.packed, segment)
