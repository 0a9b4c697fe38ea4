"""A TCP connection that a hostile client makes: bytes, in pieces or with the next ones, while reading.

Copied into saved tests, see ``steps``.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Final

from ftwire_tools.fuzz.judgement import Notebook

__all__ = ["Line", "NoGatewayError"]

PIECES: Final = 200
"""Most writes that a slowly sent frame is cut into."""


class NoGatewayError(Exception):
    """Nobody listens, or nobody who speaks our transport."""


class Line:
    """One connection. ``heard`` takes what comes; ``timeout`` is in seconds."""

    def __init__(
        self,
        book: Notebook,
        number: int,
        address: tuple[str, int],
        timeout: float,
        heard: Callable[[bytes], None],
    ) -> None:
        self.over = ""
        """How it ended, nothing while it goes on."""
        self.is_stuck = False
        """Whether the gateway has not taken all of what was written."""
        self._book: Final = book
        self._number: Final = number
        self._timeout: Final = timeout
        self._heard: Final = heard
        self._held = self._later = b""
        self._is_writing = False
        try:
            self._socket: Final = socket.create_connection(address, timeout)
        except OSError as error:
            raise NoGatewayError(error.strerror or str(error)) from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        book.note(number, "open")

    def write(self, data: bytes, chunk: int = 0, *, hold: bool = False) -> None:
        """Write bytes, all at once or in pieces, or with the next ones."""
        if self._is_writing:
            # What reading calls for does not go into the middle of what is being written.
            self._later += data
            return
        if hold:
            self._held += data
            return
        data, self._held = self._held + data, b""
        if self.over or not data:
            return
        self._book.note(self._number, "client", data)
        pieces = [data]
        if chunk:
            cut = min(len(data), chunk * PIECES)
            pieces = [data[at : min(at + chunk, cut)] for at in range(0, cut, chunk)] + [data[cut:]]
        self._is_writing = True
        try:
            for piece in pieces:
                self._write_piece(piece)
                if chunk:
                    time.sleep(0.0003)
        except OSError as error:
            self._ended(error)
        finally:
            self._is_writing = False
        later, self._later = self._later, b""
        self.write(later)

    def _write_piece(self, piece: bytes) -> None:
        """Write while reading: a gateway that answers before it has read everything must not block."""
        self._socket.settimeout(0)
        rest = memoryview(piece)
        end = time.monotonic() + self._timeout
        while rest and not self.over:
            readable, writable, _ = select.select([self._socket], [self._socket], [], max(0, end - time.monotonic()))
            if readable:
                self._read()
            if writable and not self.over:
                rest = rest[self._socket.send(rest) :]
            if not readable and not writable:
                # It takes nothing: as good as lost, for what is half there.
                self.is_stuck = True
                return

    def receive(self, done: Callable[[], bool], seconds: float) -> bool:
        """Read until ``done()``, the end of the connection or of the time; returns whether it was done."""
        end = time.monotonic() + seconds
        while not done() and not self.over:
            left = end - time.monotonic()
            if not select.select([self._socket], [], [], max(0, left))[0]:
                if left <= 0:
                    break
                continue
            self._read()
        return bool(done())

    def _read(self) -> None:
        self._socket.settimeout(self._timeout)
        try:
            data = self._socket.recv(1 << 16)
        except OSError as error:
            self._ended(error)
            return
        if not data:
            self._ended(None)
            return
        self._book.note(self._number, "gateway", data)
        self._heard(data)

    def _ended(self, error: OSError | None) -> None:
        self.over = "reset" if error is not None else "closed"
        self._book.note(self._number, "reset" if error is not None else "gateway-end")

    def leave(self, *, reset: bool = False) -> None:
        """Close our side."""
        if not self.over:
            self.write(b"")
            self._book.note(self._number, "reset" if reset else "client-end")
            self.over = self.over or "left"
        if reset:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def finish(self) -> None:
        """Say that we send no more."""
        self.write(b"")
        if not self.over:
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError as error:
                self._ended(error)
