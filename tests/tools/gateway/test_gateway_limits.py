"""What a gateway demands of clients, and where its limits are."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any

import pytest

from fixtures.make_keys import TEST_KEY
from ftwire.body import encode_body
from ftwire.cipher import RsaKey
from ftwire.events import Refused
from ftwire.frame import Frame, Role, encode_frame
from ftwire.messages import InitConnect
from ftwire_tools.gateway.settings import SettingsError
from ftwire_tools.testing import gateway, gateway_fixture
from support.frames import rt_request
from support.gateways import CAPTURES, PlainClient

KEY = RsaKey.from_pem(TEST_KEY.read_bytes())

still = gateway_fixture(synthetic=True, speed=0.001)


def raw(port: int, *frames: bytes) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", port), timeout=10)
    found.sendall(b"".join(frames))
    return found


def is_closed(connection: socket.socket) -> bool:
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


def test_the_129th_client_is_not_admitted(still: Any) -> None:
    clients = [PlainClient(still.port) for _ in range(128)]
    try:
        assert is_closed(raw(still.port))
        assert still.wait_for("refused")[0]["reason"] == "128 connections, the limit is reached"
        assert clients[127].ask("KeepAlive", time=5).retType == 0
        clients.pop().socket.close()
        still.wait_for("disconnected")
        clients.append(PlainClient(still.port))
    finally:
        for client in clients:
            client.socket.close()


def test_silence_ends_a_connection_and_keep_alive_does_not() -> None:
    with gateway(speed=0.001, silence=1.0) as opend:
        quiet, shy = PlainClient(opend.port), raw(opend.port)
        with PlainClient(opend.port) as lively:
            for number in range(30):
                lively.ask("KeepAlive", time=number)
                time.sleep(0.05)
            quiet.wait_for_end()
            assert is_closed(shy)
            assert lively.ask("KeepAlive", time=1).retType == 0
        reasons = {fact["client"]: fact["reason"] for fact in opend.wait_for("cut-off", 2)}
    assert reasons == {1: "silent for 1 s", 2: "no handshake"}


def test_the_first_request_must_be_the_handshake(still: Any) -> None:
    assert is_closed(raw(still.port, encode_frame(3008, 1, encode_body(rt_request()))))
    assert "must be InitConnect" in str(still.wait_for("cut-off")[0]["reason"])


def test_noise_ends_a_connection(still: Any) -> None:
    assert is_closed(raw(still.port, b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"))
    assert "a frame starts with" in str(still.wait_for("cut-off")[0]["reason"])


def test_a_body_above_the_limit_is_not_waited_for() -> None:
    with gateway(max_request=1000) as opend:
        header = struct.pack("<2sIBBII20s8s", b"FT", 1001, 0, 0, 1, 1001, bytes(20), bytes(8))
        assert is_closed(raw(opend.port, header))
        assert "the limit is 1000" in str(opend.wait_for("cut-off")[0]["reason"])


def test_requests_that_cannot_be_read_are_answered(still: Any) -> None:
    with PlainClient(still.port) as client:
        for proto_id, body, reason in (
            (3008, b"\x0f", -500),
            (3008, b"", -500),
            (9999, b"whatever", -1),
            (3009, b"", -1),
        ):
            client.socket.sendall(encode_frame(proto_id, 77, body))
            (event,) = client.receive()
            reply = InitConnect.Response.FromString(event.frame.body)  # type: ignore[union-attr]
            assert (event.frame.serial, reply.retType) == (77, reason)  # type: ignore[union-attr]
            assert reply.retMsg
        damaged = bytearray(encode_frame(3008, 78, b"\x0a\x00"))
        damaged[20] ^= 1
        client.socket.sendall(damaged)
        (event,) = client.receive()
        assert event.frame.serial == 78  # type: ignore[union-attr]
        assert client.ask("KeepAlive", time=1).retType == 0
        assert client.connection.conn_id
    assert still.named("damaged")[0]["proto"] == 3008


def test_a_second_handshake_is_refused(still: Any) -> None:
    with PlainClient(still.port) as client:
        request = Frame.build(
            1001, 9, InitConnect.Request(c2s=InitConnect.C2S(clientVer=1, clientID="x")), sender=Role.CLIENT
        )
        client.socket.sendall(request.encode())
        (event,) = client.receive()
        assert event.frame.message.retMsg == "connected already"  # type: ignore[union-attr]
        assert not isinstance(event, Refused)


def test_a_slow_reader_is_cut_off_and_the_others_do_not_notice() -> None:
    with gateway(speed=20_000.0, always_open=True, max_unsent=200_000) as opend:
        slow, good = PlainClient(opend.port, buffer=4096), PlainClient(opend.port)
        slow.subscribe("HK.00700", "US.AAPL", sub_types=(1, 2, 4, 5, 6))
        good.subscribe("HK.00700", sub_types=(4,))
        while not opend.named("cut-off"):
            good.receive()
        (fact,) = opend.named("cut-off")
        assert (fact["client"], "slow reader" in str(fact["reason"])) == (1, True)
        so_far = len(good.pushes)
        good.wait_for_pushes(so_far + 100)
        sequences = [frame.message.s2c.tickerList[0].sequence for frame in good.pushes]  # type: ignore[union-attr]
        assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
        good.socket.close()
        slow.socket.close()


def test_requests_without_reading_do_not_fill_memory() -> None:
    """A client sends questions and reads nothing: the gateway stops taking them instead of piling up replies."""
    with gateway(CAPTURES / "futu-api-10.11-330-points.pcap", match="security") as opend:
        client = PlainClient(opend.port)
        question = encode_frame(3008, 5, b"\x0a\x0b\x0a\x09\x08\x01\x12\x0500005")
        sent, wanted = 0, 4000  # of 25 KB each: 100 MB
        client.socket.setblocking(False)
        try:
            while sent < wanted:
                client.socket.sendall(question * 100)
                sent += 100
        except BlockingIOError:
            pass
        assert not opend.named("cut-off")
        client.socket.settimeout(10)
        received = 0
        while received < 100:
            received += len(client.receive())
        client.socket.close()


def test_addresses_that_others_reach_need_a_key() -> None:
    with pytest.raises(SettingsError, match="OpenD demands an RSA key"), gateway(host="0.0.0.0"):  # noqa: S104
        pass
    with pytest.raises(SettingsError, match="needs TLS and a key"), gateway(host="0.0.0.0", key=KEY, websocket=True):  # noqa: S104
        pass
    with gateway(host="0.0.0.0", key=KEY) as opend, PlainClient(opend.port, key=KEY) as client:  # noqa: S104
        assert client.is_open


def test_a_port_that_is_taken() -> None:
    with gateway() as opend, pytest.raises(OSError, match="address already in use"), gateway(port=opend.port):
        pass


def test_closing_ends_every_connection_cleanly() -> None:
    with gateway(speed=1000.0, always_open=True) as opend:
        clients = [PlainClient(opend.port) for _ in range(5)]
        for client in clients:
            client.subscribe("HK.00700", sub_types=(4,))
    for client in clients:
        client.wait_for_end()
        client.connection.close()  # would raise where the stream ends inside a frame
        client.socket.close()
    assert len(opend.named("disconnected")) == 5
    assert opend.events[-1].name == "closed"


def test_closing_does_not_wait_for_those_who_do_not_read() -> None:
    with gateway(speed=20_000.0, always_open=True) as opend:
        slow = PlainClient(opend.port, buffer=4096)
        slow.subscribe("HK.00700", "US.AAPL", sub_types=(1, 2, 4, 5, 6))
        # More than the sockets hold by now, and less than it is cut off for.
        opend.wait_for("connected")
        time.sleep(0.5)
    assert opend.events[-1].name == "closed"
    assert len(opend.named("disconnected")) == 1
    slow.socket.close()
