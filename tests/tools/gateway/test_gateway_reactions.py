"""How the gateway reacts to requests that are not in order: as OpenD, with OpenD's texts where they are known."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from websockets.sync.client import connect

from fixtures.make_keys import TEST_KEY
from ftwire.body import missing_fields
from ftwire.cipher import NONE, Cipher, Rsa, RsaKey
from ftwire.events import Event, ReplyReceived
from ftwire.frame import Frame, MessageClasses, Role, body_digest
from ftwire.header import BodyFormat
from ftwire.messages import InitConnect, InitWebSocket, KeepAlive
from ftwire.protocols import Protocol, registry
from ftwire.stream import FrameDecoder
from ftwire.websocket import Envelope, open_envelope
from ftwire_tools.gateway.forward import Forward
from ftwire_tools.gateway.log import Log
from ftwire_tools.gateway.replay import OnMiss, Replay
from ftwire_tools.testing import gateway, gateway_fixture
from support.captures import answered, asked, pcap, session
from support.gateways import ENCRYPTIONS, PlainClient

KEY = RsaKey.from_pem(TEST_KEY.read_bytes())
OTHER = RsaKey.from_pem(TEST_KEY.with_name("TEST-ONLY-other-1024.pem").read_bytes())
BAD_DIGEST = "The packet body SHA1 signature is incorrect."
NOT_PARSED = "解析protobuf协议失败"
PROTOCOLS = [entry for entry in registry if entry.request is not None and entry.proto_id >= 1002]

opend = gateway_fixture(scope="module", speed=1)


def frame_of(body: bytes, payload: bytes | None = None, *, proto_id: int = 1001, body_format: int = 0) -> bytes:
    """A frame written out here: the digest is that of ``body``, the payload what is sent."""
    payload = body if payload is None else payload
    digest = body_digest(body)
    return struct.pack("<2sIBBII20s8s", b"FT", proto_id, body_format, 0, 7, len(payload), digest, bytes(8)) + payload


def exchange(port: int, data: bytes, cipher: Cipher = NONE) -> tuple[Frame, socket.socket]:
    """Send bytes on a new connection; return the frame that comes back, and the connection."""
    connected = socket.create_connection(("127.0.0.1", port), timeout=10)
    connected.sendall(data)
    return receive(connected, cipher), connected


def receive(connected: socket.socket, cipher: Cipher = NONE) -> Frame:
    decoder = FrameDecoder(Role.SERVER, cipher=cipher)
    while True:
        data = connected.recv(1 << 16)
        assert data, "the gateway has closed"
        for frame in decoder.feed(data):
            return frame


def answer(frame: Frame) -> tuple[int, str]:
    message: Any = frame.message
    return message.retType, message.retMsg


HELLO = InitConnect.Request(c2s=InitConnect.C2S(clientVer=1, clientID="x", packetEncAlgo=-1)).SerializeToString()


class TestDigest:
    @pytest.mark.parametrize("mode", ENCRYPTIONS)
    @pytest.mark.parametrize("body_format", BodyFormat)
    def test_a_wrong_one_gets_an_answer_and_the_connection_goes_on(self, mode: str, body_format: BodyFormat) -> None:
        with (
            gateway(key=KEY) as opend,
            PlainClient(opend.port, key=KEY, packet_enc_algo=ENCRYPTIONS[mode], body_format=body_format) as client,
        ):
            serial = client.connection.request(
                3008, b"no digest is of this", time.monotonic_ns(), body_format=body_format
            )
            frame = bytearray(client.connection.data_to_send())
            frame[20] ^= 1
            client.socket.sendall(frame)
            found = client.until(lambda event: isinstance(event, ReplyReceived))
            assert isinstance(found, ReplyReceived)
            assert (found.frame.serial, found.frame.body_format) == (serial, body_format)
            assert answer(found.frame) == (-500, BAD_DIGEST)
            assert client.ask("KeepAlive", time=1).retType == 0
            assert [fact["proto"] for fact in opend.named("damaged")] == [3008]

    def test_one_over_the_ciphertext(self) -> None:
        """A client's mistake: it hashes what it sends."""
        with gateway(key=KEY) as opend, PlainClient(opend.port, key=KEY) as client:
            client.connection.request(3008, b"", time.monotonic_ns())
            frame = client.connection.data_to_send()
            client.socket.sendall(frame[:16] + body_digest(frame[44:]) + frame[36:])
            found = client.until(lambda event: isinstance(event, ReplyReceived))
            assert answer(found.frame) == (-500, BAD_DIGEST)  # type: ignore[union-attr]

    @pytest.mark.parametrize("proto_id", [9999, 3009])
    def test_of_what_is_no_request(self, opend: Any, proto_id: int) -> None:
        with PlainClient(opend.port) as client:
            client.socket.sendall(frame_of(b"one", b"another", proto_id=proto_id))
            (event,) = client.receive()
            reply = InitConnect.Response.FromString(event.frame.body)  # type: ignore[union-attr]
            assert (reply.retType, reply.retMsg) == (-500, BAD_DIGEST)


