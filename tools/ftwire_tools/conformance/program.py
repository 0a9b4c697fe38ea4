"""A program under test, which answers questions over its standard input and output, one JSON object a line."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any, Final

__all__ = ["NoAnswerError", "ProgramUnderTest"]

MAX_ANSWER: Final = 16 << 20
"""Longest line taken from the program, in bytes."""


_PARTS: Final = 16
"""Parts of the output that wait to be read, 64 KiB each at most."""


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
        self._reading: _Reading | None = None
        self._writing: _Writing | None = None

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Send one question and return the answer to it.

        Raises ``NoAnswerError`` where the program ends, does not answer in time, or answers something else, and
        ``OSError`` where it cannot be started.
        """
        if self._process is None:
            self._received = b""
            self._process = subprocess.Popen(self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - the user's own command
            self._reading = _Reading(self._process.stdout) if self._process.stdout is not None else None
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
        if self._reading is not None:
            self._reading.stop()
        if process.stdin is not None and (self._writing is None or not self._writing.is_alive()):
            with suppress(OSError):
                process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1)
        if process.poll() is None:
            process.kill()
        process.wait()

    def _send(self, data: bytes) -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise NoAnswerError("the program is not running")
        # In a thread, as reading: Windows can wait for sockets, not for pipes.
        writing = self._writing = _Writing(process.stdin.fileno(), data)
        writing.join(self._timeout)
        if writing.is_alive():
            raise NoAnswerError(f"the question was not read within {self._timeout:g} s")
        if writing.failed:
            raise self._ended(process)

    def _line(self) -> bytes:
        process = self._process
        reading = self._reading
        if process is None or reading is None:
            raise NoAnswerError("the program is not running")
        end = time.monotonic() + self._timeout
        while b"\n" not in self._received:
            try:
                data = reading.parts.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                raise NoAnswerError(f"no answer within {self._timeout:g} s") from None
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


class _Writing(threading.Thread):
    """A thread that writes to a pipe, and notes whether that failed."""

    def __init__(self, pipe: int, data: bytes) -> None:
        super().__init__(daemon=True)
        self._pipe: Final = pipe
        self._data: Final = data
        self.failed = False
        self.start()

    def run(self) -> None:
        data = self._data
        try:
            while data:
                data = data[os.write(self._pipe, data) :]
        except OSError:
            self.failed = True


class _Reading(threading.Thread):
    """A thread that reads a program's output; the pipe is its own, and it closes it."""

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._pipe: Final = pipe
        self._stopped: Final = threading.Event()
        self.parts: Final[queue.Queue[bytes]] = queue.Queue(_PARTS)
        """What was read, in order, and an empty part at its end."""
        self.start()

    def stop(self) -> None:
        """Keep nothing of what comes from now on."""
        self._stopped.set()
        with suppress(queue.Empty):
            self.parts.get_nowait()  # the thread may be waiting for room

    def run(self) -> None:
        data = b"-"
        with self._pipe:
            while data and not self._stopped.is_set():
                try:
                    data = os.read(self._pipe.fileno(), 1 << 16)
                except OSError:
                    data = b""
                self.parts.put(data)
