"""Simulated accounts: orders, fills, positions, money.

The market fills orders as it moves: one whose price reaches the best price of the other side is filled, at most half
of it (rounded up to whole lots) in a second, so that clients see partial fills. All clients share the accounts, as all
connections of one OpenD do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from ftwire_tools.gateway.order_decisions import OrderDecision, OrderDecisions

if TYPE_CHECKING:
    from datetime import datetime

    from ftwire_tools.synthetic.trading_day import Market, StockDay

__all__ = [
    "ACCOUNTS",
    "Fill",
    "Holding",
    "Order",
    "OrderEvent",
    "OrderStatus",
    "TradeError",
    "TradingAccount",
    "TradingAccounts",
]

MONEY: Final = 1_000_000.0
MAX_ORDERS: Final = 10_000
"""Most orders of an account."""


class TradeError(Exception):
    """A request that is refused; its text becomes the reply's ``retMsg``."""


class OrderStatus(IntEnum):
    """The values of ``Trd_Common.OrderStatus`` that occur here."""

    SUBMITTED = 5
    FILLED_PART = 10
    FILLED_ALL = 11
    CANCELLED_PART = 14
    CANCELLED_ALL = 15
    FAILED = 21


class AccountTerms(NamedTuple):
    """What is fixed about an account."""

    acc_id: int
    environment: int
    """``Trd_Common.TrdEnv``: 0 simulated; 1 real, as far as clients can see, which has to be unlocked."""
    markets: tuple[int, ...]
    """``Trd_Common.TrdMarket``."""
    currency: int


ACCOUNTS: Final = (
    AccountTerms(1_001_001, 0, (1,), 1),
    AccountTerms(1_001_002, 0, (2,), 2),
    AccountTerms(1_001_003, 0, (3,), 3),
    AccountTerms(9_001_001, 1, (1, 2, 4), 1),
)
"""A paper account for each market, and one that looks real to clients."""

_MARKET_OF: Final = {1: 1, 2: 2, 31: 3, 32: 3}
"""``TrdSecMarket`` to its ``TrdMarket``."""
BUY, SELL, SELL_SHORT, BUY_BACK = 1, 2, 3, 4
NORMAL, MARKET = 1, 2


@dataclass(slots=True)
class Order:
    """One order."""

    order_id: int
    stock: StockDay
    side: int
    order_type: int
    qty: float
    price: float
    remark: str
    created: datetime
    """Exchange-local, as ``updated``."""
    updated: datetime
    status: OrderStatus = OrderStatus.SUBMITTED
    filled: float = 0.0
    paid: float = 0.0
    """Money for the filled part."""
    decision: OrderDecision | None = None
    """What somebody has decided about it, in place of the market."""

    @property
    def order_id_ex(self) -> str:
        """``orderIDEx``."""
        return f"FTWIRE{self.order_id}"

    @property
    def is_open(self) -> bool:
        """Whether it may still be filled."""
        return self.status in {OrderStatus.SUBMITTED, OrderStatus.FILLED_PART}


class Fill(NamedTuple):
    """One fill of an order, or of a part of it."""

    fill_id: int
    order: Order
    qty: float
    price: float
    time: datetime
    """Exchange-local."""


@dataclass(slots=True)
class Holding:
    """An account's position in a stock."""

    stock: StockDay
    qty: float = 0.0
    cost: float = 0.0
    """Average price paid."""


class OrderEvent(NamedTuple):
    """A change of an order, for the subscribers of its account."""

    account: TradingAccount
    order: Order
    fill: Fill | None


@dataclass(slots=True)
class TradingAccount:
    """One account."""

    terms: AccountTerms
    cash: float = MONEY
    orders: dict[int, Order] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    holdings: dict[tuple[int, str], Holding] = field(default_factory=dict)

    @property
    def frozen(self) -> float:
        """Money that open orders may need."""
        return sum(
            (order.qty - order.filled) * order.price
            for order in self.orders.values()
            if order.is_open and order.side in {BUY, BUY_BACK}
        )

    def promised(self, stock: StockDay) -> float:
        """Shares of a stock that open orders sell."""
        return sum(
            order.qty - order.filled
            for order in self.orders.values()
            if order.is_open and order.side == SELL and order.stock is stock
        )

    @property
    def value(self) -> float:
        """Value of all positions at present prices."""
        return sum(holding.qty * holding.stock.price for holding in self.holdings.values())

    def holding(self, stock: StockDay) -> Holding:
        """Return the position in a stock."""
        key = stock.listing.market, stock.listing.code
        return self.holdings.setdefault(key, Holding(stock))


