"""A push to many clients, and a run of pushes: topics and encodings are computed once for all clients.

Pushes that follow each other are a run. Where all have one topic, its subscribers get the run as one piece of bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ftwire.body import encode_body
from ftwire.frame import Role, encode_frame
from ftwire.header import BodyFormat
from ftwire.websocket import Envelope
from ftwire_tools.gateway.topics import UPDATE_KL, topics_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from ftwire_tools.gateway.topics import Topic

__all__ = ["Push", "PushRun"]


class Push:
    """A push. Its message must not be changed after it was passed in."""

    __slots__ = ("_bodies", "_envelope", "_frames", "_topics", "message", "proto_id")

    def __init__(self, proto_id: int, message: Message) -> None:
        self.proto_id: Final = proto_id
        self.message: Final = message
        self._bodies: dict[BodyFormat, bytes] = {}
        self._frames: dict[BodyFormat, bytes] = {}
        self._envelope: bytes | None = None
        self._topics: tuple[Topic, ...] | bool | None = False  # False: not computed yet

    @property
    def topics(self) -> tuple[Topic, ...] | None:
        """Topics that it is about; ``None`` where it does not depend on quote subscriptions."""
        if isinstance(self._topics, bool):
            self._topics = topics_of(self.proto_id, self.message)
        return self._topics

    def body(self, body_format: BodyFormat) -> bytes:
        """Return its plain body. Raises ``BodyError``."""
        found = self._bodies.get(body_format)
        if found is None:
            found = self._bodies[body_format] = encode_body(self.message, body_format)
        return found

    def frame(self, body_format: BodyFormat) -> bytes:
        """Return its frame for connections without encryption. Raises ``BodyError``."""
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


class PushRun:
    """One or more pushes that are sent together."""

    __slots__ = ("_frames", "_topic", "pushes")

    def __init__(self, pushes: Sequence[Push]) -> None:
        self.pushes: Final = tuple(pushes)
        self._frames: dict[BodyFormat, bytes] = {}
        self._topic: Topic | bool | None = False  # False: not computed yet

    @property
    def topic(self) -> Topic | None:
        """The topic of all pushes, where a subscription to it is enough to get them; else ``None``."""
        if isinstance(self._topic, bool):
            topics = self.pushes[0].topics
            # Pushes of K-lines depend on the rehabilitation that a client has asked for, too.
            alike = all(push.topics == topics and push.proto_id != UPDATE_KL for push in self.pushes)
            self._topic = topics[0] if alike and topics is not None and len(topics) == 1 else None
        return self._topic

    def frames(self, body_format: BodyFormat) -> bytes:
        """Return their frames for connections without encryption, joined. Raises ``BodyError``."""
        found = self._frames.get(body_format)
        if found is None:
            found = self._frames[body_format] = b"".join(
                [
                    encode_frame(push.proto_id, 0, push.body(body_format), body_format=body_format)
                    for push in self.pushes
                ]
            )
        return found
