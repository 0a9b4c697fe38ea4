"""Prices as a function of time: what an instrument was traded at, at any moment, from a seed.

Nothing is simulated step by step. A day's close follows from the seed, the instrument and the day; so do the other
prices of the day; its minutes are a path within them, and the trades of a minute a path within that. Whatever is asked
for first, the same seed has the same result, and each level adds up exactly to the one above: minutes have the open,
high, low, close, volume and turnover of their day, trades the prices and the volume of their minute.

Prices are whole numbers here, in units of a ten-thousandth. All are legal: a whole number of the ticks that count at
that price.

Days whose prices are random are in ``random_days``, minutes and trades in ``minute_prices``.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from datetime import date
from random import Random
from typing import Final, NamedTuple, Protocol

from ftwire_tools.markets.sessions import Hours, Session
from ftwire_tools.markets.ticks import TickRule

__all__ = [
    "ANCHOR",
    "QUANTUM",
    "UNIT",
    "Character",
    "Days",
    "GivenMinutes",
    "Ladder",
    "MadeUpMinutes",
    "Minutes",
    "PriceBar",
    "Tick",
    "least_volume",
    "seeded",
]

UNIT: Final = 10_000
"""Units of a price of 1."""
ANCHOR: Final = date(2024, 6, 11)
"""The day whose close is the last close that listings have."""
QUANTUM: Final = 4
"""Lots that are traded in a minute at least: enough to have an open, a high, a low and a close."""


class Ladder:
    """The legal prices of an instrument."""

    def __init__(self, rule: TickRule) -> None:
        self._steps: Final = [
            (math.inf if math.isinf(below) else round(below * UNIT), max(1, round(tick * UNIT))) for below, tick in rule
        ]
        self.lowest: Final = self._steps[0][1]

    def tick(self, price: float) -> int:
        """Return the tick at a price."""
        for below, tick in self._steps:
            if price < below:
                return tick
        return self._steps[-1][1]

    def legal(self, price: float) -> int:
        """Return the legal price next to a price."""
        tick = self.tick(price)
        return max(int(price + tick / 2) // tick * tick, self.lowest)

    def legal_within(self, low: int, high: int) -> Callable[[float], int]:
        """Return ``legal`` for prices between two legal ones: a faster one where all have the same tick."""
        tick = self.tick(low)
        if self.tick(high) != tick:
            return self.legal
        half = tick / 2
        return lambda price: int(price + half) // tick * tick

    def up(self, price: int) -> int:
        """Return the next higher legal price."""
        return price + self.tick(price)

    def down(self, price: int) -> int:
        """Return the next lower legal price, 0 below the lowest."""
        return price - self.tick(price - 1) if price > self.lowest else 0


class PriceBar(NamedTuple):
    """Prices and volume of a minute, or of a trading session of a day."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int
    """Prices times volumes."""


class Minutes(NamedTuple):
    """The minutes of a session, one column a field of ``PriceBar``."""

    opens: array[int]
    highs: array[int]
    lows: array[int]
    closes: array[int]
    volumes: array[int]
    turnovers: array[int]

    def bar(self, number: int) -> PriceBar:
        """Return one minute."""
        return PriceBar(
            self.opens[number],
            self.highs[number],
            self.lows[number],
            self.closes[number],
            self.volumes[number],
            self.turnovers[number],
        )


class GivenMinutes(NamedTuple):
    """The minutes of a session that were recorded. The price stands in one that was not, and nothing is traded."""

    minutes: Minutes
    counts: array[int]
    """How many trades each minute has, 0 for one that was not recorded."""


class Tick(NamedTuple):
    """One trade."""

    second: int
    """Seconds after the minute's beginning."""
    price: int
    volume: int


class Character(NamedTuple):
    """How an instrument's price moves."""

    key: str
    """Names the random numbers: instruments with the same key move alike."""
    daily: float
    """Standard deviation of a day's change, as a share of the price."""
    trend: float
    """Growth of a year, as a logarithm."""
    volume: float
    """Shares that are traded on an ordinary day."""
    lot: int
    sign: int = 1
    """-1 for what falls as others with this key rise."""
    limit: float | None = None
    """The most that a price differs from the close before, as a share of that; ``None`` for any."""
    highest: int | None = None
    """A price that is never exceeded, such as that of a certain event."""


class Days(Protocol):
    """The days of an instrument."""

    @property
    def hours(self) -> Hours:
        """When it trades."""
        ...

    @property
    def ladder(self) -> Ladder:
        """Its legal prices."""
        ...

    @property
    def character(self) -> Character:
        """How it moves."""
        ...

    @property
    def first(self) -> date:
        """The first day with prices."""
        ...

    def bar(self, day: date, session: Session) -> PriceBar:
        """Return a session of a trading day."""
        ...

    def reference(self, day: date) -> int:
        """Return the close of the day before, adjusted where this day is the ex-date of an event."""
        ...

    def is_known(self, day: date) -> bool:
        """Return whether a trading day has trading in regular hours: one that was not recorded has none."""
        ...

    def given(self, day: date, session: Session) -> GivenMinutes | None:
        """Return the minutes of a session of a trading day; ``None`` where they follow from ``bar``."""
        ...

    def given_ticks(self, day: date, session: Session, number: int) -> list[Tick] | None:
        """Return the trades of a minute of a session; ``None`` where they follow from the minute."""
        ...


class MadeUpMinutes:
    """What ``Days`` have in common whose minutes and trades all follow from the bars of their sessions."""

    def is_known(self, day: date) -> bool:  # noqa: ARG002 - as in Days
        """Return ``True``."""
        return True

    def given(self, day: date, session: Session) -> GivenMinutes | None:
        """Return ``None``."""

    def given_ticks(self, day: date, session: Session, number: int) -> list[Tick] | None:
        """Return ``None``."""


def seeded(seed: int, *what: object) -> Random:
    """Return the random numbers of something, which are the same with each seed."""
    return Random("/".join(map(str, (seed, *what))))  # noqa: S311 - reproducible, not secret


def least_volume(hours: Hours, day: date, session: Session, lot: int) -> int:
    """Return the least volume of a session, with which something is traded in every minute."""
    return QUANTUM * lot * hours.minutes(day, session)
