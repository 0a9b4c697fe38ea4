"""The made-up market through the gateway: its clock, states, trading sessions and history."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import pytest
from click.testing import CliRunner

from ftwire.header import BodyFormat
from ftwire.messages import Common
from ftwire_tools.commands.serve import command
from ftwire_tools.gateway.synthetic import Synthetic
from ftwire_tools.gateway.topics import Topic
from ftwire_tools.markets.codes import parse_security
from ftwire_tools.synthetic.trading_day import Market, start_time
from ftwire_tools.synthetic.trading_session import ALL_SESSIONS, EXTENDED, REGULAR
from ftwire_tools.testing import gateway, gateway_fixture
from support.gateways import PlainClient
from support.places import ROOT


def security(text: str) -> dict[str, Any]:
    market, code = parse_security(text)
    return {"market": market, "code": code}


APPLE, TENCENT = security("US.AAPL"), security("HK.00700")
RT, TICKER, KL_1MIN, KL_DAY = 5, 4, 11, 6
US_OPEN = start_time("us-open")

still = gateway_fixture(scope="module", synthetic=True, speed=0.001)
"""A market whose clock stands still, at ten o'clock in New York."""


@pytest.fixture
def client(still: Any) -> Any:
    with PlainClient(still.port) as found:
        yield found


def times_shown(client: PlainClient) -> list[float]:
    client.subscribe("US.AAPL", sub_types=(1, TICKER), isRegOrUnRegPush=False)
    world = client.ask("GetGlobalState", userID=0).s2c
    quote = client.ask("Qot_GetBasicQot", securityList=[APPLE]).s2c.basicQotList[0]
    (trade,) = client.ask("Qot_GetTicker", security=APPLE, maxRetNum=1).s2c.tickerList
    return [
        world.time, world.localTime, client.ask("KeepAlive", time=1).s2c.time, quote.updateTimestamp, trade.timestamp,
    ]  # fmt: skip


def test_all_clocks_agree(client: PlainClient) -> None:
    assert set(times_shown(client)) == {US_OPEN}
    with gateway(speed=0.001, clock="2024-07-03T12:59:59-04:00") as opend, PlainClient(opend.port) as other:
        assert set(times_shown(other)) == {datetime(2024, 7, 3, 16, 59, 59, tzinfo=UTC).timestamp()}


def test_states_of_all_markets(client: PlainClient) -> None:
    world = client.ask("GetGlobalState", userID=0).s2c
    assert (world.marketUS, world.marketHK, world.marketSH, world.marketJP, world.marketMY) == (5, 6, 6, 6, 6)
    assert (world.marketHKFuture, world.marketUSFuture, world.marketJPFuture) == (13, 23, 13)
    asked = ["US.AAPL", "HK.00700", "HK.HSImain", "US..DJI", "CC.BTCUSD"]
    states = client.ask("Qot_GetMarketState", securityList=[security(code) for code in asked]).s2c.marketInfoList
    assert [each.marketState for each in states] == [5, 6, 13, 5, 3]


def test_opend_is_ready(client: PlainClient) -> None:
    """Programs wait for it."""
    world = client.ask("GetGlobalState", userID=0).s2c
    assert (world.qotLogined, world.trdLogined) == (True, True)
    assert world.programStatus.type == Common.ProgramStatusType_Ready


def test_always_open() -> None:
    with gateway(speed=0.001, always_open=True) as opend, PlainClient(opend.port) as client:
        world = client.ask("GetGlobalState", userID=0).s2c
        states = world.marketUS, world.marketHK, world.marketSH, world.marketSG, world.marketHKFuture
        assert states == (5, 3, 3, 3, 15)
        client.subscribe("HK.00700", sub_types=(TICKER,), isRegOrUnRegPush=False)
        assert client.ask("Qot_GetTicker", security=TENCENT, maxRetNum=5).s2c.tickerList[-1].timestamp == US_OPEN


def trade_dates(client: PlainClient, market: int, begin: str, end: str, **more: Any) -> list[tuple[str, int]]:
    reply = client.ask("Qot_RequestTradeDate", market=market, beginTime=begin, endTime=end, **more)
    return [(each.time, each.tradeDateType) for each in reply.s2c.tradeDateList]


