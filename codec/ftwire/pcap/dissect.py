"""The chain of layers: capture file in, the bytes of its TCP streams out, in order.

Records, link header, IP header, fragments, tunnels, TCP header, reassembly. Nearly all packets are plain TCP segments
and come without their headers from the file's scanner (:mod:`ftwire.pcap.segments`, or the compiled core); nearly all
of those are next in their stream and delivered at once. All other packets go through :meth:`Dissector.packet`, one
layer after the other; property tests show that the two ways give the same.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from itertools import chain
from struct import Struct

from ftwire.errors import CaptureError, CutPacketError, PacketError
from ftwire.pcap.context import PacketContext
from ftwire.pcap.events import Event
from ftwire.pcap.fragments import Fragments
from ftwire.pcap.ip import Datagram, decode_ipv4, decode_ipv6, walk_extensions
from ftwire.pcap.link import ETHERTYPE_IPV4, ETHERTYPE_IPV6, network_layer
from ftwire.pcap.ordering import LateCounter
from ftwire.pcap.reader import RecordSource
from ftwire.pcap.records import Limits, Packet, Record, Secrets, Segment
from ftwire.pcap.tcp import ACK, Reassembler
from ftwire.pcap.tunnels import MAX_TUNNELS, tunnelled

__all__ = ["Dissector"]

_PROTOCOL_TCP = 6
_TCP_HEADER = 20
_TCP = Struct(">4sIIH").unpack_from


class Dissector:
    """TCP streams of a capture file fed in chunks of any size, in memory bounded by ``limits``.

    ``ports``: when given, connections with neither port in it are ignored, without an event.
    """

    def __init__(self, limits: Limits | None = None, *, ports: Container[int] | None = None) -> None:
        limits = limits or Limits()
        self._packet = PacketContext()
        self._fragments = Fragments(limits, self._packet)
        self._tcp = Reassembler(limits, self._packet, ports)
        self._source = RecordSource(limits, segments=True)
        self._by_packet = False
        self._order: LateCounter | None = LateCounter()

    @property
    def secrets(self) -> tuple[Secrets, ...]:
        """The decryption secrets met so far: those in front of a packet are here when its events come."""
        return self._source.secrets

    @property
    def late_packets(self) -> int:
        """Packets so far that are earlier than one in front of them; ``packet`` does not count."""
        return 0 if self._order is None else self._order.late

    def expect_order(self) -> None:
        """Do not look for packets that are earlier than one in front of them: there are none."""
        self._order = None

    @property
    def offset(self) -> int:
        """Bytes of the (decompressed) file that were taken apart."""
        return self._source.offset

    @property
    def memory(self) -> int:
        """Bytes of memory, about, that is held for packets to come."""
        return self._fragments.memory + self._tcp.memory

    def batches(self, data: bytes | bytearray | memoryview) -> Iterator[list[Event]]:
        """Take bytes of the file as :meth:`feed` does; give the events of a few hundred KiB of it at a time.

        :raises NotACaptureError: as :meth:`feed`.
        :raises CaptureFormatError: as :meth:`feed`.
        """
        self._source.feed(data)
        return filter(None, map(self._take, self._source.batches()))

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Event]:
        """Take bytes of the file, give the events they bring about.

        The events are made while they are iterated over, so that a small compressed chunk cannot fill the memory.
        Take them all before feeding more: those of an iterator that is dropped half-way are lost.

        :raises NotACaptureError: the first bytes are neither pcap nor pcapng, nor either of them compressed.
        :raises UnsupportedCompressionError: it is compressed, and cannot be decompressed here.
        :raises CaptureFormatError: a record whose lengths contradict each other or exceed the limit. The
            events of all packets before it were given out; :meth:`close` still ends the flows.
        """
        return chain.from_iterable(self.batches(data))

    def close(self) -> Iterator[Event]:
        """End the file; give the events of everything that still waits, and the end of every flow.

        :raises TruncatedCaptureError: after the last event, when the file ends inside a record.
        :raises NotACaptureError: it was empty, or too short to have been a capture.

        After an error of :meth:`feed` the flows are ended, and no error is raised again.
        """
        if self._source.damage is None:
            yield from self.feed(b"")
        self._fragments.close()
        self._tcp.close()
        yield from self._packet.take_events()
        if not self._by_packet:
            self._source.close()

    def take(self, packets: list[Record | Segment]) -> list[Event]:
        """Take packets that a scanner of a capture file has found; return the events they bring about."""
        self._by_packet = True
        return self._take(packets)

    def packet(self, packet: Packet) -> list[Event]:
        """Take one packet from elsewhere than a file; return the events it brings about."""
        self._by_packet = True
        self._packet.number, self._packet.time_ns = packet.number, packet.time_ns
        self._take_apart(packet.data, packet.original_length, packet.link_type)
        return self._packet.take_events()

    def _take(self, found: list[Record | Segment]) -> list[Event]:
        """Take a batch of packets: segments to their streams, all others layer by layer."""
        if self._order is not None and found:
            self._order.add(found)
        packet, find, segment = self._packet, self._tcp.halves.get, self._tcp.segment
        number, time_ns = packet.number, packet.time_ns
        for item in found:
            number += 1
            if len(item) == 5:
                time_ns, key, seq, ack, payload = item
                half = find(key)
                if half is not None and seq == half.expected_seq:
                    if ack != half.peer.acked:
                        half.peer.acknowledge(ack)
                    if payload:
                        half.deliver(payload, number, time_ns)
                else:
                    packet.number, packet.time_ns = number, time_ns
                    segment(key, seq, ack, ACK, payload, 0)
            else:
                time_ns, data, original, interface = item
                packet.number, packet.time_ns = number, time_ns
                self._take_apart(data, original, interface.link_type)
        packet.number, packet.time_ns = number, time_ns
        return packet.take_events()

    def _take_apart(self, data: bytes, original: int, link_type: int) -> None:
        """Take the current packet through every layer."""
        try:
            end = len(data)
            if not end and not original:
                # Zero bytes behind the last packet, as of a disk that filled up or a machine that went down.
                raise PacketError("a packet without bytes")
            ethertype, position = network_layer(link_type, data, 0, end)
            # Some writers leave the original length 0.
            wire_end, tunnels = max(end, original), 0
            while True:
                whole = self._datagram(ethertype, data, position, end, wire_end, in_tunnel=tunnels > 0)
                if whole is None:
                    return
                datagram, data, end = whole
                start, length = datagram.start, datagram.length
                if datagram.protocol == _PROTOCOL_TCP:
                    break
                if tunnels == MAX_TUNNELS:
                    raise PacketError(f"more than {MAX_TUNNELS} tunnels inside each other")
                ethertype, position = tunnelled(datagram.protocol, data, start, end)
                wire_end, tunnels = start + length, tunnels + 1
            if end - start < _TCP_HEADER:
                raise CutPacketError(f"a TCP header cut to {max(end - start, 0)} bytes")
            ports, seq, ack, flags = _TCP(data, start)
            header = (flags >> 12) * 4
            if not _TCP_HEADER <= header <= length:
                raise PacketError(f"a TCP header of {header} bytes in an IP payload of {length}")
        except CaptureError as error:
            self._packet.skip(error.with_traceback(None))
            return
        payload = data[start + header : end]
        missing = length - header - len(payload)
        self._tcp.segment(datagram.addresses + ports, seq, ack, flags, payload, missing)

    def _datagram(
        self, ethertype: int, data: bytes, position: int, end: int, wire_end: int, *, in_tunnel: bool
    ) -> tuple[Datagram, bytes, int] | None:
        """Return an IP packet without its headers, the buffer it is in, and where its captured bytes end.

        ``None`` for a fragment of a packet that is not complete.
        """
        if ethertype == ETHERTYPE_IPV4:
            datagram = decode_ipv4(data, position, end, wire_end, in_tunnel=in_tunnel)
        elif ethertype == ETHERTYPE_IPV6:
            datagram = decode_ipv6(data, position, end, wire_end, in_tunnel=in_tunnel)
        else:
            raise PacketError(f"not IP: EtherType {ethertype:#06x}")
        end = min(end, datagram.start + datagram.length)
        if not datagram.is_fragment:
            return datagram, data, end
        payload = data[datagram.start : end]
        whole = self._fragments.add(datagram, payload)
        if whole is None:
            return None
        protocol, data = whole
        end = len(data)
        if ethertype == ETHERTYPE_IPV4:
            return datagram._replace(protocol=protocol, start=0, length=end), data, end
        return walk_extensions(datagram.addresses, protocol, data, 0, end, end), data, end
