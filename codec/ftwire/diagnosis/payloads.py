"""The ciphers that open a payload: the one agreed on, and those that are taken for it."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha1
from typing import Final, NamedTuple

from ftwire.cipher import AesCbc, AesEcb, Cipher, FtAesEcb
from ftwire.errors import WireError

__all__ = ["MODES", "Found", "SessionKeys", "cipher_of", "opened_by", "other_ciphers", "tails"]

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


Found = tuple[str, str, bytes]
"""ID of the mistake, its proof, and the plain body."""


def other_ciphers(agreed: str, secrets: SessionKeys) -> Iterator[tuple[str, str, Cipher]]:
    """Yield the ciphers that a payload may have in place of ``agreed``, each with ID and proof of the mistake.

    First the other modes, then those with key or IV decoded from hexadecimal.
    """
    for mode in MODES:
        cipher = cipher_of(mode, secrets)
        if mode != agreed and cipher is not None:
            mistake = _OTHER_MODE.get((agreed, mode), "encryption_one_sided")
            yield mistake, f"Decrypted as {mode.upper()} the SHA-1 agrees; {agreed.upper()} was agreed.", cipher
    yield from _hex_decoded(agreed, secrets)


def tails(payload: bytes, every: bytes) -> Iterator[Found]:
    """Yield the bodies of a payload with a mistake in the last block of FTAES_ECB.

    ``every`` is what all its blocks decrypt to, the last one too.
    """
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


def _hex_decoded(agreed: str, secrets: SessionKeys) -> Iterator[tuple[str, str, Cipher]]:
    ivs: list[str | bytes] = [secrets.iv] if secrets.iv else []
    for how, iv in _hex_forms(secrets.iv or ""):
        ivs.append(iv)
        if agreed == "aes_cbc":
            proof = f"The SHA-1 agrees with the bytes of aesCBCiv read as hexadecimal, {how}, as IV."
            yield "iv_hex_decoded", proof, AesCbc(secrets.key, iv)
    for how, key in _hex_forms(secrets.key):
        proof = f"The SHA-1 agrees with the bytes of connAESKey read as hexadecimal, {how}, as key."
        ciphers: list[Cipher] = [FtAesEcb(key), AesEcb(key), *(AesCbc(key, iv) for iv in ivs)]
        for cipher in ciphers:
            yield "key_hex_decoded", proof, cipher
