"""The 44-byte header in front of every frame on TCP, and the two headers of the WebSocket envelope.

``HEADER`` is the specification: packed, little-endian, as in the vendor's protocol pages. The fast path below
it is computed from that declaration, field by field; a property test holds the two equal. ``CLIENT_ENVELOPE``
and ``SERVER_ENVELOPE`` are big-endian, as the vendor's JavaScript SDK reads and writes them; that the latter
takes 44 bytes too is a coincidence.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import construct as cs

from ftwire.errors import BadMagicError, TruncatedHeaderError

__all__ = [
    "CLIENT_ENVELOPE",
    "ENVELOPE_MAGIC",
    "HEADER",
    "HEADER_SIZE",
    "MAGIC",
    "SERVER_ENVELOPE",
    "BodyFormat",
    "Header",
    "HeaderFields",
]

MAGIC: Final = b"FT"
"""The first two bytes of every frame (``szHeaderFlag``)."""

HEADER: Final[Any] = cs.Struct(
    "magic" / cs.Const(MAGIC),  # szHeaderFlag
    "proto_id" / cs.Int32ul,  # nProtoID
    "body_format" / cs.Int8ul,  # nProtoFmtType
    "version" / cs.Int8ul,  # nProtoVer
    "serial" / cs.Int32ul,  # nSerialNo
    "body_length" / cs.Int32ul,  # nBodyLen
    "sha1" / cs.Bytes(20),  # arrBodySHA1
    "reserved" / cs.Bytes(8),  # arrReserved
)

HEADER_SIZE: Final[int] = HEADER.sizeof()
"""Bytes in a header: 44."""


ENVELOPE_MAGIC: Final = b"ft-v1.0\0"
"""The first eight bytes of every WebSocket envelope."""

CLIENT_ENVELOPE: Final[Any] = cs.Struct(
    "magic" / cs.Const(ENVELOPE_MAGIC),
    "command" / cs.Int32ub,
    "section" / cs.Int64ub,
)

SERVER_ENVELOPE: Final[Any] = cs.Struct(
    "magic" / cs.Const(ENVELOPE_MAGIC),
    "command" / cs.Int32ub,
    "section" / cs.Int64ub,
    "error_code" / cs.Int32sb,
    "error_text" / cs.Bytes(20),  # UTF-8, NUL-padded
)


class BodyFormat(IntEnum):
    """What the body is written in (``nProtoFmtType``)."""

    PROTOBUF = 0
    JSON = 1


HeaderFields = tuple[bytes, int, int, int, int, int, bytes, bytes]
"""A header as the fast path reads it: magic, proto_id, body_format, version, serial, body_length, sha1 and
reserved."""


def _struct_of(declaration: Any) -> struct.Struct:
    """Return the ``struct.Struct`` that reads what a fixed-size construct declaration reads.

    construct keeps a number's byte order and code in ``fmtstr`` ("<L"); constants and byte strings become
    ``Ns``. Anything else has no counterpart, and is refused here, at import, rather than read wrongly later.
    """
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
    made = struct.Struct(order + "".join(codes))
    if made.size != declaration.sizeof():
        raise TypeError(f"{made.format} takes {made.size} bytes, the declaration {declaration.sizeof()}")
    return made


_STRUCT: Final = _struct_of(HEADER)
unpack_header: Final = _STRUCT.unpack_from
"""``unpack_header(buffer, offset)``: the fields of the 44 bytes there, magic unchecked."""
pack_header: Final = _STRUCT.pack
"""``pack_header(*fields)``: the 44 bytes of these fields."""

CLIENT_ENVELOPE_STRUCT: Final = _struct_of(CLIENT_ENVELOPE)
SERVER_ENVELOPE_STRUCT: Final = _struct_of(SERVER_ENVELOPE)

_U32: Final = 0xFFFF_FFFF
_U8: Final = 0xFF


@dataclass(frozen=True, slots=True)
class Header:
    """One frame header, field for field as it stood on the wire.

    Nothing is normalised: odd versions, formats and reserved bytes are kept, so that encoding a decoded
    header gives its 44 bytes again. Raises ``ValueError`` for a field its bytes cannot hold.
    """

    proto_id: int
    """Protocol ID, u32 (``nProtoID``)."""
    serial: int
    """Serial number, u32 (``nSerialNo``): a reply repeats its request's. Those of pushes mean nothing."""
    body_length: int
    """Bytes that follow the header, u32 (``nBodyLen``): of the ciphertext when the body is encrypted."""
    sha1: bytes
    """SHA-1 of the plain body, 20 bytes (``arrBodySHA1``)."""
    body_format: int = BodyFormat.PROTOBUF
    """0 protobuf, 1 JSON, u8 (``nProtoFmtType``); see ``BodyFormat``. Other values are kept as they came."""
    version: int = 0
    """Protocol version, u8 (``nProtoVer``): 0 today."""
    reserved: bytes = bytes(8)
    """8 bytes (``arrReserved``): zero today."""

    def __post_init__(self) -> None:
        """Refuse what ``struct`` would cut or pad in silence."""
        for name, value, limit in (
            ("proto_id", self.proto_id, _U32),
            ("serial", self.serial, _U32),
            ("body_length", self.body_length, _U32),
            ("body_format", self.body_format, _U8),
            ("version", self.version, _U8),
        ):
            if not 0 <= value <= limit:
                raise ValueError(f"header field {name} holds 0 to {limit}, not {value}")
        if len(self.sha1) != 20:
            raise ValueError(f"header field sha1 is 20 bytes, not {len(self.sha1)}")
        if len(self.reserved) != 8:
            raise ValueError(f"header field reserved is 8 bytes, not {len(self.reserved)}")

    @classmethod
    def decode(cls, data: bytes | bytearray | memoryview) -> Header:
        """Read the header at the start of ``data``; what follows the 44 bytes is not looked at.

        Raises ``TruncatedHeaderError`` for fewer than 44 bytes and ``BadMagicError`` where they do not start
        with ``FT``.
        """
        if len(data) < HEADER_SIZE:
            raise TruncatedHeaderError(expected=HEADER_SIZE, actual=len(data))
        fields: HeaderFields = unpack_header(data)
        if fields[0] != MAGIC:
            raise BadMagicError(actual=fields[0])
        return cls.from_fields(fields)

    @classmethod
    def from_fields(cls, fields: HeaderFields) -> Header:
        """Return the record of fields that ``unpack_header`` read."""
        _, proto_id, body_format, version, serial, body_length, sha1, reserved = fields
        return cls(proto_id, serial, body_length, sha1, body_format, version, reserved)

    @property
    def fields(self) -> HeaderFields:
        """The fields in wire order, as ``pack_header`` takes them."""
        return (
            MAGIC,
            self.proto_id,
            self.body_format,
            self.version,
            self.serial,
            self.body_length,
            self.sha1,
            self.reserved,
        )

    def encode(self) -> bytes:
        """Return the 44 bytes."""
        return pack_header(*self.fields)
