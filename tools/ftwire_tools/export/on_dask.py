"""Tasks on a Dask cluster.

A worker that is lost has its tasks run again by others. A task that was there when several were lost is
quarantined (Dask's ``distributed.scheduler.allowed-failures`` says how many).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ftwire_tools.export.agenda import Agenda
from ftwire_tools.export.engines import cores
from ftwire_tools.export.steps import Step
from ftwire_tools.export.work import perform

if TYPE_CHECKING:
    from ftwire_tools.export.manifest import Outcome
    from ftwire_tools.export.progress_report import Report
    from ftwire_tools.export.task import Task

__all__ = ["run_on_dask"]


def run_on_dask(
    tasks: Sequence[Task], sizes: dict[Task, int], report: Report, address: str | None, jobs: int | None
) -> Iterator[Outcome]:
    """Run tasks on the cluster of the scheduler at ``address``, or on one started here with ``jobs`` processes.

    Paths must mean the same on every machine. Raises ``ImportError`` without distributed, ``OSError`` where
    there is no scheduler.
    """
    import distributed

    with ExitStack() as stack:
        cluster: Any = address
        if address is None:
            cluster = stack.enter_context(
                # One thread each: a worker that is lost was reading one file.
                distributed.LocalCluster(n_workers=jobs or cores(), threads_per_worker=1, dashboard_address=None)
            )
        client = stack.enter_context(distributed.Client(cluster))
        agenda = Agenda(tasks, sizes, sum(client.nthreads().values()) or 1, report.say)
        running = distributed.as_completed()
        steps: dict[Any, Step] = {}

        def submit() -> None:
            while agenda.is_waiting:
                step = agenda.next()
                # Not pure: the work is the files it writes, not the value it returns.
                future = client.submit(perform, step, pure=False)
                steps[future] = step
                running.add(future)

        submit()
        for future in running:
            step = steps.pop(future)
            outcome: Outcome | None
            try:
                outcome = agenda.done(step, future.result())
            except distributed.KilledWorker:
                outcome = agenda.lost(step, "it ended the workers that read it")
            if outcome is not None:
                report.done(outcome)
                yield outcome
            submit()
