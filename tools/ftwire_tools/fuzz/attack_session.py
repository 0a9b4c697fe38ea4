"""One connection of a hostile client: what it has sent, what must come of it, and what came.

What must be answered is decided by what was really sent. As long as all bytes on a connection were whole frames, a
gateway knows where the next one begins: it may answer a bad frame, ignore it or close, but if it leaves the connection
open it must answer the next legal request. Where frame boundaries were lost nothing must be answered, and only what is
wrong by itself is a finding.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any, Final

from ftwire.connection import KEEP_ALIVE
from ftwire.errors import WireError
from ftwire.frame import Role
from ftwire_tools.fuzz.bodies import CLASSES, parsed, request_message
from ftwire_tools.fuzz.connection import FuzzConnection
from ftwire_tools.fuzz.judgement import PlayRecord, fault_of, mismatch
from ftwire_tools.fuzz.steps import FuzzStep
from ftwire_tools.fuzz.transport import Ask, FuzzTransport, PongReceived

__all__ = ["AttackSession"]

NORMAL_CLOSE: Final = (1000).to_bytes(2).hex()
GRACE: Final = 0.05
"""Seconds for a handshake that need not be answered, and for what follows lost boundaries."""


@dataclass(slots=True)
class Expectation:
    """What may come of one thing that was sent."""

    label: str
    """What is wrong with it, if anything."""
    request: Any
    """The message to compare the reply with, ``None`` where there is none."""
    must: bool
    """Whether it has to be answered."""
    answer: str = ""
    """``answered`` or ``refused``."""

    def is_answered(self) -> bool:
        """Return whether there was any answer."""
        return self.answer != ""


class AttackSession(FuzzConnection):
    """One connection to the gateway: what was sent, what must come of it, and what came."""

    def __init__(self, record: PlayRecord, transport: FuzzTransport, timeout: float, connected: socket.socket) -> None:
        super().__init__(record, transport, timeout, connected)
        self._serial = transport.first_serial - 1
        self._conn_id = 0
        self._expected: Final[dict[Ask, Expectation]] = {}
        self._odd: Final[list[Expectation]] = []
        """Those of everything that is wrong, in the order of sending."""
        self._is_provoked = False
        self._is_hanging = False
        self._init: Any = None

    def upgrade(self) -> str:
        """Begin as the transport does; returns why the gateway does not, nothing where it does."""
        transport = self.transport
        self.write(transport.opening())
        if self.receive(lambda: transport.is_ready or transport.refused != "", self.timeout) and transport.is_ready:
            return ""
        return transport.refused or self.end or f"no answer within {self.timeout:g} s"

    # What is sent

    def is_over_before(self, step: FuzzStep) -> bool:
        """Return whether a step begins another connection."""
        is_init = step.do == "send" and step.proto == self.transport.init
        return step.do == "upgrade" or (is_init and (self.end != "" or self.transport.sent_close))

    def perform(self, step: FuzzStep) -> bool:
        """Do a step that does not end the connection; returns whether it was answered at once."""
        if step.do in {"pause", "finish"}:
            self.do(step)
            return False
        self.wait(0)
        return not self.end and self._send(step)

    def is_served(self) -> bool:
        """Send KeepAlive, and return whether it is answered."""
        return self.perform(FuzzStep("send", KEEP_ALIVE, request_message(KEEP_ALIVE).SerializeToString().hex()))

    def _send(self, step: FuzzStep) -> bool:
        """Send what a step says, expect what must come of it, and wait for that where the step says so."""
        transport, is_message = self.transport, step.do == "send"
        is_init = is_message and step.proto == transport.init
        is_first = is_init and not self.is_open and self._init is None
        body, message, label = b"", None, step.label
        if is_message:
            self._serial += 1
            body = transport.stamp(step, self._conn_id, self._serial)
            message = parsed(body, step.format, CLASSES[Role.CLIENT][step.proto])
            if not label and is_init and not is_first:
                label = f"second {transport.init_name}"
            elif not label and not is_init and not self.is_open:
                label = f"request before {transport.init_name}"
        rendered = transport.render(step, body, self._serial)
        is_legal = is_message and not (step.mutations or self.is_lost or self.is_finished)
        must = is_legal and (is_first if is_init else self.is_open)
        must = must or (rendered.ends and not self.is_lost)
        expectation = Expectation(label, message if is_legal else None, must)
        if step.do == "bye":
            # What is still unanswered need not be, but the connection has to end.
            self.is_finished = True
            for each in self._expected.values():
                each.must = False
        self._expect(expectation, rendered.asks)
        if is_init and (is_legal or self._init is None):
            self._init = message
        self.write(rendered.data, step.chunk, hold=step.hold)
        if step.hold:
            return False
        if step.do == "bye":
            self.wait(self.timeout if must else GRACE)
            if must and not self.end:
                self.record.found("hung", f"no end within {self.timeout:g} s after a close frame")
        elif must and (step.wait or is_init):
            self._wait_for(expectation)
        else:
            self.receive(expectation.is_answered, GRACE if is_init else 0)
        if is_init and self.is_open and step.mutations and transport.is_encrypted:
            # Nobody can tell which cipher a handshake with something wrong in it has agreed on.
            self.is_lost = True
        return expectation.is_answered()

    def _expect(self, expectation: Expectation, asks: tuple[Ask, ...] | None) -> None:
        if expectation.label:
            self._is_provoked = True
            if not self.is_lost:
                self._odd.append(expectation)
        self.is_lost = self.is_lost or asks is None
        for ask in asks or ():
            if isinstance(ask, bytes):
                self._expected[ask] = Expectation("ping", None, not (self.is_lost or self.is_finished))
                continue
            self._expected[ask] = expectation
            # Serials that increase are used once: a reply then belongs to one request.
            if self._serial <= ask[1] < 1 << 31:
                self._serial = ask[1]

    # What is received

    def take(self, event: Any) -> None:
        """See ``FuzzConnection``."""
        if isinstance(event, PongReceived):
            pings = [ask for ask in self._expected if isinstance(ask, bytes)]
            # RFC 6455, 5.5.3: of several pings only the last one need be answered.
            for content in pings[: pings.index(event.data) + 1] if event.data in pings else ():
                self._expected[content].answer = "answered"
        elif not (self.is_lost and self.transport.is_encrypted):
            self._take_frame(event)

    def _take_frame(self, frame: Any) -> None:
        expectation = self._expected.get((frame.proto_id, frame.serial))
        fault = fault_of(frame, check_format=expectation is not None and expectation.must)
        if expectation is not None:
            expectation.answer = expectation.answer or "answered"
        if fault is not None:
            self.record.findings.append(fault)
        elif expectation is None:
            is_push = frame.protocol is not None and frame.protocol.is_push
            if not is_push and not self.is_lost:
                reply = f"protocol {frame.proto_id} with serial {frame.serial}"
                sent = [str(ask[0]) for ask in self._expected if not isinstance(ask, bytes) and ask[1] == frame.serial]
                if sent:
                    self.record.found("wrong protocol", f"{reply}, which was sent with {', '.join(sent)}")
                else:
                    self.record.found("wrong serial", reply)
        elif getattr(frame, "error_code", 0) or getattr(frame.message, "retType", 0):
            expectation.answer = "refused"
        elif frame.proto_id == self.transport.init and not self.is_open:
            self._agree(frame.message)
        elif expectation.request is not None and (fault := mismatch(frame, expectation.request)):
            self.record.findings.append(fault)

    def _agree(self, response: Any) -> None:
        self.is_open = True
        self._conn_id = response.s2c.connID
        try:
            self.transport.agree(self._init, response)
        except WireError as error:
            self.record.found("undecodable", f"{self.transport.init_name}: {error}")
            self.is_lost = True

    def _wait_for(self, expectation: Expectation) -> None:
        # Once for the whole time: a gateway that hangs need not be waited for again.
        is_answered = self.receive(expectation.is_answered, 0 if self._is_hanging else self.timeout)
        self._is_hanging = self._is_hanging or not (is_answered or self.end)

    def _missing(self) -> list[str]:
        """Return what must still come, in words."""
        return [
            "answer to a ping" if isinstance(ask, bytes) else f"reply to {ask[0]} (serial {ask[1]})"
            for ask, expectation in self._expected.items()
            if expectation.must and not expectation.answer
        ]

    # The end

    def settle(self) -> None:
        """Wait for what must come, send one more legal request, judge, and close."""
        self.write(b"")
        if not self.is_lost:
            for each in self._expected.values():
                if each.must:
                    self._wait_for(each)
            if self.is_open and not (self.is_finished or self.end or self._missing()):
                self.is_served()
        if not self.end and (self.is_lost or not self.is_open):
            # No reply shows that it was read: without a moment more, what comes of it would be missed.
            self.wait(GRACE)
        missing = self._missing()
        if missing and not self.is_lost and not self.end:
            self.record.found("hung", f"no {', no '.join(missing[:3])} within {self.timeout:g} s")
        if self.end in {"closed", "reset"} and not (self._is_provoked or self.is_finished):
            self.record.found("closed", f"{self.end} after legal frames only")
        for each in self._odd:
            is_last = each is self._odd[-1]
            self.record.reactions.append((each.label, each.answer or (self.end if is_last else "") or "ignored"))
        self.close_politely()

    def close_politely(self) -> None:
        """Close, on WebSocket after a close frame."""
        if self.transport.is_websocket and not self.end and not self.is_finished:
            self.do(FuzzStep("bye", data=NORMAL_CLOSE))
        self.leave()

    def drop(self, *, reset: bool) -> None:
        """Close or reset, whatever is under way."""
        self.write(b"")
        self.wait(0)
        self.record.reactions.extend((each.label, each.answer) for each in self._odd if each.answer)
        self.leave(reset=reset)
