"""Encryption of bodies: RSA for the handshake, AES-128 for everything after it.

A cipher turns plain bodies into payloads and back; it does not depend on frames. The SHA-1 in the header is
over the *plain* body, so a wrong key always shows there: OpenSSL 3.2 and later answer a wrong RSA key with
random bytes instead of an error (implicit rejection), and nothing decrypted here may be used before the digest agrees.

AES contexts are kept running between frames, which is ten times cheaper than making one for each frame: a cipher
belongs to one direction of one connection and must not be shared between threads.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, Protocol

from ftwire._core import core
from ftwire.errors import DecryptionError, KeyFormatError, KeyRequiredError

if TYPE_CHECKING:
    from ftwire_core import Codec

__all__ = [
    "KEY_UNKNOWN",
    "NONE",
    "AesBlocks",
    "AesCbc",
    "AesEcb",
    "Cipher",
    "FtAesEcb",
    "NoCipher",
    "PacketEncAlgo",
    "Rsa",
    "RsaKey",
    "UnknownKeyCipher",
    "cipher_for",
]

BLOCK: Final = 16
"""AES block size in bytes; also the size of ``connAESKey`` and ``aesCBCiv``."""

RSA_CHUNK: Final = 100
"""Plain bytes in one RSA block, as the vendor's SDKs cut them. PKCS#1 v1.5 has room for keysize/8 - 11."""

RSA_PADDING: Final = 11
"""Bytes that PKCS#1 v1.5 needs of every block (RFC 8017, 7.2.1)."""


class PacketEncAlgo(IntEnum):
    """What a client may ask for in ``InitConnect.C2S.packetEncAlgo`` (``Common.PacketEncAlgo``)."""

    FTAES_ECB = 0
    NONE = -1
    AES_ECB = 1
    AES_CBC = 2


class Cipher(Protocol):
    """Turns bodies into payloads and back, for one direction of one connection."""

    @property
    def name(self) -> str:
        """``none``, ``rsa``, ``ftaes_ecb``, ``aes_ecb``, ``aes_cbc`` or ``unknown``."""
        ...

    def encrypt(self, body: bytes, /) -> bytes:
        """Return the payload of this plain body."""
        ...

    def decrypt(self, payload: bytes, /) -> bytes:
        """Return the plain body of this payload; raises ``CipherError`` where it cannot be one."""
        ...


class NoCipher:
    """No encryption: a payload is the body itself."""

    __slots__ = ("_codec",)

    name: Final = "none"

    def __init__(self) -> None:
        self._codec = _codec(self)

    def encrypt(self, body: bytes, /) -> bytes:
        """Return ``body``."""
        return body

    def decrypt(self, payload: bytes, /) -> bytes:
        """Return ``payload``."""
        return payload


class UnknownKeyCipher:
    """Bodies are encrypted and the key is not known: the cipher of an observer without the key."""

    name: Final = "unknown"

    def encrypt(self, body: bytes, /) -> bytes:  # noqa: ARG002 - the interface's signature
        """Raise ``KeyRequiredError``."""
        raise KeyRequiredError

    def decrypt(self, payload: bytes, /) -> bytes:  # noqa: ARG002 - the interface's signature
        """Raise ``KeyRequiredError``."""
        raise KeyRequiredError


def _key_bytes(what: str, value: str | bytes) -> bytes:
    """Return 16 key bytes. OpenD sends keys as 16 ASCII characters, each of them one key byte: no hex."""
    try:
        raw = value.encode("ascii") if isinstance(value, str) else bytes(value)
    except UnicodeEncodeError:
        raise KeyFormatError(f"{what} is not ASCII") from None
    if len(raw) != BLOCK:
        raise KeyFormatError(f"{what} is {BLOCK} bytes, not {len(raw)}")
    return raw


def _no_blocks(cipher: str, size: int) -> DecryptionError:
    return DecryptionError(cipher=cipher, reason=f"a payload is blocks of 16 bytes, here are {size} bytes")


def _no_padding(cipher: str) -> DecryptionError:
    return DecryptionError(cipher=cipher, reason="the decrypted body does not end in PKCS#7 padding")


_PADDINGS: Final = tuple(bytes((count,)) * count for count in range(BLOCK + 1))
"""PKCS#7 paddings by their length in bytes (RFC 5652, 6.3); a whole block where nothing is missing."""


