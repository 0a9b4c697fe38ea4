"""Values of options that are a number with a unit behind it: ``64M``, ``10m``."""

from __future__ import annotations

import re
from typing import Final

import click

__all__ = ["SECONDS", "SIZES", "Amount"]

SIZES: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
"""Unit to bytes."""
SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
"""Unit to seconds."""


class Amount(click.ParamType):  # type: ignore[type-arg]  # generic in new releases of click only
    """A number with a unit behind it; the value is in ``name``, such as bytes."""

    def __init__(self, name: str, units: dict[str, int], smallest: int = 0) -> None:
        self.name = name
        self._units: Final = units
        self._smallest: Final = smallest

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse an option's text."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d{1,12})([a-z]?)", str(value).lower())
        if found is None or found[2] not in self._units:
            units = ", ".join(filter(None, self._units))
            self.fail(f"{value!r} is no number of {self.name}, and no number with one of the units {units}", param, ctx)
        amount = int(found[1]) * self._units[found[2]]
        if amount < self._smallest:
            self.fail(f"{value!r} is less than the smallest, {self._smallest}", param, ctx)
        return amount
