"""How the instruments of the made-up market move: which random numbers, how much, and what follows from what.

Stocks, funds, indices, plates, pairs and event contracts move by themselves. A future moves as its underlying does. The
price of an option or a warrant follows from that of its underlying, so that it is never far from what it is worth.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date
from typing import Final

from ftwire_tools.markets.sessions import Hours
from ftwire_tools.synthetic.corporate_actions import actions_of
from ftwire_tools.synthetic.options import base_volatility, greeks, volatility, years_to
from ftwire_tools.synthetic.prices import ANCHOR, UNIT, Character, Days, Ladder
from ftwire_tools.synthetic.random_days import DerivedDays, RandomDays
from ftwire_tools.synthetic.universe import Kind, Listing

__all__ = ["DERIVATIVES", "days_of"]

DERIVATIVES: Final = frozenset({Kind.OPTION, Kind.WARRANT, Kind.FUTURE})
"""Types of instruments that follow another."""
_TRADING_DAYS: Final = 252
_SHARE_TRADED: Final = 0.003
"""Share of the issued shares that is traded on an ordinary day."""
_VOLUMES: Final = {Kind.INDEX: 1e9, Kind.PLATE: 1e9, Kind.FUTURE: 1e5, Kind.OPTION: 5e3, Kind.CRYPTO: 2e4}
"""What is traded a day of what has no shares."""
_OTHER_VOLUME: Final = 5e4
_DAILY: Final = {Kind.PLATE: 0.01, Kind.CRYPTO: 0.03, Kind.EVENT: 0.03}
_LIMITS: Final = {"SH": 0.1, "SZ": 0.1}
"""Prefix of an exchange that limits a day's prices to the share of the last close; the main boards' limit."""
_GROWTH: Final = 0.06
"""A year, without what splits make up for."""
_SPAN: Final = 20
"""Years over which a stock grows by as much as it was split."""


def days_of(seed: int, listing: Listing, hours: Hours, owner: Listing | None, base: Days | None) -> Days:
    """Return the days of an instrument; ``owner`` and ``base`` are its underlying and the days of that, if any."""
    ladder = Ladder(listing.tick_rule or ((math.inf, listing.tick),))
    first = date.fromisoformat(listing.listed)
    if owner is not None and base is not None and listing.sec_type != Kind.FUTURE:
        value = _option_value(listing, owner) if listing.sec_type == Kind.OPTION else _warrant_value(listing, owner)
        if value is not None:
            falls = listing.kind in {"put", "bear"}
            character = Character(base.character.key, 0.0, 0.0, _volume(listing), listing.lot, -1 if falls else 1)
            return DerivedDays(base, character, hours, ladder, first, value)
    actions = actions_of(listing)
    if base is not None and listing.sec_type == Kind.FUTURE:
        moves = base.character._replace(volume=_volume(listing), lot=listing.lot)
    else:
        split = math.prod(action.shares for action in actions)
        moves = Character(
            listing.full_code,
            _DAILY.get(listing.sec_type) or base_volatility(listing) / math.sqrt(_TRADING_DAYS),
            0.0 if listing.sec_type == Kind.EVENT else _GROWTH + math.log(split) / _SPAN,
            _volume(listing),
            listing.lot,
            limit=_LIMITS.get(listing.exchange.prefix) if listing.is_equity else None,
            highest=round(0.99 * UNIT) if listing.sec_type == Kind.EVENT else None,
        )
    return RandomDays(seed, moves, hours, ladder, listing.last_close, first, actions)


def _volume(listing: Listing) -> float:
    if listing.shares:
        return listing.shares * _SHARE_TRADED
    return _VOLUMES.get(listing.sec_type, _OTHER_VOLUME) * listing.lot


def _option_value(listing: Listing, owner: Listing) -> Callable[[date, float], float]:
    expiry, is_call = date.fromisoformat(listing.expiry), listing.kind == "call"

    def value(day: date, price: float) -> float:
        sigma = volatility(owner, listing.strike, expiry, day)
        return greeks(price, listing.strike, years_to(expiry, day), sigma, is_call=is_call).price

    return value


def _warrant_value(listing: Listing, owner: Listing) -> Callable[[date, float], float] | None:
    """Return the price of a warrant, in proportion to what it is worth; ``None`` where that cannot be said."""
    expiry, sigma, strike = date.fromisoformat(listing.expiry), base_volatility(owner), listing.strike

    def worth(day: date, price: float) -> float:
        if listing.kind in {"bull", "bear"}:
            return max(price - strike if listing.kind == "bull" else strike - price, 0.0)
        return greeks(price, strike, years_to(expiry, day), sigma, is_call=listing.kind == "call").price

    known = worth(ANCHOR, owner.last_close) if listing.kind != "inline" else 0.0
    if known <= 0:
        return None
    scale = listing.last_close / known
    return lambda day, price: worth(day, price) * scale
