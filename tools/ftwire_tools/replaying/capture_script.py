"""What the clients of a capture did: their requests in order, with the replies they got.

The handshake and KeepAlive are not in it: those are a connection's own business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.connection import INIT_CONNECT, KEEP_ALIVE
from ftwire.errors import CaptureError
from ftwire.events import FrameObserved, KeyMissing, UndecodedObserved
from ftwire.frame import Kind
from ftwire.header import BodyFormat
from ftwire.websocket import INIT
from ftwire_tools.captures.sighting import read_body
from ftwire_tools.captures.source import ENOUGH_TO_TELL, NothingFoundError, Source, open_source
from ftwire_tools.messages.masking import error_text

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.cipher import RsaKey
    from ftwire.events import Observation
    from ftwire.frame import Frame
    from ftwire.websocket import Envelope
    from ftwire_tools.captures.input_files import Input
    from ftwire_tools.captures.sighting import Talk

__all__ = ["Part", "Script", "Step", "read_script"]

OWN: Final = frozenset({INIT, INIT_CONNECT, KEEP_ALIVE})
"""Protocols that a connection speaks by itself."""

_INIT_FIELDS: Final = {
    "clientVer": "client_ver",
    "clientID": "client_id",
    "recvNotify": "recv_notify",
    "programmingLanguage": "programming_language",
}
"""Fields of a captured InitConnect that a connection repeats, as ``Connection.initiate`` calls them."""


@dataclass(slots=True)
class Step:
    """One request, and what came back."""

    number: int
    """Running number among the requests of the capture, from 1."""
    serial: int
    """As captured."""
    time: int
    """When it was captured, in nanoseconds."""
    request: Message
    body_format: BodyFormat
    proto_id: int
    name: str
    reply: Frame | Envelope | None = None
    latency: int | None = None
    """Nanoseconds until the reply."""
    after: int = 0
    """How many earlier steps of the part had their replies when this was sent."""

    @property
    def answered(self) -> int | None:
        """When the reply was captured."""
        return None if self.latency is None else self.time + self.latency


@dataclass(slots=True)
class Part:
    """What one captured client did."""

    talk: Talk
    steps: list[Step] = field(default_factory=list)
    init: dict[str, Any] = field(default_factory=dict)
    """Arguments of ``Connection.initiate``, as the client gave them."""
    conn_id: int = 0
    """The captured ``connID``."""
    user_id: int = 0
    """The captured ``loginUserID``."""


class Script(NamedTuple):
    """Everything in a capture that can be sent again."""

    parts: list[Part]
    unreadable: list[str]
    """What could not be read, a sentence each."""


def read_script(source_input: Input, keys: Sequence[RsaKey] = ()) -> Script:
    """Read a capture whole: its requests and their replies are kept in memory, pushes are not.

    Raises ``OSError`` and ``NothingFoundError``.
    """
    reader = _Reader()
    try:
        for talk, seen in _observe(source_input, keys):
            reader.take(talk, seen)
    except CaptureError as error:
        reader.unreadable.append(f"{source_input.name}: {error}")
    return Script([part for part in reader.parts.values() if part.steps], reader.unreadable)


def _observe(source_input: Input, keys: Sequence[RsaKey]) -> Iterator[tuple[Talk, Observation]]:
    source: Source | None = None
    head = b""
    for chunk in source_input.chunks():
        if source is not None:
            yield from source.feed(chunk)
            continue
        head += chunk
        if len(head) >= ENOUGH_TO_TELL:
            source = open_source(head, keys=keys)
            yield from source.feed(head)
    if source is None:
        raise NothingFoundError("empty: neither a capture nor OpenD frames")
    yield from source.close()


class _Reader:
    def __init__(self) -> None:
        self.parts: Final[dict[int, Part]] = {}
        self.unreadable: Final[list[str]] = []
        self._open: Final[dict[tuple[int, int, int], Step]] = {}
        self._numbers = 0

    def take(self, talk: Talk, seen: Observation) -> None:
        part = self.parts.setdefault(talk.number, Part(talk))
        if isinstance(seen, KeyMissing):
            self.unreadable.append(f"conversation {talk.number}: {seen.reason} (--key)")
        elif isinstance(seen, UndecodedObserved):
            self.unreadable.append(f"conversation {talk.number}: {seen.undecoded.length} bytes are in no frame")
        elif isinstance(seen, FrameObserved):
            if seen.kind is Kind.REQUEST:
                self._request(part, seen)
            elif seen.kind is Kind.RESPONSE:
                self._response(part, seen)

    def _request(self, part: Part, seen: FrameObserved) -> None:
        frame = seen.frame
        message, error = read_body(frame)
        protocol = frame.protocol
        if message is None or protocol is None:
            if frame.proto_id not in OWN:
                why = "" if error is None else error_text(error, frame, show_secrets=False)
                self.unreadable.append(
                    f"conversation {part.talk.number}: request {frame.proto_id} #{frame.serial}: {why}"
                )
            return
        if frame.proto_id in OWN:
            if frame.proto_id == INIT_CONNECT:
                _take_init(part, message)
            return
        self._numbers += 1
        step = Step(
            self._numbers,
            frame.serial,
            seen.time,
            message,
            BodyFormat.JSON if frame.body_format == BodyFormat.JSON else BodyFormat.PROTOBUF,
            frame.proto_id,
            protocol.name,
        )
        # Replies may overtake each other; what counts is the longest row of earlier requests all answered.
        step.after = next((index for index, earlier in enumerate(part.steps) if earlier.reply is None), len(part.steps))
        part.steps.append(step)
        self._open[part.talk.number, frame.proto_id, frame.serial] = step

    def _response(self, part: Part, seen: FrameObserved) -> None:
        frame = seen.frame
        if frame.proto_id in OWN:
            message: Any = read_body(frame)[0]
            if message is not None and message.HasField("s2c"):
                part.conn_id = getattr(message.s2c, "connID", 0)
                part.user_id = getattr(message.s2c, "loginUserID", 0)
            return
        step = self._open.pop((part.talk.number, frame.proto_id, frame.serial), None)
        if step is not None:
            step.reply = frame
            step.latency = seen.latency


def _take_init(part: Part, message: Any) -> None:
    c2s = message.c2s
    part.init = {argument: getattr(c2s, name) for name, argument in _INIT_FIELDS.items() if c2s.HasField(name)}
