"""Captures moved in time: texts stay on their exchange's clock, days and other numbers stay what they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ftwire.messages import (
    Qot_GetCapitalDistribution,
    Qot_GetFutureInfo,
    Qot_GetOptionChain,
    Qot_GetOptionZeroDteScreener,
    Qot_GetSecuritySnapshot,
    Qot_GetStaticInfo,
    Qot_GetTopTenBuySellBrokers,
    Qot_RequestTradeDate,
    Qot_UpdateKL,
    Qot_UpdateRT,
    Trd_UpdateOrder,
)
from ftwire.protocols import registry
from ftwire.strategies import messages
from ftwire_tools.gateway.load import load
from ftwire_tools.gateway.log import Log
from ftwire_tools.gateway.replay import Replay
from ftwire_tools.gateway.time_shift import shift_times
from ftwire_tools.messages.descriptors import descriptor_of, is_repeated
from ftwire_tools.messages.time_fields import TimeKind, is_text, time_kind
from ftwire_tools.testing import gateway
from support.gateways import CAPTURES, PlainClient

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HALF_A_YEAR = 180 * 86_400
SUMMER = 1_720_620_000  # 2024-07-10 14:00:00 UTC
SECURITIES = {
    (11, "AAPL"): "America/New_York",
    (11, "ESmain"): "America/Chicago",
    (11, "MNQ2409"): "America/Chicago",
    (1, "00700"): "Asia/Hong_Kong",
    (1, "MHImain"): "Asia/Hong_Kong",
    (21, "600519"): "Asia/Shanghai",
    (41, "7203"): "Asia/Tokyo",
    (51, "BHP"): "Australia/Sydney",
}
SECONDS = st.integers(1_100_000_000, 2_000_000_000)
"""From 2004 on: before 1980 Hong Kong was on another clock than Shanghai, whose zone it is given here."""


def shown(second: float, zone: str) -> str:
    return f"{(EPOCH + timedelta(seconds=second)).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"


def kline(market: int, code: str, second: int, zone: str) -> Any:
    response = Qot_UpdateKL.Response(retType=0)
    response.s2c.security.market, response.s2c.security.code = market, code
    response.s2c.klList.add(time=shown(second, zone), timestamp=float(second), volume=second, isBlank=False)
    return response


@given(st.sampled_from(sorted(SECURITIES.items())), SECONDS, st.integers(-(10**8), 10**8))
@example(((11, "AAPL"), "America/New_York"), SUMMER, HALF_A_YEAR)
@example(((11, "ESmain"), "America/Chicago"), SUMMER, HALF_A_YEAR)
@example(((51, "BHP"), "Australia/Sydney"), SUMMER, HALF_A_YEAR)
# From the hour that New York has twice to what follows.
@example(((11, "AAPL"), "America/New_York"), 1_730_611_800, 3600)
@example(((11, "ESmain"), "America/Chicago"), 1_730_615_400, 3600)
def test_text_and_timestamp_stay_one_moment(security: tuple[tuple[int, str], str], second: int, seconds: int) -> None:
    (market, code), zone = security
    response = kline(market, code, second, zone)
    shift_times(response, seconds)
    bar = response.s2c.klList[0]
    assert bar.timestamp == second + seconds
    assert bar.time == shown(second + seconds, zone)
    assert bar.volume == second


@pytest.mark.parametrize(
    ("market", "code", "before", "after"),
    [
        (11, "AAPL", "2024-07-10 10:00:00", "2025-01-06 09:00:00"),
        (11, "ESmain", "2024-07-10 09:00:00", "2025-01-06 08:00:00"),
        (51, "BHP", "2024-07-11 00:00:00", "2025-01-07 01:00:00"),
        (1, "00700", "2024-07-10 22:00:00", "2025-01-06 22:00:00"),
    ],
)
def test_texts_alone_move_on_the_clock_of_their_security(market: int, code: str, before: str, after: str) -> None:
    response = kline(market, code, SUMMER, "UTC")
    bar = response.s2c.klList[0]
    bar.time = before
    bar.ClearField("timestamp")
    shift_times(response, HALF_A_YEAR)
    assert bar.time == after
    assert not bar.HasField("timestamp")


def test_the_minute_of_the_day_is_that_of_the_text() -> None:
    response = Qot_UpdateRT.Response(retType=0)
    response.s2c.security.market, response.s2c.security.code = 11, "AAPL"
    response.s2c.rtList.add(time="2024-07-10 10:00:00", minute=600, isBlank=False, timestamp=SUMMER)
    shift_times(response, HALF_A_YEAR)
    point = response.s2c.rtList[0]
    assert (point.time, point.minute, point.timestamp) == ("2025-01-06 09:00:00", 540, SUMMER + HALF_A_YEAR)


def test_the_zone_is_that_of_the_item_in_lists_of_several_markets() -> None:
    response = Qot_GetSecuritySnapshot.Response(retType=0)
    for (market, code), zone in SECURITIES.items():
        basic = response.s2c.snapshotList.add().basic
        basic.security.market, basic.security.code = market, code
        basic.updateTime, basic.updateTimestamp = f"{shown(SUMMER, zone)}.125", SUMMER + 0.125
        basic.listTime, basic.listTimestamp = "2004-06-16", 1_087_315_200.0
    shift_times(response, HALF_A_YEAR)
    for snapshot, zone in zip(response.s2c.snapshotList, SECURITIES.values(), strict=True):
        basic = snapshot.basic
        assert basic.updateTime == f"{shown(SUMMER + HALF_A_YEAR, zone)}.125"
        assert basic.updateTimestamp == SUMMER + HALF_A_YEAR + 0.125
        assert (basic.listTime, basic.listTimestamp) == ("2004-06-16", 1_087_315_200.0)


def test_orders_are_on_the_clock_that_their_timestamp_shows() -> None:
    """Times of futures' orders are in a zone of the user's choice: here Beijing's, for a future of Chicago."""
    response = Trd_UpdateOrder.Response(retType=0)
    order = response.s2c.order
    order.code, order.secMarket, order.orderID = "ES2409", 2, SUMMER
    order.createTime, order.createTimestamp = shown(SUMMER, "Asia/Shanghai"), SUMMER
    order.updateTime, order.updateTimestamp = shown(SUMMER + 5, "America/Chicago"), SUMMER + 5
    order.expireTime = "2024-07-31"
    shift_times(response, HALF_A_YEAR)
    assert order.createTime == shown(SUMMER + HALF_A_YEAR, "Asia/Shanghai")
    assert order.updateTime == shown(SUMMER + HALF_A_YEAR + 5, "America/Chicago")
    assert (order.createTimestamp, order.updateTimestamp) == (SUMMER + HALF_A_YEAR, SUMMER + HALF_A_YEAR + 5)
    assert (order.orderID, order.expireTime) == (SUMMER, "2024-07-31")


