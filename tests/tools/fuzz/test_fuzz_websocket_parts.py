"""The parts of ``ftwire fuzz --ws`` by themselves: what is drawn and what is sent.

Correct messages must be read by the library ``websockets`` and by ours, wrong ones refused by one of the two.
"""

from __future__ import annotations

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
from ftwire.frame_mutations import NamedMutation
from ftwire.websocket import Envelope
from ftwire_tools.fuzz.bodies import init_request, request_message, response_message
from ftwire_tools.fuzz.plans import CHANGING, client_plan, gateway_plan, requests_to_draw
from ftwire_tools.fuzz.shrinking import shrink
from ftwire_tools.fuzz.steps import BROKEN_WEBSOCKET, WEBSOCKET_MUTATIONS, FuzzStep
from ftwire_tools.fuzz.transport import CloseReceived, PongReceived, UpgradeReceived
from ftwire_tools.fuzz.websocket import EnvelopeTransport, asked_in, frames_of, messages_of

REQUESTS = requests_to_draw(allow_trading=False)
GATEWAY = ("127.0.0.1", 33_333)
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


def side(of_gateway: bool) -> Role:
    return Role.SERVER if of_gateway else Role.CLIENT


def messages_with(*mutations: NamedMutation, of_gateway: bool = False, **fields: Any) -> tuple[FuzzStep, list[bytes]]:
    step = FuzzStep("send", 3008, mutations=mutations, **fields)
    return step, messages_of(step, BODY, 5, side(of_gateway))


def read(data: bytes, *, by_gateway: bool) -> Protocol:
    protocol = Protocol(SERVER if by_gateway else CLIENT, max_size=1 << 24)
    protocol.receive_data(data)
    return protocol


# What is drawn


def test_nothing_is_drawn_that_trades_or_changes_something() -> None:
    command = struct.Struct(">8sI")
    for number in range(1500):
        for step in gateway_plan(drawn(f"trade/{number}"), 8, REQUESTS, websocket=True):
            body = bytes.fromhex(step.body)
            # Megabytes of zeros would only take time.
            step = replace(step, mutations=tuple(each for each in step.mutations if each.name != "grow body"))
            # Wherever a reader of messages, strict or not, may find an envelope.
            for message in (*messages_of(step, body, 1, Role.CLIENT), bytes.fromhex(step.data)):
                for start in re.finditer(b"ft-|^", message[:-11]) if len(message) >= 12 else ():
                    proto_id = command.unpack_from(message, start.start())[1]
                    assert not 2000 <= proto_id < 3000
                    assert proto_id not in CHANGING


def test_everything_that_can_be_wrong_is_drawn() -> None:
    steps = [step for number in range(600) for step in gateway_plan(drawn(number), 8, REQUESTS, websocket=True)]
    names = {mutation.name for step in steps for mutation in step.mutations}
    assert names == set(WEBSOCKET_MUTATIONS) - {"error code", "error text"}  # a client has no place for them
    controls = {"ping", "pong", "bye", "upgrade"}
    assert {step.do for step in steps} == {"send", "raw", "pause", "finish", "close", "reset"} | controls
    assert any(step.hold for step in steps)
    assert any(step.chunk == 1 for step in steps)
    assert any(step.ping and step.fragments > 1 for step in steps)
    steps = [step for number in range(600) for step in client_plan(drawn(number), 8, websocket=True)]
    assert {mutation.name for step in steps for mutation in step.mutations} == set(WEBSOCKET_MUTATIONS)
    others = {"reply", "push", "skip", "late", "raw", "pause", "finish", "close", "reset"}
    assert {step.do for step in steps} == others | controls


def test_fragments_and_pings_that_do_not_matter_are_left_out() -> None:
    steps = (FuzzStep("send", 3008, fragments=20, ping=True, mutations=(NamedMutation("text", 7),)),)
    short, _ = shrink(steps, lambda tried: any(step.mutations for step in tried), 200)
    assert short == (FuzzStep("send", 3008, mutations=(NamedMutation("text", 0),)),)


# What is sent


