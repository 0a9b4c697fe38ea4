"""pcap files: a header of 24 bytes, then for each packet a header of 16 bytes and its data.

Source: draft-ietf-opsawg-pcap (https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/), sections 4 and 5;
the "modified" format, whose packet headers have 8 bytes more, is described in libpcap's ``sf-pcap.c``.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from struct import Struct
from typing import Final

from ftwire._core import core
from ftwire.errors import CaptureFormatError
from ftwire.pcap.records import Followed, Interface, Record, Segment, Stop, in_order_of_time
from ftwire.pcap.segments import Place, packets_at, segments_at

__all__ = [
    "PCAP_MAGICS",
    "PcapScanner",
    "follow_pcap",
    "follow_pcap_in_python",
    "scan_pcap",
    "scan_pcap_in_python",
]

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
_LONGEST_SNAP: Final = 1 << 20
"""Largest snapshot length of usual programs; as a time it would be in January of 1970."""
_FIRST_TIME: Final = 631_152_000
"""1990, in seconds since 1970: no capture is older."""


def scan_pcap_in_python(
    data: bytes, at: int, order: str, unit_ns: int, header: int, largest: int, interface: Interface, segments: bool
) -> tuple[list[Record | Segment], int]:
    """Return the packets of a pcap file from offset ``at`` on, and where the first incomplete or too large one starts.

    Packets of more than ``largest`` bytes are too large. Without ``segments`` every packet is a ``Record``, with it a
    plain TCP segment is a ``Segment``. ``order`` is ``<`` or ``>``, ``unit_ns`` nanoseconds in one unit of the
    fraction, ``header`` the bytes in front of each packet.
    """
    unpack, end = Struct(order + "IIII").unpack_from, len(data)
    # Not by way of ``_packets``: every frame passes here, and a generator is one call more.
    places: list[Place] = []
    while (start := at + header) <= end:
        seconds, fraction, captured, original = unpack(data, at)
        if captured > largest or start + captured > end:
            break
        places.append((seconds * 1_000_000_000 + fraction * unit_ns, start, captured, original, interface))
        at = start + captured
    return (segments_at if segments else packets_at)(data, places), at


def follow_pcap_in_python(
    data: bytes, at: int, order: str, unit_ns: int, header: int, largest: int, latest: int, until: int
) -> tuple[int | None, int, int]:
    """Return the first and the latest time of packets from offset ``at`` on that follow each other in time.

    And where the first other one starts: one that is earlier than the one before (or than ``latest``), later than
    ``until``, incomplete or too large. A time of 0 is none: such a packet follows any other. The rest is as in
    ``scan_pcap_in_python``.
    """
    return in_order_of_time(_packets(data, at, order, unit_ns, header, largest), at, latest, until)


def _packets(data: bytes, at: int, order: str, unit_ns: int, header: int, largest: int) -> Iterator[tuple[int, int]]:
    """Yield time and end of the packets from ``at`` on."""
    unpack, end = Struct(order + "III").unpack_from, len(data)
    while (start := at + header) <= end:
        seconds, fraction, captured = unpack(data, at)
        at = start + captured
        if captured > largest or at > end:
            return
        yield seconds * 1_000_000_000 + fraction * unit_ns, at


scan_pcap = scan_pcap_in_python if core is None else core.scan_pcap
follow_pcap = follow_pcap_in_python if core is None else core.follow_pcap


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
        at = self._begin(buffer, base)
        if self._interface is None:
            return 0
        order, header, largest = self._order, self._record_header, min(self._max_record, _U32)
        packets, at = scan_pcap(buffer, at, order, self._unit_ns, header, largest, self._interface, self._segments)
        found += packets
        self._check(buffer, base, at)
        return at

    def follow(self, buffer: bytes, at: int, base: int, latest: int, until: int) -> Followed:
        """Follow complete packets of ``buffer`` from offset ``at`` on as long as each is as late as the one before.

        They end in front of one that is earlier than that, than ``latest``, or later than ``until``.

        :raises CaptureFormatError: as ``scan``.
        """
        at += self._begin(buffer, base)
        if self._interface is None:
            return Followed(None, latest, at, at, Stop.MORE)
        order, header, largest = self._order, self._record_header, min(self._max_record, _U32)
        first, latest, end = follow_pcap(buffer, at, order, self._unit_ns, header, largest, latest, until)
        if not self._check(buffer, base, end):
            return Followed(first, latest, at, end, Stop.MORE)
        seconds, fraction = Struct(order + "II").unpack_from(buffer, end)
        return Followed(first, latest, at, end, Stop.PACKET, next_ns=seconds * 1_000_000_000 + fraction * self._unit_ns)

    def copy(self) -> PcapScanner:
        """Return a scanner that goes on independently from the same place."""
        return copy(self)

    def _begin(self, buffer: bytes, base: int) -> int:
        """Read the file's header where that is not done; return where the packets begin."""
        if self._interface is not None or len(buffer) < _HEADER:
            return 0
        self._interface = self._file_header(buffer, base)
        return _HEADER

    def _check(self, buffer: bytes, base: int, at: int) -> bool:
        """Note how many bytes the packet at an offset needs; return whether they are there."""
        self.need = header = self._record_header
        if at + header > len(buffer):
            return False
        seconds, fraction, captured = Struct(self._order + "III").unpack_from(buffer, at)
        if captured > self._max_record:
            link_type = None if self._interface is None else self._interface.link_type
            if seconds <= _LONGEST_SNAP and fraction & 0xFFFF == link_type and captured >= _FIRST_TIME:
                # Snapshot length and link type of a file header, whose first 16 bytes passed for an empty packet, and
                # the first packet's time.
                raise CaptureFormatError(
                    "another capture begins here, as cat joins files: give both, or join them with mergecap",
                    offset=base + at - header,
                )
            raise CaptureFormatError(
                f"a packet of {captured} bytes is announced, the limit is {self._max_record}", offset=base + at
            )
        self.need = header + captured
        return at + self.need <= len(buffer)

    def _file_header(self, buffer: bytes, base: int) -> Interface:
        major, minor = Struct(self._order + "HH").unpack_from(buffer, 4)
        if major != 2:
            raise CaptureFormatError(f"pcap version {major}.{minor} is not known", offset=base + 4)
        snap_length, link = Struct(self._order + "II").unpack_from(buffer, 16)
        # The upper half of the word is the length of the frame check sequence, if there is one (draft-ietf-
        # opsawg-pcap section 4). It stands behind the packet, outside of what the IP length covers.
        return Interface(0, link & 0xFFFF, snap_length)
