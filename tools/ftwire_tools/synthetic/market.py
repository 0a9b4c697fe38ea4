"""The made-up market: stocks whose prices begin where a seed puts them and move at random.

The gateway (``ftwire serve --synthetic``) and captures (``ftwire synth``) both trade these.
"""

from __future__ import annotations

import math
from random import Random
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from ftwire_tools.markets.exchanges import Exchange, exchange_of

__all__ = ["LEVELS", "LISTINGS", "Listing", "Stock", "made_up_listings"]

LEVELS: Final = 10
"""Price levels on each side of an order book."""
STEPS: Final = (-1, -1, 0, 0, 0, 0, 1, 1)
"""Ticks by which a trade moves the price: each as likely as the others."""
REACH: Final = 0.2
"""Share of the last close within which prices stay."""


class Listing(NamedTuple):
    """What is fixed about a stock."""

    exchange: Exchange
    code: str
    name: str
    lot: int
    """Shares in a lot."""
    tick: float
    """Smallest difference of two prices."""
    last_close: float
    """Price at the end of the day before."""
    listed: str
    """Day of its listing, ``yyyy-MM-dd``."""
    currency: int
    """``Trd_Common.Currency``."""
    shares: int
    """Issued shares."""

    @property
    def market(self) -> int:
        """``Qot_Common.QotMarket``."""
        return self.exchange.qot_market

    @property
    def sec_market(self) -> int:
        """``Trd_Common.TrdSecMarket``."""
        return self.exchange.sec_market

    @property
    def zone(self) -> ZoneInfo:
        """Time zone of its exchange."""
        return ZoneInfo(self.exchange.zone)


_HK, _US, _SH, _SZ = map(exchange_of, ("HK", "US", "SH", "SZ"))

LISTINGS: Final = (
    Listing(_HK, "00700", "TENCENT", 100, 0.2, 380.0, "2004-06-16", 1, 9_400_000_000),
    Listing(_HK, "09988", "BABA-W", 100, 0.05, 76.5, "2019-11-26", 1, 19_500_000_000),
    Listing(_HK, "00005", "HSBC HOLDINGS", 400, 0.05, 68.2, "1991-04-08", 1, 18_700_000_000),
    Listing(_US, "AAPL", "Apple", 1, 0.01, 207.15, "1980-12-12", 2, 15_300_000_000),
    Listing(_US, "TSLA", "Tesla", 1, 0.01, 170.66, "2010-06-29", 2, 3_190_000_000),
    Listing(_SH, "600519", "Kweichow Moutai", 100, 0.01, 1600.0, "2001-08-27", 3, 1_256_000_000),
    Listing(_SZ, "000001", "Ping An Bank", 100, 0.01, 10.5, "1991-04-03", 3, 19_400_000_000),
)
"""Real names; all the rest is made up."""


def made_up_listings(prefix: str, count: int, random: Random) -> list[Listing]:
    """Return listings with made-up codes at the exchange of ``HK`` or ``US``."""
    exchange = exchange_of(prefix)
    code, tick, currency = ("{:05}", 0.2, 1) if exchange is _HK else ("SYM{}", 0.01, 2)
    names = [code.format(number + 1) for number in range(count)]
    return [
        Listing(exchange, name, name, 100, tick, random.randrange(500, 5000) * tick, "2004-06-16", currency, 10**9)
        for name in names
    ]


class Stock:
    """A stock: its price, and the totals of its day. Prices move by whole ticks."""

    def __init__(
        self, listing: Listing, random: Random, *, least_lots: int = 1, volume: int = 0, most_volume: float = math.inf
    ) -> None:
        """``least_lots`` is the least volume of a trade.

        The day's volume begins with ``volume``, and begins there again when it exceeds ``most_volume``.
        """
        self.listing: Final = listing
        self.tick: Final = listing.tick
        self.anchor: Final = round(listing.last_close / listing.tick)
        """The last close in ticks."""
        self.ticks = self.open_ticks = self.high_ticks = self.low_ticks = self.walked = self.anchor
        self.volume = volume
        """Shares traded today."""
        self.turnover = volume * self.anchor * listing.tick
        """Money paid for them."""
        self._random: Final = random
        self._least: Final = least_lots * listing.lot
        self._lot: Final = listing.lot
        self._first_volume: Final = volume
        self._most_volume: Final = most_volume
        self._floor: Final = max(LEVELS + 1, int(self.anchor * (1 - REACH)))
        self._ceiling: Final = int(self.anchor * (1 + REACH)) + 1

    def trade(self) -> int:
        """Trade once: move the price, and return the volume."""
        roll = self._random.getrandbits(16)
        walked = self.walked + STEPS[roll & 7]
        if self._floor < walked < self._ceiling:
            self.walked = walked
        ticks = self.ticks = self.steered_ticks()
        if ticks > self.high_ticks:
            self.high_ticks = ticks
        elif ticks < self.low_ticks:
            self.low_ticks = ticks
        volume = self._least + self._lot * (roll >> 8)
        self.volume += volume
        self.turnover += volume * ticks * self.tick
        if self.volume > self._most_volume:
            self.volume = self._first_volume
            self.turnover = self.volume * ticks * self.tick
        return volume

    def steered_ticks(self) -> int:
        """Return the price in ticks: that of the random walk, unless somebody steers it."""
        return self.walked

    def price_of(self, ticks: int) -> float:
        """Return a price in money."""
        return round(ticks * self.tick, 3)

    @property
    def price(self) -> float:
        """Price of the last trade."""
        return self.price_of(self.ticks)

    @property
    def open(self) -> float:
        """First price of the day."""
        return self.price_of(self.open_ticks)

    @property
    def high(self) -> float:
        """Highest price of the day."""
        return self.price_of(self.high_ticks)

    @property
    def low(self) -> float:
        """Lowest price of the day."""
        return self.price_of(self.low_ticks)
