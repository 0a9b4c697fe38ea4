"""Requests that nobody in his right mind sends: an answer each, and nothing breaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftwire.body import missing_fields
from ftwire.frame import encode_frame
from ftwire.header import BodyFormat
from ftwire.protocols import Protocol, registry
from ftwire.strategies import messages
from ftwire_tools.gateway.answer_source import Answer
from ftwire_tools.gateway.limits import Limits
from ftwire_tools.gateway.load import load
from ftwire_tools.gateway.log import JsonLog, Log, LogOutput, TextLog
from ftwire_tools.gateway.replay import OnMiss, Replay
from ftwire_tools.gateway.subscriptions import QOT_REG_PUSH, QOT_SUB, TRD_SUB_ACC_PUSH, Subscriptions
from ftwire_tools.gateway.synthetic import Synthetic
from ftwire_tools.testing import gateway
from support.gateways import CAPTURES, PlainClient, fill

SYNTHETIC = Synthetic()
REQUESTS = [
    entry
    for entry in registry
    if entry.request is not None and entry.proto_id > 1001 and "c2s" in entry.request.DESCRIPTOR.fields_by_name
]
ANSWERED = [entry for entry in REQUESTS if entry.name in SYNTHETIC.protocols | {"Qot_Sub"}]


class Nobody:
    """A client that gets no pushes."""

    number = 1
    conn_id = 7
    push_format = BodyFormat.PROTOBUF

    def __init__(self) -> None:
        self.subscriptions = Subscriptions()
        self.limits = Limits()

    def push(self, _: object) -> bool:
        return False

    def push_run(self, _: object) -> None:
        return

    async def drained(self) -> None:
        return


def spoiled(message: Any) -> Any:
    """The same message with texts that are not UTF-8, as the wire can carry them."""
    body = bytes(0xFF if 0x41 <= byte <= 0x7A else byte for byte in message.SerializePartialToString())
    try:
        return type(message).FromString(body)
    except Exception:  # whatever protobuf says: it is no message then
        return message


def plausible(message: Any) -> Any:
    """The same message about an account and a stock that there are."""
    fields = message.c2s.DESCRIPTOR.fields_by_name
    if "header" in fields and fields["header"].message_type.name == "TrdHeader":
        fill(message.c2s, {"header": {"trdEnv": 0, "accID": 1_001_001, "trdMarket": 1}})
    if "security" in fields:
        fill(message.c2s, {"security": {"market": 1, "code": "00700"}})
    return message


def whole(answer: Any, entry: Protocol) -> None:
    """An answer that can be sent, in both formats."""
    assert isinstance(answer, Answer)
    assert isinstance(answer.message, entry.response)
    assert missing_fields(answer.message) == []


def in_a_loop(work: Callable[[], object]) -> None:
    """Call a function while an event loop runs, which answer sources need."""

    async def run() -> None:
        work()

    asyncio.run(run())


@pytest.mark.sampled(10)
@pytest.mark.parametrize("entry", ANSWERED, ids=lambda entry: entry.name)
def test_the_made_up_market_answers_anything(entry: Protocol) -> None:
    assert entry.request is not None

    @settings(max_examples=25)
    @given(messages(entry.request))
    def check(message: Any) -> None:
        client = Nobody()
        for one in (message, spoiled(message)):
            if one.HasField("c2s"):
                if entry.proto_id in {QOT_SUB, QOT_REG_PUSH, TRD_SUB_ACC_PUSH}:
                    client.subscriptions.apply(entry.proto_id, one)
                whole(SYNTHETIC.answer(client, entry, one), entry)
                whole(SYNTHETIC.answer(client, entry, plausible(one)), entry)

    in_a_loop(check)


@pytest.mark.parametrize("on_miss", [OnMiss.ERROR, OnMiss.EMPTY])
def test_a_replay_answers_anything(on_miss: OnMiss) -> None:
    replay = Replay(on_miss=on_miss)
    load(replay, [str(CAPTURES / "futu-api-9.6-quotes.pcapng")], [], Log(lambda *_: None))
    client = Nobody()
    replay.join(client)

    @settings(max_examples=100)
    @given(st.sampled_from(REQUESTS).flatmap(lambda entry: st.tuples(st.just(entry), messages(entry.request))))  # type: ignore[arg-type]
    def check(pair: tuple[Protocol, Any]) -> None:
        entry, message = pair
        for one in (message, spoiled(message)):
            if one.HasField("c2s"):
                whole(replay.answer(client, entry, one), entry)

    in_a_loop(check)
    replay.leave(client)


BODIES = st.tuples(st.sampled_from([entry.proto_id for entry in ANSWERED]), st.binary(max_size=80), st.booleans())


@settings(max_examples=10)
@given(st.lists(BODIES, max_size=20))
def test_any_bytes_get_an_answer_each(bodies: list[tuple[int, bytes, bool]]) -> None:
    with gateway(source=Synthetic) as opend, PlainClient(opend.port) as client:
        for serial, (proto_id, body, as_text_) in enumerate(bodies, 100):
            body_format = BodyFormat.JSON if as_text_ else BodyFormat.PROTOBUF
            client.socket.sendall(encode_frame(proto_id, serial, body, body_format=body_format))
        wanted = set(range(100, 100 + len(bodies)))
        while wanted:
            for event in client.receive():
                wanted.discard(event.frame.serial)  # type: ignore[union-attr]


@pytest.mark.parametrize("form", [TextLog, JsonLog])
def test_what_clients_say_of_themselves_cannot_forge_a_line(form: Any) -> None:
    lines: list[str] = []
    form(lines.append)("connected", {"client": 1, "language": "C\n2026 cut-off\x1b[2J client=2", "empty": ""})
    shown = lines[-1]
    assert len([line for line in lines if "connected" in line]) == 1
    assert not {"\n", "\x1b"} & set(shown)
    if form is JsonLog:
        assert json.loads(shown)["language"].startswith("C\n")


def test_a_log_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    class Gone:
        def write(self, text: str) -> None:
            written.append(text)
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Gone())
    output = LogOutput()
    output.put("connected")
    output.close()
    assert len(written) == 1


def test_a_bug_of_ours_is_said_and_stays_with_one_request() -> None:

    class Broken(Synthetic):
        def answer(self, *_: Any) -> Any:
            raise ZeroDivisionError("a bug")

    def meet() -> None:
        with gateway(source=Broken) as opend, PlainClient(opend.port) as client:
            assert client.ask("GetUserInfo").retMsg == "internal error of the gateway"
            assert client.ask("KeepAlive", time=1).retType == 0

    with pytest.raises(RuntimeError, match="ZeroDivisionError: a bug"):
        meet()
