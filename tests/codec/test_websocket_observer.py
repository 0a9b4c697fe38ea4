"""WebSocket conversations as the package ``websockets`` speaks them, watched from the side."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from ftwire.events import FrameObserved, KeyMissing, Observation, UndecodedObserved
from ftwire.frame import Kind, Role
from ftwire.resync import UndecodedBytes
from ftwire.websocket import DISCONNECTED, INIT, BadEnvelope, Envelope
from ftwire.websocket_observer import WebSocketObserver
from ftwire.websocket_resync import WebSocketResyncDecoder

Wire = list[tuple[Role, bytes]]
"""What each side sent, in order."""


class Peers:
    """Both ends of one connection, upgraded; ``wire`` is what was sent so far."""

    def __init__(
        self,
        *,
        compress: bool = False,
        client_takeover: bool = True,
        server_takeover: bool = True,
        window_bits: int | None = None,
    ) -> None:
        self.wire: Wire = []
        offers = accepts = None
        if compress:
            offers = [
                ClientPerMessageDeflateFactory(
                    server_no_context_takeover=not server_takeover,
                    client_no_context_takeover=not client_takeover,
                    server_max_window_bits=window_bits,
                    client_max_window_bits=window_bits or True,
                )
            ]
            accepts = [
                ServerPerMessageDeflateFactory(
                    server_no_context_takeover=not server_takeover,
                    client_no_context_takeover=not client_takeover,
                    server_max_window_bits=window_bits,
                    client_max_window_bits=window_bits,
                )
            ]
        self.client = ClientProtocol(parse_uri("ws://127.0.0.1:33333/"), extensions=offers, max_size=None)
        self.server = ServerProtocol(extensions=accepts, max_size=None)
        self.client.send_request(self.client.connect())
        self._carry(Role.CLIENT)
        (request,) = self.server.events_received()
        self.server.send_response(self.server.accept(request))  # type: ignore[arg-type]
        self._carry(Role.SERVER)
        self.client.events_received()
        assert bool(self.client.extensions) is compress
        self.upgrade = len(self.wire)

    def _carry(self, sender: Role) -> None:
        source, target = (self.client, self.server) if sender is Role.CLIENT else (self.server, self.client)
        data = b"".join(source.data_to_send())
        target.receive_data(data)
        self.wire.append((sender, data))

    def send(self, envelope: Envelope, parts: int = 1) -> None:
        """Send an envelope as one message, in as many frames."""
        self.send_message(envelope.encode(), envelope.sender, parts)

    def send_message(self, data: bytes, sender: Role, parts: int = 1) -> None:
        """Send any binary message."""
        side = self.client if sender is Role.CLIENT else self.server
        size = -(-len(data) // parts) or 1
        pieces = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
        for number, piece in enumerate(pieces):
            final = number == len(pieces) - 1
            if number:
                side.send_continuation(piece, final)
                if not final:
                    side.send_ping(b"between")
            else:
                side.send_binary(piece, final)
        self._carry(sender)

    def ping(self, sender: Role) -> None:
        """Send a ping; the other side's pong goes with whatever it sends next."""
        (self.client if sender is Role.CLIENT else self.server).send_ping(b"beat")
        self._carry(sender)

    def end(self) -> None:
        """Close from the client."""
        self.client.send_close(1000)
        self._carry(Role.CLIENT)
        self._carry(Role.SERVER)


def exchange(requests: Sequence[tuple[int, bytes, bytes]]) -> list[Envelope]:
    """Return requests of these (command, body, reply body), each with its reply and a push, in order."""
    made = []
    for section, (command, asked, answered) in enumerate(requests, 2):
        made.append(Envelope.build(command, section, asked, sender=Role.CLIENT))
        made.append(Envelope.build(command, section, answered, sender=Role.SERVER))
        made.append(Envelope.build(3009, 0, answered, sender=Role.SERVER))
    return made


WORDS = [b"security", b"HK.00700", b"US.AAPL", b"timeShare", bytes(40), b"0123456789"]
BODIES = st.lists(st.sampled_from(WORDS), max_size=60).map(b"".join) | st.binary(max_size=300)
REQUESTS = st.lists(st.tuples(st.sampled_from([1, 3001, 3008, 9999]), BODIES, BODIES), min_size=1, max_size=5)
SETTINGS = st.fixed_dictionaries(
    {
        "compress": st.booleans(),
        "client_takeover": st.booleans(),
        "server_takeover": st.booleans(),
        "window_bits": st.none() | st.integers(9, 15),
    }
)


