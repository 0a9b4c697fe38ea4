"""Writing capture files: encoders that return bytes, for the caller to put into a file.

They write everything that the readers read, in both byte orders, so that a test can make any file and a recorder can
append to one packet by packet. Sources: as in :mod:`ftwire.pcap.pcapfile` and
:mod:`ftwire.pcap.pcapngfile`.
"""

from __future__ import annotations

from struct import Struct

from ftwire.pcap.pcapngfile import SECTION_HEADER
from ftwire.pcap.records import LinkType

__all__ = ["PcapWriter", "PcapngWriter"]

_SECOND = 1_000_000_000
_SNAP_LENGTH = 262144
"""The length that capture programs state when they cut nothing off; libpcap refuses files with more."""


class PcapWriter:
    """A pcap file: its header, then its packets.

    :param nanoseconds: whether times are in nanoseconds, or cut to microseconds.
    """

    def __init__(
        self,
        link_type: int = LinkType.ETHERNET,
        *,
        nanoseconds: bool = True,
        big_endian: bool = False,
        snap_length: int = _SNAP_LENGTH,
    ) -> None:
        order = ">" if big_endian else "<"
        self._unit_ns = 1 if nanoseconds else 1000
        self._record = Struct(order + "IIII")
        magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
        self._header = Struct(order + "IHHiIII").pack(magic, 2, 4, 0, 0, snap_length, link_type)

    def header(self) -> bytes:
        """Return the 24 bytes every file starts with."""
        return self._header

    def packet(self, time_ns: int, data: bytes, original_length: int | None = None) -> bytes:
        """Return the record of one packet; ``original_length`` when ``data`` is not all of it.

        :raises ValueError: a time the format cannot hold: before 1970 or after 2106-02-07.
        """
        seconds, rest = divmod(time_ns, _SECOND)
        if not 0 <= seconds <= 0xFFFFFFFF:
            raise ValueError(f"pcap times are 32-bit seconds since 1970, not {seconds}")
        original = len(data) if original_length is None else original_length
        return self._record.pack(seconds, rest // self._unit_ns, len(data), original) + data


class PcapngWriter:
    """A pcapng file: sections, in each the interfaces and their packets.

    Write :meth:`section` first, then :meth:`interface` before the packets of that interface.
    """

    def __init__(self, *, big_endian: bool = False) -> None:
        self._order = ">" if big_endian else "<"
        self._clocks: list[tuple[int, int]] = []

    def section(self, length: int = -1, *, options: bytes = b"") -> bytes:
        """Return the block that begins a section; its interfaces are numbered from 0 again.

        ``length`` is that of all blocks to come, in bytes; -1 where it is not known yet.
        """
        self._clocks.clear()
        body = Struct(self._order + "IHHq").pack(0x1A2B3C4D, 1, 0, length)
        return self.block(int.from_bytes(SECTION_HEADER, "big"), body + options)

    def interface(
        self,
        link_type: int = LinkType.ETHERNET,
        *,
        snap_length: int = 0,
        resolution: int = 9,
        offset_s: int = 0,
        options: bytes = b"",
    ) -> bytes:
        """Return the block that describes the next interface.

        ``resolution`` is the ``if_tsresol`` byte: 9 is 10**-9 s, 6 is 10**-6 s, and with the top bit set
        powers of two, so 0x80 + 20 is 2**-20 s. ``offset_s`` is added to every time, in seconds.
        ``options`` come behind these two, encoded by :meth:`option`.
        """
        units = 1 << (resolution & 0x7F) if resolution & 0x80 else 10**resolution
        self._clocks.append((units, offset_s))
        own = self.option(9, bytes((resolution,)))
        if offset_s:
            own += self.option(14, Struct(self._order + "q").pack(offset_s))
        body = Struct(self._order + "HHI").pack(link_type, 0, snap_length)
        return self.block(1, body + own + options + bytes(4))

    def packet(
        self,
        time_ns: int,
        data: bytes,
        *,
        interface: int = 0,
        original_length: int | None = None,
        options: bytes = b"",
    ) -> bytes:
        """Return the enhanced packet block of one packet; its time is cut to the interface's resolution.

        :raises ValueError: an interface that was not described, or a time the format cannot hold.
        """
        high, low = self._time(time_ns, interface)
        original = len(data) if original_length is None else original_length
        head = Struct(self._order + "IIIII").pack(interface, high, low, len(data), original)
        return self.block(6, head + _padded(data) + options)

    def secrets(self, kind: int, data: bytes) -> bytes:
        """Return a Decryption Secrets Block; it must stand before the packets it is for."""
        return self.block(10, Struct(self._order + "II").pack(kind, len(data)) + data)

    def simple_packet(self, data: bytes, original_length: int | None = None) -> bytes:
        """Return a simple packet block: interface 0, no time. ``data`` must keep to its snap length."""
        original = len(data) if original_length is None else original_length
        return self.block(3, Struct(self._order + "I").pack(original) + data)

    def old_packet(
        self,
        time_ns: int,
        data: bytes,
        *,
        interface: int = 0,
        original_length: int | None = None,
    ) -> bytes:
        """Return the obsolete packet block, which old files have in place of enhanced ones.

        :raises ValueError: an interface that was not described, or a time the format cannot hold.
        """
        high, low = self._time(time_ns, interface)
        original = len(data) if original_length is None else original_length
        head = Struct(self._order + "HHIIII").pack(interface, 0xFFFF, high, low, len(data), original)
        return self.block(2, head + data)

    def option(self, code: int, value: bytes) -> bytes:
        """Encode one option, for the ``options`` of a block (1 is a comment, 0 with no value ends them)."""
        return Struct(self._order + "HH").pack(code, len(value)) + _padded(value)

    def block(self, kind: int, body: bytes) -> bytes:
        """Return a block of any type; the body is padded to 4 bytes."""
        body = _padded(body)
        length = Struct(self._order + "I").pack(len(body) + 12)
        return Struct(self._order + "I").pack(kind) + length + body + length

    def _time(self, time_ns: int, interface: int) -> tuple[int, int]:
        if interface >= len(self._clocks):
            raise ValueError(f"interface {interface} was not described in this section")
        units, offset_s = self._clocks[interface]
        ticks = (time_ns - offset_s * _SECOND) * units // _SECOND
        if not 0 <= ticks < 1 << 64:
            raise ValueError(f"{time_ns} ns is no time on the clock of interface {interface}")
        return ticks >> 32, ticks & 0xFFFFFFFF


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
