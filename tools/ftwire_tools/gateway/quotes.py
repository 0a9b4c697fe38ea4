"""Quotes: the made-up market as OpenD's messages, for requests and for pushes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from ftwire.protocols import registry
from ftwire_tools.gateway.answer_source import success
from ftwire_tools.gateway.frequencies import interface_name
from ftwire_tools.gateway.push import Push
from ftwire_tools.gateway.quote_messages import (
    fill_bar,
    fill_basic_quote,
    fill_name,
    fill_order_book,
    fill_time_share,
    fill_trade,
)
from ftwire_tools.gateway.topics import KLINE_OF_SUB, SUB_OF_KLINE, Topic, sub_type_name
from ftwire_tools.gateway.trading_sessions import scope_of
from ftwire_tools.markets.local_times import local_text, parse_local
from ftwire_tools.markets.sessions import Session, hours_of
from ftwire_tools.markets.trading_days import CalendarRangeError
from ftwire_tools.synthetic.history import (
    BACKWARD,
    FORWARD,
    PERIODS,
    UNADJUSTED,
    Bar,
    daily_bars,
    minute_bars,
    period_bars,
)
from ftwire_tools.synthetic.market import LEVELS
from ftwire_tools.synthetic.trading_day import Market, StockDay
from ftwire_tools.synthetic.trading_session import REGULAR
from ftwire_tools.synthetic.universe import Kind, Listing

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber
    from ftwire_tools.gateway.limits import Language

__all__ = ["DAY", "NotHereError", "Quotes", "check_order", "not_subscribed"]

BASIC, ORDER_BOOK, TICKER, RT = 1, 2, 4, 5
"""``Qot_Common.SubType``."""
DAY: Final = 2
"""``Qot_Common.KLType`` of a day."""
PAGE: Final = 1000
"""Most candles in one reply of Qot_RequestHistoryKL."""
UNKNOWN_STOCK: Final = "未知股票"
"""How OpenD refuses a code that it does not know; the code follows."""
MOST_BARS: Final = 10_000
"""Most candles in one reply where the request has no limit of its own."""
MOST_DAYS: Final = 120
"""Most days whose minutes are looked at for one reply."""
YEAR: Final = timedelta(days=365)
"""What a request for history is about that leaves out when it begins or ends."""

_MINUTES: Final = {1: 1, 10: 3, 6: 5, 12: 10, 7: 15, 8: 30, 9: 60, 13: 120, 14: 180, 15: 240}
"""``KLType`` to the minutes of a bar."""
_EXTENDED_UP_TO: Final = 60
"""Minutes of the longest bars that there are outside regular hours."""
_PERIODS: Final = {3: "week", 4: "month", 11: "quarter", 5: "year"}
"""``KLType`` to the period of a bar."""
_DAY: Final = timedelta(days=1)
_DAYS: Final = {"week": 7, "month": 31, "quarter": 92, "year": 366}
"""Days of a period at most."""
_OF_OPTIONS: Final = frozenset({1, 6, 7, 8, 9, DAY})
"""``KLType`` of options: 1, 5, 15, 60 minutes and days in the vendor's list, 30 minutes in logs of clients."""
_TRADE_DATES: Final = {
    1: "HK", 2: "US", 3: "CN", 4: "NT", 5: "ST", 6: "JP", 7: "SG", 8: "SG", 9: "MY", 10: "JP",
}  # fmt: skip
"""``Qot_Common.TradeDateMarket`` to the calendar; derivatives have that of their country's stocks."""
_REHABS: Final = (UNADJUSTED, FORWARD, BACKWARD)
_WHOLE, _MORNING_ONLY = 0, 1
"""``Qot_Common.TradeDateType``."""
_ONLY_HISTORY_SESSIONS: Final = "获取历史K线的时段仅支持设置 RTH，ETH，ALL"  # noqa: RUF001 - OpenD's punctuation
"""OpenD's refusal of another trading session."""


class NotHereError(Exception):
    """A request for what this market does not have; its text becomes the reply's ``retMsg``."""

    def __init__(self, english: str, chinese: str = "") -> None:
        """``chinese`` is the text in OpenD's other language, where there is one."""
        super().__init__(english)
        self._chinese: Final = chinese or english

    def text(self, language: Language) -> str:
        """Return the text in a language."""
        return self._chinese if language == "chs" else str(self)


