"""Message bodies to Arrow columns: a batch of bodies of one class becomes one struct array.

protobuf decides what a body is, as in the rest of ftwire: a body that its parser refuses is in no table but
``errors``. The values then come from ptars, a parser in Rust that
writes Arrow without a Python value in between, 16 times as fast as reading them from messages. They are read from
messages, one by one, where ptars

- is not installed: it has wheels for CPython only;
- would give other values than protobuf: a number that a proto2 enum does not define is an unknown field to
  protobuf and a value to ptars. Few messages have fields of an enum's type and none of them is frequent (the other
  enums are sent as plain integers), so all classes with such fields are converted from messages;
- refuses what protobuf accepts, a string that is not UTF-8. The table ``errors`` names that body, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa

from ftwire.body import decode_body
from ftwire.body_check import refused_bodies
from ftwire.errors import WireError
from ftwire_tools.export.types import struct_of
from ftwire_tools.messages.descriptors import descriptor_of, is_repeated

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

__all__ = ["Converted", "Converter", "Refusal", "class_descriptor"]


class Refusal(NamedTuple):
    """A body that protobuf or ptars refused."""

    place: int
    """Index in the batch."""
    error_type: str
    error: str
    is_lost: bool
    """protobuf refused it: its values are in no table."""


class Converted(NamedTuple):
    """A batch of bodies as an Arrow array."""

    array: Any
    """``pyarrow.StructArray``, an item for each body that protobuf accepts, in their order."""
    kept: Sequence[int]
    """Indices of these bodies in the batch."""
    refusals: Sequence[Refusal]


class Converter:
    """Converts bodies to Arrow, class by class; keeps ptars' handler of every class that it has met."""

    def __init__(self) -> None:
        try:
            import ptars
        except ImportError:
            ptars = None
        self._ptars: Final[Any] = ptars
        self._config: Final = ptars and ptars.PtarsConfig(list_nullable=True, list_value_nullable=True)
        self._handlers: Final[dict[Descriptor, Any]] = {}

    def convert(self, bodies: Any, message_class: type[Message]) -> Converted:
        """Return the bodies of one class as a struct array. Bodies never make it raise: see ``refusals``.

        ``bodies`` are a ``pyarrow.BinaryArray`` without nulls, or a sequence of ``bytes``.
        """
        if not isinstance(bodies, pa.Array):
            bodies = pa.array(bodies, pa.binary())
        descriptor = class_descriptor(message_class)
        places, good, refusals = _parsed(bodies, message_class)
        if self._ptars is None or _has_enums(descriptor):
            return Converted(_from_messages(good, message_class), places, refusals)
        handler = self._handlers.get(descriptor)
        if handler is None:
            pool = self._ptars.HandlerPool([descriptor.file], config=self._config)
            handler = self._handlers[descriptor] = pool.get_for_message(descriptor)
        try:
            return Converted(_from_ptars(handler, good, descriptor), places, refusals)
        except Exception:  # of any class: ptars documents none
            array, refused = _without_refused(handler, good, message_class)
            refusals += [_refusal(places[place], error, is_lost=False) for place, error in refused]
            return Converted(array, places, refusals)


def class_descriptor(message_class: Any) -> Descriptor:
    """Return the descriptor of a class, which protobuf's type stubs call by another type."""
    found: Descriptor = message_class.DESCRIPTOR
    return found


_with_enums: dict[Descriptor, bool] = {}


def _has_enums(message: Descriptor) -> bool:
    """Return whether a class has a field of an enum's type, at any depth."""
    found = _with_enums.get(message)
    if found is None:
        found = _with_enums[message] = any(
            field.enum_type is not None or (field.message_type is not None and _has_enums(field.message_type))
            for field in message.fields
        )
    return found


def _parsed(bodies: Any, message_class: Any) -> tuple[Sequence[int], Any, list[Refusal]]:
    """Return the bodies that protobuf accepts, their indices before them, and the refusals of the others."""
    if not len(bodies):
        return range(0), bodies, []
    _, offsets, data = bodies.buffers()
    first, last = 4 * bodies.offset, 4 * (bodies.offset + len(bodies) + 1)  # of an array that may be part of another
    refused = refused_bodies(data.to_pybytes() if data else b"", offsets.to_pybytes()[first:last], message_class)
    if not refused:
        return range(len(bodies)), bodies, []
    refusals = [_refusal(place, error, is_lost=True) for place, error in refused.items()]
    places = [place for place in range(len(bodies)) if place not in refused]
    return places, bodies.take(pa.array(places, pa.int64())), refusals


def _refusal(place: int, error: Exception, *, is_lost: bool) -> Refusal:
    name = type(error).__name__ if isinstance(error, WireError) else "ConverterRefusal"
    return Refusal(place, name, str(error), is_lost)


def _from_ptars(handler: Any, bodies: Any, descriptor: Descriptor) -> Any:
    """Return the struct array that ptars makes. Raises ``Exception`` where it refuses a body."""
    wanted = struct_of(descriptor)
    if not len(wanted):
        # For a message without fields ptars returns a batch without rows.
        return pa.array([{}] * len(bodies), wanted)
    try:
        batch = handler.array_to_record_batch(bodies)
    except BaseException as error:
        if isinstance(error, Exception | KeyboardInterrupt | SystemExit):
            raise
        # A panic in Rust arrives as a class of its own that is no Exception.
        raise ValueError(str(error)) from error
    array = batch.to_struct_array()
    return array if array.type == wanted else array.cast(wanted)


def _without_refused(
    handler: Any, bodies: Any, message_class: type[Message]
) -> tuple[Any, list[tuple[int, Exception]]]:
    """Convert a batch in which ptars refuses some body, halving it until these are found: O(log n) calls for each.

    Returns the struct array of all bodies, and the indices of those refused with ptars' errors.
    """
    descriptor = class_descriptor(message_class)
    parts: list[Any] = []
    refused: list[tuple[int, Exception]] = []
    waiting = [(0, len(bodies))]
    while waiting:
        start, stop = waiting.pop()
        try:
            parts.append(_from_ptars(handler, pa.concat_arrays([bodies[start:stop]]), descriptor))
        except Exception as error:  # as in ``convert``
            if stop - start > 1:
                middle = (start + stop) // 2
                waiting += [(middle, stop), (start, middle)]
                continue
            parts.append(_from_messages(bodies[start:stop], message_class))
            refused.append((start, error))
    array = pa.concat_arrays(parts) if parts else pa.array([], struct_of(descriptor))
    return array, refused


def _from_messages(bodies: Any, message_class: Any) -> Any:
    """Return the struct array of bodies that protobuf accepts, by way of messages and dictionaries."""
    rows = [_values(decode_body(body, message_class, check_required=False)) for body in bodies.to_pylist()]
    return pa.array(rows, struct_of(class_descriptor(message_class)))


def _values(message: Message) -> dict[str, Any]:
    """Return the fields that are set, and all lists, by name."""
    values: dict[str, Any] = {}
    for field in descriptor_of(message).fields:
        if is_repeated(field):
            values[field.name] = [_value(field, each) for each in getattr(message, field.name)]
        elif message.HasField(field.name):
            values[field.name] = _value(field, getattr(message, field.name))
    return values


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return _values(value)
    if isinstance(value, bytes) and field.type != field.TYPE_BYTES:
        # protobuf returns proto2 strings that are not UTF-8 as bytes.
        return value.decode(errors="backslashreplace")
    return value
