"""Many small files to few: no row is lost, wherever the process ends."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from ftwire_tools.commands import ftwire
from ftwire_tools.export.compaction import compact
from ftwire_tools.export.manifest import entries_of, recorded
from ftwire_tools.export.store import Store
from ftwire_tools.export.stored import stored_tables
from ftwire_tools.synthetic.day import Plan, write_capture
from support.stopping import Stopped, StoppingStore

INPUTS = 5


def run(*arguments: str | Path | int) -> Result:
    return CliRunner().invoke(ftwire, ["export", *map(str, arguments)])


def synth(path: Path, seed: int, size: int = 60_000) -> Path:
    with path.open("wb") as file:
        write_capture(Plan(size, seed, symbols=3), file.write, lambda _size, _frames: None)
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with captures in ``in`` and their tables in ``out``."""
    root = tmp_path_factory.mktemp("exported")
    (root / "in").mkdir()
    for seed in range(INPUTS):
        synth(root / "in" / f"{seed}.pcap", seed)
    assert run(root / "in", "-o", root / "out", "-j", 1).exit_code == 0
    return root


@pytest.fixture
def root(exported: Path, tmp_path: Path) -> Path:
    """The same to be changed; the captures stay where they are."""
    shutil.copytree(exported / "out", tmp_path / "out")
    return tmp_path


def files(out: Path) -> list[Path]:
    return sorted(path for path in out.rglob("*.parquet") if ".partial" not in path.parts)


def rows(out: Path) -> Counter[tuple[Any, ...]]:
    """Every row, by table, partition, input, number and place, with all its values."""
    found: Counter[tuple[Any, ...]] = Counter()
    for path in files(out):
        partition = path.parent.relative_to(out)
        table = pq.ParquetFile(path).read()
        if "time" in table.schema.names:
            table = table.drop_columns(["time"])  # time_ns has it in full
        found.update((str(partition), repr(row)) for row in table.to_pylist())
    return found


def test_rows_stay_and_files_become_few(exported: Path, root: Path) -> None:
    before, many = rows(root / "out"), len(files(root / "out"))
    result = run("--compact", "-o", root / "out")
    assert result.exit_code == 0
    partitions = {path.parent for path in files(root / "out")}
    assert len(files(root / "out")) == len(partitions) < many
    assert result.stdout == f"{many} files of {INPUTS} inputs are {len(partitions)} now\n"
    assert rows(root / "out") == before
    assert [path.name for path in (root / "out" / "_manifest").iterdir()] == ["entries.jsonl"]
    # What is done is done: the inputs are known, and compacting again changes nothing.
    again = run(exported / "in", "-o", root / "out", "-j", 1)
    assert again.stdout.startswith(f"{INPUTS} of {INPUTS} inputs ({INPUTS} done before)")
    names = files(root / "out")
    assert run("--compact", "-o", root / "out", "--json").exit_code == 0
    assert files(root / "out") == names


def test_the_rows_of_an_input_stay_in_their_order(root: Path) -> None:
    assert run("--compact", "-o", root / "out").exit_code == 0
    for path in files(root / "out"):
        seen: dict[str, int] = {}
        for name, number in zip(*pq.read_table(path, columns=["file", "number"]).to_pydict().values(), strict=True):
            assert number >= seen.get(name, 0)
            seen[name] = number


def test_inputs_that_come_later_are_added(exported: Path, root: Path, tmp_path: Path) -> None:
    assert run("--compact", "-o", root / "out").exit_code == 0
    later = synth(tmp_path / "later.pcap", 99)
    result = run(later, "-o", root / "out", "-j", 1, "--compact", "--json")
    assert result.exit_code == 0
    *_, done = map(json.loads, result.stdout.splitlines())
    assert done["compacted"]["entries"] == INPUTS + 1
    both = tmp_path / "both"
    assert run(exported / "in", later, "-o", both, "-j", 1).exit_code == 0
    assert rows(root / "out") == rows(both)


