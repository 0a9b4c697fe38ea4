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

import csv
import math
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from ftwire_tools.markets.clocks import is_future
from ftwire_tools.markets.codes import parse_security
from ftwire_tools.markets.exchanges import QOT_PREFIXES, exchange_of
from ftwire_tools.markets.sessions import Hours, hours_of
from ftwire_tools.markets.ticks import TICK_RULES, TickRule, tick_at
from ftwire_tools.markets.trading_days import CalendarRangeError
from ftwire_tools.synthetic.options import owner_of_option
from ftwire_tools.synthetic.prices import UNIT, Minutes, PriceBar
from ftwire_tools.synthetic.recorded_days import Recorded
from ftwire_tools.synthetic.universe import CURRENCIES, Kind, Listing, Universe

__all__ = ["MOST_ROWS", "RecordingError", "Recordings", "load_recordings"]

MOST_ROWS: Final = 5_000_000
"""Rows that are read at most: each takes 56 bytes as a bar and 24 as a trade, and some 100 more while it is sorted."""
_MOST_PRICE: Final = 1e9
_MOST_VOLUME: Final = 1e15
_MOST_UNITS: Final = 1 << 56
"""Turnover of a bar at most: what a session adds up to fits in 64 bits."""
_MINUTE: Final = 60
_NO_SEQUENCE: Final = -(1 << 63)
"""Of a trade without a number."""
_BATCH: Final = 1 << 14
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_MINUTE_BAR, _DAY_BAR = 1, 2
"""``Qot_Common.KLType``."""
_BACKWARD: Final = "2"
"""``Qot_Common.RehabType``: prices that nothing was traded at."""
_KL_TYPES: Final = {"1": _MINUTE_BAR, "K_1M": _MINUTE_BAR, "2": _DAY_BAR, "K_DAY": _DAY_BAR}
"""``KLType`` as a number and as the vendor's SDK names it."""
_INTERVALS: Final = {"1m": _MINUTE_BAR, "1d": _DAY_BAR}
_TABLES: Final = ("kline", "kline_*", "ticker", "time_share", "basic_quote")
"""Tables of ``ftwire export`` that are read; ``kline`` alone is of releases before its schema 3."""
_NAMES: Final = {
    "open": ("open", "openPrice"),
    "high": ("high", "highPrice"),
    "low": ("low", "lowPrice"),
    "close": ("close", "closePrice"),
    "last_close": ("last_close", "lastClosePrice"),
    "price": ("price", "cur_price", "curPrice", "last_price"),
    "klType": ("klType", "k_type"),
    "blank": ("isBlank", "is_blank"),
    "time": ("time_utc", "updateTime_utc", "time_key", "time"),
}
"""Columns to their names here, in export's tables and in those of the vendor's SDK; the first that is there counts."""
_PLAIN: Final = (
    "code", "start", "volume", "turnover", "interval", "name", "lot", "sequence", "rehabType", "data_date",
    "data_time",
)  # fmt: skip
"""Columns with one name."""
_BAR: Final = ("open", "high", "low", "close")
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


class RecordingError(ValueError):
    """Data that cannot be played: where, what is wrong, and what is expected."""


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
        for file in _files(path):
            reader.read(file)
    return reader.finish(", ".join(paths))


def _files(path: str) -> list[Path]:
    """Return the files to read, in the order of their names."""
    place = Path(path)
    if not place.is_dir():
        return [place]
    tables = [found for table in _TABLES for found in sorted(place.glob(table)) if found.is_dir()]
    found = [file for each in tables or [place] for file in sorted(each.rglob("*")) if file.suffix in _FORMATS]
    if not found:
        raise RecordingError(f"{path}: no file in it ends in {' or '.join(_FORMATS)}")
    return found


class _Columns(NamedTuple):
    """How the columns of a file are to be read."""

    names: dict[str, str]
    """What is wanted to the column that has it."""
    is_bar: bool
    is_minute_price: bool
    """Whether a row is the last price of a minute, as in ``time_share``."""
    is_quote: bool
    """Whether volumes are those of the day so far, as in ``basic_quote``."""


