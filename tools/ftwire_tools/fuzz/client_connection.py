"""One connection of a client, as a hostile gateway has it: replies, pushes, and bytes. Copied, see ``steps``."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any, Final, Protocol

from ftwire.body import encode_body
from ftwire_tools.fuzz.bodies import message_class_of
from ftwire_tools.fuzz.judgement import Notebook
from ftwire_tools.fuzz.steps import Step
from ftwire_tools.fuzz.valid_messages import response_message
from ftwire_tools.fuzz.wire_format import Wire

__all__ = ["Guest", "Host"]


class Host(Protocol):
    """What a connection needs of the gateway that has it."""

    book: Notebook
    timeout: float
    keep_alive: int
    last_request: Any

    def read(self, guest: Guest, /) -> None:
        """Take what a client has sent."""
        ...


class Guest:
    """One connection of the client."""

    def __init__(self, play: Host, connected: socket.socket, number: int, wire: Wire) -> None:
        self.play: Final = play
        self.socket: Final = connected
        self.number: Final = number
        self.wire: Final = wire
        self.requests = 0
        self.heard = self.beaten = time.monotonic()
        """When it has last said anything, and was last asked whether it is there."""
        self.over = ""
        self.late: Any = None
        self.granted = False
        self._is_writing = False
        self._later = b""
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def answer(self, request: Any, step: Step) -> None:
        """Send the reply to a request."""
        message_class = message_class_of(request.proto_id, of_gateway=True)
        if message_class is None:
            return
        asked: Any = request.message
        response = response_message(request.proto_id, asked, self.play.keep_alive)
        body_format = 1 if request.body_format == 1 else 0
        filled = Step(
            "reply",
            request.proto_id,
            format=body_format,
            mutations=step.mutations,
            chunk=step.chunk,
            hold=step.hold,
            fragments=step.fragments,
            ping=step.ping,
        )
        body = encode_body(response, body_format)
        self.send(self.wire.render(filled, body, request.serial).data, step.chunk)
        if request.proto_id == self.wire.init and not self.granted:
            self.granted = True
            self.wire.agree(asked, response)

    def push(self, step: Step) -> None:
        """Send a push, of the security that the client has asked for last."""
        response = response_message(step.proto, self.play.last_request, self.play.keep_alive)
        self.send(self.wire.render(step, encode_body(response), 0).data, step.chunk)

    def send(self, data: bytes, chunk: int = 0) -> None:
        """Write bytes; those that a client does not take within the time are lost."""
        if self._is_writing:
            # What reading calls for does not go into the middle of what is being written.
            self._later += data
            return
        if self.over or not data:
            return
        self._is_writing = True
        self._write(data, chunk)
        self._is_writing = False
        later, self._later = self._later, b""
        self.send(later)

    def _write(self, data: bytes, chunk: int) -> None:
        self.play.book.note(self.number, "gateway", data)
        size = chunk or len(data)
        rest = memoryview(data)
        end = time.monotonic() + self.play.timeout
        sent = 0
        while rest:
            try:
                rest = rest[self.socket.send(rest[:size]) :]
            except BlockingIOError:
                if time.monotonic() > end:
                    return
                time.sleep(0.002)
                self.play.read(self)
                if self.over:
                    return
                continue
            except OSError as error:
                self.ended(error)
                return
            sent += 1
            if chunk and sent < 200:
                time.sleep(0.0003)
            elif chunk:
                size = len(rest) or 1

    def beat(self) -> None:
        """Ask whether it is there, from time to time, where a client does not say so by itself."""
        now = time.monotonic()
        if now - self.beaten > self.play.keep_alive:
            self.beaten = now
            self.send(self.wire.beat())

    def ended(self, error: OSError | None) -> None:
        """Take note that the client has closed."""
        if not self.over:
            self.over = "reset" if error is not None else "closed"
            self.play.book.note(self.number, "reset" if error is not None else "client-end")

    def leave(self, how: str) -> None:
        """Close our side: ``close``, ``reset`` or ``finish``."""
        if self.over:
            return
        if how == "finish":
            self.play.book.note(self.number, "gateway-end")
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError as error:
                self.ended(error)
            return
        self.over = "left"
        self.play.book.note(self.number, "reset" if how == "reset" else "gateway-end")
        if how == "reset":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
