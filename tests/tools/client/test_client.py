"""The client against a gateway that plays a scenario and misbehaves where it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import socket
import sys
import tracemalloc
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

import pytest

from bench.push_source import rt_push
from ftwire.cipher import PacketEncAlgo, RsaKey
from ftwire.errors import LocalProtocolError, UnknownProtocolError
from ftwire.events import FrameDamaged, UnmatchedReply
from ftwire.header import BodyFormat
from ftwire.messages import Qot_GetRT, Trd_PlaceOrder
from ftwire_tools.client import (
    Client,
    ClientEvent,
    ConnectionLost,
    ConnectionRestored,
    SubscriptionRefused,
    push_router,
)
from ftwire_tools.client.errors import (
    ClientClosedError,
    ClientError,
    ConnectError,
    ConnectionLostError,
    HandshakeError,
    RefusedError,
    ReplyDamagedError,
    ReplyError,
    RequestTimeoutError,
)
from ftwire_tools.client.rt_table import RT_COLUMNS, RtTable
from ftwire_tools.gateway.push import Push, PushRun
from support.places import ROOT
from support.scripted_gateway import ScriptedGateway

KEYS = ROOT / "fixtures" / "keys"
RT = {"security": "HK.00700"}
RUN = PushRun([Push(3009, rt_push().message)] * 250)  # type: ignore[arg-type]  # a known protocol
"""What a gateway floods a client with."""


def rsa_key(name: str = "TEST-ONLY-1024.pem") -> RsaKey:
    return RsaKey.from_pem((KEYS / name).read_bytes())


P = ParamSpec("P")


def running(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an asynchronous test; it has a minute."""

    @functools.wraps(test)
    def run(*arguments: P.args, **named: P.kwargs) -> None:
        async def limited() -> None:
            async with asyncio.timeout(60):
                await test(*arguments, **named)

        asyncio.run(limited())

    return run


def client_of(gateway: ScriptedGateway, **settings: Any) -> Client:
    return Client(port=gateway.port, **{"timeout": 10.0, "reconnect": 0.05, **settings})


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def sdk_rows(name: str) -> list[list[dict[str, Any]]]:
    """What the vendor's SDK made of the same replies, recorded with the capture."""
    lines = (ROOT / "fixtures" / "captures" / f"{name}.client.jsonl").read_text().splitlines()
    return [one["rows"] for one in map(json.loads, lines) if one.get("call") == "get_rt_data"]


# Asking


@running
async def test_a_request_gives_the_replys_message() -> None:
    async with ScriptedGateway() as gateway, client_of(gateway) as client:
        reply = await client.request("Qot_GetRT", RT)
        assert isinstance(reply, Qot_GetRT.Response)
        assert [point.minute for point in reply.s2c.rtList] == [570, 571, 853]
        assert client.connected is not None
        assert client.connected.conn_id == 1001


@running
async def test_an_exchange_gives_the_frame_and_the_time_whatever_the_reply_says() -> None:
    async with ScriptedGateway() as gateway, client_of(gateway) as client:
        reply = await client.exchange(3220, {"security": "HK.00700", "op": 1})
        assert reply.frame.proto_id == 3220
        assert reply.frame.message.retType == -1  # type: ignore[union-attr]  # the registry knows 3220
        assert reply.latency > 0


@running
async def test_a_reply_that_says_no_is_an_error_with_its_facts() -> None:
    async with ScriptedGateway() as gateway, client_of(gateway) as client:
        with pytest.raises(ReplyError) as caught:
            await client.request("Qot_SetPriceReminder", {"security": "HK.00700", "op": 1})
        assert caught.value.ret_type == -1
        assert caught.value.protocol == "Qot_SetPriceReminder"
        assert "not part of this scenario" in caught.value.ret_msg
        assert str(caught.value).startswith("Qot_SetPriceReminder failed: retType -1 ")


@running
async def test_many_requests_at_once_get_their_own_replies() -> None:
    codes = ["HK.00700", "US.AAPL", "HK.00005"] * 40
    async with ScriptedGateway() as gateway, client_of(gateway) as client:
        replies = await asyncio.gather(*(client.request("Qot_GetRT", {"security": code}) for code in codes))
        assert [reply.s2c.security.code for reply in replies] == [code.partition(".")[2] for code in codes]


