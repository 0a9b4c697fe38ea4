"""Bodies of replies and pushes about stocks of the made-up market, made from templates.

A push takes one to two microseconds to make, so that captures of gigabytes can be written. The gateway fills its
messages field by field (``gateway.quote_messages``): 11 for a quote, 43 for an order book. A template can only have
fields that are fixed, or whose encoded length is, which is why these bodies have fewer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.body_mutations import encode_varint
from ftwire.protocols import registry
from ftwire_tools.markets.local_times import local_text, minute_of_day
from ftwire_tools.synthetic.market import LEVELS, Stock
from ftwire_tools.synthetic.template import GROWING, GROWN, SMALL, double, template
from ftwire_tools.synthetic.universe import Listing

if TYPE_CHECKING:
    from ftwire_tools.markets.trading_clock import TradingClock

__all__ = ["KINDS", "Bodies", "Moment", "TemplateStock", "moments"]

KINDS: Final = {
    "ticker": "Qot_UpdateTicker",
    "order_book": "Qot_UpdateOrderBook",
    "basic_quote": "Qot_UpdateBasicQot",
    "time_share": "Qot_UpdateRT",
    "kline": "Qot_UpdateKL",
}
"""Kinds of pushes, by the name of the table that ``ftwire export`` makes of them, to their protocols."""

LOT: Final = 100
"""Shares in a lot of a made-up listing."""
LEAST_LOTS: Final = SMALL // LOT + 1
LEAST: Final = LOT * LEAST_LOTS
"""Least volume of a trade or a level, so that the varints of all take three bytes."""
TRADES: Final = (1, 1, 1, 1, 1, 2, 2, 6)
"""Numbers of trades in a push of tickers, each as likely as the others."""
TIME: Final = "2024-01-02 09:30:00"
MINUTE: Final = 570
"""Minute of the day whose varint takes two bytes, as of all from 128 on."""
MOST_BOOKS: Final = 256
"""Most templates of order books that a stock keeps."""


class Moment(NamedTuple):
    """A second of trading, as templates need it."""

    unix: int
    """Seconds since 1970, UTC."""
    minute: int
    """Minute of the day on the exchange's clock."""
    text: bytes
    """``yyyy-MM-dd HH:mm:ss`` on the exchange's clock."""
    stamp: bytes
    """``unix`` as an encoded ``double``."""
    bar: bytes
    """``text`` of the first second of the minute."""
    bar_stamp: bytes
    """``stamp`` of that second."""


def moments(clock: TradingClock) -> Callable[[int], Moment]:
    """Return a function from seconds of trading to moments."""

    @lru_cache(maxsize=1 << 15)
    def moment(second: int) -> Moment:
        time = clock.at(second)
        unix, text = int(time.timestamp()), local_text(time).encode()
        return Moment(unix, minute_of_day(time), text, double(unix), text[:-2] + b"00", double(unix - unix % 60))

    return moment


class TemplateStock(Stock):
    """A stock with the templates of messages about it."""

    def __init__(self, listing: Listing, random: Random) -> None:
        # Growing numbers start where their varints have the length that the holes have, and start there again before
        # they get longer: after some gigabytes about one stock.
        super().__init__(listing, random, least_lots=LEAST_LOTS, volume=GROWING, most_volume=GROWN)
        self.sequence = GROWING
        """Number of the last trade."""
        self.prices: Final = lru_cache(maxsize=4096)(lambda ticks: double(self.money(max(1, ticks))))
        """Returns the encoded price of a number of ticks."""
        self.made: Final[dict[object, bytes]] = {}
        """Templates, by kind and whatever else they depend on."""
        self.books: Final[dict[int, bytes]] = {}
        """Templates of order books, by the price between their sides."""

    def response(self, name: str) -> Any:
        """Return a message of a protocol, about this stock where it has a field for that."""
        message: Any = registry[name].response()
        message.retType = 0
        if "security" in message.s2c.DESCRIPTOR.fields_by_name:
            message.s2c.security.market = self.listing.market
            message.s2c.security.code = self.listing.code
        return message


