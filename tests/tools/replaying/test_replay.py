"""``ftwire replay``: real SDKs' captures against a gateway that plays the same scenario, or another."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fixtures.scenario import ORDER_ID, ScenarioAnswer
from ftwire.cipher import RsaKey
from ftwire.messages import Trd_ModifyOrder, Trd_PlaceOrder
from ftwire_tools.captures.input_files import open_input
from ftwire_tools.commands import ftwire
from ftwire_tools.replaying.capture_script import read_script
from support.captures import answered, asked, pcap, session
from support.places import ROOT
from support.scripted_gateway import ScriptedGateway, serving

CAPTURES = ROOT / "fixtures" / "captures"
KEYS = ROOT / "fixtures" / "keys"
KEY = KEYS / "TEST-ONLY-1024.pem"

ALL = sorted(
    path.with_suffix("") for path in CAPTURES.glob("*.json") if "fixtures/scenario.py" in path.read_text("utf-8")
)
"""The captures whose gateway gave the answers that the scripted gateway gives."""
PLAIN = CAPTURES / "futu-api-10.11-plain.pcap"
TRADE = CAPTURES / "futu-api-10.11-trade.pcap"


def replay(capture: Path, gateway: ScriptedGateway | None, *words: object) -> Result:
    to = ["--to", f"127.0.0.1:{gateway.port}", "--timeout", "10"] if gateway is not None else []
    return CliRunner().invoke(ftwire, ["replay", str(capture), *to, *map(str, words)])


def objects(result: Result) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    *steps, summary = [json.loads(line) for line in result.stdout.splitlines()]
    return steps, summary


@pytest.mark.parametrize("capture", ALL, ids=lambda path: path.name)
def test_every_capture_of_a_real_sdk_gets_the_same_replies_again(capture: Path) -> None:
    facts = json.loads(Path(f"{capture}.json").read_text())
    key = KEYS / Path(facts["key"]).name if facts["key"] else None
    with serving(key=None if key is None else RsaKey.from_pem(key.read_bytes())) as gateway:
        words = ["--key", key] if key else []
        result = replay(capture, gateway, "--json", "--topspeed", "--allow-trading", *words)
        steps, summary = objects(result)
        assert result.exit_code == 0, result.output
        assert {step["status"] for step in steps} == {"same"}
        assert summary == {"summary": {"same": len(steps)}, "left_out": [], "unreadable": []}
        # What was sent is what was captured, handshakes and KeepAlive apart.
        sent = [name for name in gateway.names() if name != "InitConnect"]
        assert sorted(sent) == sorted(step["proto"] for step in steps)


def test_the_lines_say_what_was_asked() -> None:
    with serving() as gateway:
        result = replay(PLAIN, gateway, "--speed", "100")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[2:5] for line in lines[:3]] == [
        ["same", "3001", "Qot_Sub"],
        ["same", "3008", "Qot_GetRT"],
        ["same", "3008", "Qot_GetRT"],
    ]
    assert lines[1].endswith("US.AAPL")
    assert lines[3] == "--- 3 requests: 3 same"


def test_each_client_introduces_itself_as_it_did() -> None:
    with open_input(str(PLAIN)) as source_input:
        (part,) = read_script(source_input).parts
    with serving() as gateway:
        replay(PLAIN, gateway, "--topspeed", "--connections", 3)
        hellos = [seen.message.c2s for seen in gateway.seen if seen.name == "InitConnect"]
    assert len(hellos) == 3
    for c2s in hellos:
        said = (c2s.clientVer, c2s.clientID, c2s.recvNotify, c2s.programmingLanguage)
        assert said == tuple(
            part.init[name] for name in ("client_ver", "client_id", "recv_notify", "programming_language")
        )
    assert "ftwire" not in hellos[0].clientID


def test_several_connections_each_play_the_whole_part() -> None:
    with serving() as gateway:
        steps, summary = objects(replay(PLAIN, gateway, "--topspeed", "--connections", 4, "--json"))
        assert summary["summary"] == {"same": 12}
        assert sorted((step["connection"], step["number"]) for step in steps) == [
            (copy, number) for copy in (1, 2, 3, 4) for number in (1, 2, 3)
        ]
        assert gateway.names().count("InitConnect") == 4


@pytest.mark.parametrize(
    ("words", "slept"), [(("--speed", "0.001"), [0, 2, 4]), (("--speed", "0.002"), [0, 1, 2]), (("--topspeed",), [])]
)
def test_requests_wait_for_their_time(
    words: tuple[str, ...], slept: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = tmp_path / "orders.pcap"
    capture.write_bytes(pcap(orders()))
    asked_for: list[float] = []
    sleep = asyncio.sleep

    async def recording(seconds: float) -> None:
        if seconds != 0:
            asked_for.append(seconds)
        await sleep(0)

    # Of the replayer alone: the gateway and the client sleep, too.
    asyncio_of_the_replayer = ModuleType("asyncio")
    vars(asyncio_of_the_replayer).update(vars(asyncio), sleep=recording)
    monkeypatch.setattr("ftwire_tools.replaying.replayer.asyncio", asyncio_of_the_replayer)
    with serving() as gateway:
        replay(capture, gateway, "--allow-trading", *words)
    # Captured 2 ms apart; what has gone by since the beginning is not slept.
    assert [round(seconds + 0.4) for seconds in asked_for] == [seconds for seconds in slept if seconds]


# Differences


def other_rt(**point: object) -> ScenarioAnswer:
    first = {
        "time": "2021-06-09 09:30:00",
        "minute": 570,
        "isBlank": False,
        "price": 127.21,
        "lastClosePrice": 126.74,
        "avgPrice": 127.2064,
        "volume": "1893421",
        "turnover": 240855286.6,
        "timestamp": 1623245400.0,
    }
    return ScenarioAnswer({"security": {"market": 11, "code": "AAPL"}, "name": "Apple", "rtList": [{**first, **point}]})


def test_differences_are_shown_by_field_and_fail() -> None:
    with serving(answers={"Qot_GetRT": other_rt(price=128.0)}) as gateway:
        result = replay(PLAIN, gateway, "--topspeed")
        steps, summary = objects(replay(PLAIN, gateway, "--topspeed", "--json"))
    assert result.exit_code == 1
    assert "         s2c.rtList: 3 items -> 1 items\n         s2c.rtList[0].price: 127.21 -> 128.0\n" in result.stdout
    assert summary["summary"] == {"same": 1, "different": 2}
    assert steps[1]["differences"] == [
        {"path": "s2c.rtList", "expected": 3, "actual": 1, "is_length": True},
        {"path": "s2c.rtList[0].price", "expected": 127.21, "actual": 128.0, "is_length": False},
    ]


def test_ignore_and_tolerance() -> None:
    with serving(answers={"Qot_GetRT": other_rt(price=128.0, volume="1893422")}) as gateway:
        ignoring = replay(
            PLAIN, gateway, "--topspeed", "--ignore", "s2c.rtList", "--ignore", "security", "--ignore", "name"
        )
        assert ignoring.exit_code == 0, ignoring.output
        words = ("--tolerance", "price=1%", "--tolerance", "volume=5", "--json")
        steps, _ = objects(replay(PLAIN, gateway, "--topspeed", *words))
        assert [each["path"] for each in steps[1]["differences"]] == ["s2c.rtList"]


def test_only_differences_leaves_out_the_rest() -> None:
    with serving(answers={"Qot_GetRT": other_rt()}) as gateway:
        steps, summary = objects(replay(PLAIN, gateway, "--topspeed", "--only-differences", "--json"))
    assert [step["number"] for step in steps] == [2, 3]
    assert summary["summary"] == {"same": 1, "different": 2}


@pytest.mark.parametrize("fault", ["close", "cut", "drop", "bad-sha1", "wrong-serial"])
def test_requests_that_are_not_answered_fail_and_are_told(fault: str) -> None:
    with serving(faults=[f"{fault}:proto=Qot_GetRT,n=1,client=1"]) as gateway:
        result = replay(PLAIN, gateway, "--topspeed", "--json", "--timeout", "1.5")
    steps, summary = objects(result)
    assert result.exit_code == 1
    assert [step["status"] for step in steps][:2] == ["same", "failed"]
    assert steps[1]["reason"]
    assert len(steps) == 3
    cut = fault in {"close", "cut"}
    assert summary["summary"] == ({"same": 1, "failed": 2} if cut else {"same": 2, "failed": 1})


# Trading


def test_what_trades_is_left_out_and_said_to_be() -> None:
    with serving() as gateway:
        result = replay(TRADE, gateway, "--topspeed", "--json")
        steps, summary = objects(result)
        assert {step["proto"] for step in steps if step["status"] == "left out"} == {
            "Trd_UnlockTrade",
            "Trd_PlaceOrder",
            "Trd_ModifyOrder",
        }
        assert not {"Trd_UnlockTrade", "Trd_PlaceOrder", "Trd_ModifyOrder"} & set(gateway.names())
        assert {"Trd_GetAccList", "Trd_SubAccPush", "Trd_GetFunds"} <= set(gateway.names())
    assert [each["count"] for each in summary["left_out"]] == [1, 1, 1]
    assert "ftwire: left out 1x Trd_PlaceOrder: places an order\n" in result.stderr


def test_orders_placed_on_the_way_stand_for_the_captured_ones(tmp_path: Path) -> None:
    capture = tmp_path / "orders.pcap"
    capture.write_bytes(pcap(orders()))
    placed = ScenarioAnswer({"header": HEADER, "orderID": str(ORDER_ID), "orderIDEx": "today_1"})
    with serving(answers={"Trd_PlaceOrder": placed, "Trd_ModifyOrder": placed}) as gateway:
        result = replay(capture, gateway, "--topspeed", "--allow-trading", "--ignore", "orderID*")
        assert result.exit_code == 0, result.output
        changes = [seen.message.c2s for seen in gateway.seen if seen.name == "Trd_ModifyOrder"]
        assert [(c2s.orderID, c2s.orderIDEx) for c2s in changes] == [(ORDER_ID, "today_1"), (99, "")]
        # PacketID is the connection's: its serial rises, its connID is not the captured one.
        packet_ids = [seen.message.c2s.packetID for seen in gateway.seen if seen.name.startswith("Trd_")]
        assert {packet_id.connID for packet_id in packet_ids} == {1001}
        assert len({packet_id.serialNo for packet_id in packet_ids}) == 3


def test_a_change_of_an_order_that_was_not_placed_is_left_out(tmp_path: Path) -> None:
    capture = tmp_path / "orders.pcap"
    capture.write_bytes(pcap(orders()))
    with serving(faults=["refuse:proto=Trd_PlaceOrder,n=1,client=1"]) as gateway:
        result = replay(capture, gateway, "--topspeed", "--allow-trading", "--json")
        steps, _ = objects(result)
        assert [step["status"] for step in steps] == ["different", "left out", "different"]
        assert "of an order that was not placed" in steps[1]["reason"]
        assert [seen.message.c2s.orderID for seen in gateway.seen if seen.name == "Trd_ModifyOrder"] == [99]


HEADER = {"trdEnv": 0, "accID": "5", "trdMarket": 1}


def orders() -> list[Any]:
    """Place an order, change it, and change another one that was there before."""
    place = Trd_PlaceOrder.Request()
    place.c2s.packetID.connID, place.c2s.packetID.serialNo = 7262309301, 3
    place.c2s.header.trdEnv, place.c2s.header.accID, place.c2s.header.trdMarket = 0, 5, 1
    place.c2s.trdSide, place.c2s.orderType, place.c2s.code, place.c2s.qty = 1, 1, "00700", 100
    said = Trd_PlaceOrder.Response(retType=0, retMsg="", errCode=0)
    said.s2c.header.CopyFrom(place.c2s.header)
    said.s2c.orderID, said.s2c.orderIDEx = 41, "captured_41"

    def change(order_id: int, name: str) -> Trd_ModifyOrder.Request:
        made = Trd_ModifyOrder.Request()
        made.c2s.packetID.CopyFrom(place.c2s.packetID)
        made.c2s.header.CopyFrom(place.c2s.header)
        made.c2s.orderID, made.c2s.modifyOrderOp = order_id, 4
        if name:
            made.c2s.orderIDEx = name
        return made

    changed = Trd_ModifyOrder.Response(retType=0, retMsg="", errCode=0)
    changed.s2c.header.CopyFrom(place.c2s.header)
    changed.s2c.orderID = 41
    changed.s2c.orderIDEx = "captured_41"
    return [
        *session()[:2],
        asked(2202, 3, place),
        answered(2202, 3, said),
        asked(2205, 4, change(41, "captured_41")),
        answered(2205, 4, changed),
        asked(2205, 5, change(99, "")),
        answered(2205, 5, changed),
    ]


# What goes wrong


def test_captures_that_hold_nothing_to_send(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(b"")
    nothing = tmp_path / "nothing.pcap"
    nothing.write_bytes(pcap([]))
    for path, said in [
        (empty, "empty: neither a capture nor OpenD frames"),
        (nothing, "no request that could be sent again"),
        (tmp_path / "none.pcap", "No such file or directory"),
    ]:
        result = replay(path, None)
        assert result.exit_code == 1
        assert result.stderr == f"Error: {path}: {said}\n"


def test_an_encrypted_capture_needs_its_key() -> None:
    result = replay(CAPTURES / "futu-api-10.11-aes_cbc.pcapng", None)
    assert result.exit_code == 1
    assert "no request that could be sent again" in result.stderr
    assert "--key" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_capture_with_another_key_than_the_gateways() -> None:
    with serving(key=RsaKey.from_pem((KEYS / "TEST-ONLY-2048.pem").read_bytes())) as gateway:
        words = ("--topspeed", "--key", KEYS / "TEST-ONLY-2048.pem", "--capture-key", KEY)
        assert replay(CAPTURES / "futu-api-10.11-aes_cbc.pcapng", gateway, *words).exit_code == 0
    with serving() as gateway:
        assert (
            replay(CAPTURES / "futu-api-10.11-aes_cbc.pcapng", gateway, "--topspeed", "--capture-key", KEY).exit_code
            == 0
        )


def test_a_capture_that_is_cut_is_played_as_far_as_it_goes(tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(PLAIN.read_bytes()[:-20])
    with serving() as gateway:
        result = replay(cut, gateway, "--topspeed")
    assert result.exit_code == 3
    assert "ftwire: not read: " in result.stderr


def test_nobody_listens() -> None:
    with serving() as gateway:
        pass
    result = replay(PLAIN, gateway)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: no connection to 127.0.0.1:{gateway.port}: refused, nobody listens there\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tolerance", "x"], "'x' is no tolerance"),
        (["--ignore", ""], "an empty path names nothing"),
        (["--connections", "0"], "--connections"),
        (["--to", "nowhere:0"], "port 0 is no address to connect to"),
    ],
)
def test_wrong_usage(words: list[str], said: str) -> None:
    result = replay(PLAIN, None, *words)
    assert result.exit_code == 2
    assert said in result.stderr
