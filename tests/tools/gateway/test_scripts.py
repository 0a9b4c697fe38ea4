"""Scripts: what their functions see, what they can do about it, and what their errors do."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ftwire.messages import Qot_GetBasicQot, Qot_UpdateBasicQot
from ftwire_tools.commands.serve import command
from ftwire_tools.gateway.hooks import PushEvent, ReplyEvent, RequestEvent
from ftwire_tools.gateway.script_file import ScriptError, load_script
from ftwire_tools.gateway.steering import Steering
from ftwire_tools.testing import RunningGateway, Script, gateway
from support.control import steerable
from support.gateways import CAPTURES, PlainClient, security

PLAIN = CAPTURES / "futu-api-10.11-plain.pcap"
TENCENT = security("HK.00700")
BASIC = 1
QUESTION = Qot_GetBasicQot.Request()
QUESTION.c2s.securityList.add(market=1, code="00700")
NO_QUOTE = Qot_GetBasicQot.Response(retType=0)
NO_QUOTE.s2c.basicQotList.add()


def quote(client: PlainClient) -> Any:
    return client.ask("Qot_GetBasicQot", securityList=[TENCENT])


def is_quote(event: RequestEvent | ReplyEvent) -> bool:
    return event.name == "Qot_GetBasicQot"


@pytest.fixture
def subscribed() -> Iterator[Any]:
    """``subscribed(script)``: a client that has subscribed to a stock, of a gateway with this script."""
    entered: list[AbstractContextManager[Any]] = []

    def begin(script: Script) -> tuple[RunningGateway, PlainClient]:
        context = gateway(synthetic=True, always_open=True, script=script)
        opend = context.__enter__()
        entered.append(context)
        opend.clock.stop()
        client = PlainClient(opend.port)
        entered.append(client)
        client.subscribe("HK.00700", sub_types=(BASIC,), isFirstPush=False)
        return opend, client

    yield begin
    for context in reversed(entered):
        context.__exit__(None, None, None)


def test_a_request_is_seen_as_a_message_with_its_client(subscribed: Any) -> None:
    seen: list[RequestEvent] = []
    _, client = subscribed(Script(on_request=seen.append))
    quote(client)
    event = seen[-1]
    assert (event.client, event.name, event.proto_id) == (1, "Qot_GetBasicQot", 3004)
    assert isinstance(event.message, Qot_GetBasicQot.Request)
    assert event.message.c2s.securityList[0].code == "00700"
    assert isinstance(event.gateway, Steering)


def answer(event: RequestEvent) -> Any:
    if not is_quote(event):
        return None
    return event.refused("not today", ret_type=-7, err_code=3)


async def answer_later(event: RequestEvent) -> Any:
    await asyncio.sleep(0.01)
    return answer(event)


@pytest.mark.parametrize("hook", [answer, answer_later])
def test_a_request_is_answered_by_the_script(subscribed: Any, hook: Any) -> None:
    _, client = subscribed(Script(on_request=hook))
    found = quote(client)
    assert (found.retType, found.retMsg, found.errCode) == (-7, "not today", 3)
    assert client.ask("GetGlobalState", userID=0).retType == 0


def test_a_request_is_answered_with_content(subscribed: Any) -> None:
    def hook(event: RequestEvent) -> Any:
        if event.name != "Qot_RequestTradeDate":
            return None
        response = event.success()
        response.s2c.tradeDateList.add(time="2031-01-02", timestamp=5.0, tradeDateType=0)
        return response

    _, client = subscribed(Script(on_request=hook))
    found = client.ask("Qot_RequestTradeDate", market=1, beginTime="2031-01-01", endTime="2031-02-01")
    assert [day.time for day in found.s2c.tradeDateList] == ["2031-01-02"]


def change_in_place(event: RequestEvent) -> None:
    if event.name == "Qot_GetSecuritySnapshot":
        event.message.c2s.securityList[0].code = "09988"


async def give_another(event: RequestEvent) -> Any:
    change_in_place(event)
    return event.message


@pytest.mark.parametrize("hook", [change_in_place, give_another])
def test_a_request_is_altered_but_listed_as_it_came(subscribed: Any, hook: Any) -> None:
    opend, client = subscribed(Script(on_request=hook))
    found = client.ask("Qot_GetSecuritySnapshot", securityList=[TENCENT])
    assert found.s2c.snapshotList[0].basic.security.code == "09988"
    assert opend.requests[-1].message.c2s.securityList[0].code == "00700"


def test_a_subscription_that_is_altered_counts_as_altered(subscribed: Any) -> None:
    def hook(event: RequestEvent) -> None:
        if event.name == "Qot_Sub":
            del event.message.c2s.subTypeList[:]
            event.message.c2s.subTypeList.append(4)

    opend, client = subscribed(Script(on_request=hook))
    assert quote(client).retType == -1
    (connected,) = opend.state()["clients"]
    assert connected["subscriptions"] == 1


def alter_reply(event: ReplyEvent) -> None:
    if is_quote(event):
        assert event.request.c2s.securityList[0].code == "00700"
        event.message.s2c.basicQotList[0].curPrice = 1.5


async def another_reply(event: ReplyEvent) -> Any:
    await asyncio.sleep(0)
    alter_reply(event)
    return event.message


@pytest.mark.parametrize("hook", [alter_reply, another_reply])
def test_a_reply_is_altered(subscribed: Any, hook: Any) -> None:
    _, client = subscribed(Script(on_reply=hook))
    assert quote(client).s2c.basicQotList[0].curPrice == 1.5


def alter_push(event: PushEvent) -> None:
    event.message.s2c.basicQotList[0].curPrice = event.client


async def another_push(event: PushEvent) -> Any:
    alter_push(event)
    return event.message


@pytest.mark.parametrize("hook", [alter_push, another_push])
def test_a_push_is_altered_for_one_client(subscribed: Any, hook: Any) -> None:
    opend, client = subscribed(Script(on_push=hook))
    with PlainClient(opend.port) as other:
        other.subscribe("HK.00700", sub_types=(BASIC,), isFirstPush=False)
        opend.market.set_price("HK.00700", 400)
        found = [one.wait_for_pushes(1)[0].basicQotList[0].curPrice for one in (client, other)]
    assert found == [1, 2]


def script_with(name: str, hook: Any) -> Script:
    return Script(on_request=hook) if name == "on_request" else Script(on_reply=hook)


@pytest.mark.parametrize("hook", ["on_request", "on_reply"])
def test_what_is_dropped_is_not_answered(subscribed: Any, hook: str) -> None:
    def drop(event: Any) -> None:
        if is_quote(event):
            event.drop()

    _, client = subscribed(script_with(hook, drop))
    client.connection.request("Qot_GetBasicQot", QUESTION, 0)
    client.send()
    client.ask("KeepAlive", time=1)
    assert [event.frame.proto_id for event in client.events if hasattr(event, "frame")].count(3004) == 0


def test_a_push_is_dropped(subscribed: Any) -> None:
    opend, client = subscribed(Script(on_push=lambda event: event.drop()))
    opend.market.set_price("HK.00700", 400)
    client.ask("KeepAlive", time=1)
    assert client.pushes == []


@pytest.mark.parametrize("hook", ["on_request", "on_reply"])
def test_what_is_delayed_comes_later_and_lets_others_pass(subscribed: Any, hook: str) -> None:
    def delay(event: Any) -> None:
        if is_quote(event):
            event.delay(0.2)

    _, client = subscribed(script_with(hook, delay))
    client.connection.request("Qot_GetBasicQot", QUESTION, 0)
    client.ask("KeepAlive", time=1)
    client.until(lambda event: hasattr(event, "frame") and event.frame.proto_id == 3004)
    order = [event.frame.proto_id for event in client.events if hasattr(event, "frame")]
    assert order.index(1004) < order.index(3004)


def test_a_push_is_delayed(subscribed: Any) -> None:
    def delay(event: PushEvent) -> None:
        event.delay(0.5)

    opend, client = subscribed(Script(on_push=delay))
    opend.market.set_price("HK.00700", 400)
    client.ask("KeepAlive", time=1)
    assert client.pushes == []
    assert client.wait_for_pushes(1)[0].basicQotList[0].curPrice == 400


def test_a_scenario_runs_beside_the_gateway() -> None:
    async def on_start(opend: Steering) -> None:
        opend.clock.stop()
        for price in (390, 380, 370):
            opend.market.set_price("HK.00700", price)
            await asyncio.sleep(0.01)
        await asyncio.Event().wait()  # the gateway's end ends it

    with gateway(synthetic=True, always_open=True, script=Script(on_start=on_start)) as opend:
        until = time.monotonic() + 10
        while opend.state()["market"]["steered"].get("HK.00700", {}).get("price") != 370:
            assert time.monotonic() < until


def test_a_script_may_alter_what_a_capture_answers() -> None:
    def hook(event: ReplyEvent) -> None:
        if event.name == "Qot_GetRT":
            del event.message.s2c.rtList[1:]

    with gateway(PLAIN, match="security", script=Script(on_reply=hook)) as opend, PlainClient(opend.port) as client:
        assert [len(client.ask("Qot_GetRT", security=TENCENT).s2c.rtList) for _ in range(2)] == [1, 1]


# Errors


@contextmanager
def failing(script: Path | Script, reason: str) -> Iterator[tuple[RunningGateway, PlainClient]]:
    """A gateway and its client; the gateway ends with the first error of the script, which is this one."""
    context = gateway(synthetic=True, always_open=True, script=script)
    opend = context.__enter__()
    try:
        with PlainClient(opend.port) as client:
            yield opend, client
    finally:
        with pytest.raises(RuntimeError, match=reason):
            context.__exit__(None, None, None)


SCRIPT = """
from ftwire.messages import KeepAlive

