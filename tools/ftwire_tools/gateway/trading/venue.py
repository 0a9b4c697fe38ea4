"""What trading needs of a market: the instruments, their quotes and prints, the time, and whether they trade.

``Venue`` is that interface. ``MadeUpVenue`` is the made-up market behind it; tests steer one of their own.
"""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from ftwire_tools.gateway.trading.amounts import ZERO, exact
from ftwire_tools.markets.codes import parse_security
from ftwire_tools.markets.exchanges import EXCHANGES, exchange_of
from ftwire_tools.markets.sessions import MarketState, Session
from ftwire_tools.markets.trading_days import CalendarRangeError
from ftwire_tools.synthetic.prices import UNIT
from ftwire_tools.synthetic.trading_day import ALL_SESSIONS, TRADES
from ftwire_tools.synthetic.universe import Kind as SecurityType

if TYPE_CHECKING:
    from ftwire_tools.markets.ticks import TickRule
    from ftwire_tools.synthetic.trading_day import Market, StockDay
    from ftwire_tools.synthetic.universe import Listing

__all__ = ["Instrument", "Kind", "MadeUpVenue", "Phase", "Print", "Quote", "SecMarket", "Venue"]


class Kind(Enum):
    """What an instrument is, as far as rules of trading differ."""

    STOCK = "stock"
    """Stocks, ETFs, warrants, CBBCs."""
    OPTION = "option"
    FUTURE = "future"
    CRYPTO = "crypto"
    OTHER = "other"
    """Indices, plates and the like: nothing that is traded."""


class SecMarket(IntEnum):
    """``Trd_Common.TrdSecMarket`` of the exchanges that have rules of their own here."""

    HK = exchange_of("HK").sec_market
    US = exchange_of("US").sec_market
    SH = exchange_of("SH").sec_market
    SZ = exchange_of("SZ").sec_market


class Phase(Enum):
    """What a market does at a moment."""

    CLOSED = "closed"
    AUCTION = "auction"
    """The opening or closing auction: orders are collected."""
    REGULAR = "regular"
    BREAK = "break"
    """A pause within the day: lunch."""
    PRE = "pre-market"
    AFTER = "after-hours"
    OVERNIGHT = "overnight"


class Instrument(NamedTuple):
    """What is fixed about something that is traded."""

    sec_market: int
    """``Trd_Common.TrdSecMarket``."""
    qot_market: int
    """``Qot_Common.QotMarket``."""
    code: str
    name: str
    kind: Kind
    lot: Decimal
    """Smallest quantity, of which others are multiples."""
    currency: int
    """``Trd_Common.Currency``."""
    tick_rule: TickRule
    """Smallest difference of two prices, by price."""
    multiplier: Decimal = Decimal(1)
    """Shares of an option's contract, size of a future's."""
    last_day: date | None = None
    """Last day on which an option is traded."""
    security_type: int = SecurityType.STOCK
    """``Qot_Common.SecurityType``, of what is traded as a stock."""

    @property
    def key(self) -> tuple[int, str]:
        """Market and code, which together are unique."""
        return self.sec_market, self.code

    @property
    def is_us_stock(self) -> bool:
        """Whether it is a stock of the US: only these are traded outside regular hours."""
        return self.sec_market == SecMarket.US and self.kind is Kind.STOCK

    @property
    def is_chinese(self) -> bool:
        """Whether it is traded in Shanghai or Shenzhen."""
        return self.sec_market in {SecMarket.SH, SecMarket.SZ}


class Quote(NamedTuple):
    """Prices at a moment."""

    last: Decimal
    asks: tuple[tuple[Decimal, Decimal], ...]
    """Price and quantity of what is offered, the lowest price first."""
    bids: tuple[tuple[Decimal, Decimal], ...]
    """Price and quantity of what is asked for, the highest price first."""
    moment: int
    """Changes whenever the book is another one."""

    @property
    def ask(self) -> Decimal:
        """Lowest price of sellers, the last price where there are none."""
        return self.asks[0][0] if self.asks else self.last

    @property
    def bid(self) -> Decimal:
        """Highest price of buyers, the last price where there are none."""
        return self.bids[0][0] if self.bids else self.last


class Print(NamedTuple):
    """A trade of others that the market has printed."""

    sequence: int
    price: Decimal
    quantity: Decimal


