"""What a capture of many connections may take: one budget for all of them, and what is given up is counted and said."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from ftwire.capture import CaptureReader, ConversationOpened, DissectedBytes, DissectedFrame
from ftwire.capture.account import Account
from ftwire.capture.dissected import Dissected
from ftwire.cipher import RsaKey
from ftwire.errors import MemoryLimitError, UnsupportedLinkError
from ftwire.frame import Role, encode_frame
from ftwire.pcap import Dissector, Limits, PacketReader, PacketSkipped, PcapngWriter, PcapWriter, TcpConversation
from ftwire.pcap.events import Direction
from ftwire.websocket import Envelope
from support.captures import CLIENT, SERVER, START, packets, pcap_of, session
from support.pcap_model import RST, SYN, A, B, frame
from support.places import ROOT
from support.work import peak

MIB = 1 << 20
MSS = 8000
CLIENT_SENDS, SERVER_SENDS = Direction.A_TO_B, Direction.B_TO_A
LIMIT = 2 * MIB
COUNT = 40


def ends(count: int) -> list[TcpConversation]:
    return [TcpConversation(A._replace(port=1000 + at), B, mss=MSS) for at in range(count)]


def capture(sent: Iterator[tuple[TcpConversation, Direction, bytes]]) -> Iterator[bytes]:
    """A capture file in chunks, the packets of a turn in each."""
    writer = PcapWriter()
    yield writer.header()
    opened: set[TcpConversation] = set()
    for conversation, direction, data in sent:
        frames = [] if conversation in opened else conversation.open()
        opened.add(conversation)
        frames += conversation.send(direction, data)
        yield b"".join(writer.packet(START, each) for each in frames)


def lying(turns: int) -> Iterator[tuple[TcpConversation, Direction, bytes]]:
    """Each connection announces a body of 60 MiB and sends a part of it, in turn with the others."""
    conversations = ends(COUNT)
    header = encode_frame(3005, 1, b"")[:12] + (60 * MIB).to_bytes(4, "little") + bytes(28)
    for conversation in conversations:
        yield conversation, SERVER_SENDS, header
    for _ in range(turns):
        for conversation in conversations:
            yield conversation, SERVER_SENDS, bytes(MSS)


def unanswered(turns: int) -> Iterator[tuple[TcpConversation, Direction, bytes]]:
    """Requests without a body, of each protocol and serial one."""
    conversations = ends(COUNT)
    for turn in range(turns // 4 or 1):
        requests = b"".join(encode_frame(1002, 1 + 20 * turn + at, b"") for at in range(20))
        for conversation in conversations:
            yield conversation, CLIENT_SENDS, requests


def unknown(turns: int) -> Iterator[tuple[TcpConversation, Direction, bytes]]:
    """Something else, in small pieces, for which a search is made."""
    for conversation in ends(turns * 2):
        for _ in range(4):
            yield conversation, CLIENT_SENDS, bytes(30_000)


def tiny(turns: int) -> Iterator[tuple[TcpConversation, Direction, bytes]]:
    conversations = ends(COUNT * 2)
    for _ in range(turns * 10):
        for conversation in conversations:
            yield conversation, CLIENT_SENDS, b"x"


def like_opend(turns: int) -> Iterator[tuple[TcpConversation, Direction, bytes]]:
    """It begins as OpenD's frames do, and is kept for a diagnosis."""
    for conversation in ends(turns * 8):
        yield conversation, CLIENT_SENDS, b"FT" + bytes(60_000)


def envelopes(turns: int) -> Iterator[tuple[TcpConversation, Direction, bytes]]:
    """The first parts of a message on WebSocket, in frames of their own."""
    conversations = ends(COUNT)
    start = Envelope.build(1001, 1, b"", sender=Role.CLIENT).encode()
    for conversation in conversations:
        head = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n"
        yield conversation, CLIENT_SENDS, head + bytes((0x02, 0x80 | len(start))) + bytes(4) + start
    for _ in range(turns):
        for conversation in conversations:
            part = bytes(MSS - 8)
            yield conversation, CLIENT_SENDS, b"\0\xfe" + len(part).to_bytes(2, "big") + bytes(4) + part


