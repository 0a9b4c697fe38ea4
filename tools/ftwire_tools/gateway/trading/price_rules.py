"""Which prices and quantities an exchange or the broker takes: decimals, ticks, bands, lots, caps.

Sources: the vendor's pages on placing orders (decimals) and questions Q9 (caps) and Q14 (adjustment); ticks are
those of ``ftwire_tools.markets.ticks``; the daily limit of ten per cent for A-shares (twenty on STAR and ChiNext),
and HKEX's refusal of prices nine times away from the nominal one.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Final

from ftwire_tools.gateway.trading.amounts import ZERO, cents, exact
from ftwire_tools.gateway.trading.order_types import SecurityFirm
from ftwire_tools.gateway.trading.texts import TradeError
from ftwire_tools.gateway.trading.venue import Instrument, Kind, SecMarket
from ftwire_tools.markets.ticks import tick_at

__all__ = [
    "adjusted",
    "band",
    "check_price",
    "check_quantity",
    "check_size",
    "decimals_of",
    "moved",
    "rounded",
    "tick_of",
]

MOST_PRICE: Final = Decimal(100_000_000)
"""Prices are below this: they have eight digits before the point (vendor's page on placing orders)."""
MOST_QUANTITY: Final = Decimal(1_000_000_000)
"""Quantities are below this."""
_DOLLAR: Final = Decimal(1)
_THREE_PLACES: Final = Decimal("0.001")


def tick_of(instrument: Instrument, price: Decimal) -> Decimal:
    """Return the smallest difference of two prices at a price."""
    return exact(tick_at(instrument.tick_rule, float(price)))


def rounded(instrument: Instrument, price: Decimal) -> Decimal:
    """Return a price as the broker takes it: with three decimals, halves away from zero.

    Prices of the US, of futures and of crypto are left as they are, and refused where they have too many decimals.
    """
    if instrument.kind in {Kind.FUTURE, Kind.CRYPTO} or instrument.sec_market == SecMarket.US:
        return price
    return price.quantize(_THREE_PLACES, ROUND_HALF_UP)


def decimals_of(instrument: Instrument, price: Decimal) -> int:
    """Return how many decimals a price may have."""
    if instrument.kind in {Kind.FUTURE, Kind.CRYPTO}:
        return 9
    if instrument.sec_market == SecMarket.US:
        return 4 if instrument.kind is Kind.STOCK and price < _DOLLAR else 2
    return 3


def moved(instrument: Instrument, price: Decimal, ticks: int) -> Decimal:
    """Return the price so many ticks away, never one below the smallest."""
    tick = tick_of(instrument, price)
    return max(price + ticks * tick, tick) if instrument.kind is not Kind.FUTURE else price + ticks * tick


def adjusted(instrument: Instrument, price: Decimal, side_and_limit: Decimal) -> Decimal:
    """Return the next legal price: above for a positive limit, below for a negative one.

    Raises ``TradeError`` where the move is more than the limit's share of the price. Prices of futures stay.
    """
    if instrument.kind is Kind.FUTURE or not side_and_limit:
        return price
    found = _on_tick(instrument, price, ROUND_CEILING if side_and_limit > 0 else ROUND_FLOOR)
    if abs(found - price) > abs(side_and_limit) * abs(price):
        raise TradeError("adjust")
    return found


def band(
    instrument: Instrument, reference: Decimal, last: Decimal, *, is_paper: bool
) -> tuple[Decimal, Decimal] | None:
    """Return the lowest and the highest price that the exchange takes, ``None`` for any.

    Paper accounts have the daily limits, and not the refusals of Hong Kong's exchange, which never sees their orders.
    """
    if instrument.is_chinese and instrument.kind is Kind.STOCK:
        share = Decimal("0.2") if instrument.code.startswith(("688", "300", "301")) else Decimal("0.1")
        return cents(reference * (1 - share)), cents(reference * (1 + share))
    if instrument.sec_market == SecMarket.HK and instrument.kind is Kind.STOCK and not is_paper:
        return _on_tick(instrument, last / 9, ROUND_CEILING), _on_tick(instrument, last * 9, ROUND_FLOOR)
    return None


def _on_tick(instrument: Instrument, price: Decimal, rounding: str) -> Decimal:
    tick = tick_of(instrument, price)
    return (price / tick).to_integral_value(rounding) * tick


def check_price(instrument: Instrument, price: Decimal, *, is_trigger: bool = False) -> None:
    """Raise ``TradeError`` for a price that no order may have. Triggers need not lie on a tick."""
    if abs(price) >= MOST_PRICE or (price <= ZERO and instrument.kind is not Kind.FUTURE):
        raise TradeError("price")
    digits = decimals_of(instrument, price)
    if price != round(price, digits):
        raise TradeError("precision", digits=digits)
    tick = tick_of(instrument, price)
    if not is_trigger and price % tick:
        raise TradeError("tick", tick=tick)


def check_quantity(instrument: Instrument, quantity: Decimal, *, sells: bool) -> None:
    """Raise ``TradeError`` for a quantity that is out of range or not in lots. Odd lots of A-shares may be sold."""
    lot = Decimal(1) if sells and instrument.is_chinese else instrument.lot
    if quantity >= MOST_QUANTITY:
        raise TradeError("quantity_cap", cap=MOST_QUANTITY)
    if quantity <= ZERO or quantity % lot:
        raise TradeError("quantity", lot=instrument.lot)


def check_size(instrument: Instrument, firm: int, quantity: Decimal, value: Decimal) -> None:
    """Raise ``TradeError`` for an order that is larger than the firm takes."""
    most: Decimal | None = None
    worth: Decimal | None = None
    market, kind = instrument.sec_market, instrument.kind
    if market == SecMarket.HK and kind is not Kind.STOCK:
        most = Decimal(3_000)
    elif instrument.is_chinese and firm == SecurityFirm.FUTUSECURITIES:
        most, worth = Decimal(1_000_000), Decimal(5_000_000)
    elif instrument.is_us_stock and firm:
        most = Decimal(500_000)
        worth = Decimal(10_000_000 if firm == SecurityFirm.FUTUINC else 5_000_000)
    if most is not None and quantity > most:
        raise TradeError("quantity_cap", cap=most)
    if worth is not None and value > worth:
        raise TradeError("value_cap", cap=worth)
