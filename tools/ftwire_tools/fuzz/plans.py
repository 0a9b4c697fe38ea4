"""Draws what a hostile peer does: a legal session for a skeleton, with things that are wrong in it.

The same random numbers make the same steps. Trading requests are left out unless they are asked for.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any, Final

from ftwire.body import encode_body
from ftwire.header import BodyFormat
from ftwire.protocols import registry
from ftwire_tools.fuzz.mutating import PUSHES, WEIGHTS, draw_mutations, draw_value
from ftwire_tools.fuzz.steps import Mutation, Step
from ftwire_tools.fuzz.valid_messages import hello, request_message
from ftwire_tools.messages.trading import trades

__all__ = ["GatewayDraw", "client_plan", "gateway_plan", "requests_to_draw"]

INIT, ALIVE, SUBSCRIBE = 1001, 1004, 3001
COMMON: Final = (ALIVE, 1002, SUBSCRIBE, 3001, 3003, 3004, 3008, 3008, 3010, 3012)
"""What ordinary sessions consist of."""
CHANGING: Final = {
    1006: "Verification",
    1008: "TestCmd",
    1009: "InitQuantMode",
    3214: "Qot_ModifyUserSecurity",
    3220: "Qot_SetPriceReminder",
    3309: "Qot_SetOptionEventAlert",
}
"""Requests that are no trading and change something all the same: left out like trading."""
TRADING_IDS: Final = range(2000, 3000)


def requests_to_draw(*, allow_trading: bool) -> tuple[int, ...]:
    """Return the protocol IDs of the requests that may be sent."""
    return tuple(
        entry.proto_id
        for entry in registry
        if not (entry.is_push or entry.is_retired or entry.is_websocket_only)
        and entry.proto_id != INIT
        and entry.request is not None
        and "c2s" in entry.request.DESCRIPTOR.fields_by_name
        and (allow_trading or not _is_left_out(entry.proto_id))
    )


def _is_left_out(proto_id: int) -> bool:
    return proto_id in TRADING_IDS or proto_id in CHANGING or trades(proto_id) is not None


def gateway_plan(random: Random, most: int, requests: tuple[int, ...], *, encrypted: bool) -> tuple[Step, ...]:
    """Draw what is done to a gateway: ``most`` steps at most, a handshake apart."""
    draw = _Draw(random, requests, encrypted=encrypted)
    draw.begin()
    for _ in range(random.randint(1, most)):
        draw.step()
    return tuple(draw.steps)


def client_plan(random: Random, most: int) -> tuple[Step, ...]:
    """Draw what is done to a client: steps that each wait for a number of its requests."""
    steps: list[Step] = []
    after = 1 if random.random() < 0.15 else random.randint(2, 4)
    for _ in range(random.randint(1, most)):
        kind = random.random()
        if kind < 0.5:
            steps.append(Step("reply", after=after, mutations=_mutations(random, 0)))
            after += 1
        elif kind < 0.75:
            spoiled = _mutations(random, 0) if random.random() < 0.7 else ()
            steps.append(Step("push", random.choice(PUSHES), after=after, mutations=spoiled))
        elif kind < 0.82:
            steps.append(Step(random.choice(("skip", "late")), after=after))
            after += 1
        elif kind < 0.86:
            steps.append(Step("raw", data=_garbage(random).hex(), after=after))
        elif kind < 0.9:
            steps.append(Step("pause", ms=random.choice((1, 20, 200)), after=after))
        elif kind < 0.95:
            steps.append(Step("reply", after=after, chunk=random.choice((1, 3, 43))))
            after += 1
        else:
            steps.append(Step(random.choice(("close", "reset", "finish")), after=after))
            break
        after += random.choice((0, 0, 1, 2))
    return tuple(steps)


class GatewayDraw:
    """Draws the steps against a gateway, on whatever transport."""

    def __init__(self, random: Random, requests: tuple[int, ...]) -> None:
        self.random: Final = random
        self.requests: Final = requests
        self.common: Final = tuple(proto for proto in COMMON if proto in requests)
        self.steps: list[Step] = []

    def protocol(self) -> int:
        """Draw the protocol of a request."""
        return self.random.choice(self.common if self.random.random() < 0.8 else self.requests)

    def message(self, proto: int) -> Any:
        """Return a request, not always about the same security."""
        message = request_message(proto)
        chosen = getattr(message.c2s, "security", None)
        if chosen is not None and self.random.random() < 0.5:
            chosen.market, chosen.code = self.random.choice(((1, "00001"), (11, "AAPL")))
        return message

    def again(self, *ways: str) -> None:
        """End the connection in one of these ways, and begin another."""
        self.steps += [Step(self.random.choice(ways)), self.hello()]

    def hello(self, mutations: tuple[Mutation, ...] = ()) -> Step:
        """Return a handshake."""
        raise NotImplementedError


class _Draw(GatewayDraw):
    def __init__(self, random: Random, requests: tuple[int, ...], *, encrypted: bool) -> None:
        super().__init__(random, requests)
        self.encrypted: Final = encrypted

    def begin(self) -> None:
        kind = self.random.random()
        if kind < 0.05:
            self.steps.append(self._request(wait=False))
        elif kind < 0.12:
            self.steps.append(self.hello(_mutations(self.random, INIT)))
        if kind < 0.12 and self.random.random() < 0.5:
            self.steps.append(Step("close"))
        self.steps.append(self.hello())

    def step(self) -> None:
        random = self.random
        kind = random.random()
        if kind < 0.4:
            self.steps.append(self._request(wait=random.random() < 0.7))
        elif kind < 0.8:
            step = self._request(wait=False)
            spoiled = _mutations(random, step.proto)
            self.steps.append(replace(step, mutations=spoiled))
            if random.random() < 0.3:
                self.again("close", "close", "reset")
        elif kind < 0.86:
            self.steps.append(replace(self._request(wait=False), hold=True))
            self.steps.append(self._request(wait=True))
        elif kind < 0.9:
            self.steps.append(self.hello() if random.random() < 0.5 else self.hello(_mutations(random, INIT)))
        elif kind < 0.93:
            self.steps.append(Step("raw", data=_garbage(random).hex()))
        elif kind < 0.95:
            self.steps.append(Step("pause", ms=random.choice((1, 5, 20))))
        elif kind < 0.96:
            self.steps.append(Step("finish"))
        else:
            self.again("close", "reset")

    def _request(self, *, wait: bool) -> Step:
        random = self.random
        proto = self.protocol()
        body_format = BodyFormat.JSON if random.random() < 0.12 else BodyFormat.PROTOBUF
        body = encode_body(self.message(proto), body_format).hex()
        chunk = random.choice((1, 1, 7, 43, 44, 45)) if random.random() < 0.12 else 0
        return Step("send", proto, body, int(body_format), chunk=chunk, wait=wait)

    def hello(self, mutations: tuple[Mutation, ...] = ()) -> Step:
        body = hello(encrypted=self.encrypted).SerializeToString().hex()
        chunk = self.random.choice((1, 7)) if self.random.random() < 0.05 else 0
        return Step("send", INIT, body, mutations=mutations, chunk=chunk)


def _garbage(random: Random) -> bytes:
    return random.choice(
        (
            random.randbytes(random.randint(1, 200)),
            b"GET / HTTP/1.1\r\n\r\n",
            b"FT",
            bytes(44),
            b"ft-v1.0\0" + bytes(36),
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        )
    )


def _mutations(random: Random, proto: int) -> tuple[Mutation, ...]:
    # Megabytes are for sound sessions: RSA would take seconds over them.
    return draw_mutations(random, WEIGHTS, lambda name: draw_value(random, name, small=proto == INIT))
