"""Made-up prices that depend on nothing but a seed.

A step is one market second. Prices move by whole ticks; what a step does to a stock is drawn from a generator of
its own, so that a stock's day does not depend on the others, on clients or on the clock. The day begins half an
hour before the first client can see it.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Final, NamedTuple

__all__ = ["STOCKS", "Bar", "Listing", "Market", "Minute", "Stock", "Trade", "text_of"]

HEAD_START: Final = 1800
"""Seconds of the day that are over when the gateway starts."""
HISTORY: Final = 520
"""Trading days before this one: two years."""
LEVELS: Final = 10
"""Levels of an order book's side."""
DAY: Final = 24 * 60
"""Minutes kept: the market never closes, and what is older than a day is forgotten."""
TRADES: Final = 1000
"""Trades kept: as many as can be asked for."""
START: Final = datetime(2024, 6, 12, 10, 0, 0)
HONG_KONG, NEW_YORK = timezone(timedelta(hours=8)), timezone(timedelta(hours=-4))


class Listing(NamedTuple):
    """What is fixed about a stock."""

    market: int
    """``Qot_Common.QotMarket``."""
    code: str
    name: str
    sec_market: int
    """``Trd_Common.TrdSecMarket``."""
    lot: int
    tick: float
    last_close: float
    listed: str
    zone: timezone
    currency: int
    """``Trd_Common.Currency``."""
    shares: int
    """Issued shares."""


STOCKS: Final = (
    Listing(1, "00700", "TENCENT", 1, 100, 0.2, 380.0, "2004-06-16", HONG_KONG, 1, 9_400_000_000),
    Listing(1, "09988", "BABA-W", 1, 100, 0.05, 76.5, "2019-11-26", HONG_KONG, 1, 19_500_000_000),
    Listing(1, "00005", "HSBC HOLDINGS", 1, 400, 0.05, 68.2, "1991-04-08", HONG_KONG, 1, 18_700_000_000),
    Listing(11, "AAPL", "Apple", 2, 1, 0.01, 207.15, "1980-12-12", NEW_YORK, 2, 15_300_000_000),
    Listing(11, "TSLA", "Tesla", 2, 1, 0.01, 170.66, "2010-06-29", NEW_YORK, 2, 3_190_000_000),
    Listing(21, "600519", "Kweichow Moutai", 31, 100, 0.01, 1600.0, "2001-08-27", HONG_KONG, 3, 1_256_000_000),
    Listing(22, "000001", "Ping An Bank", 32, 100, 0.01, 10.5, "1991-04-03", HONG_KONG, 3, 19_400_000_000),
)
"""Real names, made-up everything else."""


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
    """One minute of the day so far."""

    number: int
    """Minutes since the day began."""
    open: float
    high: float
    low: float
    close: float
    volume: int
    turnover: float
    average: float
    """Of the day up to here."""


class Bar(NamedTuple):
    """One candle."""

    time: datetime
    """Exchange-local; of a bar of minutes its end, of a longer one its last day."""
    open: float
    high: float
    low: float
    close: float
    last_close: float
    volume: int
    turnover: float


