"""The live page beside a proxy and a gateway that run: what it shows, sends again and switches."""

from __future__ import annotations

import errno
import gzip
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import ftwire
from fixtures.make_keys import TEST_KEY
from ftwire.cipher import RsaKey
from ftwire.frame import Role
from ftwire.pcap import Direction
from ftwire_tools.captures.capture_writer import CaptureFiles
from ftwire_tools.captures.spool import Spool
from ftwire_tools.captures.traffic import Opened, Received
from ftwire_tools.client import BlockingClient
from ftwire_tools.commands import ftwire as cli
from ftwire_tools.recording.recorder import Recorder
from support.captures import CLIENT, SERVER, START, session
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
        rsa = RsaKey.from_pem(TEST_KEY.read_bytes())
        with viewing(tmp_path, "--allow-trading", *record) as view:
            use(view.listens_on[0], rsa)
            wait(view, 8)
            status, answer = send_again(view, 1002)
            assert (status, answer["proto"], answer["ret_type"]) == (200, "GetGlobalState", 0)
            wait(view, 12)
            assert rows(view)[-1][:2] == (1002, answer["serial"])
            about = get(view, "overview")["about"]
            assert (about["sends"], about["steers"]) == (True, False)
            assert post(view, "call", {"verb": "reset"}) == (422, {"error": "there is nothing to steer here"})
            assert order_through(view.listens_on[0], rsa) == 0
            wait_for(view, 2202)
            status, answer = send_again(view, 2202)
            assert (status, answer["proto"], answer["ret_type"]) == (200, "Trd_PlaceOrder", 0)
        assert len(list(ftwire.read(capture, keys=[TEST_KEY.read_bytes()]))) >= 12


def test_a_connection_that_is_lost_is_made_anew(serving: Viewing) -> None:
    use(serving.listens_on[0])
    wait_for(serving, 1002)
    assert send_again(serving, 1002)[0] == 200
    before = {row[2] for row in rows(serving)}
    assert post(serving, "call", {"verb": "connections.close", "arguments": {}})[0] == 200
    # It may take a moment to be noticed.
    assert any(send_again(serving, 1002)[0] == 200 for _ in range(20))
    for _ in serving.events():
        if max(row[2] for row in rows(serving)) > max(before):
            break


def test_a_reply_that_does_not_come_is_said(serving: Viewing) -> None:
    use(serving.listens_on[0])
    wait_for(serving, 1002)
    post(serving, "call", {"verb": "faults.add", "arguments": {"rule": "close:proto=GetGlobalState"}})
    try:
        status, answer = send_again(serving, 1002)
    finally:
        post(serving, "call", {"verb": "reset", "arguments": {}})
    assert status == 422
    assert answer["error"].startswith("GetGlobalState: ")


def test_a_recording_goes_on_where_the_page_can_keep_no_more(tmp_path: Path) -> None:
    class Full(Spool):
        def append(self, data: bytes) -> None:
            assert data
            self.end(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    said: list[str] = []
    path, spool = tmp_path / "session.pcapng", Full()
    recorder = Recorder(CaptureFiles(str(path)), said.append, lambda: None, spool=spool)
    recorder.start(START)
    recorder.take(Opened(1, START, CLIENT, SERVER))
    for each in session():
        direction = Direction.A_TO_B if each.sender is Role.CLIENT else Direction.B_TO_A
        recorder.take(Received(1, START, direction, each.data))
    recorder.close()
    assert said == [f"cannot keep what passes for the page, which ends here: {os.strerror(errno.ENOSPC)}"]
    assert (spool.has_ended, spool.error is not None) == (True, True)
    assert len(list(ftwire.read(path))) == 5


def order_through(port: int, key: RsaKey | None = None) -> int:
    """Place an order; return its ``retType``."""
    with BlockingClient("127.0.0.1", port, key=key) as client:
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


def test_verbs_are_listed_and_called_and_what_is_active_is_shown(serving: Viewing) -> None:
    description = get(serving, "verbs")
    assert "/v1/faults/add" in description["paths"]
    assert "delay" in description["faults"]
    status, answer = post(serving, "call", {"verb": "faults.add", "arguments": {"rule": "refuse:proto=Qot_Sub"}})
    active = {str(answer["result"]): "refuse:proto=Qot_Sub"}
    assert (status, answer["state"]["faults"], get(serving, "state")["faults"]) == (200, active, active)
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
        (["--record", "--to", "1", "-w", "x", "--allow-trading"], "before --record it is about requests that the page"),
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


def test_the_tab_key_completes_options_behind_it() -> None:
    env = {"_FTWIRE_COMPLETE": "bash_complete", "COMP_WORDS": "ftwire view --record --rotate-", "COMP_CWORD": "3"}
    done = CliRunner().invoke(cli, [], prog_name="ftwire", env=env)
    assert done.output.split() == ["plain,--rotate-size", "plain,--rotate-time"]
