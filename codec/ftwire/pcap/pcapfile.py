"""pcap files: a header of 24 bytes, then for each packet a header of 16 bytes and its data.

Source: draft-ietf-opsawg-pcap (https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/), sections 4 and 5;
the "modified" format, whose packet headers have 8 bytes more, is described in libpcap's ``sf-pcap.c``.
"""

from __future__ import annotations

from struct import Struct

from ftwire._core import core
from ftwire.errors import CaptureFormatError
from ftwire.pcap.records import Interface, Record, Segment
from ftwire.pcap.segments import Place, packets_at, segments_at

__all__ = ["PCAP_MAGICS", "PcapScanner", "scan_pcap", "scan_pcap_in_python"]

# First four bytes -> byte order, nanoseconds in one unit of the fraction, bytes of a packet's header.
PCAP_MAGICS: dict[bytes, tuple[str, int, int]] = {
    bytes.fromhex("d4c3b2a1"): ("<", 1000, 16),
    bytes.fromhex("a1b2c3d4"): (">", 1000, 16),
    bytes.fromhex("4d3cb2a1"): ("<", 1, 16),
    bytes.fromhex("a1b23c4d"): (">", 1, 16),
    bytes.fromhex("34cdb2a1"): ("<", 1000, 24),
    bytes.fromhex("a1b2cd34"): (">", 1000, 24),
}
"""The magic numbers of pcap files, as they stand in the file."""

_HEADER = 24
_U32 = 0xFFFF_FFFF


def scan_pcap_in_python(
    data: bytes, at: int, order: str, unit_ns: int, header: int, largest: int, interface: Interface, segments: bool
) -> tuple[list[Record | Segment], int]:
    """Return the packets of a pcap file from offset ``at`` on, and where the first incomplete or too large one starts.

    Packets of more than ``largest`` bytes are too large. Without ``segments`` every packet is a ``Record``, with it a
    plain TCP segment is a ``Segment``. ``order`` is ``<`` or ``>``, ``unit_ns`` nanoseconds in one unit of the
    fraction, ``header`` the bytes in front of each packet.
    """
    unpack, end = Struct(order + "IIII").unpack_from, len(data)
    places: list[Place] = []
    while (start := at + header) <= end:
        seconds, fraction, captured, original = unpack(data, at)
        if captured > largest or start + captured > end:
            break
        places.append((seconds * 1_000_000_000 + fraction * unit_ns, start, captured, original, interface))
        at = start + captured
    return (segments_at if segments else packets_at)(data, places), at


scan_pcap = scan_pcap_in_python if core is None else core.scan_pcap


class PcapScanner:
    """Finds the packets of a pcap file in a buffer that grows.

    :ivar need: bytes that must be there, counted from where the last scan stopped, before another is of use.
    """

    def __init__(self, magic: bytes, max_record: int, *, segments: bool = False) -> None:
        self._order, self._unit_ns, self._record_header = PCAP_MAGICS[magic]
        self._max_record = max_record
        self._segments = segments
        self._interface: Interface | None = None
        self.need = _HEADER

    def scan(self, buffer: bytes, base: int, found: list[Record | Segment]) -> int:
        """Append the complete packets of ``buffer`` to ``found``; return where the first incomplete one starts.

        ``base`` is the file offset of the buffer, for errors only.

        :raises CaptureFormatError: a version other than 2, or a record above the limit; the packets before it
            have been appended.
        """
        at = 0
        if self._interface is None:
            if len(buffer) < _HEADER:
                return 0
            self._interface = self._file_header(buffer, base)
            at = _HEADER
        order, header, limit = self._order, self._record_header, self._max_record
        largest = min(limit, _U32)
        packets, at = scan_pcap(buffer, at, order, self._unit_ns, header, largest, self._interface, self._segments)
        found += packets
        self.need = header
        if at + header <= len(buffer):
            captured: int = Struct(order + "I").unpack_from(buffer, at + 8)[0]
            if captured > limit:
                raise CaptureFormatError(
                    f"a packet of {captured} bytes is announced, the limit is {limit}", offset=base + at
                )
            self.need = header + captured
        return at

    def _file_header(self, buffer: bytes, base: int) -> Interface:
        major, minor = Struct(self._order + "HH").unpack_from(buffer, 4)
        if major != 2:
            raise CaptureFormatError(f"pcap version {major}.{minor} is not known", offset=base + 4)
        snap_length, link = Struct(self._order + "II").unpack_from(buffer, 16)
        # The upper half of the word is the length of the frame check sequence, if there is one (draft-ietf-
        # opsawg-pcap section 4). It stands behind the packet, outside of what the IP length covers.
        return Interface(0, link & 0xFFFF, snap_length)
