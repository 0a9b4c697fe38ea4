"""A TCP connection of either hostile side: bytes out in pieces, events in."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, Final

from ftwire.errors import WireError
from ftwire.frame import Role
from ftwire_tools.fuzz.judgement import PlayRecord
from ftwire_tools.fuzz.steps import FuzzStep
from ftwire_tools.fuzz.transport import CloseReceived, FuzzTransport

__all__ = ["FuzzConnection"]

PIECES: Final = 200
"""Most writes that a slowly sent frame is cut into."""
BETWEEN_PIECES: Final = 0.0003
"""Seconds between two of them."""


class FuzzConnection:
    """A connected socket, whose traffic goes into ``record``; subclasses take what is received (``take``).

    ``timeout`` is how long the peer may take to read, in seconds.
    """

    end = ""
    """How it ended: ``closed`` or ``reset`` by the peer, ``left`` by us, ``garbage`` or ``refused`` where what came
    cannot be read; empty while it is open."""
    is_open = False
    """Whether the handshake was granted."""
    is_finished = False
    """Whether we have closed for writing, or announced the end."""
    is_lost = False
    """Whether one side cannot know where the other's next frame begins."""

    def __init__(self, record: PlayRecord, transport: FuzzTransport, timeout: float, connected: socket.socket) -> None:
        record.connections += 1
        self.number: Final = record.connections
        self.record: Final = record
        self.transport: Final = transport
        self.timeout: Final = timeout
        self.socket: Final = connected
        self.heard = time.monotonic()
        """When the peer has last sent anything."""
        self._us, self._peer = ("client", "gateway") if transport.role is Role.CLIENT else ("gateway", "client")
        self._held = b""
        self._is_writing = False
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        record.note(self.number, "open")

    def take(self, event: Any) -> None:
        """Handle a frame, an envelope or an event of the transport."""
        raise NotImplementedError

    def do(self, step: FuzzStep, body: bytes = b"", serial: int = 0) -> None:
        """Do a step, whatever it means to the peer; ``body`` and ``serial`` are those of a message."""
        match step.do:
            case "pause":
                time.sleep(step.ms / 1000)
            case "finish":
                self.finish()
            case "close" | "reset":
                self.leave(reset=step.do == "reset")
            case _:
                self.write(self.transport.render(step, body, serial).data, step.chunk)

    def write(self, data: bytes, chunk: int = 0, *, hold: bool = False) -> None:
        """Write bytes, in pieces of ``chunk`` if it is not 0, or with ``hold`` together with the next ones."""
        if hold or self._is_writing:
            # An answer to what is read meanwhile must not go into the middle of what is being written.
            self._held += data
            return
        data, self._held = self._held + data, b""
        if self.end or not data:
            return
        self.record.note(self.number, self._us, data)
        cut = min(len(data), chunk * PIECES)
        pieces = [data[at : min(at + chunk, cut)] for at in range(0, cut, chunk or 1)] + [data[cut:]]
        self._is_writing = True
        for piece in pieces:
            self._write_piece(piece)
            if chunk:
                time.sleep(BETWEEN_PIECES)
        self._is_writing = False
        self.write(b"")

    def _write_piece(self, piece: bytes) -> None:
        # Reading meanwhile: a peer that answers before it has read everything must not block.
        rest = memoryview(piece)
        end = time.monotonic() + self.timeout
        while rest and not self.end:
            readable, writable, _ = select.select([self.socket], [self.socket], [], max(0, end - time.monotonic()))
            if readable:
                self.read()
            if writable and not self.end:
                try:
                    rest = rest[self.socket.send(rest) :]
                except BlockingIOError:
                    continue
                except OSError:
                    self._ended("reset", "reset")
            if not writable and time.monotonic() >= end:
                self.is_lost = True
                return

    def receive(self, done: Callable[[], bool], seconds: float) -> bool:
        """Read until ``done()``, the end of the connection or of the time; returns the last ``done()``."""
        end = time.monotonic() + seconds
        # What has arrived is read even when the time is over, but not what a peer never stops to send.
        while not done() and not self.end and (left := end - time.monotonic()) > -self.timeout:
            if select.select([self.socket], [], [], max(0, left))[0]:
                self.read()
            elif left <= 0:
                break
        return bool(done())

    def wait(self, seconds: float) -> None:
        """Read whatever comes for so long."""
        self.receive(lambda: False, seconds)

    def read(self) -> None:
        """Read once, and handle what came."""
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            self._ended("reset", "reset")
            return
        if not data:
            self._ended("closed", f"{self._peer}-end")
            return
        self.heard = time.monotonic()
        self.record.note(self.number, self._peer, data)
        try:
            for event in self.transport.feed(data):
                if isinstance(event, CloseReceived):
                    self.write(self.transport.outgoing())
                    self._ended("closed", f"{self._peer}-end")
                    return
                self.take(event)
        except WireError as error:
            refused = self.transport.refused
            # A gateway that cannot find our frames any more may answer in any protocol.
            if not refused and not (self.is_lost and self._us == "client"):
                self.record.found("garbage", str(error))
            self.is_lost = True
            self.end = "refused" if refused else "garbage"
        if answer := self.transport.outgoing():
            self.write(answer)

    def _ended(self, how: str, what: str) -> None:
        if not self.end:
            self.end = how
            self.heard = time.monotonic()
            self.record.note(self.number, what)

    def finish(self) -> None:
        """Close for writing."""
        self.is_finished = True
        self.heard = time.monotonic()  # the peer has its time to react from now on
        self.write(b"")
        if self.end:
            return
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._ended("reset", "reset")
        else:
            self.record.note(self.number, f"{self._us}-end")

    def leave(self, *, reset: bool = False) -> None:
        """Close, after what was held back, or reset."""
        self.write(b"")
        self._ended("left", "reset" if reset else f"{self._us}-end")
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
