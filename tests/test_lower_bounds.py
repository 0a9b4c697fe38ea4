"""What must work with every dependency at its lower bound, and the script that finds those bounds."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest

import ftwire
import ftwire_tools
import protobuf_versions
from lower_bounds import ROOT, TESTS, constraints

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def commands(command: Any, context: click.Context, *path: str) -> list[tuple[str, ...]]:
    """The paths of all commands below one, itself included."""
    found = [path]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found += commands(command.get_command(context, name), context, *path, name)
    return found


def test_every_command_shows_its_help() -> None:
    from click.testing import CliRunner

    from ftwire_tools.commands import ftwire as cli

    paths = commands(cli, click.Context(cli))
    assert len(paths) > 15
    for path in paths:
        done = CliRunner().invoke(cli, [*path, "--help"])
        assert done.exit_code == 0, (path, done.output, done.exception)
        assert done.output.startswith("Usage: ")


@pytest.mark.parametrize("package", [ftwire, ftwire_tools], ids=lambda package: package.__name__)
def test_every_module_can_be_imported(package: Any) -> None:
    """In a process of its own, since what is imported stays."""
    names = [found.name for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    names = [name for name in names if "messages." not in name]
    # On a cluster only.
    names = [name for name in names if not name.endswith((".on_ray", ".on_dask"))]
    assert len(names) > 20
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_bounds_of_all_extras_are_found() -> None:
    found = list(constraints(PROJECT))
    assert {"click==8.1", "construct==2.10.70", "pyarrow==21", "ptars==0.0.25", "websockets==14"} <= set(found)
    assert {line.partition("==")[0] for line in found} >= {"ray", "distributed", "hypothesis", "rich"}


@pytest.mark.parametrize("wrong", [["click"], ["click<9"], ["click>=8.1,<9"], ["click>=8.1", "click>=8.2"]])
def test_a_dependency_without_one_bound_is_found_out(wrong: list[str]) -> None:
    with pytest.raises(ValueError, match="click"):
        list(constraints({"name": "ftwire", "dependencies": wrong, "optional-dependencies": {}}))


def test_the_subsets_are_there() -> None:
    assert all(Path(ROOT, name).is_file() for name in (*TESTS, *protobuf_versions.TESTS))


def test_the_oldest_protobuf_allowed_is_among_those_that_are_tried() -> None:
    assert f"protobuf>={protobuf_versions.VERSIONS[0]}" in PROJECT["dependencies"]
