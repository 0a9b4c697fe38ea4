"""Mistakes about where frames begin and end, and in the header."""

from __future__ import annotations

from typing import Final

__all__ = ["ROWS"]

ROWS: Final = (
    (
        "big_endian_header",
        "The header's numbers are big-endian.",
        "Write and read every number of the header in little-endian byte order (struct format '<', not '>' or '!').",
        0,
    ),
    (
        "body_length_of_plaintext",
        "The header announces the length of the plain body, the encrypted one follows.",
        "Set nBodyLen to the length of what follows the header on the wire: the ciphertext.",
        1,
    ),
    (
        "body_length_with_header",
        "The header counts itself into the length of the body.",
        "Set nBodyLen to the bytes after the 44 of the header.",
        1,
    ),
    (
        "frames_glued",
        "Several frames were taken for one.",
        "Give every frame its own length and cut the stream by that, whatever one send or recv holds.",
        2,
    ),
    (
        "frame_cut",
        "The frame is cut: fewer bytes are there than its header announces.",
        "Go on reading (or writing) until all of nBodyLen is there; one recv (or send) may take only a part.",
        2,
    ),
    (
        "no_frame",
        "The bytes are no frame.",
        'Look at what was written just before: a frame starts with "FT" where the one before it ends.',
        3,
    ),
    (
        "body_length_zero",
        "The header announces no body, and one follows.",
        "Set nBodyLen to the length of what follows the header, after the body has been encoded and encrypted.",
        1,
    ),
    (
        "body_length_in_characters",
        "The header announces the length of the body's text in characters.",
        "Encode the body in UTF-8 first and count its bytes: a character may take up to four.",
        1,
    ),
    (
        "body_length_wrong",
        "The header announces another length than the body has.",
        "Set nBodyLen to the number of bytes after the 44 of the header, no more and no fewer.",
        1,
    ),
    (
        "wrong_magic",
        "The frame does not begin with FT in capitals.",
        'Begin every frame on TCP with the bytes 46 54 ("FT"), in this order.',
        0,
    ),
    (
        "magic_missing",
        "The frame lacks its first two bytes.",
        'Begin every frame on TCP with the bytes 46 54 ("FT"), before nProtoID.',
        0,
    ),
    (
        "header_padded",
        "The compiler has padded the fields of the header.",
        "Declare the struct as packed (#pragma pack(1), #[repr(C, packed)], LayoutKind Pack = 1, struct format '<'), "
        "so that sizeof is 44, or write the fields one by one.",
        0,
    ),
    (
        "header_field_size",
        "A field of the header has another size.",
        "Write the fields with their sizes: 2, 4 (nProtoID), 1, 1, 4 (nSerialNo), 4 (nBodyLen), 20 and 8 bytes.",
        0,
    ),
    (
        "reserved_missing",
        "The header lacks its 8 reserved bytes.",
        "Write 8 zero bytes after arrBodySHA1: the header has 44 bytes, not 36.",
        0,
    ),
    (
        "sha1_misplaced",
        "The SHA-1 of the body is in the frame, but not where it belongs.",
        "Write arrBodySHA1 at offset 16 of the header and the body at offset 44.",
        0,
    ),
    (
        "header_values",
        "A field of the header has a value that is not sent today.",
        "Write 0 (protobuf) or 1 (JSON) into nProtoFmtType, 0 into nProtoVer and zeros into arrReserved.",
        1,
    ),
    (
        "header_field_order",
        "The fields of the header are in another order.",
        "Write szHeaderFlag, nProtoID, nProtoFmtType, nProtoVer, nSerialNo, nBodyLen, arrBodySHA1 and "
        "arrReserved, in this order.",
        0,
    ),
    (
        "unknown_protocol",
        "The protocol ID is that of no known protocol.",
        "Check nProtoID, its offset (2) and its size (4 bytes) in the header; a newer OpenD may know more "
        "protocols than this release.",
        2,
    ),
    (
        "bytes_between_frames",
        "Bytes stand between frames.",
        "Write nothing before, between or after frames: no line end, no length, no padding.",
        1,
    ),
)
"""ID, title, remedy and rank of each."""
