"""TCP connections at their edges: when one begins, when it ends, and which one a segment belongs to."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import pytest

from ftwire.pcap import (
    CloseReason,
    Data,
    Direction,
    Dissector,
    Endpoint,
    Event,
    FlowClosed,
    FlowOpened,
    Limits,
    MissingBytes,
    Packet,
)
from support.pcap_model import (
    ACK,
    END,
    ETHERNET,
    FIN,
    HANDSHAKE,
    ISN_A,
    ISN_B,
    RST,
    SYN,
    A,
    B,
    Snapped,
    a,
    after_handshake,
    b,
    frame,
    run,
)

WINDOW = 1 << 30
HALF_SPACE = 1 << 31


def described(events: list[Event]) -> list[tuple[object, ...]]:
    """The events of several flows, each by what can be read at a glance."""
    short: list[tuple[object, ...]] = []
    for event in events:
        match event:
            case FlowOpened():
                short.append(("opened", event.flow.index, str(event.flow)))
            case Data():
                short.append(("data", event.flow.index, event.direction.name[0], event.offset, event.data))
            case MissingBytes():
                short.append(("missing", event.flow.index, event.direction.name[0], event.offset, event.length))
            case FlowClosed():
                short.append(("closed", event.flow.index, event.reason.value))
            case _:
                short.append((type(event).__name__,))
    return short


# --- how one begins -------------------------------------------------------------------------------------------


def test_what_opens_no_flow() -> None:
    """Nothing but headers, and the text of a reset."""
    assert run(a(0), a(0, flags=ACK | FIN), a(0, flags=0)) == []
    assert run(a(0, flags=RST), a(0, b"go away", flags=RST | ACK), a(0, flags=SYN | RST)) == []


def test_segments_without_bytes_are_no_event_wherever_they_stand() -> None:
    """Behind a FIN, far from the stream, in front of where it begins."""
    exchange = [a(0, b"abc"), a(3, flags=ACK | FIN), a(4), a(4), a(WINDOW + 100), a(1)]
    assert after_handshake(*exchange) == [("data", "A", 0, b"abc", 1), END]
    # A probe that keeps a connection alive has the number before the next.
    events = run(b(0, b"push"), a(49, ack=4), a(50, b"ask"))
    assert described(events)[1:3] == [("data", 0, "A", 0, b"push"), ("data", 0, "B", 0, b"ask")]


def test_bytes_that_the_capture_cut_off_open_one() -> None:
    packet = a(0, b"abc")
    assert described(run(Snapped(packet, len(packet) - 3))) == [
        ("opened", 0, "10.0.0.1:50000 <> 10.0.0.2:11111"),
        ("missing", 0, "A", 0, 3),
        ("closed", 0, "end"),
    ]


def test_a_reset_with_a_syn_is_a_reset() -> None:
    assert after_handshake(a(0, b"abc"), a(3, flags=SYN | RST)) == [("data", "A", 0, b"abc", 1), ("closed", "rst")]


@pytest.mark.parametrize(("isn", "answer"), [(0xFFFFFFFF, 77), (1000, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF)])
def test_a_handshake_that_comes_again_in_mid_stream_changes_nothing(isn: int, answer: int) -> None:
    """Also where the first byte's number is zero."""
    syn = frame(A, B, isn, flags=SYN)
    syn_ack = frame(B, A, answer, flags=SYN | ACK, ack=isn + 1 & 0xFFFFFFFF)
    first, back = isn + 1 & 0xFFFFFFFF, answer + 1 & 0xFFFFFFFF
    exchange = [frame(A, B, first, b"abc", ack=back), frame(B, A, back, b"xyz", ack=first + 3)]
    rest = [frame(A, B, first + 3, b"def", ack=back + 3), frame(B, A, back + 3, b"uvw", ack=first + 6)]
    whole = [
        ("opened", 0, "10.0.0.1:50000 -> 10.0.0.2:11111"),
        ("data", 0, "A", 0, b"abc"),
        ("data", 0, "B", 0, b"xyz"),
        ("data", 0, "A", 3, b"def"),
        ("data", 0, "B", 3, b"uvw"),
        ("closed", 0, "end"),
    ]
    for again in ([], [syn], [syn_ack], [syn, syn_ack], [syn_ack, syn]):
        assert described(run(syn, syn_ack, *exchange, *again, *rest)) == whole
    # Whichever of the two the capture has, or comes first.
    assert described(run(syn_ack, *exchange, syn_ack, *rest)) == whole
    assert described(run(syn, *exchange[:1], syn_ack, *exchange[1:], *rest)) == whole


