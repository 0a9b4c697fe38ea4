"""Rows of securities whose market is not known stand in a partition of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
from click.testing import CliRunner

from ftwire.messages import Qot_GetSecuritySnapshot, Trd_GetOrderList
from ftwire_tools.commands import ftwire
from support.captures import answered, pcap, session


def exported(tmp_path: Path, table: str, proto_id: int, response: Any) -> list[dict[str, Any]]:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([*session()[:2], answered(proto_id, 2, response.SerializePartialToString())]))
    out = tmp_path / "out"
    assert CliRunner().invoke(ftwire, ["export", str(path), "-o", str(out)]).exit_code == 0
    rows: list[dict[str, Any]] = ds.dataset(out / table, partitioning="hive").to_table().to_pylist()
    assert {path.name for path in (out / table).iterdir()} == {f"market={row['market']}" for row in rows}
    return rows


@pytest.mark.parametrize("market", [0, 77, 2_000_000_000, -1])
def test_a_security_is_not_in_the_market_of_its_owner(tmp_path: Path, market: int) -> None:
    """A warrant of an unknown market on a share of Hong Kong, and one of a known market beside it."""
    response = Qot_GetSecuritySnapshot.Response(retType=0)
    for number in (market, 11):
        item = response.s2c.snapshotList.add()
        item.basic.security.market, item.basic.security.code = number, "X"
        item.warrantExData.owner.market, item.warrantExData.owner.code = 1, "00700"
    rows = exported(tmp_path, "snapshot", 3203, response)
    assert sorted((row["code"], row["market"]) for row in rows) == sorted([(f"{market}.X", "unknown"), ("US.X", "US")])
    assert {row["warrantExData_owner"] for row in rows} == {"HK.00700"}


def test_an_order_is_in_the_market_of_its_security(tmp_path: Path) -> None:
    """Of an unknown number in none; where it has no number, as in older releases, in that of the account."""
    response = Trd_GetOrderList.Response(retType=0)
    response.s2c.header.trdEnv, response.s2c.header.accID, response.s2c.header.trdMarket = 0, 9, 1
    for number in (77, 0, 2, None):
        order = response.s2c.orderList.add(code=f"C{number}")
        if number is not None:
            order.secMarket = number
    rows = exported(tmp_path, "orders", 2201, response)
    assert {row["code_raw"]: row["market"] for row in rows} == {
        "C77": "unknown",
        "C0": "unknown",
        "C2": "US",
        "CNone": "HK",
    }
