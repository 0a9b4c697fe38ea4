"""Mutation testing of the modules that stand between hostile bytes and everything else, with mutmut.

    python tests/mutation/mutate.py [MODULE ...]           stage, mutate, test; exit 1 where a survivor is not explained
    python tests/mutation/mutate.py --again [MODULE ...]   try what lived again, with the tests of today
    python tests/mutation/mutate.py --report [MODULE ...]  say again what the last run found

Each module is mutated in a copy of the tree below ``.mutation/MODULE``, where ``codec`` is called ``src``: mutmut
knows a module by its path and takes only that name off it. ``survivors.toml`` says of every mutant that no test
kills why none can; a mutant is known there by its function and the lines it changes, since numbers move.
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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
WORK: Final = ROOT / ".mutation"
SURVIVORS: Final = Path(__file__).with_name("survivors.toml")


class Module(NamedTuple):
    """What is mutated, and the tests that are to notice: those that are fast and about it."""

    path: str
    tests: tuple[str, ...]
    examples: int = 40
    """Hypothesis examples of each property: the same ones for each mutant."""
    slow: tuple[str, ...] = ()
    """Arguments to pytest for tests that only what survives the others is given to."""
    core: tuple[str, ...] = ()
    """The same for tests that need the compiled core, where it is installed; all others run without it."""
    but: str = ""
    """Those of ``tests`` that are left to ``slow``, as pytest's ``-k`` names them."""


ENCODED: Final = "tests/test_core.py::test_every_frame_is_encoded_the_same"
CUT: Final = "tests/test_core.py::test_every_stream_gives_the_same"
MODULES: Final = {
    "header": Module("header.py", ("tests/test_header.py",)),
    "cipher": Module("cipher.py", ("tests/test_cipher.py",)),
    "frame": Module(
        "frame.py",
        ("tests/test_frame.py", "tests/test_stream.py", "tests/test_chunks.py"),
        15,
        slow=("tests/test_observer.py", "tests/test_body.py", "-k", "not every_class"),
        core=("tests/test_frame.py", ENCODED),
    ),
    "stream": Module(
        "stream.py",
        ("tests/test_stream.py", "tests/test_chunks.py", "tests/test_scan.py"),
        15,
        slow=("tests/test_observer_websocket.py",),
        core=("tests/test_stream.py", "tests/test_chunks.py", CUT),
    ),
    "scan": Module(
        "scan.py",
        ("tests/test_scan.py", "tests/test_chunks.py"),
        15,
        core=("tests/test_scan.py", "tests/test_chunks.py", CUT),
    ),
    "tcp": Module(
        "pcap/tcp.py",
        ("tests/pcap/test_reassembly.py", "tests/pcap/test_reassembly_edges.py"),
        5,
        slow=("tests/pcap/test_limits.py", "-k", "flow or acknowledgements"),
    ),
    "reassembly": Module(
        "pcap/stream.py",
        ("tests/pcap/test_reassembly.py", "tests/pcap/test_reassembly_edges.py", "tests/pcap/test_packets.py"),
        5,
        slow=("tests/pcap/test_reassembly.py", "tests/pcap/test_limits.py", "-k", "whatever or holes or as_idle"),
        but="mutated or link or headers or whatever",
    ),
}

# A text in another case says nothing about the tests that the text inside XX does not say.
_RUN: Final = """\
import sys
from itertools import islice
import mutmut.__main__
from mutmut.mutation.mutators import mutation_operators as operators, operator_string
at = [function for _, function in operators].index(operator_string)
operators[at] = operators[at][0], lambda node: islice(operator_string(node), 1)
mutmut.__main__.cli(["run", *sys.argv[1:]])
"""

# One "NAME: STATUS" a mutant, and for those that live a line with the difference in JSON.
_SHOW: Final = """\
import io, json
from contextlib import redirect_stdout
from mutmut.__main__ import cli
def said(*words):
    with redirect_stdout(io.StringIO()) as text:
        cli.main(words, standalone_mode=False)
    return text.getvalue()
for line in said("results", "--all", "true").splitlines():
    name, _, status = line.strip().rpartition(": ")
    shown = said("show", name) if status not in ("killed", "timeout") else ""
    print(json.dumps([name, status, shown]))
"""

_CONFIGURATION: Final = """\
[tool.mutmut]
source_paths = ["src"]
only_mutate = ["src/ftwire/{path}"]
also_copy = ["fixtures", "tools", "proto"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:benchmark"]
pytest_add_cli_args_test_selection = {selection}
use_git_change_detection = false
timeout_multiplier = 5.0
timeout_constant = 2.0

[tool.pytest.ini_options]
pythonpath = ["tests", "."]
timeout = 120
"""


class Survivor(NamedTuple):
    """A mutant that no test noticed."""

    function: str
    old: str
    """The lines it takes away, without indentation, joined by a blank."""
    new: str
    """The lines in their place."""


class Result(NamedTuple):
    """What came of one module."""

    module: str
    statuses: dict[str, int]
    """How many mutants came to what, in mutmut's words."""
    survivors: list[Survivor]