@pytest.mark.parametrize(("beyond", "same"), [(0, True), (1, True), (0xFFFF, True), (0x10000, False), (-1, False)])
def test_a_syn_ack_answers_the_syn_and_the_bytes_with_it(beyond: int, same: bool) -> None:
    syn_ack = frame(B, A, ISN_B, flags=SYN | ACK, ack=ISN_A + 1 + beyond)
    events = run(HANDSHAKE[0], syn_ack, b(0, b"xyz"))
    closed = [event.reason for event in events if isinstance(event, FlowClosed)]
    assert closed == ([CloseReason.END] if same else [CloseReason.REUSE, CloseReason.END])
    (data,) = [event for event in events if isinstance(event, Data)]
    assert (data.flow.index, data.offset, str(data.flow)) == (0 if same else 1, 0, "10.0.0.1:50000 -> 10.0.0.2:11111")


def test_a_syn_ack_that_answers_no_syn_begins_another_connection() -> None:
    """The flow before it began in the middle: nothing says that it was the same."""
    events = run(b(0, b"push"), frame(B, A, 70, flags=SYN | ACK, ack=30), frame(A, B, 30, b"ask"))
    assert described(events) == [
        ("opened", 0, "10.0.0.2:11111 <> 10.0.0.1:50000"),
        ("data", 0, "A", 0, b"push"),
        ("closed", 0, "reuse"),
        ("opened", 1, "10.0.0.1:50000 -> 10.0.0.2:11111"),
        ("data", 1, "A", 0, b"ask"),
        ("closed", 1, "end"),
    ]


def test_a_syn_against_a_syn_is_another_connection() -> None:
    """A SYN of its own, which acknowledges nothing, whatever the field holds."""
    other = frame(B, A, ISN_B, flags=SYN, ack=ISN_A + 1)
    assert [event[0] for event in described(run(HANDSHAKE[0], other))] == ["opened", "closed", "opened", "closed"]


def test_a_handshake_that_comes_again_behind_the_end_is_no_event() -> None:
    ending = [a(0, flags=ACK | FIN), b(0, flags=ACK | FIN, ack=1)]
    assert after_handshake(*ending, *HANDSHAKE) == [("closed", "fin")]
    assert after_handshake(a(0, flags=RST), HANDSHAKE[1], HANDSHAKE[0]) == [("closed", "rst")]


def test_a_new_connection_behind_the_end_of_one_closes_nothing_again() -> None:
    again = frame(B, A, 70, flags=SYN | ACK, ack=30)
    assert after_handshake(a(0, flags=RST), again, frame(A, B, 30, b"new")) == [
        ("closed", "rst"),
        ("opened", 1, True),
        ("data", "A", 0, b"new", 3),
        END,
    ]


def test_what_waits_when_the_ports_are_used_again_is_of_the_flow_before() -> None:
    assert after_handshake(a(3, b"def"), frame(A, B, 90000, flags=SYN), frame(A, B, 90001, b"new")) == [
        ("missing", "A", 0, 3, "closed"),
        ("data", "A", 3, b"def", 1),
        ("closed", "reuse"),
        ("opened", 1, True),
        ("data", "A", 0, b"new", 3),
        END,
    ]


# --- how one ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ended_by", "at"), [(a, 6), (b, 3)], ids=["client", "server"])
def test_what_waits_when_a_reset_comes_is_told_of_the_opener_first(ended_by: Callable[..., bytes], at: int) -> None:
    ended = ended_by(at, b"some text", flags=RST)
    assert after_handshake(b(2, b"z"), a(3, b"def"), ended, a(0, b"abc")) == [
        ("missing", "A", 0, 3, "closed"),
        ("data", "A", 3, b"def", 2),
        ("missing", "B", 0, 2, "closed"),
        ("data", "B", 2, b"z", 1),
        ("closed", "rst"),
    ]


