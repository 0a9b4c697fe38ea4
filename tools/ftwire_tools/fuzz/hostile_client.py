"""A gateway as the target, and the hostile client that performs steps against it."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from typing import Final

from ftwire.frame import Role
from ftwire_tools.fuzz.attack_session import AttackSession
from ftwire_tools.fuzz.bodies import init_request
from ftwire_tools.fuzz.judgement import FuzzFinding, PlayRecord
from ftwire_tools.fuzz.steps import FuzzStep
from ftwire_tools.fuzz.targets import EXIT_SECONDS, START_SECONDS, FuzzTarget, LostTargetError
from ftwire_tools.terminal.addresses import Address

__all__ = ["GatewayTarget"]

POLL: Final = 0.05


class GatewayTarget(FuzzTarget):
    """A gateway that listens at the address. The timeout of ``setup`` is how long a reply may take."""

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
        record = self._attack(steps)
        is_dead = record.has("dead")
        self._serves = not is_dead and (program is None or not record.findings)
        if program is not None:
            record.output = program.output()
            if is_dead:
                program.wait(EXIT_SECONDS)
                code = program.exit_code
                if how := program.crash() or ("" if code is None else f"exit code {code}"):
                    record.findings.insert(0, FuzzFinding("crashed", how))
        return record

    def _wait(self) -> None:
        """Wait until a legal session is served."""
        program = self.program
        end = time.monotonic() + START_SECONDS
        while findings := self._attack(()).findings:
            why = findings[0].detail
            if program is not None and not program.is_running:
                raise LostTargetError(f"the gateway's program has ended before it served anybody: {why}")
            if time.monotonic() > end or program is None:
                raise LostTargetError(f"{Address(*self.address)}: {why}")
            time.sleep(POLL)
        self._serves = True

    def _attack(self, steps: Sequence[FuzzStep]) -> PlayRecord:
        """Perform steps beside a session that does nothing wrong, then see whether it and a new one are served."""
        record = PlayRecord()
        bystander = self._legal_session(record)
        if bystander is not None:
            self._perform(steps, record)
            is_served = bystander.is_served()
            fresh = self._legal_session(record)
            if fresh is not None:
                fresh.close_politely()
                if not is_served:
                    record.found("others", f"a session beside this one: {bystander.end or 'no reply'}")
            bystander.close_politely()
        return record

    def _connect(self, record: PlayRecord, *, upgrades: bool = True) -> AttackSession | None:
        """Open a connection, without ``upgrades`` only one of TCP; ``None`` and a finding where that fails."""
        try:
            connected = socket.create_connection(self.address, self.setup.timeout)
        except OSError as error:
            record.found("dead", f"no new connection: {error.strerror or error}")
            return None
        session = AttackSession(record, self.new_transport(), self.setup.timeout, connected)
        if upgrades and (refusal := session.upgrade()):
            record.found("dead", f"no new connection: {refusal} (as the transport's handshake)")
            session.leave()
            return None
        return session

    def _legal_session(self, record: PlayRecord) -> AttackSession | None:
        """Open a session that does nothing wrong; ``None`` and a finding where it is not served."""
        session = self._connect(record)
        if session is None:
            return None
        transport = session.transport
        init = init_request(websocket=transport.is_websocket, encrypted=transport.is_encrypted)
        session.perform(FuzzStep("send", transport.init, init.SerializeToString().hex()))
        if session.is_open and session.is_served():
            return session
        what = "KeepAlive is not answered" if session.is_open else f"{transport.init_name} is not granted"
        record.found("dead", f"a new session's {what}: {session.end or 'no reply'}")
        session.close_politely()
        return None

    def _perform(self, steps: Sequence[FuzzStep], record: PlayRecord) -> None:
        """Do the steps while there are connections for them, then judge the one that is open."""
        session: AttackSession | None = None
        for step in steps:
            if session is not None and session.is_over_before(step):
                session.settle()
                session = None
            if step.do in {"close", "reset"}:
                if session is not None:
                    session.drop(reset=step.do == "reset")
                session = None
            else:
                session = session or self._connect(record, upgrades=step.do != "upgrade")
                if session is None:
                    return
                session.perform(step)
            record.performed += 1
        if session is not None:
            session.settle()
