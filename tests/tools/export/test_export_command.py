"""``ftwire export``: files, formats, what happens when something does not go well."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from ftwire.messages import Qot_GetRT, Qot_UpdateRT
from ftwire_tools.commands._group import ftwire
from ftwire_tools.export import engines, tables
from ftwire_tools.export.manifest import Outcome
from ftwire_tools.export.progress_report import Report
from ftwire_tools.export.steps import Result as StepResult
from ftwire_tools.export.steps import Step
from ftwire_tools.export.task import Settings, task_for
from ftwire_tools.export.work import perform
from ftwire_tools.synthetic.day import Plan, write_capture
from support.captures import answered, asked, init_request, pcap, push, session
from support.frames import init_response, rt_response
from support.places import ROOT

COMMAND = [sys.executable, "-m", "ftwire_tools.cli"]


def run(*arguments: str | Path | int) -> Result:
    return CliRunner().invoke(ftwire, ["export", *map(str, arguments)])


def synth(path: Path, size: int = 300_000, seed: int = 1, **options: Any) -> Path:
    with path.open("wb") as file:
        write_capture(Plan(size, seed, **options), file.write, lambda _size, _frames: None)
    return path


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "session.pcap"
    path.write_bytes(pcap(session()))
    return path


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of five captures."""
    path = tmp_path_factory.mktemp("several")
    for seed in range(4):
        synth(path / f"{seed}.pcap", 60_000 * (seed + 1), seed, symbols=3, days=2)
    (path / "session.pcap").write_bytes(pcap(session()))
    (path / "notes.txt").write_text("not a capture")
    return path