class TradingAccounts:
    """All accounts."""

    def __init__(self, market: Market) -> None:
        self.market: Final = market
        self.all: Final = {terms.acc_id: TradingAccount(terms) for terms in ACCOUNTS}
        self.decisions: Final = OrderDecisions()
        """What becomes of the next orders, where the market does not decide."""
        self.is_unlocked = False
        """Whether orders of the real account are accepted."""
        self._orders = 0
        self._fills = 0

    def find(self, acc_id: int, environment: int, market: int) -> TradingAccount:
        """Return an account. Raises ``TradeError``."""
        account = self.all.get(acc_id)
        if account is None or account.terms.environment != environment:
            raise TradeError("no such account")
        if market not in account.terms.markets:
            raise TradeError(f"the account does not trade in market {market}")
        return account

    def place(
        self,
        account: TradingAccount,
        *,
        sec_market: int,
        code: str,
        side: int,
        order_type: int,
        qty: float,
        price: float,
        remark: str,
    ) -> Order:
        """Accept an order. Raises ``TradeError``."""
        self._check_unlocked(account)
        market = sec_market or {1: 1, 2: 2}.get(account.terms.markets[0], 0)
        stock = self.market.traded(market, code)
        if stock is None:
            raise TradeError(f"unknown stock {code!s:.32}")
        if _MARKET_OF[stock.listing.sec_market] not in account.terms.markets:
            raise TradeError(f"the account does not trade {code!s:.32}")
        if side not in {BUY, SELL, SELL_SHORT, BUY_BACK}:
            raise TradeError(f"unknown side {side}")
        if len(account.orders) >= MAX_ORDERS:
            raise TradeError(f"the account has {MAX_ORDERS} orders already")
        limit = stock.ask if order_type == MARKET else price
        self._check(account, stock, side, qty, limit)
        self._orders += 1
        now = stock.time()
        order = Order(7_000_000_000 + self._orders, stock, side, order_type, qty, limit, remark[:64], now, now)
        order.decision = self.decisions.take()
        account.orders[order.order_id] = order
        return order

    def _check_unlocked(self, account: TradingAccount) -> None:
        if account.terms.environment and not self.is_unlocked:
            raise TradeError("unlock trade first")

    def _check(self, account: TradingAccount, stock: StockDay, side: int, qty: float, price: float) -> None:
        if not 0 < qty < 1e9 or qty % stock.listing.lot:
            raise TradeError(f"the quantity is in lots of {stock.listing.lot}")
        if not 0 < price < 1e7:
            raise TradeError("the price is positive")
        if side in {BUY, BUY_BACK} and qty * price > account.cash - account.frozen:
            raise TradeError("not enough money")
        if side == SELL and qty > account.holding(stock).qty - account.promised(stock):
            raise TradeError("not enough shares to sell")

    def order(self, account: TradingAccount, order_id: int, order_id_ex: str) -> Order:
        """Return an order by ``orderID`` or ``orderIDEx``. Raises ``TradeError``."""
        found = account.orders.get(order_id)
        if found is None and order_id_ex:
            found = next((order for order in account.orders.values() if order.order_id_ex == order_id_ex), None)
        if found is None:
            raise TradeError("no such order")
        return found

    def change(self, account: TradingAccount, order: Order, qty: float, price: float) -> None:
        """Change quantity and price of an order. Raises ``TradeError``."""
        self._check_unlocked(account)
        if not order.is_open:
            raise TradeError("the order is not open any more")
        if qty <= order.filled:
            raise TradeError("less than what is filled already")
        before = order.qty, order.price
        order.qty, order.price = order.filled, 0.0  # its own money and shares are available for the change
        try:
            self._check(account, order.stock, order.side, qty, price)
        except TradeError:
            order.qty, order.price = before
            raise
        order.qty, order.price = qty, price
        order.updated = order.stock.time()

    def cancel(self, account: TradingAccount, order: Order) -> None:
        """Cancel an order. Raises ``TradeError``."""
        self._check_unlocked(account)
        if not order.is_open:
            raise TradeError("the order is not open any more")
        order.status = OrderStatus.CANCELLED_PART if order.filled else OrderStatus.CANCELLED_ALL
        order.updated = order.stock.time()

    def step(self) -> Iterator[OrderEvent]:
        """Fill orders at the present prices, and yield what has changed."""
        for account in self.all.values():
            for order in account.orders.values():
                if order.is_open and order.decision is not None and order.decision.failure:
                    order.status, order.updated = OrderStatus.FAILED, order.stock.time()
                    yield OrderEvent(account, order, None)
                elif order.is_open and (fill := self._fill(account, order)) is not None:
                    yield OrderEvent(account, order, fill)

    def _fill(self, account: TradingAccount, order: Order) -> Fill | None:
        stock, buys = order.stock, order.side in {BUY, BUY_BACK}
        best = stock.ask if buys else stock.bid
        lot = stock.listing.lot
        if stock.is_halted:
            return None
        if order.decision is not None:
            best, qty = order.price, order.qty * order.decision.share // lot * lot - order.filled
            if qty <= 0:
                return None
        elif order.order_type != MARKET and (order.price < best if buys else order.price > best):
            return None
        else:
            half = -(-order.qty // (2 * lot)) * lot
            qty = min(half, order.qty - order.filled)
        order.filled += qty
        order.paid += qty * best
        order.status = OrderStatus.FILLED_ALL if order.filled >= order.qty else OrderStatus.FILLED_PART
        order.updated = stock.time()
        holding = account.holding(stock)
        if buys:
            account.cash -= qty * best
            if holding.qty + qty:
                holding.cost = (holding.cost * holding.qty + qty * best) / (holding.qty + qty)
            holding.qty += qty
        else:
            account.cash += qty * best
            holding.qty -= qty
        self._fills += 1
        fill = Fill(8_000_000_000 + self._fills, order, qty, best, order.updated)
        account.fills.append(fill)
        return fill
