"""The program under test, where we start it."""

from __future__ import annotations

import re
import signal
import subprocess
import tempfile
from contextlib import suppress
from typing import Final

from ftwire_tools.terminal.command_words import command_words

__all__ = ["Program", "ProgramError"]

END_SECONDS: Final = 2.0
"""Time to end by itself after SIGTERM."""
LAST: Final = 64 << 10
"""Bytes of its output that are kept, the last ones."""


class ProgramError(Exception):
    """It cannot be started; the sentence says why."""


class Program:
    """Starts and ends ``command``, words as for a shell, which is not used.

    ``allowed`` are the exit codes that are no crash; a signal is always one, unless we sent it. ``crash_text`` is a
    regular expression: what it finds in the program's output is a crash, too. Raises ``ProgramError``.
    """

    def __init__(self, command: str, *, allowed: tuple[int, ...] = (0, 1), crash_text: str = "") -> None:
        try:
            self._words: Final = command_words(command)
            self._crash_text: Final = re.compile(crash_text)
        except re.error as error:
            raise ProgramError(f"no regular expression: {error}") from None
        except ValueError as error:
            raise ProgramError(f"no command: {error}") from None
        if not self._words:
            raise ProgramError("no command: it names no program")
        self._allowed: Final = allowed
        self._process: subprocess.Popen[bytes] | None = None
        self._output: Final = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the program

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; ``None`` while it runs."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it, after ending the one before. Raises ``ProgramError``."""
        self.stop()
        self._output.seek(0)
        self._output.truncate()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the user's own command
                self._words, stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output, start_new_session=True
            )
        except OSError as error:
            raise ProgramError(f"{self._words[0]}: {error.strerror or error}") from None

    def wait(self, seconds: float) -> None:
        """Wait for its end, at most so long."""
        with suppress(subprocess.TimeoutExpired):
            if self._process is not None:
                self._process.wait(seconds)

    def stop(self) -> None:
        """End it, if it runs."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
        process.kill()  # nothing, where it has ended
        process.wait()

    def crash(self) -> str:
        """Return how it crashed, nothing where it did not."""
        code = self.exit_code
        if code is not None and code < 0:
            names = {each.value: each.name for each in signal.Signals}
            return f"ended by {names.get(-code, f'signal {-code}')}"
        if code is not None and code not in self._allowed:
            return f"exit code {code}"
        found = self._crash_text.search(self.output())
        return found[0][:200] if found else ""

    def output(self) -> str:
        """Return the end of what it has written."""
        size = self._output.seek(0, 2)
        self._output.seek(max(0, size - LAST))
        text = self._output.read().decode(errors="replace")
        self._output.seek(0, 2)
        return text

    def close(self) -> None:
        """End it for good."""
        self.stop()
        self._output.close()
