"""What protobuf's releases from 3.20 to 7 name differently; ``ftwire._message_classes`` has the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.message import Message

__all__ = ["is_repeated", "is_required", "unknown_field_set"]


def is_repeated(field: FieldDescriptor) -> bool:
    """Return whether a field is a list: protobuf 6 introduced ``is_repeated``, protobuf 7 dropped ``label``."""
    declared = getattr(field, "is_repeated", None)
    return bool(field.label == 3 if declared is None else declared)  # type: ignore[attr-defined]


def is_required(field: FieldDescriptor) -> bool:
    """Return whether a message lacks something without this field; as with ``is_repeated``, by protobuf's version."""
    declared = getattr(field, "is_required", None)
    return bool(field.label == 2 if declared is None else declared)  # type: ignore[attr-defined]


def unknown_field_set(message: Message) -> Any:
    """Return the fields of a message that its class does not have: a sequence with number, wire type and data."""
    try:
        from google.protobuf.unknown_fields import UnknownFieldSet
    except ImportError:  # protobuf 3.20
        return message.UnknownFields()
    return UnknownFieldSet(message)
