"""The inputs of a soak run: captures and streams of real clients, damaged by a seeded generator.

Packets are dropped, repeated, moved, cut, wrapped and forged; then the bytes of the file are damaged. The same seed and
index make the same input.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from functools import cache
from random import Random
from typing import NamedTuple

from ftwire import Frame, Role, registry
from ftwire.frame_mutations import FRAME_MUTATIONS, NamedMutation, mutate_frame
from ftwire.pcap import LinkType, Packet, PacketReader, PcapWriter
from support.places import ROOT

__all__ = ["Input", "make"]

CAPTURES = ROOT / "fixtures" / "captures"
LARGEST = 200_000
"""Captures of the fixtures above this many bytes are left out: a run is as long as its inputs."""
MOST_PACKETS = 120
EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
ETHERTYPE = 12
RST, FIN, SYN = 4, 1, 2


class Input(NamedTuple):
    """One input."""

    kind: str
    """``capture`` (a file) or ``stream`` (what one side sent)."""
    data: bytes
    ports: frozenset[int]
    """TCP ports of OpenD in the capture that it was made from; empty for streams."""


class _Base(NamedTuple):
    packets: tuple[Packet, ...]
    ports: frozenset[int]


@cache
def _bases() -> tuple[_Base, ...]:
    """The fixtures' captures whose packets are Ethernet or raw IP, all of one link type."""
    found = []
    for path in sorted(CAPTURES.glob("*.pcap*")):
        if path.suffix not in {".pcap", ".pcapng"} or path.stat().st_size > LARGEST:
            continue
        packets = tuple(PacketReader().feed(path.read_bytes()))
        if packets and len({packet.interface.link_type for packet in packets}) == 1:
            ports = {port for packet in packets if (port := _server_port(packet.data)) is not None}
            found.append(_Base(packets, frozenset(ports)))
    if not found:
        raise RuntimeError(f"no captures in {CAPTURES}")
    return tuple(found)


def _tcp(data: bytes | bytearray) -> int | None:
    """Return where the TCP header of an IPv4 packet in Ethernet begins."""
    if len(data) < 54 or data[ETHERTYPE : ETHERTYPE + 2] != b"\x08\x00" or data[23] != 6:
        return None
    at = 14 + (data[14] & 15) * 4
    return at if at + 20 <= len(data) else None


def _server_port(data: bytes) -> int | None:
    """Return the port that a SYN is sent to."""
    at = _tcp(data)
    return None if at is None or data[at + 13] & 0x12 != SYN else int.from_bytes(data[at + 2 : at + 4])


def make(seed: int, index: int) -> Input:
    """Return input number ``index`` of a run."""
    random = Random(f"{seed}:{index}")  # noqa: S311 - repeatable, not secret
    if random.random() < 0.5:
        return Input("stream", _stream(random), frozenset())
    base = random.choice(_bases())
    start = random.randrange(max(1, len(base.packets) - MOST_PACKETS)) if random.random() < 0.3 else 0
    packets = list(base.packets[start : start + MOST_PACKETS])
    ports = base.ports
    if random.random() < 0.2:
        other = random.choice(_bases())
        packets = _merged(random, packets, list(other.packets[:MOST_PACKETS]))
        ports |= other.ports
    for _ in range(random.choice((0, 1, 1, 2, 3, 5))):
        random.choice(_PACKET_DAMAGE)(random, packets)
    file = _file(random, packets)
    for _ in range(random.choice((0, 0, 0, 1, 2))):
        file = random.choice(_FILE_DAMAGE)(random, file)
    return Input("capture", file, ports)


def _merged(random: Random, first: list[Packet], second: list[Packet]) -> list[Packet]:
    """Return the packets of two captures, of which one keeps its order and the other its own."""
    merged = []
    while first or second:
        source = first if not second or (first and random.random() < 0.5) else second
        merged.append(source.pop(0))
    return merged


