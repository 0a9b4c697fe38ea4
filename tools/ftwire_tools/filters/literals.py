"""What values in a filter mean: numbers, sizes, durations, times, and patterns."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate
from fractions import Fraction
from typing import Final, TypeAlias

from ftwire_tools.filters.expression import Pattern
from ftwire_tools.terminal.times import SECOND, parse_time

__all__ = [
    "DAY",
    "MAX_MATCHED",
    "MAX_PATTERN",
    "Number",
    "duration",
    "number",
    "searcher",
    "size",
    "time",
    "time_of_day",
]

Number: TypeAlias = int | float | Fraction

DAY: Final = 86_400 * SECOND
"""In nanoseconds."""
MAX_PATTERN: Final = 200
"""Characters of a pattern."""
MAX_MATCHED: Final = 1000
"""Characters of a value that a pattern is matched with; what is behind them is not looked at."""

_NUMBER: Final = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]{1,16}|\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?)", re.ASCII)
_SIZE: Final = re.compile(r"(\d{1,20}(?:\.\d{1,20})?)([kKMG]?)", re.ASCII)
_DURATION: Final = re.compile(r"(\d{1,20}(?:\.\d{1,20})?)(ns|us|µs|ms|s|m|h|d)", re.ASCII)
_TIME_OF_DAY: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,9}))?)?", re.ASCII)
_SIZES: Final = {"": 1, "k": 1 << 10, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_NANOSECONDS: Final = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": DAY,
}


def number(text: str) -> int | Fraction:
    """Return a number, exactly: ``600``, ``-1``, ``0x1f``, ``600.5``, ``1e6``. Raises ``ValueError``."""
    if not _NUMBER.fullmatch(text):
        raise ValueError("a number")
    if "x" in text.casefold():
        return int(text, 16)
    return _whole(Fraction(text))


def size(text: str) -> int | Fraction:
    """Return a number of bytes: ``300``, ``64k``, ``1.5M``; k is 1024. Raises ``ValueError``."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError("a number of bytes: 300, 64k, 1.5M")
    return _whole(Fraction(found[1]) * _SIZES[found[2]])


def duration(text: str) -> int | Fraction:
    """Return a duration in nanoseconds: ``50ms``, ``1.5s``, ``2m``. Raises ``ValueError``."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("a duration with its unit (ns, us, ms, s, m, h, d): 50ms, 1.5s, 2m")
    return _whole(Fraction(found[1]) * _NANOSECONDS[found[2]])


def time_of_day(text: str) -> int | None:
    """Return nanoseconds since midnight for ``07:58`` or ``07:58:41.5``; ``None`` for anything else."""
    found = _TIME_OF_DAY.fullmatch(text)
    if found is None:
        return None
    seconds = int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3] or 0)
    return seconds * SECOND + int((found[4] or "").ljust(9, "0"))


def time(text: str) -> int:
    """Return nanoseconds since 1970 for a date and time, in UTC unless it has a zone. Raises ``ValueError``."""
    try:
        return parse_time(text)
    except (ValueError, OverflowError):
        raise ValueError('a time: "2026-11-22 07:58:41" (UTC), 2026-11-22T15:58+08:00, or 07:58 of any day') from None


def searcher(pattern: Pattern) -> Callable[[str], bool]:
    """Return whether texts match: a glob the whole of them, a regular expression any part, in any letter case.

    Raises ``ValueError``.
    """
    if len(pattern.text) > MAX_PATTERN:
        raise ValueError(f"a pattern of at most {MAX_PATTERN} characters")
    try:
        compiled = re.compile(pattern.text if pattern.is_regex else translate(pattern.text), re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"a regular expression ({error})") from None
    search = compiled.search if pattern.is_regex else compiled.match
    return lambda text: search(text[:MAX_MATCHED]) is not None


def _whole(value: Fraction) -> int | Fraction:
    return value.numerator if value.denominator == 1 else value
