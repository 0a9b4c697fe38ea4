"""The market as answers about instruments see it: what there is, its present prices, and the time."""

from __future__ import annotations

import zlib
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from random import Random
from typing import Any, Final, NamedTuple

from ftwire_tools.gateway.quotes import UNKNOWN_STOCK, NotHereError
from ftwire_tools.markets.codes import parse_security
from ftwire_tools.markets.local_times import parse_local
from ftwire_tools.synthetic.corporate_actions import actions_of
from ftwire_tools.synthetic.fundamentals import Fundamentals, fundamentals
from ftwire_tools.synthetic.history import FORWARD, daily_bars
from ftwire_tools.synthetic.options import Greeks, base_volatility, greeks, volatility, years_to
from ftwire_tools.synthetic.trading_day import Bar, Market
from ftwire_tools.synthetic.universe import Kind, Listing, Universe

__all__ = ["MarketView", "Quote", "read_date", "set_security", "stock_id"]


_FIRST_YEAR, _LAST_YEAR = 1970, 2098
YEAR: Final = 260
"""Trading days, with some to spare."""


class Quote(NamedTuple):
    """Present prices of an instrument."""

    price: float
    last_close: float
    open: float
    high: float
    low: float
    volume: int
    turnover: float
    bid: float
    ask: float

    @property
    def change(self) -> float:
        """Difference to the last close."""
        return round(self.price - self.last_close, 4)

    @property
    def change_rate(self) -> float:
        """Difference to the last close, in percent of it."""
        return round(self.change / self.last_close * 100, 3) if self.last_close else 0.0

    @property
    def amplitude(self) -> float:
        """Range of the day, in percent of the last close."""
        return round((self.high - self.low) / self.last_close * 100, 3) if self.last_close else 0.0


class _Year(NamedTuple):
    """The bars of a year, as they were at a moment."""

    now: int
    today: date
    bars: list[Bar]