def observe(wire: Iterable[tuple[Role, bytes]], observer: WebSocketObserver | None = None) -> list[Observation]:
    """Show an observer a whole conversation; the packet number is the position, the time ten times that."""
    watching = observer or WebSocketObserver()
    seen: list[Observation] = []
    for number, (sender, data) in enumerate(wire):
        seen += watching.receive(sender, data, 10 * number, number)
    return seen + list(watching.close())


def frames(seen: Iterable[Observation]) -> list[FrameObserved]:
    return [item for item in seen if isinstance(item, FrameObserved)]


def envelopes(seen: Iterable[Observation]) -> list[object]:
    return [item.frame for item in frames(seen)]


def undecoded(seen: Iterable[Observation]) -> list[tuple[UndecodedBytes, Role]]:
    return [(item.undecoded, item.sender) for item in seen if isinstance(item, UndecodedObserved)]


def in_pieces(wire: Wire, size: int) -> Wire:
    return [(sender, data[at : at + size]) for sender, data in wire for at in range(0, len(data), size)]


def binary(data: bytes, sender: Role = Role.SERVER, *, compressed: bool = False) -> bytes:
    frame = WebSocketFrame(Opcode.BINARY, data).serialize(mask=sender is Role.CLIENT)
    return bytes((frame[0] | 0x40 * compressed,)) + frame[1:]


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def reply(section: int, body: bytes = b"body", command: int = 3008) -> Envelope:
    return Envelope.build(command, section, body, sender=Role.SERVER)


def request(section: int, body: bytes = b"body", command: int = 3008) -> Envelope:
    return Envelope.build(command, section, body, sender=Role.CLIENT)


def message(envelope: Envelope) -> tuple[Role, bytes]:
    return envelope.sender, binary(envelope.encode(), envelope.sender)


HEADS: Wire = [
    (Role.CLIENT, b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    (Role.SERVER, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
]


@settings(deadline=None)
@given(requests=REQUESTS, options=SETTINGS, parts=st.integers(1, 4), size=st.sampled_from([1, 2, 7, 100, 1 << 20]))
def test_every_envelope_passes_by_whatever_is_agreed_and_however_it_is_cut(
    requests: list[tuple[int, bytes, bytes]], options: dict[str, bool], parts: int, size: int
) -> None:
    peers = Peers(**options)
    sent = exchange(requests)
    for envelope in sent:
        peers.send(envelope, parts)
        peers.ping(envelope.sender.peer)
    peers.end()
    seen = observe(in_pieces(peers.wire, size))
    assert envelopes(seen) == sent
    assert undecoded(seen) == []


def test_replies_are_paired_with_their_requests_by_section() -> None:
    first, second = request(2), request(3)
    wire = [*HEADS, *map(message, (first, second, reply(3), reply(2), reply(2)))]
    seen = frames(observe(wire))
    assert [(item.kind, item.request, item.latency, item.time, item.packet) for item in seen] == [
        (Kind.REQUEST, None, None, 20, 2),
        (Kind.REQUEST, None, None, 30, 3),
        (Kind.RESPONSE, second, 10, 40, 4),
        (Kind.RESPONSE, first, 30, 50, 5),
        (Kind.RESPONSE, None, None, 60, 6),
    ]
    assert {item.encryption for item in seen} == {"none"}


def test_pushes_are_known_by_command_or_by_a_section_nobody_asked_with() -> None:
    sent = [request(2, command=9999), reply(2, command=9999), reply(2, command=9999), reply(7, command=DISCONNECTED)]
    wire = [*HEADS, *map(message, sent)]
    assert [item.kind for item in frames(observe(wire))] == [Kind.REQUEST, Kind.RESPONSE, Kind.PUSH, Kind.PUSH]
    # Joined later, the request may only not have been seen.
    assert [item.kind for item in frames(observe(wire[3:]))] == [Kind.RESPONSE, Kind.RESPONSE, Kind.PUSH]


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nupgrade: WebSocket\r\nCONNECTION: keep-alive, upgrade\r\n\r\n",
        b"GET /path?x=1 HTTP/1.1\nUpgrade:websocket\nConnection:Upgrade\n\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 8000 + b"\r\nUpgrade : h2c, websocket\r\n\r\n",
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_heads_of_many_styles_pass(head: bytes, size: int) -> None:
    sent = request(2)
    wire = [(Role.CLIENT, head + binary(sent.encode(), Role.CLIENT)), HEADS[1]]
    seen = observe(in_pieces(wire, size))
    assert envelopes(seen) == [sent]
    assert undecoded(seen) == []


def test_a_refused_upgrade_and_one_that_follows_it() -> None:
    refused = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nno!\n"
    wire = [HEADS[0], (Role.SERVER, refused), *HEADS, (Role.SERVER, binary(reply(2).encode()))]
    seen = observe(wire)
    assert envelopes(seen) == [reply(2)]
    assert [part.missing for part, _ in undecoded(seen)] == [0, 0]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (binary(b"not ft"), "here is 6e6f74206674"),
        (binary(b""), "here is nothing"),
        (WebSocketFrame(Opcode.TEXT, b"hello").serialize(mask=False), "a text message, envelopes are binary"),
        (binary(b"\xff\xff\xff", compressed=True), "cannot be inflated"),
        (binary(deflated(bytes(50_000)), compressed=True), "cannot be inflated"),
    ],
)
def test_a_message_that_is_no_envelope_stands_where_it_stood(sent: bytes, reason: str) -> None:
    good = reply(2)
    wire = [*HEADS, (Role.SERVER, sent + binary(good.encode()))]
    seen = observe(wire, WebSocketObserver(max_body=100))
    bad, after = envelopes(seen)
    assert after == good
    assert undecoded(seen) == []
    assert isinstance(bad, BadEnvelope)
    assert reason in str(bad.error)