def _columns(file: Path, present: Sequence[str]) -> _Columns:
    names = {}
    for wanted in (*_PLAIN, *_NAMES):
        column = next((each for each in _NAMES.get(wanted, (wanted,)) if each in present), None)
        if column is not None:
            names[wanted] = column
    is_quote = bool({"updateTime_utc", "updateTime", "data_time"} & set(present))
    is_bar = "close" in names and not is_quote
    is_minute_price = not is_bar and ("avgPrice" in present or "avg_price" in present)
    needed = ["code", *(_BAR if is_bar else ["price"])]
    if not ({"start", "time"} if is_bar else {"time", "data_time"}) & set(names):
        needed.append("time")
    if missing := [column for column in needed if column not in names]:
        raise RecordingError(
            f"{file}: there is no column {' nor '.join(missing)}; bars have code, time (or start), open, high, low, "
            "close, volume and turnover, trades code, time, price and volume"
        )
    return _Columns(names, is_bar, is_minute_price, is_quote)


class _Collected:
    """The rows of one instrument, as they come."""

    def __init__(self, listing: Listing, hours: Hours, *, is_new: bool) -> None:
        self.listing = listing
        self.hours: Final = hours
        self.is_new: Final = is_new
        self.bars: Final = _Rows(6)  # of minutes
        self.shares: Final = _Rows(6)  # minutes of which only the last price is known
        self.trades: Final = _Rows(3)
        self.quotes: Final = _Rows(3)
        self.days: Final[dict[date, PriceBar]] = {}
        self.day_volume: tuple[date, int] | None = None
        self.last_closes: Final[dict[date, int]] = {}


class _Rows:
    """Rows of whole numbers with a time each."""

    def __init__(self, width: int) -> None:
        self.times = array("q")
        self.columns = [array("q") for _ in range(width)]

    def add(self, time: int, values: Iterable[int]) -> None:
        self.times.append(time)
        for column, value in zip(self.columns, values, strict=True):
            column.append(value)

    def sort_minutes(self) -> None:
        """Bring the rows into the order of their times, and keep the last of those with one time."""
        times, order = self.times, self._order()
        self._keep(
            [at for place, at in enumerate(order) if place + 1 == len(order) or times[order[place + 1]] != times[at]]
        )

    def sort_trades(self) -> None:
        """Bring the rows into the order of their times, and keep the first of those with one time and sequence."""
        times, sequences = self.times, self.columns[-1]
        kept: list[int] = []
        time, known = -1, set[int]()
        for at in self._order():
            if times[at] != time:
                time, known = times[at], set()
            if sequences[at] == _NO_SEQUENCE or sequences[at] not in known:
                known.add(sequences[at])
                kept.append(at)
        self._keep(kept)

    def _order(self) -> list[int]:
        return sorted(range(len(self.times)), key=self.times.__getitem__)

    def _keep(self, order: list[int]) -> None:
        times = self.times
        self.times = array("q", [times[at] for at in order])
        self.columns = [array("q", [column[at] for at in order]) for column in self.columns]