def on_request(event):
    if event.name == "Qot_GetBasicQot":
        return helper(event)

def helper(event):
    return 1 / 0

async def on_reply(event):
    if event.name == "Qot_GetBasicQot":
        raise SystemExit("bye")

def on_push(event):
    return KeepAlive.Response(retType=0)
"""


def test_an_error_is_reported_with_its_line_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "scenario.py"
    path.write_text(SCRIPT)
    with failing(path, r"scenario\.py:9: on_request: ZeroDivisionError: division by zero") as (opend, client):
        opend.clock.stop()
        client.subscribe("HK.00700", sub_types=(BASIC,), isFirstPush=False)
        assert quote(client).s2c.basicQotList[0].curPrice > 0
        opend.market.set_price("HK.00700", 400)
        assert client.wait_for_pushes(1)[0].basicQotList[0].curPrice == 400
        found = opend.wait_for("script-error", 3)
        assert [(facts["at"], facts["hook"], facts["error"]) for facts in found] == [
            (f"{path}:9", "on_request", "ZeroDivisionError: division by zero"),
            (f"{path}:13", "on_reply", "SystemExit: bye"),
            (
                f"{path}:15",
                "on_push",
                "it gave KeepAlive.Response for Qot_UpdateBasicQot; it may give Qot_UpdateBasicQot.Response, or None",
            ),
        ]


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (
            b"bytes",
            "it gave bytes for Qot_GetBasicQot; it may give Qot_GetBasicQot.Request or Qot_GetBasicQot.Response",
        ),
        (Qot_UpdateBasicQot.Response(), "it gave Qot_UpdateBasicQot.Response for Qot_GetBasicQot"),
        (
            NO_QUOTE,
            "its Qot_GetBasicQot.Response lacks s2c.basicQ",
        ),
        (Qot_GetBasicQot.Request(), "its Qot_GetBasicQot.Request lacks c2s"),
    ],
)
def test_what_makes_no_sense_is_reported_and_left_out(result: object, reason: str) -> None:
    def on_request(event: RequestEvent) -> object:
        return result if is_quote(event) else None

    with failing(Script(on_request=on_request), r"test_scripts\.py:\d+: on_request: it") as (opend, client):
        client.subscribe("HK.00700", sub_types=(BASIC,))
        assert quote(client).retType == 0
        assert str(opend.wait_for("script-error")[0]["error"]).startswith(reason)


def test_errors_of_one_test_are_not_those_of_the_next() -> None:
    def on_request(event: RequestEvent) -> None:
        if is_quote(event):
            raise ValueError("once")

    with (
        gateway(synthetic=True, always_open=True, script=Script(on_request=on_request)) as opend,
        PlainClient(opend.port) as client,
    ):
        quote(client)
        with pytest.raises(RuntimeError, match="ValueError: once"):
            opend.reset()
        assert opend.events == []
        opend.reset()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def on_request(event)\n    pass", r"bad\.py:1: expected ':'"),
        ("import nothing_of_the_kind", r"bad\.py:1: ModuleNotFoundError: No module named 'nothing_of_the_kind'"),
        ("\n\nexit(3)", r"bad\.py:3: SystemExit: 3"),
        ("x = 1", r"bad\.py: it defines none of on_start, on_request, on_reply, on_push"),
        ("on_push = 1", r"bad\.py: on_push is no function"),
    ],
)
def test_a_script_that_cannot_be_used_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(ScriptError, match=reason):
        load_script(str(path))
    done = CliRunner().invoke(command, ["--synthetic", "--script", str(path)])
    assert done.exit_code == 1
    assert "Error: " in done.output
    assert "Traceback" not in done.output


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["--synthetic", "--script", str(tmp_path / "none.py")])
    assert done.exit_code == 1
    assert done.output == f"Error: {tmp_path / 'none.py'}: No such file or directory\n"


def test_a_script_uses_modules_beside_it_and_leaves_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "prices_beside.py").write_text("PRICE = 321.0\n")
    path = tmp_path / "scenario.py"
    path.write_text(
        "from dataclasses import dataclass\n"
        "from prices_beside import PRICE\n"
        "@dataclass\n"
        "class Step:\n"
        "    price: 'float'\n"
        "def on_start(gateway):\n"
        "    gateway.market.set_price('HK.00700', Step(PRICE).price)\n"
    )
    with gateway(synthetic=True, always_open=True, script=path) as opend:
        assert opend.state()["market"]["steered"]["HK.00700"]["price"] == 321.0
    assert not list(tmp_path.glob("__pycache__/scenario*"))


def test_serve_says_that_a_script_runs_as_code_and_goes_on_after_its_errors(tmp_path: Path) -> None:
    path = tmp_path / "scenario.py"
    path.write_text("def on_request(event):\n    raise ValueError('no')\n")
    with (
        steerable(tmp_path, "--synthetic", "--hours", "always", "--script", path) as control,
        PlainClient(control.port) as client,
    ):
        assert control.said.startswith(f"ftwire: {path} runs as code, with all the rights that you have\n")
        assert client.ask("GetGlobalState", userID=0).retType == 0
        assert f'script-error at={path}:2 hook=on_request error="ValueError: no"' in control.more()
        assert client.ask("GetGlobalState", userID=0).retType == 0


def test_json_bodies_are_altered_too() -> None:
    from ftwire.header import BodyFormat

    with gateway(synthetic=True, always_open=True, script=Script(on_reply=alter_reply)) as opend:
        opend.clock.stop()
        with PlainClient(opend.port, body_format=BodyFormat.JSON) as client:
            client.subscribe("HK.00700", sub_types=(BASIC,))
            assert quote(client).s2c.basicQotList[0].curPrice == 1.5
            assert json.loads(client.events[-1].frame.body)["s2c"]["basicQotList"][0]["curPrice"] == 1.5  # type: ignore[union-attr]
