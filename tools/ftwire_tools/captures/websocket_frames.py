"""WebSocket frames as bytes (RFC 6455, 5.2), the wrong ones too that no library writes."""

from __future__ import annotations

from typing import Final

__all__ = ["BINARY", "FIN", "websocket_frame"]

FIN: Final = 0x80
"""The bit of the first byte that marks the last frame of a message."""
BINARY: Final = 2
"""The opcode of binary messages."""


def websocket_frame(first: int, content: bytes, *, masked: bool, mask: bytes = bytes(4), longer: int = 0) -> bytes:
    """Return one frame. ``first`` is its first byte, with ``FIN`` and opcode; ``content`` is masked already.

    ``masked`` frames, which are a client's, have the ``mask`` in their header; masking with zeros changes nothing.
    The length in the header is ``longer`` than the content.
    """
    length, bit = len(content) + longer, 0x80 if masked else 0
    if length < 126:
        size = bytes((bit | length,))
    elif length < 1 << 16:
        size = bytes((bit | 126,)) + length.to_bytes(2)
    else:
        size = bytes((bit | 127,)) + (length & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8)
    return bytes((first,)) + size + (mask if masked else b"") + content
