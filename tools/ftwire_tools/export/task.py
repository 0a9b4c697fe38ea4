"""One input to its files: the function that every engine runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final

from ftwire import __version__
from ftwire.cipher import RsaKey
from ftwire.errors import NotACaptureError
from ftwire_tools.export.formats import FileSet
from ftwire_tools.export.frame_columns import TableOptions
from ftwire_tools.export.manifest import DONE, FAILED, QUARANTINED, ExportOutcome, record, recorded
from ftwire_tools.export.pipeline import CaptureCounts, read_blocks
from ftwire_tools.export.store import is_remote, open_source_file, stat_of, store_at

__all__ = ["ExportSettings", "Task", "finished", "quarantine", "run_task", "task_for"]

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
        asked = (self.format, keys, protocols, of.explode, of.levels, of.show_secrets, of.max_body, of.block)
        return hashlib.sha256(repr(asked).encode()).hexdigest()[:DIGITS]


@dataclass(frozen=True, slots=True)
class Task:
    """One input to be exported."""

    source: str
    name: str
    """Digest of the source's full path."""
    settings: ExportSettings


def task_for(source: str, settings: ExportSettings) -> Task:
    """Return the task of an input: the same for the same path every time."""
    full = source if is_remote(source) else str(Path(source).resolve())
    return Task(source, hashlib.sha256(full.encode()).hexdigest()[:DIGITS], settings)


def finished(task: Task) -> ExportOutcome | None:
    """Return the recorded outcome of a task that need not be run again: same input, settings and version.

    Raises ``OSError`` where the output directory cannot be read.
    """
    if task.source == "-":
        return None
    found = recorded(store_at(task.settings.out), task.name)
    if found is None or found.status == FAILED:
        return None
    if (found.version, found.settings) != (__version__, task.settings.digest):
        return None
    try:
        size, changed = stat_of(task.source)
    except OSError:
        return None
    if (found.size, found.changed) == (size, changed):
        return found
    # It may have been touched or copied: the digest decides.
    if found.status != DONE or found.size != size or _digest(task.source) != found.sha256:
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
    return _finish(task, outcome)


def quarantine(task: Task, error: str) -> ExportOutcome:
    """Record that an input is not to be tried again, and why."""
    outcome = _new_outcome(task)
    try:
        outcome.size, outcome.changed = stat_of(task.source)
    except OSError:
        error = f"{error}, and it is gone"
    outcome.status, outcome.error = QUARANTINED, error
    store = store_at(task.settings.out)
    store.abandon(task.name)
    record(store, outcome)
    return outcome


def _new_outcome(task: Task) -> ExportOutcome:
    return ExportOutcome(task.source, task.name, version=__version__, settings=task.settings.digest)


def _finish(task: Task, outcome: ExportOutcome) -> ExportOutcome:
    """Give an input's files their names, or delete them where it failed, and record the outcome."""
    store = store_at(task.settings.out)
    before = recorded(store, task.name)
    if outcome.status == DONE:
        store.complete(task.name, outcome.files)
    else:
        store.abandon(task.name)
        outcome = replace(outcome, files=[], rows={})
    if before is not None:
        store.remove(set(before.files) - set(outcome.files))
    record(store, outcome)
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
    with ExitStack() as stack:
        try:
            outcome.size, outcome.changed = stat_of(task.source)
            chunks = stack.enter_context(open_source_file(task.source))
        except OSError as error:
            raise _UnreadableError(error.strerror or str(error)) from None
        chunks = _hashing(chunks, hashed.update)
        rows = read_blocks(chunks, task.source, keys, settings.options, counts, progress)
        for block, batches in groupby(rows, itemgetter(0)):
            with FileSet(store, task.name, settings.format, block) as files:
                for _, (table, batch) in batches:
                    outcome.rows[table] = outcome.rows.get(table, 0) + len(batch)
                    files.add(table, batch)
            outcome.files += files.names
        for _ in chunks:
            pass  # what is behind damage: the digest is of the whole file
    outcome.sha256 = hashed.hexdigest()
    outcome.error = "; ".join(counts.damage) or None


def _hashing(chunks: Iterator[bytes], update: Callable[[bytes], None]) -> Iterator[bytes]:
    try:
        for chunk in chunks:
            update(chunk)
            yield chunk
    except OSError as error:
        raise _UnreadableError(error.strerror or str(error)) from None


def _digest(source: str) -> str:
    hashed = hashlib.sha256()
    with open_source_file(source) as chunks:
        for chunk in chunks:
            hashed.update(chunk)
    return hashed.hexdigest()