def test_flows_end_in_the_order_in_which_they_began() -> None:
    """With what each of them still waits for."""
    other = A._replace(port=50001)
    packets = [frame(other, B, 10, flags=SYN), frame(other, B, 13, b"xyz"), a(2, b"c")]
    assert described(run(*HANDSHAKE, *packets))[2:] == [
        ("missing", 0, "A", 0, 2),
        ("data", 0, "A", 2, b"c"),
        ("closed", 0, "end"),
        ("missing", 1, "A", 0, 2),
        ("data", 1, "A", 2, b"xyz"),
        ("closed", 1, "end"),
    ]


ORDERLY = [a(0, b"abc"), a(3, flags=ACK | FIN), b(0, flags=ACK | FIN, ack=4)]


@pytest.mark.parametrize(
    ("seq", "length", "missing", "skipped"),
    [
        (0, 3, 0, None),
        (2, 2, 0, 2),
        (0, 1, 3, 4),
        (0, 1, 2, None),
        (WINDOW, 3, 0, 3),
        (-WINDOW, 3, 0, None),
    ],
)
def test_bytes_behind_the_end_of_a_flow_are_told_and_repetitions_are_not(
    seq: int, length: int, missing: int, skipped: int | None
) -> None:
    packet = a(seq, bytes(length + missing))
    events = after_handshake(*ORDERLY, Snapped(packet, len(packet) - missing) if missing else packet)
    text = f"{skipped} bytes after their connection was closed"
    assert events[2:] == ([] if skipped is None else [("skipped", 4, text)])


@pytest.mark.parametrize("end", [WINDOW, WINDOW + 1, -WINDOW, -WINDOW - 1])
def test_bytes_further_than_a_window_from_the_end_of_a_flow_belong_to_another(end: int) -> None:
    events = after_handshake(*ORDERLY, a(3 + end - 2, b"xy"))
    opened = [event for event in events if event[0] == "opened"]
    assert opened == ([] if abs(end) == WINDOW else [("opened", 1, False)])


def test_a_direction_never_seen_has_no_end_to_be_behind() -> None:
    assert described(run(b(0, b"push"), b(4, flags=RST), a(0, b"ask"))) == [
        ("opened", 0, "10.0.0.2:11111 <> 10.0.0.1:50000"),
        ("data", 0, "A", 0, b"push"),
        ("closed", 0, "rst"),
        ("opened", 1, "10.0.0.1:50000 <> 10.0.0.2:11111"),
        ("data", 1, "A", 0, b"ask"),
        ("closed", 1, "end"),
    ]
    # One that ended at zero has.
    syn = frame(A, B, 0xFFFFFFFF, flags=SYN)
    events = run(syn, frame(A, B, 0, flags=RST), frame(A, B, 0, b"x"))
    assert [event[0] for event in described(events)] == ["opened", "closed", "PacketSkipped"]


@pytest.mark.parametrize("isn", [0, 1, 2, ISN_A, 0xFFFFFFFE, 0xFFFFFFFF])
def test_a_repetition_behind_the_end_is_no_event_at_any_number(isn: int) -> None:
    first = isn + 1 & 0xFFFFFFFF
    piece = frame(A, B, first, b"abc")
    events = run(frame(A, B, isn, flags=SYN), piece, frame(A, B, first + 3, flags=RST), piece, piece)
    assert [event[0] for event in described(events)] == ["opened", "data", "closed"]


def test_a_reset_behind_the_end_is_no_event() -> None:
    assert after_handshake(*ORDERLY, a(4, flags=RST), a(4, b"text", flags=RST), b(1)) == [
        ("data", "A", 0, b"abc", 1),
        ("closed", "fin"),
    ]


# --- acknowledgements -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("acks", "missing"),
    [
        ([10, 5], 10),
        ([5, 10, 10], 10),
        ([10, 10 + HALF_SPACE], 10),
        ([10, 10 + HALF_SPACE - 1], 0),
        ([-5, 10], 10),
    ],
)
def test_the_furthest_acknowledgement_counts(acks: list[int], missing: int) -> None:
    """Half the numbers are further, the others were before; more than a window away is no acknowledgement."""
    short = after_handshake(*(b(0, ack=ack) for ack in acks))
    assert short == [*([("missing", "A", 0, missing, "end")] if missing else []), END]
    # The same where ten bytes further on the numbers begin again at zero.
    first = 0xFFFFFFFF - 9
    opening = [frame(A, B, first - 1, flags=SYN), frame(B, A, ISN_B, flags=SYN | ACK, ack=first)]
    later = run(*opening, *(frame(B, A, ISN_B + 1, ack=first + ack & 0xFFFFFFFF) for ack in acks))
    assert [event.length for event in later if isinstance(event, MissingBytes)] == ([missing] if missing else [])


