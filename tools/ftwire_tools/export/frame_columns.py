"""Frames of a capture, collected in columns by message class until there are enough to convert them.

Pushes, which nearly all frames are, go from the packets into columns without an object a frame
(``ftwire.body_columns``); requests, responses and whatever is out of order come one by one. What cannot be decoded (a
frame, bytes in no frame, damage of the file) becomes an ``ErrorRow`` instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ftwire.body_columns import MAX_TIME, BodyColumns, TakenColumns, frame_type_number
from ftwire.capture import (
    ConversationClosed,
    ConversationOpened,
    DissectedBytes,
    DissectedFrame,
    UnrecognisedConnection,
    read_body,
)
from ftwire.events import FrameObserved
from ftwire.frame import Frame, Kind, MessageClasses, Role
from ftwire.protocols import registry
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire_tools.captures.account_text import unrecognised_text
from ftwire_tools.captures.request_numbers import RequestNumbers
from ftwire_tools.export.manifest import ALL
from ftwire_tools.export.request_columns import request_fields
from ftwire_tools.filters import parse
from ftwire_tools.filters.compiler import Filter
from ftwire_tools.messages.descriptors import descriptor_of
from ftwire_tools.messages.masking import mask_of, status_text

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.capture import Conversation, Dissected
    from ftwire.errors import WireError
    from ftwire.websocket import Envelope
    from ftwire_tools.filters.expression import Expression

__all__ = [
    "BLOCK",
    "MAX_BYTES",
    "MAX_OBSERVATIONS",
    "Collected",
    "ErrorRow",
    "FrameCollector",
    "MessageBatch",
    "MessageColumns",
    "MessageKey",
    "TableOptions",
]

BLOCK: Final = 128 << 20
"""Bytes of a capture whose rows share files: a multiple of the chunks in which files are read."""
MAX_BYTES: Final = 8 << 20
"""Bytes of bodies kept before they are converted: their rows take a few times that."""
MAX_OBSERVATIONS: Final = 1 << 16
"""Frames and errors kept, for those without a body."""
MAX_BODY_IN_ERRORS: Final = 1 << 20
ERROR_COST: Final = 256
"""Bytes that an ``ErrorRow`` counts for, beside its body."""


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Which tables are wanted of a capture."""

    protocols: frozenset[int] | None = None
    """Only frames with these protocol IDs; ``None`` for all."""
    explode: bool = False
    """Lists inside rows become tables of their own."""
    levels: int = 10
    """Levels of each side in ``order_book_wide``."""
    show_secrets: bool = False
    max_body: int = DEFAULT_MAX_BODY
    """Bytes; a larger body is an error."""
    block: int = BLOCK
    columns: str = ALL
    """``all``; or ``sdk``: of tables that the vendor's SDK has, its columns alone."""
    expression: str = ""
    """Only frames that this filter matches; empty for all."""


class MessageKey(NamedTuple):
    """What decides how a body becomes rows."""

    proto_id: int
    sender: Role
    message_class: type[Message]


@dataclass(slots=True)
class MessageColumns:
    """Frames with the same ``MessageKey``: lists of the same length, in the order of capture."""

    numbers: list[int] = field(default_factory=list)
    """Running numbers in the capture, from 1."""
    times: list[int | None] = field(default_factory=list)
    """Nanoseconds since 1970."""
    conversations: list[int] = field(default_factory=list)
    serials: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    requests: list[int | None] = field(default_factory=list)
    """Number of the request that a response answers; ``None`` where it was not captured, and for anything else."""
    latencies: list[int | None] = field(default_factory=list)
    """Nanoseconds since that request."""
    request_bodies: list[bytes | None] = field(default_factory=list)
    """Bodies of these requests; ``None`` also where a class's rows show nothing of them."""

    def batch(self) -> MessageBatch:
        """Return the same as arrays."""
        return MessageBatch(
            pa.array(self.numbers, pa.int64()),
            pa.array(self.times, pa.int64()),
            pa.array(self.conversations, pa.int32()),
            pa.array(self.serials, pa.uint32()),
            pa.array(self.bodies, pa.binary()),
            pa.array(self.requests, pa.int64()),
            pa.array(self.latencies, pa.int64()),
            self.request_bodies,
        )


