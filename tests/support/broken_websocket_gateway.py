"""A gateway on WebSocket with a planted bug, or without one.

Like ``broken_gateway`` it runs in this process or as a program (``python broken_websocket_gateway.py PORT BUG``). It
shares no code with the fuzzer: it uses the asyncio server of ``websockets``, whose handling of frames some bugs change.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
import sys
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode

from fixtures.scenario import Scenario
from ftwire.errors import WireError
from ftwire.protocols import registry
from ftwire.websocket import INIT, Envelope
from ftwire.websocket_connection import WebSocketConnection
from support.broken_gateway import BrokenGateway, response_of

BUGS = {
    # Bug: the kind of finding, and how many steps provoke it.
    "takes-fragments-for-messages": ("closed", 2),
    "stops-after-an-empty-message": ("hung", 2),
    "dies-on-a-cut-envelope": ("crashed", 2),
    "section-of-32-bits": ("wrong serial", 2),
    "answers-in-text": ("garbage", 2),
    "no-pongs": ("hung", 2),
    "no-end-after-a-close-frame": ("hung", 2),
    "header-of-the-other-side": ("garbage", 2),
    "deaf-after-text": ("dead", 2),
    "loses-what-a-ping-stands-in": ("hung", 2),
}
CLIENT_HEADER = struct.Struct(">8sIQ")


class BrokenWebSocketGateway(BrokenGateway):
    """A gateway with the interface of the fuzzer's ``Program``."""

    def run(self) -> None:
        self._loop = loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        quiet = logging.Logger("quiet")
        quiet.addHandler(logging.NullHandler())

        async def listen() -> Server:
            manner: Any = {"compression": None, "logger": quiet, "close_timeout": 0.1, "ping_interval": None}
            return await serve(self.serve, "127.0.0.1", self.port, **manner)

        self.server = loop.run_until_complete(listen())
        self.port = next(iter(self.server.sockets)).getsockname()[1]
        self._ready.set()
        try:
            loop.run_forever()
        finally:
            self.server.server.close()
            for connection in list(self.server.connections):
                connection.transport.abort()
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.close()

    def go_deaf(self) -> None:
        self.server.server.close()

    async def serve(self, socket: ServerConnection) -> None:
        self._spoil(socket)
        session = _Session(self, socket)
        try:
            while True:
                if self.bug == "takes-fragments-for-messages":
                    parts = [part async for part in socket.recv_streaming()]
                else:
                    parts = [await socket.recv()]
                for message in parts:
                    await session.receive(message)
        except ConnectionClosed:
            pass

    def _spoil(self, socket: ServerConnection) -> None:
        """Make the library handle frames wrongly."""
        protocol: Any = socket.protocol
        receive = protocol.recv_frame

        def recv_frame(frame: Any) -> None:
            if frame.opcode is Opcode.PING:
                if self.bug == "no-pongs":
                    return
                if self.bug == "loses-what-a-ping-stands-in" and protocol.current_size is not None:
                    protocol.recv_frame = lambda _: None
            if frame.opcode is Opcode.CLOSE and self.bug == "no-end-after-a-close-frame":
                return
            receive(frame)

        protocol.recv_frame = recv_frame


class _Session:
    def __init__(self, gateway: BrokenWebSocketGateway, socket: ServerConnection) -> None:
        self.gateway = gateway
        self.bug = gateway.bug
        self.socket = socket
        self.connection = WebSocketConnection()
        self.scenario = Scenario()
        self.hung = False

    async def receive(self, message: str | bytes) -> None:
        if isinstance(message, str):
            if self.bug == "deaf-after-text":
                self.gateway.go_deaf()
            message = message.encode()
        if self.hung or (not message and self.bug == "stops-after-an-empty-message"):
            self.hung = True
            return
        if self.bug == "dies-on-a-cut-envelope" and 0 < len(message) < CLIENT_HEADER.size:
            self.gateway.die()
            await asyncio.sleep(60)
        try:
            request = self.connection.receive_message(message)
            self.answer(request)
        except WireError:
            await self.socket.close()
            return
        for data in self.connection.messages_to_send():
            await self.send(request, data)

    async def send(self, request: Envelope, data: bytes) -> None:
        if self.bug == "section-of-32-bits":
            data = data[:12] + (request.section & 0xFFFF_FFFF).to_bytes(8) + data[20:]
        if self.bug == "header-of-the-other-side" and request.command == 3008:
            data = data[:20] + data[44:]
        if self.bug == "answers-in-text" and registry.get(request.command) is None:
            await self.socket.send(data.decode(errors="replace"))
            return
        await self.socket.send(data)

    def answer(self, request: Envelope) -> None:
        if request.command == INIT:
            if self.connection.conn_id:
                self.connection.refuse(request, "connected already")
                return
            if hasattr(request.message, "c2s"):
                self.connection.accept(request, conn_id=7, server_time=1)
            return
        entry = registry.get(request.command)
        if entry is None or entry.is_push:
            self.connection.refuse(request, "unknown")
            return
        try:
            message: Any = request.message
        except WireError:
            message = None
        self.connection.reply(request, response_of(self.scenario, entry, message))


if __name__ == "__main__":
    BrokenWebSocketGateway(int(sys.argv[1]), *sys.argv[2:3], dies=lambda: os._exit(70)).run()
