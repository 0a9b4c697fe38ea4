"""Legal sessions between a client and OpenD, frame by frame, of both sides."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from ftwire._renamed import renamed_attribute, renamed_keyword
from ftwire.cipher import NONE, Cipher, PacketEncAlgo, RsaKey, cipher_for
from ftwire.connection import INIT_CONNECT, KEEP_ALIVE
from ftwire.frame import Frame, Kind, Role
from ftwire.header import BodyFormat
from ftwire.pcap import Direction, TcpConversation
from ftwire.protocols import Registry, registry
from ftwire.strategies._captures import CLIENT, SERVER, capture_file
from ftwire.strategies._ciphers import RepeatableRsa, keys
from ftwire.strategies._messages import messages

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["SentFrame", "Session", "conversations"]

SUBSCRIBE = 3001
_START_NS = 1_623_202_200 * 1_000_000_000
_STEP_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class SentFrame:
    """One frame of a session."""

    sender: Role
    frame: Frame
    time: int
    """Nanoseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Session:
    """A whole session as both sides sent it."""

    sent: tuple[SentFrame, ...]
    """Every frame, in the order of sending."""
    encryption: str
    """Name of the cipher after the handshake: ``none``, ``ftaes_ecb``, ``aes_ecb`` or ``aes_cbc``."""
    conn_id: int
    """``connID`` of the handshake."""
    key: RsaKey | None = field(repr=False)
    """The RSA private key that both sides hold, ``None`` where nothing is encrypted."""
    said = renamed_attribute("said", "sent")

    def frames(self, sender: Role) -> list[Frame]:
        """Return what one side sent."""
        return [each.frame for each in self.sent if each.sender is sender]

    def stream(self, sender: Role) -> bytes:
        """Return the bytes that one side sent."""
        return b"".join(frame.encode() for frame in self.frames(sender))

    def capture(self, *, pcapng: bool = False) -> bytes:
        """Return the session as a capture file, pcap or pcapng, of one TCP connection."""
        conversation = TcpConversation(CLIENT, SERVER)
        directions = {Role.CLIENT: Direction.A_TO_B, Role.SERVER: Direction.B_TO_A}
        sent = ((directions[each.sender], each.frame.encode(), each.time) for each in self.sent)
        return capture_file(conversation.frames(sent), pcapng=pcapng)


class _SessionDraw:
    """A session while it is drawn: its frames, ciphers and serials, and the requests without a reply."""

    def __init__(self, draw: st.DrawFn, registry: Registry) -> None:
        self.draw = draw
        self.registry = registry
        self.sent: list[SentFrame] = []
        self.ciphers: dict[Role, Cipher] = {Role.CLIENT: NONE, Role.SERVER: NONE}
        self.conn_id = 0
        self.serial = 0
        self.pending: list[Frame] = []
        self.push_format = BodyFormat.PROTOBUF

    def send(self, proto_id: int, serial: int, message: Message, sender: Role, body_format: BodyFormat) -> Frame:
        frame = Frame.build(
            proto_id,
            serial,
            message,
            sender=sender,
            body_format=body_format,
            cipher=self.ciphers[sender],
            registry=self.registry,
        )
        self.sent.append(SentFrame(sender, frame, _START_NS + _STEP_NS * len(self.sent)))
        return frame

    def request(self, proto_id: int, body_format: BodyFormat, message: Any = None) -> Frame:
        # Serials increase; by how much is not specified.
        self.serial += 1
        if message is None:
            message = self.draw(_small(proto_id, Kind.REQUEST, self.registry))
        c2s = getattr(message, "c2s", None)
        if c2s is not None and "packetID" in c2s.DESCRIPTOR.fields_by_name:
            c2s.packetID.connID = self.conn_id
            c2s.packetID.serialNo = self.serial
        frame = self.send(proto_id, self.serial, message, Role.CLIENT, body_format)
        self.pending.append(frame)
        return frame

    def reply(self, at: int, message: Message | None = None) -> Frame:
        request = self.pending.pop(at)
        if message is None:
            message = self.draw(_small(request.proto_id, Kind.RESPONSE, self.registry))
        return self.send(request.proto_id, request.serial, message, Role.SERVER, BodyFormat(request.body_format))


@lru_cache(maxsize=1024)
def _small(proto_id: int, kind: Kind, registry: Registry) -> st.SearchStrategy[Message]:
    # No unknown fields: in a session of JSON bodies they would be lost on the way.
    return messages(proto_id, kind, registry=registry, max_depth=4, max_items=2, finite=True, unknown=False)


