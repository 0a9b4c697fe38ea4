"""Mistakes in what was hashed, and in how the digest was written."""

from __future__ import annotations

from typing import Final

__all__ = ["ROWS"]

ROWS: Final = (
    (
        "sha1_missing",
        "The SHA-1 was not filled in.",
        "Compute the SHA-1 of the plain body and write its 20 bytes at offset 16 of the header.",
        1,
    ),
    (
        "sha1_of_nothing",
        "The SHA-1 is that of no bytes, and there is a body.",
        "Compute arrBodySHA1 after the body has been encoded, and over the bytes that are sent.",
        1,
    ),
    (
        "sha1_of_hex",
        "The hexadecimal text of the body was hashed, not its bytes.",
        "Compute arrBodySHA1 over the bytes of the body, not over their hexadecimal text.",
        1,
    ),
    (
        "sha1_of_base64",
        "The base64 text of the body was hashed, not its bytes.",
        "Compute arrBodySHA1 over the bytes of the body, not over their base64 text.",
        1,
    ),
    (
        "sha1_of_text",
        "The SHA-1 is that of a text which the body was turned into.",
        "Keep the body in a type for bytes (bytes, []byte, Buffer, Uint8Array, byte[]) from encoding to hashing, never "
        "in one for text.",
        1,
    ),
    (
        "sha1_of_frame",
        "The SHA-1 takes in bytes of the header.",
        "Compute arrBodySHA1 over the body alone, without the header.",
        1,
    ),
    (
        "sha1_of_length_prefixed",
        "The SHA-1 takes in a length in front of the body.",
        "Compute arrBodySHA1 over the body alone: the protocol has no length there.",
        1,
    ),
    (
        "sha1_of_padded",
        "The SHA-1 takes in bytes that follow the body.",
        "Compute arrBodySHA1 over exactly the body, before it is padded, not over the buffer that holds it.",
        1,
    ),
    (
        "sha1_of_part",
        "The SHA-1 is that of a part of the body.",
        "Compute arrBodySHA1 over the whole body as it is sent, Request and C2S with their tags and lengths.",
        1,
    ),
    (
        "sha1_of_compressed",
        "The SHA-1 is that of the body after or before compression.",
        "Do not compress: send the body as it was encoded, and hash that.",
        1,
    ),
    (
        "sha1_of_other_json",
        "The SHA-1 is that of the same JSON laid out otherwise.",
        "Make the JSON text once, and hash and send the same bytes.",
        1,
    ),
    (
        "sha1_of_other_format",
        "The SHA-1 is that of the same message in another encoding.",
        "Encode the message once, and hash and send the same bytes.",
        1,
    ),
    (
        "sha1_of_earlier_body",
        "The SHA-1 is that of the body of an earlier frame.",
        "Compute arrBodySHA1 anew for every frame: make a new hash object, and hash after the body was set.",
        1,
    ),
    (
        "sha1_swapped",
        "The bytes of the SHA-1 are in another order.",
        "Write the 20 bytes of the SHA-1 as the hash function returns them: a digest has no byte order to convert.",
        1,
    ),
    (
        "sha1_as_text",
        "The SHA-1 was written as text.",
        "Write the 20 raw bytes of the SHA-1 (digest, not hexdigest).",
        1,
    ),
    (
        "sha1_twice",
        "The SHA-1 was hashed once more.",
        "Write the SHA-1 of the body, not the SHA-1 of its SHA-1.",
        1,
    ),
    (
        "md5_for_sha1",
        "The digest is MD5.",
        "Use SHA-1 for arrBodySHA1; MD5 is for the password of unlocking and the key of WebSocket only.",
        1,
    ),
    (
        "sha256_for_sha1",
        "The digest is SHA-256.",
        "Use SHA-1 for arrBodySHA1: its digest has 20 bytes, nothing has to be cut.",
        1,
    ),
    (
        "other_hash_for_sha1",
        "The digest is that of another hash function, or one with a key.",
        "Use SHA-1 for arrBodySHA1, without a key: no HMAC, and nothing hashed along with the body.",
        1,
    ),
    (
        "sha1_of_reordered",
        "The SHA-1 is that of the body's bytes in another order.",
        "Compute arrBodySHA1 over the bytes of the body as they are sent: they have no byte order to convert.",
        1,
    ),
    (
        "sha1_of_ciphertext",
        "The SHA-1 is that of the encrypted body.",
        "Compute arrBodySHA1 over the plain body, before encrypting; check it after decrypting.",
        1,
    ),
    (
        "sha1_damaged",
        "Only a part of the SHA-1 is in its field.",
        "Write all 20 bytes of the digest at offset 16 of the header, as they are.",
        1,
    ),
    (
        "unexplained_digest",
        "The SHA-1 is not that of the body, and no known mistake explains it.",
        "Compare the body before sending with the one that arrived: some of its bytes, or the SHA-1, were changed.",
        3,
    ),
)
"""ID, title, remedy and rank of each."""
