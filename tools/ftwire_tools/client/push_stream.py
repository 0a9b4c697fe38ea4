"""Push streams: asynchronous iterators over the pushes of some protocols."""

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

__all__ = ["FRAME_OVERHEAD", "PushStream", "Put"]

Put = Callable[["Frame"], None]
"""Takes a push."""

FRAME_OVERHEAD: Final = 512
"""Bytes that a waiting frame is assumed to take beside its body: the object, its header, the digest."""


class PushStream:
    """An asynchronous iterator over pushes, made by ``Client.pushes``.

    It collects pushes from the moment it is made. Iterating yields ``ftwire.Frame``: ``frame.message`` is the message,
    ``frame.protocol.name`` its protocol. It ends when the stream or the client is closed, and raises
    ``ConnectionLostError`` when the connection is lost for good. While the connection is being restored it waits;
    pushes of that time are lost.
    """

    def __init__(self, on_taken: Callable[[], None], on_close: Callable[[PushStream], None]) -> None:
        self._arriving: Final[list[Frame]] = []
        self.put: Final = self._arriving.append
        """Adds a push, which ``commit`` then makes available. It is ``list.append``: a method would double the cost."""
        self._batches: Final[deque[tuple[list[Frame], int]]] = deque()
        self._current: Iterator[Frame] = iter(())
        self._current_size = 0
        self._on_taken: Final = on_taken
        self._on_close: Final = on_close
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        self._error: ClientError | None = None
        self.size = 0
        """Bytes that wait to be taken, with ``FRAME_OVERHEAD`` for each frame; those of one piece of the stream count
        until the last is taken."""

    def __len__(self) -> int:
        """Return how many pushes wait to be taken."""
        return length_hint(self._current) + sum(len(frames) for frames, _ in self._batches)

    def commit(self) -> None:
        """Make the pushes that were put available to the reader."""
        if not self._arriving:
            return
        frames = self._arriving.copy()
        self._arriving.clear()
        size = sum([len(frame.payload) for frame in frames]) + FRAME_OVERHEAD * len(frames)
        self._batches.append((frames, size))
        self.size += size
        self._wake()

    def end(self, error: ClientError | None) -> None:
        """End the stream; pushes that wait can still be taken."""
        self._closed = True
        self._error = error
        self._wake()

    def close(self) -> None:
        """Stop collecting, and drop what waits."""
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
                raise RuntimeError("another task is already waiting for this stream's next push")
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
