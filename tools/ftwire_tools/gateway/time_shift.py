"""The time shift: moves all times in a message, so that a capture seems to happen now.

Times are recognised by name and form: seconds since 1970 in fields whose names end in ``timestamp``, and exchange-local
``yyyy-MM-dd HH:mm:ss``, possibly with a fraction, in texts. A ``minute`` beside such a text counts from its midnight.
Dates without a time of day stay, since they are listing days and the like.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.markets.local_times import local_text, parse_local
from ftwire_tools.messages.descriptors import is_repeated

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

__all__ = ["shift_times"]

_CLOCK: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(.*)", re.DOTALL)
_MAX_DEPTH: Final = 8
"""Nesting levels searched; the vendor's messages have six at most."""

_Shifter = Callable[[Any, int], None]
_shifters: dict[str, _Shifter | None] = {}


def shift_times(message: Message, seconds: int) -> None:
    """Move every time in a message, in place."""
    shifter = _shifter(message.DESCRIPTOR)
    if shifter is not None and seconds:
        shifter(message, seconds)


def _shifter(descriptor: Any) -> _Shifter | None:
    name = descriptor.full_name
    if name not in _shifters:
        _shifters[name] = _compile(descriptor, _MAX_DEPTH)
    return _shifters[name]


def _compile(descriptor: Descriptor, depth: int) -> _Shifter | None:
    """Return the function that shifts messages of this class; ``None`` for one without times."""
    texts, stamps = [], []
    inner: list[tuple[str, bool, _Shifter]] = []
    for field in descriptor.fields:
        if field.message_type is not None:
            found = _compile(field.message_type, depth - 1) if depth else None
            if found is not None:
                inner.append((field.name, is_repeated(field), found))
        elif is_repeated(field):
            continue
        elif field.cpp_type == field.CPPTYPE_STRING and "time" in field.name.lower():
            texts.append(field.name)
        elif field.cpp_type == field.CPPTYPE_DOUBLE and _is_stamp(field.name):
            stamps.append(field.name)
    if not texts and not stamps and not inner:
        return None
    minutes = "minute" in descriptor.fields_by_name and "time" in texts

    def shift(message: Any, seconds: int) -> None:
        for name in texts:
            if message.HasField(name):
                _shift_text(message, name, seconds)
        for name in stamps:
            if message.HasField(name) and getattr(message, name):
                setattr(message, name, getattr(message, name) + seconds)
        if minutes and _CLOCK.match(message.time):
            message.minute = int(message.time[11:13]) * 60 + int(message.time[14:16])
        for name, many, shift_one in inner:
            if many:
                for item in getattr(message, name):
                    shift_one(item, seconds)
            elif message.HasField(name):
                shift_one(getattr(message, name), seconds)

    return shift


def _is_stamp(name: str) -> bool:
    return name.lower().endswith("timestamp") or name in {"recvTime", "localTime"}


def _shift_text(message: Any, name: str, seconds: int) -> None:
    value = getattr(message, name)
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return
    try:
        moved = parse_local(found[1]) + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return  # no valid date, or moved out of the range of dates
    setattr(message, name, local_text(moved) + found[2])
