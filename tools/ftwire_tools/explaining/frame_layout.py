"""Draw a frame: every byte of it with its offset and its meaning.

::

    0000  46 54        szHeaderFlag    "FT"
    0002  c0 0b 00 00  nProtoID        3008 Qot_GetRT
    ...
    body: protobuf, Qot_GetRT.Response, 104 bytes
    0000  08 00        1 varint   retType: int32 = 0 (RetType_Succeed)
    0002  22 64        4 len 100  s2c: message
    0004    0a 0a      1 len 10     security: message

Offsets in the header count from the start of the frame, those in the body from the start of the plain body, since
the bytes on the wire may be encrypted.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha1
from typing import TYPE_CHECKING, Final, NamedTuple

from ftwire.frame import Role
from ftwire.header import HEADER_SIZE, Header
from ftwire.protocols import registry
from ftwire_tools.explaining.body_layout import body_lines
from ftwire_tools.render.hexdump import hexdump
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from ftwire.diagnosis import Piece
    from ftwire_tools.explaining.piece_view import PieceView
    from ftwire_tools.terminal.style import Paint

__all__ = ["HeaderField", "draw", "header_fields", "title_of"]

MAX_HEX_LINES: Final = 16
"""Largest number of lines of ciphertext, or of bytes without a meaning."""
MAX_ITEMS: Final = 400
"""Largest number of lines of a body's tree, unless all are wanted."""

FORMATS: Final = {0: "protobuf", 1: "JSON"}


class HeaderField(NamedTuple):
    """One field of a header as captured."""

    offset: int
    raw: bytes
    name: str
    meaning: str
    good: bool = True


def _protocol_name(proto_id: int) -> str:
    protocol = registry.get(proto_id)
    return protocol.name if protocol else "unknown"


def header_fields(view: PieceView) -> list[HeaderField]:
    """Return the fields of the header of a frame or an envelope; none for other bytes."""
    piece = view.piece
    if piece.envelope is not None:
        return _envelope_fields(view)
    header = piece.header
    if header is None:
        return []
    raw = piece.raw
    known = header.proto_id in registry
    turned = int.from_bytes(raw[2:6], "big")
    id_text = f"{header.proto_id} {_protocol_name(header.proto_id)}"
    if not known and turned in registry:
        id_text += f" (big-endian: {turned} {_protocol_name(turned)})"
    there = len(piece.raw) - HEADER_SIZE
    length = (
        f"{header.body_length} bytes" if header.body_length == there else f"{header.body_length} bytes, {there} here"
    )
    version = "0" if not header.version else f"{header.version}, 0 today"
    reserved = "zero" if not any(header.reserved) else "not zero"
    return [
        HeaderField(0, raw[0:2], "szHeaderFlag", '"FT"'),
        HeaderField(2, raw[2:6], "nProtoID", id_text, known),
        HeaderField(
            6,
            raw[6:7],
            "nProtoFmtType",
            f"{header.body_format} {FORMATS.get(header.body_format, 'unknown')}",
            header.body_format in FORMATS,
        ),
        HeaderField(7, raw[7:8], "nProtoVer", version),
        HeaderField(8, raw[8:12], "nSerialNo", str(header.serial)),
        HeaderField(12, raw[12:16], "nBodyLen", length, header.body_length == there),
        HeaderField(16, raw[16:36], "arrBodySHA1", *_digest_meaning(piece, header)),
        HeaderField(36, raw[36:44], "arrReserved", reserved),
    ]


def _digest_meaning(piece: Piece, header: Header) -> tuple[str, bool]:
    if piece.body is not None and sha1(piece.body, usedforsecurity=False).digest() == header.sha1:
        return "agrees with the plain body", True
    if sha1(piece.payload, usedforsecurity=False).digest() == header.sha1:
        return "agrees with the bytes on the wire, not with the plain body", False
    if piece.key_unknown:
        return "of the plain body, which is encrypted", True
    return "does not agree with the bytes on the wire", False


def _envelope_fields(view: PieceView) -> list[HeaderField]:
    piece = view.piece
    raw = piece.raw
    if not raw.startswith(b"ft-v1.0\0") or len(raw) < 20:
        return []
    command, section = int.from_bytes(raw[8:12], "big"), int.from_bytes(raw[12:20], "big")
    names = {1: "InitWebSocket", 2: "disconnected"}
    known = command in registry or command in names
    fields = [
        HeaderField(0, raw[:8], "magic", '"ft-v1.0" and a zero byte'),
        HeaderField(8, raw[8:12], "command", f"{command} {names.get(command) or _protocol_name(command)}", known),
        HeaderField(12, raw[12:20], "section", str(section)),
    ]
    if piece.sender is Role.SERVER and len(raw) >= HEADER_SIZE:
        error = int.from_bytes(raw[20:24], "big", signed=True)
        if view.hides_error_text:
            meaning = "withheld: it may be a body that the client has sent (--show-secrets)"
            return [*fields, HeaderField(20, b"", "error", meaning, good=False)]
        text = printable(raw[24:44].partition(b"\0")[0].decode(errors="replace"))
        fields += [
            HeaderField(20, raw[20:24], "error", str(error), not error),
            HeaderField(24, raw[24:44], "error text", f'"{text}"' if text else "none"),
        ]
    return fields


