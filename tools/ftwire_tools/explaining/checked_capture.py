"""A conversation that is checked while it is watched.

``CheckedConversation`` stands where ``Conversation`` does and gives ``PieceSeen`` instead of observations. It
keeps the bytes that the observer passes over, since they are what a diagnosis is about: a frame whose length
lies ends up in a gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.conversation import Conversation
from ftwire.diagnosis import ConversationChecker, Piece
from ftwire.events import FrameObserved, KeyMissing, UndecodedObserved
from ftwire.frame import Frame, Role
from ftwire.header import ENVELOPE_MAGIC, HEADER_SIZE, MAGIC, Header
from ftwire.pcap import CloseReason, FlowClosed
from ftwire.protocols import registry
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire.websocket import Envelope
from ftwire_tools.captures.source import CaptureSource

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire.conversation import Endpoint
    from ftwire.diagnosis import Finding

__all__ = ["CheckedConversation", "CheckedSource", "EndSeen", "PieceSeen"]

MAX_HEAD: Final = 64 * 1024
"""Bytes kept of a connection that speaks nothing known, in case it is frames that are wrong altogether."""

_STARTS: Final = (MAGIC, ENVELOPE_MAGIC, b"GET ")


class PieceSeen(NamedTuple):
    """A piece, and where in the capture it ends."""

    piece: Piece
    time: int
    packet: int


class EndSeen(NamedTuple):
    """A conversation has ended; what only then is certain."""

    findings: list[tuple[int, Finding]]
    """With the number of the piece, within the conversation, that each is about."""
    cut: bool
    """The capture ended within a frame."""
    time: int
    packet: int


class CheckedConversation(Conversation):
    """One TCP connection, watched as ``Conversation`` does it, and checked."""

    def __init__(self, *, keys: Sequence[RsaKey] = (), client: Endpoint | None = None, **others: Any) -> None:
        super().__init__(keys=keys, client=client, **others)
        self._session: Final = ConversationChecker(keys=keys, from_start=client is not None)
        self._from_start: Final = client is not None
        self._whole = self._from_start
        self._bytes: Final = {0: bytearray(), 1: bytearray()}
        self._head: list[tuple[Endpoint, bytearray, int, int]] = []
        self._head_size = 0
        self._seen = False
        self._capture_ended = False
        self._cut = False

    def receive(self, endpoint: Endpoint, data: Any, time: int = 0, packet: int = 0) -> Iterator[Any]:
        """Take bytes that ``endpoint`` sent."""
        chunk = bytes(data)
        if self.transport != "websocket":
            self._bytes[endpoint] += chunk
        if not self._seen and self._head_size < MAX_HEAD:
            self._keep_head(endpoint, chunk, time, packet)
        observed = super().receive(endpoint, chunk, time, packet)
        if self.settled and self.transport != "tcp":
            self._bytes[0].clear()
            self._bytes[1].clear()
        return self._checked(observed)

    def skip(self, endpoint: Endpoint, length: int, time: int = 0, packet: int = 0) -> Iterator[Any]:
        """Say that bytes are missing."""
        self._session.skip()
        self._whole = False
        return self._checked(super().skip(endpoint, length, time, packet))

    def close(self, time: int = 0, packet: int = 0) -> Iterator[Any]:
        """Say that the connection has ended."""
        yield from self._checked(super().close(time, packet))
        if not self._seen:
            yield from self._check_head()
        if self._seen:
            yield EndSeen(self._session.close(time), self._cut, time, packet)

    def capture_ended(self) -> None:
        """Say, before ``close``, that the capture ends here and not the connection."""
        self._capture_ended = True

    def _keep_head(self, endpoint: Endpoint, chunk: bytes, time: int, packet: int) -> None:
        if not self._head and not chunk.startswith(_STARTS):
            # Somebody else's protocol: most connections of a capture.
            self._head_size = MAX_HEAD
            return
        self._head_size += len(chunk)
        if self._head and self._head[-1][0] == endpoint:
            self._head[-1][1].extend(chunk)
        else:
            self._head.append((endpoint, bytearray(chunk), time, packet))

    def _checked(self, observed: Iterator[Any]) -> Iterator[Any]:
        for seen in observed:
            if not self._seen:
                self._seen = True
                self._head.clear()
            if isinstance(seen, FrameObserved):
                for piece in self._frame(seen.frame, seen.time):
                    yield PieceSeen(piece, seen.time, seen.packet)
            elif isinstance(seen, UndecodedObserved):
                for piece in self._gap(seen):
                    yield PieceSeen(piece, seen.time, seen.packet)
            elif not isinstance(seen, KeyMissing):
                raise TypeError(f"an observation of an unknown kind: {seen!r}")

    def _frame(self, frame: Frame | Envelope, time: int) -> list[Piece]:
        if isinstance(frame, Envelope):
            if frame.error is not None and not self._whole:
                # It may refer to messages that were not captured.
                return []
            return [self._session.see_envelope(frame, time)]
        self._take(frame.sender, len(frame))
        return self._session.see(frame.header, frame.payload, frame.sender, time)

    def _take(self, sender: Role, size: int) -> bytes:
        client: int = self.client or 0
        kept = self._bytes[client if sender is Role.CLIENT else 1 - client]
        taken = bytes(kept[:size])
        del kept[:size]
        return taken

    def _gap(self, seen: UndecodedObserved) -> list[Piece]:
        if self.transport == "websocket":
            return []
        data = self._take(seen.sender, seen.undecoded.length - seen.undecoded.missing)
        joined_late = seen.undecoded.offset == 0 and not self._from_start
        if seen.undecoded.missing or joined_late:
            # Nobody's mistake but the capture's.
            self._session.skip()
            return []
        pieces = list(self._session.read(data, seen.sender, seen.time))
        if self._capture_ended and pieces and [one.mistake.id for one in pieces[-1].findings] == ["frame_cut"]:
            # Cut by the end of the capture.
            self._cut = True
            pieces[-1] = pieces[-1]._replace(findings=())
        return pieces

    def _check_head(self) -> Iterator[PieceSeen]:
        """Look at a connection that was not recognised: all its frames, or its envelopes, may be wrong."""
        if not self._head:
            return
        if bytes(self._head[0][1][:4]) == b"GET " and b"websocket" in bytes(self._head[0][1][:4096]).lower():
            yield from self._check_upgraded()
            return
        starts = [bytes(data[:HEADER_SIZE]) for _, data, _, _ in self._head[:2]]
        if not any(map(_begins_like_a_frame, starts)):
            return
        self.transport = "tcp"
        self.client = self.client or 0
        self._seen = True
        for endpoint, data, time, packet in self._head:
            sender = Role.CLIENT if endpoint == self.client else Role.SERVER
            for piece in self._session.read(bytes(data), sender, time):
                yield PieceSeen(piece, time, packet)

    def _check_upgraded(self) -> Iterator[PieceSeen]:
        from ftwire.websocket_observer import WebSocketObserver

        observer = WebSocketObserver()
        found = []
        for endpoint, data, time, packet in self._head:
            found += list(observer.receive(Role.CLIENT if endpoint == 0 else Role.SERVER, bytes(data), time, packet))
        envelopes = [seen for seen in found if isinstance(seen, FrameObserved)]
        if not any(_begins_like_a_frame(seen.frame.encode()) for seen in envelopes):
            return
        self.transport = "websocket"
        self.client = 0
        self._seen = True
        for seen in envelopes:
            for piece in self._frame(seen.frame, seen.time):
                yield PieceSeen(piece, seen.time, seen.packet)


class CheckedSource(CaptureSource):
    """A capture file whose conversations are checked: gives ``PieceSeen`` and ``EndSeen``."""

    def __init__(self, *, keys: Sequence[RsaKey] = (), max_body: int = DEFAULT_MAX_BODY) -> None:
        super().__init__(keys=keys, max_body=max_body, conversation=CheckedConversation)

    def _other(self, event: object) -> Iterator[Any]:
        if isinstance(event, FlowClosed) and event.reason not in (CloseReason.FIN, CloseReason.RST):
            followed = self._followed.get(event.flow.index)
            if followed is not None and isinstance(followed.conversation, CheckedConversation):
                followed.conversation.capture_ended()
        return super()._other(event)


def _begins_like_a_frame(data: bytes) -> bool:
    if data.startswith(ENVELOPE_MAGIC):
        return True
    if not data.startswith(MAGIC) or len(data) < HEADER_SIZE:
        return False
    header = Header.decode(data)
    return header.proto_id in registry or int.from_bytes(data[2:6], "big") in registry
