"""``read``: iterate over the frames of a capture. Here, and nowhere else in the library, a path is opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from io import BytesIO, TextIOBase
from os import PathLike
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias, cast

from ftwire.capture.dissected import DissectedFrame
from ftwire.capture.reader import CaptureReader
from ftwire.protocols import Registry, registry
from ftwire.stream import DEFAULT_MAX_BODY

if TYPE_CHECKING:
    from ftwire.capture.account import Account
    from ftwire.capture.dissected import Dissected
    from ftwire.cipher import RsaKey
    from ftwire.frame import Role

__all__ = ["FrameIterator", "read"]

Source: TypeAlias = str | PathLike[str] | BinaryIO | bytes | bytearray | memoryview
"""A path, an open binary file, or the bytes of a capture."""


class FrameIterator(Iterator[DissectedFrame]):
    """The frames of a capture, in order of time; returned by ``read``."""

    def __init__(self, reports: Iterable[Dissected], account: Account) -> None:
        self._frames: Final = (report for report in reports if isinstance(report, DissectedFrame))
        self.account: Final = account
        """What was read so far, and what of it was not turned into frames."""

    def __next__(self) -> DissectedFrame:
        return next(self._frames)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, frames so far: {self.account.frames}>"


def read(
    source: Source | Sequence[Source],
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

    Frames come in order of time, also where the file is not: see ``CaptureReader.read_files``. Several sources are the
    parts of one capture, as ``tcpdump -C`` and ``dumpcap -b`` write them, in any order: connections go on over them,
    and frames are numbered through.

    :param source: a path, an open binary file (which stays open), or the bytes of a capture; or a sequence of them.
    :param keys: RSA private keys to try on encrypted conversations; PEM text or bytes are read.
    :param sender: the side whose bytes a raw stream holds; by default the content decides, and tells two sides apart.
    :param registry: the protocols to recognise and decode.
    :param max_body: largest body of a frame, in bytes.
    :raises KeyFormatError: a PEM without a usable key.
    :raises TypeError: something else, or a file that is open for text.

    The iterator raises ``OSError`` where the file cannot be read, and ``CaptureError`` after the last frame where
    the file is damaged, cut, or no capture at all.
    """
    reader = CaptureReader(keys=keys, sender=sender, registry=registry, max_body=max_body)
    sources: Sequence[Source] = source if isinstance(source, list | tuple) else [cast(Source, source)]
    for each in sources:
        if isinstance(each, TextIOBase):
            raise TypeError("a capture is binary: open its file with mode 'rb'")
        if not isinstance(each, str | PathLike | bytes | bytearray | memoryview) and not hasattr(each, "read"):
            raise TypeError(f"a path, a binary file or bytes are expected, here is {type(each).__name__}")
    return FrameIterator(_reports(reader, sources), reader.account)


def _reports(reader: CaptureReader, sources: Sequence[Source]) -> Iterator[Dissected]:
    with ExitStack() as stack:
        files: list[BinaryIO] = []
        for source in sources:
            if isinstance(source, str | PathLike):
                # pathlib is slow to import, and a path may be of any kind.
                files.append(stack.enter_context(open(source, "rb")))  # noqa: PTH123
            elif isinstance(source, bytes | bytearray | memoryview):
                files.append(BytesIO(source))
            else:
                files.append(source)
        yield from reader.read_files(files)
