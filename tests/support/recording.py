"""A running ``ftwire record`` and servers behind it, for tests of recordings."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ftwire.cipher import RsaKey
from ftwire.pcap import CloseReason, Data, Direction, Dissector, Endpoint, FlowClosed, FlowOpened
from ftwire_tools.captures.traffic import Tap
from ftwire_tools.gateway.faults import Faults
from ftwire_tools.gateway.script_file import load_script
from ftwire_tools.recording.interceptor import Interception
from ftwire_tools.recording.proxy import Proxy
from ftwire_tools.terminal.addresses import Address
from support.command import FTWIRE, read_until, started

KILL: Final[signal.Signals] = getattr(signal, "SIGKILL", signal.SIGTERM)
"""What ends a program at once; Windows does so for SIGTERM."""
SECONDS = 30
"""Longest time that a test waits for anything."""


def ftwire(*arguments: str | Path, status: int = 0, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end, and check its exit code."""
    done = subprocess.run([*FTWIRE, *map(str, arguments)], input=stdin, capture_output=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr.decode()
    return done


@dataclass
class Recording:
    """A running ``ftwire record``."""

    process: subprocess.Popen[bytes]
    ports: list[int]
    said: list[str] = field(default_factory=list)

    def reports(self, text: str) -> bool:
        """Wait for a line on standard error that contains ``text``, and return whether it came."""
        if any(text in line for line in self.said):
            return True
        assert self.process.stderr is not None
        for raw in self.process.stderr:
            self.said.append(raw.decode())
            if text in self.said[-1]:
                return True
        return False

    def stop(self, number: int = 15) -> int:
        """Send a signal, wait for the end and return the exit code."""
        self.process.send_signal(number)
        assert self.process.stderr is not None
        self.said += [raw.decode() for raw in self.process.stderr]
        return self.process.wait(SECONDS)


@contextmanager
def recording(
    to: int | list[int], *options: str | Path, prepare: Callable[[], None] | None = None
) -> Iterator[Recording]:
    """Run ``ftwire record`` as a proxy of these ports until the block is left."""
    targets = [to] if isinstance(to, int) else to
    routes = [word for port in targets for word in ("--listen", "0", "--to", f":{port}")]
    with started("record", *routes, *options, stdout=subprocess.PIPE, prepare=prepare) as process:
        running = Recording(process, [])
        for _ in targets:
            said, listening = read_until(process, r"listening on \S+:(\d+) for ")
            running.said += said.splitlines(keepends=True)
            running.ports.append(int(listening[1]))
        yield running


class Proxied:
    """A proxy with an interceptor, in this process."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.ports = [0]
        self.said: list[str] = []

    def reports(self, text: str) -> bool:
        """Wait until something that contains ``text`` is reported, and return whether it was."""
        until = time.monotonic() + SECONDS
        while not any(text in line for line in self.said):
            if time.monotonic() > until:
                return False
            time.sleep(0.005)
        return True


@contextmanager
def proxied(
    to: int,
    script: Path | None = None,
    *,
    faults: Sequence[str] = (),
    seed: int = 0,
    keys: Sequence[RsaKey] = (),
    allow_trading: bool = False,
) -> Iterator[Proxied]:
    """Run what ``ftwire record`` puts between a client and the gateway at a port, without recording."""
    found = Proxied(Faults(faults, seed=seed))
    loop = asyncio.new_event_loop()
    stop, ready = asyncio.Event(), threading.Event()

    async def run() -> None:
        interception = Interception(
            None if script is None else load_script(str(script)),
            faults=found.faults,
            keys=keys,
            allow_trading=allow_trading,
            report=found.said.append,
        )
        proxy = Proxy(Tap(), found.said.append, interception.begin)
        found.ports = [proxy.listen(Address("127.0.0.1", 0), Address("127.0.0.1", to)).port]
        async with interception:
            ready.set()
            await stop.wait()
        await proxy.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert ready.wait(SECONDS)
    try:
        yield found
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve every client of a free port with ``answer``, each in its own thread; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    clients: list[socket.socket] = []

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            answer(client)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                clients.append(client)
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for client in clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


def echo(client: socket.socket) -> None:
    """Send back all that is received, and close when the client has."""
    while data := client.recv(65536):
        client.sendall(data)


def connect(port: int, host: str = "127.0.0.1") -> socket.socket:
    """Return a socket connected to a port."""
    return socket.create_connection((host, port), SECONDS)


def receive_all(side: socket.socket) -> bytes:
    """Return all that is received until the other side has finished."""
    parts = []
    while data := side.recv(65536):
        parts.append(data)
    return b"".join(parts)


@dataclass
class Stream:
    """One connection in a capture."""

    client: Endpoint
    server: Endpoint
    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)
    end: CloseReason | None = None


def streams(path: Path) -> list[Stream]:
    """Return the connections of a capture, in which no bytes may be missing."""
    found: dict[int, Stream] = {}
    dissector = Dissector()
    for event in [*dissector.feed(path.read_bytes()), *dissector.close()]:
        if isinstance(event, Data):
            stream = found[event.flow.index]
            (stream.sent if event.direction is Direction.A_TO_B else stream.received).extend(event.data)
        elif isinstance(event, FlowClosed):
            found[event.flow.index].end = event.reason
        else:
            assert isinstance(event, FlowOpened), event
            found[event.flow.index] = Stream(event.flow.a, event.flow.b)
    return list(found.values())