class TestHandshake:
    def test_a_plain_client_of_a_gateway_with_a_key(self) -> None:
        """It gets one RSA block, which it cannot read; client authors know it as "check sha error"."""
        with gateway(key=KEY) as opend:
            frame, connected = exchange(opend.port, frame_of(HELLO))
            with connected:
                assert (frame.proto_id, frame.serial, len(frame.payload)) == (1001, 7, 128)
                with pytest.raises(Exception, match="SHA-1"):
                    frame.body  # noqa: B018
                body = Rsa(KEY).decrypt(frame.payload)
                reply = InitConnect.Response.FromString(body)
                assert (reply.retType, reply.retMsg) == (-500, BAD_DIGEST)
                assert body_digest(body) == frame.packed_header[3]
                # It may try again.
                connected.sendall(frame_of(HELLO, Rsa(KEY).encrypt(HELLO)))
                assert answer(receive(connected, Rsa(KEY)))[0] == 0
            (fact,) = opend.named("damaged")
            assert "is it the right key?" in str(fact["reason"])

    def test_a_client_with_a_key_of_a_gateway_without(self, opend: Any) -> None:
        frame, connected = exchange(opend.port, frame_of(HELLO, Rsa(KEY).encrypt(HELLO)))
        connected.close()
        assert answer(frame) == (-500, BAD_DIGEST)

    def test_another_key(self) -> None:
        with gateway(key=KEY) as opend:
            frame, connected = exchange(opend.port, frame_of(HELLO, Rsa(OTHER).encrypt(HELLO)), Rsa(KEY))
            connected.close()
            assert answer(frame) == (-500, BAD_DIGEST)

    @pytest.mark.parametrize("key", [None, KEY])
    @pytest.mark.parametrize("body", [b"\x0f", b"", b"\x0a\x00"], ids=["damaged", "empty", "without fields"])
    def test_a_body_that_does_not_parse(self, key: RsaKey | None, body: bytes) -> None:
        cipher = NONE if key is None else Rsa(key)
        with gateway(key=key) as opend:
            frame, connected = exchange(opend.port, frame_of(body, cipher.encrypt(body)), cipher)
            with connected:
                assert answer(frame) == (-500, NOT_PARSED)
                connected.sendall(frame_of(HELLO, cipher.encrypt(HELLO)))
                assert answer(receive(connected, cipher))[0] == 0

    def test_anything_else_first_is_cut_off(self) -> None:
        with gateway() as opend:
            with socket.create_connection(("127.0.0.1", opend.port), timeout=10) as connected:
                connected.sendall(frame_of(b"one", b"another", proto_id=3008))
                with pytest.raises((ConnectionError, AssertionError)):
                    receive(connected)
            assert opend.wait_for("cut-off")


UNREADABLE = {
    "damaged": (3008, b"\x0f"),
    "empty": (3008, b""),
    "no fields": (3008, b"\x0a\x00"),
    "an empty c2s of GetTradeDate": (3219, b"\x0a\x00"),
    "an empty c2s of GetDelayStatistics": (1007, b"\x0a\x00"),
}


