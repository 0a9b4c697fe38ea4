"""The answer source for the made-up market and its accounts."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.gateway.answer_source import UNKNOWN_PROTOCOL, Answer, content_of, failure, success
from ftwire_tools.gateway.gateway_state import SERVER_VERSION, USER_ID, GatewayState
from ftwire_tools.gateway.push_scheduler import SECOND, Pace
from ftwire_tools.gateway.quotes import NotHereError, Quotes
from ftwire_tools.gateway.reference.answers import Reference
from ftwire_tools.gateway.subscriptions import QOT_REG_PUSH, QOT_SUB, TRD_SUB_ACC_PUSH
from ftwire_tools.gateway.topics import KLINE_OF_SUB, NOT_KLINES, SUB_OF_KLINE
from ftwire_tools.gateway.trading.broker import Broker
from ftwire_tools.gateway.trading.messages import pushes_of
from ftwire_tools.gateway.trading.requests import DEFAULT_PASSWORD, TradeRequests
from ftwire_tools.gateway.trading.texts import TradeError
from ftwire_tools.gateway.trading.venue import MadeUpVenue
from ftwire_tools.gateway.trading_sessions import scope_of
from ftwire_tools.messages.text import undecodable_text
from ftwire_tools.synthetic.history import FORWARD
from ftwire_tools.synthetic.trading_day import Market

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from google.protobuf.message import Message

    from ftwire.protocols import Protocol as Entry
    from ftwire_tools.gateway.answer_source import Subscriber
    from ftwire_tools.gateway.limits import Language
    from ftwire_tools.gateway.push import Push
    from ftwire_tools.gateway.subscriptions import SubscriptionChange
    from ftwire_tools.gateway.topics import Topic
    from ftwire_tools.gateway.trading.fill_model import FillModel
    from ftwire_tools.markets.sessions import Session
    from ftwire_tools.synthetic.recordings import Recordings
    from ftwire_tools.synthetic.trading_day import StockDay
    from ftwire_tools.synthetic.universe import Universe

    _Wanted = dict[tuple[Topic, frozenset[Session], int], list[Subscriber]]
    """Topic, trading sessions and ``RehabType`` of pushes to those who have subscribed to them."""

__all__ = ["Synthetic"]

PATIENCE: Final = 0.05
"""Seconds that the market waits, at top speed, for a client that does not read, before it goes on."""
IDLE: Final = 0.02
"""Seconds between two market seconds at top speed while nobody has subscribed to pushes."""
_ORDERING: Final = frozenset({"Trd_PlaceOrder", "Trd_ModifyOrder"})
"""Protocols that change orders."""
MOST_SECURITIES: Final = {
    "Qot_GetSecuritySnapshot": 400,
    "Qot_GetMarketState": 400,
    "Qot_GetOwnerPlate": 200,
    "Qot_GetFutureInfo": 200,
}
"""Protocol to the most securities in one of its requests (vendor's pages)."""
_SUBSCRIBED: Final = frozenset({*NOT_KLINES, *SUB_OF_KLINE.values()})
"""``Qot_Common.SubType`` numbers that can be subscribed to."""


_ONLY_SESSIONS: Final = "订阅的时段仅支持设置 RTH，ETH，ALL"  # noqa: RUF001 - OpenD's punctuation
"""Refusal of another trading session, after the words of that for history; a guess."""


class Synthetic:
    """Answers from one market and one set of accounts for all clients."""

    def __init__(
        self,
        *,
        seed: int = 0,
        pace: Pace | None = None,
        now: int | None = None,
        universe: Universe | None = None,
        fills: FillModel | None = None,
        password: str = DEFAULT_PASSWORD,
        passwords: Mapping[int, str] | None = None,
        language: Language = "en",
        always_open: bool = False,
        recordings: Recordings | None = None,
    ) -> None:
        """``now``, in nanoseconds since 1970, is the market's time at the start.

        With ``always_open`` every market stays in its regular session. Instruments in ``recordings`` are traded as was
        recorded, in the universe of those; ``now`` is by default when they begin.
        ``password`` unlocks trading, ``passwords`` are those of firms (``Trd_Common.SecurityFirm``) with another one;
        ``language`` is that of the texts of refusals. Raises ``ClockError``.
        """
        self._fills: Final = fills
        self._passwords: Final = password, dict(passwords or {})
        self._language: Final[Language] = language
        self._seed: Final = seed
        self._recordings: Final = recordings
        begin = None if recordings is None else recordings.start
        self._start: Final = begin if now is None else now / SECOND
        self._universe: Final = universe if recordings is None else recordings.universe
        self._always_open: Final = always_open
        self.is_stopped = False
        """Whether the market's clock stands still."""
        self.restart()
        self._pace: Final = pace or Pace()
        self._clients: Final[dict[int, Subscriber]] = {}
        self._wanted: _Wanted | None = None  # found again after a subscription has changed
        self._late: Final[set[int]] = set()
        self._serials: Final[dict[int, int]] = {}
        """Number of a connection to the serial of its last request that has changed an order."""

    def restart(self) -> None:
        """Begin again with the market and the accounts as they were at the start."""
        self.market = Market(
            self._seed, self._start, self._universe, always_open=self._always_open, recordings=self._recordings
        )
        self.broker = Broker(MadeUpVenue(self.market), model=self._fills, language=self._language)
        self._state = GatewayState(self.market)
        self._reference = Reference(self.market, self._seed)
        self._quotes = Quotes(self.market, self._reference.fill_details)
        password, passwords = self._passwords
        self._trades = TradeRequests(self.broker, password=password, passwords=passwords)

    @property
    def protocols(self) -> frozenset[str]:
        """Names of the protocols that the market and the accounts answer."""
        return frozenset(self.handlers)

    @property
    def handlers(self) -> dict[str, Callable[..., Any]]:
        """The function that answers a protocol, by its name."""
        return {**self._quotes.answers, **self._reference.answers, **self._trades.answers, **self._state.answers}

    @property
    def made_up(self) -> dict[str, str]:
        """Protocols whose answers are made up by rule, and what is in them."""
        return self._reference.made_up

    def now(self) -> int:
        """Return the market's time in seconds since 1970."""
        return self.market.now

    def handshake(self) -> dict[str, Any]:
        """Return version, user and user's region."""
        return {"serverVer": SERVER_VERSION, "loginUserID": USER_ID, "userAttribution": 1}

    def join(self, client: Subscriber) -> None:
        """Add a client."""
        self._clients[client.number] = client
        self._wanted = None

    def leave(self, client: Subscriber) -> None:
        """Remove a client."""
        self._clients.pop(client.number, None)
        self._reference.leave(client)
        self._late.discard(client.number)
        self._serials.pop(client.number, None)
        self._wanted = None

    def answer(self, client: Subscriber, entry: Entry, request: Message) -> Answer:
        """Return an answer from the market and the accounts."""
        response = success(entry)
        c2s = content_of(request)
        fields = response.DESCRIPTOR.fields_by_name
        undecodable = undecodable_text(request)
        if undecodable is not None:
            return Answer(failure(entry, f"{undecodable} is not UTF-8"))
        most = MOST_SECURITIES.get(entry.name)
        try:
            if most is not None and len(c2s.securityList) > most:
                raise NotHereError(f"at most {most} securities in a request", f"单次请求最多{most}个标的")
            if entry.proto_id in {QOT_SUB, QOT_REG_PUSH}:
                self._check_subscription(entry.proto_id, c2s)
            elif entry.proto_id == TRD_SUB_ACC_PUSH:
                pass
            elif entry.name in self._reference.answers:
                self._reference.answer(entry.name, client, c2s, response.s2c if "s2c" in fields else response)
            elif entry.name in self._quotes.answers:
                self._quotes.answers[entry.name](client, c2s, response.s2c)
            elif entry.name in self._trades.answers:
                if entry.name not in _ORDERING:
                    self._trades.answers[entry.name](c2s, response.s2c)
                else:
                    self._change_orders(client, self._trades.answers[entry.name], c2s, response.s2c)
            elif entry.name in self._state.answers:
                self._state.answers[entry.name](client, c2s, response.s2c)
            elif entry.is_retired:
                return Answer(failure(entry, UNKNOWN_PROTOCOL))
            else:
                return Answer(failure(entry, f"{entry.name} is not part of the synthetic market"))
        except TradeError as error:
            return Answer(failure(entry, error.text(self.broker.language)))
        except NotHereError as error:
            return Answer(failure(entry, error.text(self._language)))
        return Answer(response)

    def _check_subscription(self, proto_id: int, c2s: Any) -> None:
        """Refuse a subscription to what there is not. Raises ``NotHereError``."""
        if proto_id == QOT_SUB and scope_of(c2s) is None:
            raise NotHereError(_ONLY_SESSIONS)
        for sub_type in c2s.subTypeList:
            if sub_type not in _SUBSCRIBED:
                raise NotHereError(f"unknown subscription type {sub_type}", f"未知的订阅类型{sub_type}")
        for security in c2s.securityList:
            listing = self._quotes.listing(security)
            for sub_type in c2s.subTypeList:
                self._quotes.check_kline(listing, KLINE_OF_SUB.get(sub_type))

    def _change_orders(self, client: Subscriber, change: Callable[[Any, Any], None], c2s: Any, s2c: Any) -> None:
        """Place or change an order, unless the request was received before: its serial is not above the last one's.

        Only a ``PacketID`` with this connection's ``connID`` is guarded; others are of clients that do not fill it in.
        """
        packet_id, is_own = c2s.packetID, c2s.packetID.connID == client.conn_id
        if is_own and packet_id.serialNo <= self._serials.get(client.number, -1):
            raise TradeError("replayed")
        change(c2s, s2c)
        if is_own:
            self._serials[client.number] = packet_id.serialNo
        # After the reply, since before it the client does not have the order's ID.
        asyncio.get_running_loop().call_soon(self._settle)

    def subscribed(self, client: Subscriber, change: SubscriptionChange) -> None:
        """Push the present state of new topics, where the client has requested that."""
        self._wanted = None
        if change.first:
            for topic in change.started:
                sessions = client.subscriptions.sessions_of(topic)
                for rehab in _rehabs_of(client, topic):
                    found = self._quotes.push(topic, sessions, rehab) or self._reference.push(topic)
                    if found is not None:
                        client.push(found)

    def _settle(self) -> None:
        """Push what a request has changed, then do what is due at once, and push that."""
        self._push_changes()
        self.broker.settle()
        self._push_changes()

    def _push_changes(self) -> None:
        for event in self.broker.events():
            self._send_to_all(pushes_of(self.broker, event))

    def _send_to_all(self, pushes: Iterable[Push]) -> None:
        for push in pushes:
            for client in list(self._clients.values()):
                client.push(push)

    def step(self) -> None:
        """Advance the market by a second, and push what has changed."""
        if not self.is_stopped:
            self._pass_second()
            self._push_state(only_new=True)

    def _pass_second(self) -> None:
        self.market.step()
        self.broker.advance()
        self._push_changes()
        for number, push in self._reference.step():
            for client in list(self._clients.values()) if number is None else [self._clients[number]]:
                client.push(push)

    def advance(self, seconds: int) -> None:
        """Let so many seconds pass at once; push the state at the end, and each change of an order on the way."""
        for _ in range(seconds):
            self._pass_second()
        self._push_state()

    def show(self, stock: StockDay) -> None:
        """Push the present state of a stock to those who have subscribed to it."""
        self._push_state(stock)

    def _push_state(self, of: StockDay | None = None, *, only_new: bool = False) -> None:
        """Push the present state of all topics that are pushed to somebody, or of those about one stock.

        With ``only_new`` that is not pushed in which nothing was traded in this second.
        """
        only = None if of is None else (of.listing.market, of.listing.code)
        if self._wanted is None:
            self._wanted = self._find_wanted()
        for (topic, sessions, rehab), clients in self._wanted.items():
            if only is not None and (topic.market, topic.code) != only:
                continue
            found = self._quotes.push(topic, sessions, rehab, only_new=only_new) or self._reference.push(
                topic, only_new=only_new
            )
            if found is not None:
                for client in clients:
                    client.push(found)

    def _find_wanted(self) -> _Wanted:
        """Return who has subscribed to which pushes."""
        wanted: _Wanted = {}
        for client in self._clients.values():
            for topic in client.subscriptions.pushed:
                sessions = client.subscriptions.sessions_of(topic)
                for rehab in _rehabs_of(client, topic):
                    wanted.setdefault((topic, sessions, rehab), []).append(client)
        return wanted

    async def run(self) -> None:
        """Step once in each market second, until cancelled."""
        if self._pace.speed is None:
            await self._run_at_top_speed()
            return
        due = time.monotonic()
        while True:
            due = max(due + 1 / self._pace.speed, time.monotonic() - 1.0)  # longer delays are not caught up
            await asyncio.sleep(due - time.monotonic())
            self.step()

    async def _run_at_top_speed(self) -> None:
        while True:
            self.step()
            if not any(client.subscriptions.pushed for client in self._clients.values()):
                await asyncio.sleep(IDLE)
                continue
            await asyncio.sleep(0)
            waiting = {
                asyncio.ensure_future(client.drained()): number
                for number, client in self._clients.items()
                if number not in self._late
            }
            if not waiting:
                await asyncio.sleep(PATIENCE)
                self._late.clear()
                continue
            _, slow = await asyncio.wait(waiting, timeout=PATIENCE)
            for task in slow:
                self._late.add(waiting[task])
                task.cancel()


def _rehabs_of(client: Subscriber, topic: Topic) -> Iterable[int]:
    """Return how pushes of a topic are adjusted for a client (``RehabType``); once where it is not about K-lines."""
    rehabs = client.subscriptions.pushed.get(topic) if topic.sub_type not in NOT_KLINES else None
    return rehabs or (FORWARD,)
