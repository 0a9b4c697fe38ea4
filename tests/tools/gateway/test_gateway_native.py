"""The C++ and C# SDKs, by a scripted client that is made after recordings of them."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import ftwire
from fixtures.make_goldens import FAULTS, captures
from fixtures.make_keys import TEST_KEY
from fixtures.scenario import RT, RT_PUSHES
from ftwire.body import encode_body
from ftwire.capture import DissectedFrame
from ftwire.cipher import PacketEncAlgo, RsaKey
from ftwire.frame import BadFrame, Kind, Role
from ftwire.header import BodyFormat
from ftwire.messages import Qot_GetRT, Qot_Sub
from ftwire_tools.testing import gateway
from support.gateways import CAPTURES, fill, security
from support.native_client import REFUSED, NativeClient, NativeError

KEY = RsaKey.from_pem(TEST_KEY.read_bytes())
LARGE = RsaKey.from_pem(TEST_KEY.with_name("TEST-ONLY-2048.pem").read_bytes())
PLAIN = CAPTURES / "futu-api-10.11-plain.pcap"
RECORDED = [path for path, _ in (*captures(), *captures(FAULTS)) if path.name.startswith(("native-", "csharp-"))]
SECOND = 10**9


def frames(path: Path) -> list[DissectedFrame]:
    return [each for each in ftwire.read(path, keys=[KEY]) if isinstance(each, DissectedFrame)]


def recorded(name: str) -> list[DissectedFrame]:
    (path,) = (each for each in RECORDED if each.name == f"{name}.pcapng")
    return frames(path)


def scripted(recording: list[DissectedFrame]) -> NativeClient:
    """The scripted client with the settings of a recorded one."""
    first = recording[0]
    c2s: Any = first.frame.message.c2s  # type: ignore[union-attr]
    key = KEY if first.encryption == "rsa" else None
    return NativeClient(key, client_id=c2s.clientID, language=c2s.programmingLanguage)


class TestAsRecorded:
    def test_there_are_recordings(self) -> None:
        assert len(RECORDED) == 7

    @pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
    def test_it_sends_the_recorded_bytes(self, path: Path) -> None:
        """RSA apart, whose ciphertext is another each time."""
        recording = frames(path)
        client = scripted(recording)
        at_once = client.open()
        count = 0
        for one in recording:
            frame = one.frame
            assert isinstance(frame, ftwire.Frame)
            if frame.sender is Role.SERVER:
                at_once += client.receive(frame.encode(), now=one.time // SECOND)
                continue
            count += 1
            if frame.proto_id == 1001:
                assert (frame.body, frame.serial) == (client.init, 1)
                at_once = b""
            elif at_once:
                assert (frame.encode(), frame.proto_id, frame.serial) == (at_once, 1004, 2)
                at_once = b""
            else:
                assert frame.encode() == client.request(frame.proto_id, frame.body)
        assert count >= 2
        assert at_once == b""

    @pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
    def test_keep_alive_comes_three_seconds_before_the_interval_ends(self, path: Path) -> None:
        recording = frames(path)
        client = scripted(recording)
        client.open()
        client.receive(recording[1].frame.encode())
        interval = recording[1].frame.message.s2c.keepAliveInterval  # type: ignore[union-attr]
        assert client.keep_alive == interval - 3
        times = [one.time for one in recording if one.frame.proto_id == 1004 and one.kind is Kind.REQUEST]
        for before, after in pairwise(times):
            assert client.keep_alive <= (after - before) / SECOND < client.keep_alive + 0.2
        if "keep-alive" in path.name:
            assert (len(times), interval) == (3, 20)

    def test_it_keeps_to_aes_ecb_where_cbc_is_granted(self) -> None:
        init, reply, alive = recorded("native-5.1-grant-aes_cbc")
        assert init.frame.message.c2s.packetEncAlgo == PacketEncAlgo.AES_ECB  # type: ignore[union-attr]
        assert reply.frame.message.s2c.aesCBCiv  # type: ignore[union-attr]
        assert alive.encryption == "aes_ecb"

    def test_damaged_replies_are_dropped_and_duplicates_ignored(self) -> None:
        for name, replies in (("native-5.1-bad-sha1", {1001, 1004, 3001}), ("native-5.1-duplicate", None)):
            recording = recorded(name)
            client = scripted(recording)
            client.open()
            for one in recording:
                if one.frame.sender is Role.SERVER:
                    client.receive(one.frame.encode())
                elif one.frame.proto_id not in {1001} and one.frame.serial != 2:
                    client.request(one.frame.proto_id, one.frame.body)
            serials = [frame.serial for frame in client.replies]
            assert len(serials) == len(set(serials))
            if replies is not None:
                assert any(isinstance(one.frame, BadFrame) for one in recording)
                assert {frame.proto_id for frame in client.replies} == replies
            else:
                answers = sum(one.kind is Kind.RESPONSE for one in recording)
                assert len(client.replies) < answers
                assert len(client.pushes) == sum(one.kind is Kind.PUSH for one in recording)

    def test_a_key_of_2048_bits_is_not_taken(self) -> None:
        with pytest.raises(NativeError):
            NativeClient(LARGE)


class Link:
    """The scripted client with a socket."""

    def __init__(self, port: int, client: NativeClient) -> None:
        self.client = client
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.sendall(client.open())

    def until(self, is_done: Callable[[], bool]) -> None:
        while not is_done():
            data = self.socket.recv(1 << 16)
            assert data, "the gateway has closed"
            self.socket.sendall(self.client.receive(data, int(time.time())))

    def ask(self, proto_id: int, request: Any, **fields: Any) -> Any:
        request.c2s.SetInParent()
        fill(request.c2s, fields)
        known = len(self.client.replies)
        self.socket.sendall(self.client.request(proto_id, encode_body(request, BodyFormat.PROTOBUF)))
        self.until(lambda: any(frame.proto_id == proto_id for frame in self.client.replies[known:]))
        return self.client.replies[-1].message


@contextmanager
def linked(port: int, client: NativeClient) -> Iterator[Link]:
    link = Link(port, client)
    with link.socket:
        link.until(lambda: len(client.replies) >= 2)
        yield link


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "key"])
@pytest.mark.parametrize("grant", [None, PacketEncAlgo.AES_CBC, PacketEncAlgo.FTAES_ECB])
@pytest.mark.parametrize("language", ["", "C#"], ids=["C++", "C#"])
def test_a_session(key: RsaKey | None, grant: PacketEncAlgo | None, language: str) -> None:
    """``grant`` is for clients that go by the reply; this one gets what it asks for."""
    encryption = "none" if key is None else "aes_ecb"
    with (
        gateway(PLAIN, key=key, grant=grant, speed=None) as opend,
        linked(opend.port, NativeClient(key, language=language)) as link,
    ):
        assert [(frame.proto_id, frame.serial) for frame in link.client.replies] == [(1001, 1), (1004, 2)]
        securities = [security(code) for code in ("US.AAPL", "HK.00700")]
        done = link.ask(
            3001,
            Qot_Sub.Request(),
            securityList=securities,
            subTypeList=[5],
            isSubOrUnSub=True,
            isRegOrUnRegPush=True,
            isFirstPush=True,
        )
        assert done.retType == 0
        for code, one in (("AAPL", securities[0]), ("00700", securities[1])):
            answer = link.ask(3008, Qot_GetRT.Request(), security=one)
            assert [point.price for point in answer.s2c.rtList] == [share["price"] for share in RT[code]]
        link.until(lambda: len(link.client.pushes) >= 1)
        first: Any = link.client.pushes[0].message
        assert first.s2c.rtList[0].price == RT_PUSHES["AAPL"][0]["price"]
        link.socket.sendall(link.client.keep_alive_at(1))
        link.until(lambda: link.client.replies[-1].proto_id == 1004)
        assert opend.named("connected") == [{"client": 1, "language": language or "unknown", "encryption": encryption}]
        assert opend.named("damaged") == []


def test_a_refused_handshake() -> None:
    with (
        gateway(faults=["refuse:proto=InitConnect"]) as opend,
        pytest.raises(NativeError) as refused,
        linked(opend.port, NativeClient()),
    ):
        pass
    assert refused.value.args == (REFUSED, "the gateway refuses this connection")
