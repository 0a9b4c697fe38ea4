"""One input to its files: the function that every engine runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from io import RawIOBase
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Final, cast

from ftwire import __version__
from ftwire.cipher import RsaKey
from ftwire.errors import NotACaptureError
from ftwire.pcap.ordering import is_stored
from ftwire_tools.captures.input_files import CHUNK, allow_open_files
from ftwire_tools.export.formats import FileSet
from ftwire_tools.export.frame_columns import TableOptions
from ftwire_tools.export.manifest import (
    DONE,
    FAILED,
    QUARANTINED,
    SCHEMA,
    ExportOutcome,
    any_recorded,
    forget_names,
    is_compacted,
    keep_names,
    names_kept,
    record,
    recorded,
)
from ftwire_tools.export.pipeline import CaptureCounts, TableBatch, read_blocks
from ftwire_tools.export.store import is_remote, open_source, stat_of, store_at

__all__ = [
    "ExportSettings",
    "MixedTablesError",
    "Task",
    "check_output",
    "check_replaceable",
    "finished",
    "quarantine",
    "run_task",
    "stat_of_task",
    "task_for",
]

DIGITS: Final = 16
"""Hexadecimal digits kept of a SHA-256 digest that names a task or its settings."""


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """Everything asked for, in values that can be sent to any process."""

    out: str
    """Directory for the tables, or a URL that fsspec opens."""
    format: str = "parquet"
    """One of ``formats.FORMATS``."""
    key_pems: tuple[bytes, ...] = ()
    """RSA private keys to decrypt with."""
    options: TableOptions = field(default_factory=TableOptions)

    @property
    def digest(self) -> str:
        """Digest of what the rows depend on: two runs with the same give the same rows. It reveals no key."""
        keys = [hashlib.sha256(pem).hexdigest() for pem in self.key_pems]
        of = self.options
        protocols = None if of.protocols is None else sorted(of.protocols)
        shown = (of.explode, of.levels, of.show_secrets, of.columns)
        # What was not there in older releases counts only where it is used: what they have exported stays done.
        chosen = (of.expression,) if of.expression else ()
        asked = (self.format, keys, protocols, *shown, of.max_body, of.block, *chosen)
        return hashlib.sha256(repr(asked).encode()).hexdigest()[:DIGITS]


@dataclass(frozen=True, slots=True)
class Task:
    """One input to be exported."""

    source: str
    name: str
    """Digest of the source's full path, or of those of the parts."""
    settings: ExportSettings
    parts: tuple[str, ...] = ()
    """The paths of the parts, where several files are one capture."""

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths that are read."""
        return self.parts or (self.source,)


def task_for(source: str | Sequence[str], settings: ExportSettings) -> Task:
    """Return the task of an input, or of parts in any order: the same for the same paths every time."""
    if not isinstance(source, str):
        paths = sorted(source)
        if len(paths) > 1:
            name = f"{paths[0]} and {len(paths) - 1} more"
            return Task(name, _digest_of("\0".join(map(_full, paths))), settings, tuple(paths))
        (source,) = paths
    return Task(source, _digest_of(_full(source)), settings)


def _full(path: str) -> str:
    return path if is_remote(path) else str(Path(path).resolve())


def _digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def stat_of_task(task: Task) -> tuple[int, str]:
    """Return the size of all parts, and what changes with them. Raises ``OSError``."""
    found = [stat_of(path) for path in task.paths]
    return sum(size for size, _ in found), " ".join(changed for _, changed in found)


class MixedTablesError(Exception):
    """The output directory holds tables with other columns than those that would be added."""


def check_output(settings: ExportSettings) -> None:
    """Raise ``MixedTablesError`` where the output directory holds tables with columns of other names."""
    found = any_recorded(store_at(settings.out))
    if found is None:
        return
    if found.schema != SCHEMA:
        raise MixedTablesError(
            f"{settings.out} holds tables of schema {found.schema} (ftwire {found.version}), and this ftwire writes "
            f"schema {SCHEMA}, whose tables or columns have other names: give another directory, or delete that one"
        )
    if found.columns != settings.options.columns:
        raise MixedTablesError(
            f"{settings.out} holds tables with --columns {found.columns}: give another directory, or that option"
        )


def check_replaceable(task: Task) -> None:
    """Raise ``MixedTablesError`` where an input was exported before and its rows share files with those of others."""
    found = recorded(store_at(task.settings.out), task.name)
    if found is not None and any(map(is_compacted, found.files)):
        raise MixedTablesError(
            f"{task.source} has changed since it was exported, or is exported in another way now, and its rows were "
            f"compacted with those of others in {task.settings.out}: give another directory, or delete that one"
        )


def finished(task: Task) -> ExportOutcome | None:
    """Return the recorded outcome of a task that need not be run again: same input, settings and version.

    Raises ``OSError`` where the output directory cannot be read.
    """
    if "-" in task.paths:
        return None
    found = recorded(store_at(task.settings.out), task.name)
    if found is None or found.status == FAILED:
        return None
    if (found.version, found.settings, found.schema) != (__version__, task.settings.digest, SCHEMA):
        return None
    try:
        size, changed = stat_of_task(task)
    except OSError:
        return None
    if (found.size, found.changed) == (size, changed):
        return found
    # It may have been touched or copied: the digest decides.
    if found.status != DONE or found.size != size or _digest(task) != found.sha256:
        return None
    return found


def run_task(task: Task, progress: Callable[[int, int], None] | None = None) -> ExportOutcome:
    """Export one input: all its files appear and then its entry in the manifest, or none of them.

    ``progress`` is called with bytes and frames so far. An input that cannot be read is an outcome, too. Raises
    ``OSError`` where the output cannot be written, and ``ImportError`` for a package that is missing.
    """
    store_at(task.settings.out).abandon(task.name)
    keys = tuple(map(RsaKey.from_pem, task.settings.key_pems))
    outcome, counts = _new_outcome(task), CaptureCounts()
    try:
        _export(task, keys, outcome, counts, progress)
    except (NotACaptureError, _UnreadableError) as error:
        outcome.status, outcome.error = FAILED, str(error)
    except (OSError, ImportError):
        raise  # of the output, or of this installation: all other inputs would fail as well
    except Exception as error:  # a bug that one input brings out must not keep the others from being exported
        outcome.status, outcome.error = FAILED, f"{type(error).__name__}: {error}"
    outcome.frames, outcome.undecoded, outcome.notes = counts.frames, counts.undecoded, counts.notes
    outcome.times_differ = counts.times_differ
    outcome.without_request = counts.without_request
    return _finish(task, outcome)


def quarantine(task: Task, error: str) -> ExportOutcome:
    """Record that an input is not to be tried again, and why."""
    outcome = _new_outcome(task)
    try:
        outcome.size, outcome.changed = stat_of_task(task)
    except OSError:
        error = f"{error}, and it is gone"
    outcome.status, outcome.error = QUARANTINED, error
    return _finish(task, outcome)


def _new_outcome(task: Task) -> ExportOutcome:
    return ExportOutcome(
        task.source,
        task.name,
        version=__version__,
        settings=task.settings.digest,
        schema=SCHEMA,
        columns=task.settings.options.columns,
    )


def _finish(task: Task, outcome: ExportOutcome) -> ExportOutcome:
    """Give an input's files their names, or delete them where it failed, and record the outcome."""
    store = store_at(task.settings.out)
    before = recorded(store, task.name)
    old = {*names_kept(store, task.name), *(before.files if before is not None else ())}
    if outcome.status == DONE:
        # Should this process end before the entry is written, the next one knows which files to delete.
        keep_names(store, task.name, [*old, *outcome.files])
        store.complete(task.name, outcome.files)
    else:
        store.abandon(task.name)
        outcome = replace(outcome, files=[], rows={})
    store.remove(old - set(outcome.files))
    record(store, outcome)
    forget_names(store, task.name)
    return outcome


