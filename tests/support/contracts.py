"""The contract of every decoder: a value or a documented error, whatever the bytes.

Each function here takes any bytes, gives them to one decoder and fails on everything that is neither. Property
tests and the coverage-guided targets in ``tests/fuzz`` run the same functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from itertools import pairwise

from google.protobuf.message import Message

from fixtures.make_keys import TEST_KEY
from ftwire.body import body_to_json, decode_body, encode_body, to_dict, to_json, to_json_in_python
from ftwire.cipher import AesCbc, AesEcb, Cipher, FtAesEcb, Rsa, RsaKey
from ftwire.connection import Connection
from ftwire.conversation import ConversationObserver
from ftwire.errors import (
    BadMagicError,
    BodyError,
    BodyTooLargeError,
    CaptureError,
    CipherError,
    EnvelopeError,
    HeaderError,
    KeyFormatError,
    LocalProtocolError,
    RemoteProtocolError,
    WireError,
)
from ftwire.events import FrameObserved, RequestReceived, UndecodedObserved
from ftwire.frame import BaseFrame, Role, UnknownBody, encode_frame
from ftwire.header import HEADER, BodyFormat, Header, unpack_header
from ftwire.messages import InitConnect
from ftwire.observer import Observer
from ftwire.pcap import (
    Data,
    Direction,
    Dissector,
    Interface,
    Limits,
    LinkType,
    Packet,
    PacketReader,
    PcapngWriter,
    PcapWriter,
    TcpConversation,
)
from ftwire.protocols import registry
from ftwire.resync import ResyncDecoder, UndecodedBytes
from ftwire.strategies import RepeatableRsa
from ftwire.stream import FrameDecoder
from ftwire.websocket import Envelope
from ftwire.websocket_observer import WebSocketObserver
from support.frames import init_response, rt_request, rt_response
from support.pcap_model import A, B

__all__ = ["CONTRACTS", "classes", "key", "seeds"]

AES, IV = "0123456789ABCDEF", "FEDCBA9876543210"
MAX_BODY = 4096
"""Small, so that fuzzers reach what lies behind it."""


@cache
def key() -> RsaKey:
    return RsaKey.from_pem(TEST_KEY.read_bytes())


@cache
def classes() -> list[type[Message]]:
    return [each for entry in registry for each in (entry.response, entry.request) if each is not None]


def chunks(data: bytes) -> list[bytes]:
    """Cut by the first byte, so that a fuzzer finds chunkings by itself: whole, byte by byte, or evenly."""
    if not data:
        return []
    size = (1 << 20, 1, 2, 43, 44, 45, 100, 7)[data[0] % 8]
    rest = data[1:]
    return [rest[start : start + size] for start in range(0, len(rest), size)]


def header(data: bytes) -> None:
    """Header.decode, and construct's declaration beside it."""
    try:
        decoded = Header.decode(data)
    except HeaderError as error:
        assert len(data) < 44 or data[:2] != b"FT"
        assert str(error)
        return
    assert decoded.encode() == data[:44]
    declared = HEADER.parse(data)
    assert tuple(declared[field.name] for field in HEADER.subcons) == unpack_header(data, 0) == decoded.fields


def _cipher(data: bytes, cipher: Cipher) -> None:
    try:
        body = cipher.decrypt(data)
    except CipherError as error:
        assert str(error)
        return
    assert len(body) <= max(len(data), 0)
    # Its body can be encrypted again; not to the same bytes where the padding held others than zeros.
    assert cipher.decrypt(cipher.encrypt(body)) == body


def ciphers(data: bytes) -> None:
    """All three AES modes, and RSA on what has the right length."""
    for cipher in (FtAesEcb(AES), AesEcb(AES), AesCbc(AES, IV)):
        _cipher(data, cipher)
    if len(data) % 128 == 0 and len(data) <= 256:
        try:
            Rsa(key()).decrypt(data)
        except CipherError as error:
            assert str(error)


