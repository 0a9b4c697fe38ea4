"""What connections and observers report: small, complete, immutable records.

Times are integers in nanoseconds, on whatever clock the caller passes in.

A ``Connection`` returns ``Connected``, ``Refused``, ``RequestReceived``, ``ReplyReceived``, ``PushReceived``,
``UnmatchedReply``, ``FrameDamaged``, ``RequestTimedOut`` and ``PeerSilent``; an ``Observer`` returns
``FrameObserved``, ``UndecodedObserved`` and ``KeyMissing``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ftwire.frame import BadFrame, Frame, Kind, Role
    from ftwire.resync import UndecodedBytes
    from ftwire.websocket import Envelope

__all__ = [
    "Connected",
    "Event",
    "FrameDamaged",
    "FrameObserved",
    "KeyMissing",
    "Observation",
    "PeerSilent",
    "PushReceived",
    "Refused",
    "ReplyReceived",
    "RequestReceived",
    "RequestTimedOut",
    "SentRequest",
    "UndecodedObserved",
    "UnmatchedReply",
]


class SentRequest(NamedTuple):
    """A request that waits for its reply."""

    proto_id: int
    serial: int
    time: int
    """When it was sent."""


class Connected(NamedTuple):
    """The handshake is done: requests may be sent (client), or the client was accepted (server)."""

    frame: Frame
    """The InitConnect reply (client), or the request it answers (server)."""
    conn_id: int
    """``connID``: goes into the ``PacketID`` of trading requests."""
    keep_alive: int
    """``keepAliveInterval`` in nanoseconds."""
    encryption: str
    """Name of the cipher from here on: ``none``, ``ftaes_ecb``, ``aes_ecb`` or ``aes_cbc``."""


class Refused(NamedTuple):
    """The gateway answered InitConnect with a ``retType`` other than 0."""

    frame: Frame
    ret_type: int
    ret_msg: str


class RequestReceived(NamedTuple):
    """Server: a request came; answer with ``Connection.reply``. InitConnect comes here too: ``accept`` it."""

    frame: Frame


class ReplyReceived(NamedTuple):
    """Client: the reply to a request of ours."""

    frame: Frame
    request: SentRequest
    latency: int
    """Nanoseconds between sending the request and receiving this."""


class PushReceived(NamedTuple):
    """Client: a push, known by its protocol ID."""

    frame: Frame


class UnmatchedReply(NamedTuple):
    """Client: a reply that no request waits for: late, sent twice, or with a wrong serial."""

    frame: Frame


class FrameDamaged(NamedTuple):
    """A frame that cannot be read; the connection goes on."""

    frame: BadFrame
    request: SentRequest | None
    """Client: the request that thereby fails, if the header's serial is that of one."""


class RequestTimedOut(NamedTuple):
    """Client: no reply came in time. One that comes later is an ``UnmatchedReply``; InitConnect's still counts."""

    request: SentRequest


class PeerSilent(NamedTuple):
    """Nothing came from the other side for too long: close the connection."""

    since: int
    """When the last bytes came."""


Event = (
    Connected
    | Refused
    | RequestReceived
    | ReplyReceived
    | PushReceived
    | UnmatchedReply
    | FrameDamaged
    | RequestTimedOut
    | PeerSilent
)
"""What a ``Connection`` returns."""


class FrameObserved(NamedTuple):
    """Observer: a frame was sent from one side to the other."""

    frame: Frame | Envelope
    """The frame on TCP, or the envelope on WebSocket; a ``BadFrame`` or ``BadEnvelope`` where it cannot be read."""
    sender: Role
    kind: Kind
    encryption: str
    """That of the frame (``BaseFrame.encryption``)."""
    time: int
    """When its last byte was captured; 0 where the capture has no time of its packet."""
    packet: int
    """Number of the packet that its last byte came in, 0 where there are no packets."""
    request: Frame | Envelope | None
    """The request that a response answers, where it was observed."""
    latency: int | None
    """Nanoseconds between that request and this response; ``None`` where the capture has no time of either."""


class UndecodedObserved(NamedTuple):
    """Observer: bytes of one direction that are part of no frame."""

    undecoded: UndecodedBytes
    sender: Role
    time: int
    packet: int


class KeyMissing(NamedTuple):
    """Observer, once a conversation: it is encrypted and no key opens it."""

    reason: str
    """What is missing."""
    time: int
    packet: int


Observation = FrameObserved | UndecodedObserved | KeyMissing
"""What an ``Observer`` returns."""
