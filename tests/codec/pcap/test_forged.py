"""Stale and forged RST, SYN and FIN segments: what they must not hide, and what real ones still do."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ftwire.capture import CaptureReader, DissectedFrame
from ftwire.capture.account import Account
from ftwire.frame import encode_frame
from ftwire.pcap import (
    CloseReason,
    Data,
    Direction,
    Endpoint,
    FlowClosed,
    FlowOpened,
    MissingBytes,
    PacketSkipped,
)
from support.pcap_model import (
    ACK,
    END,
    FIN,
    ISN_A,
    PSH,
    RST,
    SYN,
    A,
    B,
    a,
    after_handshake,
    b,
    dissect,
    frame,
    pcap,
    run,
)
from support.programs import Program

KINDS = {"RST": RST, "RST-ACK": RST | ACK, "FIN": FIN | ACK, "SYN": SYN, "SYN-ACK": SYN | ACK}
# How far from the next number: none, a keep-alive's, repeated, a frame further, windows and half of all numbers away.
DISTANCES = (0, -1, 1, -20, 20, 57, 7000, -70000, 1 << 20, 1 << 29, -(1 << 29), 1 << 31)
FRAMES = 8


class Sent(NamedTuple):
    """A TCP segment of a conversation."""

    client: bool
    seq: int
    ack: int
    flags: int
    data: bytes = b""

    def packet(self, near: Endpoint) -> bytes:
        ends = (near, B) if self.client else (B, near)
        return frame(*ends, self.seq & 0xFFFFFFFF, self.data, ack=self.ack & 0xFFFFFFFF, flags=self.flags)


def conversation(pieces: int, acknowledged: bool = True) -> list[Sent]:
    """A handshake, four requests and responses, each frame in as many segments, and an orderly end."""
    client, server = 1001, 5001
    sent = [Sent(True, 1000, 0, SYN), Sent(False, 5000, client, SYN | ACK), Sent(True, client, server, ACK)]
    for at in range(FRAMES):
        request = at % 2 == 0
        data = encode_frame(1002, 1 + at // 2, b"\x0a\x02\x08\x01" if request else b"\x08\0")
        size = -(-len(data) // pieces)
        for start in range(0, len(data), size):
            part = data[start : start + size]
            if request:
                sent.append(Sent(True, client, server, ACK | PSH, part))
                client += len(part)
            else:
                sent.append(Sent(False, server, client, ACK | PSH, part))
                server += len(part)
            if acknowledged:
                sent.append(Sent(False, server, client, ACK) if request else Sent(True, client, server, ACK))
    end = [Sent(True, client, server, ACK | FIN), Sent(False, server, client + 1, ACK | FIN)]
    return [*sent, *end, Sent(True, client + 1, server + 1, ACK)]


def forged(whole: list[Sent], kind: str, distances: tuple[int, ...] = DISTANCES) -> Iterator[tuple[int, list[Sent]]]:
    """The conversation with one segment more, in all places behind the handshake, of either side."""
    flags = KINDS[kind]
    for place in range(3, len(whole) - 3):
        following = {True: 1001, False: 5001}
        for sent in whole[3:place]:
            following[sent.client] = sent.seq + len(sent.data)
        for client in (True, False):
            for distance in distances:
                ack = following[not client] if flags & ACK else 0
                yield (
                    distance,
                    [
                        *whole[:place],
                        Sent(client, following[client] + distance, ack, flags),
                        *whole[place:],
                    ],
                )


def frames_of(sent: list[Sent]) -> tuple[int, Account]:
    reader = CaptureReader()
    file = pcap([each.packet(A) for each in sent])
    shown = sum(isinstance(report, DissectedFrame) and report.error is None for report in reader.read([file]))
    return shown, reader.account


def lost(account: Account) -> int:
    return account.undecoded_bytes + account.missing_bytes + account.misplaced_bytes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("acknowledged", [True, False], ids=["with acknowledgements", "without"])
def test_no_frame_is_hidden(kind: str, acknowledged: bool) -> None:
    """Wherever it stands and whatever its number; and nothing is called lost that is not."""
    for _, sent in forged(conversation(1, acknowledged), kind):
        shown, account = frames_of(sent)
        if shown < FRAMES:
            # One straggler behind an end that holds: only without acknowledgements nothing shows that it was none.
            assert (acknowledged, lost(account) > 0) == (False, True), sent
        else:
            assert lost(account) == 0, sent


@pytest.mark.parametrize("kind", KINDS)
def test_no_frame_in_two_segments_is_hidden(kind: str) -> None:
    """But for the one that a reset with just the right number cuts in two: its bytes are undecoded, and counted."""
    cut = 0
    for distance, sent in forged(conversation(2), kind, (0, -1, 1, 30, 1 << 20)):
        shown, account = frames_of(sent)
        cut += shown < FRAMES
        if shown < FRAMES:
            assert (shown, distance, kind.startswith("RST"), account.undecoded_bytes > 0) == (FRAMES - 1, 0, True, True)
        else:
            assert lost(account) == 0, sent
    assert (cut > 0) is kind.startswith("RST")


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_counted(kind: str) -> None:
    whole = conversation(1)
    for _, sent in forged(whole, kind, (57, -20, 7000)):
        if sent[3] != whole[3]:
            continue  # in front of the first frame nothing says yet whose connection this is
        _, account = frames_of(sent)
        assert account.refused_controls == 1, sent
    assert frames_of(whole)[1].refused_controls == 0


@pytest.mark.parametrize("pieces", [1, 2])
def test_the_bytes_are_those_that_tshark_lists(tshark: Program, tmp_path: Path, pieces: int) -> None:
    """Every payload that tshark finds in a connection is in its streams, in order and once."""
    packets: list[bytes] = []
    near = A._replace(port=1000)
    for kind in KINDS:
        for _, sent in forged(conversation(pieces), kind, (0, -1, 20, 57, 1 << 20, -(1 << 29))):
            near = near._replace(port=near.port + 1)
            packets += [each.packet(near) for each in sent]
    path = tmp_path / "forged.pcap"
    path.write_bytes(pcap(packets))
    fields = ("tcp.srcport", "tcp.dstport", "tcp.seq_raw", "tcp.payload")
    listed = tshark(
        "-n", "-r", path, "-Y", "tcp.len > 0", "-T", "fields", *(part for each in fields for part in ("-e", each))
    )
    theirs: dict[tuple[int, int], dict[int, bytes]] = defaultdict(dict)
    for line in listed.splitlines():
        source, destination, seq, payload = line.split("\t")
        theirs[int(source), int(destination)][int(seq)] = bytes.fromhex(payload)
    ours: dict[tuple[int, int], bytes] = defaultdict(bytes)
    for event in dissect([path.read_bytes()]):
        assert not isinstance(event, MissingBytes)
        if isinstance(event, Data):
            ends = (event.flow.a.port, event.flow.b.port)
            ours[ends if event.direction is Direction.A_TO_B else ends[::-1]] += event.data
    assert len(theirs) == 2 * (near.port - 1000)
    assert ours == {ends: b"".join(data for _, data in sorted(parts.items())) for ends, parts in theirs.items()}


# --- real ones ----------------------------------------------------------------------------------------------------


def endings() -> dict[str, list[bytes]]:
    """How connections really end; each has two bytes of either side in front."""
    return {
        "close": [a(2, flags=FIN | ACK, ack=2), b(2, flags=FIN | ACK, ack=3), a(3, ack=3)],
        "simultaneous close": [a(2, flags=FIN | ACK, ack=2), b(2, flags=FIN | ACK, ack=2), a(3, ack=3), b(3, ack=3)],
        "half close": [
            a(2, flags=FIN | ACK, ack=2),
            b(2, b"more", ack=3),
            a(3, ack=6),
            b(6, flags=FIN | ACK, ack=3),
            a(3, ack=7),
        ],
        "a lost FIN that comes again": [b(2, flags=FIN | ACK, ack=2), a(2, flags=FIN | ACK, ack=2)] * 2,
        "reset by the client": [a(2, flags=RST | ACK, ack=2)],
        "reset by the server": [b(2, flags=RST)],
        "reset behind a FIN": [a(2, flags=FIN | ACK, ack=2), b(2, flags=RST)],
        "reset of the one with a FIN": [a(2, flags=FIN | ACK, ack=2), b(2, b"x", ack=3), a(3, flags=RST)],
        "reset twice": [a(2, flags=RST), a(2, flags=RST)],
    }


@pytest.mark.parametrize("name", endings())
def test_real_ends_are_ends(name: str) -> None:
    events = after_handshake(a(0, b"hi"), b(0, b"ho", ack=2), a(2, ack=2), *endings()[name])
    expected = "rst" if "reset" in name else "fin"
    assert events[-1] == ("closed", expected)
    assert {event[0] for event in events} == {"data", "closed"}


@pytest.mark.parametrize("name", endings())
def test_ports_used_again_are_another_connection_as_for_tshark(tshark: Program, tmp_path: Path, name: str) -> None:
    first = [a(0, b"hi"), b(0, b"ho", ack=2), a(2, ack=2), *endings()[name]]
    again = [
        frame(A, B, 90_000_000, flags=SYN),
        frame(B, A, 70_000_000, flags=SYN | ACK, ack=90_000_001),
        frame(A, B, 90_000_001, b"new", ack=70_000_001),
    ]
    handshake = [frame(A, B, ISN_A, flags=SYN), b(-1, flags=SYN | ACK)]
    for packets in ([*handshake, *first, *again], [*handshake, *first[:3], *again]):
        events = run(*packets)
        path = tmp_path / "again.pcap"
        path.write_bytes(pcap(packets))
        streams = tshark("-n", "-r", path, "-T", "fields", "-e", "tcp.stream").split()
        opened = [event for event in events if isinstance(event, FlowOpened)]
        assert len(opened) == len(set(streams)) == 2
        assert [event.flow.continues for event in opened] == [None, None]
        assert [event.data for event in events if isinstance(event, Data)][-1] == b"new"
        # It began with its SYN.
        assert opened[1].packet_number == len(packets) - 2


# --- resets -------------------------------------------------------------------------------------------------------

SKIPPED_RESET = "a RST whose sequence number is not the next"


@pytest.mark.parametrize("distance", [3, 100, 1 << 20])
def test_a_reset_ahead_ends_a_flow_that_says_no_more(distance: int) -> None:
    """The capture may lack what was sent before it."""
    silent = after_handshake(a(0, b"abc"), a(3 + distance, flags=RST))
    assert silent == [("data", "A", 0, b"abc", 1), ("closed", "rst")]
    for goes_on in (a(3, b"d"), b(0, b"x")):
        events = after_handshake(a(0, b"abc"), a(3 + distance, flags=RST), goes_on)
        assert events[1][0] == "data"
        assert events[2:] == [("skipped", 2, SKIPPED_RESET), END]


def test_a_reset_behind_bytes_that_only_the_receiver_has_seen() -> None:
    events = after_handshake(a(0, b"abc"), b(0, ack=10), a(10, flags=RST))
    assert events == [("data", "A", 0, b"abc", 1), ("missing", "A", 3, 7, "closed"), ("closed", "rst")]


@pytest.mark.parametrize(
    ("ack", "flags", "closes"),
    [(ISN_A + 1, RST | ACK, True), (ISN_A + 5, RST | ACK, True), (ISN_A, RST | ACK, False), (ISN_A + 1, RST, False)],
)
def test_a_syn_is_refused_by_who_has_seen_it(ack: int, flags: int, closes: bool) -> None:
    """RFC 9293 section 3.10.7.3."""
    events = run(
        frame(A, B, ISN_A, flags=SYN), frame(B, A, 0, ack=ack, flags=flags), b(-1, flags=SYN | ACK), b(0, b"x")
    )
    data = [event for event in events if isinstance(event, Data)]
    skipped = [event.error.reason for event in events if isinstance(event, PacketSkipped)]
    assert (len(data), skipped[:1] == [SKIPPED_RESET]) == (1, not closes)
    opened = [event.flow for event in events if isinstance(event, FlowOpened)]
    assert [flow.client_known for flow in opened] == ([True, False] if closes else [True])


# --- behind the end -----------------------------------------------------------------------------------------------


def test_a_fin_is_taken_back_where_bytes_behind_it_are_acknowledged() -> None:
    events = after_handshake(a(0, b"abc"), a(3, flags=FIN | ACK), a(3, b"def"), b(0, ack=6), a(6, b"ghi"))
    assert events == [
        ("data", "A", 0, b"abc", 1),
        ("skipped", 4, "a FIN in front of bytes that follow it"),
        ("data", "A", 3, b"def", 3),
        ("data", "A", 6, b"ghi", 5),
        END,
    ]


@pytest.mark.parametrize("further", [a(6, b"ghi"), a(6, flags=FIN | ACK)], ids=["bytes", "FIN"])
def test_a_fin_is_taken_back_where_more_follows(further: bytes) -> None:
    events = after_handshake(a(3, flags=FIN | ACK), a(0, b"abc"), a(3, b"def"), further)
    assert [event for event in events if event[0] == "data"][:2] == [
        ("data", "A", 0, b"abc", 2),
        ("data", "A", 3, b"def", 3),
    ]


def test_the_acknowledgement_of_a_fin_is_none_of_bytes_behind_it() -> None:
    events = after_handshake(a(0, flags=FIN | ACK), a(0, b"z"), a(0, b"xy"), b(0, ack=1))
    assert events == [("skipped", 3, "2 bytes behind the FIN"), END]


@pytest.mark.parametrize("probe", [b"", b"\0"])
def test_a_keep_alive_probe_behind_a_fin_is_no_event(probe: bytes) -> None:
    """It has the number of the FIN."""
    ending = [a(0, b"abc"), a(3, flags=FIN | ACK)]
    assert after_handshake(*ending, a(3, probe), b(0, ack=4)) == [("data", "A", 0, b"abc", 1), END]
    closed = [*ending, b(0, flags=FIN | ACK, ack=4)]
    assert after_handshake(*closed, a(3, probe), b(1, ack=4)) == [("data", "A", 0, b"abc", 1), ("closed", "fin")]


def test_of_two_fins_the_one_in_order_counts() -> None:
    events = after_handshake(a(50, flags=FIN | ACK), a(0, b"abc", flags=FIN | ACK), b(0, flags=FIN | ACK, ack=4))
    assert events == [
        ("skipped", 2, "a FIN 47 bytes behind the end of its stream"),
        ("data", "A", 0, b"abc", 2),
        ("closed", "fin"),
    ]


def test_a_closed_connection_that_goes_on_is_continued() -> None:
    """Both ends are known from before, and no byte is missing."""
    events = run(
        frame(A, B, ISN_A, flags=SYN),
        b(-1, flags=SYN | ACK),
        a(0, b"abc"),
        b(0, flags=RST),
        a(3, b"def"),
        b(0, b"xyz", ack=6),
        b(-1, flags=SYN | ACK),
        a(6, b"ghi", ack=3),
    )
    before, after = [event.flow for event in events if isinstance(event, FlowOpened)]
    assert (after.continues, after.client_known, after.a) == (before.index, True, before.a)
    assert [
        (event.flow.index, event.offset, event.data, event.packet_number) for event in events if isinstance(event, Data)
    ] == [
        (0, 0, b"abc", 3),
        (1, 0, b"def", 5),
        (1, 0, b"xyz", 6),
        (1, 3, b"ghi", 8),
    ]
    assert not [event for event in events if isinstance(event, MissingBytes | PacketSkipped)]


def test_what_a_closed_connection_lacks_when_it_goes_on_is_missing() -> None:
    events = after_handshake(a(0, b"abc"), a(3, flags=RST), a(5, b"fgh"), a(8, b"ijk"))
    assert events[1:] == [
        ("closed", "rst"),
        ("opened", 1, True),
        ("missing", "A", 0, 2, "end"),
        ("data", "A", 2, b"fgh", 3),
        ("data", "A", 5, b"ijk", 4),
        END,
    ]


def test_bytes_far_behind_the_end_are_of_another_connection() -> None:
    far = (1 << 24) + 10
    events = run(frame(A, B, ISN_A, flags=SYN), a(0, b"abc"), a(3, flags=RST), a(far, b"new"), a(far + 3, b"est"))
    assert [(event.flow.continues, event.flow.client_known) for event in events if isinstance(event, FlowOpened)] == [
        (None, True),
        (None, False),
    ]
    assert not [event for event in events if isinstance(event, MissingBytes)]
    assert b"".join(event.data for event in events if isinstance(event, Data)) == b"abcnewest"


def test_what_is_held_behind_ends_is_bounded() -> None:
    """At most 64 segments: the oldest are reported as skipped before the capture ends."""
    packets: list[bytes] = []
    for at in range(100):
        near = A._replace(port=1000 + at)
        packets += [frame(near, B, 1, b"x"), frame(near, B, 2, flags=RST), frame(near, B, 2, b"held")]
    packets.append(frame(A, B, 1, b"last"))
    events = run(*packets)
    skipped = [at for at, event in enumerate(events) if isinstance(event, PacketSkipped)]
    last = next(at for at, event in enumerate(events) if isinstance(event, Data) and event.data == b"last")
    assert (len(skipped), sum(at < last for at in skipped)) == (100, 100 - 64)


# --- a SYN in the middle ------------------------------------------------------------------------------------------

NEW_SYN, NEW_ANSWER = frame(A, B, 90000, flags=SYN), frame(B, A, 70000, flags=SYN | ACK, ack=90001)
SKIPPED_SYN = "a SYN in the middle of a connection"


@pytest.mark.parametrize("handshake", [[NEW_SYN], [NEW_ANSWER], [NEW_SYN, NEW_ANSWER], [NEW_SYN] * 3])
def test_a_handshake_that_no_data_follow_begins_nothing(handshake: list[bytes]) -> None:
    acks = [frame(A, B, 90001, ack=70001)] * (len(handshake) > 1)
    events = after_handshake(a(0, b"abc"), *handshake, *acks, a(3, b"def"), b(0, b"xyz", ack=6))
    assert [event for event in events if event[0] != "data"] == [END, ("skipped", 2, SKIPPED_SYN)]
    assert [event[3] for event in events if event[0] == "data"] == [b"abc", b"def", b"xyz"]


@pytest.mark.parametrize("handshake", [[NEW_SYN], [NEW_ANSWER], [NEW_SYN, NEW_ANSWER], [NEW_SYN] * 3])
@pytest.mark.parametrize("lacking", [0, 500])
def test_a_handshake_that_data_follow_begins_a_connection(handshake: list[bytes], lacking: int) -> None:
    """Of whichever side, also where the first of them were not captured."""
    of_a, of_b = frame(A, B, 90001 + lacking, b"new"), frame(B, A, 70001 + lacking, b"new")
    far = 1 << 28
    for first in [of_a, of_b] if NEW_ANSWER in handshake else [of_a]:
        opening = [frame(A, B, far, flags=SYN), frame(B, A, far, flags=SYN | ACK, ack=far + 1)]
        events = run(*opening, frame(A, B, far + 1, b"abc"), *handshake, first)
        assert [event.reason for event in events if isinstance(event, FlowClosed)] == [
            CloseReason.REUSE,
            CloseReason.END,
        ]
        data = [event for event in events if isinstance(event, Data)]
        assert [(event.flow.index, event.offset, event.data) for event in data] == [
            (0, 0, b"abc"),
            (1, lacking, b"new"),
        ]
        assert str(data[1].flow) == "10.0.0.1:50000 -> 10.0.0.2:11111"
        assert not [event for event in events if isinstance(event, PacketSkipped)]


def test_bytes_in_the_syn_are_the_first_of_the_new_connection() -> None:
    events = after_handshake(a(0, b"abc"), frame(A, B, 90000, b"fast", flags=SYN), frame(A, B, 90005, b"open"))
    assert [event for event in events if event[0] == "data"] == [
        ("data", "A", 0, b"abc", 1),
        ("data", "A", 0, b"fast", 2),
        ("data", "A", 4, b"open", 3),
    ]


def test_two_sides_that_open_at_once_are_one_connection() -> None:
    """RFC 9293 section 3.5, figure 8."""
    opening = [
        frame(A, B, ISN_A, flags=SYN),
        frame(B, A, 5000, flags=SYN),
        frame(A, B, ISN_A, flags=SYN | ACK, ack=5001),
        frame(B, A, 5000, flags=SYN | ACK, ack=ISN_A + 1),
    ]
    events = run(*opening, a(0, b"abc"), b(0, b"xyz", ack=3))
    data = [(event.flow.index, event.offset, event.data) for event in events if isinstance(event, Data)]
    assert len({index for index, _, _ in data}) == 1
    assert [(offset, part) for _, offset, part in data] == [(0, b"abc"), (0, b"xyz")]


def test_numbers_at_random_hide_nothing_and_raise_nothing() -> None:
    rng = random.Random(3)  # noqa: S311 - a capture, not a secret
    whole = conversation(1)
    for _ in range(300):
        sent = list(whole)
        for _ in range(rng.randrange(1, 5)):
            place = rng.randrange(3, len(sent) - 2)
            flags = rng.choice(list(KINDS.values()))
            sent.insert(
                place, Sent(rng.random() < 0.5, rng.getrandbits(32), rng.getrandbits(32) * (flags & ACK > 0), flags)
            )
        shown, account = frames_of(sent)
        assert shown == FRAMES or lost(account) > 0, sent
