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
from ftwire_tools.fuzz.judgement import PlayRecord
from ftwire_tools.fuzz.steps import FuzzStep
from ftwire_tools.fuzz.transport import FuzzTransport

__all__ = ["HostileClient"]


class HostileClient:
    """One performance of steps. ``transport`` makes that of each connection.

    ``timeout`` is how long a reply may take, in seconds.
    """

    def __init__(self, address: tuple[str, int], transport: Callable[[], FuzzTransport], timeout: float) -> None:
        self._record: Final = PlayRecord()
        self._address: Final = address
        self._transport: Final = transport
        self._timeout: Final = timeout
        self._connections = 0

    def play(self, steps: Sequence[FuzzStep]) -> PlayRecord:
        """Perform steps beside a session that does nothing wrong, then see whether it and a new one are served."""
        bystander = self._legal_session()
        if bystander is not None:
            try:
                self._perform(steps)
            except NoGatewayError as error:
                self._record.found("dead", f"no new connection: {error}")
            is_served = bystander.is_served()
            fresh = self._legal_session()
            if fresh is not None:
                fresh.say_goodbye()
                if not is_served:
                    self._record.found("others", f"a session beside this one: {bystander.end or 'no reply'}")
            bystander.say_goodbye()
        return self._record

    def _connect(self, upgrade: FuzzStep | None = None) -> AttackSession:
        """Open a connection. Raises ``NoGatewayError``."""
        self._connections += 1
        return AttackSession(
            self._record, self._connections, self._address, self._transport(), self._timeout, upgrade=upgrade
        )

    def _legal_session(self) -> AttackSession | None:
        """Open a session that does nothing wrong; ``None`` and a finding where it is not served."""
        try:
            session = self._connect()
        except NoGatewayError as error:
            self._record.found("dead", f"no new connection: {error}")
            return None
        transport = session.transport
        init = init_request(websocket=transport.is_websocket, encrypted=transport.is_encrypted)
        session.send(FuzzStep("send", transport.init, init.SerializeToString().hex()))
        if session.is_open and session.is_served():
            return session
        what = "KeepAlive is not answered" if session.is_open else f"{transport.init_name} is not granted"
        self._record.found("dead", f"a new session's {what}: {session.end or 'no reply'}")
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
                session = self._connect(step)
            else:
                session = session or self._connect()
                if step.do == "finish":
                    session.finish()
                elif step.do == "send":
                    session.send(step)
                else:
                    session.send_raw(step)
            self._record.performed += 1
        if session is not None:
            session.settle()
