"""Capital flow and distribution, and brokers at work on an order book.

Each minute's turnover is split over four sizes of orders, bought and sold, by the seed, the code and the minute. Flow
is bought less sold, added up from the day's first minute; distribution is both sums: the two agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.protocols import registry
from ftwire_tools.gateway.answer_source import success
from ftwire_tools.gateway.push import Push
from ftwire_tools.gateway.quotes import NotHereError, check_order, not_subscribed
from ftwire_tools.gateway.reference.view import MarketView, read_date, set_security
from ftwire_tools.gateway.topics import Topic
from ftwire_tools.markets.local_times import local_text
from ftwire_tools.synthetic.universe import Kind, Listing

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["BROKER", "BROKERS", "Flows"]

BROKER: Final = 14
"""``Qot_Common.SubType``."""
INTRADAY, DAY, WEEK, MONTH = 1, 2, 3, 4
"""``Qot_Common.PeriodType``."""
_SHARES: Final = (0.18, 0.27, 0.3, 0.25)
"""Of orders that are super, big, middle and small in turnover."""
_MOST_LEANING: Final = 0.12
"""How far bought and sold may be apart, as a share of their sum."""
_WITH_FLOW: Final = frozenset({Kind.STOCK, Kind.ETF, Kind.WARRANT})
BROKERS: Final = {
    4978: "Yuanta", 5337: "BOCI", 6387: "HSBC Securities", 4374: "J.P. Morgan", 8577: "UBS Securities",
    3440: "Goldman Sachs", 9022: "Morgan Stanley", 1453: "Futu Securities", 6699: "China Investment",
    3439: "Merrill Lynch", 5463: "Citigroup", 2846: "CICC", 7389: "Haitong", 5999: "China Renaissance",
}  # fmt: skip
"""Numbers and names; which is whose is made up."""


class Sides(NamedTuple):
    """Money of orders of the four sizes, super first."""

    bought: tuple[float, ...]
    sold: tuple[float, ...]

    @property
    def net(self) -> tuple[float, ...]:
        """Bought less sold."""
        return tuple(round(one - other, 3) for one, other in zip(self.bought, self.sold, strict=True))


class Flows:
    """Who buys and sells."""

    def __init__(self, view: MarketView) -> None:
        self._view: Final = view
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {
            "Qot_GetCapitalFlow": self._flow,
            "Qot_GetCapitalDistribution": self._distribution,
            "Qot_GetBroker": self._broker,
        }

    def _equity(self, security: Any) -> Listing:
        listing = self._view.listing(security)
        if listing.sec_type not in _WITH_FLOW:
            raise NotHereError(f"capital flow is of stocks, warrants and funds, which {listing.full_code} is not")
        return listing

    def _split(self, listing: Listing, moment: datetime, turnover: float) -> Sides:
        drawn = self._view.drawn(listing, "flow", moment)
        bought, sold = [], []
        for share in _SHARES:
            money = turnover * share
            leaning = drawn.uniform(-_MOST_LEANING, _MOST_LEANING)
            bought.append(round(money * (1 + leaning) / 2, 3))
            sold.append(round(money * (1 - leaning) / 2, 3))
        return Sides(tuple(bought), tuple(sold))

    def _minutes(self, listing: Listing) -> list[tuple[datetime, Sides]]:
        return [(moment, self._split(listing, moment, turnover)) for moment, turnover in self._view.turnovers(listing)]

    def _flow(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the net flow of each minute since the open, or of each day, week or month of a year at most."""
        listing = self._equity(c2s.security)
        period = c2s.periodType or INTRADAY
        rows: list[tuple[datetime, tuple[float, ...]]] = []
        if period == INTRADAY:
            total = (0.0,) * len(_SHARES)
            for moment, sides in self._minutes(listing):
                total = tuple(round(one + other, 3) for one, other in zip(total, sides.net, strict=True))
                rows.append((moment, total))
        elif period in _GROUPS:
            begin = read_date(c2s.beginTime) if c2s.beginTime else datetime.min
            end = read_date(c2s.endTime, late=True) if c2s.endTime else datetime.max
            check_order(begin, end)
            days = [row for row in self._daily(listing) if begin <= row[0] <= end]
            for _key, group in groupby(days, key=lambda row: _GROUPS[period](row[0].date())):
                found = list(group)
                sums = tuple(round(sum(column), 3) for column in zip(*(net for _, net in found), strict=True))
                rows.append((found[-1][0], sums))
        else:
            raise NotHereError(f"unknown period type {period}")
        for moment, net in rows:
            item = s2c.flowItemList.add(inFlow=round(sum(net), 3), time=local_text(moment))
            item.timestamp = self._view.stamp(listing, moment)
            item.mainInFlow = round(net[0] + net[1], 3)
            item.superInFlow, item.bigInFlow, item.midInFlow, item.smlInFlow = net
        now = self._view.now(listing)
        s2c.lastValidTime, s2c.lastValidTimestamp = local_text(now), self._view.stamp(listing, now)

    def _daily(self, listing: Listing) -> Iterable[tuple[datetime, tuple[float, ...]]]:
        days = self._view.days(listing)[-260:]
        for bar in days[:-1]:
            yield bar.time, self._split(listing, bar.time, bar.turnover).net
        if days:
            sides = [sides for _, sides in self._minutes(listing)]
            yield days[-1].time, _sum(sides).net

    def _distribution(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the money bought and sold today by orders of the four sizes."""
        listing = self._equity(c2s.security)
        total = _sum([sides for _, sides in self._minutes(listing)])
        s2c.capitalInSuper, s2c.capitalInBig, s2c.capitalInMid, s2c.capitalInSmall = total.bought
        s2c.capitalOutSuper, s2c.capitalOutBig, s2c.capitalOutMid, s2c.capitalOutSmall = total.sold
        now = self._view.now(listing)
        s2c.updateTime, s2c.updateTimestamp = local_text(now), self._view.stamp(listing, now)

    # Brokers

    def _broker(self, client: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the brokers in the queues of a Hong Kong stock, after a subscription."""
        listing = self._view.listing(c2s.security)
        if not client.subscriptions.has(Topic(listing.market, listing.code, BROKER)):
            raise not_subscribed("Qot_GetBroker", BROKER)
        self.fill_brokers(s2c, listing)

    def fill_brokers(self, s2c: Any, listing: Listing) -> None:
        """Fill the queues: each broker at one of the best five prices, nearer ones first."""
        set_security(s2c.security, listing)
        s2c.name = listing.name
        if listing.exchange.prefix != "HK" or listing.sec_type not in _WITH_FLOW:
            return  # as in OpenD: brokers are of Hong Kong's stocks alone
        drawn = self._view.drawn(listing, "brokers", self._view.now(listing).replace(second=0))
        numbers = list(BROKERS)
        for side in (s2c.brokerAskList, s2c.brokerBidList):
            for place in sorted(drawn.choices(range(1, 6), k=drawn.randint(8, 20))):
                number = drawn.choice(numbers)
                side.add(id=number, name=BROKERS[number], pos=place)

    def push(self, topic: Topic, *, only_new: bool) -> Push | None:
        """Return the present queues as a push; with ``only_new``, where they have changed: with each open minute."""
        if topic.sub_type != BROKER:
            return None
        listing = self._view.market.listing(topic.market, topic.code)
        if listing is None or (only_new and not (self._view.is_open(listing) and self._view.now(listing).second == 0)):
            return None
        entry = registry["Qot_UpdateBroker"]
        response = success(entry)
        self.fill_brokers(response.s2c, listing)
        return Push(entry.proto_id, response)


_GROUPS: Final[dict[int, Callable[[date], tuple[int, ...]]]] = {
    DAY: lambda day: (day.toordinal(),),
    WEEK: lambda day: day.isocalendar()[:2],
    MONTH: lambda day: (day.year, day.month),
}


def _sum(sides: list[Sides]) -> Sides:
    zeros = (0.0,) * len(_SHARES)
    bought = tuple(round(sum(column), 3) for column in zip(*(each.bought for each in sides), strict=True))
    sold = tuple(round(sum(column), 3) for column in zip(*(each.sold for each in sides), strict=True))
    return Sides(bought or zeros, sold or zeros)
