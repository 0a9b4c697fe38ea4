"""The options that are short for filter expressions: --proto, --kind, --code, --conn, --since, --until, --errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ftwire.protocols import Registry, registry
from ftwire_tools.filters.header_fields import end_matches
from ftwire_tools.filters.protocol_names import protocol_ids

if TYPE_CHECKING:
    from ftwire.capture import Conversation
    from ftwire_tools.filters.compiler import Filter

__all__ = ["FrameFilter", "is_in", "protocol_ids"]


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
        # Imported late: most runs have no filter.
        from ftwire_tools.filters.shorthands import filter_of_options

        return filter_of_options(registry, **self._asdict())


def is_in(conversation: Conversation, named: str) -> bool:
    """Return whether a conversation has this number, or this end (``:PORT`` is enough)."""
    if named.isdecimal():
        # As text: int() refuses more than 4300 digits.
        return str(conversation.number) == named.lstrip("0")
    return any(end_matches(end, named) for end in (conversation.client, conversation.server))