class TestBody:
    @pytest.mark.parametrize(("proto_id", "body"), UNREADABLE.values(), ids=UNREADABLE)
    def test_one_that_does_not_parse(self, opend: Any, proto_id: int, body: bytes) -> None:
        with PlainClient(opend.port) as client:
            client.socket.sendall(frame_of(body, proto_id=proto_id))
            (event,) = client.receive()
            assert (event.frame.serial, *answer(event.frame)) == (7, -500, NOT_PARSED)  # type: ignore[union-attr]
            assert client.ask("KeepAlive", time=1).retType == 0

    @pytest.mark.parametrize("body", [b"{", b"{}", b'{"c2s": {}}', b'{"c2s": {"security": 3}}', b"\xff"])
    def test_json(self, opend: Any, body: bytes) -> None:
        with PlainClient(opend.port) as client:
            client.socket.sendall(frame_of(body, proto_id=3008, body_format=1))
            (event,) = client.receive()
            assert json.loads(event.frame.body)["retMsg"] == NOT_PARSED  # type: ignore[union-attr]

    def test_the_reason_is_in_the_log(self, opend: Any) -> None:
        with PlainClient(opend.port) as client:
            client.socket.sendall(frame_of(b"\x0a\x00", proto_id=3008))
            client.receive()
        assert "c2s.security" in str(opend.named("not-parsed")[-1]["reason"])

    def test_a_secret_is_not(self, opend: Any) -> None:
        body = b'{"c2s": {"unlock": true, "pwdMD5": "5f4dcc3b5aa765d61d8327deb882cf99'
        with PlainClient(opend.port) as client:
            client.socket.sendall(frame_of(body, proto_id=2005, body_format=1))
            client.receive()
        assert "5f4dcc" not in str(opend.named("not-parsed")[-1])

    def test_what_is_asked_of_delay_statistics_is_answered(self, opend: Any) -> None:
        with PlainClient(opend.port) as client:
            assert client.ask("GetDelayStatistics", typeList=[1]).retMsg != NOT_PARSED


def filled(message: Any) -> Any:
    """A message with every required field set, to something."""
    for path in missing_fields(message):
        *parents, name = path.split(".")
        target = message
        for parent in parents:
            target = getattr(target, parent)
        if target.DESCRIPTOR.fields_by_name[name].message_type is None:
            value = getattr(target, name)
            setattr(target, name, "US.AAPL" if isinstance(value, str) else value)
        else:
            getattr(target, name).SetInParent()
    return filled(message) if missing_fields(message) else message


def request_of(entry: Protocol) -> Any:
    assert entry.request is not None
    return filled(entry.request())


