"""Topics: what a push is about, and the subscription that it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.messages import Qot_Common
from ftwire.protocols import registry
from ftwire_tools.messages.subscription_types import KL_TYPES, SUB_TYPES

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = [
    "KLINE_OF_SUB",
    "NOTIFY",
    "NOT_KLINES",
    "SUB_OF_KLINE",
    "TRADE_PUSHES",
    "UPDATE_BASIC_QOT",
    "UPDATE_KL",
    "Topic",
    "narrowed",
    "sub_type_name",
    "topics_of",
]

NOTIFY: Final = 1003
UPDATE_BASIC_QOT: Final = 3005
UPDATE_KL: Final = 3007
TRADE_PUSHES: Final = frozenset({2207, 2208, 2218})
"""Trd_Notify (retired), Trd_UpdateOrder, Trd_UpdateOrderFill."""

_SUB_TYPES: Final[dict[int, int]] = {
    registry[f"Qot_Update{data}"].proto_id: Qot_Common.SubType.Value(f"SubType_{name}")
    for data, name in SUB_TYPES.items()
}
"""Protocol ID of a push to the ``Qot_Common.SubType`` that subscribes to it."""

SUB_OF_KLINE: Final[dict[int, int]] = {
    kline: Qot_Common.SubType.Value(f"SubType_{name}") for kline, name in KL_TYPES.items()
}
"""``Qot_Common.KLType`` to the ``SubType`` that subscribes to it; their numbers differ."""
KLINE_OF_SUB: Final = {sub_type: kline for kline, sub_type in SUB_OF_KLINE.items()}
"""The same from ``SubType`` to ``KLType``."""

NOT_KLINES: Final = frozenset(_SUB_TYPES.values()) - frozenset(SUB_OF_KLINE.values())
"""``SubType`` numbers that are not of K-lines."""


def sub_type_name(number: int) -> str:
    """Return the name of a ``Qot_Common.SubType`` as OpenD's texts have it; the number of one that is not known."""
    found = Qot_Common.SubType.DESCRIPTOR.values_by_number.get(number)
    return str(number) if found is None else str(found.name.removeprefix("SubType_"))


class Topic(NamedTuple):
    """A security and a type of data: what can be subscribed to."""

    market: int
    """``Qot_Common.QotMarket``."""
    code: str
    sub_type: int
    """``Qot_Common.SubType``."""


def topics_of(proto_id: int, message: Message) -> tuple[Topic, ...] | None:
    """Return the topics of a push; ``None`` for one that does not depend on quote subscriptions."""
    s2c: Any = getattr(message, "s2c", None)
    if proto_id == UPDATE_BASIC_QOT:
        return tuple(Topic(item.security.market, item.security.code, 1) for item in s2c.basicQotList)
    if proto_id == UPDATE_KL:
        sub_type = SUB_OF_KLINE.get(s2c.klType, 0)
    elif proto_id in _SUB_TYPES:
        sub_type = _SUB_TYPES[proto_id]
    else:
        return None
    return (Topic(s2c.security.market, s2c.security.code, sub_type),)


def narrowed(message: Message, wanted: set[Topic]) -> Message:
    """Return a push of basic quotes with the quotes of wanted topics only."""
    copy: Any = type(message)()
    copy.CopyFrom(message)
    quotes = copy.s2c.basicQotList
    for index in reversed(range(len(quotes))):
        security = quotes[index].security
        if Topic(security.market, security.code, 1) not in wanted:
            del quotes[index]
    return copy  # type: ignore[no-any-return]  # a message of the same class
