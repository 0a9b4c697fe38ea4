"""Time between the pushes of a protocol and a security: where a stream of quotes stood still."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.render.stats import Latencies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftwire.capture import DissectedFrame

__all__ = ["PushGaps"]

MOST: Final = 5000
"""Streams that are told apart."""
LISTED: Final = 200
"""Streams that are listed: those with the longest gaps."""


@dataclass(slots=True)
class _Stream:
    pushes: int = 0
    last: int = 0
    """When the last push came, in nanoseconds since 1970."""
    last_number: int = 0
    longest: int = 0
    before: int = 0
    """Number of the push in front of the longest gap."""
    after: int = 0
    gaps: Latencies = field(default_factory=Latencies)


class PushGaps:
    """Collects the time between pushes."""

    def __init__(self) -> None:
        self._streams: Final[dict[tuple[int, str, int], _Stream]] = {}
        self.left_out = 0
        """Pushes of streams that are too many to be told apart."""

    def add(self, frame: DissectedFrame, codes: Sequence[str]) -> None:
        """Take a push, and the securities in it."""
        time = frame.observation.time
        key = frame.observation.frame.proto_id, codes[0] if codes else "", frame.conversation.number
        stream = self._streams.get(key)
        if stream is None:
            if len(self._streams) >= MOST:
                self.left_out += 1
                return
            stream = self._streams[key] = _Stream()
        elif time and stream.last:
            gap = max(time - stream.last, 0)
            stream.gaps.add(gap)
            if gap > stream.longest:
                stream.longest, stream.before, stream.after = gap, stream.last_number, frame.number
        stream.pushes += 1
        stream.last, stream.last_number = time, frame.number

    def values(self) -> dict[str, Any]:
        """Return the streams with the longest gaps, longest first; times in nanoseconds."""
        found = sorted(self._streams.items(), key=lambda item: (-item[1].longest, item[0]))
        rows = [
            {
                "proto_id": proto_id,
                "code": code,
                "conversation": conversation,
                "pushes": stream.pushes,
                "p50": stream.gaps.quantile(0.5) if stream.gaps.count else None,
                "p99": stream.gaps.quantile(0.99) if stream.gaps.count else None,
                "longest": stream.longest if stream.gaps.count else None,
                "before": stream.before,
                "after": stream.after,
            }
            for (proto_id, code, conversation), stream in found[:LISTED]
        ]
        return {"rows": rows, "streams": len(found), "left_out": self.left_out}
