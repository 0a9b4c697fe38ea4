"""Frames shown while they pass: what ``ftwire record --dump`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ftwire.capture import CaptureReader

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire_tools.dumping.dumper import Dump

__all__ = ["LiveDump"]


class LiveDump:
    """Shows a capture while it is written, with the numbers that ``ftwire dump`` shows of the file.

    ``dump`` shows the frames, ``keys`` decrypt them.
    """

    def __init__(self, dump: Dump, *, keys: Sequence[RsaKey] = ()) -> None:
        self._dump: Final = dump
        self._reader: Final = CaptureReader(keys=keys, raw=False)

    def show(self, blocks: bytes) -> None:
        """Show the frames in the next bytes of the capture. Raises ``OutputError``."""
        self._dump.show(self._reader.feed(blocks))
        self._dump.flush()

    def close(self) -> None:
        """Show what had to wait for the end of the capture. Raises ``OutputError``."""
        self._dump.show(self._reader.close())
        self._dump.flush()
