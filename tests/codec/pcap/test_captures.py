from __future__ import annotations

import gzip
import io
import struct

import dpkt  # type: ignore[import-untyped]  # has no annotations
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire.errors import CaptureError, CaptureFormatError, NotACaptureError, TruncatedCaptureError
from ftwire.pcap import Limits, LinkType, Packet, PacketReader, PcapngWriter, PcapWriter
from support.pcap_model import chunks, read_packets

SECOND = 1_000_000_000


def read(parts: list[bytes], limits: Limits | None = None) -> list[Packet]:
    packets, error = read_packets(parts, limits)
    if error is not None:
        raise error
    return packets


def read_damaged(parts: list[bytes], limits: Limits | None = None) -> tuple[list[Packet], CaptureError]:
    packets, error = read_packets(parts, limits)
    assert error is not None
    return packets, error


def short(packets: list[Packet]) -> list[tuple[int, bytes, int]]:
    return [(packet.time_ns, packet.data, packet.original_length) for packet in packets]


captured = st.tuples(st.integers(0, 0xFFFFFFFF * SECOND + 999_999_999), st.binary(max_size=40), st.integers(0, 9))
cut_positions = st.lists(st.integers(0, 3000), max_size=10)


@given(st.lists(captured, max_size=12), st.booleans(), st.booleans(), st.booleans(), cut_positions)
def test_pcap_is_read_as_written(
    packets: list[tuple[int, bytes, int]],
    nanoseconds: bool,
    big_endian: bool,
    compressed: bool,
    cuts: list[int],
) -> None:
    writer = PcapWriter(LinkType.LOOP, nanoseconds=nanoseconds, big_endian=big_endian)
    file = writer.header() + b"".join(writer.packet(at, data, len(data) + cut) for at, data, cut in packets)
    if compressed:
        file = gzip.compress(file)
    got = read(chunks(file, cuts))
    unit = 1 if nanoseconds else 1000
    assert short(got) == [(at // unit * unit, data, len(data) + cut) for at, data, cut in packets]
    assert [packet.number for packet in got] == list(range(1, len(packets) + 1))
    assert {packet.link_type for packet in got} <= {LinkType.LOOP}


@given(st.lists(captured, max_size=12), st.booleans(), st.booleans())
def test_dpkt_reads_what_we_write(packets: list[tuple[int, bytes, int]], nanoseconds: bool, big_endian: bool) -> None:
    writer = PcapWriter(nanoseconds=nanoseconds, big_endian=big_endian)
    file = writer.header() + b"".join(writer.packet(at, data) for at, data, _ in packets)
    theirs = list(dpkt.pcap.Reader(io.BytesIO(file)))
    assert [data for _, data in theirs] == [data for _, data, _ in packets]
    for (at, _, _), (seconds, _) in zip(packets, theirs, strict=True):
        assert float(seconds) == pytest.approx(at / SECOND, abs=2e-6)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_modified_format_has_longer_records(order: str) -> None:
    header = struct.pack(order + "IHHiIII", 0xA1B2CD34, 2, 4, 0, 0, 65535, 1)
    record = struct.pack(order + "IIIIIHBB", 5, 7, 3, 9, 2, 0x0800, 0, 0) + b"abc"
    assert short(read([header + record * 2])) == [(5 * SECOND + 7000, b"abc", 9)] * 2


def test_a_frame_check_sequence_is_no_part_of_the_link_type() -> None:
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 0x24000001)
    (packet,) = read([header + struct.pack("<IIII", 0, 0, 1, 1) + b"x"])
    assert packet.link_type == LinkType.ETHERNET


Block = tuple[str, int, int, bytes, int]


@st.composite
def pcapng_files(draw: st.DrawFn) -> tuple[bytes, list[tuple[int, bytes, int, int]]]:
    """A file of several sections, and (time, data, original length, link type) of its packets."""
    file, expected = b"", []
    for _ in range(draw(st.integers(1, 3))):
        writer = PcapngWriter(big_endian=draw(st.booleans()))
        file += writer.section(draw(st.sampled_from([-1, 10_000])), options=draw(junk_options(writer)))
        interfaces: list[tuple[int, int, int, int]] = []
        for _ in range(draw(st.integers(0, 10))):
            kinds = ["interface", "other"] + ["packet", "old", "simple"] * bool(interfaces)
            kind = draw(st.sampled_from(kinds))
            if kind == "interface":
                link_type = draw(st.sampled_from([1, 0, 113, 276, 9999]))
                resolution = draw(st.sampled_from([9, 6, 3, 0, 12, 0x80, 0x80 + 10, 0x80 + 30, 0x80 + 40]))
                offset_s = draw(st.sampled_from([0, 0, -1000, 1000]))
                snap_length = draw(st.sampled_from([0, 10, 262144]))
                interfaces.append((link_type, resolution, offset_s, snap_length))
                file += writer.interface(
                    link_type,
                    resolution=resolution,
                    offset_s=offset_s,
                    snap_length=snap_length,
                    options=draw(junk_options(writer)),
                )
                continue
            if kind == "other":
                # Name resolution, statistics, secrets, custom, and a number nobody has assigned.
                number = draw(st.sampled_from([4, 5, 10, 0xBAD, 0x40000BAD, 0x7777]))
                file += writer.block(number, draw(st.binary(max_size=30)))
                continue
            data, more = draw(st.binary(max_size=30)), draw(st.integers(0, 5))
            if kind == "simple":
                snap_length = interfaces[0][3]
                kept = data[:snap_length] if snap_length else data
                # Only a snap length lets a simple packet be shorter than it was.
                more = more if len(kept) == snap_length else 0
                file += writer.simple_packet(kept, len(kept) + more)
                expected.append((0, kept, len(kept) + more, interfaces[0][0]))
                continue
            at = draw(st.integers(0, len(interfaces) - 1))
            link_type, resolution, offset_s, _ = interfaces[at]
            time_ns = draw(st.integers(1000 * SECOND, (1 << 23) * SECOND))
            units = 1 << (resolution & 0x7F) if resolution & 0x80 else 10**resolution
            ticks = (time_ns - offset_s * SECOND) * units // SECOND
            expected.append((ticks * SECOND // units + offset_s * SECOND, data, len(data) + more, link_type))
            if kind == "packet":
                file += writer.packet(
                    time_ns,
                    data,
                    interface=at,
                    original_length=len(data) + more,
                    options=draw(junk_options(writer)),
                )
            else:
                file += writer.old_packet(time_ns, data, interface=at, original_length=len(data) + more)
    return file, expected


def junk_options(writer: PcapngWriter) -> st.SearchStrategy[bytes]:
    """Options we do not read; some end in the middle of one."""
    comment = writer.option(1, b"a comment")
    return st.sampled_from(
        [b"", comment, comment + bytes(4), writer.option(0x7000, bytes(7)), b"\0\1\xff\xff", b"\1\0\xff\xff"]
    )


@given(pcapng_files(), st.booleans(), cut_positions)
def test_pcapng_is_read_as_written(
    file_and_packets: tuple[bytes, list[tuple[int, bytes, int, int]]], compressed: bool, cuts: list[int]
) -> None:
    file, expected = file_and_packets
    if compressed:
        file = gzip.compress(file)
    got = read(chunks(file, cuts))
    assert [(*one, packet.link_type) for one, packet in zip(short(got), got, strict=True)] == expected


def test_resolutions_of_a_whole_section_stay_apart() -> None:
    writer = PcapngWriter()
    file = writer.section() + writer.interface(resolution=6) + writer.interface(LinkType.RAW, resolution=9)
    file += writer.packet(1_234_567_891, b"a", interface=0) + writer.packet(1_234_567_891, b"b", interface=1)
    first, second = read([file])
    assert (first.time_ns, second.time_ns) == (1_234_567_000, 1_234_567_891)
    assert (first.interface.index, second.interface.index) == (0, 1)


PCAP = PcapWriter().header() + PcapWriter().packet(1, b"abcdef") + PcapWriter().packet(2, b"ghi")
_NG = PcapngWriter()
PCAPNG = _NG.section() + _NG.interface() + _NG.packet(1, b"abcdef") + _NG.packet(2, b"ghi")
FORMATS = pytest.mark.parametrize("file", [PCAP, PCAPNG], ids=["pcap", "pcapng"])


@FORMATS
def test_a_file_read_byte_by_byte(file: bytes) -> None:
    whole = read([file])
    assert [packet.data for packet in whole] == [b"abcdef", b"ghi"]
    assert read([bytes((byte,)) for byte in file]) == whole
    assert read([bytes((byte,)) for byte in gzip.compress(file)]) == whole


@FORMATS
def test_a_file_cut_anywhere_gives_what_is_whole_and_says_so(file: bytes) -> None:
    whole = read([file])
    edges = {24, 46, 65} if file is PCAP else {28, 28 + 28 + 4, 100, 136}
    for end in range(1, len(file)):
        cut = [file[:end]]
        try:
            packets = read(cut)
        except TruncatedCaptureError:
            packets, error = read_damaged(cut)
            assert error.offset == end
        else:
            assert end in edges
        assert packets == whole[: len(packets)]


@FORMATS
def test_a_gzip_file_cut_anywhere_says_so(file: bytes) -> None:
    squeezed = gzip.compress(file)
    for end in range(1, len(squeezed)):
        packets, error = read_damaged([squeezed[:end]])
        assert isinstance(error, TruncatedCaptureError)
        assert packets == read([file])[: len(packets)]


def test_gzip_of_several_members_with_padding() -> None:
    file = gzip.compress(PCAP[:30]) + gzip.compress(b"") + gzip.compress(PCAP[30:]) + bytes(512)
    assert read([file]) == read([bytes((byte,)) for byte in file]) == read([PCAP])


def test_gzip_with_a_wrong_checksum_is_damaged() -> None:
    squeezed = bytearray(gzip.compress(PCAP))
    squeezed[-8] ^= 1
    packets, error = read_damaged([bytes(squeezed)])
    assert isinstance(error, CaptureFormatError)
    assert len(packets) == 2


def test_gzip_followed_by_something_else_is_damaged() -> None:
    packets, error = read_damaged([gzip.compress(PCAP) + b"something else"])
    assert isinstance(error, CaptureFormatError)
    assert len(packets) == 2


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"\0" * 100,
        b"0",
        b"xy",
        b"a text file\n",
        gzip.compress(b""),
        gzip.compress(b"a text file\n"),
        b"\n\r\r\n" + b"?" * 50,
    ],
    ids=[
        "empty",
        "zeros",
        "one byte",
        "two bytes",
        "text",
        "gzip of nothing",
        "gzip of text",
        "half a magic",
    ],
)
def test_what_is_no_capture(file: bytes) -> None:
    for parts in ([file], [bytes((byte,)) for byte in file]):
        packets, error = read_damaged(parts)
        assert isinstance(error, NotACaptureError)
        assert not packets


def damaged_pcapng(kind: int, body: bytes) -> bytes:
    return PCAPNG + PcapngWriter().block(kind, body)


def lying(block: bytes) -> bytes:
    return block[:-4] + struct.pack("<I", len(block) + 4)


@pytest.mark.parametrize(
    "file",
    [
        PCAP + struct.pack("<IIII", 0, 0, 0xFFFFFFFF, 0xFFFFFFFF),
        PCAP + struct.pack("<IIII", 0, 0, (16 << 20) + 1, 1),
        PCAPNG + struct.pack("<III", 6, 0xFFFFFFFC, 0),
        PCAPNG + struct.pack("<III", 6, 0, 0),
        PCAPNG + struct.pack("<III", 0x7777, 13, 0) + bytes(20),
        PCAPNG + lying(_NG.packet(3, b"xyz")),
        damaged_pcapng(6, struct.pack("<IIIII", 0, 0, 0, 0xFFFFFFFF, 5) + b"abcd"),
        damaged_pcapng(6, struct.pack("<IIIII", 0, 0, 0, 5, 5) + b"abcd"),
        damaged_pcapng(6, struct.pack("<IIIII", 1, 0, 0, 1, 1) + b"abcd"),
        damaged_pcapng(2, struct.pack("<HHIIII", 0, 0, 0, 0, 9, 9) + b"abcd"),
        damaged_pcapng(2, struct.pack("<HHIIII", 7, 0, 0, 0, 1, 1) + b"abcd"),
        damaged_pcapng(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 2, 0, -1)),
        damaged_pcapng(0x0A0D0D0A, bytes(16)),
        PCAPNG + PcapngWriter().section() + PcapngWriter().simple_packet(b"abcd"),
    ],
)
def test_lengths_that_lie(file: bytes) -> None:
    for parts in ([file], [bytes((byte,)) for byte in file]):
        packets, error = read_damaged(parts)
        assert isinstance(error, CaptureFormatError)
        assert error.offset is not None
        assert [packet.data for packet in packets] == [b"abcdef", b"ghi"]


