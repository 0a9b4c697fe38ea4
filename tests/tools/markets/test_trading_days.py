"""Trading days: dates that everybody knows, and the limits of what is known."""

from __future__ import annotations

import json
from datetime import date, timedelta
from importlib.resources import files

import pytest

from ftwire_tools.markets.trading_days import CALENDAR_OF, CalendarRangeError, calendar

CLOSED = [
    ("US", "2024-06-19"),  # Juneteenth
    ("US", "2024-07-04"),
    ("US", "2024-11-28"),  # Thanksgiving
    ("US", "2012-10-29"),  # hurricane Sandy
    ("US", "2004-06-11"),  # mourning for Ronald Reagan
    ("US", "2022-06-20"),
    ("HK", "2024-02-12"),  # Lunar New Year
    ("HK", "2024-06-10"),  # Dragon Boat
    ("HK", "2024-07-01"),
    ("HK", "2024-12-26"),
    ("HK", "2023-09-01"),  # typhoon Saola
    ("CN", "2024-10-01"),
    ("CN", "2024-10-07"),  # the Golden Week's last day
    ("CN", "2024-05-03"),
    ("CN", "2024-02-16"),  # Spring Festival
    ("JP", "2024-01-03"),
    ("JP", "2024-12-31"),
    ("SG", "2024-08-09"),
    ("MY", "2024-09-16"),  # Malaysia Day
    ("NT", "2024-07-01"),  # closed in Hong Kong
    ("NT", "2024-10-02"),  # closed in China
    ("ST", "2024-12-25"),
]
OPEN = [
    ("US", "2024-07-03"),
    ("US", "2021-06-18"),  # Juneteenth was no holiday of the exchange yet
    ("HK", "2024-02-09"),
    ("CN", "2024-09-30"),
    ("CN", "2024-07-01"),
    ("CN", "2024-12-25"),
    ("JP", "2024-12-30"),
    ("NT", "2024-06-12"),
    ("ALL", "2024-06-15"),  # a Saturday
]


@pytest.mark.parametrize(("name", "day"), CLOSED)
def test_holidays_have_no_trading(name: str, day: str) -> None:
    assert not calendar(name).is_trading_day(date.fromisoformat(day))


@pytest.mark.parametrize(("name", "day"), OPEN)
def test_other_days_have(name: str, day: str) -> None:
    assert calendar(name).is_trading_day(date.fromisoformat(day))


def test_half_days_are_known() -> None:
    half = {
        "US": ("2024-07-03", "2024-11-29", "2024-12-24"),
        "HK": ("2024-02-09", "2024-12-24", "2024-12-31"),
        "SG": ("2024-02-09", "2024-12-24", "2024-12-31"),
        "ST": ("2024-12-24",),
    }
    for name, days in half.items():
        found = calendar(name)
        assert [str(day) for day in sorted(found.half_days) if str(day) in days] == list(days)
        assert found.half_days <= set(found.between(found.first, found.last))
    assert not calendar("HK").is_half_day(date(2024, 12, 23))
    assert not calendar("CN").half_days
    assert not calendar("NT").half_days


def test_days_next_to_each_other() -> None:
    us = calendar("US")
    assert us.before(date(2024, 6, 20)) == us.before(date(2024, 6, 19)) == date(2024, 6, 18)
    assert us.after(date(2024, 7, 3)) == date(2024, 7, 5)
    assert us.on_or_after(date(2024, 7, 4)) == date(2024, 7, 5)
    assert us.on_or_after(date(2024, 7, 5)) == date(2024, 7, 5)
    assert calendar("SH") is calendar("SH")
    golden = calendar("CN").between(date(2024, 9, 28), date(2024, 10, 8))
    assert golden == [date(2024, 9, 30), date(2024, 10, 8)]
    assert us.between(date(2024, 7, 5), date(2024, 7, 4)) == []


def test_twenty_years_and_the_present_are_covered() -> None:
    for name in ("HK", "US", "CN", "SG", "JP", "MY", "NT", "ST", *CALENDAR_OF):
        found = calendar(name)
        assert found.first == date(2004, 1, 1)
        assert found.last >= date(2026, 12, 31)
        years = (found.last - found.first).days / 365.25
        assert len(found.between(found.first, found.last)) / years > 225


def test_outside_its_years_a_calendar_says_so() -> None:
    us = calendar("US")
    beyond = us.last + timedelta(days=1)
    for ask in (us.is_trading_day, us.is_half_day, us.after, lambda day: us.between(day, day)):
        with pytest.raises(CalendarRangeError, match=f"trading days of US are known from 2004-01-01 to {us.last}, and"):
            ask(beyond)
    with pytest.raises(CalendarRangeError, match="2003-12-31 is not in there"):
        us.before(date(2004, 1, 1))
    assert us.known(date(1990, 1, 1), date(2004, 1, 5)) == [date(2004, 1, 2), date(2004, 1, 5)]
    with pytest.raises(KeyError):
        calendar("XX")


def test_the_data_names_its_source() -> None:
    data = json.loads(files("ftwire_tools.markets").joinpath("calendars.json").read_text(encoding="utf-8"))
    assert data["source"].startswith("exchange_calendars ")
