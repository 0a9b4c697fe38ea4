"""The packet being taken apart, for every layer that has something to report about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ftwire.errors import CaptureError
from ftwire.pcap.events import Event, Flow, PacketSkipped

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

    def skip(self, error: CaptureError, flow: Flow | None = None) -> None:
        """Report that the packet, or a part of it, is in no stream, although ``flow`` may be its connection."""
        self.events.append(PacketSkipped(self.number, self.time_ns, error, flow))

    @contextmanager
    def earlier(self, number: int, time_ns: int) -> Iterator[None]:
        """Make an earlier packet the current one for a while: one that was kept until it was certain what it is."""
        present = self.number, self.time_ns
        self.number, self.time_ns = number, time_ns
        yield
        self.number, self.time_ns = present

    def take_events(self) -> list[Event]:
        """Return the events found so far and begin a new list."""
        events, self.events = self.events, []
        return events
