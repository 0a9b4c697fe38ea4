"""Decryption secrets of a pcapng file, and the parts of a made-up connection that a proxy needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire.pcap import (
    CloseReason,
    Data,
    Direction,
    Dissector,
    Endpoint,
    FlowClosed,
    Limits,
    MissingBytes,
    PacketReader,
    PcapngWriter,
    PcapWriter,
    Secrets,
    TcpConversation,
)
from support.programs import Program

A, B = Direction.A_TO_B, Direction.B_TO_A
CLIENT, SERVER = Endpoint(b"\x7f\0\0\1", 50000), Endpoint(b"\x7f\0\0\1", 11111)


def secrets_of(file: bytes, limits: Limits | None = None) -> tuple[Secrets, ...]:
    reader = PacketReader(limits)
    assert len(list(reader.feed(file))) == file.count(b"packet")
    reader.close()
    return reader.secrets


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=40)), max_size=5), st.booleans())
def test_secrets_are_read_as_written(secrets: list[tuple[int, bytes]], big_endian: bool) -> None:
    writer = PcapngWriter(big_endian=big_endian)
    file = writer.section() + writer.interface()
    file += b"".join(writer.secrets(kind, data) + writer.packet(0, b"packet") for kind, data in secrets)
    assert secrets_of(file) == tuple(secrets)


def test_secrets_are_there_before_the_packets_behind_them() -> None:
    writer = PcapngWriter()
    file = writer.section() + writer.interface() + writer.secrets(7, b"one") + writer.packet(0, b"packet")
    reader = PacketReader()
    for at in range(len(file)):
        for _ in reader.feed(file[at : at + 1]):
            assert reader.secrets == (Secrets(7, b"one"),)
    dissector = Dissector()
    list(dissector.feed(file))
    assert dissector.secrets == (Secrets(7, b"one"),)


def test_more_secrets_than_the_limit_are_passed_over() -> None:
    writer = PcapngWriter()
    file = writer.section() + b"".join(writer.secrets(1, bytes(10)) for _ in range(5))
    assert len(secrets_of(file, Limits(max_secrets=25))) == 2


@pytest.mark.parametrize("body", ["", "01000000", "010000000d000000" + "00" * 12, "01000000ffffffff" + "00" * 12])
def test_a_secret_that_does_not_fit_its_block_costs_no_packet(body: str) -> None:
    writer = PcapngWriter()
    lying = writer.block(10, bytes.fromhex(body))
    file = writer.section() + writer.interface() + lying + writer.packet(0, b"packet")
    assert secrets_of(file) == ()


def test_classic_files_have_none() -> None:
    writer = PcapWriter()
    assert secrets_of(writer.header() + writer.packet(0, b"packet")) == ()


def test_wireshark_counts_them(capinfos: Program, tmp_path: Path) -> None:
    writer = PcapngWriter()
    file = writer.section() + writer.interface() + writer.secrets(int.from_bytes(b"OPND"), b"secret")
    path = tmp_path / "file.pcapng"
    path.write_bytes(file + writer.packet(0, bytes(60)))
    assert "Number of decryption secrets in file: 1" in capinfos(path)


def test_one_side_finishes_and_the_other_goes_on() -> None:
    tcp = TcpConversation(CLIENT, SERVER)
    writer = PcapngWriter()
    frames = [
        *tcp.open(),
        *tcp.send(A, b"ask"),
        *tcp.finish(A),
        *tcp.send(B, b"answer"),
        *tcp.finish(B),
    ]
    file = writer.section() + writer.interface() + b"".join(writer.packet(0, frame) for frame in frames)
    dissector = Dissector()
    events = [*dissector.feed(file), *dissector.close()]
    assert [event.data for event in events if isinstance(event, Data)] == [b"ask", b"answer"]
    assert [event.reason for event in events if isinstance(event, FlowClosed)] == [CloseReason.FIN]
    assert [event.packet_number for event in events if isinstance(event, FlowClosed)] == [len(frames) - 1]


def test_bytes_that_no_packet_carries_are_missing() -> None:
    tcp = TcpConversation(CLIENT, SERVER)
    writer = PcapngWriter()
    frames = [*tcp.open(), *tcp.send(A, b"one")]
    tcp.skip(A, 1000)
    frames += [*tcp.send(A, b"two"), *tcp.close()]
    file = writer.section() + writer.interface() + b"".join(writer.packet(0, frame) for frame in frames)
    dissector = Dissector()
    events = [*dissector.feed(file), *dissector.close()]
    assert [event.data for event in events if isinstance(event, Data)] == [b"one", b"two"]
    assert [(event.offset, event.length) for event in events if isinstance(event, MissingBytes)] == [(3, 1000)]
