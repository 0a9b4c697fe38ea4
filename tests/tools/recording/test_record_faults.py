"""``ftwire record --fault``: faults in front of a gateway, what is recorded of them, and that trading stays locked."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fixtures.make_keys import TEST_KEY
from ftwire.cipher import RsaKey
from ftwire.errors import BadMagicError, BodyError, DigestError
from ftwire.events import FrameDamaged, Refused, ReplyReceived, UnmatchedReply
from ftwire.frame import Role, UnknownBody, encode_frame
from ftwire.messages import Qot_GetRT
from ftwire_tools.gateway.faults import NAMES, ClientFaults, Faults
from ftwire_tools.recording.faulty_wires import FaultyWires
from ftwire_tools.recording.proxy import Wires
from ftwire_tools.testing import RunningGateway, gateway
from support.gateways import CAPTURES, ENCRYPTIONS, PlainClient
from support.recording import Proxied, connect, ftwire, proxied, recording

KEY = RsaKey.from_pem(TEST_KEY.read_bytes())
PLAIN = CAPTURES / "futu-api-10.11-plain.pcap"
QUESTION: dict[str, Any] = {"security": {"market": 1, "code": "00700"}}
PAPER = {"trdEnv": 0, "accID": 1_001_001, "trdMarket": 1}
ORDER = {"trdSide": 1, "orderType": 1, "code": "00700", "secMarket": 1, "qty": 100.0, "price": 400.0}


@contextmanager
def between(
    *faults: str, key: RsaKey | None = None, **more: Any
) -> Iterator[tuple[RunningGateway, Proxied, PlainClient]]:
    """A gateway, a proxy in front of it, and a client of that."""
    with (
        gateway(PLAIN, match="security", key=key, speed=None) as opend,
        proxied(opend.port, faults=faults, **more) as proxy,
        PlainClient(proxy.ports[0], key=key) as client,
    ):
        yield opend, proxy, client


def ask(client: PlainClient) -> int:
    """Send a question and do not wait."""
    request = Qot_GetRT.Request()
    request.c2s.security.market, request.c2s.security.code = 1, "00700"
    serial = client.connection.request("Qot_GetRT", request, time.monotonic_ns())
    client.send()
    return serial


def answered(client: PlainClient, count: int) -> list[int]:
    """Serials of so many replies, in their order."""
    while len(client.events) < 1 + count:
        client.receive()
    return [event.frame.serial for event in client.events[1 : 1 + count]]  # type: ignore[union-attr]


def times_out(client: PlainClient) -> bool:
    client.socket.settimeout(0.1)
    try:
        client.receive()
    except TimeoutError:
        return True
    finally:
        client.socket.settimeout(10)
    return False


def ends(client: PlainClient) -> bool:
    client.wait_for_end()
    return True


class TestTheSameSet:
    @pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("drop", [(ReplyReceived, 0), (ReplyReceived, 2)]),
            ("duplicate", [(ReplyReceived, 0), (ReplyReceived, 1), (UnmatchedReply, 1), (ReplyReceived, 2)]),
            ("bad-sha1", [(ReplyReceived, 0), (FrameDamaged, 1), (ReplyReceived, 2)]),
            ("bad-format", [(ReplyReceived, number) for number in range(3)]),
            ("wrong-serial", [(ReplyReceived, 0), (UnmatchedReply, 1 + 1_000_000), (ReplyReceived, 2)]),
            ("unknown-protocol", [(ReplyReceived, 0), (UnmatchedReply, 1), (ReplyReceived, 1), (ReplyReceived, 2)]),
            ("split", [(ReplyReceived, number) for number in range(3)]),
            ("delay", [(ReplyReceived, number) for number in range(3)]),
        ],
    )
    def test_what_strikes_frames_needs_no_key(self, name: str, expected: list[Any], key: RsaKey | None) -> None:
        # All of this is in the header or between frames: the same whatever the cipher.
        with between(f"{name}:proto=3008,n=2", key=key) as (opend, proxy, client):
            sent = [ask(client) for _ in range(3)]
            found: list[Any] = []
            while len(found) < len(expected):
                found += client.receive()
            assert [(type(event), event.frame.serial - sent[0]) for event in found] == expected
            assert len(opend.requests) == 1 + len(sent), "the gateway got all of them"
            assert proxy.faults.struck == {1: 1}
            if name == "bad-sha1":
                assert isinstance(found[1].frame.error, DigestError)
            else:
                assert isinstance(found[1].frame.message, UnknownBody) == (name in {"bad-format", "unknown-protocol"})

    @pytest.mark.parametrize("name", ["close", "cut", "garbage", "silent"])
    def test_what_ends_a_connection(self, name: str) -> None:
        with between(f"{name}:proto=3008,n=2") as (_, _, client):
            first = ask(client)
            assert answered(client, 1) == [first]
            ask(client)
            if name == "silent":
                assert times_out(client)
            elif name == "garbage":
                with pytest.raises(BadMagicError):
                    client.receive()
            else:
                assert ends(client)

    @pytest.mark.parametrize("name", ["jitter:ms=3", "merge:proto=InitConnect,ms=20", "merge:proto=3008,n=1,ms=20"])
    def test_what_a_client_gets_over(self, name: str) -> None:
        with between(name) as (_, _, client):
            sent = [ask(client) for _ in range(5)]
            assert answered(client, 5) == sent

    def test_reorder(self) -> None:
        with between("reorder:proto=Qot_UpdateRT,n=1") as (_, _, client):
            client.subscribe("HK.00700")
            client.wait_for_pushes(2)
            minutes = [frame.message.s2c.rtList[0].minute for frame in client.pushes]  # type: ignore[union-attr]
            assert minutes[:2] == [855, 854]

    @pytest.mark.parametrize("cipher", ENCRYPTIONS)
    def test_errors_on_demand_and_bad_bodies_are_encrypted(self, cipher: str) -> None:
        key = None if cipher == "none" else KEY
        chosen: dict[str, Any] = {"grant": ENCRYPTIONS[cipher]} if key else {}
        rules = ["refuse:proto=Qot_GetRT,n=1,ret_type=-100,err_code=3,ret_msg=late", "bad-body:proto=Qot_GetRT,n=1"]
        with (
            gateway(PLAIN, match="security", key=key, **chosen) as opend,
            proxied(opend.port, faults=rules, keys=[KEY] if key else []) as proxy,
            PlainClient(proxy.ports[0], key=key) as client,
        ):
            refused = client.ask("Qot_GetRT", **QUESTION)
            assert (refused.retType, refused.errCode, refused.retMsg) == (-100, 3, "late")
            assert "Qot_GetRT" not in [one.name for one in opend.requests], "it did not reach the gateway"
            ask(client)
            broken = client.until(lambda event: isinstance(event, ReplyReceived))
            with pytest.raises(BodyError):
                _ = broken.frame.message  # type: ignore[union-attr]
            assert client.ask("Qot_GetRT", **QUESTION).retType == 0

    @pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
    def test_a_lost_request_does_not_reach_the_gateway(self, key: RsaKey | None) -> None:
        with between("lose:proto=3008,n=1", key=key) as (opend, _, client):
            _, second = ask(client), ask(client)
            assert answered(client, 1) == [second]
            assert [request.name for request in opend.requests] == ["InitConnect", "Qot_GetRT"]

    @pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
    def test_the_handshake_is_refused(self, key: RsaKey | None) -> None:
        with between("refuse:n=1,ret_msg=not today", key=key, keys=[KEY] if key else []) as (opend, _, client):
            (event,) = client.events
            assert isinstance(event, Refused)
            assert event.ret_msg == "not today"
            assert not opend.requests

    def test_every_fault_is_driven(self) -> None:
        text = Path(__file__).read_text(encoding="utf-8")
        assert all(f'"{name}' in text for name in NAMES)

    def test_without_a_key_what_needs_one_ends_the_connection(self) -> None:
        with gateway(PLAIN, key=KEY) as opend, proxied(opend.port, faults=["refuse:proto=3008"]) as proxy:
            with pytest.raises(OSError):  # noqa: PT011 - a reset or an end
                PlainClient(proxy.ports[0], key=KEY)
            assert proxy.reports("it is encrypted, and without --key there is no --fault refuse")

    def test_they_change_while_it_runs(self) -> None:
        with between() as (_, proxy, client):
            first = ask(client)
            assert answered(client, 1) == [first]
            number = proxy.faults.add("delay:ms=200,proto=3008")
            second = ask(client)
            assert times_out(client)
            proxy.faults.remove(number)
            third = ask(client)
            assert answered(client, 3)[1:] == [second, third]

    def test_what_is_late_comes_although_the_gateway_has_ended(self) -> None:
        with (
            gateway(PLAIN, match="security", faults=["close:proto=3008,n=2"]) as opend,
            proxied(opend.port, faults=["delay:ms=100,proto=3008"]) as proxy,
            PlainClient(proxy.ports[0]) as client,
        ):
            first, _ = ask(client), ask(client)
            assert answered(client, 1) == [first]
            assert ends(client)


def test_a_client_that_does_not_read_slows_down_the_gateway() -> None:
    frame = encode_frame(3009, 0, bytes(1000))

    async def run() -> int:
        stuck = asyncio.Event()
        recorded: list[bytes] = []

        async def write(_: bytes) -> None:
            await stuck.wait()

        wires = Wires("", lambda *_: write(b""), lambda: None, lambda: None, recorded.append, write)
        faulty = FaultyWires(wires, ClientFaults(Faults(["split:p=0.5"]), 1))

        async def flood() -> None:
            for _ in range(1000):
                await faulty.send(Role.CLIENT, frame)

        task = asyncio.get_running_loop().create_task(flood())
        done, _ = await asyncio.wait({task}, timeout=0.3)
        assert not done
        task.cancel()
        faulty.stop()
        return sum(map(len, recorded))

    # 64 KiB may wait in each of two queues.
    assert asyncio.run(run()) < 150 * 1024


def test_a_flaky_network_is_the_same_for_the_same_seed() -> None:
    def run(seed: int) -> list[int]:
        with between("drop:p=0.3,proto=3008", "duplicate:p=0.3,proto=3008", seed=seed) as (_, _, client):
            begin, *_ = [ask(client) for _ in range(40)]
            while client.ask("KeepAlive", time=1).s2c.time != 1:
                pass
            return [event.frame.serial - begin for event in client.events[1:]]  # type: ignore[union-attr]

    runs = [run(seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert 15 < len(set(runs[0])) < 40


class TestTrading:
    def test_is_locked(self) -> None:
        with (
            gateway(synthetic=True) as opend,
            proxied(opend.port, faults=["drop:p=0"]) as proxy,
            PlainClient(proxy.ports[0]) as client,
        ):
            refused = client.ask("Trd_PlaceOrder", header=PAPER, packetID={"connID": 0, "serialNo": 0}, **ORDER)
            assert (refused.retType, refused.retMsg) == (-1, "trading is locked here: ftwire record --allow-trading")
            assert client.ask("Trd_GetAccList", userID=0).retType == 0
            assert "Trd_PlaceOrder" not in [one.name for one in opend.requests]

    def test_is_unlocked_on_demand(self) -> None:
        with (
            gateway(synthetic=True) as opend,
            proxied(opend.port, faults=["drop:p=0"], allow_trading=True) as proxy,
            PlainClient(proxy.ports[0]) as client,
        ):
            client.ask("Trd_PlaceOrder", header=PAPER, packetID={"connID": 0, "serialNo": 0}, **ORDER)
            assert "Trd_PlaceOrder" in [one.name for one in opend.requests]

    def test_what_cannot_be_read_does_not_pass(self) -> None:
        with (
            gateway(synthetic=True, websocket=True) as opend,
            proxied(opend.ws_port or 0, faults=["drop:p=0"]) as proxy,
            connect(proxy.ports[0]) as side,
        ):
            side.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with suppress(OSError):  # a reset
                assert side.recv(10) == b""
            assert proxy.reports("no fault strikes it")


def test_what_was_sent_and_what_was_got_are_recorded(tmp_path: Path) -> None:
    sent, got = tmp_path / "sent.pcapng", tmp_path / "got.pcapng"
    options = ("-w", sent, "--seen", got, "--fault", "drop:proto=3008,every=2", "--fault", "bad-sha1:proto=3008,n=3")
    with (
        gateway(PLAIN, match="security") as opend,
        recording(opend.port, *options) as record,
        PlainClient(record.ports[0]) as client,
    ):
        serials = [ask(client) for _ in range(6)]
        answered(client, 3)
        client.socket.close()
        opend.wait_for("disconnected")
        assert record.stop() == 0

    def frames(path: Path, status: int = 0) -> list[tuple[str, int, bool]]:
        shown = [json.loads(line) for line in ftwire("dump", "--json", path, status=status).stdout.splitlines()]
        return [(one["kind"], one["serial"], one["sha1_ok"]) for one in shown if one["proto_id"] == 3008]

    assert sorted(frames(sent)) == sorted(
        [("request", serial, True) for serial in serials] + [("response", serial, True) for serial in serials]
    )
    damaged = serials[2]
    assert [frame for frame in frames(got, status=3) if frame[0] == "response"] == [
        ("response", serial, serial != damaged) for serial in serials[::2]
    ]
    assert any("faults: drop:every=2,proto=3008 3, bad-sha1:n=3,proto=3008 1" in line for line in record.said)
    logged = [line for line in record.said if " Qot_GetRT(HK.00700) -> ok, 3 rows" in line]
    assert len(logged) == 6
    assert all(len(line.rstrip()) <= 80 for line in logged)


@pytest.mark.parametrize(
    ("options", "logged"),
    [((), 2), (("-q",), 0), (("--dump",), 0), (("-Y", "serial > 2"), 1), (("-Y", "ret_type != 0"), 0)],
)
def test_requests_are_logged(options: tuple[str, ...], logged: int, tmp_path: Path) -> None:
    with (
        gateway(PLAIN, match="security") as opend,
        recording(opend.port, "-w", tmp_path / "x", *options) as record,
        PlainClient(record.ports[0]) as client,
    ):
        for _ in range(2):
            client.ask("Qot_GetRT", **QUESTION)
        client.socket.close()
        opend.wait_for("disconnected")
        record.stop()
        assert sum("Qot_GetRT(HK.00700) -> ok, 3 rows" in line for line in record.said) == logged
