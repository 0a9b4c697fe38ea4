"""Hostile clients: what they can make the gateway hold, for how long, and how much it writes about them."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import ssl
import struct
import subprocess
import sys
import threading
import weakref
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from ftwire.frame import Role, encode_frame
from ftwire.messages import InitConnect, InitWebSocket
from ftwire.websocket import INIT, Envelope
from ftwire_tools.gateway.budget import Budget
from ftwire_tools.gateway.log import Log, OncePer
from ftwire_tools.gateway.server import Gateway
from ftwire_tools.gateway.settings import Settings
from ftwire_tools.gateway.synthetic import Synthetic
from ftwire_tools.testing import RunningGateway, gateway
from support.command import started
from support.gateways import PlainClient
from support.programs import Program

MIB = 1 << 20
BODY = 4 * MIB - 1000
"""Nearly the largest body that is taken."""
LOGIN = encode_frame(1001, 1, InitConnect.Request(c2s=InitConnect.C2S(clientVer=300, clientID="x")).SerializeToString())
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)


def raw(port: int | None, data: bytes = b"") -> socket.socket:
    found = socket.create_connection(("127.0.0.1", port), timeout=20)
    found.sendall(data)
    return found


def upgraded(port: int | None) -> socket.socket:
    """A connection to the port for WebSocket that has been upgraded."""
    found = raw(port, UPGRADE)
    got = b""
    while b"\r\n\r\n" not in got:
        got += found.recv(1000)
    assert got.startswith(b"HTTP/1.1 101 ")
    return found


def websocket_frame(payload: bytes, *, length: int = 0, first: int = 0x82) -> bytes:
    """A masked frame, by default a whole binary message; ``length`` is what it claims."""
    return bytes((first, 0xFF)) + struct.pack(">Q", length or len(payload)) + bytes(4) + payload


def logged_in(port: int | None) -> socket.socket:
    """A WebSocket client that has logged in."""
    found = upgraded(port)
    init = InitWebSocket.Request(c2s=InitWebSocket.C2S(programmingLanguage="test"))
    found.sendall(websocket_frame(Envelope.build(INIT, 1, init, sender=Role.CLIENT).encode()))
    assert found.recv(1000)
    return found


def wait_for_end(connection: socket.socket) -> None:
    with suppress(ConnectionError):
        while connection.recv(1 << 16):
            pass
    connection.close()


def reasons(opend: RunningGateway, count: int, event: str = "cut-off") -> list[str]:
    return [str(fact["reason"]) for fact in opend.wait_for(event, count, 30)]


# Places


def test_connections_on_websocket_that_never_log_in_take_no_client_its_place() -> None:
    with gateway(synthetic=True, speed=0.001, websocket=True, max_clients=2, max_waiting=3, login_timeout=1.0) as opend:
        idle = [upgraded(opend.ws_port) for _ in range(5)]
        with PlainClient(opend.port) as client, logged_in(opend.ws_port):
            assert client.ask("KeepAlive", time=1).retType == 0
            for one in idle:
                wait_for_end(one)
            # Nobody whose login was quick is among them.
            assert {fact["client"] for fact in opend.wait_for("cut-off", 5)} == {1, 2, 3, 4, 5}
            assert client.ask("KeepAlive", time=2).retType == 0
    made_room = "the oldest of 3 connections without a handshake makes room for another"
    found = reasons(opend, 5)
    assert found.count(made_room) >= 2
    assert set(found) <= {"no InitWebSocket", made_room}


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost:", UPGRADE[:-1]])
def test_an_upgrade_that_is_not_finished_is_timed_out(sent: bytes) -> None:
    with gateway(synthetic=True, speed=0.001, websocket=True, login_timeout=0.2) as opend:
        wait_for_end(raw(opend.ws_port, sent))
        assert reasons(opend, 1) == ["no upgrade to WebSocket"]
        assert opend.wait_for("disconnected") == [{"client": 1, "requests": 0, "pushes": 0}]


def test_before_the_upgrade_connections_are_counted() -> None:
    with gateway(synthetic=True, speed=0.001, websocket=True, max_waiting=4, login_timeout=30.0) as opend:
        idle = [raw(opend.ws_port, b"GET / ") for _ in range(10)]
        assert len(reasons(opend, 6)) == 6
        for one in idle[:6]:
            wait_for_end(one)
        logged_in(opend.ws_port).close()
        for one in idle[6:]:
            one.close()


def test_tls_that_is_not_agreed_on_is_timed_out(openssl: Program, tmp_path: Any) -> None:
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    openssl(*words, "-keyout", key, "-out", cert)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    with gateway(synthetic=True, speed=0.001, websocket=True, tls=tls, login_timeout=0.5, max_waiting=3) as opend:
        wait_for_end(raw(opend.ws_port))
        assert reasons(opend, 1) == ["no TLS handshake"]
        wait_for_end(raw(opend.ws_port, b"no hello at all\r\n"))
        assert reasons(opend, 2)[1].startswith("no TLS: ")
        idle = [raw(opend.ws_port, b"\x16\x03\x01") for _ in range(5)]
        for one in idle:
            wait_for_end(one)
        assert len(opend.wait_for("disconnected", 7)) == 7
        assert reasons(opend, 7)[2].startswith("the oldest of 3")


def test_whoever_logs_in_last_is_refused_where_all_places_are_taken() -> None:
    with gateway(synthetic=True, speed=0.001, websocket=True, max_clients=1, deflate=False) as opend:
        early, late, web = raw(opend.port), raw(opend.port), upgraded(opend.ws_port)
        opend.wait_for("accepted", 3)
        early.sendall(LOGIN)
        assert InitConnect.Response.FromString(early.recv(1000)[44:]).retType == 0
        late.sendall(LOGIN)
        refused = InitConnect.Response.FromString(late.recv(1000)[44:])
        assert (refused.retType, refused.retMsg) == (-1, "the gateway has as many clients as it takes")
        wait_for_end(late)
        init = InitWebSocket.Request(c2s=InitWebSocket.C2S(programmingLanguage="test"))
        web.sendall(websocket_frame(Envelope.build(INIT, 1, init, sender=Role.CLIENT).encode()))
        assert b"too many clients" in web.recv(1000)
        wait_for_end(web)
        assert reasons(opend, 2, "refused") == ["1 connections, the limit is reached"] * 2
        early.close()


# Time


def trickle(connection: socket.socket, data: bytes, stop: threading.Event) -> None:
    """Send byte by byte, at a distance, until the other side has closed."""
    with suppress(OSError):
        for at in range(len(data)):
            connection.sendall(data[at : at + 1])
            if stop.wait(0.02):
                return


@pytest.mark.parametrize("transport", ["tcp", "websocket", "fragments"])
def test_a_request_that_comes_byte_by_byte_is_not_waited_for(transport: str) -> None:
    with gateway(synthetic=True, speed=0.001, websocket=True, silence=0.6) as opend:
        if transport == "tcp":
            client = raw(opend.port, LOGIN)
            assert client.recv(1000)
            data = encode_frame(3008, 2, bytes(10_000))
        else:
            client = logged_in(opend.ws_port)
            data = websocket_frame(bytes(10_000))
            if transport == "fragments":
                data = websocket_frame(b"x", first=0x02) + websocket_frame(b"x", first=0x00) * 10_000
        stop = threading.Event()
        sending = threading.Thread(target=trickle, args=(client, data, stop))
        sending.start()
        try:
            assert reasons(opend, 1) == ["a request that it has begun is not whole after 0.6 s"]
        finally:
            stop.set()
            sending.join()
            client.close()


def test_requests_in_pieces_are_no_fault_as_long_as_each_is_whole_in_time() -> None:
    with gateway(synthetic=True, speed=0.001, silence=1.0) as opend, PlainClient(opend.port) as client:
        alive = encode_frame(1004, 7, b"\x0a\x02\x08\x01")
        # Always in the middle of a request, for longer than the limit.
        data, stop = alive * 40, threading.Event()
        for at in range(0, len(data), 24):
            client.socket.sendall(data[at : at + 24])
            stop.wait(0.02)
        assert client.ask("KeepAlive", time=1).retType == 0
        assert not opend.named("cut-off")


def test_a_websocket_client_that_asks_and_never_reads_is_cut_off() -> None:
    with gateway(synthetic=True, speed=0.001, websocket=True, silence=2.0, deflate=False) as opend:
        client = logged_in(opend.ws_port)
        asked = websocket_frame(Envelope.build(1002, 2, b"\x0a\x02\x08\x00", sender=Role.CLIENT).encode())
        with suppress(OSError):
            while not opend.named("cut-off"):
                client.sendall(asked * 1000)
        assert reasons(opend, 1) == ["slow reader for 2 s"]
        client.close()


# Memory


class Held:
    """A client that holds so many bytes."""

    def __init__(self, budget: Budget, held: int) -> None:
        self.budget, self.bytes = budget, held
        self.reason = ""

    def held(self) -> int:
        return self.bytes

    def cut_off(self, reason: str) -> None:
        self.reason = reason
        self.budget.forget(self)

    def note(self) -> None:
        self.budget.note(self, self.bytes)


def test_above_the_budget_those_with_the_most_are_cut_off() -> None:
    budget = Budget(100)
    small, middle, large = (Held(budget, held) for held in (10, 40, 50))
    for one in (small, middle, large):
        one.note()
    assert (budget.total, large.reason) == (100, "")
    small.bytes = 11
    small.note()
    assert large.reason == "all clients together may hold 100 bytes, and it holds the most, 50"
    assert (small.reason, middle.reason, budget.total) == ("", "", 51)
    alone = Held(budget, 101)
    alone.note()
    assert (bool(alone.reason), budget.total) == (True, 51)
    small.bytes = 0
    small.note()
    budget.forget(middle)
    assert budget.total == 0


def test_what_was_sent_since_it_was_noted_counts_no_more() -> None:
    budget = Budget(100)
    drained, other = Held(budget, 90), Held(budget, 20)
    drained.note()
    drained.bytes = 0
    other.note()
    assert (drained.reason, other.reason, budget.total) == ("", "", 20)


def test_requests_begun_by_all_clients_share_one_budget() -> None:
    with (
        gateway(synthetic=True, speed=0.001, websocket=True, max_held=300_000) as opend,
        PlainClient(opend.port) as honest,
    ):
        honest.socket.sendall(encode_frame(1004, 7, b"\x0a\x02\x08\x01")[:40])
        large = [PlainClient(opend.port) for _ in range(4)]
        for client in large:
            client.socket.sendall(encode_frame(3008, 2, bytes(200_000))[:-1])
        web = logged_in(opend.ws_port)
        web.sendall(websocket_frame(bytes(100), length=MIB, first=0x02) + bytes(280_000))
        found = reasons(opend, 4)
        assert all(reason.startswith("all clients together may hold 300000 bytes") for reason in found)
        assert honest.is_open
        honest.socket.sendall(encode_frame(1004, 7, b"\x0a\x02\x08\x01")[40:])
        assert honest.receive()
        for client in large:
            client.socket.close()
        web.close()


@pytest.mark.parametrize("transport", ["tcp", "websocket", "upgrade"])
def test_a_session_is_gone_when_its_client_has_gone(transport: str) -> None:
    """Without the garbage collector: nothing of a connection may wait for it."""

    async def run() -> None:
        settings = Settings(port=0, ws_port=0, silence=5.0)
        async with Gateway(Synthetic(), settings, Log(lambda *_: None)) as running:
            begin: Callable[[], socket.socket] = {
                "tcp": lambda: raw(running.port, LOGIN + encode_frame(3008, 2, bytes(200_000))[:-1]),
                "websocket": lambda: logged_in(running.ws_port),
                "upgrade": lambda: raw(running.ws_port, b"GET / HTTP/1.1\r\nX: " + bytes(1000)),
            }[transport]
            client = await asyncio.to_thread(begin)
            if transport == "websocket":
                await asyncio.to_thread(client.sendall, websocket_frame(bytes(200_000), first=0x02))
            while not running.sessions or running.sessions[0].held() < 100:
                await asyncio.sleep(0.01)
            session = weakref.ref(running.sessions[0])
            client.close()
            for _ in range(500):
                if session() is None:
                    break
                await asyncio.sleep(0.01)
            assert session() is None

    gc.collect()
    gc.disable()
    try:
        asyncio.run(run())
    finally:
        gc.enable()


def peak_mib(process: subprocess.Popen[bytes]) -> int:
    with open(f"/proc/{process.pid}/status") as status:  # noqa: PTH123 - no file
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))


class Served:
    """``ftwire serve`` in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        listening = self.wait_for("listening")[0]
        self.port, self.ws_port = listening["port"], listening["ws_port"]

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == name]

    def wait_for(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        assert self.process.stderr is not None
        while len(self.named(name)) < count:
            self.events.append(json.loads(self.process.stderr.readline()))
        return self.named(name)


@contextmanager
def served(*options: str, prepare: Callable[[], None] | None = None) -> Iterator[Served]:
    words = ["--synthetic", "--speed", "0.001", "--port", "0", "--ws-port", "0", "--log-json"]
    with started("serve", *words, *options, prepare=prepare) as process:
        yield Served(process)


def compressed(data: bytes) -> bytes:
    """Data as the payload of a compressed message (RFC 7692)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


ATTACKS: dict[str, tuple[bool, bytes]] = {
    "a body that lacks its end": (False, encode_frame(3008, 2, bytes(BODY))[:-1]),
    "a message that lacks its end": (True, websocket_frame(bytes(BODY), length=BODY + 1)),
    "a fragment": (True, websocket_frame(bytes(BODY), first=0x02)),
    "a compressed fragment": (True, websocket_frame(compressed(bytes(BODY)), first=0x42)),
}


@pytest.mark.sampled(4)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("attack", ATTACKS)
def test_memory_is_bounded_over_all_clients_and_their_successors(attack: str) -> None:
    """240 clients hold 4 MB each, in waves: 960 MB, where 16 MiB are allowed."""
    is_websocket, data = ATTACKS[attack]
    with served("--max-held", "16", "--silence", "60", "--login-timeout", "60") as opend:
        PlainClient(opend.port).socket.close()
        upgraded(opend.ws_port).close()
        opend.wait_for("disconnected", 2)
        before = peak_mib(opend.process)
        for wave in range(3):
            clients = [upgraded(opend.ws_port) if is_websocket else raw(opend.port, LOGIN) for _ in range(80)]
            for client in clients:
                with suppress(OSError):  # whoever was cut off
                    client.sendall(data)
            for client in clients:
                client.close()
            opend.wait_for("disconnected", 2 + 80 * (wave + 1))
        with PlainClient(opend.port) as honest:
            assert honest.ask("KeepAlive", time=1).retType == 0
        assert opend.named("cut-off")
        # Beside the budget: copies of a request while it is joined and decoded, and what malloc keeps.
        assert peak_mib(opend.process) - before < 16 + 48


# Descriptors


def test_a_report_that_repeats_is_due_once_in_a_while() -> None:
    report = OncePer(60)
    assert [report.is_due(now) for now in (5.0, 5.1, 64.9, 65.0, 65.0, 125.0)] == [
        True,
        False,
        False,
        True,
        False,
        True,
    ]


@pytest.mark.long
def test_running_out_of_descriptors_is_one_line_and_passes() -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limit")

    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))

    with served("--login-timeout", "2", prepare=few) as opend:
        idle = [socket.socket() for _ in range(80)]
        for one in idle:
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect(("127.0.0.1", opend.port))
        assert "Too many open files" in opend.wait_for("not-accepting")[0]["reason"]
        # All are accepted in the end, as those before them are timed out.
        opend.wait_for("accepted", 80)
        for one in idle:
            one.close()
        opend.wait_for("disconnected", 80)
        with PlainClient(opend.port) as client:
            assert client.ask("KeepAlive", time=1).retType == 0
        opend.wait_for("connected")
        assert len(opend.named("not-accepting")) == 1
