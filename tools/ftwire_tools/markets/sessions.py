"""Trading sessions: when a market trades, and the ``QotMarketState`` that it shows at each moment.

A timetable is a list of windows, in minutes of the exchange's clock on a trading day; before its midnight they are
negative. The hours are those of the vendor's questions and answers on quotes ("the state of each market by time").
What is not there is marked as a guess: SG and MY (their exchanges' hours), and all futures but those of JP.
``docs/market.md`` has the same table for users.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import IntEnum
from functools import cache, lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from ftwire_tools.markets.clocks import at_second, clock_of, zone
from ftwire_tools.markets.trading_days import Calendar, CalendarRangeError, calendar

__all__ = ["EVERY_DAY_ZONE", "Hours", "MarketState", "Session", "Timetable", "Trading", "Window", "hours_of"]

EVERY_DAY_ZONE: Final = "America/New_York"
"""Clock of markets without a place, whose days the vendor counts there."""
_MINUTE: Final = 60


class MarketState(IntEnum):
    """``Qot_Common.QotMarketState``, as far as it is used."""

    NONE = 0
    AUCTION = 1
    WAITING_OPEN = 2
    MORNING = 3
    REST = 4
    AFTERNOON = 5
    CLOSED = 6
    PRE_MARKET = 8
    AFTER_HOURS = 10
    AFTER_HOURS_END = 11
    NIGHT_OPEN = 13
    NIGHT_END = 14
    FUTURE_DAY_OPEN = 15
    FUTURE_DAY_BREAK = 16
    FUTURE_DAY_CLOSE = 17
    FUTURE_DAY_WAIT = 18
    HK_CLOSING_AUCTION = 19
    FUTURE_OPEN = 23
    FUTURE_BREAK = 24
    FUTURE_CLOSE = 26
    CLOSE_AUCTION = 30
    TRADE_AT_LAST = 35
    TRADE_AUCTION = 36
    OVERNIGHT = 37


class Session(IntEnum):
    """The part of a trading day that a trade belongs to."""

    REGULAR = 0
    PRE = 1
    AFTER = 2
    OVERNIGHT = 3


class Window(NamedTuple):
    """A part of the day with one state."""

    state: MarketState
    start: int
    """Minutes after midnight of the trading day; negative on the evening before."""
    end: int
    session: Session | None = None
    """The trading session that it is part of, ``None`` where nothing trades."""
    is_night_before: bool = False
    """Whether it belongs to the night after the trading day before, whose midnight it is counted from."""


class Timetable(NamedTuple):
    """The windows of a market's trading day."""

    windows: tuple[Window, ...]
    half: tuple[Window, ...] = ()
    """Those of a half day; empty where there are none."""
    outside: MarketState = MarketState.CLOSED
    """State outside all windows."""
    opens_with_auction: bool = True
    """Whether the first minute of ``Qot_GetRT`` is that of the opening auction."""
    earlier: tuple[date, tuple[Window, ...]] | None = None
    """Windows that counted before a day."""


class Trading(NamedTuple):
    """A time in which something trades, without a break."""

    session: Session
    start: int
    """Seconds since 1970."""
    end: int


