"""What an account can afford: buying power, margin, and what may be sold.

An account with cash buys with what it has in the instrument's currency. One with margin needs the initial margin of a
position, in its own currency, from what its assets leave after the margin of all positions and orders. The ratios are
fixed: those that the vendor's page shows for its example 00700, and the half that its pages assume for buying power.
Interest, margin calls and forced sales are not modelled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from ftwire_tools.gateway.trading.accounts import Account
from ftwire_tools.gateway.trading.amounts import ZERO, cents, in_lots
from ftwire_tools.gateway.trading.fees import total_fee
from ftwire_tools.gateway.trading.order import Needs, Order, Side
from ftwire_tools.gateway.trading.order_types import CONDITIONAL, MARKET_LIKE, OrderType, product_of
from ftwire_tools.gateway.trading.rates import converted
from ftwire_tools.gateway.trading.texts import TradeError
from ftwire_tools.gateway.trading.venue import Instrument, Kind, SecMarket, Venue
from ftwire_tools.synthetic.universe import Kind as SecurityType

__all__ = [
    "MARGIN_RATIOS",
    "MARKET_RESERVE",
    "POWER_RATIO",
    "SHORT_POWER_RATIO",
    "Margin",
    "Power",
    "Trade",
    "can_short",
]

MARKET_RESERVE: Final = Decimal("1.05")
"""Market orders reserve more than limit orders (vendor's question Q15); how much more is a guess."""
POWER_RATIO: Final = Decimal("0.5")
"""Initial margin that the funds' buying power assumes."""
SHORT_POWER_RATIO: Final = Decimal("0.6")
"""The same for selling short."""


class Margin(NamedTuple):
    """Margin of a position, as shares of its value."""

    initial: Decimal
    call: Decimal
    maintenance: Decimal


def _margin(initial: str, call: str, maintenance: str) -> Margin:
    return Margin(Decimal(initial), Decimal(call), Decimal(maintenance))


MARGIN_RATIOS: Final = {
    # Long, short. Those of stocks are the vendor's example, 00700.
    Kind.STOCK: (_margin("0.35", "0.32", "0.25"), _margin("0.60", "0.53", "0.40")),
    Kind.OPTION: (_margin("1", "1", "1"), _margin("2", "1.5", "1.2")),
    Kind.FUTURE: (_margin("0.10", "0.09", "0.08"), _margin("0.10", "0.09", "0.08")),
    Kind.CRYPTO: (_margin("1", "1", "1"), _margin("1", "1", "1")),
    Kind.OTHER: (_margin("1", "1", "1"), _margin("1", "1", "1")),
}
"""Kind to the margin of long and of short positions."""


class Trade(NamedTuple):
    """What is to be traded: an order, what is left of one, or one that might be placed."""

    instrument: Instrument
    order_type: OrderType
    qty: Decimal
    price: Decimal
    side: Side

    @property
    def value(self) -> Decimal:
        """Quantity at its price, in whole cents."""
        return cents(self.qty * self.price * self.instrument.multiplier)


def can_short(account: Account, instrument: Instrument) -> bool:
    """Return whether an account may sell short: options and futures; stocks of the US, for real of Hong Kong too."""
    if not account.terms.has_margin or instrument.security_type == SecurityType.WARRANT:
        return False
    if instrument.kind in {Kind.OPTION, Kind.FUTURE}:
        return True
    markets = {SecMarket.US} if account.terms.is_paper else {SecMarket.US, SecMarket.HK}
    return instrument.kind is Kind.STOCK and instrument.sec_market in markets


def margin_of(instrument: Instrument, *, short: bool) -> Margin:
    """Return the margin of long or short positions in an instrument."""
    return MARGIN_RATIOS[instrument.kind][short]


def reserves(order: Order) -> bool:
    """Return whether power or shares are kept for an order: not for conditional ones before they are sent."""
    return order.is_open and (order.order_type not in CONDITIONAL or order.is_triggered)


@dataclass(frozen=True, slots=True)
class Power:
    """Computes what accounts can afford at a venue's present prices."""

    venue: Venue

    def market_value(self, account: Account) -> dict[int, tuple[Decimal, Decimal]]:
        """Return the value of long and of short positions, by currency; those of futures are 0."""
        found: dict[int, tuple[Decimal, Decimal]] = {}
        for position in account.ledger.positions.values():
            if position.qty:
                value = position.value(self.venue.last(position.instrument))
                long, short = found.get(position.instrument.currency, (ZERO, ZERO))
                found[position.instrument.currency] = (long + max(value, ZERO), short + min(value, ZERO))
        return found

    def unrealized(self, account: Account, currency: int) -> Decimal:
        """Return the result of open positions."""
        return sum(
            (
                converted(each.unrealized(self.venue.last(each.instrument)), each.instrument.currency, currency)
                for each in account.ledger.positions.values()
                if each.qty
            ),
            ZERO,
        )

    def frozen(self, account: Account, but: Order | None = None) -> dict[int, Decimal]:
        """Return the money that orders to buy may need, by currency; ``but`` is left out."""
        found: dict[int, Decimal] = {}
        for order in account.working.values():
            if order is not but and reserves(order) and order.side.buys:
                currency = order.instrument.currency
                found[currency] = found.get(currency, ZERO) + self.needs(account, order).money
        return found

    def needs(self, account: Account, order: Order) -> Needs:
        """Return what the rest of an order needs; it is computed anew where the order or the position has changed."""
        instrument, left = order.instrument, order.left
        state = left, order.reserve, account.ledger.held(instrument)
        if order.needs is None or order.needs[0] != state:
            trade = Trade(instrument, order.order_type, left, order.reserve, order.side)
            order.needs = state, Needs(self.cost(account, trade), self.initial(account, trade))
        return order.needs[1]

    def cost(self, account: Account, trade: Trade) -> Decimal:
        """Return what an order may cost with its fees; futures cost their fees only."""
        value = _reserved(trade.order_type, trade.value)
        paid = ZERO if trade.instrument.kind is Kind.FUTURE else value
        return paid + self.fee(account, trade.instrument, trade.qty, value, trade.side)

    @staticmethod
    def fee(account: Account, instrument: Instrument, qty: Decimal, value: Decimal, side: Side) -> Decimal:
        """Return the fees of an order; none for paper accounts."""
        if account.terms.is_paper:
            return ZERO
        product = product_of(instrument, account.terms.firm)
        return total_fee(instrument, product, qty, value, sells=not side.buys)

    def assets(self, account: Account, currency: int) -> Decimal:
        """Return the worth of an account: cash, positions, and the result of open futures."""
        total = sum((converted(money, each, currency) for each, money in account.ledger.cash.items()), ZERO)
        for each, (long, short) in self.market_value(account).items():
            total += converted(long + short, each, currency)
        for position in account.ledger.positions.values():
            if position.qty and position.instrument.kind is Kind.FUTURE:
                result = position.unrealized(self.venue.last(position.instrument))
                total += converted(result, position.instrument.currency, currency)
        return total

    def margin(self, account: Account, currency: int) -> Margin:
        """Return the margin of all positions, as amounts."""
        sums = [ZERO, ZERO, ZERO]
        for position in account.ledger.positions.values():
            if position.qty:
                instrument = position.instrument
                price = self.venue.last(instrument)
                value = converted(abs(position.qty * price * instrument.multiplier), instrument.currency, currency)
                for index, share in enumerate(margin_of(instrument, short=position.qty < 0)):
                    sums[index] += value * share
        return Margin(*sums)

    def available(self, account: Account, but: Order | None = None) -> Decimal:
        """Return what is left for the margin of new positions, in the account's own currency."""
        currency = account.terms.currency
        left = self.assets(account, currency) - self.margin(account, currency).initial
        for order in account.working.values():
            if order is not but and reserves(order):
                left -= self.needs(account, order).margin
        return left

    def initial(self, account: Account, trade: Trade) -> Decimal:
        """Return the initial margin, and the fees, of the part of an order that opens a position."""
        instrument, qty, side = trade.instrument, trade.qty, trade.side
        held = account.ledger.held(instrument)
        closes = min(abs(held), qty) if held and (held > 0) != side.buys else ZERO
        value = _reserved(trade.order_type, trade._replace(qty=qty - closes).value)
        fee = self.fee(account, instrument, qty, trade.value, side)
        total = value * margin_of(instrument, short=not side.buys).initial + fee
        return converted(total, instrument.currency, account.terms.currency)

    @staticmethod
    def margin_change(account: Account, instrument: Instrument, change: Decimal, price: Decimal) -> Decimal:
        """Return the initial margin, in the instrument's currency, that a change of a position takes or sets free."""
        held = account.ledger.held(instrument)

        def initial(qty: Decimal) -> Decimal:
            return abs(qty) * price * instrument.multiplier * margin_of(instrument, short=qty < 0).initial

        return cents(initial(held + change) - initial(held))

    def check(self, account: Account, order: Order) -> None:
        """Raise ``TradeError`` where an account cannot afford an order, or has not what it sells."""
        instrument, side = order.instrument, order.side
        if side is Side.SELL and order.left > self.sellable(account, instrument, but=order):
            raise TradeError("position")
        if side is Side.BUY_BACK and order.left > self.owed(account, instrument, but=order):
            raise TradeError("buy_back_first")
        if side in {Side.SELL, Side.BUY_BACK} and instrument.kind is not Kind.FUTURE and account.terms.has_margin:
            return  # it sets margin free
        if not self.affords(account, Trade(instrument, order.order_type, order.left, order.reserve, side), but=order):
            raise TradeError("power")

    def affords(self, account: Account, trade: Trade, but: Order | None = None) -> bool:
        """Return whether an account has the power for an order."""
        if account.terms.has_margin:
            needed = self.initial(account, trade)
            return needed <= ZERO or needed <= self.available(account, but)
        return not trade.side.buys or self.affords_in_cash(account, trade, but)

    def affords_in_cash(self, account: Account, trade: Trade, but: Order | None = None) -> bool:
        """Return whether an account has the money for an order without owing any."""
        return self.cost(account, trade) <= self.free_cash(account, trade.instrument.currency, but)

    def free_cash(self, account: Account, currency: int, but: Order | None = None) -> Decimal:
        """Return the cash of a currency that no order needs."""
        return account.ledger.cash.get(currency, ZERO) - self.frozen(account, but).get(currency, ZERO)

    def sellable(self, account: Account, instrument: Instrument, but: Order | None = None) -> Decimal:
        """Return what is held and not promised to other orders; of A-shares what was held when the day began."""
        held, position = account.ledger.held(instrument), account.ledger.positions.get(instrument.key)
        if instrument.is_chinese and position is not None and position.day == self.venue.trading_day(instrument):
            held -= position.bought_today
        return max(held, ZERO) - self._promised(account, instrument, Side.SELL, but)

    def owed(self, account: Account, instrument: Instrument, but: Order | None = None) -> Decimal:
        """Return what was sold short and no order buys back."""
        return max(-account.ledger.held(instrument), ZERO) - self._promised(account, instrument, Side.BUY_BACK, but)

    @staticmethod
    def _promised(account: Account, instrument: Instrument, side: Side, but: Order | None) -> Decimal:
        return sum(
            (
                order.left
                for order in account.working.values()
                if order is not but
                and order.instrument.key == instrument.key
                and order.side is side
                and reserves(order)
            ),
            ZERO,
        )

    @staticmethod
    def most(instrument: Instrument, estimate: Decimal, fits: Callable[[Decimal], bool]) -> Decimal:
        """Return the largest quantity in lots that fits; ``estimate`` is one that is not below it."""
        lot = instrument.lot
        low, high = 0, max(int(in_lots(max(estimate, ZERO), lot) / lot), 0) + 1
        while low < high:  # the largest number of lots that fits is in low..high
            middle = (low + high + 1) // 2
            if fits(middle * lot):
                low = middle
            else:
                high = middle - 1
        return low * lot


def _reserved(order_type: OrderType, value: Decimal) -> Decimal:
    """Return what is reserved for an order of a value: more where it may be filled at any price."""
    return cents(value * MARKET_RESERVE) if order_type in MARKET_LIKE else value
