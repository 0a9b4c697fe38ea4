"""What the headers of the wire look like, declared with construct: the specification.

Nothing that reads or writes frames imports this module, since construct takes longer to import than a small
capture takes to decode. Their code uses ``struct`` formats that ``proto/hatch_build.py`` computes from
these declarations, field by field, with the functions below, when the package is built; tests hold both equal
for any bytes. This module imports nothing of ftwire, so that the build can load it by itself.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import construct as cs

__all__ = ["CLIENT_ENVELOPE", "HEADER", "SERVER_ENVELOPE", "compact_format", "struct_format"]

HEADER: Final[Any] = cs.Struct(
    "magic" / cs.Const(b"FT"),  # szHeaderFlag
    "proto_id" / cs.Int32ul,  # nProtoID
    "body_format" / cs.Int8ul,  # nProtoFmtType
    "version" / cs.Int8ul,  # nProtoVer
    "serial" / cs.Int32ul,  # nSerialNo
    "body_length" / cs.Int32ul,  # nBodyLen
    "sha1" / cs.Bytes(20),  # arrBodySHA1
    "reserved" / cs.Bytes(8),  # arrReserved
)
"""In front of every frame on TCP: packed, little-endian, as in the vendor's protocol pages."""

CLIENT_ENVELOPE: Final[Any] = cs.Struct(
    "magic" / cs.Const(b"ft-v1.0\0"),
    "command" / cs.Int32ub,
    "section" / cs.Int64ub,
)
"""In front of what a WebSocket client sends: big-endian, as the vendor's JavaScript SDK writes it."""

SERVER_ENVELOPE: Final[Any] = cs.Struct(
    "magic" / cs.Const(b"ft-v1.0\0"),
    "command" / cs.Int32ub,
    "section" / cs.Int64ub,
    "error_code" / cs.Int32sb,
    "error_text" / cs.Bytes(20),  # UTF-8, NUL-padded
)
"""In front of what it receives; that it takes 44 bytes too is a coincidence."""

_WORD: Final = 8


def struct_format(declaration: Any) -> str:
    """Return the ``struct`` format that reads what a fixed-size construct declaration reads.

    construct keeps a number's byte order and code in ``fmtstr`` ("<L"); constants and byte strings become
    ``Ns``. Raises ``TypeError`` for anything else: it has no counterpart.
    """
    order, codes = _codes(declaration)
    return order + "".join(codes)


def compact_format(declaration: Any) -> str:
    """Return a format for the same bytes, the first eight and the last eight as one number each.

    A header's first eight bytes determine what kind of frame it is. As one number they cost one object instead of
    four, and one look-up finds all that they determine; the last eight, zero today, cost nothing.
    Raises ``TypeError`` where a field crosses these borders.
    """
    order, codes = _codes(declaration)
    for _ in range(2):
        # Join at the front, turn around, join at the back.
        size = joined = 0
        while size < _WORD:
            size += struct.calcsize(order + codes[joined])
            joined += 1
        if size != _WORD:
            raise TypeError(f"a field crosses byte {_WORD} of {codes}")
        codes = ["Q", *codes[joined:]][::-1]
    return order + "".join(codes)


def _codes(declaration: Any) -> tuple[str, list[str]]:
    orders: set[str] = set()
    codes: list[str] = []
    for field in declaration.subcons:
        inner = field.subcon
        while isinstance(inner, cs.Const):
            inner = inner.subcon
        if isinstance(inner, cs.FormatField):
            order, code = inner.fmtstr[0], inner.fmtstr[1:]
            orders.add(order)
            codes.append(code)
        elif isinstance(inner, cs.Bytes):
            codes.append(f"{inner.sizeof()}s")
        else:
            raise TypeError(f"header field {field.name}: no struct code for {inner!r}")
    (order,) = orders
    size = struct.calcsize(order + "".join(codes))
    if size != declaration.sizeof():
        raise TypeError(f"{codes} take {size} bytes, the declaration {declaration.sizeof()}")
    return order, codes