class MessageBatch(NamedTuple):
    """Frames with the same ``MessageKey`` as Arrow arrays: what ``MessageColumns`` has as lists."""

    numbers: Any
    times: Any
    conversations: Any
    serials: Any
    bodies: Any
    requests: Any
    latencies: Any
    request_bodies: Sequence[bytes | None]

    @classmethod
    def of_pushes(cls, taken: TakenColumns) -> MessageBatch:
        """Return frames out of ``ftwire.body_columns``, which are pushes."""
        count = len(taken.numbers) // 8
        times = _array(pa.int64(), count, taken.times)
        nothing = pa.nulls(count, pa.int64())
        return cls(
            _array(pa.int64(), count, taken.numbers),
            pc.if_else(pc.equal(times, 0), pa.scalar(None, pa.int64()), times),
            _array(pa.int64(), count, taken.conversations).cast(pa.int32()),
            _array(pa.uint32(), count, taken.serials),
            _array(pa.binary(), count, taken.offsets, taken.bodies),
            nothing,
            nothing,
            (),
        )

    def take(self, places: Any) -> MessageBatch:
        """Return the pushes at some places."""
        return MessageBatch._make([*(each.take(places) for each in self[:-1]), ()])


def _array(kind: Any, count: int, *buffers: bytes) -> Any:
    return pa.Array.from_buffers(kind, count, [None, *map(pa.py_buffer, buffers)])


class ErrorRow(NamedTuple):
    """A row of the table ``errors``; ``None`` where a fact is not known or there is none."""

    time: int | None
    conversation: int | None
    number: int | None
    """The frame's."""
    serial: int | None
    sender: Role | None
    kind: str | None
    proto_id: int | None
    proto: str | None
    error_type: str
    error: str
    size: int | None
    """Bytes in no frame."""
    body_length: int | None
    """Bytes of a frame's body on the wire."""
    body: bytes | None
    is_lost: bool = True
    """It is in no other table."""
    request: int | None = None
    """Number of the request that a response answers."""
    latency: int | None = None
    """Nanoseconds since that request."""


class Collected(NamedTuple):
    """What a ``FrameCollector`` held."""

    messages: dict[MessageKey, list[MessageBatch]]
    errors: list[ErrorRow]
    conversations: dict[int, Conversation]
    """Those that the messages and errors name, and others, by number."""


# Reading a member of an enum costs as much as a call.
_REQUEST, _PUSH = Kind.REQUEST, Kind.PUSH


