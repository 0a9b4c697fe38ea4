"""What a capture holds of the things that filters select, for filters that match nothing.

A misspelt code or a wrong number shows nothing, as a capture without such frames does: the reader of the empty output
is told which it is, and what could have been meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from ftwire.protocols import Registry, registry
from ftwire_tools.filters.compiler import MOST_CODES as MOST_PRESENT
from ftwire_tools.filters.frame_filter import FrameFilter, is_in, protocol_ids
from ftwire_tools.terminal.times import Clock

if TYPE_CHECKING:
    from ftwire.capture import Conversation
    from ftwire.events import FrameObserved

__all__ = ["PresentValues"]

SUGGESTED: Final = 5
"""Values that are suggested in one sentence."""


class PresentValues:
    """Collects what frames have in the places that a filter looks at.

    ``protocols`` are the patterns that the protocols of the filter were given by.
    """

    def __init__(
        self, frame_filter: FrameFilter, protocols: Sequence[str] = (), *, registry: Registry = registry
    ) -> None:
        self._filter: Final = frame_filter
        self._has_only_expression: Final = frame_filter == FrameFilter(also=frame_filter.also)
        self._patterns: Final = protocols
        self._registry: Final = registry
        self._protocols: Final[set[int]] = set()
        self._kinds: Final[set[str]] = set()
        self._conversations: Final[dict[int, Conversation]] = {}
        self._first: int | None = None
        self._last = 0
        self.codes: Final[set[str]] = set()
        """Securities in the bodies that were looked at."""
        self.shown = 0
        """Frames that met all conditions."""

    def add(self, conversation: Conversation, observation: FrameObserved, *, is_shown: bool) -> None:
        """Take a frame, and whether it is shown."""
        self.shown += is_shown
        time = observation.time
        if self._first is None:
            self._first = time
        elif self._has_only_expression:
            # Nothing but the number of frames shown is of use.
            return
        self._protocols.add(observation.frame.proto_id)
        self._kinds.add(observation.kind)
        if conversation.number not in self._conversations and len(self._conversations) < MOST_PRESENT:
            self._conversations[conversation.number] = conversation
        if time > self._last:
            self._last = time

    def sentences(self) -> Iterator[str]:
        """Return a sentence for each selection that no frame meets; none where there were no frames at all."""
        if self._first is None:
            return
        wanted, found = self._filter, False
        for sentence in (*self._of_headers(), *self._of_codes()):
            found = True
            yield sentence
        if not self.shown and not found and not wanted.only_errors:
            yield (
                "no frame meets all conditions; each of them alone is met by some"
                if wanted.also is None
                else "-Y: no frame in the capture matches"
                if self._has_only_expression
                else "no frame meets all conditions"
            )

    def _of_headers(self) -> Iterator[str]:
        wanted = self._filter
        for pattern in self._patterns:
            if not protocol_ids([pattern], self._registry) & self._protocols:
                names = [self._name(proto_id) for proto_id in sorted(self._protocols)]
                yield f"--proto {pattern}: {_nothing(pattern, names)}"
        for kind in sorted(wanted.kinds - self._kinds):
            yield f"--kind {kind}: {_nothing(kind, sorted(self._kinds))}"
        for named in wanted.conversations:
            if not any(is_in(conversation, named) for conversation in self._conversations.values()):
                names = [f"{each.number} ({each.client} -> {each.server})" for each in self._conversations.values()]
                yield f"--conn {named}: {_nothing(named, names)}"
        first, last = self._first or 0, self._last
        if wanted.since is not None and last < wanted.since:
            last_one = f"the last is of {_when(last)}" if last else "the capture has no times"
            yield f"--since: no frame is that late; {last_one}"
        if wanted.until is not None and first > wanted.until:
            yield f"--until: no frame is that early; the first is of {_when(first)}"

    def _of_codes(self) -> Iterator[str]:
        """Bodies are looked at only where the header meets all other conditions."""
        names = {code.partition(".")[2] for code in self.codes}
        for code in sorted(self._filter.codes - self.codes - names):
            if self.codes or not any(self._of_headers()):
                yield f"--code {code}: {_nothing(code, sorted(self.codes))}"

    def _name(self, proto_id: int) -> str:
        entry = self._registry.get(proto_id)
        return str(proto_id) if entry is None else entry.name


def _nothing(text: str, present: Iterable[str]) -> str:
    """Say that a selection matches nothing, and what would."""
    names = list(present)
    folded = {name.casefold(): name for name in names}
    near = [folded[name] for name in get_close_matches(text.casefold(), folded, n=SUGGESTED, cutoff=0.5)]
    # 700 is meant for HK.00700.
    ends = [name for name in names if text.strip("0") and name.partition(".")[2].lstrip("0") == text.lstrip("0")]
    if likely := list(dict.fromkeys([*ends, *near])):
        return f"nothing in the capture matches; did you mean {' or '.join(likely[:SUGGESTED])}?"
    if not names:
        return "nothing in the capture matches"
    more = f" and {len(names) - SUGGESTED} more" if len(names) > SUGGESTED else ""
    return f"nothing in the capture matches; it has {', '.join(names[:SUGGESTED])}{more}"


def _when(nanoseconds: int) -> str:
    clock = Clock()
    return f"{clock.new_day(nanoseconds)} {clock.time(nanoseconds)}"
