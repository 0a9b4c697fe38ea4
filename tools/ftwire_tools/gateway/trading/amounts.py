"""Amounts of money, prices and quantities as exact decimals.

Messages carry doubles. What comes in is turned into the decimal that a person would have written; sums are computed
with decimals, so that no cent appears or vanishes; what goes out is a double again.
"""

from __future__ import annotations

import math
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Final

__all__ = ["CENT", "ZERO", "cents", "exact", "in_lots", "ratio"]

ZERO: Final = Decimal(0)
CENT: Final = Decimal("0.01")
DIGITS: Final = 9
"""Decimals of the finest price: those of futures."""
_LARGEST: Final = 1e15
"""Above, doubles have no cents."""


@lru_cache(maxsize=4096)  # the levels of a book come again in each second
def exact(value: float) -> Decimal:
    """Return a double as a decimal of at most nine places. Raises ``ValueError`` for what is no amount."""
    if not math.isfinite(value) or abs(value) > _LARGEST:
        raise ValueError(f"{value} is not an amount")
    return Decimal(repr(round(float(value), DIGITS)))


def cents(amount: Decimal) -> Decimal:
    """Round to whole cents, halves away from zero."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def in_lots(quantity: Decimal, lot: Decimal) -> Decimal:
    """Return the largest multiple of ``lot`` that is not above a quantity."""
    return (quantity / lot).to_integral_value(ROUND_FLOOR) * lot


def ratio(part: Decimal, whole: Decimal) -> Decimal:
    """Return ``part / whole``, 0 where there is no whole."""
    return part / whole if whole else ZERO
