"""The compiled core as ``pip install ./codec/core`` builds it: ``make core-test`` runs all tests with one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD_SECONDS = 900


@pytest.mark.timeout(2 * BUILD_SECONDS)
@pytest.mark.usefixtures("cargo")
def test_what_is_built_is_what_is_used(tmp_path: Path) -> None:
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path)]
    done = subprocess.run([*install, "./codec/core"], cwd=ROOT, capture_output=True, text=True, timeout=BUILD_SECONDS)
    assert done.returncode == 0, done.stderr
    environment = {**os.environ, "FTWIRE_CORE": "required", "PYTHONPATH": str(tmp_path)}
    program = "import ftwire, ftwire_core; print(ftwire.compiled, ftwire_core.__file__)"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"True {tmp_path / 'ftwire_core' / '__init__.py'}\n"
