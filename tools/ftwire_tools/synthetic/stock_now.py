"""An instrument at the present moment of the market: its clock, and the prices it shows."""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, datetime
from random import Random
from typing import Final, Protocol

from ftwire_tools.markets.clocks import at_second
from ftwire_tools.markets.codes import security_name
from ftwire_tools.markets.sessions import MarketState, Session
from ftwire_tools.synthetic.market import LEVELS
from ftwire_tools.synthetic.price_steering import PriceSteering
from ftwire_tools.synthetic.prices import UNIT, Days, PriceBar, Tick
from ftwire_tools.synthetic.trading_session import ALL_SESSIONS, REGULAR, MinuteTicks, SessionMinutes, SessionTotals
from ftwire_tools.synthetic.universe import Kind, Listing

__all__ = ["MarketClock", "StockNow"]

_DEPTHS: Final = {
    ("HK", 0): 10,
    ("US", 0): 60,
    ("US", 8): 1,
    ("US", 10): 40,
    ("SH", 0): 5,
    ("SZ", 0): 5,
    ("CC", 0): 40,
}
"""Prefix and ``SecurityType`` (0 for all others) to levels of an order book. Other markets: a guess."""
_WITHOUT_BOOK: Final = frozenset({Kind.INDEX, Kind.PLATE})
"""What nobody trades has no order book."""


class MarketClock(Protocol):
    """What an instrument needs of its market: the time, and what was computed from it already."""

    @property
    def now(self) -> int:
        """The present second, since 1970."""
        ...

    @property
    def seed(self) -> int:
        """What prices follow from."""
        ...

    def minutes(self, key: tuple[int, str], day: date, session: Session, /) -> SessionMinutes:
        """Return the minutes of a session."""
        ...

    def ticks(self, key: tuple[int, str], day: date, session: Session, number: int, /) -> MinuteTicks:
        """Return the trades of a minute."""
        ...