_ZEROS: Final = tuple(bytes(-over % BLOCK) for over in range(BLOCK))
"""What FTAES_ECB fills a body up with, by ``len(body) % 16``."""
_TAILS: Final = tuple(bytes(BLOCK - 1) + bytes((over,)) for over in range(BLOCK))
"""The plain block that FTAES_ECB ends in, by ``len(body) % 16``."""


class FtAesEcb:
    """``FTAES_ECB``, OpenD's own: zero padding, AES-128-ECB, then one plain block that describes the padding.

    That block is 15 zero bytes and ``len(body) % 16``; 0 means that nothing was padded. An empty body is just
    that block. On decryption the 15 bytes are not looked at, as in the vendor's SDK: the digest decides.
    """

    __slots__ = ("_codec", "_decryptor", "_encryptor")

    name: Final = "ftaes_ecb"

    def __init__(self, key: str | bytes) -> None:
        aes = _key_bytes("the AES key", key)
        self._encryptor, self._decryptor = _ecb_contexts(aes)
        self._codec = _codec(self, aes)

    def encrypt(self, body: bytes, /) -> bytes:
        """Return the payload: ``len(body)`` rounded up to 16, plus 16 bytes."""
        over = len(body) % BLOCK
        return self._encryptor(body + _ZEROS[over]) + _TAILS[over]

    def decrypt(self, payload: bytes, /) -> bytes:
        """Return the body; raises ``DecryptionError`` where length or last byte is impossible."""
        size = len(payload)
        if not size or size % BLOCK:
            raise _no_blocks(self.name, size)
        over = payload[-1]
        if not over:
            return self._decryptor(payload)[:-BLOCK]
        if over >= BLOCK or size == BLOCK:
            raise DecryptionError(
                cipher=self.name,
                reason=f"the last byte says {over} bytes in the last of {size // BLOCK - 1} blocks",
            )
        # Decrypting the plain tail as well, to cut it off after, is cheaper than copying the blocks before it.
        return self._decryptor(payload)[: over - 2 * BLOCK]


class AesEcb:
    """``AES_ECB``: PKCS#7 padding, AES-128-ECB."""

    __slots__ = ("_codec", "_decryptor", "_encryptor")

    name: Final = "aes_ecb"

    def __init__(self, key: str | bytes) -> None:
        aes = _key_bytes("the AES key", key)
        self._encryptor, self._decryptor = _ecb_contexts(aes)
        self._codec = _codec(self, aes)

    def encrypt(self, body: bytes, /) -> bytes:
        """Return the payload: ``len(body) + 1`` rounded up to 16."""
        return self._encryptor(body + _PADDINGS[BLOCK - len(body) % BLOCK])

    def decrypt(self, payload: bytes, /) -> bytes:
        """Return the body; raises ``DecryptionError`` where length or padding cannot be."""
        size = len(payload)
        if not size or size % BLOCK:
            raise _no_blocks(self.name, size)
        padded = self._decryptor(payload)
        count = padded[-1]
        if 1 <= count <= BLOCK and padded.endswith(_PADDINGS[count]):
            return padded[:-count]
        raise _no_padding(self.name)


class AesCbc:
    """``AES_CBC``: PKCS#7 padding, AES-128-CBC, every frame from the same IV."""

    __slots__ = ("_chain", "_codec", "_decryptor", "_encryptor", "_iv", "_iv_origin")

    name: Final = "aes_cbc"

    def __init__(self, key: str | bytes, iv: str | bytes) -> None:
        self._iv = _key_bytes("the AES IV", iv)
        aes = _key_bytes("the AES key", key)
        ecb_decrypt = _ecb_contexts(aes)[1]
        self._encryptor, self._decryptor = _cbc_contexts(aes, self._iv)
        # The block whose encryption is the IV when the previous block is zero.
        self._iv_origin = int.from_bytes(ecb_decrypt(self._iv))
        self._chain = int.from_bytes(self._iv)
        self._codec = _codec(self, aes, self._iv)

    def encrypt(self, body: bytes, /) -> bytes:
        """Return the payload: ``len(body) + 1`` rounded up to 16.

        CBC encrypts a block as E(block xor previous). To set a running context back to the IV it is first
        given D(IV) xor previous, which encrypts to the IV itself; that block is cut off again.
        """
        reset = (self._iv_origin ^ self._chain).to_bytes(BLOCK)
        payload = self._encryptor(reset + body + _PADDINGS[BLOCK - len(body) % BLOCK])[BLOCK:]
        self._chain = int.from_bytes(payload[-BLOCK:])
        return payload

    def decrypt(self, payload: bytes, /) -> bytes:
        """Return the body; raises ``DecryptionError`` where length or padding cannot be.

        Decryption of a block needs only the ciphertext block before it, so the IV is put there.
        """
        size = len(payload)
        if not size or size % BLOCK:
            raise _no_blocks(self.name, size)
        padded = self._decryptor(self._iv + payload)
        count = padded[-1]
        if 1 <= count <= BLOCK and padded.endswith(_PADDINGS[count]):
            return padded[BLOCK:-count]
        raise _no_padding(self.name)


