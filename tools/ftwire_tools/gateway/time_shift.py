"""The time shift: moves all times in a message, so that a capture seems to happen now.

Which fields are times is in ``messages.time_fields``. A text moves on the clock of the exchange whose security it is
about, so that it still means the instant of the timestamp beside it when clocks have been changed in between. Days
stay: listing days, terms of contracts, and any date without a time of day, together with its timestamp.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from ftwire_tools.markets.clocks import clock_of, shifted, zone
from ftwire_tools.markets.local_times import local_text, minute_of_day, parse_local
from ftwire_tools.messages.descriptors import is_repeated
from ftwire_tools.messages.securities import market_of
from ftwire_tools.messages.time_fields import TimeKind, is_text, stamp_of, time_kind

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

__all__ = ["shift_times"]

_CLOCK: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d+)?", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MAX_DEPTH: Final = 8
"""Nesting levels searched; the vendor's messages have six at most."""
_SECURITY: Final = "Qot_Common.Security"

_Shifter = Callable[[Any, int, ZoneInfo | None], None]
_shifters: dict[Descriptor, _Shifter | None] = {}


class _Text(NamedTuple):
    """A field with a text to be moved."""

    name: str
    stamp: str | None
    """The field with the same time in seconds since 1970."""
    minute: str | None
    """The field with the minutes since midnight."""


def shift_times(message: Message, seconds: int) -> None:
    """Move every time in a message, in place."""
    shifter = _shifter(message.DESCRIPTOR)
    if shifter is not None and seconds:
        shifter(message, seconds, None)


def _shifter(descriptor: Any) -> _Shifter | None:
    if descriptor not in _shifters:
        _shifters[descriptor] = _compile(descriptor, _MAX_DEPTH)
    return _shifters[descriptor]


def _compile(descriptor: Descriptor, depth: int) -> _Shifter | None:
    """Return the function that shifts messages of this class; ``None`` for one without times."""
    texts: list[_Text] = []
    numbers: list[FieldDescriptor] = []
    inner: list[tuple[str, bool, _Shifter]] = []
    minute = next((field.name for field in descriptor.fields if time_kind(field) is TimeKind.MINUTE), None)
    for field in descriptor.fields:
        if field.message_type is not None:
            found = _compile(field.message_type, depth - 1) if depth else None
            if found is not None:
                inner.append((field.name, is_repeated(field), found))
        elif is_repeated(field) or time_kind(field) is not TimeKind.MOMENT:
            continue
        elif is_text(field):
            stamp = stamp_of(field)
            texts.append(
                _Text(field.name, None if stamp is None else stamp.name, minute if field.name == "time" else None)
            )
        else:
            numbers.append(field)
    if not texts and not numbers and not inner:
        return None
    zone_in = _zone_reader(descriptor)
    beside = {text.stamp for text in texts}
    alone = [field.name for field in numbers if field.name not in beside]

    def shift(message: Any, seconds: int, where: ZoneInfo | None) -> None:
        where = zone_in(message) or where
        for text in texts:
            if not message.HasField(text.name) or _shift_text(message, text, seconds, where):
                _shift_number(message, text.stamp, seconds)
        for name in alone:
            _shift_number(message, name, seconds)
        for name, many, shift_one in inner:
            if many:
                for item in getattr(message, name):
                    shift_one(item, seconds, where)
            elif message.HasField(name):
                shift_one(getattr(message, name), seconds, where)

    return shift


def _zone_reader(descriptor: Descriptor) -> Callable[[Any], ZoneInfo | None]:
    """Return a function to the time zone of the security that a message of this class is about."""
    security = descriptor.fields_by_name.get("security")
    inner = security.message_type if security is not None and not is_repeated(security) else None
    if inner is not None and inner.full_name == _SECURITY:
        of_security = _zone_reader(inner)
        return lambda message: of_security(message.security) if message.HasField("security") else None
    own = market_of(descriptor)
    if own is None:
        return lambda _: None
    market, prefixes = own
    trading = market == "secMarket"

    def read(message: Any) -> ZoneInfo | None:
        code = message.code if isinstance(message.code, str) else ""
        return zone(clock_of(prefixes.get(getattr(message, market), ""), code, trading=trading))

    return read


def _shift_number(message: Any, name: str | None, seconds: int) -> None:
    value = getattr(message, name) if name is not None else 0
    if value:
        try:
            setattr(message, name, value + seconds)  # type: ignore[arg-type]  # None has the value 0
        except ValueError:
            return  # moved out of the range of its type


def _shift_text(message: Any, text: _Text, seconds: int, where: ZoneInfo | None) -> bool:
    """Move a text, and return whether its number is to be moved, too."""
    value = getattr(message, text.name)
    if not isinstance(value, str) or _DATE.fullmatch(value) is not None:
        return False
    found = _CLOCK.fullmatch(value)
    if found is None:
        return True
    stamp = getattr(message, text.stamp) if text.stamp is not None else 0
    try:
        moved = _moved(parse_local(found[1]), seconds, where, stamp)
    except (ValueError, OverflowError):
        return False  # no valid date, or moved out of the range of dates
    setattr(message, text.name, local_text(moved) + (found[2] or ""))
    if text.minute is not None:
        setattr(message, text.minute, minute_of_day(moved))
    return True


def _moved(local: datetime, seconds: int, where: ZoneInfo | None, stamp: float) -> datetime:
    if stamp:
        try:
            return shifted(local, seconds, where, stamp)
        except (ValueError, OverflowError):
            pass  # the number is no time
    return shifted(local, seconds, where)
