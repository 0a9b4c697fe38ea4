"""Frames as text: one module for each way to show them. They read bodies from a ``FrameView``, never the message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ftwire.capture import DissectedFrame
    from ftwire.errors import WireError

__all__ = ["Renderer"]


class Renderer(Protocol):
    """One way to show frames."""

    def frame(self, dissected: DissectedFrame, /) -> tuple[str, WireError | None]:
        """Return the text of one frame, and why its body cannot be had, ``None`` where it can.

        The text has its line ends, and is empty where there is nothing to show.
        """
        ...
