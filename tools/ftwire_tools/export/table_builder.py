"""What was sifted to batches of all tables: converted class by class, rows of a table sorted by capture time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ftwire.frame import Role
from ftwire.protocols import registry
from ftwire_tools.export.convert import Converter, class_descriptor, converter_named
from ftwire_tools.export.frame_columns import FAULT, Fault, Key, Reading, Sifted
from ftwire_tools.export.rows import META, PARTITIONS, dictionary, rows_of
from ftwire_tools.messages.masking import may_hold_secrets

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["ERRORS", "Gatherer", "TableBatch"]

ERRORS: Final = "errors"
"""Table of what could not be decoded: frames, gaps between them, and bodies that converters refused."""

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


class _Error(NamedTuple):
    time: int | None
    talk: int | None
    frame: int | None
    fault: Fault
    is_lost: bool


class Gatherer:
    """Makes rows of one input, called ``name`` in them."""

    def __init__(self, name: str, reading: Reading, *, frames: int = 0) -> None:
        """``frames`` is how many come before the first."""
        self._name: Final = name
        self._reading: Final = reading
        self._converter: Final[Converter] = converter_named(reading.converter)
        self._frames = frames
        self.refused = 0
        """Bodies of which a converter complained."""

    def gather(self, sifted: Sifted, keys: Sequence[Key]) -> Iterator[TableBatch]:
        """Give the rows of all this; ``keys`` are those that its numbers mean."""
        count = len(sifted)
        if not count:
            return
        numbers = pc.add(pc.cumulative_sum(pc.not_equal(sifted.keys, FAULT).cast(pa.int64())), self._frames)
        self._frames = numbers[count - 1].as_py()
        errors = [
            _Error(
                sifted.times[place].as_py(),
                sifted.talks[place].as_py(),
                None if sifted.keys[place].as_py() == FAULT else numbers[place].as_py(),
                fault,
                True,
            )
            for place, fault in sifted.faults.items()
        ]
        parts: dict[str, list[Any]] = {}
        present = [number for number in pc.unique(sifted.keys).to_pylist() if number >= 0]
        # In an order that has nothing to do with what came first.
        for number in sorted(present, key=lambda number: _rank(keys[number])):
            places = pc.indices_nonzero(pc.equal(sifted.keys, number))
            for table, batch in self._rows(keys[number], sifted, places, numbers, errors):
                parts.setdefault(table, []).append(batch)
        if errors:
            parts[ERRORS] = [self._error_rows(errors)]
        for table in sorted(parts):
            yield TableBatch(table, _in_order(parts[table]))

    def _rows(
        self, key: Key, sifted: Sifted, places: Any, numbers: Any, errors: list[_Error]
    ) -> Iterator[tuple[str, Any]]:
        proto_id, sender, message_class = key
        protocol = registry[proto_id]
        kind = "request" if sender is Role.CLIENT else "push" if protocol.is_push else "response"
        bodies = sifted.bodies(places)
        times, talks, frames, serials = (
            each.take(places) for each in (sifted.times, sifted.talks, numbers, sifted.serials)
        )
        converted = self._converter.convert(bodies, message_class)
        for refusal in converted.refusals:
            at = refusal.place
            secret = self._is_secret(message_class)
            text = f"not a {message_class.DESCRIPTOR.full_name}" if secret else refusal.error
            body = None if secret else bodies[at]
            fault = Fault(
                serials[at].as_py(), sender, kind, protocol.name, refusal.error_type, text, len(bodies[at]), body
            )
            errors.append(_Error(times[at].as_py(), talks[at].as_py(), frames[at].as_py(), fault, refusal.is_lost))
            self.refused += 1
        count = len(bodies)
        columns = [
            times.cast(META[0][1]),
            dictionary(self._name, count),
            talks,
            frames,
            serials,
            dictionary(_DIRECTIONS[sender], count),
            dictionary(kind, count),
            dictionary(protocol.name, count),
        ]
        meta = pa.RecordBatch.from_arrays(columns, names=[name for name, _ in META[:-1]])
        if len(converted.kept) < count:
            meta = meta.take(pa.array(converted.kept, pa.int64()))
        return rows_of(
            class_descriptor(message_class),
            converted.array,
            meta,
            explode=self._reading.explode,
            levels=self._reading.levels,
            show_secrets=self._reading.show_secrets,
        )

    def _is_secret(self, message_class: type[Message]) -> bool:
        return not self._reading.show_secrets and may_hold_secrets(class_descriptor(message_class))

    def _error_rows(self, errors: list[_Error]) -> Any:
        count = len(errors)
        faults = [error.fault for error in errors]
        instants = pa.array([error.time for error in errors], pa.int64()).cast(META[0][1])
        words = pa.dictionary(pa.int32(), pa.string())
        senders = [None if fault.sender is None else _DIRECTIONS[fault.sender] for fault in faults]
        rest = (
            [fault.error_type for fault in faults],
            [fault.error for fault in faults],
            [fault.size for fault in faults],
            [fault.body for fault in faults],
            [error.is_lost for error in errors],
        )
        named = [
            ("capture_time", instants),
            ("file", dictionary(self._name, count)),
            ("connection", pa.array([error.talk for error in errors], pa.int32())),
            ("frame", pa.array([error.frame for error in errors], pa.int64())),
            ("serial", pa.array([fault.serial for fault in faults], pa.uint32())),
            ("direction", pa.array(senders, pa.string()).cast(words)),
            ("kind", pa.array([fault.kind for fault in faults], pa.string()).cast(words)),
            ("proto", pa.array([fault.proto for fault in faults], pa.string()).cast(words)),
            ("row", pa.repeat(pa.scalar(0, pa.int32()), count)),
            *((name, pa.array(values, kind)) for (name, kind), values in zip(_ERROR_FIELDS, rest, strict=True)),
            ("market", pa.nulls(count, PARTITIONS[0][1])),
            ("date", instants.cast(pa.date32())),
        ]
        return pa.RecordBatch.from_arrays([values for _, values in named], names=[name for name, _ in named])


def _rank(key: Key) -> tuple[int, int, str]:
    return key.proto_id, list(Role).index(key.sender), class_descriptor(key.message_class).full_name


def _in_order(batches: list[Any]) -> Any:
    """Return rows of one table as one batch, sorted by capture time and frame."""
    whole = pa.Table.from_batches(batches).unify_dictionaries().combine_chunks()
    if len(batches) > 1 or not _is_sorted(whole):
        # Stable: items of one frame keep their order.
        whole = whole.take(_order(whole))
        whole = whole.combine_chunks()
    return whole.to_batches()[0]


def _order(whole: Any) -> Any:
    return pc.sort_indices(whole, sort_keys=[("capture_time", "ascending"), ("frame", "ascending")])


def _is_sorted(whole: Any) -> bool:
    times = whole.column("capture_time").combine_chunks().cast(pa.int64())
    return len(times) < 2 or not pc.any(pc.less(times[1:], times[:-1])).as_py()
