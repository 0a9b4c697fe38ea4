"""Columns of exchange-local times to columns of instants, with pyarrow.

Times of markets without a time zone (currencies, crypto) stay text.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ftwire_tools.markets.exchanges import ZONES

__all__ = ["INSTANT", "instants", "is_local_time"]

INSTANT: Final = pa.timestamp("us", "UTC")
_LOCAL: Final = pa.timestamp("us")
_SHAPE: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d(\.\d{1,6})?)?")
_NO_TIMES: Final = frozenset({"timezone", "time_range", "timerange"})


def is_local_time(name: str) -> bool:
    """Return whether a text field of this name holds a time."""
    folded = name.lower()
    return "time" in folded and folded not in _NO_TIMES


def instants(texts: Any, markets: Any) -> Any:
    """Return the instants of local times (``2021-06-09 09:30:00``) at these markets' exchanges.

    Null where a text is no time, or its market has no zone. A time that occurs twice in autumn is taken as the first of
    the two, one that is skipped in spring as the moment that the clock skips to.
    """
    encoded = texts.dictionary_encode()
    if not len(encoded.dictionary):
        return pa.nulls(len(texts), INSTANT)
    local = _parsed(encoded.dictionary)
    zones = pc.index_in(markets, value_set=pa.array(list(ZONES)))
    present = [ZONES[name] for name in _names(zones)]
    found = pa.nulls(len(texts), INSTANT)
    for zone in dict.fromkeys(present):
        numbers = pa.array([at for at, name in enumerate(ZONES.values()) if name == zone], pa.int32())
        here = pc.is_in(zones, value_set=numbers)
        zoned = pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="latest").cast(INSTANT)
        found = pc.if_else(here, zoned.take(encoded.indices), found)
    return found


def _names(zones: Any) -> list[str]:
    known = list(ZONES)
    return [known[at] for at in pc.unique(zones).to_pylist() if at is not None]


def _parsed(texts: Any) -> Any:
    """Parse distinct texts; fast where each is a time or empty."""
    try:
        return pc.if_else(pc.equal(texts, ""), None, texts).cast(_LOCAL)
    except pa.ArrowInvalid:
        return pa.array([_moment(text) for text in texts.to_pylist()], _LOCAL)


def _moment(text: str | None) -> datetime | None:
    if text is None or not _SHAPE.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).replace(tzinfo=None)
    except ValueError:
        return None
