"""Packets of one or several capture files, in order of time.

A file is seldom out of order, and then in a simple way: one capture was appended to another, or one direction of a
connection to the other. It is a sequence of *runs*, in each of which no packet is earlier than the one before it. A
first pass over the records' headers finds where runs begin (``CapturePart``), a merge of all runs of all parts gives
the packets in order (``OrderedPackets``). Of a run only its place, its scanner and some bytes are in memory.

What can be read only once (a pipe, a compressed file) has no such index: it is one run, whose packets are put in
order within a window. Packets that are further from their place come late, and are counted.
"""

from __future__ import annotations

import os
import stat
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from io import BufferedReader, BytesIO, FileIO, RawIOBase
from itertools import accumulate
from operator import itemgetter
from typing import BinaryIO, Final, TypeAlias

from ftwire.errors import CaptureError, NotACaptureError, TruncatedCaptureError
from ftwire.pcap.pcapfile import PCAP_MAGICS, PcapScanner
from ftwire.pcap.pcapngfile import SECTION_HEADER, PcapngScanner
from ftwire.pcap.reader import RecordSource
from ftwire.pcap.records import Limits, Record, Secrets, Segment, Stop

__all__ = ["BegunStream", "CapturePart", "LateCounter", "OrderedPackets", "is_stored"]

Packets: TypeAlias = list[Record | Segment]

_CHUNK: Final = 128 << 10
"""Bytes read at a time of what is in order."""
_PIECE: Final = 64 << 10
"""Bytes read at a time to look for runs, and of a run, fewer where there are many. For larger pieces the allocator
would take pages from the system each time."""
_SMALLEST_PIECE: Final = 1 << 10
_BUFFERED: Final = 32 << 20
"""Bytes of all runs that are kept between their turns; of further ones they are read again."""
_WINDOW: Final = 32 << 20
"""Bytes of packets that are put in order where there is no index, and 128 more for each packet."""
_AROUND_PACKET: Final = 128
_AT_ONCE: Final = 1024
"""Packets of the window that are taken at a time."""
_MAX_RUNS: Final = 1 << 18
"""Runs of all parts: about 250 bytes of memory each, 64 MiB in all. What is behind them is read through the window."""

# Before and after any time a capture file can state: less than 2**94 (see pcapngfile), and an offset of 2**63 seconds.
_NEVER, _FOREVER = -(1 << 100), 1 << 100

_time_of = itemgetter(0)


class LateCounter:
    """Counts packets that are earlier than one in front of them.

    :ivar late: how many there were.
    """

    def __init__(self) -> None:
        self.late = 0
        self._latest = _NEVER

    def add(self, packets: Packets) -> None:
        """Take the next packets. A time of 0 is none."""
        times = list(map(_time_of, packets))
        if times[0] < self._latest or 0 in times or times != sorted(times):
            latest = self._latest
            for time_ns in times:
                if time_ns > latest:
                    latest = time_ns
                elif time_ns and time_ns < latest:
                    self.late += 1
            self._latest = latest
        else:
            self._latest = times[-1]