def test_a_body_above_the_limit_is_a_bad_envelope() -> None:
    large = request(2, bytes(101))
    (bad,) = envelopes(
        observe([HEADS[0], (Role.CLIENT, binary(large.encode(), Role.CLIENT))], WebSocketObserver(max_body=100))
    )
    assert isinstance(bad, BadEnvelope)
    assert str(bad.error) == "a body of 101 bytes, the limit is 100"
    assert bad.payload == large.encode()


def test_a_message_in_small_parts_above_the_limit_is_given_up_and_the_next_is_read() -> None:
    parts = [WebSocketFrame(Opcode.BINARY if n == 0 else Opcode.CONT, bytes(60), fin=n == 5) for n in range(6)]
    data = b"".join(part.serialize(mask=False) for part in parts)
    seen = observe([*HEADS, (Role.SERVER, data + binary(reply(2).encode()))], WebSocketObserver(max_body=100))
    bad, good = envelopes(seen)
    assert isinstance(bad, BadEnvelope)
    assert good == reply(2)
    assert [(part.length, part.truncated) for part, _ in undecoded(seen)] == [(3 * 62, False)]


def test_a_frame_above_the_limit_is_passed_over() -> None:
    seen = observe(
        [*HEADS, (Role.SERVER, binary(bytes(500)) + binary(reply(2).encode()))], WebSocketObserver(max_body=100)
    )
    assert envelopes(seen) == [reply(2)]
    assert [part.length for part, _ in undecoded(seen)] == [504]


def test_a_block_marked_last_ends_no_more_than_its_message() -> None:
    # RFC 7692, 7.2.3.4: a message may end in a block with BFINAL set, followed by an empty one.
    packer = zlib.compressobj(9, wbits=-15)
    final = packer.compress(reply(2).encode()) + packer.flush(zlib.Z_FINISH) + b"\0"
    wire = [
        *HEADS,
        (Role.SERVER, binary(final, compressed=True) + binary(deflated(reply(3).encode()), compressed=True)),
    ]
    assert envelopes(observe(wire)) == [reply(2), reply(3)]