def test_trade_dates(client: PlainClient) -> None:
    assert trade_dates(client, 2, "2024-07-02", "2024-07-08") == [
        ("2024-07-02", 0), ("2024-07-03", 1), ("2024-07-05", 0), ("2024-07-08", 0),
    ]  # fmt: skip
    assert trade_dates(client, 1, "2024-12-24", "2024-12-27") == [("2024-12-24", 1), ("2024-12-27", 0)]
    assert trade_dates(client, 3, "2024-09-30", "2024-10-08") == [("2024-09-30", 0), ("2024-10-08", 0)]
    assert trade_dates(client, 4, "2024-06-28", "2024-07-02") == [("2024-06-28", 0), ("2024-07-02", 0)]
    assert trade_dates(client, 1, "2024-07-03", "2024-07-04", security=APPLE) == [("2024-07-03", 1)]
    for market in range(1, 11):
        assert trade_dates(client, market, "2024-06-12", "2024-06-12") == [("2024-06-12", 0)]
    late = client.ask("Qot_RequestTradeDate", market=2, beginTime="2024-06-12", endTime="2034-06-12")
    assert (late.retType, "trading days of US are known from 2004-01-01 to" in late.retMsg) == (-1, True)
    unknown = client.ask("Qot_RequestTradeDate", market=99, beginTime="2024-06-12", endTime="2024-06-13")
    assert (unknown.retType, unknown.retMsg) == (-1, "unknown market 99")


@pytest.mark.parametrize(
    ("more", "first", "rows"),
    [
        ({"session": 3}, "2024-06-11 20:01:00", 14 * 60 + 1),
        ({"session": 2}, "2024-06-12 04:01:00", 6 * 60 + 1),
        ({"extendedTime": True}, "2024-06-12 04:01:00", 6 * 60 + 1),
        ({"session": 1}, "2024-06-12 09:31:00", 31),
        ({}, "2024-06-12 09:31:00", 31),
    ],
)
def test_rt_data_by_session(client: PlainClient, more: dict[str, Any], first: str, rows: int) -> None:
    assert client.subscribe("US.AAPL", isRegOrUnRegPush=False, **more).retType == 0
    shares = client.ask("Qot_GetRT", security=APPLE).s2c.rtList
    assert (shares[0].time, shares[-1].time, len(shares)) == (first, "2024-06-12 10:01:00", rows)
    assert all(after.timestamp - before.timestamp == 60 for before, after in pairwise(shares))
    assert shares[0].minute == int(first[11:13]) * 60 + 1 + (30 if first[14:16] == "31" else 0)


def test_rt_data_of_other_markets(client: PlainClient) -> None:
    for code, first, last, rows in (
        ("HK.00700", "09:30", "16:00", 331),
        ("SH.600519", "09:30", "15:00", 241),
        ("HK.HSImain", "17:16", "22:01", 286),
    ):
        client.ask("Qot_Sub", securityList=[security(code)], subTypeList=[RT], isSubOrUnSub=True, session=3)
        shares = client.ask("Qot_GetRT", security=security(code)).s2c.rtList
        assert (shares[0].time[11:16], shares[-1].time[11:16], len(shares)) == (first, last, rows)


def test_overnight_alone_is_for_orders_only(client: PlainClient) -> None:
    refused = client.subscribe("US.AAPL", session=4)
    assert (refused.retType, "RTH" in refused.retMsg) == (-1, True)
    history = {"rehabType": 1, "klType": 1, "security": APPLE, "beginTime": "2024-06-11", "endTime": "2024-06-11"}
    refused = client.ask("Qot_RequestHistoryKL", **history, session=4)
    assert (refused.retType, refused.retMsg[:7]) == (-1, "获取历史K线的")


@pytest.mark.parametrize(
    ("more", "count"), [({}, 390), ({"session": 1}, 390), ({"session": 2}, 960), ({"extendedTime": True}, 960)]
)
def test_history_by_session(client: PlainClient, more: dict[str, Any], count: int) -> None:
    history = {"rehabType": 1, "klType": 1, "security": APPLE, "beginTime": "2024-06-11", "endTime": "2024-06-11"}
    assert len(client.ask("Qot_RequestHistoryKL", **history, **more).s2c.klList) == count


