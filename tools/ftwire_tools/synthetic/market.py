"""A market: prices that walk at random, and the messages in which OpenD tells them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Any, Final

from ftwire.protocols import registry
from ftwire_tools.synthetic.template import GROWING, SMALL, double, template, varint

if TYPE_CHECKING:
    from ftwire_tools.synthetic.clock import Moment, TradingClock

__all__ = ["KINDS", "MARKETS", "Market", "Security"]

KINDS: Final = {
    "ticker": "Qot_UpdateTicker",
    "order_book": "Qot_UpdateOrderBook",
    "basic_quote": "Qot_UpdateBasicQot",
    "time_share": "Qot_UpdateRT",
    "kline": "Qot_UpdateKL",
}
"""What is pushed, by the table that ``ftwire export`` makes of it, to its protocol."""

MARKETS: Final = {"HK": 1, "US": 11}
"""Prefix of codes to ``QotMarket``."""

LEVELS: Final = 10
LOT: Final = 100
LEAST: Final = LOT * (SMALL // LOT + 1)
"""The least volume of a trade or a level: all of them take three bytes."""
TRADES: Final = (1, 1, 1, 1, 1, 2, 2, 6)
"""Trades in a push of tickers: mostly one, seldom many."""
STEPS: Final = (-1, -1, 0, 0, 0, 0, 1, 1)
TIME: Final = "2024-01-02 09:30:00"


class Security:
    """What trades, where its price is now, and the templates of messages about it."""

    def __init__(self, market: str, code: str, random: Random) -> None:
        self.market: Final = market
        self.code: Final = code
        self._random: Final = random
        self.tick: Final = 0.2 if market == "HK" else 0.01
        self.last_close: Final = random.randrange(500, 5000)
        """Prices are whole ticks."""
        self.price = self.open = self.high = self.low = self.last_close
        # Numbers that grow start where their varints have the length they keep.
        self.volume = self.sequence = GROWING
        self.turnover = self.volume * self.price * self.tick
        self.prices: Final = lru_cache(maxsize=4096)(lambda ticks: double(max(1, ticks) * self.tick))
        """The bytes of a price in ticks."""
        self.made: Final[dict[object, bytes]] = {}
        """Templates, by kind and whatever else makes them differ."""

    def trade(self) -> int:
        """Move the price and return the volume of one trade."""
        roll = self._random.getrandbits(16)
        price = self.price = max(1, self.price + STEPS[roll & 7])
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        volume = LEAST + LOT * (roll >> 8)
        self.volume += volume
        self.turnover += volume * price * self.tick
        return volume

    def response(self, name: str) -> Any:
        """Return a message of a protocol that names this security, where it has a place for that."""
        message: Any = registry[name].response()
        message.retType = 0
        if "security" in message.s2c.DESCRIPTOR.fields_by_name:
            message.s2c.security.market = MARKETS[self.market]
            message.s2c.security.code = self.code
        return message

    def fill_point(self, point: Any, now: Moment) -> None:
        """Say where the price is in a ``TimeShare``."""
        point.time, point.minute, point.isBlank = now.text, now.minute, False
        point.price, point.lastClosePrice = self.price * self.tick, self.last_close * self.tick
        point.avgPrice = self.turnover / self.volume
        point.volume, point.turnover, point.timestamp = self.volume, self.turnover, now.unix


class Market:
    """Securities, and bodies of replies and pushes about them."""

    def __init__(self, securities: Sequence[Security], random: Random) -> None:
        self._random: Final = random
        self.securities: Final = securities
        self.makers: Final[dict[str, Callable[[Security, Moment], bytes]]] = {
            "ticker": self._ticker,
            "order_book": self._order_book,
            "basic_quote": self._basic_quote,
            "time_share": self._time_share,
            "kline": self._kline,
        }
        self._volumes: Final = [varint(LEAST + LOT * number) for number in range(256)]
        """The bytes of a level's volume."""

    def time_shares(self, security: Security, clock: TradingClock, points: int) -> bytes:
        """Return the body of a Qot_GetRT reply: the minutes of a day up to now."""
        message = security.response("Qot_GetRT")
        for at in range(points):
            security.trade()
            security.fill_point(message.s2c.rtList.add(), clock.at(at * 60))
        return bytes(message.SerializeToString())

    def _ticker(self, security: Security, now: Moment) -> bytes:
        count = TRADES[self._random.getrandbits(3)]
        made = security.made.get(count) or _ticker_template(security, count)
        filling: list[bytes] = []
        for _ in range(count):
            volume = security.trade()
            security.sequence += 1
            price = security.price
            filling += (
                now.encoded,
                varint(security.sequence),
                security.prices(price),
                self._volumes[(volume - LEAST) // LOT],
                double(price * security.tick * volume),
                now.stamp,
            )
        return made % tuple(filling)

    def _order_book(self, security: Security, now: Moment) -> bytes:
        made = security.made.get("order_book") or _order_book_template(security)
        price, prices, volumes = security.price, security.prices, self._volumes
        filling: list[bytes] = []
        for level, roll in enumerate(self._random.randbytes(LEVELS), 1):
            filling += (prices(price + level), volumes[roll])
        for level, roll in enumerate(self._random.randbytes(LEVELS), 1):
            filling += (prices(price - level), volumes[roll])
        return made % (*filling, now.encoded, now.encoded)

    @staticmethod
    def _basic_quote(security: Security, now: Moment) -> bytes:
        made = security.made.get("basic_quote") or _basic_quote_template(security)
        security.trade()
        return made % (
            now.encoded,
            security.prices(security.high),
            security.prices(security.low),
            security.prices(security.price),
            varint(security.volume),
            double(security.turnover),
            now.stamp,
        )

    @staticmethod
    def _time_share(security: Security, now: Moment) -> bytes:
        made = security.made.get("time_share") or _time_share_template(security, now)
        security.trade()
        return made % (
            now.encoded,
            varint(now.minute),
            security.prices(security.price),
            double(security.turnover / security.volume),
            varint(security.volume),
            double(security.turnover),
            now.stamp,
        )

    @staticmethod
    def _kline(security: Security, now: Moment) -> bytes:
        made = security.made.get("kline") or _kline_template(security)
        security.trade()
        return made % (
            now.bar,
            security.prices(security.high),
            security.prices(security.low),
            security.prices(security.price),
            varint(security.volume),
            double(security.turnover),
            now.stamp,
        )


def _ticker_template(security: Security, count: int) -> bytes:
    message = security.response("Qot_UpdateTicker")
    holes = []
    for number in range(count):
        item = message.s2c.tickerList.add(time=TIME, sequence=GROWING, dir=1 + number % 3, price=0, volume=LEAST)
        item.turnover, item.type, item.timestamp = 0.0, 1, 0.0
        holes += [(item, name) for name in ("time", "sequence", "price", "volume", "turnover", "timestamp")]
    made = security.made[count] = template(message, holes)
    return made


def _order_book_template(security: Security) -> bytes:
    message = security.response("Qot_UpdateOrderBook")
    holes = []
    for items in (message.s2c.orderBookAskList, message.s2c.orderBookBidList):
        for level in range(LEVELS):
            item = items.add(price=0, volume=LEAST, orederCount=1 + 7 * level % 10)
            holes += [(item, "price"), (item, "volume")]
    message.s2c.svrRecvTimeBid = message.s2c.svrRecvTimeAsk = TIME
    holes += [(message.s2c, "svrRecvTimeBid"), (message.s2c, "svrRecvTimeAsk")]
    made = security.made["order_book"] = template(message, holes)
    return made


def _basic_quote_template(security: Security) -> bytes:
    message = security.response("Qot_UpdateBasicQot")
    quote = message.s2c.basicQotList.add(isSuspended=False, listTime="2004-06-16", updateTime=TIME, volume=GROWING)
    quote.security.market, quote.security.code = MARKETS[security.market], security.code
    quote.priceSpread = quote.turnoverRate = quote.amplitude = security.tick
    quote.openPrice, quote.lastClosePrice = security.open * security.tick, security.last_close * security.tick
    quote.highPrice = quote.lowPrice = quote.curPrice = quote.turnover = quote.updateTimestamp = 0.0
    names = ("updateTime", "highPrice", "lowPrice", "curPrice", "volume", "turnover", "updateTimestamp")
    made = security.made["basic_quote"] = template(message, [(quote, name) for name in names])
    return made


def _time_share_template(security: Security, now: Moment) -> bytes:
    message = security.response("Qot_UpdateRT")
    point = message.s2c.rtList.add()
    security.fill_point(point, now)
    names = ("time", "minute", "price", "avgPrice", "volume", "turnover", "timestamp")
    made = security.made["time_share"] = template(message, [(point, name) for name in names])
    return made


def _kline_template(security: Security) -> bytes:
    message = security.response("Qot_UpdateKL")
    message.s2c.rehabType, message.s2c.klType = 0, 1
    bar = message.s2c.klList.add(time=TIME, isBlank=False, volume=GROWING)
    bar.openPrice = security.open * security.tick
    bar.highPrice = bar.lowPrice = bar.closePrice = bar.turnover = bar.timestamp = 0.0
    names = ("time", "highPrice", "lowPrice", "closePrice", "volume", "turnover", "timestamp")
    made = security.made["kline"] = template(message, [(bar, name) for name in names])
    return made
