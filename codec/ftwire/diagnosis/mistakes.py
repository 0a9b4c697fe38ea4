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
    # Digests and encryption.
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
        "The SHA-1 is that of the body in hexadecimal.",
        "Compute arrBodySHA1 over the bytes of the body, not over their hexadecimal text.",
        1,
    ),
    (
        "sha1_of_base64",
        "The SHA-1 is that of the body in base64.",
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
        "The digest is that of another hash function.",
        "Use SHA-1 for arrBodySHA1.",
        1,
    ),
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
    (
        "c2s_without_request",
        "The body is the C2S message without the Request around it.",
        "Set the fields in Request.c2s and encode the Request: its first byte is then 0a, the tag of c2s.",
        0,
    ),
    (
        "c2s_missing",
        "The Request has no c2s.",
        "Set c2s in every Request, even where it has no field to set.",
        1,
    ),
    (
        "json_snake_case",
        "Names of JSON members are in snake case.",
        "Write the names as the .proto files have them, in lowerCamel: clientVer, not client_ver.",
        1,
    ),
    (
        "int64_as_float",
        "A 64-bit integer was written as a floating-point number.",
        "Keep accID, connID and other 64-bit integers in an integer type or a string (BigInt in JavaScript, not "
        "number): a double is exact up to 2^53 only.",
        1,
    ),
    (
        "code_with_prefix",
        "The code of a security carries the prefix of its market.",
        "Give the market in Security.market and only the rest in code: market 1 and 00700 for HK.00700.",
        2,
    ),
    (
        "market_for_code",
        "The market of a security does not fit its code.",
        "Give the market of the code in Security.market: 1 Hong Kong, 11 United States, 21 Shanghai, 22 Shenzhen.",
        2,
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
    (
        "init_not_answered",
        "InitConnect was never answered.",
        "Check the RSA key first: OpenD closes the connection where only one side has a key, or each another one, and "
        "where InitConnect cannot be read.",
        0,
    ),
    (
        "init_missing",
        "The conversation does not begin with InitConnect.",
        "Send InitConnect (1001) first, and wait for its reply before any other request.",
        0,
    ),
    (
        "packet_id_of_other_connection",
        "PacketID.connID is not that of this connection.",
        "Take connID from the InitConnect reply of the connection that the request is sent on, anew after every "
        "reconnect.",
        1,
    ),
    # What OpenD answers.
    (
        "digest_refused",
        "OpenD refused the SHA-1 of a request.",
        "Hash the plain body before encrypting it; if it agrees here, check that both sides have the same RSA key.",
        1,
    ),
    (
        "body_refused",
        "OpenD could not parse a request.",
        "Send a whole Request with all required fields, encrypted as InitConnect agreed, repeated numbers unpacked.",
        1,
    ),
    (
        "trade_locked",
        "Trading is not unlocked.",
        "Send Trd_UnlockTrade (2005) with the lower-case hexadecimal MD5 of the trading password, or unlock in OpenD's "
        "window; simulated accounts need none.",
        1,
    ),
    (
        "account_refused",
        "The account of a trading request does not exist for OpenD.",
        "Take accID (64 bits), trdEnv and market from the reply of Trd_GetAccList (2001), asked for with "
        "needGeneralSecAccount for universal accounts.",
        1,
    ),
    (
        "firm_refused",
        "The securities firm of a trading request is missing or another.",
        "Set securityFirm to the firm that holds the account.",
        1,
    ),
    (
        "not_subscribed",
        "The data was requested without a subscription.",
        "Subscribe first with Qot_Sub (3001), for this security and this data, on the same connection.",
        1,
    ),
    (
        "quota_used_up",
        "The quota of subscriptions or of history is used up.",
        "Unsubscribe what is no longer needed (a minute after subscribing at the earliest), on all connections; "
        "Qot_GetSubInfo (3003) has what is left.",
        1,
    ),
    (
        "too_frequent",
        "Requests were sent too often.",
        "Send fewer requests of this protocol in 30 seconds, and use pushes instead of asking again.",
        1,
    ),
    (
        "no_quote_right",
        "The account has no right to these quotes.",
        "Check the quote rights of the account for this market, and the market and code of the security.",
        1,
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
        "websocket_key_not_md5",
        "websocketKey is not an MD5.",
        "Send the MD5 of OpenD's websocket_key as 32 lower-case hexadecimal digits, not the key itself.",
        1,
    ),
    (
        "websocket_key_upper_case",
        "websocketKey is an MD5 in upper case.",
        "Write the MD5 of the key in lower-case hexadecimal.",
        1,
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
