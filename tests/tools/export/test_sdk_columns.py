"""``--columns sdk``, checked against what the vendor's SDKs printed when the fixtures were captured."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ftwire.protocols import registry
from ftwire_tools.commands import ftwire
from ftwire_tools.export import tables
from ftwire_tools.export.rows import RowBuilder, empty_meta, table_schema
from ftwire_tools.export.sdk_columns import sdk_tables
from ftwire_tools.export.types import struct_of
from ftwire_tools.messages.descriptors import descriptor_of
from support.places import ROOT

CAPTURES = ROOT / "fixtures" / "captures"
TABLES = {
    "get_rt_data": "time_share",
    "RTDataHandlerBase": "time_share",
    "get_stock_quote": "basic_quote",
    "get_market_snapshot": "snapshot",
    "get_cur_kline": "kline",
    "request_history_kline": "kline",
    "get_rt_ticker": "ticker",
    "accinfo_query": "trd_get_funds",
    "position_list_query": "positions",
    "order_list_query": "orders",
    "TradeOrderHandlerBase": "orders",
    "TradeDealHandlerBase": "fills",
}
"""What the client program called, or was called with, to the table that has its rows."""
CASES = {
    "futu-api-10.11-plain.pcap": {"time_share"},
    "moomoo-api-10.11-plain.pcapng": {"time_share"},
    "futu-api-9.6-quotes.pcapng": {"time_share", "basic_quote", "snapshot", "kline", "ticker"},
    "futu-api-10.11-trade.pcap": {"trd_get_funds", "positions", "orders", "fills"},
}
"""Capture to the tables that its client's lines fill."""


def printed(capture: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Table and row of each row that the SDK printed."""
    for line in (CAPTURES / f"{capture}.client.jsonl").read_text().splitlines():
        event = json.loads(line)
        table = TABLES.get(event.get("call") or event.get("handler") or "")
        if table is not None:
            for row in event["rows"]:
                yield table, {name: None if value == "N/A" else value for name, value in row.items()}


@pytest.mark.parametrize("capture", CASES)
def test_rows_are_those_that_the_sdk_printed(capture: str) -> None:
    ours: dict[str, list[dict[str, Any]]] = {}
    for table, batch in tables([str(CAPTURES / capture)], columns="sdk", show_secrets=True):
        table = "kline" if table.startswith("kline_") else table
        if table in CASES[capture]:
            ours.setdefault(table, []).extend(batch.to_pylist())
    theirs: dict[str, list[dict[str, Any]]] = {}
    for table, row in printed(capture):
        theirs.setdefault(table, []).append(row)
    assert theirs.keys() == ours.keys() == CASES[capture]
    for table, rows in theirs.items():
        for row in rows:
            assert any(same(row, mine) for mine in ours[table]), (table, row)


def same(theirs: dict[str, Any], ours: dict[str, Any]) -> bool:
    """Whether a row of ours has what one of the SDK's has; it gives "" or 0 for some fields that were not sent."""
    return all(ours[name] == value or (ours[name] is None and not value) for name, value in theirs.items())


def test_every_source_is_a_column_of_ours() -> None:
    funds = descriptor_of(registry["Trd_GetFunds"].response)
    rows = RowBuilder(funds, explode=False, levels=1)
    own = dict(rows.tables(pa.array([], struct_of(funds)), empty_meta()))["trd_get_funds"]
    for each in sdk_tables():
        schema = table_schema(each.table) or own.schema
        for name, source in each.columns.items():
            first, *others = re.findall(r"\w+", re.sub(r"@\w+|:\w+|\*\d+|=\d+", "", source))
            assert first in schema.names, (each.name, name)
            if "[" in source:
                item = schema.field(first).type.value_type
                assert set(others) <= {field.name for field in item}, (each.name, name)
            else:
                assert set(others) <= set(schema.names), (each.name, name)


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv", "jsonl", "duckdb"])
def test_every_format_has_the_sdks_columns_alone(tmp_path: Path, kind: str) -> None:
    capture = CAPTURES / "futu-api-9.6-quotes.pcapng"
    out = tmp_path / "out"
    done = CliRunner().invoke(ftwire, ["export", str(capture), "-o", str(out), "--columns", "sdk", "--format", kind])
    assert done.exit_code == 0, done.output
    wanted = {each.name: list(each.columns) for each in sdk_tables()}["ticker"]
    if kind == "duckdb":
        with duckdb.connect(str(out / "export.duckdb"), read_only=True) as connection:
            found = [name for name, *_ in connection.execute("describe ticker").fetchall()]
        assert found == [*wanted, "date", "market"]
    elif kind == "parquet":
        (path, *_) = (out / "ticker").rglob("*.parquet")
        assert pq.read_schema(path).names == wanted
    elif kind == "csv":
        (path, *_) = (out / "ticker").rglob("*.csv")
        assert path.read_text().splitlines()[0] == ",".join(f'"{name}"' for name in wanted)
    elif kind == "jsonl":
        (path, *_) = (out / "ticker").rglob("*.jsonl")
        assert set(json.loads(path.read_text().splitlines()[0])) <= set(wanted)


def test_tables_that_the_sdk_has_not_are_whole() -> None:
    capture = str(CAPTURES / "futu-api-9.6-quotes.pcapng")
    known = {each.table for each in sdk_tables()}
    found = {table: batch for table, batch in tables([capture]) if table not in known}
    whole = {table: batch for table, batch in found.items() if not table.startswith("kline_")}
    assert "qot_sub_request" in whole
    sdk = {table: batch for table, batch in tables([capture], columns="sdk") if table in whole}
    assert sdk == whole


def test_other_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="all, sdk, not 'some'"):
        tables([], columns="some")
