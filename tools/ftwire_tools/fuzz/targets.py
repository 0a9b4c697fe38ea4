"""What is fuzzed: a gateway or a client, with a program that we start or without."""

from __future__ import annotations

import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from ftwire.cipher import RsaKey
from ftwire.frame import Role
from ftwire_tools.fuzz.hostile_client import HostileClient
from ftwire_tools.fuzz.hostile_gateway import HostileGateway
from ftwire_tools.fuzz.judgement import FuzzFinding, PlayRecord
from ftwire_tools.fuzz.program import Program
from ftwire_tools.fuzz.steps import FuzzSetup, FuzzStep
from ftwire_tools.fuzz.transport import FrameTransport, FuzzTransport
from ftwire_tools.terminal.addresses import Address

__all__ = ["ClientTarget", "FuzzTarget", "GatewayTarget", "LostTargetError", "target_for"]

START_SECONDS: Final = 30.0
"""Time for a gateway to serve its first session, or to come back."""
EXIT_SECONDS: Final = 0.5
"""Time for a program to end after its connections."""
POLL: Final = 0.05


class LostTargetError(Exception):
    """There is nobody to fuzz any more; the sentence says why."""


class FuzzTarget(ABC):
    """What steps are performed against, at ``address``; ``program`` is what we start, ``None`` where nothing is.

    ``key`` is the RSA key of both sides, ``ws_key`` the key of a gateway's WebSocket clients.
    """

    role: Role
    """Our side."""

    def __init__(
        self, setup: FuzzSetup, address: tuple[str, int], *, key: RsaKey | None = None, ws_key: str = ""
    ) -> None:
        self.program: Program | None = None
        self._setup: Final = setup
        self._address: Final = address
        self._transport: Callable[[], FuzzTransport] = partial(FrameTransport, self.role, key)
        if setup.websocket:
            # Here, not above: TCP needs no WebSocket library.
            from ftwire_tools.fuzz.websocket import EnvelopeTransport

            self._transport = partial(EnvelopeTransport, self.role, address, ws_key)

    @abstractmethod
    def play(self, steps: Sequence[FuzzStep], *, fresh: bool = False) -> PlayRecord:
        """Perform steps; ``fresh`` against a program started for them alone. Raises ``LostTargetError``."""

    def close(self) -> None:
        """End what was started."""
        if self.program is not None:
            self.program.close()


class GatewayTarget(FuzzTarget):
    """A gateway that listens at the address."""

    role = Role.CLIENT
    _serves = False

    def play(self, steps: Sequence[FuzzStep], *, fresh: bool = False) -> PlayRecord:
        """See ``FuzzTarget``."""
        program = self.program
        if program is not None and (fresh or not self._serves):
            program.start()
            self._serves = False
        if not self._serves:
            self._wait()
        record = self._perform(steps)
        is_dead = record.has("dead")
        self._serves = not is_dead and (program is None or not record.findings)
        if program is not None:
            record.output = program.output()
            if is_dead:
                _wait_for_exit(program)
                code = program.exit_code
                if how := program.crash() or ("" if code is None else f"exit code {code}"):
                    record.findings.insert(0, FuzzFinding("crashed", how))
        return record

    def _perform(self, steps: Sequence[FuzzStep]) -> PlayRecord:
        return HostileClient(self._transport, self._setup.timeout, self._address).play(steps)

    def _wait(self) -> None:
        """Wait until a legal session is served."""
        program = self.program
        end = time.monotonic() + START_SECONDS
        while findings := self._perform(()).findings:
            why = findings[0].detail
            if program is not None and not program.is_running:
                raise LostTargetError(f"the gateway's program has ended before it served anybody: {why}")
            if time.monotonic() > end or program is None:
                raise LostTargetError(f"{Address(*self._address)}: {why}")
            time.sleep(POLL)
        self._serves = True


class ClientTarget(FuzzTarget):
    """Clients that connect to a socket, which listens at the address.

    ``keep_running`` is for a program that connects again and again: it is started anew only when it has ended or
    something was found. Raises ``OSError`` where nobody can listen.
    """

    role = Role.SERVER

    def __init__(self, setup: FuzzSetup, address: tuple[str, int], *, keep_running: bool = False, **keys: Any) -> None:
        super().__init__(setup, address, **keys)
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._listening: Final = socket.create_server(address, family=family)
        self._listening.setblocking(False)
        self._keep_running: Final = keep_running
        self._has_misbehaved = self._was_seen = False

    @property
    def port(self) -> int:
        """The port to connect to."""
        return int(self._listening.getsockname()[1])

    def play(self, steps: Sequence[FuzzStep], *, fresh: bool = False) -> PlayRecord:
        """See ``FuzzTarget``."""
        program = self.program
        if program is not None and (fresh or self._has_misbehaved or not (self._keep_running and program.is_running)):
            program.stop()
            self._refuse_waiting()
            program.start()
        gateway = HostileGateway(
            self._transport,
            self._setup,
            self._listening,
            steps,
            has_ended=lambda: program is not None and not program.is_running,
        )
        record = gateway.play()
        self._was_seen = self._was_seen or gateway.opened > 0
        if not self._was_seen:
            ended = "" if program is None or program.is_running else f"; the program has ended: {_last_line(program)}"
            raise LostTargetError(f"nobody has connected{ended}")
        if program is not None:
            if not self._keep_running and not record.findings:
                _wait_for_exit(program)
            if how := program.crash():
                record.findings.insert(0, FuzzFinding("crashed", how))
            record.output = program.output()
            if not self._keep_running:
                program.stop()
        self._has_misbehaved = bool(record.findings)
        return record

    def _refuse_waiting(self) -> None:
        """Close connections of the program before that nobody has accepted."""
        while True:
            try:
                self._listening.accept()[0].close()
            except OSError:
                return

    def close(self) -> None:
        """See ``FuzzTarget``."""
        super().close()
        self._listening.close()


def _wait_for_exit(program: Program) -> None:
    end = time.monotonic() + EXIT_SECONDS
    while program.is_running and time.monotonic() < end:
        time.sleep(POLL)


def _last_line(program: Program) -> str:
    lines = program.output().strip().splitlines()
    return lines[-1][:200] if lines else "it wrote nothing"


def target_for(setup: FuzzSetup, address: tuple[str, int], command: str | None, **more: Any) -> FuzzTarget:
    """Return the target of a setup, with the program that ``command`` starts; ``more`` is for its constructor.

    Raises ``ProgramError``, and ``OSError`` where nobody can listen at ``address``.
    """
    program = None
    if command is not None:
        program = Program(command, allowed=setup.exit_codes, crash_text=setup.crash_text)
    make: Callable[..., FuzzTarget] = GatewayTarget if setup.mode == "gateway" else ClientTarget
    target = make(setup, address, **more)
    target.program = program
    return target
