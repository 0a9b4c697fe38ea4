"""Requests without a response: which they are is known only when the capture has been read to its end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ftwire.capture import ConversationClosed, DissectedFrame
from ftwire.frame import Kind
from ftwire_tools.captures.request_numbers import RequestNumbers

if TYPE_CHECKING:
    from ftwire.capture import Dissected

__all__ = ["unanswered_requests"]


def unanswered_requests(reports: Iterable[Dissected]) -> frozenset[int]:
    """Return the numbers of the requests that no response in the capture answers. Raises what iterating raises."""
    pairs, found = RequestNumbers(), set()
    for report in reports:
        if isinstance(report, DissectedFrame):
            request = pairs.add(report)
            if report.kind is Kind.REQUEST:
                found.add(report.number)
            elif request is not None:
                found.discard(request)
        elif isinstance(report, ConversationClosed):
            pairs.forget(report.conversation)
    return frozenset(found)
