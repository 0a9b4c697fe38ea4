"""One connection of a hostile client: what it has sent, what must come of it, and what came."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ftwire.connection import KEEP_ALIVE
from ftwire.errors import WireError
from ftwire.frame import Role
from ftwire_tools.fuzz.bodies import CLASSES, parsed, request_message
from ftwire_tools.fuzz.connection import FuzzConnection, FuzzPlay
from ftwire_tools.fuzz.judgement import fault_of, mismatch
from ftwire_tools.fuzz.steps import FuzzStep
from ftwire_tools.fuzz.transport import PongReceived, Rendered

__all__ = ["AttackSession", "NoGatewayError"]

NORMAL_CLOSE: Final = (1000).to_bytes(2).hex()
GRACE: Final = 0.05
"""Seconds for a handshake that need not be answered, and for what follows lost boundaries."""


class NoGatewayError(Exception):
    """Nothing listens there, or nothing that uses our transport."""


@dataclass(slots=True)
class Expectation:
    """One frame that a gateway may answer."""

    label: str
    """What is wrong with it, if anything."""
    request: Any
    """The message to compare the reply with, ``None`` where there is none."""
    must: bool
    """Whether it has to be answered."""
    answer: str = ""
    """``answered`` or ``refused``."""


class AttackSession(FuzzConnection):
    """A connection to the gateway. With ``upgrade`` it begins with these bytes, not with a correct upgrade.

    Raises ``NoGatewayError``.
    """

    def __init__(self, play: FuzzPlay, address: tuple[str, int], *, upgrade: FuzzStep | None = None) -> None:
        try:
            connected = socket.create_connection(address, play.timeout)
        except OSError as error:
            raise NoGatewayError(error.strerror or str(error)) from None
        super().__init__(play, connected)
        self.serial = self.transport.first_serial - 1
        self.conn_id = 0
        self._requests: Final[dict[tuple[int, int], Expectation]] = {}  # by protocol and serial
        self._pings: Final[dict[bytes, Expectation]] = {}
        self._odd: Final[list[Expectation]] = []
        """Those of everything that is wrong, in the order of sending."""
        self.is_lost = False
        """Whether the gateway cannot know where the next frame begins: nothing must be answered any more."""
        self.is_provoked = False
        """Whether something wrong was sent."""
        self._is_hanging = False
        self._init: Any = None
        if upgrade is None:
            self._upgrade()
        else:
            self.send_raw(upgrade)

    def _upgrade(self) -> None:
        transport = self.transport
        if data := transport.opening():
            self.write(data)
            self.receive(lambda: transport.is_ready or transport.refused != "", self.timeout)
        if not transport.is_ready:
            why = transport.refused or self.end or f"no answer within {self.timeout:g} s"
            self.leave()
            raise NoGatewayError(f"{why} (as the transport's handshake)")

    # What is sent

    def send(self, step: FuzzStep) -> None:
        """Send the message of a step, and add what must come of it to the expectations."""
        if self._has_ended():
            return
        transport, is_init = self.transport, step.proto == self.transport.init
        self.serial += 1
        body = transport.stamp(step, bytes.fromhex(step.body), self.conn_id, self.serial)
        rendered = transport.render(step, body, self.serial)
        is_legal = not step.mutations and not self.is_lost and not self.is_finished
        must = is_legal and (not self.is_open and not self._init if is_init else self.is_open)
        label = step.label
        if not label and is_init and (self.is_open or self._init is not None):
            label = f"second {transport.init_name}"
        elif not label and not is_init and not self.is_open:
            label = f"request before {transport.init_name}"
        message = parsed(body, step.format, CLASSES[Role.CLIENT][step.proto])
        expectation = Expectation(label, message if is_legal else None, must)
        self._add(expectation, rendered)
        if is_init and (is_legal or self._init is None):
            self._init = message
        self._write_step(rendered, step)
        if step.hold:
            return
        if must and (step.wait or is_init):
            self._wait(lambda: expectation.answer != "")
        else:
            self.receive(lambda: expectation.answer != "", GRACE if is_init else 0)
        if self.is_open and is_init and step.mutations and transport.is_encrypted:
            # Nobody can tell which cipher a handshake with something wrong in it has agreed on.
            self.is_lost = True

    def send_raw(self, step: FuzzStep) -> None:
        """Send bytes that need not be frames, or a control frame of WebSocket."""
        if self._has_ended():
            return
        rendered = self.transport.render(step)
        is_close = step.do == "bye"
        must = is_close and rendered.ends and not self.is_lost
        if is_close:
            # What is still unanswered need not be, but the connection has to end.
            self.is_finished = True
            for expectation in (*self._pings.values(), *self._requests.values()):
                expectation.must = False
        self._add(Expectation(step.label, None, must), rendered)
        self._write_step(rendered, step)
        if is_close:
            self.receive(lambda: False, self.timeout if must else GRACE)
            if must and not self.end:
                self.record.found("hung", f"no end within {self.timeout:g} s after a close frame")

    def _add(self, expectation: Expectation, rendered: Rendered) -> None:
        if expectation.label:
            self.is_provoked = True
            if not self.is_lost:
                self._odd.append(expectation)
        self.is_lost = self.is_lost or rendered.asks is None
        for content in rendered.pings:
            self._pings[content] = Expectation("ping", None, not self.is_lost and not self.is_finished)
        for proto_id, serial in rendered.asks or ():
            self._requests[proto_id, serial] = expectation
            # Serials that increase are used once: a reply then belongs to one request.
            if self.serial <= serial < 1 << 31:
                self.serial = serial

    def _write_step(self, rendered: Rendered, step: FuzzStep) -> None:
        self.write(rendered.data, step.chunk, hold=step.hold)
        self.is_lost = self.is_lost or self.is_stuck

    # What is received

    def take_garbage(self, error: WireError) -> None:
        """See ``FuzzConnection``."""
        if not self.is_lost and not (self.transport.refused and not self.transport.is_ready):
            super().take_garbage(error)
        self.is_lost = True

    def take(self, event: Any) -> None:
        """See ``FuzzConnection``."""
        if isinstance(event, PongReceived):
            self._take_pong(event.data)
            return
        if self.is_lost and self.transport.is_encrypted:
            return
        frame = event
        expectation = self._requests.get((frame.proto_id, frame.serial))
        fault = fault_of(frame, check_format=expectation is not None and expectation.must)
        if fault is not None:
            self.record.findings.append(fault)
        if expectation is not None:
            expectation.answer = expectation.answer or "answered"
        if fault is not None:
            return
        if expectation is None:
            is_push = frame.protocol is not None and frame.protocol.is_push
            if not is_push and not self.is_lost:
                reply = f"protocol {frame.proto_id} with serial {frame.serial}"
                if sent := [str(proto_id) for proto_id, serial in self._requests if serial == frame.serial]:
                    self.record.found("wrong protocol", f"{reply}, which was sent with {', '.join(sent)}")
                else:
                    self.record.found("wrong serial", reply)
            return
        if getattr(frame, "error_code", 0) or getattr(frame.message, "retType", 0):
            expectation.answer = "refused"
        elif frame.proto_id == self.transport.init and not self.is_open:
            self._agree(frame.message)
        elif expectation.request is not None and (fault := mismatch(frame, expectation.request)):
            self.record.findings.append(fault)

    def _take_pong(self, content: bytes) -> None:
        if content in self._pings:
            for before, expectation in self._pings.items():
                # RFC 6455, 5.5.3: of several pings only the last one need be answered.
                expectation.answer = "answered"
                if before == content:
                    return

    def _agree(self, response: Any) -> None:
        self.is_open = True
        self.conn_id = response.s2c.connID
        try:
            self.transport.agree(self._init, response)
        except WireError as error:
            self.record.found("undecodable", f"{self.transport.init_name}: {error}")
            self.is_lost = True

    def _wait(self, done: Callable[[], bool]) -> bool:
        # Once for the whole time: a gateway that hangs need not be waited for again.
        found = self.receive(done, 0 if self._is_hanging else self.timeout)
        self._is_hanging = self._is_hanging or not (found or self.end)
        return found

    def _wait_for_all(self) -> None:
        missing = self._missing()
        while missing and not self.end and self._wait(lambda: len(self._missing()) < len(missing)):  # noqa: B023 - called before the next turn
            missing = self._missing()

    def _missing(self) -> list[str]:
        """Return what must still come, in words."""
        replies = (
            f"reply to {proto_id} (serial {serial})"
            for (proto_id, serial), expectation in self._requests.items()
            if expectation.must and not expectation.answer
        )
        pongs = ("answer to a ping" for each in self._pings.values() if each.must and not each.answer)
        return [*replies, *pongs]

    def _has_ended(self) -> bool:
        self.receive(lambda: False, 0)
        return self.end != ""

    # The end

    def is_served(self) -> bool:
        """Send KeepAlive, and return whether it is answered."""
        serial = self.serial + 1
        self.send(FuzzStep("send", KEEP_ALIVE, request_message(KEEP_ALIVE).SerializeToString().hex()))
        expectation = self._requests.get((KEEP_ALIVE, serial))
        return expectation is not None and expectation.answer != ""

    def settle(self) -> None:
        """Wait for what must come, send one more legal request, judge, and close."""
        self.write(b"")
        if not self.is_lost and not self.end:
            self._wait_for_all()
            if self.is_open and not self.is_finished and not self.end and not self._missing():
                self.is_served()
        if not self.end and (self.is_lost or not self.is_open):
            # No reply shows that it was read: without a moment more, what comes of it would be missed.
            self.receive(lambda: False, GRACE)
        missing = self._missing()
        if not self.is_lost and missing and not self.end:
            self.record.found("hung", f"no {', no '.join(missing[:3])} within {self.timeout:g} s")
        if self.end in {"closed", "reset"} and not self.is_provoked and not self.is_finished:
            self.record.found("closed", f"{self.end} after legal frames only")
        odd = self._odd
        self.record.reactions.extend(
            (each.label, each.answer or (self.end if self.end and each is odd[-1] else "ignored")) for each in odd
        )
        self.say_goodbye()

    def say_goodbye(self) -> None:
        """Close, on WebSocket after a close frame."""
        if self.transport.is_websocket and not self.end and not self.is_finished:
            self.write(self.transport.render(FuzzStep("bye", data=NORMAL_CLOSE)).data)
        self.leave()

    def drop(self, *, reset: bool) -> None:
        """Close or reset, whatever is under way."""
        self.write(b"")
        self.receive(lambda: False, 0)
        self.record.reactions.extend((each.label, each.answer) for each in self._odd if each.answer)
        self.leave(reset=reset)