@pytest.mark.parametrize("nanoseconds", [False, True])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_files_that_cat_has_joined(nanoseconds: bool, size: int) -> None:
    writer = PcapWriter(nanoseconds=nanoseconds)
    file = writer.header() + writer.packet(1_700_000_000_000_000_000, b"packet")
    reader = PacketReader()
    found: list[Packet] = []
    joined = chunks(file + file, range(size, 2 * len(file), size))
    with pytest.raises(CaptureFormatError, match=rf"another capture begins here, .* \(file offset {len(file)}\)"):
        found.extend(packet for chunk in joined for packet in reader.feed(chunk))
    assert found[0].data == b"packet"


def test_a_version_nobody_knows() -> None:
    _, error = read_damaged([PCAP[:4] + b"\x09\0" + PCAP[6:]])
    assert isinstance(error, CaptureFormatError)


def test_after_an_error_there_is_no_reading_on() -> None:
    reader = PacketReader(Limits(max_record=4))
    with pytest.raises(CaptureFormatError):
        list(reader.feed(PCAP))
    with pytest.raises(CaptureFormatError):
        list(reader.feed(b"more"))
    reader.close()


def test_the_record_limit_is_inclusive() -> None:
    assert len(read([PCAP], Limits(max_record=6))) == 2
    packets, error = read_damaged([PCAP], Limits(max_record=5))
    assert (packets, str(error)) == ([], "a packet of 6 bytes is announced, the limit is 5 (file offset 24)")


@FORMATS
@given(data=st.data())
def test_a_mutated_file_gives_packets_or_a_documented_error(file: bytes, data: st.DataObject) -> None:
    damaged = bytearray(gzip.compress(file) if data.draw(st.booleans()) else file)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        if not damaged:
            break
    outcomes = []
    for parts in ([bytes(damaged)], [bytes((byte,)) for byte in damaged]):
        got, error = read_packets(parts)
        outcomes.append((got, type(error), str(error)))
    assert outcomes[0] == outcomes[1]


def test_writers_refuse_times_their_format_cannot_say() -> None:
    with pytest.raises(ValueError, match="32-bit"):
        PcapWriter().packet(-1, b"")
    with pytest.raises(ValueError, match="32-bit"):
        PcapWriter().packet((1 << 32) * SECOND, b"")
    writer = PcapngWriter()
    with pytest.raises(ValueError, match="not described"):
        writer.packet(0, b"")
    writer.interface()
    with pytest.raises(ValueError, match="no time"):
        writer.packet(-1, b"")
