from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftwire.pcap import (
    CloseReason,
    Conflict,
    Data,
    Direction,
    Dissector,
    Flow,
    FlowClosed,
    FlowOpened,
    Late,
    Limits,
    MissingBytes,
    MissingReason,
    PacketSkipped,
    TcpConversation,
)
from ftwire.strategies import SegmentSchedule, segment_schedules
from support.pcap_model import (
    A6,
    ACK,
    B6,
    END,
    FIN,
    HANDSHAKE,
    ISN_A,
    RST,
    SYN,
    A,
    B,
    Stream,
    a,
    after_handshake,
    b,
    chunks,
    dissect,
    frame,
    pcap,
    run,
    texts,
)


def test_a_connection_from_handshake_to_fin() -> None:
    events = run(
        *HANDSHAKE,
        a(0, b"ask"),
        b(0, b"reply", ack=3),
        a(3, flags=ACK | FIN, ack=5),
        b(5, ack=4, flags=ACK | FIN),
    )
    flow = Flow(0, A, B, True)
    assert events == [
        FlowOpened(flow, 1, 0),
        Data(flow, Direction.A_TO_B, b"ask", 4, 3000, 0),
        Data(flow, Direction.B_TO_A, b"reply", 5, 4000, 0),
        FlowClosed(flow, CloseReason.FIN, 7, 6000),
    ]
    assert str(flow) == "10.0.0.1:50000 -> 10.0.0.2:11111"


def test_ipv6_endpoints_are_written_with_brackets() -> None:
    (opened, *_) = run(frame(A6, B6, 1, flags=SYN))
    assert isinstance(opened, FlowOpened)
    assert str(opened.flow) == "[fd00::1]:50000 -> [fd00::2]:11111"


def test_segments_in_the_wrong_order_wait() -> None:
    assert after_handshake(a(3, b"def"), a(6, b"ghi"), a(0, b"abc")) == [
        ("data", "A", 0, b"abc", 3),
        ("data", "A", 3, b"def", 1),
        ("data", "A", 6, b"ghi", 2),
        END,
    ]


def test_a_repetition_is_no_event() -> None:
    assert after_handshake(a(0, b"abc"), a(0, b"abc"), a(3, b"def"), a(0, b"abcdef")) == [
        ("data", "A", 0, b"abc", 1),
        ("data", "A", 3, b"def", 3),
        END,
    ]


def test_a_segment_that_overlaps_the_delivered_brings_its_rest() -> None:
    assert after_handshake(a(0, b"abc"), a(1, b"bcde")) == [
        ("data", "A", 0, b"abc", 1),
        ("data", "A", 3, b"de", 2),
        END,
    ]


def test_a_segment_over_waiting_ones_fills_the_holes_around_them() -> None:
    assert after_handshake(a(2, b"c"), a(5, b"f"), a(0, b"abcdefgh")) == [
        ("data", "A", 0, b"ab", 3),
        ("data", "A", 2, b"c", 1),
        ("data", "A", 3, b"de", 3),
        ("data", "A", 5, b"f", 2),
        ("data", "A", 6, b"gh", 3),
        END,
    ]


def test_different_bytes_for_a_waiting_place_are_refused() -> None:
    assert after_handshake(a(3, b"def"), a(2, b"cDEf"), a(0, b"ab")) == [
        ("conflict", 3, b"def", b"DEf"),
        ("data", "A", 0, b"ab", 3),
        ("data", "A", 2, b"c", 2),
        ("data", "A", 3, b"def", 1),
        END,
    ]


def test_different_bytes_for_a_delivered_place_are_refused() -> None:
    assert after_handshake(a(0, b"abc"), a(3, b"def"), a(2, b"cDefg")) == [
        ("data", "A", 0, b"abc", 1),
        ("data", "A", 3, b"def", 2),
        ("conflict", 3, b"def", b"Def"),
        ("data", "A", 6, b"g", 3),
        END,
    ]


