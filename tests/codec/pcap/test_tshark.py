"""The same captures, read by tshark."""

from __future__ import annotations

import gzip
import random
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ftwire.pcap import (
    Data,
    Direction,
    Dissector,
    Endpoint,
    FlowOpened,
    LinkType,
    MissingBytes,
    PacketReader,
    PcapngWriter,
    PcapWriter,
    ip_packet,
    link_frame,
    tcp_segment,
)
from ftwire.strategies import SegmentSchedule, segment_schedules
from support.pcap_model import ACK, FIN, SYN, A, B, dissect, frame
from support.programs import Program

SECOND = 1_000_000_000
FLOWS = 60


def schedule(rng: random.Random, near: Endpoint, loss: bool) -> list[bytes]:
    """A connection whose client sends: reordered, repeated, cut anew, and here and there lost.

    What is lost is acknowledged, as it is when only the capture missed it: the server's window probes at the
    end carry the acknowledgement, and are more than our patience needs.
    """
    isn, peer_isn = rng.choice([rng.getrandbits(32), 0xFFFFFFFF - rng.randrange(300)]), rng.getrandbits(32)
    text = rng.randbytes(rng.randrange(50, 2000))
    edges = sorted({0, len(text), *(rng.randrange(len(text)) for _ in range(rng.randrange(1, 12)))})
    pieces = list(pairwise(edges))
    if loss and len(pieces) > 1:
        # Never the last one: tshark says nothing of a piece missing at the end.
        del pieces[rng.randrange(len(pieces) - 1)]
    for _ in range(rng.randrange(4)):
        low = rng.randrange(len(text) - 1)
        if not loss:
            pieces.append((low, rng.randrange(low + 1, len(text))))
    pieces += rng.sample(pieces, rng.randrange(min(3, len(pieces) + 1)))
    rng.shuffle(pieces)

    def c(offset: int, data: bytes = b"", flags: int = ACK) -> bytes:
        return frame(near, B, isn + 1 + offset, data, ack=peer_isn + 1, flags=flags)

    def s(ack: int, flags: int = ACK) -> bytes:
        return frame(B, near, peer_isn + 1, ack=isn + 1 + ack, flags=flags)

    return [
        frame(near, B, isn, flags=SYN),
        frame(B, near, peer_isn, ack=isn + 1, flags=SYN | ACK),
        c(0),
        *(c(low, text[low:high]) for low, high in pieces),
        *[s(len(text))] * 40,
        c(len(text), flags=FIN | ACK),
        s(len(text) + 1, flags=FIN | ACK),
    ]


def followed(text: str) -> dict[int, tuple[bytes, bytes]]:
    """Both streams of each ``follow,tcp,raw`` table: a line per piece, the second node's indented."""
    flows = {}
    for table in text.split("Follow: tcp,raw\n")[1:]:
        lines = re.findall(r"^(\t?)([0-9a-f]+)$", table, re.MULTILINE)
        near = b"".join(bytes.fromhex(line) for indent, line in lines if not indent)
        far = b"".join(bytes.fromhex(line) for indent, line in lines if indent)
        (index,) = re.findall(r"^Filter: tcp.stream eq (\d+)$", table, re.MULTILINE)
        flows[int(index)] = (near, far)
    return flows


