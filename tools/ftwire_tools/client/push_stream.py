"""Pushes, one after the other, for whoever wants these and no others."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from operator import length_hint
from types import TracebackType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ftwire.frame import Frame
    from ftwire_tools.client.errors import ClientError

__all__ = ["FRAME_OVERHEAD", "PushStream"]

FRAME_OVERHEAD: Final = 512
"""What a waiting frame is taken to cost beside its body, in bytes: the object, its header's tuple, the digest."""


class PushStream:
    """An asynchronous iterator over pushes, made by ``Client.pushes``.

    It collects from the moment it is made. Iterating gives ``ftwire.Frame``; ``frame.message`` is the message,
    ``frame.protocol.name`` says which. It ends when the stream or the client is closed, and raises the client's
    ``ConnectionLostError`` when the connection is lost for good. While the connection is being restored it
    waits: what the gateway sent meanwhile is not in it.
    """

    def __init__(self, on_taken: Callable[[], None], on_close: Callable[[PushStream], None]) -> None:
        self._arriving: Final[list[Frame]] = []
        self.put: Final = self._arriving.append
        """Adds a push; ``commit`` hands out what was added. One call a push would cost as much as decoding it."""
        self._batches: Final[deque[tuple[list[Frame], int]]] = deque()
        self._current: Iterator[Frame] = iter(())
        self._current_size = 0
        self._on_taken: Final = on_taken
        self._on_close: Final = on_close
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        self._error: ClientError | None = None
        self.size = 0
        """Bytes that wait to be taken, ``FRAME_OVERHEAD`` for each frame included; what came in one piece of the
        stream counts until all of it is taken."""

    def __len__(self) -> int:
        """Return how many pushes wait to be taken."""
        return length_hint(self._current) + sum(len(frames) for frames, _ in self._batches)

    def commit(self) -> None:
        """Hand out what was put."""
        if not self._arriving:
            return
        frames = self._arriving.copy()
        self._arriving.clear()
        size = sum([len(frame.payload) for frame in frames]) + FRAME_OVERHEAD * len(frames)
        self._batches.append((frames, size))
        self.size += size
        self._wake()

    def end(self, error: ClientError | None) -> None:
        """Say that no more will come; what waits can still be taken."""
        self._closed = True
        self._error = error
        self._wake()

    def close(self) -> None:
        """Stop collecting, and forget what waits."""
        self._arriving.clear()
        self._batches.clear()
        self._current = iter(())
        self.size = self._current_size = 0
        self.end(None)
        self._on_close(self)

    def __aiter__(self) -> PushStream:
        return self

    async def __anext__(self) -> Frame:
        for frame in self._current:
            return frame
        return await self._next_batch()

    async def _next_batch(self) -> Frame:
        """Return the first push of the next batch, when there is one."""
        self._done_with_batch()
        while not self._batches:
            if self._closed:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            if self._waiter is not None:
                raise RuntimeError("somebody else is waiting for this stream's next push already")
            waiter = self._waiter = asyncio.get_running_loop().create_future()
            try:
                await waiter
            finally:
                if self._waiter is waiter:
                    self._waiter = None
        frames, self._current_size = self._batches.popleft()
        self._current = iter(frames)
        return next(self._current)

    def _done_with_batch(self) -> None:
        if self._current_size:
            self.size -= self._current_size
            self._current_size = 0
            self._on_taken()

    async def __aenter__(self) -> PushStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
