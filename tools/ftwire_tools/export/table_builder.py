"""Collected frames to batches of all tables: converted class by class, each table sorted by capture time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ftwire.frame import Role
from ftwire.protocols import registry
from ftwire_tools.export.convert import Converter, class_descriptor
from ftwire_tools.export.frame_columns import Collected, ErrorRow, MessageColumns, MessageKey, TableOptions
from ftwire_tools.export.masked_columns import mask_struct
from ftwire_tools.export.rows import META, PARTITIONS, dictionary, rows_of
from ftwire_tools.messages.masking import BodyMask

__all__ = ["ERRORS", "TableBatch", "TableBuilder"]

ERRORS: Final = "errors"
"""Table of what could not be decoded: frames, bytes in no frame, bodies that protobuf or ptars refused."""

_DIRECTIONS: Final = {Role.CLIENT: "to_opend", Role.SERVER: "from_opend"}

_ERROR_FIELDS: Final = (
    ("error_type", pa.string()),
    ("error", pa.string()),
    ("bytes", pa.int64()),
    ("body", pa.binary()),
    ("is_lost", pa.bool_()),
)


class TableBatch(NamedTuple):
    """Rows of one table."""

    table: str
    batch: Any
    """A ``pyarrow.RecordBatch``: ``META`` first, then the fields, ``market`` and ``date`` last."""


class TableBuilder:
    """Makes the rows of one capture."""

    def __init__(self, name: str, options: TableOptions) -> None:
        """``name`` is the capture's in its rows."""
        self._name: Final = name
        self._options: Final = options
        self._converter: Final = Converter()
        self.refused = 0
        """Bodies so far that protobuf or ptars refused."""
        self.times_differ: Final[Counter[str]] = Counter()
        """Rows so far with a local time that is not that of its timestamp, by table."""

    def build(self, collected: Collected) -> Iterator[TableBatch]:
        """Return one batch for each table that these frames and errors fill, by table name."""
        batches: dict[str, list[Any]] = {}
        errors = collected.errors[:]
        # Sorted, so that rows with the same time do not depend on which class came first in the capture.
        for key in sorted(collected.messages, key=_rank):
            for table, batch in self._rows(key, collected.messages[key], errors):
                batches.setdefault(table, []).append(batch)
        if errors:
            batches[ERRORS] = [self._error_rows(errors)]
        for table in sorted(batches):
            yield TableBatch(table, _in_order(batches[table]))

    def _rows(self, key: MessageKey, frames: MessageColumns, errors: list[ErrorRow]) -> Iterator[tuple[str, Any]]:
        """Return the rows of frames of one class, table by table; append to ``errors`` what is refused."""
        proto_id, sender, message_class = key
        protocol = registry[proto_id]
        kind = "request" if sender is Role.CLIENT else "push" if protocol.is_push else "response"
        converted = self._converter.convert(frames.bodies, message_class)
        descriptor = class_descriptor(message_class)
        hides_some = BodyMask(descriptor, show_secrets=self._options.show_secrets).hides_some
        self.refused += len(converted.refusals)
        for refusal in converted.refusals:
            at = refusal.place
            errors.append(
                ErrorRow(
                    frames.times[at],
                    frames.connections[at],
                    frames.numbers[at],
                    frames.serials[at],
                    sender,
                    kind,
                    protocol.name,
                    refusal.error_type,
                    f"not a {descriptor.full_name}" if hides_some else refusal.error,
                    len(frames.bodies[at]),
                    None if hides_some else frames.bodies[at],
                    refusal.is_lost,
                )
            )
        count = len(frames.bodies)
        columns = [
            pa.array(frames.times, pa.int64()).cast(META[0][1]),
            dictionary(self._name, count),
            pa.array(frames.connections, pa.int32()),
            pa.array(frames.numbers, pa.int64()),
            pa.array(frames.serials, pa.uint32()),
            dictionary(_DIRECTIONS[sender], count),
            dictionary(kind, count),
            dictionary(protocol.name, count),
        ]
        meta = pa.RecordBatch.from_arrays(columns, names=[name for name, _ in META[:-1]])
        if len(converted.kept) < count:
            meta = meta.take(pa.array(converted.kept, pa.int64()))
        return rows_of(
            descriptor,
            mask_struct(converted.array, descriptor) if hides_some else converted.array,
            meta,
            explode=self._options.explode,
            levels=self._options.levels,
            differing=self.times_differ,
        )

    def _error_rows(self, errors: list[ErrorRow]) -> Any:
        count = len(errors)
        times, connections, numbers, serials, senders, kinds, protos, *rest = zip(*errors, strict=True)
        instants = pa.array(times, pa.int64()).cast(META[0][1])
        directions = [None if sender is None else _DIRECTIONS[sender] for sender in senders]
        words = pa.dictionary(pa.int32(), pa.string())
        named = [
            ("capture_time", instants),
            ("file", dictionary(self._name, count)),
            ("connection", pa.array(connections, pa.int32())),
            ("frame", pa.array(numbers, pa.int64())),
            ("serial", pa.array(serials, pa.uint32())),
            ("direction", pa.array(directions, pa.string()).cast(words)),
            ("kind", pa.array(kinds, pa.string()).cast(words)),
            ("proto", pa.array(protos, pa.string()).cast(words)),
            ("row", pa.repeat(pa.scalar(0, pa.int32()), count)),
            *((name, pa.array(values, kind)) for (name, kind), values in zip(_ERROR_FIELDS, rest, strict=True)),
            ("market", pa.nulls(count, PARTITIONS[0][1])),
            ("date", instants.cast(pa.date32())),
        ]
        return pa.RecordBatch.from_arrays([values for _, values in named], names=[name for name, _ in named])


def _rank(key: MessageKey) -> tuple[int, int, str]:
    return key.proto_id, list(Role).index(key.sender), class_descriptor(key.message_class).full_name


def _in_order(batches: list[Any]) -> Any:
    """Return rows of one table as one batch, sorted by capture time and frame."""
    whole = pa.Table.from_batches(batches).unify_dictionaries().combine_chunks()
    if len(batches) > 1 or not _is_sorted(whole):
        # A stable sort: the items of a frame keep their order.
        keys = [("capture_time", "ascending"), ("frame", "ascending")]
        whole = whole.take(pc.sort_indices(whole, sort_keys=keys)).combine_chunks()
    return whole.to_batches()[0]


def _is_sorted(whole: Any) -> bool:
    times = whole.column("capture_time").combine_chunks().cast(pa.int64())
    return len(times) < 2 or not pc.any(pc.less(times[1:], times[:-1])).as_py()
