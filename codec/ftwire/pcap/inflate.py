"""Decompressing capture files in steps of bounded size: gzip, xz, bzip2, zstd and lz4.

Compressed bytes can expand a thousand times and more, so the size of the input does not bound the size of the output;
the steps do. gzip, xz and bzip2 are in Python's standard library. zstd and lz4 come with packages that may be absent
(the extra ``compressed``; zstd is in the standard library from Python 3.14 on).

Sources: RFC 1952 (gzip), https://tukaani.org/xz/xz-file-format.txt, RFC 8878 (zstd),
https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md. The decompressors check what checksums there are.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from ftwire.errors import CaptureFormatError, UnsupportedCompressionError

__all__ = ["LONGEST_MAGIC", "Compression", "Inflater", "begins_like_compressed", "compression_of"]

MAX_WINDOW: Final = 128 << 20
"""Most memory that a decompressor of xz or zstd may take for its window, in bytes: ``xz -9`` needs 65 MiB, zstd at its
highest level without ``--long`` 128 MiB. A file that asks for more is an error."""

MANY: Final = 10_000
"""Members that may be of any size. Making a decompressor of zstd takes 30 us: a file of nothing but empty frames of
8 bytes would take 4 s a MiB."""

_GZIP_ONLY = 31  # zlib's wbits: 15 for the largest window, 16 for a gzip wrapper
# Most bytes decompressed in one call. A decompressor that meets damage returns nothing of what it had decompressed in
# the same call: small calls keep that little. Of gzip nothing is lost, and each call costs a copy of its window.
_CALL, _GZIP_CALL = 4 << 10, 256 << 10


class _Member(Protocol):
    """One gzip member, xz stream, or zstd or lz4 frame; what ``bz2`` and ``lzma`` offer."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /, max_length: int = -1) -> bytes: ...


