"""Stocks of made-up captures (``ftwire synth``): their prices begin where a seed puts them and move at random."""

from __future__ import annotations

import math
from random import Random
from typing import Final

from ftwire_tools.markets.exchanges import exchange_of
from ftwire_tools.synthetic.universe import Listing

__all__ = ["LEVELS", "Stock", "made_up_listings"]

LEVELS: Final = 10
"""Price levels on each side of an order book."""
STEPS: Final = (-1, -1, 0, 0, 0, 0, 1, 1)
"""Ticks by which a trade moves the price: each as likely as the others."""
REACH: Final = 0.2
"""Share of the last close within which prices stay."""


def made_up_listings(prefix: str, count: int, random: Random) -> list[Listing]:
    """Return listings with made-up codes at the exchange of ``HK`` or ``US``."""
    exchange = exchange_of(prefix)
    code, tick, currency = ("{:05}", 0.2, 1) if prefix == "HK" else ("SYM{}", 0.01, 2)
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
        self.ticks = self.open_ticks = self.high_ticks = self.low_ticks = self.anchor
        self.volume = volume
        """Shares traded today."""
        self._turnover = volume * self.anchor
        """Ticks paid for them."""
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
        ticks = self.ticks + STEPS[roll & 7]
        if self._floor < ticks < self._ceiling:
            self.ticks = ticks
            if ticks > self.high_ticks:
                self.high_ticks = ticks
            elif ticks < self.low_ticks:
                self.low_ticks = ticks
        else:
            ticks = self.ticks
        volume = self._least + self._lot * (roll >> 8)
        self.volume += volume
        self._turnover += volume * ticks
        if self.volume > self._most_volume:
            self.volume = self._first_volume
            self._turnover = self.volume * ticks
        return volume

    def money(self, ticks: int) -> float:
        """Return a price or turnover in money, without the noise of binary fractions: 512.2, not 512.2000000000001."""
        return round(ticks * self.tick, 3)

    @property
    def turnover(self) -> float:
        """Money paid for the day's volume."""
        return self.money(self._turnover)
