"""Hands pushes to the streams that collect them, and stops reading from the gateway when too many wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ftwire_tools.client.push_stream import PushStream, Put

if TYPE_CHECKING:
    from ftwire_tools.client.errors import ClientError
    from ftwire_tools.client.transport import GatewayTransport

__all__ = ["PushRouter"]

SLACK: Final = 4 * 1024 * 1024
"""Bytes read beyond the limit, at least, while a reply is awaited."""


class PushRouter:
    """The push streams of one client. ``max_buffered`` is in bytes, for the stream with most waiting pushes."""

    def __init__(self, max_buffered: int) -> None:
        self.puts: Final[dict[int, list[Put]]] = {}
        """Protocol ID to the functions that take its pushes. A stream of all pushes is in every entry, and in
        ``puts_of_any``."""
        self.puts_of_any: Final[list[Put]] = []
        """The functions that take pushes of all other protocols."""
        self.transport: GatewayTransport | None = None
        """The transport whose reading is stopped."""
        self._max_buffered: Final = max_buffered
        self._streams: Final[list[PushStream]] = []
        self._is_held = False

    def add(self, proto_ids: set[int]) -> PushStream:
        """Return a new stream of the pushes of these protocols, or of all pushes where there are none."""
        stream = PushStream(self.regulate, self._remove)
        for proto_id in proto_ids:
            self.puts.setdefault(proto_id, list(self.puts_of_any)).append(stream.put)
        if not proto_ids:
            for puts in (*self.puts.values(), self.puts_of_any):
                puts.append(stream.put)
        self._streams.append(stream)
        return stream

    def commit(self) -> None:
        """Make the pushes of one piece of the stream available to readers."""
        for stream in self._streams:
            stream.commit()
        self.regulate()

    def end(self, error: ClientError | None) -> None:
        """End all streams, with an error where there is one."""
        for stream in self._streams:
            stream.end(error)

    def regulate(self) -> None:
        """Stop reading where too much waits; go on below three quarters of that."""
        if self.transport is None:
            return
        waiting = max((stream.size for stream in self._streams), default=0)
        limit = self._max_buffered
        if self.transport.is_waiting:
            limit += max(limit, SLACK)
        self._is_held = waiting > (limit * 3 // 4 if self._is_held else limit)
        self.transport.pause(self._is_held)

    def _remove(self, stream: PushStream) -> None:
        if stream in self._streams:
            self._streams.remove(stream)
        for puts in (*self.puts.values(), self.puts_of_any):
            if stream.put in puts:
                puts.remove(stream.put)
        self.regulate()
