"""How orders at the exchange are filled: the three models of ``serve --fills``.

``book``
    On arrival an order takes what the made-up book shows up to its limit, level by level, each at its price. The rest
    of a limit order stands in the book behind what is there at its price. Then, in each second of the market: where
    the other side's best price reaches the limit, it is filled against what is shown there, at its limit; else trades
    printed at its price first use up the queue before it, those beyond its price have done so, and it gets ``share``
    of the remaining quantity. The rest of a market order gets ``share`` of each second's printed quantity at the best
    price. What one order takes another does not get: better limits first, then earlier orders.
``instant``
    Everything at the best price of the other side, as soon as that reaches the limit.
``half``
    In each second in which the best price of the other side reaches the limit, at most half of the order at that price,
    rounded up to lots. Types that are filled at once or not at all get everything.

``slippage`` makes what is taken from the other side dearer, or cheaper for a sale, by so many ticks, never beyond the
limit. ``latency`` is the time from the request until the order is at the exchange, in seconds of the market.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from ftwire_tools.gateway.trading.amounts import ZERO, in_lots
from ftwire_tools.gateway.trading.order import Order
from ftwire_tools.gateway.trading.order_types import AT_ONCE
from ftwire_tools.gateway.trading.price_rules import moved
from ftwire_tools.gateway.trading.venue import Print, Quote

__all__ = ["MODELS", "FillModel", "FillModelError", "Look", "Slice", "parse_fills", "slices"]

MODELS: Final = ("book", "instant", "half")
_QUARTER: Final = Decimal("0.25")


class FillModelError(ValueError):
    """A description of a fill model that is none."""


@dataclass(frozen=True, slots=True)
class FillModel:
    """A fill model with its settings."""

    name: Literal["book", "instant", "half"] = "book"
    share: Decimal = _QUARTER
    """Share of printed quantity that a resting order gets, from above 0 to 1."""
    slippage: int = 0
    """Ticks."""
    latency: float = 0.0
    """Seconds of the market."""


def parse_fills(text: str) -> FillModel:
    """Return the model of ``NAME[:share=,slippage=,latency=]``. Raises ``FillModelError``."""
    name, _, rest = text.partition(":")
    if name not in MODELS:
        raise FillModelError(f"{name!r} is no fill model: take {', '.join(MODELS)}")
    share, slippage, latency = _QUARTER, 0, 0.0
    for setting in rest.split(",") if rest else ():
        key, _, value = setting.partition("=")
        try:
            if key == "share":
                share = Decimal(value)
            elif key == "slippage":
                slippage = int(value)
            elif key == "latency":
                latency = float(value)
            else:
                raise FillModelError(f"{key!r} is no setting of a fill model: take share, slippage, latency")
        except (ArithmeticError, ValueError) as error:
            if isinstance(error, FillModelError):
                raise
            raise FillModelError(f"{setting!r}: {value!r} is not a number") from None
    if not (share.is_finite() and 0 < share <= 1):
        raise FillModelError("share is above 0 and at most 1")
    if not 0 <= slippage <= 1000:
        raise FillModelError("slippage is 0 to 1000 ticks")
    if not 0 <= latency <= 3600:
        raise FillModelError("latency is 0 to 3600 seconds")
    return FillModel(name, share, slippage, latency)  # type: ignore[arg-type]  # one of MODELS


class Slice(NamedTuple):
    """A part of an order that is filled at one price."""

    price: Decimal
    qty: Decimal


@dataclass(slots=True)
class Look:
    """One look at an instrument's market, shared by all orders for it."""

    quote: Quote
    prints: list[Print] = field(default_factory=list)
    """Trades since the look before; empty where time has not moved on."""
    taken: dict[tuple[bool, Decimal], Decimal] = field(default_factory=dict)
    """Quantity of the book that orders have taken, by side (``True`` for asks) and price."""
    used: dict[tuple[bool, int], Decimal] = field(default_factory=dict)
    """Printed quantity that orders have got, by side of the orders and number of the print."""


def slices(model: FillModel, order: Order, limit: Decimal | None, look: Look, *, moved_on: bool) -> list[Slice]:
    """Return how an order at the exchange is filled now, and note that in ``order`` and ``look``.

    ``limit`` is ``None`` for any price; ``moved_on`` tells whether the market has moved on since the look before.
    """
    left = order.left
    if model.name == "book":
        return list(_book(model, order, limit, look, left, moved_on=moved_on))
    best = look.quote.ask if order.side.buys else look.quote.bid
    if not _reaches(order, best, limit) or (model.name == "half" and not moved_on):
        return []
    if model.name == "half" and order.order_type not in AT_ONCE:
        lot = order.instrument.lot
        left = min(left, -in_lots(-order.qty / 2, lot))
    return [Slice(_slipped(model, order, best, limit), left)]


def _reaches(order: Order, price: Decimal, limit: Decimal | None) -> bool:
    return limit is None or (price <= limit if order.side.buys else price >= limit)


def _slipped(model: FillModel, order: Order, price: Decimal, limit: Decimal | None) -> Decimal:
    if not model.slippage:
        return price
    found = moved(order.instrument, price, model.slippage if order.side.buys else -model.slippage)
    if limit is None:
        return found
    return min(found, limit) if order.side.buys else max(found, limit)


def _book(
    model: FillModel, order: Order, limit: Decimal | None, look: Look, left: Decimal, *, moved_on: bool
) -> Iterator[Slice]:
    quote, buys = look.quote, order.side.buys
    others, own = (quote.asks, quote.bids) if buys else (quote.bids, quote.asks)
    arrives = not order.is_resting
    if not arrives and not moved_on:
        return
    if arrives or limit is not None:
        for price, shown in others:
            if left <= 0 or not _reaches(order, price, limit):
                break
            key = buys, price
            qty = min(left, shown - look.taken.get(key, ZERO))
            if qty <= 0:
                continue
            look.taken[key] = look.taken.get(key, ZERO) + qty
            left -= qty
            # One that was there first trades at its own price.
            yield Slice(_slipped(model, order, price, limit) if arrives or limit is None else limit, qty)
    if arrives:
        order.is_resting = True
        order.queue = sum((shown for price, shown in own if price == limit), ZERO)
        return
    crossed = limit is not None and bool(others) and _reaches(order, others[0][0], limit)
    if left > 0 and not crossed:
        yield from _printed(model, order, limit, look, left)


def _printed(model: FillModel, order: Order, limit: Decimal | None, look: Look, left: Decimal) -> Iterator[Slice]:
    """Yield the order's share of what was printed."""
    buys, total = order.side.buys, ZERO
    for each in look.prints:
        if not _reaches(order, each.price, limit):
            continue
        key = buys, each.sequence
        free = each.quantity - look.used.get(key, ZERO)
        if limit is not None and each.price == limit:
            waits = min(order.queue, free)
            order.queue -= waits
            free -= waits
        else:
            order.queue = ZERO
        lot = order.instrument.lot
        qty = min(left - total, max(in_lots(free * model.share, lot), min(lot, in_lots(free, lot))))
        if qty > 0:
            look.used[key] = look.used.get(key, ZERO) + qty
            total += qty
    if total > 0:
        best = look.quote.ask if buys else look.quote.bid
        yield Slice(_slipped(model, order, best, None) if limit is None else limit, total)
