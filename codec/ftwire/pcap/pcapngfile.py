"""pcapng files: blocks of a type, a length, a body and the length again, in sections of either byte order.

Source: draft-ietf-opsawg-pcapng (https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/); section numbers
below are its. Decryption secrets are kept; other blocks that bring no packet (name resolution, statistics,
custom) are passed over.
"""

from __future__ import annotations

from struct import Struct

from ftwire._core import core
from ftwire.errors import CaptureFormatError, NotACaptureError
from ftwire.pcap.records import Interface, Known, Scanned, Secrets

__all__ = ["SECTION_HEADER", "PcapngScanner"]

SECTION_HEADER = bytes.fromhex("0a0d0d0a")
"""Type of the block every pcapng file starts with (4.1); the same in both byte orders."""

_BYTE_ORDER = {bytes.fromhex("4d3c2b1a"): "<", bytes.fromhex("1a2b3c4d"): ">"}
_INTERFACE, _PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET, _SECRETS = 1, 2, 3, 6, 10
_END_OF_OPTIONS, _IF_TSRESOL, _IF_TSOFFSET = 0, 9, 14

_U32 = 0xFFFF_FFFF

# Type and length in front, length behind (3.1).
_SMALLEST_BLOCK = 12
# Fixed bytes of each block with those twelve: body fields of 16, 8, 20, 4 and 20 bytes.
_SMALLEST = {0x0A0D0D0A: 28, _INTERFACE: 20, _PACKET: 32, _SIMPLE_PACKET: 16, _ENHANCED_PACKET: 32}


