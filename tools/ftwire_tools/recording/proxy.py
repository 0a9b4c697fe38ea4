"""The proxy: passes bytes between clients and a gateway unchanged, and reports them to a tap.

It does not decode anything; where a script is to see what passes, an interceptor does. A side that reads slowly slows
down the side that sends, since the proxy holds no more than ``CHUNK`` bytes of a direction at a time. The end of one
direction is passed on while the other goes on (half-close); a reset is passed on as a reset.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

from ftwire.frame import Role
from ftwire.pcap import Direction, Endpoint
from ftwire_tools.captures.traffic import Closed, Opened, Received, Reset, Tap, Traffic, endpoint_of
from ftwire_tools.gateway.log import OncePer
from ftwire_tools.terminal.addresses import Address

__all__ = [
    "CHUNK",
    "Between",
    "Proxy",
    "StreamError",
    "Wires",
]

CHUNK: Final = 32 * 1024
"""Most bytes received at a time: less than a TCP window, so that the recorded packets are plausible."""
CONNECT_SECONDS: Final = 10
"""Seconds that the gateway may take to accept a connection."""
PAUSE_SECONDS: Final = 0.5
"""Seconds before the next attempt to accept, when one failed: mostly for lack of file descriptors."""
REPORT_SECONDS: Final = 60
"""Seconds between two reports of that; a client that is closed is reported each time."""


class Between(Protocol):
    """What is between the two sides of a connection: it is given the bytes of each, and sends what becomes of them."""

    async def receive(self, sender: Role, data: bytes) -> None:
        """Take bytes of a side. Raises ``OSError``, and ``StreamError`` where the connection cannot go on."""
        ...

    async def finish(self, sender: Role) -> None:
        """Return when all that a side has sent has been passed on: it sends nothing more."""
        ...

    def stop(self) -> None:
        """Drop what is held back: the connection is over."""
        ...


class StreamError(Exception):
    """A connection that cannot go on; its text is the reason."""


class Wires(NamedTuple):
    """How to reach the two sides of a connection."""

    peer: str
    """The client's address."""
    send: Callable[[Role, bytes], Awaitable[None]]
    """Sends bytes to a side; what is for the client is recorded. Raises ``OSError``."""
    cut: Callable[[], None]
    """Closes the connection at once."""
    end: Callable[[], None]
    """Closes the connection when the client has got what was sent."""
    record_for_client: Callable[[bytes], None]
    """Records bytes as sent by the gateway, without sending them."""
    write_to_client: Callable[[bytes], Awaitable[None]]
    """Sends bytes to the client without recording them but as what it has seen. Raises ``OSError``."""


