"""Days of instruments whose prices follow from a seed: closes that move at random, and what follows from another's."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from ftwire_tools.markets.sessions import Hours, Session
from ftwire_tools.synthetic.corporate_actions import CorporateAction
from ftwire_tools.synthetic.prices import (
    ANCHOR,
    UNIT,
    Character,
    Days,
    Ladder,
    MadeUpMinutes,
    PriceBar,
    least_volume,
    seeded,
)

__all__ = ["DerivedDays", "RandomDays"]

_ANY: Final = 1 << 62
_KEPT_BARS: Final = 512
_PULL: Final = 0.004
"""Share of its distance from the trend that a price loses in a day."""
_MOST_AWAY: Final = 1.5
"""Logarithm of the most that a price is away from its trend."""


class Movement(NamedTuple):
    """Random numbers of a day, from which its prices follow."""

    gap: float
    up: float
    down: float
    volume: float
    after: float
    night: float


class _Close(NamedTuple):
    """A close, and what those next to it follow from."""

    price: int
    away: float
    """Logarithm of its distance from the trend."""
    a: float
    """With ``b``: what turns a price without corporate actions since the anchor into the price of the day."""
    b: float


class RandomDays(MadeUpMinutes):
    """Days whose closes move at random around a trend, through the last close of the listing on the day ``ANCHOR``."""

    def __init__(
        self,
        seed: int,
        character: Character,
        hours: Hours,
        ladder: Ladder,
        anchor: float,
        first: date,
        actions: tuple[CorporateAction, ...] = (),
    ) -> None:
        """``anchor`` is the last close, ``first`` the day of the listing."""
        self.hours: Final = hours
        self.ladder: Final = ladder
        self.character: Final = character
        self.first: Final = max(first, hours.calendar.first + timedelta(days=14))
        """The first day with prices. Calendars begin a little earlier, so that it has days before it."""
        self.actions: Final = {self._trading_day(each.day): each for each in actions if each.day > self.first}
        """Corporate actions by the trading day from which they count."""
        self._seed: Final = seed
        self._anchor: Final = round(anchor * UNIT)
        self._last_anchor: Final = hours.before(ANCHOR + timedelta(days=1))
        start = _Close(self._anchor, 0.0, 1.0, 0.0)
        self._closes: Final = {self._last_anchor: start}
        self._earliest = self._latest = self._last_anchor
        self.bar: Final = lru_cache(_KEPT_BARS)(self._find_bar)
        """Returns a session of a trading day."""

    def _trading_day(self, day: date) -> date:
        last = self.hours.calendar.last
        return day if day > last or self.hours.is_trading_day(day) else self.hours.after(day)

    def close(self, day: date) -> int:
        """Return the close of a trading day. Raises ``CalendarRangeError``."""
        return self._close(day).price

    def _close(self, day: date) -> _Close:
        found = self._closes.get(day)
        if found is not None:
            return found
        while day < self._earliest:
            self._go_back()
        while day > self._latest:
            self._go_on()
        return self._closes[day]

    def _moved(self, day: date, away: float) -> float:
        moved = away * (1 - _PULL) + self.character.daily * seeded(self._seed, self.character.key, day, "close").gauss(
            0, 1
        )
        if self.character.limit is not None:
            # A little less than the limit, since the trend is to come on top, and prices are whole ticks.
            most = 0.95 * math.log1p(self.character.limit)
            moved = min(max(moved, away - most), away + most)
        return min(max(moved, -_MOST_AWAY), _MOST_AWAY)

    def _made(self, day: date, away: float, a: float, b: float) -> _Close:
        years = (day - self._last_anchor).days / 365
        plain = self._anchor * math.exp(away + self.character.trend * years)
        price = self.ladder.legal(max(plain * a + b * UNIT, 1))
        if self.character.highest is not None:
            price = min(price, self.character.highest)
        return _Close(price, away, a, b)

    def _go_back(self) -> None:
        later = self._closes[self._earliest]
        day = self.hours.before(self._earliest)
        a, b = later.a, later.b
        action = self.actions.get(self._earliest)
        if action is not None:
            # The price after is (price before - dividend) / shares: here that is undone.
            a, b = a * action.shares, b * action.shares + action.dividend
        self._closes[day] = self._made(day, self._moved(day, later.away), a, b)
        self._earliest = day

    def _go_on(self) -> None:
        before = self._closes[self._latest]
        day = self.hours.after(self._latest)
        a, b = before.a, before.b
        action = self.actions.get(day)
        if action is not None:
            a, b = a / action.shares, (b - action.dividend) / action.shares
        self._closes[day] = self._made(day, self._moved(day, before.away), a, b)
        self._latest = day

    def movement(self, day: date) -> Movement:
        """Return the random numbers of a day."""
        drawn = seeded(self._seed, self.character.key, day, "day")
        return Movement(*(drawn.gauss(0, 1) for _ in Movement._fields))

    def reference(self, day: date) -> int:
        """Return the close of the day before, adjusted where this day is the ex-date of an event."""
        if day <= self.first:
            return self.close(day)
        before, action = self.close(self.hours.before(day)), self.actions.get(day)
        return before if action is None else self._after(before, action)

    def _after(self, price: float, action: CorporateAction) -> int:
        return self.ladder.legal(max((price - action.dividend * UNIT) / action.shares, 1))

    def _find_bar(self, day: date, session: Session) -> PriceBar:
        movement, daily, legal = self.movement(day), self.character.daily, self.ladder.legal
        close, reference = self.close(day), self.reference(day)
        lowest, highest = self._bounds(reference) if session is Session.REGULAR else (0, self.character.highest or _ANY)
        opened = min(max(legal(reference * math.exp(0.35 * daily * movement.gap)), lowest), highest)
        volume = self.character.volume * math.exp(0.35 * movement.volume) / self._close(day).a
        if session is Session.REGULAR:
            bar = self._bar(day, session, opened, close, daily, movement, volume)
            high, low = min(bar.high, max(highest, opened, close)), max(bar.low, min(lowest, opened, close))
            turnover = bar.volume * (opened + high + low + close) // 4
            return PriceBar(opened, high, low, close, bar.volume, turnover)
        if session is Session.AFTER:
            return self._bar(day, session, close, self._late(day), daily / 4, movement, volume * 0.03)
        dawn = legal(self._start_of_night(day) * math.exp(0.15 * daily * movement.night))
        if session is Session.OVERNIGHT:
            return self._bar(day, session, self._start_of_night(day), dawn, daily / 5, movement, volume * 0.01)
        return self._bar(day, session, dawn, opened, daily / 4, movement, volume * 0.04)

    def _late(self, day: date) -> int:
        return self.ladder.legal(self.close(day) * math.exp(0.12 * self.character.daily * self.movement(day).after))

    def _start_of_night(self, day: date) -> int:
        if day <= self.first:
            return self.close(day)
        price, action = self._late(self.hours.before(day)), self.actions.get(day)
        return price if action is None else self._after(price, action)

    def _bounds(self, reference: int) -> tuple[int, int]:
        """Return the lowest and the highest price of a day with a last close."""
        highest, limit = self.character.highest or _ANY, self.character.limit
        if limit is None:
            return 0, highest
        low, high = self.ladder.legal(reference * (1 - limit)), self.ladder.legal(reference * (1 + limit))
        return low, min(high, highest)

    def _bar(
        self, day: date, session: Session, opened: int, close: int, daily: float, movement: Movement, volume: float
    ) -> PriceBar:
        legal = self.ladder.legal
        top, bottom = max(opened, close), min(opened, close)
        high = max(top, legal(top * (1 + 0.5 * daily * abs(movement.up))))
        low = min(bottom, legal(bottom * (1 - 0.5 * daily * abs(movement.down))))
        lot = self.character.lot
        whole = max(int(volume) // lot * lot, least_volume(self.hours, day, session, lot))
        return PriceBar(opened, high, low, close, whole, whole * (opened + high + low + close) // 4)


class DerivedDays(MadeUpMinutes):
    """Days whose prices follow from those of another instrument: of a warrant or an option from its underlying's."""

    def __init__(
        self,
        base: Days,
        character: Character,
        hours: Hours,
        ladder: Ladder,
        first: date,
        value: Callable[[date, float], float],
    ) -> None:
        """``value`` returns the price at a day and a price of the underlying. It rises with that, or falls with it."""
        self.hours: Final = hours
        self.ladder: Final = ladder
        self.character: Final = character
        self.first: Final = max(first, base.first)
        self._base: Final = base
        self._value: Final = value

    def _price(self, day: date, price: int) -> int:
        return self.ladder.legal(max(self._value(day, price / UNIT) * UNIT, 1))

    def reference(self, day: date) -> int:
        """Return the close of the day before."""
        before = self.hours.before(day) if day > self.first else day
        return self._price(before, self._base.bar(before, Session.REGULAR).close)

    def bar(self, day: date, session: Session) -> PriceBar:
        """Return a session of a trading day."""
        base = self._base.bar(day, session)
        opened, high, low, close = (self._price(day, price) for price in (base.open, base.high, base.low, base.close))
        high, low = max(high, low), min(high, low)
        lot = self.character.lot
        usual = self._base.character.volume or 1
        volume = max(
            int(self.character.volume * base.volume / usual) // lot * lot,
            least_volume(self.hours, day, session, lot),
        )
        return PriceBar(opened, high, low, close, volume, volume * (opened + high + low + close) // 4)
