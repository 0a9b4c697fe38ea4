"""The conditions that filters are made of: comparisons of one value, and what errors say of one that does not fit."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, Final

from ftwire_tools.filters import literals
from ftwire_tools.filters.expression import Comparison, IsIn, Literal, Matches, Pattern
from ftwire_tools.filters.header_fields import end_matches
from ftwire_tools.messages.enums import short_enum_name

__all__ = [
    "MOST_NAMED",
    "OPERATORS",
    "Test",
    "end_test",
    "flag",
    "is_integer",
    "literals_of",
    "not_among",
    "same",
    "text_value",
    "time_test",
    "value_test",
]

Test = Callable[[Any], bool]
"""Takes a frame."""

OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
MOST_NAMED: Final = 8
"""Words that an error lists."""
_FLAGS: Final = {"true": True, "false": False}


def literals_of(expression: Any) -> tuple[Literal, ...]:
    """Return the values that a condition names."""
    return expression.values if isinstance(expression, IsIn) else (expression.value,)


def value_test(read: Callable[[Any], Any], expression: Any, values: list[Any], *, is_always_set: bool) -> Test:
    """Return a comparison of a header field. One that has no value compares with nothing."""
    if isinstance(expression, IsIn):
        wanted = frozenset(values)  # None is not among them
        return lambda frame: read(frame) in wanted
    compare, (value,) = OPERATORS[expression.operator], values
    if is_always_set or expression.operator == "==":
        return lambda frame: compare(read(frame), value)
    return lambda frame: (found := read(frame)) is not None and compare(found, value)


def time_test(read: Callable[[Any], int | None], compare: Any, value: int, *, of_day: bool) -> Test:
    """Return a comparison of an instant, or of the time within its day (UTC), in nanoseconds."""
    if of_day:
        return lambda frame: (found := read(frame)) is not None and compare(found % literals.DAY, value)
    return lambda frame: (found := read(frame)) is not None and compare(found, value)


def end_test(expression: Any, read: Callable[[Any], str], searcher: Callable[[Pattern], Callable[[str], bool]]) -> Test:
    """Return a condition on an end of a conversation: the whole of it, its host or its port."""
    if isinstance(expression, Matches):
        search = searcher(expression.pattern)
        return lambda frame: search(read(frame))
    named = [literal.text.lower() for literal in literals_of(expression)]
    is_equal = not isinstance(expression, Comparison) or expression.operator != "!="
    return lambda frame: any(end_matches(read(frame), each) for each in named) is is_equal


def flag(text: str) -> bool:
    """Return what ``true`` or ``false`` means. Raises ``ValueError``."""
    try:
        return _FLAGS[text.casefold()]
    except KeyError:
        raise ValueError("true or false") from None


def text_value(value: Any) -> str:
    """Return the value of a text field as text."""
    # proto2 hands out strings that are not UTF-8 as bytes.
    return value if isinstance(value, str) else value.decode(errors="backslashreplace")


def is_integer(text: str) -> bool:
    """Return whether the value of an enum is given as its number."""
    try:
        return literals.number(text) % 1 == 0
    except ValueError:
        return False


def same(value: Any) -> Any:
    """Return a value as it is."""
    return value


def not_among(name: str, text: str, words: Iterable[str]) -> str:
    """Return that a field never has a value, and which it has: the nearest, or the first of all."""
    listed = list(words)
    folded = {word.casefold(): word for word in listed}
    short = {short_enum_name(word).casefold(): word for word in listed}
    known = short | folded
    asked = text.casefold()
    parts = [word for word in listed if asked in short_enum_name(word).casefold().split("_")]
    near = list(dict.fromkeys([*parts, *(known[each] for each in get_close_matches(asked, known, n=3, cutoff=0.5))]))[
        :3
    ]
    if near:
        return f"{name} is never {text!r}; did you mean {' or '.join(near)}?"
    more = f" and {len(listed) - MOST_NAMED} more" if len(listed) > MOST_NAMED else ""
    return f"{name} is never {text!r}; it is one of {', '.join(listed[:MOST_NAMED])}{more}"
