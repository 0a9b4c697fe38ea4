"""Blocks of bytes that a text holds: whole packets, or what two sides sent, brought into one order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from ftwire.header import HEADER_SIZE, MAGIC, Header
from ftwire.pcap import (
    Data,
    Direction,
    Dissector,
    Endpoint,
    Flow,
    Interface,
    LinkType,
    Packet,
    PcapWriter,
    TcpConversation,
)
from ftwire.stream import DEFAULT_MAX_BODY

__all__ = ["Block", "Streams", "capture_of", "capture_of_sides", "in_order", "streams_of"]

_LINK_TYPES: Final = (LinkType.ETHERNET, LinkType.RAW, LinkType.LINUX_SLL, LinkType.LINUX_SLL2, LinkType.NULL)
"""What a dump of a packet may begin with; ``tcpdump -x`` and ``-X`` leave the link header out."""

_SMALLEST_PACKET: Final = 40
"""Bytes of the headers of IPv4 and TCP without options."""
_TRIED: Final = 200
"""Packets from which the link type is worked out."""


class Block(NamedTuple):
    """Bytes that belong together: a packet, or what one side sent without the other in between."""

    data: bytes
    side: int = 0
    """0 or 1 for the two sides of a connection, 0 where the text does not show it."""


class Streams(NamedTuple):
    """What the TCP segments among some packets carry."""

    link_type: int
    connections: int
    sent: list[Block]
    """Their payload in order, repetitions left out."""


def streams_of(packets: Sequence[Block]) -> Streams | None:
    """Return the payload of packets; ``None`` if these blocks are no packets with TCP segments.

    The link type is the one by which most of the blocks are such packets.
    """
    if packets[0].data.startswith(MAGIC):
        # Its first byte is that of an IPv4 header too, with options that nobody sends.
        return None
    large = [packet for packet in packets if len(packet.data) >= _SMALLEST_PACKET]
    if not large:
        return None
    found = {link_type: len(_segments(large[:_TRIED], link_type)) for link_type in _LINK_TYPES}
    link_type = max(_LINK_TYPES, key=lambda each: found[each])
    if not found[link_type]:
        return None
    events = _segments(large, link_type)
    flows: set[Flow] = {event.flow for event in events}
    return Streams(link_type, len(flows), [Block(event.data, event.direction) for event in events])


def _segments(packets: Iterable[Block], link_type: int) -> list[Data]:
    interface = Interface(index=0, link_type=link_type, snap_length=0)
    dissector = Dissector()
    events = [
        event
        for number, packet in enumerate(packets, 1)
        for event in dissector.packet(Packet(number, number * 1000, packet.data, len(packet.data), interface))
    ]
    events += dissector.close()
    return [event for event in events if isinstance(event, Data)]


def in_order(blocks: Iterable[Block]) -> bytes:
    """Join what two sides sent into one sequence of frames.

    A frame that goes on behind bytes of the other side stands where it ends.
    """
    joined = bytearray()
    waiting = (bytearray(), bytearray())
    needed = [0, 0]
    for block in blocks:
        held = waiting[block.side]
        if held and block.data.startswith(MAGIC):
            # The frame was cut, or its length is wrong.
            joined += held
            held.clear()
            needed[block.side] = 0
        held += block.data
        if len(held) < needed[block.side]:
            continue
        end, needed[block.side] = _whole(held)
        joined += held[:end]
        del held[:end]
    return bytes(joined + waiting[0] + waiting[1])


def _whole(data: bytearray) -> tuple[int, int]:
    """Return where the last whole frame ends, and how many bytes from there on the next needs.

    Bytes that are not a frame count as whole.
    """
    at = 0
    while data.startswith(MAGIC, at):
        if len(data) - at < HEADER_SIZE:
            return at, HEADER_SIZE
        header = Header.decode(data[at : at + HEADER_SIZE])
        if header.body_length > DEFAULT_MAX_BODY:
            break
        if len(data) - at < HEADER_SIZE + header.body_length:
            return at, HEADER_SIZE + header.body_length
        at += HEADER_SIZE + header.body_length
    return len(data), 0


def capture_of(packets: Iterable[Block], link_type: int) -> bytes:
    """Return a pcap file of packets, a microsecond apart."""
    writer = PcapWriter(link_type)
    return writer.header() + b"".join(
        writer.packet(number * 1000, packet.data) for number, packet in enumerate(packets, 1)
    )


def capture_of_sides(blocks: Sequence[Block]) -> bytes:
    """Return a pcap file of a connection in which two sides sent these blocks, the first of them the client."""
    client = blocks[0].side
    ends = Endpoint(b"\x7f\x00\x00\x01", 50000), Endpoint(b"\x7f\x00\x00\x01", 11111)
    packets = TcpConversation(*ends).frames(
        (Direction(block.side ^ client), block.data, number) for number, block in enumerate(blocks)
    )
    return capture_of((Block(packet) for _, packet in packets), LinkType.ETHERNET)
