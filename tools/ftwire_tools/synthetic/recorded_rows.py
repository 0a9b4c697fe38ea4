"""Rows of a user's own data as they come, and in order: minutes, trades and days of one instrument."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from datetime import date
from typing import Final

from ftwire_tools.markets.sessions import Hours
from ftwire_tools.synthetic.prices import Minutes, PriceBar
from ftwire_tools.synthetic.recorded_cells import NO_SEQUENCE
from ftwire_tools.synthetic.recorded_days import Recorded
from ftwire_tools.synthetic.universe import Listing

__all__ = ["MINUTE", "Collected", "ordered", "up_to_minute"]

MINUTE: Final = 60


class Rows:
    """Rows of whole numbers with a time each."""

    def __init__(self, width: int) -> None:
        self.times = array("q")
        self.columns = [array("q") for _ in range(width)]

    def add(self, time: int, values: Iterable[int]) -> None:
        self.times.append(time)
        for column, value in zip(self.columns, values, strict=True):
            column.append(value)

    def sort_minutes(self) -> None:
        """Bring the rows into the order of their times, and keep the last of those with one time."""
        times, order = self.times, self._order()
        self._keep(
            [at for place, at in enumerate(order) if place + 1 == len(order) or times[order[place + 1]] != times[at]]
        )

    def sort_trades(self) -> None:
        """Bring the rows into the order of their times, and keep the first of those with one time and sequence."""
        times, sequences = self.times, self.columns[-1]
        kept: list[int] = []
        time, known = -1, set[int]()
        for at in self._order():
            if times[at] != time:
                time, known = times[at], set()
            if sequences[at] == NO_SEQUENCE or sequences[at] not in known:
                known.add(sequences[at])
                kept.append(at)
        self._keep(kept)

    def _order(self) -> list[int]:
        return sorted(range(len(self.times)), key=self.times.__getitem__)

    def _keep(self, order: list[int]) -> None:
        times = self.times
        self.times = array("q", [times[at] for at in order])
        self.columns = [array("q", [column[at] for at in order]) for column in self.columns]


class Collected:
    """The rows of one instrument, as they come."""

    def __init__(self, listing: Listing, hours: Hours, *, is_new: bool) -> None:
        self.listing = listing
        self.hours: Final = hours
        self.is_new: Final = is_new
        self.bars: Final = Rows(6)  # of minutes
        self.shares: Final = Rows(6)  # minutes of which only the last price is known
        self.trades: Final = Rows(3)
        self.quotes: Final = Rows(3)
        self.days: Final[dict[date, PriceBar]] = {}
        self.day_volume: tuple[date, int] | None = None
        self.last_closes: Final[dict[date, int]] = {}


def up_to_minute(second: int) -> int:
    """Return the end of the minute that a second ends or is in."""
    return -(-second // MINUTE) * MINUTE


def ordered(found: Collected) -> Recorded | None:
    """Return the rows of an instrument in order; ``None`` where there are none."""
    trades = found.trades
    minutes = found.shares
    if not (len(trades.times) or len(found.bars.times) or len(minutes.times)):
        trades = found.quotes
    trades.sort_trades()
    # Of a minute that is in several tables, bars count more than trades, and trades more than last prices.
    _add_minutes(minutes, trades)
    for time, *values in zip(found.bars.times, *found.bars.columns, strict=True):
        minutes.add(time, values)
    minutes.sort_minutes()
    if not (minutes.times or found.days):
        return None
    firsts = []
    if minutes.times:
        firsts.append((found.hours.local(minutes.times[0] - 1).date(), minutes.columns[0][0]))
    if found.days:
        firsts.append((min(found.days), found.days[min(found.days)].open))
    day, opened = min(firsts)
    return Recorded(
        minutes.times,
        Minutes(*minutes.columns),
        found.days,
        trades.times,
        trades.columns[0],
        trades.columns[1],
        found.last_closes.get(day, opened),
    )


def _add_minutes(minutes: Rows, trades: Rows) -> None:
    """Add the minutes in which there are trades."""
    begin, times, (prices, volumes, _) = 0, trades.times, trades.columns
    while begin < len(times):
        end, stop = begin, times[begin] // MINUTE * MINUTE + MINUTE
        while end < len(times) and times[end] < stop:
            end += 1
        inside, amounts = prices[begin:end], volumes[begin:end]
        turnover = sum(price * amount for price, amount in zip(inside, amounts, strict=True))
        minutes.add(stop, (inside[0], max(inside), min(inside), inside[-1], sum(amounts), turnover))
        begin = end
