"""One gateway's verbs together, the table of them, and the thread that they run in."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ftwire_tools.gateway.push import Push
from ftwire_tools.gateway.steering.connections import ConnectionVerbs
from ftwire_tools.gateway.steering.interfaces import MadeUpSource
from ftwire_tools.gateway.steering.login import LoginVerbs, NoticeVerbs
from ftwire_tools.gateway.steering.market import ClockVerbs, MarketVerbs, OrderVerbs
from ftwire_tools.gateway.steering.replies import ReplyVerbs
from ftwire_tools.gateway.steering.rules import FaultVerbs, LimitVerbs
from ftwire_tools.gateway.steering.script import ScriptVerbs
from ftwire_tools.gateway.topics import NOTIFY
from ftwire_tools.gateway.verbs import SteeringError, Verb, VerbGroup, verb, verbs_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.protocols import Protocol
    from ftwire_tools.gateway.faults import Faults
    from ftwire_tools.gateway.limits import Limits
    from ftwire_tools.gateway.steering.interfaces import SteeredClient

__all__ = ["GROUPS", "VERBS", "Steering"]

R = TypeVar("R")
HOP_SECONDS: Final = 30.0
"""Seconds that another thread waits for the gateway to carry out a verb."""

GROUPS: Final[tuple[type[VerbGroup], ...]] = (
    MarketVerbs,
    OrderVerbs,
    ClockVerbs,
    ReplyVerbs,
    FaultVerbs,
    ScriptVerbs,
    LimitVerbs,
    LoginVerbs,
    NoticeVerbs,
    ConnectionVerbs,
)
"""All groups of verbs, in the order in which they are documented."""


class Steering(VerbGroup):
    """One gateway's verbs, and the state that they have brought about.

    ``source`` is what answers, ``sessions`` returns the sessions of connected clients; ``faults`` and ``limits`` are
    the gateway's, where it has some. Until ``attach`` is called, verbs run in the thread that calls them.
    """

    def __init__(
        self,
        source: object,
        sessions: Callable[[], Sequence[SteeredClient]],
        *,
        faults: Faults | None = None,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(self.run)
        self.sessions: Final = sessions
        self._source: Final = source
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._when_reset: Final[list[Callable[[], None]]] = []
        self.market: Final = MarketVerbs(self)
        self.orders: Final = OrderVerbs(self)
        self.clock: Final = ClockVerbs(self)
        self.replies: Final = ReplyVerbs(self)
        self.faults: Final = FaultVerbs(self, faults)
        self.script: Final = ScriptVerbs(self)
        self.limits: Final = LimitVerbs(self, limits)
        self.login: Final = LoginVerbs(self)
        self.notices: Final = NoticeVerbs(self)
        self.connections: Final = ConnectionVerbs(self)

    @verb
    def reset(self) -> None:
        """Undo all that verbs have done, and begin again with the market and the accounts of the start.

        Clients stay connected, and keep their subscriptions. The clock goes on standing still if it does.
        """
        self.replies.clear()
        self.faults.begin_again()
        self.script.begin_again()
        self.limits.begin_again()
        self.login.log_in()
        if isinstance(self._source, MadeUpSource):
            self._source.restart()
        for call in self._when_reset:
            call()

    def state(self) -> dict[str, Any]:
        """Return what verbs have brought about, as plain data."""
        return self.run(self._state)

    def _state(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "clients": [
                {"number": session.number, "peer": session.peer, "subscriptions": session.subscribed}
                for session in self.sessions()
                if session.is_open
            ],
            "logged_in": self.login.is_logged_in,
            "refusals": self.replies.waiting,
            "faults": self.faults.rules,
            "script": self.script.state,
            "limits": self.limits.state,
            "market": None,
        }
        if isinstance(self._source, MadeUpSource):
            stocks = self._source.market.stocks.values()
            found["market"] = {
                "now": self._source.market.now,
                "stopped": self._source.is_stopped,
                "steered": {stock.name: state for stock in stocks if (state := stock.steered)},
                "next_orders": self._source.broker.decisions.waiting,
            }
        return found

    def call(self, path: str, arguments: Mapping[str, object]) -> object:
        """Carry out the verb of a path in ``VERBS`` with plain data as arguments, and return its result, plain too.

        Raises ``SteeringError``.
        """
        found = VERBS.get(path)
        if found is None:
            raise SteeringError(f"there is no verb {path!r:.60}")
        group = getattr(self, found.group) if found.group else self
        result: object = getattr(group, found.name)(**found.checked(arguments))
        return result

    # Used by the gateway

    @property
    def made_up(self) -> MadeUpSource:
        """The source with a market and accounts. Raises ``SteeringError`` where the gateway has none."""
        if not isinstance(self._source, MadeUpSource):
            raise SteeringError("there is no made-up market here to steer: serve --synthetic has one")
        return self._source

    def when_reset(self, call: Callable[[], None]) -> None:
        """Call ``call`` with each reset, too."""
        self._when_reset.append(call)

    def attach(self) -> None:
        """Run verbs in the calling thread's event loop from now on, whichever thread calls them."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()

    def run(self, function: Callable[[], R]) -> R:
        """Call a function in the gateway's thread and return its result. Raises ``TimeoutError``."""
        if self._loop is None or threading.get_ident() == self._thread:
            return function()
        done: Future[R] = Future()

        def call() -> None:
            try:
                done.set_result(function())
            except BaseException as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(call)
        return done.result(HOP_SECONDS)

    @property
    def withholds_pushes(self) -> bool:
        """Whether nothing but notices is pushed now."""
        return not self.login.is_logged_in

    def refusal(self, entry: Protocol) -> Message | None:
        """Return the error that a request is answered with, ``None`` where it is answered as usual."""
        found = self.login.refusal(entry)
        return self.replies.refusal(entry) if found is None else found

    def altered(self, entry: Protocol, response: Any) -> Any:
        """Return the reply to a request as it is after what verbs have done."""
        return self.login.altered(entry, response)

    def send(self, notice: Message) -> None:
        """Push a notice to every client that wants notices."""
        push = Push(NOTIFY, notice)
        for session in self.sessions():
            session.push(push)


VERBS: Final[dict[str, Verb]] = {one.path: one for group in (*GROUPS, Steering) for one in verbs_of(group).values()}
"""Every verb by its path, such as ``market.set_price``."""
