"""What is fuzzed: a gateway or a client, with a program that we start or without."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from ftwire.cipher import RsaKey
from ftwire.frame import Role
from ftwire_tools.fuzz.hostile_client import GatewayPlay
from ftwire_tools.fuzz.hostile_gateway import HostileGateway, listen
from ftwire_tools.fuzz.judgement import PlayOutcome
from ftwire_tools.fuzz.program import Program
from ftwire_tools.fuzz.steps import FuzzStep
from ftwire_tools.fuzz.transports import FuzzTransport, transport_for

__all__ = ["ClientTarget", "FuzzSetup", "FuzzTarget", "GatewayTarget", "LostTargetError", "target_for"]

START_SECONDS: Final = 30.0
"""Time for a gateway to serve its first session, or to come back."""
EXIT_SECONDS: Final = 0.5
"""Time for a program to end after its connections."""
POLL: Final = 0.05


class LostTargetError(Exception):
    """There is nobody to fuzz any more; the sentence says why."""


@dataclass(frozen=True, slots=True)
class FuzzSetup:
    """Which peer is fuzzed and how it is judged: what a ``crash.json`` keeps beside the steps."""

    mode: str
    """``gateway`` or ``client``."""
    timeout: float
    """Seconds until a gateway counts as hung, a client as silent."""
    encrypted: bool = False
    websocket: bool = False
    come_back: float = 30.0
    """A client's: how long it may stay away, in seconds."""
    exit_codes: tuple[int, ...] = (0, 1)
    """A client's: those that are no crash."""
    crash_text: str = ""
    """A client's: what in its output is a crash, a regular expression."""


class FuzzTarget(Protocol):
    """What steps are performed against."""

    def play(self, steps: Sequence[FuzzStep], *, fresh: bool = False) -> PlayOutcome:
        """Perform steps; ``fresh`` against a program started for them alone. Raises ``LostTargetError``."""
        ...

    def close(self) -> None:
        """End what was started."""
        ...


class GatewayTarget:
    """A gateway that listens at ``address``, started by ``program`` where there is one."""

    def __init__(
        self,
        address: tuple[str, int],
        *,
        transport: Callable[[], FuzzTransport],
        timeout: float,
        program: Program | None = None,
    ) -> None:
        self._address: Final = address
        self._new_play: Final = partial(GatewayPlay, address, transport, timeout)
        self._program: Final = program
        self._serves = False

    def play(self, steps: Sequence[FuzzStep], *, fresh: bool = False) -> PlayOutcome:
        """See ``FuzzTarget``."""
        program = self._program
        if program is not None and (fresh or not self._serves):
            program.start()
            self._serves = False
        if not self._serves:
            self._wait()
        outcome = self._new_play().run(steps)
        is_dead = outcome.has("dead")
        self._serves = not is_dead and (program is None or not outcome.findings)
        if program is None:
            return outcome
        outcome = outcome._replace(output=program.output())
        if is_dead:
            _wait_for_exit(program)
            code = program.exit_code
            if how := program.crash() or ("" if code is None else f"exit code {code}"):
                return outcome.with_crash(how)
        return outcome

    def _wait(self) -> None:
        """Wait until a legal session is served."""
        program = self._program
        end = time.monotonic() + START_SECONDS
        while findings := self._new_play().run(()).findings:
            why = findings[0].detail
            if program is not None and not program.is_running:
                raise LostTargetError(f"the gateway's program has ended before it served anybody: {why}")
            if time.monotonic() > end or program is None:
                host, port = self._address
                raise LostTargetError(f"{f'[{host}]' if ':' in host else host}:{port}: {why}")
            time.sleep(POLL)
        self._serves = True

    def close(self) -> None:
        """See ``FuzzTarget``."""
        if self._program is not None:
            self._program.close()


class ClientTarget:
    """Clients that connect to a listening socket, started by ``program`` where there is one.

    ``come_back`` is how long a client may stay away, in seconds. ``keep_running`` is for a program that connects again
    and again: it is started anew only when it has ended or something was found.
    """

    def __init__(
        self,
        listening: socket.socket,
        *,
        transport: Callable[[], FuzzTransport],
        timeout: float,
        come_back: float,
        program: Program | None = None,
        keep_running: bool = False,
    ) -> None:
        self._listening: Final = listening
        self._transport: Final = transport
        self._timeout: Final = timeout
        self._come_back: Final = come_back
        self._program: Final = program
        self._keep_running: Final = keep_running
        self._has_misbehaved = False
        self._was_seen = False

    @property
    def port(self) -> int:
        """The port to connect to."""
        return int(self._listening.getsockname()[1])

    def play(self, steps: Sequence[FuzzStep], *, fresh: bool = False) -> PlayOutcome:
        """See ``FuzzTarget``."""
        program = self._program
        if program is not None and (fresh or self._has_misbehaved or not (self._keep_running and program.is_running)):
            program.stop()
            self._refuse_waiting()
            program.start()
        gateway = HostileGateway(
            self._listening,
            steps,
            self._transport,
            timeout=self._timeout,
            come_back=self._come_back,
            has_ended=lambda: program is not None and not program.is_running,
        )
        outcome = gateway.play()
        self._was_seen = self._was_seen or gateway.has_client
        if not self._was_seen:
            ended = "" if program is None or program.is_running else f"; the program has ended: {_last_line(program)}"
            raise LostTargetError(f"nobody has connected{ended}")
        if program is not None:
            if not self._keep_running and not outcome.findings:
                _wait_for_exit(program)
            if how := program.crash():
                outcome = outcome.with_crash(how)
            outcome = outcome._replace(output=program.output())
            if not self._keep_running:
                program.stop()
        self._has_misbehaved = bool(outcome.findings)
        return outcome

    def _refuse_waiting(self) -> None:
        """Close connections of the program before that nobody has accepted."""
        while True:
            try:
                self._listening.accept()[0].close()
            except OSError:
                return

    def close(self) -> None:
        """See ``FuzzTarget``."""
        if self._program is not None:
            self._program.close()
        self._listening.close()


def _wait_for_exit(program: Program) -> None:
    end = time.monotonic() + EXIT_SECONDS
    while program.is_running and time.monotonic() < end:
        time.sleep(POLL)


def _last_line(program: Program) -> str:
    lines = program.output().strip().splitlines()
    return lines[-1][:200] if lines else "it wrote nothing"


def target_for(
    setup: FuzzSetup,
    address: tuple[str, int],
    *,
    key: RsaKey | None = None,
    ws_key: str = "",
    command: str | None = None,
    keep_running: bool = False,
) -> GatewayTarget | ClientTarget:
    """Return the target: the gateway at ``address``, or clients that connect there; ``command`` starts its program.

    ``key`` is the RSA key of both sides, ``ws_key`` the key of a gateway's WebSocket clients. Raises ``ProgramError``,
    and ``OSError`` where nobody can listen at ``address``.
    """
    of_gateway = setup.mode == "gateway"
    role = Role.CLIENT if of_gateway else Role.SERVER
    transport = transport_for(role, address, key=key, websocket=setup.websocket, ws_key=ws_key)
    program = None
    if command is not None:
        program = Program(command, allowed=setup.exit_codes, crash_text=setup.crash_text)
    if of_gateway:
        return GatewayTarget(address, transport=transport, timeout=setup.timeout, program=program)
    return ClientTarget(
        listen(*address),
        transport=transport,
        timeout=setup.timeout,
        come_back=setup.come_back,
        program=program,
        keep_running=keep_running,
    )
