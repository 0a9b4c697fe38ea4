"""What passes a relay, written down: packets made of bytes, their times the real ones, in a thread of its own.

The relay only leaves word of what it carried. A slow disk or a stopped terminal therefore holds nobody up until
``MAX_BACKLOG`` bytes wait; then the relay receives no more until there is room, rather than lose a packet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final

from ftwire import __version__
from ftwire.capture import SECRETS_TYPE
from ftwire.pcap import Direction, Endpoint, PcapngWriter, TcpConversation
from ftwire_tools.recording.proxy import Closed, Opened, Received, Reset, Tap, Traffic
from ftwire_tools.terminal.output import ClosedOutputError, OutputError

if TYPE_CHECKING:
    from ftwire_tools.captures.capture_writer import CaptureFiles
    from ftwire_tools.recording.live_dump import LiveDump

__all__ = ["MAX_BACKLOG", "Recorder"]

MAX_BACKLOG: Final = 64 << 20
"""Bytes that may wait to be written."""
BATCH: Final = 256
"""Most pieces of traffic written with one call."""
BACKLOG_SECONDS: Final = 0.005
"""How often a relay that must wait looks again."""
MAX_OPENING: Final = 16 << 10
"""Most bytes kept of the first exchange of a connection."""

_COMMENT, _APPLICATION, _NAME = 1, 4, 2
_END: Final = 0
_TCP_CLOCK_NS: Final = 4000
"""Initial sequence numbers count every 4 microseconds (RFC 9293 section 3.4.1), so that no two are alike."""


class _Connection:
    """A connection as packets."""

    def __init__(self, opened: Opened) -> None:
        client, gateway = _one_family(opened.client, opened.gateway)
        start = opened.time_ns // _TCP_CLOCK_NS
        self.talk: Final = TcpConversation(client, gateway, isns=(start, start + (1 << 31)))
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
        """Keep the blocks if they are part of the first exchange: all up to when the client speaks again.

        On TCP that is InitConnect and its reply, without which nothing that is encrypted can be read.
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
    """Writes what it is told to ``files`` and, where wanted, shows it by ``live``.

    ``report`` is given sentences for the user, ``give_up`` is called when nobody reads what is written or shown
    any more; both are called in the recorder's thread. ``pem`` is a private key to be put into the files.
    """

    def __init__(
        self,
        files: CaptureFiles,
        report: Callable[[str], None],
        give_up: Callable[[], None],
        *,
        about: str = "",
        pem: bytes | None = None,
        live: LiveDump | None = None,
    ) -> None:
        self._files: Final = files
        self._report: Final = report
        self._give_up: Final = give_up
        self._about: Final = about
        self._pem: Final = pem
        self._live = live
        self._writer: Final = PcapngWriter()
        self._queue: Final[SimpleQueue[Traffic | None]] = SimpleQueue()
        self._connections: Final[dict[int, _Connection]] = {}
        self._thread: Final = Thread(target=self._run, name="recorder", daemon=True)
        self._taken = 0
        self._done = 0
        self._recording = True
        self.packets = 0
        """Packets written."""
        self.failed = False
        """Not everything could be written."""
        self.unread = False
        """Nobody reads what is written or shown any more."""

    def start(self, time_ns: int) -> None:
        """Begin the first file. Raises ``OSError``."""
        header = self._header()
        self._files.begin(header, time_ns)
        if self._live is not None:
            self._live.show(header)
        self._thread.start()

    def take(self, traffic: Traffic) -> None:
        """Put it with what is to be written."""
        if isinstance(traffic, Received):
            self._taken += len(traffic.data)
        self._queue.put(traffic)

    async def ready(self) -> None:
        """Wait for room."""
        while self._taken - self._done > MAX_BACKLOG:
            await asyncio.sleep(BACKLOG_SECONDS)

    def close(self) -> None:
        """Write what waits and end the file."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        self._files.close()

    def _run(self) -> None:
        more = True
        while more:
            batch: list[Traffic] = []
            more = self._collect(batch)
            packets: list[bytes] = []
            if self._recording:
                try:
                    self._record(batch, packets)
                except BrokenPipeError:
                    self._stop_for_nobody()
                except OSError as error:
                    self._recording = False
                    self.failed = True
                    self._report(
                        f"cannot write the capture: {error.strerror or error}; the recording ends here, "
                        "with its last whole packet, and bytes still pass"
                    )
            if self._live is not None:
                try:
                    for traffic in batch[len(packets) :]:  # the recording has ended
                        packets.append(self._blocks(traffic))
                        self._passed(traffic, packets[-1])
                    self._live.show(b"".join(packets))
                    if not more:
                        self._live.close()
                except ClosedOutputError:
                    self._live = None
                    self._stop_for_nobody()
                except OutputError as error:
                    self._live = None
                    self.failed = True
                    self._report(f"cannot show what passes: standard output: {error}; recording goes on")
            self._done += sum(len(traffic.data) for traffic in batch if isinstance(traffic, Received))

    def _stop_for_nobody(self) -> None:
        self._recording = False
        self.unread = True
        self._give_up()

    def _collect(self, batch: list[Traffic]) -> bool:
        """Fill the batch with what is there, waiting for the first; false when there will be no more."""
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

    def _record(self, batch: list[Traffic], packets: list[bytes]) -> None:
        """Write the traffic; append the packets of each piece of it to ``packets``. Raises ``OSError``."""
        files = self._files
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
        """Return the packets that say what happened."""
        number = traffic.connection
        if isinstance(traffic, Opened):
            connection = self._connections[number] = _Connection(traffic)
            return self._packets(traffic.time_ns, connection.talk.open())
        found = self._connections.get(number)
        if found is None or traffic.direction in found.closed:
            return b""
        if isinstance(traffic, Received):
            return self._packets(traffic.time_ns, found.talk.send(traffic.direction, traffic.data))
        if isinstance(traffic, Closed):
            found.closed.add(traffic.direction)
            return self._packets(traffic.time_ns, found.talk.finish(traffic.direction))
        if isinstance(traffic, Reset):
            found.closed.update(Direction)
        return self._packets(traffic.time_ns, found.talk.reset(traffic.direction))

    def _packets(self, time_ns: int, frames: list[bytes]) -> bytes:
        if self._recording:
            self.packets += len(frames)
        return b"".join(self._writer.packet(time_ns, frame) for frame in frames)

    def _header(self) -> bytes:
        """Return what the next file begins with: who wrote it, the key if wanted, and what it needs to be read."""
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
    """Return both ends in the same IP version: IPv4 beside IPv6 is written as RFC 4291 section 2.5.5.2 has it."""
    if len(client.packed) == len(gateway.packed):
        return client, gateway
    mapped = bytes(10) + b"\xff\xff"
    first, second = (
        Endpoint(mapped + end.packed, end.port) if len(end.packed) == 4 else end for end in (client, gateway)
    )
    return first, second
