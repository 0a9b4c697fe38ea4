"""Files of a user's own data: which there are, their columns, and their rows one by one."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["BAR", "FORMATS", "Columns", "RecordingError", "columns_of", "files_in"]


class RecordingError(ValueError):
    """Data that cannot be played: where, what is wrong, and what is expected."""


_BATCH: Final = 1 << 14
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
BAR: Final = ("open", "high", "low", "close")


class Columns(NamedTuple):
    """How the columns of a file are to be read."""

    names: dict[str, str]
    """What is wanted to the column that has it."""
    is_bar: bool
    is_minute_price: bool
    """Whether a row is the last price of a minute, as in ``time_share``."""
    is_quote: bool
    """Whether volumes are those of the day so far, as in ``basic_quote``."""


def columns_of(file: Path, present: Sequence[str]) -> Columns:
    """Return what the columns of a file are. Raises ``RecordingError`` where some are missing."""
    names = {}
    for wanted in (*_PLAIN, *_NAMES):
        column = next((each for each in _NAMES.get(wanted, (wanted,)) if each in present), None)
        if column is not None:
            names[wanted] = column
    is_quote = bool({"updateTime_utc", "updateTime", "data_time"} & set(present))
    is_bar = "close" in names and not is_quote
    is_minute_price = not is_bar and ("avgPrice" in present or "avg_price" in present)
    needed = ["code", *(BAR if is_bar else ["price"])]
    if not ({"start", "time"} if is_bar else {"time", "data_time"}) & set(names):
        needed.append("time")
    if missing := [column for column in needed if column not in names]:
        raise RecordingError(
            f"{file}: there is no column {' nor '.join(missing)}; bars have code, time (or start), open, high, low, "
            "close, volume and turnover, trades code, time, price and volume"
        )
    return Columns(names, is_bar, is_minute_price, is_quote)


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


FORMATS: Final[dict[str, Callable[[Path], Iterator[tuple[str, Mapping[str, Any]]]]]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
"""Ends of file names to what reads such files."""
_TABLES: Final = ("kline", "kline_*", "ticker", "time_share", "basic_quote")
"""Tables of ``ftwire export`` that are read; ``kline`` alone is of releases before its schema 3."""


def files_in(path: str) -> list[Path]:
    """Return the files to read, in the order of their names."""
    place = Path(path)
    if not place.is_dir():
        return [place]
    tables = [found for table in _TABLES for found in sorted(place.glob(table)) if found.is_dir()]
    found = [file for each in tables or [place] for file in sorted(each.rglob("*")) if file.suffix in FORMATS]
    if not found:
        raise RecordingError(f"{path}: no file in it ends in {' or '.join(FORMATS)}")
    return found
