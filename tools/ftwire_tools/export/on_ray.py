"""Tasks on a Ray cluster.

A worker that is lost, with its machine or alone, has its task run again elsewhere, three times in all: what
then still ends its workers is quarantined.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.export.engines import quarantine
from ftwire_tools.export.task import Task, run_task

if TYPE_CHECKING:
    from ftwire_tools.export.manifest import Outcome
    from ftwire_tools.export.report import Report

__all__ = ["run_on_ray"]

RETRIES: Final = 2


def run_on_ray(tasks: Sequence[Task], report: Report, address: str | None, jobs: int | None) -> Iterator[Outcome]:
    """Run tasks on the cluster at ``address``, or on one started here with ``jobs`` processes.

    Paths must mean the same on every machine. Raises ``ImportError`` without ray, ``ConnectionError`` where
    there is no cluster.
    """
    import ray

    ours = not ray.is_initialized()
    if ours:
        # "local": without it Ray would join whatever cluster it finds on this machine.
        options: dict[str, Any] = {"address": address or "local"}
        if address is None:
            options["include_dashboard"] = False
        if address is None and jobs is not None:
            options["num_cpus"] = jobs
        ray.init(log_to_driver=False, logging_level="ERROR", **options)
    try:
        remote = ray.remote(max_retries=RETRIES)(run_task)
        running = {remote.remote(task): task for task in tasks}
        while running:
            ended, _ = ray.wait(list(running), num_returns=1)
            for reference in ended:
                task = running.pop(reference)
                try:
                    outcome: Outcome = ray.get(reference)
                except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
                    outcome = quarantine(task, f"it ended the {RETRIES + 1} workers that read it")
                except ray.exceptions.RayTaskError as error:
                    cause = error.as_instanceof_cause()
                    raise (cause if isinstance(cause, OSError | ImportError) else error) from None
                report.done(outcome)
                yield outcome
    finally:
        if ours:
            ray.shutdown()
