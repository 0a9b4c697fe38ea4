"""Bounds of filters: messages with a ``Boundary`` for the lowest and the highest value, each included or not."""

from __future__ import annotations

from typing import Any

__all__ = ["is_within"]


def is_within(value: float, bounds: Any) -> bool:
    """Return whether a value is between ``filterMin`` and ``filterMax`` of a message, as far as these are there."""
    if bounds.HasField("filterMin"):
        least = bounds.filterMin
        if value < least.value or (value == least.value and not least.includes):
            return False
    if bounds.HasField("filterMax"):
        most = bounds.filterMax
        if value > most.value or (value == most.value and not most.includes):
            return False
    return True
