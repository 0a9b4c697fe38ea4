"""Options of the made-up market: which there are, by rule, and what they are worth, by Black and Scholes.

An instrument with an option class has calls and puts for every expiry and strike that the rules here give. US options
expire on Fridays: the next six, the third of each month for a year, and that of January for two; those on an index
expire on each weekday of two weeks, too. Hong Kong's expire on the last weekday but one of a month.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from random import Random
from typing import Final, NamedTuple

from ftwire_tools.markets.ticks import TICK_RULES, parse_tick_rule, tick_at
from ftwire_tools.synthetic.universe import EXCHANGE_TYPES, Kind, Listing, Universe

__all__ = [
    "RATE",
    "Greeks",
    "base_volatility",
    "chain",
    "chance_below",
    "expiries",
    "find_option",
    "greeks",
    "option_code",
    "option_listing",
    "owner_of_option",
    "strikes",
    "volatility",
    "years_to",
]

RATE: Final = 0.04
"""Interest a year."""
REACH: Final = 0.4
"""Share of the underlying's last close within which strikes are."""
WEEKS, MONTHS = 6, 12
DAILY: Final = 14
"""Days in which options on a US index expire on each weekday."""
YEAR: Final = 365.0
_FRIDAY: Final = 4
_CODE: Final = re.compile(r"(?P<cls>\.?[A-Z]+)(?P<day>\d{6})(?P<side>[CP])(?P<strike>[1-9]\d{0,8})")
_STRIKE_STEPS: Final = {
    "HK": ((2, 0.05), (5, 0.1), (10, 0.25), (20, 0.5), (50, 1), (200, 2.5), (300, 5), (2000, 10), (1e9, 200)),
    "US": ((25, 0.5), (100, 1), (250, 2.5), (500, 5), (2000, 10), (1e9, 25)),
}


class Greeks(NamedTuple):
    """Value of an option and how it changes."""

    price: float
    delta: float
    """Change with the underlying's price, by 1."""
    gamma: float
    """Change of ``delta``."""
    vega: float
    """Change with a volatility that is a hundredth higher."""
    theta: float
    """Change with a day that has gone by."""
    rho: float
    """Change with interest that is a hundredth higher."""


def owner_of_option(universe: Universe, market: int, code: str) -> Listing | None:
    """Return the underlying that an option's code names; ``None`` for what is no such code."""
    match = _CODE.fullmatch(code)
    if match is None:
        return None
    return _owners(universe).get((market, match["cls"]))


def find_option(universe: Universe, market: int, code: str, today: date) -> Listing | None:
    """Return the option of a code, if the rules give it; its last close is its value at that of the underlying."""
    match, owner = _CODE.fullmatch(code), owner_of_option(universe, market, code)
    if match is None or owner is None:
        return None
    try:
        day = date(2000 + int(match["day"][:2]), int(match["day"][2:4]), int(match["day"][4:]))
    except ValueError:
        return None
    strike = int(match["strike"]) / 1000
    # What later days will have is known too: clients whose clock is ahead of the market's request it.
    if day not in expiries(owner, day) or strike not in strikes(owner):
        return None
    return option_listing(owner, day, strike, is_call=match["side"] == "C", today=today)


@lru_cache(8)
def _owners(universe: Universe) -> dict[tuple[int, str], Listing]:
    return {(each.market, each.options): each for each in universe if each.options}


@lru_cache(1024)
def expiries(owner: Listing, today: date) -> tuple[date, ...]:
    """Return the days on which options that exist on a day expire, that day included."""
    if not owner.options:
        return ()
    if owner.exchange.prefix == "HK":
        ends = [_last_but_one(*_month(today, number)) for number in range(MONTHS + 1)]
        return tuple(day for number, day in enumerate(ends) if day >= today and (number < 4 or day.month % 3 == 0))
    friday = today + timedelta(days=(_FRIDAY - today.weekday()) % 7)
    found = {friday + timedelta(weeks=week) for week in range(WEEKS)}
    found |= {_third_friday(*_month(today, number)) for number in range(MONTHS + 1)}
    found |= {_third_friday(today.year + later, 1) for later in (1, 2)}
    if owner.sec_type == Kind.INDEX:
        days = (today + timedelta(days=number) for number in range(DAILY))
        found |= {day for day in days if day.weekday() <= _FRIDAY}
    return tuple(sorted(day for day in found if day >= today))


def _month(day: date, later: int) -> tuple[int, int]:
    years, month = divmod(day.month - 1 + later, 12)
    return day.year + years, month + 1


def _third_friday(year: int, month: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(_FRIDAY - first.weekday()) % 7 + 14)


def _last_but_one(year: int, month: int) -> date:
    years, rest = divmod(month, 12)
    day = date(year + years, rest + 1, 1)
    for _ in range(2):
        day -= timedelta(days=1)
        while day.weekday() > _FRIDAY:
            day -= timedelta(days=1)
    return day


