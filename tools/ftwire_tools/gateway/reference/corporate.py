"""Corporate actions, and how many stocks of a market rise and fall."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.gateway.quotes import NotHereError
from ftwire_tools.gateway.reference.view import MarketView, read_date, set_security
from ftwire_tools.synthetic.corporate_actions import Adjustment, CorporateAction, actions_of
from ftwire_tools.synthetic.universe import Kind, Listing

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["CorporateActions"]

SPLIT, JOIN, DIVIDEND = 1, 2, 64
"""Bits of ``companyActFlag``: 2 to the power of ``Qot_Common.CompanyAct``'s place."""
ABOVE, RANGE, BELOW = 2, 3, 4
"""``Qot_GetRiseFallDistribution.DistributionType``."""
_EDGES: Final = (-7, -5, -3, 0, 0, 3, 5, 7)
"""Borders of the ranges of changes, in percent; between the two zeros are those that have not changed."""
_ANNOUNCED, _RECORDED, _PAID = timedelta(days=30), timedelta(days=1), timedelta(days=21)
"""How long before its ex-date a dividend is announced, and how long after it is recorded and paid."""


class CorporateActions:
    """Splits and dividends from one table, and the distribution of changes."""

    def __init__(self, view: MarketView) -> None:
        self._view: Final = view
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {
            "Qot_RequestRehab": self._rehab,
            "Qot_GetCorporateActionsDividends": self._dividends,
            "Qot_GetCorporateActionsStockSplits": self._splits,
            "Qot_GetRiseFallDistribution": self._distribution,
            "Qot_GetIpoList": self._ipos,
            "Qot_GetDividendCalendar": self._calendar,
        }

    def _past(self, listing: Listing) -> list[CorporateAction]:
        today = self._view.today(listing)
        return [action for action in actions_of(listing) if action.day <= today]

    def _rehab(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the factors of all splits and dividends up to now, the latest first."""
        listing = self._view.listing(c2s.security)
        stock = self._view.market.stock(listing.market, listing.code)
        found = [] if stock is None else stock.adjustments(date.min, self._view.today(listing))
        for each in reversed(found):
            self._fill_rehab(s2c.rehabList.add(), listing, each)

    def _fill_rehab(self, rehab: Any, listing: Listing, each: Adjustment) -> None:
        action = each.action
        rehab.time = action.day.isoformat()
        rehab.timestamp = self._view.stamp(listing, action.day)
        rehab.companyActFlag = 0
        if action.shares > 1:
            rehab.companyActFlag |= SPLIT
            rehab.splitBase, rehab.splitErt = _whole_ratio(action.shares)
        elif action.shares < 1:
            rehab.companyActFlag |= JOIN
            ert, base = _whole_ratio(1 / action.shares)
            rehab.joinBase, rehab.joinErt = base, ert
        if action.dividend:
            rehab.companyActFlag |= DIVIDEND
            rehab.dividend = action.dividend
        rehab.fwdFactorA, rehab.fwdFactorB = round(each.forward_a, 8), round(each.forward_b, 8)
        rehab.bwdFactorA, rehab.bwdFactorB = round(each.backward_a, 8), round(each.backward_b, 8)

    def _dividends(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the dividends up to now, the latest first."""
        listing = self._view.listing(c2s.security)
        for action in reversed(self._past(listing)):
            if action.dividend:
                item = s2c.dividendList.add(exDate=action.day.isoformat(), process="Implemented")
                item.statement = f"Cash dividend of {action.dividend:g} a share"
                item.pubDate = (action.day - _ANNOUNCED).isoformat()
                item.recordDate = (action.day + _RECORDED).isoformat()
                item.dividendPayableDate = (action.day + _PAID).isoformat()
                item.fiscalYear = str(action.day.year)

    def _calendar(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the dividends of a market that are announced, recorded, due or paid on a day."""
        day = read_date(c2s.date).date()
        rows = []
        for listing in self._view.universe.of_type(Kind.STOCK, Kind.ETF):
            if listing.market == c2s.market:
                for action in actions_of(listing):
                    days = (action.day - _ANNOUNCED, action.day, action.day + _RECORDED, action.day + _PAID)
                    if action.dividend and day in days:
                        rows.append((listing, action))
        start = max(0, c2s.dataFrom)
        for listing, action in rows[start : start + (c2s.count if c2s.count > 0 else 100)]:
            item = s2c.itemList.add(name=listing.name, exDate=action.day.isoformat())
            set_security(item.security, listing)
            item.statement = f"Cash dividend of {action.dividend:g} a share"
            item.recordDate = (action.day + _RECORDED).isoformat()
            item.dividendPayableDate = (action.day + _PAID).isoformat()
        s2c.allCount = len(rows)

    def _splits(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the splits and joins up to now, the latest first, a page of them."""
        listing = self._view.listing(c2s.security)
        found = [action for action in reversed(self._past(listing)) if action.shares != 1]
        key = c2s.nextKey.decode("ascii", "replace") if isinstance(c2s.nextKey, bytes) else c2s.nextKey
        if key and not (key.isdecimal() and len(key) < 10):
            raise NotHereError("nextKey is not one of ours")
        start = int(key or 0)
        stop = start + (c2s.num if c2s.HasField("num") and c2s.num > 0 else 20)
        for action in found[start:stop]:
            base, ert = _whole_ratio(max(action.shares, 1 / action.shares))
            text = f"{base}:{ert}" if action.shares > 1 else f"{ert}:{base}"
            item = s2c.splitItemList.add(rate=text, eventStatus="Completed")
            item.reformType = "Split" if action.shares > 1 else "Join"
            announced = action.day - timedelta(days=40)
            item.exDate, item.exDateStr = self._seconds(listing, action.day), action.day.isoformat()
            item.dirDeciPubDate, item.dirDeciPubDateStr = self._seconds(listing, announced), announced.isoformat()
            item.newTradeUnit, item.sharesAfterEffect = listing.lot, float(listing.shares)
        if stop < len(found):
            s2c.nextKey = str(stop).encode() if isinstance(c2s.nextKey, bytes) else str(stop)

    def _ipos(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return three companies, made up, that are about to be listed in a market."""
        first = next((each for each in self._view.universe if each.market == c2s.market and each.is_equity), None)
        if first is None:
            raise NotHereError(f"no stocks are listed in market {c2s.market}")
        prefix = first.exchange.prefix
        today = self._view.today(first)
        for number in range(1, 4):
            drawn = self._view.drawn(f"IPO/{prefix}", number)
            price, size = round(drawn.uniform(5, 40), 2), drawn.randint(10, 400) * 1_000_000
            day, applied = today + timedelta(days=5 + 3 * number), today + timedelta(days=number)
            code = {"HK": "0{}", "SH": "7{}00", "SZ": "30{}", "JP": "{}", "MY": "{}"}.get(prefix, "NEW{}")
            item = s2c.ipoList.add()
            item.basic.security.market, item.basic.security.code = c2s.market, code.format(9300 + number)
            item.basic.name, item.basic.listTime = f"New Company {number}", day.isoformat()
            item.basic.listTimestamp = self._view.stamp(first, day)
            self._fill_ipo(item, first, price, size, applied)

    def _fill_ipo(self, item: Any, first: Listing, price: float, size: int, applied: date) -> None:
        """Fill the part of a market: price, size and the end of subscription."""
        prefix, low, high = first.exchange.prefix, round(price * 0.9, 2), round(price * 1.1, 2)
        text, stamp = applied.isoformat(), self._view.stamp(first, applied)
        if prefix in {"SH", "SZ"}:
            part = item.cnExData
            part.applyCode, part.issueSize, part.onlineIssueSize = item.basic.security.code, size, size // 4
            part.applyUpperLimit, part.applyLimitMarketValue = size // 1000, size // 100
            part.isEstimateIpoPrice, part.ipoPrice, part.industryPeRate = False, price, 25.0
            part.isEstimateWinningRatio, part.winningRatio, part.issuePeRate, part.isHasWon = True, 0.05, 22.0, False
            part.applyTime, part.applyTimestamp = text, stamp
        elif prefix == "HK":
            part = item.hkExData
            part.ipoPriceMin, part.ipoPriceMax, part.listPrice, part.lotSize = low, high, price, 500
            part.entrancePrice, part.isSubscribeStatus = round(high * 500 * 1.01, 2), True
            part.applyEndTime, part.applyEndTimestamp = text, stamp
        elif prefix == "MY":
            part = item.myExData
            part.offerPrice, part.issueSize, part.applyEndTime, part.applyEndTimestamp = price, size, text, stamp
        else:
            part = {"US": item.usExData, "SG": item.sgExData, "JP": item.jpExData}[prefix]
            part.ipoPriceMin, part.ipoPriceMax, part.issueSize = low, high, size

    def _seconds(self, listing: Listing, day: date) -> int:
        return int(self._view.stamp(listing, day))

    def _distribution(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return how many stocks of a plate or a market have changed by how much today."""
        if c2s.HasField("security"):
            plate = self._view.listing(c2s.security)
            stocks = self._view.universe.members(plate)
            set_security(s2c.plate, plate)
        else:
            markets = {21, 22} if c2s.market in {21, 22} else {c2s.market or 11}
            stocks = [each for each in self._view.universe.of_type(Kind.STOCK) if each.market in markets]
        changes = [self._view.quote(each).change_rate for each in stocks]
        s2c.rangeList.add(type=ABOVE, leftBorder=_EDGES[-1], stockCount=sum(each > _EDGES[-1] for each in changes))
        edges = list(pairwise(_EDGES))
        for left, right in reversed(edges):
            if left == right:
                count = sum(each == left for each in changes)
            elif left >= 0:
                count = sum(left < each <= right for each in changes)
            else:
                count = sum(left <= each < right for each in changes)
            s2c.rangeList.add(type=RANGE, leftBorder=left, rightBorder=right, stockCount=count)
        s2c.rangeList.add(type=BELOW, rightBorder=_EDGES[0], stockCount=sum(each < _EDGES[0] for each in changes))


def _whole_ratio(shares: float) -> tuple[int, int]:
    """Return two whole numbers, 1 and 4 for 4 new shares for an old one, 2 and 3 for 1.5."""
    for base in range(1, 101):
        if abs(shares * base - round(shares * base)) < 1e-9:
            return base, round(shares * base)
    return 100, round(shares * 100)
