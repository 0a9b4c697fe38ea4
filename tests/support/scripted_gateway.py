"""A gateway for tests of the client: plays ``fixtures.scenario`` on the library's ``Connection``, and misbehaves
exactly where it is told to.

::

    async with ScriptedGateway(faults={("Qot_GetRT", 2): Fault.CUT}) as gateway: ...

does to the second ``Qot_GetRT`` of all connections what its name says.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from types import TracebackType
from typing import Any

from google.protobuf import json_format

from fixtures.scenario import CBC_IV, CONN_KEY, Answer, Scenario
from ftwire.cipher import RsaKey
from ftwire.connection import INIT_CONNECT, SECOND, Connection
from ftwire.errors import WireError
from ftwire.events import RequestReceived
from ftwire.frame import Frame, Role
from ftwire.protocols import registry

__all__ = ["Fault", "ScriptedGateway", "Seen", "serving"]


class Fault(Enum):
    """What happens instead of a reply."""

    CUT = "the connection is cut before the reply"
    CUT_INSIDE = "the connection is cut half-way through the reply"
    SILENCE = "there is no reply"
    DEAF = "nothing is sent any more, not even to KeepAlive"
    WRONG_SERIAL = "the reply has another serial number"
    BAD_SHA1 = "the reply's digest is wrong"
    BAD_BODY = "the reply is no message, with a digest that says it is"
    UNKNOWN_FORMAT = "the reply's body is in a format that nobody knows"
    SLOW = "the reply comes late, but in time"
    TWICE = "the reply comes twice"
    SPLIT = "the reply comes byte by byte"
    GARBAGE = "the reply is not OpenD's"
    REFUSED = "the reply says no"


class Seen:
    """A request that came."""

    def __init__(self, connection: int, name: str, message: Any) -> None:
        self.connection = connection
        """Which connection, from 1."""
        self.name = name
        self.message = message

    def __repr__(self) -> str:
        return f"{self.connection}:{self.name}"


class ScriptedGateway:
    """Listens on a free port of loopback while the block is open."""

    def __init__(
        self,
        *,
        key: RsaKey | None = None,
        keep_alive: float = 10,
        faults: Mapping[tuple[str, int], Fault] | None = None,
        pushes: bool = True,
        answers: Mapping[str, Answer] | None = None,
        flood: bytes = b"",
    ) -> None:
        """``answers`` go before the scenario's, by protocol; ``flood`` is sent after each Qot_Sub."""
        self.port = 0
        self.seen: list[Seen] = []
        self._key = key
        self._keep_alive = keep_alive
        self._faults = dict(faults or {})
        self._pushes = pushes
        self._answers = dict(answers or {})
        self._flood = flood
        self.flooded = 0
        """Bytes of floods that the client has taken, or that wait in the sockets' buffers."""
        self._counts: Counter[str] = Counter()
        self._connections = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def names(self, connection: int | None = None) -> list[str]:
        """Names of the requests that came, KeepAlive apart."""
        return [
            seen.name
            for seen in self.seen
            if seen.name != "KeepAlive" and (connection is None or seen.connection == connection)
        ]

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no longer, and cut everybody off."""
        assert self._server is not None
        self._server.close()
        self.cut_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def __aenter__(self) -> ScriptedGateway:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await _Client(self, self._connections, reader, writer).run()
        except (OSError, WireError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    def fault(self, name: str) -> Fault | None:
        self._counts[name] += 1
        return self._faults.get((name, self._counts[name]))


@contextmanager
def serving(**settings: Any) -> Iterator[ScriptedGateway]:
    """Run a gateway in a thread of its own, for clients that are programs."""
    loop = asyncio.new_event_loop()
    gateway = ScriptedGateway(**settings)
    loop.run_until_complete(gateway.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield gateway
    finally:
        asyncio.run_coroutine_threadsafe(gateway.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Client:
    def __init__(
        self, gateway: ScriptedGateway, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._gateway = gateway
        self._number = number
        self._reader = reader
        self._writer = writer
        self._connection = Connection(Role.SERVER, key=gateway._key)
        self._scenario = Scenario()
        self._deaf = False

    async def run(self) -> None:
        while data := await self._reader.read(65536):
            for event in self._connection.receive_data(data, time.time_ns()):
                assert isinstance(event, RequestReceived), event
                await self._answer(event.frame)

    async def _answer(self, request: Frame) -> None:
        protocol = registry[request.proto_id]
        message: Any = request.message
        gateway = self._gateway
        gateway.seen.append(Seen(self._number, protocol.name, message))
        fault = gateway.fault(protocol.name)
        if self._deaf or fault is Fault.SILENCE:
            return
        if fault is Fault.DEAF:
            self._deaf = True
            return
        if fault is Fault.CUT:
            raise ConnectionError
        if request.proto_id == INIT_CONNECT and fault is not Fault.REFUSED:
            self._connection.accept(
                request,
                conn_id=1000 + self._number,
                aes_key=CONN_KEY,
                aes_iv=CBC_IV,
                keep_alive=int(gateway._keep_alive * SECOND),
            )
            pushes: tuple[Any, ...] = ()
        else:
            answer = Answer(ret_type=-1, ret_msg="refused, as told") if fault is Fault.REFUSED else None
            answer = answer or gateway._answers.get(protocol.name)
            if answer is None:
                content = json_format.MessageToDict(message).get("c2s", {})
                answer = self._scenario.answer(protocol.name, content)
            self._connection.reply(request, json_format.ParseDict(answer.response, protocol.response()))
            pushes = answer.pushes if gateway._pushes else ()
        await self._send(self._connection.data_to_send(), fault)
        for push in pushes:
            self._connection.push(push.name, json_format.ParseDict(push.response, registry[push.name].response()))
            await self._send(self._connection.data_to_send(), None)
        if protocol.name == "Qot_Sub" and gateway._flood:
            for start in range(0, len(gateway._flood), 65536):
                piece = gateway._flood[start : start + 65536]
                await self._send(piece, None)
                gateway.flooded += len(piece)

    async def _send(self, data: bytes, fault: Fault | None) -> None:
        if fault is Fault.SLOW:
            await asyncio.sleep(0.2)
        elif fault is Fault.TWICE:
            data *= 2
        elif fault is Fault.GARBAGE:
            data = b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(40)
        elif fault is Fault.WRONG_SERIAL:
            data = data[:8] + bytes((data[8] ^ 0x55,)) + data[9:]
        elif fault is Fault.BAD_SHA1:
            data = data[:20] + bytes((data[20] ^ 1,)) + data[21:]
        elif fault is Fault.UNKNOWN_FORMAT:
            data = data[:6] + b"\x07" + data[7:]
        elif fault is Fault.BAD_BODY:
            old = int.from_bytes(data[8:12], "little")
            proto_id = int.from_bytes(data[2:6], "little")
            data = Frame.build(proto_id, old, b"\xff\xff\xff", sender=Role.SERVER).encode()
        elif fault is Fault.CUT_INSIDE:
            self._writer.write(data[: len(data) // 2])
            await self._writer.drain()
            await asyncio.sleep(0.05)  # read before the reset throws it away
            raise ConnectionError
        if fault is Fault.SPLIT:
            for at in range(len(data)):
                self._writer.write(data[at : at + 1])
                await asyncio.sleep(0)
            return
        self._writer.write(data)
        await self._writer.drain()
