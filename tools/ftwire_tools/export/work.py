"""The steps of a split input, done: for the same files as ``task.run_task`` writes alone.

What no step can promise to do as one process would (see ``Trouble``) is done by one process.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from ftwire.errors import CaptureError
from ftwire.pcap import Limits, Survey
from ftwire_tools.captures.source import CLOSING, CaptureSource, NothingFoundError, RawSource, open_source
from ftwire_tools.export.formats import FileSet
from ftwire_tools.export.frame_columns import Reading, Sifter
from ftwire_tools.export.pipeline import Counts, Watch
from ftwire_tools.export.spool import SpoolWriter, Union, spooled
from ftwire_tools.export.steps import (
    Blocked,
    BlockStep,
    Digested,
    DigestStep,
    Found,
    Parted,
    PartStep,
    Result,
    Step,
    Surveyed,
    SurveyStep,
    Trouble,
    WholeStep,
    ends_key,
    found_name,
    spool_name,
)
from ftwire_tools.export.store import open_source_file, stat_of, store_at
from ftwire_tools.export.table_builder import Gatherer
from ftwire_tools.export.task import Progress, reading_of, run_task

if TYPE_CHECKING:
    from ftwire.pcap import Endpoint
    from ftwire_tools.captures.source import Source
    from ftwire_tools.export.store import Store

__all__ = ["perform"]

SPOOL_BYTES: Final = 2 << 20
SPOOL_ROWS: Final = 1 << 13
"""What a part keeps before it writes it down: a block is put together from batches of all parts."""

DAMAGED, END, SKIPPED = CLOSING - 1, CLOSING << 1, (CLOSING << 1) + 1
"""Moments of damage in the middle of a file, at its end, and of packets of unknown kinds."""


def perform(step: Step, progress: Progress | None = None) -> Result:
    """Do one step.

    Raises ``OSError`` where the output cannot be written, and ``ImportError`` for a package that is missing, from
    a ``WholeStep``; whatever goes wrong in the others is ``Trouble``.
    """
    if isinstance(step, WholeStep):
        return run_task(step.task, progress)
    try:
        if isinstance(step, DigestStep):
            return _digest(step)
        if isinstance(step, SurveyStep):
            return _survey(step)
        if isinstance(step, PartStep):
            return _Part(step, progress).run()
        return _block(step)
    except Exception as error:  # one process will meet it again, and say what it says
        return Trouble(f"{type(error).__name__}: {error}")


def _digest(step: DigestStep) -> Digested:
    size, changed = stat_of(step.task.source)
    hashed = hashlib.sha256()
    with open_source_file(step.task.source) as chunks:
        for chunk in chunks:
            hashed.update(chunk)
    return Digested(hashed.hexdigest(), size, changed)


def _survey(step: SurveyStep) -> Surveyed | Trouble:
    store_at(step.task.settings.out).abandon(step.task.name)
    survey = Survey()
    with open_source_file(step.task.source) as chunks:
        try:
            for chunk in chunks:
                survey.feed(chunk)
        except CaptureError as error:
            if not survey.connections:
                return Trouble(str(error))
            # What comes before the damage is exported.
    return Surveyed({ends_key(*ends): size for ends, size in survey.connections.items()})


class _Part:
    """One part at work."""

    def __init__(self, step: PartStep, progress: Progress | None) -> None:
        self._step: Final = step
        self._progress: Final = progress
        self._store: Final[Store] = store_at(step.task.settings.out)
        self._reading: Final[Reading] = reading_of(step.task.settings)
        self._sifter: Final = Sifter(self._reading)
        self._counts: Final = Counts()
        self._shares: Final = dict(step.shares)
        self._found: Final = Parted()
        self._moments: Final[list[int]] = []
        self._talks = 0
        self._source: CaptureSource | None = None
        self._watch: Final = Watch(self._reading, self._counts, self._damaged, self._open)
        self._writer: SpoolWriter | None = None

    def run(self) -> Parted | Trouble:
        """Read the capture."""
        sifter, moments = self._sifter, self._moments
        with open_source_file(self._step.task.source) as chunks:
            for block, observed in self._watch.through(chunks):
                self._go_to(block)
                source = self._source
                if source is None:
                    return Trouble("no capture")
                found = self._found.blocks[-1]
                for talk, seen in observed:
                    if talk.number > self._talks:
                        self._talks += 1
                        found.introduced.append(source.moment)
                    sifter.take(talk, seen)
                    if len(sifter) > len(moments):
                        moments.append(source.moment)
                    if sifter.cost >= SPOOL_BYTES or len(moments) >= SPOOL_ROWS:
                        self._write()
                if source.gave_up:
                    return Trouble("too much was waiting")
                if self._progress is not None:
                    self._progress(self._counts.bytes, sifter.frames)
        assert self._source is not None  # noqa: S101 - a watch opens one
        self._finish_block()
        parted = self._found
        parted.faults, parted.notes, parted.flows = sifter.faults, self._counts.notes, self._source.flows
        return parted

    def _open(self, head: bytes) -> Source:
        reading, step = self._reading, self._step
        source = open_source(head, keys=reading.keys, max_body=reading.max_body)
        if isinstance(source, RawSource):
            raise NothingFoundError("no capture")
        limits = Limits()
        # Together they wait for no more than one process would.
        limits = Limits(max_buffered_bytes=max(1, limits.max_buffered_bytes // step.parts))
        self._source = CaptureSource(keys=reading.keys, max_body=reading.max_body, limits=limits, wanted=self._is_ours)
        return self._source

    def _is_ours(self, one: Endpoint, other: Endpoint) -> bool:
        key = ends_key(one, other)
        share = self._shares.get(key)
        if share is None:
            share = int.from_bytes(hashlib.blake2b(key, digest_size=4).digest(), "big") % self._step.parts
        return share == self._step.number

    def _damaged(self, kind: str, text: str) -> None:
        """Say so, once for all parts."""
        if self._step.number:
            return
        moment = SKIPPED if kind == "PacketSkipped" else END if self._watch.at_end else DAMAGED
        self._sifter.damaged(kind, text)
        self._moments.append(moment)

    def _go_to(self, block: int) -> None:
        blocks = self._found.blocks
        while len(blocks) <= block:
            if self._writer is not None:
                self._finish_block()
            name = spool_name(self._step.number, len(blocks))
            self._writer = SpoolWriter(self._store.create(self._step.task.name, name))
            blocks.append(Found(-self._sifter.frames))

    def _finish_block(self) -> None:
        self._write()
        blocks, task = self._found.blocks, self._step.task.name
        assert self._writer is not None  # noqa: S101 - the caller looked
        self._writer.close()
        self._writer = None
        blocks[-1].frames += self._sifter.frames
        # The block can be converted while this part reads on.
        with self._store.create(task, found_name(self._step.number, len(blocks) - 1)) as file:
            file.write(json.dumps(asdict(blocks[-1])).encode())

    def _write(self) -> None:
        bodies = self._sifter.bodies
        if self._moments:
            assert self._writer is not None  # noqa: S101 - there is one from the first block on
            self._writer.write(self._sifter.taken(), self._moments, bodies, self._sifter.keys)
            self._found.blocks[-1].rows += len(self._moments)
            self._moments.clear()


def _block(step: BlockStep) -> Blocked:
    task = step.task
    settings = task.settings
    store = store_at(settings.out)
    parts = range(len(step.talks))
    union = Union([spooled(store.reopen(task.name, spool_name(part, step.number))) for part in parts], step.talks)
    gatherer = Gatherer(task.source, reading_of(settings), frames=step.frames)
    rows: dict[str, int] = {}
    with FileSet(store, task.name, settings.format, step.number) as files:
        for sifted in union:
            for table, batch in gatherer.gather(sifted, union.keys):
                rows[table] = rows.get(table, 0) + len(batch)
                files.add(table, batch)
    if union.rows != step.rows:
        raise ValueError(f"{union.rows} rows of block {step.number}, not {step.rows}")
    return Blocked(rows, files.names, gatherer.refused)
