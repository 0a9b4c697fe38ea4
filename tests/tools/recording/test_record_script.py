"""``ftwire record --script``: what a script sees and changes between a client and a gateway, and what it cannot do."""

from __future__ import annotations

import json
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect as connect_websocket

import ftwire
from fixtures.make_keys import TEST_KEY
from ftwire.cipher import PacketEncAlgo, RsaKey
from ftwire.frame import encode_frame
from ftwire.header import BodyFormat
from ftwire_tools.testing import gateway
from support.control import ControlClient
from support.frames import rt_request
from support.gateways import ENCRYPTIONS, PlainClient, security
from support.recording import connect, echo, proxied, receive_all, recording, serving

KEY = RsaKey.from_pem(TEST_KEY.read_bytes())
TENCENT = security("HK.00700")
PAPER = {"trdEnv": 0, "accID": 1_001_001, "trdMarket": 1}
ORDER = {"trdSide": 1, "orderType": 1, "code": "00700", "secMarket": 1, "qty": 100.0, "price": 400.0}
BASIC = 1

CHANGES = """
def on_request(event):
    if event.name == "Qot_GetSecuritySnapshot":
        event.message.c2s.securityList[0].code = "09988"
    if event.name == "Qot_GetUserSecurity":
        return event.refused("not now", err_code=5)

def on_reply(event):
    if event.name == "Qot_GetBasicQot":
        assert event.request.c2s.securityList[0].code == "00700"
        event.message.s2c.basicQotList[0].curPrice = 1.5

async def on_push(event):
    event.message.s2c.basicQotList[0].curPrice = 2.5
"""


def script(folder: Path, text: str) -> Path:
    path = folder / "scenario.py"
    path.write_text(text)
    return path


def check_changes(client: PlainClient) -> None:
    assert client.ask("Qot_GetSecuritySnapshot", securityList=[TENCENT]).s2c.snapshotList[0].basic.name == "BABA-W"
    refused = client.ask("Qot_GetUserSecurity", groupName="x")
    assert (refused.retType, refused.retMsg, refused.errCode) == (-1, "not now", 5)
    client.subscribe("HK.00700", sub_types=(BASIC,), isFirstPush=True)
    assert client.wait_for_pushes(1)[0].basicQotList[0].curPrice == 2.5
    assert client.ask("Qot_GetBasicQot", securityList=[TENCENT]).s2c.basicQotList[0].curPrice == 1.5


@pytest.mark.parametrize("name", ENCRYPTIONS)
def test_messages_are_changed_under_each_cipher(name: str, tmp_path: Path) -> None:
    key = None if name == "none" else KEY
    chosen: dict[str, Any] = {"grant": ENCRYPTIONS[name]} if key else {}
    with (
        gateway(synthetic=True, always_open=True, key=key, **chosen) as opend,
        proxied(opend.port, script(tmp_path, CHANGES), keys=[KEY] if key else []) as record,
    ):
        asked = PacketEncAlgo.AES_CBC if key else PacketEncAlgo.NONE
        with PlainClient(record.ports[0], key=key, packet_enc_algo=asked) as client:
            assert client.connection.encryption == name
            check_changes(client)
        altered = [one.message for one in opend.requests if one.name == "Qot_GetSecuritySnapshot"]
        assert [one.c2s.securityList[0].code for one in altered] == ["09988"]
    assert record.said == []


def test_a_client_that_keeps_to_its_own_cipher_is_read_and_answered(tmp_path: Path) -> None:
    """As the vendor's native clients do: they speak what they have asked for, whatever the reply grants."""
    text = "def on_request(event):\n    if event.name == 'Qot_GetRT':\n        return event.refused('seen')\n"
    with (
        gateway(synthetic=True, always_open=True, key=KEY, grant=PacketEncAlgo.FTAES_ECB) as opend,
        proxied(opend.port, script(tmp_path, text), keys=[KEY]) as record,
        PlainClient(record.ports[0], key=KEY, packet_enc_algo=PacketEncAlgo.AES_CBC) as client,
    ):
        assert client.connection.encryption == "ftaes_ecb"
        assert client.ask("Qot_GetRT", security=TENCENT).retMsg == "seen"


