"""Many clients in one process, each counting what it gets: for the load test and the bench.

    load_client.py PORT CLIENTS SECONDS CODE... [--raw]

Subscribes every client to the tickers of all codes, reads for so many seconds, prints one JSON object: frames and
bytes received, pushes missing from the sequences, frames that were damaged. With ``--raw`` at the end it subscribes to
RT data, and what comes after that is counted in bytes only.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from ftwire.connection import Connection
from ftwire.events import Connected, FrameDamaged, PushReceived
from ftwire.frame import Role
from ftwire.messages import Qot_Sub

TICKER, RT = 4, 5
MARKETS = {"HK": 1, "US": 11}


class Client(asyncio.Protocol):
    """One client."""

    def __init__(self, codes: list[str], *, raw: bool) -> None:
        self.codes = codes
        self.raw = raw
        self.connection = Connection(Role.CLIENT)
        self.transport: asyncio.Transport | None = None
        self.frames = self.bytes = self.missing = self.damaged = 0
        self.last: dict[str, int] = {}
        self.lost = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.connection.initiate(time.monotonic_ns(), client_id="load")
        transport.write(self.connection.data_to_send())

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        if self.raw and self.frames:
            return
        for event in self.connection.receive_data(data, time.monotonic_ns()):
            self.frames += 1
            if isinstance(event, PushReceived):
                s2c: Any = event.frame.message.s2c  # type: ignore[union-attr]
                for ticker in s2c.tickerList:
                    expected = self.last.get(s2c.security.code, ticker.sequence - 1) + 1
                    self.missing += ticker.sequence != expected
                    self.last[s2c.security.code] = ticker.sequence
            elif isinstance(event, Connected):
                self.subscribe()
            elif isinstance(event, FrameDamaged):
                self.damaged += 1

    def subscribe(self) -> None:
        request = Qot_Sub.Request()
        for code in self.codes:
            market, _, rest = code.partition(".")
            request.c2s.securityList.add(market=MARKETS[market], code=rest)
        request.c2s.subTypeList.append(RT if self.raw else TICKER)
        request.c2s.isSubOrUnSub = request.c2s.isRegOrUnRegPush = True
        self.connection.request("Qot_Sub", request, time.monotonic_ns())
        assert self.transport is not None
        self.transport.write(self.connection.data_to_send())

    def keep_alive(self) -> None:
        if self.transport is not None and not self.lost:
            self.connection.handle_timer(time.monotonic_ns())
            self.transport.write(self.connection.data_to_send())

    def connection_lost(self, _: Exception | None) -> None:
        self.lost = True


async def main() -> None:
    port, count, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    codes, raw = [code for code in sys.argv[4:] if code != "--raw"], "--raw" in sys.argv
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(lambda: Client(codes, raw=raw), "127.0.0.1", port))[1] for _ in range(count)
    ]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(min(1.0, seconds))
        for client in clients:
            client.keep_alive()
    print(
        json.dumps(
            {
                "frames": sum(client.frames for client in clients),
                "least": min(client.frames for client in clients),
                "bytes": sum(client.bytes for client in clients),
                "missing": sum(client.missing for client in clients),
                "damaged": sum(client.damaged for client in clients),
                "lost": sum(client.lost for client in clients),
            }
        )
    )


asyncio.run(main())
