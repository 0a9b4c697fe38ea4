"""``ftwire fuzz client --ws``: finds the planted bugs of a client, and nothing in a correct one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ftwire_tools.fuzz.campaign import Campaign, Reproduction
from ftwire_tools.fuzz.hostile_gateway import ClientTarget
from ftwire_tools.fuzz.plans import client_plan
from ftwire_tools.fuzz.saving import crash_facts, load_crash, save
from ftwire_tools.fuzz.steps import FuzzSetup, FuzzStep
from support.broken_websocket_client import BUGS, BrokenWebSocketClient
from support.command import FTWIRE
from support.hunting import fails, free_port, saved_test
from support.places import SUPPORT
from tools.fuzz.test_fuzz_client import command

SETUP = FuzzSetup("client", timeout=1.2, websocket=True, come_back=1.2)


def client_line(port: int, bug: str = "") -> str:
    return f"{sys.executable} {SUPPORT / 'broken_websocket_client.py'} {port} '{bug}'"


@contextmanager
def target_for(bug: str = "") -> Iterator[ClientTarget]:
    # The client takes the place of a program, which would take longer to start.
    target: Any = ClientTarget(SETUP, ("127.0.0.1", 0))
    target.program = BrokenWebSocketClient(target.port, bug)
    try:
        yield target
    finally:
        target.close()


def plan(random: Random) -> tuple[FuzzStep, ...]:
    return client_plan(random, 3, websocket=True)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found_shortened_and_kept(bug: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, seed = BUGS[bug]
    finds: list[Reproduction] = []
    with target_for(bug) as target:
        Campaign(target, plan, seed=seed, tries=4, report=finds.append).run(1, None)
        (find,) = finds
        assert (find.finding.kind, find.again) == (kind, True)
        assert len(find.steps) <= 2
    place = save(tmp_path, find, crash_facts(find, SETUP, seed))
    crash = load_crash((place / "crash.json").read_text(encoding="utf-8"), "client")
    assert (crash.kind, crash.steps, crash.setup.websocket) == (kind, find.steps, True)
    if kind == "crashed":
        return  # a thread cannot crash like a program; the test of the command has one
    client = BrokenWebSocketClient(free_port(), bug)
    test = saved_test(place / "test_crash.py", "client", client.port, monkeypatch)
    client.start()
    assert fails(test)
    client.bug = ""
    client.start()
    test()
    client.stop()


@pytest.mark.long
def test_a_sound_client_withstands_it() -> None:
    finds: list[Reproduction] = []
    with target_for() as target:
        campaign = Campaign(target, plan, seed=3, tries=0, report=finds.append)
        campaign.run(10, None)
    assert [find.finding for find in finds] == []
    assert campaign.totals.runs == 10
    assert campaign.totals.reactions


# The command


def test_the_command_keeps_a_capture_and_a_test_that_starts_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    line = client_line(port, "ends-on-an-error-code")
    words = ["--listen", str(port), "--ws", "--command", line, "--timeout", "3", "--come-back", "3"]
    # Exit code 1, as of an exception in Node.js. Replay and the saved test must take it for a crash, too.
    told = ["--exit-code", "0", "--crash-text", "no such text"]
    done = command(*words, *told, "--seed", "55", "--runs", "1", "--steps", "3", "--json", "--output", str(tmp_path))
    assert done.returncode == 1, done.stderr
    finding, _ = map(json.loads, done.stdout.splitlines())
    assert (finding["transport"], finding["finding"]["detail"]) == ("websocket", "exit code 1")
    assert (finding["exit_codes"], finding["crash_text"]) == ([0], "no such text")
    place = Path(finding["saved"])
    again = command(*words, "--replay", str(place / "crash.json"))
    assert (again.returncode, again.stdout.splitlines()[-1]) == (1, "crashed: still provoked")
    dump = [*FTWIRE, "dump", "--json", str(place / "session.pcap")]
    read = subprocess.run(dump, capture_output=True, text=True, check=False)
    names = [json.loads(row)["proto"] for row in read.stdout.splitlines()]
    assert {"InitWebSocket", "Qot_Sub"} <= set(names), read.stderr
    test = saved_test(place / "test_crash.py", "client", port, monkeypatch)
    monkeypatch.setenv("FTWIRE_FUZZ_COMMAND", line)
    with pytest.raises(AssertionError, match="exit code 1"):
        test()
    monkeypatch.setenv("FTWIRE_FUZZ_COMMAND", client_line(port))
    test()
