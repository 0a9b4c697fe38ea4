"""Which steps are to be done next: whole inputs, and the steps of those that are split.

An input is split where it would keep one process busy when the others have nothing left to do. Steps of one
input wait for each other, so an agenda is asked again whenever one is done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ftwire.pcap import Limits
from ftwire_tools.export.manifest import Outcome
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
    found_name,
    found_so_far,
    spool_name,
)
from ftwire_tools.export.store import store_at
from ftwire_tools.export.task import finish, new_outcome, quarantine

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftwire_tools.export.task import Task

__all__ = ["Agenda", "is_to_be_split"]

MAX_SHARES: Final = 4096
"""Connections that are shared out one by one; the others are too small to matter."""
READ_SHARE: Final = 0.5
"""Part of the work that is done when an input's connections were read."""


@dataclass(slots=True)
class _Split:
    """An input that is being done in steps."""

    task: Task
    size: int
    running: int = 0
    digested: Digested | None = None
    parts: dict[int, Parted] = field(default_factory=dict)
    of: int = 0
    begun: int = 0
    """Blocks that are being made, or are."""
    numbered: int = 0
    """Frames in these."""
    talks: list[list[int]] = field(default_factory=list)
    """For each part, the numbers of its connections so far."""
    blocks: dict[int, Blocked] = field(default_factory=dict)
    trouble: str = ""
    done: float = 0.0
    """Share of the work."""
    frames: int = 0


