"""``ftwire fuzz client`` against the vendor's SDKs: the findings that docs/fuzzing.md describes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interop.peers import Peer, command, environment, python
from support.command import FTWIRE

FUZZ = [*FTWIRE, "fuzz", "client"]
AGAIN = Path(__file__).resolve().parent / "clients" / "python_again.py"
RUNS = 4


def free_port() -> str:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return str(bound.getsockname()[1])


def fuzz(name: str, port: str, program: list[str], *words: str) -> tuple[int, list[dict[str, Any]]]:
    line = " ".join(program)
    done = subprocess.run(
        [*FUZZ, "--listen", port, "--command", line, "--json", *words],
        env=environment(name),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    return done.returncode, [json.loads(each) for each in done.stdout.splitlines()]


def crash(path: Path, timeout: float, kind: str, steps: list[dict[str, Any]], **more: str) -> str:
    facts = {"format": 1, "mode": "client", "encrypted": False, "timeout": timeout, "finding": {"kind": kind}}
    path.write_text(json.dumps({**facts, **more, "steps": steps}), encoding="utf-8")
    return os.fspath(path)


def test_the_python_sdk_withstands_spoiled_bodies_and_digests(peer: Callable[[str], Peer]) -> None:
    peer("futu-api-10.11")
    port = free_port()
    program = [str(python("futu-api-10.11")), str(AGAIN), "--port", port]
    # A seed that draws nothing for which the SDK waits 12 seconds.
    words = ["--keep-running", "--seed", "7093", "--runs", str(RUNS), "--steps", "2", "--timeout", "14"]
    code, (summary,) = fuzz("futu-api-10.11", port, program, *words)
    assert code == 0
    assert (summary["runs"], summary["findings"], summary["lost"]) == (RUNS, 0, None)
    assert summary["steps"] > 0
    inputs = {each["input"] for each in summary["reactions"]}
    assert {"digest", "payload tail", "twice"} & {word for each in inputs for word in each.split(" + ")}


def test_a_length_that_lies_ends_the_java_sdk_s_network_thread(tmp_path: Path, peer: Callable[[str], Peer]) -> None:
    peer("java-futu-api")
    port = free_port()
    steps = [{"do": "reply", "mutations": [["length", 0x7FFFFFFF]], "after": 4}]
    saved = crash(tmp_path / "crash.json", 12, "crashed", steps)
    program = command("java-futu-api", "--port", port, "--pushes", "0", "--timeout", "5")
    code, (said,) = fuzz(
        "java-futu-api", port, program, "--crash-text", "Exception in thread.*OutOfMemoryError", "--replay", saved
    )
    assert (code, said["provoked"]) == (1, True)
    assert "OutOfMemoryError" in said["findings"][0]["detail"]


@pytest.mark.parametrize("name", ["npm-futu-api", "npm-moomoo-api"])
def test_an_error_text_that_is_not_ascii_ends_what_uses_the_javascript_sdk(
    name: str, tmp_path: Path, peer: Callable[[str], Peer]
) -> None:
    peer(name)
    for text, ends in (("timeout", False), ("\u8d85\u65f6", True)):
        port = free_port()
        wrong = [["error code", 1], ["error text", text.encode().hex()]]
        steps = [{"do": "reply", "mutations": wrong, "after": 2}]
        saved = crash(tmp_path / "crash.json", 12, "crashed", steps, transport="websocket")
        program = command(name, "--port", port, "--pushes", "0", "--timeout", "8")
        code, (said,) = fuzz(name, port, program, "--ws", "--crash-text", "RangeError: .*", "--replay", saved)
        assert (code, said["provoked"]) == (int(ends), ends)
        if ends:
            assert said["findings"][0]["kind"] == "crashed"


@pytest.mark.parametrize("name", ["npm-futu-api", "npm-moomoo-api"])
def test_a_program_of_the_javascript_sdk_withstands_fragments_pings_and_a_close(
    name: str, tmp_path: Path, peer: Callable[[str], Peer]
) -> None:
    peer(name)
    port = free_port()
    steps = [
        {"do": "reply", "after": 1, "fragments": 3, "ping": True},
        {"do": "ping", "data": "6674", "after": 2},
        {"do": "reply", "after": 2, "chunk": 1},
        {"do": "bye", "data": "03e9", "after": 4},
    ]
    saved = crash(tmp_path / "crash.json", 12, "crashed", steps, transport="websocket")
    program = command(name, "--port", port, "--pushes", "0", "--timeout", "8")
    code, (said,) = fuzz(name, port, program, "--ws", "--crash-text", "RangeError: .*", "--replay", saved)
    assert (code, said["findings"]) == (0, [])


def test_the_rust_crate_waits_for_its_handshake_for_ever(tmp_path: Path, peer: Callable[[str], Peer]) -> None:
    peer("rust-futu-rs")
    port = free_port()
    saved = crash(tmp_path / "crash.json", 4, "silent", [{"do": "skip", "after": 1}])
    code, (said,) = fuzz("rust-futu-rs", port, command("rust-futu-rs", "--port", port), "--replay", saved)
    assert (code, said["provoked"]) == (1, True)
