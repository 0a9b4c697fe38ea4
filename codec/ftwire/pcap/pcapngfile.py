"""pcapng files: blocks of a type, a length, a body and the length again, in sections of either byte order.

Source: draft-ietf-opsawg-pcapng (https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/); section numbers
below are its. Decryption secrets are kept; other blocks without a packet (name resolution, statistics, custom) are
skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from struct import Struct
from typing import TypeAlias

from ftwire._core import core
from ftwire.errors import CaptureFormatError, NotACaptureError
from ftwire.pcap.records import Followed, Interface, Record, Secrets, Segment, Stop, in_order_of_time
from ftwire.pcap.segments import Place, packets_at, segments_at

__all__ = [
    "SECTION_HEADER",
    "PcapngScanner",
    "follow_pcapng",
    "follow_pcapng_in_python",
    "scan_pcapng",
    "scan_pcapng_in_python",
]

SECTION_HEADER = bytes.fromhex("0a0d0d0a")
"""Type of the block every pcapng file starts with (4.1); the same in both byte orders."""

_BYTE_ORDER = {bytes.fromhex("4d3c2b1a"): "<", bytes.fromhex("1a2b3c4d"): ">"}
_SECTION, _INTERFACE, _PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET, _SECRETS = 0x0A0D0D0A, 1, 2, 3, 6, 10
_END_OF_OPTIONS, _IF_TSRESOL, _IF_TSOFFSET = 0, 9, 14

_U32 = 0xFFFF_FFFF
# A time of 64 bits, times a thousand million, is less than 2**94.
_FINEST_UNITS = 1 << 94

# Type and length in front, length behind (3.1).
_SMALLEST_BLOCK = 12
# Fixed bytes of each block with those twelve: body fields of 16, 8, 20, 4 and 20 bytes.
_SMALLEST = {_SECTION: 28, _INTERFACE: 20, _PACKET: 32, _SIMPLE_PACKET: 16, _ENHANCED_PACKET: 32}
_STATE = frozenset((_SECTION, _INTERFACE, _SECRETS))
# Of an enhanced packet block, and of the obsolete packet block.
_PACKET_START, _AROUND_PACKET = 28, 32

# Whatever their size: an empty one takes memory, too.
_MOST_SECRETS = 4096
# Link types are 16 bits in a file: none has this number.
_NOT_KEPT = -1

Clock: TypeAlias = tuple[int, int, int]
"""How an interface counts: a time is multiplied by the first number and divided by the second, which gives ns; the
third is added."""


def scan_pcapng_in_python(
    data: bytes,
    at: int,
    order: str,
    largest: int,
    interfaces: list[Interface],
    clocks: list[Clock],
    segments: bool,
) -> tuple[list[Record | Segment], int]:
    """Return the packets of a pcapng file from offset ``at`` on, and where the first other block starts.

    That is a block that is no enhanced packet block, is incomplete, has lengths that contradict each other, is longer
    than ``largest`` bytes, or belongs to an interface that was not described. Without ``segments`` every packet is a
    ``Record``, with it a plain TCP segment is a ``Segment``. ``order`` is ``<`` or ``>``.
    """
    places: list[Place] = []
    for time_ns, index, captured, original, following in _packets(data, at, order, largest, clocks):
        places.append((time_ns, at + _PACKET_START, captured, original, interfaces[index]))
        at = following
    return (segments_at if segments else packets_at)(data, places), at


def follow_pcapng_in_python(
    data: bytes, at: int, order: str, largest: int, clocks: list[Clock], latest: int, until: int
) -> tuple[int | None, int, int]:
    """Return the first and the latest time of packets from offset ``at`` on that follow each other in time.

    And where the first other block starts: a packet that is earlier than the one before (or than ``latest``) or later
    than ``until``, or what ``scan_pcapng_in_python`` stops at. A time of 0 is none: such a packet follows any other.
    """
    return in_order_of_time(_packets(data, at, order, largest, clocks), at, latest, until)


def _packets(
    data: bytes, at: int, order: str, largest: int, clocks: list[Clock]
) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield time, interface, captured and original length, and end of the enhanced packet blocks from ``at`` on."""
    unpack, unpack_length, end = Struct(order + "IIIIIII").unpack_from, Struct(order + "I").unpack_from, len(data)
    while at + _AROUND_PACKET <= end:
        kind, length, index, high, low, captured, original = unpack(data, at)
        following = at + length
        if not (
            kind == _ENHANCED_PACKET
            and captured + _AROUND_PACKET <= length <= largest
            and following <= end
            and not length % 4
            and index < len(clocks)
            and unpack_length(data, following - 4)[0] == length
        ):
            return
        multiplier, divisor, offset_ns = clocks[index]
        yield (high << 32 | low) * multiplier // divisor + offset_ns, index, captured, original, following
        at = following


