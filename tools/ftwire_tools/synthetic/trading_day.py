"""The made-up market at its present moment: what each instrument shows, and what it has traded.

The market is a clock and a function of time (``prices``): a step moves the clock by a second, and whatever is asked
about an instrument is computed from the time it shows. What nobody asks about costs nothing.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from ftwire_tools.markets.clocks import at_second
from ftwire_tools.markets.exchanges import EXCHANGES, ZONES
from ftwire_tools.markets.sessions import Hours, MarketState, Session, hours_of
from ftwire_tools.markets.trading_days import calendar
from ftwire_tools.synthetic.characters import DERIVATIVES, days_of
from ftwire_tools.synthetic.history import Bar
from ftwire_tools.synthetic.minute_prices import ticks_of
from ftwire_tools.synthetic.options import find_option, owner_of_option
from ftwire_tools.synthetic.prices import Days
from ftwire_tools.synthetic.recorded_days import RecordedDays
from ftwire_tools.synthetic.stock_day import TRADES, Minute, StockDay, Trade
from ftwire_tools.synthetic.trading_session import (
    ALL_SESSIONS,
    EXTENDED,
    REGULAR,
    MinuteTicks,
    SessionMinutes,
    SessionTotals,
)
from ftwire_tools.synthetic.universe import Kind, Listing, Universe, default_universe

if TYPE_CHECKING:
    from ftwire_tools.synthetic.recordings import Recordings

__all__ = [
    "ALL_SESSIONS",
    "EXTENDED",
    "REGULAR",
    "STARTS",
    "TRADES",
    "Bar",
    "ClockError",
    "Market",
    "Minute",
    "SessionMinutes",
    "SessionTotals",
    "StockDay",
    "Trade",
    "start_time",
]

STARTS: Final = {
    "us-open": datetime(2024, 6, 12, 10, tzinfo=ZoneInfo("America/New_York")),
    "hk-open": datetime(2024, 6, 12, 10, tzinfo=ZoneInfo("Asia/Hong_Kong")),
}
"""Names of times at which the market may begin: half an hour after trading has begun in New York or in Hong Kong."""
_FOREVER: Final = 10**9
"""Seconds that a market without calendars goes on."""
_DAYS_BEFORE: Final = 60
"""Days of history that the market has at least."""
_KEPT_SESSIONS: Final = 1024
_KEPT_MINUTES: Final = 1024
_MOST_OPTIONS: Final = 512
"""Options that are kept, of hundreds of thousands that clients can request; each takes some 100 KB."""


class ClockError(ValueError):
    """A time at which the market cannot begin."""


def start_time(text: str) -> int:
    """Return the second since 1970 of a name in ``STARTS`` or of a time in ISO 8601. Raises ``ClockError``."""
    if text in STARTS:
        return int(STARTS[text].timestamp())
    names = ", ".join(STARTS)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ClockError(f"{text!r} is none of {names}, nor a time such as 2024-06-12T10:00:00-04:00") from None
    if time.tzinfo is None:
        raise ClockError(f"{text} does not say on which clock: add an offset, as in {text}+08:00, or Z for UTC")
    try:
        return int(time.astimezone(UTC).timestamp())
    except OverflowError:
        raise ClockError(f"{text} is no time that can be shown") from None


class Market:
    """A clock, and all instruments. An instrument is made when it is first wanted."""

    def __init__(
        self,
        seed: int,
        now: float | None = None,
        universe: Universe | None = None,
        *,
        always_open: bool = False,
        recordings: Recordings | None = None,
    ) -> None:
        """``now`` is the present time of the market, in seconds since 1970; by default it is that of ``us-open``.

        ``recordings`` are what instruments were traded at, in place of what follows from the seed, and ``universe``
        has these instruments.
        With ``always_open`` every market is in its regular session from the day of ``now`` on. Raises ``ClockError``
        where the calendars of the instruments do not reach.
        """
        self.universe: Final = universe or default_universe()
        self._recordings: Final = recordings
        self.seed: Final = seed
        self.now = start_time("us-open") if now is None else int(now)
        """The present second, since 1970."""
        self.stocks: Final[dict[tuple[int, str], StockDay]] = {}
        """The instruments that were wanted so far."""
        self._open_from: Final = (
            at_second(self.now, ZoneInfo("UTC")).date() - timedelta(days=1) if always_open else None
        )
        self.minutes: Final = lru_cache(_KEPT_SESSIONS)(self._minutes)
        """Returns the minutes of a session: instrument, trading day, session."""
        self.ticks: Final = lru_cache(_KEPT_MINUTES)(self._ticks)
        """Returns the trades of a minute: instrument, trading day, session, number of the minute."""
        self._end = self._last_second()

    def _last_second(self) -> int:
        """Return the second at which the clock stops, since no calendar is known from there on."""
        calendars = {self.hours(listing).calendar for listing in self.universe}
        first = max(each.first for each in calendars) + timedelta(days=_DAYS_BEFORE)
        last = min(each.last for each in calendars)
        today = at_second(self.now, ZoneInfo("UTC")).date()
        if today < first or (today >= last and self._open_from is None):
            raise ClockError(
                f"the market cannot be at {today}: trading days of all its exchanges, and some before, are known "
                f"from {first} to {last}"
            )
        if self._open_from is not None:
            return self.now + _FOREVER
        return int(datetime(last.year, last.month, last.day, tzinfo=UTC).timestamp())

    def hours(self, listing: Listing) -> Hours:
        """Return when an instrument trades."""
        code = listing.code if listing.sec_type == 10 else ""
        return hours_of(listing.exchange.prefix, listing.sec_type, code, self._open_from)

    def state(self, prefix: str, sec_type: int = 0, code: str = "") -> MarketState:
        """Return the present state of a market: prefix, ``SecurityType``, and the code of a future."""
        return hours_of(prefix, sec_type, code, self._open_from).state(self.now)

    def trading_days(self, name: str, begin: date, end: date) -> list[tuple[date, bool]]:
        """Return the trading days of a calendar from ``begin`` to ``end``, each with whether it is a half day.

        Raises ``CalendarRangeError``.
        """
        days = calendar(name)
        if self._open_from is None or end < self._open_from or name not in ZONES:
            return [(day, day in days.half_days) for day in days.between(begin, end)]
        hours = hours_of(name, open_from=self._open_from)
        return [(day, hours.is_half_day(day)) for day in hours.between(begin, end)]

    def outside_hours(self) -> dict[str, int]:
        """Return how many recorded minutes and days are not in the hours of their instrument, where there are some."""
        found = {}
        for market, code in () if self._recordings is None else self._recordings.found:
            stock = self.stock(market, code)
            if stock is not None and isinstance(stock.days_of, RecordedDays) and stock.days_of.left_out:
                found[stock.name] = stock.days_of.left_out
        return found

    def step(self) -> None:
        """Advance the clock by a second."""
        self.now = min(self.now + 1, self._end)

    @property
    def first(self) -> StockDay:
        """The first instrument."""
        return self._made(self.universe.listings[0])

    def today(self, listing: Listing) -> date:
        """Return the present date on the clock of an instrument's exchange."""
        return at_second(self.now, listing.zone).date()

    def find(self, security: object) -> StockDay | None:
        """Return the stock of a ``Qot_Common.Security``, ``None`` for an unknown one."""
        return self.stock(security.market, security.code)  # type: ignore[attr-defined]  # a message

    def stock(self, market: int, code: str) -> StockDay | None:
        """Return the stock of a ``QotMarket`` and a code, ``None`` for an unknown one."""
        known = self.stocks.get((market, code))
        if known is not None:
            return known
        listing = self.listing(market, code)
        return None if listing is None else self._made(listing)

    def _made(self, listing: Listing) -> StockDay:
        key = listing.market, listing.code
        found = self.stocks.get(key)
        if found is None:
            found = self.stocks[key] = StockDay(listing, self, self._days(listing))
            if listing.sec_type == Kind.OPTION and len(self.stocks) > _MOST_OPTIONS:
                self._drop_options()
        return found

    def _drop_options(self) -> None:
        """Drop the oldest options of very many: they can be made again, unless their prices were steered."""
        options = [key for key, stock in self.stocks.items() if stock.listing.sec_type == Kind.OPTION]
        for key in options[: _MOST_OPTIONS // 4] if len(options) > _MOST_OPTIONS else ():
            if not self.stocks[key].is_steered:
                del self.stocks[key]

    def _known(self, key: tuple[int, str]) -> StockDay:
        """Return an instrument that was wanted before. Raises ``KeyError``."""
        found = self.stock(*key)
        if found is None:
            raise KeyError(key)
        return found

    def _days(self, listing: Listing) -> Days:
        owner = self.universe.named(listing.owner) if listing.sec_type in DERIVATIVES else None
        if owner is not None and owner.sec_type in DERIVATIVES:
            owner = None
        base = None if owner is None else self._made(owner).days_of
        made = days_of(self.seed, listing, self.hours(listing), owner, base)
        recorded = None if self._recordings is None else self._recordings.found.get((listing.market, listing.code))
        if recorded is None:
            return made
        return RecordedDays(recorded, made.hours, made.ladder, made.character, made.hours.day_at(self.now))

    def _minutes(self, key: tuple[int, str], day: date, session: Session) -> SessionMinutes:
        return SessionMinutes(self._known(key).days_of, self.seed, day, session)

    def _ticks(self, key: tuple[int, str], day: date, session: Session, number: int) -> MinuteTicks:
        bar = self.minutes(key, day, session).minutes.bar(number)
        return MinuteTicks(ticks_of(self._known(key).days_of, self.seed, day, session, number, bar))

    def listing(self, market: int, code: str) -> Listing | None:
        """Return what is fixed about an instrument, options included; ``None`` for an unknown one."""
        found = self.universe.find(market, code)
        if found is None and (owner := owner_of_option(self.universe, market, code)) is not None:
            return find_option(self.universe, market, code, self.today(owner))
        return found

    def traded(self, sec_market: int, code: str) -> StockDay | None:
        """Return the stock of a code in a ``TrdSecMarket``; where that is 0, the first stock with this code."""
        for exchange in EXCHANGES:
            if (exchange.sec_market == sec_market or not sec_market) and (
                found := self.stock(exchange.qot_market, code)
            ):
                return found
        return None
