"""Read tables of an export with pandas, polars, DuckDB or Spark, and print its types and values.

``python read_tables.py READER DIRECTORY TABLE...``: a JSON object a table. Instants are whole microseconds since 1970,
numbers of floating point and bytes their hexadecimal digits. No ftwire here.
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

Table = tuple[dict[str, str], Iterable[Iterable[Any]]]
"""Types by column, and rows."""

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)  # noqa: UP017 - peers may be older than datetime.UTC


def plain(value: Any) -> Any:
    """Return a value as JSON that is the same whoever has read it."""
    if hasattr(value, "item") and not hasattr(value, "__len__"):
        value = value.item()  # numpy's
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, datetime.datetime):
        return (value - EPOCH) // datetime.timedelta(microseconds=1)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value.hex()
    if isinstance(value, (int, decimal.Decimal)):
        return int(value)
    if hasattr(value, "asDict"):
        value = value.asDict()
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value]


def with_pandas(folder: Path) -> Table:
    import pandas

    frame = pandas.read_parquet(folder, dtype_backend="numpy_nullable")
    # Lists inside rows, whose integers pandas makes doubles otherwise where one of them is null.
    exact = pandas.read_parquet(folder, dtype_backend="pyarrow")
    kinds, columns = {}, []
    for name in frame.columns:
        if str(exact[name].dtype).startswith("list<"):
            kinds[name] = "list"
            columns.append([None if each is pandas.NA else each for each in exact[name]])
            continue
        column = frame[name]
        if isinstance(column.dtype, pandas.CategoricalDtype):
            column = column.astype(column.cat.categories.dtype)
        kind, missing = str(column.dtype), column.isna()
        if isinstance(column.dtype, pandas.DatetimeTZDtype):
            column = column.dt.as_unit("us").astype("int64")
        values = [None if no else each for each, no in zip(column, missing, strict=True)]
        if kind == "object":
            some = next((each for each in values if each is not None), None)
            kind = "" if some is None else type(some).__name__
        kinds[name] = kind
        columns.append(values)
    return kinds, zip(*columns, strict=True)


def with_polars(folder: Path) -> Table:
    import polars

    frame = polars.read_parquet(f"{folder}/**/*.parquet", hive_partitioning=True)
    return {name: str(kind) for name, kind in frame.schema.items()}, frame.iter_rows()


def with_duckdb(folder: Path) -> Table:
    import duckdb

    read = f"from read_parquet('{folder}/**/*.parquet', hive_partitioning = true)"
    kinds = {name: kind for name, kind, *_ in duckdb.sql(f"describe {read}").fetchall()}
    shown = ", ".join(
        f'epoch_us("{name}")' if kind == "TIMESTAMP WITH TIME ZONE" else f'"{name}"' for name, kind in kinds.items()
    )
    return kinds, duckdb.sql(f"select {shown} {read}").fetchall()


def with_spark() -> Callable[[Path], Table]:
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.files.openCostInBytes", "0")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")

    def read(folder: Path) -> Table:
        frame = session.read.parquet(str(folder))
        shown = [f"unix_micros(`{name}`)" if kind == "timestamp" else f"`{name}`" for name, kind in frame.dtypes]
        return dict(frame.dtypes), frame.selectExpr(*shown).collect()

    return read


def main(reader: str, folder: Path, tables: Iterable[str]) -> None:
    readers: dict[str, Callable[[Path], Table]] = {
        "pandas": with_pandas,
        "polars": with_polars,
        "duckdb": with_duckdb,
    }
    read = with_spark() if reader == "spark" else readers[reader]
    for table in tables:
        kinds, rows = read(folder / table)
        print(json.dumps({"table": table, "kinds": kinds, "rows": [plain(tuple(row)) for row in rows]}))


if __name__ == "__main__":
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
