"""Quotas: how much may be subscribed to, and of how many securities history may be requested.

Both are the user's, over all connections (the vendor's "权限与额度" and "行情 Q2-Q4"). Options have a pool of their
own, which counts a whole chain (one underlying and expiry) as one security.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire_tools.markets.local_times import local_text

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ftwire_tools.gateway.topics import Topic

__all__ = ["HistoryQuota", "SubscriptionQuota", "Used", "units_of"]

CRYPTO: Final = 91
"""``Qot_Common.QotMarket`` of cryptocurrencies: all K-line types of one count once (SK)."""
_KLINES: Final = frozenset({6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20, 21})
"""The K-line types of ``Qot_Common.SubType``."""
_OPTION: Final = re.compile(r"(\.?[A-Z][A-Z0-9]*?)(\d\d)(\d\d)(\d\d)[CP]\d{3,}")
"""An option's code: class, expiry, C or P, strike times 1000."""
_BEIJING: Final = timezone(timedelta(hours=8))


class Used(NamedTuple):
    """What is used of both pools."""

    stocks: int
    options: int


def _unit(topic: Topic) -> tuple[bool, Hashable]:
    """Return whether a topic is of the pool for options, and what it counts as there."""
    option = _OPTION.fullmatch(topic.code)
    if option is not None:
        return True, (topic.market, topic.code[: option.end(4)], topic.sub_type)
    if topic.market == CRYPTO and topic.sub_type in _KLINES:
        return False, (topic.market, topic.code, "K-lines")
    return False, topic


def units_of(topics: Iterable[Topic]) -> Used:
    """Return what some topics use of the quotas."""
    units = set(map(_unit, topics))
    options = sum(is_option for is_option, _ in units)
    return Used(len(units) - options, options)


class SubscriptionQuota:
    """What all connections have subscribed to, since when, and what that uses.

    A topic counts once, however many connections have it. It is given back when the last of them has ended its
    subscription; where that connection ended before the least time was over, when it is. Times are seconds of a steady
    clock.
    """

    def __init__(self) -> None:
        self._since: Final[dict[Topic, dict[int, float]]] = {}
        self._kept_until: Final[dict[Topic, float]] = {}
        self._units: Final[tuple[Counter[Hashable], Counter[Hashable]]] = (Counter(), Counter())

    def reset(self) -> None:
        """Forget what is kept of connections that have ended, and since when others have subscribed."""
        self._expire(float("inf"))
        for clients in self._since.values():
            for client in clients:
                clients[client] = float("-inf")

    def used(self, now: float) -> Used:
        """Return what is used."""
        self._expire(now)
        return Used(len(self._units[False]), len(self._units[True]))

    def would_use(self, topics: Iterable[Topic], now: float) -> Used:
        """Return what would be used with these topics, too."""
        used = self.used(now)
        more = {unit for unit in map(_unit, topics) if unit[1] not in self._units[unit[0]]}
        options = sum(is_option for is_option, _ in more)
        return Used(used.stocks + len(more) - options, used.options + options)

    def begin(self, client: int, topics: Iterable[Topic], now: float) -> None:
        """Take note that a connection has subscribed to topics."""
        for topic in topics:
            if topic not in self._since and self._kept_until.pop(topic, None) is None:
                self._count(topic, 1)
            self._since.setdefault(topic, {}).setdefault(client, now)

    def too_early(self, client: int, topics: Iterable[Topic], now: float, least: float) -> Topic | None:
        """Return the first of a connection's topics that it has subscribed to for less than ``least`` seconds."""
        for topic in topics:
            since = self._since.get(topic, {}).get(client)
            if since is not None and now - since < least:
                return topic
        return None

    def end(self, client: int, topics: Iterable[Topic], now: float, least: float) -> None:
        """Take note that a connection's subscriptions have ended."""
        for topic in topics:
            clients = self._since.get(topic, {})
            since = clients.pop(client, None)
            if since is None or clients:
                continue
            del self._since[topic]
            if now - since < least:
                self._kept_until[topic] = since + least
            else:
                self._count(topic, -1)

    def _expire(self, now: float) -> None:
        for topic in [topic for topic, until in self._kept_until.items() if until <= now]:
            del self._kept_until[topic]
            self._count(topic, -1)

    def _count(self, topic: Topic, change: int) -> None:
        is_option, unit = _unit(topic)
        units = self._units[is_option]
        units[unit] += change
        if not units[unit]:
            del units[unit]


class _Requested(NamedTuple):
    """A security whose history was requested."""

    market: int
    code: str
    name: str
    at: float
    """Seconds since 1970."""
    is_option: bool


class HistoryQuota:
    """Of which securities history was requested lately: one counts once, whatever the K-line types and pages.

    Times are seconds since 1970. ``window`` is how long one counts, in seconds.
    """

    def __init__(self) -> None:
        self._requested: Final[dict[tuple[int, str], _Requested]] = {}

    def reset(self) -> None:
        """Forget all requests."""
        self._requested.clear()

    def used(self, now: float, window: float) -> Used:
        """Return what is used."""
        for key in [key for key, each in self._requested.items() if now - each.at >= window]:
            del self._requested[key]
        options = sum(each.is_option for each in self._requested.values())
        return Used(len(self._requested) - options, options)

    def would_use(self, security: Any, now: float, window: float) -> Used:
        """Return what would be used with the history of this security, too."""
        used = self.used(now, window)
        option = _OPTION.fullmatch(security.code)
        if _history_key(security, option) in self._requested:
            return used
        return used._replace(options=used.options + 1) if option else used._replace(stocks=used.stocks + 1)

    def use(self, security: Any, name: str, now: float) -> None:
        """Take note of a request; the first counts."""
        option = _OPTION.fullmatch(security.code)
        key = _history_key(security, option)
        if key not in self._requested:
            code = security.code if option is None else option[1]
            if option is not None:
                name = f"{name} [opt exp 20{option[2]}-{option[3]}-{option[4]}]".lstrip()
            self._requested[key] = _Requested(security.market, code, name, now, option is not None)

    def fill_details(self, s2c: Any) -> None:
        """Add the requests to a Qot_RequestHistoryKLQuota reply."""
        for each in self._requested.values():
            item = s2c.detailList.add(requestTimeStamp=int(each.at), name=each.name)
            item.security.market, item.security.code = each.market, each.code
            item.requestTime = local_text(datetime.fromtimestamp(each.at, _BEIJING))


def _history_key(security: Any, option: re.Match[str] | None) -> tuple[int, str]:
    return security.market, security.code if option is None else security.code[: option.end(4)]
