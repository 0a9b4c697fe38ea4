"""A gateway for tests of clients: in this process, on a free port.

::

    from ftwire_tools.testing import gateway, gateway_fixture

    def test_my_client():
        with gateway(synthetic=True) as opend:
            my_client.connect(opend.host, opend.port)

    opend = gateway_fixture("session.pcapng", match="security")     # the same as a pytest fixture

    def test_another(opend):
        my_client.connect(opend.host, opend.port)
        opend.market.set_price("HK.00700", 400)
        assert [request.name for request in opend.requests] == ["InitConnect", "Qot_Sub"]

The verbs that steer it (``market``, ``orders``, ``clock``, ``replies``, ``login``, ``notices``, ``connections``,
``reset``) are described in docs/scripting.md.
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
from ftwire_tools.gateway.hooks import Script
from ftwire_tools.gateway.limits import LimitSettings
from ftwire_tools.gateway.load import load
from ftwire_tools.gateway.log import Log
from ftwire_tools.gateway.matching import Match
from ftwire_tools.gateway.push_scheduler import MAX_PAUSE, SECOND, Pace
from ftwire_tools.gateway.replay import OnMiss, Replay
from ftwire_tools.gateway.script_file import load_script
from ftwire_tools.gateway.server import Gateway
from ftwire_tools.gateway.session_context import Credentials, ReceivedRequest, random_credentials
from ftwire_tools.gateway.settings import Settings
from ftwire_tools.synthetic.trading_day import start_time
from ftwire_tools.terminal.addresses import Address

if TYPE_CHECKING:
    import ssl

    from ftwire_tools.gateway.answer_source import AnswerSource

__all__ = ["Event", "ReceivedRequest", "RunningGateway", "Script", "gateway", "gateway_fixture"]

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
        self.limits: Final = server.steering.limits
        """Sets what clients may request; ``limits.counted`` has what is used of it."""
        self.faults: Final = server.faults
        """The rules of its faults: ``faults.add("drop:p=0.1")`` adds one, ``faults.clear()`` removes all."""
        self.events: Final = events
        """What it has reported so far; the list grows."""
        self.requests: Final = requests
        """The requests that clients have sent so far, the handshake and KeepAlive included; the list grows."""
        steering = server.steering
        self.market: Final = steering.market
        """Steers prices: ``market.set_price("HK.00700", 400)``."""
        self.orders: Final = steering.orders
        """Decides on the orders that are placed next."""
        self.clock: Final = steering.clock
        """Stops and advances the market's clock."""
        self.replies: Final = steering.replies
        """Refuses requests."""
        self.login: Final = steering.login
        """Logs OpenD out of its servers, and in again."""
        self.notices: Final = steering.notices
        """Pushes notices."""
        self.connections: Final = steering.connections
        """Cuts connections."""
        self._steering: Final = steering

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {Address(self.host, self.port)}>"

    def wait_for_request(self, protocol: str, count: int = 1, seconds: float = 10.0) -> list[ReceivedRequest]:
        """Wait until a protocol has been requested so often, and return these requests. Raises ``TimeoutError``."""
        deadline = time.monotonic() + seconds
        while len(found := [request for request in list(self.requests) if request.name == protocol]) < count:
            if time.monotonic() > deadline:
                asked = [request.name for request in list(self.requests)]
                raise TimeoutError(f"{len(found)} of {count} {protocol} after {seconds} s; there were {asked}")
            time.sleep(0.005)
        return found

    def reset(self) -> None:
        """Undo what was done to the gateway, begin market and accounts again, and forget requests and events so far.

        Clients stay connected, and keep their subscriptions. Raises what the gateway would end with, if something has
        gone wrong in it: a script's error, or a bug.
        """
        self._steering.reset()
        try:
            _raise_errors(self.events)
        finally:
            self.events.clear()
            self.requests.clear()

    def call(self, path: str, arguments: dict[str, Any]) -> object:
        """Call a verb by its path, such as ``market.set_price``. Raises ``SteeringError``."""
        return self._steering.call(path, arguments)

    def state(self) -> dict[str, Any]:
        """Return what verbs have brought about, as plain data."""
        return self._steering.state()

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
    data: Sequence[str | PathLike[str]] = (),
    fills: str = "book",
    trade_password: str | None = None,
    faults: Sequence[str | Rule] = (),
    limits: str | LimitSettings = "1000",
    source: Callable[[], AnswerSource] | None = None,
    credentials: Callable[[int], Credentials] = random_credentials,
    script: str | PathLike[str] | Script | None = None,
    world: Callable[[], AnswerSource] | None = None,
    **settings: Any,
) -> Iterator[RunningGateway]:
    """Run a gateway while the block lasts, answering from ``captures`` or, with none, from the made-up market.

    With captures and ``synthetic`` the market answers what was not captured.

    * ``key``: the RSA private key that clients hold too, or its PEM; ``capture_keys`` open captures under other ones
    * ``websocket``, ``ws_key``, ``tls``: whether to listen for WebSocket, the key of its clients, and TLS
    * ``match``, ``on_miss``, ``reuse``, ``loop``: as the options of ``ftwire serve`` for captures; ``shift_to_now`` is
      ``--shift-time``
    * ``speed``: a factor, ``None`` for top speed; ``max_pause``: seconds that a client waits at most for the next
      captured push, ``None`` for any
    * ``clock``, ``seed``, ``universe``, ``data``, ``fills``, ``trade_password``: as the options of ``ftwire serve`` for
      the made-up market; ``always_open`` is ``--hours always``
    * ``faults``: rules as for ``--fault``; ``limits``: quota of the account whose limits are enforced, ``"off"``, or
      settings of your own
    * ``source``: makes another answer source (``world`` is its former name); ``credentials``: what a connection gets in
      its handshake, by its number
    * ``script``: the file of a script as for ``--script``, or its functions
    * ``settings``: further fields of ``ftwire_tools.gateway.settings.Settings``

    Raises what loading a capture, a table or data and listening raise (``OSError``, ``LoadError``, ``UniverseError``,
    ``RecordingError``, ``ClockError``, ``FillModelError``, ``FaultError``, ``SettingsError``, ``ScriptError``), and at
    the end of the block what the gateway itself failed with, or the first error of a script in a ``RuntimeError``.
    """
    if world is not None:
        warnings.warn("gateway(world=...) is now called gateway(source=...)", DeprecationWarning, stacklevel=3)
        source = world
    if captures and source is not None:
        raise ValueError("captures or another answer source, not both")
    if data and shift_to_now:
        raise ValueError("data or shift_to_now, not both")
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
            "limits": limits if isinstance(limits, LimitSettings) else LimitSettings.of(limits),
            "faults": tuple(rule if isinstance(rule, Rule) else parse_rule(rule) for rule in faults),
            **settings,
        }
    )
    pace, now = Pace(speed, loop=loop, max_pause=max_pause), time.time_ns() if shift_to_now else None
    replay = None
    if captures:
        replay = Replay(match=Match(match), on_miss=OnMiss(on_miss), reuse=reuse, pace=pace, now=now, log=log)
        load(replay, [fspath(path) for path in captures], [*capture_keys, *([rsa] if rsa else [])], log)
    if clock is not None:
        if shift_to_now:
            raise ValueError("clock or shift_to_now, not both")
        now = start_time(clock) * SECOND
    if source is not None:
        made = source()
    elif replay is not None and not synthetic:
        made = replay
    else:
        from ftwire_tools.gateway.captured_first import CapturedFirst
        from ftwire_tools.gateway.synthetic import Synthetic
        from ftwire_tools.gateway.trading.fill_model import parse_fills
        from ftwire_tools.gateway.trading.requests import DEFAULT_PASSWORD
        from ftwire_tools.synthetic.recordings import load_recordings
        from ftwire_tools.synthetic.universe import default_universe, load_universe

        instruments = default_universe() if universe is None else load_universe(fspath(universe))
        market: dict[str, Any] = {
            "seed": seed,
            "pace": pace,
            "now": now,
            "universe": instruments,
            "fills": parse_fills(fills),
            "password": DEFAULT_PASSWORD if trade_password is None else trade_password,
            "language": chosen.language,
            "always_open": always_open,
            "recordings": load_recordings([fspath(path) for path in data], instruments) if data else None,
        }
        made = Synthetic(**market) if replay is None else CapturedFirst(replay, **market)
    hooks = script if script is None or isinstance(script, Script) else load_script(fspath(script))

    def make() -> Gateway:
        return Gateway(made, chosen, log, credentials=credentials, on_request=requests.append, script=hooks)

    thread = _Thread(make, events)
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


def _raise_errors(events: list[Event]) -> None:
    """Raise a ``RuntimeError`` where events report an error of the gateway itself, or of a script."""
    for name, facts in list(events):
        if name == "internal-error":
            raise RuntimeError(f"the gateway has a bug: {facts}")
        if name == "script-error":
            raise RuntimeError(f"{facts['at']}: {facts['hook']}: {facts['error']}")


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
        _raise_errors(self._events)
        if failures:
            # An error in a callback, which asyncio would only print.
            raise failures[0].get("exception") or RuntimeError(failures[0]["message"])
