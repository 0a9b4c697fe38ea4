"""Run every fuzzing target for some minutes, two at a time, and print the results.

    PYTHONPATH=tests:. python tests/fuzz/campaign.py --minutes 10 [--jobs 2] [--keep] [TARGET ...]

Each target starts from its seeds (``contracts.seeds``) and from ``fixtures/corpus/TARGET``, and keeps what it finds
in ``.fuzz/TARGET``. ``--keep`` minimises both into ``fixtures/corpus``: the fewest inputs that reach every edge
reached (libFuzzer's set cover). Inputs of properties are not kept, since Hypothesis makes other examples of the same
bytes in other releases. ``--minutes 0 --keep`` only minimises.
Exit code 1 when a target found something: the input is named, and belongs in a named regression test.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("fuzz.py")
CORPUS = ROOT / "fixtures" / "corpus"
WORK = ROOT / ".fuzz"


class Result(NamedTuple):
    """The result of one target."""

    target: str
    executions: int
    coverage: int
    """Number of edges of instrumented bytecode that were reached."""
    features: int
    inputs: int
    finding: str


def folder(target: str) -> str:
    return target.replace(":", "-")


def run(target: str, seconds: int) -> Result:
    """Fuzz one target and return its result."""
    work = WORK / folder(target)
    found = work / "corpus"
    found.mkdir(parents=True, exist_ok=True)
    corpora = [str(found)]
    if (CORPUS / folder(target)).is_dir():
        corpora.append(str(CORPUS / folder(target)))
    words = [sys.executable, str(PROGRAM), target, f"-max_total_time={seconds}", "-timeout=30", "-rss_limit_mb=1024"]
    words += ["-max_len=4096", f"-artifact_prefix={work}/", "-print_final_stats=1", *corpora]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False, cwd=ROOT)
    log = done.stdout + done.stderr
    (work / "log.txt").write_text(log)
    states = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)/", log)
    coverage, features, inputs = map(int, states[-1]) if states else (0, 0, 0)
    executions = re.search(r"stat::number_of_executed_units: (\d+)", log)
    artifact = re.search(r"Test unit written to (\S+)", log)
    finding = artifact[1] if artifact else "" if done.returncode == 0 else f"exit code {done.returncode}: {log[-300:]}"
    return Result(target, int(executions[1]) if executions else 0, coverage, features, inputs, finding)


def keep(target: str) -> int:
    """Reduce the corpus in the tree and what was found to the inputs that reach every edge; keep these in the tree."""
    goal, chosen = CORPUS / folder(target), WORK / folder(target) / "chosen"
    goal.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(chosen, ignore_errors=True)
    chosen.mkdir(parents=True)
    words = [sys.executable, str(PROGRAM), target, "-set_cover_merge=1", "-use_counters=0", str(chosen)]
    words += [str(goal), str(WORK / folder(target) / "corpus")]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False, cwd=ROOT)
    kept = list(chosen.iterdir())
    if not kept:
        raise RuntimeError(f"{target}: the merge kept nothing: {done.stderr[-300:]}")
    for old in goal.iterdir():
        old.unlink()
    for path in kept:
        (goal / path.name[:12]).write_bytes(path.read_bytes())
    return len(kept)


def plant_seeds() -> None:
    """Write the contracts' own seeds to the folder that each target starts from."""
    from support.contracts import seeds

    for target, found in seeds().items():
        goal = WORK / folder(target) / "corpus"
        goal.mkdir(parents=True, exist_ok=True)
        for data in found:
            (goal / f"seed-{hashlib.sha1(data, usedforsecurity=False).hexdigest()[:12]}").write_bytes(data)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="coverage-guided fuzzing of every contract")
    parser.add_argument("--minutes", type=float, default=10, help="for each target")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help="minimise what was found into fixtures/corpus")
    parser.add_argument("targets", nargs="*")
    options = parser.parse_args()
    targets = options.targets
    if not targets:
        words = [sys.executable, str(PROGRAM), "--list"]
        targets = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    plant_seeds()
    os.nice(max(0, 10 - os.nice(0)))
    failed = False
    seconds = int(options.minutes * 60)
    with ThreadPoolExecutor(options.jobs) as pool:
        # For libFuzzer, 0 seconds are no limit.
        for result in pool.map(lambda target: run(target, seconds), targets if seconds else ()):
            failed = failed or bool(result.finding)
            sys.stdout.write(
                f"{result.target:<28} {result.executions:>10} executions  {result.coverage:>6} edges  "
                f"{result.features:>6} features  {result.inputs:>5} inputs  {result.finding or 'nothing found'}\n"
            )
            sys.stdout.flush()
    if options.keep:
        for target in targets:
            if target.startswith("property:"):
                continue
            sys.stdout.write(f"{target:<28} {keep(target)} inputs kept\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
