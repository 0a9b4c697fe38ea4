"""Steering: what a script, a test or another program can make a running gateway do.

The verbs are methods of the groups below, and ``VERBS`` is the table of all. Requests and replies pass ``refusal`` and
``altered`` on their way, which is where most verbs take effect; those about the made-up market and its accounts
change these.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Protocol, TypeVar, runtime_checkable

from ftwire.connection import INIT_CONNECT
from ftwire.messages import Notify
from ftwire.protocols import registry
from ftwire_tools.gateway.answer_source import RET_FAILED, failure, success
from ftwire_tools.gateway.faults import FaultError
from ftwire_tools.gateway.limits import LimitError
from ftwire_tools.gateway.push import Push
from ftwire_tools.gateway.topics import NOTIFY
from ftwire_tools.gateway.verbs import Number, SteeringError, Text, Verb, VerbGroup, verb, verbs_of
from ftwire_tools.markets.codes import parse_security

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire.protocols import Protocol as ProtocolEntry
    from ftwire_tools.gateway.faults import Faults
    from ftwire_tools.gateway.limits import Limits
    from ftwire_tools.gateway.trading.broker import Broker
    from ftwire_tools.synthetic.trading_day import Market, StockDay

__all__ = ["GROUPS", "VERBS", "MadeUpSource", "Steering", "SteeringError"]

R = TypeVar("R")
HOP_SECONDS: Final = 30.0
"""Seconds that another thread waits for the gateway to carry out a verb."""
FIRST_TRADED: Final = 2000
"""Protocols from this ID on are about accounts and quotes: they need OpenD to be logged in."""
GET_GLOBAL_STATE: Final = 1002
NOT_LOGGED_IN: Final = "OpenD is not logged in"
"""``retMsg`` of what is asked for while OpenD is logged out. OpenD's own text is not known."""

_EVENTS: Final = tuple(value.name for value in Notify.DESCRIPTOR.enum_types_by_name["GtwEventType"].values)

Code = Annotated[str, Text("the security, such as HK.00700 or US.AAPL", 80)]
Price = Annotated[float, Number("the price, in the currency of the stock", 0.001, 1e7)]
Percent = Annotated[float, Number("by how much, in per cent of the present price: -10 is a tenth down", -99, 1000)]
Seconds = Annotated[int, Number("seconds of the market's clock", 1, 86_400)]
Count = Annotated[int, Number("how many, counted from now on", 1, 10_000)]
Quota = Annotated[int, Number("the quota", 0, 1_000_000)]
Reason = Annotated[str, Text("the text that the client gets to see", 500)]
ProtocolName = Annotated[str, Text("the protocol, by name or ID: Qot_GetRT or 3008", 64)]


class SteeredClient(Protocol):
    """A connected client, as far as verbs are concerned."""

    @property
    def number(self) -> int:
        """Number of its connection, from 1."""
        ...

    @property
    def peer(self) -> str:
        """Its address."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether it has logged in."""
        ...

    @property
    def subscribed(self) -> int | None:
        """How many topics it has subscribed to, ``None`` where that is not known."""
        ...

    def push(self, push: Push) -> bool:
        """Send a push if the client is to get it; return whether it was sent."""
        ...

    def cut_off(self, reason: str) -> None:
        """Close its connection at once."""
        ...


@runtime_checkable
class MadeUpSource(Protocol):
    """An answer source with a market and accounts of its own, which can be steered."""

    @property
    def market(self) -> Market:
        """The market."""
        ...

    @property
    def broker(self) -> Broker:
        """The accounts and their orders."""
        ...

    is_stopped: bool
    """Whether the market's clock stands still."""

    def show(self, stock: StockDay) -> None:
        """Push the present state of a stock to those who have subscribed to it."""
        ...

    def advance(self, seconds: int) -> None:
        """Let so many seconds pass at once; clients see the state at the end, and each change of an order."""
        ...

    def restart(self) -> None:
        """Begin again with the market and the accounts as they were at the start."""
        ...


