"""Rows to files in Parquet, Arrow, CSV or JSON lines: a file for each table, market and date of an input's block."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from ftwire_tools.export.column_facts import described
from ftwire_tools.export.rows import META, PARTITIONS

if TYPE_CHECKING:
    from ftwire_tools.export.store import Store

__all__ = ["FORMATS", "FileSet", "parquet_options"]

NO_MARKET: Final = "none"
NO_DATE: Final = "1970-01-01"
"""In paths, of rows without a security, and without a time. There is a name for null that all readers know, but pandas
does not read a table with nothing else, and most tables of accounts have no market."""

_BARE: Final = frozenset({"number", "request"})
"""Columns of 64 bits that are JSON numbers: they count frames of one capture, far below 2**53."""

_PLAIN: Final = frozenset({"time_ns", "number", "conversation", "proto_id", "serial", "row"})
"""Columns of ours that Parquet has without a dictionary."""

_HAS_PAGE_ROWS: Final = 23
"""Release of pyarrow since which the rows of a page are an option; pages of older ones have a size alone."""

_AT_ONCE: Final = 1 << 14
"""Values of a column that Parquet's writer takes at a time. By default these are 1024, too few for the work that comes
with them: 3 % of the writing."""

GROUP_ROWS: Final = 1 << 17
"""Rows written at once: a row group in Parquet."""
MAX_PENDING: Final = 64 << 20
"""Bytes of rows kept in memory, over all files of an input."""
MAX_OPEN: Final = 128
"""Files of an input open at once. A capture of many days needs more, one after the other."""


class _Writer(Protocol):
    def write(self, table: Any) -> None: ...
    def close(self) -> None: ...


def parquet_options(schema: Any) -> dict[str, Any]:
    """Return how columns are written to Parquet, as arguments of ``pyarrow.parquet.ParquetWriter``.

    Readers pass over row groups by the smallest and largest value of numbers, instants and codes. Of other texts these
    are of no use and cost a fifth of the writing. Instants and numbers of frames are not worth a dictionary: plain
    values compress better.
    """
    compared = [
        field.name
        for field in schema
        if field.name == "code"
        or not (pa.types.is_dictionary(field.type) or pa.types.is_string(field.type) or pa.types.is_nested(field.type))
    ]
    looked_up = [
        path
        for field in schema
        if field.name not in _PLAIN and not pa.types.is_timestamp(field.type)
        for path in _leaves(field.name, field.type)
    ]
    options: dict[str, Any] = {
        "compression": "zstd",
        "write_statistics": compared,
        "use_dictionary": looked_up,
        "write_batch_size": _AT_ONCE,
    }
    if int(pa.__version__.partition(".")[0]) >= _HAS_PAGE_ROWS:
        # By default a page has 20,000 rows. Of columns that repeat themselves these are a few hundred bytes, each
        # compressed with a context of its own: a tenth of the writing.
        options["max_rows_per_page"] = 1 << 20
    return options


def _leaves(path: str, kind: Any) -> Iterator[str]:
    """Return the paths that Parquet has for the values of a column."""
    if pa.types.is_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{path}.{field.name}", field.type)
    else:
        yield path


class _Parquet:
    """Parquet: ``time`` in microseconds, since Spark refuses finer instants, and in ``time_ns`` in full."""

    def __init__(self, stream: BinaryIO, schema: Any) -> None:
        import pyarrow.parquet as pq

        # META begins with the time of capture; rows in the columns of the vendor's SDK have none.
        self._has_time: Final = schema.field(0).type == META[0][1]
        fields = list(schema)
        if self._has_time:
            fields[:1] = [pa.field("time", pa.timestamp("us", "UTC")), pa.field("time_ns", pa.int64())]
        self._schema: Final = pa.schema(fields, metadata=schema.metadata)
        self._writer: Final[Any] = pq.ParquetWriter(
            stream,
            self._schema,
            **parquet_options(self._schema),
            sorting_columns=[pq.SortingColumn(0)] if self._has_time else None,
        )

    def write(self, table: Any) -> None:
        columns = table.columns
        if self._has_time:
            columns[:1] = [columns[0].cast(self._schema.field(0).type, safe=False), columns[0].cast(pa.int64())]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        self._writer.close()

    def abandon(self) -> None:
        # As it is forgotten it would write the end of the file, which is closed then.
        self._writer.is_open = False


class _Arrow:
    """Arrow's file format. A column has one dictionary in a file, to which rows add and in which nothing changes."""

    def __init__(self, stream: BinaryIO, schema: Any) -> None:
        self._schema: Final = schema
        self._known: Final[dict[int, Any]] = {}  # dictionaries so far, by place of their column
        options = pa.ipc.IpcWriteOptions(compression="zstd", emit_dictionary_deltas=True)
        self._writer: Final[Any] = pa.ipc.new_file(stream, schema, options=options)

    def write(self, table: Any) -> None:
        columns = [
            self._extended(at, column) if pa.types.is_dictionary(column.type) else column
            for at, column in enumerate(table.columns)
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))

    def _extended(self, at: int, column: Any) -> Any:
        """Return a column whose dictionary begins with that of the rows before it."""
        values = column.unify_dictionaries().combine_chunks()
        known = self._known.setdefault(at, values.dictionary)
        new = values.dictionary.filter(pc.invert(pc.is_in(values.dictionary, value_set=known)))
        if len(new):
            known = self._known[at] = pa.concat_arrays([known, new])
        places = pc.index_in(values.dictionary, value_set=known)
        return pa.DictionaryArray.from_arrays(places.take(values.indices), known)

    def close(self) -> None:
        self._writer.close()


