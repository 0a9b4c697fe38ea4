"""Orders on their way: waiting, sent, at the exchange, filled, over.

Each order is followed through the market's phases: it waits until its market trades and its condition is met, arrives
after the model's latency, is filled as the model says, and ends when it is filled, cannot be, or its time is over.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import Final

from ftwire_tools.gateway.trading.accounts import Account
from ftwire_tools.gateway.trading.amounts import ZERO, cents, exact, in_lots
from ftwire_tools.gateway.trading.day_trades import DayTradeRule
from ftwire_tools.gateway.trading.fill_model import FillModel, Look, Slice, slices
from ftwire_tools.gateway.trading.journal import OrderJournal
from ftwire_tools.gateway.trading.order import Fill, Order, OrderSession, Side, TimeInForce
from ftwire_tools.gateway.trading.order_entry import best_price, sessions_of
from ftwire_tools.gateway.trading.order_state import OrderStatus
from ftwire_tools.gateway.trading.order_types import (
    AT_ONCE,
    AUCTIONS,
    CONDITIONAL,
    MARKET_LIKE,
    OrderType,
    becomes,
)
from ftwire_tools.gateway.trading.power import Power
from ftwire_tools.gateway.trading.texts import TradeError
from ftwire_tools.gateway.trading.triggers import is_met, limit_after
from ftwire_tools.gateway.trading.venue import Instrument, Phase

__all__ = ["Exchange"]

_EXTENDED: Final = frozenset({Phase.PRE, Phase.AFTER})
_SETTLES: Final = {2: 1, 31: 1, 32: 1}
"""``TrdSecMarket`` to days from trade to settlement; two for others."""


class Exchange:
    """Follows orders, and fills them."""

    def __init__(self, power: Power, model: FillModel, journal: OrderJournal, day_trades: DayTradeRule) -> None:
        self._venue: Final = power.venue
        self._power: Final = power
        self._model: Final = model
        self._journal: Final = journal
        self._day_trades: Final = day_trades
        self._fills = 0
        self._looks: Final[dict[tuple[int, str], Look]] = {}
        self._away: Final[set[int]] = set()
        """Orders that were followed in ``_minute``, in which they cannot be filled."""
        self._minute: int | None = None

    def arrival(self, instrument: Instrument) -> float:
        """Return when an order that is sent now arrives, in seconds since 1970."""
        return self._venue.stamp(instrument, self._venue.now(instrument)) + self._model.latency

    def follow_all(self, accounts: Collection[Account]) -> None:
        """Follow the orders of accounts in a second of the market: better limits first, then earlier orders."""
        minute = self._venue.steady_minute()
        is_same = minute is not None and minute == self._minute
        self._minute = minute
        if not is_same:
            self._away.clear()
            self._settle_options(accounts)
        working = [
            (account, order)
            for account in accounts
            for order in account.working.values()
            if order.order_id not in self._away or order.status is OrderStatus.SUBMITTING
        ]
        working.sort(key=_priority)
        for account, order in working:
            if order.is_open or order.status is OrderStatus.DISABLED:
                self.follow(account, order, moved_on=True, may_expire=not is_same)
            if minute is not None and not is_same and not order.in_auction and not self.can_be_there(order):
                self._away.add(order.order_id)

    def _settle_options(self, accounts: Collection[Account]) -> None:
        """Close positions in options whose last day is over, at what these are worth, without a fee or a fill."""
        for account in accounts:
            for position in account.ledger.positions.values():
                instrument, day = position.instrument, position.instrument.last_day
                if not position.qty or day is None or self._venue.trading_day(instrument) <= day:
                    continue
                account.ledger.record(
                    instrument,
                    Side.SELL if position.qty > 0 else Side.BUY_BACK,
                    abs(position.qty),
                    self._venue.worth_at_expiry(instrument),
                    ZERO,
                    day=day,
                    settles=self._venue.another_day(instrument, day, 1),
                    time=self._venue.now(instrument),
                    remark=f"{instrument.code} expired",
                )

    def follow(self, account: Account, order: Order, *, moved_on: bool, may_expire: bool = True) -> None:
        """Do what is due for an order; ``moved_on`` tells whether the market has moved on since it was looked at."""
        if may_expire and self._has_expired(order) and not order.in_auction:
            self._journal.expire(account, order)
            return
        if order.status is OrderStatus.WAITING_SUBMIT:
            self._wait(account, order)
        if order.status is OrderStatus.SUBMITTING:
            self._arrive(account, order, moved_on=moved_on)
        elif order.status in {OrderStatus.SUBMITTED, OrderStatus.FILLED_PART}:
            self._fill_at_exchange(account, order, moved_on=moved_on)

    def _has_expired(self, order: Order) -> bool:
        instrument = order.instrument
        sessions = sessions_of(instrument, order.session, outside_rth=order.fill_outside_rth)
        last = min(order.expires or order.day, instrument.last_day or date.max)
        return self._venue.trading_day(instrument, sessions) > last

    def can_be_there(self, order: Order, phase: Phase | None = None) -> bool:
        """Return whether an order can be at the exchange in a phase of its market, by default the present one."""
        phase = phase or self._venue.phase(order.instrument)
        if order.order_type in AUCTIONS:
            return phase is Phase.AUCTION
        if phase in {Phase.REGULAR, Phase.BREAK}:
            return order.session is not OrderSession.OVERNIGHT
        if not order.instrument.is_us_stock or becomes(order.order_type) is OrderType.MARKET:
            return False
        if phase in _EXTENDED:
            return order.session in {OrderSession.ETH, OrderSession.ALL} or order.fill_outside_rth
        return phase is Phase.OVERNIGHT and order.session in {OrderSession.ALL, OrderSession.OVERNIGHT}

    def _wait(self, account: Account, order: Order) -> None:
        instrument = order.instrument
        if not self.can_be_there(order) or self._venue.is_halted(instrument):
            order.seen = self._venue.sequence(instrument)
            return
        if order.order_type in CONDITIONAL and not order.is_triggered:
            prints = self._venue.prints(instrument, order.seen)
            if prints:
                order.seen = prints[-1].sequence
            if not is_met(order, [each.price for each in prints] + [self._venue.last(instrument)]):
                return
            order.limit = limit_after(order)
            if order.order_type in MARKET_LIKE:
                order.reserve = best_price(self._venue, order)
            elif order.limit is not None:
                order.reserve = order.limit
            order.is_triggered = True
            try:
                self._power.check(account, order)
            except TradeError as error:
                self._journal.fail(account, order, error)
                return
        order.arrives_at = self.arrival(instrument)
        self._journal.move(account, order, OrderStatus.SUBMITTING)

    def _arrive(self, account: Account, order: Order, *, moved_on: bool) -> None:
        instrument = order.instrument
        if self._venue.stamp(instrument, self._venue.now(instrument)) < order.arrives_at:
            return
        if order.decision is not None and order.decision.failure:
            if moved_on:  # as other decisions, in the next second of the market
                self._journal.fail(account, order, order.decision.failure)
            return
        if order.order_type is OrderType.ABSOLUTE_LIMIT:
            quote = self._venue.quote(instrument)
            if (quote.ask if order.side.buys else quote.bid) != order.price:
                self._journal.fail(account, order, TradeError("no_match"))
                return
        order.seen = self._venue.sequence(instrument)
        self._journal.move(account, order, OrderStatus.SUBMITTED)
        self._fill_at_exchange(account, order, moved_on=moved_on and self._model.name != "half")

    def _look(self, instrument: Instrument) -> Look:
        found = self._looks.get(instrument.key)
        quote = self._venue.quote(instrument)
        if found is None or found.quote != quote:  # also within a second, where a verb has set the price
            found = self._looks[instrument.key] = Look(quote)
        return found

    def _fill_at_exchange(self, account: Account, order: Order, *, moved_on: bool) -> None:
        instrument = order.instrument
        if order.order_type in AUCTIONS:
            self._fill_in_auction(account, order)
            return
        phase = self._venue.phase(instrument)
        if phase is Phase.BREAK or self._venue.is_halted(instrument) or not self.can_be_there(order, phase):
            return
        if order.decision is not None:
            if moved_on:
                self._fill_as_decided(account, order, order.decision.share)
            return
        look = self._look(instrument)
        taken = dict(look.taken) if order.order_type is OrderType.SPECIAL_LIMIT_ALL else {}
        if moved_on and order.is_resting:
            look.prints = self._venue.prints(instrument, order.seen)
            if look.prints:
                order.seen = look.prints[-1].sequence
        limit = None if becomes(order.order_type) is OrderType.MARKET else order.limit or order.price
        found = slices(self._model, order, limit, look, moved_on=moved_on)
        if order.order_type is OrderType.ABSOLUTE_LIMIT:
            found = [each for each in found if each.price == order.price]
        if order.order_type is OrderType.SPECIAL_LIMIT_ALL and sum(each.qty for each in found) < order.left:
            found, look.taken = [], taken
        for each in found:
            if not self._fill(account, order, each):
                self._journal.end(account, order)
                return
        at_once = order.order_type in AT_ONCE or order.time_in_force is TimeInForce.IOC
        if at_once and order.left and (moved_on or self._model.name != "half"):
            self._journal.end(account, order)

    def _fill_as_decided(self, account: Account, order: Order, share: float) -> None:
        """Fill the part that was decided, in lots, at the order's own price; the rest stays open."""
        qty = in_lots(order.qty * exact(share), order.instrument.lot) - order.filled
        if qty > 0:
            price = order.limit or order.price
            if becomes(order.order_type) is OrderType.MARKET:
                price = best_price(self._venue, order)
            self._fill(account, order, Slice(price, qty))

    def _fill_in_auction(self, account: Account, order: Order) -> None:
        """Fill what takes part in an auction at its end, at the price that it has found; cancel the rest."""
        if self._venue.phase(order.instrument) is Phase.AUCTION:
            order.in_auction = True
            return
        found = self._venue.prints(order.instrument, order.seen)
        if self._venue.phase(order.instrument) is Phase.REGULAR and not found:
            return  # the opening auction's price is the first one of the day
        price = found[0].price if found else self._venue.last(order.instrument)
        buys, limited = order.side.buys, order.order_type is OrderType.AUCTION_LIMIT
        fits = not limited or (price <= order.price if buys else price >= order.price)
        if fits and self._fill(account, order, Slice(price, order.left)):
            return
        self._journal.end(account, order)

    def _fill(self, account: Account, order: Order, part: Slice) -> bool:
        """Fill a part of an order; return whether the account could pay for all of it."""
        instrument, qty, price = order.instrument, part.qty, part.price
        if order.side.buys and not account.terms.has_margin:
            qty = self._affordable(account, order, part)
            if not qty:
                return False
        now, day = self._venue.now(instrument), self._venue.trading_day(instrument)
        self._day_trades.record(account, order, day)
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
            settles=self._venue.another_day(instrument, day, _SETTLES.get(instrument.sec_market, 2)),
            time=now,
            remark=order.order_id_ex,
        )
        self._fills += 1
        fill = Fill(8_000_000_000 + self._fills, order.order_id, instrument, order.side, qty, price, now)
        account.fills.append(fill)
        self._journal.move(account, order, OrderStatus.FILLED_PART if order.left else OrderStatus.FILLED_ALL, fill)
        return qty == part.qty

    def _fee(self, account: Account, order: Order) -> Decimal:
        value = cents(order.paid * order.instrument.multiplier)
        return self._power.fee(account, order.instrument, order.filled, value, order.side)

    def _affordable(self, account: Account, order: Order, part: Slice) -> Decimal:
        """Return how much of a part an account without margin can pay for."""
        instrument = order.instrument
        money = self._power.free_cash(account, instrument.currency, but=order)

        def fits(qty: Decimal) -> bool:
            value = cents((order.paid + qty * part.price) * instrument.multiplier)
            fee = self._power.fee(account, instrument, order.filled + qty, value, order.side) - order.fees
            return cents(qty * part.price * instrument.multiplier) + fee <= money

        return part.qty if fits(part.qty) else self._power.most(instrument, part.qty, fits)


def _priority(entry: tuple[Account, Order]) -> tuple[tuple[int, str], bool, Decimal, int]:
    order = entry[1]
    if becomes(order.order_type) is OrderType.MARKET:
        return order.instrument.key, order.side.buys, Decimal("-Infinity"), order.order_id
    limit = order.limit or order.price
    return order.instrument.key, order.side.buys, -limit if order.side.buys else limit, order.order_id
