"""Connections that look like this protocol and hold no frame: all of them are reported, and nothing else is."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import ftwire
from fixtures.make_goldens import captures
from ftwire.capture import Account, CaptureReader, Dissected, DissectedFrame, UnrecognisedConnection
from ftwire.conversation import ConversationObserver
from ftwire.errors import NotACaptureError
from ftwire.frame import Role
from ftwire.pcap import Endpoint
from ftwire.protocols import registry
from ftwire.resemblance import resemblance_of
from support.captures import CLIENT, Said, asked, packets, pcap_of, session
from support.cores import pure
from support.frames import rt_request

ELSEWHERE = Endpoint(b"\x0a\0\0\x01", 21313)
"""A server on a port that is none of OpenD's."""
OPEND, WEBSOCKET = ELSEWHERE._replace(port=11111), ELSEWHERE._replace(port=33333)

GOOD = asked(3008, 2, rt_request()).data
BODY = GOOD[44:]
HANDSHAKE = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n"
ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def header(order: str, *, magic: bytes = b"FT", reserved: bytes = bytes(8)) -> bytes:
    digest = GOOD[16:36]
    return magic + struct.pack(f"{order}IBBII", 3008, 0, 0, 2, len(BODY)) + digest + reserved + BODY


BROKEN: dict[str, tuple[bytes, str]] = {
    "big-endian": (header(">"), '"FT" and protocol ID 3008 (Qot_GetRT) in big-endian order'),
    "padded": (
        b"FT\0\0" + header("<", magic=b""),
        '"FT" and protocol ID 3008 (Qot_GetRT) two bytes too late',
    ),
    "padded and big-endian": (
        b"FT\0\0" + header(">", magic=b""),
        '"FT" and protocol ID 3008 (Qot_GetRT) in big-endian order two bytes too late',
    ),
    "36 bytes": (header("<", reserved=b""), '"FT" and protocol ID 3008 (Qot_GetRT)'),
    "lower case": (header("<", magic=b"ft"), '"ft" and protocol ID 3008 (Qot_GetRT)'),
    "magic as a number": (header("<", magic=b"TF"), '"TF" and protocol ID 3008 (Qot_GetRT)'),
    "no magic": (header("<", magic=b""), 'protocol ID 3008 (Qot_GetRT) without "FT" before it'),
    "no magic, big-endian": (
        header(">", magic=b""),
        'protocol ID 3008 (Qot_GetRT) in big-endian order without "FT" before it',
    ),
    "no magic and 34 bytes": (
        header("<", magic=b"", reserved=b""),
        'protocol ID 3008 (Qot_GetRT) without "FT" before it',
    ),
    "hexadecimal": (GOOD.hex().encode(), '"FT" and protocol ID 3008 (Qot_GetRT), in hexadecimal'),
    "a header alone": (GOOD[:30], '"FT" and protocol ID 3008 (Qot_GetRT)'),
    "a length beyond all": (
        GOOD[:12] + b"\xff" * 4 + GOOD[16:],
        '"FT" and protocol ID 3008 (Qot_GetRT)',
    ),
    "an envelope on TCP": (b"FT-V1.0\0" + bytes(20), '"FT-V"'),
}


def text_message(text: bytes) -> bytes:
    """A client's WebSocket message, masked with zeros."""
    return bytes((0x82, 0x80 | len(text))) + bytes(4) + text


