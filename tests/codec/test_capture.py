"""Captures read as frames: every way in, every chunking, and the account of what was not turned into frames."""

from __future__ import annotations

import ast
import gzip
import io
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ftwire
from fixtures.make_goldens import captures, golden
from fixtures.make_keys import TEST_KEY
from ftwire.capture import (
    SECRETS_TYPE,
    Account,
    CaptureReader,
    Conversation,
    ConversationClosed,
    ConversationOpened,
    Dissected,
    DissectedBytes,
    DissectedFrame,
    KeyNeeded,
    UnrecognisedConnection,
    is_capture,
    kept,
    read_body,
)
from ftwire.cipher import RsaKey
from ftwire.errors import (
    BodyError,
    BodyTooLargeError,
    CaptureFormatError,
    DigestError,
    KeyFormatError,
    KeyRequiredError,
    NotACaptureError,
    TruncatedCaptureError,
    UnknownProtocolError,
)
from ftwire.frame import Frame, Role
from ftwire.pcap import (
    CloseReason,
    Direction,
    Endpoint,
    LinkType,
    PcapngWriter,
    PcapWriter,
    TcpConversation,
    ip_packet,
    link_frame,
    tcp_segment,
)
from ftwire.strategies import chunkings
from ftwire.websocket import DISCONNECTED, Envelope, EnvelopeStatus
from support.captures import (
    CLIENT,
    MILLISECOND,
    SERVER,
    START,
    answered,
    asked,
    packets,
    pcap,
    pcap_of,
    push,
    session,
)
from support.frames import rt_request, rt_response

PEM = TEST_KEY.read_text()
KEY = RsaKey.from_pem(PEM)
OTHER_CLIENT = Endpoint(b"\x0a\0\0\x02", 40000)
WEB_SERVER = Endpoint(b"\x0a\0\0\x01", 80)
UDP = 17


def reports_of(chunks: Iterable[bytes], reader: CaptureReader) -> list[Dissected]:
    reports: list[Dissected] = []
    for chunk in chunks:
        reports += reader.feed(chunk)
    reports += reader.close()
    return reports


def read_all(data: bytes, **options: object) -> tuple[list[Dissected], Account]:
    reader = CaptureReader(**options)  # type: ignore[arg-type]
    return reports_of([data], reader), reader.account


def facts_of(reports: list[Dissected]) -> list[object]:
    """Reports as values that can be compared: errors are equal only to themselves."""
    return [
        report._replace(observation=report.observation._replace(undecoded=repr(report.observation.undecoded)))  # type: ignore[arg-type]
        if isinstance(report, DissectedBytes)
        else report
        for report in reports
    ]


def web_page(client: Endpoint = OTHER_CLIENT) -> list[tuple[int, bytes]]:
    """A connection of another protocol."""
    return TcpConversation(client, WEB_SERVER).frames(
        [(Direction.A_TO_B, b"GET / HTTP/1.1\r\n\r\n", START), (Direction.B_TO_A, b"HTTP/1.1 200 OK\r\n\r\n", START)]
    )


def junk(client: Endpoint = CLIENT) -> list[tuple[int, bytes]]:
    """A conversation with 100 bytes that are no frame between two frames."""
    said = [asked(3008, 2, rt_request()).data, b"\xee" * 100, asked(3008, 3, rt_request()).data]
    return TcpConversation(client, SERVER).frames((Direction.A_TO_B, data, START) for data in said)


def everything() -> bytes:
    """Three conversations at a time, one encrypted and one with junk, a web page, and a packet that is no TCP."""
    udp = link_frame(LinkType.ETHERNET, ip_packet(CLIENT.packed, SERVER.packed, bytes(8), protocol=UDP))
    frames = [
        *packets(session()),
        *packets(session(KEY), client=CLIENT._replace(port=50113)),
        *junk(CLIENT._replace(port=50114)),
        *web_page(),
        (START, udp),
    ]
    return pcap_of(sorted(frames, key=lambda item: item[0]))