class _Update(Protocol):
    def __call__(self, data: bytes, /) -> bytes: ...


class AesBlocks:
    """AES on whole blocks, each by itself, with a key of 16, 24 or 32 bytes: what every mode is made of.

    OpenD speaks AES-128 alone; the other sizes are for looking at what was encrypted by mistake.
    """

    __slots__ = ("decrypt", "encrypt")

    def __init__(self, key: bytes) -> None:
        self.encrypt, self.decrypt = _ecb_contexts(key)


def _ecb_contexts(key: bytes) -> tuple[_Update, _Update]:
    from cryptography.hazmat.primitives.ciphers import Cipher as Context
    from cryptography.hazmat.primitives.ciphers import algorithms, modes

    context = Context(algorithms.AES(key), modes.ECB())  # noqa: S305 - the protocol's choice, not ours
    return context.encryptor().update, context.decryptor().update


def _cbc_contexts(key: bytes, iv: bytes) -> tuple[_Update, _Update]:
    from cryptography.hazmat.primitives.ciphers import Cipher as Context
    from cryptography.hazmat.primitives.ciphers import algorithms, modes

    context = Context(algorithms.AES(key), modes.CBC(iv))
    return context.encryptor().update, context.decryptor().update


class RsaKey:
    """The RSA private key that OpenD and its clients share: 1024 bits or more.

    Never shows key material in ``repr``.
    """

    __slots__ = ("_private", "_public", "size")

    def __init__(self, private: object) -> None:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

        if not isinstance(private, RSAPrivateKey):
            raise KeyFormatError("the key is not an RSA private key")
        if private.key_size < 1024:
            raise KeyFormatError(f"an RSA key of {private.key_size} bits is too short, 1024 are needed")
        self._private = private
        self._public = private.public_key()
        self.size: Final = private.key_size // 8
        """Bytes in a block: 128 for a 1024-bit key."""

    @classmethod
    def from_pem(cls, pem: bytes | str, password: bytes | None = None) -> RsaKey:
        """Read a PKCS#1 (``BEGIN RSA PRIVATE KEY``) or PKCS#8 (``BEGIN PRIVATE KEY``) PEM.

        Raises ``KeyFormatError``; the error never quotes the key.
        """
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        data = pem.encode() if isinstance(pem, str) else bytes(pem)
        if b"PUBLIC KEY" in data and b"PRIVATE KEY" not in data:
            raise KeyFormatError("the PEM holds a public key; OpenD's clients need the private one")
        try:
            private = load_pem_private_key(data, password)
        except TypeError as error:
            raise KeyFormatError(str(error)) from None
        except (ValueError, UnsupportedAlgorithm):
            raise KeyFormatError("not an RSA private key in PEM (PKCS#1 or PKCS#8)") from None
        return cls(private)

    def unlock(self, block: bytes) -> bytes:
        """Return one block to the power of the private exponent, padding and all: ``size`` bytes.

        With the right key the result begins with ``00 02`` (RFC 8017, 7.2.2), which libraries with implicit rejection
        hide. Use it on captured bytes only: a program that shows others the result for blocks that they chose reveals
        its key.

        Raises ``DecryptionError`` for a block of another size, or that this key cannot have made.
        """
        if len(block) != self.size:
            raise DecryptionError(cipher="rsa", reason=f"a block is {self.size} bytes, not {len(block)}")
        numbers = self._private.private_numbers()
        modulus = numbers.public_numbers.n
        value = int.from_bytes(block)
        if value >= modulus:
            raise DecryptionError(cipher="rsa", reason="the block is a larger number than this key's modulus")
        return pow(value, numbers.d, modulus).to_bytes(self.size)

    def lock(self, block: bytes) -> bytes:
        """Return bytes to the power of the public exponent, ``size`` of them: what signatures are checked with."""
        numbers = self._public.public_numbers()
        return pow(int.from_bytes(block), numbers.e, numbers.n).to_bytes(self.size)

    def __repr__(self) -> str:
        return f"<RsaKey {self.size * 8} bits>"


