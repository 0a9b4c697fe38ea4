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
            connection.execute(
                f'create table "{table}" as select * from read_parquet('  # noqa: S608
                f"'{files}', hive_partitioning = true, union_by_name = true) order by capture_time, frame, row"
            )
    partial.replace(root / DATABASE)