@pytest.mark.parametrize("sender", list(Role))
@pytest.mark.parametrize("cut", [0, 1, 3, 17])
def test_a_conversation_joined_in_the_middle_is_found(sender: Role, cut: int) -> None:
    make = reply if sender is Role.SERVER else request
    stream = b"".join(binary(make(section).encode(), sender) for section in range(2, 6))
    seen = observe(in_pieces([(sender, stream[cut:])], 5))
    expected = [make(section) for section in range(3 if cut else 2, 6)]
    assert envelopes(seen) == expected
    whole = len(binary(make(2).encode(), sender))
    assert undecoded(seen) == ([(UndecodedBytes(0, whole - cut, 0, False), sender)] if cut else [])


@settings(deadline=None)
@given(
    before=st.lists(
        st.sampled_from(
            [b"\x02", b"\x82", b"\x42", b"\xc2", b"\x7e", b"\x7f", b"\xfe", b"\xff\0\0\0\0", b"\x94", b"\x4a", b"f"]
        ),
        max_size=30,
    ).map(b"".join),
    length=st.sampled_from([0, 70, 90, 200, 70_000]),
    compressed=st.booleans(),
    sender=st.sampled_from(Role),
    size=st.sampled_from([1, 9, 1 << 20]),
    after=st.binary(max_size=40),
)
def test_what_looks_like_headers_hides_no_envelope_behind_it(
    before: bytes, length: int, compressed: bool, sender: Role, size: int, after: bytes
) -> None:
    make = reply if sender is Role.SERVER else request
    sent = make(5, WORDS[1] * (length // 8))
    data = deflated(sent.encode()) if compressed else sent.encode()
    size = max(size, length // 100 + 1)
    seen = observe(in_pieces([(sender, before + binary(data, sender, compressed=compressed) + after)], size))
    assert sent in envelopes(seen)
    assert sum(part.length for part, _ in undecoded(seen)[:1]) >= len(before)


def streamed(options: dict[str, bool], sender: Role, count: int) -> tuple[bytes, list[bytes], list[Envelope]]:
    """Return the head of ``sender``, its messages as frames, and the envelopes in them."""
    peers = Peers(**options)
    make = reply if sender is Role.SERVER else request
    sent = [make(section, WORDS[section % 6] * 5) for section in range(2, 2 + count)]
    for envelope in sent:
        peers.send(envelope)
    own = [data for side, data in peers.wire if side is sender]
    return own[0], own[1:], sent


@settings(deadline=None)
@given(
    options=SETTINGS,
    sender=st.sampled_from(Role),
    hole=st.tuples(st.integers(0, 600), st.integers(1, 300)),
    size=st.sampled_from([1, 13, 1 << 20]),
)
def test_a_hole_costs_what_it_must_and_nothing_is_read_wrongly(
    options: dict[str, bool], sender: Role, hole: tuple[int, int], size: int
) -> None:
    head, messages, sent = streamed(options, sender, 8)
    stream = b"".join(messages)
    start, end = min(hole[0], len(stream)), min(sum(hole), len(stream))
    observer = WebSocketObserver()
    seen = list(observer.receive(sender, head))
    for at in range(0, start, size):
        seen += observer.receive(sender, stream[at : min(at + size, start)])
    seen += observer.skip(sender, end - start)
    for at in range(end, len(stream), size):
        seen += observer.receive(sender, stream[at : at + size])
    seen += observer.close()

    ends = [sum(map(len, messages[: n + 1])) for n in range(8)]
    begins = [0, *ends[:-1]]
    untouched = [
        envelope
        for envelope, begin, stop in zip(sent, begins, ends, strict=True)
        if stop <= start or begin >= end or start == end
    ]
    good = [item for item in envelopes(seen) if not isinstance(item, BadEnvelope)]
    takeover = options["client_takeover" if sender is Role.CLIENT else "server_takeover"]
    if options["compress"] and takeover:
        assert good[: sum(stop <= start for stop in ends)] == sent[: sum(stop <= start for stop in ends)]
        assert all(item in untouched for item in good)
    else:
        assert good == untouched
    assert sum(part.missing for part, _ in undecoded(seen)) == end - start


def test_a_hole_within_a_frame_keeps_the_step_even_where_nothing_can_be_inflated() -> None:
    options = {"compress": True, "client_takeover": True, "server_takeover": True}
    head, messages, sent = streamed(options, Role.SERVER, 4)
    observer = WebSocketObserver()
    seen = list(observer.receive(Role.SERVER, head + messages[0] + messages[1][:4]))
    seen += observer.skip(Role.SERVER, 2)
    seen += observer.receive(Role.SERVER, messages[1][6:] + messages[2] + messages[3])
    first, *rest = envelopes(seen)
    assert first == sent[0]
    assert len(rest) == 2
    assert isinstance(rest[0], BadEnvelope)
    assert "may refer to messages that are missing" in str(rest[0].error)
    offset = len(head + messages[0])
    assert undecoded(seen) == [(UndecodedBytes(offset, len(messages[1]), 2, False), Role.SERVER)]


def test_a_stream_cut_within_a_frame_ends_in_a_truncated_gap() -> None:
    data = binary(reply(2).encode())
    seen = observe([*HEADS, (Role.SERVER, data + data[:30])])
    assert [part for part, _ in undecoded(seen)] == [UndecodedBytes(len(HEADS[1][1] + data), 30, 0, True)]


def test_missing_bytes_in_a_message_of_several_frames_take_all_of_it() -> None:
    whole = reply(2, bytes(100)).encode()
    parts = [
        WebSocketFrame(Opcode.BINARY, whole[:50], fin=False).serialize(mask=False),
        WebSocketFrame(Opcode.CONT, whole[50:100], fin=False).serialize(mask=False),
        WebSocketFrame(Opcode.CONT, whole[100:]).serialize(mask=False),
    ]
    observer = WebSocketObserver()
    seen = list(observer.receive(Role.SERVER, HEADS[1][1] + parts[0] + parts[1][:10]))
    seen += observer.skip(Role.SERVER, 20)
    seen += observer.receive(Role.SERVER, parts[1][30:] + parts[2] + binary(reply(3).encode()))
    assert envelopes(seen) == [reply(3)]
    assert undecoded(seen) == [(UndecodedBytes(len(HEADS[1][1]), sum(map(len, parts)), 20, False), Role.SERVER)]


@settings(deadline=None)
@given(
    options=SETTINGS,
    changes=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), min_size=1, max_size=8),
    size=st.sampled_from([1, 50, 1 << 20]),
    sender=st.sampled_from(Role),
)
def test_damaged_streams_give_observations_and_account_for_every_byte(
    options: dict[str, bool], changes: list[tuple[int, int]], size: int, sender: Role
) -> None:
    head, messages, _ = streamed(options, sender, 5)
    stream = bytearray(head + b"".join(messages))
    for at, value in changes:
        stream[at % len(stream)] = value
    seen = observe(in_pieces([(sender, bytes(stream))], size))
    end = 0
    for part, _ in undecoded(seen):
        assert part.offset >= end
        end = part.offset + part.length
    assert end <= len(stream)


@settings(deadline=None)
@given(
    data=st.binary(max_size=300),
    start=st.sampled_from([b"", b"GET ", b"HTTP/1.1 101\r\n\r\n", b"\xc2\x7e", b"\x82\xff"]),
)
def test_any_bytes_at_all_give_observations(data: bytes, start: bytes) -> None:
    for sender in Role:
        end = 0
        for item in observe([(sender, start + data)]):
            assert not isinstance(item, KeyMissing)
            assert item.sender is sender
            if isinstance(item, UndecodedObserved):
                assert end <= item.undecoded.offset
                end = item.undecoded.offset + item.undecoded.length
        assert end <= len(start + data)


def test_an_iterator_that_is_dropped_loses_nothing() -> None:
    decoder = WebSocketResyncDecoder(Role.SERVER)
    sent = [reply(section) for section in (2, 3)]
    stream = HEADS[1][1] + b"".join(binary(item.encode()) for item in sent)
    decoder.feed(stream)
    assert next(decoder.feed(b"")) == sent[0]
    assert list(decoder.feed(b"")) == [sent[1]]


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.exceptions", None)
    with pytest.raises(ImportError, match='"websockets": pip install ftwire'):
        WebSocketObserver()


def test_the_first_request_is_init() -> None:
    seen = frames(observe([*HEADS, (Role.CLIENT, binary(request(2, command=INIT).encode(), Role.CLIENT))]))
    assert [item.frame.protocol and item.frame.protocol.name for item in seen] == ["InitWebSocket"]
