"""Frames as packets of a new capture: headers, checksums and sequence numbers are made, with the times of the old one.

Nothing is missing between the frames that are sent, whatever lay between them in the capture they are from.
"""

from __future__ import annotations

import heapq
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha1
from typing import Final

from ftwire import __version__
from ftwire.frame import Role
from ftwire.pcap import CloseReason, Direction, Endpoint, PcapngWriter, TcpConversation
from ftwire_tools.captures.websocket_frames import BINARY, FIN, websocket_frame
from ftwire_tools.terminal.times import SECOND

__all__ = ["FramePackets"]

HELD_NS: Final = 2_000_000_000
"""Capture time for which packets are held back, so that they come out in the order of their times."""
CLOCK_SPAN: Final = 1 << 34
"""Seconds that one interface counts from its offset on, in nanoseconds of 64 bits: those take 2**34.1 s."""
LAST_OFFSET: Final = (1 << 63) - 1
"""Largest offset of an interface, in seconds. A damaged capture has times from -2**63 s to 3 * 2**63 s."""
MAX_INTERFACES: Final = 64
"""Interfaces in one section of the new capture: a damaged capture needs a few, one made to do so any number."""
MAX_HELD: Final = 4096
"""Largest number of packets held back."""

_APPLICATION, _COMMENT, _END = 4, 1, 0
_WEBSOCKET_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_WEBSOCKET_KEY: Final = b64encode(b"ftwire redacted.")


class _Connection:
    """A connection of the new capture: its packets, and the times of its first and its last one in nanoseconds."""

    __slots__ = ("first_ns", "last_ns", "packets")

    def __init__(self, packets: TcpConversation, time_ns: int) -> None:
        self.packets: Final = packets
        self.first_ns: Final = time_ns
        self.last_ns = time_ns


class FramePackets:
    """The packets of a new pcapng file, which come out in order of time within ``HELD_NS``.

    ``release`` returns what is due; ``header`` comes first.
    """

    def __init__(self, comment: str) -> None:
        """``comment`` stands in the file, for whoever opens it."""
        self._comment: Final = comment
        self._writer: Final = PcapngWriter()
        self._connections: Final[dict[int, _Connection]] = {}
        self._held: Final[list[tuple[int, int, bytes]]] = []
        self._order = 0
        self._interfaces: Final[dict[int, int]] = {0: 0}  # offset in seconds to number; the header has the first

    def header(self) -> bytes:
        """Return what the new capture begins with."""
        writer = self._writer
        texts = ((_APPLICATION, f"ftwire {__version__}"), (_COMMENT, self._comment), (_END, ""))
        options = b"".join(writer.option(code, text.encode()) for code, text in texts)
        return writer.section(options=options) + writer.interface()

    def open(
        self, number: int, client: Endpoint, server: Endpoint, time_ns: int, *, from_start: bool, transport: str
    ) -> None:
        """Begin the connection of a conversation, with a handshake if it is there ``from_start``."""
        # Far from each other, so that no connection is taken for an earlier one of the same ports.
        start = number * 0x0100_0001 % (1 << 32)
        packets = TcpConversation(client, server, isns=(start, (start + 0x8000_0000) % (1 << 32)))
        self._connections[number] = _Connection(packets, time_ns)
        if from_start:
            self._hold(time_ns, packets.open())
            if transport == "websocket":
                self._hold(time_ns, packets.send(Direction.A_TO_B, _upgrade(server)))
                self._hold(time_ns, packets.send(Direction.B_TO_A, _UPGRADED))

    def send(self, number: int, sender: Role, data: bytes, time_ns: int) -> None:
        """Send bytes on a connection."""
        connection = self._connections[number]
        # A clock that was put back does not put a frame before the handshake.
        time_ns = max(time_ns, connection.first_ns)
        connection.last_ns = max(time_ns, connection.last_ns)
        self._hold(time_ns, connection.packets.send(_direction(sender), data))

    def send_message(self, number: int, sender: Role, message: bytes, time_ns: int) -> None:
        """Send a WebSocket message on a connection."""
        self.send(number, sender, websocket_frame(FIN | BINARY, message, masked=sender is Role.CLIENT), time_ns)

    def skip(self, number: int, sender: Role, length: int) -> None:
        """Leave bytes out of a connection that the old capture lacks, too."""
        self._connections[number].packets.skip(_direction(sender), length)

    def close(self, number: int, reason: CloseReason, time_ns: int) -> None:
        """End a connection as it ended in the old capture."""
        connection = self._connections.pop(number)
        time_ns = max(time_ns, connection.last_ns)
        if reason is CloseReason.FIN:
            self._hold(time_ns, connection.packets.close())
        elif reason is CloseReason.RST:
            self._hold(time_ns, connection.packets.reset(Direction.A_TO_B))

    def _hold(self, time_ns: int, frames: list[bytes]) -> None:
        for frame in frames:
            self._order += 1
            heapq.heappush(self._held, (time_ns, self._order, frame))

    def release(self, time_ns: int | None) -> Iterator[bytes]:
        """Return the held packets that are ``HELD_NS`` older than this time; all of them without a time."""
        held = self._held
        while held and (time_ns is None or held[0][0] <= time_ns - HELD_NS or len(held) > MAX_HELD):
            at, _, frame = heapq.heappop(held)
            yield self._packet(at, frame)

    def _packet(self, time_ns: int, frame: bytes) -> bytes:
        """Return a packet, and before it an interface whose clock has this time, where there is none yet."""
        # Times before 1970 and after 2514 are on interfaces of their own, those after LAST_OFFSET in whole seconds.
        offset, resolution = time_ns // SECOND // CLOCK_SPAN * CLOCK_SPAN, 9
        if offset > LAST_OFFSET:
            offset, resolution = LAST_OFFSET, 0
        before = b""
        interface = self._interfaces.get(offset)
        if interface is None:
            if len(self._interfaces) == MAX_INTERFACES:
                self._interfaces.clear()
                before = self._writer.section()
            interface = self._interfaces[offset] = len(self._interfaces)
            before += self._writer.interface(resolution=resolution, offset_s=offset)
        return before + self._writer.packet(time_ns, frame, interface=interface)


def _direction(sender: Role) -> Direction:
    return Direction.A_TO_B if sender is Role.CLIENT else Direction.B_TO_A


def _upgrade(server: Endpoint) -> bytes:
    """Return an HTTP upgrade request that has nothing of the captured one but the address."""
    return (
        b"GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n" % (str(server).encode(), _WEBSOCKET_KEY)
    )


_UPGRADED: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %s\r\n\r\n"
    % b64encode(sha1(_WEBSOCKET_KEY + _WEBSOCKET_GUID, usedforsecurity=False).digest())
)
