"""What hostile or merely large captures may cost: memory has a ceiling, time grows with the bytes."""

from __future__ import annotations

import gzip
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftwire.errors import CaptureError
from ftwire.pcap import (
    CloseReason,
    Data,
    Direction,
    Dissector,
    Event,
    FlowClosed,
    FlowOpened,
    Limits,
    MissingBytes,
    PacketReader,
    PcapWriter,
    TcpConversation,
)
from support.pcap_model import ACK, RST, SYN, A, B, dissect, frame, pcap
from support.work import peak

MIB = 1 << 20
HEADER = PcapWriter().header()


def drain(dissector: Dissector, parts: Iterator[bytes]) -> dict[type[Event], int]:
    counts: dict[type[Event], int] = {}
    for part in parts:
        for event in dissector.feed(part):
            counts[type(event)] = counts.get(type(event), 0) + 1
    for event in dissector.close():
        counts[type(event)] = counts.get(type(event), 0) + 1
    return counts


def half_open(count: int) -> Iterator[bytes]:
    """A file of that many SYNs, none of two the same ports and addresses."""
    yield HEADER
    plain = frame(A, B, 1, flags=SYN)
    record = struct.pack("<IIII", 0, 0, len(plain), len(plain))
    for base in range(0, count, 1000):
        # The source address is bytes 26 to 30; checksums are not looked at.
        yield b"".join(
            record + plain[:26] + number.to_bytes(4, "big") + plain[30:] for number in range(base, base + 1000)
        )


@pytest.mark.long
def test_half_open_flows_without_end() -> None:
    counts: dict[type[Event], int] = {}
    used = peak(lambda: counts.update(drain(Dissector(Limits(max_flows=1000)), half_open(20_000))))
    assert counts == {FlowOpened: 20_000, FlowClosed: 20_000}
    assert used < 4 * MIB
    # The same without tracing, at default limits: it has to end in reasonable time.
    counts = drain(Dissector(), half_open(50_000))
    assert counts == {FlowOpened: 50_000, FlowClosed: 50_000}


def test_the_flow_idle_longest_is_evicted() -> None:
    ports = [A._replace(port=port) for port in range(1, 6)]
    frames = [frame(near, B, 1, b"x") for near in ports[:4]] + [frame(ports[0], B, 2, b"y")]
    events = dissect([pcap([*frames, frame(ports[4], B, 1, b"z")])], Dissector(Limits(max_flows=4)))
    evicted = [event for event in events if isinstance(event, FlowClosed) and event.reason is CloseReason.EVICTED]
    assert [event.flow.a.port for event in evicted] == [2]


def test_closed_flows_are_forgotten_before_open_ones() -> None:
    ended = TcpConversation(A._replace(port=9), B)
    frames = [frame(A, B, 1, b"x"), *ended.open(), *ended.close(), frame(A._replace(port=8), B, 1, b"z")]
    events = dissect([pcap(frames)], Dissector(Limits(max_flows=2)))
    assert CloseReason.EVICTED not in [event.reason for event in events if isinstance(event, FlowClosed)]


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60), st.integers(1, 4))
def test_who_makes_room_for_a_new_flow(steps: list[tuple[int, bool]], max_flows: int) -> None:
    """A plain list of flows says so: the one closed first, or else the one that delivered nothing for longest."""
    frames: list[bytes] = []
    open_flows: list[int] = []  # by port, the idlest first
    closed: list[int] = []
    positions: dict[int, int] = {}
    evicted: list[int] = []
    for at, (port, ends) in enumerate(steps):
        near = A._replace(port=port + 1)
        if port not in open_flows:
            if port in closed:
                closed.remove(port)
            elif len(open_flows) + len(closed) == max_flows:
                if closed:
                    closed.pop(0)
                else:
                    evicted.append(open_flows.pop(0))
            positions[port] = 1000 * at
            frames.append(frame(near, B, positions[port] - 1, flags=SYN))
        else:
            open_flows.remove(port)
        frames.append(frame(near, B, positions[port], b"x"))
        positions[port] += 1
        if ends:
            frames.append(frame(near, B, positions[port], flags=RST))
            closed.append(port)
        else:
            open_flows.append(port)
    events = dissect([pcap(frames)], Dissector(Limits(max_flows=max_flows)))
    gone = [event for event in events if isinstance(event, FlowClosed) and event.reason is CloseReason.EVICTED]
    assert [event.flow.a.port - 1 for event in gone] == evicted