class Bodies:
    """Makes the bodies of replies and pushes about stocks."""

    def __init__(self, random: Random) -> None:
        self._random: Final = random
        self.makers: Final[dict[str, Callable[[TemplateStock, Moment], bytes]]] = {
            "ticker": self._ticker,
            "order_book": self._order_book,
            "basic_quote": self._basic_quote,
            "time_share": self._time_share,
            "kline": self._kline,
        }
        self._volumes: Final = [encode_varint(LEAST + LOT * number) for number in range(256)]
        """Encoded volumes, by their lots above the least."""

    def time_shares(self, stock: TemplateStock, at: Callable[[int], Moment], points: int) -> bytes:
        """Return the body of a Qot_GetRT reply with the first minutes of a day; ``at`` comes from ``moments``."""
        # Written by hand, since the points are encoded already.
        items = b"".join(_point(stock, at(minute * 60)) for minute in range(points))
        message = stock.response("Qot_GetRT")
        fields = message.s2c.SerializePartialToString() + items
        message.ClearField("s2c")
        return b"".join((message.SerializePartialToString(), b"\x22", encode_varint(len(fields)), fields))

    def _ticker(self, stock: TemplateStock, now: Moment) -> bytes:
        count = TRADES[self._random.getrandbits(3)]
        made = stock.made.get(count) or _ticker_template(stock, count)
        text, stamp, volumes = now.text, now.stamp, self._volumes
        filling: list[bytes] = []
        for _ in range(count):
            volume = stock.trade()
            stock.sequence += 1
            price = stock.ticks
            filling += (
                text,
                encode_varint(stock.sequence),
                stock.prices(price),
                volumes[(volume - LEAST) // LOT],
                double(stock.money(price * volume)),
                stamp,
            )
        return made % tuple(filling)

    def _order_book(self, stock: TemplateStock, now: Moment) -> bytes:
        made = stock.books.get(stock.ticks) or _book_template(stock)
        volumes = map(self._volumes.__getitem__, self._random.randbytes(2 * LEVELS))
        return made % (*volumes, now.text, now.text)

    @staticmethod
    def _basic_quote(stock: TemplateStock, now: Moment) -> bytes:
        made = stock.made.get("basic_quote") or _basic_quote_template(stock)
        return made % _trade_holes(stock, now.text, now.stamp)

    @staticmethod
    def _time_share(stock: TemplateStock, now: Moment) -> bytes:
        made = stock.made.get("time_share") or _time_share_template(stock)
        return made % _point_holes(stock, now)

    @staticmethod
    def _kline(stock: TemplateStock, now: Moment) -> bytes:
        made = stock.made.get("kline") or _kline_template(stock)
        return made % _trade_holes(stock, now.bar, now.bar_stamp)


def _trade_holes(stock: TemplateStock, time: bytes, stamp: bytes) -> tuple[bytes, ...]:
    """Trade, and return the values of a candle or a quote."""
    stock.trade()
    return (
        time,
        stock.prices(stock.high_ticks),
        stock.prices(stock.low_ticks),
        stock.prices(stock.ticks),
        encode_varint(stock.volume),
        double(stock.turnover),
        stamp,
    )


def _ticker_template(stock: TemplateStock, count: int) -> bytes:
    message = stock.response("Qot_UpdateTicker")
    holes = []
    for number in range(count):
        item = message.s2c.tickerList.add(time=TIME, sequence=GROWING, dir=1 + number % 3, price=0, volume=LEAST)
        item.turnover, item.type, item.timestamp = 0.0, 1, 0.0
        holes += [(item, name) for name in ("time", "sequence", "price", "volume", "turnover", "timestamp")]
    made = stock.made[count] = template(message, holes)
    return made


def _order_book_template(stock: TemplateStock) -> bytes:
    message = stock.response("Qot_UpdateOrderBook")
    holes = []
    for items in (message.s2c.orderBookAskList, message.s2c.orderBookBidList):
        for level in range(LEVELS):
            item = items.add(price=0, volume=LEAST, orederCount=1 + 7 * level % 10)
            holes += [(item, "price"), (item, "volume")]
    message.s2c.svrRecvTimeBid = message.s2c.svrRecvTimeAsk = TIME
    holes += [(message.s2c, "svrRecvTimeBid"), (message.s2c, "svrRecvTimeAsk")]
    made = stock.made["order_book"] = template(message, holes)
    return made


def _book_template(stock: TemplateStock) -> bytes:
    """Return the template of an order book at the present price; its holes are volumes and times."""
    made = stock.made.get("order_book") or _order_book_template(stock)
    ticks, filling = stock.ticks, list[bytes]()
    for sign in (1, -1):
        for level in range(1, LEVELS + 1):
            filling += (stock.prices(ticks + sign * level).replace(b"%", b"%%"), b"%b")
    if len(stock.books) >= MOST_BOOKS:
        stock.books.clear()
    # Filled twice, so a percent sign of the result is written four times.
    found = stock.books[ticks] = made.replace(b"%%", b"%%%%") % (*filling, b"%b", b"%b")
    return found


def _basic_quote_template(stock: TemplateStock) -> bytes:
    message = stock.response("Qot_UpdateBasicQot")
    quote = message.s2c.basicQotList.add(isSuspended=False, listTime="2004-06-16", updateTime=TIME, volume=GROWING)
    quote.security.market, quote.security.code = stock.listing.market, stock.listing.code
    quote.priceSpread = quote.turnoverRate = quote.amplitude = stock.tick
    quote.openPrice, quote.lastClosePrice = stock.money(stock.open_ticks), stock.money(stock.anchor)
    quote.highPrice = quote.lowPrice = quote.curPrice = quote.turnover = quote.updateTimestamp = 0.0
    names = ("updateTime", "highPrice", "lowPrice", "curPrice", "volume", "turnover", "updateTimestamp")
    made = stock.made["basic_quote"] = template(message, [(quote, name) for name in names])
    return made


def _time_share_template(stock: TemplateStock) -> bytes:
    message = stock.response("Qot_UpdateRT")
    made = stock.made["time_share"] = template(message, _point_names(message, stock))
    return made


def _point(stock: TemplateStock, now: Moment) -> bytes:
    """Return an encoded item of ``rtList``, with tag and length."""
    made = stock.made.get("point")
    if made is None:
        message: Any = registry["Qot_GetRT"].response()
        names = _point_names(message, stock)
        made = stock.made["point"] = template(message.s2c, names)
    return made % _point_holes(stock, now)


def _point_names(message: Any, stock: TemplateStock) -> list[tuple[Any, str]]:
    """Add a point to a message and return its holes."""
    point = message.s2c.rtList.add(time=TIME, minute=MINUTE, isBlank=False, price=0.0)
    point.lastClosePrice, point.volume = stock.money(stock.anchor), GROWING
    point.avgPrice = point.turnover = point.timestamp = 0.0
    names = ("time", "minute", "price", "avgPrice", "volume", "turnover", "timestamp")
    return [(point, name) for name in names]


def _point_holes(stock: TemplateStock, now: Moment) -> tuple[bytes, ...]:
    stock.trade()
    return (
        now.text,
        encode_varint(now.minute),
        stock.prices(stock.ticks),
        double(round(stock.turnover / stock.volume, 3)),
        encode_varint(stock.volume),
        double(stock.turnover),
        now.stamp,
    )


def _kline_template(stock: TemplateStock) -> bytes:
    message = stock.response("Qot_UpdateKL")
    message.s2c.rehabType, message.s2c.klType = 0, 1
    bar = message.s2c.klList.add(time=TIME, isBlank=False, volume=GROWING)
    bar.openPrice = stock.money(stock.open_ticks)
    bar.highPrice = bar.lowPrice = bar.closePrice = bar.turnover = bar.timestamp = 0.0
    names = ("time", "highPrice", "lowPrice", "closePrice", "volume", "turnover", "timestamp")
    made = stock.made["kline"] = template(message, [(bar, name) for name in names])
    return made
