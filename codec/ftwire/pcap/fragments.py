"""Fragmented IP datagrams, put together again in bounded memory.

Overlap: an exact repetition of a fragment is ignored; any other overlap discards the whole datagram, as
RFC 8200 section 4.5 (RFC 5722) demands for IPv6 and as current systems do for IPv4.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from ftwire.errors import CutPacketError, PacketError
from ftwire.pcap.context import PacketContext
from ftwire.pcap.events import PacketSkipped
from ftwire.pcap.ip import Datagram
from ftwire.pcap.records import Limits

__all__ = ["Fragments"]

# What keeping a fragment costs besides its bytes: a bytes object, a dictionary entry, a list slot.
_OVERHEAD = 128
_LARGEST_DATAGRAM = 65535


class _Partial:
    """A datagram of which some fragments came."""

    __slots__ = ("cost", "length", "number", "offsets", "pieces", "protocol", "received", "time_ns")

    def __init__(self, number: int, time_ns: int) -> None:
        self.number, self.time_ns = number, time_ns
        self.pieces: dict[int, bytes] = {}
        self.offsets: list[int] = []
        self.length = -1
        self.received = self.cost = 0
        self.protocol = 0


class Fragments:
    """The datagrams that wait for fragments, oldest first.

    One that is given up (too old, too many, too large, or incomplete at the end) is reported as a skipped
    packet under the number of its first fragment.
    """

    def __init__(self, limits: Limits, packet: PacketContext) -> None:
        self._limits = limits
        self._packet = packet
        self._partials: dict[tuple[bytes, int, int], _Partial] = {}
        self._cost = 0

    def add(self, datagram: Datagram, data: bytes) -> tuple[int, bytes] | None:
        """Take the fragment of the current packet; return protocol and payload of the datagram if it is now complete.

        :raises CutPacketError: the capture lacks a part of the fragment.
        :raises PacketError: the fragment cannot be part of any datagram, or not of this one, which is then
            discarded.
        """
        self._expire()
        offset, more = datagram.fragment_offset, datagram.more_fragments
        if len(data) < datagram.length:
            raise CutPacketError("a fragment cut to the capture's snap length")
        if not data or (more and len(data) % 8) or offset + len(data) > _LARGEST_DATAGRAM:
            raise PacketError(f"a fragment of {len(data)} bytes at {offset}")
        # The protocol is part of a datagram's identity in IPv4 (RFC 791 section 3.2), in IPv6 it is not.
        protocol = datagram.protocol if len(datagram.addresses) == 8 else -1
        key = (datagram.addresses, datagram.identification, protocol)
        partial = self._partials.get(key)
        if partial is None:
            partial = self._partials[key] = _Partial(self._packet.number, self._packet.time_ns)
        if partial.pieces.get(offset) == data:
            return None
        end = offset + len(data)
        offsets = partial.offsets
        at = bisect_left(offsets, offset)
        if (at < len(offsets) and offsets[at] < end) or (
            at and offsets[at - 1] + len(partial.pieces[offsets[at - 1]]) > offset
        ):
            self._discard(key)
            raise PacketError(f"fragments that overlap at {offset}")
        if not more:
            partial.length = end if partial.length < 0 else partial.length
        last_end = max(end, offsets[-1] + len(partial.pieces[offsets[-1]])) if offsets else end
        if 0 <= partial.length < last_end or (not more and partial.length != end):
            self._discard(key)
            raise PacketError("a fragment behind the last one")
        if offset == 0:
            # For IPv6 only the first fragment's next header counts (RFC 8200 section 4.5).
            partial.protocol = datagram.protocol
        insort(offsets, offset)
        partial.pieces[offset] = data
        partial.received += len(data)
        partial.cost += len(data) + _OVERHEAD
        self._cost += len(data) + _OVERHEAD
        if partial.received == partial.length:
            self._discard(key)
            return partial.protocol, b"".join([partial.pieces[at] for at in offsets])
        while len(self._partials) > self._limits.max_fragmented or self._cost > self._limits.max_fragment_bytes:
            self._give_up(next(iter(self._partials)), "too many fragments are waiting")
        return None

    def close(self) -> None:
        """Report the datagrams that never became complete."""
        for key in list(self._partials):
            self._give_up(key, "the other fragments are not in the capture")

    def _expire(self) -> None:
        while self._partials:
            key, partial = next(iter(self._partials.items()))
            if self._packet.time_ns - partial.time_ns <= self._limits.fragment_timeout_ns:
                break
            self._give_up(key, "the other fragments did not come in time")

    def _give_up(self, key: tuple[bytes, int, int], reason: str) -> None:
        partial = self._discard(key)
        error = PacketError(f"a fragment: {reason}")
        self._packet.events.append(PacketSkipped(partial.number, partial.time_ns, error))

    def _discard(self, key: tuple[bytes, int, int]) -> _Partial:
        partial = self._partials.pop(key)
        self._cost -= partial.cost
        return partial
