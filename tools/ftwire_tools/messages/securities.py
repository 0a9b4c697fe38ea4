"""The securities that a message is about, for messages of any class.

The paths to them are found once for each class, from its descriptor; for each message they are attribute look-ups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.markets.codes import security_name
from ftwire_tools.markets.exchanges import QOT_PREFIXES, TRADE_PREFIXES
from ftwire_tools.messages.descriptors import descriptor_of, is_repeated

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

__all__ = ["market_of", "may_name_securities", "securities_of"]

_MARKETS: Final = (("market", QOT_PREFIXES), ("secMarket", TRADE_PREFIXES))
"""Fields that hold the market of the field ``code`` beside them, and the prefixes of their numbers."""

_MAX_DEPTH: Final = 8
"""Nesting levels searched; the vendor's messages have six at most."""

Finder = Callable[[Any], Iterator[str]]

_finders: dict[Descriptor, Finder | None] = {}


def securities_of(message: Message) -> Iterator[str]:
    """Yield every security in a message, in the order of its fields, repetitions included."""
    finder = _finder(descriptor_of(message))
    return iter(()) if finder is None else finder(message)


def may_name_securities(descriptor: Descriptor) -> bool:
    """Return whether messages of a class can hold a security."""
    return _finder(descriptor) is not None


def market_of(descriptor: Descriptor) -> tuple[str, dict[int, str]] | None:
    """Return the field that holds the market of a class's own ``code``, and the prefixes of its numbers.

    ``None`` for a class that has no code, or whose market is a name: ``OptionStaticExData.market`` is.
    """
    fields = descriptor.fields_by_name
    if "code" not in fields or fields["code"].cpp_type != fields["code"].CPPTYPE_STRING:
        return None
    known = (market for market in _MARKETS if market[0] in fields)
    return next((market for market in known if fields[market[0]].cpp_type == fields["code"].CPPTYPE_INT32), None)


def _finder(descriptor: Descriptor) -> Finder | None:
    try:
        return _finders[descriptor]
    except KeyError:
        made = _finders[descriptor] = _make_finder(descriptor, _MAX_DEPTH)
        return made


def _make_finder(descriptor: Descriptor, depth: int) -> Finder | None:
    """Return what finds securities in messages of this class, ``None`` where there can be none."""
    own = market_of(descriptor)
    steps: list[tuple[str, bool, Finder]] = []
    if depth:
        for field in descriptor.fields:
            if field.message_type is not None:
                inner = _make_finder(field.message_type, depth - 1)
                if inner is not None:
                    steps.append((field.name, is_repeated(field), inner))
    if own is None and not steps:
        return None

    def find(message: Any) -> Iterator[str]:
        if own is not None and message.code:
            yield security_name(getattr(message, own[0]), message.code, own[1])
        for name, many, inner in steps:
            if many:
                for item in getattr(message, name):
                    yield from inner(item)
            elif message.HasField(name):
                yield from inner(getattr(message, name))

    return find
