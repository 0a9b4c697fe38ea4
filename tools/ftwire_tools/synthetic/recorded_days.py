"""The days of an instrument whose prices were recorded: minutes, trades and days as they are, nothing made up between.

Where nothing was recorded the price stands, and nothing is traded. What is finer than the recording follows from it and
a seed, as for all instruments (``prices``): the minutes of a day of which only the day is known, and the trades of a
minute of which only the minute is known.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from ftwire_tools.markets.sessions import Hours, Session
from ftwire_tools.synthetic.minute_prices import trades_in
from ftwire_tools.synthetic.prices import Character, GivenMinutes, Ladder, Minutes, PriceBar, Tick

__all__ = ["Recorded", "RecordedDays"]

_MINUTE: Final = 60
_KEPT: Final = 256


class Recorded(NamedTuple):
    """What was recorded of one instrument. Prices are in units of ``prices.UNIT``, times in seconds since 1970."""

    ends: array[int]
    """The end of each minute, in order; each is a whole minute and occurs once."""
    minutes: Minutes
    """The minutes with these ends."""
    days: dict[date, PriceBar]
    """Whole days: regular hours."""
    seconds: array[int]
    """The second of each trade, in order."""
    prices: array[int]
    volumes: array[int]
    last_close: int
    """The close before the first of these."""

    def begin(self, hours: Hours) -> int:
        """Return when it begins: with its first minute or trade or, where only days are known, with the first day."""
        if self.ends:
            return self.ends[0] - _MINUTE
        for day in hours.between(min(self.days), max(self.days)):
            if day in self.days:
                return next(each.start for each in hours.trading(day) if each.session is Session.REGULAR)
        return hours.second(min(self.days), 0)


class RecordedDays:
    """Days that were recorded."""

    def __init__(self, recorded: Recorded, hours: Hours, ladder: Ladder, character: Character, latest: date) -> None:
        """``character`` is that of an instrument like this, ``latest`` the last day that can be its first."""
        self.hours: Final = hours
        self.ladder: Final = ladder
        # What was recorded need not be in whole lots.
        self.character: Final = character._replace(lot=1)
        self._recorded: Final = recorded
        self._closes: Final[dict[date, int]] = {}  # of the days with regular trading, in order
        self.left_out = 0
        """Minutes and days that are outside the hours of the instrument, or not on a day of its calendar."""
        self._find_closes()
        self.first: Final = min([latest, *self._closes])
        """The first day with prices."""
        self._days: Final = list(self._closes)
        self.given: Final = lru_cache(_KEPT)(self._find_given)
        """Returns the minutes of a session of a trading day; ``None`` where they follow from ``bar``."""

    def _find_closes(self) -> None:
        recorded, hours = self._recorded, self.hours
        dates = [*recorded.days, *(hours.local(recorded.ends[place]).date() for place in (0, -1) if recorded.ends)]
        inside = 0
        # Nights may belong to a day whose date is up to some days later.
        for day in hours.between(min(dates), max(dates) + timedelta(days=7)):
            if day in recorded.days:
                inside += 1
                self._closes[day] = recorded.days[day].close
            for part in hours.trading(day):
                begin, end = self._places(part.start, part.end)
                inside += end - begin
                if begin < end and part.session is Session.REGULAR and day not in recorded.days:
                    self._closes[day] = recorded.minutes.closes[end - 1]
        self.left_out = len(recorded.ends) + len(recorded.days) - inside

    def _places(self, start: int, end: int) -> tuple[int, int]:
        """Return between which places the minutes are that lie between two seconds."""
        ends = self._recorded.ends
        return bisect_left(ends, start + _MINUTE), bisect_right(ends, end)

    def is_known(self, day: date) -> bool:
        """Return whether something of the regular hours of a trading day was recorded."""
        return day in self._closes

    def reference(self, day: date) -> int:
        """Return the last close before a day."""
        place = bisect_left(self._days, day)
        return self._closes[self._days[place - 1]] if place else self._recorded.last_close

    def bar(self, day: date, session: Session) -> PriceBar:
        """Return a session of a trading day; without volume, and with the price that stands, where there is none."""
        if session is Session.REGULAR and day in self._recorded.days:
            return self._recorded.days[day]
        given = self.given(day, session)
        if given is None or not any(given.counts):
            price = self._price_before(day, session)
            return PriceBar(price, price, price, price, 0, 0)
        minutes = given.minutes
        traded = [number for number, count in enumerate(given.counts) if count]
        return PriceBar(
            minutes.opens[traded[0]],
            max(minutes.highs[number] for number in traded),
            min(minutes.lows[number] for number in traded),
            minutes.closes[traded[-1]],
            sum(minutes.volumes),
            sum(minutes.turnovers),
        )

    def _price_before(self, day: date, session: Session) -> int:
        if session is Session.AFTER and day in self._closes:
            return self._closes[day]
        return self.reference(day)

    def _find_given(self, day: date, session: Session) -> GivenMinutes | None:
        recorded = self._recorded
        parts = [each for each in self.hours.trading(day) if each.session is session]
        count = sum((part.end - part.start) // _MINUTE for part in parts)
        places: list[tuple[int, int]] = []  # number of the minute, place in the recording
        first = 0
        for part in parts:
            begin, end = self._places(part.start, part.end)
            places += [(first + (recorded.ends[at] - part.start) // _MINUTE - 1, at) for at in range(begin, end)]
            first += (part.end - part.start) // _MINUTE
        if not places and session is Session.REGULAR and day in recorded.days:
            return None
        price = self._price_before(day, session)
        columns = [array("q") for _ in Minutes._fields]
        counts = array("q", bytes(8 * count))
        standing = [(-1, -1), *places, (count, -1)]
        for (number, at), (following, _) in pairwise(standing):
            if number >= 0:
                for column, source in zip(columns, recorded.minutes, strict=True):
                    column.append(source[at])
                price = recorded.minutes.closes[at]
                begin, end = self._ticks_until(recorded.ends[at])
                counts[number] = end - begin or trades_in(recorded.minutes.volumes[at], session)
            blank = following - number - 1
            for column, value in zip(columns, (price, price, price, price, 0, 0), strict=True):
                column.extend([value] * blank)
        return GivenMinutes(Minutes(*columns), counts)

    def _ticks_until(self, end: int) -> tuple[int, int]:
        """Return between which places the trades of a minute are."""
        seconds = self._recorded.seconds
        return bisect_left(seconds, end - _MINUTE), bisect_left(seconds, end)

    def given_ticks(self, day: date, session: Session, number: int) -> list[Tick] | None:
        """Return the trades of a minute of a session; ``None`` where they follow from the minute."""
        given = self.given(day, session)
        if given is None:
            return None
        if not given.counts[number]:
            return []
        for part in self.hours.trading(day):
            if part.session is session:
                length = (part.end - part.start) // _MINUTE
                if number < length:
                    break
                number -= length
        start = part.start + number * _MINUTE
        begin, end = self._ticks_until(start + _MINUTE)
        recorded = self._recorded
        return [
            Tick(recorded.seconds[at] - start, recorded.prices[at], recorded.volumes[at]) for at in range(begin, end)
        ] or None