@pytest.mark.long
def test_flows_that_close_in_order_leave_nothing_behind_however_much_room_there_is() -> None:
    def sessions(count: int) -> Iterator[bytes]:
        yield HEADER
        writer = PcapWriter()
        for number in range(count):
            conversation = TcpConversation(A, B, isns=(1000 * number, 1000 * number))
            yield b"".join(writer.packet(0, data) for _, data in conversation.frames([(Direction.A_TO_B, b"x", 0)]))

    limits = Limits(max_flows=100)
    few, many = (peak(partial(drain, Dissector(limits), sessions(count))) for count in (1000, 4000))
    assert many < few + MIB // 8


def never_filled(flows: int, segments: int, size: int) -> Iterator[bytes]:
    yield HEADER
    writer = PcapWriter()
    for near in range(flows):
        source = A._replace(port=near)
        yield writer.packet(0, frame(source, B, 0, flags=SYN))
        for at in range(segments):
            yield writer.packet(0, frame(source, B, 2 + at * (size + 1), bytes(size)))


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("limits", "shape"),
    [
        (Limits(max_flow_bytes=MIB), (1, 4000, 1400)),
        (Limits(max_flow_segments=1000), (1, 4000, 1)),
        (Limits(max_buffered_bytes=MIB), (40, 100, 1400)),
    ],
    ids=["bytes of a flow", "segments of a flow", "bytes of all flows"],
)
def test_holes_that_are_never_filled(limits: Limits, shape: tuple[int, int, int]) -> None:
    flows, segments, _ = shape
    counts: dict[type[Event], int] = {}
    used = peak(lambda: counts.update(drain(Dissector(limits), never_filled(*shape))))
    assert counts[Data] == counts[MissingBytes] == flows * segments
    assert used < 3 * MIB


def test_fragments_that_are_never_whole() -> None:
    plain = frame(A, B, 1, bytes(1000))

    def file() -> Iterator[bytes]:
        yield HEADER
        writer = PcapWriter()
        for number in range(10_000):
            # Bytes 18 to 22 are identification, flags and offset.
            yield writer.packet(0, plain[:18] + struct.pack(">HH", number, 0x2000 | number % 7) + plain[22:])

    assert peak(lambda: drain(Dissector(Limits(max_fragment_bytes=MIB)), file())) < 3 * MIB


def test_a_lying_length_costs_what_is_there() -> None:
    lie = HEADER + struct.pack("<IIII", 0, 0, 16 * MIB, 16 * MIB) + bytes(1000)

    def read() -> None:
        reader = PacketReader()
        assert not list(reader.feed(lie))
        with pytest.raises(CaptureError):
            reader.close()

    assert peak(read) < MIB


def test_a_gzip_bomb() -> None:
    # Empty records, a thousand times smaller compressed: 64 KiB hold four million of them.
    # All at once, the packets of this file take 50 MiB.
    squeezed = gzip.compress(HEADER + bytes(4 * MIB))
    seen = 0

    def read() -> None:
        nonlocal seen
        for _ in PacketReader().feed(squeezed):
            seen += 1

    assert len(squeezed) < 64 << 10
    assert peak(read) < 12 * MIB
    assert seen == MIB // 4


def test_a_gzip_file_of_empty_members_takes_no_more_steps_than_members() -> None:
    parts = gzip.compress(HEADER) + gzip.compress(b"") * 5000 + gzip.compress(PcapWriter().packet(0, b"x"))
    assert [packet.data for packet in PacketReader().feed(parts)] == [b"x"]


