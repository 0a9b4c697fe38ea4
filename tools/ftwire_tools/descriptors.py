"""Questions about descriptors whose answer protobuf's versions spell differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

__all__ = ["is_repeated", "plain_value"]


def is_repeated(field: FieldDescriptor) -> bool:
    """Say whether a field is a list. ``label`` ended with protobuf 7, ``is_repeated`` began with 6."""
    known = getattr(field, "is_repeated", None)
    return bool(field.label == field.LABEL_REPEATED) if known is None else bool(known)


def plain_value(field: FieldDescriptor, value: Any) -> Any:
    """Return a scalar as JSON has it: 64-bit integers as strings, since JSON's readers round them."""
    if isinstance(value, bytes):
        # proto2 hands out strings that are not UTF-8 as bytes.
        return value.hex() if field.type == field.TYPE_BYTES else value.decode(errors="backslashreplace")
    return str(value) if field.cpp_type in {field.CPPTYPE_INT64, field.CPPTYPE_UINT64} else value
