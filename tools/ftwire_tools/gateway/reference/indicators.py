"""Technical indicators over closing prices, for screens and for indicator calculation.

Each returns a value for every price, ``nan`` where there are too few before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ftwire_tools.synthetic.trading_day import Bar

__all__ = ["Series", "bollinger", "ema", "kdj", "macd", "rsi", "sma"]

Series = list[float]


class Three(NamedTuple):
    """Three lines of one indicator."""

    first: Series
    second: Series
    third: Series


def sma(prices: Sequence[float], count: int) -> Series:
    """Return the mean of the last ``count`` prices."""
    found, total = [], 0.0
    for at, price in enumerate(prices):
        total += price - (prices[at - count] if at >= count else 0.0)
        found.append(total / count if at >= count - 1 else math.nan)
    return found


def ema(prices: Sequence[float], count: int) -> Series:
    """Return the exponential mean, whose newest price weighs ``2 / (count + 1)``."""
    found: Series = []
    for price in prices:
        found.append(price if not found else found[-1] + (price - found[-1]) * 2 / (count + 1))
    return found


def rsi(prices: Sequence[float], count: int = 12) -> Series:
    """Return the relative strength: gains in percent of all changes, smoothed as the vendor's charts do."""
    found: Series = [math.nan] if prices else []
    gain = change = 0.0
    for before, after in pairwise(prices):
        gain = (max(0.0, after - before) + (count - 1) * gain) / count
        change = (abs(after - before) + (count - 1) * change) / count
        found.append(gain / change * 100 if change else 50.0)
    return found


def macd(prices: Sequence[float], short: int = 12, long: int = 26, signal: int = 9) -> Three:
    """Return DIFF, DEA, and twice their difference."""
    diff = [fast - slow for fast, slow in zip(ema(prices, short), ema(prices, long), strict=True)]
    dea = ema(diff, signal)
    return Three(diff, dea, [2 * (one - other) for one, other in zip(diff, dea, strict=True)])


def kdj(bars: Sequence[Bar], count: int = 9, smooth_k: int = 3, smooth_d: int = 3) -> Three:
    """Return K, D and J."""
    k, d = 50.0, 50.0
    found = Three([], [], [])
    for at, bar in enumerate(bars):
        window = bars[max(0, at - count + 1) : at + 1]
        low, high = min(each.low for each in window), max(each.high for each in window)
        raw = (bar.close - low) / (high - low) * 100 if high > low else 50.0
        k = (raw + (smooth_k - 1) * k) / smooth_k
        d = (k + (smooth_d - 1) * d) / smooth_d
        for line, value in zip(found, (k, d, 3 * k - 2 * d), strict=True):
            line.append(value)
    return found


def bollinger(prices: Sequence[float], count: int = 20, width: float = 2) -> Three:
    """Return the upper, the middle and the lower band."""
    middle = sma(prices, count)
    spread = []
    for at, mean in enumerate(middle):
        window = prices[max(0, at - count + 1) : at + 1]
        spread.append(math.sqrt(sum((price - mean) ** 2 for price in window) / count))
    return Three(
        [mean + width * away for mean, away in zip(middle, spread, strict=True)],
        middle,
        [mean - width * away for mean, away in zip(middle, spread, strict=True)],
    )
