"""Draws what a hostile peer does: a legal session, with things in it that are wrong.

The same random numbers make the same steps. Trading requests are left out unless they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Final

from ftwire.body import encode_body
from ftwire.body_mutations import BODY_MUTATIONS
from ftwire.connection import INIT_CONNECT, KEEP_ALIVE
from ftwire.frame_mutations import NamedMutation
from ftwire.header import BodyFormat
from ftwire.protocols import registry
from ftwire.websocket import INIT
from ftwire_tools.fuzz.bodies import init_request, request_message
from ftwire_tools.fuzz.steps import TCP_MUTATIONS, WEBSOCKET_MUTATIONS, FuzzStep
from ftwire_tools.messages.trading import trades

__all__ = ["CHANGING", "client_plan", "gateway_plan", "requests_to_draw"]

COMMON: Final = (KEEP_ALIVE, 1002, 3001, 3001, 3003, 3004, 3008, 3008, 3010, 3012)
"""Protocols of ordinary sessions."""
PUSHES: Final = (1003, 3005, 3007, 3009, 3011, 3013, 3015, 3019)
CHANGING: Final = {
    1006: "Verification",
    1008: "TestCmd",
    1009: "InitQuantMode",
    3214: "Qot_ModifyUserSecurity",
    3220: "Qot_SetPriceReminder",
    3309: "Qot_SetOptionEventAlert",
}
"""Requests that do not trade and change something all the same: left out like trading."""
LEFT_OUT: Final = frozenset((*CHANGING, *range(2000, 3000)))
CHUNKS: Final = (1, 1, 7, 43, 44, 45)
CLOSES: Final = (
    b"",
    b"\x03\xe8",
    b"\x03\xe9going",
    b"\x03\xf3",
    b"\x0f\xa0private",
    b"\x03",  # half a code
    b"\x00\x00",  # reserved codes
    b"\x03\xed",
    b"\x03\xf7",
    b"\x13\x88",
    b"\x03\xe8\xff\xfe",  # a reason that is no UTF-8
    b"\x03\xe8" + b"x" * 123,  # the longest
)
"""Contents of close frames."""
BYTES: Final = (
    b"GET / HTTP/1.1\r\n\r\n",
    b"FT",
    bytes(44),
    b"ft-v1.0\0" + bytes(36),
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",  # the beginning of TLS
)
"""Bytes that are no frames, beside random ones."""

_HEAD: Final = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
_UPGRADE: Final = _HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
_KEY: Final = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
_VERSION: Final = b"Sec-WebSocket-Version: 13\r\n"
UPGRADE_REQUESTS: Final = (
    _HEAD + b"\r\n",
    _UPGRADE + _VERSION + b"\r\n",
    _UPGRADE + _KEY + b"\r\n",
    _UPGRADE + _KEY + b"Sec-WebSocket-Version: 8\r\n\r\n",
    _UPGRADE + _VERSION + b"Sec-WebSocket-Key: short\r\n\r\n",
    _UPGRADE + _VERSION + _KEY * 2 + b"\r\n",
    _UPGRADE + _VERSION + _KEY,
    _UPGRADE + _VERSION + _KEY + b"X-Long: " + b"x" * 70_000 + b"\r\n\r\n",
    _UPGRADE + _VERSION + _KEY + b"X: 1\r\n" * 2_000 + b"\r\n",
    _UPGRADE + _VERSION + _KEY + b"Content-Length: 5\r\n\r\nhello",
    _UPGRADE + _VERSION + _KEY + b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99\r\n\r\n",
    b"POST" + (_UPGRADE + _VERSION + _KEY)[3:] + b"\r\n",
    b"GET " + b"/" * 20_000 + b" HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    b"ft-v1.0\0" + bytes(12),
    bytes(100),
)
"""What a hostile client begins with on WebSocket: mostly wrong requests to upgrade."""
_SWITCHING: Final = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
_WRONG_ACCEPT: Final = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
UPGRADE_RESPONSES: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
    b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello",
    _SWITCHING + b"\r\n",
    _SWITCHING + _WRONG_ACCEPT + b"\r\n",
    _SWITCHING + _WRONG_ACCEPT + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    _SWITCHING + _WRONG_ACCEPT,
    _SWITCHING + b"X-Long: " + b"x" * 70_000 + b"\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"ft-v1.0\0" + bytes(36),
    bytes(100),
)
"""What a hostile gateway answers to a request to upgrade."""


def requests_to_draw(*, allow_trading: bool) -> tuple[int, ...]:
    """Return the protocol IDs of the requests that may be sent."""
    return tuple(
        entry.proto_id
        for entry in registry
        if not (entry.is_push or entry.is_retired or entry.is_websocket_only)
        and entry.proto_id != INIT_CONNECT
        and entry.request is not None
        and "c2s" in entry.request.DESCRIPTOR.fields_by_name
        and (allow_trading or (trades(entry.proto_id) is None and entry.proto_id not in LEFT_OUT))
    )


def gateway_plan(
    random: Random, most: int, requests: tuple[int, ...], *, encrypted: bool = False, websocket: bool = False
) -> tuple[FuzzStep, ...]:
    """Draw what is done to a gateway: about ``most`` steps at most, a handshake apart.

    ``requests`` are the protocols to draw from, ``encrypted`` says what the handshake asks for.
    """
    draw = _Draw(random, websocket=websocket)
    # A client's header has no place for an error.
    draw.kinds = {name: kind for name, kind in draw.kinds.items() if not name.startswith("error ")}
    draw.requests = requests
    draw.init = init_request(websocket=websocket, encrypted=encrypted).SerializeToString().hex()
    steps = draw.beginning()
    for _ in range(random.randint(1, most)):
        steps += draw.one_of(_OF_CLIENT)
    return tuple(steps)


def client_plan(random: Random, most: int, *, websocket: bool = False) -> tuple[FuzzStep, ...]:
    """Draw what is done to a client: at most ``most`` steps, each after a number of its requests."""
    if websocket and random.random() < 0.04:
        return (FuzzStep("upgrade", data=random.choice(UPGRADE_RESPONSES).hex()),)
    draw = _Draw(random, websocket=websocket)
    steps = []
    after = 1 if random.random() < 0.15 else random.randint(2, 4)
    for _ in range(random.randint(1, most)):
        (step,) = draw.one_of(_OF_GATEWAY)
        steps.append(replace(step, after=after))
        if step.do in {"close", "reset", "finish", "bye"}:
            break
        after += random.choice((0, 0, 1, 2)) + (step.do in {"reply", "skip", "late"})
    return tuple(steps)


class _Draw:
    """Draws steps, and what they are made of."""

    requests: tuple[int, ...] = ()
    """Protocols of a client's requests, beside ordinary ones."""
    init = ""
    """Body of a client's handshake, as hexadecimal digits."""

    def __init__(self, random: Random, *, websocket: bool) -> None:
        self.random: Final = random
        self.websocket: Final = websocket
        self.kinds = WEBSOCKET_MUTATIONS if websocket else TCP_MUTATIONS

    def chance(self, share: float) -> bool:
        """Return ``True`` in this share of all cases."""
        return self.random.random() < share

    def one_of(self, table: _Table) -> list[FuzzStep]:
        """Draw the steps of one line of a table."""
        weights = [on_websocket if self.websocket else on_tcp for on_tcp, on_websocket, _ in table]
        return self.random.choices(table, weights)[0][2](self)

    def mutations(self, *, small: bool = False) -> tuple[NamedMutation, ...]:
        """Draw one or two things that are wrong with a frame; ``small`` where megabytes would take too long."""
        random, kinds = self.random, {**self.kinds, "grow body": BODY_MUTATIONS["grow body"]} if small else self.kinds
        weights = [kind.weight for kind in kinds.values()]
        names = random.sample(list(kinds), k=1 if self.chance(0.8) else 2, counts=weights)
        return tuple(NamedMutation(name, kinds[name].draw(random)) for name in dict.fromkeys(names))

    def in_pieces(self, step: FuzzStep) -> FuzzStep:
        """Return a step that is as legal, in several writes or fragments."""
        if self.websocket and self.chance(0.6):
            return replace(step, fragments=self.random.choice((2, 2, 3, 20)), ping=self.chance(0.5))
        return replace(step, chunk=self.random.choice(CHUNKS))

    def raw(self) -> FuzzStep:
        """Draw bytes that are no frame."""
        data = self.random.randbytes(self.random.randint(1, 200))
        return FuzzStep("raw", data=(data if self.chance(0.2) else self.random.choice(BYTES)).hex())

    def bye(self) -> FuzzStep:
        """Draw a close frame."""
        return FuzzStep("bye", data=self.random.choice(CLOSES).hex())

    def control(self) -> FuzzStep:
        """Draw a ping or a pong."""
        data = self.random.choice((b"", b"ftwire", self.random.randbytes(125)))
        return FuzzStep("ping" if self.chance(0.75) else "pong", data=data.hex())

    def push(self) -> FuzzStep:
        """Draw a push, mostly with something wrong."""
        mutations = self.mutations() if self.chance(0.7) else ()
        return FuzzStep("push", self.random.choice(PUSHES), mutations=mutations)

    # Of a client

    def beginning(self) -> list[FuzzStep]:
        """Draw how the first connection begins, and perhaps one before it."""
        kind = self.random.random()
        steps = []
        if kind < 0.05:
            steps = [self.request(wait=False)]
        elif kind < 0.12:
            steps = [self.handshake(self.mutations(small=True))]
        elif kind < 0.17 and self.websocket:
            steps = [FuzzStep("upgrade", data=self.random.choice(UPGRADE_REQUESTS).hex()), FuzzStep("close")]
        if kind < 0.12 and self.chance(0.5):
            steps.append(FuzzStep("close"))
        return [*steps, self.handshake()]

    def request(self, *, wait: bool) -> FuzzStep:
        """Draw a legal request."""
        random = self.random
        proto_id = random.choice(COMMON if self.chance(0.8) else self.requests)
        message = request_message(proto_id)
        if hasattr(message.c2s, "security") and self.chance(0.5):
            message.c2s.security.market, message.c2s.security.code = random.choice(((1, "00001"), (11, "AAPL")))
        body_format = BodyFormat.JSON if not self.websocket and self.chance(0.12) else BodyFormat.PROTOBUF
        return FuzzStep("send", proto_id, encode_body(message, body_format).hex(), int(body_format), wait=wait)

    def legal_request(self) -> FuzzStep:
        """Draw a legal request, perhaps in pieces."""
        step = self.request(wait=self.chance(0.7))
        return self.in_pieces(step) if self.chance(0.3 if self.websocket else 0.12) else step

    def wrong_request(self) -> FuzzStep:
        """Draw a request with something wrong."""
        return replace(self.request(wait=False), mutations=self.mutations())

    def handshake(self, mutations: tuple[NamedMutation, ...] = ()) -> FuzzStep:
        """Draw a handshake, perhaps in pieces."""
        step = FuzzStep("send", INIT if self.websocket else INIT_CONNECT, self.init, mutations=mutations)
        return self.in_pieces(step) if self.chance(0.05) else step

    def anew(self, *ends: str) -> list[FuzzStep]:
        """Draw the end of a connection, and begin another one."""
        return [FuzzStep(self.random.choice(ends)), self.handshake()]


