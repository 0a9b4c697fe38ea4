"""What the tests of captures share: packets by hand, and reassembly as simple as it can be said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from ftwire.errors import CaptureError
from ftwire.pcap import (
    Dissector,
    Endpoint,
    Event,
    Interface,
    LinkType,
    Packet,
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


def pcap(frames: Iterable[bytes], link_type: int = LinkType.ETHERNET, step_ns: int = 1000) -> bytes:
    """A pcap file of packets ``step_ns`` apart, the first at time 0."""
    writer = PcapWriter(link_type)
    return writer.header() + b"".join(writer.packet(step_ns * at, data) for at, data in enumerate(frames))


def chunks(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """``data`` cut at these positions."""
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[low:high] for low, high in pairwise(edges)]


def dissect(parts: Iterable[bytes], dissector: Dissector | None = None) -> list[Event]:
    """All events of a file that is in order."""
    dissector = dissector or Dissector()
    events = [event for part in parts for event in dissector.feed(part)]
    return events + list(dissector.close())


def dissect_damaged(
    parts: Iterable[bytes], dissector: Dissector | None = None
) -> tuple[list[Event], CaptureError | None]:
    """All events of a file that may not be, and the error it ends with."""
    dissector = dissector or Dissector()
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
    """Events as text, to compare those that hold errors: two errors are never equal."""
    return [repr(event) for event in events]


def by_packet(frames: Iterable[bytes], dissector: Dissector, step_ns: int = 1000) -> list[Event]:
    """The same as ``dissect([pcap(frames)])``, by the general chain alone."""
    events: list[Event] = []
    for at, data in enumerate(frames):
        events += dissector.packet(Packet(at + 1, step_ns * at, data, len(data), ETHERNET))
    return events + list(dissector.close())


@dataclass
class Stream:
    """One direction, byte by byte: whoever brings a byte first has brought it."""

    start: int | None = None
    have: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Offset -> byte, packet number."""
    conflicts: set[tuple[int, int, int, int]] = field(default_factory=set)
    """Offset, first byte, refused byte, packet number."""
    late: set[tuple[int, int, int]] = field(default_factory=set)
    """Offset, byte, packet number."""
    stands: int = 0

    def take(self, position: int, data: bytes, number: int) -> None:
        """``position`` counts from anywhere; the first one taken is offset 0 unless ``start`` is set."""
        if self.start is None:
            self.start = position
        offset = position - self.start
        if len(data) == 1 and offset + 1 == self.stands:
            return  # cannot be told from a keep-alive probe
        for at, byte in enumerate(data, offset):
            if at < 0:
                self.late.add((at, byte, number))
            elif at not in self.have:
                self.have[at] = (byte, number)
            elif self.have[at][0] != byte:
                self.conflicts.add((at, self.have[at][0], byte, number))
        while self.stands in self.have:
            self.stands += 1

    def gaps(self, end: int) -> set[int]:
        """Offsets below ``end`` that never came."""
        return set(range(end)) - set(self.have)
