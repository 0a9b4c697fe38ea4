"""``ftwire export``: which instants local times are, and what is said where text and timestamp differ."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from ftwire.messages import (
    Qot_GetStaticInfo,
    Qot_UpdateBasicQot,
    Qot_UpdateKL,
    Qot_UpdateOrderBook,
    Trd_UpdateOrder,
)
from ftwire.protocols import registry
from ftwire_tools.commands import ftwire
from support.captures import answered, asked, init_request, pcap
from support.frames import init_response

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEW_YORK, CHICAGO, TOKYO, HONG_KONG = "America/New_York", "America/Chicago", "Asia/Tokyo", "Asia/Hong_Kong"
SECURITIES = [
    (11, "AAPL", NEW_YORK),
    (11, "ESmain", CHICAGO),
    (11, "MNQ2406", CHICAGO),
    (11, "AAPL240524C190000", NEW_YORK),
    (1, "00700", HONG_KONG),
    (1, "MHImain", HONG_KONG),
    (41, "7203", TOKYO),
    (51, "BHP", "Australia/Sydney"),
]
MOMENTS = {
    "winter": 1_704_899_400,
    "summer": 1_720_621_800,
    "New York before spring": 1_710_053_999,
    "New York after spring": 1_710_054_000,
    "Chicago after spring": 1_710_057_600,
    "New York's first of two hours": 1_730_611_800,
    "New York's second, Chicago's first": 1_730_615_400,
    "Chicago's second": 1_730_619_000,
    "Sydney's second": 1_712_419_200,
}


def shown(second: float, zone: str) -> str:
    return f"{(EPOCH + timedelta(seconds=second)).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"


def utc(second: float) -> str:
    return f"{EPOCH + timedelta(seconds=second):%Y-%m-%d %H:%M:%S.%f}Z"


def kline(market: int, code: str, *bars: tuple[str, float | None]) -> Any:
    response = Qot_UpdateKL.Response(retType=0)
    response.s2c.rehabType, response.s2c.klType = 0, 1
    response.s2c.security.market, response.s2c.security.code = market, code
    for time, stamp in bars:
        response.s2c.klList.add(time=time, isBlank=False, timestamp=stamp)
    return response


def export(tmp_path: Path, responses: Sequence[Any], *options: str) -> Result:
    said = [asked(1001, 1, init_request()), answered(1001, 1, init_response("0" * 16, "0" * 16))]
    for each in responses:
        name = type(each).DESCRIPTOR.full_name.partition(".")[0]
        serial = 0 if name.startswith(("Qot_Update", "Trd_Update")) else 2
        # Without the required fields that these tests are not about.
        said.append(answered(registry[name].proto_id, serial, each.SerializePartialToString()))
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(said))
    arguments = ["export", str(path), "-o", str(tmp_path / "out"), "--format", "jsonl", *options]
    return CliRunner().invoke(ftwire, arguments)


def rows(tmp_path: Path, table: str) -> list[dict[str, Any]]:
    found = [
        json.loads(line)
        for path in (tmp_path / "out" / table).rglob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert found
    return found


@pytest.mark.parametrize("second", MOMENTS.values(), ids=MOMENTS)
def test_instants_are_those_of_the_timestamps_in_every_market(second: int, tmp_path: Path) -> None:
    result = export(tmp_path, [kline(market, code, (shown(second, zone), second)) for market, code, zone in SECURITIES])
    assert (result.exit_code, result.stderr) == (0, "")
    found = {row["code"].partition(".")[2]: row for row in rows(tmp_path, "kline_1min_none")}
    assert set(found) == {code for _, code, _ in SECURITIES}
    for _, code, zone in SECURITIES:
        assert (found[code]["time_"], found[code]["time_utc"]) == (shown(second, zone), utc(second))


@pytest.mark.parametrize("second", [MOMENTS["winter"], MOMENTS["summer"]])
def test_without_timestamps_the_clock_of_the_security_decides(second: int, tmp_path: Path) -> None:
    result = export(tmp_path, [kline(market, code, (shown(second, zone), None)) for market, code, zone in SECURITIES])
    assert result.exit_code == 0
    assert {row["time_utc"] for row in rows(tmp_path, "kline_1min_none")} == {utc(second)}


def test_differences_are_counted_and_said(tmp_path: Path) -> None:
    """A stock whose texts are on Chicago time: nobody can know which is right, the timestamp is taken."""
    second = MOMENTS["summer"]
    bars = [(shown(second + minute * 60, CHICAGO), second + minute * 60) for minute in range(3)]
    right = [(shown(second, NEW_YORK), second)]
    book = Qot_UpdateOrderBook.Response(retType=0)
    book.s2c.security.market, book.s2c.security.code = 1, "00700"
    for price in (1.0, 2.0):
        book.s2c.orderBookAskList.add(price=price, volume=1, orederCount=1)
    book.s2c.svrRecvTimeBid, book.s2c.svrRecvTimeBidTimestamp = shown(second, HONG_KONG), second
    book.s2c.svrRecvTimeAsk, book.s2c.svrRecvTimeAskTimestamp = shown(second, HONG_KONG), second + 2.5
    result = export(tmp_path, [kline(11, "AAPL", *bars), kline(11, "AAPL", *right), book])
    assert result.exit_code == 0
    told = "rows whose local time is not that of their timestamp, which their _utc columns have"
    assert f"a.pcap: {told}: 3 of kline, 2 of order_book, 1 of order_book_wide\n" in result.stderr
    assert sorted(row["time_utc"] for row in rows(tmp_path, "kline_1min_none")) == [
        utc(second),
        *(utc(second + minute * 60) for minute in range(3)),
    ]
    (row, _) = rows(tmp_path, "order_book")
    assert (row["svrRecvTimeBid_utc"], row["svrRecvTimeAsk_utc"]) == (utc(second), utc(second + 2.5))
    (manifest,) = (tmp_path / "out" / "_manifest").iterdir()
    counted = {"kline": 3, "order_book": 2, "order_book_wide": 1}
    assert json.loads(manifest.read_text())["times_differ"] == counted
    # An input that was exported before is passed over, and its differences are still said.
    again = export(tmp_path, [kline(11, "AAPL", *bars), kline(11, "AAPL", *right), book], "--json")
    assert json.loads(again.stdout)["skipped"]
    assert json.loads(again.stdout)["times_differ"] == counted
    assert told in again.stderr


def test_inner_messages_have_their_own_timestamps(tmp_path: Path) -> None:
    second = MOMENTS["winter"]
    static = Qot_GetStaticInfo.Response(retType=0)
    info = static.s2c.staticInfoList.add()
    info.basic.security.market, info.basic.security.code, info.basic.listTime = 11, "ES2403", "2022-12-16"
    info.basic.listTimestamp = 1_671_170_400  # midnight in Chicago
    info.futureExData.lastTradeTime, info.futureExData.lastTradeTimestamp = "2024-03-15", 1_710_478_800
    quote = Qot_UpdateBasicQot.Response(retType=0)
    basic = quote.s2c.basicQotList.add(isSuspended=False, listTime="", updateTime=f"{shown(second, NEW_YORK)}.250")
    basic.security.market, basic.security.code, basic.updateTimestamp = 11, "AAPL", second + 0.25
    result = export(tmp_path, [static, quote])
    assert (result.exit_code, "timestamp" in result.stderr) == (0, False)
    (row,) = rows(tmp_path, "qot_get_static_info_static_info_list")
    assert row["basic_listTime_utc"] == utc(1_671_170_400)
    assert row["futureExData_lastTradeTime_utc"] == utc(1_710_478_800)
    (row,) = rows(tmp_path, "basic_quote")
    assert row["updateTime_utc"] == utc(second + 0.25)
    assert "listTime_utc" not in row


def test_orders_of_futures_need_a_timestamp(tmp_path: Path) -> None:
    """Their texts are in the time zone that OpenD was configured with, which no message has."""
    second = MOMENTS["winter"]
    orders = []
    for code, zone in (("ES2403", "Asia/Shanghai"), ("AAPL", NEW_YORK)):
        response = Trd_UpdateOrder.Response(retType=0)
        order = response.s2c.order
        order.code, order.secMarket, order.trdMarket = code, 2, 2
        order.createTime, order.updateTime, order.updateTimestamp = shown(second, zone), shown(second, zone), second
        orders.append(response)
    assert export(tmp_path, orders).stderr == ""
    found = {row["code"]: row for row in rows(tmp_path, "orders")}
    assert {row["updateTime_utc"] for row in found.values()} == {utc(second)}
    assert found["US.AAPL"]["createTime_utc"] == utc(second)
    assert "createTime_utc" not in found["US.ES2403"]
