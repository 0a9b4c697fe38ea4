"""From messages to a capture, to Parquet, and back: nothing is lost, and sums are those that a plain loop counts."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from ftwire import messages as classes
from ftwire.protocols import registry
from ftwire.strategies import messages
from ftwire_tools.commands import ftwire
from ftwire_tools.export.frame_columns import TableOptions
from ftwire_tools.export.layout import KINDS, SHARED
from ftwire_tools.export.task import ExportSettings, run_task, task_for
from ftwire_tools.synthetic.day import Plan, write_capture
from support.captures import answered, pcap, session
from support.rebuilding import rebuilt, without_hollow

ENTRIES = [registry[name] for name in sorted({name for filling in SHARED.values() for name in filling})]


def bodies(path: Path) -> Iterator[tuple[int, bytes]]:
    """Protocol and body of every frame of servers, by nothing but offsets: no packet is out of place."""
    data = path.read_bytes()
    streams: dict[bytes, bytearray] = {}
    at = 24
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at + 8)
        packet = data[at + 16 : at + 16 + size]
        at += 16 + size
        ip = packet[14:]
        tcp = ip[(ip[0] & 15) * 4 : int.from_bytes(ip[2:4], "big")]
        if int.from_bytes(tcp[:2], "big") == 11111:
            streams.setdefault(bytes(tcp[2:4]) + ip[12:20], bytearray()).extend(tcp[(tcp[12] >> 4) * 4 :])
    for stream in streams.values():
        while stream:
            proto_id, length = struct.unpack_from("<2xI6xI", stream)
            yield proto_id, bytes(stream[44 : 44 + length])
            del stream[: 44 + length]


def test_counts_and_sums_are_those_of_a_plain_loop(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    with path.open("wb") as file:
        plan = Plan(700_000, symbols=4, days=2, connections=3)
        write_capture(plan, file.write, lambda _size, _frames: None)
    counts: Counter[str] = Counter()
    sums: Counter[tuple[str, str]] = Counter()

    def add(table: str, code: str, volume: int) -> None:
        counts[table] += 1
        sums[table, f"HK.{code}"] += volume

    for proto_id, body in bodies(path):
        if proto_id == 3011:
            s2c: Any = classes.Qot_UpdateTicker.Response.FromString(body).s2c
            for item in s2c.tickerList:
                add("ticker", s2c.security.code, item.volume)
        elif proto_id == 3013:
            s2c = classes.Qot_UpdateOrderBook.Response.FromString(body).s2c
            for item in (*s2c.orderBookAskList, *s2c.orderBookBidList):
                add("order_book", s2c.security.code, item.volume)
            add("order_book_wide", s2c.security.code, s2c.orderBookBidList[9].volume)
        elif proto_id == 3007:
            s2c = classes.Qot_UpdateKL.Response.FromString(body).s2c
            for item in s2c.klList:
                add("kline_1min_none", s2c.security.code, item.volume)
        elif proto_id == 3005:
            for item in classes.Qot_UpdateBasicQot.Response.FromString(body).s2c.basicQotList:
                add("basic_quote", item.security.code, item.volume)
        elif proto_id in (3008, 3009):
            s2c = classes.Qot_UpdateRT.Response.FromString(body).s2c  # the reply's has the same fields
            for item in s2c.rtList:
                add("time_share", s2c.security.code, item.volume)
    assert min(counts.values()) > 20
    out = tmp_path / "out"
    for options in ((), ("--compact",)):
        assert CliRunner().invoke(ftwire, ["export", str(path), "-o", str(out), *options]).exit_code == 0
        for table, count in counts.items():
            volume = "bid_volume_10" if table == "order_book_wide" else "volume"
            query = f"select code, count(*), sum({volume})::bigint from '{out}/{table}/**/*.parquet' group by code"  # noqa: S608
            found = duckdb.sql(query).fetchall()
            assert sum(rows for _, rows, _ in found) == count
            assert {code: total for code, _, total in found} == {
                code: total for (name, code), total in sums.items() if name == table
            }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("way")


@settings(max_examples=settings().max_examples // 2)
@given(data=st.data())
def test_messages_come_back(folder: Path, data: st.DataObject) -> None:
    """Through packets, columns, Parquet and its reader."""
    entry = data.draw(st.sampled_from(ENTRIES))
    response: Any = entry.response
    said, sent = session()[:2], {}
    for serial, message in enumerate(data.draw(st.lists(messages(response), min_size=1, max_size=2))):
        message.DiscardUnknownFields()  # there is no column for what the schema does not know
        if body := message.SerializePartialToString():
            said.append(answered(entry.proto_id, serial, body))
            sent[len(said)] = body
    path = folder / "a.pcap"
    path.write_bytes(pcap(said))
    options = TableOptions(show_secrets=True)
    outcome = run_task(task_for(str(path), ExportSettings(str(folder / "out"), options=options)))
    assert outcome.is_clean, outcome
    found: dict[int, dict[str, list[dict[str, Any]]]] = {}
    for name in outcome.files:
        table = name.partition("/")[0]
        table = next((each for each in KINDS if table.startswith(f"{each}_")), table)
        for row in pq.ParquetFile(folder / "out" / name).read().drop_columns("time").to_pylist():
            found.setdefault(row["number"], {}).setdefault(table, []).append(row)
    for number, body in sent.items():
        tables = {table: sorted(rows, key=lambda row: row["row"]) for table, rows in found[number].items()}
        again, wanted = without_hollow(rebuilt(response, tables)), without_hollow(response.FromString(body))
        assert again.SerializePartialToString(deterministic=True) == wanted.SerializePartialToString(deterministic=True)