def test_the_first_acknowledgement_of_all_counts_whatever_its_number() -> None:
    for isn in (1000, 0xFFFFFFF0, HALF_SPACE, HALF_SPACE + 1000):
        events = run(frame(A, B, isn, flags=SYN), frame(B, A, 5, b"x", ack=isn + 11 & 0xFFFFFFFF))
        assert [event.length for event in events if isinstance(event, MissingBytes)] == [10]


def test_the_number_counts_only_in_a_segment_that_acknowledges() -> None:
    assert after_handshake(b(0, b"x", ack=10, flags=0)) == [("data", "B", 0, b"x", 1), END]
    assert after_handshake(b(0, b"x", ack=10)) == [("data", "B", 0, b"x", 1), ("missing", "A", 0, 10, "end"), END]


@pytest.mark.parametrize("isn", [ISN_A, 0xFFFFFFFF - 3])
def test_the_senders_own_packets_wear_patience_out_too(isn: int) -> None:
    """What was acknowledged up to number zero in the second case."""
    opening = [frame(A, B, isn, flags=SYN), frame(B, A, ISN_B, flags=SYN | ACK, ack=isn + 1)]
    ahead = frame(A, B, isn + 4 & 0xFFFFFFFF, b"def")
    covered = frame(B, A, ISN_B + 1, ack=isn + 4 & 0xFFFFFFFF)
    own = frame(A, B, isn + 7 & 0xFFFFFFFF)
    limits = Limits(patience_packets=2)
    events = run(*opening, ahead, covered, own, limits=limits)
    assert [event.reason.value for event in events if isinstance(event, MissingBytes)] == ["end"]
    events = run(*opening, ahead, covered, own, own, limits=limits)
    assert [(event.reason.value, event.packet_number) for event in events if isinstance(event, MissingBytes)] == [
        ("acked", 6)
    ]


# --- how many there may be ------------------------------------------------------------------------------------


@pytest.mark.parametrize("waiting", [3, 4])
def test_the_oldest_holes_go_until_what_waits_is_within_its_limit(waiting: int) -> None:
    """129 for each of them, of whichever flow, in the order in which they opened."""
    clients = [A._replace(port=50000 + at) for at in range(waiting)]
    opening = [frame(client, B, 10, flags=SYN) for client in clients]
    ahead = [frame(client, B, 15, b"x") for client in clients]
    events = run(*opening, *ahead, limits=Limits(max_buffered_bytes=2 * 129))
    missing = [
        (event.flow.index, event.reason.value, event.packet_number)
        for event in events
        if isinstance(event, MissingBytes)
    ]
    limited = [(at, "limit", waiting + at + 3) for at in range(waiting - 2)]
    assert missing == limited + [(at, "end", 2 * waiting) for at in range(waiting - 2, waiting)]
    # One that is larger than all others together makes all of them go, and itself.
    large = [*ahead[:2], frame(clients[2], B, 15, bytes(1000))]
    events = run(*opening, *large, limits=Limits(max_buffered_bytes=2 * 129))
    missing = [
        (event.flow.index, event.reason.value, event.packet_number)
        for event in events
        if isinstance(event, MissingBytes)
    ]
    assert missing == [(at, "limit", waiting + 3) for at in range(3)]


def test_a_flow_that_made_room_goes_on() -> None:
    """Its hole was given up on account of another's packet: what comes next is delivered in order."""
    other = A._replace(port=50001)
    opening = frame(other, B, 10, flags=SYN)
    makes_room = frame(other, B, 15, bytes(200))
    events = run(*HANDSHAKE, opening, a(3, b"def"), makes_room, a(6, b"ghi"), limits=Limits(max_buffered_bytes=340))
    data = [(event.offset, event.data) for event in events if isinstance(event, Data) and event.flow.index == 0]
    assert data == [(3, b"def"), (6, b"ghi")]