@pytest.mark.parametrize("of_gateway", [False, True])
@pytest.mark.parametrize("step", [FuzzStep("send", 3008), FuzzStep("send", 3008, fragments=7, ping=True)])
def test_without_a_mutation_it_is_what_both_libraries_read(step: FuzzStep, of_gateway: bool) -> None:
    sender = side(of_gateway)
    (message,) = messages_of(step, BODY, 5, sender)
    assert message == Envelope.build(3008, 5, BODY, sender=sender).encode()
    protocol = read(frames_of(step, [message], sender), by_gateway=not of_gateway)
    events: list[Any] = protocol.events_received()
    assert protocol.parser_exc is None
    assert [event.opcode for event in events if event.opcode is Opcode.PING] == [Opcode.PING] * step.ping
    assert b"".join(event.data for event in events if event.opcode is not Opcode.PING) == message


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 100_003])
def test_frames_of_every_size_are_read_as_they_were(size: int) -> None:
    message = bytes(range(256)) * (size // 256 + 1)
    protocol = read(frames_of(FuzzStep("send"), [message[:size]], Role.CLIENT), by_gateway=True)
    (event,) = protocol.events_received()
    assert getattr(event, "data", None) == message[:size]


@pytest.mark.parametrize("name", WEBSOCKET_MUTATIONS)
def test_each_mutation_changes_what_is_sent(name: str) -> None:
    of_gateway = name.startswith("error")
    step, messages = messages_with(NamedMutation(name, VALUES.get(name, 3)), of_gateway=of_gateway)
    plain, right = messages_with(of_gateway=of_gateway)
    sender = side(of_gateway)
    assert frames_of(step, messages, sender) != frames_of(plain, right, sender)


@pytest.mark.parametrize("name", sorted(BROKEN_WEBSOCKET))
def test_what_breaks_websocket_is_refused_by_who_knows_it(name: str) -> None:
    step, messages = messages_with(NamedMutation(name, VALUES.get(name, 1 << 40)))
    protocol = read(frames_of(step, messages, Role.CLIENT), by_gateway=True)
    if name == "cut frame":
        assert not protocol.events_received()  # it waits for the rest
    else:
        assert isinstance(protocol.parser_exc, PayloadTooBig if name == "frame length" else ProtocolError)


def test_a_peer_may_answer_whatever_stands_in_a_message() -> None:
    for mutation in (
        NamedMutation("magic", "00" * 8),
        NamedMutation("cut envelope", 10),
        NamedMutation("little-endian"),
    ):
        step, messages = messages_with(mutation)
        asked = asked_in(step, messages, 5)
        assert (3008, 5) in asked
        assert struct.unpack(">8xIQ", messages[0].ljust(20, b"\0")[:20]) in asked
    step, messages = messages_with(NamedMutation("split", 25))
    assert len(messages) == 2
    step, messages = messages_with(NamedMutation("joined"))
    assert [len(message) for message in messages] == [2 * (20 + len(BODY))]


# Both transports against each other


def test_two_wires_shake_hands_and_understand_each_other() -> None:
    client, gateway = EnvelopeTransport(Role.CLIENT, GATEWAY, "secret"), EnvelopeTransport(Role.SERVER, GATEWAY)
    (upgrade,) = gateway.feed(client.opening())
    assert isinstance(upgrade, UpgradeReceived)
    assert (client.is_ready, gateway.is_ready) == (False, True)
    assert list(client.feed(gateway.outgoing())) == []
    assert client.is_ready
    body = client.stamp(FuzzStep("send", 1, init_request(websocket=True).SerializeToString().hex()), 0, 2)
    (asked,) = gateway.feed(client.render(FuzzStep("send", 1), body, 2).data)
    assert (asked.command, asked.section) == (1, 2)
    assert asked.message.c2s.websocketKey == "5ebe2294ecd0e0f08eab7690d2a6ee69"
    response = response_message(1, asked.message, 1)
    (answer,) = client.feed(gateway.render(FuzzStep("reply", 1), response.SerializeToString(), 2).data)
    assert (answer.section, answer.error_code, answer.message.s2c.connID) == (2, 0, 4711)
    assert list(client.feed(gateway.render(FuzzStep("ping", data="62656174")).data)) == []
    assert list(gateway.feed(client.outgoing())) == [PongReceived(b"beat")]
    assert list(gateway.feed(client.render(FuzzStep("bye", data="03e8")).data)) == [CloseReceived()]
    assert client.sent_close


def test_what_no_envelope_is_is_an_error() -> None:
    for name in ("text", "mask"):
        step = FuzzStep("reply", 3008, mutations=(NamedMutation(name),))
        client, gateway = EnvelopeTransport(Role.CLIENT, GATEWAY), EnvelopeTransport(Role.SERVER, GATEWAY)
        list(gateway.feed(client.opening()))
        list(client.feed(gateway.outgoing()))
        with pytest.raises(EnvelopeError):
            list(client.feed(gateway.render(step, b"", 2).data))


def test_a_gateway_that_speaks_no_websocket_is_said_to_be_none() -> None:
    for answer in (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", b"FT" + bytes(60) + b"\r\n"):
        client = EnvelopeTransport(Role.CLIENT, GATEWAY)
        client.opening()
        with pytest.raises(EnvelopeError):
            list(client.feed(answer))
        assert client.refused
        assert not client.is_ready