def test_an_input_whose_rows_were_compacted_is_not_replaced(tmp_path: Path) -> None:
    source = synth(tmp_path / "a.pcap", 3)
    out = tmp_path / "own"
    assert run(source, synth(tmp_path / "b.pcap", 4), "-o", out, "-j", 1).exit_code == 0
    assert run("--compact", "-o", out).exit_code == 0
    before = rows(out)
    synth(source, 5)
    result = run(source, "-o", out, "-j", 1)
    assert result.exit_code == 1
    assert "has changed since it was exported" in result.stderr
    assert "give another directory, or delete that one" in result.stderr
    assert rows(out) == before


def test_large_files_stay_as_they_are(root: Path) -> None:
    sizes = {path: path.stat().st_size for path in files(root / "out")}
    target = sorted(sizes.values())[len(sizes) // 2]
    before = rows(root / "out")
    compact(str(root / "out"), Store(str(root / "out")), target)
    assert {path for path, size in sizes.items() if size >= target} <= set(files(root / "out"))
    assert rows(root / "out") == before


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["-o", "OUT"], "Missing argument 'CAPTURE...'"),
        (["--compact", "-o", "s3://bucket/tables"], "in a directory of this machine only"),
        (["--compact", "-o", "OUT", "--format", "csv"], "--compact joins Parquet files: not with --format csv"),
    ],
)
def test_what_cannot_be_asked_for_is_a_usage_error(tmp_path: Path, arguments: list[str], problem: str) -> None:
    result = run(*(str(tmp_path / "out") if each == "OUT" else each for each in arguments))
    assert result.exit_code == 2
    assert problem in result.stderr


def test_a_directory_without_an_export_is_named(tmp_path: Path) -> None:
    result = run("--compact", "-o", tmp_path / "nothing")
    assert result.exit_code == 1
    assert "there is no export" in result.stderr


def test_tables_in_other_formats_are_named(exported: Path, tmp_path: Path) -> None:
    assert run(exported / "in" / "0.pcap", "-o", tmp_path / "out", "--format", "jsonl").exit_code == 0
    result = run("--compact", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "only tables in Parquet can be compacted" in result.stderr


def places(out: Path) -> Counter[tuple[Any, ...]]:
    """Every row, by table, partition, input, number and place in its list."""
    found: Counter[tuple[Any, ...]] = Counter()
    for path in files(out):
        columns = pq.ParquetFile(path).read(columns=["file", "number", "row"]).to_pydict().values()
        found.update((str(path.parent.relative_to(out)), *row) for row in zip(*columns, strict=True))
    return found


def stored(out: Path) -> Counter[tuple[Any, ...]]:
    """The same, read by way of the manifest."""
    found: Counter[tuple[Any, ...]] = Counter()
    for table, batch in stored_tables(str(out)):
        columns = batch.select(["file", "number", "row"]).to_pydict().values()
        found.update((table, *row) for row in zip(*columns, strict=True))
    return found


def test_nothing_is_lost_wherever_the_process_ends(tmp_path: Path) -> None:
    root = tmp_path
    sources = [synth(root / f"{seed}.pcap", seed, 8_000) for seed in range(2)]
    assert run(*sources, "-o", root / "out", "-j", 1, "--proto", "Qot_UpdateTicker").exit_code == 0
    before, read = places(root / "out"), stored(root / "out")
    tasks = {entry.task for entry in entries_of(Store(str(root / "out")))}
    stops = 0
    while True:
        out = root / f"stopped{stops}"
        shutil.copytree(root / "out", out)
        try:
            compact(str(out), StoppingStore(str(out), stops))
        except Stopped:
            # Every row is there, if maybe twice, before anybody puts it right.
            assert not before - places(out)
            # Whoever goes by the manifest finds each once.
            assert stored(out) == read
        else:
            break
        if stops % 7 == 0:
            # An export that comes next puts it right as well.
            assert run(root / "nothing.pcap", "-o", out, "-j", 1).exit_code != 0
        compact(str(out), Store(str(out)))
        assert places(out) == before
        store = Store(str(out))
        assert {entry.task for entry in entries_of(store) if entry.files} == tasks
        for task in tasks:
            found = recorded(store, task)
            assert found is not None
            assert all((out / name).exists() for name in found.files)
        shutil.rmtree(out)
        stops += 1
    assert stops > 10