def read(sent: Iterator[tuple[TcpConversation, Direction, bytes]], keep_bytes: bool) -> tuple[int, Account]:
    """Return the most memory that reading took, in bytes, and the account."""
    gc.collect()
    reader = CaptureReader(limits=Limits(max_memory=LIMIT), keep_bytes=keep_bytes)
    tracemalloc.start()
    try:
        for _ in reader.read(capture(sent)):
            pass
        return tracemalloc.get_traced_memory()[1], reader.account
    finally:
        tracemalloc.stop()


@pytest.mark.sampled(4)
@pytest.mark.parametrize("keep_bytes", [False, True])
@pytest.mark.parametrize(
    "shape", [lying, unanswered, unknown, tiny, like_opend, envelopes], ids=lambda shape: shape.__name__
)
def test_all_connections_together_stay_within_the_limit(
    shape: Callable[[int], Iterator[tuple[TcpConversation, Direction, bytes]]], keep_bytes: bool
) -> None:
    used, account = read(shape(20), keep_bytes)
    assert used < 1.5 * LIMIT + 4 * MIB
    if shape is not like_opend or keep_bytes:
        assert account.given_up > 0
    # A twentieth of it is within the limit.
    assert read(shape(1), keep_bytes)[1].given_up == 0


def reports_of(sent: Iterator[tuple[TcpConversation, Direction, bytes]]) -> tuple[list[Dissected], Account]:
    reader = CaptureReader(limits=Limits(max_memory=LIMIT))
    return list(reader.read(capture(sent))), reader.account


def test_what_is_given_up_is_undecoded_and_names_the_limit() -> None:
    reports, account = reports_of(lying(20))
    undecoded = [report.observation.undecoded for report in reports if isinstance(report, DissectedBytes)]
    given_up = [each for each in undecoded if each.error is not None]
    assert {type(each.error) for each in given_up} == {MemoryLimitError}
    assert str(LIMIT) in str(given_up[0].error)
    # Every byte is in one report.
    assert account.undecoded_bytes == sum(each.length for each in undecoded) == COUNT * (44 + 20 * MSS)


def test_frames_behind_what_was_given_up_are_shown() -> None:
    body = bytes(MIB)
    conversations = ends(6)

    def sent() -> Iterator[tuple[TcpConversation, Direction, bytes]]:
        large = encode_frame(3005, 1, body)
        for start in range(0, len(large), MSS):
            for conversation in conversations:
                yield conversation, SERVER_SENDS, large[start : start + MSS]
        for conversation in conversations:
            yield conversation, SERVER_SENDS, encode_frame(3005, 2, b"\x08\0")

    reports, account = reports_of(sent())
    serials = [report.frame.serial for report in reports if isinstance(report, DissectedFrame)]
    assert serials.count(2) == 6
    assert 0 < account.given_up <= 6 - serials.count(1)
    assert account.undecoded_bytes == (6 - serials.count(1)) * (44 + len(body))


def test_a_capture_within_the_limit_is_read_whole() -> None:
    def sent() -> Iterator[tuple[TcpConversation, Direction, bytes]]:
        for conversation in ends(30):
            yield conversation, SERVER_SENDS, encode_frame(3005, 1, bytes(MIB))

    _, account = reports_of(sent())
    assert (account.frames, account.undecoded_bytes, account.given_up) == (30, 0, 0)


def test_a_conversation_goes_on_in_a_flood_of_half_open_connections() -> None:
    """Those that never delivered anything make room first."""
    talk = packets(session())
    plain = frame(A, B, 1, flags=SYN)
    flood = [(START, plain[:26] + number.to_bytes(4, "big") + plain[30:]) for number in range(3000)]
    halves = [*talk[:5], *flood, *talk[5:9], *flood[::-1], *talk[9:]]
    reader = CaptureReader(limits=Limits(max_flows=100))
    reports = list(reader.read([pcap_of(halves)]))
    assert reader.account.frames == 5
    assert sum(isinstance(report, ConversationOpened) for report in reports) == 1