class FrameCollector:
    """Collects a reader's reports about one capture one by one, until ``is_full`` asks for ``taken``."""

    def __init__(self, options: TableOptions) -> None:
        self._protocols: Final = options.protocols
        self._show_secrets: Final = options.show_secrets
        self._filter: Final = parse(options.expression, show_secrets=True) if options.expression else None
        self.undecoded = 0
        """Errors so far, without those frames that have no body because their command needs none."""
        self.times_left_out = 0
        """Capture times so far that no column can hold; null in the rows."""
        self.without_request = 0
        """Responses so far whose request was not captured."""
        self._messages: dict[MessageKey, MessageColumns] = {}
        self._pushes: Final = _push_keys()
        wanted, self._push_filter = _wanted_pushes(self._pushes, options.protocols, self._filter)
        self.columns: Final = BodyColumns(wanted)
        """For the reader."""
        self._errors: list[ErrorRow] = []
        self._conversations: dict[int, Conversation] = {}
        self._closed: list[int] = []
        self._requests: Final = RequestNumbers()
        self._observations = 0
        self._cost = 0

    def _time(self, time: int) -> int | None:
        """Return a time if there is one and a column of nanoseconds can hold it; count those that it cannot."""
        if -MAX_TIME <= time <= MAX_TIME:
            return time or None
        self.times_left_out += 1
        return None

    @property
    def is_full(self) -> bool:
        """Return whether what is held should be converted before more is added."""
        columns = self.columns
        return self._cost + columns.size >= MAX_BYTES or self._observations + columns.frames >= MAX_OBSERVATIONS

    def add(self, report: Dissected) -> None:
        """Add a frame, bytes in no frame, or a connection without one; other reports are passed over."""
        if type(report) is not DissectedFrame:
            if isinstance(report, DissectedBytes):
                self._add_undecoded(report)
            elif isinstance(report, UnrecognisedConnection):
                self._add_unrecognised(report)
            elif isinstance(report, ConversationOpened):
                self._conversations[report.conversation.number] = report.conversation
            elif isinstance(report, ConversationClosed):
                self._closed.append(report.conversation.number)
                self._requests.forget(report.conversation)
                if self._filter is not None:
                    self._filter.forget(report.conversation)
            return
        number, conversation, observation = report
        frame = observation.frame
        proto_id = frame.proto_id
        if self._filter is not None and not self._filter.matches(report):
            # Its number is needed for the response.
            self._requests.add(report)
            self._observations += 1
            return
        if self._protocols is not None and proto_id not in self._protocols:
            self._observations += 1
            return
        kind = observation.kind
        request = None if kind is _PUSH else self._pair(report)
        found = _message_of(frame)
        if not isinstance(found, tuple):
            self._add_failed(report, found, request)
            return
        message_class, body = found
        key = MessageKey(proto_id, frame.classes.sender, message_class)
        columns = self._messages.get(key)
        if columns is None:
            columns = self._messages[key] = MessageColumns()
        columns.numbers.append(number)
        columns.times.append(self._time(observation.time))
        columns.conversations.append(conversation.number)
        columns.serials.append(frame.serial & 0xFFFFFFFF)
        columns.bodies.append(body)
        columns.requests.append(request)
        columns.latencies.append(observation.latency)
        asked = None if observation.request is None else _request_body(observation, message_class)
        columns.request_bodies.append(asked)
        self._observations += 1
        self._cost += len(body) + len(asked or b"")

    def add_damage(self, kind: str, text: str) -> None:
        """Add damage of the file itself."""
        self._add_error(ErrorRow(None, None, None, None, None, None, None, None, kind, text, None, None, None))

    def taken(self) -> Collected:
        """Return what was added since the last call, and hold nothing."""
        messages = {key: [columns.batch()] for key, columns in self._messages.items()}
        for each in map(TakenColumns._make, self.columns.taken()):
            key, batch = self._pushes[each.place], MessageBatch.of_pushes(each)
            if self._push_filter is not None:
                batch = self._matching(key, batch, self._push_filter)
            if len(batch.numbers):
                messages.setdefault(key, []).append(batch)
        taken = Collected(messages, self._errors, self._conversations.copy())
        self._messages, self._errors = {}, []
        for number in self._closed:
            self._conversations.pop(number, None)
        self._closed.clear()
        self._observations = self._cost = 0
        return taken

    def _matching(self, key: MessageKey, batch: MessageBatch, chosen: Filter) -> MessageBatch:
        """Return those pushes of a class that match: frames are made of those alone that have one of its texts."""
        places = zip(batch.conversations.to_pylist(), batch.times.to_pylist(), strict=True)
        known = self._conversations
        matching = [at for at, (number, time) in enumerate(places) if chosen.may_match(known[number], time or 0)]
        if len(matching) < len(batch.numbers):
            batch = batch.take(pa.array(matching, pa.int64()))
        if not chosen.needs_frame:
            return batch
        pattern = "|".join(map(re.escape, chosen.texts or ()))
        having = pc.indices_nonzero(pc.match_substring_regex(batch.bodies, pattern, ignore_case=True))
        some = batch.take(having)
        columns = (some.numbers, some.times, some.conversations, some.serials, some.bodies)
        matching = []
        for at, row in enumerate(zip(*(column.to_pylist() for column in columns), strict=True)):
            number, time, conversation, serial, body = row
            frame = Frame.build(key.proto_id, serial, body, sender=key.sender)
            observed = FrameObserved(frame, key.sender, _PUSH, frame.encryption, time or 0, 0, None, None)
            if chosen.matches(DissectedFrame(number, self._conversations[conversation], observed)):
                matching.append(at)
        return some.take(pa.array(matching, pa.int64()))

    def _pair(self, report: DissectedFrame) -> int | None:
        """Return the number of a response's request; ``None`` where it is not known. Count those without one."""
        observation = report.observation
        if observation.kind is not _REQUEST and observation.request is None:
            self.without_request += 1
        return self._requests.add(report)

    def _add_undecoded(self, report: DissectedBytes) -> None:
        observation, undecoded = report.observation, report.observation.undecoded
        error = undecoded.error
        self._add_error(
            ErrorRow(
                self._time(observation.time),
                report.conversation.number,
                number=None,
                serial=None,
                sender=observation.sender,
                kind=None,
                proto_id=None,
                proto=None,
                error_type="Gap" if error is None else type(error).__name__,
                error="bytes in no frame" if error is None else f"bytes in no frame: {error}",
                size=undecoded.length,
                body_length=None,
                body=None,
            )
        )

    def _add_unrecognised(self, report: UnrecognisedConnection) -> None:
        self._add_error(
            ErrorRow(
                self._time(report.time),
                None,
                number=None,
                serial=None,
                sender=None,
                kind=None,
                proto_id=None,
                proto=None,
                error_type=type(report).__name__,
                error=unrecognised_text(report),
                size=sum(report.sizes),
                body_length=None,
                body=None,
            )
        )

    def _add_failed(self, report: DissectedFrame, error: WireError | None, request: int | None) -> None:
        """Add a frame whose body is no message; without ``error`` it has no body at all."""
        number, conversation, observation = report
        frame = observation.frame
        body = None
        is_undecoded = True
        if error is None:
            status = status_text(frame, show_secrets=self._show_secrets)
            error_type, text, length = "NoBody", status or "a command without a body", 0
            is_undecoded = bool(status)
        else:
            error_type, length = type(error).__name__, len(frame.payload)
            mask = mask_of(frame, show_secrets=self._show_secrets)
            text = mask.error_text(error)
            if not (mask.hides_some if frame.error is None else mask.hides_unverified):
                body = bytes(frame.payload if frame.error is not None else frame.body)[:MAX_BODY_IN_ERRORS]
        self._add_error(
            ErrorRow(
                self._time(observation.time),
                conversation.number,
                number,
                serial=frame.serial & 0xFFFFFFFF,
                sender=observation.sender,
                kind=str(observation.kind),
                proto_id=frame.proto_id,
                proto=frame.protocol.name if frame.protocol else None,
                error_type=error_type,
                error=text,
                size=None,
                body_length=length,
                body=body,
                request=request,
                latency=observation.latency,
            ),
            is_undecoded=is_undecoded,
        )

    def _add_error(self, row: ErrorRow, *, is_undecoded: bool = True) -> None:
        self._errors.append(row)
        self.undecoded += is_undecoded
        self._observations += 1
        self._cost += ERROR_COST + len(row.body or b"")


