"""Where frames come from: a capture file or the bare bytes of one direction, told apart by the first bytes.

A source takes chunks of the input and gives what the library observes, each with the conversation it belongs
to. It opens nothing: ``ftwire_tools.captures.input_files`` reads files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, Literal, Protocol

from ftwire.conversation import Conversation
from ftwire.errors import (
    BadMagicError,
    BodyTooLargeError,
    NotACaptureError,
    TruncatedHeaderError,
    UnsupportedLinkError,
    WireError,
)
from ftwire.events import Observation, UndecodedObserved
from ftwire.frame import Role
from ftwire.header import HEADER_SIZE, MAGIC, Header
from ftwire.pcap import (
    Conflict,
    Data,
    Dissector,
    FlowClosed,
    FlowOpened,
    Late,
    MissingBytes,
    MissingReason,
    PacketReader,
    PacketSkipped,
)
from ftwire.protocols import Registry, registry
from ftwire.resync import UndecodedBytes
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire_tools.captures.embedded_key import embedded_keys
from ftwire_tools.captures.sighting import Talk

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire.pcap import Endpoint, Flow, Limits

__all__ = ["CLOSING", "NEITHER", "CaptureSource", "NothingFoundError", "RawSource", "Source", "open_source"]

ENOUGH_TO_TELL: Final = 4
"""Bytes that tell pcap, pcapng and gzip from everything else."""

NEITHER: Final = "neither a capture (pcap, pcapng, gzip of either) nor OpenD frames"

RAW_SEARCH_LIMIT: Final = 4 << 20
"""Bytes of a raw stream searched for its first frame: the user has said that there are some."""

CLOSING: Final = 1 << 60
"""A ``CaptureSource.moment`` behind every packet: from here on connections end because the capture does."""

ENDPOINTS: Final[tuple[Literal[0], Literal[1]]] = (0, 1)
"""By direction: an enum's ``value`` is a property, which takes as long as all the rest of a line here."""

Observed = tuple[Talk, Observation]


class NothingFoundError(Exception):
    """The input is neither a capture nor a stream of frames; the sentence says what it is instead."""


class Source(Protocol):
    """What gives observations for chunks of the input."""

    passed_over: dict[str, int]
    """Why packets that may have held frames could not be looked into, and how many."""
    refused: int
    """Packets of conversations with other bytes than came before in their place, or too late for it."""

    def feed(self, chunk: bytes) -> Iterator[Observed]:
        """Take the next bytes of the input. Raises ``CaptureError`` where it cannot be read any further."""
        ...

    def close(self) -> Iterator[Observed]:
        """Say that the input has ended. Raises ``CaptureError``, ``NothingFoundError`` or ``WireError``."""
        ...


def open_source(
    head: bytes,
    *,
    keys: Sequence[RsaKey] = (),
    max_body: int = DEFAULT_MAX_BODY,
    sender: Role | None = None,
    known: Registry = registry,
) -> Source:
    """Return the source for an input that starts with ``head``: all of it, or ``ENOUGH_TO_TELL`` bytes.

    ``sender`` is the side whose bytes a raw stream holds; without it, the content tells. ``known`` are the
    protocols to recognise and decode.
    """
    try:
        for _ in PacketReader().feed(head[:ENOUGH_TO_TELL]):
            pass
    except NotACaptureError:
        return RawSource(keys=keys, max_body=max_body, sender=sender, known=known)
    if len(head) < ENOUGH_TO_TELL:
        return RawSource(keys=keys, max_body=max_body, sender=sender, known=known)
    return CaptureSource(keys=keys, max_body=max_body, known=known)


class _Followed:
    """One TCP connection of the capture."""

    __slots__ = ("conversation", "flow", "talk")

    def __init__(self, flow: Flow, conversation: Conversation) -> None:
        self.flow = flow
        self.conversation = conversation
        self.talk: Talk | None = None


