"""A frame as it may be shown: what every renderer reads it from.

Each form of its body is made when it is first asked for. JSON text takes no message where the compiled core reads the
body itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftwire.body import body_to_json
from ftwire.capture import missing_error, read_body
from ftwire.errors import WireError
from ftwire.header import BodyFormat
from ftwire.websocket import CLIENT_HEADER_SIZE
from ftwire_tools.messages.masking import MessageView, hides_error_text, mask_of
from ftwire_tools.messages.summary import summary_of

if TYPE_CHECKING:
    from ftwire.frame import Frame
    from ftwire.websocket import Envelope
    from ftwire_tools.messages.masking import BodyMask

__all__ = ["FrameView"]


class FrameView:
    """One frame, with its secrets or without."""

    __slots__ = ("_error", "_frame", "_is_judged", "_shows_secrets")

    def __init__(self, frame: Frame | Envelope, *, show_secrets: bool) -> None:
        self._frame = frame
        self._shows_secrets = show_secrets
        self._error: WireError | None = None
        self._is_judged = False  # _error is known

    @property
    def _mask(self) -> BodyMask:
        return mask_of(self._frame, show_secrets=self._shows_secrets)

    @property
    def error(self) -> WireError | None:
        """What is wrong with the frame: its body cannot be read, or is a message that lacks required fields."""
        if not self._is_judged:
            message, error = read_body(self._frame)
            self._error = error if message is None else missing_error(self._frame, message)
            self._is_judged = True
        return self._error

    @property
    def why(self) -> str:
        """The text of ``error``, without a word of a body that may hold secrets; empty where there is none."""
        error = self.error
        return "" if error is None else self._mask.error_text(error)

    @property
    def message(self) -> MessageView | None:
        """The message, ``None`` where there is none: ``error`` has the reason, if it is one.

        With a message, ``error`` names the required fields that it lacks.
        """
        message = read_body(self._frame)[0]
        return None if message is None else MessageView(message, show_secrets=self._shows_secrets)

    @property
    def summary(self) -> str:
        """The one-line account of the message, empty where there is none. Secrets are never in it."""
        message = read_body(self._frame)[0]
        return "" if message is None else summary_of(message)

    @property
    def json(self) -> str | None:
        """The message as JSON text with lowerCamel names, ``None`` where there is none."""
        frame = self._frame
        # Which class a renamed protocol's body is of is only known when it is read.
        hides_some = self._mask.hides_some or (not self._shows_secrets and frame.proto_id in frame.classes.formers)
        if not hides_some and frame.error is None and frame.payload and (found := frame.body_class) is not None:
            text = body_to_json(frame.body, found, lower_camel=True, complete=True)
            if text is not None:
                self._is_judged = True
                return text
        message = self.message
        return None if message is None else message.to_json()

    @property
    def header_bytes(self) -> bytes:
        """The bytes in front of the body; of an envelope without the error, where that is hidden."""
        frame = self._frame
        raw = frame.encode()
        code = getattr(frame, "error_code", 0)
        if code and hides_error_text(code, self._mask):
            return raw[:CLIENT_HEADER_SIZE]
        return raw[: len(raw) - len(frame.payload)]

    @property
    def encryption(self) -> str:
        """Name of the cipher that opened the body, or failed to."""
        return self._frame.encryption

    @property
    def is_plain(self) -> bool:
        """Whether ``body_bytes`` are what was sent before encryption, not what was on the wire."""
        return self._frame.error is None

    @property
    def body_bytes(self) -> bytes | None:
        """The bytes of the body, ``None`` where they are hidden.

        A body that holds a secret is hidden as a whole, and so is one that did not verify: what looks encrypted may as
        well be a plain body that was damaged. Of JSON that may hold secrets, members that the class lacks and earlier
        ones of equal names are in no message, so that it is hidden as well.
        """
        frame, mask = self._frame, self._mask
        if not self.is_plain:
            return None if mask.hides_unverified and frame.payload else frame.payload
        message = self.message
        is_hidden = mask.hides_some and bool(frame.body)
        if is_hidden and message is not None and frame.body_format == BodyFormat.PROTOBUF:
            is_hidden = message.hides_bytes
        return None if is_hidden else frame.body
