r"""Parse bytes in hexadecimal text: bare digits, and dumps with an offset in front of each line.

Digits are ``4654e903``, ``46 54``, ``46:54``, ``46-54``, ``0x46, 0x54`` and ``\x46\x54``. Dumps are those of xxd,
hexdump, od, tcpdump, tshark, Wireshark and others of that form: offset, bytes, and possibly the bytes as text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

__all__ = ["MAX_DUMPED", "DumpBlock", "from_digits", "from_hex", "read_dump", "with_offsets"]

MAX_DUMPED: Final = 64 << 20
"""Most bytes that one dump may stand for: a line of ``*`` stands for any number."""

_SEPARATORS: Final = re.compile(r"[\s,:;\-_\"'|]+")
_PREFIX: Final = re.compile(r"0[xX]|\\x")
_OTHER: Final = re.compile(r"[^0-9A-Fa-fxX\\\s,:;\-_\"'|]")
_DIGITS: Final = re.compile(r"[0-9A-Fa-f]*+")
_ROW: Final = re.compile(
    r"([ \t]*+)(?:0[xX])?([0-9A-Fa-f]{3,16}):?(?:[ \t]++(?=(?:0x)?(?:[0-9A-Fa-f]{2}){1,8}(?![^\s|-]))|[ \t]*$)"
)
_FRAME: Final = re.compile(r"^[ \t]*[|│][ \t]*(?=(?:0[xX])?[0-9A-Fa-f]{2})", re.MULTILINE)
"""The left side of a table: strace, Netty, hexyl, Markdown."""
_FRAMED_OFFSET: Final = re.compile(r"^((?:0[xX])?[0-9A-Fa-f]{3,16})[ \t]*[|│]", re.MULTILINE)
_ADDRESS: Final = re.compile(
    r"^([ \t]*(?:0[xX])?[0-9A-Fa-f]{4,16})(?:`([0-9A-Fa-f]{8})|[ \t]+<[^>\n]{1,80}>(?=:))", re.MULTILINE
)
"""A long address as WinDbg writes it, and the name of what is there, by gdb."""
_WHOLE_LINE: Final = re.compile(r"[ \t]*+(?:[0-9A-Fa-f]{2}[ \t]++){15}[0-9A-Fa-f]{2}(?:[ \t]{2}|[ \t]*$)")
_ANY_LINE: Final = re.compile(r"[ \t]*+[0-9A-Fa-f]{2}(?:[ \t]|$)")
_GROUP: Final = re.compile(r"(?:0x)?([0-9A-Fa-f]{2,16})(?![^\s|-])([ \t]*+-?[ \t]*+)")

_FEW_DIGITS: Final = 6
"""Fewest digits of an offset that stands alone, as the last line of hexdump and od."""
_USUAL_WIDTH: Final = 16
"""Bytes in a line of nearly all dumps."""


class DumpBlock(NamedTuple):
    """Lines of a dump with running offsets."""

    data: bytes
    side: int
    """1 if the lines are indented by a tab, as those of the second side of a followed stream are."""


class _Row(NamedTuple):
    side: int
    offset: int
    rest: str
    """What stands behind the offset; nothing in the last line of hexdump and od."""
    squeezed: bool
    """The line before it is a ``*``: lines equal to the one in front of that were left out."""


def from_hex(text: str) -> bytes | None:
    """Return the bytes of a hexadecimal text; ``None`` for other text, and for an odd number of digits."""
    blocks = read_dump(text)
    return b"".join(block.data for block in blocks) if blocks else from_digits(text)


def from_digits(text: str) -> bytes | None:
    """Return the bytes of hexadecimal digits, separated or not; ``None`` for other text."""
    if _OTHER.search(text):
        return None
    digits: list[str] = []
    for word in _SEPARATORS.split(text):
        first, *prefixed = _PREFIX.split(word)
        # 0x3 is how some languages print the byte 3; a digit alone is half a byte, or a decimal number.
        parts = [first, *(part.zfill(2) if part else part for part in prefixed)]
        if any(len(part) % 2 or not _DIGITS.fullmatch(part) for part in parts):
            return None
        digits += parts
    return bytes.fromhex("".join(digits)) or None


def read_dump(text: str, *, words_reversed: bool = False) -> list[DumpBlock]:
    """Return what the dumps in a text hold, in their order; nothing if there is none, or its offsets do not fit.

    Other lines than those of dumps are passed over. A dump begins with offset 0, the first with any, and each of its
    lines where the one before ended; offsets are hexadecimal, octal or decimal. ``words_reversed`` is for programs that
    print words of two or four bytes as numbers of a little-endian machine (``hexdump`` and ``od -x`` without other
    options, ``xxd -e``).
    """
    lines = _without_frame(text).splitlines()
    for base in (16, 8, 10):
        blocks = _blocks(_rows(lines, base), words_reversed=words_reversed)
        if blocks:
            return blocks
    return []


def with_offsets(text: str) -> str:
    """Return a text in which lines of 16 pairs of digits, and the shorter one behind them, have an offset in front.

    ``socat -x -v`` and ``ngrep -x`` print none.
    """
    found = []
    offset = 0
    for line in text.splitlines():
        is_row = (_ANY_LINE if offset else _WHOLE_LINE).match(line)
        found.append(f"{offset:08x}  {line.lstrip()}" if is_row else line)
        offset = offset + _USUAL_WIDTH if is_row else 0
    return "\n".join(found)


def _without_frame(text: str) -> str:
    """Return a dump without the lines around it, and without the names of its addresses."""
    if "|" in text or "│" in text:
        text = _FRAMED_OFFSET.sub(r"\1: ", _FRAME.sub("", text)).replace(" ┊ ", "  ")
    return _ADDRESS.sub(r"\1\2", text)


def _rows(lines: Sequence[str], base: int) -> list[_Row]:
    rows: list[_Row] = []
    squeezed = False
    for line in lines:
        if line.strip() == "*":
            squeezed = True
            continue
        match = _ROW.match(line)
        if match is None:
            continue
        rest = line[match.end() :]
        if not rest and len(match[2]) < _FEW_DIGITS:
            continue
        try:
            offset = int(match[2], base)
        except ValueError:
            return []
        rows.append(_Row(match[1].startswith("\t"), offset, rest, squeezed))
        squeezed = False
    return rows


def _blocks(rows: Sequence[_Row], *, words_reversed: bool) -> list[DumpBlock]:
    found: list[tuple[bytearray, int]] = []
    ends = [0, 0]  # of the bytes of either side: the offsets of a followed stream go on behind the other side's
    width = _USUAL_WIDTH
    gaps: set[int] = set()
    total = 0
    last = b""
    for place, row in enumerate(rows):
        end = ends[row.side]
        is_first = place == 0 or rows[place - 1].side != row.side or row.offset == 0
        if row.squeezed and found and last and row.offset > end:
            total += row.offset - end
            if total > MAX_DUMPED or (row.offset - end) % len(last):
                return []
            found[-1][0].extend(last * ((row.offset - end) // len(last)))
            end = ends[row.side] = row.offset
        after = rows[place + 1] if place + 1 < len(rows) else None
        exact = None
        if after is not None and after.side == row.side and row.offset < after.offset and not after.squeezed:
            exact = width = after.offset - row.offset
        # A debugger's begin with an address.
        if row.offset not in (0, end) and (found or exact is None):
            return []
        if not row.rest:
            continue
        last = _bytes_of(row.rest, exact, width, gaps, words_reversed=words_reversed)
        if not last or (exact is not None and len(last) != exact):
            return []
        if is_first:
            found.append((bytearray(), row.side))
        found[-1][0].extend(last)
        ends[row.side] = row.offset + len(last)
    return [DumpBlock(bytes(data), side) for data, side in found]


def _bytes_of(rest: str, exact: int | None, width: int, gaps: set[int], *, words_reversed: bool) -> bytes:
    """Return the bytes of a line.

    ``exact`` is how many there are, if the next line's offset shows it. If not, there are at most ``width``, and they
    end at a gap that is not one of ``gaps``, those between the bytes of lines above: what stands behind it are the
    bytes as text, which may look like digits.
    """
    found = bytearray()
    at = 0
    most = width if exact is None else exact
    while len(found) < most and (match := _GROUP.match(rest, at)):
        if len(match[1]) % 2:
            break
        group = bytes.fromhex(match[1])
        if words_reversed:
            # A lone last byte is printed as a whole word.
            group = group[::-1][: most - len(found)]
        if len(found) + len(group) > most:
            break
        found += group
        at = match.end()
        # Some leave two spaces in the middle of a line.
        is_middle = len(found) == _USUAL_WIDTH // 2 and len(group) == 1
        gap = len(match[2])
        if words_reversed and gap > 1 and (after := _GROUP.match(rest, at)):
            # xxd -e writes the digits of the last word where they would stand in a whole one.
            gap -= len(match[1]) - len(after[1])
        if exact is not None and gap > 1 and len(found) < exact:
            gaps.add(at)
        elif exact is None and gap > 1 + is_middle and "-" not in match[2] and at not in gaps:
            break
    return bytes(found)
