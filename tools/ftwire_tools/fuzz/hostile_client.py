"""A hostile client: performs steps against a gateway and records what the gateway does.

What must be answered is decided by what was really sent. As long as all bytes on a connection were whole frames, a
gateway knows where the next one begins: it may answer a bad frame, ignore it or close, but if it leaves the connection
open it must answer the next legal request. Where frame boundaries were lost nothing must be answered, and only what is
wrong by itself is a finding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from ftwire_tools.fuzz.attack_session import AttackSession, NoGatewayError
from ftwire_tools.fuzz.bodies import init_request
from ftwire_tools.fuzz.connection import FuzzPlay
from ftwire_tools.fuzz.judgement import PlayRecord
from ftwire_tools.fuzz.steps import FuzzStep
from ftwire_tools.fuzz.transport import FuzzTransport

__all__ = ["HostileClient"]


class HostileClient(FuzzPlay):
    """One performance against the gateway at ``address``. ``timeout`` is how long a reply may take."""

    def __init__(self, transport: Callable[[], FuzzTransport], timeout: float, address: tuple[str, int]) -> None:
        super().__init__(transport, timeout)
        self._address: Final = address

    def play(self, steps: Sequence[FuzzStep]) -> PlayRecord:
        """Perform steps beside a session that does nothing wrong, then see whether it and a new one are served."""
        bystander = self._legal_session()
        if bystander is not None:
            try:
                self._perform(steps)
            except NoGatewayError as error:
                self.record.found("dead", f"no new connection: {error}")
            is_served = bystander.is_served()
            fresh = self._legal_session()
            if fresh is not None:
                fresh.say_goodbye()
                if not is_served:
                    self.record.found("others", f"a session beside this one: {bystander.end or 'no reply'}")
            bystander.say_goodbye()
        return self.record

    def _legal_session(self) -> AttackSession | None:
        """Open a session that does nothing wrong; ``None`` and a finding where it is not served."""
        try:
            session = AttackSession(self, self._address)
        except NoGatewayError as error:
            self.record.found("dead", f"no new connection: {error}")
            return None
        transport = session.transport
        init = init_request(websocket=transport.is_websocket, encrypted=transport.is_encrypted)
        session.send(FuzzStep("send", transport.init, init.SerializeToString().hex()))
        if session.is_open and session.is_served():
            return session
        what = "KeepAlive is not answered" if session.is_open else f"{transport.init_name} is not granted"
        self.record.found("dead", f"a new session's {what}: {session.end or 'no reply'}")
        session.say_goodbye()
        return None

    def _perform(self, steps: Sequence[FuzzStep]) -> None:
        """Do the steps, then judge the connection that is open. Raises ``NoGatewayError``."""
        session: AttackSession | None = None
        for step in steps:
            if session is not None:
                is_init = step.do == "send" and step.proto == session.transport.init
                if step.do == "upgrade" or (is_init and (session.end or session.transport.sent_close)):
                    session.settle()
                    session = None
            if step.do == "pause":
                time.sleep(step.ms / 1000)
            elif step.do in {"close", "reset"}:
                if session is not None:
                    session.drop(reset=step.do == "reset")
                session = None
            elif step.do == "upgrade":
                session = AttackSession(self, self._address, upgrade=step)
            else:
                session = session or AttackSession(self, self._address)
                if step.do == "finish":
                    session.finish()
                elif step.do == "send":
                    session.send(step)
                else:
                    session.send_raw(step)
            self.record.performed += 1
        if session is not None:
            session.settle()
