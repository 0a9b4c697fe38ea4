"""Builds a wheel of the compiled core: ``python codec/core/make_wheel.py DIRECTORY``. Needs cargo and maturin.

It fits every Python from 3.11 on (abi3). On Linux zig links it against an old glibc, which manylinux wheels promise;
elsewhere the system's own linker does. Panics name places in source files: without the folders of this machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

CORE: Final = Path(__file__).resolve().parent


def main() -> int:
    """Run the command."""
    (target,) = sys.argv[1:]
    cargo = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    flags = [
        *os.environ.get("RUSTFLAGS", "").split(),
        f"--remap-path-prefix={cargo}=cargo",
        f"--remap-path-prefix={CORE}=core",
    ]
    words = [sys.executable, "-m", "maturin", "build", "--release", "--out", target]
    words += ["--manifest-path", str(CORE / "Cargo.toml")]
    if sys.platform == "linux":
        words.append("--zig")
    environment = {
        **os.environ,
        # Encoded, since folders may have spaces in their names.
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
        # maturin looks for zig beside the first Python of the path, in an environment that is not activated, too.
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
    }
    return subprocess.run(words, env=environment, check=False).returncode  # noqa: S603 - maturin


if __name__ == "__main__":
    sys.exit(main())
