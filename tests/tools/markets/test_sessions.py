"""Trading sessions and QotMarketState at the moments that the vendor's table names."""

from __future__ import annotations

from datetime import date, datetime
from itertools import pairwise

import pytest

from ftwire.messages import Qot_Common
from ftwire_tools.markets.sessions import Hours, MarketState, Session, hours_of

STOCK, INDEX, OPTION, FUTURE = 3, 6, 8, 10


def at(hours: Hours, text: str) -> int:
    """Of a time on the exchange's clock."""
    return int(datetime.fromisoformat(text).replace(tzinfo=hours.zone).timestamp())


CASES = {
    ("HK", STOCK, ""): """
        2024-06-12 08:54 CLOSED
        2024-06-12 08:55 NONE
        2024-06-12 09:00 AUCTION
        2024-06-12 09:20 WAITING_OPEN
        2024-06-12 09:30 MORNING
        2024-06-12 12:00 REST
        2024-06-12 13:00 AFTERNOON
        2024-06-12 16:00 HK_CLOSING_AUCTION
        2024-06-12 16:07 HK_CLOSING_AUCTION
        2024-06-12 16:08 CLOSED
        2024-06-10 10:00 CLOSED
        2024-12-24 11:59 MORNING
        2024-12-24 12:00 HK_CLOSING_AUCTION
        2024-12-24 13:00 CLOSED""",
    ("HK", OPTION, ""): """
        2024-06-12 09:29 NONE
        2024-06-12 09:30 MORNING
        2024-06-12 12:30 REST
        2024-06-12 16:00 CLOSED""",
    ("HK", FUTURE, "HSImain"): """
        2024-06-12 02:59 NIGHT_OPEN
        2024-06-12 03:00 NIGHT_END
        2024-06-12 09:14 FUTURE_DAY_WAIT
        2024-06-12 09:15 FUTURE_DAY_OPEN
        2024-06-12 12:00 FUTURE_DAY_BREAK
        2024-06-12 16:30 FUTURE_DAY_CLOSE
        2024-06-12 17:15 NIGHT_OPEN
        2024-06-15 02:30 NIGHT_OPEN
        2024-06-16 22:00 NIGHT_END
        2024-12-24 18:00 NIGHT_END""",
    ("US", STOCK, ""): """
        2024-06-12 03:59 OVERNIGHT
        2024-06-12 04:00 PRE_MARKET
        2024-06-12 09:30 AFTERNOON
        2024-06-12 16:00 AFTER_HOURS
        2024-06-12 20:00 OVERNIGHT
        2024-06-14 20:00 AFTER_HOURS_END
        2024-06-16 19:59 AFTER_HOURS_END
        2024-06-16 20:00 OVERNIGHT
        2024-06-18 20:00 AFTER_HOURS_END
        2024-06-19 12:00 AFTER_HOURS_END
        2024-07-03 12:59 AFTERNOON
        2024-07-03 13:00 AFTER_HOURS
        2024-07-03 17:00 AFTER_HOURS_END
        2024-03-08 09:30 AFTERNOON
        2024-03-11 09:30 AFTERNOON
        2024-11-04 09:29 PRE_MARKET""",
    ("US", OPTION, ""): """
        2024-06-12 09:29 NONE
        2024-06-12 15:59 AFTERNOON
        2024-06-12 16:00 CLOSED""",
    ("US", FUTURE, "ESmain"): """
        2024-06-16 16:59 FUTURE_CLOSE
        2024-06-16 17:00 FUTURE_OPEN
        2024-06-12 16:30 FUTURE_BREAK
        2024-06-12 17:00 FUTURE_OPEN
        2024-06-15 10:00 FUTURE_CLOSE""",
    ("SH", STOCK, ""): """
        2024-06-12 09:10 NONE
        2024-06-12 09:15 AUCTION
        2024-06-12 09:25 WAITING_OPEN
        2024-06-12 11:30 REST
        2024-06-12 14:59 AFTERNOON
        2024-06-12 15:00 CLOSED
        2024-10-01 10:00 CLOSED""",
    ("JP", FUTURE, "NK225main"): """
        2024-06-11 16:25 FUTURE_DAY_WAIT
        2024-06-11 16:30 NIGHT_OPEN
        2024-06-12 05:30 NIGHT_END
        2024-06-12 08:45 FUTURE_DAY_OPEN
        2024-06-12 15:15 FUTURE_DAY_CLOSE""",
    ("JP", STOCK, ""): """
        2024-06-12 14:59 AFTERNOON
        2024-06-12 15:00 CLOSED
        2024-11-05 15:29 AFTERNOON
        2024-11-05 15:30 CLOSED""",
    ("SG", STOCK, ""): """
        2024-06-12 12:00 REST
        2024-06-12 13:00 AFTERNOON
        2024-12-24 11:59 MORNING
        2024-12-24 12:00 CLOSE_AUCTION
        2024-12-24 12:16 CLOSED""",
    ("MY", STOCK, ""): """
        2024-06-12 12:30 REST
        2024-06-12 14:30 AFTERNOON""",
    ("CC", STOCK, ""): """
        2024-06-15 03:00 MORNING
        2024-06-16 19:00 MORNING""",
}


