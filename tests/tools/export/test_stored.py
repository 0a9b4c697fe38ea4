"""Exports are read again: as what was exported, and those of older releases under today's names."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from ftwire_tools.commands import ftwire
from ftwire_tools.export import TableBatch, tables
from ftwire_tools.export.stored import stored_tables
from ftwire_tools.tables import to_arrow, to_pandas
from support.places import ROOT

CAPTURES = ROOT / "fixtures/captures"
QUOTES = CAPTURES / "futu-api-9.6-quotes.pcapng"
OLD = ROOT / "fixtures/exports"
"""Of ``QUOTES`` with ``--proto Qot_GetKL --proto Qot_UpdateKL --proto Qot_UpdateRT``, by the releases of then."""


def rows(table: Any) -> list[dict[str, Any]]:
    """Rows by their place in the input, without nanoseconds, which Python has not."""
    at = table.schema.get_field_index("time")
    table = table.set_column(at, "time", table["time"].cast("int64"))
    return sorted(table.to_pylist(), key=lambda row: (row["file"], row["number"], row["row"], row.get("side") or ""))


def whole(batches: Iterable[TableBatch]) -> dict[str, Any]:
    found: dict[str, list[Any]] = {}
    for table, batch in batches:
        found.setdefault(table, []).append(batch)
    return {table: pa.Table.from_batches(of_table) for table, of_table in found.items()}


def export(out: Path, *arguments: str | Path) -> None:
    done = CliRunner().invoke(ftwire, ["export", *map(str, arguments), "-o", str(out), "-j", "1"])
    assert done.exit_code == 0, done.stderr


def test_what_was_exported_is_what_the_capture_holds(tmp_path: Path) -> None:
    """Whole tables, types included, before and after files are joined."""
    captures = [str(QUOTES), str(CAPTURES / "futu-api-10.11-trade.pcap")]
    export(tmp_path, *captures)
    held = whole(tables(captures))
    for options in ((), ("--compact",)):
        if options:
            export(tmp_path, *options)
        stored = whole(stored_tables(str(tmp_path)))
        assert stored.keys() == held.keys()
        for name, table in held.items():
            assert stored[name].schema == table.schema, name
            assert rows(stored[name]) == rows(table), name


@pytest.mark.parametrize("schema", [1, 2])
def test_an_old_export_is_read_under_todays_names(schema: int) -> None:
    old = OLD / f"schema-{schema}"
    (entry,) = (json.loads(path.read_text(encoding="utf-8")) for path in (old / "_manifest").glob("*.json"))
    assert entry.get("schema", 1) == schema
    # What schema 1 did not write, and instants, which it took from the text although there was a timestamp.
    unknown = {"src", "dst", "proto_id", "request", "latency_ns", "time_utc"} if schema == 1 else set()
    now: dict[str, Any] = {}
    for name in ("time_share", "kline_day_forward"):
        now[name] = to_arrow(QUOTES, name)
        stored = to_arrow(old, name)
        assert stored.schema == now[name].schema
        pushes = [row for row in rows(now[name]) if row["kind"] == "push"]
        found = [row for row in rows(stored) if row["kind"] == "push"]
        assert len(found) == len(pushes) > 1
        for was, is_now in zip(found, pushes, strict=True):
            left_out = dict.fromkeys({"file", *unknown})
            assert was | left_out == is_now | left_out
    # A reply says nothing of its period: schema 1 did not take it from the request.
    replies = [row for row in rows(now["kline_day_forward"]) if row["proto"] == "Qot_GetKL"]
    found = rows(to_arrow(old, "kline_unknown" if schema == 1 else "kline_day_forward"))
    assert [row["closePrice"] for row in found if row["proto"] == "Qot_GetKL"] == [row["closePrice"] for row in replies]


def test_a_request_of_an_old_export_is_a_row_too() -> None:
    first, now = (to_arrow(path, "qot_get_kl_request") for path in (OLD / "schema-1", QUOTES))
    assert first.schema.names == now.schema.names
    assert [row["klType_name"] for row in rows(first)] == [row["klType_name"] for row in rows(now)] == ["Day", "Day"]


def test_what_is_no_parquet_or_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match=r"no rows of 'ticker'; there are: kline_day_forward, .*time_share"):
        to_arrow(OLD / "schema-2", "ticker")
    export(tmp_path, QUOTES, "--format", "csv")
    with pytest.raises(ValueError, match=r"\.csv is not Parquet, which alone is read again"):
        to_arrow(tmp_path, "ticker")


def test_columns_of_the_sdk_are_those_that_were_written(tmp_path: Path) -> None:
    export(tmp_path, QUOTES, "--columns", "sdk")
    stored, held = (to_arrow(path, "kline_day_forward", columns="sdk") for path in (tmp_path, QUOTES))
    assert stored.schema.names == held.schema.names
    assert sorted(map(repr, stored.to_pylist())) == sorted(map(repr, held.to_pylist()))


def test_pandas_draws_one_kind() -> None:
    pytest.importorskip("pandas", reason="pandas is not installed: pip install pandas")
    assert set(to_pandas(OLD / "schema-2", "kline_day_forward").klType_name) == {"Day"}
