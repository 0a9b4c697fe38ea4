"""The queue between a session and its transport where faults are configured.

Without faults there is no such queue: what one turn of the event loop produces is sent in one write. With faults,
each frame may be delayed, lost, repeated, split, merged with others or cut off.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ftwire_tools.gateway.faults import Faults
    from ftwire_tools.gateway.transport import ClientTransport

__all__ = ["FaultyOutbox"]

HIGH_WATER: Final = 64 * 1024
"""Bytes in the queue above which ``drained`` waits."""
SPLIT: Final = 0.002
"""Seconds between the pieces of a frame, so that the client reads each piece by itself."""


class FaultyOutbox:
    """One client's outgoing frames, in order, with faults applied."""

    def __init__(self, transport: ClientTransport, faults: Faults) -> None:
        self._transport: Final = transport
        self._faults: Final = faults
        self._queue: asyncio.Queue[tuple[float, tuple[bytes, ...], bool]] = asyncio.Queue()
        self._held: list[bytes] = []
        self._swapped: bytes | None = None
        self._size = 0
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._room.set()

    async def drained(self) -> None:
        """Wait until there is room for more."""
        await self._room.wait()

    @property
    def size(self) -> int:
        """Bytes in the queue."""
        return self._size

    def put(self, proto_id: int, frame: bytes, *, is_push: bool) -> None:
        """Queue a frame, with the faults that strike it applied."""
        faults = self._faults
        frame = faults.spoil_frame(proto_id, frame, is_push=is_push, stream=self._transport.is_stream)
        if faults.silent:
            return
        if faults.strikes("silent", proto_id):
            faults.silent = True
            return
        if faults.strikes("drop", proto_id):
            return
        if faults.strikes("close", proto_id):
            self._put(0.0, (), last=True)
            return
        if faults.strikes("garbage", proto_id):
            frame = faults.garbage(frame)
        if is_push and self._swapped is None and faults.strikes("reorder", proto_id):
            self._swapped = frame
            return
        frames = [frame]
        if faults.strikes("duplicate", proto_id):
            frames.append(frame)
        if self._swapped is not None and is_push:
            frames.append(self._swapped)
            self._swapped = None
        wait = faults.wait(proto_id)
        if faults.strikes("unknown-protocol", proto_id):
            frames.insert(0, faults.unknown_protocol(frame, stream=self._transport.is_stream))
        if faults.strikes("cut", proto_id):
            self._put(wait, (frame[: len(frame) // 2],), last=True)
        elif self._transport.is_stream and faults.strikes("split", proto_id):
            whole = b"".join(frames)
            step = max(1, min(len(whole) // 8, 1000))
            self._put(wait, tuple(whole[at : at + step] for at in range(0, len(whole), step)))
        elif self._transport.is_stream and faults.strikes("merge", proto_id):
            self._held += frames
        elif self._held:
            frames, self._held = self._held + frames, []
            self._put(wait, (b"".join(frames),))
        else:
            for one in frames:
                self._put(wait, (one,))
                wait = 0.0

    def stop(self) -> None:
        """Drop the queue and send nothing more."""
        self._room.set()
        self._queue = asyncio.Queue()
        self._held, self._swapped, self._size = [], None, 0
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _put(self, wait: float, pieces: tuple[bytes, ...], *, last: bool = False) -> None:
        if not wait and len(pieces) == 1 and not last and self._queue.empty() and not self._size:
            self._transport.write(pieces[0])
            return
        self._size += sum(map(len, pieces))
        if self._size > HIGH_WATER:
            self._room.clear()
        self._queue.put_nowait((wait, pieces, last))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while True:
            wait, pieces, last = await self._queue.get()
            if wait:
                await asyncio.sleep(wait)
            for number, piece in enumerate(pieces):
                if number:
                    await asyncio.sleep(SPLIT)
                self._size -= len(piece)
                self._transport.write(piece)
                if self._size <= HIGH_WATER:
                    self._room.set()
            if last:
                self._transport.close()
                return