def title_of(piece: Piece) -> str:
    """Return one line about a piece: its protocol, kind and size."""
    size = f"{len(piece.raw)} bytes"
    sender = "" if piece.sender is None else f" from the {piece.sender.value}"
    if piece.envelope is not None:
        envelope = piece.envelope
        what = f"{envelope.kind} {piece.proto_id} {_protocol_name(piece.proto_id)} section {envelope.serial}"
        return f"{what}{sender}, WebSocket, {size}" if piece.proto_id else f"WebSocket message{sender}, {size}"
    if not piece.proto_id:
        return f"no frame{sender}, {size}"
    if piece.header is None:
        before = len(piece.raw) - len(piece.payload)
        name = _protocol_name(piece.proto_id)
        return f"{piece.proto_id} {name}{sender}, another header of {before} + {len(piece.payload)} bytes"
    protocol = registry.get(piece.proto_id)
    kind = "request" if piece.sender is Role.CLIENT else "response"
    if protocol is not None and protocol.is_push:
        kind = "push"
    name = _protocol_name(piece.proto_id)
    return f"{kind} {piece.proto_id} {name} #{piece.header.serial}{sender}, {HEADER_SIZE} + {len(piece.payload)} bytes"


def draw(view: PieceView, paint: Paint, *, everything: bool = False) -> Iterator[str]:
    """Yield the lines of a piece."""
    faint, bad, reset = paint.faint, paint.bad, paint.reset
    fields = header_fields(view)
    for field in fields:
        rows = [field.raw[start : start + 10].hex(" ") for start in range(0, len(field.raw), 10)] or [""]
        colour = paint.response if field.good else bad
        yield f"  {faint}{field.offset:04x}{reset}  {rows[0]:<29}  {field.name:<13}  {colour}{field.meaning}{reset}"
        for count, row in enumerate(rows[1:], 1):
            yield f"  {faint}{field.offset + 10 * count:04x}{reset}  {row}"
    yield from _cipher_lines(view, paint, has_header=bool(fields))
    if view.piece.body is not None:
        lines = body_lines(view, paint)
        limit = None if everything else MAX_ITEMS
        for count, line in enumerate(lines):
            if count == limit:
                yield f"  {faint}... (--all shows every field){reset}"
                break
            yield line


def _cipher_lines(view: PieceView, paint: Paint, *, has_header: bool) -> Iterator[str]:
    piece = view.piece
    if piece.cipher == "none" and piece.body is not None:
        yield f"  cipher: none, {len(piece.payload)} bytes are the body"
        return
    size = len(piece.payload)
    if piece.body is not None:
        name = piece.cipher.upper() if piece.cipher != "unknown" else "other than agreed"
        yield f"  cipher: {name}, {size} bytes to {len(piece.body)} plain ones{_padding_text(piece, piece.body)}"
    elif piece.key_unknown:
        yield f"  cipher: encrypted, {size} bytes; the key for them is not known"
    elif has_header:
        yield f"  cipher: not known, {size} bytes that cannot be read"
    base = len(piece.raw) - size
    shown = view.payload
    lines = hexdump(shown)
    for line in lines[:MAX_HEX_LINES]:
        offset, _, rest = line.partition("  ")
        yield f"  {paint.faint}{int(offset, 16) + base:04x}{paint.reset}  {rest}"
    if len(shown) < size:
        yield f"  {paint.faint}{size - len(shown)} bytes withheld: they may hold secrets (--show-secrets){paint.reset}"
    elif len(lines) > MAX_HEX_LINES:
        yield f"  {paint.faint}... {size - 16 * MAX_HEX_LINES} more bytes{paint.reset}"


def _padding_text(piece: Piece, body: bytes) -> str:
    """Explain how the length of the payload follows from that of the body."""
    extra = len(piece.payload) - len(body)
    if piece.cipher == "rsa":
        return ", block by block"
    if piece.cipher == "ftaes_ecb":
        return f": {extra - 16} of zero padding, and a last block in the clear that says {piece.payload[-1]}"
    return f": {extra} of PKCS#7 padding" if piece.cipher in ("aes_ecb", "aes_cbc") else ""
