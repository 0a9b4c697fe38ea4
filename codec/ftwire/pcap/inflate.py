"""Decompressing gzip in steps of bounded size.

Compressed bytes can expand a thousand times, so the size of the input does not bound the size of the output; the
steps do. Source: RFC 1952; zlib checks each member's CRC and length.
"""

from __future__ import annotations

import zlib

from ftwire.errors import CaptureFormatError

__all__ = ["GZIP_MAGIC", "Inflater"]

GZIP_MAGIC = b"\x1f\x8b"
"""First bytes of every gzip member (RFC 1952 section 2.3.1)."""

_GZIP_ONLY = 31  # zlib's wbits: 15 for the largest window, 16 for a gzip wrapper


class Inflater:
    """Decompresses one gzip file: any number of members, zero padding between and behind them.

    :param step: most bytes that one call of :meth:`step` returns.
    """

    def __init__(self, step: int) -> None:
        self._step = step
        self._input = b""
        self._member: zlib._Decompress | None = None
        self._members = 0
        self._drained = True
        self._error: CaptureFormatError | None = None

    def feed(self, data: bytes) -> None:
        """Add compressed bytes. Call :meth:`step` until it returns nothing before adding more."""
        self._input += data
        self._drained = False

    def step(self) -> bytes:
        """Return at most one step of decompressed bytes; none when more compressed ones are needed.

        :raises CaptureFormatError: bytes that are no gzip, or a member whose checksum is wrong; the bytes in
            front of that place have been returned.
        """
        if self._error is not None:
            raise self._error
        while not self._drained:
            if self._member is None:
                # Tapes and block devices pad a file with zeros to a whole number of blocks.
                self._input = self._input.lstrip(b"\0") if self._members else self._input
                if not self._input:
                    self._drained = True
                    break
                self._member = zlib.decompressobj(_GZIP_ONLY)
                self._members += 1
            before = self._member.copy()
            try:
                plain = self._member.decompress(self._input, self._step)
            except zlib.error as error:
                self._error = CaptureFormatError(f"gzip member {self._members}: {error}")
                if plain := self._salvage(before):
                    return plain
                raise self._error from None
            if self._member.eof:
                self._input = self._member.unused_data
                self._member = None
            else:
                self._input = self._member.unconsumed_tail
                # Less than a full step means that the input is used up, and with it what zlib keeps inside.
                self._drained = not self._input and len(plain) < self._step
            if plain:
                return plain
        return b""

    def _salvage(self, member: zlib._Decompress) -> bytes:
        """Return the bytes in front of the damage, which zlib discards together with it.

        They are less than one step: the damage came before the step was full.
        """
        plain = bytearray()
        try:
            for byte in self._input:
                plain += member.decompress(bytes((byte,)))
        except zlib.error:
            return bytes(plain)
        return bytes(plain)

    @property
    def inside_member(self) -> bool:
        """Whether a member has begun and not ended: a file that ended here would be cut short."""
        return self._member is not None