_S = MarketState
_REGULAR: Final = Session.REGULAR
_HK_OPENING: Final = (
    Window(_S.NONE, 535, 540),
    Window(_S.AUCTION, 540, 560),
    Window(_S.WAITING_OPEN, 560, 570),
    Window(_S.MORNING, 570, 720, _REGULAR),
)
_HK: Final = Timetable(
    (
        *_HK_OPENING,
        Window(_S.REST, 720, 780),
        Window(_S.AFTERNOON, 780, 960, _REGULAR),
        Window(_S.HK_CLOSING_AUCTION, 960, 968),
    ),
    half=(*_HK_OPENING, Window(_S.HK_CLOSING_AUCTION, 720, 728)),
)
_HK_DERIVATIVE: Final = Timetable(
    (
        Window(_S.NONE, 535, 570),
        Window(_S.MORNING, 570, 720, _REGULAR),
        Window(_S.REST, 720, 780),
        Window(_S.AFTERNOON, 780, 960, _REGULAR),
    ),
    half=(Window(_S.NONE, 535, 570), Window(_S.MORNING, 570, 720, _REGULAR)),
    opens_with_auction=False,
)
_HK_NIGHT: Final = Window(_S.NIGHT_OPEN, 1035, 1620, _REGULAR, is_night_before=True)
_HK_FUTURE: Final = Timetable(
    (
        _HK_NIGHT,
        Window(_S.FUTURE_DAY_WAIT, 525, 555),
        Window(_S.FUTURE_DAY_OPEN, 555, 720, _REGULAR),
        Window(_S.FUTURE_DAY_BREAK, 720, 780),
        Window(_S.FUTURE_DAY_OPEN, 780, 990, _REGULAR),
        Window(_S.FUTURE_DAY_CLOSE, 990, 1035),
    ),
    half=(
        _HK_NIGHT,
        Window(_S.FUTURE_DAY_WAIT, 525, 555),
        Window(_S.FUTURE_DAY_OPEN, 555, 720, _REGULAR),
        Window(_S.FUTURE_DAY_CLOSE, 720, 780),
    ),
    outside=_S.NIGHT_END,
    opens_with_auction=False,
)
_US_BEFORE: Final = (
    Window(_S.OVERNIGHT, -240, 240, Session.OVERNIGHT),
    Window(_S.PRE_MARKET, 240, 570, Session.PRE),
)
_US: Final = Timetable(
    (
        *_US_BEFORE,
        Window(_S.AFTERNOON, 570, 960, _REGULAR),
        Window(_S.AFTER_HOURS, 960, 1200, Session.AFTER),
    ),
    half=(
        *_US_BEFORE,
        Window(_S.AFTERNOON, 570, 780, _REGULAR),
        Window(_S.AFTER_HOURS, 780, 1020, Session.AFTER),
    ),
    outside=_S.AFTER_HOURS_END,
    opens_with_auction=False,
)


def _without_extended(timetable: Timetable) -> Timetable:
    """Return a timetable with the same states, but trading in regular hours only: that of an index."""

    def changed(windows: tuple[Window, ...]) -> tuple[Window, ...]:
        return tuple(window if not window.session else window._replace(session=None) for window in windows)

    return timetable._replace(windows=changed(timetable.windows), half=changed(timetable.half))


