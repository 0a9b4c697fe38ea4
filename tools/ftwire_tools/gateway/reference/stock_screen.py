"""The second stock screen (Qot_StockScreen): queries over numbered properties, values sent back as doubles.

The numbers of properties are those of the vendor's Python SDK; the schema has no enums for them. Properties that the
market has no value for are drawn from the seed, the stock and the number, from 0 to 100.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.gateway.quotes import NotHereError
from ftwire_tools.gateway.reference.bounds import is_within
from ftwire_tools.gateway.reference.indicators import Series, bollinger, ema, kdj, macd, rsi, sma
from ftwire_tools.gateway.reference.view import MarketView, stock_id
from ftwire_tools.synthetic.universe import Kind, Listing

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["StockScreen"]

LARGEST_PAGE: Final = 200
TEXT, WHOLE, DOUBLE = 1, 2, 4
"""``valueType``."""
MARKET_FIELD, HAS_OPTION, HAS_WARRANT, HAS_FUTURE = 1, 6, 7, 8
"""Simple fields."""
DESCEND: Final = 2
OVER, BELOW, CROSS_UP, CROSS_DOWN = 1, 2, 3, 4
_MARKETS: Final = {1: ("HK",), 2: ("US",), 3: ("SH", "SZ"), 4: ("SG",), 5: ("CA",), 6: ("AU",), 7: ("JP",), 8: ("MY",)}
CODE, NAME, INDUSTRY = 1101, 1102, 1103
_AVERAGES: Final = {11: 5, 12: 10, 13: 20, 14: 30, 15: 60, 16: 120, 17: 250}
_EXPONENTIAL: Final = {21: 5, 22: 10, 23: 20, 24: 30, 25: 60, 26: 120, 27: 250}
_QUERIES: Final = (
    "simplePropertyQuery", "cumulativePropertyQuery", "financialPropertyQuery", "featuredPropertyQuery",
    "brokerHoldingsQuery", "klineShapeQuery", "optionQuery",
)  # fmt: skip
"""Queries of one property within a range."""
_PROPERTIES: Final = {
    "simpleProperty": "simplePropertyQuery", "cumulativeProperty": "cumulativePropertyQuery",
    "financialProperty": "financialPropertyQuery", "featuredProperty": "featuredPropertyQuery",
    "brokerProperty": "brokerHoldingsQuery", "klineShapeProperty": "klineShapeQuery",
    "optionProperty": "optionQuery",
}  # fmt: skip
"""Properties as they are retrieved and sorted by, to the query that has the same."""


class StockScreen:
    """Screens all stocks of the universe."""

    def __init__(self, view: MarketView) -> None:
        self._view: Final = view
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {"Qot_StockScreen": self._screen}

    def _screen(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the stocks that meet all queries, sorted, with the properties asked for."""
        found = [
            listing
            for listing in self._view.universe.of_type(Kind.STOCK)
            if all(self._meets(listing, query) for query in c2s.filterList)
        ]
        sorts = [*([c2s.sort] if c2s.HasField("sort") else []), *c2s.sortList]
        for sort in reversed(sorts):
            found.sort(key=lambda each, sort=sort: self._sort_key(each, sort), reverse=sort.direction in {2, 4})  # type: ignore[misc]
        start = max(0, c2s.pageFrom)
        stop = start + (min(c2s.pageCount, LARGEST_PAGE) if c2s.pageCount > 0 else 20)
        for listing in found[start:stop]:
            item = s2c.dataList.add(stockId=stock_id(listing.full_code))
            for wanted in c2s.retrieveList:
                self._retrieve(item, listing, wanted)
        s2c.allCount, s2c.lastPage = len(found), int(stop >= len(found))

    # Queries

    def _meets(self, listing: Listing, query: Any) -> bool:
        if query.HasField("simpleFieldQuery"):
            return self._has_field(listing, query.simpleFieldQuery)
        if query.HasField("plateQuery"):
            wanted = {each for plate in query.plateQuery.plateList for each in plate.plateIdList}
            plates = self._view.universe.plates_of(listing.full_code)
            return not wanted or any(wanted & {plate.code, plate.full_code} for plate in plates)
        if query.HasField("indicatorPositionalQuery"):
            return self._positioned(listing, query.indicatorPositionalQuery)
        for name in _QUERIES:
            if query.HasField(name):
                asked = getattr(query, name)
                value = self._value(listing, name, asked.property)
                values = getattr(asked, "valueSet", ())
                return (not values or int(value) in values) and all(is_within(value, each) for each in _ranges(asked))
        return True

    def _has_field(self, listing: Listing, query: Any) -> bool:
        values = set(query.screenValueList)
        if query.simpleField == MARKET_FIELD:
            prefixes = {prefix for number in values for prefix in _MARKETS.get(number, ())}
            return not values or listing.exchange.prefix in prefixes
        derived = {HAS_WARRANT: Kind.WARRANT, HAS_FUTURE: Kind.FUTURE}
        if query.simpleField == HAS_OPTION:
            return not values or int(bool(listing.options)) in values
        if query.simpleField in derived:
            has = bool(self._view.universe.derived(listing.full_code, derived[query.simpleField]))
            return not values or int(has) in values
        return True

    def _positioned(self, listing: Listing, query: Any) -> bool:
        first = self._line(listing, query.firstIndicatorName or query.firstIndicator, query.firstIndicatorParams)
        if query.secondIndicator:
            second = self._line(listing, query.secondIndicator, query.secondIndicatorParams)
        else:
            second = [float(query.secondValue)] * len(first)
        now, before = first[-1] > second[-1], first[-2] > second[-2]
        if query.position in {OVER, BELOW}:
            return now is bool(query.position == OVER)
        return now is not before and now is bool(query.position == CROSS_UP)

    def _line(self, listing: Listing, indicator: int, parameters: Any) -> Series:
        """Return the values of an indicator, the newest last. Raises ``NotHereError``."""
        bars = self._view.days(listing)
        closes = [bar.close for bar in bars]
        count = next((int(number) for number in parameters if 1 <= number <= 500), 0)
        if indicator == 1:
            return closes
        if indicator in _AVERAGES or indicator == 18:
            return sma(closes, _AVERAGES.get(indicator, count or 5))
        if indicator in _EXPONENTIAL or indicator == 28:
            return ema(closes, _EXPONENTIAL.get(indicator, count or 5))
        if 31 <= indicator <= 36:
            return kdj(bars)[(indicator - 31) % 3]
        if 41 <= indicator <= 46:
            return macd(closes)[(indicator - 41) % 3]
        if indicator in {51, 52}:
            return rsi(closes, count or 12)
        if 61 <= indicator <= 66:
            return bollinger(closes)[(indicator - 61) % 3]
        raise NotHereError(f"unknown indicator {indicator}")

    # Values

    def _value(self, listing: Listing, query: str, wanted: Any) -> float:
        """Return the value of a property, by the name of the query that has it and the property's number."""
        found = None
        if query == "simplePropertyQuery":
            found = self._simple(listing, wanted.name)
        elif query == "cumulativePropertyQuery":
            found = self._cumulative(listing, wanted.name, wanted.days)
        elif query == "financialPropertyQuery":
            found = self._financial(listing, wanted.name)
        elif query == "optionQuery":
            volatility = self._view.volatility(listing)
            found = {1000: volatility * 100, 1006: volatility * 90}.get(wanted.name)
        if found is None:
            found = self._view.drawn(listing, query, wanted.name).uniform(0, 100)
        return round(found, 4)

    def _simple(self, listing: Listing, number: int) -> float | None:
        quote, facts = self._view.quote(listing), self._view.fundamentals(listing)
        days = self._view.days(listing)[-250:]
        high, low = max(bar.high for bar in days), min(bar.low for bar in days)
        prices = (quote.price, quote.open, quote.last_close, quote.high, quote.low)
        bids, asks = self._view.best_volumes(listing)
        known: dict[int, float] = {
            **dict(zip(range(2201, 2206), prices, strict=True)),
            **dict(zip(range(2220, 2225), prices, strict=True)),
            2206: quote.change_rate, 2207: quote.bid, 2208: quote.ask, 2225: quote.bid, 2226: quote.ask,
            2209: (quote.price / high - 1) * 100, 2210: (quote.price / low - 1) * 100,
            2211: (quote.high / high - 1) * 100, 2212: (quote.low / low - 1) * 100,
            2215: bids, 2216: asks, 2219: quote.price * listing.lot, 2227: quote.price * listing.lot,
            2301: quote.price * listing.shares, 2302: quote.price / facts.earnings_a_share,
            2303: quote.price / facts.earnings_a_share, 2304: quote.price / facts.book_a_share,
            2305: self._view.dividends(listing) / quote.price * 100,
        }  # fmt: skip
        return known.get(number)

    def _cumulative(self, listing: Listing, number: int, days: int) -> float | None:
        bars = self._view.days(listing)[-max(1, min(days, 250)) :]
        high, low, first = max(bar.high for bar in bars), min(bar.low for bar in bars), bars[0].last_close
        known = {
            3101: bars[-1].close - first, 3109: bars[-1].close - first, 3102: (bars[-1].close / first - 1) * 100,
            3103: (high - low) / first * 100, 3104: sum(bar.volume for bar in bars) / len(bars),
            3105: sum(bar.turnover for bar in bars) / len(bars),
            3106: sum(bar.volume for bar in bars) / listing.shares * 100 if listing.shares else 0.0,
            3107: (bars[-1].high / high - 1) * 100, 3108: (bars[-1].low / low - 1) * 100,
        }  # fmt: skip
        return known.get(number)

    def _financial(self, listing: Listing, number: int) -> float | None:
        facts = self._view.fundamentals(listing)
        known = {
            4101: facts.net_profit, 4103: facts.gross_margin * facts.revenue, 4105: facts.revenue,
            4106: facts.growth * 100, 4107: facts.net_profit / facts.revenue * 100, 4108: facts.gross_margin * 100,
            4109: facts.debt_ratio * 100, 4110: facts.earnings_a_share / facts.book_a_share * 100,
            4207: facts.operating_margin * facts.revenue, 4208: facts.net_profit, 4210: facts.operating_margin * 100,
            4217: self._view.dividends(listing), 4218: self._view.dividends(listing),
        }  # fmt: skip
        return known.get(number)

    def _sort_key(self, listing: Listing, sort: Any) -> float:
        for name, query in _PROPERTIES.items():
            if sort.HasField(name):
                value = self._value(listing, query, getattr(sort, name))
                return abs(value) if sort.direction > DESCEND else value
        return 0.0

    def _retrieve(self, item: Any, listing: Listing, wanted: Any) -> None:
        if wanted.HasField("basicProperty"):
            result = item.results.add().basicPropertyResult
            result.property.CopyFrom(wanted.basicProperty)
            industry = self._view.industry(listing)
            texts = {CODE: listing.code, NAME: listing.name, INDUSTRY: industry.name if industry is not None else ""}
            result.valueType, result.sval = TEXT, texts.get(wanted.basicProperty.name, "")
            return
        if wanted.HasField("indicatorProperty"):
            asked = wanted.indicatorProperty
            result = item.results.add().indicatorPropertyResult
            result.property.CopyFrom(asked)
            result.valueType = DOUBLE
            result.dval = round(self._line(listing, asked.name, asked.indicatorParams)[-1], 4)
            return
        for name, query in _PROPERTIES.items():
            if wanted.HasField(name):
                asked = getattr(wanted, name)
                result = getattr(item.results.add(), f"{name}Result")
                result.property.CopyFrom(asked)
                value = self._value(listing, query, asked)
                if query == "klineShapeQuery":
                    result.valueType, result.ival = WHOLE, int(value)
                else:
                    result.valueType, result.dval = DOUBLE, value


def _ranges(query: Any) -> list[Any]:
    """Return what has the bounds of a query: itself, or its intervals, of which each counts."""
    fields = query.DESCRIPTOR.fields_by_name
    found = [query] if "filterMin" in fields else []
    return found + (list(query.intervals) if "intervals" in fields else [])
