"""When two requests mean the same.

The format does not count, nor do fields that belong to a connection and not to the question: ``packetID``
(replay protection of trading requests) and the ``userID`` that a client repeats from the handshake. A field that
is set to its default says no more than one that is absent: newer SDKs send many that older ones do not know. The
order of serializing is fixed, so equal bytes are equal meaning.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.markets.securities import securities_of
from ftwire_tools.messages.descriptors import is_repeated

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["Match", "exact_key", "security_key"]

CONNECTION_BOUND: Final = ("packetID", "userID")
"""Fields of ``C2S`` that say nothing about what is asked."""


class Match(StrEnum):
    """How much of a request has to agree with a captured one; the finer is tried first."""

    EXACT = "exact"
    """The whole body."""
    SECURITY = "security"
    """The protocol and the securities asked about."""
    PROTOCOL = "protocol"
    """The protocol."""


def exact_key(request: Message) -> bytes:
    """Return bytes that are equal for requests of one protocol that mean the same."""
    copy: Any = type(request)()
    copy.CopyFrom(request)
    c2s = getattr(copy, "c2s", None)
    if c2s is not None:
        for name in CONNECTION_BOUND:
            if name in c2s.DESCRIPTOR.fields_by_name:
                c2s.ClearField(name)
    copy.DiscardUnknownFields()
    _strip(copy)
    key: bytes = copy.SerializePartialToString(deterministic=True)
    return key


def _strip(message: Any) -> None:
    """Clear what is at its default, from the inside out."""
    for field, value in message.ListFields():
        if field.message_type is None:
            if not is_repeated(field) and value == field.default_value:
                message.ClearField(field.name)
        elif is_repeated(field):
            for item in value:
                _strip(item)
        else:
            _strip(value)
            if not value.ListFields():
                message.ClearField(field.name)


def security_key(message: Message) -> frozenset[str]:
    """Return the securities that a request or a reply is about."""
    return frozenset(securities_of(message))
