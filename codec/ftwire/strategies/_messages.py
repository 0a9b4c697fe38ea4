"""Messages of any class, from its descriptor."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, overload

from google.protobuf.message import Message
from hypothesis import strategies as st

from ftwire._renamed import renamed_keyword
from ftwire.frame import Kind
from ftwire.protocols import Registry, registry
from ftwire.schema import is_repeated, is_required
from ftwire.strategies._unknown import unknown_fields
from ftwire.strategies._values import MESSAGE_TYPES, values

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = ["classes_of", "messages"]

MessageT = TypeVar("MessageT", bound=Message)

# Hypothesis draws integers of more than 24 bits mostly small: presence of many fields is drawn in parts.
_PRESENCE_BITS = 20
_UNKNOWN_BITS = 3  # all of them set: one message in eight carries unknown fields


@overload
def messages(
    proto: type[MessageT],
    kind: None = None,
    *,
    registry: Registry = registry,
    max_depth: int = 6,
    max_items: int = 3,
    finite: bool = False,
    unknown: bool = True,
) -> st.SearchStrategy[MessageT]: ...
@overload
def messages(
    proto: int | str,
    kind: Kind | None = None,
    *,
    registry: Registry = registry,
    max_depth: int = 6,
    max_items: int = 3,
    finite: bool = False,
    unknown: bool = True,
) -> st.SearchStrategy[Message]: ...
@renamed_keyword("known", "registry")
def messages(
    proto: int | str | type[Message],
    kind: Kind | None = None,
    *,
    registry: Registry = registry,
    max_depth: int = 6,
    max_items: int = 3,
    finite: bool = False,
    unknown: bool = True,
) -> st.SearchStrategy[Any]:
    """Messages of a protocol, every required field set, at every depth.

    ``proto`` is a protocol's ID or name, or a message class; ``kind`` which of the protocol's messages, ``None``
    for any. Optional fields are there or not, lists hold up to ``max_items``. Below ``max_depth`` levels only
    what is required is set. Integers reach the ends of their range; those that hold an enum's number mostly hold a
    valid one. Strings are any Unicode text. ``finite`` leaves out NaN and the infinities (a message with a NaN is not
    equal to itself). With ``unknown``, one message in eight, at any depth, carries fields that its class does not have,
    or enum numbers that its enum does not have.

    Raises ``UnknownProtocolError`` for a protocol that ``registry`` does not hold, ``ValueError`` for a kind that
    the protocol does not have.
    """
    if not isinstance(proto, int | str):
        return _messages(proto, max_depth, max_items, finite, unknown)
    found = classes_of(proto, kind, registry)
    if not found:
        raise ValueError(f"protocol {proto} has no {kind}")
    return st.one_of([_messages(each, max_depth, max_items, finite, unknown) for each in found])


def classes_of(proto: int | str, kind: Kind | None, registry: Registry) -> list[type[Message]]:
    """Message classes of a protocol that ``kind`` allows, the response or push first."""
    entry = registry[proto]
    sent = Kind.PUSH if entry.is_push else Kind.RESPONSE
    found = [entry.response] if kind in (None, sent) else []
    if kind in (None, Kind.REQUEST) and entry.request is not None:
        found.append(entry.request)
    return found


@st.composite
def _messages(
    draw: st.DrawFn, message_class: type[MessageT], depth: int, items: int, finite: bool, unknown: bool
) -> MessageT:
    message = message_class()
    _fill(draw, message, depth, items, finite, unknown)
    return message


class _Plan(NamedTuple):
    """What is computed once for a class and used for every message of it."""

    fields: tuple[FieldDescriptor, ...]
    bits: tuple[int, ...]
    """By field: its bit of presence, 0 for a required one."""
    optional: int
    """How many bits that makes."""
    unknown: st.SearchStrategy[bytes]


@lru_cache(maxsize=4096)
def _plan(descriptor: Descriptor) -> _Plan:
    fields = tuple(descriptor.fields)
    bits = []
    optional = 0
    for field in fields:
        bits.append(0 if is_required(field) else 1 << optional)
        optional += not is_required(field)
    return _Plan(fields, tuple(bits), optional, unknown_fields(descriptor))


@lru_cache(maxsize=_PRESENCE_BITS + 1)
def _bits(count: int) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << count) - 1)


def _fill(draw: st.DrawFn, message: Any, depth: int, items: int, finite: bool, unknown: bool) -> None:
    plan = _plan(message.DESCRIPTOR)
    # One draw decides which optional fields are there: a draw for each of a hundred fields is slow.
    present = 0
    if depth > 0:
        count = plan.optional + (_UNKNOWN_BITS if unknown else 0)
        for at in range(0, count, _PRESENCE_BITS):
            present |= draw(_bits(min(_PRESENCE_BITS, count - at))) << at
    for field, bit in zip(plan.fields, plan.bits, strict=True):
        if bit and not present & bit:
            continue
        if is_repeated(field):
            target = getattr(message, field.name)
            if _is_map(field):
                _fill_map(draw, target, field, depth, items, finite, unknown)
            elif field.type in MESSAGE_TYPES:
                for _ in range(draw(st.integers(0, items))):
                    _fill(draw, target.add(), depth - 1, items, finite, unknown)
            else:
                target.extend(draw(st.lists(values(field, finite), max_size=items)))
        elif field.type in MESSAGE_TYPES:
            inner = getattr(message, field.name)
            inner.SetInParent()
            _fill(draw, inner, depth - 1, items, finite, unknown)
        else:
            setattr(message, field.name, draw(values(field, finite)))
    if present >> plan.optional == (1 << _UNKNOWN_BITS) - 1:
        message.MergeFromString(draw(plan.unknown))


def _fill_map(
    draw: st.DrawFn, target: Any, field: FieldDescriptor, depth: int, items: int, finite: bool, unknown: bool
) -> None:
    entry: Any = field.message_type
    key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
    for name in draw(st.lists(values(key, finite), max_size=items, unique=True)):
        if value.type in MESSAGE_TYPES:
            _fill(draw, target[name], depth - 1, items, finite, unknown)
        else:
            target[name] = draw(values(value, finite))


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)
