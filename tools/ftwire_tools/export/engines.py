"""Where tasks run: one after the other here, in processes of this machine, or on a Ray or Dask cluster.

An engine returns a ``concurrent.futures.Future`` for each task; ``run_on`` gathers the outcomes. Where the process
died that ran a task (out of memory, a crash in native code), its input is quarantined and the others go on.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.export.manifest import ExportOutcome
from ftwire_tools.export.task import Task, quarantine, run_task
from ftwire_tools.terminal.signals import default_interrupt

if TYPE_CHECKING:
    from ftwire_tools.export.progress_report import ExportProgress

__all__ = ["DaskEngine", "Engine", "LocalEngine", "RayEngine", "cores", "run_here", "run_on"]

TICK: Final = 0.5
"""Seconds between two looks at how far running tasks are."""
RAY_RETRIES: Final = 2

_shared: Any = None
"""Progress of every worker, in a worker process of ``LocalEngine``: bytes and frames of the first, of the second…"""


class Engine(ABC):
    """Runs tasks somewhere."""

    lost: tuple[type[Exception], ...]
    """What a future raises where the process died that ran its task."""
    tries_again = True
    """It runs such a task on other workers before it gives up."""

    @abstractmethod
    def submit(self, task: Task) -> Future[ExportOutcome]:
        """Run a task as soon as a worker is free. The future raises what ``run_task`` raises, or one of ``lost``."""

    @abstractmethod
    def close(self, *, stop: bool) -> None:
        """End the workers: those that are running tasks, too, if ``stop``."""

    def running(self) -> tuple[int, int]:
        """Return bytes and frames done of the tasks that are running, as far as that is known."""
        return 0, 0


def run_here(tasks: Sequence[Task], progress: ExportProgress) -> Iterator[ExportOutcome]:
    """Run one task after the other in this process. Raises what ``run_task`` raises."""
    for task in tasks:
        outcome = run_task(task, progress.update)
        progress.finished(outcome)
        yield outcome


def run_on(engine: Engine, tasks: Sequence[Task], progress: ExportProgress) -> Iterator[ExportOutcome]:
    """Run tasks on an engine and close it. Outcomes come in the order in which tasks end.

    Raises what ``run_task`` raises.
    """
    stop = True
    try:
        lost: list[Task] = []
        for task, outcome in _ended(engine, tasks, progress):
            if outcome is not None:
                yield outcome
            elif engine.tries_again:
                yield _quarantined(task, progress)
            else:
                lost.append(task)
        # Once more, alone: several large inputs at a time may have taken all memory.
        for task in lost:
            for _, outcome in _ended(engine, [task], progress):
                yield outcome or _quarantined(task, progress)
        stop = False
    finally:
        engine.close(stop=stop)


def _ended(
    engine: Engine, tasks: Sequence[Task], progress: ExportProgress
) -> Iterator[tuple[Task, ExportOutcome | None]]:
    """Run tasks; return each with its outcome as it ends, with ``None`` where its process died."""
    ended: SimpleQueue[Future[ExportOutcome]] = SimpleQueue()
    running = {engine.submit(task): task for task in tasks}
    for future in running:
        future.add_done_callback(ended.put)
    while running:
        progress.update(*engine.running())
        try:
            future = ended.get(timeout=TICK)
        except Empty:
            continue
        task, outcome = running.pop(future), None
        try:
            outcome = future.result()
        except engine.lost:
            pass
        else:
            progress.finished(outcome)
        yield task, outcome


def _quarantined(task: Task, progress: ExportProgress) -> ExportOutcome:
    outcome = quarantine(task, "it ended the process that read it")
    progress.finished(outcome)
    return outcome


class LocalEngine(Engine):
    """Processes of this machine, each with one task at a time."""

    lost = (BrokenProcessPool,)
    tries_again = False

    def __init__(self, jobs: int) -> None:
        """``jobs`` is the number of processes."""
        # Not forked: Arrow has threads, and a fork copies their locks in whatever state they are.
        self._context: Final = multiprocessing.get_context("spawn")
        self._shared: Final = self._context.RawArray("q", 2 * jobs)
        # A pool for each process: where one dies, it is known which task it had, and the others are not disturbed.
        self._pools: Final = [self._pool() for _ in range(jobs)]
        self._free: Final[SimpleQueue[int]] = SimpleQueue()
        for number in range(jobs):
            self._free.put(number)
        # Each thread waits for one process.
        self._threads: Final = ThreadPoolExecutor(jobs)

    def submit(self, task: Task) -> Future[ExportOutcome]:
        """Run a task as soon as a process is free."""
        return self._threads.submit(self._run, task)

    def close(self, *, stop: bool) -> None:
        """End the processes."""
        self._threads.shutdown(wait=not stop, cancel_futures=True)
        if stop:
            for process in multiprocessing.active_children():
                process.terminate()
        for pool in self._pools:
            # Until its own thread has ended: that closes a pipe which the interpreter would write to at its exit.
            pool.shutdown()

    def running(self) -> tuple[int, int]:
        """Return bytes and frames done of the tasks that are running."""
        return sum(self._shared[::2]), sum(self._shared[1::2])

    def _pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, self._context, _start_worker, (self._shared,))

    def _run(self, task: Task) -> ExportOutcome:
        number = self._free.get()
        try:
            return self._pools[number].submit(_run_in_worker, task, number).result()
        except BrokenProcessPool:
            self._pools[number] = self._pool()
            raise
        finally:
            self._shared[2 * number] = self._shared[2 * number + 1] = 0
            self._free.put(number)


def _start_worker(shared: Any) -> None:
    global _shared
    _shared = shared
    import pyarrow

    # There is a process for every core already.
    pyarrow.set_cpu_count(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Ctrl-C reaches every process of a terminal: a worker ends without a traceback.
    default_interrupt()


def _end_with_parent() -> None:
    """End this process when the one that started it is gone: its lock on the output is, too."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run_in_worker(task: Task, number: int) -> ExportOutcome:
    def progress(size: int, frames: int) -> None:
        _shared[2 * number], _shared[2 * number + 1] = size, frames

    return run_task(task, progress)