scan_pcapng = scan_pcapng_in_python if core is None else core.scan_pcapng
follow_pcapng = follow_pcapng_in_python if core is None else core.follow_pcapng


class PcapngScanner:
    """Finds the packets of a pcapng file in a buffer that grows.

    :ivar need: bytes that must be there, counted from where the last scan stopped, before another is of use.
    :ivar secrets: the decryption secrets met so far, ``max_secrets`` bytes of them.
    """

    def __init__(self, max_record: int, max_secrets: int, max_interfaces: int, *, segments: bool = False) -> None:
        self.secrets: list[Secrets] = []
        self._secrets_room = max_secrets
        self._max_record = max_record
        self._segments = segments
        self._order = ""
        self._interfaces: list[Interface] = []
        self._clocks: list[Clock] = []
        self._section_read = False
        self._max_interfaces = max_interfaces
        self._not_kept = 0  # interfaces of the section beyond those
        self.need = _SMALLEST_BLOCK

    def scan(self, buffer: bytes, base: int, found: list[Record | Segment]) -> int:
        """Append the packets of the complete blocks of ``buffer``; return where the first incomplete one starts.

        ``base`` is the file offset of the buffer, for errors only.

        :raises NotACaptureError: the first section header has no byte-order magic.
        :raises CaptureFormatError: a block whose lengths contradict each other or exceed the limit, or that
            names an interface nobody described; the packets before it have been appended.
        """
        at, end = 0, len(buffer)
        if not self._has_begun(buffer, base):
            return 0
        largest = min(self._max_record, _U32)
        while True:
            # Nearly all blocks are enhanced packets, read in one go; the one where that stops is read step by step.
            packets, at = scan_pcapng(buffer, at, self._order, largest, self._interfaces, self._clocks, self._segments)
            found += packets
            if at + _SMALLEST_BLOCK > end:
                self.need = _SMALLEST_BLOCK
                return at
            length = self._block_length(buffer, base, at)
            if at + length > end:
                self.need = length
                return at
            self._block(buffer, base, at, length, found)
            at += length

    def follow(self, buffer: bytes, at: int, base: int, latest: int, until: int) -> Followed:
        """Follow complete packets of ``buffer`` from offset ``at`` on as long as each is as late as the one before.

        They end in front of one that is earlier than that, than ``latest``, or later than ``until``; and in front of
        a block that states something about the packets behind it, which is read, but for a further section's header.

        :raises CaptureFormatError: as ``scan``.
        """
        begin, end = at, len(buffer)
        if not self._has_begun(buffer, base):
            return Followed(None, latest, at, at, Stop.MORE)
        largest, first = min(self._max_record, _U32), None
        while True:
            begun, latest, at = follow_pcapng(buffer, at, self._order, largest, self._clocks, latest, until)
            first = begun if first is None else first
            if at + _SMALLEST_BLOCK > end:
                self.need = _SMALLEST_BLOCK
                return Followed(first, latest, begin, at, Stop.MORE)
            if self._section_read and buffer.startswith(SECTION_HEADER, at):
                self.need = _SMALLEST_BLOCK
                return Followed(first, latest, begin, at, Stop.STATE, following=at)
            length = self.need = self._block_length(buffer, base, at)
            if at + length > end:
                return Followed(first, latest, begin, at, Stop.MORE)
            found: list[Record | Segment] = []
            self._block(buffer, base, at, length, found)
            if found and (time_ns := found[0][0]):
                if not latest <= time_ns <= until:
                    return Followed(first, latest, begin, at, Stop.PACKET, next_ns=time_ns)
                latest = time_ns
                first = time_ns if first is None else first
            if self._two(buffer, at)[0] in _STATE:
                self.need = _SMALLEST_BLOCK
                return Followed(first, latest, begin, at, Stop.STATE, following=at + length)
            at += length

    def copy(self) -> PcapngScanner:
        """Return a scanner that goes on independently from the same place."""
        other = copy(self)
        other._interfaces, other._clocks, other.secrets = [*self._interfaces], [*self._clocks], [*self.secrets]
        return other

    def next_section(self) -> PcapngScanner:
        """Return a scanner for what begins with the header of another section; this one stays as it is."""
        other = copy(self)
        other._interfaces, other._clocks, other.secrets, other._section_read = [], [], [], False
        return other

    def _has_begun(self, buffer: bytes, base: int) -> bool:
        """Return whether the byte order of the file is known, and learn it if it can be."""
        if not self._order:
            if len(buffer) < _SMALLEST_BLOCK:
                return False
            if buffer[8:12] not in _BYTE_ORDER:
                raise NotACaptureError("a pcapng section header without its byte-order magic", offset=base + 8)
            self._set_order(_BYTE_ORDER[buffer[8:12]])
        return True

    def _block_length(self, buffer: bytes, base: int, at: int) -> int:
        """Return the length of a block that may be incomplete; a section header sets the byte order (4.1)."""
        kind: int
        length: int
        kind, length = self._two(buffer, at)
        if kind == _SECTION:
            order = _BYTE_ORDER.get(buffer[at + 8 : at + 12])
            if order is None:
                raise CaptureFormatError("a section header without its byte-order magic", offset=base + at)
            self._set_order(order)
            length = self._two(buffer, at)[1]
        if length % 4 or length < _SMALLEST.get(kind, _SMALLEST_BLOCK):
            raise CaptureFormatError(f"a block of type {kind:#x} and {length} bytes", offset=base + at)
        if length > self._max_record:
            raise CaptureFormatError(
                f"a block of {length} bytes is announced, the limit is {self._max_record}", offset=base + at
            )
        return length

    def _block(self, buffer: bytes, base: int, at: int, length: int, found: list[Record | Segment]) -> None:
        """Take a complete block: append its packet, or keep what it states about the following ones."""
        (again,) = self._one(buffer, at + length - 4)
        if again != length:
            raise CaptureFormatError(f"a block says {length} bytes in front and {again} behind", offset=base + at)
        kind, _ = self._two(buffer, at)
        if kind == _SECTION:
            self._section(buffer, base, at)
        elif kind == _INTERFACE:
            self._describe_interface(buffer, at, at + length - 4)
        elif kind == _SECRETS:
            self._keep_secrets(buffer, at, length)
        elif kind == _SIMPLE_PACKET:
            original = self._one(buffer, at + 8)[0]
            start, room = at + 12, length - 16
            # The block does not say how many bytes were captured: as many as the interface's snap length allows (4.4),
            # and as there is room for.
            snap_length = self._interfaces[0].snap_length if self._interfaces else 0
            captured = min(original, snap_length or original, room)
            interface = self._interface(0, base + at)
            found.append((0, buffer[start : start + captured], original, interface))
        elif kind in (_ENHANCED_PACKET, _PACKET):
            if kind == _PACKET:
                index, _drops, high, low, captured, original = self._old_packet(buffer, at + 8)
            else:
                index, high, low, captured, original = self._enhanced(buffer, at + 8)
            if captured > length - _AROUND_PACKET:
                raise CaptureFormatError(
                    f"a packet of {captured} bytes in a block with room for {length - _AROUND_PACKET}",
                    offset=base + at,
                )
            interface = self._interface(index, base + at)
            # The time of an interface that was not kept is in units that are not known any more.
            multiplier, divisor, offset_ns = self._clocks[index] if index < len(self._clocks) else (1, 1, 0)
            time_ns = (high << 32 | low) * multiplier // divisor + offset_ns
            start = at + _PACKET_START
            found.append((time_ns, buffer[start : start + captured], original, interface))

    def _interface(self, index: int, offset: int) -> Interface:
        if index >= len(self._interfaces):
            if index < len(self._interfaces) + self._not_kept:
                return Interface(index, _NOT_KEPT, 0)
            raise CaptureFormatError(f"a packet of interface {index}, not described", offset=offset)
        return self._interfaces[index]

    def _set_order(self, order: str) -> None:
        if order != self._order:
            self._order = order
            self._one = Struct(order + "I").unpack_from
            self._two = Struct(order + "II").unpack_from
            self._enhanced = Struct(order + "IIIII").unpack_from
            self._old_packet = Struct(order + "HHIIII").unpack_from

    def _section(self, buffer: bytes, base: int, at: int) -> None:
        """Begin a section: interfaces are counted anew (4.1). Its length is of no use, each block has its own."""
        major, minor = Struct(self._order + "HH").unpack_from(buffer, at + 12)
        if major != 1:
            raise CaptureFormatError(f"pcapng version {major}.{minor} is not known", offset=base + at)
        self._section_read = True
        self._interfaces.clear()
        self._not_kept = 0
        self._clocks.clear()

    def _keep_secrets(self, buffer: bytes, at: int, length: int) -> None:
        """Keep what a secrets block holds (4.7). One that contradicts itself is ignored: no packet depends on it."""
        if length < _SMALLEST_BLOCK + 8:
            return
        kind, size = self._two(buffer, at + 8)
        if size <= length - 20 and size <= self._secrets_room and len(self.secrets) < _MOST_SECRETS:
            self._secrets_room -= size
            self.secrets.append(Secrets(kind, buffer[at + 16 : at + 16 + size]))

    def _describe_interface(self, buffer: bytes, at: int, end: int) -> None:
        if len(self._interfaces) >= self._max_interfaces:
            self._not_kept += 1
            return
        link_type, _reserved, snap_length = Struct(self._order + "HHI").unpack_from(buffer, at + 8)
        # Microseconds unless said otherwise (4.2, if_tsresol).
        multiplier, divisor, offset_ns = 1000, 1, 0
        option, following = Struct(self._order + "HH").unpack_from, at + 16
        while following + 4 <= end:
            code, length = option(buffer, following)
            value = buffer[following + 4 : following + 4 + length]
            following += 4 + (length + 3 & ~3)
            if code == _END_OF_OPTIONS or following > end:
                break
            if code == _IF_TSRESOL and length == 1:
                # The top bit chooses powers of two or of ten, the rest is the negated exponent.
                exponent = value[0] & 0x7F
                units = 1 << exponent if value[0] & 0x80 else 10**exponent
                # Times have 64 bits: with finer units than these, all of them are less than a nanosecond.
                units = min(units, _FINEST_UNITS)
                multiplier, divisor = (
                    (1_000_000_000 // units, 1) if 1_000_000_000 % units == 0 else (1_000_000_000, units)
                )
            elif code == _IF_TSOFFSET and length == 8:
                offset_ns = int.from_bytes(value, "little" if self._order == "<" else "big", signed=True)
                offset_ns *= 1_000_000_000
        self._interfaces.append(Interface(len(self._interfaces), link_type, snap_length))
        self._clocks.append((multiplier, divisor, offset_ns))
