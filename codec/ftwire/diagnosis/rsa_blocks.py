"""What RSA blocks are that PKCS#1 v1.5 does not explain: other paddings, signatures, blocks of another size."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

__all__ = ["is_signature_block", "other_padding", "resized"]

_OAEP: Final = (("sha1", "sha1"), ("sha256", "sha256"), ("sha256", "sha1"))
"""Hashes of OAEP, and of its mask (MGF1): the default, what is chosen today, and what Java makes of that."""


def other_padding(opened: Sequence[bytes | None]) -> str | None:
    """Return the name of the padding that all decrypted blocks have; ``None`` if none is known."""
    blocks = [block for block in opened if block is not None]
    if not blocks or len(blocks) < len(opened):
        return None
    if all(map(is_signature_block, blocks)):
        return "the padding of signatures, 00 01 ff (block type 1)"
    for label, mask in _OAEP:
        if all(_is_oaep(block, label, mask) for block in blocks):
            return f"OAEP padding with {label.upper()}" + ("" if label == mask else f", masked with {mask.upper()}")
    return None


def is_signature_block(block: bytes) -> bool:
    """Return whether a block begins as PKCS#1 v1.5 pads what the private half of a key makes."""
    return block.startswith(b"\0\1" + b"\xff" * 8)


def _is_oaep(block: bytes, label: str, mask: str) -> bool:
    """Return whether a block has OAEP padding with an empty label (RFC 8017, 7.1.2)."""
    size = hashlib.new(label, usedforsecurity=False).digest_size
    if block[0] or len(block) < 2 * size + 2:
        return False
    seed, data = block[1 : 1 + size], block[1 + size :]
    seed = _xor(seed, _mask(data, size, mask))
    return _xor(data, _mask(seed, len(data), mask)).startswith(hashlib.new(label, usedforsecurity=False).digest())


def _mask(seed: bytes, size: int, algorithm: str) -> bytes:
    """Return ``size`` bytes of MGF1 (RFC 8017, B.2.1)."""
    made = b""
    for counter in range(-(-size // hashlib.new(algorithm, usedforsecurity=False).digest_size)):
        made += hashlib.new(algorithm, seed + counter.to_bytes(4), usedforsecurity=False).digest()
    return made[:size]


def _xor(first: bytes, second: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(first, second, strict=True))


def resized(payload: bytes, size: int) -> bytes:
    """Return blocks that have a zero too many in front, or one block that lacks its leading zeros, as whole blocks."""
    count, over = divmod(len(payload), size + 1)
    if count and not over:
        blocks = [payload[start : start + size + 1] for start in range(0, len(payload), size + 1)]
        return b"" if any(block[0] for block in blocks) else b"".join(block[1:] for block in blocks)
    return payload.rjust(size, b"\0") if size - 4 <= len(payload) < size else b""