def test_json_stays_json(tmp_path: Path) -> None:
    with (
        gateway(synthetic=True, always_open=True) as opend,
        proxied(opend.port, script(tmp_path, CHANGES)) as record,
        PlainClient(record.ports[0], body_format=BodyFormat.JSON) as client,
    ):
        check_changes(client)
        assert json.loads(client.events[-1].frame.body)["s2c"]["basicQotList"][0]["curPrice"] == 1.5  # type: ignore[union-attr]


def test_what_is_not_changed_passes_as_it_came(tmp_path: Path) -> None:
    """From a server that returns what it is sent: bodies with their fields in an order that no encoder writes."""
    frames = [rt_request_backwards(serial) for serial in range(50)]
    sent = b"".join(frames)
    text = "def on_request(event):\n    pass\ndef on_reply(event):\n    pass\n"
    with serving(echo) as port, proxied(port, script(tmp_path, text)) as record, connect(record.ports[0]) as side:
        for at in range(0, len(sent), 7):
            side.sendall(sent[at : at + 7])
        side.shutdown(socket.SHUT_WR)
        assert receive_all(side) == sent


def rt_request_backwards(serial: int) -> bytes:
    plain = rt_request().SerializeToString()  # c2s { security { market code } }
    inner = plain[4:]
    market, code = inner[:2], inner[2:]
    return encode_frame(3008, serial, plain[:4] + code + market)


