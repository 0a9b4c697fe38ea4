"""Run whole programs as a user would start them, with compiled bytecode, and measure time and memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

FTWIRE = str(Path(sys.executable).with_name("ftwire"))


class Run(NamedTuple):
    """Time and memory of one run of a program."""

    seconds: float
    """CPU time, user and system."""
    memory: int
    """Largest resident size, in bytes."""
    code: int


def environment(**more: str) -> dict[str, str]:
    """Return the caller's environment without variables that slow Python programs down."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return own | more


def run(command: Sequence[str], *, stdin: int | None = None, env: dict[str, str] | None = None) -> Run:
    """Run a program to its end; its output goes nowhere."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment() if env is None else env,
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Run(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, process.returncode)