class RayEngine(Engine):
    """A Ray cluster: it runs a task whose worker is lost again elsewhere, up to ``RAY_RETRIES`` times."""

    def __init__(self, address: str | None, jobs: int | None) -> None:
        """``address`` is a cluster's; without it, one is started here with ``jobs`` processes, or one a core.

        Paths must mean the same on every machine. Raises ``ImportError`` without ray, ``ConnectionError`` where
        there is no cluster.
        """
        import ray

        self._ray: Final[Any] = ray
        self.lost = (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError)
        self._is_ours: Final = not ray.is_initialized()
        if self._is_ours:
            # "local": without it Ray would join whatever cluster it finds on this machine.
            options: dict[str, Any] = {"address": address or "local"}
            if address is None:
                options |= {"include_dashboard": False, "num_cpus": jobs}
            ray.init(log_to_driver=False, logging_level="ERROR", **options)
        self._run: Final[Any] = ray.remote(max_retries=RAY_RETRIES)(run_task)

    def submit(self, task: Task) -> Future[ExportOutcome]:
        """Run a task as soon as a worker is free."""
        future: Future[ExportOutcome] = self._run.remote(task).future()
        return future

    def close(self, *, stop: bool) -> None:  # noqa: ARG002 - Ray stops tasks in either case
        """Leave the cluster, which stops what still runs of ours; end it if it was started here."""
        if self._is_ours:
            self._ray.shutdown()


class DaskEngine(Engine):
    """A Dask cluster: it runs a task whose worker is lost again elsewhere.

    Its ``distributed.scheduler.allowed-failures`` says how often.
    """

    def __init__(self, address: str | None, jobs: int | None) -> None:
        """``address`` is a scheduler's; without it, a cluster is started here with ``jobs`` processes, or one a core.

        Paths must mean the same on every machine. Raises ``ImportError`` without distributed, ``OSError`` where
        there is no scheduler.
        """
        import distributed

        self.lost = (distributed.KilledWorker,)
        self._cluster: Final[Any] = (
            # One thread each: a worker that is lost was reading one file.
            distributed.LocalCluster(n_workers=jobs or cores(), threads_per_worker=1, dashboard_address=None)
            if address is None
            else None
        )
        self._client: Final[Any] = distributed.Client(self._cluster or address)
        # Not pure: the work is the files that are written, not the value that is returned.
        self._executor: Final[Any] = self._client.get_executor(pure=False)

    def submit(self, task: Task) -> Future[ExportOutcome]:
        """Run a task as soon as a worker is free."""
        future: Future[ExportOutcome] = self._executor.submit(run_task, task)
        return future

    def close(self, *, stop: bool) -> None:
        """Leave the cluster; end it if it was started here."""
        self._executor.shutdown(wait=not stop)
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def cores() -> int:
    """Return how many processes can run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
