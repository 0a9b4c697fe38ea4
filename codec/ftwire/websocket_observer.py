"""Somebody else's WebSocket connection, watched: the counterpart of ``ftwire.observer``.

Nothing is encrypted inside the envelopes. ``wss://`` encrypts around them, with keys that no capture holds:
such a conversation cannot be told from any other on TLS.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ftwire.cipher import NONE
from ftwire.events import FrameObserved, Observation, UndecodedObserved
from ftwire.frame import Kind, Role
from ftwire.observer import PendingRequests
from ftwire.protocols import Registry, registry
from ftwire.resync import UndecodedBytes
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire.websocket import Envelope
from ftwire.websocket_resync import WebSocketResyncDecoder

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["WebSocketObserver"]


class WebSocketObserver:
    """One conversation of OpenD's envelopes on WebSocket, from the HTTP upgrade on or joined later.

    ``receive`` the bytes of each side in their order, ``skip`` what the capture lacks, ``close`` at the end: all
    three return an iterator to be run through. Never raises on account of the bytes.

    Raises ``ImportError`` when made without the package ``websockets`` (extra ``websocket``).
    """

    def __init__(self, *, known: Registry = registry, max_body: int = DEFAULT_MAX_BODY) -> None:
        self._scanners: Final = {side: WebSocketResyncDecoder(side, max_body=max_body, known=known) for side in Role}
        self._pending: Final = PendingRequests()

    def receive(self, sender: Role, data: Buffer, time: int = 0, packet: int = 0) -> Iterator[Observation]:
        """Take bytes that ``sender`` sent, captured at ``time`` in packet number ``packet``."""
        return self._observe(self._scanners[sender].feed(data), sender, time, packet)

    def skip(self, sender: Role, length: int, time: int = 0, packet: int = 0) -> Iterator[Observation]:
        """Say that the capture lacks the next ``length`` bytes that ``sender`` sent."""
        return self._observe(self._scanners[sender].skip(length), sender, time, packet)

    def close(self, time: int = 0, packet: int = 0) -> Iterator[Observation]:
        """Say that the conversation has ended; what is left of both directions is settled."""
        for sender, scanner in self._scanners.items():
            yield from self._observe(scanner.close(), sender, time, packet)

    def _observe(
        self, items: Iterator[Envelope | UndecodedBytes], sender: Role, time: int, packet: int
    ) -> Iterator[Observation]:
        for item in items:
            if isinstance(item, UndecodedBytes):
                yield UndecodedObserved(item, sender, time, packet)
                continue
            kind = item.kind
            found = None
            if item.error is None:
                key = item.proto_id, item.serial
                if kind is Kind.REQUEST:
                    self._pending.add(item, time)
                elif kind is Kind.RESPONSE:
                    found = self._pending.take(key)
                    if found is None and item.protocol is None and self._scanners[Role.CLIENT].complete:
                        # Every request was seen, and none has this section: so the client takes it for a push.
                        kind = Kind.PUSH
            request, latency = (found[0], time - found[1]) if found is not None else (None, None)
            yield FrameObserved(item, sender, kind, NONE.name, time, packet, request, latency)
