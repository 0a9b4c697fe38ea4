"""An RSA private key inside a capture, so that one file can be handed on and read.

It stands in a Decryption Secrets Block, the block pcapng has for this (draft-ietf-opsawg-pcapng section 4.7),
under a type of ours. Wireshark passes it over, ``editcap --discard-all-secrets`` and ``ftwire redact`` take it
out. The key opens every session that was ever made with it, not only those in the file: hence opt-in only.
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
"""``0x4f504e44``: says that the secret is a PEM of OpenD. Four letters, as the registered types are; the
registry at https://www.iana.org/assignments/pcapng has no range for private use."""

MAX_KEYS: Final = 8
"""Keys of one file that are tried: each costs a millisecond a connection."""

_PEM: Final = re.compile(rb"-----BEGIN (RSA )?PRIVATE KEY-----.*?-----END (RSA )?PRIVATE KEY-----", re.DOTALL)


def pem_of(data: bytes) -> bytes:
    """Return only the private key of a PEM file, nothing that may stand around it.

    Raises ``KeyFormatError`` where there is none that OpenD could use.
    """
    RsaKey.from_pem(data)
    found = _PEM.search(data)
    if found is None:
        raise KeyFormatError("no RSA private key in PEM (PKCS#1 or PKCS#8) without a password")
    return found[0] + b"\n"


def embedded_keys(secrets: Iterable[Secrets]) -> list[RsaKey]:
    """Return the keys that a capture carries; what is none is passed over."""
    keys: list[RsaKey] = []
    for secret in secrets:
        if secret.kind == SECRETS_TYPE and len(keys) < MAX_KEYS:
            try:
                keys.append(RsaKey.from_pem(secret.data))
            except KeyFormatError:
                continue
    return keys