class Venue(Protocol):
    """A market that orders are sent to."""

    def find(self, sec_market: int, code: str) -> Instrument | None:
        """Return an instrument; with a market of 0 the first that has this code."""
        ...

    def quote(self, instrument: Instrument) -> Quote:
        """Return the present prices."""
        ...

    def last(self, instrument: Instrument) -> Decimal:
        """Return the price of the last trade."""
        ...

    def prints(self, instrument: Instrument, after: int) -> list[Print]:
        """Return the trades with a sequence number above ``after``, the oldest first."""
        ...

    def sequence(self, instrument: Instrument) -> int:
        """Return the sequence number of the last trade, 0 for none."""
        ...

    def phase(self, instrument: Instrument) -> Phase:
        """Return what its market does now."""
        ...

    def is_halted(self, instrument: Instrument) -> bool:
        """Return whether trading in it is halted."""
        ...

    def now(self, instrument: Instrument) -> datetime:
        """Return the time on its exchange's clock, without zone."""
        ...

    def stamp(self, instrument: Instrument, time: datetime) -> float:
        """Return a time of its exchange's clock in seconds since 1970."""
        ...

    def trading_day(self, instrument: Instrument, sessions: frozenset[Session] = ALL_SESSIONS) -> date:
        """Return the day that trades of this moment in some sessions belong to, the next one where these are over."""
        ...

    def day_begun(self, instrument: Instrument) -> date:
        """Return the last trading day that has begun, also after its trading is over."""
        ...

    def steady_minute(self) -> int | None:
        """Return the minute since 1970 in which markets do what they do now, ``None`` in its first and last second."""
        ...

    def worth_at_expiry(self, instrument: Instrument) -> Decimal:
        """Return the price of an option at the close of its last day, when nothing but its difference counts."""
        ...

    def another_day(self, instrument: Instrument, day: date, days: int) -> date:
        """Return the trading day so many after another, or before it where ``days`` is negative."""
        ...

    def reference(self, instrument: Instrument) -> Decimal:
        """Return the close before the last day that has begun, which price limits and the day's result count from."""
        ...


_KINDS: Final = {
    SecurityType.STOCK: Kind.STOCK,
    SecurityType.ETF: Kind.STOCK,
    SecurityType.WARRANT: Kind.STOCK,
    SecurityType.OPTION: Kind.OPTION,
    SecurityType.FUTURE: Kind.FUTURE,
    SecurityType.CRYPTO: Kind.CRYPTO,
}
"""``Qot_Common.SecurityType`` to how it is traded."""
_CRYPTO_LOT: Final = Decimal("0.00000001")
"""Quantities of crypto are fractions."""


_PHASES: Final = {
    Session.REGULAR: Phase.REGULAR,
    Session.PRE: Phase.PRE,
    Session.AFTER: Phase.AFTER,
    Session.OVERNIGHT: Phase.OVERNIGHT,
}
_STATES: Final = {
    MarketState.AUCTION: Phase.AUCTION,
    MarketState.WAITING_OPEN: Phase.AUCTION,  # its orders are in, and its price is the first one of the day
    MarketState.HK_CLOSING_AUCTION: Phase.AUCTION,
    MarketState.CLOSE_AUCTION: Phase.AUCTION,
    MarketState.TRADE_AUCTION: Phase.AUCTION,
    MarketState.REST: Phase.BREAK,
    MarketState.FUTURE_DAY_BREAK: Phase.BREAK,
    MarketState.FUTURE_BREAK: Phase.BREAK,
}
"""States in which nothing is traded and the market is not closed."""


