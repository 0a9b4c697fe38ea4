"""The made-up market and its accounts."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest

from ftwire.protocols import registry
from ftwire_tools.gateway.quotes import Quotes
from ftwire_tools.gateway.reference.answers import Reference
from ftwire_tools.gateway.topics import SUB_OF_KLINE, Topic, sub_type_name
from ftwire_tools.gateway.trading.accounts import Account
from ftwire_tools.gateway.trading.broker import Broker
from ftwire_tools.gateway.trading.fill_model import parse_fills
from ftwire_tools.gateway.trading.journal import OrderEvent
from ftwire_tools.gateway.trading.messages import pushes_of
from ftwire_tools.gateway.trading.order import Order, OrderTerms
from ftwire_tools.gateway.trading.venue import MadeUpVenue
from ftwire_tools.markets.codes import parse_security
from ftwire_tools.markets.local_times import local_text
from ftwire_tools.messages.time_fields import TimeKind, stamp_of, time_kind
from ftwire_tools.synthetic.trading_day import Market, StockDay, start_time
from ftwire_tools.synthetic.trading_session import REGULAR
from ftwire_tools.testing import gateway, gateway_fixture
from support.gateways import PlainClient, security

TENCENT = security("HK.00700")
PAPER = {"trdEnv": 0, "accID": 1_001_001, "trdMarket": 1}
REAL = {"trdEnv": 1, "accID": 9_001_001, "trdMarket": 1}

still = gateway_fixture(scope="module", synthetic=True, speed=0.001, clock="hk-open")
"""A market whose clock stands still, while Hong Kong trades."""
HK_OPEN = start_time("hk-open")
HEAD_START = 1800
"""Seconds that Hong Kong has traded then."""


@pytest.fixture
def client(still: Any) -> Any:
    with PlainClient(still.port) as found:
        yield found


def stock_of(market: Market, number: int, code: str) -> StockDay:
    found = market.stock(number, code)
    assert found is not None
    return found


def prices(market: Market) -> list[tuple[float, int]]:
    stocks = [stock_of(market, each.market, each.code) for each in market.universe]
    return [(trade.price, trade.volume) for stock in stocks for trade in stock.trades]


@pytest.mark.long
def test_a_seed_makes_one_market() -> None:
    one, same, other = Market(1), Market(1), Market(2)
    for market in (one, same, other):
        for _ in range(100):
            market.step()
    assert prices(one) == prices(same) != prices(other)


def test_the_day_adds_up() -> None:
    stock = stock_of(Market(0, HK_OPEN), 1, "00700")
    assert len(stock.minutes) == HEAD_START // 60 + 1
    assert sum(minute.volume for minute in stock.minutes) == stock.volume
    assert max(minute.high for minute in stock.minutes) == stock.high
    assert min(minute.low for minute in stock.minutes) == stock.low
    assert stock.minutes[-1].close == stock.price
    assert stock.bid < stock.price < stock.ask
    days = stock.days()
    assert all(after.last_close == before.close for before, after in itertools.pairwise(days))
    assert all(day.low <= min(day.open, day.close) <= max(day.open, day.close) <= day.high for day in days)


@pytest.mark.parametrize(("month", "hour"), [(1, 9), (7, 10)])
def test_new_york_has_its_summer_time(month: int, hour: int) -> None:
    now = datetime(2024, month, 10, 14, 0, tzinfo=UTC)
    stock = stock_of(Market(0, now.timestamp()), 11, "AAPL")
    assert stock.time() == datetime(2024, month, 10, hour, 0)
    assert stock.stamp(stock.time()) == now.timestamp()


def test_prices_stay_where_they_can_be() -> None:
    market = Market(3)
    stocks = [stock_of(market, *parse_security(code)) for code in ("HK.00700", "US.AAPL", "SH.600519", "SG.D05")]
    for _ in range(20_000):
        market.step()
    for stock in stocks:
        assert 0.7 < stock.price / stock.listing.last_close < 1.4


@pytest.mark.parametrize(
    ("protocol", "sub_type", "more"),
    [
        ("Qot_GetRT", 5, {}),
        ("Qot_GetTicker", 4, {"maxRetNum": 10}),
        ("Qot_GetOrderBook", 2, {"num": 10}),
        ("Qot_GetKL", 6, {"rehabType": 1, "klType": 2, "reqNum": 10}),
    ],
)
def test_asking_needs_a_subscription(client: PlainClient, protocol: str, sub_type: int, more: dict[str, Any]) -> None:
    refused = client.ask(protocol, security=TENCENT, **more)
    assert refused.retType == -1
    assert refused.retMsg.endswith(f" interface, please subscribe to {sub_type_name(sub_type)} data first.")
    assert client.subscribe("HK.00700", sub_types=(sub_type,), isRegOrUnRegPush=False).retType == 0
    answer = client.ask(protocol, security=TENCENT, **more)
    assert (answer.retType, answer.s2c.security.code, answer.s2c.name) == (0, "00700", "TENCENT")


def test_all_views_show_one_market(client: PlainClient) -> None:
    client.subscribe("HK.00700", sub_types=(1, 2, 4, 5, 6, 11), isRegOrUnRegPush=False)
    basic = client.ask("Qot_GetBasicQot", securityList=[TENCENT]).s2c.basicQotList[0]
    snapshot = client.ask("Qot_GetSecuritySnapshot", securityList=[TENCENT]).s2c.snapshotList[0].basic
    share = client.ask("Qot_GetRT", security=TENCENT).s2c.rtList
    ticker = client.ask("Qot_GetTicker", security=TENCENT, maxRetNum=1000).s2c.tickerList
    day = client.ask("Qot_GetKL", security=TENCENT, rehabType=1, klType=2, reqNum=1).s2c.klList[0]
    minutes = client.ask("Qot_GetKL", security=TENCENT, rehabType=1, klType=1, reqNum=1000).s2c.klList
    book = client.ask("Qot_GetOrderBook", security=TENCENT, num=10).s2c
    price = basic.curPrice
    assert {snapshot.curPrice, share[-1].price, ticker[-1].price, day.closePrice, minutes[-1].closePrice} == {price}
    assert {snapshot.volume, sum(point.volume for point in share), day.volume} == {basic.volume}
    assert basic.volume == sum(candle.volume for candle in minutes if candle.time > "2024-06-12")
    asks, bids = book.orderBookAskList, book.orderBookBidList
    assert len(asks) == len(bids) == 10
    assert asks[0].price > price > bids[0].price
    assert [ask.price for ask in asks] == sorted(ask.price for ask in asks)


def test_history_comes_in_pages(client: PlainClient) -> None:
    question = {
        "security": TENCENT, "rehabType": 1, "klType": 2, "beginTime": "2024-01-01", "endTime": "2024-03-31",
        "maxAckKLNum": 20,
    }  # fmt: skip
    days: list[str] = []
    key = b""
    while True:
        s2c = client.ask("Qot_RequestHistoryKL", **question, **({"nextReqKey": key} if key else {})).s2c
        days += [candle.time[:10] for candle in s2c.klList]
        if not s2c.HasField("nextReqKey"):
            break
        key = s2c.nextReqKey
    assert days == sorted(set(days))
    assert (days[0], days[-1], len(days)) == ("2024-01-02", "2024-03-28", 61)
    assert client.ask("Qot_RequestHistoryKL", **question, nextReqKey=b"?").retType == -1
    assert client.ask("Qot_RequestHistoryKL", **{**question, "beginTime": "soon"}).retType == -1


@pytest.mark.parametrize("kline", SUB_OF_KLINE)
def test_every_kind_of_kline(client: PlainClient, kline: int) -> None:
    client.subscribe("HK.00700", sub_types=(SUB_OF_KLINE[kline],), isRegOrUnRegPush=False)
    answer = client.ask("Qot_GetKL", security=TENCENT, rehabType=1, klType=kline, reqNum=1000)
    bars = answer.s2c.klList
    assert bars
    assert all(before.closePrice == after.lastClosePrice for before, after in itertools.pairwise(bars))


def test_unknown_stocks_and_protocols_are_said_to_be(client: PlainClient) -> None:
    assert client.subscribe("HK.99999").retMsg == "未知股票 99999"
    assert client.ask("Qot_GetOrderDetail", security=TENCENT).retMsg == "未知的协议ID"


@pytest.mark.parametrize("sub_type", [1, 2, 4, 5, *SUB_OF_KLINE.values()])
def test_every_subscription_has_a_whole_push(sub_type: int) -> None:
    quotes = Quotes(Market(0))
    found = quotes.push(Topic(1, "00700", sub_type))
    assert found is not None
    assert found.message.IsInitialized()
    assert found.topics == (Topic(1, "00700", sub_type),)
    assert registry[found.proto_id].is_push
    assert quotes.push(Topic(1, "nothing", sub_type)) is None


def test_pushes_follow_the_market() -> None:
    with gateway(speed=50.0, clock="hk-open") as opend, PlainClient(opend.port) as client:
        client.subscribe("HK.00700", sub_types=(1, 2, 4, 5, 6))
        client.wait_for_pushes(100)
        tickers = [frame.message.s2c.tickerList[0].sequence for frame in client.pushes if frame.proto_id == 3011]  # type: ignore[union-attr]
        assert tickers == list(range(tickers[0], tickers[0] + len(tickers)))
        assert {frame.proto_id for frame in client.pushes} == {3005, 3007, 3009, 3011, 3013}


def test_the_first_push_comes_at_once_where_it_is_wanted(still: Any) -> None:
    with PlainClient(still.port) as client:
        client.subscribe("HK.00700", sub_types=(5,), isFirstPush=False)
        client.ask("KeepAlive", time=1)
        assert client.pushes == []
        client.subscribe("HK.00700", sub_types=(4,))
        assert client.wait_for_pushes(1)[0].tickerList[0].timestamp >= HK_OPEN


def test_now() -> None:
    with gateway(shift_to_now=True, always_open=True) as opend, PlainClient(opend.port) as client:
        basic = client.ask("Qot_GetSecuritySnapshot", securityList=[TENCENT]).s2c.snapshotList[0].basic
        assert abs(basic.updateTimestamp - time.time()) < 60


def unlock(client: PlainClient) -> None:
    digest = hashlib.md5(b"123456", usedforsecurity=False).hexdigest()
    assert client.ask("Trd_UnlockTrade", unlock=True, pwdMD5=digest).retType == 0


def order_of(broker: Broker, acc_id: int, sec_market: int, code: str, price: float) -> tuple[Account, Order]:
    """Place an order for a hundred shares."""
    account = broker.accounts[acc_id]
    broker.unlocked.add(account.terms.firm)
    return account, broker.place(account, OrderTerms(sec_market, code, 1, 1, 100.0, price))


class TestTrading:
    order: ClassVar[dict[str, Any]] = {"trdSide": 1, "orderType": 1, "code": "00700", "secMarket": 1}

    def place(self, client: PlainClient, header: dict[str, int] = PAPER, **more: Any) -> Any:
        return client.ask("Trd_PlaceOrder", header=header, **{**self.order, **more})

    def test_an_order_is_filled_in_parts_and_paid_for(self) -> None:
        with gateway(speed=50.0, clock="hk-open", fills="half") as opend, PlainClient(opend.port) as client:
            client.ask("Trd_SubAccPush", accIDList=[9_001_001])
            unlock(client)
            placed = self.place(client, REAL, qty=1000.0, price=420.0)
            assert placed.retType == 0
            pushes = client.wait_for_pushes(6)
            orders = [s2c.order for s2c in pushes if s2c.DESCRIPTOR.fields_by_name.get("order")]
            fills = [s2c.orderFill for s2c in pushes if s2c.DESCRIPTOR.fields_by_name.get("orderFill")]
            assert [(order.orderStatus, order.fillQty) for order in orders] == [(2, 0), (5, 0), (10, 500), (11, 1000)]
            assert [fill.qty for fill in fills] == [500, 500]
            assert {order.orderID for order in orders} == {placed.s2c.orderID}
            paid = sum(fill.qty * fill.price for fill in fills)
            assert orders[-1].fillAvgPrice == pytest.approx(paid / 1000)
            (position,) = client.ask("Trd_GetPositionList", header=REAL).s2c.positionList
            assert (position.qty, position.costPrice) == (1000, pytest.approx(paid / 1000))
            funds = client.ask("Trd_GetFunds", header=REAL, currency=1).s2c.funds
            (fees,) = client.ask("Trd_GetOrderFee", header=REAL, orderIdExList=[placed.s2c.orderIDEx]).s2c.orderFeeList
            dollars = next(each for each in funds.cashInfoList if each.currency == 1)
            assert (dollars.cash, funds.frozenCash) == (pytest.approx(1_000_000 - paid - fees.feeAmount), 0)
            assert len(client.ask("Trd_GetOrderFillList", header=REAL).s2c.orderFillList) == 2
            assert self.place(client, REAL, trdSide=2, qty=1000.0, price=350.0).retType == 0
            client.wait_for_pushes(12)
            assert not client.ask("Trd_GetPositionList", header=REAL).s2c.positionList

    def test_an_order_waits_is_changed_and_cancelled(self) -> None:
        with (
            gateway(speed=0.001, clock="hk-open") as opend,
            PlainClient(opend.port) as client,
            PlainClient(opend.port) as other,
        ):
            other.ask("Trd_SubAccPush", accIDList=[1_001_001])
            placed = self.place(client, qty=100.0, price=100.0).s2c
            assert client.ask("Trd_GetFunds", header=PAPER).s2c.funds.frozenCash == 10_000
            names = {"orderID": placed.orderID, "orderIDEx": placed.orderIDEx}
            change = client.ask("Trd_ModifyOrder", header=PAPER, modifyOrderOp=1, qty=200.0, price=50.0, **names)
            assert change.retType == 0
            too_much = client.ask("Trd_ModifyOrder", header=PAPER, modifyOrderOp=1, qty=1e6, price=50.0, **names)
            assert (too_much.retType, too_much.retMsg) == (-1, "not enough money")
            (order,) = client.ask("Trd_GetOrderList", header=PAPER).s2c.orderList
            assert (order.qty, order.price, order.orderStatus) == (200, 50, 5)
            cancel = {"header": PAPER, "modifyOrderOp": 2, "orderID": 0, "orderIDEx": placed.orderIDEx}
            assert client.ask("Trd_ModifyOrder", **cancel).retType == 0
            again = client.ask("Trd_ModifyOrder", **cancel)
            assert (again.retType, again.retMsg) == (-1, "the order is not open any more")
            assert client.ask("Trd_GetFunds", header=PAPER).s2c.funds.frozenCash == 0
            assert [s2c.order.orderStatus for s2c in other.wait_for_pushes(4)] == [2, 5, 5, 15]
            assert client.pushes == []

    def test_all_orders_are_cancelled(self) -> None:
        with gateway(speed=0.001, clock="hk-open") as opend, PlainClient(opend.port) as client:
            unlock(client)
            for _ in range(3):
                self.place(client, REAL, qty=100.0, price=100.0)
            client.ask("Trd_ModifyOrder", header=REAL, modifyOrderOp=2, orderID=0, forAll=True)
            orders = client.ask("Trd_GetOrderList", header=REAL, filterStatusList=[15]).s2c.orderList
            assert len(orders) == 3

    def test_an_account_that_clients_take_for_real_is_unlocked_first(self) -> None:
        with gateway(speed=0.001, clock="hk-open") as opend, PlainClient(opend.port) as client:
            assert self.place(client, REAL, qty=100.0, price=100.0).retMsg == "unlock needed: unlock trade first"
            wrong = client.ask("Trd_UnlockTrade", unlock=True, pwdMD5="0" * 32)
            assert wrong.retMsg == "unlock failed: wrong password"
            unlock(client)
            assert self.place(client, REAL, qty=100.0, price=100.0).retType == 0

    @pytest.mark.parametrize(
        ("more", "reason"),
        [
            ({"qty": 150.0, "price": 100.0}, "the quantity is in lots of 100"),
            ({"qty": -100.0, "price": 100.0}, "the quantity is in lots of 100"),
            ({"qty": float("nan"), "price": 100.0}, "the quantity is in lots of 100"),
            ({"qty": 100.0, "price": -1.0}, "the price is positive"),
            ({"qty": 100.0, "price": float("inf")}, "the price is positive"),
            ({"qty": 100_000.0, "price": 100.0}, "not enough money"),
            ({"qty": 100.0, "price": 100.0, "trdSide": 2}, "not enough shares to sell"),
            ({"qty": 100.0, "price": 100.0, "trdSide": 9}, "unknown side 9"),
            ({"qty": 100.0, "price": 100.0, "code": "99999"}, "unknown stock 99999"),
            ({"qty": 1.0, "price": 100.0, "code": "AAPL", "secMarket": 2}, "the account does not trade AAPL"),
        ],
    )
    def test_what_cannot_be_is_refused(self, client: PlainClient, more: dict[str, Any], reason: str) -> None:
        answer = self.place(client, **more)
        assert (answer.retType, answer.retMsg) == (-1, reason)

    def test_accounts_are_checked(self, client: PlainClient) -> None:
        accounts = client.ask("Trd_GetAccList", userID=0).s2c.accList
        assert {account.accID for account in accounts} >= {1_001_001, 9_001_001}
        wrong = client.ask("Trd_GetFunds", header={"trdEnv": 1, "accID": 1_001_001, "trdMarket": 1})
        assert wrong.retMsg == "no such account"
        wrong = client.ask("Trd_GetFunds", header={"trdEnv": 0, "accID": 1_001_001, "trdMarket": 2})
        assert wrong.retMsg == "the account does not trade in market 2"

    def test_how_much_can_be_bought(self, client: PlainClient) -> None:
        most = client.ask("Trd_GetMaxTrdQtys", header=PAPER, orderType=1, code="00700", price=100.0, secMarket=1)
        assert (most.s2c.maxTrdQtys.maxCashBuy, most.s2c.maxTrdQtys.maxPositionSell) == (10_000, 0)


ZONE_OF = {"HK": "Asia/Hong_Kong", "US": "America/New_York", "SH": "Asia/Shanghai", "SZ": "Asia/Shanghai"}
CLOCK_TIMES = {
    "winter": "2024-01-10 14:00:00",
    "summer": "2024-07-10 14:00:00",
    "spring forward": "2024-03-10 07:00:20",
    "an hour after": "2024-03-10 08:00:00",
    "in the hour that is there twice": "2024-11-03 05:59:50",
    "in it again": "2024-11-03 06:20:00",
}


def times_of(message: Any) -> Iterator[tuple[str, str, float]]:
    """Field, text and timestamp of all times in a message."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in value if hasattr(value, "add") else [value]:
                yield from times_of(each)
        elif time_kind(field) is TimeKind.MOMENT and (stamp := stamp_of(field)) is not None:
            yield field.full_name, value, getattr(message, stamp.name)


