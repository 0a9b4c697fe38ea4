"""Fees of real accounts, as the broker and the exchanges publish them (mid 2024), by product.

Titles are those of ``Trd_GetOrderFee``. Commission and platform fee count per order, so that the fees of an order
depend on all its fills together. Paper accounts pay none. The tariffs of futures and crypto are simplified.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Final, NamedTuple

from ftwire_tools.gateway.trading.amounts import CENT, ZERO, cents
from ftwire_tools.gateway.trading.order_types import Product
from ftwire_tools.gateway.trading.venue import Instrument, Kind
from ftwire_tools.synthetic.universe import Kind as SecurityType

__all__ = ["FeeItem", "fee_items", "total_fee"]

STAMP_DUTY: Final = "Stamp Duty"
_D: Final = Decimal


class FeeItem(NamedTuple):
    """One fee."""

    title: str
    amount: Decimal


def _at_least(amount: Decimal, least: str) -> Decimal:
    return max(cents(amount), _D(least))


def fee_items(instrument: Instrument, product: Product, qty: Decimal, value: Decimal, *, sells: bool) -> list[FeeItem]:
    """Return the fees of an order whose fills are of this quantity and value, in the instrument's currency."""
    if qty <= 0:
        return []
    if product is Product.HK_STOCK:
        found = _hong_kong(value)
    elif product is Product.US and instrument.kind is Kind.STOCK:
        found = _us_stock(qty, value, sells=sells)
    elif product is Product.US and instrument.kind is Kind.OPTION:
        found = _us_option(qty, value, sells=sells)
    elif product is Product.CN:
        found = _connect(value, sells=sells)
    elif product is Product.HK_OPTION:
        found = [
            ("Commission", _at_least(value * _D("0.002"), "3")),
            ("Platform Fee", _D(15)),
            ("Trading Fee", cents(qty * 3)),
        ]
    elif instrument.kind is Kind.FUTURE:
        found = [("Commission", cents(qty * _D("1.99"))), ("Exchange Fee", cents(qty * _D("2.00")))]
    elif instrument.kind is Kind.CRYPTO:
        found = [("Commission", _at_least(value * _D("0.0008"), "1.99"))]
    else:
        found = [("Commission", _at_least(value * _D("0.0003"), "0.99"))]
    pays_duty = instrument.security_type == SecurityType.STOCK  # funds and warrants are exempt
    return [FeeItem(title, amount) for title, amount in found if pays_duty or title != STAMP_DUTY]


def total_fee(instrument: Instrument, product: Product, qty: Decimal, value: Decimal, *, sells: bool) -> Decimal:
    """Return the sum of the fees."""
    return sum((item.amount for item in fee_items(instrument, product, qty, value, sells=sells)), ZERO)


def _hong_kong(value: Decimal) -> list[tuple[str, Decimal]]:
    settlement = min(max(cents(value * _D("0.00002")), _D(2)), _D(100))
    return [
        ("Commission", _at_least(value * _D("0.0003"), "3")),
        ("Platform Fee", _D(15)),
        ("Settlement Fee", settlement),
        (STAMP_DUTY, (value * _D("0.001")).to_integral_value(ROUND_CEILING)),
        ("Trading Fee", _at_least(value * _D("0.0000565"), "0.01")),
        ("SFC Levy", _at_least(value * _D("0.000027"), "0.01")),
        ("FRC Levy", cents(value * _D("0.0000015"))),
    ]


def _us_stock(qty: Decimal, value: Decimal, *, sells: bool) -> list[tuple[str, Decimal]]:
    most = max(cents(value * _D("0.005")), CENT)
    found = [
        ("Commission", min(_at_least(qty * _D("0.0049"), "0.99"), most)),
        ("Platform Fee", min(_at_least(qty * _D("0.005"), "1"), most)),
        ("Settlement Fee", cents(qty * _D("0.003"))),
    ]
    if sells:
        found += [
            ("SEC Fee", _at_least(value * _D("0.0000278"), "0.01")),
            ("TAF", min(_at_least(qty * _D("0.000166"), "0.01"), _D("8.30"))),
        ]
    return found


def _us_option(qty: Decimal, value: Decimal, *, sells: bool) -> list[tuple[str, Decimal]]:
    found = [
        ("Commission", _at_least(qty * _D("0.65"), "1.99")),
        ("Platform Fee", cents(qty * _D("0.30"))),
        ("Option Regulatory Fee", cents(qty * _D("0.012"))),
        ("Option Clearing Fee", min(cents(qty * _D("0.02")), _D(55))),
        ("Option Settlement Fee", cents(qty * _D("0.18"))),
    ]
    if sells:
        found += [
            ("SEC Fee", _at_least(value * _D("0.0000278"), "0.01")),
            ("TAF", _at_least(qty * _D("0.00279"), "0.01")),
        ]
    return found


def _connect(value: Decimal, *, sells: bool) -> list[tuple[str, Decimal]]:
    found = [
        ("Commission", _at_least(value * _D("0.0003"), "3")),
        ("Platform Fee", _D(15)),
        ("Handling Fee", _at_least(value * _D("0.0000341"), "0.01")),
        ("Securities Management Fee", _at_least(value * _D("0.00002"), "0.01")),
        ("Transfer Fee", _at_least(value * _D("0.00003"), "0.01")),
    ]
    if sells:
        found.append((STAMP_DUTY, _at_least(value * _D("0.0005"), "0.01")))
    return found