def test_a_message_about_no_security_is_on_the_clock_that_its_timestamp_shows() -> None:
    response = Qot_GetCapitalDistribution.Response(retType=0)
    response.s2c.updateTime, response.s2c.updateTimestamp = shown(SUMMER, "America/New_York"), SUMMER
    shift_times(response, HALF_A_YEAR)
    assert response.s2c.updateTime == shown(SUMMER + HALF_A_YEAR, "America/New_York")


def test_integers_move_where_they_are_times() -> None:
    response = Qot_GetTopTenBuySellBrokers.Response(retType=0)
    response.s2c.dataTime, response.s2c.dataTimeStr = SUMMER, shown(SUMMER, "Asia/Shanghai")
    response.s2c.brokerList.add(netVol=SUMMER)
    shift_times(response, HALF_A_YEAR)
    assert response.s2c.dataTime == SUMMER + HALF_A_YEAR
    assert response.s2c.dataTimeStr == shown(SUMMER + HALF_A_YEAR, "Asia/Shanghai")
    assert response.s2c.brokerList[0].netVol == SUMMER


def test_a_date_alone_stays_with_its_number() -> None:
    dates = Qot_RequestTradeDate.Response(retType=0)
    dates.s2c.tradeDateList.add(time="2024-07-10", timestamp=SUMMER)
    brokers = Qot_GetTopTenBuySellBrokers.Response(retType=0)
    brokers.s2c.dataTime, brokers.s2c.dataTimeStr = SUMMER, "2024-07-10"
    static = Qot_GetStaticInfo.Response(retType=0)
    static.s2c.staticInfoList.add().optionExData.strikeTime = "2024-07-19"
    static.s2c.staticInfoList[0].optionExData.strikeTimestamp = SUMMER
    chain = Qot_GetOptionChain.Response(retType=0)
    chain.s2c.optionChain.add(strikeTime="2024-07-19 00:00:00", strikeTimestamp=SUMMER)
    contracts = Qot_GetOptionZeroDteScreener.Response(retType=0)
    futures = Qot_GetFutureInfo.Response(retType=0)
    futures.s2c.futureInfoList.add(lastTradeTime="2024-09-20", lastTradeTimestamp=SUMMER).tradeTime.add(begin=570)
    for message in (dates, brokers, static, chain, contracts, futures):
        before = message.SerializePartialToString(deterministic=True)
        shift_times(message, HALF_A_YEAR)
        assert message.SerializePartialToString(deterministic=True) == before


