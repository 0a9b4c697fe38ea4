"""Changes of orders: each to a state that may follow, and each reported where its fields are pushed."""

from __future__ import annotations

import copy
from typing import Final, NamedTuple

from ftwire_tools.gateway.limits import Language
from ftwire_tools.gateway.trading.accounts import Account, AccountTerms
from ftwire_tools.gateway.trading.order import Fill, Order
from ftwire_tools.gateway.trading.order_state import FINAL, TRANSITIONS, OrderStatus
from ftwire_tools.gateway.trading.texts import TradeError
from ftwire_tools.gateway.trading.venue import Venue

__all__ = ["OrderEvent", "OrderJournal"]


class OrderEvent(NamedTuple):
    """A change of an order, for the subscribers of its account."""

    account: AccountTerms
    order: Order
    """A copy: the order after the change."""
    fill: Fill | None = None
    is_change: bool = True
    """Whether a field of the order has changed whose change is pushed."""


class OrderJournal:
    """Moves orders from state to state, and keeps what has changed until it is taken."""

    def __init__(self, venue: Venue, language: Language) -> None:
        """``language`` is that of the reasons in orders that failed."""
        self._venue: Final = venue
        self._language: Final[Language] = language
        self._events: list[OrderEvent] = []

    def take(self) -> list[OrderEvent]:
        """Return what has changed since the last call, in order."""
        found, self._events = self._events, []
        return found

    def move(self, account: Account, order: Order, status: OrderStatus, fill: Fill | None = None) -> None:
        """Bring an order to a state, or leave it there where a fill has not changed it."""
        if status is not order.status:
            if status not in TRANSITIONS[order.status]:
                raise AssertionError(f"{order.status.name} is not followed by {status.name}")
            order.status = status
        if order.status in FINAL:
            account.working.pop(order.order_id, None)
        self.report(account, order, fill)

    def report(self, account: Account, order: Order, fill: Fill | None = None) -> None:
        """Report a change, if it is one of the fields whose changes are pushed, or a fill."""
        is_change = order.pushed_fields != order.reported
        if is_change:
            order.reported, order.updated = order.pushed_fields, self._venue.now(order.instrument)
        if is_change or fill is not None:
            self._events.append(OrderEvent(account.terms, copy.copy(order), fill, is_change))

    def end(self, account: Account, order: Order) -> None:
        """Cancel what is left of an order."""
        self.move(account, order, OrderStatus.CANCELLED_PART if order.filled else OrderStatus.CANCELLED_ALL)

    def expire(self, account: Account, order: Order) -> None:
        """Cancel what is left of an order whose time is over."""
        order.last_error = TradeError("expired").text(self._language)
        self.end(account, order)

    def fail(self, account: Account, order: Order, error: TradeError | str) -> None:
        """Let an order fail for a reason."""
        order.last_error = error if isinstance(error, str) else error.text(self._language)
        self.move(account, order, OrderStatus.FAILED)
