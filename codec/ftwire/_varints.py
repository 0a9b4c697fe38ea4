"""Protobuf's integers as bytes: seven bits a byte, the lowest first, with the highest bit set where more follow."""

from __future__ import annotations

from typing import Final

__all__ = ["encode_varint", "read_varint"]

_FIVE_BYTES: Final = 1 << 28
"""The least that takes five."""


def encode_varint(value: int) -> bytes:
    """Return an integer of 0 and above as protobuf writes it: seven bits a byte, the lowest first."""
    if _FIVE_BYTES <= value < 1 << 35:  # nearly all of those in made-up quotes, in one expression
        return bytes(
            (value & 127 | 128, value >> 7 & 127 | 128, value >> 14 & 127 | 128, value >> 21 & 127 | 128, value >> 28)
        )
    digits = []
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int] | None:
    """Return a value and the position after it; ``None`` where it does not end in ten bytes, or before ``end``."""
    value = 0
    for count in range(min(10, end - at)):
        byte = data[at + count]
        value |= (byte & 127) << (7 * count)
        if byte < 128:
            return value, at + count + 1
    return None
