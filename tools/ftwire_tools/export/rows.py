"""A batch of messages of one class to the rows of its tables.

Every row begins with the columns of ``META``: when and where it was captured, and which item of its list it is. It
ends with ``market`` (prefix of its security's code) and ``date`` (of the capture, in UTC), by which files are
partitioned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ftwire.protocols import registry
from ftwire_tools.export.flatten import (
    FlatColumn,
    LocalTimes,
    beside,
    clocks_in,
    code_column,
    finish,
    flatten,
    market_in,
)
from ftwire_tools.export.layout import SHARED, Layout, ListTable, layout_of, snake_case
from ftwire_tools.export.request_columns import RequestFields, request_fields
from ftwire_tools.export.row_sets import RowColumn, RowSet, repeated, row_numbers, take
from ftwire_tools.export.types import struct_of
from ftwire_tools.messages.descriptors import descriptor_of, is_repeated

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

__all__ = ["META", "PARTITIONS", "RowBuilder", "empty_meta", "row_sets_of", "table_schema"]

META: Final = (
    ("time", pa.timestamp("ns", "UTC")),
    ("file", pa.dictionary(pa.int32(), pa.string())),
    ("number", pa.int64()),
    ("conversation", pa.int32()),
    ("src", pa.dictionary(pa.int32(), pa.string())),
    ("dst", pa.dictionary(pa.int32(), pa.string())),
    ("direction", pa.dictionary(pa.int32(), pa.string())),
    ("kind", pa.dictionary(pa.int32(), pa.string())),
    ("proto_id", pa.uint32()),
    ("proto", pa.dictionary(pa.int32(), pa.string())),
    ("serial", pa.uint32()),
    ("request", pa.int64()),
    ("latency_ns", pa.int64()),
    ("row", pa.int32()),
)
"""Columns that every row begins with, named as in ``ftwire dump --json``."""

PARTITIONS: Final = (("market", pa.string()), ("date", pa.date32()))
"""Columns that every row ends with."""

REQUEST_PREFIX: Final = "c2s_"
"""Before the name of a request's parameter where the reply has a column of that name."""

_WIDE_FIELDS: Final = ("price", "volume", "orederCount", "hpVolume")

_RESERVED: Final = frozenset(name for name, _ in (*META, *PARTITIONS))


