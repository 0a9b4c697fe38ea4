"""Capture file to verified frames: ours against dpkt, scapy, tshark and ourselves.

Run it: ``python tests/bench/bench_pcap.py``. Every contestant takes the packets apart, puts each direction in
order, cuts frames and checks their SHA-1. tshark does the first half, as fields on its standard output. scapy
gets a twentieth of the packets.
"""

from __future__ import annotations

import io
import random
import resource
import statistics
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

from ftwire.frame import Role, encode_frame
from ftwire.header import HEADER_SIZE
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

from bench.bench_codec import order_book
from bench.harness import Ratio, report, take_turns, with_core_named
from bench.traffic import capture as traffic

CLIENT = Endpoint(bytes([127, 0, 0, 1]), 50000)
SERVER = Endpoint(bytes([127, 0, 0, 1]), 11111)
ROUNDS = 7
SEGMENTS = 20000
SIZE = 20_000_000


def noise(size: int) -> list[bytes]:
    """Return random bytes for the server to send, in pieces of two segments of ``size`` bytes."""
    piece = random.Random(1).randbytes(size)  # noqa: S311
    return [piece + piece] * (SEGMENTS // 2)


def order_books(size: int) -> list[bytes]:
    """Return as many pieces of a stream of order books."""
    case = order_book()
    body = case.message.SerializeToString()
    count = SEGMENTS * size // (HEADER_SIZE + len(body)) + 1
    stream = b"".join(encode_frame(case.proto_id, serial, body) for serial in range(count))
    return [stream[at : at + 2 * size] for at in range(0, SEGMENTS * size, 2 * size)]


def segments(pieces: list[bytes], size: int, link_type: int = LinkType.ETHERNET) -> list[bytes]:
    """Packets of at most ``size`` bytes of them from the server, an acknowledgement behind each piece."""
    talk = TcpConversation(CLIENT, SERVER, link_type=link_type, mss=size)
    packets = talk.open()
    for piece in pieces:
        packets += talk.send(Direction.B_TO_A, piece)
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


def overlapping(pieces: list[bytes], size: int) -> list[bytes]:
    """Every two segments are followed by the same bytes in three."""
    shorter, longer = segments(pieces, size), segments(pieces, -(-size * 2 // 3))
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


def verified_by_ftwire(capture: bytes, chunk: int = 1 << 17) -> int:
    """Return the number of frames in the capture whose digest is right."""
    dissector, total = Dissector(), 0
    decoders: dict[tuple[int, Direction], FrameDecoder] = {}
    for start in range(0, len(capture), chunk):
        for event in dissector.feed(capture[start : start + chunk]):
            if type(event) is Data:
                flow, direction, data, _, _, _ = event
                key = flow.index, direction
                decoder = decoders.get(key)
                if decoder is None:
                    decoder = decoders[key] = FrameDecoder(Role.SERVER)
                for frame in decoder.feed(data):
                    total += frame.error is None
    return total


class _Frames:
    """A plain decoder of the frames in one direction, for the other contestants."""

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
    """A plain reassembly for users of dpkt: the next sequence number, and a dictionary of segments that are ahead."""

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
    """Read tshark's fields; reassemble and decode them as with the other contestants."""
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
    """Return the CPU time of the work and of the programs that it runs."""
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
        rounds = [
            (child_seconds(partial(verified_by_tshark, path)), child_seconds(partial(verified_by_ftwire, capture)))
            for _ in range(5)
        ]
    tshark = statistics.median(theirs for theirs, _ in rounds)
    fields = statistics.median(theirs / ours for theirs, ours in rounds)
    each = f"{turn['ours'] / found * 1e6:.2f} us a frame, {len(capture) / turn['ours'] / 1e6:.0f} MB/s"
    return [
        Ratio("capture to verified frames, dpkt", turn["dpkt"] / turn["ours"], 5.0, each),
        Ratio("capture to verified frames, scapy", little["scapy"] / little["ours"], 60.0),
        Ratio("capture to verified frames, tshark's fields", fields, 25.0, f"tshark {tshark:.2f} s"),
    ]


def out_of_order() -> list[Ratio]:
    """Measure the cost of packets out of order, up to frames; and per packet, up to bytes in order."""
    size = 1448
    ratios = []
    for what, pieces, take, aim in (
        ("verified frames", order_books(size), verified_by_ftwire, 2.0),
        ("bytes", noise(size), with_ftwire, None),
    ):
        in_order = segments(pieces, size)
        packets = {
            "in order": in_order,
            "swapped pairs": swapped(in_order),
            "each segment twice": repeated(in_order),
            "overlapping segments": overlapping(pieces, size),
        }
        work = {name: partial(take, pcap(those)) for name, those in packets.items()}
        found = {run() for run in work.values()}
        if len(found) > 1:
            raise RuntimeError(f"not all {what} were found")
        turn = take_turns(work, ROUNDS)
        each = {name: turn[name] / len(packets[name]) for name in work}
        ratios += [
            Ratio(
                f"{name} / in order, to {what}" + ("" if aim else ", by the packet"),
                turn[name] / turn["in order"] if aim else each[name] / each["in order"],
                aim,
                f"{each[name] * 1e6:.2f} us a packet, in order {each['in order'] * 1e6:.2f}",
                at_most=True,
            )
            for name in work
            if name != "in order"
        ]
    return ratios


def other_files() -> list[Ratio]:
    """Measure other file formats and link types."""
    size = 1448
    pieces = noise(size)
    packets = segments(pieces, size)
    work = {
        "pcap": partial(with_ftwire, pcap(packets)),
        "pcapng": partial(with_ftwire, pcapng(packets)),
        "Linux cooked": partial(with_ftwire, pcap_cooked(pieces, size)),
    }
    for name, run in work.items():
        if run() != SEGMENTS * size:
            raise RuntimeError(f"{name}: not all bytes were found")
    turn = take_turns(work, ROUNDS)
    return [
        Ratio(
            f"{name} / pcap on Ethernet",
            turn[name] / turn["pcap"],
            None,
            f"{turn[name] / len(packets) * 1e6:.2f} us a packet",
            at_most=True,
        )
        for name in work
        if name != "pcap"
    ]


def pcap_cooked(pieces: list[bytes], size: int) -> bytes:
    writer = PcapWriter(LinkType.LINUX_SLL)
    packets = segments(pieces, size, LinkType.LINUX_SLL)
    return writer.header() + b"".join(writer.packet(1000 * at, packet) for at, packet in enumerate(packets))


def main() -> None:
    report("pcap", with_core_named(against_others()))
    report("pcap", with_core_named(out_of_order()))
    report("pcap", with_core_named(other_files()))


if __name__ == "__main__":
    main()
