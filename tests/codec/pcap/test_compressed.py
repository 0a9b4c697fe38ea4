"""Compressed captures: gzip, xz, bzip2, zstd and lz4, whole, cut, damaged and hostile."""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ftwire
from ftwire.capture import is_capture
from ftwire.errors import (
    CaptureFormatError,
    NotACaptureError,
    TruncatedCaptureError,
    UnsupportedCompressionError,
)
from ftwire.pcap import PacketReader, PcapWriter
from ftwire.strategies import mutations
from support.captures import pcap, session
from support.pcap_model import chunks, read_packets
from support.programs import absent

MIB = 1 << 20
NAMES = ["gzip", "xz", "bzip2", "zstd", "lz4"]
every_format = pytest.mark.parametrize("name", NAMES)
CAPTURE = PcapWriter().header() + b"".join(PcapWriter().packet(at, b"packet %d" % at) for at in range(40))


def packer(name: str) -> Callable[[bytes], bytes]:
    """What compresses to a format: zstd and lz4 have packages of their own."""
    standard: dict[str, Callable[[bytes], bytes]] = {
        "gzip": lambda data: gzip.compress(data, mtime=0),
        "xz": lzma.compress,
        "bzip2": bz2.compress,
    }
    if name in standard:
        return standard[name]
    module = "lz4.frame" if name == "lz4" else "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    try:
        found: Any = importlib.import_module(module)
    except ImportError:
        absent(f"the package of {module} is not installed")
    compress: Callable[[bytes], bytes] = found.compress
    return compress


def packed(name: str, data: bytes = CAPTURE) -> bytes:
    return packer(name)(data)


PLAIN = read_packets([CAPTURE])[0]


@every_format
@given(cuts=st.lists(st.integers(0, 2000), max_size=8))
def test_a_compressed_capture_is_read_in_any_chunks(name: str, cuts: list[int]) -> None:
    assert read_packets(chunks(packed(name), cuts)) == (PLAIN, None)


@every_format
def test_byte_by_byte_and_in_several_parts(name: str) -> None:
    pack = packer(name)
    parts = pack(CAPTURE[:100]) + pack(b"") + pack(CAPTURE[100:])
    assert read_packets([parts]) == read_packets([bytes((byte,)) for byte in parts]) == (PLAIN, None)
    # Tapes and block devices pad a file with zeros.
    assert read_packets([parts + bytes(512)]) == (PLAIN, None)


@every_format
def test_cut_anywhere_it_gives_what_is_whole_and_says_so(name: str) -> None:
    whole = packed(name)
    for end in range(1, len(whole)):
        packets, error = read_packets([whole[:end]])
        assert isinstance(error, TruncatedCaptureError), end
        assert packets == PLAIN[: len(packets)]


@every_format
def test_damage_anywhere_in_the_first_bytes_is_a_documented_error(name: str) -> None:
    """Whatever the head holds: no error escapes that a tool does not expect, and packets are only right ones."""
    whole = packed(name)
    for at in range(min(40, len(whole))):
        for value in (0x00, 0x01, 0x7F, 0x80, 0xE0, 0xFF, whole[at] ^ 0x10):
            damaged = whole[:at] + bytes((value,)) + whole[at + 1 :]
            packets, error = read_packets([damaged])
            assert is_capture(damaged) == is_capture(damaged[:4])
            assert error is None or type(error) in (
                CaptureFormatError,
                NotACaptureError,
                TruncatedCaptureError,
                UnsupportedCompressionError,
            )
            # zstd and lz4 have a checksum only where it was asked for.
            if error is None and name in ("gzip", "xz", "bzip2"):
                assert packets == PLAIN


@every_format
@given(source=st.data())
def test_damage_gives_packets_and_an_error_whatever_the_chunks(name: str, source: st.DataObject) -> None:
    damaged = source.draw(mutations(packed(name), max_changes=3)).data
    whole, pieces = read_packets([damaged]), read_packets([bytes((byte,)) for byte in damaged])
    if name == "gzip":
        assert (type(whole[1]), str(whole[1])) == (type(pieces[1]), str(pieces[1]))
    # What else decompresses returns less in front of the damage, where much came at once.
    assert (whole[1] is None) == (pieces[1] is None)
    assert whole[0][: len(pieces[0])] == pieces[0][: len(whole[0])]


@every_format
def test_something_else_behind_the_capture_is_damage(name: str) -> None:
    packets, error = read_packets([packed(name) + b"something else"])
    assert isinstance(error, CaptureFormatError)
    assert f"{name} member 2" in str(error)
    assert packets == PLAIN


