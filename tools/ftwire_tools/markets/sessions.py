"""Trading sessions: when a market trades, and the ``QotMarketState`` that it shows at each moment.

Timetables, on the days of a calendar, on the clock of an exchange.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from ftwire_tools.markets.clocks import at_second, clock_of, zone
from ftwire_tools.markets.timetables import MarketState, Session, Timetable, Window, timetable_of
from ftwire_tools.markets.trading_days import Calendar, CalendarRangeError, calendar

__all__ = ["EVERY_DAY_ZONE", "Hours", "MarketState", "Session", "Timetable", "Trading", "Window", "hours_of"]

EVERY_DAY_ZONE: Final = "America/New_York"
"""Clock of markets without a place, whose days the vendor counts there."""
_MINUTE: Final = 60
_REGULAR: Final = Session.REGULAR
_FUTURE: Final = 10
"""``Qot_Common.SecurityType`` of a future."""


class Trading(NamedTuple):
    """A time in which something trades, without a break."""

    session: Session
    start: int
    """Seconds since 1970."""
    end: int


class Hours:
    """When one kind of instrument trades: its timetable on the days of its calendar."""

    def __init__(self, days: Calendar, timetable: Timetable, clock: ZoneInfo, open_from: date | None = None) -> None:
        """From the day ``open_from`` on, its regular session lasts from midnight to midnight, on every day."""
        self.calendar: Final = days
        self.timetable: Final = timetable
        self.zone: Final = clock
        self.open_from: Final = open_from
        regular = [window for window in timetable.windows if window.session is _REGULAR]
        self._regular: Final = min(regular, key=lambda window: window.is_night_before).state
        self._trading: Final = lru_cache(maxsize=64)(self._find_trading)
        # All windows begin and end at whole minutes.
        self._day_at: Final = lru_cache(maxsize=64)(self._find_day_at)
        self._state: Final = lru_cache(maxsize=64)(self._find_state)

    def local(self, second: float) -> datetime:
        """Return what the exchange's clock shows at a second since 1970, without its time zone."""
        return at_second(second, self.zone).replace(tzinfo=None)

    def second(self, day: date, minute: int) -> int:
        """Return the second since 1970 at which the clock shows a minute of a day."""
        local = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)
        return int(local.replace(tzinfo=self.zone).timestamp())

    # Days

    def is_trading_day(self, day: date) -> bool:
        """Return whether a day has trading. Raises ``CalendarRangeError``, as all methods here do."""
        return self._is_always_open(day) or self.calendar.is_trading_day(day)

    def is_half_day(self, day: date) -> bool:
        """Return whether trading ends early on a day."""
        return not self._is_always_open(day) and self.calendar.is_half_day(day)

    def before(self, day: date) -> date:
        """Return the last trading day before a day."""
        yesterday = day - timedelta(days=1)
        if self.open_from is None:
            return self.calendar.before(day)
        if self._is_always_open(yesterday):
            return yesterday
        return self.calendar.before(min(day, self.calendar.last + timedelta(days=1)))

    def after(self, day: date) -> date:
        """Return the first trading day after a day."""
        tomorrow = day + timedelta(days=1)
        if self._is_always_open(tomorrow):
            return tomorrow
        if self.open_from is None:
            return self.calendar.after(day)
        if day >= self.calendar.last:
            return self.open_from
        return min(self.calendar.after(day), self.open_from)

    def between(self, begin: date, end: date) -> list[date]:
        """Return the trading days from ``begin`` to ``end``, both included, as far as they are known."""
        if self.open_from is None or end < self.open_from:
            return self.calendar.known(begin, end)
        first = max(begin, self.open_from)
        always = [first + timedelta(days=number) for number in range((end - first).days + 1)]
        return self.calendar.known(begin, self.open_from - timedelta(days=1)) + always

    def _is_always_open(self, day: date) -> bool:
        return self.open_from is not None and day >= self.open_from

    # Times of a day

    def _windows(self, day: date) -> tuple[Window, ...]:
        if self._is_always_open(day):
            return (Window(self._regular, 0, 1440, _REGULAR),)
        timetable = self.timetable
        if timetable.half and self.calendar.is_half_day(day):
            return timetable.half
        if timetable.earlier is not None and day < timetable.earlier[0]:
            return timetable.earlier[1]
        return timetable.windows

    def _placed(self, day: date) -> list[tuple[Window, int, int]]:
        """Return the windows of a trading day with the seconds since 1970 at which they begin and end."""
        found = []
        for window in self._windows(day):
            base = day
            if window.is_night_before:
                base = self.before(day)
                if self.is_half_day(base):
                    continue  # no night follows a half day
            found.append((window, self.second(base, window.start), self.second(base, window.end)))
        return found

    def trading(self, day: date) -> tuple[Trading, ...]:
        """Return the times of a trading day in which something trades, in their order."""
        return self._trading(day)

    def _find_trading(self, day: date) -> tuple[Trading, ...]:
        return tuple(
            Trading(window.session, start, end)
            for window, start, end in self._placed(day)
            if window.session is not None
        )

    def minutes(self, day: date, session: Session) -> int:
        """Return how many minutes a trading day has in a session."""
        if self._is_always_open(day) or self.calendar.name == "ALL":
            # Clocks may be changed on such a day.
            return sum((each.end - each.start) // _MINUTE for each in self.trading(day) if each.session is session)
        return sum(
            window.end - window.start
            for window in self._windows(day)
            if window.session is session and not (window.is_night_before and self.is_half_day(self.before(day)))
        )

    # Moments

    def day_at(self, second: int, sessions: frozenset[Session] | None = None) -> date:
        """Return the trading day that is present at a second: the last one that has begun to trade.

        With ``sessions`` that is trading in one of these.
        """
        return self._day_at(second // _MINUTE, sessions)

    def _find_day_at(self, minute: int, sessions: frozenset[Session] | None) -> date:
        second = minute * _MINUTE
        day = self._near(second)
        while True:
            begins = [each.start for each in self.trading(day) if sessions is None or each.session in sessions]
            if begins and min(begins) <= second:
                return day
            day = self.before(day)

    def _near(self, second: int) -> date:
        """Return a trading day that begins to trade after a second, or the last that may have begun before."""
        local = self.local(second).date()
        try:
            return self.after(local)
        except CalendarRangeError:
            return self.before(local + timedelta(days=1))

    def open_at(self, second: int) -> Trading | None:
        """Return the time of trading that a second is in; ``None`` where nothing trades."""
        for each in self.trading(self.day_at(second)):
            if each.start <= second < each.end:
                return each
        return None

    def state(self, second: int) -> MarketState:
        """Return the ``QotMarketState`` at a second."""
        return self._state(second // _MINUTE)

    def _find_state(self, minute: int) -> MarketState:
        second = minute * _MINUTE
        day = self._near(second)
        # A night may begin on the trading day before, with days without trading between.
        for candidate in (day, *self._two_before(day)):
            for window, start, end in self._placed(candidate):
                if start <= second < end:
                    return window.state
        self.calendar.is_trading_day(self.local(second).date())
        return self.timetable.outside

    def _two_before(self, day: date) -> list[date]:
        try:
            one = self.before(day)
            return [one, self.before(one)]
        except CalendarRangeError:
            return []


@cache
def hours_of(prefix: str, sec_type: int = 0, code: str = "", open_from: date | None = None) -> Hours:
    """Return when an instrument trades: its prefix, ``Qot_Common.SecurityType`` and code decide.

    Raises ``KeyError`` for a market without timetable.
    """
    clock = zone(clock_of(prefix, code if sec_type == _FUTURE else "")) or ZoneInfo(EVERY_DAY_ZONE)
    return Hours(calendar(prefix), timetable_of(prefix, sec_type), clock, open_from)