class TestGoldens:
    @pytest.mark.parametrize("capture", list(captures()), ids=lambda capture: capture[0].name)
    def test_read_gives_the_frames_of_the_recorded_captures(self, capture: tuple[Path, Path | None]) -> None:
        path, key = capture
        frames = ftwire.read(path, keys=[] if key is None else [key.read_bytes()])
        lines = golden(path, "dump.jsonl").read_text(encoding="utf-8").splitlines()
        count = 0
        for frame, line in zip(frames, lines, strict=True):
            expected = json.loads(line)
            count += 1
            source, destination = frame.conversation.ends(frame.sender)
            latency = None if expected["latency_ns"] is None else int(expected["latency_ns"])
            assert (frame.number, frame.packet, frame.time) == (count, expected["packet"], int(expected["time"]))
            assert (source, destination) == (expected["src"], expected["dst"])
            assert frame.conversation.number == expected["conversation"]
            assert frame.conversation.transport == expected["transport"]
            assert (frame.kind, frame.proto_id, frame.latency) == (expected["kind"], expected["proto_id"], latency)
            assert frame.encryption == expected["encryption"]
            assert (None if frame.protocol is None else frame.protocol.name) == expected["proto"]
            assert (frame.message is None) == (expected["body"] is None)
            assert (None if frame.error is None else type(frame.error).__name__) == expected["error_type"]
        assert frames.account.frames == count


class TestChunkings:
    def same_in_all_chunkings(self, data: bytes, **options: object) -> None:
        expected, account = read_all(data, **options)
        assert any(isinstance(report, DissectedFrame) for report in expected)
        for step in (1, 3, 1448):
            reader = CaptureReader(**options)  # type: ignore[arg-type]
            found = reports_of((data[at : at + step] for at in range(0, len(data), step)), reader)
            assert (facts_of(found), reader.account) == (facts_of(expected), account)

    @pytest.mark.parametrize("keep_bytes", [False, True])
    def test_a_file_of_many_connections(self, keep_bytes: bool) -> None:
        self.same_in_all_chunkings(everything(), keys=[KEY], keep_bytes=keep_bytes)

    def test_a_compressed_file(self) -> None:
        data = everything()
        self.same_in_all_chunkings(gzip.compress(data), keys=[KEY])
        plain, compressed = read_all(data, keys=[KEY]), read_all(gzip.compress(data), keys=[KEY])
        assert (facts_of(plain[0]), plain[1]) == (facts_of(compressed[0]), compressed[1])

    def test_a_pcapng_file_with_its_key(self) -> None:
        writer = PcapngWriter()
        data = writer.section() + writer.interface() + writer.secrets(SECRETS_TYPE, PEM.encode())
        data += b"".join(writer.packet(time, frame) for time, frame in packets(session(KEY)))
        self.same_in_all_chunkings(data)
        assert [frame.error for frame in ftwire.read(data)] == [None] * 5

    @pytest.mark.parametrize("sender", list(Role))
    def test_the_bytes_of_one_side(self, sender: Role) -> None:
        said = b"".join(each.data for each in session() if each.sender is sender)
        self.same_in_all_chunkings(said)
        self.same_in_all_chunkings(said, sender=sender)

    @given(st.data())
    @settings(max_examples=30, deadline=None)
    def test_any_chunks(self, data: st.DataObject) -> None:
        capture = everything()
        reader = CaptureReader(keys=[KEY])
        found = reports_of(data.draw(chunkings(capture)), reader)
        expected, account = read_all(capture, keys=[KEY])
        assert (facts_of(found), reader.account) == (facts_of(expected), account)

    def test_a_frame_is_reported_with_the_bytes_that_complete_it(self) -> None:
        data = pcap(session())
        reader = CaptureReader()
        done = [
            (at, report.number)
            for at in range(len(data))
            for report in reader.feed(data[at : at + 1])
            if isinstance(report, DissectedFrame)
        ]
        expected = []
        for at, number in done:
            whole = [each for each in CaptureReader().feed(data[: at + 1]) if isinstance(each, DissectedFrame)]
            before = [each for each in CaptureReader().feed(data[:at]) if isinstance(each, DissectedFrame)]
            expected.append((len(before) + 1, len(whole)))
            assert number == len(whole)
        assert expected == [(number, number) for number in range(1, 6)]


