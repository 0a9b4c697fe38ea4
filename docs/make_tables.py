"""Make ``docs/tables.md``, the columns of the tables of ``ftwire export``: ``python docs/make_tables.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ftwire_tools.export.column_facts import facts_of
from ftwire_tools.export.layout import KINDS, SHARED, WIDE
from ftwire_tools.export.manifest import SCHEMA
from ftwire_tools.export.rows import META, PARTITIONS, table_schema
from ftwire_tools.export.table_builder import error_schema

PAGE: Final = Path(__file__).with_name("tables.md")
LEVELS: Final = 1
"""Levels of each side that are shown of ``order_book_wide``."""
OURS: Final = frozenset(name for name, _ in (*META, *PARTITIONS))


def lines() -> Iterator[str]:
    """Return the lines of the page."""
    yield "# Columns of the tables"
    yield ""
    yield f"Version {SCHEMA} of tables and columns; made by `docs/make_tables.py` from the code that writes the tables."
    yield "What tables there are, and what becomes a column: [tables](export.md). A table of one protocol has the"
    yield "fields of its messages by the same rules. Types are Arrow's; a column may be null unless it says *never*."
    yield ""
    yield "Every table begins with these columns, and `market` and `date` are in the path of its files:"
    yield ""
    yield from table("ticker", table_schema("ticker"), lambda name: name in OURS or name == "time_ns")
    for name in [*SHARED, *WIDE.values()]:
        yield f"## {name}"
        yield ""
        if name in WIDE.values():
            yield "The first level of each side; `--levels` says how many there are."
            yield ""
        if name in KINDS:
            yield "Each period and adjustment has a table of its own, `kline_day_forward`, with these columns:"
            yield ""
        schema = table_schema(name, levels=LEVELS)
        yield from table(name, schema, lambda name: name not in OURS and name != "time_ns")
    yield "## errors"
    yield ""
    yield "The columns that every table begins with are null here where they are not known; `file` and `row` never are."
    yield ""
    yield from table("errors", error_schema(), lambda name: name not in OURS and name != "time_ns")


def table(name: str, schema: Any, wanted: Any) -> Iterator[str]:
    """Return a table of columns."""
    yield "| column | type | unit | null | |"
    yield "|---|---|---|---|---|"
    for column, facts in facts_of(name, schema).items():
        if wanted(column):
            kind = "int64" if column == "time_ns" else type_text(schema.field(column).type)
            null = "" if facts.is_nullable else "never"
            yield f"| `{column}` | {kind} | {facts.unit} | {null} | {facts.about} |"
    yield ""


def type_text(kind: Any) -> str:
    """Return a type as the page has it: lists of messages by the names of their fields."""
    if pa.types.is_dictionary(kind):
        return "string, dictionary"
    if pa.types.is_list(kind):
        return f"list of {type_text(kind.value_type)}"
    if pa.types.is_struct(kind):
        return "(" + ", ".join(f"{field.name} {type_text(field.type)}" for field in kind) + ")"
    return str(kind).replace("tz=", "")


def page() -> str:
    """Return the page."""
    return "\n".join(lines()).rstrip("\n") + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