class MarketView:
    """A market, and what is made up about its instruments besides prices."""

    def __init__(self, market: Market, seed: int) -> None:
        self.market: Final = market
        self.seed: Final = seed
        self.universe: Final[Universe] = market.universe
        self._days: Final[dict[str, _Year]] = {}

    def listing(self, security: Any) -> Listing:
        """Return the instrument of a ``Qot_Common.Security``. Raises ``NotHereError``."""
        found = self.market.listing(security.market, security.code)
        if found is None:
            raise NotHereError(f"{UNKNOWN_STOCK} {security.code!s:.32}")
        return found

    def named(self, full_code: str) -> Listing | None:
        """Return the instrument of ``HK.00700``, options included; ``None`` for an unknown one."""
        try:
            return self.market.listing(*parse_security(full_code))
        except ValueError:
            return None

    def quote(self, listing: Listing) -> Quote:
        """Return present prices. Those of an option are its value at the price of its underlying."""
        if listing.sec_type == Kind.OPTION:
            return self._option_quote(listing)
        stock = self.market.stock(listing.market, listing.code)
        if stock is None:
            raise NotHereError(f"{UNKNOWN_STOCK} {listing.code}")
        return Quote(
            stock.price,
            stock.last_close,
            stock.open,
            stock.high,
            stock.low,
            stock.volume,
            stock.turnover,
            stock.bid,
            stock.ask,
        )

    def _option_quote(self, option: Listing) -> Quote:
        price, last = self._on_tick(option, self.greeks(option).price), option.last_close
        volume = self.option_volume(option)
        tick = option.tick_at(price)
        high, low = max(price, last), min(price, last)
        turnover = round(volume * price * option.size, 2)
        return Quote(price, last, last, high, low, volume, turnover, max(0.0, round(price - tick, 4)), price + tick)

    @staticmethod
    def _on_tick(listing: Listing, price: float) -> float:
        tick = listing.tick_at(price)
        return round(max(1, round(price / tick)) * tick, 4)

    def greeks(self, option: Listing) -> Greeks:
        """Return the value of an option at the price of its underlying, and how it changes."""
        owner = self.owner(option)
        day, today = date.fromisoformat(option.expiry), self.today(option)
        sigma = volatility(owner, option.strike, day, today)
        spot = self.quote(owner).price
        return greeks(spot, option.strike, years_to(day, today), sigma, is_call=option.kind == "call")

    def implied_volatility(self, option: Listing) -> float:
        """Return the yearly volatility that an option is valued with, as a fraction."""
        return volatility(self.owner(option), option.strike, date.fromisoformat(option.expiry), self.today(option))

    def owner(self, derivative: Listing) -> Listing:
        """Return the underlying of a derivative. Raises ``NotHereError`` for an instrument without one."""
        found = self.named(derivative.owner)
        if found is None:
            raise NotHereError(f"{UNKNOWN_STOCK} {derivative.owner}")
        return found

    def open_interest(self, contract: Listing) -> int:
        """Return the open interest of an option or a future, in contracts."""
        nearness = self._nearness(contract)
        return int(self.drawn(contract, "open interest").randint(200, 20_000) * nearness) + 10

    def option_volume(self, option: Listing) -> int:
        """Return the contracts of an option that are traded today."""
        return int(self.open_interest(option) * self.drawn(option, "volume").uniform(0.02, 0.6))

    def _nearness(self, contract: Listing) -> float:
        if contract.sec_type != Kind.OPTION:
            return 5.0
        owner = self.owner(contract)
        return max(0.02, 1 - 4 * abs(contract.strike / owner.last_close - 1))

    def fundamentals(self, listing: Listing) -> Fundamentals:
        """Return the made-up company behind a stock."""
        return fundamentals(listing, self.seed)

    def volatility(self, listing: Listing) -> float:
        """Return the yearly volatility of an instrument, as a fraction."""
        return base_volatility(listing)

    def dividends(self, listing: Listing) -> float:
        """Return the cash that a share was paid in the year up to now."""
        today = self.today(listing)
        paid = (action for action in actions_of(listing) if today - timedelta(days=365) < action.day <= today)
        return round(sum(action.dividend for action in paid), 4)

    def best_volumes(self, listing: Listing) -> tuple[int, int]:
        """Return the volumes at the best bid and the best ask."""
        stock = self.market.stock(listing.market, listing.code)
        if stock is None:
            return 0, 0
        asks, bids = stock.book(1)
        return (bids[0][1] if bids else 0), (asks[0][1] if asks else 0)

    def turnovers(self, listing: Listing) -> list[tuple[datetime, float]]:
        """Return the end of each minute of the present day so far, as in ``Qot_GetRT``, and the money traded in it."""
        stock = self.market.stock(listing.market, listing.code)
        if stock is None:
            return []
        return [(stock.time(minute.end), minute.turnover) for minute in stock.time_shares()]

    def price_before(self, listing: Listing, minutes: int) -> float:
        """Return the price some minutes ago, or the day's first; 0 where there is none."""
        stock = self.market.stock(listing.market, listing.code)
        if stock is None or not stock.minutes:
            return 0.0
        return stock.minutes[max(0, len(stock.minutes) - 1 - minutes)].close

    def industry(self, listing: Listing) -> Listing | None:
        """Return the industry plate of a stock."""
        found = (plate for plate in self.universe.plates_of(listing.full_code) if plate.kind == "industry")
        return next(found, None)

    def drawn(self, subject: Listing | str, *what: object) -> Random:
        """Return a random generator that depends on the seed, a subject and what is drawn for it."""
        name = subject if isinstance(subject, str) else subject.full_code
        return Random("/".join(map(str, (self.seed, name, *what))))  # noqa: S311 - reproducible, not secret

    # Time

    def now(self, listing: Listing | None = None) -> datetime:
        """Return the present time on the clock of an instrument's exchange, by default of the first one."""
        stock = self.market.first if listing is None else self.market.stock(listing.market, listing.code)
        return (stock or self.market.first).time()

    def is_open(self, listing: Listing) -> bool:
        """Return whether an instrument is traded now."""
        stock = self.market.stock(listing.market, listing.code)
        return stock is not None and stock.is_open

    def today(self, listing: Listing) -> date:
        """Return the present date on the clock of an instrument's exchange."""
        return self.market.today(listing)

    @staticmethod
    def stamp(listing: Listing, moment: datetime | date) -> float:
        """Return a local time, or the midnight of a date, as seconds since 1970."""
        if not isinstance(moment, datetime):
            moment = datetime.combine(moment, time())
        return moment.replace(tzinfo=listing.zone).timestamp()

    def days(self, listing: Listing) -> list[Bar]:
        """Return the daily bars of a year, adjusted forward, the present day's last; they must not be changed."""
        known = self._days.get(listing.full_code)
        if known is not None and known.now == self.market.now:
            return known.bars
        stock = self.market.stock(listing.market, listing.code)
        if stock is None:
            return []
        today, bars = stock.day(), None if known is None else known.bars
        if bars is None or known is None or known.today != today:
            bars = list(daily_bars(stock, today - timedelta(days=YEAR * 3 // 2), today, FORWARD))[-YEAR:]
        elif bars and bars[-1].time.date() == today:
            (running,) = daily_bars(stock, today, today, FORWARD)
            bars = [*bars[:-1], running._replace(last_close=bars[-1].last_close)]
        self._days[listing.full_code] = _Year(self.market.now, today, bars)
        return bars

    def bar(self, listing: Listing, day: date) -> Bar | None:
        """Return the bar of a day, or of the last day before it with trading; ``None`` where there is none."""
        stock = self.market.stock(listing.market, listing.code)
        found = [] if stock is None else list(daily_bars(stock, day - timedelta(days=12), day))
        return found[-1] if found else None


def set_security(security: Any, listing: Listing) -> None:
    """Fill a ``Qot_Common.Security``."""
    security.market, security.code = listing.market, listing.code


@lru_cache(32_768)
def stock_id(full_code: str) -> int:
    """Return the number that OpenD has for an instrument beside its code: here made from the code."""
    return 10**10 + zlib.crc32(full_code.encode())


def read_date(text: str | bytes, *, late: bool = False) -> datetime:
    """Return a requested time or date. Raises ``NotHereError``."""
    if isinstance(text, bytes):  # protobuf returns text that is not UTF-8 as bytes
        raise NotHereError("a date that is not UTF-8")
    try:
        found = parse_local(text, end_of_day=late)
    except (ValueError, OverflowError):
        raise NotHereError(f"{text!r:.40} is no date") from None
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise NotHereError(f"{text!r:.40} is not between {_FIRST_YEAR} and {_LAST_YEAR}")
    return found
