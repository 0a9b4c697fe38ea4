"""Warrants: what they are worth against their underlying, and the lists that filter and sort them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire_tools.gateway.reference.static_info import warrant_type
from ftwire_tools.gateway.reference.view import MarketView, Quote, read_date, set_security
from ftwire_tools.synthetic.options import chance_below, greeks, volatility, years_to
from ftwire_tools.synthetic.universe import Kind, Listing

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["WarrantValues", "Warrants", "warrant_values"]

LARGEST_PAGE: Final = 200
OUTSIDE, WITHIN = 1, 2
"""``Qot_Common.PriceType``, and ``inLinePriceStatus``."""
NORMAL: Final = 1
"""``Qot_Common.WarrantStatus``."""
ISSUERS: Final = {
    "SG": 1, "BP": 2, "CS": 3, "CT": 4, "EA": 5, "GS": 6, "HS": 7, "JP": 8, "MB": 9, "SC": 10, "UB": 11, "BI": 12,
}  # fmt: skip
"""``Qot_Common.Issuer``, by the first two letters of a warrant's name."""
_FIELD_OF_SORT: Final = {
    2: "curPrice", 3: "priceChangeVal", 4: "changeRate", 5: "status", 6: "bidPrice", 7: "askPrice", 8: "bidVol",
    9: "askVol", 10: "volume", 11: "turnover", 12: "score", 13: "premium", 14: "effectiveLeverage", 15: "delta",
    16: "impliedVolatility", 17: "type", 18: "strikePrice", 19: "breakEvenPoint", 20: "maturityTime", 21: "listTime",
    22: "lastTradeTime", 23: "leverage", 24: "ipop", 25: "recoveryPrice", 26: "conversionPrice",
    27: "conversionRatio", 28: "streetRate", 29: "streetVol", 30: "amplitude", 31: "name", 32: "issuer",
    33: "lotSize", 34: "issueSize", 45: "upperStrikePrice", 46: "lowerStrikePrice", 47: "inLinePriceStatus",
}  # fmt: skip
"""``Qot_Common.SortField`` to the field of ``WarrantData``; other numbers sort by code."""
_RANGES: Final = {
    "curPrice": "curPrice", "strikePrice": "strikePrice", "street": "streetRate", "conversion": "conversionRatio",
    "vol": "volume", "premium": "premium", "leverageRatio": "leverage", "delta": "delta",
    "implied": "impliedVolatility", "recoveryPrice": "recoveryPrice", "priceRecoveryRatio": "priceRecoveryRatio",
}  # fmt: skip
"""Beginning of the names of a request's bounds to the field of ``WarrantData``."""


class WarrantValues(NamedTuple):
    """A warrant against its underlying; ratios in percent."""

    quote: Quote
    spot: float
    """Price of the underlying."""
    delta: float
    implied_volatility: float
    premium: float
    leverage: float
    break_even: float
    conversion_price: float
    """Price of the warrants that make one underlying."""
    in_the_money: float
    street_rate: float
    score: float
    days: int

    @property
    def effective_leverage(self) -> float:
        """Leverage times delta."""
        return round(self.leverage * abs(self.delta), 3)


def warrant_values(warrant: Listing, view: MarketView) -> WarrantValues:
    """Return the values of a warrant at present prices."""
    owner, quote = view.owner(warrant), view.quote(warrant)
    spot, today, expiry = view.quote(owner).price, view.today(warrant), date.fromisoformat(warrant.expiry)
    sign = 1 if warrant.kind in {"call", "bull"} else -1
    years, sigma = years_to(expiry, today), volatility(owner, warrant.strike, expiry, today)
    if warrant.kind in {"call", "put"}:
        delta = greeks(spot, warrant.strike, years, sigma, is_call=sign > 0).delta
    elif warrant.kind == "inline":
        inside = chance_below(spot, warrant.strike, years, sigma) - chance_below(spot, warrant.barrier, years, sigma)
        delta = round(inside - 0.5, 4)
    else:
        delta = float(sign)
    conversion = quote.price * warrant.size
    break_even = warrant.strike + sign * conversion
    drawn = view.drawn(warrant, "street")
    return WarrantValues(
        quote,
        spot,
        round(delta, 4),
        round(sigma * 100, 3) if warrant.kind in {"call", "put"} else 0.0,
        round(sign * (break_even - spot) / spot * 100, 3),
        round(spot / conversion, 3),
        round(break_even, 4),
        round(conversion, 4),
        round(sign * (spot - warrant.strike) / warrant.strike * 100, 3),
        round(drawn.uniform(1, 60), 2),
        round(drawn.uniform(40, 95), 3),
        (expiry - today).days,
    )


