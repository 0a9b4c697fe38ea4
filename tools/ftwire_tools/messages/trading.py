"""Which requests trade: the reviewed table that ``ftwire call`` and ``ftwire replay`` ask before they send.

Reviewed against the vendor's list of protocols, SDK 10.11. It fails closed: IDs 2000 to 2999 are the trading
protocols' own, and of them only those listed as harmless are sent without ``--allow-trading``; a request whose
protocol is not known at all is not sent either, since nobody can say what it does. A test holds every ``Trd_``
request of the schema to be in one of the two tables.
"""

from __future__ import annotations

from typing import Final

from ftwire.protocols import registry

__all__ = ["HARMLESS", "TRADING", "trades"]

TRADING: Final = {
    1008: "TestCmd: passes a command to OpenD, which may do anything",
    2005: "Trd_UnlockTrade: unlocks or locks trading, and carries the password",
    2202: "Trd_PlaceOrder: places an order",
    2205: "Trd_ModifyOrder: changes, cancels, enables or deletes orders",
    2209: "Trd_ReconfirmOrder: confirms an order that OpenD has held back (no longer in the SDK)",
    2227: "Trd_PlaceComboOrder: places a combination of orders",
}
"""Protocol ID to what it does: these change orders or what may be done with an account."""

HARMLESS: Final = {
    2001: "Trd_GetAccList",
    2008: "Trd_SubAccPush",
    2101: "Trd_GetFunds",
    2102: "Trd_GetPositionList",
    2111: "Trd_GetMaxTrdQtys",
    2112: "Trd_GetComboMaxTrdQtys",
    2201: "Trd_GetOrderList",
    2211: "Trd_GetOrderFillList",
    2221: "Trd_GetHistoryOrderList",
    2222: "Trd_GetHistoryOrderFillList",
    2223: "Trd_GetMarginRatio",
    2225: "Trd_GetOrderFee",
    2226: "Trd_FlowSummary",
}
"""Requests among the trading protocols that only read, or only ask for pushes."""

_TRADING_IDS: Final = range(2000, 3000)


def trades(proto_id: int) -> str | None:
    """Return what a request would do that needs ``--allow-trading``; ``None`` for one that may be sent."""
    reason = TRADING.get(proto_id)
    if reason is not None:
        return reason
    protocol = registry.get(proto_id)
    if protocol is None:
        return f"protocol {proto_id}: unknown, it may do anything"
    if proto_id not in HARMLESS and (proto_id in _TRADING_IDS or protocol.name.startswith("Trd_")):
        return f"{protocol.name}: a trading protocol that has not been reviewed"
    return None
