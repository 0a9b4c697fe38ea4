"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from support.places import ROOT

EXAMPLE = ROOT / "examples" / "pytest"


def run(folder: Path, *options: str | Path) -> str:
    """Run pytest with this plugin alone, whether ftwire is installed or not, and with nothing of our own settings."""
    words = ["-m", "pytest", "-q", "-p", "ftwire_tools.pytest_plugin", "-p", "no:cacheprovider", "-c", "none.ini"]
    (folder / "none.ini").write_text("[pytest]\n")
    words = [sys.executable, *words, "--rootdir", str(folder), *map(str, options)]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_found_by_pytest_where_ftwire_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    entry_points = settings["project"]["entry-points"]["pytest11"]
    assert entry_points == {"ftwire": "ftwire_tools.pytest_plugin"}
    assert hasattr(importlib.import_module(entry_points["ftwire"]), "opend")


def test_it_imports_nothing_until_the_fixture_is_used(tmp_path: Path) -> None:
    (tmp_path / "test_both.py").write_text(
        "import sys\n"
        "def ours():\n"
        "    return sorted(name for name in sys.modules if name.partition('.')[0] in {'ftwire', 'ftwire_tools'})\n"
        "def test_before():\n"
        "    assert ours() == ['ftwire_tools', 'ftwire_tools.pytest_plugin']\n"
        "def test_with_it(opend):\n"
        "    assert 'ftwire' in ours()\n"
    )
    assert "2 passed" in run(tmp_path)


def test_the_example_passes_backwards_too(tmp_path: Path) -> None:
    """No test needs what another has left; forwards it is in the README."""
    for path in EXAMPLE.glob("*.py"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tests = [line.removeprefix("def ").partition("(")[0] for line in (EXAMPLE / "test_buy_the_dip.py").open()]
    backwards = [f"test_buy_the_dip.py::{name}" for name in reversed(tests) if name.startswith("test_")]
    assert "6 passed" in run(tmp_path, *backwards)


def test_each_test_begins_with_a_gateway_as_new(tmp_path: Path) -> None:
    (tmp_path / "test_reset.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('number', range(5))\n"
        "def test_it(opend, number):\n"
        "    state = opend.state()\n"
        "    assert state['market'] == {'now': 1718200800, 'stopped': True, 'steered': {}, 'next_orders': []}\n"
        "    assert state['logged_in'] and not state['refusals'] and not state['faults'] and not opend.requests\n"
        "    opend.market.set_price('HK.00700', 300 + number)\n"
        "    opend.clock.start()\n"
        "    opend.orders.reject_next()\n"
        "    opend.replies.refuse_next('Qot_GetRT')\n"
        "    opend.faults.add('drop')\n"
        "    opend.login.log_out()\n"
    )
    assert "5 passed" in run(tmp_path)


def test_its_help_says_what_the_fixture_is(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text("")
    said = run(tmp_path, "--fixtures")
    assert "A gateway in place of OpenD: connect a client to ``opend.host``" in said
