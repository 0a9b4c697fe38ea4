"""``--fields a,b.c``: values of a message by path, lists included."""

from __future__ import annotations

from typing import Any

from ftwire_tools.messages.descriptors import descriptor_of, is_repeated, plain_value
from ftwire_tools.messages.masking import MASK, is_secret

__all__ = ["value_at"]


def value_at(message: Any, path: tuple[str, ...], *, show_secrets: bool) -> Any:
    """Return what stands at ``path`` as JSON has it: nothing is ``None``, a path through a list gives a list.

    A path may begin at the message, or leave ``s2c`` or ``c2s`` out.
    """
    for start in ("", "s2c", "c2s"):
        if start and (start not in descriptor_of(message).fields_by_name or not message.HasField(start)):
            continue
        root = getattr(message, start) if start else message
        if path[0] in descriptor_of(root).fields_by_name:
            return _walk(root, path, show_secrets)
    return None


def _walk(message: Any, path: tuple[str, ...], show_secrets: bool) -> Any:
    field = descriptor_of(message).fields_by_name.get(path[0])
    if field is None:
        return None
    many = is_repeated(field)
    if not many and not message.HasField(field.name):
        return None
    value = getattr(message, field.name)
    rest = path[1:]
    if is_secret(field) and not show_secrets:
        return [MASK] * len(value) if many else MASK
    if field.message_type is None:
        if rest:
            return None
        return [plain_value(field, item) for item in value] if many else plain_value(field, value)
    if rest:
        return [_walk(item, rest, show_secrets) for item in value] if many else _walk(value, rest, show_secrets)
    return [_record(item, show_secrets) for item in value] if many else _record(value, show_secrets)


def _record(message: Any, show_secrets: bool) -> dict[str, Any]:
    return {field.name: _walk(message, (field.name,), show_secrets) for field, _ in message.ListFields()}
