"""Collected frames to batches of all tables: converted class by class, each table sorted by capture time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ftwire.frame import Role
from ftwire.protocols import registry
from ftwire_tools.export.convert import Converter, class_descriptor
from ftwire_tools.export.frame_columns import Collected, ErrorRow, MessageBatch, MessageKey, TableOptions
from ftwire_tools.export.layout import KINDS
from ftwire_tools.export.manifest import SDK
from ftwire_tools.export.masked_columns import mask_struct
from ftwire_tools.export.request_columns import request_fields
from ftwire_tools.export.row_sets import RowColumn, RowSet, dictionary, merged
from ftwire_tools.export.rows import META, PARTITIONS, row_sets_of
from ftwire_tools.export.sdk_columns import in_sdk_columns, needed_columns
from ftwire_tools.messages.masking import BodyMask

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from ftwire.capture import Conversation

__all__ = ["ERRORS", "TableBatch", "TableBuilder", "by_kind", "error_schema"]

ERRORS: Final = "errors"
"""Table of what could not be decoded: frames, bytes in no frame, bodies that protobuf or ptars refused."""

UNKNOWN: Final = "unknown"
"""End of the name of a table: rows of a kind that is not known."""

_DIRECTIONS: Final = {Role.CLIENT: "to_opend", Role.SERVER: "from_opend"}

_ERROR_FIELDS: Final = (
    ("error_type", pa.string()),
    ("error", pa.string()),
    ("bytes", pa.int64()),
    ("body_length", pa.uint32()),
    ("body", pa.binary()),
    ("is_lost", pa.bool_()),
)


class TableBatch(NamedTuple):
    """Rows of one table."""

    table: str
    batch: Any
    """A ``pyarrow.RecordBatch``: ``META`` first, then the fields, ``market`` and ``date`` last.

    In the columns of the SDK those of its DataFrame, then ``market`` and ``date``.
    """


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
        """Return one batch for each table that these frames and errors fill."""
        found: dict[str, list[RowSet]] = {}
        errors = collected.errors[:]
        # Sorted, so that rows with the same time do not depend on which class came first in the capture.
        for key in sorted(collected.messages, key=_rank):
            for batch in collected.messages[key]:
                for table, rows in self._rows(key, batch, collected.conversations, errors):
                    found.setdefault(table, []).append(rows)
        if errors:
            found[ERRORS] = [self._error_rows(errors, collected.conversations)]
        for table in sorted(found):
            # What is not needed any more is freed before the next table is made.
            row_sets = found.pop(table)
            is_sdk = self._options.columns == SDK
            batch = merged(row_sets, needed_columns(table) if is_sdk else None)
            for ending, rows in by_kind(table, batch):
                each = in_sdk_columns(table, rows) if is_sdk else ((table, rows),)
                yield from (TableBatch(f"{name}{ending}", chosen) for name, chosen in each)

    def _rows(
        self,
        key: MessageKey,
        frames: MessageBatch,
        conversations: dict[int, Conversation],
        errors: list[ErrorRow],
    ) -> Iterator[tuple[str, RowSet]]:
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
            body = frames.bodies[at].as_py()
            errors.append(
                ErrorRow(
                    frames.times[at].as_py(),
                    frames.conversations[at].as_py(),
                    frames.numbers[at].as_py(),
                    frames.serials[at].as_py(),
                    sender,
                    kind,
                    proto_id,
                    protocol.name,
                    refusal.error_type,
                    f"not a {descriptor.full_name}" if hides_some else refusal.error,
                    None,
                    len(body),
                    None if hides_some else body,
                    refusal.is_lost,
                    frames.requests[at].as_py(),
                    frames.latencies[at].as_py(),
                )
            )
        count = len(frames.bodies)
        columns = {
            "time": frames.times.cast(META[0][1]),
            "file": dictionary(self._name, count),
            "number": frames.numbers,
            "conversation": frames.conversations,
            "src": _ends(frames.conversations, conversations, sender, 0),
            "dst": _ends(frames.conversations, conversations, sender, 1),
            "direction": dictionary(_DIRECTIONS[sender], count),
            "kind": dictionary(kind, count),
            "proto_id": pa.repeat(pa.scalar(proto_id, pa.uint32()), count),
            "proto": dictionary(protocol.name, count),
            "serial": frames.serials,
            "request": frames.requests,
            "latency_ns": frames.latencies,
        }
        names = [name for name, _ in META[:-1]]
        meta = pa.RecordBatch.from_arrays([columns[name] for name in names], names=names)
        requests = self._requests(descriptor, frames)
        if len(converted.kept) < count:
            kept = pa.array(converted.kept, pa.int64())
            meta = meta.take(kept)
            requests = requests and requests.take(kept)
        return row_sets_of(
            descriptor,
            mask_struct(converted.array, descriptor) if hides_some else converted.array,
            meta,
            requests,
            explode=self._options.explode,
            levels=self._options.levels,
            differing=self.times_differ,
        )

    def _requests(self, response: Descriptor, frames: MessageBatch) -> Any:
        """Return the requests of responses as a struct array, null where one is not known; ``None`` where none is."""
        shown = request_fields(response)
        places = [at for at, body in enumerate(frames.request_bodies) if body is not None]
        if shown is None or not places:
            return None
        bodies = [body for body in frames.request_bodies if body is not None]
        # What the converter refuses here is an error of the request's own row.
        converted = self._converter.convert(bodies, shown.request_class)
        at: list[int | None] = [None] * len(frames.request_bodies)
        for index, kept in enumerate(converted.kept):
            at[places[kept]] = index
        return converted.array.take(pa.array(at, pa.int64()))

    def _error_rows(self, errors: list[ErrorRow], conversations: dict[int, Conversation]) -> RowSet:
        count = len(errors)
        instants = pa.array([row.time for row in errors], pa.int64()).cast(META[0][1])
        ends = [
            (None, None)
            if row.conversation is None or row.sender is None
            else conversations[row.conversation].ends(row.sender)
            for row in errors
        ]
        columns: dict[str, list[Any]] = {
            "number": [row.number for row in errors],
            "conversation": [row.conversation for row in errors],
            "src": [src for src, _ in ends],
            "dst": [dst for _, dst in ends],
            "direction": [None if row.sender is None else _DIRECTIONS[row.sender] for row in errors],
            "kind": [row.kind for row in errors],
            "proto_id": [row.proto_id for row in errors],
            "proto": [row.proto for row in errors],
            "serial": [row.serial for row in errors],
            "request": [row.request for row in errors],
            "latency_ns": [row.latency for row in errors],
            "row": [0] * count,
            "error_type": [row.error_type for row in errors],
            "error": [row.error for row in errors],
            "bytes": [row.size for row in errors],
            "body_length": [row.body_length for row in errors],
            "body": [row.body for row in errors],
            "is_lost": [row.is_lost for row in errors],
        }
        kinds = dict((*META, *_ERROR_FIELDS))
        named = [
            ("time", instants),
            ("file", dictionary(self._name, count)),
            *((name, _typed(values, kinds[name])) for name, values in columns.items()),
            ("market", pa.nulls(count, PARTITIONS[0][1])),
            ("date", instants.cast(pa.date32())),
        ]
        meta = pa.RecordBatch.from_arrays([values for _, values in named], names=[name for name, _ in named])
        return RowSet(meta, None, count, [RowColumn(name, values, of_messages=True) for name, values in named])


def by_kind(table: str, batch: Any) -> Iterator[tuple[str, Any]]:
    """Return the rows of each of a table's ``KINDS``, in their order, and what the name of their table ends with.

    All rows, and an empty ending, for a table that is not split. There are as many kinds as the enums have names: where
    a number is not known, or has none, the kind is ``unknown``.
    """
    columns = KINDS.get(table)
    if columns is None:
        yield "", batch
        return
    names = [pc.utf8_lower(batch.column(f"{name}_name").cast(pa.string())) for name in columns]
    kinds = pc.fill_null(pc.binary_join_element_wise(*names, "_"), UNKNOWN).dictionary_encode()
    for at, kind in enumerate(kinds.dictionary.to_pylist()):
        yield f"_{kind}", batch.filter(pc.equal(kinds.indices, at)) if len(kinds.dictionary) > 1 else batch


def error_schema() -> Any:
    """Return the schema of the table ``errors``."""
    return pa.schema([pa.field(name, kind) for name, kind in (*META, *_ERROR_FIELDS, *PARTITIONS)])


def _ends(numbers: Any, conversations: dict[int, Conversation], sender: Role, end: int) -> Any:
    """Return source (``end`` 0) or destination (1) of what one side of these conversations sent."""
    known = numbers.dictionary_encode()
    found = [conversations[number].ends(sender)[end] for number in known.dictionary.to_pylist()]
    # Each text once: Parquet's writer does not take dictionaries that have one twice for what they are.
    texts = pa.array(found, pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(texts.indices.take(known.indices), texts.dictionary)


def _typed(values: list[Any], kind: Any) -> Any:
    return pa.array(values, pa.string()).cast(kind) if pa.types.is_dictionary(kind) else pa.array(values, kind)


def _rank(key: MessageKey) -> tuple[int, int, str]:
    return key.proto_id, list(Role).index(key.sender), class_descriptor(key.message_class).full_name
