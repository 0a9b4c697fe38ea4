"""From the bytes of a capture file to its packets: the first bytes tell its format, and how it is compressed.

The file may come in chunks of any size: an incomplete packet waits in one buffer, and each byte is copied at most a
fixed number of times, so that a file fed byte by byte costs no more than linear time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import cast

from ftwire.errors import CaptureError, NotACaptureError, TruncatedCaptureError
from ftwire.pcap.inflate import LONGEST_MAGIC, Inflater, begins_like_compressed, compression_of
from ftwire.pcap.pcapfile import PCAP_MAGICS, PcapScanner
from ftwire.pcap.pcapngfile import SECTION_HEADER, PcapngScanner
from ftwire.pcap.records import Limits, Packet, Record, Secrets, Segment

__all__ = ["ENOUGH_TO_TELL", "PacketReader", "RecordSource", "is_capture"]

ENOUGH_TO_TELL = LONGEST_MAGIC
"""First bytes of a file by which pcap, pcapng and all compressions are recognised."""

# The input is read in pieces of this many bytes, and decompressed in steps of as many: only the packets of one piece
# exist at a time, however much is fed at once and however well it was compressed.
_PIECE = 256 << 10
# At each step a decompressor returns a copy of the input it did not use: small pieces keep that linear.
_COMPRESSED_PIECE = 8 << 10


def is_capture(head: bytes) -> bool:
    """Return whether an input that begins with these bytes, at least ``ENOUGH_TO_TELL``, is pcap, pcapng or compressed.

    What is compressed may turn out to be something else.
    """
    magic = head[:ENOUGH_TO_TELL]
    known = magic in PCAP_MAGICS or magic == SECTION_HEADER or compression_of(magic) is not None
    return known and len(magic) == ENOUGH_TO_TELL


class RecordSource:
    """The packets of a capture file, in batches.

    What :class:`PacketReader` and :class:`~ftwire.pcap.dissect.Dissector` have in common. With ``segments``, plain TCP
    segments come without the packet around them.
    """

    def __init__(self, limits: Limits, *, segments: bool = False) -> None:
        self._limits = limits
        self._segments = segments
        self._input: deque[bytes] = deque()
        self._chunk = b""  # of the input, and how far it was read
        self._at = 0
        self._inflater: Inflater | None = None
        self._scanner: PcapScanner | PcapngScanner | None = None
        self._pending = bytearray()
        self._offset = 0
        self._error: CaptureError | None = None
        self._sniffed = b""

    @property
    def offset(self) -> int:
        """Bytes of the (decompressed) file in front of the first record that is not complete."""
        return self._offset

    @property
    def position(self) -> int:
        """The same, for a display of progress."""
        return self._offset

    @property
    def damage(self) -> CaptureError | None:
        """Why nothing more can be read, once that was raised."""
        return self._error

    @property
    def secrets(self) -> tuple[Secrets, ...]:
        """The decryption secrets met so far: those in front of a packet are here when it comes out."""
        return tuple(self._scanner.secrets) if isinstance(self._scanner, PcapngScanner) else ()

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Queue bytes of the file."""
        if data:
            self._input.append(bytes(data))

    def batches(self) -> Iterator[list[Record | Segment]]:
        """Return an iterator that reads everything queued and gives the packets of a piece of the file at a time.

        :raises NotACaptureError: the first bytes are neither pcap nor pcapng, nor either of them compressed.
        :raises UnsupportedCompressionError: it is compressed, and cannot be decompressed here.
        :raises CaptureFormatError: the file contradicts itself, or what it is compressed with does. The packets
            before that place have been given out; the same error is raised again by each later call.
        """
        return iter(self._next_batch, None)

    def _next_batch(self) -> list[Record | Segment] | None:
        """Return the packets of the next piece that completes any; ``None`` when more must be queued."""
        if self._error is not None:
            raise self._error
        found: list[Record | Segment] = []
        try:
            while not found:
                piece = self._next_piece()
                if not piece:
                    return None
                self._scan(piece, found)
        except CaptureError as error:
            self._error = error
            self._input.clear()
            self._chunk = b""
            if not found:
                raise
        return found

    def close(self) -> None:
        """End the file.

        :raises NotACaptureError: it was empty, or too short to have been a capture.
        :raises TruncatedCaptureError: it ends inside a record, a header or a compressed part.
        """
        if self._error is not None:
            return
        offset = self._offset + len(self._pending)
        if self._scanner is None:
            start = self._sniffed or bytes(self._pending)
            cut = any(magic.startswith(start) for magic in (*PCAP_MAGICS, SECTION_HEADER))
            cut = bool(start) and (cut or begins_like_compressed(start))
            if not cut and not (self._inflater is not None and self._inflater.inside_member):
                raise self._fail(NotACaptureError("neither pcap nor pcapng" if start else "no bytes at all"))
        elif not self._pending and self._header_read and not self._inside_member:
            return
        raise self._fail(TruncatedCaptureError("the file ends inside a record", offset=offset))

    @property
    def _header_read(self) -> bool:
        return self._offset > 0

    @property
    def _inside_member(self) -> bool:
        return self._inflater is not None and self._inflater.inside_member

    def _fail(self, error: CaptureError) -> CaptureError:
        self._error = error
        return error

    def _next_piece(self) -> bytes:
        """Return the next piece of the input, decompressed; nothing when more must be queued."""
        while True:
            if self._inflater is not None and (plain := self._inflater.step()):
                return plain
            if self._at >= len(self._chunk):
                if not self._input:
                    self._chunk = b""
                    return b""
                self._chunk, self._at = self._begun(self._input.popleft()), 0
                continue
            size = _PIECE if self._inflater is None else _COMPRESSED_PIECE
            piece = self._chunk[self._at : self._at + size]
            self._at += size
            if self._inflater is None:
                return piece
            self._inflater.feed(piece)

    def _begun(self, data: bytes) -> bytes:
        """Decide by the first bytes between compressed and not; return those that can be read now."""
        if self._scanner is not None or self._inflater is not None:
            return data
        data = self._sniffed + data
        self._sniffed = b""
        compression = None if self._pending else compression_of(data)
        if compression is not None:
            self._inflater = Inflater(compression, _PIECE)
        elif len(data) < LONGEST_MAGIC and not self._pending and begins_like_compressed(data):
            self._sniffed = data
            return b""
        return data

    def _scan(self, piece: bytes, found: list[Record | Segment]) -> None:
        """Append the packets of what was pending and ``piece``; keep what is incomplete."""
        pending = self._pending
        need = 4 if self._scanner is None else self._scanner.need
        if len(pending) + len(piece) < need:
            pending += piece
            return
        buffer = b"".join((pending, piece)) if pending else piece
        if self._scanner is None:
            self._scanner = self._choose(buffer)
        done = self._scanner.scan(buffer, self._offset, found)
        self._offset += done
        self._pending = bytearray(memoryview(buffer)[done:])

    def _choose(self, buffer: bytes) -> PcapScanner | PcapngScanner:
        magic, limits = buffer[:4], self._limits
        if magic in PCAP_MAGICS:
            return PcapScanner(magic, limits.max_record, segments=self._segments)
        if magic == SECTION_HEADER:
            return PcapngScanner(limits.max_record, limits.max_secrets, limits.max_interfaces, segments=self._segments)
        raise NotACaptureError(f"neither pcap nor pcapng: the first bytes are {magic.hex()}", offset=0)


