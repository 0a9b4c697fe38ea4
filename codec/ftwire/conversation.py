"""Recognise by its content what a TCP connection carries: frames, WebSocket envelopes, or neither; then observe it.

``ConversationObserver`` takes the bytes of both endpoints from any port, before it is known which is the client and
which protocol they use. It keeps them until the content decides, then passes them, each with its own time and packet,
to the observer for that protocol.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from hashlib import sha1
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from warnings import warn

from ftwire._renamed import renamed_keyword
from ftwire.cipher import RsaKey
from ftwire.errors import WireError
from ftwire.events import FrameObserved, Observation
from ftwire.frame import Role, sender_of_body
from ftwire.header import HEADER_SIZE, MAGIC, BodyFormat, unpack_header
from ftwire.mixed_observer import MixedObserver
from ftwire.observer import Observer
from ftwire.protocols import Registry, registry
from ftwire.resemblance import Resemblance, resemblance_of
from ftwire.stream import DEFAULT_MAX_BODY

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ftwire.websocket_observer import WebSocketObserver

__all__ = ["DEFAULT_SEARCH_LIMIT", "ConversationObserver", "End", "Transport"]

End = Literal[0, 1]
"""One of the two ends of a connection: 0 the one that opened it or, where that was not captured, was seen first."""

Transport = Literal["tcp", "websocket"]


def __getattr__(name: str) -> object:
    if name == "Endpoint":  # ftwire.pcap.Endpoint is an address and a port
        warn("ftwire.conversation.Endpoint is called ftwire.conversation.End now", DeprecationWarning, stacklevel=2)
        return End
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


DEFAULT_SEARCH_LIMIT: Final = 256 * 1024
"""Bytes of one direction after which a connection is taken to carry neither frames nor envelopes."""
MAX_WAITING: Final = 64
"""Candidates of one direction that wait to be whole."""
MAX_CHUNKS: Final = 64 * 1024
"""Chunks kept while nothing is known: each costs more than its bytes."""
MAX_HASHED: Final = 4 * 1024 * 1024
"""Bytes hashed in one conversation for headers that could not be sent today."""
MAX_COMPARED: Final = 256
"""Chunks compared with frames where none was recognised. A client that is wrong is so from its first request on."""
MAX_SENT: Final = 64
"""Headers of one direction compared with those of the other."""

_CHUNK_OVERHEAD: Final = 160
"""Bytes that a chunk takes besides its own: a tuple of four, a bytes object, integers."""
_RESERVED: Final = bytes(8)


class _Chunk(NamedTuple):
    """Bytes that came before anything was recognised, or how many are missing."""

    endpoint: End
    data: bytes | int
    time: int
    packet: int


class _Direction:
    """The bytes of one endpoint, and how far they were searched."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.total = 0
        self.frames_from = 0  # no frame begins before this, except those in waiting
        self.waiting: list[int] = []  # places of possible frames that are not whole
        self.envelopes_from = {Role.CLIENT: 0, Role.SERVER: 0}

    def clear(self) -> None:
        """Forget the bytes: what follows them is missing."""
        self.data.clear()
        self.frames_from = 0
        self.waiting.clear()
        self.envelopes_from = {Role.CLIENT: 0, Role.SERVER: 0}


_CLIENT, _SERVER = Role.CLIENT, Role.SERVER  # reading a member of an enum costs as much as a call


