"""The broker: takes orders, sends them, follows them through their states, fills them.

All clients share it, as all connections of one OpenD do. Whatever changes is reported as events in the order in which
it happened; each holds a copy of the order at that moment. Time moves on with ``advance``, which the answer source
calls in each second of the market; ``settle`` does what is due at once after a request.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from ftwire_tools.gateway.limits import Language
from ftwire_tools.gateway.order_decisions import OrderDecisions
from ftwire_tools.gateway.trading.accounts import ACCOUNTS, MOST_ORDERS, Account, AccountTerms, market_of
from ftwire_tools.gateway.trading.amounts import ZERO, cents, exact, in_lots
from ftwire_tools.gateway.trading.fill_model import FillModel, Look, Slice, slices
from ftwire_tools.gateway.trading.order import (
    Fill,
    Order,
    OrderTerms,
    Session,
    Side,
    TimeInForce,
    TrailType,
)
from ftwire_tools.gateway.trading.order_state import FINAL, TRANSITIONS, OrderStatus
from ftwire_tools.gateway.trading.order_types import (
    ALGORITHMS,
    AT_ONCE,
    AUCTIONS,
    CONDITIONAL,
    MARKET_LIKE,
    NEEDED,
    PAPER_TYPES,
    TRAILING,
    TYPES,
    OrderType,
    Product,
    SecurityFirm,
    becomes,
    product_of,
)
from ftwire_tools.gateway.trading.power import Power, can_short
from ftwire_tools.gateway.trading.price_rules import adjusted, band, check_price, check_quantity, check_size
from ftwire_tools.gateway.trading.texts import TradeError
from ftwire_tools.gateway.trading.triggers import is_met, limit_after
from ftwire_tools.gateway.trading.venue import Instrument, Kind, Phase, Venue

__all__ = ["Broker", "OrderChange", "OrderEvent"]

GTC_DAYS: Final = 90
"""Calendar days after which an order that is good till cancelled ends."""
REMARK_BYTES: Final = 64
PDT_ASSETS: Final = Decimal(25_000)
"""Dollars below which the rule about day trades holds."""
PDT_TRADES: Final = 3
"""Day trades that are free of it."""
PDT_DAYS: Final = 5
"""Trading days in which they are counted."""

_HK, _US = 1, 2
_EXTENDED: Final = frozenset({Phase.PRE, Phase.AFTER})
_SETTLES: Final = {2: 1, 31: 1, 32: 1}
"""``TrdSecMarket`` to days from trade to settlement; two for others."""


class OrderEvent(NamedTuple):
    """A change of an order, for the subscribers of its account."""

    account: AccountTerms
    order: Order
    """A copy: the order after the change."""
    fill: Fill | None = None
    is_change: bool = True
    """Whether a field of the order has changed whose change is pushed."""


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
        self.model = model or FillModel()
        self.language: Final[Language] = language
        self.accounts: Final = {terms.acc_id: Account.opened(terms) for terms in accounts}
        self.power: Final = Power(venue)
        self.unlocked: Final[set[int]] = set()
        """Firms whose real accounts take orders."""
        self._protects: Final = pdt_protection
        self._orders = 0
        self._fills = 0
        self._events: list[OrderEvent] = []
        self.decisions: Final = OrderDecisions()
        """What becomes of the next orders, where the market does not decide."""
        self._looks: Final[dict[tuple[int, str], Look]] = {}
        self._touched: list[tuple[Account, Order]] = []
        """Orders that requests have placed or changed since the last call of ``settle``."""

    # Steering, for tests and scripts.

    def cancel_fills(self, account: Account, order: Order) -> None:
        """Take back all fills of a filled order, as an exchange does after an error. Raises ``TradeError``."""
        if order.status is not OrderStatus.FILLED_ALL:
            raise TradeError("not_open")
        instrument, now = order.instrument, self.venue.now(order.instrument)
        day = self.venue.trading_day(instrument, extended=True)
        side = Side.SELL if order.side.buys else Side.BUY
        order.status = self._following(order, OrderStatus.FILL_CANCELLED)
        fee, order.fees = order.fees, ZERO
        for index, fill in enumerate(account.fills):
            if fill.order_id != order.order_id or fill.is_cancelled:
                continue
            account.fills[index] = taken_back = fill._replace(is_cancelled=True)
            account.ledger.record(
                instrument, side, fill.qty, fill.price, -fee, day=day, settles=day, time=now, remark=order.order_id_ex
            )
            fee = ZERO
            self._changed(account, order, taken_back)

    def events(self) -> list[OrderEvent]:
        """Return what has changed since the last call, in order."""
        found, self._events = self._events, []
        return found

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
            sec_market = {1: 1, 2: 2, 10: 1, 11: 2, 12: 41, 13: 51}.get(account.terms.markets[0], 0)
        found = self.venue.find(sec_market, code)
        if found is None:
            raise TradeError("code", code=code)
        if found.kind is Kind.OTHER:
            raise TradeError("not_traded", code=code)
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
        instrument = self.instrument(terms.sec_market, terms.code, account)
        is_future, is_crypto = instrument.kind is Kind.FUTURE, instrument.kind is Kind.CRYPTO
        market = market_of(account.terms, instrument.sec_market, is_future=is_future, is_crypto=is_crypto)
        if market not in account.terms.markets:
            raise TradeError("code_market", account=account.acc_id, code=terms.code, market=market)
        if len(account.orders) >= MOST_ORDERS:
            raise TradeError("full", most=MOST_ORDERS)
        if len(terms.remark.encode()) > REMARK_BYTES:
            raise TradeError("remark")
        product = product_of(instrument, account.terms.firm)
        order_type = self._type(account, product, terms.order_type)
        side = self._side(account, instrument, terms.side)
        qty = _amount(terms.qty, "quantity", lot=instrument.lot)
        check_quantity(instrument, qty, sells=not side.buys)
        session = self._session(account, instrument, order_type, terms)
        now = self.venue.now(instrument)
        self._orders += 1
        order = Order(
            7_000_000_000 + self._orders,
            account.acc_id,
            instrument,
            side,
            order_type,
            qty,
            ZERO,
            now,
            now,
            self._day_for(instrument, session, terms),
            self.venue.stamp(instrument, now) + self.model.latency,
            session=session,
            fill_outside_rth=terms.fill_outside_rth,
            remark=terms.remark,
            seen=self.venue.sequence(instrument),
        )
        self._prices(
            order,
            OrderChange(
                terms.qty,
                terms.price,
                terms.aux_price,
                terms.trail_type,
                terms.trail_value,
                terms.trail_spread,
                terms.adjust,
            ),
        )
        self._time_in_force(account, order, terms)
        check_size(instrument, account.terms.firm, qty, qty * order.reserve * instrument.multiplier)
        self._check_day_trade(account, order)
        self.power.check(account, order)
        order.decision = self.decisions.take()
        waits = order_type in CONDITIONAL or not self._trades(order)
        order.status = OrderStatus.WAITING_SUBMIT if waits else OrderStatus.SUBMITTING
        if order_type in TRAILING:
            order.extreme = self.venue.last(instrument)
        account.orders[order.order_id] = account.working[order.order_id] = order
        self._touched.append((account, order))
        self._changed(account, order)
        return order

    @staticmethod
    def _type(account: Account, product: Product, number: int) -> OrderType:
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

    def _side(self, account: Account, instrument: Instrument, number: int) -> Side:
        """Return the side that replies show: what is sold and not held is sold short."""
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

    def _prices(self, order: Order, wanted: OrderChange) -> None:
        """Set the fields that an order's type needs. Raises ``TradeError``."""
        is_paper = self.accounts[order.account_id].terms.is_paper
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
        price = _amount(wanted.price, "price")
        if "price" in needed:
            if wanted.adjust:
                price = adjusted(instrument, price, _amount(wanted.adjust, "adjust"))
            check_price(instrument, price)
            last = self.venue.last(instrument)
            limits = band(instrument, self.venue.reference(instrument), last, is_paper=is_paper)
            if limits is not None and not limits[0] <= price <= limits[1]:
                raise TradeError("band", low=limits[0], high=limits[1])
        if "auxPrice" in needed:
            aux = _amount(wanted.aux_price, "price")
            check_price(instrument, aux, is_trigger=True)
            order.aux_price = aux
        if "trailType" in needed:
            try:
                trail_type = TrailType(wanted.trail_type or 0)
            except ValueError:
                raise TradeError("trail_type") from None
            value = _amount(wanted.trail_value, "trail_value")
            if value <= 0 or (trail_type is TrailType.RATIO and value >= 100):
                raise TradeError("trail_value")
            order.trail_type, order.trail_value = trail_type, value
        if "trailSpread" in needed:
            spread = _amount(wanted.trail_spread, "price")
            if spread < 0:
                raise TradeError("price")
            order.trail_spread = spread
        order.price = price
        order.reserve = price if "price" in needed else order.aux_price or self._best(order)

    def _best(self, order: Order) -> Decimal:
        """Return the best price of the other side."""
        quote = self.venue.quote(order.instrument)
        return quote.ask if order.side.buys else quote.bid

    def _day_for(self, instrument: Instrument, session: Session, terms: OrderTerms) -> date:
        is_extended = self._is_extended(instrument, session, terms.fill_outside_rth)
        return self.venue.trading_day(instrument, extended=is_extended)

    def _time_in_force(self, account: Account, order: Order, terms: OrderTerms) -> None:
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
        day_only = instrument.sec_market != _US or instrument.kind is Kind.FUTURE
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

    @staticmethod
    def _session(account: Account, instrument: Instrument, order_type: OrderType, terms: OrderTerms) -> Session:
        try:
            session = Session(terms.session)
        except ValueError:
            raise TradeError("session", session=terms.session) from None
        if instrument.sec_market != _US or instrument.kind is not Kind.STOCK:
            return session  # of the US only; OpenD is sent it with every order
        if account.terms.is_paper and session in {Session.ALL, Session.OVERNIGHT}:
            raise TradeError("session", session=session.name)
        if order_type is OrderType.MARKET and session is Session.OVERNIGHT:
            raise TradeError("session", session=session.name)
        return session

    def _check_day_trade(self, account: Account, order: Order) -> None:
        """Raise ``TradeError`` for a fourth day trade in five days, where the rule holds and is guarded."""
        if not (self._protects and self.has_day_trade_rule(account) and self._is_day_trade(account, order)):
            return
        today = self.venue.trading_day(order.instrument, extended=True)
        is_small = self.power.assets(account, account.terms.currency) < PDT_ASSETS
        if is_small and not self._free_day_trades(account, order.instrument, today):
            raise TradeError("day_trade")

    def _free_day_trades(self, account: Account, instrument: Instrument, today: date) -> int:
        first = self.venue.another_day(instrument, today, 1 - PDT_DAYS)
        return max(PDT_TRADES - len({number for day, number in account.day_trades if first <= day <= today}), 0)

    def day_trades_left(self, account: Account) -> tuple[int, bool]:
        """Return how many day trades are free in these five days, and whether more than those were made."""
        if not account.day_trades:
            return PDT_TRADES, False
        last, number = account.day_trades[-1]
        first = self.venue.another_day(account.orders[number].instrument, last, 1 - PDT_DAYS)
        made = len({number for day, number in account.day_trades if day >= first})
        return max(PDT_TRADES - made, 0), made > PDT_TRADES

    @staticmethod
    def has_day_trade_rule(account: Account) -> bool:
        """Return whether the rule about day trades is about an account: margin ones of the firm in the US."""
        return account.terms.firm is SecurityFirm.FUTUINC and account.terms.has_margin

    def _is_day_trade(self, account: Account, order: Order) -> bool:
        position = account.ledger.positions.get(order.instrument.key)
        if position is None or position.day != self.venue.trading_day(order.instrument, extended=True):
            return False
        if order.side is Side.SELL:
            return position.bought_today > 0
        return order.side is Side.BUY_BACK and position.sold_today > 0

    def change(self, account: Account, order: Order, wanted: OrderChange) -> None:
        """Change quantity and prices of an order. Raises ``TradeError``."""
        self.check_may_trade(account)
        is_fixed = order.instrument.kind is Kind.CRYPTO or self._product(account, order) is Product.CN
        if is_fixed and not account.terms.is_paper:
            raise TradeError("op", op=1)
        if not order.is_open:
            raise TradeError("not_open")
        trial = copy.copy(order)
        trial.qty = _amount(wanted.qty, "quantity", lot=order.instrument.lot)
        check_quantity(order.instrument, trial.qty, sells=not order.side.buys)
        if trial.qty <= order.filled:
            raise TradeError("less")
        self._prices(trial, wanted)
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
        self._changed(account, order)

    def cancel(self, account: Account, order: Order) -> None:
        """Cancel an order. Raises ``TradeError``."""
        self.check_may_trade(account)
        if not order.is_open and order.status is not OrderStatus.DISABLED:
            raise TradeError("not_open")
        self._end(account, order)

    def cancel_all(self, account: Account, market: int = 0) -> None:
        """Cancel all orders of an account, or those in a ``TrdMarket``. Raises ``TradeError``."""
        self.check_may_trade(account)
        if account.terms.is_paper:
            raise TradeError("paper_cancel_all")
        if market == 4 or account.terms.markets == (4,):
            raise TradeError("all_market")
        for order in list(account.working.values()):
            where = self.market_of(account, order.instrument)
            if (order.is_open or order.status is OrderStatus.DISABLED) and (where == market if market else where != 4):
                self._end(account, order)

    def disable(self, account: Account, order: Order) -> None:
        """Withdraw an order from the exchange, and keep it. Raises ``TradeError``."""
        self._check_kept(account, order, 3)
        if order.status is not OrderStatus.SUBMITTED:
            raise TradeError("not_open")
        self._to(account, order, OrderStatus.DISABLED)

    def enable(self, account: Account, order: Order) -> None:
        """Send a disabled order again. Raises ``TradeError``."""
        self._check_kept(account, order, 4)
        if order.status is not OrderStatus.DISABLED:
            raise TradeError("not_disabled")
        self.power.check(account, order)
        order.is_resting = False
        order.arrives_at = self.venue.stamp(order.instrument, self.venue.now(order.instrument)) + self.model.latency
        self._touched.append((account, order))
        self._to(account, order, OrderStatus.SUBMITTING)

    def delete(self, account: Account, order: Order) -> None:
        """Hide an order that was cancelled or failed. Raises ``TradeError``."""
        self.check_may_trade(account)
        if account.terms.is_paper:
            raise TradeError("paper_op")
        if (
            self._product(account, order)
            not in {
                Product.HK_STOCK,
                Product.HK_OPTION,
                Product.HK_FUTURE,
                Product.FUTURE,
            }
            and order.instrument.kind is not Kind.FUTURE
        ):
            raise TradeError("op", op=5)
        if OrderStatus.DELETED not in TRANSITIONS[order.status]:
            raise TradeError("not_deletable")
        self._to(account, order, OrderStatus.DELETED)

    def _check_kept(self, account: Account, order: Order, op: int) -> None:
        self.check_may_trade(account)
        if account.terms.is_paper:
            raise TradeError("paper_op")
        if order.instrument.sec_market != _HK or order.instrument.kind is Kind.FUTURE:
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

    # States.

    @staticmethod
    def _following(order: Order, status: OrderStatus) -> OrderStatus:
        if status not in TRANSITIONS[order.status]:
            raise AssertionError(f"{order.status.name} is not followed by {status.name}")
        return status

    def _to(self, account: Account, order: Order, status: OrderStatus, fill: Fill | None = None) -> None:
        if status is not order.status:
            order.status = self._following(order, status)
        if order.status in FINAL:
            account.working.pop(order.order_id, None)
        self._changed(account, order, fill)

    def _changed(self, account: Account, order: Order, fill: Fill | None = None) -> None:
        """Report a change, if it is one of the fields whose changes are pushed, or a fill."""
        is_change = order.pushed_fields != order.reported
        if is_change:
            order.reported, order.updated = order.pushed_fields, self.venue.now(order.instrument)
        if is_change or fill is not None:
            self._events.append(OrderEvent(account.terms, copy.copy(order), fill, is_change))

    def _end(self, account: Account, order: Order) -> None:
        self._to(account, order, OrderStatus.CANCELLED_PART if order.filled else OrderStatus.CANCELLED_ALL)

    def _fail(self, account: Account, order: Order, error: TradeError | str) -> None:
        order.last_error = error if isinstance(error, str) else error.text(self.language)
        self._to(account, order, OrderStatus.FAILED)

    # Time.

    def settle(self) -> None:
        """Do what is due at once after requests: send their orders, and fill them against the book."""
        touched, self._touched = self._touched, []
        for account, order in touched:
            if order.is_open:
                self._follow(account, order, moved_on=False)

    def advance(self) -> None:
        """Follow the market, which has moved on: send what waits, fill what can be filled, end what has expired."""
        working = [(account, order) for account in self.accounts.values() for order in account.working.values()]
        # Better limits first, then earlier orders; market orders before all.
        working.sort(key=_priority)
        for account, order in working:
            if order.is_open or order.status is OrderStatus.DISABLED:
                self._follow(account, order, moved_on=True)

    def _follow(self, account: Account, order: Order, *, moved_on: bool) -> None:
        if self._has_expired(order):
            order.last_error = TradeError("expired").text(self.language)
            self._end(account, order)
            return
        if order.status is OrderStatus.WAITING_SUBMIT:
            self._wait(account, order)
        if order.status is OrderStatus.SUBMITTING:
            self._arrive(account, order, moved_on=moved_on)
        elif order.status in {OrderStatus.SUBMITTED, OrderStatus.FILLED_PART}:
            self._fill_at_exchange(account, order, moved_on=moved_on)

    def _has_expired(self, order: Order) -> bool:
        today = self.venue.trading_day(
            order.instrument, extended=self._is_extended(order.instrument, order.session, order.fill_outside_rth)
        )
        return today > (order.expires or order.day)

    @staticmethod
    def _is_extended(instrument: Instrument, session: Session, fill_outside_rth: bool) -> bool:
        """Return whether an order may be filled outside regular hours: stocks of the US only."""
        is_stock = instrument.sec_market == _US and instrument.kind is Kind.STOCK
        return is_stock and (fill_outside_rth or session in {Session.ETH, Session.ALL, Session.OVERNIGHT})

    def _trades(self, order: Order) -> bool:
        """Return whether an order can be at the exchange in its market's present phase."""
        phase = self.venue.phase(order.instrument)
        if order.order_type in AUCTIONS:
            return phase is Phase.AUCTION
        if phase in {Phase.REGULAR, Phase.BREAK}:
            return order.session is not Session.OVERNIGHT
        is_stock = order.instrument.sec_market == _US and order.instrument.kind is Kind.STOCK
        if not is_stock or becomes(order.order_type) is OrderType.MARKET:
            return False
        if phase in _EXTENDED:
            return order.session in {Session.ETH, Session.ALL} or order.fill_outside_rth
        return phase is Phase.OVERNIGHT and order.session in {Session.ALL, Session.OVERNIGHT}

    def _wait(self, account: Account, order: Order) -> None:
        instrument = order.instrument
        if not self._trades(order) or self.venue.is_halted(instrument):
            order.seen = self.venue.sequence(instrument)
            return
        if order.order_type in CONDITIONAL and not order.is_triggered:
            prints = self.venue.prints(instrument, order.seen)
            if prints:
                order.seen = prints[-1].sequence
            if not is_met(order, [each.price for each in prints] + [self.venue.last(instrument)]):
                return
            order.limit = limit_after(order)
            order.reserve = order.limit or (order.reserve if order.order_type not in MARKET_LIKE else self._best(order))
            order.is_triggered = True
            try:
                self.power.check(account, order)
            except TradeError as error:
                self._fail(account, order, error)
                return
        order.arrives_at = self.venue.stamp(instrument, self.venue.now(instrument)) + self.model.latency
        self._to(account, order, OrderStatus.SUBMITTING)

    def _arrive(self, account: Account, order: Order, *, moved_on: bool) -> None:
        instrument = order.instrument
        if self.venue.stamp(instrument, self.venue.now(instrument)) < order.arrives_at:
            return
        if order.decision is not None and order.decision.failure:
            if moved_on:  # as other decisions, in the next second of the market
                self._fail(account, order, order.decision.failure)
            return
        if order.order_type is OrderType.ABSOLUTE_LIMIT:
            quote = self.venue.quote(instrument)
            if (quote.ask if order.side.buys else quote.bid) != order.price:
                self._fail(account, order, TradeError("no_match"))
                return
        order.seen = self.venue.sequence(instrument)
        self._to(account, order, OrderStatus.SUBMITTED)
        self._fill_at_exchange(account, order, moved_on=moved_on and self.model.name != "half")

    def _look(self, instrument: Instrument) -> Look:
        found = self._looks.get(instrument.key)
        quote = self.venue.quote(instrument)
        if found is None or found.quote != quote:  # also within a second, where a verb has set the price
            found = self._looks[instrument.key] = Look(quote)
        return found

    def _fill_at_exchange(self, account: Account, order: Order, *, moved_on: bool) -> None:
        instrument = order.instrument
        if order.order_type in AUCTIONS:
            self._fill_in_auction(account, order)
            return
        if self.venue.is_halted(instrument) or not self._trades(order):
            return
        if self.venue.phase(instrument) is Phase.BREAK:
            return
        if order.decision is not None:
            if moved_on:
                self._fill_as_decided(account, order, order.decision.share)
            return
        look = self._look(instrument)
        taken = dict(look.taken) if order.order_type is OrderType.SPECIAL_LIMIT_ALL else {}
        if moved_on and order.is_resting:
            look.prints = self.venue.prints(instrument, order.seen)
            if look.prints:
                order.seen = look.prints[-1].sequence
        limit = None if becomes(order.order_type) is OrderType.MARKET else order.limit or order.price
        found = slices(self.model, order, limit, look, moved_on=moved_on)
        if order.order_type is OrderType.ABSOLUTE_LIMIT:
            found = [each for each in found if each.price == order.price]
        if order.order_type is OrderType.SPECIAL_LIMIT_ALL and sum(each.qty for each in found) < order.left:
            found, look.taken = [], taken
        for each in found:
            if not self._fill(account, order, each):
                self._end(account, order)
                return
        at_once = order.order_type in AT_ONCE or order.time_in_force is TimeInForce.IOC
        if at_once and order.left and (moved_on or self.model.name != "half"):
            self._end(account, order)

    def _fill_as_decided(self, account: Account, order: Order, share: float) -> None:
        """Fill the part that was decided, in lots, at the order's own price; the rest stays open."""
        qty = in_lots(order.qty * exact(share), order.instrument.lot) - order.filled
        if qty > 0:
            is_market = becomes(order.order_type) is OrderType.MARKET
            self._fill(account, order, Slice(self._best(order) if is_market else order.limit or order.price, qty))

    def _fill_in_auction(self, account: Account, order: Order) -> None:
        """Fill what takes part in an auction at its end, at the price that it has found; cancel the rest."""
        if self.venue.phase(order.instrument) is Phase.AUCTION:
            order.in_auction = True
            return
        found = self.venue.prints(order.instrument, order.seen)
        if self.venue.phase(order.instrument) is Phase.REGULAR and not found:
            return  # the opening auction's price is the first one of the day
        price = found[0].price if found else self.venue.last(order.instrument)
        buys, limited = order.side.buys, order.order_type is OrderType.AUCTION_LIMIT
        fits = not limited or (price <= order.price if buys else price >= order.price)
        if fits and self._fill(account, order, Slice(price, order.left)):
            return
        self._end(account, order)

    def _fill(self, account: Account, order: Order, part: Slice) -> bool:
        """Fill a part of an order; return whether the account could pay for all of it."""
        instrument, qty, price = order.instrument, part.qty, part.price
        if order.side.buys and not account.terms.has_margin:
            qty = self._affordable(account, order, part)
            if not qty:
                return False
        now, day = self.venue.now(instrument), self.venue.trading_day(instrument, extended=True)
        if self.has_day_trade_rule(account) and self._is_day_trade(account, order):
            account.day_trades.append((day, order.order_id))
            del account.day_trades[:-100]
        order.filled += qty
        order.paid += qty * price
        fee = self._fee(account, order) - order.fees
        order.fees += fee
        account.ledger.record(
            instrument,
            order.side,
            qty,
            price,
            fee,
            day=day,
            settles=self.venue.another_day(instrument, day, _SETTLES.get(instrument.sec_market, 2)),
            time=now,
            remark=order.order_id_ex,
        )
        self._fills += 1
        fill = Fill(8_000_000_000 + self._fills, order.order_id, instrument, order.side, qty, price, now)
        account.fills.append(fill)
        self._to(account, order, OrderStatus.FILLED_PART if order.left else OrderStatus.FILLED_ALL, fill)
        return qty == part.qty

    def _fee(self, account: Account, order: Order) -> Decimal:
        value = cents(order.paid * order.instrument.multiplier)
        return self.power.fee(account, order.instrument, order.filled, value, order.side)

    def _affordable(self, account: Account, order: Order, part: Slice) -> Decimal:
        """Return how much of a part an account without margin can pay for."""
        instrument = order.instrument
        money = self.power.free_cash(account, instrument.currency, but=order)

        def fits(qty: Decimal) -> bool:
            value = cents((order.paid + qty * part.price) * instrument.multiplier)
            fee = self.power.fee(account, instrument, order.filled + qty, value, order.side) - order.fees
            return cents(qty * part.price * instrument.multiplier) + fee <= money

        return part.qty if fits(part.qty) else self.power.most(instrument, part.qty, fits)


def _amount(value: float | None, error: str, **facts: object) -> Decimal:
    """Return a number that a client sent as a decimal. Raises ``TradeError``."""
    try:
        return exact(value or 0.0)
    except ValueError:
        raise TradeError(error, **facts) from None


def _priority(entry: tuple[Account, Order]) -> tuple[tuple[int, str], bool, Decimal, int]:
    order = entry[1]
    if becomes(order.order_type) is OrderType.MARKET:
        return order.instrument.key, order.side.buys, Decimal("-Infinity"), order.order_id
    limit = order.limit or order.price
    return order.instrument.key, order.side.buys, -limit if order.side.buys else limit, order.order_id