@pytest.mark.parametrize("text", CLOCK_TIMES.values(), ids=CLOCK_TIMES)
def test_every_text_is_what_the_exchanges_clock_shows_at_its_timestamp(text: str) -> None:
    now = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    market = Market(0, now, always_open=True)
    quotes, broker = Quotes(market), Broker(MadeUpVenue(market), model=parse_fills("half"))
    answers = {**quotes.answers, **Reference(market, 0).answers}
    account, order = order_of(broker, REAL["accID"], 2, "AAPL", price=1_000.0)
    assert account.terms.markets[0] == 1
    events: list[OrderEvent] = []
    for _ in range(30):
        market.step()
        broker.advance()
        events += broker.events()
    assert order.filled
    assert events
    seen = Counter[str]()
    places = {listing.exchange.prefix: listing for listing in market.universe if listing.exchange.prefix in ZONE_OF}
    for listing in (*places.values(), stock_of(market, 11, "AAPL").listing):
        zone = ZoneInfo(ZONE_OF[listing.exchange.prefix])
        found = [quotes.push(Topic(listing.market, listing.code, sub)) for sub in (1, 2, 4, 5, *SUB_OF_KLINE.values())]
        replies: list[Any] = [entry_of(name).response() for name in ("Qot_GetRT", "Qot_GetSecuritySnapshot")]
        client: Any = SimpleNamespace(subscriptions=SimpleNamespace(has=lambda _: True, sessions_of=lambda _: REGULAR))
        for reply, asked in zip(replies, (security_request(listing), many_request(listing)), strict=True):
            answers[type(reply).DESCRIPTOR.full_name.partition(".")[0]](client, asked, reply.s2c)
        sent = [each.message for each in found if each is not None] + replies
        if listing.code == "AAPL":
            sent += [push.message for event in events for push in pushes_of(broker, event)]
        for message in sent:
            for name, local, stamp in times_of(message):
                seen[name] += 1
                assert local == f"{datetime.fromtimestamp(stamp, zone):%Y-%m-%d %H:%M:%S}", name
                if "KLine" not in name:
                    assert now - 25 * 3600 <= stamp <= now + 30 + 60
    assert len(seen) > 7
    assert seen["Trd_Common.Order.updateTime"] == len(events)
    assert seen["Trd_Common.OrderFill.createTime"] > 0


