"""Payloads that the cipher agreed on does not open: all known mistakes are tried until the digest agrees.

A digest that agrees is the proof. The ways to decrypt are made once for the keys of a connection, since making an AES
context costs more than a small payload; those that have explained a payload are tried first on the next.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from hashlib import md5, sha1, sha256
from typing import Final

from ftwire.cipher import AesBlocks, Cipher, FtAesEcb, Rsa, RsaKey
from ftwire.diagnosis.payloads import MODES, Found, SessionKeys, cipher_of, opened_by, other_ciphers, tails
from ftwire.diagnosis.wrapped_bodies import bytes_of_text
from ftwire.errors import WireError

__all__ = ["MAX_SIZE", "EncryptionSearch"]

BLOCK: Final = 16
MAX_SIZE: Final = 1 << 16
"""Largest payload on which more than other modes and tails is tried, in bytes: each costs some hundred decryptions."""
MAX_SMALL: Final = 4096
"""Largest payload that is tried as RSA or CFB8, or with a byte put back, in bytes."""
MAX_LIKELY: Final = 8
"""Ways that have explained a payload which are tried before all others, and where others are tried no more."""

Way = Callable[[bytes, bytes, Sequence[bytes]], Iterator[Found]]
"""Yields bodies that a payload may have, given the digest and the payloads before it; most leave the digest alone."""
Blocks = Callable[[bytes], bytes]


class EncryptionSearch:
    """Looks for the mistake in payloads of one connection.

    ``agreed`` is the name of the cipher that should open them and does not, ``keys`` are those of RSA.
    """

    def __init__(self, agreed: str, secrets: SessionKeys, keys: Sequence[RsaKey] = ()) -> None:
        self._likely: list[Way] = []
        self._ways: list[Way] = []
        for mistake, proof, cipher in _without_errors(other_ciphers(agreed, secrets)):
            self._ways.append(partial(_as_cipher, mistake, proof, cipher))
        try:
            key, iv = secrets.key.encode("ascii"), (secrets.iv or "").encode("ascii")
            aes = AesBlocks(key)
            if len(key) != BLOCK or len(iv) not in (0, BLOCK):
                return
        except ValueError:  # characters that are no ASCII, or a key of no size that AES has
            return
        if agreed == "ftaes_ecb":
            self._ways.insert(0, partial(_tails, aes))
            self._ways.append(_small(partial(_tail_elsewhere, aes, FtAesEcb(key)), MAX_SIZE))
        self._ways.append(partial(_carried_over, aes))
        ciphers = [(mode, of_mode) for mode in MODES if (of_mode := cipher_of(mode, secrets)) is not None]
        others = [
            partial(_turned_into_text, ciphers),
            partial(_padded_otherwise, agreed, aes, iv),
            partial(_bytes_too_many, agreed, ciphers),
        ]
        others += [partial(_other_iv, aes, *row) for row in _ivs(key, iv)]
        for how, other in _keys(key, iv):
            mistake, what = "aes_other_key", how
            if len(other) != BLOCK:
                mistake, what = "aes_key_size", f"{how}, {len(other)} bytes,"
            others.append(partial(_other_key, what, mistake, AesBlocks(other), iv))
        if iv:
            how = "aesCBCiv as key and connAESKey as IV"
            others.append(partial(_chained, "aes_other_key", how, AesBlocks(iv), key))
        others += [partial(_stream, aes, *row) for row in _starts(key, iv)]
        others += [partial(_gcm, aes, *row) for row in _nonces(aes, iv)]
        self._ways += [_small(way, MAX_SIZE) for way in others]
        self._ways += [_small(partial(_rsa, Rsa(rsa_key)), MAX_SMALL) for rsa_key in keys[:4]]
        self._ways += [_small(partial(_cfb8, aes, *row), MAX_SMALL) for row in _starts(key, iv)]
        self._ways.append(_small(partial(_byte_lost, agreed, ciphers), MAX_SMALL))

    def find(
        self, payload: bytes, digest: bytes, previous: Sequence[bytes] = (), *, only_likely: bool = False
    ) -> tuple[Found | None, bool]:
        """Return what explains a payload, if anything does, and whether more than the likely ways were tried.

        ``previous`` are the payloads before it, the likeliest first; ``only_likely``: try only ways that have
        explained one before.
        """
        if not payload:
            return None, False
        for place, way in enumerate(self._likely):
            found = _agreeing(way, payload, digest, previous)
            if found is not None:
                self._likely.insert(0, self._likely.pop(place))
                return found, False
        if only_likely:
            return None, False
        for way in self._ways:
            found = None if way in self._likely else _agreeing(way, payload, digest, previous)
            if found is not None:
                self._likely = [way, *self._likely[: MAX_LIKELY - 1]]
                return found, True
        return None, True


def _agreeing(way: Way, payload: bytes, digest: bytes, previous: Sequence[bytes]) -> Found | None:
    for found in way(payload, digest, previous):
        if sha1(found[2], usedforsecurity=False).digest() == digest:
            return found
    return None


def _without_errors(ciphers: Iterator[tuple[str, str, Cipher]]) -> Iterator[tuple[str, str, Cipher]]:
    """Yield ciphers up to a key or an IV that fits none."""
    try:
        yield from ciphers
    except WireError:
        return


def _small(way: Way, size: int) -> Way:
    """Return a way that is not tried on payloads of more than ``size`` bytes."""

    def only_small(payload: bytes, digest: bytes, previous: Sequence[bytes]) -> Iterator[Found]:
        return way(payload, digest, previous) if len(payload) <= size else iter(())

    return only_small


def _as_cipher(
    mistake: str, proof: str, cipher: Cipher, payload: bytes, digest: bytes, _: Sequence[bytes]
) -> Iterator[Found]:
    body = opened_by(payload, digest, cipher)
    if body is not None:
        yield mistake, proof, body


def _tails(aes: AesBlocks, payload: bytes, _: bytes, __: Sequence[bytes]) -> Iterator[Found]:
    if len(payload) % BLOCK == 0:
        yield from tails(payload, aes.decrypt(payload))


def _tail_elsewhere(
    aes: AesBlocks, cipher: FtAesEcb, payload: bytes, digest: bytes, _: Sequence[bytes]
) -> Iterator[Found]:
    """Yield the body of blocks behind FTAES_ECB's own block, or in front of a part of it."""
    over = len(payload) % BLOCK
    if not over:
        body = opened_by(payload[BLOCK:] + payload[:BLOCK], digest, cipher)
        if body is not None and not any(payload[: BLOCK - 1]):
            proof = f"The first block is 15 zeros and {payload[15]}; with it behind the others the SHA-1 agrees."
            yield "ftaes_tail_in_front", proof, body
        return
    whole, part = payload[:-over], payload[-over:]
    if whole and not any(part[:-1]) and part[-1] < BLOCK:
        every = aes.decrypt(whole)
        body = every[: len(every) - (BLOCK - part[-1]) % BLOCK]
        yield (
            "ftaes_tail_wrong",
            f"After the blocks stands {part.hex(' ')}: {over} and not 16 bytes; the SHA-1 agrees.",
            body,
        )


