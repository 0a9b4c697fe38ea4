"""Exchanges: market numbers of the protocol, prefixes of codes, time zones.

Prefixes are those of the vendor's Python SDK. The vendor's pages state that times are Beijing time for Hong Kong and
A-shares and Eastern time for the US; for other exchanges the zone of their place is used. Futures of the US are on
Chicago time: texts and timestamps of captured K-lines are five and six hours apart in summer and winter. Markets
without a place (currencies, crypto, event contracts) have no zone.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["EXCHANGES", "QOT_PREFIXES", "TRADE_MARKETS", "TRADE_PREFIXES", "ZONES", "Exchange", "exchange_of"]


class Exchange(NamedTuple):
    """One market, as the protocol names it."""

    prefix: str
    """Of its codes: ``HK`` in ``HK.00700``."""
    qot_market: int
    """``Qot_Common.QotMarket``."""
    sec_market: int = 0
    """``Trd_Common.TrdSecMarket``, 0 for none."""
    zone: str = ""
    """Time zone (IANA) of its clock, empty for none."""
    futures_zone: str = ""
    """Time zone of the clock of its futures, where that is another one."""


_CHINA: Final = "Asia/Shanghai"

EXCHANGES: Final = (
    Exchange("HK", 1, 1, _CHINA),
    Exchange("HK_FUTURE", 2, 0, _CHINA),
    Exchange("US", 11, 2, "America/New_York", "America/Chicago"),
    Exchange("SH", 21, 31, _CHINA),
    Exchange("SZ", 22, 32, _CHINA),
    Exchange("SG", 31, 41, "Asia/Singapore"),
    Exchange("JP", 41, 51, "Asia/Tokyo"),
    Exchange("AU", 51, 61, "Australia/Sydney"),
    Exchange("MY", 61, 71, "Asia/Kuala_Lumpur"),
    Exchange("CA", 71, 81, "America/Toronto"),
    Exchange("FX", 81, 91),
    Exchange("CC", 91, 101),
    Exchange("EC", 101, 111),
)

QOT_PREFIXES: Final = {exchange.qot_market: exchange.prefix for exchange in EXCHANGES}
"""``Qot_Common.QotMarket`` to the prefix of a code."""

TRADE_PREFIXES: Final = {exchange.sec_market: exchange.prefix for exchange in EXCHANGES if exchange.sec_market}
"""``Trd_Common.TrdSecMarket`` to the prefix of a code."""

TRADE_MARKETS: Final = {1: "HK", 2: "US", 3: "SH", 4: "SH", 6: "SG", 8: "AU", 15: "JP", 111: "MY", 112: "CA"}
"""``Trd_Common.TrdMarket``, for messages that name no security's market, to the prefix of its codes."""

ZONES: Final = {exchange.prefix: exchange.zone for exchange in EXCHANGES if exchange.zone}
"""Prefix of a code to the time zone of its exchange's clock."""

_BY_PREFIX: Final = {exchange.prefix: exchange for exchange in EXCHANGES}


def exchange_of(prefix: str) -> Exchange:
    """Return the exchange whose codes have a prefix. Raises ``KeyError``."""
    return _BY_PREFIX[prefix]
