"""Tasks on one core, or on all of them.

An engine takes tasks and gives an outcome for each, in the order they end. One that ends the process it runs
in is quarantined and named, and the others finish: where that happens, those that ran at the time are run again,
one by one, and whichever ends its process again is the culprit.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, Final

from ftwire import __version__
from ftwire_tools.export.manifest import QUARANTINED, Outcome, record
from ftwire_tools.export.store import stat_of, store_at
from ftwire_tools.export.task import Task, run_task

if TYPE_CHECKING:
    from ftwire_tools.export.report import Report

__all__ = ["quarantine", "run_on_all_cores", "run_serially"]

TICK: Final = 0.5
"""Seconds between two looks at how far workers are."""

_progress: Any = None
"""In a worker: bytes and frames of every slot, shared with the process that shows them."""


def run_serially(tasks: Sequence[Task], report: Report) -> Iterator[Outcome]:
    """Run one task after the other, here."""
    for task in tasks:
        outcome = run_task(task, report.at)
        report.done(outcome)
        yield outcome


def run_on_all_cores(
    tasks: Sequence[Task], report: Report, jobs: int, run: Callable[[Task, int], Outcome] | None = None
) -> Iterator[Outcome]:
    """Run tasks in ``jobs`` processes; ``run`` is what they do, for tests."""
    work = run or _run_in_slot
    waiting = deque(tasks)
    suspects: deque[Task] = deque()
    # Not forked: Arrow has threads, and a fork copies their locks in whatever state they are.
    context = multiprocessing.get_context("spawn")
    shared = context.RawArray("q", 2 * jobs)
    while waiting or suspects:
        alone = bool(suspects)
        workers, queue = (1, deque([suspects.popleft()])) if alone else (jobs, waiting)
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_enter, initargs=(shared,))
        try:
            with pool:
                for task, outcome in _through(pool, queue, workers, work, shared, report):
                    if outcome is None and alone:
                        outcome = quarantine(task, "it ended the process that read it")
                    if outcome is None:
                        suspects.append(task)
                        continue
                    report.done(outcome)
                    yield outcome
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _through(
    pool: ProcessPoolExecutor,
    queue: deque[Task],
    workers: int,
    work: Callable[[Task, int], Outcome],
    shared: Any,
    report: Report,
) -> Iterator[tuple[Task, Outcome | None]]:
    """Give tasks and their outcomes, until all are done or a process has ended: ``None`` for those it may have been."""
    running: dict[Future[Outcome], tuple[Task, int]] = {}
    slots = list(range(workers))
    is_broken = False
    while running or (queue and not is_broken):
        # No more at once than there are processes: whoever runs when one ends is a suspect, and nobody else.
        while queue and slots and not is_broken:
            slot = slots.pop()
            shared[2 * slot] = shared[2 * slot + 1] = 0
            try:
                future = pool.submit(work, queue[0], slot)
            except BrokenProcessPool:
                is_broken = True
            else:
                running[future] = queue.popleft(), slot
        ended, _ = wait(running, timeout=TICK, return_when=FIRST_COMPLETED)
        for future in ended:
            task, slot = running.pop(future)
            slots.append(slot)
            shared[2 * slot] = shared[2 * slot + 1] = 0
            try:
                yield task, future.result()
            except BrokenProcessPool:
                is_broken = True
                yield task, None
        report.at(sum(shared[::2]), sum(shared[1::2]))


def quarantine(task: Task, error: str) -> Outcome:
    """Record that an input must not be tried again, and why."""
    size, changed = 0, ""
    try:
        size, changed = stat_of(task.source)
    except OSError:
        error = f"{error}, and it is gone"
    outcome = Outcome(
        task.source,
        task.name,
        QUARANTINED,
        error,
        size=size,
        changed=changed,
        version=__version__,
        settings=task.settings.digest,
    )
    store = store_at(task.settings.out)
    store.abandon(task.name)
    record(store, outcome)
    return outcome


def _enter(shared: Any) -> None:
    global _progress
    _progress = shared
    import pyarrow

    # There is a process for every core already.
    pyarrow.set_cpu_count(1)
    # Ctrl-C reaches every process of a terminal: a worker has nothing to say about it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _run_in_slot(task: Task, slot: int) -> Outcome:
    def at(size: int, frames: int) -> None:
        _progress[2 * slot], _progress[2 * slot + 1] = size, frames

    return run_task(task, at)


def cores() -> int:
    """Return how many processes can run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