class CaptureSource:
    """A pcap or pcapng file, or gzip of either, with any number of connections in it.

    Keys that the file itself carries (``ftwire record --embed-key``) are tried after those given.

    Several sources can share the connections of one file, see ``wanted`` of ``ftwire.pcap.Dissector``. Sorted by
    ``moment``, their observations come in the order in which a single source gives them, as long as that one
    would have room for all connections together (``flows``, ``gave_up``).
    """

    def __init__(
        self,
        *,
        keys: Sequence[RsaKey] = (),
        max_body: int = DEFAULT_MAX_BODY,
        known: Registry = registry,
        conversation: type[Conversation] = Conversation,
        limits: Limits | None = None,
        wanted: Callable[[Endpoint, Endpoint], bool] | None = None,  # noqa: ARG002 - until export passes none
    ) -> None:
        """``conversation`` is what watches each connection: a subclass may make more of it."""
        self._dissector: Final = Dissector(limits)
        self._known: Final = known
        self._conversation: Final = conversation
        self._keys = keys
        self._max_body: Final = max_body
        self._followed: Final[dict[int, _Followed]] = {}
        self.passed_over: dict[str, int] = {}
        self.refused = 0
        self.moment = 0
        """Number of the packet that brought about what was observed last."""
        self.flows = 0
        """TCP connections begun so far."""
        self.gave_up = False
        """Bytes were given up because too many others were waiting."""
        self._opened: Final[dict[int, int]] = {}
        self._talks = 0
        self._secrets = 0

    def feed(self, chunk: bytes) -> Iterator[Observed]:
        """Take the next bytes of the file."""
        followed = self._followed
        for event in self._dissector.feed(chunk):
            if type(event) is Data:
                flow, direction, data, packet, time, _ = event
                if packet > self.moment:
                    # Bytes that had waited come behind those that they waited for, with lower numbers.
                    self.moment = packet
                one = followed.get(flow.index) or self._follow(flow)
                talk = one.talk
                for observation in one.conversation.receive(ENDPOINTS[direction], data, time, packet):
                    if talk is None:
                        talk = self._introduce(one)
                    yield talk, observation
            else:
                yield from self._other(event)

    def close(self) -> Iterator[Observed]:
        """Say that the file has ended."""
        for event in self._dissector.close():
            if not isinstance(event, PacketSkipped):
                # In the order in which they began.
                self.moment = CLOSING + self._opened.get(event.flow.index, 0)
            yield from self._other(event)

    def _other(self, event: object) -> Iterator[Observed]:
        if isinstance(event, MissingBytes | FlowClosed | FlowOpened) and event.packet_number > self.moment:
            self.moment = event.packet_number
        if type(event) is FlowOpened:
            self.flows += 1
            self._opened[event.flow.index] = event.packet_number
            return
        if type(event) is FlowClosed:
            self._opened.pop(event.flow.index, None)
        if type(event) is Data:
            one = self._followed.get(event.flow.index) or self._follow(event.flow)
            observations = one.conversation.receive(
                event.direction.value, event.data, event.time_ns, event.packet_number
            )
        elif type(event) is MissingBytes:
            self.gave_up |= event.reason is MissingReason.LIMIT
            one = self._followed.get(event.flow.index) or self._follow(event.flow)
            observations = one.conversation.skip(
                event.direction.value, event.length, event.time_ns, event.packet_number
            )
        elif isinstance(event, Conflict | Late):
            followed = self._followed.get(event.flow.index)
            if followed is not None and followed.talk is not None:
                self.refused += 1
            return
        elif type(event) is PacketSkipped and isinstance(event.error, UnsupportedLinkError):
            reason = str(event.error)
            self.passed_over[reason] = self.passed_over.get(reason, 0) + 1
            return
        elif type(event) is FlowClosed and event.flow.index in self._followed:
            one = self._followed.pop(event.flow.index)
            observations = one.conversation.close(event.time_ns, event.packet_number)
        else:
            return
        for observation in observations:
            yield one.talk or self._introduce(one), observation

    def _follow(self, flow: Flow) -> _Followed:
        secrets = self._dissector.secrets
        if len(secrets) > self._secrets:
            self._keys = [*self._keys, *embedded_keys(secrets[self._secrets :])]
            self._secrets = len(secrets)
        client: Literal[0] | None = 0 if flow.client_known else None
        conversation = self._conversation(keys=self._keys, client=client, known=self._known, max_body=self._max_body)
        made = self._followed[flow.index] = _Followed(flow, conversation)
        return made

    def _introduce(self, one: _Followed) -> Talk:
        """Number a connection that has turned out to be a conversation with OpenD."""
        self._talks += 1
        client, server = (one.flow.a, one.flow.b) if one.conversation.client == 0 else (one.flow.b, one.flow.a)
        one.talk = Talk(self._talks, str(one.conversation.transport), str(client), str(server))
        return one.talk


class RawSource:
    """The bytes that one side of one connection sent, as a socket gives them."""

    def __init__(
        self,
        *,
        keys: Sequence[RsaKey] = (),
        max_body: int = DEFAULT_MAX_BODY,
        sender: Role | None = None,
        known: Registry = registry,
    ) -> None:
        self._conversation: Final = Conversation(
            keys=keys,
            client=None if sender is None else 0 if sender is Role.CLIENT else 1,
            known=known,
            max_body=max_body,
            search_limit=RAW_SEARCH_LIMIT,
        )
        self._max_body: Final = max_body
        self._sender: Final = sender
        self._known: Final = known
        self.passed_over: dict[str, int] = {}
        self.refused = 0
        self._head = b""
        self._size = 0
        self._talk: Talk | None = None

    def feed(self, chunk: bytes) -> Iterator[Observed]:
        """Take the next bytes of the stream."""
        if len(self._head) < HEADER_SIZE:
            self._head += chunk[: HEADER_SIZE - len(self._head)]
        self._size += len(chunk)
        return self._with_talk(self._conversation.receive(0, chunk))

    def close(self) -> Iterator[Observed]:
        """Say that the stream has ended."""
        yield from self._with_talk(self._conversation.close())
        if self._talk is None:
            yield self._nothing_found()

    def _with_talk(self, observations: Iterator[Observation]) -> Iterator[Observed]:
        for observation in observations:
            if self._talk is None:
                self._talk = Talk(1, str(self._conversation.transport), "client", "server")
            yield self._talk, observation

    def _nothing_found(self) -> Observed:
        """Return what looks like a damaged frame as a gap; raise where nothing does."""
        if not self._size:
            raise NothingFoundError("empty: neither a capture nor OpenD frames")
        error = self._damage()
        if error is None:
            raise NothingFoundError(NEITHER)
        gap = UndecodedBytes(0, self._size, 0, truncated=True, error=error)
        return Talk(1, "tcp", "client", "server"), UndecodedObserved(gap, self._sender or Role.CLIENT, 0, 0)

    def _damage(self) -> WireError | None:
        """Say what keeps the stream from beginning with a frame, if it does begin like one."""
        head = self._head
        if not head.startswith(MAGIC) or int.from_bytes(head[2:6], "little") not in self._known:
            return None
        try:
            header = Header.decode(head)
        except (TruncatedHeaderError, BadMagicError) as error:
            return error
        return BodyTooLargeError(limit=self._max_body, actual=header.body_length, proto_id=header.proto_id)
