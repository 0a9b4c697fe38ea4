"""The subscriptions of one client, and which pushes it gets.

The rules are OpenD's: a subscription (``Qot_Sub``) allows requests about a topic; with ``isRegOrUnRegPush``, or after
``Qot_RegQotPush``, the client gets pushes too. Both belong to the connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire_tools.gateway.limits import Limits, LimitSettings
from ftwire_tools.gateway.push import Push
from ftwire_tools.gateway.quotas import units_of
from ftwire_tools.gateway.topics import NOTIFY, TRADE_PUSHES, UPDATE_BASIC_QOT, UPDATE_KL, Topic, narrowed
from ftwire_tools.gateway.trading_sessions import scope_of
from ftwire_tools.markets.sessions import Session
from ftwire_tools.synthetic.trading_session import REGULAR

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "MAX_TOPICS",
    "QOT_REG_PUSH",
    "QOT_SUB",
    "SUBSCRIBING",
    "TRD_SUB_ACC_PUSH",
    "SubscriptionChange",
    "Subscriptions",
    "fill_info",
]

QOT_SUB: Final = 3001
QOT_REG_PUSH: Final = 3002
TRD_SUB_ACC_PUSH: Final = 2008
SUBSCRIBING: Final = frozenset({QOT_SUB, QOT_REG_PUSH, TRD_SUB_ACC_PUSH})
"""Protocols that change subscriptions."""

MAX_TOPICS: Final = 4000
"""Most topics that a client may subscribe to where no quota is enforced: twice the largest one. It bounds memory."""
MAX_ACCOUNTS: Final = 1000
MAX_CODE: Final = 64
"""Characters of a code."""


class SubscriptionChange(NamedTuple):
    """What a request did to a client's subscriptions."""

    error: str = ""
    """Why nothing was changed; empty where something was."""
    started: tuple[Topic, ...] = ()
    """Topics that are pushed from now on."""
    first: bool = False
    """Whether their present state is to be pushed at once (``isFirstPush``)."""