def seconds(run: Callable[[], object]) -> float:
    """The best of three: what the work takes when nothing else disturbs it."""
    taken = []
    for _ in range(3):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return min(taken)


def in_chunks(file: bytes, size: int) -> int:
    dissector = Dissector()
    return sum(
        len(event.data)
        for start in range(0, len(file), size)
        for event in dissector.feed(file[start : start + size])
        if isinstance(event, Data)
    )


@pytest.mark.parametrize("wrap", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_one_byte_feeds_cost_linear_time(wrap: Callable[[bytes], bytes]) -> None:
    def file(size: int) -> bytes:
        # One record that large: the worst case for whoever copies what is pending at each feed.
        writer = PcapWriter()
        noise = b"".join(zlib.crc32(struct.pack("<I", at)).to_bytes(4, "big") for at in range(size // 4))
        return wrap(writer.header() + writer.packet(0, noise))

    small, large = file(20_000), file(160_000)
    # Eight times the bytes; quadratic cost would be 64 times.
    assert seconds(lambda: in_chunks(large, 1)) < 20 * seconds(lambda: in_chunks(small, 1))


def test_reversed_segments_cost_linear_time() -> None:
    def file(count: int) -> bytes:
        return pcap([frame(A, B, 0, flags=SYN)] + [frame(A, B, 1 + at * 8, bytes(8)) for at in range(count)[::-1]])

    small, large = file(500), file(4000)
    assert in_chunks(large, 1 << 16) == 32_000
    assert seconds(lambda: in_chunks(large, 1 << 16)) < 20 * seconds(lambda: in_chunks(small, 1 << 16))


def test_tiny_fragments_in_the_worst_order_cost_linear_time() -> None:
    plain = frame(A, B, 1, bytes(64))

    def file(count: int) -> bytes:
        # Every other 8 bytes, so that nothing ever becomes whole; bytes 16 to 22 as in an IPv4 header.
        return pcap(
            plain[:16] + struct.pack(">HHH", 28, 7, 0x2000 | at * 2) + plain[22:42] for at in range(count)[::-1]
        )

    small, large = file(500), file(4000)
    assert seconds(lambda: in_chunks(large, 1 << 16)) < 20 * seconds(lambda: in_chunks(small, 1 << 16))


def test_what_is_delivered_is_not_kept() -> None:
    conversation = TcpConversation(A, B)

    def file() -> Iterator[bytes]:
        yield HEADER
        writer = PcapWriter()
        for data in conversation.open():
            yield writer.packet(0, data)
        for _ in range(3000):
            for data in conversation.send(Direction.B_TO_A, bytes(4096)):
                yield writer.packet(0, data)

    assert peak(lambda: drain(Dissector(), file())) < 2 * MIB


def test_acknowledgements_alone_open_nothing() -> None:
    assert dissect([pcap([frame(A, B, 1, flags=ACK)] * 3)]) == []


@pytest.mark.parametrize(("order", "goes"), [("sSx", 1), ("Sxs", 1), ("Ssx", 1)])
def test_a_flow_that_delivered_nothing_makes_room_first(order: str, goes: int) -> None:
    """s opens the one, S the other, x comes in the other."""
    one, other, third = (A._replace(port=port) for port in (1, 2, 3))
    packets = {"s": frame(one, B, 1, flags=SYN), "S": frame(other, B, 1, flags=SYN), "x": frame(other, B, 2, b"x")}
    frames = [*(packets[each] for each in order), frame(third, B, 1, flags=SYN)]
    events = dissect([pcap(frames)], Dissector(Limits(max_flows=2)))
    evicted = [event for event in events if isinstance(event, FlowClosed) and event.reason is CloseReason.EVICTED]
    assert [event.flow.a.port for event in evicted] == [goes]
