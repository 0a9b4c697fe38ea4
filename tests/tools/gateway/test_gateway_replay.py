"""A gateway that answers from captures: every reply and push in them comes back as it was captured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

import ftwire
from fixtures.make_keys import TEST_KEY
from fixtures.scenario import RT, RT_PUSHES
from ftwire.cipher import RsaKey
from ftwire.events import Event, FrameObserved, ReplyReceived
from ftwire.frame import Kind
from ftwire.header import BodyFormat
from ftwire_tools.gateway.load import LoadError
from ftwire_tools.testing import gateway, gateway_fixture
from support.gateways import CAPTURES, ENCRYPTIONS, PlainClient

PLAIN = CAPTURES / "futu-api-10.11-plain.pcap"
QUOTES = CAPTURES / "futu-api-9.6-quotes.pcapng"
TRADE = CAPTURES / "futu-api-10.11-trade.pcap"
KEY = RsaKey.from_pem(TEST_KEY.read_bytes())
ALL = sorted(path for path in CAPTURES.iterdir() if path.suffix in {".pcap", ".pcapng"})

plain_gateway = gateway_fixture(PLAIN, scope="module", speed=None)


def seen(path: Path) -> Iterator[FrameObserved]:
    """Every frame of a capture, found without the gateway."""
    for frame in ftwire.read(path, keys=[KEY]):
        yield frame.observation


def points(s2c: Any) -> list[tuple[str, float, int]]:
    return [(point.time, point.price, point.volume) for point in s2c.rtList]


def expected(shares: list[dict[str, Any]]) -> list[tuple[str, float, int]]:
    return [(share["time"], share["price"], int(share["volume"])) for share in shares]


def test_the_example(plain_gateway: Any) -> None:
    with PlainClient(plain_gateway.port) as client:
        assert client.subscribe("US.AAPL", "HK.00700").retType == 0
        for code, market in (("AAPL", 11), ("00700", 1)):
            answer = client.ask("Qot_GetRT", security={"market": market, "code": code})
            assert (answer.retType, points(answer.s2c)) == (0, expected(RT[code]))
        pushed = [points(s2c) for s2c in client.wait_for_pushes(4)]
    assert pushed == [expected([RT_PUSHES[code][n]]) for n in (0, 1) for code in ("AAPL", "00700")]


def answer_to(serial: int) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, ReplyReceived) and event.frame.serial == serial


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_every_captured_reply_is_given_again(path: Path) -> None:
    """The captured requests, sent again in their order, get the captured bodies."""
    frames = list(seen(path))
    asked = 0
    with gateway(path, capture_keys=[KEY], speed=None) as opend, PlainClient(opend.port) as client:
        for one in frames:
            if one.kind is not Kind.RESPONSE or one.frame.proto_id in {1, 1001, 1004, 1002} or one.request is None:
                continue
            protocol = one.frame.protocol
            assert protocol is not None
            serial = client.connection.request(protocol.name, one.request.message, time.monotonic_ns())  # type: ignore[arg-type]
            client.send()
            reply = client.until(answer_to(serial))
            assert reply.frame.message == one.frame.message  # type: ignore[union-attr]
            asked += 1
    assert asked


@pytest.mark.parametrize("path", [PLAIN, QUOTES, TRADE], ids=lambda path: path.name)
def test_every_captured_push_comes_again(path: Path) -> None:
    """All pushes, for a client that does what the captured one did."""
    frames = list(seen(path))
    wanted = [one.frame.message for one in frames if one.kind is Kind.PUSH]
    with gateway(path, speed=None) as opend, PlainClient(opend.port) as client:
        for one in frames:
            if one.kind is Kind.REQUEST and one.frame.proto_id not in {1001, 1004}:
                client.connection.request(one.frame.proto_id, one.frame.message, time.monotonic_ns())  # type: ignore[arg-type]
                client.send()
        client.wait_for_pushes(len(wanted))
        got = [frame.message for frame in client.pushes]
    assert sorted(map(str, got)) == sorted(map(str, wanted))
    assert len(wanted) > 3


@pytest.mark.parametrize("mode", ENCRYPTIONS)
@pytest.mark.parametrize("body_format", BodyFormat)
def test_encryption_and_format_are_the_clients_choice(mode: str, body_format: BodyFormat) -> None:
    """The capture is plain protobuf; it is served in any mode, requests in either format."""
    with gateway(PLAIN, key=KEY, speed=None) as opend:
        client = PlainClient(
            opend.port, key=KEY, packet_enc_algo=ENCRYPTIONS[mode], body_format=body_format, push_format=body_format
        )
        with client:
            assert client.connection.encryption == mode
            assert client.subscribe("US.AAPL", "HK.00700").retType == 0
            answer = client.ask("Qot_GetRT", security={"market": 1, "code": "00700"})
            assert points(answer.s2c) == expected(RT["00700"])
            client.wait_for_pushes(4)
            assert {frame.body_format for frame in client.pushes} == {body_format}
        assert opend.named("connected")[0]["encryption"] == mode


def test_a_key_without_packet_enc_algo_means_ftaes_ecb() -> None:
    """What a client gets that names no algorithm, as one that sends the required fields alone."""
    with gateway(PLAIN, key=KEY, speed=None) as opend:
        client = PlainClient.__new__(PlainClient)
        _connect_without_algorithm(client, opend.port)
        with client:
            assert client.connection.encryption == "ftaes_ecb"
            assert client.subscribe("US.AAPL", "HK.00700").retType == 0
            answer = client.ask("Qot_GetRT", security={"market": 1, "code": "00700"})
            assert points(answer.s2c) == expected(RT["00700"])
        assert opend.named("connected") == [{"client": 1, "language": "unknown", "encryption": "ftaes_ecb"}]


def _connect_without_algorithm(client: PlainClient, port: int) -> None:
    import socket

    from ftwire.connection import Connection
    from ftwire.events import Connected
    from ftwire.frame import Role
    from ftwire.messages import InitConnect

    client.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.connection = Connection(Role.CLIENT, key=KEY)
    client.format = BodyFormat.PROTOBUF
    client.events = []
    request = InitConnect.Request()
    request.c2s.clientVer = 1011
    request.c2s.clientID = "FTAPI_Client"
    request.c2s.recvNotify = True
    client.connection.request("InitConnect", request, time.monotonic_ns())
    client.send()
    client.until(lambda event: isinstance(event, Connected))


def test_an_encrypted_capture_needs_its_key() -> None:
    with pytest.raises(LoadError, match="encrypted"), gateway(CAPTURES / "futu-api-10.11-aes_cbc.pcapng"):
        pass


def test_what_is_no_capture(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("nothing that was ever on a wire")
    with pytest.raises(LoadError, match="not a capture"), gateway(path):
        pass
    path.write_bytes(b"")
    with pytest.raises(LoadError, match="no bytes at all"), gateway(path):
        pass


class TestMatch:
    def test_exact_takes_the_same_question_only(self) -> None:
        with gateway(QUOTES) as opend, PlainClient(opend.port) as client:
            wrong = client.ask("Qot_GetOrderBook", security={"market": 1, "code": "00700"}, num=3)
            assert (wrong.retType, wrong.retMsg) == (
                -1,
                "not in the capture: Qot_GetOrderBook of HK.00700 (matched by exact)",
            )
            assert client.ask("Qot_GetOrderBook", security={"market": 1, "code": "00700"}, num=10).retType == 0

    def test_by_security(self) -> None:
        with gateway(QUOTES, match="security") as opend, PlainClient(opend.port) as client:
            found = client.ask("Qot_GetOrderBook", security={"market": 1, "code": "00700"}, num=3)
            assert (found.retType, found.s2c.security.code) == (0, "00700")
            assert client.ask("Qot_GetOrderBook", security={"market": 1, "code": "00005"}, num=3).retType == -1

    def test_by_protocol(self) -> None:
        with gateway(QUOTES, match="protocol") as opend, PlainClient(opend.port) as client:
            assert client.ask("Qot_GetOrderBook", security={"market": 1, "code": "00005"}, num=3).retType == 0
            assert client.ask("Qot_GetBroker", security={"market": 1, "code": "00700"}).retType == -1

    def test_fields_of_the_connection_do_not_count(self) -> None:
        """The captured order carries another connID and serial."""
        header = {"trdEnv": 0, "accID": 281_756_455_982_434_021, "trdMarket": 1, "jpAccType": 1}
        captured = next(one for one in seen(TRADE) if one.kind is Kind.REQUEST and one.frame.proto_id == 2202)
        c2s = captured.frame.message.c2s  # type: ignore[union-attr]
        header = {field.name: value for field, value in c2s.header.ListFields()}
        fields = {field.name: value for field, value in c2s.ListFields() if field.name not in {"header", "packetID"}}
        with gateway(TRADE) as opend, PlainClient(opend.port) as client:
            assert client.ask("Trd_PlaceOrder", header=header, **fields).retType == 0
            assert client.ask("Trd_PlaceOrder", header=header, **{**fields, "qty": 300.0}).retType == -1


class TestOnMiss:
    def test_empty_says_nothing_but_success(self) -> None:
        with gateway(PLAIN, on_miss="empty") as opend, PlainClient(opend.port) as client:
            answer = client.ask("Qot_GetKL", security={"market": 1, "code": "00005"}, rehabType=1, klType=2, reqNum=9)
            assert (answer.retType, answer.s2c.security.code, len(answer.s2c.klList)) == (0, "00005", 0)
            state = client.ask("GetGlobalState", userID=0)
            assert (state.retType, state.s2c.qotLogined) == (0, False)

    def test_a_subscription_to_what_the_capture_knows_is_no_miss(self) -> None:
        with gateway(PLAIN, speed=None) as opend, PlainClient(opend.port) as client:
            assert client.subscribe("HK.00700", sub_types=(5, 4)).retType == 0
            assert {s2c.security.code for s2c in client.wait_for_pushes(2)} == {"00700"}
            assert client.subscribe("HK.00005").retType == -1

    def test_forward_asks_a_real_gateway(self) -> None:
        from ftwire_tools.gateway.forward import Forward
        from ftwire_tools.gateway.log import Log
        from ftwire_tools.gateway.replay import OnMiss, Replay

        with gateway(synthetic=True, key=KEY) as real:

            def source() -> Replay:
                way = Forward(real.host, real.port, key=KEY, allow_trading=False, log=Log(lambda *_: None))
                return Replay(on_miss=OnMiss.FORWARD, forward=way)

            with gateway(source=source) as opend, PlainClient(opend.port) as client:
                answer = client.ask("Qot_GetStaticInfo", securityList=[{"market": 1, "code": "09988"}])
                assert answer.s2c.staticInfoList[0].basic.name == "BABA-W"
                assert client.subscribe("HK.00700").retType == 0
                assert client.wait_for_pushes(1)[0].security.code == "00700"
                unlock = client.ask(
                    "Trd_PlaceOrder",
                    header={"trdEnv": 0, "accID": 1, "trdMarket": 1},
                    trdSide=1,
                    orderType=1,
                    code="00700",
                    qty=100.0,
                    price=1.0,
                )
                assert (unlock.retType, "it is trading" in unlock.retMsg) == (-1, True)
            real.wait_for("disconnected")

    def test_forward_to_nobody(self) -> None:
        from ftwire_tools.gateway.forward import Forward
        from ftwire_tools.gateway.log import Log
        from ftwire_tools.gateway.replay import OnMiss, Replay

        def source() -> Replay:
            way = Forward("127.0.0.1", 1, key=None, allow_trading=False, log=Log(lambda *_: None))
            return Replay(on_miss=OnMiss.FORWARD, forward=way)

        with gateway(source=source) as opend, PlainClient(opend.port) as client:
            for _ in range(2):
                answer = client.ask("Qot_GetMarketState", securityList=[])
                assert (answer.retType, "gives no answer" in answer.retMsg) == (-1, True)


def test_the_former_name_of_another_source_is_warned_about() -> None:
    from ftwire_tools.gateway.synthetic import Synthetic

    with pytest.warns(DeprecationWarning, match="source"), gateway(world=Synthetic) as opend:
        assert opend.port


class TestReuse:
    question: ClassVar[dict[str, Any]] = {"security": {"market": 1, "code": "00700"}}

    def test_on_gives_the_last_reply_for_ever(self) -> None:
        with gateway(PLAIN) as opend, PlainClient(opend.port) as client:
            assert [client.ask("Qot_GetRT", **self.question).retType for _ in range(3)] == [0, 0, 0]

    def test_off_gives_each_reply_once_to_each_client(self) -> None:
        with gateway(PLAIN, reuse=False, match="security") as opend:
            for _ in range(2):
                with PlainClient(opend.port) as client:
                    assert [client.ask("Qot_GetRT", **self.question).retType for _ in range(2)] == [0, -1]


class TestRewriting:
    def test_conn_id_and_keys_are_the_connections_own(self) -> None:
        with gateway(QUOTES) as opend, PlainClient(opend.port) as one, PlainClient(opend.port) as two:
            ids = {client.ask("GetGlobalState", userID=7).s2c.connID for client in (one, two)}
            assert ids == {one.connection.conn_id, two.connection.conn_id}
            assert len(ids) == 2

    def test_what_the_handshake_says_of_the_gateway_is_captured(self) -> None:
        with gateway(QUOTES) as opend, PlainClient(opend.port) as client:
            s2c = client.events[0].frame.message.s2c  # type: ignore[union-attr]
            assert (s2c.serverVer, s2c.loginUserID) == (1011, 10_000_001)


class TestPushes:
    def test_only_to_those_who_subscribed(self, plain_gateway: Any) -> None:
        with PlainClient(plain_gateway.port) as one, PlainClient(plain_gateway.port) as two:
            two.subscribe("HK.00700", isRegOrUnRegPush=False)
            one.subscribe("HK.00700")
            assert {s2c.security.code for s2c in one.wait_for_pushes(2)} == {"00700"}
            two.ask("KeepAlive", time=1)
            assert two.pushes == []
            two.ask(
                "Qot_RegQotPush",
                securityList=[{"market": 1, "code": "00700"}],
                subTypeList=[5],
                rehabTypeList=[],
                isRegOrUnReg=True,
            )
            two.wait_for_pushes(2)

    def test_unsubscribing_ends_them(self) -> None:
        with gateway(PLAIN, speed=0.2, limits="off") as opend, PlainClient(opend.port) as client:
            client.subscribe("US.AAPL", "HK.00700")
            client.wait_for_pushes(1)
            client.ask("Qot_Sub", isSubOrUnSub=False, isUnsubAll=True)
            so_far = len(client.pushes)
            time.sleep(0.6)  # the next would have come after a quarter of a second
            client.ask("KeepAlive", time=1)
            assert len(client.pushes) == so_far

    def test_loop(self) -> None:
        with gateway(PLAIN, speed=None, loop=True) as opend, PlainClient(opend.port) as client:
            client.subscribe("US.AAPL", "HK.00700")
            codes = [s2c.security.code for s2c in client.wait_for_pushes(200)]
            assert {"AAPL", "00700"} == set(codes)

    def test_of_orders_follow_the_order(self) -> None:
        frames = list(seen(TRADE))
        with gateway(TRADE, speed=None) as opend, PlainClient(opend.port) as client:
            send = {one.frame.proto_id: one.frame.message for one in frames if one.kind is Kind.REQUEST}
            for proto_id in (2008, 2202):
                client.connection.request(proto_id, send[proto_id], time.monotonic_ns())  # type: ignore[arg-type]
                client.send()
            first = client.wait_for_pushes(3)
            assert [s2c.order.orderStatus for s2c in (first[0], first[2])] == [5, 10]
            client.ask("KeepAlive", time=1)
            assert len(client.pushes) == 3
            client.connection.request(2205, send[2205], time.monotonic_ns())  # type: ignore[arg-type]
            client.send()
            assert client.wait_for_pushes(4)[3].order.orderStatus == 14


def test_times_are_shifted() -> None:
    with gateway(PLAIN, shift_to_now=True, speed=None) as opend, PlainClient(opend.port) as client:
        client.subscribe("US.AAPL", "HK.00700")
        answer = client.ask("Qot_GetRT", security={"market": 1, "code": "00700"})
        start = next(seen(PLAIN)).time // 10**9
        (push, *_) = client.wait_for_pushes(1)
    seconds = round(answer.s2c.rtList[0].timestamp - 1_623_202_200)
    assert abs(seconds - (time.time() - start)) < 60
    for point in (*answer.s2c.rtList, *push.rtList):
        local = time.strptime(point.time, "%Y-%m-%d %H:%M:%S")
        assert point.minute == local.tm_hour * 60 + local.tm_min
    originals = [share["timestamp"] for share in RT["00700"]]
    assert [point.timestamp - seconds for point in answer.s2c.rtList] == originals


def test_subscriptions_can_be_asked_for(plain_gateway: Any) -> None:
    with PlainClient(plain_gateway.port) as client:
        client.subscribe("US.AAPL", "HK.00700")
        s2c = client.ask("Qot_GetSubInfo").s2c
        assert (s2c.totalUsedQuota, s2c.connSubInfoList[0].isOwnConnData) == (2, True)
        (info,) = s2c.connSubInfoList[0].subInfoList
        assert [item.code for item in info.securityList] == ["AAPL", "00700"]