class Warrants:
    """Lists of warrants."""

    def __init__(self, view: MarketView) -> None:
        self._view: Final = view
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {"Qot_GetWarrant": self._warrants}

    def _warrants(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the warrants that pass the filters, sorted, a page of them."""
        found = []
        owner = self._view.listing(c2s.owner).full_code if c2s.HasField("owner") else ""
        for warrant in self._view.universe.of_type(Kind.WARRANT):
            if owner in {"", warrant.owner} and (owner or warrant.exchange.prefix == "HK"):
                data = type(s2c)().warrantDataList.add()
                self._fill(data, warrant)
                if self._matches(data, c2s):
                    found.append(data)
        field = _FIELD_OF_SORT.get(c2s.sortField)
        found.sort(key=lambda data: (getattr(data, field) if field else 0, data.stock.code), reverse=not c2s.ascend)
        begin, count = max(0, c2s.begin), min(max(0, c2s.num), LARGEST_PAGE)
        s2c.warrantDataList.extend(found[begin : begin + count])
        s2c.allCount = len(found)
        s2c.lastPage = begin + count >= len(found)

    def _matches(self, data: Any, c2s: Any) -> bool:
        if c2s.typeList and data.type not in c2s.typeList:
            return False
        if c2s.issuerList and data.issuer not in c2s.issuerList:
            return False
        if c2s.status and data.status != c2s.status:
            return False
        if c2s.priceType and (data.ipop > 0) != (c2s.priceType == WITHIN):
            return False
        maturity = read_date(data.maturityTime)
        if c2s.maturityTimeMin and maturity < read_date(c2s.maturityTimeMin):
            return False
        if c2s.maturityTimeMax and maturity > read_date(c2s.maturityTimeMax, late=True):
            return False
        if c2s.ipoPeriod:
            return False  # all warrants here were listed long ago
        for name, field in _RANGES.items():
            value = getattr(data, field)
            least, most = f"{name}Min", f"{name}Max"
            if c2s.HasField(least) and value < getattr(c2s, least):
                return False
            if c2s.HasField(most) and value > getattr(c2s, most):
                return False
        return True

    def _fill(self, data: Any, warrant: Listing) -> None:
        values = warrant_values(warrant, self._view)
        quote, day = values.quote, date.fromisoformat(warrant.expiry)
        set_security(data.stock, warrant)
        set_security(data.owner, self._view.owner(warrant))
        data.type, data.issuer = warrant_type(warrant), ISSUERS.get(warrant.name[:2], 0)
        data.maturityTime = data.lastTradeTime = warrant.expiry
        data.maturityTimestamp = data.lastTradeTimestamp = self._view.stamp(warrant, day)
        data.listTime = warrant.listed
        data.listTimestamp = self._view.stamp(warrant, date.fromisoformat(warrant.listed))
        data.conversionRatio, data.lotSize, data.strikePrice = warrant.size, warrant.lot, warrant.strike
        data.lastClosePrice, data.name, data.curPrice = quote.last_close, warrant.name, quote.price
        data.priceChangeVal, data.changeRate, data.status = quote.change, quote.change_rate, NORMAL
        data.bidPrice, data.askPrice = quote.bid, quote.ask
        drawn = self._view.drawn(warrant, "book")
        data.bidVol, data.askVol = warrant.lot * drawn.randint(1, 90), warrant.lot * drawn.randint(1, 90)
        data.volume, data.turnover, data.score = quote.volume, quote.turnover, values.score
        data.premium, data.breakEvenPoint, data.leverage = values.premium, values.break_even, values.leverage
        data.ipop, data.conversionPrice = values.in_the_money, values.conversion_price
        data.streetRate, data.streetVol = values.street_rate, int(warrant.shares * values.street_rate / 100)
        data.amplitude, data.issueSize = quote.amplitude, warrant.shares
        data.highPrice, data.lowPrice = quote.high, quote.low
        data.effectiveLeverage = values.effective_leverage
        if warrant.kind in {"call", "put"}:
            data.impliedVolatility, data.delta = values.implied_volatility, values.delta
        elif warrant.kind == "inline":
            data.upperStrikePrice, data.lowerStrikePrice = warrant.strike, warrant.barrier
            data.inLinePriceStatus = WITHIN if warrant.barrier <= values.spot <= warrant.strike else OUTSIDE
        else:
            data.recoveryPrice = warrant.barrier
            data.priceRecoveryRatio = round((values.spot - warrant.barrier) / warrant.barrier * 100, 3)
