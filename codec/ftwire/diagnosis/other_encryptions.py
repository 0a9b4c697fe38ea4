"""Payloads under AES with another padding, IV, key or mode than were agreed, and payloads that were turned into text.

As in ``payloads``, a digest that agrees is the proof, and only the library's own ciphers are used: FTAES_ECB encrypts
and decrypts bare blocks, of which the other modes are made.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from hashlib import md5, sha1
from typing import Final

from ftwire.cipher import FtAesEcb, Rsa, RsaKey
from ftwire.diagnosis.payloads import MODES, SessionKeys, cipher_of, opened_by
from ftwire.diagnosis.wrapped_bodies import bytes_of_text
from ftwire.errors import WireError

__all__ = ["other_encryption"]

BLOCK: Final = 16
MAX_SIZE: Final = 1 << 16
"""Largest payload that is tried, in bytes: a request is smaller, and each costs some forty decryptions."""
MAX_RSA: Final = 4096
"""Largest payload that is tried as RSA, in bytes."""

Found = tuple[str, str, bytes]
"""ID of the mistake, its proof, and the plain body."""


def other_encryption(
    payload: bytes, digest: bytes, agreed: str, secrets: SessionKeys, keys: Sequence[RsaKey] = ()
) -> Found | None:
    """Return the mistake that explains a payload; see ``payloads.payload_mistake``. ``keys`` are those of RSA."""
    if not payload or len(payload) > MAX_SIZE:
        return None
    for mistake, proof, body in _trials(payload, digest, agreed, secrets, keys):
        if sha1(body, usedforsecurity=False).digest() == digest:
            return mistake, f"The SHA-1 agrees with {proof}.", body
    return None


def _trials(
    payload: bytes, digest: bytes, agreed: str, secrets: SessionKeys, keys: Sequence[RsaKey]
) -> Iterator[Found]:
    for how, raw in _texts(payload):
        for mode in MODES:
            body = opened_by(raw, digest, cipher_of(mode, secrets))
            if body is not None:
                yield "ciphertext_as_text", f"{how}, decrypted as {mode.upper()}", body
    if len(payload) <= MAX_RSA:
        for rsa_key in keys[:4]:
            body = opened_by(payload, digest, Rsa(rsa_key))
            if body is not None:
                yield "rsa_after_handshake", "the body that the RSA key makes of it", body
    try:
        key, iv = _as_bytes(secrets.key), _as_bytes(secrets.iv or "")
        yield from _blocks(payload, agreed, key, iv)
        if agreed != "ftaes_ecb":
            yield from _streams(payload, key, iv)
    except (UnicodeEncodeError, WireError):
        return


def _as_bytes(text: str) -> bytes:
    return text.encode("ascii")


def _texts(payload: bytes) -> Iterator[tuple[str, bytes]]:
    for notation, raw in bytes_of_text(payload):
        yield f"what its {notation} stands for", raw
    try:
        yield "its characters, each of them a byte", payload.decode().encode("latin-1")
    except UnicodeError:
        return


def _blocks(payload: bytes, agreed: str, key: bytes, iv: bytes) -> Iterator[Found]:
    """Yield what ECB and CBC make of whole blocks with other paddings, IVs and keys."""
    whole = payload[: len(payload) // BLOCK * BLOCK]
    if not whole:
        return
    ciphers = {"AES_ECB": None, "AES_CBC": iv} if iv else {"AES_ECB": None}
    for mode, chain in ciphers.items():
        if (agreed == "aes_cbc") is (chain is None) or whole != payload:
            continue
        for how, body in _unpadded(_opened(whole, key, chain)):
            yield "aes_other_padding", f"the body decrypted as {mode} {how}", body
    if iv:
        for how, chain, rest in (
            ("zeros", bytes(BLOCK), whole),
            ("connAESKey", key, whole),
            ("aesCBCiv backwards", iv[::-1], whole),
            ("its own first block", whole[:BLOCK], whole[BLOCK:]),
            ("aesCBCiv, which stands in front,", iv, whole[BLOCK:]),
        ):
            for padding, body in _unpadded(_opened(rest, key, chain), single=True):
                yield "aes_other_iv", f"the body decrypted as AES_CBC with {how} as IV {padding}", body
    for how, other in _keys(key, iv):
        for mode, chain in ciphers.items():
            for padding, body in _unpadded(_opened(whole, other, chain), single=True):
                yield "aes_other_key", f"the body decrypted as {mode} with {how} as key {padding}", body
    if iv:
        for padding, body in _unpadded(_opened(whole, iv, key), single=True):
            yield (
                "aes_other_key",
                f"the body decrypted as AES_CBC with aesCBCiv as key, connAESKey as IV {padding}",
                body,
            )


def _keys(key: bytes, iv: bytes) -> Iterator[tuple[str, bytes]]:
    yield "connAESKey backwards", key[::-1]
    yield "the MD5 of connAESKey", md5(key, usedforsecurity=False).digest()
    yield "16 zeros", bytes(BLOCK)
    if iv:
        yield "aesCBCiv", iv
    try:
        yield "connAESKey decoded from base64, and zeros", b64decode(key, validate=True).ljust(BLOCK, b"\0")
    except binascii.Error:
        return


def _opened(blocks: bytes, key: bytes, iv: bytes | None) -> bytes:
    """Return bare blocks decrypted: as ECB, or with an IV as CBC."""
    plain = FtAesEcb(key).decrypt(blocks + bytes(BLOCK)) if blocks else b""
    return plain if iv is None else _xor(plain, iv + blocks[:-BLOCK])


def _xor(first: bytes, second: bytes) -> bytes:
    size = len(first)
    return (int.from_bytes(first) ^ int.from_bytes(second[:size])).to_bytes(size)


def _unpadded(raw: bytes, *, single: bool = False) -> Iterator[tuple[str, bytes]]:
    """Yield decrypted blocks without their padding. ``single``: PKCS#7 too, which needs no other explanation then."""
    if not raw:
        return
    count = raw[-1]
    is_pkcs7 = 1 <= count <= BLOCK and raw.endswith(bytes([count]) * count)
    if is_pkcs7:
        inner = raw[:-count]
        if single:
            yield "and PKCS#7 padding", inner
        elif inner and 1 <= inner[-1] <= BLOCK and inner.endswith(bytes([inner[-1]]) * inner[-1]):
            yield "without PKCS#7 padding twice", inner[: -inner[-1]]
    if single:
        return
    if 1 <= count <= BLOCK and not is_pkcs7:
        zeros = not any(raw[-count:-1])
        yield f"without padding of {'ANSI X9.23' if zeros else 'ISO 10126'}", raw[:-count]
    marked = raw.rstrip(b"\0")
    if marked.endswith(b"\x80"):
        yield "without padding of ISO 7816-4 (80 00)", marked[:-1]
    if not is_pkcs7:
        yield "without any padding", raw
    for zeros_cut in range(1, BLOCK):
        if raw[-zeros_cut]:
            break
        yield f"without {zeros_cut} zeros as padding", raw[:-zeros_cut]
    spaces = raw.rstrip(b" ")
    if spaces != raw:
        yield "without spaces as padding", spaces


