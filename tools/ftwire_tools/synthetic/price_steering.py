"""What is done to a stock's price from outside: held at a value, moved, halted.

A price that would be ``base`` at a time is ``ticks_at(time, base)`` instead. Each change counts from its own time on:
what was before it stays as it was. Prices are whole ticks; times are seconds of any one clock.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final, NamedTuple

__all__ = ["PriceSteering"]


class _Segment(NamedTuple):
    """What counts from a time on until the next segment."""

    since: float
    held: int | None
    """The price, whatever the base is; ``None`` where the base moves it."""
    shift: int
    """Ticks between the base and the price, where the base moves it."""


class PriceSteering:
    """The changes to one stock's price so far."""

    def __init__(self) -> None:
        self._segments: Final[list[_Segment]] = []
        self.is_halted = False
        """Whether nothing is traded."""

    def ticks_at(self, time: float, base: int) -> int:
        """Return the price at a time, where it would be ``base`` by itself."""
        at = bisect_right(self._segments, time, key=lambda segment: segment.since)
        if not at:
            return base
        _, held, shift = self._segments[at - 1]
        return max(1, base + shift) if held is None else held

    def hold(self, now: float, ticks: int) -> None:
        """Hold the price at a value from now on."""
        self._add(_Segment(now, ticks, 0))

    def move(self, now: float, base: int, ticks: int) -> None:
        """Set the price to a value, from which the base moves it on."""
        self._add(_Segment(now, None, ticks - base))

    def spike(self, now: float, base: int, ticks: int, seconds: float) -> None:
        """Set the price to a value, and undo that after some seconds."""
        at = bisect_right(self._segments, now, key=lambda segment: segment.since)
        before = self._segments[at - 1] if at else _Segment(now, None, 0)
        self.move(now, base, ticks)
        self._segments.append(before._replace(since=now + seconds))

    def release(self, now: float, base: int) -> None:
        """Let the base move the price again, from where it is."""
        if self.held_at(now) is not None:
            self.move(now, base, self.ticks_at(now, base))

    def held_at(self, time: float) -> int | None:
        """Return the value that the price is held at at a time, ``None`` where it is not."""
        at = bisect_right(self._segments, time, key=lambda segment: segment.since)
        return self._segments[at - 1].held if at else None

    @property
    def is_untouched(self) -> bool:
        """Whether nothing has been done to the price."""
        return not self._segments and not self.is_halted

    def _add(self, segment: _Segment) -> None:
        while self._segments and self._segments[-1].since >= segment.since:
            self._segments.pop()
        self._segments.append(segment)
