"""The made-up market as trading sees it: phases, days, prints."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ftwire.messages import Trd_Common
from ftwire_tools.gateway.trading.broker import Broker
from ftwire_tools.gateway.trading.messages import fill_position
from ftwire_tools.gateway.trading.order import Order, OrderTerms, Side
from ftwire_tools.gateway.trading.texts import TradeError
from ftwire_tools.gateway.trading.venue import Instrument, Kind, MadeUpVenue, Phase
from ftwire_tools.synthetic.trading_day import REGULAR, Market


def market_at(time: str) -> Market:
    """The market at a time of UTC."""
    return Market(0, datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp())


def at(time: str) -> MadeUpVenue:
    return MadeUpVenue(market_at(time))


def broker_on(market: Market, venue: MadeUpVenue | None = None) -> Broker:
    broker = Broker(venue or MadeUpVenue(market))
    broker.unlocked.update(range(8))
    return broker


def place(broker: Broker, terms: OrderTerms, acc_id: int = 9_001_001) -> Order:
    order = broker.place(broker.accounts[acc_id], terms)
    broker.settle()
    return order


def pass_seconds(market: Market, broker: Broker, seconds: int) -> None:
    for _ in range(seconds):
        market.step()
        broker.advance()


def instrument(venue: MadeUpVenue, sec_market: int, code: str) -> Instrument:
    found = venue.find(sec_market, code)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("code", "kind", "lot", "size"),
    [
        ((1, "00700"), Kind.STOCK, "100", "1"),
        ((1, "HSI2406"), Kind.FUTURE, "1", "50"),
        ((1, "800000"), Kind.OTHER, "1", "1"),
        ((1, "BK1001"), Kind.OTHER, "1", "1"),
        ((1, "13456"), Kind.STOCK, "10000", "1"),
        ((1, "TCH240627C380000"), Kind.OPTION, "1", "100"),
        ((101, "BTCUSD"), Kind.CRYPTO, "0.00000001", "1"),
        ((101, "BTC"), Kind.OTHER, "1", "1"),
    ],
)
def test_kinds(code: tuple[int, str], kind: Kind, lot: str, size: str) -> None:
    found = instrument(at("2024-06-12T14:00"), *code)
    assert (found.kind, found.lot, found.multiplier) == (kind, Decimal(lot), Decimal(size))


def test_warrants_are_not_sold_short() -> None:
    broker = broker_on(market_at("2024-06-12T02:00"))
    assert place(broker, OrderTerms(1, "00700", 2, 2, 100)).side is Side.SELL_SHORT
    with pytest.raises(TradeError, match="not enough shares"):
        place(broker, OrderTerms(1, "13456", 2, 2, 10_000))


def test_a_main_future_stands_for_its_month() -> None:
    venue = at("2024-06-12T02:00")
    assert instrument(venue, 1, "HSImain") == instrument(venue, 1, "HSI2406")


@pytest.mark.parametrize(
    ("code", "time", "phase", "day", "regular_day"),
    [
        # New York is four hours behind UTC.
        ((2, "AAPL"), "2024-06-12T13:00", Phase.PRE, 12, 12),
        ((2, "AAPL"), "2024-06-12T14:00", Phase.REGULAR, 12, 12),
        ((2, "AAPL"), "2024-06-12T20:30", Phase.AFTER, 12, 13),
        ((2, "AAPL"), "2024-06-13T01:00", Phase.OVERNIGHT, 13, 13),
        ((2, "AAPL"), "2024-06-15T12:00", Phase.CLOSED, 17, 17),
        # Hong Kong is eight hours ahead.
        ((1, "00700"), "2024-06-12T01:10", Phase.AUCTION, 12, 12),
        ((1, "00700"), "2024-06-12T01:25", Phase.AUCTION, 12, 12),
        ((1, "00700"), "2024-06-12T02:00", Phase.REGULAR, 12, 12),
        ((1, "00700"), "2024-06-12T04:30", Phase.BREAK, 12, 12),
        ((1, "00700"), "2024-06-12T08:05", Phase.AUCTION, 12, 12),
        ((1, "00700"), "2024-06-12T08:10", Phase.CLOSED, 13, 13),
        ((1, "HSI2406"), "2024-06-12T10:00", Phase.REGULAR, 13, 13),
    ],
)
def test_phases_and_days(code: tuple[int, str], time: str, phase: Phase, day: int, regular_day: int) -> None:
    venue = at(time)
    found = instrument(venue, *code)
    assert venue.phase(found) is phase
    assert venue.trading_day(found) == date(2024, 6, day)
    assert venue.trading_day(found, REGULAR) == date(2024, 6, regular_day)


@pytest.mark.parametrize(
    ("code", "time", "day"),
    [
        ((1, "00700"), "2024-06-12T08:10", 12),  # after the close the day's sums stand
        ((1, "00700"), "2024-06-13T01:29", 12),
        ((1, "00700"), "2024-06-13T01:30", 13),
        ((2, "AAPL"), "2024-06-12T23:59", 12),
        ((2, "AAPL"), "2024-06-13T00:00", 13),  # the night belongs to the next day
    ],
)
def test_the_day_is_the_last_one_that_has_begun(code: tuple[int, str], time: str, day: int) -> None:
    venue = at(time)
    found = instrument(venue, *code)
    assert venue.day_begun(found) == date(2024, 6, day)


def test_the_results_of_days_add_up_to_that_of_the_position() -> None:
    market = market_at("2024-06-11T07:00")
    broker = broker_on(market)
    account = broker.accounts[9_001_001]
    results = []
    for _ in range(4):
        place(broker, OrderTerms(1, "00700", 1, 2, 100))
        market.now += 70 * 60  # ten minutes after the close
        message = Trd_Common.Position()
        fill_position(message, broker, account, account.ledger.position(instrument(MadeUpVenue(market), 1, "00700")))
        assert message.td_buyQty == 100
        results.append(message.td_plVal)
        market.now += 86_400 - 70 * 60
    assert sum(results) == pytest.approx(message.plVal)
    assert len(set(results)) == 4


def test_days_between_which_nothing_is_traded() -> None:
    venue = at("2024-06-18T14:00")
    apple = instrument(venue, 2, "AAPL")
    assert venue.another_day(apple, date(2024, 6, 18), 1) == date(2024, 6, 20)  # the 19th is a holiday
    assert venue.another_day(apple, date(2024, 6, 20), -2) == date(2024, 6, 17)


def test_prints_are_the_trades_since_then() -> None:
    market = Market(0)
    venue = MadeUpVenue(market)
    apple = instrument(venue, 2, "AAPL")
    before = venue.sequence(apple)
    assert venue.prints(apple, before) == []
    for _ in range(30):
        market.step()
    found = venue.prints(apple, before)
    assert [each.sequence for each in found] == sorted({each.sequence for each in found})
    assert all(before < each.sequence <= market.now and each.quantity > 0 for each in found)
    assert found[-1].price == venue.last(apple) == venue.quote(apple).last
    quote = venue.quote(apple)
    assert quote.bid < quote.last < quote.ask


def test_the_closing_auction_belongs_to_the_day_that_it_closes() -> None:
    market = Market(0, datetime(2024, 6, 12, 7, 59, 50, tzinfo=UTC).timestamp())
    broker = Broker(MadeUpVenue(market))
    broker.unlocked.update(range(8))
    account = broker.accounts[9_001_001]
    auction, missed = (broker.place(account, OrderTerms(1, "00700", 1, 7, 100, price)) for price in (400.0, 300.0))
    limit = broker.place(account, OrderTerms(1, "00700", 1, 1, 100, 300.0))
    broker.settle()
    assert auction.status.name == "WAITING_SUBMIT"
    for _ in range(15):
        market.step()
        broker.advance()
    assert [each.status.name for each in (auction, missed, limit)] == ["SUBMITTED"] * 3
    market.now += 8 * 60
    broker.advance()
    assert [each.status.name for each in (auction, missed, limit)] == ["FILLED_ALL", "CANCELLED_ALL", "CANCELLED_ALL"]
    assert limit.last_error == "the order has expired"


def test_orders_follow_the_sessions_of_new_york() -> None:
    """One for regular hours ends with them, one for extended hours with the after-market."""
    market = Market(0, datetime(2024, 6, 12, 19, 59, 50, tzinfo=UTC).timestamp())
    broker = Broker(MadeUpVenue(market))
    broker.unlocked.update(range(8))
    account = broker.accounts[9_001_001]
    regular = broker.place(account, OrderTerms(2, "AAPL", 1, 1, 1, 150.0))
    extended = broker.place(account, OrderTerms(2, "AAPL", 1, 1, 1, 150.0, session=2))
    broker.settle()
    market.now += 60
    broker.advance()
    assert (regular.status.name, extended.status.name) == ("CANCELLED_ALL", "SUBMITTED")
    late = broker.place(account, OrderTerms(2, "AAPL", 1, 1, 1, 150.0))
    assert (late.status.name, late.day) == ("WAITING_SUBMIT", date(2024, 6, 13))
    bought = broker.place(account, OrderTerms(2, "AAPL", 1, 1, 1, 300.0, session=2))
    broker.settle()
    assert bought.status.name == "FILLED_ALL"
    market.now += 4 * 3600
    broker.advance()
    assert (extended.status.name, late.status.name) == ("CANCELLED_ALL", "WAITING_SUBMIT")


def test_an_order_of_the_evening_is_filled_when_the_market_opens() -> None:
    """An order for regular hours of Hong Kong, placed after its close, waits and is for the next day."""
    market = Market(0, datetime(2024, 6, 12, 1, 29, 55, tzinfo=UTC).timestamp())
    broker = Broker(MadeUpVenue(market))
    broker.unlocked.update(range(8))
    account = broker.accounts[9_001_001]
    limit = broker.place(account, OrderTerms(1, "00700", 1, 1, 100, 390.0))
    auction = broker.place(account, OrderTerms(1, "00700", 1, 6, 100, 0.0))
    broker.settle()
    assert (limit.status.name, auction.status.name) == ("WAITING_SUBMIT", "SUBMITTED")
    for _ in range(60):
        market.step()
        broker.advance()
    assert (limit.status.name, auction.status.name) == ("FILLED_ALL", "FILLED_ALL")
    opened = broker.venue.prints(auction.instrument, auction.seen)[0]
    assert auction.average == opened.price
    assert auction.updated.date() == date(2024, 6, 12)


@pytest.mark.parametrize(
    ("placed", "day", "filled"),
    [
        ("2024-06-12T12:00", 13, "2024-06-13T00:00"),  # in the morning, for the night that comes
        ("2024-06-13T01:00", 13, "2024-06-13T01:00"),  # in that night
        ("2024-06-15T12:00", 17, "2024-06-17T00:00"),  # on Saturday, for the night to Monday
    ],
)
def test_an_order_for_the_night_is_for_the_next_one(placed: str, day: int, filled: str) -> None:
    market = market_at(placed)
    broker = broker_on(market)
    order = place(broker, OrderTerms(2, "AAPL", 1, 1, 1, 300.0, session=4))
    assert order.day == date(2024, 6, day)
    market.now = int(datetime.fromisoformat(filled).replace(tzinfo=UTC).timestamp())
    broker.advance()
    assert order.status.name == "FILLED_ALL"


def test_an_order_for_the_night_ends_with_it() -> None:
    market = market_at("2024-06-12T12:00")
    broker = broker_on(market)
    order = place(broker, OrderTerms(2, "AAPL", 1, 1, 1, 100.0, session=4))
    for hour, status in ((0, "SUBMITTED"), (7, "SUBMITTED"), (8, "CANCELLED_ALL")):
        market.now = int(datetime(2024, 6, 13, hour, tzinfo=UTC).timestamp())
        broker.advance()
        assert order.status.name == status


def test_an_option_is_not_traded_after_its_last_day() -> None:
    market = market_at("2024-06-14T19:59")
    broker = broker_on(market)
    code = "AAPL240614C207500"
    order = place(broker, OrderTerms(2, code, 1, 1, 1, 0.01, time_in_force=1))
    assert order.status.name == "SUBMITTED"
    pass_seconds(market, broker, 60)
    assert (order.status.name, order.last_error) == ("CANCELLED_ALL", "the order has expired")
    for days in (0, 3):
        market.now += days * 86_400
        with pytest.raises(TradeError, match=f"{code} was traded until 2024-06-14"):
            place(broker, OrderTerms(2, code, 1, 1, 1, 0.01))


@pytest.mark.parametrize(("time", "closes"), [("2024-06-12T02:00", 11), ("2024-06-12T10:00", 12)])
def test_the_limits_of_an_order_for_the_next_day_count_from_the_close(time: str, closes: int) -> None:
    """At ten in the morning, and at six in the evening, when the order is for the day after."""
    broker = broker_on(market_at(time))
    before = at(f"2024-06-{closes}T08:00")
    close = float(before.last(instrument(before, 31, "600519")))
    assert place(broker, OrderTerms(31, "600519", 1, 1, 100, round(close * 0.9, 2) + 0.01)).price > 0
    with pytest.raises(TradeError, match="outside the limits"):
        place(broker, OrderTerms(31, "600519", 1, 1, 100, round(close * 0.9, 2) - 0.01))


@pytest.mark.parametrize("later", [0, 3 * 86_400])
def test_an_option_that_is_held_over_its_last_day_is_worth_its_difference(later: int) -> None:
    market = market_at("2024-06-14T19:59:30")
    broker = broker_on(market)
    account = broker.accounts[9_001_001]
    spot = instrument(broker.venue, 2, "AAPL")  # type: ignore[arg-type]
    held, owed, lost = "AAPL240614C180000", "AAPL240614C190000", "AAPL240614P150000"
    for code, side in ((held, 1), (owed, 2), (lost, 1)):
        order = place(broker, OrderTerms(2, code, side, 1, 1, 500.0 if side == 1 else 0.01))
        assert order.status.name == "FILLED_ALL"
    cash = account.ledger.cash[2]
    pass_seconds(market, broker, 29)
    assert account.ledger.cash[2] == cash
    close = broker.venue.last(spot)
    market.now += later
    pass_seconds(market, broker, 1)
    assert account.ledger.cash[2] == cash + (close - 180) * 100 - (close - 190) * 100
    assert not any(position.qty for position in account.ledger.positions.values())
    assert [flow.remark for flow in account.ledger.flows][-2:] == [f"{held} expired", f"{owed} expired"]
    results = {code: account.ledger.positions[2, code].realized for code in (held, owed, lost)}
    paid = {fill.instrument.code: fill.price * 100 for fill in account.fills}
    assert results == {
        held: (close - 180) * 100 - paid[held], owed: paid[owed] - (close - 190) * 100, lost: -paid[lost]
    }  # fmt: skip


class _LookedAtEachSecond(MadeUpVenue):
    def steady_minute(self) -> None:
        return None


@pytest.mark.parametrize("begin", ["2024-06-12T13:28:30", "2024-06-12T19:58:30", "2024-06-13T00:58:30"])
def test_orders_that_cannot_be_filled_are_not_looked_at_and_miss_nothing(begin: str) -> None:
    """Before the open, about the close, and in the night in which Hong Kong's auction begins."""
    found = []
    for make in (MadeUpVenue, _LookedAtEachSecond):
        market = market_at(begin)
        broker = broker_on(market, make(market))
        last = float(broker.venue.last(instrument(MadeUpVenue(market), 2, "AAPL")))
        orders = [
            OrderTerms(2, "AAPL", 1, 10, 1, aux_price=round(last + ticks / 100, 2), time_in_force=1)
            for ticks in (1, 20, 60)
        ]
        orders += [OrderTerms(2, "AAPL", 1, 1, 1, round(last, 2), session=session) for session in (1, 2, 3, 4)]
        orders += [OrderTerms(1, "00700", 1, 6, 100), OrderTerms(1, "00700", 1, 7, 100, 390.0)]
        for terms in orders:
            place(broker, terms)
        pass_seconds(market, broker, 180)
        found.append(
            [(e.order.order_id, e.order.status, e.order.filled, e.order.paid, e.order.updated) for e in broker.events()]
        )
    assert found[0] == found[1]
    assert len(found[0]) > 12
