"""Runs what GitHub's workflows run on Linux, and what the container file runs, where neither is at hand.

    python tests/workflow_check.py [--without REGEX] [--list]

The commands of the workflows' Linux jobs run in a clean clone of HEAD with an environment of their own, each once: of
several rows of a matrix the first. Those of the container file run in another environment, up to the gateway that
listens. ``--without`` leaves commands out, and says which.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[1]
WORKFLOWS: Final = ("release", "test")
"""In this order: the second leaves an editable installation behind."""


def rows(job: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Return the rows of a job's matrix that run on Linux, as values by name."""
    matrix = {name: list(map(str, values)) for name, values in job.get("strategy", {}).get("matrix", {}).items()}
    matrix.pop("exclude", None)
    for values in product(*matrix.values()):
        row = dict(zip(matrix, values, strict=True))
        if filled(job["runs-on"], row).startswith("ubuntu"):
            yield row


def filled(text: str, row: dict[str, str]) -> str:
    """Return a text of a workflow with the matrix's values. Raises ``KeyError`` for any other expression."""
    return re.sub(r"\$\{\{ (.+?) \}\}", lambda found: row[found[1].removeprefix("matrix.")], text)


def commands() -> dict[tuple[str, tuple[tuple[str, str], ...]], None]:
    """Return every command with its variables, once."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], None] = {}
    for name in WORKFLOWS:
        workflow = yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text(encoding="utf-8"))
        for job in workflow["jobs"].values():
            for row in rows(job):
                for step in job["steps"]:
                    variables = {**job.get("env", {}), **step.get("env", {})}
                    if "run" in step:
                        values = tuple((key, filled(str(value), row)) for key, value in variables.items())
                        found[filled(step["run"], row), values] = None
    return found


def environment(place: Path) -> dict[str, str]:
    """Make a virtual environment and return the variables with which it is the first on the path."""
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    variables = {**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}"}
    for name in ("PYTHONPATH", "FTWIRE_CORE"):
        variables.pop(name, None)
    return variables | {"CI": "true"}  # as GitHub sets it


def run_container(place: Path) -> int:
    """Run the container file's installation and its command; return 0 if a gateway listens then."""
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    variables = environment(place / "venv")
    for line in re.findall(r"^RUN (.+)$", text, re.MULTILINE):
        for command in line.split(" && "):
            if command.startswith("pip "):  # what else there is needs a container
                here = command.replace("/wheels", str(place / "wheels"))
                if code := subprocess.run(["bash", "-c", here], cwd=ROOT, env=variables, check=False).returncode:
                    return code
    words = [
        word for name in ("ENTRYPOINT", "CMD") for word in json.loads(re.findall(rf"^{name} (.+)$", text, re.M)[0])
    ]
    with subprocess.Popen(
        [*words, "--port", "0"], cwd=place, env=variables, stderr=subprocess.PIPE, text=True
    ) as gateway:
        assert gateway.stderr is not None
        listens = any("listening" in line for line in gateway.stderr)
        gateway.terminate()
    return int(not listens)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--without", default=r"(?!)", metavar="REGEX", help="leave out commands in which this is found")
    parser.add_argument("--list", action="store_true", help="only print the commands")
    arguments = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        if not arguments.list:
            subprocess.run(["git", "clone", "--quiet", ROOT, place / "clone"], check=True)
            variables = environment(place / "venv")
        for command, values in commands():
            shown = " ".join([*(f"{name}={value}" for name, value in values), command])
            left_out = re.search(arguments.without, shown) is not None
            print(f"{'left out' if left_out else '$'} {shown}", flush=True)
            if left_out or arguments.list:
                continue
            words = ["bash", "-eo", "pipefail", "-c", command]
            if subprocess.run(words, cwd=place / "clone", env={**variables, **dict(values)}, check=False).returncode:
                failed.append(shown)
        if not arguments.list:
            print("$ Containerfile", flush=True)
            if run_container(place / "container"):
                failed.append("Containerfile")
    print("".join(f"failed: {shown}\n" for shown in failed) or "fine")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