class TestNumbers:
    def test_conversations_are_numbered_by_their_first_frames_and_frames_through_the_file(self) -> None:
        # The first connection opens before the second and sends its frames after it.
        opening, rest = packets(session())[:3], packets(session())[3:]
        second = packets(session()[2:], client=CLIENT._replace(port=50000))
        later = [(time + 10 * MILLISECOND, packet) for time, packet in rest]
        data = pcap_of([*web_page(), *opening, *second, *later])
        found = list(ftwire.read(data))
        assert [frame.number for frame in found] == list(range(1, 9))
        assert [frame.conversation.number for frame in found] == [1] * 3 + [2] * 5
        assert found[0].conversation == Conversation(1, "tcp", "127.0.0.1:50000", "127.0.0.1:11111")

    def test_a_conversation_opens_and_closes_once(self) -> None:
        reports, _ = read_all(pcap_of([*packets(session()), *web_page()]))
        opened, closed = reports[0], reports[-1]
        assert isinstance(opened, ConversationOpened)
        assert (opened.client, opened.server, opened.from_start, opened.time) == (CLIENT, SERVER, True, START)
        assert isinstance(closed, ConversationClosed)
        assert (closed.reason, closed.conversation) == (CloseReason.FIN, opened.conversation)
        assert closed.time == START + 4 * MILLISECOND
        assert [type(report) for report in reports[1:-1]] == [DissectedFrame] * 5

    def test_an_end_is_the_captures_where_it_has_none(self) -> None:
        reports, _ = read_all(pcap_of(packets(session())[3:-3]))
        assert isinstance(reports[0], ConversationOpened)
        assert not reports[0].from_start
        assert isinstance(reports[-1], ConversationClosed)
        assert reports[-1].reason is CloseReason.END


class TestFrames:
    def test_a_response_has_its_request_and_latency(self) -> None:
        request, response = list(ftwire.read(pcap(session())))[2:4]
        assert (request.sender, request.kind, request.request, request.latency) == (Role.CLIENT, "request", None, None)
        assert response.request == request.frame
        assert response.latency == response.time - request.time == MILLISECOND
        assert response.message == rt_response()
        assert response.error is None

    def test_frames_that_cannot_be_read_are_given_with_their_errors(self) -> None:
        damaged = bytearray(answered(3008, 2, rt_response()).data)
        damaged[-1] ^= 1
        unknown = asked(9999, 4, b"\x0a\x00")
        wrong = asked(3008, 5, b"\x08")
        last = asked(3008, 6, rt_request())
        data = pcap([*session()[:3], replace(session()[3], data=bytes(damaged)), unknown, wrong, last, session()[4]])
        frames = list(ftwire.read(data))
        assert [type(frame.error) for frame in frames if frame.error] == [DigestError, UnknownProtocolError, BodyError]
        assert [frame.message is None for frame in frames] == [False] * 3 + [True] * 3 + [False] * 2

    def test_an_envelope_with_an_error_of_opends_needs_no_body(self) -> None:
        refused = Envelope.build(3008, 7, b"", sender=Role.SERVER, error_code=EnvelopeStatus.TIMEOUT, error_text="late")
        assert read_body(refused) == (None, None)
        empty = Envelope.build(3008, 7, b"\x08", sender=Role.SERVER)
        assert isinstance(read_body(empty)[1], BodyError)

    def test_a_command_of_websocket_needs_no_body(self) -> None:
        assert read_body(Envelope.build(DISCONNECTED, 7, b"", sender=Role.SERVER)) == (None, None)

    def test_unknown_protocols_are_errors_on_either_transport(self) -> None:
        envelope = Envelope.build(9999, 7, b"\x08\x01", sender=Role.SERVER)
        frame = Frame.build(9999, 1, b"\x08\x01", sender=Role.CLIENT)
        assert [type(read_body(each)[1]) for each in (envelope, frame)] == [UnknownProtocolError] * 2


