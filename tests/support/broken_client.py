"""A client with a planted bug, or without one: ``python broken_client.py PORT [BUG] [KEY]``.

It subscribes, sends a few requests and ends. Without a bug it survives any input: it waits half a second for a reply
and makes a new connection when the one it has is lost. It shares no code with the fuzzer.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ftwire.cipher import RsaKey
from ftwire.connection import Connection
from ftwire.errors import DigestError, WireError
from ftwire.events import Connected, Event, FrameDamaged, PushReceived, ReplyReceived
from ftwire.frame import Role, UnknownBody
from ftwire.protocols import registry

BUGS = {
    # Bug: the kind of finding, and a seed whose first runs provoke it.
    "aborts-on-bad-digest": ("crashed", 199),
    "exits-with-3-on-odd-ret-type": ("crashed", 74),
    "loses-a-thread-to-empty-bodies": ("crashed", 36),
    "hangs-on-empty-body": ("silent", 36),
    "stays-away-after-a-reset": ("gone", 166),
    "wrong-digest-after-unknown-format": ("wrong digest", 69),
    "speaks-http-after-bad-magic": ("garbage", 234),
    "nonsense-after-a-push": ("undecodable", 55),
}
ASKS, PATIENCE = 4, 0.5


def subscription() -> Any:
    """Return the first request: a subscription to the time shares of a stock."""
    message: Any = registry[3001].request()
    message.c2s.securityList.add(market=1, code="00700")
    message.c2s.subTypeList.append(5)
    message.c2s.isSubOrUnSub = True
    return message


def question() -> Any:
    """Return the request that it sends from then on."""
    message: Any = registry[3008].request()
    message.c2s.security.market, message.c2s.security.code = 1, "00700"
    return message


class LostError(Exception):
    """The connection is over."""


class BrokenClient:
    """Asks until it has asked enough, on as many connections as it takes; its subclass does so on WebSocket."""

    attempts = 5

    def __init__(self, port: int, bug: str, key: RsaKey | None = None) -> None:
        self.port = port
        self.bug = bug
        self.key = key
        self.body: bytes | None = None
        """What is sent for the body of every request, if anything."""
        self.spoil_digest = False
        self.end = threading.Event()
        """Set from outside to end it."""

    def run(self) -> None:
        asked = 0
        for _ in range(self.attempts):
            try:
                with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as self.socket:
                    asked = self.session(asked)
            except (OSError, LostError, WireError) as error:
                if self.bug == "stays-away-after-a-reset" and isinstance(error, ConnectionResetError):
                    time.sleep(60)
            if asked >= ASKS or self.end.wait(0.05):
                return

    def session(self, asked: int) -> int:
        self.connect()
        self.ask(3001, subscription())
        while asked < ASKS:
            asked += 1
            self.ask(3008, question())
        return asked

    def until(self, done: Callable[[], bool]) -> None:
        """Send what there is and receive, until something is done or patience ends."""
        end = time.monotonic() + PATIENCE
        while True:
            self.socket.sendall(self.outgoing())
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
            self.receive(data)

    def connect(self) -> None:
        self.connection = Connection(Role.CLIENT, key=self.key)
        self.connection.initiate(time.monotonic_ns(), client_id="broken")
        if not self.comes(Connected):
            raise LostError

    def ask(self, proto_id: int, message: Any) -> bool:
        if self.body is not None:
            message = self.body
        self.connection.request(proto_id, message, time.monotonic_ns())
        return self.comes(ReplyReceived)

    def comes(self, wanted: type[Event]) -> bool:
        self.seen: list[Event] = []
        self.until(lambda: any(isinstance(event, wanted) for event in self.seen))
        return any(isinstance(event, wanted) for event in self.seen)

    def outgoing(self) -> bytes:
        data = self.connection.data_to_send()
        if self.spoil_digest and data:
            data = data[:20] + bytes((data[20] ^ 1,)) + data[21:]
        return data

    def receive(self, data: bytes) -> None:
        try:
            for event in self.connection.receive_data(data, time.monotonic_ns()):
                self.misbehave(event)
                self.seen.append(event)
        except WireError:
            if self.bug == "speaks-http-after-bad-magic":
                self.socket.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(30))
            raise

    def misbehave(self, event: Event) -> None:
        bug = self.bug
        if isinstance(event, FrameDamaged):
            if bug == "aborts-on-bad-digest" and isinstance(event.frame.error, DigestError):
                os.abort()
            return
        if isinstance(event, PushReceived) and bug == "nonsense-after-a-push":
            self.body = b"\xff\xff"
        if not isinstance(event, ReplyReceived | PushReceived):
            return
        if not event.frame.body and bug == "hangs-on-empty-body":
            time.sleep(60)
        if not event.frame.body and bug == "loses-a-thread-to-empty-bodies":
            sys.stderr.write("Exception in thread Thread-1:\n")
        try:
            message: Any = event.frame.message
        except WireError:
            return
        if isinstance(message, UnknownBody):
            if bug == "wrong-digest-after-unknown-format" and message.body_format > 1:
                self.spoil_digest = True
        elif bug == "exits-with-3-on-odd-ret-type" and message.retType not in {0, -1, -400}:
            sys.exit(3)


if __name__ == "__main__":
    arguments = [*sys.argv[1:], "", ""]
    pem = arguments[2]
    BrokenClient(int(arguments[0]), arguments[1], RsaKey.from_pem(Path(pem).read_bytes()) if pem else None).run()
