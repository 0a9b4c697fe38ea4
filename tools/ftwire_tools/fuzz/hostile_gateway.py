"""Clients as the target, and the hostile gateway that answers them, wrongly where a step says so.

The steps are for the first connection on which the client sends anything. Others, which are those of a client that has
come back, get legal answers alone.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from ftwire.body import encode_body
from ftwire.frame import Role
from ftwire_tools.fuzz.bodies import CLASSES, response_message
from ftwire_tools.fuzz.connection import FuzzConnection
from ftwire_tools.fuzz.judgement import FuzzFinding, PlayRecord, fault_of
from ftwire_tools.fuzz.steps import FuzzSetup, FuzzStep
from ftwire_tools.fuzz.targets import EXIT_SECONDS, START_SECONDS, FuzzTarget, LostTargetError
from ftwire_tools.fuzz.transport import FuzzTransport, PongReceived, UpgradeReceived

__all__ = ["ClientTarget"]

PROOF: Final = 2
"""Frames of a client after the last step that show that it goes on; pongs, where it has no KeepAlive."""
LINGER: Final = 1.5
"""Seconds in which a client that goes on may end its connection, or itself, of its own accord."""
TICK: Final = 0.05
ABOUT_REQUESTS: Final = frozenset(("reply", "skip", "late"))
"""Steps that say what to do about a request."""


class ClientTarget(FuzzTarget):
    """Clients that connect to a socket, which listens at the address.

    ``keep_running`` is for a program that connects again and again: it is started anew only when it has ended or
    something was found. Raises ``OSError`` where nobody can listen.
    """

    role = Role.SERVER

    def __init__(self, setup: FuzzSetup, address: tuple[str, int], *, keep_running: bool = False, **keys: Any) -> None:
        super().__init__(setup, address, **keys)
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.listening: Final = socket.create_server(address, family=family)
        self.listening.setblocking(False)
        self._keep_running: Final = keep_running
        self._has_misbehaved = self._was_seen = False

    @property
    def port(self) -> int:
        """The port to connect to."""
        return int(self.listening.getsockname()[1])

    def play(self, steps: Sequence[FuzzStep], *, fresh: bool = False) -> PlayRecord:
        """See ``FuzzTarget``."""
        program = self.program
        if program is not None and (fresh or self._has_misbehaved or not (self._keep_running and program.is_running)):
            program.stop()
            self._refuse_waiting()
            program.start()
        record = HostileGateway(self, steps).play()
        self._was_seen = self._was_seen or record.connections > 0
        if not self._was_seen:
            why = "nobody has connected"
            if program is not None and not program.is_running:
                lines = program.output().strip().splitlines() or ["it wrote nothing"]
                why += f"; the program has ended: {lines[-1][:200]}"
            raise LostTargetError(why)
        if program is not None:
            if not self._keep_running and not record.findings:
                program.wait(EXIT_SECONDS)
            if how := program.crash():
                record.findings.insert(0, FuzzFinding("crashed", how))
            record.output = program.output()
            if not self._keep_running:
                program.stop()
        self._has_misbehaved = bool(record.findings)
        return record

    def _refuse_waiting(self) -> None:
        """Close connections of the program before that nobody has accepted."""
        with suppress(OSError):
            while True:
                self.listening.accept()[0].close()

    def close(self) -> None:
        """See ``FuzzTarget``."""
        super().close()
        self.listening.close()


class ClientConnection(FuzzConnection):
    """One connection of the client."""

    late: Any = None
    """A request that is answered after the next one."""
    requests = 0

    def __init__(self, gateway: HostileGateway, transport: FuzzTransport, connected: socket.socket) -> None:
        super().__init__(gateway.record, transport, gateway.setup.timeout, connected)
        self._gateway: Final = gateway
        self.asked = self._beaten = time.monotonic()
        """When its last request came."""

    def take(self, event: Any) -> None:
        """See ``FuzzConnection``."""
        self._gateway.take(self, event)

    def answer(self, request: Any, step: FuzzStep) -> None:
        """Send the reply to a request, with what is wrong in ``step``."""
        proto_id, asked = request.proto_id, request.message
        if CLASSES[Role.SERVER][proto_id] is None:
            return
        response = response_message(proto_id, asked, self._gateway.keep_alive)
        step = replace(step, proto=proto_id, format=1 if request.body_format == 1 else 0)
        self.do(step, encode_body(response, step.format), request.serial)
        if proto_id == self.transport.init and not self.is_open:
            self.is_open = True
            self.transport.agree(asked, response)

    def beat(self) -> None:
        """Ping a client without KeepAlive as often as it would send that."""
        transport, now = self.transport, time.monotonic()
        is_due = now - self._beaten > self._gateway.keep_alive
        if is_due and transport.is_websocket and transport.is_ready and not transport.sent_close:
            self._beaten = now
            self.do(FuzzStep("ping", data=b"beat".hex()))


class HostileGateway:
    """One performance against clients that connect."""

    def __init__(self, target: ClientTarget, steps: Sequence[FuzzStep]) -> None:
        self.record: Final = PlayRecord()
        self.setup: Final = target.setup
        self.keep_alive: Final = max(1, int(target.setup.timeout / 10))
        """``keepAliveInterval`` for clients, in seconds."""
        self._target: Final = target
        self._steps: Final = list(steps)
        self._connections: Final[list[ClientConnection]] = []
        self._victim: ClientConnection | None = None
        self._last_request: Any = None
        self._began: Final = time.monotonic()
        self._proof = 0
        self._proven_at = 0.0
        self._wrong: Final[list[str]] = []

    def play(self) -> PlayRecord:
        """Serve until the client has shown what it does."""
        try:
            while not (end := self._how_it_ended()):
                self._read_ready(TICK)
                for connection in self._connections:
                    connection.beat()
                if self._connections:
                    self._perform(self._victim or self._connections[0])
        finally:
            for connection in self._connections:
                connection.leave()
        for number, label in enumerate(self._wrong, start=1):
            self.record.reactions.append((label, end if number == len(self._wrong) else "went on"))
        return self.record

    # What the client does

    def _how_it_ended(self) -> str:
        """Return how the performance has ended, nothing while it goes on."""
        now = time.monotonic()
        program = self._target.program
        if program is not None and not program.is_running:
            while self._read_ready(0):
                pass
            return "ended"
        if (victim := self._victim) is not None:
            elsewhere = sum(each.requests for each in self._connections if each is not victim)
            if not victim.end and elsewhere >= PROOF and now - victim.heard > 2 * self.keep_alive + LINGER:
                # It goes on with other connections: nothing more comes of the steps.
                return "went on"
            if (victim.end or not self._steps) and self._proof >= PROOF:
                if victim.end in {"closed", "reset"}:
                    return f"{victim.end} and came back" if elsewhere else "went on"
                if elsewhere >= PROOF:
                    return "went on"
                # A client can seem to work and have lost a thread: whether it can use a new connection shows that.
                self._proven_at = self._proven_at or now
                if not victim.end and now - self._proven_at > LINGER:
                    victim.leave()
        return self._missed(now) or ("went on" if now - self._began > max(30.0, 4 * self.setup.timeout) else "")

    def _missed(self, now: float) -> str:
        """Judge a client that is silent or away; returns how the performance has ended, if it has."""
        connections, come_back = self._connections, self.setup.come_back
        quiet = now - max([self._began, *(each.heard for each in connections)])
        if any(not each.end for each in connections):
            if quiet > self.setup.timeout:
                self.record.found("silent", f"nothing for {quiet:.1f} s, with a connection open")
                return "silent"
            # A client without KeepAlive that answers pings and asks nothing more waits for pushes.
            waits = now - max(each.asked for each in connections) > self.setup.timeout
            return "went on" if waits and connections[0].transport.is_websocket else ""
        if quiet <= (come_back if connections else max(come_back, START_SECONDS)):
            return ""
        if connections:
            victim = self._victim or connections[0]
            how = "we ended" if victim.end == "left" else f"it {victim.end}"
            self.record.found("gone", f"{quiet:.0f} s after the connection that {how}")
        else:
            self.record.found("gone", f"nobody has connected for {quiet:.0f} s")
        return "gone"

    def _read_ready(self, seconds: float) -> bool:
        """Accept and read what there is within so many seconds; returns whether there was anything."""
        sockets = {each.socket: each for each in self._connections if not each.end}
        ready, _, _ = select.select([self._target.listening, *sockets], [], [], seconds)
        for each in ready:
            if each is self._target.listening:
                with suppress(OSError):
                    connected, _ = self._target.listening.accept()
                    self._connections.append(ClientConnection(self, self._target.new_transport(), connected))
            elif not sockets[each].end:
                sockets[each].read()
        return bool(ready)

    def take(self, connection: ClientConnection, event: Any) -> None:
        """Handle what a client has sent."""
        self._victim = self._victim or connection
        transport, is_victim = connection.transport, connection is self._victim
        if isinstance(event, UpgradeReceived):
            answer = transport.outgoing()
            if is_victim and self._steps and self._steps[0].do == "upgrade":
                answer = bytes.fromhex(self._next_step().data)
            connection.write(answer)
        elif isinstance(event, PongReceived):
            self._proof += is_victim and not self._steps
        elif (fault := fault_of(event)) is None:
            self._take_request(connection, event)
        # Nobody can tell which cipher a handshake with something wrong in it has agreed on.
        elif not (transport.is_encrypted and is_victim and any(transport.init_name in each for each in self._wrong)):
            self.record.findings.append(fault)

    def _take_request(self, connection: ClientConnection, request: Any) -> None:
        is_victim = connection is self._victim
        self._last_request = request.message if hasattr(request.message, "c2s") else None
        connection.requests += 1
        connection.asked = time.monotonic()
        self._proof += not is_victim or not self._steps
        step = FuzzStep("reply")
        if is_victim:
            self._perform(connection)
            if self._is_due(connection):
                transport = connection.transport
                step = self._next_step(f" ({transport.init_name})" if request.proto_id == transport.init else "")
        if connection.end:
            return
        if step.do == "late":
            connection.late = request
        elif step.do == "reply":
            connection.answer(request, step)
            if connection.late is not None:
                late, connection.late = connection.late, None
                connection.answer(late, FuzzStep("reply"))

    # The steps

    def _is_due(self, connection: ClientConnection) -> bool:
        return bool(self._steps) and self._steps[0].after <= connection.requests and not connection.end

    def _next_step(self, about: str = "") -> FuzzStep:
        step = self._steps.pop(0)
        self.record.performed += 1
        if step.label:
            self._wrong.append(step.label + about)
        return step

    def _perform(self, connection: ClientConnection) -> None:
        """Do the steps whose time has come and that are not about a request."""
        waits = ABOUT_REQUESTS if connection.transport.is_ready else {*ABOUT_REQUESTS, "upgrade"}
        while self._is_due(connection) and self._steps[0].do not in waits:
            step = self._next_step()
            if step.do == "push":
                connection.do(step, encode_body(response_message(step.proto, self._last_request, self.keep_alive)))
            elif step.do != "upgrade":
                connection.do(step)