def _file(random: Random, packets: list[Packet]) -> bytes:
    link_type = packets[0].interface.link_type if packets else LinkType.ETHERNET
    writer = PcapWriter(link_type, nanoseconds=random.random() < 0.5)
    parts = [writer.header()]
    parts += [writer.packet(packet.time_ns, packet.data, packet.original_length) for packet in packets]
    return b"".join(parts)


def _replace(packet: Packet, data: bytes, *, original_length: int | None = None) -> Packet:
    length = len(data) if original_length is None else original_length
    return packet._replace(data=data, original_length=length)


def _drop(random: Random, packets: list[Packet]) -> None:
    if packets:
        del packets[random.randrange(len(packets))]


def _repeat(random: Random, packets: list[Packet]) -> None:
    if packets:
        packets.insert(random.randrange(len(packets) + 1), random.choice(packets))


def _move(random: Random, packets: list[Packet]) -> None:
    if packets:
        packet = packets.pop(random.randrange(len(packets)))
        packets.insert(random.randrange(len(packets) + 1), packet)


def _shuffle(random: Random, packets: list[Packet]) -> None:
    at, size = random.randrange(len(packets) + 1), random.randrange(2, 12)
    part = packets[at : at + size]
    random.shuffle(part)
    packets[at : at + size] = part


def _one_direction_first(_random: Random, packets: list[Packet]) -> None:
    """As where each direction was captured by itself, and the files were put one behind the other."""
    packets.sort(key=lambda packet: packet.data[26:30])


def _cut(random: Random, packets: list[Packet]) -> None:
    """As with a snapshot length."""
    for at in range(len(packets)) if random.random() < 0.2 else [random.randrange(len(packets))] if packets else []:
        packet = packets[at]
        size = random.choice((0, 14, 34, 54, 66, 68, 96, random.randrange(1500)))
        packets[at] = _replace(packet, packet.data[:size], original_length=packet.original_length)


def _flip(random: Random, packets: list[Packet]) -> None:
    at = random.randrange(len(packets)) if packets else -1
    if at >= 0 and packets[at].data:
        packets[at] = _replace(packets[at], _damaged(random, packets[at].data))


def _forge(random: Random, packets: list[Packet]) -> None:
    """A RST, FIN or SYN in either direction, or other bytes in the same place, with the right number or another."""
    if not packets:
        return
    at = random.randrange(len(packets))
    data = bytearray(packets[at].data)
    tcp = _tcp(data)
    if tcp is None:
        return
    data[tcp + 13] = random.choice((RST, RST | 16, FIN | 16, SYN, SYN | 16, 16))
    if random.random() < 0.7:
        sequence = int.from_bytes(data[tcp + 4 : tcp + 8]) + random.choice((-1, 1, -1000, 1000, -(1 << 20), 1 << 30))
        data[tcp + 4 : tcp + 8] = (sequence & 0xFFFF_FFFF).to_bytes(4)
    if random.random() < 0.5:
        header = tcp + (data[tcp + 12] >> 4) * 4
        data[16:18] = (header - 14).to_bytes(2)
        del data[header:]
    else:
        data[-1] ^= 0xFF
    packets.insert(at + random.randrange(2), _replace(packets[at], bytes(data)))


def _wrap(random: Random, packets: list[Packet]) -> None:
    """A VLAN tag, MPLS, PPPoE, IP in IP, GRE or VXLAN around some packets or all."""
    chosen = range(len(packets)) if random.random() < 0.7 else range(random.randrange(len(packets) + 1))
    wrapper = random.choice(_WRAPPERS)
    for at in chosen:
        data = packets[at].data
        if _tcp(data) is not None:
            packets[at] = _replace(packets[at], wrapper(data))


def _ipv4(protocol: int, payload: bytes) -> bytes:
    ends = b"\x0a\0\0\x01", b"\x0a\0\0\x02"
    return struct.pack("!BBHIBBH4s4s", 0x45, 0, 20 + len(payload), 0, 64, protocol, 0, *ends) + payload


