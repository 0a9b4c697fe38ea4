"""The instruments that the made-up market has: a table that comes with ftwire, or one of the user's own.

A table is CSV with a header. Columns that an instrument does not need may be empty or left out:

========== ==========================================================================================================
code       ``HK.00700``: prefix of the market, a dot, the code
type       stock, etf, index, future, warrant, plate, crypto or event
name       as the gateway sends it; ``chinese`` is a second name to search by
exchange   exchange type as the vendor's SDK names it: ``HK_MAINBOARD``, ``US_NASDAQ``; empty for none
lot        shares in a lot
tick       smallest difference of two prices: a number, or a rule's name (``HK``, ``US``, ``SG``, ``JP``, ``MY``)
price      last close before the market begins
listed     day of its listing, ``yyyy-MM-dd``
currency   HKD, USD, CNH, JPY, SGD, AUD, CAD, MYR or NZD
shares     issued shares, units or warrants
owner      underlying of a warrant, a future or a pair; the event of an event contract
kind       warrant: call, put, bull, bear, inline; future: main, month; plate: industry, region, concept, other
strike     strike of a warrant, the upper one of an inline warrant
barrier    price that ends a bull or bear, lower strike of an inline warrant
expiry     last trading day of a warrant, a future or an event contract, ``yyyy-MM-dd``
size       underlying in one future or one option, warrants for one underlying
options    class of its options, with which their codes begin: ``TCH`` in ``HK.TCH240627C380000``; empty for none
month      the dated contract that a main future stands for; the series of an event contract
members    codes of a plate or an index, with blanks between
========== ==========================================================================================================
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from ftwire_tools.markets.codes import parse_security, security_name
from ftwire_tools.markets.exchanges import QOT_PREFIXES, Exchange, exchange_of
from ftwire_tools.markets.ticks import TickRule, is_on_tick, parse_tick_rule, tick_at

__all__ = [
    "CURRENCIES",
    "EXCHANGE_TYPES",
    "Kind",
    "Listing",
    "Universe",
    "UniverseError",
    "default_table",
    "default_universe",
    "load_universe",
    "read_universe",
]


class Kind:
    """``Qot_Common.SecurityType`` of the instruments here."""

    STOCK: Final = 3
    ETF: Final = 4
    WARRANT: Final = 5
    INDEX: Final = 6
    PLATE: Final = 7
    OPTION: Final = 8
    FUTURE: Final = 10
    CRYPTO: Final = 12
    EVENT: Final = 0
    """Event contracts have no ``SecurityType`` of their own."""


TYPES: Final = {
    "stock": Kind.STOCK,
    "etf": Kind.ETF,
    "warrant": Kind.WARRANT,
    "index": Kind.INDEX,
    "plate": Kind.PLATE,
    "future": Kind.FUTURE,
    "crypto": Kind.CRYPTO,
    "event": Kind.EVENT,
}
CURRENCIES: Final = {
    "HKD": 1, "USD": 2, "CNH": 3, "JPY": 4, "SGD": 5, "AUD": 6, "CAD": 7, "MYR": 8, "NZD": 9,
}  # fmt: skip
"""``Trd_Common.Currency``."""
EXCHANGE_TYPES: Final = {
    "": 0, "HK_MAINBOARD": 1, "HK_GEMBOARD": 2, "HK_HKEX": 3, "US_NYSE": 4, "US_NASDAQ": 5, "US_PINK": 6, "US_AMEX": 7,
    "US_OPTION": 8, "US_NYMEX": 9, "US_COMEX": 10, "US_CBOT": 11, "US_CME": 12, "US_CBOE": 13, "CN_SH": 14,
    "CN_SZ": 15, "CN_STIB": 16, "SG_SGX": 17, "JP_OSE": 18, "CC_CRYPTO": 19, "MY_MYX": 20, "JP_TSE": 21,
    "JP_NIKKEI": 22,
}  # fmt: skip
"""``Qot_Common.ExchType``."""
KINDS: Final = {
    Kind.WARRANT: ("call", "put", "bull", "bear", "inline"),
    Kind.FUTURE: ("main", "month"),
    Kind.PLATE: ("industry", "region", "concept", "other"),
}
"""What ``kind`` may be, in the order of the protocol's numbers (``WarrantType`` and ``PlateSetType``, from 1)."""
_REQUIRED: Final = ("code", "type", "name", "lot", "tick", "price", "listed", "currency")
_OPTIONAL: Final = (
    "chinese", "exchange", "shares", "owner", "kind", "strike", "barrier", "expiry", "size", "options", "month",
    "members",
)  # fmt: skip
_MOST_ROWS: Final = 10_000


class UniverseError(ValueError):
    """A table of instruments that cannot be used: where, what is wrong, and what is expected."""


