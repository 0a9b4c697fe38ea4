"""An RSA private key inside a capture, so that one file can be handed on and read.

The key is in a Decryption Secrets Block, the block that pcapng has for this (draft-ietf-opsawg-pcapng section 4.7),
with a type of our own. Wireshark ignores it; ``editcap --discard-all-secrets`` and ``ftwire redact`` remove it. The
key opens every session that was ever made with it, not only those in the file: it is embedded only on request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ftwire.cipher import RsaKey
from ftwire.errors import KeyFormatError

if TYPE_CHECKING:
    from ftwire.pcap import Secrets

__all__ = ["SECRETS_TYPE", "embedded_keys", "pem_of"]

SECRETS_TYPE: Final = int.from_bytes(b"OPND", "big")
"""``0x4f504e44``: the type of a secret that is a PEM of OpenD. Four letters, as the registered types are; the
registry at https://www.iana.org/assignments/pcapng has no range for private use."""

MAX_KEYS: Final = 8
"""Keys of one file that are tried: each costs a millisecond a connection."""

_PEM: Final = re.compile(rb"-----BEGIN (RSA )?PRIVATE KEY-----.*?-----END (RSA )?PRIVATE KEY-----", re.DOTALL)


def pem_of(data: bytes) -> bytes:
    """Return only the private key of a PEM file, without any text around it.

    Raises ``KeyFormatError`` where there is none that OpenD could use.
    """
    RsaKey.from_pem(data)
    found = _PEM.search(data)
    if found is None:
        raise KeyFormatError("no RSA private key in PEM (PKCS#1 or PKCS#8) without a password")
    return found[0] + b"\n"


def embedded_keys(secrets: Iterable[Secrets]) -> list[RsaKey]:
    """Return the keys among the secrets of a capture, at most ``MAX_KEYS``; other secrets are ignored."""
    keys: list[RsaKey] = []
    for secret in secrets:
        if secret.kind == SECRETS_TYPE and len(keys) < MAX_KEYS:
            try:
                keys.append(RsaKey.from_pem(secret.data))
            except KeyFormatError:
                continue
    return keys
