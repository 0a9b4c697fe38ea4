"""A capture to batches of all tables, in bounded memory.

Frames are collected until there are enough of them and then converted, all classes at once: each batch of a table
was captured later than the one before it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

from ftwire.capture import CaptureReader, UnrecognisedConnection
from ftwire.errors import CaptureError, NotACaptureError
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire_tools.captures.account_text import explain_hint, unrecognised_text, without_conversation
from ftwire_tools.export.ahead import ahead
from ftwire_tools.export.frame_columns import Collected, FrameCollector, TableOptions
from ftwire_tools.export.manifest import ALL, COLUMNS
from ftwire_tools.export.store import open_source
from ftwire_tools.export.table_builder import TableBatch, TableBuilder

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey

__all__ = ["CaptureCounts", "TableBatch", "read_blocks", "tables"]


MAX_NOTES: Final = 20
"""Connections of one input that are named; all of them are counted, and in the table ``errors``."""


@dataclass(slots=True)
class CaptureCounts:
    """What was read of one capture so far."""

    bytes: int = 0
    frames: int = 0
    failed: int = 0
    """Frames, bytes in no frame and damage in the table ``errors``, without commands that need no body."""
    refused: int = 0
    """Bodies that protobuf or Arrow refused: the other rows of that table."""
    times_differ: dict[str, int] = field(default_factory=dict)
    """Rows with a local time that is not that of its timestamp, by table."""
    without_request: int = 0
    """Responses whose request was not captured."""
    damage: list[str] = field(default_factory=list)
    """Why the file could not be read to its end, or packets of it not at all."""
    notes: list[str] = field(default_factory=list)
    """Connections that look like this protocol and have no frame, and that there is no conversation."""

    @property
    def undecoded(self) -> int:
        """Rows of the table ``errors``, without those of commands that need no body."""
        return self.failed + self.refused


def tables(
    paths: Iterable[str],
    *,
    keys: Sequence[RsaKey] = (),
    protocols: frozenset[int] | None = None,
    explode: bool = False,
    levels: int = 10,
    show_secrets: bool = False,
    converter: str | None = None,
    max_body: int = DEFAULT_MAX_BODY,
    columns: str = ALL,
) -> Iterator[TableBatch]:
    """Return the rows of captures as Arrow batches, in bounded memory.

    Within a capture, batches of one table come in the order of capture. What cannot be decoded is in the table
    ``errors``.

    ``paths`` are files, "-" for standard input, or URLs that fsspec opens; ``keys`` RSA private keys to decrypt
    with; ``protocols`` the only protocol IDs wanted. With ``explode`` lists inside rows become tables of their own.
    ``levels`` is the number of levels of each side in ``order_book_wide``; ``max_body`` the size in bytes above
    which a body is an error; ``columns`` is ``all``, or ``sdk`` for those of the vendor's SDK. Account numbers, keys
    and passwords are masked without ``show_secrets``. ``converter`` is deprecated and has no effect: there is one
    converter.

    Raises ``ValueError`` for other ``columns``, ``OSError`` for a file that cannot be read, ``NotACaptureError`` for
    one that is no capture, and ``ImportError`` for a package that fsspec needs for such a path.
    """
    if converter is not None:
        warnings.warn("converter has no effect: there is one converter", DeprecationWarning, stacklevel=2)
    if columns not in COLUMNS:
        raise ValueError(f"columns is one of {', '.join(COLUMNS)}, not {columns!r}")
    options = TableOptions(protocols, explode, levels, show_secrets, max_body, columns=columns)
    return _tables(paths, keys, options)


def _tables(paths: Iterable[str], keys: Sequence[RsaKey], options: TableOptions) -> Iterator[TableBatch]:
    for path in paths:
        with open_source(path) as file:
            for _, batch in read_blocks([file], path, keys, options, CaptureCounts()):
                yield batch


def read_blocks(
    files: Sequence[BinaryIO],
    name: str,
    keys: Sequence[RsaKey],
    options: TableOptions,
    counts: CaptureCounts,
    progress: Callable[[int, int], None] | None = None,
    *,
    threads: bool = False,
) -> Iterator[tuple[int, TableBatch]]:
    """Return the rows of one capture, called ``name`` in them, each batch with the number of its block.

    ``files`` is the capture's, or its parts. A chunk belongs to the block in which it begins. ``counts`` are kept up to
    date, and ``progress`` is called with bytes and frames so far after every chunk. With ``threads`` one thread reads
    and another makes rows, a batch ahead of each other; the batches are the same. Raises ``NotACaptureError`` where
    there is no capture, and ``OSError`` where a file cannot be read.
    """
    collected = _collect(files, name, keys, options, counts, progress)
    made = _make_rows(ahead(collected, 1) if threads else collected, name, options, counts)
    return ahead(made, 1) if threads else made


def _make_rows(
    collected: Iterable[tuple[int, Collected]], name: str, options: TableOptions, counts: CaptureCounts
) -> Iterator[tuple[int, TableBatch]]:
    builder = TableBuilder(name, options)
    for block, each in collected:
        for batch in builder.build(each):
            yield block, batch
        counts.refused = builder.refused
        counts.times_differ = dict(builder.times_differ)


def _collect(
    files: Sequence[BinaryIO],
    name: str,
    keys: Sequence[RsaKey],
    options: TableOptions,
    counts: CaptureCounts,
    progress: Callable[[int, int], None] | None,
) -> Iterator[tuple[int, Collected]]:
    """Return the frames of a capture, as many at a time as are converted together, with the number of their block."""
    collector = FrameCollector(options)
    reader = CaptureReader(keys=keys, max_body=options.max_body, columns=collector.columns)
    account = reader.account
    block = 0

    def taken() -> tuple[int, Collected]:
        counts.frames, counts.failed = account.frames, collector.undecoded
        counts.without_request = collector.without_request
        return block, collector.taken()

    def note_progress(done: int) -> None:
        counts.bytes, counts.frames = done, account.frames
        if progress is not None:
            progress(counts.bytes, counts.frames)

    def note(text: str) -> None:
        # A client that tries again and again makes one connection after the other.
        if len(counts.notes) < MAX_NOTES:
            counts.notes.append(text)

    def add_damage(kind: str, text: str) -> None:
        counts.damage.append(text)
        collector.add_damage(kind, text)

    try:
        for report in reader.read_files(files, progress=note_progress, at_once=False):
            if counts.bytes // options.block > block:
                yield taken()
                block = counts.bytes // options.block
            collector.add(report)
            if isinstance(report, UnrecognisedConnection):
                note(unrecognised_text(report))
            if collector.is_full:
                yield taken()
    except NotACaptureError:
        raise
    except CaptureError as error:
        for damage in account.damaged_parts.values() or [error]:
            add_damage(type(damage).__name__, str(damage))
    if account.unrecognised:
        counts.notes.append(explain_hint(name, account.unrecognised))
    if nothing := without_conversation(account):
        counts.notes.append(nothing)
    for sentence in account.unread():
        add_damage("PacketSkipped", sentence)
    if collector.times_left_out:
        add_damage("CaptureTimeLeftOut", f"{collector.times_left_out} capture times outside 1678 to 2261 are null")
    if account.late_packets:
        counts.damage.append(
            f"{account.late_packets} packets are further from their place in time than a stream is "
            "put in order; give the uncompressed file itself"
        )
    yield taken()
