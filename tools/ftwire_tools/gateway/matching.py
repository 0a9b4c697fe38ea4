"""Matching: when a request counts as the same as a captured one.

The body format does not count, nor do fields that belong to the connection: ``packetID`` (replay protection of trading
requests) and the ``userID`` that a client repeats from the handshake. A field set to its default counts as absent,
since newer SDKs send many fields that older ones do not have. Requests are compared by their deterministic encoding.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.messages.descriptors import is_repeated
from ftwire_tools.messages.securities import securities_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["Match", "exact_key", "security_key"]

CONNECTION_BOUND: Final = ("packetID", "userID")
"""Fields of ``C2S`` that belong to the connection."""


class Match(StrEnum):
    """How much of a request must agree with a captured one; a closer match is preferred."""

    EXACT = "exact"
    """The whole body."""
    SECURITY = "security"
    """The protocol and the securities asked about."""
    PROTOCOL = "protocol"
    """The protocol."""


def exact_key(request: Message) -> bytes:
    """Return bytes that are equal for requests of one protocol that count as the same."""
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
    """Clear fields that hold their default, the innermost first."""
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
