"""All fields of the vendor's schema, for tests of the tables that name them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ftwire.schema import schema

__all__ = ["vendor_fields"]


def vendor_fields() -> Iterator[Any]:
    """Yield every field of every message of the vendor's schema."""
    for name in schema.file_names:
        if name.startswith(("google/", "ftwire/")):
            continue
        waiting = list(schema.file(name).message_types_by_name.values())
        while waiting:
            message = waiting.pop()
            waiting += message.nested_types
            yield from message.fields
