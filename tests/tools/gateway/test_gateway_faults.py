"""Every fault, as a client sees it."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from ftwire.body import decode_body
from ftwire.errors import BadMagicError, BodyError, DigestError, RemoteProtocolError
from ftwire.events import FrameDamaged, PushReceived, Refused, ReplyReceived, UnmatchedReply
from ftwire.frame import UnknownBody
from ftwire.messages import Qot_GetRT
from ftwire_tools.gateway.faults import NAMES
from ftwire_tools.testing import RunningGateway, gateway
from support.gateways import CAPTURES, PlainClient

PLAIN = CAPTURES / "futu-api-10.11-plain.pcap"
QUESTION: dict[str, Any] = {"security": {"market": 1, "code": "00700"}}
OK = (0, 0, "")
TESTED: set[str] = set()


def running(fault: str, **more: Any) -> Any:
    TESTED.add(fault.partition(":")[0])
    return gateway(PLAIN, match="security", faults=[fault], **{"speed": None, **more})


def ask(client: PlainClient, protocol: str = "Qot_GetRT") -> int:
    """Send a question and do not wait."""
    request = Qot_GetRT.Request()
    request.c2s.security.market, request.c2s.security.code = 1, "00700"
    serial = client.connection.request(protocol, request, time.monotonic_ns())
    client.send()
    return serial


def struck(opend: RunningGateway) -> Any:
    return opend.wait_for("disconnected")[0].get("faults")


def minutes(client: PlainClient) -> list[int]:
    return [frame.message.s2c.rtList[0].minute for frame in client.pushes]  # type: ignore[union-attr]


def test_delay() -> None:
    with running("delay:ms=300,proto=3008,n=1") as opend, PlainClient(opend.port) as client:
        serial = ask(client)
        client.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.receive()
        client.socket.settimeout(10)
        late = client.until(lambda event: isinstance(event, ReplyReceived))
        assert late.frame.serial == serial  # type: ignore[union-attr]


def test_jitter_keeps_the_order() -> None:
    with running("jitter:ms=5") as opend, PlainClient(opend.port) as client:
        serials = [ask(client) for _ in range(20)]
        while len(client.events) < 21:
            client.receive()
        assert [event.frame.serial for event in client.events[1:]] == serials  # type: ignore[union-attr]


def test_drop() -> None:
    with running("drop:proto=Qot_GetRT,n=2") as opend:
        with PlainClient(opend.port) as client:
            first, _, third = ask(client), ask(client), ask(client)
            while len(client.events) < 3:
                client.receive()
            assert [event.frame.serial for event in client.events[1:]] == [first, third]  # type: ignore[union-attr]
        assert struck(opend) == {"drop": 1}


def test_lose() -> None:
    with running("lose:proto=Qot_GetRT,n=2") as opend:
        with PlainClient(opend.port) as client:
            first, _, third = ask(client), ask(client), ask(client)
            while len(client.events) < 3:
                client.receive()
            assert [event.frame.serial for event in client.events[1:]] == [first, third]  # type: ignore[union-attr]
        assert struck(opend) == {"lose": 1}
        assert [request.name for request in opend.requests] == ["InitConnect", "Qot_GetRT", "Qot_GetRT"]


def test_duplicate() -> None:
    with running("duplicate:proto=Qot_GetRT") as opend, PlainClient(opend.port) as client:
        serial = ask(client)
        while len(client.events) < 3:
            client.receive()
        first, second = client.events[1:]
        assert isinstance(first, ReplyReceived)
        assert isinstance(second, UnmatchedReply)
        assert first.frame.serial == second.frame.serial == serial


def test_reorder() -> None:
    with running("reorder:proto=Qot_UpdateRT,n=1") as opend, PlainClient(opend.port) as client:
        client.subscribe("HK.00700")
        client.wait_for_pushes(2)
        assert minutes(client) == [855, 854]


def test_bad_sha1() -> None:
    with running("bad-sha1:proto=3008,n=1") as opend, PlainClient(opend.port) as client:
        ask(client)
        damaged = client.until(lambda event: isinstance(event, FrameDamaged))
        assert isinstance(damaged, FrameDamaged)
        assert isinstance(damaged.frame.error, DigestError)
        assert damaged.request is not None
        assert client.ask("Qot_GetRT", **QUESTION).retType == 0


def test_bad_body() -> None:
    with running("bad-body:proto=3008,n=1") as opend, PlainClient(opend.port) as client:
        ask(client)
        reply = client.until(lambda event: isinstance(event, ReplyReceived))
        with pytest.raises(BodyError):
            decode_body(reply.frame.body, Qot_GetRT.Response)  # type: ignore[union-attr]
        assert client.ask("Qot_GetRT", **QUESTION).retType == 0


def test_bad_format() -> None:
    with running("bad-format:proto=3008,n=1") as opend, PlainClient(opend.port) as client:
        ask(client)
        reply = client.until(lambda event: isinstance(event, ReplyReceived))
        assert isinstance(reply.frame.message, UnknownBody)  # type: ignore[union-attr]
        assert client.ask("Qot_GetRT", **QUESTION).retType == 0


def test_garbage() -> None:
    with running("garbage:proto=3008,n=1") as opend, PlainClient(opend.port) as client:
        ask(client)
        with pytest.raises(BadMagicError):
            client.until(lambda _: False)


def test_close() -> None:
    with running("close:proto=3008,n=2") as opend, PlainClient(opend.port) as client:
        assert client.ask("Qot_GetRT", **QUESTION).retType == 0
        ask(client)
        client.wait_for_end()
        assert len(client.events) == 2
        client.connection.close()


def test_cut() -> None:
    with running("cut:proto=3008,n=2") as opend, PlainClient(opend.port) as client:
        assert client.ask("Qot_GetRT", **QUESTION).retType == 0
        ask(client)
        client.wait_for_end()
        with pytest.raises(RemoteProtocolError, match="into a frame"):
            client.connection.close()


def test_split() -> None:
    with running("split:proto=3008") as opend, PlainClient(opend.port) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        ask(client)
        pieces = 0
        while len(client.events) < 2:
            client.receive()
            pieces += 1
        assert pieces > 2
        assert isinstance(client.events[1], ReplyReceived)


def test_merge() -> None:
    with running("merge:proto=3008,n=1") as opend, PlainClient(opend.port) as client:
        first = ask(client)
        client.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.receive()
        client.socket.settimeout(10)
        second = ask(client)
        assert [event.frame.serial for event in client.receive()] == [first, second]  # type: ignore[union-attr]


def test_merge_lets_go_when_nothing_follows() -> None:
    # The client waits for this reply before it sends anything: nothing follows by itself.
    with running("merge:proto=InitConnect,n=1,ms=50") as opend, PlainClient(opend.port) as client:
        assert client.is_open
        assert client.ask("Qot_GetRT", **QUESTION).retType == 0


def test_merge_of_everything_holds_no_more_than_a_bounded_amount() -> None:
    with running("merge:ms=1000000,proto=3008") as opend, PlainClient(opend.port) as client:
        sent = [ask(client) for _ in range(400)]
        # 400 replies are more than the 64 KiB after which it lets go.
        assert client.receive()[0].frame.serial == sent[0]  # type: ignore[union-attr]


def test_what_is_merged_comes_before_what_is_split() -> None:
    with running("merge:proto=3008,n=1") as opend:
        opend.faults.add("split:proto=3008,n=2")
        with PlainClient(opend.port) as client:
            sent = [ask(client), ask(client)]
            while len(client.events) < 3:
                client.receive()
            assert [event.frame.serial for event in client.events[1:]] == sent  # type: ignore[union-attr]


def test_reorder_lets_go_when_nothing_follows() -> None:
    with running("reorder:proto=Qot_UpdateRT,ms=50", speed=1.0) as opend, PlainClient(opend.port) as client:
        client.subscribe("HK.00700")
        assert client.wait_for_pushes(1)


def test_cut_sends_what_is_held_back_first() -> None:
    with running("merge:proto=3008,n=1") as opend:
        opend.faults.add("close:proto=3008,n=2")
        with PlainClient(opend.port) as client:
            first, _ = ask(client), ask(client)
            client.wait_for_end()
            assert [event.frame.serial for event in client.events[1:]] == [first]  # type: ignore[union-attr]


def test_wrong_serial() -> None:
    with running("wrong-serial:proto=3008,n=1") as opend, PlainClient(opend.port) as client:
        serial = ask(client)
        wrong = client.until(lambda event: isinstance(event, UnmatchedReply))
        assert wrong.frame.serial == serial + 1_000_000  # type: ignore[union-attr]
        assert client.ask("Qot_GetRT", **QUESTION).retType == 0


def test_unknown_protocol() -> None:
    with running("unknown-protocol:proto=3008,n=1") as opend, PlainClient(opend.port) as client:
        assert client.ask("Qot_GetRT", **QUESTION).retType == 0
        strange = client.events[1]
        assert isinstance(strange, UnmatchedReply)
        assert isinstance(strange.frame.message, UnknownBody)
        assert strange.frame.proto_id == 9999


def test_silent() -> None:
    with running("silent:proto=3008,n=2") as opend, PlainClient(opend.port) as client:
        assert client.ask("Qot_GetRT", **QUESTION).retType == 0
        ask(client)
        ask(client)
        client.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.receive()


def test_refuse() -> None:
    with running("refuse:n=1") as opend, PlainClient(opend.port) as client:
        (event,) = client.events
        assert isinstance(event, Refused)
        assert event.ret_msg == "the gateway refuses this connection"
        client.wait_for_end()


def test_refuse_one_protocol() -> None:
    with running("refuse:proto=3008,n=1") as opend, PlainClient(opend.port) as client:
        refused = client.ask("Qot_GetRT", **QUESTION)
        assert (refused.retType, refused.retMsg) == (-1, "the gateway refuses this request")
        assert client.ask("Qot_GetRT", **QUESTION).retType == 0


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("refuse:proto=Qot_Get*", [(-1, 0, "the gateway refuses this request")] * 4),
        ("refuse:proto=3008,ret_type=-100,n=2,err_code=7,ret_msg=late, very", [OK, (-100, 7, "late, very"), OK, OK]),
        ("refuse:proto=qot_getrt,every=2,ret_msg=行情权限不足", [OK, (-1, 0, "行情权限不足")] * 2),
        ("refuse:proto=Qot_GetKL", [OK] * 4),
    ],
)
def test_errors_on_demand(rule: str, expected: list[tuple[int, int, str]]) -> None:
    with running(rule) as opend, PlainClient(opend.port) as client:
        replies = [client.ask("Qot_GetRT", **QUESTION) for _ in range(4)]
        assert [(reply.retType, reply.errCode, reply.retMsg) for reply in replies] == expected


def test_the_error_of_the_handshake_is_on_demand_too() -> None:
    with running("refuse:ret_type=-400,ret_msg=phone code needed") as opend, PlainClient(opend.port) as client:
        (event,) = client.events
        assert isinstance(event, Refused)
        assert (event.ret_type, event.ret_msg) == (-400, "phone code needed")


def test_rules_change_while_it_runs() -> None:
    with gateway(PLAIN, match="security") as opend, PlainClient(opend.port) as client:

        def outcome() -> int:
            return int(client.ask("Qot_GetRT", **QUESTION).retType)

        assert outcome() == 0
        number = opend.faults.add("refuse:proto=Qot_GetRT,ret_type=-5")
        assert outcome() == -5
        assert {each: str(rule) for each, rule in opend.faults.rules.items()} == {
            number: "refuse:proto=Qot_GetRT,ret_type=-5"
        }
        opend.faults.remove(number)
        assert outcome() == 0
        opend.faults.add("silent:proto=Qot_GetRT")
        ask(client)
        client.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.receive()
        client.socket.settimeout(10)
        opend.faults.clear()
        assert outcome() == 0
        with pytest.raises(KeyError):
            opend.faults.remove(number)
        assert opend.faults.struck[number] == 1


def test_frames_keep_their_order_when_faults_end() -> None:
    with (
        gateway(PLAIN, match="security", faults=["delay:ms=200,proto=3008"]) as opend,
        PlainClient(opend.port) as client,
    ):
        first = ask(client)
        client.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.receive()
        client.socket.settimeout(10)
        opend.faults.clear()
        second = ask(client)
        while len(client.events) < 3:
            client.receive()
        assert [event.frame.serial for event in client.events[1:]] == [first, second]  # type: ignore[union-attr]


def test_chance_is_seeded() -> None:
    def run(seed: int) -> list[int]:
        with running("drop:p=0.5,proto=Qot_UpdateRT", seed=seed) as opend, PlainClient(opend.port) as client:
            client.subscribe("HK.00700", "US.AAPL")
            client.ask("KeepAlive", time=1)
            time.sleep(0.1)
            client.ask("KeepAlive", time=1)
            return minutes(client)

    runs = [run(seed) for seed in (1, 1, 2, 3, 4)]
    assert runs[0] == runs[1]
    assert len(set(map(tuple, runs))) > 1


def test_several_at_once_and_pushes_go_on() -> None:
    with gateway(
        PLAIN,
        speed=None,
        loop=True,
        faults=["bad-sha1:p=0.2,proto=3009", "split:p=0.2", "duplicate:p=0.2", "merge:p=0.2"],
    ) as opend:
        with PlainClient(opend.port) as client:
            client.subscribe("HK.00700", "US.AAPL")
            while sum(isinstance(event, PushReceived) for event in client.events) < 200:
                client.receive()
            assert any(isinstance(event, FrameDamaged) for event in client.events)
        assert set(struck(opend)) == {"bad-sha1", "split", "duplicate", "merge"}


def test_every_fault_has_its_test() -> None:
    named = {
        name.removeprefix("test_").replace("_keeps_the_order", "").replace("_", "-")
        for name in globals()
        if name.startswith("test_")
    }
    assert set(NAMES) <= named
