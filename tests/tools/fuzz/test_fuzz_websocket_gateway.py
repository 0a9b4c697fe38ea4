"""``ftwire fuzz gateway --ws``: the command, and a correct gateway; ``test_fuzz_gateway`` hunts planted bugs."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from ftwire.websocket import websocket_key_digest
from ftwire_tools.commands.fuzz import gateway as fuzz_gateway
from ftwire_tools.fuzz.campaign import Campaign
from ftwire_tools.fuzz.hostile_client import GatewayTarget
from ftwire_tools.fuzz.steps import FuzzSetup
from ftwire_tools.testing import gateway
from support.command import FTWIRE
from support.hunting import GATEWAY_CRASH, command_of, free_port
from support.places import SUPPORT
from tools.fuzz.test_fuzz_gateway import plan

command = command_of("gateway")


def test_a_sound_gateway_withstands_it() -> None:
    with gateway(synthetic=True, websocket=True, ws_key="secret") as opend:
        setup = FuzzSetup("gateway", timeout=20.0, websocket=True)
        target = GatewayTarget(setup, ("127.0.0.1", int(opend.ws_port or 0)), ws_key="secret")
        draw = partial(plan, websocket=True)
        campaign = Campaign(target, draw, seed=5, tries=0, report=lambda find: pytest.fail(f"{find}"))
        campaign.run(60, None)
    assert campaign.totals.runs == 60
    assert campaign.totals.steps > 200
    assert {"answered", "refused", "ignored", "closed"} <= {reaction for _, reaction in campaign.totals.reactions}


# The command


def program(port: int, bug: str) -> str:
    return f"{sys.executable} {SUPPORT / 'broken_websocket_gateway.py'} {port} {bug}"


def test_the_command_keeps_a_capture_of_websocket_and_no_key(tmp_path: Path) -> None:
    port = free_port()
    key = tmp_path / "key"
    key.write_text("a secret of clients\n", encoding="utf-8")
    words = [f":{port}", "--ws", "--ws-key-file", str(key), "--timeout", "2"]
    dies = [*words, "--command", program(port, "dies-on-a-cut-envelope")]
    done = command(*dies, "--seed", "1163", "--runs", "1", "--json", "--output", str(tmp_path))
    assert done.returncode == 1, done.stderr
    finding, summary = map(json.loads, done.stdout.splitlines())
    assert (finding["finding"]["detail"], finding["transport"]) == ("exit code 70", "websocket")
    assert summary["runs"] == 1
    place = Path(finding["saved"])
    assert b"a secret" not in b"".join(path.read_bytes() for path in place.iterdir())
    digest = websocket_key_digest("a secret of clients").encode()
    assert digest not in (place / "crash.json").read_bytes() + (place / "test_crash.py").read_bytes()
    words = [*FTWIRE, "dump", str(place / "session.pcap")]
    assert "InitWebSocket" in subprocess.run(words, capture_output=True, text=True, check=False).stdout


def test_usage_errors_are_one_line(tmp_path: Path) -> None:
    crash = tmp_path / "crash.json"
    crash.write_text(json.dumps({**GATEWAY_CRASH, "transport": "websocket"}), encoding="utf-8")
    old = tmp_path / "old.json"
    old.write_text(json.dumps(GATEWAY_CRASH), encoding="utf-8")
    odd = tmp_path / "odd.json"
    odd.write_text(json.dumps({**GATEWAY_CRASH, "transport": "pigeon"}), encoding="utf-8")
    with gateway(synthetic=True, websocket=True) as opend:
        for words, code, reason in [
            ([f":{opend.ws_port}", "--replay", str(crash)], 2, "with --ws"),
            ([f":{opend.ws_port}", "--ws", "--replay", str(old)], 2, "without --ws"),
            ([f":{opend.ws_port}", "--ws", "--replay", str(odd)], 1, "'pigeon'"),
            ([f":{opend.port}", "--ws", "--runs", "1", "--timeout", "1"], 1, "no new connection"),
            ([f":{opend.ws_port}", "--runs", "1", "--timeout", "1"], 1, "InitConnect is not granted"),
            ([":1", "--ws", "--key", str(crash)], 2, "--key is for TCP"),
            ([":1", "--ws-key", "x"], 2, "need --ws"),
            ([":1", "--ws", "--ws-key-file", str(tmp_path / "none")], 1, "No such file"),
        ]:
            done = CliRunner().invoke(fuzz_gateway, words)
            assert done.exit_code == code, (words, done.stderr)
            assert reason in done.stderr.splitlines()[-1], (words, done.stderr)
            assert done.stdout == ""
        done = CliRunner().invoke(fuzz_gateway, [f":{opend.ws_port}", "--ws", "--replay", str(crash)])
        assert (done.exit_code, done.stdout) == (0, "hung: not provoked any more\n")
