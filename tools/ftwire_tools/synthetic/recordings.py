"""A user's own market data: bars and trades in CSV or Parquet, or the tables that ``ftwire export`` writes.

One row is a bar of a minute or of a day, or a trade. Columns, in any order; others are passed over:

============ ======================================================================================================
``code``       ``HK.00700``
``time``       of a bar of a minute its end, of a bar of a day the day, of a trade its second: ISO 8601 with an offset,
               else on the exchange's clock; ``time_key`` is the same
``start``      in place of ``time``: when a bar of a minute begins
``open``, ``high``, ``low``, ``close``   prices of a bar
``price``      of a trade
``volume``     shares
``turnover``   money; by default the bar's average price times its volume
``last_close`` the close before the first bar; by default its open
``interval``   ``1m`` or ``1d``; by default a time without a time of day, or midnight, is a day, all else is a minute
``name``, ``lot``   of an instrument that the table of instruments lacks
============ ======================================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ftwire_tools.markets.clocks import is_future
from ftwire_tools.markets.codes import parse_security
from ftwire_tools.markets.exchanges import QOT_PREFIXES, exchange_of
from ftwire_tools.markets.sessions import hours_of
from ftwire_tools.markets.ticks import TICK_RULES, TickRule, tick_at
from ftwire_tools.synthetic.options import owner_of_option
from ftwire_tools.synthetic.prices import UNIT, PriceBar
from ftwire_tools.synthetic.recorded_cells import (
    DAY_BAR,
    NO_SEQUENCE,
    bar_kind,
    price_in,
    sequence_in,
    time_in,
    turnover_in,
    volume_in,
    whole,
)
from ftwire_tools.synthetic.recorded_days import Recorded
from ftwire_tools.synthetic.recorded_files import BAR, FORMATS, Columns, RecordingError, columns_of, files_in
from ftwire_tools.synthetic.recorded_rows import MINUTE, Collected, ordered, up_to_minute
from ftwire_tools.synthetic.universe import CURRENCIES, Kind, Listing, Universe

__all__ = ["MOST_ROWS", "RecordingError", "Recordings", "load_recordings"]

MOST_ROWS: Final = 5_000_000
"""Rows that are read at most: each takes 56 bytes as a bar and 24 as a trade, and some 100 more while it is sorted."""
_CURRENCY_OF: Final = {
    "HK": "HKD", "US": "USD", "SH": "CNH", "SZ": "CNH", "SG": "SGD", "JP": "JPY", "MY": "MYR", "CC": "USD",
}  # fmt: skip
_FORMS: Final = (
    ("HK", re.compile(r"800\d{3}"), Kind.INDEX),
    ("US", re.compile(r"\..+"), Kind.INDEX),
    ("SH", re.compile(r"000\d{3}"), Kind.INDEX),
    ("SZ", re.compile(r"399\d{3}"), Kind.INDEX),
    ("SH", re.compile(r"5\d{5}"), Kind.ETF),
    ("SZ", re.compile(r"159\d{3}"), Kind.ETF),
    ("CC", re.compile(r".+"), Kind.CRYPTO),
)
"""Codes to ``SecurityType``; all others are futures (``clocks.FUTURE_CODE``) or stocks."""
_OPTION: Final = re.compile(r"[A-Z0-9.]+\d{6}[CP]\d+")
_TICK: Final = 0.01
_LAST_DAY: Final = "2099-12-31"
"""Expiry of a future of which only prices are known."""


class Recordings:
    """What was recorded, of all instruments."""

    def __init__(self, universe: Universe, found: Mapping[tuple[int, str], Recorded], start: int, skipped: int) -> None:
        self.universe: Final = universe
        """The instruments, with those that were added."""
        self.found: Final = found
        """``QotMarket`` and code to what was recorded."""
        self.start: Final = start
        """When the first minute or trade begins, in seconds since 1970; without any, the first day's trading."""
        self.skipped: Final = skipped
        """Bars that were passed over, since they are neither of a minute nor of a day, or adjusted backward."""