def test_history_of_minutes_comes_in_pages(client: PlainClient) -> None:
    history = {
        "rehabType": 1, "klType": 6, "security": APPLE, "beginTime": "2024-05-01", "endTime": "2024-06-11",
        "maxAckKLNum": 500,
    }  # fmt: skip
    pages, key = [], b""
    while True:
        s2c = client.ask("Qot_RequestHistoryKL", **history, **({"nextReqKey": key} if key else {})).s2c
        pages.append([bar.time for bar in s2c.klList])
        key = s2c.nextReqKey
        if not key:
            break
    times = [time for page in pages for time in page]
    assert [len(page) for page in pages] == [500, 500, 500, 500, 262]
    assert times == sorted(set(times))
    whole = client.ask("Qot_RequestHistoryKL", **{**history, "maxAckKLNum": 0}).s2c
    assert ([bar.time for bar in whole.klList], whole.HasField("nextReqKey")) == (times, False)


def test_a_year_of_history_where_no_time_is_given(client: PlainClient) -> None:
    def days(begin: str, end: str) -> list[str]:
        reply = client.ask("Qot_RequestHistoryKL", rehabType=1, klType=2, security=APPLE, beginTime=begin, endTime=end)
        assert reply.retType == 0, reply.retMsg
        return [bar.time[:10] for bar in reply.s2c.klList]

    assert (days("", "")[0], days("", "")[-1]) == ("2023-06-13", "2024-06-12")
    assert (days("2022-01-03", "")[0], days("2022-01-03", "")[-1]) == ("2022-01-03", "2023-01-03")
    assert (days("", "2020-01-02")[0], days("", "2020-01-02")[-1]) == ("2019-01-02", "2020-01-02")
    assert days("2030-01-01", "2031-01-01") == []
    refused = client.ask(
        "Qot_RequestHistoryKL", rehabType=1, klType=2, security=APPLE, beginTime="9999-12-31", endTime=""
    )
    assert refused.retType == -1
    for wrong in ({"klType": 77}, {"rehabType": 9}):
        fields = {"rehabType": 1, "klType": 2, "security": APPLE, "beginTime": "", "endTime": "", **wrong}
        assert client.ask("Qot_RequestHistoryKL", **fields).retType == -1


def test_adjustment_is_what_was_asked_for(client: PlainClient) -> None:
    def close(rehab: int, day: str) -> float:
        fields = {"rehabType": rehab, "klType": 2, "security": APPLE, "beginTime": day, "endTime": day}
        (bar,) = client.ask("Qot_RequestHistoryKL", **fields).s2c.klList
        return float(bar.closePrice)

    plain, forward, backward = (close(rehab, "2020-08-28") for rehab in (0, 1, 2))
    assert forward < plain / 3.9 < plain < backward
    assert close(0, "2024-06-11") == close(1, "2024-06-11") == 207.15


def test_quotes_outside_regular_hours() -> None:
    with gateway(speed=0.001, clock="2024-06-12T08:00:00-04:00") as opend, PlainClient(opend.port) as client:
        basic = client.ask("Qot_GetSecuritySnapshot", securityList=[APPLE]).s2c.snapshotList[0].basic
        assert basic.curPrice == 207.15
        assert basic.preMarket.price > 0 < basic.preMarket.volume
        assert basic.preMarket.lowPrice <= basic.preMarket.price <= basic.preMarket.highPrice
        assert basic.preMarket.changeVal == pytest.approx(basic.preMarket.price - 207.15)
        assert basic.HasField("overnight")
        assert not basic.HasField("afterMarket")
        assert basic.updateTime == "2024-06-12 08:00:00"


class Recorder:
    """A client of the answer source that keeps what is pushed."""

    def __init__(self, source: Synthetic, *topics: Topic, session: int = 1, rehabs: tuple[int, ...] = ()) -> None:
        from ftwire.protocols import registry
        from ftwire_tools.gateway.subscriptions import Subscriptions

        self.number = self.conn_id = id(self)
        self.push_format = BodyFormat.PROTOBUF
        self.subscriptions = Subscriptions()
        self.pushes: list[Any] = []
        self.limits: Any = None
        request: Any = registry["Qot_Sub"].request()
        request.c2s.isSubOrUnSub = request.c2s.isRegOrUnRegPush = True
        request.c2s.session = session
        request.c2s.regPushRehabTypeList.extend(rehabs)
        for topic in topics:
            request.c2s.securityList.add(market=topic.market, code=topic.code)
            request.c2s.subTypeList.append(topic.sub_type)
        self.subscriptions.apply(3001, request)
        source.join(self)

    def push(self, push: Any) -> bool:
        if self.subscriptions.select(push) is None:
            return False
        self.pushes.append(push.message.s2c)
        return True

    def push_run(self, run: Any) -> None:
        raise AssertionError(run)

    async def drained(self) -> None:
        raise AssertionError


