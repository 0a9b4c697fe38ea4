"""Bodies read as no more than what is to be shown: where that is enough, no message is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftwire.capture import LOWEST_PROTOCOL, read_body, status_of
from ftwire.errors import UnknownProtocolError, WireError
from ftwire_tools.messages.brief import brief_of
from ftwire_tools.messages.masking import may_be_secret

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.frame import Frame
    from ftwire.websocket import Envelope

__all__ = ["Read", "read_brief", "read_message", "read_text"]


Read = tuple["Message | None", "WireError | None", "str | None"]
"""A message, an error, or what is shown of the body: the last three of a ``ShownFrame``."""


def read_message(frame: Frame | Envelope) -> Read:
    """Return the message of a frame, or why there is none."""
    return *read_body(frame), None


def read_brief(frame: Frame | Envelope) -> Read:
    """Return the summary of the body of a frame, or its message; or why there is neither."""
    if frame.error is not None or not frame.payload:
        return *read_body(frame), None
    brief = brief_of(frame)
    return (*read_body(frame), None) if brief is None else (None, None, brief)


def read_text(frame: Frame | Envelope, *, show_secrets: bool) -> Read:
    """Return the body of a frame as JSON with lowerCamel names; as a message where it may hold secrets."""
    if not show_secrets and (may_be_secret(frame) or frame.proto_id in frame.classes.formers):
        # Which class a renamed protocol's body is of is only known when it is read.
        return *read_body(frame), None
    if frame.error is not None:
        return None, frame.error, None
    if not frame.payload and status_of(frame):
        return None, None, None
    try:
        return None, None, frame.to_json(lower_camel=True)
    except UnknownProtocolError as error:
        return None, None if frame.proto_id < LOWEST_PROTOCOL and not frame.body else error, None
    except WireError as error:
        return None, error, None
