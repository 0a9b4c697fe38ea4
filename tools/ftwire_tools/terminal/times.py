"""Times in nanoseconds since the epoch, written and parsed as people write them: in UTC, or in local time."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["NO_TIME", "SECOND", "Clock", "day_text", "parse_time"]

NO_TIME: Final = "--:--:--.------"
"""In place of an unknown time."""
SECOND: Final = 1_000_000_000
"""In nanoseconds."""
_DAY: Final = 86_400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER: Final = re.compile(r"(\d+)(?:\.(\d{1,9})\d*)?")


class Clock:
    """Formats times of day, and reports changes of the date."""

    def __init__(self, *, local: bool = False) -> None:
        """``local``: in this machine's zone of time (TZ) instead of UTC."""
        self._local: Final = local
        self._second: int | None = None
        self._day: int | None = None
        self._text = ""

    def time(self, nanoseconds: int) -> str:
        """Return ``HH:MM:SS.microseconds``; dashes for 0, the time of streams that have none."""
        if not nanoseconds:
            return NO_TIME
        second, rest = divmod(nanoseconds, SECOND)
        if second != self._second:
            # Frames come in bursts: most are in the same second as the one before.
            self._second = second
            shown = second + _local_offset(second)[0] if self._local else second
            minutes, seconds = divmod(shown % _DAY, 60)
            self._text = f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
        return f"{self._text}.{rest // 1000:06}"

    def new_day(self, nanoseconds: int) -> str | None:
        """Return the date if it is not that of the last call, ``None`` otherwise.

        Captures have times that calendars do not: outside the years 1 to 9999, a day is the number of seconds from
        1970 to its begin.
        """
        second = nanoseconds // SECOND
        offset, zone = _local_offset(second) if self._local else (0, "UTC")
        day = (second + offset) // _DAY
        if day == self._day:
            return None
        self._day = day
        return f"{day_text(day)} {zone}"


def _local_offset(second: int) -> tuple[int, str]:
    """Return by how many seconds local time is ahead of UTC then, and the name of the zone."""
    try:
        there = time.localtime(second)
    except (OverflowError, ValueError, OSError):
        # A time that no calendar has.
        return 0, "UTC"
    return there.tm_gmtoff, there.tm_zone


def day_text(day: int) -> str:
    """Return the date of a day counted from 1970-01-01, which is 0; any integer has one."""
    try:
        return f"{(_EPOCH + timedelta(days=day)).date()}"
    except OverflowError:
        return f"{day * _DAY:+} s from 1970-01-01"


def parse_time(text: str) -> int:
    """Parse ISO 8601 (UTC unless an offset is given), or seconds or nanoseconds since the epoch.

    A whole number of more than 12 digits is nanoseconds: as seconds it would be in 30 000 years or later.
    Raises ``ValueError``.
    """
    number = _NUMBER.fullmatch(text)
    if number is not None:
        whole, fraction = number[1], number[2]
        if len(whole) > 12 and fraction is None:
            return int(whole)
        return int(whole) * SECOND + int((fraction or "").ljust(9, "0"))
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    since = when - _EPOCH
    return (since.days * _DAY + since.seconds) * SECOND + since.microseconds * 1000
