"""Protobuf's integers as bytes, for those that write fields by hand."""

from __future__ import annotations

from typing import Final

__all__ = ["varint"]

FIVE_BYTES: Final = 1 << 28
"""The least that takes five."""


def varint(value: int) -> bytes:
    """Return an integer of 0 and above as protobuf writes it: seven bits a byte, the lowest first."""
    if FIVE_BYTES <= value < 1 << 35:  # nearly all of those in synthetic quotes, in one expression
        return bytes(
            (value & 127 | 128, value >> 7 & 127 | 128, value >> 14 & 127 | 128, value >> 21 & 127 | 128, value >> 28)
        )
    digits = []
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    digits.append(value)
    return bytes(digits)
