"""Frames as text: one module for each way to show them, all with the same two methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ftwire_tools.captures.sighting import DissectedFrame

__all__ = ["Renderer"]


class Renderer(Protocol):
    """One way to show frames."""

    def frame(self, sighting: DissectedFrame, /) -> str:
        """Return the text of one frame, with its line ends; empty where there is nothing to show."""
        ...
