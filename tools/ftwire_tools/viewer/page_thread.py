"""Serves the page from a thread of its own, beside a program whose event loop has other things to do."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ftwire.errors import NotACaptureError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftwire_tools.viewer.live_session import LiveSession
    from ftwire_tools.viewer.resender import Resender
    from ftwire_tools.viewer.view_server import ViewServer

__all__ = ["PageThread"]


class PageThread:
    """Serves a session from ``start`` to ``stop``.

    ``report`` is called, in the thread, with what keeps the session from being read on.
    """

    def __init__(
        self, server: ViewServer, live: LiveSession, resender: Resender, report: Callable[[str], None]
    ) -> None:
        self._server: Final = server
        self._live: Final = live
        self._resender: Final = resender
        self._report: Final = report
        self._begun: Final[Future[asyncio.AbstractEventLoop]] = Future()
        self._stop: Final = asyncio.Event()
        self._thread: Final = threading.Thread(target=self._run, name="page", daemon=True)

    def start(self) -> None:
        """Listen. Raises ``OSError``."""
        self._thread.start()
        self._begun.result()

    def stop(self) -> None:
        """End, and wait for it."""
        with suppress(RuntimeError):  # it has ended by itself, with an error
            self._begun.result().call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._begun.done():
                raise
            self._begun.set_exception(error)

    async def _serve(self) -> None:
        async with self._server:
            self._begun.set_result(asyncio.get_running_loop())
            try:
                await self._live.read_until(self._stop)
            except (OSError, NotACaptureError, ImportError) as error:
                self._live.state = "ended"
                self._report(f"the page shows no more: {error}")
                await self._stop.wait()
            await self._resender.close()
