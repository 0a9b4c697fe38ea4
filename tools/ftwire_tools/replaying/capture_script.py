"""The requests of each captured client in their order, with the replies they got.

The handshake and KeepAlive are left out: every connection sends its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.capture import CaptureReader, DissectedBytes, DissectedFrame, KeyNeeded, UnrecognisedConnection, read_body
from ftwire.connection import INIT_CONNECT, KEEP_ALIVE
from ftwire.errors import CaptureError, NotACaptureError
from ftwire.frame import Kind
from ftwire.header import BodyFormat
from ftwire.websocket import INIT
from ftwire_tools.captures.account_text import unrecognised_text
from ftwire_tools.messages.masking import error_text

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.capture import Conversation, Dissected
    from ftwire.cipher import RsaKey
    from ftwire.frame import Frame
    from ftwire.websocket import Envelope
    from ftwire_tools.captures.input_files import Input

__all__ = ["CaptureScript", "Part", "ScriptStep", "read_script"]

OWN: Final = frozenset({INIT, INIT_CONNECT, KEEP_ALIVE})
"""Protocols that every connection uses for itself."""

_INIT_FIELDS: Final = {
    "clientVer": "client_ver",
    "clientID": "client_id",
    "recvNotify": "recv_notify",
    "programmingLanguage": "programming_language",
}
"""Fields of a captured InitConnect that are sent again, and the arguments of ``Connection.initiate`` for them."""


@dataclass(slots=True)
class ScriptStep:
    """One request, and the reply to it."""

    number: int
    """Running number among the requests of the capture, from 1."""
    serial: int
    """The captured serial."""
    time: int
    """When it was captured, in nanoseconds since 1970."""
    request: Message
    body_format: BodyFormat
    proto_id: int
    name: str
    reply: Frame | Envelope | None = None
    latency: int | None = None
    """Nanoseconds until the reply; ``None`` where there is none, or no time of either."""
    after: int = 0
    """How many of the part's first steps had all been answered when this was sent."""


@dataclass(slots=True)
class Part:
    """The requests of one captured client."""

    conversation: Conversation
    steps: list[ScriptStep] = field(default_factory=list)
    init: dict[str, Any] = field(default_factory=dict)
    """Arguments of ``Connection.initiate``, from the client's InitConnect."""
    conn_id: int = 0
    """The captured ``connID``."""
    user_id: int = 0
    """The captured ``loginUserID``."""


class CaptureScript(NamedTuple):
    """Everything of a capture that can be sent again."""

    parts: list[Part]
    unreadable: list[str]
    """What could not be read, a sentence each."""


def read_script(source: Input, keys: Sequence[RsaKey] = ()) -> CaptureScript:
    """Read a capture whole. Requests and their replies are kept in memory, pushes are not.

    Raises ``OSError``, and ``NotACaptureError`` where it holds nothing that could be read.
    """
    builder, reader = _ScriptBuilder(), CaptureReader(keys=keys)
    try:
        for report in reader.read_files([source.stream], at_once=False):
            builder.add(report)
    except NotACaptureError:
        raise
    except CaptureError as error:
        builder.unreadable.append(f"{source.name}: {error}")
    builder.unreadable.extend(f"{source.name}: {sentence}" for sentence in reader.account.unread())
    return CaptureScript([part for part in builder.parts.values() if part.steps], builder.unreadable)


class _ScriptBuilder:
    def __init__(self) -> None:
        self.parts: Final[dict[int, Part]] = {}
        self.unreadable: Final[list[str]] = []
        self._open: Final[dict[tuple[int, int, int], ScriptStep]] = {}
        self._numbers = 0
        self._latest = 0  # time of the latest frame that has one

    def add(self, report: Dissected) -> None:
        number = report.conversation.number
        if isinstance(report, KeyNeeded):
            self.unreadable.append(f"conversation {number}: {report.observation.reason} (--key)")
        elif isinstance(report, DissectedBytes):
            self.unreadable.append(
                f"conversation {number}: {report.observation.undecoded.length} bytes are in no frame"
            )
        elif isinstance(report, UnrecognisedConnection):
            self.unreadable.append(f"{unrecognised_text(report)} (see ftwire explain)")
        elif isinstance(report, DissectedFrame):
            part = self.parts.setdefault(number, Part(report.conversation))
            if report.kind is Kind.REQUEST:
                self._request(part, report)
            elif report.kind is Kind.RESPONSE:
                self._response(part, report)

    def _request(self, part: Part, dissected: DissectedFrame) -> None:
        frame = dissected.frame
        message, error = read_body(frame)
        protocol = frame.protocol
        if message is None or protocol is None:
            if frame.proto_id not in OWN:
                why = "" if error is None else error_text(error, frame)
                self.unreadable.append(
                    f"conversation {part.conversation.number}: request {frame.proto_id} #{frame.serial}: {why}"
                )
            return
        if frame.proto_id in OWN:
            if frame.proto_id == INIT_CONNECT:
                _take_init(part, message)
            return
        self._numbers += 1
        # One without a time was sent when the one before it was.
        self._latest = dissected.time or self._latest
        step = ScriptStep(
            self._numbers,
            frame.serial,
            self._latest,
            message,
            BodyFormat.JSON if frame.body_format == BodyFormat.JSON else BodyFormat.PROTOBUF,
            frame.proto_id,
            protocol.name,
        )
        # Replies may overtake each other: count up to the first step without a reply.
        step.after = next((index for index, earlier in enumerate(part.steps) if earlier.reply is None), len(part.steps))
        part.steps.append(step)
        self._open[part.conversation.number, frame.proto_id, frame.serial] = step

    def _response(self, part: Part, dissected: DissectedFrame) -> None:
        frame = dissected.frame
        if frame.proto_id in OWN:
            message: Any = read_body(frame)[0]
            if message is not None and message.HasField("s2c"):
                part.conn_id = getattr(message.s2c, "connID", 0)
                part.user_id = getattr(message.s2c, "loginUserID", 0)
            return
        step = self._open.pop((part.conversation.number, frame.proto_id, frame.serial), None)
        if step is not None:
            step.reply = frame
            step.latency = dissected.latency


def _take_init(part: Part, message: Any) -> None:
    c2s = message.c2s
    part.init = {argument: getattr(c2s, name) for name, argument in _INIT_FIELDS.items() if c2s.HasField(name)}
