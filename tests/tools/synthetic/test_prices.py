"""Prices as a function of time: legal, adding up on every level, and the same whatever was asked before."""

from __future__ import annotations

import math
from datetime import date, timedelta
from itertools import pairwise
from random import Random

import pytest

from ftwire_tools.markets.codes import parse_security
from ftwire_tools.markets.sessions import Session
from ftwire_tools.markets.ticks import is_on_tick
from ftwire_tools.synthetic.history import minute_bars
from ftwire_tools.synthetic.options import find_option, greeks, volatility, years_to
from ftwire_tools.synthetic.prices import ANCHOR, UNIT, PriceBar
from ftwire_tools.synthetic.trading_day import ClockError, Market, StockDay, start_time
from ftwire_tools.synthetic.trading_session import ALL_SESSIONS, EXTENDED, REGULAR

SOME = (
    "HK.00700", "HK.08083", "HK.02800", "HK.800000", "HK.HSImain", "HK.13456", "US.AAPL", "US.TSLA", "US..DJI",
    "US.AAPL240628P190000", "SH.600519", "SG.D05", "JP.7203", "MY.1155", "CC.BTCUSD",
)  # fmt: skip


def stock_of(market: Market, code: str) -> StockDay:
    found = market.stock(*parse_security(code))
    assert found is not None
    return found


def session_bar(stock: StockDay, day: date, session: Session) -> PriceBar:
    return stock.days_of.bar(day, session)


@pytest.mark.parametrize("code", SOME)
def test_every_level_adds_up_to_the_one_above(code: str) -> None:
    stock = stock_of(market := Market(5), code)
    day = stock.hours.before(date(2024, 6, 4))
    for session in sorted({each.session for each in stock.hours.trading(day)}):
        bar, found = session_bar(stock, day, session), stock.minutes_of(day, session)
        minutes = [found.minutes.bar(number) for number in range(len(found.ends))]
        assert (minutes[0].open, minutes[-1].close) == (bar.open, bar.close)
        assert (max(each.high for each in minutes), min(each.low for each in minutes)) == (bar.high, bar.low)
        assert sum(each.volume for each in minutes) == bar.volume
        assert sum(each.turnover for each in minutes) == bar.turnover
        assert all(before.close == after.open for before, after in pairwise(minutes))
        for number in (0, 7, len(minutes) - 1):
            minute = minutes[number]
            ticks = market.ticks(parse_security(code), day, session, number).ticks
            prices = [tick.price for tick in ticks]
            assert (prices[0], max(prices), min(prices), prices[-1]) == (
                minute.open, minute.high, minute.low, minute.close,
            )  # fmt: skip
            assert sum(tick.volume for tick in ticks) == minute.volume
            assert [tick.second for tick in ticks] == sorted({tick.second for tick in ticks})
            assert (ticks[0].second, ticks[-1].second < 60) == (0, True)
            assert all(tick.volume % stock.listing.lot == 0 < tick.volume for tick in ticks)
            assert minute.low * (1 - 1e-5) <= minute.turnover / minute.volume <= minute.high * (1 + 1e-5)


@pytest.mark.parametrize("code", SOME)
def test_prices_are_legal(code: str) -> None:
    stock = stock_of(Market(6), code)
    rule = stock.listing.tick_rule or ((math.inf, stock.listing.tick),)
    for day in stock.hours.between(date(2024, 5, 20), ANCHOR):
        for session in {each.session for each in stock.hours.trading(day)}:
            bar, found = session_bar(stock, day, session), stock.minutes_of(day, session).minutes
            for units in {*bar[:4], *found.highs[::20], *found.lows[::20], *found.closes[::20]}:
                assert is_on_tick(rule, units / UNIT), units
                assert bar.low <= units <= bar.high
    asks, bids = stock.book(stock.depth)
    for price, volume, orders in (*asks, *bids):
        assert is_on_tick(rule, price)
        assert volume > 0 < orders
    assert [price for price, *_ in asks] == sorted({price for price, *_ in asks})
    assert [price for price, *_ in bids] == sorted({price for price, *_ in bids}, reverse=True)
    assert not bids or bids[0][0] < stock.latest < asks[0][0]


def test_a_day_is_the_same_whatever_was_asked_before() -> None:
    one, other = Market(3), Market(3)
    days = [date(2024, 6, 3), date(2008, 10, 10), date(2024, 6, 11), date(2019, 2, 1)]
    first = [session_bar(stock_of(one, "US.AAPL"), day, Session.REGULAR) for day in days]
    list(stock_of(other, "US.TSLA").days(30))
    last = [session_bar(stock_of(other, "US.AAPL"), day, Session.REGULAR) for day in reversed(days)]
    assert first == last[::-1]
    later = stock_of(Market(3, start_time("2024-06-20T18:00:00Z")), "US.AAPL")
    assert [session_bar(later, day, Session.REGULAR) for day in days] == first
    assert first[0] != session_bar(stock_of(Market(4), "US.AAPL"), days[0], Session.REGULAR)


