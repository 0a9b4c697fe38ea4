"""An export that was stopped, at any of its changes, and is run again: files and manifest are those of one run."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from ftwire_tools.export import task as tasks
from ftwire_tools.export.frame_columns import TableOptions
from ftwire_tools.export.manifest import entries_of
from ftwire_tools.export.store import Store
from ftwire_tools.export.task import ExportSettings, finished, run_task, task_for
from support.captures import pcap, session
from support.stopping import Stopped, StoppingStore


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(session()))
    return path


def contents(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.parquet")}


@pytest.mark.parametrize(
    "protocols", [frozenset({3008, 3009}), frozenset({3009})], ids=["the same again", "less again"]
)
def test_nothing_is_left_behind_wherever_it_is_stopped(
    capture: Path, tmp_path: Path, protocols: frozenset[int]
) -> None:
    options = TableOptions(protocols)
    run_task(task_for(str(capture), ExportSettings(str(tmp_path / "whole"), options=options)))
    wanted = contents(tmp_path / "whole")
    assert wanted
    more = TableOptions(frozenset({3008, 3009}))
    run_task(task_for(str(capture), ExportSettings(str(tmp_path / "everything"), options=more)))
    everything = contents(tmp_path / "everything")
    stops = 0
    while True:
        out = tmp_path / f"out{stops}"
        stopping = StoppingStore(str(out), stops)
        first = task_for(str(capture), ExportSettings(str(out), options=more))
        try:
            with mock.patch.object(tasks, "store_at", lambda _root, store=stopping: store):
                run_task(first)
        except Stopped:
            # What counts as done is whole.
            assert finished(first) is None or contents(out) == everything
        else:
            break
        again = task_for(str(capture), ExportSettings(str(out), options=options))
        assert run_task(again).is_clean
        assert contents(out) == wanted
        (entry,) = entries_of(Store(str(out)))
        assert (entry.status, set(entry.files)) == ("done", set(wanted))
        stops += 1
    assert stops > 8
