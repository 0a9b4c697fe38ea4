"""Messages and bodies as plain Python values and as JSON text: by the compiled core where there is one.

The core reads a body's bytes: it takes less time to serialize a message for it than to ask the message for its
fields. It knows only bodies as every serializer of protobuf writes them: fields in order, repeated ones
together, text in UTF-8, no unknown enum values. Of any other it says so, and ``ftwire._render`` does it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import EncodeError

from ftwire import _render
from ftwire._render import enum_names, is_repeated, is_special

if TYPE_CHECKING:
    from ftwire_core import Plan
    from google.protobuf.message import Message

__all__ = ["body_to_json", "tell_messages", "to_dict", "to_json"]

_GROUP = 10

FieldSpec = tuple[int, int, bool, str, int, list[tuple[int, str]]]
"""A field as the core is told of it: see ``ftwire_core.Plan``."""


def to_dict(message: Message, *, lower_camel: bool = False) -> dict[str, Any]:
    """The fields that are set, as values that JSON knows: what ``MessageToDict`` gives.

    Names are those of the ``.proto`` file, or lowerCamel. 64-bit integers are decimal strings, enum values
    their names, bytes base64, floats that are no number ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``.
    """
    plan = (_camel_plans if lower_camel else _plans)[message.DESCRIPTOR]
    if plan is not None:
        try:
            found = plan.values(message.SerializePartialToString())
        except EncodeError:
            # Nested more deeply than protobuf writes.
            found = None
        if found is not None:
            return found
    return _render.to_dict(message, lower_camel=lower_camel)


def to_json(message: Message, *, lower_camel: bool = False, indent: int | None = None) -> str:
    """JSON text of ``to_dict``, ASCII only, on one line or with ``indent`` spaces a level."""
    plan = (_camel_plans if lower_camel else _plans)[message.DESCRIPTOR]
    if plan is not None:
        try:
            text = plan.text(message.SerializePartialToString(), indent)
        except EncodeError:
            text = None
        if text is not None:
            return text
    return _render.to_json(message, lower_camel=lower_camel, indent=indent)


def body_to_json(body: bytes, message_class: type[Message], *, lower_camel: bool) -> str | None:
    """What ``to_json`` gives of the message that this protobuf body is, or ``None``: parse it, then, and see."""
    plan = (_camel_plans if lower_camel else _plans)[message_class.DESCRIPTOR]
    return None if plan is None else plan.text(body)


class _Plans(dict[Any, "Plan | None"]):
    """The core's plans by message class, made on first use; ``None`` where Python has to do it."""

    __slots__ = ("_lower_camel",)

    def __init__(self, *, lower_camel: bool) -> None:
        super().__init__()
        self._lower_camel = lower_camel

    def __missing__(self, descriptor: Any) -> Plan | None:
        # Imported when the first message is wanted as JSON: most programs want none.
        from ftwire._core import core

        messages = None if core is None else tell_messages(descriptor, lower_camel=self._lower_camel)
        found = self[descriptor] = None if core is None or messages is None else core.Plan(messages)
        return found


def tell_messages(root: Any, *, lower_camel: bool) -> list[list[FieldSpec]] | None:
    """Tell the core of a message and all that it may hold; ``None`` where there are rules it does not know."""
    indices = {root: 0}
    waiting = [root]
    told = []
    for descriptor in waiting:
        if is_special(descriptor):
            return None
        fields: list[FieldSpec] = []
        for field in descriptor.fields:
            repeated, inner, enum = is_repeated(field), field.message_type, field.enum_type
            # A field without presence is not there when zero, and members of a oneof drive each other out.
            if field.type == _GROUP or field.containing_oneof is not None or not (repeated or field.has_presence):
                return None
            if inner is not None and inner not in indices:
                indices[inner] = len(waiting)
                waiting.append(inner)
            index = 0 if inner is None else indices[inner]
            values = [] if enum is None else list(enum_names(enum).items())
            name = field.json_name if lower_camel else field.name
            fields.append((field.number, field.type, repeated, name, index, values))
        told.append(fields)
    return told


_plans = _Plans(lower_camel=False)
_camel_plans = _Plans(lower_camel=True)
