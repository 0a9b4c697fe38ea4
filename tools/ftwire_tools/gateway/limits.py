"""Limits as OpenD documents them: how often, how much, how long; what is refused, and with which text.

They apply to a gateway as a whole, since they are the user's: frequencies (``frequencies``), quotas of subscriptions
and of history (``quotas``), and the minute before a subscription may end. Time is real time, whatever the ``--speed``
of the market or of captured pushes, since the clients' own timers run in real time.
"""
# ruff: noqa: RUF001 - OpenD's Chinese texts have the punctuation of Chinese

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from ftwire_tools.filters.protocol_names import protocol_ids
from ftwire_tools.gateway.frequencies import FREQUENCIES, FrequencyWindows, interface_name
from ftwire_tools.gateway.quotas import HistoryQuota, SubscriptionQuota, Used
from ftwire_tools.gateway.topics import Topic, sub_type_name
from ftwire_tools.markets.codes import security_name

if TYPE_CHECKING:
    from ftwire.protocols import Protocol

__all__ = ["ACCOUNTS", "LANGUAGES", "LIMIT_NAMES", "Language", "LimitError", "LimitSettings", "Limits"]

Language: TypeAlias = Literal["en", "chs"]
LANGUAGES: Final = ("en", "chs")
"""Languages of OpenD's texts, by the names of its setting ``lang``."""
ACCOUNTS: Final = {"100": (100, 20), "300": (300, 60), "1000": (1000, 200), "2000": (2000, 400)}
"""Quotas by the size of an account: of stocks, and of options; for subscriptions and for history alike (PD
"权限与额度"). 1000 is that of an account with at least HKD 500,000, or with 200 trades a month."""
DAY: Final = 86_400.0
_OF_OPTIONS: Final = ("option_history", "option_subscriptions")


class LimitError(ValueError):
    """A limit that does not exist, or a value that it cannot have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """The values of the limits."""

    is_enforced: bool = True
    """Whether anything is refused. What is used is counted, and reported to clients, in any case."""
    subscriptions: int = 1000
    """Topics (a code and a type of data) that all clients together may have subscribed to, options aside."""
    option_subscriptions: int = 200
    """The same of options: chains and types."""
    history: int = 1000
    """Securities whose history may be requested in ``history_days``, options aside."""
    option_history: int = 200
    """The same of options: chains."""
    history_days: float = 7
    """Days that one counts: 7 (PD), formerly 30 (OLD, SK)."""
    least_subscription: float = 60
    """Seconds before a subscription may end (PD "行情 Q2")."""
    order_gap: float = 0
    """Least seconds between two orders of an account. OpenD's is 0.02 (OLD, SK); here it is 0 unless it is set, since a
    client that waits for each reply keeps OpenD's without knowing it: a reply takes longer there."""
    modify_gap: float = 0
    """The same between two changes of orders, OpenD's is 0.04 (SK) or 0.02 (OLD)."""
    counts: Mapping[int, int | None] = field(default_factory=dict)
    """Requests in 30 s by protocol ID, where they are others than in ``FREQUENCIES``; ``None`` for any number."""

    @classmethod
    def of(cls, account: str = "1000", changes: Sequence[str] = ()) -> LimitSettings:
        """Return the limits of an account (one of ``ACCOUNTS``, or ``off``) with changes, each ``NAME=VALUE``.

        ``NAME`` is one of ``LIMIT_NAMES``, or the name, ID or glob of protocols with a limit, whose ``VALUE`` is how
        many requests there may be in 30 s, or ``off``. Raises ``LimitError``.
        """
        if account != "off" and account not in ACCOUNTS:
            raise LimitError(f"no account {account!r}; there are {', '.join(ACCOUNTS)} and off")
        stocks, options = ACCOUNTS.get(account, ACCOUNTS["1000"])
        made = cls(
            is_enforced=account != "off",
            subscriptions=stocks,
            option_subscriptions=options,
            history=stocks,
            option_history=options,
        )
        for change in changes:
            made = made.changed(change)
        return made

    def changed(self, change: str) -> LimitSettings:
        """Return these settings with one changed, ``NAME=VALUE`` as for ``of``. Raises ``LimitError``."""
        name, _, value = change.partition("=")
        if name in LIMIT_NAMES:
            attribute = name.replace("-", "_")
            convert = int if attribute in {"history", "subscriptions", *_OF_OPTIONS} else float
            values: dict[str, Any] = {attribute: _number(change, value, convert)}
            return replace(self, **values)
        try:
            found = protocol_ids([name]) if name else frozenset()
        except ValueError:
            found = frozenset()
        limited = found & _LIMITED
        if not limited:
            what = f"{name} has no limit on its frequency" if found else f"no limit {name!r}"
            raise LimitError(f"{change!r}: {what}; there are {', '.join(LIMIT_NAMES)} and protocols")
        count = None if value == "off" else int(_number(change, value, int))
        return replace(self, counts={**self.counts, **dict.fromkeys(limited, count)})


