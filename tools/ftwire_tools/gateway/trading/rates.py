"""Rates of exchange between the currencies of accounts: fixed ones, about those of June 2024."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from ftwire_tools.gateway.trading.texts import TradeError

__all__ = ["CNH", "CURRENCIES", "HKD", "HKD_PER_UNIT", "JPY", "SGD", "USD", "converted"]

HKD, USD, CNH, JPY, SGD, AUD, CAD, MYR = range(1, 9)

HKD_PER_UNIT: Final = {
    HKD: Decimal(1),
    USD: Decimal("7.81"),
    CNH: Decimal("1.075"),
    JPY: Decimal("0.0497"),
    SGD: Decimal("5.78"),
    AUD: Decimal("5.20"),
    CAD: Decimal("5.70"),
    MYR: Decimal("1.66"),
}
"""``Trd_Common.Currency`` to Hong Kong dollars for one unit."""

CURRENCIES: Final = tuple(HKD_PER_UNIT)


def converted(amount: Decimal, source: int, target: int) -> Decimal:
    """Return an amount in another currency, not rounded. Raises ``TradeError`` for a currency without rate."""
    if source == target:
        return amount
    for currency in (source, target):
        if currency not in HKD_PER_UNIT:
            raise TradeError("no_rate", currency=currency)
    return amount * HKD_PER_UNIT[source] / HKD_PER_UNIT[target]
