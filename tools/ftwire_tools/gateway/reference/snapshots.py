"""Snapshots: what ``quote_messages`` fills, and the part for the kind of instrument."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from ftwire.messages import Qot_GetSecuritySnapshot
from ftwire_tools.gateway.quote_messages import fill_snapshot
from ftwire_tools.gateway.reference.static_info import CALL, PUT, warrant_type
from ftwire_tools.gateway.reference.view import MarketView, set_security
from ftwire_tools.gateway.reference.warrants import OUTSIDE, WITHIN, warrant_values
from ftwire_tools.synthetic.universe import Kind, Listing

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["Snapshots"]

STOCK_FUND: Final = 1
"""``Qot_Common.AssetClass``."""
_DETAILED: Final = frozenset({Kind.OPTION, Kind.FUTURE, Kind.WARRANT})
"""Types whose quotes have more than prices."""
AMERICAN, EUROPEAN = 1, 2
"""``Qot_Common.OptionAreaType``."""


class Snapshots:
    """Snapshots of all kinds of instruments."""

    def __init__(self, view: MarketView) -> None:
        self._view: Final = view
        self._parts: Final[dict[int, Callable[[Any, Listing], None]]] = {
            Kind.STOCK: self._equity,
            Kind.ETF: self._fund,
            Kind.WARRANT: self._warrant,
            Kind.OPTION: self._option,
            Kind.INDEX: self._index,
            Kind.PLATE: self._plate,
            Kind.FUTURE: self._future,
        }
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {
            "Qot_GetSecuritySnapshot": self._snapshots
        }

    def _snapshots(self, _: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return present prices, with fundamentals, greeks, terms or counts by the kind of instrument."""
        for security in c2s.securityList:
            listing = self._view.listing(security)
            stock = self._view.market.stock(listing.market, listing.code)
            if stock is None:
                continue
            snapshot = s2c.snapshotList.add()
            fill_snapshot(snapshot, stock)
            snapshot.basic.listTimestamp = self._view.stamp(listing, date.fromisoformat(listing.listed))
            fill = self._parts.get(listing.sec_type)
            if fill is not None:
                fill(snapshot, listing)

    def fill_details(self, quote: Any, listing: Listing) -> None:
        """Fill what the quote of an option, future or warrant has beside its prices, as its snapshot has it."""
        if listing.sec_type not in _DETAILED:
            return
        snapshot = Qot_GetSecuritySnapshot.Snapshot()
        snapshot.basic.curPrice, snapshot.basic.lastClosePrice = quote.curPrice, quote.lastClosePrice
        self._parts[listing.sec_type](snapshot, listing)
        for part, values in snapshot.ListFields():
            if part.name == "basic":
                continue
            details = getattr(quote, part.name)
            for field, value in values.ListFields():
                if field.name in details.DESCRIPTOR.fields_by_name:
                    setattr(details, field.name, value)
        if listing.sec_type == Kind.FUTURE:
            day = date.fromisoformat(listing.expiry)
            quote.futureExData.expiryDateDistance = (day - self._view.today(listing)).days

    def _equity(self, snapshot: Any, listing: Listing) -> None:
        equity, price = snapshot.equityExData, snapshot.basic.curPrice
        facts = self._view.fundamentals(listing)
        equity.issuedShares = equity.outstandingShares = listing.shares
        equity.issuedMarketVal = equity.outstandingMarketVal = round(listing.shares * price, 2)
        equity.netAssetPershare, equity.earningsPershare = facts.book_a_share, facts.earnings_a_share
        equity.netAsset, equity.netProfit = facts.net_assets, facts.net_profit
        equity.peRate = equity.peTTMRate = round(price / facts.earnings_a_share, 3)
        equity.eyRate = round(facts.earnings_a_share / facts.book_a_share * 100, 3)
        equity.pbRate = round(price / facts.book_a_share, 3)
        dividend = self._view.dividends(listing)
        equity.dividendTTM = equity.dividendLFY = dividend
        equity.dividendRatioTTM = equity.dividendLFYRatio = round(dividend / price * 100, 3)

    def _fund(self, snapshot: Any, listing: Listing) -> None:
        self._equity(snapshot, listing)
        trust, price = snapshot.trustExData, snapshot.basic.curPrice
        value = self._view.fundamentals(listing).book_a_share
        trust.dividendYield = round(self._view.dividends(listing) / price * 100, 3)
        trust.outstandingUnits, trust.netAssetValue = listing.shares, value
        trust.aum = round(value * listing.shares, 2)
        trust.premium = round((price / value - 1) * 100, 3)
        trust.assetClass = STOCK_FUND

    def _warrant(self, snapshot: Any, listing: Listing) -> None:
        warrant, values = snapshot.warrantExData, warrant_values(listing, self._view)
        warrant.conversionRate, warrant.warrantType = listing.size, warrant_type(listing)
        warrant.strikePrice, warrant.recoveryPrice = listing.strike, 0.0
        warrant.maturityTime = warrant.endTradeTime = listing.expiry
        stamp = self._view.stamp(listing, date.fromisoformat(listing.expiry))
        warrant.maturityTimestamp = warrant.endTradeTimestamp = stamp
        set_security(warrant.owner, self._view.owner(listing))
        warrant.streetVolumn, warrant.issueVolumn = int(listing.shares * values.street_rate / 100), listing.shares
        warrant.streetRate, warrant.delta, warrant.premium = values.street_rate, values.delta, values.premium
        warrant.impliedVolatility, warrant.leverage = values.implied_volatility, values.leverage
        warrant.ipop, warrant.breakEvenPoint = values.in_the_money, values.break_even
        warrant.conversionPrice, warrant.score = values.conversion_price, values.score
        warrant.issuerCode = listing.name[:2]
        if listing.kind in {"bull", "bear"}:
            warrant.recoveryPrice = listing.barrier
            warrant.priceRecoveryRatio = round((values.spot - listing.barrier) / listing.barrier * 100, 3)
        elif listing.kind == "inline":
            warrant.upperStrikePrice, warrant.lowerStrikePrice = listing.strike, listing.barrier
            warrant.inLinePriceStatus = WITHIN if listing.barrier <= values.spot <= listing.strike else OUTSIDE

    def _option(self, snapshot: Any, listing: Listing) -> None:
        option, owner = snapshot.optionExData, self._view.owner(listing)
        day = date.fromisoformat(listing.expiry)
        snapshot.basic.lotSize = int(listing.size)
        option.type = CALL if listing.kind == "call" else PUT
        set_security(option.owner, owner)
        option.strikeTime, option.strikePrice = listing.expiry, listing.strike
        option.strikeTimestamp = self._view.stamp(listing, day)
        option.contractSize, option.contractSizeFloat = int(listing.size), listing.size
        option.contractMultiplier = listing.size
        interest = self._view.open_interest(listing)
        option.openInterest = option.netOpenInterest = interest
        option.impliedVolatility = round(self._view.implied_volatility(listing) * 100, 3)
        found = self._view.greeks(listing)
        option.delta, option.gamma, option.vega = round(found.delta, 6), round(found.gamma, 6), round(found.vega, 6)
        option.theta, option.rho = round(found.theta, 6), round(found.rho, 6)
        spot, price = self._view.quote(owner).price, snapshot.basic.curPrice
        sign = 1 if listing.kind == "call" else -1
        option.premium = round(sign * (listing.strike + sign * price - spot) / spot * 100, 3)
        option.expiryDateDistance = (day - self._view.today(listing)).days
        option.contractNominalValue = round(spot * listing.size, 3)
        option.ownerLotMultiplier = listing.size / owner.lot
        option.optionAreaType = EUROPEAN if owner.sec_type == Kind.INDEX else AMERICAN
        option.indexOptionType = 1 if owner.sec_type == Kind.INDEX else 0

    def _index(self, snapshot: Any, listing: Listing) -> None:
        self._count(snapshot.indexExData, listing)

    def _plate(self, snapshot: Any, listing: Listing) -> None:
        self._count(snapshot.plateExData, listing)

    def _count(self, part: Any, group: Listing) -> None:
        changes = [self._view.quote(member).change for member in self._view.universe.members(group)]
        part.raiseCount = sum(change > 0 for change in changes)
        part.fallCount = sum(change < 0 for change in changes)
        part.equalCount = sum(change == 0 for change in changes)

    def _future(self, snapshot: Any, listing: Listing) -> None:
        future = snapshot.futureExData
        future.lastSettlePrice = snapshot.basic.lastClosePrice
        future.position = self._view.open_interest(listing)
        future.positionChange = self._view.drawn(listing, "position").randint(-2000, 2000)
        future.lastTradeTime = listing.expiry
        future.lastTradeTimestamp = self._view.stamp(listing, date.fromisoformat(listing.expiry))
        future.isMainContract = listing.kind == "main"
