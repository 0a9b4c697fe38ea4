"""A capture file's packets, turned into the frames of numbered conversations.

A ``Dissector`` makes TCP streams of the packets, a ``ConversationObserver`` per connection finds frames in its two
streams. Connections in which none is found are never reported as conversations and take no number.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ftwire.body_columns import MAX_TIME
from ftwire.capture.account import Account
from ftwire.capture.dissected import (
    CollectedFrames,
    Conversation,
    ConversationClosed,
    ConversationOpened,
    Dissected,
    DissectedBytes,
    DissectedFrame,
    KeyNeeded,
    UnrecognisedConnection,
)
from ftwire.capture.embedded_key import embedded_keys
from ftwire.capture.kept import ConnectionHead, PendingBytes
from ftwire.conversation import ConversationObserver
from ftwire.errors import (
    CaptureError,
    ClosedTunnelError,
    CutPacketError,
    MemoryLimitError,
    NotACaptureError,
    SequenceError,
    UnsupportedCompressionError,
    UnsupportedLinkError,
)
from ftwire.events import FrameObserved, Observation, UndecodedObserved
from ftwire.frame import Role
from ftwire.header import MAGIC
from ftwire.observer import Observer
from ftwire.pcap import (
    CloseReason,
    Conflict,
    Data,
    Dissector,
    Flow,
    FlowClosed,
    FlowOpened,
    Late,
    Limits,
    MissingBytes,
    MissingReason,
    PacketSkipped,
)
from ftwire.pcap.ordering import CapturePart, OrderedPackets
from ftwire.pcap.reader import RecordSource
from ftwire.resemblance import PORTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftwire.body_columns import BodyColumns
    from ftwire.cipher import RsaKey
    from ftwire.conversation import End
    from ftwire.pcap import Event
    from ftwire.protocols import Registry

__all__ = ["PacketFrames", "report_of"]

PROGRESS: Final = 64 * 1024
"""Bytes of a capture after which progress is reported."""

# Reading the value of an enum's member takes as long as the rest of the loop that reads it.
_ENDPOINTS: Final[tuple[End, End]] = (0, 1)
_MAKE: Final = tuple.__new__

PacketSource: TypeAlias = RecordSource | CapturePart | OrderedPackets
"""Where packets come from."""

# Bytes of memory for each byte of a file, at most: a request without a body takes 44 bytes of the file, and kept until
# it is answered a thousand bytes of memory.
_GROWTH: Final = 24
# Conversations that have ended and may go on.
_MOST_ENDED: Final = 256


class _Connection:
    """One TCP connection of the capture."""

    __slots__ = (
        "conversation",
        "cut",
        "flow",
        "head",
        "is_other",
        "observer",
        "opened_ns",
        "pending",
        "receive",
        "senders",
        "server",
        "tcp",
    )

    def __init__(
        self, flow: Flow, opened_ns: int, observer: ConversationObserver, *, keep_bytes: bool, is_other: bool
    ) -> None:
        self.flow: Final = flow
        self.opened_ns: Final = opened_ns
        self.observer: Final = observer
        # Where the bytes of each direction go, and their sender as it is called there: to the search for frames, and
        # once that has a result to the observer that it has made.
        self.receive: Callable[..., list[Observation]] = observer.receive
        self.senders: tuple[End, End] | tuple[Role, Role] = _ENDPOINTS
        # Once it is recognised, on TCP: which end the server is, and what observes it.
        self.server: End | None = None
        self.tcp: Observer | None = None
        self.conversation: Conversation | None = None
        self.is_other: Final = is_other  # by its first bytes it is no conversation with OpenD
        self.cut = 0  # cut packets, as long as it is not recognised
        self.head: Final = ConnectionHead() if keep_bytes else None
        self.pending: Final = (PendingBytes(), PendingBytes()) if keep_bytes else None

    def keep(self, endpoint: int, data: bytes, time: int, packet: int) -> None:
        """Keep what an endpoint sent, as long as a report may need it."""
        if self.head is not None and self.pending is not None:
            observer = self.observer
            if observer.settled and observer.transport is None and observer.resemblance is None:
                # Another protocol, as most connections of a capture.
                self.head.clear()
            elif self.conversation is None:
                self.head.add(endpoint, data, time, packet)
            if not observer.settled or observer.transport == "tcp":
                self.pending[endpoint].add(data)

    @property
    def memory(self) -> int:
        """Bytes of memory, about, that is held for what is to come."""
        memory = self.observer.memory
        if self.head is not None and self.pending is not None:
            memory += self.head.memory + sum(each.memory for each in self.pending)
        return memory

    def give_up(self, error: MemoryLimitError, time: int, packet: int) -> list[Observation]:
        """Give up what takes memory."""
        if self.head is not None and self.pending is not None:
            self.head.clear()
            for each in self.pending:
                each.forget()
        return self.observer.give_up(error, time, packet)

    def take(self, sender: Role, size: int) -> bytes:
        """Return the next bytes of this side that were kept."""
        if self.pending is None:
            return b""
        client = self.observer.client or 0
        return self.pending[client if sender is Role.CLIENT else 1 - client].take(size)


def report_of(
    account: Account, conversation: Conversation, observation: Observation, data: bytes, ended: CloseReason | None
) -> Dissected:
    """Count an observation, and return it as a report. ``data`` and ``ended`` are those of ``DissectedBytes``."""
    if isinstance(observation, FrameObserved):
        account.frames += 1
        return DissectedFrame(account.frames, conversation, observation)
    if isinstance(observation, UndecodedObserved):
        undecoded = observation.undecoded
        account.undecoded_bytes += undecoded.length - undecoded.missing
        account.missing_bytes += undecoded.missing
        return DissectedBytes(conversation, observation, data, ended)
    account.without_key += 1
    return KeyNeeded(conversation, observation)


def _begins_otherwise(data: bytes) -> bool:
    """Return whether no conversation begins with these bytes, neither with a frame nor with a WebSocket's request."""
    return not any(data.startswith(start[: len(data)]) for start in (MAGIC, b"GET "))


