"""What is fuzzed: a gateway or a client, with a program that is started for it or without."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from ftwire_tools.fuzz.hostile_client import play_against_gateway, probe_gateway
from ftwire_tools.fuzz.hostile_gateway import HostileGateway
from ftwire_tools.fuzz.judgement import Finding, Outcome

if TYPE_CHECKING:
    import socket

    from ftwire_tools.fuzz.program import Program
    from ftwire_tools.fuzz.steps import Step
    from ftwire_tools.fuzz.wire_format import Wire
    from ftwire_tools.terminal.addresses import Address

__all__ = ["ClientTarget", "GatewayTarget", "LostTargetError", "Target"]

START_SECONDS: Final = 30.0
"""Time for a gateway to serve its first session, or to come back."""
EXIT_SECONDS: Final = 0.5
"""Time for a program to be gone after its connections are."""
POLL: Final = 0.05


class LostTargetError(Exception):
    """There is nobody to fuzz any more; the sentence says why."""


class Target(Protocol):
    """What steps are performed against."""

    def play(self, steps: Sequence[Step], *, fresh: bool = False) -> Outcome:
        """Perform steps; ``fresh`` against a program started for them alone. Raises ``LostTargetError``."""
        ...

    def close(self) -> None:
        """End what was started."""
        ...


class GatewayTarget:
    """A gateway that listens at ``address``, started by ``program`` where there is one; it speaks ``wire``."""

    def __init__(self, address: Address, *, wire: Callable[[], Wire], timeout: float, program: Program | None) -> None:
        self._address: Final = address
        self._wire: Final = wire
        self._timeout: Final = timeout
        self._program: Final = program
        self._serves = False

    def play(self, steps: Sequence[Step], *, fresh: bool = False) -> Outcome:
        """See ``Target``."""
        program = self._program
        if program is not None and (fresh or not self._serves):
            program.start()
            self._serves = False
        if not self._serves:
            self._wait()
        outcome = play_against_gateway(
            steps, self._address.host, self._address.port, wire=self._wire, timeout=self._timeout
        )
        outcome = outcome if program is None else outcome._replace(output=program.output())
        self._serves = not (outcome.has("dead") or (program is not None and outcome.findings))
        if program is None or not outcome.has("dead"):
            return outcome
        end = time.monotonic() + EXIT_SECONDS
        while program.is_running and time.monotonic() < end:
            time.sleep(POLL)
        code = program.exit_code
        if how := program.crash() or ("" if code is None else f"exit code {code}"):
            return outcome._replace(findings=(Finding("crashed", how), *outcome.findings))
        return outcome

    def _wait(self) -> None:
        """Wait until a legal session is served."""
        program = self._program
        end = time.monotonic() + START_SECONDS
        while True:
            why = probe_gateway(self._address.host, self._address.port, wire=self._wire, timeout=self._timeout)
            if not why:
                self._serves = True
                return
            if program is not None and not program.is_running:
                raise LostTargetError(f"the gateway's program has ended before it served anybody: {why}")
            if time.monotonic() > end or program is None:
                raise LostTargetError(f"{self._address}: {why}")
            time.sleep(POLL)

    def close(self) -> None:
        """See ``Target``."""
        if self._program is not None:
            self._program.close()


class ClientTarget:
    """Clients that connect to a listening socket, started by ``program`` where there is one; they speak ``wire``.

    ``keep_running`` is for a program that connects again and again: it is started anew only when it has ended
    or misbehaved.
    """

    def __init__(
        self,
        listening: socket.socket,
        *,
        wire: Callable[[], Wire],
        timeout: float,
        come_back: float,
        program: Program | None,
        keep_running: bool,
    ) -> None:
        self._listening: Final = listening
        self._wire: Final = wire
        self._timeout: Final = timeout
        self._come_back: Final = come_back
        self._program: Final = program
        self._keep_running: Final = keep_running
        self._misbehaved = False
        self._seen = False

    def play(self, steps: Sequence[Step], *, fresh: bool = False) -> Outcome:
        """See ``Target``."""
        program = self._program
        if program is not None and (fresh or self._misbehaved or not (self._keep_running and program.is_running)):
            program.stop()
            self._forget_waiting()
            program.start()
        gateway = HostileGateway(
            self._listening,
            steps,
            wire=self._wire,
            timeout=self._timeout,
            come_back=self._come_back,
            longest=max(30.0, 4 * self._timeout),
            ended=self._has_ended,
        )
        outcome, words = gateway.play(), ""
        if not gateway.has_client and not self._seen:
            ended = program is not None and not program.is_running
            how = f"; the program has ended: {self._last_words()}" if ended else ""
            raise LostTargetError(f"nobody has connected{how}")
        self._seen = self._seen or gateway.has_client
        if program is not None:
            self._wait_for_exit(outcome)
            if how := program.crash():
                outcome = outcome._replace(findings=(Finding("crashed", how), *outcome.findings))
            words = program.output()
            if not self._keep_running:
                program.stop()
        self._misbehaved = bool(outcome.findings)
        return outcome if program is None else outcome._replace(output=words)

    def _wait_for_exit(self, outcome: Outcome) -> None:
        """Give a program that is done the time to say so."""
        program = self._program
        if program is None or self._keep_running or outcome.findings:
            return
        end = time.monotonic() + EXIT_SECONDS
        while program.is_running and time.monotonic() < end:
            time.sleep(POLL)

    def _has_ended(self) -> bool:
        return self._program is not None and not self._program.is_running

    def _forget_waiting(self) -> None:
        """Close connections that the program before has left in the queue."""
        while True:
            try:
                self._listening.accept()[0].close()
            except OSError:
                return

    def _last_words(self) -> str:
        lines = [] if self._program is None else self._program.output().strip().splitlines()
        return lines[-1][:200] if lines else "it said nothing"

    def close(self) -> None:
        """See ``Target``."""
        if self._program is not None:
            self._program.close()
        self._listening.close()