@pytest.mark.parametrize("seed", range(4))
def test_streams_are_those_tshark_follows(tshark: Program, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    writer = PcapWriter()
    schedules = [schedule(rng, A._replace(port=20000 + at), loss=at % 2 == 1) for at in range(FLOWS)]
    # Connections take turns, each in its own order.
    turns = [at for at, packets in enumerate(schedules) for _ in packets]
    rng.shuffle(turns)
    queues = [iter(packets) for packets in schedules]
    frames = [next(queues[at]) for at in turns]
    file = writer.header() + b"".join(writer.packet(1000 * at, data) for at, data in enumerate(frames))
    path = tmp_path / "schedules.pcap"
    path.write_bytes(file)

    ours: dict[int, tuple[bytearray, bytearray]] = {}
    opened = []
    for event in dissect([file]):
        match event:
            case FlowOpened():
                opened.append(event.flow)
                ours[event.flow.index] = (bytearray(), bytearray())
            case Data():
                ours[event.flow.index][event.direction].extend(event.data)
            case MissingBytes():
                # What tshark puts in place of missing bytes.
                note = f"[{event.length} bytes missing in capture file]\0"
                ours[event.flow.index][event.direction].extend(note.encode())
    assert len(opened) == FLOWS
    follow = [part for flow in opened for part in ("-z", f"follow,tcp,raw,{flow.index}")]
    theirs = followed(tshark("-n", "-r", path, "-q", *follow))
    assert len(theirs) == FLOWS
    for flow in opened:
        got = ours[flow.index]
        assert (bytes(got[0]), bytes(got[1])) == theirs[flow.index], flow
    assert any(b"missing in capture" in near for near, _ in theirs.values())


def capture_files() -> dict[str, bytes]:
    rng = random.Random(5)  # noqa: S311 - a capture, not a secret
    start = 1_700_000_000 * SECOND

    def packets(link_type: int) -> list[tuple[int, bytes]]:
        made, seq, at = [], 1, start
        for _ in range(20):
            data = rng.randbytes(rng.randrange(60))
            at += rng.randrange(1_000_000_000)
            made.append((at, frame(A, B, seq, data, link_type=link_type)))
            seq += len(data)
        return made

    files: dict[str, bytes] = {}
    for link_type in LinkType:
        if link_type in (LinkType.IPV6, LinkType.DLT_RAW_OPENBSD):
            continue
        for nanoseconds, big_endian in ((True, False), (False, True)):
            if big_endian and link_type == LinkType.NFLOG:
                continue  # its attributes have the byte order of the file, and are written in the other one
            writer = PcapWriter(link_type, nanoseconds=nanoseconds, big_endian=big_endian)
            files[f"{link_type.name}-{'ns' if nanoseconds else 'us'}"] = writer.header() + b"".join(
                writer.packet(at, data) for at, data in packets(link_type)
            )
    sections = b""
    for big_endian in (False, True):
        ng = PcapngWriter(big_endian=big_endian)
        sections += ng.section() + ng.interface() + ng.interface(LinkType.LINUX_SLL, resolution=6)
        sections += ng.interface(LinkType.RAW, resolution=0x80 + 20, offset_s=1000)
        for index, link_type in enumerate((LinkType.ETHERNET, LinkType.LINUX_SLL, LinkType.RAW)):
            for at, data in packets(link_type):
                sections += ng.packet(at, data, interface=index, options=ng.option(1, b"note") + bytes(4))
        sections += ng.block(0x7777, bytes(16)) + ng.old_packet(start, packets(1)[3][1])
    files["sections"] = sections
    files["sections-gzip"] = gzip.compress(sections)
    vlan = PcapWriter()
    tagged = [
        link_frame(1, ip_packet(A.packed, B.packed, tcp_segment(A, B, seq=1, flags=ACK, data=b"x")), vlans=tags)
        for tags in ((), (7,), (7, 8))
    ]
    files["vlan"] = vlan.header() + b"".join(vlan.packet(start, data) for data in tagged)
    files["cut"] = vlan.header() + b"".join(
        vlan.packet(at, data[:60], len(data)) for at, data in packets(LinkType.ETHERNET)
    )
    return files


FILES = capture_files()


@pytest.mark.parametrize("name", FILES)
def test_packets_are_those_tshark_lists(tshark: Program, tmp_path: Path, name: str) -> None:
    file = FILES[name]
    path = tmp_path / "capture"
    path.write_bytes(file)
    fields = [
        "frame.number",
        "frame.time_epoch",
        "frame.cap_len",
        "frame.len",
        "tcp.srcport",
        "tcp.seq_raw",
        "tcp.len",
    ]
    listing = tshark("-n", "-r", path, "-T", "fields", *(part for field in fields for part in ("-e", field)))
    theirs = [tuple(line.split("\t")) for line in listing.splitlines()]

    ours = []
    for packet in PacketReader().feed(file):
        seconds, rest = divmod(packet.time_ns, SECOND)
        # Each packet as the first of its capture: its bytes, cut ones included, are all its stream has.
        events = Dissector().packet(packet)
        length = sum(
            event.length if isinstance(event, MissingBytes) else len(event.data)
            for event in events
            if isinstance(event, Data | MissingBytes)
        )
        where = packet.data.index(A.packed + B.packed) + 8
        ours.append(
            (
                str(packet.number),
                f"{seconds}.{rest:09d}",
                str(len(packet.data)),
                str(packet.original_length),
                str(int.from_bytes(packet.data[where : where + 2], "big")),
                str(int.from_bytes(packet.data[where + 4 : where + 8], "big")),
                str(length),
            )
        )
    assert ours == theirs
    assert len(ours) >= 3


def test_directions_are_those_of_the_handshake(tshark: Program, tmp_path: Path) -> None:
    """A check of the comparison itself: tshark's first node is our endpoint a."""
    packets = [frame(B, A, 5, flags=SYN | ACK, ack=1), frame(A, B, 1, b"ask"), frame(B, A, 6, b"reply")]
    writer = PcapWriter()
    file = writer.header() + b"".join(writer.packet(0, data) for data in packets)
    path = tmp_path / "capture.pcap"
    path.write_bytes(file)
    theirs = followed(tshark("-n", "-r", path, "-q", "-z", "follow,tcp,raw,0"))
    ours = {event.direction: event.data for event in dissect([file]) if isinstance(event, Data)}
    assert {ours[Direction.A_TO_B], ours[Direction.B_TO_A]} == set(theirs[0]) == {b"ask", b"reply"}


def test_schedules_of_the_strategies_are_followed_as_tshark_follows_them(tshark: Program, tmp_path: Path) -> None:
    """Lost, moved, repeated, overlapping, wrapped: where nothing is missing, the bytes are tshark's."""
    found: list[SegmentSchedule] = []

    @settings(max_examples=60, derandomize=True, database=None, phases=[Phase.generate])
    @given(st.binary(min_size=1, max_size=120).flatmap(segment_schedules))
    def collect(schedule: SegmentSchedule) -> None:
        if schedule.syn and not schedule.contradictory and not schedule.missing:
            found.append(schedule)

    collect()
    assert len(found) > 10
    writer = PcapWriter()
    file = writer.header()
    for number, schedule in enumerate(found):
        near = A._replace(port=1000 + number)
        file += b"".join(writer.packet(number * SECOND, packet) for packet in schedule.packets(near, B))
    path = tmp_path / "schedules.pcap"
    path.write_bytes(file)
    theirs = followed(tshark("-n", "-r", path, "-q", *(f"-zfollow,tcp,raw,{at}" for at in range(len(found)))))
    ours: dict[int, bytes] = {}
    for event in dissect([file]):
        if isinstance(event, Data):
            ours[event.flow.index] = ours.get(event.flow.index, b"") + event.data
    for number, schedule in enumerate(found):
        assert ours[number] == schedule.stream
        assert theirs[number][0] == schedule.stream