class Listing(NamedTuple):
    """What is fixed about an instrument."""

    exchange: Exchange
    code: str
    name: str
    lot: int
    """Shares in a lot."""
    tick: float
    """Smallest difference of two prices near the last close."""
    last_close: float
    """Price at the end of the day before."""
    listed: str
    """Day of its listing, ``yyyy-MM-dd``."""
    currency: int
    """``Trd_Common.Currency``."""
    shares: int
    """Issued shares, units or warrants; 0 for what has none."""
    sec_type: int = Kind.STOCK
    """``Qot_Common.SecurityType``."""
    exchange_type: int = 0
    """``Qot_Common.ExchType``, 0 for none."""
    chinese: str = ""
    """Its Chinese name, empty where ``name`` is that already."""
    tick_rule: TickRule = ()
    """Ticks at all prices; empty where ``tick`` is the only one."""
    owner: str = ""
    """Underlying of a derivative, ``HK.00700``; the event of an event contract; empty for none."""
    kind: str = ""
    """``call``, ``put``, ``bull``, ``bear``, ``inline``; ``main``, ``month``; the class of a plate."""
    strike: float = 0.0
    barrier: float = 0.0
    """Price that ends a bull or bear, lower strike of an inline warrant."""
    expiry: str = ""
    """Last trading day, ``yyyy-MM-dd``; empty for what does not expire."""
    size: float = 1.0
    """Underlying in one contract of a future or of its options; warrants for one underlying."""
    options: str = ""
    """Class of its options; empty where it has none."""
    month: str = ""
    """The dated contract of a main future; the series of an event contract."""
    members: tuple[str, ...] = ()
    """Codes of a plate or an index."""

    @property
    def market(self) -> int:
        """``Qot_Common.QotMarket``."""
        return self.exchange.qot_market

    @property
    def sec_market(self) -> int:
        """``Trd_Common.TrdSecMarket``."""
        return self.exchange.sec_market

    @property
    def zone(self) -> ZoneInfo:
        """Time zone of its exchange; New York's for markets without a place, whose day OpenD counts there."""
        return ZoneInfo(self.exchange.zone or "America/New_York")

    @property
    def full_code(self) -> str:
        """Prefix and code: ``HK.00700``."""
        return security_name(self.market, self.code)

    @property
    def is_equity(self) -> bool:
        """Whether it is a stock or a fund."""
        return self.sec_type in {Kind.STOCK, Kind.ETF}

    def tick_at(self, price: float) -> float:
        """Return the tick at a price."""
        return tick_at(self.tick_rule, price) if self.tick_rule else self.tick


class Universe:
    """The instruments of a market, by code. Options are made by rule: see ``ftwire_tools.synthetic.options``."""

    def __init__(self, listings: Iterable[Listing]) -> None:
        self.listings: Final = tuple(listings)
        self._by_key: Final = {(each.market, each.code): each for each in self.listings}
        self._by_code: Final = {each.full_code: each for each in self.listings}

    def __iter__(self) -> Iterator[Listing]:
        return iter(self.listings)

    def __len__(self) -> int:
        return len(self.listings)

    def find(self, market: int, code: str) -> Listing | None:
        """Return the instrument of a ``QotMarket`` and a code; ``None`` for an unknown one."""
        return self._by_key.get((market, code))

    def named(self, full_code: str) -> Listing | None:
        """Return the instrument of ``HK.00700``; ``None`` for an unknown one."""
        return self._by_code.get(full_code)

    def of_type(self, *sec_types: int) -> list[Listing]:
        """Return the instruments of some ``SecurityType``."""
        return [each for each in self.listings if each.sec_type in sec_types]

    def members(self, group: Listing) -> list[Listing]:
        """Return the members of a plate or an index."""
        return [self._by_code[code] for code in group.members]

    def plates_of(self, full_code: str) -> list[Listing]:
        """Return the plates that an instrument is in."""
        return [each for each in self.of_type(Kind.PLATE) if full_code in each.members]

    def derived(self, full_code: str, *sec_types: int) -> list[Listing]:
        """Return the warrants or futures on an instrument."""
        return [each for each in self.of_type(*sec_types) if each.owner == full_code]


@cache
def default_universe() -> Universe:
    """Return the instruments that come with ftwire.

    Codes and names are real, prices are near those of June 2024, and the rest is made up.
    """
    return read_universe(default_table().splitlines(), "universe.csv")


def default_table() -> str:
    """Return the table of the instruments that come with ftwire."""
    return files("ftwire_tools.synthetic").joinpath("universe.csv").read_text(encoding="utf-8")


def load_universe(path: str) -> Universe:
    """Read a table of instruments from a file in UTF-8. Raises ``OSError`` and ``UniverseError``."""
    with Path(path).open(encoding="utf-8-sig", newline="") as table:
        return read_universe(table, path)


