"""One connection of a hostile client: what it has sent, what must come of it, and what came.

Copied into saved tests, see ``steps``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ftwire.errors import WireError
from ftwire_tools.fuzz.bodies import message_class_of
from ftwire_tools.fuzz.expectations import Ledger, Sent
from ftwire_tools.fuzz.judgement import Notebook, fault_of
from ftwire_tools.fuzz.replies import judge_reply
from ftwire_tools.fuzz.socket import Line, NoGatewayError
from ftwire_tools.fuzz.steps import Step
from ftwire_tools.fuzz.valid_messages import request_message
from ftwire_tools.fuzz.wire_format import Farewell, Pong, Rendered, Wire

__all__ = ["ALIVE", "Talk"]

ALIVE: Final = 1004
GRACE: Final = 0.05
"""Seconds given to a handshake that need not be answered, and to what follows lost boundaries."""


class Talk:
    """One connection to the gateway. With ``upgrade`` it begins with these bytes, not as it should.

    Raises ``NoGatewayError`` where there is nobody who speaks ``wire``.
    """

    def __init__(
        self,
        book: Notebook,
        number: int,
        address: tuple[str, int],
        wire: Wire,
        timeout: float,
        *,
        upgrade: Step | None = None,
    ) -> None:
        self.book: Final = book
        self.wire: Final = wire
        self.timeout: Final = timeout
        self.serial = wire.first_serial - 1
        self.conn_id = 0
        self.opened = self.lost = self.provoked = self.finished = self.hangs = self.said_bye = False
        self.ledger: Final = Ledger()
        self.hello: Any = None
        self.line: Final = Line(book, number, address, timeout, self._heard)
        if upgrade is None:
            self._open()
        else:
            self.raw(upgrade)

    @property
    def over(self) -> str:
        """How it ended, nothing while it goes on."""
        return self.line.over

    def _open(self) -> None:
        wire, line = self.wire, self.line
        if data := wire.opening():
            line.write(data)
            line.receive(lambda: wire.is_ready or wire.refused != "", self.timeout)
        if line.over == "closed":
            wire.end()
        if not wire.is_ready:
            why = wire.refused or line.over or f"no answer within {self.timeout:g} s"
            line.leave()
            raise NoGatewayError(f"{why} (as the transport's handshake)")

    # What is sent

    def send(self, step: Step) -> None:
        """Send a frame; remember what must come of it."""
        if self._is_over():
            return
        self.serial += 1
        init = self.wire.init
        body = self.wire.stamped(step, bytes.fromhex(step.body), self.conn_id, self.serial)
        rendered = self.wire.render(step, body, self.serial)
        legal = not step.mutations and not self.lost and not self.finished
        must = legal and (self.opened if step.proto != init else not self.opened and not self.hello)
        again = step.proto == init and (self.opened or self.hello is not None)
        early = step.proto != init and not self.opened
        label = step.label or (
            f"second {self.wire.init_name}" if again else f"request before {self.wire.init_name}" if early else ""
        )
        message = _parsed(step, body)
        sent = Sent(label, message if legal else None, must)
        if label:
            self.provoked = True
            self._is_odd(sent)
        if rendered.asks is None:
            sent.is_last = self.lost = True
        for proto_id, serial in rendered.asks or ():
            self.ledger.add(sent, proto_id, serial)
            # Later requests have serials that nothing has used: a reply says which one it is for.
            if self.serial <= serial < 1 << 31:
                self.serial = serial
        self._expect_pongs(rendered)
        if step.proto == init and (legal or self.hello is None):
            self.hello = message
        self._write(rendered.data, step)
        if step.hold:
            return
        if must and (step.wait or step.proto == init):
            self._await(lambda: sent.answer != "")
        else:
            self.line.receive(lambda: sent.answer != "", GRACE if step.proto == init else 0)
        if self.opened and step.proto == init and step.mutations and self.wire.is_encrypted:
            # What was agreed on by a handshake that says something else is anybody's guess.
            self.lost = True

    def raw(self, step: Step) -> None:
        """Send bytes that need not be frames, or a control frame of the transport."""
        if self._is_over():
            return
        rendered = self.wire.raw(step)
        lost = rendered.asks is None
        sent = Sent(step.do, None, must=False, is_last=lost)
        if step.label:
            self.provoked = True
            self._is_odd(sent)
        if step.do == "bye":
            # What is still unanswered need not be, but the connection has to end.
            self.said_bye = self.finished = True
            sent.must = rendered.ends and not self.lost
            self.ledger.release()
        self._expect_pongs(rendered)
        self.lost = self.lost or lost
        self._write(rendered.data, step)
        if step.do == "bye":
            self.line.receive(lambda: False, self.timeout if sent.must else GRACE)
            if sent.must and not self.over:
                self.book.found("hung", f"no end within {self.timeout:g} s after a close frame")

    def _write(self, data: bytes, step: Step) -> None:
        self.line.write(data, step.chunk, hold=step.hold)
        self.lost = self.lost or self.line.is_stuck

    def _expect_pongs(self, rendered: Rendered) -> None:
        for content in rendered.pings:
            self.ledger.expect_pong(content, must=not self.lost and not self.finished)

    # What comes

    def _heard(self, data: bytes) -> None:
        try:
            for event in self.wire.feed(data):
                self._take(event)
        except WireError as error:
            if not self.lost and not (self.wire.refused and not self.wire.is_ready):
                self.book.found("garbage", str(error))
            self.lost = True
            self.line.over = "refused" if self.wire.refused else "garbage"
        if (answer := self.wire.outgoing()) and not self.line.over:
            self.line.write(answer)

    def _take(self, event: Any) -> None:
        if isinstance(event, Pong):
            self.ledger.ponged(event.data)
            return
        if isinstance(event, Farewell):
            # Our answer to it is under way; what it says besides is of no interest.
            self.line.write(self.wire.outgoing())
            self.line.over = self.line.over or "closed"
            return
        frame = event
        by_proto = self.ledger.under(frame.serial)
        sent = by_proto.get(frame.proto_id)
        if self.lost and self.wire.is_encrypted:
            return
        fault = fault_of(frame, check_format=sent is not None and sent.must)
        if fault is not None:
            self.book.findings.append(fault)
        if sent is not None:
            sent.answer = sent.answer or "answered"
        if getattr(frame, "error", None) is not None or fault is not None:
            return
        protocol = frame.protocol
        if protocol is not None and protocol.is_push and sent is None:
            return
        if sent is None:
            if not self.lost:
                judge_reply(self.book, frame, by_proto)
            return
        message: Any = frame.message
        if getattr(frame, "error_code", 0) or getattr(message, "retType", 0):
            sent.answer = "refused"
        elif frame.proto_id == self.wire.init and not self.opened:
            self._agree(message)
        elif sent.message is not None:
            judge_reply(self.book, frame, by_proto, sent.message)

    def _agree(self, response: Any) -> None:
        self.opened = True
        self.conn_id = response.s2c.connID
        try:
            self.wire.agree(self.hello, response)
        except WireError as error:
            self.book.found("undecodable", f"{self.wire.init_name}: {error}")
            self.lost = True

    def _await(self, done: Callable[[], bool]) -> bool:
        """Wait for what must come: once for so long, for one that hangs need not be waited for again."""
        found = self.line.receive(done, 0 if self.hangs else self.timeout)
        self.hangs = self.hangs or not (found or self.over)
        return found

    def _await_all(self) -> None:
        ledger = self.ledger
        while (waiting := ledger.waiting) and not self.over:
            count = len(waiting)
            if not self._await(lambda: len(ledger.waiting) < count):  # noqa: B023 - asked before the next turn
                return

    # The end

    def settle(self) -> None:
        """Wait for what must come, ask one more legal request, and judge."""
        self.line.write(b"")
        if not self.lost and not self.over:
            self._await_all()
            if self.opened and not self.finished and not self.over and not self.ledger.waiting:
                body = request_message(ALIVE).SerializeToString().hex()
                self.send(Step("send", ALIVE, body, wait=False))
                self._await_all()
        if not self.over and (self.lost or not self.opened):
            # Nothing answers for it that it has been read: give that a moment, or what comes of it is seen too late.
            self.line.receive(lambda: False, GRACE)
        waiting = self.ledger.waiting
        if not self.lost and waiting and not self.over:
            self.book.found("hung", f"no {', no '.join(waiting[:3])} within {self.timeout:g} s")
        if self.over in {"closed", "reset"} and not self.provoked and not self.finished:
            self.book.found("closed", f"{self.over} after legal frames only")
        self.book.reactions.extend(self.ledger.reactions(self.over))

    def _is_over(self) -> bool:
        """Look whether the gateway has closed meanwhile."""
        self.line.receive(lambda: False, 0)
        return self.over != ""

    def _is_odd(self, sent: Sent) -> None:
        """Remember what is wrong, unless it stands behind what nobody can read."""
        if not self.lost:
            self.ledger.odd.append(sent)

    def leave(self) -> None:
        """Close our side as one does."""
        if not self.over and not self.finished:
            self.line.write(self.wire.farewell())
        self.line.leave()

    def drop(self, *, reset: bool) -> None:
        """Close in the middle, whatever is under way."""
        self.line.write(b"")
        self.line.receive(lambda: False, 0)
        self.book.reactions.extend((sent.label, sent.answer) for sent in self.ledger.odd if sent.answer)
        self.line.leave(reset=reset)

    def finish(self) -> None:
        """Say that we send no more."""
        self.finished = True
        self.line.finish()


def _parsed(step: Step, body: bytes) -> Any:
    message_class = message_class_of(step.proto, of_gateway=False)
    if message_class is None or step.format:
        return None
    try:
        return message_class.FromString(body)
    except Exception:
        return None
