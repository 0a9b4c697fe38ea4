"""Helpers to fuzz peers with planted bugs, shared by the tests of all sides and transports."""

from __future__ import annotations

import os
import runpy
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from ftwire_tools.fuzz.campaign import Campaign, Reproduction
from ftwire_tools.fuzz.hostile_client import GatewayTarget
from ftwire_tools.fuzz.steps import FuzzStep
from support.command import FTWIRE
from support.places import ROOT, SUPPORT

__all__ = [
    "ENVIRONMENT",
    "FUZZ",
    "GATEWAY_CRASH",
    "SEED",
    "command_of",
    "fails",
    "first_find",
    "free_port",
    "saved_test",
]

Plan = Callable[[Random], tuple[FuzzStep, ...]]

PATHS = [str(SUPPORT.parent), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
"""Where programs of ``tests/support`` find what they import."""
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}
FUZZ = [*FTWIRE, "fuzz"]
SEED = 9
"""Draws plans that find every planted bug of the gateways."""
GATEWAY_CRASH = {
    "format": 1,
    "mode": "gateway",
    "encrypted": False,
    "timeout": 1,
    "finding": {"kind": "hung"},
    "steps": [],
}
"""The least that a crash.json about a gateway has."""


def command_of(who: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs ``ftwire fuzz gateway`` or ``ftwire fuzz client`` with arguments."""

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        line = [*FUZZ, who, *words]
        return subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=100)

    return command


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def first_find(target: GatewayTarget, plan: Plan, kind: str, steps: int, *, tries: int, runs: int) -> Reproduction:
    """Return the first finding of a kind that can be provoked again in so many steps.

    One that depends on which of two packets comes first is provoked again now and then, but not shortened.
    """
    finds: list[Reproduction] = []
    campaign = Campaign(target, plan, seed=SEED, tries=tries, report=finds.append)
    while campaign.totals.runs < runs:
        campaign.run(campaign.totals.runs + 1, None)
        for find in finds:
            if find.finding.kind == kind and find.again and len(find.steps) <= steps:
                return find
    raise AssertionError(
        f"not found in {steps} steps by {runs} runs; found: {[(find.finding, find.steps) for find in finds]}"
    )


def saved_test(path: Path, who: str, port: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a saved test to call in this process: pytest takes longer to start than all of them to run."""
    monkeypatch.setenv("FTWIRE_FUZZ_PORT", str(port))
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    found: Callable[[], None] = runpy.run_path(str(path))[f"test_the_{who}_withstands_it"]
    return found


def fails(test: Callable[[], None]) -> bool:
    try:
        test()
    except AssertionError:
        return True
    return False
