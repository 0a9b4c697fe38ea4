"""Damaged frames, as faults make them of sound ones.

``stream`` is whether a frame is sent on TCP; it is an envelope of WebSocket where it is not.
"""

from __future__ import annotations

import random
import struct
from typing import Final

from ftwire.header import HEADER_SIZE

__all__ = ["garbage", "no_message", "unknown_format", "unknown_protocol", "wrong_digest", "wrong_serial"]

UNKNOWN_ID: Final = 9999
"""A protocol ID that OpenD does not use."""

# Offsets of header fields, see ftwire.header: the header is not encrypted and not part of the digest.
_PROTO_AT, _FORMAT_AT, _SERIAL_AT, _SHA1_AT = 2, 6, 8, 16
_UNKNOWN_FORMAT: Final = 7
_ENVELOPE_COMMAND_AT, _ENVELOPE_SECTION_AT = 8, 12


def no_message(size: int, place: str) -> bytes:
    """Return bytes that are no protobuf message: they begin with wire type 7, which does not exist.

    They are as many as ``size``, at least 8, and always the same for a ``place``.
    """
    noise = random.Random(place)  # noqa: S311 - to be repeated, not to be secret
    return b"\x0f" + noise.randbytes(max(size - 1, 7))


def wrong_digest(frame: bytes) -> bytes:
    """Return a frame on TCP with another SHA-1 in its header."""
    return frame[:_SHA1_AT] + bytes((frame[_SHA1_AT] ^ 0xFF,)) + frame[_SHA1_AT + 1 :]


def unknown_format(frame: bytes) -> bytes:
    """Return a frame on TCP whose header names a body format that nobody knows."""
    return frame[:_FORMAT_AT] + bytes((_UNKNOWN_FORMAT,)) + frame[_FORMAT_AT + 1 :]


def wrong_serial(frame: bytes, *, stream: bool) -> bytes:
    """Return a reply with the serial of another request."""
    at, form = (_SERIAL_AT, "<I") if stream else (_ENVELOPE_SECTION_AT, ">Q")
    size = struct.calcsize(form)
    (serial,) = struct.unpack_from(form, frame, at)
    wrong = (serial + 1_000_000) % (1 << 8 * size)
    return frame[:at] + struct.pack(form, wrong) + frame[at + size :]


def unknown_protocol(frame: bytes, *, stream: bool) -> bytes:
    """Return a frame with an unknown protocol ID."""
    at, form = (_PROTO_AT, "<I") if stream else (_ENVELOPE_COMMAND_AT, ">I")
    return frame[:at] + struct.pack(form, UNKNOWN_ID) + frame[at + 4 :]


def garbage(size: int) -> bytes:
    """Return so many bytes that are no frame, at least those of a header."""
    return b"HTTP/1.1 400 Bad Request\r\n\r\n".ljust(max(size, HEADER_SIZE), b"\0")
