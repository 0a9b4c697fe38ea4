"""Trading days of exchanges: which days have trading, which of them are half days, and which are next to each other.

This is the one place for calendars. Their data, ``calendars.json``, is made by ``fixtures/make_calendars.py`` from the
``exchange_calendars`` library; it includes closures that were not planned, such as those of typhoons. Outside the years
that it covers every question raises ``CalendarRangeError``.

Northbound trading is taken to be open on days on which both Hong Kong and China trade, which is its rule since
2023-04-24 (before, days whose money could not be settled were left out too). Crypto and event contracts trade every
day. Half days of Singapore are unknown here.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final

__all__ = ["CALENDAR_OF", "Calendar", "CalendarRangeError", "calendar"]

CALENDAR_OF: Final = {"HK_FUTURE": "HK", "SH": "CN", "SZ": "CN", "CC": "ALL", "EC": "ALL", "FX": "ALL"}
"""Prefix of codes to the name of its calendar, where that is not the prefix itself."""

_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5


class CalendarRangeError(ValueError):
    """A day outside the years that a calendar covers."""

    def __init__(self, name: str, day: date, first: date, last: date) -> None:
        super().__init__(name, day, first, last)
        self.name: Final = name
        self.day: Final = day
        self.first: Final = first
        self.last: Final = last

    def __str__(self) -> str:
        return f"trading days of {self.name} are known from {self.first} to {self.last}, and {self.day} is not in there"


class Calendar:
    """The trading days of one market."""

    def __init__(self, name: str, first: date, last: date, days: Iterable[date], half_days: Iterable[date]) -> None:
        """``first`` and ``last`` are the first and the last day that is known, with trading or without."""
        self.name: Final = name
        self.first: Final = first
        self.last: Final = last
        self.half_days: Final = frozenset(half_days)
        """Trading days on which trading ends early: at noon in Hong Kong, at 13:00 in New York."""
        self._days: Final = sorted(days)
        self._set: Final = frozenset(self._days)

    def _check(self, day: date) -> None:
        if not self.first <= day <= self.last:
            raise CalendarRangeError(self.name, day, self.first, self.last)

    def is_trading_day(self, day: date) -> bool:
        """Return whether a day has trading. Raises ``CalendarRangeError``, as all methods here do."""
        self._check(day)
        return day in self._set

    def is_half_day(self, day: date) -> bool:
        """Return whether a day is one on which trading ends early."""
        self._check(day)
        return day in self.half_days

    def before(self, day: date) -> date:
        """Return the last trading day before a day."""
        at = bisect_left(self._days, day)
        if not at or day > self.last + _DAY:
            raise CalendarRangeError(self.name, day - _DAY, self.first, self.last)
        return self._days[at - 1]

    def after(self, day: date) -> date:
        """Return the first trading day after a day."""
        at = bisect_right(self._days, day)
        if at == len(self._days) or day < self.first - _DAY:
            raise CalendarRangeError(self.name, day + _DAY, self.first, self.last)
        return self._days[at]

    def on_or_after(self, day: date) -> date:
        """Return a day, or the first trading day after it if it has no trading."""
        return self.after(day - _DAY)

    def between(self, begin: date, end: date) -> list[date]:
        """Return the trading days from ``begin`` to ``end``, both included; none where ``end`` is before ``begin``."""
        if begin > end:
            return []
        self._check(begin)
        self._check(end)
        return self._days[bisect_left(self._days, begin) : bisect_right(self._days, end)]

    def known(self, begin: date, end: date) -> list[date]:
        """Return what ``between`` does, for that part of the time that is covered."""
        begin, end = max(begin, self.first), min(end, self.last)
        return self.between(begin, end)


@cache
def _data() -> dict[str, Any]:
    text = files("ftwire_tools.markets").joinpath("calendars.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)["calendars"]
    return found


@cache
def calendar(name: str) -> Calendar:
    """Return a calendar: HK, US, CN, SG, JP, MY; NT and ST for trading north- and southbound; ALL for every day.

    ``name`` may also be another prefix of codes. Raises ``KeyError`` for one without a calendar.
    """
    name = CALENDAR_OF.get(name, name)
    if name in {"NT", "ST"}:
        hk, cn = calendar("HK"), calendar("CN")
        first, last = max(hk.first, cn.first), min(hk.last, cn.last)
        days = [day for day in hk.known(first, last) if cn.is_trading_day(day)]
        return Calendar(name, first, last, days, set(days) & hk.half_days if name == "ST" else ())
    if name == "ALL":
        first, last = calendar("US").first, calendar("US").last
        return Calendar(name, first, last, _all_days(first, last), ())
    data = _data()[name]
    first, last = date.fromisoformat(data["first"]), date.fromisoformat(data["last"])
    closed = _dates(data["closed"])
    days = [day for day in _all_days(first, last) if day.weekday() < _SATURDAY and day not in closed]
    return Calendar(name, first, last, days, _dates(data["half"]))


def _all_days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _dates(years: dict[str, str]) -> set[date]:
    return {date(int(year), int(day[:2]), int(day[2:])) for year, days in years.items() for day in days.split()}