@lru_cache(256)
def strikes(owner: Listing) -> tuple[float, ...]:
    """Return the strikes of the options on an instrument, the lowest first."""
    steps = _STRIKE_STEPS.get(owner.exchange.prefix, _STRIKE_STEPS["US"])
    step = tick_at(steps, owner.last_close)
    lowest, highest = (math.ceil(owner.last_close * (1 + sign * REACH) / step) for sign in (-1, 1))
    return tuple(round(number * step, 3) for number in range(max(1, lowest), highest))


def option_code(owner: Listing, day: date, strike: float, *, is_call: bool) -> str:
    """Return the code of an option: class, expiry, side, and a thousand times the strike."""
    return f"{owner.options}{day:%y%m%d}{'C' if is_call else 'P'}{round(strike * 1000)}"


@lru_cache(4096)
def option_listing(owner: Listing, day: date, strike: float, *, is_call: bool, today: date) -> Listing:
    """Return an option as an instrument."""
    is_index = owner.sec_type == Kind.INDEX
    prefix = owner.exchange.prefix
    rule = TICK_RULES["US_OPTION"] if prefix == "US" else parse_tick_rule("1" if is_index else "0.01")
    value = greeks(
        owner.last_close, strike, years_to(day, today), volatility(owner, strike, day, today), is_call=is_call
    ).price
    tick = tick_at(rule, value)
    side, chinese = ("C", "购") if is_call else ("P", "沽")
    return Listing(
        owner.exchange,
        option_code(owner, day, strike, is_call=is_call),
        f"{owner.name} {day:%y%m%d} {strike:.2f}{side}",
        1,
        tick,
        max(tick, round(round(value / tick) * tick, 4)),
        _listed(day).isoformat(),
        owner.currency,
        0,
        Kind.OPTION,
        EXCHANGE_TYPES["US_OPTION" if prefix == "US" else "HK_HKEX"],
        f"{owner.chinese or owner.name} {day:%y%m%d} {strike:.2f}{chinese}",
        rule,
        owner.full_code,
        "call" if is_call else "put",
        strike,
        0.0,
        day.isoformat(),
        owner.size,
    )


def _listed(day: date) -> date:
    """Return a day, half a year before an option's expiry, on which it was listed."""
    found = day - timedelta(days=182)
    return found - timedelta(days=max(0, found.weekday() - _FRIDAY))


def years_to(day: date, today: date) -> float:
    """Return the time to an expiry in years; the day itself counts half."""
    return max((day - today).days, 0.5) / YEAR


def volatility(owner: Listing, strike: float, day: date, today: date) -> float:
    """Return the implied volatility of an option: higher away from the last close, and more so for near expiries."""
    base = base_volatility(owner)
    distance = math.log(strike / owner.last_close)
    smile = distance * distance / (0.2 + math.sqrt(years_to(day, today))) - 0.1 * distance
    return round(max(0.05, base * (1 + smile)), 5)


@lru_cache(1024)
def base_volatility(listing: Listing) -> float:
    """Return the yearly volatility of an instrument, the same in every market of the same universe."""
    drawn = Random(f"volatility/{listing.full_code}")  # noqa: S311 - reproducible, not secret
    low, high = {Kind.INDEX: (0.12, 0.2), Kind.ETF: (0.13, 0.25)}.get(listing.sec_type, (0.2, 0.5))
    return round(drawn.uniform(low, high), 4)


def _density(number: float) -> float:
    return math.exp(-number * number / 2) / math.sqrt(2 * math.pi)


def _below(number: float) -> float:
    return (1 + math.erf(number / math.sqrt(2))) / 2


def chance_below(spot: float, limit: float, years: float, sigma: float) -> float:
    """Return the probability that a price ends below a limit, as Black and Scholes see it."""
    spread = sigma * math.sqrt(years)
    return _below((math.log(limit / spot) - (RATE - sigma * sigma / 2) * years) / spread)


def greeks(spot: float, strike: float, years: float, sigma: float, *, is_call: bool) -> Greeks:
    """Return the value of an option by Black and Scholes; ``sigma`` is its volatility a year."""
    spread = sigma * math.sqrt(years)
    first = (math.log(spot / strike) + (RATE + sigma * sigma / 2) * years) / spread
    second = first - spread
    paid = strike * math.exp(-RATE * years)
    sign = 1 if is_call else -1
    ends = _below(sign * second)
    return Greeks(
        price=max(0.0, sign * (spot * _below(sign * first) - paid * ends)),
        delta=sign * _below(sign * first),
        gamma=_density(first) / (spot * spread),
        vega=spot * _density(first) * math.sqrt(years) / 100,
        theta=(-spot * _density(first) * sigma / (2 * math.sqrt(years)) - sign * RATE * paid * ends) / YEAR,
        rho=sign * paid * years * ends / 100,
    )


def chain(owner: Listing, day: date, today: date) -> Iterator[tuple[Listing, Listing]]:
    """Return the call and the put of each strike, the lowest first."""
    for strike in strikes(owner):
        yield (
            option_listing(owner, day, strike, is_call=True, today=today),
            option_listing(owner, day, strike, is_call=False, today=today),
        )
