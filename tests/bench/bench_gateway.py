"""How many pushes a gateway sends in a second of CPU time, and how many requests it answers.

    python tests/bench/bench_gateway.py [--json]

The frames are the Qot_UpdateRT pushes of a capture, repeated to a day's length. Readers are other processes, which
are not counted.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from operator import truediv
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.harness import Ratio, report, turns, with_core_named, within_rounds
from ftwire.connection import Connection, State
from ftwire.frame import Role, encode_frame
from ftwire.header import BodyFormat
from ftwire.messages import InitConnect, Qot_GetRT
from ftwire_tools.gateway.load import load
from ftwire_tools.gateway.log import Log, LogOutput, TextLog
from ftwire_tools.gateway.push_recording import RecordedPush, Track
from ftwire_tools.gateway.push_scheduler import Pace
from ftwire_tools.gateway.replay import Replay
from ftwire_tools.gateway.request_log import ExchangeLog, JsonRequests, TextRequests
from ftwire_tools.gateway.server import Gateway
from ftwire_tools.gateway.settings import Settings
from ftwire_tools.gateway.synthetic import Synthetic
from ftwire_tools.gateway.topics import Topic
from ftwire_tools.synthetic.universe import Kind, default_universe

CAPTURE = Path(__file__).resolve().parents[2] / "fixtures" / "captures" / "futu-api-10.11-plain.pcap"
FRAMES = 40_000
MANY = 6_000_000
TWO_TOPICS = 400_000
OF_THE_MARKET = 40_000
TWENTY = tuple(
    f"{each.exchange.prefix}.{each.code}"
    for each in default_universe().of_type(Kind.STOCK)
    if each.exchange.prefix in {"HK", "US"}
)[:20]
DAY = 4096
"""Pushes of one topic, a second between two of them."""
REQUESTS = 20_000
BATCH = 64
SILENT = Log(lambda *_: None)

READER = """
import socket, sys
connection = socket.socket(fileno=int(sys.argv[1]))
space = bytearray(1 << 18)
while connection.recv_into(space):
    pass
"""

ECHOED = """
import socket, sys, threading
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
left = int(sys.argv[2])
piece = sys.stdin.buffer.read()
def send():
    sent = 0
    while sent < left:
        connection.sendall(piece)
        sent += len(piece)
    connection.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
space = bytearray(1 << 18)
while connection.recv_into(space):
    pass
"""


ASKER = """
import socket, sys, threading
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
count, first = int(sys.argv[2]), int(sys.argv[3])
asked = sys.stdin.buffer.read()
hello, question = asked[:first], asked[first:]
def reply():
    header = connection.recv(44, socket.MSG_WAITALL)
    length = int.from_bytes(header[12:16], "little")
    connection.recv(length, socket.MSG_WAITALL)
    return 44 + length
