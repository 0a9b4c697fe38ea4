"""Capture file to verified frames: ours against dpkt, scapy, tshark and ourselves.

Run it: ``python tests/bench/bench_pcap.py``. Every contestant takes the packets apart, puts each direction in
order, cuts frames and checks their SHA-1. tshark does the first half, as fields on its standard output. scapy
gets a twentieth of the packets.
"""

from __future__ import annotations

import io
import random
import resource
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha1
from importlib import import_module
from pathlib import Path

import dpkt  # type: ignore[import-untyped]  # has no annotations

from ftwire.frame import Role
from ftwire.pcap import (
    Data,
    Direction,
    Dissector,
    Endpoint,
    LinkType,
    PcapngWriter,
    PcapWriter,
    TcpConversation,
)
from ftwire.stream import FrameDecoder

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.harness import Ratio, report, take_turns, told
from bench.traffic import capture as traffic

CLIENT = Endpoint(bytes([127, 0, 0, 1]), 50000)
SERVER = Endpoint(bytes([127, 0, 0, 1]), 11111)
ROUNDS = 7
SEGMENTS = 20000
SIZE = 20_000_000


def frames(size: int, count: int = SEGMENTS, link_type: int = LinkType.ETHERNET) -> list[bytes]:
    """Segments of ``size`` bytes from the server, an acknowledgement behind every other one."""
    talk = TcpConversation(CLIENT, SERVER, link_type=link_type, mss=size)
    noise = random.Random(1).randbytes(size)  # noqa: S311
    packets = talk.open()
    for _ in range(count // 2):
        packets += talk.send(Direction.B_TO_A, noise + noise)
    return packets


def swapped(packets: list[bytes]) -> list[bytes]:
    """Every pair of data segments in the wrong order."""
    mixed = packets[:3]
    for at in range(3, len(packets) - 2, 3):
        first, second, ack = packets[at : at + 3]
        mixed += [second, first, ack]
    return mixed


def repeated(packets: list[bytes]) -> list[bytes]:
    """Every data segment twice, as a capture on two interfaces has it."""
    return packets[:3] + [packet for packet in packets[3:] for _ in range(2 if len(packet) > 60 else 1)]


def overlapping(size: int) -> list[bytes]:
    """Every two segments are followed by the same bytes in three."""
    shorter = frames(size)
    noise = random.Random(1).randbytes(size)  # noqa: S311
    other = TcpConversation(CLIENT, SERVER, mss=-(-size * 2 // 3))
    longer = other.open()
    for _ in range(SEGMENTS // 2):
        longer += other.send(Direction.B_TO_A, noise + noise)
    # Two segments and an acknowledgement of the one, three and one of the other, are the same bytes.
    mixed = shorter[:3]
    for one, another in zip(range(3, len(shorter), 3), range(3, len(longer), 4), strict=True):
        mixed += shorter[one : one + 3] + longer[another : another + 4]
    return mixed


def pcap(packets: list[bytes]) -> bytes:
    writer = PcapWriter()
    return writer.header() + b"".join(
        writer.packet(1_700_000_000_000_000_000 + 1000 * at, packet) for at, packet in enumerate(packets)
    )


def pcapng(packets: list[bytes]) -> bytes:
    writer = PcapngWriter()
    return (writer.section() + writer.interface()) + b"".join(
        writer.packet(1_700_000_000_000_000_000 + 1000 * at, packet) for at, packet in enumerate(packets)
    )


def with_ftwire(capture: bytes, chunk: int = 1 << 16) -> int:
    dissector, total = Dissector(), 0
    for start in range(0, len(capture), chunk):
        for event in dissector.feed(capture[start : start + chunk]):
            if type(event) is Data:
                total += len(event.data)
    for _ in dissector.close():
        pass
    return total


def verified_by_ftwire(capture: bytes, chunk: int = 1 << 18) -> int:
    """Frames in the capture whose digest agrees."""
    dissector, total = Dissector(), 0
    decoders: dict[tuple[int, Direction], FrameDecoder] = {}
    for start in range(0, len(capture), chunk):
        for event in dissector.feed(capture[start : start + chunk]):
            if type(event) is Data:
                key = event.flow.index, event.direction
                decoder = decoders.get(key)
                if decoder is None:
                    decoder = decoders[key] = FrameDecoder(Role.SERVER)
                for frame in decoder.feed(event.data):
                    total += frame.error is None
    return total


class _Frames:
    """What somebody writes who has the bytes of a direction and wants its frames."""

    def __init__(self) -> None:
        self.buffer = b""

    def take(self, data: bytes) -> int:
        buffer = self.buffer + data if self.buffer else data
        at = total = 0
        while len(buffer) - at >= 44:
            magic, _, _, _, _, length, digest, _ = struct.unpack_from("<2sIBBII20s8s", buffer, at)
            end = at + 44 + length
            if magic != b"FT":
                raise ValueError("a frame of the benchmark itself is wrong")
            if end > len(buffer):
                break
            total += sha1(buffer[at + 44 : end]).digest() == digest  # noqa: S324 - the protocol's digest
            at = end
        self.buffer = buffer[at:]
        return total


class _Stream:
    """What a careful user of dpkt writes: next sequence number, and a dictionary of what is ahead."""

    def __init__(self) -> None:
        self.next: int | None = None
        self.ahead: dict[int, bytes] = {}

    def take(self, seq: int, data: bytes) -> Iterator[bytes]:
        if self.next is None:
            self.next = seq
        if seq == self.next:
            while True:
                yield data
                self.next = (self.next + len(data)) & 0xFFFFFFFF
                if not self.ahead or (following := self.ahead.pop(self.next, None)) is None:
                    break
                data = following
        elif 0 < (seq - self.next) & 0xFFFFFFFF < 1 << 31:
            self.ahead[seq] = data


def verified_by_dpkt(capture: bytes) -> int:
    streams: dict[tuple[bytes, int, bytes, int], tuple[_Stream, _Frames]] = {}
    total = 0
    for _time, packet in dpkt.pcap.UniversalReader(io.BytesIO(capture)):
        ip = dpkt.ethernet.Ethernet(packet).data
        if not isinstance(ip, dpkt.ip.IP) or not isinstance(ip.data, dpkt.tcp.TCP):
            continue
        tcp = ip.data
        if not tcp.data:
            continue
        key = (ip.src, tcp.sport, ip.dst, tcp.dport)
        if key not in streams:
            streams[key] = _Stream(), _Frames()
        stream, frames = streams[key]
        for data in stream.take(tcp.seq, bytes(tcp.data)):
            total += frames.take(data)
    return total


def verified_by_scapy(capture: bytes) -> int:
    inet, utils = import_module("scapy.layers.inet"), import_module("scapy.utils")
    IP, TCP, PcapReader = inet.IP, inet.TCP, utils.PcapReader  # noqa: N806 - as scapy calls them

    streams: dict[tuple[str, int, str, int], tuple[_Stream, _Frames]] = {}
    total = 0
    with PcapReader(io.BytesIO(capture)) as packets:
        for packet in packets:
            if TCP not in packet:
                continue
            ip, tcp = packet[IP], packet[TCP]
            payload = bytes(tcp.payload)[: ip.len - ip.ihl * 4 - tcp.dataofs * 4]
            if payload:
                key = (ip.src, tcp.sport, ip.dst, tcp.dport)
                if key not in streams:
                    streams[key] = _Stream(), _Frames()
                stream, frames = streams[key]
                for data in stream.take(tcp.seq, payload):
                    total += frames.take(data)
    return total


TSHARK = ("-T", "fields", "-e", "tcp.stream", "-e", "tcp.srcport", "-e", "tcp.seq_raw", "-e", "tcp.payload")


def verified_by_tshark(path: Path) -> int:
    """Its fields, put in order and cut as with the others."""
    listing = subprocess.run(["tshark", "-r", str(path), *TSHARK], capture_output=True, text=True, check=True).stdout
    streams: dict[tuple[str, str], tuple[_Stream, _Frames]] = {}
    total = 0
    for line in listing.splitlines():
        number, port, seq, payload = line.split("\t")
        if not payload:
            continue
        key = number, port
        if key not in streams:
            streams[key] = _Stream(), _Frames()
        stream, frames = streams[key]
        for data in stream.take(int(seq), bytes.fromhex(payload)):
            total += frames.take(data)
    return total


def child_seconds(work: Callable[[], object]) -> float:
    """CPU time of the work and of the programs it runs."""
    before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    work()
    after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime for a, b in zip(before, after, strict=True))


def against_others() -> list[Ratio]:
    capture = b"".join(traffic(SIZE))
    small = b"".join(traffic(SIZE // 20))
    found = verified_by_ftwire(capture)
    if not found == verified_by_dpkt(capture) or verified_by_ftwire(small) != verified_by_scapy(small):
        raise RuntimeError("the contestants do not find the same frames")
    turn = take_turns({"ours": partial(verified_by_ftwire, capture), "dpkt": partial(verified_by_dpkt, capture)}, 5)
    little = take_turns({"ours": partial(verified_by_ftwire, small), "scapy": partial(verified_by_scapy, small)}, 3)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "traffic.pcap")
        path.write_bytes(capture)
        if verified_by_tshark(path) != found:
            raise RuntimeError("tshark does not find the same frames")
        tshark = child_seconds(partial(verified_by_tshark, path))
    each = f"{turn['ours'] / found * 1e6:.2f} us a frame, {len(capture) / turn['ours'] / 1e6:.0f} MB/s"
    return [
        Ratio("capture to verified frames, dpkt", turn["dpkt"] / turn["ours"], 5.0, each),
        Ratio("capture to verified frames, scapy", little["scapy"] / little["ours"], 60.0),
        Ratio("capture to verified frames, tshark's fields", tshark / turn["ours"], 25.0, f"tshark {tshark:.2f} s"),
    ]


def against_ourselves() -> list[Ratio]:
    size = 1448
    capture = pcap(frames(size))
    work = {"in order": partial(with_ftwire, capture)}
    aims = {"swapped pairs": 2.0, "each segment twice": 2.0, "overlapping segments": 2.0}
    packets = {"in order": len(frames(size))}
    for name, other in (
        ("swapped pairs", swapped(frames(size))),
        ("each segment twice", repeated(frames(size))),
        ("overlapping segments", overlapping(size)),
    ):
        work[name] = partial(with_ftwire, pcap(other))
        packets[name] = len(other)
    work["pcapng"] = partial(with_ftwire, pcapng(frames(size)))
    work["Linux cooked"] = partial(with_ftwire, pcap_cooked(size))
    for name, run in work.items():
        if run() != SEGMENTS * size:
            raise RuntimeError(f"{name}: not all bytes were found")
    turn = take_turns(work, ROUNDS)
    base = turn["in order"] / packets["in order"]
    return [
        Ratio(
            f"{name} / in order, by the packet",
            turn[name] / packets.get(name, packets["in order"]) / base,
            aims.get(name),
            f"{turn[name] / packets.get(name, packets['in order']) * 1e6:.2f} us a packet",
            at_most=True,
        )
        for name in work
        if name != "in order"
    ]


def pcap_cooked(size: int) -> bytes:
    writer = PcapWriter(LinkType.LINUX_SLL)
    return writer.header() + b"".join(
        writer.packet(1000 * at, packet) for at, packet in enumerate(frames(size, link_type=LinkType.LINUX_SLL))
    )


def main() -> None:
    report("pcap", told(against_others()))
    report("pcap", told(against_ourselves()))


if __name__ == "__main__":
    main()
