"""What is done to an instrument's price from outside: held at a value, moved, halted.

Prices are a function of time (``prices``), and so is what is done to them: each change counts from its own second on,
in each trade and minute after it, and what was before it stays as it was. Closes of days that are over, and with them
the next day's last close, are those of the unsteered market, as are instruments derived from this one.

Prices are in units of ``prices.UNIT``, times in seconds since 1970.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from datetime import date
from typing import Final, NamedTuple

from ftwire_tools.markets.sessions import Session
from ftwire_tools.synthetic.minute_prices import ticks_of
from ftwire_tools.synthetic.prices import Days, Minutes, Tick
from ftwire_tools.synthetic.trading_session import MinuteTicks, SessionMinutes

__all__ = ["PriceSteering"]

MOST_CHANGES: Final = 20_000
"""Most changes of one price that are kept: above, the oldest is forgotten, and bars of that time are as by itself."""
KEPT_SESSIONS: Final = 64
KEPT_MINUTES: Final = 1024


class _Segment(NamedTuple):
    """What counts from a second on, until the next segment."""

    since: int
    held: int | None
    """The price, whatever it would be; ``None`` where it moves."""
    factor: float
    """By what the price is multiplied where it moves."""


class PriceSteering:
    """The changes to one instrument's price so far."""

    def __init__(self, days: Days, seed: int) -> None:
        self._days: Final = days
        self._seed: Final = seed
        self._segments: Final[list[_Segment]] = []
        self._sinces: list[int] = []  # when each of them begins
        self._minutes: Final[dict[tuple[date, Session], SessionMinutes]] = {}
        self._ticks: Final[dict[tuple[date, Session, int], MinuteTicks]] = {}
        self.halted_at: int | None = None
        """The second at which it was halted; ``None`` where it is traded."""
        self._before_halt = _Segment(0, None, 1.0)

    @property
    def is_untouched(self) -> bool:
        """Whether nothing has been done to the price."""
        return not self._segments

    # What is done

    def hold(self, now: int, price: int) -> None:
        """Hold the price at a value."""
        self._add(_Segment(now, price, 1.0))

    def move(self, now: int, base: int, price: int) -> None:
        """Set the price to a value that it moves on from; it would be ``base`` by itself."""
        self._add(_Segment(now, None, price / base))

    def spike(self, now: int, base: int, price: int, seconds: int) -> None:
        """Set the price to a value, and undo that after some seconds."""
        before = self._at(now)
        self.move(now, base, price)
        self._append(before._replace(since=now + max(seconds, 1)))

    def release(self, now: int, base: int) -> None:
        """Let a held price move again, from where it is; it would be ``base`` by itself."""
        held = self.held_at(now)
        if held is not None:
            self.move(now, base, held)

    def halt(self, now: int, price: int) -> None:
        """Let the price stand, and nothing be traded."""
        if self.halted_at is None:
            self.halted_at, self._before_halt = now, self._at(now)
            self.hold(now + 1, price)

    def resume(self, now: int, base: int) -> None:
        """Trade again, from the price that stood; it would be ``base`` by itself."""
        if self.halted_at is None:
            return
        self.halted_at = None
        if self._before_halt.held is not None:
            self.hold(now, self._before_halt.held)
        else:
            self.release(now, base)

    def held_at(self, second: int) -> int | None:
        """Return the price that it is held at at a second, ``None`` where it is not."""
        return self._at(second).held

    # What follows

    def price_at(self, second: int, price: int) -> int:
        """Return the price at a second, where it would be ``price`` by itself."""
        found = self._at(second)
        if found.held is not None:
            return found.held
        return price if found.factor == 1.0 else self._days.ladder.legal(price * found.factor)

    def minutes(self, base: SessionMinutes) -> SessionMinutes:
        """Return the minutes of a session as they are steered."""
        if not base.ends or base.ends[-1] <= self._segments[0].since:
            return base
        key = base.day, base.session
        found = self._minutes.get(key)
        if found is None:
            if len(self._minutes) >= KEPT_SESSIONS:
                self._minutes.clear()
            columns, counts = self._steered(base)
            found = self._minutes[key] = SessionMinutes(self._days, self._seed, *key, minutes=columns, counts=counts)
        return found

    def ticks(self, base: SessionMinutes, number: int) -> MinuteTicks:
        """Return the trades of a minute as they are steered; ``base`` are the minutes that are not."""
        key = base.day, base.session, number
        found = self._ticks.get(key)
        if found is None:
            if len(self._ticks) >= KEPT_MINUTES:
                self._ticks.clear()
            found = self._ticks[key] = MinuteTicks(self._steered_ticks(base, number))
        return found

    def _steered(self, base: SessionMinutes) -> tuple[Minutes, dict[int, int]]:
        """Return the minutes, and how many trades there are in those in which a change begins."""
        counts: dict[int, int] = {}
        columns = Minutes(*(array("q", column) for column in base.minutes))
        opens, highs, lows, closes, volumes, turnovers = columns
        for number in range(bisect_right(base.ends, self._segments[0].since), len(base.ends)):
            end = base.ends[number]
            start = end - 60
            if self._changes(start, end):
                ticks = self._steered_ticks(base, number)
                counts[number] = len(ticks)
                prices = [tick.price for tick in ticks]
                opens[number], closes[number] = prices[0], prices[-1]
                highs[number], lows[number] = max(prices), min(prices)
                volumes[number] = sum(tick.volume for tick in ticks)
                turnovers[number] = sum(tick.price * tick.volume for tick in ticks)
                continue
            before = closes[number]
            for column in (opens, highs, lows, closes):
                column[number] = self.price_at(start, column[number])
            turnovers[number] = turnovers[number] * closes[number] // before
        return columns, counts

    def _steered_ticks(self, base: SessionMinutes, number: int) -> list[Tick]:
        start = base.ends[number] - 60
        made = ticks_of(self._days, self._seed, base.day, base.session, number, base.minutes.bar(number))
        first, last = bisect_left(self._sinces, start), bisect_left(self._sinces, start + 60)
        changes = [since - start for since in self._sinces[first:last]]
        by_second = {tick.second: tick for tick in made}
        for second in changes:
            if second not in by_second:
                # A change is a trade of one lot, so that it is seen at once.
                place = max(bisect_right(made, second, key=lambda tick: tick.second) - 1, 0)
                before = made[place].price if made else base.minutes.closes[number]
                by_second[second] = Tick(second, before, self._days.character.lot)
        return [
            tick._replace(price=self.price_at(start + second, tick.price)) for second, tick in sorted(by_second.items())
        ]

    def _changes(self, start: int, end: int) -> bool:
        """Return whether a change begins between two seconds."""
        return bisect_left(self._sinces, end) > bisect_left(self._sinces, start)

    def _at(self, second: int) -> _Segment:
        at = bisect_right(self._sinces, second)
        return self._segments[at - 1] if at else _Segment(second, None, 1.0)

    def _add(self, segment: _Segment) -> None:
        """Add what counts from a second on, in place of what was to come after it."""
        while self._sinces and self._sinces[-1] >= segment.since:
            self._segments.pop()
            self._sinces.pop()
        self._append(segment)

    def _append(self, segment: _Segment) -> None:
        self._segments.append(segment)
        self._sinces.append(segment.since)
        if len(self._segments) > MOST_CHANGES:
            del self._segments[0], self._sinces[0]
        self._forget()

    def _forget(self) -> None:
        self._minutes.clear()
        self._ticks.clear()