class PacketFrames:
    """What is reported of a pcap or pcapng file, compressed or not."""

    def __init__(
        self,
        account: Account,
        *,
        keys: Sequence[RsaKey],
        max_body: int,
        registry: Registry,
        limits: Limits | None,
        keep_bytes: bool,
        columns: BodyColumns | None,
        refusal: str,
    ) -> None:
        """``refusal`` is put in front of the reason why an input is no capture file."""
        self._columns: Final = columns
        self._account: Final = account
        self._keys = keys
        self._max_body: Final = max_body
        self._registry: Final = registry
        self._keep_bytes: Final = keep_bytes
        self._refusal: Final = refusal
        self._source: Final = RecordSource(limits or Limits(), segments=True)  # of the bytes that are fed
        self._packets: PacketSource = self._source
        self._dissector: Final = Dissector(limits)
        self._dissector.take([])  # which has no file of its own
        self._opened: Final[dict[int, int]] = {}  # connections without data: when each began
        self._connections: Final[dict[int, _Connection]] = {}
        # Conversations that have ended, newest last: a few may go on, see ``Flow.continues``.
        self._ended: Final[OrderedDict[int, _Connection]] = OrderedDict()
        self._secrets = 0
        self._max_memory: Final = (limits or Limits()).max_memory
        self._measure_at = self._max_memory // _GROWTH

    def feed(self, chunk: bytes) -> Iterator[Dissected]:
        """Take the next bytes of the file. Raises ``CaptureError``."""
        self._source.feed(chunk)
        return self._reports(self._source)

    def read(
        self, packets: CapturePart | OrderedPackets, progress: Callable[[int], None] | None = None
    ) -> Iterator[Dissected]:
        """Take all packets of a capture instead of bytes, and settle what waits at their end.

        A ``CapturePart`` is one whose packets are in order. Raises ``CaptureError`` after everything was reported, and
        ``OSError``.
        """
        if isinstance(packets, CapturePart):
            self._dissector.expect_order()
        return self._reports(packets, progress, to_end=True)

    def _reports(
        self, packets: PacketSource, progress: Callable[[int], None] | None = None, *, to_end: bool = False
    ) -> Iterator[Dissected]:
        """Report what follows from packets; with ``to_end``, from their end, too."""
        connections, account, keep_bytes = self._connections, self._account, self._keep_bytes
        columns = None if keep_bytes else self._columns
        self._packets = packets
        done = collected = 0
        latest: tuple[Conversation, int] | None = None
        try:
            for batch in packets.batches():
                events = self._dissector.take(batch)
                for event in events:
                    if type(event) is not Data:
                        yield from self._other(event)
                        continue
                    flow, direction, data, packet, time, _ = event
                    connection = connections.get(flow.index) or self._follow(event)
                    conversation = connection.conversation
                    if keep_bytes:
                        connection.keep(direction, data, time, packet)
                    elif (
                        columns is not None
                        and (tcp := connection.tcp) is not None
                        and conversation is not None
                        and direction == connection.server
                        and not tcp.unconfirmed
                        and -MAX_TIME <= time <= MAX_TIME
                    ):
                        count = tcp.from_server.read_into(columns, data, account.frames + 1, conversation.number, time)
                        if count:
                            account.frames += count
                            collected += count
                            latest = conversation, time
                        if tcp.from_server.buffer.lacking > 0:
                            continue
                        data = b""  # what is left is there already
                    for observation in connection.receive(connection.senders[direction], data, time, packet):
                        if type(observation) is FrameObserved and conversation is not None and not keep_bytes:
                            number = account.frames = account.frames + 1
                            yield _MAKE(DissectedFrame, (number, conversation, observation))
                        else:
                            yield from self._report(connection, observation)
                            conversation = connection.conversation
                if events and packets.offset >= self._measure_at:
                    yield from self._make_room(events[-1], packets.offset)
                if progress is not None and packets.position - done >= PROGRESS:
                    done = packets.position
                    progress(done)
                if latest is not None:
                    yield CollectedFrames(collected, *latest)
                    collected = 0
            if to_end:
                yield from self._settle()
                if packets.damage is not None:
                    raise packets.damage
        except UnsupportedCompressionError as error:
            account.damage = error
            raise
        except NotACaptureError as error:
            account.damage = NotACaptureError(f"{self._refusal}{error}")
            raise account.damage from None
        except CaptureError as error:
            account.damage = error
            raise
        finally:
            account.late_packets = self._dissector.late_packets

    def close(self) -> Iterator[Dissected]:
        """Settle what waits, at the end of the bytes. Raises ``CaptureError`` after everything was reported."""
        if self._source.damage is None:
            yield from self._reports(self._source)
        yield from self._settle()
        try:
            self._source.close()
        except CaptureError as error:
            self._account.damage = error
            raise

    def _settle(self) -> Iterator[Dissected]:
        for event in self._dissector.close():
            yield from self._other(event)

    def _other(self, event: Event) -> Iterator[Dissected]:
        """Report what follows from an event."""
        ended: CloseReason | None = None
        observations: Any
        if isinstance(event, Data):
            # Bytes that waited for earlier ones until the end of the file.
            connection = self._connections.get(event.flow.index) or self._follow(event)
            endpoint = _ENDPOINTS[event.direction]
            if self._keep_bytes:
                connection.keep(endpoint, event.data, event.time_ns, event.packet_number)
            observations = connection.observer.receive(endpoint, event.data, event.time_ns, event.packet_number)
        elif isinstance(event, MissingBytes):
            connection = self._connections.get(event.flow.index) or self._follow(event)
            if event.reason is MissingReason.SNAPPED:
                self._count_cut(connection)
            observations = connection.observer.skip(
                _ENDPOINTS[event.direction], event.length, event.time_ns, event.packet_number
            )
        elif isinstance(event, FlowClosed) and event.flow.index in self._connections:
            connection = self._connections[event.flow.index]
            ended = event.reason
            observations = connection.observer.close(event.time_ns, event.packet_number)
        else:
            self._count(event)
            return
        for observation in observations:
            yield from self._report(connection, observation, ended)
        if isinstance(event, FlowClosed):
            del self._connections[event.flow.index]
            yield from self._closed(connection, event)

    def _count(self, event: Event) -> None:
        """Count an event from which no report follows."""
        account = self._account
        if isinstance(event, FlowOpened):
            self._opened[event.flow.index] = event.time_ns
        elif isinstance(event, FlowClosed):
            self._opened.pop(event.flow.index, None)
            account.other_connections += 1
        elif isinstance(event, Conflict | Late):
            connection = self._connections.get(event.flow.index)
            if connection is not None and connection.conversation is not None:
                account.refused_packets += 1
        elif isinstance(event, PacketSkipped):
            if isinstance(event.error, SequenceError) and self._is_conversation(event.flow):
                account.misplaced_bytes += event.error.length
                account.refused_controls += not event.error.length
                return
            if isinstance(event.error, UnsupportedLinkError):
                reason = str(event.error)
                account.unsupported_links[reason] = account.unsupported_links.get(reason, 0) + 1
                return
            account.other_packets += 1
            if isinstance(event.error, CutPacketError):
                account.cut_packets += 1
            elif isinstance(event.error, ClosedTunnelError):
                tunnel = event.error.tunnel
                account.closed_tunnels[tunnel] = account.closed_tunnels.get(tunnel, 0) + 1

    def _is_conversation(self, flow: Flow | None) -> bool:
        """Return whether a connection, which may have ended, is a conversation with OpenD."""
        if flow is None:
            return False
        connection = self._connections.get(flow.index)
        return flow.index in self._ended or (connection is not None and connection.conversation is not None)

    def _make_room(self, event: Event, offset: int) -> Iterator[Dissected]:
        """Measure the memory that everything takes which waits; where it is too much, give up the largest."""
        limit = self._max_memory
        sizes = [(connection.memory, index) for index, connection in self._connections.items()]
        total = self._dissector.memory + sum(size for size, _ in sizes)
        ended = sum(connection.memory for connection in self._ended.values())
        if total + ended > limit:
            self._ended.clear()
        else:
            total += ended
        if total > limit:
            error = MemoryLimitError(limit)
            sizes.sort()
            while sizes and total > limit - limit // 4:
                size, index = sizes.pop()
                connection = self._connections[index]
                self._account.given_up += 1
                for observation in connection.give_up(error, event.time_ns, event.packet_number):
                    yield from self._report(connection, observation)
                total += connection.memory - size
        # It cannot grow faster than the file is read, by a factor; measuring again after that is seldom enough to cost
        # nothing: behind a sixteenth of the limit at least.
        self._measure_at = offset + max(limit - total, limit // 4) // _GROWTH

    def _count_cut(self, connection: _Connection) -> None:
        """Count a packet of this connection that lacks a part of its payload, now or once it is recognised."""
        if connection.conversation is None:
            connection.cut += 1
        else:
            self._account.cut_packets += 1

    def _follow(self, event: Data | MissingBytes) -> _Connection:
        """Begin to watch a connection: its first bytes have come, or are missing."""
        flow = event.flow
        before = None if flow.continues is None else self._ended.pop(flow.continues, None)
        if before is not None:
            connection = _Connection(
                flow, self._opened.pop(flow.index), before.observer, keep_bytes=self._keep_bytes, is_other=False
            )
            self._connections[flow.index] = connection
            return connection
        is_other = isinstance(event, Data) and flow.client_known and not event.offset and _begins_otherwise(event.data)
        secrets = self._packets.secrets
        if len(secrets) > self._secrets:
            self._keys = [*self._keys, *embedded_keys(secrets[self._secrets :])]
            self._secrets = len(secrets)
        observer = ConversationObserver(
            keys=self._keys,
            client=0 if flow.client_known else None,
            registry=self._registry,
            max_body=self._max_body,
        )
        opened_ns = self._opened.pop(flow.index)
        connection = _Connection(flow, opened_ns, observer, keep_bytes=self._keep_bytes, is_other=is_other)
        self._connections[flow.index] = connection
        return connection

    def _report(
        self, connection: _Connection, observation: Observation, ended: CloseReason | None = None
    ) -> Iterator[Dissected]:
        conversation = connection.conversation
        if conversation is None:
            opened = self._introduce(connection)
            conversation = opened.conversation
            yield opened
        data = b""
        if self._keep_bytes and conversation.transport == "tcp":
            if isinstance(observation, FrameObserved):
                connection.take(observation.sender, len(observation.frame))
            elif isinstance(observation, UndecodedObserved):
                undecoded = observation.undecoded
                data = connection.take(observation.sender, undecoded.length - undecoded.missing)
        yield report_of(self._account, conversation, observation, data, ended)

    def _introduce(self, connection: _Connection) -> ConversationOpened:
        """Number a connection that has turned out to be a conversation with OpenD."""
        flow, observer = connection.flow, connection.observer
        client, server = (flow.a, flow.b) if observer.client == 0 else (flow.b, flow.a)
        self._account.conversations += 1
        self._account.cut_packets += connection.cut
        conversation = Conversation(self._account.conversations, str(observer.transport), str(client), str(server))
        connection.conversation = conversation
        if observer.observer is not None:
            connection.receive = observer.observer.receive
            connection.senders = (Role.CLIENT, Role.SERVER) if observer.client == 0 else (Role.SERVER, Role.CLIENT)
        if isinstance(observer.observer, Observer):
            connection.server = 1 if observer.client == 0 else 0
            connection.tcp = observer.observer
        if connection.head is not None and connection.pending is not None:
            connection.head.clear()
            if observer.transport != "tcp":
                for each in connection.pending:
                    each.clear()
        return ConversationOpened(conversation, client, server, flow.client_known, connection.opened_ns)

    def _closed(self, connection: _Connection, event: FlowClosed) -> Iterator[Dissected]:
        conversation, flow = connection.conversation, connection.flow
        if conversation is not None:
            self._ended[flow.index] = connection
            if len(self._ended) > _MOST_ENDED:
                self._ended.popitem(last=False)
            yield ConversationClosed(conversation, event.reason, event.time_ns, event.packet_number)
            return
        self._account.other_connections += 1
        if not connection.is_other:
            self._account.cut_packets += connection.cut
        resemblance = connection.observer.resemblance
        if connection.cut:
            # The capture lacks what may have been frames. That is counted already, and no mistake of the two sides.
            return
        if resemblance is None or not (resemblance.is_certain or PORTS & {flow.a.port, flow.b.port}):
            return
        self._account.unrecognised += 1
        sent = () if connection.head is None else connection.head.sent()
        sizes = connection.observer.received
        client, server = flow.a, flow.b
        if not flow.client_known and client.port in PORTS and server.port not in PORTS:
            client, server = server, client
            sent = tuple(each._replace(sender=each.sender.peer) for each in sent)
            sizes = sizes[::-1]
        yield UnrecognisedConnection(
            Conversation(0, "unknown", str(client), str(server)),
            flow.client_known,
            sent,
            event.reason,
            event.time_ns,
            event.packet_number,
            resemblance.reason,
            sizes,
        )
