"""The fields of message classes, in one way for all versions of protobuf, and described for the compiled core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftwire.schema import is_repeated, is_required

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

__all__ = ["FieldSpec", "describe_messages", "enum_names", "is_special"]

_GROUP = 10

# FieldDescriptor.LABEL_*
_OPTIONAL, _REQUIRED, _REPEATED = 1, 2, 3

FieldSpec = tuple[int, int, int, str, int, list[tuple[int, str]]]
"""A field as ``ftwire_core.JsonWriter`` takes it."""


def enum_names(enum: Any) -> dict[int, str]:
    """Return the names of an enum's values by number; of aliases the one that protobuf writes."""
    # values lists the aliases too, and values_by_number has the one that protobuf writes.
    return {value.number: enum.values_by_number[value.number].name for value in enum.values}


def is_special(descriptor: Descriptor) -> bool:
    """Return whether protobuf's JSON mapping has rules for this message alone: maps, extensions, well-known types.

    The vendor's schema has none.
    """
    return (
        descriptor.full_name.startswith("google.protobuf.")
        or bool(descriptor.is_extendable)
        or any(
            field.message_type is not None and field.message_type.GetOptions().map_entry for field in descriptor.fields
        )
    )


def describe_messages(root: Any, *, lower_camel: bool = False) -> list[list[FieldSpec]] | None:
    """Describe a message class and all classes nested in it for the core, the first of the list being ``root``.

    ``None`` where one of them has rules that the core does not implement.
    """
    indices = {root: 0}
    waiting = [root]
    described = []
    for descriptor in waiting:
        if is_special(descriptor):
            return None
        fields: list[FieldSpec] = []
        for field in descriptor.fields:
            repeated, inner, enum = is_repeated(field), field.message_type, field.enum_type
            # Fields without presence are absent when zero, and a member of a oneof replaces the others.
            if field.type == _GROUP or field.containing_oneof is not None or not (repeated or field.has_presence):
                return None
            if inner is not None and inner not in indices:
                indices[inner] = len(waiting)
                waiting.append(inner)
            index = 0 if inner is None else indices[inner]
            values = [] if enum is None else list(enum_names(enum).items())
            name = field.json_name if lower_camel else field.name
            label = _REPEATED if repeated else _REQUIRED if is_required(field) else _OPTIONAL
            fields.append((field.number, field.type, label, name, index, values))
        described.append(fields)
    return described
