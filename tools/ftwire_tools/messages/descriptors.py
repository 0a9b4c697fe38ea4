"""Properties of message classes and fields, in one way for all versions of protobuf and its type stubs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftwire.schema import is_64_bit, is_repeated, is_required, message_class, unknown_field_set

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = [
    "descriptor_of",
    "is_repeated",
    "is_required",
    "label_of",
    "message_class",
    "plain_value",
    "unknown_field_set",
]


def descriptor_of(message: Any) -> Descriptor:
    """Return the descriptor of a message's class."""
    found: Descriptor = message.DESCRIPTOR
    return found


def label_of(field: FieldDescriptor) -> str:
    """Return ``required``, ``optional`` or ``repeated``."""
    if is_repeated(field):
        return "repeated"
    return "required" if is_required(field) else "optional"


def plain_value(field: FieldDescriptor, value: Any) -> Any:
    """Return a scalar as JSON has it, but for bytes: they are hexadecimal, where ``to_dict`` has Base64."""
    if isinstance(value, bytes):
        # proto2 hands out strings that are not UTF-8 as bytes.
        return value.hex() if field.type == field.TYPE_BYTES else value.decode(errors="backslashreplace")
    return str(value) if is_64_bit(field) else value
