"""Frames with hostile text: each string field of each message holds control sequences that a terminal would obey.

``Hostile`` fills messages; ``frames_of`` and ``over_websocket`` make frames of them, and ``damaged`` damages those.
``unprintable`` finds the lines of a command's output that a terminal would obey.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from ftwire.body import to_json
from ftwire.frame import Role, encode_frame
from ftwire.header import BodyFormat
from ftwire.pcap import Direction
from ftwire.protocols import registry
from ftwire.websocket import Envelope
from support.frames import websocket_frame
from support.planted import BOOL, BYTES, DOUBLE, ENUM, FLOAT, STRING, fill

__all__ = ["TEXTS", "Frames", "Hostile", "bodies", "damaged", "frames_of", "over_websocket", "unprintable"]

Frames = list[tuple[Direction, bytes]]
"""Bytes in the order of sending, each with its direction."""

TEXTS = (
    "\x1b[2J\x1b]0;owned\x07",
    "two\nError: lines",
    "back\rover",
    "\x9b2J\x9d0;owned\x9c",
    "\u202egnp.exe\u202c",
    "line\u2028paragraph\u2029",
    "\x00\x08\x7f\x85\xa0\u200b\ufeff\U000e0001",
    "'; \"%s %n {0} \\",
    "long \x1b[5m" * 400,
)
"""Texts that no line of output may hold as they are. All are UTF-8; ``surrogates`` of ``frames_of`` makes others."""


class Hostile:
    """Fills the string fields of messages with these texts in turn."""

    def __init__(self) -> None:
        self._texts = itertools.cycle(TEXTS)

    def fill(self, message: Any) -> None:
        """Set every field at every depth."""
        fill(message, self._value)

    def _value(self, field: Any) -> Any:
        if field.type == ENUM:
            return field.enum_type.values[0].number
        if field.type == STRING:
            return next(self._texts)
        return {BYTES: b"\x1b[2J\n\x9b", BOOL: True, DOUBLE: float("nan"), FLOAT: 1.5}.get(field.type, 1)


def bodies(filler: Any, *, ret_type: int = 0) -> Iterator[tuple[int, Direction, Any]]:
    """A request and a response or push of every protocol on TCP, as ``filler`` fills them."""
    for protocol in registry:
        if protocol.is_websocket_only:
            continue
        for direction, found in ((Direction.A_TO_B, protocol.request), (Direction.B_TO_A, protocol.response)):
            if found is not None:
                message: Any = found()
                filler.fill(message)
                if "retType" in message.DESCRIPTOR.fields_by_name:
                    message.retType = ret_type
                yield protocol.proto_id, direction, message


def frames_of(
    filler: Any,
    body_format: BodyFormat = BodyFormat.PROTOBUF,
    *,
    ret_type: int = 0,
    surrogates: bool = False,
) -> Frames:
    """Return the frames of every protocol; with ``surrogates``, JSON whose texts hold halves of surrogate pairs."""
    found = []
    for serial, (proto_id, direction, message) in enumerate(bodies(filler, ret_type=ret_type), 10):
        if body_format:
            text = to_json(message, lower_camel=True)
            if surrogates:
                text = json.dumps(_with_surrogates(json.loads(text)))
            body = text.encode()
        else:
            body = message.SerializeToString()
        found.append((direction, encode_frame(proto_id, serial, body, body_format=body_format)))
    return found


def _with_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.lstrip("-").isdecimal() else f"\ud83d{value}\udc9b"
    if isinstance(value, list):
        return [_with_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {name: _with_surrogates(item) for name, item in value.items()}
    return value


def damaged(frames: Frames, how: str) -> Frames:
    """Return the frames with a wrong digest ("digest"), half a body ("half") or an unknown protocol ("unknown")."""
    found = []
    for direction, frame in frames:
        head, body = frame[:44], frame[44:]
        if how == "digest":
            found.append((direction, head[:16] + bytes(20) + head[36:] + body))
        elif how == "half":
            proto_id, serial = int.from_bytes(head[2:6], "little"), int.from_bytes(head[8:12], "little")
            found.append(
                (direction, encode_frame(proto_id, serial, body[: len(body) // 2], body_format=BodyFormat(head[6])))
            )
        else:
            proto_id, serial = int.from_bytes(head[2:6], "little"), int.from_bytes(head[8:12], "little")
            found.append((direction, encode_frame(proto_id + 0x7000, serial, body, body_format=BodyFormat(head[6]))))
    return found


def unprintable(text: str) -> list[str]:
    """Return the lines of a text, ended by ``\\n`` alone, that hold characters which are not printable."""
    return [line for line in text.split("\n") if not line.isprintable()]


def over_websocket(filler: Any) -> Frames:
    """Return an upgrade, the envelopes of every protocol, and one that reports an error."""
    start = (
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    accepted = b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    found = [(Direction.A_TO_B, start), (Direction.B_TO_A, accepted)]
    for section, (proto_id, direction, message) in enumerate(bodies(filler), 2):
        sender, mask = (Role.CLIENT, b"mask") if direction is Direction.A_TO_B else (Role.SERVER, b"")
        envelope = Envelope.build(proto_id, section, message.SerializeToString(), sender=sender)
        found.append((direction, websocket_frame(envelope.encode(), mask=mask)))
    text = "\x1b[2J\x9b\n\u202e\u2028"
    failed = Envelope.build(3008, 9001, b"", sender=Role.SERVER, error_code=1, error_text=text)
    return [*found, (Direction.B_TO_A, websocket_frame(failed.encode()))]
