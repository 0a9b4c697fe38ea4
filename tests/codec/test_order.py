"""Captures that are not in order of time, and captures in parts: read as the ordered whole is read."""

from __future__ import annotations

import gzip
import io
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ftwire
from ftwire.capture import Account, CaptureReader, Dissected, DissectedFrame
from ftwire.cipher import RsaKey
from ftwire.errors import CaptureError, CaptureFormatError, NotACaptureError, TruncatedCaptureError
from ftwire.pcap import Endpoint, Packet, PacketReader, PcapngWriter, PcapWriter
from ftwire.pcap.pcapfile import follow_pcap, follow_pcap_in_python
from ftwire.pcap.pcapngfile import follow_pcapng, follow_pcapng_in_python
from support.captures import START, pcap, session
from support.captures import packets as packets_of
from support.cores import needs_core, pure
from support.places import ROOT
from support.programs import Program

CAPTURES: Final = ROOT / "fixtures" / "captures"
RECORDED: Final = sorted(path for path in CAPTURES.iterdir() if path.suffix in {".pcap", ".pcapng"})
KEY: Final = RsaKey.from_pem((ROOT / "fixtures" / "keys" / "TEST-ONLY-1024.pem").read_bytes())
STEP: Final = 1000
"""Nanoseconds between two packets: pcap files of microseconds keep them apart."""

Timed = tuple[int, bytes]


def packets_in(path: Path) -> tuple[list[Timed], int]:
    """The packets of a recorded capture, each later than the one before, and their link type."""
    found: list[Packet] = list(PacketReader().feed(path.read_bytes()))
    return [(START + at * STEP, packet.data) for at, packet in enumerate(found)], found[0].link_type


@cache
def two_clients() -> list[Timed]:
    """Two sessions at the same time, one of them encrypted; made once, since RSA pads with random bytes."""
    first = packets_of(session(KEY))
    second = packets_of(session(), client=Endpoint(b"\x7f\0\0\1", 50113))
    mixed = sorted([*first, *second], key=lambda packet: packet[0])
    return [(START + at * STEP, data) for at, (_, data) in enumerate(mixed)]


def as_pcap(packets: Iterable[Timed], link_type: int = 1) -> bytes:
    writer = PcapWriter(link_type)
    return writer.header() + b"".join(writer.packet(*packet) for packet in packets)


def as_old_pcap(packets: Iterable[Timed], link_type: int = 1) -> bytes:
    writer = PcapWriter(link_type, nanoseconds=False, big_endian=True)
    return writer.header() + b"".join(writer.packet(*packet) for packet in packets)