@running
async def test_what_the_caller_does_wrong_sends_nothing() -> None:
    async with ScriptedGateway() as gateway, client_of(gateway) as client:
        with pytest.raises(UnknownProtocolError):
            await client.request("Qot_GetTR", RT)
        with pytest.raises(LocalProtocolError):
            await client.request("InitConnect", b"")
        with pytest.raises(UnknownProtocolError):
            client.pushes("Qot_UpdateTR")
        assert gateway.names() == ["InitConnect"]


@running
@pytest.mark.parametrize("body_format", list(BodyFormat))
@pytest.mark.parametrize("algorithm", [None, *PacketEncAlgo])
@pytest.mark.parametrize("split", [False, True])
async def test_every_format_and_cipher(body_format: BodyFormat, algorithm: PacketEncAlgo | None, split: bool) -> None:
    key = None if algorithm is None else rsa_key()
    faults = ["split:proto=Qot_GetRT,n=1"] if split else []
    async with (
        ScriptedGateway(key=key, faults=faults) as gateway,
        client_of(gateway, key=key, body_format=body_format, packet_enc_algo=algorithm) as client,
        client.pushes("Qot_UpdateRT") as pushes,
    ):
        reply = await client.request("Qot_GetRT", RT)
        assert len(reply.s2c.rtList) == 3
        await client.subscribe("HK.00700", "RT")
        frame = await anext(pushes)
        assert frame.body_format == body_format
        assert frame.message.s2c.rtList[0].minute == 854  # type: ignore[union-attr]  # a known protocol


@running
async def test_trading_requests_carry_the_connections_packet_id() -> None:
    order = {
        "header": {"trdEnv": 0, "accID": "281756455982434021", "trdMarket": "HK"},
        "trdSide": "Buy",
        "orderType": "Normal",
        "code": "00700",
        "qty": 100,
        "price": 600.5,
    }
    async with ScriptedGateway() as gateway, client_of(gateway) as client:
        await client.request("Trd_PlaceOrder", order)
        await client.request("Trd_PlaceOrder", order)
        sent = [seen.message for seen in gateway.seen if isinstance(seen.message, Trd_PlaceOrder.Request)]
        assert [message.c2s.packetID.connID for message in sent] == [1001, 1001]
        serials = [message.c2s.packetID.serialNo for message in sent]
        assert serials[0] < serials[1]


# get_rt_data


@running
@pytest.mark.parametrize(
    "capture", ["futu-api-10.11-plain.pcap", "moomoo-api-10.11-plain.pcapng", "futu-api-10.11-330-points.pcap"]
)
async def test_get_rt_data_gives_what_the_vendors_sdk_gives(capture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)  # as if it were not installed
    expected = {rows[0]["code"]: rows for rows in sdk_rows(capture)}
    assert expected
    async with ScriptedGateway() as gateway, client_of(gateway) as client:
        for code, rows in expected.items():
            data = await client.get_rt_data(code)
            assert isinstance(data, RtTable)
            assert data.to_dict() == rows
            assert [type(value) for value in data.rows[0]] == [type(value) for value in rows[0].values()]


@running
async def test_get_rt_data_reads_like_the_documented_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    async with ScriptedGateway() as gateway, client_of(gateway) as client:
        data: Any = await client.get_rt_data("HK.00700")
        assert data["turnover"][0] == 153_060_000.0
        assert data["turnover"].values.tolist() == [153_060_000.0, 182_730_300.0, 960_850.0]
        assert tuple(data) == data.columns == RT_COLUMNS
        assert len(RT_COLUMNS) == 10
        assert len(data) == 3
        lines = str(data).splitlines()
        assert lines[0].split() == list(RT_COLUMNS)
        assert lines[1].split()[:2] == ["HK.00700", "TENCENT"]
        with pytest.raises(KeyError):
            data["price"]


@running
async def test_get_rt_data_is_a_data_frame_where_pandas_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pandas:
        @staticmethod
        def DataFrame(rows: list[tuple[Any, ...]], columns: list[str]) -> tuple[str, int, list[str]]:  # noqa: N802
            return "frame", len(rows), columns

    monkeypatch.setitem(sys.modules, "pandas", Pandas)
    async with ScriptedGateway() as gateway, client_of(gateway) as client:
        data: Any = await client.get_rt_data("HK.00700")
        assert data == ("frame", 3, list(RT_COLUMNS))


# Pushes