def _carried_over(aes: AesBlocks, payload: bytes, _: bytes, previous: Sequence[bytes]) -> Iterator[Found]:
    if len(payload) % BLOCK:
        return
    for before in previous:
        if len(before) < BLOCK:
            continue
        for _padding, body in _unpadded(_cbc(aes.decrypt(payload), payload, before[-BLOCK:]), single=True):
            proof = "The SHA-1 agrees with the last block of the frame before it as IV, not with aesCBCiv."
            yield "cbc_iv_carried_over", proof, body


def _turned_into_text(
    ciphers: Sequence[tuple[str, Cipher]], payload: bytes, digest: bytes, _: Sequence[bytes]
) -> Iterator[Found]:
    for how, raw in _texts(payload):
        for mode, cipher in ciphers:
            body = opened_by(raw, digest, cipher)
            if body is not None:
                yield "ciphertext_as_text", f"The SHA-1 agrees with {how}, decrypted as {mode.upper()}.", body


def _texts(payload: bytes) -> Iterator[tuple[str, bytes]]:
    for notation, raw in bytes_of_text(payload):
        yield f"what its {notation} stands for", raw
    try:
        yield "its characters, each of them a byte", payload.decode().encode("latin-1")
    except UnicodeError:
        return


def _rsa(cipher: Rsa, payload: bytes, digest: bytes, _: Sequence[bytes]) -> Iterator[Found]:
    body = opened_by(payload, digest, cipher)
    if body is not None:
        yield "rsa_after_handshake", "The SHA-1 agrees with the body that the RSA key makes of it.", body


