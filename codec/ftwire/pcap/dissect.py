"""The chain: capture file in, the bytes of its TCP streams out, in order.

Records, link header, IP header, fragments, TCP header, reassembly: :meth:`Dissector.packet` is that chain,
one packet at a time. Nearly all packets of real captures are whole, unfragmented, IPv4 without options and
next in their stream, so :meth:`Dissector._run` takes those straight from the file's buffer: one
``unpack_from`` over all three headers, one dictionary look-up, one slice. It gives every other packet to the
chain, and a property test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from functools import lru_cache
from struct import Struct
from typing import Any

from ftwire.errors import CaptureError, PacketError
from ftwire.pcap.events import Data, Endpoint, Event, PacketSkipped
from ftwire.pcap.fragments import Fragments
from ftwire.pcap.ip import decode_ipv4, decode_ipv6, walk_extensions
from ftwire.pcap.link import ETHERTYPE_IPV4, ETHERTYPE_IPV6, network_layer
from ftwire.pcap.reader import RecordSource
from ftwire.pcap.records import Interface, Limits, LinkType, Packet, Scanned, Secrets
from ftwire.pcap.stream import HALF_SPACE, HISTORY, SEQUENCE_MASK
from ftwire.pcap.tcp import ACK, Reassembler

__all__ = ["Dissector", "plain_link"]

_PROTOCOL_TCP = 6
_TCP_HEADER = 20
_TCP = Struct(">4sIIH").unpack_from

# Link type -> length of its header, format and possible values of what in it says "IPv4 follows".
_PLAIN_LINKS: dict[int, tuple[int, str, tuple[bytes, ...]]] = {
    LinkType.ETHERNET: (14, "12x2s", (b"\x08\x00",)),
    LinkType.LINUX_SLL: (16, "14x2s", (b"\x08\x00",)),
    LinkType.LINUX_SLL2: (20, "2s18x", (b"\x08\x00",)),
    LinkType.NULL: (4, "4s", (b"\x02\0\0\0", b"\0\0\0\x02")),
    LinkType.LOOP: (4, "4s", (b"\0\0\0\x02",)),
    LinkType.RAW: (0, "0s", (b"",)),
    LinkType.DLT_RAW: (0, "0s", (b"",)),
    LinkType.DLT_RAW_OPENBSD: (0, "0s", (b"",)),
    LinkType.IPV4: (0, "0s", (b"",)),
}
# IPv4: version and header length, total length, flags and fragment offset, protocol. TCP, with the addresses
# in front of it: the flow's key, sequence number, acknowledgement, header length and flags.
_PLAIN_IPV4_TCP = "BxH2xHxBxx12sIIH6x"
_PLAIN_HEADERS = 40
_NO_OPTIONS = 0x45
# Every flag but "don't fragment", and the offset.
_FRAGMENTED = 0xBFFF
# FIN, SYN, RST and ACK: only ACK may be set.
_CONTROL = 0x17
_ONLY_ACK = 0x10
_SMALLEST_DATA_OFFSET = 5 << 12


class Dissector:
    """TCP streams of a capture file fed in chunks of any size, in memory bounded by ``limits``.

    ``ports``: when given, connections with neither port in it are passed over without an event. ``wanted``: asked
    about the two ends of a connection, in either order, as often as it takes; where it says no, the connection is
    passed over likewise, at a tenth of the cost of following it. Several dissectors can so share the connections
    of one capture.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        ports: Container[int] | None = None,
        wanted: Callable[[Endpoint, Endpoint], bool] | None = None,
    ) -> None:
        limits = limits or Limits()
        self._fragments = Fragments(limits)
        self._tcp = Reassembler(limits, ports, wanted)
        self._source = RecordSource(limits, sliced=True, known=None if wanted is None else self._tcp.passed_over)
        self._by_packet = False
        self._number = 0
        self._time_ns = 0

    @property
    def secrets(self) -> tuple[Secrets, ...]:
        """The decryption secrets met so far: those that stand before a packet are here when its events come."""
        return self._source.secrets

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Event]:
        """Take bytes of the file, give the events they bring about.

        The events are made as they are asked for, so that a small compressed chunk cannot fill the memory.
        Take them all before feeding more: those of an iterator that is dropped half-way are lost.

        :raises NotACaptureError: the first bytes are neither pcap nor pcapng, nor gzip of either.
        :raises CaptureFormatError: a record whose lengths contradict each other or exceed the limit. The
            events of all packets before it were given out; :meth:`close` still ends the flows.
        """
        self._source.feed(data)
        return self._events()

    def close(self) -> Iterator[Event]:
        """Say that the file ends here; give what was waited for in vain, and the end of every flow.

        :raises TruncatedCaptureError: after the last event, when the file ends inside a record.
        :raises NotACaptureError: it was empty, or too short to have been a capture.

        After an error of :meth:`feed` the flows are ended, and no error is raised again.
        """
        if not self._source.failed:
            yield from self._events()
        out: list[Event] = []
        self._fragments.close(out)
        self._tcp.close(self._number, self._time_ns, out)
        yield from out
        if not self._by_packet:
            self._source.close()

    def packet(self, packet: Packet) -> list[Event]:
        """Take one packet from elsewhere than a file; give the events it brings about."""
        self._by_packet = True
        self._number, self._time_ns = packet.number, packet.time_ns
        out: list[Event] = []
        data, link_type = packet.data, packet.interface.link_type
        self._slice(data, 0, len(data), packet.original_length, link_type, packet.number, packet.time_ns, out)
        return out

    def _events(self) -> Iterator[Event]:
        for buffer, records in self._source.batches():
            out: list[Event] = []
            self._run(buffer, records, out)
            yield from out

    def _run(self, buffer: bytes, records: list[Scanned], out: list[Event]) -> None:
        """Take a batch of packets: the plain ones here, the others by way of :meth:`_slice`."""
        number, halves, passed_over = self._number, self._tcp.halves, self._tcp.passed_over
        segment, pool = self._tcp.segment, self._tcp.pool
        history, delivered = pool.history, pool.delivered
        append, make, get = out.append, tuple.__new__, halves.get
        present: Interface | None = None
        plain: tuple[bytes, ...] = ()
        for record in records:
            number += 1
            if len(record) == 6:
                # The loop below for a packet that the core has sliced.
                time_ns, key, seq, ack, _, payload = record
                half = get(key)
                if half is None and key in passed_over:
                    continue
                if half is None or seq != half.fast_seq or (peer := half.peer).pending:
                    pool.delivered = delivered
                    segment(key, seq, ack, ACK, payload, 0, number, time_ns, out)
                    delivered = pool.delivered
                    continue
                if ack != peer.acked and ((ack - peer.acked) & SEQUENCE_MASK < HALF_SPACE or peer.acked < 0):
                    peer.acked = ack
                offset = half.offset
                event = make(Data, (half.flow, half.direction, payload, number, time_ns, offset))
                append(event)
                history[delivered % HISTORY] = (event, half.last)
                half.last = delivered
                delivered += 1
                length = len(payload)
                half.offset = offset + length
                half.fast_seq = half.next_seq = (seq + length) & SEQUENCE_MASK
                continue
            if len(record) == 4:
                # The same where it has no payload: then its sequence number says nothing.
                time_ns, key, ack, _ = record
                half = get(key)
                if half is None and key in passed_over:
                    continue
                if half is None or half.fast_seq < 0 or (peer := half.peer).pending:
                    pool.delivered = delivered
                    segment(key, 0, ack, ACK, b"", 0, number, time_ns, out)
                    delivered = pool.delivered
                elif ack != peer.acked and ((ack - peer.acked) & SEQUENCE_MASK < HALF_SPACE or peer.acked < 0):
                    peer.acked = ack
                continue
            if len(record) == 2:
                # Of directions that are not wanted, skipped by the core.
                number += record[1] - 1
                continue
            time_ns, start, captured, original, interface = record
            if interface is not present:
                present = interface
                header, unpack, plain = plain_link(interface.link_type)
                shortest = header + _PLAIN_HEADERS
            if captured >= shortest and plain:
                tag, first, total, fragment, protocol, key, seq, ack, flags = unpack(buffer, start)
                if (
                    first == _NO_OPTIONS
                    and protocol == _PROTOCOL_TCP
                    and tag in plain
                    and not fragment & _FRAGMENTED
                    and flags & _CONTROL == _ONLY_ACK
                    and flags >= _SMALLEST_DATA_OFFSET
                ):
                    first = start + header + 20 + (flags >> 12) * 4
                    end = start + header + total
                    half = get(key) if first <= end <= start + captured else None
                    if half is None:
                        if key in passed_over:
                            continue
                    else:
                        peer = half.peer
                        if seq != half.fast_seq or peer.pending:
                            pool.delivered = delivered
                            segment(key, seq, ack, flags, buffer[first:end], 0, number, time_ns, out)
                            delivered = pool.delivered
                            continue
                        if ack != peer.acked and ((ack - peer.acked) & SEQUENCE_MASK < HALF_SPACE or peer.acked < 0):
                            peer.acked = ack
                        if first < end:
                            offset = half.offset
                            event = make(
                                Data,
                                (half.flow, half.direction, buffer[first:end], number, time_ns, offset),
                            )
                            append(event)
                            history[delivered % HISTORY] = (event, half.last)
                            half.last = delivered
                            delivered += 1
                            half.offset = offset + end - first
                            half.fast_seq = half.next_seq = (seq + end - first) & SEQUENCE_MASK
                        continue
            pool.delivered = delivered
            self._slice(buffer, start, start + captured, original, interface.link_type, number, time_ns, out)
            delivered = pool.delivered
        pool.delivered = delivered
        self._number = number
        if records:
            self._time_ns = records[-1][0]

    def _slice(
        self,
        data: bytes,
        start: int,
        end: int,
        original: int,
        link_type: int,
        number: int,
        time_ns: int,
        out: list[Event],
    ) -> None:
        """Take the packet ``data[start:end]`` through every layer."""
        try:
            ethertype, position = network_layer(link_type, data, start, end)
            # Some writers leave the original length 0.
            wire_end = max(end, start + original)
            if ethertype == ETHERTYPE_IPV4:
                datagram = decode_ipv4(data, position, end, wire_end)
            elif ethertype == ETHERTYPE_IPV6:
                datagram = decode_ipv6(data, position, end, wire_end)
            else:
                raise PacketError(f"not IP: EtherType {ethertype:#06x}")
            if datagram.is_fragment:
                payload = data[datagram.start : min(end, datagram.start + datagram.length)]
                whole = self._fragments.add(datagram, payload, number, time_ns, out)
                if whole is None:
                    return
                protocol, data = whole
                end, wire_end = len(data), len(data)
                if ethertype == ETHERTYPE_IPV4:
                    datagram = datagram._replace(protocol=protocol, start=0, length=end)
                else:
                    datagram = walk_extensions(datagram.addresses, protocol, data, 0, end, end)
            if datagram.protocol != _PROTOCOL_TCP:
                raise PacketError(f"not TCP: IP protocol {datagram.protocol}")
            start, length = datagram.start, datagram.length
            end = min(end, start + length)
            if end - start < _TCP_HEADER:
                raise PacketError(f"a TCP header cut to {max(end - start, 0)} bytes")
            ports, seq, ack, flags = _TCP(data, start)
            header = (flags >> 12) * 4
            if not _TCP_HEADER <= header <= length:
                raise PacketError(f"a TCP header of {header} bytes in an IP payload of {length}")
        except CaptureError as error:
            out.append(PacketSkipped(number, time_ns, error.with_traceback(None)))
            return
        payload = data[start + header : end]
        key = datagram.addresses + ports
        missing = length - header - len(payload)
        self._tcp.segment(key, seq, ack, flags, payload, missing, number, time_ns, out)


@lru_cache(maxsize=32)
def plain_link(link_type: int) -> tuple[int, Callable[[bytes, int], tuple[Any, ...]], tuple[bytes, ...]]:
    """Give a link type's header length, unpacking function and IPv4 marks: none if it has no fast path."""
    header, tag, values = _PLAIN_LINKS.get(link_type, (0, "0s", ()))
    return header, Struct(f">{tag}{_PLAIN_IPV4_TCP}").unpack_from, values
