"""Read WebSocket messages given to ``ftwire explain``: a single one, or all that one side of a connection sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ftwire.body import missing_fields
from ftwire.errors import EnvelopeError, WireError
from ftwire.frame import MessageClasses, Role, UnknownBody
from ftwire.stream import DEFAULT_MAX_BODY
from ftwire.websocket import BadEnvelope, Envelope
from ftwire.websocket_resync import WebSocketResyncDecoder, find_envelope

__all__ = ["envelopes_of", "one_envelope", "websocket_sender"]

_UPGRADES: Final = {b"GET ": Role.CLIENT, b"HTTP": Role.SERVER}
"""First bytes of what either side sends on a WebSocket connection."""


def websocket_sender(data: bytes, sender: Role | None) -> Role | None:
    """Return the side that sent these bytes on a WebSocket connection; ``None`` if they hold no envelope.

    ``sender`` is that side, if known.
    """
    sides = Role if sender is None else (sender,)
    begun = _UPGRADES.get(data[:4])
    for side in sides if begun is None else (begun,):
        if find_envelope(data, 0, side, DEFAULT_MAX_BODY, final=True)[1]:
            return side
    return None


def envelopes_of(data: bytes, sender: Role, notes: list[str]) -> Iterator[Envelope]:
    """Yield the envelopes in the bytes that one side sent; bytes in no envelope go to ``notes``.

    Raises ``ImportError`` if the package ``websockets`` is missing.
    """
    scanner = WebSocketResyncDecoder(sender)
    for item in (*scanner.feed(data), *scanner.close()):
        if isinstance(item, Envelope):
            yield item
        else:
            notes.append(f"{item.length} bytes at offset {item.offset} are in no WebSocket message with an envelope")


def one_envelope(data: bytes, sender: Role | None) -> Envelope:
    """Read one WebSocket message; its sender is worked out if not given."""

    def read(side: Role, data: bytes) -> Envelope:
        try:
            return Envelope.decode(data, sender=side)
        except EnvelopeError as error:
            return BadEnvelope(MessageClasses(side), error)

    if sender is None:
        # The body decides: the numbers before it may be in the wrong byte order.
        turned = data[:8] + data[11:7:-1] + data[19:11:-1] + data[20:]
        tries = [(side, each) for each in (data, turned) for side in Role]
        sense = [(_sense(read(side, each)), side) for side, each in tries]
        sender = max(sense, key=lambda one: one[0])[1]
    return read(sender, data)


def _sense(envelope: Envelope) -> int:
    """Return how well an envelope's body fits its message: 2 with all required fields, 1 with some, 0 not at all."""
    try:
        message = envelope.message
    except WireError:
        return 0
    return 0 if isinstance(message, UnknownBody) else 1 if missing_fields(message) else 2
