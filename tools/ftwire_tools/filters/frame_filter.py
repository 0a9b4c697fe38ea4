"""Which frames are shown: by protocol, kind, security, conversation, time and outcome.

Conditions on the header are checked before those on the body, so that fewer bodies are parsed.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, NamedTuple

from ftwire.errors import WireError
from ftwire.protocols import Registry, registry
from ftwire_tools.messages.securities import securities_of_frame

if TYPE_CHECKING:
    from ftwire.capture import Conversation
    from ftwire.events import FrameObserved
    from ftwire.frame import Frame
    from ftwire.websocket import Envelope

__all__ = ["FrameFilter", "is_in", "protocol_ids"]

MOST_PRESENT: Final = 10_000
"""Securities and conversations that are remembered for suggestions."""


class FrameFilter(NamedTuple):
    """Conditions on frames; an empty one is met by all."""

    protocols: frozenset[int] = frozenset()
    kinds: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    """``HK.00700``, or ``00700`` in whatever market."""
    conversations: tuple[str, ...] = ()
    """The number of one, or one of its ends as ``HOST:PORT`` or ``:PORT``."""
    since: int | None = None
    until: int | None = None
    only_errors: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is no condition."""
        return self == FrameFilter()

    def matches_header(self, conversation: Conversation, observation: FrameObserved) -> bool:
        """Return whether a frame meets all conditions but those on its body."""
        if self.protocols and observation.frame.proto_id not in self.protocols:
            return False
        if self.kinds and observation.kind not in self.kinds:
            return False
        return self.matches_place(conversation, observation.time)

    def matches_place(self, conversation: Conversation, time: int) -> bool:
        """Return whether this conversation and time meet the conditions."""
        if self.since is not None and time < self.since:
            return False
        if self.until is not None and time > self.until:
            return False
        return not self.conversations or any(is_in(conversation, named) for named in self.conversations)

    def matches_body(
        self, observation: FrameObserved, error: WireError | None, present: set[str] | None = None
    ) -> bool:
        """Return whether a frame's body meets the conditions.

        ``error`` is why it cannot be read; ``present`` takes the securities that are found in bodies.
        """
        if self.only_errors and error is None:
            return False
        if not self.codes:
            return True
        # A reply often does not repeat the securities of its request.
        return self._names(observation.frame, present) or (
            observation.request is not None and self._names(observation.request, present)
        )

    def _names(self, frame: Frame | Envelope, present: set[str] | None) -> bool:
        """Return whether one of the securities in the body of a frame is among ``codes``."""
        try:
            names = [name.upper() for name in securities_of_frame(frame)]
        except WireError:
            return False
        if present is not None and len(present) < MOST_PRESENT:
            present.update(names)
        return any(name in self.codes or name.partition(".")[2] in self.codes for name in names)


def is_in(conversation: Conversation, named: str) -> bool:
    """Return whether a conversation has this number, or this end (``:PORT`` is enough)."""
    if named.isdecimal():
        # As text: int() refuses more than 4300 digits.
        return str(conversation.number) == named.lstrip("0")
    ends = conversation.client, conversation.server
    return any(end.endswith(named) for end in ends) if named.startswith(":") else named in ends


def protocol_ids(patterns: Iterable[str], registry: Registry = registry) -> frozenset[int]:
    """Return the protocol IDs that names, IDs and globs select.

    A number need not be known. Raises ``ValueError`` for a pattern that no protocol has ever matched.
    """
    found: set[int] = set()
    for pattern in (each.strip() for text in patterns for each in text.split(",")):
        if pattern.isdecimal():
            found.add(int(pattern))
            continue
        named = {entry.proto_id for entry in registry.find(pattern)}
        if not named:
            names = {name.casefold(): name for entry in registry for name in (entry.name, *entry.former_names)}
            near = [names[name] for name in get_close_matches(pattern.casefold(), names, n=3, cutoff=0.5)]
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise ValueError(f"no protocol is called {pattern!r}{hint}")
        found |= named
    return frozenset(found)
