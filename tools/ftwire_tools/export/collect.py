"""Observations of a capture to batches of all tables, in bounded memory.

Bodies are kept until there are enough of them, then converted class by class, all classes at once: what comes
out later was captured later. Rows of one table are sorted by capture time, then frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa

from ftwire.errors import CaptureError, NotACaptureError
from ftwire.events import FrameSeen, GapSeen
from ftwire.frame import Role
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire_tools.export.convert import Converter, class_descriptor, converter_named
from ftwire_tools.export.rows import META, PARTITIONS, dictionary, rows_of
from ftwire_tools.mask import error_text, may_be_secret
from ftwire_tools.sighting import read_body, status_of
from ftwire_tools.source import ENOUGH_TO_TELL, NEITHER, NothingFoundError, open_source

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.cipher import RsaKey
    from ftwire.events import Observation
    from ftwire.frame import Frame
    from ftwire.websocket import Envelope
    from ftwire_tools.sighting import Talk
    from ftwire_tools.source import Source

__all__ = ["ERRORS", "Counts", "Reading", "TableBatch", "read_tables", "tables"]

ERRORS: Final = "errors"
"""Table of what could not be decoded: frames, gaps between them, and bodies that converters refused."""

MAX_BYTES: Final = 16 << 20
"""Bytes of bodies kept before they are converted: their rows take a few times that."""
MAX_FRAMES: Final = 1 << 16
MAX_BODY_IN_ERRORS: Final = 1 << 20

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


@dataclass(frozen=True, slots=True)
class Reading:
    """How captures are read, and what becomes of them."""

    keys: Sequence[RsaKey] = ()
    """RSA private keys to decrypt with."""
    protocols: frozenset[int] | None = None
    """Only these; ``None`` for all."""
    explode: bool = False
    """Lists inside rows become tables of their own."""
    levels: int = 10
    """Levels of a side in ``order_book_wide``."""
    show_secrets: bool = False
    converter: str = "auto"
    """One of ``convert.CONVERTERS``."""
    max_body: int = DEFAULT_MAX_BODY


@dataclass(slots=True)
class Counts:
    """What was seen of one input so far."""

    bytes: int = 0
    frames: int = 0
    undecoded: int = 0
    """Frames, gaps and damage that are only in the table of errors, or of which a converter complained."""
    notes: list[str] = field(default_factory=list)
    """Damage of the file itself."""


def tables(
    paths: Iterable[str],
    *,
    keys: Sequence[RsaKey] = (),
    protocols: frozenset[int] | None = None,
    explode: bool = False,
    levels: int = 10,
    show_secrets: bool = False,
    converter: str = "auto",
    max_body: int = DEFAULT_MAX_BODY,
) -> Iterator[TableBatch]:
    """Give the rows of captures as Arrow batches, in bounded memory; paths may be anything fsspec knows.

    Within a capture, batches of one table come in the order of capture. What cannot be decoded is in the table
    ``errors``. ``protocols`` are IDs. Account numbers, keys and passwords are masked without ``show_secrets``.

    Raises ``OSError`` for a file that cannot be read, ``NothingFoundError`` for one that is no capture, and
    ``ImportError`` for a package that is missing.
    """
    from ftwire_tools.export.store import open_source_file

    reading = Reading(tuple(keys), protocols, explode, levels, show_secrets, converter, max_body)
    for path in paths:
        with open_source_file(path) as chunks:
            yield from read_tables(chunks, path, reading, Counts())


def read_tables(
    chunks: Iterable[bytes],
    name: str,
    reading: Reading,
    counts: Counts,
    progress: Callable[[Counts], None] | None = None,
) -> Iterator[TableBatch]:
    """Give the rows of one input, called ``name`` in them, and count in ``counts``."""
    collector = _Collector(name, reading, counts)
    for observed in _observed(chunks, reading, counts, collector.damaged):
        for talk, seen in observed:
            collector.take(talk, seen)
            if collector.is_full:
                yield from collector.flush()
        if progress is not None:
            progress(counts)
    yield from collector.flush()


def _observed(
    chunks: Iterable[bytes], reading: Reading, counts: Counts, damaged: Callable[[str, str], None]
) -> Iterator[Iterator[tuple[Talk, Observation]]]:
    """Give what is observed, chunk by chunk; damage of the file ends it and is told."""
    source: Source | None = None
    head = b""

    def guarded(observed: Iterator[tuple[Talk, Observation]]) -> Iterator[tuple[Talk, Observation]]:
        try:
            yield from observed
        except NotACaptureError as error:
            # Only gzip hides for so long what it holds.
            raise NothingFoundError(f"{NEITHER}: {error}") from None
        except CaptureError as error:
            damaged(type(error).__name__, str(error))

    def opened(start: bytes) -> Source:
        return open_source(start, keys=reading.keys, max_body=reading.max_body)

    for chunk in chunks:
        counts.bytes += len(chunk)
        if source is None:
            head += chunk
            if len(head) < ENOUGH_TO_TELL:
                continue
            source, chunk = opened(head), head
        before = len(counts.notes)
        yield guarded(source.feed(chunk))
        if len(counts.notes) > before:
            break
    if source is None:
        source = opened(head)
        yield guarded(source.feed(head))
    yield guarded(source.close())
    for reason, count in source.passed_over.items():
        damaged("PacketSkipped", f"{count} packets passed over: {reason}")


class _Bucket:
    """Bodies of one class, and where each was captured."""

    __slots__ = ("bodies", "connections", "frames", "serials", "times")

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.times: list[int | None] = []
        self.connections: list[int] = []
        self.frames: list[int] = []
        self.serials: list[int] = []


class _Collector:
    """The bodies of one input, from one flush to the next."""

    def __init__(self, name: str, reading: Reading, counts: Counts) -> None:
        self._name: Final = name
        self._reading: Final = reading
        self._counts: Final = counts
        self._converter: Final[Converter] = converter_named(reading.converter)
        self._buckets: dict[tuple[int, Role, type[Message]], _Bucket] = {}
        self._errors: list[tuple[Any, ...]] = []
        self._bytes = 0
        self._kept = 0

    @property
    def is_full(self) -> bool:
        """Say that it is time to flush."""
        return self._bytes >= MAX_BYTES or self._kept >= MAX_FRAMES

    def take(self, talk: Talk, seen: Observation) -> None:
        """Keep what was observed."""
        if type(seen) is not FrameSeen:
            if isinstance(seen, GapSeen):
                error = seen.gap.error
                self._error(
                    (seen.time or None, talk.number, None, None, seen.sender, None, None),
                    "Gap" if error is None else type(error).__name__,
                    f"bytes in no frame{'' if error is None else f': {error}'}",
                    seen.gap.length,
                    None,
                )
            return
        counts = self._counts
        counts.frames += 1
        frame = seen.frame
        proto_id = frame.proto_id
        if self._reading.protocols is not None and proto_id not in self._reading.protocols:
            return
        classes = frame.classes
        message_class = classes[proto_id]
        body: bytes
        if (
            frame.error is None
            and frame.body_format == 0
            and message_class is not None
            and proto_id not in classes.formers
            and frame.payload
        ):
            body = frame.body
        else:
            found = self._slow(talk, seen)
            if found is None:
                return
            message_class, body = type(found), found.SerializePartialToString()
        key = proto_id, classes.sender, message_class
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket()
        bucket.bodies.append(body)
        bucket.times.append(seen.time or None)
        bucket.connections.append(talk.number)
        bucket.frames.append(counts.frames)
        bucket.serials.append(frame.serial & 0xFFFFFFFF)
        self._bytes += len(body)
        self._kept += 1

    def _slow(self, talk: Talk, seen: FrameSeen) -> Message | None:
        """Return the message of a frame that is not plain protobuf of one known class."""
        frame = seen.frame
        message, error = read_body(frame)
        if message is None:
            where = self._where(talk, seen)
            if error is not None:
                text = error_text(error, frame, show_secrets=self._reading.show_secrets)
                self._error(where, type(error).__name__, text, len(frame.payload), self._body(frame))
            else:
                text = status_of(frame) or "a command without a body"
                self._error(where, "NoBody", text, 0, None, is_fault=bool(status_of(frame)))
        return message

    def _where(self, talk: Talk, seen: FrameSeen) -> tuple[Any, ...]:
        frame = seen.frame
        name = frame.protocol.name if frame.protocol else str(frame.proto_id)
        number = self._counts.frames
        return seen.time or None, talk.number, number, frame.serial & 0xFFFFFFFF, seen.sender, str(seen.kind), name

    def _body(self, frame: Frame | Envelope) -> bytes | None:
        if may_be_secret(frame) and not self._reading.show_secrets:
            return None
        return bytes(frame.payload if frame.error is not None else frame.body)

    def damaged(self, kind: str, text: str) -> None:
        """Say that the file itself is damaged."""
        self._counts.notes.append(text)
        self._error((None,) * 7, kind, text, None, None)

    def _error(
        self,
        where: tuple[Any, ...],
        kind: str,
        text: str,
        size: int | None,
        body: bytes | None,
        *,
        is_fault: bool = True,
        is_lost: bool = True,
    ) -> None:
        kept = body if body is None else body[:MAX_BODY_IN_ERRORS]
        self._errors.append((*where, kind, text, size, kept, is_lost))
        self._counts.undecoded += is_fault
        self._bytes += 256 + len(kept or b"")

    def flush(self) -> Iterator[TableBatch]:
        """Give the rows of everything kept."""
        parts: dict[str, list[Any]] = {}
        for (proto_id, sender, message_class), bucket in self._buckets.items():
            for table, batch in self._rows(proto_id, sender, message_class, bucket):
                parts.setdefault(table, []).append(batch)
        self._buckets.clear()
        if self._errors:
            parts[ERRORS] = [self._error_rows()]
            self._errors.clear()
        self._bytes = self._kept = 0
        for table in sorted(parts):
            yield TableBatch(table, _in_order(parts[table]))

    def _rows(
        self, proto_id: int, sender: Role, message_class: type[Message], bucket: _Bucket
    ) -> Iterator[tuple[str, Any]]:
        from ftwire.protocols import registry

        reading = self._reading
        protocol = registry[proto_id]
        kind = "request" if sender is Role.CLIENT else "push" if protocol.is_push else "response"
        converted = self._converter.convert(bucket.bodies, message_class)
        for refusal in converted.refusals:
            at = refusal.place
            secret = self._is_secret(message_class)
            where = (
                bucket.times[at],
                bucket.connections[at],
                bucket.frames[at],
                bucket.serials[at],
                sender,
                kind,
                protocol.name,
            )
            text = f"not a {message_class.DESCRIPTOR.full_name}" if secret else refusal.error
            body = None if secret else bucket.bodies[at]
            self._error(where, refusal.error_type, text, len(bucket.bodies[at]), body, is_lost=refusal.is_lost)
        count = len(bucket.bodies)
        meta = _meta(
            pa.array(bucket.times, pa.int64()).cast(META[0][1]),
            dictionary(self._name, count),
            pa.array(bucket.connections, pa.int32()),
            pa.array(bucket.frames, pa.int64()),
            pa.array(bucket.serials, pa.uint32()),
            dictionary(_DIRECTIONS[sender], count),
            dictionary(kind, count),
            dictionary(protocol.name, count),
        )
        if len(converted.kept) < count:
            meta = meta.take(pa.array(converted.kept, pa.int64()))
        return rows_of(
            class_descriptor(message_class),
            converted.array,
            meta,
            explode=reading.explode,
            levels=reading.levels,
            show_secrets=reading.show_secrets,
        )

    def _is_secret(self, message_class: type[Message]) -> bool:
        from ftwire_tools.mask import may_hold_secrets

        return not self._reading.show_secrets and may_hold_secrets(class_descriptor(message_class))

    def _error_rows(self) -> Any:
        columns = list(zip(*self._errors, strict=True))
        times, connections, frames, serials, senders, kinds, protos, *rest = columns
        count = len(times)
        instants = pa.array(times, pa.int64()).cast(META[0][1])
        words = pa.dictionary(pa.int32(), pa.string())
        named = [
            ("capture_time", instants),
            ("file", dictionary(self._name, count)),
            ("connection", pa.array(connections, pa.int32())),
            ("frame", pa.array(frames, pa.int64())),
            ("serial", pa.array(serials, pa.uint32())),
            ("direction", pa.array([None if each is None else _DIRECTIONS[each] for each in senders]).cast(words)),
            ("kind", pa.array(kinds, pa.string()).cast(words)),
            ("proto", pa.array(protos, pa.string()).cast(words)),
            ("row", pa.repeat(pa.scalar(0, pa.int32()), count)),
            *((name, pa.array(values, kind)) for (name, kind), values in zip(_ERROR_FIELDS, rest, strict=True)),
            ("market", pa.nulls(count, PARTITIONS[0][1])),
            ("date", instants.cast(pa.date32())),
        ]
        return pa.RecordBatch.from_arrays([values for _, values in named], names=[name for name, _ in named])


def _meta(*columns: Any) -> Any:
    return pa.RecordBatch.from_arrays(list(columns), names=[name for name, _ in META[:-1]])


def _in_order(batches: list[Any]) -> Any:
    """Return rows of one table as one batch, sorted by capture time and frame."""
    whole = pa.Table.from_batches(batches).unify_dictionaries().combine_chunks()
    if len(batches) > 1 or not _is_sorted(whole):
        # Stable: items of one frame keep their order.
        whole = whole.take(_order(whole))
        whole = whole.combine_chunks()
    return whole.to_batches()[0]


def _order(whole: Any) -> Any:
    import pyarrow.compute as pc

    return pc.sort_indices(whole, sort_keys=[("capture_time", "ascending"), ("frame", "ascending")])


def _is_sorted(whole: Any) -> bool:
    import pyarrow.compute as pc

    times = whole.column("capture_time").combine_chunks().cast(pa.int64())
    return len(times) < 2 or not pc.any(pc.less(times[1:], times[:-1])).as_py()