class MarketVerbs(VerbGroup):
    """Prices of the made-up market. A change is pushed at once to those who have subscribed to the stock."""

    group: ClassVar[str] = "market"

    def __init__(self, steering: Steering) -> None:
        super().__init__(steering.run)
        self._steering: Final = steering

    @verb
    def set_price(self, code: Code, price: Price) -> None:
        """Trade a stock at a price, rounded to its tick, and hold it there until it is released.

        Like the other verbs that set a price, it needs the stock's market to be open (``--hours always``).
        """
        self._change(code, lambda stock: stock.hold(price))

    @verb
    def gap(self, code: Code, percent: Percent) -> None:
        """Let a stock's price jump; it moves on from there by itself."""
        self._change(code, lambda stock: stock.gap(percent / 100))

    @verb
    def spike(self, code: Code, percent: Percent, seconds: Seconds = 1) -> None:
        """Let a stock's price jump, and come back after some seconds of the market's clock."""
        self._change(code, lambda stock: stock.spike(percent / 100, seconds))

    @verb
    def release(self, code: Code) -> None:
        """Let the price of a held stock move by itself again, from where it is."""
        self._stock(code).release()

    @verb
    def halt(self, code: Code) -> None:
        """Suspend a stock: nothing is traded, its price stands, and its quote is marked as suspended."""
        self._change(code, lambda stock: stock.halt())

    @verb
    def resume(self, code: Code) -> None:
        """Trade a suspended stock again."""
        self._change(code, lambda stock: stock.resume())

    def _stock(self, code: str) -> StockDay:
        market = self._steering.made_up.market
        try:
            security = parse_security(code)
        except ValueError as error:
            raise SteeringError(str(error)) from None
        stock = market.stock(*security)
        if stock is None:
            raise SteeringError(f"the made-up market has no {code}")
        return stock

    def _change(self, code: str, change: Callable[[StockDay], None]) -> None:
        """Change a stock, and push its new state."""
        stock = self._stock(code)
        try:
            change(stock)
        except ValueError as error:
            raise SteeringError(str(error)) from None
        self._steering.made_up.show(stock)


class OrderVerbs(VerbGroup):
    """What becomes of the orders that clients place next, in any account."""

    group: ClassVar[str] = "orders"

    def __init__(self, steering: Steering) -> None:
        super().__init__(steering.run)
        self._steering: Final = steering

    @verb
    def reject_next(self, count: Count = 1, reason: Reason = "rejected by the exchange") -> None:
        """Accept the next orders as usual, and let each fail (``OrderStatus_Failed``) in the market's next second."""
        self._steering.made_up.broker.decisions.reject(count, reason)

    @verb
    def fill_next(
        self, share: Annotated[float, Number("the part of the quantity, from 0 to 1", 0, 1)], count: Count = 1
    ) -> None:
        """Fill this part of the next orders, in whole lots and at their own price, in the market's next second.

        The rest stays open whatever the market does.
        """
        self._steering.made_up.broker.decisions.fill(count, share)


class ClockVerbs(VerbGroup):
    """The clock of the made-up market."""

    group: ClassVar[str] = "clock"

    def __init__(self, steering: Steering) -> None:
        super().__init__(steering.run)
        self._steering: Final = steering

    @verb
    def stop(self) -> None:
        """Let the market stand still: its time passes by ``advance`` alone."""
        self._steering.made_up.is_stopped = True

    @verb
    def start(self) -> None:
        """Let the market's time pass by itself again."""
        self._steering.made_up.is_stopped = False

    @verb
    def advance(self, seconds: Seconds) -> None:
        """Let time pass at once. Clients see the state at the end, and each change of an order on the way."""
        self._steering.made_up.advance(seconds)


class ReplyVerbs(VerbGroup):
    """What clients get as replies."""

    group: ClassVar[str] = "replies"

    def __init__(self, steering: Steering) -> None:
        super().__init__(steering.run)
        self._refusals: Final[dict[int, deque[tuple[str, int, int]]]] = {}

    @verb
    def refuse_next(
        self,
        protocol: ProtocolName,
        reason: Reason = "refused",
        ret_type: Annotated[int, Number("retType of the reply; -1 is a failure", -2_147_483_648, 2_147_483_647)] = -1,
        err_code: Annotated[int, Number("errCode of the reply", -2_147_483_648, 2_147_483_647)] = 0,
        count: Count = 1,
    ) -> None:
        """Answer the next requests of a protocol with an error, whoever sends them."""
        entry = registry.get(int(protocol) if protocol.isdecimal() else protocol)
        if entry is None or entry.is_push or entry.request is None:
            raise SteeringError(f"there is no request {protocol!r}")
        if entry.proto_id == INIT_CONNECT:
            raise SteeringError("a verb cannot refuse the handshake, InitConnect: --fault refuse does")
        self._refusals.setdefault(entry.proto_id, deque(maxlen=10_000)).extend([(reason, ret_type, err_code)] * count)

    def refusal(self, entry: ProtocolEntry) -> Message | None:
        """Return the error that a request of a protocol is to be answered with, if one is due."""
        waiting = self._refusals.get(entry.proto_id)
        if not waiting:
            return None
        reason, ret_type, err_code = waiting.popleft()
        response = failure(entry, reason, ret_type)
        response.errCode = err_code
        return response  # type: ignore[no-any-return]  # a Response

    def clear(self) -> None:
        """Refuse nothing any more."""
        self._refusals.clear()

    @property
    def waiting(self) -> dict[str, int]:
        """How many requests are still to be refused, by protocol."""
        return {registry[proto_id].name: len(waiting) for proto_id, waiting in self._refusals.items() if waiting}