OTHERS: dict[str, list[Said]] = {
    "HTTP": [Said(Role.CLIENT, b"GET / HTTP/1.1\r\n\r\n"), Said(Role.SERVER, b"HTTP/1.1 200 OK\r\n\r\nFT")],
    "HTTP that names this protocol": [Said(Role.CLIENT, b"POST /FT HTTP/1.1\r\n\r\n" + GOOD.hex().encode())],
    "another WebSocket": [
        Said(Role.CLIENT, HANDSHAKE),
        Said(Role.SERVER, ACCEPTED),
        Said(Role.CLIENT, text_message(b'{"op":"subscribe"}')),
    ],
    "TLS": [Said(Role.CLIENT, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)))],
    "SSH": [Said(Role.SERVER, b"SSH-2.0-OpenSSH_9.6\r\n"), Said(Role.CLIENT, b"SSH-2.0-Go\r\n")],
    "SMTP": [Said(Role.SERVER, b"220 mail ESMTP\r\n"), Said(Role.CLIENT, b"EHLO a\r\n")],
    "FTP": [Said(Role.SERVER, b"220 FTP server\r\n"), Said(Role.CLIENT, b"USER anonymous\r\n")],
    "Redis": [Said(Role.CLIENT, b"*1\r\n$4\r\nPING\r\n"), Said(Role.SERVER, b"+PONG\r\n")],
    # Lengths in front that are the IDs of protocols.
    "MySQL": [Said(Role.SERVER, struct.pack("<I", 3008) + b"\x0a8.0.36\0" + bytes(3000))],
    "Kafka": [Said(Role.CLIENT, struct.pack(">IHHI", 1001, 0, 0, 7) + bytes(993))],
    "lengths": [Said(Role.CLIENT, struct.pack(">I", 3001) + bytes(3001))],
    "nothing": [Said(Role.CLIENT, bytes(100))],
    "digits": [Said(Role.CLIENT, b"4653" * 30)],
}


def read_all(data: bytes, **options: object) -> tuple[list[Dissected], Account]:
    reader = CaptureReader(**options)  # type: ignore[arg-type]
    return list(reader.read([data])), reader.account


def unrecognised(said: list[Said], server: Endpoint, **options: object) -> list[UnrecognisedConnection]:
    reports, account = read_all(pcap_of(packets(said, server=server)), **options)
    found = [report for report in reports if isinstance(report, UnrecognisedConnection)]
    assert account.unrecognised == len(found) == len(reports)
    return found


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("core", [True, False])
@pytest.mark.parametrize("sender", list(Role))
def test_what_begins_like_a_frame_is_reported_on_any_port(name: str, core: bool, sender: Role) -> None:
    data, reason = BROKEN[name]
    before = [Said(sender.peer, b"hello\r\n")]
    for said in ([Said(sender, data)], [*before, Said(sender, data)]):
        with nullcontext() if core else pure():
            (only,) = unrecognised(said, ELSEWHERE)
            (kept,) = unrecognised(said, ELSEWHERE, keep_bytes=True)
        assert only.resemblance == reason
        assert (only.conversation.client, only.conversation.server) == (str(CLIENT), str(ELSEWHERE))
        assert only.sizes == tuple(sum(len(each.data) for each in said if each.sender is role) for role in Role)
        assert kept == only._replace(sent=kept.sent)
        assert [(each.sender, each.data) for each in kept.sent] == [(each.sender, each.data) for each in said]


@pytest.mark.parametrize("name", OTHERS)
def test_other_protocols_are_not_reported_on_any_port_of_theirs(name: str) -> None:
    for keep_bytes in (False, True):
        assert unrecognised(OTHERS[name], ELSEWHERE, keep_bytes=keep_bytes) == []


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([Said(Role.CLIENT, b"FT" + struct.pack("<I", 99) + bytes(40))], '"FT"'),
        ([Said(Role.CLIENT, b"ft")], '"ft"'),
        (
            [Said(Role.CLIENT, header("<", magic=b"") + b"more")],
            'protocol ID 3008 (Qot_GetRT) without "FT" before it',
        ),
        (OTHERS["another WebSocket"], "a WebSocket handshake"),
        (OTHERS["TLS"], "TLS, as of WebSocket over TLS (wss)"),
    ],
)
def test_what_is_less_certain_is_reported_on_ports_of_opend_alone(said: list[Said], reason: str) -> None:
    for server in (OPEND, WEBSOCKET):
        (only,) = unrecognised(said, server)
        assert only.resemblance == reason
    assert unrecognised(said, ELSEWHERE) == []


@pytest.mark.parametrize("name", sorted({*OTHERS} - {"another WebSocket", "TLS", "Kafka", "lengths"}))
def test_a_port_alone_is_not_enough(name: str) -> None:
    for server in (OPEND, WEBSOCKET):
        assert unrecognised(OTHERS[name], server) == []


@given(st.binary(max_size=200))
@example(b"F")
@example(b"4654")
@example(b"46540000")
@example(b"46" + b"\xff" * 40)
def test_random_bytes_look_like_nothing(data: bytes) -> None:
    found = resemblance_of(data, registry)
    if found is not None and found.is_certain:
        # Then a known ID is there, or the envelope's magic: chance does not bring that about.
        ids = {int.from_bytes(data[at : at + 4], order) for at in (0, 2, 4) for order in ("little", "big")}
        assert data[:4].lower() == b"ft-v" or any(each in registry for each in ids) or data[:2] == b"46"


