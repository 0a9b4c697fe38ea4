"""The securities that a message is about, for messages of any class.

The field paths to them are found once for each class, from its descriptor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.frame import UnknownBody
from ftwire.projection import Projection
from ftwire_tools.markets.codes import security_name
from ftwire_tools.markets.exchanges import QOT_PREFIXES, TRADE_PREFIXES
from ftwire_tools.messages.descriptors import descriptor_of, is_repeated

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from ftwire.frame import Frame
    from ftwire.websocket import Envelope

__all__ = ["SecurityFinder", "market_of", "securities_of", "securities_of_frame", "security_finder"]

_MARKETS: Final = (("market", QOT_PREFIXES), ("secMarket", TRADE_PREFIXES))
"""Fields that hold the market of the field ``code`` beside them, and the prefixes of their numbers."""

_MAX_DEPTH: Final = 8
"""Nesting levels searched; the vendor's messages have six at most."""


class SecurityFinder(NamedTuple):
    """Where messages of one class name securities."""

    paths: tuple[str, ...]
    """The paths to their markets and codes, for a ``Projection``."""
    names: Callable[[Sequence[Any]], Iterator[str]]
    """Takes the values at these paths, and gives every security in the order of the fields, repetitions included."""


_finders: dict[Descriptor, SecurityFinder | None] = {}
_projections: dict[type[Message], tuple[Projection, SecurityFinder] | None] = {}


def securities_of(message: Message) -> Iterator[str]:
    """Yield every security named in a message, in the order of its fields, repetitions included."""
    found = _projection(type(message))
    return iter(()) if found is None else found[1].names(found[0].of(message))


def securities_of_frame(frame: Frame | Envelope) -> Iterator[str]:
    """Yield every security named in the body of a frame; none where it has no message. Raises ``BodyError``."""
    message_class = frame.body_class
    if message_class is not None:
        found = _projection(message_class)
        if found is None:
            return iter(())
        values = found[0].decode_plain(frame.body)
        if values is not None:
            return found[1].names(values)
    message = frame.message
    return iter(()) if isinstance(message, UnknownBody) else securities_of(message)


def security_finder(descriptor: Descriptor) -> SecurityFinder | None:
    """Return where messages of a class name securities, ``None`` where they have no place for one."""
    try:
        return _finders[descriptor]
    except KeyError:
        made = _finders[descriptor] = _make_finder(descriptor, _MAX_DEPTH)
        return made


def market_of(descriptor: Descriptor) -> tuple[str, dict[int, str]] | None:
    """Return the field that holds the market of a class's own ``code``, and the prefixes of its numbers.

    ``None`` for a class that has no code, or whose market is a name: ``OptionStaticExData.market`` is.
    """
    fields = descriptor.fields_by_name
    if "code" not in fields or fields["code"].cpp_type != fields["code"].CPPTYPE_STRING:
        return None
    known = (market for market in _MARKETS if market[0] in fields)
    return next((market for market in known if fields[market[0]].cpp_type == fields["code"].CPPTYPE_INT32), None)


def _projection(message_class: type[Message]) -> tuple[Projection, SecurityFinder] | None:
    try:
        return _projections[message_class]
    except KeyError:
        finder = security_finder(descriptor_of(message_class))
        made = None if finder is None else (Projection(message_class, finder.paths), finder)
        _projections[message_class] = made
        return made


def _make_finder(descriptor: Descriptor, depth: int) -> SecurityFinder | None:
    own = market_of(descriptor)
    paths: list[str] = []
    readers: list[tuple[slice, Callable[[Sequence[Any]], Iterator[str]]]] = []
    if own is not None:
        paths += [own[0], "code"]
        readers.append((slice(0, 2), _own_name(own[1])))
    for field in descriptor.fields if depth else ():
        inner = None if field.message_type is None else _make_finder(field.message_type, depth - 1)
        if inner is not None:
            start, step = len(paths), f"{field.name}[]" if is_repeated(field) else field.name
            paths += [f"{step}.{path}" for path in inner.paths]
            readers.append((slice(start, len(paths)), _names_of_items(inner) if is_repeated(field) else inner.names))
    if not paths:
        return None

    def names(values: Sequence[Any]) -> Iterator[str]:
        for part, read in readers:
            yield from read(values[part])

    return SecurityFinder(tuple(paths), names)


def _own_name(prefixes: dict[int, str]) -> Callable[[Sequence[Any]], Iterator[str]]:
    def names(values: Sequence[Any]) -> Iterator[str]:
        market, code = values
        if code:
            yield security_name(market, code, prefixes)

    return names


def _names_of_items(item: SecurityFinder) -> Callable[[Sequence[Any]], Iterator[str]]:
    def names(columns: Sequence[Any]) -> Iterator[str]:
        if columns[0] is not None:
            for values in zip(*columns, strict=True):
                yield from item.names(values)

    return names