def as_pcapng(packets: Sequence[Timed], link_type: int = 1) -> bytes:
    """Two sections, the second with two interfaces, old packet blocks and others between."""
    writer, half = PcapngWriter(big_endian=True), len(packets) // 2
    file = writer.section() + writer.interface(link_type)
    file += b"".join(writer.packet(*packet) for packet in packets[:half])
    file += writer.section() + writer.interface(link_type)
    for at, (time, data) in enumerate(packets[half:]):
        if at == 2:
            file += writer.interface(link_type, resolution=6)
        if at % 3 == 0:
            file += writer.old_packet(time, data)
        else:
            file += writer.packet(time, data, interface=min(at // 3, 1), options=writer.option(1, b"a comment"))
        file += writer.block(0x0BAD, b"custom") if at % 5 == 0 else b""
    return file


def in_gzip(packets: Sequence[Timed], link_type: int = 1) -> bytes:
    return gzip.compress(as_pcap(packets, link_type), 1, mtime=0)


WRITERS: Final = [as_pcap, as_old_pcap, as_pcapng, in_gzip]


def reports_of(sources: Sequence[bytes], **options: Any) -> tuple[list[Dissected], Account]:
    reader = CaptureReader(keys=[KEY], **options)
    return list(reader.read_files([io.BytesIO(source) for source in sources])), reader.account


def key_of(report: Dissected) -> object:
    """A report as a value that can be compared: errors are equal only to themselves."""
    if isinstance(report, DissectedFrame):
        seen = report.observation
        frame = seen.frame.encode()
        return (report.number, report.conversation, frame, seen.sender, seen.kind, seen.time, seen.packet, seen.latency)
    return type(report), report.conversation, report.time


def expect_the_same(found: tuple[list[Dissected], Account], expected: tuple[list[Dissected], Account]) -> None:
    assert list(map(key_of, found[0])) == list(map(key_of, expected[0]))
    assert found[1] == expected[1]
    assert found[1].late_packets == 0


def directions(packets: Sequence[Timed]) -> list[Timed]:
    """One direction after the other, as far as the bytes of packets differ in where they come from."""
    return sorted(packets, key=lambda packet: packet[1][26:38])


@st.composite
def disorders(draw: st.DrawFn, packets: Sequence[Timed]) -> list[Timed]:
    """The same packets in another order: single ones, blocks, one direction after the other, halves."""
    kind = draw(st.sampled_from(["packets", "blocks", "directions", "reversed", "neighbours"]))
    if kind == "packets":
        return draw(st.permutations(packets))
    if kind == "directions":
        return directions(packets)
    if kind == "reversed":
        return [*reversed(packets)]
    if kind == "neighbours":
        return [packet for at in range(0, len(packets), 2) for packet in reversed(packets[at : at + 2])]
    cuts = sorted(draw(st.lists(st.integers(0, len(packets)), max_size=5)))
    blocks = [packets[start:end] for start, end in pairwise([0, *cuts, len(packets)])]
    return [packet for block in draw(st.permutations(blocks)) for packet in block]


@pytest.mark.parametrize("context", [nullcontext, pure], ids=["core", "python"])
@given(source=st.data())
def test_the_order_of_packets_in_a_file_does_not_matter(context: Callable[[], Any], source: st.DataObject) -> None:
    packets = two_clients()
    write = source.draw(st.sampled_from(WRITERS))
    with context():
        found = reports_of([write(source.draw(disorders(packets)))])
        expect_the_same(found, reports_of([as_pcap(packets)]))
    assert found[1].frames == 10


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
@pytest.mark.parametrize(
    "disorder", [directions, lambda packets: packets[::-1], lambda packets: packets[7:] + packets[:7]]
)
def test_recorded_captures_out_of_order(path: Path, disorder: Callable[[list[Timed]], list[Timed]]) -> None:
    packets, link_type = packets_in(path)
    expected = reports_of([as_pcap(packets, link_type)])
    for write in WRITERS:
        expect_the_same(reports_of([write(disorder(packets), link_type)]), expected)


@pytest.mark.parametrize("context", [nullcontext, pure], ids=["core", "python"])
@given(source=st.data())
def test_parts_cut_anywhere_are_the_whole(context: Callable[[], Any], source: st.DataObject) -> None:
    packets = two_clients()
    cuts = sorted(source.draw(st.lists(st.integers(0, len(packets)), max_size=4)))
    parts = [packets[start:end] for start, end in pairwise([0, *cuts, len(packets)])]
    files = [source.draw(st.sampled_from(WRITERS))(part) for part in parts]
    with context():
        found = reports_of(source.draw(st.permutations(files)))
        expect_the_same(found, reports_of([as_pcap(packets)]))


def test_parts_are_read_wherever_a_frame_ends() -> None:
    """The part of a report is that of the packet which completed it, in the order in which the files were given."""
    packets = two_clients()
    parts = [packets[:9], packets[9:14], packets[14:]]
    order = [2, 0, 1]
    reader = CaptureReader(keys=[KEY])
    files = [io.BytesIO(as_pcap(parts[at])) for at in order]
    ends = [9, 14, len(packets)]
    frames = 0
    for report in reader.read_files(files):
        if isinstance(report, DissectedFrame):
            frames += 1
            expected = next(at for at, end in enumerate(ends) if report.observation.packet <= end)
            assert order[reader.part] == expected
    assert frames == 10


def test_parts_of_the_same_time_keep_their_order() -> None:
    """The first part ends with the time with which the second begins; a file in order stays as it is."""
    packets = [(START + (at >= 8), data) for at, (_, data) in enumerate(packets_of(session()))]
    expected = reports_of([as_pcap(packets)])
    assert expected[1].frames == 5
    for cut in range(1, 8):
        expect_the_same(reports_of([as_pcap(packets[cut:]), as_pcap(packets[:cut])]), expected)


def test_read_takes_paths_files_and_bytes(tmp_path: Path) -> None:
    packets = two_clients()
    paths = [tmp_path / name for name in ("b.pcap", "a.pcap")]
    for path, part in zip(paths, (packets[10:], packets[:10]), strict=True):
        path.write_bytes(as_pcap(part))
    expected = list(map(key_of, ftwire.read(as_pcap(packets), keys=[KEY])))
    assert len(expected) == 10
    with paths[0].open("rb") as file:
        many: list[Any] = [paths, tuple(map(str, paths)), [file, paths[1].read_bytes()]]
        for sources in many:
            assert list(map(key_of, ftwire.read(sources, keys=[KEY]))) == expected
        assert not file.closed


def test_packets_without_a_time_stay_in_their_place() -> None:
    writer = PcapngWriter()
    packets = packets_of(session())
    file = writer.section() + writer.interface()
    for at, (_, data) in enumerate(packets):
        file += writer.packet(START + at, data) if at % 3 else writer.simple_packet(data)
    found, account = reports_of([file])
    assert (account.frames, account.late_packets, account.undecoded_bytes) == (5, 0, 0)
    assert [report.number for report in found if isinstance(report, DissectedFrame)] == [1, 2, 3, 4, 5]


class TestStreams:
    def test_a_pipe_is_reported_as_it_comes_and_late_packets_are_counted(self) -> None:
        packets, writer = two_clients(), PcapWriter()
        reader, straight = CaptureReader(keys=[KEY]), CaptureReader(keys=[KEY])
        for each in (reader, straight):
            assert list(each.feed(writer.header())) == []
        for packet in packets:
            assert list(map(key_of, reader.feed(writer.packet(*packet)))) == list(
                map(key_of, straight.feed(writer.packet(*packet)))
            )
        assert reader.account.frames == 10
        for packet in packets[4:6]:
            list(reader.feed(writer.packet(*packet)))
        assert (reader.account.late_packets, straight.account.late_packets) == (2, 0)

    @pytest.mark.parametrize("at_once", [True, False])
    def test_a_pipe_that_need_not_be_shown_at_once_is_put_in_order(self, at_once: bool) -> None:
        packets = two_clients()
        expected = reports_of([as_pcap(packets)])
        receiver, sender = os.pipe()
        thread = threading.Thread(target=_write, args=(sender, as_pcap(packets[::-1])))
        thread.start()
        reader = CaptureReader(keys=[KEY])
        with open(receiver, "rb") as stream:  # noqa: PTH123 - a descriptor, not a path
            found = list(reader.read_files([stream], at_once=at_once))
        thread.join()
        if at_once:
            assert reader.account.late_packets == len(packets) - 1
        else:
            expect_the_same((found, reader.account), expected)

    def test_a_raw_stream_through_a_pipe(self) -> None:
        raw = b"".join(said.data for said in session()[:1])
        receiver, sender = os.pipe()
        thread = threading.Thread(target=_write, args=(sender, raw))
        thread.start()
        with open(receiver, "rb") as stream:  # noqa: PTH123 - a descriptor, not a path
            found = list(CaptureReader().read_files([stream], at_once=False))
        thread.join()
        assert [type(report) for report in found if isinstance(report, DissectedFrame)] == [DissectedFrame]

    def test_what_lies_outside_of_the_window_is_counted(self) -> None:
        """More than 32 MiB lie between the first packet and its place: the window holds them no longer."""
        first, *rest = two_clients()
        filler = [(START + (1 << 40) + at, bytes(1 << 20)) for at in range(40)]
        file = as_pcap([*rest, *filler, first])
        assert reports_of([gzip.compress(file, 1)])[1].late_packets == 1
        # The file itself has an index.
        found, account = reports_of([file])
        assert (account.late_packets, account.frames) == (0, 10)
        assert [report.number for report in found if isinstance(report, DissectedFrame)] == list(range(1, 11))

    @pytest.mark.long
    def test_more_runs_than_the_index_holds(self) -> None:
        """Pairs of packets far apart: the index ends after 262,144 runs, and what is behind it comes late."""
        count, writer = 270_000, PcapWriter()
        file = writer.header() + b"".join(writer.packet(START + count - at, b"") for at in range(count))
        # 33 MiB behind the index, then a packet that belongs in front of everything.
        behind = b"".join(writer.packet(START + 2 * count + at, bytes(1 << 20)) for at in range(40))
        _, account = reports_of([file + behind + writer.packet(START, b"")])
        assert account.other_packets == count + 41
        assert account.late_packets == 1


class TestDamage:
    def test_a_damaged_part_does_not_keep_the_others(self) -> None:
        packets = two_clients()
        whole = reports_of([as_pcap(packets)])
        parts = [as_pcap(packets[:10]) + b"\xff" * 40, as_pcap(packets[10:])[:-7]]
        reader = CaptureReader(keys=[KEY])
        found: list[Dissected] = []
        with pytest.raises(CaptureFormatError):
            found.extend(reader.read_files([io.BytesIO(part) for part in parts]))
        assert [type(error) for error in reader.account.damaged_parts.values()] == [
            CaptureFormatError,
            TruncatedCaptureError,
        ]
        assert reader.account.frames == whole[1].frames

    @pytest.mark.parametrize("write", [as_pcap, as_pcapng, in_gzip])
    @given(source=st.data())
    def test_a_file_cut_or_damaged_anywhere(
        self, write: Callable[[Sequence[Timed]], bytes], source: st.DataObject
    ) -> None:
        """Disorder and damage together raise documented errors only, with the core and without."""
        file = bytearray(write(source.draw(disorders(two_clients()))))
        if source.draw(st.booleans()):
            file = file[: source.draw(st.integers(0, len(file)))]
        elif source.draw(st.booleans()):
            file[source.draw(st.integers(0, len(file) - 1))] ^= source.draw(st.integers(1, 255))
        results = []
        for context in (nullcontext, pure):
            reader, found, error = CaptureReader(raw=False), [], ""
            with context():
                try:
                    for report in reader.read_files([io.BytesIO(file)]):
                        found.append(key_of(report))  # noqa: PERF401 - what came before an error must be kept
                except CaptureError as raised:
                    error = f"{type(raised).__name__}: {raised}"
            results.append((found, error))
        assert results[0] == results[1]

    def test_a_file_that_grows_while_it_is_read(self) -> None:
        """Its last packet was cut when it was looked through, and is whole when it is read."""
        whole = as_pcap(two_clients())
        file = io.BytesIO(whole[:-7])
        reader = CaptureReader(keys=[KEY])
        reports = reader.read_files([file])
        file.seek(0, io.SEEK_END)
        file.write(whole[-7:])
        expect_the_same((list(reports), reader.account), reports_of([whole]))

    def test_what_is_no_capture_is_no_part(self) -> None:
        with pytest.raises(NotACaptureError):
            list(ftwire.read([pcap(session()), b"hello, hello"]))

    def test_no_file_at_all(self) -> None:
        assert reports_of([]) == ([], Account())


class TestPrograms:
    """mergecap, editcap and reordercap make what this is for; reordercap says what the order is."""

    @pytest.mark.parametrize("path", RECORDED[:4], ids=lambda path: path.name)
    def test_appended_captures(self, path: Path, tmp_path: Path, mergecap: Program, reordercap: Program) -> None:
        packets, link_type = packets_in(path)
        apart = directions(packets)
        cut = next((at for at, (one, two) in enumerate(pairwise(apart), 1) if two[0] < one[0]), len(apart))
        for name, part in (("a", apart[:cut]), ("b", apart[cut:])):
            (tmp_path / f"{name}.pcap").write_bytes(as_pcap(part, link_type))
        merged, ordered = tmp_path / "merged.pcapng", tmp_path / "ordered.pcapng"
        mergecap("-a", "-w", merged, tmp_path / "a.pcap", tmp_path / "b.pcap")
        reordercap(merged, ordered)
        expect_the_same(reports_of([merged.read_bytes()]), reports_of([ordered.read_bytes()]))
        expect_the_same(reports_of([ordered.read_bytes()]), reports_of([as_pcap(packets, link_type)]))

    def test_a_capture_in_parts(self, tmp_path: Path, editcap: Program) -> None:
        packets = two_clients()
        (tmp_path / "whole.pcap").write_bytes(as_pcap(packets))
        editcap("-c", "5", tmp_path / "whole.pcap", tmp_path / "part.pcap")
        parts = [path.read_bytes() for path in sorted(tmp_path.glob("part_*.pcap"), reverse=True)]
        assert len(parts) > 3
        expect_the_same(reports_of(parts), reports_of([as_pcap(packets)]))


U32 = st.integers(0, 0xFFFF_FFFF)
TIMES = st.integers(-(1 << 64), 1 << 64)


@needs_core
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 9)), max_size=8), st.data())
def test_the_core_follows_pcap_as_python_does(records: list[tuple[int, int, int]], source: st.DataObject) -> None:
    data = b"".join(
        PcapWriter().packet(seconds * 1_000_000_000 + rest, bytes(size)) for seconds, rest, size in records
    ) + source.draw(st.binary(max_size=30))
    header, largest = source.draw(st.sampled_from([16, 24])), source.draw(st.sampled_from([5, 0xFFFF_FFFF]))
    at = source.draw(st.just(0) | st.integers(0, len(data) + 1))
    latest, until = source.draw(st.just(-(1 << 100)) | TIMES), source.draw(st.just(1 << 100) | TIMES)
    for order in "<>":
        for unit in (1, 1000):
            arguments = (data, at, order, unit, header, largest, latest, until)
            assert follow_pcap(*arguments) == follow_pcap_in_python(*arguments)


@needs_core
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 9)), max_size=8), st.data())
def test_the_core_follows_pcapng_as_python_does(records: list[tuple[int, int, int]], source: st.DataObject) -> None:
    writer = PcapngWriter()
    writer.section()
    for _ in range(3):
        writer.interface()
    data = b"".join(writer.packet(time, bytes(size), interface=index) for time, index, size in records)
    data += source.draw(st.binary(max_size=40))
    clocks = [
        (source.draw(st.integers(1, 1_000_000_000)), source.draw(st.integers(1, 1 << 94)), source.draw(TIMES))
        for _ in range(source.draw(st.integers(0, 3)))
    ]
    at, largest = (
        source.draw(st.just(0) | st.integers(0, len(data) + 1)),
        source.draw(st.sampled_from([40, 0xFFFF_FFFF])),
    )
    latest, until = source.draw(st.just(-(1 << 100)) | TIMES), source.draw(st.just(1 << 100) | TIMES)
    arguments = (data, at, "<", largest, clocks, latest, until)
    assert follow_pcapng(*arguments) == follow_pcapng_in_python(*arguments)


def _write(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
