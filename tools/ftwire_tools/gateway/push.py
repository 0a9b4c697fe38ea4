"""A push on its way to many clients: what it is about, and its encodings, are found once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ftwire.body import encode_body
from ftwire.frame import Role, encode_frame
from ftwire.header import BodyFormat
from ftwire.websocket import Envelope
from ftwire_tools.gateway.topics import topics_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire_tools.gateway.topics import Topic

__all__ = ["Push"]


class Push:
    """A push. Its message must not change any more."""

    __slots__ = ("_bodies", "_envelope", "_frames", "_topics", "message", "proto_id")

    def __init__(self, proto_id: int, message: Message) -> None:
        self.proto_id: Final = proto_id
        self.message: Final = message
        self._bodies: dict[BodyFormat, bytes] = {}
        self._frames: dict[BodyFormat, bytes] = {}
        self._envelope: bytes | None = None
        self._topics: tuple[Topic, ...] | bool | None = False  # False: not asked for yet

    @property
    def topics(self) -> tuple[Topic, ...] | None:
        """What it is about; ``None`` where no quote subscription asks for it."""
        if isinstance(self._topics, bool):
            self._topics = topics_of(self.proto_id, self.message)
        return self._topics

    def body(self, body_format: BodyFormat) -> bytes:
        """Its plain body. Raises ``BodyError``."""
        found = self._bodies.get(body_format)
        if found is None:
            found = self._bodies[body_format] = encode_body(self.message, body_format)
        return found

    def frame(self, body_format: BodyFormat) -> bytes:
        """Its frame on connections without encryption. Raises ``BodyError``."""
        found = self._frames.get(body_format)
        if found is None:
            body = self.body(body_format)
            found = self._frames[body_format] = encode_frame(self.proto_id, 0, body, body_format=body_format)
        return found

    @property
    def envelope(self) -> bytes:
        """Its WebSocket message. Raises ``BodyError``."""
        if self._envelope is None:
            body = self.body(BodyFormat.PROTOBUF)
            self._envelope = Envelope.build(self.proto_id, 0, body, sender=Role.SERVER).encode()
        return self._envelope
