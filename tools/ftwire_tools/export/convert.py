"""Protobuf bodies to Arrow: the seam behind which ptars and our own converter are.

ptars (Rust) reads bodies without a Python value in between and is the one that is used. What protobuf's own
parser reads and what ptars does are nearly the same: ptars refuses a string that is not UTF-8, and takes some
groups that end wrongly. protobuf decides, as in the rest of ftwire. A body that it refuses is in no table but
the one of errors (asking it costs a quarter of what ptars takes); one that only ptars refuses is converted by
``OwnConverter``, and said in the table of errors all the same.

Numbers that an enum of proto2 does not know are no value of its field for protobuf, and one for ptars. Few
messages have a field of an enum's type, none of them frequent (the others' enums are plain integers): these are
left to ``OwnConverter``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import pyarrow as pa
from google.protobuf.message import DecodeError

from ftwire.body import decode_body
from ftwire.errors import BodyError, WireError
from ftwire_tools.export.types import struct_of
from ftwire_tools.messages.descriptors import descriptor_of, is_repeated

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

__all__ = [
    "CONVERTERS",
    "Converted",
    "Converter",
    "OwnConverter",
    "PtarsConverter",
    "Refusal",
    "class_descriptor",
    "converter_named",
]

CONVERTERS: Final = ("auto", "ptars", "own", "both")
"""``auto`` is ptars where it is installed; ``both`` compares the two, body by body."""


class Refusal(NamedTuple):
    """A body that a converter refused."""

    place: int
    """Which one of the batch."""
    error_type: str
    error: str
    is_lost: bool
    """No other converter took it either: it is in no table."""


class Converted(NamedTuple):
    """A batch of bodies as an Arrow struct array, in their order without those lost."""

    array: Any
    kept: Sequence[int]
    """Which bodies of the batch they are."""
    refusals: Sequence[Refusal]


class Converter(Protocol):
    """What makes struct arrays of bodies."""

    def convert(self, bodies: Sequence[bytes], message_class: type[Message]) -> Converted:
        """Convert bodies of one class; never raises on account of them."""
        ...


def converter_named(name: str) -> Converter:
    """Return a converter by its name in ``CONVERTERS``. Raises ``ImportError`` where ptars is asked for and missing."""
    if name == "own":
        return OwnConverter()
    try:
        ptars = PtarsConverter()
    except ImportError:
        if name == "auto":
            return OwnConverter()
        raise
    return BothConverters(ptars, OwnConverter()) if name == "both" else ptars


class OwnConverter:
    """protobuf's parser, then Python values, then Arrow: slow, sure, and the oracle of the other."""

    def convert(self, bodies: Sequence[bytes], message_class: type[Message]) -> Converted:
        """Convert bodies of one class."""
        rows: list[dict[str, Any]] = []
        kept: list[int] = []
        refusals: list[Refusal] = []
        for index, body in enumerate(bodies):
            try:
                message = decode_body(body, message_class, check_required=False)
            except BodyError as error:
                refusals.append(_refusal(index, error, is_lost=True))
            else:
                rows.append(_plain(message))
                kept.append(index)
        array = pa.array(rows, struct_of(class_descriptor(message_class)))
        return Converted(array, kept, refusals)