def test_the_capture_has_what_the_client_saw(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    options = ("-w", path, "--script", script(tmp_path, CHANGES))
    with gateway(synthetic=True, always_open=True) as opend, recording(opend.port, *options) as record:
        with PlainClient(record.ports[0]) as client:
            check_changes(client)
        assert record.stop() == 0
    assert record.said[0] == f"ftwire: {tmp_path / 'scenario.py'} runs as code, with all the rights that you have\n"
    frames = list(ftwire.read(path))
    assert all(one.frame.error is None for one in frames)
    snapshots: list[Any] = [one.frame.message for one in frames if one.frame.proto_id == 3203]
    assert snapshots[0].c2s.securityList[0].code == "00700", "what the client asked for"
    assert snapshots[1].s2c.snapshotList[0].basic.name == "BABA-W", "what it got"
    assert "not now" in [getattr(one.frame.message, "retMsg", "") for one in frames]


# Trading


EAGER = """
def on_request(event):
    if event.name.startswith("Trd_"):
        event.message.c2s.header.accID = event.message.c2s.header.accID
        return event.message
"""


def test_orders_do_not_reach_the_gateway_whatever_the_script_returns(tmp_path: Path) -> None:
    with (
        gateway(synthetic=True, always_open=True) as opend,
        proxied(opend.port, script(tmp_path, EAGER)) as record,
        PlainClient(record.ports[0]) as client,
    ):
        found = client.ask("Trd_PlaceOrder", header=PAPER, **ORDER)
        assert (found.retType, found.retMsg) == (-1, "trading is locked here: ftwire record --allow-trading")
        assert client.ask("Trd_UnlockTrade", unlock=True, pwdMD5="0" * 32).retType == -1
        assert client.ask("Trd_GetOrderList", header=PAPER).s2c.orderList == []
        asked = [one.name for one in opend.requests]
        assert asked == ["InitConnect", "Trd_GetOrderList"]
        assert record.reports("not passed on, for it is trading: Trd_PlaceOrder")


def test_orders_do_not_reach_the_gateway_after_an_error_of_the_script(tmp_path: Path) -> None:
    text = "async def on_request(event):\n    raise ValueError('oops')\n"
    with (
        gateway(synthetic=True, always_open=True) as opend,
        proxied(opend.port, script(tmp_path, text)) as record,
        PlainClient(record.ports[0]) as client,
    ):
        assert client.ask("Trd_PlaceOrder", header=PAPER, **ORDER).retType == -1
        assert [one.name for one in opend.requests] == ["InitConnect"]
        assert record.reports(f"script-error at={tmp_path / 'scenario.py'}:2 hook=on_request error=ValueError: oops")


def test_orders_do_not_reach_the_gateway_in_disguise(tmp_path: Path) -> None:
    """A body that is no message, an unknown protocol, and another request's body in an order's frame."""
    with (
        gateway(synthetic=True, always_open=True) as opend,
        proxied(opend.port, script(tmp_path, EAGER)) as record,
        PlainClient(record.ports[0]) as client,
    ):
        frames = [encode_frame(2202, 70, b"\xff"), encode_frame(2999, 71, b""), encode_frame(9999, 72, b"")]
        client.socket.sendall(b"".join(frames))
        assert client.ask("KeepAlive", time=1).retType == 0
        assert [one.name for one in opend.requests] == ["InitConnect", "KeepAlive"]


def test_a_script_may_answer_orders_itself(tmp_path: Path) -> None:
    text = (
        "def on_request(event):\n"
        "    if event.name == 'Trd_PlaceOrder':\n"
        "        response = event.success()\n"
        "        response.s2c.header.CopyFrom(event.message.c2s.header)\n"
        "        response.s2c.orderID = 77\n"
        "        return response\n"
    )
    with (
        gateway(synthetic=True, always_open=True) as opend,
        proxied(opend.port, script(tmp_path, text)) as record,
        PlainClient(record.ports[0]) as client,
    ):
        assert client.ask("Trd_PlaceOrder", header=PAPER, **ORDER).s2c.orderID == 77
        assert [one.name for one in opend.requests] == ["InitConnect"]


def test_orders_pass_where_that_is_allowed(tmp_path: Path) -> None:
    options = ("-w", tmp_path / "out.pcapng", "--script", script(tmp_path, EAGER), "--allow-trading")
    with (
        gateway(synthetic=True, always_open=True) as opend,
        recording(opend.port, *options) as record,
        PlainClient(record.ports[0]) as client,
    ):
        assert client.ask("Trd_PlaceOrder", header=PAPER, **ORDER).retType == 0
        assert [one.name for one in opend.requests] == ["InitConnect", "Trd_PlaceOrder"]


def test_under_a_key_that_it_has_not_nothing_is_seen_and_orders_do_not_pass(tmp_path: Path) -> None:
    text = "def on_request(event):\n    return event.refused('seen')\n"
    with (
        gateway(synthetic=True, always_open=True, key=KEY) as opend,
        proxied(opend.port, script(tmp_path, text)) as record,
        PlainClient(record.ports[0], key=KEY) as client,
    ):
        assert client.ask("Qot_GetSecuritySnapshot", securityList=[TENCENT]).retType == 0
        assert record.reports("it is encrypted, and the script sees nothing of it without --key")
        client.connection.request("Trd_UnlockTrade", b"", 0)
        client.send()
        assert client.ask("KeepAlive", time=1).retType == 0
        assert [one.name for one in opend.requests] == ["InitConnect", "Qot_GetSecuritySnapshot", "KeepAlive"]
        assert record.reports("not passed on, for it is trading: Trd_UnlockTrade")


def receive_after(side: socket.socket, data: bytes) -> bytes:
    """Send byte by byte, and return all that comes back."""
    for byte in data:
        side.sendall(struct.pack("B", byte))
    return receive_all(side)


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"FX", b"F\0"])
def test_what_cannot_be_read_is_closed(first: bytes, tmp_path: Path) -> None:
    with (
        gateway(synthetic=True, always_open=True) as opend,
        proxied(opend.port, script(tmp_path, EAGER)) as record,
        connect(record.ports[0]) as side,
    ):
        with pytest.raises(ConnectionResetError):
            receive_after(side, first)
        assert record.reports("closed: it does not begin with a frame (WebSocket? TLS?)")


def test_a_stream_that_is_broken_later_is_closed(tmp_path: Path) -> None:
    with (
        gateway(synthetic=True, always_open=True) as opend,
        proxied(opend.port, script(tmp_path, EAGER)) as record,
        PlainClient(record.ports[0]) as client,
    ):
        client.socket.sendall(bytes(44))
        with suppress(ConnectionResetError):
            client.wait_for_end()
        client.connection.close()
        assert record.reports("closed: the client sends what is no frame")
        assert [one.name for one in opend.requests] == ["InitConnect"]