@lru_cache(maxsize=16)
def _choices(registry: Registry) -> tuple[st.SearchStrategy[int], st.SearchStrategy[int]]:
    """IDs of requests and of pushes, those of today's TCP connections."""
    today = [entry for entry in registry if not entry.is_retired and not entry.is_websocket_only]
    asked = [entry.proto_id for entry in today if not entry.is_push and entry.proto_id != INIT_CONNECT]
    pushed = [entry.proto_id for entry in today if entry.is_push]
    requests = st.sampled_from([3008, SUBSCRIBE]) | st.sampled_from(asked)
    return requests, st.just(3009) | st.sampled_from(pushed)


_FORMATS = st.sampled_from(BodyFormat)
_PUSH_SERIALS = st.just(0) | st.integers(0, (1 << 32) - 1)
# None leaves the field out, which under a key means FTAES_ECB as well.
_ALGORITHMS: st.SearchStrategy[PacketEncAlgo | None] = st.sampled_from([PacketEncAlgo.NONE, None, *PacketEncAlgo])


def _handshake(
    drawn: _SessionDraw, key: RsaKey | None, algorithm: PacketEncAlgo | None, body_format: BodyFormat | None
) -> str:
    """Add InitConnect and its reply, use the cipher they agree on, and return its name."""
    draw = drawn.draw
    if key is not None:
        drawn.ciphers = dict.fromkeys(Role, RepeatableRsa(key))
    asked = algorithm if algorithm is not None else draw(_ALGORITHMS)
    init: Any = drawn.registry[INIT_CONNECT].request
    hello = init()
    hello.c2s.clientVer = 1011
    hello.c2s.clientID = "strategies"
    if asked is not None:
        hello.c2s.packetEncAlgo = asked
    drawn.push_format = draw(_FORMATS)
    hello.c2s.pushProtoFmt = drawn.push_format
    chosen = body_format if body_format is not None else BodyFormat.PROTOBUF
    drawn.request(INIT_CONNECT, chosen, hello)

    aes_key, aes_iv = draw(keys()), draw(keys())
    welcome: Any = drawn.registry[INIT_CONNECT].response()
    welcome.retType = 0
    s2c = welcome.s2c
    s2c.serverVer = 1011
    s2c.loginUserID = 0
    s2c.connID = drawn.conn_id = draw(st.integers(1, 100) | st.integers(0, (1 << 64) - 1))
    s2c.connAESKey = aes_key
    s2c.keepAliveInterval = 10
    if asked is PacketEncAlgo.AES_CBC:
        s2c.aesCBCiv = aes_iv
    drawn.reply(0, welcome)
    if key is None:
        return NONE.name
    iv = aes_iv if asked is PacketEncAlgo.AES_CBC else None
    drawn.ciphers = {role: cipher_for(asked, aes_key, iv) for role in Role}
    return drawn.ciphers[Role.CLIENT].name


@renamed_keyword("known", "registry")
@st.composite
def conversations(
    draw: st.DrawFn,
    key: RsaKey | None = None,
    *,
    algorithm: PacketEncAlgo | None = None,
    format: BodyFormat | None = None,  # noqa: A002 - the field's own name
    max_steps: int = 8,
    registry: Registry = registry,
) -> Session:
    """Legal sessions (``Session``): the handshake, then requests, replies in any order, pushes, KeepAlive.

    With ``key``, an RSA private key, the handshake is encrypted with it, and what follows with ``algorithm``,
    ``None`` for any; without one, nothing is. ``format`` is that of every body, ``None`` lets each request
    choose. At most ``max_steps`` steps follow the handshake; requests unanswered then get their replies.
    """
    drawn = _SessionDraw(draw, registry)
    encryption = _handshake(drawn, key, algorithm, format)
    push_format = drawn.push_format if format is None else format
    requests, pushes = _choices(registry)
    for step in draw(st.lists(st.sampled_from(["request", "reply", "push", "keep-alive"]), max_size=max_steps)):
        if step == "request":
            drawn.request(draw(requests), format if format is not None else draw(_FORMATS))
        elif step == "keep-alive":
            drawn.request(KEEP_ALIVE, format if format is not None else BodyFormat.PROTOBUF)
        elif step == "push":
            proto_id = draw(pushes)
            message = draw(_small(proto_id, Kind.PUSH, registry))
            drawn.send(proto_id, draw(_PUSH_SERIALS), message, Role.SERVER, push_format)
        elif drawn.pending:
            drawn.reply(draw(st.integers(0, len(drawn.pending) - 1)))
    while drawn.pending:
        drawn.reply(0)
    return Session(tuple(drawn.sent), encryption, drawn.conn_id, key)
