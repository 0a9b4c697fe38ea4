"""A program of ``clients/`` with the vendor's Python SDK, which writes what it sees: a JSON object a line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interop.peers import environment, python

__all__ = ["CLIENTS", "SDK", "SdkProgram", "sdk_program"]

SDK = "futu-api-10.11"
CLIENTS = Path(__file__).with_name("clients")


class SdkProgram:
    """The running program."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.lines: list[dict[str, Any]] = []
        """What it has written so far."""

    def until(self, **wanted: object) -> dict[str, Any]:
        """Return the next line that has these facts; lines before it are skipped."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found: dict[str, Any] = json.loads(line)
            self.lines.append(found)
            if found.get("event") == "failed":
                raise AssertionError(found["reason"])
            if wanted.items() <= found.items():
                return found
        raise AssertionError(f"it ended before {wanted}")

    def ask(self, call: str, *words: object) -> dict[str, Any]:
        """Write a line to it, and return its reply."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, (call, *words))) + "\n")
        self._process.stdin.flush()
        return self.until(event="reply", call=call)


@contextmanager
def sdk_program(name: str, port: int | None) -> Iterator[SdkProgram]:
    """Run a program as a client of the gateway on a port, until the block is left."""
    process = subprocess.Popen(
        [str(python(SDK)), str(CLIENTS / name), str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(SDK),
        encoding="utf-8",
    )
    try:
        yield SdkProgram(process)
    finally:
        process.kill()
        process.communicate()
