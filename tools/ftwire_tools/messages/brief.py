"""The summary of a frame without a message of its body: that of ``ftwire_tools.messages.summary``.

This goes for protocols whose facts are a security, scalars and how long lists are, as those of most pushes, where the
compiled core is installed. For the others and without it, a message is made, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError

import ftwire
from ftwire.phrase import Fact, Phrase
from ftwire_tools.markets.exchanges import QOT_PREFIXES
from ftwire_tools.messages.descriptors import descriptor_of, is_repeated
from ftwire_tools.messages.enums import enum_names
from ftwire_tools.messages.masking import is_secret
from ftwire_tools.messages.securities import may_name_securities
from ftwire_tools.messages.summary import (
    MAX_FACTS,
    PRICES,
    SECURITY,
    payload_of,
    says_something,
    short_enum_name,
    teller_of,
)

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.message import Message

    from ftwire.frame import Frame
    from ftwire.websocket import Envelope

__all__ = ["brief_of", "writer_of"]

Writer = Callable[[str, tuple[int | str, ...], bytes], "str | None"]
"""Takes a form, values and a body, and returns ``form % (*values, what the body says)``; ``None`` where that takes more
than the body, or ends with a space."""


class _Phrases(dict["type[Message] | None", "Phrase | None"]):
    def __missing__(self, message_class: type[Message] | None) -> Phrase | None:
        # Without the core there are no phrases: the message is asked then.
        found = self[message_class] = _make(message_class) if ftwire.compiled and message_class is not None else None
        return found


class _Writers(dict["type[Message] | None", "Writer | None"]):
    def __missing__(self, message_class: type[Message] | None) -> Writer | None:
        phrase = _phrases[message_class]
        if phrase is not None:
            found: Writer | None = phrase.line
        else:
            found = None if message_class is None else _message_writer(message_class)
        self[message_class] = found
        return found


_phrases: Final = _Phrases()
_writers: Final = _Writers()


def writer_of(frame: Frame | Envelope) -> Writer | None:
    """Return what writes lines about such frames, going by their header; ``None`` where that takes the frame."""
    return _writers[frame.body_class]


def brief_of(frame: Frame | Envelope) -> str | None:
    """Say what is in a frame whose body can be had; ``None`` where that takes a message."""
    phrase = _phrases[frame.body_class]
    return None if phrase is None else phrase.text(frame.body)


def _message_writer(message_class: type[Message]) -> Writer:
    """Return what makes a message of each body, and asks that."""
    parse, tell = message_class.FromString, teller_of(descriptor_of(message_class))

    def write(form: str, values: tuple[int | str, ...], body: bytes) -> str | None:
        try:
            text = tell(parse(body))
        except DecodeError:
            return None
        return form % (*values, text) if text[-1:] > " " else None

    return write


def _make(message_class: type[Message]) -> Phrase | None:
    payload, is_response = payload_of(descriptor_of(message_class))
    inner = descriptor_of(message_class) if payload is None else payload.message_type
    facts = []
    for field in inner.fields if inner is not None else ():
        if not is_secret(field) and says_something(field):
            fact = _fact(field)
            if fact is None:
                return None
            facts.append(fact)
    # Of a response that is refused, or lacks the field that says so, there is more to say.
    return Phrase(
        message_class,
        facts,
        payload=None if payload is None else payload.name,
        zero="retType" if is_response else None,
        most=MAX_FACTS,
    )


def _fact(field: FieldDescriptor) -> Fact | None:
    """Return how to say a field; ``None`` where a phrase cannot."""
    name, inner, names = field.name, field.message_type, enum_names(field)
    if inner is None:
        if is_repeated(field):
            return None if names else Fact(name)
        return Fact(name, names={number: short_enum_name(value) for number, value in (names or {}).items()})
    if is_repeated(field):
        if may_name_securities(inner):
            return None
        return Fact(name, tuple(price for price in PRICES if price in inner.fields_by_name)[:1])
    return Fact(name, ("market", "code"), QOT_PREFIXES) if inner.full_name == SECURITY else None
