"""The client without ``await``: the same names, for programs that have no event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ftwire_tools.client.client import Client

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire._schema.typed import BlockingRequests
    from ftwire.events import Connected
    from ftwire.frame import Frame
    from ftwire.header import BodyFormat
    from ftwire_tools.client.push_stream import PushStream
    from ftwire_tools.client.replies import Reply
    from ftwire_tools.client.rt_table import Columns
else:
    BlockingRequests = object

__all__ = ["BlockingClient", "BlockingPushStream"]

_T = TypeVar("_T")


class _Loop:
    """A thread with an event loop, in which the client lives."""

    def __init__(self) -> None:
        self._loop: Final = asyncio.new_event_loop()
        self._thread: Final = threading.Thread(target=self._loop.run_forever, name="ftwire-client", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the thread was not ended."""
        return self._thread.is_alive()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in the loop and return its result; Ctrl-C cancels it."""
        if not self.is_running:
            work.close()
            raise RuntimeError("the client is closed; make another")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the thread."""
        if self.is_running:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


class BlockingClient(BlockingRequests):
    """A client of one gateway whose methods return when they are done.

    Arguments, methods and errors are those of ``Client``, which lives in a thread of its own: keep-alive, pushes and
    reconnecting go on between two calls. ``on_event`` is called in that thread. Methods may be called from several
    threads, but from no event loop, which they would block.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 11111, **arguments: Any) -> None:
        self._client: Final = Client(host, port, **arguments)
        self._loop: _Loop | None = None

    def __repr__(self) -> str:
        return repr(self._client).replace(type(self._client).__name__, type(self).__name__, 1)

    @property
    def host(self) -> str:
        """The gateway's address."""
        return self._client.host

    @property
    def port(self) -> int:
        """The gateway's port."""
        return self._client.port

    @property
    def body_format(self) -> BodyFormat:
        """Of requests, replies and pushes."""
        return self._client.body_format

    @property
    def connected(self) -> Connected | None:
        """The result of the latest handshake."""
        return self._client.connected

    def __enter__(self) -> BlockingClient:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Connect. Raises ``ConnectError``."""
        if self._loop is None:
            self._loop = _Loop()
        try:
            self._loop.run(self._client.open())
        except BaseException:
            self._loop.close()
            self._loop = None
            raise

    def close(self) -> None:
        """Close the connection: requests that wait fail, push streams end. Closing again does nothing."""
        loop = self._loop
        if loop is not None and loop.is_running:
            self._run(self._client.close())
            loop.close()

    def exchange(
        self, protocol: int | str, message: Message | Mapping[str, Any] | bytes, *, timeout: float | None = None
    ) -> Reply:
        """Send a request and return its reply, whatever its ``retType``, with the time it took."""
        return self._run(self._client.exchange(protocol, message, timeout=timeout))

    if not TYPE_CHECKING:  # for type checkers BlockingRequests has a signature for each protocol

        def request(
            self, protocol: int | str, message: Message | Mapping[str, Any] | bytes, *, timeout: float | None = None
        ) -> Any:
            """Send a request and return the message of its reply. Type checkers know the class of the reply."""
            return self._run(self._client.request(protocol, message, timeout=timeout))

    def subscribe(
        self, codes: str | Iterable[str], types: str | int | Iterable[str | int], *, push: bool = True, **flags: Any
    ) -> None:
        """Subscribe to securities (``HK.00700``) and types (``RT`` or 5, of ``Qot_Common.SubType``)."""
        self._run(self._client.subscribe(codes, types, push=push, **flags))

    def unsubscribe(self, codes: str | Iterable[str], types: str | int | Iterable[str | int]) -> None:
        """End subscriptions. OpenD allows that one minute after they began."""
        self._run(self._client.unsubscribe(codes, types))

    def unsubscribe_all(self) -> None:
        """End every subscription of this client."""
        self._run(self._client.unsubscribe_all())

    def get_rt_data(self, code: str) -> Columns:
        """Return today's time-share points of a security, which needs a subscription (``RT``), as a table."""
        return self._run(self._client.get_rt_data(code))

    def pushes(self, *protocols: int | str) -> BlockingPushStream:
        """Return a stream that collects pushes from now on: of these protocols, or of all where none is given.

        Raises ``UnknownProtocolError``.
        """

        async def make() -> PushStream:
            return self._client.pushes(*protocols)

        return BlockingPushStream(self._run(make()), self._run)

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        if self._loop is None:
            work.close()
            raise RuntimeError("the client is not open: use it in a with block, or call open()")
        return self._loop.run(work)


class BlockingPushStream:
    """An iterator over pushes, made by ``BlockingClient.pushes``; see ``PushStream``."""

    def __init__(self, stream: PushStream, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._stream: Final = stream
        self._run: Final = run

    def __len__(self) -> int:
        """Return how many pushes wait to be taken."""
        return len(self._stream)

    def __iter__(self) -> BlockingPushStream:
        return self

    def __next__(self) -> Frame:
        frame = self.take()
        if frame is None:
            raise StopIteration
        return frame

    def take(self, timeout: float | None = None) -> Frame | None:
        """Return the next push; ``None`` where the stream has ended.

        Raises ``TimeoutError`` where none comes within ``timeout`` seconds, and ``ConnectionLostError`` when the
        connection is lost for good.
        """

        async def take() -> Frame | None:
            async with asyncio.timeout(timeout):
                return await anext(self._stream, None)

        frame: Frame | None = self._run(take())
        return frame

    def close(self) -> None:
        """Stop collecting, and drop what waits."""

        async def close() -> None:
            self._stream.close()

        self._run(close())

    def __enter__(self) -> BlockingPushStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