def pem(data: bytes) -> None:
    """RsaKey.from_pem; an error never quotes what was given."""
    try:
        RsaKey.from_pem(data)
    except KeyFormatError as error:
        assert len(data) < 20 or data.decode("latin-1") not in str(error)


def _check_frame(frame: BaseFrame) -> None:
    """Read every attribute of a decoded frame: each gives a value or a documented error."""
    assert repr(frame)
    assert frame.kind
    frame.protocol  # noqa: B018 - must not raise
    frame.encode()
    text: str | None = None
    with suppress(WireError):
        text = frame.to_json()
    try:
        message = frame.message
    except WireError as error:
        assert str(error)
        assert text is None
        return
    if isinstance(message, UnknownBody):
        assert text is None
        return
    to_dict(message)
    assert text == to_json(message) == to_json_in_python(message)
    json.loads(text)


def frame_decoder(data: bytes) -> None:
    """FrameDecoder of both sides: frames or a header error, and the same in any chunking."""
    for role in Role:
        assert _decoded(chunks(data), role) == _decoded([data[1:]], role)


def _decoded(parts: Iterable[bytes], role: Role) -> object:
    decoder = FrameDecoder(role, max_body=MAX_BODY)
    seen: list[bytes] = []
    try:
        for part in parts:
            for frame in decoder.feed(part):
                _check_frame(frame)
                seen.append(frame.encode())
    except (BadMagicError, BodyTooLargeError) as error:
        assert decoder.failure is error
        return seen, type(error), error.args
    assert decoder.pending < 44 + MAX_BODY
    return seen, decoder.pending


def resync_decoder(data: bytes) -> None:
    """ResyncDecoder: every byte in a frame or undecoded, the same in any chunking, never an error."""
    whole = _resynced([data[1:]], data[1:])
    assert _resynced(chunks(data), data[1:]) == whole


def _resynced(parts: Iterable[bytes], stream: bytes) -> list[object]:
    decoder = ResyncDecoder(max_body=MAX_BODY)
    items = [item for part in parts for item in decoder.feed(part)]
    items += decoder.close()
    at = 0
    for item in items:
        if isinstance(item, UndecodedBytes):
            assert item.offset == at
            assert item.length > 0
            assert not item.missing
            at += item.length
        else:
            assert stream.startswith(item.encode(), at)
            _check_frame(item)
            at += len(item)
    assert at == len(stream)
    return [item._replace(error=None) if isinstance(item, UndecodedBytes) else item for item in items]


def _body(data: bytes, body_format: BodyFormat) -> None:
    if len(data) < 2:
        return
    found = classes()[int.from_bytes(data[:2], "little") % len(classes())]
    body = data[2:]
    if body_format == BodyFormat.PROTOBUF:
        straight = body_to_json(body, found, lower_camel=False)
        if straight is not None:
            assert straight == to_json_in_python(decode_body(body, found, check_required=False))
    try:
        message = decode_body(body, found, body_format)
    except BodyError as error:
        assert error.body == body
        assert error.offset is None or 0 <= error.offset <= len(body)
        assert str(error)
        return
    assert decode_body(encode_body(message), found).SerializeToString(deterministic=True) == message.SerializeToString(
        deterministic=True
    )
    text = encode_body(message, BodyFormat.JSON)
    assert encode_body(decode_body(text, found, BodyFormat.JSON), BodyFormat.JSON) == text
    to_dict(message)


def protobuf_body(data: bytes) -> None:
    """Bodies of any class; the first two bytes choose it."""
    _body(data, BodyFormat.PROTOBUF)


def json_body(data: bytes) -> None:
    """JSON bodies of any class; the first two bytes choose it."""
    _body(data, BodyFormat.JSON)


def connection(data: bytes) -> None:
    """Connection in both roles, with and without a key: events or a documented error, and closed after one."""
    for role in Role:
        for rsa in (None, key()):
            _connected(role, rsa, chunks(data))


