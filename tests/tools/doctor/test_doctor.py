"""``ftwire doctor`` against gateways in every state, and against what is no gateway at all."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ftwire.cipher import RsaKey
from ftwire.connection import Connection
from ftwire.events import RequestReceived
from ftwire.frame import Frame, Role
from ftwire.messages import GetGlobalState, GetUserInfo, Qot_GetSubInfo
from ftwire_tools.commands import ftwire
from ftwire_tools.messages.trading import TRADING
from ftwire_tools.testing import gateway
from support.places import ROOT
from support.programs import Program

KEYS = ROOT / "fixtures" / "keys"
KEY = str(KEYS / "TEST-ONLY-1024.pem")
OTHER_KEY = str(KEYS / "TEST-ONLY-other-1024.pem")
HEALTHY = [
    "reachable",
    "transport",
    "key",
    "handshake",
    "version",
    "clock",
    "login",
    "quote_rights",
    "subscription_quota",
    "latency",
]


def run(port: int, *words: str) -> Result:
    return CliRunner().invoke(ftwire, ["doctor", f"127.0.0.1:{port}", "--timeout", "5", *words])


def doctor(port: int, *words: str) -> dict[str, dict[str, Any]]:
    """The checks by name; each failure, and each warning, comes with a remedy, and the exit code agrees."""
    result = run(port, "--json", *words)
    found = json.loads(result.stdout)
    checks = {check["check"]: check for check in found["checks"]}
    assert len(checks) == len(found["checks"])
    assert all(bool(check["remedy"]) is (check["status"] != "ok") for check in checks.values())
    assert found["ok"] is all(check["status"] != "failed" for check in checks.values())
    assert result.exit_code == (0 if found["ok"] else 1)
    return checks


def statuses(checks: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: check["status"] for name, check in checks.items()}


def failed(checks: dict[str, dict[str, Any]]) -> list[str]:
    return [name for name, check in checks.items() if check["status"] == "failed"]


# Gateways


@pytest.mark.parametrize("key", [None, KEY])
def test_a_healthy_gateway_on_tcp(key: str | None) -> None:
    with gateway(
        synthetic=True, shift_to_now=True, always_open=True, key=Path(key).read_bytes() if key else None
    ) as opend:
        checks = doctor(opend.port, *(("--key", key) if key else ()))
        assert statuses(checks) == dict.fromkeys(HEALTHY, "ok")
        assert checks["transport"]["facts"] == {"transport": "tcp"}
        assert checks["handshake"]["facts"] == {"encryption": "aes_cbc" if key else "none"}
        assert checks["version"]["facts"]["server_ver"] == 1011
        assert checks["subscription_quota"]["facts"]["used"] == 0
        names = {request.name for request in opend.requests}
        assert names == {"InitConnect", "GetGlobalState", "GetUserInfo", "Qot_GetSubInfo"}
        assert not {request.proto_id for request in opend.requests} & set(TRADING)


def test_a_key_too_large_for_the_sdks_is_a_warning() -> None:
    key = KEYS / "TEST-ONLY-2048.pem"
    with gateway(synthetic=True, shift_to_now=True, always_open=True, key=key.read_bytes()) as opend:
        checks = doctor(opend.port, "--key", str(key))
        assert statuses(checks) == dict.fromkeys(HEALTHY, "ok") | {"key": "warning"}
        assert "2048 bits" in checks["key"]["text"]


def test_a_healthy_gateway_on_websocket() -> None:
    with gateway(synthetic=True, shift_to_now=True, always_open=True, websocket=True, ws_key="a shared key") as opend:
        assert opend.ws_port is not None
        checks = doctor(opend.ws_port, "--ws-key", "a shared key")
        assert statuses(checks) == dict.fromkeys(HEALTHY, "ok")
        assert checks["transport"]["facts"] == {"transport": "ws"}
        for words in ((), ("--ws-key", "another")):
            assert statuses(doctor(opend.ws_port, *words)) == {"reachable": "ok", "transport": "ok", "key": "failed"}


@pytest.fixture(scope="module")
def certificate(openssl: Program, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    openssl(*words, "-keyout", str(key), "-out", str(cert))
    return cert, key


def test_a_gateway_on_websocket_over_tls(certificate: tuple[Path, Path]) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    with gateway(synthetic=True, shift_to_now=True, always_open=True, websocket=True, tls=tls) as opend:
        assert opend.ws_port is not None
        checks = doctor(opend.ws_port)
        assert failed(checks) == []
        assert checks["transport"]["facts"] == {"transport": "wss"}


@pytest.mark.parametrize("words", [("--key", OTHER_KEY), ()])
def test_a_gateway_with_another_key(words: tuple[str, ...]) -> None:
    with gateway(synthetic=True, key=Path(KEY).read_bytes()) as opend:
        found = doctor(opend.port, *words)
        assert failed(found) == ["key"]
        assert "key" in list(found.values())[-1]["remedy"]


def test_a_key_for_a_gateway_without() -> None:
    with gateway(synthetic=True) as opend:
        found = doctor(opend.port, "--key", KEY)
        assert failed(found) == ["key"]
        assert found["key"]["remedy"].startswith("Leave --key away")


FAULTS = {
    "refuse": ["handshake"],
    "silent": ["handshake"],
    "drop": ["handshake"],
    "close": ["handshake"],
    "cut": ["handshake"],
    "bad-sha1": ["handshake"],
    "garbage": ["transport"],
    "refuse:proto=GetUserInfo": ["quote_rights"],
    "drop:proto=Qot_GetSubInfo": ["subscription_quota"],
    "bad-body:proto=GetGlobalState,n=1": ["state"],
    "cut:proto=GetUserInfo": ["quote_rights"],
    "drop:proto=GetGlobalState,n=3": ["latency"],
    "delay:ms=1": [],
    "split": [],
    "duplicate": [],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_fail_the_check_that_they_concern_and_only_that(fault: str) -> None:
    with gateway(synthetic=True, shift_to_now=True, always_open=True, faults=[fault]) as opend:
        assert failed(doctor(opend.port, "--timeout", "1")) == FAULTS[fault]


def test_a_clock_that_differs_is_a_warning() -> None:
    with gateway(synthetic=True) as opend:
        clock = doctor(opend.port)["clock"]
        assert clock["status"] == "warning"
        assert "days behind" in clock["text"]


# Peers made by hand


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve every connection on a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def guarded(peer: socket.socket) -> None:
            with peer, suppress(OSError):
                serve(peer)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=guarded, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def fixed_gateway(replies: dict[int, Any], key: RsaKey | None = None) -> Callable[[socket.socket], None]:
    """A gateway that gives the same reply to every request of a protocol."""

    def serve(peer: socket.socket) -> None:
        connection = Connection(Role.SERVER, key=key)
        while data := peer.recv(1 << 16):
            for event in connection.receive_data(data, 0):
                if not isinstance(event, RequestReceived):
                    continue
                if event.frame.proto_id == 1001:
                    connection.accept(event.frame, conn_id=7, aes_key="k" * 16, aes_iv="i" * 16)
                else:
                    connection.reply(event.frame, replies[event.frame.proto_id])
            peer.sendall(connection.data_to_send())

    return serve


def sick_replies() -> tuple[Any, Any, Any]:
    state, user, used = GetGlobalState.Response(), GetUserInfo.Response(), Qot_GetSubInfo.Response()
    for message in (state, user, used):
        message.retType = 0
    for market in ("HK", "US", "SH", "SZ", "HKFuture"):
        setattr(state.s2c, f"market{market}", 0)
    state.s2c.qotLogined = state.s2c.trdLogined = False
    state.s2c.serverVer, state.s2c.serverBuildNo, state.s2c.time = 1004, 5, 1
    user.s2c.userID = 123456789
    user.s2c.nickName = "a secret name"
    used.s2c.totalUsedQuota, used.s2c.remainQuota = 300, 0
    return state, user, used


@pytest.mark.parametrize("key", [None, KEY])
def test_a_gateway_that_is_not_well(key: str | None) -> None:
    state, user, used = sick_replies()
    secret = RsaKey.from_pem(Path(key).read_bytes()) if key else None
    with listening(fixed_gateway({1002: state, 1005: user, 3003: used}, secret)) as port:
        words = ("--key", key) if key else ()
        checks = doctor(port, *words)
        assert failed(checks) == ["login", "subscription_quota"]
        assert checks["login"]["facts"] == {"quotes": False, "trading": False, "program_status": "Ready"}
        assert checks["quote_rights"]["status"] == "warning"
        text = run(port, *words).stdout + json.dumps(checks)
        assert "123456789" not in text
        assert "a secret name" not in text
        assert "123456789" in run(port, *words, "--json", "--show-secrets").stdout
        state.s2c.programStatus.type = 4
        user.s2c.isNeedAgreeDisclaimer = True
        checks = doctor(port, *words)
        assert failed(checks) == ["login", "quote_rights", "subscription_quota"]
        assert "input_phone_verify_code" in checks["login"]["remedy"]


def test_an_answer_under_rsa_asks_for_the_key() -> None:
    def serve(peer: socket.socket) -> None:
        peer.recv(1 << 16)
        peer.sendall(Frame.build(1001, 1, b"\x5a" * 128, sender=Role.SERVER).encode()[:16] + bytes(28) + b"\x5a" * 128)

    with listening(serve) as port:
        found = doctor(port)
        assert failed(found) == ["key"]
        assert "128 bytes of RSA" in found["key"]["text"]


# No gateways


def test_an_http_server() -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = doctor(server.server_port, "--timeout", "1")
        server.shutdown()
    assert failed(found) == ["transport"]
    assert found["transport"]["facts"]["service"] == "HTTP"


def test_a_server_with_tls(certificate: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def serve(peer: socket.socket) -> None:
        with context.wrap_socket(peer, server_side=True) as secure:
            secure.recv(1 << 16)

    with listening(serve) as port:
        found = doctor(port, "--timeout", "1")
    assert failed(found) == ["transport"]
    assert found["transport"]["facts"]["service"] == "TLS"


def test_another_service_that_greets() -> None:
    def serve(peer: socket.socket) -> None:
        peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        peer.recv(1)

    with listening(serve) as port:
        found = doctor(port, "--timeout", "1")
    assert failed(found) == ["transport"]
    assert "SSH-2.0" in found["transport"]["text"]


def test_a_websocket_server_that_is_not_opends() -> None:
    from websockets.sync.server import serve

    with serve(lambda connection: connection.send(connection.recv()), "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = doctor(server.socket.getsockname()[1])
        server.shutdown()
    assert failed(found) == ["transport"]
    assert "not OpenD's" in found["transport"]["text"]


def test_endless_bytes_end() -> None:
    def serve(peer: socket.socket) -> None:
        while True:
            peer.sendall(b"FT" + bytes(1 << 16))

    with listening(serve) as port:
        assert failed(doctor(port, "--timeout", "2")) != []


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = doctor(port)
    assert statuses(found) == {"reachable": "failed"}
    assert "nothing listens" in found["reachable"]["text"]


def test_a_port_that_never_answers() -> None:
    """The queue of connections is full, so that the system does not answer the next SYN."""
    waiting = []
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect(listener.getsockname())
            waiting.append(one)
        found = doctor(listener.getsockname()[1], "--timeout", "0.5")
        for one in waiting:
            one.close()
    assert statuses(found) == {"reachable": "failed"}
    assert "no answer within 0.5 s" in found["reachable"]["text"]


# The command


def test_text_has_a_line_for_each_check_and_its_remedy() -> None:
    with gateway(synthetic=True, shift_to_now=True, always_open=True, faults=["drop:proto=Qot_GetSubInfo"]) as opend:
        result = run(opend.port, "--timeout", "1")
        lines = result.stdout.splitlines()
        assert result.exit_code == 1
        assert lines[0].startswith("ok      reachable ")
        at = next(number for number, line in enumerate(lines) if line.startswith("failed  subscription quota"))
        assert "OpenD's log" in lines[at + 1]
        assert lines[-1] == "1 of 10 checks failed."


def test_other_machines_are_asked_for() -> None:
    result = CliRunner().invoke(ftwire, ["doctor", "192.0.2.1:11111"])
    assert result.exit_code == 2
    assert "--allow-remote" in result.stderr


@pytest.mark.parametrize("text", ["nonsense", "1:2:3", "host:0", ":70000"])
def test_an_address_that_is_none(text: str) -> None:
    assert CliRunner().invoke(ftwire, ["doctor", text]).exit_code == 2


def test_texts_of_a_gateway_are_escaped() -> None:
    state, user, used = sick_replies()
    state.retType, state.retMsg = -1, "\x1b[2Jgone"
    with listening(fixed_gateway({1002: state, 1005: user, 3003: used})) as port:
        assert "\x1b" not in run(port).stdout
