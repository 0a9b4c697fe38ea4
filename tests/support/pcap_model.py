"""Packets made by hand, and the simplest possible reassembly as a model, for tests of captures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from ftwire.errors import CaptureError
from ftwire.pcap import (
    Conflict,
    Data,
    Direction,
    Dissector,
    Endpoint,
    Event,
    Flow,
    FlowClosed,
    FlowOpened,
    Interface,
    Late,
    Limits,
    LinkType,
    MissingBytes,
    MissingReason,
    Packet,
    PacketReader,
    PacketSkipped,
    PcapWriter,
    ip_packet,
    link_frame,
    tcp_segment,
)

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
ETHERNET = Interface(0, LinkType.ETHERNET, 0)

A = Endpoint(bytes([10, 0, 0, 1]), 50000)
B = Endpoint(bytes([10, 0, 0, 2]), 11111)
A6 = Endpoint(bytes([0xFD, *bytes(14), 1]), 50000)
B6 = Endpoint(bytes([0xFD, *bytes(14), 2]), 11111)


def frame(
    source: Endpoint,
    destination: Endpoint,
    seq: int,
    data: bytes = b"",
    *,
    ack: int = 0,
    flags: int = ACK,
    link_type: int = LinkType.ETHERNET,
) -> bytes:
    """One TCP packet."""
    segment = tcp_segment(source, destination, seq=seq, ack=ack, flags=flags, data=data)
    return link_frame(link_type, ip_packet(source.packed, destination.packed, segment))


class Snapped(NamedTuple):
    """A packet of which the capture holds the first bytes only."""

    data: bytes
    captured: int


def kept(packet: bytes | Snapped) -> tuple[bytes, int]:
    """Return the bytes that a capture holds of a packet, and how long the packet was."""
    if isinstance(packet, Snapped):
        return packet.data[: packet.captured], len(packet.data)
    return packet, len(packet)


def pcap(frames: Iterable[bytes | Snapped], link_type: int = LinkType.ETHERNET, step_ns: int = 1000) -> bytes:
    """A pcap file of packets ``step_ns`` apart, the first at time 0."""
    writer = PcapWriter(link_type)
    return writer.header() + b"".join(writer.packet(step_ns * at, *kept(data)) for at, data in enumerate(frames))


def chunks(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """``data`` cut at these positions."""
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[low:high] for low, high in pairwise(edges)]


def dissect(parts: Iterable[bytes], dissector: Dissector | None = None) -> list[Event]:
    """Return all events of an undamaged file."""
    dissector = dissector or Dissector()
    events = [event for part in parts for event in dissector.feed(part)]
    return events + list(dissector.close())


def read_packets(parts: Iterable[bytes], limits: Limits | None = None) -> tuple[list[Packet], CaptureError | None]:
    """Return all packets of a file that may be damaged, and the error it ends with."""
    reader = PacketReader(limits)
    packets: list[Packet] = []
    try:
        for part in parts:
            for packet in reader.feed(part):
                packets.append(packet)  # noqa: PERF402 - what came before an error must be kept
        reader.close()
    except CaptureError as error:
        return packets, error
    return packets, None


def dissect_damaged(parts: Iterable[bytes]) -> tuple[list[Event], CaptureError | None]:
    """Return all events of a file that may be damaged, and the error it ends with."""
    dissector = Dissector()
    events: list[Event] = []
    error: CaptureError | None = None
    try:
        for part in parts:
            for event in dissector.feed(part):
                events.append(event)  # noqa: PERF402 - what came before an error must be kept
    except CaptureError as damage:
        error = damage
    try:
        for event in dissector.close():
            events.append(event)  # noqa: PERF402
    except CaptureError as damage:
        error = damage
    return events, error


def texts(events: Iterable[Event]) -> list[str]:
    """Return events as text, so that events with errors can be compared: two errors are never equal."""
    return [repr(event) for event in events]


def by_packet(frames: Iterable[bytes | Snapped], dissector: Dissector) -> list[Event]:
    """Return the events of packets that are given one by one: the same as of ``dissect([pcap(frames)])``."""
    events: list[Event] = []
    for at, data in enumerate(frames):
        events += dissector.packet(Packet(at + 1, 1000 * at, *kept(data), ETHERNET))
    return events + list(dissector.close())


@dataclass
class Stream:
    """A model of one direction of a connection, byte by byte: of two values of a byte the first counts."""

    start: int | None = None
    have: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Offset -> byte, packet number."""
    conflicts: set[tuple[int, int, int, int]] = field(default_factory=set)
    """Offset, first byte, refused byte, packet number."""
    late: set[tuple[int, int, int]] = field(default_factory=set)
    """Offset, byte, packet number."""
    next_offset: int = 0

    def take(self, position: int, data: bytes, number: int) -> None:
        """Take a segment at a position in sequence numbers; the first one is at offset 0 unless ``start`` is set."""
        if self.start is None:
            self.start = position
        offset = position - self.start
        if len(data) == 1 and offset + 1 == self.next_offset:
            return  # cannot be told from a keep-alive probe
        for at, byte in enumerate(data, offset):
            if at < 0:
                self.late.add((at, byte, number))
            elif at not in self.have:
                self.have[at] = (byte, number)
            elif self.have[at][0] != byte:
                self.conflicts.add((at, self.have[at][0], byte, number))
        while self.next_offset in self.have:
            self.next_offset += 1

    def missing(self, end: int) -> set[int]:
        """Offsets below ``end`` that never came."""
        return set(range(end)) - set(self.have)


