"""One frame of one conversation, read as far as it can be: what filters and renderers work on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ftwire.errors import UnknownProtocolError, WireError
from ftwire.frame import UnknownBody

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.events import FrameSeen
    from ftwire.frame import Frame
    from ftwire.websocket import Envelope

__all__ = ["Sighting", "Talk", "read_body"]


class Talk(NamedTuple):
    """A conversation with OpenD."""

    number: int
    """From 1, in the order of their first frames."""
    transport: str
    """``tcp`` or ``websocket``."""
    client: str
    """``HOST:PORT``, or just ``client`` in a stream that has no addresses."""
    server: str


class Sighting(NamedTuple):
    """A frame that passed by."""

    number: int
    """Running number among all frames of the input, from 1."""
    talk: Talk
    seen: FrameSeen
    message: Message | None
    """The body, where it can be had."""
    error: WireError | None
    """Why it cannot."""


def read_body(frame: Frame | Envelope) -> tuple[Message | None, WireError | None]:
    """Return the message of a frame, or why there is none."""
    if frame.error is not None:
        return None, frame.error
    try:
        message = frame.message
    except WireError as error:
        return None, error
    if isinstance(message, UnknownBody):
        return None, UnknownProtocolError(message.proto_id)
    return message, None