@running
async def test_pushes_come_in_order_to_those_who_want_them() -> None:
    async with (
        ScriptedGateway() as gateway,
        client_of(gateway) as client,
        client.pushes("Qot_UpdateRT") as points,
        client.pushes(3005, "Qot_UpdateTicker") as others,
        client.pushes() as everything,
    ):
        await client.subscribe(["HK.00700", "US.AAPL"], ["RT", "Basic"])
        minutes = [(await anext(points)).message.s2c.rtList[0].minute for _ in range(6)]  # type: ignore[union-attr]
        assert minutes == [854, 573, 855, 574, 856, 575]
        assert [(await anext(others)).proto_id for _ in range(2)] == [3005, 3005]
        assert [(await anext(everything)).proto_id for _ in range(8)] == [3009] * 6 + [3005] * 2


@running
async def test_a_stream_ends_when_it_or_the_client_is_closed() -> None:
    async with ScriptedGateway() as gateway:
        async with client_of(gateway) as client:
            early, late = client.pushes("Qot_UpdateRT"), client.pushes("Qot_UpdateRT")
            await client.subscribe("HK.00700", "RT")
            await until(lambda: len(late) == 3)
            early.close()
            assert [frame async for frame in early] == []
        assert len([frame async for frame in late]) == 3


@running
async def test_one_stream_has_one_reader() -> None:
    async with ScriptedGateway() as gateway, client_of(gateway) as client, client.pushes() as pushes:
        first = asyncio.ensure_future(anext(pushes))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await anext(pushes)
        await client.subscribe("HK.00700", "RT")
        assert (await first).proto_id == 3009


@running
async def test_a_reader_that_is_cancelled_loses_nothing() -> None:
    async with ScriptedGateway() as gateway, client_of(gateway) as client, client.pushes() as pushes:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.02):
                await anext(pushes)
        await client.subscribe("HK.00700", "RT")
        minutes = [(await anext(pushes)).message.s2c.rtList[0].minute for _ in range(3)]  # type: ignore[union-attr]
        assert minutes == [854, 855, 856]


# Faults: each is recovered from, or is the documented error.


@running
@pytest.mark.parametrize("fault", ["delay", "duplicate", "split"])
async def test_faults_that_change_nothing(fault: str) -> None:
    events: list[ClientEvent] = []
    async with (
        ScriptedGateway(faults=[f"{fault}:proto=Qot_GetRT,n=1,client=1"]) as gateway,
        client_of(gateway, on_event=events.append) as client,
    ):
        assert len((await client.request("Qot_GetRT", RT)).s2c.rtList) == 3
        assert len((await client.request("Qot_GetRT", RT)).s2c.rtList) == 3
    assert [type(event) for event in events] == ([UnmatchedReply] if fault == "duplicate" else [])


@running
@pytest.mark.parametrize(
    ("fault", "error", "event"),
    [
        ("drop", RequestTimeoutError, None),
        ("wrong-serial", RequestTimeoutError, UnmatchedReply),
        ("bad-sha1", ReplyDamagedError, None),
        ("bad-body", ReplyDamagedError, None),
        ("bad-format", ReplyDamagedError, None),
        ("refuse", ReplyError, None),
    ],
)
async def test_faults_that_cost_one_request(fault: str, error: type[ClientError], event: type | None) -> None:
    events: list[ClientEvent] = []
    async with (
        ScriptedGateway(faults=[f"{fault}:proto=Qot_GetRT,n=1,client=1"]) as gateway,
        client_of(gateway, timeout=1, on_event=events.append) as client,
    ):
        with pytest.raises(error):
            await client.request("Qot_GetRT", RT)
        assert len((await client.request("Qot_GetRT", RT)).s2c.rtList) == 3
        assert gateway.names() == ["InitConnect", "Qot_GetRT", "Qot_GetRT"]
    assert [type(each) for each in events] == ([event] if event else [])


@running
async def test_time_outs_say_what_was_asked_and_are_time_out_errors() -> None:
    async with (
        ScriptedGateway(faults=["drop:proto=Qot_GetRT,n=1", "drop:proto=Qot_GetRT,n=2"]) as gateway,
        client_of(gateway, timeout=5) as client,
    ):
        with pytest.raises(TimeoutError) as caught:
            await client.request("Qot_GetRT", RT, timeout=0.05)
        assert isinstance(caught.value, RequestTimeoutError)
        assert (caught.value.protocol, caught.value.seconds, caught.value.was_sent) == ("Qot_GetRT", 0.05, True)


