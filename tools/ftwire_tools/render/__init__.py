"""Frames as text: one module for each way to show them. They see its ``FrameView``, never the message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ftwire_tools.render.frame_view import FrameView

__all__ = ["Renderer"]


class Renderer(Protocol):
    """One way to show frames."""

    def frame(self, view: FrameView, /) -> str:
        """Return the text of one frame, with its line ends; empty where there is nothing to show."""
        ...
