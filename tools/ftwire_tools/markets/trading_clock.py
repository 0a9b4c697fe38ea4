"""Trading time: the seconds of an exchange's trading sessions in a row, without breaks, nights and weekends."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from ftwire_tools.markets.exchanges import exchange_of
from ftwire_tools.markets.trading_days import weekday_from

__all__ = ["TradingClock"]


class TradingClock:
    """The trading sessions of one exchange from a day on."""

    def __init__(self, prefix: str, first: date) -> None:
        """``prefix`` is that of an exchange with ``sessions``; ``first`` is the first day, if it is a weekday."""
        exchange = exchange_of(prefix)
        self._sessions: Final = exchange.sessions
        self._zone: Final = ZoneInfo(exchange.zone)
        self._first: Final = weekday_from(first)
        self.seconds_a_day: Final = sum(end - start for start, end in self._sessions) * 60

    def at(self, second: int) -> datetime:
        """Return the time of a second of trading, counted from 0, with the exchange's time zone."""
        days, left = divmod(second, self.seconds_a_day)
        # Five trading days make a week.
        weeks, rest = divmod(self._first.weekday() + days, 5)
        day = self._first + timedelta(weeks=weeks, days=rest - self._first.weekday())
        for start, end in self._sessions:
            length = (end - start) * 60
            if left < length:
                left += start * 60
                break
            left -= length
        hours, rest = divmod(left, 3600)
        return datetime(day.year, day.month, day.day, hours, rest // 60, rest % 60, tzinfo=self._zone)