def _connected(role: Role, rsa: RsaKey | None, parts: list[bytes]) -> None:
    side = Connection(role, key=rsa, max_body=MAX_BODY)
    if role is Role.CLIENT:
        side.initiate(0, client_id="fuzz")
    try:
        for now, part in enumerate(parts):
            for event in side.receive_data(part, now):
                assert repr(event)
                if isinstance(event, RequestReceived) and event.frame.proto_id == 1001 and not side.conn_id:
                    try:
                        side.accept(event.frame, conn_id=1, aes_key=AES, aes_iv=IV)
                    except RemoteProtocolError as error:
                        # The request cannot be read; the caller may still answer it with a failure.
                        assert str(error)
        side.close()
    except LocalProtocolError:
        # A second InitConnect on an open connection cannot be accepted again.
        assert role is Role.SERVER
    except (HeaderError, RemoteProtocolError, KeyFormatError) as error:
        assert str(error)
        assert side.state.value == "closed"
    side.handle_timer(1 << 62)
    side.data_to_send()


def _sides(data: bytes) -> list[tuple[Role, bytes]]:
    """Bytes of both sides: cut at 00 FF, the sides taking turns."""
    return [(Role.SERVER if at % 2 else Role.CLIENT, part) for at, part in enumerate(data.split(b"\0\xff\0\xff"))]


def observer(data: bytes) -> None:
    """Observer of both sides: never an error, nothing lost."""
    watching = Observer(keys=[key()], max_body=MAX_BODY)
    sides = _sides(data)
    events = [event for side, part in sides for event in watching.receive(side, part)]
    events += watching.close()
    for role in Role:
        sent = sum(len(part) for side, part in sides if side is role)
        taken = 0
        for event in events:
            if isinstance(event, FrameObserved) and event.sender is role:
                _check_frame(event.frame)
                taken += len(event.frame)
            elif isinstance(event, UndecodedObserved) and event.sender is role:
                taken += event.undecoded.length
        assert taken == sent


def envelope(data: bytes) -> None:
    """Envelope.decode of both sides."""
    for role in Role:
        try:
            decoded = Envelope.decode(data, sender=role, max_body=MAX_BODY)
        except EnvelopeError as error:
            assert str(error)
            continue
        assert decoded.encode() == data
        assert decoded.error_text is not None
        _check_frame(decoded)


