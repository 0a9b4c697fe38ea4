"""How often requests may be sent: OpenD's limits for each protocol, as a table and as sliding windows.

Sources, in short: PD is the vendor's documentation (June 2026), OLD that of October 2020, SK the vendor's repository of
skills for agents (July 2026). Where they differ, the table has the stricter value and names both; ``--limit`` sets
another. A protocol that is not in the table may be requested at any rate: subscriptions, live data that OpenD has at
hand, and what no source states a limit for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.protocols import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FREQUENCIES", "Frequency", "FrequencyWindows", "interface_name"]

WINDOW: Final = 30.0
"""Seconds of nearly all limits (PD "行情 Q5": call 1 and call n+1 are more than 30 s apart, a sliding window)."""
MAX_WINDOWS: Final = 4096
"""Windows kept: those of accounts are as many as clients make up. The one that was used least recently goes."""


class Frequency(NamedTuple):
    """So many requests in so many seconds, for some protocols together or each."""

    protocols: str
    """Names; those joined with ``+`` share one window."""
    most: int
    source: str
    seconds: float = WINDOW
    by_account: bool = False
    """Whether each account has a window of its own; otherwise there is one for the user, over all connections."""
    only: str = ""
    """The requests that count: ``refreshCache`` where that is set, ``first page`` where ``nextReqKey`` is not."""
    gap: str = ""
    """Name of the setting that ``seconds`` is taken from: the least time between two requests."""


FREQUENCIES: Final = (
    Frequency("Trd_UnlockTrade", 10, "OLD"),
    Frequency(
        "Trd_GetFunds Trd_GetPositionList Trd_GetOrderList Trd_GetOrderFillList",
        10,
        "OLD, SK: only with refreshCache, which passes OpenD's cache by",
        by_account=True,
        only="refreshCache",
    ),
    Frequency("Trd_GetMaxTrdQtys Trd_GetComboMaxTrdQtys", 10, "OLD, SK", by_account=True),
    Frequency("Trd_PlaceOrder+Trd_PlaceComboOrder", 15, "OLD, SK", by_account=True),
    Frequency("Trd_PlaceOrder+Trd_PlaceComboOrder", 1, "OLD, SK: 0.02 s", 0.02, by_account=True, gap="order_gap"),
    Frequency("Trd_ModifyOrder", 20, "OLD, SK", by_account=True),
    Frequency("Trd_ModifyOrder", 1, "OLD: 0.02 s, SK: 0.04 s", 0.04, by_account=True, gap="modify_gap"),
    Frequency(
        "Trd_GetHistoryOrderList Trd_GetHistoryOrderFillList Trd_GetOrderFee Trd_FlowSummary",
        10,
        "OLD, PD, SK",
        by_account=True,
    ),
    Frequency("Trd_GetMarginRatio", 10, "PD: for the user"),
    Frequency("Qot_RequestHistoryKL", 60, "OLD, SK: only the first page counts", only="first page"),
    Frequency("Qot_RequestRehab", 60, "OLD"),
    Frequency("Qot_RequestHistoryKLQuota Qot_GetOptionExpirationDate", 60, "SK"),
    Frequency("Qot_GetSecuritySnapshot", 60, "PD, OLD"),
    Frequency("Qot_GetPlateSet Qot_GetPlateSecurity Qot_GetOwnerPlate Qot_GetHoldingChangeList", 10, "OLD, SK"),
    Frequency("Qot_GetReference Qot_GetIpoList Qot_GetPriceReminder", 10, "OLD: 10, SK: 60"),
    Frequency("Qot_GetOptionChain", 10, "PD of August 2026: 10, SK: 60"),
    Frequency("Qot_GetWarrant", 60, "OLD, SK"),
    Frequency("Qot_GetCapitalFlow Qot_GetCapitalDistribution", 30, "OLD, SK"),
    Frequency("Qot_GetUserSecurity Qot_ModifyUserSecurity Qot_GetUserSecurityGroup", 10, "OLD, PD: 10, SK: 60"),
    Frequency("Qot_StockFilter", 10, "OLD, SK"),
    Frequency("Qot_GetFutureInfo Qot_RequestTradeDate", 30, "OLD: 30, SK: 60"),
    Frequency("Qot_SetPriceReminder", 60, "OLD, SK"),
    Frequency("Qot_GetMarketState", 10, "OLD, SK"),
    Frequency(" ".join(entry.name for entry in registry if 3225 <= entry.proto_id <= 3251), 30, "SK"),
    Frequency(" ".join(entry.name for entry in registry if 3255 <= entry.proto_id <= 3258), 30, "SK"),
    Frequency("Qot_GetSearchQuote Qot_GetSearchNews", 10, "SK"),
    Frequency(
        " ".join(entry.name for entry in registry if 3401 <= entry.proto_id <= 3433 and not entry.is_push), 60, "SK"
    ),
)
"""Every limit."""

_INTERFACES: Final = {
    "Qot_RequestHistoryKL": ("获取历史K线", "Get Historical Candlesticks"),
    "Qot_GetSecuritySnapshot": ("获取市场快照", "Get Market Snapshot"),
    "Qot_StockFilter": ("条件选股", "Filter Stocks by Condition"),
    "Qot_GetKL": ("获取实时K线", "Get Real-time Candlestick"),
    "Qot_GetBasicQot": ("获取实时报价", "Get Real-time Quotes"),
    # Not seen in a text of OpenD: the titles that the documentation has for these requests.
    "Qot_GetBroker": ("获取实时经纪队列", "Get Real-time Broker Queue"),
    "Qot_GetOrderBook": ("获取实时摆盘", "Get Real-time Order Book"),
    "Qot_GetRT": ("获取实时分时", "Get Real-time Time Frame Data"),
    "Qot_GetTicker": ("获取实时逐笔", "Get Real-time Tick-by-Tick"),
    "Qot_GetEventContractKline": ("获取事件合约K线", "Get Event Contract Candlestick"),
    "Qot_GetEventContractOrderBook": ("获取事件合约摆盘", "Get Event Contract Order Book"),
    "Qot_GetEventContractTicker": ("获取事件合约逐笔", "Get Event Contract Tick-by-Tick"),
    "Qot_GetCapitalDistribution": ("获取资金分布", "Get Capital Distribution"),
    "Qot_GetCapitalFlow": ("获取资金流向", "Get Capital Flow"),
    "Qot_GetFutureInfo": ("获取期货合约资料", "Get Futures Contract Information"),
    "Qot_GetIpoList": ("获取IPO信息", "Get IPO Information"),
    "Qot_GetMarketState": ("获取标的市场状态", "Get Market Status of Securities"),
    "Qot_GetOptionChain": ("获取期权链", "Get Option Chain"),
    "Qot_GetOptionExpirationDate": ("获取期权链到期日", "Get Option Expiration Date"),
    "Qot_GetOwnerPlate": ("获取股票所属板块", "Get Plates of Stocks"),
    "Qot_GetPlateSecurity": ("获取板块内股票列表", "Get the List of Stocks in the Plate"),
    "Qot_GetPlateSet": ("获取板块列表", "Get Plate List"),
    "Qot_GetPriceReminder": ("获取到价提醒列表", "Get a List of Price Reminders"),
    "Qot_GetReference": ("获取股票关联数据", "Get Reference Data"),
    "Qot_GetUserSecurity": ("获取自选股列表", "Get the Watchlist"),
    "Qot_GetUserSecurityGroup": ("获取自选股分组", "Get Groups from Watchlist"),
    "Qot_GetWarrant": ("筛选窝轮", "Filter Warrants"),
    "Qot_ModifyUserSecurity": ("修改自选股列表", "Modify the Watchlist"),
    "Qot_RequestRehab": ("获取复权因子", "Get Adjustment Factor"),
    "Qot_RequestTradeDate": ("获取交易日历", "Get Trading Calendar"),
    "Qot_SetPriceReminder": ("设置到价提醒", "Set Price Reminder"),
    "Trd_FlowSummary": ("查询账户现金流水", "Get Account Cash Flow"),
    "Trd_GetFunds": ("查询账户资金", "Get Account Funds"),
    "Trd_GetHistoryOrderFillList": ("查询历史成交", "Get Historical Deals"),
    "Trd_GetHistoryOrderList": ("查询历史订单", "Get Historical Orders"),
    "Trd_GetMarginRatio": ("获取融资融券数据", "Get Margin Data"),
    "Trd_GetMaxTrdQtys": ("查询最大可买可卖", "Get Maximum Tradable Quantity"),
    "Trd_GetOrderFee": ("查询订单费用", "Get Order Fee"),
    "Trd_GetOrderFillList": ("查询当日成交", "Get Today's Deals"),
    "Trd_GetOrderList": ("查询未完成订单", "Get Open Orders"),
    "Trd_GetPositionList": ("查询持仓", "Get Positions List"),
    "Trd_ModifyOrder": ("改单撤单", "Modify or Cancel Orders"),
    "Trd_PlaceOrder": ("下单", "Place Orders"),
    "Trd_UnlockTrade": ("解锁交易", "Unlock Trade"),
}
"""Protocol to what OpenD calls it in its texts, in Chinese and in English."""


def interface_name(protocol: str, *, chinese: bool) -> str:
    """Return what OpenD's texts call a request; the protocol's name where that is not known."""
    names = _INTERFACES.get(protocol)
    return protocol if names is None else names[0 if chinese else 1]


class _Window(NamedTuple):
    """One limit as it applies to a protocol."""

    number: int
    """The same for all protocols that share it."""
    frequency: Frequency


def _by_protocol() -> dict[int, list[_Window]]:
    found: dict[int, list[_Window]] = {}
    groups = [(group, each) for each in FREQUENCIES for group in each.protocols.split()]
    for number, (group, frequency) in enumerate(groups):
        for name in group.split("+"):
            found.setdefault(registry[name].proto_id, []).append(_Window(number, frequency))
    return found


_WINDOWS: Final = _by_protocol()


class FrequencyWindows:
    """When requests were accepted, as far back as the limits reach."""

    def __init__(self) -> None:
        self._accepted: Final[dict[tuple[int, int], deque[float]]] = {}

    def reset(self) -> None:
        """Forget all requests."""
        self._accepted.clear()

    def exceeded(
        self, proto_id: int, c2s: Any, now: float, counts: Mapping[int, int | None], gaps: Mapping[str, float]
    ) -> tuple[int, float] | None:
        """Return number and seconds of the limit that a request exceeds; accept it and return ``None`` otherwise.

        ``now`` is in seconds of a steady clock. ``counts`` are numbers other than the table's by protocol ID, ``None``
        for no limit; ``gaps`` are the least seconds between two requests by the name in ``Frequency.gap``. A request
        that is refused does not count.
        """
        windows = _WINDOWS.get(proto_id)
        if windows is None:
            return None
        accepted = []
        for number, account, count, seconds in _that_apply(windows, proto_id, c2s, counts, gaps):
            times = self._accepted.pop((number, account), None) or deque()
            self._accepted[number, account] = times  # last in the dictionary: most recently used
            while times and now - times[0] > seconds:
                times.popleft()
            if len(times) >= count:
                return count, seconds
            accepted.append(times)
        for times in accepted:
            times.append(now)
        while len(self._accepted) > MAX_WINDOWS:
            del self._accepted[next(iter(self._accepted))]
        return None


def _that_apply(
    windows: list[_Window], proto_id: int, c2s: Any, counts: Mapping[int, int | None], gaps: Mapping[str, float]
) -> Iterator[tuple[int, int, int, float]]:
    """Yield window number, account, count and seconds of each limit that a request counts for."""
    for number, frequency in windows:
        most: int | None = frequency.most
        seconds = frequency.seconds
        if frequency.gap:
            seconds = gaps[frequency.gap]
        elif proto_id in counts:
            most = counts[proto_id]
        if frequency.only == "refreshCache" and not c2s.refreshCache:
            continue
        if frequency.only == "first page" and c2s.nextReqKey:
            continue
        if most is not None and seconds:
            yield number, c2s.header.accID if frequency.by_account else 0, most, seconds
