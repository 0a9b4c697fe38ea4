"""How much each connection of a capture has, without following any: what a split of the capture is planned by."""

from __future__ import annotations

from struct import Struct

from ftwire.errors import CaptureError
from ftwire.pcap.dissect import plain_link
from ftwire.pcap.events import Endpoint
from ftwire.pcap.ip import decode_ipv4, decode_ipv6
from ftwire.pcap.link import ETHERTYPE_IPV4, ETHERTYPE_IPV6, network_layer
from ftwire.pcap.reader import RecordSource
from ftwire.pcap.records import Limits, Scanned
from ftwire.pcap.tcp import ends_of

__all__ = ["Survey"]

_PROTOCOL_TCP = 6
_PLAIN_HEADERS = 40
_NO_OPTIONS = 0x45
_FRAGMENTED = 0xBFFF
_PORTS = Struct(">4s").unpack_from
# Forged captures have any number of directions: those beyond count for nothing.
_MOST_DIRECTIONS = 1 << 16


class Survey:
    """Bytes of each connection of a capture file fed in chunks of any size.

    Bytes are those of whole IP packets, as captured; fragments and damaged packets count for nothing. Costs a
    small part of what a :class:`~ftwire.pcap.Dissector` does.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._sizes: dict[bytes, int] = {}
        self._source = RecordSource(limits or Limits(), sliced=True, known=self._sizes)

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the file.

        :raises NotACaptureError: the first bytes are neither pcap nor pcapng, nor gzip of either.
        :raises CaptureFormatError: there is no way to read on; what came before has been counted.
        """
        self._source.feed(data)
        for buffer, records in self._source.batches():
            self._count(buffer, records)

    @property
    def connections(self) -> dict[tuple[Endpoint, Endpoint], int]:
        """The two ends of each pair that exchanged anything, the lesser first, and its bytes."""
        found: dict[tuple[Endpoint, Endpoint], int] = {}
        for key, size in self._sizes.items():
            one, other = sorted(ends_of(key))
            found[one, other] = found.get((one, other), 0) + size
        return found

    def _count(self, buffer: bytes, records: list[Scanned]) -> None:
        sizes = self._sizes
        present = None
        for record in records:
            if len(record) == 6:
                # The core adds up what it knows, and slices what it does not.
                self._add(record[1], record[4])
                continue
            if len(record) == 4:
                self._add(record[1], record[3])
                continue
            if len(record) == 2:
                continue
            _, start, captured, _, interface = record
            if interface is not present:
                present = interface
                header, unpack, plain = plain_link(interface.link_type)
                shortest = header + _PLAIN_HEADERS
            if captured >= shortest and plain:
                tag, first, total, fragment, protocol, key, _, _, _ = unpack(buffer, start)
                if (
                    first == _NO_OPTIONS
                    and protocol == _PROTOCOL_TCP
                    and tag in plain
                    and not fragment & _FRAGMENTED
                    and key in sizes
                ):
                    sizes[key] += total
                    continue
            found = _weigh(interface.link_type, buffer, start, start + captured)
            if found is not None:
                self._add(*found)

    def _add(self, key: bytes, size: int) -> None:
        sizes = self._sizes
        if key in sizes or len(sizes) < _MOST_DIRECTIONS:
            sizes[key] = sizes.get(key, 0) + size


def _weigh(link_type: int, data: bytes, start: int, end: int) -> tuple[bytes, int] | None:
    """Give addresses and ports of a TCP packet, and its bytes; ``None`` for any other."""
    try:
        ethertype, position = network_layer(link_type, data, start, end)
        if ethertype == ETHERTYPE_IPV4:
            datagram = decode_ipv4(data, position, end, end)
        elif ethertype == ETHERTYPE_IPV6:
            datagram = decode_ipv6(data, position, end, end)
        else:
            return None
    except CaptureError:
        return None
    if datagram.is_fragment or datagram.protocol != _PROTOCOL_TCP or datagram.start + 4 > end:
        return None
    ports: bytes = _PORTS(data, datagram.start)[0]
    return datagram.addresses + ports, min(end, datagram.start + datagram.length) - position
