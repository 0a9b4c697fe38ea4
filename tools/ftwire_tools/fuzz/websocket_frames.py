"""WebSocket's own frames (RFC 6455, 5.2), right and wrong ones.

Written here, not by a library, since none writes wrong ones; and with one mask for all, so that the same steps make
the same bytes. Copied into saved tests, see ``steps``.
"""

from __future__ import annotations

import struct
from typing import Final

from ftwire_tools.fuzz.steps import Step

__all__ = ["BETWEEN", "BROKEN", "CLOSE", "PING", "PONG", "control_frame", "is_legal_close", "message_frames"]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN: Final = 0x80
SAID: Final = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015)))
"""Codes that may stand in a close frame, besides those of applications and libraries."""
MASK: Final = b"\x37\xfa\x21\x3d"
"""That of RFC 6455's examples."""
BETWEEN: Final = b"between"
"""Content of a ping between the fragments of a message."""
BROKEN: Final = frozenset(
    (
        "reserved opcode",
        "reserved bits",
        "mask",
        "frame length",
        "unfinished",
        "continuation",
        "long ping",
        "split ping",
        "cut frame",
    )
)
"""What WebSocket does not allow: a peer has to fail the connection, and need not tell what comes next."""


def frame(first: int, data: bytes, *, masked: bool, announced: int | None = None) -> bytes:
    """Return one frame. ``first`` is its first byte, ``announced`` the length that it tells."""
    length = len(data) if announced is None else announced
    mark = 0x80 if masked else 0
    if length < 126:
        head = bytes((first, mark | length))
    elif length < 1 << 16:
        head = struct.pack(">BBH", first, mark | 126, length)
    else:
        head = struct.pack(">BBQ", first, mark | 127, length & 0xFFFF_FFFF_FFFF_FFFF)
    return head + (MASK + _masked(data) if masked else data)


def _masked(data: bytes) -> bytes:
    # As two long numbers: Python has no faster way, and messages have megabytes.
    mask = (MASK * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data) ^ int.from_bytes(mask)).to_bytes(len(data))


def control_frame(opcode: int, data: bytes, *, masked: bool) -> bytes:
    """Return a ping, a pong or a close frame."""
    return frame(FIN | opcode, data, masked=masked)


def is_legal_close(content: bytes) -> bool:
    """Say whether a close frame may have this content (RFC 6455, 5.5.1 and 7.4)."""
    try:
        content[2:].decode()
    except UnicodeDecodeError:
        return False
    code = int.from_bytes(content[:2])
    return not content or (len(content) >= 2 and (code in SAID or 3000 <= code <= 4999))


def message_frames(step: Step, messages: list[bytes], *, masked: bool) -> bytes:
    """Return the frames of a step's messages, in as many fragments as it says, and wrong where it says so."""
    done = step.wrong
    masked = masked != ("mask" in done)
    parts = []
    if "long ping" in done:
        parts.append(frame(FIN | PING, bytes(126 + int(done["long ping"]) % 1000), masked=masked))
    if "split ping" in done:
        parts.append(frame(PING, b"split", masked=masked))
    opcode = TEXT if "text" in done else BINARY
    if "reserved opcode" in done:
        opcode = int(done["reserved opcode"]) & 15
    if "continuation" in done:
        opcode = CONTINUATION
    bits = int(done.get("reserved bits", 0)) << 4 & 0x70
    for message in messages:
        if "unfinished" in done:
            parts.append(frame(BINARY, message[: len(message) // 2], masked=masked))
        parts += _fragments(step, opcode | bits, message, masked=masked)
    data = b"".join(parts)
    if "frame length" in done:
        *rest, last = messages
        longer = max(0, len(last) + int(done["frame length"]))
        data = b"".join(frame(FIN | opcode | bits, each, masked=masked) for each in rest)
        data += frame(FIN | opcode | bits, last, masked=masked, announced=longer)
    if "cut frame" in done:
        data = data[: int(done["cut frame"]) % len(data)]
    return data


def _fragments(step: Step, first: int, message: bytes, *, masked: bool) -> list[bytes]:
    count = min(step.fragments, 100)
    if count < 2:
        return [frame(FIN | first, message, masked=masked)]
    size = -(-len(message) // count) or 1
    parts = [
        frame(
            (first if number == 0 else CONTINUATION) | (FIN if number == count - 1 else 0),
            message[number * size : (number + 1) * size],
            masked=masked,
        )
        for number in range(count)
    ]
    if step.ping:
        parts.insert(1, control_frame(PING, BETWEEN, masked=masked))
    return parts
