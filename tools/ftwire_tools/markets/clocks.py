"""Clocks of exchanges: which time zone a security's times are in, and what its clock shows at an instant.

Rules of daylight saving come from ``zoneinfo``, and nowhere else.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from ftwire_tools.markets.exchanges import EXCHANGES, ZONES

__all__ = [
    "CLOCKS",
    "FUTURES",
    "FUTURE_CODE",
    "UNKNOWN_CLOCK",
    "at_second",
    "clock_of",
    "is_future",
    "shifted",
    "zone",
    "zone_showing",
]

FUTURES: Final = "{} futures"
"""Name of the clock of an exchange's futures, where it is not that of its stocks."""

CLOCKS: Final = ZONES | {
    FUTURES.format(exchange.prefix): exchange.futures_zone for exchange in EXCHANGES if exchange.futures_zone
}
"""Names of clocks, most of them prefixes of codes, to time zones (IANA)."""

UNKNOWN_CLOCK: Final = ""
"""Clock of times that are on one of the user's choice."""

FUTURE_CODE: Final = "^[0-9A-Z]{0,5}[A-Z][0-9A-Z]{0,2}(main|[0-9]{2}(0[1-9]|1[0-2]))$"
"""Codes of futures, as a regular expression: a short name of the product with a letter in it, and year and month of
delivery (``ES2606``, ``6E2606``) or the word for the main contract (``ESmain``). No stock of the US and no option has
such a code: an option's is longer."""

_FUTURE: Final = re.compile(FUTURE_CODE)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def is_future(code: str) -> bool:
    """Return whether a code without its prefix has the form of a future's."""
    return _FUTURE.fullmatch(code) is not None


def clock_of(prefix: str, code: str = "", *, trading: bool = False) -> str:
    """Return the name of the clock that a security's times are on, to be found in ``CLOCKS`` if its zone is known.

    ``trading`` is for messages about orders and fills: times of futures are there in a zone that OpenD's user has
    configured (``future_trade_api_time_zone``), which no message has.
    """
    if not is_future(code):
        return prefix
    if trading:
        return UNKNOWN_CLOCK
    own = FUTURES.format(prefix)
    return own if own in CLOCKS else prefix


@lru_cache(maxsize=64)
def zone(clock: str) -> ZoneInfo | None:
    """Return the time zone of a clock, ``None`` for one without."""
    name = CLOCKS.get(clock)
    return ZoneInfo(name) if name else None


def at_second(second: float, where: ZoneInfo) -> datetime:
    """Return what a zone's clocks show at a second since 1970. Raises ``OverflowError`` outside the years 1 to 9999."""
    return (_EPOCH + timedelta(seconds=second)).astimezone(where)


def zone_showing(local: datetime, second: float, preferred: ZoneInfo | None = None) -> ZoneInfo | None:
    """Return a zone of an exchange whose clocks show ``local`` at a second since 1970; ``None`` where none does.

    ``preferred`` is tried first: for an hour in autumn the clocks of New York and Chicago show the same. Fractions of
    seconds do not count.
    """
    for candidate in [preferred, *_zones()] if preferred is not None else _zones():
        shown = at_second(second, candidate).replace(tzinfo=None)
        if abs(shown - local) < timedelta(seconds=1):
            return candidate
    return None


@lru_cache(maxsize=1)
def _zones() -> list[ZoneInfo]:
    return [ZoneInfo(name) for name in dict.fromkeys(CLOCKS.values())]


def shifted(local: datetime, seconds: int, where: ZoneInfo | None, stamp: float | None = None) -> datetime:
    """Return what the clock shows ``seconds`` after it shows ``local``, daylight saving included.

    ``where`` is the zone that the text is in, as far as that is known, and ``stamp`` the same time in seconds since
    1970, if there is one: it decides between the two meanings of a text in the hour that occurs twice, and what zone
    it is where ``where`` disagrees. Without a zone, clocks are taken for such as are never changed.
    Raises ``OverflowError`` outside the years 1 to 9999.
    """
    if stamp is not None:
        where = zone_showing(local, stamp, where)
    if where is None:
        return local + timedelta(seconds=seconds)
    before = (_EPOCH + timedelta(seconds=stamp)).astimezone(where) if stamp is not None else local.replace(tzinfo=where)
    after = (before.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(where)
    return local + timedelta(seconds=seconds) + (_offset(after) - _offset(before))


def _offset(time: datetime) -> timedelta:
    return time.utcoffset() or timedelta()
