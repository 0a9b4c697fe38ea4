"""The compiled core and the Python code side by side in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import strategies as st

import ftwire
import ftwire.frame
import ftwire.framing
import ftwire.pcap.pcapfile
import ftwire.pcap.pcapngfile
from ftwire.cipher import NONE, AesCbc, AesEcb, Cipher, FtAesEcb
from ftwire.strategies import frames, mutations

__all__ = ["MAKERS", "Reversing", "needs_core", "pure", "streams"]

KEY, IV = "0123456789ABCDEF", "FEDCBA9876543210"
MAKERS: dict[str, Callable[[], Cipher]] = {
    "none": lambda: NONE,
    "ftaes_ecb": lambda: FtAesEcb(KEY),
    "aes_ecb": lambda: AesEcb(KEY),
    "aes_cbc": lambda: AesCbc(KEY, IV),
}
"""The ciphers that the core has, by name, made anew."""


class Reversing(FtAesEcb):
    """A user's own cipher, derived from one of ours: the core must not take it for that."""

    def __init__(self) -> None:
        super().__init__(KEY)

    def decrypt(self, payload: bytes, /) -> bytes:
        return super().decrypt(payload)[::-1]

    def encrypt(self, body: bytes, /) -> bytes:
        return super().encrypt(body[::-1])


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, str]:
    """Frames of one cipher or another, handshakes between them, damaged or not, and the name of the first cipher."""
    names = draw(st.lists(st.sampled_from(sorted(MAKERS)), min_size=1, max_size=2))
    whole = b""
    for name in names:
        body = st.binary(max_size=60) | st.binary(min_size=4050, max_size=4120).map(lambda part: part * 3)
        of_a_cipher = frames(cipher=MAKERS[name](), body=body) | frames(1001, cipher=MAKERS[name](), body=body)
        for frame in draw(st.lists(of_a_cipher, max_size=6)):
            whole += frame.encode()
    return draw(mutations(whole, max_changes=3)).data if whole else whole, names[0]


needs_core = pytest.mark.skipif(not ftwire.compiled, reason="the compiled core is not installed: make core")


def _no_codec(_cipher: Cipher) -> None:
    return None


@contextmanager
def pure() -> Iterator[None]:
    """Use Python meanwhile, as where the core is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ftwire.framing, "take", ftwire.framing.python_take)
        patch.setattr(ftwire.frame, "codec_of", _no_codec)
        patch.setattr(ftwire.pcap.pcapfile, "scan_pcap", ftwire.pcap.pcapfile.scan_pcap_in_python)
        patch.setattr(ftwire.pcap.pcapngfile, "scan_pcapng", ftwire.pcap.pcapngfile.scan_pcapng_in_python)
        patch.setattr(ftwire.pcap.pcapfile, "follow_pcap", ftwire.pcap.pcapfile.follow_pcap_in_python)
        patch.setattr(ftwire.pcap.pcapngfile, "follow_pcapng", ftwire.pcap.pcapngfile.follow_pcapng_in_python)
        yield
