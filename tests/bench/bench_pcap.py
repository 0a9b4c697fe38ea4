"""Capture file to in-order stream bytes: ours against dpkt, scapy and ourselves.

Run it: ``python tests/bench/bench_pcap.py``. Every figure is a ratio within one run: the contestants take
turns, and the median of each counts. scapy, when it is installed, gets a twentieth of the packets.
"""

from __future__ import annotations

import io
import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module

import dpkt  # type: ignore[import-untyped]  # has no annotations

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

CLIENT = Endpoint(bytes([127, 0, 0, 1]), 50000)
SERVER = Endpoint(bytes([127, 0, 0, 1]), 11111)
ROUNDS = 7
SEGMENTS = 20000


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


class _Stream:
    """What a careful user of dpkt writes: next sequence number, and a dictionary of what is ahead."""

    def __init__(self) -> None:
        self.next: int | None = None
        self.ahead: dict[int, bytes] = {}

    def take(self, seq: int, data: bytes) -> int:
        if self.next is None:
            self.next = seq
        total = 0
        if seq == self.next:
            while True:
                total += len(data)
                self.next = (self.next + len(data)) & 0xFFFFFFFF
                if not self.ahead or (following := self.ahead.pop(self.next, None)) is None:
                    break
                data = following
        elif 0 < (seq - self.next) & 0xFFFFFFFF < 1 << 31:
            self.ahead[seq] = data
        return total


def with_dpkt(capture: bytes) -> int:
    streams: dict[tuple[bytes, int, bytes, int], _Stream] = {}
    total = 0
    for _time, packet in dpkt.pcap.UniversalReader(io.BytesIO(capture)):
        ip = dpkt.ethernet.Ethernet(packet).data
        if not isinstance(ip, dpkt.ip.IP) or not isinstance(ip.data, dpkt.tcp.TCP):
            continue
        tcp = ip.data
        if not tcp.data:
            continue
        key = (ip.src, tcp.sport, ip.dst, tcp.dport)
        stream = streams.get(key)
        if stream is None:
            stream = streams[key] = _Stream()
        total += stream.take(tcp.seq, bytes(tcp.data))
    return total


def with_scapy(capture: bytes) -> int:
    inet, utils = import_module("scapy.layers.inet"), import_module("scapy.utils")
    IP, TCP, PcapReader = inet.IP, inet.TCP, utils.PcapReader  # noqa: N806 - as scapy calls them

    streams: dict[tuple[str, int, str, int], _Stream] = {}
    total = 0
    with PcapReader(io.BytesIO(capture)) as packets:
        for packet in packets:
            if TCP not in packet:
                continue
            ip, tcp = packet[IP], packet[TCP]
            data = bytes(tcp.payload)[: ip.len - ip.ihl * 4 - tcp.dataofs * 4]
            if data:
                key = (ip.src, tcp.sport, ip.dst, tcp.dport)
                total += streams.setdefault(key, _Stream()).take(tcp.seq, data)
    return total


def medians(rounds: int, *runs: Callable[[], int]) -> list[float]:
    """Seconds each run takes: by turns, so that a busy moment of the machine meets all of them."""
    taken: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for times, run in zip(taken, runs, strict=True):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in taken]


def line(name: str, ratio: float, detail: str) -> None:
    print(f"{name:<44} {ratio:7.2f}x   {detail}")


def main() -> None:
    for size in (218, 1448):
        packets = frames(size)
        capture = pcap(packets)
        expected = SEGMENTS * size
        assert with_ftwire(capture) == with_dpkt(capture) == expected
        ours, theirs = medians(ROUNDS, partial(with_ftwire, capture), partial(with_dpkt, capture))
        each = 1e6 / len(packets)
        line(f"dpkt / ftwire, {size}-byte segments", theirs / ours, f"{ours * each:.2f} us a packet")
        if size == 1448:
            small = pcap(packets[: len(packets) // 20])
            try:
                got = with_scapy(small)
            except ImportError:
                print("scapy is not installed: not compared")
            else:
                assert got == with_ftwire(small)
                ours, theirs = medians(3, partial(with_ftwire, small), partial(with_scapy, small))
                line("scapy / ftwire", theirs / ours, f"{theirs / len(packets) * 20e6:.0f} us a packet")
        for name, other in (
            ("swapped pairs", pcap(swapped(packets))),
            ("each segment twice", pcap(repeated(packets))),
            ("pcapng", pcapng(packets)),
            ("Linux cooked", pcap_cooked(size)),
        ):
            assert with_ftwire(other) == expected, name
            base, ours = medians(ROUNDS, partial(with_ftwire, capture), partial(with_ftwire, other))
            each_other = ours / len(packets) * 1e6
            line(f"  {name} / in-order pcap", ours / base, f"{each_other:.2f} us a packet of the original")
        base, fine, coarse = medians(
            3,
            partial(with_ftwire, capture),
            partial(with_ftwire, capture, 1448),
            partial(with_ftwire, capture, len(capture)),
        )
        line("  chunks of 1448 bytes / of 64 KiB", fine / base, "")
        line("  one chunk / of 64 KiB", coarse / base, "")


def pcap_cooked(size: int) -> bytes:
    writer = PcapWriter(LinkType.LINUX_SLL)
    return writer.header() + b"".join(
        writer.packet(1000 * at, packet) for at, packet in enumerate(frames(size, link_type=LinkType.LINUX_SLL))
    )


if __name__ == "__main__":
    main()
