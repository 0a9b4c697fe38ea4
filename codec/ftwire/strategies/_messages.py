"""Messages of any class, from its descriptor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.message import Message
from hypothesis import strategies as st

from ftwire._render import is_repeated

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

__all__ = ["messages"]

MessageT = TypeVar("MessageT", bound=Message)

# FieldDescriptor.TYPE_*: the numbers, and those of them that hold integers, with bits and sign.
_DOUBLE, _FLOAT, _BOOL, _STRING, _GROUP, _MESSAGE, _BYTES, _ENUM = 1, 2, 8, 9, 10, 11, 12, 14
_INTEGERS = {
    3: (64, True),
    4: (64, False),
    5: (32, True),
    6: (64, False),
    7: (32, False),
    13: (32, False),
    15: (32, True),
    16: (64, True),
    17: (32, True),
    18: (64, True),
}


@st.composite
def messages(
    draw: st.DrawFn,
    message_class: type[MessageT],
    *,
    max_depth: int = 6,
    max_items: int = 3,
    finite: bool = False,
) -> MessageT:
    """Messages of ``message_class``, every required field set, at every depth.

    Optional fields are there or not, lists hold up to ``max_items``. Below ``max_depth`` levels only what is
    required is set. Integers reach the ends of their range, strings are any Unicode text; ``finite`` leaves
    out NaN and the infinities (a message with a NaN is not equal to itself).
    """
    message = message_class()
    _fill(draw, message, max_depth, max_items, finite)
    return message


def _fill(draw: st.DrawFn, message: Any, depth: int, items: int, finite: bool) -> None:
    fields = message.DESCRIPTOR.fields
    optional = [field for field in fields if not _is_required(field)]
    # One draw decides which optional fields are there: a draw per field of a class of a hundred is slow.
    present = draw(st.integers(0, (1 << len(optional)) - 1)) if optional and depth > 0 else 0
    chosen = {field.number for index, field in enumerate(optional) if present >> index & 1}
    for field in fields:
        if not _is_required(field) and field.number not in chosen:
            continue
        if is_repeated(field):
            target = getattr(message, field.name)
            if _is_map(field):
                _fill_map(draw, target, field, depth, items, finite)
            elif field.type in (_MESSAGE, _GROUP):
                for _ in range(draw(st.integers(0, items))):
                    _fill(draw, target.add(), depth - 1, items, finite)
            else:
                target.extend(draw(st.lists(_values(field, finite), max_size=items)))
        elif field.type in (_MESSAGE, _GROUP):
            inner = getattr(message, field.name)
            inner.SetInParent()
            _fill(draw, inner, depth - 1, items, finite)
        else:
            setattr(message, field.name, draw(_values(field, finite)))


def _fill_map(draw: st.DrawFn, target: Any, field: FieldDescriptor, depth: int, items: int, finite: bool) -> None:
    entry: Any = field.message_type
    key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
    for name in draw(st.lists(_values(key, finite), max_size=items, unique=True)):
        if value.type == _MESSAGE:
            _fill(draw, target[name], depth - 1, items, finite)
        else:
            target[name] = draw(_values(value, finite))


def _is_required(field: FieldDescriptor) -> bool:
    # `label` ended with protobuf 7, `is_required` came with 6.
    known = getattr(field, "is_required", None)
    return bool(field.label == 2 if known is None else known)  # type: ignore[attr-defined]


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _values(field: FieldDescriptor, finite: bool) -> st.SearchStrategy[Any]:
    kind = field.type
    if kind in _INTEGERS:
        bits, signed = _INTEGERS[kind]
        low = -(1 << (bits - 1)) if signed else 0
        high = (1 << (bits - 1 if signed else bits)) - 1
        return st.integers(low, high)
    if kind == _DOUBLE:
        return st.floats(allow_nan=not finite, allow_infinity=not finite)
    if kind == _FLOAT:
        return st.floats(width=32, allow_nan=not finite, allow_infinity=not finite)
    if kind == _ENUM:
        enum: EnumDescriptor | Any = field.enum_type
        return st.sampled_from([value.number for value in enum.values])
    return {_BOOL: st.booleans(), _STRING: st.text(max_size=20), _BYTES: st.binary(max_size=20)}[kind]