class _GzipMember:
    """zlib's decompressor with the interface of the others; it returns also what stands right in front of damage."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP_ONLY)
        self._input = b""
        self._error: zlib.error | None = None
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, /, max_length: int = -1) -> bytes:
        if self._error is not None:
            raise self._error
        self._input += data
        before = self._stream.copy()
        try:
            plain = self._stream.decompress(self._input, max_length)
        except zlib.error as error:
            self._error = error
            self.needs_input = False
            if plain := self._in_front_of_damage(before):
                return plain
            raise
        self._input = self._stream.unconsumed_tail
        # Less than was allowed means that the input is used up, and with it what zlib keeps inside.
        self.needs_input = not self._input and len(plain) < max_length
        return plain

    def _in_front_of_damage(self, stream: zlib._Decompress) -> bytes:
        """Return the bytes that zlib discarded together with the damage: less than a call may return."""
        plain = bytearray()
        try:
            for byte in self._input:
                plain += stream.decompress(bytes((byte,)))
        except zlib.error:
            return bytes(plain)
        return bytes(plain)


def _xz() -> tuple[Callable[[], _Member], tuple[type[Exception], ...]]:
    import lzma

    return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_WINDOW), (lzma.LZMAError,)


def _bzip2() -> tuple[Callable[[], _Member], tuple[type[Exception], ...]]:
    import bz2

    return bz2.BZ2Decompressor, (OSError, ValueError)


def _zstd() -> tuple[Callable[[], _Member], tuple[type[Exception], ...]]:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: MAX_WINDOW.bit_length() - 1}
    return lambda: zstd.ZstdDecompressor(options=options), (zstd.ZstdError,)


def _lz4() -> tuple[Callable[[], _Member], tuple[type[Exception], ...]]:
    from lz4.frame import LZ4FrameDecompressor

    return LZ4FrameDecompressor, (RuntimeError,)


class Compression(NamedTuple):
    """A format of compressed files."""

    name: str
    magics: tuple[bytes, ...]
    """What its files begin with: any of these."""
    load: Callable[[], tuple[Callable[[], _Member], tuple[type[Exception], ...]]] | None
    """Imports what decompresses it: returns what makes a decompressor, and the errors that this raises. ``None``: it
    cannot be decompressed here."""
    command: str
    """The command that decompresses a file to standard output."""
    call: int = _CALL
    """Most bytes decompressed in one call."""
    member: int = 0
    """Bytes that a member has at least, on average of those after the first ``MANY``."""


_SKIPPABLE: Final = tuple(bytes((low,)) + b"\x2a\x4d\x18" for low in range(0x50, 0x60))
"""Frames without content, which zstd (``pzstd`` begins a file with one) and lz4 have in common (RFC 8878 3.1.2)."""

COMPRESSIONS: Final = (
    Compression("gzip", (b"\x1f\x8b",), lambda: (_GzipMember, (zlib.error,)), "gzip -dc", _GZIP_CALL),
    Compression("xz", (b"\xfd7zX",), _xz, "xz -dc"),
    Compression("bzip2", tuple(b"BZh%d" % level for level in range(1, 10)), _bzip2, "bzip2 -dc"),
    Compression("zstd", (b"\x28\xb5\x2f\xfd", *_SKIPPABLE), _zstd, "zstd -dc", member=256),
    Compression("lz4", (b"\x04\x22\x4d\x18",), _lz4, "lz4 -dc"),
    # Known by name only: what packs them is either out of use or makes archives of several files.
    Compression("lz4 (legacy format)", (b"\x02\x21\x4c\x18",), None, "lz4 -dc"),
    Compression("lzip", (b"LZIP",), None, "lzip -dc"),
    Compression("compress", (b"\x1f\x9d",), None, "gzip -dc"),
    Compression("zip", (b"PK\x03\x04",), None, "unzip -p"),
    Compression("7-Zip", (b"7z\xbc\xaf",), None, "7z x -so"),
)

LONGEST_MAGIC: Final = 4
"""First bytes of a file by which every format is recognised."""


def compression_of(head: bytes) -> Compression | None:
    """Return how a file is compressed that begins with these bytes; ``None``: not at all, or they are too few."""
    for compression in COMPRESSIONS:
        if head.startswith(compression.magics):
            return compression
    return None


def begins_like_compressed(head: bytes) -> bool:
    """Return whether these few bytes may be the beginning of a compressed file."""
    return any(magic.startswith(head) for compression in COMPRESSIONS for magic in compression.magics)


class Inflater:
    """Decompresses one file: any number of members, zero padding between and behind them.

    :param step: most bytes that one call of :meth:`step` returns.
    :raises UnsupportedCompressionError: it cannot be decompressed here, or the package for it is not installed.
    """

    def __init__(self, compression: Compression, step: int) -> None:
        self._compression = compression
        if compression.load is None:
            raise UnsupportedCompressionError(compression.name, command=compression.command)
        try:
            self._open, damage = compression.load()
        except ImportError:
            raise UnsupportedCompressionError(
                compression.name, command=compression.command, extra="compressed"
            ) from None
        self._damage: tuple[type[Exception], ...] = (CaptureFormatError, *damage)
        self._step = step
        self._input = b""
        self._member: _Member | None = None
        self._members = self._fed = 0
        self._error: CaptureFormatError | None = None

    def feed(self, data: bytes) -> None:
        """Add compressed bytes. Call :meth:`step` until it returns nothing before adding more."""
        self._input += data
        self._fed += len(data)

    def step(self) -> bytes:
        """Return at most one step of decompressed bytes; none when more compressed ones are needed.

        :raises CaptureFormatError: bytes that are no such format, a member whose checksum is wrong, or one that
            needs more memory than ``MAX_WINDOW``. The bytes in front of that place have been returned: of gzip all of
            them, of other formats all but the last 4096 at most.
        """
        if self._error is not None:
            raise self._error
        parts: list[bytes] = []
        room = self._step
        while room > 0:
            try:
                plain = self._more(min(room, self._compression.call))
            except self._damage as error:
                self._error = CaptureFormatError(f"{self._compression.name} member {self._members}: {error}")
                if parts:
                    break
                raise self._error from None
            if plain is None:
                break
            parts.append(plain)
            room -= len(plain)
        return b"".join(parts)

    def _more(self, size: int) -> bytes | None:
        """Return the next decompressed bytes, at most this many; ``None`` when more compressed ones are needed."""
        if self._member is None:
            # Tapes and block devices pad a file with zeros to a whole number of blocks.
            self._input = self._input.lstrip(b"\0") if self._members else self._input
            if not self._input:
                return None
            self._members += 1
            if (self._members - MANY) * self._compression.member > self._fed - len(self._input):
                raise CaptureFormatError("too many small ones")
            self._member = self._open()
        member = self._member
        if member.needs_input and not self._input:
            return None
        data, self._input = self._input, b""
        plain = member.decompress(data, max_length=size)
        if member.eof:
            self._input = member.unused_data or b""
            self._member = None
        return plain

    @property
    def inside_member(self) -> bool:
        """Whether a member has begun and not ended: a file that ended here would be cut short."""
        return self._member is not None
