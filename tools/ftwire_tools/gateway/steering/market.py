"""Verbs about the made-up market: its prices, its clock, and what becomes of orders on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar

from ftwire_tools.gateway.steering.interfaces import SteeringGroup
from ftwire_tools.gateway.steering.parameters import Count, Reason
from ftwire_tools.gateway.verbs import Number, SteeringError, Text, verb
from ftwire_tools.markets.codes import parse_security

if TYPE_CHECKING:
    from ftwire_tools.synthetic.trading_day import StockDay

__all__ = ["ClockVerbs", "MarketVerbs", "OrderVerbs"]

Code = Annotated[str, Text("the security, such as HK.00700 or US.AAPL", 80)]
Price = Annotated[float, Number("the price, in the currency of the stock", 0.001, 1e7)]
Percent = Annotated[float, Number("by how much, in per cent of the present price: -10 is a tenth down", -99, 1000)]
Seconds = Annotated[int, Number("seconds of the market's clock", 1, 86_400)]


class MarketVerbs(SteeringGroup):
    """Prices of the made-up market. A change is pushed at once to those who have subscribed to the stock."""

    group: ClassVar[str] = "market"

    @verb
    def set_price(self, code: Code, price: Price) -> None:
        """Trade a stock at a price, rounded to its tick, and hold it there until it is released.

        Like the other verbs that set a price, it needs the stock's market to be open (``--hours always``).
        """
        self._change(code, lambda stock: stock.hold(price))

    @verb
    def gap(self, code: Code, percent: Percent) -> None:
        """Let a stock's price jump; it moves on from there by itself."""
        self._change(code, lambda stock: stock.gap(percent / 100))

    @verb
    def spike(self, code: Code, percent: Percent, seconds: Seconds = 1) -> None:
        """Let a stock's price jump, and come back after some seconds of the market's clock."""
        self._change(code, lambda stock: stock.spike(percent / 100, seconds))

    @verb
    def release(self, code: Code) -> None:
        """Let the price of a held stock move by itself again, from where it is."""
        self._stock(code).release()

    @verb
    def halt(self, code: Code) -> None:
        """Suspend a stock: nothing is traded, its price stands, and its quote is marked as suspended."""
        self._change(code, lambda stock: stock.halt())

    @verb
    def resume(self, code: Code) -> None:
        """Trade a suspended stock again."""
        self._change(code, lambda stock: stock.resume())

    def _stock(self, code: str) -> StockDay:
        market = self._steering.made_up.market
        try:
            security = parse_security(code)
        except ValueError as error:
            raise SteeringError(str(error)) from None
        stock = market.stock(*security)
        if stock is None:
            raise SteeringError(f"the made-up market has no {code}")
        return stock

    def _change(self, code: str, change: Callable[[StockDay], None]) -> None:
        """Change a stock, and push its new state."""
        stock = self._stock(code)
        try:
            change(stock)
        except ValueError as error:
            raise SteeringError(str(error)) from None
        self._steering.made_up.show(stock)


class OrderVerbs(SteeringGroup):
    """What becomes of the orders that clients place next, in any account."""

    group: ClassVar[str] = "orders"

    @verb
    def reject_next(self, count: Count = 1, reason: Reason = "rejected by the exchange") -> None:
        """Accept the next orders as usual, and let each fail (``OrderStatus_Failed``) in the market's next second."""
        self._steering.made_up.broker.decisions.reject(count, reason)

    @verb
    def fill_next(
        self, share: Annotated[float, Number("the part of the quantity, from 0 to 1", 0, 1)], count: Count = 1
    ) -> None:
        """Fill this part of the next orders, in whole lots and at their own price, in the market's next second.

        The rest stays open whatever the market does.
        """
        self._steering.made_up.broker.decisions.fill(count, share)


class ClockVerbs(SteeringGroup):
    """The clock of the made-up market."""

    group: ClassVar[str] = "clock"

    @verb
    def stop(self) -> None:
        """Let the market stand still: its time passes by ``advance`` alone."""
        self._steering.made_up.is_stopped = True

    @verb
    def start(self) -> None:
        """Let the market's time pass by itself again."""
        self._steering.made_up.is_stopped = False

    @verb
    def advance(self, seconds: Seconds) -> None:
        """Let time pass at once. Clients see the state at the end, and each change of an order on the way."""
        self._steering.made_up.advance(seconds)