def _streams(payload: bytes, key: bytes, iv: bytes) -> Iterator[Found]:
    """Yield what the modes make of it that need no whole blocks: the IV is aesCBCiv, zeros, or in front."""
    for how, start, rest in (
        ("aesCBCiv", iv, payload),
        ("zeros", bytes(BLOCK), payload),
        ("its first 16 bytes", payload[:BLOCK], payload[BLOCK:]),
    ):
        if len(start) < BLOCK or not rest:
            continue
        for mode, made in (("CTR", _ctr), ("CFB", _cfb), ("OFB", _ofb)):
            body = _xor(rest, made(rest, start, _encryptor(key)))
            yield "aes_other_mode", f"the body decrypted as AES-{mode} with {how} as IV", body
            if 1 <= body[-1] <= BLOCK:
                yield (
                    "aes_other_mode",
                    f"the body decrypted as AES-{mode} with {how} as IV, and PKCS#7",
                    body[: -body[-1]],
                )
    nonce = iv[:12]
    # GCM counts from 2 in the last four bytes, and has 16 bytes of its tag behind the text (NIST SP 800-38D, 7.1).
    for how, text in (("its tag behind it", payload[:-BLOCK]), ("without its tag", payload)):
        if len(nonce) == 12 and text:
            body = _xor(text, _ctr(text, nonce + (2).to_bytes(4), _encryptor(key)))
            yield "aes_other_mode", f"the body decrypted as AES-GCM with the first 12 bytes of aesCBCiv, {how}", body


Encrypt = Callable[[bytes], bytes]


def _encryptor(key: bytes) -> Encrypt:
    cipher = FtAesEcb(key)
    return lambda blocks: cipher.encrypt(blocks)[:-BLOCK]


def _ctr(text: bytes, start: bytes, encrypt: Encrypt) -> bytes:
    first = int.from_bytes(start)
    return encrypt(b"".join(((first + count) % (1 << 128)).to_bytes(BLOCK) for count in range(-(-len(text) // BLOCK))))


def _cfb(text: bytes, start: bytes, encrypt: Encrypt) -> bytes:
    before = start + text
    return encrypt(before[: -(-len(text) // BLOCK) * BLOCK])


def _ofb(text: bytes, start: bytes, encrypt: Encrypt) -> bytes:
    made = [encrypt(start)]
    while len(made) * BLOCK < len(text):
        made.append(encrypt(made[-1]))
    return b"".join(made)
