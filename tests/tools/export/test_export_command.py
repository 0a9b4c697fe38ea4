"""``ftwire export``: files, formats, what happens when something does not go well."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from ftwire.errors import NotACaptureError
from ftwire.messages import Qot_GetRT, Qot_UpdateRT
from ftwire.pcap import Endpoint, PcapngWriter, PcapWriter
from ftwire_tools.commands import ftwire
from ftwire_tools.export import tables
from ftwire_tools.export.engines import LocalEngine, run_on
from ftwire_tools.export.frame_columns import TableOptions
from ftwire_tools.export.manifest import ExportOutcome
from ftwire_tools.export.progress_report import ExportProgress
from ftwire_tools.export.task import ExportSettings, run_task, task_for
from ftwire_tools.synthetic.day import Plan, write_capture
from ftwire_tools.terminal.progress import Progress
from support.captures import START, Said, answered, asked, init_request, packets, pcap, pcap_of, push, session
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
    assert {"ticker", "order_book", "order_book_wide", "time_share", "kline_1min_none", "basic_quote"} <= counts
    parquet = ds.dataset(tmp_path / "parquet" / "ticker", partitioning="hive").to_table().sort_by("sequence")
    arrow = ds.dataset(tmp_path / "arrow" / "ticker", format="ipc", partitioning="hive").to_table().sort_by("sequence")
    lines = [json.loads(line) for path in (tmp_path / "jsonl" / "ticker").rglob("*.jsonl") for line in path.open()]
    comma = ds.dataset(tmp_path / "csv" / "ticker", format="csv", partitioning="hive").to_table().sort_by("sequence")
    lines.sort(key=lambda row: int(row["sequence"]))
    for name in ("sequence", "price", "volume", "code", "time_"):
        values = sorted(map(str, parquet.column(name).to_pylist()))
        assert values == sorted(map(str, arrow.column(name).to_pylist()))
        assert values == sorted(str(row[name]) for row in lines)
        if name not in {"price", "time_"}:
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
        times = file.read(["time"]).column(0).cast(pa.int64()).to_pylist()
        assert times == sorted(times)
        exact = file.read(["time_ns"]).column(0).to_pylist()
        assert [each // 1000 for each in exact] == times
        # Spark refuses a file with any column of instants finer than microseconds.
        assert not any(str(field.type).startswith("timestamp[ns") for field in file.schema_arrow)
        day = path.parent.name.removeprefix("date=")
        assert {str(each)[:10] for each in file.read(["time"]).column(0).cast(pa.string()).to_pylist()} == {day}


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
        "select count(*), sum(volume), sum(turnover), min(sequence), max(time_) from read_parquet(?)",
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


class Deadly(str):
    """A path that ends every worker that it is sent to."""

    def __reduce__(self) -> tuple[Any, ...]:
        return die, (str(self),)


def die(path: str) -> str:
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return path


def test_an_input_that_ends_its_worker_is_quarantined(several: Path, tmp_path: Path) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    for path in several.glob("*.pcap"):
        (inputs / path.name).write_bytes(path.read_bytes())
    (inputs / "bad.pcap").write_bytes(pcap(session()))
    settings = ExportSettings(str(tmp_path / "out"))
    paths = [str(path) for path in sorted(inputs.iterdir())]
    tasks = [task_for(Deadly(path) if "bad" in path else path, settings) for path in paths]
    found = list(run_on(LocalEngine(2), tasks, ExportProgress(len(tasks), 0)))
    assert {outcome.source: outcome.status for outcome in found} == {
        path: "quarantined" if "bad" in path else "done" for path in paths
    }
    # It stays so until asked.
    result = run(inputs, "-o", tmp_path / "out", "-j", 1)
    assert result.exit_code == 3
    assert "bad.pcap: quarantined: it ended the process that read it" in result.stderr
    assert run(inputs, "-o", tmp_path / "out", "-j", 1, "--retry-quarantined").exit_code == 0


class DeadlyOnce(str):
    """A path that ends the first worker that it is sent to."""

    def __reduce__(self) -> tuple[Any, ...]:
        return die_once, (str(self),)


def die_once(path: str) -> str:
    with suppress(FileExistsError):
        Path(f"{path}.died").touch(exist_ok=False)
        return die(path)
    return path


def test_an_input_whose_worker_died_is_tried_again_behind_the_others(several: Path, tmp_path: Path) -> None:
    """Its worker may have died of what others needed in memory."""
    inputs = tmp_path / "in"
    inputs.mkdir()
    for path in several.glob("*.pcap"):
        (inputs / path.name).write_bytes(path.read_bytes())
    paths = [str(path) for path in sorted(inputs.iterdir())]
    settings = ExportSettings(str(tmp_path / "out"))
    tasks = [task_for(DeadlyOnce(paths[0]), settings), *(task_for(path, settings) for path in paths[1:])]
    found = list(run_on(LocalEngine(2), tasks, ExportProgress(len(tasks), 0)))
    assert [outcome.status for outcome in found] == ["done"] * len(paths)
    assert found[-1].source == paths[0]
    assert run(inputs, "-o", tmp_path / "one", "-j", 1).exit_code == 0
    assert files_of(tmp_path / "out") == files_of(tmp_path / "one")


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
        rows.setdefault(table, []).extend(batch.drop_columns(["time"]).to_pylist())
    errors = {(row["number"], row["error_type"], row["is_lost"]) for row in rows["errors"]}
    assert errors >= {
        (3, "BodyError", True),
        (5, "ConverterRefusal", False),
        (6, "UnknownProtocolError", True),
        (8, "DigestError", True),
    }
    bodies = {row["number"]: row["body"] for row in rows["errors"]}
    assert bodies[3] == body[:-3]
    assert bodies[6] is None, "a protocol that nobody knows may be one with accounts in it"
    shown = [
        row for table, batch in tables([str(path)], show_secrets=True) for row in batch.to_pylist() if table == "errors"
    ]
    assert {row["number"]: row["body"] for row in shown}[6] == b"whatever"
    assert {row["number"] for row in rows["time_share"]} == {4, 5, 9}
    assert [row["retMsg"] for row in rows["time_share"] if row["number"] == 5] == ["\\xff\\xfe"] * 2
    (failed,) = rows["qot_get_rt"]
    assert (failed["number"], failed["retType"], failed["retMsg"], failed["code"]) == (7, -1, "no right", None)


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
    from ftwire_tools.export import pipeline

    read_blocks = pipeline.read_blocks

    def broken(*arguments: Any, **options: Any) -> Any:
        if arguments[1].endswith("session.pcap"):
            raise ZeroDivisionError("a fault of ours")
        return read_blocks(*arguments, **options)

    monkeypatch.setattr("ftwire_tools.export.task.read_blocks", broken)
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
    return ((table, batch.drop_columns(["time"])) for table, batch in batches)


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


def test_standard_input_is_read_here_however_many_processes_there_are(tmp_path: Path) -> None:
    data = synth(tmp_path / "a.pcap", 100_000).read_bytes()
    (tmp_path / "b.pcap").write_bytes(data)
    arguments = ["export", "-", str(tmp_path / "b.pcap"), "-o", str(tmp_path / "out"), "-j", "4"]
    result = CliRunner().invoke(ftwire, arguments, input=data)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("2 of 2 inputs")


def test_standard_input_is_an_input(capture: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(ftwire, ["export", "-", "-o", str(tmp_path)], input=capture.read_bytes())
    assert result.exit_code == 0
    assert len(list(tmp_path.glob("time_share/*/*/*.parquet"))) == 1


def test_blocks_are_files_in_the_order_of_capture(tmp_path: Path) -> None:
    """Each block of a capture has its files; read one after the other they hold what one block holds."""
    path = synth(tmp_path / "a.pcap", 1_000_000, connections=3)
    found = {}
    for block in (1 << 17, 128 << 20):
        settings = ExportSettings(str(tmp_path / str(block)), options=TableOptions(block=block))
        outcome = run_task(task_for(str(path), settings))
        assert outcome.is_clean
        names = sorted(name for name in outcome.files if name.startswith("ticker/"))
        found[block] = names, pa.concat_tables(pq.read_table(tmp_path / str(block) / name) for name in names)
    (several, small), (one, large) = found.values()
    assert [name[-13:] for name in several] == [f"{number:05}.parquet" for number in range(8)]
    assert [name[-13:] for name in one] == ["00000.parquet"]
    assert small.combine_chunks().sort_by("number").equals(large.combine_chunks().sort_by("number"))
    times = small.column("time_ns").to_pylist()
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("spoilt", "error_type", "text"),
    [
        ("cut", "TruncatedCaptureError", "inside a"),
        ("garbage", "CaptureFormatError", "block"),
        ("link", "PacketSkipped", "2 packets passed over: "),
    ],
)
def test_a_damaged_file_is_exported_as_far_as_it_can_be_read(
    tmp_path: Path, spoilt: str, error_type: str, text: str
) -> None:
    path = synth(tmp_path / "a.pcapng", 300_000, connections=3, symbols=3, kind="pcapng")
    data = path.read_bytes()
    if spoilt == "cut":
        data = data[:-13]
    elif spoilt == "garbage":
        at = 0
        while at < 200_000:
            at += int.from_bytes(data[at + 4 : at + 8], "little")  # length of a block
        data = data[:at] + bytes(100)
    else:
        writer = PcapngWriter()
        other = writer.section() + writer.interface(147) + writer.packet(START, b"what is this")
        data += other + other
    path.write_bytes(data)
    result = run(path, "-o", tmp_path / "out", "--json")
    assert result.exit_code == 3
    (outcome,) = outcomes(result)
    assert outcome["status"] == "done"
    assert outcome["sha256"] == hashlib.sha256(data).hexdigest()
    dumped = CliRunner().invoke(ftwire, ["dump", "--json", str(path)]).stdout.splitlines()
    assert outcome["frames"] == len(dumped)
    assert min(outcome["rows"]["ticker"], len(dumped)) > 100
    (error,) = [
        row
        for file in (tmp_path / "out" / "errors").rglob("*.parquet")
        for row in pq.read_table(file, partitioning=None).to_pylist()
        if row["conversation"] is None
    ]
    assert error["error_type"] == error_type
    assert text in error["error"]
    assert error["error"] == outcome["error"]


def test_packets_cut_to_a_snapshot_length_are_an_error(tmp_path: Path) -> None:
    path, writer, frames = tmp_path / "a.pcap", PcapWriter(snap_length=68), packets(session())
    path.write_bytes(writer.header() + b"".join(writer.packet(time, each[:68], len(each)) for time, each in frames))
    result = run(path, "-o", tmp_path / "out", "--json")
    assert result.exit_code == 3
    (outcome,) = outcomes(result)
    cut = sum(len(each) > 68 for _, each in frames)
    assert (outcome["status"], outcome["frames"]) == ("done", 0)
    assert outcome["error"].startswith(f"{cut} packets cut to the capture's snapshot length")
    assert "-s 0" in outcome["error"]


def test_compressed_captures_of_a_directory_are_inputs(capture: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    packed.mkdir()
    data = capture.read_bytes()
    for ending, content in {"gz": gzip.compress(data), "xz": lzma.compress(data), "bz2": bz2.compress(data)}.items():
        (packed / f"session.pcap.{ending}").write_bytes(content)
    result = run(packed, "-o", tmp_path / "out", "-j", 1)
    assert result.exit_code == 0
    assert result.stdout.startswith("3 of 3 inputs, 15 frames")


ENDS = [Endpoint(bytes([10, 0, 0, number]), 50000 + number) for number in range(1, 4)]
ENDS.append(Endpoint(bytes(15) + b"\x07", 50007))


@st.composite
def spoilt_traffic(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """Packets of several connections, ends used again and again, mixed, lost, repeated, late, cut."""
    connections = []
    for client in draw(st.lists(st.sampled_from(ENDS), min_size=1, max_size=5)):
        said: list[Said] = session()
        said += [answered(3009, number, push()) for number in range(draw(st.integers(0, 4)))]
        if draw(st.booleans()):
            said.append(answered(3008, 9, rt_response().SerializeToString()[:-3]))
        if draw(st.integers(0, 3)) == 0:
            said = [Said(each.sender, b"no frames at all") for each in said]
        server = Endpoint(bytes(len(client.packed) - 1) + b"\x63", 11111)
        connections.append([frame for _, frame in packets(said, client, server)])
    mixed: list[bytes] = []
    while any(connections):
        one = draw(st.sampled_from([each for each in connections if each]))
        mixed.append(one.pop(0))
    for _ in range(draw(st.integers(0, 6))):
        at, change = draw(st.integers(0, len(mixed) - 1)), draw(st.sampled_from(["lose", "repeat", "move", "cut"]))
        frame = mixed[at] if change == "repeat" else mixed.pop(at)
        if change == "cut":
            mixed.insert(at, frame[: draw(st.integers(0, len(frame)))])
        elif change != "lose":
            mixed.insert(draw(st.integers(0, len(mixed))), frame)
        if not mixed:
            mixed.append(frame)
    return [(START + 1000 * at, frame) for at, frame in enumerate(mixed)]


@settings(max_examples=40)
@given(spoilt_traffic(), st.integers(0, 40))
def test_of_any_traffic_every_frame_is_in_some_table(frames: list[tuple[int, bytes]], cut: int) -> None:
    """Frames and connections have the numbers of ``ftwire dump``, an independent reader of the same observations."""
    with TemporaryDirectory() as name:
        path = Path(name) / "a.pcap"
        data = pcap_of(frames)
        path.write_bytes(data[: len(data) - cut])
        dumped = CliRunner().invoke(ftwire, ["dump", "--json", str(path)]).stdout.splitlines()
        lines = {line["number"]: line for line in map(json.loads, dumped)}
        try:
            found = [(table, row) for table, batch in _untimed(tables([str(path)])) for row in batch.to_pylist()]
        except NotACaptureError:
            found = []
    assert {row["number"] for _, row in found if row["number"] is not None} == set(lines)
    for table, row in found:
        if row["number"] is None:
            assert table == "errors"
            continue
        line = lines[row["number"]]
        assert (row["conversation"], row["serial"], row["kind"]) == (line["conversation"], line["serial"], line["kind"])
        assert (table == "errors") == (line["body"] is None)


def test_rows_of_a_capture_with_losses_are_those_of_the_dump(tmp_path: Path) -> None:
    path = synth(tmp_path / "a.pcap", 500_000, connections=6, loss=0.01)
    run_task(task_for(str(path), ExportSettings(str(tmp_path / "out"), options=TableOptions(block=1 << 17))))
    rows = ds.dataset(tmp_path / "out" / "ticker", partitioning="hive").to_table().to_pylist()
    dumped = CliRunner().invoke(ftwire, ["dump", "--json", str(path)]).stdout.splitlines()
    lines = {line["number"]: line for line in map(json.loads, dumped) if line["proto_id"] == 3011}
    assert {row["number"] for row in rows} == set(lines)
    for row in rows:
        line = lines[row["number"]]
        assert row["conversation"] == line["conversation"]
        item = line["body"]["s2c"]["tickerList"][row["row"]]
        assert (row["sequence"], row["price"]) == (int(item["sequence"]), item["price"])


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
    assert "pip install 'ftwire[export]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_progress_adds_up_what_is_done_and_what_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, int]] = []
    monkeypatch.setattr(Progress, "show", lambda _, text, done: shown.append((text, done)))
    progress = ExportProgress(4, 100_000_000)
    progress.finished(ExportOutcome("a", "a", size=20_000_000, frames=100))
    progress.update(5_000_000, 50)
    progress.update(80_000_000, 70)
    assert shown == [("1 of 4 files, 150 frames", 25_000_000), ("1 of 4 files, 170 frames", 100_000_000)]


def test_only_rows_of_a_span_of_time_are_exported(tmp_path: Path) -> None:
    """Against the rows of a whole export: whether conversation and time decide, or the frame itself has to."""
    capture = synth(tmp_path / "a.pcap", connections=2)
    whole = [
        (time, number)
        for _, batch in tables([str(capture)])
        for time, number in zip(batch["time"].cast("int64").to_pylist(), batch["number"].to_pylist(), strict=True)
    ]
    times = sorted({time for time, _ in whole})
    since, until = times[len(times) // 3], times[len(times) // 2]
    first, last = (f"{time // 10**9}.{time % 10**9:09}" for time in (since, until))
    span = ["--since", first, "--until", last]
    everything = ["-Y", f"proto ~ * and time >= {first} and time <= {last}"]
    same = ["-Y", f"time >= {first} and time <= {last}"]
    seen = []
    for at, options in enumerate((span, everything, same)):
        out = tmp_path / f"out{at}"
        assert run(capture, "-o", out, "--format", "jsonl", "-j", 1, *options).exit_code == 0
        lines = [line for path in sorted(out.rglob("*.jsonl")) for line in path.read_text().splitlines()]
        seen.append(lines)
    assert seen[0] == seen[1] == seen[2]
    wanted = Counter(number for time, number in whole if since <= time <= until)
    assert Counter(json.loads(line)["number"] for line in seen[0]) == wanted
    assert 0 < wanted.total() < len(whole) / 2


def test_a_time_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    result = run(synth(tmp_path / "a.pcap"), "-o", tmp_path / "out", "--since", "yesterday")
    assert result.exit_code == 2
    assert "neither ISO 8601 nor seconds" in result.stderr
