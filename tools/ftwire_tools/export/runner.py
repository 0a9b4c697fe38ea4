"""A whole export: find the inputs, pass over those done before, run the others on an engine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from ftwire_tools.captures.input_files import Input, allow_open_files, one_capture_each
from ftwire_tools.export.engines import DaskEngine, Engine, LocalEngine, RayEngine, cores, run_here, run_on
from ftwire_tools.export.manifest import QUARANTINED, ExportOutcome
from ftwire_tools.export.progress_report import ExportProgress
from ftwire_tools.export.store import filesystem, is_remote, open_source
from ftwire_tools.export.task import ExportSettings, Task, check_replaceable, finished, stat_of_task, task_for

__all__ = ["ENDINGS", "inputs_of", "joined", "run_export"]

ENDINGS: Final = tuple(
    f".{kind}{compression}"
    for kind in ("pcap", "pcapng", "cap")
    for compression in ("", ".gz", ".xz", ".bz2", ".zst", ".lz4")
)
"""Names in a directory that are taken for captures."""


def run_export(
    sources: Sequence[str | Sequence[str]],
    settings: ExportSettings,
    *,
    engine: str = "local",
    address: str | None = None,
    jobs: int | None = None,
    retry_quarantined: bool = False,
) -> Iterator[tuple[ExportOutcome, bool]]:
    """Export every source; yield each outcome, and whether it was recorded by an earlier run.

    A source is a path, or the paths of the parts of one capture.

    ``engine`` is ``local``, ``ray`` or ``dask``; ``address`` that of a cluster; ``jobs`` the number of processes,
    by default one a core. Raises ``OSError`` where the output cannot be written or there is no cluster,
    ``ImportError`` for a package that is missing, and ``MixedTablesError``, before anything is exported, where the rows
    of an input are compacted and would have to be replaced.
    """
    tasks: list[Task] = []
    for source in sources:
        task = task_for(source, settings)
        known = finished(task)
        if known is None or (known.status == QUARANTINED and retry_quarantined):
            check_replaceable(task)
            tasks.append(task)
        else:
            yield known, True
    if not tasks:
        return
    # The largest first: at the end no process is left alone with one of them.
    sizes = {task: _size(task) for task in tasks}
    tasks.sort(key=lambda task: -sizes[task])
    progress = ExportProgress(len(tasks), sum(sizes.values()))
    where = _engine(engine, address, jobs, tasks)
    try:
        for outcome in run_here(tasks, progress) if where is None else run_on(where, tasks, progress):
            yield outcome, False
    finally:
        progress.clear()


def _engine(name: str, address: str | None, jobs: int | None, tasks: Sequence[Task]) -> Engine | None:
    """Return the engine for these tasks; ``None`` where this process can do as well."""
    if name == "ray":
        return RayEngine(address, jobs)
    if name == "dask":
        return DaskEngine(address, jobs)
    jobs = min(jobs or cores(), len(tasks))
    # Only this process has its standard input.
    return None if jobs == 1 or any("-" in task.paths for task in tasks) else LocalEngine(jobs)


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


def joined(paths: Sequence[str]) -> list[list[str]]:
    """Group inputs into captures: parts of one, but for copies and what is no capture file. Raises ``OSError``."""
    allow_open_files(len(paths))
    with ExitStack() as stack:
        inputs = [Input(path, path, stack.enter_context(open_source(path))) for path in paths]
        return [[part.path for part in parts] for parts in one_capture_each(inputs)]


def _size(task: Task) -> int:
    try:
        return stat_of_task(task)[0]
    except OSError:
        return 0
