"""A whole export: inputs found, those done skipped, the others given to an engine, a database made of it all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ftwire_tools.export.agenda import is_to_be_split
from ftwire_tools.export.manifest import QUARANTINED, Outcome
from ftwire_tools.export.progress_report import Report
from ftwire_tools.export.store import filesystem, is_remote, stat_of
from ftwire_tools.export.task import Settings, Task, finished, task_for

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ENDINGS", "Job", "inputs_of"]

ENDINGS: Final = (".pcap", ".pcapng", ".cap", ".pcap.gz", ".pcapng.gz", ".cap.gz")
"""Names in a directory that are taken for captures."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to export, and where the work is done."""

    sources: Sequence[str]
    settings: Settings
    engine: str = "local"
    address: str | None = None
    jobs: int | None = None
    retry_quarantined: bool = False

    def run(self) -> Iterator[tuple[Outcome, bool]]:
        """Export everything; give each input's outcome, and whether it was found done already.

        Raises ``OSError`` where the output cannot be written, and ``ImportError`` for a package that is missing.
        """
        tasks: list[Task] = []
        for source in self.sources:
            task = task_for(source, self.settings)
            known = finished(task)
            if known is None or (known.status == QUARANTINED and self.retry_quarantined):
                tasks.append(task)
            else:
                yield known, True
        # The largest first: none of them is left to one process at the end.
        sizes = {task: _size(task.source) for task in tasks}
        tasks.sort(key=lambda task: -sizes[task])
        report = Report(len(tasks), sum(sizes.values()))
        try:
            for outcome in self._outcomes(tasks, sizes, report):
                yield outcome, False
        finally:
            report.clear()

    def _outcomes(self, tasks: Sequence[Task], sizes: dict[Task, int], report: Report) -> Iterator[Outcome]:
        if not tasks:
            return iter(())
        if self.engine == "ray":
            from ftwire_tools.export.on_ray import run_on_ray

            return run_on_ray(tasks, sizes, report, self.address, self.jobs)
        if self.engine == "dask":
            from ftwire_tools.export.on_dask import run_on_dask

            return run_on_dask(tasks, sizes, report, self.address, self.jobs)
        from ftwire_tools.export.engines import cores, run_on_all_cores, run_serially

        jobs = self.jobs or cores()
        if jobs == 1 or "-" in self.sources or (len(tasks) == 1 and not is_to_be_split(tasks[0], sizes, jobs)):
            return run_serially(tasks, report)
        return run_on_all_cores(tasks, sizes, report, jobs)


def inputs_of(paths: Iterable[str]) -> list[str]:
    """Return the inputs that paths mean: files of directories, matches of remote globs, each once."""
    found: list[str] = []
    for path in paths:
        if is_remote(path) and any(sign in path for sign in "*?["):
            system, inner = filesystem(path)
            found += [system.unstrip_protocol(each) for each in sorted(system.glob(inner))]
        elif not is_remote(path) and Path(path).is_dir():
            found += _captures_in(path)
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _captures_in(directory: str) -> list[str]:
    found = []
    for parent, children, files in os.walk(directory):
        children[:] = sorted(child for child in children if not child.startswith((".", "_")))
        found += [str(Path(parent, name)) for name in sorted(files) if name.lower().endswith(ENDINGS)]
    return found


def _size(source: str) -> int:
    try:
        return stat_of(source)[0]
    except OSError:
        return 0