class PacketReader:
    """Packets of a pcap or pcapng file, compressed or not, fed in chunks of any size."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._source = RecordSource(limits or Limits())
        self._number = 0

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Packet]:
        """Take bytes of the file, give the packets that are complete.

        The packets are made while they are iterated over, so that a small compressed chunk cannot fill the memory.
        Take them all before feeding more: those of an iterator that is dropped half-way are lost.

        :raises NotACaptureError: the first bytes are neither pcap nor pcapng, nor either of them compressed.
        :raises UnsupportedCompressionError: it is compressed, and cannot be decompressed here.
        :raises CaptureFormatError: a record whose lengths contradict each other or exceed the limit. The
            packets before it were given out, and nothing can be read after it.
        """
        self._source.feed(data)
        return self._packets()

    @property
    def secrets(self) -> tuple[Secrets, ...]:
        """The decryption secrets met so far: those in front of a packet are here when it comes out."""
        return self._source.secrets

    def _packets(self) -> Iterator[Packet]:
        for records in self._source.batches():
            for time_ns, data, original, interface in cast(list[Record], records):
                self._number += 1
                yield Packet(self._number, time_ns, data, original, interface)

    def close(self) -> None:
        """End the file. After an error of :meth:`feed` this raises nothing.

        :raises NotACaptureError: the file was empty, or too short to have been a capture.
        :raises TruncatedCaptureError: it ends inside a record, a header or a compressed part.
        """
        self._source.close()