def test_a_conversation_that_goes_on_behind_a_reset_keeps_its_key() -> None:
    key = RsaKey.from_pem((ROOT / "fixtures" / "keys" / "TEST-ONLY-1024.pem").read_bytes())
    talk = packets(session(key))
    # Behind the second frame, of the server, with just the right number.
    after = talk[:7]
    number = int.from_bytes(after[-1][1][42:46], "big")
    reset = frame(SERVER, CLIENT, number, flags=RST)
    reader = CaptureReader(keys=[key])
    reports = list(reader.read([pcap_of([*after, (START, reset), *talk[7:]])]))
    frames = [report for report in reports if isinstance(report, DissectedFrame)]
    assert [report.error for report in frames] == [None] * 5
    assert [report.conversation.number for report in frames] == [1, 1, 2, 2, 2]
    assert (reader.account.undecoded_bytes, reader.account.without_key) == (0, 0)


@pytest.mark.parametrize("ours", [True, False])
def test_bytes_behind_the_end_of_a_conversation_are_counted(ours: bool) -> None:
    """Those of other connections are none of ours."""
    talk = packets(session())
    if not ours:
        talk = TcpConversation(CLIENT, SERVER).frames([(CLIENT_SENDS, b"hello", START)])
    number = int.from_bytes(talk[-1][1][38:42], "big")
    straggler = frame(CLIENT, SERVER, number, b"straggler")
    reader = CaptureReader()
    list(reader.read([pcap_of([*talk, (talk[-1][0] + 1, straggler)])]))
    assert reader.account.misplaced_bytes == (9 if ours else 0)
    assert reader.account.other_packets == (0 if ours else 1)


# --- what else a file may fill ------------------------------------------------------------------------------------


def interfaces(count: int) -> Iterator[bytes]:
    writer = PcapngWriter()
    yield writer.section()
    block = PcapngWriter().interface()
    for _ in range(count // 1000):
        yield block * 1000


def drain(chunks: Iterator[bytes]) -> None:
    reader = PacketReader()
    for chunk in chunks:
        for _ in reader.feed(chunk):
            pass


def test_interfaces_without_end() -> None:
    few, many = (peak(partial(drain, interfaces(count))) for count in (17_000, 50_000))
    assert many < few + MIB // 4


@pytest.mark.parametrize("by_packet", [0, 1, 2])
def test_packets_of_interfaces_beyond_the_limit_are_skipped_and_counted(by_packet: int) -> None:
    writer = PcapngWriter()
    file = writer.section() + b"".join(writer.interface() for _ in range(3))
    file += b"".join(writer.packet(START, each, interface=by_packet) for _, each in packets(session()))
    reader = CaptureReader(limits=Limits(max_interfaces=2))
    list(reader.read([file]))
    if by_packet < 2:
        assert (reader.account.frames, reader.account.unsupported_links) == (5, {})
    else:
        assert reader.account.frames == 0
        assert list(reader.account.unsupported_links.values()) == [len(packets(session()))]
    dissector = Dissector(Limits(max_interfaces=2))
    skipped = [event.error for event in dissector.feed(file) if isinstance(event, PacketSkipped)]
    assert all(isinstance(error, UnsupportedLinkError) for error in skipped)
    # A section of its own begins with none.
    again = PcapngWriter()
    file += again.section() + again.interface() + again.packet(START, packets(session())[0][1])
    assert [packet.link_type for packet in PacketReader(Limits(max_interfaces=2)).feed(file)][-1] == 1


def test_secrets_without_end() -> None:
    writer = PcapngWriter()
    file = writer.section() + writer.secrets(1, b"") * 20_000
    reader = PacketReader()
    list(reader.feed(file))
    assert len(reader.secrets) == 4096
