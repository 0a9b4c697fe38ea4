"""A market: prices that walk at random, and the messages in which OpenD tells them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Any, Final

from ftwire.protocols import registry
from ftwire_tools.messages.varints import varint
from ftwire_tools.synthetic.template import GROWING, GROWN, SMALL, double, template

if TYPE_CHECKING:
    from ftwire_tools.markets.trading_clock import Moment, TradingClock

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
MINUTE: Final = 570
"""Takes two bytes, like all minutes from the third hour of a day on."""
MOST_BOOKS: Final = 256


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
        self.books: Final[dict[int, bytes]] = {}
        """Templates of order books, by the price between their sides."""

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
        if self.volume > GROWN:
            # After some gigabytes of one security: as if its day began anew.
            self.volume = GROWING
            self.turnover = GROWING * price * self.tick
        return volume

    def response(self, name: str) -> Any:
        """Return a message of a protocol that names this security, where it has a place for that."""
        message: Any = registry[name].response()
        message.retType = 0
        if "security" in message.s2c.DESCRIPTOR.fields_by_name:
            message.s2c.security.market = MARKETS[self.market]
            message.s2c.security.code = self.code
        return message


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
        # A security and points of one length: the lengths in front are those of their sum.
        items = b"".join(_point(security, clock.at(at * 60)) for at in range(points))
        message = security.response("Qot_GetRT")
        fields = message.s2c.SerializePartialToString() + items
        message.ClearField("s2c")
        return b"".join((message.SerializePartialToString(), b"\x22", varint(len(fields)), fields))

    def _ticker(self, security: Security, now: Moment) -> bytes:
        count = TRADES[self._random.getrandbits(3)]
        made = security.made.get(count) or _ticker_template(security, count)
        text, stamp, volumes, tick = now.encoded, now.stamp, self._volumes, security.tick
        filling: list[bytes] = []
        for _ in range(count):
            volume = security.trade()
            security.sequence += 1
            price = security.price
            filling += (
                text,
                varint(security.sequence),
                security.prices(price),
                volumes[(volume - LEAST) // LOT],
                double(price * tick * volume),
                stamp,
            )
        return made % tuple(filling)

    def _order_book(self, security: Security, now: Moment) -> bytes:
        made = security.books.get(security.price) or _book_template(security)
        volumes = map(self._volumes.__getitem__, self._random.randbytes(2 * LEVELS))
        return made % (*volumes, now.encoded, now.encoded)

    @staticmethod
    def _basic_quote(security: Security, now: Moment) -> bytes:
        made = security.made.get("basic_quote") or _basic_quote_template(security)
        return made % _trade_holes(security, now.encoded, now)

    @staticmethod
    def _time_share(security: Security, now: Moment) -> bytes:
        made = security.made.get("time_share") or _time_share_template(security)
        return made % _point_holes(security, now)

    @staticmethod
    def _kline(security: Security, now: Moment) -> bytes:
        made = security.made.get("kline") or _kline_template(security)
        return made % _trade_holes(security, now.bar, now)


def _trade_holes(security: Security, time: bytes, now: Moment) -> tuple[bytes, ...]:
    """Trade, and return what a day or a minute has come to."""
    security.trade()
    return (
        time,
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


def _book_template(security: Security) -> bytes:
    """Return the template of an order book around the present price: volumes and times are its holes."""
    made = security.made.get("order_book") or _order_book_template(security)
    price, filling = security.price, list[bytes]()
    for sign in (1, -1):
        for level in range(1, LEVELS + 1):
            filling += (security.prices(price + sign * level).replace(b"%", b"%%"), b"%b")
    if len(security.books) >= MOST_BOOKS:
        security.books.clear()
    # Filled twice: what is a sign of percent in the end is written four times.
    found = security.books[price] = made.replace(b"%%", b"%%%%") % (*filling, b"%b", b"%b")
    return found


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


def _time_share_template(security: Security) -> bytes:
    message = security.response("Qot_UpdateRT")
    made = security.made["time_share"] = template(message, _point_names(message, security))
    return made


def _point(security: Security, now: Moment) -> bytes:
    """Return a ``TimeShare`` as it stands in ``rtList``, tag and length in front."""
    made = security.made.get("point")
    if made is None:
        message: Any = registry["Qot_GetRT"].response()
        names = _point_names(message, security)
        made = security.made["point"] = template(message.s2c, names)
    return made % _point_holes(security, now)


def _point_names(message: Any, security: Security) -> list[tuple[Any, str]]:
    """Add a point to a message and return its holes."""
    point = message.s2c.rtList.add(time=TIME, minute=MINUTE, isBlank=False, price=0.0)
    point.lastClosePrice, point.volume = security.last_close * security.tick, GROWING
    point.avgPrice = point.turnover = point.timestamp = 0.0
    names = ("time", "minute", "price", "avgPrice", "volume", "turnover", "timestamp")
    return [(point, name) for name in names]


def _point_holes(security: Security, now: Moment) -> tuple[bytes, ...]:
    security.trade()
    return (
        now.encoded,
        varint(now.minute),
        security.prices(security.price),
        double(security.turnover / security.volume),
        varint(security.volume),
        double(security.turnover),
        now.stamp,
    )


def _kline_template(security: Security) -> bytes:
    message = security.response("Qot_UpdateKL")
    message.s2c.rehabType, message.s2c.klType = 0, 1
    bar = message.s2c.klList.add(time=TIME, isBlank=False, volume=GROWING)
    bar.openPrice = security.open * security.tick
    bar.highPrice = bar.lowPrice = bar.closePrice = bar.turnover = bar.timestamp = 0.0
    names = ("time", "highPrice", "lowPrice", "closePrice", "volume", "turnover", "timestamp")
    made = security.made["kline"] = template(message, [(bar, name) for name in names])
    return made