class PcapngScanner:
    """Finds the packets of a pcapng file in a buffer that grows.

    :ivar need: bytes that must be there, counted from where the last scan stopped, before another is of use.
    :ivar secrets: the decryption secrets met so far, ``max_secrets`` bytes of them.
    """

    def __init__(self, max_record: int, max_secrets: int, *, sliced: bool = False, known: Known | None = None) -> None:
        self.secrets: list[Secrets] = []
        self._secrets_room = max_secrets
        self._max_record = max_record
        self._order = ""
        self._interfaces: list[Interface] = []
        # (multiplier, divisor, offset in ns) of each interface's clock.
        self._clocks: list[tuple[int, int, int]] = []
        self.need = _SMALLEST_BLOCK
        self._scan_core = core.scan_pcapng if sliced and core is not None else None
        self._known = known

    def scan(self, buffer: bytes, base: int, records: list[Scanned]) -> int:
        """Append the packets of the whole blocks of ``buffer``; return where the first incomplete one starts.

        If it was so agreed, and there is a compiled core, plain TCP segments come sliced, or not at
        all where their direction is known.
        ``base`` is the file offset of the buffer, for errors only.

        :raises NotACaptureError: the first section header has no byte-order magic.
        :raises CaptureFormatError: a block whose lengths contradict each other or exceed the limit, or that
            names an interface nobody described; the packets before it have been appended.
        """
        position, end = 0, len(buffer)
        if not self._order:
            if end < _SMALLEST_BLOCK:
                return 0
            if buffer[8:12] not in _BYTE_ORDER:
                raise NotACaptureError("a pcapng section header without its byte-order magic", offset=base + 8)
            self._set_order(_BYTE_ORDER[buffer[8:12]])
        limit, append, interfaces = self._max_record, records.append, self._interfaces
        while True:
            if self._scan_core is not None:
                position = self._scan_core(
                    buffer, position, self._order, min(limit, _U32), interfaces, self._clocks, records, self._known
                )
            # Nearly all blocks are enhanced packets: everything about one in one go, or else step by step.
            if position + 32 <= end:
                kind, length, index, high, low, captured, original = self._whole(buffer, position)
                following = position + length
                if (
                    kind == _ENHANCED_PACKET
                    and captured + 32 <= length <= limit
                    and following <= end
                    and not length % 4
                    and index < len(interfaces)
                    and self._one(buffer, following - 4)[0] == length
                ):
                    multiplier, divisor, offset_ns = self._clocks[index]
                    time_ns = (high << 32 | low) * multiplier // divisor + offset_ns
                    append((time_ns, position + 28, captured, original, interfaces[index]))
                    position = following
                    continue
            self.need = _SMALLEST_BLOCK
            if position + _SMALLEST_BLOCK > end:
                return position
            kind, length = self._two(buffer, position)
            if kind == 0x0A0D0D0A:
                order = _BYTE_ORDER.get(buffer[position + 8 : position + 12])
                if order is None:
                    raise CaptureFormatError("a section header without its byte-order magic", offset=base + position)
                self._set_order(order)
                length = self._two(buffer, position)[1]
            if length % 4 or length < _SMALLEST.get(kind, _SMALLEST_BLOCK):
                raise CaptureFormatError(f"a block of type {kind:#x} and {length} bytes", offset=base + position)
            if length > limit:
                raise CaptureFormatError(
                    f"a block of {length} bytes is announced, the limit is {limit}", offset=base + position
                )
            following = position + length
            if following > end:
                self.need = length
                return position
            (again,) = self._one(buffer, following - 4)
            if again != length:
                raise CaptureFormatError(
                    f"a block says {length} bytes in front and {again} behind", offset=base + position
                )
            if kind == _ENHANCED_PACKET:
                index, high, low, captured, original = self._enhanced(buffer, position + 8)
                start, room = position + 28, length - 32
            elif kind == _SIMPLE_PACKET:
                index, high, low, (original,) = 0, 0, 0, self._one(buffer, position + 8)
                start, room = position + 12, length - 16
                # The block does not say how much was kept: the interface's snap length does (4.4), and what
                # there is room for.
                snap_length = self._interfaces[0].snap_length if self._interfaces else 0
                captured = min(original, snap_length or original, room)
            elif kind == _PACKET:
                index, _drops, high, low, captured, original = self._old_packet(buffer, position + 8)
                start, room = position + 28, length - 32
            else:
                if kind == _INTERFACE:
                    self._describe_interface(buffer, position, following - 4)
                elif kind == 0x0A0D0D0A:
                    self._section(buffer, base + position, position)
                elif kind == _SECRETS:
                    self._keep_secrets(buffer, position, length)
                position = following
                continue
            if captured > room:
                raise CaptureFormatError(
                    f"a packet of {captured} bytes in a block with room for {room}", offset=base + position
                )
            if index >= len(self._interfaces):
                raise CaptureFormatError(f"a packet of interface {index}, not described", offset=base + position)
            if kind == _SIMPLE_PACKET:
                time_ns = 0
            else:
                multiplier, divisor, offset_ns = self._clocks[index]
                time_ns = ((high << 32) | low) * multiplier // divisor + offset_ns
            append((time_ns, start, captured, original, self._interfaces[index]))
            position = following

    def _set_order(self, order: str) -> None:
        if order != self._order:
            self._order = order
            self._whole = Struct(order + "IIIIIII").unpack_from
            self._one = Struct(order + "I").unpack_from
            self._two = Struct(order + "II").unpack_from
            self._enhanced = Struct(order + "IIIII").unpack_from
            self._old_packet = Struct(order + "HHIIII").unpack_from

    def _section(self, buffer: bytes, offset: int, position: int) -> None:
        """Begin a section: interfaces are counted anew (4.1). Its length is of no use, blocks have theirs."""
        major, minor = Struct(self._order + "HH").unpack_from(buffer, position + 12)
        if major != 1:
            raise CaptureFormatError(f"pcapng version {major}.{minor} is not known", offset=offset)
        self._interfaces.clear()
        self._clocks.clear()

    def _keep_secrets(self, buffer: bytes, position: int, length: int) -> None:
        """Keep what a secrets block holds (4.7). One that contradicts itself costs no packet: it is passed over."""
        if length < _SMALLEST_BLOCK + 8:
            return
        kind, size = self._two(buffer, position + 8)
        if size <= length - 20 and size <= self._secrets_room:
            self._secrets_room -= size
            self.secrets.append(Secrets(kind, buffer[position + 16 : position + 16 + size]))

    def _describe_interface(self, buffer: bytes, position: int, end: int) -> None:
        link_type, _reserved, snap_length = Struct(self._order + "HHI").unpack_from(buffer, position + 8)
        # Microseconds unless said otherwise (4.2, if_tsresol).
        multiplier, divisor, offset_ns = 1000, 1, 0
        option, following = Struct(self._order + "HH").unpack_from, position + 16
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
                multiplier, divisor = (
                    (1_000_000_000 // units, 1) if 1_000_000_000 % units == 0 else (1_000_000_000, units)
                )
            elif code == _IF_TSOFFSET and length == 8:
                offset_ns = int.from_bytes(value, "little" if self._order == "<" else "big", signed=True)
                offset_ns *= 1_000_000_000
        self._interfaces.append(Interface(len(self._interfaces), link_type, snap_length))
        self._clocks.append((multiplier, divisor, offset_ns))
