"""``ftwire serve`` as a user starts it."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fixtures.make_keys import TEST_KEY
from ftwire.cipher import RsaKey
from ftwire_tools.commands.serve import command
from support.command import read_until, started
from support.gateways import CAPTURES, PlainClient

PLAIN = str(CAPTURES / "futu-api-10.11-plain.pcap")


@contextmanager
def served(*arguments: str, stdin: Path | None = None) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """The running command, and the facts of the event that says it listens."""
    source = stdin.open("rb") if stdin else subprocess.DEVNULL
    with started("serve", "--port", "0", "--log-json", *arguments, stdin=source) as process:
        _, listening = read_until(process, '.*"event": ?"listening".*')
        yield process, json.loads(listening[0])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_it_serves_and_closes_cleanly(number: signal.Signals, code: int) -> None:
    with served(PLAIN, "--match", "security", "--topspeed") as (process, event):
        assert event["host"] == "127.0.0.1"
        with PlainClient(event["port"]) as client:
            client.subscribe("HK.00700")
            assert client.ask("Qot_GetRT", security={"market": 1, "code": "00700"}).retType == 0
            client.wait_for_pushes(2)
            process.send_signal(number)
            client.wait_for_end()
            client.connection.close()
        _, rest = process.communicate(timeout=10)
        assert process.returncode == code
        events = [json.loads(line) for line in rest.splitlines()]
        requests = [one for one in events if one["event"] == "request"]
        others = [one["event"] for one in events if one["event"] != "request"]
        assert others == ["accepted", "connected", "closing", "disconnected", "closed"]
        assert [(one["proto"], one["ret_type"]) for one in requests] == [
            ("InitConnect", 0),
            ("Qot_Sub", 0),
            ("Qot_GetRT", 0),
        ]
        assert all(one["time"].endswith("+00:00") for one in events)


def test_a_capture_from_standard_input_under_a_key() -> None:
    with (
        served("-", "--key", str(TEST_KEY), stdin=CAPTURES / "futu-api-10.11-aes_cbc.pcapng") as (_, event),
        PlainClient(event["port"], key=RsaKey.from_pem(TEST_KEY.read_bytes())) as client,
    ):
        assert client.connection.encryption == "aes_cbc"
        assert client.subscribe("HK.00700").retType == 0


def test_a_key_too_large_for_the_sdks_is_reported() -> None:
    key = TEST_KEY.with_name("TEST-ONLY-2048.pem")
    with served("--synthetic", "--key", str(key)) as (process, event):
        assert process.stderr is not None
        told = json.loads(process.stderr.readline())
    assert (event["encryption"], told["event"], told["bits"]) == ("rsa", "large-key", 2048)


def test_synthetic_with_websocket() -> None:
    with served("--synthetic", "--ws-port", "0", "--seed", "7") as (_, event):
        assert event["ws_port"] != event["port"]


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ([], 2, "give captures, or --synthetic"),
        ([PLAIN, "--synthetic", "--on-miss", "empty"], 2, "not both"),
        (["no-such.pcap"], 1, "no-such.pcap: No such file or directory"),
        ([str(TEST_KEY)], 1, "not a capture"),
        ([str(CAPTURES / "futu-api-10.11-aes_cbc.pcapng")], 1, "give the key that they were captured under"),
        (["--synthetic", "--host", "0.0.0.0"], 2, "OpenD demands an RSA key"),  # noqa: S104
        (["--synthetic", "--key", PLAIN], 1, "not an RSA private key in PEM"),
        (["--synthetic", "--key", "no-such.pem"], 1, "no-such.pem: No such file"),
        (["--synthetic", "--fault", "dorp"], 2, "no fault 'dorp'"),
        (["--synthetic", "--tls-key", "x"], 2, "--tls-key needs --tls-cert"),
        (["--synthetic", "--tls-cert", PLAIN, "--ws-port", "0"], 1, PLAIN),
        ([PLAIN, "--on-miss", "forward"], 2, "need each other"),
        ([PLAIN, "--on-miss", "forward", "--forward", "here:x"], 2, "'here:x' is not HOST:PORT"),
        (["--synthetic", "--speed", "0"], 2, "--speed"),
        (["--synthetic", "--fills", "some"], 2, "'some' is no fill model: take book, instant, half"),
        (["--synthetic", "--fills", "book:share=2"], 2, "share is above 0 and at most 1"),
        ([PLAIN, "--fills", "half"], 2, "--fills is for --synthetic"),
        ([PLAIN, "--trade-password", "secret"], 2, "--trade-password is for --synthetic"),
        (["--synthetic", "--host", "192.0.2.1", "--key", str(TEST_KEY)], 1, "cannot listen on 192.0.2.1"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(arguments: list[str], code: int, reason: str) -> None:
    result = CliRunner().invoke(command, arguments)
    assert (result.exit_code, reason in result.output) == (code, True), result.output
    assert "Traceback" not in result.output


def test_help_has_examples_and_faults_can_be_listed() -> None:
    shown = CliRunner().invoke(command, ["--help"])
    assert "ftwire serve --synthetic --ws-port 33333" in shown.output
    listed = CliRunner().invoke(command, ["--list-faults"])
    assert listed.exit_code == 0
    assert "bad-sha1" in listed.output


def test_a_ws_key_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("secret\n")
    with served("--synthetic", "--ws-port", "0", "--ws-key-file", str(path)):
        pass
    missing = CliRunner().invoke(command, ["--synthetic", "--ws-key-file", str(tmp_path / "none")])
    assert missing.exit_code == 1
