"""What a frame says, in a few words, without a message of its body: what ``ftwire_tools.facts`` says of that.

This goes for protocols whose facts are a security, scalars and how long lists are, as those of most pushes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import ftwire
from ftwire.header import BodyFormat
from ftwire.picker import Picker
from ftwire_tools.descriptors import descriptor_of, is_repeated
from ftwire_tools.enums import enum_names
from ftwire_tools.facts import MAX_FACTS, PRICES, SECURITY, payload_of, says_inner, scalar_sayer
from ftwire_tools.mask import is_secret
from ftwire_tools.securities import may_name_securities, security_name

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.message import Message

    from ftwire.frame import Frame
    from ftwire.websocket import Envelope

__all__ = ["brief_of"]

PickedSayer = Callable[[Any, tuple[Any, ...]], "str | None"]
"""Says the value of one field; takes it and all that was picked."""


class _Brief(NamedTuple):
    """How to say what is in the bodies of one message class."""

    picker: Picker
    is_response: bool
    """The first value picked is ``retType``."""
    sayers: list[tuple[int, PickedSayer]]
    """Which value picked, and what says it, in the order of the fields."""


class _Briefs(dict["type[Message]", "_Brief | None"]):
    def __missing__(self, message_class: type[Message]) -> _Brief | None:
        # Where Python does the picking, asking the message for all its facts takes no longer.
        found = self[message_class] = _make(message_class) if ftwire.compiled else None
        return found


_briefs: Final = _Briefs()


def brief_of(frame: Frame | Envelope) -> str | None:
    """Say what is in a frame whose body can be had; ``None`` where that takes a message.

    Raises what ``frame.message`` raises.
    """
    proto_id, classes = frame.proto_id, frame.classes
    message_class = classes[proto_id]
    if message_class is None or frame.body_format != BodyFormat.PROTOBUF or proto_id in classes.formers:
        return None
    brief = _briefs[message_class]
    if brief is None:
        return None
    picker, is_response, sayers = brief
    values = picker.decode(frame.body)
    if is_response and values[0] != 0:
        # Refused, or without the field that says so: there is more to say.
        return None
    parts: list[str] = []
    for slot, say in sayers:
        value = values[slot]
        if value is not None and (said := say(value, values)):
            parts.append(said)
            if len(parts) == MAX_FACTS:
                break
    return " ".join(parts)


def _make(message_class: type[Message]) -> _Brief | None:
    descriptor = descriptor_of(message_class)
    payload, is_response = payload_of(descriptor)
    inner, prefix = (descriptor, "") if payload is None else (payload.message_type, f"{payload.name}.")
    paths = ["retType"] if is_response else []
    sayers: list[tuple[int, PickedSayer]] = []
    for field in sorted(inner.fields, key=lambda field: field.number) if inner is not None else ():
        if is_secret(field):
            continue
        found = _sayer(field, len(paths))
        if found is None:
            return None
        below, say = found
        if say is not None:
            sayers.append((len(paths), say))
            paths += [f"{prefix}{field.name}{step}" for step in ("", *below)]
    return _Brief(Picker(message_class, paths), is_response, sayers)


def _sayer(field: FieldDescriptor, slot: int) -> tuple[tuple[str, ...], PickedSayer | None] | None:
    """Return what says a field, and what it wants picked below it; ``None`` where picking is not enough."""
    name, inner = field.name, field.message_type
    if inner is None:
        if not is_repeated(field):
            say = scalar_sayer(field)
            return (), lambda value, _: say(value)
        return None if enum_names(field) else ((), lambda count, _: f"{name}[{count}]")
    if inner.full_name == SECURITY and not is_repeated(field):
        return (".market", ".code"), lambda _, values: security_name(values[slot + 1] or 0, values[slot + 2] or "")
    if is_repeated(field) and not may_name_securities(inner):
        price = next((price for price in PRICES if price in inner.fields_by_name), None)
        if price is None:
            return (), lambda count, _: f"{name}[{count}]"

        def say_items(count: int, values: tuple[Any, ...]) -> str:
            said = f"{name}[{count}]"
            if count == 1 and values[slot + 1] is not None:
                said += f" {price}={values[slot + 1]}"
            return said

        return (f".{price}",), say_items
    return None if says_inner(field) else ((), None)
