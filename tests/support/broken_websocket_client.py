"""A client on WebSocket with a planted bug, or without one.

It runs on a thread of its own, or as a program (``python broken_websocket_client.py PORT [BUG]``). It subscribes, sends
a few requests and ends. Without a bug it survives any input: it waits half a second for a reply and makes a new
connection when the one it has is lost. It shares no code with the fuzzer but the library ``websockets``, whose protocol
without a socket answers pings.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from ftwire.errors import WireError
from ftwire.frame import Role
from ftwire.protocols import registry
from ftwire.websocket import INIT, Envelope
from support.broken_client import BrokenClient, LostError

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
QUIET = logging.Logger("quiet")
QUIET.addHandler(logging.NullHandler())


class CrashError(Exception):
    """It ends as no program should; the text says how."""


class BrokenWebSocketClient(BrokenClient):
    """A client with the interface of the fuzzer's ``Program``: it can be started and stopped repeatedly."""

    exit_code = None
    attempts = 20

    def __init__(self, port: int, bug: str = "") -> None:
        super().__init__(port, bug)
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

    def wait(self, seconds: float) -> None:
        if self.thread is not None:
            self.thread.join(seconds)

    close = stop

    def run(self) -> None:
        self.section = 1
        self.body = None
        self.as_text = self.without_mask = False
        try:
            super().run()
        except CrashError as error:
            self.how = str(error)

    def connect(self) -> None:
        self.protocol = ClientProtocol(parse_uri(f"ws://127.0.0.1:{self.port}/"), max_size=16 << 20, logger=QUIET)
        self.parts: list[bytes] = []
        self.protocol.send_request(self.protocol.connect())
        self.until(lambda: self.protocol.state is State.OPEN)
        init: Any = registry[INIT].request
        if self.protocol.state is not State.OPEN or not self.ask(INIT, init()):
            raise LostError

    def ask(self, proto_id: int, message: Any) -> bool:
        self.section += 1
        self.answered = False
        body = message.SerializeToString() if self.body is None else self.body
        data = Envelope.build(proto_id, self.section, body, sender=Role.CLIENT).encode()
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

    def outgoing(self) -> bytes:
        return b"".join(self.protocol.data_to_send())

    def receive(self, data: bytes) -> None:
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
    client = BrokenWebSocketClient(int(arguments[0]), arguments[1])
    client.run()
    if client.how:
        sys.exit(1) if client.how == "exit code 1" else os.abort()
