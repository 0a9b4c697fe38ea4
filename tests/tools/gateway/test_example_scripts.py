"""The scripts of examples/scripts do what they say."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from ftwire_tools.testing import RunningGateway, gateway
from support.gateways import PlainClient, security
from support.places import ROOT
from support.recording import proxied

SCRIPTS = ROOT / "examples" / "scripts"
CODE = "HK.00700"
TENCENT = security(CODE)
PAPER = {"trdEnv": 0, "accID": 1_001_001, "trdMarket": 1}
ORDER = {"trdSide": 1, "orderType": 1, "code": "00700", "secMarket": 1, "qty": 100.0, "price": 200.0}
BASIC = 1


def test_each_is_in_the_table() -> None:
    table = set(re.findall(r"^\| \[(\w+\.py)\]", (SCRIPTS / "README.md").read_text(), re.MULTILINE))
    assert table == {path.name for path in SCRIPTS.glob("*.py")}


def prices(client: PlainClient) -> list[float]:
    pushes: list[Any] = [frame.message for frame in client.pushes if frame.proto_id == 3005]
    return [push.s2c.basicQotList[0].curPrice for push in pushes]


def wait_until_logged_out_and_in(client: PlainClient) -> None:
    until = time.monotonic() + 10
    while sum(frame.proto_id == 1003 for frame in client.pushes) < 2:
        assert time.monotonic() < until
        client.receive()


def test_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAUSE", "0.5")
    with gateway(synthetic=True, always_open=True, script=SCRIPTS / "crash.py") as opend:
        opend.clock.stop()
        with PlainClient(opend.port) as client:
            client.subscribe(CODE, sub_types=(BASIC,), isFirstPush=True)
            wait_until_logged_out_and_in(client)
            found = prices(client)
            assert found[-1] == pytest.approx(found[0] * 0.98 * 0.97 * 0.95 * 0.9, rel=0.01)
            assert found == sorted(found, reverse=True)
            assert len(opend.state()["market"]["next_orders"]) == 2


def test_slow_and_busy() -> None:
    with gateway(synthetic=True, always_open=True, script=SCRIPTS / "slow_and_busy.py") as opend:
        opend.clock.stop()
        with PlainClient(opend.port) as client:
            answers = [client.ask("Trd_PlaceOrder", header=PAPER, **ORDER).retType for _ in range(6)]
            assert answers == [0, 0, -1, 0, 0, -1]
            client.subscribe(CODE, sub_types=(BASIC,), isFirstPush=False)
            for price in range(400, 408):
                opend.market.set_price(CODE, price)
            assert client.ask("KeepAlive", time=1).retType == 0
            assert prices(client) == [400, 401, 402, 404, 405, 406]
            asked = {
                "rehabType": 0,
                "klType": 2,
                "security": TENCENT,
                "beginTime": "2024-05-01",
                "endTime": "2024-06-10",
            }
            assert len(client.ask("Qot_RequestHistoryKL", **asked).s2c.klList) > 20


def buy_some(opend: RunningGateway) -> None:
    with PlainClient(opend.port) as client:
        client.ask("Trd_PlaceOrder", header=PAPER, **{**ORDER, "price": 500.0})
        opend.clock.advance(60)
        assert client.ask("Trd_GetPositionList", header=PAPER).s2c.positionList


def test_what_if() -> None:
    with gateway(synthetic=True, always_open=True) as opend:
        opend.clock.stop()
        buy_some(opend)
        with proxied(opend.port, SCRIPTS / "what_if.py") as record, PlainClient(record.ports[0]) as client:
            assert client.ask("Trd_GetPositionList", header=PAPER).s2c.positionList == []
            assert client.ask("Trd_GetFunds", header=PAPER).s2c.funds.power == 100.0
            ids = [client.ask("Trd_PlaceOrder", header=PAPER, **ORDER).s2c.orderID for _ in range(2)]
            assert ids == [1_000_000, 1_000_001]
            assert len(client.ask("Trd_GetOrderList", header=PAPER).s2c.orderList) == 1, "only the first was placed"
        assert record.said == []
