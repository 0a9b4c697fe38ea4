"""The gateway's own services: verification, delay statistics, search, test commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.gateway.quotes import NotHereError
from ftwire_tools.gateway.reference.view import MarketView
from ftwire_tools.gateway.reference.watchlists import Watchlists
from ftwire_tools.markets.local_times import local_text
from ftwire_tools.synthetic.universe import Listing

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["Service"]

PUSHES, REPLIES, ORDERS = 1, 2, 3
"""``GetDelayStatistics.DelayStatisticsType``."""
_DEFAULT_SEGMENTS: Final = (100, 200, 300, 500, 1000)
"""Ends of the segments of delays, in milliseconds."""
_MEASURED: Final = {1002: 2.1, 3004: 0.9, 3103: 35.0, 3203: 12.5}
"""Protocols and their average cost in milliseconds: made up."""
_HEADLINES: Final = {
    1: "made-up news about its business",
    2: "made-up notice to shareholders",
    3: "made-up rating by an analyst",
}
"""By ``Qot_GetSearchNews.NewsSubType``."""
REQUEST, INPUT = 1, 2
"""``Verification.VerificationOp``."""
MOST_FOUND: Final = 100


class Service:
    """Services beside quotes."""

    def __init__(self, view: MarketView, watchlists: Watchlists) -> None:
        self._view: Final = view
        self._watchlists: Final = watchlists
        self._code_requested = False
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {
            "Verification": self._verification,
            "GetDelayStatistics": self._delays,
            "TestCmd": self._test_command,
            "InitQuantMode": self._nothing,
            "Qot_GetSearchQuote": self._search,
            "Qot_GetSearchNews": self._news,
        }

    def _verification(self, _: Subscriber, c2s: Any, s2c: Any) -> None:  # noqa: ARG002 - the reply has no content
        """Request a code, or log in with one: any six digits, after a request."""
        if c2s.op == REQUEST:
            self._code_requested = True
        elif c2s.op != INPUT:
            raise NotHereError(f"unknown operation {c2s.op}")
        elif not self._code_requested:
            raise NotHereError("no code was requested")
        elif not (len(c2s.code) == 6 and c2s.code.isdecimal()):
            raise NotHereError("wrong code: it has six digits")
        else:
            self._code_requested = False

    def _delays(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return delays of pushes, replies and orders: made up, their counts and shares add up."""
        wanted = set(c2s.typeList) or {PUSHES, REPLIES, ORDERS}
        ends = sorted({end for end in c2s.segmentList if end > 0} or _DEFAULT_SEGMENTS)
        if PUSHES in wanted:
            for push_type in (1, 2, 3, 4):
                drawn = self._view.drawn("delays", c2s.qotPushStage, push_type)
                counts = [drawn.randint(0, 2000 // (at + 1)) for at in range(len(ends))]
                statistics = s2c.qotPushStatisticsList.add(qotPushType=push_type, count=sum(counts))
                begin, seen, weighted = 0, 0, 0.0
                for end, count in zip(ends, counts, strict=True):
                    seen += count
                    weighted += count * (begin + end) / 2
                    statistics.itemList.add(
                        begin=begin,
                        end=end,
                        count=count,
                        proportion=count / max(1, statistics.count) * 100,
                        cumulativeRatio=seen / max(1, statistics.count) * 100,
                    )
                    begin = end
                statistics.delayAvg = weighted / max(1, statistics.count)
        if REPLIES in wanted:
            for proto_id, cost in _MEASURED.items():
                s2c.reqReplyStatisticsList.add(
                    protoID=proto_id,
                    count=self._view.drawn("delays", proto_id).randint(1, 500),
                    totalCostAvg=cost,
                    openDCostAvg=cost / 4,
                    netDelayAvg=cost * 3 / 4,
                    isLocalReply=proto_id in {1002, 3004},
                )
        if ORDERS in wanted:
            s2c.placeOrderStatisticsList.add(orderID="1", totalCost=80.0, openDCost=5.0, netDelay=50.0, updateCost=25.0)

    def _test_command(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Echo the command: there are no test commands here."""
        s2c.cmd, s2c.resultStr = c2s.cmd, ""

    @staticmethod
    def _nothing(_client: Subscriber, _c2s: Any, _s2c: Any) -> None:
        """Accept: neither request nor reply has content."""

    def _search(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return instruments whose code or name has the keyword: beginnings of codes first."""
        word = c2s.keyword.strip().casefold()
        count = min(c2s.max_count or 10, MOST_FOUND)
        watched = self._watchlists.watched()
        for listing in list(self._found(word))[:count]:
            s2c.search_quote_list.add(
                market=listing.market,
                code=listing.code,
                name=listing.name,
                sec_type=listing.sec_type,
                is_watched=listing.full_code in watched,
            )

    def _news(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return made-up headlines about the instruments that a keyword finds, the latest first."""
        found = list(self._found(c2s.keyword.strip().casefold()))[:5]
        count = min(c2s.max_count or 10, MOST_FOUND)
        for number in range(count if found else 0):
            listing = found[number % len(found)]
            kind = c2s.news_sub_type or (1, 2, 3)[number % 3]
            moment = self._view.now(listing) - timedelta(hours=5 * number + 1)
            item = s2c.search_news_list.add(
                title=f"{listing.name}: {_HEADLINES.get(kind, _HEADLINES[1])}",
                news_sub_type=kind,
                source="Made-up News",
                publish_time=local_text(moment),
                view_count=self._view.drawn(listing, "news", number).randint(100, 90_000),
                url=f"https://example.invalid/news/{number + 1}",
            )
            item.related_securities.append(listing.full_code)

    def _found(self, word: str) -> Iterator[Listing]:
        if not word:
            return
        ranked = []
        for at, listing in enumerate(self._view.universe):
            code = listing.code.casefold()
            names = f"{listing.name} {listing.chinese}".casefold()
            rank = 0 if code == word or listing.full_code.casefold() == word else 1 if code.startswith(word) else 2
            if rank < 2 or word in names or word in code:
                ranked.append((rank, at, listing))
        yield from (listing for _, _, listing in sorted(ranked, key=lambda each: each[:2]))
