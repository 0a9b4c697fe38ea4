"""``--hex``: header and body in hexadecimal and ASCII.

The body is the plain one where the frame was decrypted, and the bytes of the wire where it was not. A body that
holds secrets is left out as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftwire_tools.render.frame_view import FrameView

__all__ = ["hexdump", "hexdump_of"]

WIDTH = 16


def hexdump_of(view: FrameView, *, indent: str = " " * 7) -> str:
    """Return the lines of a frame's header and body."""
    header, body = view.header_bytes, view.body_bytes
    what = "body" if view.encryption == "none" else "body, decrypted"
    if not view.is_plain:
        what = "body, as on the wire"
    lines = [f"header, {len(header)} bytes", *hexdump(header)]
    if body is None:
        lines.append("body withheld: it may hold keys, passwords or accounts (--show-secrets shows it)")
    else:
        lines += [f"{what}, {len(body)} bytes", *hexdump(body)]
    return "".join(f"{indent}{line}\n" for line in lines)


def hexdump(data: bytes) -> list[str]:
    """Return lines of 16 bytes with their offset, as ``hexdump -C`` writes them."""
    lines = []
    for offset in range(0, len(data), WIDTH):
        row = data[offset : offset + WIDTH]
        left, right = row[:8].hex(" "), row[8:].hex(" ")
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{offset:08x}  {left:<23}  {right:<23}  |{text}|")
    return lines
