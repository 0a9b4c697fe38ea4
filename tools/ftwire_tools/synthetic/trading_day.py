"""A day of the made-up market, second by second: trades, minutes, candles, order books.

A step is one second of the market, in which each stock trades once. Each stock has a random generator of its own, so
that its day depends on the seed alone, and not on other stocks, on clients or on the clock. Half an hour of the day is
over when the market begins.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NamedTuple

from ftwire_tools.markets.clocks import at_second
from ftwire_tools.markets.exchanges import EXCHANGES
from ftwire_tools.markets.trading_days import day_before
from ftwire_tools.synthetic.market import LEVELS, Stock
from ftwire_tools.synthetic.options import find_option, owner_of_option
from ftwire_tools.synthetic.universe import Listing, Universe, default_universe

__all__ = ["Bar", "Market", "Minute", "StockDay", "Trade"]

HEAD_START: Final = 1800
"""Seconds of the day that are over when the market begins."""
HISTORY: Final = 520
"""Trading days before this one: two years."""
DAY: Final = 24 * 60
"""Minutes kept: the market never closes, and what is older than a day is dropped."""
TRADES: Final = 1000
"""Trades kept: as many as a client can request."""
START: Final = datetime(2024, 6, 12, 10, 0, 0)
"""Time on every exchange's clock at which the market begins, unless it begins now."""


class Trade(NamedTuple):
    """One trade."""

    sequence: int
    second: int
    """Seconds since the day began."""
    price: float
    volume: int
    direction: int
    """``Qot_Common.TickerDirection``: 1 bought, 2 sold, 3 neither."""


@dataclass(slots=True)
class Minute:
    """One minute of the day."""

    number: int
    """Minutes since the day began."""
    open: float
    high: float
    low: float
    close: float
    volume: int
    turnover: float
    average: float
    """Average price of the day up to this minute."""


class Bar(NamedTuple):
    """One candle."""

    time: datetime
    """Exchange-local: the end of a bar of minutes, the last day of a longer one."""
    open: float
    high: float
    low: float
    close: float
    last_close: float
    volume: int
    turnover: float


