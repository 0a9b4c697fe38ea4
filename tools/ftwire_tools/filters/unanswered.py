"""Requests without a response: which they are is known only when the capture has been read to its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from ftwire.capture import ConversationClosed, DissectedFrame
from ftwire.errors import CaptureError
from ftwire.frame import Kind
from ftwire_tools.captures.request_numbers import RequestNumbers

if TYPE_CHECKING:
    from ftwire.capture import CaptureReader, Dissected

__all__ = ["unanswered_in_files", "unanswered_requests"]


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


def unanswered_in_files(reader: CaptureReader, files: Sequence[BinaryIO]) -> frozenset[int]:
    """Return the same of a capture in files, which are read once more from where they stand. Raises ``OSError``."""
    begins = [file.tell() for file in files]

    def reports() -> Iterator[Dissected]:
        # What is wrong with the capture is reported when it is shown.
        with suppress(CaptureError):
            yield from reader.read_files(files, at_once=False)

    numbers = unanswered_requests(reports())
    for file, begin in zip(files, begins, strict=True):
        file.seek(begin)
    return numbers
