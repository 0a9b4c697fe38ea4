"""Nanoseconds since the epoch, as people write times: UTC throughout."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["NO_TIME", "SECOND", "Clock", "parse_time"]

NO_TIME: Final = "--:--:--.------"
"""Stands in place of a time that nobody knows."""
SECOND: Final = 1_000_000_000
"""Nanoseconds."""
_DAY: Final = 86_400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER: Final = re.compile(r"(\d+)(?:\.(\d{1,9})\d*)?")


class Clock:
    """Writes times of day, and tells when a new day begins."""

    def __init__(self) -> None:
        self._second = self._day = -1
        self._text = ""

    def time(self, nanoseconds: int) -> str:
        """Return ``HH:MM:SS.microseconds``, or dashes for the 0 of a stream without times."""
        if not nanoseconds:
            return NO_TIME
        second, rest = divmod(nanoseconds, SECOND)
        if second != self._second:
            # Frames come in bursts: most share their second with the one before.
            self._second = second
            minutes, seconds = divmod(second % _DAY, 60)
            self._text = f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
        return f"{self._text}.{rest // 1000:06}"

    def new_day(self, nanoseconds: int) -> str | None:
        """Return the date, if it is another one than at the last call."""
        day = nanoseconds // (SECOND * _DAY)
        if day == self._day:
            return None
        self._day = day
        return f"{_EPOCH + timedelta(days=day):%Y-%m-%d} UTC"


def parse_time(text: str) -> int:
    """Read ISO 8601 (UTC unless it says otherwise), or seconds or nanoseconds since the epoch.

    Digits alone are nanoseconds when they are so many that as seconds they would lie 30 000 years ahead.
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