class TestRead:
    def test_a_path_a_file_and_bytes_are_the_same(self, tmp_path: Path) -> None:
        data = pcap(session())
        path = tmp_path / "session.pcap"
        path.write_bytes(data)
        expected = list(ftwire.read(data))
        assert len(expected) == 5
        assert list(ftwire.read(path)) == list(ftwire.read(str(path))) == expected
        assert list(ftwire.read(bytearray(data))) == list(ftwire.read(memoryview(data))) == expected
        stream = io.BytesIO(data)
        assert list(ftwire.read(stream)) == expected
        assert not stream.closed

    def test_keys_are_keys_or_pem(self) -> None:
        data = pcap(session(KEY))
        for key in (KEY, PEM, PEM.encode()):
            assert [frame.error for frame in ftwire.read(data, keys=[key])] == [None] * 5
        with pytest.raises(KeyFormatError):
            ftwire.read(data, keys=["no key"])

    def test_what_was_not_decoded_is_in_the_account(self) -> None:
        frames = ftwire.read(pcap(session(KEY)))
        assert {type(frame.error) for frame in frames} == {KeyRequiredError}
        assert (frames.account.without_key, frames.account.frames) == (1, 5)

    @pytest.mark.parametrize("wrapped", [bytes, gzip.compress])
    def test_a_cut_file_raises_after_its_last_frame(self, wrapped: type[bytes]) -> None:
        data = pcap(session())
        frames = ftwire.read(wrapped(data)[:-40])
        found: list[int] = []
        with pytest.raises(TruncatedCaptureError):
            found.extend(frame.number for frame in frames)
        assert found == [1, 2, 3, 4, 5]
        assert isinstance(frames.account.damage, TruncatedCaptureError)

    def test_a_damaged_file_raises_after_all_that_waited(self) -> None:
        # Frames whose sides nothing tells apart wait for the end of the connection.
        said = [replace(each, data=Frame.build(3008, 2, b"", sender=each.sender).encode()) for each in session()[2:3]]
        data = pcap_of(packets(said)[3:-3]) + b"\xff" * 64
        found: list[int] = []
        with pytest.raises(CaptureFormatError):
            found.extend(frame.proto_id for frame in ftwire.read(data))
        assert found == [3008]

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "empty"),
            (b"FT", "neither a capture"),
            (b"what a text file holds", "neither a capture"),
            (gzip.compress(b"what a text file holds", mtime=0), "neither a capture"),
        ],
    )
    def test_what_is_no_capture_is_said(self, data: bytes, reason: str) -> None:
        with pytest.raises(NotACaptureError, match=reason):
            list(ftwire.read(data))

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            next(ftwire.read(tmp_path / "none"))

    def test_raw_bytes_can_be_refused(self) -> None:
        raw = asked(3008, 2, rt_request()).data
        assert not is_capture(raw)
        assert is_capture(pcap(session()))
        reader = CaptureReader(raw=False)
        with pytest.raises(NotACaptureError):
            list(reader.feed(raw))

    def test_a_raw_stream_that_only_begins_like_a_frame_is_undecoded(self) -> None:
        raw = bytearray(asked(3008, 2, rt_request()).data[:44])
        raw[12:16] = (1 << 30).to_bytes(4, "little")
        reports, account = read_all(bytes(raw))
        (undecoded,) = [report for report in reports if isinstance(report, DissectedBytes)]
        assert isinstance(undecoded.observation.undecoded.error, BodyTooLargeError)
        assert (undecoded.ended, account.undecoded_bytes, account.frames) == (CloseReason.END, 44, 0)

    def test_only_read_opens_files(self) -> None:
        opening = {
            path.name
            for path in Path(ftwire.__file__).parent.rglob("*.py")
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"open", "FileIO"}
        }
        # The schema is the library's own.
        assert opening == {"schema.py", "files.py"}


def snapped(frames: list[tuple[int, bytes]], captured: dict[int, int]) -> bytes:
    """Return a capture file of which some packets, by their index, are cut to a number of bytes."""
    writer = PcapWriter()
    return writer.header() + b"".join(
        writer.packet(time, frame[: captured.get(at, len(frame))], len(frame))
        for at, (time, frame) in enumerate(frames)
    )


def frames_in(reports: list[Dissected]) -> list[tuple[int, bytes]]:
    return [(report.time, report.frame.encode()) for report in reports if isinstance(report, DissectedFrame)]


