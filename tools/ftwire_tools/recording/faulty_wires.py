"""Faults between a proxy and its clients: what the gateway sends goes through them before a client gets it.

The same rules as of ``ftwire serve --fault`` strike the frames for a client, whoever made them. Frames that are
encrypted are struck as well, since a header never is; an error on demand and a damaged body have to be encrypted, and
are the interceptor's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ftwire.frame import Role
from ftwire.header import HEADER_SIZE, MAGIC, Header
from ftwire.protocols import registry
from ftwire_tools.gateway.outbox import HIGH_WATER, FaultyOutbox

if TYPE_CHECKING:
    from ftwire_tools.gateway.faults import ClientFaults
    from ftwire_tools.recording.proxy import Wires

__all__ = ["FaultyWires"]

POLL_SECONDS: Final = 0.005
"""Seconds between two checks whether all that is held back has been sent."""


class _Outlet:
    """The client's side of a connection, as the queue of faulty frames writes to it."""

    is_stream = True

    def __init__(self, wires: Wires) -> None:
        self._wires: Final = wires
        self._waiting: Final[deque[bytes]] = deque()
        self._size = 0
        self._room: Final = asyncio.Event()
        self._room.set()
        self._task: asyncio.Task[None] | None = None
        self.is_closed = False
        """Whether a fault has ended the connection."""

    @property
    def is_empty(self) -> bool:
        """Whether all has been sent."""
        return not self._waiting and (self._task is None or self._task.done())

    def write(self, data: bytes) -> None:
        """Send bytes, in order."""
        if not self.is_closed:
            self._waiting.append(data)
            self._size += len(data)
            if self._size > HIGH_WATER:
                self._room.clear()
            if self._task is None or self._task.done():
                self._task = asyncio.get_running_loop().create_task(self._run())

    def close(self) -> None:
        """Send what is left, then close the connection."""
        self.is_closed = True
        if self.is_empty:
            self._wires.end()

    def stop(self) -> None:
        """Send nothing more."""
        self._waiting.clear()
        self._room.set()
        if self._task is not None:
            self._task.cancel()

    async def drained(self) -> None:
        """Wait until the client has read enough for more to be sent."""
        await self._room.wait()

    async def _run(self) -> None:
        with suppress(OSError):  # whoever reads the client's bytes sees that it has gone
            while self._waiting:
                data = self._waiting.popleft()
                await self._wires.write_to_client(data)
                self._size -= len(data)
                if self._size <= HIGH_WATER:
                    self._room.set()
            if self.is_closed:
                self._wires.end()


class FaultyWires:
    """Sends to the sides of one connection as its ``Wires`` do, with faults on the way to the client."""

    def __init__(self, wires: Wires, faults: ClientFaults) -> None:
        self._wires: Final = wires
        self._faults: Final = faults
        self._outlet: Final = _Outlet(wires)
        self._outbox: Final = FaultyOutbox(self._outlet, faults)
        self._has_frames: bool | None = None

    async def send(self, to: Role, data: bytes) -> None:
        """Send a frame, or bytes that are in none. Raises ``OSError``."""
        if to is Role.CLIENT and self._has_frames is None:
            self._has_frames = data.startswith(MAGIC)
        if to is Role.SERVER or not self._has_frames or (not self._faults.is_active and self._is_empty):
            await self._wires.send(to, data)
            return
        self._wires.record_for_client(data)
        if self._faults.is_active:
            proto_id = Header.decode(data[:HEADER_SIZE]).proto_id
            entry = registry.get(proto_id)
            self._outbox.put(proto_id, data, is_push=entry is not None and entry.is_push)
            self._faults.recent.clear()
        else:
            self._outbox.pass_on(data)
        # A client that reads slowly slows down the gateway, as it would without the proxy.
        await self._outbox.drained()
        await self._outlet.drained()

    @property
    def _is_empty(self) -> bool:
        return self._outbox.is_empty and self._outlet.is_empty

    async def finish(self) -> None:
        """Wait until all that is held back has been sent: the gateway sends nothing more."""
        while not (self._is_empty or self._outlet.is_closed):
            await asyncio.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Drop what is held back: the connection is over."""
        self._outbox.stop()
        self._outlet.stop()