@pytest.fixture(params=["synthetic", "error", "empty", "forward"])
def every_source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A gateway with each source of answers; the captures hold a reply to every second protocol."""
    if request.param == "synthetic":
        with gateway(websocket=True) as opend:
            yield opend
        return
    path = tmp_path / "all.pcap"
    said = session()
    for serial, entry in enumerate(PROTOCOLS[::2], 100):
        said += [
            asked(entry.proto_id, serial, request_of(entry)),
            answered(entry.proto_id, serial, filled(entry.response())),
        ]
    path.write_bytes(pcap(said))
    if request.param == "forward":
        with gateway() as behind:
            log = Log(lambda *_: None)

            def source() -> Replay:
                way = Forward("127.0.0.1", behind.port, key=None, allow_trading=True, log=log)
                return Replay(on_miss=OnMiss.FORWARD, forward=way)

            with gateway(source=source, websocket=True) as opend:
                yield opend
        return
    with gateway(path, on_miss=request.param, websocket=True) as opend:
        yield opend


class TestEveryProtocol:
    """Every request of the registry gets a reply that parses, messages without ``c2s`` and ``s2c`` included."""

    @pytest.mark.parametrize("body_format", BodyFormat)
    def test_on_tcp(self, every_source: Any, body_format: BodyFormat) -> None:
        with PlainClient(every_source.port, body_format=body_format) as client:
            for entry in PROTOCOLS:
                serial = client.connection.request(
                    entry.proto_id, request_of(entry), time.monotonic_ns(), body_format=body_format
                )
                client.send()
                found = client.until(is_reply(serial))
                assert isinstance(found, ReplyReceived)
                assert found.frame.proto_id == entry.proto_id
                body = found.frame.body
                common = json.loads(body) if body_format else MessageToDict(KeepAlive.Response.FromString(body))
                if common or entry.proto_id != 1009:  # what is captured of 1009 has no fields that are known
                    assert isinstance(common["retType"], int)
                assert common.get("retMsg") != "internal error of the gateway", entry
        assert every_source.named("internal-error") == []

    def test_on_websocket(self, every_source: Any) -> None:
        classes = MessageClasses(Role.SERVER, registry)
        with connect(f"ws://127.0.0.1:{every_source.ws_port}") as client:
            login = InitWebSocket.Request(c2s=InitWebSocket.C2S()).SerializeToString()
            client.send(Envelope.build(1, 2, login, sender=Role.CLIENT).encode())
            client.recv()
            for section, entry in enumerate(PROTOCOLS, 3):
                body = request_of(entry).SerializeToString()
                client.send(Envelope.build(entry.proto_id, section, body, sender=Role.CLIENT).encode())
                while True:
                    data = client.recv(timeout=10)
                    assert isinstance(data, bytes)
                    reply = open_envelope(data, classes, 1 << 20)
                    if reply.section == section:
                        break
                assert reply.command == entry.proto_id
                assert reply.message is not None
        assert every_source.named("internal-error") == []

    @pytest.mark.parametrize("body_format", BodyFormat)
    def test_one_whose_response_has_no_fields_is_answered_with_the_usual_ones(
        self, opend: Any, body_format: BodyFormat
    ) -> None:
        body = b"{}" if body_format else b""
        with PlainClient(opend.port) as client:
            client.socket.sendall(frame_of(body, proto_id=1009, body_format=body_format))
            (event,) = client.receive()
            body = event.frame.body  # type: ignore[union-attr]
            common = json.loads(body) if body_format else MessageToDict(KeepAlive.Response.FromString(body))
            assert common == {"retType": 0, "retMsg": "", "errCode": 0}

    def test_the_kind_in_question_is_among_them(self) -> None:
        without = {entry.proto_id for entry in PROTOCOLS if "c2s" not in request_of(entry).DESCRIPTOR.fields_by_name}
        assert {1009, 3801, 3802, 3803} <= without
        assert len(PROTOCOLS) > 160


def is_reply(serial: int) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, ReplyReceived) and event.frame.serial == serial


class TestSubscriptionsOfAll:
    @staticmethod
    def used(client: PlainClient, **fields: Any) -> tuple[list[tuple[bool, int, int]], int, int]:
        s2c = client.ask("Qot_GetSubInfo", **fields).s2c
        found = [
            (info.isOwnConnData, info.usedQuota, sum(len(one.securityList) for one in info.subInfoList))
            for info in s2c.connSubInfoList
        ]
        return found, s2c.totalUsedQuota, s2c.remainQuota

    def test_all_connections(self) -> None:
        with gateway() as opend, PlainClient(opend.port) as one, PlainClient(opend.port) as other:
            one.subscribe("US.AAPL", "HK.00700")
            other.subscribe("US.AAPL", sub_types=(1, 5))
            assert self.used(one) == ([(True, 2, 2)], 3, 997)
            assert self.used(one, isReqAllConn=False) == ([(True, 2, 2)], 3, 997)
            assert self.used(one, isReqAllConn=True) == ([(True, 2, 2), (False, 2, 2)], 3, 997)
            assert self.used(other, isReqAllConn=True) == ([(False, 2, 2), (True, 2, 2)], 3, 997)

    def test_not_those_that_have_gone_or_have_not_logged_in(self) -> None:
        with gateway(websocket=True, limits="off") as opend, PlainClient(opend.port) as one:
            with PlainClient(opend.port) as gone:
                gone.subscribe("US.AAPL")
            opend.wait_for("disconnected")
            with socket.create_connection(("127.0.0.1", opend.port)):
                opend.wait_for("accepted", 3)
                assert self.used(one, isReqAllConn=True) == ([(True, 0, 0)], 0, 1000)