class CapturePart:
    """One capture file, and where its runs are.

    Making one reads a seekable file through, but for its packets. ``file`` is read from its present position on.

    :raises NotACaptureError: neither pcap nor pcapng, nor a compressed one; or empty.
    :raises OSError: what reading raises.
    """

    def __init__(self, file: BinaryIO, limits: Limits | None = None) -> None:
        self.file: Final = file
        self._limits: Final = limits or Limits()
        self.in_order = True
        """No packet is earlier than one in front of it, as far as that is known without reading through a pipe."""
        self.first_ns = self.latest_ns = _NEVER
        """Times between which all packets lie; unknown of what can be read only once."""
        self.first_packet = b""
        """The record of the first packet: copies of a capture begin with the same one."""
        self.damage: CaptureError | None = None
        """Why the file cannot be read to its end, as far as it is read."""
        self.position = 0
        """Bytes read of it, for a display of progress."""
        self.offset = 0
        """Bytes of it, decompressed, of which the packets were returned, or wait in a window."""
        self.secrets: Final[list[Secrets]] = []
        """Decryption secrets in it, as far as it is read."""
        self.runs: Final[list[_Run | _Stream]] = []
        self.is_indexed = False
        """It can be read at any place; otherwise only once, from its beginning."""
        self._origin = 0
        head = b""
        if is_stored(file):
            self._origin = file.tell()
            head = file.read(4)
            file.seek(self._origin)
            self.is_indexed = head in PCAP_MAGICS or head == SECTION_HEADER
        if self.is_indexed:
            self._find_runs(head)
        else:
            self.runs.append(_Stream(self, self.batches()))

    def read_at(self, offset: int, size: int) -> bytes:
        """Return bytes of the file at an offset, fewer at its end. Raises ``OSError``."""
        self.file.seek(self._origin + offset)
        return self.file.read(size)

    def batches(self) -> Iterator[Packets]:
        """Return the packets in the order of the file, some at a time; ``damage`` is why there are no more.

        Raises ``NotACaptureError`` and ``OSError``.
        """
        source = RecordSource(self._limits, segments=True)
        # Secrets are for packets behind them, and a file that is still written is longer than when it was indexed.
        self.secrets.clear()
        self.damage = None
        if self.is_indexed:
            self.file.seek(self._origin)
        # A pipe's read would wait until a whole chunk is there; its read1 returns what there is.
        read_some = getattr(self.file, "read1", self.file.read)
        try:
            while chunk := read_some(_CHUNK):
                self.position += len(chunk)
                source.feed(chunk)
                for packets in source.batches():
                    self.secrets.extend(source.secrets[len(self.secrets) :])
                    self.offset = source.offset
                    yield packets
            source.close()
        except NotACaptureError:
            raise
        except CaptureError as error:
            self.damage = error

    def _scanner(self, head: bytes) -> PcapScanner | PcapngScanner:
        if head in PCAP_MAGICS:
            return PcapScanner(head, self._limits.max_record, segments=True)
        limits = self._limits
        return PcapngScanner(limits.max_record, limits.max_secrets, limits.max_interfaces, segments=True)

    def _find_runs(self, head: bytes) -> None:
        """Read the file through and note where its runs begin."""
        scanner = self._scanner(head)
        buffer, base, at, latest = b"", 0, 0, _NEVER
        run: _Run | None = None
        while True:
            if scanner.need > len(buffer) - at:
                # Read again from the first incomplete record on: to join two buffers costs more.
                known, base, at = len(buffer) - at, base + at, 0
                buffer = self.read_at(base, max(_PIECE, scanner.need))
                if len(buffer) <= known:
                    break
                continue
            try:
                followed = scanner.follow(buffer, at, base, latest, _FOREVER)
            except NotACaptureError:
                raise
            except CaptureError as error:
                self.damage = error
                if error.offset is None or error.offset <= base + at:
                    break
                # Up to the damage everything is whole: it is followed again, from the file's header on where that was.
                scanner = scanner if base + at else self._scanner(head)
                buffer = buffer[: error.offset - base]
                followed = scanner.follow(buffer, at, base, latest, _FOREVER)
            if followed.end > followed.begin:
                if run is None:
                    first_ns = latest if followed.first_ns is None else followed.first_ns
                    run = _Run(self, scanner, base + followed.begin, first_ns)
                    self.runs.append(run)
                if not self.first_packet:
                    self.first_packet = buffer[followed.begin : followed.begin + 4096]
                if self.first_ns == _NEVER and followed.first_ns is not None:
                    self.first_ns = followed.first_ns
                run.end = base + followed.end
                latest = followed.latest_ns
                self.latest_ns = max(self.latest_ns, latest)
            at = followed.end
            if self.damage is not None:
                break
            if followed.stop is Stop.PACKET:
                self.first_ns = min(self.first_ns, followed.next_ns)
                self.in_order, run, latest = False, None, _NEVER
            elif followed.stop is Stop.STATE:
                at, run = followed.following, None
                if followed.following == followed.end and isinstance(scanner, PcapngScanner):
                    self.secrets.extend(scanner.secrets)
                    scanner = scanner.next_section()
            if len(self.runs) >= _MAX_RUNS:
                self.in_order = False
                self.runs.append(_Stream(self, self._rest(scanner.copy(), base + at), begin=base + at))
                at = len(buffer)
                break
        if isinstance(scanner, PcapngScanner):
            self.secrets.extend(scanner.secrets)
        if self.damage is None and len(buffer) > at:
            self.damage = TruncatedCaptureError("the file ends inside a record", offset=base + len(buffer))

    def _rest(self, scanner: PcapScanner | PcapngScanner, offset: int) -> Iterator[Packets]:
        """Return the packets from an offset on, in the order of the file."""
        buffer = b""
        while chunk := self.read_at(offset + len(buffer), max(_PIECE, scanner.need - len(buffer))):
            buffer += chunk
            packets: Packets = []
            done = 0
            try:
                done = scanner.scan(buffer, offset, packets)
            except CaptureError as error:
                self.damage = error
            self.offset += done
            if packets:
                yield packets
            if self.damage is not None:
                return
            buffer, offset = buffer[done:], offset + done
        if buffer:
            self.damage = TruncatedCaptureError("the file ends inside a record", offset=offset + len(buffer))


