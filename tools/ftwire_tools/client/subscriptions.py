"""The subscriptions of a client, to be requested again on a new connection.

OpenD drops the subscriptions of a connection with the connection. They are taken from successful requests, also those
that a user makes by ``request``: ``Qot_Sub``, ``Qot_RegQotPush``, ``Qot_SubEventContract`` and ``Trd_SubAccPush``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["SUBSCRIBING", "SubscriptionsToRestore"]

QOT_SUB: Final = 3001
QOT_REG_PUSH: Final = 3002
EVENT_CONTRACT: Final = 3455
ACCOUNT_PUSH: Final = 2008

SUBSCRIBING: Final = frozenset({QOT_SUB, QOT_REG_PUSH, EVENT_CONTRACT, ACCOUNT_PUSH})
"""Protocols that change what the gateway pushes."""

# The field that is true to subscribe and false to unsubscribe, by protocol.
_SWITCH: Final = {QOT_SUB: "isSubOrUnSub", QOT_REG_PUSH: "isRegOrUnReg", EVENT_CONTRACT: "isSubOrUnSub"}

Item = tuple[int, str, int]
"""Market, code, SubType."""


class SubscriptionsToRestore:
    """The subscriptions of one client."""

    def __init__(self) -> None:
        # Each item with its request, whose other fields are needed to repeat it.
        self._items: Final[dict[int, dict[Item, Message]]] = {
            proto_id: {} for proto_id in (QOT_SUB, QOT_REG_PUSH, EVENT_CONTRACT)
        }
        self._accounts: Message | None = None

    def __len__(self) -> int:
        """Return how many pairs of security and type are subscribed, and 1 more for accounts' pushes."""
        return sum(map(len, self._items.values())) + (self._accounts is not None)

    def note(self, proto_id: int, request: Any) -> None:
        """Note a successful request of one of the protocols in ``SUBSCRIBING``."""
        if proto_id == ACCOUNT_PUSH:
            self._accounts = request
            return
        c2s = request.c2s
        items = self._items[proto_id]
        if "isUnsubAll" in c2s.DESCRIPTOR.fields_by_name and c2s.isUnsubAll:
            items.clear()
            if proto_id == QOT_SUB:
                self._items[QOT_REG_PUSH].clear()
            return
        on = getattr(c2s, _SWITCH[proto_id])
        for security in c2s.securityList:
            for sub_type in c2s.subTypeList:
                item = security.market, security.code, sub_type
                items.pop(item, None)
                if on:
                    items[item] = request
                elif proto_id == QOT_SUB:
                    self._items[QOT_REG_PUSH].pop(item, None)

    def requests(self) -> Iterator[tuple[int, Message]]:
        """Yield requests, with their protocol IDs, that restore the subscriptions."""
        for proto_id, items in self._items.items():
            # Items that came with one request go into one request again.
            groups: dict[tuple[int, int], tuple[Any, list[Item]]] = {}
            for item, request in items.items():
                groups.setdefault((id(request), item[2]), (request, []))[1].append(item)
            for request, wanted in groups.values():
                yield proto_id, _again(request, wanted)
        if self._accounts is not None:
            yield ACCOUNT_PUSH, self._accounts


def _again(request: Any, items: list[Item]) -> Message:
    made = type(request)()
    made.CopyFrom(request)
    del made.c2s.securityList[:]
    del made.c2s.subTypeList[:]
    for market, code, _ in items:
        made.c2s.securityList.add(market=market, code=code)
    made.c2s.subTypeList.append(items[0][2])
    result: Message = made
    return result