class RowBuilder:
    """Makes rows of messages of one class."""

    def __init__(self, message: Descriptor, *, explode: bool, levels: int) -> None:
        self._message: Final = message
        self._layout: Final = layout_of(message)
        self._explode: Final = explode
        self._levels: Final = levels
        self._asked: Final = request_fields(message)

    def tables(
        self, struct: Any, meta: Any, requests: Any = None, differing: Counter[str] | None = None
    ) -> Iterator[tuple[str, Any]]:
        """Return tables with their rows as record batches: ``row_sets`` with their columns made."""
        for table, rows in self.row_sets(struct, meta, requests, differing):
            yield table, rows.batch()

    def row_sets(
        self, struct: Any, meta: Any, requests: Any = None, differing: Counter[str] | None = None
    ) -> Iterator[tuple[str, RowSet]]:
        """Return tables with their rows; ``meta`` has the columns of ``META`` but ``row``, a row for each message.

        ``requests`` are the messages that these answer, null where one is not known; ``None`` where none is. Rows with
        a local time that is not that of its timestamp are counted in ``differing``, by table.
        """
        layout = self._layout
        batch = _Batch(Counter() if differing is None else differing, LocalTimes())
        context, payload = self._context(struct, layout)
        context += _asked_columns(self._asked, requests, len(struct), {column.name for column in context})
        has_items = pc.equal(pa.repeat(0, len(struct)), 1)
        for plan in layout.lists:
            field, values = payload[plan.field]
            if is_repeated(field):
                lengths = pc.fill_null(pc.list_value_length(values), 0)
                has_items = pc.or_(has_items, pc.greater(lengths, 0))
                parents, items = pc.list_parent_indices(values), pc.list_flatten(values)
                place = _places(lengths, parents)
            else:
                has_items = pc.or_(has_items, values.is_valid())
                parents = pc.indices_nonzero(values.is_valid())
                items, place = take(values, parents), pa.repeat(pa.scalar(0, pa.int32()), len(parents))
            origin = _Origin(meta, parents, len(parents), place)
            yield from self._list_rows(plan, items, field.message_type, context, origin, batch)
        if layout.wide is not None:
            yield self._wide(layout, payload, context, meta, pc.indices_nonzero(has_items), batch)
        alone = pc.indices_nonzero(pc.invert(has_items))
        if len(alone) or not len(struct):  # without any message, for the names and types of the columns
            columns = [column._replace(of_messages=True) for column in context]
            yield from self._rows(layout.own, columns, _first_rows(meta, alone), batch)

    def _context(self, struct: Any, layout: Layout) -> tuple[list[FlatColumn], dict[str, Any]]:
        """Return the columns of all fields that are no list with a table, and these lists by name."""
        if layout.payload is None:
            return flatten(struct, self._message), {}
        columns = flatten(struct, self._message, without=(layout.payload,))
        inner = self._message.fields_by_name[layout.payload].message_type
        assert inner is not None  # noqa: S101 - layout_of has chosen a message
        values = dict(zip((field.name for field in self._message.fields), struct.flatten(), strict=True))[
            layout.payload
        ]
        lists = [plan.field for plan in layout.lists]
        columns += flatten(values, inner, without=lists)
        fields = dict(zip((field.name for field in inner.fields), values.flatten(), strict=True))
        return columns, {name: (inner.fields_by_name[name], fields[name]) for name in lists}

    def _list_rows(
        self,
        plan: ListTable,
        items: Any,
        item: Descriptor,
        context: list[FlatColumn],
        origin: _Origin,
        batch: _Batch,
    ) -> Iterator[tuple[str, RowSet]]:
        columns = flatten(items, item)
        if item.full_name == "Qot_Common.Security":
            columns = _security_items(items, columns)
        elif all(column.name != "code" for column in columns):
            columns = _with_code(columns)
        taken = {column.name for column in columns}
        columns += [beside(column._replace(name=_outer_name(column, taken)), origin.parents) for column in context]
        if plan.side is not None:
            sides = pa.array(["ask", "bid"])
            index = pa.repeat(pa.scalar(0 if plan.side == "ask" else 1, pa.int32()), len(items))
            columns.insert(0, FlatColumn("side", pa.DictionaryArray.from_arrays(index, sides)))
        yield from self._rows(plan.table, columns, origin, batch)

    def _rows(
        self, table: str, columns: list[FlatColumn], origin: _Origin, batch: _Batch
    ) -> Iterator[tuple[str, RowSet]]:
        if self._explode:
            nested = [column for column in columns if _is_list_of_structs(column.values.type)]
            columns = [column for column in columns if not _is_list_of_structs(column.values.type)]
            context = [column for column in columns if column.name in ("code", "name")]
            for column in nested:
                yield from self._exploded(
                    f"{table}_{snake_case(column.name)}",
                    column.of_rows(origin.parents).values,
                    context,
                    origin,
                    batch,
                )
        yield table, _row_set(table, columns, origin, batch)

    def _exploded(
        self, table: str, values: Any, context: list[FlatColumn], origin: _Origin, batch: _Batch
    ) -> Iterator[tuple[str, RowSet]]:
        """Return the items of lists inside rows: ``row`` is that of the row, ``item`` the place in the list."""
        lengths = pc.fill_null(pc.list_value_length(values), 0)
        parents, items = pc.list_parent_indices(values), pc.list_flatten(values)
        messages = parents if origin.parents is None else take(origin.parents, parents)
        columns = [FlatColumn("item", _places(lengths, parents))]
        columns += [FlatColumn(field.name, array) for field, array in zip(items.type, items.flatten(), strict=True)]
        taken = {column.name for column in columns}
        for column in context:
            if column.name in taken:
                continue
            if column.of_messages:
                columns.append(beside(column, messages))
            else:
                columns.append(beside(column, parents).of_rows(parents))
        inner = _Origin(origin.meta, messages, len(messages), take(origin.row, parents))
        yield from self._rows(table, columns, inner, batch)

    def _wide(
        self,
        layout: Layout,
        payload: dict[str, Any],
        context: list[FlatColumn],
        meta: Any,
        wanted: Any,
        batch: _Batch,
    ) -> tuple[str, RowSet]:
        """Return one row for each message, with columns for the first levels of both sides."""
        columns: list[FlatColumn] = []
        for plan in layout.lists:
            values = payload[plan.field][1]
            starts = values.offsets[:-1]
            ends = pc.if_else(values.is_valid(), values.offsets[1:], starts)
            fields = dict(zip((field.name for field in values.type.value_type), values.values.flatten(), strict=True))
            # All levels at once, and then apart: a call for each would take longer than its work.
            at = pa.concat_arrays([pc.add(starts, level) for level in range(self._levels)])
            inside = pc.less(at, pa.concat_arrays([ends] * self._levels))
            index = pc.if_else(inside, at, pa.scalar(None, pa.int32()))
            found = {name: take(fields[name], index) for name in _WIDE_FIELDS}
            columns += [
                FlatColumn(f"{plan.side}_{name}_{level + 1}", found[name].slice(level * len(values), len(values)))
                for level in range(self._levels)
                for name in _WIDE_FIELDS
            ]
        columns = [column._replace(of_messages=True) for column in (*columns, *context)]
        assert layout.wide is not None  # noqa: S101 - the caller has tested it
        return layout.wide, _row_set(layout.wide, columns, _first_rows(meta, wanted), batch)


