"""The broker: the accounts, and what clients may do with their orders.

All clients share it, as all connections of one OpenD do. Whatever changes is reported as events in the order in which
it happened; each holds a copy of the order at that moment. Time moves on with ``advance``, which the answer source
calls in each second of the market; ``settle`` does what is due at once after a request.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Final

from ftwire_tools.gateway.limits import Language
from ftwire_tools.gateway.order_decisions import OrderDecisions
from ftwire_tools.gateway.trading.accounts import (
    ACCOUNTS,
    HKCC,
    MOST_OPEN,
    MOST_ORDERS,
    Account,
    AccountTerms,
    market_of,
)
from ftwire_tools.gateway.trading.amounts import ZERO
from ftwire_tools.gateway.trading.day_trades import DayTradeRule
from ftwire_tools.gateway.trading.exchange import Exchange
from ftwire_tools.gateway.trading.fill_model import FillModel
from ftwire_tools.gateway.trading.journal import OrderEvent, OrderJournal
from ftwire_tools.gateway.trading.order import Order, OrderTerms, Side
from ftwire_tools.gateway.trading.order_entry import (
    OrderChange,
    amount,
    session_of,
    sessions_of,
    set_prices,
    set_time_in_force,
    side_of,
    type_of,
)
from ftwire_tools.gateway.trading.order_state import TRANSITIONS, OrderStatus
from ftwire_tools.gateway.trading.order_types import CONDITIONAL, TRAILING, Product, product_of
from ftwire_tools.gateway.trading.power import Power
from ftwire_tools.gateway.trading.price_rules import check_quantity, check_size
from ftwire_tools.gateway.trading.texts import TradeError
from ftwire_tools.gateway.trading.venue import Instrument, Kind, Phase, SecMarket, Venue

__all__ = ["Broker"]

REMARK_BYTES: Final = 64
"""Bytes of a remark, as the vendor's SDK checks."""
_SEC_MARKETS: Final = {1: 1, 2: 2, 10: 1, 11: 2, 12: 41, 13: 51}
"""``TrdMarket`` to the ``TrdSecMarket`` of codes that come without."""
_DELETES: Final = frozenset({Product.HK_STOCK, Product.HK_OPTION, Product.HK_FUTURE, Product.US_FUTURE, Product.FUTURE})
"""Products whose orders can be deleted."""