class StockNow:
    """What an instrument shows at the present second."""

    def __init__(self, listing: Listing, market: MarketClock, days: Days) -> None:
        self.listing: Final = listing
        self.days_of: Final = days
        """Its days, from which everything else follows."""
        self.hours: Final = days.hours
        self._market: Final = market
        self._ladder: Final = days.ladder
        self._key: Final = listing.market, listing.code
        self._sessions: Final = frozenset(
            window.session for window in self.hours.timetable.windows if window.session is not None
        )
        self._current: Final[dict[frozenset[Session], tuple[int, SessionMinutes]]] = {}
        self._summarized: tuple[int, SessionMinutes, SessionTotals] | None = None
        self._steering: Final = PriceSteering(days, market.seed)

    @property
    def _now(self) -> int:
        """The present second; for a halted instrument, that at which it was halted."""
        halted_at = self._steering.halted_at
        return self._market.now if halted_at is None else halted_at

    def time(self, second: int | None = None) -> datetime:
        """Return what the exchange's clock shows at a second since 1970, by default at the present one.

        Its ``fold`` is set in the second of two hours that clocks show twice.
        """
        return at_second(self._market.now if second is None else second, self.hours.zone).replace(tzinfo=None)

    def stamp(self, time: datetime) -> float:
        """Return exchange-local time as seconds since 1970."""
        return time.replace(tzinfo=self.hours.zone).timestamp()

    @property
    def state(self) -> MarketState:
        """The state of its market."""
        return self.hours.state(self._now)

    @property
    def is_open(self) -> bool:
        """Whether it is traded now, in any session."""
        return self.hours.open_at(self._now) is not None

    @property
    def session(self) -> Session | None:
        """The trading session that runs now; ``None`` where nothing trades."""
        found = self.hours.open_at(self._now)
        return None if found is None else found.session

    def day(self, sessions: frozenset[Session] = REGULAR) -> date:
        """Return the present trading day: the last one that has begun to trade in some sessions."""
        return self.hours.day_at(self._now, sessions)

    def summary(self, sessions: frozenset[Session] = REGULAR) -> SessionTotals:
        """Return what has been traded in that of some sessions which has begun last."""
        return self._summarize(self.current(sessions))

    def current(self, sessions: frozenset[Session] = REGULAR) -> SessionMinutes:
        """Return that of some sessions which has begun last."""
        now = self._now
        known = self._current.get(sessions)
        if known is None or known[0] != now // 60:
            known = self._current[sessions] = now // 60, self._find_current((sessions & self._sessions) or REGULAR)
        return known[1]

    def _find_current(self, sessions: frozenset[Session]) -> SessionMinutes:
        now = self._now
        day = self.hours.day_at(now, sessions)
        begun = [each for each in self.hours.trading(day) if each.session in sessions and each.start <= now]
        return self.minutes_of(day, begun[-1].session)

    def of_session(self, session: Session) -> SessionTotals | None:
        """Return what was traded in a session of the present day, ``None`` where it has not begun."""
        if session not in self._sessions:
            return None
        now = self._now
        day = self.hours.day_at(now)
        found = self.minutes_of(day, session)
        if not found.parts or found.parts[0].start > now:
            return None
        return self._summarize(found)

    def _summarize(self, found: SessionMinutes) -> SessionTotals:
        now, known = self._now, self._summarized
        if known is None or known[0] != now or known[1] is not found:
            known = self._summarized = now, found, self._totals(found, now)
        return known[2]

    def _totals(self, found: SessionMinutes, now: int) -> SessionTotals:
        over, age = found.place(now)
        running = None if age < 0 else self._running(found, over, age)
        last = found.last_traded(over - 1) if over else None
        high, low, volume, turnover = 0, 1 << 62, 0, 0
        if last is not None:
            high, low, volume, turnover = (
                found.highs[last],
                found.lows[last],
                found.volumes[last],
                found.turnovers[last],
            )
        if running is not None:
            bar, tick = running
            high, low = max(high, bar.high), min(low, bar.low)
            volume, turnover = volume + bar.volume, turnover + bar.turnover
            second = found.ends[over] - 60 + tick.second
        elif last is not None:
            tick = self._ticks(found, last).ticks[-1]
            second = found.ends[last] - 60 + tick.second
        else:
            price = self._price_before(found) / UNIT
            return SessionTotals(price, price, price, price, 0, 0.0, found.parts[0].start - 1)
        return SessionTotals(
            found.minutes.opens[found.first_traded] / UNIT,
            high / UNIT,
            low / UNIT,
            tick.price / UNIT,
            volume,
            round(turnover / UNIT, 3),
            second,
        )

    def _price_before(self, found: SessionMinutes) -> int:
        """Return the price that counts in a session until something is traded."""
        if found.session is Session.AFTER:
            return self.days_of.bar(found.day, Session.REGULAR).close
        return self.days_of.reference(found.day)

    def _running(self, found: SessionMinutes, number: int, age: int) -> tuple[PriceBar, Tick] | None:
        """Return the minute that is running, so far, and its last trade; ``None`` where it has none yet."""
        made = self._ticks(found, number)
        last = bisect_right(made.seconds, age) - 1
        if last < 0:
            return None
        tick, volume = made.ticks[last], made.volumes[last]
        turnover = found.minutes.turnovers[number] * volume // (found.minutes.volumes[number] or 1)
        bar = PriceBar(made.ticks[0].price, made.highs[last], made.lows[last], tick.price, volume, turnover)
        return bar, tick

    def _ticks(self, found: SessionMinutes, number: int) -> MinuteTicks:
        if self._steering.is_untouched:
            return self._market.ticks(self._key, found.day, found.session, number)
        return self._steering.ticks(self._market.minutes(self._key, found.day, found.session), number)

    def minutes_of(self, day: date, session: Session) -> SessionMinutes:
        """Return the minutes of a session of a trading day, whether they are over or not."""
        found = self._market.minutes(self._key, day, session)
        return found if self._steering.is_untouched else self._steering.minutes(found)

    @property
    def price(self) -> float:
        """Price of the last trade in regular hours."""
        return self.summary().price

    @property
    def open(self) -> float:
        """First price of the day's regular hours, as the following are about them."""
        return self.summary().open

    @property
    def high(self) -> float:
        """Highest price of the day."""
        return self.summary().high

    @property
    def low(self) -> float:
        """Lowest price of the day."""
        return self.summary().low

    @property
    def volume(self) -> int:
        """Shares traded today."""
        return self.summary().volume

    @property
    def turnover(self) -> float:
        """Money paid for them."""
        return self.summary().turnover

    @property
    def last_close(self) -> float:
        """Close of the day before, adjusted where there was a corporate action since."""
        return self.reference()

    def extended_reference(self, session: Session) -> float:
        """Return the regular close that prices of a session outside regular hours are compared with."""
        day = self.hours.day_at(self._now)
        if session is Session.AFTER:
            return self.days_of.bar(day, Session.REGULAR).close / UNIT
        return self.days_of.reference(day) / UNIT

    def reference(self, sessions: frozenset[Session] = REGULAR) -> float:
        """Return the close that prices of the present day of some sessions are compared with."""
        return self.days_of.reference(self.day(sessions)) / UNIT

    @property
    def depth(self) -> int:
        """Most levels on each side of its order book: those of the vendor's best quotes for it."""
        prefix, sec_type = self.listing.exchange.prefix, self.listing.sec_type
        if sec_type in _WITHOUT_BOOK or self.listing.kind == "index":  # the latter: indices of crypto
            return 0
        return _DEPTHS.get((prefix, sec_type)) or _DEPTHS.get((prefix, 0), LEVELS)

    @property
    def latest(self) -> float:
        """Price of the last trade in any session."""
        return self.summary(ALL_SESSIONS).price

    @property
    def tick(self) -> float:
        """Smallest difference of two prices, at the present one."""
        return self._ladder.tick(round(self.latest * UNIT)) / UNIT

    @property
    def traded_at(self) -> int:
        """Second of the last trade in any session, since 1970."""
        return self.summary(ALL_SESSIONS).second

    def has_traded(self, sessions: frozenset[Session] = ALL_SESSIONS) -> bool:
        """Return whether there is a trade in this very second, in some sessions."""
        return self.summary(sessions).second == self._market.now

    @property
    def ask(self) -> float:
        """Lowest price of sellers."""
        return self._ladder.up(round(self.latest * UNIT)) / UNIT

    @property
    def bid(self) -> float:
        """Highest price of buyers; 0 where the price is the lowest that there is."""
        return self._ladder.down(round(self.latest * UNIT)) / UNIT

    def book(self, levels: int = LEVELS) -> tuple[list[tuple[float, int, int]], list[tuple[float, int, int]]]:
        """Return asks and bids as price, volume and number of orders, the best first.

        It changes with each trade, and stands while there is none.
        """
        last = self.summary(ALL_SESSIONS)
        draw = Random(f"{self._market.seed}/{self._key}/{last.second}").getrandbits  # noqa: S311 - reproducible, not secret
        lot, price = self.listing.lot, round(last.price * UNIT)
        asks, bids = [], []
        above = below = price
        for _ in range(levels):
            above, below = self._ladder.up(above), self._ladder.down(below)
            roll = draw(30)
            asks.append((above / UNIT, lot * (1 + roll % 90), 1 + (roll >> 7) % 30))
            if below > 0:
                bids.append((below / UNIT, lot * (1 + (roll >> 12) % 90), 1 + (roll >> 19) % 30))
        return asks, bids

    @property
    def name(self) -> str:
        """Its code with the prefix of its market."""
        return security_name(*self._key)

    @property
    def is_halted(self) -> bool:
        """Whether it is suspended: nothing is traded."""
        return self._steering.halted_at is not None