class _Reader:
    """Reads files row by row."""

    def __init__(self, universe: Universe) -> None:
        self._universe: Final = universe
        self._found: Final[dict[tuple[int, str], _Collected]] = {}
        self._by_text: Final[dict[str, _Collected]] = {}  # the same, by what files have as their codes
        self._rows = 0
        self._skipped = 0

    def read(self, file: Path) -> None:
        """Add the rows of a file."""
        file.stat()  # a name without file is no question of formats
        read = _FORMATS.get(file.suffix)
        if read is None:
            raise RecordingError(f"{file}: not a file that ends in {' or '.join(_FORMATS)}, nor a directory")
        columns: _Columns | None = None
        for place, row in read(file):
            if columns is None:
                columns = _columns(file, list(row))
            self._rows += 1
            if self._rows > MOST_ROWS:
                raise RecordingError(f"{file}, {place}: more than {MOST_ROWS:,} rows in all: give less at once")
            try:
                self._add(columns, row)
            except ValueError as error:
                raise RecordingError(f"{file}, {place}: {error}") from None

    def _add(self, columns: _Columns, row: Mapping[str, Any]) -> None:
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
        second, local, _ = _time(cells["time"], found.hours, "time")
        price, volume = _price(cells, "price"), _volume(cells)
        if columns.is_minute_price:
            turnover = _turnover(cells, price * volume)
            found.shares.add(_up_to_minute(second), (price, price, price, price, volume, turnover))
        elif columns.is_quote:
            day = local.date()
            before = found.day_volume
            found.day_volume = day, volume
            traded = volume - before[1] if before is not None and before[0] == day else 0
            found.quotes.add(second, (price, max(traded, 0), _NO_SEQUENCE))
        else:
            found.trades.add(second, (price, volume, _sequence(cells)))

    def _add_bar(self, found: _Collected, cells: Mapping[str, Any]) -> None:
        name = "time" if cells.get("start") in {None, ""} else "start"
        second, local, has_time = _time(cells[name], found.hours, name)
        kind = _bar_kind(cells, found.hours, second, local, has_time=has_time)
        if kind is None:
            self._skipped += 1
            return
        opened, high, low, close = (_price(cells, column) for column in _BAR)
        if not low <= min(opened, close) <= max(opened, close) <= high:
            raise ValueError(
                f"open {cells['open']}, high {cells['high']}, low {cells['low']}, close {cells['close']}: high is not "
                "the highest, or low not the lowest"
            )
        volume = _volume(cells)
        turnover = _turnover(cells, volume * (opened + high + low + close) // 4)
        day = local.date()
        if cells.get("last_close") not in {None, ""}:
            last_close = _price(cells, "last_close", zero=True)
            if last_close:
                found.last_closes.setdefault(day, last_close)
        if kind == _DAY_BAR:
            found.days[day] = PriceBar(opened, high, low, close, volume, turnover)
            return
        end = second // _MINUTE * _MINUTE + _MINUTE if name == "start" else _up_to_minute(second)
        found.bars.add(end, (opened, high, low, close, volume, turnover))

    # Instruments

    def _collected(self, market: int, code: str, cells: Mapping[str, Any]) -> _Collected:
        prefix = QOT_PREFIXES.get(market, "")
        listing = self._universe.find(market, code)
        if listing is not None:
            hours = hours_of(prefix, listing.sec_type, listing.code if listing.sec_type == Kind.FUTURE else "")
            return _Collected(listing, hours, is_new=False)
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
            _whole(lot, "lot") if lot not in {None, ""} else 1,
            _TICK,
            1.0,
            "",
            CURRENCIES[_CURRENCY_OF[prefix]],
            0,
            sec_type,
            kind="month" if sec_type == Kind.FUTURE else "",
            expiry=_LAST_DAY if sec_type == Kind.FUTURE else "",
        )
        return _Collected(made, hours_of(prefix, sec_type, code if sec_type == Kind.FUTURE else ""), is_new=True)

    def finish(self, name: str) -> Recordings:
        """Return what was read."""
        recorded, listings, starts = {}, {each.full_code: each for each in self._universe}, []
        self._by_text.clear()
        for key in list(self._found):
            found = self._found.pop(key)
            made = _recorded(found)
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


def _is_empty(cells: Mapping[str, Any], columns: _Columns) -> bool:
    """Return whether a row has no prices either."""
    return all(cells.get(column) in {None, ""} for column in (_BAR if columns.is_bar else ("price",)))