@running
@pytest.mark.parametrize("fault", ["close", "cut", "garbage"])
async def test_faults_that_cost_the_connection_and_bring_a_new_one(fault: str) -> None:
    events: list[ClientEvent] = []
    async with (
        ScriptedGateway(faults=[f"{fault}:proto=Qot_GetRT,n=1,client=1"]) as gateway,
        client_of(gateway, on_event=events.append) as client,
    ):
        with pytest.raises(ConnectionLostError):
            await client.request("Qot_GetRT", RT)
        # Not sent again by itself: whoever asks again is answered on the new connection.
        assert len((await client.request("Qot_GetRT", RT)).s2c.rtList) == 3
        assert gateway.names() == ["InitConnect", "Qot_GetRT", "InitConnect", "Qot_GetRT"]
        assert client.connected is not None
        assert client.connected.conn_id == 1002
    assert [type(event) for event in events] == [ConnectionLost, ConnectionRestored]


@running
async def test_a_gateway_that_falls_silent_is_left_and_connected_to_again() -> None:
    events: list[ClientEvent] = []
    async with (
        ScriptedGateway(keep_alive=1, faults=["silent:proto=KeepAlive,n=1,client=1"]) as gateway,
        client_of(gateway, silence=1.5, on_event=events.append) as client,
        client.pushes() as pushes,
    ):
        await client.subscribe("HK.00700", "RT")
        minutes = [(await anext(pushes)).message.s2c.rtList[0].minute for _ in range(6)]  # type: ignore[union-attr]
        assert minutes == [854, 855, 856] * 2
        assert gateway.names() == ["InitConnect", "Qot_Sub"] * 2
    lost, restored = events
    assert isinstance(lost, ConnectionLost)
    assert "the gateway was silent for" in lost.reason
    assert restored == ConnectionRestored(1, 1)


@running
async def test_keep_alive_keeps_a_quiet_connection() -> None:
    events: list[ClientEvent] = []
    async with ScriptedGateway(keep_alive=1) as gateway, client_of(gateway, silence=2.5, on_event=events.append):
        await asyncio.sleep(4)
        assert {"KeepAlive"} == {seen.name for seen in gateway.seen[1:]}
        assert len(gateway.seen) > 3
    assert events == []


@running
async def test_a_damaged_push_costs_only_itself() -> None:
    events: list[ClientEvent] = []
    async with (
        ScriptedGateway(flood=(RUN, 1), faults=["bad-sha1:proto=Qot_UpdateRT,n=2"]) as gateway,
        client_of(gateway, on_event=events.append) as client,
        client.pushes() as pushes,
    ):
        await client.subscribe("HK.00700", "RT")
        assert [(await anext(pushes)).body for _ in range(249)] == [rt_push().body] * 249
    assert [type(event) for event in events] == [FrameDamaged]


# Connecting


@running
async def test_a_refused_connection_is_a_connect_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ConnectError, match=rf"127.0.0.1:{port}: refused, nobody listens there") as caught:
        await Client(port=port).open()
    assert type(caught.value) is ConnectError


@running
@pytest.mark.parametrize(
    ("fault", "hint"),
    [
        ("close", "may need an RSA key"),
        ("cut", "may need an RSA key"),
        ("drop", "may need an RSA key"),
        ("garbage", "no port on which OpenD speaks TCP"),
        ("bad-sha1", "may need an RSA key"),
    ],
)
async def test_faults_in_the_handshake(fault: str, hint: str) -> None:
    async with ScriptedGateway(faults=[f"{fault}:proto=InitConnect,n=1,client=1"]) as gateway:
        client = client_of(gateway, timeout=1)
        with pytest.raises(HandshakeError, match=hint):
            await client.open()
        with pytest.raises(ClientClosedError):
            await client.request("Qot_GetRT", RT)
        await client.open()  # the fault was for the first one
        assert len((await client.request("Qot_GetRT", RT)).s2c.rtList) == 3
        await client.close()


@running
async def test_a_gateway_that_refuses() -> None:
    async with ScriptedGateway(faults=["refuse:proto=InitConnect,n=1,client=1"]) as gateway:
        with pytest.raises(RefusedError) as caught:
            await client_of(gateway).open()
        assert (caught.value.ret_type, caught.value.ret_msg) == (-1, "the gateway refuses this connection")