# A connection between A and B, and the events of packets in it.


ISN_A, ISN_B = 1000, 5000
HANDSHAKE = [
    frame(A, B, ISN_A, flags=SYN),
    frame(B, A, ISN_B, flags=SYN | ACK, ack=ISN_A + 1),
    frame(A, B, ISN_A + 1, ack=ISN_B + 1),
]


def a(offset: int, data: bytes = b"", ack: int = 0, flags: int = ACK) -> bytes:
    return frame(A, B, ISN_A + 1 + offset, data, ack=ISN_B + 1 + ack, flags=flags)


def b(offset: int, data: bytes = b"", ack: int = 0, flags: int = ACK) -> bytes:
    return frame(B, A, ISN_B + 1 + offset, data, ack=ISN_A + 1 + ack, flags=flags)


def run(*frames: bytes | Snapped, limits: Limits | None = None) -> list[Event]:
    """Return the events of a file, and check that its packets one by one give the same."""
    events = dissect([pcap(frames)], Dissector(limits))
    assert texts(by_packet(frames, Dissector(limits))) == texts(events)
    check_origins(frames, events)
    return events


def check_origins(frames: Sequence[bytes | Snapped], events: list[Event]) -> None:
    """Every event has the time of the packet it names, a flow that is open, and the direction of that packet."""
    flows: set[Flow] = set()
    for event in events:
        assert event.time_ns == 1000 * (event.packet_number - 1)
        if isinstance(event, FlowOpened):
            flows.add(event.flow)
        if not isinstance(event, PacketSkipped):
            assert event.flow in flows
        if isinstance(event, Data | Conflict | Late):
            packet = frames[event.packet_number - 1]
            data = packet.data if isinstance(packet, Snapped) else packet
            if data[12:14] == b"\x08\0":
                source = Endpoint(data[26:30], int.from_bytes(data[34:36], "big"))
                sender = event.flow.a if event.direction is Direction.A_TO_B else event.flow.b
                assert source == sender
        elif isinstance(event, MissingBytes):
            assert isinstance(event.direction, Direction)
            assert isinstance(event.reason, MissingReason)


def after_handshake(*frames: bytes | Snapped, limits: Limits | None = None) -> list[tuple[object, ...]]:
    """The events between opening and end, without flow, number and time."""
    events = run(*HANDSHAKE, *frames, limits=limits)
    assert isinstance(events[0], FlowOpened)
    short: list[tuple[object, ...]] = []
    for event in events[1:]:
        match event:
            case Data():
                short.append(("data", event.direction.name[0], event.offset, event.data, event.packet_number - 3))
            case MissingBytes():
                short.append(("missing", event.direction.name[0], event.offset, event.length, event.reason.value))
            case Conflict():
                short.append(("conflict", event.offset, event.kept, event.refused))
            case Late():
                short.append(("late", event.offset, event.data))
            case FlowClosed():
                short.append(("closed", event.reason.value))
            case PacketSkipped():
                short.append(("skipped", event.packet_number - 3, event.error.reason))
            case FlowOpened():
                short.append(("opened", event.flow.index, event.flow.client_known))
    return short


END = ("closed", "end")