@pytest.mark.parametrize("max_flows", [1, 2, 3])
def test_there_are_as_many_flows_as_allowed(max_flows: int) -> None:
    clients = [A._replace(port=50000 + at) for at in range(5)]
    events = run(*(frame(client, B, 10, b"x") for client in clients), limits=Limits(max_flows=max_flows))
    evicted = [event for event in events if isinstance(event, FlowClosed) and event.reason is CloseReason.EVICTED]
    assert [event.flow.index for event in evicted] == list(range(5 - max_flows))
    assert [event.packet_number for event in evicted] == list(range(max_flows + 1, 6))
    assert [event.flow.index for event in events if isinstance(event, FlowOpened)] == list(range(5))


def test_what_an_evicted_flow_waits_for_is_told() -> None:
    other = frame(A._replace(port=50001), B, 10, b"x")
    assert after_handshake(a(3, b"def"), other, limits=Limits(max_flows=1))[:4] == [
        ("missing", "A", 0, 3, "closed"),
        ("data", "A", 3, b"def", 1),
        ("closed", "evicted"),
        ("opened", 1, False),
    ]


@pytest.mark.parametrize("direction", Direction)
def test_a_closed_flow_makes_room_once_whoever_opened_it(direction: Direction) -> None:
    """And its stragglers are another flow's from then on."""
    ends = (A, B) if direction is Direction.A_TO_B else (B, A)
    closing = [frame(*ends, 10, b"x"), frame(*ends, 11, flags=RST)]
    others = [frame(A._replace(port=50001 + at), B, 10, b"y") for at in range(2)]
    events = run(*closing, *others, frame(*ends, 11, b"z"), limits=Limits(max_flows=2))
    closed = [(event.flow.index, event.reason.value) for event in events if isinstance(event, FlowClosed)]
    assert closed == [(0, "rst"), (1, "evicted"), (2, "end"), (3, "end")]


def test_a_flow_that_stays_open_among_many_that_close_makes_room_in_its_turn() -> None:
    def client(at: int) -> Endpoint:
        return A._replace(port=50001 + at)

    brief = [frame(client(at), B, 10 + step, flags=flags) for at in range(20) for step, flags in ((0, SYN), (1, RST))]
    later = [frame(client(at), B, 10, flags=SYN) for at in range(30, 35)]
    events = run(*HANDSHAKE, *brief, *later, limits=Limits(max_flows=3))
    evicted = [event for event in events if isinstance(event, FlowClosed) and event.reason is CloseReason.EVICTED]
    assert [event.flow.a.port for event in evicted] == [A.port, client(30).port, client(31).port]


def test_flows_that_close_are_swept_out_seldom_and_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are never many more notes than flows, and each sweep is paid for by as many flows as it looks at."""
    sweeps: list[int] = []
    lengths: list[int] = []

    def note(notes: list[object], new: object) -> None:
        heapq.heappush(notes, new)  # type: ignore[type-var]
        lengths.append(len(notes))

    def sweep(notes: list[object]) -> None:
        heapq.heapify(notes)  # type: ignore[type-var]
        sweeps.append(len(notes))

    monkeypatch.setattr("ftwire.pcap.tcp.heapify", sweep)
    monkeypatch.setattr("ftwire.pcap.tcp.heappush", note)
    dissector = Dissector(Limits(max_flows=50))

    def send(port: int, seq: int, data: bytes = b"", flags: int = ACK) -> None:
        packet = frame(A._replace(port=port), B, seq, data, flags=flags)
        dissector.packet(Packet(1, 1, packet, len(packet), ETHERNET))

    # Old flows make room one by one; those that came after them have closed by then.
    for port in range(25):
        send(port, 10, b"x")
    for turn in range(20):  # each needs room for one more than there is
        brief = range(1000 + 100 * turn, 1026 + 101 * turn)
        for port in brief:
            send(port, 10, b"x")
        for port in brief:
            send(port, 11, flags=RST)
    assert len(lengths) > 4 * 50
    assert max(lengths) <= 2 * 50 + 1
    assert 0 < len(sweeps) <= len(lengths) // 50


# --- numbers that do not fit --------------------------------------------------------------------------------------
