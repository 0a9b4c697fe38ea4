"""The older options as filter expressions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from ftwire.protocols import Registry
from ftwire_tools.filters.compiler import Filter
from ftwire_tools.filters.expression import And, Comparison, Expression, IsIn, Literal, Not, Or, Presence
from ftwire_tools.terminal.times import SECOND

if TYPE_CHECKING:
    from ftwire_tools.filters.frame_filter import FrameFilter

__all__ = ["filter_of_options"]

_MOST_DIGITS: Final = 30
"""Digits of a number that are looked at: no conversation has a number of as many."""


def filter_of_options(options: FrameFilter, registry: Registry) -> Filter:
    """Return all conditions as one filter."""
    also, parts = options.also, _expressions(options)
    if also is None or also.expression is None:
        return Filter(_all(parts), registry=registry)
    if not parts:
        return also
    # Whether the fields in it are hidden was decided when it was parsed.
    return Filter(And((*parts, also.expression)), registry=registry, show_secrets=True)


def _expressions(options: FrameFilter) -> list[Expression]:
    found: list[Expression] = []
    if options.protocols:
        found.append(IsIn("proto_id", tuple(Literal(str(number)) for number in sorted(options.protocols))))
    if options.kinds:
        found.append(IsIn("kind", tuple(map(Literal, sorted(options.kinds)))))
    if options.conversations:
        found.append(_any([each for named in options.conversations for each in _of_conversation(named)]))
    if options.since is not None and options.since > 0:
        found.append(Comparison("time", ">=", _time(options.since)))
    if options.until is not None:
        # What has no time is not later.
        found.append(Not(Comparison("time", ">", _time(options.until))))
    if options.only_errors:
        found.append(Presence("error"))
    if options.codes:
        found.append(IsIn("code", tuple(map(Literal, sorted(options.codes)))))
    return found


def _of_conversation(named: str) -> list[Expression]:
    if named.isdecimal():
        return [Comparison("conversation", "==", Literal(named.lstrip("0")[:_MOST_DIGITS] or "0"))]
    return [Comparison(end, "==", Literal(named)) for end in ("client", "server")]


def _time(nanoseconds: int) -> Literal:
    if nanoseconds < 0:
        return Literal((datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanoseconds // 1000)).isoformat())
    return Literal(f"{nanoseconds // SECOND}.{nanoseconds % SECOND:09}")


def _any(parts: list[Expression]) -> Expression:
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


def _all(parts: list[Expression]) -> Expression | None:
    return None if not parts else parts[0] if len(parts) == 1 else And(tuple(parts))