def _recorded(found: _Collected) -> Recorded | None:
    """Return the rows of an instrument in order; ``None`` where there are none."""
    trades = found.trades
    minutes = found.shares
    if not (len(trades.times) or len(found.bars.times) or len(minutes.times)):
        trades = found.quotes
    trades.sort_trades()
    # Of a minute that is in several tables, bars count more than trades, and trades more than last prices.
    _add_minutes(minutes, trades)
    for time, *values in zip(found.bars.times, *found.bars.columns, strict=True):
        minutes.add(time, values)
    minutes.sort_minutes()
    if not (minutes.times or found.days):
        return None
    firsts = []
    if minutes.times:
        firsts.append((found.hours.local(minutes.times[0] - 1).date(), minutes.columns[0][0]))
    if found.days:
        firsts.append((min(found.days), found.days[min(found.days)].open))
    day, opened = min(firsts)
    return Recorded(
        minutes.times,
        Minutes(*minutes.columns),
        found.days,
        trades.times,
        trades.columns[0],
        trades.columns[1],
        found.last_closes.get(day, opened),
    )


def _add_minutes(minutes: _Rows, trades: _Rows) -> None:
    """Add the minutes in which there are trades."""
    begin, times, (prices, volumes, _) = 0, trades.times, trades.columns
    while begin < len(times):
        end, stop = begin, times[begin] // _MINUTE * _MINUTE + _MINUTE
        while end < len(times) and times[end] < stop:
            end += 1
        inside, amounts = prices[begin:end], volumes[begin:end]
        turnover = sum(price * amount for price, amount in zip(inside, amounts, strict=True))
        minutes.add(stop, (inside[0], max(inside), min(inside), inside[-1], sum(amounts), turnover))
        begin = end


def _known_listing(found: _Collected, made: Recorded) -> Listing:
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


def _bar_kind(cells: Mapping[str, Any], hours: Hours, second: int, local: datetime, *, has_time: bool) -> int | None:
    """Return the ``KLType`` of a bar, ``None`` for one that is not played."""
    if cells.get("klType") not in {None, ""}:
        return None if str(cells.get("rehabType")) == _BACKWARD else _KL_TYPES.get(str(cells["klType"]))
    if cells.get("interval") not in {None, ""}:
        if cells["interval"] not in _INTERVALS:
            raise ValueError(f"interval {cells['interval']!r} is none of {', '.join(_INTERVALS)}")
        return _INTERVALS[cells["interval"]]
    if not has_time:
        return _DAY_BAR
    if local.hour or local.minute or local.second:
        return _MINUTE_BAR
    try:
        return _MINUTE_BAR if hours.open_at(second - 1) is not None else _DAY_BAR
    except CalendarRangeError:
        return _DAY_BAR  # of a year without calendar, which is left out


