"""Tasks on a Ray cluster.

A worker that is lost, with its machine or alone, has its task run again elsewhere, three times in all: what
then still ends its workers is quarantined.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.export.agenda import Agenda
from ftwire_tools.export.steps import Step
from ftwire_tools.export.work import perform

if TYPE_CHECKING:
    from ftwire_tools.export.manifest import Outcome
    from ftwire_tools.export.progress_report import Report
    from ftwire_tools.export.task import Task

__all__ = ["run_on_ray"]

RETRIES: Final = 2
TICK: Final = 2.0
"""Seconds between two looks at what parts of a capture have found."""


def run_on_ray(
    tasks: Sequence[Task], sizes: dict[Task, int], report: Report, address: str | None, jobs: int | None
) -> Iterator[Outcome]:
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
        remote = ray.remote(max_retries=RETRIES)(perform)
        agenda = Agenda(tasks, sizes, int(ray.cluster_resources().get("CPU", 1)), report.say)
        running: dict[Any, Step] = {}
        while running or agenda.is_waiting:
            while agenda.is_waiting:
                step = agenda.next()
                running[remote.remote(step)] = step
            ended, _ = ray.wait(list(running), num_returns=1, timeout=TICK)
            agenda.look()
            for reference in ended:
                step = running.pop(reference)
                try:
                    outcome = agenda.done(step, ray.get(reference))
                except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
                    outcome = agenda.lost(step, f"it ended the {RETRIES + 1} workers that read it")
                except ray.exceptions.RayTaskError as error:
                    cause = error.as_instanceof_cause()
                    raise (cause if isinstance(cause, OSError | ImportError) else error) from None
                if outcome is not None:
                    report.done(outcome)
                    yield outcome
    finally:
        if ours:
            ray.shutdown()
