"""A client on WebSocket with a planted bug, or without one.

It runs on a thread of its own, or as a program (``python broken_websocket_client.py PORT [BUG]``). It subscribes, sends
a few requests and ends. Without a bug it survives any input: it waits half a second for a reply and makes a new
connection when the one it has is lost. It shares no code with the fuzzer but the library ``websockets``, whose protocol
without a socket answers pings.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from ftwire.errors import WireError
from ftwire.frame import Role
from ftwire.protocols import registry
from ftwire.websocket import INIT, Envelope
from support.broken_client import question, subscription

BUGS = {
    # Bug: the kind of finding, and a seed whose first runs provoke it.
    "aborts-on-a-short-message": ("crashed", 162),
    "ends-on-an-error-code": ("crashed", 55),
    "hangs-on-an-empty-body": ("silent", 79),
    "stays-away-after-a-close-frame": ("gone", 160),
    "text-after-a-push": ("garbage", 25),
    "no-mask-after-fragments": ("garbage", 11),
    "nonsense-after-an-unknown-command": ("undecodable", 67),
}
ASKS, PATIENCE = 4, 0.5
QUIET = logging.Logger("quiet")
QUIET.addHandler(logging.NullHandler())


class LostError(Exception):
    """The connection is over."""


class CrashError(Exception):
    """It ends as no program should; the text says how."""


class BrokenClient:
    """A client with the interface of the fuzzer's ``Program``: it can be started and stopped repeatedly."""

    exit_code = None

    def __init__(self, port: int, bug: str = "") -> None:
        self.port = port
        self.bug = bug
        self.end = threading.Event()
        self.thread: threading.Thread | None = None
        self.how = ""

    @property
    def is_running(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    def crash(self) -> str:
        return self.how

    def output(self) -> str:
        return ""

    def start(self) -> None:
        self.stop()
        self.end.clear()
        self.how = ""
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.end.set()
        if self.thread is not None:
            self.thread.join()

    close = stop

    def run(self) -> None:
        self.section = 1
        self.body: bytes | None = None
        self.as_text = self.without_mask = False
        asked = 0
        for _ in range(20):
            try:
                with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as self.socket:
                    asked = self.session(asked)
            except CrashError as error:
                self.how = str(error)
                return
            except (OSError, LostError, WireError):
                pass
            if asked >= ASKS or self.end.wait(0.05):
                return

    def session(self, asked: int) -> int:
        self.protocol = ClientProtocol(parse_uri(f"ws://127.0.0.1:{self.port}/"), max_size=16 << 20, logger=QUIET)
        self.parts: list[bytes] = []
        self.protocol.send_request(self.protocol.connect())
        self.until(lambda: self.protocol.state is State.OPEN)
        if self.protocol.state is not State.OPEN:
            raise LostError
        init: Any = registry[INIT].request
        if not self.ask(INIT, init()):
            raise LostError
        self.ask(3001, subscription())
        while asked < ASKS:
            asked += 1
            self.ask(3008, question())
        return asked

    def ask(self, command: int, message: Any) -> bool:
        self.section += 1
        self.answered = False
        body = message.SerializeToString() if self.body is None else self.body
        data = Envelope.build(command, self.section, body, sender=Role.CLIENT).encode()
        if self.protocol.state is not State.OPEN:
            raise LostError
        if self.as_text:
            self.protocol.send_text(data.decode(errors="replace").encode())
        elif self.without_mask:
            self.socket.sendall(Frame(Opcode.BINARY, data).serialize(mask=False))
        else:
            self.protocol.send_binary(data)
        self.until(lambda: self.answered)
        return self.answered

    def until(self, done: Any) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            for data in self.protocol.data_to_send():
                if data:
                    self.socket.sendall(data)
            left = end - time.monotonic()
            if done() or left <= 0:
                return
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                return
            if not data:
                raise LostError
            self.protocol.receive_data(data)
            for event in self.protocol.events_received():
                if isinstance(event, Frame):
                    self.take(event)
            if self.protocol.handshake_exc is not None:
                raise LostError

    def take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE and self.bug == "stays-away-after-a-close-frame":
            self.socket.close()
            self.end.wait(60)
        if frame.opcode not in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            return
        if frame.opcode is Opcode.CONT and self.bug == "no-mask-after-fragments":
            self.without_mask = True
        self.parts.append(bytes(frame.data))
        if frame.fin:
            message, self.parts = b"".join(self.parts), []
            self.message(message)

    def message(self, message: bytes) -> None:
        if len(message) < 44 and self.bug == "aborts-on-a-short-message":
            raise CrashError("ended by SIGABRT")
        try:
            envelope = Envelope.decode(message, sender=Role.SERVER)
        except WireError:
            return
        if envelope.error_code and self.bug == "ends-on-an-error-code":
            raise CrashError("exit code 1")
        if not envelope.body and self.bug == "hangs-on-an-empty-body":
            self.end.wait(60)
        if registry.get(envelope.command) is None and self.bug == "nonsense-after-an-unknown-command":
            self.body = b"\xff\xff"
        if envelope.section == self.section:
            self.answered = True
        elif self.bug == "text-after-a-push":
            self.as_text = True


if __name__ == "__main__":
    arguments = [*sys.argv[1:], ""]
    client = BrokenClient(int(arguments[0]), arguments[1])
    client.run()
    if client.how:
        sys.exit(1) if client.how == "exit code 1" else os.abort()
