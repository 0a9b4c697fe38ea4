"""Ciphers with keys, and an RSA whose result is always the same."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from hypothesis import strategies as st

from ftwire.cipher import RSA_CHUNK, AesCbc, AesEcb, Cipher, FtAesEcb, Rsa, RsaKey

__all__ = ["RepeatableRsa", "ciphers", "keys"]


def keys() -> st.SearchStrategy[str]:
    """AES keys and IVs as OpenD sends them: 16 ASCII characters."""
    return st.just("0123456789ABCDEF") | st.text("0123456789ABCDEFabcdef", min_size=16, max_size=16)


def ciphers() -> st.SearchStrategy[Cipher]:
    """The AES ciphers of frames after the handshake, each with any key.

    A cipher belongs to one direction of one connection: draw one for each.
    """
    return st.builds(FtAesEcb, keys()) | st.builds(AesEcb, keys()) | st.builds(AesCbc, keys(), keys())


class RepeatableRsa(Rsa):
    """RSA PKCS#1 v1.5 whose padding is computed from the chunk that it pads.

    Tests and vectors need the same bytes every time, which real padding, being random, does not allow. Nothing
    encrypted with it is secret: never use it elsewhere. It decrypts as ``Rsa`` does, and is decrypted by it.
    """

    def __init__(self, key: RsaKey, *, chunk: int = RSA_CHUNK) -> None:
        super().__init__(key, chunk=chunk)
        numbers = key._public.public_numbers()
        self._numbers: Final = numbers.e, numbers.n

    def encrypt(self, body: bytes, /) -> bytes:
        """Return one block for each chunk of the body."""
        size = self._key.size
        exponent, modulus = self._numbers
        blocks = []
        for start in range(0, len(body), self._chunk):
            chunk = body[start : start + self._chunk]
            # RFC 8017, 7.2.1: 00 02, at least eight bytes that are not zero, 00, the message.
            padding = _nonzero(chunk, size - 3 - len(chunk))
            block = int.from_bytes(b"\0\2" + padding + b"\0" + chunk, "big")
            blocks.append(pow(block, exponent, modulus).to_bytes(size, "big"))
        return b"".join(blocks)


def _nonzero(seed: bytes, count: int) -> bytes:
    found = b""
    while len(found) < count:
        seed = sha256(seed).digest()
        found += seed.replace(b"\0", b"")
    return found[:count]