@pytest.mark.parametrize("code", ["HK.00700", "US.AAPL", "HK.800000", "SH.600519", "JP.7203"])
def test_listings_last_close_is_that_of_the_day_before_the_market_begins(code: str) -> None:
    stock = stock_of(Market(8), code)
    assert stock.last_close == stock.listing.last_close
    assert stock.days(2)[0].close == stock.listing.last_close


def test_what_a_clock_shows_is_part_of_the_whole_day() -> None:
    market = Market(0, start_time("us-open"))
    stock = stock_of(market, "US.AAPL")
    day = stock.day()
    whole = session_bar(stock, day, Session.REGULAR)
    seen = []
    for _ in range(130):
        now = stock.summary()
        seen.append(now)
        (last,) = stock.last_trades(1)
        assert (last.price, last.second) == (now.price, market.now)
        assert stock.last_minute().close == now.price
        assert sum(minute.volume for minute in stock.minutes) == now.volume
        market.step()
    assert all(before.volume < after.volume for before, after in pairwise(seen))
    assert all(before.turnover < after.turnover for before, after in pairwise(seen))
    trades = stock.last_trades(100)
    assert [trade.sequence for trade in trades] == list(range(trades[0].sequence, trades[0].sequence + 100))
    market.now = start_time("2024-06-12T16:00:00-04:00")
    closed = stock.summary()
    assert [round(price * UNIT) for price in closed[:4]] == list(whole[:4])
    assert closed.volume == whole.volume
    assert closed.turnover * UNIT == pytest.approx(whole.turnover, abs=10)


def test_nothing_trades_when_the_market_is_closed() -> None:
    market = Market(0, start_time("2024-06-15T12:00:00Z"))  # a Saturday
    stocks = [stock_of(market, code) for code in SOME if not code.startswith("CC")]
    before = [(stock.summary(ALL_SESSIONS), stock.book(5), stock.bid) for stock in stocks]
    for _ in range(3700):
        market.step()
    assert [(stock.summary(ALL_SESSIONS), stock.book(5), stock.bid) for stock in stocks] == before
    assert not any(stock.is_open or stock.has_traded() for stock in stocks)


def test_sessions_of_a_us_stock() -> None:
    market = Market(0, start_time("2024-06-12T03:00:00-04:00"))
    stock = stock_of(market, "US.AAPL")
    assert (stock.session, stock.is_open) == (Session.OVERNIGHT, True)
    assert stock.price == stock.last_close + round(stock.price - stock.last_close, 4)
    assert stock.latest == stock.summary(ALL_SESSIONS).price != stock.price
    assert (stock.day(), stock.day(ALL_SESSIONS)) == (date(2024, 6, 11), date(2024, 6, 12))
    assert len(stock.traded_minutes(ALL_SESSIONS)) == 7 * 60 + 1
    assert len(stock.traded_minutes(EXTENDED)) == 960
    assert len(stock.traded_minutes(REGULAR)) == 390
    market.now = start_time("2024-06-12T20:00:00-04:00") - 1
    assert stock.session is Session.AFTER
    assert len(stock.traded_minutes(ALL_SESSIONS)) == 1440
    # What follows is measured by what was before.
    after, night = (
        session_bar(stock, date(2024, 6, 12), Session.AFTER),
        session_bar(stock, date(2024, 6, 13), Session.OVERNIGHT),
    )
    assert after.open == session_bar(stock, date(2024, 6, 12), Session.REGULAR).close
    assert night.open == after.close


def test_options_are_worth_what_their_underlying_makes_them() -> None:
    market = Market(2)
    apple = stock_of(market, "US.AAPL")
    for code in ("AAPL240628C190000", "AAPL240628P190000", "AAPL240719C210000"):
        listing = find_option(market.universe, 11, code, market.today(apple.listing))
        assert listing is not None
        expiry, today = date.fromisoformat(listing.expiry), date(2024, 6, 12)
        sigma = volatility(apple.listing, listing.strike, expiry, today)
        option = stock_of(market, f"US.{code}")
        for _ in range(5):
            market.now += 1800
            worth = greeks(
                apple.price, listing.strike, years_to(expiry, today), sigma, is_call=listing.kind == "call"
            ).price
            assert option.price == pytest.approx(worth, rel=0.15, abs=0.15)


