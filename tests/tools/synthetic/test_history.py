"""K-lines and corporate actions: bars add up, chain and are adjusted as the vendor documents."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest

from ftwire_tools.markets.codes import parse_security
from ftwire_tools.markets.sessions import Session
from ftwire_tools.synthetic.corporate_actions import (
    CorporateAction,
    actions_of,
    adjustment,
    backward_factors,
    forward_factors,
)
from ftwire_tools.synthetic.history import (
    BACKWARD,
    FORWARD,
    UNADJUSTED,
    Bar,
    daily_bars,
    minute_bars,
    period_bars,
)
from ftwire_tools.synthetic.trading_day import Market, StockDay, start_time
from ftwire_tools.synthetic.trading_session import ALL_SESSIONS, EXTENDED, REGULAR


def stock_of(market: Market, code: str) -> StockDay:
    found = market.stock(*parse_security(code))
    assert found is not None
    return found


def joined(bars: list[Bar]) -> tuple[object, ...]:
    return (
        bars[0].open,
        max(bar.high for bar in bars),
        min(bar.low for bar in bars),
        bars[-1].close,
        sum(bar.volume for bar in bars),
        pytest.approx(sum(bar.turnover for bar in bars), rel=1e-9, abs=0.5),
    )


@pytest.mark.parametrize("code", ["HK.00700", "US.AAPL", "HK.HSImain", "SH.600519", "US.AAPL240628C200000"])
@pytest.mark.parametrize("width", [1, 60])
@pytest.mark.parametrize("rehab", [UNADJUSTED, FORWARD])
def test_minutes_add_up_to_days(code: str, width: int, rehab: int) -> None:
    stock = stock_of(Market(1), code)
    days = list(daily_bars(stock, date(2024, 6, 5), date(2024, 6, 12), rehab))
    found = list(minute_bars(stock, width, datetime(2024, 6, 4), datetime(2024, 6, 13), REGULAR, rehab))
    assert all(before.time < after.time for before, after in pairwise(found))
    assert all(before.close == after.last_close for before, after in pairwise(found))
    for day in days:
        trading = stock.hours.trading(day.time.date())
        begin, end = stock.time(trading[0].start), stock.time(trading[-1].end)
        if stock.listing.exchange.prefix == "US":
            begin, end = day.time.replace(hour=9, minute=30), day.time.replace(hour=16)
        bars = [bar for bar in found if begin < bar.time <= end]
        assert bars, day
        assert joined(bars) == (day.open, day.high, day.low, day.close, day.volume, day.turnover)


@pytest.mark.parametrize("period", ["week", "month", "quarter", "year"])
def test_days_add_up_to_longer_bars(period: str) -> None:
    stock = stock_of(Market(1), "HK.00700")
    begin, end = date(2022, 1, 3), date(2024, 6, 12)
    bars = list(period_bars(stock, period, begin, end, FORWARD))
    days = {bar.time.date(): bar for bar in daily_bars(stock, date(2021, 1, 1), end, FORWARD)}
    first_bar, *rest = bars
    for before, bar in pairwise([first_bar, *rest]):
        parts = [each for day, each in days.items() if before.time.date() < day <= bar.time.date()]
        assert joined(parts) == (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.turnover)
        assert bar.last_close == before.close
    assert bars[-1].time.date() == end
    assert {"week": 128, "month": 30, "quarter": 10, "year": 3}[period] == len(bars)


def test_days_without_trading_have_no_bars_and_half_days_short_ones() -> None:
    market = Market(0, start_time("2025-01-10T12:00:00Z"))
    us, hk = stock_of(market, "US.AAPL"), stock_of(market, "HK.00700")
    christmas = [f"{bar.time:%m-%d}" for bar in daily_bars(us, date(2024, 12, 23), date(2025, 1, 3))]
    assert christmas == ["12-23", "12-24", "12-26", "12-27", "12-30", "12-31", "01-02", "01-03"]
    lunar = [f"{bar.time:%m-%d}" for bar in daily_bars(hk, date(2024, 2, 8), date(2024, 2, 15))]
    assert lunar == ["02-08", "02-09", "02-14", "02-15"]

    def minutes(stock: StockDay, day: int, sessions: frozenset[Session] = REGULAR) -> list[str]:
        begin = datetime(2024, 12, day)
        bars = minute_bars(stock, 1, begin, begin + timedelta(days=1), sessions)
        return [f"{bar.time:%H:%M}" for bar in bars]

    assert (minutes(us, 23)[0], minutes(us, 23)[-1], len(minutes(us, 23))) == ("09:31", "16:00", 390)
    assert (minutes(us, 24)[-1], len(minutes(us, 24))) == ("13:00", 210)
    assert (minutes(us, 24, EXTENDED)[-1], len(minutes(us, 24, EXTENDED))) == ("17:00", 780)
    assert (minutes(hk, 23)[0], minutes(hk, 23)[149:151], len(minutes(hk, 23))) == ("09:31", ["12:00", "13:01"], 330)
    assert (minutes(hk, 24)[-1], len(minutes(hk, 24))) == ("12:00", 150)


def test_bars_do_not_reach_over_a_break() -> None:
    market = Market(0, start_time("2024-06-12T20:00:00Z"))
    begin, end = datetime(2024, 6, 11), datetime(2024, 6, 11, 23)

    def ends(code: str, width: int) -> list[str]:
        return [f"{bar.time:%H:%M}" for bar in minute_bars(stock_of(market, code), width, begin, end, REGULAR)]

    assert ends("HK.00700", 60) == ["10:30", "11:30", "12:00", "14:00", "15:00", "16:00"]
    assert ends("US.AAPL", 60) == ["10:30", "11:30", "12:30", "13:30", "14:30", "15:30", "16:00"]
    assert ends("US.AAPL", 5)[:2] == ["09:35", "09:40"]
    assert len(ends("US.AAPL", 5)) == 78
    assert ends("HK.00700", 5)[-2:] == ["15:55", "16:00"]
    assert ends("SH.600519", 240) == ["11:30", "15:00"]


def test_all_sessions_begin_on_the_evening_before() -> None:
    stock = stock_of(Market(0, start_time("2024-06-13T12:00:00Z")), "US.AAPL")
    bars = list(minute_bars(stock, 1, datetime(2024, 6, 11, 20, 1), datetime(2024, 6, 12, 20), ALL_SESSIONS))
    assert (len(bars), f"{bars[0].time}", f"{bars[-1].time}") == (1440, "2024-06-11 20:01:00", "2024-06-12 20:00:00")
    assert all(before.close == after.last_close for before, after in pairwise(bars))


def test_the_documented_example_of_factors() -> None:
    """SZ.002714 on 2021-06-03: four new shares for ten and 14.61 in cash for ten; the vendor's numbers."""
    found = adjustment(CorporateAction(date(2021, 6, 3), 1.4, 1.461), 93.11, by_factor=False)
    assert (round(found.forward_a, 5), round(found.forward_b, 5)) == (0.71429, -1.04357)
    assert 93.11 * found.forward_a + found.forward_b == pytest.approx(65.464, abs=5e-4)
    back = (93.11 * found.forward_a + found.forward_b) * found.backward_a + found.backward_b
    assert back == pytest.approx(93.11)