@pytest.mark.parametrize("name", ["gzip", "xz", "bzip2", "zstd", "lz4"])
def test_packets_in_front_of_damage_are_given_out(name: str) -> None:
    """All of them in gzip, of other formats all but those of the last 4 KiB."""
    noise = b"".join(PcapWriter().packet(at, at.to_bytes(4, "big") * 20) for at in range(2000))
    part = packed(name, CAPTURE[:24] + noise)
    packets, error = read_packets([part + packed(name, noise)[:-200] + bytes(8) + b"\xff" * 192])
    assert isinstance(error, CaptureFormatError)
    assert len(packets) >= 2000


@pytest.mark.sampled(5)
@every_format
def test_a_bomb_takes_no_more_memory_than_a_step(name: str) -> None:
    # Empty records: all at once, their packets take 50 MiB.
    bomb = packed(name, CAPTURE[:24] + bytes(4 * MIB))
    assert len(bomb) < MIB
    seen = 0
    tracemalloc.start()
    try:
        for _ in PacketReader().feed(bomb):
            seen += 1
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seen == 4 * MIB // 16
    # A third of it is what xz keeps of its output, to look back into.
    assert peak < 20 * MIB


def test_a_window_of_gigabytes_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 30}]
    large = lzma.LZMACompressor(filters=filters)
    _, error = read_packets([large.compress(CAPTURE) + large.flush()])
    assert isinstance(error, CaptureFormatError)
    # A frame that announces a window of 2 GiB (RFC 8878 section 3.1.1.1.2: exponent 21 above 10).
    packed("zstd")
    _, error = read_packets([bytes.fromhex("28b52ffd") + b"\0" + bytes((21 << 3,)) + bytes(20)])
    assert isinstance(error, CaptureFormatError)


def test_frames_without_end_are_refused() -> None:
    """Each takes as long as decompressing kilobytes: a file of many megabytes of them would take minutes."""
    empty = bytes.fromhex("502a4d1800000000")
    flood = packed("zstd") + empty * 50_000
    packets, error = read_packets([flood])
    assert isinstance(error, CaptureFormatError)
    assert (packets, str(error).endswith("too many small ones")) == (PLAIN, True)
    assert str(read_packets(chunks(flood, range(0, len(flood), 7)))[1]) == str(error)
    assert read_packets([packed("zstd") + empty * 5000 + packed("zstd", CAPTURE[24:])])[1] is None


def test_zstd_of_pzstd_begins_with_a_frame_that_is_skipped() -> None:
    skipped = bytes.fromhex("502a4d18") + (4).to_bytes(4, "little") + b"size"
    assert read_packets([skipped + packed("zstd")]) == (PLAIN, None)


@pytest.mark.parametrize(
    ("head", "name", "command"),
    [
        (b"PK\x03\x04", "zip", "unzip -p"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip", "7z x -so"),
        (b"LZIP\x01", "lzip", "lzip -dc"),
        (b"\x1f\x9d\x90", "compress", "gzip -dc"),
        (b"\x02\x21\x4c\x18", "lz4 (legacy format)", "lz4 -dc"),
    ],
)
def test_what_cannot_be_decompressed_is_named_with_a_remedy(head: bytes, name: str, command: str) -> None:
    for parts in ([head + bytes(40)], [bytes((byte,)) for byte in head + bytes(40)]):
        packets, error = read_packets(parts)
        assert isinstance(error, UnsupportedCompressionError)
        assert not packets
        assert str(error) == f"compressed with {name}: decompress it first: {command} FILE | ftwire dump -"


@pytest.mark.parametrize(("package", "name", "magic"), [("backports", "zstd", "28b52ffd"), ("lz4", "lz4", "04224d18")])
def test_a_package_that_is_missing_is_named_with_its_extra(
    package: str, name: str, magic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "zstd" and sys.version_info >= (3, 14):
        package = "compression"
    for module in [each for each in sys.modules if each.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UnsupportedCompressionError) as raised:
        list(ftwire.read(bytes.fromhex(magic) + bytes(40)))
    error = raised.value
    assert (error.compression, error.command, error.extra) == (name, f"{name} -dc", "compressed")
    assert str(error) == (
        f"compressed with {name}: install what decompresses it (pip install 'ftwire[compressed]'), "
        f"or decompress it first: {name} -dc FILE | ftwire dump -"
    )


def test_reading_what_is_not_compressed_imports_no_decompressor() -> None:
    program = (
        f"import sys, ftwire; list(ftwire.pcap.PacketReader().feed({CAPTURE!r})); "
        "print([name for name in ('lzma', 'bz2', 'backports', 'lz4', 'compression') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout == "[]\n"


@every_format
def test_read_takes_a_compressed_file_by_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(packed(name, pcap(session())))
    frames = ftwire.read(path)
    assert [frame.proto_id for frame in frames] == [1001, 1001, 3008, 3008, 3009]
    assert frames.account.damage is None


@every_format
def test_text_that_is_compressed_is_no_capture(name: str) -> None:
    with pytest.raises(NotACaptureError, match="neither a capture"):
        list(ftwire.read(packed(name, b"what a text file holds")))