def text_of(time: datetime) -> str:
    """Return a time as OpenD writes it."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


class Stock:
    """A stock and its day so far."""

    def __init__(self, listing: Listing, seed: int, began: datetime) -> None:
        self.listing: Final = listing
        self.began: Final = began
        """When the day began, exchange-local."""
        self._seed: Final = f"{seed}/{listing.market}.{listing.code}"
        self._random: Final = random.Random(self._seed)  # noqa: S311 - to be repeated, not to be secret
        self._anchor: Final = round(listing.last_close / listing.tick)
        self._ticks = self._anchor + self._random.randint(-5, 5)
        self.second = 0
        self.open = self.high = self.low = self.price = self._price(self._ticks)
        self.volume = 0
        self.turnover = 0.0
        self.minutes: deque[Minute] = deque(maxlen=DAY)
        self.trades: deque[Trade] = deque(maxlen=TRADES)
        self._sequence = 0
        self._history: list[Bar] | None = None

    def _price(self, ticks: int) -> float:
        return round(ticks * self.listing.tick, 3)

    def step(self) -> None:
        """Let a second pass: one trade."""
        drawn = self._random.random
        # Back to where the day began in the long run: made-up prices must not run away.
        pull = (self._anchor - self._ticks) / (self._anchor * 0.2)
        move = drawn() * 3 - 1.5 + pull
        change = 1 if move > 0.8 else -1 if move < -0.8 else 0
        self._ticks = max(LEVELS + 2, self._ticks + change)
        volume = self.listing.lot * (1 + int(drawn() * drawn() * 20))
        self.second += 1
        self._trade(volume, 1 if change > 0 else 2 if change < 0 else 3)

    def _trade(self, volume: int, direction: int) -> None:
        price = self.price = self._price(self._ticks)
        self.high, self.low = max(self.high, price), min(self.low, price)
        self.volume += volume
        self.turnover = round(self.turnover + volume * price, 3)
        self._sequence += 1
        self.trades.append(Trade(self._sequence, self.second, price, volume, direction))
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
        """The lowest price that somebody sells at."""
        return self._price(self._ticks + 1)

    @property
    def bid(self) -> float:
        """The highest price that somebody buys at."""
        return self._price(self._ticks - 1)

    def book(self, levels: int = LEVELS) -> tuple[list[tuple[float, int, int]], list[tuple[float, int, int]]]:
        """Return asks and bids as price, volume and number of orders, the best first."""
        drawn = random.Random(f"{self._seed}/{self.second}")  # noqa: S311 - as above
        sides = tuple(
            [
                (self._price(self._ticks + sign * level), self.listing.lot * drawn.randint(1, 90), drawn.randint(1, 30))
                for level in range(1, LEVELS + 1)
            ][: max(levels, 0)]
            for sign in (1, -1)
        )
        return sides[0], sides[1]

    def time(self, second: int | None = None) -> datetime:
        """Return exchange-local time, now or of a second of the day."""
        return self.began + timedelta(seconds=self.second if second is None else second)

    def stamp(self, time: datetime) -> float:
        """Return exchange-local time as seconds since 1970."""
        return time.replace(tzinfo=self.listing.zone).timestamp()

    def days(self) -> list[Bar]:
        """Return the daily bars of two years, this day's last."""
        if self._history is None:
            self._history = self._make_history()
        last = self._history[-1].close
        midnight = datetime.combine(self.began.date(), datetime.min.time())
        today = Bar(midnight, self.open, self.high, self.low, self.price, last, self.volume, self.turnover)
        return [*self._history, today]

    def _make_history(self) -> list[Bar]:
        drawn = random.Random(f"{self._seed}/history")  # noqa: S311 - as above
        day: date = self.began.date()
        close = self._anchor
        bars: list[Bar] = []
        # Backwards: today's last close is given.
        for _ in range(HISTORY):
            day -= timedelta(days=1)
            while day.weekday() >= 5:
                day -= timedelta(days=1)
            reach = max(3, self._anchor // 60)
            before = max(self._anchor // 3, close - drawn.randint(-reach, reach))
            opened = before + drawn.randint(-reach // 3, reach // 3)
            high = max(opened, close) + drawn.randint(0, reach // 2)
            low = max(1, min(opened, close) - drawn.randint(0, reach // 2))
            volume = self.listing.lot * drawn.randint(20_000, 90_000)
            turnover = round(volume * self._price(close), 3)
            opening, top, bottom, closing, last = (self._price(ticks) for ticks in (opened, high, low, close, before))
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
                    self.began + timedelta(minutes=group[0].number // width * width + width),
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
    """All stocks, on one clock."""

    def __init__(self, seed: int, now: float | None = None) -> None:
        """``now`` is when the market is to stand as the gateway starts, in seconds since 1970."""
        self.stocks: Final[dict[tuple[int, str], Stock]] = {}
        for listing in STOCKS:
            start = START if now is None else datetime.fromtimestamp(int(now), listing.zone).replace(tzinfo=None)
            stock = Stock(listing, seed, start - timedelta(seconds=HEAD_START))
            for _ in range(HEAD_START):
                stock.step()
            self.stocks[listing.market, listing.code] = stock
        self._by_sec_market: Final = {
            (stock.listing.sec_market, stock.listing.code): stock for stock in self.stocks.values()
        }

    def step(self) -> None:
        """Let a second pass."""
        for stock in self.stocks.values():
            stock.step()

    def find(self, security: object) -> Stock | None:
        """Return the stock of a ``Qot_Common.Security``."""
        return self.stocks.get((security.market, security.code))  # type: ignore[attr-defined]  # a message

    def traded(self, sec_market: int, code: str) -> Stock | None:
        """Return the stock of a code in a ``TrdSecMarket``; without one, of the code alone."""
        if sec_market:
            return self._by_sec_market.get((sec_market, code))
        return next((stock for (_, known), stock in self.stocks.items() if known == code), None)