def test_numbers_that_would_leave_their_type_stay() -> None:
    response = Qot_GetTopTenBuySellBrokers.Response(retType=0)
    response.s2c.dataTime = 2**63 - 1
    shift_times(response, HALF_A_YEAR)
    assert response.s2c.dataTime == 2**63 - 1


RESPONSES = sorted({entry.response for entry in registry}, key=lambda each: descriptor_of(each).full_name)


@given(st.data(), st.integers(-(10**10), 10**10))
def test_only_times_move(data: st.DataObject, seconds: int) -> None:
    """Of any response: each field that is no moment is as it was, each that is one is moved or out of range."""
    message_class: Any = data.draw(st.sampled_from(RESPONSES))
    before = data.draw(messages(message_class))
    after = message_class()
    after.CopyFrom(before)
    shift_times(after, seconds)
    _compare(before, after, seconds)


def _compare(before: Any, after: Any, seconds: int) -> None:
    for field in descriptor_of(before).fields:
        old, new = getattr(before, field.name), getattr(after, field.name)
        kind = time_kind(field)
        if field.message_type is not None:
            pairs = zip(old, new, strict=True) if is_repeated(field) else [(old, new)]
            for one, other in pairs:
                _compare(one, other, seconds)
        elif is_repeated(field):
            assert list(map(repr, old)) == list(map(repr, new))
        elif kind in {TimeKind.MOMENT, TimeKind.MINUTE}:
            if kind is TimeKind.MOMENT and not is_text(field):
                assert repr(new) in {repr(old), repr(old + seconds)}
        else:
            assert repr(old) == repr(new), field.full_name


@pytest.mark.parametrize(
    "now", ["2024-01-10 15:00", "2024-07-10 15:00", "2024-03-10 06:59:40", "2024-11-03 05:59:40", "2024-11-03 06:30"]
)
def test_a_capture_of_summer_is_served_on_the_clocks_of_its_new_day(now: str) -> None:
    start = int(datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp())
    replay = Replay(now=start * 10**9)
    load(replay, [str(CAPTURES / "futu-api-10.11-plain.pcap")], [], Log(lambda *_: None))
    codes = {(11, "AAPL"): "US.AAPL", (1, "00700"): "HK.00700"}
    with gateway(source=lambda: replay) as opend, PlainClient(opend.port) as client:
        client.subscribe(*codes.values())
        replies = [client.ask("Qot_GetRT", security={"market": market, "code": code}) for market, code in codes]
        pushes = client.wait_for_pushes(2)
    moved = set()
    for s2c in (*(reply.s2c for reply in replies), *pushes):
        security = s2c.security.market, s2c.security.code
        moved.add(security)
        assert len(s2c.rtList)
        for point in s2c.rtList:
            text = shown(point.timestamp, SECURITIES[security])
            assert (point.time, point.minute) == (text, int(text[11:13]) * 60 + int(text[14:16]))
            # The points were captured years after they happened.
            assert point.timestamp < start
    assert moved == set(codes)
