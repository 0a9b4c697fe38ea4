"""The gateway on WebSocket: its clients' library here is `websockets`, which is what the gateway stands on too; the
vendors' own clients are driven in tests/interop."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage
from websockets.sync.client import ClientConnection, connect

import ftwire
from fixtures.scenario import RT
from ftwire.frame import Role
from ftwire.messages import InitWebSocket
from ftwire.protocols import registry
from ftwire.websocket import INIT, Envelope, websocket_key_digest
from ftwire_tools.scripting import PushEvent, ReplyEvent, Script
from ftwire_tools.testing import RunningGateway, gateway
from support.gateways import CAPTURES, fill, security
from support.programs import Program
from support.viewing import viewing

PLAIN = CAPTURES / "futu-api-10.11-plain.pcap"
RECORDED = CAPTURES / "npm-futu-api-10.11-websocket.pcapng"


class WebSocketClient:
    """Asks, and keeps what it is told."""

    def __init__(
        self,
        opend: RunningGateway | SimpleNamespace,
        key: str = "",
        *,
        tls: ssl.SSLContext | None = None,
        buffer: int = 1 << 16,
    ) -> None:
        scheme = "wss" if tls else "ws"
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        raw.connect(("127.0.0.1", opend.ws_port))
        opening = connect(f"{scheme}://127.0.0.1:{opend.ws_port}", ssl=tls, sock=raw, max_size=None, close_timeout=0.2)
        self.socket: ClientConnection = opening.__enter__()
        self.section = 1
        self.pushes: list[Envelope] = []
        init = InitWebSocket.Request()
        init.c2s.websocketKey = websocket_key_digest(key)
        init.c2s.programmingLanguage = "JavaScript"
        self.init = self.send(INIT, init)

    def __enter__(self) -> WebSocketClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, command: int, message: Any) -> Envelope:
        self.section += 1
        self.socket.send(Envelope.build(command, self.section, message, sender=Role.CLIENT).encode())
        while True:
            found = self.receive()
            if found.section == self.section:
                return found

    def receive(self) -> Envelope:
        data = self.socket.recv(timeout=10)
        assert isinstance(data, bytes)
        found = Envelope.decode(data, sender=Role.SERVER)
        if found.protocol is not None and found.protocol.is_push:
            self.pushes.append(found)
        return found

    def ask(self, protocol: str, **fields: Any) -> Any:
        entry = registry[protocol]
        assert entry.request is not None
        request: Any = entry.request()
        request.c2s.SetInParent()
        fill(request.c2s, fields)
        return self.send(entry.proto_id, request).message

    def subscribe(self, code: str, sub_type: int = 5) -> Any:
        return self.ask(
            "Qot_Sub", securityList=[security(code)], subTypeList=[sub_type], isSubOrUnSub=True, isRegOrUnRegPush=True,
            isFirstPush=True,
        )  # fmt: skip


@pytest.mark.parametrize("path", [PLAIN, RECORDED], ids=["of TCP", "of WebSocket"])
@pytest.mark.parametrize("deflate", [True, False])
def test_any_capture_is_served(path: Path, deflate: bool) -> None:
    with gateway(path, websocket=True, match="security", speed=None, deflate=deflate) as opend:
        with WebSocketClient(opend) as client:
            assert client.init.message.s2c.connID > 2**53  # type: ignore[union-attr]
            assert client.subscribe("HK.00700").retType == 0
            answer = client.ask("Qot_GetRT", security=security("HK.00700"))
            assert [point.price for point in answer.s2c.rtList] == [share["price"] for share in RT["00700"]]
            while len(client.pushes) < 2:
                client.receive()
            assert {push.proto_id for push in client.pushes} == {3009}
        assert opend.wait_for("disconnected")[0]["pushes"] == 2


def test_the_key_is_demanded() -> None:
    with gateway(synthetic=True, websocket=True, ws_key="secret") as opend:
        with WebSocketClient(opend, "other") as client:
            assert (client.init.error_code, client.init.error_text) == (1, "wrong key")
        with WebSocketClient(opend, "secret") as client:
            assert client.init.error_code == 0


def test_tcp_and_websocket_share_the_market_and_the_limit() -> None:
    with gateway(synthetic=True, websocket=True, always_open=True, max_clients=1) as opend:
        with WebSocketClient(opend) as client:
            client.subscribe("HK.00700", 4)
            while len(client.pushes) < 2:
                client.receive()
            with pytest.raises((ConnectionClosed, OSError)):
                WebSocketClient(opend)
        opend.wait_for("disconnected")


@pytest.mark.parametrize(
    "message", [b"", b"ft-v1.0\0", b"x" * 100, "text", Envelope.build(3008, 2, b"", sender=Role.CLIENT).encode()]
)
def test_what_is_no_handshake_ends_the_connection(message: bytes | str) -> None:
    with gateway(synthetic=True, websocket=True) as opend:
        with connect(f"ws://127.0.0.1:{opend.ws_port}") as client:
            client.send(message)
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=10)
        assert opend.wait_for("cut-off")


def test_a_slow_reader_is_cut_off() -> None:
    with (
        gateway(
            synthetic=True, websocket=True, speed=20_000.0, always_open=True, max_unsent=100_000, deflate=False
        ) as opend,
        WebSocketClient(opend, buffer=4096) as slow,
        WebSocketClient(opend) as good,
    ):
        for sub_type in (1, 2, 4, 5, 6):
            slow.subscribe("HK.00700", sub_type)
        good.subscribe("HK.00700", 4)
        (fact,) = opend.wait_for("cut-off")
        assert (fact["client"], "slow reader" in str(fact["reason"])) == (1, True)
        for _ in range(100):
            good.receive()


@pytest.fixture(scope="module")
def certificate(openssl: Program, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    openssl(*words)
    return cert, key


def test_tls(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    client = ssl.create_default_context(cafile=str(cert))
    with gateway(synthetic=True, websocket=True, tls=server) as opend:
        with WebSocketClient(opend, tls=client) as secure:
            assert secure.ask("KeepAlive", time=3).retType == 0
        with pytest.raises((InvalidMessage, OSError)):
            WebSocketClient(opend)


def test_what_passes_inside_tls_is_seen_by_the_page_beside_it(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = certificate
    words = ("--serve", "--synthetic", "--port", "0", "--ws-port", "0", "--tls-cert", cert, "--tls-key", key)
    with viewing(tmp_path, *words) as view:
        _, ws_port = view.listens_on
        with WebSocketClient(SimpleNamespace(ws_port=ws_port), tls=ssl.create_default_context(cafile=cert)) as client:
            assert client.subscribe("HK.00700").retType == 0
        next(event for event in view.events() if event["rows"] >= 4)
        _, content = view.post("save", {"frames": [[1, 4]]})
    frames = list(ftwire.read(content))
    assert {frame.conversation.transport for frame in frames} == {"websocket"}
    assert [(frame.proto_id, frame.sender) for frame in frames] == [
        (proto_id, sender) for proto_id in (INIT, 3001) for sender in Role
    ]


@pytest.mark.parametrize("fault", ["wrong-serial", "drop", "duplicate", "bad-body", "unknown-protocol", "cut"])
def test_faults_that_exist_on_websocket(fault: str) -> None:
    with gateway(PLAIN, websocket=True, match="security", faults=[f"{fault}:proto=Qot_GetRT,n=1"]) as opend:
        with WebSocketClient(opend) as client:
            request: Any = registry["Qot_GetRT"].request()
            fill(request.c2s, {"security": security("HK.00700")})
            client.socket.send(Envelope.build(3008, 50, request, sender=Role.CLIENT).encode())
            if fault != "cut":
                request = registry["KeepAlive"].request()
                request.c2s.time = 1
                client.socket.send(Envelope.build(1004, 51, request, sender=Role.CLIENT).encode())
            got: list[tuple[int, int]] = []
            try:
                while not got or got[-1] != (1004, 51):
                    found = client.receive()
                    got.append((found.command, found.section))
            except Exception as error:  # half an envelope is no envelope, and then there are no more
                assert fault == "cut", error
        wanted = {
            "wrong-serial": [(3008, 1_000_050), (1004, 51)],
            "drop": [(1004, 51)],
            "duplicate": [(3008, 50), (3008, 50), (1004, 51)],
            "bad-body": [(3008, 50), (1004, 51)],
            "unknown-protocol": [(9999, 50), (3008, 50), (1004, 51)],
        }
        if fault != "cut":
            assert got == wanted[fault]
        else:
            assert len(got) <= 1
        assert opend.wait_for("disconnected")[0]["faults"] == {fault: 1}


def test_closing_does_not_wait_for_those_who_do_not_read() -> None:
    with gateway(synthetic=True, websocket=True, speed=20_000.0, always_open=True, deflate=False) as opend:
        slow = WebSocketClient(opend, buffer=4096)
        for sub_type in (1, 2, 4, 5, 6):
            slow.subscribe("HK.00700", sub_type)
    assert opend.events[-1].name == "closed"
    assert len(opend.named("disconnected")) == 1
    slow.socket.close()


def test_a_script_alters_replies_and_pushes() -> None:
    def alter(event: ReplyEvent | PushEvent) -> None:
        if event.message.retType == 0 and event.name in {"Qot_GetBasicQot", "Qot_UpdateBasicQot"}:
            event.message.s2c.basicQotList[0].curPrice = 1.5

    script = Script(on_reply=alter, on_push=alter)
    with gateway(synthetic=True, always_open=True, websocket=True, script=script) as opend:
        opend.clock.stop()
        with WebSocketClient(opend) as client:
            client.subscribe("HK.00700", 1)
            opend.market.set_price("HK.00700", 400)
            answer = client.ask("Qot_GetBasicQot", securityList=[security("HK.00700")])
            assert answer.s2c.basicQotList[0].curPrice == 1.5
            pushed: list[Any] = [push.message for push in client.pushes]
            assert {push.s2c.basicQotList[0].curPrice for push in pushed} == {1.5}
            opend.replies.refuse_next("Qot_GetBasicQot", "busy")
            assert client.ask("Qot_GetBasicQot", securityList=[security("HK.00700")]).retMsg == "busy"
