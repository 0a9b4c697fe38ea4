"""What an order may be: its type, side, prices, time and trading session, as the vendor's pages have it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from ftwire_tools.gateway.trading.accounts import Account
from ftwire_tools.gateway.trading.amounts import exact
from ftwire_tools.gateway.trading.order import Order, OrderSession, OrderTerms, Side, TimeInForce, TrailType
from ftwire_tools.gateway.trading.order_types import (
    ALGORITHMS,
    CONDITIONAL,
    MARKET_LIKE,
    NEEDED,
    PAPER_TYPES,
    TYPES,
    OrderType,
    Product,
    SecurityFirm,
)
from ftwire_tools.gateway.trading.power import can_short
from ftwire_tools.gateway.trading.price_rules import adjusted, band, check_price, rounded
from ftwire_tools.gateway.trading.texts import TradeError
from ftwire_tools.gateway.trading.venue import Instrument, Kind, SecMarket, Venue
from ftwire_tools.markets.sessions import Session
from ftwire_tools.synthetic.trading_day import ALL_SESSIONS, REGULAR

__all__ = [
    "OrderChange",
    "amount",
    "best_price",
    "session_of",
    "sessions_of",
    "set_prices",
    "set_time_in_force",
    "side_of",
    "type_of",
]

OVERNIGHT: Final = frozenset({Session.OVERNIGHT})
GTC_DAYS: Final = 90
"""Calendar days after which an order that is good till cancelled ends."""


@dataclass(frozen=True, slots=True)
class OrderChange:
    """New values of an order. What was not sent is ``None``."""

    qty: float = 0.0
    price: float | None = None
    aux_price: float | None = None
    trail_type: int | None = None
    trail_value: float | None = None
    trail_spread: float | None = None
    adjust: float = 0.0


def amount(value: float | None, error: str, **facts: object) -> Decimal:
    """Return a number that a client sent as a decimal. Raises ``TradeError``."""
    try:
        return exact(value or 0.0)
    except ValueError:
        raise TradeError(error, **facts) from None


def best_price(venue: Venue, order: Order) -> Decimal:
    """Return the best price of the other side."""
    quote = venue.quote(order.instrument)
    return quote.ask if order.side.buys else quote.bid


def sessions_of(instrument: Instrument, session: OrderSession, *, outside_rth: bool) -> frozenset[Session]:
    """Return the sessions by which the day of an order counts. Stocks of the US have some outside regular hours."""
    if not instrument.is_us_stock:
        return REGULAR
    if session is OrderSession.OVERNIGHT and not outside_rth:
        return OVERNIGHT
    return ALL_SESSIONS if outside_rth or session in {OrderSession.ETH, OrderSession.ALL} else REGULAR


def type_of(account: Account, product: Product, number: int) -> OrderType:
    """Return an order type that an account may place. Raises ``TradeError``."""
    try:
        order_type = OrderType(number)
    except ValueError:
        raise TradeError("type", type=number, product=product.value) from None
    if order_type in ALGORITHMS:
        raise TradeError("algorithm", type=order_type.name)
    if account.terms.is_paper:
        if order_type not in PAPER_TYPES:
            raise TradeError("paper_type")
    elif order_type not in TYPES[product]:
        raise TradeError("type", type=order_type.name, product=product.value)
    return order_type


def side_of(account: Account, instrument: Instrument, number: int) -> Side:
    """Return the side that replies show: what is sold and not held is sold short. Raises ``TradeError``."""
    try:
        side = Side(number)
    except ValueError:
        raise TradeError("side", side=number) from None
    if side in {Side.SELL_SHORT, Side.BUY_BACK} and account.terms.firm != SecurityFirm.FUTUJP:
        raise TradeError("short_side")
    held = account.ledger.held(instrument)
    if side is Side.BUY and held < 0:
        return Side.BUY_BACK
    if side is Side.SELL and held <= 0:
        if can_short(account, instrument):
            return Side.SELL_SHORT
        raise TradeError("short")
    return side


def set_prices(venue: Venue, order: Order, wanted: OrderTerms | OrderChange, *, is_paper: bool) -> None:
    """Set the fields that an order's type needs. Raises ``TradeError``."""
    instrument, order_type = order.instrument, order.order_type
    sent = {
        "price": wanted.price,
        "auxPrice": wanted.aux_price,
        "trailType": wanted.trail_type,
        "trailValue": wanted.trail_value,
        "trailSpread": wanted.trail_spread,
    }
    needed = NEEDED[order_type]
    for name in needed:
        if sent[name] is None or (name == "auxPrice" and not sent[name] and instrument.kind is not Kind.FUTURE):
            raise TradeError("type_field", type=order_type.name, field=name)
    price = amount(wanted.price, "price")
    if "price" in needed:
        if wanted.adjust:
            price = adjusted(instrument, price, amount(wanted.adjust, "adjust"))
        price = rounded(instrument, price)
        check_price(instrument, price)
        last = venue.last(instrument)
        is_for_today = venue.trading_day(instrument) == venue.day_begun(instrument)
        limits = band(instrument, venue.reference(instrument) if is_for_today else last, last, is_paper=is_paper)
        if limits is not None and not limits[0] <= price <= limits[1]:
            raise TradeError("band", low=limits[0], high=limits[1])
    if "auxPrice" in needed:
        aux = rounded(instrument, amount(wanted.aux_price, "price"))
        check_price(instrument, aux, is_trigger=True)
        order.aux_price = aux
    if "trailType" in needed:
        try:
            trail_type = TrailType(wanted.trail_type or 0)
        except ValueError:
            raise TradeError("trail_type") from None
        value = amount(wanted.trail_value, "trail_value")
        if value <= 0 or (trail_type is TrailType.RATIO and value >= 100):
            raise TradeError("trail_value")
        order.trail_type, order.trail_value = trail_type, value
    if "trailSpread" in needed:
        spread = amount(wanted.trail_spread, "price")
        if spread < 0:
            raise TradeError("price")
        order.trail_spread = spread
    order.price = price
    order.reserve = price if "price" in needed else order.aux_price or best_price(venue, order)


