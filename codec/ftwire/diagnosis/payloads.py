"""Mistakes between a plain body and its AES payload, found by trying them all until the digest agrees.

Only the library's own ciphers are used. AES-ECB without any padding, which they do not offer, is FTAES_ECB with one
more block: a payload whose last block is 16 zero bytes decrypts to all the blocks before it, nothing stripped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha1
from typing import Final, NamedTuple

from ftwire.cipher import AesCbc, AesEcb, Cipher, FtAesEcb
from ftwire.errors import WireError

__all__ = ["SessionKeys", "cipher_of", "opened_by", "payload_mistake"]

BLOCK: Final = 16
MODES: Final = ("ftaes_ecb", "aes_ecb", "aes_cbc")

_OTHER_MODE: Final = {
    ("ftaes_ecb", "aes_ecb"): "pkcs7_for_ftaes",
    ("ftaes_ecb", "aes_cbc"): "cbc_for_ecb",
    ("aes_ecb", "ftaes_ecb"): "ftaes_for_pkcs7",
    ("aes_ecb", "aes_cbc"): "cbc_for_ecb",
    ("aes_cbc", "ftaes_ecb"): "ftaes_for_pkcs7",
    ("aes_cbc", "aes_ecb"): "ecb_for_cbc",
}
"""ID of the mistake, by the cipher agreed on and the cipher found."""


class SessionKeys(NamedTuple):
    """AES key and IV of a connection, from the reply to InitConnect."""

    key: str
    """``connAESKey``: 16 characters."""
    iv: str | None = None
    """``aesCBCiv``: 16 characters; ``None`` or empty where the reply has none."""

    def __repr__(self) -> str:
        """Show neither key nor IV."""
        return f"<SessionKeys {'with' if self.iv else 'without'} IV>"


def cipher_of(mode: str, secrets: SessionKeys) -> Cipher | None:
    """Return the cipher of a mode; ``None`` if key or IV do not fit it."""
    try:
        if mode == "ftaes_ecb":
            return FtAesEcb(secrets.key)
        if mode == "aes_ecb":
            return AesEcb(secrets.key)
        return AesCbc(secrets.key, secrets.iv) if secrets.iv else None
    except WireError:
        return None


def opened_by(payload: bytes, digest: bytes, cipher: Cipher | None) -> bytes | None:
    """Decrypt a payload; return the body if its digest is ``digest``."""
    if cipher is None:
        return None
    try:
        body = cipher.decrypt(payload)
    except WireError:
        return None
    return body if sha1(body, usedforsecurity=False).digest() == digest else None


def payload_mistake(
    payload: bytes, digest: bytes, agreed: str, secrets: SessionKeys, previous: Sequence[bytes] = ()
) -> tuple[str, str, bytes] | None:
    """Return ID and proof of the mistake that explains a payload, and the plain body.

    ``agreed`` is the name of the cipher that should open it and does not; ``previous`` are payloads sent before
    it, the likeliest first.
    """
    for mistake, proof, body in _trials(payload, agreed, secrets, previous):
        if sha1(body, usedforsecurity=False).digest() == digest:
            return mistake, proof, body
    return None


def _trials(
    payload: bytes, agreed: str, secrets: SessionKeys, previous: Sequence[bytes]
) -> Iterator[tuple[str, str, bytes]]:
    if not payload or len(payload) % BLOCK:
        return
    if agreed == "ftaes_ecb":
        yield from _tails(payload, secrets.key)
    for mode in MODES:
        if mode != agreed:
            body = _opened(payload, cipher_of(mode, secrets))
            if body is not None:
                mistake = _OTHER_MODE.get((agreed, mode), "encryption_one_sided")
                proof = f"Decrypted as {mode.upper()} the SHA-1 agrees; {agreed.upper()} was agreed."
                yield mistake, proof, body
    yield from _carried_over(payload, secrets, previous)
    yield from _hex_decoded(payload, agreed, secrets)


def _opened(payload: bytes, cipher: Cipher | None) -> bytes | None:
    if cipher is None:
        return None
    try:
        return cipher.decrypt(payload)
    except WireError:
        return None


def _blocks(payload: bytes, key: str | bytes) -> bytes:
    """Return the AES-ECB decryption of whole blocks, nothing stripped."""
    return FtAesEcb(key).decrypt(payload + bytes(BLOCK))


def _tails(payload: bytes, key: str) -> Iterator[tuple[str, str, bytes]]:
    """Return the mistake in the last block of an FTAES_ECB payload, if there is one."""
    try:
        every = _blocks(payload, key)
    except WireError:
        return
    for count in range(BLOCK):
        if count and every[-count]:
            break
        proof = f"All {len(payload) // BLOCK} blocks decrypt to the body and {count} bytes of zero padding."
        yield "ftaes_tail_missing", proof, every[: len(every) - count]
    if every[-BLOCK:-1] == bytes(BLOCK - 1) and every[-1] < BLOCK:
        body = every[:-BLOCK]
        over = every[-1]
        proof = f"The last block decrypts to 15 zeros and {over}, and the blocks before it to the body."
        yield "ftaes_tail_encrypted", proof, body[: over - BLOCK] if over else body
    tail, inner = payload[-BLOCK:], every[:-BLOCK]
    if any(tail[:-1]):
        return
    if tail[-1] == BLOCK:
        proof = f"The last byte is 16 and the body fills its {len(inner) // BLOCK} blocks: 0 is meant."
        yield "ftaes_tail_16_for_0", proof, inner
    if inner[-BLOCK:] == bytes(BLOCK) and tail[-1] in (0, BLOCK):
        proof = f"A block of 16 zeros follows a body that fills its {len(inner) // BLOCK - 1} blocks."
        yield "ftaes_tail_16_for_0", proof, inner[:-BLOCK]
    for count in range(BLOCK):
        if count and (len(inner) < count or inner[-count]):
            break
        over = (BLOCK - count) % BLOCK
        proof = f"The last byte is {tail[-1]}; the SHA-1 agrees with {over} bytes in the last block."
        yield "ftaes_tail_wrong", proof, inner[: len(inner) - count]


def _carried_over(payload: bytes, secrets: SessionKeys, previous: Sequence[bytes]) -> Iterator[tuple[str, str, bytes]]:
    for before in previous:
        body = _try_cbc(payload, secrets.key, before[-BLOCK:])
        if body is not None:
            proof = "The SHA-1 agrees with the last block of the frame before it as IV, not with aesCBCiv."
            yield "cbc_iv_carried_over", proof, body


def _hex_forms(text: str) -> list[tuple[str, bytes]]:
    """Return the keys that programs make of 16 characters which they decode from hexadecimal: 8 bytes, made 16."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return []
    if not raw or len(raw) > BLOCK:
        return []
    forms = [
        ("followed by zeros", raw.ljust(BLOCK, b"\0")),
        ("after zeros", raw.rjust(BLOCK, b"\0")),
    ]
    if len(raw) * 2 == BLOCK:
        forms.append(("twice", raw * 2))
    return forms


