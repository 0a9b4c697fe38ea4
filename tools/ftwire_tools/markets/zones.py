"""Columns of exchange-local times to columns of instants, with pyarrow.

Times on clocks without a time zone (currencies, crypto) stay text.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from ftwire_tools.markets.clocks import CLOCKS, FUTURE_CODE, FUTURES, UNKNOWN_CLOCK

__all__ = ["INSTANT", "ReadTimes", "clocks_of", "instants", "read_times"]

INSTANT: Final = pa.timestamp("us", "UTC")
_LOCAL: Final = pa.timestamp("us")
_SECOND: Final = 1_000_000
"""In microseconds."""
_LONGEST_DAY: Final = 25 * 3600 * _SECOND
_QUARTER: Final = timedelta(minutes=15)
_EPOCH: Final = datetime(1970, 1, 1)
_DATE_LENGTH: Final = len("yyyy-MM-dd")
_FIRST: Final = -62_135_596_800
_LAST: Final = 253_402_300_799
"""The first second of the year 1 and the last of 9999, since 1970: what Python's ``datetime`` has."""


class ReadTimes(NamedTuple):
    """Exchange-local times as instants."""

    instants: Any
    differ: Any
    """Whether text and timestamp are two different times: a ``pyarrow.BooleanArray`` without nulls, or ``None`` where
    there are no timestamps."""


def clocks_of(prefixes: Any, codes: Any, *, trading: bool = False) -> Any:
    """Return the clocks of securities, from the prefixes of their markets and their codes: see ``clocks.clock_of``."""
    encoded = pc.fill_null(codes, "").dictionary_encode()
    futures = pc.match_substring_regex(encoded.dictionary, FUTURE_CODE).take(encoded.indices)
    if not pc.any(futures).as_py():
        return prefixes
    if trading:
        return pc.if_else(futures, pa.scalar(UNKNOWN_CLOCK), prefixes)
    own = pc.binary_join_element_wise(prefixes, FUTURES.format(""), "")
    known = pc.is_in(own, value_set=pa.array(list(CLOCKS), pa.string()))
    return pc.if_else(pc.and_(futures, known), own, prefixes)


def instants(texts: Any, clocks: Any) -> Any:
    """Return the instants of local times (``2021-06-09 09:30:00``) on these clocks; a date alone is its midnight.

    Null where a text is no time, or its clock has no zone. A time that occurs twice in autumn is taken as the first of
    the two, one that is skipped in spring as the moment that the clock skips to.
    """
    return _instants(texts, clocks, 0)


def read_times(texts: Any, clocks: Any, stamps: Any) -> ReadTimes:
    """Return the instants of local times with timestamps beside them, which decide.

    ``stamps`` are seconds since 1970; 0 and what is no second of the years 1 to 9999 are none, and there the instant is
    that of the text. Both are the same time where less than a second is between them, for a date alone where the
    timestamp is on that day.
    """
    told, stamped = instants(texts, clocks), _stamped(stamps)
    differ = _differ(texts, told, stamped)
    if pc.any(differ).as_py():
        # The second of two hours that the clock shows twice is right, too.
        differ = pc.and_(differ, _differ(texts, _instants(texts, clocks, 1), stamped))
    return ReadTimes(pc.coalesce(stamped, told), differ)


def _stamped(stamps: Any) -> Any:
    seconds = stamps.cast(pa.float64(), safe=False)
    is_time = pc.and_(pc.not_equal(seconds, 0.0), pc.and_(pc.greater_equal(seconds, _FIRST), pc.less(seconds, _LAST)))
    seconds = pc.if_else(is_time, seconds, pa.scalar(None, pa.float64()))
    return pc.round(pc.multiply(seconds, float(_SECOND))).cast(pa.int64()).cast(INSTANT)