class Broker:
    """All accounts and their orders."""

    def __init__(
        self,
        venue: Venue,
        *,
        model: FillModel | None = None,
        language: Language = "en",
        accounts: Iterable[AccountTerms] = ACCOUNTS,
        pdt_protection: bool = True,
    ) -> None:
        """``pdt_protection`` is OpenD's setting of that name, for accounts of the firm in the US."""
        self.venue: Final = venue
        self.language: Final[Language] = language
        self.accounts: Final = {terms.acc_id: Account.opened(terms) for terms in accounts}
        self.power: Final = Power(venue)
        self.day_trades: Final = DayTradeRule(self.power, guards=pdt_protection)
        self.unlocked: Final[set[int]] = set()
        """Firms whose real accounts take orders."""
        self.decisions: Final = OrderDecisions()
        """What becomes of the next orders, where the market does not decide."""
        self._journal: Final = OrderJournal(venue, language)
        self._exchange: Final = Exchange(self.power, model or FillModel(), self._journal, self.day_trades)
        self._orders = 0
        self._touched: list[tuple[Account, Order]] = []
        """Orders that requests have placed or changed since the last call of ``settle``."""

    # Steering, for tests and scripts.

    def cancel_fills(self, account: Account, order: Order) -> None:
        """Take back all fills of a filled order, as an exchange does after an error. Raises ``TradeError``."""
        if order.status is not OrderStatus.FILLED_ALL:
            raise TradeError("not_open")
        instrument, now = order.instrument, self.venue.now(order.instrument)
        day = self.venue.trading_day(instrument)
        side = Side.SELL if order.side.buys else Side.BUY
        fee, order.fees = order.fees, ZERO
        for index, fill in enumerate(account.fills):
            if fill.order_id != order.order_id or fill.is_cancelled:
                continue
            account.fills[index] = taken_back = fill._replace(is_cancelled=True)
            account.ledger.record(
                instrument, side, fill.qty, fill.price, -fee, day=day, settles=day, time=now, remark=order.order_id_ex
            )
            fee = ZERO
            self._journal.move(account, order, OrderStatus.FILL_CANCELLED, taken_back)

    def events(self) -> list[OrderEvent]:
        """Return what has changed since the last call, in order."""
        return self._journal.take()

    # Requests.

    def find(self, acc_id: int, environment: int, market: int) -> Account:
        """Return an account. Raises ``TradeError``."""
        account = self.accounts.get(acc_id)
        if account is None or account.terms.environment != environment:
            raise TradeError("account")
        if market not in account.terms.markets:
            raise TradeError("market", account=acc_id, market=market)
        return account

    def instrument(self, sec_market: int, code: str, account: Account | None = None) -> Instrument:
        """Return what is traded under a code. Raises ``TradeError``."""
        if not sec_market and account is not None:
            sec_market = _SEC_MARKETS.get(account.terms.markets[0], 0)
        found = self.venue.find(sec_market, code)
        if found is None:
            raise TradeError("code", code=code)
        if found.kind is Kind.OTHER:
            raise TradeError("not_traded", code=code)
        return found

    def tradable(self, account: Account, sec_market: int, code: str) -> Instrument:
        """Return what an account trades under a code. Raises ``TradeError``."""
        found = self.instrument(sec_market, code, account)
        has_market = self.market_of(account, found) in account.terms.markets
        if not has_market or not account.terms.takes(is_option=found.kind is Kind.OPTION):
            raise TradeError("code_market", account=account.acc_id, code=code)
        return found

    def order(self, account: Account, order_id: int, order_id_ex: str) -> Order:
        """Return an order by ``orderID`` or ``orderIDEx``. Raises ``TradeError``."""
        found = account.orders.get(order_id)
        if found is None and order_id_ex.startswith("FTWIRE") and order_id_ex[6:].isdecimal():
            found = account.orders.get(int(order_id_ex[6:])) if len(order_id_ex) < 32 else None
        if found is None or found.status is OrderStatus.DELETED:
            raise TradeError("order")
        return found

    def check_may_trade(self, account: Account) -> None:
        """Raise ``TradeError`` where an account takes no orders now."""
        terms = account.terms
        if terms.is_disabled:
            raise TradeError("disabled")
        if terms.is_master:
            raise TradeError("master")
        if not terms.is_paper and terms.firm not in self.unlocked:
            raise TradeError("locked")

    def place(self, account: Account, terms: OrderTerms) -> Order:
        """Accept an order. Raises ``TradeError``."""
        self.check_may_trade(account)
        if terms.is_prediction:
            raise TradeError("prediction")
        instrument = self.tradable(account, terms.sec_market, terms.code)
        if len(account.orders) >= MOST_ORDERS:
            raise TradeError("full", most=MOST_ORDERS)
        if len(account.working) >= MOST_OPEN:
            raise TradeError("full_open", most=MOST_OPEN)
        if len(terms.remark.encode()) > REMARK_BYTES:
            raise TradeError("remark")
        product = product_of(instrument, account.terms.firm)
        order_type = type_of(account, product, terms.order_type)
        side = side_of(account, instrument, terms.side)
        qty = amount(terms.qty, "quantity", lot=instrument.lot)
        check_quantity(instrument, qty, sells=not side.buys)
        session = session_of(account, instrument, order_type, terms)
        now = self.venue.now(instrument)
        day = self.venue.trading_day(instrument, sessions_of(instrument, session, outside_rth=terms.fill_outside_rth))
        if instrument.last_day is not None and day > instrument.last_day:
            raise TradeError("last_day", code=instrument.code, day=instrument.last_day)
        if product is Product.OTHER_STOCK and self.venue.phase(instrument) is Phase.CLOSED:
            raise TradeError("closed", code=instrument.code)
        self._orders += 1
        order = Order(
            7_000_000_000 + self._orders,
            instrument,
            side,
            order_type,
            qty,
            ZERO,
            now,
            now,
            day,
            self._exchange.arrival(instrument),
            session=session,
            fill_outside_rth=terms.fill_outside_rth,
            remark=terms.remark,
            seen=self.venue.sequence(instrument),
        )
        set_prices(self.venue, order, terms, is_paper=account.terms.is_paper)
        set_time_in_force(account, order, terms)
        check_size(instrument, account.terms.firm, qty, qty * order.reserve * instrument.multiplier)
        self.day_trades.check(account, order)
        self.power.check(account, order)
        order.decision = self.decisions.take()
        waits = order_type in CONDITIONAL or not self._exchange.can_be_there(order)
        order.status = OrderStatus.WAITING_SUBMIT if waits else OrderStatus.SUBMITTING
        if order_type in TRAILING:
            order.extreme = self.venue.last(instrument)
        account.orders[order.order_id] = account.working[order.order_id] = order
        self._touched.append((account, order))
        self._journal.report(account, order)
        return order

    def change(self, account: Account, order: Order, wanted: OrderChange) -> None:
        """Change quantity and prices of an order. Raises ``TradeError``."""
        self.check_may_trade(account)
        is_fixed = order.instrument.kind is Kind.CRYPTO or self._product(account, order) is Product.CN
        if is_fixed and not account.terms.is_paper:
            raise TradeError("op", op=1)
        if not order.is_open:
            raise TradeError("not_open")
        trial = copy.copy(order)
        trial.qty = amount(wanted.qty, "quantity", lot=order.instrument.lot)
        check_quantity(order.instrument, trial.qty, sells=not order.side.buys)
        if trial.qty <= order.filled:
            raise TradeError("less")
        set_prices(self.venue, trial, wanted, is_paper=account.terms.is_paper)
        check_size(
            order.instrument, account.terms.firm, trial.qty, trial.qty * trial.reserve * order.instrument.multiplier
        )
        account.working[order.order_id] = trial  # its own money and shares are available for the change
        try:
            self.power.check(account, trial)
        finally:
            account.working[order.order_id] = order
        if trial.price != order.price or trial.qty > order.qty:
            order.is_resting = False  # it loses its place in the queue
        for name in ("qty", "price", "reserve", "aux_price", "trail_type", "trail_value", "trail_spread"):
            setattr(order, name, getattr(trial, name))
        self._touched.append((account, order))
        self._journal.report(account, order)

    def cancel(self, account: Account, order: Order) -> None:
        """Cancel an order. Raises ``TradeError``."""
        self.check_may_trade(account)
        if not order.is_open and order.status is not OrderStatus.DISABLED:
            raise TradeError("not_open")
        self._journal.end(account, order)

    def cancel_all(self, account: Account, market: int = 0) -> None:
        """Cancel all orders of an account, or those in a ``TrdMarket``. Raises ``TradeError``."""
        self.check_may_trade(account)
        if account.terms.is_paper:
            raise TradeError("paper_cancel_all")
        if market == HKCC:
            raise TradeError("all_market")
        for order in list(account.working.values()):
            where = self.market_of(account, order.instrument)
            if where == market if market else where != HKCC:
                self._journal.end(account, order)

    def disable(self, account: Account, order: Order) -> None:
        """Withdraw an order from the exchange, and keep it. Raises ``TradeError``."""
        self._check_kept(account, order, 3)
        if order.status is not OrderStatus.SUBMITTED:
            raise TradeError("not_open")
        self._journal.move(account, order, OrderStatus.DISABLED)

    def enable(self, account: Account, order: Order) -> None:
        """Send a disabled order again. Raises ``TradeError``."""
        self._check_kept(account, order, 4)
        if order.status is not OrderStatus.DISABLED:
            raise TradeError("not_disabled")
        self.power.check(account, order)
        order.is_resting = False
        order.arrives_at = self._exchange.arrival(order.instrument)
        self._touched.append((account, order))
        self._journal.move(account, order, OrderStatus.SUBMITTING)

    def delete(self, account: Account, order: Order) -> None:
        """Hide an order that was cancelled or failed. Raises ``TradeError``."""
        self.check_may_trade(account)
        if account.terms.is_paper:
            raise TradeError("paper_op")
        if self._product(account, order) not in _DELETES:
            raise TradeError("op", op=5)
        if OrderStatus.DELETED not in TRANSITIONS[order.status]:
            raise TradeError("not_deletable")
        self._journal.move(account, order, OrderStatus.DELETED)

    def _check_kept(self, account: Account, order: Order, op: int) -> None:
        self.check_may_trade(account)
        if account.terms.is_paper:
            raise TradeError("paper_op")
        if order.instrument.sec_market != SecMarket.HK or order.instrument.kind is Kind.FUTURE:
            raise TradeError("op", op=op)

    def _product(self, account: Account, order: Order) -> Product:
        return product_of(order.instrument, account.terms.firm)

    @staticmethod
    def market_of(account: Account, instrument: Instrument) -> int:
        """Return the ``TrdMarket`` in which an account trades an instrument."""
        return market_of(
            account.terms,
            instrument.sec_market,
            is_future=instrument.kind is Kind.FUTURE,
            is_crypto=instrument.kind is Kind.CRYPTO,
        )

    # Time.

    def settle(self) -> None:
        """Do what is due at once after requests: send their orders, and fill them against the book."""
        touched, self._touched = self._touched, []
        for account, order in touched:
            if order.is_open:
                self._exchange.follow(account, order, moved_on=False)

    def advance(self) -> None:
        """Follow the market, which has moved on: send what waits, fill what can be filled, end what has expired."""
        self._exchange.follow_all(self.accounts.values())
