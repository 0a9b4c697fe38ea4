"""Fundamentals of the made-up companies: earnings, book value, dividends, staff, from the seed and the code.

They agree with each other: profit is earnings a share times shares, revenue is profit over the margin, and so on.
Prices are not in here; a ratio such as price to earnings is that of the price at hand.
"""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import Final, NamedTuple

from ftwire_tools.synthetic.universe import Kind, Listing

__all__ = ["Fundamentals", "fundamentals"]

_STAFF_REVENUE: Final = 400_000
"""Revenue of an employee in a year, about."""


class Fundamentals(NamedTuple):
    """One company's year, in its currency; shares of a whole as fractions."""

    earnings_a_share: float
    book_a_share: float
    net_profit: float
    net_assets: float
    revenue: float
    gross_margin: float
    operating_margin: float
    debt_ratio: float
    """Debt to assets."""
    growth: float
    """Of revenue against the year before."""
    staff: int
    beta: float


@lru_cache(4096)
def fundamentals(listing: Listing, seed: int) -> Fundamentals:
    """Return the fundamentals of a stock or a fund; all are 0 for what is neither."""
    if not listing.is_equity:
        return Fundamentals(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    drawn = Random(f"{seed}/fundamentals/{listing.full_code}")  # noqa: S311 - reproducible, not secret
    earnings = round(listing.last_close / drawn.uniform(8, 40), 4)
    book = round(listing.last_close / drawn.uniform(0.8, 8), 4)
    profit = round(earnings * listing.shares, 2)
    margin = drawn.uniform(0.05, 0.35)
    revenue = round(profit / margin, 2)
    if listing.sec_type == Kind.ETF:
        book = round(listing.last_close * drawn.uniform(0.995, 1.005), 4)
    return Fundamentals(
        earnings_a_share=earnings,
        book_a_share=book,
        net_profit=profit,
        net_assets=round(book * listing.shares, 2),
        revenue=revenue,
        gross_margin=round(min(0.95, margin * drawn.uniform(1.5, 2.5)), 4),
        operating_margin=round(margin * 1.25, 4),
        debt_ratio=round(drawn.uniform(0.1, 0.7), 4),
        growth=round(drawn.uniform(-0.1, 0.35), 4),
        staff=max(50, int(revenue / _STAFF_REVENUE)),
        beta=round(drawn.uniform(0.5, 1.8), 3),
    )
