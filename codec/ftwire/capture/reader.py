"""``CaptureReader``: bytes of a capture in, frames and everything else that is found in it out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from ftwire.capture.account import Account
from ftwire.capture.packets import PacketFrames
from ftwire.capture.raw import NEITHER, RawFrames
from ftwire.cipher import RsaKey
from ftwire.errors import CaptureError, NotACaptureError
from ftwire.pcap.ordering import BegunStream, CapturePart, OrderedPackets, is_stored
from ftwire.pcap.reader import ENOUGH_TO_TELL, is_capture
from ftwire.protocols import Registry, registry
from ftwire.stream import DEFAULT_MAX_BODY

if TYPE_CHECKING:
    from ftwire.body_columns import BodyColumns
    from ftwire.capture.dissected import Dissected
    from ftwire.frame import Role
    from ftwire.pcap import Limits

__all__ = ["ENOUGH_TO_TELL", "CaptureReader", "is_capture"]

CHUNK: Final = 128 * 1024
"""Bytes read at a time. A pipe may return fewer."""


class CaptureReader:
    """Reads a capture that comes in chunks of any size: a file, or what a capturing program has written so far.

    The input is pcap or pcapng, either of them compressed or not, with any number of connections on any port; or,
    unless ``raw`` is ``False``, the bare bytes of one connection: what one side sent, or both sides, frame after frame.
    The first four bytes decide which. gzip, xz and bzip2 are decompressed, zstd and lz4 where the extra ``compressed``
    is installed::

        reader = CaptureReader(keys=[key])
        for chunk in chunks:
            for report in reader.feed(chunk):
                if isinstance(report, DissectedFrame):
                    ...
        for report in reader.close():
            ...

    ``read`` is this loop where all chunks are at hand. Reports come as soon as the bytes for them are there,
    whatever the chunking; iterate over all of them before feeding more. Frames are numbered through the input,
    conversations in the order of their first frames. ``account`` counts what was not turned into frames.

    :param keys: RSA private keys to try on encrypted conversations; PEM text or bytes are read. Keys that a pcapng
        file carries are tried after these.
    :param sender: the side whose bytes a raw stream holds; by default the content decides, and tells two sides apart.
    :param raw: ``False``: an input that is no capture file is an error.
    :param registry: the protocols to recognise and decode.
    :param max_body: largest body of a frame, in bytes.
    :param limits: what the packets of a capture may cost.
    :param keep_bytes: report undecoded bytes themselves (``DissectedBytes.data``, on TCP), and the first bytes of
        connections that look like OpenD's and were not recognised (``UnrecognisedConnection.sent``). Costs a copy of
        all bytes.
    :param columns: servers' frames on TCP that these want are put there, and counted by ``CollectedFrames``: see
        ``ftwire.body_columns``. Bare bytes of a connection are reported frame by frame all the same, and so is
        everything with ``keep_bytes``.
    :raises KeyFormatError: a PEM without a usable key.
    """

    def __init__(
        self,
        *,
        keys: Iterable[RsaKey | str | bytes] = (),
        sender: Role | None = None,
        raw: bool = True,
        registry: Registry = registry,
        max_body: int = DEFAULT_MAX_BODY,
        limits: Limits | None = None,
        keep_bytes: bool = False,
        columns: BodyColumns | None = None,
    ) -> None:
        self.account: Final = Account()
        """What was read so far, and what of it was not turned into frames."""
        self._keys: Final = [key if isinstance(key, RsaKey) else RsaKey.from_pem(key) for key in keys]
        self._sender: Final = sender
        self._registry: Final = registry
        self._max_body: Final = max_body
        self._limits: Final = limits
        self._keep_bytes: Final = keep_bytes
        self._columns: Final = columns
        self._takes_raw: Final = raw
        self.part = 0
        """Position of the file that the last report of ``read_files`` comes from."""
        self._head = b""
        self._frames: PacketFrames | RawFrames | None = None if raw else self._packet_frames()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, frames so far: {self.account.frames}>"

    def feed(self, chunk: bytes) -> Iterator[Dissected]:
        """Take the next bytes of the input; return an iterator over what they bring about.

        The iterator raises

        * ``NotACaptureError``: the input is no capture file (and, where raw streams are taken, it is compressed and
          holds something else);
        * ``UnsupportedCompressionError``: it is compressed in a way that cannot be undone here;
        * ``CaptureFormatError``: the file is damaged. Everything in front of the damage was reported; ``close``
          still reports what waits.
        """
        if self._frames is None:
            self._head += chunk
            if len(self._head) < ENOUGH_TO_TELL:
                return iter(())
            chunk, self._frames = self._head, self._choose()
        return self._frames.feed(chunk)

    def close(self) -> Iterator[Dissected]:
        """End the input; return an iterator over what had to wait for that.

        After the last report it raises

        * ``TruncatedCaptureError``: the file ends inside a packet;
        * ``NotACaptureError``: the input was empty, or held nothing that could be read.
        """
        if self._frames is None:
            self._frames = self._choose()
            return chain(self._frames.feed(self._head), self._frames.close())
        return self._frames.close()

    def read(self, chunks: Iterable[bytes]) -> Iterator[Dissected]:
        """Feed all chunks and close: iterate over the reports of a whole input.

        Raises what ``feed`` and ``close`` raise, after the last report, and whatever ``chunks`` raises.
        """
        damage: CaptureError | None = None
        try:
            for chunk in chunks:
                yield from self.feed(chunk)
        except CaptureError as error:
            damage = error
        yield from self.close()
        if damage is not None:
            raise damage

    def read_files(
        self, files: Sequence[BinaryIO], *, progress: Callable[[int], None] | None = None, at_once: bool = True
    ) -> Iterator[Dissected]:
        """Read one capture whole, from a file or from its parts: iterate over its reports, in order of time.

        A file that is not in order of time is read in order: it is read through first for an index of where times go
        back, which takes at most some 100 MiB of memory. What can be read only once (compressed files, pipes) is put in
        order within a window of 32 MiB; but a single pipe is reported as it comes if ``at_once`` is true, for a
        capture that is still being made. ``account.late_packets`` counts the packets that came too late all the same.

        Several files are the parts of one capture, in any order: connections go on over them, frames and
        conversations are numbered through. None of them may be a raw stream. ``part`` is the position of the file
        that the last report comes from, or which is no capture.

        ``progress`` is called now and then with the number of bytes read. The files stay open. Raises ``OSError``, also
        at once, and what ``read`` raises, after the last report (``account.damaged_parts`` has all).
        """
        if len(files) != 1:
            return self._read_parts(files, progress)
        (file,) = files
        if not at_once or is_stored(file):
            head, file = _peek(file)
            begin = file.tell() if is_stored(file) else None
            # What begins like a capture may turn out to be none.
            with suppress(NotACaptureError):
                if is_capture(head):
                    part = CapturePart(file, self._limits)
                    is_ready = part.is_indexed and part.in_order
                    self._frames = frames = self._packet_frames()
                    return frames.read(part if is_ready else OrderedPackets([part]), progress)
            if begin is not None:
                file.seek(begin)
        return self.read(_chunks_of(file, progress))

    def _read_parts(self, files: Sequence[BinaryIO], progress: Callable[[int], None] | None) -> Iterator[Dissected]:
        """Read the parts of one capture, and note which of them each report comes from."""
        parts = []
        for self.part, file in enumerate(files):
            parts.append(CapturePart(file, self._limits))
        packets = OrderedPackets(parts)
        self._frames = frames = self._packet_frames()
        try:
            for report in frames.read(packets, progress):
                if packets.current is not None:
                    self.part = packets.current
                yield report
        except NotACaptureError:
            self.part = packets.current or 0
            raise
        except CaptureError:
            self.account.damaged_parts = packets.damaged
            raise

    def _choose(self) -> PacketFrames | RawFrames:
        if is_capture(self._head):
            return self._packet_frames()
        return RawFrames(
            self.account, keys=self._keys, max_body=self._max_body, registry=self._registry, sender=self._sender
        )

    def _packet_frames(self) -> PacketFrames:
        return PacketFrames(
            self.account,
            keys=self._keys,
            max_body=self._max_body,
            registry=self._registry,
            limits=self._limits,
            keep_bytes=self._keep_bytes,
            columns=self._columns,
            refusal=f"{NEITHER}: " if self._takes_raw else "",
        )


def _peek(file: BinaryIO) -> tuple[bytes, BinaryIO]:
    """Return the first bytes of a file, and the file as it was before they were read."""
    begin = file.tell() if is_stored(file) else None
    head = b""
    while len(head) < ENOUGH_TO_TELL and (chunk := file.read(ENOUGH_TO_TELL - len(head))):
        head += chunk
    if begin is None:
        return head, cast(BinaryIO, BegunStream(head, file))
    file.seek(begin)
    return head, file


def _chunks_of(file: BinaryIO, progress: Callable[[int], None] | None) -> Iterator[bytes]:
    # A pipe's read would wait until a whole chunk is there; its read1 returns what there is.
    read_some = getattr(file, "read1", file.read)
    done = 0
    while chunk := read_some(CHUNK):
        yield chunk
        done += len(chunk)
        if progress is not None:
            progress(done)