def _differ(texts: Any, told: Any, stamped: Any) -> Any:
    later = pc.subtract(stamped.cast(pa.int64()), told.cast(pa.int64()))
    ends = pc.min_max(later).as_py()
    if ends["min"] is None or -_SECOND < ends["min"] <= ends["max"] < _SECOND:
        return pa.repeat(False, len(texts))
    is_date = pc.equal(pc.binary_length(texts), _DATE_LENGTH)
    same = pc.if_else(
        is_date,
        pc.and_(pc.greater_equal(later, 0), pc.less(later, _LONGEST_DAY)),
        pc.less(pc.abs(later), _SECOND),
    )
    return pc.invert(pc.fill_null(same, True))


def _instants(texts: Any, clocks: Any, fold: int) -> Any:
    """Return the instants; ``fold`` is 0 or 1 for the first or the second of two hours that a clock shows twice."""
    encoded = texts.dictionary_encode()
    if not len(encoded.dictionary):
        return pa.nulls(len(texts), INSTANT)
    local = _parsed(encoded.dictionary)
    places = pc.index_in(clocks, value_set=pa.array(list(CLOCKS)))
    zones = list(CLOCKS.values())
    present = dict.fromkeys(zones[at] for at in pc.unique(places).to_pylist() if at is not None)
    if len(present) == 1 and not places.null_count:
        return _in_zone(local, ZoneInfo(*present), fold).take(encoded.indices)
    found = pa.nulls(len(texts), INSTANT)
    for zone in present:
        numbers = pa.array([at for at, name in enumerate(zones) if name == zone], pa.int32())
        here = pc.is_in(places, value_set=numbers)
        found = pc.if_else(here, _in_zone(local, ZoneInfo(zone), fold).take(encoded.indices), found)
    return found


def _in_zone(local: Any, zone: ZoneInfo, fold: int) -> Any:
    """Return the instants of local times in a zone, by ``zoneinfo`` like all other code here.

    Clocks have been changed at whole quarters of an hour for as long as there are quotes, so that it is enough to look
    up one time in each.
    """
    quarters = pc.floor_temporal(local, 15, "minute").cast(pa.int64()).dictionary_encode()
    ahead: list[int | None] = []
    skipped: list[int | None] = []
    found: tuple[int | None, int | None]
    for micros in quarters.dictionary.to_pylist():
        try:
            at = _EPOCH + timedelta(microseconds=micros)
            found = _offset(at, zone, fold), _change_of_skipped(at, zone)
        except OverflowError:
            found = None, None  # the year 0, or a change before the year 1
        ahead.append(found[0])
        skipped.append(found[1])
    instant = pc.subtract(local.cast(pa.int64()), pa.array(ahead, pa.int64()).take(quarters.indices))
    return pc.coalesce(pa.array(skipped, pa.int64()).take(quarters.indices), instant).cast(INSTANT)


def _offset(local: datetime, zone: ZoneInfo, fold: int) -> int:
    """Return how far a clock is ahead of UTC, in microseconds."""
    return (local.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta()) // timedelta(microseconds=1)


def _change_of_skipped(local: datetime, zone: ZoneInfo) -> int | None:
    """Return the moment that a clock skips a time at, in microseconds since 1970; ``None`` if it does not."""
    # zoneinfo has the offset before a change for fold 0 and the one after it for fold 1.
    if _offset(local, zone, 0) >= _offset(local, zone, 1):
        return None
    while _offset(local - _QUARTER, zone, 0) < _offset(local - _QUARTER, zone, 1):
        local -= _QUARTER
    return (local - _EPOCH) // timedelta(microseconds=1) - _offset(local, zone, 0)


def _parsed(texts: Any) -> Any:
    """Parse distinct texts; fast where each is a time or empty."""
    try:
        return pc.if_else(pc.equal(texts, ""), None, texts).cast(_LOCAL)
    except pa.ArrowInvalid:
        # One by one, so that what a text means does not depend on the others.
        return pa.array([_parsed_one(text) for text in texts], pa.int64()).cast(_LOCAL)


def _parsed_one(text: Any) -> int | None:
    try:
        found: int = text.cast(_LOCAL).value
    except pa.ArrowInvalid:
        return None
    return found
