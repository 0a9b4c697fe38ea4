"""Which subscription a quote protocol needs: the gateway answers Qot_GetRT only to who subscribed to RT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.markets.codes import security_name

if TYPE_CHECKING:
    from ftwire.protocols import Protocol

__all__ = ["KL_TYPES", "SUB_TYPES", "needed_types", "securities_in", "watched_types"]

SUB_TYPES: Final = {
    "BasicQot": "Basic",
    "Broker": "Broker",
    "OrderBook": "OrderBook",
    "RT": "RT",
    "Ticker": "Ticker",
}
"""What follows ``Qot_Get`` or ``Qot_Update`` in a protocol's name, to the name in ``Qot_Common.SubType``."""

DEFAULT_CANDLES: Final = "KL_Day"
KL_TYPES: Final = {
    1: "KL_1Min",
    2: "KL_Day",
    3: "KL_Week",
    4: "KL_Month",
    5: "KL_Year",
    6: "KL_5Min",
    7: "KL_15Min",
    8: "KL_30Min",
    9: "KL_60Min",
    10: "KL_3Min",
    11: "KL_Qurater",  # the vendor's spelling
    12: "KL_10Min",
    13: "KL_120Min",
    14: "KL_180Min",
    15: "KL_240Min",
}
"""``Qot_Common.KLType`` to the name in ``Qot_Common.SubType``."""


def needed_types(protocol: Protocol, request: Any) -> list[str]:
    """Return the types to subscribe to before ``request``; empty where none is needed."""
    if protocol.name == "Qot_GetKL":
        found = KL_TYPES.get(request.c2s.klType)
        return [] if found is None else [found]
    return _types(protocol.name, "Qot_Get")


def watched_types(protocol: Protocol, needed: Sequence[str] = ()) -> list[str]:
    """Return the types whose subscription brings this push; empty for one that no Qot_Sub brings.

    Candles are those that are ``needed`` already, or the day's.
    """
    if protocol.name == "Qot_UpdateKL":
        return [name for name in needed if name.startswith("KL_")] or [DEFAULT_CANDLES]
    return _types(protocol.name, "Qot_Update")


def securities_in(request: Any) -> list[str]:
    """Return the securities that a request asks for."""
    c2s = getattr(request, "c2s", None)
    if c2s is None:
        return []
    found = []
    fields = c2s.DESCRIPTOR.fields_by_name
    if "security" in fields and c2s.HasField("security"):
        found.append(c2s.security)
    if "securityList" in fields:
        found += c2s.securityList
    return [security_name(security.market, security.code) for security in found]


def _types(name: str, prefix: str) -> list[str]:
    found = SUB_TYPES.get(name.removeprefix(prefix)) if name.startswith(prefix) else None
    return [] if found is None else [found]