def test_events_are_applied_in_their_order() -> None:
    dividend = adjustment(CorporateAction(date(2020, 1, 1), 1, 2.0), 100.0, by_factor=False)
    split = adjustment(CorporateAction(date(2021, 1, 1), 2, 0.0), 100.0, by_factor=False)
    a, b = forward_factors([dividend, split])
    assert 100 * a + b == (100 - 2) / 2
    a, b = backward_factors([dividend, split])
    assert 49 * a + b == 49 * 2 + 2
    by_factor = adjustment(CorporateAction(date(2020, 1, 1), 1, 2.0), 100.0, by_factor=True)
    assert (by_factor.forward_a, by_factor.forward_b) == (0.98, 0.0)


@pytest.mark.parametrize("code", ["US.AAPL", "HK.00700", "SH.600519"])
def test_adjusted_prices_are_continuous_where_plain_ones_jump(code: str) -> None:
    stock = stock_of(Market(0), code)
    plain, forward, backward = (
        {bar.time.date(): bar for bar in daily_bars(stock, date(2014, 5, 1), date(2024, 6, 12), rehab)}
        for rehab in (UNADJUSTED, FORWARD, BACKWARD)
    )
    today = max(plain)
    assert forward[today].close == plain[today].close
    days = sorted(plain)
    for before, day in pairwise(days):
        for bars in (forward, backward):
            assert 0.7 < bars[day].open / bars[before].close < 1.3, day
    events = {each.action.day: each.action for each in stock.adjustments(date(2014, 5, 2), today)}
    splits = {day for day, action in events.items() if action.shares > 1.5}
    assert all(plain[day].open / plain[stock.hours.before(day)].close < 0.7 for day in splits)
    assert events
    assert all(stock.hours.is_trading_day(day) for day in events)
    if code == "US.AAPL":
        assert splits == {date(2014, 6, 9), date(2020, 8, 31)}


def test_actions_of_a_universe() -> None:
    market = Market(0)
    kinds = Counter(bool(actions_of(listing)) for listing in market.universe if listing.is_equity)
    assert kinds[True] > kinds[False]
    assert not any(actions_of(listing) for listing in market.universe if not listing.is_equity)
    for listing in market.universe:
        for action in actions_of(listing):
            assert 0 <= action.dividend < listing.last_close
            assert str(action.day) > listing.listed


def test_history_of_twenty_years() -> None:
    stock = stock_of(Market(0), "US.AAPL")
    bars = list(daily_bars(stock, date(1990, 1, 1), date(2030, 1, 1)))
    assert len(bars) > 250 * 20
    assert bars[0].time < datetime(2004, 2, 1)
    assert bars[-1].time == datetime(2024, 6, 12)
    changes = [abs(after.close / before.close - 1) for before, after in pairwise(bars)]
    assert sorted(changes)[len(changes) // 2] < 0.03
    young = stock_of(Market(0), "HK.01024")  # listed in 2021
    assert next(daily_bars(young, date(2004, 1, 1), date(2024, 6, 1))).time.date() == date(2021, 2, 5)
