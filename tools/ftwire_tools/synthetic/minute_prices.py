"""What a trading session is made of: minutes that add up to its bar, and trades that add up to their minute."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Callable
from datetime import date
from functools import cache
from random import Random
from typing import Final

from ftwire_tools.markets.sessions import Session
from ftwire_tools.synthetic.prices import QUANTUM, Days, Minutes, PriceBar, Tick, least_volume, seeded

__all__ = ["minutes_in", "minutes_of", "ticks_of", "trades_in"]

MINUTE: Final = 60
_TILTS: Final = 8
"""Most steps by which volumes are shifted towards the average price of their day."""
_MOST_TILTED: Final = 10.0
"""Logarithm of the most by which one of these steps changes the volume of a minute."""


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
    drawn = seeded(seed, days.character.key, day, session.value, "minutes")
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


@cache
def _profile(count: int) -> tuple[float, ...]:
    """Return how much is traded in each minute of a session of ``count``: most at its beginning and its end."""
    return tuple(1 + 2.5 * math.exp(-minute / 12) + 1.5 * math.exp(-(count - minute) / 8) for minute in range(count))


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
    drawn = seeded(seed, days.character.key, day, session.value, number)
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