class FaultVerbs(VerbGroup):
    """What the gateway does wrong on purpose, as ``--fault`` has it."""

    group: ClassVar[str] = "faults"

    def __init__(self, steering: Steering, faults: Faults | None) -> None:
        super().__init__(steering.run)
        self._faults: Final = faults
        self._first: Final = None if faults is None else faults.rules

    @verb
    def add(self, rule: Annotated[str, Text("the rule, as for --fault: drop:p=0.1", 1000)]) -> int:
        """Add a rule, and return its number."""
        try:
            return self._of_gateway().add(rule)
        except FaultError as error:
            raise SteeringError(str(error)) from None

    @verb
    def remove(self, number: Annotated[int, Number("number of the rule", 1, 10**9)]) -> None:
        """Remove a rule; what it holds back is sent soon."""
        try:
            self._of_gateway().remove(number)
        except KeyError:
            raise SteeringError(f"there is no rule {number}") from None

    @verb
    def clear(self) -> None:
        """Remove all rules, those of the command line included."""
        self._of_gateway().clear()

    def begin_again(self) -> None:
        """Have the rules of the start again."""
        if self._faults is not None and self._first is not None:
            self._faults.rules = self._first

    @property
    def rules(self) -> dict[str, str]:
        """The rules by their numbers, as they are written."""
        rules = {} if self._faults is None else self._faults.rules
        return {str(number): str(rule) for number, rule in rules.items()}

    def _of_gateway(self) -> Faults:
        if self._faults is None:
            raise SteeringError("there are no faults here to switch")
        return self._faults


class LimitVerbs(VerbGroup):
    """What clients may request, as ``--limits`` and ``--limit`` have it."""

    group: ClassVar[str] = "limits"

    def __init__(self, steering: Steering, limits: Limits | None) -> None:
        super().__init__(steering.run)
        self._limits: Final = limits
        self._first: Final = None if limits is None else limits.settings

    @property
    def counted(self) -> Limits:
        """The limits with what is used of them. Raises ``SteeringError`` where a gateway has none of its own."""
        if self._limits is None:
            raise SteeringError("there are no limits here to set: they are the real gateway's")
        return self._limits

    @verb
    def set_subscription_quota(self, quota: Quota) -> None:
        """Set how many topics all clients together may subscribe to; what they have subscribed to stays."""
        self._set(subscriptions=quota)

    @verb
    def set_history_quota(self, quota: Quota) -> None:
        """Set of how many securities history may be requested; those already requested count."""
        self._set(history=quota)

    @verb
    def set(
        self,
        limit: Annotated[str, Text("the limit, as for --limit: order-gap, or a protocol", 64)],
        value: Annotated[str, Text("its value, as for --limit: a number, or for a protocol off too", 20)],
    ) -> None:
        """Set any limit; limits are enforced from then on, even where ``--limits off`` has been given."""
        try:
            changed = self.counted.settings.changed(f"{limit}={value}")
        except LimitError as error:
            raise SteeringError(str(error)) from None
        self.counted.settings = replace(changed, is_enforced=True)

    @verb
    def forget(self) -> None:
        """Forget what was requested so far: nothing is too frequent, and no minute has to pass."""
        self.counted.reset()

    def _set(self, **values: int) -> None:
        self.counted.settings = replace(self.counted.settings, is_enforced=True, **values)  # type: ignore[arg-type]  # numbers

    def begin_again(self) -> None:
        """Have the limits of the start again, with nothing used."""
        if self._limits is not None and self._first is not None:
            self._limits.settings = self._first
            self._limits.reset()

    @property
    def state(self) -> dict[str, Any] | None:
        """What may be used and what is, as plain data; ``None`` where there are no limits."""
        if self._limits is None:
            return None
        settings = self._limits.settings
        return {
            "enforced": settings.is_enforced,
            "subscription_quota": settings.subscriptions,
            "subscriptions_used": self._limits.subscriptions_used().stocks,
            "history_quota": settings.history,
            "history_used": self._limits.history_used().stocks,
        }


