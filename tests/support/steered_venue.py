"""A market whose prices, phases and clock a test sets.

What its methods return for comparisons is ``Any``: decimals are compared with whole numbers, which mypy takes for a
mistake.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from ftwire_tools.gateway.trading.accounts import ACCOUNTS, Account, AccountTerms
from ftwire_tools.gateway.trading.broker import Broker
from ftwire_tools.gateway.trading.fill_model import parse_fills
from ftwire_tools.gateway.trading.journal import OrderEvent
from ftwire_tools.gateway.trading.order import Order, OrderTerms
from ftwire_tools.gateway.trading.texts import TradeError
from ftwire_tools.gateway.trading.venue import Instrument, Kind, Phase, Print, Quote
from ftwire_tools.markets.sessions import Session
from ftwire_tools.markets.ticks import TICK_RULES, TickRule
from ftwire_tools.synthetic.trading_day import ALL_SESSIONS

D = Decimal
ONE_CENT: TickRule = ((math.inf, 0.01),)

TENCENT = Instrument(1, 1, "00700", "TENCENT", Kind.STOCK, D(100), 1, TICK_RULES["HK"])
APPLE = Instrument(2, 11, "AAPL", "Apple", Kind.STOCK, D(1), 2, TICK_RULES["US"])
MOUTAI = Instrument(31, 21, "600519", "Kweichow Moutai", Kind.STOCK, D(100), 3, ONE_CENT)
DBS = Instrument(41, 31, "D05", "DBS", Kind.STOCK, D(100), 5, TICK_RULES["SG"])
TOYOTA = Instrument(51, 41, "7203", "TOYOTA MOTOR", Kind.STOCK, D(100), 4, TICK_RULES["JP"])
HK_OPTION = Instrument(1, 1, "TCH240627C380000", "Option", Kind.OPTION, D(1), 1, ONE_CENT, D(100))
US_OPTION = Instrument(2, 11, "AAPL240621C205000", "Option", Kind.OPTION, D(1), 2, TICK_RULES["US_OPTION"], D(100))
HSI = Instrument(1, 1, "HSI2406", "HSI Futures", Kind.FUTURE, D(1), 1, ((math.inf, 1),), D(50))
ES = Instrument(2, 11, "ES2406", "E-mini", Kind.FUTURE, D(1), 2, ((math.inf, 0.25),), D(50))
NIKKEI = Instrument(51, 41, "NK2252409", "Nikkei", Kind.FUTURE, D(1), 4, ((math.inf, 10),), D(1000))
A50 = Instrument(41, 31, "CN2406", "A50", Kind.FUTURE, D(1), 2, ((math.inf, 1),), D(1))
BITCOIN = Instrument(101, 91, "BTCUSD", "BTC/USD", Kind.CRYPTO, D("0.00000001"), 2, ONE_CENT)
INDEX = Instrument(1, 1, "800000", "HSI", Kind.OTHER, D(1), 1, ONE_CENT)

PRICES = {
    TENCENT: "380", APPLE: "200", MOUTAI: "1600", DBS: "35.5", TOYOTA: "3240", HK_OPTION: "10", US_OPTION: "2.5",
    HSI: "18000", ES: "5400", NIKKEI: "39000", A50: "12000", BITCOIN: "67000", INDEX: "18000",
}  # fmt: skip
SHOWN = D(1000)
"""Lots, or hundredths of a coin, that the book shows at each price, unless a test says otherwise."""


class SteeredVenue:
    """All instruments on one clock; each price stands until it is set."""

    def __init__(self) -> None:
        self.time = datetime(2024, 6, 12, 10, 0, 0)
        self.moment = 0
        self.prices = {each: D(price) for each, price in PRICES.items()}
        self.halted: set[Instrument] = set()
        self.phases: dict[Instrument, Phase] = {}
        self.trades: dict[Instrument, list[Print]] = {each: [] for each in PRICES}
        self.shown: dict[Instrument, Decimal] = {each: SHOWN * max(each.lot, D("0.01")) for each in PRICES}
        self.levels = 3
        self.spread = True
        """Whether the best prices are a tick away from the last one."""

    def find(self, sec_market: int, code: str) -> Instrument | None:
        return next((each for each in PRICES if each.code == code and sec_market in {0, each.sec_market}), None)

    def tick(self, instrument: Instrument) -> Decimal:
        last = float(self.prices[instrument])
        return D(str(next(tick for below, tick in instrument.tick_rule if last < below)))

    def quote(self, instrument: Instrument) -> Quote:
        last, tick, shown = self.prices[instrument], self.tick(instrument), self.shown[instrument]
        first = 1 if self.spread else 0
        asks = tuple((last + (first + level) * tick, shown) for level in range(self.levels))
        bids = tuple((last - (first + level) * tick, shown) for level in range(self.levels))
        return Quote(last, asks, tuple(bid for bid in bids if bid[0] > 0), self.moment)

    def prints(self, instrument: Instrument, after: int) -> list[Print]:
        return [each for each in self.trades[instrument] if each.sequence > after]

    def sequence(self, instrument: Instrument) -> int:
        trades = self.trades[instrument]
        return trades[-1].sequence if trades else 0

    def phase(self, instrument: Instrument) -> Phase:
        return self.phases.get(instrument, Phase.REGULAR)

    def is_halted(self, instrument: Instrument) -> bool:
        return instrument in self.halted

    def now(self, instrument: Instrument) -> datetime:  # noqa: ARG002
        return self.time

    def stamp(self, instrument: Instrument, time: datetime) -> float:  # noqa: ARG002
        return time.replace(tzinfo=UTC).timestamp()

    def trading_day(
        self,
        instrument: Instrument,  # noqa: ARG002
        sessions: frozenset[Session] = ALL_SESSIONS,  # noqa: ARG002
    ) -> date:
        return self.time.date()

    def day_begun(self, instrument: Instrument) -> date:  # noqa: ARG002
        return self.time.date()

    def worth_at_expiry(self, instrument: Instrument) -> Decimal:
        return self.prices[instrument]

    def steady_minute(self) -> None:
        return None

    def another_day(self, instrument: Instrument, day: date, days: int) -> date:  # noqa: ARG002
        return day + timedelta(days=days)

    def last(self, instrument: Instrument) -> Decimal:
        return self.prices[instrument]

    def reference(self, instrument: Instrument) -> Decimal:
        return D(PRICES[instrument])

    def trade(self, instrument: Instrument, price: str | Decimal, quantity: int = 100_000) -> None:
        """Print a trade: the last price, and the book, move there."""
        self.prices[instrument] = D(price)
        self.trades[instrument].append(Print(self.sequence(instrument) + 1, D(price), D(quantity) * instrument.lot))


class Desk:
    """A broker on a steered market, with one account that places orders."""

    def __init__(
        self,
        acc_id: int = 9_001_001,
        *,
        fills: str = "book",
        accounts: tuple[AccountTerms, ...] = ACCOUNTS,
        locked: bool = False,
    ) -> None:
        self.venue = SteeredVenue()
        self.broker = Broker(self.venue, model=parse_fills(fills), accounts=accounts)
        self.account: Account = self.broker.accounts[acc_id]
        if not locked:
            self.broker.unlocked.update(range(8))
        self.events: list[OrderEvent] = []

    def place(self, instrument: Instrument, qty: float, price: float | None = None, **more: object) -> Any:
        """Place an order to buy, and let happen what happens at once."""
        terms = {"side": 1, "order_type": 1 if price is not None else 2, **more}
        order = self.broker.place(
            self.account,
            OrderTerms(instrument.sec_market, instrument.code, qty=qty, price=price, **terms),  # type: ignore[arg-type]
        )
        self.settle()
        return order

    def sell(self, instrument: Instrument, qty: float, price: float | None = None, **more: object) -> Any:
        return self.place(instrument, qty, price, side=2, **more)

    def settle(self) -> None:
        self.events += self.broker.events()
        self.broker.settle()
        self.events += self.broker.events()

    def step(self, *trades: tuple[Instrument, str], seconds: int = 1) -> None:
        """Print trades, and let a second of the market pass."""
        for instrument, price in trades:
            self.venue.trade(instrument, price)
        self.venue.time += timedelta(seconds=seconds)
        self.venue.moment += 1
        self.broker.advance()
        self.events += self.broker.events()

    def refusal(self, instrument: Instrument, qty: float, price: float | None = None, **more: object) -> str:
        """Return the key of the text with which an order is refused, empty where it is accepted."""
        try:
            self.place(instrument, qty, price, **more)
        except TradeError as error:
            return error.key
        return ""

    def states(self, order: Order) -> list[str]:
        """Return the states of an order that were reported."""
        return [
            each.order.status.name for each in self.events if each.order.order_id == order.order_id and each.is_change
        ]

    def cash(self, currency: int) -> Any:
        return self.account.ledger.cash[currency]
