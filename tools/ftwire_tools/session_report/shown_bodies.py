"""Bodies as they may leave the machine: whatever ``ftwire redact`` replaces is replaced or hidden.

Keys, passwords, users and accounts are masked as on the screen. Free text, tokens, names of programs and addresses are
masked too, and numbers of orders get pseudonyms, so that an order can be followed. The bytes of a body in which
anything was replaced are left out, with its digest, from which a short number could be found by trying.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from secrets import token_bytes
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.capture import read_body
from ftwire.header import BodyFormat
from ftwire.pcap import Endpoint
from ftwire.projection import Projection
from ftwire.websocket import CLIENT_HEADER_SIZE, Envelope
from ftwire_tools.messages.descriptors import descriptor_of, is_repeated
from ftwire_tools.messages.masking import MASK, BodyMask, MessageView
from ftwire_tools.messages.sensitive_fields import Category, category_of
from ftwire_tools.messages.summary import summary_for, summary_of
from ftwire_tools.redaction.pseudonyms import Pseudonyms
from ftwire_tools.redaction.redactor import Redaction
from ftwire_tools.render.frame_view import FrameView

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from ftwire.errors import WireError
    from ftwire.frame import Frame

__all__ = ["ShownBodies", "ShownBody", "is_plain"]

_MAX_DEPTH: Final = 8
"""Nesting levels searched; the vendor's messages have six at most."""
_RECOGNISABLE: Final = {Category.ORDER, Category.ADDRESS}
"""Categories whose texts get a pseudonym, the same for the same value; those of others are masked."""


_LONG_HEX: Final = re.compile(r"(?<![0-9A-Za-z])(?=[0-9a-fA-F]*[0-9])[0-9a-fA-F]{8,}(?:\.\.\.)?(?![0-9A-Za-z])")


class ShownBody(NamedTuple):
    """One body, as it may be shown."""

    view: MessageView | None
    """The message, ``None`` where there is none."""
    json: str | None
    """The same as JSON text."""
    body: bytes | None
    """Its plain bytes; ``None`` where they are hidden."""
    header: bytes | None
    """The bytes in front of it, hidden where the body is."""
    summary: str
    """The one-line account of the message; empty where there is none."""
    error: WireError | None
    """What is wrong with the frame."""
    why: str
    """The text of ``error``, without a word of the body."""


class _Masks(Pseudonyms):
    """Pseudonyms for what is to be recognised, and the mask for all other text."""

    def text(self, category: Category, value: str) -> str:
        if category in _RECOGNISABLE:
            return super().text(category, value)
        return MASK if value else ""