class Agenda:
    """The steps of an export, and what comes of them."""

    def __init__(self, tasks: Sequence[Task], sizes: dict[Task, int], jobs: int, say: Callable[[str], None]) -> None:
        """``sizes`` are bytes, ``jobs`` processes; ``say`` is told why an input is not split as it might be."""
        self._jobs: Final = jobs
        self._say: Final = say
        self._ready: deque[Step] = deque()
        self._splits: Final[dict[str, _Split]] = {}
        for task in tasks:
            if is_to_be_split(task, sizes, jobs):
                self._begin(_Split(task, sizes[task]))
            else:
                self._ready.append(WholeStep(task))

    @property
    def is_waiting(self) -> bool:
        """Say whether a step could be begun."""
        return bool(self._ready)

    def next(self) -> Step:
        """Return a step to be begun. Raises ``IndexError`` where there is none."""
        step = self._ready.popleft()
        if not isinstance(step, WholeStep):
            self._splits[step.task.name].running += 1
        return step

    def again(self, task: Task) -> None:
        """Begin an input anew, as a whole: a process that took part in it has ended."""
        self.forget(task)
        self._ready.append(WholeStep(task))

    def forget(self, task: Task) -> None:
        """Leave an input alone from now on."""
        self._splits.pop(task.name, None)
        self._ready = deque(step for step in self._ready if step.task.name != task.name)

    def lost(self, step: Step, error: str) -> Outcome | None:
        """Quarantine an input: a step of it has ended every process that tried it. ``None`` if it is already."""
        is_known = isinstance(step, WholeStep) or step.task.name in self._splits
        self.forget(step.task)
        return quarantine(step.task, error) if is_known else None

    def worth(self, step: Step) -> float:
        """Return the share of its input that a step is, done or under way: for reports."""
        split = self._splits.get(step.task.name)
        if isinstance(step, PartStep):
            return READ_SHARE / step.parts
        if isinstance(step, BlockStep) and split is not None:
            return (1 - READ_SHARE) * min(1.0, step.task.settings.block / max(split.size, 1))
        return 1.0 if isinstance(step, WholeStep) else 0.0

    @property
    def under_way(self) -> tuple[int, int]:
        """Bytes and frames done of inputs that are not finished, but for the steps that are running."""
        splits = self._splits.values()
        return sum(int(split.done * split.size) for split in splits), sum(split.frames for split in splits)

    def done(self, step: Step, result: Result) -> Outcome | None:
        """Take what came of a step; return the input's outcome where it was its last one."""
        if isinstance(result, Outcome):
            return result
        split = self._splits.get(step.task.name)
        if split is None:
            return None
        split.running -= 1
        split.done += self.worth(step)
        if isinstance(result, Trouble):
            split.trouble = split.trouble or result.reason
        elif isinstance(result, Digested):
            split.digested = result
        elif isinstance(result, Surveyed):
            self._share_out(split, result.sizes)
        elif isinstance(result, Parted) and isinstance(step, PartStep):
            split.parts[step.number] = result
            split.frames += sum(found.frames for found in result.blocks)
            if sum(part.flows for part in split.parts.values()) > Limits().max_flows:
                split.trouble = "more connections than are followed at a time"
        elif isinstance(result, Blocked) and isinstance(step, BlockStep):
            split.blocks[step.number] = result
            store = store_at(split.task.settings.out)
            for part in range(split.of):
                store.discard(split.task.name, spool_name(part, step.number))
                store.discard(split.task.name, found_name(part, step.number))
        if split.trouble:
            self._leave_to_one(split)
            return None
        self._advance(split)
        if split.digested and len(split.parts) == split.of > 0 and len(split.blocks) == len(split.parts[0].blocks):
            return self._finished(split, split.digested)
        return None

    def look(self) -> None:
        """See which blocks of inputs can be made though their parts are not done. To be asked from time to time."""
        for split in self._splits.values():
            if not split.trouble:
                self._advance(split)

    def _begin(self, split: _Split) -> None:
        self._splits[split.task.name] = split
        self._ready += [SurveyStep(split.task), DigestStep(split.task)]

    def _share_out(self, split: _Split, sizes: dict[bytes, int]) -> None:
        """Give every part a share of the connections, the largest first."""
        total = sum(sizes.values())
        largest = max(sizes.values(), default=0)
        if not largest:
            split.trouble = "no connections"
            return
        # More parts than this would wait for the one with the largest connection.
        split.of = min(self._jobs, len(sizes), -(-total // largest))
        if split.of < self._jobs:
            self._say(
                f"{split.task.source}: one connection has {largest / total:.0%} of the bytes: "
                f"read by {split.of} of {self._jobs} processes, converted by all"
            )
        split.talks = [[] for _ in range(split.of)]
        loads = [0] * split.of
        shares: list[tuple[bytes, int]] = []
        for key, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:MAX_SHARES]:
            least = loads.index(min(loads))
            loads[least] += size
            shares.append((key, least))
        self._ready += [PartStep(split.task, number, split.of, tuple(shares)) for number in range(split.of)]

    def _advance(self, split: _Split) -> None:
        """Have blocks made that all parts are through with: number their frames and connections."""
        while split.of:
            found = [self._found(split, part) for part in range(split.of)]
            blocks = [each for each in found if each is not None]
            if len(blocks) < split.of:
                return
            moments = sorted((moment, part) for part, each in enumerate(blocks) for moment in each.introduced)
            for number, (_, part) in enumerate(moments, sum(map(len, split.talks)) + 1):
                split.talks[part].append(number)
            talks, rows = tuple(map(tuple, split.talks)), tuple(each.rows for each in blocks)
            self._ready.append(BlockStep(split.task, split.begun, split.numbered, talks, rows))
            split.begun += 1
            split.numbered += sum(each.frames for each in blocks)

    def _found(self, split: _Split, part: int) -> Found | None:
        """Return what a part found in the next block, if it is through with it."""
        done = split.parts.get(part)
        if done is None:
            return found_so_far(store_at(split.task.settings.out), split.task.name, part, split.begun)
        return done.blocks[split.begun] if split.begun < len(done.blocks) else None

    def _leave_to_one(self, split: _Split) -> None:
        """Have one process do all of it when no step of it is under way any more."""
        self._ready = deque(step for step in self._ready if step.task.name != split.task.name)
        if not split.running:
            del self._splits[split.task.name]
            self._ready.append(WholeStep(split.task))

    def _finished(self, split: _Split, digested: Digested) -> Outcome:
        del self._splits[split.task.name]
        outcome = new_outcome(split.task)
        outcome.size, outcome.changed, outcome.sha256 = digested.size, digested.changed, digested.sha256
        blocks = [split.blocks[number] for number in range(len(split.blocks))]
        for block in blocks:
            outcome.files += block.files
            for table, count in block.rows.items():
                outcome.rows[table] = outcome.rows.get(table, 0) + count
        parts = split.parts.values()
        outcome.frames = split.numbered
        outcome.undecoded = sum(part.faults for part in parts) + sum(block.refused for block in blocks)
        return finish(split.task, outcome, split.parts[0].notes)


def is_to_be_split(task: Task, sizes: dict[Task, int], jobs: int) -> bool:
    """Say whether an input would keep one process busy when the others have nothing left to do."""
    size = sizes.get(task, 0)
    # By half of a fair share at most is who gets the last whole input behind the others.
    return jobs > 1 and size > task.settings.block and 2 * jobs * size > sum(sizes.values())
