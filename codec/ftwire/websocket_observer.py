"""One conversation on WebSocket, observed: the counterpart of ``ftwire.observer``.

Nothing is encrypted inside the envelopes. ``wss://`` encrypts around them, with keys that no capture holds: such a
conversation cannot be distinguished from others on TLS.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ftwire._renamed import renamed_keyword
from ftwire.errors import WireError
from ftwire.events import FrameObserved, Observation, UndecodedObserved
from ftwire.frame import Frame, Kind, Role
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
    """One conversation of envelopes on WebSocket, from the HTTP upgrade on or joined later.

    ``receive`` the bytes of each side in their order, ``skip`` what the capture lacks, ``close`` at the end: all
    three return a list of observations. Never raises on account of the bytes.

    Raises ``ImportError`` when made without the package ``websockets`` (extra ``websocket``).
    """

    @renamed_keyword("known", "registry")
    def __init__(self, *, registry: Registry = registry, max_body: int = DEFAULT_MAX_BODY) -> None:
        self._decoders: Final = {
            side: WebSocketResyncDecoder(side, max_body=max_body, registry=registry) for side in Role
        }
        self._pending: Final = PendingRequests()

    def receive(self, sender: Role, data: Buffer, time: int = 0, packet: int = 0) -> list[Observation]:
        """Take bytes that ``sender`` sent, captured at ``time`` in packet number ``packet``."""
        return self._observe(self._decoders[sender].read(data), sender, time, packet)

    def skip(self, sender: Role, length: int, time: int = 0, packet: int = 0) -> list[Observation]:
        """Take note that the capture lacks the next ``length`` bytes that ``sender`` sent."""
        return self._observe(self._decoders[sender].skip(length), sender, time, packet)

    @property
    def memory(self) -> int:
        """Bytes of memory, about, that is held for envelopes to come."""
        return sum(decoder.memory for decoder in self._decoders.values()) + self._pending.memory

    def give_up(self, error: WireError, time: int = 0, packet: int = 0) -> list[Observation]:
        """Give up, for this reason, what takes memory, as ``ftwire.observer.Observer.give_up`` does."""
        self._pending.clear()
        return [
            observation
            for sender, decoder in self._decoders.items()
            for observation in self._observe(decoder.give_up(error), sender, time, packet)
        ]

    def close(self, time: int = 0, packet: int = 0) -> list[Observation]:
        """Take note that the conversation has ended; what is left of both directions is settled."""
        return [
            observation
            for sender, decoder in self._decoders.items()
            for observation in self._observe(decoder.close(), sender, time, packet)
        ]

    def _observe(
        self, items: Iterable[Envelope | UndecodedBytes], sender: Role, time: int, packet: int
    ) -> list[Observation]:
        observations: list[Observation] = []
        for item in items:
            if isinstance(item, UndecodedBytes):
                observations.append(UndecodedObserved(item, sender, time, packet))
                continue
            kind = item.kind
            request: Frame | Envelope | None = None
            latency: int | None = None
            if item.error is None:
                if kind is Kind.REQUEST:
                    self._pending.add(item, time)
                elif kind is Kind.RESPONSE:
                    request, latency = self._pending.answer((item.proto_id, item.serial), time)
                    if request is None and item.protocol is None and self._decoders[Role.CLIENT].complete:
                        # Every request was observed, and none has this section: so the client takes it for a push.
                        kind = Kind.PUSH
            observations.append(FrameObserved(item, sender, kind, item.encryption, time, packet, request, latency))
        return observations
