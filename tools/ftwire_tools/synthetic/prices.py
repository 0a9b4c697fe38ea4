"""Prices as a function of time: what an instrument was traded at, at any moment, from a seed.

Nothing is simulated step by step. A day's close follows from the seed, the instrument and the day; so do the other
prices of the day; its minutes are a path within them, and the trades of a minute a path within that. Whatever is asked
for first, the same seed has the same result, and each level adds up exactly to the one above: minutes have the open,
high, low, close, volume and turnover of their day, trades the prices and the volume of their minute.

Prices are whole numbers here, in units of a ten-thousandth. All are legal: a whole number of the ticks that count at
that price.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Callable
from datetime import date, timedelta
from functools import cache, lru_cache
from random import Random
from typing import Final, NamedTuple, Protocol

from ftwire_tools.markets.sessions import Hours, Session
from ftwire_tools.markets.ticks import TickRule
from ftwire_tools.synthetic.corporate_actions import CorporateAction

__all__ = [
    "ANCHOR",
    "UNIT",
    "Character",
    "Days",
    "DerivedDays",
    "GivenMinutes",
    "Ladder",
    "MadeUpMinutes",
    "Minutes",
    "Movement",
    "PriceBar",
    "RandomDays",
    "Tick",
    "minutes_in",
    "minutes_of",
    "ticks_of",
    "trades_in",
]

UNIT: Final = 10_000
"""Units of a price of 1."""
ANCHOR: Final = date(2024, 6, 11)
"""The day whose close is the last close that listings have."""
QUANTUM: Final = 4
"""Lots that are traded in a minute at least: enough to have an open, a high, a low and a close."""
MINUTE: Final = 60
_YEAR: Final = 252
"""Trading days."""
_ANY: Final = 1 << 62
_KEPT_BARS: Final = 512
_PULL: Final = 0.004
"""Share of its distance from the trend that a price loses in a day."""
_TILTS: Final = 8
"""Most steps by which volumes are shifted towards the average price of their day."""
_MOST_TILTED: Final = 10.0
"""Logarithm of the most by which one of these steps changes the volume of a minute."""
_MOST_AWAY: Final = 1.5
"""Logarithm of the most that a price is away from its trend."""


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


class Movement(NamedTuple):
    """Random numbers of a day, from which its prices follow."""

    gap: float
    up: float
    down: float
    volume: float
    after: float
    night: float
    wide: float


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


def _seeded(seed: int, *what: object) -> Random:
    return Random("/".join(map(str, (seed, *what))))  # noqa: S311 - reproducible, not secret


def least_volume(hours: Hours, day: date, session: Session, lot: int) -> int:
    """Return the least volume of a session, with which something is traded in every minute."""
    return QUANTUM * lot * hours.minutes(day, session)


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
        moved = away * (1 - _PULL) + self.character.daily * _seeded(self._seed, self.character.key, day, "close").gauss(
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
        drawn = _seeded(self._seed, self.character.key, day, "day")
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


class _Close(NamedTuple):
    """A close, and what those next to it follow from."""

    price: int
    away: float
    """Logarithm of its distance from the trend."""
    a: float
    """With ``b``: what turns a price without corporate actions since the anchor into the price of the day."""
    b: float


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


@cache
def _profile(count: int) -> tuple[float, ...]:
    """Return how much is traded in each minute of a session of ``count``: most at its beginning and its end."""
    return tuple(1 + 2.5 * math.exp(-minute / 12) + 1.5 * math.exp(-(count - minute) / 8) for minute in range(count))


def minutes_of(days: Days, seed: int, day: date, session: Session) -> Minutes:
    """Return the minutes of a session of a trading day."""
    given = days.given(day, session)
    return minutes_in(days, seed, day, session, days.bar(day, session)) if given is None else given.minutes


def minutes_in(days: Days, seed: int, day: date, session: Session, bar: PriceBar) -> Minutes:
    """Return minutes that a session of a trading day may have had, which add up to its bar."""
    count = days.hours.minutes(day, session)
    if not count:
        return Minutes(*(array("q") for _ in Minutes._fields))
    legal = days.ladder.legal_within(bar.low, bar.high)
    drawn = _seeded(seed, days.character.key, day, session.value, "minutes")
    closes = _path(drawn, count, bar, legal, days.character.sign)
    opens = [bar.open, *closes[:-1]]
    reach = (bar.high - bar.low) * 0.06
    highs, lows = [], []
    for opened, close in zip(opens, closes, strict=True):
        above, below = drawn.random(), drawn.random()
        highs.append(min(bar.high, legal(max(opened, close) + reach * above * above)))
        lows.append(max(bar.low, legal(min(opened, close) - reach * below * below)))
    highs[max(range(count), key=highs.__getitem__)] = bar.high
    lows[min(range(count), key=lows.__getitem__)] = bar.low
    prices = [sum(each) / 4 for each in zip(opens, highs, lows, closes, strict=True)]
    lot = days.character.lot
    if bar.volume >= least_volume(days.hours, day, session, lot):
        volumes = _volumes(drawn, prices, bar, lot)
    else:
        volumes = _shared(bar.volume, list(_profile(count)), lot, 0)
    turnovers = _turnovers(prices, volumes, bar.turnover)
    return Minutes(*(array("q", column) for column in (opens, highs, lows, closes, volumes, turnovers)))


def _path(drawn: Random, count: int, bar: PriceBar, legal: Callable[[float], int], sign: int) -> list[int]:
    """Return the closes of ``count`` minutes: a random path from the open to the close, between low and high."""
    walk, total = [], 0.0
    for _ in range(count):
        total += sign * drawn.gauss(0, 1)
        walk.append(total)
    slope = (bar.close - bar.open) / count
    middle = [bar.open + slope * number for number in range(1, count + 1)]
    away = [at - total * number / count for number, at in enumerate(walk, 1)]
    # Above and below the straight line, the path is stretched as far as high and low allow.
    up = min(((bar.high - mid) / far for mid, far in zip(middle, away, strict=True) if far > 1e-9), default=0.0)
    down = min(((bar.low - mid) / far for mid, far in zip(middle, away, strict=True) if far < -1e-9), default=0.0)
    high, low = bar.high, bar.low
    closes = [
        min(high, max(low, legal(mid + far * (up if far > 0 else down)))) for mid, far in zip(middle, away, strict=True)
    ]
    closes[-1] = bar.close
    return closes


def _volumes(drawn: Random, prices: list[float], bar: PriceBar, lot: int) -> list[int]:
    """Return volumes that add up to that of the bar, such that their average price is near that of the bar."""
    weights = [share * (0.3 + drawn.random()) for share in _profile(len(prices))]
    target = bar.turnover / bar.volume
    for _ in range(_TILTS):
        total = sum(weights)
        mean = sum(map(float.__mul__, weights, prices)) / total
        spread = sum(weight * (price - mean) ** 2 for weight, price in zip(weights, prices, strict=True)) / total
        if spread <= 0 or abs(target - mean) < 0.01:
            break
        # The first step of Newton's method for weights times exp(tilt * price), not too far at once.
        tilt = max(-1.0, min(1.0, (target - mean) / math.sqrt(spread))) / math.sqrt(spread)
        weights = [
            weight * math.exp(max(-_MOST_TILTED, min(tilt * (price - mean), _MOST_TILTED)))
            for weight, price in zip(weights, prices, strict=True)
        ]
    return _balanced(prices, _shared(bar.volume, weights, lot, QUANTUM), bar.turnover, lot)


def _balanced(prices: list[float], volumes: list[int], turnover: int, lot: int) -> list[int]:
    """Move whole lots between minutes until prices times volumes are a turnover, as nearly as whole lots can be."""
    lacking = turnover - sum(map(float.__mul__, prices, map(float, volumes)))
    order = sorted(range(len(prices)), key=prices.__getitem__, reverse=lacking < 0)
    lacking, first, last = abs(lacking), 0, len(order) - 1
    # From the far end of the prices to the other, as many lots as are needed.
    while first < last and (step := abs(prices[order[last]] - prices[order[first]]) * lot) > 0 and lacking >= step:
        source = order[first]
        moved = min(int(lacking // step), volumes[source] // lot - QUANTUM)
        volumes[source] -= moved * lot
        volumes[order[last]] += moved * lot
        lacking -= moved * step
        first += 1
    # And one more, between the two whose prices differ by what is left.
    wanted = lacking / lot
    ranked = [abs(prices[number] - prices[order[0]]) for number in order]
    best, pair = wanted, None
    for place in range(first, len(order)):
        other = min(bisect_left(ranked, ranked[place] + wanted), len(order) - 1)
        error = abs(ranked[other] - ranked[place] - wanted)
        if error < best and volumes[order[place]] > QUANTUM * lot:
            best, pair = error, (order[place], order[other])
    if pair is not None:
        volumes[pair[0]] -= lot
        volumes[pair[1]] += lot
    return volumes


def _shared(volume: int, weights: list[float], lot: int, least: int) -> list[int]:
    """Divide a volume in proportion to weights, in whole lots, each at least ``least``."""
    lots = volume // lot - least * len(weights)
    scale, so_far, given, found = lots / sum(weights), 0.0, 0, []
    for weight in weights:
        so_far += weight
        upto = min(lots, round(so_far * scale))
        found.append((least + upto - given) * lot)
        given = upto
    found[-1] += (lots - given) * lot
    return found


def _turnovers(prices: list[float], volumes: list[int], turnover: int) -> list[int]:
    """Return turnovers near price times volume that add up to a turnover."""
    plain = [price * volume for price, volume in zip(prices, volumes, strict=True)]
    scale, so_far, given, found = turnover / (sum(plain) or 1.0), 0.0, 0, []
    for each in plain:
        so_far += each
        upto = round(so_far * scale)
        found.append(upto - given)
        given = upto
    found[-1] += turnover - given
    return found


def trades_in(lots: int, session: Session) -> int:
    """Return in how many trades the lots of a minute are traded: one a second at most, fewer outside regular hours.

    What has prices and no volume, such as an index, has trades without volume: one for open, high, low and close each.
    """
    return min(lots, MINUTE if session is Session.REGULAR else MINUTE // 4) or QUANTUM


def ticks_of(days: Days, seed: int, day: date, session: Session, number: int, minute: PriceBar) -> list[Tick]:
    """Return the trades of the minute with this number in its session.

    Those that are not given are at most one in a second, and the first of them is at the minute's beginning.
    """
    given = days.given_ticks(day, session, number)
    if given is not None:
        return given
    lot = days.character.lot
    count = trades_in(minute.volume // lot, session)
    if count < QUANTUM:
        return _few_ticks(count, minute)
    drawn = _seeded(seed, days.character.key, day, session.value, number)
    seconds = range(count) if count == MINUTE else [0, *sorted(drawn.sample(range(1, MINUTE), count - 1))]
    high, low = minute.high, minute.low
    legal = days.ladder.legal_within(low, high)
    slope = (minute.close - minute.open) / (count - 1)
    reach = (high - low) / 2
    prices = [
        min(high, max(low, legal(minute.open + slope * place + reach * (drawn.random() - 0.5))))
        for place in range(count)
    ]
    prices[0], prices[-1] = minute.open, minute.close
    top = drawn.randrange(1, count - 1)
    bottom = drawn.randrange(1, count - 2)
    prices[top] = high
    prices[bottom + (bottom >= top)] = low
    least = 1 if minute.volume else 0
    volumes = _shared(minute.volume, [0.1 + drawn.random() for _ in range(count)], lot, least)
    return list(map(Tick, seconds, prices, volumes))


def _few_ticks(count: int, minute: PriceBar) -> list[Tick]:
    """Return one, two or three trades of a minute, too few for its open, high, low and close: its last prices."""
    farthest = max(minute.high, minute.low, key=lambda price: abs(price - minute.open))
    prices = (minute.open, farthest, minute.close)
    chosen = prices if count == len(prices) else (prices[0], prices[-1])[-count:]
    each = minute.volume // count
    volumes = [each] * (count - 1) + [minute.volume - each * (count - 1)]
    return [Tick(MINUTE * place // count, *one) for place, one in enumerate(zip(chosen, volumes, strict=True))]
