"""``ftwire fuzz client``: finds the planted bugs of a client, and nothing in correct ones."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import pytest

from fixtures.make_keys import TEST_KEY
from ftwire.cipher import RsaKey
from ftwire_tools.client import Client
from ftwire_tools.client.errors import ClientError
from ftwire_tools.fuzz.campaign import Campaign, Reproduction
from ftwire_tools.fuzz.hostile_gateway import ClientTarget
from ftwire_tools.fuzz.plans import client_plan
from ftwire_tools.fuzz.saving import crash_facts, load_crash, save
from ftwire_tools.fuzz.steps import FuzzSetup, FuzzStep
from ftwire_tools.fuzz.targets import Program
from support.broken_client import BUGS
from support.hunting import GATEWAY_CRASH, command_of, free_port, saved_test
from support.places import SUPPORT

command = command_of("client")
CRASH_TEXT = "Exception in thread"
SETUP = FuzzSetup("client", timeout=2.0, come_back=2.0, crash_text=CRASH_TEXT)


def client_line(port: int, bug: str = "", key: str = "") -> str:
    return f"{sys.executable} {SUPPORT / 'broken_client.py'} {port} '{bug}' {key}"


@contextmanager
def target_for(bug: str = "", *, encrypted: bool = False) -> Iterator[ClientTarget]:
    key = RsaKey.from_pem(TEST_KEY.read_bytes()) if encrypted else None
    target = ClientTarget(SETUP, ("127.0.0.1", 0), key=key)
    line = client_line(target.port, bug, str(TEST_KEY) if encrypted else "")
    target.program = Program(line, crash_text=CRASH_TEXT)
    try:
        yield target
    finally:
        target.close()


def plan(random: Random) -> tuple[FuzzStep, ...]:
    return client_plan(random, 4)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found_shortened_and_kept(bug: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, seed = BUGS[bug]
    finds: list[Reproduction] = []
    with target_for(bug) as target:
        campaign = Campaign(target, plan, seed=seed, tries=8, report=finds.append)
        while campaign.totals.runs < 4 and not any(find.finding.kind == kind for find in finds):
            campaign.run(campaign.totals.runs + 1, None)
        find = next(find for find in finds if find.finding.kind == kind)
        assert find.again
        assert len(find.steps) <= 2
        place = save(tmp_path, find, crash_facts(find, SETUP, seed))
        crash = load_crash((place / "crash.json").read_text(encoding="utf-8"), "client")
        assert target.play(crash.steps, fresh=True).has(kind)
    port = free_port()
    test = saved_test(place / "test_crash.py", "client", port, monkeypatch)
    monkeypatch.setenv("FTWIRE_FUZZ_COMMAND", client_line(port, bug))
    with pytest.raises(AssertionError):
        test()
    monkeypatch.setenv("FTWIRE_FUZZ_COMMAND", client_line(port))
    test()


@pytest.mark.parametrize("encrypted", [False, pytest.param(True, marks=pytest.mark.long)], ids=["plain", "encrypted"])
def test_a_sound_client_withstands_it(encrypted: bool) -> None:
    finds: list[Reproduction] = []
    with target_for(encrypted=encrypted) as target:
        campaign = Campaign(target, plan, seed=3, tries=0, report=finds.append)
        campaign.run(12, None)
    assert [find.finding for find in finds] == []
    assert campaign.totals.runs == 12
    assert campaign.totals.reactions


class _Asking(threading.Thread):
    """Runs our asyncio client, which sends requests whatever happens, until ``over`` is set."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.over = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            asyncio.run(self.ask())
        except BaseException as error:
            self.failure = error

    async def ask(self) -> None:
        while not self.over.is_set():
            with suppress(ClientError):
                async with Client("127.0.0.1", self.port, timeout=1.0, reconnect=0.1, reconnect_attempts=20) as client:
                    await client.subscribe("HK.00700", "RT")
                    for _ in range(30):
                        with suppress(ClientError):
                            await client.get_rt_data("HK.00700")
                        await asyncio.sleep(0.02)
                        if self.over.is_set():
                            return
            await asyncio.sleep(0.02)


@pytest.mark.long
def test_our_own_client_withstands_it_and_comes_back_by_itself() -> None:
    target = ClientTarget(FuzzSetup("client", timeout=15.0, come_back=15.0), ("127.0.0.1", 0))
    asking = _Asking(target.port)
    finds: list[Reproduction] = []
    campaign = Campaign(target, plan, seed=11, tries=0, report=finds.append)
    asking.start()
    try:
        campaign.run(25, None)
    finally:
        asking.over.set()
        target.close()
        asking.join(30)
    assert asking.failure is None
    assert [find.finding for find in finds] == []
    assert campaign.totals.runs == 25


# The command


def test_the_command_says_how_the_program_ended(tmp_path: Path) -> None:
    port = free_port()
    line = client_line(port, "aborts-on-bad-digest")
    words = ["--listen", str(port), "--command", line, "--timeout", "3", "--come-back", "3"]
    done = command(*words, "--seed", "199", "--runs", "2", "--steps", "4", "--json", "--output", str(tmp_path))
    assert done.returncode == 1, done.stderr
    finding, summary = map(json.loads, done.stdout.splitlines())
    assert finding["finding"] == {"kind": "crashed", "detail": "ended by SIGABRT"}
    assert summary["mode"] == "client"
    again = command(*words, "--replay", finding["saved"] + "/crash.json")
    assert (again.returncode, again.stdout.splitlines()[-1]) == (1, "crashed: still provoked")
    sound = command("--listen", str(port), "--command", client_line(port), "--replay", finding["saved"] + "/crash.json")
    assert (sound.returncode, sound.stdout) == (0, "crashed: not provoked any more\n")


def test_usage_errors_are_one_line(tmp_path: Path) -> None:
    crash = tmp_path / "crash.json"
    crash.write_text(json.dumps(GATEWAY_CRASH), encoding="utf-8")
    port = str(free_port())
    for words, code, reason in [
        (["--listen", "0.0.0.0:1"], 2, "--allow-remote"),
        ([], 2, "--listen"),
        (["--listen", port, "--keep-running"], 2, "need --command"),
        (["--listen", port, "--replay", str(crash)], 1, "ftwire fuzz gateway"),
        (["--listen", port, "--command", "true", "--come-back", "0.5"], 1, "nobody has connected"),
        (["--listen", port, "--command", "/no/such/program"], 1, "No such file"),
        (["--listen", port, "--command", "true", "--crash-text", "("], 2, "no regular expression"),
    ]:
        done = command(*words)
        assert done.returncode == code, (words, done.stderr)
        assert reason in done.stderr.splitlines()[-1], (words, done.stderr)
