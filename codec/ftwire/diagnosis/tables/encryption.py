"""Mistakes in the encryption of InitConnect and of what follows it."""

from __future__ import annotations

from typing import Final

__all__ = ["ROWS"]

ROWS: Final = (
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
        "rsa_other_padding",
        "The RSA blocks have another padding than PKCS#1 v1.5 for encryption.",
        "Encrypt with PKCS#1 v1.5 padding (RSA/ECB/PKCS1Padding, RSA_PKCS1_PADDING), not with OAEP and not with "
        "that of signatures.",
        0,
    ),
    (
        "rsa_private_key",
        "InitConnect was encrypted with the private half of the key.",
        "Encrypt with the public half of the RSA key, and decrypt with the private one: what the private half "
        "makes is a signature.",
        0,
    ),
    (
        "rsa_block_size",
        "The RSA blocks have a byte more or fewer than the key.",
        "Write keysize/8 bytes for each block: numbers of any size (BigInteger, BigInt) lose leading zeros, or "
        "get one in front.",
        0,
    ),
    (
        "rsa_after_handshake",
        "A frame after InitConnect is RSA ciphertext.",
        "Use RSA for InitConnect alone, and AES with the connAESKey of its reply for every frame after it.",
        1,
    ),
    (
        "aes_other_padding",
        "The encrypted body has another padding than PKCS#7.",
        "Pad as PKCS#7, once: always, with bytes that say how many they are.",
        1,
    ),
    (
        "aes_other_iv",
        "The body was encrypted with another IV than aesCBCiv.",
        "Use aesCBCiv of InitConnect's reply as it is, for every frame, and do not send it along.",
        1,
    ),
    (
        "aes_other_key",
        "The body was encrypted with another key than connAESKey.",
        "Use the 16 characters of connAESKey as the 16 bytes of the key, without hashing, decoding or turning them.",
        1,
    ),
    (
        "aes_other_mode",
        "The body was encrypted in another mode of AES.",
        "Use the mode that InitConnect agreed, ECB or CBC: not CTR, OFB, CFB or GCM.",
        1,
    ),
    (
        "ciphertext_as_text",
        "The ciphertext was turned into text.",
        "Send the bytes of the ciphertext, not their hexadecimal or base64 text, and keep them in a type for bytes.",
        1,
    ),
    (
        "aes_key_size",
        "The body was encrypted with AES-192 or AES-256.",
        "Use AES-128: its key is the 16 characters of connAESKey as 16 bytes, with nothing added, repeated or "
        "written as hexadecimal.",
        1,
    ),
    (
        "ftaes_tail_in_front",
        "The last block of FTAES_ECB stands in front of the others.",
        "Append the plain block of 15 zeros and len(body) % 16 behind the encrypted blocks.",
        1,
    ),
    (
        "ciphertext_length",
        "The ciphertext has bytes too many or too few.",
        "Send exactly the bytes that the cipher returned (update and final), without line end or terminating zero, "
        "and set nBodyLen to their number.",
        1,
    ),
    (
        "packet_enc_algo_unknown",
        "packetEncAlgo asks for no known cipher.",
        "Ask for 0 (FTAES_ECB), 1 (AES_ECB), 2 (AES_CBC) or -1 (none) in packetEncAlgo.",
        1,
    ),
    (
        "aes_for_rsa",
        "InitConnect is encrypted with AES.",
        "Encrypt InitConnect with the public half of the RSA key; AES begins after its reply, which has the key.",
        0,
    ),
)
"""ID, title, remedy and rank of each."""
