"""What is known of columns beside their types: what they hold, in which unit, and which are never null.

Facts of our own columns and of those that follow from others. A vendor's field is what the vendor says it is.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

import pyarrow as pa

from ftwire_tools.export.manifest import SCHEMA

__all__ = ["ColumnFacts", "described", "facts_of"]

INSTANT: Final = "since 1970-01-01 UTC"


class ColumnFacts(NamedTuple):
    """What is known of a column."""

    about: str = ""
    """What it holds; empty for a vendor's field."""
    unit: str = ""
    """Empty where it has none, and where it is not known."""
    is_nullable: bool = True


_OURS: Final = {
    "time": ColumnFacts("when the frame's last byte was captured; in Parquet in microseconds"),
    "time_ns": ColumnFacts("the same in full, in Parquet alone", f"ns {INSTANT}"),
    "file": ColumnFacts("the input", is_nullable=False),
    "number": ColumnFacts("running number of the frame in the input, from 1", is_nullable=False),
    "conversation": ColumnFacts("number of its connection in the input, from 1", is_nullable=False),
    "src": ColumnFacts("HOST:PORT of the side that sent it", is_nullable=False),
    "dst": ColumnFacts("HOST:PORT of the other side", is_nullable=False),
    "direction": ColumnFacts("to_opend or from_opend", is_nullable=False),
    "kind": ColumnFacts("request, response or push", is_nullable=False),
    "proto_id": ColumnFacts("number of the protocol", is_nullable=False),
    "proto": ColumnFacts("name of the protocol", is_nullable=False),
    "serial": ColumnFacts("serial number of the frame", is_nullable=False),
    "request": ColumnFacts("number of the request that a response answers"),
    "latency_ns": ColumnFacts("time since that request", "ns"),
    "row": ColumnFacts("place in its list, from 0", is_nullable=False),
    "item": ColumnFacts("place in the list inside the row, from 0"),
    "side": ColumnFacts("ask or bid"),
    "market": ColumnFacts("prefix of the security's code; in the path of the file, where null is none"),
    "date": ColumnFacts("day of capture in UTC; in the path of the file, where null is 1970-01-01"),
}
_OF_ERRORS: Final = {
    "error_type": ColumnFacts("class of the error", is_nullable=False),
    "error": ColumnFacts("what is wrong", is_nullable=False),
    "bytes": ColumnFacts("size of what is in no frame", "bytes"),
    "body_length": ColumnFacts("size of the frame's body on the wire", "bytes"),
    "body": ColumnFacts("the body, up to its first MiB"),
    "is_lost": ColumnFacts("it is in no other table", is_nullable=False),
}
"""Of the table ``errors``, in which nothing else but ``file`` and ``row`` is certain to be there."""


def facts_of(table: str, schema: Any) -> dict[str, ColumnFacts]:
    """Return what is known of the columns of a table, by name, ``time_ns`` included."""
    names = list(schema.names)
    is_ours = "number" in names and "direction" in names
    if is_ours and "time" in names and "time_ns" not in names:
        names.insert(names.index("time") + 1, "time_ns")
    known = frozenset(names)
    found = {}
    for name in names:
        facts = (_OURS.get(name) if is_ours else None) or _derived(name, known, schema)
        if table == "errors":
            facts = _OF_ERRORS.get(name, facts)
            facts = facts._replace(is_nullable=name not in ("file", "row", "error_type", "error", "is_lost"))
        found[name] = facts
    return found


def _derived(name: str, known: frozenset[str], schema: Any) -> ColumnFacts:
    """Return what follows from the columns beside it."""
    for ending, about in (("_utc", "instant of {}"), ("_name", "name of the number in {}")):
        base = name.removesuffix(ending)
        if base != name and base in known:
            # A vendor's field with the name of one of our columns has an underscore behind it.
            return ColumnFacts(about.format(f"{base}_" if f"{base}_" in known else base))
    listed = name.removesuffix("_codes")
    if listed != name and listed in known:
        return ColumnFacts(f"codes of the securities in {listed}")
    if f"{name}_raw" in known or (name == "code" and "security_code" in known) or f"{name}_market" in known:
        return ColumnFacts("security as users write it: HK.00700")
    # Newer messages have whole numbers of this name, in a unit that is not known.
    if name.lower().endswith("timestamp") and pa.types.is_floating(schema.field(name).type):
        return ColumnFacts(unit=f"s {INSTANT}")
    return ColumnFacts()


def described(table: str, schema: Any) -> Any:
    """Return a schema with these facts in its metadata, and the version of the columns; never null is in its types."""
    columns = {}
    known = facts_of(table, schema)
    for name, facts in known.items():
        of_column: dict[str, Any] = {"about": facts.about} if facts.about else {}
        if facts.unit:
            of_column["unit"] = facts.unit
        if not facts.is_nullable:
            of_column["nullable"] = False
        if of_column:
            columns[name] = of_column
    return pa.schema(
        [field.with_nullable(known[field.name].is_nullable) for field in schema],
        metadata={
            **(schema.metadata or {}),
            "ftwire.schema": str(SCHEMA),
            "ftwire.table": table,
            "ftwire.columns": json.dumps(columns),
        },
    )
