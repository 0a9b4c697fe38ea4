"""What is not shown without ``--show-secrets``: keys, passwords, and who the user is.

Which fields these are stands in ``ftwire_tools.messages.sensitive_fields``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ftwire.errors import BodyError, WireError
from ftwire_tools.messages.descriptors import descriptor_of, is_repeated
from ftwire_tools.messages.sensitive_fields import SECRET, SENSITIVE, category_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    from ftwire.frame import Frame, UnknownBody
    from ftwire.websocket import Envelope

__all__ = [
    "MASK",
    "SECRET_FIELDS",
    "error_text",
    "has_secrets",
    "is_secret",
    "mask",
    "may_be_secret",
    "may_hold_secrets",
    "message_of",
]

MASK: Final = "***"
"""Stands in place of a secret, whatever its type and length."""

SECRET_FIELDS: Final = frozenset(name for name, category in SENSITIVE.items() if category in SECRET)
"""Fields by name, in whatever message, or by full name where the name alone says too little."""

_may_hold: dict[Descriptor, bool] = {}


def is_secret(field: FieldDescriptor) -> bool:
    """Say whether a field's category is one of ``ftwire_tools.messages.sensitive_fields.SECRET``."""
    return category_of(field) in SECRET


def may_hold_secrets(descriptor: Descriptor) -> bool:
    """Say whether messages of a class have such a field at any depth."""
    found = _may_hold.get(descriptor)
    if found is None:
        seen = [descriptor]
        for each in seen:
            inner = (field.message_type for field in each.fields)
            seen.extend(message for message in inner if message is not None and message not in seen)
        found = _may_hold[descriptor] = any(is_secret(field) for each in seen for field in each.fields)
    return found


def has_secrets(message: Message) -> bool:
    """Say whether a message has such a field set, or one that cannot be told from it: one its class does not have."""
    if not may_hold_secrets(descriptor_of(message)):
        return False
    # Imported when bytes are to be shown: lines need none of it.
    from google.protobuf.unknown_fields import UnknownFieldSet

    if len(UnknownFieldSet(message)):
        return True
    for field, value in message.ListFields():
        if is_secret(field):
            return True
        if field.message_type is not None:
            items = value if is_repeated(field) else (value,)
            if any(has_secrets(item) for item in items):
                return True
    return False


def mask(values: dict[str, Any], descriptor: Descriptor) -> dict[str, Any]:
    """Mask the secrets in a message's plain values, in place, and return them."""
    if may_hold_secrets(descriptor):
        for field in descriptor.fields:
            name = field.json_name if field.json_name in values else field.name
            if name not in values:
                continue
            value = values[name]
            if is_secret(field):
                values[name] = [MASK] * len(value) if isinstance(value, list) else MASK
            elif field.message_type is not None:
                for item in value if isinstance(value, list) else (value,):
                    mask(item, field.message_type)
    return values


def may_be_secret(frame: Frame | Envelope) -> bool:
    """Say whether the body of a frame may hold secrets, going by its protocol alone: of one nobody knows it may."""
    message_class = frame.classes[frame.proto_id]
    return message_class is None or may_hold_secrets(descriptor_of(message_class))


def message_of(frame: Frame | Envelope, *, show_secrets: bool = False) -> Message | UnknownBody:
    """Return ``frame.message``. Raises ``WireError`` with ``error_text`` in place of what that raises."""
    try:
        return frame.message
    except WireError as error:
        raise WireError(error_text(error, frame, show_secrets=show_secrets)) from None


def error_text(error: WireError, frame: Frame | Envelope, *, show_secrets: bool) -> str:
    """Say why a frame could not be decoded, without quoting a body that may hold secrets."""
    if not isinstance(error, BodyError) or show_secrets or not may_be_secret(frame):
        return str(error)
    where = "" if error.offset is None else f" at offset {error.offset}"
    return f"not a {error.message}{where}"
