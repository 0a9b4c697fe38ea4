"""The notations in which people paste bytes, and which of them a text is in.

A text is read in every notation of ``NOTATIONS`` that it fits, and the best reading wins: one that begins with a frame
whose digest agrees, then one that holds such a frame, then one that holds a frame of a known protocol, then one that
begins as a frame or an envelope, then any other. Among equals the first of the table wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha1
from typing import Final, NamedTuple

from ftwire.header import ENVELOPE_MAGIC, HEADER_SIZE, MAGIC, Header
from ftwire.protocols import registry
from ftwire_tools.explaining import analyser_text, byte_values
from ftwire_tools.explaining.blocks import Block, capture_of, capture_of_sides, in_order, streams_of
from ftwire_tools.explaining.byte_values import Found
from ftwire_tools.explaining.websocket_inputs import websocket_sender
from ftwire_tools.terminal.hex_input import from_digits, read_dump, with_offsets

__all__ = ["MAX_TEXT", "NOTATIONS", "Reading", "name_of_array", "read_text", "text_of"]

MAX_TEXT: Final = 64 << 20
"""Largest text that is read, in characters. A capture of that size is read from its file."""

_FEW_OTHER: Final = 80
"""Characters of other text, for each block, that may surround a notation that holds no frame: names and types."""
_FEW_BYTES: Final = 8
"""Fewest bytes that are read out of other text: shorter lists stand in any text."""
_MOST_LOOKED_AT: Final = 1000
"""Frames that are looked for in one reading, to compare it with others."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f\ufffe\uffff]")
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]{0,20}m")
_SIGNED: Final = re.compile(r"\b[Ff]{6}([89A-Fa-f][0-9A-Fa-f])\b")
_PAIR: Final = 2
_QUOTED_MAIL: Final = re.compile(r"(?:(?:>[^\n]*+|[ \t\r]*+)(?:\n|$))++")
_QUOTE_MARK: Final = re.compile(r"^>[> ]*", re.MULTILINE)
_NAMES_OF_ARRAYS: Final = re.compile(
    r"\[B@[0-9a-f]{1,16}|System\.Byte\[\]|<memory at 0x[0-9A-Fa-f]{1,16}>|\[object (?:ArrayBuffer|Uint8Array)\]"
)
"""What some languages print instead of the bytes of an array."""
_BYTE_ORDER_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


class Reading(NamedTuple):
    """What a text holds."""

    notation: str
    data: bytes
    """Frames, or what one side of a WebSocket connection sent."""
    capture: bytes | None = None
    """A pcap file instead, where both sides of a WebSocket connection, or several connections, are in the text."""
    missing: str = ""
    """What the program that printed the text left out, in its own words."""


def _whole(blocks: Iterable[Block]) -> Iterator[Found]:
    found = list(blocks)
    if found:
        yield Found(found, 0)


def _one(data: bytes | None) -> Iterator[Found]:
    return _whole([Block(data)] if data else [])


def _of(found: Found | None) -> Iterator[Found]:
    if found is not None:
        yield found


def _dump(text: str) -> Iterator[Found]:
    yield from _whole(Block(*block) for block in read_dump(text))
    yield from _whole(Block(*block) for block in read_dump(text, words_reversed=True))
    yield from _whole(Block(*block) for block in read_dump(with_offsets(text)))
    yield from _one(byte_values.octal_dump(text))


def _digits(text: str) -> Iterator[Found]:
    # What C's "%02x" prints of a char above 127 is as long as an int.
    words = _SIGNED.sub(r"\1", text)
    yield from _one(from_digits(words if all(len(word) == _PAIR for word in words.split()) else text))


def _numbers(text: str) -> Iterator[Found]:
    found = byte_values.number_lists(text)
    for convert in (byte_values.decimal, byte_values.hexadecimal):
        read = [(convert(items), side) for items, side in found.lists]
        blocks = [Block(data, side) for data, side in read if data]
        if blocks:
            # xxd -i ends with the length, a number that is no list.
            yield Found(blocks, found.other, found.missing)


