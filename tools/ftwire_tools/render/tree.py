"""``-v``: every field of a body, enum names beside their numbers.

::

    retType: 0 (RetType_Succeed)
    s2c:
      security:
        market: 1 (QotMarket_HK_Security)
        code: "00700"
      rtList: 1 item
        [0]
          time: "2021-06-09 09:30:00"
          price: absent, and required
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ftwire_tools.messages.descriptors import is_repeated
from ftwire_tools.messages.enums import enum_names
from ftwire_tools.messages.masking import MASK
from ftwire_tools.terminal.json_text import readable_json

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

    from ftwire_tools.messages.masking import MessageView, UnknownField

__all__ = ["tree_of"]

INDENT = "  "


def tree_of(message: MessageView, *, indent: str = " " * 7) -> str:
    """Return the lines of a message, each with its line end."""
    return "".join(f"{line}\n" for line in _lines(message, indent))


def _lines(message: MessageView, indent: str) -> Iterator[str]:
    for field, value in message.fields():
        name = f"{indent}{field.name}:"
        many = is_repeated(field)
        if message.hides(field):
            yield f"{name} {MASK}"
        elif field.message_type is None:
            yield f"{name} {_list_text(field, value) if many else _text(field, value)}"
        elif many:
            yield f"{name} {len(value)} {'item' if len(value) == 1 else 'items'}"
            for index, item in enumerate(value):
                yield f"{indent}{INDENT}[{index}]"
                yield from _lines(item, indent + INDENT * 2)
        else:
            yield name
            yield from _lines(value, indent + INDENT)
    for field in message.absent():
        yield f"{indent}{field.name}: absent, and required"
    yield from _unknown_lines(message.unknown_fields(), indent)


def _unknown_lines(fields: list[UnknownField], indent: str) -> Iterator[str]:
    """Write fields that the class does not have: what a newer OpenD sends."""
    for number, value in fields:
        name = f"{indent}field {number}:"
        if isinstance(value, list):
            yield f"{name} group"
            yield from _unknown_lines(value, indent + INDENT)
        else:
            yield f"{name} {f'hex {value.hex()}' if isinstance(value, bytes) else value}"


def _list_text(field: FieldDescriptor, values: Any) -> str:
    return f"[{', '.join(_text(field, value) for value in values)}]"


def _text(field: FieldDescriptor, value: Any) -> str:
    if isinstance(value, str):
        return readable_json(value)
    if isinstance(value, bytes):
        return f"hex {value.hex()}" if field.type == field.TYPE_BYTES else f"no UTF-8, hex {value.hex()}"
    if isinstance(value, bool):
        return "true" if value else "false"
    names = enum_names(field)
    name = None if names is None else names.get(value)
    return str(value) if name is None else f"{value} ({name})"
