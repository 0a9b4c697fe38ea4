"""Capture files for tests: a session with OpenD as packets and as a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.message import Message

from ftwire.cipher import NONE, AesCbc, Cipher, Rsa, RsaKey
from ftwire.frame import Frame, Role
from ftwire.messages import InitConnect, Qot_UpdateRT
from ftwire.pcap import Direction, Endpoint, PcapWriter, TcpConversation
from support.frames import init_response, rt_request, rt_response

START = 1_623_202_200_000_000_000
"""2021-06-09 01:30:00 UTC, in nanoseconds."""
MILLISECOND = 1_000_000

CLIENT = Endpoint(b"\x7f\x00\x00\x01", 50112)
SERVER = Endpoint(b"\x7f\x00\x00\x01", 11111)

AES_KEY = "0123456789ABCDEF"
AES_IV = "FEDCBA9876543210"


@dataclass(frozen=True)
class Said:
    """Bytes that one side sends at once."""

    sender: Role
    data: bytes


def asked(proto_id: int, serial: int, body: Message | bytes, cipher: Cipher = NONE) -> Said:
    return Said(Role.CLIENT, Frame.build(proto_id, serial, body, sender=Role.CLIENT, cipher=cipher).encode())


def answered(proto_id: int, serial: int, body: Message | bytes, cipher: Cipher = NONE) -> Said:
    return Said(Role.SERVER, Frame.build(proto_id, serial, body, sender=Role.SERVER, cipher=cipher).encode())


def init_request() -> InitConnect.Request:
    request = InitConnect.Request()
    request.c2s.clientVer = 300
    request.c2s.clientID = "test"
    return request


def push() -> Qot_UpdateRT.Response:
    """Return a push with a point like those of ``rt_response``."""
    return Qot_UpdateRT.Response.FromString(rt_response([572]).SerializeToString())


def session(key: RsaKey | None = None) -> list[Said]:
    """Return InitConnect (frames 1 and 2), Qot_GetRT (3 and 4) and Qot_UpdateRT (5), encrypted if there is a key."""
    rsa: Cipher = NONE if key is None else Rsa(key)
    aes = [NONE, NONE] if key is None else [AesCbc(AES_KEY, AES_IV), AesCbc(AES_KEY, AES_IV)]
    return [
        asked(1001, 1, init_request(), rsa),
        answered(1001, 1, init_response(AES_KEY, AES_IV), rsa),
        asked(3008, 2, rt_request(), aes[0]),
        answered(3008, 2, rt_response(), aes[1]),
        answered(3009, 0, push(), aes[1]),
    ]


def packets(said: Iterable[Said], client: Endpoint = CLIENT, server: Endpoint = SERVER) -> list[tuple[int, bytes]]:
    """Return times and packets of a connection that carries these bytes, each a millisecond after the one before."""
    return TcpConversation(client, server).frames(
        (
            Direction.A_TO_B if each.sender is Role.CLIENT else Direction.B_TO_A,
            each.data,
            START + number * MILLISECOND,
        )
        for number, each in enumerate(said)
    )


def pcap(said: Iterable[Said], client: Endpoint = CLIENT, server: Endpoint = SERVER) -> bytes:
    """Return a capture file of one connection that carries these bytes."""
    return pcap_of(packets(said, client, server))


def open_pcap(said: Iterable[Said]) -> bytes:
    """Return the same of a connection that is still open: what it carries later comes behind these bytes."""
    ends = len(TcpConversation(CLIENT, SERVER).close())
    return pcap_of(packets(said)[:-ends])


def pcap_of(frames: Iterable[tuple[int, bytes]]) -> bytes:
    writer = PcapWriter()
    return writer.header() + b"".join(writer.packet(time, data) for time, data in frames)
