"""``read``: iterate over the frames of a capture. Here, and nowhere else in the library, a path is opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike
from typing import TYPE_CHECKING, BinaryIO, Final

from ftwire.capture.dissected import DissectedFrame
from ftwire.capture.reader import CaptureReader
from ftwire.protocols import Registry, registry
from ftwire.stream import DEFAULT_MAX_BODY

if TYPE_CHECKING:
    from ftwire.capture.account import Account
    from ftwire.cipher import RsaKey
    from ftwire.frame import Role

__all__ = ["FrameIterator", "read"]

CHUNK: Final = 128 * 1024
"""Bytes read at a time. A pipe may return fewer."""


class FrameIterator(Iterator[DissectedFrame]):
    """The frames of a capture, in the order of the capture; returned by ``read``."""

    def __init__(self, chunks: Iterable[bytes], reader: CaptureReader) -> None:
        self._frames: Final = (report for report in reader.read(chunks) if isinstance(report, DissectedFrame))
        self.account: Final[Account] = reader.account
        """What was read so far, and what of it was not turned into frames."""

    def __next__(self) -> DissectedFrame:
        return next(self._frames)


def read(
    source: str | PathLike[str] | BinaryIO | bytes | bytearray | memoryview,
    *,
    keys: Iterable[RsaKey | str | bytes] = (),
    sender: Role | None = None,
    registry: Registry = registry,
    max_body: int = DEFAULT_MAX_BODY,
) -> FrameIterator:
    """Iterate over the frames of a capture: pcap or pcapng, compressed or not, or the bytes that one side or both sent.

    gzip, xz and bzip2 are decompressed, zstd and lz4 where the extra ``compressed`` is installed.

    Every frame is returned, also one that cannot be read: its ``message`` is then ``None``, and ``error`` says why
    (a digest that does not agree, encryption without a known key, an unknown protocol, a damaged body). Bytes in no
    frame, packets that could not be taken apart, conversations without a key and connections that look like this
    protocol without a frame in them are counted in ``account`` of the iterator; ``CaptureReader`` reports each of them.

    :param source: a path, an open binary file (which stays open), or the bytes of a capture.
    :param keys: RSA private keys to try on encrypted conversations; PEM text or bytes are read.
    :param sender: the side whose bytes a raw stream holds; by default the content decides, and tells two sides apart.
    :param registry: the protocols to recognise and decode.
    :param max_body: largest body of a frame, in bytes.
    :raises KeyFormatError: a PEM without a usable key.

    The iterator raises ``OSError`` where the file cannot be read, and ``CaptureError`` after the last frame where
    the file is damaged, cut, or no capture at all.
    """
    reader = CaptureReader(keys=keys, sender=sender, registry=registry, max_body=max_body)
    return FrameIterator(_chunks(source), reader)


def _chunks(source: str | PathLike[str] | BinaryIO | bytes | bytearray | memoryview) -> Iterator[bytes]:
    if isinstance(source, str | PathLike):
        with open(source, "rb") as stream:  # noqa: PTH123 - pathlib is slow to import, and a path may be of any kind
            yield from _chunks_of(stream)
    elif isinstance(source, bytes | bytearray | memoryview):
        yield bytes(source)
    else:
        yield from _chunks_of(source)


def _chunks_of(stream: BinaryIO) -> Iterator[bytes]:
    # A pipe's read would wait until a whole chunk is there; its read1 returns what there is.
    read_some = getattr(stream, "read1", stream.read)
    while chunk := read_some(CHUNK):
        yield chunk
