"""Tasks on one core, or on all of them.

An engine takes tasks and gives an outcome for each, in the order they end. One that ends the process it runs
in is quarantined and named, and the others finish: where that happens, those that ran at the time are run again,
one by one, and whichever ends its process again is the culprit.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.export.agenda import Agenda
from ftwire_tools.export.manifest import Outcome
from ftwire_tools.export.steps import Result, Step
from ftwire_tools.export.task import Task, quarantine, run_task
from ftwire_tools.export.work import perform

if TYPE_CHECKING:
    from ftwire_tools.export.progress_report import Report

__all__ = ["cores", "run_on_all_cores", "run_serially"]

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
    tasks: Sequence[Task],
    sizes: dict[Task, int],
    report: Report,
    jobs: int,
    run: Callable[[Step, int], Result] | None = None,
) -> Iterator[Outcome]:
    """Run tasks in ``jobs`` processes; ``sizes`` are their bytes, ``run`` is what processes do, for tests."""
    work = run or _run_in_slot
    agenda = Agenda(tasks, sizes, jobs, report.say)
    suspects: dict[str, Task] = {}
    # Not forked: Arrow has threads, and a fork copies their locks in whatever state they are.
    context = multiprocessing.get_context("spawn")
    shared = context.RawArray("q", 2 * jobs)
    while agenda.is_waiting or suspects:
        alone = bool(suspects)
        now, workers = agenda, jobs
        if alone:
            suspect = suspects.pop(next(iter(suspects)))
            now, workers = Agenda([suspect], {}, 1, report.say), 1
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_enter, initargs=(shared,))
        try:
            with pool:
                for task, outcome in _through(pool, now, workers, work, shared, report):
                    if outcome is None and alone:
                        outcome = quarantine(task, "it ended the process that read it")
                    if outcome is None:
                        agenda.forget(task)
                        suspects[task.name] = task
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
    agenda: Agenda,
    workers: int,
    work: Callable[[Step, int], Result],
    shared: Any,
    report: Report,
) -> Iterator[tuple[Task, Outcome | None]]:
    """Give tasks and their outcomes, until all are done or a process has ended: ``None`` for those it may have been."""
    running: dict[Future[Result], tuple[Step, int]] = {}
    slots = list(range(workers))
    is_broken = False
    while running or (agenda.is_waiting and not is_broken):
        # No more at once than there are processes: whoever runs when one ends is a suspect, and nobody else.
        while agenda.is_waiting and slots and not is_broken:
            slot = slots.pop()
            shared[2 * slot] = shared[2 * slot + 1] = 0
            step = agenda.next()
            try:
                future = pool.submit(work, step, slot)
            except BrokenProcessPool:
                is_broken = True
                if not running:
                    yield step.task, None
                agenda.again(step.task)
            else:
                running[future] = step, slot
        ended, _ = wait(running, timeout=TICK, return_when=FIRST_COMPLETED)
        for future in ended:
            step, slot = running.pop(future)
            slots.append(slot)
            shared[2 * slot] = shared[2 * slot + 1] = 0
            try:
                result = future.result()
            except BrokenProcessPool:
                is_broken = True
                yield step.task, None
            else:
                outcome = agenda.done(step, result)
                if outcome is not None:
                    yield step.task, outcome
        agenda.look()
        size, frames = agenda.under_way
        for step, slot in running.values():
            size += int(shared[2 * slot] * agenda.worth(step))
            frames += shared[2 * slot + 1]
        report.at(size, frames)


def _enter(shared: Any) -> None:
    global _progress
    _progress = shared
    import pyarrow

    # There is a process for every core already.
    pyarrow.set_cpu_count(1)
    # Ctrl-C reaches every process of a terminal: a worker has nothing to say about it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _run_in_slot(step: Step, slot: int) -> Result:
    def at(size: int, frames: int) -> None:
        _progress[2 * slot], _progress[2 * slot + 1] = size, frames

    return perform(step, at)


def cores() -> int:
    """Return how many processes can run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
