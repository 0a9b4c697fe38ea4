"""Ticks: the smallest difference of two prices, which at most exchanges depends on the price.

Hong Kong's steps are those of HKEX before the reform of 2025, the US ones are in the vendor's questions and answers on
orders, Singapore's, Tokyo's and Kuala Lumpur's are those that the exchanges publish for ordinary shares.
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ["TICK_RULES", "TickRule", "is_on_tick", "parse_tick_rule", "tick_at"]

TickRule = tuple[tuple[float, float], ...]
"""Steps, in order: prices below the first number of a step have its second as their tick."""

TICK_RULES: Final[dict[str, TickRule]] = {
    "HK": (
        (0.25, 0.001),
        (0.5, 0.005),
        (10, 0.01),
        (20, 0.02),
        (100, 0.05),
        (200, 0.1),
        (500, 0.2),
        (1000, 0.5),
        (2000, 1),
        (5000, 2),
        (math.inf, 5),
    ),
    "US": ((1, 0.0001), (math.inf, 0.01)),
    "US_OPTION": ((3, 0.01), (math.inf, 0.05)),
    "SG": ((0.2, 0.001), (1, 0.005), (math.inf, 0.01)),
    "JP": ((3000, 1), (5000, 5), (30_000, 10), (50_000, 50), (math.inf, 100)),
    "MY": ((1, 0.005), (10, 0.01), (100, 0.02), (math.inf, 0.1)),
}
"""Rules by name."""


def parse_tick_rule(text: str) -> TickRule:
    """Return the rule of a name in ``TICK_RULES``, or that of one tick for all prices. Raises ``ValueError``."""
    if text in TICK_RULES:
        return TICK_RULES[text]
    try:
        tick = float(text)
    except ValueError:
        tick = 0.0
    if not 0 < tick < math.inf:
        raise ValueError(f"{text!r} is no tick: give a number above 0, or one of {', '.join(TICK_RULES)}")
    return ((math.inf, tick),)


def tick_at(rule: TickRule, price: float) -> float:
    """Return the tick at a price."""
    return next(tick for below, tick in rule if price < below)


def is_on_tick(rule: TickRule, price: float) -> bool:
    """Return whether a price is a whole number of ticks, up to what binary fractions lose."""
    ticks = price / tick_at(rule, price)
    return abs(ticks - round(ticks)) < 1e-6
