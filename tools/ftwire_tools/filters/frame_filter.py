"""The options that are short for filter expressions: --proto, --kind, --code, --conn, --since, --until, --errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from ftwire.protocols import Registry, registry
from ftwire_tools.filters.compiler import Filter
from ftwire_tools.filters.expression import And, Comparison, Expression, IsIn, Literal, Not, Or, Presence
from ftwire_tools.filters.header_fields import end_matches
from ftwire_tools.filters.protocol_names import protocol_ids
from ftwire_tools.terminal.times import SECOND

if TYPE_CHECKING:
    from ftwire.capture import Conversation

__all__ = ["FrameFilter", "is_in", "protocol_ids"]

_MOST_DIGITS: Final = 30
"""Digits of a number that are looked at: no conversation has a number of as many."""


class FrameFilter(NamedTuple):
    """Conditions on frames, all of which are to be met; an empty one is met by all."""

    protocols: frozenset[int] = frozenset()
    kinds: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    """``HK.00700``, or ``00700`` in whatever market."""
    conversations: tuple[str, ...] = ()
    """The number of one, or one of its ends as ``HOST:PORT`` or ``:PORT``."""
    since: int | None = None
    until: int | None = None
    only_errors: bool = False
    also: Filter | None = None
    """An expression (``-Y``)."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no condition."""
        return self == FrameFilter()

    def compiled(self, registry: Registry = registry) -> Filter:
        """Return all conditions as one filter."""
        also = self.also
        parts = [*self._expressions()]
        if also is None:
            return Filter(_all(parts), registry=registry)
        if not parts:
            return also
        assert also.expression is not None  # noqa: S101 - what was parsed is no empty filter
        return Filter(And((*parts, also.expression)), registry=registry, show_secrets=True)

    def _expressions(self) -> list[Expression]:
        """Return the options as expressions."""
        found: list[Expression] = []
        if self.protocols:
            found.append(IsIn("proto_id", tuple(Literal(str(number)) for number in sorted(self.protocols))))
        if self.kinds:
            found.append(IsIn("kind", tuple(map(Literal, sorted(self.kinds)))))
        if self.conversations:
            found.append(_any([each for named in self.conversations for each in _of_conversation(named)]))
        if self.since is not None and self.since > 0:
            found.append(Comparison("time", ">=", _time(self.since)))
        if self.until is not None:
            # What has no time is not later.
            found.append(Not(Comparison("time", ">", _time(self.until))))
        if self.only_errors:
            found.append(Presence("error"))
        if self.codes:
            found.append(IsIn("code", tuple(map(Literal, sorted(self.codes)))))
        return found


def is_in(conversation: Conversation, named: str) -> bool:
    """Return whether a conversation has this number, or this end (``:PORT`` is enough)."""
    if named.isdecimal():
        # As text: int() refuses more than 4300 digits.
        return str(conversation.number) == named.lstrip("0")
    return any(end_matches(end, named) for end in (conversation.client, conversation.server))


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