def test_a_day_in_china_moves_by_ten_percent_at_most() -> None:
    for seed in range(3):
        stock = stock_of(Market(seed), "SZ.300750")
        for day in stock.hours.between(date(2022, 1, 4), ANCHOR):
            last, bar = stock.days_of.reference(day), session_bar(stock, day, Session.REGULAR)
            assert 0.899 < bar.low / last <= bar.high / last < 1.101, day


def test_a_future_follows_its_index() -> None:
    market = Market(2)
    index, future = stock_of(market, "HK.800000"), stock_of(market, "HK.HSImain")
    for day in index.hours.between(date(2024, 3, 1), ANCHOR):
        moved = [session_bar(stock, day, Session.REGULAR).close / stock.listing.last_close for stock in (index, future)]
        assert moved[0] == pytest.approx(moved[1], rel=0.002)


def test_the_clock_begins_where_it_is_told_to() -> None:
    assert start_time("us-open") - start_time("hk-open") == 12 * 3600
    assert start_time("2024-07-03T12:55:00-04:00") == start_time("2024-07-03T16:55:00Z")
    for text, reason in {
        "noon": "'noon' is none of us-open, hk-open, nor a time such as",
        "2024-07-03T12:55:00": "add an offset, as in 2024-07-03T12:55:00.08:00",
    }.items():
        with pytest.raises(ClockError, match=reason):
            start_time(text)
    known = "are known from 2004-03-01 to 20"
    for text in ("2031-01-01T00:00:00Z", "2004-01-20T00:00:00Z", "1970-01-01T00:00:00Z"):
        with pytest.raises(ClockError, match=known):
            Market(0, start_time(text))


def test_the_clock_stops_where_no_calendar_goes_on() -> None:
    last = min(each.hours.calendar.last for each in (stock_of(Market(0), code) for code in SOME))
    market = Market(0, start_time(f"{last}T00:00:00Z") - 2)
    for _ in range(5):
        market.step()
    assert market.now == start_time(f"{last}T00:00:00Z")
    assert stock_of(market, "SH.600519").price > 0
    always = Market(0, start_time("2040-01-02T12:00:00Z"), always_open=True)
    assert stock_of(always, "SH.600519").is_open
    assert stock_of(always, "US.AAPL").has_traded()


def test_always_open_markets_trade_on_weekends() -> None:
    market = Market(0, start_time("2024-06-15T12:00:00Z"), always_open=True)
    for code in SOME:
        stock = stock_of(market, code)
        assert (stock.session, stock.day()) == (Session.REGULAR, stock.time().date())
        assert stock.has_traded()
        assert stock.days(3)[-1].time.date() - timedelta(days=1) == stock.days(3)[-2].time.date()


@pytest.mark.parametrize("seconds", [0, 1, 59, 60, 7200])
@pytest.mark.parametrize("code", ["HK.00700", "SH.600519"])
def test_the_opening_auction_has_the_first_trade(code: str, seconds: int) -> None:
    market = Market(0, start_time("2024-06-12T09:30:00+08:00"))
    market.now += seconds
    stock = stock_of(market, code)
    auction, first, *_ = rows = stock.time_shares()
    opened = stock.last_trades(1000)[0] if seconds < 60 else None
    assert opened is None or (auction.close, auction.volume) == (opened.price, opened.volume)
    assert auction.volume > 0
    assert auction.volume + first.volume == stock.traded_minutes()[0].volume
    assert sum(row.volume for row in rows) == stock.volume
    assert sum(row.turnover for row in rows) == pytest.approx(stock.turnover)
    assert rows[-1] == stock.last_share()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(12))
def test_any_instrument_at_any_time(seed: int) -> None:
    drawn = Random(seed)  # noqa: S311 - reproducible, not secret
    begin, end = start_time("2004-06-01T00:00:00Z"), start_time("2026-12-20T00:00:00Z")
    market = Market(seed, drawn.randrange(begin, end), always_open=seed % 4 == 0)
    for listing in drawn.sample(market.universe.listings, 10):
        stock = market.stock(listing.market, listing.code)
        assert stock is not None
        for sessions in (REGULAR, EXTENDED, ALL_SESSIONS):
            shown = stock.summary(sessions)
            assert shown.low <= shown.price <= shown.high
            assert shown.second <= market.now
            rows = stock.time_shares(sessions)
            assert all(before.end < after.end for before, after in pairwise(rows))
            trades = stock.last_trades(50, sessions)
            assert all(before.sequence < after.sequence for before, after in pairwise(trades))
            assert all(before.second < after.second for before, after in pairwise(trades))
        now = stock.time()
        bars = list(minute_bars(stock, 1, now - timedelta(days=2), now, ALL_SESSIONS))
        assert all(before.close == after.last_close for before, after in pairwise(bars))
        assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
