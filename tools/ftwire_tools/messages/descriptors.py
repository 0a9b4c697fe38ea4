"""Properties of message classes and fields, in one way for all versions of protobuf and its type stubs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = ["descriptor_of", "is_repeated", "is_required", "label_of", "plain_value"]


def descriptor_of(message: Any) -> Descriptor:
    """Return the descriptor of a message's class."""
    found: Descriptor = message.DESCRIPTOR
    return found


def is_repeated(field: FieldDescriptor) -> bool:
    """Return whether a field is a list: protobuf 6 introduced ``is_repeated``, protobuf 7 dropped ``label``."""
    asked: Any = field
    known = getattr(asked, "is_repeated", None)
    return bool(asked.label == asked.LABEL_REPEATED if known is None else known)


def is_required(field: FieldDescriptor) -> bool:
    """Return whether a message without this field is incomplete."""
    asked: Any = field
    known = getattr(asked, "is_required", None)
    return bool(asked.label == asked.LABEL_REQUIRED if known is None else known)


def label_of(field: FieldDescriptor) -> str:
    """Return ``required``, ``optional`` or ``repeated``."""
    if is_repeated(field):
        return "repeated"
    return "required" if is_required(field) else "optional"


def plain_value(field: FieldDescriptor, value: Any) -> Any:
    """Return a scalar as JSON has it: 64-bit integers as strings, since JSON's readers round them."""
    if isinstance(value, bytes):
        # proto2 hands out strings that are not UTF-8 as bytes.
        return value.hex() if field.type == field.TYPE_BYTES else value.decode(errors="backslashreplace")
    return str(value) if field.cpp_type in {field.CPPTYPE_INT64, field.CPPTYPE_UINT64} else value
