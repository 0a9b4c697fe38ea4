"""Runs a subset of the tests with every dependency at the lower bound that ``pyproject.toml`` states for it.

``make lower-bounds`` calls this. It makes a virtual environment in a temporary directory, installs the package with
all extras and exactly those versions, and runs ``TESTS`` in it. ``--print`` shows the constraints alone.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]

TESTS: Final = (
    "tests/test_lower_bounds.py",  # imports, and --help of every command
    "tests/codec/test_public.py",
    "tests/codec/test_header.py",
    "tests/codec/test_frame.py",
    "tests/codec/test_stream.py",
    "tests/codec/test_connection.py",
    "tests/codec/test_schema.py",
    "tests/codec/test_websocket.py",
    "tests/codec/test_strategies.py",
    "tests/tools/dumping/test_goldens.py",
    "tests/tools/filters/test_expressions.py",
    "tests/tools/report/test_filters_of_the_page.py",
    "tests/tools/export/test_export.py",
    "tests/tools/gateway/test_control.py",
    "tests/tools/gateway/test_serve.py",
    "tests/tools/gateway/test_gateway_clients.py",  # with clients on plain sockets: no part of what is tested
)
"""At least one use of each dependency; together about a minute."""

CORE: Final = "core"
"""The extra with the compiled core, which comes from this checkout too and is tested by itself."""

_BOUND: Final = re.compile(r"([\w.-]+)(?:\[[\w,-]+\])?>=([\w.]+)(?:;.*)?")


def constraints(project: dict[str, Any]) -> Iterator[str]:
    """Return ``name==bound`` for each dependency of the package and of its extras.

    Raises ``ValueError`` for one without a lower bound, or with two.
    """
    bounds: dict[str, str] = {}
    extras = [listed for extra, listed in project["optional-dependencies"].items() if extra != CORE]
    for listed in (project["dependencies"], *extras):
        for requirement in listed:
            text = re.sub(r"\s", "", requirement)
            if re.match(rf"{project['name']}\[", text):
                continue  # another extra of ours
            found = _BOUND.fullmatch(text)
            if found is None:
                raise ValueError(f"{requirement!r} is not of the form name>=version")
            if bounds.setdefault(found[1], found[2]) != found[2]:
                raise ValueError(f"{found[1]} has two lower bounds, {bounds[found[1]]} and {found[2]}")
    return (f"{name}=={bound}" for name, bound in sorted(bounds.items()))


def run(*words: str | Path) -> None:
    """Run a program in the checkout. Raises ``CalledProcessError``."""
    subprocess.run(words, cwd=ROOT, check=True)


def installer(python: Path) -> tuple[str | Path, ...]:
    """Return the command that installs packages into the environment of ``python``."""
    return (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def run_tests(python: Path, tests: Sequence[str]) -> int:
    """Run tests of the checkout with the package that is installed for ``python``; return pytest's exit code.

    Without the compiled core, which has no dependency.
    """
    pytest = (python, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    environment = {**os.environ, "FTWIRE_CORE": "off"}
    environment.pop("PYTHONPATH", None)
    # Versions are what this is about: more examples, and what takes long, have their turn in other runs.
    environment.pop("CI", None)
    return subprocess.run([*pytest, *tests], cwd=ROOT, env=environment, check=False).returncode


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--print", action="store_true", help="only print the constraints")
    only_print = parser.parse_args().print
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = settings["project"]
    lines = "".join(f"{line}\n" for line in constraints(project))
    sys.stdout.write(lines)
    sys.stdout.flush()
    if only_print:
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        (place / "constraints.txt").write_text(lines)
        venv.create(place / "venv", with_pip=True)
        python = place / "venv" / "bin" / "python"
        extras = ",".join(name for name in project["optional-dependencies"] if name != CORE)
        tools = settings["dependency-groups"]["tests"]
        run(*installer(python), "--constraint", place / "constraints.txt", f"{ROOT}[{extras}]", *tools)
        run(python, "-m", "pip", "check")
        return run_tests(python, TESTS)


if __name__ == "__main__":
    sys.exit(main())
