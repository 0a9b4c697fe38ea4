"""``--hex``: header and body in hexadecimal and ASCII.

The body is the plain one where the frame was decrypted, and the bytes of the wire where it was not. A body
that holds secrets is withheld as a whole: which of its bytes say what is not for this module to know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ftwire_tools.messages.masking import has_secrets, may_be_secret

if TYPE_CHECKING:
    from ftwire_tools.render import ShownFrame

__all__ = ["Bytes", "bytes_of", "hexdump", "hexdump_of"]

WIDTH = 16


class Bytes(NamedTuple):
    """The bytes of a frame, in two parts."""

    header: bytes
    body: bytes | None
    """``None`` where it is withheld."""
    is_plain: bool
    """The body is what was sent before encryption, not what stood on the wire."""


def bytes_of(sighting: ShownFrame, *, show_secrets: bool) -> Bytes:
    """Return what may be shown of a frame's bytes."""
    frame = sighting.seen.frame
    raw = frame.encode()
    header = raw[: len(raw) - len(frame.payload)]
    is_plain = frame.error is None
    body = frame.body if is_plain else frame.payload
    return Bytes(header, body if show_secrets or not _is_secret(sighting) else None, is_plain)


def _is_secret(sighting: ShownFrame) -> bool:
    if sighting.message is not None:
        return has_secrets(sighting.message)
    # What looks encrypted may as well be a plain body that came to harm.
    return may_be_secret(sighting.seen.frame)


def hexdump_of(sighting: ShownFrame, *, show_secrets: bool, indent: str = " " * 7) -> str:
    """Return the lines of a frame's header and body."""
    header, body, is_plain = bytes_of(sighting, show_secrets=show_secrets)
    what = "body" if is_plain and sighting.seen.encryption == "none" else "body, decrypted"
    if not is_plain:
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
