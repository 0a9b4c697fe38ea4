"""The parts of ``ftwire fuzz --ws`` by themselves: what is drawn and what bytes come of it.

What is right is read by the library ``websockets`` and by ours; what is wrong is refused by one of the two, or is what
it should be.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Opcode
from websockets.protocol import CLIENT, SERVER, Protocol

from ftwire.errors import EnvelopeError
from ftwire.frame import Role
from ftwire.websocket import Envelope
from ftwire_tools.fuzz.envelopes import asked_in, render_messages
from ftwire_tools.fuzz.plans import CHANGING, requests_to_draw
from ftwire_tools.fuzz.shrinking import shrink
from ftwire_tools.fuzz.steps import ENVELOPE_MUTATIONS, Mutation, Step, step_from_json, step_to_json
from ftwire_tools.fuzz.valid_messages import hello_websocket, request_message, response_message
from ftwire_tools.fuzz.websocket_frames import BROKEN, message_frames
from ftwire_tools.fuzz.websocket_plans import websocket_client_plan, websocket_gateway_plan
from ftwire_tools.fuzz.websocket_wire import EnvelopeWire
from ftwire_tools.fuzz.wire_format import Farewell, Pong, Upgrade

REQUESTS = requests_to_draw(allow_trading=False)
BODY = request_message(3008).SerializeToString()
VALUES: dict[str, int | str] = {
    "random body": "ff00",
    "protocol": 999,
    "serial": 77,
    "magic": "46542d76312e3000",
    "error code": 2,
    "error text": "00ff",
    "bytes before": "aa",
    "bytes behind": "bb",
    "reserved opcode": 3,
    "reserved bits": 1,
    "cut frame": 20,
    "cut envelope": 10,
    "split": 30,
}


def drawn(seed: object) -> Random:
    return Random(str(seed))  # noqa: S311 - to be repeated, not to be secret


def messages_with(*mutations: Mutation, of_gateway: bool = False, **fields: Any) -> tuple[Step, list[bytes]]:
    step = Step("send", 3008, mutations=mutations, **fields)
    return step, render_messages(step, BODY, 5, type(request_message(3008)), of_gateway=of_gateway)


def read(data: bytes, *, by_gateway: bool) -> Protocol:
    protocol = Protocol(SERVER if by_gateway else CLIENT, max_size=1 << 24)
    protocol.receive_data(data)
    return protocol


# What is drawn


def test_the_same_seed_draws_the_same_steps() -> None:
    for number in range(50):
        first, second = (websocket_gateway_plan(drawn(number), 8, REQUESTS) for _ in range(2))
        assert first == second
        assert websocket_client_plan(drawn(number), 8) == websocket_client_plan(drawn(number), 8)
    assert websocket_gateway_plan(drawn(1), 8, REQUESTS) != websocket_gateway_plan(drawn(2), 8, REQUESTS)


def test_nothing_is_drawn_that_trades_or_changes_something() -> None:
    command = struct.Struct(">8sI")
    for number in range(1500):
        for step in websocket_gateway_plan(drawn(f"trade/{number}"), 8, REQUESTS):
            body = bytes.fromhex(step.body)
            # Megabytes of zeros behind it would only take time.
            step = replace(step, mutations=tuple(each for each in step.mutations if each.name != "grow body"))
            # Wherever a reader of messages, or of the stream, finds an envelope.
            for message in (*render_messages(step, body, 1, None, of_gateway=False), bytes.fromhex(step.data)):
                for start in re.finditer(b"ft-|^", message[:-11]) if len(message) >= 12 else ():
                    proto_id = command.unpack_from(message, start.start())[1]
                    assert not 2000 <= proto_id < 3000
                    assert proto_id not in CHANGING


def test_everything_that_can_be_wrong_is_drawn() -> None:
    steps = [step for number in range(600) for step in websocket_gateway_plan(drawn(number), 8, REQUESTS)]
    names = {mutation.name for step in steps for mutation in step.mutations}
    assert names == set(ENVELOPE_MUTATIONS) - {"error code", "error text"}  # a client has no place for them
    controls = {"ping", "pong", "bye", "upgrade"}
    assert {step.do for step in steps} == {"send", "raw", "pause", "finish", "close", "reset"} | controls
    assert any(step.hold for step in steps)
    assert any(step.chunk == 1 for step in steps)
    assert any(step.ping and step.fragments > 1 for step in steps)
    steps = [step for number in range(600) for step in websocket_client_plan(drawn(number), 8)]
    assert {mutation.name for step in steps for mutation in step.mutations} == set(ENVELOPE_MUTATIONS)
    others = {"reply", "push", "skip", "late", "raw", "pause", "finish", "close", "reset"}
    assert {step.do for step in steps} == others | controls


def test_steps_survive_json() -> None:
    for number in range(200):
        for step in (*websocket_gateway_plan(drawn(number), 8, REQUESTS), *websocket_client_plan(drawn(number), 8)):
            assert step_from_json(json.loads(json.dumps(step_to_json(step)))) == step


def test_fragments_and_pings_that_do_not_matter_are_left_out() -> None:
    steps = (Step("send", 3008, fragments=20, ping=True, mutations=(Mutation("text", 7),)),)
    short, _ = shrink(steps, lambda tried: any(step.mutations for step in tried), 200)
    assert short == (Step("send", 3008, mutations=(Mutation("text", 0),)),)


# What bytes come of it


@pytest.mark.parametrize("of_gateway", [False, True])
@pytest.mark.parametrize("step", [Step("send", 3008), Step("send", 3008, fragments=7, ping=True)])
def test_without_a_mutation_it_is_what_both_libraries_read(step: Step, of_gateway: bool) -> None:
    (message,) = render_messages(step, BODY, 5, None, of_gateway=of_gateway)
    sender = Role.SERVER if of_gateway else Role.CLIENT
    assert message == Envelope.build(3008, 5, BODY, sender=sender).encode()
    protocol = read(message_frames(step, [message], masked=not of_gateway), by_gateway=not of_gateway)
    events: list[Any] = protocol.events_received()
    assert protocol.parser_exc is None
    assert [event.opcode for event in events if event.opcode is Opcode.PING] == [Opcode.PING] * step.ping
    assert b"".join(event.data for event in events if event.opcode is not Opcode.PING) == message


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 100_003])
def test_frames_of_every_size_are_read_as_they_were(size: int) -> None:
    message = bytes(range(256)) * (size // 256 + 1)
    protocol = read(message_frames(Step("send"), [message[:size]], masked=True), by_gateway=True)
    (event,) = protocol.events_received()
    assert getattr(event, "data", None) == message[:size]


@pytest.mark.parametrize("name", ENVELOPE_MUTATIONS)
def test_each_mutation_changes_what_is_sent(name: str) -> None:
    of_gateway = name.startswith("error")
    step, messages = messages_with(Mutation(name, VALUES.get(name, 3)), of_gateway=of_gateway)
    plain, right = messages_with(of_gateway=of_gateway)
    masked = not of_gateway
    assert message_frames(step, messages, masked=masked) != message_frames(plain, right, masked=masked)


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_what_breaks_websocket_is_refused_by_who_knows_it(name: str) -> None:
    step, messages = messages_with(Mutation(name, VALUES.get(name, 1 << 40)))
    protocol = read(message_frames(step, messages, masked=True), by_gateway=True)
    if name == "cut frame":
        assert not protocol.events_received()  # it waits for the rest
    else:
        assert isinstance(protocol.parser_exc, PayloadTooBig if name == "frame length" else ProtocolError)


def test_a_peer_may_answer_whatever_stands_in_a_message() -> None:
    for mutation in (Mutation("magic", "00" * 8), Mutation("cut envelope", 10), Mutation("little-endian")):
        step, messages = messages_with(mutation)
        asked = asked_in(step, messages, 5)
        assert (3008, 5) in asked
        assert struct.unpack(">8xIQ", messages[0].ljust(20, b"\0")[:20]) in asked
    step, messages = messages_with(Mutation("split", 25))
    assert len(messages) == 2
    step, messages = messages_with(Mutation("joined"))
    assert [len(message) for message in messages] == [2 * (20 + len(BODY))]


# The two wires against each other


def test_two_wires_shake_hands_and_understand_each_other() -> None:
    client, gateway = EnvelopeWire(Role.CLIENT, key="secret"), EnvelopeWire(Role.SERVER)
    (upgrade,) = gateway.feed(client.opening())
    assert isinstance(upgrade, Upgrade)
    assert (client.is_ready, gateway.is_ready) == (False, True)
    assert list(client.feed(gateway.outgoing())) == []
    assert client.is_ready
    body = client.stamped(Step("send", 1), hello_websocket().SerializeToString(), 0, 2)
    (asked,) = gateway.feed(client.render(Step("send", 1), body, 2).data)
    assert (asked.command, asked.section) == (1, 2)
    assert asked.message.c2s.websocketKey == "5ebe2294ecd0e0f08eab7690d2a6ee69"
    response = response_message(1, asked.message, 1)
    (answer,) = client.feed(gateway.render(Step("reply", 1), response.SerializeToString(), 2).data)
    assert (answer.section, answer.error_code, answer.message.s2c.connID) == (2, 0, 4711)
    assert list(client.feed(gateway.beat())) == []
    assert list(gateway.feed(client.outgoing())) == [Pong(b"beat")]
    assert list(gateway.feed(client.farewell())) == [Farewell()]
    assert client.farewell() == b""


def test_what_no_envelope_is_is_an_error() -> None:
    for name in ("text", "mask"):
        step = Step("reply", 3008, mutations=(Mutation(name),))
        client, gateway = EnvelopeWire(Role.CLIENT), EnvelopeWire(Role.SERVER)
        list(gateway.feed(client.opening()))
        list(client.feed(gateway.outgoing()))
        with pytest.raises(EnvelopeError):
            list(client.feed(gateway.render(step, b"", 2).data))


def test_a_gateway_that_speaks_no_websocket_is_said_to_be_none() -> None:
    for answer in (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", b"FT" + bytes(60) + b"\r\n"):
        client = EnvelopeWire(Role.CLIENT)
        client.opening()
        with pytest.raises(EnvelopeError):
            list(client.feed(answer))
        assert client.refused
        assert not client.is_ready
