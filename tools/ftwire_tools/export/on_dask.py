"""Tasks on a Dask cluster.

A worker that is lost has its tasks run again by others. A task that was there when several were lost is
quarantined (Dask's ``distributed.scheduler.allowed-failures`` says how many).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ftwire_tools.export.engines import cores, quarantine
from ftwire_tools.export.task import Task, run_task

if TYPE_CHECKING:
    from ftwire_tools.export.manifest import Outcome
    from ftwire_tools.export.report import Report

__all__ = ["run_on_dask"]


def run_on_dask(tasks: Sequence[Task], report: Report, address: str | None, jobs: int | None) -> Iterator[Outcome]:
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
        # Not pure: the work is the files it writes, not the value it returns.
        futures = {client.submit(run_task, task, pure=False): task for task in tasks}
        for future in distributed.as_completed(list(futures)):
            task = futures.pop(future)
            try:
                outcome: Outcome = future.result()
            except distributed.KilledWorker:
                outcome = quarantine(task, "it ended the workers that read it")
            report.done(outcome)
            yield outcome
