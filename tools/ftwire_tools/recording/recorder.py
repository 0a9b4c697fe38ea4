"""The recorder: writes the traffic of a proxy as packets, with the real times, in a thread of its own.

The proxy only puts traffic into a queue, so that a slow disk or a stopped terminal does not slow it down until
``MAX_BACKLOG`` bytes wait. Then the proxy receives no more until there is room, so that no packet is lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final, Protocol

from ftwire import __version__
from ftwire.capture import SECRETS_TYPE
from ftwire.pcap import Direction, Endpoint, PcapngWriter, TcpConversation
from ftwire_tools.captures.traffic import Closed, Opened, Received, Reset, Tap, Traffic
from ftwire_tools.terminal.output import ClosedOutputError, OutputError

if TYPE_CHECKING:
    from ftwire_tools.captures.capture_writer import CaptureFiles
    from ftwire_tools.captures.spool import Spool
    from ftwire_tools.recording.live_dump import LiveDump

__all__ = ["MAX_BACKLOG", "Diagnosis", "Recorder"]

MAX_BACKLOG: Final = 64 << 20
"""Most bytes that may wait to be written."""
BATCH: Final = 256
"""Most pieces of traffic that are written together."""
BACKLOG_SECONDS: Final = 0.005
"""Seconds between two checks of a proxy that waits for room."""
MAX_OPENING: Final = 16 << 10
"""Most bytes that are kept of a connection's first exchange."""

_COMMENT, _APPLICATION, _NAME = 1, 4, 2
_END: Final = 0
_TCP_CLOCK_NS: Final = 4000
"""Initial sequence numbers advance every 4 microseconds (RFC 9293 section 3.4.1), so that all differ."""


class Diagnosis(Protocol):
    """Finds mistakes in a capture while it is written."""

    def feed(self, blocks: bytes) -> list[str]:
        """Take the next bytes of the capture; return what to report."""
        ...

    def close(self) -> list[str]:
        """End the capture; return what is left to report."""
        ...


class _Connection:
    """State of one connection: its TCP packets, and what is kept of its first exchange."""

    def __init__(self, opened: Opened) -> None:
        client, gateway = _one_family(opened.client, opened.gateway)
        start = opened.time_ns // _TCP_CLOCK_NS
        self.tcp: Final = TcpConversation(client, gateway, isns=(start, start + (1 << 31)))
        self.closed: Final[set[Direction]] = set()
        self.opening: list[bytes] = []
        self.opening_size = 0
        self.opening_done = False
        self.answered = False

    @property
    def over(self) -> bool:
        """Both sides have finished."""
        return len(self.closed) == 2

    def keep(self, traffic: Traffic, blocks: bytes) -> None:
        """Keep the blocks of the first exchange: of all bytes until the client sends again after an answer.

        On TCP these are InitConnect and its reply, which are needed to decrypt the rest.
        """
        if self.opening_done:
            return
        if isinstance(traffic, Received):
            if traffic.direction is Direction.B_TO_A:
                self.answered = True
            elif self.answered:
                self.opening_done = True
                return
        if self.opening_size + len(blocks) > MAX_OPENING:
            self.opening_done = True
            return
        self.opening_size += len(blocks)
        self.opening.append(blocks)