def entry_of(name: str) -> Any:
    return registry[name]


def security_request(listing: Any) -> Any:
    request: Any = entry_of("Qot_GetRT").request()
    request.c2s.security.market, request.c2s.security.code = listing.market, listing.code
    return request.c2s


def many_request(listing: Any) -> Any:
    request: Any = entry_of("Qot_GetSecuritySnapshot").request()
    request.c2s.securityList.add(market=listing.market, code=listing.code)
    return request.c2s


def test_a_second_of_the_market_is_one_when_clocks_are_changed() -> None:
    forward = datetime(2024, 3, 10, 7, 0, tzinfo=UTC).timestamp()
    stock = stock_of(Market(0, forward), 11, "AAPL")
    shown = [local_text(stock.time(int(forward) + second)) for second in (-1, 0)]
    assert shown == ["2024-03-10 01:59:59", "2024-03-10 03:00:00"]
    back = datetime(2024, 11, 3, 6, 0, tzinfo=UTC).timestamp()
    for begin in (forward, back):
        market = Market(0, begin - 5)
        stock, stamps = stock_of(market, 11, "AAPL"), []
        for _ in range(10):
            stamps.append(stock.stamp(stock.time()))
            market.step()
        assert stamps == [begin + second for second in range(-5, 5)]


def test_the_updates_of_an_order_have_the_time_of_the_update() -> None:
    market = Market(0)
    broker = Broker(MadeUpVenue(market))
    account, order = order_of(broker, PAPER["accID"], 1, "00700", price=100.0)
    broker.settle()
    broker.events()
    for _ in range(100):
        market.step()
    broker.cancel(account, order)
    (cancelled,) = broker.events()
    for _ in range(100):
        market.step()
    (push,) = pushes_of(broker, cancelled)
    sent: Any = push.message
    assert sent.s2c.order.updateTimestamp - sent.s2c.order.createTimestamp == 100
    assert (
        broker.venue.stamp(order.instrument, broker.venue.now(order.instrument)) - sent.s2c.order.updateTimestamp == 100
    )