class TestAccount:
    def test_nothing_is_counted_where_everything_is_a_frame(self) -> None:
        assert read_all(pcap(session()))[1] == Account(frames=5, conversations=1)

    def test_other_connections_and_packets(self) -> None:
        udp = link_frame(LinkType.ETHERNET, ip_packet(CLIENT.packed, SERVER.packed, bytes(8), protocol=UDP))
        silent = TcpConversation(OTHER_CLIENT, SERVER)
        others = [*web_page(OTHER_CLIENT._replace(port=1)), (START, udp)]
        others += [(START, frame) for frame in (*silent.open(), *silent.close())]
        data = pcap_of([*others, *packets(session())])
        assert read_all(data)[1] == Account(frames=5, conversations=1, other_connections=2, other_packets=1)

    def test_unsupported_links_by_type(self) -> None:
        writer = PcapWriter(link_type=147)
        data = writer.header() + writer.packet(START, b"something") + writer.packet(START, b"more")
        account = read_all(data)[1]
        assert list(account.unsupported_links.values()) == [2]
        assert "147" in next(iter(account.unsupported_links))

    def test_packets_that_the_snap_length_cut_in_a_conversation(self) -> None:
        frames = packets(session())
        large = max(range(len(frames)), key=lambda at: len(frames[at][1]))
        data = snapped(frames, {large: 100})
        account = read_all(data)[1]
        missing = len(frames[large][1]) - 100
        assert (account.conversations, account.frames, account.cut_packets) == (1, 4, 1)
        assert account.missing_bytes == missing
        assert [sentence.split(":")[0] for sentence in account.unread()] == [
            "1 packet cut to the capture's snapshot length"
        ]

    @pytest.mark.parametrize("captured", [14, 20, 40, 54, 60, 90])
    def test_packets_that_the_snap_length_cut_so_that_nothing_is_recognised(self, captured: int) -> None:
        frames = packets(session())
        account = read_all(snapped(frames, dict.fromkeys(range(len(frames)), captured)))[1]
        # Cut in front of the payload nothing shows which packets have one.
        with_payload = sum(len(frame) > max(captured, 54) for _, frame in frames)
        assert account.cut_packets == (with_payload if captured >= 54 else len(frames))
        assert (account.frames, account.conversations) == (0, 0)

    def test_packets_cut_that_hold_something_else(self) -> None:
        udp = link_frame(LinkType.ETHERNET, ip_packet(CLIENT.packed, SERVER.packed, bytes(200), protocol=UDP))
        arp = link_frame(LinkType.ETHERNET, b"\x45")[:12] + b"\x08\x06" + bytes(100)
        # TLS: it begins otherwise than OpenD's connections do, and the capture has it from its start on.
        tls = TcpConversation(OTHER_CLIENT, SERVER)
        hello = [*tls.open(), *tls.send(Direction.A_TO_B, b"\x16\x03\x01" + bytes(900))]
        others = [(START, frame) for frame in (udp, arp, *hello)]
        frames = [*packets(session()), *others]
        cut = {at: 60 for at, (_, frame) in enumerate(frames) if at >= len(frames) - len(others) and len(frame) > 60}
        assert len(cut) == 3
        account = read_all(snapped(frames, cut))[1]
        assert (account.frames, account.cut_packets, account.unread()) == (5, 0, [])
        # Without its start it may be anything.
        assert read_all(snapped(others[-2:], {0: 60}))[1].cut_packets == 1

    def test_packets_shorter_than_they_say(self) -> None:
        """As of programs that write the captured length as the original one, too."""
        frames = [(time, frame[:80]) for time, frame in packets(session())]
        assert read_all(pcap_of(frames))[1].cut_packets == sum(len(frame) == 80 for _, frame in frames)

    def test_tunnels_that_are_not_looked_into(self) -> None:
        packet = link_frame(LinkType.ETHERNET, ip_packet(CLIENT.packed, SERVER.packed, bytes(60), protocol=50))
        alone = read_all(pcap_of([(START, packet)] * 3))[1]
        assert (alone.closed_tunnels, alone.other_packets) == ({"IPsec (ESP)": 3}, 3)
        assert len(alone.unread()) == 1
        beside = read_all(pcap_of([*packets(session()), (START, packet)]))[1]
        assert (beside.closed_tunnels, beside.unread()) == ({"IPsec (ESP)": 1}, [])

    def test_a_conversation_in_a_tunnel_is_read_as_outside(self) -> None:
        plain = packets(session())
        inside = [
            (time, link_frame(1, ip_packet(b"\x0a\0\0\1", b"\x0a\0\0\2", b"\0\0\x65\x58" + frame, protocol=47)))
            for time, frame in plain
        ]
        expected, account = read_all(pcap_of(plain))
        reports, account_inside = read_all(pcap_of(inside))
        assert account_inside == account
        assert frames_in(reports) == frames_in(expected)

    def test_undecoded_and_missing_bytes(self) -> None:
        assert read_all(pcap_of(junk()))[1] == Account(frames=2, conversations=1, undecoded_bytes=100)
        conversation = TcpConversation(CLIENT, SERVER)
        first, last = asked(3008, 2, rt_request()).data, asked(3008, 3, rt_request()).data
        frames = [*conversation.open(), *conversation.send(Direction.A_TO_B, first)]
        conversation.skip(Direction.A_TO_B, 1000)
        frames += [*conversation.send(Direction.A_TO_B, last), *conversation.close()]
        account = read_all(pcap_of((START + number, frame) for number, frame in enumerate(frames)))[1]
        assert account == Account(frames=2, conversations=1, missing_bytes=1000)

    def test_packets_that_contradict_each_other(self) -> None:
        frames = packets(session())
        other = tcp_segment(CLIENT, SERVER, seq=1001, ack=5001, flags=0x18, data=bytes(10))
        again = link_frame(LinkType.ETHERNET, ip_packet(CLIENT.packed, SERVER.packed, other))
        assert read_all(pcap_of([*frames[:7], (START, again), *frames[7:]]))[1].refused_packets == 1

    def test_conversations_without_a_key(self) -> None:
        data = pcap(session(KEY))
        reports, account = read_all(data)
        assert [type(report) for report in reports].count(KeyNeeded) == account.without_key == 1
        assert read_all(data, keys=[KEY])[1] == Account(frames=5, conversations=1)

    def test_it_counts_what_is_reported(self) -> None:
        reports, account = read_all(everything(), keys=[KEY])
        counts = Counter(type(report) for report in reports)
        assert counts[DissectedFrame] == account.frames == 12
        assert counts[ConversationOpened] == counts[ConversationClosed] == account.conversations == 3
        undecoded = [report.observation.undecoded for report in reports if isinstance(report, DissectedBytes)]
        assert sum(each.length - each.missing for each in undecoded) == account.undecoded_bytes == 100
        assert (account.other_connections, account.other_packets, account.damage) == (1, 1, None)


