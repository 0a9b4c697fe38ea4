"""A hostile gateway: answers whatever client connects, wrongly where a step says so, and says what the client did.

The first connection of a performance on which anything is said is the one the steps are for; others, which are those
of a client that has come back, get legal answers alone. Copied into saved tests, see ``steps``.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from ftwire.errors import WireError
from ftwire_tools.fuzz.client_connection import Guest
from ftwire_tools.fuzz.judgement import Finding, Notebook, Outcome, fault_of
from ftwire_tools.fuzz.steps import Step
from ftwire_tools.fuzz.wire_format import Farewell, Pong, Upgrade, Wire

__all__ = ["HostileGateway", "listen"]

START_SECONDS: Final = 30.0
"""How long a first connection may take: a program has to start."""
PROOF: Final = 2
"""Frames of a client after the last step that show that it goes on; pongs, where it has no KeepAlive."""
LINGER: Final = 1.5
"""Seconds in which a client that goes on may end its connection, or itself, of its own accord."""
TICK: Final = 0.05


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises ``OSError``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, reuse_port=False)
    listening.setblocking(False)
    return listening


class HostileGateway:
    """One performance on a listening socket. ``wire`` makes what each connection speaks.

    ``timeout`` is how long a client may be silent, in seconds, ``come_back`` how long it may stay away after its
    connection has ended. ``ended`` says that the client's program has ended, ``False`` where nobody knows.
    """

    def __init__(
        self,
        listening: socket.socket,
        steps: Sequence[Step],
        *,
        wire: Callable[[], Wire],
        timeout: float = 10.0,
        come_back: float = 30.0,
        longest: float = 60.0,
        ended: Callable[[], bool] = lambda: False,
    ) -> None:
        self.book = Notebook()
        self.timeout = timeout
        self.keep_alive = max(1, int(timeout / 10))
        """``keepAliveInterval`` as told to clients, in seconds."""
        self.last_request: Any = None
        self.performed = 0
        self._wire: Final = wire
        self._listening: Final = listening
        self._steps: Final = list(steps)
        self._come_back: Final = come_back
        self._longest: Final = longest
        self._has_ended: Final = ended
        self._selector: Final = selectors.DefaultSelector()
        self._guests: Final[list[Guest]] = []
        self._victim: Guest | None = None
        self._begin = self._heard = self._asked = time.monotonic()
        self._proof = 0
        self._proven_at: float | None = None
        self._wrong: Final[list[str]] = []

    @property
    def has_client(self) -> bool:
        """Whether anybody has connected."""
        return bool(self._guests)

    def play(self) -> Outcome:
        """Serve until the client has shown what it does."""
        self._selector.register(self._listening, selectors.EVENT_READ, None)
        end = "went on"
        try:
            while not (found := self._is_over()):
                self._turn()
            end = found
        finally:
            self._close()
        reactions = [(label, "went on") for label in self._wrong[:-1]]
        reactions += [(label, end) for label in self._wrong[-1:]]
        self.book.reactions.extend(reactions)
        return self.book.outcome(self.performed)

    def _close(self) -> None:
        for guest in self._guests:
            guest.leave("close")
            guest.socket.close()
        self._selector.close()

    def _turn(self) -> None:
        for key, _ in self._selector.select(TICK):
            if key.data is None:
                self._accept()
            else:
                self.read(key.data)
        for guest in self._guests:
            if not guest.over:
                guest.beat()
        victim = self._victim or (self._guests[0] if self._guests else None)
        if victim is not None:
            self._perform(victim)

    def _is_over(self) -> str:
        """Say how it has ended, nothing while it goes on."""
        now = time.monotonic()
        if self._has_ended():
            while self._drain():
                pass
            return "ended"
        quiet = now - self._heard
        open_now = [guest for guest in self._guests if not guest.over]
        victim = self._victim
        if victim is not None and not victim.over and self._is_forgotten(victim, now):
            return "went on"
        if victim is not None and (victim.over or not self._steps) and self._proof >= PROOF:
            back = self._requests_elsewhere()
            if victim.over in {"closed", "reset"}:
                return f"{victim.over} and came back" if back else "went on"
            if back >= PROOF:
                return "went on"
            # A client can look alive and be past help: what shows it is whether it stands a new connection.
            self._proven_at = self._proven_at or now
            if not victim.over and now - self._proven_at > LINGER:
                victim.leave("close")
                self._forget(victim)
                victim.socket.close()
        if open_now and quiet > self.timeout:
            self.book.findings.append(Finding("silent", f"nothing for {quiet:.1f} s, with a connection open"))
            return "silent"
        if any(not guest.wire.speaks_alone for guest in open_now) and now - self._asked > self.timeout:
            # It answers pings and asks nothing more, as one does that waits for pushes.
            return "went on"
        victim = victim or (self._guests[0] if self._guests else None)
        if victim is not None and not open_now and quiet > self._come_back:
            how = "we ended" if victim.over == "left" else f"it {victim.over}"
            self.book.findings.append(Finding("gone", f"{quiet:.0f} s after the connection that {how}"))
            return "gone"
        if victim is None and quiet > max(self._come_back, START_SECONDS):
            self.book.findings.append(Finding("gone", f"nobody has connected for {quiet:.0f} s"))
            return "gone"
        return "went on" if now - self._begin > self._longest else ""

    def _is_forgotten(self, victim: Guest, now: float) -> bool:
        """Say whether a client goes on with other connections: nothing more comes of the steps then."""
        return self._requests_elsewhere() >= PROOF and now - victim.heard > 2 * self.keep_alive + LINGER

    def _requests_elsewhere(self) -> int:
        return sum(guest.requests for guest in self._guests if guest is not self._victim)

    def _drain(self) -> bool:
        """Read what the client's program has left behind; returns whether there was something."""
        ready = self._selector.select(0)
        if not any(key.data is None or not key.data.over for key, _ in ready):
            return False
        for key, _ in ready:
            if key.data is None:
                self._accept()
            elif not key.data.over:
                self.read(key.data)
        return True

    def _accept(self) -> None:
        try:
            connected, _ = self._listening.accept()
        except OSError:
            return
        guest = Guest(self, connected, len(self._guests) + 1, self._wire())
        self._guests.append(guest)
        self._selector.register(connected, selectors.EVENT_READ, guest)
        self._heard = self._asked = time.monotonic()
        self.book.note(guest.number, "open")

    def read(self, guest: Guest) -> None:
        """Take what a client has sent."""
        try:
            data = guest.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as error:
            guest.ended(error)
            self._forget(guest)
            return
        if not data:
            guest.ended(None)
            self._forget(guest)
            return
        guest.heard = self._heard = time.monotonic()
        self.book.note(guest.number, "client", data)
        try:
            for event in guest.wire.feed(data):
                if isinstance(event, Upgrade):
                    self._upgrade(guest)
                elif isinstance(event, Pong):
                    self._proof += guest is self._victim and not self._steps
                elif isinstance(event, Farewell):
                    guest.send(guest.wire.outgoing())
                    guest.ended(None)
                    self._forget(guest)
                    guest.socket.close()
                    return
                else:
                    self._take(guest, event)
        except WireError as error:
            self.book.findings.append(Finding("garbage", str(error)))
            guest.over = "garbage"
            self._forget(guest)
        guest.send(guest.wire.outgoing())

    def _upgrade(self, guest: Guest) -> None:
        """Let the transport answer a client's request to speak it, or answer as the first step says."""
        self._victim = self._victim or guest
        answer = guest.wire.outgoing()
        if guest is self._victim and self._steps and self._steps[0].do == "upgrade":
            step = self._steps.pop(0)
            self.performed += 1
            self._wrong.append(step.label)
            answer = bytes.fromhex(step.data)
        guest.send(answer)

    def _forget(self, guest: Guest) -> None:
        self._heard = time.monotonic()
        if guest.socket in self._selector.get_map():
            self._selector.unregister(guest.socket)

    def _take(self, guest: Guest, frame: Any) -> None:
        self._victim = self._victim or guest
        # What was agreed on by a handshake that says something else is anybody's guess.
        spoiled = (
            guest.wire.is_encrypted
            and guest is self._victim
            and any(guest.wire.init_name in label for label in self._wrong)
        )
        fault = fault_of(frame)
        if fault is not None:
            if not spoiled:
                self.book.findings.append(fault)
            return
        self.last_request = frame.message if hasattr(frame.message, "c2s") else None
        guest.requests += 1
        self._asked = time.monotonic()
        if guest is not self._victim or not self._steps:
            self._proof += 1
        step = self._step_for(guest) if guest is self._victim else None
        if guest.over:
            return
        if step is not None and step.label:
            init = frame.proto_id == guest.wire.init
            self._wrong.append(f"{step.label} ({guest.wire.init_name})" if init else step.label)
        if step is not None and step.do == "late":
            guest.late = frame
        elif step is None or step.do == "reply":
            guest.answer(frame, step or Step("reply"))
            self._answer_late(guest)

    def _step_for(self, guest: Guest) -> Step | None:
        """Do what is due before a request is answered, and return what is to be done about that."""
        self._perform(guest)
        if guest.over or not self._steps or self._steps[0].after > guest.requests:
            return None
        self.performed += 1
        return self._steps.pop(0)

    @staticmethod
    def _answer_late(guest: Guest) -> None:
        late, guest.late = guest.late, None
        if late is not None:
            guest.answer(late, Step("reply"))

    def _perform(self, guest: Guest) -> None:
        """Do the steps whose time has come and that are no replies."""
        while self._steps and self._steps[0].after <= guest.requests and not guest.over:
            step = self._steps[0]
            if step.do in {"reply", "skip", "late"} or (step.do == "upgrade" and not guest.wire.is_ready):
                return
            self._steps.pop(0)
            self.performed += 1
            if step.label:
                self._wrong.append("push" if step.label == "push" else step.label)
            if step.do == "push":
                guest.push(step)
            elif step.do in {"raw", "ping", "pong", "bye"}:
                guest.send(guest.wire.raw(step).data, step.chunk)
            elif step.do == "pause":
                time.sleep(step.ms / 1000)
            elif step.do != "upgrade":
                guest.leave(step.do)
                self._heard = time.monotonic()
                if guest.over:
                    self._forget(guest)
                    guest.socket.close()
