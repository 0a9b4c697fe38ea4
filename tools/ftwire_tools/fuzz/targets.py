"""What is fuzzed, with a program that we start or without."""

from __future__ import annotations

import re
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from ftwire.cipher import RsaKey
from ftwire.frame import Role
from ftwire_tools.fuzz.judgement import PlayRecord
from ftwire_tools.fuzz.steps import FuzzSetup, FuzzStep
from ftwire_tools.fuzz.transport import FrameTransport, FuzzTransport
from ftwire_tools.terminal.command_words import command_words

__all__ = ["EXIT_SECONDS", "START_SECONDS", "FuzzTarget", "LostTargetError", "Program", "ProgramError"]

START_SECONDS: Final = 30.0
"""Time for a gateway to serve its first session, or to come back; for a client to connect the first time."""
EXIT_SECONDS: Final = 0.5
"""Time for a program to end after its connections."""
END_SECONDS: Final = 2.0
"""Time for a program to end by itself after SIGTERM."""
LAST: Final = 64 << 10
"""Bytes of a program's output that are kept, the last ones."""


class LostTargetError(Exception):
    """There is nobody to fuzz any more; the sentence says why."""


class FuzzTarget(ABC):
    """What steps are performed against, at ``address``; ``program`` is what we start, ``None`` where nothing is.

    ``key`` is the RSA key of both sides, ``ws_key`` the key of a gateway's WebSocket clients. ``new_transport`` makes
    the transport of a connection.
    """

    role: Role
    """Our side."""

    def __init__(
        self, setup: FuzzSetup, address: tuple[str, int], *, key: RsaKey | None = None, ws_key: str = ""
    ) -> None:
        self.program: Program | None = None
        self.setup: Final = setup
        self.address: Final = address
        self.new_transport: Callable[[], FuzzTransport] = partial(FrameTransport, self.role, key)
        if setup.websocket:
            # Here, not above: TCP needs no WebSocket library.
            from ftwire_tools.fuzz.websocket import EnvelopeTransport

            self.new_transport = partial(EnvelopeTransport, self.role, address, ws_key)

    @abstractmethod
    def play(self, steps: Sequence[FuzzStep], *, fresh: bool = False) -> PlayRecord:
        """Perform steps; ``fresh`` against a program started for them alone. Raises ``LostTargetError``."""

    def close(self) -> None:
        """End what was started."""
        if self.program is not None:
            self.program.close()


class ProgramError(Exception):
    """A program cannot be started; the sentence says why."""


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