def load_recordings(paths: Sequence[str], universe: Universe) -> Recordings:
    """Read files and directories. Raises ``OSError``, ``RecordingError`` and (no pyarrow) ``ModuleNotFoundError``."""
    reader = _Reader(universe)
    for path in paths:
        for file in files_in(path):
            reader.read(file)
    return reader.finish(", ".join(paths))


class _Reader:
    """Reads files row by row."""

    def __init__(self, universe: Universe) -> None:
        self._universe: Final = universe
        self._found: Final[dict[tuple[int, str], Collected]] = {}
        self._by_text: Final[dict[str, Collected]] = {}  # the same, by what files have as their codes
        self._rows = 0
        self._skipped = 0

    def read(self, file: Path) -> None:
        """Add the rows of a file."""
        file.stat()  # a name without file is no question of formats
        read = FORMATS.get(file.suffix)
        if read is None:
            raise RecordingError(f"{file}: not a file that ends in {' or '.join(FORMATS)}, nor a directory")
        columns: Columns | None = None
        for place, row in read(file):
            if columns is None:
                columns = columns_of(file, list(row))
            self._rows += 1
            if self._rows > MOST_ROWS:
                raise RecordingError(f"{file}, {place}: more than {MOST_ROWS:,} rows in all: give less at once")
            try:
                self._add(columns, row)
            except ValueError as error:
                raise RecordingError(f"{file}, {place}: {error}") from None

    def _add(self, columns: Columns, row: Mapping[str, Any]) -> None:
        cells = {wanted: row[column] for wanted, column in columns.names.items()}
        if not cells["code"]:
            if _is_empty(cells, columns):
                return  # export has a row, too, for a reply that failed
            raise ValueError("code is empty")
        if cells.get("data_time"):
            cells["time"] = f"{cells['data_date']} {cells['data_time']}"
        if str(cells.get("blank") or "").lower() == "true":
            return
        if cells.get("time") in {None, ""} and cells.get("start") in {None, ""}:
            if _is_empty(cells, columns):
                return
            raise ValueError("time is empty")
        found = self._by_text.get(cells["code"])
        if found is None:
            key = parse_security(str(cells["code"]))
            if key not in self._found:
                self._found[key] = self._collected(*key, cells)
            found = self._by_text[cells["code"]] = self._found[key]
        if columns.is_bar:
            self._add_bar(found, cells)
            return
        second, local, _ = time_in(cells["time"], found.hours, "time")
        price, volume = price_in(cells, "price"), volume_in(cells)
        if columns.is_minute_price:
            turnover = turnover_in(cells, price * volume)
            found.shares.add(up_to_minute(second), (price, price, price, price, volume, turnover))
        elif columns.is_quote:
            day = local.date()
            before = found.day_volume
            found.day_volume = day, volume
            traded = volume - before[1] if before is not None and before[0] == day else 0
            found.quotes.add(second, (price, max(traded, 0), NO_SEQUENCE))
        else:
            found.trades.add(second, (price, volume, sequence_in(cells)))

    def _add_bar(self, found: Collected, cells: Mapping[str, Any]) -> None:
        name = "time" if cells.get("start") in {None, ""} else "start"
        second, local, has_time = time_in(cells[name], found.hours, name)
        kind = bar_kind(cells, found.hours, second, local, has_time=has_time)
        if kind is None:
            self._skipped += 1
            return
        opened, high, low, close = (price_in(cells, column) for column in BAR)
        if not low <= min(opened, close) <= max(opened, close) <= high:
            raise ValueError(
                f"open {cells['open']}, high {cells['high']}, low {cells['low']}, close {cells['close']}: high is not "
                "the highest, or low not the lowest"
            )
        volume = volume_in(cells)
        turnover = turnover_in(cells, volume * (opened + high + low + close) // 4)
        day = local.date()
        if cells.get("last_close") not in {None, ""}:
            last_close = price_in(cells, "last_close", zero=True)
            if last_close:
                found.last_closes.setdefault(day, last_close)
        if kind == DAY_BAR:
            found.days[day] = PriceBar(opened, high, low, close, volume, turnover)
            return
        end = second // MINUTE * MINUTE + MINUTE if name == "start" else up_to_minute(second)
        found.bars.add(end, (opened, high, low, close, volume, turnover))

    # Instruments

    def _collected(self, market: int, code: str, cells: Mapping[str, Any]) -> Collected:
        prefix = QOT_PREFIXES.get(market, "")
        listing = self._universe.find(market, code)
        if listing is not None:
            hours = hours_of(prefix, listing.sec_type, listing.code if listing.sec_type == Kind.FUTURE else "")
            return Collected(listing, hours, is_new=False)
        if prefix not in _CURRENCY_OF:
            raise ValueError(f"{cells['code']}: the market trades none of {prefix or market}")
        is_option = _OPTION.fullmatch(code) is not None
        if is_option and owner_of_option(self._universe, market, code) is None:
            raise ValueError(f"{cells['code']}: the table of instruments lacks the underlying of this option")
        sec_type = Kind.OPTION if is_option else _kind(prefix, code)
        lot = cells.get("lot")
        made = Listing(
            exchange_of(prefix),
            code,
            str(cells.get("name") or code),
            whole(lot, "lot") if lot not in {None, ""} else 1,
            _TICK,
            1.0,
            "",
            CURRENCIES[_CURRENCY_OF[prefix]],
            0,
            sec_type,
            kind="month" if sec_type == Kind.FUTURE else "",
            expiry=_LAST_DAY if sec_type == Kind.FUTURE else "",
        )
        return Collected(made, hours_of(prefix, sec_type, code if sec_type == Kind.FUTURE else ""), is_new=True)

    def finish(self, name: str) -> Recordings:
        """Return what was read."""
        recorded, listings, starts = {}, {each.full_code: each for each in self._universe}, []
        self._by_text.clear()
        for key in list(self._found):
            found = self._found.pop(key)
            made = ordered(found)
            if made is None:
                continue
            recorded[key] = made
            starts.append((not made.ends, made.begin(found.hours)))
            # Options are not in the table: they are made by rule.
            if found.listing.sec_type != Kind.OPTION:
                listings[found.listing.full_code] = _known_listing(found, made)
        if not recorded:
            raise RecordingError(f"{name}: no bar of a minute or a day, and no trade in it")
        return Recordings(Universe(listings.values()), recorded, min(starts)[1], self._skipped)


def _is_empty(cells: Mapping[str, Any], columns: Columns) -> bool:
    """Return whether a row has no prices either."""
    return all(cells.get(column) in {None, ""} for column in (BAR if columns.is_bar else ("price",)))


def _known_listing(found: Collected, made: Recorded) -> Listing:
    """Return an instrument with what its data say about it."""
    firsts = [found.hours.local(made.ends[0] - 1).date()] if made.ends else []
    first = min([*firsts, *made.days]).isoformat()
    listing = found.listing
    last_close = made.last_close / UNIT
    if not found.is_new:
        return listing._replace(last_close=last_close, listed=min(listing.listed, first))
    rule: TickRule = TICK_RULES.get(listing.exchange.prefix, ()) if listing.sec_type in {Kind.STOCK, Kind.ETF} else ()
    tick = tick_at(rule, last_close) if rule else _TICK
    return listing._replace(tick=tick, tick_rule=rule, last_close=last_close, listed=first)


def _kind(prefix: str, code: str) -> int:
    for market, form, kind in _FORMS:
        if market == prefix and form.fullmatch(code):
            return kind
    return Kind.FUTURE if is_future(code) and prefix in {"HK", "US", "SG", "JP"} else Kind.STOCK
