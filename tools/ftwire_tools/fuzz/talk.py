"""One connection of a hostile client: what it has sent, what must come of it, and what came.

Copied into saved tests, see ``steps``.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ftwire.cipher import NONE, Cipher, Rsa, RsaKey
from ftwire.connection import negotiated_cipher
from ftwire.errors import WireError
from ftwire.frame import Frame, Role
from ftwire.stream import FrameDecoder
from ftwire_tools.fuzz.legal import request_message
from ftwire_tools.fuzz.steps import Step, boundaries, message_class_of, render
from ftwire_tools.fuzz.verdict import Notebook, fault_of

__all__ = ["NoGatewayError", "Sent", "Talk"]

INIT: Final = 1001
ALIVE: Final = 1004
GRACE: Final = 0.05
"""Seconds given to a handshake that need not be answered, and to what follows lost boundaries."""
PIECES: Final = 200
"""Most writes that a slowly sent frame is cut into."""
MAX_REPLY: Final = 64 << 20
"""Largest body that is read as one."""


class NoGatewayError(Exception):
    """Nobody listens."""


@dataclass(slots=True)
class Sent:
    """A frame that a gateway may answer."""

    label: str
    message: Any
    must: bool
    """Whether it has to."""
    answer: str = ""
    is_last: bool = False
    """Whether frame boundaries were lost with it: what comes behind it is not read as what it is."""


class Talk:
    """One connection to the gateway."""

    def __init__(
        self, book: Notebook, number: int, address: tuple[str, int], key: RsaKey | None, timeout: float
    ) -> None:
        self.book: Final = book
        self.number: Final = number
        self.key: Final = key
        self.timeout: Final = timeout
        try:
            self.socket: Final = socket.create_connection(address, timeout)
        except OSError as error:
            raise NoGatewayError(error.strerror or str(error)) from None
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.cipher: Cipher = NONE if key is None else Rsa(key)
        self.decoder: Final = FrameDecoder(Role.SERVER, cipher=self.cipher, max_body=MAX_REPLY)
        self.serial = 0
        self.conn_id = 0
        self.opened = self.lost = self.provoked = self.finished = self.hangs = False
        self.over = ""
        self.sent: Final[dict[int, dict[int, Sent]]] = {}  # by serial, then by protocol
        self.odd: Final[list[Sent]] = []
        self.held = b""
        self.hello: Any = None
        book.note(number, "open")

    # What is sent

    def send(self, step: Step) -> None:
        """Send a frame; remember what must come of it."""
        if self._is_over():
            return
        self.serial += 1
        body = self._stamped(step, bytes.fromhex(step.body))
        message_class = message_class_of(step.proto, of_gateway=False)
        data = render(step, body, self.serial, self.cipher, message_class)
        frames = boundaries(data)
        legal = not step.mutations and not self.lost and not self.finished
        must = legal and (self.opened if step.proto != INIT else not self.opened and not self.hello)
        again = step.proto == INIT and (self.opened or self.hello is not None)
        early = step.proto != INIT and not self.opened
        label = step.label or ("second InitConnect" if again else "request before InitConnect" if early else "")
        message = None
        if message_class is not None and step.format == 0:
            try:
                message = message_class.FromString(body)
            except Exception:
                message = None
        sent = Sent(label, message if legal else None, must)
        if label:
            self.provoked = True
            self._is_odd(sent)
        if frames is None:
            sent.is_last = self.lost = True
        for proto_id, serial in frames or ():
            self.sent.setdefault(serial, {})[proto_id] = sent
            # Later requests have serials that nothing has used: a reply says which one it is for.
            if self.serial <= serial < 1 << 31:
                self.serial = serial
        if step.proto == INIT and (legal or self.hello is None):
            self.hello = message
        self.write(data, step.chunk, hold=step.hold)
        if step.hold:
            return
        if must and (step.wait or step.proto == INIT):
            self._await(lambda: sent.answer != "")
        else:
            self.receive(lambda: sent.answer != "", GRACE if step.proto == INIT else 0)
        if self.opened and step.proto == INIT and step.mutations and self.key is not None:
            # What was agreed on by a handshake that says something else is anybody's guess.
            self.lost = True

    def _stamped(self, step: Step, body: bytes) -> bytes:
        """Put the connection's ID and the serial into what has a place for them."""
        message_class = message_class_of(step.proto, of_gateway=False)
        if message_class is None or step.format:
            return body
        field = message_class.DESCRIPTOR.fields_by_name.get("c2s")
        if field is None or "packetID" not in field.message_type.fields_by_name:
            return body
        message = message_class.FromString(body)
        message.c2s.packetID.connID, message.c2s.packetID.serialNo = self.conn_id, self.serial
        return bytes(message.SerializePartialToString())

    def write(self, data: bytes, chunk: int = 0, *, hold: bool = False) -> None:
        """Write bytes, all at once or in pieces, or with the next ones."""
        if hold:
            self.held += data
            return
        data, self.held = self.held + data, b""
        if self.over or not data:
            return
        self.book.note(self.number, "client", data)
        pieces = [data]
        if chunk:
            cut = min(len(data), chunk * PIECES)
            pieces = [data[at : min(at + chunk, cut)] for at in range(0, cut, chunk)] + [data[cut:]]
        try:
            for piece in pieces:
                self._write_piece(piece)
                if chunk:
                    time.sleep(0.0003)
        except OSError as error:
            self._ended(error)

    def _write_piece(self, piece: bytes) -> None:
        """Write while reading: a gateway that answers before it has read everything must not block."""
        self.socket.settimeout(0)
        rest = memoryview(piece)
        end = time.monotonic() + self.timeout
        while rest and not self.over:
            readable, writable, _ = select.select([self.socket], [self.socket], [], max(0, end - time.monotonic()))
            if readable:
                self._read()
            if writable and not self.over:
                rest = rest[self.socket.send(rest) :]
            if not readable and not writable:
                # It takes nothing: as good as lost, for what is half there.
                self.lost = True
                return

    # What comes

    def receive(self, done: Callable[[], bool], seconds: float) -> bool:
        """Read until ``done()``, the end of the connection or of the time; returns whether it was done."""
        end = time.monotonic() + seconds
        while not done() and not self.over:
            left = end - time.monotonic()
            if not select.select([self.socket], [], [], max(0, left))[0]:
                if left <= 0:
                    break
                continue
            self._read()
        return bool(done())

    def _await(self, done: Callable[[], bool]) -> bool:
        """Wait for what must come: once for so long, for one that hangs need not be waited for again."""
        found = self.receive(done, 0 if self.hangs else self.timeout)
        self.hangs = self.hangs or not (found or self.over)
        return found

    def _read(self) -> None:
        self.socket.settimeout(self.timeout)
        try:
            data = self.socket.recv(1 << 16)
        except OSError as error:
            self._ended(error)
            return
        if not data:
            self._ended(None)
            return
        self.book.note(self.number, "gateway", data)
        try:
            for frame in self.decoder.feed(data):
                self._take(frame)
        except WireError as error:
            if not self.lost:
                self.book.found("garbage", str(error))
            self.lost = True
            self.over = "garbage"

    def _take(self, frame: Frame) -> None:
        by_proto = self.sent.get(frame.serial, {})
        sent = by_proto.get(frame.proto_id)
        if self.lost and self.cipher is not NONE:
            return
        fault = fault_of(frame, check_format=sent is not None and sent.must)
        if fault is not None:
            self.book.findings.append(fault)
        if sent is not None:
            sent.answer = sent.answer or "answered"
        if frame.error is not None or fault is not None:
            return
        protocol = frame.protocol
        if protocol is not None and protocol.is_push and sent is None:
            return
        if sent is None:
            if not self.lost:
                self._unasked(frame, by_proto)
            return
        message: Any = frame.message
        if getattr(message, "retType", 0):
            sent.answer = "refused"
        elif frame.proto_id == INIT and not self.opened:
            self._agree(message)
        elif sent.message is not None:
            self._compare(frame, sent.message, message)

    def _unasked(self, frame: Frame, by_proto: dict[int, Sent]) -> None:
        if by_proto:
            asked = ", ".join(map(str, by_proto))
            self.book.found("wrong protocol", f"protocol {frame.proto_id} for serial {frame.serial}, sent with {asked}")
        else:
            self.book.found("wrong serial", f"protocol {frame.proto_id} with serial {frame.serial}")

    def _agree(self, response: Any) -> None:
        self.opened = True
        self.conn_id = response.s2c.connID
        if self.key is None:
            return
        try:
            self.cipher = self.decoder.cipher = negotiated_cipher(self.hello, response)
        except WireError as error:
            self.book.found("undecodable", f"InitConnect: {error}")
            self.lost = True

    def _compare(self, frame: Frame, request: Any, response: Any) -> None:
        """Hold a reply against its request, where both name one security."""
        asked: Any = getattr(request, "c2s", None)
        answered: Any = getattr(response, "s2c", None)
        for side in (asked, answered):
            field = None if side is None else side.DESCRIPTOR.fields_by_name.get("security")
            if field is None or field.message_type is None or not side.HasField("security"):
                return
        if (asked.security.market, asked.security.code) != (answered.security.market, answered.security.code):
            self.book.found(
                "mixed up",
                f"protocol {frame.proto_id}, serial {frame.serial}: asked for {asked.security.code}, "
                f"answered {answered.security.code}",
            )

    def _ended(self, error: OSError | None) -> None:
        self.over = "reset" if error is not None else "closed"
        self.book.note(self.number, "reset" if error is not None else "gateway-end")

    # The end

    def settle(self) -> None:
        """Wait for what must come, ask one more legal request, and judge."""
        self.write(b"")
        if not self.lost and not self.over:
            self._await_all()
            if self.opened and not self.finished and not self.over and not self.waiting:
                body = request_message(ALIVE).SerializeToString().hex()
                self.send(Step("send", ALIVE, body, wait=False))
                self._await_all()
        if not self.over and (self.lost or not self.opened):
            # Nothing answers for it that it has been read: give that a moment, or what comes of it is seen too late.
            self.receive(lambda: False, GRACE)
        if not self.lost and self.waiting and not self.over:
            names = ", ".join(f"{proto} (serial {serial})" for serial, proto in self.waiting[:3])
            self.book.found("hung", f"no reply to {names} within {self.timeout:g} s")
        if self.over in {"closed", "reset"} and not self.provoked and not self.finished:
            self.book.found("closed", f"{self.over} after legal frames only")
        for sent in self.odd:
            self.book.reactions.append((sent.label, self._reaction(sent)))

    def _is_over(self) -> bool:
        """Look whether the gateway has closed meanwhile."""
        self.receive(lambda: False, 0)
        return self.over != ""

    def _is_odd(self, sent: Sent) -> None:
        """Remember what is wrong, unless it stands behind what nobody can read."""
        if not self.lost:
            self.odd.append(sent)

    def raw(self, step: Step) -> None:
        """Send bytes that need not be frames."""
        if self._is_over():
            return
        data = bytes.fromhex(step.data)
        lost = boundaries(data) is None
        self.provoked = True
        self._is_odd(Sent("raw", None, must=False, is_last=lost))
        self.lost = self.lost or lost
        self.write(data, step.chunk, hold=step.hold)

    def _await_all(self) -> None:
        while (waiting := self.waiting) and not self.over:
            count = len(waiting)
            if not self._await(lambda: len(self.waiting) < count):  # noqa: B023 - asked before the next turn
                return

    def _reaction(self, sent: Sent) -> str:
        if sent.answer:
            return sent.answer
        return self.over if self.over and sent is self.odd[-1] else "ignored"

    @property
    def waiting(self) -> list[tuple[int, int]]:
        """(serial, protocol) of what must still be answered."""
        return [
            (serial, proto)
            for serial, by_proto in self.sent.items()
            for proto, sent in by_proto.items()
            if sent.must and not sent.answer
        ]

    def leave(self, *, reset: bool = False) -> None:
        """Close our side."""
        if not self.over:
            self.write(b"")
            self.book.note(self.number, "reset" if reset else "client-end")
            self.over = self.over or "left"
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def drop(self, *, reset: bool) -> None:
        """Close in the middle, whatever is under way."""
        self.write(b"")
        self.receive(lambda: False, 0)
        self.book.reactions.extend((sent.label, sent.answer) for sent in self.odd if sent.answer)
        self.leave(reset=reset)

    def finish(self) -> None:
        """Say that we send no more."""
        self.write(b"")
        self.finished = True
        if not self.over:
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError as error:
                self._ended(error)