class StockDay(Stock):
    """A stock with the history of its day and of the days before."""

    def __init__(self, listing: Listing, seed: int, began: float) -> None:
        """``began`` is when the day began, in seconds since 1970."""
        self._seed: Final = f"{seed}/{listing.market}.{listing.code}"
        drawn = random.Random(self._seed)  # noqa: S311 - reproducible, not secret
        super().__init__(listing, drawn)
        self.ticks = self.open_ticks = self.high_ticks = self.low_ticks = self.anchor + drawn.randint(-5, 5)
        self.began: Final = began
        self._zone: Final = listing.zone
        self.second = 0
        """Seconds since the day began."""
        self.minutes: deque[Minute] = deque(maxlen=DAY)
        self.trades: deque[Trade] = deque(maxlen=TRADES)
        self._history: list[Bar] | None = None

    def step(self) -> None:
        """Advance by a second: one trade."""
        before = self.ticks
        volume = self.trade()
        self.turnover = round(self.turnover, 3)
        self.second += 1
        price, change = self.price, self.ticks - before
        direction = 1 if change > 0 else 2 if change < 0 else 3
        self.trades.append(Trade(self.second, self.second, price, volume, direction))
        number = (self.second - 1) // 60
        average = self.turnover / self.volume
        minutes = self.minutes
        if not minutes or minutes[-1].number != number:
            minutes.append(Minute(number, price, price, price, price, volume, round(volume * price, 3), average))
            return
        minute = minutes[-1]
        minute.high, minute.low, minute.close = max(minute.high, price), min(minute.low, price), price
        minute.volume += volume
        minute.turnover = round(minute.turnover + volume * price, 3)
        minute.average = average

    @property
    def ask(self) -> float:
        """Lowest price of sellers."""
        return self.price_of(self.ticks + 1)

    @property
    def bid(self) -> float:
        """Highest price of buyers."""
        return self.price_of(self.ticks - 1)

    def book(self, levels: int = LEVELS) -> tuple[list[tuple[float, int, int]], list[tuple[float, int, int]]]:
        """Return asks and bids as price, volume and number of orders, the best first."""
        drawn = random.Random(f"{self._seed}/{self.second}")  # noqa: S311 - as above
        lot = self.listing.lot

        def side(sign: int) -> list[tuple[float, int, int]]:
            found = [
                (self.price_of(self.ticks + sign * level), lot * drawn.randint(1, 90), drawn.randint(1, 30))
                for level in range(1, LEVELS + 1)
            ]
            return [level for level in found[: max(levels, 0)] if level[0] > 0]

        return side(1), side(-1)

    def time(self, second: int | None = None) -> datetime:
        """Return the exchange-local time of a second of the day, by default the present one.

        Its ``fold`` is set in the second of two hours that clocks show twice.
        """
        return at_second(self.began + (self.second if second is None else second), self._zone).replace(tzinfo=None)

    def stamp(self, time: datetime) -> float:
        """Return exchange-local time as seconds since 1970."""
        return time.replace(tzinfo=self._zone).timestamp()

    def days(self) -> list[Bar]:
        """Return the daily bars of two years, that of this day last."""
        if self._history is None:
            self._history = self._make_history()
        last = self._history[-1].close
        midnight = datetime.combine(self.time(0).date(), datetime.min.time())
        today = Bar(midnight, self.open, self.high, self.low, self.price, last, self.volume, self.turnover)
        return [*self._history, today]

    def _make_history(self) -> list[Bar]:
        drawn = random.Random(f"{self._seed}/history")  # noqa: S311 - as above
        day: date = self.time(0).date()
        close = self.anchor
        bars: list[Bar] = []
        # Backwards, since the last close before today is fixed.
        for _ in range(HISTORY):
            day = day_before(day)
            reach = max(3, self.anchor // 60)
            before = max(self.anchor // 3, close - drawn.randint(-reach, reach))
            opened = before + drawn.randint(-reach // 3, reach // 3)
            high = max(opened, close) + drawn.randint(0, reach // 2)
            low = max(1, min(opened, close) - drawn.randint(0, reach // 2))
            volume = self.listing.lot * drawn.randint(20_000, 90_000)
            turnover = round(volume * self.price_of(close), 3)
            opening, top, bottom, closing, last = (self.price_of(ticks) for ticks in (opened, high, low, close, before))
            bars.append(
                Bar(datetime.combine(day, datetime.min.time()), opening, top, bottom, closing, last, volume, turnover)
            )
            close = before
        bars.reverse()
        return bars

    def minute_bars(self, width: int) -> list[Bar]:
        """Return the bars of this day, each of ``width`` minutes."""
        bars: list[Bar] = []
        last = self.listing.last_close
        minutes = list(self.minutes)
        for at in range(0, len(minutes), width):
            group = minutes[at : at + width]
            bars.append(
                Bar(
                    self.time((group[0].number // width + 1) * width * 60),
                    group[0].open,
                    max(minute.high for minute in group),
                    min(minute.low for minute in group),
                    group[-1].close,
                    last,
                    sum(minute.volume for minute in group),
                    round(sum(minute.turnover for minute in group), 3),
                )
            )
            last = group[-1].close
        return bars


class Market:
    """All instruments. The day of one is made when it is first wanted."""

    def __init__(self, seed: int, now: float | None = None, universe: Universe | None = None) -> None:
        """``now`` is the present time of the market, in seconds since 1970; by default it is ``START``."""
        self.universe: Final = universe or default_universe()
        self.stocks: Final[dict[tuple[int, str], StockDay]] = {}
        """The instruments that were wanted so far."""
        self._seed: Final = seed
        self._now: Final = now
        self._steps = 0

    def step(self) -> None:
        """Advance all stocks by a second."""
        self._steps += 1
        for stock in self.stocks.values():
            stock.step()

    @property
    def first(self) -> StockDay:
        """The first instrument."""
        return self._made(self.universe.listings[0])

    def today(self, listing: Listing) -> date:
        """Return the present date on the clock of an instrument's exchange."""
        return at_second(self._start(listing) + self._steps, listing.zone).date()

    def find(self, security: object) -> StockDay | None:
        """Return the stock of a ``Qot_Common.Security``, ``None`` for an unknown one."""
        return self.stock(security.market, security.code)  # type: ignore[attr-defined]  # a message

    def stock(self, market: int, code: str) -> StockDay | None:
        """Return the stock of a ``QotMarket`` and a code, ``None`` for an unknown one."""
        listing = self.listing(market, code)
        return None if listing is None else self._made(listing)

    def _made(self, listing: Listing) -> StockDay:
        key = listing.market, listing.code
        found = self.stocks.get(key)
        if found is None:
            found = self.stocks[key] = StockDay(listing, self._seed, self._start(listing) - HEAD_START)
            for _ in range(HEAD_START + self._steps):
                found.step()
        return found

    def listing(self, market: int, code: str) -> Listing | None:
        """Return what is fixed about an instrument, options included; ``None`` for an unknown one."""
        found = self.universe.find(market, code)
        if found is None and (owner := owner_of_option(self.universe, market, code)) is not None:
            return find_option(self.universe, market, code, self.today(owner))
        return found

    def traded(self, sec_market: int, code: str) -> StockDay | None:
        """Return the stock of a code in a ``TrdSecMarket``; where that is 0, the first stock with this code."""
        for exchange in EXCHANGES:
            if (exchange.sec_market == sec_market or not sec_market) and (
                found := self.stock(exchange.qot_market, code)
            ):
                return found
        return None

    def _start(self, listing: Listing) -> float:
        """Return when the market begins at an exchange, in seconds since 1970."""
        return START.replace(tzinfo=listing.zone).timestamp() if self._now is None else int(self._now)
