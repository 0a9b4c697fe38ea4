"""Prices that are steered: whatever is done to them, everything that shows them agrees, and the past stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftwire_tools.synthetic.trading_day import Market, StockDay, Trade

TENCENT = (1, "00700")

CHANGES: dict[str, Callable[[StockDay, float], None]] = {
    "hold": lambda stock, size: stock.hold(300 * (1 + size)),
    "gap": lambda stock, size: stock.gap(size),
    "spike": lambda stock, size: stock.spike(size, 40),
    "release": lambda stock, _: stock.release(),
    "nothing": lambda _, __: None,
}
STEPS = st.lists(
    st.tuples(st.sampled_from(sorted(CHANGES)), st.floats(-0.5, 0.5), st.integers(0, 150)), min_size=1, max_size=6
)


def stock_of(market: Market) -> StockDay:
    found = market.stock(*TENCENT)
    assert found is not None
    return found


def pass_time(market: Market, seconds: int) -> None:
    for _ in range(seconds):
        market.step()


def trades_by_minute(trades: list[Trade]) -> dict[int, list[Trade]]:
    found: dict[int, list[Trade]] = {}
    for trade in trades:
        found.setdefault(trade.second // 60, []).append(trade)
    return found


def check(market: Market, stock: StockDay) -> list[Trade]:
    """Check that the trades of the last minutes are those of their bars, and return them."""
    trades = stock.last_trades(1000)
    assert all(trade.second <= market.now for trade in trades)
    assert [trade.sequence for trade in trades] == list(range(trades[0].sequence, trades[-1].sequence + 1))
    minutes = {minute.end // 60 - 1: minute for minute in stock.traded_minutes()}
    known = trades_by_minute(trades)
    for number in sorted(known)[1:]:  # the first may be cut
        prices, minute = [trade.price for trade in known[number]], minutes[number]
        assert (minute.open, minute.close) == (prices[0], prices[-1])
        assert (minute.high, minute.low) == (max(prices), min(prices))
        assert minute.volume == sum(trade.volume for trade in known[number])
    day = stock.summary()
    assert day.price == trades[-1].price == stock.latest
    assert day.volume == sum(minute.volume for minute in minutes.values())
    assert day.high == max(minute.high for minute in minutes.values())
    assert day.low == min(minute.low for minute in minutes.values())
    assert stock.bid < day.price < stock.ask
    return trades


@given(steps=STEPS)
@settings(max_examples=max(settings().max_examples // 2, 1))
def test_everything_agrees_and_the_past_stays(steps: list[tuple[str, float, int]]) -> None:
    market = Market(0, always_open=True)
    stock = stock_of(market)
    for name, size, seconds in steps:
        before = [trade for trade in check(market, stock) if trade.second < market.now]
        CHANGES[name](stock, size)
        after = [trade for trade in check(market, stock) if trade.second < market.now]
        assert after[-len(before) :] == before[-len(after) :]
        pass_time(market, seconds)
    check(market, stock)


def test_the_same_changes_have_the_same_result_whatever_was_asked() -> None:
    def run(*, is_curious: bool) -> list[Trade]:
        market = Market(7, always_open=True)
        stock = stock_of(market)
        for name, size in (("gap", 0.1), ("spike", -0.2), ("hold", 0.0), ("release", 0.0), ("gap", -0.05)):
            CHANGES[name](stock, size)
            for second in range(70):
                market.step()
                if is_curious and not second % 10:
                    stock.days(5)
                    stock.book()
        return stock.last_trades(500)

    assert run(is_curious=True) == run(is_curious=False)


def test_other_instruments_are_untouched() -> None:
    steered, other = Market(0, always_open=True), Market(0, always_open=True)
    stock_of(steered).gap(0.5)
    pass_time(steered, 90)
    pass_time(other, 90)
    found, wanted = steered.stock(11, "AAPL"), other.stock(11, "AAPL")
    assert found is not None
    assert wanted is not None
    assert found.last_trades(300) == wanted.last_trades(300)


def test_a_halt_stands_still_and_goes_on_from_there() -> None:
    market = Market(0, always_open=True)
    stock = stock_of(market)
    pass_time(market, 30)
    stock.halt()
    stock.halt()
    before = stock.summary(), stock.book(), stock.traded_minutes()
    pass_time(market, 200)
    assert (stock.summary(), stock.book(), stock.traded_minutes()) == before
    assert not stock.has_traded()
    with pytest.raises(ValueError, match="is halted"):
        stock.hold(300)
    stock.resume()
    stock.resume()
    assert stock.price == before[0].price
    check(market, stock)
    pass_time(market, 60)
    check(market, stock)
    assert stock.steered["halted"] is False


def test_a_price_that_was_held_before_a_halt_is_held_after_it() -> None:
    market = Market(0, always_open=True)
    stock = stock_of(market)
    stock.hold(321.0)
    stock.halt()
    pass_time(market, 10)
    stock.resume()
    pass_time(market, 200)
    assert stock.price == 321.0