@running
@pytest.mark.parametrize(
    ("theirs", "ours", "hint"),
    [
        ("TEST-ONLY-1024.pem", None, "may need an RSA key"),
        (None, "TEST-ONLY-1024.pem", "another RSA key, or none"),
        ("TEST-ONLY-1024.pem", "TEST-ONLY-other-1024.pem", "another RSA key, or none"),
        ("TEST-ONLY-2048.pem", "TEST-ONLY-1024.pem", "another RSA key, or none"),
    ],
)
async def test_a_wrong_key_is_hinted_at(theirs: str | None, ours: str | None, hint: str) -> None:
    async with ScriptedGateway(key=rsa_key(theirs) if theirs else None) as gateway:
        client = client_of(gateway, key=rsa_key(ours) if ours else None)
        with pytest.raises(HandshakeError, match=hint):
            await client.open()


@running
async def test_a_closed_client_says_so() -> None:
    async with ScriptedGateway() as gateway:
        client = client_of(gateway)
        with pytest.raises(ClientClosedError):
            await client.request("Qot_GetRT", RT)
        async with client:
            waiting = asyncio.ensure_future(client.request("Qot_GetRT", RT))
            await asyncio.sleep(0)
        with pytest.raises(ClientError):
            await waiting
        with pytest.raises(ClientClosedError):
            await client.request("Qot_GetRT", RT)
        async with client:  # and opens again
            assert len((await client.request("Qot_GetRT", RT)).s2c.rtList) == 3


# Reconnecting


@running
async def test_subscriptions_are_asked_for_again_and_streams_go_on() -> None:
    events: list[ClientEvent] = []
    async with (
        ScriptedGateway() as gateway,
        client_of(gateway, on_event=events.append) as client,
        client.pushes("Qot_UpdateRT") as pushes,
    ):
        await client.subscribe(["HK.00700", "US.AAPL"], "RT", isFirstPush=True)
        await client.subscribe("HK.00700", ["OrderBook", "Ticker"], push=False)
        await client.unsubscribe("US.AAPL", "RT")
        await client.request("Trd_SubAccPush", {"accIDList": ["5", "6"]})
        for _ in range(6):
            await anext(pushes)
        gateway.cut_all()
        minutes = [(await anext(pushes)).message.s2c.rtList[0].minute for _ in range(3)]  # type: ignore[union-attr]
        assert minutes == [854, 855, 856]
        await until(lambda: any(isinstance(event, ConnectionRestored) for event in events))
        again = [seen.message for seen in gateway.seen if seen.client == 2]
        subscribed = {
            (f"{security.market}.{security.code}", sub_type, message.c2s.isRegOrUnRegPush, message.c2s.isFirstPush)
            for message in again
            if message.DESCRIPTOR.full_name == "Qot_Sub.Request"
            for security in message.c2s.securityList
            for sub_type in message.c2s.subTypeList
        }
        assert subscribed == {("1.00700", 5, True, True), ("1.00700", 2, False, False), ("1.00700", 4, False, False)}
        accounts = [
            message.c2s.accIDList for message in again if message.DESCRIPTOR.file.name == "Trd_SubAccPush.proto"
        ]
        assert accounts == [[5, 6]]


@running
async def test_a_subscription_that_is_not_granted_again_is_told() -> None:
    events: list[ClientEvent] = []
    async with (
        ScriptedGateway(faults=["refuse:proto=Qot_Sub,client=2"]) as gateway,
        client_of(gateway, on_event=events.append) as client,
    ):
        await client.subscribe("HK.00700", "RT")
        gateway.cut_all()
        await until(lambda: len(events) == 3)
    assert [type(event) for event in events] == [ConnectionLost, SubscriptionRefused, ConnectionRestored]


@running
async def test_reconnecting_survives_faults_on_the_way() -> None:
    faults = [
        "close:proto=InitConnect,client=2",
        "refuse:client=3",
        "drop:proto=InitConnect,client=4",
        "cut:proto=Qot_Sub,client=5",
        "drop:proto=Qot_Sub,client=6",
    ]
    events: list[ClientEvent] = []
    async with (
        ScriptedGateway(faults=faults) as gateway,
        client_of(gateway, timeout=1, on_event=events.append) as client,
    ):
        await client.subscribe("HK.00700", "RT")
        gateway.cut_all()
        await until(lambda: len(events) == 2)
        assert len((await client.request("Qot_GetRT", RT)).s2c.rtList) == 3
    assert [type(event) for event in events] == [ConnectionLost, ConnectionRestored]
    assert isinstance(events[1], ConnectionRestored)
    assert events[1].attempts == 6