_WRAPPERS: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: data[:12] + b"\x81\x00\x00\x05" + data[12:],
    lambda data: data[:12] + b"\x88\xa8\x00\x05\x81\x00\x00\x06" + data[12:],
    lambda data: data[:12] + b"\x88\x47\x00\x01\x01\x40" + data[14:],
    lambda data: data[:12] + b"\x88\x64\x11\x00\x00\x01" + struct.pack("!H", len(data) - 12) + b"\x00\x21" + data[14:],
    lambda data: data[:14] + _ipv4(4, data[14:]),
    lambda data: data[:14] + _ipv4(47, b"\x00\x00\x08\x00" + data[14:]),
    lambda data: data[:14] + _ipv4(47, b"\x00\x00\x65\x58" + data),
    lambda data: (
        data[:14]
        + _ipv4(17, struct.pack("!HHHH", 4789, 4789, 16 + len(data), 0) + b"\x08\x00\x00\x00\x00\x00\x07\x00" + data)
    ),
)


def _set_time(random: Random, packets: list[Packet]) -> None:
    if packets:
        at = random.randrange(len(packets))
        packets[at] = packets[at]._replace(time_ns=random.choice((0, 1, 10**18, 4_294_967_295 * 10**9)))


_PACKET_DAMAGE: tuple[Callable[[Random, list[Packet]], None], ...] = (
    _drop, _repeat, _move, _shuffle, _one_direction_first, _cut, _flip, _forge, _forge, _wrap, _set_time,
)  # fmt: skip


def _damaged(random: Random, data: bytes) -> bytes:
    """Return the bytes with a few changed."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8))):
        at = random.randrange(len(changed))
        if random.random() < 0.5:
            changed[at] ^= 1 << random.randrange(8)
        else:
            width = random.choice((1, 2, 4))
            value = random.choice(EXTREMES) & ((1 << 8 * width) - 1)
            changed[at : at + width] = value.to_bytes(width, random.choice(("little", "big")))
    return bytes(changed)


_FILE_DAMAGE: tuple[Callable[[Random, bytes], bytes], ...] = (
    lambda random, data: _damaged(random, data) if data else data,
    lambda random, data: data[: random.randrange(len(data) + 1)],
    lambda random, data: data[: (at := random.randrange(len(data) + 1))] + random.randbytes(40) + data[at:],
    lambda random, data: data + data[: random.randrange(len(data) + 1)],
    lambda random, data: gzip.compress(data, mtime=0)[: random.choice((None, -1, 30, 5))],
    lambda random, data: _damaged(random, gzip.compress(data, mtime=0)),
)


def _mutation(random: Random) -> NamedMutation:
    name = random.choice(tuple(FRAME_MUTATIONS))
    return NamedMutation(name, FRAME_MUTATIONS[name].draw(random))


def _stream(random: Random) -> bytes:
    """Return frames of one side, damaged or not, among other bytes."""
    protocols = [protocol for protocol in registry if not protocol.is_websocket_only]
    parts = []
    for serial in range(random.randrange(1, 8)):
        protocol, role = random.choice(protocols), random.choice(tuple(Role))
        message_class = protocol.request if role is Role.CLIENT else protocol.response
        body = (
            b"" if message_class is None else random.choice((b"", random.randbytes(random.randrange(64)), b"\x08\x00"))
        )
        frame = Frame.build(protocol.proto_id, serial, body, sender=role).encode()
        if random.random() < 0.4:
            frame = mutate_frame(frame, [_mutation(random) for _ in range(random.choice((1, 1, 2)))])
        parts.append(frame)
        if random.random() < 0.2:
            parts.append(random.choice((b"FT", b"F", random.randbytes(random.randrange(60)), frame[:50])))
    data = b"".join(parts)
    return _damaged(random, data) if data and random.random() < 0.3 else data
