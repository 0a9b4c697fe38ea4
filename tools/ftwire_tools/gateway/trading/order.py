"""Orders and their fills."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple

from ftwire_tools.gateway.order_decisions import OrderDecision
from ftwire_tools.gateway.trading.amounts import ZERO
from ftwire_tools.gateway.trading.order_state import OPEN, OrderStatus
from ftwire_tools.gateway.trading.order_types import OrderType
from ftwire_tools.gateway.trading.venue import Instrument

__all__ = ["Fill", "Needs", "Order", "OrderSession", "OrderTerms", "Side", "TimeInForce", "TrailType"]


class Side(IntEnum):
    """``Trd_Common.TrdSide``."""

    BUY = 1
    SELL = 2
    SELL_SHORT = 3
    """A sale of what is not held; replies show it, requests say ``SELL``."""
    BUY_BACK = 4
    """A purchase that ends a short position; replies show it, requests say ``BUY``."""

    @property
    def buys(self) -> bool:
        """Whether it adds to the position."""
        return self in {Side.BUY, Side.BUY_BACK}


class TimeInForce(IntEnum):
    """``Trd_Common.TimeInForce``."""

    DAY = 0
    GTC = 1
    """Until cancelled, at most 90 days."""
    IOC = 2
    GTD = 3
    """Until ``expireTime``."""


class OrderSession(IntEnum):
    """``Common.Session``: the trading sessions of the US in which an order may be filled."""

    NONE = 0
    RTH = 1
    ETH = 2
    ALL = 3
    OVERNIGHT = 4


class TrailType(IntEnum):
    """``Trd_Common.TrailType``."""

    RATIO = 1
    """Per cent of the price."""
    AMOUNT = 2


class OrderTerms(NamedTuple):
    """What a client asks for: the fields of ``Trd_PlaceOrder``. A field that was not sent is ``None``."""

    sec_market: int
    code: str
    side: int
    order_type: int
    qty: float
    price: float | None = None
    aux_price: float | None = None
    trail_type: int | None = None
    trail_value: float | None = None
    trail_spread: float | None = None
    adjust: float = 0.0
    """``adjustSideAndLimit``, 0 where the price is not to be adjusted."""
    time_in_force: int = 0
    expire_time: str = ""
    session: int = 0
    fill_outside_rth: bool = False
    remark: str = ""
    is_prediction: bool = False
    """Whether it has fields that only event contracts have."""


class Needs(NamedTuple):
    """What the rest of an order needs of its account."""

    money: Decimal
    """In the instrument's currency, fees included."""
    margin: Decimal
    """Initial margin and fees, in the account's currency."""


@dataclass(slots=True)
class Order:
    """One order."""

    order_id: int
    instrument: Instrument
    side: Side
    order_type: OrderType
    qty: Decimal
    price: Decimal
    """As placed, also for types that ignore it."""
    created: datetime
    """Exchange-local, as ``updated``."""
    updated: datetime
    day: date
    """Trading day that it is for, where it is for a day."""
    arrives_at: float
    """When it reaches the exchange, in seconds since 1970."""
    status: OrderStatus = OrderStatus.SUBMITTING
    reserve: Decimal = ZERO
    """Price at which power is kept for it: its limit, or what the market asked for when it was sent."""
    aux_price: Decimal | None = None
    trail_type: TrailType | None = None
    trail_value: Decimal | None = None
    trail_spread: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    expires: date | None = None
    """Last day of an order that is for longer than a day."""
    session: OrderSession = OrderSession.NONE
    fill_outside_rth: bool = False
    remark: str = ""
    last_error: str = ""
    """``lastErrMsg``."""
    filled: Decimal = ZERO
    paid: Decimal = ZERO
    """Sum of price times quantity of its fills."""
    fees: Decimal = ZERO
    """Fees charged so far."""
    is_triggered: bool = False
    """Whether a conditional order's condition has been met."""
    limit: Decimal | None = None
    """The limit of a trailing stop limit order, from its trigger on."""
    extreme: Decimal | None = None
    """Best price since a trailing order was placed."""
    seen: int = 0
    """Sequence number of the last print that it has seen."""
    is_resting: bool = False
    """Whether it has taken what the book had for it, and stands in the book itself."""
    queue: Decimal = ZERO
    """Quantity of others that stands before it at its price."""
    in_auction: bool = False
    """Whether an auction has begun that it takes part in."""
    decision: OrderDecision | None = None
    """What somebody has decided about it, in place of the market."""
    needs: tuple[tuple[Decimal, ...], Needs] | None = None
    """What it needs of its account, with what that was computed from."""
    reported: tuple[object, ...] = ()
    """``pushed_fields`` as they were last reported."""

    @property
    def order_id_ex(self) -> str:
        """``orderIDEx``."""
        return f"FTWIRE{self.order_id}"

    @property
    def is_open(self) -> bool:
        """Whether it may still be filled."""
        return self.status in OPEN

    @property
    def left(self) -> Decimal:
        """Quantity that is not filled."""
        return self.qty - self.filled

    @property
    def average(self) -> Decimal:
        """Average price of its fills, 0 without."""
        return self.paid / self.filled if self.filled else ZERO

    @property
    def pushed_fields(self) -> tuple[object, ...]:
        """The eight fields whose change is pushed (vendor's question Q13)."""
        return (
            self.status,
            self.price,
            self.qty,
            self.filled,
            self.aux_price,
            self.trail_type,
            self.trail_value,
            self.trail_spread,
        )


class Fill(NamedTuple):
    """One fill of an order, or of a part of it."""

    fill_id: int
    order_id: int
    instrument: Instrument
    side: Side
    qty: Decimal
    price: Decimal
    time: datetime
    """Exchange-local."""
    is_cancelled: bool = False

    @property
    def order_id_ex(self) -> str:
        """``orderIDEx`` of its order."""
        return f"FTWIRE{self.order_id}"

    @property
    def fill_id_ex(self) -> str:
        """``fillIDEx``."""
        return f"FTWIRE{self.fill_id}"
