"""Indicator calculation over a client's own K-lines: the list of indicators, and results as pushes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.protocols import registry
from ftwire_tools.gateway.answer_source import success
from ftwire_tools.gateway.push import Push
from ftwire_tools.gateway.quotes import NotHereError
from ftwire_tools.gateway.reference.indicators import Series, bollinger, ema, kdj, macd, rsi, sma
from ftwire_tools.synthetic.trading_day import Bar

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["Calculation"]

MOST_BARS: Final = 5000
LARGEST_INPUT: Final = 1000
INT: Final = 1
"""``Qot_Common.IndicatorParamValueType``."""


class _Indicator(NamedTuple):
    full_name: str
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[str, ...]
    run: Callable[[list[Bar], list[float], list[int]], tuple[Series, ...]]


_INDICATORS: Final = {
    "MA": _Indicator("Moving Average", (("N", 5),), ("MA",), lambda _, closes, n: (sma(closes, n[0]),)),
    "EMA": _Indicator("Exponential Moving Average", (("N", 5),), ("EMA",), lambda _, closes, n: (ema(closes, n[0]),)),
    "RSI": _Indicator("Relative Strength Index", (("N", 12),), ("RSI",), lambda _, closes, n: (rsi(closes, n[0]),)),
    "MACD": _Indicator(
        "Moving Average Convergence Divergence",
        (("SHORT", 12), ("LONG", 26), ("MID", 9)),
        ("DIF", "DEA", "MACD"),
        lambda _, closes, n: tuple(macd(closes, *n)),
    ),
    "KDJ": _Indicator(
        "Stochastic Oscillator",
        (("N", 9), ("M1", 3), ("M2", 3)),
        ("K", "D", "J"),
        lambda bars, _, n: tuple(kdj(bars, *n)),
    ),
    "BOLL": _Indicator(
        "Bollinger Bands",
        (("N", 20), ("P", 2)),
        ("UPPER", "MID", "LOWER"),
        lambda _, closes, n: tuple(bollinger(closes, *n)),
    ),
}


class Calculation:
    """Lists and calculates indicators."""

    def __init__(self) -> None:
        self._next = 1
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {
            "Qot_GetIndicatorList": self._list,
            "Qot_RequestIndicatorCalc": self._calculate,
        }

    @staticmethod
    def _list(_client: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the indicators whose name has the search key, in both script languages."""
        word = c2s.searchKey.casefold()
        for name, indicator in _INDICATORS.items():
            known = (name.casefold(), indicator.full_name.casefold())
            if not ((word in known) if c2s.searchMode else any(word in each for each in known)):
                continue
            entry = s2c.indicatorList.add()
            for language, info in ((1, entry.myLang), (2, entry.python)):
                if c2s.langType in {0, language}:
                    _fill_info(info, name, indicator)

    def _calculate(self, client: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return an ID, and push the values of the indicator over the request's K-lines."""
        indicator = _INDICATORS.get(c2s.shortName.upper())
        if indicator is None:
            raise NotHereError(f"unknown indicator {c2s.shortName!s:.32}")
        lines = c2s.data.kLine
        if not 0 < len(lines) <= MOST_BARS:
            raise NotHereError(f"calculation takes 1 to {MOST_BARS} K-lines")
        numbers = [value for _, value in indicator.inputs]
        for given in c2s.inputs:
            if given.index >= len(numbers) or not (given.value.isdecimal() and 0 < int(given.value) <= LARGEST_INPUT):
                raise NotHereError(f"input {given.index} is a whole number from 1 to {LARGEST_INPUT}")
            numbers[given.index] = int(given.value)
        bars = [
            Bar(datetime.min, line.openPrice, line.highPrice, line.lowPrice, line.closePrice, 0.0, 0, 0.0)
            for line in lines
        ]
        found = indicator.run(bars, [bar.close for bar in bars], numbers)
        s2c.calcId = str(self._next)
        self._next += 1
        entry = registry["Qot_PushIndicatorCalc"]
        response = success(entry)
        response.s2c.calcId = s2c.calcId
        for index, label in enumerate(indicator.outputs):
            response.s2c.outputs.add(index=index, name=label)
        rows = list(zip(lines, *found, strict=True))
        for line, *values in rows[-c2s.num :] if c2s.num > 0 else rows:
            kept = [0.0 if math.isnan(value) else round(value, 6) for value in values]
            response.s2c.outputRows.add(time=line.time, values=kept)
        # After the reply, since before it the client does not have the ID.
        asyncio.get_running_loop().call_soon(client.push, Push(entry.proto_id, response))


def _fill_info(info: Any, name: str, indicator: _Indicator) -> None:
    """Fill what is known of an indicator: its names, inputs and outputs."""
    info.shortName, info.fullName, info.script = name, indicator.full_name, ""
    for index, (label, value) in enumerate(indicator.inputs):
        given = info.inputs.add(index=index, name=label, varName=label)
        given.value.type, given.value.intValue = INT, value
    for index, label in enumerate(indicator.outputs):
        info.outputs.add(index=index, name=label)