def _push_keys() -> list[MessageKey]:
    """Return the keys of all pushes whose bodies are of one class, whatever the release that sent them."""
    classes = MessageClasses(Role.SERVER)
    found = []
    for proto_id in sorted({entry.proto_id for entry in registry if entry.is_push}):
        message_class = classes.body_class(proto_id, 0)
        if message_class is not None:
            found.append(MessageKey(proto_id, Role.SERVER, message_class))
    return found


def _wanted_pushes(
    keys: list[MessageKey], protocols: frozenset[int] | None, chosen: Filter | None
) -> tuple[dict[int, int], Filter | None]:
    """Return the places of pushes for ``BodyColumns``, and what is left of a filter to decide for those that are kept.

    What is left takes a conversation and a time alone, or is of texts that few bodies have. Pushes of which something
    else is asked have no place, and are looked at one by one.
    """
    places: dict[int, int] = {}
    left: Expression | bool | None = None
    for place, key in enumerate(keys):
        protocol = registry[key.proto_id]
        found: Expression | bool = protocols is None or key.proto_id in protocols
        if found and chosen is not None:
            found = chosen.for_pushes(protocol, descriptor_of(key.message_class))
        if found is False:
            places[frame_type_number(key.proto_id)] = -1
        elif left in (None, found) and _is_of_columns(_filter_of(found)):
            left = found
            places[frame_type_number(key.proto_id)] = place
    return places, None if left is None or left is True else _filter_of(left)


def _is_of_columns(left: Filter) -> bool:
    return not left.needs_frame or (left.texts is not None and not left.needs_wire)


def _filter_of(expression: Expression | bool) -> Filter:
    return Filter(None if isinstance(expression, bool) else expression, registry=registry, show_secrets=True)


def _message_of(frame: Frame | Envelope) -> tuple[type[Message], bytes] | WireError | None:
    """Return class and bytes in protobuf of a frame's message; the error, or ``None``, where it has none."""
    proto_id, classes = frame.proto_id, frame.classes
    message_class = classes[proto_id]
    if (
        frame.error is None
        and frame.body_format == 0
        and message_class is not None
        and proto_id not in classes.formers
        and frame.payload
    ):
        return message_class, frame.body
    # JSON, a former class of the protocol, no class, no body, or an error.
    message, error = read_body(frame)
    return error if message is None else (type(message), message.SerializePartialToString())


def _request_body(observation: FrameObserved, response_class: type[Message]) -> bytes | None:
    """Return the body of a response's request, as far as the rows of the response show something of it."""
    shown = request_fields(descriptor_of(response_class))
    if shown is None or observation.request is None:
        return None
    found = _message_of(observation.request)
    if not isinstance(found, tuple) or descriptor_of(found[0]) is not shown.request:
        return None
    return found[1]
