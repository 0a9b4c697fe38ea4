"""What a message says, in a few words: securities, list lengths, short scalars, and what went wrong.

How to say it is worked out once a class from its descriptor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.markets.exchanges import QOT_PREFIXES
from ftwire_tools.messages.descriptors import descriptor_of, is_repeated
from ftwire_tools.messages.enums import enum_name, enum_names
from ftwire_tools.messages.masking import is_secret
from ftwire_tools.messages.securities import may_name_securities, securities_of
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

__all__ = [
    "MAX_FACTS",
    "MAX_TEXT",
    "PRICES",
    "SECURITY",
    "facts_of",
    "payload_of",
    "says_something",
    "scalar_sayer",
    "short_enum_name",
    "teller_of",
]

MAX_SECURITIES: Final = 3
MAX_FACTS: Final = 7
MAX_TEXT: Final = 32

SECURITY: Final = "Qot_Common.Security"
PRICES: Final = ("price", "curPrice", "closePrice")
"""Fields of an item that are its news, where it comes alone."""

NEWS: Final = ("trdSide", "orderStatus", "qty", "price", "fillQty")
"""Fields of a message inside another, such as an order, that are worth a word."""

Teller = Callable[[Any], str]
"""Says what is in a message."""
Sayer = Callable[[Any], "str | None"]
"""Says the value of one field."""


_tellers: dict[Descriptor, Teller] = {}


def facts_of(message: Message) -> str:
    """Say what is in a request, a response or a push."""
    return teller_of(descriptor_of(message))(message)


def teller_of(descriptor: Descriptor) -> Teller:
    """Return what says it of messages of one class."""
    teller = _tellers.get(descriptor)
    if teller is None:
        teller = _tellers[descriptor] = _make_teller(descriptor)
    return teller


def payload_of(descriptor: Descriptor) -> tuple[FieldDescriptor | None, bool]:
    """Return the field that holds what a request or a response is about, if there is one; and if it is a response."""
    names = descriptor.fields_by_name
    payload = next((names[name] for name in ("s2c", "c2s") if name in names and names[name].message_type), None)
    is_response = {"retType", "retMsg", "errCode"} <= set(names)
    return payload, is_response and payload is not None and payload.name == "s2c"


def _make_teller(descriptor: Descriptor) -> Teller:
    payload, is_response = payload_of(descriptor)
    if payload is None or payload.message_type is None:
        return _fields_teller(descriptor)
    name, tell = payload.name, _fields_teller(payload.message_type)

    def tell_response(response: Any) -> str:
        if response.retType:
            return f"{_failure(response)} {tell(response.s2c)}".rstrip()
        return tell(response.s2c)

    # A payload that is absent reads as an empty one.
    return tell_response if is_response else lambda message: tell(getattr(message, name))


def _fields_teller(descriptor: Descriptor) -> Teller:
    sayers = {field: sayer for field in descriptor.fields if (sayer := _sayer(field)) is not None}

    def tell(message: Any) -> str:
        parts: list[str] = []
        for field, value in message.ListFields():
            sayer = sayers.get(field)
            if sayer is not None and (said := sayer(value)):
                parts.append(said)
                if len(parts) == MAX_FACTS:
                    break
        return " ".join(parts)

    return tell


def _failure(response: Any) -> str:
    """Say why OpenD refused; ``errCode`` is most often absent or 0."""
    field = descriptor_of(response).fields_by_name["retType"]
    name = _short(enum_name(field, response.retType))
    parts = [f"retType={response.retType}" + (f"({name})" if name else "")]
    if response.errCode:
        parts.append(f"errCode={response.errCode}")
    if response.retMsg:
        parts.append(_quoted(response.retMsg))
    return " ".join(parts)


def _sayer(field: FieldDescriptor) -> Sayer | None:
    """Return what says the value of a field, ``None`` for a field that is passed over."""
    inner = field.message_type
    if is_secret(field):
        return None
    if inner is None:
        return _list_sayer(field) if is_repeated(field) else scalar_sayer(field)
    if inner.full_name == SECURITY:
        return _securities if is_repeated(field) else _security
    if is_repeated(field):
        return _items_sayer(field.name, inner)
    return _said_by_message if inner.name == "TrdHeader" else _news_sayer(inner)


def says_something(field: FieldDescriptor) -> bool:
    """Say whether anything is said of the values of a field."""
    return _sayer(field) is not None


def _security(security: Any) -> str:
    # security_name and _shown, without a call where there is nothing to hide: nearly every line says one.
    market = security.market
    name = f"{QOT_PREFIXES.get(market) or market}.{security.code}"
    return name if len(name) <= MAX_TEXT and name.isprintable() else _shown(name)


def _securities(securities: Any) -> str:
    return _few(map(_security, securities))


def _news_sayer(inner: Descriptor) -> Sayer | None:
    """Say the securities inside a message, and what else is news."""
    if not may_name_securities(inner):
        return None
    sayers = {field.number: scalar_sayer(field) for field in inner.fields if field.name in NEWS}

    def say(message: Any) -> str:
        parts = [_few(securities_of(message))]
        for field, value in message.ListFields():
            if field.number in sayers:
                parts.append(sayers[field.number](value) or "")
        return " ".join(filter(None, parts))

    return say


def _few(names: Iterable[str]) -> str:
    """Write the first few different ones."""
    found: list[str] = []
    for name in names:
        if name not in found:
            if len(found) == MAX_SECURITIES:
                found.append("...")
                break
            found.append(name)
    return ",".join(map(_shown, found))


def _said_by_message(message: Any) -> str | None:
    return facts_of(message) or None


def _items_sayer(name: str, item: Descriptor) -> Sayer:
    names_securities = may_name_securities(item)
    price = next((price for price in PRICES if price in item.fields_by_name), None)

    def say(items: Any) -> str:
        count = len(items)
        said = f"{name}[{count}]"
        if names_securities:
            said += f" {_few(one for each in items for one in securities_of(each))}".rstrip()
        if count == 1 and price is not None and items[0].HasField(price):
            said += f" {price}={getattr(items[0], price)}"
        return said

    return say


def scalar_sayer(field: FieldDescriptor) -> Sayer:
    """Return what says the value of a field that is no list and holds no message."""
    name = field.name
    names = enum_names(field)
    if names is not None:
        return lambda value: f"{name}={_short(names.get(value)) or value}"
    if field.cpp_type == field.CPPTYPE_STRING:
        return lambda value: f"{name}={_quoted(value)}"
    if field.cpp_type == field.CPPTYPE_BOOL:
        return lambda value: f"{name}={'true' if value else 'false'}"
    return lambda value: f"{name}={value}"


def _list_sayer(field: FieldDescriptor) -> Sayer:
    name = field.name
    names = enum_names(field)
    if names is None:
        return lambda values: f"{name}[{len(values)}]"
    return lambda values: f"{name}={','.join(_short(names.get(value)) or str(value) for value in values)}"


def short_enum_name(name: str) -> str:
    """Leave out the enum's own name, which the vendor puts in front: ``SubType_RT`` is ``RT``."""
    return name.partition("_")[2] or name


def _short(name: str | None) -> str | None:
    return None if name is None else short_enum_name(name)


def _quoted(value: str | bytes) -> str:
    """Write text on one line; quoted where it would otherwise run into its neighbours."""
    text = _shown(value if isinstance(value, str) else value.decode(errors="backslashreplace"))
    return text if text.isalnum() else f'"{text}"'


def _shown(text: str) -> str:
    """Cut long text short, and leave nothing in it that a terminal would obey: it came over the wire."""
    return printable(text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "...")