_US_OPTION: Final = Timetable(
    (Window(_S.NONE, 535, 570), Window(_S.AFTERNOON, 570, 960, _REGULAR)),
    half=(Window(_S.NONE, 535, 570), Window(_S.AFTERNOON, 570, 780, _REGULAR)),
    opens_with_auction=False,
)
_US_FUTURE: Final = Timetable(
    (Window(_S.FUTURE_OPEN, -420, 960, _REGULAR), Window(_S.FUTURE_BREAK, 960, 1020)),
    half=(Window(_S.FUTURE_OPEN, -420, 735, _REGULAR), Window(_S.FUTURE_BREAK, 735, 1020)),
    outside=_S.FUTURE_CLOSE,
    opens_with_auction=False,
)
"""On the clock of Chicago; Globex hours of index futures."""
_CN: Final = Timetable(
    (
        Window(_S.NONE, 535, 555),
        Window(_S.AUCTION, 555, 565),
        Window(_S.WAITING_OPEN, 565, 570),
        Window(_S.MORNING, 570, 690, _REGULAR),
        Window(_S.REST, 690, 780),
        Window(_S.AFTERNOON, 780, 900, _REGULAR),
    )
)
_SG: Final = Timetable(
    (
        Window(_S.AUCTION, 510, 540),
        Window(_S.MORNING, 540, 720, _REGULAR),
        Window(_S.REST, 720, 780),
        Window(_S.AFTERNOON, 780, 1020, _REGULAR),
        Window(_S.CLOSE_AUCTION, 1020, 1026),
        Window(_S.TRADE_AUCTION, 1026, 1036),
    )
)
_SG_FUTURE: Final = Timetable(
    (
        Window(_S.NIGHT_OPEN, 1020, 1755, _REGULAR, is_night_before=True),
        Window(_S.FUTURE_DAY_WAIT, 525, 540),
        Window(_S.FUTURE_DAY_OPEN, 540, 990, _REGULAR),
        Window(_S.FUTURE_DAY_CLOSE, 990, 1020),
    ),
    outside=_S.NIGHT_END,
    opens_with_auction=False,
)
_JP_MORNING: Final = (Window(_S.MORNING, 540, 690, _REGULAR), Window(_S.REST, 690, 750))
_JP: Final = Timetable(
    (*_JP_MORNING, Window(_S.AFTERNOON, 750, 930, _REGULAR)),
    earlier=(date(2024, 11, 5), (*_JP_MORNING, Window(_S.AFTERNOON, 750, 900, _REGULAR))),
)
_JP_FUTURE: Final = Timetable(
    (
        Window(_S.FUTURE_DAY_WAIT, 985, 990, is_night_before=True),
        Window(_S.NIGHT_OPEN, 990, 1770, _REGULAR, is_night_before=True),
        Window(_S.NIGHT_END, 330, 525),
        Window(_S.FUTURE_DAY_OPEN, 525, 915, _REGULAR),
        Window(_S.FUTURE_DAY_CLOSE, 915, 985),
    ),
    outside=_S.NIGHT_END,
    opens_with_auction=False,
)
_MY_MORNING: Final = (Window(_S.AUCTION, 510, 540), Window(_S.MORNING, 540, 750, _REGULAR))
_MY: Final = Timetable(
    (
        *_MY_MORNING,
        Window(_S.REST, 750, 870),
        Window(_S.AFTERNOON, 870, 1005, _REGULAR),
        Window(_S.CLOSE_AUCTION, 1005, 1010),
        Window(_S.TRADE_AT_LAST, 1010, 1020),
    ),
    half=_MY_MORNING,
)
_ALL_DAY: Final = Timetable((Window(_S.MORNING, -300, 1140, _REGULAR),), opens_with_auction=False)
"""From 19:00 to 19:00; the vendor has two seconds with another state there."""

_STOCK: Final = 0
_INDEX: Final = 6
_OPTION: Final = 8
_FUTURE: Final = 10
_TIMETABLES: Final = {
    ("HK", _STOCK): _HK,
    ("HK", _OPTION): _HK_DERIVATIVE,
    ("HK", _FUTURE): _HK_FUTURE,
    ("US", _STOCK): _US,
    ("US", _INDEX): _without_extended(_US),
    ("US", _OPTION): _US_OPTION,
    ("US", _FUTURE): _US_FUTURE,
    ("SH", _STOCK): _CN,
    ("SZ", _STOCK): _CN,
    ("SG", _STOCK): _SG,
    ("SG", _FUTURE): _SG_FUTURE,
    ("JP", _STOCK): _JP,
    ("JP", _FUTURE): _JP_FUTURE,
    ("MY", _STOCK): _MY,
    ("CC", _STOCK): _ALL_DAY,
    ("EC", _STOCK): _ALL_DAY,
}
"""Prefix of a market and ``Qot_Common.SecurityType`` (0 for all others) to the timetable."""


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
    timetable = _TIMETABLES.get((prefix, sec_type)) or _TIMETABLES[prefix, _STOCK]
    clock = zone(clock_of(prefix, code if sec_type == _FUTURE else "")) or ZoneInfo(EVERY_DAY_ZONE)
    return Hours(calendar(prefix), timetable, clock, open_from)
