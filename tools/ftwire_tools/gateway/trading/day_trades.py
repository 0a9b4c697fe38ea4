"""The rule about day trades: accounts with margin at the firm in the US that have less than 25,000 dollars.

Three day trades, which open and close a position in one day, are free in five trading days (vendor's question Q12).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final

from ftwire_tools.gateway.trading.accounts import Account
from ftwire_tools.gateway.trading.order import Order, Side
from ftwire_tools.gateway.trading.order_types import SecurityFirm
from ftwire_tools.gateway.trading.power import Power
from ftwire_tools.gateway.trading.texts import TradeError
from ftwire_tools.gateway.trading.venue import Instrument

__all__ = ["DayTradeRule"]

LEAST_ASSETS: Final = Decimal(25_000)
"""Dollars below which the rule holds."""
FREE: Final = 3
"""Day trades that are free."""
DAYS: Final = 5
"""Trading days in which they are counted."""
_KEPT: Final = 100


class DayTradeRule:
    """Counts day trades, and refuses the one too many."""

    def __init__(self, power: Power, *, guards: bool) -> None:
        """``guards`` is OpenD's setting ``pdt_protection``: whether an order that would be one too many is refused."""
        self._power: Final = power
        self._venue: Final = power.venue
        self._guards: Final = guards

    @staticmethod
    def holds(account: Account) -> bool:
        """Return whether the rule is about an account."""
        return account.terms.firm is SecurityFirm.FUTUINC and account.terms.has_margin

    def check(self, account: Account, order: Order) -> None:
        """Raise ``TradeError`` for an order that would be one day trade too many."""
        if not (self._guards and self.holds(account) and self._is_day_trade(account, order)):
            return
        today = self._venue.trading_day(order.instrument)
        is_small = self._power.assets(account, account.terms.currency) < LEAST_ASSETS
        if is_small and self._count(account, order.instrument, today) >= FREE:
            raise TradeError("day_trade")

    def record(self, account: Account, order: Order, day: date) -> None:
        """Count an order that is about to be filled, if that is a day trade."""
        if self.holds(account) and self._is_day_trade(account, order):
            account.day_trades.append((day, order.order_id))
            del account.day_trades[:-_KEPT]

    def left(self, account: Account) -> tuple[int, bool]:
        """Return how many day trades are free, and whether more than those were made."""
        if not account.day_trades:
            return FREE, False
        last, number = account.day_trades[-1]
        made = self._count(account, account.orders[number].instrument, last)
        return max(FREE - made, 0), made > FREE

    def _count(self, account: Account, instrument: Instrument, today: date) -> int:
        first = self._venue.another_day(instrument, today, 1 - DAYS)
        return len({number for day, number in account.day_trades if first <= day <= today})

    def _is_day_trade(self, account: Account, order: Order) -> bool:
        position = account.ledger.positions.get(order.instrument.key)
        if position is None or position.day != self._venue.trading_day(order.instrument):
            return False
        if order.side is Side.SELL:
            return position.bought_today > 0
        return order.side is Side.BUY_BACK and position.sold_today > 0
