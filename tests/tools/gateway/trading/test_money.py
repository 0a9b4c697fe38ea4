"""Money and shares are conserved, to the cent, whatever is ordered; states and pushes agree with what lists show."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftwire.messages import Trd_Common
from ftwire.protocols import registry
from ftwire_tools.gateway.trading.accounts import ACCOUNTS
from ftwire_tools.gateway.trading.amounts import cents, exact
from ftwire_tools.gateway.trading.fees import fee_items, total_fee
from ftwire_tools.gateway.trading.journal import OrderEvent
from ftwire_tools.gateway.trading.messages import fill_position, pushes_of
from ftwire_tools.gateway.trading.order_entry import OrderChange
from ftwire_tools.gateway.trading.order_state import FIRST, TRANSITIONS, OrderStatus
from ftwire_tools.gateway.trading.order_types import NEEDED, OrderType, Product, product_of
from ftwire_tools.gateway.trading.rates import converted
from ftwire_tools.gateway.trading.requests import TradeRequests
from ftwire_tools.gateway.trading.texts import TradeError
from ftwire_tools.gateway.trading.venue import Instrument, Kind, Phase
from ftwire_tools.synthetic.universe import Kind as SecurityType
from support.steered_venue import (
    APPLE,
    BITCOIN,
    DBS,
    ES,
    HK_OPTION,
    HSI,
    MOUTAI,
    TENCENT,
    TOYOTA,
    US_OPTION,
    D,
    Desk,
)

WHO = {
    9_001_001: (TENCENT, APPLE, MOUTAI, DBS, TOYOTA, US_OPTION, HK_OPTION),
    281756400001000001: (HSI, ES),
    281756400001000002: (BITCOIN,),
    281756400002000003: (APPLE, US_OPTION),
    281756400002000004: (APPLE, US_OPTION),
    281756400002000005: (APPLE,),
    1_001_001: (TENCENT,),
    1_001_002: (APPLE, US_OPTION),
    1_001_003: (MOUTAI,),
    1_001_010: (HSI,),
}
PHASES = (*[Phase.REGULAR] * 6, Phase.CLOSED, Phase.AUCTION, Phase.BREAK, Phase.PRE, Phase.OVERNIGHT)
MODELS = ("book", "book:share=1", "instant:slippage=3", "half", "book:latency=1", "instant")


def place(desk: Desk, draw: Any, instrument: Instrument) -> None:
    tick = float(desk.venue.tick(instrument))
    last = float(desk.venue.prices[instrument])
    near = round(last + draw(st.integers(-4, 4)) * tick, 4)
    lots = draw(st.sampled_from([1, 1, 2, 3, 7, 50, 1000, 5000]))
    qty = lots / 100 if instrument is BITCOIN else lots * float(instrument.lot)
    order_type = draw(st.sampled_from([OrderType.NORMAL, OrderType.NORMAL, OrderType.MARKET, *NEEDED]))
    desk.refusal(
        instrument,
        qty,
        near,
        side=draw(st.sampled_from([1, 2])),
        order_type=int(order_type),
        aux_price=near,
        trail_type=draw(st.sampled_from([1, 2])),
        trail_value=draw(st.sampled_from([0.1, 1.0, 5.0])),
        trail_spread=tick,
        time_in_force=draw(st.sampled_from([0, 0, 1])),
        session=draw(st.sampled_from([0, 0, 2, 3])),
    )


def change(desk: Desk, draw: Any) -> None:
    orders = list(desk.account.orders.values())[-6:]
    if not orders:
        return
    order = draw(st.sampled_from(orders))
    op = draw(st.sampled_from(["change", "change", "cancel", "disable", "enable", "delete", "cancel_fills"]))
    arguments: tuple[OrderChange, ...] = ()
    if op == "change":
        qty = float(order.qty) * draw(st.sampled_from([0.5, 1, 2]))
        price = float(order.price) + draw(st.integers(-2, 2)) * float(desk.venue.tick(order.instrument))
        arguments = (OrderChange(qty, round(price, 4), round(price, 4), 1, 1.0, 0.0),)
    try:
        getattr(desk.broker, op)(desk.account, order, *arguments)
    except TradeError:
        return
    desk.settle()


def pass_time(desk: Desk, draw: Any, instrument: Instrument) -> None:
    venue = desk.venue
    venue.phases[instrument] = draw(st.sampled_from(PHASES))
    tick = venue.tick(instrument)
    moved = max(venue.prices[instrument] + draw(st.sampled_from([-300, -3, -2, -1, 0, 1, 2, 3, 300])) * tick, tick)
    desk.step((instrument, str(moved)), seconds=draw(st.sampled_from([1, 1, 1, 2, 86_400])))


@st.composite
def trading_days(draw: Any) -> Desk:
    """A desk after some orders, changes and market moves."""
    acc_id = draw(st.sampled_from(list(WHO)))
    desk = Desk(acc_id, fills=draw(st.sampled_from(MODELS)))
    if acc_id == 9_001_001:
        desk.account.ledger.cash[3] = D(200_000)
    desk.opening = dict(desk.account.ledger.cash)  # type: ignore[attr-defined]
    for _ in range(draw(st.integers(1, 25))):
        instrument = draw(st.sampled_from(WHO[acc_id]))
        move = draw(st.sampled_from(["place", "place", "change", "time", "time"]))
        if move == "place":
            place(desk, draw, instrument)
        elif move == "change":
            change(desk, draw)
        else:
            pass_time(desk, draw, instrument)
    return desk


def request(desk: Desk, protocol: str) -> tuple[Any, Any]:
    """A request of an account, and a response to be filled."""
    entry: Any = registry[protocol]
    c2s, s2c = entry.request().c2s, entry.response().s2c
    terms = desk.account.terms
    c2s.header.trdEnv, c2s.header.accID, c2s.header.trdMarket = terms.environment, terms.acc_id, terms.markets[0]
    return c2s, s2c


@given(trading_days())
def test_cash_is_what_it_was_and_what_came_and_went(desk: Desk) -> None:
    ledger = desk.account.ledger
    expected: dict[int, Decimal] = defaultdict(Decimal, desk.opening)  # type: ignore[attr-defined]
    for flow in ledger.flows:
        assert flow.amount == round(flow.amount, 2)
        assert flow.amount
        expected[flow.currency] += flow.amount
    assert {currency: money for currency, money in expected.items() if money} == {
        currency: money for currency, money in ledger.cash.items() if money
    }


@given(trading_days())
def test_shares_are_those_of_the_fills(desk: Desk) -> None:
    held: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
    filled: dict[int, Decimal] = defaultdict(Decimal)
    paid: dict[int, Decimal] = defaultdict(Decimal)
    for fill in desk.account.fills:
        filled[fill.order_id] += fill.qty
        paid[fill.order_id] += fill.qty * fill.price
        if not fill.is_cancelled:
            held[fill.instrument.key] += fill.qty if fill.side.buys else -fill.qty
        assert fill.qty > 0
        assert fill.qty % min(fill.instrument.lot, D(1)) == 0
    for order in desk.account.orders.values():
        assert (order.filled, order.paid) == (filled[order.order_id], paid[order.order_id])
        assert order.filled <= order.qty
    assert {key: qty for key, qty in held.items() if qty} == {
        key: each.qty for key, each in desk.account.ledger.positions.items() if each.qty
    }


@given(trading_days())
def test_what_was_paid_is_what_is_held_or_was_lost(desk: Desk) -> None:
    """Cash less fees has turned into the cost of positions and the result of what was closed."""
    ledger = desk.account.ledger
    fees: dict[int, Decimal] = defaultdict(Decimal)
    for flow in ledger.flows:
        if flow.kind == "fee":
            fees[flow.currency] += flow.amount
    expected: dict[int, Decimal] = defaultdict(Decimal, desk.opening)  # type: ignore[attr-defined]
    for position in ledger.positions.values():
        currency, cost = position.instrument.currency, position.cost
        expected[currency] += position.realized
        if position.instrument.kind is not Kind.FUTURE:
            expected[currency] -= cost if position.qty > 0 else -cost
        assert cost >= 0
    for currency, money in ledger.cash.items():
        assert money == expected[currency] + fees[currency]


@given(trading_days())
def test_fees_are_charged_once(desk: Desk) -> None:
    charged = -sum((flow.amount for flow in desk.account.ledger.flows if flow.kind == "fee"), D(0))
    assert charged == sum((order.fees for order in desk.account.orders.values()), D(0))
    for order in desk.account.orders.values():
        if desk.account.terms.is_paper or order.status is OrderStatus.FILL_CANCELLED:
            assert order.fees == 0
        else:  # those of all its fills together
            product = product_of(order.instrument, desk.account.terms.firm)
            value = cents(order.paid * order.instrument.multiplier)
            assert order.fees == total_fee(order.instrument, product, order.filled, value, sells=not order.side.buys)


@given(trading_days())
def test_only_states_of_the_diagram_in_its_order(desk: Desk) -> None:
    before: dict[int, OrderEvent] = {}
    for event in desk.events:
        number, status = event.order.order_id, event.order.status
        if number not in before:
            assert status in FIRST
        else:
            last = before[number].order
            assert status is last.status or status in TRANSITIONS[last.status]
            assert event.is_change == (event.order.pushed_fields != last.pushed_fields)
            assert event.is_change or event.fill
        before[number] = event
    assert before.keys() == desk.account.orders.keys()


@given(trading_days())
def test_the_last_push_is_what_the_list_says(desk: Desk) -> None:
    pushed: dict[int, Any] = {}
    for event in desk.events:
        for push in pushes_of(desk.broker, event):
            message: Any = push.message
            if message.s2c.DESCRIPTOR.fields_by_name.get("order"):
                pushed[message.s2c.order.orderID] = message.s2c.order
    c2s, s2c = request(desk, "Trd_GetHistoryOrderList")
    c2s.filterStatusList.extend(OrderStatus)
    TradeRequests(desk.broker).answers["Trd_GetHistoryOrderList"](c2s, s2c)
    listed = {each.orderID: each for each in s2c.orderList}
    assert listed == pushed


@given(trading_days())
def test_an_account_without_margin_owes_nothing_for_what_it_bought(desk: Desk) -> None:
    if desk.account.terms.has_margin:
        return
    fees = sum((order.fees for order in desk.account.orders.values() if not order.side.buys), D(0))
    taken_back = any(order.status is OrderStatus.FILL_CANCELLED for order in desk.account.orders.values())
    if not taken_back:  # the exchange's own doing
        assert all(money >= -fees for money in desk.account.ledger.cash.values())
        assert all(position.qty >= 0 for position in desk.account.ledger.positions.values())


@given(trading_days())
def test_funds_of_every_account_can_be_asked_for(desk: Desk) -> None:
    c2s, s2c = request(desk, "Trd_GetFunds")
    terms = desk.account.terms
    c2s.currency = terms.currency
    TradeRequests(desk.broker).answers["Trd_GetFunds"](c2s, s2c)
    assert s2c.IsInitialized()
    funds = s2c.funds
    assert funds.cash == pytest.approx(
        sum(float(converted(exact(each.cash), each.currency, terms.currency)) for each in funds.cashInfoList), abs=0.02
    )
    results = sum(
        float(converted(each.unrealized(desk.venue.prices[each.instrument]), each.instrument.currency, terms.currency))
        for each in desk.account.ledger.positions.values()
        if each.qty and each.instrument.kind is Kind.FUTURE
    )
    assert funds.totalAssets == pytest.approx(funds.cash + funds.marketVal + results, abs=0.05)
    assert funds.marketVal == pytest.approx(funds.longMv + funds.shortMv, abs=0.02)


def most_of(desk: Desk, instrument: Instrument, price: float) -> Any:
    c2s, s2c = request(desk, "Trd_GetMaxTrdQtys")
    c2s.orderType, c2s.code, c2s.price, c2s.secMarket = 1, instrument.code, price, instrument.sec_market
    TradeRequests(desk.broker).answers["Trd_GetMaxTrdQtys"](c2s, s2c)
    return s2c.maxTrdQtys


@settings(max_examples=2 * settings().max_examples)
@given(trading_days(), st.data())
def test_the_most_that_can_be_bought_can_be_and_no_lot_more(desk: Desk, data: st.DataObject) -> None:
    instrument = data.draw(st.sampled_from(WHO[desk.account.acc_id]))
    price = float(desk.venue.prices[instrument])
    most = most_of(desk, instrument, price)
    qty = most.maxCashAndMarginBuy
    if instrument.kind is Kind.FUTURE or desk.account.ledger.held(instrument) < 0:
        assert qty == 0
        return
    own = {"power", "tick", "quantity", "quantity_cap", "value_cap", "band", "buy_back_first"}
    if desk.refusal(instrument, qty + float(instrument.lot), price) == "":
        pytest.fail(f"a lot more than {qty} was taken")
    if qty:
        assert desk.refusal(instrument, qty, price) in {"", *(own - {"power"})}


def test_the_most_that_can_be_sold_short() -> None:
    desk = Desk(1_001_002)
    most = most_of(desk, APPLE, 200.0).maxSellShort
    assert most == 8333  # 1,000,000 dollars at a margin of 60 per cent
    assert desk.refusal(APPLE, most + 1, 200.0, side=2) == "power"
    desk.place(APPLE, 10)
    after = most_of(desk, APPLE, 200.0)
    assert (after.maxSellShort, after.maxPositionSell) == (0, 10)


class TestFees:
    """Sums worked out by hand from the published tariffs."""

    @pytest.mark.parametrize(
        ("instrument", "product", "qty", "value", "sells", "total"),
        [
            # 11.40 + 15 + 2 + stamp duty 38 + 2.15 + 1.03 + 0.06
            (TENCENT, Product.HK_STOCK, "100", "38000", False, "69.64"),
            # 0.99 + 1.00 + 0.30
            (APPLE, Product.US, "100", "20000", False, "2.29"),
            # the same + SEC 0.56 + TAF 0.02
            (APPLE, Product.US, "100", "20000", True, "2.87"),
            # 1.99 + 0.60 + 0.02 + 0.04 + 0.36
            (US_OPTION, Product.US, "2", "500", False, "3.01"),
            # 48 + 15 + 5.46 + 3.20 + 4.80 + stamp duty 80
            (MOUTAI, Product.CN, "100", "160000", True, "156.46"),
            # funds and warrants pay no stamp duty
            (TENCENT._replace(security_type=SecurityType.ETF), Product.HK_STOCK, "100", "38000", False, "31.64"),
            (TENCENT._replace(security_type=SecurityType.WARRANT), Product.HK_STOCK, "100", "38000", True, "31.64"),
            (MOUTAI._replace(security_type=SecurityType.ETF), Product.CN, "100", "160000", True, "76.46"),
            (TENCENT, Product.HK_STOCK, "0", "0", False, "0"),
        ],
    )
    def test_examples(
        self, instrument: Instrument, product: Product, qty: str, value: str, sells: bool, total: str
    ) -> None:
        items = fee_items(instrument, product, D(qty), D(value), sells=sells)
        assert sum((each.amount for each in items), D(0)) == D(total)
        assert len({each.title for each in items}) == len(items)

    @given(
        st.sampled_from(
            [(TENCENT, Product.HK_STOCK), (APPLE, Product.US), (MOUTAI, Product.CN), (US_OPTION, Product.US)]
        ),
        st.integers(1, 10**6),
        st.integers(1, 10**8),
        st.integers(0, 10**6),
        st.booleans(),
    )
    def test_more_fills_never_cost_less(
        self, what: tuple[Instrument, Product], qty: int, pennies: int, more: int, sells: bool
    ) -> None:
        before = total_fee(*what, D(qty), D(pennies) / 100, sells=sells)
        after = total_fee(*what, D(qty + more), D(pennies + more * 100) / 100, sells=sells)
        assert D(0) < before <= after


class TestLedgerExamples:
    def test_cost_and_result_of_a_position(self) -> None:
        desk = Desk(1_001_002, fills="instant")
        desk.venue.spread = False
        for price, qty in (("100", 10), ("110", 10)):
            desk.step((APPLE, price))
            desk.place(APPLE, qty)
        desk.step((APPLE, "120"))
        desk.sell(APPLE, 5)
        position: Any = desk.account.ledger.position(APPLE)
        assert (position.qty, position.average_cost, position.realized) == (15, 105, 75)
        assert position.diluted_cost == 100  # (1000 + 1100 - 600) / 15
        assert position.unrealized(D(120)) == 225
        assert desk.cash(2) == 1_000_000 - 2100 + 600

    def test_a_short_position(self) -> None:
        desk = Desk(1_001_002, fills="instant")
        desk.venue.spread = False
        desk.sell(APPLE, 10)
        desk.step((APPLE, "180"))
        position: Any = desk.account.ledger.position(APPLE)
        assert (position.qty, position.unrealized(D(180)), position.value(D(180))) == (-10, 200, -1800)
        desk.place(APPLE, 10)
        assert (position.qty, position.realized, desk.cash(2)) == (0, 200, 1_000_200)

    def test_futures_move_their_result_only(self) -> None:
        desk = Desk(1_001_010, fills="instant")
        desk.venue.spread = False
        desk.place(HSI, 2)
        assert desk.cash(1) == 1_000_000
        desk.step((HSI, "18100"))
        assert desk.broker.power.assets(desk.account, 1) == 1_010_000
        desk.sell(HSI, 2)
        assert desk.cash(1) == 1_010_000
        assert desk.account.ledger.position(HSI).realized == 10_000

    def test_currencies_are_not_added_one_to_one(self) -> None:
        desk = Desk()
        assert desk.broker.power.assets(desk.account, 1) == 1_000_000 + D("781000")
        assert desk.broker.power.assets(desk.account, 2) == pytest.approx(D("228040.97"), abs=D("0.01"))

    def test_days_begin_anew(self) -> None:
        desk = Desk(1_001_002, fills="instant")
        desk.place(APPLE, 10)
        position: Any = desk.account.ledger.position(APPLE)
        assert (position.bought_today, position.day) == (10, datetime(2024, 6, 12).date())
        desk.venue.time = datetime(2024, 6, 13, 10, 0)
        desk.sell(APPLE, 4)
        assert (position.bought_today, position.sold_today) == (0, 4)

    @pytest.mark.parametrize(
        ("instrument", "qty", "price", "sold", "result"),
        [
            (TENCENT, 300, "386", 0, "1800"),  # 6 on each of 300
            (TENCENT, 300, "386", 100, "1780"),  # a hundred of them sold a tick lower
            (TENCENT, 300, "380", 0, "0"),
            (HSI, 2, "18100", 0, "10000"),
        ],
    )
    def test_the_result_of_a_day_counts_from_the_last_close(
        self, instrument: Any, qty: int, price: str, sold: int, result: str
    ) -> None:
        desk = Desk(281_756_400_001_000_001 if instrument is HSI else 9_001_001)
        desk.step((instrument, "17000" if instrument is HSI else "300"))
        desk.place(instrument, qty)
        position: Any = desk.account.ledger.position(instrument)
        desk.step((instrument, price), seconds=86_400)
        if sold:
            desk.sell(instrument, sold)
        message = Trd_Common.Position()
        fill_position(message, desk.broker, desk.account, position)
        assert message.td_plVal == float(result)
        assert (message.td_buyQty, message.td_sellQty) == (0, sold)
        assert message.plVal > float(result)

    def test_the_result_of_a_day_of_a_short_position_and_of_trades(self) -> None:
        desk = Desk(1_001_002, fills="instant")
        desk.sell(APPLE, 10)
        desk.step((APPLE, "205"), seconds=86_400)
        desk.place(APPLE, 4)
        position: Any = desk.account.ledger.position(APPLE)
        # Four were bought back a tick above 205, six are owed.
        assert position.result_today(D("205"), D("200")) == -5 * 10 - D("0.04")


def test_ten_thousand_orders_are_the_most() -> None:
    terms = next(each for each in ACCOUNTS if each.acc_id == 1_001_002)
    desk = Desk(1_001_002, accounts=(terms,))
    order = desk.place(APPLE, 1, 150.0)
    desk.account.orders.update(dict.fromkeys(range(10000), order))
    assert desk.refusal(APPLE, 1, 150.0) == "full"
    account = desk.account
    account.orders.clear()
    account.working.update(dict.fromkeys(range(1000 - len(account.working)), order))
    assert desk.refusal(APPLE, 1, 150.0) == "full_open"


def test_amounts_are_what_a_person_would_have_written() -> None:
    assert exact(0.1 + 0.2) == D("0.3")
    assert exact(359.678) == D("359.678")
    for value in (float("nan"), float("inf"), 1e16):
        with pytest.raises(ValueError, match="is not an amount"):
            exact(value)
