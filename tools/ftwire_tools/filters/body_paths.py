"""The values at a field path in bodies of any class, read without the rest of the body where that is possible."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.capture import read_body, status_of
from ftwire.projection import Projection
from ftwire_tools.messages.descriptors import descriptor_of, is_repeated

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    from ftwire.frame import Frame
    from ftwire.protocols import Registry
    from ftwire.websocket import Envelope

__all__ = ["BodyPath", "PathEnd", "classes_of", "known_paths"]

_STARTS: Final = ("", "s2c", "c2s")
_MAX_DEPTH: Final = 8
"""Nesting levels that are searched for names to suggest; the vendor's messages have six at most."""


class PathEnd(NamedTuple):
    """Where a path ends in messages of one class."""

    steps: str
    """The path from the message, for a ``Projection``."""
    field: FieldDescriptor


class BodyPath:
    """Reads the values at one path; ``s2c`` and ``c2s`` may be left out at its beginning."""

    def __init__(self, path: str) -> None:
        self._names: Final = path.split(".")
        self._readers: Final[dict[type[Message], Projection | None]] = {}

    def end_in(self, descriptor: Descriptor) -> PathEnd | None:
        """Return where the path ends in messages of a class; ``None`` where they do not have it."""
        for start in _STARTS:
            names = [start, *self._names] if start else self._names
            steps: list[str] = []
            inner: Descriptor | None = descriptor
            field: FieldDescriptor | None = None
            for name in names:
                field = None if inner is None else inner.fields_by_name.get(name)
                if field is None:
                    break
                inner = field.message_type
                steps.append(f"{name}[]" if is_repeated(field) else name)
            if field is not None:
                if field.message_type is not None:
                    steps[-1] = field.name
                return PathEnd(".".join(steps), field)
        return None

    def ends(self, registry: Registry) -> list[PathEnd]:
        """Return where the path ends in messages of each class that has it."""
        return [end for each in classes_of(registry) if (end := self.end_in(each)) is not None]

    def values(self, frame: Frame | Envelope) -> tuple[type[Message] | None, list[Any]]:
        """Return the class of a frame's body, and the values in it that are set; none where it cannot be read."""
        found = frame.body_class
        if found is not None and frame.error is None and (frame.payload or not status_of(frame)):
            projection = self._projection(found)
            if projection is None:
                return None, []
            plain = projection.decode_plain(frame.body)
            if plain is not None:
                return found, list(_flat(plain[0]))
        message, _ = read_body(frame)
        if message is None:
            return None, []
        projection = self._projection(type(message))
        return (None, []) if projection is None else (type(message), list(_flat(projection.of(message)[0])))

    def _projection(self, message_class: type[Message]) -> Projection | None:
        try:
            return self._readers[message_class]
        except KeyError:
            end = self.end_in(descriptor_of(message_class))
            made = None if end is None else Projection(message_class, [end.steps])
            self._readers[message_class] = made
            return made


def _flat(value: Any) -> Iterator[Any]:
    """Return what is set of the values of a path through lists in lists."""
    if isinstance(value, list):
        for each in value:
            yield from _flat(each)
    elif value is not None:
        yield value


def classes_of(registry: Registry) -> Iterator[Descriptor]:
    """Return the classes of all bodies, older releases' too."""
    for entry in registry:
        for found in (entry.request, entry.response):
            if found is not None:
                yield descriptor_of(found)


@cache
def known_paths(registry: Registry) -> frozenset[str]:
    """Return every path there is, without ``s2c`` and ``c2s``."""
    paths: set[str] = set()
    for descriptor in classes_of(registry):
        _add_paths(descriptor, "", _MAX_DEPTH, paths)
    return frozenset(paths)


def _add_paths(descriptor: Descriptor, before: str, depth: int, paths: set[str]) -> None:
    for field in descriptor.fields:
        path = before + field.name
        is_body = not before and field.name in _STARTS
        if not is_body:
            paths.add(path)
        if field.message_type is not None and depth:
            _add_paths(field.message_type, "" if is_body else f"{path}.", depth - 1, paths)
