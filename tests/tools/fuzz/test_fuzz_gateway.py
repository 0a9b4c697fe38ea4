"""``ftwire fuzz gateway``: finds the planted bugs, nothing in correct gateways, and saves what it finds."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fixtures.make_keys import TEST_KEY
from ftwire.cipher import RsaKey
from ftwire.protocols import registry
from ftwire_tools.fuzz.campaign import Campaign, Reproduction
from ftwire_tools.fuzz.hostile_client import GatewayTarget
from ftwire_tools.fuzz.judgement import FuzzFinding, PlayRecord
from ftwire_tools.fuzz.plans import gateway_plan, requests_to_draw
from ftwire_tools.fuzz.saving import crash_facts, load_crash, save
from ftwire_tools.fuzz.steps import FuzzSetup, FuzzStep
from ftwire_tools.testing import gateway
from support.broken_gateway import BUGS, BrokenGateway
from support.broken_websocket_gateway import BUGS as WEBSOCKET_BUGS
from support.broken_websocket_gateway import BrokenWebSocketGateway
from support.command import FTWIRE
from support.hunting import FUZZ, SEED, command_of, fails, first_find, free_port, saved_test
from support.places import SUPPORT

command = command_of("gateway")
REQUESTS = requests_to_draw(allow_trading=False)
RUNS, TRIES, TIMEOUT, PATIENT = 60, 40, 0.25, 3.0
ATTEMPTS = 25  # some of the bugs depend on how TCP cuts what is sent, which nobody can force
KEY = RsaKey.from_pem(TEST_KEY.read_bytes())


def plan(random: Random, *, encrypted: bool = False, websocket: bool = False) -> tuple[FuzzStep, ...]:
    return gateway_plan(random, 8, REQUESTS, encrypted=encrypted, websocket=websocket)


@contextmanager
def broken(
    bug: str, key: RsaKey | None = None, timeout: float = TIMEOUT, *, websocket: bool = False
) -> Iterator[tuple[GatewayTarget, BrokenGateway]]:
    # The gateway takes the place of a program, which would take longer to start.
    made = BrokenWebSocketGateway if websocket else BrokenGateway
    running: Any = made(free_port(), bug, key=key)
    setup = FuzzSetup("gateway", timeout, websocket=websocket)
    target = GatewayTarget(setup, ("127.0.0.1", running.port), key=key)
    target.program = running
    try:
        yield target, running
    finally:
        target.close()


def fuzz(target: GatewayTarget, kind: str, steps: int = 2, **kind_of_plan: Any) -> Reproduction:
    return first_find(target, partial(plan, **kind_of_plan), kind, steps, tries=TRIES, runs=RUNS, attempts=ATTEMPTS)


@pytest.mark.sampled(8)
@pytest.mark.parametrize(
    ("websocket", "bug"),
    [*((False, bug) for bug in BUGS), *((True, bug) for bug in WEBSOCKET_BUGS)],
)
def test_a_planted_bug_is_found_shortened_and_kept(
    websocket: bool, bug: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, steps = (WEBSOCKET_BUGS if websocket else BUGS)[bug]
    with broken(bug, websocket=websocket) as (target, running):
        find = fuzz(target, kind, steps, websocket=websocket)
        setup = FuzzSetup("gateway", PATIENT, websocket=websocket)
        place = save(tmp_path, find, crash_facts(find, setup, SEED))
        crash = load_crash((place / "crash.json").read_text(encoding="utf-8"), "gateway")
        assert (crash.kind, crash.steps, crash.setup) == (kind, find.steps, setup)
        assert any(target.play(crash.steps, fresh=True).has(kind) for _ in range(ATTEMPTS))
        test = saved_test(place / "test_crash.py", "gateway", running.port, monkeypatch)
        for _ in range(ATTEMPTS):
            running.start()
            if failed := fails(test):
                break
        assert failed
    with broken("", timeout=PATIENT, websocket=websocket) as (target, running):
        assert not target.play(crash.steps, fresh=True).findings
        saved_test(place / "test_crash.py", "gateway", running.port, monkeypatch)()


def test_a_saved_test_stands_alone_and_runs_under_pytest(tmp_path: Path) -> None:
    with broken("cuts-long-bodies") as (target, running):
        find = fuzz(target, "undecodable")
        place = save(tmp_path, find, crash_facts(find, FuzzSetup("gateway", PATIENT), SEED))
        for bug, code in (("cuts-long-bodies", 1), ("", 0)):
            running.bug = bug
            running.start()
            words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "test_crash.py"]
            variables = {**os.environ, "FTWIRE_FUZZ_PORT": str(running.port)}
            done = subprocess.run(words, env=variables, capture_output=True, text=True, check=False, cwd=place)
            assert done.returncode == code, done.stdout


def test_a_saved_test_is_a_page_that_imports_the_fuzzer(tmp_path: Path) -> None:
    finding = FuzzFinding("hung", "")
    found = Reproduction(finding, 1, (FuzzStep("close"),), 1, 0, again=True, record=PlayRecord([finding]))
    for mode in ("gateway", "client"):
        for websocket in (False, True):
            facts = crash_facts(found, FuzzSetup(mode, 1.0, websocket=websocket), 1)
            text = (save(tmp_path, found, facts) / "test_crash.py").read_text(encoding="utf-8")
            assert text.count("\n") < 30
            modules = [node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
            assert modules == ["pathlib", "ftwire_tools.fuzz.saving"]
            assert f"127.0.0.1, {33333 if websocket else 11111}" in text
            assert max(map(len, text.splitlines())) <= 120


def test_a_planted_bug_is_found_under_encryption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTWIRE_FUZZ_KEY", str(TEST_KEY))
    with broken("hangs-on-empty-body", KEY) as (target, running):
        find = fuzz(target, "hung", encrypted=True)
        place = save(tmp_path, find, crash_facts(find, FuzzSetup("gateway", PATIENT, encrypted=True), SEED))
        running.start()
        assert fails(saved_test(place / "test_crash.py", "gateway", running.port, monkeypatch))
    kept = b"".join(path.read_bytes() for path in place.iterdir())
    # Neither the RSA key nor the session key of the gateway.
    assert b"PRIVATE KEY" not in kept
    assert b"0123456789ABCDEF" not in kept


@pytest.mark.parametrize("key", [None, pytest.param(KEY, marks=pytest.mark.long)], ids=["plain", "encrypted"])
def test_a_sound_gateway_withstands_it(key: RsaKey | None) -> None:
    with gateway(synthetic=True, key=key) as opend:
        target = GatewayTarget(FuzzSetup("gateway", timeout=20.0), (opend.host, opend.port), key=key)
        campaign = Campaign(
            target,
            lambda random: plan(random, encrypted=key is not None),
            seed=5,
            tries=0,
            report=lambda find: pytest.fail(f"{find}"),
        )
        campaign.run(150, None)
        assert campaign.totals.runs == 150
        assert campaign.totals.steps > 500
        reactions = {reaction for _, reaction in campaign.totals.reactions}
        assert {"answered", "refused", "ignored", "closed"} <= reactions


@pytest.mark.parametrize("websocket", [False, True], ids=["tcp", "websocket"])
def test_the_healthy_twin_of_the_broken_gateway_withstands_it(websocket: bool) -> None:
    with broken("", timeout=PATIENT if websocket else TIMEOUT, websocket=websocket) as (target, _):
        draw = partial(plan, websocket=websocket)
        campaign = Campaign(target, draw, seed=1, tries=0, report=lambda find: pytest.fail(f"{find}"))
        campaign.run(RUNS, None)
        assert campaign.totals.runs == RUNS


# The command


def program(port: int, bug: str) -> str:
    return f"{sys.executable} {SUPPORT / 'broken_gateway.py'} {port} {bug}"


def test_the_command_starts_a_gateway_that_dies_and_keeps_what_killed_it(tmp_path: Path) -> None:
    port = free_port()
    dies = program(port, "dies-on-second-handshake")
    words = [f":{port}", "--command", dies, "--seed", "50", "--runs", "3", "--timeout", "2"]
    done = command(*words, "--json", "--output", str(tmp_path))
    assert done.returncode == 1, done.stderr
    *findings, summary = map(json.loads, done.stdout.splitlines())
    assert {finding["finding"]["kind"] for finding in findings} == {"crashed"}
    assert findings[0]["finding"]["detail"] == "exit code 70"
    assert summary["event"] == "summary"
    assert (summary["runs"], summary["seed"], summary["findings"]) == (3, 50, len(findings))
    assert summary["reactions"]
    assert done.stderr == ""
    place = tmp_path / "crashed-1"
    assert sorted(path.name for path in place.iterdir()) == ["crash.json", "session.pcap", "test_crash.py"]
    again = command(f":{port}", "--command", dies, "--replay", str(place / "crash.json"))
    assert (again.returncode, again.stdout.splitlines()[-1]) == (1, "crashed: still provoked")
    sound = command(f":{port}", "--command", program(port, ""), "--replay", str(place / "crash.json"))
    assert (sound.returncode, sound.stdout) == (0, "crashed: not provoked any more\n")


def test_the_capture_can_be_dumped_and_explained(tmp_path: Path) -> None:
    with broken("hangs-on-empty-body") as (target, _):
        find = fuzz(target, "hung")
    place = save(tmp_path, find, crash_facts(find, FuzzSetup("gateway", TIMEOUT), SEED))
    for name in ("dump", "explain"):
        words = [*FTWIRE, name, str(place / "session.pcap")]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert registry[find.steps[-1].proto].name in done.stdout, done.stderr
        assert "Traceback" not in done.stderr
    assert (place / "session.pcap").stat().st_mode & 0o077 == 0


def test_a_run_is_the_same_with_the_same_seed() -> None:
    with gateway(synthetic=True) as opend:
        said = [command(f":{opend.port}", "--runs", "20", "--seed", "9", "--json") for _ in range(2)]
    assert [done.returncode for done in said] == [0, 0]
    first, second = (json.loads(done.stdout) for done in said)
    assert (first["steps"], first["seed"]) == (second["steps"], 9)


def test_the_text_says_what_the_gateway_did() -> None:
    with gateway(synthetic=True) as opend:
        done = command(f":{opend.port}", "--runs", "40", "--seed", "4")
    assert done.returncode == 0
    *rows, last = done.stdout.splitlines()
    assert last.startswith("--- 40 runs, ")
    assert last.endswith("nothing found")
    assert any(row.split() == ["digest", "refused", row.split()[-1]] for row in rows)


def test_interrupted_it_reports_what_there_is_and_exits_with_130() -> None:
    with gateway(synthetic=True) as opend:
        running = subprocess.Popen(
            [*FUZZ, "gateway", f":{opend.port}", "--minutes", "5", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        opend.wait_for("connected", count=20, seconds=60)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    summary = json.loads(out)
    assert summary["interrupted"]
    assert summary["runs"] > 0
    assert err == ""


def test_usage_errors_are_one_line(tmp_path: Path) -> None:
    nobody = free_port()
    crash = tmp_path / "crash.json"
    crash.write_text("{}", encoding="utf-8")
    for words, code, reason in [
        (["192.0.2.1:11111"], 2, "--allow-remote"),
        (["gateway.example:11111"], 2, "--allow-remote"),
        ([f":{nobody}"], 1, f"127.0.0.1:{nobody}: no new connection: Connection refused"),
        ([f":{nobody}", "--replay", str(crash)], 1, "no crash.json"),
        ([f":{nobody}", "--replay", str(tmp_path / "none")], 1, "No such file"),
        ([f":{nobody}", "--key", str(crash)], 1, "crash.json"),
        ([f":{nobody}", "--command", "'"], 2, "No closing quotation"),
        ([f":{nobody}", "--command", "/no/such/program"], 1, "No such file"),
        ([f":{nobody}", "--command", "false"], 1, "has ended before it served anybody"),
        ([f":{nobody}", "--runs", "0"], 2, "--runs"),
    ]:
        done = command(*words)
        assert done.returncode == code, (words, done.stderr)
        assert reason in done.stderr.splitlines()[-1], (words, done.stderr)
        assert done.stdout == ""


def test_a_gateway_that_stays_dead_ends_the_campaign_with_what_was_found() -> None:
    running = BrokenGateway(0, "dies-on-unknown-protocol")
    running.start()
    try:
        done = command(f":{running.port}", "--seed", "1220", "--runs", "50", "--timeout", "1", "--json")
    finally:
        running.stop()
    assert done.returncode == 1
    finding, summary = map(json.loads, done.stdout.splitlines())
    assert finding["finding"]["kind"] == "dead"
    assert not finding["provoked_again"]
    assert summary["lost"]
    assert summary["runs"] < 50
