"""Captures of any size, with the traffic of a gateway and a client.

    python tests/bench/traffic.py 2000 | ftwire dump - > /dev/null

writes about so many megabytes of pcap: connections of some 20 MB, on which pushes of two minutes, order books of
20 levels and replies of 330 points come as OpenD sends them, each written by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from ftwire.frame import encode_frame
from ftwire.messages import InitConnect, Qot_GetRT
from ftwire.pcap import Direction, Endpoint, PcapWriter, TcpConversation

CONNECTION = 20_000_000
START = 1_700_000_000_000_000_000


def script() -> list[tuple[Direction, bytes]]:
    """One round of the traffic: who sends which bytes in one write."""
    from bench.bench_codec import order_book, push, time_share

    asked = Qot_GetRT.Request()
    asked.c2s.security.market, asked.c2s.security.code = 1, "00700"
    said: list[tuple[Direction, bytes]] = []
    pushes = [(case.proto_id, case.message.SerializeToString()) for case in (push(), order_book())]
    for serial in range(1, 81):
        proto_id, body = pushes[serial % 2]
        said.append((Direction.B_TO_A, encode_frame(proto_id, serial, body)))
    said.append((Direction.A_TO_B, encode_frame(3008, 7, asked.SerializeToString())))
    said.append((Direction.B_TO_A, encode_frame(3008, 7, time_share().message.SerializeToString())))
    return said


def handshake() -> list[tuple[Direction, bytes]]:
    """Return the handshake that every connection begins with."""
    request = InitConnect.Request()
    request.c2s.clientVer, request.c2s.clientID = 300, "bench"
    reply = InitConnect.Response(retType=0)
    s2c = reply.s2c
    s2c.serverVer, s2c.loginUserID, s2c.connID, s2c.keepAliveInterval = 1011, 1, 2, 10
    s2c.connAESKey = "0123456789ABCDEF"
    return [
        (Direction.A_TO_B, encode_frame(1001, 1, request.SerializeToString())),
        (Direction.B_TO_A, encode_frame(1001, 1, reply.SerializeToString())),
    ]


def capture(size: int) -> Iterator[bytes]:
    """Pieces of a pcap file of about ``size`` bytes."""
    writer = PcapWriter()
    yield writer.header()
    rounds, opening = script(), handshake()
    done, number, time = 0, 0, START
    while done < size:
        port = 50_000 + number % 10_000
        talk = TcpConversation(Endpoint(bytes([127, 0, 0, 1]), port), Endpoint(bytes([127, 0, 0, 1]), 11111))
        number += 1
        packets = talk.open()
        for direction, data in opening:
            packets += talk.send(direction, data)
        here = 0
        while packets:
            records = []
            for packet in packets:
                time += 10_000
                records.append(writer.packet(time, packet))
            chunk = b"".join(records)
            yield chunk
            here += len(chunk)
            done += len(chunk)
            if here >= CONNECTION or done >= size:
                break
            packets = [packet for direction, data in rounds for packet in talk.send(direction, data)]


def main() -> None:
    for chunk in capture(int(sys.argv[1]) * 1_000_000):
        sys.stdout.buffer.write(chunk)


if __name__ == "__main__":
    main()