class Rsa:
    """RSA PKCS#1 v1.5 in blocks: the bodies of InitConnect (1001), in both directions.

    The plain body is cut into chunks, each becomes one block of the key's size. The vendor's SDKs cut at 100
    bytes whatever the key; any cut up to keysize/8 - 11 reads the same.
    """

    name: Final = "rsa"

    def __init__(self, key: RsaKey, *, chunk: int = RSA_CHUNK) -> None:
        if not 1 <= chunk <= key.size - RSA_PADDING:
            raise ValueError(f"an RSA chunk is 1 to {key.size - RSA_PADDING} bytes for this key, not {chunk}")
        self._key = key
        self._chunk = chunk

    def encrypt(self, body: bytes, /) -> bytes:
        """Return one block for each chunk of the body; nothing for an empty one."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

        public = self._key._public
        return b"".join(
            public.encrypt(body[start : start + self._chunk], PKCS1v15()) for start in range(0, len(body), self._chunk)
        )

    def decrypt(self, payload: bytes, /) -> bytes:
        """Return the joined chunks.

        A wrong key causes an error or, by OpenSSL's implicit rejection, random bytes: check the digest.
        Raises ``DecryptionError``.
        """
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

        size = self._key.size
        if len(payload) % size:
            raise DecryptionError(
                cipher=self.name,
                reason=f"a payload is blocks of {size} bytes for this key, here are {len(payload)} bytes",
            )
        private = self._key._private
        try:
            return b"".join(
                private.decrypt(payload[start : start + size], PKCS1v15()) for start in range(0, len(payload), size)
            )
        except ValueError:
            raise DecryptionError(cipher=self.name, reason="a block does not decrypt with this key") from None


_IN_CORE: Final = frozenset((NoCipher, FtAesEcb, AesEcb, AesCbc))
"""Ciphers that the compiled core has, too. Classes derived from them may do something else."""


def _codec(cipher: Cipher, *key: bytes) -> Codec | None:
    """Return the compiled core's counterpart of a cipher, ``None`` where there is none; the core looks for it here."""
    return core.Codec(cipher.name, *key) if core is not None and type(cipher) in _IN_CORE else None


def codec_of(cipher: Cipher) -> Codec | None:
    """Return the compiled core's counterpart of a cipher, ``None`` where there is none."""
    return getattr(cipher, "_codec", None)


NONE: Final = NoCipher()
"""No encryption."""

KEY_UNKNOWN: Final = UnknownKeyCipher()
"""Encryption without its key."""


def cipher_for(algorithm: int | None, key: str | bytes, iv: str | bytes | None = None) -> Cipher:
    """Return a new cipher for the frames after a handshake made with an RSA key.

    ``algorithm`` is what the client asked for in ``InitConnect.C2S.packetEncAlgo``, ``None`` where it left
    the field out; ``key`` and ``iv`` are ``connAESKey`` and ``aesCBCiv`` of the reply, ``iv`` being ``None``
    where the field is absent. Where AES_CBC or nothing at all was asked for, the reply settles it, as the
    vendor's SDK reads it: IV absent means FTAES_ECB, present AES_CBC, present but empty AES_ECB.

    Raises ``KeyFormatError`` for a key or IV that is not 16 bytes and for an unknown algorithm.
    """
    try:
        asked = None if algorithm is None else PacketEncAlgo(algorithm)
    except ValueError:
        raise KeyFormatError(f"packetEncAlgo {algorithm} is none of -1, 0, 1, 2") from None
    if asked is PacketEncAlgo.NONE:
        return NONE
    if asked is PacketEncAlgo.FTAES_ECB:
        return FtAesEcb(key)
    if asked is PacketEncAlgo.AES_ECB:
        return AesEcb(key)
    if iv is None:
        return FtAesEcb(key)
    return AesCbc(key, iv) if iv else AesEcb(key)