def test_keep_alive_probes_and_zero_windows_are_no_event() -> None:
    probes = [a(2), a(2, b"\0"), b(-1), b(-1, b"\0")]
    assert after_handshake(a(0, b"abc"), *probes, b(0, ack=3), a(3, b"d")) == [
        ("data", "A", 0, b"abc", 1),
        ("data", "A", 3, b"d", 7),
        END,
    ]


def test_a_missing_piece_is_reported_at_the_end_of_the_capture() -> None:
    assert after_handshake(a(0, b"abc"), a(6, b"ghi")) == [
        ("data", "A", 0, b"abc", 1),
        ("missing", "A", 3, 3, "end"),
        ("data", "A", 6, b"ghi", 2),
        END,
    ]


def test_a_missing_tail_is_known_from_its_acknowledgement() -> None:
    assert after_handshake(a(0, b"abc"), b(0, ack=10)) == [
        ("data", "A", 0, b"abc", 1),
        ("missing", "A", 3, 7, "end"),
        END,
    ]


def test_a_missing_piece_is_given_up_when_it_is_acknowledged_and_patience_is_out() -> None:
    limits = Limits(patience_packets=2)
    late = after_handshake(a(3, b"def"), b(0, ack=6), b(0, ack=6), b(0, ack=6), a(0, b"abc"), limits=limits)
    assert late == [("missing", "A", 0, 3, "acked"), ("data", "A", 3, b"def", 1), ("late", 0, b"abc"), END]
    in_time = after_handshake(a(3, b"def"), b(0, ack=6), b(0, ack=6), a(0, b"abc"), limits=limits)
    assert in_time == [("data", "A", 0, b"abc", 4), ("data", "A", 3, b"def", 1), END]


def test_patience_is_a_time_too() -> None:
    limits = Limits(patience_ns=1000)
    assert after_handshake(a(3, b"def"), b(0, ack=6), b(0, ack=6), limits=limits) == [
        ("missing", "A", 0, 3, "acked"),
        ("data", "A", 3, b"def", 1),
        END,
    ]


def test_an_acknowledgement_that_does_not_reach_the_end_of_the_hole_gives_nothing_up() -> None:
    limits = Limits(patience_packets=1)
    acks = [b(0, ack=2)] * 5
    assert after_handshake(a(3, b"def"), *acks, a(0, b"abc"), limits=limits) == [
        ("data", "A", 0, b"abc", 7),
        ("data", "A", 3, b"def", 1),
        END,
    ]


@pytest.mark.parametrize(
    "limits", [Limits(max_flow_segments=2), Limits(max_flow_bytes=300), Limits(max_buffered_bytes=300)]
)
def test_a_hole_is_given_up_when_too_much_waits_behind_it(limits: Limits) -> None:
    assert after_handshake(a(2, b"c"), a(4, b"e"), a(6, b"g"), a(0, b"ab"), limits=limits) == [
        ("missing", "A", 0, 2, "limit"),
        ("data", "A", 2, b"c", 1),
        ("late", 0, b"ab"),
        ("missing", "A", 3, 1, "end"),
        ("data", "A", 4, b"e", 2),
        ("missing", "A", 5, 1, "end"),
        ("data", "A", 6, b"g", 3),
        END,
    ]


def test_an_overlap_at_the_limit_reports_no_missing_bytes() -> None:
    assert after_handshake(a(10, b"k" * 10), a(0, b"a" * 15), limits=Limits(max_flow_segments=1))[:2] == [
        ("conflict", 10, b"k" * 5, b"a" * 5),
        ("data", "A", 0, b"a" * 10, 2),
    ]


def test_the_oldest_hole_of_all_flows_goes_first() -> None:
    other = [frame(A._replace(port=50001), B, ISN_A + at, b"x") for at in (1, 10)]
    events = run(*HANDSHAKE, a(5, b"f"), *other, limits=Limits(max_buffered_bytes=200))
    missing = [(event.flow.index, event.reason) for event in events if isinstance(event, MissingBytes)]
    assert missing == [(0, MissingReason.LIMIT), (1, MissingReason.END)]


