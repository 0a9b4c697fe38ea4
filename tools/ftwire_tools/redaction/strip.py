"""Copy a pcapng file without its decryption secrets; all other blocks stay byte for byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ftwire.errors import CaptureFormatError, NotACaptureError, TruncatedCaptureError

__all__ = ["Stripper"]

MAX_BLOCK: Final = 16 << 20
"""Largest block accepted, in bytes."""

_SECTION: Final = bytes.fromhex("0a0d0d0a")
_SECRETS: Final = 10
_ORDERS: Final = {bytes.fromhex("4d3c2b1a"): "little", bytes.fromhex("1a2b3c4d"): "big"}
_HEAD: Final = 12


class Stripper:
    """Copies all blocks except decryption secrets."""

    def __init__(self) -> None:
        self.stripped = 0
        """Number of blocks left out."""

    def run(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the blocks to keep.

        Raises ``CaptureError`` for a file that is not pcapng (gzip included), contradicts itself or ends in a block.
        """
        buffer = bytearray()
        offset, order = 0, "little"
        for chunk in chunks:
            buffer += chunk
            position = 0
            while len(buffer) - position >= _HEAD:
                kind = bytes(buffer[position : position + 4])
                if kind == _SECTION:
                    order = _ORDERS.get(bytes(buffer[position + 8 : position + 12]), "")
                if not order or (not offset and kind != _SECTION):
                    raise NotACaptureError("not a pcapng file, which alone holds keys", offset=offset)
                length = int.from_bytes(buffer[position + 4 : position + 8], order)  # type: ignore[arg-type]
                if length < _HEAD or length % 4 or length > MAX_BLOCK:
                    raise CaptureFormatError(f"a block of {length} bytes", offset=offset)
                if len(buffer) - position < length:
                    break
                if kind != _SECTION and int.from_bytes(kind, order) == _SECRETS:  # type: ignore[arg-type]
                    self.stripped += 1
                else:
                    yield bytes(buffer[position : position + length])
                position += length
                offset += length
            del buffer[:position]
        if buffer or not offset:
            raise TruncatedCaptureError("the file ends inside a block", offset=offset)
