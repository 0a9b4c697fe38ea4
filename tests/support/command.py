"""The command ``ftwire`` in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

__all__ = ["FTWIRE", "read_until", "started"]

FTWIRE: Final = (sys.executable, "-m", "ftwire_tools.cli")
"""The command, run by this interpreter."""


@contextmanager
def started(
    *words: str | Path,
    stdin: int | IO[bytes] | None = None,
    stdout: int | None = None,
    prepare: Callable[[], None] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command with these words until the block is left; what it writes to standard error can be read."""
    process = subprocess.Popen(
        [*FTWIRE, *map(str, words)], stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, preexec_fn=prepare
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[bytes], pattern: str) -> tuple[str, re.Match[str]]:
    """Read standard error up to the line that matches; return all that was read, and the match in its last line."""
    assert process.stderr is not None
    said = ""
    for raw in process.stderr:
        line = raw.decode()
        said += line
        if found := re.search(pattern, line):
            return said, found
    raise AssertionError(f"it ended without {pattern}: {said}")
