"""Pushes, one after the other, for whoever wants these and no others."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ftwire.frame import Frame
    from ftwire_tools.client_errors import ClientError

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
        self._frames: Final[deque[Frame]] = deque()
        self._on_taken: Final = on_taken
        self._on_close: Final = on_close
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        self._error: ClientError | None = None
        self.size = 0
        """Bytes that wait to be taken, ``FRAME_OVERHEAD`` for each frame included."""
        self.is_held = False
        """Reading is stopped: whoever takes a push asks whether it can go on."""

    def __len__(self) -> int:
        """Return how many pushes wait to be taken."""
        return len(self._frames)

    def put(self, frame: Frame) -> None:
        """Add a push."""
        self._frames.append(frame)
        self.size += FRAME_OVERHEAD + len(frame.payload)
        if self._waiter is not None:
            self._wake()

    def end(self, error: ClientError | None) -> None:
        """Say that no more will come; what waits can still be taken."""
        self._closed = True
        self._error = error
        if self._waiter is not None:
            self._wake()

    def close(self) -> None:
        """Stop collecting, and forget what waits."""
        self._frames.clear()
        self.size = 0
        self.end(None)
        self._on_close(self)

    def __aiter__(self) -> PushStream:
        return self

    async def __anext__(self) -> Frame:
        frames = self._frames
        while not frames:
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
                self._waiter = None
        frame = frames.popleft()
        self.size -= FRAME_OVERHEAD + len(frame.payload)
        if self.is_held:
            self._on_taken()
        return frame

    async def __aenter__(self) -> PushStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wake(self) -> None:
        # Once: the waiter runs only after all pushes of a chunk are in.
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
