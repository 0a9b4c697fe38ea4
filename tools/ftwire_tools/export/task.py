"""One input to its files: the function that every engine runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ftwire import __version__
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire_tools.captures.source import NothingFoundError
from ftwire_tools.export.frame_columns import BLOCK
from ftwire_tools.export.manifest import DONE, FAILED, QUARANTINED, Outcome, record, recorded
from ftwire_tools.export.store import is_remote, open_source_file, stat_of, store_at

if TYPE_CHECKING:
    from ftwire_tools.export.frame_columns import Reading
    from ftwire_tools.export.pipeline import Counts

__all__ = [
    "Progress",
    "Settings",
    "Task",
    "finish",
    "finished",
    "new_outcome",
    "quarantine",
    "reading_of",
    "run_task",
    "task_for",
]

Progress = Callable[[int, int], None]
"""Told of bytes and frames done so far."""

TASK_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything asked for, in values that any process can be sent."""

    out: str
    format: str = "parquet"
    key_pems: tuple[bytes, ...] = ()
    protocols: frozenset[int] | None = None
    explode: bool = False
    levels: int = 10
    show_secrets: bool = False
    converter: str = "auto"
    max_body: int = DEFAULT_MAX_BODY
    block: int = BLOCK
    """Bytes of an input whose rows share files."""

    @property
    def digest(self) -> str:
        """What tells whether rows would be the same; of the keys nothing can be learnt from it."""
        keys = [hashlib.sha256(pem).hexdigest() for pem in self.key_pems]
        protocols = None if self.protocols is None else sorted(self.protocols)
        asked = (self.format, keys, protocols, self.explode, self.levels, self.show_secrets, self.max_body, self.block)
        return hashlib.sha256(repr(asked).encode()).hexdigest()[:TASK_DIGITS]


@dataclass(frozen=True, slots=True)
class Task:
    """One input to be exported."""

    source: str
    name: str
    """Digest of the source's full path."""
    settings: Settings


def task_for(source: str, settings: Settings) -> Task:
    """Return the task of an input, the same for the same path every time."""
    full = source if is_remote(source) else str(Path(source).resolve())
    return Task(source, hashlib.sha256(full.encode()).hexdigest()[:TASK_DIGITS], settings)


def finished(task: Task) -> Outcome | None:
    """Return what became of a task that need not be run again: same input, same settings, same version.

    Raises ``OSError`` where the output's directory cannot be read.
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
    # Touched or copied, perhaps: its content tells.
    if found.status != DONE or found.size != size or _digest(task.source) != found.sha256:
        return None
    return found


def run_task(task: Task, progress: Progress | None = None) -> Outcome:
    """Export one input: all its files appear, and then its entry in the manifest; or none of them.

    An input that cannot be read is an ``Outcome``. Raises ``OSError`` where the output cannot be written, and
    ``ImportError`` for a package that is missing.
    """
    from ftwire_tools.export.pipeline import Counts

    settings = task.settings
    reading = reading_of(settings)
    store_at(settings.out).abandon(task.name)
    outcome = new_outcome(task)
    counts = Counts()
    try:
        _export(task, reading, counts, outcome, progress)
    except (NothingFoundError, _UnreadableError) as error:
        outcome.status, outcome.error = FAILED, str(error)
    except (OSError, ImportError):
        raise  # the output's fault, or ours: no other input would fare better
    except Exception as error:  # one input must not keep the others from being done
        outcome.status, outcome.error = FAILED, f"{type(error).__name__}: {error}"
    outcome.frames, outcome.undecoded = counts.frames, counts.undecoded
    return finish(task, outcome, counts.notes)


def new_outcome(task: Task) -> Outcome:
    """Return an outcome of which nothing but its task is known."""
    return Outcome(task.source, task.name, version=__version__, settings=task.settings.digest)


def finish(task: Task, outcome: Outcome, notes: Sequence[str]) -> Outcome:
    """Let an input's files appear, or take them away, and record what became of it; ``notes`` are of damage."""
    store = store_at(task.settings.out)
    before = recorded(store, task.name)
    if outcome.status == DONE:
        outcome.error = "; ".join(notes) or None
        store.complete(task.name, outcome.files)
    else:
        store.abandon(task.name)
        outcome = replace(outcome, files=[], rows={})
    if before is not None:
        store.remove(set(before.files) - set(outcome.files))
    record(store, outcome)
    return outcome


def quarantine(task: Task, error: str) -> Outcome:
    """Record that an input must not be tried again, and why."""
    outcome = new_outcome(task)
    try:
        outcome.size, outcome.changed = stat_of(task.source)
    except OSError:
        error = f"{error}, and it is gone"
    outcome.status, outcome.error = QUARANTINED, error
    store = store_at(task.settings.out)
    store.abandon(task.name)
    record(store, outcome)
    return outcome


def reading_of(settings: Settings) -> Reading:
    """Return how captures are to be read."""
    from ftwire.cipher import RsaKey
    from ftwire_tools.export.frame_columns import Reading

    return Reading(
        keys=tuple(map(RsaKey.from_pem, settings.key_pems)),
        protocols=settings.protocols,
        explode=settings.explode,
        levels=settings.levels,
        show_secrets=settings.show_secrets,
        converter=settings.converter,
        max_body=settings.max_body,
        block=settings.block,
    )


class _UnreadableError(Exception):
    """The input cannot be read."""


def _export(task: Task, reading: Reading, counts: Counts, outcome: Outcome, progress: Progress | None) -> None:
    from ftwire_tools.export.formats import FileSet
    from ftwire_tools.export.pipeline import read_blocks

    hashed = hashlib.sha256()
    store = store_at(task.settings.out)
    with ExitStack() as stack:
        try:
            outcome.size, outcome.changed = stat_of(task.source)
            chunks = stack.enter_context(open_source_file(task.source))
        except OSError as error:
            raise _UnreadableError(error.strerror or str(error)) from None
        source = _hashing(chunks, hashed.update)
        told = None if progress is None else (lambda seen: progress(seen.bytes, seen.frames))
        for block, batches in groupby(read_blocks(source, task.source, reading, counts, told), itemgetter(0)):
            with FileSet(store, task.name, task.settings.format, block) as files:
                for _, (table, batch) in batches:
                    outcome.rows[table] = outcome.rows.get(table, 0) + len(batch)
                    files.add(table, batch)
            outcome.files += files.names
        for _ in source:
            pass  # behind damage: the digest is that of the whole file
    outcome.sha256 = hashed.hexdigest()


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
