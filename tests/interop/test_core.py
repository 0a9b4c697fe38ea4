"""The compiled core, built from the source beside it: the unit tests of what it does, with nothing else allowed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = (
    "tests/codec/pcap",
    "tests/codec/test_cipher.py",
    "tests/codec/test_connection.py",
    "tests/codec/test_conversation.py",
    "tests/codec/test_core.py",
    "tests/tools/dumping/test_dump.py",
    "tests/tools/dumping/test_goldens.py",
    "tests/codec/test_observer.py",
    "tests/codec/test_projection.py",
    "tests/tools/test_resources.py",
    "tests/codec/test_resync.py",
    "tests/codec/test_stream.py",
    "tests/codec/test_json.py",
)
BUILD_SECONDS = 900


pytestmark = pytest.mark.timeout(2 * BUILD_SECONDS)


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package ``ftwire_core``."""
    if shutil.which("cargo") is None:
        reason = "the compiled core cannot be built: cargo is not installed"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("core")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    done = subprocess.run([*install, "./codec/core"], cwd=ROOT, capture_output=True, text=True, timeout=BUILD_SECONDS)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_unit_tests_pass_with_it(core: Path) -> None:
    environment = {**os.environ, "FTWIRE_CORE": "required", "PYTHONPATH": str(core)}
    command = [sys.executable, "-m", "pytest", "-q", *TESTS]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_it_is_what_was_built(core: Path) -> None:
    environment = {**os.environ, "FTWIRE_CORE": "required", "PYTHONPATH": str(core)}
    program = "import ftwire, ftwire_core; print(ftwire.compiled, ftwire_core.__file__)"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"True {core / 'ftwire_core' / '__init__.py'}\n"
