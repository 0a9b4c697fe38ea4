"""What was sifted, written down between the two steps of a split capture: Arrow streams in ``.partial``.

A stream holds what one part found in one block, in the order of its moments. Keys are texts in it, since every
process numbers them in its own way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc

from ftwire.frame import Role
from ftwire.protocols import registry
from ftwire_tools.export.convert import class_descriptor
from ftwire_tools.export.frame_columns import FAULT_COST, Fault, Key, Sifted, is_enough

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["SpoolWriter", "Union", "spooled"]

_MARKS: Final = ("fault", "lost", "silent")
"""``FAULT``, ``LOST`` and ``SILENT`` as texts, -3 being the first."""

_FAULT_FIELDS: Final = (
    ("serial", pa.int64()),
    ("sender", pa.string()),
    ("kind", pa.string()),
    ("proto", pa.string()),
    ("error_type", pa.string()),
    ("error", pa.string()),
    ("size", pa.int64()),
    ("body", pa.binary()),
    ("is_fault", pa.bool_()),
)

_SCHEMA: Final = pa.schema(
    [
        ("moment", pa.int64()),
        ("key", pa.dictionary(pa.int32(), pa.string())),
        ("time", pa.int64()),
        ("talk", pa.int32()),
        ("serial", pa.uint32()),
        ("body", pa.binary()),
        ("fault", pa.struct(_FAULT_FIELDS)),
    ]
)


class SpoolWriter:
    """Writes what one part finds in one block."""

    def __init__(self, stream: BinaryIO) -> None:
        """``stream`` is closed with this."""
        self._stream: Final = stream
        self._writer: Final[Any] = pa.ipc.new_stream(stream, _SCHEMA)

    def write(self, sifted: Sifted, moments: list[int], bodies: list[bytes | None], keys: Sequence[Key]) -> None:
        """Write observations; ``moments`` has a moment for each."""
        names = pa.array([*_MARKS, *map(_text, keys)], pa.string())
        count = len(sifted)
        faults = pa.nulls(count, _SCHEMA.field("fault").type)
        if sifted.faults:
            rows = [None if fault is None else _plain(fault) for fault in map(sifted.faults.get, range(count))]
            faults = pa.array(rows, faults.type)
        columns = [
            pa.array(moments, pa.int64()),
            pa.DictionaryArray.from_arrays(pc.add(sifted.keys, len(_MARKS)), names),
            sifted.times,
            sifted.talks,
            sifted.serials,
            pa.array(bodies, pa.binary()),
            faults,
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=_SCHEMA))

    def close(self) -> None:
        """Write the end."""
        self._writer.close()
        self._stream.close()


def spooled(stream: BinaryIO) -> Iterator[Any]:
    """Give the batches of one part in one block, and close the stream."""
    with stream, pa.ipc.open_stream(stream) as reader:
        yield from reader


class Union:
    """What all parts found in one block, in the order of their moments, in pieces as a single process takes them."""

    def __init__(self, parts: Sequence[Iterator[Any]], talks: Sequence[Sequence[int]]) -> None:
        """``talks`` are, for each part, the connections that its numbers from 1 mean."""
        self._parts: Final = [iter(part) for part in parts]
        self._talks: Final = [pa.array([None, *numbers], pa.int32()) for numbers in talks]
        self._ids: Final[dict[str, int]] = {name: at - len(_MARKS) for at, name in enumerate(_MARKS)}
        self._rows: Final = [0] * len(parts)
        self.keys: Final[list[Key]] = []
        """What the numbers of keys mean, as far as they were met."""

    @property
    def rows(self) -> tuple[int, ...]:
        """Observations of each part so far: a stream that was cut short ends like any other."""
        return tuple(self._rows)

    def __iter__(self) -> Iterator[Sifted]:
        waiting: list[Any] = []
        costs: list[int] = []
        for table in self._sorted():
            waiting.append(table)
            costs += _costs(table)
            while (end := _end_of_piece(costs)) is not None:
                whole = pa.concat_tables(waiting)
                yield self._sifted(whole.slice(0, end))
                waiting, costs = [whole.slice(end)], costs[end:]
        if costs:
            yield self._sifted(pa.concat_tables(waiting))

    def _sorted(self) -> Iterator[Any]:
        """Give everything in the order of moments, no more at a time than a batch of every part."""
        held: list[Any] = [None] * len(self._parts)
        while True:
            for at, part in enumerate(self._parts):
                while held[at] is None or not len(held[at]):
                    batch = next(part, None)
                    if batch is None:
                        held[at] = None
                        break
                    held[at] = self._translated(at, batch)
            present = [table for table in held if table is not None]
            if not present:
                return
            # Nothing earlier can come any more: a packet belongs to one part.
            until = min(table.column("moment")[-1].as_py() for table in present)
            taken = []
            for at, table in enumerate(held):
                if table is not None:
                    count = pc.sum(pc.less_equal(table.column("moment"), until)).as_py()
                    taken.append(table.slice(0, count))
                    held[at] = table.slice(count)
            whole = pa.concat_tables(taken)
            yield whole.take(pc.sort_indices(whole.column("moment")))

    def _translated(self, part: int, batch: Any) -> Any:
        """Return a batch with our numbers of keys and connections."""
        self._rows[part] += len(batch)
        keys = batch.column("key")
        numbers = pa.array([self._id(name) for name in keys.dictionary.to_pylist()], pa.int32())
        talks = self._talks[part].take(pc.fill_null(batch.column("talk"), 0))
        table = pa.Table.from_batches([batch])
        table = table.set_column(1, "key", numbers.take(keys.indices))
        return table.set_column(3, "talk", talks)

    def _id(self, name: str) -> int:
        found = self._ids.get(name)
        if found is None:
            found = self._ids[name] = len(self.keys)
            self.keys.append(_key(name))
        return found

    def _sifted(self, table: Any) -> Sifted:
        table = table.combine_chunks()
        columns = {name: table.column(name).chunk(0) for name in table.schema.names}
        faults = columns["fault"]
        places = pc.indices_nonzero(faults.is_valid()).to_pylist()
        bodies = columns["body"]
        return Sifted(
            columns["key"],
            columns["time"],
            columns["talk"],
            columns["serial"],
            lambda wanted: bodies.take(wanted).to_pylist(),
            {place: _fault(faults[place].as_py()) for place in places},
        )


def _costs(table: Any) -> list[int]:
    """Return what each observation counts for, as ``Sifter`` counts."""
    size = pc.fill_null(pc.binary_length(table.column("body")), 0)
    faults = table.column("fault").combine_chunks()
    if faults.null_count < len(faults):
        wrong = pc.binary_length(pc.struct_field(faults, "body"))
        size = pc.add(size, pc.if_else(faults.is_valid(), pc.add(pc.fill_null(wrong, 0), FAULT_COST), 0))
    found: list[int] = size.to_pylist()
    return found


def _end_of_piece(costs: list[int]) -> int | None:
    if not is_enough(sum(costs), len(costs)):
        return None
    return next(rows for rows, cost in enumerate(accumulate(costs), 1) if is_enough(cost, rows))


def _text(key: Key) -> str:
    return f"{key.proto_id} {key.sender.name} {class_descriptor(key.message_class).full_name}"


def _key(text: str) -> Key:
    number, side, name = text.split(" ")
    sender = Role[side]
    candidates: list[type[Message] | None] = [
        entry.request if sender is Role.CLIENT else entry.response for entry in registry.all(int(number))
    ]
    for found in candidates:
        if found is not None and class_descriptor(found).full_name == name:
            return Key(int(number), sender, found)
    raise ValueError(f"no class {name} of protocol {number}")


def _plain(fault: Fault) -> dict[str, Any]:
    return fault._asdict() | {"sender": None if fault.sender is None else fault.sender.name}


def _fault(row: dict[str, Any]) -> Fault:
    return Fault(**(row | {"sender": None if row["sender"] is None else Role[row["sender"]]}))