def _number(change: str, value: str, convert: type[int] | type[float]) -> float:
    try:
        number = convert(value)
    except ValueError:
        raise LimitError(f"{change!r}: {value!r} is no number") from None
    if not 0 <= number <= 1e6:
        raise LimitError(f"{change!r}: {value} is not 0 to 1000000")
    return number


LIMIT_NAMES: Final = tuple(
    each.name.replace("_", "-") for each in fields(LimitSettings) if each.name not in {"is_enforced", "counts"}
)
"""Names of the values, as ``--limit`` has them."""
_LIMITED: Final = protocol_ids(
    name for each in FREQUENCIES if not each.gap for group in each.protocols.split() for name in group.split("+")
)


class Limits:
    """The limits of a running gateway: their values, and what is used."""

    def __init__(
        self,
        settings: LimitSettings | None = None,
        *,
        language: Language = "en",
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings or LimitSettings()
        """Their values. Others may take their place while the gateway runs."""
        self.language = language
        """Language of the texts."""
        self.clock = clock
        """Returns seconds of a steady clock."""
        self.wall_clock = wall_clock
        """Returns seconds since 1970."""
        self._frequencies: Final = FrequencyWindows()
        self._subscriptions: Final = SubscriptionQuota()
        self._history: Final = HistoryQuota()

    def reset(self) -> None:
        """Forget all requests and how long subscriptions have lasted: nothing is exceeded, no minute has to pass."""
        self._frequencies.reset()
        self._subscriptions.reset()
        self._history.reset()

    def _text(self, chinese: str, english: str) -> str:
        return chinese if self.language == "chs" else english

    # Frequencies

    def too_frequent(self, entry: Protocol, c2s: Any) -> str:
        """Count a request; return OpenD's text where there were too many before it, and nothing otherwise."""
        settings = self.settings
        if not settings.is_enforced:
            return ""
        gaps = {"order_gap": settings.order_gap, "modify_gap": settings.modify_gap}
        exceeded = self._frequencies.exceeded(entry.proto_id, c2s, self.clock(), settings.counts, gaps)
        if exceeded is None:
            return ""
        count, seconds = exceeded
        name = interface_name(entry.name, chinese=self.language == "chs")
        return self._text(
            f"{name}频率太高，请求失败，每{seconds:g}秒最多{count}次。",
            f"{name} is too frequent, request failed, no more than {count} times every {seconds:g} seconds.",
        )

    # Subscriptions

    def subscriptions_used(self) -> Used:
        """Return what all clients together use of the quota of subscriptions."""
        return self._subscriptions.used(self.clock())

    def subscriptions_left(self) -> Used:
        """Return what is left of it."""
        used = self.subscriptions_used()
        settings = self.settings
        return Used(max(settings.subscriptions - used.stocks, 0), max(settings.option_subscriptions - used.options, 0))

    def no_quota(self, topics: Sequence[Topic]) -> str:
        """Return OpenD's text where topics are more than the quota allows, and nothing otherwise."""
        settings = self.settings
        if not settings.is_enforced:
            return ""
        used = self.subscriptions_used()
        wanted = self._subscriptions.would_use(topics, self.clock())
        for have, want, quota in (
            (used.stocks, wanted.stocks, settings.subscriptions),
            (used.options, wanted.options, settings.option_subscriptions),
        ):
            if want > max(quota, have):
                # The Chinese text is from the logs of client authors, the English one is a translation of it.
                return self._text(
                    f"订阅额度不足，订阅失败，已用订阅额度：{have}/{quota}",
                    f"Insufficient subscription quota, subscription failed, used subscription quota: {have}/{quota}",
                )
        return ""

    def too_short(self, client: int, topics: Sequence[Topic]) -> str:
        """Return OpenD's text where a client ends a subscription too early, and nothing otherwise."""
        least = self.settings.least_subscription
        if not self.settings.is_enforced:
            return ""
        topic = self._subscriptions.too_early(client, topics, self.clock(), least)
        if topic is None:
            return ""
        code = security_name(topic.market, topic.code)
        kind = sub_type_name(topic.sub_type)
        minutes = least / 60
        chinese, english = f"{minutes:g}分钟", f"{minutes:g} minute{'' if minutes == 1 else 's'}"
        if least % 60:
            chinese, english = f"{least:g}秒", f"{least:g} seconds"
        return self._text(
            f"{code}的{kind}订阅时间过短，至少需要订阅{chinese}",
            f"The {kind} subscription duration for {code} is too short. Minimum subscription duration is {english}.",
        )

    def subscribed(self, client: int, topics: Sequence[Topic]) -> None:
        """Take note that a client has subscribed to topics."""
        self._subscriptions.begin(client, topics, self.clock())

    def unsubscribed(self, client: int, topics: Sequence[Topic]) -> None:
        """Take note that a client's subscriptions have ended."""
        least = self.settings.least_subscription if self.settings.is_enforced else 0.0
        self._subscriptions.end(client, topics, self.clock(), least)

    # History

    def _window(self) -> float:
        return self.settings.history_days * DAY

    def history_used(self) -> Used:
        """Return what is used of the quota of history."""
        return self._history.used(self.wall_clock(), self._window())

    def history_left(self) -> Used:
        """Return what is left of it."""
        used = self.history_used()
        return Used(max(self.settings.history - used.stocks, 0), max(self.settings.option_history - used.options, 0))

    def no_history(self, security: Any) -> str:
        """Return OpenD's text where the history of one more security exceeds the quota, and nothing otherwise."""
        settings = self.settings
        if not settings.is_enforced:
            return ""
        used = self.history_used()
        wanted = self._history.would_use(security, self.wall_clock(), self._window())
        if wanted == used or (wanted.stocks <= settings.history and wanted.options <= settings.option_history):
            return ""
        stocks = f"{used.stocks}/{settings.history}"
        options = f"{used.options}/{settings.option_history}"
        days = f"{settings.history_days:g}"
        # The Chinese text is from the logs of client authors, the English one is a translation of it.
        return self._text(
            f"历史K线额度不足，请求失败（已用正股额度：{stocks}，期权额度：{options}）。额度会在{days}天后全部释放。",
            f"Insufficient historical candlestick quota, request failed (used stock quota: {stocks}, option quota: "
            f"{options}). The quota will be fully released after {days} days.",
        )

    def history_requested(self, security: Any, name: str) -> None:
        """Take note that the history of a security was given; ``name`` is the security's."""
        if self.settings.is_enforced:
            self._history.use(security, name, self.wall_clock())

    def fill_history(self, s2c: Any, *, with_details: bool) -> None:
        """Fill the content of a Qot_RequestHistoryKLQuota reply."""
        s2c.usedQuota = self.history_used().stocks
        s2c.remainQuota = self.history_left().stocks
        if with_details:
            self._history.fill_details(s2c)