class _Run:
    """Packets that follow each other in a file and in time."""

    __slots__ = ("at", "base", "begin", "buffer", "end", "next_ns", "part", "scanner")

    def __init__(self, part: CapturePart, scanner: PcapScanner | PcapngScanner, begin: int, first_ns: int) -> None:
        self.part = part
        self.scanner = scanner
        self.begin = self.at = self.end = begin
        self.next_ns = first_ns
        self.buffer = b""
        self.base = begin

    @property
    def is_over(self) -> bool:
        """Whether all packets were taken."""
        return self.at >= self.end

    def take(self, until: int, piece: int) -> Iterator[Packets]:
        """Return the packets up to a time, ``piece`` bytes of them at once. Raises ``OSError``."""
        scanner = self.scanner
        while self.at < self.end:
            start = self.at - self.base
            followed = scanner.follow(self.buffer, start, self.base, _NEVER, until)
            need = scanner.need
            if followed.end > start:
                packets: Packets = []
                scanner.scan(self.buffer[start : followed.end], self.at, packets)
                self.at = self.base + followed.end
                self.part.position += followed.end - start
                self.part.offset += followed.end - start
                if packets:
                    yield packets
            if followed.stop is not Stop.MORE:
                self.next_ns = followed.next_ns
                return
            if self.at >= self.end:
                break
            kept = self.buffer[followed.end :]
            size = max(piece, need - len(kept))
            chunk = self.part.read_at(self.at + len(kept), min(size, self.end - self.at - len(kept)))
            if not chunk:
                # It was whole a moment ago.
                self.part.damage = TruncatedCaptureError("the file became shorter while it was read", offset=self.at)
                self.at = self.end
            self.buffer, self.base = kept + chunk, self.at
        self.buffer = b""


class _Stream:
    """Packets that come once, put in order within a window; late ones keep the place in which they come."""

    __slots__ = ("_at", "_batches", "_latest", "_packets", "_times", "begin", "is_over", "next_ns", "part")

    buffer = b""

    def __init__(self, part: CapturePart, batches: Iterator[Packets], begin: int = 0) -> None:
        self.part = part
        self.begin = begin
        self._batches = _in_window(batches)
        self._packets: Packets = []
        self._times: list[int] = []
        self._at = 0
        self._latest = _NEVER
        self.next_ns = _NEVER
        self.is_over = False

    def take(self, until: int, piece: int) -> Iterator[Packets]:  # noqa: ARG002 - the window decides
        """Return the packets up to a time."""
        while not self.is_over and self.next_ns <= until:
            end = bisect_right(self._times, until, self._at)
            yield self._packets[self._at : end]
            self._at = end
            if end == len(self._packets):
                self.load()
            else:
                self.next_ns = self._times[end]

    def load(self) -> None:
        """Read the next packets."""
        packets = next(self._batches, None)
        self._at = 0
        if packets is None:
            self.is_over = True
            self._packets, self._times = [], []
            return
        self._packets = packets
        self._times = list(accumulate(map(_time_of, packets), max, initial=self._latest))[1:]
        self.next_ns, self._latest = self._times[0], self._times[-1]


def _in_window(batches: Iterable[Packets]) -> Iterator[Packets]:
    """Put packets in order as far as they are in memory together."""
    held: Packets = []
    size = 0
    for batch in batches:
        held += batch
        size += sum(map(_size_of, batch))
        if size > _WINDOW:
            _sort(held)
            half = len(held) // 2 or 1
            yield from _slices(held[:half])
            held = held[half:]
            size = sum(map(_size_of, held))
    _sort(held)
    yield from _slices(held)


def _slices(packets: Packets) -> Iterator[Packets]:
    """Return packets some at a time, so that only the events of these exist at once."""
    for start in range(0, len(packets), _AT_ONCE):
        yield packets[start : start + _AT_ONCE]


def _size_of(packet: Record | Segment) -> int:
    return _AROUND_PACKET + (len(packet[4]) if len(packet) == 5 else len(packet[1]))


