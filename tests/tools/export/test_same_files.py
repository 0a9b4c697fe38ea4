"""The files of an export are the same, byte for byte, whoever makes them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ftwire_tools.export.task import ExportSettings, run_task, task_for
from ftwire_tools.synthetic.day import Plan, write_capture
from support.cores import needs_core

PROGRAM = """
import sys
from ftwire_tools.export.task import ExportSettings, run_task, task_for
assert run_task(task_for(sys.argv[1], ExportSettings(sys.argv[2]))).is_clean
"""


def capture(path: Path) -> Path:
    """Several conversations whose pushes share tables, in more than one market's hours."""
    with path.open("wb") as file:
        write_capture(Plan(700_000, 5, connections=3, symbols=4, days=2), file.write, lambda _size, _frames: None)
    return path


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*.parquet")}


def test_two_exports_of_a_capture_have_the_same_bytes(tmp_path: Path) -> None:
    source = capture(tmp_path / "a.pcap")
    for out in ("first", "second"):
        assert run_task(task_for(str(source), ExportSettings(str(tmp_path / out)))).is_clean
    first = files(tmp_path / "first")
    assert len(first) > 5
    assert files(tmp_path / "second") == first


@needs_core
def test_python_alone_writes_what_the_core_writes(tmp_path: Path) -> None:
    source = capture(tmp_path / "a.pcap")
    for mode in ("off", "required"):
        command = [sys.executable, "-c", PROGRAM, str(source), str(tmp_path / mode)]
        subprocess.run(command, check=True, env={**os.environ, "FTWIRE_CORE": mode})
    assert files(tmp_path / "off") == files(tmp_path / "required")


def test_an_arrow_file_takes_more_and_more_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose texts are others than those of the rows before them."""
    from ftwire_tools.export import tables

    monkeypatch.setattr("ftwire_tools.export.formats.GROUP_ROWS", 200)
    monkeypatch.setattr("ftwire_tools.export.frame_columns.MAX_BYTES", 30_000)
    source = capture(tmp_path / "a.pcap")
    assert run_task(task_for(str(source), ExportSettings(str(tmp_path / "out"), "arrow"))).is_clean
    wanted: dict[str, list[dict[str, Any]]] = {}
    for table, batch in tables([str(source)]):
        if table != "order_book":
            plain = batch.drop_columns(["market", "date"])
            wanted.setdefault(table, []).extend(plain.set_column(0, "time", plain["time"].cast("int64")).to_pylist())
    most = 0
    for table, rows in wanted.items():
        found: list[dict[str, Any]] = []
        for path in sorted((tmp_path / "out" / table).rglob("*.arrow")):
            file = pa.ipc.open_file(path)
            most = max(most, file.num_record_batches)
            whole = file.read_all()
            found += whole.set_column(0, "time", whole["time"].cast("int64")).to_pylist()
        assert sorted(found, key=repr) == sorted(rows, key=repr), table
    assert most > 3


@pytest.mark.parametrize("columns", ["all", "sdk"])
def test_no_dictionary_of_a_column_has_a_text_twice(tmp_path: Path, columns: str) -> None:
    """Parquet's writer gives up dictionaries that have, and writes what happens to be in memory in their place."""
    from ftwire_tools.export import tables

    seen = 0
    for _, batch in tables([str(capture(tmp_path / "a.pcap"))], columns=columns):
        for column in batch.columns:
            if hasattr(column, "dictionary"):
                texts = column.dictionary.to_pylist()
                assert len(set(texts)) == len(texts)
                seen += 1
    assert seen > 2
