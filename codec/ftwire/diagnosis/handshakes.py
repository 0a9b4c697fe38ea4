"""Mistakes with RSA, in the two bodies of InitConnect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha1
from itertools import pairwise
from typing import Final

from ftwire.cipher import RSA_CHUNK, RSA_PADDING, AesCbc, AesEcb, Cipher, FtAesEcb, RsaKey
from ftwire.diagnosis.bodies import reads
from ftwire.diagnosis.mistakes import MISTAKES, Finding
from ftwire.diagnosis.payloads import opened_by
from ftwire.diagnosis.rsa_blocks import is_signature_block, other_padding, resized
from ftwire.diagnosis.wrapped_bodies import bytes_of_text
from ftwire.errors import WireError
from ftwire.frame import Role
from ftwire.protocols import Registry

__all__ = ["aes_finding", "handshake_finding", "looks_like_rsa", "rsa_lengths"]

INIT_CONNECT: Final = 1001
SIZES: Final = (128, 192, 256, 384, 512)
"""Bytes in a block of usual keys: 1024 to 4096 bits."""
MAX_BLOCKS: Final = 64
"""Blocks looked at: an InitConnect has two or three, and each costs milliseconds."""
_NO_KEY: Final = bytes(16)
"""The AES key of a program that has not got one yet."""


def looks_like_rsa(payload: bytes) -> bool:
    """Return whether bytes can be RSA blocks of a key of a usual size."""
    return bool(payload) and any(len(payload) % size == 0 for size in SIZES)


def rsa_lengths(plain: int, key: RsaKey) -> set[int]:
    """Return the lengths that a body of ``plain`` bytes may have after encryption."""
    return {-(-plain // chunk) * key.size for chunk in (RSA_CHUNK, key.size - RSA_PADDING)}


def handshake_finding(
    payload: bytes, digest: bytes, body_format: int, sender: Role | None, keys: Sequence[RsaKey], registry: Registry
) -> Finding | None:
    """Return the mistake in an InitConnect payload whose digest agrees neither plain nor decrypted with a key."""
    of_payload = sha1(payload, usedforsecurity=False).digest() == digest
    for key in keys[:4]:
        found = _with_key(payload, digest, body_format, sender, key, registry, of_payload=of_payload)
        if found is not None and (found.proven or len(keys) == 1):
            return found
    if of_payload:
        if not looks_like_rsa(payload):
            return None
        proof = f"The SHA-1 is that of the {len(payload)} bytes on the wire, which are RSA blocks and no message."
        return Finding(MISTAKES["sha1_of_ciphertext"], proof, sender, proven=False)
    if not keys and looks_like_rsa(payload) and not reads(payload, INIT_CONNECT, body_format, sender, registry):
        size = next(size for size in SIZES if len(payload) % size == 0)
        proof = (
            f"Protocol 1001, {len(payload)} bytes (a multiple of {size}) that are no message, and a SHA-1 "
            "that is not theirs: the plain body's."
        )
        return Finding(MISTAKES["rsa_not_decrypted"], proof, sender, proven=False)
    return None


def aes_finding(payload: bytes, digest: bytes, sender: Role | None) -> Finding | None:
    """Return the finding for an InitConnect under AES: with zeros as the key, or by the last block of FTAES_ECB."""
    if not payload or len(payload) % 16:
        return None
    ciphers: tuple[Cipher, ...] = (FtAesEcb(_NO_KEY), AesEcb(_NO_KEY), AesCbc(_NO_KEY, _NO_KEY))
    for cipher in ciphers:
        if opened_by(payload, digest, cipher) is not None:
            proof = f"Decrypted as {cipher.name.upper()} with 16 zeros as key the SHA-1 agrees."
            return Finding(MISTAKES["aes_for_rsa"], proof, sender)
    blocks = len(payload) // 16
    if blocks < 2 or any(payload[-16:-1]) or payload[-1] >= 16 or payload.count(0, 0, -16) > blocks:
        return None  # zeros are one byte of 256 in ciphertext, and one of ten and more in a message
    proof = f"It is {blocks} blocks of 16 bytes, the last of them 15 zeros and {payload[-1]}, as FTAES_ECB ends."
    return Finding(MISTAKES["aes_for_rsa"], proof, sender, proven=False)


def _with_key(
    payload: bytes,
    digest: bytes,
    body_format: int,
    sender: Role | None,
    key: RsaKey,
    registry: Registry,
    *,
    of_payload: bool,
) -> Finding | None:
    size = key.size
    is_init = partial(reads, proto_id=INIT_CONNECT, body_format=body_format, sender=sender, registry=registry)
    if not payload:
        return None
    if len(payload) % size:
        return _of_broken_blocks(payload, sender, key, is_init)
    blocks = [payload[start : start + size] for start in range(0, len(payload), size)][:MAX_BLOCKS]
    opened = [_unlock(key, block) for block in blocks]
    chunks = [_strip(block) for block in opened]
    whole = [chunk for chunk in chunks if chunk is not None]
    if len(whole) == len(blocks):
        if is_init(b"".join(whole)):
            if not of_payload:
                return None
            proof = f"The key opens all {len(blocks)} blocks to a whole message, and the SHA-1 is that of the blocks."
            return Finding(MISTAKES["sha1_of_ciphertext"], proof, sender)
        lengths = ", ".join(str(len(chunk)) for chunk in whole)
        joined = _joined_otherwise(whole, digest) or "joined they are no whole InitConnect"
        proof = f"The key opens every block, to chunks of {lengths} bytes; {joined}."
        return Finding(MISTAKES["rsa_chunk_size"], proof, sender)
    if whole:
        bad = chunks.index(None) + 1
        proof = f"The key opens {len(whole)} of {len(blocks)} blocks, but not block {bad}."
        return Finding(MISTAKES["rsa_chunk_size"], proof, sender, proven=False)
    return _of_other_blocks(payload, blocks, opened, sender, key, is_init)


def _of_broken_blocks(
    payload: bytes, sender: Role | None, key: RsaKey, is_init: Callable[[bytes], bool]
) -> Finding | None:
    """Return the finding for a body that is no whole number of the key's blocks."""
    size = key.size
    if (found := _as_text(payload, sender, key, is_init)) is not None:
        return found
    inner = _joined(resized(payload, size), key)
    if inner is not None and is_init(inner):
        proof = f"The body has {len(payload)} bytes; with blocks of {size} the key opens it."
        return Finding(MISTAKES["rsa_block_size"], proof, sender)
    if looks_like_rsa(payload):
        proof = f"{len(payload)} bytes are no whole blocks of this key's {size}: the key has another size."
        return Finding(MISTAKES["rsa_wrong_key"], proof, sender)
    if len(payload) < size or is_init(payload):
        return None
    proof = f"{len(payload)} bytes are no whole blocks of {size}: {len(payload) % size} are left over."
    return Finding(MISTAKES["rsa_chunk_size"], proof, sender, proven=False)


