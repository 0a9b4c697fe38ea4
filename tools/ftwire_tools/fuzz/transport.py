"""The transport of a hostile side: steps to bytes, and bytes to frames; here that of TCP."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from ftwire.body_mutations import mutate_body
from ftwire.cipher import NONE, Cipher, Rsa, RsaKey
from ftwire.connection import INIT_CONNECT, negotiated_cipher
from ftwire.frame import Frame, Role
from ftwire.frame_mutations import mutate_frame
from ftwire.header import HEADER_SIZE, MAGIC, Header
from ftwire.stream import FrameDecoder
from ftwire_tools.fuzz.bodies import CLASSES, parsed
from ftwire_tools.fuzz.steps import FuzzStep

__all__ = [
    "Ask",
    "CloseReceived",
    "FrameTransport",
    "FuzzTransport",
    "PongReceived",
    "Rendered",
    "UpgradeReceived",
    "boundaries",
]

Ask = tuple[int, int] | bytes
"""What a peer may answer: protocol and serial of a request, or the content of a ping."""


class Rendered(NamedTuple):
    """The bytes of a step."""

    data: bytes
    asks: tuple[Ask, ...] | None
    """The requests and pings in them; ``None`` where a reader cannot find where the next frame begins."""
    ends: bool = False
    """Whether the peer has to end the connection for it."""


class PongReceived(NamedTuple):
    """A WebSocket pong."""

    data: bytes


class CloseReceived(NamedTuple):
    """A WebSocket close frame."""


class UpgradeReceived(NamedTuple):
    """A client's request to upgrade to WebSocket; ``outgoing`` gives the answer to it."""


class FuzzTransport(ABC):
    """What one connection is written and read with; ``role`` is our side."""

    init = INIT_CONNECT
    """Protocol ID of the handshake."""
    init_name = "InitConnect"
    first_serial = 1
    is_websocket = False
    """Whether there are pings and close frames; a client sends no KeepAlive then."""
    is_encrypted = False
    is_ready = True
    """Whether the transport's own handshake, the upgrade, is done."""
    sent_close = False
    """Whether a close frame was sent, after which nothing legal may come."""
    refused = ""
    """Of a client: why the gateway's answer to the upgrade is none."""

    def __init__(self, role: Role) -> None:
        self.role: Final = role

    def opening(self) -> bytes:
        """Return what a client begins a connection with."""
        return b""

    def outgoing(self) -> bytes:
        """Return what the transport itself has to send now: an upgrade, pongs, a close frame."""
        return b""

    def stamp(self, step: FuzzStep, conn_id: int, serial: int) -> bytes:
        """Return a client's body with what belongs to this connection: the ``packetID`` of trading requests."""
        body = bytes.fromhex(step.body)
        message = parsed(body, step.format, CLASSES[Role.CLIENT][step.proto])
        c2s: Any = getattr(message, "c2s", None)
        if c2s is None or "packetID" not in c2s.DESCRIPTOR.fields_by_name:
            return body
        c2s.packetID.connID, c2s.packetID.serialNo = conn_id, serial & 0xFFFF_FFFF
        return bytes(message.SerializePartialToString())

    @abstractmethod
    def render(self, step: FuzzStep, body: bytes = b"", serial: int = 0) -> Rendered:
        """Return the bytes of a step: a message with its mutations, bytes as they are, or a control frame."""

    @abstractmethod
    def feed(self, data: bytes) -> Iterable[Any]:
        """Give the frames or envelopes, and the events above, in received bytes. Raises ``WireError``."""

    def agree(self, request: Any, response: Any) -> None:  # noqa: B027 - nothing is encrypted on WebSocket
        """Use the cipher that a handshake agreed on. Raises ``WireError``."""


class FrameTransport(FuzzTransport):
    """Frames on TCP, encrypted where both sides hold ``key``."""

    def __init__(self, role: Role, key: RsaKey | None = None) -> None:
        super().__init__(role)
        self.is_encrypted = key is not None
        self._cipher: Cipher = NONE if key is None else Rsa(key)
        self._decoder: Final = FrameDecoder(role.peer, cipher=self._cipher)

    def render(self, step: FuzzStep, body: bytes = b"", serial: int = 0) -> Rendered:
        """See ``FuzzTransport``."""
        data = bytes.fromhex(step.data)
        if step.do != "raw":
            body = mutate_body(body, step.mutations, step.format, CLASSES[self.role][step.proto])
            frame = Frame.build(
                step.proto, serial, body, sender=self.role, body_format=step.format, cipher=self._cipher
            )
            data = mutate_frame(frame.encode(), step.mutations)
        return Rendered(data, boundaries(data))

    def feed(self, data: bytes) -> Iterable[Frame]:
        """See ``FuzzTransport``."""
        return self._decoder.feed(data)

    def agree(self, request: Any, response: Any) -> None:
        """See ``FuzzTransport``."""
        if self.is_encrypted:
            self._cipher = self._decoder.cipher = negotiated_cipher(request, response)


def boundaries(data: bytes) -> tuple[Ask, ...] | None:
    """Return protocol ID and serial of each frame, or ``None`` where the bytes are not whole frames."""
    found = []
    at = 0
    while at < len(data):
        if not data.startswith(MAGIC, at) or len(data) - at < HEADER_SIZE:
            return None
        header = Header.decode(data[at : at + HEADER_SIZE])
        at += HEADER_SIZE + header.body_length
        found.append((header.proto_id, header.serial))
    return tuple(found) if at == len(data) else None