def test_sequence_numbers_wrap() -> None:
    start = 0xFFFFFFFE
    events = run(frame(A, B, start, flags=SYN), frame(A, B, start + 4, b"def"), frame(A, B, start + 1, b"abc"))
    assert [event[2] for event in events if isinstance(event, Data)] == [b"abc", b"def"]


def test_a_reset_ends_both_directions() -> None:
    assert after_handshake(a(0, b"abc"), b(0, flags=RST | ACK, ack=3), a(3, b"late"), a(0, b"abc")) == [
        ("data", "A", 0, b"abc", 1),
        ("closed", "rst"),
        ("skipped", 3, "4 bytes after their connection was closed"),
    ]


def test_a_refused_connection() -> None:
    events = run(frame(A, B, ISN_A, flags=SYN), frame(B, A, 0, flags=RST | ACK, ack=ISN_A + 1))
    assert [type(event) for event in events] == [FlowOpened, FlowClosed]


def test_the_same_ports_again_are_a_new_flow() -> None:
    again = 90000
    assert after_handshake(
        a(0, b"abc"),
        frame(A, B, again, flags=SYN),
        frame(B, A, again, flags=SYN | ACK, ack=again + 1),
        frame(A, B, again + 1, b"new", ack=again + 1),
    ) == [
        ("data", "A", 0, b"abc", 1),
        ("closed", "reuse"),
        ("opened", 1, True),
        ("data", "A", 0, b"new", 4),
        END,
    ]


def test_the_same_ports_again_after_an_orderly_end() -> None:
    assert after_handshake(
        a(0, flags=ACK | FIN), b(0, flags=ACK | FIN, ack=1), a(1, ack=1), frame(A, B, 77, flags=SYN)
    ) == [("closed", "fin"), ("opened", 1, True), END]


def test_a_repeated_handshake_is_the_same_flow() -> None:
    assert after_handshake(*HANDSHAKE, a(0, b"abc"), HANDSHAKE[1]) == [("data", "A", 0, b"abc", 4), END]


def test_one_side_closes_and_the_other_goes_on() -> None:
    assert after_handshake(a(0, flags=ACK | FIN), b(0, b"rest", ack=1), b(4, flags=ACK | FIN, ack=1)) == [
        ("data", "B", 0, b"rest", 2),
        ("closed", "fin"),
    ]


def test_a_fin_waits_for_the_bytes_before_it() -> None:
    assert after_handshake(b(0, flags=ACK | FIN), a(3, b"def", flags=ACK | FIN), a(0, b"abc")) == [
        ("data", "A", 0, b"abc", 3),
        ("data", "A", 3, b"def", 2),
        ("closed", "fin"),
    ]


def test_bytes_behind_a_fin_are_no_part_of_the_stream() -> None:
    assert after_handshake(a(0, b"abc", flags=ACK | FIN), a(2, b"cde")) == [
        ("data", "A", 0, b"abc", 1),
        ("skipped", 2, "2 bytes behind the FIN"),
        END,
    ]


def test_a_fin_in_the_past_is_not_believed() -> None:
    assert after_handshake(a(0, b"abcdef"), a(1, flags=ACK | FIN), a(6, b"g")) == [
        ("data", "A", 0, b"abcdef", 1),
        ("skipped", 2, "a FIN before bytes already seen"),
        ("data", "A", 6, b"g", 3),
        END,
    ]


def test_a_segment_from_nowhere_is_skipped() -> None:
    assert after_handshake(a((1 << 30) + 1, b"x"), a(0, b"abc")) == [
        ("skipped", 1, "a segment 1073741825 bytes from where its stream stands"),
        ("data", "A", 0, b"abc", 2),
        END,
    ]