def websocket(data: bytes) -> None:
    """WebSocketObserver of both sides, from the upgrade on or without it."""
    watching = WebSocketObserver(max_body=MAX_BODY)
    if data[:1] < b"\x80":
        list(watching.receive(Role.CLIENT, b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"))
        list(watching.receive(Role.SERVER, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"))
    for side, part in _sides(data[1:]):
        for event in watching.receive(side, part):
            if isinstance(event, FrameObserved):
                _check_frame(event.frame)
                assert len(event.frame.payload) <= MAX_BODY + 44
    list(watching.close())


def conversation(data: bytes) -> None:
    """ConversationObserver, which finds out by itself what is spoken."""
    watching = ConversationObserver(keys=[key()], max_body=MAX_BODY, search_limit=2000)
    for side, part in _sides(data):
        for event in watching.receive(0 if side is Role.CLIENT else 1, part):
            assert repr(event)
    list(watching.close())


SMALL = Limits(
    max_record=1 << 16,
    max_flows=8,
    max_flow_segments=16,
    max_flow_bytes=4096,
    max_buffered_bytes=8192,
    max_fragmented=4,
    max_fragment_bytes=4096,
)


def capture(data: bytes) -> None:
    """A capture file: packets and events, or a capture error after what came before the damage."""
    assert _captured([data[1:]]) == _captured(chunks(data))


def _captured(parts: Iterable[bytes]) -> list[str]:
    dissector = Dissector(SMALL)
    reader = PacketReader(SMALL)
    seen: list[str] = []
    next_offsets: dict[object, int] = {}
    try:
        for part in parts:
            for event in dissector.feed(part):
                if isinstance(event, Data):
                    place = event.flow.index, event.direction
                    assert event.offset >= next_offsets.get(place, 0)
                    next_offsets[place] = event.offset + len(event.data)
                seen.append(repr(event))
    except CaptureError as error:
        seen.append(str(error))
    try:
        seen += map(repr, dissector.close())
    except CaptureError as error:
        seen.append(str(error))
    try:
        numbers = [packet.number for part in parts for packet in reader.feed(part)]
        assert all(after == before + 1 for before, after in pairwise([0, *numbers]))
        reader.close()
    except CaptureError as error:
        assert str(error)
    return seen


def packet(data: bytes) -> None:
    """Packets without a file: link, IP, TCP; the first byte chooses the link type, 00 FF 00 FF parts them."""
    if not data:
        return
    links = tuple(LinkType)
    interface = Interface(0, links[data[0] % len(links)], 0)
    dissector = Dissector(SMALL)
    for number, part in enumerate(data[1:].split(b"\0\xff\0\xff"), 1):
        for event in dissector.packet(Packet(number, number, part, len(part), interface)):
            assert repr(event)
    list(dissector.close())


CONTRACTS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (
        header,
        ciphers,
        pem,
        frame_decoder,
        resync_decoder,
        protobuf_body,
        json_body,
        connection,
        observer,
        envelope,
        websocket,
        conversation,
        capture,
        packet,
    )
}
"""Every contract by its name."""


def seeds() -> dict[str, list[bytes]]:
    """What a fuzzer starts each contract from: correct input, so that it has something to damage."""
    hello = InitConnect.Request()
    hello.c2s.clientVer, hello.c2s.clientID = 1, "fuzz"
    reply = rt_response((570,))
    bodies = [encode_body(message) for message in (hello, init_response(AES, None), rt_request(), reply)]
    plain = [encode_frame(pid, 1, body) for pid, body in zip((1001, 1001, 3008, 3008), bodies, strict=True)]
    rsa = RepeatableRsa(key())
    encrypted = [encode_frame(1001, 1, bodies[0], cipher=rsa), encode_frame(1001, 1, bodies[1], cipher=rsa)]
    encrypted += [encode_frame(3008, 2, body, cipher=FtAesEcb(AES)) for body in bodies[2:]]
    turns = b"\0\xff\0\xff".join
    index = classes().index(type(reply)).to_bytes(2, "little")
    envelopes = [
        Envelope.build(3008, 2, bodies[2], sender=Role.CLIENT).encode(),
        Envelope.build(3008, 2, bodies[3], sender=Role.SERVER).encode(),
    ]
    masked = b"\x82" + bytes((0x80 | len(envelopes[0]),)) + bytes(4) + envelopes[0]
    packets = TcpConversation(A, B).frames((Direction(at % 2), frame, at) for at, frame in enumerate(plain))
    pcap, pcapng = PcapWriter(), PcapngWriter()
    files = [
        pcap.header() + b"".join(pcap.packet(time, data) for time, data in packets),
        pcapng.section() + pcapng.interface() + b"".join(pcapng.packet(time, data) for time, data in packets),
    ]
    stream = b"\3" + plain[1] + plain[3]
    return {
        "header": [plain[0]],
        "ciphers": [FtAesEcb(AES).encrypt(b"x" * 20), AesEcb(AES).encrypt(b"x"), rsa.encrypt(b"x")],
        "pem": [TEST_KEY.read_bytes()],
        "frame_decoder": [stream],
        "resync_decoder": [stream, b"\0junk" + plain[3] + b"FT" + plain[3]],
        "protobuf_body": [index + bodies[3]],
        "json_body": [index + encode_body(reply, BodyFormat.JSON)],
        "connection": [b"\0" + plain[0] + plain[2], b"\0" + plain[1] + plain[3], b"\0" + b"".join(encrypted[:2])],
        "observer": [turns(plain), turns(encrypted)],
        "envelope": envelopes,
        "websocket": [b"\0" + masked, b"\xff" + masked],
        "conversation": [turns(plain), masked],
        "capture": [b"\0" + file for file in files],
        "packet": [b"\1" + turns([data for _, data in packets[:6]])],
    }