class LoginVerbs(VerbGroup):
    """Whether OpenD is logged in at its servers."""

    group: ClassVar[str] = "login"

    def __init__(self, steering: Steering) -> None:
        super().__init__(steering.run)
        self._steering: Final = steering
        self.is_logged_in = True

    @verb
    def log_out(self) -> None:
        """Lose the connection to the servers: a Notify says so, pushes end, requests for accounts and quotes fail."""
        self._change(False)

    @verb
    def log_in(self) -> None:
        """Be connected to the servers again: a Notify says so."""
        self._change(True)

    def _change(self, is_logged_in: bool) -> None:
        if self.is_logged_in == is_logged_in:
            return
        self.is_logged_in = is_logged_in
        notice = _notice(Notify.NotifyType_ConnStatus)
        notice.s2c.connectStatus.qotLogined = notice.s2c.connectStatus.trdLogined = is_logged_in
        self._steering.send(notice)


class NoticeVerbs(VerbGroup):
    """System notices (Notify, 1003), for clients that have asked for them (``recvNotify``)."""

    group: ClassVar[str] = "notices"

    def __init__(self, steering: Steering) -> None:
        super().__init__(steering.run)
        self._steering: Final = steering

    @verb
    def send_event(
        self,
        event: Annotated[
            str,
            Text(
                "the event, by the end of its name in Notify.GtwEventType",
                choices=tuple(name.removeprefix("GtwEventType_") for name in _EVENTS),
            ),
        ],
        text: Annotated[str, Text("its description", 500)] = "",
    ) -> None:
        """Push the notice of an event of OpenD, such as KickedOut."""
        notice = _notice(Notify.NotifyType_GtwEvent)
        notice.s2c.event.eventType = Notify.GtwEventType.Value(f"GtwEventType_{event}")
        notice.s2c.event.desc = text
        self._steering.send(notice)

    @verb
    def send_quota(
        self,
        subscriptions: Annotated[int, Number("subscriptions of the account", 0, 1_000_000)],
        history: Annotated[int, Number("securities whose history it may request", 0, 1_000_000)],
    ) -> None:
        """Push the notice that the account's quotas are others; what the gateway allows is not changed by it."""
        notice = _notice(Notify.NotifyType_APIQuota)
        notice.s2c.apiQuota.subQuota, notice.s2c.apiQuota.historyKLQuota = subscriptions, history
        self._steering.send(notice)


class ConnectionVerbs(VerbGroup):
    """The connections of clients."""

    group: ClassVar[str] = "connections"

    def __init__(self, steering: Steering) -> None:
        super().__init__(steering.run)
        self._steering: Final = steering

    @verb
    def close(
        self,
        client: Annotated[int, Number("the number of the only one, as the log has it", 1, 10**9)] | None = None,
    ) -> None:
        """Cut connections, of all clients or of one, at once and without a word."""
        found = [session for session in self._steering.sessions() if client in {None, session.number}]
        if client is not None and not found:
            raise SteeringError(f"there is no client {client}")
        for session in found:
            session.cut_off("cut by a verb")


GROUPS: Final[tuple[type[VerbGroup], ...]] = (
    MarketVerbs,
    OrderVerbs,
    ClockVerbs,
    ReplyVerbs,
    FaultVerbs,
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

    def refusal(self, entry: ProtocolEntry) -> Message | None:
        """Return the error that a request is answered with, ``None`` where it is answered as usual."""
        if not self.login.is_logged_in and entry.proto_id >= FIRST_TRADED:
            return failure(entry, NOT_LOGGED_IN, RET_FAILED)  # type: ignore[no-any-return]  # a Response
        return self.replies.refusal(entry)

    def altered(self, entry: ProtocolEntry, response: Any) -> Any:
        """Return the reply to a request as it is after what verbs have done."""
        if entry.proto_id == GET_GLOBAL_STATE and not self.login.is_logged_in and not response.retType:
            copy = type(response)()
            copy.CopyFrom(response)
            copy.s2c.qotLogined = copy.s2c.trdLogined = False
            return copy
        return response

    def send(self, notice: Message) -> None:
        """Push a notice to every client that wants notices."""
        push = Push(NOTIFY, notice)
        for session in self.sessions():
            session.push(push)


def _notice(kind: int) -> Any:
    response = success(registry[NOTIFY])
    response.s2c.type = kind
    return response


VERBS: Final[dict[str, Verb]] = {one.path: one for group in (*GROUPS, Steering) for one in verbs_of(group).values()}
"""Every verb by its path, such as ``market.set_price``."""
