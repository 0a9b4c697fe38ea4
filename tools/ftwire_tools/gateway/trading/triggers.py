"""When conditional orders are sent: stops, if-touched orders, trailing stops.

A stop is met by a price at or beyond it against the position (a sell stop from above, a buy stop from below), an
if-touched order by a price at or beyond it in the other direction. A trailing stop follows the best price at a
distance, in per cent or as an amount, and never goes back. Prices are those of trades that the market prints.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from ftwire_tools.gateway.trading.amounts import ZERO
from ftwire_tools.gateway.trading.order import Order, TrailType
from ftwire_tools.gateway.trading.order_types import TRAILING, OrderType
from ftwire_tools.gateway.trading.price_rules import tick_of

__all__ = ["is_met", "limit_after", "stop_price"]

_TOUCHED: Final = frozenset({OrderType.MARKET_IF_TOUCHED, OrderType.LIMIT_IF_TOUCHED})
_PER_CENT: Final = Decimal(100)


def stop_price(order: Order) -> Decimal | None:
    """Return the price at which a trailing order stops now, ``None`` before it has seen a price."""
    if order.extreme is None or order.trail_value is None:
        return None
    distance = order.trail_value
    if order.trail_type is TrailType.RATIO:
        distance = order.extreme * order.trail_value / _PER_CENT
    return order.extreme + distance if order.side.buys else order.extreme - distance


def is_met(order: Order, prices: Iterable[Decimal]) -> bool:
    """Return whether one of these prices, in this order, meets a condition; follow them with a trailing stop."""
    buys = order.side.buys
    if order.order_type in TRAILING:
        for price in prices:
            stop = stop_price(order)
            if stop is not None and (price >= stop if buys else price <= stop):
                return True
            if order.extreme is None or (price < order.extreme if buys else price > order.extreme):
                order.extreme = price
        return False
    aux = order.aux_price
    if aux is None:
        return False
    rising = buys != (order.order_type in _TOUCHED)
    return any(price >= aux if rising else price <= aux for price in prices)


def limit_after(order: Order) -> Decimal | None:
    """Return the limit of a trailing stop limit order whose stop is met, on a tick; ``None`` for others.

    It is ``trailSpread`` beyond the stop: below for a sale, above for a purchase.
    """
    stop = stop_price(order)
    if order.order_type is not OrderType.TRAILING_STOP_LIMIT or stop is None:
        return None
    spread = order.trail_spread or ZERO
    wanted = stop + spread if order.side.buys else stop - spread
    tick = tick_of(order.instrument, wanted)
    return max(round(wanted / tick) * tick, tick)
