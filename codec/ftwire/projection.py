"""The values at a few field paths of a body, without the rest of it.

For programs that look at many bodies and need little of each::

    projection = Projection(Qot_UpdateRT.Response, ["retType", "s2c.security.code", "s2c.rtList", "s2c.rtList[].price"])
    projection.decode(body)            # (0, '00700', 2, [600.5, 601.0])

Where the compiled core is installed, it reads the values from the body's bytes; otherwise the body is parsed and the
message is walked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire._core import core
from ftwire._fields import describe_messages
from ftwire.body import decode_body
from ftwire.schema import is_repeated

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["Projection"]

EVERY: Final = "[]"


class Projection:
    """Reads the values at some paths of the messages of one class.

    A path is the names of fields, as in the ``.proto`` file, with dots between. The value at its end is that of a
    scalar, as the message has it (an enum's as a number); the number of items of a list; ``True`` for a message.
    Where nothing is set, and for an empty list, it is ``None``.

    A path through a list goes into its first item. With ``[]`` behind the list's name it goes into every item, and its
    value is a list with an entry for each: ``s2c.rtList[].price``. Two such paths through the same list have equally
    many entries. A list of scalars may end a path so: ``c2s.subTypeList[]``.

    Raises ``ValueError`` for a path that the class does not have, or that is given twice.
    """

    __slots__ = ("_wanted", "decode_plain", "message_class", "paths")

    def __init__(self, message_class: type[Message], paths: Iterable[str]) -> None:
        self.message_class: Final = message_class
        self.paths: Final = tuple(paths)
        if len(set(self.paths)) != len(self.paths):
            raise ValueError(f"a path is given twice: {', '.join(self.paths)}")
        steps = [_steps(message_class.DESCRIPTOR, path) for path in self.paths]
        self._wanted: Final[list[_Want]] = []
        for slot, each in enumerate(steps):
            _add(self._wanted, each, slot)
        messages = None if core is None else describe_messages(message_class.DESCRIPTOR)
        numbers = [[(step.field.number, step.every) for step in each] for each in steps]
        self.decode_plain: Final[Callable[[bytes], tuple[Any, ...] | None]] = (
            _no_values if core is None or messages is None else core.Projection(messages, numbers).decode
        )
        """Return what ``decode`` returns, or ``None`` for a body that the core does not read: it is not as serializers
        of protobuf write it, or it lacks a required field."""

    def decode(self, body: bytes) -> tuple[Any, ...]:
        """Return the values of a protobuf body, in the order of the paths.

        Required fields that are missing are no error. Raises ``BodyError`` for a body that does not parse.
        """
        found = self.decode_plain(body)
        return found if found is not None else self.of(decode_body(body, self.message_class, check_required=False))

    def of(self, message: Message) -> tuple[Any, ...]:
        """Return the values of a message. Raises ``TypeError`` for one of another class."""
        if type(message) is not self.message_class:
            theirs, ours = message.DESCRIPTOR.full_name, self.message_class.DESCRIPTOR.full_name
            raise TypeError(f"a projection of {ours} cannot read {theirs}")
        values = [None] * len(self.paths)
        _read(self._wanted, message, values)
        return tuple(values)


def _no_values(body: bytes) -> None:
    """Do nothing: there is no core, or the class has rules that it does not implement."""


class _Step(NamedTuple):
    field: Any
    every: bool


def _steps(descriptor: Any, path: str) -> list[_Step]:
    """Return the fields of a path."""
    steps = []
    inner = descriptor
    for name in path.split("."):
        every = name.endswith(EVERY)
        field = None if inner is None else inner.fields_by_name.get(name.removesuffix(EVERY))
        if field is None or (every and not is_repeated(field)):
            raise ValueError(f"{descriptor.full_name} has nothing at {path!r}")
        steps.append(_Step(field, every))
        inner = field.message_type
    if every and inner is not None:
        raise ValueError(f"{descriptor.full_name} has messages at {path!r}: name a field of theirs")
    return steps


class _Want:
    """What to read of one field of a message."""

    __slots__ = ("every", "has_presence", "inner", "is_list", "is_message", "is_sure", "name", "slot", "slots")

    def __init__(self, field: Any) -> None:
        self.name: str = field.name
        self.is_list = is_repeated(field)
        self.is_message = field.message_type is not None
        self.is_sure = not (self.is_message or field.default_value)
        """Whether a value other than zero proves that the field is set: reading it is faster than ``HasField``."""
        self.has_presence: bool = field.has_presence
        self.slot: int | None = None
        """Index of its value in the result: ``True`` for a message, the length of a list."""
        self.inner: list[_Want] = []
        """What to read of the message in the field, or of the first in the list."""
        self.every: list[_Want] = []
        """What to read of every message in the list."""
        self.slots: list[int] = []
        """Indexes of those lists in the result; one where the items are scalars."""


def _add(wanted: list[_Want], steps: list[_Step], slot: int) -> None:
    (field, every), rest = steps[0], steps[1:]
    want = next((each for each in wanted if each.name == field.name), None)
    if want is None:
        want = _Want(field)
        wanted.append(want)
    if every:
        want.slots.append(slot)
        if rest:
            _add(want.every, rest, len(want.slots) - 1)
    elif rest:
        _add(want.inner, rest, slot)
    else:
        want.slot = slot


def _read(wanted: list[_Want], message: Any, values: list[Any]) -> None:
    """Write the values of a message to their places in the result."""
    for want in wanted:
        value = getattr(message, want.name)
        if want.is_list:
            if value:
                _read_list(want, value, values)
        elif (value and want.is_sure) or (want.has_presence and message.HasField(want.name)):
            if want.slot is not None:
                values[want.slot] = True if want.is_message else value
            if want.inner:
                _read(want.inner, value, values)


def _read_list(want: _Want, items: Any, values: list[Any]) -> None:
    if want.slot is not None:
        values[want.slot] = len(items)
    if want.inner:
        _read(want.inner, items[0], values)
    if not want.every:
        for slot in want.slots:
            values[slot] = list(items)
        return
    rows = []
    for item in items:
        row = [None] * len(want.slots)
        _read(want.every, item, row)
        rows.append(row)
    for slot, column in zip(want.slots, zip(*rows, strict=True), strict=True):
        values[slot] = list(column)
