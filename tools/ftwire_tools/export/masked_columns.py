"""Arrow structs of messages without their secrets: texts are ``***``, other values null."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ftwire_tools.messages.descriptors import is_repeated
from ftwire_tools.messages.masking import MASK, is_secret, may_hold_secrets

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = ["mask_struct"]


def mask_struct(struct: Any, message: Descriptor) -> Any:
    """Return a struct array of messages of a class with the secrets masked, at any depth; its type is the same."""
    if not may_hold_secrets(message):
        return struct
    children = [_mask_field(struct.field(at), field) for at, field in enumerate(message.fields)]
    return pa.StructArray.from_arrays(children, fields=list(struct.type), mask=struct.is_null())


def _mask_field(values: Any, field: FieldDescriptor) -> Any:
    inner = field.message_type
    if not (is_secret(field) if inner is None else may_hold_secrets(inner)):
        return values
    items = values.values if is_repeated(field) else values
    if inner is not None:
        items = mask_struct(items, inner)
    elif pa.types.is_string(items.type):
        items = pc.if_else(items.is_valid(), MASK, pa.scalar(None, pa.string()))
    else:
        items = pa.nulls(len(items), items.type)
    if is_repeated(field):
        return pa.ListArray.from_arrays(values.offsets, items, mask=values.is_null())
    return items
