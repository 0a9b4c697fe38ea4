"""What a dissector reports: flows, their bytes in order, missing bytes, bytes and packets that are in no stream.

Events are immutable and complete: each names its flow, and the packet that brought it about.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple, TypeAlias

from ftwire.errors import CaptureError

__all__ = [
    "CloseReason",
    "Conflict",
    "Data",
    "Direction",
    "Endpoint",
    "Event",
    "Flow",
    "FlowClosed",
    "FlowOpened",
    "Late",
    "MissingBytes",
    "MissingReason",
    "PacketSkipped",
]


class Direction(IntEnum):
    """Which of the two byte streams of a flow."""

    A_TO_B = 0
    B_TO_A = 1

    @property
    def opposite(self) -> Direction:
        """The other stream."""
        return Direction.A_TO_B if self is Direction.B_TO_A else Direction.B_TO_A


class Endpoint(NamedTuple):
    """One end of a flow."""

    packed: bytes
    """The address as it stands in packets: 4 bytes for IPv4, 16 for IPv6."""
    port: int

    @property
    def address(self) -> str:
        """The address as text, e.g. ``127.0.0.1`` or ``::1``; made when asked for, not for every packet."""
        return str(ipaddress.ip_address(self.packed))

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if len(self.packed) == 16 else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Flow:
    """One TCP connection."""

    index: int
    """Position among the flows of this capture, from 0. A reused pair of endpoints gets a new index."""
    a: Endpoint
    """The client (sender of the SYN, receiver of the SYN-ACK) when ``client_known``; otherwise the sender of
    the first segment seen with bytes in it, which may be either."""
    b: Endpoint
    """The other end."""
    client_known: bool
    """Whether the handshake was seen. If not, the capture started in mid-connection, and which side is the client
    can only be seen from the contents."""
    continues: int | None = None
    """Index of the flow that this one continues: it was closed, and then both sides went on, so that what closed it
    was stale or forged. The bytes follow those of the other flow; offsets begin at 0 again."""

    def __str__(self) -> str:
        return f"{self.a} -> {self.b}" if self.client_known else f"{self.a} <> {self.b}"


class FlowOpened(NamedTuple):
    """The first packet of a flow that matters: a SYN, a SYN-ACK, or a segment with bytes in it."""

    flow: Flow
    packet_number: int
    time_ns: int


class Data(NamedTuple):
    """Bytes of one stream, next in order.

    One packet makes one such event, or several when parts of it had come before.
    """

    flow: Flow
    direction: Direction
    data: bytes
    """Never empty."""
    packet_number: int
    """The packet these bytes came in, which is not the newest one when they had to wait for earlier bytes; of
    a fragmented packet, the fragment that made it whole."""
    time_ns: int
    """Capture time of that packet."""
    offset: int
    """Position in the stream of the first byte: missing bytes count, and 0 is the first byte after the SYN or, in a
    flow without one, the first byte seen."""


class MissingReason(StrEnum):
    """Why missing bytes are no longer waited for."""

    ACKED = "acked"
    """The receiver acknowledged them, so they will not be sent again, and waiting for a late packet took too long."""
    SNAPPED = "snapped"
    """The packet is in the capture, cut to the capture's snap length."""
    LIMIT = "limit"
    """Too many later bytes are waiting, see :class:`Limits`."""
    CLOSED = "closed"
    """The connection was reset, evicted, or its endpoints began another one."""
    END = "end"
    """The capture ended."""


class MissingBytes(NamedTuple):
    """Bytes of one stream that are not in the capture. What follows in the stream comes after them."""

    flow: Flow
    direction: Direction
    offset: int
    """Position in the stream of the first missing byte."""
    length: int
    """Missing bytes, at least 1. At the end of a stream, known from acknowledgements only, a FIN that is
    missing too counts as one."""
    packet_number: int
    """The packet on which the bytes were given up (the newest one)."""
    time_ns: int
    """Capture time of that packet."""
    reason: MissingReason


class Conflict(NamedTuple):
    """Two packets brought different bytes for the same place. The first to arrive won.

    The comparison covers all bytes that still wait for earlier ones, and of the delivered ones the newest 32
    segments of a direction as far as they are among the newest 256 of the capture.
    """

    flow: Flow
    direction: Direction
    offset: int
    """Position in the stream of the first byte of both."""
    kept: bytes
    """What arrived first, and is (or will be) part of the stream."""
    refused: bytes
    """What arrived later, as long as ``kept``."""
    packet_number: int
    """The packet with the refused bytes."""
    time_ns: int


class Late(NamedTuple):
    """Bytes for a place that was already given up as missing; they are not part of the stream.

    Their place was in a :class:`MissingBytes` event (the newest eight of a direction are remembered) or is before
    offset 0: in front of the first byte seen of a flow whose start is not in the capture.
    """

    flow: Flow
    direction: Direction
    offset: int
    """Position in the stream of the first byte, which may be negative."""
    data: bytes
    packet_number: int
    time_ns: int


class CloseReason(StrEnum):
    """How a flow ended."""

    FIN = "fin"
    """Both sides closed, and all bytes before both FINs were delivered or reported missing."""
    RST = "rst"
    """One side reset the connection, with exactly the sequence number that comes next (RFC 5961 section 3.2). A reset
    with another number ends a flow only if nothing follows it until the capture ends."""
    REUSE = "reuse"
    """The same endpoints began another connection."""
    EVICTED = "evicted"
    """There were too many flows, and this one had delivered nothing, or nothing for longest."""
    END = "end"
    """The capture ended."""


class FlowClosed(NamedTuple):
    """The end of a flow, its last event but for packets that come behind the end and are skipped."""

    flow: Flow
    reason: CloseReason
    packet_number: int
    """The packet that ended it, or the last one of the capture."""
    time_ns: int


class PacketSkipped(NamedTuple):
    """A packet, or a part of one, that is in no stream."""

    packet_number: int
    time_ns: int
    error: CaptureError
    """Why: a :class:`~ftwire.errors.PacketError` (headers that contradict each other, something else than TCP over
    IP), a :class:`~ftwire.errors.SequenceError` (bytes, or a SYN, FIN or RST, that have no place in their connection)
    or an :class:`~ftwire.errors.UnsupportedLinkError`. Not raised, so it has no traceback."""
    flow: Flow | None = None
    """The flow in which it has no place, which may be closed; ``None`` where it is in no flow."""


Event: TypeAlias = FlowOpened | Data | MissingBytes | Conflict | Late | FlowClosed | PacketSkipped
"""Everything a dissector reports."""