class Subscriptions:
    """The subscriptions of one client."""

    def __init__(self, limits: Limits | None = None, client: int = 0) -> None:
        """``limits`` are the gateway's, ``client`` is the number of the connection."""
        self._limits: Final = limits or Limits(LimitSettings(is_enforced=False))
        self._client: Final = client
        self.topics: dict[Topic, None] = {}
        """Topics subscribed to, in the order of subscribing."""
        self.pushed: dict[Topic, frozenset[int]] = {}
        """Topics whose pushes are wanted, with the ``RehabType`` numbers of K-lines; no number means any."""
        self._sessions: dict[Topic, frozenset[Session]] = {}
        self.accounts: set[int] = set()
        """``accID`` of the accounts whose orders are pushed."""
        self.notify = False
        """Whether system notices are wanted (``recvNotify``)."""

    def apply(self, proto_id: int, request: Any) -> SubscriptionChange:
        """Apply a request of one of the protocols in ``SUBSCRIBING``."""
        c2s = request.c2s
        if proto_id == TRD_SUB_ACC_PUSH:
            if len(self.accounts | set(c2s.accIDList)) > MAX_ACCOUNTS:
                return SubscriptionChange(f"more than {MAX_ACCOUNTS} accounts")
            self.accounts.update(c2s.accIDList)
            return SubscriptionChange()
        topics = [
            Topic(security.market, security.code, sub_type)
            for security in c2s.securityList
            for sub_type in c2s.subTypeList
        ]
        if any(isinstance(topic.code, bytes) for topic in topics):
            return SubscriptionChange("a code that is not UTF-8")
        if any(len(topic.code) > MAX_CODE for topic in topics):
            return SubscriptionChange(f"a code of more than {MAX_CODE} characters")
        if proto_id == QOT_REG_PUSH:
            return self._register(c2s.isRegOrUnReg, topics, frozenset(c2s.rehabTypeList), c2s)
        limits = self._limits
        if not c2s.isSubOrUnSub:
            if c2s.isUnsubAll:
                topics = list(self.topics)
            if error := limits.too_short(self._client, topics):
                return SubscriptionChange(error)
            limits.unsubscribed(self._client, topics)
            for topic in topics:
                self.topics.pop(topic, None)
                self.pushed.pop(topic, None)
                self._sessions.pop(topic, None)
            return SubscriptionChange()
        wanted = {**self.topics, **dict.fromkeys(topics)}
        if len(wanted) > MAX_TOPICS:
            return SubscriptionChange(f"{len(wanted)} subscriptions of one client, {MAX_TOPICS} are the most")
        if error := limits.no_quota(topics):
            return SubscriptionChange(error)
        limits.subscribed(self._client, topics)
        self.topics = wanted
        # The last subscription counts.
        self._sessions.update(dict.fromkeys(topics, scope_of(c2s) or REGULAR))
        if c2s.HasField("isRegOrUnRegPush"):
            return self._register(c2s.isRegOrUnRegPush, topics, frozenset(c2s.regPushRehabTypeList), c2s)
        return SubscriptionChange()

    def _register(self, on: bool, topics: list[Topic], rehabs: frozenset[int], c2s: Any) -> SubscriptionChange:
        if not on:
            for topic in topics:
                self.pushed.pop(topic, None)
            return SubscriptionChange()
        for topic in topics:
            if topic not in self.topics:
                return SubscriptionChange(f"{topic.code} is not subscribed to sub type {topic.sub_type}")
        self.pushed.update(dict.fromkeys(topics, rehabs))
        return SubscriptionChange(started=tuple(dict.fromkeys(topics)), first=c2s.isFirstPush)

    def end(self) -> None:
        """Give back what the quota counts: the connection has ended."""
        self._limits.unsubscribed(self._client, list(self.topics))

    def sessions_of(self, topic: Topic) -> frozenset[Session]:
        """Return the trading sessions that a topic was subscribed for."""
        return self._sessions.get(topic, REGULAR)

    def has(self, topic: Topic) -> bool:
        """Return whether a topic is subscribed to."""
        return topic in self.topics

    def select(self, push: Push) -> Push | None:
        """Return the part of a push that this client has subscribed to: the push, a smaller one, or ``None``."""
        topics, proto_id = push.topics, push.proto_id
        if topics is not None and len(topics) == 1 and proto_id != UPDATE_KL:
            return push if topics[0] in self.pushed else None  # the most frequent case
        s2c: Any = getattr(push.message, "s2c", None)
        if topics is None:
            if proto_id in TRADE_PUSHES:
                return push if s2c.header.accID in self.accounts else None
            return push if proto_id != NOTIFY or self.notify else None
        wanted = {topic for topic in topics if topic in self.pushed}
        if not wanted:
            return None
        if proto_id == UPDATE_KL:
            rehabs = self.pushed[topics[0]]
            return push if not rehabs or s2c.rehabType in rehabs else None
        if proto_id == UPDATE_BASIC_QOT and len(wanted) < len(topics):
            return Push(proto_id, narrowed(push.message, wanted))
        return push


def fill_info(s2c: Any, own: Subscriptions, everyone: Sequence[Subscriptions], is_all: bool, limits: Limits) -> None:
    """Fill the content of a Qot_GetSubInfo reply for the client with the subscriptions ``own``.

    ``everyone`` is the subscriptions of all clients; with ``is_all`` (``isReqAllConn``) all are listed. The quota is
    the gateway's: a topic counts once, however many clients have subscribed to it, and for a while after the last has
    gone.
    """
    for one in everyone if is_all else (own,):
        used = units_of(one.topics)
        info = s2c.connSubInfoList.add(usedQuota=used.stocks, optionUsedQuota=used.options, isOwnConnData=one is own)
        by_type: dict[int, Any] = {}
        for topic in one.topics:
            if topic.sub_type not in by_type:
                by_type[topic.sub_type] = info.subInfoList.add(subType=topic.sub_type)
            by_type[topic.sub_type].securityList.add(market=topic.market, code=topic.code)
    s2c.totalUsedQuota, s2c.optionUsedQuota = limits.subscriptions_used()
    s2c.remainQuota, s2c.optionRemainQuota = limits.subscriptions_left()
