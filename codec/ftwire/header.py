"""The 44-byte header in front of every frame on TCP, and the two headers of the WebSocket envelope.

``HEADER`` is the specification, declared in ``ftwire.layout`` and imported from there on first use. The ``struct``
formats below are computed from that declaration, field by field, when the package is built; property tests prove them
equal to it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from ftwire._schema import layout
from ftwire.errors import BadMagicError, TruncatedHeaderError

if TYPE_CHECKING:
    from ftwire.layout import CLIENT_ENVELOPE, HEADER, SERVER_ENVELOPE

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

ENVELOPE_MAGIC: Final = b"ft-v1.0\0"
"""The first eight bytes of every WebSocket envelope."""


def __getattr__(name: str) -> Any:
    # construct is imported only where the declarations are used.
    if name in {"HEADER", "CLIENT_ENVELOPE", "SERVER_ENVELOPE"}:
        from ftwire import layout as declared

        return getattr(declared, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class BodyFormat(IntEnum):
    """What the body is written in (``nProtoFmtType``)."""

    PROTOBUF = 0
    JSON = 1


HeaderFields = tuple[bytes, int, int, int, int, int, bytes, bytes]
"""All fields of a header in wire order: magic, proto_id, body_format, version, serial, body_length, sha1, reserved."""

HEADER_STRUCT: Final = struct.Struct(layout.HEADER)
unpack_header: Final = HEADER_STRUCT.unpack_from
"""``unpack_header(buffer, offset)``: the fields of the 44 bytes there, magic unchecked."""
pack_header: Final = HEADER_STRUCT.pack
"""``pack_header(*fields)``: the 44 bytes of these fields."""

HEADER_SIZE: Final = HEADER_STRUCT.size
"""Bytes in a header: 44."""

PackedHeader = tuple[int, int, int, bytes, int]
"""A header in fewer pieces: the first eight bytes as one number, which determines the frame's type (``FrameType`` in
``ftwire.frame``), serial, body_length, sha1, and the reserved bytes as one number."""

PACKED_HEADER_STRUCT: Final = struct.Struct(layout.HEADER_COMPACT)
unpack_packed_header: Final = PACKED_HEADER_STRUCT.unpack_from
"""``unpack_packed_header(buffer, offset)``: the 44 bytes there in these pieces, magic unchecked."""
pack_packed_header: Final = PACKED_HEADER_STRUCT.pack
"""``pack_packed_header(*pieces)``: the 44 bytes of these pieces."""

CLIENT_ENVELOPE_STRUCT: Final = struct.Struct(layout.CLIENT_ENVELOPE)
SERVER_ENVELOPE_STRUCT: Final = struct.Struct(layout.SERVER_ENVELOPE)

_U32: Final = 0xFFFF_FFFF
_U8: Final = 0xFF


@dataclass(frozen=True, slots=True)
class Header:
    """One frame header, field for field as it was on the wire.

    Nothing is normalised: odd versions, formats and reserved bytes are kept, so that encoding a decoded header results
    in the same 44 bytes. Raises ``ValueError`` for a field its bytes cannot hold.
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
        """Refuse byte strings that ``struct`` would cut or pad without an error, and numbers out of range."""
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
        magic, proto_id, body_format, version, serial, body_length, sha1, reserved = unpack_header(data)
        if magic != MAGIC:
            raise BadMagicError(actual=magic)
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
