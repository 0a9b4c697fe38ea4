"""A trading session of one day: its minutes, the trades of a minute, and what they add up to at a moment."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import accumulate
from typing import Final, NamedTuple

from ftwire_tools.markets.sessions import Session
from ftwire_tools.synthetic.minute_prices import minutes_of, trades_in
from ftwire_tools.synthetic.prices import Days, Minutes, Tick

__all__ = ["ALL_SESSIONS", "EXTENDED", "REGULAR", "MinuteTicks", "SessionMinutes", "SessionTotals"]

REGULAR: Final = frozenset({Session.REGULAR})
"""Trading in regular hours (RTH)."""
EXTENDED: Final = frozenset({Session.REGULAR, Session.PRE, Session.AFTER})
"""Regular hours and those before and after them (ETH)."""
ALL_SESSIONS: Final = frozenset(Session)
_ORDER: Final = (Session.OVERNIGHT, Session.PRE, Session.REGULAR, Session.AFTER)
"""Sessions as they follow each other on a trading day."""
_NO_PRICE: Final = 1 << 62
_MOST_TRADES: Final = 100_000
"""More than a session has: there is one trade in a second at most."""
_MOST_GIVEN_TRADES: Final = 10_000_000
"""More than a session has whose trades were recorded: see ``recordings.MOST_ROWS``."""


class SessionTotals(NamedTuple):
    """What has been traded in a session so far."""

    open: float
    high: float
    low: float
    price: float
    """Of the last trade."""
    volume: int
    turnover: float
    second: int
    """Of the last trade, in seconds since 1970."""


class SessionMinutes:
    """The minutes of a trading session of one day, with their running totals."""

    def __init__(
        self,
        days: Days,
        seed: int,
        day: date,
        session: Session,
        *,
        minutes: Minutes | None = None,
        counts: Mapping[int, int] | None = None,
    ) -> None:
        """``minutes`` take the place of those that follow from ``days`` and ``seed``.

        ``counts`` are the numbers of trades in those minutes that have another number of them than others.
        """
        self.day: Final = day
        self.session: Final = session
        given = days.given(day, session)
        self.minutes: Final[Minutes] = minutes_of(days, seed, day, session) if minutes is None else minutes
        self.parts: Final = [each for each in days.hours.trading(day) if each.session is session]
        self.ends: Final = [end for part in self.parts for end in range(part.start + 60, part.end + 1, 60)]
        """The end of each minute, in seconds since 1970."""
        lot = days.character.lot
        trades = (
            [trades_in(volume // lot, session) for volume in self.minutes.volumes] if given is None else given.counts
        )
        if counts:
            trades = list(trades)
            for number, count in counts.items():
                trades[number] = count
        self._trades: Final = [0, *accumulate(trades)]
        self._is_whole: Final = all(trades)
        highs, lows = self.minutes.highs, self.minutes.lows
        self.highs: Final = list(accumulate(self._of_traded(highs, 0), max))
        """Up to and with each minute, without those in which nothing is traded; so are the following."""
        self.lows: Final = list(accumulate(self._of_traded(lows, _NO_PRICE), min))
        self.volumes: Final = list(accumulate(self.minutes.volumes))
        self.turnovers: Final = list(accumulate(self.minutes.turnovers))
        most = _MOST_TRADES if given is None else _MOST_GIVEN_TRADES
        self._first_sequence: Final = (day.toordinal() * len(_ORDER) + _ORDER.index(session)) * most

    def _of_traded(self, prices: array[int], other: int) -> Iterable[int]:
        """Return prices of minutes, ``other`` for those in which nothing is traded."""
        if self._is_whole:
            return prices
        return [price if self.is_traded(number) else other for number, price in enumerate(prices)]

    def is_traded(self, number: int) -> bool:
        """Return whether something is traded in a minute."""
        return self._trades[number] < self._trades[number + 1]

    def traded(self, begin: int, end: int) -> Sequence[int]:
        """Return the numbers of the minutes from ``begin`` to ``end``, not with it, in which something is traded."""
        numbers = range(begin, end)
        return numbers if self._is_whole else [number for number in numbers if self.is_traded(number)]

    def last_traded(self, number: int) -> int | None:
        """Return the last minute up to this one in which something is traded; ``None`` where there is none."""
        found = bisect_left(self._trades, self._trades[number + 1]) - 1
        return found if found >= 0 else None

    @property
    def first_traded(self) -> int:
        """The first minute in which something is traded, 0 where there is none."""
        return max(bisect_right(self._trades, 0) - 1, 0) if self._trades[-1] else 0

    def sequence(self, number: int) -> int:
        """Return the sequence number of the first trade of a minute: it grows by one from trade to trade."""
        return self._first_sequence + self._trades[number]

    def place(self, now: int) -> tuple[int, int]:
        """Return how many minutes are over at a second, and how old the running one is, -1 where none runs."""
        over = 0
        for part in self.parts:
            if now < part.start:
                break
            if now < part.end:
                return over + (now - part.start) // 60, (now - part.start) % 60
            over += (part.end - part.start) // 60
        return over, -1


class MinuteTicks:
    """The trades of a minute, with what they add up to so far."""

    def __init__(self, ticks: list[Tick]) -> None:
        self.ticks: Final = ticks
        self.seconds: Final = [tick.second for tick in ticks]
        self.highs: Final = list(accumulate((tick.price for tick in ticks), max))
        """Up to and with each trade; so are the following."""
        self.lows: Final = list(accumulate((tick.price for tick in ticks), min))
        self.volumes: Final = list(accumulate(tick.volume for tick in ticks))
