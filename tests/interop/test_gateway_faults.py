"""Each fault against the vendor's Python SDK: what it takes, what it reports, and that it never hangs for good.

The SDK waits 12 s for a reply and reconnects after 6 s, which is why these tests take their time.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from fixtures.make_captures import FOLDER
from ftwire_tools.gateway.faults import NAMES
from ftwire_tools.testing import RunningGateway, gateway
from interop.peers import Peer, command, environment

SDK = "futu-api-10.11"
PLAIN = FOLDER / "futu-api-10.11-plain.pcap"
RECORDED = [
    json.loads(line) for line in (FOLDER / f"{PLAIN.name}.client.jsonl").read_text(encoding="utf-8").splitlines()
]

HARMLESS = {
    "delay": "delay:ms=300",
    "jitter": "jitter:ms=50",
    "duplicate": "duplicate",
    "split": "split",
    "merge": "merge:proto=Qot_UpdateRT,n=1",
    "reorder": "reorder:proto=Qot_UpdateRT,n=1",
    "unknown-protocol": "unknown-protocol",
}
"""Faults that the SDK gets over: everything arrives."""

FAILS_THE_CALL = {
    "drop": ("drop:proto=Qot_GetRT,n=1", "Timeout"),
    "lose": ("lose:proto=Qot_GetRT,n=1", "Timeout"),
    "wrong-serial": ("wrong-serial:proto=Qot_GetRT,n=1", "Timeout"),
    "bad-sha1": ("bad-sha1:proto=Qot_GetRT,n=1", "check sha error!"),
    "bad-body": ("bad-body:proto=Qot_GetRT,n=1", ""),
    "bad-format": ("bad-format:proto=Qot_GetRT,n=1", ""),
    "garbage": ("garbage:proto=Qot_GetRT,n=1", ""),
    "close": ("close:proto=Qot_GetRT,n=1", ""),
    "cut": ("cut:proto=Qot_GetRT,n=1", ""),
    "silent": ("silent:proto=Qot_GetRT,n=1", "Timeout"),
}
"""Faults that fail the first get_rt_data, and the words in the SDK's error."""


def run(opend: RunningGateway, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    words = command(SDK, "--port", str(opend.port), *arguments)
    done = subprocess.run(words, env=environment(SDK), capture_output=True, text=True, timeout=90, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def rows(lines: list[dict[str, Any]], event: str) -> list[str]:
    """Tables, as a set in which duplicates do not count."""
    return sorted({json.dumps(line["rows"], sort_keys=True) for line in lines if line["event"] == event})


@pytest.mark.parametrize("name", HARMLESS)
def test_the_sdk_gets_over_it(name: str, peer: Callable[[str], Peer]) -> None:
    peer(SDK)
    pushes = 8 if name == "duplicate" else 4
    with gateway(PLAIN, faults=[HARMLESS[name]]) as opend:
        code, lines = run(opend, "--pushes", str(pushes))
        facts = opend.wait_for("disconnected")[0]
    assert name in facts["faults"]  # type: ignore[operator]
    assert code == 0, lines
    for event in ("reply", "push"):
        assert rows(lines, event) == rows(RECORDED, event)


@pytest.mark.parametrize("name", FAILS_THE_CALL)
def test_the_sdk_reports_it(name: str, peer: Callable[[str], Peer]) -> None:
    fault, words = FAILS_THE_CALL[name]
    peer(SDK)
    with gateway(PLAIN, faults=[fault]) as opend:
        code, lines = run(opend, "--pushes", "0", "--timeout", "40")
        (fact, *_) = opend.wait_for("disconnected")
        assert fact["faults"] == {name: 1}
    assert code == 1
    errors = [line for line in lines if line["event"] == "error"]
    assert errors[0]["call"] == "get_rt_data"
    assert words.lower() in errors[0]["message"].lower()
    # Where the fault costs only its frame, the second request is answered.
    answered = [line["code"] for line in lines if line["event"] == "reply"]
    assert answered == ([] if name in {"bad-format", "garbage", "close", "cut", "silent"} else ["HK.00700"])


def test_the_sdk_tries_again_where_it_is_refused(peer: Callable[[str], Peer]) -> None:
    peer(SDK)
    # Each connection counts its own frames: all are refused, until the program gives up.
    with gateway(PLAIN, faults=["refuse"]) as opend:
        words = command(SDK, "--port", str(opend.port), "--timeout", "15")
        process = subprocess.Popen(words, env=environment(SDK), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert len(opend.wait_for("closing", 2, seconds=40)) >= 2
        finally:
            process.kill()
            process.wait()


def test_every_fault_is_driven() -> None:
    assert {*HARMLESS, *FAILS_THE_CALL, "refuse"} == set(NAMES)