class TestKeptBytes:
    def test_undecoded_bytes_are_given_with_their_report(self) -> None:
        reports, _ = read_all(pcap_of(junk()), keep_bytes=True)
        assert [report.data for report in reports if isinstance(report, DissectedBytes)] == [b"\xee" * 100]
        reports, _ = read_all(pcap_of(junk()))
        assert [report.data for report in reports if isinstance(report, DissectedBytes)] == [b""]

    @pytest.mark.parametrize("ends", [True, False])
    def test_what_is_left_at_the_end_is_given_with_its_reason(self, ends: bool) -> None:
        rest = answered(3009, 0, push()).data[:-1]
        frames = packets([*session(), replace(session()[4], data=rest)])
        reports, _ = read_all(pcap_of(frames if ends else frames[:-3]), keep_bytes=True)
        (left,) = [report for report in reports if isinstance(report, DissectedBytes)]
        assert (left.data, left.ended) == (rest, CloseReason.FIN if ends else CloseReason.END)

    def test_bytes_beyond_the_limit_are_counted_and_not_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(kept, "MAX_PENDING", 100)
        pending = kept.PendingBytes()
        pending.add(b"a" * 90)
        pending.add(b"b" * 20)
        pending.add(b"c" * 5)
        assert pending.take(80) == b"a" * 80
        assert pending.take(25) == b"a" * 10
        assert pending.take(10) == b""
        pending.add(b"d" * 5)
        assert pending.take(5) == b"d" * 5

    def test_a_connection_that_begins_like_opends_and_is_not_is_given_at_its_end(self) -> None:
        header = bytearray(asked(3008, 2, rt_request()).data)
        header[2:6] = (3008).to_bytes(4, "big")
        header[16:36] = bytes(20)
        wrong = [replace(session()[2], data=bytes(header))]
        data = pcap_of([*packets(wrong), *web_page(OTHER_CLIENT._replace(port=1))])
        for keep_bytes in (False, True):
            found, account = read_all(data, keep_bytes=keep_bytes)
            assert (account.other_connections, account.unrecognised, account.conversations) == (2, 1, 0)
            (only,) = found
            assert isinstance(only, UnrecognisedConnection)
            assert [sent.data for sent in only.sent] == ([bytes(header)] if keep_bytes else [])
            assert (only.conversation.number, only.from_start, only.reason) == (0, True, CloseReason.FIN)
            assert (only.conversation.client, only.sizes) == (str(CLIENT), (len(header), 0))
            assert only.resemblance == '"FT" and protocol ID 3008 (Qot_GetRT) in big-endian order'


@pytest.mark.parametrize(
    ("source", "said"),
    [(io.StringIO("text"), "open its file with mode 'rb'"), (None, "here is NoneType"), ([b"", 5], "here is int")],
)
def test_what_cannot_be_a_capture_is_refused_at_once(source: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        ftwire.read(source)
