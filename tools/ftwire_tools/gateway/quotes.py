"""Quotes: the made-up market as OpenD's messages, for requests and for pushes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from ftwire.protocols import registry
from ftwire_tools.gateway.answer_source import success
from ftwire_tools.gateway.push import Push
from ftwire_tools.gateway.quote_messages import (
    fill_bar,
    fill_basic_quote,
    fill_name,
    fill_order_book,
    fill_time_share,
    fill_trade,
)
from ftwire_tools.gateway.topics import SUB_OF_KLINE, Topic
from ftwire_tools.markets.codes import security_name
from ftwire_tools.markets.local_times import parse_local
from ftwire_tools.synthetic.market import LEVELS
from ftwire_tools.synthetic.trading_day import Bar, Market, StockDay
from ftwire_tools.synthetic.universe import Listing

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["DAY", "NotHereError", "Quotes"]

BASIC, ORDER_BOOK, TICKER, RT = 1, 2, 4, 5
"""``Qot_Common.SubType``."""
DAY: Final = 2
"""``Qot_Common.KLType`` of a day."""
PAGE: Final = 1000
"""Most candles in one reply of Qot_RequestHistoryKL."""
UNKNOWN_STOCK: Final = "未知股票"
"""How OpenD refuses a code that it does not know; the code follows."""
MORNING: Final = 3
"""``Qot_Common.QotMarketState`` of the morning session."""

_MINUTES: Final = {1: 1, 10: 3, 6: 5, 12: 10, 7: 15, 8: 30, 9: 60, 13: 120, 14: 180, 15: 240}
"""``KLType`` to the minutes of a bar."""
_KLINE_OF_SUB: Final = {sub: kline for kline, sub in SUB_OF_KLINE.items()}
_PERIODS: Final[dict[int, Callable[[datetime], tuple[int, ...]]]] = {
    3: lambda day: (day.isocalendar().year, day.isocalendar().week),
    4: lambda day: (day.year, day.month),
    11: lambda day: (day.year, (day.month - 1) // 3),
    5: lambda day: (day.year,),
}
"""``KLType`` to the key that all days of one bar share."""


class NotHereError(Exception):
    """A request for what this market does not have; its text becomes the reply's ``retMsg``."""


