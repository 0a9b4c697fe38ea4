"""A hostile client: performs steps against a gateway and says what the gateway did.

What must be answered is decided by what was really sent. As long as all bytes on a connection were whole frames,
a gateway knows where the next one begins: it may answer a bad frame, ignore it or close, but if it leaves the
connection open it must answer the next legal request. Where frame boundaries were lost nothing must be answered,
and only what is wrong by itself is a finding. Copied into saved tests, see ``steps``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from ftwire_tools.fuzz.attack_session import ALIVE, Talk
from ftwire_tools.fuzz.expectations import Sent
from ftwire_tools.fuzz.judgement import Notebook, Outcome
from ftwire_tools.fuzz.socket import NoGatewayError
from ftwire_tools.fuzz.steps import Step
from ftwire_tools.fuzz.valid_messages import request_message
from ftwire_tools.fuzz.wire_format import Wire

__all__ = ["play_against_gateway", "probe_gateway"]


class Play:
    """One performance."""

    def __init__(self, host: str, port: int, wire: Callable[[], Wire], timeout: float) -> None:
        self.book: Final = Notebook()
        self._address: Final = (host, port)
        self._wire: Final = wire
        self._timeout: Final = timeout
        self.connections = 0
        self.performed = 0

    def talk(self, upgrade: Step | None = None) -> Talk:
        """Open a connection. Raises ``NoGatewayError``."""
        self.connections += 1
        return Talk(self.book, self.connections, self._address, self._wire(), self._timeout, upgrade=upgrade)

    def legal_session(self) -> Talk | None:
        """Open a session that does nothing wrong; ``None`` and a finding where it is not served."""
        try:
            talk = self.talk()
        except NoGatewayError as error:
            self.book.found("dead", f"no new connection: {error}")
            return None
        talk.send(Step("send", talk.wire.init, talk.wire.hello().SerializeToString().hex()))
        if talk.opened and self.still_served(talk):
            return talk
        if not talk.opened:
            self.book.found("dead", f"a new session's {talk.wire.init_name} is not granted: {talk.over or 'no reply'}")
        else:
            self.book.found("dead", f"a new session's KeepAlive is not answered: {talk.over or 'no reply'}")
        talk.leave()
        return None

    def still_served(self, talk: Talk) -> bool:
        """Say whether a session gets an answer."""
        before = talk.serial
        talk.send(Step("send", ALIVE, request_message(ALIVE).SerializeToString().hex()))
        return bool(talk.ledger.under(before + 1).get(ALIVE, Sent("", None, must=False)).answer)

    def perform(self, steps: Sequence[Step]) -> None:
        """Do the steps, then settle what is open."""
        talk: Talk | None = None
        for step in steps:
            if step.do == "pause":
                time.sleep(step.ms / 1000)
            elif step.do in {"close", "reset"}:
                if talk is not None:
                    talk.drop(reset=step.do == "reset")
                talk = None
            else:
                begins = step.do == "upgrade" or (step.do == "send" and talk is not None and self._begins(talk, step))
                if talk is not None and begins:
                    talk.settle()
                    talk.leave()
                    talk = None
                if talk is None:
                    talk = self.talk(step if step.do == "upgrade" else None)
                if step.do == "finish":
                    talk.finish()
                elif step.do == "send":
                    talk.send(step)
                elif step.do != "upgrade":
                    talk.raw(step)
            self.performed += 1
        if talk is not None:
            talk.settle()
            talk.leave()

    @staticmethod
    def _begins(talk: Talk, step: Step) -> bool:
        return (talk.over != "" or talk.said_bye) and step.proto == talk.wire.init


def play_against_gateway(
    steps: Sequence[Step], host: str, port: int, *, wire: Callable[[], Wire], timeout: float = 5.0
) -> Outcome:
    """Perform steps beside a session that does nothing wrong, then see whether both it and a new one are served.

    ``wire`` makes what each connection speaks.
    """
    play = Play(host, port, wire, timeout)
    bystander = play.legal_session()
    if bystander is not None:
        try:
            play.perform(steps)
        except NoGatewayError as error:
            play.book.found("dead", f"no new connection: {error}")
        served = play.still_served(bystander)
        fresh = play.legal_session()
        if fresh is not None:
            fresh.leave()
            if not served:
                play.book.found("others", f"a session beside this one: {bystander.over or 'no reply'}")
        bystander.leave()
    return play.book.outcome(play.performed)


def probe_gateway(host: str, port: int, *, wire: Callable[[], Wire], timeout: float = 5.0) -> str:
    """Say why a legal session is not served, nothing where it is."""
    play = Play(host, port, wire, timeout)
    talk = play.legal_session()
    if talk is not None:
        talk.leave()
    return play.book.findings[0].detail if play.book.findings else ""