def _hex_decoded(payload: bytes, agreed: str, secrets: SessionKeys) -> Iterator[tuple[str, str, bytes]]:
    ivs: list[tuple[str, str | bytes]] = [("", secrets.iv)] if secrets.iv else []
    ivs += _hex_forms(secrets.iv or "")
    if agreed == "aes_cbc":
        for how, iv in ivs[1:]:
            body = _try_cbc(payload, secrets.key, iv)
            if body is not None:
                proof = f"The SHA-1 agrees with the bytes of aesCBCiv read as hexadecimal, {how}, as IV."
                yield "iv_hex_decoded", proof, body
    for how, key in _hex_forms(secrets.key):
        proof = f"The SHA-1 agrees with the bytes of connAESKey read as hexadecimal, {how}, as key."
        ciphers: list[Cipher] = [FtAesEcb(key), AesEcb(key)]
        for cipher in ciphers:
            body = _opened(payload, cipher)
            if body is not None:
                yield "key_hex_decoded", proof, body
        for _, iv in ivs:
            body = _try_cbc(payload, key, iv)
            if body is not None:
                yield "key_hex_decoded", proof, body


def _try_cbc(payload: bytes, key: str | bytes, iv: str | bytes) -> bytes | None:
    try:
        return AesCbc(key, iv).decrypt(payload)
    except WireError:
        return None
