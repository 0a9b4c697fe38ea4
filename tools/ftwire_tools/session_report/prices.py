"""Prices and volumes of time shares and K-lines, and the last order book of each security."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.capture import read_body
from ftwire.projection import Projection
from ftwire_tools.messages.descriptors import descriptor_of
from ftwire_tools.messages.enums import enum_name, short_enum_name

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.capture import DissectedFrame

__all__ = ["Prices"]

MOST_SERIES: Final = 400
"""Series of prices, and as many books."""
MOST_POINTS: Final = 5000
"""Points of a series; the oldest go first."""
LEVELS: Final = 20
"""Levels of a side of a book."""

_LONGEST_TIME: Final = 40
"""Characters of a time; the vendor's have 19."""
_TIME_SHARES: Final = {3008, 3009}
_K_LINES: Final = {3006, 3007, 3103}
_BOOKS: Final = {3012, 3013}
_SHARE_PATHS: Final = tuple(f"s2c.rtList[].{name}" for name in ("time", "price", "avgPrice", "volume"))
_LINE_PATHS: Final = (
    "s2c.klType",
    *(f"s2c.klList[].{name}" for name in ("time", "openPrice", "highPrice", "lowPrice", "closePrice", "volume")),
)
_BOOK_PATHS: Final = tuple(
    f"s2c.orderBook{side}List[].{name}" for side in ("Bid", "Ask") for name in ("price", "volume", "orederCount")
)


class _Book(NamedTuple):
    number: int
    time: int
    bids: list[tuple[float, int, int]]
    asks: list[tuple[float, int, int]]


class Prices:
    """Collects the prices of quotes. They are the market's, and nothing of them is hidden."""

    def __init__(self) -> None:
        self._readers: Final[dict[type[Message], Projection | None]] = {}
        self._series: Final[dict[tuple[str, str], dict[str, Sequence[Any]]]] = {}
        self._books: Final[dict[str, _Book]] = {}
        self.left_out = 0
        """Frames with series or books above ``MOST_SERIES``."""

    def add(self, frame: DissectedFrame, codes: Sequence[str]) -> None:
        """Take a frame, and the securities in it."""
        proto_id = frame.observation.frame.proto_id
        if proto_id not in _TIME_SHARES | _K_LINES | _BOOKS or not codes or frame.frame.error is not None:
            return
        paths = _SHARE_PATHS if proto_id in _TIME_SHARES else _LINE_PATHS if proto_id in _K_LINES else _BOOK_PATHS
        values = self._read(frame, paths)
        if values is None:
            return
        code = codes[0]
        if proto_id in _BOOKS:
            self._add_book(frame, code, values)
        elif proto_id in _TIME_SHARES:
            self._add_points(code, "time shares", _rows(values))
        elif isinstance(values[0], int):
            name = _line_name(frame, values[0])
            self._add_points(code, f"K-line {name}", _rows(values[1:]))

    def _read(self, frame: DissectedFrame, paths: Sequence[str]) -> tuple[Any, ...] | None:
        found = frame.frame.body_class
        if found is None:
            return None
        if found not in self._readers:
            try:
                self._readers[found] = Projection(found, paths)
            except ValueError:  # a request, or a class of an older release
                self._readers[found] = None
        reader = self._readers[found]
        if reader is None:
            return None
        values = reader.decode_plain(frame.frame.body) if frame.frame.payload else None
        if values is None:
            message = read_body(frame.frame)[0]
            values = None if message is None or type(message) is not found else reader.of(message)
        return values

    def _add_points(self, code: str, source: str, rows: Iterator[Sequence[Any]]) -> None:
        series = self._series.get((code, source))
        if series is None:
            if len(self._series) >= MOST_SERIES:
                self.left_out += 1
                return
            series = {}
        for time, *found in rows:
            values = list(map(_finite, found))
            if isinstance(time, str) and len(time) <= _LONGEST_TIME and any(value is not None for value in values):
                self._series[code, source] = series
                # A push brings the newest values of a minute that may be there already.
                series[time] = values
        while len(series) > MOST_POINTS:
            del series[next(iter(series))]

    def _add_book(self, frame: DissectedFrame, code: str, values: Sequence[Any]) -> None:
        bids, asks = list(_rows(values[:3])), list(_rows(values[3:]))
        if not bids and not asks:
            return
        if code not in self._books and len(self._books) >= MOST_SERIES:
            self.left_out += 1
            return
        self._books[code] = _Book(frame.number, frame.time, _levels(bids), _levels(asks))

    def values(self) -> dict[str, Any]:
        """Return series and books. Times of quotes are the exchange's own, as seconds since 1970 if it were UTC."""
        series = []
        for (code, source), points in sorted(self._series.items()):
            timed = sorted((at, values) for text, values in points.items() if (at := _seconds(text)) is not None)
            if timed:
                columns = [list(column) for column in zip(*(values for _, values in timed), strict=True)]
                series.append({"code": code, "source": source, "time": [at for at, _ in timed], "values": columns})
        books = [
            {"code": code, "number": book.number, "time": str(book.time), "bids": book.bids, "asks": book.asks}
            for code, book in sorted(self._books.items())
        ]
        return {"series": series, "books": books, "left_out": self.left_out}


def _line_name(frame: DissectedFrame, number: int) -> str:
    """Return the short name of a type of K-lines: ``Day``."""
    message_class = frame.frame.body_class
    s2c = None if message_class is None else descriptor_of(message_class).fields_by_name["s2c"].message_type
    name = None if s2c is None else enum_name(s2c.fields_by_name["klType"], number)
    return short_enum_name(name) if name else str(number)


def _rows(columns: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Return the items of a list whose fields are these columns."""
    if not all(isinstance(column, list) for column in columns):
        return iter(())
    return zip(*columns, strict=True)


def _levels(rows: Sequence[Sequence[Any]]) -> list[tuple[float, int, int]]:
    return [(_finite(price) or 0.0, volume or 0, orders or 0) for price, volume, orders in rows[:LEVELS]]


def _finite(value: Any) -> Any:
    """Return a number, or ``None`` for one that JSON does not have."""
    return None if isinstance(value, float) and not isfinite(value) else value


def _seconds(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None