def _up_to_minute(second: int) -> int:
    return -(-second // _MINUTE) * _MINUTE


def _time(value: Any, hours: Hours, column: str) -> tuple[int, datetime, bool]:
    """Return a time or a date as second since 1970 and on the exchange's clock, and whether it has a time of day.

    Raises ``ValueError``.
    """
    has_time = True
    if isinstance(value, str):
        text = value.strip()
        has_time = _DATE.fullmatch(text) is None
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(
                f"{column} {value!r:.40} is no time such as 2024-06-12 09:31:00 or 2024-06-12T01:31:00Z"
            ) from None
    elif isinstance(value, date) and not isinstance(value, datetime):
        value, has_time = datetime(value.year, value.month, value.day), False
    if not isinstance(value, datetime):
        raise ValueError(
            f"{column} {value!r:.40} is neither a time nor a text in ISO 8601: its type is {type(value).__name__}"
        )
    try:
        local = value.replace(tzinfo=hours.zone) if value.tzinfo is None else value.astimezone(hours.zone)
        return math.floor(local.timestamp()), local, has_time
    except OverflowError:
        raise ValueError(f"{column} {value} is no time of a market") from None


def _number(cells: Mapping[str, Any], column: str) -> float:
    value = cells.get(column)
    try:
        return float(value)  # type: ignore[arg-type]  # None is no number either
    except (TypeError, ValueError):
        raise ValueError(
            f"{column} {value!r:.40} is no number" if value not in {None, ""} else f"{column} is empty"
        ) from None


def _price(cells: Mapping[str, Any], column: str, *, zero: bool = False) -> int:
    number = _number(cells, column)
    units = round(number * UNIT) if abs(number) < _MOST_PRICE else 0
    if units < (0 if zero else 1) or abs(number) >= _MOST_PRICE or math.isnan(number):
        raise ValueError(f"{column} {cells[column]!r:.40} is no price from 0.0001 to {_MOST_PRICE:,.0f}")
    return units


def _volume(cells: Mapping[str, Any]) -> int:
    if cells.get("volume") in {None, ""}:
        return 0
    number = _number(cells, "volume")
    if not 0 <= number < _MOST_VOLUME:
        raise ValueError(f"volume {cells['volume']!r:.40} is no number from 0 on")
    return round(number)


def _sequence(cells: Mapping[str, Any]) -> int:
    """Return the number of a trade, ``_NO_SEQUENCE`` where it has none."""
    text = cells.get("sequence")
    if text in {None, ""}:
        return _NO_SEQUENCE
    try:
        number = int(text)
    except ValueError:
        number = _NO_SEQUENCE
    if not _NO_SEQUENCE < number < 1 << 63:
        raise ValueError(f"sequence {text!r:.40} is no whole number of 64 bits")
    return number


def _turnover(cells: Mapping[str, Any], otherwise: int) -> int:
    """Return a turnover in units; ``otherwise`` where the column is empty."""
    if cells.get("turnover") in {None, ""}:
        return min(otherwise, _MOST_UNITS)
    number = _number(cells, "turnover")
    if not 0 <= number * UNIT <= _MOST_UNITS:
        raise ValueError(f"turnover {cells['turnover']!r:.40} is no number from 0 to {_MOST_UNITS // UNIT:,}")
    return round(number * UNIT)


def _whole(value: Any, column: str) -> int:
    text = str(value)
    if not (text.isascii() and text.isdecimal() and int(text[:18]) > 0 and len(text) <= 18):
        raise ValueError(f"{column} {text!r:.40} is no whole number from 1 on")
    return int(text)


# Files


def _read_csv(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the rows of a CSV file, each with its line."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines, strict=True)
        try:
            if reader.fieldnames is None:
                raise RecordingError(f"{file}: empty: a header is expected on line 1")
            for row in reader:
                if None in row or None in row.values():
                    raise RecordingError(f"{file}, line {reader.line_num}: not as many cells as columns")
                yield f"line {reader.line_num}", row
        except UnicodeDecodeError:
            raise RecordingError(f"{file}: not a text in UTF-8") from None
        except csv.Error as error:
            raise RecordingError(f"{file}, line {reader.line_num}: {error}") from None


def _read_parquet(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the rows of a Parquet file, each with its number."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"{file}: reading Parquet needs pyarrow: pip install 'ftwire[export]'; CSV is read without it",
            name="pyarrow",
        ) from None
    wanted = {*_PLAIN, "updateTime", "avgPrice", "avg_price", *(name for names in _NAMES.values() for name in names)}
    number = 0
    try:
        with file.open("rb") as source, pq.ParquetFile(source) as table:
            present = [name for name in table.schema_arrow.names if name in wanted]
            for batch in table.iter_batches(batch_size=_BATCH, columns=present):
                columns = []
                for values in batch.columns:
                    if pa.types.is_timestamp(values.type):
                        values = values.cast(pa.timestamp("us", values.type.tz), safe=False)
                    columns.append(values.to_pylist())
                for cells in zip(*columns, strict=True):
                    number += 1
                    yield f"row {number}", dict(zip(present, cells, strict=True))
    except pa.ArrowException as error:
        raise RecordingError(f"{file}: not Parquet that can be read: {error}") from None


_FORMATS: Final[dict[str, Callable[[Path], Iterator[tuple[str, Mapping[str, Any]]]]]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
"""Ends of file names to what reads such files."""
