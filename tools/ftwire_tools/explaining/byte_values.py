r"""Bytes as programs print them: lists of numbers, string literals, base64, hexadecimal within other text.

Each function returns what it finds in a text, in order, and whether that is all of the text but for decoration.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from ftwire.header import HEADER_SIZE, MAGIC
from ftwire_tools.explaining.blocks import Block
from ftwire_tools.terminal.hex_input import MAX_DUMPED, from_digits

__all__ = [
    "Found",
    "base64_words",
    "decimal",
    "hexadecimal",
    "hexadecimal_words",
    "literals",
    "number_lists",
    "octal_dump",
    "without_bits",
]


class Found(NamedTuple):
    """What a text holds in one notation."""

    blocks: list[Block]
    other: int
    """Characters of the text that are not part of it, without white space, and many more if it has quotes, as JSON."""
    missing: str = ""
    """What the program that printed it left out, in its own words."""


# --- Lists of numbers -------------------------------------------------------------------------------------------

_LIST: Final = re.compile(r"[\[({<]([^\[\](){}<>]*+)[\])}>]")
_CAST: Final = re.compile(
    r"\((?:s?byte|u?int8(?:_t)?|u8|(?:un)?signed char)\)|\.toByte\(\)|u8\b|(?<=\d)uy\b", re.IGNORECASE
)
_OTHER_PREFIX: Final = re.compile(r"(?:&H|\$)(?=[0-9A-Fa-f]{1,2}\b)")
"""What Basic and Pascal write for ``0x``."""
_QUOTED_ITEM: Final = re.compile(r"""(["'])(0[xX][0-9A-Fa-f]{1,2}|[0-9A-Fa-f]{2})\1""")
_OF_CHROME: Final = re.compile(r",\s{0,9}buffer: ArrayBuffer\(\d{1,12}\)[^\]\n]{0,300}(?=\])")
_PLACE: Final = re.compile(
    r"\[?(\d{1,8})\]?[ \t]{0,9}(?:=>|[=:\t])[ \t]{0,9}(?:\{\w{1,20}\}[ \t]{0,9})?"
    r"(-?\d{1,3}|0[xX][0-9A-Fa-f]{1,2})(?:[ \t]{1,9}[\w ']{1,30})?,?"
)
"""An item in a line of its own with its place: PHP's ``print_r``, and what debuggers copy."""
_CHARACTER: Final = re.compile(r"(?<!\w)'([ -~])'(?!\w)")
_LINE_COMMENT: Final = re.compile(r"//[^\n]*+")
_JSON_INDEX: Final = re.compile(r'"\d{1,9}"\s{0,9}:')
_NODE_NAME: Final = re.compile(r"\s*+(?:Slow)?Buffer\b")
_LEFT_OUT: Final = re.compile(r",?\s{0,9}\.\.\. ?(?:\d{1,12} more (?:bytes?|items?))?")
_ITEM_SEPARATOR: Final = re.compile(r"[\s,;]+")
_SIDE: Final = re.compile(r"\bpeer(\d)_\d{1,9}\[\]\s*=\s*$")
_QUOTED: Final = 1000
"""Characters that a text in quotes counts for, at least: it is the syntax of something else."""
_ITEM: Final = re.compile(r"-?\d{1,3}|-?(?:0[xX])?[0-9A-Fa-f]{1,2}|(?:[0-9A-Fa-f]{2})++")


class NumberLists(NamedTuple):
    """The lists of numbers in a text, each number still as text."""

    lists: list[tuple[list[str], int]]
    """Numbers and the side that sent them."""
    other: int
    missing: str


def number_lists(text: str) -> NumberLists:
    """Return the lists in brackets of any kind; in a text without any, the whole text if it is a list."""
    if placed := _placed(text):
        return NumberLists([(placed, 0)], 0, "")
    text = _OF_CHROME.sub("", _LINE_COMMENT.sub("", _without_comments(text)))
    text = _CHARACTER.sub(lambda match: f" {ord(match[1]):#x} ", text)
    text = _CAST.sub("", _JSON_INDEX.sub("", text))
    text = _QUOTED_ITEM.sub(r"\2", _OTHER_PREFIX.sub("0x", text))
    lists: list[tuple[list[str], int]] = []
    missing = ""
    other = at = 0
    for match in _LIST.finditer(text):
        inner, is_buffer = _NODE_NAME.subn("", match[1])
        left_out = _LEFT_OUT.search(inner)
        if left_out is not None:
            inner = _LEFT_OUT.sub(" ", inner)
        items = _items(inner.strip("|"))  # of F#
        around = text[max(match.start() - 1, 0) : match.start()] + text[match.end() : match.end() + 1]
        # A number alone in brackets beside a word is a size: pkt1[54], Uint8Array(84), [4]byte.
        if not items or (len(items) == 1 and re.search(r"\w", around)):
            continue
        if left_out is not None:
            missing = left_out[0].strip(", ")
        before = text[at : match.start()]
        side = _SIDE.search(before[-60:])
        if is_buffer:
            items = [f"0x{item}" for item in items]
        lists.append((items, int(side[1]) & 1 if side else 0))
        other += _other(before)
        at = match.end()
    if not lists:
        items = _items(text)
        # Without brackets, few numbers are no list.
        return NumberLists([(items, 0)] if items else [], 1, "")
    return NumberLists(lists, other + _other(text[at:]), missing)


def _placed(text: str) -> list[str]:
    """Return the items of the lines that have their place in front, from 0 or 1 on; nothing if they have another."""
    found = [match.groups() for line in text.splitlines() if (match := _PLACE.fullmatch(line.strip()))]
    first = int(found[0][0]) if found else 2
    in_order = first < 2 and all(int(place) == number for number, (place, _) in enumerate(found, first))
    return [item for _, item in found] if in_order and len(found) >= _FEW_BYTES else []


def decimal(items: list[str]) -> bytes | None:
    """Return the bytes of decimal numbers from -128 to 255, some of them hexadecimal if they begin with ``0x``."""
    try:
        numbers = [int(item, 16) if "x" in item.lower() else int(item) for item in items]
    except ValueError:
        return None
    if not all(-128 <= number <= 255 for number in numbers):
        return None
    return bytes(number & 0xFF for number in numbers)


def hexadecimal(items: list[str]) -> bytes | None:
    """Return the bytes of hexadecimal numbers with or without a leading zero."""
    parts = [item[2:] if item[:2] in ("0x", "0X") else item for item in items]
    if any(len(item) == 1 for item in items) and any(len(item) == 2 and item[0] == "0" for item in items):
        # Where others have their leading zero, a digit alone is half a byte.
        return None
    try:
        return bytes.fromhex("".join(part.zfill(2) for part in parts))
    except ValueError:
        return None


def _items(text: str) -> list[str]:
    """Return the numbers that a text consists of; nothing if it consists of other things."""
    items = [item for item in _ITEM_SEPARATOR.split(text) if item]
    return items if all(map(_ITEM.fullmatch, items)) else []


def _without_comments(text: str) -> str:
    parts = []
    at = 0
    while (start := text.find("/*", at)) >= 0 and (end := text.find("*/", start + 2)) >= 0:
        parts += [text[at:start], " "]
        at = end + 2
    return "".join([*parts, text[at:]])


def _other(text: str) -> int:
    return len("".join(text.split())) + _QUOTED * ('"' in text)


# --- String literals --------------------------------------------------------------------------------------------

_LITERAL: Final = re.compile(
    r"""(?<!\w)(?:[bB][rR]?|[rR][bB]|c)?(?:"((?:[^"\\\n]|\\.)*+)("?)|'((?:[^'\\\n]|\\.)*+)('?)"""
    r"""|`((?:[^`\\\n]|\\.)*+)(`?))"""
)
_JOIN: Final = re.compile(r"[\s\\+.,]*+[bBrR]?")
"""What stands between the parts of one string."""
_ESCAPE: Final = re.compile(
    r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|[ux]\{([0-9A-Fa-f]{1,6})\}|([0-7]{1,3})|(.))", re.DOTALL
)
_NUL_ESCAPE: Final = re.compile(
    r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|[ux]\{([0-9A-Fa-f]{1,6})\}|(0)|(.))", re.DOTALL
)
_CONTROLS: Final = (
    *("NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "a", "b", "t", "n", "v", "f", "r", "SO", "SI", "DLE", "DC1"),
    *("DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US"),
)
_DECIMAL_ESCAPE: Final = re.compile(
    rf"\\(?:(\d{{1,3}})|({'|'.join(sorted(filter(str.isupper, _CONTROLS), reverse=True))}|DEL)|(&)|(.))", re.DOTALL
)
r"""Escapes of Lua and Haskell: decimal numbers, in Haskell names too, and ``\&`` for nothing in front of a digit."""
_NO_OCTAL: Final = re.compile(r"\\(?:NUL|SOH|\d[89]\d|\d\d[89])")
_BYTE_ESCAPE: Final = re.compile(r"\\(?:x\{?[0-9A-Fa-f]|\d|u00|NUL)")
_LETTERS: Final = {"n": 10, "r": 13, "t": 9, "a": 7, "b": 8, "f": 12, "v": 11, "e": 27}


def literals(text: str) -> Iterator[Found]:
    r"""Yield the readings of the string literals with escapes in a text, or of a text that is the inside of one.

    They differ in what ``\012`` is: an octal number (C, Go), or a NUL in front of digits (Rust); and in what characters
    above ASCII are: bytes (Python, JavaScript, Java), or UTF-8 (Go, C).
    """
    groups: list[list[str]] = []
    other = at = 0
    for match in _LITERAL.finditer(text):
        pairs = (match.group(1, 2), match.group(3, 4), match.group(5, 6))
        inside, quote = next(pair for pair in pairs if pair[0] is not None)
        if not quote:
            continue
        between = text[at : match.start()]
        if not groups or not _JOIN.fullmatch(between):
            groups.append([])
            other += _other(between)
        groups[-1].append(inside)
        at = match.end()
    other += _other(text[at:])
    insides = ["".join(group) for group in groups]
    # The others are words of a text, or keys of an object.
    escaped = [inside for inside in insides if _BYTE_ESCAPE.search(inside)]
    other += sum(map(len, insides)) - sum(map(len, escaped))
    if not escaped:
        if not _BYTE_ESCAPE.search(text):
            return
        # A shell takes the quotes of b'FT\xe9' away, and leaves the b.
        escaped, other = [text.strip().removeprefix("b")], 0
    plain = [_DECIMAL_ESCAPE.sub(_hexadecimal_escape, inside) for inside in escaped]
    ways = [(escaped, _ESCAPE), (escaped, _NUL_ESCAPE), (plain, _ESCAPE)]
    if any(map(_NO_OCTAL.search, escaped)):
        ways.reverse()
    for texts, escape in ways:
        for encoding in ("latin-1", "utf-8"):
            read = [_unescaped(inside, escape, encoding) for inside in texts]
            blocks = [Block(data) for data in read if data]
            if len(blocks) == len(escaped):
                yield Found(blocks, other)


def _hexadecimal_escape(match: re.Match[str]) -> str:
    number, name, nothing, _ = match.groups()
    if nothing:
        return ""
    value = int(number) if number else 127 if name == "DEL" else _CONTROLS.index(name) if name else 256
    return f"\\x{value:02x}" if value < 256 else match[0]


def _unescaped(text: str, escape: re.Pattern[str], encoding: str) -> bytes | None:
    data = bytearray()
    at = 0
    try:
        for match in escape.finditer(text):
            data += text[at : match.start()].encode(encoding)
            at = match.end()
            byte, four, braced, octal, letter = match.groups()
            if byte:
                data.append(int(byte, 16))
            elif four or braced:
                data += chr(int(four or braced, 16)).encode(encoding)
            elif octal:
                data.append(int(octal, 8) & 0xFF)
            elif letter in _LETTERS:
                data.append(_LETTERS[letter])
            elif letter != "\n":  # a literal that goes on in the next line
                data += letter.encode(encoding)
        return bytes(data + text[at:].encode(encoding))
    except (UnicodeEncodeError, ValueError):
        return None


# --- Octal and binary -------------------------------------------------------------------------------------------

_OCTAL_ROW: Final = re.compile(
    r"([0-7]{7,11})(?:((?: +(?:[0-7]{6}|[0-7]{3}))+)|((?: {3}[ -~]| {2}\\[0abfnrtv]| [0-7]{3}){1,16}))?[ \t]*"
)
_BITS: Final = re.compile(r"(?<![\w.:])[0-9A-Fa-f]{8}(?![\w.:])")


def octal_dump(text: str) -> bytes | None:
    """Return the bytes of ``od`` without options, ``od -b`` and ``od -c``; ``None`` for other text."""
    data = bytearray()
    last = b""
    for line in text.splitlines():
        row = _OCTAL_ROW.fullmatch(line)
        if row is None:
            continue
        offset = int(row[1], 8)
        if last and len(data) < offset <= MAX_DUMPED:
            # Lines equal to the one in front of them were left out.
            data += last * ((offset - len(data)) // len(last))
        if offset > len(data):
            return None
        del data[offset:]  # a lone last byte is printed as a whole word
        if row[2]:
            last = b"".join(_octal(number) for number in row[2].split())
        else:
            cells = row[3] or ""
            last = b"".join(_cell(cells[at + 1 : at + 4]) for at in range(0, len(cells), 4))
        data += last
    return bytes(data) or None


def _octal(number: str) -> bytes:
    """Return a byte, or a word of two as a little-endian machine has it."""
    return (
        (int(number, 8) & 0xFFFF).to_bytes(2, "little") if len(number) > len("377") else bytes([int(number, 8) & 0xFF])
    )


def _cell(text: str) -> bytes:
    """Return the byte of a cell of ``od -c``, three characters wide."""
    shown = text[2:] if text.startswith("  ") else text.lstrip()
    if shown.startswith("\\") and len(shown) > 1:
        return bytes([_LETTERS.get(shown[1], 0)])
    return shown.encode() if len(shown) == 1 else bytes([int(shown, 8) & 0xFF])


def without_bits(text: str) -> str:
    """Return a text in which bytes in binary, as ``xxd -b`` prints them, are in hexadecimal."""
    many = 0
    for match in _BITS.finditer(text):
        # Groups of four bytes, and offsets, are zeros and ones now and then.
        if match[0].strip("01"):
            return text
        many += 1
    if many < HEADER_SIZE:
        return text
    return _BITS.sub(lambda match: f"{int(match[0], 2):02x}", text)


# --- Words within other text ------------------------------------------------------------------------------------

_BASE64_WORD: Final = re.compile(r"[A-Za-z0-9+/_-]++={0,2}")
_BASE64_OF_MAGIC: Final = re.compile(r"Rl[Q-T]")
"""``FT`` and two bits of what follows."""
_ARMOUR: Final = re.compile(r"^-----[A-Z ]{1,80}-----[ \t\r]*$", re.MULTILINE)
"""First and last line of base64 by ``certutil -encode``."""
_FEW_IN_LINE: Final = 16
"""Fewest characters in a line of base64, if there are several: all usual widths are larger."""
_HEX_WORD: Final = re.compile(r"[0-9A-Za-z:.-]++")
_HEX_ROW: Final = re.compile(
    r"(?<![0-9A-Za-z])(?:0[xX])?(?:[0-9A-Fa-f]{2})++(?![0-9A-Za-z])"
    r"(?:[\s,:-]{1,9}(?:0[xX])?(?:[0-9A-Fa-f]{2})++(?![0-9A-Za-z]))*+"
)
_DATE_AND_TIME: Final = 16
"""Digits of a date and a time, in bytes, at most."""
_FEW_BYTES: Final = 8


def base64_words(text: str) -> Found | None:
    """Return what base64 a text consists of, in the usual or in the URL-safe alphabet; ``None`` if it is no base64.

    In a text with other words, those are taken that begin with the base64 of ``FT``, and the lines that continue them.
    """
    text = _ARMOUR.sub("", text)
    words = [word.strip("\"'`,;") for word in text.split()]
    other = 0
    if words and all(map(_BASE64_WORD.fullmatch, words)) and _are_lines(words):
        runs = _runs(words)
    else:
        runs = list(_runs_within(text))
        other = _other(text) - sum(map(len, runs))
    blocks = [Block(data) for run in runs if (data := _from_base64(run))]
    return Found(blocks, other) if blocks else None


def _runs(words: list[str]) -> list[str]:
    """Join lines of one text; a padding, or what begins a frame, separates two texts."""
    runs: list[list[str]] = []
    for word in words:
        if not runs or runs[-1][-1].endswith("=") or _BASE64_OF_MAGIC.match(word):
            runs.append([])
        runs[-1].append(word)
    return ["".join(run) for run in runs]


def _runs_within(text: str) -> Iterator[str]:
    run: list[str] = []
    width = 0
    """Characters of a line that may be continued by the next."""
    for line in text.splitlines():
        stripped = line.strip()
        if (
            width
            and len(stripped) <= width
            and _BASE64_WORD.fullmatch(stripped)
            and not _BASE64_OF_MAGIC.match(stripped)
        ):
            run.append(stripped)
            width = width if len(stripped) == width else 0
            continue
        for word in _BASE64_WORD.findall(line):
            if _BASE64_OF_MAGIC.match(word):
                yield "".join(run)
                run = [word]
                width = len(word) if stripped.endswith(word) else 0
    yield "".join(run)


def _are_lines(words: list[str]) -> bool:
    """Return whether words may be the lines of base64 texts: all of one length but for the last of each text."""
    if len(words) == 1:
        return words[0][0].isalnum()
    width = len(words[0]) if words else 0
    if width < _FEW_IN_LINE:
        return False
    for word, after in pairwise(words):
        is_last = word.endswith("=") or _BASE64_OF_MAGIC.match(after)
        if len(word) != width and not (is_last and len(word) < width):
            return False
        if is_last:
            width = len(after)
    return len(words[-1]) <= width


def _from_base64(word: str) -> bytes | None:
    word = word.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(word + "=" * (-len(word) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def hexadecimal_words(text: str) -> Found | None:
    """Return the words of a text that are hexadecimal and as long as a header, and the words that continue them.

    These are columns of a table (``tshark -T fields``), or values in the lines of a log. If there is no such word,
    short ones in a row are taken that are as long together.
    """
    words = [word for word in _HEX_WORD.findall(text) if len(word) >= 2 * _FEW_BYTES]
    read = [data for word in words if (data := from_digits(word)) is not None]
    if not any(len(data) >= HEADER_SIZE for data in read):
        words = [match[0] for match in _HEX_ROW.finditer(text) if len(match[0]) >= 2 * HEADER_SIZE]
        read = [_from_magic(data) for word in words if (data := from_digits(word)) is not None]
    if not any(len(data) >= HEADER_SIZE for data in read):
        return None
    return Found([Block(data) for data in read], _other(text) - sum(map(len, words)))


def _from_magic(data: bytes) -> bytes:
    """Leave out a date or a time in front of a frame: they may be hexadecimal too."""
    at = data.find(MAGIC, 0, _DATE_AND_TIME + len(MAGIC))
    return data[max(at, 0) :]
