"""Trading days of exchanges: which days have trading, and which are next to each other.

This is the one place for calendars. It knows weekends, which are the same for all exchanges here; holidays and half
days belong here and are not known.
"""

from __future__ import annotations

from datetime import date, timedelta

__all__ = ["day_before", "is_trading_day", "weekday_from"]

_SATURDAY = 5


def is_trading_day(day: date) -> bool:
    """Return whether a day is none of a weekend."""
    return day.weekday() < _SATURDAY


def weekday_from(day: date) -> date:
    """Return a day, or the Monday after it if it is on a weekend."""
    return day if is_trading_day(day) else day + timedelta(days=7 - day.weekday())


def day_before(day: date) -> date:
    """Return the last trading day before a day."""
    day -= timedelta(days=1)
    while not is_trading_day(day):
        day -= timedelta(days=1)
    return day
