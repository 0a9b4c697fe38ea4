"""What a capture reader reports: small, complete, immutable records, each with its conversation.

Times are integers in nanoseconds since 1970, 0 where the input has none. Packets are numbered from 1 in the order
of the file, 0 where the input has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from ftwire.capture.bodies import fault_of, read_body
from ftwire.events import FrameObserved, KeyMissing, UndecodedObserved
from ftwire.frame import Role
from ftwire.pcap import CloseReason, Endpoint

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.errors import WireError
    from ftwire.frame import Frame, Kind
    from ftwire.protocols import Protocol
    from ftwire.websocket import Envelope

MessageT = TypeVar("MessageT", bound="Message")

__all__ = [
    "CollectedFrames",
    "Conversation",
    "ConversationClosed",
    "ConversationOpened",
    "Dissected",
    "DissectedBytes",
    "DissectedFrame",
    "KeyNeeded",
    "UnrecognisedConnection",
]


class Conversation(NamedTuple):
    """One TCP connection between a client and OpenD."""

    number: int
    """From 1, in the order of their first frames. 0 is a connection that was not recognised."""
    transport: str
    """``tcp`` or ``websocket``."""
    client: str
    """``HOST:PORT``, or just ``client`` in a stream that has no addresses."""
    server: str
    """The same of OpenD's end, or just ``server``."""

    def ends(self, sender: Role) -> tuple[str, str]:
        """Return source and destination of what this side sent."""
        return (self.client, self.server) if sender is Role.CLIENT else (self.server, self.client)


class DissectedFrame(NamedTuple):
    """A frame of a conversation."""

    number: int
    """Running number among all frames of the input, from 1."""
    conversation: Conversation
    observation: FrameObserved
    """The frame itself, and what was observed of it."""

    def __repr__(self) -> str:
        # That of the tuple, with every value of every part, takes a screen.
        return f"<{type(self).__name__} {self.number} of conversation {self.conversation.number}: {self.frame!r}>"

    @property
    def frame(self) -> Frame | Envelope:
        """The frame on TCP, or the envelope on WebSocket; a ``BadFrame`` or ``BadEnvelope`` if it cannot be read."""
        return self.observation.frame

    @property
    def time(self) -> int:
        """When its last byte was captured, in nanoseconds since 1970."""
        return self.observation.time

    @property
    def packet(self) -> int:
        """Number of the packet that its last byte came in."""
        return self.observation.packet

    @property
    def sender(self) -> Role:
        """The side that sent it."""
        return self.observation.sender

    @property
    def kind(self) -> Kind:
        """Request, response or push."""
        return self.observation.kind

    @property
    def proto_id(self) -> int:
        """Number of its protocol."""
        return self.observation.frame.proto_id

    @property
    def protocol(self) -> Protocol | None:
        """Its protocol; ``None`` where the number is unknown."""
        return self.observation.frame.protocol

    @property
    def encryption(self) -> str:
        """``none``, ``rsa``, ``ftaes_ecb``, ``aes_ecb`` or ``aes_cbc``; ``unknown`` when encrypted without a key."""
        return self.observation.frame.encryption

    @property
    def request(self) -> Frame | Envelope | None:
        """The request that a response answers, where it was captured."""
        return self.observation.request

    @property
    def latency(self) -> int | None:
        """Nanoseconds between that request and this response; ``None`` where the capture has no time of either."""
        return self.observation.latency

    @property
    def message(self) -> Message | None:
        """The body as a message, parsed on first use; ``None`` where there is none, see ``error``.

        Fields that were not sent have protobuf's defaults, those included that the message requires (of ``retType`` it
        is -400): ``HasField`` says which they are, and ``error`` names those that are required.
        """
        return read_body(self.observation.frame)[0]

    def as_(self, message_class: type[MessageT]) -> MessageT:
        """Return ``message`` as the class that the caller knows it to have, which type checkers then know too.

        Raises ``error`` where there is no message, and ``TypeError`` where it is of another class.
        """
        message = self.message
        if isinstance(message, message_class):
            return message
        if message is None and (error := self.error) is not None:
            raise error
        raise TypeError(f"{self.frame!r} is no {message_class.DESCRIPTOR.full_name}")

    @property
    def error(self) -> WireError | None:
        """What is wrong with it.

        Without a message: it is damaged, encrypted without a known key, or of an unknown protocol. With one: a
        ``MissingFieldsError``. Worked out anew each time.
        """
        return fault_of(self.observation.frame)


class CollectedFrames(NamedTuple):
    """Some packets were read, and frames of theirs put into the columns of a reader that has some.

    Comes behind whatever else is reported of these packets.
    """

    frames: int
    """How many; there may be none."""
    conversation: Conversation
    """The conversation of the last frame that was put there so far."""
    time: int
    """When it was captured."""


class DissectedBytes(NamedTuple):
    """Bytes of a conversation that are in no frame."""

    conversation: Conversation
    observation: UndecodedObserved
    """Where they are, how many, and why."""
    data: bytes
    """The bytes, as far as they were captured and the reader keeps them (``keep_bytes``)."""
    ended: CloseReason | None
    """How the connection ended, where these bytes are what was left at its end."""

    @property
    def time(self) -> int:
        """When it was certain that they are in no frame."""
        return self.observation.time


class KeyNeeded(NamedTuple):
    """Once a conversation: it is encrypted, and no known key opens it."""

    conversation: Conversation
    observation: KeyMissing
    """What is missing."""

    @property
    def time(self) -> int:
        """When the first frame was captured that cannot be read."""
        return self.observation.time


class ConversationOpened(NamedTuple):
    """A connection turned out to be a conversation with OpenD. Comes right before the first report about it."""

    conversation: Conversation
    client: Endpoint | None
    """The client's address and port; ``None`` in a stream that has no addresses."""
    server: Endpoint | None
    """The same of OpenD's end."""
    from_start: bool
    """The capture has the connection from its first packet on."""
    time: int
    """When the connection's first packet was captured."""


class ConversationClosed(NamedTuple):
    """A conversation has ended, or the capture has. Comes after everything else about it."""

    conversation: Conversation
    reason: CloseReason
    time: int
    packet: int


class UnrecognisedConnection(NamedTuple):
    """A connection has ended that looks like this protocol, but in which no frame was recognised.

    All its frames may be wrong in the same way: ``ftwire explain`` finds out how. ``ftwire.resemblance`` has the rule.
    """

    conversation: Conversation
    """Its ends; number 0, and ``client`` is the end that opened the connection or was captured first."""
    from_start: bool
    """The capture has the connection from its first packet on."""
    sent: tuple[SentBytes, ...]
    """What was sent at first, in the order of the capture; nothing where the reader keeps no bytes (``keep_bytes``)."""
    reason: CloseReason
    time: int
    packet: int
    resemblance: str
    """What it begins with, or a message in it, that makes it look like this protocol."""
    sizes: tuple[int, int]
    """Bytes that were sent: those of ``conversation.client``, and those of the other end."""


class SentBytes(NamedTuple):
    """Bytes that one side of a connection sent."""

    sender: Role
    data: bytes
    time: int
    """When the first of them was captured."""
    packet: int
    """The packet of the first of them."""


Dissected: TypeAlias = (
    DissectedFrame
    | CollectedFrames
    | DissectedBytes
    | KeyNeeded
    | ConversationOpened
    | ConversationClosed
    | UnrecognisedConnection
)
"""Everything that a reader reports."""
