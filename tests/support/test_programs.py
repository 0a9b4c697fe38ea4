"""Tests that need a program from outside: skipped, counted and explained where it is absent, failed in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.places import ROOT

TEST = """
import pytest

@pytest.mark.parametrize("name", ["a", "b"])
def test_with_tshark(tshark, name):
    assert tshark("-v")

def test_with_both(openssl, tshark):
    pass

def test_with_none():
    pass
"""


def run(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run these tests where there is no program at all."""
    path = tmp_path / "test_it.py"
    path.write_text(TEST)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "support.programs", "-p", "no:cacheprovider", "-c", os.devnull]
    environment = {**os.environ, "PATH": str(tmp_path), "PYTHONPATH": str(ROOT / "tests"), "CI": "", **variables}
    return subprocess.run([*words, str(path)], capture_output=True, text=True, check=False, env=environment)


def test_tests_without_their_program_are_skipped_and_the_last_line_says_what_to_install(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout
    *_, result, closing = done.stdout.splitlines()
    assert "1 passed, 3 skipped" in result + closing
    expected = "3 tests were skipped for want of tshark (2), openssl (1). To run them: apt-get install tshark openssl"
    assert expected in (result, closing)


def test_in_ci_they_fail(tmp_path: Path) -> None:
    done = run(tmp_path, CI="true")
    assert done.returncode == 1
    assert "tshark is not installed, and CI must have it" in done.stdout
    assert "1 passed, 3 errors" in done.stdout


def test_a_program_that_fails_is_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "tshark"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    done = run(tmp_path)
    assert done.returncode == 1
    assert "returned non-zero exit status 3" in done.stdout


@pytest.mark.parametrize("name", ["CI", "HYPOTHESIS_PROFILE"])
def test_what_ci_sets_decides_how_many_examples_there_are(name: str) -> None:
    program = "import conftest; from hypothesis import settings; print(settings().max_examples)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "CI": "", "HYPOTHESIS_PROFILE": ""}
    counts = []
    for variables in ({}, {name: "ci"}):
        words = [sys.executable, "-c", program]
        done = subprocess.run(words, env=environment | variables, capture_output=True, text=True, check=True)
        counts.append(int(done.stdout))
    assert counts == [25, 100]