def test_a_capture_that_starts_in_mid_connection() -> None:
    events = run(b(100), b(100, b"push"), a(50, b"ask"), b(90, b"0123456789push"), b(104, b"more"))
    flow = Flow(0, B, A, False)
    assert events == [
        FlowOpened(flow, 2, 1000),
        Data(flow, Direction.A_TO_B, b"push", 2, 1000, 0),
        Data(flow, Direction.B_TO_A, b"ask", 3, 2000, 0),
        Late(flow, Direction.A_TO_B, -10, b"0123456789", 4, 3000),
        Data(flow, Direction.A_TO_B, b"more", 5, 4000, 4),
        FlowClosed(flow, CloseReason.END, 5, 4000),
    ]
    assert str(flow) == "10.0.0.2:11111 <> 10.0.0.1:50000"


def test_a_capture_that_starts_with_the_syn_ack_knows_the_client() -> None:
    events = run(HANDSHAKE[1], a(0, b"abc"), a(6, b"ghi"))
    flow = Flow(0, A, B, True)
    assert events[0] == FlowOpened(flow, 1, 0)
    assert events[1] == Data(flow, Direction.A_TO_B, b"abc", 2, 1000, 0)


def test_bytes_in_the_syn_are_the_first_of_the_stream() -> None:
    events = run(frame(A, B, ISN_A, b"fast", flags=SYN), a(4, b"open"))
    assert [(event.offset, event.data) for event in events if isinstance(event, Data)] == [
        (0, b"fast"),
        (4, b"open"),
    ]


def test_only_the_ports_asked_for() -> None:
    other = TcpConversation(A._replace(port=1), B._replace(port=2)).frames([(Direction.A_TO_B, b"x", 0)])
    wanted = TcpConversation(A, B).frames([(Direction.A_TO_B, b"y", 0)])
    events = dissect([pcap([data for _, data in other + wanted])], Dissector(ports={11111}))
    assert {event.flow.index for event in events if isinstance(event, FlowOpened)} == {0}
    assert [event.data for event in events if isinstance(event, Data)] == [b"y"]


# --- properties ---------------------------------------------------------------------------------------------


SCHEDULES = st.binary(min_size=1, max_size=60).flatmap(lambda stream: segment_schedules(stream, max_changes=12))


@given(SCHEDULES.filter(lambda schedule: schedule.syn or schedule.segments))
@settings(max_examples=4 * settings().max_examples)
def test_any_schedule_gives_what_the_model_gives(schedule: SegmentSchedule) -> None:
    frames = schedule.packets(A, B)
    model = Stream(start=0 if schedule.syn else None)
    for number, segment in enumerate(schedule.segments, 1 + schedule.syn):
        model.take(segment.start, segment.data, number)
    events = run(*frames)

    delivered: dict[int, tuple[int, int]] = {}
    missing: set[int] = set()
    late: set[tuple[int, int, int]] = set()
    conflicts: set[tuple[int, int, int, int]] = set()
    next_offset = 0
    for event in events:
        match event:
            case Data():
                assert event.offset == next_offset
                assert event.data
                next_offset += len(event.data)
                delivered |= {at: (byte, event.packet_number) for at, byte in enumerate(event.data, event.offset)}
            case MissingBytes():
                assert event.offset == next_offset
                next_offset += event.length
                missing |= set(range(event.offset, next_offset))
            case Late():
                late |= {(at, byte, event.packet_number) for at, byte in enumerate(event.data, event.offset)}
            case Conflict():
                conflicts |= {
                    (at, kept, refused, event.packet_number)
                    for at, (kept, refused) in enumerate(zip(event.kept, event.refused, strict=True), event.offset)
                    if kept != refused
                }
    assert delivered == model.have
    assert missing == model.missing(next_offset)
    assert late == model.late
    assert conflicts == model.conflicts


