"""Frames as text: one module for each way to show them, all with the same two methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.capture import Conversation
    from ftwire.errors import WireError
    from ftwire.events import FrameObserved

__all__ = ["Renderer", "ShownFrame"]


class ShownFrame(NamedTuple):
    """A frame, its body read as far as it is shown."""

    number: int
    """Running number among all frames of the input, from 1."""
    talk: Conversation
    seen: FrameObserved
    message: Message | None
    """The body, where it can be had."""
    error: WireError | None
    """Why it cannot."""
    text: str | None = None
    """What is shown of the body, in place of ``message``: see ``ftwire_tools.dumping.body_view``."""


class Renderer(Protocol):
    """One way to show frames."""

    def frame(self, sighting: ShownFrame, /) -> str:
        """Return the text of one frame, with its line ends; empty where there is nothing to show."""
        ...
