"""Mutation testing, with mutmut, of the modules through which untrusted bytes enter.

    python tests/mutation/mutate.py [MODULE ...]           stage, mutate, test; exit 1 where a survivor is not explained
    python tests/mutation/mutate.py --again [MODULE ...]   run the survivors again, with today's tests
    python tests/mutation/mutate.py --report [MODULE ...]  print the results of the last run again

Each module is mutated in copies of the tree below ``.mutation/MODULE``, one for each selection of tests, where
``codec`` is called ``src``: mutmut names a module by its path and strips only that folder. ``survivors.toml``
gives the reason why no test can kill a mutant, for every survivor; it identifies a mutant by its function, the line
that it changes and the change, since line numbers move.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
WORK: Final = ROOT / ".mutation"
SURVIVORS: Final = Path(__file__).with_name("survivors.toml")


class Tests(NamedTuple):
    """Tests that are run against mutants."""

    paths: tuple[str, ...]
    only: str = ""
    """Expression for pytest's ``-k`` that selects some of them."""
    compiled: bool = False
    """Whether they run with the compiled core."""


class Module(NamedTuple):
    """A module to mutate, and the tests that should kill its mutants."""

    path: str
    tests: tuple[Tests, ...]
    """Each is run on the survivors of those before it, so the fast tests of the module itself come first."""
    examples: int = 40
    """Number of Hypothesis examples of each property; they are the same for each mutant."""


STREAM, FRAMING, RESYNC = "tests/codec/test_stream.py", "tests/codec/test_framing.py", "tests/codec/test_resync.py"
FRAME, CORE = "tests/codec/test_frame.py", "tests/codec/test_core.py"
REASSEMBLY, EDGES = "tests/codec/pcap/test_reassembly.py", "tests/codec/pcap/test_reassembly_edges.py"
CONNECTIONS = "tests/codec/pcap/test_connections.py"
PACKETS, LIMITS = "tests/codec/pcap/test_packets.py", "tests/codec/pcap/test_limits.py"
INTERVALS = "tests/codec/pcap/test_intervals.py"
MODULES: Final = {
    "header": Module("header.py", (Tests(("tests/codec/test_header.py",)),)),
    "cipher": Module(
        "cipher.py",
        (Tests(("tests/codec/test_cipher.py",)), Tests((CORE,), "frames or cipher", compiled=True)),
    ),
    "frame": Module(
        "frame.py",
        (
            Tests((FRAME, STREAM, FRAMING)),
            Tests((FRAME, CORE), "test_frame or encoded or makes_frames", compiled=True),
        ),
        15,
    ),
    "framing": Module("framing.py", (Tests((FRAMING, STREAM, RESYNC)),), 15),
    "stream": Module("stream.py", (Tests((STREAM, FRAMING)),), 15),
    "resync": Module("resync.py", (Tests((RESYNC, FRAMING)),), 15),
    "tcp": Module(
        "pcap/tcp.py",
        (
            Tests(
                (REASSEMBLY, EDGES, CONNECTIONS, LIMITS),
                "reassembly or connections or evicted or forgotten or makes_room or idle or alone",
            ),
        ),
        5,
    ),
    "intervals": Module("pcap/intervals.py", (Tests((INTERVALS, EDGES, REASSEMBLY)),), 5),
    "reassembly": Module(
        "pcap/stream.py",
        (
            Tests(
                (REASSEMBLY, EDGES, CONNECTIONS, PACKETS, LIMITS),
                "not (test_limits or mutated or link or headers or whatever) or as_idle",
            ),
        ),
        5,
    ),
}

# Mutants that change the case of a text are left out: a text inside XX tests the same. The limit of a mutant's time is
# CPU time: by the clock, mutants would time out on a busy machine.
_RUN: Final = """\
import sys
from itertools import islice
import mutmut.__main__
import mutmut.workers.isolation
from mutmut.mutation.mutators import mutation_operators as operators, operator_string
at = [function for _, function in operators].index(operator_string)
operators[at] = operators[at][0], lambda node: islice(operator_string(node), 1)
mutmut.workers.isolation.register_timeout = lambda **_: None
mutmut.__main__.cli(["run", *sys.argv[1:]])
"""

# The status of every mutant, and the difference of those that are named, in JSON.
_SHOW: Final = """\
import io, json, sys
from contextlib import redirect_stdout
from mutmut.__main__ import cli
def said(*words):
    with redirect_stdout(io.StringIO()) as text:
        cli.main(words, standalone_mode=False)
    return text.getvalue()
lines = said("results", "--all", "true").splitlines()
statuses = dict(line.strip().rsplit(": ", 1) for line in lines)
print(json.dumps([statuses, [said("show", name) for name in sys.argv[1:]]]))
"""

_CONFIGURATION: Final = """\
[tool.mutmut]
source_paths = ["src"]
only_mutate = ["src/ftwire/{path}"]
also_copy = ["fixtures", "tools", "proto", "codec"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:benchmark"]
pytest_add_cli_args_test_selection = {selection}
use_git_change_detection = false
timeout_multiplier = 2.0
timeout_constant = 1.0

[tool.pytest.ini_options]
pythonpath = ["tests", "."]
timeout = 120
"""


class Survivor(NamedTuple):
    """A mutant that no test killed."""

    function: str
    old: str
    """The lines that it removes, without indentation, joined by a space."""
    new: str
    """The lines in their place."""


class Result(NamedTuple):
    """The result of one module."""

    module: str
    statuses: Counter[str]
    """Number of mutants by their status, in mutmut's words."""
    survivors: list[Survivor]