NOTATIONS: Final[tuple[tuple[str, Callable[[str], Iterator[Found]]], ...]] = (
    ("packets in the JSON of tshark", lambda text: _whole(analyser_text.packets_of_json(text))),
    ("fields of packets (PDML or JSON of tshark)", lambda text: _whole(analyser_text.packets_of_fields(text))),
    ("a followed stream in YAML", lambda text: _whole(analyser_text.followed_yaml(text))),
    ("a followed stream, raw", lambda text: _whole(analyser_text.followed_raw(text))),
    ("a hex dump", _dump),
    ("hexadecimal", _digits),
    ("a list of numbers", _numbers),
    ("a string with escapes", byte_values.literals),
    ("base64", lambda text: _of(byte_values.base64_words(text))),
    ("hexadecimal within other text", lambda text: _of(byte_values.hexadecimal_words(text))),
)
"""Name and reader of each notation, the most specific first."""


def text_of(content: bytes) -> str | None:
    """Return the text in these bytes; ``None`` if they are no text, as those of frames.

    UTF-8, or UTF-16 with a byte order mark or in ASCII characters.
    """
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark)), None)
    if encoding is None:
        halves = content[:200:2], content[1:200:2]
        zeros = [bool(half) and not any(half) for half in halves]
        encoding = "utf-16-be" if zeros[0] else "utf-16-le" if zeros[1] else "utf-8"
    try:
        text = content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError:
        return None
    text = text.removesuffix("\0")
    return None if _CONTROL.search(text) else text


def read_text(text: str) -> Reading | None:
    """Return the bytes that a text stands for; ``None`` if it is in no known notation."""
    text = _COLOURS.sub("", text)
    if _QUOTED_MAIL.fullmatch(text):
        text = _QUOTE_MARK.sub("", text)
    text = byte_values.without_bits(text)
    best: Reading | None = None
    best_rank = -1
    for name, read in NOTATIONS:
        for found in read(text):
            reading = _reading(name, found)
            rank = _rank(reading)
            if rank > best_rank and (rank or _is_plain(name, found)):
                best, best_rank = reading, rank
            if best_rank == _CERTAIN:
                return best
    return best


def name_of_array(text: str) -> str | None:
    """Return the name of an array that a text holds instead of its bytes, such as ``[B@1b6d3586``."""
    match = _NAMES_OF_ARRAYS.search(text)
    return match[0] if match else None


def _is_plain(name: str, found: Found) -> bool:
    """Return whether a reading without a frame is one nevertheless, and not any text that happens to fit."""
    if name == "base64":
        # Every word is base64.
        return not found.other and sum(len(block.data) for block in found.blocks) >= HEADER_SIZE
    longest = max(len(block.data) for block in found.blocks)
    if longest >= HEADER_SIZE and name != "a string with escapes":
        return True
    return not found.other or (longest >= _FEW_BYTES and found.other <= _FEW_OTHER * len(found.blocks))


def _reading(name: str, found: Found) -> Reading:
    packets = streams_of(found.blocks)
    blocks = found.blocks if packets is None else packets.sent
    data = in_order(blocks)
    capture = None
    if packets is not None and packets.connections > 1:
        capture = capture_of(found.blocks, packets.link_type)
    elif len({block.side for block in blocks}) > 1 and not _frames_in(data):
        first = b"".join(block.data for block in blocks if block.side == blocks[0].side)
        if websocket_sender(first, None) is not None:
            capture = capture_of_sides(blocks) if packets is None else capture_of(found.blocks, packets.link_type)
    return Reading(name, data, capture, found.missing)


_CERTAIN: Final = 5


def _rank(reading: Reading) -> int:
    """Return how surely a reading is what was meant, from 0 to ``_CERTAIN``, in the order of the text above."""
    data = reading.data
    if reading.capture is not None:
        return _CERTAIN
    found = _frames_in(data)
    if found:
        return found
    if data.startswith((MAGIC, ENVELOPE_MAGIC)):
        return 2
    return int(websocket_sender(data, None) is not None)


def _frames_in(data: bytes) -> int:
    """Return how surely the data are frames, as ``_rank``; 0 if no frame of a known protocol is in them."""
    rank = at = 0
    for _ in range(_MOST_LOOKED_AT):
        at = data.find(MAGIC, at)
        if at < 0 or len(data) - at < HEADER_SIZE:
            break
        header = Header.decode(data[at : at + HEADER_SIZE])
        if header.proto_id in registry:
            rank = 3
            body = memoryview(data)[at + HEADER_SIZE : at + HEADER_SIZE + header.body_length]
            if len(body) == header.body_length and sha1(body, usedforsecurity=False).digest() == header.sha1:
                return 4 if at else _CERTAIN
        at += 1
    return rank