@st.composite
def exchanges(draw: st.DrawFn) -> list[bytes]:
    """Packets of up to three connections on few ports: anything may come at any time."""
    frames = []
    for _ in range(draw(st.integers(1, 40))):
        near = A._replace(port=50000 + draw(st.integers(0, 2)))
        source, destination = draw(st.sampled_from([(near, B), (B, near)]))
        flags = draw(st.sampled_from([ACK] * 12 + [0, SYN, SYN | ACK, FIN | ACK, FIN, RST, RST | ACK, SYN | FIN]))
        seq = draw(st.one_of(st.integers(0, 30), st.sampled_from([0xFFFFFFF0, 1 << 30, 1 << 31, 3 << 30])))
        data = draw(st.binary(max_size=12))
        frames.append(frame(source, destination, seq, data, ack=draw(st.integers(0, 40)), flags=flags))
    return frames


@given(
    exchanges(),
    st.builds(
        Limits,
        max_flows=st.integers(1, 3),
        max_flow_segments=st.integers(1, 4),
        max_flow_bytes=st.integers(1, 400),
        max_buffered_bytes=st.integers(1, 600),
        patience_packets=st.integers(1, 4),
    ),
)
@settings(max_examples=4 * settings().max_examples)
def test_whatever_comes_the_streams_are_whole(frames: list[bytes], limits: Limits) -> None:
    events = run(*frames, limits=limits)
    next_offset: dict[tuple[int, Direction], int] = {}
    open_flows: set[int] = set()
    for event in events:
        match event:
            case FlowOpened():
                assert event.flow.index not in open_flows
                open_flows.add(event.flow.index)
                assert len(open_flows) <= limits.max_flows
            case FlowClosed():
                open_flows.remove(event.flow.index)
            case Data():
                assert event.flow.index in open_flows
                key = (event.flow.index, event.direction)
                assert event.offset == next_offset.get(key, 0)
                next_offset[key] = event.offset + len(event.data)
                # The bytes are in the packet they are said to be in.
                assert event.data in frames[event.packet_number - 1]
                assert event.time_ns == 1000 * (event.packet_number - 1)
            case MissingBytes():
                assert event.length > 0
                assert event.flow.index in open_flows
                key = (event.flow.index, event.direction)
                assert event.offset == next_offset.get(key, 0)
                next_offset[key] = event.offset + event.length
    assert not open_flows


@given(exchanges(), st.lists(st.integers(0, 4000), max_size=8))
def test_chunks_make_no_difference(frames: list[bytes], cuts: list[int]) -> None:
    file = pcap(frames)
    assert texts(dissect(chunks(file, cuts))) == texts(dissect([file]))


@given(
    st.lists(st.tuples(st.sampled_from(Direction), st.binary(max_size=50)), max_size=8),
    st.integers(1, 20),
    st.tuples(st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF)),
)
def test_what_a_conversation_says_is_what_the_streams_hold(
    said: list[tuple[Direction, bytes]], mss: int, isns: tuple[int, int]
) -> None:
    conversation = TcpConversation(A, B, mss=mss, isns=isns)
    frames = [data for _, data in conversation.frames((direction, data, 7) for direction, data in said)]
    events = run(*frames)
    for direction in Direction:
        got = b"".join(event.data for event in events if isinstance(event, Data) and event.direction is direction)
        assert got == b"".join(data for towards, data in said if towards is direction)
    assert isinstance(events[-1], FlowClosed)
    assert events[-1].reason is CloseReason.FIN
    assert not [event for event in events if isinstance(event, MissingBytes | Conflict | Late | PacketSkipped)]


def test_a_connection_whose_two_ends_are_the_same() -> None:
    """Either direction has the other's key; a SYN in place of another one took the flow out of the table twice."""
    frames = [
        frame(A, A, seq, data, flags=flags) for seq, data, flags in [(1, b"", SYN), (9, b"", SYN), (10, b"x", ACK)]
    ]
    events = run(*frames, frame(A, B, 1, b"y"))
    skipped = [event for event in events if isinstance(event, PacketSkipped)]
    assert [event.packet_number for event in skipped] == [1, 2, 3]
    assert "both ends of the connection are 10.0.0.1:50000" in str(skipped[0].error)
    assert [event.data for event in events if isinstance(event, Data)] == [b"y"]