def _padded_otherwise(
    agreed: str, aes: AesBlocks, iv: bytes, payload: bytes, _: bytes, __: Sequence[bytes]
) -> Iterator[Found]:
    if len(payload) % BLOCK or (agreed == "aes_cbc" and not iv):
        return
    mode, chain = ("AES_CBC", iv) if agreed == "aes_cbc" else ("AES_ECB", None)
    for how, body in _unpadded(_cbc(aes.decrypt(payload), payload, chain)):
        yield "aes_other_padding", f"The SHA-1 agrees with the body decrypted as {mode} {how}.", body


def _bytes_too_many(
    agreed: str, ciphers: Sequence[tuple[str, Cipher]], payload: bytes, digest: bytes, _: Sequence[bytes]
) -> Iterator[Found]:
    """Yield the body of a payload in which bytes stand before or behind the ciphertext."""
    over = len(payload) % BLOCK or BLOCK
    for mode, cipher in ciphers:
        if agreed not in (mode, "none") or len(payload) <= over:
            continue
        for where, rest in (("end", payload[:-over]), ("beginning", payload[over:])):
            body = opened_by(rest, digest, cipher)
            if body is not None:
                proof = f"It has {len(payload)} bytes; without {over} at its {where} the SHA-1 agrees."
                yield "ciphertext_length", proof, body


def _byte_lost(
    agreed: str, ciphers: Sequence[tuple[str, Cipher]], payload: bytes, digest: bytes, _: Sequence[bytes]
) -> Iterator[Found]:
    """Yield the body of a payload whose first or last byte was lost: each of the 256 that it may be is tried."""
    if len(payload) % BLOCK != BLOCK - 1:
        return
    for mode, cipher in ciphers:
        if agreed not in (mode, "none"):
            continue
        for byte in map(bytes, zip(range(256), strict=True)):
            for where, whole in (("end", payload + byte), ("beginning", byte + payload)):
                body = opened_by(whole, digest, cipher)
                if body is not None:
                    proof = f"It has {len(payload)} bytes; with {byte.hex()} at its {where} the SHA-1 agrees."
                    yield "ciphertext_length", proof, body


_WHOLE: Final = slice(None)
_AFTER_FIRST: Final = slice(BLOCK, None)
_BEFORE_LAST: Final = slice(None, -BLOCK)
_FIRST: Final = slice(BLOCK)
_LAST: Final = slice(-BLOCK, None)


def _ivs(key: bytes, iv: bytes) -> Iterator[tuple[str, bytes | slice, slice]]:
    """Yield IVs in place of aesCBCiv, and the part of the payload that is ciphertext; an IV may be a part too."""
    yield "zeros", bytes(BLOCK), _WHOLE
    yield "connAESKey", key, _WHOLE
    yield "its own first block", _FIRST, _AFTER_FIRST
    yield "its own last block", _LAST, _BEFORE_LAST
    if iv:
        yield "aesCBCiv backwards", iv[::-1], _WHOLE
        yield "aesCBCiv, which stands in front,", iv, _AFTER_FIRST
        yield "the MD5 of aesCBCiv", md5(iv, usedforsecurity=False).digest(), _WHOLE


def _other_iv(
    aes: AesBlocks, how: str, iv: bytes | slice, part: slice, payload: bytes, digest: bytes, previous: Sequence[bytes]
) -> Iterator[Found]:
    chain = payload[iv] if isinstance(iv, slice) else iv
    yield from _chained("aes_other_iv", f"{how} as IV", aes, chain, payload[part], digest, previous)


