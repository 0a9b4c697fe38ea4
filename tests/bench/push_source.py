"""A gateway that does one thing: after a subscription it sends the same push over and over, as fast as it is read.

Run as a program it listens on a free port of loopback, prints that port, and serves one client after the other,
each with ``--count`` pushes of ``--kind``. The bytes are made before anybody connects, so it costs next to
nothing beside the client that is measured.
"""

from __future__ import annotations

import argparse
import socket
import time

from ftwire.connection import INIT_CONNECT, Connection
from ftwire.events import RequestReceived
from ftwire.frame import Frame, Role
from ftwire.messages import Qot_UpdateOrderBook, Qot_UpdateRT
from ftwire.protocols import registry

BLOCK = 500
"""Pushes in one write."""


def rt_push() -> Frame:
    """One time-share point, as OpenD pushes it every second or so."""
    message = Qot_UpdateRT.Response(retType=0, retMsg="", errCode=0)
    s2c = message.s2c
    s2c.security.market, s2c.security.code, s2c.name = 1, "00700", "TENCENT"
    s2c.rtList.add(
        time="2021-06-09 14:14:00",
        minute=854,
        isBlank=False,
        price=600.0,
        lastClosePrice=601.0,
        avgPrice=602.1881,
        volume=12_300,
        turnover=7_381_200.0,
        timestamp=1_623_219_240.0,
    )
    return Frame.build(3009, 0, message, sender=Role.SERVER)


def book_push() -> Frame:
    """An order book of ten levels a side."""
    message = Qot_UpdateOrderBook.Response(retType=0, retMsg="", errCode=0)
    s2c = message.s2c
    s2c.security.market, s2c.security.code, s2c.name = 1, "00700", "TENCENT"
    for level in range(1, 11):
        s2c.orderBookAskList.add(price=600 + 0.2 * level, volume=1000 * level, orederCount=3 * level)
        s2c.orderBookBidList.add(price=600 - 0.2 * level, volume=900 * level, orederCount=2 * level)
    return Frame.build(3013, 0, message, sender=Role.SERVER)


PUSHES = {"rt": rt_push, "book": book_push}


def serve(client: socket.socket, block: bytes, blocks: int) -> None:
    connection = Connection(Role.SERVER)
    while data := client.recv(65536):
        for event in connection.receive_data(data, time.time_ns()):
            assert isinstance(event, RequestReceived)
            frame = event.frame
            if frame.proto_id == INIT_CONNECT:
                connection.accept(frame, conn_id=7, aes_key="0123456789ABCDEF", aes_iv="FEDCBA9876543210")
            else:
                reply = registry[frame.proto_id].response(retType=0, retMsg="", errCode=0)
                reply.s2c.SetInParent()  # type: ignore[attr-defined]  # every response has one
                connection.reply(frame, reply)
            client.sendall(connection.data_to_send())
            if registry[frame.proto_id].name == "Qot_Sub":
                for _ in range(blocks):
                    client.sendall(block)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--kind", choices=PUSHES, default="rt")
    options = parser.parse_args()
    block = PUSHES[options.kind]().encode() * BLOCK
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            client, _ = listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with client:
                try:
                    serve(client, block, options.count // BLOCK)
                except OSError:
                    continue


if __name__ == "__main__":
    main()