class PtarsConverter:
    """ptars, and our own for what it refuses."""

    def __init__(self) -> None:
        """Raises ``ImportError`` without ptars."""
        import ptars

        self._ptars: Final[Any] = ptars
        self._config: Final = ptars.PtarsConfig(list_nullable=True, list_value_nullable=True)
        self._handlers: Final[dict[Descriptor, Any]] = {}
        self._own: Final = OwnConverter()

    def convert(self, bodies: Sequence[bytes], message_class: type[Message]) -> Converted:
        """Convert bodies of one class."""
        descriptor = class_descriptor(message_class)
        if _has_enums(descriptor):
            return self._own.convert(bodies, message_class)
        handler = self._handlers.get(descriptor)
        if handler is None:
            pool = self._ptars.HandlerPool([descriptor.file], config=self._config)
            handler = self._handlers[descriptor] = pool.get_for_message(descriptor)
        places, good, refusals = _parsed(bodies, message_class)
        try:
            return Converted(self._array(handler, good, descriptor), places, refusals)
        except Exception:  # looked into, body by body
            return self._sorted_out(handler, places, good, message_class, refusals)

    def _array(self, handler: Any, bodies: Sequence[bytes], descriptor: Descriptor) -> Any:
        wanted = struct_of(descriptor)
        if not len(wanted):
            # A message without fields: ptars gives a batch without rows.
            return pa.array([{}] * len(bodies), wanted)
        try:
            batch = handler.list_to_record_batch(list(bodies))
        except BaseException as error:
            if isinstance(error, Exception | KeyboardInterrupt | SystemExit):
                raise
            # A panic in Rust comes as a BaseException of its own.
            raise ValueError(str(error)) from error
        array = batch.to_struct_array()
        return array if array.type == wanted else array.cast(wanted)

    def _sorted_out(
        self,
        handler: Any,
        places: Sequence[int],
        bodies: Sequence[bytes],
        message_class: type[Message],
        refusals: list[Refusal],
    ) -> Converted:
        """Convert a batch in which some body is refused, by halves."""
        descriptor = class_descriptor(message_class)
        parts: list[Any] = []
        waiting = [(0, len(bodies))]
        while waiting:
            start, stop = waiting.pop()
            try:
                parts.append(self._array(handler, bodies[start:stop], descriptor))
            except Exception as error:  # whatever it is, it becomes a row
                if stop - start > 1:
                    middle = (start + stop) // 2
                    waiting += [(middle, stop), (start, middle)]
                    continue
                parts.append(self._own.convert(bodies[start:stop], message_class).array)
                refusals.append(_refusal(places[start], error, is_lost=False))
        array = pa.concat_arrays(parts) if parts else pa.array([], struct_of(descriptor))
        return Converted(array, places, refusals)


class BothConverters:
    """The first one's rows; a body that the other reads otherwise, or does not read, is reported."""

    def __init__(self, first: Converter, second: Converter) -> None:
        self._first: Final = first
        self._second: Final = second

    def convert(self, bodies: Sequence[bytes], message_class: type[Message]) -> Converted:
        """Convert bodies of one class twice."""
        first = self._first.convert(bodies, message_class)
        second = self._second.convert(bodies, message_class)
        said = {refusal.place for refusal in first.refusals}
        theirs = dict(zip(second.kept, range(len(second.kept)), strict=True))
        refusals = list(first.refusals)
        for at, index in enumerate(first.kept):
            other = theirs.get(index)
            if index in said:
                continue
            if other is None or repr(first.array[at].as_py()) != repr(second.array[other].as_py()):
                refusals.append(Refusal(index, "ConverterMismatch", "two converters disagree on this body", False))
        return Converted(first.array, first.kept, refusals)


def class_descriptor(message_class: Any) -> Descriptor:
    """Return the descriptor of a class, whatever protobuf's type stubs call it."""
    found: Descriptor = message_class.DESCRIPTOR
    return found


_with_enums: dict[Descriptor, bool] = {}


def _has_enums(message: Descriptor) -> bool:
    """Say whether a class has a field of an enum's type, at any depth."""
    found = _with_enums.get(message)
    if found is None:
        found = _with_enums[message] = any(
            field.enum_type is not None or (field.message_type is not None and _has_enums(field.message_type))
            for field in message.fields
        )
    return found


def _parsed(bodies: Sequence[bytes], message_class: Any) -> tuple[Sequence[int], Sequence[bytes], list[Refusal]]:
    """Return the bodies that protobuf's parser takes, which they are, and the refusals of the others."""
    parse = message_class.FromString
    try:
        for body in bodies:
            parse(body)
    except DecodeError:
        pass
    else:
        return range(len(bodies)), bodies, []
    places: list[int] = []
    refusals: list[Refusal] = []
    for place, body in enumerate(bodies):
        try:
            decode_body(body, message_class, check_required=False)
        except BodyError as error:
            refusals.append(_refusal(place, error, is_lost=True))
        else:
            places.append(place)
    return places, [bodies[place] for place in places], refusals


def _refusal(index: int, error: Exception, *, is_lost: bool) -> Refusal:
    name = type(error).__name__ if isinstance(error, WireError) else "ConverterRefusal"
    return Refusal(index, name, str(error), is_lost)


def _plain(message: Message) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in descriptor_of(message).fields:
        if is_repeated(field):
            values[field.name] = [_value(field, each) for each in getattr(message, field.name)]
        elif message.HasField(field.name):
            values[field.name] = _value(field, getattr(message, field.name))
    return values


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return _plain(value)
    if isinstance(value, bytes) and field.type != field.TYPE_BYTES:
        # proto2 hands out strings that are not UTF-8 as bytes.
        return value.decode(errors="backslashreplace")
    return value
