r"""Parse bytes in hexadecimal text, in the forms that people paste.

Bare digits, ``0x46, 0x54``, ``46:54``, ``\x46\x54``, and the dumps of xxd, hexdump -C, tcpdump -x and Wireshark.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["from_hex"]

_DIGITS: Final = re.compile(r"[0-9A-Fa-f]+")
_MARKS: Final = re.compile(r"0[xX]|\\x|[\s,:;\-_{}\[\]()\"']+")
_DUMP_LINE: Final = re.compile(
    r"\s*(?:0[xX])?([0-9A-Fa-f]{4,16}):?[ \t]+"  # the offset
    r"((?:[0-9A-Fa-f]{2,8}[ \t]{1,3})*[0-9A-Fa-f]{2,8})"  # groups of one to four bytes
    r"(?:[ \t]{2,}.*|[ \t]*\|.*)?\s*"  # the bytes as text
)
_END_OF_DUMP: Final = re.compile(r"\s*[0-9A-Fa-f]{6,16}\s*")


def from_hex(text: str) -> bytes | None:
    """Return the bytes of a hexadecimal text; ``None`` for other text, and for an odd number of digits."""
    dumped = _from_dump(text)
    if dumped is not None:
        return dumped
    digits = _MARKS.sub("", text)
    if not _DIGITS.fullmatch(digits) or len(digits) % 2:
        return None
    return bytes.fromhex(digits)


def _from_dump(text: str) -> bytes | None:
    """Parse lines of offset, bytes and text; each offset must be the number of bytes before it."""
    lines = [line for line in text.splitlines() if line.strip()]
    found = b""
    for place, line in enumerate(lines):
        match = _DUMP_LINE.fullmatch(line)
        if match is None:
            # The last line of hexdump -C and od is the length alone.
            is_end = place and place == len(lines) - 1 and _END_OF_DUMP.fullmatch(line) and int(line, 16) == len(found)
            if is_end:
                break
            return None
        if int(match[1], 16) != len(found):
            return None
        digits = re.sub(r"\s", "", match[2])
        if len(digits) % 2:
            return None
        found += bytes.fromhex(digits)
    return found or None
