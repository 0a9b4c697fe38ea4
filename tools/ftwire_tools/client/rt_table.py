"""Time-share points as a table with the ten columns of the vendor's Python SDK, one row for each point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Protocol

from ftwire_tools.markets.codes import security_name
from ftwire_tools.render.table import NAMED_COLUMNS, Table, table_text

__all__ = ["RT_COLUMNS", "Column", "Columns", "RtTable", "rt_table"]

_FIELDS: Final = NAMED_COLUMNS["Qot_Common.TimeShare"]

RT_COLUMNS: Final = ("code", "name", *_FIELDS)
"""Names of the columns, in order."""


class Columns(Protocol):
    """What ``RtTable`` and pandas' ``DataFrame`` have in common."""

    def __getitem__(self, name: str, /) -> Any:
        """Return a column."""
        ...

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the columns."""
        ...

    def __len__(self) -> int:
        """Return how many rows there are."""
        ...


class Column(list[Any]):
    """The values of a column; indexing and ``values.tolist()`` work as on a pandas ``Series``."""

    @property
    def values(self) -> Column:
        """Return the column."""
        return self

    def tolist(self) -> list[Any]:
        """Return the values as a plain list."""
        return list(self)


class RtTable:
    """Rows and columns, without pandas."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self.rows: Final = rows
        self.columns: Final = RT_COLUMNS

    def __getitem__(self, name: str) -> Column:
        """Return a column. Raises ``KeyError``."""
        if name not in RT_COLUMNS:
            raise KeyError(name)
        at = RT_COLUMNS.index(name)
        return Column(row[at] for row in self.rows)

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.rows)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the columns, as a ``DataFrame`` does."""
        return iter(RT_COLUMNS)

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries."""
        return [dict(zip(RT_COLUMNS, row, strict=True)) for row in self.rows]

    def __str__(self) -> str:
        return table_text(Table("rtList", RT_COLUMNS, self.rows, is_fixed=True), indent="").rstrip("\n")


def rt_table(response: Any) -> Columns:
    """Return the table of a ``Qot_GetRT.Response``: a pandas ``DataFrame`` where pandas is installed."""
    rows = list(_rows(response.s2c))
    try:
        import pandas  # used here only, and optional
    except ModuleNotFoundError:
        return RtTable(rows)
    frame: Columns = pandas.DataFrame(rows, columns=list(RT_COLUMNS))
    return frame


def _rows(s2c: Any) -> Iterator[tuple[Any, ...]]:
    code = security_name(s2c.security.market, s2c.security.code)
    name = s2c.name
    fields = tuple(_FIELDS.values())
    for point in s2c.rtList:
        # A blank point has a time only; its other values are None.
        yield (code, name, *(getattr(point, field) if point.HasField(field) else None for field in fields))
