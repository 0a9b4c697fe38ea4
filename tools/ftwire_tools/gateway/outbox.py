"""The queue in front of a transport where faults are configured.

Without faults there is no such queue: what one turn of the event loop produces is sent in one write. With faults,
each frame may be delayed, lost, repeated, split, merged with others or cut off. A frame that is held back for the next
one (``merge``, ``reorder``) is sent alone when none has come in time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from ftwire_tools.gateway.faults.damage import garbage, unknown_protocol

if TYPE_CHECKING:
    from ftwire_tools.gateway.faults import ClientFaults

__all__ = ["HIGH_WATER", "FaultyOutbox", "Outlet"]

HIGH_WATER: Final = 64 * 1024
"""Bytes in the queue above which ``drained`` waits."""
SPLIT: Final = 0.002
"""Seconds between the pieces of a frame, so that the client reads each piece by itself."""


class Outlet(Protocol):
    """What frames are written to: the part of a ``ClientTransport`` that the queue needs."""

    is_stream: bool
    """Whether it carries a stream of bytes (TCP) and not messages (WebSocket)."""

    def write(self, data: bytes) -> None:
        """Send bytes of the stream, or one message; returns at once."""
        ...

    def close(self) -> None:
        """Send what is left, then close."""
        ...


class FaultyOutbox:
    """One client's outgoing frames, in order, with faults applied."""

    def __init__(self, transport: Outlet, faults: ClientFaults) -> None:
        self._transport: Final = transport
        self._faults: Final = faults
        self._queue: asyncio.Queue[tuple[float, tuple[bytes, ...], bool]] = asyncio.Queue()
        self._held: list[bytes] = []
        self._held_wait = 0.0
        self._swapped: bytes | None = None
        self._timer: asyncio.TimerHandle | None = None
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

    @property
    def is_empty(self) -> bool:
        """Whether no frame waits here."""
        return not (self._size or self._held or self._swapped is not None or self._queue.qsize())

    def pass_on(self, data: bytes) -> None:
        """Queue frames that no fault strikes any more, behind what waits."""
        self._let_go()
        self._put(0.0, (data,))

    def put(self, proto_id: int, frame: bytes, *, is_push: bool) -> None:
        """Queue a frame, with the faults that strike it applied."""
        faults = self._faults
        frame = faults.spoil_frame(proto_id, frame, is_push=is_push, stream=self._transport.is_stream)
        if faults.silent or faults.strikes("silent", proto_id):
            return
        if faults.strikes("drop", proto_id):
            return
        if faults.strikes("close", proto_id):
            self._let_go()
            self._put(0.0, (), last=True)
            return
        if faults.strikes("garbage", proto_id):
            frame = garbage(len(frame))
        if is_push and self._swapped is None and (rule := faults.struck_by("reorder", proto_id)) is not None:
            self._swapped = frame
            self._let_go_after(rule.seconds)
            return
        frames = [frame]
        if faults.strikes("duplicate", proto_id):
            frames.append(frame)
        if self._swapped is not None and is_push:
            frames.append(self._swapped)
            self._swapped = None
            self._stop_timer()
        wait = faults.wait(proto_id)
        if faults.strikes("unknown-protocol", proto_id):
            frames.insert(0, unknown_protocol(frame, stream=self._transport.is_stream))
        if faults.strikes("cut", proto_id):
            self._let_go()
            self._put(wait, (frame[: len(frame) // 2],), last=True)
        elif self._transport.is_stream and faults.strikes("split", proto_id):
            self._send_held()
            whole = b"".join(frames)
            step = max(1, min(len(whole) // 8, 1000))
            self._put(wait, tuple(whole[at : at + step] for at in range(0, len(whole), step)))
        elif self._transport.is_stream and (rule := faults.struck_by("merge", proto_id)) is not None:
            self._held += frames
            self._held_wait = max(self._held_wait, wait)
            if sum(map(len, self._held)) > HIGH_WATER:
                self._send_held()
            else:
                self._let_go_after(rule.seconds)
        elif self._held:
            self._held += frames
            self._held_wait = max(self._held_wait, wait)
            self._send_held()
        else:
            for one in frames:
                self._put(wait, (one,))
                wait = 0.0

    def stop(self) -> None:
        """Drop the queue and send nothing more."""
        self._room.set()
        self._queue = asyncio.Queue()
        self._held, self._swapped, self._size = [], None, 0
        self._stop_timer()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _let_go_after(self, seconds: float) -> None:
        """Send what is held back after this time, if nothing has come to send it with; the first time counts."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._let_go)

    def _stop_timer(self) -> None:
        if self._timer is not None and not self._held and self._swapped is None:
            self._timer.cancel()
            self._timer = None

    def _let_go(self) -> None:
        """Send what is held back for the next frame."""
        self._send_held()
        if self._swapped is not None:
            frame, self._swapped = self._swapped, None
            self._put(0.0, (frame,))
        self._stop_timer()

    def _send_held(self) -> None:
        if self._held:
            data, wait = b"".join(self._held), self._held_wait
            self._held, self._held_wait = [], 0.0
            self._stop_timer()
            self._put(wait, (data,))

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
