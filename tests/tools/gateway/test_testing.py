"""What ``ftwire_tools.testing.gateway`` offers tests of clients beside answers."""

from __future__ import annotations

import socket

import pytest

from ftwire.cipher import PacketEncAlgo, RsaKey
from ftwire.messages import Qot_GetRT
from ftwire_tools.gateway.session_context import Credentials, random_credentials
from ftwire_tools.testing import gateway
from support.gateways import CAPTURES, ENCRYPTIONS, PlainClient
from support.places import ROOT

PLAIN = CAPTURES / "futu-api-10.11-plain.pcap"
KEY = RsaKey.from_pem((ROOT / "fixtures/keys/TEST-ONLY-1024.pem").read_bytes())


def test_requests_are_listed() -> None:
    with gateway(PLAIN, match="security") as opend:
        with PlainClient(opend.port) as one, PlainClient(opend.port) as two:
            one.ask("Qot_GetRT", security={"market": 1, "code": "00700"})
            two.ask("KeepAlive", time=5)
        found = [(request.client, request.name) for request in opend.requests]
        assert sorted(found) == [(1, "InitConnect"), (1, "Qot_GetRT"), (2, "InitConnect"), (2, "KeepAlive")]
        (asked,) = [request.message for request in opend.requests if request.proto_id == 3008]
        assert isinstance(asked, Qot_GetRT.Request)
        assert asked.c2s.security.code == "00700"


def test_a_request_that_cannot_be_decoded_is_listed_without_message() -> None:
    with gateway(PLAIN) as opend, PlainClient(opend.port) as client:
        client.connection.request("Qot_GetRT", b"\xff", 0)
        client.send()
        client.receive()
        assert [(request.name, request.message) for request in opend.requests[1:]] == [("Qot_GetRT", None)]


def test_credentials_are_the_given_ones() -> None:
    def credentials(number: int) -> Credentials:
        return Credentials(7000 + number, "0" * 16, "1" * 16)

    with gateway(PLAIN, credentials=credentials) as opend, PlainClient(opend.port), PlainClient(opend.port) as two:
        assert two.connection.conn_id == 7002


def test_credentials_are_made_up_without() -> None:
    one, two = random_credentials(1), random_credentials(1)
    assert one.conn_id != two.conn_id
    assert one.aes_key != two.aes_key
    assert all(len(text.encode("ascii")) == 16 for text in (one.aes_key, one.aes_iv))


@pytest.mark.parametrize(("name", "granted"), [item for item in ENCRYPTIONS.items() if item[0] != "none"])
def test_another_cipher_than_the_usual_one_is_granted(name: str, granted: PacketEncAlgo) -> None:
    with (
        gateway(PLAIN, match="security", key=KEY, grant=granted) as opend,
        PlainClient(opend.port, key=KEY, packet_enc_algo=PacketEncAlgo.AES_CBC) as client,
    ):
        assert client.connection.encryption == name
        assert client.ask("Qot_GetRT", security={"market": 1, "code": "00700"}).retType == 0


def test_segments_are_as_small_as_wanted() -> None:
    with gateway(PLAIN, max_segment=600) as opend, PlainClient(opend.port) as client:
        assert client.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= 600