@pytest.mark.parametrize(
    "change", [bytes.upper, lambda data: data.replace(b"1.0", b"2.0"), lambda data: data.replace(b"\0", b"\x01", 1)]
)
def test_envelopes_that_are_wrong_are_reported(change: Callable[[bytes], bytes]) -> None:
    envelope = change(b"ft-v1.0\0") + struct.pack(">IQ", 3008, 2)
    said = [Said(Role.CLIENT, HANDSHAKE), Said(Role.SERVER, ACCEPTED), Said(Role.CLIENT, text_message(envelope))]
    (only,) = unrecognised(said, ELSEWHERE)
    assert only.resemblance == f'a WebSocket handshake, and a message with "{envelope[:4].decode()}"'


def test_frames_in_websocket_messages_are_reported() -> None:
    said = [Said(Role.CLIENT, HANDSHAKE), Said(Role.SERVER, ACCEPTED), Said(Role.CLIENT, text_message(header(">")))]
    (only,) = unrecognised(said, ELSEWHERE)
    assert "in big-endian order" in only.resemblance


def test_the_end_with_opends_port_is_the_server_where_the_beginning_was_not_captured() -> None:
    frames = packets([Said(Role.SERVER, b"hello"), Said(Role.CLIENT, header(">"))], server=OPEND)[3:]
    reports, _ = read_all(pcap_of(frames), keep_bytes=True)
    (only,) = reports
    assert isinstance(only, UnrecognisedConnection)
    assert (only.conversation.client, only.conversation.server, only.from_start) == (str(CLIENT), str(OPEND), False)
    assert only.sizes == (len(header(">")), 5)
    assert [(each.sender, each.data) for each in only.sent] == [(Role.SERVER, b"hello"), (Role.CLIENT, header(">"))]


def test_all_bytes_are_counted_however_early_the_search_ends() -> None:
    data = b"FT" + struct.pack(">I", 3008) + bytes(1000)
    (only,) = unrecognised([Said(Role.CLIENT, data)] * 400, ELSEWHERE)
    assert only.sizes == (400 * len(data), 0)


def test_conversations_beside_them_are_what_they_were() -> None:
    broken = packets([Said(Role.CLIENT, header(">"))], CLIENT._replace(port=1), ELSEWHERE)
    web = packets(OTHERS["HTTP"], CLIENT._replace(port=2), ELSEWHERE)
    alone, _ = read_all(pcap_of(packets(session())))
    reports, account = read_all(pcap_of(sorted([*packets(session()), *broken, *web], key=lambda each: each[0])))
    frames = [report for report in reports if isinstance(report, DissectedFrame)]
    assert [each.frame for each in frames] == [each.frame for each in alone if isinstance(each, DissectedFrame)]
    assert account == Account(frames=5, conversations=1, other_connections=2, unrecognised=1)


@pytest.mark.parametrize("capture", list(captures()), ids=lambda capture: capture[0].name)
def test_recorded_captures_have_none(capture: tuple[Path, Path | None]) -> None:
    frames = ftwire.read(capture[0])
    assert len(list(frames)) > 0
    assert frames.account.unrecognised == 0


def test_what_was_recognised_resembles_nothing() -> None:
    observer = ConversationObserver(client=0)
    observer.receive(0, GOOD)
    observer.close()
    assert (observer.transport, observer.resemblance) == ("tcp", None)


@pytest.mark.parametrize("name", ["big-endian", "padded", "lower case", "hexadecimal", "an envelope on TCP"])
def test_a_raw_stream_says_what_it_begins_with(name: str) -> None:
    data, reason = BROKEN[name]
    with pytest.raises(NotACaptureError) as caught:
        list(ftwire.read(data))
    assert str(caught.value).endswith(f"nor OpenD frames, though it begins with {reason}")


def test_packets_are_compared_where_a_frame_may_begin() -> None:
    # The second packet begins with a frame, big-endian; the first, which is the rest of another, does not.
    said = [replace(session()[0], data=b"rest of a frame"), Said(Role.CLIENT, header(">"))]
    (only,) = unrecognised(said, ELSEWHERE)
    assert "big-endian" in only.resemblance