@pytest.mark.parametrize(("market", "lines"), CASES.items(), ids=lambda value: "-".join(map(str, value))[:12])
def test_the_state_of_each_market_at_each_moment(market: tuple[str, int, str], lines: str) -> None:
    hours = hours_of(*market)
    for line in lines.split("\n")[1:]:
        text, state = line.strip()[:16], line.split()[-1]
        assert hours.state(at(hours, text)).name == state, text


def test_states_are_the_protocols() -> None:
    names = {
        "NONE": "None", "AUCTION": "Auction", "WAITING_OPEN": "WaitingOpen", "MORNING": "Morning", "REST": "Rest",
        "AFTERNOON": "Afternoon", "CLOSED": "Closed", "PRE_MARKET": "PreMarketBegin", "AFTER_HOURS": "AfterHoursBegin",
        "AFTER_HOURS_END": "AfterHoursEnd", "NIGHT_OPEN": "NightOpen", "NIGHT_END": "NightEnd",
        "FUTURE_DAY_OPEN": "FutureDayOpen", "FUTURE_DAY_BREAK": "FutureDayBreak",
        "FUTURE_DAY_CLOSE": "FutureDayClose", "FUTURE_DAY_WAIT": "FutureDayWaitForOpen",
        "HK_CLOSING_AUCTION": "HkCas", "FUTURE_OPEN": "FutureOpen", "FUTURE_BREAK": "FutureBreak",
        "FUTURE_CLOSE": "FutureClose", "CLOSE_AUCTION": "CLOSE_AUCTION", "TRADE_AT_LAST": "TRADE_AT_LAST",
        "TRADE_AUCTION": "TRADE_AUCTION", "OVERNIGHT": "OVERNIGHT",
    }  # fmt: skip
    for state in MarketState:
        assert int(Qot_Common.QotMarketState.Value(f"QotMarketState_{names[state.name]}")) == state.value


def test_what_belongs_to_a_trading_day() -> None:
    us, future = hours_of("US", STOCK), hours_of("HK", FUTURE, "HSImain")
    assert [each.session for each in us.trading(date(2024, 6, 17))] == [
        Session.OVERNIGHT, Session.PRE, Session.REGULAR, Session.AFTER,
    ]  # fmt: skip
    assert us.local(us.trading(date(2024, 6, 17))[0].start) == datetime(2024, 6, 16, 20)
    assert us.day_at(at(us, "2024-06-16 20:00")) == date(2024, 6, 17)
    assert us.day_at(at(us, "2024-06-16 20:00"), frozenset({Session.REGULAR})) == date(2024, 6, 14)
    # The night after a Friday belongs to the Monday, that before a holiday to the day after it.
    assert future.day_at(at(future, "2024-06-14 23:00")) == date(2024, 6, 17)
    assert future.day_at(at(future, "2024-06-07 23:00")) == date(2024, 6, 11)
    assert us.open_at(at(us, "2024-07-03 12:59")) is not None
    assert us.open_at(at(us, "2024-07-03 18:00")) is None
    assert not any(each.session for each in hours_of("US", INDEX).trading(date(2024, 6, 17)))


@pytest.mark.parametrize(
    ("prefix", "sec_type", "code", "minutes"),
    [
        ("HK", STOCK, "", 330),
        ("US", STOCK, "", 390),
        ("SH", STOCK, "", 240),
        ("HK", FUTURE, "HSImain", 960),
        ("US", FUTURE, "ESmain", 1380),
        ("CC", STOCK, "", 1440),
    ],
)
def test_minutes_of_a_day(prefix: str, sec_type: int, code: str, minutes: int) -> None:
    hours = hours_of(prefix, sec_type, code)
    day = date(2024, 6, 12)
    assert hours.minutes(day, Session.REGULAR) == minutes
    for day in hours.between(date(2024, 2, 1), date(2024, 12, 31)):
        trading = hours.trading(day)
        assert all(before.end <= after.start for before, after in pairwise(trading))
        for session in Session:
            seconds = sum(each.end - each.start for each in trading if each.session is session)
            assert hours.minutes(day, session) * 60 == seconds


def test_days_of_a_year_do_not_overlap() -> None:
    for prefix, sec_type, code in (("US", STOCK, ""), ("HK", FUTURE, "HSImain"), ("JP", FUTURE, "NK225main")):
        hours = hours_of(prefix, sec_type, code)
        spans = [hours.trading(day) for day in hours.between(date(2024, 1, 1), date(2024, 12, 31))]
        assert all(before[-1].end <= after[0].start for before, after in pairwise(spans))


def test_markets_that_are_always_open() -> None:
    hours = hours_of("HK", STOCK, "", date(2024, 6, 15))
    assert hours.state(at(hours, "2024-06-16 03:00")) is MarketState.MORNING
    assert hours.state(at(hours, "2024-06-10 10:00")) is MarketState.CLOSED
    assert hours.between(date(2024, 6, 13), date(2024, 6, 16)) == [date(2024, 6, day) for day in (13, 14, 15, 16)]
    assert (hours.before(date(2024, 6, 15)), hours.after(date(2024, 6, 14))) == (date(2024, 6, 14), date(2024, 6, 15))
    far = hours_of("US", STOCK, "", date(2040, 1, 2))
    assert far.state(at(far, "2040-01-02 12:00")) is MarketState.AFTERNOON
    assert far.before(date(2040, 1, 2)) < date(2030, 1, 1)