class _Csv:
    """CSV with a header; lists as JSON, bytes as hexadecimal digits.

    64-bit integers are digits, as any other number: CSV has no types, and readers that guess them pass over quotes.
    Times have none either, but on Windows, where Arrow has no database of time zones to write times with.
    """

    def __init__(self, stream: BinaryIO, schema: Any) -> None:
        from pyarrow import csv

        fields = [pa.field(field.name, _csv_type(field.type)) for field in schema]
        self._schema: Final = pa.schema(fields)
        self._writer: Final[Any] = csv.CSVWriter(stream, self._schema)

    def write(self, table: Any) -> None:
        arrays = [_csv_array(column) for column in table.columns]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


class _JsonLines:
    """An object a line: without nulls, 64-bit integers as strings, times as text with nine decimals.

    64-bit integers are strings by their type, as in protobuf's JSON and in ``ftwire dump --json``: JavaScript, jq and
    whatever else reads numbers as doubles would lose digits. Numbers of frames are numbers, as they are there.
    """

    def __init__(self, stream: BinaryIO, _schema: Any) -> None:
        self._stream: Final = stream

    def write(self, table: Any) -> None:
        names = table.schema.names
        columns = [
            column.to_pylist() if name in _BARE else _json_column(column)
            for name, column in zip(names, table.columns, strict=True)
        ]
        for row in zip(*columns, strict=True):
            line = json.dumps({name: value for name, value in zip(names, row, strict=True) if value is not None})
            self._stream.write(line.encode() + b"\n")

    def close(self) -> None:
        pass


FORMATS: Final[dict[str, Callable[[BinaryIO, Any], _Writer]]] = {
    "parquet": _Parquet,
    "arrow": _Arrow,
    "csv": _Csv,
    "jsonl": _JsonLines,
}
"""Name, which is also the ending of the files, to the class or function that writes them."""