class ShownBodies:
    """Decides what of a frame is shown.

    ``keep`` are categories that stay as they are; those of ``SECRET`` are masked all the same unless ``show_secrets``,
    which shows everything.
    """

    def __init__(self, *, show_secrets: bool = False, keep: Collection[Category] = ()) -> None:
        self.shows_secrets: Final = show_secrets
        self._secret: Final = token_bytes(32)
        self._names: Final = _Masks(self._secret)
        categories = set() if show_secrets else set(Category) - {Category.AMOUNT} - set(keep)
        self._redaction: Final = Redaction(self._names, categories)
        self._plans: Final[dict[type[Message], Projection | None]] = {}
        self._unknown_mask: Final = BodyMask(None, show_secrets=show_secrets)

    @property
    def categories(self) -> frozenset[Category]:
        """The categories that are replaced."""
        return self._redaction.categories

    def redaction(self) -> Redaction:
        """Return what replaces the same in a capture: pseudonyms are those of the page, and stand for masks, too."""
        return Redaction(Pseudonyms(self._secret), self.categories)

    def endpoint(self, end: Endpoint) -> str:
        """Return ``HOST:PORT``; a pseudonym stands for the host unless it is the machine itself."""
        if Category.ADDRESS not in self.categories:
            return str(end)
        return str(Endpoint(self._names.address(end.packed), end.port))

    def endpoint_text(self, end: str) -> str:
        """Return the same of an end that is text."""
        host, colon, port = end.rpartition(":")
        if not colon or Category.ADDRESS not in self.categories:
            return end
        return f"{self._names.text(Category.ADDRESS, host.strip('[]'))}:{port}"

    def status(self, frame: Frame | Envelope) -> str:
        """Return the error that an envelope carries beside its body: its number, and the text if it may be shown."""
        code = getattr(frame, "error_code", 0)
        if not code:
            return ""
        text = str(getattr(frame, "error_text", ""))
        return f"{code} {MASK if text and Category.TEXT in self.categories else text}".rstrip()

    def of(self, frame: Frame | Envelope, *, whole: bool = True) -> ShownBody:
        """Return what may be shown of a frame; not ``whole``: without JSON, bytes and summary, which take time."""
        view = FrameView(frame, show_secrets=self.shows_secrets)
        message, _ = read_body(frame)
        if message is None:
            return ShownBody(None, None, *self._bytes(frame, view), "", view.error, self._why(view))
        if self.shows_secrets or not self._replaces_some(frame, message):
            shown = MessageView(message, show_secrets=self.shows_secrets)
            if not whole:
                return ShownBody(shown, None, None, None, "", view.error, self._why(view))
            parts = self._bytes(frame, view) if self.shows_secrets or is_plain(frame) else (None, None)
            return ShownBody(shown, view.json, *parts, _summary(frame, message), view.error, self._why(view))
        # A copy, since the reader takes keys from the original.
        copy = type(message)()
        copy.CopyFrom(message)
        self._redaction.message(copy)
        shown = MessageView(copy, show_secrets=self.shows_secrets)
        return ShownBody(shown, shown.to_json(), None, None, summary_of(copy), view.error, self._why(view))

    def _bytes(self, frame: Frame | Envelope, view: FrameView) -> tuple[bytes | None, bytes | None]:
        """Return the bytes of body and header, as far as they are shown on the screen."""
        body = view.body_bytes
        if body is None:
            return None, None
        header = view.header_bytes
        # Behind these bytes, envelopes of OpenD have free text.
        is_cut = isinstance(frame, Envelope) and not self.shows_secrets
        return body, header[:CLIENT_HEADER_SIZE] if is_cut else header

    def _why(self, view: FrameView) -> str:
        return "" if view.error is None else self.text(self._unknown_mask.error_text(view.error))

    def text(self, text: str) -> str:
        """Return a sentence about bytes without digests and other long numbers in hexadecimal."""
        return text if self.shows_secrets else _LONG_HEX.sub(MASK, text)

    def _replaces_some(self, frame: Frame | Envelope, message: Message) -> bool:
        """Return whether anything of a message would be replaced."""
        message_class = type(message)
        try:
            plan = self._plans[message_class]
        except KeyError:
            paths = list(_sensitive_paths(descriptor_of(message), self.categories, _MAX_DEPTH))
            plan = self._plans[message_class] = Projection(message_class, paths) if paths else None
        if plan is None:
            return False
        values = plan.decode_plain(frame.body) if frame.body_class is message_class else None
        return any(map(_is_set, plan.of(message) if values is None else values))


def _summary(frame: Frame | Envelope, message: Message) -> str:
    summary = summary_for(frame)
    values = None if summary is None or not frame.payload else summary.decode(frame.body)
    return summary_of(message) if summary is None or values is None else summary.text(values)


def is_plain(frame: Frame | Envelope) -> bool:
    """Return whether the bytes of a body hold no more than the fields of its message.

    Unknown fields, values that a later one replaces, and members of JSON that no field has may be secrets.
    """
    message = read_body(frame)[0]
    if frame.body_format != BodyFormat.PROTOBUF or message is None:
        return False
    copy = type(message)()
    copy.CopyFrom(message)
    copy.DiscardUnknownFields()
    return len(copy.SerializePartialToString()) == len(frame.body)


def _is_set(value: Any) -> bool:
    """Return whether there is something to replace in the values of a path."""
    return any(map(_is_set, value)) if isinstance(value, list) else bool(value)


def _sensitive_paths(descriptor: Descriptor, categories: Collection[Category], depth: int) -> Iterator[str]:
    for field in descriptor.fields:
        name = f"{field.name}[]" if is_repeated(field) else field.name
        if field.message_type is not None:
            if depth:
                inner = _sensitive_paths(field.message_type, categories, depth - 1)
                yield from (f"{name}.{path}" for path in inner)
        elif category_of(field) in categories:
            yield name