def read_universe(lines: Iterable[str], name: str) -> Universe:
    """Read a table of instruments; ``name`` is that of its file, for errors. Raises ``UniverseError``."""
    reader = csv.DictReader(lines, strict=True)
    listings: dict[str, Listing] = {}
    places: dict[str, int] = {}
    try:
        _check_header(reader.fieldnames, name)
        for row in reader:
            line = reader.line_num
            try:
                listing = _listing(row)
                if listing.full_code in listings:
                    raise ValueError(f"{listing.full_code} is on line {places[listing.full_code]} already")
            except ValueError as error:
                raise UniverseError(f"{name}, line {line}: {error}") from None
            listings[listing.full_code], places[listing.full_code] = listing, line
            if len(listings) > _MOST_ROWS:
                raise UniverseError(f"{name}, line {line}: more than {_MOST_ROWS} instruments")
    except UnicodeDecodeError:
        raise UniverseError(f"{name}: not a text in UTF-8") from None
    except csv.Error as error:
        raise UniverseError(f"{name}, line {reader.line_num}: {error}") from None
    if not listings:
        raise UniverseError(f"{name}: no instruments")
    for listing in listings.values():
        for code in _references(listing):
            if code not in listings:
                place = f"{name}, line {places[listing.full_code]}"
                raise UniverseError(f"{place}: {listing.full_code} refers to {code}, which is not in the table")
    return Universe(listings.values())


def _check_header(columns: Iterable[str] | None, name: str) -> None:
    known = {*_REQUIRED, *_OPTIONAL}
    found = list(columns or ())
    if missing := [column for column in _REQUIRED if column not in found]:
        raise UniverseError(f"{name}, line 1: the header lacks {', '.join(missing)}")
    if unknown := [column for column in found if column not in known]:
        raise UniverseError(
            f"{name}, line 1: unknown column {unknown[0]!r}; the optional ones are {', '.join(_OPTIONAL)}"
        )


def _references(listing: Listing) -> Iterator[str]:
    yield from listing.members
    if listing.sec_type == Kind.EVENT:
        return  # events and series are not instruments
    if listing.owner:
        yield listing.owner
    if listing.month:
        yield listing.month


def _listing(row: Mapping[str, str | None]) -> Listing:
    """Return the instrument of a row. Raises ``ValueError``."""
    if None in row:
        raise ValueError("more cells than columns")
    cells = {column: (cell or "").strip() for column, cell in row.items()}
    for column in _REQUIRED:
        if not cells[column]:
            raise ValueError(f"{column} is empty")
    market, code = parse_security(cells["code"])
    if market not in QOT_PREFIXES:
        raise ValueError(f"unknown market {market}")
    sec_type = _one_of(TYPES, cells["type"], "type")
    rule = parse_tick_rule(cells["tick"])
    price = _number(cells, "price")
    if not is_on_tick(rule, price):
        raise ValueError(f"price {cells['price']} is not a multiple of its tick {tick_at(rule, price):g}")
    kind = cells.get("kind", "")
    if sec_type in KINDS and kind not in KINDS[sec_type]:
        raise ValueError(f"kind {kind!r} of a {cells['type']} is none of {', '.join(KINDS[sec_type])}")
    expiry = cells.get("expiry", "")
    if expiry:
        _date(expiry, "expiry")
    elif sec_type in {Kind.WARRANT, Kind.FUTURE, Kind.EVENT}:
        raise ValueError(f"expiry of a {cells['type']} is empty")
    if sec_type == Kind.WARRANT and not (cells.get("owner") and cells.get("strike")):
        raise ValueError("a warrant needs owner and strike")
    if kind in {"bull", "bear", "inline"} and not cells.get("barrier"):
        raise ValueError(f"a warrant of kind {kind} needs a barrier")
    return Listing(
        exchange_of(QOT_PREFIXES[market]),
        code,
        cells["name"],
        _whole(cells, "lot", least=1),
        tick_at(rule, price),
        price,
        _date(cells["listed"], "listed"),
        _one_of(CURRENCIES, cells["currency"], "currency"),
        _whole(cells, "shares") if cells.get("shares") else 0,
        sec_type,
        _one_of(EXCHANGE_TYPES, cells.get("exchange", ""), "exchange"),
        cells.get("chinese", ""),
        rule,
        cells.get("owner", ""),
        kind,
        _number(cells, "strike") if cells.get("strike") else 0.0,
        _number(cells, "barrier") if cells.get("barrier") else 0.0,
        expiry,
        _number(cells, "size") if cells.get("size") else 1.0,
        cells.get("options", ""),
        cells.get("month", ""),
        tuple(cells.get("members", "").split()),
    )


def _one_of(known: Mapping[str, int], text: str, column: str) -> int:
    if text not in known:
        raise ValueError(f"{column} {text!r} is none of {', '.join(filter(None, known))}")
    return known[text]


def _number(cells: Mapping[str, str], column: str) -> float:
    try:
        found = float(cells[column])
    except ValueError:
        found = math.nan
    if not 0 < found < 1e12:
        raise ValueError(f"{column} {cells[column]!r} is no number above 0")
    return found


def _whole(cells: Mapping[str, str], column: str, least: int = 0) -> int:
    text = cells[column]
    if not (text.isascii() and text.isdecimal() and len(text) <= 18 and int(text) >= least):
        raise ValueError(f"{column} {text!r} is no whole number from {least} on")
    return int(text)


def _date(text: str, column: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{column} {text!r} is no date like 2004-06-16") from None
