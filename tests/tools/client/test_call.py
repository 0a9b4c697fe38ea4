"""``ftwire call`` as its users run it, against a gateway that plays a scenario."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fixtures.scenario import ScenarioAnswer
from ftwire.cipher import RsaKey
from ftwire.connection import SECOND, Connection
from ftwire.events import RequestReceived
from ftwire.frame import Role, encode_frame
from ftwire_tools.commands import ftwire
from ftwire_tools.messages.trading import TRADING
from support.captures import Said, pcap, session
from support.command import FTWIRE
from support.places import ROOT
from support.recording import serving as tcp_serving
from support.scripted_gateway import ScriptedGateway, serving

KEYS = ROOT / "fixtures" / "keys"
KEY = KEYS / "TEST-ONLY-1024.pem"
COMMAND = [*FTWIRE, "call"]
RT = '{"security": "HK.00700"}'


def call(*words: object, to: ScriptedGateway | None = None, stdin: str | None = None) -> Result:
    place = ["--to", f"127.0.0.1:{to.port}", "--timeout", "10"] if to is not None else []
    return CliRunner().invoke(ftwire, ["call", *place, *map(str, words)], input=stdin)


def body_of(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# Replies


def test_a_reply_is_its_body_as_json() -> None:
    with serving() as gateway:
        result = call("Qot_GetRT", RT, to=gateway)
        assert body_of(result)["s2c"]["rtList"][2]["minute"] == 853
        assert result.stdout.startswith("{\n  ")
        assert result.stderr == ""
        assert gateway.names() == ["InitConnect", "Qot_GetRT"]


@pytest.mark.parametrize("name", ["Qot_GetRT", "3008", "qot_getrt"])
def test_protocols_by_name_and_id(name: str) -> None:
    with serving() as gateway:
        assert body_of(call(name, RT, to=gateway))["retType"] == 0


def test_json_is_one_line_with_the_facts_of_the_frame() -> None:
    with serving() as gateway:
        result = call("Qot_GetRT", RT, "--json", to=gateway)
        found = body_of(result)
        assert result.stdout.count("\n") == 1
        assert list(found) == ["time", "kind", "proto_id", "proto", "serial", "latency_ns", "body"]
        assert (found["kind"], found["proto_id"], found["proto"]) == ("response", 3008, "Qot_GetRT")
        assert int(found["latency_ns"]) > 0
        assert found["body"]["s2c"]["rtList"][0]["volume"] == "255100"


def test_a_table_has_the_columns_that_users_know() -> None:
    with serving() as gateway:
        lines = call("Qot_GetRT", RT, "--table", to=gateway).stdout.splitlines()
        columns = "code name time is_blank opened_mins cur_price last_close avg_price volume turnover"
        assert lines[0].split() == columns.split()
        assert lines[1].split()[:2] == ["HK.00700", "TENCENT"]
        assert len(lines) == 4
        rows = [json.loads(line) for line in call("Qot_GetRT", RT, "--table", "--json", to=gateway).stdout.splitlines()]
        assert [row["opened_mins"] for row in rows] == [570, 571, 853]


def test_a_reply_without_a_list_is_shown_all_the_same() -> None:
    with serving() as gateway:
        assert body_of(call("GetGlobalState", '{"userID": 0}', "--table", to=gateway))["s2c"]["serverVer"] == 1011


def test_subscribe_asks_for_what_the_request_needs() -> None:
    with serving() as gateway:
        for name, body, needed in [
            ("Qot_GetRT", RT, 5),
            ("Qot_GetOrderBook", '{"security": "HK.00700", "num": 10}', 2),
            ("Qot_GetTicker", '{"security": "HK.00700", "maxRetNum": 10}', 4),
            ("Qot_GetBasicQot", '{"securityList": ["HK.00700"]}', 1),
            ("Qot_GetKL", '{"security": "HK.00700", "klType": "Day", "rehabType": 1, "reqNum": 10}', 6),
        ]:
            gateway.seen.clear()
            assert call(name, body, "--subscribe", to=gateway).exit_code == 0
            assert gateway.names() == ["InitConnect", "Qot_Sub", name]
            c2s = gateway.seen[1].message.c2s
            assert (c2s.securityList[0].code, list(c2s.subTypeList)) == ("00700", [needed])
            assert (c2s.isSubOrUnSub, c2s.isRegOrUnRegPush) == (True, False)


def test_the_request_from_a_file_and_from_standard_input(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_text(RT)
    with serving() as gateway:
        assert body_of(call("Qot_GetRT", f"@{path}", to=gateway))["retType"] == 0
        assert body_of(call("Qot_GetRT", "-", to=gateway, stdin=RT))["retType"] == 0


@pytest.mark.parametrize("body_format", ["json", "protobuf"])
def test_encrypted_in_either_format(body_format: str) -> None:
    with serving(key=RsaKey.from_pem(KEY.read_bytes())) as gateway:
        result = call("Qot_GetRT", RT, "--key", KEY, "--format", body_format, to=gateway)
        assert body_of(result)["s2c"]["security"]["code"] == "00700"


def test_secrets_are_masked_unless_asked_for() -> None:
    with serving() as gateway:
        accounts = body_of(call("Trd_GetAccList", '{"userID": 0}', to=gateway))["s2c"]["accList"]
        assert accounts[0]["accID"] == accounts[0]["cardNum"] == "***"
        shown = body_of(call("Trd_GetAccList", '{"userID": 0}', "--show-secrets", to=gateway))["s2c"]["accList"]
        assert shown[0]["accID"] == "281756455982434020"


# Pushes


@pytest.mark.parametrize("what", ["HK.00700", RT, '{"securityList": ["HK.00700"]}'])
def test_watch_subscribes_and_streams(what: str) -> None:
    with serving() as gateway:
        result = call("--watch", "Qot_UpdateRT", what, "--count", 3, "--json", to=gateway)
        found = [json.loads(line) for line in result.stdout.splitlines()]
        assert result.exit_code == 0
        assert [(each["kind"], each["proto"]) for each in found] == [("push", "Qot_UpdateRT")] * 3
        assert [each["body"]["s2c"]["rtList"][0]["minute"] for each in found] == [854, 855, 856]
        assert gateway.seen[1].message.c2s.isRegOrUnRegPush


def test_watched_candles_are_those_that_are_asked_for() -> None:
    with serving() as gateway:
        body = '{"security": "HK.00700", "klType": "1Min", "rehabType": 1, "reqNum": 10}'
        call(
            "Qot_GetKL",
            body,
            "--subscribe",
            "--watch",
            "Qot_UpdateKL",
            "--watch",
            "Qot_UpdateRT",
            "--count",
            1,
            to=gateway,
        )
        call("--watch", "Qot_UpdateKL", "HK.00700", "--count", 1, to=gateway)
        assert [list(seen.message.c2s.subTypeList) for seen in gateway.seen if seen.name == "Qot_Sub"] == [[11, 5], [6]]


def test_a_push_that_cannot_be_decoded_is_told_and_the_stream_goes_on() -> None:
    with serving(faults=["bad-body:proto=Qot_UpdateRT,n=2"]) as gateway:
        result = call("--watch", "Qot_UpdateRT", "HK.00700", "--count", 3, "--json", to=gateway)
    assert result.exit_code == 3
    assert len(result.stdout.splitlines()) == 2
    assert result.stderr.startswith("ftwire: not a Qot_UpdateRT.Response at offset 0")


def test_nothing_that_a_terminal_would_obey_is_printed() -> None:
    evil = ScenarioAnswer(ret_type=-1, ret_msg="\x1b[2J\x9b2J\u202e")
    with serving(answers={"Qot_GetRT": evil}) as gateway:
        result = call("Qot_GetRT", RT, to=gateway)
    assert result.exit_code == 1
    assert all(character.isprintable() or character == "\n" for character in result.stdout + result.stderr)
    assert json.loads(result.stdout)["retMsg"]


def test_standard_input_that_is_not_utf8() -> None:
    result = CliRunner().invoke(ftwire, ["call", "Qot_GetRT", "-"], input=b'{"security": "\xff"}')
    assert (result.exit_code, result.stderr) == (1, "Error: standard input: byte 14 is not UTF-8\n")


def test_watch_after_a_request_and_by_glob() -> None:
    with serving() as gateway:
        words = ("Qot_GetRT", RT, "--subscribe", "--watch", "Qot_Update[RT]*", "--count", 3, "--json")
        found = [json.loads(line) for line in call(*words, to=gateway).stdout.splitlines()]
        assert sorted(each["proto"] for each in found) == ["Qot_GetRT", *["Qot_UpdateRT"] * 3]
        assert sorted(gateway.seen[1].message.c2s.subTypeList) == [4, 5]  # those that start with R and with T


def test_a_watched_table_has_its_head_once() -> None:
    with serving() as gateway:
        lines = call("--watch", "Qot_UpdateRT", "HK.00700", "--count", 3, "--table", to=gateway).stdout.splitlines()
        assert len(lines) == 4
        assert [line.split()[0] for line in lines] == ["code", "HK.00700", "HK.00700", "HK.00700"]


def test_watch_says_on_standard_error_that_the_connection_was_lost_and_goes_on() -> None:
    with serving(keep_alive=1, faults=["close:proto=KeepAlive,n=1,client=1"]) as gateway:
        result = call("--watch", "Qot_UpdateRT", "HK.00700", "--count", 6, "--json", to=gateway)
        assert result.exit_code == 0
        assert len(result.stdout.splitlines()) == 6
        lost, restored = result.stderr.splitlines()
        assert lost.startswith("ftwire: the connection is lost: ")
        assert restored == "ftwire: connected again (attempt 1), 1 subscription requests repeated"


# List and describe


def test_list() -> None:
    result = call("--list", "Qot_Get*")
    assert result.exit_code == 0
    assert re.search(r"^ 3008  request  Qot_GetRT$", result.stdout, re.M)
    assert "Update" not in result.stdout
    listed = {line.split()[2] for line in call("--list").stdout.splitlines()}
    assert {"Qot_GetRT", "Qot_UpdateRT", "SkillWrap_TechnicalUnusual", "Trd_PlaceOrder"} <= listed
    warned = {int(line.split()[0]) for line in call("--list").stdout.splitlines() if "--allow-trading" in line}
    assert warned == set(TRADING) - {2209}
    facts = [json.loads(line) for line in call("--list", "Qot_UpdateRT", "--json").stdout.splitlines()]
    assert facts == [{"proto_id": 3009, "proto": "Qot_UpdateRT", "kind": "push", "retired": False}]


def test_describe() -> None:
    text = call("--describe", "Qot_GetRT").stdout
    assert "protocol 3008 Qot_GetRT, request, since SDK 3.6.3" in text
    assert re.search(r"required +Qot_Common.Security +security +=", text)
    assert re.search(r"^ +QotMarket_US_Security += 11$", text, re.M)
    template = json.loads(text[text.index("request template") :].partition("\n")[2])
    with serving() as gateway:
        assert call("Qot_GetRT", json.dumps(template), to=gateway).exit_code == 0
    facts = json.loads(call("--describe", "3008", "--json").stdout)
    assert facts["template"] == template
    assert facts["messages"]["Qot_GetRT.C2S"][0]["label"] == "required"


# What goes wrong


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Missing argument 'PROTO'"),
        (["Qot_GetTR", RT], "Did you mean Qot_GetRT"),
        (["99999", "{}"], "There is no protocol '99999'"),
        (["Qot_UpdateRT"], "Qot_UpdateRT is a push: ftwire call --watch Qot_UpdateRT"),
        (["Qot_GetRT", '{"security": }'], "Expecting value at line 1 column 14, near"),
        (["Qot_GetRT", '{"security":\n "HK.00700",}'], "line 2 column"),
        (["Qot_GetRT", "[1]"], "is no JSON object: [1]"),
        (["Qot_GetRT", "[" * 100_000], "is no JSON"),
        (["Qot_GetRT", '{"security": "00700"}'], "c2s.security: '00700' is no security"),
        (["Qot_GetRT", '{"securty": "HK.00700"}'], "did you mean security?"),
        (["Qot_GetRT"], "required fields are missing: c2s.security"),
        (["Qot_GetRT", RT, "--to", "nowhere:port"], "'nowhere:port' is not HOST:PORT"),
        (["Qot_GetRT", RT, "--to", "::1:11111"], "an IPv6 address needs brackets"),
        (["Qot_GetRT", RT, "--count", "3"], "--count counts pushes"),
        (["Qot_GetRT", RT, "--watch", "Qot_GetRT"], "Qot_GetRT is no push"),
        (["Qot_GetRT", RT, "--watch", "Qot_Get*"], "No push is called 'Qot_Get*'"),
        (["--watch", "Trd_UpdateOrder", "HK.00700"], "does not come by Qot_Sub"),
        (["GetGlobalState", '{"userID": 0}', "--subscribe"], "needs no subscription"),
        (["InitWebSocket"], "spoken on WebSocket only"),
        (["--list", "Nothing*"], "No protocol is called"),
    ],
)
def test_wrong_usage_is_said_in_one_line(words: list[str], said: str) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("proto_id", sorted(set(TRADING) - {2209}))
def test_what_trades_is_not_sent(proto_id: int) -> None:
    template = json.loads(call("--describe", proto_id, "--json").stdout)["template"]
    with serving() as gateway:
        result = call(proto_id, json.dumps(template), to=gateway)
        assert result.exit_code == 2
        assert f"Not sent. {TRADING[proto_id]}. --allow-trading" in result.stderr
        assert gateway.seen == []
        call(proto_id, json.dumps(template), "--allow-trading", to=gateway)
        assert len(gateway.names()) == 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("close", "Error: the connection is lost: "),
        ("cut", "Error: the connection is lost: "),
        ("garbage", 'Error: the connection is lost: a frame starts with "FT"'),
        ("bad-sha1", "cannot be read: SHA-1 of the body is"),
        ("bad-body", "not a Qot_GetRT.Response"),
        ("bad-format", "unknown"),
        ("drop", "Error: no reply to Qot_GetRT within 1.5 s"),
    ],
)
def test_what_the_gateway_does_wrong_is_said_in_one_line(fault: str, said: str) -> None:
    with serving(faults=[f"{fault}:proto=Qot_GetRT,n=1,client=1"]) as gateway:
        result = call("Qot_GetRT", RT, *(["--timeout", "1.5"] if fault == "drop" else []), to=gateway)
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_a_reply_that_says_no_is_shown_and_fails() -> None:
    with serving(faults=["refuse:proto=Qot_GetRT,n=1,client=1"]) as gateway:
        result = call("Qot_GetRT", RT, to=gateway)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["retMsg"] == "the gateway refuses this request"
    assert result.stderr == "ftwire: Qot_GetRT failed: retType -1 (RetType_Failed) the gateway refuses this request\n"


def test_nobody_listens() -> None:
    with serving() as gateway:
        pass
    result = call("Qot_GetRT", RT, to=gateway)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: no connection to 127.0.0.1:{gateway.port}: refused, nobody listens there\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_a_request_in_a_file_of_an_editor_or_of_powershell(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_bytes(RT.encode(encoding))
    with serving() as gateway:
        assert call("Qot_GetRT", f"@{path}", to=gateway).stdout == call("Qot_GetRT", RT, to=gateway).stdout


def test_wrong_and_missing_keys_are_hinted_at(tmp_path: Path) -> None:
    with serving(key=RsaKey.from_pem(KEY.read_bytes())) as gateway:
        missing = call("Qot_GetRT", RT, to=gateway)
        other = call("Qot_GetRT", RT, "--key", KEYS / "TEST-ONLY-other-1024.pem", to=gateway)
    for result, hint in [(missing, "may need an RSA key"), (other, "may hold another RSA key, or none")]:
        assert result.exit_code == 1
        assert hint in result.stderr
        assert result.stderr.endswith("--key names its PEM file\n")
    nonsense = tmp_path / "key.pem"
    nonsense.write_text("secret nonsense")
    result = call("Qot_GetRT", RT, "--key", nonsense)
    assert (result.exit_code, result.stderr) == (
        1,
        f"Error: {nonsense}: not an RSA private key in PEM (PKCS#1 or PKCS#8)\n",
    )
    assert call("Qot_GetRT", RT, "--key", tmp_path / "none.pem").exit_code == 1
    assert call("Qot_GetRT", f"@{tmp_path}/none.json").exit_code == 1


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.2p1\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_another_server_is_no_gateway_that_needs_a_key(greeting: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def greet() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(greeting)
                client.recv(4096)

        thread = threading.Thread(target=greet)
        thread.start()
        result = CliRunner().invoke(ftwire, ["call", "Qot_GetRT", RT, "--to", f"127.0.0.1:{port}"])
        thread.join()
    assert result.exit_code == 1
    assert f"no port on which OpenD speaks TCP: ftwire doctor 127.0.0.1:{port} tells more" in result.stderr
    assert "key" not in result.stderr


# As a process


def test_ctrl_c_ends_a_watch_quietly() -> None:
    with serving() as gateway:
        command = [*COMMAND, "--watch", "Qot_UpdateRT", "HK.00700", "--json", "--to", f":{gateway.port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            for _ in range(3):
                assert json.loads(process.stdout.readline())["kind"] == "push"
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130
            assert process.stdout.read() == process.stderr.read() == ""


def test_ctrl_c_while_the_gateway_says_nothing() -> None:
    with serving(faults=["drop:proto=InitConnect,n=1,client=1"]) as gateway:
        command = [*COMMAND, "Qot_GetRT", RT, "--to", f":{gateway.port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            waited = threading.Event()
            while not gateway.seen:
                waited.wait(0.02)
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130
            assert process.stderr.read() == ""


def test_a_closed_pipe_ends_a_watch_quietly() -> None:
    read, write = os.pipe()
    with serving() as gateway:
        command = [*COMMAND, "--watch", "Qot_UpdateRT", "HK.00700", "--to", f":{gateway.port}"]
        with subprocess.Popen(command, stdout=write, stderr=subprocess.PIPE, text=True) as process:
            os.close(write)
            os.close(read)
            assert process.stderr is not None
            assert process.wait(10) == 141
            assert process.stderr.read() == ""


def test_an_account_in_a_reply_that_cannot_be_read_is_not_quoted() -> None:
    account = "281756455982434020x"
    body = json.dumps({"retType": 0, "s2c": {"accList": [{"trdEnv": 1, "accID": account}]}}).encode()

    def answer(client: socket.socket) -> None:
        connection = Connection(Role.SERVER)
        while data := client.recv(65536):
            for event in connection.receive_data(data, 0):
                assert isinstance(event, RequestReceived)
                frame = event.frame
                if frame.proto_id == 1001:
                    connection.accept(
                        frame, conn_id=1, aes_key="0123456789ABCDEF", aes_iv="FEDCBA9876543210", keep_alive=10 * SECOND
                    )
                    client.sendall(connection.data_to_send())
                else:
                    client.sendall(encode_frame(frame.proto_id, frame.serial, body, body_format=1))

    words = ("Trd_GetAccList", '{"userID": 0}', "--format", "json")
    with tcp_serving(answer) as port:
        for option in ([], ["--json"], ["--table"]):
            result = call(*words, *option, "--to", f"127.0.0.1:{port}")
            assert result.exit_code == 1, result.output
            assert "not a Trd_GetAccList.Response" in result.stderr
            assert account not in result.output
        assert account in call(*words, "--show-secrets", "--to", f"127.0.0.1:{port}").stderr


def test_nor_is_one_in_a_capture_that_is_replayed(tmp_path: Path) -> None:
    account = "281756455982434020x"
    body = json.dumps({"c2s": {"userID": account}}).encode()
    unreadable = Said(Role.CLIENT, encode_frame(2001, 9, body, body_format=1))
    path = tmp_path / "session.pcap"
    path.write_bytes(pcap([*session(), unreadable]))
    with serving() as gateway:
        words = ("replay", str(path), "--to", f"127.0.0.1:{gateway.port}", "--topspeed")
        for option in ([], ["--json"]):
            result = CliRunner().invoke(ftwire, [*words, *option])
            assert "request 2001 #9: not a Trd_GetAccList.Request" in result.stderr
            assert account not in result.output
