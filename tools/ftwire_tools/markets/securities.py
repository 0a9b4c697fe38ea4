"""Market and code as users write them: ``HK.00700``, ``US.AAPL``.

Finds the securities in a message of any class: the paths to them are worked out from the descriptor once a
class, so that asking a message costs attribute look-ups only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.messages.descriptors import descriptor_of, is_repeated

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

__all__ = ["QOT_PREFIXES", "market_of", "may_name_securities", "parse_security", "securities_of", "security_name"]

# The prefixes are those of the vendor's Python SDK.
QOT_PREFIXES: Final = {
    1: "HK",
    2: "HK_FUTURE",
    11: "US",
    21: "SH",
    22: "SZ",
    31: "SG",
    41: "JP",
    51: "AU",
    61: "MY",
    71: "CA",
    81: "FX",
    91: "CC",
    101: "EC",
}
"""``Qot_Common.QotMarket`` to the prefix of a code."""

TRADE_PREFIXES: Final = {
    1: "HK",
    2: "US",
    31: "SH",
    32: "SZ",
    41: "SG",
    51: "JP",
    61: "AU",
    71: "MY",
    81: "CA",
    91: "FX",
    101: "CC",
    111: "EC",
}
"""``Trd_Common.TrdSecMarket`` to the same."""

_MARKETS: Final = (("market", QOT_PREFIXES), ("secMarket", TRADE_PREFIXES))
"""Field that stands beside a field ``code`` and says which market it belongs to."""

_MAX_DEPTH: Final = 8
"""Levels of a message looked into: the deepest of the vendor's has six."""

Finder = Callable[[Any], Iterator[str]]

_finders: dict[Descriptor, Finder | None] = {}


def security_name(market: int, code: str, prefixes: dict[int, str] = QOT_PREFIXES) -> str:
    """Return market prefix and code, with the bare number of a market nobody knows."""
    return f"{prefixes.get(market) or market}.{code}"


def securities_of(message: Message) -> Iterator[str]:
    """Give every security named in a message, in the order of its fields, repetitions included."""
    finder = _finder(descriptor_of(message))
    return iter(()) if finder is None else finder(message)


def may_name_securities(descriptor: Descriptor) -> bool:
    """Say whether messages of a class have a place for one."""
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


def parse_security(text: str) -> tuple[int, str]:
    """Return market number and code of ``HK.00700``, ``US.AAPL`` or ``11.AAPL``. Raises ``ValueError``."""
    prefix, dot, code = text.partition(".")
    if dot and code:
        if prefix.isdecimal():
            return int(prefix), code
        for market, known in QOT_PREFIXES.items():
            if known == prefix.upper():
                return market, code
    known_prefixes = ", ".join(QOT_PREFIXES.values())
    raise ValueError(f"{text!r} is no security: it is PREFIX.CODE, the prefix one of {known_prefixes}")