class ConversationObserver:
    """One TCP connection, recognised and observed.

    ``keys`` are RSA private keys to try. ``client`` is the endpoint that is known to have opened the connection
    (the sender of the SYN); without it, the content decides. ``receive`` the bytes of each endpoint in their
    order, ``skip`` what the capture lacks, ``close`` at the end: all three return a list of observations. Never raises
    on account of the bytes.

    Frames are recognised by one header that could be sent today and has the ID of a known protocol, or by a digest that
    agrees; envelopes by ``ft-v1.0`` at the start of a WebSocket message. After ``search_limit`` bytes of one direction
    without either the search ends, and further bytes cost nothing.

    With ``mixed``, endpoint 0 stands for both: frames on TCP are told apart one by one (``ftwire.mixed_observer``).

    Raises ``ImportError`` from ``receive`` for a WebSocket conversation where the package ``websockets`` (extra
    ``websocket``) is missing.
    """

    @renamed_keyword("known", "registry")
    def __init__(
        self,
        *,
        keys: Sequence[RsaKey] = (),
        client: End | None = None,
        registry: Registry = registry,
        max_body: int = DEFAULT_MAX_BODY,
        search_limit: int = DEFAULT_SEARCH_LIMIT,
        mixed: bool = False,
    ) -> None:
        self.transport: Transport | None = None
        """What was recognised; ``None`` before that, and where it is neither."""
        self.client: End | None = client
        """The endpoint that is the client, ``None`` while that is unknown."""
        self.settled = False
        """The search is over: ``transport`` and ``client`` stay as they are."""
        self.resemblance: Resemblance | None = None
        """What makes the connection look like one of OpenD's, where the search is over and nothing was recognised."""
        self.observer: Observer | MixedObserver | WebSocketObserver | None = None
        """What observes the transport that was recognised: its ``receive`` may be called instead of the one here, with
        the role of the sender."""
        self._keys: Final = keys
        self._registry: Final = registry
        self._max_body: Final = max_body
        self._limit: Final = search_limit
        self._mixed: Final = mixed
        self._chunks: deque[_Chunk] = deque()
        self._directions: Final = (_Direction(), _Direction())
        self._sent: Final[tuple[dict[tuple[int, int], None], ...]] = ({}, {})
        self._frames_found = False
        self._hashed = 0

    def receive(self, endpoint: End, data: Buffer, time: int = 0, packet: int = 0) -> list[Observation]:
        """Take bytes that ``endpoint`` sent, captured at ``time`` in packet number ``packet``."""
        if self.observer is not None:
            return self.observer.receive(_CLIENT if endpoint == self.client else _SERVER, data, time, packet)
        direction = self._directions[endpoint]
        if self.settled:
            direction.total += len(data)  # type: ignore[arg-type]  # every buffer of bytes has a length
            return []
        chunk = bytes(data)
        self._chunks.append(_Chunk(endpoint, chunk, time, packet))
        direction.data += chunk
        direction.total += len(chunk)
        self._look(endpoint)
        if not self.settled and (direction.total > self._limit or len(self._chunks) > MAX_CHUNKS):
            self._end_search()
        return self._replay()

    def skip(self, endpoint: End, length: int, time: int = 0, packet: int = 0) -> list[Observation]:
        """Take note that the capture lacks the next ``length`` bytes that ``endpoint`` sent."""
        if self.observer is not None:
            return self.observer.skip(self._role(endpoint), length, time, packet)
        if not self.settled and length > 0:
            self._chunks.append(_Chunk(endpoint, length, time, packet))
            self._directions[endpoint].clear()
            if len(self._chunks) > MAX_CHUNKS:
                self._end_search()
        return self._replay()

    @property
    def memory(self) -> int:
        """Bytes of memory, about, that is held for what is to come."""
        if self.observer is not None:
            return self.observer.memory
        # Each chunk is there twice: as it came, and in its direction.
        return sum(2 * len(each.data) for each in self._directions) + _CHUNK_OVERHEAD * len(self._chunks)

    def give_up(self, error: WireError, time: int = 0, packet: int = 0) -> list[Observation]:
        """Give up, for this reason, what takes memory; what follows is observed as usual.

        A search that has not come to a result ends with what there is.
        """
        if not self.settled:
            self._end_search()
        seen = self._replay()
        if self.observer is not None:
            seen += self.observer.give_up(error, time, packet)
        return seen

    def close(self, time: int = 0, packet: int = 0) -> list[Observation]:
        """Take note that the connection has ended; what is left of both directions is settled."""
        if not self.settled:
            self._end_search()
        seen = self._replay()
        if self.observer is not None:
            seen += self.observer.close(time, packet)
        return seen

    @property
    def received(self) -> tuple[int, int]:
        """Bytes that came from each endpoint as long as nothing was recognised."""
        return self._directions[0].total, self._directions[1].total

    def _role(self, endpoint: End) -> Role:
        return Role.CLIENT if endpoint == self.client else Role.SERVER

    def _look(self, endpoint: End) -> None:
        """Search the bytes of ``endpoint`` that were not searched yet."""
        direction = self._directions[endpoint]
        self._look_for_frames(endpoint, direction)
        if not self.settled and not self._frames_found:
            self._look_for_envelopes(endpoint, direction)

    def _look_for_envelopes(self, endpoint: End, direction: _Direction) -> None:
        # Most captures have none.
        from ftwire.websocket_resync import find_envelope

        data = direction.data
        # Clients mask what they send and servers do not, so envelopes of either begin at other places.
        for role in Role if self.client is None else (self._role(endpoint),):
            at, found = find_envelope(data, direction.envelopes_from[role], role, self._max_body, final=False)
            direction.envelopes_from[role] = at
            if found:
                self._settle("websocket", endpoint if role is Role.CLIENT else _other(endpoint))
                return

    def _look_for_frames(self, endpoint: End, direction: _Direction) -> None:
        data = direction.data
        waiting, direction.waiting = direction.waiting, []
        for at in waiting:
            self._weigh(endpoint, direction, at)
            if self.settled:
                return
        while True:
            at = data.find(MAGIC, direction.frames_from)
            if at < 0:
                # A last "F" may be the first half of a magic.
                direction.frames_from = max(direction.frames_from, len(data) - 1)
                return
            if len(data) < at + HEADER_SIZE:
                direction.frames_from = at
                return
            direction.frames_from = at + 1
            self._weigh(endpoint, direction, at)
            if self.settled:
                return

    def _weigh(self, endpoint: End, direction: _Direction, at: int) -> None:
        """Judge a possible frame: settle the conversation, wait until it is whole, or drop it."""
        _, proto_id, body_format, version, serial, length, digest, reserved = unpack_header(direction.data, at)
        if length > self._max_body:
            return
        entry = self._registry.get(proto_id)
        usual = (
            entry is not None
            and not entry.is_websocket_only
            and body_format <= BodyFormat.JSON
            and version == 0
            and reserved == _RESERVED
        )
        body_at = at + HEADER_SIZE
        whole = len(direction.data) >= body_at + length
        if usual:
            self._frames_found = True
            if self.client is not None:
                self._settle("tcp", self.client)
                return
            if entry is not None and entry.is_push:
                self._settle("tcp", _other(endpoint))
                return
        if not whole:
            if HEADER_SIZE + length <= self._limit and len(direction.waiting) < MAX_WAITING:
                direction.waiting.append(at)
            return
        if not usual:
            self._hashed += length
            if self._hashed > MAX_HASHED:
                return
        body = bytes(direction.data[body_at : body_at + length])
        verified = sha1(body, usedforsecurity=False).digest() == digest
        if not (usual or verified):
            return
        self._frames_found = True
        sender = sender_of_body(body, body_format) if verified else None
        if self.client is not None:
            self._settle("tcp", self.client)
        elif sender is not None:
            self._settle("tcp", endpoint if sender is Role.CLIENT else _other(endpoint))
        else:
            # Encrypted: a response repeats the protocol ID and serial that its request had before.
            key = proto_id, serial
            if key in self._sent[1 - endpoint]:
                self._settle("tcp", _other(endpoint))
            elif self._mixed and key in self._sent[endpoint]:
                self._settle("tcp", endpoint)
            elif len(self._sent[endpoint]) < MAX_SENT:
                self._sent[endpoint][key] = None
        direction.frames_from = max(direction.frames_from, body_at + length)

    def _settle(self, transport: Transport, client: End) -> None:
        self.settled = True
        self.transport = transport
        self.client = client

    def _end_search(self) -> None:
        """Settle the conversation by the bytes that are there."""
        if self._frames_found:
            # Frames of unknown senders. The endpoint seen first is the likelier client.
            self._settle("tcp", 0)
            return
        self.settled = True
        self.resemblance = self._find_resemblance()

    def _find_resemblance(self) -> Resemblance | None:
        """Compare what was sent at a time with frames, and the messages of a WebSocket connection with envelopes."""
        uncertain: Resemblance | None = None
        for chunk in islice(self._chunks, MAX_COMPARED):
            if isinstance(chunk.data, bytes) and (found := resemblance_of(chunk.data, self._registry)) is not None:
                if found.is_certain:
                    return found
                uncertain = uncertain or found
        first = self._chunks[0] if self._chunks else None
        if first is not None and isinstance(first.data, bytes) and _is_upgrade(first.data):
            return self._compare_messages(first.endpoint) or _HANDSHAKE
        return uncertain

    def _compare_messages(self, client: End) -> Resemblance | None:
        """Compare the messages of a WebSocket connection with frames and envelopes."""
        try:
            from ftwire.websocket_observer import WebSocketObserver

            observer = WebSocketObserver(registry=self._registry, max_body=self._max_body)
        except ImportError:
            return None
        for endpoint, data, *_ in islice(self._chunks, MAX_COMPARED):
            role = _CLIENT if endpoint == client else _SERVER
            seen = observer.skip(role, data) if isinstance(data, int) else observer.receive(role, data)
            for each in seen:
                if isinstance(each, FrameObserved):
                    found = resemblance_of(each.frame.encode(), self._registry)
                    if found is not None and found.is_certain:
                        return found._replace(reason=f"a WebSocket handshake, and a message with {found.reason}")
        return None

    def _replay(self) -> list[Observation]:
        """Pass what was kept to the observer, once it is known which; return its observations."""
        if not self.settled or self.observer is not None:
            return []
        for direction in self._directions:
            direction.clear()
        chunks, self._chunks = self._chunks, deque()
        if self.transport is None:
            return []
        if self.transport == "tcp":
            of: dict[str, Any] = {"keys": self._keys, "registry": self._registry, "max_body": self._max_body}
            self.observer = MixedObserver(**of) if self._mixed else Observer(**of)
        else:
            from ftwire.websocket_observer import WebSocketObserver

            self.observer = WebSocketObserver(registry=self._registry, max_body=self._max_body)
        seen: list[Observation] = []
        while chunks:
            endpoint, data, time, packet = chunks.popleft()
            role = self._role(endpoint)
            if isinstance(data, int):
                seen += self.observer.skip(role, data, time, packet)
            else:
                seen += self.observer.receive(role, data, time, packet)
        return seen


_HANDSHAKE: Final = Resemblance("a WebSocket handshake", is_certain=False)


def _is_upgrade(data: bytes) -> bool:
    """Return whether a connection that begins so becomes a WebSocket connection."""
    return data.startswith(b"GET ") and b"websocket" in data[:4096].lower()


def _other(endpoint: End) -> End:
    return 0 if endpoint else 1
