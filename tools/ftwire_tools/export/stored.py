"""Tables of an export read again, with today's names, whichever release wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ftwire_tools.export.compaction import entries_at_last
from ftwire_tools.export.formats import NO_DATE, NO_MARKET
from ftwire_tools.export.manifest import ALL, ExportOutcome
from ftwire_tools.export.rows import META, PARTITIONS, table_schema
from ftwire_tools.export.store import Store
from ftwire_tools.export.table_builder import TableBatch, by_kind
from ftwire_tools.messages.enums import short_enum_name

__all__ = ["is_export", "stored_tables"]

_SINCE_SCHEMA_2: Final = {
    "capture_time": "time",
    "capture_time_ns": "time_ns",
    "connection": "conversation",
    "frame": "number",
}
_OF_SCHEMA_1: Final = frozenset({"file", "serial", "direction", "kind", "proto", "row"})
"""Columns of ours that schema 1 had under the names of today."""
_OURS: Final = dict((*META, *PARTITIONS))
_NO_MARKETS: Final = frozenset({NO_MARKET, "__HIVE_DEFAULT_PARTITION__"})
_NO_DATES: Final = frozenset({NO_DATE, "__HIVE_DEFAULT_PARTITION__"})
"""In paths, for null; the longer names until schema 2."""


def is_export(path: str) -> bool:
    """Return whether a path is a directory to which ``ftwire export`` has written."""
    return Path(path, "_manifest").is_dir()


def stored_tables(root: str) -> Iterator[TableBatch]:
    """Return the rows of an export, file by file.

    Names and types are those of ``ftwire_tools.export.tables``; what an older release did not write is null. Files are
    those that the manifest names, so that no row comes twice while an export is compacted. Raises ``ValueError`` where
    tables are in another format than Parquet, and ``OSError``.
    """
    # Inputs whose rows were compacted share files.
    files = {name: entry for entry in entries_at_last(Store(root)) for name in entry.files}
    for name, entry in files.items():
        if not name.endswith(".parquet"):
            raise ValueError(f"{root}: {name} is not Parquet, which alone is read again")
        yield from _tables_of(Path(root), name, entry)


def _tables_of(root: Path, name: str, entry: ExportOutcome) -> Iterator[TableBatch]:
    table, market, day = name.split("/")[:3]
    rows = pq.ParquetFile(root / name).read()
    market, day = market.removeprefix("market="), day.removeprefix("date=")
    ends = {
        "market": None if market in _NO_MARKETS else market,
        "date": None if day in _NO_DATES else date.fromisoformat(day),
    }
    for column, kind in PARTITIONS:
        rows = rows.append_column(column, pa.repeat(pa.scalar(ends[column], kind), len(rows)))
    if entry.columns == ALL:
        rows = _renewed(rows, is_first=entry.schema == 1, wanted=table_schema(table))
    # Without what only files say: metadata, and which columns are never null.
    rows = pa.table(dict(zip(rows.column_names, rows.columns, strict=True)))
    for batch in rows.unify_dictionaries().combine_chunks().to_batches():
        for ending, chosen in by_kind(table, batch):
            yield TableBatch(f"{table}{ending}", chosen)


def _renewed(rows: Any, *, is_first: bool, wanted: Any) -> Any:
    """Return rows under today's names, with all columns of their table as far as that is one of several protocols'."""
    columns = {}
    for name, values in zip(rows.column_names, rows.columns, strict=True):
        if is_first and name.endswith("_name") and pa.types.is_dictionary(values.type):
            values = _short_names(values)
        columns[_name_now(name) if is_first else name] = values
    columns["time"] = columns.pop("time_ns").cast(_OURS["time"])
    fields = {**_OURS, **({} if wanted is None else {field.name: field.type for field in wanted})}
    ends = [name for name, _ in PARTITIONS]
    names = [*(name for name, _ in META), *(() if wanted is None else wanted.names), *columns]
    names = [*dict.fromkeys(name for name in names if name not in ends), *ends]
    return pa.table({name: columns[name] if name in columns else pa.nulls(len(rows), fields[name]) for name in names})


def _name_now(name: str) -> str:
    """Return what a column of schema 1 is called since."""
    if name in _SINCE_SCHEMA_2:
        return _SINCE_SCHEMA_2[name]
    return f"{name}_" if name in _OURS and name not in _OF_SCHEMA_1 and name not in dict(PARTITIONS) else name


def _short_names(values: Any) -> Any:
    """Return names of enums as they are since schema 2: ``Day`` and not ``KLType_Day``."""
    values = values.unify_dictionaries().combine_chunks()
    short = pa.array([short_enum_name(text) for text in values.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(values.indices, short)
