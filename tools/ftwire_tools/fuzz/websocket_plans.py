"""Draws what a hostile peer does on WebSocket: as ``plans`` does on TCP, with envelopes, messages and control frames.

The same random numbers make the same steps.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Final

from ftwire.websocket import CLIENT_HEADER_SIZE, SERVER_HEADER_SIZE
from ftwire_tools.fuzz.mutating import PUSHES, draw_mutations, draw_value
from ftwire_tools.fuzz.plans import GatewayDraw
from ftwire_tools.fuzz.steps import Mutation, Step
from ftwire_tools.fuzz.valid_messages import hello_websocket

__all__ = ["websocket_client_plan", "websocket_gateway_plan"]

INIT: Final = 1
OF_BOTH: Final = {
    "empty body": 6,
    "cut body": 4,
    "flip body": 4,
    "random body": 3,
    "grow body": 3,
    "missing field": 5,
    "unknown enum": 3,
    "extreme number": 4,
    "odd string": 3,
    "protocol": 6,
    "serial": 6,
    "magic": 4,
    "little-endian": 2,
    "other header": 3,
    "flip header": 4,
    "cut envelope": 7,
    "bytes before": 2,
    "bytes behind": 2,
    "joined": 3,
    "split": 3,
    "empty message": 4,
    "text": 4,
    "twice": 4,
    "reserved opcode": 2,
    "reserved bits": 2,
    "mask": 2,
    "frame length": 3,
    "unfinished": 2,
    "continuation": 2,
    "long ping": 2,
    "split ping": 2,
    "cut frame": 3,
}
"""How often each mutation is drawn."""
OF_GATEWAY: Final = {**OF_BOTH, "error code": 7, "error text": 4}
CLOSES: Final = (
    b"",
    b"\x03\xe8",
    b"\x03\xe9going",
    b"\x03\xf3",
    b"\x0f\xa0private",
    b"\x03",
    b"\x00\x00",
    b"\x03\xed",
    b"\x03\xf7",
    b"\x13\x88",
    b"\x03\xe8\xff\xfe",
    b"\x03\xe8" + b"x" * 123,
)
"""Close frames: legal codes, none, half of one, reserved ones, a reason that is no UTF-8, the longest."""
_HEAD: Final = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
_UPGRADE: Final = _HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
_KEY: Final = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
_VERSION: Final = b"Sec-WebSocket-Version: 13\r\n"
REQUESTS: Final = (
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
"""What a hostile client begins with where it does not ask to upgrade as it should."""
_SWITCHING: Final = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
_WRONG_ACCEPT: Final = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
RESPONSES: Final = (
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
"""What a hostile gateway answers a request to upgrade."""


def websocket_gateway_plan(random: Random, most: int, requests: tuple[int, ...]) -> tuple[Step, ...]:
    """Draw what is done to a gateway: ``most`` steps at most, a handshake apart."""
    draw = _Draw(random, requests)
    draw.begin()
    for _ in range(random.randint(1, most)):
        draw.step()
    return tuple(draw.steps)


def websocket_client_plan(random: Random, most: int) -> tuple[Step, ...]:
    """Draw what is done to a client: steps that each wait for a number of its requests."""
    if random.random() < 0.04:
        return (Step("upgrade", data=random.choice(RESPONSES).hex()),)
    steps: list[Step] = []
    after = 1 if random.random() < 0.15 else random.randint(2, 4)
    for _ in range(random.randint(1, most)):
        kind = random.random()
        if kind < 0.5:
            steps.append(Step("reply", after=after, mutations=_mutations(random, OF_GATEWAY)))
            after += 1
        elif kind < 0.72:
            spoiled = _mutations(random, OF_GATEWAY) if random.random() < 0.7 else ()
            steps.append(Step("push", random.choice(PUSHES), after=after, mutations=spoiled))
        elif kind < 0.78:
            steps.append(Step(random.choice(("skip", "late")), after=after))
            after += 1
        elif kind < 0.81:
            steps.append(Step("raw", data=random.randbytes(random.randint(1, 100)).hex(), after=after))
        elif kind < 0.84:
            steps.append(Step("pause", ms=random.choice((1, 20, 200)), after=after))
        elif kind < 0.9:
            steps.append(_varied(random, Step("reply", after=after)))
            after += 1
        elif kind < 0.93:
            steps.append(replace(_control(random), after=after))
        elif kind < 0.96:
            steps.append(Step("bye", data=random.choice(CLOSES).hex(), after=after))
            break
        else:
            steps.append(Step(random.choice(("close", "reset", "finish")), after=after))
            break
        after += random.choice((0, 0, 1, 2))
    return tuple(steps)


class _Draw(GatewayDraw):
    def begin(self) -> None:
        kind = self.random.random()
        if kind < 0.05:
            self.steps.append(self._request(wait=False))
        elif kind < 0.12:
            self.steps.append(self.hello(_mutations(self.random, OF_BOTH, small=True)))
        elif kind < 0.17:
            self.steps += [Step("upgrade", data=self.random.choice(REQUESTS).hex()), Step("close")]
        if kind < 0.12 and self.random.random() < 0.5:
            self.steps.append(Step("close"))
        self.steps.append(self.hello())

    def step(self) -> None:
        random = self.random
        kind = random.random()
        if kind < 0.35:
            self.steps.append(_varied(random, self._request(wait=random.random() < 0.7), often=0.3))
        elif kind < 0.75:
            step = self._request(wait=False)
            self.steps.append(replace(step, mutations=_mutations(random, OF_BOTH)))
            if random.random() < 0.3:
                self.again("close", "close", "reset")
        elif kind < 0.81:
            self.steps.append(replace(self._request(wait=False), hold=True))
            self.steps.append(self._request(wait=True))
        elif kind < 0.85:
            self.steps.append(_control(random))
        elif kind < 0.88:
            self.steps.append(self.hello(() if random.random() < 0.5 else _mutations(random, OF_BOTH, small=True)))
        elif kind < 0.91:
            self.steps.append(Step("raw", data=random.randbytes(random.randint(1, 200)).hex()))
        elif kind < 0.93:
            self.steps.append(Step("pause", ms=random.choice((1, 5, 20))))
        elif kind < 0.94:
            self.steps.append(Step("finish"))
        elif kind < 0.97:
            self.steps += [Step("bye", data=random.choice(CLOSES).hex()), self.hello()]
        else:
            self.again("close", "reset")

    def _request(self, *, wait: bool) -> Step:
        proto = self.protocol()
        return Step("send", proto, self.message(proto).SerializeToString().hex(), wait=wait)

    def hello(self, mutations: tuple[Mutation, ...] = ()) -> Step:
        return Step("send", INIT, hello_websocket().SerializeToString().hex(), mutations=mutations)


def _varied(random: Random, step: Step, often: float = 1.0) -> Step:
    """Return a step that is as legal, in pieces or in fragments."""
    if random.random() >= often:
        return step
    if random.random() < 0.4:
        return replace(step, chunk=random.choice((1, 1, 7, 43, 44, 45)))
    return replace(step, fragments=random.choice((2, 2, 3, 20)), ping=random.random() < 0.5)


def _control(random: Random) -> Step:
    data = random.choice((b"", b"ftwire", random.randbytes(125))).hex()
    return Step("ping" if random.random() < 0.75 else "pong", data=data)


def _mutations(random: Random, weighed: dict[str, int], *, small: bool = False) -> tuple[Mutation, ...]:
    bits = 8 * (SERVER_HEADER_SIZE if weighed is OF_GATEWAY else CLIENT_HEADER_SIZE)
    return draw_mutations(random, weighed, lambda name: _value(random, name, bits, small=small))


def _value(random: Random, name: str, bits: int, *, small: bool) -> int | str:
    if name == "serial":
        return random.choice((0, 1, 2, 1 << 32, 1 << 53, (1 << 63) - 1, (1 << 64) - 1, random.getrandbits(64)))
    if name == "magic":
        return random.choice((b"ft-v1.1\0", b"FT-V1.0\0", b"FT" + bytes(6), bytes(8), random.randbytes(8))).hex()
    if name == "flip header":
        # The command stays as it is: no flipped bit makes a trading request of another.
        return int(random.choice((*range(64), *range(96, bits))))
    if name == "error code":
        return random.choice((1, 2, 3, 4, -1, -(1 << 31), (1 << 31) - 1))
    if name == "error text":
        return random.choice((b"timeout", b"x" * 20, b"\xff" * 20, "\u8d85\u65f6".encode(), random.randbytes(20))).hex()
    if name == "reserved opcode":
        return random.choice((3, 4, 5, 6, 7, 11, 12, 13, 14, 15))
    if name == "reserved bits":
        return random.randint(1, 7)
    if name == "frame length":
        return random.choice((1, 5, 125, 1 << 16, 1 << 31, 1 << 40, (1 << 63) - 1, 1 << 63))
    return draw_value(random, name, small=small)
