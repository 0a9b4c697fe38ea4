"""Rows in the columns of the DataFrames of the vendor's Python SDK: ``--columns sdk``.

``sdk_columns.json``, beside this file, has for each table of the SDK's which table of ours it is made from and, column
by column, what of it is shown; and the SDK's words for the numbers of enums. It is facts of the SDK's behaviour,
learned from the SDK by ``tests/interop/sdk_columns.py`` and compared with it by a test there.

A column's source is

- ``name``: the column of this name, or ``a|b``: the first of two that has a value;
- ``name:Enum``: the SDK's word for its number;
- ``name?``: whether it has a value; ``name*100``: so many times its value;
- ``name@date``, ``name@time``: the two parts of a local time;
- ``list[key=1].name``: of a list's last item with this key.

Where the SDK writes "N/A", a row has no value. A table of ours that the SDK has in several DataFrames (K-lines of
three calls, ticks of a call and a push) has the columns of all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ftwire_tools.export.layout import KINDS
from ftwire_tools.export.rows import PARTITIONS

__all__ = ["SdkTable", "in_sdk_columns", "needed_columns", "sdk_tables"]

_SOURCE: Final = re.compile(
    r"(?P<list>\w+)\[(?P<key>\w+)=(?P<number>\d+)\]\.(?P<item>\w+)"
    r"|(?P<name>\w+)(?:\|(?P<other>\w+)|:(?P<words>\w+)|(?P<given>\?)|\*(?P<times>\d+)|@(?P<part>date|time))?"
)


class SdkTable(NamedTuple):
    """A table with the columns of the SDK's DataFrames."""

    name: str
    table: str
    """Table of ours that its rows come from."""
    side: str | None
    """Only rows with this ``side``."""
    columns: dict[str, str]
    """Column of the SDK to its source."""


@cache
def sdk_tables() -> tuple[SdkTable, ...]:
    """Return the tables that the SDK has."""
    return tuple(
        SdkTable(name, each["from"], each.get("side"), each["columns"]) for name, each in _facts()["tables"].items()
    )


def needed_columns(table: str) -> frozenset[str] | None:
    """Return the names of the columns that ``in_sdk_columns`` reads of one of our tables; ``None`` for all."""
    found = [each for each in sdk_tables() if each.table == table]
    if not found:
        return None
    names = {name for name, _ in PARTITIONS} | {f"{name}_name" for name in KINDS.get(table, ())}
    for each in found:
        if each.side is not None:
            names.add("side")
        for source in each.columns.values():
            parts = _parts(source)
            names |= {name for name in (parts["list"], parts["name"], parts["other"]) if name is not None}
    return frozenset(names)


def in_sdk_columns(table: str, batch: Any) -> Iterator[tuple[str, Any]]:
    """Return the tables that rows of one of ours fill: the same rows for a table that the SDK does not have."""
    found = [each for each in sdk_tables() if each.table == table]
    if not found:
        yield table, batch
    for each in found:
        rows = batch
        if each.side is not None:
            rows = batch.filter(pc.equal(batch.column("side").cast(pa.string()), each.side))
        if len(rows):
            names = [*each.columns, *(name for name, _ in PARTITIONS)]
            arrays = [_values(rows, source) for source in each.columns.values()]
            arrays += [rows.column(name) for name, _ in PARTITIONS]
            yield each.name, pa.RecordBatch.from_arrays(arrays, names=names)


@cache
def _facts() -> dict[str, Any]:
    text = resources.files("ftwire_tools.export").joinpath("sdk_columns.json").read_text(encoding="utf-8")
    facts: dict[str, Any] = json.loads(text)
    return facts


def _parts(source: str) -> re.Match[str]:
    found = _SOURCE.fullmatch(source)
    if found is None:
        raise ValueError(f"sdk_columns.json: {source!r} is no source of a column")
    return found


def _values(batch: Any, source: str) -> Any:
    found = _parts(source)
    if found["list"] is not None:
        return _of_item(_column(batch, found["list"]), found["key"], int(found["number"]), found["item"])
    values = _column(batch, found["name"])
    if found["other"] is not None:
        other = _column(batch, found["other"])
        if other.type != values.type:
            values, other = values.cast(pa.float64()), other.cast(pa.float64(), safe=False)
        return pc.coalesce(values, other)
    if found["words"] is not None:
        return _words(values, _facts()["words"][found["words"]])
    if found["given"] is not None:
        return values.is_valid()
    if found["times"] is not None:
        return pc.multiply(values, float(found["times"]))
    if found["part"] is not None:
        # YYYY-MM-DD hh:mm:ss
        return pc.utf8_slice_codeunits(values, *((0, 10) if found["part"] == "date" else (11,)))
    return values


def _column(batch: Any, name: str) -> Any:
    at = batch.schema.get_field_index(name)
    # With ``--explode`` lists are in tables of their own.
    return pa.nulls(len(batch)) if at < 0 else batch.column(at)


def _words(values: Any, words: dict[str, str]) -> Any:
    numbers = pa.array(map(int, words), values.type)
    return pa.DictionaryArray.from_arrays(
        pc.index_in(values, value_set=numbers, skip_nulls=True), pa.array(words.values(), pa.string())
    )


def _of_item(lists: Any, key: str, number: int, name: str) -> Any:
    """Return a field of the last item whose ``key`` is ``number``, list by list; null where there is none."""
    if not pa.types.is_list(lists.type):
        return pa.nulls(len(lists))
    parents, items = pc.list_parent_indices(lists), pc.list_flatten(lists)
    here = pc.indices_nonzero(pc.fill_null(pc.equal(items.field(key), number), False))[::-1]
    last = pc.index_in(pa.array(range(len(lists)), parents.type), value_set=parents.take(here))
    return items.field(name).take(here.take(last))
