"""The golden vectors hold for programs that share no code with ours: one in Node, one in Go."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from fixtures.make_vectors import GROUPS
from interop.peers import Peer
from support.command import FTWIRE
from support.programs import Program

HERE = Path(__file__).resolve().parent / "vectors"
ROOT = HERE.parents[2]
PROTO = ROOT / "proto"


def check(command: str, **variables: str) -> None:
    words = [*FTWIRE, "vectors", "check", "--json", "--command", command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ | variables)
    *vectors, score = map(json.loads, done.stdout.splitlines())
    assert [vector for vector in vectors if vector["outcome"] != "passed"] == []
    assert done.returncode == 0
    assert score["score"].keys() == set(GROUPS)
    assert score["total"]["passed"] == len(vectors) > 500


def test_node_with_its_own_crypto_and_protobufjs(peer: Callable[[str], Peer]) -> None:
    modules = peer("npm-futu-api").folder / "node_modules"
    check(f"node {HERE / 'runner.mjs'} {PROTO}", NODE_PATH=str(modules))


def test_go_with_its_own_crypto_and_protobuf(go: Program, tmp_path: Path) -> None:
    program = tmp_path / "runner"
    subprocess.run([go.path, "build", "-o", str(program), "."], cwd=HERE / "go", check=True)
    check(f"{program} {PROTO}")