def stage(name: str, *, afresh: bool) -> None:
    """Lay the copy out that mutmut works in, or bring it up to date."""
    module, place = MODULES[name], WORK / name
    if afresh:
        shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True, exist_ok=True)
    (place / "slow.json").unlink(missing_ok=True)
    for old in (place / "mutants").glob("**/*"):
        # mutmut copies a file once. Verdicts are kept, those of functions that are other ones now excepted.
        if old.is_file() and old.suffix not in {".meta", ".json"}:
            old.unlink()
    unwanted = shutil.ignore_patterns("__pycache__", "interop", "bench", "fuzz", "mutation", "corpus")
    for folder, goal in (
        ("codec", "src"),
        ("tests", "tests"),
        ("fixtures", "fixtures"),
        ("tools", "tools"),
        ("proto", "proto"),
    ):
        shutil.copytree(ROOT / folder, place / goal, ignore=unwanted, dirs_exist_ok=True)
    selection = [*module.tests, "-k", f"not ({module.but})"] if module.but else [*module.tests]
    (place / "pyproject.toml").write_text(_CONFIGURATION.format(path=module.path, selection=json.dumps(selection)))


def environment(name: str) -> dict[str, str]:
    """What the tests of a module's mutants are run with."""
    examples = str(MODULES[name].examples)
    return {
        **os.environ,
        "HYPOTHESIS_PROFILE": "mutation",
        "MUTATION_EXAMPLES": examples,
        "PYTHONDONTWRITEBYTECODE": "1",
        "FTWIRE_CORE": "off",
    }


def core_is_there() -> bool:
    """Say whether the compiled core is installed: then what stands in its branches is tried too."""
    return find_spec("ftwire_core") is not None


def mutmut(name: str, program: str, *arguments: str) -> str:
    """Run mutmut in a module's copy."""
    words = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(words, cwd=WORK / name, env=environment(name), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"mutmut: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def killed_slowly(name: str, mutants: Sequence[str]) -> dict[str, bool]:
    """Say which mutants the module's slow tests notice; what they say is kept for the next report."""
    known = WORK / name / "slow.json"
    verdicts: dict[str, bool] = json.loads(known.read_text()) if known.is_file() else {}
    # Without a mutant they must not fail.
    new = [mutant for mutant in ("", *mutants) if mutant not in verdicts]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutant, fails in zip(new, pool.map(partial(_slow_tests_fail, name), new), strict=True):
            verdicts[mutant] = fails
            known.write_text(json.dumps(verdicts))
            if verdicts[""]:
                known.unlink()
                pool.shutdown(cancel_futures=True)
                raise RuntimeError(f"{name}: its slow tests fail without a mutant")
    return verdicts


def _slow_tests_fail(name: str, mutant: str) -> bool:
    module = MODULES[name]
    runs = [("off", module.slow), ("required", module.core if core_is_there() else ())]
    return any(_fail(name, mutant, core, tests) for core, tests in runs if tests)


def _fail(name: str, mutant: str, core: str, tests: tuple[str, ...]) -> bool:
    plugins = ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:benchmark"]
    words = [sys.executable, "-m", "pytest", "-x", "-q", *plugins, *tests]
    under = environment(name) | {"MUTANT_UNDER_TEST": mutant, "PYTHONPATH": "src:tools", "FTWIRE_CORE": core}
    try:
        done = subprocess.run(
            words, cwd=WORK / name / "mutants", env=under, capture_output=True, check=False, timeout=300
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def alive(name: str) -> list[str]:
    """Names of the mutants that the last run left alive."""
    told = map(json.loads, mutmut(name, _SHOW).splitlines())
    return [mutant for mutant, status, _ in told if status not in {"killed", "timeout"}]


def collect(name: str) -> Result:
    """Read what mutmut found out, and give the survivors to the slow tests."""
    told = [json.loads(line) for line in mutmut(name, _SHOW).splitlines()]
    verdicts = killed_slowly(name, [mutant for mutant, _, shown in told if shown])
    statuses: dict[str, int] = {}
    survivors = []
    for mutant, status, shown in told:
        killed = verdicts.get(mutant, False)
        statuses["killed" if killed else status] = statuses.get("killed" if killed else status, 0) + 1
        if shown and not killed:
            survivors.append(_survivor(mutant, shown))
    return Result(name, statuses, survivors)


def _survivor(mutant: str, shown: str) -> Survivor:
    function = mutant.rpartition(".")[2].partition("__mutmut_")[0].removeprefix("x")
    function = function.strip("ǁ").replace("ǁ", ".") if "ǁ" in function else function.removeprefix("_")
    old, new = (
        " ".join(line[1:].strip() for line in shown.splitlines() if re.match(rf"\{sign}(?!\{sign}\{sign})", line))
        for sign in "-+"
    )
    return Survivor(function, old, new)


def explained(name: str) -> dict[Survivor, str]:
    """Survivors of a module with the reason why no test can kill them."""
    table = tomllib.loads(SURVIVORS.read_text(encoding="utf-8")) if SURVIVORS.is_file() else {}
    return {
        Survivor(entry["function"], entry["old"], entry["new"]): group["why"]
        for group in table.get(name, [])
        if not (group.get("without_core") and core_is_there())
        for entry in group["mutants"]
    }


def report(result: Result) -> bool:
    """Print a module's figures and whatever is not explained; say whether all is."""
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
    """Do what was asked for."""
    parser = argparse.ArgumentParser(description="mutation testing with mutmut")
    parser.add_argument("--report", action="store_true", help="do not run, say what the last run found")
    parser.add_argument("--again", action="store_true", help="only what lived in the last run")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(MODULES)}; all when left out")
    options = parser.parse_args()
    if unknown := set(options.modules) - MODULES.keys():
        parser.error(f"no such module: {', '.join(sorted(unknown))}")
    good = True
    for name in options.modules or MODULES:
        if not options.report:
            names = alive(name) if options.again else []
            stage(name, afresh=not options.again)
            if names:
                mutmut(name, _RUN, *names)
            mutmut(name, _RUN)  # all, or those of functions that are other ones today
        good = report(collect(name)) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
