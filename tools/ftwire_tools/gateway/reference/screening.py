"""The stock filter: conditions on prices, accumulated days, fundamentals, patterns and indicators.

Prices, accumulated values, patterns and indicators are those of the market's daily bars, whatever the K-line type of a
condition; fundamentals are the made-up company's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.gateway.quotes import NotHereError
from ftwire_tools.gateway.reference.indicators import Series, bollinger, ema, kdj, macd, rsi, sma
from ftwire_tools.gateway.reference.view import MarketView, set_security
from ftwire_tools.synthetic.trading_day import Bar
from ftwire_tools.synthetic.universe import Kind, Listing

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["StockFilter"]

LARGEST_PAGE: Final = 200
MOST_CONDITIONS: Final = 250
NO_RANGE: Final = "The filter field needs to set the range", "没有给需要筛选的字段进行区间赋值"
YEAR: Final = 250
"""Bars of a year."""
MORE, LESS, CROSS_UP, CROSS_DOWN = 1, 2, 3, 4
"""``Qot_StockFilter.RelativePosition``."""
DESCEND: Final = 2
"""``Qot_StockFilter.SortDir``."""
VALUE: Final = 17
"""``Qot_StockFilter.CustomIndicatorField``: a number that the condition has beside it."""
_AVERAGES: Final = {2: 5, 3: 10, 4: 20, 5: 30, 6: 60, 7: 120, 8: 250}
_EXPONENTIAL: Final = {10: 5, 11: 10, 12: 20, 13: 30, 14: 60, 15: 120, 16: 250}
_LINES: Final[dict[int, Callable[[list[Bar], list[float]], Series]]] = {
    50: lambda bars, _: kdj(bars).first,
    51: lambda bars, _: kdj(bars).second,
    52: lambda bars, _: kdj(bars).third,
    60: lambda _, closes: macd(closes).first,
    61: lambda _, closes: macd(closes).second,
    62: lambda _, closes: macd(closes).third,
    70: lambda _, closes: bollinger(closes).first,
    71: lambda _, closes: bollinger(closes).second,
    72: lambda _, closes: bollinger(closes).third,
}
"""``CustomIndicatorField`` of indicators with several lines."""


class StockFilter:
    """Filters the stocks and funds of a market."""

    def __init__(self, view: MarketView) -> None:
        self._view: Final = view
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {"Qot_StockFilter": self._filter}

    def _filter(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the stocks that meet all conditions, sorted, a page of them."""
        conditions = [
            *c2s.baseFilterList,
            *c2s.accumulateFilterList,
            *c2s.financialFilterList,
            *c2s.patternFilterList,
            *c2s.customIndicatorFilterList,
        ]
        if len(conditions) > MOST_CONDITIONS:
            raise NotHereError(f"a filter has at most {MOST_CONDITIONS} conditions")
        found: list[tuple[float, Any]] = []
        direction = 0
        for listing in self._candidates(c2s):
            data = type(s2c)().dataList.add(name=listing.name)
            set_security(data.security, listing)
            passed, key, direction = self._check(listing, c2s, data)
            if passed:
                found.append((key, data))
        if direction:
            found.sort(key=lambda row: row[0], reverse=direction == DESCEND)
        begin, count = max(0, c2s.begin), min(max(0, c2s.num), LARGEST_PAGE)
        s2c.dataList.extend(data for _, data in found[begin : begin + count])
        s2c.allCount = len(found)
        s2c.lastPage = begin + count >= len(found)

    def _candidates(self, c2s: Any) -> Sequence[Listing]:
        if c2s.HasField("plate"):
            plate = self._view.listing(c2s.plate)
            return [each for each in self._view.universe.members(plate) if each.is_equity]
        # Shanghai and Shenzhen are one market to the filter.
        markets = {21, 22} if c2s.market in {21, 22} else {c2s.market}
        return [each for each in self._view.universe.of_type(Kind.STOCK) if each.market in markets]

    def _check(self, listing: Listing, c2s: Any, data: Any) -> tuple[bool, float, int]:
        """Fill ``data``; return whether a stock meets all conditions, and by what and how to sort."""
        passed, key, direction = True, 0.0, 0

        def judge(condition: Any, value: float) -> None:
            nonlocal passed, key, direction
            passed &= _in_range(condition, value)
            if condition.sortDir:
                key, direction = value, condition.sortDir

        for condition in c2s.baseFilterList:
            if condition.fieldName in {1, 2}:
                continue  # code and name, which are in every row
            value = self._base(listing, condition.fieldName)
            data.baseDataList.add(fieldName=condition.fieldName, value=value)
            judge(condition, value)
        for condition in c2s.accumulateFilterList:
            value = self._accumulated(listing, condition.fieldName, condition.days)
            data.accumulateDataList.add(fieldName=condition.fieldName, value=value, days=condition.days)
            judge(condition, value)
        for condition in c2s.financialFilterList:
            value = self._financial(listing, condition.fieldName, condition.quarter)
            data.financialDataList.add(fieldName=condition.fieldName, value=value, quarter=condition.quarter)
            judge(condition, value)
        for condition in c2s.patternFilterList:
            passed &= condition.isNoFilter or self._has_pattern(listing, condition)
        for condition in c2s.customIndicatorFilterList:
            passed &= self._compare(listing, condition, data)
        return passed, key, direction

    def _base(self, listing: Listing, field: int) -> float:
        """Return the value of a ``StockField``. Raises ``NotHereError``."""
        quote, facts = self._view.quote(listing), self._view.fundamentals(listing)

        def year() -> list[Bar]:  # takes a while, so only for what needs it
            return self._view.days(listing)[-YEAR:]

        def high() -> float:
            return max(bar.high for bar in year())

        def low() -> float:
            return min(bar.low for bar in year())

        known: dict[int, Callable[[], float]] = {
            3: lambda: quote.price,
            4: lambda: (quote.price / high() - 1) * 100,
            5: lambda: (quote.price / low() - 1) * 100,
            6: lambda: (quote.high / high() - 1) * 100,
            7: lambda: (quote.low / low() - 1) * 100,
            8: lambda: quote.volume / max(1.0, sum(bar.volume for bar in year()[-6:-1]) / 5),
            9: lambda: self._view.drawn(listing, "bid ask ratio").uniform(-60, 60),
            10: lambda: quote.price * listing.lot,
            11: lambda: quote.price * listing.shares,
            12: lambda: quote.price / facts.earnings_a_share,
            13: lambda: quote.price / facts.earnings_a_share,
            14: lambda: quote.price / facts.book_a_share,
            15: lambda: _percent(quote.price, self._view.price_before(listing, 5)),
            16: lambda: _percent(quote.price, _before_year(year()).last_close),
            17: lambda: quote.price * listing.shares / facts.revenue,
            18: lambda: quote.price * listing.shares / (facts.net_profit * 1.2),
            19: lambda: float(listing.shares),
            20: lambda: float(listing.shares),
            21: lambda: quote.price * listing.shares,
        }
        if field not in known:
            raise NotHereError(f"unknown filter field {field}")
        return round(known[field](), 3)

    def _accumulated(self, listing: Listing, field: int, days: int) -> float:
        """Return the value of an ``AccumulateField`` over some days. Raises ``NotHereError``."""
        bars = self._view.days(listing)[-max(1, min(days, YEAR)) :]
        high, low, first = max(bar.high for bar in bars), min(bar.low for bar in bars), bars[0].last_close
        volume = sum(bar.volume for bar in bars)
        known = {
            1: _percent(bars[-1].close, first),
            2: (high - low) / first * 100,
            3: volume / len(bars),
            4: sum(bar.turnover for bar in bars) / len(bars),
            5: volume / listing.shares * 100 if listing.shares else 0.0,
        }
        if field not in known:
            raise NotHereError(f"unknown filter field {field}")
        return round(known[field], 3)

    def _financial(self, listing: Listing, field: int, quarter: int) -> float:
        """Return the value of a ``FinancialField``; those that the company has no fact for are drawn."""
        facts = self._view.fundamentals(listing)
        part = {2: 0.25, 3: 0.5, 4: 0.75, 5: 0.25}.get(quarter, 1.0)
        known = {
            1: facts.net_profit * part,
            2: facts.growth * 110,
            3: facts.revenue * part,
            4: facts.growth * 100,
            5: facts.net_profit / facts.revenue * 100,
            6: facts.gross_margin * 100,
            7: facts.debt_ratio * 100,
            8: facts.earnings_a_share / facts.book_a_share * 100,
            13: facts.operating_margin * 100,
            17: facts.operating_margin * facts.revenue,
            18: facts.net_profit,
            24: 1 / (1 - facts.debt_ratio),
            25: facts.debt_ratio / (1 - facts.debt_ratio) * 100,
            44: facts.earnings_a_share * part,
            45: facts.earnings_a_share * 0.98 * part,
        }
        drawn = self._view.drawn(listing, "financial", field, quarter)
        if field in known:
            return round(known[field], 3)
        if not 1 <= field <= 46:
            raise NotHereError(f"unknown filter field {field}")
        if field in {11, 12, 26, 30, 31}:  # sums of money
            return round(facts.revenue * part * drawn.uniform(0.05, 0.3), 3)
        if field in {20, 21, 27, 28, 29, 46}:  # ratios around one
            return round(drawn.uniform(0.5, 3.0), 3)
        return round(drawn.uniform(-20, 40), 3)

    # Patterns and indicators

    def _line(self, listing: Listing, field: int, parameters: Sequence[int]) -> Series:
        """Return the values of a ``CustomIndicatorField``, the newest last. Raises ``NotHereError``."""
        bars = self._view.days(listing)
        closes = [bar.close for bar in bars]
        count = next((number for number in parameters if 1 <= number <= 500), 0)
        if field == 1:
            return closes
        if field in _AVERAGES:
            return sma(closes, _AVERAGES[field])
        if field in _EXPONENTIAL:
            return ema(closes, _EXPONENTIAL[field])
        if field == 9:
            return rsi(closes, count or 12)
        if field == 30:
            return sma(closes, count or 5)
        if field == 40:
            return ema(closes, count or 5)
        if field in _LINES:
            return _LINES[field](bars, closes)
        raise NotHereError(f"unknown indicator {field}")

    def _compare(self, listing: Listing, condition: Any, data: Any) -> bool:
        """Fill the values of an indicator condition, and return whether it is met."""
        first = self._line(listing, condition.firstFieldName, condition.firstFieldParaList)
        if condition.secondFieldName == VALUE:
            second = [condition.fieldValue] * len(first)
        else:
            second = self._line(listing, condition.secondFieldName, condition.secondFieldParaList)
        for field, line, parameters in (
            (condition.firstFieldName, first, condition.firstFieldParaList),
            (condition.secondFieldName, second, condition.secondFieldParaList),
        ):
            if field != VALUE and not math.isnan(line[-1]):
                row = data.customIndicatorDataList.add(fieldName=field, value=round(line[-1], 4))
                row.klType = condition.klType
                row.fieldParaList.extend(parameters)
        if condition.isNoFilter:
            return True
        periods = max(1, min(condition.consecutivePeriod, 12))
        above = [one > other for one, other in zip(first[-periods - 1 :], second[-periods - 1 :], strict=True)]
        if condition.relativePosition == MORE:
            return all(above[-periods:])
        if condition.relativePosition == LESS:
            return not any(above[-periods:])
        if condition.relativePosition in {CROSS_UP, CROSS_DOWN} and len(above) > 1:
            upwards: bool = condition.relativePosition == CROSS_UP
            return above[-1] is upwards and above[-2] is not upwards
        return False

    def _has_pattern(self, listing: Listing, condition: Any) -> bool:
        """Return whether the newest bars have a ``PatternField``. Raises ``NotHereError``."""
        bars = self._view.days(listing)
        closes = [bar.close for bar in bars]
        field = condition.fieldName
        if field in {1, 2, 3, 4}:
            average = sma if field in {1, 2} else ema
            lines = [average(closes, count)[-1] for count in (5, 10, 20, 30, 60)]
            pairs = list(pairwise(lines))
            return all(one > other for one, other in pairs) if field % 2 else all(one < other for one, other in pairs)
        crossings: dict[int, tuple[Series, Series]] = {}
        if field in {5, 6}:
            crossings[field] = rsi(closes, 6), rsi(closes, 12)
        elif field in {9, 10}:
            lines_of_kdj = kdj(bars)
            crossings[field] = lines_of_kdj.first, lines_of_kdj.second
        elif field in {13, 14}:
            lines_of_macd = macd(closes)
            crossings[field] = lines_of_macd.first, lines_of_macd.second
        elif field in {17, 18, 19, 20}:
            bands = bollinger(closes)
            line = {17: bands.first, 18: bands.third}.get(field, bands.second)
            crossings[field] = closes, line
        elif field in {7, 8, 11, 12, 15, 16}:
            return self._diverges(closes, field)
        else:
            raise NotHereError(f"unknown pattern {field}")
        one, other = crossings[field]
        falling = field in {6, 10, 14, 18, 20}
        now, before = one[-1] > other[-1], one[-2] > other[-2]
        return now != before and now != falling

    @staticmethod
    def _diverges(closes: list[float], field: int) -> bool:
        """Return whether prices have a new extreme of twenty days that an indicator has not."""
        line = {7: rsi, 8: rsi}.get(field, lambda prices: macd(prices).first)(closes)
        if field in {7, 11, 15}:
            return closes[-1] == max(closes[-20:]) and line[-1] < max(line[-20:])
        return closes[-1] == min(closes[-20:]) and line[-1] > min(line[-20:])


def _in_range(condition: Any, value: float) -> bool:
    if condition.isNoFilter:
        return True
    if not condition.HasField("filterMin") and not condition.HasField("filterMax"):
        raise NotHereError(*NO_RANGE)
    return not (
        (condition.HasField("filterMin") and value < condition.filterMin)
        or (condition.HasField("filterMax") and value > condition.filterMax)
    )


def _percent(value: float, base: float) -> float:
    return (value / base - 1) * 100 if base else 0.0


def _before_year(bars: Sequence[Bar]) -> Bar:
    """Return the first bar of the present year."""
    return next(bar for bar in bars if bar.time.year == bars[-1].time.year)