class _UnreadableError(Exception):
    """The input cannot be read."""


def _export(
    task: Task,
    keys: Sequence[RsaKey],
    outcome: ExportOutcome,
    counts: CaptureCounts,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Write an input's files and describe them in ``outcome``. Raises ``_UnreadableError`` for the input's faults."""
    settings = task.settings
    store = store_at(settings.out)
    hashed = hashlib.sha256()
    allow_open_files(len(task.paths))
    with ExitStack() as stack:
        try:
            outcome.size, outcome.changed = stat_of_task(task)
            files = [stack.enter_context(open_source(path)) for path in task.paths]
        except OSError as error:
            raise _UnreadableError(error.strerror or str(error)) from None
        streams: list[BinaryIO] = [
            file if is_stored(file) else cast(BinaryIO, _HashedStream(file, hashed.update)) for file in files
        ]
        found = read_blocks(streams, task.source, keys, settings.options, counts, progress, threads=True)
        rows = stack.enter_context(closing(_of_input(found)))
        for block, batches in groupby(rows, itemgetter(0)):
            with FileSet(store, task.name, settings.format, block) as written:
                for _, (table, batch) in batches:
                    outcome.rows[table] = outcome.rows.get(table, 0) + len(batch)
                    written.add(table, batch)
            outcome.files += written.names
        for stream in streams:
            if is_stored(stream):
                stream.seek(0)
                for chunk in iter(lambda stream=stream: stream.read(CHUNK), b""):  # type: ignore[misc]
                    hashed.update(chunk)
            else:
                while stream.read(CHUNK):
                    pass  # what is behind damage: the digest is of the whole file
    outcome.sha256 = hashed.hexdigest()
    outcome.error = "; ".join(counts.damage) or None


class _HashedStream(RawIOBase):
    """A stream that is read once, and its bytes given to a digest."""

    def __init__(self, stream: BinaryIO, update: Callable[[bytes], None]) -> None:
        self._read: Final = getattr(stream, "read1", stream.read)
        self._update: Final = update

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        chunk: bytes = self._read(size)
        self._update(chunk)
        return chunk


def _of_input(rows: Iterator[tuple[int, TableBatch]]) -> Generator[tuple[int, TableBatch]]:
    """Pass rows on; an error that comes with them is the input's. Raises ``_UnreadableError``."""
    try:
        yield from rows
    except OSError as error:
        raise _UnreadableError(error.strerror or str(error)) from None


def _digest(task: Task) -> str:
    hashed = hashlib.sha256()
    for path in task.paths:
        with open_source(path) as file:
            while chunk := file.read(CHUNK):
                hashed.update(chunk)
    return hashed.hexdigest()
