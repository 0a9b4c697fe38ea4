"""Times as OpenD writes them: on the exchange's clock, ``yyyy-MM-dd HH:mm:ss``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

__all__ = ["LOCAL_TIME", "local_text", "minute_of_day", "parse_local"]

LOCAL_TIME: Final = "%Y-%m-%d %H:%M:%S"
"""The form of times, for ``strptime``."""
_DATE: Final = "%Y-%m-%d"


def local_text(time: datetime) -> str:
    """Return a time as OpenD writes it."""
    # Not %Y, which some platforms do not fill up with zeros.
    return f"{time.year:04}-{time:%m-%d %H:%M:%S}"


def minute_of_day(time: datetime) -> int:
    """Return the minutes since midnight."""
    return time.hour * 60 + time.minute


def parse_local(text: str, *, end_of_day: bool = False) -> datetime:
    """Return a time or a date as a time: of a date its first second, or its last. Raises ``ValueError``."""
    try:
        return datetime.strptime(text, LOCAL_TIME)
    except ValueError:
        day = datetime.strptime(text, _DATE)
        return day + timedelta(days=1, seconds=-1) if end_of_day else day