def _chained(
    mistake: str, how: str, aes: AesBlocks, iv: bytes, payload: bytes, _: bytes, __: Sequence[bytes]
) -> Iterator[Found]:
    """Yield what AES_CBC makes of a payload."""
    if not payload or len(payload) % BLOCK:
        return
    for padding, body in _unpadded(_cbc(aes.decrypt(payload), payload, iv), single=True):
        yield mistake, f"The SHA-1 agrees with the body decrypted as AES_CBC with {how} {padding}.", body


def _keys(key: bytes, iv: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield keys that may have been made of connAESKey, 16 bytes and longer."""
    yield "connAESKey backwards", key[::-1]
    yield "the MD5 of connAESKey", md5(key, usedforsecurity=False).digest()
    yield "the first 16 bytes of connAESKey's SHA-1", sha1(key, usedforsecurity=False).digest()[:BLOCK]
    yield "16 zeros", bytes(BLOCK)
    if iv:
        yield "aesCBCiv", iv
    with suppress(binascii.Error):
        yield "connAESKey decoded from base64, and zeros", b64decode(key, validate=True).ljust(BLOCK, b"\0")
    long = {
        "connAESKey and zeros": key.ljust(32, b"\0"),
        "zeros and connAESKey": key.rjust(32, b"\0"),
        "connAESKey repeated": key * 2,
        "the hexadecimal text of connAESKey": key.hex().encode(),
        "the hexadecimal text of connAESKey in capitals": key.hex().upper().encode(),
        "the hexadecimal text of connAESKey's MD5": md5(key, usedforsecurity=False).hexdigest().encode(),
        "the SHA-256 of connAESKey": sha256(key).digest(),
    }
    if iv:
        long["connAESKey and aesCBCiv"] = key + iv
    for how, made in long.items():
        yield how, made
        yield how, made[-24:] if how.startswith("zeros") else made[:24]


def _other_key(
    how: str, mistake: str, aes: AesBlocks, iv: bytes, payload: bytes, _: bytes, __: Sequence[bytes]
) -> Iterator[Found]:
    if len(payload) % BLOCK:
        return
    plain = aes.decrypt(payload)
    for mode, chain in (("AES_ECB", None), ("AES_CBC", iv)):
        if chain != b"":
            for padding, body in _unpadded(_cbc(plain, payload, chain), single=True):
                yield mistake, f"The SHA-1 agrees with the body decrypted as {mode} with {how} as key {padding}.", body
    if not any(payload[-BLOCK:-1]) and payload[-1] < BLOCK:
        body = plain[: len(plain) - BLOCK - (BLOCK - payload[-1]) % BLOCK]
        yield mistake, f"The SHA-1 agrees with the body decrypted as FTAES_ECB with {how} as key.", body


def _cbc(plain: bytes, blocks: bytes, iv: bytes | None) -> bytes:
    """Return decrypted blocks as they are without an IV (ECB), or with one as CBC has them."""
    return plain if iv is None else _xor(plain, iv + blocks[:-BLOCK])


def _xor(first: bytes, second: bytes) -> bytes:
    size = len(first)
    return (int.from_bytes(first) ^ int.from_bytes(second[:size])).to_bytes(size)


def _unpadded(raw: bytes, *, single: bool = False) -> Iterator[tuple[str, bytes]]:
    """Yield decrypted blocks without their padding. ``single``: PKCS#7 too, which needs no other explanation then."""
    if not raw:
        return
    count = raw[-1]
    is_pkcs7 = bool(_pkcs7_size(raw))
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


def _pkcs7_size(raw: bytes) -> int:
    """Return how many bytes of PKCS#7 padding (RFC 5652, 6.3) decrypted blocks end in; 0 for none."""
    count = raw[-1] if raw else 0
    return count if 1 <= count <= BLOCK and raw.endswith(bytes([count]) * count) else 0


def _starts(key: bytes, iv: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the IVs of modes that need no whole blocks; one of no bytes is the first 16 bytes of the payload."""
    if iv:
        yield "aesCBCiv", iv
    yield "zeros", bytes(BLOCK)
    yield "connAESKey", key
    yield "its first 16 bytes", b""


def _stream(aes: AesBlocks, how: str, iv: bytes, payload: bytes, _: bytes, __: Sequence[bytes]) -> Iterator[Found]:
    start, rest = (iv, payload) if iv else (payload[:BLOCK], payload[BLOCK:])
    if not rest:
        return
    for mode, made in (("CTR", _ctr), ("CFB", _cfb), ("OFB", _ofb)):
        what = f"the body decrypted as AES-{mode} with {how} as IV"
        yield from _of_stream(what, _xor(rest, made(rest, start, aes.encrypt)))


def _cfb8(aes: AesBlocks, how: str, iv: bytes, payload: bytes, _: bytes, __: Sequence[bytes]) -> Iterator[Found]:
    """Yield what AES-CFB8 makes of it: each byte has a block of its own, the 16 bytes before it (SP 800-38A, 6.3)."""
    start, rest = (iv, payload) if iv else (payload[:BLOCK], payload[BLOCK:])
    if not rest:
        return
    before = start + rest
    made = aes.encrypt(b"".join(before[at : at + BLOCK] for at in range(len(rest))))[::BLOCK]
    yield from _of_stream(f"the body decrypted as AES-CFB8 with {how} as IV", _xor(rest, made))


def _of_stream(what: str, body: bytes) -> Iterator[Found]:
    yield "aes_other_mode", f"The SHA-1 agrees with {what}.", body
    if count := _pkcs7_size(body):
        yield "aes_other_mode", f"The SHA-1 agrees with {what}, and PKCS#7.", body[:-count]
    for count in range(1, BLOCK):
        if body[-count:].strip(b"\0"):
            return
        yield "aes_other_mode", f"The SHA-1 agrees with {what}, without {count} zeros as padding.", body[:-count]


def _nonces(aes: AesBlocks, iv: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what AES-GCM counts from, as it is made of a nonce (NIST SP 800-38D, 7.1): of 12 bytes, or of 16."""
    if iv:
        yield "the first 12 bytes of aesCBCiv", iv[:12] + (1).to_bytes(4)
        subkey = int.from_bytes(aes.encrypt(bytes(BLOCK)))
        hashed = _multiplied(int.from_bytes(iv), subkey) ^ len(iv) * 8
        yield "aesCBCiv", _multiplied(hashed, subkey).to_bytes(BLOCK)
    yield "12 zeros", bytes(12) + (1).to_bytes(4)
    yield "its first 12 bytes", b""


def _multiplied(first: int, second: int) -> int:
    """Return the product of two blocks in GCM's field (NIST SP 800-38D, 6.3)."""
    product = 0
    for bit in range(127, -1, -1):
        if first >> bit & 1:
            product ^= second
        second = second >> 1 ^ (0xE1 << 120 if second & 1 else 0)
    return product


def _gcm(aes: AesBlocks, how: str, first: bytes, payload: bytes, _: bytes, __: Sequence[bytes]) -> Iterator[Found]:
    """Yield what AES-GCM makes of it; its tag has 16 bytes."""
    start, rest = (first, payload) if first else (payload[:12] + (1).to_bytes(4), payload[12:])
    for tag, text in (("its tag behind it", rest[:-BLOCK]), ("without its tag", rest)):
        if text:
            counter = ((int.from_bytes(start) + 1) % (1 << 128)).to_bytes(BLOCK)
            body = _xor(text, _ctr(text, counter, aes.encrypt))
            yield "aes_other_mode", f"The SHA-1 agrees with the body decrypted as AES-GCM with {how}, {tag}.", body


def _ctr(text: bytes, start: bytes, encrypt: Blocks) -> bytes:
    first = int.from_bytes(start)
    return encrypt(b"".join(((first + count) % (1 << 128)).to_bytes(BLOCK) for count in range(-(-len(text) // BLOCK))))


def _cfb(text: bytes, start: bytes, encrypt: Blocks) -> bytes:
    before = start + text
    return encrypt(before[: -(-len(text) // BLOCK) * BLOCK])


def _ofb(text: bytes, start: bytes, encrypt: Blocks) -> bytes:
    made = [encrypt(start)]
    while len(made) * BLOCK < len(text):
        made.append(encrypt(made[-1]))
    return b"".join(made)