connection.sendall(hello)
reply()
connection.sendall(question)
left = count * reply()
threading.Thread(target=lambda: [connection.sendall(question * 50) for _ in range(count // 50)]).start()
space = bytearray(1 << 18)
while left > 0:
    left -= connection.recv_into(space)
"""


def captured() -> Replay:
    replay = Replay(pace=Pace(None, loop=True))
    load(replay, [str(CAPTURE)], [], SILENT)
    tracks = replay.recording.tracks
    for topic, track in list(tracks.items()):
        tracks[topic] = Track(RecordedPush(at * 10**9, track[at % len(track)].push, 0) for at in range(DAY))
    return replay


PUSHES = captured().recording.tracks[Topic(1, "00700", 5)][:2]
BODIES = [taped.push.body(BodyFormat.PROTOBUF) for taped in PUSHES]
WHOLE = [taped.push.frame(BodyFormat.PROTOBUF) for taped in PUSHES]


@contextmanager
def reader() -> Iterator[socket.socket]:
    """A TCP connection that another process reads from."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    process = subprocess.Popen([sys.executable, "-c", READER, str(theirs.fileno())], pass_fds=[theirs.fileno()])
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.wait()


def writing(turn: Callable[[asyncio.Transport, int], None]) -> None:
    """Run ``turn`` on a transport until all frames are out, waiting where the reader does not follow."""

    async def run() -> None:
        room = asyncio.Event()
        room.set()

        class Writer(asyncio.Protocol):
            def pause_writing(self) -> None:
                room.clear()

            def resume_writing(self) -> None:
                room.set()

        with reader() as connection:
            transport: Any
            transport, _ = await asyncio.get_running_loop().create_connection(Writer, sock=connection)
            for start in range(0, FRAMES, BATCH):
                turn(transport, start)
                await room.wait()
                await asyncio.sleep(0)
            transport.close()
            await asyncio.sleep(0)

    asyncio.run(run())


def a_write_per_frame() -> None:
    """Write every frame by itself and wait for the reader, as a simple asyncio server does."""

    async def run() -> None:
        with reader() as connection:
            _, writer = await asyncio.open_connection(sock=connection)
            for index in range(FRAMES):
                writer.write(WHOLE[index % len(WHOLE)])
                await writer.drain()
            writer.close()
            await writer.wait_closed()

    asyncio.run(run())


def encoded_on_the_fly() -> Callable[[asyncio.Transport, int], None]:
    connection = Connection(Role.SERVER)
    connection.state = State.OPEN  # past a handshake that is not measured

    def turn(transport: asyncio.Transport, start: int) -> None:
        for index in range(start, start + BATCH):
            connection.push(3009, BODIES[index % len(BODIES)])
        transport.write(connection.data_to_send())

    return turn


def made_up() -> Synthetic:
    return Synthetic(pace=Pace(None), always_open=True)


def gateway(
    clients: int,
    frames: int = MANY,
    codes: tuple[str, ...] = ("HK.00700",),
    source: Callable[[], Replay | Synthetic] = captured,
) -> None:
    """Run the whole gateway, pushing to so many clients at top speed; connecting them is included."""

    async def run() -> None:
        async with Gateway(source(), Settings(port=0), SILENT) as server:
            program = Path(__file__).resolve().parents[1] / "interop" / "clients" / "load_client.py"
            words = [sys.executable, str(program), str(server.port), str(clients), "60", *codes]
            process = subprocess.Popen([*words, "--raw"], stdout=subprocess.DEVNULL)
            try:
                while sum(session.pushes for session in server.sessions) < frames:
                    await asyncio.sleep(0.005)
            finally:
                process.kill()
                process.wait()

    asyncio.run(run())


def answering(log: Callable[[Callable[[str], None]], ExchangeLog] | None) -> None:
    """Run the whole gateway, answering requests that come one behind the other without a pause."""
    hello = InitConnect.Request()
    hello.c2s.clientVer, hello.c2s.clientID = 1000, "bench"
    question = Qot_GetRT.Request()
    question.c2s.security.market, question.c2s.security.code = 1, "00700"
    first, second = (
        encode_frame(proto_id, 1, message.SerializeToString())
        for proto_id, message in ((1001, hello), (3008, question))
    )

    async def run() -> None:
        with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
            output = LogOutput()
            requests = None if log is None else log(output.put)
            async with Gateway(captured(), Settings(port=0), SILENT, request_log=requests) as server:
                words = [sys.executable, "-c", ASKER, str(server.port), str(REQUESTS), str(len(first))]
                process = await asyncio.create_subprocess_exec(*words, stdin=subprocess.PIPE)
                await process.communicate(first + second)
                assert process.returncode == 0
            output.close()

    asyncio.run(run())


def echo() -> None:
    """Run an asyncio server that echoes: the same bytes without any processing."""

    async def run() -> None:
        done = asyncio.Event()

        class Echo(asyncio.Protocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def data_received(self, data: bytes) -> None:
                self.transport.write(data)

            def connection_lost(self, _: Exception | None) -> None:
                done.set()

        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        total = MANY * sum(map(len, WHOLE)) // len(WHOLE)
        words = [sys.executable, "-c", ECHOED, str(port), str(total)]
        process = subprocess.Popen(words, stdin=subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.write(b"".join(WHOLE * 200))
        process.stdin.close()
        await done.wait()
        process.wait()
        server.close()

    asyncio.run(run())


def main() -> None:
    """Measure, and print the table."""
    taken = turns(
        {
            "one": a_write_per_frame,
            "fly": lambda: writing(encoded_on_the_fly()),
            "gateway": lambda: gateway(1),
            "hundred": lambda: gateway(100),
            "two": lambda: gateway(1, TWO_TOPICS, ("HK.00700", "US.AAPL")),
            "made": lambda: gateway(1, OF_THE_MARKET, TWENTY, made_up),
            "echo": echo,
            "answers": lambda: answering(None),
            "logged": lambda: answering(lambda put: ExchangeLog(TextRequests(TextLog(put).line))),
            "json": lambda: answering(lambda put: ExchangeLog(JsonRequests(put))),
        },
        rounds=5,
    )

    frames = {"one": FRAMES, "fly": FRAMES, "two": TWO_TOPICS, "gateway": MANY, "hundred": MANY, "echo": MANY}
    frames["made"] = OF_THE_MARKET
    frames |= dict.fromkeys(("answers", "logged", "json"), REQUESTS)

    def faster(mine: str, theirs: str) -> float:
        return within_rounds(truediv, taken[theirs], taken[mine]) * frames[mine] / frames[theirs]

    def rate(name: str) -> str:
        return f"{frames[name] / statistics.median(taken[name]) / 1000:.0f}k frames/s"

    report(
        "gateway",
        with_core_named(
            [
                Ratio(
                    "the gateway's pushes, coalesced / a write and drain per frame",
                    faster("gateway", "one"),
                    20,
                    f"{rate('gateway')}, {rate('one')}",
                ),
                Ratio(
                    "the same, two topics that alternate",
                    faster("two", "one"),
                    None,
                    rate("two"),
                ),
                Ratio(
                    "pushes of the made-up market / a write and drain per frame",
                    faster("made", "one"),
                    None,
                    rate("made"),
                ),
                Ratio("encoded on the fly / a write and drain per frame", faster("fly", "one"), 2.2, rate("fly")),
                Ratio(
                    "100 clients / one client",
                    faster("hundred", "gateway"),
                    0.8,
                    f"{rate('hundred')}, {rate('gateway')}",
                ),
                Ratio(
                    "gateway / raw asyncio echo",
                    faster("gateway", "echo"),
                    None,
                    f"{rate('gateway')}, {rate('echo')}",
                ),
                Ratio(
                    "requests answered, with the log / without",
                    faster("logged", "answers"),
                    0.9,
                    f"{rate('logged')}, {rate('answers')}",
                ),
                Ratio(
                    "the same, with the complete log in JSON",
                    faster("json", "answers"),
                    None,
                    rate("json"),
                ),
            ]
        ),
    )


if __name__ == "__main__":
    main()
