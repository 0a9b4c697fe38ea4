"""Which orders, fills and positions a request for a list gets: filters, dates, markets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from ftwire_tools.gateway.trading.accounts import CRYPTO, Account
from ftwire_tools.gateway.trading.amounts import ratio
from ftwire_tools.gateway.trading.broker import Broker
from ftwire_tools.gateway.trading.ledger import Flow, Position
from ftwire_tools.gateway.trading.order import Fill, Order
from ftwire_tools.gateway.trading.order_state import FINAL, OrderStatus
from ftwire_tools.gateway.trading.texts import TradeError
from ftwire_tools.gateway.trading.venue import Instrument

__all__ = ["DEFAULT_DAYS", "Conditions", "cash_flows", "listed_fills", "listed_orders", "listed_positions"]

DEFAULT_DAYS: Final = 90
"""Days that history goes back where a request has no begin (vendor's pages on history)."""
_KEPT: Final = timedelta(hours=24)
"""Time for which the list of orders keeps those that are finished (vendor's page on open orders)."""


def _parse(text: str, *, is_end: bool) -> datetime:
    """Return a time of an exchange's clock. Raises ``TradeError``."""
    try:
        if len(text) == len("yyyy-MM-dd"):
            return datetime.combine(date.fromisoformat(text), time.max if is_end else time.min)
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise TradeError("time", text=text) from None
    if found.tzinfo is not None:
        raise TradeError("time", text=text)
    return found if found.microsecond or not is_end else found.replace(microsecond=999_999)


class Conditions:
    """The ``TrdFilterConditions`` of a request. What is empty does not restrict."""

    def __init__(self, message: Any) -> None:
        """Raises ``TradeError`` for times that are none."""
        self.codes: Final = frozenset(message.codeList)
        self.ids: Final = frozenset(message.idList)
        self.names: Final = frozenset(message.orderIDExList)
        self.market: Final[int] = message.filterMarket
        self.begin: Final = _parse(message.beginTime, is_end=False) if message.beginTime else None
        self.end: Final = _parse(message.endTime, is_end=True) if message.endTime else None
        if self.begin is not None and self.end is not None and self.begin > self.end:
            raise TradeError("range")

    def fit(self, instrument: Instrument, market: int) -> bool:
        """Return whether an instrument in a ``TrdMarket`` is asked for."""
        return (not self.codes or instrument.code in self.codes) and (not self.market or market == self.market)

    def fit_order(self, order_id: int, order_id_ex: str) -> bool:
        """Return whether an order is asked for by one of its identifiers."""
        if not self.ids and not self.names:
            return True
        return order_id in self.ids or order_id_ex in self.names

    def fit_time(self, moment: datetime, now: datetime, *, is_history: bool) -> bool:
        """Return whether something of a moment is asked for; history has a begin even where none was sent."""
        begin = self.begin
        if begin is None and is_history:
            begin = (self.end or now) - timedelta(days=DEFAULT_DAYS)
        return (begin is None or moment >= begin) and (self.end is None or moment <= self.end)


def listed_orders(
    broker: Broker, account: Account, conditions: Conditions, states: Iterable[int], *, is_history: bool
) -> Iterator[Order]:
    """Yield orders, the newest first.

    Without ``is_history`` these are the open ones and those that were finished in the last 24 hours; deleted ones are
    there only where their status is asked for.
    """
    wanted = frozenset(states)
    for order in reversed(account.orders.values()):
        instrument = order.instrument
        now = broker.venue.now(instrument)
        is_kept = is_history or order.status not in FINAL or now - order.updated <= _KEPT
        if (
            is_kept
            and (order.status in wanted if wanted else order.status is not OrderStatus.DELETED)
            and conditions.fit(instrument, broker.market_of(account, instrument))
            and conditions.fit_order(order.order_id, order.order_id_ex)
            and conditions.fit_time(order.created, now, is_history=is_history)
        ):
            yield order


def listed_fills(broker: Broker, account: Account, conditions: Conditions, *, is_history: bool) -> Iterator[Fill]:
    """Yield fills, the newest first: those of the present trading day, or with ``is_history`` those of a time."""
    for fill in reversed(account.fills):
        instrument = fill.instrument
        now = broker.venue.now(instrument)
        if (
            (is_history or now - fill.time <= _KEPT)
            and conditions.fit(instrument, broker.market_of(account, instrument))
            and conditions.fit_order(fill.order_id, fill.order_id_ex)
            and conditions.fit_time(fill.time, now, is_history=is_history)
        ):
            yield fill


def listed_positions(
    broker: Broker, account: Account, conditions: Conditions, least: Decimal | None, most: Decimal | None
) -> Iterator[Position]:
    """Yield positions; ``least`` and ``most`` bound their result as a share of their cost."""
    for position in account.ledger.positions.values():
        instrument = position.instrument
        if not position.qty or not conditions.fit(instrument, broker.market_of(account, instrument)):
            continue
        if conditions.ids and position.position_id not in conditions.ids:
            continue
        gain = position.unrealized(broker.venue.last(instrument))
        share = ratio(gain, position.cost)
        if (least is None or share >= least) and (most is None or share <= most):
            yield position


def cash_flows(account: Account, *, clearing: str, begin: str, end: str, direction: int) -> Iterator[Flow]:
    """Yield movements of cash of a clearing date, for crypto of days of creation. Raises ``TradeError``.

    ``direction`` is ``TrdCashFlowDirection``: 1 in, 2 out, 0 both.
    """
    if account.terms.category == CRYPTO:
        if clearing or not begin or not end:
            raise TradeError("flow_by", account=account.acc_id, field="startCreateDate/endCreateDate")
        first, last = _day(begin), _day(end)
    else:
        if not clearing or begin or end:
            raise TradeError("flow_by", account=account.acc_id, field="clearingDate")
        first = last = _day(clearing)
    if first > last:
        raise TradeError("range")
    for flow in account.ledger.flows:
        day = flow.created.date() if account.terms.category == CRYPTO else flow.day
        if first <= day <= last and direction in {0, 1 if flow.amount > 0 else 2}:
            yield flow


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        raise TradeError("date", text=text) from None
