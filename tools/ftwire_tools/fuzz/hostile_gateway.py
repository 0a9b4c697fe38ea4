"""A hostile gateway: answers a client that connects, wrongly where a step says so, and records what the client does.

The steps are for the first connection on which the client sends anything. Others, which are those of a client that has
come back, get legal answers alone.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from ftwire.body import encode_body
from ftwire.frame import Role
from ftwire_tools.fuzz.bodies import CLASSES, response_message
from ftwire_tools.fuzz.connection import FuzzConnection, FuzzPlay
from ftwire_tools.fuzz.judgement import PlayRecord, fault_of
from ftwire_tools.fuzz.steps import FuzzSetup, FuzzStep
from ftwire_tools.fuzz.transport import FuzzTransport, PongReceived, UpgradeReceived

__all__ = ["HostileGateway"]

START_SECONDS: Final = 30.0
"""How long the first connection may take: a program has to start."""
PROOF: Final = 2
"""Frames of a client after the last step that show that it goes on; pongs, where it has no KeepAlive."""
LINGER: Final = 1.5
"""Seconds in which a client that goes on may end its connection, or itself, of its own accord."""
TICK: Final = 0.05


class ClientConnection(FuzzConnection):
    """One connection of the client."""

    def __init__(self, gateway: HostileGateway, connected: socket.socket) -> None:
        super().__init__(gateway, connected)
        self._gateway: Final = gateway
        self.requests = 0
        self.asked = self._beaten = time.monotonic()
        """When its last request came."""
        self.late: Any = None
        """A request that is answered after the next one."""

    def take(self, event: Any) -> None:
        """See ``FuzzConnection``."""
        self._gateway.take(self, event)

    def answer(self, request: Any, step: FuzzStep) -> None:
        """Send the reply to a request, with what is wrong in ``step``."""
        proto_id = request.proto_id
        if CLASSES[Role.SERVER][proto_id] is None:
            return
        asked: Any = request.message
        response = response_message(proto_id, asked, self._gateway.keep_alive)
        body_format = 1 if request.body_format == 1 else 0
        reply = replace(step, proto=proto_id, format=body_format)
        rendered = self.transport.render(reply, encode_body(response, body_format), request.serial)
        self.write(rendered.data, step.chunk)
        if proto_id == self.transport.init and not self.is_open:
            self.is_open = True
            self.transport.agree(asked, response)

    def push(self, step: FuzzStep, like: Any) -> None:
        """Send a push about the security of the request ``like``."""
        response = response_message(step.proto, like, self._gateway.keep_alive)
        self.write(self.transport.render(step, encode_body(response), 0).data, step.chunk)

    def beat(self) -> None:
        """Ping a client without KeepAlive as often as it would send that."""
        transport, now = self.transport, time.monotonic()
        is_due = now - self._beaten > self._gateway.keep_alive
        if is_due and transport.is_websocket and transport.is_ready and not transport.sent_close:
            self._beaten = now
            self.write(transport.render(FuzzStep("ping", data=b"beat".hex())).data)


class HostileGateway(FuzzPlay):
    """One performance on a listening socket. ``has_ended`` returns whether the client's program has ended."""

    def __init__(
        self,
        transport: Callable[[], FuzzTransport],
        setup: FuzzSetup,
        listening: socket.socket,
        steps: Sequence[FuzzStep],
        has_ended: Callable[[], bool],
    ) -> None:
        super().__init__(transport, setup.timeout)
        self.keep_alive: Final = max(1, int(setup.timeout / 10))
        """``keepAliveInterval`` for clients, in seconds."""
        self._listening: Final = listening
        self._steps: Final = list(steps)
        self._come_back: Final = setup.come_back
        self._longest: Final = max(30.0, 4 * setup.timeout)
        self._has_ended: Final = has_ended
        self._connections: Final[list[ClientConnection]] = []
        self._victim: ClientConnection | None = None
        self._last_request: Any = None
        self._began: Final = time.monotonic()
        self._proof = 0
        self._proven_at: float | None = None
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
        self.record.reactions.extend((label, "went on") for label in self._wrong[:-1])
        self.record.reactions.extend((label, end) for label in self._wrong[-1:])
        return self.record

    def _how_it_ended(self) -> str:
        """Return how the performance has ended, nothing while it goes on."""
        now = time.monotonic()
        if self._has_ended():
            while self._read_ready(0):
                pass
            return "ended"
        victim = self._victim
        elsewhere = sum(each.requests for each in self._connections if each is not victim)
        is_open = victim is not None and not victim.end
        if victim is not None and is_open and elsewhere >= PROOF and now - victim.heard > 2 * self.keep_alive + LINGER:
            # It goes on with other connections: nothing more comes of the steps.
            return "went on"
        if victim is not None and (victim.end or not self._steps) and self._proof >= PROOF:
            if victim.end in {"closed", "reset"}:
                return f"{victim.end} and came back" if elsewhere else "went on"
            if elsewhere >= PROOF:
                return "went on"
            # A client can seem to work and have lost a thread: whether it can use a new connection shows that.
            self._proven_at = self._proven_at or now
            if is_open and now - self._proven_at > LINGER:
                victim.leave()
        return self._missed(now) or ("went on" if now - self._began > self._longest else "")

    def _missed(self, now: float) -> str:
        """Judge a client that is silent or away; returns how the performance has ended, if it has."""
        quiet = now - max([self._began, *(each.heard for each in self._connections)])
        open_now = [each for each in self._connections if not each.end]
        if open_now:
            if quiet > self.timeout:
                self.record.found("silent", f"nothing for {quiet:.1f} s, with a connection open")
                return "silent"
            last = max(each.asked for each in self._connections)
            # A client without KeepAlive that answers pings and asks nothing more waits for pushes.
            return "went on" if open_now[0].transport.is_websocket and now - last > self.timeout else ""
        if not self._connections:
            if quiet > max(self._come_back, START_SECONDS):
                self.record.found("gone", f"nobody has connected for {quiet:.0f} s")
                return "gone"
        elif quiet > self._come_back:
            victim = self._victim or self._connections[0]
            how = "we ended" if victim.end == "left" else f"it {victim.end}"
            self.record.found("gone", f"{quiet:.0f} s after the connection that {how}")
            return "gone"
        return ""

    def _read_ready(self, seconds: float) -> bool:
        """Accept and read what there is within so many seconds; returns whether there was anything."""
        sockets = {each.socket: each for each in self._connections if not each.end}
        ready, _, _ = select.select([self._listening, *sockets], [], [], seconds)
        for each in ready:
            if each is self._listening:
                self._accept()
            elif not sockets[each].end:
                sockets[each].read()
        return bool(ready)

    def _accept(self) -> None:
        try:
            connected, _ = self._listening.accept()
        except OSError:
            return
        self._connections.append(ClientConnection(self, connected))

    def take(self, connection: ClientConnection, event: Any) -> None:
        """Handle what a client has sent."""
        self._victim = self._victim or connection
        is_victim = connection is self._victim
        if isinstance(event, UpgradeReceived):
            answer = connection.transport.outgoing()
            if is_victim and self._steps and self._steps[0].do == "upgrade":
                answer = bytes.fromhex(self._next_step().data)
            connection.write(answer)
            return
        if isinstance(event, PongReceived):
            self._proof += is_victim and not self._steps
            return
        transport = connection.transport
        if (fault := fault_of(event)) is not None:
            # Nobody can tell which cipher a handshake with something wrong in it has agreed on.
            spoiled = transport.is_encrypted and is_victim and any(transport.init_name in each for each in self._wrong)
            if not spoiled:
                self.record.findings.append(fault)
            return
        self._last_request = event.message if hasattr(event.message, "c2s") else None
        connection.requests += 1
        connection.asked = time.monotonic()
        self._proof += not is_victim or not self._steps
        step = self._step_for(connection, event) if is_victim else FuzzStep("reply")
        if connection.end:
            return
        if step.do == "late":
            connection.late = event
        elif step.do == "reply":
            connection.answer(event, step)
            if connection.late is not None:
                late, connection.late = connection.late, None
                connection.answer(late, FuzzStep("reply"))

    def _step_for(self, connection: ClientConnection, request: Any) -> FuzzStep:
        """Do what is due before a request is answered, and return what to do about the request."""
        self._perform(connection)
        if connection.end or not self._steps or self._steps[0].after > connection.requests:
            return FuzzStep("reply")
        is_init = request.proto_id == connection.transport.init
        return self._next_step(f" ({connection.transport.init_name})" if is_init else "")

    def _next_step(self, about: str = "") -> FuzzStep:
        step = self._steps.pop(0)
        self.record.performed += 1
        if step.label:
            self._wrong.append(step.label + about)
        return step

    def _perform(self, connection: ClientConnection) -> None:
        """Do the steps whose time has come and that are not about a request."""
        while self._steps and self._steps[0].after <= connection.requests and not connection.end:
            waits = {"reply", "skip", "late"} if connection.transport.is_ready else {"reply", "skip", "late", "upgrade"}
            if self._steps[0].do in waits:
                return
            step = self._next_step()
            if step.do == "push":
                connection.push(step, self._last_request)
            elif step.do in {"raw", "ping", "pong", "bye"}:
                connection.write(connection.transport.render(step).data, step.chunk)
            elif step.do == "pause":
                time.sleep(step.ms / 1000)
            elif step.do == "finish":
                connection.finish()
                connection.heard = time.monotonic()
            elif step.do != "upgrade":
                connection.leave(reset=step.do == "reset")
