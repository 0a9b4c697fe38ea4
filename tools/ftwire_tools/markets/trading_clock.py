"""Trading time: the seconds of an exchange's regular sessions in a row, without breaks, nights and holidays."""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, datetime
from typing import Final

from ftwire_tools.markets.clocks import at_second
from ftwire_tools.markets.sessions import Session, hours_of

__all__ = ["TradingClock"]


class TradingClock:
    """The regular trading sessions of the stocks of one exchange from a day on."""

    def __init__(self, prefix: str, first: date) -> None:
        """``prefix`` is that of the exchange; ``first`` is the first day, if it has trading.

        Raises ``CalendarRangeError``.
        """
        self._hours: Final = hours_of(prefix)
        self._next = self._hours.calendar.on_or_after(first)
        self._starts: Final[list[int]] = []  # of the sessions so far, in seconds since 1970
        self._upto: Final[list[int]] = [0]  # seconds of trading before each session, and before the next
        self._days: Final[list[int]] = [0]  # seconds of trading before each day, and before the next

    def _add_day(self) -> None:
        for each in self._hours.trading(self._next):
            if each.session is Session.REGULAR:
                self._starts.append(each.start)
                self._upto.append(self._upto[-1] + each.end - each.start)
        self._days.append(self._upto[-1])
        self._next = self._hours.after(self._next)

    def seconds(self, days: int) -> int:
        """Return how many seconds of trading so many days have. Raises ``CalendarRangeError``."""
        while len(self._days) <= days:
            self._add_day()
        return self._days[days]

    def at(self, second: int) -> datetime:
        """Return the time of a second of trading, counted from 0, with the exchange's time zone.

        Raises ``CalendarRangeError``.
        """
        while self._upto[-1] <= second:
            self._add_day()
        place = bisect_right(self._upto, second) - 1
        return at_second(self._starts[place] + second - self._upto[place], self._hours.zone)