class MadeUpVenue:
    """The made-up market."""

    def __init__(self, market: Market) -> None:
        self._market: Final = market
        self._instruments: Final[dict[tuple[int, str], Instrument]] = {}
        self._quotes: Final[dict[tuple[int, str], tuple[tuple[int, float], Quote]]] = {}
        self._prints: Final[dict[tuple[int, str], tuple[tuple[int, float, int], list[Print]]]] = {}

    def _stock(self, instrument: Instrument) -> StockDay:
        found = self._market.stock(instrument.qot_market, instrument.code)
        if found is None:
            raise KeyError(instrument.key)
        return found

    def find(self, sec_market: int, code: str) -> Instrument | None:
        """Return an instrument; for a main future its dated contract, which orders for it are for."""
        for exchange in EXCHANGES:
            if exchange.sec_market == sec_market if sec_market else exchange.sec_market:
                listing = self._market.listing(exchange.qot_market, code)
                if listing is not None:
                    is_main = listing.sec_type == SecurityType.FUTURE and listing.month
                    dated = self._market.universe.named(listing.month) if is_main else None
                    return self._instrument(dated or listing)
        return None

    def _instrument(self, listing: Listing) -> Instrument:
        key = listing.sec_market, listing.code
        found = self._instruments.get(key)
        if found is None:
            kind = _KINDS.get(listing.sec_type, Kind.OTHER)
            if kind is Kind.CRYPTO and listing.kind == "index":
                kind = Kind.OTHER
            has_size = kind in {Kind.OPTION, Kind.FUTURE}
            found = self._instruments[key] = Instrument(
                listing.sec_market,
                listing.market,
                listing.code,
                listing.name,
                kind,
                _CRYPTO_LOT if kind is Kind.CRYPTO else Decimal(listing.lot),
                listing.currency,
                listing.tick_rule or ((math.inf, listing.tick),),
                exact(listing.size) if has_size else Decimal(1),
                date.fromisoformat(listing.expiry) if kind is Kind.OPTION else None,
                listing.sec_type,
            )
        return found

    def quote(self, instrument: Instrument) -> Quote:
        """Return the present prices."""
        stock = self._stock(instrument)
        state = stock.traded_at, stock.latest  # the book changes with these
        known = self._quotes.get(instrument.key)
        if known is None or known[0] != state:
            asks, bids = stock.book()
            found = Quote(
                exact(stock.latest),
                tuple((exact(price), Decimal(volume)) for price, volume, _ in asks),
                tuple((exact(price), Decimal(volume)) for price, volume, _ in bids),
                stock.traded_at,
            )
            known = self._quotes[instrument.key] = state, found
        return known[1]

    def last(self, instrument: Instrument) -> Decimal:
        """Return the price of the last trade."""
        return exact(self._stock(instrument).latest)

    def prints(self, instrument: Instrument, after: int) -> list[Print]:
        """Return the trades since one. Trades are numbered by their seconds: there is one in a second at most."""
        stock = self._stock(instrument)
        since = stock.traded_at - after
        if since <= 0:
            return []
        state = stock.traded_at, stock.latest, after
        known = self._prints.get(instrument.key)
        if known is None or known[0] != state:  # most orders look since the same trade
            known = self._prints[instrument.key] = state, self._since(stock, after, since)
        return known[1]

    @staticmethod
    def _since(stock: StockDay, after: int, seconds: int) -> list[Print]:
        found = stock.last_trades(min(seconds, TRADES), ALL_SESSIONS)
        return [
            Print(trade.second, exact(trade.price), Decimal(trade.volume)) for trade in found if trade.second > after
        ]

    def sequence(self, instrument: Instrument) -> int:
        """Return the number of the last trade."""
        return self._stock(instrument).traded_at

    def phase(self, instrument: Instrument) -> Phase:
        """Return what its market does now."""
        stock = self._stock(instrument)
        session = stock.session
        if session is not None:
            return _PHASES[session]
        return _STATES.get(stock.state, Phase.CLOSED)

    def is_halted(self, instrument: Instrument) -> bool:
        """Return whether it is halted."""
        return self._stock(instrument).is_halted

    def now(self, instrument: Instrument) -> datetime:
        """Return the time on its exchange's clock."""
        return self._stock(instrument).time()

    def stamp(self, instrument: Instrument, time: datetime) -> float:
        """Return a time in seconds since 1970."""
        return self._stock(instrument).stamp(time)

    def trading_day(self, instrument: Instrument, sessions: frozenset[Session] = ALL_SESSIONS) -> date:
        """Return the trading day of a moment."""
        stock, now = self._stock(instrument), self._market.now
        hours = stock.hours
        day = hours.day_at(now, sessions)
        ends = max(each.end for each in hours.trading(day) if each.session in sessions)
        in_closing_auction = self.phase(instrument) is Phase.AUCTION and stock.time().date() == day
        return hours.after(day) if now >= ends and not in_closing_auction else day

    def day_begun(self, instrument: Instrument) -> date:
        """Return the last trading day that has begun."""
        return self._stock(instrument).day(ALL_SESSIONS)

    def steady_minute(self) -> int | None:
        """Return the minute, unless it begins or ends: phases begin with minutes."""
        minute, second = divmod(self._market.now, 60)
        return minute if 0 < second < 59 else None

    def worth_at_expiry(self, instrument: Instrument) -> Decimal:
        """Return by how much the underlying has closed above a call's strike, or below a put's, 0 where it has not."""
        option = self._stock(instrument).listing
        owner = self._market.stock(*parse_security(option.owner))
        if owner is None or instrument.last_day is None:
            raise KeyError(option.owner)
        above = exact(owner.days_of.bar(instrument.last_day, Session.REGULAR).close / UNIT) - exact(option.strike)
        return max(above if option.kind == "call" else -above, ZERO)

    def another_day(self, instrument: Instrument, day: date, days: int) -> date:
        """Return a trading day before or after another."""
        hours = self._stock(instrument).hours
        for _ in range(abs(days)):
            try:
                day = hours.after(day) if days > 0 else hours.before(day)
            except CalendarRangeError:  # the clock stops at the end of the calendars, settlement comes after it
                day += timedelta(days=1 if days > 0 else -1)
        return day

    def reference(self, instrument: Instrument) -> Decimal:
        """Return the close before the present day."""
        return exact(self._stock(instrument).reference(ALL_SESSIONS))
