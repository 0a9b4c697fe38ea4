"""Reads a capture as it grows, and saves what is shown of it."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from bisect import bisect_right
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from ftwire.capture import CaptureReader
from ftwire.errors import CaptureError, NotACaptureError
from ftwire.pcap.ordering import is_stored
from ftwire_tools.redaction.capture_rewriter import Rewriter

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire_tools.captures.input_files import Input
    from ftwire_tools.session_report.session import Session
    from ftwire_tools.session_report.shown_bodies import ShownBodies

__all__ = ["LiveSession"]

CHUNK: Final = 64 << 10
"""Bytes read between two looks at the requests of the page: some 300 frames, which take about 20 ms."""
WAITING: Final = 4
"""Chunks of a pipe that may wait to be decoded."""
PAUSE: Final = 0.2
"""Seconds between two looks at a file for more."""


class LiveSession:
    """A session that grows.

    ``session`` collects what the page shows; ``shown`` is what it may show. A capture that can be read only once, such
    as standard input, is kept in a file without a name until the end, since ``saved`` reads it again.
    """

    def __init__(self, source: Input, session: Session, shown: ShownBodies, keys: Sequence[RsaKey]) -> None:
        self.session = session
        self.run = secrets.token_hex(8)
        """Changes when the session begins anew: a page that knows another one has to forget what it has."""
        self.state = "reading"
        """``reading``, ``following`` (all was read, and more may come), or ``ended``."""
        self._source: Final = source
        self._shown: Final = shown
        self._keys: Final = keys
        self._reader: Final = CaptureReader(keys=keys, raw=False, keep_bytes=True)
        self._is_stored: Final = is_stored(source.stream)
        self._stored: Final[BinaryIO] = source.stream if self._is_stored else TemporaryFile()  # noqa: SIM115
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

    async def read(self, *, follow: bool) -> None:
        """Read to the end, and with ``follow`` what comes behind it, until it is cancelled.

        Raises ``OSError`` and ``NotACaptureError``.
        """
        try:
            if self._is_stored:
                await self._read_file(follow=follow)
            else:
                await self._read_pipe()
            self.session.add(self._reader.close())
        except NotACaptureError:
            raise
        except CaptureError as error:
            self.session.damaged(error)
        self.session.end(self._reader.account)
        self.state = "ended"

    async def _read_file(self, *, follow: bool) -> None:
        while True:
            if chunk := self._stored_bytes(self._size, CHUNK):
                self._take(chunk)
                await asyncio.sleep(0)
            elif not follow or os.fstat(self._stored.fileno()).st_size < self._size:
                return  # a file that has become shorter is another one
            else:
                self.state = "following"
                await asyncio.sleep(PAUSE)

    async def _read_pipe(self) -> None:
        self.state = "following"
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[bytes | OSError] = asyncio.Queue()
        room = threading.Semaphore(WAITING)

        def read() -> None:
            chunk: bytes | OSError = b"any"
            while chunk and not isinstance(chunk, OSError):
                room.acquire()
                try:
                    chunk = os.read(self._source.stream.fileno(), CHUNK)
                except OSError as error:
                    chunk = error
                except ValueError:
                    return  # the view has ended, and closed its input
                with suppress(RuntimeError):  # the same
                    loop.call_soon_threadsafe(chunks.put_nowait, chunk)

        # A thread, as event loops do not wait for devices, nor on Windows for pipes; nothing can end its reading.
        threading.Thread(target=read, daemon=True).start()
        while chunk := await chunks.get():
            if isinstance(chunk, OSError):
                raise chunk
            self._stored.seek(self._size)
            self._stored.write(chunk)
            self._take(chunk)
            room.release()
            await asyncio.sleep(0)

    def _take(self, chunk: bytes) -> None:
        self._size += len(chunk)
        self.session.add(self._reader.feed(chunk))

    def _stored_bytes(self, start: int, length: int) -> bytes:
        self._stored.seek(start)
        return self._stored.read(length)

    async def saved(self, ranges: list[tuple[int, int]]) -> AsyncGenerator[bytes, None]:
        """Yield a capture of the frames whose numbers are in ``ranges``, first and last, in order.

        Its bodies are plain, and what the page hides is replaced in it.
        """
        firsts = [first for first, _ in ranges]

        def chosen(number: int) -> bool:
            at = bisect_right(firsts, number) - 1
            return at >= 0 and number <= ranges[at][1]

        rewriter = Rewriter(self._shown.redaction(), keys=self._keys, chosen=chosen, comment="saved by ftwire view")
        yield rewriter.header()
        end = self._size
        try:
            for start in range(0, end, CHUNK):
                yield b"".join(rewriter.feed(self._stored_bytes(start, min(CHUNK, end - start))))
                await asyncio.sleep(0)
        except CaptureError:
            pass  # the page says so, too
        try:
            for part in rewriter.close():
                yield part
        except CaptureError:
            pass
