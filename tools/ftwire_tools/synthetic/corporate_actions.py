"""Corporate actions of the made-up market: splits and cash dividends, and the factors that adjust prices for them.

A few stocks have their real splits and some of their real dividends; all others pay made-up dividends, in months that
follow from their code. Indices, derivatives and the like have no actions.

The rules are the vendor's (its questions and answers on quotes). A price before the ex-date becomes
``price * A + B`` with the forward factors of that event; a price from the ex-date on is undone by the backward ones.
With a cash dividend ``D`` for an old share, and ``F`` new shares for it, ``A`` is ``1 / F`` and ``B`` is ``-D / F``.
Forward adjustment in the US uses a factor alone: ``A`` is ``(close - D) / (close * F)`` with the last close before the
ex-date, and ``B`` is 0.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from ftwire_tools.synthetic.universe import Listing

__all__ = ["Adjustment", "CorporateAction", "actions_of", "adjustment", "backward_factors", "forward_factors"]

_FIRST_YEAR: Final = 2004
_LAST_YEAR: Final = 2028
_DIVIDEND_GROWTH: Final = 0.05
"""A year."""


class CorporateAction(NamedTuple):
    """A split or a dividend, or both at once."""

    day: date
    """The ex-date: the first day with the new price; if that has no trading, the next day that has."""
    shares: float = 1.0
    """New shares for an old one: 4 for a split of one into four, 0.1 for a join of ten to one."""
    dividend: float = 0.0
    """Cash for an old share."""


class Adjustment(NamedTuple):
    """An action with its factors, as ``Qot_Common.Rehab`` has them."""

    action: CorporateAction
    forward_a: float
    forward_b: float
    backward_a: float
    backward_b: float


_SPLITS: Final[dict[str, tuple[tuple[str, float], ...]]] = {
    "US.AAPL": (("2005-02-28", 2), ("2014-06-09", 7), ("2020-08-31", 4)),
    "US.TSLA": (("2020-08-31", 5), ("2022-08-25", 3)),
    "US.NVDA": (("2006-04-07", 2), ("2007-09-11", 1.5), ("2021-07-20", 4), ("2024-06-10", 10)),
    "US.AMZN": (("2022-06-06", 20),),
    "US.GOOGL": (("2022-07-18", 20),),
    "HK.00700": (("2014-05-15", 5),),
}
"""Ex-dates and new shares for an old one."""
_DIVIDENDS: Final[dict[str, tuple[tuple[str, float], ...]]] = {
    "US.AAPL": (
        ("2022-05-06", 0.23), ("2022-08-05", 0.23), ("2022-11-04", 0.23), ("2023-02-10", 0.23), ("2023-05-12", 0.24),
        ("2023-08-11", 0.24), ("2023-11-10", 0.24), ("2024-02-09", 0.24), ("2024-05-10", 0.25), ("2024-08-12", 0.25),
        ("2024-11-08", 0.25),
    ),
    "US.TSLA": (),
    "US.AMZN": (),
    "HK.00700": (
        ("2019-05-17", 1.0), ("2020-05-15", 1.2), ("2021-05-24", 1.6), ("2022-05-20", 1.6), ("2023-05-19", 2.4),
        ("2024-05-17", 3.4),
    ),
    "SH.600519": (("2022-06-30", 21.675), ("2023-06-30", 25.911), ("2024-06-19", 30.876)),
}  # fmt: skip
"""Ex-dates and cash for a share; an empty tuple for a stock that pays none."""


def actions_of(listing: Listing) -> tuple[CorporateAction, ...]:
    """Return the corporate actions of an instrument, the earliest first: those since its listing."""
    if not listing.is_equity:
        return ()
    shares = {date.fromisoformat(day): factor for day, factor in _SPLITS.get(listing.full_code, ())}
    known = _DIVIDENDS.get(listing.full_code)
    dividends = _made_up(listing) if known is None else {date.fromisoformat(day): cash for day, cash in known}
    return tuple(
        CorporateAction(day, shares.get(day, 1.0), dividends.get(day, 0.0))
        for day in sorted({*shares, *dividends})
        if day.isoformat() > listing.listed
    )


def _made_up(listing: Listing) -> dict[date, float]:
    """Return made-up dividends: four a year in the US, elsewhere one; 1 to 4 percent of the price of 2024."""
    number = zlib.crc32(listing.full_code.encode())
    often = 4 if listing.exchange.prefix == "US" else 1
    share = (1 + number % 31 / 10) / 100 / often
    found = {}
    for year in range(_FIRST_YEAR, _LAST_YEAR):
        cash = round(listing.last_close * share * math.exp(_DIVIDEND_GROWTH * (year - 2024)), 3)
        for part in range(often):
            if cash > 0:
                found[date(year, (number // 32 % (12 // often)) + part * (12 // often) + 1, 10 + number % 11)] = cash
    return found


def adjustment(action: CorporateAction, last_close: float, *, by_factor: bool) -> Adjustment:
    """Return the factors of an action; ``last_close`` is the price before it, ``by_factor`` is the rule of the US."""
    a, b = 1 / action.shares, -action.dividend / action.shares
    forward = (a * (1 - action.dividend / last_close), 0.0) if by_factor and last_close else (a, b)
    return Adjustment(action, *forward, action.shares, action.dividend)


def forward_factors(adjustments: Iterable[Adjustment]) -> tuple[float, float]:
    """Return A and B that adjust a price forward over some events, the earliest first."""
    a, b = 1.0, 0.0
    for each in adjustments:
        a, b = a * each.forward_a, b * each.forward_a + each.forward_b
    return a, b


def backward_factors(adjustments: Sequence[Adjustment]) -> tuple[float, float]:
    """Return A and B that adjust a price backward over some events, the earliest first: the latest is undone first."""
    a, b = 1.0, 0.0
    for each in reversed(adjustments):
        a, b = a * each.backward_a, b * each.backward_a + each.backward_b
    return a, b