def set_time_in_force(account: Account, order: Order, terms: OrderTerms) -> None:
    """Set how long an order is good. Raises ``TradeError``."""
    instrument = order.instrument
    number, is_market = terms.time_in_force, order.order_type in MARKET_LIKE
    if instrument.kind is Kind.CRYPTO:  # set by OpenD, whatever was sent
        order.time_in_force = TimeInForce.IOC if order.order_type is OrderType.MARKET else TimeInForce.GTC
        if order.time_in_force is TimeInForce.GTC:
            order.expires = order.day + timedelta(days=GTC_DAYS)
        return
    try:
        tif = TimeInForce(number)
    except ValueError:
        raise TradeError("tif", tif=number) from None
    if account.terms.is_paper and tif is not TimeInForce.DAY:
        raise TradeError("paper_tif")
    if tif is TimeInForce.IOC:
        raise TradeError("tif", tif=tif.name)
    day_only = instrument.sec_market != SecMarket.US or instrument.kind is Kind.FUTURE
    if is_market and day_only and order.order_type not in CONDITIONAL and tif is not TimeInForce.DAY:
        raise TradeError("tif", tif=tif.name)
    order.time_in_force = tif
    if tif is TimeInForce.GTC:
        order.expires = order.day + timedelta(days=GTC_DAYS)
    elif tif is TimeInForce.GTD:
        try:
            order.expires = date.fromisoformat(terms.expire_time[:10])
        except ValueError:
            raise TradeError("expire") from None
        if not order.day <= order.expires <= order.day + timedelta(days=GTC_DAYS):
            raise TradeError("expire")


def session_of(account: Account, instrument: Instrument, order_type: OrderType, terms: OrderTerms) -> OrderSession:
    """Return the trading session that an order is for. Raises ``TradeError``."""
    try:
        session = OrderSession(terms.session)
    except ValueError:
        raise TradeError("session", session=terms.session) from None
    if not instrument.is_us_stock:
        return session  # of the US only; OpenD is sent it with every order
    if account.terms.is_paper and session in {OrderSession.ALL, OrderSession.OVERNIGHT}:
        raise TradeError("session", session=session.name)
    if order_type is OrderType.MARKET and session is OrderSession.OVERNIGHT:
        raise TradeError("session", session=session.name)
    return session