def _of_other_blocks(
    payload: bytes,
    blocks: Sequence[bytes],
    opened: Sequence[bytes | None],
    sender: Role | None,
    key: RsaKey,
    is_init: Callable[[bytes], bool],
) -> Finding:
    """Return the finding for blocks of which none has the padding of PKCS#1 v1.5 under the key."""
    for bare in (b"".join((block or b"").lstrip(b"\0") for block in opened), b"".join(map(_stripped, opened))):
        if is_init(bare):
            proof = f"The blocks decrypt, without any padding, to {len(bare)} bytes of InitConnect."
            return Finding(MISTAKES["rsa_no_padding"], proof, sender)
    if (other := other_padding(opened)) is not None:
        return Finding(MISTAKES["rsa_other_padding"], f"With this key every block has {other}.", sender)
    if all(is_signature_block(key.lock(block)) for block in blocks):
        proof = "The public half of the key opens every block, to the padding 00 01 ff of what the private half makes."
        return Finding(MISTAKES["rsa_private_key"], proof, sender)
    if (found := _as_text(payload, sender, key, is_init)) is not None:
        return found
    first = opened[0]
    beginning = "a number above its modulus" if first is None else f"{first[:2].hex(' ')} ..."
    proof = (
        f"With this key block 1 is {beginning} where PKCS#1 v1.5 has 00 02, so no block was encrypted for it; "
        "an RSA library hides that behind random bytes and the SHA-1 fails instead."
    )
    return Finding(MISTAKES["rsa_wrong_key"], proof, sender)


def _as_text(payload: bytes, sender: Role | None, key: RsaKey, is_init: Callable[[bytes], bool]) -> Finding | None:
    """Return the finding for RSA blocks that were sent as text."""
    for name, blocks in bytes_of_text(payload):
        inner = _joined(blocks, key)
        if inner is not None and is_init(inner):
            proof = f"What the {name} of the body stands for are RSA blocks, and the key opens them."
            return Finding(MISTAKES["ciphertext_as_text"], proof, sender)
    return None


def _joined_otherwise(chunks: Sequence[bytes], digest: bytes) -> str | None:
    """Return how chunks have to be joined for the digest to agree."""
    if sha1(b"".join(reversed(chunks)), usedforsecurity=False).digest() == digest:
        return "in the other order the SHA-1 agrees"
    for count in range(1, min(map(len, chunks[:-1]), default=0)):
        overlaps = all(after[:count] == before[-count:] for before, after in pairwise(chunks) if len(after) >= count)
        if not overlaps:
            continue
        body = chunks[0] + b"".join(chunk[count:] for chunk in chunks[1:])
        if sha1(body, usedforsecurity=False).digest() == digest:
            return f"each begins with the last {count} bytes of the one before it, and without them the SHA-1 agrees"
    return None


def _joined(payload: bytes, key: RsaKey) -> bytes | None:
    """Return what a key makes of whole blocks, joined; ``None`` if they are none, or one does not open."""
    if not payload or len(payload) % key.size or len(payload) > MAX_BLOCKS * key.size:
        return None
    chunks = [_strip(_unlock(key, payload[start : start + key.size])) for start in range(0, len(payload), key.size)]
    return None if None in chunks else b"".join(chunk or b"" for chunk in chunks)


def _stripped(block: bytes | None) -> bytes:
    return (block or b"").strip(b"\0")


def _unlock(key: RsaKey, block: bytes) -> bytes | None:
    try:
        return key.unlock(block)
    except WireError:
        return None


def _strip(block: bytes | None) -> bytes | None:
    """Return the bytes after PKCS#1 v1.5 padding: 00 02, at least eight bytes that are not zero, 00."""
    if block is None or block[:2] != b"\x00\x02":
        return None
    end = block.find(b"\0", 2)
    return block[end + 1 :] if end >= 10 else None
