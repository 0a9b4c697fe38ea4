"""What can be wrong with a plain body, by name: the bytes of it, and the fields of its message.

``ftwire.strategies`` and ``ftwire fuzz`` make bodies with these mutations before they take the digest: the frame around
such a body is correct, its content is not. ``ftwire.frame_mutations`` and ``ftwire.envelope_mutations`` are what can be
wrong around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from ftwire._varints import encode_varint
from ftwire.body import decode_body
from ftwire.errors import WireError
from ftwire.frame_mutations import MutationKind, NamedMutation, flip_bit
from ftwire.header import BodyFormat
from ftwire.schema import is_repeated, is_required

__all__ = ["BODY_MUTATIONS", "UNKNOWN_FIELD", "encode_varint", "mutate_body"]

BODY_MUTATIONS: Final = {
    "empty body": MutationKind("no body at all", 6),
    "cut body": MutationKind("the first N bytes of the body", 4, random_bits=16),
    "flip body": MutationKind("bit N of the body inverted", 4, random_bits=16),
    "random body": MutationKind("these bytes for the body", 3, random_bytes=(1, 60)),
    "grow body": MutationKind("an unknown field of N bytes more", 3, (1, 1000, 70_000)),
    "missing field": MutationKind("the Nth of the required fields left out", 6, random_bits=16),
    "unknown enum": MutationKind("the Nth whole number set to one that no enum has", 5, random_bits=16),
    "extreme number": MutationKind("the Nth number set to an end of its range", 5, random_bits=16),
    "odd string": MutationKind("the Nth string set to one that is long, astral or with NUL", 3, random_bits=16),
}
"""Mutations of a plain body, by name, in the order in which they are done."""
UNKNOWN_FIELD: Final = 500
"""A field number that no message of the protocol has."""
_ENDS: Final[dict[int, tuple[Any, ...]]] = {  # by FieldDescriptor.cpp_type
    1: (-(1 << 31), (1 << 31) - 1),  # int32
    2: (-(1 << 63), (1 << 63) - 1),  # int64
    3: (0, (1 << 32) - 1),  # uint32
    4: (0, (1 << 64) - 1),  # uint64
    5: (float("nan"), float("inf"), -1e308, 5e-324),  # double
    6: (float("nan"), float("-inf")),  # float
}
_STRINGS: Final = ("", "\0", "a" * 70_000, "\U0001f409", "../../etc/passwd", "%n%s", "' OR 1=1 --", "\ufeff\u202e")
_FIELD_MUTATIONS: Final[dict[str, Callable[[Any], tuple[Any, ...]]]] = {
    "missing field": lambda field: (None,) if is_required(field) else (),
    # The schema has most of its enums as int32.
    "unknown enum": lambda field: (-7, 9999) if field.cpp_type == field.CPPTYPE_INT32 else (),
    "extreme number": lambda field: _ENDS.get(field.cpp_type, ()),
    "odd string": lambda field: _STRINGS if field.type == field.TYPE_STRING else (),
}
"""Mutation of one field to what may be set there instead: ``None`` for nothing, no choices where it does not apply."""


def mutate_body(body: bytes, mutations: Iterable[NamedMutation], body_format: int, message_class: Any) -> bytes:
    """Return a plain body with these things wrong; names of other tables do nothing here.

    ``message_class`` is the body's, ``None`` where there is none. Mutations of fields need one, and protobuf.
    """
    values: dict[str, Any] = dict(mutations)
    for name in BODY_MUTATIONS:
        if name in values:
            body = _mutated(body, name, values[name], body_format, message_class)
    return body


def _mutated(body: bytes, name: str, value: Any, body_format: int, message_class: Any) -> bytes:
    if name == "empty body":
        return b""
    if name == "cut body":
        return body[: int(value) % len(body)] if body else body
    if name == "flip body":
        return flip_bit(body, value)
    if name == "random body":
        return bytes.fromhex(value)
    if name == "grow body":
        if body_format != BodyFormat.PROTOBUF:
            return body + b" " * int(value)
        return body + encode_varint(UNKNOWN_FIELD << 3 | 2) + encode_varint(value) + bytes(value)
    if body_format != BodyFormat.PROTOBUF or message_class is None:
        return body
    try:
        message = decode_body(body, message_class, check_required=False)
    except WireError:
        return body
    if places := list(_places(message, _FIELD_MUTATIONS[name])):
        parent, field, choices = places[value % len(places)]
        chosen = choices[value % len(choices)]
        if chosen is None:
            parent.ClearField(field.name)
        else:
            setattr(parent, field.name, chosen)
    return bytes(message.SerializePartialToString())


def _places(message: Any, choices_of: Callable[[Any], tuple[Any, ...]]) -> Iterator[tuple[Any, Any, tuple[Any, ...]]]:
    """Give (message, field, choices) of every field that is set and that has choices."""
    for field, value in message.ListFields():
        if not is_repeated(field) and (choices := choices_of(field)):
            yield message, field, choices
        if field.cpp_type == field.CPPTYPE_MESSAGE:
            for each in value if is_repeated(field) else [value]:
                yield from _places(each, choices_of)