def stage(name: str, number: int, *, afresh: bool) -> Path:
    """Make the copy of the tree that mutmut works in, or update it."""
    module, place = MODULES[name], WORK / name / str(number)
    if afresh:
        shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True, exist_ok=True)
    for old in (place / "mutants").glob("**/*"):
        # mutmut copies a file once. It keeps the status of mutants, except in functions that have changed.
        if old.is_file() and old.suffix not in {".meta", ".json"}:
            old.unlink()
    unwanted = shutil.ignore_patterns("__pycache__", "interop", "bench", "fuzz", "mutation", "corpus")
    for folder, goal in (
        ("codec", "src"),
        ("codec/core/src", "codec/core/src"),  # a test compares numbers in it with ours
        ("tests", "tests"),
        ("fixtures", "fixtures"),
        ("tools", "tools"),
        ("proto", "proto"),
    ):
        shutil.copytree(ROOT / folder, place / goal, ignore=unwanted, dirs_exist_ok=True)
    tests = module.tests[number]
    selection = [*tests.paths, "-k", tests.only] if tests.only else [*tests.paths]
    (place / "pyproject.toml").write_text(_CONFIGURATION.format(path=module.path, selection=json.dumps(selection)))
    return place


def mutmut(name: str, number: int, program: str, *arguments: str) -> str:
    """Run mutmut in a module's copy."""
    module = MODULES[name]
    variables = {
        **os.environ,
        "HYPOTHESIS_PROFILE": "mutation",
        "MUTATION_EXAMPLES": str(module.examples),
        "PYTHONDONTWRITEBYTECODE": "1",
        "FTWIRE_CORE": "required" if module.tests[number].compiled else "off",
    }
    words = [sys.executable, "-c", program, *arguments]
    place = WORK / name / str(number)
    done = subprocess.run(words, cwd=place, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"mutmut: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def statuses(name: str) -> tuple[dict[str, str], int]:
    """Read the status of every mutant of a module, and the tests that were run last."""
    found: dict[str, str] = {}
    last = 0
    for number in range(len(MODULES[name].tests)):
        if (WORK / name / str(number) / "mutants").is_dir():
            told: dict[str, str] = json.loads(mutmut(name, number, _SHOW))[0]
            unasked = {"not checked", "no tests"} if number else {""}
            found |= {mutant: status for mutant, status in told.items() if status not in unasked}
            last = number
    return found, last


def alive(found: dict[str, str]) -> list[str]:
    """Return the names of the mutants that no test killed."""
    return [mutant for mutant, status in found.items() if status not in {"killed", "timeout"}]


def run(name: str, *, again: bool) -> None:
    """Run a module's tests on all of its mutants, or on the survivors."""
    names = alive(statuses(name)[0]) if again else []
    for old in WORK.glob(f"{name}/[1-9]*" if again else name):
        shutil.rmtree(old)
    for number in range(len(MODULES[name].tests)):
        if number and not (names := alive(statuses(name)[0])):
            continue
        stage(name, number, afresh=not again)
        if names:
            mutmut(name, number, _RUN, *names)
        if not number:
            mutmut(name, number, _RUN)  # all, or those of functions that have changed


def collect(name: str) -> Result:
    """Read mutmut's results."""
    found, last = statuses(name)
    living = alive(found)
    shown = json.loads(mutmut(name, last, _SHOW, *living))[1]
    survivors = [_survivor(mutant, text) for mutant, text in zip(living, shown, strict=True)]
    return Result(name, Counter(found.values()), survivors)


def _survivor(mutant: str, shown: str) -> Survivor:
    function = mutant.rpartition(".")[2].partition("__mutmut_")[0].removeprefix("x")
    function = function.strip("ǁ").replace("ǁ", ".") if "ǁ" in function else function.removeprefix("_")
    old, new = (
        " ".join(line[1:].strip() for line in shown.splitlines() if re.match(rf"\{sign}(?!\{sign}\{sign})", line))
        for sign in "-+"
    )
    return Survivor(function, old, new)


def explained(name: str) -> dict[Survivor, str]:
    """Return the survivors of a module that ``survivors.toml`` explains, with the reasons."""
    table = tomllib.loads(SURVIVORS.read_text(encoding="utf-8")) if SURVIVORS.is_file() else {}
    return {
        Survivor(function, line, line.replace(*change.split(" => "), 1)): why
        for why, mutants in table.get(name, {}).items()
        for function, line, *changes in mutants
        for change in changes
    }


def report(result: Result) -> bool:
    """Print a module's figures and its unexplained survivors; return whether there are none."""
    reasons = explained(result.module)
    open_ = [each for each in result.survivors if each not in reasons]
    stale = reasons.keys() - set(result.survivors)
    figures = ", ".join(f"{count} {status}" for status, count in sorted(result.statuses.items()))
    total = sum(result.statuses.values())
    print(f"{result.module}: {total} mutants, {figures}; {len(result.survivors) - len(open_)} explained")
    for each in open_:
        print(f"  alive: {each.function}\n    - {each.old}\n    + {each.new}")
    for each in stale:
        print(f"  explained, and not alive: {each.function}\n    - {each.old}\n    + {each.new}")
    return not open_ and not stale


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="mutation testing with mutmut")
    parser.add_argument("--report", action="store_true", help="do not run, say what the last run found")
    parser.add_argument("--again", action="store_true", help="only what lived in the last run")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(MODULES)}; all when left out")
    options = parser.parse_args()
    if find_spec("ftwire_core") is None:
        parser.error("mutants of what uses the compiled core need it: make core")
    if unknown := set(options.modules) - MODULES.keys():
        parser.error(f"no such module: {', '.join(sorted(unknown))}")
    good = True
    for name in options.modules or MODULES:
        if not options.report:
            run(name, again=options.again)
        good = report(collect(name)) and good
        sys.stdout.flush()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
