"""The decoders of examples/clients, built and run as each README shows it, pass the golden vectors they are for."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fixtures.make_vectors import GROUPS
from ftwire.frame import encode_frame
from support.command import FTWIRE
from support.places import ROOT
from support.programs import absent, require
from support.vector_program import answer, cipher_of

CLIENTS = ROOT / "examples" / "clients"
NEEDED = {
    "go": ["go"],
    "rust": ["cargo"],
    "typescript": ["node", "npm"],
    "java": ["javac"],
    "csharp": ["mcs"],
}
"""Folder of an example -> programs that build and run it."""
SUPPORTED = {"header", "sha1", "frame", "stream", "ftaes_ecb", "aes_ecb", "aes_cbc"}
AES = {"key": "0123456789ABCDEF", "iv": "FEDCBA9876543210"}

# Compilers that are downloaded and run on a busy machine.
pytestmark = pytest.mark.timeout(600)

Check = Callable[..., list[dict[str, Any]]]


def build(name: str, folder: Path) -> tuple[Path, str]:
    """Copy an example into a folder and build it as its README shows; return the place and the command to test it."""
    for program in NEEDED[name]:
        require(program)
    place = folder / name
    made_by_hand = shutil.ignore_patterns("build", "target", "node_modules", "package-lock.json", "*.lock", "*.exe")
    shutil.copytree(CLIENTS / name, place, ignore=made_by_hand)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARGO_TARGET")}
    (block,) = re.findall(r"^```console\n(.*?)^```$", (place / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    *builds, test = [line.removeprefix("$ ") for line in block.splitlines()]
    for line in builds:
        done = subprocess.run(
            shlex.split(line), cwd=place, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    return place, test


@pytest.fixture(scope="module", params=NEEDED)
def check(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Check:
    """``check(*options)``: what ``ftwire vectors check --json`` finds of an example, which is built first."""
    place, test = build(request.param, tmp_path_factory.mktemp("example"))

    def run(*options: str | Path) -> list[dict[str, Any]]:
        words = [*FTWIRE, *shlex.split(test)[1:], "--timeout", "60", "--json"]
        done = subprocess.run([*words, *options], cwd=place, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        *results, _ = map(json.loads, done.stdout.splitlines())
        return results

    return run


def test_every_example_is_tested_and_in_the_table() -> None:
    folders = {path.name for path in CLIENTS.iterdir() if path.is_dir()}
    assert folders == set(NEEDED)
    assert set(re.findall(r"^\| \[(\w+)\]", (CLIENTS / "README.md").read_text(), re.MULTILINE)) == folders


def test_it_passes_its_groups_and_says_so_of_the_others(check: Check) -> None:
    outcomes: dict[str, set[str]] = {}
    results = check()
    for result in results:
        outcomes.setdefault(result["group"], set()).add(result["outcome"])
    assert [result for result in results if result["outcome"] == "failed"] == []
    assert outcomes == {group: {"passed" if group in SUPPORTED else "unsupported"} for group in GROUPS}


def test_streams_of_any_size_in_any_chunks(check: Check, tmp_path: Path) -> None:
    """What no vector has: lines and bodies of a megabyte, byte by byte, and thousands of frames in one chunk."""
    large = encode_frame(3008, 1, bytes(range(256)) * 4096)
    aes = AES | {"name": "aes_cbc"}
    many = b"".join(encode_frame(1004, serial, b"\x08\x00", cipher=cipher_of(aes)) for serial in range(5000))
    none = {"name": "none"}
    inputs: list[dict[str, Any]] = [
        {"chunks": [f"{byte:02x}" for byte in large], "cipher": none, "maxBody": 1 << 20},
        {"chunks": [large.hex()], "cipher": none, "maxBody": 1 << 20},
        {"chunks": [large.hex()], "cipher": none, "maxBody": (1 << 20) - 1},
        {"chunks": [many.hex()], "cipher": aes, "maxBody": 16},
        {"chunks": [many[:-1].hex(), "ff"], "cipher": aes, "maxBody": 16},
    ]
    tests = []
    for number, given in enumerate(inputs, 1):
        asked = {"id": f"own-{number}", "operation": "decode", "input": given}
        right = answer({"group": "stream"} | asked)["output"]
        rest = {"comment": "ours", "flags": [], "origin": "ftwire", "result": "valid", "expected": right}
        tests.append(asked | rest)
    assert [len(test["expected"]["events"]) for test in tests] == [1, 1, 0, 5000, 5000]
    (tmp_path / "own.json").write_text(json.dumps({"group": "stream", "tests": tests}))
    results = check("--vectors", tmp_path)
    assert [result["outcome"] for result in results] == ["passed"] * len(inputs)


@pytest.mark.parametrize("name", ["go", "typescript"])
def test_its_tests_against_a_gateway_pass(name: str, tmp_path: Path) -> None:
    """They steer it over HTTP."""
    if find_spec("h11") is None:
        absent("the library h11 is not installed")
    place, _ = build(name, tmp_path)
    (test,) = re.findall(r"^```sh\n(.*?)\n```$", (place / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    environment = {**os.environ, "FTWIRE": f"{sys.executable} -m ftwire_tools.cli"}
    done = subprocess.run(shlex.split(test), cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