# What may come next: its weight on TCP and on WebSocket, and the steps.
_Table = tuple[tuple[int, int, Callable[[_Draw], list[FuzzStep]]], ...]
_OF_CLIENT: Final[_Table] = (
    (40, 35, lambda draw: [draw.legal_request()]),
    (40, 40, lambda draw: [draw.wrong_request(), *(draw.anew("close", "close", "reset") if draw.chance(0.3) else ())]),
    (6, 6, lambda draw: [replace(draw.request(wait=False), hold=True), draw.request(wait=True)]),
    (0, 4, lambda draw: [draw.control()]),
    (4, 3, lambda draw: [draw.handshake(draw.mutations(small=True) if draw.chance(0.5) else ())]),
    (3, 3, lambda draw: [draw.raw()]),
    (2, 2, lambda draw: [FuzzStep("pause", ms=draw.random.choice((1, 5, 20)))]),
    (1, 1, lambda _: [FuzzStep("finish")]),
    (0, 3, lambda draw: [draw.bye(), draw.handshake()]),
    (4, 3, lambda draw: draw.anew("close", "reset")),
)
_OF_GATEWAY: Final[_Table] = (
    (50, 50, lambda draw: [FuzzStep("reply", mutations=draw.mutations())]),
    (25, 22, lambda draw: [draw.push()]),
    (7, 6, lambda draw: [FuzzStep(draw.random.choice(("skip", "late")))]),
    (4, 3, lambda draw: [draw.raw()]),
    (4, 3, lambda draw: [FuzzStep("pause", ms=draw.random.choice((1, 20, 200)))]),
    (5, 6, lambda draw: [draw.in_pieces(FuzzStep("reply"))]),
    (0, 3, lambda draw: [draw.control()]),
    (0, 3, lambda draw: [draw.bye()]),
    (5, 4, lambda draw: [FuzzStep(draw.random.choice(("close", "reset", "finish")))]),
)
