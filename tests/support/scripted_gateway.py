"""A gateway for tests of the client: the product's, answering from ``fixtures.scenario``, with faults.

::

    async with ScriptedGateway(faults=["close:proto=Qot_GetRT,n=2,client=1"]) as gateway: ...

ends the first connection instead of answering its second ``Qot_GetRT``; see ``ftwire_tools.gateway.faults``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from fixtures.gateway import ScenarioSource
from fixtures.scenario import CBC_IV, CONN_KEY, ScenarioAnswer
from ftwire.cipher import RsaKey
from ftwire_tools.gateway.answer_source import Subscriber
from ftwire_tools.gateway.faults import parse_rule
from ftwire_tools.gateway.limits import LimitSettings
from ftwire_tools.gateway.log import Log
from ftwire_tools.gateway.push import PushRun
from ftwire_tools.gateway.server import Gateway
from ftwire_tools.gateway.session_context import Credentials, ReceivedRequest
from ftwire_tools.gateway.settings import Settings
from ftwire_tools.gateway.subscriptions import SubscriptionChange

__all__ = ["ScriptedGateway", "serving"]


class FloodingSource(ScenarioSource):
    """A scenario that sends a run of pushes, many times over, after each subscription, as fast as they are read."""

    def __init__(self, run: PushRun, times: int, **settings: Any) -> None:
        super().__init__(pushes=False, **settings)
        self.flooded = 0
        """Number of runs that the client has received or that are in the sockets' buffers."""
        self._run = run
        self._times = times
        self._floods: set[asyncio.Task[None]] = set()

    def subscribed(self, client: Subscriber, change: SubscriptionChange) -> None:
        if change.started:
            self._floods.add(asyncio.get_running_loop().create_task(self._flood(client)))

    async def _flood(self, client: Subscriber) -> None:
        for _ in range(self._times):
            client.push_run(self._run)
            await client.drained()
            self.flooded += 1


class ScriptedGateway:
    """Listens on a free port of loopback while the block is open."""

    def __init__(
        self,
        *,
        key: RsaKey | None = None,
        keep_alive: float = 10,
        faults: Sequence[str] = (),
        answers: Mapping[str, ScenarioAnswer] | None = None,
        flood: tuple[PushRun, int] | None = None,
    ) -> None:
        """``answers`` replace the scenario's, by protocol; ``flood`` is sent so many times after each Qot_Sub."""
        self.port = 0
        self.seen: list[ReceivedRequest] = []
        self.source = ScenarioSource(answers=answers) if flood is None else FloodingSource(*flood, answers=answers)
        self._settings: dict[str, Any] = {
            "key": key,
            "keep_alive": keep_alive,
            "faults": tuple(map(parse_rule, faults)),
            "limits": LimitSettings.of("off"),
        }
        self._bugs: list[dict[str, object]] = []
        self._gateway: Gateway | None = None

    @property
    def flooded(self) -> int:
        assert isinstance(self.source, FloodingSource)
        return self.source.flooded

    def names(self, connection: int | None = None) -> list[str]:
        """Return the names of the requests received, without KeepAlive."""
        return [
            seen.name
            for seen in self.seen
            if seen.name != "KeepAlive" and (connection is None or seen.client == connection)
        ]

    async def start(self, port: int = 0) -> None:
        self._gateway = await Gateway(
            self.source,
            Settings(port=port, **self._settings),
            Log(lambda name, facts: self._bugs.append(facts) if name == "internal-error" else None),
            credentials=lambda number: Credentials(1000 + number, CONN_KEY, CBC_IV),
            on_request=self.seen.append,
        ).__aenter__()
        self.port = self._gateway.port

    async def stop(self) -> None:
        """Stop listening, and close every connection."""
        assert self._gateway is not None
        self.cut_all()
        await self._gateway.__aexit__()
        assert not self._bugs

    def cut_all(self) -> None:
        assert self._gateway is not None
        for session in self._gateway.sessions:
            session.cut_off("as the test demands")

    async def __aenter__(self) -> ScriptedGateway:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


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
