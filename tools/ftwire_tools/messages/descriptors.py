"""Properties of message classes and fields, in one way for all versions of protobuf and its type stubs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftwire.schema import is_64_bit, is_repeated, is_required, message_class, unknown_field_set

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = [
    "copy_field",
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


def copy_field(source: Any, target: Any, field: FieldDescriptor) -> bool:
    """Copy a field of ``target``'s class that ``source`` has under the same name; return whether it has.

    A field of another type does not count, nor a list.
    """
    asked = source.DESCRIPTOR.fields_by_name.get(field.name)
    if asked is None or is_repeated(asked) or is_repeated(field) or not source.HasField(field.name):
        return False
    if asked.cpp_type != field.cpp_type or asked.message_type is not field.message_type:
        return False
    if field.message_type is None:
        setattr(target, field.name, getattr(source, field.name))
    else:
        getattr(target, field.name).CopyFrom(getattr(source, field.name))
    return True


def plain_value(field: FieldDescriptor, value: Any) -> Any:
    """Return a scalar as JSON has it, but for bytes: they are hexadecimal, where ``to_dict`` has Base64."""
    if isinstance(value, bytes):
        # proto2 hands out strings that are not UTF-8 as bytes.
        return value.hex() if field.type == field.TYPE_BYTES else value.decode(errors="backslashreplace")
    return str(value) if is_64_bit(field) else value
