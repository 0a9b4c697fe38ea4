"""What an account has: cash by currency, positions with their cost and result, and every movement of cash.

Cash changes by recorded flows alone, in whole cents. A fill of a security moves its value, a fill of a future only the
result of what it closes; fees are flows of their own.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from ftwire_tools.gateway.trading.amounts import ZERO, cents, ratio
from ftwire_tools.gateway.trading.order import Side
from ftwire_tools.gateway.trading.venue import Instrument, Kind

__all__ = ["MOST_FLOWS", "Flow", "FlowKind", "Ledger", "Position"]

MOST_FLOWS: Final = 100_000
"""Movements of cash that are kept."""

FlowKind = Literal["buy", "sell", "fee", "result"]


class Flow(NamedTuple):
    """One movement of cash."""

    flow_id: int
    kind: FlowKind
    """``result`` is the profit or loss of closed futures."""
    day: date
    """Clearing date."""
    settles: date
    currency: int
    amount: Decimal
    """Above 0 for what comes in."""
    remark: str
    created: datetime
    """Exchange-local."""


@dataclass(slots=True)
class Position:
    """What an account holds, or owes, of an instrument."""

    instrument: Instrument
    position_id: int
    qty: Decimal = ZERO
    """Below 0 for what was sold short."""
    cost: Decimal = ZERO
    """Money that was paid for what is held, or received for what is owed; futures: their value when opened."""
    net_paid: Decimal = ZERO
    """Money paid less money received since the position was opened."""
    realized: Decimal = ZERO
    """Result of what was closed."""
    day: date | None = None
    """Trading day of the sums that follow."""
    bought_today: Decimal = ZERO
    bought_value_today: Decimal = ZERO
    sold_today: Decimal = ZERO
    sold_value_today: Decimal = ZERO

    def begin_day(self, day: date) -> None:
        """Begin the sums of a day, if it is another one."""
        if self.day != day:
            self.day = day
            self.bought_today = self.bought_value_today = self.sold_today = self.sold_value_today = ZERO

    @property
    def average_cost(self) -> Decimal:
        """Average price of what is held."""
        return ratio(self.cost, abs(self.qty) * self.instrument.multiplier)

    @property
    def diluted_cost(self) -> Decimal:
        """Price at which closing the position would even out all that was paid and received since it was opened."""
        return ratio(self.net_paid, self.qty * self.instrument.multiplier)

    def value(self, price: Decimal) -> Decimal:
        """Return its value at a price, below 0 for what is owed; 0 for futures."""
        if self.instrument.kind is Kind.FUTURE:
            return ZERO
        return cents(self.qty * price * self.instrument.multiplier)

    def result_today(self, price: Decimal, last_close: Decimal) -> Decimal:
        """Return what the day has earned at a price: on what was held when it began, and on what was traded since."""
        began_with = self.qty - self.bought_today + self.sold_today
        change = cents((self.qty * price - began_with * last_close) * self.instrument.multiplier)
        return change + self.sold_value_today - self.bought_value_today

    def unrealized(self, price: Decimal) -> Decimal:
        """Return what closing it at a price would earn."""
        worth = cents(self.qty * price * self.instrument.multiplier)
        return worth - self.cost if self.qty >= 0 else worth + self.cost


@dataclass(slots=True)
class Ledger:
    """Cash, positions and flows of one account."""

    cash: dict[int, Decimal]
    """``Trd_Common.Currency`` to money."""
    positions: dict[tuple[int, str], Position] = field(default_factory=dict)
    flows: deque[Flow] = field(default_factory=lambda: deque(maxlen=MOST_FLOWS))
    _flows: int = 0

    def position(self, instrument: Instrument) -> Position:
        """Return the position in an instrument, an empty one for none."""
        found = self.positions.get(instrument.key)
        if found is None:
            found = self.positions[instrument.key] = Position(instrument, len(self.positions) + 1)
        return found

    def held(self, instrument: Instrument) -> Decimal:
        """Return the quantity of a position."""
        found = self.positions.get(instrument.key)
        return found.qty if found is not None else ZERO

    def record(
        self,
        instrument: Instrument,
        side: Side,
        qty: Decimal,
        price: Decimal,
        fee: Decimal,
        *,
        day: date,
        settles: date,
        time: datetime,
        remark: str = "",
    ) -> None:
        """Record a fill and the fee that it adds."""
        position = self.position(instrument)
        position.begin_day(day)
        value = cents(qty * price * instrument.multiplier)
        if side.buys:
            position.bought_today += qty
            position.bought_value_today += value
        else:
            position.sold_today += qty
            position.sold_value_today += value
        result = _move(position, qty if side.buys else -qty, value)
        kind: FlowKind = "buy" if side.buys else "sell"
        amount = -value if side.buys else value
        if instrument.kind is Kind.FUTURE:
            kind, amount = "result", result
        movements: tuple[tuple[FlowKind, Decimal], ...] = ((kind, amount), ("fee", -fee))
        for each, moved in movements:
            if moved:
                self._flow(each, day, settles, instrument.currency, moved, remark, time)

    def _flow(
        self, kind: FlowKind, day: date, settles: date, currency: int, amount: Decimal, remark: str, time: datetime
    ) -> None:
        self._flows += 1
        self.cash[currency] = self.cash.get(currency, ZERO) + amount
        self.flows.append(Flow(self._flows, kind, day, settles, currency, amount, remark, time))


def _move(position: Position, change: Decimal, value: Decimal) -> Decimal:
    """Change a position by a quantity of a value, and return the result of what that closes."""
    before = position.qty
    closes = min(abs(before), abs(change)) if before * change < 0 else ZERO
    opens = abs(change) - closes
    closed_value = value if not opens else cents(value * closes / abs(change))
    result = ZERO
    if closes:
        cost = position.cost if closes == abs(before) else cents(position.cost * closes / abs(before))
        result = closed_value - cost if before > 0 else cost - closed_value
        position.cost -= cost
        position.realized += result
    position.qty = before + change
    sign = 1 if change > 0 else -1
    if opens:
        position.cost += value - closed_value
    if closes == abs(before):  # it was opened anew, or is over
        position.net_paid = sign * (value - closed_value)
    else:
        position.net_paid += sign * value
    if not position.qty:
        position.cost = position.net_paid = ZERO
    return result
