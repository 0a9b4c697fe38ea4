"""A frame as it may be shown: what every renderer reads it from.

Each form of its body is made when it is first asked for. JSON text takes no message where the compiled core reads the
body itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftwire.capture import read_body, status_of
from ftwire.errors import WireError
from ftwire_tools.messages.masking import MessageView, error_text, may_be_secret
from ftwire_tools.messages.summary import summary_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.capture import Conversation, DissectedFrame
    from ftwire.events import FrameObserved

__all__ = ["FrameView"]


class FrameView:
    """One frame of one conversation, with its secrets or without."""

    __slots__ = ("_shows_secrets", "dissected", "error")

    error: WireError | None
    """Why the body cannot be had, ``None`` where it can. Read with the body, or when it is first asked for."""

    def __init__(self, dissected: DissectedFrame, shows_secrets: bool) -> None:
        self.dissected = dissected
        self._shows_secrets = shows_secrets

    def __getattr__(self, name: str) -> Any:
        if name != "error":
            raise AttributeError(name)
        self._read()
        return self.error

    def _read(self) -> Message | None:
        message, self.error = read_body(self.observation.frame)
        return message

    @property
    def number(self) -> int:
        """Running number among all frames of the input, from 1."""
        return self.dissected.number

    @property
    def conversation(self) -> Conversation:
        """Its conversation."""
        return self.dissected.conversation

    @property
    def observation(self) -> FrameObserved:
        """The frame itself, and what was observed of it."""
        return self.dissected.observation

    @property
    def why(self) -> str:
        """The text of ``error``, without a word of a body that may hold secrets; empty where there is none."""
        error = self.error
        return "" if error is None else error_text(error, self.observation.frame, show_secrets=self._shows_secrets)

    @property
    def message(self) -> MessageView | None:
        """The message, ``None`` where there is none: ``error`` has the reason, if it is one."""
        message = self._read()
        return None if message is None else MessageView(message, show_secrets=self._shows_secrets)

    @property
    def summary(self) -> str:
        """The one-line account of the message, empty where there is none. Secrets are never in it."""
        message = self._read()
        return "" if message is None else summary_of(message)

    @property
    def json(self) -> str | None:
        """The message as JSON text with lowerCamel names, ``None`` where there is none."""
        frame = self.observation.frame
        # Which class a renamed protocol's body is of is only known when it is read.
        open_class = self._shows_secrets or not (may_be_secret(frame) or frame.proto_id in frame.classes.formers)
        if open_class and frame.error is None and frame.payload:
            try:
                text = frame.to_json(lower_camel=True)
            except WireError:
                pass
            else:
                self.error = None
                return text
        message = self.message
        return None if message is None else message.to_json()

    @property
    def status(self) -> str:
        """The error that an envelope carries beside its body: empty where there is none, and on TCP."""
        return status_of(self.observation.frame)

    @property
    def header_bytes(self) -> bytes:
        """The bytes in front of the body."""
        raw = self.observation.frame.encode()
        return raw[: len(raw) - len(self.observation.frame.payload)]

    @property
    def is_plain(self) -> bool:
        """Whether ``body_bytes`` are what was sent before encryption, not what was on the wire."""
        return self.observation.frame.error is None

    @property
    def body_bytes(self) -> bytes | None:
        """The bytes of the body, ``None`` where they are hidden.

        A body that holds a secret is hidden as a whole.
        """
        message = self.message
        # What looks encrypted may as well be a plain body that was damaged.
        hidden = (
            message.hides_bytes
            if message is not None
            else not self._shows_secrets and may_be_secret(self.observation.frame)
        )
        if hidden:
            return None
        return self.observation.frame.body if self.is_plain else self.observation.frame.payload