def test_pushes_end_with_the_session_they_were_subscribed_for() -> None:
    source = Synthetic(now=start_time("2024-06-12T15:59:57-04:00") * 10**9)
    regular = Recorder(source, Topic(11, "AAPL", TICKER))
    extended = Recorder(source, Topic(11, "AAPL", TICKER), session=2)
    quotes = Recorder(source, Topic(11, "AAPL", 1))
    closed = Recorder(source, Topic(1, "00700", TICKER), Topic(1, "00700", 1), Topic(1, "00700", 2))
    for _ in range(120):
        source.step()
    assert [push.tickerList[0].time for push in regular.pushes] == ["2024-06-12 15:59:58", "2024-06-12 15:59:59"]
    assert {push.tickerList[0].time[:16] for push in extended.pushes} == {
        "2024-06-12 15:59", "2024-06-12 16:00", "2024-06-12 16:01",
    }  # fmt: skip
    assert 20 < len(extended.pushes) < 60
    assert len(quotes.pushes) == len(extended.pushes)
    assert quotes.pushes[-1].basicQotList[0].HasField("afterMarket")
    assert closed.pushes == []


def test_klines_are_pushed_as_they_were_asked_for() -> None:
    source = Synthetic()
    forward, plain = (
        Recorder(source, Topic(11, "AAPL", KL_1MIN), Topic(11, "AAPL", KL_DAY), rehabs=rehabs) for rehabs in ((), (0,))
    )
    source.step()
    assert [(push.rehabType, push.klType, len(push.klList)) for push in forward.pushes] == [(1, 1, 1), (1, 2, 1)]
    assert [(push.rehabType, push.klType) for push in plain.pushes] == [(0, 1), (0, 2)]
    minute, day = (push.klList[0] for push in forward.pushes)
    assert (minute.time, day.time) == ("2024-06-12 10:01:00", "2024-06-12 00:00:00")
    assert minute.closePrice == day.closePrice
    assert (minute.pe, minute.turnoverRate) == (0, 0) < (day.pe, day.turnoverRate)


def test_a_subscription_is_for_the_sessions_of_its_last_request() -> None:
    topic = Topic(11, "AAPL", RT)
    recorder = Recorder(Synthetic(), topic, session=3)
    assert recorder.subscriptions.sessions_of(topic) == ALL_SESSIONS
    assert Recorder(Synthetic(), topic, session=2).subscriptions.sessions_of(topic) == EXTENDED
    assert recorder.subscriptions.sessions_of(Topic(1, "00700", RT)) == REGULAR


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--synthetic", "--clock", "us-open", "--shift-time", "now"], "--clock or --shift-time, not both"),
        (["--synthetic", "--clock", "noon"], "'noon' is none of us-open, hk-open"),
        (["--synthetic", "--clock", "2024-06-12T10:00:00"], "does not say on which clock"),
        (["--synthetic", "--clock", "2034-06-12T10:00:00Z"], "trading days of"),
        (["--clock", "us-open", "some.pcap"], "--clock and --hours are for --synthetic"),
        (["--hours", "always", "some.pcap"], "--clock and --hours are for --synthetic"),
        (["--synthetic", "--hours", "never"], "'never' is not one of"),
    ],
)
def test_clocks_that_cannot_be(arguments: list[str], reason: str) -> None:
    result = CliRunner().invoke(command, arguments)
    assert (result.exit_code, reason in " ".join(result.output.split())) == (2, True), result.output


def test_the_table_of_rt_data_in_the_docs() -> None:
    text = (ROOT / "docs" / "market.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if re.match(r"\| [A-Z]{2}\.\w+ \|", line)]
    assert len(rows) > 10
    market = Market(0, start_time("2024-06-12T12:00:00Z"))
    for code, session, first, last, count, _ in rows:
        stock = market.stock(*parse_security(code))
        assert stock is not None
        # The last second of the day's last session.
        sessions = {"RTH": REGULAR, "ETH": EXTENDED, "ALL": ALL_SESSIONS}[session]
        market.now = max(each.end for each in stock.hours.trading(date(2024, 6, 12)) if each.session in sessions) - 1
        shown = stock.time_shares(sessions)
        assert [f"{stock.time(row.end):%Y-%m-%d %H:%M}" for row in (shown[0], shown[-1])] == [first, last], code
        assert len(shown) == int(count), code
