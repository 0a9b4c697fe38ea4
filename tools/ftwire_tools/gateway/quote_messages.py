"""Quotes as messages: fills OpenD's message types from stocks of the made-up market."""

from __future__ import annotations

from typing import Any, Final

from ftwire_tools.markets.local_times import local_text, minute_of_day
from ftwire_tools.markets.sessions import Session
from ftwire_tools.synthetic.trading_day import Bar, Minute, StockDay, Trade
from ftwire_tools.synthetic.trading_session import SessionTotals
from ftwire_tools.synthetic.universe import Kind

__all__ = [
    "fill_bar",
    "fill_basic_quote",
    "fill_name",
    "fill_order_book",
    "fill_security",
    "fill_snapshot",
    "fill_time_share",
    "fill_trade",
]

NORMAL, SUSPENDED = 1, 9
"""``Qot_Common.SecurityStatus``."""
_EXTENDED: Final = {Session.PRE: "preMarket", Session.AFTER: "afterMarket", Session.OVERNIGHT: "overnight"}
"""Trading sessions to the fields of quotes with what is traded there."""


def fill_security(security: Any, stock: StockDay) -> None:
    """Fill a ``Qot_Common.Security``."""
    security.market = stock.listing.market
    security.code = stock.listing.code


def fill_name(s2c: Any, stock: StockDay) -> None:
    """Fill security and name of a reply or a push."""
    fill_security(s2c.security, stock)
    s2c.name = stock.listing.name


def fill_time_share(share: Any, stock: StockDay, minute: Minute, last_close: float) -> None:
    """Fill a ``Qot_Common.TimeShare``, which is stamped with the end of its minute."""
    time = stock.time(minute.end)
    share.time = local_text(time)
    share.minute = minute_of_day(time)
    share.isBlank = minute.is_blank
    share.price = minute.close
    share.lastClosePrice = last_close
    if stock.listing.sec_type != Kind.OPTION:  # options have none (vendor's page)
        share.avgPrice = minute.average
    share.volume = minute.volume
    share.turnover = minute.turnover
    share.timestamp = minute.end


def fill_trade(ticker: Any, stock: StockDay, trade: Trade) -> None:
    """Fill a ``Qot_Common.Ticker``."""
    time = stock.time(trade.second)
    ticker.time = local_text(time)
    ticker.sequence = trade.sequence
    ticker.dir = trade.direction
    ticker.price = trade.price
    ticker.volume = trade.volume
    ticker.turnover = round(trade.volume * trade.price, 3)
    ticker.recvTime = ticker.timestamp = trade.second
    ticker.type = 1
    ticker.pushDataType = 1


def fill_order_book(s2c: Any, stock: StockDay, levels: int) -> None:
    """Fill the content of an order book's reply or push."""
    fill_name(s2c, stock)
    asks, bids = stock.book(levels)
    for side, found in ((s2c.orderBookAskList, asks), (s2c.orderBookBidList, bids)):
        for price, volume, orders in found:
            side.add(price=price, volume=volume, orederCount=orders)
    s2c.svrRecvTimeBid = s2c.svrRecvTimeAsk = local_text(stock.time(stock.traded_at))
    s2c.svrRecvTimeBidTimestamp = s2c.svrRecvTimeAskTimestamp = stock.traded_at


def fill_bar(candle: Any, stock: StockDay, bar: Bar, *, daily: bool) -> None:
    """Fill a ``Qot_Common.KLine``; bars of stocks of a day and longer have a turnover rate and price-earnings."""
    candle.time = local_text(bar.time)
    candle.isBlank = False
    candle.openPrice, candle.highPrice, candle.lowPrice = bar.open, bar.high, bar.low
    candle.closePrice, candle.lastClosePrice = bar.close, bar.last_close
    candle.volume, candle.turnover = bar.volume, bar.turnover
    has_rates = daily and stock.listing.sec_type == Kind.STOCK
    # A ratio: 0.01 is one percent.
    candle.turnoverRate = round(_turnover_rate(stock, bar.volume) / 100, 7) if has_rates else 0.0
    candle.pe = 20.0 if has_rates else 0.0
    candle.changeRate = round((bar.close / bar.last_close - 1) * 100, 3) if bar.last_close else 0.0
    candle.timestamp = stock.stamp(bar.time)


def fill_basic_quote(basic: Any, stock: StockDay) -> None:
    """Fill a ``Qot_Common.BasicQot``."""
    _fill_common(basic, stock)
    basic.isSuspended = stock.is_halted
    basic.amplitude = _amplitude(stock)


def _fill_common(basic: Any, stock: StockDay) -> None:
    """Fill the fields that ``BasicQot`` and ``SnapshotBasicData`` have in common."""
    listing = stock.listing
    fill_security(basic.security, stock)
    basic.name = listing.name
    basic.listTime = listing.listed
    basic.priceSpread = stock.tick
    # A quote stands while nothing is traded.
    basic.updateTime = local_text(stock.time(stock.traded_at))
    basic.updateTimestamp = stock.traded_at
    day = stock.summary()
    basic.highPrice, basic.openPrice, basic.lowPrice = day.high, day.open, day.low
    basic.curPrice, basic.lastClosePrice = day.price, stock.last_close
    basic.volume, basic.turnover = day.volume, day.turnover
    basic.turnoverRate = _turnover_rate(stock, day.volume)
    for session, field in _EXTENDED.items():
        found = stock.of_session(session)
        if found is not None:
            _fill_extended(getattr(basic, field), found, stock.extended_reference(session))
    basic.secStatus = SUSPENDED if stock.is_halted else NORMAL


def _fill_extended(extended: Any, found: SessionTotals, last_close: float) -> None:
    """Fill a ``Qot_Common.PreAfterMarketData``."""
    extended.price, extended.highPrice, extended.lowPrice = found.price, found.high, found.low
    extended.volume, extended.turnover = found.volume, found.turnover
    extended.changeVal = round(found.price - last_close, 5)
    extended.changeRate = round((found.price / last_close - 1) * 100, 3)
    extended.amplitude = round((found.high - found.low) / last_close * 100, 3)


def _turnover_rate(stock: StockDay, volume: int) -> float:
    """Return the percentage of issued shares that is traded, 0 for what has no shares."""
    shares = stock.listing.shares
    return round(volume / shares * 100, 5) if shares else 0.0


def _amplitude(stock: StockDay) -> float:
    return round((stock.high - stock.low) / stock.last_close * 100, 3)


def fill_snapshot(snapshot: Any, stock: StockDay) -> None:
    """Fill the basic data of a ``Qot_GetSecuritySnapshot.Snapshot``."""
    listing, basic = stock.listing, snapshot.basic
    _fill_common(basic, stock)
    basic.type = listing.sec_type
    basic.isSuspend = stock.is_halted
    basic.lotSize = listing.lot
    basic.amplitude = _amplitude(stock)
    basic.avgPrice = round(stock.turnover / stock.volume, 3) if stock.volume else stock.price
    asks, bids = stock.book(min(1, stock.depth))
    if asks:
        ((basic.askPrice, basic.askVol, _),) = asks
    if bids:
        ((basic.bidPrice, basic.bidVol, _),) = bids
    basic.highest52WeeksPrice, basic.lowest52WeeksPrice = stock.range_of_year()
