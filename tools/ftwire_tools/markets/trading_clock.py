"""Trading time: seconds of sessions in a row, nights and weekends left out."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from ftwire_tools.synthetic.template import double

__all__ = ["CLOCKS", "Moment", "TradingClock"]

CLOCKS: Final = {
    # Prefix of codes: zone, sessions in minutes of the day.
    "HK": ("Asia/Hong_Kong", ((570, 720), (780, 960))),
    "US": ("America/New_York", ((570, 960),)),
}


class Moment(NamedTuple):
    """A whole second of trading."""

    unix: int
    """Seconds since 1970, UTC."""
    text: str
    """``yyyy-MM-dd HH:mm:ss`` on the exchange's clock."""
    minute: int
    """Of the exchange's day."""
    encoded: bytes
    """``text`` as it goes into a template."""
    stamp: bytes
    """``unix`` as it goes into a template, a ``double``."""
    bar: bytes
    """The minute's beginning, as ``encoded``."""


class TradingClock:
    """The sessions of one market from a day on."""

    def __init__(self, market: str, first: date) -> None:
        """``market`` is one of ``CLOCKS``."""
        zone, self._sessions = CLOCKS[market]
        self._zone: Final = ZoneInfo(zone)
        self._first: Final = first
        self.seconds_a_day: Final = sum(end - start for start, end in self._sessions) * 60
        self.at: Final = lru_cache(maxsize=1 << 15)(self._at)
        """Moment of a second of trading, counted from the first."""

    def _at(self, second: int) -> Moment:
        days, left = divmod(second, self.seconds_a_day)
        day = self._trading_day(days)
        for start, end in self._sessions:
            length = (end - start) * 60
            if left < length:
                left += start * 60
                break
            left -= length
        hours, rest = divmod(left, 3600)
        local = datetime(day.year, day.month, day.day, hours, rest // 60, rest % 60, tzinfo=self._zone)
        unix, text = int(local.timestamp()), f"{local:%Y-%m-%d %H:%M:%S}"
        return Moment(unix, text, left // 60, text.encode(), double(unix), text[:-2].encode() + b"00")

    def _trading_day(self, days: int) -> date:
        first = self._first + timedelta(days=max(0, 7 - self._first.weekday()) if self._first.weekday() > 4 else 0)
        # Five trading days make a week.
        weeks, rest = divmod(first.weekday() + days, 5)
        return first - timedelta(days=first.weekday()) + timedelta(weeks=weeks, days=rest)
