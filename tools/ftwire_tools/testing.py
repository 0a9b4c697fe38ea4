"""A gateway for tests of clients: in this process, on a free port.

::

    from ftwire_tools.testing import gateway, gateway_fixture

    def test_my_client():
        with gateway(synthetic=True) as opend:
            my_client.connect(opend.host, opend.port)

    opend = gateway_fixture("session.pcapng", match="security")     # the same as a pytest fixture

    def test_another(opend):
        my_client.connect(opend.host, opend.port)
"""

from __future__ import annotations

import asyncio
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.cipher import RsaKey
from ftwire_tools.gateway.faults import Rule, parse_rule
from ftwire_tools.gateway.load import load
from ftwire_tools.gateway.log import Log
from ftwire_tools.gateway.matching import Match
from ftwire_tools.gateway.push_scheduler import MAX_PAUSE, SECOND, Pace
from ftwire_tools.gateway.replay import OnMiss, Replay
from ftwire_tools.gateway.server import Gateway
from ftwire_tools.gateway.session_context import Credentials, ReceivedRequest, random_credentials
from ftwire_tools.gateway.settings import Settings
from ftwire_tools.synthetic.trading_day import start_time

if TYPE_CHECKING:
    import ssl

    from ftwire_tools.gateway.answer_source import AnswerSource

__all__ = ["Event", "ReceivedRequest", "RunningGateway", "gateway", "gateway_fixture"]

START_SECONDS: Final = 10.0


class Event(NamedTuple):
    """Something that a gateway has reported: one line of its log."""

    name: str
    """``connected``, ``cut-off``, ``disconnected`` and the like."""
    facts: dict[str, object]


class RunningGateway:
    """A gateway that listens."""

    def __init__(self, server: Gateway, events: list[Event], requests: list[ReceivedRequest]) -> None:
        self.host: Final = server.settings.host
        self.port: Final = server.port
        """TCP port that it listens on."""
        self.ws_port: Final = server.ws_port
        """Port that it listens on for WebSocket, ``None`` where it does not."""
        self.events: Final = events
        """What it has reported so far; the list grows."""
        self.requests: Final = requests
        """The requests that clients have sent so far, the handshake and KeepAlive included; the list grows."""

    def named(self, name: str) -> list[dict[str, object]]:
        """Return the facts of every event of this name so far."""
        return [facts for event, facts in list(self.events) if event == name]

    def wait_for(self, name: str, count: int = 1, seconds: float = 10.0) -> list[dict[str, object]]:
        """Wait until an event has happened so often. Raises ``TimeoutError``."""
        deadline = time.monotonic() + seconds
        while len(found := self.named(name)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(found)} of {count} {name!r} after {seconds} s; there were {self.events}")
            time.sleep(0.005)
        return found