class Proxy:
    """Listens for clients and connects each to its gateway.

    ``report`` is called with messages for the user, for example about a gateway that cannot be reached. ``intercept``
    returns what is to be between the sides of a connection, by its number. The tap gets the bytes of the client as they
    come, and those for the client as they are sent, but for faults; ``seen`` gets them with what faults have made of
    them.
    """

    def __init__(
        self,
        tap: Tap,
        report: Callable[[str], None],
        intercept: Callable[[int, Wires], Between] | None = None,
        seen: Tap | None = None,
    ) -> None:
        self._tap: Final = tap
        self._seen: Final = seen
        self._report: Final = report
        self._intercept: Final = intercept
        self._listeners: Final[list[socket.socket]] = []
        self._tasks: Final[set[asyncio.Task[None]]] = set()
        self._scarcity: Final = OncePer(REPORT_SECONDS)
        self.connections = 0
        """Number of clients that were connected to a gateway so far."""

    def listen(self, at: Address, to: Address) -> Address:
        """Listen at ``at`` for clients of the gateway ``to``; return the address, with the port chosen for 0.

        Clients are accepted once the event loop runs on. Raises ``OSError``.
        """
        family, kind, protocol, _, where = socket.getaddrinfo(
            at.host, at.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            if sys.platform != "win32":  # there it would share the port of a program that listens already
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
            listener.listen(128)
            listener.setblocking(False)
        except OSError:
            listener.close()
            raise
        self._listeners.append(listener)
        self._start(self._accept(listener, to))
        return Address(at.host, listener.getsockname()[1])

    async def close(self) -> None:
        """Stop listening and close all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for listener in self._listeners:
            listener.close()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket, to: Address) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError as error:
                # A client may give up before it is accepted; any other error would repeat at once.
                if error.errno != errno.ECONNABORTED:
                    if self._scarcity.is_due(loop.time()):
                        self._report(f"cannot accept more clients for now: {error.strerror}")
                    await asyncio.sleep(PAUSE_SECONDS)
                continue
            self._start(self._serve(client, to))

    async def _serve(self, client: socket.socket, to: Address) -> None:
        with client:
            client.setblocking(False)
            try:
                gateway = await asyncio.wait_for(self._connect(to), CONNECT_SECONDS)
            except (OSError, TimeoutError) as error:
                self._report(f"cannot reach the gateway {to}: {_why(error)}; closed the client {_name(client)}")
                _reset_on_close(client)
                return
            with gateway:
                await self._pass_both_ways(client, gateway)

    @staticmethod
    async def _connect(to: Address) -> socket.socket:
        loop = asyncio.get_running_loop()
        failure: OSError | None = None
        for family, kind, protocol, _, where in await loop.getaddrinfo(to.host, to.port, type=socket.SOCK_STREAM):
            found = socket.socket(family, kind, protocol)
            try:
                found.setblocking(False)
                await loop.sock_connect(found, where)
            except OSError as error:
                found.close()
                failure = error
            except BaseException:
                found.close()
                raise
            else:
                return found
        raise failure or OSError(f"{to.host} has no address")

    async def _pass_both_ways(self, client: socket.socket, gateway: socket.socket) -> None:
        for side in (client, gateway):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            ends = _endpoint(client), _endpoint(gateway)
        except OSError:  # closed already
            return
        self.connections += 1
        number = self.connections
        self._take(Opened(number, time.time_ns(), *ends))
        between = self._between(number, str(ends[0]), client, gateway)
        there = asyncio.create_task(self._pass_on(number, Direction.A_TO_B, client, gateway, between))
        back = asyncio.create_task(self._pass_on(number, Direction.B_TO_A, gateway, client, between))
        try:
            await asyncio.wait((there, back), return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in (there, back):
                task.cancel()
            ended = await asyncio.gather(there, back, return_exceptions=True)
            if between is not None:
                between.stop()
        if any(isinstance(result, OSError | StreamError) for result in ended):
            # Both sides must see a reset, as they would without the proxy.
            _reset_on_close(client)
            _reset_on_close(gateway)
        for result in ended:
            if isinstance(result, StreamError):
                self._report(f"connection {number}: closed: {result}")
            elif isinstance(result, Exception) and not isinstance(result, OSError):
                raise result

    def _take(self, traffic: Traffic) -> None:
        self._tap.take(traffic)
        if self._seen is not None:
            self._seen.take(traffic)

    def _between(self, number: int, peer: str, client: socket.socket, gateway: socket.socket) -> Between | None:
        """Return what is between the sides of a connection, ``None`` where bytes pass as they are."""
        if self._intercept is None:
            return None
        loop = asyncio.get_running_loop()
        sides = {Role.CLIENT: client, Role.SERVER: gateway}
        locks = {role: asyncio.Lock() for role in Role}  # a reply of the script's own may come between two pieces

        def record(data: bytes) -> None:
            self._tap.take(Received(number, time.time_ns(), Direction.B_TO_A, data))

        async def write(data: bytes) -> None:
            async with locks[Role.CLIENT]:
                if self._seen is not None:
                    self._seen.take(Received(number, time.time_ns(), Direction.B_TO_A, data))
                await loop.sock_sendall(client, data)

        async def send(to: Role, data: bytes) -> None:
            if to is Role.CLIENT:
                record(data)
                await write(data)
                return
            async with locks[to]:
                await loop.sock_sendall(gateway, data)

        def end() -> None:
            for side in sides.values():
                with suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)

        def cut() -> None:
            for side in sides.values():
                _reset_on_close(side)
                with suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)

        return self._intercept(number, Wires(peer, send, cut, end, record, write))

    async def _pass_on(
        self,
        number: int,
        direction: Direction,
        source: socket.socket,
        destination: socket.socket,
        between: Between | None,
    ) -> None:
        """Pass one direction on until its end.

        Raises ``OSError`` where the connection is reset, ``StreamError`` where it cannot go on.
        """
        sender = Role.CLIENT if direction is Direction.A_TO_B else Role.SERVER
        loop = asyncio.get_running_loop()
        take, ready = self._take, self._tap.ready
        while True:
            await ready()
            try:
                data = await loop.sock_recv(source, CHUNK)
            except OSError:
                take(Reset(number, time.time_ns(), direction))
                raise
            now = time.time_ns()
            if not data:
                if between is not None:
                    await between.finish(sender)
                take(Closed(number, now, direction))
                with suppress(OSError):  # the other side may have closed
                    destination.shutdown(socket.SHUT_WR)
                return
            if between is None or sender is Role.CLIENT:
                take(Received(number, now, direction, data))
            try:
                if between is None:
                    await loop.sock_sendall(destination, data)
                else:
                    await between.receive(sender, data)
            except (OSError, StreamError):
                take(Reset(number, time.time_ns(), direction.opposite))
                raise


def _endpoint(side: socket.socket) -> Endpoint:
    return endpoint_of(side.getpeername())


def _why(error: OSError | TimeoutError) -> str:
    if isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    if error.errno:
        # asyncio's text has the address instead of the reason.
        return os.strerror(error.errno)
    return f"no answer in {CONNECT_SECONDS} s" if isinstance(error, TimeoutError) else str(error)


def _name(side: socket.socket) -> str:
    try:
        return str(_endpoint(side))
    except OSError:
        return "that has gone"


def _reset_on_close(side: socket.socket) -> None:
    """Make the next close of a socket send a reset."""
    with suppress(OSError):
        side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
