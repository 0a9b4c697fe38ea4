"""A conversation, and the message of a frame or why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ftwire.errors import UnknownProtocolError, WireError
from ftwire.frame import Role, UnknownBody

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.frame import Frame
    from ftwire.websocket import Envelope

__all__ = ["LOWEST_PROTOCOL", "Talk", "read_body", "status_of"]

LOWEST_PROTOCOL: Final = 1001
"""Commands of a WebSocket envelope below are not protocols."""


class Talk(NamedTuple):
    """A conversation with OpenD."""

    number: int
    """From 1, in the order of their first frames."""
    transport: str
    """``tcp`` or ``websocket``."""
    client: str
    """``HOST:PORT``, or just ``client`` in a stream that has no addresses."""
    server: str

    def ends(self, sender: Role) -> tuple[str, str]:
        """Return source and destination of what this side sent."""
        return (self.client, self.server) if sender is Role.CLIENT else (self.server, self.client)


def read_body(frame: Frame | Envelope) -> tuple[Message | None, WireError | None]:
    """Return the message of a frame, or why there is none."""
    if frame.error is not None:
        return None, frame.error
    if not frame.payload and status_of(frame):
        # OpenD's own errors on WebSocket come without a body, which is not an empty one.
        return None, None
    try:
        message = frame.message
    except WireError as error:
        return None, error
    if not isinstance(message, UnknownBody):
        return message, None
    if message.proto_id < LOWEST_PROTOCOL and not message.body:
        # WebSocket's own commands: that of the push "OpenD has lost its connection" says all there is.
        return None, None
    return None, UnknownProtocolError(message.proto_id)


def status_of(frame: Frame | Envelope) -> str:
    """Return the error that an envelope carries beside its body: empty where there is none, and on TCP."""
    code = getattr(frame, "error_code", 0)
    return f"{code} {frame.error_text}".rstrip() if code else ""  # type: ignore[union-attr]
