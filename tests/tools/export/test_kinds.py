"""K-lines of several periods and adjustments: whoever draws a table of them draws one kind."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ftwire.messages import Qot_GetKL, Qot_RequestHistoryEventContractKL, Qot_UpdateKL
from ftwire.protocols import registry
from ftwire_tools.commands import ftwire
from ftwire_tools.export import tables
from ftwire_tools.export.layout import KINDS, layout_of
from ftwire_tools.export.rows import RowBuilder, empty_meta
from ftwire_tools.export.types import struct_of
from ftwire_tools.messages.descriptors import descriptor_of
from ftwire_tools.tables import to_arrow
from support.captures import Said, answered, asked, pcap, session

KINDS_SENT = [(1, 0), (2, 0), (2, 1), (2, 2), (15, 1)]
"""``klType`` and ``rehabType``."""
NAMES = ["kline_1min_none", "kline_day_none", "kline_day_forward", "kline_day_backward", "kline_240min_forward"]


def bars(message: Any, close: float) -> Any:
    message.retType = 0
    message.s2c.security.market, message.s2c.security.code = 1, "00700"
    for day in (2, 3):
        message.s2c.klList.add(time=f"2024-01-0{day} 00:00:00", isBlank=False, closePrice=close)
    return message


def pushed(kind: int, rehab: int, close: float) -> Said:
    message = bars(Qot_UpdateKL.Response(), close)
    message.s2c.klType, message.s2c.rehabType = kind, rehab
    return answered(3007, 0, message)


def replied(serial: int, kind: int, rehab: int, close: float) -> list[Said]:
    request = Qot_GetKL.Request()
    request.c2s.klType, request.c2s.rehabType, request.c2s.reqNum = kind, rehab, 2
    request.c2s.security.market, request.c2s.security.code = 1, "00700"
    return [asked(3006, serial, request), answered(3006, serial, bars(Qot_GetKL.Response(), close))]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Of each kind two bars in a reply and two in a push, all with the place of the kind as their price."""
    said = session()[:2]
    for place, (kind, rehab) in enumerate(KINDS_SENT):
        said += [*replied(2 + place, kind, rehab, place + 1.0), pushed(kind, rehab, place + 1.0)]
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(said))
    return path


@pytest.mark.parametrize("columns", ["all", "sdk"])
def test_each_kind_has_a_table_of_its_own(capture: Path, tmp_path: Path, columns: str) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(
        ftwire, ["export", str(capture), "-o", str(out), "--columns", columns, "--format", "duckdb"]
    )
    assert done.exit_code == 0
    price = "closePrice" if columns == "all" else "close"
    for place, name in enumerate(NAMES):
        assert pq.read_table(out / name)[price].to_pylist() == [place + 1.0] * 4
        assert to_arrow(capture, name, columns=columns)[price].to_pylist() == [place + 1.0] * 4
        with duckdb.connect(str(out / "export.duckdb"), read_only=True) as connection:
            assert connection.table(name).aggregate(f"sum({price})").fetchall() == [(4 * (place + 1.0),)]
    assert {path.name for path in out.iterdir() if path.name.startswith("kline")} == set(NAMES)


def test_numbers_that_mean_nothing_make_no_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    said = [pushed(kind, rehab, 1.0) for kind in range(1000, 1200) for rehab in (0, 77)]
    path.write_bytes(pcap([*session()[:2], *said, answered(3006, 9, bars(Qot_GetKL.Response(), 2.0))]))
    found: defaultdict[str, int] = defaultdict(int)
    for table, batch in tables([str(path)]):
        found[table] += len(batch)
    assert {table: rows for table, rows in found.items() if table.startswith("kline")} == {"kline_unknown": 802}


def test_contracts_have_periods_alone(tmp_path: Path) -> None:
    said = session()[:2]
    proto_id = registry["Qot_RequestHistoryEventContractKL"].proto_id
    for serial, kind in enumerate((1, 2), 2):
        request: Any = Qot_RequestHistoryEventContractKL.Request()
        request.c2s.klType = kind
        response: Any = Qot_RequestHistoryEventContractKL.Response(retType=0)
        response.s2c.klineList.add()
        said += [
            asked(proto_id, serial, request.SerializePartialToString()),
            answered(proto_id, serial, response.SerializePartialToString()),
        ]
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(said))
    names = {table for table, _ in tables([str(path)]) if "kline_list" in table}
    assert names == {f"qot_request_history_event_contract_kl_kline_list_{period}" for period in ("1min", "day")}


def test_every_list_with_a_period_is_split() -> None:
    """By the columns of all tables of lists, so that a protocol that a release adds is not forgotten."""
    found = set()
    for entry in registry:
        message = descriptor_of(entry.response)
        lists = {each.table for each in layout_of(message).lists}
        nothing = pa.array([], struct_of(message))
        for table, batch in RowBuilder(message, explode=False, levels=1).tables(nothing, empty_meta()):
            if table in lists and "klType" in batch.schema.names:
                assert {f"{name}_name" for name in KINDS[table]} <= set(batch.schema.names)
                found.add(table)
    assert found == KINDS.keys()
