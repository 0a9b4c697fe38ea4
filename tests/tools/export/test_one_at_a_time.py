"""Exports into a directory where another one is writing, or has written tables with other columns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ftwire_tools.commands import ftwire
from ftwire_tools.export.lock import BusyError, locked
from ftwire_tools.synthetic.day import Plan, write_capture
from support.captures import pcap, session

COMMAND = [sys.executable, "-m", "ftwire_tools.cli", "export"]
HOLDER = (
    "import sys, time; from pathlib import Path; from ftwire_tools.export.lock import locked\n"
    "with locked(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()"
)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(ftwire, ["export", *map(str, arguments)])


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "session.pcap"
    path.write_bytes(pcap(session()))
    return path


def holding(path: Path) -> subprocess.Popen[str]:
    """A process that holds a lock file until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_export_says_who_is_writing(capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    holder = holding(out / ".lock")
    refused = run(capture, "-o", out)
    assert refused.exit_code == 1
    assert refused.stderr == (
        f"Error: {out}: another export is writing there (process {holder.pid}): "
        "wait until it has ended, or give another directory\n"
    )
    assert not (out / "_manifest").exists()
    # Another directory is free all the while.
    assert run(capture, "-o", tmp_path / "other").exit_code == 0
    holder.communicate("")
    assert not (out / ".lock").exists()
    assert run(capture, "-o", out).exit_code == 0
    assert not (out / ".lock").exists()


def test_what_a_killed_export_leaves_behind_locks_nothing(capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    holder = holding(out / ".lock")
    holder.kill()
    holder.communicate()
    assert (out / ".lock").read_text() == f"{holder.pid}\n"
    assert run(capture, "-o", out).exit_code == 0
    (out / ".lock").write_text("no number")
    assert run(capture, "-o", out).exit_code == 0


@pytest.mark.long
def test_two_whole_exports_at_once(tmp_path: Path) -> None:
    """One ends well, whichever it is; the other ends well too or is refused; the tables are those of one export."""
    inputs = tmp_path / "in"
    inputs.mkdir()
    for seed in range(3):
        with (inputs / f"{seed}.pcap").open("wb") as file:
            write_capture(Plan(300_000, seed), file.write, lambda _size, _frames: None)
    out = tmp_path / "out"
    command = [*COMMAND, str(inputs), "-o", str(out), "--format", "jsonl", "-j", "2"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [(*process.communicate(), process.returncode) for process in both]
    assert sorted(code for *_, code in ends) in ([0, 0], [0, 1])
    for _, stderr, code in ends:
        assert stderr == "" if code == 0 else "another export is writing there" in stderr
    assert run(inputs, "-o", tmp_path / "alone", "--format", "jsonl").exit_code == 0
    found, wanted = (
        {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.jsonl")}
        for root in (out, tmp_path / "alone")
    )
    assert found == wanted != {}


def test_workers_end_with_an_export_that_is_killed(tmp_path: Path) -> None:
    """Only the process that holds the lock is killed: nobody goes on writing without it."""
    inputs = tmp_path / "in"
    inputs.mkdir()
    for seed in range(3):
        with (inputs / f"{seed}.pcap").open("wb") as file:
            write_capture(Plan(3_000_000, seed), file.write, lambda _size, _frames: None)
    out = tmp_path / "out"
    arguments = [*COMMAND, str(inputs), "-o", str(out), "-j", "2"]
    # Its workers keep its standard output open for as long as they live.
    export = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while not (out / ".partial").exists() and export.poll() is None:
        time.sleep(0.01)
    export.kill()
    export.communicate(timeout=60)
    assert export.returncode != 0
    assert len(list((out / "_manifest").glob("*.json"))) < 3
    assert run(inputs, "-o", out, "-j", "2").exit_code == 0


def test_a_lock_passes_from_hand_to_hand(tmp_path: Path) -> None:
    """Many processes, each holding it for a moment: never two at once."""
    program = (
        "import os, sys, time; from pathlib import Path; from ftwire_tools.export.lock import BusyError, locked\n"
        "lock, mark, done = map(Path, sys.argv[1:])\n"
        "while done.stat().st_size < 40:\n"
        "    try:\n"
        "        with locked(lock):\n"
        "            mark.mkdir(); time.sleep(0.002); mark.rmdir()\n"
        "            done.open('ab').write(b'.')\n"
        "    except BusyError: pass\n"
    )
    (tmp_path / "done").touch()
    arguments = [str(tmp_path / name) for name in ("lock", "mark", "done")]
    several = [subprocess.Popen([sys.executable, "-c", program, *arguments]) for _ in range(4)]
    assert [process.wait() for process in several] == [0] * 4  # mkdir fails where another one is inside


def test_a_lock_names_its_holder(tmp_path: Path) -> None:
    with locked(tmp_path / "x"), pytest.raises(BusyError) as error, locked(tmp_path / "x"):
        pass
    assert error.value.holder == os.getpid()
    assert str(error.value) == f"{tmp_path / 'x'} is locked by process {os.getpid()}"


def test_a_lock_that_cannot_be_made_is_an_error(capture: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").mkdir()
    refused = run(capture, "-o", tmp_path / "out")
    assert refused.exit_code == 1
    assert "Is a directory" in refused.stderr


def test_tables_of_an_older_schema_get_no_rows_of_this_one(capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(capture, "-o", out).exit_code == 0
    (entry,) = (out / "_manifest").glob("*.json")
    old = json.loads(entry.read_text())
    # As ftwire wrote it before entries had these.
    for name in ("schema", "columns", "without_request"):
        del old[name]
    entry.write_text(json.dumps(old | {"version": "0.1"}))
    before = sorted(path for path in out.rglob("*") if path.is_file())
    refused = run(capture, "-o", out)
    assert refused.exit_code == 1
    assert refused.stderr == (
        f"Error: {out} holds tables of schema 1 (ftwire 0.1), and this ftwire writes schema 3, whose tables or "
        "columns have other names: give another directory, or delete that one\n"
    )
    assert sorted(path for path in out.rglob("*") if path.is_file()) == before


def test_both_kinds_of_columns_are_not_mixed(capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(capture, "-o", out, "--columns", "sdk").exit_code == 0
    refused = run(capture, "-o", out)
    assert refused.exit_code == 1
    assert refused.stderr == f"Error: {out} holds tables with --columns sdk: give another directory, or that option\n"
    assert run(capture, "-o", out, "--columns", "sdk").stdout.startswith("1 of 1 inputs (1 done before)")


def test_an_entry_without_files_decides_nothing(tmp_path: Path) -> None:
    """A failed input of an older export has no tables that rows could be mixed with."""
    text = tmp_path / "text.pcap"
    text.write_text("no capture")
    out = tmp_path / "out"
    assert run(text, "-o", out, "--columns", "sdk").exit_code == 1
    text.write_bytes(pcap(session()))
    assert run(text, "-o", out).exit_code == 0