def files_of(out: Path) -> dict[str, bytes]:
    """Every table's file by its name."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*-*.*")) if path.is_file()}


def outcomes(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_every_format_holds_the_same_rows(several: Path, tmp_path: Path) -> None:
    for kind in ("parquet", "arrow", "csv", "jsonl"):
        assert run(several, "-o", tmp_path / kind, "--format", kind, "-j", 1).exit_code == 0
    counts = {table.name for table in (tmp_path / "parquet").iterdir() if not table.name.startswith(("_", "."))}
    assert {"ticker", "order_book", "order_book_wide", "time_share", "kline", "basic_quote"} <= counts
    parquet = ds.dataset(tmp_path / "parquet" / "ticker", partitioning="hive").to_table().sort_by("sequence")
    arrow = ds.dataset(tmp_path / "arrow" / "ticker", format="ipc", partitioning="hive").to_table().sort_by("sequence")
    lines = [json.loads(line) for path in (tmp_path / "jsonl" / "ticker").rglob("*.jsonl") for line in path.open()]
    comma = ds.dataset(tmp_path / "csv" / "ticker", format="csv", partitioning="hive").to_table().sort_by("sequence")
    lines.sort(key=lambda row: row["sequence"])
    for name in ("sequence", "price", "volume", "code", "time"):
        values = sorted(map(str, parquet.column(name).to_pylist()))
        assert values == sorted(map(str, arrow.column(name).to_pylist()))
        assert values == sorted(str(row[name]) for row in lines)
        if name not in {"price", "time"}:
            assert values == sorted(map(str, comma.column(name).to_pylist()))
    assert pa.types.is_dictionary(arrow.schema.field("dir_name").type)
    assert set(parquet.column("market").to_pylist()) == {"HK"}


def test_parquet_files_are_compressed_sorted_and_have_statistics(several: Path, tmp_path: Path) -> None:
    assert run(several, "-o", tmp_path, "-j", 1).exit_code == 0
    for path in tmp_path.glob("*/market=*/date=*/*.parquet"):
        file = pq.ParquetFile(path)
        group = file.metadata.row_group(0)
        assert group.column(0).compression == "ZSTD"
        assert group.column(0).statistics.has_min_max
        assert group.sorting_columns[0].column_index == 0
        times = file.read(["capture_time"]).column(0).cast(pa.int64()).to_pylist()
        assert times == sorted(times)
        exact = file.read(["capture_time_ns"]).column(0).to_pylist()
        assert [each // 1000 for each in exact] == times
        # Spark refuses a file with any column of instants finer than microseconds.
        assert not any(str(field.type).startswith("timestamp[ns") for field in file.schema_arrow)
        day = path.parent.name.removeprefix("date=")
        assert {str(each)[:10] for each in file.read(["capture_time"]).column(0).cast(pa.string()).to_pylist()} == {day}


def test_duckdb_holds_every_table(several: Path, tmp_path: Path) -> None:
    assert run(several, "-o", tmp_path, "--format", "duckdb", "-j", 1).exit_code == 0
    with duckdb.connect(str(tmp_path / "export.duckdb"), read_only=True) as connection:
        found = connection.execute("select count(*), sum(volume), min(market) from ticker").fetchone()
        files = [f"{tmp_path}/ticker/**/*.parquet"]
        assert found == connection.execute("select count(*), sum(volume), 'HK' from read_parquet(?)", files).fetchone()
        names = {name for (name,) in connection.execute("select table_name from information_schema.tables").fetchall()}
    assert names == {path.name for path in tmp_path.iterdir() if path.is_dir() and path.name[0] not in "._"}


def test_sums_of_a_large_capture_are_those_of_the_dump(tmp_path: Path) -> None:
    path = synth(tmp_path / "a.pcap", 1_500_000, connections=3, days=2)
    assert run(path, "-o", tmp_path / "out").exit_code == 0
    dumped = CliRunner().invoke(ftwire, ["dump", "--json", str(path)]).stdout.splitlines()
    items = [
        item
        for line in dumped
        if '"Qot_UpdateTicker"' in line
        for item in json.loads(line)["body"]["s2c"]["tickerList"]
    ]
    found = duckdb.execute(
        "select count(*), sum(volume), sum(turnover), min(sequence), max(time) from read_parquet(?)",
        [f"{tmp_path}/out/ticker/**/*.parquet"],
    ).fetchone()
    assert found is not None
    count, volume, turnover, first, last = found
    assert (count, volume) == (len(items), sum(int(item["volume"]) for item in items))
    assert turnover == pytest.approx(sum(item["turnover"] for item in items))
    assert (first, last) == (min(int(item["sequence"]) for item in items), max(item["time"] for item in items))


def test_batches_come_in_bounded_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = synth(tmp_path / "a.pcap", 1_500_000)
    whole = {table: pa.Table.from_batches([batch]) for table, batch in tables([str(path)])}
    monkeypatch.setattr("ftwire_tools.export.frame_columns.MAX_BYTES", 100_000)
    pieces: dict[str, list[Any]] = {}
    for table, batch in tables([str(path)]):
        pieces.setdefault(table, []).append(batch)
    assert len(pieces["ticker"]) > 5
    assert max(batch.nbytes for batches in pieces.values() for batch in batches) < 4_000_000
    for table, batches in pieces.items():
        assert pa.Table.from_batches(batches).combine_chunks().equals(whole[table].combine_chunks())


def test_all_cores_write_what_one_does(several: Path, tmp_path: Path) -> None:
    one = run(several, "-o", tmp_path / "one", "-j", 1, "--json")
    two = subprocess.run(
        [*COMMAND, "export", several, "-o", tmp_path / "two", "-j", "2", "--json"], capture_output=True, text=True
    )
    assert (one.exit_code, two.returncode) == (0, 0), two.stderr
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two") != {}
    said = [sorted(lines.splitlines()) for lines in (one.stdout, two.stdout)]
    assert said[0] == said[1]


def test_what_is_done_is_not_done_again(several: Path, tmp_path: Path) -> None:
    first = outcomes(run(several, "-o", tmp_path, "-j", 1, "--json"))
    assert not any(each["skipped"] for each in first)
    second = outcomes(run(several, "-o", tmp_path, "-j", 1, "--json"))
    assert all(each["skipped"] for each in second)
    assert sorted(each["sha256"] for each in first) == sorted(each["sha256"] for each in second)
    (tmp_path / "_manifest" / f"{first[0]['task']}.json").write_text("{}")
    third = outcomes(run(several, "-o", tmp_path, "-j", 1, "--json"))
    assert [each["source"] for each in third if not each["skipped"]] == [first[0]["source"]]
    # Other settings are another export.
    again = outcomes(run(several, "-o", tmp_path, "-j", 1, "--json", "--explode"))
    assert not any(each["skipped"] for each in again)


def test_an_input_that_changed_is_done_again(capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (before,) = outcomes(run(capture, "-o", out, "--json"))
    os.utime(capture, ns=(1, 1))
    (touched,) = outcomes(run(capture, "-o", out, "--json"))
    assert touched["skipped"]
    capture.write_bytes(pcap(session()[:2]))
    (after,) = outcomes(run(capture, "-o", out, "--json"))
    assert not after["skipped"]
    assert after["sha256"] != before["sha256"]
    assert not list((out / "time_share").rglob("*.parquet"))
    assert set(after["files"]) == set(files_of(out))


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    """Killed without warning in the middle: what is there is whole, and the next run does the rest."""
    inputs = tmp_path / "in"
    inputs.mkdir()
    for seed in range(4):
        synth(inputs / f"{seed}.pcap", 1_500_000 if seed else 20_000, seed)
    out = tmp_path / "out"
    command = [*COMMAND, "export", str(inputs), "-o", str(out), "-j", "1"]
    running = subprocess.Popen(command, start_new_session=True)
    while not list(out.glob("_manifest/*.json")) and running.poll() is None:
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    done = len(list(out.glob("_manifest/*.json")))
    assert 1 <= done < 4
    for name in files_of(out):
        if not name.startswith("."):
            pq.read_metadata(out / name)
    result = run(inputs, "-o", out, "-j", 1, "--json")
    assert result.exit_code == 0
    assert sum(each["skipped"] for each in outcomes(result)) == done
    assert run(inputs, "-o", tmp_path / "straight", "-j", 1).exit_code == 0
    assert files_of(out) == files_of(tmp_path / "straight")


def crash_on_bad(step: Step, _slot: int) -> StepResult:
    """What a worker does in the test below."""
    if "bad" in step.task.source:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)
    return perform(step)


def test_an_input_that_ends_its_worker_is_quarantined(several: Path, tmp_path: Path) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    for path in several.glob("*.pcap"):
        (inputs / path.name).write_bytes(path.read_bytes())
    (inputs / "bad.pcap").write_bytes(pcap(session()))
    settings = Settings(str(tmp_path / "out"))
    tasks = [task_for(str(path), settings) for path in sorted(inputs.iterdir())]
    found = list(engines.run_on_all_cores(tasks, {}, Report(len(tasks), 0), 2, crash_on_bad))
    assert {outcome.source: outcome.status for outcome in found} == {
        task.source: "quarantined" if "bad" in task.source else "done" for task in tasks
    }
    # It stays so until asked.
    result = run(inputs, "-o", tmp_path / "out", "-j", 1)
    assert result.exit_code == 3
    assert "bad.pcap: quarantined: it ended the process that read it" in result.stderr
    assert run(inputs, "-o", tmp_path / "out", "-j", 1, "--retry-quarantined").exit_code == 0


def test_inputs_that_cannot_be_read_are_named_and_the_rest_is_done(capture: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.pcap"
    text.write_text("hello, world" * 100)
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(b"")
    result = run(capture, text, empty, tmp_path / "none.pcap", "-o", tmp_path / "out", "-j", 1)
    assert result.exit_code == 3
    assert "text.pcap: failed: neither a capture" in result.stderr
    assert "empty.pcap: failed: empty" in result.stderr
    assert "none.pcap: failed: No such file" in result.stderr
    assert result.stdout.startswith("1 of 4 inputs, 5 frames")
    assert run(text, "-o", tmp_path / "out2").exit_code == 1


def test_what_cannot_be_decoded_is_in_the_table_of_errors(tmp_path: Path) -> None:
    body = rt_response().SerializeToString()
    said = [
        asked(1001, 1, init_request()),
        answered(1001, 1, init_response("0" * 16, None)),
        answered(3008, 2, body[:-3]),  # no message
        answered(3008, 3, rt_response()),
        answered(3008, 4, b"\x12\x02\xff\xfe" + rt_response().SerializeToString()),  # retMsg is no UTF-8
        answered(99999, 5, b"whatever"),
        answered(3008, 6, Qot_GetRT.Response(retType=-1, retMsg="no right")),
    ]
    damaged = said[3].data[:50] + b"X" + said[3].data[51:]
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([*said, type(said[3])(said[3].sender, damaged), answered(3009, 0, push())])[:-70])
    result = run(path, "-o", tmp_path / "out")
    assert result.exit_code == 3
    rows: dict[str, list[dict[str, Any]]] = {}
    for table, batch in tables([str(path)]):
        rows.setdefault(table, []).extend(batch.drop_columns(["capture_time"]).to_pylist())
    errors = {(row["frame"], row["error_type"], row["is_lost"]) for row in rows["errors"]}
    assert errors >= {
        (3, "BodyError", True),
        (5, "ConverterRefusal", False),
        (6, "UnknownProtocolError", True),
        (8, "DigestError", True),
    }
    bodies = {row["frame"]: row["body"] for row in rows["errors"]}
    assert bodies[3] == body[:-3]
    assert bodies[6] is None, "a protocol that nobody knows may be one with accounts in it"
    shown = [
        row for table, batch in tables([str(path)], show_secrets=True) for row in batch.to_pylist() if table == "errors"
    ]
    assert {row["frame"]: row["body"] for row in shown}[6] == b"whatever"
    assert {row["frame"] for row in rows["time_share"]} == {4, 5, 9}
    assert [row["retMsg"] for row in rows["time_share"] if row["frame"] == 5] == ["\\xff\\xfe"] * 2
    (failed,) = rows["qot_get_rt"]
    assert (failed["frame"], failed["retType"], failed["retMsg"], failed["code"]) == (7, -1, "no right", None)


def test_a_bomb_of_repetitions_does_not_go_off(tmp_path: Path) -> None:
    """4 MB of text beside 200,000 items would be 800 GB."""
    reply = Qot_GetRT.Response(retType=0, retMsg="x" * 4_000_000)
    reply.s2c.security.market, reply.s2c.security.code = 1, "00700"
    body = reply.SerializePartialToString() + b"\x22\x80\xb5\x18" + b"\x12\x00" * 200_000
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([*session()[:2], answered(3008, 2, body)]))
    ((_, batch),) = [found for found in tables([str(path)]) if found.table == "time_share"]
    assert len(batch) == 200_000
    assert batch.nbytes < 256 << 20
    assert set(batch.column("retMsg").unique().to_pylist()) == {"x" * ((64 << 20) // (4 * 200_000))}


def test_an_input_that_fails_does_not_keep_the_others(
    several: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ftwire_tools.export import collect

    read_blocks = collect.read_blocks

    def broken(*arguments: Any) -> Any:
        if arguments[1].endswith("session.pcap"):
            raise ZeroDivisionError("a fault of ours")
        return read_blocks(*arguments)

    monkeypatch.setattr(collect, "read_blocks", broken)
    result = run(several, "-o", tmp_path, "-j", 1)
    assert result.exit_code == 3
    assert "session.pcap: failed: ZeroDivisionError: a fault of ours" in result.stderr
    assert result.stdout.startswith("4 of 5 inputs")


def test_secrets_stay_behind(tmp_path: Path) -> None:
    fixture = ROOT / "fixtures" / "captures" / "futu-api-10.11-trade.pcap"
    for options, shown in (((), False), (("--show-secrets",), True)):
        out = tmp_path / str(shown)
        assert run(fixture, "-o", out, "--format", "jsonl", *options).exit_code == 0
        rows = [json.loads(line) for path in out.rglob("*.jsonl") for line in path.open()]
        keys = {row["connAESKey"] for row in rows if "connAESKey" in row}
        assert ("***" in keys) is not shown
        accounts = [row for row in rows if "header_accID" in row or "accID" in row or "trdEnv" in row]
        assert any(row.get("header_accID") or row.get("accID") for row in accounts) is shown


def test_lists_in_rows_become_tables_of_their_own(tmp_path: Path) -> None:
    from ftwire.messages import Qot_UpdateOrderBook

    book = Qot_UpdateOrderBook.Response(retType=0)
    book.s2c.security.market, book.s2c.security.code = 11, "AAPL"
    for price in (1.0, 2.0):
        level = book.s2c.orderBookAskList.add(price=price, volume=5, orederCount=2)
        for order in range(int(price)):
            level.detailList.add(orderID=order, volume=10 + order)
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([*session(), answered(3013, 0, book)]))
    nested = {table: batch.to_pylist() for table, batch in _untimed(tables([str(path)]))}
    assert [len(row["detailList"]) for row in nested["order_book"]] == [1, 2]
    (wide,) = nested["order_book_wide"]
    assert [wide[f"ask_price_{level}"] for level in (1, 2, 3)] == [1.0, 2.0, None]
    assert wide["bid_price_1"] is None
    flat = {table: batch.to_pylist() for table, batch in _untimed(tables([str(path)], explode=True, levels=2))}
    assert "detailList" not in flat["order_book"][0]
    details = flat["order_book_detail_list"]
    assert [(row["row"], row["item"], row["orderID"], row["code"]) for row in details] == [
        (0, 0, 0, "US.AAPL"),
        (1, 0, 0, "US.AAPL"),
        (1, 1, 1, "US.AAPL"),
    ]
    assert "ask_price_3" not in flat["order_book_wide"][0]


def _untimed(batches: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    return ((table, batch.drop_columns(["capture_time"])) for table, batch in batches)


def test_times_become_instants_by_market(tmp_path: Path) -> None:
    said = session()[:2]
    times = {
        (11, "2024-01-02 09:30:00"): "2024-01-02 14:30:00.000000Z",
        (11, "2024-07-02 09:30:00.250"): "2024-07-02 13:30:00.250000Z",
        (22, "2024-01-02 09:30"): "2024-01-02 01:30:00.000000Z",
        (91, "2024-01-02 00:00:00"): None,  # currencies have no place
        (1, "2024-13-45 99:99:99"): None,
        (1, ""): None,
    }
    for serial, (market, when) in enumerate(times):
        update = Qot_UpdateRT.Response(retType=0)
        update.s2c.security.market, update.s2c.security.code = market, "X"
        update.s2c.rtList.add(time=when, minute=1, isBlank=False)
        said.append(answered(3009, serial, update))
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(said))
    batches = dict(tables([str(path)]))
    found = batches["time_share"].column("time_utc").cast(pa.string()).to_pylist()
    assert found == list(times.values())


def test_remote_paths_are_fsspecs(capture: Path, tmp_path: Path) -> None:
    import fsspec

    system = fsspec.filesystem("memory")
    system.pipe("/in/a.pcap", capture.read_bytes())
    system.pipe("/in/b.pcap", capture.read_bytes())
    result = run("memory://in/*.pcap", "-o", "memory://out", "-j", 1)
    assert result.exit_code == 0, result.stderr
    names = [name for name in system.find("/out") if name.endswith(".parquet")]
    assert sum("time_share" in name for name in names) == 2
    with system.open(next(name for name in names if "time_share" in name)) as file:
        assert pq.read_table(file).num_rows == 3
    assert not [name for name in system.find("/out") if ".partial" in name]
    assert "(2 done before)" in run("memory://in/*.pcap", "-o", "memory://out", "-j", 1).stdout
    assert run(f"file://{capture}", "-o", f"file://{tmp_path}/out").exit_code == 0
    assert list((tmp_path / "out" / "time_share").rglob("*.parquet"))


def test_standard_input_is_an_input(capture: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(ftwire, ["export", "-", "-o", str(tmp_path)], input=capture.read_bytes())
    assert result.exit_code == 0
    assert len(list(tmp_path.glob("time_share/*/*/*.parquet"))) == 1


def test_many_days_do_not_take_many_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = synth(tmp_path / "a.pcap", 300_000, days=12)
    monkeypatch.setattr("ftwire_tools.export.formats.MAX_OPEN", 3)
    monkeypatch.setattr("ftwire_tools.export.formats.MAX_PENDING", 10_000)
    monkeypatch.setattr("ftwire_tools.export.frame_columns.MAX_BYTES", 20_000)
    (outcome,) = outcomes(run(path, "-o", tmp_path / "out", "--json"))
    rows = sum(pq.read_metadata(file).num_rows for file in (tmp_path / "out").rglob("*.parquet"))
    assert rows == sum(outcome["rows"].values())
    assert len(list((tmp_path / "out" / "ticker").iterdir())) == 1
    assert len(list((tmp_path / "out" / "ticker" / "market=HK").iterdir())) >= 12


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 2, "Missing option '-o'"),
        (["-o", "{out}", "--proto", "Nonsense"], 2, "Nonsense"),
        (["-o", "{out}", "--address", "x:1"], 2, "--engine"),
        (["-o", "s3://b/x", "--format", "duckdb"], 2, "directory of this machine"),
        (["-o", "{out}", "--key", "/nowhere"], 1, "No such file"),
        (["-o", "{capture}/x"], 1, "Not a directory"),
    ],
)
def test_bad_usage_is_a_line(capture: Path, tmp_path: Path, options: list[str], code: int, said: str) -> None:
    result = run(capture, *(option.format(out=tmp_path / "out", capture=capture) for option in options))
    assert result.exit_code == code
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_an_interrupted_run_says_nothing(tmp_path: Path) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    for seed in range(4):
        synth(inputs / f"{seed}.pcap", 1_500_000, seed)
    command = [*COMMAND, "export", str(inputs), "-o", str(tmp_path / "out"), "-j", "2"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True, text=True)
    while not (tmp_path / "out" / ".partial").exists() and running.poll() is None:
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGINT)
    _, stderr = running.communicate(timeout=60)
    assert (running.returncode, stderr) == (130, "")


def test_a_missing_package_is_told_with_its_extra(capture: Path, tmp_path: Path) -> None:
    program = "import sys; sys.modules['pyarrow'] = None; from ftwire_tools.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "export", str(capture), "-o", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "pip install 'ftwire[cli,export]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_report_says_what_is_left() -> None:
    report = Report(4, 100_000_000)
    report.done(Outcome("a", "a", size=20_000_000, frames=100))
    assert report.line(5_000_000, 50, 5.0) == "1 of 4 files, 25 of 100 MB, 150 frames, 5.0 MB/s, 15s left"
    assert report.line(80_000_000, 50, 100.0) == "1 of 4 files, 100 of 100 MB, 150 frames, 1.0 MB/s"