def _asked_columns(asked: RequestFields | None, requests: Any, length: int, taken: set[str]) -> list[FlatColumn]:
    """Return the columns of what only the requests of responses say."""
    if asked is None:
        return []
    if requests is None:
        requests = pa.nulls(length, struct_of(asked.request))
    at = next(at for at, field in enumerate(asked.request.fields) if field.name == "c2s")
    columns = flatten(requests.flatten()[at], asked.payload, without=asked.left_out)
    names = [f"{REQUEST_PREFIX}{column.name}" if column.name in taken else column.name for column in columns]
    return [column._replace(name=name, is_asked=True) for column, name in zip(columns, names, strict=True)]


_builders: dict[tuple[Descriptor, bool, int], RowBuilder] = {}


def row_sets_of(
    message: Descriptor,
    struct: Any,
    meta: Any,
    requests: Any = None,
    *,
    explode: bool,
    levels: int,
    differing: Counter[str] | None = None,
) -> Iterator[tuple[str, RowSet]]:
    """Return the tables that messages of a class fill, each with its rows.

    ``requests`` and ``differing`` as in ``RowBuilder.row_sets``. A table that several classes fill has the columns of
    all of them: null where the row's class has no such field.
    """
    key = message, explode, levels
    builder = _builders.get(key)
    if builder is None:
        builder = _builders[key] = RowBuilder(message, explode=explode, levels=levels)
    for table, rows in builder.row_sets(struct, meta, requests, differing):
        if rows.length:
            yield table, _fitted(table, rows, explode, levels)


_schemas: dict[tuple[str, bool, int], Any] = {}


def table_schema(table: str, *, explode: bool = False, levels: int = 10) -> Any | None:
    """Return the schema of a table that several protocols fill; ``None`` for any other table."""
    key = table, explode, levels
    if key in _schemas:
        return _schemas[key]
    packages: set[str] = set()
    for name, filling in SHARED.items():
        if table == name or table.startswith(f"{name}_"):
            packages |= set(filling)
    fields: dict[str, Any] = {}
    for entry in sorted(packages):
        message = descriptor_of(registry[entry].response)
        rows = RowBuilder(message, explode=explode, levels=levels)
        nothing = pa.array([], struct_of(message))
        for name, batch in rows.tables(nothing, empty_meta()):
            if name == table:
                for field in batch.schema:
                    fields.setdefault(field.name, field)
    ends = [fields.pop(name) for name, _ in PARTITIONS if name in fields]
    found = _schemas[key] = pa.schema([*fields.values(), *ends]) if fields else None
    return found


def _fitted(table: str, rows: RowSet, explode: bool, levels: int) -> RowSet:
    schema = table_schema(table, explode=explode, levels=levels)
    if schema is None or schema.names == [column.name for column in rows.columns]:
        return rows
    have = {column.name: column for column in rows.columns}
    columns = [
        have[field.name]
        if field.name in have
        else RowColumn(field.name, pa.nulls(len(rows.meta), field.type), of_messages=True)
        for field in schema
    ]
    return rows._replace(columns=columns)


