"""Every program in examples/ runs, and prints what it is for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ftwire_tools.testing import gateway
from support.places import ROOT

EXAMPLES = ROOT / "examples"
CAPTURE = ROOT / "fixtures/captures/futu-api-10.11-plain.pcap"
OF_CAPTURES = {
    "read_capture.py": "8 00700 3 points 698000 ns",
    "tables_in_memory.py": "{'code': 'HK.00700', 'volume_sum': 582900.0}",
}
OF_GATEWAYS = {
    "own_socket.py": "00700 2021-06-09 14:15:00 599.5",
    "rt_data.py": "turnover [153060000.0, 182730300.0, 960850.0]",
    "watch_pushes.py": "00700 2021-06-09 14:15:00 599.5",
}
TESTS = {"test_with_gateway.py"}


def output(*words: str | Path) -> str:
    done = subprocess.run([sys.executable, *words], capture_output=True, encoding="utf-8", check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_program_is_run_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*OF_CAPTURES, *OF_GATEWAYS, *TESTS}


@pytest.mark.parametrize("name", OF_CAPTURES)
def test_programs_about_captures(name: str) -> None:
    if name == "tables_in_memory.py":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'ftwire[export]'")
    assert OF_CAPTURES[name] in output(EXAMPLES / name, CAPTURE)


@pytest.mark.parametrize("name", OF_GATEWAYS)
def test_programs_about_gateways(name: str) -> None:
    with gateway(CAPTURE) as running:
        assert OF_GATEWAYS[name] in output(EXAMPLES / name, str(running.port))


@pytest.mark.parametrize("name", sorted(TESTS))
def test_tests(name: str) -> None:
    assert "1 passed" in output("-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", EXAMPLES / name)
