"""Reads a capture as it grows, and saves what is shown of it."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol

from ftwire.capture import CaptureReader, DissectedFrame
from ftwire.errors import CaptureError, NotACaptureError
from ftwire_tools.captures.spool import Spool
from ftwire_tools.redaction.capture_rewriter import Rewriter

if TYPE_CHECKING:
    from ftwire.capture import Dissected
    from ftwire.cipher import RsaKey
    from ftwire_tools.session_report.session import Session
    from ftwire_tools.session_report.shown_bodies import ShownBodies

__all__ = ["GrowingFile", "LiveSession", "Source", "spooled"]

CHUNK: Final = 64 << 10
"""Bytes read between two looks at the requests of the page: some 300 frames, which take about 20 ms."""
PAUSE: Final = 0.2
"""Seconds between two looks for more."""


class Source(Protocol):
    """A capture that grows."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes behind what can be read."""
        ...

    @property
    def error(self) -> OSError | None:
        """Why it has ended, where that was an error."""
        ...

    def read(self, start: int, length: int) -> bytes:
        """Return bytes, fewer where there are no more yet. Raises ``OSError``."""
        ...


class GrowingFile:
    """A file that may grow. Without ``follow`` it ends where it ends now."""

    error: Final = None

    def __init__(self, stream: BinaryIO, *, follow: bool) -> None:
        self._stream: Final = stream
        self._follow: Final = follow
        self._size = 0

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is read: a file that has become shorter is another one."""
        return not self._follow or os.fstat(self._stream.fileno()).st_size < self._size

    def read(self, start: int, length: int) -> bytes:
        """Return bytes, fewer where there are no more yet. Raises ``OSError``."""
        self._stream.seek(start)
        data = self._stream.read(length)
        self._size = max(self._size, start + len(data))
        return data


def spooled(stream: BinaryIO) -> Spool:
    """Return what keeps all that comes from a pipe or a device. Raises ``OSError``."""
    spool = Spool()

    def keep() -> None:
        try:
            while chunk := os.read(stream.fileno(), CHUNK):
                spool.append(chunk)
            spool.end()
        except OSError as error:
            spool.end(error)
        except ValueError:
            spool.end()  # the view has ended, and closed its input

    # A thread, as event loops do not wait for devices, nor on Windows for pipes; nothing can end its reading.
    threading.Thread(target=keep, daemon=True).start()
    return spool


class LiveSession:
    """A session that grows.

    ``session`` collects what the page shows; ``shown`` is what it may show. ``watch`` gets every frame.
    """

    def __init__(
        self,
        source: Source,
        session: Session,
        shown: ShownBodies,
        keys: Sequence[RsaKey],
        *,
        watch: Callable[[DissectedFrame], None] | None = None,
    ) -> None:
        self.session = session
        self.run = secrets.token_hex(8)
        """Changes when the session begins anew: a page that knows another one has to forget what it has."""
        self.state = "reading"
        """``reading``, ``following`` (all was read, and more may come), or ``ended``."""
        self._source: Final = source
        self.shown: Final = shown
        self._keys: Final = keys
        self._watch: Final = watch
        self._reader: Final = CaptureReader(keys=keys, raw=False, keep_bytes=True)
        self._size = 0
        """Bytes that were read."""

    @property
    def values(self) -> dict[str, Any]:
        """How far it is."""
        return {
            "run": self.run,
            "state": self.state,
            "rows": len(self.session.table),
            "frames": self.session.frames,
        }

    def clear(self) -> None:
        """Begin anew: what was read is forgotten, conversations that are open go on."""
        self.session = self.session.emptied()
        self.run = secrets.token_hex(8)

    async def read(self) -> None:
        """Read to the end, waiting for more until nothing more can come, or it is cancelled.

        Raises ``OSError`` and ``NotACaptureError``.
        """
        try:
            while await self._is_more():
                pass
            self.session.add(self._watched(self._reader.close()))
        except NotACaptureError:
            raise
        except CaptureError as error:
            self.session.damaged(error)
        self.session.end(self._reader.account)
        self.state = "ended"

    async def read_until(self, stop: asyncio.Event) -> None:
        """Read until ``stop`` is set, and wait for it where the end comes first. Raises as ``read`` does, at once."""
        reading, stopping = asyncio.create_task(self.read()), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                await reading
            await stopping
        finally:
            reading.cancel()
            stopping.cancel()
            await asyncio.wait({reading, stopping})

    async def _is_more(self) -> bool:
        """Take what there is, or wait for it; return whether there may be more."""
        is_last = self._source.has_ended  # before reading: what comes in between is read, too
        chunk = self._source.read(self._size, CHUNK)
        if chunk:
            self._size += len(chunk)
            self.session.add(self._watched(self._reader.feed(chunk)))
            await asyncio.sleep(0)
            return True
        if is_last:
            if self._source.error is not None:
                raise self._source.error
            return False
        self.state = "following"
        await asyncio.sleep(PAUSE)
        return True

    def _watched(self, reports: Iterator[Dissected]) -> Iterator[Dissected]:
        for report in reports:
            if self._watch is not None and isinstance(report, DissectedFrame):
                self._watch(report)
            yield report

    async def saved(self, ranges: list[tuple[int, int]]) -> AsyncGenerator[bytes, None]:
        """Yield a capture of the frames whose numbers are in ``ranges``, first and last, in order.

        Its bodies are plain, and what the page hides is replaced in it.
        """
        firsts = [first for first, _ in ranges]

        def chosen(number: int) -> bool:
            at = bisect_right(firsts, number) - 1
            return at >= 0 and number <= ranges[at][1]

        rewriter = Rewriter(self.shown.redaction(), keys=self._keys, chosen=chosen, comment="saved by ftwire view")
        yield rewriter.header()
        end = self._size
        try:
            for start in range(0, end, CHUNK):
                yield b"".join(rewriter.feed(self._source.read(start, min(CHUNK, end - start))))
                await asyncio.sleep(0)
        except CaptureError:
            pass  # the page says so, too
        try:
            for part in rewriter.close():
                yield part
        except CaptureError:
            pass
