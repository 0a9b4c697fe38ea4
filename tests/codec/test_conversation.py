"""What a connection carries, recognised by its content: frames, envelopes or neither; and which side is the client."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode

from ftwire.cipher import AesCbc, Cipher, Rsa, RsaKey
from ftwire.conversation import MAX_CHUNKS, ConversationObserver, End
from ftwire.events import FrameObserved, Observation, UndecodedObserved
from ftwire.frame import Kind, Role, encode_frame
from ftwire.observer import Observer
from ftwire.pcap import Data, Dissector
from ftwire.websocket import Envelope
from support.places import ROOT

Wire = list[tuple[End, bytes]]

KEY = RsaKey(rsa.generate_private_key(65537, 1024))
C2S = bytes.fromhex("0a020801")
RET_TYPE = bytes.fromhex("0800")
NOISE = random.Random(7).randbytes(1 << 16)  # noqa: S311


def tcp(proto_id: int, serial: int, body: bytes, body_format: int = 0, cipher: Cipher | None = None) -> bytes:
    if cipher is None:
        return encode_frame(proto_id, serial, body, body_format=body_format)
    return encode_frame(proto_id, serial, body, body_format=body_format, cipher=cipher)


def ws(command: int, section: int, body: bytes, sender: Role, *, compressed: bool = False) -> bytes:
    message = Envelope.build(command, section, body, sender=sender).encode()
    if compressed:
        packer = zlib.compressobj(wbits=-15)
        message = (packer.compress(message) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    made = WebSocketFrame(Opcode.BINARY, message).serialize(mask=sender is Role.CLIENT)
    return bytes((made[0] | 0x40 * compressed,)) + made[1:]


PLAIN: Wire = [
    (0, tcp(1001, 1, C2S)),
    (1, tcp(1001, 1, RET_TYPE)),
    (0, tcp(3008, 2, C2S) + tcp(3001, 3, C2S)),
    (1, tcp(3009, 0, RET_TYPE) + tcp(3008, 2, RET_TYPE) + tcp(3001, 3, RET_TYPE)),
]
UPGRADE: Wire = [
    (0, b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
    (1, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
]
ENVELOPES: Wire = [
    (0, ws(1, 2, C2S, Role.CLIENT)),
    (1, ws(1, 2, RET_TYPE, Role.SERVER)),
    (0, ws(3008, 3, C2S, Role.CLIENT)),
    (1, ws(3009, 0, RET_TYPE, Role.SERVER) + ws(3008, 3, RET_TYPE, Role.SERVER)),
]


def show(
    conversation: ConversationObserver, wire: Iterable[tuple[End, bytes]], *, close: bool = True
) -> list[Observation]:
    seen: list[Observation] = []
    for number, (endpoint, data) in enumerate(wire, 1):
        seen += conversation.receive(endpoint, data, 10 * number, number)
    if close:
        seen += conversation.close(10_000, 1000)
    return seen


def pieces(wire: Wire, size: int) -> Wire:
    return [(endpoint, data[at : at + size]) for endpoint, data in wire for at in range(0, len(data), size)]


def swapped(wire: Wire) -> Wire:
    return [(0 if endpoint else 1, data) for endpoint, data in wire]


def frame_kinds(seen: Iterable[Observation]) -> list[tuple[Role, Kind, int]]:
    return [(item.sender, item.kind, item.frame.proto_id) for item in seen if isinstance(item, FrameObserved)]


ALL_PLAIN = [
    (Role.CLIENT, Kind.REQUEST, 1001),
    (Role.SERVER, Kind.RESPONSE, 1001),
    (Role.CLIENT, Kind.REQUEST, 3008),
    (Role.CLIENT, Kind.REQUEST, 3001),
    (Role.SERVER, Kind.PUSH, 3009),
    (Role.SERVER, Kind.RESPONSE, 3008),
    (Role.SERVER, Kind.RESPONSE, 3001),
]
ALL_ENVELOPES = [
    (Role.CLIENT, Kind.REQUEST, 1),
    (Role.SERVER, Kind.RESPONSE, 1),
    (Role.CLIENT, Kind.REQUEST, 3008),
    (Role.SERVER, Kind.PUSH, 3009),
    (Role.SERVER, Kind.RESPONSE, 3008),
]
BOTH_ENDS = pytest.mark.parametrize("turn", [False, True], ids=["client-is-0", "client-is-1"])
SIZES = pytest.mark.parametrize("size", [1, 5, 1 << 20])


@BOTH_ENDS
@SIZES
@pytest.mark.parametrize("known", [True, False], ids=["syn", "no-syn"])
@pytest.mark.parametrize(
    ("wire", "expected", "transport"),
    [
        (PLAIN, ALL_PLAIN, "tcp"),
        (UPGRADE + ENVELOPES, ALL_ENVELOPES, "websocket"),
        (ENVELOPES, ALL_ENVELOPES, "websocket"),
        (ENVELOPES[1:], ALL_ENVELOPES[1:], "websocket"),
        *((PLAIN[start:], ALL_PLAIN[[0, 1, 2, 4][start] :], "tcp") for start in range(1, 4)),
    ],
    ids=["tcp", "upgrade", "envelopes", "server first", "reply first", "two requests first", "push first"],
)
def test_a_conversation_is_known_by_its_content(
    wire: Wire, expected: list[tuple[Role, Kind, int]], transport: str, turn: bool, size: int, known: bool
) -> None:
    wire = swapped(wire) if turn else wire
    client: End = 1 if turn else 0
    conversation = ConversationObserver(client=client if known else None)
    seen = show(conversation, pieces(wire, size))
    assert frame_kinds(seen) == expected
    assert (conversation.transport, conversation.client, conversation.settled) == (transport, client, True)
    assert not [item for item in seen if isinstance(item, UndecodedObserved)]


def test_what_was_kept_has_its_own_time_and_packet() -> None:
    seen = show(ConversationObserver(), UPGRADE + ENVELOPES)
    frames = [item for item in seen if isinstance(item, FrameObserved)]
    assert [(item.time, item.packet) for item in frames] == [(30, 3), (40, 4), (50, 5), (60, 6), (60, 6)]
    assert [item.latency for item in frames] == [None, 10, None, None, 10]


def test_with_the_client_known_one_header_is_enough() -> None:
    frame = tcp(3008, 2, C2S * 20)
    conversation = ConversationObserver(client=0)
    assert not list(conversation.receive(1, frame[:43]))
    assert conversation.transport is None
    assert not list(conversation.receive(1, frame[43:44]))
    assert conversation.transport == "tcp"


def test_without_it_one_whole_frame_is() -> None:
    conversation = ConversationObserver()
    (seen,) = conversation.receive(1, tcp(3008, 2, C2S), 5, 6)
    assert isinstance(seen, FrameObserved)
    assert (conversation.client, seen.sender, seen.time, seen.packet) == (1, Role.CLIENT, 5, 6)


def test_json_bodies_tell_the_client_too() -> None:
    for body, client in ((b'{"c2s": {}}', 1), (b' {"retType": 0}', 0)):
        conversation = ConversationObserver()
        list(conversation.receive(1, tcp(3008, 2, body, 1)))
        assert conversation.client == client


def test_a_protobuf_body_that_looks_like_json_is_none() -> None:
    # Field 1 of length 123, the code of "{".
    conversation = ConversationObserver()
    list(conversation.receive(1, tcp(3008, 2, b"\x0a{" + bytes(123))))
    assert conversation.client == 1


def test_headers_made_to_be_hashed_cost_little() -> None:
    # Every four bytes a header that announces 0x5446 bytes: more than a gigabyte to hash, were all of them tried.
    conversation = ConversationObserver(client=0)
    for _ in range(65):
        list(conversation.receive(0, b"FT\0\0" * 1024))
    assert (conversation.settled, conversation.transport) == (True, None)
    # What follows is found, at the latest when nothing more can come of those headers.
    assert sorted(map(str, frame_kinds(show(ConversationObserver(), [(0, b"FT\0\0" * 1024), *PLAIN])))) == sorted(
        map(str, ALL_PLAIN)
    )


@BOTH_ENDS
def test_an_encrypted_conversation_is_told_by_who_asks_first(turn: bool) -> None:
    aes = AesCbc("0123456789ABCDEF", "FEDCBA9876543210")
    wire: Wire = [
        (1, tcp(3008, 8, RET_TYPE, cipher=aes)),
        (0, tcp(3008, 9, C2S, cipher=aes)),
        (0, tcp(3001, 10, C2S, cipher=aes)),
        (1, tcp(3001, 10, RET_TYPE, cipher=aes)),
    ]
    conversation = ConversationObserver(keys=[KEY])
    seen = show(conversation, swapped(wire) if turn else wire)
    assert conversation.client == (1 if turn else 0)
    assert [kind for _, kind, _ in frame_kinds(seen)] == [Kind.RESPONSE, Kind.REQUEST, Kind.REQUEST, Kind.RESPONSE]


def test_an_encrypted_conversation_of_one_side_is_shown_when_it_ends() -> None:
    conversation = ConversationObserver()
    seen = show(conversation, [(0, tcp(3008, 8, C2S, cipher=Rsa(KEY)))])
    assert frame_kinds(seen) == [(Role.CLIENT, Kind.REQUEST, 3008)]
    assert conversation.client == 0


def test_odd_headers_are_believed_when_the_digest_agrees() -> None:
    data = bytearray(tcp(777777, 2, C2S))
    data[7] = 3
    conversation = ConversationObserver(client=0)
    assert frame_kinds(show(conversation, pieces([(0, bytes(data))], 9))) == [(Role.CLIENT, Kind.REQUEST, 777777)]
    data[-1] ^= 1
    assert frame_kinds(show(ConversationObserver(client=0), [(0, bytes(data))])) == []


@SIZES
@pytest.mark.parametrize("wire", [PLAIN, ENVELOPES], ids=["tcp", "websocket"])
def test_garbage_before_the_first_of_either_side_is_a_gap(wire: Wire, size: int) -> None:
    noise = NOISE[:1000]
    seen = show(ConversationObserver(), pieces([(0, noise), (1, noise), *wire], size))
    assert frame_kinds(seen) == (ALL_PLAIN if wire is PLAIN else ALL_ENVELOPES)
    assert [
        (item.undecoded.length, item.undecoded.missing) for item in seen if isinstance(item, UndecodedObserved)
    ] == [(1000, 0)] * 2


def test_missing_bytes_while_nothing_is_known_are_told_later() -> None:
    conversation = ConversationObserver(client=0)
    first = tcp(3008, 2, C2S)
    assert not list(conversation.receive(0, first[:20], 1, 1))
    assert not list(conversation.skip(0, len(first) - 20, 2, 2))
    seen = list(conversation.receive(0, tcp(3001, 3, C2S), 3, 3))
    assert [
        (item.undecoded.length, item.undecoded.missing) for item in seen if isinstance(item, UndecodedObserved)
    ] == [(48, 28)]
    assert frame_kinds(seen) == [(Role.CLIENT, Kind.REQUEST, 3001)]
    (hole,) = [*conversation.skip(0, 5), *conversation.close()]
    assert isinstance(hole, UndecodedObserved)
    assert hole.undecoded.missing == 5


def test_bytes_on_both_sides_of_a_hole_make_no_frame() -> None:
    frame = tcp(3008, 2, C2S)
    conversation = ConversationObserver(client=0)
    list(conversation.receive(0, frame[:30]))
    list(conversation.skip(0, 1))
    list(conversation.receive(0, frame[30:]))
    assert conversation.transport is None


@pytest.mark.parametrize("client", [None, 0])
def test_what_is_none_of_opends_is_given_up_after_the_limit(client: End | None) -> None:
    conversation = ConversationObserver(client=client, search_limit=10_000)
    for at in range(0, 10_000, 1000):
        assert not list(conversation.receive(1, NOISE[at : at + 1000]))
        assert not conversation.settled
    assert not list(conversation.receive(1, b"x"))
    assert (conversation.settled, conversation.transport, conversation.client) == (True, None, client)
    assert not show(conversation, PLAIN)
    assert not list(conversation.skip(0, 5))


def test_many_small_chunks_are_given_up_too() -> None:
    conversation = ConversationObserver()
    for _ in range(MAX_CHUNKS + 1):
        assert not list(conversation.skip(0, 1))
    assert conversation.settled


def test_other_websocket_traffic_is_none_of_opends() -> None:
    chat = WebSocketFrame(Opcode.TEXT, b"hello, this is a chat").serialize(mask=True)
    conversation = ConversationObserver(client=0)
    assert not show(conversation, [*UPGRADE, (0, chat * 20)])
    assert (conversation.transport, conversation.settled) == (None, True)


@pytest.mark.parametrize("wire", [[], [(0, b"")], [(0, b"F")], [(1, b"FT" + bytes(41))], [(0, b"\x82")]])
def test_next_to_nothing_is_nothing(wire: Wire) -> None:
    assert show(ConversationObserver(), wire) == []


def test_a_compressed_envelope_after_the_upgrade_is_found() -> None:
    wire: Wire = [*UPGRADE, (0, ws(1, 2, C2S * 9, Role.CLIENT, compressed=True))]
    for size in (1, 1 << 20):
        assert frame_kinds(show(ConversationObserver(), pieces(wire, size))) == [(Role.CLIENT, Kind.REQUEST, 1)]


def test_the_observer_sees_what_it_would_have_seen_alone() -> None:
    observer = Observer()
    alone: list[Observation] = []
    for number, (endpoint, data) in enumerate(PLAIN, 1):
        alone += observer.receive(Role.SERVER if endpoint else Role.CLIENT, data, 10 * number, number)
    assert show(ConversationObserver(), PLAIN) == alone


@settings(deadline=None)
@given(
    chunks=st.lists(
        st.tuples(
            st.sampled_from([0, 1]),
            st.binary(max_size=60) | st.sampled_from([data for _, data in PLAIN + UPGRADE + ENVELOPES]),
            st.booleans(),
        ),
        max_size=12,
    ),
    client=st.sampled_from([None, 0, 1]),
)
def test_any_chunks_and_holes_give_observations(chunks: list[tuple[End, bytes, bool]], client: End | None) -> None:
    conversation = ConversationObserver(client=client, search_limit=400)
    for endpoint, data, hole in chunks:
        list(conversation.skip(endpoint, len(data)) if hole else conversation.receive(endpoint, data))
    list(conversation.close())
    assert conversation.settled
    assert client is None or conversation.client == client


@settings(deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 255)), max_size=4),
    wire=st.sampled_from([PLAIN, ENVELOPES, UPGRADE + ENVELOPES]),
    size=st.sampled_from([1, 20, 1 << 20]),
)
def test_damaged_conversations_give_observations(changes: list[tuple[int, int]], wire: Wire, size: int) -> None:
    damaged = [(endpoint, bytearray(data)) for endpoint, data in wire]
    for at, value in changes:
        data = damaged[at % len(damaged)][1]
        data[at % len(data)] = value
    sent = [(endpoint, bytes(data)) for endpoint, data in damaged]
    conversation = ConversationObserver()
    seen = show(conversation, pieces(sent, size))
    if sent == wire:
        assert frame_kinds(seen) == frame_kinds(show(ConversationObserver(), wire))
    if conversation.transport == "tcp":
        stream = b"".join(data for _, data in sent)
        assert all(item.frame.encode() in stream for item in seen if isinstance(item, FrameObserved))


CAPTURES = ROOT / "fixtures" / "captures"
RECORDED = [
    "futu-api-10.11-plain.pcap",
    "futu-api-10.11-json.pcap",
    "futu-api-10.11-trade.pcap",
    "futu-api-9.6-quotes.pcapng",
    "moomoo-api-10.11-plain.pcapng",
    "npm-futu-api-10.11-websocket.pcapng",
    "npm-moomoo-api-9.6-websocket-key.pcap",
]


def recorded(name: str) -> Wire:
    """Return what the endpoints of a capture's one connection sent, the client being 0."""
    dissector = Dissector()
    events = [*dissector.feed((CAPTURES / name).read_bytes()), *dissector.close()]
    return [(0 if event.direction == 0 else 1, event.data) for event in events if isinstance(event, Data)]


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_conversations_are_told_from_any_packet_on(name: str) -> None:
    wire = recorded(name)
    whole = frame_kinds(show(ConversationObserver(client=0), wire))
    assert len(whole) >= 12
    for start in range(len(wire)):
        conversation = ConversationObserver()
        seen = show(conversation, wire[start:])
        frames = frame_kinds(seen)
        if conversation.transport is None:
            # Compressed against what came before: nothing of it can be read.
            assert "websocket" in name
            continue
        assert conversation.client == 0
        assert not [item for item in seen if isinstance(item, FrameObserved) and item.frame.error]
        if "websocket" not in name:
            assert frames == whole[len(whole) - len(frames) :]
            assert not [item for item in seen if isinstance(item, UndecodedObserved)]
        else:
            rest = iter(whole)
            assert all(item in rest for item in frames)
    assert frame_kinds(show(ConversationObserver(), pieces(wire, 1))) == whole
