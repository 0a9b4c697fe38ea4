"""A program under test, which answers questions over its standard input and output, one JSON object a line."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

__all__ = ["NoAnswerError", "ProgramUnderTest"]

MAX_ANSWER: Final = 16 << 20
"""Longest line taken from the program, in bytes."""


class NoAnswerError(Exception):
    """The program gave no answer that can be used; the message says what happened instead."""


class ProgramUnderTest:
    """Runs the program, and starts it again whenever it has ended or was ended.

    ``words`` is the program and its arguments, ``timeout`` how long one answer may take, in seconds. What the
    program writes to standard error goes to ours.
    """

    def __init__(self, words: Sequence[str], timeout: float) -> None:
        self._words: Final = words
        self._timeout: Final = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._received = b""

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Send one question and return the answer to it.

        Raises ``NoAnswerError`` where the program ends, does not answer in time, or answers something else, and
        ``OSError`` where it cannot be started.
        """
        if self._process is None:
            self._received = b""
            self._process = subprocess.Popen(self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - the user's own command
        try:
            self._send(json.dumps(question).encode() + b"\n")
            line = self._line()
        except NoAnswerError:
            self.close()
            raise
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            raise NoAnswerError("the answer is not JSON") from None
        if not isinstance(answer, dict) or answer.get("id") != question["id"]:
            raise NoAnswerError("the answer is not an object with the question's id")
        return answer

    def close(self) -> None:
        """End the program."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _send(self, data: bytes) -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise NoAnswerError("the program is not running")
        end = time.monotonic() + self._timeout
        pipe = process.stdin.fileno()
        os.set_blocking(pipe, False)
        while data:
            left = end - time.monotonic()
            if left <= 0 or not select.select([], [pipe], [], left)[1]:
                raise NoAnswerError(f"the question was not read within {self._timeout:g} s")
            try:
                data = data[os.write(pipe, data) :]
            except BlockingIOError:
                continue
            except OSError:
                raise self._ended(process) from None

    def _line(self) -> bytes:
        process = self._process
        if process is None or process.stdout is None:
            raise NoAnswerError("the program is not running")
        end = time.monotonic() + self._timeout
        pipe = process.stdout.fileno()
        while b"\n" not in self._received:
            left = end - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                raise NoAnswerError(f"no answer within {self._timeout:g} s")
            data = os.read(pipe, 1 << 16)
            if not data:
                raise self._ended(process)
            self._received += data
            if len(self._received) > MAX_ANSWER:
                raise NoAnswerError(f"an answer of more than {MAX_ANSWER} bytes")
        line, _, self._received = self._received.partition(b"\n")
        return line

    @staticmethod
    def _ended(process: subprocess.Popen[bytes]) -> NoAnswerError:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        code = process.returncode
        return NoAnswerError(
            "the program closed its output" if code is None else f"the program ended, exit code {code}"
        )
