"""All tables of an export in one DuckDB file, read from its Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["DATABASE", "build_database"]

DATABASE: Final = "export.duckdb"


def build_database(out: str, tables: Iterable[str]) -> None:
    """Write ``DATABASE`` in a directory from the Parquet files below it; an error leaves the former one as it was.

    Raises ``ImportError`` without duckdb, and ``duckdb.Error``.
    """
    import duckdb

    root = Path(out)
    partial = root / ".partial" / DATABASE
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.unlink(missing_ok=True)
    with duckdb.connect(str(partial)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for table in tables:
            # layout.snake_case makes names of tables of letters, digits and _ only; a path may hold quotes.
            files = f"{root}/{table}/**/*.parquet".replace("'", "''")
            rows = f"read_parquet('{files}', hive_partitioning = true, union_by_name = true)"
            names = {name for name, *_ in connection.execute(f"describe from {rows}").fetchall()}
            # Rows in the columns of the vendor's SDK do not say when they were captured; files are in that order.
            order = "order by time, number, row" if "time_ns" in names else ""
            connection.execute(f'create table "{table}" as select * from {rows} {order}')  # noqa: S608
    partial.replace(root / DATABASE)