class Recorder(Tap):
    """Writes traffic to ``files`` and ``spool``, and shows it by ``live``; each may be absent.

    ``report`` is called with messages for the user, ``give_up`` when the reader of the capture or of the output has
    gone; both are called in the recorder's thread. ``pem`` is a private key to be put into the files;
    what ``diagnosis`` returns is reported.
    """

    def __init__(
        self,
        files: CaptureFiles | None,
        report: Callable[[str], None],
        give_up: Callable[[], None],
        *,
        about: str = "",
        pem: bytes | None = None,
        live: LiveDump | None = None,
        diagnosis: Diagnosis | None = None,
        spool: Spool | None = None,
    ) -> None:
        self._files: Final = files
        self._report: Final = report
        self._give_up: Final = give_up
        self._about: Final = about
        self._pem: Final = pem
        self._live = live
        self._diagnosis: Final = diagnosis
        self._spool = spool
        self._writer: Final = PcapngWriter()
        self._queue: Final[SimpleQueue[Traffic | None]] = SimpleQueue()
        self._connections: Final[dict[int, _Connection]] = {}
        self._thread: Final = Thread(target=self._run, name="recorder", daemon=True)
        self._taken = 0
        self._done = 0
        self._recording = files is not None
        self.failed = False
        """Whether something could not be written."""
        self.unread = False
        """Whether the reader of the capture or of the output has gone."""

    @property
    def packets(self) -> int:
        """Packets written."""
        return 0 if self._files is None else self._files.packets

    def start(self, time_ns: int) -> None:
        """Begin the first file. Raises ``OSError``."""
        header = self._header()
        if self._files is not None:
            self._files.begin(header, time_ns)
        self._keep([header])
        if self._live is not None:
            self._live.show(header)
        if self._diagnosis is not None:
            self._diagnosis.feed(header)
        self._thread.start()

    def take(self, traffic: Traffic) -> None:
        """Queue a piece of traffic."""
        if isinstance(traffic, Received):
            self._taken += len(traffic.data)
        self._queue.put(traffic)

    async def ready(self) -> None:
        """Wait until the queue has room."""
        while self._taken - self._done > MAX_BACKLOG:
            await asyncio.sleep(BACKLOG_SECONDS)

    def wait(self) -> None:
        """Do the same where nothing can be awaited."""
        while self._taken - self._done > MAX_BACKLOG and self._thread.is_alive():
            time.sleep(BACKLOG_SECONDS)

    def close(self) -> None:
        """Write what is queued and close the file."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        if self._files is not None:
            self._files.close()
        if self._spool is not None:
            self._spool.end()

    def _run(self) -> None:
        more = True
        while more:
            batch: list[Traffic] = []
            more = self._collect(batch)
            packets: list[bytes] = []
            if self._recording and self._files is not None:
                try:
                    self._record(self._files, batch, packets)
                except BrokenPipeError:
                    self._stop_without_reader()
                except OSError as error:
                    self._recording = False
                    self.failed = True
                    self._report(
                        f"cannot write the capture: {error.strerror or error}; the recording ends here, "
                        "with its last whole packet, and bytes still pass"
                    )
            if self._live is not None or self._diagnosis is not None or self._spool is not None:
                for traffic in batch[len(packets) :]:  # the recording has ended
                    packets.append(self._blocks(traffic))
                    self._passed(traffic, packets[-1])
            self._keep(packets)
            if self._diagnosis is not None:
                for line in self._diagnosis.feed(b"".join(packets)) + ([] if more else self._diagnosis.close()):
                    self._report(line)
            if self._live is not None:
                try:
                    self._live.show(b"".join(packets))
                    if not more:
                        self._live.close()
                except ClosedOutputError:
                    self._live = None
                    self._stop_without_reader()
                except OutputError as error:
                    self._live = None
                    self.failed = True
                    self._report(f"cannot show what passes: standard output: {error}; recording goes on")
            self._done += sum(len(traffic.data) for traffic in batch if isinstance(traffic, Received))

    def _stop_without_reader(self) -> None:
        self._recording = False
        self.unread = True
        self._give_up()

    def _collect(self, batch: list[Traffic]) -> bool:
        """Fill the batch with what is queued, waiting for the first piece; return false at the end of traffic."""
        found = self._queue.get()
        while found is not None:
            batch.append(found)
            if len(batch) == BATCH:
                return True
            try:
                found = self._queue.get_nowait()
            except Empty:
                return True
        return False

    def _keep(self, packets: list[bytes]) -> None:
        """Append packets to the spool."""
        if self._spool is not None:
            try:
                self._spool.append(b"".join(packets))
            except OSError as error:
                self._spool = None
                self._report(f"cannot keep what passes for the page, which ends here: {error.strerror or error}")

    def _record(self, files: CaptureFiles, batch: list[Traffic], packets: list[bytes]) -> None:
        """Write the traffic; append the packets of each piece of it to ``packets``. Raises ``OSError``."""
        waiting: list[bytes] = []
        size = 0
        for traffic in batch:
            blocks = self._blocks(traffic)
            packets.append(blocks)
            if files.is_full(size, len(blocks), traffic.time_ns):
                if waiting:
                    files.append(b"".join(waiting))
                waiting, size = [], 0
                files.begin(self._header(), traffic.time_ns)
            self._passed(traffic, blocks)
            waiting.append(blocks)
            size += len(blocks)
        if size:
            files.append(b"".join(waiting))

    def _passed(self, traffic: Traffic, blocks: bytes) -> None:
        """Keep what the next file begins with, and forget connections that are over."""
        connection = self._connections.get(traffic.connection)
        if connection is not None:
            connection.keep(traffic, blocks)
            if connection.over:
                del self._connections[traffic.connection]

    def _blocks(self, traffic: Traffic) -> bytes:
        """Return a piece of traffic as packets, in blocks of the capture file."""
        number = traffic.connection
        if isinstance(traffic, Opened):
            connection = self._connections[number] = _Connection(traffic)
            return self._packets(traffic.time_ns, connection.tcp.open())
        found = self._connections.get(number)
        if found is None or traffic.direction in found.closed:
            return b""
        if isinstance(traffic, Received):
            return self._packets(traffic.time_ns, found.tcp.send(traffic.direction, traffic.data))
        if isinstance(traffic, Closed):
            found.closed.add(traffic.direction)
            return self._packets(traffic.time_ns, found.tcp.finish(traffic.direction))
        if isinstance(traffic, Reset):
            found.closed.update(Direction)
        return self._packets(traffic.time_ns, found.tcp.reset(traffic.direction))

    def _packets(self, time_ns: int, frames: list[bytes]) -> bytes:
        return b"".join(self._writer.packet(time_ns, frame) for frame in frames)

    def _header(self) -> bytes:
        """Return the beginning of the next file: its section, the key if there is one, and the first exchanges."""
        writer = self._writer
        openings = b"".join(block for connection in self._connections.values() for block in connection.opening)
        about = self._about
        if openings:
            about += "; begins with a copy of the first packets of each connection that was open by then"
        options = [(_APPLICATION, f"ftwire {__version__}"), (_COMMENT, about), (_END, "")]
        header = writer.section(options=b"".join(writer.option(code, text.encode()) for code, text in options))
        header += writer.interface(options=writer.option(_NAME, b"ftwire record"))
        if self._pem is not None:
            header += writer.secrets(SECRETS_TYPE, self._pem)
        return header + openings


def _one_family(client: Endpoint, gateway: Endpoint) -> tuple[Endpoint, Endpoint]:
    """Return both ends in the same IP version: IPv4 beside IPv6 as a mapped address (RFC 4291 section 2.5.5.2)."""
    if len(client.packed) == len(gateway.packed):
        return client, gateway
    mapped = bytes(10) + b"\xff\xff"
    first, second = (
        Endpoint(mapped + end.packed, end.port) if len(end.packed) == 4 else end for end in (client, gateway)
    )
    return first, second
