"""The numbers of requests, for the responses that answer them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ftwire.frame import Kind

if TYPE_CHECKING:
    from ftwire.capture import Conversation, DissectedFrame

__all__ = ["RequestNumbers"]

MAX_PENDING: Final = 4096
"""Numbers of requests kept for each conversation: as many as an observer keeps requests to pair replies with."""

_REQUEST, _PUSH = Kind.REQUEST, Kind.PUSH


class RequestNumbers:
    """Takes all frames of a capture in their order, and finds the number of a response's request."""

    def __init__(self) -> None:
        self._waiting: Final[dict[int, dict[tuple[int, int], int]]] = {}

    def add(self, frame: DissectedFrame) -> int | None:
        """Remember the number of a request; return that of a response's request, ``None`` where it is not known."""
        number, conversation, observation = frame
        kind = observation.kind
        if kind is _PUSH:
            return None
        waiting = self._waiting.setdefault(conversation.number, {})
        key = observation.frame.proto_id, observation.frame.serial
        # As ``PendingRequests`` keeps them: a later request takes the place of a former one of the same serial.
        request = waiting.pop(key, None)
        if kind is _REQUEST:
            waiting[key] = number
            if len(waiting) > MAX_PENDING:
                del waiting[next(iter(waiting))]
            return None
        return None if observation.request is None else request

    def forget(self, conversation: Conversation) -> None:
        """Take note that a conversation has ended."""
        self._waiting.pop(conversation.number, None)
