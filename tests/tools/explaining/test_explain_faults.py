"""What ``ftwire serve`` is told to do wrong, named by the diagnoses; what only the network does, not."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest

from ftwire.diagnosis import ConversationChecker
from ftwire.frame import Frame, Role
from ftwire.messages import InitConnect, KeepAlive
from ftwire.resync import ResyncDecoder
from ftwire_tools.gateway.faults import NAMES
from ftwire_tools.testing import gateway
from support.frames import rt_request
from support.gateways import CAPTURES

NAMED = {
    "bad-sha1": ["unexplained_digest"],
    "bad-body": ["body_unreadable"],
    "cut": ["frame_cut"],
    "garbage": ["no_frame"],
    "wrong-serial": ["wrong_serial"],
    "unknown-protocol": ["unknown_push"],
}
"""Faults that are mistakes of the gateway; the others are what happens to frames, or its right."""


def talk(port: int) -> list[tuple[Role, bytes]]:
    """A client that asks twice, then for a heartbeat, and reads until that comes or the connection ends."""
    init = InitConnect.Request()
    init.c2s.clientVer, init.c2s.clientID = 1011, "test"
    beat = KeepAlive.Request()
    beat.c2s.time = 1
    asks = [(1001, 1, init), (3008, 2, rt_request()), (3008, 3, rt_request()), (1004, 4, beat)]
    said: list[tuple[Role, bytes]] = []
    scanner = ResyncDecoder(Role.SERVER)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for proto_id, serial, message in asks:
            frame = Frame.build(proto_id, serial, message, sender=Role.CLIENT).encode()
            said.append((Role.CLIENT, frame))
            with suppress(OSError):  # closed by the gateway: what it said before can still be read
                connection.sendall(frame)
            answered = proto_id == 3008  # not waited for: it may never come
            while not answered:
                try:
                    data = connection.recv(1 << 16)
                except OSError:
                    data = b""
                if not data:
                    return said
                said.append((Role.SERVER, data))
                answered = any(isinstance(item, Frame) and item.proto_id == proto_id for item in scanner.feed(data))
    return said


@pytest.mark.parametrize(
    "fault", [name for name in NAMES if name not in ("silent", "refuse", "drop", "lose", "reorder")]
)
def test_a_fault_of_the_gateway_is_named(fault: str) -> None:
    rule = f"{fault}:proto=3008,n=1" + (",ms=20" if fault in ("delay", "jitter") else "")
    with gateway(CAPTURES / "futu-api-10.11-plain.pcap", match="security", faults=[rule], speed=None) as opend:
        said = talk(opend.port)
    session = ConversationChecker()
    server = b"".join(data for sender, data in said if sender is Role.SERVER)
    # TCP cuts where it likes, so each side is read whole; the client's first, as it asks.
    client = b"".join(data for sender, data in said if sender is Role.CLIENT)
    pieces = [*session.read(client, Role.CLIENT), *session.read(server, Role.SERVER)]
    found = [finding.mistake.id for piece in pieces for finding in piece.findings]
    found += [finding.mistake.id for _, finding in session.close()]
    assert found == NAMED.get(fault, [])


def test_refusing_a_client_is_no_mistake() -> None:
    with gateway(CAPTURES / "futu-api-10.11-plain.pcap", match="security", faults=["refuse"], speed=None) as opend:
        said = talk(opend.port)
    session = ConversationChecker()
    assert [
        finding for sender, data in said for piece in session.read(data, sender) for finding in piece.findings
    ] == []
    assert session.close() == []
