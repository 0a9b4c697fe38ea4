"""The older options as filter expressions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from ftwire.protocols import Registry
from ftwire_tools.filters.compiler import Filter
from ftwire_tools.filters.expression import And, Comparison, Expression, IsIn, Literal, Not, Or, Presence
from ftwire_tools.terminal.times import SECOND

__all__ = ["filter_of_options"]

_MOST_DIGITS: Final = 30
"""Digits of a number that are looked at: no conversation has a number of as many."""


def filter_of_options(
    registry: Registry,
    *,
    protocols: Iterable[int],
    kinds: Iterable[str],
    codes: Iterable[str],
    conversations: Iterable[str],
    since: int | None,
    until: int | None,
    only_errors: bool,
    also: Filter | None,
) -> Filter:
    """Return what the options of a ``FrameFilter`` say as one filter."""
    parts: list[Expression] = []
    if protocols:
        parts.append(IsIn("proto_id", tuple(Literal(str(number)) for number in sorted(protocols))))
    if kinds:
        parts.append(IsIn("kind", tuple(map(Literal, sorted(kinds)))))
    if conversations:
        parts.append(_any([each for named in conversations for each in _of_conversation(named)]))
    if since is not None and since > 0:
        parts.append(Comparison("time", ">=", _time(since)))
    if until is not None:
        # What has no time is not later.
        parts.append(Not(Comparison("time", ">", _time(until))))
    if only_errors:
        parts.append(Presence("error"))
    if codes:
        parts.append(IsIn("code", tuple(map(Literal, sorted(codes)))))
    if also is None or also.expression is None:
        return Filter(_all(parts), registry=registry)
    if not parts:
        return also
    # Whether the fields in it are hidden was decided when it was parsed.
    return Filter(And((*parts, also.expression)), registry=registry, show_secrets=True)


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
