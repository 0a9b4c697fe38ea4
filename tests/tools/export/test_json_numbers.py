"""JSON lines keep every digit of a 64-bit number for readers whose numbers are doubles."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from click.testing import CliRunner

from ftwire.messages import Qot_UpdateOrderBook, Trd_GetOrderList
from ftwire_tools.commands import ftwire
from ftwire_tools.export import tables
from support.captures import answered, pcap, session
from support.places import ROOT
from support.programs import absent

LARGE = 7130123456789012345
CAPTURES = sorted(path for path in (ROOT / "fixtures" / "captures").iterdir() if path.suffix in {".pcap", ".pcapng"})


def lines_of(capture: Path, out: Path) -> dict[str, list[dict[str, Any]]]:
    done = CliRunner().invoke(ftwire, ["export", str(capture), "-o", str(out), "--format", "jsonl", "--show-secrets"])
    assert done.exit_code in (0, 3), done.output
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(out.rglob("*.jsonl")):
        found.setdefault(path.relative_to(out).parts[0], []).extend(map(json.loads, path.open()))
    return found


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_64_bits_are_a_string_by_their_type(capture: Path, tmp_path: Path) -> None:
    """Whatever their value: a reader must know the type from the name alone. At any depth, and nothing else is one."""
    lines = lines_of(capture, tmp_path)
    checked = 0
    for table, batch in tables([str(capture)], show_secrets=True):
        for field in batch.schema:
            values = [line[field.name] for line in lines[table] if field.name in line]
            checked += sum(holds(value, field.name, field.type) for value in values)
    assert checked


def holds(value: Any, name: str, kind: Any) -> bool:
    if pa.types.is_list(kind):
        return all(holds(each, name, kind.value_type) for each in value)
    if pa.types.is_struct(kind):
        return all(holds(value[field.name], field.name, field.type) for field in kind if value[field.name] is not None)
    is_number = pa.types.is_integer(kind) and not (kind.bit_width == 64 and name not in ("number", "request"))
    wanted = int if is_number else float if pa.types.is_floating(kind) else bool if pa.types.is_boolean(kind) else str
    assert isinstance(value, wanted) or (wanted is float and isinstance(value, str)), (name, kind, value)
    return True


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    orders = Trd_GetOrderList.Response(retType=0)
    orders.s2c.header.trdEnv, orders.s2c.header.accID, orders.s2c.header.trdMarket = 0, LARGE, 1
    for number in (LARGE, 2**64 - 1, 1):
        orders.s2c.orderList.add(orderID=number, code="00700", secMarket=1)
    book = Qot_UpdateOrderBook.Response(retType=0)
    book.s2c.security.market, book.s2c.security.code = 1, "00700"
    level = book.s2c.orderBookAskList.add(price=1.0, volume=LARGE, orederCount=2)
    level.detailList.add(orderID=LARGE, volume=LARGE - 1)
    path = tmp_path / "a.pcap"
    said = [*session()[:2], answered(2201, 2, orders.SerializePartialToString()), answered(3013, 0, book)]
    path.write_bytes(pcap(said))
    return path


def test_digits_survive_in_every_format_and_depth(capture: Path, tmp_path: Path) -> None:
    lines = lines_of(capture, tmp_path / "jsonl")
    assert [row["orderID"] for row in lines["orders"]] == [str(LARGE), str(2**64 - 1), "1"]
    assert {row["header_accID"] for row in lines["orders"]} == {str(LARGE)}
    (row,) = lines["order_book"]
    assert row["detailList"] == [{"orderID": str(LARGE), "volume": str(LARGE - 1)}]
    out = tmp_path / "csv"
    assert CliRunner().invoke(ftwire, ["export", str(capture), "-o", str(out), "--format", "csv"]).exit_code == 0
    found = duckdb.execute("select orderID from read_csv(?)", [f"{out}/orders/**/*.csv"]).fetchall()
    assert [number for (number,) in found] == [LARGE, 2**64 - 1, 1]
    (details,) = duckdb.execute("select detailList from read_csv(?)", [f"{out}/order_book/**/*.csv"]).fetchall()
    assert json.loads(details[0]) == [{"orderID": str(LARGE), "volume": str(LARGE - 1)}]
    out = tmp_path / "duckdb"
    assert CliRunner().invoke(ftwire, ["export", str(capture), "-o", str(out), "--format", "duckdb"]).exit_code == 0
    with duckdb.connect(str(out / "export.duckdb"), read_only=True) as connection:
        assert connection.execute("select typeof(orderID), max(orderID) from orders group by all").fetchall() == [
            ("UBIGINT", 2**64 - 1)
        ]


@pytest.mark.parametrize("program", ["jq", "node"])
def test_readers_whose_numbers_are_doubles(program: str, capture: Path, tmp_path: Path) -> None:
    if shutil.which(program) is None:
        absent(f"{program} is not installed")
    lines_of(capture, tmp_path / "out")
    (path,) = (tmp_path / "out" / "orders").rglob("*.jsonl")
    script = (
        "for (const line of require('fs').readFileSync(process.argv[1], 'utf8').trim().split('\\n'))"
        " console.log(String(JSON.parse(line).orderID))"
    )
    command = ["jq", "-r", ".orderID", str(path)] if program == "jq" else ["node", "-e", script, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(LARGE), str(2**64 - 1), "1"]
