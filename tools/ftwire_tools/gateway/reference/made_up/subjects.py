"""Subjects: what a message or a row of a list is about."""

from __future__ import annotations

import zlib
from datetime import date
from typing import Final, NamedTuple

from ftwire_tools.synthetic.universe import Listing

__all__ = ["ECONOMIC_EVENTS", "INSTITUTIONS", "PEOPLE", "TITLES", "Subject", "number_of"]

INSTITUTIONS: Final = (
    "Northern Lights Capital", "Harbour Street Partners", "Blue Mesa Asset Management", "Lion Rock Investors",
    "Granite Peak Funds", "Silver Birch Capital", "Cedar Point Pension", "Orchard Road Wealth", "Kestrel Advisors",
    "Victoria Peak Fund", "Red Maple Trust", "Pacific Gate Management", "Old Quay Securities", "Tern Island Capital",
    "Summit Ridge Partners", "Jade Bridge Fund", "White Cliff Insurance", "East River Holdings", "Saffron Hill Bank",
    "Polar Star Endowment",
)  # fmt: skip
"""Made-up investors, brokers and research firms; the place in the list, from 1, is the ID."""
PEOPLE: Final = (
    "Alice Chan", "Bruno Keller", "Chen Wei", "Diana Novak", "Emeka Obi", "Fatima Rahman", "George Stone", "Hana Sato",
    "Ivan Petrov", "Julia Meyer", "Kenji Mori", "Laura Rossi",
)  # fmt: skip
"""Made-up directors, analysts and insiders."""
TITLES: Final = ("Chairman", "Chief Executive Officer", "Chief Financial Officer", "Director", "Independent Director")
ECONOMIC_EVENTS: Final = (
    "Consumer Price Index", "Unemployment Rate", "Gross Domestic Product", "Retail Sales", "Purchasing Managers Index",
    "Industrial Production", "Trade Balance", "Interest Rate Decision", "Housing Starts", "Producer Price Index",
)  # fmt: skip


class Subject(NamedTuple):
    """What a message is about: what is drawn for it depends on ``key``."""

    key: str
    name: str
    day: date
    """The day that its times are of."""
    number: int = 0
    """Its place in a list, from 1, or the ID that was asked for."""
    listing: Listing | None = None
    period: str = ""
    """``quarter``, ``month``, ``year`` or ``day``: what a row of a series covers; empty for no row of a series."""

    def within(self, name: str, number: int) -> Subject:
        """Return a part of this subject: the row of a list that is inside it."""
        return self._replace(key=f"{self.key}/{name}/{number}", number=number)


def number_of(text: str) -> int:
    """Return a number, above 0, that stands for a text."""
    return zlib.crc32(text.encode()) % 2_000_000_000 + 1
