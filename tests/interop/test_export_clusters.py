"""The export on real clusters of this machine, Ray's and Dask's: what they write is what one core writes."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftwire_tools.export.engines import run_here
from ftwire_tools.export.progress_report import ExportProgress
from ftwire_tools.export.task import ExportSettings, Task, task_for
from ftwire_tools.synthetic.day import Plan, write_capture
from support.command import FTWIRE

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inputs")
    for seed in range(6):
        with (path / f"{seed}.pcap").open("wb") as file:
            write_capture(Plan(1_000_000, seed, symbols=3), file.write, lambda _size, _frames: None)
    return path


@pytest.fixture(scope="module")
def expected(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("serial")
    tasks = tasks_for(inputs, out)
    assert all(outcome.is_clean for outcome in run_here(tasks, ExportProgress(len(tasks), 0)))
    return files_of(out)


def tasks_for(inputs: Path, out: Path) -> list[Task]:
    return [task_for(str(path), ExportSettings(str(out))) for path in sorted(inputs.glob("*.pcap"))]


def have(module: str) -> None:
    """Skip a test without a package, by name; with ``CI`` set, fail it."""
    if importlib.util.find_spec(module) is None:
        reason = f"{module} is not installed: pip install 'ftwire[{'ray' if module == 'ray' else 'dask'}]'"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


def files_of(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.parquet"))}


def run(inputs: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*FTWIRE, "export", str(inputs), "-o", str(out), "--json", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[str]:
    """Two nodes with a worker each, as on two machines."""
    have("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster.address
    cluster.shutdown()


@pytest.fixture(scope="module")
def dask_scheduler() -> Iterator[str]:
    """A scheduler and two workers, each a process of its own."""
    have("distributed")
    import distributed

    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


def test_ray_writes_what_one_core_does(
    inputs: Path, expected: dict[str, bytes], ray_cluster: str, tmp_path: Path
) -> None:
    result = run(inputs, tmp_path, "--engine", "ray", "--address", ray_cluster)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 6
    assert files_of(tmp_path) == expected
    # And a second run has nothing to do.
    again = run(inputs, tmp_path, "--engine", "ray", "--address", ray_cluster)
    assert all(json.loads(line)["skipped"] for line in again.stdout.splitlines())


def test_dask_writes_what_one_core_does(
    inputs: Path, expected: dict[str, bytes], dask_scheduler: str, tmp_path: Path
) -> None:
    result = run(inputs, tmp_path, "--engine", "dask", "--address", dask_scheduler)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 6
    assert files_of(tmp_path) == expected


@pytest.mark.parametrize("engine", ["ray", "dask"])
def test_a_cluster_is_started_where_none_is_named(
    engine: str, inputs: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    have("ray" if engine == "ray" else "distributed")
    result = run(inputs, tmp_path, "--engine", engine, "-j", "2")
    assert result.returncode == 0, result.stderr
    assert files_of(tmp_path) == expected


def writers(out: Path) -> list[int]:
    """Processes that are writing tables of the export. The one that started them has only its lock file open."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                targets = [os.readlink(each) for each in (process / "fd").iterdir()]  # noqa: PTH115
            except OSError:
                continue
            if any(target.startswith(str(out / ".partial")) for target in targets):
                found.append(int(process.name))
    return found


def kill_one_writer(out: Path, killed: list[int]) -> None:
    """End, without warning, the first process that is in the middle of a file."""
    deadline = time.monotonic() + 120
    while not killed and time.monotonic() < deadline:
        for process in writers(out):
            os.kill(process, signal.SIGKILL)
            killed.append(process)
            break
        time.sleep(0.005)


@pytest.mark.parametrize("engine", ["ray", "dask"])
def test_a_worker_killed_in_the_middle_loses_nothing(
    engine: str, inputs: Path, expected: dict[str, bytes], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    address = request.getfixturevalue("ray_cluster" if engine == "ray" else "dask_scheduler")
    killed: list[int] = []
    killer = threading.Thread(target=kill_one_writer, args=(tmp_path, killed))
    killer.start()
    result = run(inputs, tmp_path, "--engine", engine, "--address", address)
    killer.join()
    assert len(killed) == 1
    assert result.returncode == 0, result.stderr
    assert files_of(tmp_path) == expected


def test_a_cluster_that_is_not_there_is_told_in_a_line(inputs: Path, tmp_path: Path) -> None:
    have("distributed")
    result = run(inputs, tmp_path, "--engine", "dask", "--address", "tcp://127.0.0.1:9")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "127.0.0.1:9" in result.stderr
