"""What becomes of the next orders, where a verb has decided that in place of the market."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

__all__ = ["OrderDecision", "OrderDecisions"]

MOST: Final = 10_000
"""Most decisions that wait for an order; the oldest are forgotten above."""


class OrderDecision(NamedTuple):
    """What becomes of one order."""

    failure: str = ""
    """Why it fails after it was accepted; empty for one that does not."""
    share: float = 0.0
    """Which part of it is filled, from 0 to 1; the rest stays open."""


class OrderDecisions:
    """The decisions that wait for their orders, the first for the next order."""

    def __init__(self) -> None:
        self._waiting: Final[deque[OrderDecision]] = deque(maxlen=MOST)

    def reject(self, count: int, reason: str) -> None:
        """Let so many orders fail."""
        self._waiting.extend([OrderDecision(failure=reason or "rejected")] * count)

    def fill(self, count: int, share: float) -> None:
        """Fill this part of so many orders."""
        self._waiting.extend([OrderDecision(share=share)] * count)

    def take(self) -> OrderDecision | None:
        """Return the decision about an order that is being placed; ``None`` where the market decides."""
        return self._waiting.popleft() if self._waiting else None

    @property
    def waiting(self) -> list[dict[str, object]]:
        """The decisions that wait, as plain data."""
        return [{"reject": one.failure} if one.failure else {"fill": one.share} for one in self._waiting]
