"""A few values of a body, without the rest: for programs that look at many bodies and need little of each.

::

    picker = Projection(Qot_UpdateRT.Response, ["retType", "s2c.security.code", "s2c.rtList", "s2c.rtList.price"])
    picker.decode(body)                # (0, '00700', 2, 600.5)

The compiled core, where it is installed, picks them out of the bytes; otherwise the body is parsed, and asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from ftwire._render import is_repeated
from ftwire._transcode import tell_messages
from ftwire.body import decode_body

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["Projection"]


class Projection:
    """Picks the values at some paths out of messages of one class.

    A path is the names of fields, as in the ``.proto`` file, with dots between. What is picked: of a scalar its
    value, as the message has it (an enum's as a number); of a list, how many items it has; of a message,
    ``True``. Where nothing is set, and of an empty list, it is ``None``. A path through a list goes into the
    first of its items.

    Raises ``ValueError`` for a path that the class does not have, or that is given twice.
    """

    __slots__ = ("_core", "_getters", "message_class", "paths")

    def __init__(self, message_class: type[Message], paths: Iterable[str]) -> None:
        self.message_class: Final = message_class
        self.paths: Final = tuple(paths)
        if len(set(self.paths)) != len(self.paths):
            raise ValueError(f"a path is given twice: {', '.join(self.paths)}")
        ways = [_way(message_class.DESCRIPTOR, path) for path in self.paths]
        self._getters: Final = [_getter(way) for way in ways]
        self._core: Final = _core_picker(message_class, [[field.number for field in way] for way in ways])

    def decode(self, body: bytes) -> tuple[Any, ...]:
        """Return what is picked out of a protobuf body, in the order of the paths.

        Required fields that are missing are no error. Raises ``BodyError`` for a body that does not parse.
        """
        if self._core is not None:
            found: tuple[Any, ...] | None = self._core.pick(body)
            if found is not None:
                return found
        return self.of(decode_body(body, self.message_class, check_required=False))

    def of(self, message: Message) -> tuple[Any, ...]:
        """Return the same of a message. Raises ``TypeError`` for one of another class."""
        if type(message) is not self.message_class:
            theirs, ours = message.DESCRIPTOR.full_name, self.message_class.DESCRIPTOR.full_name
            raise TypeError(f"this picks out of {ours}, not out of {theirs}")
        return tuple([get(message) for get in self._getters])


def _way(descriptor: Any, path: str) -> list[Any]:
    """Return the fields of a path."""
    way = []
    inner = descriptor
    for name in path.split("."):
        field = None if inner is None else inner.fields_by_name.get(name)
        if field is None:
            raise ValueError(f"{descriptor.full_name} has nothing at {path!r}")
        way.append(field)
        inner = field.message_type
    return way


def _getter(way: list[Any]) -> Callable[[Any], Any]:
    steps = [(field.name, is_repeated(field)) for field in way[:-1]]
    last, many = way[-1], is_repeated(way[-1])
    name, is_message, has_presence = last.name, last.message_type is not None, last.has_presence

    def get(message: Any) -> Any:
        for step, is_list in steps:
            inner = getattr(message, step)
            if is_list:
                if not inner:
                    return None
                message = inner[0]
            elif message.HasField(step):
                message = inner
            else:
                return None
        value = getattr(message, name)
        if many:
            return len(value) or None
        if not (message.HasField(name) if has_presence else value):
            return None
        return True if is_message else value

    return get


def _core_picker(message_class: type[Message], paths: list[list[int]]) -> Any:
    # Imported when the first picker is made: most programs make none.
    from ftwire._core import core

    messages = None if core is None else tell_messages(message_class.DESCRIPTOR, lower_camel=False)
    return None if core is None or messages is None else core.Picker(messages, paths)