class Quotes:
    """Makes replies and pushes from a market."""

    def __init__(self, market: Market) -> None:
        self._market: Final = market
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {
            "Qot_GetBasicQot": self._basic_qot,
            "Qot_GetRT": self._rt,
            "Qot_GetTicker": self._ticker,
            "Qot_GetOrderBook": self._order_book,
            "Qot_GetKL": self._kl,
            "Qot_RequestHistoryKL": self._history_kl,
            "Qot_GetMarketState": self._market_state,
            "Qot_RequestTradeDate": self._trade_date,
        }
        """Protocol to the function that fills ``s2c`` from ``c2s``. Each raises ``NotHereError``."""

    def stock(self, security: Any) -> StockDay:
        """Return a stock. Raises ``NotHereError``."""
        found = self._market.find(security)
        if found is None:
            raise NotHereError(f"{UNKNOWN_STOCK} {security.code!s:.32}")
        return found

    def listing(self, security: Any) -> Listing:
        """Return what is fixed about an instrument. Raises ``NotHereError``."""
        found = self._market.listing(security.market, security.code)
        if found is None:
            raise NotHereError(f"{UNKNOWN_STOCK} {security.code!s:.32}")
        return found

    def _subscribed(self, client: Subscriber, security: Any, sub_type: int) -> StockDay:
        stock = self.stock(security)
        if not client.subscriptions.has(Topic(security.market, security.code, sub_type)):
            name = security_name(security.market, security.code)
            raise NotHereError(f"please subscribe to {name} first (sub type {sub_type})")
        return stock

    # Replies

    def _basic_qot(self, client: Subscriber, c2s: Any, s2c: Any) -> None:
        for security in c2s.securityList:
            fill_basic_quote(s2c.basicQotList.add(), self._subscribed(client, security, BASIC))

    def _rt(self, client: Subscriber, c2s: Any, s2c: Any) -> None:
        stock = self._subscribed(client, c2s.security, RT)
        fill_name(s2c, stock)
        for minute in stock.minutes:
            fill_time_share(s2c.rtList.add(), stock, minute)

    def _ticker(self, client: Subscriber, c2s: Any, s2c: Any) -> None:
        stock = self._subscribed(client, c2s.security, TICKER)
        fill_name(s2c, stock)
        if c2s.maxRetNum > 0:
            for trade in list(stock.trades)[-c2s.maxRetNum :]:
                fill_trade(s2c.tickerList.add(), stock, trade)

    def _order_book(self, client: Subscriber, c2s: Any, s2c: Any) -> None:
        stock = self._subscribed(client, c2s.security, ORDER_BOOK)
        fill_order_book(s2c, stock, c2s.num)

    def _kl(self, client: Subscriber, c2s: Any, s2c: Any) -> None:
        if c2s.klType not in SUB_OF_KLINE:
            raise NotHereError(f"unknown K-line type {c2s.klType}")
        stock = self._subscribed(client, c2s.security, SUB_OF_KLINE[c2s.klType])
        fill_name(s2c, stock)
        if c2s.reqNum > 0:
            for bar in _bars(stock, c2s.klType)[-c2s.reqNum :]:
                fill_bar(s2c.klList.add(), stock, bar)

    def _history_kl(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        stock = self.stock(c2s.security)
        begin, end = _date(c2s.beginTime, late=False), _date(c2s.endTime, late=True)
        bars = [bar for bar in _bars(stock, c2s.klType) if begin <= bar.time <= end]
        key = c2s.nextReqKey if isinstance(c2s.nextReqKey, bytes) else c2s.nextReqKey.encode()
        if key and not key.isdigit():
            raise NotHereError("nextReqKey is not one of ours")
        start = int(key[:9] or 0)
        stop = start + min(c2s.maxAckKLNum or PAGE, PAGE)
        fill_name(s2c, stock)
        for bar in bars[start:stop]:
            fill_bar(s2c.klList.add(), stock, bar)
        if stop < len(bars):
            s2c.nextReqKey = str(stop).encode()

    def _market_state(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        for security in c2s.securityList:
            listing = self.listing(security)
            info = s2c.marketInfoList.add(name=listing.name, marketState=MORNING)
            info.security.market, info.security.code = listing.market, listing.code

    def _trade_date(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        stock = self._market.first
        begin, end = _date(c2s.beginTime, late=False), _date(c2s.endTime, late=True)
        for bar in stock.days():
            if begin <= bar.time <= end:
                s2c.tradeDateList.add(
                    time=bar.time.strftime("%Y-%m-%d"), timestamp=stock.stamp(bar.time), tradeDateType=0
                )

    # Pushes

    def push(self, topic: Topic) -> Push | None:
        """Return a push with the present state of a topic; ``None`` for one without pushes."""
        stock = self._market.stock(topic.market, topic.code)
        if stock is None:
            return None
        if topic.sub_type == RT:
            return _push("Qot_UpdateRT", stock, lambda s2c: fill_time_share(s2c.rtList.add(), stock, stock.minutes[-1]))
        if topic.sub_type == TICKER:
            return _push(
                "Qot_UpdateTicker", stock, lambda s2c: fill_trade(s2c.tickerList.add(), stock, stock.trades[-1])
            )
        if topic.sub_type == ORDER_BOOK:
            return _push("Qot_UpdateOrderBook", stock, lambda s2c: fill_order_book(s2c, stock, LEVELS))
        if topic.sub_type == BASIC:
            return _push("Qot_UpdateBasicQot", None, lambda s2c: fill_basic_quote(s2c.basicQotList.add(), stock))
        kline = _KLINE_OF_SUB.get(topic.sub_type)
        if kline is None:
            return None

        def fill(s2c: Any) -> None:
            s2c.rehabType = 1
            s2c.klType = kline
            fill_bar(s2c.klList.add(), stock, _bars(stock, kline)[-1])

        return _push("Qot_UpdateKL", stock, fill)


def _push(name: str, stock: StockDay | None, fill: Callable[[Any], None]) -> Push:
    entry = registry[name]
    response = success(entry)
    if stock is not None:
        fill_name(response.s2c, stock)
    fill(response.s2c)
    return Push(entry.proto_id, response)


def _date(text: str | bytes, *, late: bool) -> datetime:
    if isinstance(text, bytes):  # protobuf returns text that is not UTF-8 as bytes
        raise NotHereError("a date that is not UTF-8")
    try:
        return parse_local(text, end_of_day=late)
    except ValueError:
        raise NotHereError(f"{text!r:.40} is no date") from None


def _bars(stock: StockDay, kline: int) -> list[Bar]:
    """Return the bars of a ``KLType``, the newest last."""
    if kline in _MINUTES:
        return stock.minute_bars(_MINUTES[kline])
    days = stock.days()
    if kline == DAY:
        return days
    if kline not in _PERIODS:
        raise NotHereError(f"unknown K-line type {kline}")
    period = _PERIODS[kline]
    return [_joined(list(group)) for _, group in groupby(days, key=lambda bar: period(bar.time))]


def _joined(days: list[Bar]) -> Bar:
    return Bar(
        days[-1].time,
        days[0].open,
        max(day.high for day in days),
        min(day.low for day in days),
        days[-1].close,
        days[0].last_close,
        sum(day.volume for day in days),
        round(sum(day.turnover for day in days), 3),
    )
