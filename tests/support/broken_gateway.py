"""A gateway with a planted bug that ``ftwire fuzz gateway`` has to find, or without one.

It runs in this process, on a thread of its own, or as a program (``python broken_gateway.py PORT BUG``). It shares no
code with the fuzzer and answers from ``fixtures.scenario``.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from hashlib import sha1
from typing import Any

from google.protobuf import json_format

from fixtures.scenario import CBC_IV, CONN_KEY, Scenario
from ftwire.cipher import RsaKey
from ftwire.connection import INIT_CONNECT, Connection, State
from ftwire.errors import WireError
from ftwire.events import FrameDamaged, RequestReceived
from ftwire.frame import Frame, Role
from ftwire.protocols import registry

BUGS = {
    # Bug: the kind of finding, and how many steps provoke it.
    "serial-plus-one": ("wrong serial", 2),
    "digest-of-another-body": ("wrong digest", 2),
    "hangs-on-empty-body": ("hung", 2),
    "dies-on-unknown-protocol": ("crashed", 2),
    "deaf-after-bad-digest": ("dead", 2),
    "swaps-two-replies": ("wrong protocol", 3),
    "cuts-long-bodies": ("undecodable", 2),
    "dies-on-second-handshake": ("crashed", 2),
    "forgets-the-second-of-a-segment": ("hung", 3),
    "loses-small-chunks": ("hung", 2),
    "cuts-everybody-off": ("others", 2),
    "answers-of-the-day-before": ("mixed up", 3),
    "closes-on-json": ("closed", 2),
    "speaks-http": ("garbage", 2),
}
NEED_ONE_SEGMENT = {"swaps-two-replies", "forgets-the-second-of-a-segment"}
"""Bugs that show where two requests are read at once."""
SEGMENT_SECONDS = 0.03
"""For those, what comes within this time is read at once: how TCP cuts it is chance."""


def response_of(scenario: Scenario, entry: Any, request: Any) -> Any:
    """Return what the scenario answers to a request, a failure to what cannot be read."""
    response = entry.response()
    try:
        content = json_format.MessageToDict(request).get("c2s", {})
        json_format.ParseDict(scenario.answer(entry.name, content).response, response)
        response.SerializeToString()
    except Exception:
        response = entry.response()
        response.retType = -1
    return response


class BrokenGateway:
    """A gateway with the interface of the fuzzer's ``Program``: it can be started and stopped repeatedly."""

    def __init__(
        self, port: int, bug: str = "", *, key: RsaKey | None = None, dies: Callable[[], None] | None = None
    ) -> None:
        self.port = port
        self.bug = bug
        self.key = key
        self.exit_code: int | None = None
        self.clients: set[_Client] = set()
        self._dies = dies
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: asyncio.Server | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def crash(self) -> str:
        return f"exit code {self.exit_code}" if self.exit_code else ""

    def output(self) -> str:
        return ""

    def start(self) -> None:
        self.stop()
        self.exit_code = None
        self._ready.clear()
        self._thread = threading.Thread(target=self.run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def wait(self, seconds: float) -> None:
        if self._thread is not None:
            self._thread.join(seconds)

    def stop(self) -> None:
        if self._loop is not None and self._thread is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    close = stop

    def run(self) -> None:
        self._loop = loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        self.clients.clear()
        self._server = loop.run_until_complete(loop.create_server(lambda: _Client(self), "127.0.0.1", self.port))
        self.port = self._server.sockets[0].getsockname()[1]
        self._ready.set()
        try:
            loop.run_forever()
        finally:
            self._server.close()
            for client in list(self.clients):
                client.transport.abort()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    def die(self) -> None:
        self.exit_code = 70
        if self._dies is not None:
            self._dies()
        assert self._loop is not None
        self._loop.stop()

    def go_deaf(self) -> None:
        assert self._server is not None
        self._server.close()


class _Client(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, gateway: BrokenGateway) -> None:
        self.gateway = gateway
        self.bug = gateway.bug
        self.connection = Connection(Role.SERVER, key=gateway.key)
        self.scenario = Scenario()
        self.hung = False
        self.waiting: list[Frame] = []
        self.last_rt: Any = None
        self.last_body = b""
        self.gathered = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.gateway.clients.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.gateway.clients.discard(self)

    def data_received(self, data: bytes) -> None:
        if self.bug not in NEED_ONE_SEGMENT:
            self.segment_received(data)
            return
        if not self.gathered:
            asyncio.get_running_loop().call_later(SEGMENT_SECONDS, self.gathered_received)
        self.gathered += data

    def gathered_received(self) -> None:
        data, self.gathered = self.gathered, b""
        self.segment_received(data)

    def segment_received(self, data: bytes) -> None:
        if self.hung:
            return
        if self.bug == "loses-small-chunks" and len(data) < 8:
            return
        try:
            events = list(self.connection.receive_data(data, time.monotonic_ns()))
        except WireError:
            if self.bug == "cuts-everybody-off":
                for client in list(self.gateway.clients):
                    client.transport.abort()
            self.transport.abort()
            return
        if self.bug == "forgets-the-second-of-a-segment":
            events = events[:1]
        for event in events:
            if isinstance(event, FrameDamaged):
                if self.bug == "deaf-after-bad-digest":
                    self.gateway.go_deaf()
            elif isinstance(event, RequestReceived):
                self.request(event.frame, alone=len(events) == 1)
            if self.hung:
                return
        self.transport.write(self.connection.data_to_send())

    def request(self, frame: Frame, *, alone: bool) -> None:
        entry = registry.get(frame.proto_id)
        try:
            message: Any = frame.message
        except WireError:
            message = None
        if frame.proto_id == INIT_CONNECT:
            if self.connection.state is State.NEW and message is not None and hasattr(message, "c2s"):
                self.connection.accept(frame, conn_id=7, aes_key=CONN_KEY, aes_iv=CBC_IV)
                return
            if self.bug == "dies-on-second-handshake" and self.connection.state is State.OPEN:
                self.gateway.die()
        if not frame.body and self.bug == "hangs-on-empty-body":
            self.hung = True
            return
        if entry is None or entry.is_push:
            if self.bug == "dies-on-unknown-protocol":
                self.gateway.die()
            return
        if frame.body_format == 1 and self.bug == "closes-on-json":
            self.transport.close()
        if frame.body_format > 1:
            if self.bug == "speaks-http":
                self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(44))
            return
        self.reply(frame, self.answer(frame, entry, message), alone=alone)

    def answer(self, frame: Frame, entry: Any, message: Any) -> Any:
        asked = message
        if frame.proto_id == 3008 and self.bug == "answers-of-the-day-before":
            asked, self.last_rt = self.last_rt or message, message
        return response_of(self.scenario, entry, asked)

    def reply(self, frame: Frame, response: Any, *, alone: bool) -> None:
        if self.bug == "swaps-two-replies" and not alone:
            if not self.waiting:
                self.waiting.append(frame)
                self.kept = response
                return
            other = self.waiting.pop()
            one, two = frame.serial, other.serial
            self.plain(other.proto_id, one, self.kept)
            self.plain(frame.proto_id, two, response)
            return
        if self.bug == "cuts-long-bodies":
            body = response.SerializeToString()
            if len(body) > 120 and frame.body_format == 0:
                self.connection.reply(frame, body[:120])
                return
        self.connection.reply(frame, response)
        if self.bug not in {"serial-plus-one", "digest-of-another-body"}:
            return
        data = bytearray(self.connection.data_to_send())
        if self.bug == "serial-plus-one" and frame.proto_id == 3008:
            data[8:12] = (frame.serial + 1).to_bytes(4, "little")
        if self.bug == "digest-of-another-body" and frame.proto_id == 1002:
            data[16:36] = sha1(self.last_body, usedforsecurity=False).digest()
        self.last_body = bytes(data[44:])
        self.transport.write(bytes(data))

    def plain(self, proto_id: int, serial: int, response: Any) -> None:
        self.transport.write(Frame.build(proto_id, serial, response, sender=Role.SERVER).encode())


if __name__ == "__main__":
    BrokenGateway(int(sys.argv[1]), *sys.argv[2:3], dies=lambda: os._exit(70)).run()
