"""Inputs: a file, a pipe or standard input; and which of several are parts of one capture."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from typing import TYPE_CHECKING, Final, cast

from ftwire.capture import ENOUGH_TO_TELL, is_capture
from ftwire.errors import CaptureError
from ftwire.pcap import Dissector, FlowOpened, PacketReader
from ftwire.pcap.ordering import is_stored

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["CHUNK", "Input", "allow_open_files", "one_capture_each", "open_input", "read_file"]

CHUNK: Final = 128 * 1024
"""Largest number of bytes read at a time. A pipe may return fewer."""

FEW_FILES: Final = 200
"""Open files that any process may have, without a look at its limit."""


class Input:
    """An open input."""

    def __init__(self, path: str, name: str, stream: BinaryIO) -> None:
        self.path: Final = path
        """As it was given."""
        self.name: Final = name
        """Its name in messages."""
        self.stream: Final = stream
        self.size: Final = _size(stream)
        """Bytes of a regular file, 0 of anything else."""

    def chunks(self) -> Iterator[bytes]:
        """Return the bytes to the end of the input. Raises ``OSError``."""
        # read1 returns what a pipe holds now; read would wait until a whole chunk is there.
        read = getattr(self.stream, "read1", self.stream.read)
        while chunk := read(CHUNK):
            yield chunk


@contextmanager
def open_input(path: str) -> Iterator[Input]:
    """Open a file, or standard input for ``-``. Raises ``OSError``."""
    if path == "-":
        yield Input("-", "standard input", sys.stdin.buffer)
        return
    # Importing pathlib would take as long as reading a small capture.
    with _opened(path) as stream:
        yield Input(path, path, cast("BinaryIO", stream))


def allow_open_files(count: int) -> None:
    """Let this process have so many files open at once, as far as the system lets it: all parts of a capture are."""
    if count < FEW_FILES:
        return
    try:
        import resource
    except ImportError:  # Windows has another limit, of 8192
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + FEW_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))


def one_capture_each(inputs: Sequence[Input]) -> list[list[Input]]:
    """Group inputs into captures. Raises ``OSError``.

    All capture files together are one capture, but for copies: files that begin with the same packet, or with the same
    first packet of a connection at another time, are each in a capture of their own, since joined, the packets of one
    would pass for repetitions of the other's. The bytes that one side of a connection sent are read for themselves.
    """
    if len(inputs) < 2:
        return [list(inputs)] if inputs else []
    groups: list[list[Input]] = []
    captures: list[tuple[list[Input], set[tuple[int, bytes]]]] = []
    for each in inputs:
        head = _head(each)
        if head is not None and not is_capture(head[:ENOUGH_TO_TELL]):
            groups.append([each])
            continue
        first = None if head is None else _first_packet(head)
        group, known = next((found for found in captures if first not in found[1]), ([], set()))
        if not group:
            captures.append((group, known))
            groups.append(group)
        group.append(each)
        if first is not None:
            known.add(first)
    return groups


def _head(source: Input) -> bytes | None:
    """Return the first bytes of a regular file or of bytes in memory; ``None`` of what can be read only once."""
    if not is_stored(source.stream):
        return None
    begin = source.stream.tell()
    head = source.stream.read(CHUNK)
    source.stream.seek(begin)
    return head


def _first_packet(head: bytes) -> tuple[int, bytes] | None:
    """Return time and bytes of the first packet; 0 for its time if it opens a connection: its numbers are unique."""
    try:
        packet = next(iter(PacketReader().feed(head)), None)
    except CaptureError:
        return None
    if packet is None:
        return None
    opens = any(isinstance(event, FlowOpened) and event.flow.client_known for event in Dissector().packet(packet))
    return 0 if opens else packet.time_ns, packet.data


def read_file(path: str) -> bytes:
    """Return the whole content of a small file. Raises ``OSError``."""
    with _opened(path) as stream:
        return stream.readall()


def _opened(path: str) -> FileIO:
    try:
        return FileIO(path)
    except PermissionError:
        # What Windows says of a directory.
        if os.path.isdir(path):  # noqa: PTH112
            raise IsADirectoryError(21, "Is a directory", path) from None
        raise


def _size(stream: BinaryIO) -> int:
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0