@running
async def test_a_gateway_that_is_restarted_is_found_again() -> None:
    gateway = ScriptedGateway()
    await gateway.start()
    async with client_of(gateway) as client, client.pushes() as pushes:
        await client.subscribe("HK.00700", "RT")
        await gateway.stop()
        waiting = asyncio.ensure_future(client.request("Qot_GetRT", RT))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await gateway.start(gateway.port)
        assert len((await waiting).s2c.rtList) == 3
        assert (await anext(pushes)).proto_id == 3009
        await gateway.stop()


@running
async def test_a_request_does_not_wait_for_a_connection_for_ever() -> None:
    gateway = ScriptedGateway()
    await gateway.start()
    async with client_of(gateway, timeout=0.3) as client:
        await gateway.stop()
        await asyncio.sleep(0.05)
        with pytest.raises(RequestTimeoutError, match="no connection to send it on"):
            await client.request("Qot_GetRT", RT)


@running
@pytest.mark.parametrize("settings", [{"reconnect": None}, {"reconnect": 0.01, "reconnect_attempts": 2}])
async def test_when_a_connection_is_lost_for_good_everybody_is_told(settings: dict[str, Any]) -> None:
    gateway = ScriptedGateway()
    await gateway.start()
    async with client_of(gateway, **settings) as client, client.pushes() as pushes:
        await client.subscribe("HK.00700", "RT")
        await until(lambda: len(pushes) == 3)
        await gateway.stop()
        for _ in range(3):
            await anext(pushes)  # what came before can still be taken
        with pytest.raises(ConnectionLostError):
            await anext(pushes)
        with pytest.raises(ConnectionLostError):
            await client.request("Qot_GetRT", RT)
        with pytest.raises(ConnectionLostError):
            await anext(client.pushes())


# Back-pressure


@running
async def test_what_waits_is_bounded_and_nothing_is_lost() -> None:
    size, count, limit = len(rt_push().encode()), 100_000, 1 << 20
    async with (
        ScriptedGateway(flood=(RUN, count // len(RUN.pushes))) as gateway,
        client_of(gateway, max_buffered=limit) as client,
        client.pushes() as pushes,
    ):
        tracemalloc.start()
        try:
            await client.subscribe("HK.00700", "RT")
            before = -1
            while before != gateway.flooded:  # until the gateway is stuck
                before = gateway.flooded
                await asyncio.sleep(0.3)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert gateway.flooded < count // len(RUN.pushes)
        # One piece of the stream, 256 KiB, may be on top, its frames at their overhead's worth.
        assert limit <= pushes.size < limit + 256 * 1024 * 8
        assert peak < size * count / 2
        for _ in range(count):
            await anext(pushes)
        assert len(pushes) == 0


@running
async def test_a_reader_may_ask_between_its_pushes() -> None:
    count = 6_000
    async with (
        ScriptedGateway(flood=(RUN, count // len(RUN.pushes))) as gateway,
        client_of(gateway, max_buffered=100_000, timeout=5) as client,
        client.pushes() as pushes,
    ):
        await client.subscribe("HK.00700", "RT")
        await asyncio.sleep(0.2)
        seen = 0
        async for _ in pushes:
            seen += 1
            if seen % 2_000 == 1:
                await asyncio.sleep(0.05)
                assert len((await client.request("Qot_GetRT", RT)).s2c.rtList) == 3
            if seen == count:
                break
    assert seen == count


@running
async def test_not_listening_is_not_taken_for_silence_and_keep_alive_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_router, "SLACK", 0)
    events: list[ClientEvent] = []
    async with (
        ScriptedGateway(keep_alive=1, flood=(RUN, 50_000 // len(RUN.pushes))) as gateway,
        client_of(gateway, max_buffered=100_000, silence=2.5, on_event=events.append) as client,
        client.pushes() as pushes,
    ):
        await client.subscribe("HK.00700", "RT")
        await asyncio.sleep(4)
        for _ in range(50_000):
            await anext(pushes)
        await until(lambda: sum(seen.name == "KeepAlive" for seen in gateway.seen) >= 2)
    assert events == []


@running
async def test_pushes_that_nobody_wants_are_not_kept() -> None:
    async with (
        ScriptedGateway(flood=(RUN, 20_000 // len(RUN.pushes))) as gateway,
        client_of(gateway, max_buffered=10_000) as client,
    ):
        await client.subscribe("HK.00700", "RT")
        assert len((await client.request("Qot_GetRT", RT)).s2c.rtList) == 3
