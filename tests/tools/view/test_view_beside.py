"""The live page beside a proxy and a gateway that run: what it shows, sends again and switches."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import ftwire
from fixtures.make_keys import TEST_KEY
from ftwire.cipher import RsaKey
from ftwire_tools.client import BlockingClient
from ftwire_tools.commands import ftwire as cli
from support.viewing import Viewing, viewing

SERVE = ("--serve", "--synthetic", "--port", "0", "--hours", "always")
SUBSCRIPTION = {
    "securityList": ["HK.00700"],
    "subTypeList": ["Basic"],
    "isSubOrUnSub": True,
    "isRegOrUnRegPush": False,
}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewing]:
    with viewing(tmp_path_factory.mktemp("serving"), *SERVE) as found:
        yield found


def use(port: int, key: RsaKey | None = None) -> None:
    """A client that logs in, asks for the state, subscribes, and asks for a quote: eight frames."""
    with BlockingClient("127.0.0.1", port, key=key) as client:
        client.request("GetGlobalState", {"userID": 0})
        client.request("Qot_Sub", SUBSCRIPTION)
        client.request("Qot_GetBasicQot", {"securityList": ["HK.00700"]})


def wait(view: Viewing, frames: int) -> dict[str, Any]:
    """Return the first event with at least so many frames."""
    return next(event for event in view.events() if event["rows"] >= frames)


def get(view: Viewing, name: str) -> dict[str, Any]:
    headers, status, content = view.request("GET", f"{view.token}/{name}")
    assert status == 200, content
    found: dict[str, Any] = json.loads(gzip.decompress(content) if headers["Content-Encoding"] == "gzip" else content)
    return found


def rows(view: Viewing) -> list[tuple[int, int, int]]:
    """Return the protocol, the serial and the conversation of each frame."""
    run = next(view.events())["run"]
    _, _, content = view.request("GET", f"{view.token}/table?run={run}&first=0")
    plain = gzip.decompress(content)
    (length,) = struct.unpack_from("<Q", plain)
    at, columns = 8 + length, {}
    for name, code, count in json.loads(plain[8:at])["columns"]["columns"]:
        columns[name] = struct.unpack_from(f"<{count}{code}", plain, at)
        at += struct.calcsize(f"<{count}{code}")
    return list(zip(columns["proto_id"], columns["serial"], columns["conversation"], strict=True))


def post(view: Viewing, name: str, content: object) -> tuple[int, dict[str, Any]]:
    status, found = view.post(name, content)
    answer: dict[str, Any] = json.loads(found)
    return status, answer


def send_again(view: Viewing, proto_id: int) -> tuple[int, dict[str, Any]]:
    """Have the first request of a protocol sent again."""
    number = [row[0] for row in rows(view)].index(proto_id) + 1
    return post(view, "send", {"frame": number})


def test_what_a_gateway_and_its_clients_send_is_shown_and_sent_again(tmp_path: Path) -> None:
    with viewing(tmp_path, *SERVE) as view:
        (port,) = view.listens_on
        use(port)
        wait(view, 8)
        assert get(view, "overview")["about"] | {"hidden": 0} == {
            "title": f"gateway on 127.0.0.1:{port}",
            "inputs": [f"gateway on 127.0.0.1:{port}"],
            "filter": "",
            "secrets": False,
            "hidden": 0,
            "sends": True,
            "steers": True,
        }
        assert [row[0] for row in rows(view)] == [1001, 1001, 1002, 1002, 3001, 3001, 3004, 3004]

        status, answer = send_again(view, 3004)
        assert (status, answer["proto"], answer["ret_type"]) == (200, "Qot_GetBasicQot", -1)  # nothing is subscribed
        assert send_again(view, 3001)[1]["ret_type"] == 0
        status, answer = send_again(view, 3004)
        assert (status, answer["ret_type"]) == (200, 0)
        wait(view, 16)
        sent = rows(view)[8:]
        # A conversation of its own, which goes on, with the request and the reply.
        assert [row[0] for row in sent] == [1001, 1001, 3004, 3004, 3001, 3001, 3004, 3004]
        assert {row[2] for row in sent} == {2}
        assert sent[-1][:2] == (answer["proto_id"], answer["serial"])
        status, content = view.post("save", {"frames": [[13, 16]]})
        (_, subscribed, _, quote) = list(ftwire.read(content))
        assert subscribed.message is not None
        assert quote.message.s2c.basicQotList[0].security.code == "00700"  # type: ignore[union-attr]


def test_what_passes_a_proxy_is_shown_and_sent_again(tmp_path: Path) -> None:
    capture = tmp_path / "session.pcapng"
    key = ("--key", TEST_KEY)
    with viewing(tmp_path, *SERVE, *key) as behind:
        record = ("--record", "--listen", "0", "--to", f"127.0.0.1:{behind.listens_on[0]}", "-w", capture, *key)
        with viewing(tmp_path, *record) as view:
            use(view.listens_on[0], RsaKey.from_pem(TEST_KEY.read_bytes()))
            wait(view, 8)
            status, answer = send_again(view, 1002)
            assert (status, answer["proto"], answer["ret_type"]) == (200, "GetGlobalState", 0)
            wait(view, 12)
            assert rows(view)[-1][:2] == (1002, answer["serial"])
            about = get(view, "overview")["about"]
            assert (about["sends"], about["steers"]) == (True, False)
            assert post(view, "call", {"verb": "reset"}) == (422, {"error": "there is nothing to steer here"})
        assert len(list(ftwire.read(capture, keys=[TEST_KEY.read_bytes()]))) >= 12


def order_through(port: int) -> int:
    """Place an order; return its ``retType``."""
    with BlockingClient("127.0.0.1", port) as client:
        header = {"trdEnv": 0, "accID": 1_001_001, "trdMarket": 1}
        order = {
            "header": header,
            "trdSide": 1,
            "orderType": 1,
            "code": "00700",
            "qty": 100,
            "price": 300,
            "secMarket": 1,
        }
        found: int = client.exchange("Trd_PlaceOrder", order).frame.message.retType  # type: ignore[union-attr]
        return found


def wait_for(view: Viewing, proto_id: int) -> None:
    """Return when a request and a reply of a protocol are there."""
    for _ in view.events():
        if [row[0] for row in rows(view)].count(proto_id) >= 2:
            return


def test_a_request_that_trades_is_not_sent_again(serving: Viewing) -> None:
    assert order_through(serving.listens_on[0]) == 0
    wait_for(serving, 2202)
    status, answer = send_again(serving, 2202)
    assert status == 422
    assert answer["error"] == "it may trade: Trd_PlaceOrder: places an order (--allow-trading)"


def test_a_request_that_trades_is_sent_again_where_that_is_allowed(tmp_path: Path) -> None:
    with viewing(tmp_path, "--allow-trading", *SERVE) as view:
        assert order_through(view.listens_on[0]) == 0
        wait_for(view, 2202)
        status, answer = send_again(view, 2202)
        assert (status, answer["proto"], answer["ret_type"]) == (200, "Trd_PlaceOrder", 0)


def test_verbs_are_listed_and_called_and_what_is_active_is_shown(serving: Viewing) -> None:
    description = get(serving, "verbs")
    assert "/v1/faults/add" in description["paths"]
    assert "delay" in description["faults"]
    status, answer = post(serving, "call", {"verb": "faults.add", "arguments": {"rule": "refuse:proto=Qot_Sub"}})
    assert (status, answer["result"], answer["state"]["faults"]) == (200, 1, {"1": "refuse:proto=Qot_Sub"})
    assert get(serving, "state")["faults"] == {"1": "refuse:proto=Qot_Sub"}
    with BlockingClient("127.0.0.1", serving.listens_on[0]) as client:
        assert client.exchange("Qot_Sub", SUBSCRIPTION).frame.message.retType == -1  # type: ignore[union-attr]
        status, answer = post(serving, "call", {"verb": "reset", "arguments": {}})
        assert (status, answer["state"]["faults"]) == (200, {})
        assert client.exchange("Qot_Sub", SUBSCRIPTION).frame.message.retType == 0  # type: ignore[union-attr]


def test_faults_of_a_proxy_are_switched(serving: Viewing, tmp_path: Path) -> None:
    to = f"127.0.0.1:{serving.listens_on[0]}"
    words = ("--record", "--listen", "0", "--to", to, "-w", tmp_path / "w.pcapng", "--fault", "refuse:proto=Qot_Sub")
    with viewing(tmp_path, *words) as view, BlockingClient("127.0.0.1", view.listens_on[0]) as client:
        assert client.exchange("Qot_Sub", SUBSCRIPTION).frame.message.retType == -1  # type: ignore[union-attr]
        assert get(view, "state")["faults"] == {"1": "refuse:proto=Qot_Sub"}
        status, answer = post(view, "call", {"verb": "faults.remove", "arguments": {"number": 1}})
        assert (status, answer["state"]["faults"]) == (200, {})
        assert client.exchange("Qot_Sub", SUBSCRIPTION).frame.message.retType == 0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "body", "status", "reason"),
    [
        ("send", {}, 422, 'the body is {"frame": NUMBER}'),
        ("send", {"frame": True}, 422, 'the body is {"frame": NUMBER}'),
        ("send", {"frame": "../../etc/passwd"}, 422, 'the body is {"frame": NUMBER}'),
        ("send", [1], 400, "the body is a JSON object"),
        ("send", {"frame": 10**9}, 422, "frame 1000000000 is no request that is still here"),
        ("call", {}, 422, 'the body is {"verb": PATH, "arguments": {...}}'),
        ("call", {"verb": "reset", "arguments": []}, 422, 'the body is {"verb": PATH, "arguments": {...}}'),
        ("call", {"verb": "__init__"}, 422, "there is no verb '__init__'"),
        ("call", {"verb": "faults.add", "arguments": {"rule": "x"}}, 422, "no fault 'x'"),
        ("call", {"verb": "faults.add"}, 422, "faults.add needs rule"),
    ],
)
def test_what_makes_no_sense_is_refused(serving: Viewing, name: str, body: object, status: int, reason: str) -> None:
    found, answer = post(serving, name, body)
    assert found == status
    assert answer["error"].startswith(reason)


@pytest.mark.parametrize("name", ["send", "call", "verbs", "state"])
def test_who_may_not_neither_sends_nor_switches(serving: Viewing, name: str) -> None:
    method, body = ("POST", b"{}") if name in {"send", "call"} else ("GET", None)
    kind = {"Content-Type": "application/json"}
    for token, headers, status in (
        ("wrong", kind, 401),
        (serving.token, {**kind, "Origin": "https://evil.example"}, 403),
        (serving.token, {**kind, "Host": "evil.example"}, 403),
    ):
        assert serving.request(method, f"{token}/{name}", body, headers)[1] == status
    if body is not None:
        assert serving.request("GET", f"{serving.token}/{name}")[1] == 405
        assert serving.request("POST", f"{serving.token}/{name}", body, {"Content-Type": "text/plain"})[1] == 415


def test_a_capture_has_nothing_to_send_to(tmp_path: Path) -> None:
    with viewing(
        tmp_path, "--no-follow", Path(ftwire.__file__).parents[2] / "fixtures/captures/futu-api-10.11-plain.pcap"
    ) as view:
        wait(view, 1)
        status, answer = post(view, "send", {"frame": 3})
        assert status == 422
        assert answer["error"] == "a capture has no gateway to send to: ftwire view --record, or --serve"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "give a CAPTURE, or --record, or --serve"),
        (["x.pcap", "--record", "--to", "1"], "CAPTURE, --no-follow and --key do not go with --record"),
        (["--no-follow", "--serve", "--synthetic"], "CAPTURE, --no-follow and --key do not go with --serve"),
        (["--allow-trading", "x.pcap"], "--allow-trading is for --record and --serve"),
        (["--record"], "Missing option '--to'"),
        (["--record", "--to", "1"], "Missing option '-w'"),
        (["--serve"], "give captures, or --synthetic, or both"),
        (["--serve", "--record"], "No such option '--record'"),
    ],
)
def test_wrong_usage_is_said(words: list[str], reason: str) -> None:
    done = CliRunner().invoke(cli, ["view", *words], env={"FTWIRE_TO": ""})
    assert (done.exit_code, reason in done.output) == (2, True), done.output


@pytest.mark.parametrize("option", ["--record", "--serve"])
def test_the_help_of_what_runs_beside_is_shown(option: str) -> None:
    done = CliRunner().invoke(cli, ["view", option, "--help"])
    assert done.exit_code == 0
    assert done.output.startswith(f"Usage: ftwire view {option} [OPTIONS]")
    assert "--control PORT" in done.output
