"""The packet being taken apart, for every layer that has something to report about it."""

from __future__ import annotations

from ftwire.errors import CaptureError
from ftwire.pcap.events import Event, PacketSkipped

__all__ = ["PacketContext"]


class PacketContext:
    """The current packet and the events found since they were last taken; one object serves a whole capture.

    :ivar number: the packet's number in the capture, from 1.
    :ivar time_ns: its capture time.
    :ivar events: what the layers report, in order.
    """

    __slots__ = ("events", "number", "time_ns")

    def __init__(self) -> None:
        self.number = self.time_ns = 0
        self.events: list[Event] = []

    def skip(self, error: CaptureError) -> None:
        """Report that the packet, or a part of it, is in no stream."""
        self.events.append(PacketSkipped(self.number, self.time_ns, error))

    def take_events(self) -> list[Event]:
        """Return the events found so far and begin a new list."""
        events, self.events = self.events, []
        return events
