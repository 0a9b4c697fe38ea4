"""The compiled core and the Python code side by side in one process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import ftwire
import ftwire.cutting
import ftwire.frame
import ftwire.pcap.pcapfile
import ftwire.pcap.pcapngfile
import ftwire.resync
import ftwire.stream
from ftwire.cipher import Cipher

__all__ = ["needs_core", "pure"]

needs_core = pytest.mark.skipif(not ftwire.compiled, reason="the compiled core is not installed: make core")


def _no_codec(_cipher: Cipher) -> None:
    return None


@contextmanager
def pure() -> Iterator[None]:
    """Leave the core alone meanwhile, as where it is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (ftwire.cutting, ftwire.frame, ftwire.resync, ftwire.stream):
            patch.setattr(module, "codec_of", _no_codec)
        patch.setattr(ftwire.pcap.pcapfile, "scan_pcap", ftwire.pcap.pcapfile.scan_pcap_in_python)
        patch.setattr(ftwire.pcap.pcapngfile, "scan_pcapng", ftwire.pcap.pcapngfile.scan_pcapng_in_python)
        yield
