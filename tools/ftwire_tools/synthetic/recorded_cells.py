"""Cells of a user's own data: times, prices, volumes as texts or values of Parquet, to whole numbers.

All raise ``ValueError`` for what is none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from ftwire_tools.markets.sessions import Hours
from ftwire_tools.markets.trading_days import CalendarRangeError
from ftwire_tools.synthetic.prices import UNIT

__all__ = [
    "DAY_BAR",
    "NO_SEQUENCE",
    "bar_kind",
    "price_in",
    "sequence_in",
    "time_in",
    "turnover_in",
    "volume_in",
    "whole",
]

_MOST_PRICE: Final = 1e9
_MOST_VOLUME: Final = 1e15
_MOST_UNITS: Final = 1 << 56
"""Turnover of a bar at most: what a session adds up to fits in 64 bits."""
NO_SEQUENCE: Final = -(1 << 63)
"""Of a trade without a number."""
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
MINUTE_BAR, DAY_BAR = 1, 2
"""``Qot_Common.KLType``."""
_BACKWARD: Final = "2"
"""``Qot_Common.RehabType``: prices that nothing was traded at."""
_KL_TYPES: Final = {"1": MINUTE_BAR, "K_1M": MINUTE_BAR, "2": DAY_BAR, "K_DAY": DAY_BAR}
"""``KLType`` as a number and as the vendor's SDK names it."""
_INTERVALS: Final = {"1m": MINUTE_BAR, "1d": DAY_BAR}


def bar_kind(cells: Mapping[str, Any], hours: Hours, second: int, local: datetime, *, has_time: bool) -> int | None:
    """Return the ``KLType`` of a bar, ``None`` for one that is not played."""
    if cells.get("klType") not in {None, ""}:
        return None if str(cells.get("rehabType")) == _BACKWARD else _KL_TYPES.get(str(cells["klType"]))
    if cells.get("interval") not in {None, ""}:
        if cells["interval"] not in _INTERVALS:
            raise ValueError(f"interval {cells['interval']!r} is none of {', '.join(_INTERVALS)}")
        return _INTERVALS[cells["interval"]]
    if not has_time:
        return DAY_BAR
    if local.hour or local.minute or local.second:
        return MINUTE_BAR
    try:
        return MINUTE_BAR if hours.open_at(second - 1) is not None else DAY_BAR
    except CalendarRangeError:
        return DAY_BAR  # of a year without calendar, which is left out


def time_in(value: Any, hours: Hours, column: str) -> tuple[int, datetime, bool]:
    """Return a time or a date as second since 1970 and on the exchange's clock, and whether it has a time of day.

    Raises ``ValueError``.
    """
    has_time = True
    if isinstance(value, str):
        text = value.strip()
        has_time = _DATE.fullmatch(text) is None
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(
                f"{column} {value!r:.40} is no time such as 2024-06-12 09:31:00 or 2024-06-12T01:31:00Z"
            ) from None
    elif isinstance(value, date) and not isinstance(value, datetime):
        value, has_time = datetime(value.year, value.month, value.day), False
    if not isinstance(value, datetime):
        raise ValueError(
            f"{column} {value!r:.40} is neither a time nor a text in ISO 8601: its type is {type(value).__name__}"
        )
    try:
        local = value.replace(tzinfo=hours.zone) if value.tzinfo is None else value.astimezone(hours.zone)
        return math.floor(local.timestamp()), local, has_time
    except OverflowError:
        raise ValueError(f"{column} {value} is no time of a market") from None


def _number(cells: Mapping[str, Any], column: str) -> float:
    value = cells.get(column)
    try:
        return float(value)  # type: ignore[arg-type]  # None is no number either
    except (TypeError, ValueError):
        raise ValueError(
            f"{column} {value!r:.40} is no number" if value not in {None, ""} else f"{column} is empty"
        ) from None


def price_in(cells: Mapping[str, Any], column: str, *, zero: bool = False) -> int:
    """Return a price in units of ``prices.UNIT``; 0 is one only with ``zero``."""
    number = _number(cells, column)
    units = round(number * UNIT) if abs(number) < _MOST_PRICE else 0
    if units < (0 if zero else 1) or abs(number) >= _MOST_PRICE or math.isnan(number):
        raise ValueError(f"{column} {cells[column]!r:.40} is no price from 0.0001 to {_MOST_PRICE:,.0f}")
    return units


def volume_in(cells: Mapping[str, Any]) -> int:
    """Return a volume, 0 where the column is empty."""
    if cells.get("volume") in {None, ""}:
        return 0
    number = _number(cells, "volume")
    if not 0 <= number < _MOST_VOLUME:
        raise ValueError(f"volume {cells['volume']!r:.40} is no number from 0 on")
    return round(number)


def sequence_in(cells: Mapping[str, Any]) -> int:
    """Return the number of a trade, ``NO_SEQUENCE`` where it has none."""
    text = cells.get("sequence")
    if text in {None, ""}:
        return NO_SEQUENCE
    try:
        number = int(text)
    except ValueError:
        number = NO_SEQUENCE
    if not NO_SEQUENCE < number < 1 << 63:
        raise ValueError(f"sequence {text!r:.40} is no whole number of 64 bits")
    return number


def turnover_in(cells: Mapping[str, Any], otherwise: int) -> int:
    """Return a turnover in units; ``otherwise`` where the column is empty."""
    if cells.get("turnover") in {None, ""}:
        return min(otherwise, _MOST_UNITS)
    number = _number(cells, "turnover")
    if not 0 <= number * UNIT <= _MOST_UNITS:
        raise ValueError(f"turnover {cells['turnover']!r:.40} is no number from 0 to {_MOST_UNITS // UNIT:,}")
    return round(number * UNIT)


def whole(value: Any, column: str) -> int:
    """Return a whole number from 1 on."""
    text = str(value)
    if not (text.isascii() and text.isdecimal() and int(text[:18]) > 0 and len(text) <= 18):
        raise ValueError(f"{column} {text!r:.40} is no whole number from 1 on")
    return int(text)
