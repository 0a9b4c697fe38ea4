"""The known mistakes of implementations.

A mistake has a permanent ID, one sentence that names it, and one with the remedy. A finding is a mistake with its
proof: the part of the bytes that shows it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ftwire.frame import Role

__all__ = ["MISTAKES", "Finding", "Mistake"]


class Mistake(NamedTuple):
    """Something that implementations of this protocol get wrong."""

    id: str
    """Stable name, for programs."""
    title: str
    """What is wrong, in one sentence."""
    remedy: str
    """What to do about it, in one sentence."""
    rank: int
    """What to repair first: 0 explains a whole session, 1 one side's frames, 2 a frame, 3 is unexplained."""


class Finding(NamedTuple):
    """A mistake found in bytes."""

    mistake: Mistake
    proof: str
    """The part of the bytes that shows it, in one sentence."""
    sender: Role | None = None
    """The side that made it, if known."""
    proven: bool = True
    """A digest, a key or a field shows it beyond doubt; otherwise it is the likeliest explanation."""
    unquoted: str | None = None
    """The proof without what it quotes of the body, if it does."""


_TABLE: Final = (
    # Where frames begin and end.
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
    # Digests and encryption.
    (
        "sha1_of_ciphertext",
        "The SHA-1 is that of the encrypted body.",
        "Compute arrBodySHA1 over the plain body, before encrypting; check it after decrypting.",
        1,
    ),
    (
        "rsa_not_decrypted",
        "The body of InitConnect is RSA ciphertext and was left so.",
        "Decrypt InitConnect with the RSA private key (PKCS#1 v1.5, block by block) before checking its SHA-1.",
        0,
    ),
    (
        "rsa_wrong_key",
        "The RSA key is not the one that this was encrypted for.",
        "Give both sides the same private key file; do not expect an error from the RSA library, since OpenSSL 3.2 "
        "and later answer a wrong key with random bytes (implicit rejection): only the SHA-1 tells.",
        0,
    ),
    (
        "rsa_chunk_size",
        "The body of InitConnect was not cut into chunks that RSA can hold.",
        "Cut the plain body into chunks of at most keysize/8 - 11 bytes (100 in the vendor's SDKs), encrypt all of "
        "them, and join blocks of keysize/8 bytes each.",
        0,
    ),
    (
        "rsa_no_padding",
        "The RSA blocks have no PKCS#1 v1.5 padding.",
        "Encrypt with PKCS#1 v1.5 padding, not with bare RSA.",
        0,
    ),
    (
        "ftaes_tail_missing",
        "The last block of FTAES_ECB, which tells the padding, is missing.",
        "After the AES blocks append 16 plain bytes: 15 zeros and len(body) % 16.",
        1,
    ),
    (
        "ftaes_tail_encrypted",
        "The last block of FTAES_ECB was encrypted with the others.",
        "Append the 16 bytes that tell the padding after encryption, in the clear.",
        1,
    ),
    (
        "ftaes_tail_16_for_0",
        "FTAES_ECB marks a whole last block with 16, or with a block of padding, where 0 is meant.",
        "Where len(body) is a multiple of 16 pad nothing and write 0 as the last byte; when reading, strip nothing.",
        1,
    ),
    (
        "ftaes_tail_wrong",
        "The last byte of FTAES_ECB is not the length of the last block.",
        "Write len(body) % 16 as the last byte: how many bytes of the last block are body, not how many are padding.",
        1,
    ),
    (
        "pkcs7_for_ftaes",
        "The body has PKCS#7 padding where FTAES_ECB was agreed.",
        "Use FTAES_ECB (zero padding and a plain last block), or ask for AES_ECB (1) in packetEncAlgo.",
        1,
    ),
    (
        "ftaes_for_pkcs7",
        "The body is FTAES_ECB where PKCS#7 padding was agreed.",
        "Use the mode that InitConnect agreed: AES_CBC where the reply has aesCBCiv, FTAES_ECB only where it has not.",
        1,
    ),
    (
        "ecb_for_cbc",
        "The body is AES-ECB where AES_CBC was agreed.",
        "Use CBC with the reply's aesCBCiv, the same IV for every frame.",
        1,
    ),
    (
        "cbc_for_ecb",
        "The body is AES-CBC where ECB was agreed.",
        "Use ECB, or ask for AES_CBC (2) in packetEncAlgo.",
        1,
    ),
    (
        "cbc_iv_carried_over",
        "The CBC chain goes on from one frame to the next.",
        "Start every frame from the reply's aesCBCiv: make a new cipher object for each frame.",
        1,
    ),
    (
        "key_hex_decoded",
        "The AES key was decoded from hexadecimal.",
        "Take the 16 characters of connAESKey as the 16 bytes of the key, as ASCII.",
        1,
    ),
    (
        "iv_hex_decoded",
        "The AES IV was decoded from hexadecimal.",
        "Take the 16 characters of aesCBCiv as the 16 bytes of the IV, as ASCII.",
        1,
    ),
    (
        "encryption_one_sided",
        "One side encrypts and the other does not.",
        "Give the RSA key to both sides or to none, and encrypt both directions after InitConnect as agreed.",
        0,
    ),
    (
        "packet_enc_algo_sint32",
        "packetEncAlgo was written as sint32 (zigzag), and so asks for something else.",
        "Declare packetEncAlgo as int32, in which -1 takes ten bytes.",
        0,
    ),
    (
        "unexplained_digest",
        "The SHA-1 is not that of the body, and no known mistake explains it.",
        "Compare the body before sending with the one that arrived: some of its bytes, or the SHA-1, were changed.",
        3,
    ),
    # Bodies.
    (
        "json_for_protobuf",
        "The body is JSON, the header announces protobuf.",
        "Set nProtoFmtType to 1, or write the body in protobuf.",
        1,
    ),
    (
        "protobuf_for_json",
        "The body is protobuf, the header announces JSON.",
        "Set nProtoFmtType to 0, or write the body in JSON.",
        1,
    ),
    (
        "request_for_response",
        "The body is a Request and was taken for a Response.",
        "Parse by direction: what a client sends is a Request, what OpenD sends (pushes too) a Response.",
        1,
    ),
    (
        "response_for_request",
        "The body is a Response and was taken for a Request.",
        "Parse by direction: what a client sends is a Request, what OpenD sends (pushes too) a Response.",
        1,
    ),
    (
        "ret_type_absent",
        "The Response has no retType, which is not success.",
        "Write retType always, 0 included; when reading, take its absence for -400 (unknown), not for 0.",
        1,
    ),
    (
        "fields_missing",
        "Required fields of the body are missing.",
        "Set every required field of the message.",
        2,
    ),
    (
        "body_unreadable",
        "The body arrived as it was sent, but is not the message of this protocol.",
        "Check that the protocol ID belongs to this message, and that both sides use the same .proto files.",
        3,
    ),
    # The order of frames.
    (
        "wrong_serial",
        "The reply does not carry the serial number of its request.",
        "Copy nSerialNo of the request into the reply.",
        1,
    ),
    (
        "unknown_push",
        "The server sent, unasked, a protocol ID that is no push.",
        "Send pushes with the push's own ID (Qot_UpdateRT 3009, not Qot_GetRT 3008); clients tell them by ID alone.",
        1,
    ),
    (
        "packet_id_not_increasing",
        "PacketID.serialNo of a trading request does not increase.",
        "Take a new, larger serialNo for every trading request of the connection (the SDK takes the header's).",
        1,
    ),
    (
        "heartbeat_missing",
        "The client was silent for longer than OpenD waits.",
        "Send KeepAlive (1004) at the keepAliveInterval of InitConnect's reply; OpenD drops a client silent for 30 s.",
        0,
    ),
    # WebSocket.
    (
        "envelope_ft_fields",
        "A WebSocket message carries the fields of the TCP header.",
        "On WebSocket send the big-endian ft-v1.0 envelope: 8 bytes magic, u32 command, u64 section, then the body.",
        0,
    ),
    (
        "envelope_little_endian",
        "The numbers of a WebSocket envelope are little-endian.",
        "Write command and section of the envelope in big-endian byte order.",
        0,
    ),
    (
        "envelopes_glued",
        "A WebSocket message carries several envelopes.",
        "Send every envelope as a binary message of its own.",
        2,
    ),
    (
        "envelope_on_tcp",
        "WebSocket envelopes are sent on plain TCP.",
        "Use the 44-byte FT header on OpenD's TCP port, or connect to its WebSocket port.",
        0,
    ),
    (
        "no_envelope",
        "A WebSocket message is no envelope.",
        'Start every binary message with "ft-v1.0" and a zero byte.',
        3,
    ),
)

MISTAKES: Final = {row[0]: Mistake(*row) for row in _TABLE}
"""Every mistake that can be found, by its ID."""
