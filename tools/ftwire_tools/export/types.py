"""Message classes as Arrow types: structs with a nullable field for each field of the message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ftwire_tools.messages.descriptors import is_repeated

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = ["struct_of", "type_of"]

_SCALARS: Final[dict[int, Any]] = {
    1: pa.float64(),
    2: pa.float32(),
    3: pa.int64(),
    4: pa.uint64(),
    5: pa.int32(),
    6: pa.uint64(),
    7: pa.uint32(),
    8: pa.bool_(),
    9: pa.string(),
    12: pa.binary(),
    13: pa.uint32(),
    14: pa.int32(),
    15: pa.int32(),
    16: pa.int64(),
    17: pa.int32(),
    18: pa.int64(),
}
"""``FieldDescriptor.TYPE_*`` to the type of a column. Enums are numbers; ``flatten`` adds their names."""

_structs: dict[Descriptor, Any] = {}


def struct_of(message: Descriptor) -> Any:
    """Return the ``pyarrow.StructType`` of a class, which must not contain itself: none of the vendor's does."""
    found = _structs.get(message)
    if found is None:
        found = _structs[message] = pa.struct([pa.field(field.name, type_of(field)) for field in message.fields])
    return found


def type_of(field: FieldDescriptor) -> Any:
    """Return the type of a field: a list for a repeated one."""
    inner = field.message_type
    single = _SCALARS[field.type] if inner is None else struct_of(inner)
    return pa.list_(pa.field("item", single)) if is_repeated(field) else single