def check_order(begin: datetime, end: datetime) -> None:
    """Raise ``NotHereError`` where a requested span ends before it begins."""
    if begin > end:
        raise NotHereError("the begin is after the end", "开始时间晚于结束时间")


def not_subscribed(protocol: str, sub_type: int) -> NotHereError:
    """Return OpenD's refusal of a request that needs a subscription first; ``sub_type`` is ``Qot_Common.SubType``."""
    kind = sub_type_name(sub_type)
    english, chinese = (interface_name(protocol, chinese=each) for each in (False, True))
    return NotHereError(
        f"Before calling the {english} interface, please subscribe to {kind} data first.",
        f"请求{chinese}接口前，请先订阅{kind}数据",  # noqa: RUF001 - OpenD's punctuation
    )


class Quotes:
    """Makes replies and pushes from a market."""

    def __init__(self, market: Market, fill_details: Callable[[Any, Listing], None] = lambda *_: None) -> None:
        """``fill_details`` fills what the ``Qot_Common.BasicQot`` of an option, future or warrant has beside prices."""
        self._market: Final = market
        self._fill_details: Final = fill_details
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

    @staticmethod
    def check_kline(listing: Listing, kline: int | None) -> None:
        """Raise ``NotHereError`` for a ``KLType`` that an instrument does not have; ``None`` is no K-line."""
        if listing.sec_type == Kind.OPTION and kline is not None and kline not in _OF_OPTIONS:
            raise NotHereError(
                "options have K-lines of 1, 5, 15, 30 and 60 minutes and of days",
                "期权K线仅支持1分K、5分K、15分K、30分K、60分K和日K",
            )

    def _subscribed(self, client: Subscriber, security: Any, sub_type: int, protocol: str) -> StockDay:
        stock = self.stock(security)
        if not client.subscriptions.has(Topic(security.market, security.code, sub_type)):
            raise not_subscribed(protocol, sub_type)
        return stock

    # Replies

    def _basic_qot(self, client: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return present quotes, after a subscription."""
        for security in c2s.securityList:
            self._fill_quote(s2c.basicQotList.add(), self._subscribed(client, security, BASIC, "Qot_GetBasicQot"))

    def _fill_quote(self, quote: Any, stock: StockDay) -> None:
        fill_basic_quote(quote, stock)
        self._fill_details(quote, stock.listing)

    def _rt(self, client: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the minutes of a trading session, after a subscription."""
        stock = self._subscribed(client, c2s.security, RT, "Qot_GetRT")
        fill_name(s2c, stock)
        sessions = self._scope(client, c2s.security, RT)
        last_close = stock.reference(sessions)
        for minute in stock.time_shares(sessions):
            fill_time_share(s2c.rtList.add(), stock, minute, last_close)

    @staticmethod
    def _scope(client: Subscriber, security: Any, sub_type: int) -> frozenset[Session]:
        return client.subscriptions.sessions_of(Topic(security.market, security.code, sub_type))

    def _ticker(self, client: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the last trades, after a subscription."""
        stock = self._subscribed(client, c2s.security, TICKER, "Qot_GetTicker")
        fill_name(s2c, stock)
        for trade in stock.last_trades(min(c2s.maxRetNum, PAGE), self._scope(client, c2s.security, TICKER)):
            fill_trade(s2c.tickerList.add(), stock, trade)

    def _order_book(self, client: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the order book, after a subscription."""
        stock = self._subscribed(client, c2s.security, ORDER_BOOK, "Qot_GetOrderBook")
        fill_order_book(s2c, stock, min(c2s.num, stock.depth))

    def _kl(self, client: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the last candles, after a subscription."""
        if c2s.klType not in SUB_OF_KLINE:
            raise NotHereError(f"unknown K-line type {c2s.klType}")
        _check_rehab(c2s.rehabType)
        stock = self._subscribed(client, c2s.security, SUB_OF_KLINE[c2s.klType], "Qot_GetKL")
        sessions = self._scope(client, c2s.security, SUB_OF_KLINE[c2s.klType])
        fill_name(s2c, stock)
        for bar in _last_bars(stock, c2s.klType, min(c2s.reqNum, PAGE), sessions, c2s.rehabType):
            fill_bar(s2c.klList.add(), stock, bar, daily=c2s.klType not in _MINUTES)

    def _history_kl(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the candles of a span of time, in pages."""
        stock = self.stock(c2s.security)
        if c2s.klType not in _MINUTES and c2s.klType != DAY and c2s.klType not in _PERIODS:
            raise NotHereError(f"unknown K-line type {c2s.klType}")
        self.check_kline(stock.listing, c2s.klType)
        _check_rehab(c2s.rehabType)
        sessions = scope_of(c2s)
        if sessions is None:
            raise NotHereError(_ONLY_HISTORY_SESSIONS)
        begin, end = self._span(stock, c2s)
        check_order(begin, end)
        key = c2s.nextReqKey if isinstance(c2s.nextReqKey, bytes) else c2s.nextReqKey.encode()
        if key:
            begin = max(begin, _after_key(key))
        most = min(c2s.maxAckKLNum, PAGE) if c2s.maxAckKLNum > 0 else MOST_BARS
        fill_name(s2c, stock)
        bars, is_more = _page(_bars(stock, c2s.klType, begin, end, sessions, c2s.rehabType), c2s.klType, most)
        for bar in bars:
            fill_bar(s2c.klList.add(), stock, bar, daily=c2s.klType not in _MINUTES)
        if is_more:
            s2c.nextReqKey = local_text(bars[-1].time).encode()

    def _span(self, stock: StockDay, c2s: Any) -> tuple[datetime, datetime]:
        """Return when history begins and ends: a year where one is left out, up to now where both are."""
        if not c2s.beginTime and not c2s.endTime:
            return datetime.combine(stock.time() - YEAR, time()), datetime.max
        begin = _date(c2s.beginTime, late=False) if c2s.beginTime else None
        end = _date(c2s.endTime, late=True) if c2s.endTime else None
        try:
            return begin or datetime.combine((end or stock.time()) - YEAR, time()), end or (
                begin or stock.time()
            ) + YEAR
        except OverflowError:
            raise NotHereError(f"{c2s.beginTime or c2s.endTime!r:.40} is no date of a market") from None

    def _market_state(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the states of the markets of some securities."""
        for security in c2s.securityList:
            listing = self.listing(security)
            state = self._market.hours(listing).state(self._market.now)
            info = s2c.marketInfoList.add(name=listing.name, marketState=state)
            info.security.market, info.security.code = listing.market, listing.code

    def _trade_date(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the trading days of a market."""
        if c2s.HasField("security"):
            name, zone = self.listing(c2s.security).exchange.prefix, self.listing(c2s.security).zone
        elif c2s.market in _TRADE_DATES:
            name = _TRADE_DATES[c2s.market]
            zone = hours_of({"CN": "SH", "NT": "SH", "ST": "HK"}.get(name, name)).zone
        else:
            raise NotHereError(f"unknown market {c2s.market}")
        begin, end = _date(c2s.beginTime, late=False), _date(c2s.endTime, late=True)
        check_order(begin, end)
        try:
            days = self._market.trading_days(name, begin.date(), end.date())
        except CalendarRangeError as error:
            raise NotHereError(str(error)) from None
        for day, is_half in days:
            midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
            s2c.tradeDateList.add(
                time=day.isoformat(),
                timestamp=midnight.timestamp(),
                tradeDateType=_MORNING_ONLY if is_half else _WHOLE,
            )

    # Pushes

    def push(
        self,
        topic: Topic,
        sessions: frozenset[Session] = REGULAR,
        rehab: int = FORWARD,
        *,
        only_new: bool = False,
    ) -> Push | None:
        """Return a push with the present state of a topic; ``None`` for one without pushes.

        ``sessions`` are those that the subscription is for, ``rehab`` is how K-lines are adjusted. With ``only_new``
        the result is ``None`` where nothing was traded in this second.
        """
        stock = self._market.stock(topic.market, topic.code)
        if stock is None:
            return None
        if topic.sub_type in {BASIC, ORDER_BOOK}:
            if (only_new and not stock.has_traded()) or (topic.sub_type == ORDER_BOOK and not stock.depth):
                return None
            if topic.sub_type == BASIC:
                return _push("Qot_UpdateBasicQot", None, lambda s2c: self._fill_quote(s2c.basicQotList.add(), stock))
            return _push(
                "Qot_UpdateOrderBook", stock, lambda s2c: fill_order_book(s2c, stock, min(LEVELS, stock.depth))
            )
        kline = KLINE_OF_SUB.get(topic.sub_type)
        if topic.sub_type not in {RT, TICKER} and kline is None:
            return None
        if kline is not None and not _is_extended(kline):
            sessions = REGULAR
        if only_new and not stock.has_traded(sessions):
            return None
        if topic.sub_type == RT:
            minute, last_close = stock.last_share(sessions), stock.reference(sessions)
            return _push(
                "Qot_UpdateRT", stock, lambda s2c: fill_time_share(s2c.rtList.add(), stock, minute, last_close)
            )
        if topic.sub_type == TICKER:
            trades = stock.newest_trades(sessions)
            if not trades:
                return None

            def fill_trades(s2c: Any) -> None:
                for trade in trades:
                    fill_trade(s2c.tickerList.add(), stock, trade)

            return _push("Qot_UpdateTicker", stock, fill_trades)

        def fill(s2c: Any) -> None:
            assert kline is not None  # noqa: S101 - other topics have returned
            s2c.rehabType = rehab
            s2c.klType = kline
            for bar in _last_bars(stock, kline, 1, sessions, rehab):
                fill_bar(s2c.klList.add(), stock, bar, daily=kline not in _MINUTES)

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


def _check_rehab(rehab: int) -> None:
    if rehab not in _REHABS:
        raise NotHereError(f"unknown rehab type {rehab}")


def _after_key(key: bytes) -> datetime:
    """Return the earliest time of a bar on the next page, from the time of the last one on the page before."""
    try:
        return parse_local(key.decode("ascii")) + timedelta(seconds=1)
    except (ValueError, OverflowError):
        raise NotHereError("nextReqKey is not one of ours") from None


def _page(bars: Iterator[Bar], kline: int, most: int) -> tuple[list[Bar], bool]:
    """Return the next bars, at most ``most`` and those of ``MOST_DAYS`` days of minutes, and whether there are more."""
    page: list[Bar] = []
    days = 0
    for bar in bars:
        if kline in _MINUTES and (not page or bar.time.date() != page[-1].time.date()):
            days += 1
        if len(page) == most or days > MOST_DAYS:
            return page, True
        page.append(bar)
    return page, False


def _is_extended(kline: int) -> bool:
    """Return whether there are bars of a ``KLType`` outside regular hours."""
    return _MINUTES.get(kline, _EXTENDED_UP_TO + 1) <= _EXTENDED_UP_TO


def _bars(
    stock: StockDay, kline: int, begin: datetime, end: datetime, sessions: frozenset[Session], rehab: int
) -> Iterator[Bar]:
    """Yield the bars of a ``KLType`` whose times are from ``begin`` to ``end``, the newest last."""
    if kline in _MINUTES:
        yield from minute_bars(stock, _MINUTES[kline], begin, end, sessions if _is_extended(kline) else REGULAR, rehab)
    else:
        # Bars of days are stamped with midnight.
        first = begin.date() if begin == datetime(begin.year, begin.month, begin.day) else begin.date() + _DAY
        if kline == DAY:
            yield from daily_bars(stock, first, end.date(), rehab)
        else:
            yield from period_bars(stock, _PERIODS[kline], first, end.date(), rehab)


def _last_bars(stock: StockDay, kline: int, count: int, sessions: frozenset[Session], rehab: int) -> Iterable[Bar]:
    """Return the last bars of a ``KLType``, the newest last, as far as they are within ``MOST_DAYS``."""
    if count <= 0:
        return []
    now = stock.time()
    if kline in _MINUTES:
        if not _is_extended(kline):
            sessions = REGULAR
        end = now + timedelta(minutes=_MINUTES[kline])
        minutes, before = count * _MINUTES[kline], None
        while (begin := stock.begin_of_minutes(minutes, sessions, MOST_DAYS)) != before:
            bars = deque(_bars(stock, kline, begin, end, sessions, rehab), maxlen=count)
            if len(bars) == count:
                return bars
            minutes, before = minutes * 4, begin  # data of a user's may lack minutes
        return bars
    first = stock.day()
    if kline == DAY:
        first -= timedelta(days=count * 3 // 2 + 14) if count > 1 else timedelta()
    else:
        period = _PERIODS[kline]
        first = PERIODS[period][1](first - timedelta(days=(count - 1) * _DAYS[period]))
    begin, end = datetime(first.year, first.month, first.day), now
    return deque(_bars(stock, kline, begin, end, sessions, rehab), maxlen=count)
