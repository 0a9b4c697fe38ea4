"""pcap files: a header of 24 bytes, then packets of 16 bytes and data each.

Source: draft-ietf-opsawg-pcap (https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/), sections 4 and 5;
the "modified" format, whose records have 8 bytes more, is described in libpcap's ``sf-pcap.c``.
"""

from __future__ import annotations

from struct import Struct

from ftwire._core import core
from ftwire.errors import CaptureFormatError
from ftwire.pcap.records import Interface, Known, Scanned

__all__ = ["PCAP_MAGICS", "PcapScanner"]

# First four bytes -> byte order, nanoseconds in one unit of the fraction, bytes of a record's header.
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


class PcapScanner:
    """Finds the packets of a pcap file in a buffer that grows.

    :ivar need: bytes that must be there, counted from where the last scan stopped, before another is of use.
    """

    def __init__(self, magic: bytes, max_record: int, *, sliced: bool = False, known: Known | None = None) -> None:
        self._order, self._unit_ns, self._record_header = PCAP_MAGICS[magic]
        self._max_record = max_record
        self._interface: Interface | None = None
        self._unpack = Struct(self._order + "IIII").unpack_from
        self.need = _HEADER
        self._scan_core = core.scan_pcap if sliced and core is not None else None
        self._known = known

    def scan(self, buffer: bytes, base: int, records: list[Scanned]) -> int:
        """Append the whole records of ``buffer`` and return where the first incomplete one starts.

        If it was so agreed, and there is a compiled core, plain TCP segments come sliced, or not at
        all where their direction is known.

        ``base`` is the file offset of the buffer, for errors only.

        :raises CaptureFormatError: a version other than 2, or a record above the limit; the records before it
            have been appended.
        """
        position = 0
        if self._interface is None:
            if len(buffer) < _HEADER:
                return 0
            self._interface = self._file_header(buffer, base)
            position = _HEADER
        interface, unit_ns, header, limit = (
            self._interface,
            self._unit_ns,
            self._record_header,
            self._max_record,
        )
        unpack, append, end = self._unpack, records.append, len(buffer)
        self.need = header
        if self._scan_core is not None:
            link_type = interface.link_type
            position = self._scan_core(
                buffer,
                position,
                self._order,
                unit_ns,
                header,
                min(limit, _U32),
                link_type,
                interface,
                records,
                self._known,
            )
        while (start := position + header) <= end:
            seconds, fraction, captured, original = unpack(buffer, position)
            if captured > limit:
                raise CaptureFormatError(
                    f"a packet of {captured} bytes is announced, the limit is {limit}", offset=base + position
                )
            following = start + captured
            if following > end:
                self.need = header + captured
                break
            append((seconds * 1_000_000_000 + fraction * unit_ns, start, captured, original, interface))
            position = following
        return position

    def _file_header(self, buffer: bytes, base: int) -> Interface:
        major, minor = Struct(self._order + "HH").unpack_from(buffer, 4)
        if major != 2:
            raise CaptureFormatError(f"pcap version {major}.{minor} is not known", offset=base + 4)
        snap_length, link = Struct(self._order + "II").unpack_from(buffer, 16)
        # The upper half of the word says how long the frame check sequence is, if there is one (draft-ietf-
        # opsawg-pcap section 4); it trails the packet, where the IP length leaves it out.
        return Interface(0, link & 0xFFFF, snap_length)