class _File:
    def __init__(self, stream: BinaryIO, schema: Any, make: Callable[[BinaryIO, Any], _Writer]) -> None:
        self._stream: Final = stream
        self._writer: Final = make(stream, schema)
        self._batches: list[Any] = []
        self.rows = 0
        self.pending = 0

    def add(self, batch: Any) -> None:
        """Add rows; write all that are kept when there are ``GROUP_ROWS``."""
        self._batches.append(batch)
        self.rows += len(batch)
        self.pending += batch.nbytes
        if self.rows >= GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are kept."""
        if self._batches:
            self._writer.write(pa.Table.from_batches(self._batches).combine_chunks())
        self._batches = []
        self.rows = self.pending = 0

    def close(self) -> None:
        """Write the rows that are kept and close the file."""
        self.flush()
        self._writer.close()
        self._stream.close()

    def abandon(self) -> None:
        """Close the file, incomplete as it is."""
        if isinstance(self._writer, _Parquet):
            self._writer.abandon()
        self._stream.close()


class FileSet:
    """The files of one block of an input, by table, market and date."""

    def __init__(self, store: Store, task: str, kind: str, block: int) -> None:
        """``kind`` is one of ``FORMATS``; ``task`` and ``block`` are in the names of the files."""
        self._store: Final = store
        self._task: Final = task
        self._kind: Final = kind
        self._block: Final = block
        self._open: Final[dict[tuple[str, str, str], _File]] = {}
        self._parts: Final[dict[tuple[str, str, str], int]] = {}
        self._pending = 0
        self.names: Final[list[str]] = []
        """Names in the store of all files so far."""

    def __enter__(self) -> FileSet:
        return self

    def __exit__(self, kind: object, _error: object, _trace: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def add(self, table: str, batch: Any) -> None:
        """Add rows of a table."""
        for market, date, rows in _partitioned(batch):
            key = table, market, date
            file = self._open.pop(key, None) or self._new(key, rows.schema)
            self._open[key] = file  # last: the first is the one that was not used for the longest time
            before = file.pending
            file.add(rows)
            self._pending += file.pending - before
        while self._pending > MAX_PENDING:
            largest = max(self._open.values(), key=lambda file: file.pending)
            self._pending -= largest.pending
            largest.flush()

    def close(self) -> None:
        """Write all rows and close the files."""
        while self._open:
            self._open.pop(next(iter(self._open))).close()

    def abandon(self) -> None:
        """Close the files, incomplete as they are: the store shows them to nobody."""
        while self._open:
            self._open.popitem()[1].abandon()

    def _new(self, key: tuple[str, str, str], schema: Any) -> _File:
        if len(self._open) >= MAX_OPEN:
            oldest = self._open.pop(next(iter(self._open)))
            self._pending -= oldest.pending
            oldest.close()
        part = self._parts[key] = self._parts.get(key, -1) + 1
        table, market, date = key
        # Sorted by name, files are in the order of capture.
        place = f"{self._block:05}{f'-{part}' if part else ''}"
        name = f"{table}/market={market}/date={date}/{self._task}-{place}.{self._kind}"
        self.names.append(name)
        return _File(self._store.create(self._task, name), described(table, schema), FORMATS[self._kind])


def _partitioned(batch: Any) -> Iterator[tuple[str, str, Any]]:
    """Return the rows of each market and date, in their order, without these two columns."""
    names = [name for name, _ in PARTITIONS]
    keys = batch.select(names)
    rows = batch.drop_columns(names)
    if all(map(_is_one, keys.columns)):
        distinct = keys.slice(0, 1).to_pylist()
    else:
        distinct = pa.Table.from_batches([keys]).group_by(names, use_threads=False).aggregate([]).to_pylist()
    for each in distinct:
        market, date = each["market"], each["date"]
        if len(distinct) == 1:
            chosen = rows
        else:
            wanted = pc.and_(_equals(keys.column(0), market), _equals(keys.column(1), date))
            chosen = rows.filter(wanted)
        yield market or NO_MARKET, NO_DATE if date is None else date.isoformat(), chosen


def _is_one(values: Any) -> bool:
    """Return whether all rows have the same value: grouping them takes seven times as long."""
    if values.null_count or not len(values):
        return bool(values.null_count == len(values))
    return bool(pc.all(pc.equal(values, values[0])).as_py())


def _equals(values: Any, value: Any) -> Any:
    return values.is_null() if value is None else pc.fill_null(pc.equal(values, pa.scalar(value, values.type)), False)


def _csv_type(kind: Any) -> Any:
    plain = not (pa.types.is_dictionary(kind) or pa.types.is_nested(kind) or pa.types.is_binary(kind))
    return kind if plain and not _is_text_in_csv(kind) else pa.string()


def _is_text_in_csv(kind: Any) -> bool:
    return sys.platform == "win32" and bool(pa.types.is_timestamp(kind))


def _csv_array(column: Any) -> Any:
    kind = column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        texts = [
            None if each is None else each.hex() if isinstance(each, bytes) else json.dumps(_json_value(each, kind))
            for each in column.to_pylist()
        ]
        return pa.array(texts, pa.string())
    if _is_text_in_csv(kind):
        return _instant_texts(column)
    return column.cast(pa.string()) if pa.types.is_dictionary(kind) else column


def _instant_texts(column: Any) -> Any:
    """Return instants in UTC as text, as Arrow does where it has a database of time zones."""
    texts = column.cast(pa.timestamp(column.type.unit)).cast(pa.string())
    return pc.binary_join_element_wise(texts, "Z", "")


def _json_column(column: Any) -> list[Any]:
    """Return the values of a column as JSON has them."""
    kind = column.type
    if pa.types.is_timestamp(kind) or _is_64_bit(kind):
        texts = _instant_texts(column) if pa.types.is_timestamp(kind) else column.cast(pa.string())
        values: list[Any] = texts.to_pylist()
        return values
    values = column.to_pylist()
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_floating(kind):
        return [_json_value(value, kind) for value in values]
    return values


def _is_64_bit(kind: Any) -> bool:
    return bool(pa.types.is_int64(kind) or pa.types.is_uint64(kind))


def _json_value(value: Any, kind: Any) -> Any:
    """Return a value of a column's type as JSON has it, where it differs from Python's.

    Bytes are hexadecimal digits; 64-bit integers, NaN and infinities texts, as in protobuf's JSON.
    """
    if value is None:
        return None
    if isinstance(value, dict):
        return {field.name: _json_value(value[field.name], field.type) for field in kind}
    if isinstance(value, list):
        return [_json_value(each, kind.value_type) for each in value]
    if _is_64_bit(kind):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