@contextmanager
def gateway(
    *captures: str | PathLike[str],
    synthetic: bool = False,
    key: RsaKey | str | bytes | None = None,
    capture_keys: Sequence[RsaKey] = (),
    websocket: bool = False,
    ws_key: str = "",
    tls: ssl.SSLContext | None = None,
    match: str = "exact",
    on_miss: str = "error",
    reuse: bool = True,
    speed: float | None = 1.0,
    loop: bool = False,
    max_pause: float | None = MAX_PAUSE,
    shift_to_now: bool = False,
    clock: str | None = None,
    always_open: bool = False,
    seed: int = 0,
    universe: str | PathLike[str] | None = None,
    faults: Sequence[str | Rule] = (),
    source: Callable[[], AnswerSource] | None = None,
    credentials: Callable[[int], Credentials] = random_credentials,
    world: Callable[[], AnswerSource] | None = None,
    **settings: Any,
) -> Iterator[RunningGateway]:
    """Run a gateway while the block lasts, answering from ``captures`` or, with none, from the made-up market.

    ``key`` is the RSA private key that clients hold too, or its PEM; ``speed`` ``None`` is top speed; ``max_pause`` is
    how many seconds a client waits at most for the next captured push, ``None`` for any; ``clock`` and
    ``always_open`` are ``--clock`` and ``--hours always`` of ``ftwire serve``; ``universe`` is a table of
    instruments, as for ``ftwire serve --universe``; ``faults`` are written as for
    ``ftwire serve --fault``; ``source`` makes another answer source, and ``credentials`` what a connection gets in its
    handshake, by its number. ``settings`` are further fields of ``ftwire_tools.gateway.settings.Settings``. ``world``
    is the former name of ``source``.

    Raises what loading a capture or a table and listening raise (``OSError``, ``LoadError``, ``UniverseError``,
    ``ClockError``, ``FaultError``, ``SettingsError``), and what the gateway itself failed with at the end of the block.
    """
    if world is not None:
        warnings.warn("gateway(world=...) is now called gateway(source=...)", DeprecationWarning, stacklevel=3)
        source = world
    if captures and (synthetic or source is not None):
        raise ValueError("captures or another answer source, not both")
    events: list[Event] = []
    requests: list[ReceivedRequest] = []
    log = Log(lambda name, facts: events.append(Event(name, facts)))
    rsa = RsaKey.from_pem(key if isinstance(key, bytes) else key.encode()) if isinstance(key, str | bytes) else key
    chosen = Settings(
        **{
            "port": 0,
            "ws_port": 0 if websocket else None,
            "key": rsa,
            "ws_key": ws_key,
            "tls": tls,
            "seed": seed,
            "faults": tuple(rule if isinstance(rule, Rule) else parse_rule(rule) for rule in faults),
            **settings,
        }
    )
    pace, now = Pace(speed, loop=loop, max_pause=max_pause), time.time_ns() if shift_to_now else None
    if clock is not None:
        if shift_to_now:
            raise ValueError("clock or shift_to_now, not both")
        now = start_time(clock) * SECOND
    if source is not None:
        made = source()
    elif captures:
        replay = Replay(match=Match(match), on_miss=OnMiss(on_miss), reuse=reuse, pace=pace, now=now, log=log)
        load(replay, [fspath(path) for path in captures], [*capture_keys, *([rsa] if rsa else [])], log)
        made = replay
    else:
        from ftwire_tools.gateway.synthetic import Synthetic
        from ftwire_tools.synthetic.universe import load_universe

        made = Synthetic(
            seed=seed,
            pace=pace,
            now=now,
            universe=None if universe is None else load_universe(fspath(universe)),
            always_open=always_open,
        )
    thread = _Thread(lambda: Gateway(made, chosen, log, credentials=credentials, on_request=requests.append), events)
    server = thread.begin()
    try:
        yield RunningGateway(server, events, requests)
    finally:
        thread.end()


def gateway_fixture(*captures: str | PathLike[str], scope: Any = "function", **arguments: Any) -> Any:
    """Return a pytest fixture that yields a ``RunningGateway``; arguments are those of ``gateway``."""
    import pytest

    @pytest.fixture(scope=scope)
    def running() -> Iterator[RunningGateway]:
        with gateway(*captures, **arguments) as found:
            yield found

    return running


class _Thread:
    """A thread with an event loop that runs a gateway."""

    def __init__(self, make: Callable[[], Gateway], events: list[Event]) -> None:
        self._make: Final = make
        self._events: Final = events
        self._ready: Final = threading.Event()
        self._server: Gateway | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._error: BaseException | None = None
        self._thread: Final = threading.Thread(target=self._run, name="ftwire-gateway", daemon=True)

    def begin(self) -> Gateway:
        """Start the thread, and wait until the gateway listens."""
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise TimeoutError(f"the gateway does not listen after {START_SECONDS} s")
        if self._server is None:
            self._thread.join()
            raise self._error or RuntimeError("the gateway did not start")
        return self._server

    def end(self) -> None:
        """Stop the gateway, and raise what it failed with."""
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        failures: list[dict[str, Any]] = []
        self._loop.set_exception_handler(lambda _, context: failures.append(context))
        async with self._make() as server:
            server.when_failed(self._stop.set)
            self._server = server
            self._ready.set()
            await self._stop.wait()
        server.raise_failure()
        if broken := [facts for name, facts in self._events if name == "internal-error"]:
            raise RuntimeError(f"the gateway has a bug: {broken[0]}")
        if failures:
            # An error in a callback, which asyncio would only print.
            raise failures[0].get("exception") or RuntimeError(failures[0]["message"])
