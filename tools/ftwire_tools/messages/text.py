"""Text in messages: whether it is text at all."""

from __future__ import annotations

from typing import Any

from ftwire_tools.messages.descriptors import is_repeated

__all__ = ["undecodable_text"]


def undecodable_text(message: Any) -> str | None:
    """Return the path of the first string that is not UTF-8, ``None`` where all are.

    proto2 does not check that, and protobuf for Python returns such a string as bytes.
    """
    for field, value in message.ListFields():
        for item in value if is_repeated(field) else (value,):
            if field.message_type is not None:
                inner = undecodable_text(item)
                if inner is not None:
                    return f"{field.name}.{inner}"
            elif isinstance(item, bytes) and field.type != field.TYPE_BYTES:
                return str(field.name)
    return None