def empty_meta() -> Any:
    """Return the columns of ``META`` but ``row``, with no rows."""
    fields = META[:-1]
    return pa.RecordBatch.from_arrays([pa.array([], kind) for _, kind in fields], names=[name for name, _ in fields])


class _Origin(NamedTuple):
    """Where rows come from."""

    meta: Any
    """Columns of ``META`` but ``row``, a row for each message."""
    parents: Any
    """The message of each row; ``None`` where each has one row."""
    length: int
    """Number of rows."""
    row: Any
    """The column ``row``: place in the list."""


class _Batch(NamedTuple):
    """What the tables of one batch of messages have in common."""

    differing: Counter[str]
    """Rows with a local time that is not that of its timestamp, by table."""
    times: LocalTimes


def _first_rows(meta: Any, wanted: Any) -> _Origin:
    """Return the origin of rows that are one message each: of those at ``wanted``."""
    count = len(wanted)
    parents = None if count == len(meta) else wanted
    return _Origin(meta, parents, count, pa.repeat(pa.scalar(0, pa.int32()), count))


def _row_set(table: str, columns: list[FlatColumn], origin: _Origin, batch: _Batch) -> RowSet:
    meta, parents, length, row = origin
    if any(column.markets is not None and not column.of_messages for column in columns):
        # Each row has a market of its own.
        columns = [
            column.of_rows(parents) if column.markets is not None or column.is_time else column for column in columns
        ]
        market = RowColumn("market", market_in(columns, length), of_messages=False)
        clocks, clocks_of_messages = clocks_in(columns, market.values), None
    else:
        market = RowColumn("market", market_in(columns, len(meta)), of_messages=True)
        clocks_of_messages = clocks_in(columns, market.values)
        is_needed = any(column.is_time and not column.of_messages for column in columns)
        clocks = repeated(clocks_of_messages, parents) if is_needed else None
    found = [RowColumn(name, values, True) for name, values in zip(meta.schema.names, meta.columns, strict=True)]
    found.append(RowColumn("row", row, of_messages=False))
    used = set(_RESERVED)
    differ: list[int] = []
    for column in finish(columns, clocks, differ.append, parents, clocks_of_messages, batch.times):
        name = column.name
        while name in used:
            name += "_"
        used.add(name)
        found.append(column._replace(name=name))
    if any(differ):
        batch.differing[table] += sum(differ)
    # The zone goes first: what Arrow does in one needs a database of zones, which Windows lacks.
    days = meta.column("time").cast(pa.timestamp("ns")).cast(pa.date32())
    found += [market, RowColumn("date", days, of_messages=True)]
    return RowSet(meta, parents, length, found)


def _outer_name(column: FlatColumn, taken: set[str]) -> str:
    """Return the name that a message's or its request's column has beside an item with columns ``taken``."""
    if column.name not in taken:
        return column.name
    return f"{REQUEST_PREFIX if column.is_asked else 's2c_'}{column.name}"


def _places(lengths: Any, parents: Any) -> Any:
    """Return the place of each item in its list, from 0."""
    starts = pc.subtract(pc.cumulative_sum(lengths), lengths)
    return pc.subtract(row_numbers(len(parents)), take(starts, parents))


def _is_list_of_structs(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) and pa.types.is_struct(kind.value_type))


def _security_items(items: Any, columns: list[FlatColumn]) -> list[FlatColumn]:
    """Return the columns of a list whose items are securities: first their code as users write it."""
    market, code = items.flatten()
    renamed = [column._replace(name=f"security_{column.name}") for column in columns]
    return [code_column("code", market, code, items.is_valid()), *renamed]


def _with_code(columns: list[FlatColumn]) -> list[FlatColumn]:
    """Return the columns with the first inner security's code called ``code``: ``basic_security`` of a snapshot."""
    for at, column in enumerate(columns):
        if column.markets is not None and column.name.endswith("_security"):
            return [*columns[:at], column._replace(name="code"), *columns[at + 1 :]]
    return columns
