"""Rows of a table whose columns are not made yet: values of messages, values of rows, and which row has which message.

What stands beside a list in its message is the same in the rows of all its items, and rows of several lists and classes
share a table in the order of capture. Both would repeat or move every column; here each column is made once, when
order and repetition are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["RowColumn", "RowSet", "dictionary", "merged", "repeated", "row_numbers", "take"]

_INDEX: Final = pa.int32()
"""Type of row numbers: the rows of one batch are far fewer than 2**31."""


class RowColumn(NamedTuple):
    """A column of a ``RowSet``."""

    name: str
    values: Any
    """A ``pyarrow.Array``."""
    of_messages: bool
    """It has a value for each message, and not for each row."""


class RowSet(NamedTuple):
    """Rows of one table that messages of one class fill, by message and then by place in its list."""

    meta: Any
    """``pyarrow.RecordBatch`` with a row for each message: where and when it was captured."""
    parents: Any
    """The message of each row, ascending; ``None`` where each message has one row."""
    length: int
    """Number of rows."""
    columns: list[RowColumn]

    def column(self, at: int) -> Any:
        """Return the values of a column, row by row."""
        column = self.columns[at]
        return repeated(column.values, self.parents) if column.of_messages else column.values

    def batch(self) -> Any:
        """Return the rows as a ``pyarrow.RecordBatch``."""
        arrays = [self.column(at) for at in range(len(self.columns))]
        return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in self.columns])


def repeated(values: Any, parents: Any) -> Any:
    """Return the values of messages for rows with these parents; ``None`` for a row each."""
    if parents is None:
        return values
    if _is_null(values):
        return _nulls(len(parents), values.type)
    if pa.types.is_dictionary(values.type) and len(values.dictionary) == 1 and not values.null_count:
        return pa.DictionaryArray.from_arrays(_zeros(len(parents)), values.dictionary)
    return take(values, parents)


def take(values: Any, places: Any) -> Any:
    """Return the values at places that are known to be places of theirs: looking takes as long as taking."""
    return pc.take(values, places, boundscheck=False)


def dictionary(value: str, length: int) -> Any:
    """Return a dictionary column with the same value in every row."""
    return pa.DictionaryArray.from_arrays(_zeros(length), pa.array([value]))


# Half the columns of a wide table have no value, or one value in all rows. Those of one length share their memory: new
# pages take longer to get than to fill.
@lru_cache(maxsize=8)
def _nulls(length: int, kind: Any) -> Any:
    return pa.nulls(length, kind)


@lru_cache(maxsize=2)
def _zeros(length: int) -> Any:
    return pa.repeat(pa.scalar(0, pa.int32()), length)


def merged(row_sets: Sequence[RowSet], wanted: frozenset[str] | None = None) -> Any:
    """Return rows with the same columns as one ``pyarrow.RecordBatch``, by ``time`` and ``number`` of their messages.

    Rows of one message stay together and in their order, row set by row set. ``wanted`` are the names of columns that
    are needed; by default all.
    """
    order = _Order(row_sets)
    names = [column.name for column in row_sets[0].columns]
    chosen = [at for at, name in enumerate(names) if wanted is None or name in wanted]
    return pa.RecordBatch.from_arrays([order.column(at) for at in chosen], names=[names[at] for at in chosen])


class _Order:
    """The order of rows of several row sets."""

    def __init__(self, row_sets: Sequence[RowSet]) -> None:
        self._row_sets: Final = row_sets
        self._sources: Final = list({id(each.meta): each for each in row_sets}.values())
        """A row set of each source: those of one class share their messages."""
        base, bases = 0, {}
        for each in self._sources:
            bases[id(each.meta)] = base
            base += len(each.meta)
        entries = [_entries(each) for each in row_sets]
        messages = _joined(
            [pc.add(of, pa.scalar(bases[id(each.meta)], _INDEX)) for each, (of, _) in _pairs(row_sets, entries)]
        )
        keys = {name: _joined([each.meta.column(name) for each in self._sources]) for name in ("time", "number")}
        entry_keys = pa.table({name: take(values, messages) for name, values in keys.items()})
        self.length: Final = sum(each.length for each in row_sets)
        if len(row_sets) == 1 and _is_sorted(entry_keys):
            self._order, self._parents = None, row_sets[0].parents
            return
        sort_keys = [("time", "ascending"), ("number", "ascending")]
        # A stable sort: the lists of a message keep their order.
        sorted_entries = pc.sort_indices(entry_keys, sort_keys=sort_keys)
        lists = _ranges(_joined([counts for _, counts in entries])).take(sorted_entries)
        self._order = lists.flatten()
        self._parents = take(take(messages, sorted_entries), pc.list_parent_indices(lists))

    def column(self, at: int) -> Any:
        """Return a column in this order."""
        columns = [each.columns[at] for each in self._row_sets]
        if self._order is None:
            return self._row_sets[0].column(at)
        if all(column.of_messages for column in columns):
            of_source = {id(each.meta): column.values for each, column in zip(self._row_sets, columns, strict=True)}
            if all(of_source[id(each.meta)] is column.values for each, column in _pairs(self._row_sets, columns)):
                return repeated(_joined([of_source[id(each.meta)] for each in self._sources]), self._parents)
        return repeated(_joined([each.column(at) for each in self._row_sets]), self._order)


def _pairs(row_sets: Sequence[RowSet], others: Sequence[Any]) -> Any:
    return zip(row_sets, others, strict=True)


def _entries(rows: RowSet) -> tuple[Any, Any]:
    """Return the messages that have rows, and how many each has."""
    if rows.parents is None:
        return row_numbers(rows.length), pa.repeat(pa.scalar(1, _INDEX), rows.length)
    runs = pc.run_end_encode(rows.parents, run_end_type=_INDEX)
    return runs.values.cast(_INDEX), pc.pairwise_diff(pa.concat_arrays([pa.array([0], _INDEX), runs.run_ends]))[1:]


def _ranges(counts: Any) -> Any:
    """Return a list of the next row numbers for each count."""
    ends = pc.cumulative_sum(counts)
    total = ends[-1].as_py() if len(ends) else 0
    return pa.ListArray.from_arrays(pa.concat_arrays([pa.array([0], _INDEX), ends]), row_numbers(total))


def row_numbers(count: int) -> Any:
    """Return the numbers of rows, from 0."""
    return pa.arange(0, count).cast(_INDEX)


def _joined(arrays: Sequence[Any]) -> Any:
    if len(arrays) == 1:
        return arrays[0]
    joined = pa.chunked_array(arrays)
    return (
        joined.unify_dictionaries().combine_chunks()
        if pa.types.is_dictionary(joined.type)
        else pa.concat_arrays(arrays)
    )


def _is_null(values: Any) -> bool:
    return bool(len(values) and values.null_count == len(values))


def _is_sorted(keys: Any) -> bool:
    times, numbers = (keys.column(name).combine_chunks().cast(pa.int64()) for name in ("time", "number"))
    if times.null_count or len(times) < 2:
        return len(times) < 2 or (times.null_count == len(times) and not _falls(numbers))
    tied = pc.equal(times[1:], times[:-1])
    return not _falls(times) and not pc.any(pc.and_(tied, pc.less(numbers[1:], numbers[:-1]))).as_py()


def _falls(values: Any) -> bool:
    return bool(pc.any(pc.less(values[1:], values[:-1])).as_py())
