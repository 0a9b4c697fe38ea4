"""Mistakes of clients, named by the gateway while they are connected. Frames are made without our encoder."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from hashlib import sha1

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from fixtures.make_keys import TEST_KEY
from ftwire.cipher import RsaKey
from ftwire.messages import InitConnect, InitWebSocket, KeepAlive
from ftwire_tools.testing import RunningGateway, gateway
from support.gateways import PlainClient

INIT = InitConnect.Request()
INIT.c2s.clientVer, INIT.c2s.clientID = 1, "x"
BEAT = KeepAlive.Request()
BEAT.c2s.time = 1


def frame(proto_id: int, serial: int, body: bytes, *, order: str = "<", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return (
        b"FT"
        + struct.pack(f"{order}IBBII20s8x", proto_id, 0, 0, serial, size, sha1(body, usedforsecurity=False).digest())
        + body
    )


LOGIN = frame(1001, 1, INIT.SerializeToString())
BODY = BEAT.SerializeToString()


def sent(opend: RunningGateway, *parts: bytes) -> None:
    """Send each part in a segment of its own and wait until the gateway has closed the connection."""
    with socket.create_connection((opend.host, opend.port), timeout=10) as side:
        side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            side.sendall(part)
        with suppress(ConnectionError):
            while side.recv(1 << 16):
                pass


BIG = frame(1001, 1, INIT.SerializeToString(), order=">")
MISTAKES = {
    "big-endian": ([BIG], "big_endian_header"),
    "big-endian, the header alone": ([BIG[:44]], "big_endian_header"),
    "big-endian, after the login": ([LOGIN, frame(1004, 2, BODY, order=">")], "big_endian_header"),
    "length with the header": ([frame(1001, 1, INIT.SerializeToString(), length=51)], "body_length_with_header"),
    "JSON announced as protobuf": ([LOGIN + frame(1004, 2, b'{"c2s":{"time":1}}')], "json_for_protobuf"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_once(name: str) -> None:
    parts, mistake = MISTAKES[name]
    with gateway(synthetic=True, login_timeout=0.5, silence=0.5) as opend:
        sent(opend, *parts)
        (fact,) = opend.wait_for("mistake")
        assert (fact["client"], fact["mistake"]) == (1, mistake)
        assert fact["what"]
        assert fact["remedy"]
        assert "ftwire explain" in str(fact["more"])
        if mistake != "json_for_protobuf":
            # Not "a body of 117440512 bytes".
            assert [one["reason"] for one in opend.wait_for("cut-off")] == [fact["what"]]


def test_a_second_mistake_of_a_connection_is_not_reported() -> None:
    wrong = frame(1004, 2, b'{"c2s":{"time":1}}')
    with gateway(synthetic=True, silence=0.5) as opend:
        sent(opend, LOGIN, wrong, wrong, wrong)
        sent(opend, LOGIN, wrong)
        assert {fact["client"] for fact in opend.wait_for("disconnected", 2)} == {1, 2}
        assert len(opend.named("mistake")) <= 2
        assert [fact["client"] for fact in opend.named("mistake")].count(1) == 1


def test_under_encryption_a_plain_request_is_explained() -> None:
    key = RsaKey.from_pem(TEST_KEY.read_bytes())
    with gateway(synthetic=True, key=key) as opend, PlainClient(opend.port, key=key) as client:
        client.socket.sendall(frame(1004, 99, BODY))
        assert opend.wait_for("mistake")[0]["mistake"] == "encryption_one_sided"


def test_honest_clients_make_no_mistake() -> None:
    with gateway(synthetic=True, silence=0.5) as opend:
        sent(opend, LOGIN + frame(1004, 2, BODY), *(bytes((byte,)) for byte in frame(1004, 3, BODY)))
        # A body that is never whole is late, and no mistake in what is there.
        sent(opend, LOGIN, frame(1004, 2, BODY + bytes(2000))[:1000])
        opend.wait_for("disconnected", 2)
        assert opend.named("mistake") == []


def test_on_websocket_an_envelope_with_the_fields_of_tcp_is_named() -> None:
    init = InitWebSocket.Request()
    init.c2s.SetInParent()
    wrong = b"FT" + struct.pack("<IBBII20s8x", 1, 0, 0, 1, 2, sha1(b"", usedforsecurity=False).digest())
    with gateway(synthetic=True, websocket=True) as opend:
        with connect(f"ws://127.0.0.1:{opend.ws_port}", proxy=None) as client:
            client.send(wrong + init.SerializeToString())
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=10)
        (fact,) = opend.wait_for("mistake")
        assert fact["mistake"] == "envelope_ft_fields"


def test_a_secret_in_a_body_is_not_in_the_log() -> None:
    body = b'{"c2s":{"unlock":true,"pwdMD5":"5ebe2294ecd0e0f08eab7690d2a6ee69"}}'
    with gateway(synthetic=True, silence=0.5) as opend:
        sent(opend, LOGIN, frame(2005, 2, body))
        assert opend.wait_for("mistake")[0]["mistake"] == "json_for_protobuf"
        assert "5ebe2294" not in str(opend.events)


def test_many_wrong_clients_are_all_cut_off_and_few_are_diagnosed() -> None:
    count = 60
    with gateway(synthetic=True) as opend:
        sides = [socket.create_connection((opend.host, opend.port), timeout=10) for _ in range(count)]
        for side in sides:
            side.sendall(BIG)
        for side in sides:
            with side, suppress(ConnectionError):
                assert side.recv(1) == b""
        assert len(opend.wait_for("cut-off", count)) == count
        assert 1 <= len(opend.named("mistake")) < count