def test_websocket_passes_only_where_trading_may(tmp_path: Path) -> None:
    with gateway(synthetic=True, always_open=True, websocket=True) as opend:
        assert opend.ws_port is not None
        eager = script(tmp_path, EAGER)
        with proxied(opend.ws_port, eager) as record, pytest.raises((WebSocketException, OSError)):
            connect_websocket(f"ws://127.0.0.1:{record.ports[0]}").close()
        with proxied(opend.ws_port, eager, allow_trading=True) as record:
            with connect_websocket(f"ws://127.0.0.1:{record.ports[0]}"):
                pass
            assert record.reports("the script sees nothing of it, and no fault strikes it")


# Dropped, delayed, steered


def test_what_is_dropped_or_delayed(tmp_path: Path) -> None:
    text = (
        "def on_request(event):\n"
        "    if event.name == 'Qot_GetRT':\n"
        "        event.drop()\n"
        "    if event.name == 'Qot_GetSecuritySnapshot':\n"
        "        event.delay(0.2)\n"
        "def on_push(event):\n"
        "    event.drop()\n"
    )
    with (
        gateway(synthetic=True, always_open=True, speed=20.0) as opend,
        proxied(opend.port, script(tmp_path, text)) as record,
        PlainClient(record.ports[0]) as client,
    ):
        client.subscribe("HK.00700", sub_types=(BASIC, 5))
        client.connection.request("Qot_GetRT", rt_request(), 0)
        client.send()
        assert client.ask("Qot_GetSecuritySnapshot", securityList=[TENCENT]).retType == 0
        assert client.pushes == []
        assert [one.name for one in opend.requests] == ["InitConnect", "Qot_Sub", "Qot_GetSecuritySnapshot"]


def test_verbs_work_from_the_control_port(tmp_path: Path) -> None:
    token = tmp_path / "token"
    options = ("-w", tmp_path / "out.pcapng", "--control", "0", "--control-token-file", token)
    with (
        gateway(synthetic=True, always_open=True) as opend,
        recording(opend.port, *options) as record,
        PlainClient(record.ports[0]) as client,
    ):
        assert record.reports("control url=http://127.0.0.1:")
        port = int(record.said[-1].rpartition(":")[2])
        control = ControlClient(record.ports[0], port, token.read_text().strip(), "", record.process)
        control.call("replies.refuse_next", protocol="Qot_GetSecuritySnapshot", reason="busy")
        assert client.ask("Qot_GetSecuritySnapshot", securityList=[TENCENT]).retMsg == "busy"
        assert client.ask("Qot_GetSecuritySnapshot", securityList=[TENCENT]).retType == 0
        number = control.call("faults.add", rule="refuse:proto=Qot_GetSecuritySnapshot,ret_msg=on demand")
        assert client.ask("Qot_GetSecuritySnapshot", securityList=[TENCENT]).retMsg == "on demand"
        control.call("faults.remove", number=number)
        control.call("login.log_out")
        assert client.ask("Qot_GetSecuritySnapshot", securityList=[TENCENT]).retMsg == "OpenD is not logged in"
        assert not client.ask("GetGlobalState", userID=0).s2c.qotLogined
        assert [frame.message.s2c.connectStatus.qotLogined for frame in client.pushes] == [False]  # type: ignore[union-attr]
        status, content = control.request("POST", "/v1/market/halt", b'{"code": "HK.00700"}')
        assert status == 422
        assert "no made-up market here" in content["error"]
        listed = [one["proto"] for one in control.get("requests")["requests"]]
        assert listed == ["Qot_GetSecuritySnapshot"] * 4 + ["GetGlobalState"]
        (connected,) = control.get("state")["clients"]
        assert connected["number"] == 1
        control.call("connections.close")
        with suppress(ConnectionResetError):
            client.wait_for_end()
        client.connection.close()
