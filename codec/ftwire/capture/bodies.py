"""The message of a frame, and what counts as an error in a capture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ftwire.body import missing_fields
from ftwire.errors import MissingFieldsError, UnknownProtocolError, WireError
from ftwire.frame import UnknownBody

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.frame import Frame
    from ftwire.websocket import Envelope

__all__ = ["LOWEST_PROTOCOL", "fault_of", "missing_error", "read_body", "status_of"]

LOWEST_PROTOCOL: Final = 1001
"""Smallest protocol ID. Smaller numbers in a WebSocket envelope are commands of the WebSocket service itself."""


def read_body(frame: Frame | Envelope) -> tuple[Message | None, WireError | None]:
    """Return the message of a frame, or the error that keeps it from being read.

    Both are ``None`` where a frame has no body and needs none: an envelope with an error of OpenD's own, and
    WebSocket's push that OpenD has lost its connection. Required fields that are missing keep nothing from being read:
    ``fault_of`` names them.
    """
    if frame.error is not None:
        return None, frame.error
    if not frame.payload and status_of(frame):
        # An envelope with an error code comes without a body, which is not an empty body.
        return None, None
    try:
        message = frame.message
    except WireError as error:
        return None, error
    if not isinstance(message, UnknownBody):
        return message, None
    if message.proto_id < LOWEST_PROTOCOL and not message.body:
        # The command alone is the whole message.
        return None, None
    return None, UnknownProtocolError(message.proto_id)


def fault_of(frame: Frame | Envelope) -> WireError | None:
    """Return what is wrong with a frame: why it has no message, or which required fields its message lacks."""
    message, error = read_body(frame)
    return error if message is None else missing_error(frame, message)


def missing_error(frame: Frame | Envelope, message: Message) -> MissingFieldsError | None:
    """Return the error of a frame whose message lacks required fields, ``None`` where it lacks none."""
    missing = missing_fields(message)
    return (
        MissingFieldsError(message=message.DESCRIPTOR.full_name, body=frame.body, fields=missing) if missing else None
    )


def status_of(frame: Frame | Envelope) -> str:
    """Return code and text of the error that an envelope carries beside its body.

    Empty where there is none, and for frames on TCP, which have no such field.
    """
    code = getattr(frame, "error_code", 0)
    return f"{code} {frame.error_text}".rstrip() if code else ""  # type: ignore[union-attr]
