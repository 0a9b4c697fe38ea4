"""Futures: contract terms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire_tools.gateway.quotes import NotHereError
from ftwire_tools.gateway.reference.view import MarketView, set_security
from ftwire_tools.synthetic.universe import CURRENCIES, EXCHANGE_TYPES, Kind

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["Futures"]

_CURRENCY_NAMES: Final = {number: name for name, number in CURRENCIES.items()}
_EXCHANGE_NAMES: Final = {number: name.partition("_")[2] for name, number in EXCHANGE_TYPES.items()}


class _Hours(NamedTuple):
    """Trading hours of a market's futures, in minutes of its clock's day, and the name of that clock."""

    hours: tuple[tuple[int, int], ...]
    zone: str


_HOURS: Final = {
    "HK": _Hours(((555, 720), (780, 990), (1035, 180)), "CCT"),
    "US": _Hours(((1020, 960),), "CST"),
    "SG": _Hours(((540, 990), (1020, 315)), "SGT"),
    "JP": _Hours(((525, 915), (990, 330)), "JST"),
}
"""Sessions of the main index futures; a session that ends before it begins ends on the next day."""


class Futures:
    """Terms of futures."""

    def __init__(self, view: MarketView) -> None:
        self._view: Final = view
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {
            "Qot_GetFutureInfo": self._future_info
        }

    def _future_info(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return contract terms: owner, size, tick, hours, and the month behind a main contract."""
        for security in c2s.securityList:
            future = self._view.listing(security)
            if future.sec_type != Kind.FUTURE:
                raise NotHereError(f"{future.full_code} is no future")
            info = s2c.futureInfoList.add(name=future.name, lastTradeTime=future.expiry)
            set_security(info.security, future)
            info.lastTradeTimestamp = self._view.stamp(future, date.fromisoformat(future.expiry))
            owner = self._view.named(future.owner) if future.owner else None
            if owner is not None:
                set_security(info.owner, owner)
            info.ownerOther = "" if owner is not None else future.name.partition("(")[0].strip()
            currency = _CURRENCY_NAMES[future.currency]
            info.exchange = _EXCHANGE_NAMES[future.exchange_type]
            info.contractType = "Equity Index" if owner is not None else "Commodity or Index"
            info.contractSize, info.contractSizeUnit = future.size, "index points x " + currency
            info.quoteCurrency, info.minVar, info.minVarUnit = currency, future.tick, "index points"
            info.quoteUnit = "index points"
            found = _HOURS.get(future.exchange.prefix, _HOURS["HK"])
            for begin, end in found.hours:
                info.tradeTime.add(begin=begin, end=end)
            info.timeZone = found.zone
            info.exchangeFormatUrl = ""
            origin = self._view.named(future.month) if future.month else None
            if origin is not None:
                set_security(info.origin, origin)