def _sort(packets: Packets) -> None:
    """Sort by time; packets without a time stay behind the one in front of them."""
    if all(map(_time_of, packets)):
        packets.sort(key=_time_of)
        return
    keys = []
    latest = _NEVER
    for packet in packets:
        latest = packet[0] or latest
        keys.append(latest)
    order = sorted(range(len(packets)), key=keys.__getitem__)
    packets[:] = [packets[index] for index in order]


class OrderedPackets:
    """The packets of all parts of a capture in order of time, whatever the order of the parts.

    Of packets with the same time, those of the part that begins first come first, then those that are first in it.

    :ivar current: number of the part whose packets were returned last, by position in ``parts``; ``None`` at the end.
    :ivar secrets: the decryption secrets met so far.
    """

    def __init__(self, parts: Sequence[CapturePart]) -> None:
        self._parts: Final = parts
        self.current: int | None = 0
        self.secrets: list[Secrets] = [secret for part in parts for secret in part.secrets]
        self._known = [len(part.secrets) for part in parts]

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return sum(part.position for part in self._parts)

    @property
    def offset(self) -> int:
        """Bytes of all parts, decompressed, of which the packets were returned, or wait in a window."""
        return sum(part.offset for part in self._parts)

    @property
    def damaged(self) -> dict[int, CaptureError]:
        """Why parts could not be read to their end, by their positions."""
        return {index: part.damage for index, part in enumerate(self._parts) if part.damage is not None}

    @property
    def damage(self) -> CaptureError | None:
        """The first of these."""
        return next(iter(self.damaged.values()), None)

    def batches(self) -> Iterator[Packets]:
        """Return the packets, some of one part at a time. Raises ``NotACaptureError`` and ``OSError``."""
        parts = self._parts
        # A part of which all packets have the time with which another begins is the earlier one.
        for self.current, part in enumerate(parts):
            for run in part.runs:
                if isinstance(run, _Stream):
                    run.load()
        ranked = sorted(range(len(parts)), key=lambda index: (parts[index].first_ns, parts[index].latest_ns, index))
        waiting = [
            (run.next_ns, rank, run.begin, index, run)
            for rank, index in enumerate(ranked)
            for run in parts[index].runs
            if not run.is_over
        ]
        waiting.sort(key=itemgetter(0, 1, 2), reverse=True)
        active: list[tuple[int, int, int, int, _Run | _Stream]] = []
        buffered = 0
        while waiting or active:
            while waiting and (not active or waiting[-1][:3] < active[0][:3]):
                heappush(active, waiting.pop())
            _, rank, begin, index, run = heappop(active)
            until = _FOREVER
            others = [heads[at] for heads, at in ((active, 0), (waiting, -1)) if heads]
            if others:
                nearest = min(others, key=itemgetter(0, 1, 2))
                until = nearest[0] if (rank, begin) < nearest[1:3] else nearest[0] - 1
            buffered -= len(run.buffer)
            piece = max(_SMALLEST_PIECE, min(_PIECE, _BUFFERED // (len(active) + 1)))
            for packets in run.take(until, piece):
                self.current = index
                self._learn(index)
                yield packets
            if run.is_over:
                continue
            if isinstance(run, _Run):
                if buffered + len(run.buffer) > _BUFFERED:
                    run.buffer, run.base = b"", run.at
                buffered += len(run.buffer)
            heappush(active, (run.next_ns, rank, begin, index, run))
        self.current = None

    def _learn(self, index: int) -> None:
        secrets = self._parts[index].secrets
        if len(secrets) > self._known[index]:
            self.secrets += secrets[self._known[index] :]
            self._known[index] = len(secrets)


class BegunStream(RawIOBase):
    """A stream of which the first bytes were read already."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head = head
        # A pipe's read would wait until a whole chunk is there; its read1 returns what there is.
        self._read: Final = getattr(stream, "read1", stream.read)

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes that are there; of the first ones, all."""
        if self._head:
            head, self._head = self._head, b""
            return head
        chunk: bytes = self._read(size)
        return chunk


def is_stored(file: BinaryIO) -> bool:
    """Return whether a file can be read at any place at the same cost: a regular one, or bytes in memory."""
    if isinstance(file, BytesIO):
        return True
    raw = file.raw if isinstance(file, BufferedReader) else file
    return isinstance(raw, FileIO) and stat.S_ISREG(os.fstat(raw.fileno()).st_mode)
